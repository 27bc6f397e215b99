/* Reading.  The writer's side is record_batch.c. */
#include "formats/record_batch.h"

#include <string.h>

#include "base/crc.h"

enum {
    MAGIC                = 2,
    RECORD_BYTES_MIN     = 7, /* length, attributes, two deltas, null key, null value, no headers */
};

enum err record_batch_view(const void *bytes, size_t size, struct record_batch_view *out)
{
    if (size < RECORD_BATCH_HEADER_BYTES) {
        out->bytes = 0;
        return ERR_TRUNCATED;
    }
    struct cursor c = cursor_of(bytes, RECORD_BATCH_HEADER_BYTES);
    struct record_batch_view v;
    v.base_offset = cursor_be(&c, 8);
    uint64_t length = cursor_be(&c, 4);
    v.leader_epoch = (uint32_t)cursor_be(&c, 4);
    uint8_t magic = (uint8_t)cursor_be(&c, 1);
    v.crc = (uint32_t)cursor_be(&c, 4);
    v.attributes = (uint16_t)cursor_be(&c, 2);
    uint64_t last_offset_delta = cursor_be(&c, 4);
    v.base_timestamp_ms = (int64_t)cursor_be(&c, 8);
    v.max_timestamp_ms = (int64_t)cursor_be(&c, 8);
    cursor_take(&c, 8 + 2 + 4); /* producer id, producer epoch, base sequence */
    v.record_count = (uint32_t)cursor_be(&c, 4);
    v.last_offset = v.base_offset + last_offset_delta;
    v.bytes = (uint32_t)length + RECORD_BATCH_LENGTH_OVERHEAD;
    v.records = c.at;
    v.records_bytes = v.bytes - RECORD_BATCH_HEADER_BYTES;

    if (magic != MAGIC || length < RECORD_BATCH_HEADER_BYTES - RECORD_BATCH_LENGTH_OVERHEAD ||
        length > INT32_MAX - RECORD_BATCH_LENGTH_OVERHEAD)
        return ERR_CORRUPT;
    if (last_offset_delta > INT32_MAX || v.base_offset > INT64_MAX - last_offset_delta) return ERR_CORRUPT;
    /* Compaction leaves fewer records than offsets, never more. */
    if (v.record_count == 0 || v.record_count > last_offset_delta + 1) return ERR_CORRUPT;
    unsigned compression = v.attributes & COMPRESSION_MASK;
    if (compression > COMPRESSION_ZSTD) return ERR_CORRUPT;
    if (compression == 0 && v.records_bytes / RECORD_BYTES_MIN < v.record_count) return ERR_CORRUPT;
    if (size < v.bytes) {
        out->bytes = v.bytes;
        return ERR_TRUNCATED;
    }
    *out = v;
    return ERR_OK;
}

bool record_batch_crc_holds(const void *bytes, const struct record_batch_view *view)
{
    const uint8_t *at = bytes;
    return crc32c(0, at + RECORD_BATCH_AT_ATTRIBUTES, view->bytes - RECORD_BATCH_AT_ATTRIBUTES) == view->crc;
}

/* A length of at most what is left, then that many bytes; -1: NULL. */
static const uint8_t *nullable_take(struct cursor *c, uint32_t *size)
{
    int64_t length = cursor_zigzag(c);
    *size = 0;
    if (length == -1) return NULL;
    if (length < 0 || (uint64_t)length > cursor_left(c)) {
        c->failed = true;
        return NULL;
    }
    *size = (uint32_t)length;
    return cursor_take(c, (size_t)length);
}

static void header_take(struct cursor *c, struct record_header *out)
{
    out->key = (const char *)nullable_take(c, &out->key_bytes);
    if (out->key == NULL) c->failed = true; /* a key is never null */
    out->value = nullable_take(c, &out->value_bytes);
}

enum err record_next(struct cursor *records, const struct record_batch_view *batch, struct record_view *out)
{
    uint32_t size;
    const uint8_t *bytes = nullable_take(records, &size);
    if (bytes == NULL) return ERR_CORRUPT;
    struct cursor c = cursor_of(bytes, size);
    struct record_view v;
    cursor_take(&c, 1); /* attributes: none are defined */
    v.timestamp_ms = (int64_t)((uint64_t)batch->base_timestamp_ms + (uint64_t)cursor_zigzag(&c));
    int64_t offset_delta = cursor_zigzag(&c);
    v.key = nullable_take(&c, &v.key_bytes);
    v.value = nullable_take(&c, &v.value_bytes);
    int64_t header_count = cursor_zigzag(&c);
    if (c.failed || header_count < 0 || (uint64_t)header_count > cursor_left(&c)) return ERR_CORRUPT;
    if (offset_delta < 0 || (uint64_t)offset_delta > batch->last_offset - batch->base_offset) return ERR_CORRUPT;
    v.offset = batch->base_offset + (uint64_t)offset_delta;
    v.header_count = (uint32_t)header_count;
    v.headers = c;
    for (int64_t i = 0; i < header_count && !c.failed; i++) {
        struct record_header ignored;
        header_take(&c, &ignored);
    }
    if (c.failed || cursor_left(&c) != 0) return ERR_CORRUPT;
    *out = v;
    return ERR_OK;
}

enum err record_header_next(struct record_view *record, struct record_header *out)
{
    if (cursor_left(&record->headers) == 0) return ERR_NOT_FOUND;
    header_take(&record->headers, out);
    return record->headers.failed ? ERR_CORRUPT : ERR_OK;
}

bool record_header_find(const struct record_view *record, const char *key, struct record_header *out)
{
    struct record_view walk = *record;
    struct record_header h;
    size_t key_bytes = strlen(key);
    while (record_header_next(&walk, &h) == ERR_OK) {
        if (h.key_bytes != key_bytes || memcmp(h.key, key, key_bytes) != 0) continue;
        *out = h;
        return true;
    }
    return false;
}
