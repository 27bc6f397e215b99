/* The readers' door: seats, hints, and the choice between tail and segments. */
#include "storage/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/invariant.h"

static uint64_t room_bytes(const struct storage_config *c)
{
    return record_batch_plain_bytes_max(c->record_bytes_max, c->chunk_bytes);
}

uint64_t reader_memory_bytes(const struct storage_config *c)
{
    return reader_cache_memory_bytes(c) + 2 * room_bytes(c) + unpacker_memory_bytes();
}

struct plain_rooms *log_reader_rooms(struct log_reader *r) { return &r->rooms; }

enum err log_reader_open(struct log_reader **out, struct storage *s, uint32_t reader_index, struct waiter *waiter,
                         struct err_msg *msg)
{
    if (reader_index >= s->config.reader_count)
        return err_set(msg, ERR_INVALID, "reader %" PRIu32 " of %" PRIu32 "; raise reader_count", reader_index,
                       s->config.reader_count);
    struct log_reader *r = calloc(1, sizeof *r);
    if (r == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a log reader");
    r->storage = s;
    r->index = reader_index;
    r->pins = &s->keeper.pins[reader_index];
    enum err e = plain_rooms_init(&r->rooms, room_bytes(&s->config));
    if (e != ERR_OK) e = err_set(msg, e, "no memory for a log reader");
    const struct cache_config cache = {reader_cache_memory_bytes(&s->config), s->config.reader_inflight_bytes_max,
                                       reader_index};
    if (e == ERR_OK) e = cache_init(&r->cache, s->disk, &cache, s->counters, msg);
    if (e != ERR_OK) {
        plain_rooms_fini(&r->rooms);
        free(r);
        return e;
    }
    ring_bcast_join(&s->hints, &r->hints);
    log_reader_quiesce(r);
    log_reader_watch(r, true);
    atomic_store_explicit(&s->seat[reader_index].waiter, waiter, memory_order_release); /* pairs with reader_wake */
    *out = r;
    return ERR_OK;
}

/* When this returns nobody wakes who sat there any more, and his waiter may go. */
static void seat_leave(struct storage *s, struct reader_seat *seat)
{
    const struct timespec pause = {0, 10000};
    atomic_store_explicit(&seat->waiter, NULL, memory_order_seq_cst); /* pairs with reader_wake, and so does the load */
    while (atomic_load_explicit(&s->wakers, memory_order_seq_cst) != 0) nanosleep(&pause, NULL);
}

void log_reader_close(struct log_reader *r)
{
    struct reader_seat *seat = &r->storage->seat[r->index];
    cache_fini(&r->cache);
    for (uint32_t i = 0; i < r->storage->keeper.pool.chunk_count; i++) /* slices that were not released */
        atomic_store_explicit(&r->pins->count[i], 0, memory_order_release); /* pairs with is_pinned */
    log_reader_pinned_since(r, UINT64_MAX);
    seat_leave(r->storage, seat);
    atomic_store_explicit(&seat->epoch, READER_ABSENT, memory_order_release); /* pairs with readers_wait */
    plain_rooms_fini(&r->rooms);
    free(r);
}

void log_reader_watch(struct log_reader *r, bool watches)
{
    atomic_store_explicit(&r->storage->seat[r->index].watches, watches, memory_order_relaxed);
}

enum log_reader_hint log_reader_hint(struct log_reader *r, uint32_t *slot)
{
    uint64_t word[RING_BCAST_WORDS];
    switch (ring_bcast_read(&r->storage->hints, &r->hints, word)) {
    case RING_GOT: *slot = (uint32_t)word[0]; return LOG_HINT_LOG;
    case RING_OVERRUN: return LOG_HINT_LOOK_AT_ALL;
    case RING_EMPTY: break;
    }
    return LOG_HINT_NONE;
}

void log_reader_quiesce(struct log_reader *r)
{
    uint64_t epoch = atomic_load_explicit(&r->storage->epoch,
                                          memory_order_acquire); /* pairs with readers_wait: log slots before it */
    atomic_store_explicit(&r->storage->seat[r->index].epoch, epoch, memory_order_release);
    /* Behind a rest: pairs with the fence in readers_wait.  Either it sees us here, or we see its slot empty. */
    atomic_thread_fence(memory_order_seq_cst);
}

void log_reader_rest(struct log_reader *r)
{
    /* pairs with readers_wait: whatever we read from logs was read before */
    atomic_store_explicit(&r->storage->seat[r->index].epoch, READER_ABSENT, memory_order_release);
}

enum err log_reader_read(struct log_reader *r, struct log *l, uint64_t offset, uint32_t bytes_max,
                         bool first_batch_whole, struct log_cursor *cursor, struct log_slice *out)
{
    struct log_cursor none = {{0}};
    if (cursor == NULL) cursor = &none;
    *out = (struct log_slice){.next_offset = offset};
    if (atomic_load_explicit(&l->is_closing, memory_order_acquire)) return ERR_STATE;
    uint64_t high_watermark = log_high_watermark(l);
    /* Retention moves the log start before it removes files or uses them again, and blocks are filled by
     * log_reader_poll, before this: so no block of what is in range now holds another segment's bytes. */
    if (offset > high_watermark || offset < log_start_offset(l)) return ERR_OUT_OF_RANGE;
    if (offset == high_watermark) return ERR_OK;
    enum err e = hot_read(r, l, offset, high_watermark, bytes_max, first_batch_whole, cursor, out);
    if (e != ERR_NOT_FOUND) return e;
    /* What left the tail is on disk, or was taken back. */
    uint64_t on_disk = log_on_disk(l);
    if (offset >= on_disk) return ERR_OUT_OF_RANGE;
    return cold_read(r, l, offset, on_disk < high_watermark ? on_disk : high_watermark, bytes_max, first_batch_whole,
                     cursor, out);
}

void log_reader_release(struct log_reader *r, const struct log_piece *piece)
{
    if ((piece->pin & PIN_IS_BLOCK) != 0) cache_unpin(&r->cache, piece->pin & ~PIN_IS_BLOCK);
    else chunk_unpin(r->pins, piece->pin);
}

static uint64_t retired_bytes(const struct storage *s)
{
    return (uint64_t)atomic_load_explicit(&s->keeper.retired_shown, memory_order_relaxed) * s->keeper.pool.chunk_bytes;
}

bool log_reader_is_pressed(const struct log_reader *r)
{
    return retired_bytes(r->storage) > 0 || cache_is_starved(&r->cache);
}

bool log_reader_may_lend(const struct log_reader *r, const struct log_piece *piece)
{
    if ((piece->pin & PIN_IS_BLOCK) == 0) return true;
    return !cache_is_starved(&r->cache) && r->cache.pinned_count <= r->cache.block_count / 2;
}

bool log_reader_is_wanted(const struct log_reader *r, const struct log_piece *piece)
{
    if ((piece->pin & PIN_IS_BLOCK) != 0) return cache_is_starved(&r->cache);
    return atomic_load_explicit(&r->storage->keeper.is_retired[piece->pin], memory_order_relaxed) != 0;
}

void log_reader_pinned_since(struct log_reader *r, uint64_t since_ns)
{
    atomic_store_explicit(&r->storage->seat[r->index].pinned_since_ns, since_ns, memory_order_relaxed);
}

bool log_reader_must_let_go(const struct log_reader *r)
{
    const struct storage *s = r->storage;
    uint64_t mine = atomic_load_explicit(&s->seat[r->index].pinned_since_ns, memory_order_relaxed);
    if (cache_is_starved(&r->cache)) return true;
    if (retired_bytes(s) <= s->config.retired_bytes_max) return false;
    for (uint32_t i = 0; i < s->config.reader_count; i++)
        if (atomic_load_explicit(&s->seat[i].pinned_since_ns, memory_order_relaxed) < mine) return false;
    return true;
}

static bool file_is_needed(void *storage, const struct cache_file *f)
{
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        const struct log *l = log_at(storage, i);
        if (l != NULL && log_incarnation(l) == f->incarnation) return !segment_is_gone(l, f->segment_base);
    }
    return false;
}

void log_reader_tidy(struct log_reader *r) { cache_tidy(&r->cache, file_is_needed, r->storage); }

unsigned log_reader_poll(struct log_reader *r) { return cache_poll(&r->cache); }
int      log_reader_fd(const struct log_reader *r) { return disk_queue_fd(r->cache.queue); }
