/* dataplane/kafka/fetch_old.c -- see fetch_old.h */
#include "dataplane/kafka/fetch_old.h"

#include <string.h>

/* Format 0 until Fetch 1, format 1 from 2 on. */
static unsigned magic_of(int16_t version) { return version < 2 ? 0 : 1; }

/* The slice's bytes in one piece: where they lie, or (in `*buffer`) a copy. */
static const uint8_t *slice_bytes(struct request *r, const struct log_slice *slice, uint8_t **buffer)
{
    *buffer = NULL;
    if (slice->piece_count == 1) return slice->piece[0].bytes;
    *buffer = buffer_take(r->buffers, slice->bytes);
    if (*buffer == NULL) return NULL;
    uint8_t *at = *buffer;
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        memcpy(at, slice->piece[i].bytes, slice->piece[i].size);
        at += slice->piece[i].size;
    }
    return *buffer;
}

enum err fetch_old_make(struct request *r, const uint8_t *batches, size_t size, uint64_t offset, uint64_t bytes_max,
                        bool first_whole, struct log_piece *piece, struct message_set_plan *plan)
{
    unsigned magic = magic_of(r->header.api_version);
    *piece = (struct log_piece){0};
    TRY(message_set_plan(batches, size, magic, offset, bytes_max, first_whole, plan));
    if (plan->count == 0) return ERR_OK;
    uint8_t *set = buffer_take(r->buffers, plan->bytes);
    if (set == NULL) return ERR_NO_MEMORY;
    message_set_write(batches, size, magic, offset, plan, set);
    *piece = (struct log_piece){.bytes = set, .size = (uint32_t)plan->bytes, .pin = PIECE_IS_BUFFER,
                                .held_bytes = (uint32_t)buffer_size(r->buffers, set)};
    return ERR_OK;
}

enum err fetch_old_convert(struct request *r, struct log_slice *slice, uint64_t offset, uint64_t bytes_max,
                           bool first_whole, struct log_piece *piece, struct message_set_plan *plan)
{
    uint8_t *copy;
    *piece = (struct log_piece){0};
    const uint8_t *batches = slice_bytes(r, slice, &copy);
    enum err e = ERR_NO_MEMORY;
    if (batches != NULL) e = fetch_old_make(r, batches, slice->bytes, offset, bytes_max, first_whole, piece, plan);
    buffer_give(r->buffers, copy);
    for (uint32_t i = 0; i < slice->piece_count; i++) log_reader_release(r->reader, &slice->piece[i]);
    return e;
}
