/* The simulated disk.  Two images are kept of every file -- what reads see now and what a loss of power would certainly
 * keep -- and between them the list of changes not yet synced. */
#include "storage/disk_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/random.h"
#include "ring/chunk_pool.h"

enum { PATH_BYTES = 256, FILES_MAX = 512, HANDLES_MAX = 512, QUEUE_DEPTH_MAX = 256 };

struct image {
    uint8_t *bytes;
    uint64_t size, room;
};

struct change { /* not yet synced */
    struct change *next;
    uint64_t position, size; /* of a truncation: the new size */
    bool     is_truncation, is_certain; /* certain: written with is_durable */
    uint8_t  bytes[];
};

struct file {
    struct image   now, kept;
    struct change *first, **last;
    uint64_t       modified_ms;
    bool           is_folder, is_used;
};

struct name {
    char path[PATH_BYTES]; /* "": free */
    int  file;
};

struct name_change {
    struct name_change *next;
    char from[PATH_BYTES], to[PATH_BYTES]; /* from "": made; to "": removed */
    int  file;
};

struct sim {
    struct disk   disk;
    struct random random;
    struct file   file[FILES_MAX];
    struct name   now[FILES_MAX], kept[FILES_MAX];
    struct name_change *first, **last;
    int           handle[HANDLES_MAX]; /* file + 1, 0: free */
    uint64_t      operations, cut_after, space, used, time_ms;
    int           write_error, sync_error;
    bool          is_dead, shortens_writes, hangs;
    struct sim_queue *queues;
};

struct sim_queue {
    struct disk_queue queue;
    struct sim_queue *next;
    uint32_t depth, count, submitted;
    struct disk_io io[QUEUE_DEPTH_MAX];
};

static struct sim *sim_of(struct disk *d) { return (struct sim *)d; }

/* Counts a change; false: the power is gone. */
static bool alive(struct sim *s)
{
    if (!s->is_dead && s->operations >= s->cut_after) s->is_dead = true;
    if (s->is_dead) return false;
    s->operations++;
    return true;
}

/* ---- images ---- */

static void image_resize(struct image *m, uint64_t size)
{
    if (size > m->room) {
        uint64_t room = m->room == 0 ? 4096 : m->room;
        while (room < size) room *= 2;
        uint8_t *grown = realloc(m->bytes, room);
        INVARIANT(grown != NULL);
        m->bytes = grown;
        m->room = room;
    }
    if (size > m->size) memset(m->bytes + m->size, 0, size - m->size);
    m->size = size;
}

static void image_write(struct image *m, uint64_t position, const uint8_t *bytes, uint64_t size)
{
    if (position + size > m->size) image_resize(m, position + size);
    memcpy(m->bytes + position, bytes, size);
}

static void image_copy(struct image *to, const struct image *from)
{
    image_resize(to, 0);
    image_resize(to, from->size);
    if (from->size > 0) memcpy(to->bytes, from->bytes, from->size);
}

static void change_add(struct file *f, bool is_truncation, bool is_certain, uint64_t position, const uint8_t *bytes,
                       uint64_t size)
{
    struct change *c = malloc(sizeof *c + (is_truncation ? 0 : size));
    INVARIANT(c != NULL);
    *c = (struct change){NULL, position, size, is_truncation, is_certain};
    if (!is_truncation) memcpy(c->bytes, bytes, size);
    *f->last = c;
    f->last = &c->next;
}

static void changes_drop(struct file *f)
{
    while (f->first != NULL) {
        struct change *c = f->first;
        f->first = c->next;
        free(c);
    }
    f->last = &f->first;
}

/* Each sector of an unsynced write may have reached the platter or not. */
static void change_replay(struct sim *s, struct image *m, const struct change *c)
{
    if (c->is_truncation) {
        if (random_below(&s->random, 2) == 0) image_resize(m, c->size);
        return;
    }
    uint64_t odds =
        c->is_certain ? 0 : random_below(&s->random, 3); /* 0: all of it, 1: sectors by chance, 2: nothing */
    if (odds == 2) return;
    for (uint64_t at = 0; at < c->size; at += DISK_SIM_SECTOR_BYTES) {
        uint64_t part = c->size - at < DISK_SIM_SECTOR_BYTES ? c->size - at : DISK_SIM_SECTOR_BYTES;
        if (odds == 0 || random_below(&s->random, 2) == 0) image_write(m, c->position + at, c->bytes + at, part);
    }
}

/* ---- names ---- */

static struct name *name_find(struct name *table, const char *path)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (table[i].path[0] != 0 && strcmp(table[i].path, path) == 0) return &table[i];
    return NULL;
}

static void name_put(struct name *table, const char *path, int file)
{
    struct name *n = name_find(table, path);
    for (int i = 0; n == NULL && i < FILES_MAX; i++)
        if (table[i].path[0] == 0) n = &table[i];
    INVARIANT(n != NULL && strlen(path) < PATH_BYTES);
    snprintf(n->path, sizeof n->path, "%s", path);
    n->file = file;
}

static void name_move(struct name *table, const char *from, const char *to)
{
    size_t prefix = strlen(from);
    for (int i = 0; i < FILES_MAX; i++) {
        char moved[PATH_BYTES * 2];
        if (strncmp(table[i].path, from, prefix) != 0 || (table[i].path[prefix] != 0 && table[i].path[prefix] != '/'))
            continue;
        snprintf(moved, sizeof moved, "%s%s", to, table[i].path + prefix);
        struct name *old = name_find(table, moved);
        if (old != NULL) old->path[0] = 0;
        INVARIANT(strlen(moved) < PATH_BYTES);
        memcpy(table[i].path, moved, strlen(moved) + 1);
    }
}

static void name_apply(struct name *table, const struct name_change *c)
{
    if (c->from[0] == 0) {
        name_put(table, c->to, c->file);
    } else if (c->to[0] == 0) {
        struct name *n = name_find(table, c->from);
        if (n != NULL) n->path[0] = 0;
    } else {
        name_move(table, c->from, c->to);
    }
}

static void name_change_add(struct sim *s, const char *from, const char *to, int file)
{
    struct name_change *c = calloc(1, sizeof *c);
    INVARIANT(c != NULL);
    snprintf(c->from, sizeof c->from, "%s", from);
    snprintf(c->to, sizeof c->to, "%s", to);
    c->file = file;
    *s->last = c;
    s->last = &c->next;
    name_apply(s->now, c);
}

static void names_sync(struct sim *s, uint64_t count)
{
    while (s->first != NULL && count-- > 0) {
        struct name_change *c = s->first;
        s->first = c->next;
        name_apply(s->kept, c);
        free(c);
    }
    if (s->first == NULL) s->last = &s->first;
}

static int file_new(struct sim *s, bool is_folder)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (s->file[i].is_used) continue;
        s->file[i] = (struct file){.is_folder = is_folder, .is_used = true, .modified_ms = s->time_ms};
        s->file[i].last = &s->file[i].first;
        return i;
    }
    INVARIANT(!"the simulated disk has room for this many files");
    return -1;
}

/* Frees files that no name, handle or pending change reaches any more. */
static void files_collect(struct sim *s)
{
    static bool reached[FILES_MAX];
    memset(reached, 0, sizeof reached);
    for (int i = 0; i < FILES_MAX; i++) {
        if (s->now[i].path[0] != 0) reached[s->now[i].file] = true;
        if (s->kept[i].path[0] != 0) reached[s->kept[i].file] = true;
    }
    for (int i = 0; i < HANDLES_MAX; i++)
        if (s->handle[i] != 0) reached[s->handle[i] - 1] = true;
    for (struct name_change *c = s->first; c != NULL; c = c->next) reached[c->file] = true;
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *f = &s->file[i];
        if (!f->is_used || reached[i]) continue;
        s->used -= f->now.size;
        changes_drop(f);
        free(f->now.bytes);
        free(f->kept.bytes);
        memset(f, 0, sizeof *f);
    }
}

/* ---- files ---- */

static struct file *handle_file(struct sim *s, int handle)
{
    INVARIANT(handle >= 0 && handle < HANDLES_MAX && s->handle[handle] != 0);
    return &s->file[s->handle[handle] - 1];
}

static int sim_open(struct disk *d, const char *path, unsigned flags)
{
    struct sim *s = sim_of(d);
    if (s->is_dead) return -EIO;
    struct name *n = name_find(s->now, path);
    if (n == NULL && (flags & DISK_CREATE) == 0) return -ENOENT;
    if (n == NULL) {
        if (!alive(s)) return -EIO;
        name_change_add(s, "", path, file_new(s, false));
        n = name_find(s->now, path);
    }
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (s->handle[i] != 0) continue;
        s->handle[i] = n->file + 1;
        return i;
    }
    return -EMFILE;
}

static void sim_close(struct disk *d, int file)
{
    struct sim *s = sim_of(d);
    INVARIANT(file >= 0 && file < HANDLES_MAX);
    s->handle[file] = 0;
    files_collect(s);
}

static int64_t sim_read(struct disk *d, int file, void *bytes, size_t size, uint64_t position)
{
    struct sim *s = sim_of(d);
    if (s->is_dead) return -EIO;
    const struct file *f = handle_file(s, file);
    if (position >= f->now.size) return 0;
    uint64_t part = f->now.size - position < size ? f->now.size - position : size;
    memcpy(bytes, f->now.bytes + position, part);
    return (int64_t)part;
}

static int grow(struct sim *s, struct file *f, uint64_t size)
{
    uint64_t more = size > f->now.size ? size - f->now.size : 0;
    if (s->used + more > s->space) return -ENOSPC;
    s->used += more;
    return 0;
}

static int64_t write_now(struct sim *s, struct file *f, const void *bytes, size_t size, uint64_t position,
                         bool is_durable)
{
    if (!alive(s)) return -EIO;
    if (s->write_error != 0) return -s->write_error;
    int rc = grow(s, f, position + size);
    if (rc != 0) return rc;
    image_write(&f->now, position, bytes, size);
    change_add(f, false, is_durable, position, bytes, size);
    f->modified_ms = s->time_ms;
    return (int64_t)size;
}

static int64_t sim_write(struct disk *d, int file, const void *bytes, size_t size, uint64_t position)
{
    return write_now(sim_of(d), handle_file(sim_of(d), file), bytes, size, position, false);
}

static int sync_now(struct sim *s, struct file *f)
{
    if (!alive(s)) return -EIO;
    if (s->sync_error != 0) return -s->sync_error;
    image_copy(&f->kept, &f->now);
    changes_drop(f);
    return 0;
}

static int sim_sync(struct disk *d, int file) { return sync_now(sim_of(d), handle_file(sim_of(d), file)); }

static int resize(struct sim *s, struct file *f, uint64_t bytes)
{
    if (!alive(s)) return -EIO;
    int rc = grow(s, f, bytes);
    if (rc != 0) return rc;
    if (bytes < f->now.size) s->used -= f->now.size - bytes;
    image_resize(&f->now, bytes);
    change_add(f, true, false, 0, NULL, bytes);
    return 0;
}

static int sim_truncate(struct disk *d, int file, uint64_t bytes)
{
    return resize(sim_of(d), handle_file(sim_of(d), file), bytes);
}

static int sim_allocate(struct disk *d, int file, uint64_t bytes)
{
    struct file *f = handle_file(sim_of(d), file);
    return bytes <= f->now.size ? 0 : resize(sim_of(d), f, bytes);
}

static int sim_stat(struct disk *d, const char *path, struct disk_stat *out)
{
    struct sim *s = sim_of(d);
    if (s->is_dead) return -EIO;
    const struct name *n = name_find(s->now, path);
    if (n == NULL) return -ENOENT;
    const struct file *f = &s->file[n->file];
    *out = (struct disk_stat){f->now.size, f->modified_ms, f->is_folder};
    return 0;
}

static int sim_list(struct disk *d, const char *path, int (*visit)(void *, const char *), void *context)
{
    struct sim *s = sim_of(d);
    if (s->is_dead) return -EIO;
    if (name_find(s->now, path) == NULL) return -ENOENT;
    size_t prefix = strlen(path);
    static char found[FILES_MAX][PATH_BYTES]; /* a visitor may remove what it is shown */
    int count = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        const char *p = s->now[i].path;
        if (strncmp(p, path, prefix) != 0 || p[prefix] != '/' || strchr(p + prefix + 1, '/') != NULL) continue;
        snprintf(found[count++], PATH_BYTES, "%s", p + prefix + 1);
    }
    for (int i = 0; i < count; i++) {
        int rc = visit(context, found[i]);
        if (rc != 0) return rc;
    }
    return 0;
}

static int sim_rename(struct disk *d, const char *from, const char *to)
{
    struct sim *s = sim_of(d);
    const struct name *n = name_find(s->now, from);
    if (n == NULL) return -ENOENT;
    if (!alive(s)) return -EIO;
    name_change_add(s, from, to, n->file);
    files_collect(s);
    return 0;
}

static int sim_unlink(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    const struct name *n = name_find(s->now, path);
    if (n == NULL) return -ENOENT;
    if (!alive(s)) return -EIO;
    name_change_add(s, path, "", n->file);
    files_collect(s);
    return 0;
}

static int sim_make_folder(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    if (name_find(s->now, path) != NULL) return -EEXIST;
    if (!alive(s)) return -EIO;
    name_change_add(s, "", path, file_new(s, true));
    return 0;
}

static int sim_sync_folder(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    (void)path; /* names go through one journal: what was changed before is kept too */
    if (!alive(s)) return -EIO;
    if (s->sync_error != 0) return -s->sync_error;
    names_sync(s, UINT64_MAX);
    files_collect(s);
    return 0;
}

static int sim_lock(struct disk *d, const char *path)
{
    return sim_open(d, path, DISK_WRITE | DISK_CREATE);
}

/* ---- queues ---- */

static enum err queue_open(struct disk *d, struct disk_queue **out, uint32_t depth, const struct disk_region *region,
                           bool has_fd, struct err_msg *msg)
{
    struct sim *s = sim_of(d);
    (void)region;
    (void)has_fd;
    struct sim_queue *q = calloc(1, sizeof *q);
    if (q == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a simulated disk queue");
    q->queue.disk = d;
    q->depth = depth < QUEUE_DEPTH_MAX ? depth : QUEUE_DEPTH_MAX;
    q->next = s->queues;
    s->queues = q;
    *out = &q->queue;
    return ERR_OK;
}

static int32_t io_run(struct sim *s, const struct disk_io *io)
{
    switch (io->kind) {
    case DISK_READ: return (int32_t)sim_read(&s->disk, io->file, io->bytes, io->size, io->position);
    case DISK_WRITE_AT: {
        uint32_t size = io->size, more = (io->size - LOG_BLOCK_BYTES) / DISK_SIM_SECTOR_BYTES;
        if (s->shortens_writes)
            size = LOG_BLOCK_BYTES + (uint32_t)random_below(&s->random, more + 1) * DISK_SIM_SECTOR_BYTES;
        return (int32_t)write_now(s, handle_file(s, io->file), io->bytes, size, io->position, io->is_durable);
    }
    case DISK_SYNC: return sync_now(s, handle_file(s, io->file));
    }
    return -EINVAL;
}

static bool queue_put(struct disk_queue *queue, const struct disk_io *io)
{
    struct sim_queue *q = (struct sim_queue *)queue;
    if (q->count == q->depth) return false;
    q->io[q->count++] = *io;
    return true;
}

static void queue_submit(struct disk_queue *queue)
{
    struct sim_queue *q = (struct sim_queue *)queue;
    q->submitted = q->count;
}

static unsigned queue_poll(struct disk_queue *queue, struct disk_done *out, unsigned max)
{
    struct sim_queue *q = (struct sim_queue *)queue;
    struct sim *s = sim_of(queue->disk);
    unsigned ended = 0;
    if (q->submitted == 0) return 0;
    unsigned count = 1 + (unsigned)random_below(&s->random, q->submitted);
    while (ended < count && ended < max) {
        uint32_t pick = (uint32_t)random_below(&s->random, q->submitted);
        struct disk_io io = q->io[pick];
        if (s->hangs && io.kind != DISK_READ) {
            count--;
            continue;
        }
        memmove(&q->io[pick], &q->io[pick + 1], (q->count - pick - 1) * sizeof io);
        q->count--;
        q->submitted--;
        out[ended++] = (struct disk_done){io.tag, io_run(s, &io)};
    }
    return ended;
}

static void queue_wait(struct disk_queue *q, struct waiter *w, uint64_t timeout_ns)
{
    (void)q;
    (void)w;
    (void)timeout_ns;
    INVARIANT(!"a simulated disk is stepped, never waited for");
}

static int queue_fd(const struct disk_queue *q)
{
    (void)q;
    return -1;
}

/* Writes that were under way when the process or the power went may have reached the platter. */
static void queue_forget(struct sim *s, struct sim_queue *q)
{
    for (uint32_t i = 0; i < q->submitted; i++) {
        const struct disk_io *io = &q->io[i];
        if (io->kind == DISK_WRITE_AT && s->handle[io->file] != 0)
            change_add(handle_file(s, io->file), false, false, io->position, io->bytes, io->size);
    }
    q->count = q->submitted = 0;
}

static void queue_close(struct disk_queue *queue)
{
    struct sim_queue *q = (struct sim_queue *)queue;
    struct sim *s = sim_of(queue->disk);
    queue_forget(s, q);
    for (struct sim_queue **at = &s->queues; *at != NULL; at = &(*at)->next) {
        if (*at != q) continue;
        *at = q->next;
        break;
    }
    free(q);
}

/* ---- power ---- */

void disk_sim_power_cycle(struct disk *d)
{
    struct sim *s = sim_of(d);
    s->is_dead = true;
    for (struct sim_queue *q = s->queues; q != NULL; q = q->next) queue_forget(s, q);
    uint64_t pending = 0;
    for (struct name_change *c = s->first; c != NULL; c = c->next) pending++;
    names_sync(s, random_below(&s->random, pending + 1));
    while (s->first != NULL) {
        struct name_change *c = s->first;
        s->first = c->next;
        free(c);
    }
    s->last = &s->first;
    memcpy(s->now, s->kept, sizeof s->now);
    memset(s->handle, 0, sizeof s->handle);
    s->used = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *f = &s->file[i];
        if (!f->is_used) continue;
        for (const struct change *c = f->first; c != NULL; c = c->next) change_replay(s, &f->kept, c);
        changes_drop(f);
        image_copy(&f->now, &f->kept);
        s->used += f->now.size;
    }
    files_collect(s);
    s->is_dead = false;
    s->cut_after = UINT64_MAX;
    s->write_error = s->sync_error = 0;
}

void disk_sim_cut_after(struct disk *d, uint64_t operations)
{
    struct sim *s = sim_of(d);
    s->cut_after = operations == UINT64_MAX ? UINT64_MAX : s->operations + operations;
}

bool     disk_sim_is_dead(const struct disk *d) { return ((const struct sim *)d)->is_dead; }
uint64_t disk_sim_operations(const struct disk *d) { return ((const struct sim *)d)->operations; }
void     disk_sim_fail_writes(struct disk *d, int error) { sim_of(d)->write_error = error; }
void     disk_sim_fail_syncs(struct disk *d, int error) { sim_of(d)->sync_error = error; }
void     disk_sim_shorten_writes(struct disk *d) { sim_of(d)->shortens_writes = true; }
void     disk_sim_hang_writes(struct disk *d, bool hangs) { sim_of(d)->hangs = hangs; }
void     disk_sim_limit_space(struct disk *d, uint64_t bytes) { sim_of(d)->space = bytes; }
void     disk_sim_set_time(struct disk *d, uint64_t realtime_ms) { sim_of(d)->time_ms = realtime_ms; }

static void sim_destroy(struct disk *d)
{
    struct sim *s = sim_of(d);
    names_sync(s, UINT64_MAX);
    for (int i = 0; i < FILES_MAX; i++) {
        changes_drop(&s->file[i]);
        free(s->file[i].now.bytes);
        free(s->file[i].kept.bytes);
    }
    free(s);
}

static const struct disk_ops sim_ops = {
    sim_open, sim_close, sim_read, sim_write, sim_sync, sim_truncate, sim_allocate,
    sim_stat, sim_list, sim_rename, sim_unlink, sim_make_folder, sim_unlink, sim_sync_folder, sim_lock,
    queue_open, queue_close, queue_put, queue_submit, queue_poll, queue_wait, queue_fd, sim_destroy,
};

enum err disk_sim_create(struct disk **out, uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    s->disk.ops = &sim_ops;
    s->disk.is_simulated = true;
    random_init(&s->random, seed);
    s->last = &s->first;
    s->cut_after = s->space = UINT64_MAX;
    for (int i = 0; i < FILES_MAX; i++) s->file[i].last = &s->file[i].first;
    *out = &s->disk;
    return ERR_OK;
}
