/* dataplane/kafka/fetch_old.c -- see fetch_old.h */
#include "dataplane/kafka/fetch_old.h"

#include <string.h>

#include "formats/record_batch.h"

enum { RECORD_HEAD_BYTES_MAX = 32 }; /* a record before its value, when its key is null: as RECORD_PREFIX_MAX */

/* Format 0 until Fetch 1, format 1 from 2 on. */
static unsigned magic_of(int16_t version) { return version < 2 ? 0 : 1; }

bool fetch_is_current(const struct log_slice *slice, int16_t version)
{
    if (version <= FETCH_OLD_VERSION_MAX) return false;
    return version >= FETCH_ZSTD_SINCE || !log_slice_is_packed(slice, 1u << COMPRESSION_ZSTD);
}

/* A buffer of `size` bytes as a piece of the answer. */
static enum err piece_take(struct request *r, size_t size, struct log_piece *piece, uint8_t **bytes)
{
    if (size <= FETCH_OLD_BYTES_MAX) {
        *bytes = buffer_take(r->buffers, size);
        if (*bytes == NULL) return ERR_NO_MEMORY;
    } else {
        TRY(buffer_take_large(r->buffers, size, bytes));
    }
    *piece = (struct log_piece){.bytes = *bytes, .size = (uint32_t)size, .pin = PIECE_IS_BUFFER,
                                .held_bytes = (uint32_t)buffer_size(r->buffers, *bytes)};
    return ERR_OK;
}

enum err fetch_old_make(struct request *r, const uint8_t *batches, size_t size, uint64_t offset, uint64_t bytes_max,
                        bool first_whole, struct log_piece *piece, struct message_set_plan *plan)
{
    unsigned magic = magic_of(r->header.api_version);
    uint8_t *set;
    *piece = (struct log_piece){0};
    if (bytes_max > FETCH_OLD_BYTES_MAX) bytes_max = FETCH_OLD_BYTES_MAX;
    TRY(message_set_plan(batches, size, magic, offset, bytes_max, first_whole, plan));
    if (plan->count == 0) return ERR_OK;
    TRY(piece_take(r, plan->bytes, piece, &set));
    message_set_write(batches, size, magic, offset, plan, set);
    return ERR_OK;
}

/* --- a message that goes from where it lies --- */

/* The first bytes of the slice, in one piece. */
static size_t slice_head(const struct log_slice *slice, uint8_t *to, size_t size)
{
    size_t done = 0;
    for (uint32_t i = 0; i < slice->piece_count && done < size; i++) {
        size_t here = slice->piece[i].size < size - done ? slice->piece[i].size : size - done;
        memcpy(to + done, slice->piece[i].bytes, here);
        done += here;
    }
    return done;
}

/* The slice begins with a batch of one record that is too large to be copied, without a key and not packed: false if
 * not.  `*value_at`: where in the slice its value lies. */
static bool slice_is_large(const struct log_slice *slice, uint64_t offset, struct record_view *record,
                           uint32_t *value_at)
{
    uint8_t head[RECORD_BATCH_HEADER_BYTES + RECORD_HEAD_BYTES_MAX];
    struct record_batch_view batch;
    size_t size = slice_head(slice, head, sizeof head);
    if (record_batch_view(head, UINT32_MAX, &batch) != ERR_OK || batch.bytes <= FETCH_OLD_BYTES_MAX ||
        batch.record_count != 1 || record_batch_codec(&batch) != COMPRESSION_NONE)
        return false;
    struct cursor c = cursor_of(head + RECORD_BATCH_HEADER_BYTES, size - RECORD_BATCH_HEADER_BYTES);
    (void)cursor_zigzag(&c); /* its length */
    (void)cursor_take(&c, 1);
    int64_t timestamp_delta = cursor_zigzag(&c), offset_delta = cursor_zigzag(&c);
    int64_t key_bytes = cursor_zigzag(&c), value_bytes = cursor_zigzag(&c);
    *value_at = (uint32_t)(size - cursor_left(&c));
    *record = (struct record_view){.offset = batch.base_offset + (uint64_t)offset_delta,
                                   .timestamp_ms = batch.base_timestamp_ms + timestamp_delta,
                                   .value_bytes = (uint32_t)value_bytes};
    return !c.failed && key_bytes == -1 && value_bytes > FETCH_OLD_BYTES_MAX / 2 && record->offset >= offset &&
           (uint64_t)value_bytes <= batch.bytes - *value_at;
}

/* Keeps `size` bytes of the slice from `at` on as pieces of the answer and lets go of the rest. */
static void slice_keep_part(struct request *r, struct log_slice *slice, uint32_t at, uint32_t size,
                            struct fetch_old *out)
{
    uint32_t end = at + size, from = 0;
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        struct log_piece *p = &slice->piece[i];
        uint32_t to = from + p->size, first = at > from ? at : from, last = end < to ? end : to;
        if (first < last) {
            struct log_piece *kept = &out->piece[out->piece_count++];
            *kept = *p;
            kept->bytes += first - from;
            kept->size = last - first;
        } else {
            log_reader_release(r->reader, p);
        }
        from = to;
    }
    slice->piece_count = 0;
}

/* The message's head in a buffer, and its value. */
static enum err convert_large(struct request *r, struct log_slice *slice, const struct record_view *record,
                              uint32_t value_at, struct fetch_old *out)
{
    uint8_t *head;
    unsigned magic = magic_of(r->header.api_version);
    TRY(piece_take(r, message_head_bytes(magic), &out->piece[0], &head));
    out->piece_count = 1;
    slice_keep_part(r, slice, value_at, record->value_bytes, out);
    uint32_t crc = message_head_write(record, magic, head);
    for (uint32_t i = 1; i < out->piece_count; i++) crc = message_crc(crc, out->piece[i].bytes, out->piece[i].size);
    message_head_end(head, crc);
    out->bytes = (uint32_t)message_head_bytes(magic) + record->value_bytes;
    out->next_offset = record->offset + 1;
    return ERR_OK;
}

/* --- all others --- */

/* Batches that are only unpacked. */
static enum err copy_plain(struct request *r, const uint8_t *batches, size_t size, struct fetch_old *out)
{
    uint8_t *copy;
    TRY(piece_take(r, size, &out->piece[0], &copy));
    memcpy(copy, batches, size);
    out->piece_count = 1;
    out->bytes = (uint32_t)size;
    for (size_t at = 0; at < size;) {
        struct record_batch_view batch;
        TRY(record_batch_view(copy + at, size - at, &batch));
        out->next_offset = batch.last_offset + 1;
        at += batch.bytes;
    }
    return ERR_OK;
}

static enum err convert(struct request *r, const struct log_slice *slice, uint64_t offset, uint64_t bytes_max,
                        bool first_whole, struct fetch_old *out)
{
    const uint8_t *batches;
    size_t size;
    struct message_set_plan plan;
    TRY(log_slice_plain(slice, log_reader_rooms(r->reader), bytes_max, first_whole, &batches, &size));
    if (size == 0) return ERR_OK;
    if (r->header.api_version > FETCH_OLD_VERSION_MAX) return copy_plain(r, batches, size, out);
    TRY(fetch_old_make(r, batches, size, offset, bytes_max, first_whole, &out->piece[0], &plan));
    out->piece_count = plan.count > 0;
    out->bytes = out->piece[0].size;
    out->next_offset = plan.next_offset;
    return ERR_OK;
}

enum err fetch_old_convert(struct request *r, struct log_slice *slice, uint64_t offset, uint64_t bytes_max,
                           bool first_whole, struct fetch_old *out)
{
    struct record_view record;
    uint32_t value_at;
    *out = (struct fetch_old){.next_offset = offset};
    if (bytes_max > FETCH_OLD_BYTES_MAX) bytes_max = FETCH_OLD_BYTES_MAX;
    bool is_large = r->header.api_version <= FETCH_OLD_VERSION_MAX && first_whole &&
                    slice_is_large(slice, offset, &record, &value_at);
    enum err e = is_large ? convert_large(r, slice, &record, value_at, out)
                          : convert(r, slice, offset, bytes_max, first_whole, out);
    for (uint32_t i = 0; i < slice->piece_count; i++) log_reader_release(r->reader, &slice->piece[i]);
    slice->piece_count = 0;
    if (e == ERR_OK) return ERR_OK;
    for (uint32_t i = 0; i < out->piece_count; i++) record_piece_release(&out->piece[i], r->reader, r->buffers);
    out->piece_count = 0;
    return e;
}
