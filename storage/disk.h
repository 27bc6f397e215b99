/* storage/disk.h -- the seam under the log: files, and queues of asynchronous aligned transfers.
 *
 * Two sides: disk_uring.c (the machine's disk through io_uring and O_DIRECT) and disk_sim.c (memory, seeded, whose
 * power can be cut).  All of storage's I/O goes through here, recovery and helper included, so the simulation sees
 * every write of the process.
 *
 * Calls that can fail return 0 (or a count, or a file handle >= 0), or a negative errno, as the kernel does;
 * disk_error turns that into our own error.  Files and paths: any thread.  A queue belongs to one thread. */
#ifndef STORAGE_DISK_H
#define STORAGE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/wait.h"

struct disk;
struct disk_queue;

enum disk_open_flags {
    DISK_WRITE  = 1, /* also for writing */
    DISK_CREATE = 2, /* make it when it is not there */
    DISK_DIRECT = 4, /* for queues: transfers bypass the page cache where the file system can */
};

struct disk_stat {
    uint64_t bytes;
    uint64_t modified_ms; /* Unix milliseconds */
    bool     is_folder;
};

enum disk_io_kind { DISK_READ, DISK_WRITE_AT, DISK_SYNC };

/* Memory, size and position of a transfer are multiples of LOG_BLOCK_BYTES. */
struct disk_io {
    enum disk_io_kind kind;
    int      file;
    void    *bytes;
    uint32_t size;
    uint64_t position;
    uint64_t tag;        /* comes back in disk_done; not UINT64_MAX */
    bool     is_durable; /* DISK_WRITE_AT: complete only when the bytes would survive a loss of power */
    bool     gives_way;  /* DISK_READ: behind other transfers, where the device has a scheduler that can */
};

struct disk_done {
    uint64_t tag;
    int32_t  result; /* bytes moved (may be short), or a negative errno */
};

struct disk_region { /* memory that most transfers come from: registered with the kernel where that is allowed */
    void    *bytes;
    uint64_t size;
    uint64_t unit; /* no transfer crosses a multiple of it */
};

struct disk_ops {
    int     (*open)(struct disk *d, const char *path, unsigned flags);
    void    (*close)(struct disk *d, int file);
    int64_t (*read)(struct disk *d, int file, void *bytes, size_t size, uint64_t position);
    int64_t (*write)(struct disk *d, int file, const void *bytes, size_t size, uint64_t position);
    int     (*sync)(struct disk *d, int file);
    int     (*truncate)(struct disk *d, int file, uint64_t bytes);
    int     (*allocate)(struct disk *d, int file, uint64_t bytes);
    int     (*stat)(struct disk *d, const char *path, struct disk_stat *out);
    int     (*list)(struct disk *d, const char *path, int (*visit)(void *context, const char *name), void *context);
    int     (*rename)(struct disk *d, const char *from, const char *to);
    int     (*unlink)(struct disk *d, const char *path);
    int     (*make_folder)(struct disk *d, const char *path);
    int     (*remove_folder)(struct disk *d, const char *path);
    int     (*sync_folder)(struct disk *d, const char *path);
    int     (*lock)(struct disk *d, const char *path);

    enum err (*queue_open)(struct disk *d, struct disk_queue **out, uint32_t depth, const struct disk_region *region,
                           bool has_fd, struct err_msg *msg);
    void     (*queue_close)(struct disk_queue *q);
    bool     (*queue_put)(struct disk_queue *q, const struct disk_io *io);
    void     (*queue_submit)(struct disk_queue *q);
    unsigned (*queue_poll)(struct disk_queue *q, struct disk_done *out, unsigned max);
    void     (*queue_wait)(struct disk_queue *q, struct waiter *w, uint64_t timeout_ns);
    int      (*queue_fd)(const struct disk_queue *q);
    void     (*destroy)(struct disk *d);
};

struct disk { /* first member of each implementation */
    const struct disk_ops *ops;
    bool is_simulated;
};

struct disk_queue { /* first member of each implementation */
    struct disk *disk;
};

/* The machine's disk.  ERR_NO_MEMORY. */
NODISCARD enum err disk_uring_create(struct disk **out);

/* A negative errno as our error: ERR_NO_SPACE (also quota), ERR_NOT_FOUND, ERR_EXISTS, ERR_NO_MEMORY,
 * ERR_ACCESS_DENIED, ERR_LOCKED, else ERR_IO. */
enum err disk_error(int64_t rc);
/* What the errno says, for messages; never NULL. */
const char *disk_error_text(int64_t rc);

static inline int disk_open(struct disk *d, const char *path, unsigned flags) { return d->ops->open(d, path, flags); }
static inline void disk_close(struct disk *d, int file) { d->ops->close(d, file); }
/* Buffered, unaligned, at any position; fewer bytes than asked only at the file's end (read). */
static inline int64_t disk_read(struct disk *d, int file, void *bytes, size_t size, uint64_t position)
{
    return d->ops->read(d, file, bytes, size, position);
}
static inline int64_t disk_write(struct disk *d, int file, const void *bytes, size_t size, uint64_t position)
{
    return d->ops->write(d, file, bytes, size, position);
}
/* Data and length of the file survive a loss of power when this returned 0.  Never try again after a failure: the
 * kernel may have dropped what it could not write. */
static inline int disk_sync(struct disk *d, int file) { return d->ops->sync(d, file); }
static inline int disk_truncate(struct disk *d, int file, uint64_t bytes) { return d->ops->truncate(d, file, bytes); }
/* Makes the file `bytes` long, the new part reads as zeros and its space is reserved (where the file system can). */
static inline int disk_allocate(struct disk *d, int file, uint64_t bytes) { return d->ops->allocate(d, file, bytes); }
static inline int disk_stat(struct disk *d, const char *path, struct disk_stat *out)
{
    return d->ops->stat(d, path, out);
}
/* Calls `visit` for each name in a folder; stops when it returns non-zero, and returns that. */
static inline int disk_list(struct disk *d, const char *path, int (*visit)(void *, const char *), void *context)
{
    return d->ops->list(d, path, visit, context);
}
static inline int disk_rename(struct disk *d, const char *from, const char *to) { return d->ops->rename(d, from, to); }
static inline int disk_unlink(struct disk *d, const char *path) { return d->ops->unlink(d, path); }
static inline int disk_make_folder(struct disk *d, const char *path) { return d->ops->make_folder(d, path); }
static inline int disk_remove_folder(struct disk *d, const char *path) { return d->ops->remove_folder(d, path); }
/* Names made, moved or removed in the folder survive a loss of power when this returned 0. */
static inline int disk_sync_folder(struct disk *d, const char *path) { return d->ops->sync_folder(d, path); }
/* Holds the file against other processes until disk_close; -EWOULDBLOCK: another one holds it. */
static inline int disk_lock(struct disk *d, const char *path) { return d->ops->lock(d, path); }

/* A queue of at most `depth` transfers under way; `region` may be NULL; `has_fd`: disk_queue_fd is needed.
 * ERR_UNSUPPORTED: no io_uring, msg says the mend.  ERR_NO_MEMORY, ERR_IO. */
NODISCARD static inline enum err disk_queue_open(struct disk *d, struct disk_queue **out, uint32_t depth,
                                                 const struct disk_region *region, bool has_fd, struct err_msg *msg)
{
    return d->ops->queue_open(d, out, depth, region, has_fd, msg);
}
/* Waits for transfers under way. */
static inline void disk_queue_close(struct disk_queue *q) { q->disk->ops->queue_close(q); }
/* False: `depth` transfers are under way. */
NODISCARD static inline bool disk_queue_put(struct disk_queue *q, const struct disk_io *io)
{
    return q->disk->ops->queue_put(q, io);
}
static inline void disk_queue_submit(struct disk_queue *q) { q->disk->ops->queue_submit(q); }
static inline unsigned disk_queue_poll(struct disk_queue *q, struct disk_done *out, unsigned max)
{
    return q->disk->ops->queue_poll(q, out, max);
}
/* Blocks until a transfer ends, `w` is woken or the time is over.  The caller has announced its sleep. */
static inline void disk_queue_wait(struct disk_queue *q, struct waiter *w, uint64_t timeout_ns)
{
    q->disk->ops->queue_wait(q, w, timeout_ns);
}
/* Readable while disk_queue_poll has something; -1: none. */
static inline int disk_queue_fd(const struct disk_queue *q) { return q->disk->ops->queue_fd(q); }
static inline void disk_destroy(struct disk *d) { d->ops->destroy(d); }

#endif
