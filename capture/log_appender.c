#include "capture/log_appender.h"

#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"

enum {
    SEGMENT_BYTES_HARD = 1 << 30,
    BATCH_ROOM_MIN = RECORD_BATCH_HEADER_BYTES + RECORD_OVERHEAD_MAX,
    STARVED_WAIT_MS = 200, /* how often a waiting producer looks at its stop flag unasked */
    FULL_RING_WAIT_MS = 1, /* room in the ring comes without a wake */
};

enum err log_appender_open(struct log_appender *a, const struct log_appender_config *config, struct err_msg *msg)
{
    const struct chunk_pool *pool = config->feed->pool;
    const struct log_resume *r = config->resume;
    if (pool->chunk_bytes < 2 * LOG_BLOCK_BYTES || pool->chunk_bytes % LOG_BLOCK_BYTES != 0)
        return err_set(msg, ERR_INVALID, "chunks of %u bytes: at least two blocks of %u are needed", pool->chunk_bytes,
                       LOG_BLOCK_BYTES);
    *a = (struct log_appender){.config = *config,
                               .pool = pool,
                               .chunk = CHUNK_NONE,
                               .chunk_position = (uint32_t)(r->segment_position % LOG_BLOCK_BYTES),
                               .segment_position = r->segment_position,
                               .wants_gtid_set = r->segment_position == 0,
                               .next_offset = r->next_offset,
                               .transaction_offset = r->next_offset,
                               .sent_offset = r->next_offset,
                               .leader_epoch = r->leader_epoch,
                               /* a bound on a value may be twice what it comes to be */
                               .scratch_bytes = 2 * (uint64_t)config->record_bytes_max +
                                                2 * (uint64_t)pool->chunk_bytes + BATCH_ROOM_MIN,
                               .packed_bytes_max = record_batch_plain_bytes_max(config->record_bytes_max,
                                                                                pool->chunk_bytes)};
    a->config.resume = NULL;
    return ERR_OK;
}

void log_appender_close(struct log_appender *a)
{
    if (a->scratch != NULL) munmap(a->scratch, a->scratch_bytes);
    packer_close(a->packer);
    a->scratch = NULL;
    a->packer = NULL;
}

/* Mapped once; the pages come when they are touched. */
static enum err scratch_map(struct log_appender *a)
{
    if (a->scratch != NULL) return ERR_OK;
    void *bytes =
        mmap(NULL, a->scratch_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return ERR_NO_MEMORY;
    a->scratch = bytes;
    return ERR_OK;
}

/* --- leases --- */

enum err log_appender_poll(struct log_appender *a)
{
    struct ring_spsc *in = &a->config.feed->to_producer;
    uint32_t size;
    for (const void *m; (m = ring_spsc_next(in, &size)) != NULL;) {
        uint32_t kind;
        memcpy(&kind, m, sizeof kind);
        if (kind == FEED_LEASE) {
            struct feed_lease lease;
            memcpy(&lease, m, sizeof lease);
            INVARIANT(a->lease_count < LOG_APPENDER_LEASES_MAX && lease.chunk_index < a->pool->chunk_count);
            a->lease[(a->lease_at + a->lease_count++) % LOG_APPENDER_LEASES_MAX] = lease.chunk_index;
        } else if (kind == FEED_FAILED) {
            struct feed_failed failed;
            memcpy(&failed, m, sizeof failed);
            a->failure = failed.error == ERR_OK ? ERR_IO : (enum err)failed.error;
        }
    }
    ring_spsc_release(in);
    return a->failure;
}

/* What went wrong once stays: a batch that could not be handed over is half done, and nothing may be appended behind
 * it. */
static enum err keep(struct log_appender *a, enum err e)
{
    if (e != ERR_OK && e != ERR_TOO_LARGE && a->failure == ERR_OK) a->failure = e;
    return e;
}

/* Sleeps until storage may have sent something. */
static enum err wait_for_storage(struct log_appender *a, int timeout_ms)
{
    if (atomic_load_explicit(a->config.stop, memory_order_acquire)) return ERR_STOPPED; /* pairs with capture_stop */
    if (a->config.starved != NULL) {
        a->config.starved(a->config.starved_context);
        return ERR_OK;
    }
    struct waiter *w = a->config.feed->producer_waiter;
    waiter_announce(w);
    uint32_t leases = a->lease_count;
    TRY(log_appender_poll(a));
    if (a->lease_count > leases ||
        atomic_load_explicit(a->config.stop, memory_order_acquire)) { /* pairs with capture_stop */
        waiter_cancel(w);
        return ERR_OK;
    }
    waiter_block(w, timeout_ms);
    return ERR_OK;
}

static void *claim(struct log_appender *a, uint32_t size)
{
    return ring_spsc_claim(&a->config.feed->to_storage, size);
}

static void send(struct log_appender *a)
{
    ring_spsc_commit(&a->config.feed->to_storage);
    waiter_wake(a->config.feed->storage_waiter);
}

/* The next lease.  `wanted`: how many chunks a batch under way still needs; 0: it is between batches, where storage
 * refills by itself. */
static enum err lease_take(struct log_appender *a, uint32_t wanted, uint32_t *chunk)
{
    uint64_t since_ns = 0;
    bool has_asked = false;
    while (a->lease_count == 0) {
        TRY(log_appender_poll(a));
        if (a->lease_count > 0) break;
        if (since_ns == 0) {
            since_ns = clock_monotonic_ns(a->config.clock);
            counter_add(a->config.stalls, 1);
        }
        if (wanted > 0 && !has_asked) {
            struct feed_want *want = claim(a, sizeof *want);
            if (want != NULL) {
                *want = (struct feed_want){FEED_WANT, wanted};
                send(a);
                has_asked = true;
            }
        }
        TRY(wait_for_storage(a, STARVED_WAIT_MS));
    }
    if (since_ns != 0) counter_add(a->config.stalled_us, (clock_monotonic_ns(a->config.clock) - since_ns) / 1000);
    *chunk = a->lease[a->lease_at];
    a->lease_at = (a->lease_at + 1) % LOG_APPENDER_LEASES_MAX;
    a->lease_count--;
    return ERR_OK;
}

/* Goes on in a fresh chunk: behind the last, partly filled block of the old one, or at byte 0 of a new segment. */
static enum err chunk_next(struct log_appender *a)
{
    uint32_t next;
    TRY(lease_take(a, 0, &next));
    if (a->rolls) {
        a->segment_position = 0;
        a->chunk_position = 0;
    } else if (a->chunk != CHUNK_NONE) {
        uint32_t partial = a->chunk_position % LOG_BLOCK_BYTES;
        const uint8_t *old = chunk_at(a->pool, (uint32_t)a->chunk) + a->chunk_position - partial;
        memcpy(chunk_at(a->pool, next), old, partial);
        a->chunk_position = partial;
    } /* the very first chunk: storage has put the bytes before chunk_position in place */
    a->chunk = next;
    a->chunk_is_unused = true;
    return ERR_OK;
}

/* --- batches --- */

static void writer_begin(struct log_appender *a, void *at, size_t size)
{
    record_batch_begin(&a->writer, at, size, a->next_offset, a->leader_epoch);
    a->whole = record_batch_mark(&a->writer);
    a->batch_read_ns = a->transaction_read_ns;
    a->is_open = true;
}

static size_t room_left(const struct log_appender *a)
{
    if (a->chunk == CHUNK_NONE || (a->rolls && !a->chunk_is_unused)) return 0;
    return a->pool->chunk_bytes - a->chunk_position;
}

/* Room that every fresh chunk has, whatever block it must begin behind. */
static size_t room_sure(const struct log_appender *a)
{
    return a->pool->chunk_bytes - (LOG_BLOCK_BYTES - 1);
}

/* Opens a batch with room for `size` bytes in all; size <= room_sure. */
static enum err batch_open(struct log_appender *a, size_t size)
{
    if (room_left(a) < size) TRY(chunk_next(a));
    INVARIANT(room_left(a) >= size);
    writer_begin(a, chunk_at(a->pool, (uint32_t)a->chunk) + a->chunk_position,
                 a->pool->chunk_bytes - a->chunk_position);
    return ERR_OK;
}

static enum compression codec_now(const struct log_appender *a)
{
    if (a->config.compression == NULL) return COMPRESSION_NONE;
    return (enum compression)atomic_load_explicit(a->config.compression, memory_order_relaxed);
}

/* Bytes that the open batch will have for certain. */
static size_t size_sure(const struct log_appender *a)
{
    return codec_now(a) == COMPRESSION_NONE ? record_batch_bytes(&a->writer) : 0;
}

/* Finishes the batch's bytes, packed when that is asked for; *size: how many they are. */
static enum err batch_seal(struct log_appender *a, size_t *size)
{
    enum compression codec = codec_now(a);
    size_t plain = record_batch_bytes(&a->writer);
    if (codec == COMPRESSION_NONE || plain > a->packed_bytes_max) {
        *size = record_batch_finish(&a->writer);
        return ERR_OK;
    }
    TRY(scratch_map(a));
    if (a->packer == NULL || packer_codec(a->packer) != codec) {
        packer_close(a->packer);
        a->packer = NULL;
        TRY(packer_open(&a->packer, codec));
    }
    /* The scratch begins with the batch itself, or with the records that wait for the next one: less than a chunk. */
    size_t used = a->in_scratch ? plain : a->pool->chunk_bytes;
    *size = record_batch_finish_packed(&a->writer, a->packer, a->scratch + used, a->scratch_bytes - used);
    return ERR_OK;
}

/* Copies a finished batch from the scratch into chunks, beginning in a fresh one when it does not fit in the current.
 */
static enum err batch_spread(struct log_appender *a, size_t size, uint32_t *chunk, uint32_t *position)
{
    if (room_left(a) < size && !a->chunk_is_unused) TRY(chunk_next(a));
    *chunk = (uint32_t)a->chunk;
    *position = a->chunk_position;
    const uint8_t *from = a->scratch;
    for (;;) {
        size_t room = a->pool->chunk_bytes - a->chunk_position;
        size_t piece = size < room ? size : room;
        memcpy(chunk_at(a->pool, (uint32_t)a->chunk) + a->chunk_position, from, piece);
        a->chunk_position += (uint32_t)piece;
        from += piece;
        size -= piece;
        if (size == 0) return ERR_OK;
        uint32_t next;
        uint32_t wanted = (uint32_t)((size + a->pool->chunk_bytes - 1) / a->pool->chunk_bytes);
        TRY(lease_take(a, wanted, &next));
        a->chunk = next;
        a->chunk_position = 0;
    }
}

/* Finishes the open batch and hands it to storage. */
static enum err batch_finish(struct log_appender *a)
{
    if (a->config.before_send != NULL) TRY(a->config.before_send(a->config.before_send_context));
    uint32_t record_count = a->writer.record_count;
    bool ends_transaction = a->whole.record_count == record_count;
    uint64_t base_offset = a->writer.base_offset;
    int64_t max_timestamp_ms = a->writer.max_timestamp_ms;
    size_t size;
    TRY(batch_seal(a, &size));
    uint32_t chunk = (uint32_t)a->chunk, position = a->chunk_position;
    if (a->in_scratch)
        TRY(batch_spread(a, size, &chunk, &position));
    else
        a->chunk_position += (uint32_t)size;

    struct feed_batch *b;
    while ((b = claim(a, sizeof *b)) == NULL) TRY(wait_for_storage(a, FULL_RING_WAIT_MS));
    uint64_t now_ns = clock_monotonic_ns(a->config.clock);
    *b = (struct feed_batch){.kind = FEED_BATCH,
                             .flags = (a->rolls ? FEED_ROLL : 0) | (ends_transaction ? FEED_TRANSACTION_END : 0) |
                                      (a->has_heartbeat ? FEED_HEARTBEAT : 0) |
                                      (a->has_gtid_set ? FEED_GTID_SET : 0),
                             .chunk_index = chunk,
                             .chunk_position = position,
                             .batch_bytes = (uint32_t)size,
                             .record_count = record_count,
                             .base_offset = base_offset,
                             .max_timestamp_ms = max_timestamp_ms,
                             .read_ns = a->batch_read_ns,
                             .encoded_ns = now_ns};
    send(a);
    histogram_record(a->config.read_to_encoded_us, (now_ns - a->batch_read_ns) / 1000);
    a->segment_position += size;
    a->sent_offset = base_offset + record_count;
    a->rolls = ends_transaction && a->segment_position >= a->config.segment_bytes;
    if (a->rolls) a->wants_gtid_set = true;
    a->is_open = a->in_scratch = a->chunk_is_unused = a->has_heartbeat = a->has_gtid_set = false;
    a->batches++;
    return ERR_OK;
}

/* Finishes the open batch for the sake of a record that was asked for: whether that begins a segment was said before,
 * so if this fills one, the next transaction's end rolls. */
static enum err batch_finish_within(struct log_appender *a)
{
    TRY(batch_finish(a));
    a->rolls = a->wants_gtid_set = false;
    return ERR_OK;
}

/* The open batch must end here.  When it holds whole transactions and the beginning of another, it is cut before that,
 * whose records begin the next batch. */
static enum err batch_close(struct log_appender *a)
{
    struct record_batch_writer *w = &a->writer;
    if (a->whole.record_count == 0 || a->whole.record_count == w->record_count) return batch_finish_within(a);

    size_t tail = (size_t)(w->at - a->whole.at);
    uint64_t tail_offset = w->base_offset + a->whole.record_count, end_offset = a->next_offset;
    uint64_t from_base_offset = w->base_offset;
    int64_t from_base_timestamp_ms = w->base_timestamp_ms;
    TRY(scratch_map(a));
    memcpy(a->scratch, a->whole.at, tail);
    record_batch_cut(w, a->whole);
    TRY(batch_finish_within(a));
    a->next_offset = tail_offset;
    TRY(chunk_next(a));
    writer_begin(a, chunk_at(a->pool, (uint32_t)a->chunk) + a->chunk_position,
                 a->pool->chunk_bytes - a->chunk_position);
    enum err e = record_batch_append_records(w, a->scratch, tail, from_base_offset, from_base_timestamp_ms);
    if (e == ERR_NO_SPACE) { /* the tail was a chunk's worth: batch header and deltas made it a little longer */
        record_batch_begin(w, a->scratch + tail, a->scratch_bytes - tail, tail_offset, a->leader_epoch);
        a->whole = record_batch_mark(w);
        e = record_batch_append_records(w, a->scratch, tail, from_base_offset, from_base_timestamp_ms);
        INVARIANT(e == ERR_OK);
        memmove(a->scratch, w->start, record_batch_bytes(w));
        w->at = a->scratch + (w->at - w->start);
        w->start = a->scratch;
        a->in_scratch = true;
        a->next_offset = end_offset;
        return batch_finish_within(a);
    }
    INVARIANT(e == ERR_OK);
    a->next_offset = end_offset;
    return ERR_OK;
}

/* A record that fits in no chunk: a batch of its own, written in the scratch. */
static enum err reserve_large(struct log_appender *a, int64_t timestamp_ms, size_t value_bytes_max,
                              size_t headers_bytes_max, uint8_t **value)
{
    TRY(scratch_map(a));
    while (a->is_open && a->writer.record_count > 0) TRY(batch_close(a));
    writer_begin(a, a->scratch, a->scratch_bytes);
    a->in_scratch = true;
    *value = record_batch_record_begin(&a->writer, timestamp_ms, value_bytes_max, headers_bytes_max);
    if (*value != NULL) return ERR_OK;
    a->is_open = a->in_scratch = false;
    return ERR_TOO_LARGE;
}

/* A segment is full in the middle of a transaction only when that fills it by itself: at twice the bytes at which a
 * transaction's end would do.  So no transaction is too large for Kafka's indexes, whose positions have 31 bits. */
static uint64_t segment_bytes_hard(const struct log_appender *a)
{
    uint64_t twice = 2 * a->config.segment_bytes;
    return twice < SEGMENT_BYTES_HARD ? twice : SEGMENT_BYTES_HARD;
}

/* The segment is looked at here and not where a batch is finished: whether a record begins one must be known before its
 * headers are made. */
static enum err record_prepare(struct log_appender *a)
{
    bool is_part = a->is_open && a->whole.record_count == 0 && a->writer.record_count > 0;
    if (is_part && (a->in_scratch || a->segment_position + size_sure(a) >= segment_bytes_hard(a) ||
                    record_batch_bytes(&a->writer) >= a->config.batch_bytes_target))
        TRY(batch_finish(a));
    bool is_full = a->segment_position >= segment_bytes_hard(a);
    if (is_full && !a->is_open && log_appender_transaction_is_sent(a)) a->rolls = a->wants_gtid_set = true;
    return ERR_OK;
}

enum err log_appender_record_next(struct log_appender *a, bool *wants_gtid_set)
{
    TRY(a->failure);
    TRY(keep(a, record_prepare(a)));
    *wants_gtid_set = a->wants_gtid_set;
    return ERR_OK;
}

static enum err reserve(struct log_appender *a, int64_t timestamp_ms, size_t value_bytes_max, size_t headers_bytes_max,
                        uint8_t **value)
{
    if (a->in_scratch) { /* a large record was reserved and not committed */
        INVARIANT(a->writer.record_count == 0);
        a->is_open = a->in_scratch = false;
    }
    size_t needed = value_bytes_max + headers_bytes_max + BATCH_ROOM_MIN;
    if (needed > room_sure(a)) return reserve_large(a, timestamp_ms, value_bytes_max, headers_bytes_max, value);
    for (;;) {
        if (!a->is_open) TRY(batch_open(a, needed));
        *value = record_batch_record_begin(&a->writer, timestamp_ms, value_bytes_max, headers_bytes_max);
        if (*value != NULL) return ERR_OK;
        if (a->writer.record_count == 0)
            a->is_open = false; /* emptied by a discard */
        else
            TRY(batch_close(a));
    }
}

enum err log_appender_reserve(struct log_appender *a, int64_t timestamp_ms, size_t value_bytes_max,
                              size_t headers_bytes_max, uint8_t **value)
{
    TRY(a->failure);
    return keep(a, reserve(a, timestamp_ms, value_bytes_max, headers_bytes_max, value));
}

enum err log_appender_commit(struct log_appender *a, size_t value_bytes, const struct record_header *headers,
                             uint32_t header_count)
{
    if (value_bytes > a->config.record_bytes_max) {
        record_batch_cut(&a->writer, record_batch_mark(&a->writer));
        return ERR_TOO_LARGE;
    }
    record_batch_record_end(&a->writer, value_bytes, headers, header_count);
    if (a->writer.record_count == 1) a->batch_read_ns = a->transaction_read_ns;
    for (uint32_t i = 0; i < header_count; i++) {
        if (strcmp(headers[i].key, RECORD_HEADER_GTID_SET) == 0) a->has_gtid_set = true;
    }
    a->next_offset++;
    a->wants_gtid_set = false;
    return ERR_OK;
}

enum err log_appender_transaction_end(struct log_appender *a)
{
    TRY(a->failure);
    INVARIANT(a->next_offset > a->transaction_offset);
    INVARIANT(a->is_open && a->writer.record_count > 0);
    bool is_part =
        a->transaction_offset < a->writer.base_offset; /* began in an earlier batch: this one holds nothing else */
    a->transaction_offset = a->next_offset;
    a->whole = record_batch_mark(&a->writer);
    size_t size = record_batch_bytes(&a->writer);
    if (is_part || a->in_scratch || size >= a->config.batch_bytes_target ||
        a->segment_position + size_sure(a) >= a->config.segment_bytes)
        return keep(a, batch_finish(a));
    return ERR_OK;
}

bool log_appender_discard_transaction(struct log_appender *a)
{
    if (log_appender_transaction_is_sent(a)) return false;
    if (a->is_open && a->in_scratch) {
        a->is_open = a->in_scratch = false;
    } else if (a->is_open) {
        record_batch_cut(&a->writer, a->whole);
    }
    a->next_offset = a->transaction_offset;
    bool is_empty = !a->is_open || a->writer.record_count == 0;
    a->wants_gtid_set = is_empty && (a->rolls || a->segment_position == 0);
    return true;
}

enum err log_appender_flush(struct log_appender *a)
{
    TRY(a->failure);
    if (!a->is_open || a->writer.record_count == 0 || a->whole.record_count != a->writer.record_count) return ERR_OK;
    return keep(a, batch_finish(a));
}
