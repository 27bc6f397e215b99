/* Logs come and go: creating, opening, attaching, detaching, closing, deleting.  Control thread. */
#include "storage/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "storage/recovery.h"

enum { CREW_MAX = 8 }; /* more shorten nothing: syncs of one file system wait for each other */

/* ---- looking logs up: any thread ---- */

struct log *log_at(struct storage *s, uint32_t index)
{
    return index < LOGS_MAX ? atomic_load_explicit(&s->log[index], memory_order_acquire)
                            : NULL; /* pairs with log_show */
}

struct log *log_find(struct storage *s, const char *name, size_t name_bytes)
{
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        struct log *l = log_at(s, i);
        if (l != NULL && strlen(l->identity.name) == name_bytes && memcmp(l->identity.name, name, name_bytes) == 0)
            return l;
    }
    return NULL;
}

uint32_t log_slot(const struct log *l) { return l->slot; }
const struct log_identity *log_identity(const struct log *l) { return &l->identity; }
uint64_t log_start_offset(const struct log *l)
{
    return atomic_load_explicit(&l->start_offset, memory_order_acquire);
} /* pairs with retention */
uint64_t log_high_watermark(const struct log *l)
{
    return atomic_load_explicit(&l->high_watermark, memory_order_acquire);
} /* pairs with storage_publish */
uint64_t log_high_watermark_ns(const struct log *l)
{
    return atomic_load_explicit(&l->high_watermark_ns, memory_order_relaxed);
}
enum compression log_compression(const struct log *l)
{
    return (enum compression)atomic_load_explicit(&l->compression, memory_order_relaxed);
}

void storage_log_set_compression(struct log *l, enum compression codec)
{
    atomic_store_explicit(&l->compression, (int)codec, memory_order_relaxed);
}

bool log_is_resending(const struct log *l)
{
    return atomic_load_explicit(&l->is_resending, memory_order_acquire);
} /* pairs with resending_ends, recover */

void log_was_served(struct log *l, uint64_t offset)
{
    uint64_t known = atomic_load_explicit(&l->served_offset, memory_order_relaxed);
    while (known < offset && !atomic_compare_exchange_weak_explicit(&l->served_offset, &known, offset,
                                                                    memory_order_release, memory_order_relaxed)) {}
} /* pairs with resending_ends */

int64_t log_max_timestamp_ms(const struct log *l)
{
    const struct segment_table *t = &l->segments;
    int64_t largest = -1;
    for (uint64_t seq = segment_first(t); seq < segment_next(t); seq++) {
        struct segment_info info;
        if (segment_get(t, seq, &info) && info.max_timestamp_ms > largest) largest = info.max_timestamp_ms;
    }
    return largest;
}

uint64_t log_size_bytes(const struct log *l)
{
    return atomic_load_explicit(&l->segments.total_bytes, memory_order_relaxed);
}

enum err storage_log_error(const struct log *l, struct err_msg *msg)
{
    pthread_mutex_t *lock = &((struct log *)(uintptr_t)l)->error_lock;
    pthread_mutex_lock(lock);
    enum err e = l->error.code;
    if (msg != NULL) *msg = l->error;
    pthread_mutex_unlock(lock);
    return e;
}

/* ---- memory of a log ---- */

void log_free(struct log *l)
{
    tail_fini(&l->tail);
    segment_table_fini(&l->segments);
    index_set_fini(&l->index[0]);
    index_set_fini(&l->index[1]);
    ring_spsc_fini(&l->writer.feed.to_storage);
    ring_spsc_fini(&l->writer.feed.to_producer);
    pthread_mutex_destroy(&l->error_lock);
    free(l);
}

static uint32_t index_capacity(const struct storage_config *c)
{
    uint32_t interval = c->index_interval_bytes < 64 ? 64 : c->index_interval_bytes;
    uint64_t capacity = 2 * c->segment_bytes / interval + 64;
    return capacity < INT32_MAX ? (uint32_t)capacity : INT32_MAX;
}

static uint32_t tail_entries(const struct storage_config *c)
{
    return c->tail_chunks_per_log + c->leases_per_log + c->record_bytes_max / c->chunk_bytes + 8;
}

uint64_t log_memory_bytes(const struct storage_config *c)
{
    return sizeof(struct log) + 2 * index_set_bytes(index_capacity(c)) +
           2ull * tail_entries(c) * sizeof(struct tail_entry) + /* rounded up to a power of two */
           SEGMENTS_MAX * sizeof(struct segment_entry) + FEED_TO_STORAGE_BYTES + FEED_TO_PRODUCER_BYTES;
}

static enum err log_new(struct storage *s, struct log **out, const struct log_identity *identity, struct err_msg *msg)
{
    const struct storage_config *c = &s->config;
    struct log *l = aligned_alloc(128, (sizeof *l + 127) / 128 * 128);
    if (l == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the log of %s", identity->name);
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->error_lock, NULL);
    l->storage = s;
    l->slot = LOGS_MAX;
    l->identity = *identity;
    l->writer.file = l->writer.prepared_file = -1;
    l->writer.current = CHUNK_NONE;
    snprintf(l->folder, sizeof l->folder, "%s/%s/0", s->data_folder, identity->name);
    enum err e = tail_init(&l->tail, tail_entries(c));
    if (e == ERR_OK) e = segment_table_init(&l->segments);
    for (int i = 0; e == ERR_OK && i < 2; i++)
        e = index_set_init(&l->index[i], index_capacity(c));
    if (e == ERR_OK) e = ring_spsc_init(&l->writer.feed.to_storage, FEED_TO_STORAGE_BYTES);
    if (e == ERR_OK) e = ring_spsc_init(&l->writer.feed.to_producer, FEED_TO_PRODUCER_BYTES);
    if (e != ERR_OK) {
        log_free(l);
        return err_set(msg, e, "no memory for the log of %s", identity->name);
    }
    char label[COUNTERS_LABEL_BYTES];
    snprintf(label, sizeof label, "channel=%.100s", identity->name);
    l->counters = (struct log_counters){
        counters_add(s->counters, COUNTER_COUNT, "storage_written_bytes", label),
        counters_add(s->counters, COUNTER_COUNT, "storage_flushes", label),
        counters_add(s->counters, COUNTER_COUNT, "storage_chunk_stalls", label),
        counters_add(s->counters, COUNTER_GAUGE, "storage_high_watermark", label),
        counters_add(s->counters, COUNTER_GAUGE, "storage_log_bytes", label),
        counters_add(s->counters, COUNTER_COUNT, "storage_segments_recycled", label),
        counters_add_histogram(s->counters, "storage_encoded_to_durable_ns", label),
    };
    *out = l;
    return ERR_OK;
}

/* ---- folders ---- */

static enum err name_check(const char *name, struct err_msg *msg)
{
    size_t size = strnlen(name, LOG_NAME_BYTES);
    bool holds = size > 0 && size < LOG_NAME_BYTES && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                 strcmp(name, "format") != 0 && strcmp(name, "lock") != 0;
    for (size_t i = 0; holds && i < size; i++) {
        char c = name[i];
        holds = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                c == '-';
    }
    if (holds) return ERR_OK;
    return err_set(msg, ERR_INVALID, "\"%.60s\" cannot name a log; use 1 to 249 of the characters a-z A-Z 0-9 . _ -, "
                   "and neither \"format\" nor \"lock\"", name);
}

static enum err folder_failed(struct err_msg *msg, int rc, const char *path)
{
    return err_set(msg, disk_error(rc), "cannot make %s: %s", path, disk_error_text(rc));
}

/* Makes the folder of a new log beside its place, and renames it: it is there whole or not at all. */
static enum err log_create(struct storage *s, const struct log_identity *identity, struct err_msg *msg)
{
    char outer[LOG_PATH_BYTES - 32], inner[LOG_PATH_BYTES], path[LOG_PATH_BYTES];
    snprintf(outer, sizeof outer, "%s/%s%s", s->data_folder, identity->name, LOG_SUFFIX_CREATING);
    TRY(tree_remove(s->disk, outer, msg));
    int rc = disk_make_folder(s->disk, outer);
    if (rc != 0) return folder_failed(msg, rc, outer);
    snprintf(inner, sizeof inner, "%s/0", outer);
    rc = disk_make_folder(s->disk, inner);
    if (rc != 0) return folder_failed(msg, rc, inner);
    TRY(meta_write(s->disk, outer, identity, msg));
    segment_path(path, inner, 0, SEGMENT_LOG);
    int file = disk_open(s->disk, path, DISK_WRITE | DISK_CREATE);
    if (file < 0) return folder_failed(msg, file, path);
    rc = disk_sync(s->disk, file);
    disk_close(s->disk, file);
    if (rc != 0) return folder_failed(msg, rc, path);
    struct log_checkpoint start = checkpoint_empty(0);
    start.is_clean = true;
    TRY(checkpoint_write(s->disk, inner, &start, msg));
    snprintf(path, sizeof path, "%s/%s", s->data_folder, identity->name);
    rc = disk_rename(s->disk, outer, path);
    if (rc == 0) rc = disk_sync_folder(s->disk, s->data_folder);
    return rc == 0 ? ERR_OK : folder_failed(msg, rc, path);
}

static enum err log_identify(struct storage *s, struct log_identity *identity, bool create, struct err_msg *msg)
{
    char folder[LOG_PATH_BYTES];
    struct disk_stat st;
    struct log_identity found;
    TRY(name_check(identity->name, msg));
    snprintf(folder, sizeof folder, "%s/%s", s->data_folder, identity->name);
    int rc = disk_stat(s->disk, folder, &st);
    if (rc == -ENOENT && !create)
        return err_set(msg, ERR_NOT_FOUND, "there is no log of %s in %s; put its folder back, or delete the channel",
                       identity->name, s->data_folder);
    if (rc == -ENOENT) return log_create(s, identity, msg);
    if (rc != 0) return err_set(msg, disk_error(rc), "cannot read %s: %s", folder, disk_error_text(rc));
    if (create) return err_set(msg, ERR_EXISTS, "there is a log of %s in %s already; move it away", identity->name,
                               s->data_folder);
    enum err e = meta_read(s->disk, folder, &found, msg);
    if (e == ERR_NOT_FOUND)
        return err_set(msg, ERR_CORRUPT, "%s/channel.meta is missing; restore it from a copy", folder);
    TRY(e);
    if (strcmp(found.name, identity->name) != 0)
        return err_set(msg, ERR_CORRUPT, "%s/channel.meta belongs to the log of %s; move it away, or restore the "
                       "folder from a copy", folder, found.name);
    *identity = found;
    return ERR_OK;
}

/* ---- what recovery found goes into the table that readers see ---- */

static enum err table_install(struct log *l, const struct recovered *r, struct err_msg *msg)
{
    struct segment_table *t = &l->segments;
    struct segment_info info;
    uint64_t last_base = r->segment[r->segment_count - 1].base_offset;
    /* A segment that was begun but never had anything visible may be gone. */
    while (segment_next(t) > segment_first(t) && segment_get(t, segment_next(t) - 1, &info) &&
           info.base_offset > last_base)
        segment_drop_last(t);
    for (uint32_t i = 0; i < r->segment_count; i++) {
        uint64_t seq, base = r->segment[i].base_offset, next = segment_next(t);
        bool is_there = segment_find(t, base, &seq, &info) && info.base_offset == base;
        if (!is_there && next > segment_first(t)) /* readers find by bisection: bases ascend */
            INVARIANT(segment_get(t, next - 1, &info) && info.base_offset < base);
        if (is_there) segment_update(t, seq, &r->segment[i]);
        else if (!segment_append(t, &r->segment[i]))
            return err_set(msg, ERR_NO_SPACE, "the log of %s has more than %d segments; raise segment_bytes or lower "
                           "retention_ms in millrace.yaml and start millraced again", l->identity.name,
                           SEGMENTS_MAX - 1);
    }
    return ERR_OK;
}

static void readers_wait(struct storage *s);

void log_take_back(struct log *l)
{
    uint64_t shown = log_high_watermark(l), durable = l->writer.visible.offset;
    if (!l->identity.shows_written || durable >= shown) return;
    log_was_served(l, shown);
    atomic_store_explicit(&l->is_resending, true, memory_order_release); /* pairs with log_is_resending */
    atomic_store_explicit(&l->high_watermark, durable, memory_order_release); /* pairs with log_high_watermark */
}

static enum err recover(struct log *l, bool leave_clean, struct recovered *r, struct err_msg *msg)
{
    struct storage *s = l->storage;
    struct index_set *set = &l->index[l->index_active ^ 1];
    uint64_t visible = log_high_watermark(l);
    if (log_is_resending(l)) readers_wait(s); /* the watermark went back: before readers could meet the cut */
    const struct recovery_input in = {
        .disk = s->disk, .folder = l->folder, .is_internal = l->identity.is_internal,
        .leader_epoch = l->identity.leader_epoch, .index_interval_bytes = s->config.index_interval_bytes,
        .leave_clean = leave_clean, .start_offset = log_start_offset(l), .visible_offset = visible,
        .shows_written = l->identity.shows_written, .is_resending = log_is_resending(l),
        .is_first = atomic_load_explicit(&l->incarnation, memory_order_relaxed) == 0,
    };
    TRY(log_recover(&in, set, r, msg));
    enum err e = table_install(l, r, msg);
    if (e != ERR_OK) {
        recovered_fini(r);
        return e;
    }
    l->index_active ^= 1;
    index_reset(&l->index[l->index_active ^ 1], INDEX_NO_SEGMENT); /* it may tell of batches that were cut */
    /* What readers remember of the files may hold bytes that were cut.  Before the watermark moves: pairs with
     * log_incarnation. */
    uint64_t incarnation = atomic_fetch_add_explicit(&s->incarnations, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&l->incarnation, incarnation, memory_order_release);
    atomic_store_explicit(&l->start_offset, r->checkpoint.start_offset, memory_order_release);
    atomic_store_explicit(&l->on_disk_offset, r->resume.next_offset, memory_order_release); /* pairs with log_on_disk */
    if (r->resume.is_resending) atomic_store_explicit(&l->is_resending, true, memory_order_release);
    if (r->resume.next_offset > visible) {
        atomic_store_explicit(&l->high_watermark_ns, clock_monotonic_ns(s->clock), memory_order_relaxed);
        atomic_store_explicit(&l->high_watermark, r->resume.next_offset,
                              memory_order_release); /* pairs with log_high_watermark */
    }
    return ERR_OK;
}

/* ---- attaching ---- */

static enum err active_open(struct log *l, const struct log_resume *resume, struct err_msg *msg)
{
    struct storage *s = l->storage;
    char path[LOG_PATH_BYTES];
    segment_path(path, l->folder, resume->segment_base_offset, SEGMENT_LOG);
    int file = disk_open(s->disk, path, DISK_WRITE | DISK_DIRECT);
    if (file < 0) return err_set(msg, disk_error(file), "cannot open %s: %s", path, disk_error_text(file));
    uint64_t bytes = log_segment_bytes(l) > resume->segment_position ? log_segment_bytes(l) : resume->segment_position;
    int rc = disk_allocate(s->disk, file, bytes);
    if (rc == 0) rc = disk_sync(s->disk, file);
    if (rc != 0) {
        disk_close(s->disk, file);
        return err_set(msg, disk_error(rc), "cannot reserve %" PRIu64 " bytes for %s: %s", bytes, path,
                       disk_error_text(rc));
    }
    l->writer.file = file;
    return ERR_OK;
}

/* Fills the writer from what recovery found; the storage thread takes it over with COMMAND_ATTACH. */
static enum err writer_prepare(struct log *l, const struct recovered *r, struct err_msg *msg)
{
    struct storage *s = l->storage;
    struct writer *w = &l->writer;
    const struct log_resume *resume = &r->resume;
    int file = w->file;
    uint64_t number = w->number;
    ring_spsc_fini(&w->feed.to_storage);
    ring_spsc_fini(&w->feed.to_producer);
    memset(w, 0, sizeof *w);
    w->file = file;
    w->number = number;
    enum err e = ring_spsc_init(&w->feed.to_storage, FEED_TO_STORAGE_BYTES);
    if (e == ERR_OK) e = ring_spsc_init(&w->feed.to_producer, FEED_TO_PRODUCER_BYTES);
    if (e != ERR_OK) return err_set(msg, e, "no memory for the feed of %s", l->identity.name);
    w->feed.storage_waiter = &s->waiter;
    w->feed.pool = &s->keeper.pool;
    w->state = WRITER_RUNNING;
    w->prepared_file = -1;
    w->current = CHUNK_NONE;
    w->segment_base = resume->segment_base_offset;
    w->segment_seq = segment_next(&l->segments) - 1;
    w->end_position = w->durable_position = resume->segment_position;
    w->next_offset = w->durable_offset = resume->next_offset;
    w->submitted = resume->segment_position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
    w->write_seq = tail_next(&l->tail);
    w->prefix_bytes = (uint32_t)(resume->segment_position - w->submitted);
    memcpy(w->prefix, r->last_block, w->prefix_bytes);
    w->scratch = keeper_extra(&s->keeper) + (uint64_t)l->slot * LOG_BLOCK_BYTES;
    w->lease_has_prefix = w->look_for_gtid = true;
    w->gtid_segment = r->checkpoint.gtid_segment;
    w->gtid_position = r->checkpoint.gtid_position;
    w->recovered = r->checkpoint;
    w->visible = (struct log_mark){resume->next_offset, w->segment_base,  w->end_position,
                                   w->gtid_segment,     w->gtid_position, l->index[l->index_active].at};
    w->end_mark = w->group_mark = w->visible;
    w->checkpoint_offset = resume->next_offset;
    w->checkpoint_ms = clock_realtime_ms(s->clock);
    return ERR_OK;
}

static enum err attach(struct log *l, struct log_feed **feed, struct log_resume *resume, struct err_msg *msg)
{
    struct recovered r;
    TRY(recover(l, false, &r, msg));
    enum err e = active_open(l, &r.resume, msg);
    if (e == ERR_OK) e = writer_prepare(l, &r, msg);
    if (e != ERR_OK) {
        if (l->writer.file >= 0) disk_close(l->storage->disk, l->writer.file);
        l->writer.file = -1;
        recovered_fini(&r);
        return e;
    }
    *resume = r.resume;
    r.resume.gtid_set = NULL; /* the receiver's now */
    recovered_fini(&r);
    atomic_store_explicit(&l->writer.feed.durable_offset, resume->next_offset, memory_order_release);
    *feed = &l->writer.feed;
    return ERR_OK;
}

/* LOGS_MAX: none is free. */
static uint32_t slot_reserve(struct storage *s)
{
    uint32_t slot = 0;
    while (slot < LOGS_MAX && (log_at(s, slot) != NULL || s->slot_is_reserved[slot])) slot++;
    if (slot < LOGS_MAX) s->slot_is_reserved[slot] = true;
    return slot;
}

void storage_opening_begin(struct storage *s, struct log_opening *o)
{
    o->storage = s;
    o->error = ERR_OK;
    /* Here and not in _run: another thread has no seat of a reader, so a log it looks at may be freed meanwhile. */
    o->is_open = *o->log == NULL && log_find(s, o->identity->name, strnlen(o->identity->name, LOG_NAME_BYTES)) != NULL;
    o->slot = *o->log != NULL ? (*o->log)->slot : slot_reserve(s);
}

/* Nobody else knows the log yet. */
static enum err log_open(struct log_opening *o)
{
    struct log *l = NULL;
    struct recovered r;
    struct storage *s = o->storage;
    if (o->slot == LOGS_MAX)
        return err_set(&o->msg, ERR_TOO_LARGE, "%d logs are open: no more fit into one millraced", LOGS_MAX);
    if (o->is_open) return err_set(&o->msg, ERR_EXISTS, "the log of %s is open already", o->identity->name);
    TRY(log_identify(s, o->identity, o->create, &o->msg));
    TRY(log_new(s, &l, o->identity, &o->msg));
    l->slot = o->slot;
    enum err e = o->is_detached ? recover(l, true, &r, &o->msg) : attach(l, o->feed, o->resume, &o->msg);
    if (e != ERR_OK) {
        log_free(l);
        return e;
    }
    if (o->is_detached) {
        recovered_fini(&r);
        l->writer.state = WRITER_DETACHED;
    }
    *o->log = l;
    return ERR_OK;
}

void storage_opening_run(struct log_opening *o)
{
    o->error = *o->log == NULL ? log_open(o) : attach(*o->log, o->feed, o->resume, &o->msg);
}

enum err storage_opening_end(struct log_opening *o)
{
    struct storage *s = o->storage;
    if (o->slot < LOGS_MAX) s->slot_is_reserved[o->slot] = false;
    if (o->error != ERR_OK) return o->error;
    struct log *l = *o->log;
    if (!o->is_detached) {
        log_set_error(l, &(struct err_msg){.code = ERR_OK}); /* of its writer of before */
        storage_command(s, COMMAND_ATTACH, l);
    }
    l->is_attached = !o->is_detached;
    atomic_store_explicit(&s->log[o->slot], l, memory_order_release); /* pairs with log_at */
    return ERR_OK;
}

/* All of it, now. */
static enum err opening_do(struct storage *s, struct log_opening *o, struct err_msg *msg)
{
    storage_opening_begin(s, o);
    storage_opening_run(o);
    enum err e = storage_opening_end(o);
    if (e != ERR_OK && msg != NULL) *msg = o->msg;
    return e;
}

enum err storage_log_open(struct storage *s, struct log_identity *identity, bool create, struct log **log,
                          struct log_feed **feed, struct log_resume *resume, struct err_msg *msg)
{
    struct log *fresh = NULL;
    struct log_opening o = {.identity = identity, .create = create, .log = &fresh, .feed = feed, .resume = resume};
    TRY(opening_do(s, &o, msg));
    *log = fresh;
    return ERR_OK;
}

/* Its producer has stopped: what it sent becomes durable, and no thread writes the log any more. */
static void writer_end(struct storage *s, struct log *l)
{
    l->writer.feed.producer_waiter = NULL; /* may be gone with the producer */
    storage_command(s, COMMAND_DETACH, l);
    l->is_attached = false;
}

/* Work on many logs, each on its own: what it does on disk is mostly waiting, so some threads share it. */
struct crew {
    void (*work)(void *list, uint32_t i);
    void *list;
    uint32_t count;
    _Atomic uint32_t next;
};

static void *crew_body(void *argument)
{
    struct crew *c = argument;
    for (;;) {
        uint32_t i = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed); /* joining orders the rest */
        if (i >= c->count) return NULL;
        c->work(c->list, i);
    }
}

static void crew_run(struct crew *c, bool is_simulated)
{
    pthread_t thread[CREW_MAX - 1];
    uint32_t threads = 0;
    while (!is_simulated && threads < CREW_MAX - 1 && threads + 1 < c->count &&
           thread_start(&thread[threads], "storage-crew", -1, crew_body, c) == ERR_OK)
        threads++; /* fewer only take longer */
    (void)crew_body(c);
    for (uint32_t i = 0; i < threads; i++) pthread_join(thread[i], NULL);
}

static void open_one(void *list, uint32_t i) { storage_opening_run((struct log_opening *)list + i); }

void storage_logs_open(struct storage *s, struct log_opening *list, uint32_t count)
{
    struct crew crew = {.work = open_one, .list = list, .count = count};
    for (uint32_t i = 0; i < count; i++) storage_opening_begin(s, &list[i]);
    crew_run(&crew, s->is_simulated);
    for (uint32_t i = 0; i < count; i++) (void)storage_opening_end(&list[i]); /* the error stays in the list */
}

static void end_one(void *list, uint32_t i)
{
    struct log *l = ((struct log **)list)[i];
    struct recovered r;
    struct err_msg msg = {.code = ERR_OK};
    if (recover(l, true, &r, &msg) == ERR_OK)
        recovered_fini(&r);
    else
        log_warn("storage", "channel %s was not ended cleanly, its next start verifies it: %s", l->identity.name,
                 msg.text);
}

void logs_end(struct storage *s)
{
    struct log *attached[LOGS_MAX];
    struct crew crew = {.work = end_one, .list = attached};
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        struct log *l = log_at(s, i);
        if (l == NULL || !l->is_attached) continue;
        writer_end(s, l);
        attached[crew.count++] = l;
    }
    crew_run(&crew, s->is_simulated);
    for (uint32_t i = 0; i < LOGS_MAX; i++)
        if (log_at(s, i) != NULL) storage_log_close(s, log_at(s, i));
}

enum err storage_log_detach(struct storage *s, struct log *l, struct err_msg *msg)
{
    struct recovered r;
    if (!l->is_attached) return err_set(msg, ERR_STATE, "the log of %s has no producer", l->identity.name);
    writer_end(s, l);
    TRY(recover(l, true, &r,
                msg)); /* cuts an open transaction and the space reserved ahead, writes indexes and the clean mark */
    recovered_fini(&r);
    return ERR_OK;
}

enum err storage_log_attach(struct storage *s, struct log *l, struct log_feed **feed, struct log_resume *resume,
                            struct err_msg *msg)
{
    if (l->is_attached) return err_set(msg, ERR_STATE, "the log of %s has a producer", l->identity.name);
    struct log_opening o = {.log = &l, .feed = feed, .resume = resume};
    return opening_do(s, &o, msg);
}

enum err storage_log_renew(struct storage *s, const char *name, const char *cluster_id, struct err_msg *msg)
{
    char folder[LOG_PATH_BYTES - 32], inner[LOG_PATH_BYTES];
    struct log_identity identity;
    struct log_checkpoint checkpoint;
    INVARIANT(log_find(s, name, strlen(name)) == NULL);
    snprintf(folder, sizeof folder, "%s/%s", s->data_folder, name);
    snprintf(inner, sizeof inner, "%s/0", folder);
    TRY(meta_read(s->disk, folder, &identity, msg));
    TRY(checkpoint_read(s->disk, inner, &checkpoint, msg));
    log_epoch_begin(&identity, checkpoint.recovery_offset); /* the log's end: it was detached cleanly */
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", cluster_id);
    checkpoint.is_resending = false;
    TRY(meta_write(s->disk, folder, &identity, msg)); /* first: interrupted here, it is renewed once more */
    return checkpoint_write(s->disk, inner, &checkpoint, msg);
}

/* ---- closing ---- */

uint64_t readers_mark(struct storage *s)
{
    uint64_t mark =
        atomic_fetch_add_explicit(&s->epoch, 1, memory_order_seq_cst) + 1; /* pairs with log_reader_quiesce */
    atomic_thread_fence(memory_order_seq_cst); /* pairs with log_reader_quiesce */
    return mark;
}

static bool reader_passed(const struct storage *s, uint32_t reader, uint64_t mark)
{
    if (s->is_simulated) return true; /* readers run on this very thread, and hold nothing between their turns */
    return atomic_load_explicit(&s->seat[reader].epoch, memory_order_acquire) >= mark; /* READER_ABSENT, too */
}

bool readers_passed(const struct storage *s, uint64_t mark)
{
    uint32_t i = 0;
    while (i < s->config.reader_count && reader_passed(s, i, mark)) i++;
    return i == s->config.reader_count;
}

/* Waits until every reader has passed through log_reader_quiesce since now. */
static void readers_wait(struct storage *s)
{
    const struct timespec pause = {0, 1000000};
    uint64_t mark = readers_mark(s);
    for (uint32_t i = 0; i < s->config.reader_count; i++) {
        while (!reader_passed(s, i, mark)) {
            reader_wake(s, i);
            nanosleep(&pause, NULL);
        }
    }
}

void storage_log_close(struct storage *s, struct log *l)
{
    INVARIANT(!l->is_attached);
    atomic_store_explicit(&l->is_closing, true, memory_order_release);
    atomic_store_explicit(&s->log[l->slot], NULL, memory_order_seq_cst); /* pairs with log_at */
    readers_wait(s);
    log_free(l);
}

enum err storage_log_look(struct storage *s, const char *name, struct log_identity *out, struct err_msg *msg)
{
    char folder[LOG_PATH_BYTES - 32];
    TRY(name_check(name, msg));
    snprintf(folder, sizeof folder, "%s/%s", s->data_folder, name);
    return meta_read(s->disk, folder, out, msg);
}

/* The rename takes the whole log away at once; durable, before any of its files goes. */
enum err storage_log_delete(struct storage *s, const char *name, struct err_msg *msg)
{
    char from[LOG_PATH_BYTES - 32], to[LOG_PATH_BYTES];
    struct disk_stat st;
    TRY(name_check(name, msg));
    INVARIANT(log_find(s, name, strlen(name)) == NULL);
    snprintf(from, sizeof from, "%s/%s", s->data_folder, name);
    snprintf(to, sizeof to, "%s%s", from, LOG_SUFFIX_DELETED);
    int rc = disk_stat(s->disk, from, &st);
    if (rc == 0) {
        TRY(tree_remove(s->disk, to, msg)); /* left over of a former one of this name */
        rc = disk_rename(s->disk, from, to);
    }
    if (rc == 0 || rc == -ENOENT) rc = disk_sync_folder(s->disk, s->data_folder); /* also of a rename of before */
    if (rc != 0) return err_set(msg, disk_error(rc), "cannot remove %s: %s", from, disk_error_text(rc));
    return tree_remove(s->disk, to, msg);
}
