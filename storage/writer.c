/* From accepted batches to durable and visible ones: group commit.
 *
 * A group is what was accepted when the one before it completed.  Whole blocks go to the disk straight from their
 * chunks, also before their group starts (early writes); the partial last block goes from a zero-padded copy.  A block
 * is never in flight twice: whole blocks are written once, and the block that a partial write covers waits for that
 * write.  When all writes of the group have ended the file is synced, and then the high watermark moves to the group's
 * last transaction end.  (In a log that does not wait for the disk it mostly stands behind that already: show_early.)
 * A group of one partial block alone (a small commit) is one write with RWF_DSYNC: one trip to the disk instead of two.
 */
#include "storage/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static uint64_t block_floor(uint64_t position) { return position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES; }

void producer_wake(struct writer *w)
{
    struct waiter *waiter =
        atomic_load_explicit(&w->feed.producer_waiter, memory_order_acquire); /* pairs with its owner's store */
    if (waiter != NULL) waiter_wake(waiter);
}

/* ---- failing ---- */

void log_set_error(struct log *l, const struct err_msg *why)
{
    pthread_mutex_lock(&l->error_lock);
    l->error = *why;
    pthread_mutex_unlock(&l->error_lock);
}

void writer_fail(struct log *l, const struct err_msg *why)
{
    struct writer *w = &l->writer;
    enum err e = why->code;
    if (w->state == WRITER_FAILED) return;
    w->state = WRITER_FAILED;
    log_set_error(l, why);
    log_error("storage", "channel %s stops writing: %s", l->identity.name, why->text);
    struct feed_failed *m = ring_spsc_claim(&w->feed.to_producer, sizeof *m);
    if (m != NULL) {
        *m = (struct feed_failed){FEED_FAILED, (uint32_t)e};
        ring_spsc_commit(&w->feed.to_producer);
    }
    for (uint64_t i = w->reply_first; i < w->reply_next; i++)
        if (w->reply[i % REPLIES_MAX].next_offset > w->durable_offset) w->reply[i % REPLIES_MAX].error = e;
    producer_wake(w);
}

static void write_failed(struct log *l, int64_t rc, const char *what)
{
    struct err_msg why;
    err_set(&why, disk_error(rc), "cannot %s %s/%020" PRIu64 ".log: %s", what, l->folder, l->writer.segment_base,
            disk_error_text(rc));
    writer_fail(l, &why);
}

/* Whether what comes is shown before it is durable: all but a HEARTBEAT and what follows it, and all of an empty log,
 * without a position in which capture would start elsewhere ("now" is another place after a crash). */
static bool is_shown_early(const struct log *l)
{
    return l->identity.shows_written && l->writer.visible.offset != 0;
}

/* ---- writing ---- */

static bool put_write(struct log *l, void *bytes, uint32_t size, uint64_t position, uint32_t parity, bool is_durable)
{
    struct writer *w = &l->writer;
    struct disk_io io = {DISK_WRITE_AT, w->file, bytes, size, position, 0, is_durable};
    if (!storage_write(l, &io, parity)) return false;
    w->in_flight[parity]++;
    w->written[parity]++;
    return true;
}

/* Submits whole blocks below `end`; `all`: also a small rest.  True: nothing of that is left. */
static bool put_blocks(struct log *l, uint64_t end, bool all, uint32_t parity)
{
    struct writer *w = &l->writer;
    const struct chunk_pool *pool = &l->storage->keeper.pool;
    /* Where nobody waits for the disk a full chunk is one transfer. */
    uint64_t eager_bytes = is_shown_early(l) ? WRITE_BYTES_MAX : EAGER_BYTES_MIN;
    while (w->write_seq < tail_next(&l->tail)) {
        const struct tail_entry *e = tail_at(&l->tail, w->write_seq);
        uint64_t start = atomic_load_explicit(&e->file_position, memory_order_relaxed);
        bool is_last = w->write_seq + 1 == tail_next(&l->tail);
        uint64_t entry_end = block_floor(start + e->filled), to = entry_end < end ? entry_end : end;
        if (w->submitted >= to) {
            if (is_last || to < entry_end) return true;
            w->write_seq++;
            continue;
        }
        uint64_t size = to - w->submitted;
        if (size > WRITE_BYTES_MAX) size = WRITE_BYTES_MAX;
        if (!all && is_last && size < eager_bytes) return true;
        if (w->partial_in_flight && w->partial_position == w->submitted) return false;
        uint32_t chunk = atomic_load_explicit(&e->chunk, memory_order_relaxed);
        if (!put_write(l, chunk_at(pool, chunk) + (w->submitted - start), (uint32_t)size, w->submitted, parity, false))
            return false;
        w->submitted += size;
    }
    return true;
}

/* The last block up to `end`; put_blocks has gone up to there.  True: it is written or on its way. */
static bool put_partial(struct log *l, uint64_t end, uint32_t parity)
{
    struct writer *w = &l->writer;
    uint64_t block = block_floor(end);
    uint32_t size = (uint32_t)(end - block);
    /* A recycled file's older bytes must not follow directly: zeros are what a dump knows the end by. */
    if (size == 0 && !(w->is_recycled && block < log_segment_bytes(l))) return true;
    if (w->partial_in_flight) return false;
    /* The block's bytes lie in the entry that `submitted` stands in. */
    const struct tail_entry *e = tail_at(&l->tail, w->write_seq);
    bool is_only = w->written[parity] == 0;
    if (size > 0) {
        uint64_t start = atomic_load_explicit(&e->file_position, memory_order_relaxed);
        uint32_t chunk = atomic_load_explicit(&e->chunk, memory_order_relaxed);
        memcpy(w->scratch, chunk_at(&l->storage->keeper.pool, chunk) + (block - start), size);
    }
    memset(w->scratch + size, 0, LOG_BLOCK_BYTES - size);
    if (!put_write(l, w->scratch, LOG_BLOCK_BYTES, block, parity, is_only)) return false;
    w->partial_in_flight = true;
    w->partial_position = block;
    if (is_only) w->group_synced = true;
    return true;
}

void writer_written(struct write_op *op, int32_t result)
{
    struct log *l = op->log;
    struct writer *w = &l->writer;
    if (op->io.kind == DISK_SYNC) {
        w->in_flight[op->parity]--;
        if (result < 0)
            write_failed(l, result, "sync"); /* never again: the kernel may have dropped what it could not write */
        return;
    }
    /* A short write counts by whole blocks; one that moved none is a failed one. */
    if (result >= 0 && (uint32_t)result < op->io.size) result -= result % LOG_BLOCK_BYTES;
    if (result == 0) result = -EIO;
    if (result > 0 && (uint32_t)result < op->io.size) { /* the rest, again */
        struct disk_io rest = op->io;
        rest.bytes = (uint8_t *)rest.bytes + result;
        rest.size -= (uint32_t)result;
        rest.position += (uint32_t)result;
        if (storage_write(l, &rest, op->parity)) return;
        result = -EAGAIN; /* cannot be: this transfer's own place in the queue is free */
    }
    w->in_flight[op->parity]--;
    if (op->io.bytes == w->scratch) w->partial_in_flight = false;
    if (result < 0) write_failed(l, result, "write");
    else counter_add(l->counters.written_bytes, op->io.size);
}

/* ---- groups ---- */

/* How long a batch may wait for the flush it shares; a long time where no consumer waits for that. */
static uint64_t flush_interval_ns(const struct log *l)
{
    uint64_t interval_ns = (uint64_t)l->storage->config.flush_interval_us * 1000u;
    bool is_awaited = !is_shown_early(l) || l->writer.has_heartbeat;
    return is_awaited || interval_ns > UNAWAITED_NS ? interval_ns : UNAWAITED_NS;
}

static bool group_is_due(const struct log *l, uint64_t now_ns)
{
    const struct writer *w = &l->writer;
    if (w->end_position == w->durable_position) return false;
    uint64_t interval_ns = flush_interval_ns(l);
    bool is_waited_for = w->held != NULL || w->is_stalled; /* what is durable makes room */
    return interval_ns == 0 || w->flush_now || is_waited_for || w->state == WRITER_DETACHING ||
           now_ns - w->oldest_ns >= interval_ns || w->end_position - w->durable_position >= GROUP_BYTES_MAX;
}

static void group_start(struct writer *w)
{
    w->phase = GROUP_WRITING;
    w->group_end = w->end_position;
    w->group_offset = w->next_offset;
    w->group_mark = w->end_mark;
    w->group_safe_offset = w->safe_offset;
    w->group_has_heartbeat = w->has_heartbeat;
    w->has_heartbeat = false;
    w->group_put = w->group_synced = false;
    w->flush_now = false;
    w->oldest_ns = 0;
}

/* The segment can be read up to what is durable, be it that a transaction is open there: its beginning may leave the
 * tail before its end is accepted. */
static void segment_grows(struct log *l)
{
    struct writer *w = &l->writer;
    struct segment_info info;
    if (segment_get(&l->segments, w->segment_seq, &info)) {
        info.bytes = w->durable_position;
        info.max_timestamp_ms = l->index[l->index_active].at.max_timestamp_ms;
        info.appended_ms = clock_realtime_ms(l->storage->clock);
        segment_update(&l->segments, w->segment_seq, &info);
    }
    atomic_store_explicit(&l->on_disk_offset, w->durable_offset,
                          memory_order_release); /* pairs with log_on_disk: the table */
}

static void show(struct log *l, uint64_t offset)
{
    if (offset > log_high_watermark(l)) storage_publish(l, offset);
}

/* A log that does not wait for the disk shows what the source can send again, from the tail. */
static void show_early(struct log *l)
{
    const struct writer *w = &l->writer;
    if (!is_shown_early(l)) return;
    show(l, w->group_has_heartbeat ? w->group_safe_offset : w->has_heartbeat ? w->safe_offset : w->end_mark.offset);
}

/* A HEARTBEAT is durable: the source has sent again all that it has.  Less than what consumers saw? */
static void resending_ends(struct log *l)
{
    struct err_msg why;
    uint64_t served = atomic_load_explicit(&l->served_offset, memory_order_acquire), end = log_high_watermark(l);
    if (!log_is_resending(l)) return;
    if (served > end) {
        err_set(&why, ERR_SOURCE_HISTORY,
                "consumers saw the records up to offset %" PRIu64 ", a crash took those from %" PRIu64
                " on, and the source does not have them any more, so offsets are no longer comparable; "
                "let consumers of this channel begin anew: it goes on by itself with a new cluster id",
                served, end);
        writer_fail(l, &why);
        return;
    }
    atomic_store_explicit(&l->is_resending, false, memory_order_release); /* pairs with log_is_resending */
    log_info("storage", "channel %s: what a crash may have taken was sent again, up to offset %" PRIu64,
             l->identity.name, end);
}

static void group_end(struct log *l)
{
    struct writer *w = &l->writer;
    uint64_t now_ns = clock_monotonic_ns(l->storage->clock);
    w->checkpoint_bytes += w->group_end - w->durable_position;
    w->durable_position = w->group_end;
    w->durable_offset = w->group_offset;
    w->written[w->parity] = 0;
    w->parity ^= 1;
    w->phase = GROUP_NONE;
    counter_add(l->counters.flushes, 1);
    w->visible = w->group_mark;
    segment_grows(l);
    show(l, w->visible.offset);
    /* pairs with the producer's load: what it keeps until its records are durable may go */
    atomic_store_explicit(&w->feed.durable_offset, w->visible.offset, memory_order_release);
    if (w->group_has_heartbeat) resending_ends(l);
    w->group_has_heartbeat = false;
    for (; w->latency_first < w->latency_next; w->latency_first++) {
        const struct latency *x = &w->latency[w->latency_first % LATENCIES_MAX];
        if (x->next_offset > w->durable_offset) break;
        histogram_record(l->counters.durable_ns, now_ns - x->encoded_ns);
    }
}

/* Moves the group on by a step; false: it has to wait. */
static bool group_step(struct log *l, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    const struct disk_io sync = {.kind = DISK_SYNC, .file = w->file};
    switch (w->phase) {
    case GROUP_NONE:
        if (!group_is_due(l, now_ns)) return false;
        group_start(w);
        return true;
    case GROUP_WRITING:
        if (!w->group_put && (!put_blocks(l, block_floor(w->group_end), true, w->parity) ||
                              !put_partial(l, w->group_end, w->parity)))
            return false;
        w->group_put = true;
        if (w->in_flight[w->parity] > 0) return false;
        if (!w->group_synced) {
            if (!storage_write(l, &sync, w->parity)) return false;
            w->in_flight[w->parity]++;
        }
        w->phase = GROUP_SYNCING;
        return true;
    case GROUP_SYNCING:
        if (w->in_flight[w->parity] > 0) return false;
        w->phase = GROUP_PROMOTING;
        return true;
    case GROUP_PROMOTING:
        if (w->promoting) return false; /* after a loss of power nobody would find the file */
        group_end(l);
        return true;
    }
    return false;
}

/* ---- answers ---- */

static unsigned answer(struct writer *w)
{
    unsigned answered = 0;
    while (w->reply_first < w->reply_next) {
        const struct reply *r = &w->reply[w->reply_first % REPLIES_MAX];
        if (r->error == ERR_OK && r->next_offset > w->durable_offset) break;
        struct feed_durable *m = ring_spsc_claim(&w->feed.to_producer, sizeof *m);
        if (m == NULL) break;
        *m = (struct feed_durable){FEED_DURABLE, (uint32_t)r->error, r->token, r->base_offset};
        w->reply_first++;
        answered++;
    }
    if (answered > 0) {
        ring_spsc_commit(&w->feed.to_producer);
        producer_wake(w);
    }
    return answered;
}

/* ---- the tail ---- */

bool tail_evict(struct log *l)
{
    const struct writer *w = &l->writer;
    uint64_t first = tail_first(&l->tail);
    if (first + 1 >= tail_next(&l->tail) || first >= w->write_seq) return false; /* being filled, or not yet written */
    const struct tail_entry *e = tail_at(&l->tail, first);
    if (atomic_load_explicit(&e->segment_base, memory_order_relaxed) == w->segment_base &&
        atomic_load_explicit(&e->file_position, memory_order_relaxed) + e->filled > w->durable_position)
        return false;
    if (chunk_leave(&l->storage->keeper, tail_pop(&l->tail))) counter_add(l->storage->retired, 1);
    return true;
}

void writer_release(struct log *l)
{
    struct writer *w = &l->writer;
    while (tail_first(&l->tail) < tail_next(&l->tail))
        if (chunk_leave(&l->storage->keeper, tail_pop(&l->tail))) counter_add(l->storage->retired, 1);
    while (w->lease_count > 0) chunk_return(&l->storage->keeper, w->lease[--w->lease_count]);
    w->current = CHUNK_NONE;
    w->held = NULL;
}

/* ---- a turn ---- */

unsigned writer_step(struct log *l, uint64_t now_ns)
{
    struct writer *w = &l->writer;
    unsigned work = writer_take(l, now_ns);
    if (w->state == WRITER_FAILED) return work + answer(w);
    show_early(l);
    if (w->phase == GROUP_NONE) (void)put_blocks(l, UINT64_MAX, false, w->parity);
    else if (w->group_put) (void)put_blocks(l, UINT64_MAX, false, w->parity ^ 1);
    while (w->state != WRITER_FAILED && group_step(l, now_ns)) work++;
    work += answer(w);
    work += writer_lease(l);
    while (tail_next(&l->tail) - tail_first(&l->tail) > l->storage->config.tail_chunks_per_log && tail_evict(l)) work++;
    if (w->checkpoint_bytes >= CHECKPOINT_BYTES) checkpoint_start(l);
    if (w->prepared_file < 0 && (w->end_position >= log_segment_bytes(l) / 4 * 3 ||
                                 (w->spare != 0 && readers_passed(l->storage, w->spare_epoch))))
        segment_prepare(l);
    return work;
}

bool writer_is_flushed(const struct log *l)
{
    const struct writer *w = &l->writer;
    return w->phase == GROUP_NONE && w->end_position == w->durable_position && w->in_flight[0] + w->in_flight[1] == 0;
}

bool writer_is_over(const struct log *l)
{
    const struct writer *w = &l->writer;
    if (w->in_flight[0] + w->in_flight[1] > 0 || w->jobs > 0) return false;
    if (w->state == WRITER_FAILED) return true;
    bool feed_is_empty = w->held == NULL && atomic_load_explicit(&w->feed.to_storage.tail, memory_order_acquire) ==
                                                w->feed.to_storage.read;
    return w->state == WRITER_DETACHING && feed_is_empty && writer_is_flushed(l) &&
           w->visible.offset == w->checkpoint_offset;
}

uint64_t writer_due_ns(const struct log *l, uint64_t now_ns)
{
    const struct writer *w = &l->writer;
    uint64_t due_ns = UINT64_MAX, interval_ns = flush_interval_ns(l);
    if (w->state == WRITER_FAILED) return UINT64_MAX;
    if (w->oldest_ns != 0 && w->phase == GROUP_NONE)
        due_ns = w->oldest_ns + interval_ns > now_ns ? w->oldest_ns + interval_ns - now_ns : 0;
    bool polls = ((w->is_stalled || w->is_short) && l->storage->keeper.retired_count > 0) ||
                 w->reply_next - w->reply_first == REPLIES_MAX; /* for pins to go, for the producer to read */
    if (polls && due_ns > STALL_POLL_NS) due_ns = STALL_POLL_NS;
    return due_ns;
}
