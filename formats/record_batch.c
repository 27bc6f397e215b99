/* Writing.  The reader's side is record_batch_read.c. */
#include "formats/record_batch.h"

#include <string.h>

#include "base/crc.h"
#include "base/invariant.h"
#include "base/sink.h"

enum {
    /* A record before its value: length, attributes, timestamp delta, offset delta, null key, value length. */
    RECORD_PREFIX_MAX = 5 + 1 + 10 + 5 + 1 + 5,
    ATTRIBUTES_BYTES  = 1,
    NULL_KEY_BYTES    = 1,
    WIDTH_GUESS       = 2, /* values of 64..8191 bytes, for the first record */
};
_Static_assert(RECORD_PREFIX_MAX + 5 + 3 * (5 + 5) <= RECORD_OVERHEAD_MAX,
               "room for the length prefixes of three headers");

static unsigned zigzag_size(int64_t value) { return uvarint_size(zigzag_of(value)); }
static uint8_t *zigzag_put(uint8_t *at, int64_t value) { return uvarint_put(at, zigzag_of(value)); }

static uint8_t *be_put(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    return at + size;
}

void record_batch_begin(struct record_batch_writer *w, void *at, size_t size, uint64_t base_offset,
                        uint32_t leader_epoch)
{
    INVARIANT(size >= RECORD_BATCH_HEADER_BYTES);
    if (size > INT32_MAX) size = INT32_MAX; /* the batch's length is an int32 */
    uint8_t *start = at;
    *w = (struct record_batch_writer){
        .start = start, .at = start + RECORD_BATCH_HEADER_BYTES, .end = start + size,
        .base_offset = base_offset, .base_timestamp_ms = -1, .max_timestamp_ms = -1, .leader_epoch = leader_epoch,
        .length_width = WIDTH_GUESS, .value_length_width = WIDTH_GUESS};
}

/* What the record deltas count from: the batch's first record sets the base. */
static int64_t delta_of(struct record_batch_writer *w, int64_t timestamp_ms)
{
    if (w->record_count == 0) w->base_timestamp_ms = timestamp_ms;
    return (int64_t)((uint64_t)timestamp_ms - (uint64_t)w->base_timestamp_ms); /* readers add modulo 2^64, too */
}

static void record_counted(struct record_batch_writer *w, int64_t timestamp_ms, uint8_t *end)
{
    if (w->record_count == 0 || timestamp_ms > w->max_timestamp_ms) w->max_timestamp_ms = timestamp_ms;
    w->record_count++;
    w->at = end;
    w->value = NULL;
}

uint8_t *record_batch_record_begin(struct record_batch_writer *w, int64_t timestamp_ms, size_t value_bytes_max,
                                   size_t headers_bytes_max)
{
    size_t left = (size_t)(w->end - w->at);
    if (value_bytes_max > left || headers_bytes_max > left ||
        value_bytes_max + headers_bytes_max + RECORD_OVERHEAD_MAX > left)
        return NULL;
    unsigned middle =
        ATTRIBUTES_BYTES + zigzag_size(delta_of(w, timestamp_ms)) + zigzag_size(w->record_count) + NULL_KEY_BYTES;
    w->pending_timestamp_ms = timestamp_ms;
    w->value = w->at + w->length_width + middle + w->value_length_width;
    return w->value;
}

size_t record_headers_bytes(const struct record_header *headers, uint32_t header_count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < header_count; i++) {
        const struct record_header *h = &headers[i];
        size += zigzag_size(h->key_bytes) + h->key_bytes;
        size += h->value == NULL ? 1 : zigzag_size(h->value_bytes) + h->value_bytes;
    }
    return size;
}

static uint8_t *headers_put(uint8_t *at, const struct record_header *headers, uint32_t header_count)
{
    at = zigzag_put(at, header_count);
    for (uint32_t i = 0; i < header_count; i++) {
        const struct record_header *h = &headers[i];
        at = bytes_put(zigzag_put(at, h->key_bytes), h->key, h->key_bytes);
        if (h->value == NULL)
            at = zigzag_put(at, -1);
        else
            at = bytes_put(zigzag_put(at, h->value_bytes), h->value, h->value_bytes);
    }
    return at;
}

void record_batch_record_end(struct record_batch_writer *w, size_t value_bytes, const struct record_header *headers,
                             uint32_t header_count)
{
    INVARIANT(w->value != NULL && value_bytes <= (size_t)(w->end - w->value));
    int64_t delta = delta_of(w, w->pending_timestamp_ms);
    unsigned middle = ATTRIBUTES_BYTES + zigzag_size(delta) + zigzag_size(w->record_count) + NULL_KEY_BYTES;
    size_t tail = zigzag_size(header_count) + (header_count == 0 ? 0 : record_headers_bytes(headers, header_count));
    unsigned value_width = zigzag_size((int64_t)value_bytes);
    size_t length = middle + value_width + value_bytes + tail;
    unsigned length_width = zigzag_size((int64_t)length);
    INVARIANT(length_width + length <= (size_t)(w->end - w->at));

    uint8_t *value = w->at + length_width + middle + value_width;
    if (value != w->value) memmove(value, w->value, value_bytes);
    uint8_t *p = zigzag_put(w->at, (int64_t)length);
    *p++ = 0; /* attributes: none are defined */
    p = zigzag_put(p, delta);
    p = zigzag_put(p, w->record_count);
    p = zigzag_put(p, -1); /* null key */
    zigzag_put(p, (int64_t)value_bytes);
    w->length_width = length_width;
    w->value_length_width = value_width;
    record_counted(w, w->pending_timestamp_ms, headers_put(value + value_bytes, headers, header_count));
}

enum err record_batch_add(struct record_batch_writer *w, int64_t timestamp_ms, const void *key, int32_t key_bytes,
                          const void *value, int32_t value_bytes)
{
    INVARIANT(w->value == NULL);
    if (key == NULL) key_bytes = 0;
    if (value == NULL) value_bytes = 0;
    INVARIANT(key_bytes >= 0 && value_bytes >= 0);
    int64_t delta = delta_of(w, timestamp_ms);
    int64_t key_length = key == NULL ? -1 : key_bytes, value_length = value == NULL ? -1 : value_bytes;
    size_t length = ATTRIBUTES_BYTES + zigzag_size(delta) + zigzag_size(w->record_count) + zigzag_size(key_length) +
                    (size_t)key_bytes + zigzag_size(value_length) + (size_t)value_bytes + zigzag_size(0);
    if (zigzag_size((int64_t)length) + length > (size_t)(w->end - w->at)) return ERR_NO_SPACE;
    uint8_t *p = zigzag_put(w->at, (int64_t)length);
    *p++ = 0;
    p = zigzag_put(p, delta);
    p = zigzag_put(p, w->record_count);
    p = bytes_put(zigzag_put(p, key_length), key, (size_t)key_bytes);
    p = bytes_put(zigzag_put(p, value_length), value, (size_t)value_bytes);
    record_counted(w, timestamp_ms, headers_put(p, NULL, 0));
    return ERR_OK;
}

struct record_batch_mark record_batch_mark(const struct record_batch_writer *w)
{
    return (struct record_batch_mark){w->at, w->max_timestamp_ms, w->record_count};
}

void record_batch_cut(struct record_batch_writer *w, struct record_batch_mark mark)
{
    INVARIANT(mark.at >= w->start + RECORD_BATCH_HEADER_BYTES && mark.at <= w->at &&
              mark.record_count <= w->record_count);
    w->at = mark.at;
    w->max_timestamp_ms = mark.max_timestamp_ms;
    w->record_count = mark.record_count;
    w->value = NULL;
}

/* One record of another batch: new deltas, the rest as it is. */
static enum err append_one(struct record_batch_writer *w, struct cursor *from, uint64_t from_base_offset,
                           int64_t from_base_timestamp_ms)
{
    int64_t old_length = cursor_zigzag(from);
    if (from->failed || old_length < 0 || (uint64_t)old_length > cursor_left(from)) return ERR_CORRUPT;
    struct cursor record = cursor_of(cursor_take(from, (size_t)old_length), (size_t)old_length);
    uint8_t attributes = (uint8_t)cursor_le(&record, 1);
    int64_t timestamp_ms = (int64_t)((uint64_t)from_base_timestamp_ms + (uint64_t)cursor_zigzag(&record));
    int64_t old_offset_delta = cursor_zigzag(&record);
    if (record.failed) return ERR_CORRUPT;
    if (from_base_offset + (uint64_t)old_offset_delta != w->base_offset + w->record_count) return ERR_CORRUPT;

    int64_t delta = delta_of(w, timestamp_ms);
    size_t rest = cursor_left(&record);
    size_t length = ATTRIBUTES_BYTES + zigzag_size(delta) + zigzag_size(w->record_count) + rest;
    if (zigzag_size((int64_t)length) + length > (size_t)(w->end - w->at)) return ERR_NO_SPACE;
    uint8_t *p = zigzag_put(w->at, (int64_t)length);
    *p++ = attributes;
    p = zigzag_put(p, delta);
    p = zigzag_put(p, w->record_count);
    record_counted(w, timestamp_ms, bytes_put(p, record.at, rest));
    return ERR_OK;
}

enum err record_batch_append_records(struct record_batch_writer *w, const void *records, size_t size,
                                     uint64_t from_base_offset, int64_t from_base_timestamp_ms)
{
    INVARIANT(w->value == NULL);
    struct record_batch_mark before = record_batch_mark(w);
    struct cursor from = cursor_of(records, size);
    while (cursor_left(&from) > 0) {
        enum err e = append_one(w, &from, from_base_offset, from_base_timestamp_ms);
        if (e == ERR_OK) continue;
        record_batch_cut(w, before);
        return e;
    }
    return ERR_OK;
}

static void seal(uint8_t *batch, size_t size)
{
    be_put(batch + RECORD_BATCH_AT_CRC,
           crc32c(0, batch + RECORD_BATCH_AT_ATTRIBUTES, size - RECORD_BATCH_AT_ATTRIBUTES), 4);
}

static size_t finish(struct record_batch_writer *w, size_t size, enum compression codec)
{
    uint8_t *p = w->start;
    p = be_put(p, w->base_offset, 8);
    p = be_put(p, size - RECORD_BATCH_LENGTH_OVERHEAD, 4);
    p = be_put(p, w->leader_epoch, 4);
    p = be_put(p, 2, 1); /* magic */
    p += 4;              /* CRC, below */
    p = be_put(p, codec, 2); /* attributes; the other bits: timestamps are the producer's */
    p = be_put(p, w->record_count - 1, 4);
    p = be_put(p, (uint64_t)w->base_timestamp_ms, 8);
    p = be_put(p, (uint64_t)w->max_timestamp_ms, 8);
    p = be_put(p, UINT64_MAX, 8); /* producer id, producer epoch, base sequence: none */
    p = be_put(p, UINT16_MAX, 2);
    p = be_put(p, UINT32_MAX, 4);
    be_put(p, w->record_count, 4);
    seal(w->start, size);
    return size;
}

size_t record_batch_finish(struct record_batch_writer *w)
{
    INVARIANT(w->record_count > 0 && w->value == NULL);
    return finish(w, record_batch_bytes(w), COMPRESSION_NONE);
}

size_t record_batch_finish_packed(struct record_batch_writer *w, struct packer *packer, void *room, size_t room_bytes)
{
    INVARIANT(w->record_count > 0 && w->value == NULL);
    uint8_t *records = w->start + RECORD_BATCH_HEADER_BYTES;
    size_t plain = (size_t)(w->at - records);
    size_t packed = packer_pack(packer, records, plain, room, room_bytes);
    if (packed == 0 || packed >= plain) return record_batch_finish(w);
    memcpy(records, room, packed);
    return finish(w, RECORD_BATCH_HEADER_BYTES + packed, packer_codec(packer));
}

enum err record_batch_unpack(struct unpacker *u, const void *bytes, const struct record_batch_view *view, void *out,
                             size_t room, size_t *out_bytes)
{
    uint8_t *batch = out;
    size_t plain;
    if (room < RECORD_BATCH_HEADER_BYTES) return ERR_TOO_LARGE;
    if (room > INT32_MAX) room = INT32_MAX;
    TRY(unpacker_unpack(u, record_batch_codec(view), view->records, view->records_bytes,
                        batch + RECORD_BATCH_HEADER_BYTES, room - RECORD_BATCH_HEADER_BYTES, &plain));
    memcpy(batch, bytes, RECORD_BATCH_HEADER_BYTES);
    *out_bytes = RECORD_BATCH_HEADER_BYTES + plain;
    be_put(batch + RECORD_BATCH_AT_LENGTH, *out_bytes - RECORD_BATCH_LENGTH_OVERHEAD, 4);
    be_put(batch + RECORD_BATCH_AT_ATTRIBUTES, view->attributes & ~(unsigned)COMPRESSION_MASK, 2);
    seal(batch, *out_bytes);
    return ERR_OK;
}

size_t record_batch_keep(void *bytes, size_t records_bytes, uint32_t record_count)
{
    uint8_t *batch = bytes;
    size_t size = RECORD_BATCH_HEADER_BYTES + records_bytes;
    be_put(batch + RECORD_BATCH_AT_LENGTH, size - RECORD_BATCH_LENGTH_OVERHEAD, 4);
    be_put(batch + RECORD_BATCH_HEADER_BYTES - 4, record_count, 4);
    seal(batch, size);
    return size;
}

void record_batch_patch(void *bytes, uint64_t base_offset, uint32_t leader_epoch)
{
    uint8_t *at = bytes;
    be_put(at, base_offset, 8);
    be_put(at + RECORD_BATCH_AT_EPOCH, leader_epoch, 4);
}
