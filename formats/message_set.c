/* formats/message_set.c -- see message_set.h */
#include "formats/message_set.h"

#include "base/crc.h"
#include "base/invariant.h"
#include "base/sink.h"

enum {
    ENTRY_BYTES = 12,              /* offset, size */
    MESSAGE_BYTES_0 = 4 + 1 + 1 + 4 + 4, /* CRC, magic, attributes, the lengths of key and value */
    CRC_BYTES = 4,
    TIMESTAMP_BYTES = 8,
};

/* The records of batches one after the other, from an offset on. */
struct walk {
    struct cursor batches, records;
    struct record_batch_view batch;
    uint64_t offset;
};

static struct walk walk_of(const void *batches, size_t size, uint64_t offset)
{
    return (struct walk){.batches = cursor_of(batches, size), .records = cursor_of(NULL, 0), .offset = offset};
}

/* ERR_NOT_FOUND: no more. */
static enum err walk_next(struct walk *w, struct record_view *out)
{
    for (;;) {
        while (cursor_left(&w->records) > 0) {
            TRY(record_next(&w->records, &w->batch, out));
            if (out->offset >= w->offset) return ERR_OK;
        }
        if (cursor_left(&w->batches) == 0) return ERR_NOT_FOUND;
        enum err e = record_batch_view(w->batches.at, cursor_left(&w->batches), &w->batch);
        if (e != ERR_OK) return ERR_CORRUPT; /* also when it is cut: they are given whole */
        if (record_batch_codec(&w->batch) != COMPRESSION_NONE) return ERR_UNSUPPORTED;
        w->records = cursor_of(w->batch.records, w->batch.records_bytes);
        (void)cursor_take(&w->batches, w->batch.bytes);
    }
}

static uint64_t message_bytes(const struct record_view *r, unsigned magic)
{
    return (uint64_t)MESSAGE_BYTES_0 + (magic == 0 ? 0 : TIMESTAMP_BYTES) + r->key_bytes + r->value_bytes;
}

enum err message_set_plan(const void *batches, size_t size, unsigned magic, uint64_t offset, uint64_t bytes_max,
                          bool first_whole, struct message_set_plan *out)
{
    struct walk w = walk_of(batches, size, offset);
    struct record_view r;
    enum err e;
    *out = (struct message_set_plan){.next_offset = offset};
    while ((e = walk_next(&w, &r)) == ERR_OK) {
        uint64_t bytes = ENTRY_BYTES + message_bytes(&r, magic);
        bool is_free = first_whole && out->count == 0;
        if (!is_free && (bytes > bytes_max || out->bytes > bytes_max - bytes)) return ERR_OK;
        out->bytes += bytes;
        out->count++;
        out->next_offset = r.offset + 1;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void put_nullable(struct sink *s, const uint8_t *bytes, uint32_t size)
{
    sink_be(s, bytes == NULL ? UINT32_MAX : size, 4);
    sink_bytes(s, bytes, bytes == NULL ? 0 : size);
}

/* Up to the lengths and bytes of key and value; *crc: where the checksum goes, which begins behind it. */
static void put_head(struct sink *s, const struct record_view *r, unsigned magic, uint8_t **crc)
{
    sink_be(s, r->offset, 8);
    sink_be(s, message_bytes(r, magic), 4);
    *crc = s->at;
    sink_be(s, 0, CRC_BYTES);
    sink_be(s, magic, 1);
    sink_be(s, 0, 1); /* attributes: not compressed, the time is the record's own */
    if (magic > 0) sink_be(s, (uint64_t)r->timestamp_ms, TIMESTAMP_BYTES);
}

size_t message_head_bytes(unsigned magic)
{
    return ENTRY_BYTES + MESSAGE_BYTES_0 + (magic == 0 ? 0 : TIMESTAMP_BYTES);
}

uint32_t message_crc(uint32_t crc, const uint8_t *bytes, size_t size) { return crc32_zlib(crc, bytes, size); }

uint32_t message_head_write(const struct record_view *record, unsigned magic, uint8_t *head)
{
    uint8_t *crc;
    struct sink s = sink_of(head, message_head_bytes(magic));
    put_head(&s, record, magic, &crc);
    put_nullable(&s, NULL, 0); /* the key */
    sink_be(&s, record->value_bytes, 4);
    INVARIANT(!s.failed && sink_left(&s) == 0);
    return message_crc(0, crc + CRC_BYTES, (size_t)(s.at - crc) - CRC_BYTES);
}

void message_head_end(uint8_t *head, uint32_t crc)
{
    struct sink s = sink_of(head + ENTRY_BYTES, CRC_BYTES);
    sink_be(&s, crc, CRC_BYTES);
}

void message_set_write(const void *batches, size_t size, unsigned magic, uint64_t offset,
                       const struct message_set_plan *plan, uint8_t *out)
{
    struct walk w = walk_of(batches, size, offset);
    struct record_view r;
    struct sink s = sink_of(out, plan->bytes);
    for (uint32_t i = 0; i < plan->count; i++) {
        enum err e = walk_next(&w, &r);
        INVARIANT(e == ERR_OK); /* the plan has been through here */
        uint8_t *crc;
        put_head(&s, &r, magic, &crc);
        put_nullable(&s, r.key, r.key_bytes);
        put_nullable(&s, r.value, r.value_bytes);
        INVARIANT(!s.failed);
        message_head_end(crc - ENTRY_BYTES, message_crc(0, crc + CRC_BYTES, (size_t)(s.at - crc) - CRC_BYTES));
    }
    INVARIANT(sink_left(&s) == 0);
}
