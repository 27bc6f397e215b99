/* The store: starting, stopping, and the storage thread's loop. */
#include "storage/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "storage/reader.h"

/* ---- transfers ---- */

bool storage_write(struct log *l, const struct disk_io *io, uint32_t parity)
{
    struct storage *s = l->storage;
    if (s->op_free < 0) return false;
    int32_t index = s->op_free;
    struct write_op *op = &s->op[index];
    struct disk_io tagged = *io;
    tagged.tag = (uint64_t)index;
    if (!disk_queue_put(s->queue, &tagged)) return false;
    s->op_free = op->next_free;
    *op = (struct write_op){l, tagged, parity, -1};
    return true;
}

static unsigned poll_transfers(struct storage *s)
{
    struct disk_done done[64];
    unsigned count = disk_queue_poll(s->queue, done, 64);
    for (unsigned i = 0; i < count; i++) {
        struct write_op op = s->op[done[i].tag];
        s->op[done[i].tag].next_free = s->op_free; /* first: the rest of a short write takes this place */
        s->op_free = (int32_t)done[i].tag;
        writer_written(&op, done[i].result);
    }
    return count;
}

/* ---- chunks and readers ---- */

bool storage_evict(struct storage *s)
{
    uint64_t longest = 0;
    struct log *victim = NULL;
    for (uint32_t i = 0; i < s->attached_count; i++) {
        uint64_t length = tail_next(&s->attached[i]->tail) - tail_first(&s->attached[i]->tail);
        if (length <= longest) continue;
        longest = length;
        victim = s->attached[i];
    }
    /* The chunk may be pinned and only retire: then the next one may not be. */
    while (victim != NULL && tail_evict(victim))
        if (s->keeper.free_count > 0) return true;
    for (uint32_t i = 0; i < s->attached_count; i++)
        while (tail_evict(s->attached[i]))
            if (s->keeper.free_count > 0) return true;
    return false;
}

void reader_wake(struct storage *s, uint32_t reader)
{
    /* Sequentially consistent, with seat_leave: either it sees us at work and waits, or we see its seat empty. */
    atomic_fetch_add_explicit(&s->wakers, 1, memory_order_seq_cst);
    struct waiter *w = atomic_load_explicit(&s->seat[reader].waiter, memory_order_seq_cst); /* and log_reader_open */
    if (w != NULL) waiter_wake(w);
    atomic_fetch_sub_explicit(&s->wakers, 1, memory_order_release); /* pairs with seat_leave */
}

void storage_publish(struct log *l, uint64_t offset)
{
    struct storage *s = l->storage;
    atomic_store_explicit(&l->high_watermark_ns, clock_monotonic_ns(s->clock), memory_order_relaxed);
    atomic_store_explicit(&l->high_watermark, offset,
                          memory_order_release); /* pairs with log_high_watermark: batches, tail, table */
    const uint64_t word[RING_BCAST_WORDS] = {l->slot, offset};
    ring_bcast_publish(&s->hints, word);
    /* Pairs with the fence in waiter_announce: either we see that it watches, or it sees the hint. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < s->config.reader_count; i++)
        if (atomic_load_explicit(&s->seat[i].watches, memory_order_relaxed)) reader_wake(s, i);
}

/* ---- commands ---- */

static void attached_remove(struct storage *s, const struct log *l)
{
    for (uint32_t i = 0; i < s->attached_count; i++) {
        if (s->attached[i] != l) continue;
        s->attached[i] = s->attached[--s->attached_count];
        return;
    }
}

static void detach_end(struct log *l)
{
    struct storage *s = l->storage;
    struct writer *w = &l->writer;
    log_take_back(l);
    writer_release(l);
    disk_close(s->disk, w->file);
    if (w->prepared_file >= 0) disk_close(s->disk, w->prepared_file);
    w->file = w->prepared_file = -1;
    w->state = WRITER_DETACHED;
    attached_remove(s, l);
}

/* Moves the command on; true: it has ended. */
static bool command_step(struct storage *s)
{
    struct log *l = s->command_log;
    switch (s->command) {
    case COMMAND_ATTACH:
        s->attached[s->attached_count++] = l;
        return true;
    case COMMAND_DETACH:
        if (l->writer.state == WRITER_RUNNING) l->writer.state = WRITER_DETACHING;
        if (l->writer.state == WRITER_DETACHING && writer_is_flushed(l) &&
            l->writer.visible.offset != l->writer.checkpoint_offset)
            checkpoint_start(l);
        if (!writer_is_over(l)) return false;
        detach_end(l);
        return true;
    case COMMAND_STOP:
        s->stopping = true;
        return true;
    case COMMAND_NONE: break;
    }
    return true;
}

static unsigned poll_command(struct storage *s)
{
    if (atomic_load_explicit(&s->command_state, memory_order_acquire) != COMMAND_SENT)
        return 0; /* pairs with storage_command */
    if (!command_step(s)) return 0;
    atomic_store_explicit(&s->command_state, COMMAND_DONE, memory_order_release); /* pairs with storage_command */
    waiter_wake(&s->control_waiter);
    return 1;
}

void storage_command(struct storage *s, enum command_kind kind, struct log *l)
{
    s->command = kind;
    s->command_log = l;
    atomic_store_explicit(&s->command_state, COMMAND_SENT, memory_order_release); /* pairs with poll_command */
    if (!s->is_simulated) waiter_wake(&s->waiter);
    while (atomic_load_explicit(&s->command_state, memory_order_acquire) !=
           COMMAND_DONE) { /* pairs with poll_command */
        if (s->is_simulated) {
            (void)storage_step(s);
            continue;
        }
        waiter_announce(&s->control_waiter);
        if (atomic_load_explicit(&s->command_state, memory_order_acquire) != COMMAND_DONE)
            waiter_block(&s->control_waiter, -1);
        waiter_cancel(&s->control_waiter);
    }
}

/* ---- the loop ---- */

static unsigned poll_jobs(struct storage *s)
{
    unsigned ended = 0;
    uint32_t size;
    const struct job *j;
    if (s->is_simulated && s->turn % SIMULATED_HELPER_TURNS == 0) (void)jobs_run(s);
    while ((j = ring_spsc_next(&s->results, &size)) != NULL) {
        job_ended(j);
        ended++;
    }
    if (ended > 0) ring_spsc_release(&s->results);
    return ended;
}

static void housekeeping(struct storage *s, uint64_t now_ns)
{
    if (now_ns < s->housekeeping_ns) return;
    s->housekeeping_ns = now_ns + (uint64_t)HOUSEKEEPING_MS * 1000000u;
    uint64_t now_ms = clock_realtime_ms(s->clock);
    counter_set(s->free_chunks, s->keeper.free_count);
    for (uint32_t i = 0; i < s->attached_count; i++) log_housekeeping(s->attached[i], now_ms);
}

static void reclaim(struct storage *s, uint64_t now_ns)
{
    if (s->keeper.retired_count == 0 || (s->keeper.free_count > 0 && now_ns < s->reclaim_ns)) return;
    (void)chunks_reclaim(&s->keeper);
    counter_set(s->retired_bytes, (uint64_t)s->keeper.retired_count * s->keeper.pool.chunk_bytes);
    s->reclaim_ns = now_ns + RECLAIM_NS;
}

unsigned storage_step(struct storage *s)
{
    uint64_t now_ns = clock_monotonic_ns(s->clock);
    unsigned work = poll_transfers(s);
    work += poll_jobs(s);
    work += poll_command(s);
    reclaim(s, now_ns);
    for (uint32_t i = 0; i < s->attached_count; i++) /* another first each turn: chunks and queue places go round */
        work += writer_step(s->attached[(i + s->turn) % s->attached_count], now_ns);
    s->turn++;
    disk_queue_submit(s->queue);
    housekeeping(s, now_ns);
    return work;
}

static uint64_t due_ns(const struct storage *s, uint64_t now_ns)
{
    uint64_t due = s->housekeeping_ns > now_ns ? s->housekeeping_ns - now_ns : 0;
    if (s->keeper.retired_count > 0 && due > RECLAIM_NS) due = RECLAIM_NS;
    for (uint32_t i = 0; i < s->attached_count; i++) {
        uint64_t log_due = writer_due_ns(s->attached[i], now_ns);
        if (log_due < due) due = log_due;
    }
    return due;
}

static void *storage_thread(void *argument)
{
    struct storage *s = argument;
    while (!s->stopping) {
        if (storage_step(s) > 0) continue;
        waiter_announce(&s->waiter);
        if (storage_step(s) == 0) { /* the second look */
            uint64_t wait_ns = due_ns(s, clock_monotonic_ns(s->clock));
            if (wait_ns > 0) disk_queue_wait(s->queue, &s->waiter, wait_ns);
        }
        waiter_cancel(&s->waiter);
    }
    return NULL;
}

/* ---- start and stop ---- */

static enum err config_check(const struct storage_config *c, struct err_msg *msg)
{
    uint64_t pool = (uint64_t)c->chunk_bytes * c->chunk_count;
    if (strlen(c->data_folder) >= DATA_PATH_BYTES)
        return err_set(msg, ERR_INVALID, "the path of the data folder is longer than %d bytes", DATA_PATH_BYTES - 1);
    if (c->chunk_bytes < 2 * LOG_BLOCK_BYTES || c->chunk_bytes % LOG_BLOCK_BYTES != 0)
        return err_set(msg, ERR_INVALID, "chunk_bytes %" PRIu32 " is not a multiple of %d, two at least",
                       c->chunk_bytes, LOG_BLOCK_BYTES);
    if (pool < (uint64_t)c->record_bytes_max + (uint64_t)c->chunk_bytes * (c->leases_per_log + 4ull))
        return err_set(msg, ERR_INVALID, "%" PRIu32 " chunks of %" PRIu32 " bytes hold no record of record_bytes_max %"
                       PRIu32 " beside the leases; raise chunk_count", c->chunk_count, c->chunk_bytes,
                       c->record_bytes_max);
    if (c->segment_bytes < c->chunk_bytes || c->segment_bytes > SEGMENT_BYTES_MAX - (1u << 28))
        return err_set(msg, ERR_INVALID, "segment_bytes %" PRIu64 " must be from chunk_bytes to 1.75 GiB",
                       c->segment_bytes);
    if (c->record_bytes_max / c->chunk_bytes + 2 > LOG_SLICE_PIECES ||
        c->record_bytes_max > READER_BLOCK_BYTES * (LOG_SLICE_PIECES - 2u))
        return err_set(msg, ERR_INVALID, "record_bytes_max %" PRIu32 " does not fit an answer; lower it or raise "
                       "chunk_bytes", c->record_bytes_max);
    if (c->leases_per_log < 1 || c->leases_per_log > LEASES_MAX / 4 || c->reader_count > READERS_MAX ||
        c->uring_depth < 4 || c->uring_depth > 4096)
        return err_set(msg, ERR_INVALID,
                       "storage settings out of range: leases_per_log 1..%d, reader_count 0..%d, uring_depth 4..4096",
                       LEASES_MAX / 4, READERS_MAX);
    return ERR_OK;
}

static enum err folder_lock(struct storage *s, struct err_msg *msg)
{
    char path[LOG_PATH_BYTES + 8];
    int rc = disk_make_folder(s->disk, s->data_folder);
    if (rc != 0 && rc != -EEXIST)
        return err_set(msg, disk_error(rc), "cannot make the data folder %s: %s", s->data_folder, disk_error_text(rc));
    snprintf(path, sizeof path, "%s/lock", s->data_folder);
    s->lock_file = disk_lock(s->disk, path);
    if (s->lock_file == -EWOULDBLOCK)
        return err_set(msg, ERR_LOCKED, "another millraced uses the data folder %s; stop it, or give this one a folder "
                       "of its own", s->data_folder);
    if (s->lock_file < 0)
        return err_set(msg, disk_error(s->lock_file), "cannot lock %s: %s", path, disk_error_text(s->lock_file));
    return format_check(s->disk, s->data_folder, msg);
}

static int end_deletion(void *context, const char *name)
{
    struct storage *s = context;
    char path[LOG_PATH_BYTES + 300];
    struct err_msg msg;
    size_t size = strlen(name), deleted = strlen(LOG_SUFFIX_DELETED), creating = strlen(LOG_SUFFIX_CREATING);
    if (!(size > deleted && strcmp(name + size - deleted, LOG_SUFFIX_DELETED) == 0) &&
        !(size > creating && strcmp(name + size - creating, LOG_SUFFIX_CREATING) == 0))
        return 0;
    snprintf(path, sizeof path, "%s/%s", s->data_folder, name);
    log_info("storage", "ending what was interrupted: removing %s", path);
    if (tree_remove(s->disk, path, &msg) != ERR_OK) log_warn("storage", "%s", msg.text);
    return 0;
}

static enum err memory_reserve(struct storage *s, struct err_msg *msg)
{
    const struct storage_config *c = &s->config;
    enum err e =
        keeper_init(&s->keeper, c->chunk_bytes, c->chunk_count, (uint64_t)LOGS_MAX * LOG_BLOCK_BYTES, c->reader_count);
    s->op = calloc(c->uring_depth, sizeof *s->op);
    if (e == ERR_OK && s->op == NULL) e = ERR_NO_MEMORY;
    for (uint32_t i = 0; e == ERR_OK && i < c->uring_depth; i++)
        s->op[i].next_free = i + 1 < c->uring_depth ? (int32_t)i + 1 : -1;
    if (e == ERR_OK) e = ring_spsc_init(&s->jobs, JOBS_BYTES);
    if (e == ERR_OK) e = ring_spsc_init(&s->results, JOBS_BYTES);
    if (e == ERR_OK) e = ring_bcast_init(&s->hints, HINTS);
    if (e != ERR_OK)
        return err_set(msg, e, "no memory for %" PRIu64 " MiB of chunks; lower chunk_count",
                       ((uint64_t)c->chunk_bytes * c->chunk_count) >> 20);
    return ERR_OK;
}

static void storage_free(struct storage *s)
{
    if (s->queue != NULL) disk_queue_close(s->queue);
    if (s->lock_file >= 0) disk_close(s->disk, s->lock_file);
    ring_spsc_fini(&s->jobs);
    ring_spsc_fini(&s->results);
    ring_bcast_fini(&s->hints);
    waiter_fini(&s->waiter);
    waiter_fini(&s->control_waiter);
    waiter_fini(&s->helper_waiter);
    keeper_fini(&s->keeper);
    free(s->op);
    if (s->owns_disk) disk_destroy(s->disk);
    free(s);
}

static enum err storage_prepare(struct storage *s, struct err_msg *msg)
{
    TRY(folder_lock(s, msg));
    (void)disk_list(s->disk, s->data_folder, end_deletion, s);
    TRY(memory_reserve(s, msg));
    if (s->is_simulated) {
        waiter_init_simulated(&s->waiter);
        waiter_init_simulated(&s->control_waiter);
        waiter_init_simulated(&s->helper_waiter);
    } else if (waiter_init(&s->waiter) != ERR_OK || waiter_init(&s->control_waiter) != ERR_OK ||
               waiter_init(&s->helper_waiter) != ERR_OK) {
        return err_set(msg, ERR_IO, "no eventfd for the storage thread; raise the limit of open files (ulimit -n)");
    }
    const struct disk_region region = {s->keeper.pool.bytes, s->keeper.mapped_bytes, s->config.chunk_bytes};
    return disk_queue_open(s->disk, &s->queue, s->config.uring_depth, &region, false, msg);
}

static enum err storage_new(struct storage **out, const struct storage_config *config, const struct clock *clock,
                            struct counters *counters, struct disk *disk, struct err_msg *msg)
{
    TRY(config_check(config, msg));
    struct storage *s = aligned_alloc(128, (sizeof *s + 127) / 128 * 128);
    if (s == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the store");
    memset(s, 0, sizeof *s);
    s->config = *config;
    snprintf(s->data_folder, sizeof s->data_folder, "%s", config->data_folder);
    s->config.data_folder = s->data_folder;
    uint64_t half = (uint64_t)config->chunk_bytes * config->chunk_count / 2;
    if (s->config.retired_bytes_max == 0 || s->config.retired_bytes_max > half) s->config.retired_bytes_max = half;
    s->clock = clock;
    s->counters = counters;
    s->disk = disk;
    s->is_simulated = disk->is_simulated;
    s->owns_disk = !disk->is_simulated;
    s->lock_file = -1;
    s->waiter.eventfd = s->control_waiter.eventfd = s->helper_waiter.eventfd = -1;
    for (uint32_t i = 0; i < READERS_MAX; i++) {
        atomic_init(&s->seat[i].epoch, READER_ABSENT);
        atomic_init(&s->seat[i].pinned_since_ns, UINT64_MAX);
    }
    s->retired = counters_add(counters, COUNTER_COUNT, "storage_chunks_retired", "");
    s->free_chunks = counters_add(counters, COUNTER_GAUGE, "storage_chunks_free", "");
    s->retired_bytes = counters_add(counters, COUNTER_GAUGE, "storage_retired_bytes", "");
    enum err e = storage_prepare(s, msg);
    if (e != ERR_OK) {
        storage_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

enum err storage_start_simulated(struct storage **out, const struct storage_config *config, const struct clock *clock,
                                 struct counters *counters, struct disk *disk, struct err_msg *msg)
{
    return storage_new(out, config, clock, counters, disk, msg);
}

static void threads_end(struct storage *s, bool storage_runs)
{
    if (storage_runs) {
        storage_command(s, COMMAND_STOP, NULL);
        pthread_join(s->thread, NULL);
    }
    atomic_store_explicit(&s->helper_stop, true, memory_order_release); /* pairs with helper_thread */
    waiter_wake(&s->helper_waiter);
    pthread_join(s->helper, NULL);
}

enum err storage_start(struct storage **out, const struct storage_config *config, const struct clock *clock,
                       struct counters *counters, struct err_msg *msg)
{
    struct disk *disk;
    struct storage *s;
    enum err e = disk_uring_create(&disk);
    if (e != ERR_OK) return err_set(msg, e, "no memory for the disk");
    TRY(storage_new(&s, config, clock, counters, disk, msg));
    e = thread_start(&s->helper, "storage-helper", -1, helper_thread, s);
    if (e == ERR_OK) {
        e = thread_start(&s->thread, "storage", s->config.core, storage_thread, s);
        if (e != ERR_OK) threads_end(s, false);
    }
    if (e != ERR_OK) {
        storage_free(s);
        return err_set(msg, e, "cannot start the storage thread on core %d: %s", config->core, err_text(e));
    }
    s->threads_run = true;
    *out = s;
    return ERR_OK;
}

void storage_stop(struct storage *s)
{
    logs_end(s);
    if (s->threads_run) threads_end(s, true);
    storage_free(s);
}

void storage_abandon_simulated(struct storage *s)
{
    disk_queue_close(s->queue); /* first: writes under way may still land, from memory freed below */
    s->queue = NULL;
    s->lock_file = -1;
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        struct log *l = log_at(s, i);
        if (l != NULL) log_free(l);
    }
    storage_free(s);
}

const struct chunk_pool *storage_chunk_pool(const struct storage *s) { return &s->keeper.pool; }

void storage_memory(const struct storage_config *c, struct storage_memory *out)
{
    uint64_t lists = 2ull * c->chunk_count * sizeof(uint32_t), pins = (uint64_t)c->chunk_count * sizeof(uint32_t);
    *out = (struct storage_memory){
        .chunks_bytes = (uint64_t)c->chunk_bytes * c->chunk_count + (uint64_t)LOGS_MAX * LOG_BLOCK_BYTES + lists,
        .readers_bytes = (uint64_t)c->reader_count * (reader_memory_bytes(c) + pins),
        .log_bytes = log_memory_bytes(c),
        .rings_bytes = 2ull * JOBS_BYTES + HINTS * sizeof(struct ring_bcast_slot) + sizeof(struct storage) +
                       (uint64_t)c->uring_depth * sizeof(struct write_op),
    };
}
