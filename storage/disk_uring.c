/* The machine's disk: files through system calls, queues through io_uring.
 *
 * Transfers go O_DIRECT from registered memory where file system and RLIMIT_MEMLOCK allow; either refusal is said once
 * and worked around, since it costs speed only. */
#include "storage/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ioprio.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

enum { FIXED_BUFFERS_MAX = 64, FIXED_BUFFER_BYTES_MAX = 1 << 30 /* the kernel's own limit */ };
#define TAG_WAKE UINT64_MAX

struct uring_queue {
    struct disk_queue queue;
    struct io_uring   ring;
    struct iovec      fixed[FIXED_BUFFERS_MAX];
    unsigned          fixed_count;
    uint32_t          depth, in_flight;
    bool              is_signalled; /* the last poll saw completions, whose eventfd may be written later */
    bool              wake_armed; /* a poll of the waiter's eventfd is in the ring */
    int               eventfd;
};

static _Atomic bool said_buffered, said_unregistered, said_unallocated;

/* ---- files ---- */

static int file_open(struct disk *d, const char *path, unsigned flags)
{
    (void)d;
    int mode = O_CLOEXEC | ((flags & DISK_WRITE) != 0 ? O_RDWR : O_RDONLY) | ((flags & DISK_CREATE) != 0 ? O_CREAT : 0);
    if ((flags & DISK_DIRECT) != 0) {
        int fd = open(path, mode | O_DIRECT, 0640);
        if (fd >= 0 || errno != EINVAL) return fd >= 0 ? fd : -errno;
        if (!atomic_exchange(&said_buffered, true))
            log_warn("storage", "the file system of %s refuses O_DIRECT: writing through the page cache, slower", path);
    }
    int fd = open(path, mode, 0640);
    return fd >= 0 ? fd : -errno;
}

static void file_close(struct disk *d, int file)
{
    (void)d;
    close(file);
}

static int64_t file_read(struct disk *d, int file, void *bytes, size_t size, uint64_t position)
{
    (void)d;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file, (uint8_t *)bytes + done, size - done, (off_t)(position + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int64_t file_write(struct disk *d, int file, const void *bytes, size_t size, uint64_t position)
{
    (void)d;
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(file, (const uint8_t *)bytes + done, size - done, (off_t)(position + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        if (put == 0) return -EIO;
        done += (size_t)put;
    }
    return (int64_t)done;
}

static int file_sync(struct disk *d, int file)
{
    (void)d;
    return fdatasync(file) == 0 ? 0 : -errno;
}

static int file_truncate(struct disk *d, int file, uint64_t bytes)
{
    (void)d;
    return ftruncate(file, (off_t)bytes) == 0 ? 0 : -errno;
}

static int file_allocate(struct disk *d, int file, uint64_t bytes)
{
    (void)d;
    int rc;
    do rc = fallocate(file, 0, 0, (off_t)bytes);
    while (rc != 0 && errno == EINTR);
    if (rc == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return -errno;
    if (!atomic_exchange(&said_unallocated, true))
        log_warn("storage", "the file system cannot reserve space ahead: segments grow as they are written, slower");
    return 0;
}

static int path_stat(struct disk *d, const char *path, struct disk_stat *out)
{
    (void)d;
    struct stat st;
    if (stat(path, &st) != 0) return -errno;
    out->bytes = (uint64_t)st.st_size;
    out->modified_ms = (uint64_t)st.st_mtim.tv_sec * 1000u + (uint64_t)st.st_mtim.tv_nsec / 1000000u;
    out->is_folder = S_ISDIR(st.st_mode);
    return 0;
}

static int path_list(struct disk *d, const char *path, int (*visit)(void *, const char *), void *context)
{
    (void)d;
    DIR *folder = opendir(path);
    if (folder == NULL) return -errno;
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) rc = visit(context, entry->d_name);
    }
    if (rc == 0 && errno != 0) rc = -errno;
    closedir(folder);
    return rc;
}

static int path_rename(struct disk *d, const char *from, const char *to)
{
    (void)d;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int path_unlink(struct disk *d, const char *path)
{
    (void)d;
    return unlink(path) == 0 ? 0 : -errno;
}

static int path_make_folder(struct disk *d, const char *path)
{
    (void)d;
    return mkdir(path, 0750) == 0 ? 0 : -errno;
}

static int path_remove_folder(struct disk *d, const char *path)
{
    (void)d;
    return rmdir(path) == 0 ? 0 : -errno;
}

static int path_sync_folder(struct disk *d, const char *path)
{
    (void)d;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int rc = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int path_lock(struct disk *d, const char *path)
{
    (void)d;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

/* ---- queues ---- */

static void register_region(struct uring_queue *q, const struct disk_region *region)
{
    uint64_t step = FIXED_BUFFER_BYTES_MAX / region->unit * region->unit, at = 0;
    if (step == 0) return;
    while (at < region->size && q->fixed_count < FIXED_BUFFERS_MAX) {
        uint64_t size = region->size - at < step ? region->size - at : step;
        q->fixed[q->fixed_count++] = (struct iovec){(uint8_t *)region->bytes + at, size};
        at += size;
    }
    int rc = io_uring_register_buffers(&q->ring, q->fixed, q->fixed_count);
    if (rc == 0) return;
    q->fixed_count = 0;
    if (!atomic_exchange(&said_unregistered, true))
        log_warn("storage",
                 "%llu MiB of chunks cannot be registered with the kernel (%s): used unregistered, slower; raise the "
                 "limit of locked memory (ulimit -l, LimitMEMLOCK=) to mend it",
                 (unsigned long long)(region->size >> 20), strerror(-rc));
}

static enum err uring_refused(int rc, struct err_msg *msg)
{
    if (rc == -ENOMEM)
        return err_set(msg, ERR_NO_MEMORY, "no memory for an io_uring; raise the limit of locked memory (ulimit -l, "
                       "LimitMEMLOCK=)");
    if (rc == -EMFILE || rc == -ENFILE)
        return err_set(msg, ERR_IO, "no file handle left for an io_uring; raise the limit of open files (ulimit -n, "
                       "LimitNOFILE=)");
    if (rc == -EPERM || rc == -EACCES)
        return err_set(msg, ERR_UNSUPPORTED, "io_uring is forbidden here; set kernel.io_uring_disabled=0 (sysctl), and "
                       "in a container allow the io_uring_* calls in its seccomp profile");
    return err_set(msg, ERR_UNSUPPORTED, "this kernel gives no io_uring (%s); use Linux 5.15 or newer, with io_uring "
                   "compiled in and allowed by seccomp", strerror(-rc));
}

static enum err queue_open(struct disk *d, struct disk_queue **out, uint32_t depth, const struct disk_region *region,
                           bool has_fd, struct err_msg *msg)
{
    struct uring_queue *q = calloc(1, sizeof *q);
    if (q == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a disk queue");
    q->queue.disk = d;
    q->depth = depth;
    q->eventfd = -1;
    struct io_uring_params params = {.flags = IORING_SETUP_CLAMP};
    int rc = io_uring_queue_init_params(depth + 1, &q->ring, &params); /* one more: the poll of the waiter */
    if (rc != 0) {
        free(q);
        return uring_refused(rc, msg);
    }
    if (q->ring.sq.ring_entries < depth + 1) q->depth = q->ring.sq.ring_entries - 1;
    if (region != NULL) register_region(q, region);
    if (has_fd) {
        q->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (q->eventfd < 0 || io_uring_register_eventfd(&q->ring, q->eventfd) != 0) {
            rc = errno;
            if (q->eventfd >= 0) close(q->eventfd);
            io_uring_queue_exit(&q->ring);
            free(q);
            return err_set(msg, ERR_IO, "no eventfd for a disk queue: %s", strerror(rc));
        }
    }
    *out = &q->queue;
    return ERR_OK;
}

static const struct iovec *fixed_find(const struct uring_queue *q, const struct disk_io *io)
{
    const uint8_t *at = io->bytes;
    for (unsigned i = 0; i < q->fixed_count; i++) {
        const uint8_t *base = q->fixed[i].iov_base;
        if (at >= base && at + io->size <= base + q->fixed[i].iov_len) return &q->fixed[i];
    }
    return NULL;
}

static bool queue_put(struct disk_queue *queue, const struct disk_io *io)
{
    struct uring_queue *q = (struct uring_queue *)queue;
    if (q->in_flight == q->depth) return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
    if (sqe == NULL) return false;
    const struct iovec *fixed = io->kind == DISK_SYNC ? NULL : fixed_find(q, io);
    switch (io->kind) {
    case DISK_READ:
        if (fixed != NULL)
            io_uring_prep_read_fixed(sqe, io->file, io->bytes, io->size, io->position, (int)(fixed - q->fixed));
        else io_uring_prep_read(sqe, io->file, io->bytes, io->size, io->position);
        if (io->gives_way) sqe->ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
        break;
    case DISK_WRITE_AT:
        if (fixed != NULL)
            io_uring_prep_write_fixed(sqe, io->file, io->bytes, io->size, io->position, (int)(fixed - q->fixed));
        else io_uring_prep_write(sqe, io->file, io->bytes, io->size, io->position);
        if (io->is_durable) sqe->rw_flags = RWF_DSYNC;
        break;
    case DISK_SYNC:
        io_uring_prep_fsync(sqe, io->file, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_data64(sqe, io->tag);
    q->in_flight++;
    return true;
}

static void queue_submit(struct disk_queue *queue)
{
    struct uring_queue *q = (struct uring_queue *)queue;
    if (io_uring_sq_ready(&q->ring) > 0)
        (void)io_uring_submit(&q->ring); /* what was refused stays and goes with the next call */
}

static unsigned queue_poll(struct disk_queue *queue, struct disk_done *out, unsigned max)
{
    struct uring_queue *q = (struct uring_queue *)queue;
    struct io_uring_cqe *cqe;
    unsigned count = 0;
    if (io_uring_sq_ready(&q->ring) > 0) (void)io_uring_submit(&q->ring); /* what the kernel had no room for before */
    /* The kernel shows a completion first and writes the eventfd then: what was shown last time is drained again. */
    if (q->eventfd >= 0 && (q->is_signalled || io_uring_cq_ready(&q->ring) > 0)) {
        eventfd_t ignored;
        (void)eventfd_read(q->eventfd, &ignored);
    }
    while (count < max && io_uring_peek_cqe(&q->ring, &cqe) == 0) {
        if (cqe->user_data == TAG_WAKE) {
            q->wake_armed = false;
        } else {
            out[count++] = (struct disk_done){cqe->user_data, cqe->res};
            q->in_flight--;
        }
        io_uring_cqe_seen(&q->ring, cqe);
    }
    q->is_signalled = count > 0;
    /* The eventfd was drained above: leave a mark when completions stay behind. */
    if (q->eventfd >= 0 && count == max && io_uring_cq_ready(&q->ring) > 0) (void)eventfd_write(q->eventfd, 1);
    return count;
}

static void queue_wait(struct disk_queue *queue, struct waiter *w, uint64_t timeout_ns)
{
    struct uring_queue *q = (struct uring_queue *)queue;
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout = {(long long)(timeout_ns / 1000000000u), (long long)(timeout_ns % 1000000000u)};
    if (!q->wake_armed) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
        if (sqe != NULL) {
            io_uring_prep_poll_add(sqe, w->eventfd, POLL_IN);
            io_uring_sqe_set_data64(sqe, TAG_WAKE);
            q->wake_armed = true;
        }
    }
    (void)io_uring_submit_and_wait_timeout(&q->ring, &cqe, 1, &timeout, NULL);
    waiter_drain(w);
}

static int queue_fd(const struct disk_queue *queue)
{
    const struct uring_queue *q = (const struct uring_queue *)queue;
    return q->eventfd;
}

static void queue_close(struct disk_queue *queue)
{
    struct uring_queue *q = (struct uring_queue *)queue;
    struct disk_done done[64];
    while (q->in_flight > 0) /* the kernel still uses memory that the caller is about to free */
        if (queue_poll(queue, done, 64) == 0) (void)io_uring_submit_and_wait(&q->ring, 1);
    io_uring_queue_exit(&q->ring);
    if (q->eventfd >= 0) close(q->eventfd);
    free(q);
}

static void uring_destroy(struct disk *d) { free(d); }

static const struct disk_ops uring_ops = {
    file_open, file_close, file_read, file_write, file_sync, file_truncate, file_allocate,
    path_stat, path_list, path_rename, path_unlink, path_make_folder, path_remove_folder, path_sync_folder, path_lock,
    queue_open, queue_close, queue_put, queue_submit, queue_poll, queue_wait, queue_fd, uring_destroy,
};

enum err disk_uring_create(struct disk **out)
{
    struct disk *d = calloc(1, sizeof *d);
    if (d == NULL) return ERR_NO_MEMORY;
    d->ops = &uring_ops;
    *out = d;
    return ERR_OK;
}
