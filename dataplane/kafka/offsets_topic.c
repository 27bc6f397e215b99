#include "dataplane/kafka/offsets_topic.h"

#include <string.h>

#include "dataplane/kafka/fetch_old.h"
#include "formats/record_batch.h"

/* --- Java's hash --- */

/* The next character of UTF-8; a byte that is none counts as U+FFFD. */
static uint32_t next_character(struct cursor *in)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t c = (uint32_t)cursor_be(in, 1);
    unsigned more = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc0 && c < 0xe0 ? 1 : 0;
    if (c < 0x80) return c;
    if (more == 0 || cursor_left(in) < more) return 0xfffd;
    struct cursor at = *in;
    uint32_t whole = c & (0x3fu >> more);
    for (unsigned i = 0; i < more; i++) {
        uint32_t byte = (uint32_t)cursor_be(&at, 1);
        if ((byte & 0xc0) != 0x80) return 0xfffd;
        whole = whole << 6 | (byte & 0x3f);
    }
    if (whole < least[more] || whole > 0x10ffff || (whole >= 0xd800 && whole < 0xe000)) return 0xfffd;
    *in = at;
    return whole;
}

uint32_t offsets_topic_partition(struct kafka_string group)
{
    struct cursor in = cursor_of(group.chars, group.size > 0 ? (size_t)group.size : 0);
    uint32_t hash = 0;
    while (cursor_left(&in) > 0) { /* over UTF-16's units */
        uint32_t c = next_character(&in);
        if (c >= 0x10000) {
            hash = 31 * hash + 0xd7c0 + (c >> 10);
            c = 0xdc00 + (c & 0x3ff);
        }
        hash = 31 * hash + c;
    }
    uint32_t positive = hash > INT32_MAX ? -hash : hash;
    return (positive > INT32_MAX ? 0 : positive) % OFFSETS_TOPIC_PARTITIONS; /* the lowest integer has no opposite */
}

/* Every key begins: version int16, group string. */
uint32_t offsets_topic_partition_of(const uint8_t *bytes, size_t size)
{
    struct cursor key = cursor_of(bytes, bytes == NULL ? 0 : size);
    cursor_be(&key, 2);
    size_t group_bytes = (size_t)cursor_be(&key, 2);
    const uint8_t *group = cursor_take(&key, group_bytes);
    if (key.failed || group == NULL) return OFFSETS_TOPIC_PARTITIONS;
    return offsets_topic_partition((struct kafka_string){(const char *)group, (int32_t)group_bytes});
}

/* --- the ends --- */

void offsets_topic_note(struct offsets_topic_ends *ends, uint32_t partition, uint64_t offset)
{
    if (partition < OFFSETS_TOPIC_PARTITIONS)
        atomic_store_explicit(&ends->end[partition], offset + 1, memory_order_relaxed);
}

void offsets_topic_publish(struct offsets_topic_ends *ends, uint64_t through)
{
    atomic_store_explicit(&ends->through, through, memory_order_release); /* pairs with look: the ends come first */
}

struct offsets_topic_view offsets_topic_look(const struct offsets_topic_ends *ends, uint32_t partition, uint64_t start,
                                             uint64_t watermark)
{
    struct offsets_topic_view v = {.end = watermark};
    v.is_known = ends != NULL && atomic_load_explicit(&ends->is_known, memory_order_acquire); /* pairs with load_done */
    if (!v.is_known) return v;
    v.through = atomic_load_explicit(&ends->through, memory_order_acquire); /* pairs with publish */
    uint64_t end = atomic_load_explicit(&ends->end[partition], memory_order_relaxed);
    v.own_end = end;
    v.end = end < start ? start : end > watermark ? watermark : end;
    return v;
}

/* --- the view --- */

struct shown {
    uint8_t *bytes; /* the slice, and from its start on the batches kept: they never grow */
    size_t   size, slice_bytes;
    uint64_t end;        /* behind the last record shown */
    size_t   last_batch; /* of the slice: where it begins, and what it says */
    uint64_t last_offset;
    int64_t  last_ms;
    bool     has_records;
};

/* Keeps of one batch the records of the partition; a batch without any leaves nothing. */
static enum err show_batch(struct shown *s, size_t at, const struct record_batch_view *batch, uint32_t index,
                           uint64_t offset)
{
    struct cursor records = cursor_of(batch->records, batch->records_bytes);
    uint8_t *out = s->bytes + s->size;
    size_t kept_bytes = 0;
    uint32_t kept = 0;
    if ((batch->attributes & 7) != 0) return ERR_CORRUPT; /* the coordinator does not compress */
    while (cursor_left(&records) > 0) {
        const uint8_t *from = records.at;
        struct record_view record;
        TRY(record_next(&records, batch, &record));
        if (record.offset < offset || offsets_topic_partition_of(record.key, record.key_bytes) != index) continue;
        s->end = record.offset + 1;
        if (kept == 0) memmove(out, s->bytes + at, RECORD_BATCH_HEADER_BYTES);
        size_t bytes = (size_t)(records.at - from);
        memmove(out + RECORD_BATCH_HEADER_BYTES + kept_bytes, from, bytes);
        kept_bytes += bytes;
        kept++;
    }
    if (kept == 0) return ERR_OK;
    s->size += record_batch_keep(out, kept_bytes, kept);
    s->has_records = true;
    return ERR_OK;
}

static enum err show_all(struct shown *s, uint32_t index, uint64_t offset)
{
    for (size_t at = 0; at < s->slice_bytes;) {
        struct record_batch_view batch;
        TRY(record_batch_view(s->bytes + at, s->slice_bytes - at, &batch));
        size_t bytes = batch.bytes;
        s->last_batch = at;
        s->last_offset = batch.last_offset;
        s->last_ms = batch.max_timestamp_ms;
        TRY(show_batch(s, at, &batch, index, offset));
        at += bytes;
    }
    return ERR_OK;
}

/* A reader that finds nothing of its own is carried behind the slice: by a batch without records; in the old formats,
 * which have none, by a message without key and value, which readers of this topic pass over. */
static void carry_over(const struct request *r, struct shown *s)
{
    if (r->header.api_version > FETCH_OLD_VERSION_MAX) {
        memmove(s->bytes, s->bytes + s->last_batch, RECORD_BATCH_HEADER_BYTES);
        s->size = record_batch_keep(s->bytes, 0, 0);
        return;
    }
    struct record_batch_writer w;
    record_batch_begin(&w, s->bytes, s->slice_bytes, s->last_offset, 0);
    if (record_batch_add(&w, s->last_ms, NULL, -1, NULL, -1) == ERR_OK) s->size = record_batch_finish(&w);
}

static void gather(struct request *r, struct log_slice *slice, uint8_t *out)
{
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        if (out != NULL) memcpy(out, slice->piece[i].bytes, slice->piece[i].size);
        if (out != NULL) out += slice->piece[i].size;
        log_reader_release(r->reader, &slice->piece[i]);
    }
}

enum err offsets_topic_show(struct request *r, struct log_slice *slice, uint32_t index, uint64_t offset,
                            uint64_t bytes_max, bool first_whole, bool carries, struct log_piece *piece,
                            uint64_t *next_offset, uint64_t *end)
{
    struct shown s = {.bytes = buffer_take(r->buffers, slice->bytes), .slice_bytes = slice->bytes};
    *piece = (struct log_piece){0};
    *next_offset = slice->next_offset;
    gather(r, slice, s.bytes);
    if (s.bytes == NULL) return ERR_NO_MEMORY;
    enum err e = show_all(&s, index, offset);
    if (e == ERR_OK && s.has_records) *end = s.end;
    if (e == ERR_OK && !s.has_records && carries) carry_over(r, &s);
    if (e == ERR_OK && r->header.api_version <= FETCH_OLD_VERSION_MAX && s.size > 0) {
        struct message_set_plan plan;
        e = fetch_old_make(r, s.bytes, s.size, offset, bytes_max, first_whole, piece, &plan);
        if (e == ERR_OK) *next_offset = plan.next_offset;
    } else if (e == ERR_OK && s.size > 0) {
        *piece = (struct log_piece){.bytes = s.bytes, .size = (uint32_t)s.size, .pin = PIECE_IS_BUFFER,
                                    .held_bytes = (uint32_t)buffer_size(r->buffers, s.bytes)};
        return ERR_OK;
    }
    buffer_give(r->buffers, s.bytes);
    return e;
}
