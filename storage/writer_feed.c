/* A writer's door: what producers send, and the chunks they are lent.  ring/log_feed.h is the contract. */
#include "storage/internal.h"

#include <string.h>

#include "base/invariant.h"
#include "storage/log_scan.h"

/* ---- leases ---- */

static bool lease_send(struct writer *w, uint32_t chunk)
{
    struct feed_lease *m = ring_spsc_claim(&w->feed.to_producer, sizeof *m);
    if (m == NULL) return false;
    *m = (struct feed_lease){FEED_LEASE, chunk};
    return true;
}

/* Chunks the producer should hold beside the one it fills. */
static uint32_t lease_target(const struct log *l)
{
    const struct writer *w = &l->writer;
    if (l->identity.is_internal || w->state != WRITER_RUNNING) return 0;
    uint32_t target = l->storage->config.leases_per_log + w->lease_extra + (w->current == CHUNK_NONE ? 1 : 0);
    return target < LEASES_MAX ? target : LEASES_MAX;
}

unsigned writer_lease(struct log *l)
{
    struct storage *s = l->storage;
    struct writer *w = &l->writer;
    uint32_t target = lease_target(l);
    unsigned given = 0;
    while (w->lease_count < target) {
        int32_t chunk = chunk_take(&s->keeper);
        if (chunk == CHUNK_NONE && storage_evict(s)) chunk = chunk_take(&s->keeper);
        if (chunk == CHUNK_NONE) break;
        if (w->lease_has_prefix && w->lease_count == 0)
            memcpy(chunk_at(&s->keeper.pool, (uint32_t)chunk), w->prefix, w->prefix_bytes);
        if (!lease_send(w, (uint32_t)chunk)) {
            chunk_return(&s->keeper, (uint32_t)chunk);
            break;
        }
        w->lease[w->lease_count++] = (uint32_t)chunk;
        given++;
    }
    /* A stall is counted when the producer has nothing left to fill. */
    bool stalled = w->lease_count == 0 && target > 0;
    if (stalled && !w->is_stalled) counter_add(l->counters.stalls, 1);
    w->is_stalled = stalled;
    w->is_short = w->lease_count < target;
    if (given > 0) {
        ring_spsc_commit(&w->feed.to_producer);
        producer_wake(w);
    }
    return given;
}

/* The producer began to fill this chunk: it is the next of its leases, or one behind some that it skipped. */
static void lease_begin(struct log *l, uint32_t chunk)
{
    struct writer *w = &l->writer;
    uint32_t skipped = 0;
    while (skipped < w->lease_count && w->lease[skipped] != chunk)
        chunk_return(&l->storage->keeper, w->lease[skipped++]);
    INVARIANT(skipped < w->lease_count);
    w->lease_count -= skipped + 1;
    memmove(w->lease, w->lease + skipped + 1, w->lease_count * sizeof *w->lease);
    w->lease_has_prefix = false;
}

/* ---- accepting a batch ---- */

static void begin_chunk(struct log *l, uint32_t chunk, uint64_t file_position, uint32_t filled, uint32_t first_position,
                        uint64_t first_offset)
{
    struct tail_place place = {chunk, first_position, first_offset, l->writer.segment_base, file_position};
    tail_push(&l->tail, &place, filled);
    l->writer.current = (int32_t)chunk;
}

/* Entries of the tail that a batch of this size needs at most. */
static bool tail_has_room(struct log *l, uint32_t batch_bytes)
{
    uint32_t needed = batch_bytes / l->storage->keeper.pool.chunk_bytes + 2;
    INVARIANT(needed <= l->tail.capacity);
    while (tail_next(&l->tail) - tail_first(&l->tail) + needed > l->tail.capacity)
        if (!tail_evict(l)) return false;
    return true;
}

/* The bytes of the batch are placed: in the chunk it begins in, and, where it goes on, in the leases behind. */
static void place_batch(struct log *l, uint32_t chunk, uint32_t chunk_position, uint32_t batch_bytes,
                        uint64_t base_offset)
{
    struct writer *w = &l->writer;
    uint32_t chunk_bytes = l->storage->keeper.pool.chunk_bytes;
    uint32_t end = chunk_position + batch_bytes < chunk_bytes ? chunk_position + batch_bytes : chunk_bytes;
    if ((int32_t)chunk == w->current) {
        uint64_t seq = tail_next(&l->tail) - 1;
        struct tail_entry *e = tail_at(&l->tail, seq);
        INVARIANT(atomic_load_explicit(&e->file_position, memory_order_relaxed) + chunk_position == w->end_position);
        if (atomic_load_explicit(&e->first_offset, memory_order_relaxed) == TAIL_NO_BATCH)
            tail_first_batch(&l->tail, seq, base_offset, chunk_position);
        e->filled = end;
    } else {
        uint64_t file_position = w->end_position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
        INVARIANT(file_position + chunk_position == w->end_position);
        if (!l->identity.is_internal) lease_begin(l, chunk);
        begin_chunk(l, chunk, file_position, end, chunk_position, base_offset);
    }
    uint32_t left = batch_bytes - (end - chunk_position);
    if (left > 0) w->lease_extra = 0;
    while (left > 0) {
        INVARIANT(w->lease_count > 0);
        uint32_t next = w->lease[0], part = left < chunk_bytes ? left : chunk_bytes;
        uint64_t before =
            atomic_load_explicit(&tail_at(&l->tail, tail_next(&l->tail) - 1)->file_position, memory_order_relaxed);
        lease_begin(l, next);
        begin_chunk(l, next, before + chunk_bytes, part, 0, TAIL_NO_BATCH);
        left -= part;
    }
}

/* The first batch behind an attach or a roll may carry the whole GTID set in its first record; others say so. */
static void note_gtid_set(struct log *l, uint32_t chunk, uint32_t chunk_position, uint32_t batch_bytes,
                          bool says_so)
{
    struct writer *w = &l->writer;
    const struct chunk_pool *pool = &l->storage->keeper.pool;
    struct record_batch_view view;
    struct record_header h;
    bool is_too_large = chunk_position + batch_bytes > pool->chunk_bytes; /* to look into: recovery will */
    bool is_found = says_so || is_too_large;
    if (!is_found && record_batch_view(chunk_at(pool, chunk) + chunk_position, batch_bytes, &view) == ERR_OK)
        is_found = batch_first_header(&view, RECORD_HEADER_GTID_SET, &h);
    if (is_found) {
        w->gtid_segment = w->segment_base;
        w->gtid_position = w->end_position;
    }
    w->look_for_gtid = false;
}

static void accept_batch(struct log *l, const struct feed_batch *b, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    INVARIANT(b->base_offset == w->next_offset && b->record_count > 0);
    bool says_so = (b->flags & FEED_GTID_SET) != 0;
    if (w->look_for_gtid || says_so || (b->flags & FEED_ROLL) != 0)
        note_gtid_set(l, b->chunk_index, b->chunk_position, b->batch_bytes, says_so);
    place_batch(l, b->chunk_index, b->chunk_position, b->batch_bytes, b->base_offset);
    struct index_set *set = &l->index[l->index_active];
    bool is_end = (b->flags & FEED_TRANSACTION_END) != 0;
    if ((b->flags & FEED_HEARTBEAT) != 0 && !w->has_heartbeat) {
        w->has_heartbeat = true;
        w->safe_offset = w->end_mark.offset;
    }
    w->next_offset += b->record_count;
    index_add(set, w->next_offset - 1, w->end_position, b->batch_bytes, b->max_timestamp_ms, is_end,
              l->storage->config.index_interval_bytes);
    w->end_position += b->batch_bytes;
    if (is_end)
        w->end_mark = (struct log_mark){w->next_offset,  w->segment_base,  w->end_position,
                                        w->gtid_segment, w->gtid_position, set->at};
    if (w->oldest_ns == 0) w->oldest_ns = now_ns;
    if (w->latency_next - w->latency_first < LATENCIES_MAX)
        w->latency[w->latency_next++ % LATENCIES_MAX] = (struct latency){w->next_offset, b->encoded_ns};
}

static bool take_batch(struct log *l, const struct feed_batch *b, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    if (w->state == WRITER_FAILED) return true; /* nothing more is written; the producer has been told */
    bool rolls = (b->flags & FEED_ROLL) != 0 && w->end_position > 0;
    if (rolls && !segment_roll(l, b->base_offset)) return w->state == WRITER_FAILED;
    if (w->end_position + b->batch_bytes > SEGMENT_BYTES_MAX) {
        struct err_msg why;
        err_set(&why, ERR_TOO_LARGE, "a segment in %s would grow beyond 2 GiB; "
                "lower segment_bytes in millrace.yaml and start millraced again", l->folder);
        writer_fail(l, &why);
        return true;
    }
    if (!tail_has_room(l, b->batch_bytes)) return false;
    accept_batch(l, b, now_ns);
    return true;
}

/* ---- appends ---- */

static void reply_add(struct writer *w, uint64_t token, uint64_t base_offset, enum err error)
{
    w->reply[w->reply_next++ % REPLIES_MAX] =
        (struct reply){token, base_offset, error == ERR_OK ? w->next_offset : 0, error};
}

/* The chunk that has room for an append, with the partial last block copied when it is a new one; CHUNK_NONE: wait. */
static int32_t append_chunk(struct log *l, uint32_t batch_bytes, uint32_t *chunk_position)
{
    struct storage *s = l->storage;
    struct writer *w = &l->writer;
    uint64_t block = w->end_position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
    const uint8_t *partial = w->prefix;
    if (w->current != CHUNK_NONE) {
        const struct tail_entry *e = tail_at(&l->tail, tail_next(&l->tail) - 1);
        uint64_t chunk_start = atomic_load_explicit(&e->file_position, memory_order_relaxed);
        *chunk_position = (uint32_t)(w->end_position - chunk_start);
        if (*chunk_position + batch_bytes <= s->keeper.pool.chunk_bytes) return w->current;
        partial = chunk_at(&s->keeper.pool, (uint32_t)w->current) + (block - chunk_start);
    }
    int32_t chunk = chunk_take(&s->keeper);
    if (chunk == CHUNK_NONE && storage_evict(s)) chunk = chunk_take(&s->keeper);
    if (chunk == CHUNK_NONE) {
        if (!w->is_stalled) counter_add(l->counters.stalls, 1);
        w->is_stalled = true;
        return CHUNK_NONE;
    }
    w->is_stalled = false;
    *chunk_position = (uint32_t)(w->end_position - block);
    memcpy(chunk_at(&s->keeper.pool, (uint32_t)chunk), partial, *chunk_position);
    return chunk;
}

static bool take_append(struct log *l, const struct feed_append *a, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    struct record_batch_view view;
    const uint8_t *bytes = (const uint8_t *)(a + 1);
    uint32_t chunk_position = 0;
    if (w->reply_next - w->reply_first == REPLIES_MAX) return false;
    INVARIANT(l->identity.is_internal);
    enum err e = w->state == WRITER_FAILED ? ERR_STOPPED : ERR_OK;
    if (e == ERR_OK && a->batch_bytes > l->storage->keeper.pool.chunk_bytes - LOG_BLOCK_BYTES) e = ERR_TOO_LARGE;
    if (e != ERR_OK) {
        reply_add(w, a->token, 0, e);
        return true;
    }
    INVARIANT(record_batch_view(bytes, a->batch_bytes, &view) == ERR_OK && view.bytes == a->batch_bytes);
    if (w->end_position > 0 && w->end_position + a->batch_bytes > log_segment_bytes(l) &&
        !segment_roll(l, w->next_offset))
        return false;
    if (!tail_has_room(l, a->batch_bytes)) return false;
    int32_t chunk = append_chunk(l, a->batch_bytes, &chunk_position);
    if (chunk == CHUNK_NONE) return false;
    uint8_t *at = chunk_at(&l->storage->keeper.pool, (uint32_t)chunk) + chunk_position;
    memcpy(at, bytes, a->batch_bytes);
    record_batch_patch(at, w->next_offset, l->identity.leader_epoch);
    struct feed_batch b = {FEED_BATCH,     FEED_TRANSACTION_END,  (uint32_t)chunk,
                           chunk_position, a->batch_bytes,        (uint32_t)(view.last_offset - view.base_offset + 1),
                           w->next_offset, view.max_timestamp_ms, now_ns,
                           now_ns};
    uint64_t base_offset = w->next_offset;
    accept_batch(l, &b, now_ns);
    reply_add(w, a->token, base_offset, ERR_OK);
    w->flush_now = true;
    return true;
}

/* ---- the feed ---- */

static bool take(struct log *l, const void *message, uint64_t now_ns)
{
    uint32_t kind;
    memcpy(&kind, message, sizeof kind);
    switch (kind) {
    case FEED_BATCH: return take_batch(l, message, now_ns);
    case FEED_APPEND: return take_append(l, message, now_ns);
    case FEED_TRIM:
        l->writer.trim_offset = ((const struct feed_trim *)message)->offset;
        return true;
    case FEED_WANT:
        l->writer.lease_extra += ((const struct feed_want *)message)->chunk_count;
        return true;
    default: INVARIANT(!"a producer sends batches, appends and wants");
    }
    return true;
}

/* A message has to wait: for the tail, for a roll, and so for the disk.  A roll alone is soon over. */
static void note_held(struct log *l, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    if (w->held_ns == 0) w->held_ns = now_ns;
    if (w->is_held_up || now_ns - w->held_ns < HELD_STALL_NS) return;
    w->is_held_up = true;
    counter_add(l->counters.stalls, 1);
}

unsigned writer_take(struct log *l, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    unsigned taken = 0;
    while (taken < MESSAGES_PER_TURN) {
        uint32_t size;
        const void *message = w->held != NULL ? w->held : ring_spsc_next(&w->feed.to_storage, &size);
        w->held = message;
        if (message == NULL || !take(l, message, now_ns)) break;
        w->held = NULL;
        w->held_ns = 0;
        w->is_held_up = false;
        taken++;
    }
    if (w->held != NULL) note_held(l, now_ns);
    /* release gives back all that was taken out: not while a message is held. */
    if (taken > 0 && w->held == NULL) ring_spsc_release(&w->feed.to_storage);
    return taken;
}
