#include "capture/xa_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/cursor.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/sink.h"

enum {
    FILE_VERSION = 1,
    FILE_HEADER_BYTES = 8,
    FRAME_HEADER_BYTES = 5,
    FRAME_CRC_BYTES = 4,
    MARK_BYTES = 8 + 4 + 1 + 1 + XID_DATA_BYTES, /* next offset, xid */
    BUFFER_BYTES = 128 * 1024,
    FILES_MAX = 16,
    FRAME_PREPARED = 200,
    FRAME_DONE = 201,
    FRAME_FENCE = 202, /* its mark is that of the newest of the others */
    MARK_FRAME_BYTES = FRAME_HEADER_BYTES + MARK_BYTES + FRAME_CRC_BYTES,
};

struct entry { /* a prepared transaction */
    struct xid xid;
    uint32_t file;   /* its number */
    uint64_t at;     /* bytes: its first frame */
    uint64_t bytes;  /* of all, the PREPARED frame with its mark included */
    uint64_t offset; /* the mark */
};

struct xa_spool {
    char folder[PATH_MAX - 32];
    int fd;          /* the newest file, being appended */
    uint32_t number; /* its number */
    uint64_t size;   /* bytes, those in the buffer included */
    uint8_t *buffer; /* the last `buffered` bytes */
    size_t buffered;
    uint64_t begun_at; /* where the transaction being written began; 0: none is */
    bool is_dirty;     /* something is not durable */
    bool wants_fence;  /* a mark among it: */
    uint8_t mark[MARK_BYTES];
    bool has_old;      /* the file before it is still there ... */
    uint64_t rolled_offset; /* ... until the log is durable beyond this */
    struct entry *entry;
    uint32_t entry_count, entry_capacity;
    uint64_t entry_bytes;
};

/* --- files --- */

static void path_of(const struct xa_spool *s, uint32_t number, const char *ending, char out[static PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%010u.%s", s->folder, number, ending);
}

static enum err failed(const struct xa_spool *s, const char *what, struct err_msg *msg)
{
    return err_set(msg, ERR_IO, "the prepared XA transactions in %s cannot be %s: %s", s->folder, what,
                   strerror(errno));
}

static bool write_all(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static enum err folder_sync(const struct xa_spool *s, const char *beside, struct err_msg *msg)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", s->folder, beside);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    enum err e = good ? ERR_OK : failed(s, "made durable", msg);
    if (fd >= 0) close(fd);
    return e;
}

static enum err flush(struct xa_spool *s, struct err_msg *msg)
{
    if (s->buffered > 0 && !write_all(s->fd, s->buffer, s->buffered)) return failed(s, "written", msg);
    s->buffered = 0;
    return ERR_OK;
}

static enum err append(struct xa_spool *s, const void *bytes, size_t size, struct err_msg *msg)
{
    if (s->buffered + size > BUFFER_BYTES) TRY(flush(s, msg));
    s->size += size;
    if (size > BUFFER_BYTES) return write_all(s->fd, bytes, size) ? ERR_OK : failed(s, "written", msg);
    memcpy(s->buffer + s->buffered, bytes, size);
    s->buffered += size;
    return ERR_OK;
}

static uint32_t frame_crc(uint8_t kind, const void *bytes, size_t size)
{
    return crc32c(crc32c(0, &kind, 1), bytes, size);
}

static enum err frame_append(struct xa_spool *s, uint8_t kind, const void *bytes, size_t size, struct err_msg *msg)
{
    uint8_t head[FRAME_HEADER_BYTES], crc[FRAME_CRC_BYTES];
    struct sink out = sink_of(head, sizeof head);
    sink_le(&out, size, 4);
    sink_le(&out, kind, 1);
    out = sink_of(crc, sizeof crc);
    sink_le(&out, frame_crc(kind, bytes, size), 4);
    s->is_dirty = true;
    TRY(append(s, head, sizeof head, msg));
    TRY(append(s, bytes, size, msg));
    return append(s, crc, sizeof crc, msg);
}

/* --- reading frames --- */

struct reader {
    int fd;
    uint64_t at, end; /* bytes of the file, of the next frame */
    uint8_t *window;  /* `held` bytes from `at` */
    size_t capacity, held;
    uint8_t *next; /* in the window */
    uint8_t kind;
    size_t size;
    int error; /* errno of what could not be read: what is behind is not known to be missing */
};

/* At least `size` bytes in the window; false: the file has no more, or r->error. */
static bool reader_fill(struct reader *r, size_t size)
{
    if (r->held >= size) return true;
    if (r->held > 0) memmove(r->window, r->next, r->held);
    if (r->capacity < size || r->capacity < BUFFER_BYTES) {
        size_t capacity = size < BUFFER_BYTES ? (size_t)BUFFER_BYTES : size;
        uint8_t *bigger = realloc(r->window, capacity);
        if (bigger == NULL) {
            r->error = ENOMEM;
            return false;
        }
        r->window = bigger;
        r->capacity = capacity;
    }
    r->next = r->window;
    while (r->held < size) {
        uint64_t from = r->at + r->held;
        size_t room = r->capacity - r->held;
        if (room > r->end - from) room = (size_t)(r->end - from);
        ssize_t n = room == 0 ? 0 : pread(r->fd, r->window + r->held, room, (off_t)from);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r->error = errno;
        if (n <= 0) return false;
        r->held += (size_t)n;
    }
    return true;
}

/* The next frame's bytes, or NULL: none is whole there. */
static const uint8_t *reader_next(struct reader *r)
{
    if (!reader_fill(r, FRAME_HEADER_BYTES)) return NULL;
    struct cursor head = cursor_of(r->next, FRAME_HEADER_BYTES);
    size_t size = (size_t)cursor_le(&head, 4);
    uint8_t kind = (uint8_t)cursor_le(&head, 1);
    uint64_t whole = (uint64_t)FRAME_HEADER_BYTES + size + FRAME_CRC_BYTES;
    if (whole > r->end - r->at || !reader_fill(r, (size_t)whole)) return NULL;
    const uint8_t *bytes = r->next + FRAME_HEADER_BYTES;
    struct cursor crc = cursor_of(bytes + size, FRAME_CRC_BYTES);
    if (cursor_le(&crc, FRAME_CRC_BYTES) != frame_crc(kind, bytes, size)) return NULL;
    r->at += whole;
    r->next += whole;
    r->held -= (size_t)whole;
    r->kind = kind;
    r->size = size;
    return bytes;
}

/* --- what is prepared --- */

static struct entry *find(const struct xa_spool *s, const struct xid *xid)
{
    for (uint32_t i = s->entry_count; i-- > 0;)
        if (xid_is(&s->entry[i].xid, xid)) return &s->entry[i];
    return NULL;
}

bool xa_spool_has(const struct xa_spool *s, const struct xid *xid)
{
    return find(s, xid) != NULL;
}

uint32_t xa_spool_count(const struct xa_spool *s)
{
    return s->entry_count;
}

static void entry_remove(struct xa_spool *s, struct entry *e)
{
    s->entry_bytes -= e->bytes;
    size_t behind = (size_t)(s->entry + s->entry_count - (e + 1));
    memmove(e, e + 1, behind * sizeof *e);
    s->entry_count--;
}

/* A name may be used again once its transaction is over: the newest counts. */
static enum err entry_add(struct xa_spool *s, const struct entry *e, struct err_msg *msg)
{
    struct entry *old = find(s, &e->xid);
    if (old != NULL) entry_remove(s, old);
    if (s->entry_count == s->entry_capacity) {
        uint32_t capacity = s->entry_capacity == 0 ? 16 : 2 * s->entry_capacity;
        struct entry *bigger = realloc(s->entry, capacity * sizeof *bigger);
        if (bigger == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for %u prepared transactions", capacity);
        s->entry = bigger;
        s->entry_capacity = capacity;
    }
    s->entry[s->entry_count++] = *e;
    s->entry_bytes += e->bytes;
    return ERR_OK;
}

static void mark_encode(uint64_t offset, const struct xid *xid, uint8_t out[static MARK_BYTES])
{
    struct sink to = sink_of(out, MARK_BYTES);
    sink_le(&to, offset, 8);
    sink_le(&to, xid->format, 4);
    sink_le(&to, xid->gtrid_bytes, 1);
    sink_le(&to, xid->bqual_bytes, 1);
    sink_bytes(&to, xid->data, XID_DATA_BYTES);
}

static bool mark_decode(const uint8_t *bytes, size_t size, uint64_t *offset, struct xid *xid)
{
    struct cursor c = cursor_of(bytes, size);
    if (size != MARK_BYTES) return false;
    *offset = cursor_le(&c, 8);
    xid->format = (uint32_t)cursor_le(&c, 4);
    xid->gtrid_bytes = (uint8_t)cursor_le(&c, 1);
    xid->bqual_bytes = (uint8_t)cursor_le(&c, 1);
    memcpy(xid->data, c.at, XID_DATA_BYTES);
    return xid->gtrid_bytes + xid->bqual_bytes <= XID_DATA_BYTES;
}

/* --- a new file --- */

static enum err entry_copy(const struct xa_spool *s, const struct entry *e, int from, int to, struct err_msg *msg)
{
    for (uint64_t done = 0; done < e->bytes;) {
        size_t piece = e->bytes - done < BUFFER_BYTES ? (size_t)(e->bytes - done) : (size_t)BUFFER_BYTES;
        ssize_t n = pread(from, s->buffer, piece, (off_t)(e->at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 || !write_all(to, s->buffer, (size_t)n)) return failed(s, "copied", msg);
        done += (uint64_t)n;
    }
    return ERR_OK;
}

static enum err live_copy(struct xa_spool *s, int to, uint64_t *size, struct err_msg *msg)
{
    uint8_t head[FILE_HEADER_BYTES] = "MRXA";
    struct sink out = sink_of(head + 4, 4);
    sink_le(&out, FILE_VERSION, 4);
    if (!write_all(to, head, sizeof head)) return failed(s, "written", msg);
    *size = sizeof head;
    for (uint32_t i = 0; i < s->entry_count; i++) {
        char path[PATH_MAX];
        path_of(s, s->entry[i].file, "spool", path);
        int from = open(path, O_RDONLY | O_CLOEXEC);
        if (from < 0) return failed(s, "read", msg);
        enum err e = entry_copy(s, &s->entry[i], from, to, msg);
        close(from);
        TRY(e);
        *size += s->entry[i].bytes;
    }
    if (fsync(to) != 0) return failed(s, "made durable", msg);
    return ERR_OK;
}

/* Goes on in a new file, which begins with what is still prepared and is durable before it has its name. */
static enum err file_begin(struct xa_spool *s, struct err_msg *msg)
{
    char made[PATH_MAX], path[PATH_MAX];
    uint32_t number = s->number + 1;
    uint64_t size = 0;
    TRY(flush(s, msg));
    path_of(s, number, "new", made);
    path_of(s, number, "spool", path);
    int fd = open(made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return failed(s, "written", msg);
    enum err e = live_copy(s, fd, &size, msg);
    if (e == ERR_OK && rename(made, path) != 0) e = failed(s, "written", msg);
    if (e == ERR_OK) e = folder_sync(s, "", msg);
    if (e != ERR_OK) {
        close(fd);
        return e;
    }
    if (s->fd >= 0) close(s->fd);
    uint64_t at = FILE_HEADER_BYTES;
    for (uint32_t i = 0; i < s->entry_count; i++) {
        s->entry[i].file = number;
        s->entry[i].at = at;
        at += s->entry[i].bytes;
    }
    s->fd = fd;
    s->number = number;
    s->size = size;
    s->is_dirty = s->wants_fence = false;
    return ERR_OK;
}

/* --- opening --- */

static int number_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static enum err files_list(const struct xa_spool *s, uint32_t number[static FILES_MAX], uint32_t *count,
                           struct err_msg *msg)
{
    DIR *folder = opendir(s->folder);
    if (folder == NULL) return failed(s, "read", msg);
    *count = 0;
    for (const struct dirent *e; (e = readdir(folder)) != NULL;) {
        char *end;
        unsigned long value = strtoul(e->d_name, &end, 10);
        if (end == e->d_name || strcmp(end, ".spool") != 0) continue;
        if (*count == FILES_MAX) {
            closedir(folder);
            return err_set(msg, ERR_CORRUPT, "%s holds more files than were ever made; move what is not ours away",
                           s->folder);
        }
        number[(*count)++] = (uint32_t)value;
    }
    closedir(folder);
    qsort(number, *count, sizeof *number, number_compare);
    return ERR_OK;
}

/* Reads one file's marks below `next_offset`.  `*stands`: so many bytes of it stand; `*is_passed`: what follows is
 * whole, and marked from next_offset on. */
static enum err file_scan(struct xa_spool *s, uint32_t number, struct reader *r, uint64_t next_offset,
                          uint64_t *stands, bool *is_passed, struct err_msg *msg)
{
    uint64_t begun_at = 0;
    *is_passed = false;
    for (;;) {
        uint64_t frame_at = r->at;
        const uint8_t *bytes = reader_next(r);
        if (bytes == NULL) break;
        if (r->kind == FRAME_FENCE) continue;
        if (r->kind != FRAME_PREPARED && r->kind != FRAME_DONE) {
            if (begun_at == 0) begun_at = frame_at;
            continue;
        }
        struct entry e = {.file = number, .at = begun_at == 0 ? frame_at : begun_at};
        if (!mark_decode(bytes, r->size, &e.offset, &e.xid))
            return err_set(msg, ERR_CORRUPT, "%s/%010u.spool has a frame that cannot be read; restore the folder from "
                           "a copy, or delete the channel and create it anew", s->folder, number);
        if (e.offset >= next_offset) {
            *stands = e.at;
            *is_passed = true;
            return ERR_OK;
        }
        e.bytes = r->at - e.at;
        begun_at = 0;
        struct entry *old = r->kind == FRAME_DONE ? find(s, &e.xid) : NULL;
        if (old != NULL) entry_remove(s, old);
        if (r->kind == FRAME_PREPARED) TRY(entry_add(s, &e, msg));
    }
    *stands = begun_at == 0 ? r->at : begun_at;
    return ERR_OK;
}

/* Is there a frame behind `from` with a mark below `next_offset`?  Then what lies before it was durable once.  Sizes
 * before it cannot be trusted, so it is looked for at every byte. */
static bool was_durable(struct reader *r, uint64_t from, uint64_t next_offset)
{
    r->at = from;
    r->held = 0;
    while (reader_fill(r, MARK_FRAME_BYTES)) {
        struct cursor head = cursor_of(r->next, FRAME_HEADER_BYTES);
        bool is_mark = cursor_le(&head, 4) == MARK_BYTES && cursor_le(&head, 1) >= FRAME_PREPARED;
        struct cursor crc = cursor_of(r->next + FRAME_HEADER_BYTES + MARK_BYTES, FRAME_CRC_BYTES);
        uint64_t offset;
        struct xid xid;
        if (is_mark &&
            cursor_le(&crc, FRAME_CRC_BYTES) == frame_crc(r->next[4], r->next + FRAME_HEADER_BYTES, MARK_BYTES) &&
            mark_decode(r->next + FRAME_HEADER_BYTES, MARK_BYTES, &offset, &xid) && offset < next_offset)
            return true;
        r->at++;
        r->next++;
        r->held--;
    }
    return false;
}

/* `*whole`: all of the file stands. */
static enum err file_take(struct xa_spool *s, uint32_t number, int fd, bool is_newest, uint64_t next_offset,
                          bool *whole, struct err_msg *msg)
{
    struct stat st;
    uint8_t head[FILE_HEADER_BYTES];
    struct cursor version = cursor_of(head + 4, 4);
    if (fstat(fd, &st) != 0) return failed(s, "read", msg);
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, "MRXA", 4) != 0)
        return err_set(msg, ERR_CORRUPT, "%s/%010u.spool is not a file of prepared XA transactions; move away what is "
                       "not ours, or restore the folder from a copy", s->folder, number);
    if (cursor_le(&version, 4) != FILE_VERSION)
        return err_set(msg, ERR_NEWER_FORMAT, "%s/%010u.spool was written by a newer version of millrace", s->folder,
                       number);
    struct reader r = {.fd = fd, .at = FILE_HEADER_BYTES, .end = (uint64_t)st.st_size};
    uint64_t stands = 0;
    bool is_passed = false;
    enum err e = file_scan(s, number, &r, next_offset, &stands, &is_passed, msg);
    uint64_t read_until = r.at;
    *whole = stands == r.end;
    bool is_damaged = e == ERR_OK && !*whole && !is_passed && r.error == 0 &&
                      (!is_newest || was_durable(&r, read_until, next_offset));
    free(r.window);
    TRY(e);
    errno = r.error;
    if (r.error != 0) return failed(s, "read", msg);
    if (*whole) return ERR_OK;
    if (is_damaged)
        return err_set(msg, ERR_CORRUPT, "%s/%010u.spool is damaged at byte %" PRIu64 "; restore the folder from a "
                       "copy, or delete the channel and create it anew", s->folder, number, read_until);
    if (!is_passed) /* not synced when the machine stopped, so the log does not tell of it either */
        log_info("capture", "%s/%010u.spool: %" PRIu64 " bytes of a transaction that will be read again are dropped",
                 s->folder, number, r.end - stands);
    return ftruncate(fd, (off_t)stands) == 0 && fsync(fd) == 0 ? ERR_OK : failed(s, "cut", msg);
}

static enum err file_read(struct xa_spool *s, uint32_t number, bool is_newest, uint64_t next_offset, bool *whole,
                          struct err_msg *msg)
{
    char path[PATH_MAX];
    path_of(s, number, "spool", path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return failed(s, "read", msg);
    enum err e = file_take(s, number, fd, is_newest, next_offset, whole, msg);
    close(fd);
    return e;
}

static enum err spool_load(struct xa_spool *s, uint64_t next_offset, struct err_msg *msg)
{
    uint32_t number[FILES_MAX], count;
    if (mkdir(s->folder, 0700) == 0)
        TRY(folder_sync(s, "/..", msg));
    else if (errno != EEXIST)
        return failed(s, "written", msg);
    TRY(files_list(s, number, &count, msg));
    bool whole = true;
    for (uint32_t i = 0; i < count && whole; i++)
        TRY(file_read(s, number[i], i + 1 == count, next_offset, &whole, msg));
    s->number = count > 0 ? number[count - 1] : 0;
    TRY(file_begin(s, msg));
    for (uint32_t i = 0; i < count; i++) { /* the log is durable up to next_offset: they are not needed again */
        char path[PATH_MAX];
        path_of(s, number[i], "spool", path);
        (void)unlink(path);
    }
    return ERR_OK;
}

enum err xa_spool_open(struct xa_spool **out, const char *folder, uint64_t next_offset, struct err_msg *msg)
{
    struct xa_spool *s = calloc(1, sizeof *s);
    if (s != NULL) s->buffer = malloc(BUFFER_BYTES);
    if (s == NULL || s->buffer == NULL || strlen(folder) >= sizeof s->folder) {
        bool is_long = s != NULL && s->buffer != NULL;
        if (s != NULL) free(s->buffer);
        free(s);
        return is_long ? err_set(msg, ERR_INVALID, "the folder's name %s is too long", folder)
                       : err_set(msg, ERR_NO_MEMORY, "no memory for prepared XA transactions");
    }
    memcpy(s->folder, folder, strlen(folder) + 1);
    s->fd = -1;
    enum err e = spool_load(s, next_offset, msg);
    if (e != ERR_OK) {
        xa_spool_close(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void xa_spool_close(struct xa_spool *s)
{
    if (s == NULL) return;
    if (s->fd >= 0) close(s->fd);
    free(s->entry);
    free(s->buffer);
    free(s);
}

/* --- writing --- */

enum err xa_spool_begin(struct xa_spool *s, uint64_t next_offset, struct err_msg *msg)
{
    INVARIANT(s->begun_at == 0);
    uint64_t unneeded = s->size - s->entry_bytes;
    if (unneeded > XA_SPOOL_FILE_BYTES && unneeded > 2 * s->entry_bytes && !s->has_old) {
        TRY(xa_spool_sync(s, msg)); /* the old one counts until it is removed */
        TRY(file_begin(s, msg));
        s->has_old = true;
        s->rolled_offset = next_offset;
    }
    s->begun_at = s->size;
    return ERR_OK;
}

enum err xa_spool_put(struct xa_spool *s, uint8_t kind, const void *bytes, size_t size, struct err_msg *msg)
{
    INVARIANT(s->begun_at != 0 && kind < FRAME_PREPARED);
    if (size > UINT32_MAX) return err_set(msg, ERR_TOO_LARGE, "a row of %zu bytes in an XA transaction", size);
    return frame_append(s, kind, bytes, size, msg);
}

static void fence_later(struct xa_spool *s, const uint8_t mark[static MARK_BYTES])
{
    memcpy(s->mark, mark, MARK_BYTES);
    s->wants_fence = true;
}

enum err xa_spool_prepared(struct xa_spool *s, const struct xid *xid, uint64_t next_offset, struct err_msg *msg)
{
    INVARIANT(s->begun_at != 0);
    uint8_t mark[MARK_BYTES];
    mark_encode(next_offset, xid, mark);
    TRY(frame_append(s, FRAME_PREPARED, mark, sizeof mark, msg));
    struct entry e = {
        .xid = *xid, .file = s->number, .at = s->begun_at, .bytes = s->size - s->begun_at, .offset = next_offset};
    s->begun_at = 0;
    fence_later(s, mark);
    return entry_add(s, &e, msg);
}

uint64_t xa_spool_mark(const struct xa_spool *s)
{
    return s->size;
}

enum err xa_spool_cut(struct xa_spool *s, uint64_t mark, struct err_msg *msg)
{
    INVARIANT(s->begun_at != 0 && mark >= s->begun_at && mark <= s->size);
    uint64_t written = s->size - s->buffered;
    if (mark >= written) {
        s->buffered = (size_t)(mark - written);
    } else {
        s->buffered = 0;
        if (ftruncate(s->fd, (off_t)mark) != 0 || lseek(s->fd, (off_t)mark, SEEK_SET) < 0)
            return failed(s, "cut", msg);
    }
    s->size = mark;
    return ERR_OK;
}

enum err xa_spool_drop(struct xa_spool *s, struct err_msg *msg)
{
    TRY(xa_spool_cut(s, s->begun_at, msg));
    s->begun_at = 0;
    return ERR_OK;
}

enum err xa_spool_done(struct xa_spool *s, const struct xid *xid, uint64_t next_offset, struct err_msg *msg)
{
    uint8_t mark[MARK_BYTES];
    struct entry *e = find(s, xid);
    INVARIANT(s->begun_at == 0);
    if (e == NULL) return ERR_OK;
    mark_encode(next_offset, xid, mark);
    TRY(frame_append(s, FRAME_DONE, mark, sizeof mark, msg));
    fence_later(s, mark);
    entry_remove(s, e);
    return ERR_OK;
}

enum err xa_spool_sync(struct xa_spool *s, struct err_msg *msg)
{
    if (!s->is_dirty) return ERR_OK;
    if (s->wants_fence && s->begun_at == 0) {
        TRY(frame_append(s, FRAME_FENCE, s->mark, sizeof s->mark, msg));
        s->wants_fence = false;
    }
    TRY(flush(s, msg));
    if (fdatasync(s->fd) != 0) return failed(s, "made durable", msg);
    s->is_dirty = false;
    return ERR_OK;
}

void xa_spool_release(struct xa_spool *s, uint64_t offset)
{
    char path[PATH_MAX];
    if (!s->has_old || offset <= s->rolled_offset) return;
    path_of(s, s->number - 1, "spool", path);
    if (unlink(path) != 0)
        log_warn("capture", "%s is not needed any more and cannot be removed: %s", path, strerror(errno));
    s->has_old = false;
}

/* --- reading --- */

enum err xa_spool_read(struct xa_spool *s, const struct xid *xid, xa_spool_frame *each, void *context,
                       struct err_msg *msg)
{
    const struct entry *e = xid == NULL ? NULL : find(s, xid);
    if (xid != NULL && e == NULL) return err_set(msg, ERR_NOT_FOUND, "no such XA transaction is prepared");
    INVARIANT(e != NULL || s->begun_at != 0);
    TRY(flush(s, msg));
    uint64_t at = e != NULL ? e->at : s->begun_at;
    struct reader r = {.fd = s->fd, .at = at, .end = e != NULL ? at + e->bytes : s->size};
    enum err result = ERR_OK;
    while (result == ERR_OK && r.at < r.end) {
        const uint8_t *bytes = reader_next(&r);
        if (bytes == NULL)
            result = err_set(msg, ERR_CORRUPT, "%s/%010u.spool is damaged at byte %" PRIu64 "; restore the folder from "
                             "a copy, or delete the channel and create it anew", s->folder, s->number, r.at);
        else if (r.kind < FRAME_PREPARED)
            result = each(context, r.kind, bytes, r.size, msg);
    }
    free(r.window);
    return result;
}
