/* Reading the hot tail: straight out of the chunks, pinned. */
#include <string.h>

#include "storage/reader.h"

/* Where a walk through the tail stands; it pins the chunk it is in. */
struct hot_walk {
    struct log_reader *r;
    const struct log  *l;
    const struct chunk_pool *pool;
    uint64_t seq, offset;
    struct tail_place place;
    uint32_t position; /* in the chunk, of the batch at `offset` */
    bool     is_in;
};

static void walk_leave(struct hot_walk *w)
{
    if (w->is_in) chunk_unpin(w->r->pins, w->place.chunk);
    w->is_in = false;
}

/* Into the chunk of entry `seq`; false: it has left the tail. */
static bool walk_enter(struct hot_walk *w, uint64_t seq)
{
    struct tail_place place;
    walk_leave(w);
    if (!tail_get(&w->l->tail, seq, &place)) return false;
    chunk_pin(w->r->pins, place.chunk);
    if (!tail_holds(&w->l->tail, seq)) {
        chunk_unpin(w->r->pins, place.chunk);
        return false;
    }
    w->seq = seq;
    w->place = place;
    w->is_in = true;
    return true;
}

/* Goes to the next chunk when the batch at `offset` begins there. */
static bool walk_turn(struct hot_walk *w)
{
    struct tail_place next;
    if (!tail_get(&w->l->tail, w->seq + 1, &next) || next.first_offset != w->offset) return true;
    if (!walk_enter(w, w->seq + 1)) return false;
    w->position = w->place.first_position;
    return true;
}

/* Copies `size` bytes from the walk's place on, through all the chunks that they lie in; it stays there. */
static bool walk_copy(struct hot_walk *w, uint8_t *to, uint32_t size)
{
    uint64_t seq = w->seq;
    for (uint32_t position = w->position;; position = 0) {
        uint32_t here = w->pool->chunk_bytes - position;
        if (here > size) here = size;
        memcpy(to, chunk_at(w->pool, w->place.chunk) + position, here);
        to += here;
        size -= here;
        if (size == 0) break;
        if (!walk_enter(w, w->seq + 1)) return false;
    }
    return w->seq == seq || walk_enter(w, seq);
}

/* Only the header is looked at: the batch's bytes may lie in several chunks. */
static bool walk_header(struct hot_walk *w, struct record_batch_view *view)
{
    uint8_t copied[RECORD_BATCH_HEADER_BYTES];
    const uint8_t *header = copied;
    if (!walk_turn(w)) return false;
    if (w->pool->chunk_bytes - w->position >= sizeof copied) header = chunk_at(w->pool, w->place.chunk) + w->position;
    else if (!walk_copy(w, copied, sizeof copied)) return false;
    return record_batch_view(header, UINT32_MAX, view) == ERR_OK && view->base_offset == w->offset;
}

/* Behind the batch, adding its pieces to `out` when that is given; false: a chunk has left. */
static bool walk_over(struct hot_walk *w, const struct record_batch_view *view, struct log_slice *out)
{
    uint32_t left = view->bytes;
    for (;;) {
        uint32_t here = w->pool->chunk_bytes - w->position;
        if (here > left) here = left;
        if (out != NULL && here > 0) {
            struct log_piece *last = out->piece_count > 0 ? &out->piece[out->piece_count - 1] : NULL;
            const uint8_t *at = chunk_at(w->pool, w->place.chunk) + w->position;
            if (last != NULL && last->bytes + last->size == at && last->pin == w->place.chunk) {
                last->size += here;
            } else {
                chunk_pin(w->r->pins, w->place.chunk);
                out->piece[out->piece_count++] =
                    (struct log_piece){at, here, w->place.chunk, true, w->pool->chunk_bytes};
            }
        }
        left -= here;
        w->position += here;
        if (left == 0) break;
        if (!walk_enter(w, w->seq + 1)) return false;
        w->position = 0;
    }
    w->offset = view->last_offset + 1;
    return true;
}

static void slice_cut(struct log_reader *r, struct log_slice *out, uint32_t piece_count, uint32_t last_size)
{
    while (out->piece_count > piece_count) log_reader_release(r, &out->piece[--out->piece_count]);
    if (piece_count > 0) out->piece[piece_count - 1].size = last_size;
}

/* To the batch that contains `offset`. */
static bool walk_find(struct hot_walk *w, uint64_t offset, const struct log_cursor *cursor)
{
    uint64_t seq;
    struct tail_place place;
    if (cursor_fits(cursor, w->l, offset, CURSOR_HOT) && walk_enter(w, cursor->opaque[2])) {
        w->offset = offset;
        w->position = (uint32_t)cursor->opaque[3];
        return true;
    }
    if (!tail_find(&w->l->tail, offset, &seq, &place) || !walk_enter(w, seq)) return false;
    w->offset = w->place.first_offset;
    w->position = w->place.first_position;
    for (;;) {
        struct record_batch_view view;
        if (!walk_header(w, &view)) return false;
        if (view.last_offset >= offset) return true;
        if (!walk_over(w, &view, NULL)) return false;
    }
}

enum err hot_read(struct log_reader *r, struct log *l, uint64_t offset, uint64_t high_watermark, uint32_t bytes_max,
                  bool first_batch_whole, struct log_cursor *cursor, struct log_slice *out)
{
    struct hot_walk w = {.r = r, .l = l, .pool = &r->storage->keeper.pool};
    enum err e = ERR_OK;
    if (!walk_find(&w, offset, cursor)) {
        walk_leave(&w);
        return ERR_NOT_FOUND;
    }
    while (w.offset < high_watermark) {
        struct record_batch_view view;
        if (!walk_header(&w, &view)) {
            if (out->bytes == 0) e = ERR_NOT_FOUND;
            break;
        }
        bool must = out->bytes == 0 && first_batch_whole;
        if (!must && (uint64_t)out->bytes + view.bytes > bytes_max) break;
        uint32_t pieces = view.bytes / w.pool->chunk_bytes + 2;
        if (out->piece_count + pieces > LOG_SLICE_PIECES) {
            if (out->bytes == 0) e = ERR_TOO_LARGE;
            break;
        }
        uint32_t piece_count = out->piece_count, last_size = piece_count > 0 ? out->piece[piece_count - 1].size : 0;
        if (!walk_over(&w, &view, out)) {
            slice_cut(r, out, piece_count, last_size);
            if (out->bytes == 0) e = ERR_NOT_FOUND;
            break;
        }
        out->bytes += view.bytes;
        out->next_offset = w.offset;
    }
    if (e == ERR_OK && out->bytes > 0 && w.is_in && w.offset == out->next_offset)
        cursor_set(cursor, l, w.offset, CURSOR_HOT, w.seq, w.position);
    walk_leave(&w);
    return e;
}

enum err hot_pass_older(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t end, uint64_t *offset,
                        struct log_cursor *cursor)
{
    struct hot_walk w = {.r = r, .l = l, .pool = &r->storage->keeper.pool, .offset = *offset};
    bool held = walk_find(&w, *offset, cursor);
    while (held && w.offset < end) {
        struct record_batch_view view;
        held = walk_header(&w, &view);
        if (held && view.max_timestamp_ms >= timestamp_ms) break;
        held = held && walk_over(&w, &view, NULL);
    }
    *offset = w.offset;
    if (held) cursor_set(cursor, l, w.offset, CURSOR_HOT, w.seq, w.position);
    walk_leave(&w);
    return held ? ERR_OK : ERR_NOT_FOUND;
}

enum err hot_copy(struct log_reader *r, struct log *l, uint64_t offset, const struct log_cursor *cursor,
                  struct record_batch_view *view)
{
    struct hot_walk w = {.r = r, .l = l, .pool = &r->storage->keeper.pool};
    enum err e = ERR_NOT_FOUND;
    if (walk_find(&w, offset, cursor) && walk_header(&w, view)) {
        if (view->bytes > r->rooms.bytes) e = ERR_TOO_LARGE;
        else if (walk_copy(&w, r->rooms.room, view->bytes)) e = record_batch_view(r->rooms.room, view->bytes, view);
    }
    walk_leave(&w);
    return e;
}
