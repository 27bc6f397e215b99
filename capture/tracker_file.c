#include "capture/tracker_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/sink.h"

enum { RECORD_HEAD_BYTES = 8 };

enum err tracker_file_open(struct tracker_file *f, const char *path)
{
    *f = (struct tracker_file){0};
    if (path == NULL) return ERR_OK;
    f->path = strdup(path);
    return f->path == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void tracker_file_close(struct tracker_file *f)
{
    if (f->fd > 0) close(f->fd);
    free(f->path);
    free(f->news.bytes);
    free(f->fresh.bytes);
    *f = (struct tracker_file){0};
}

static enum err io_error(struct err_msg *msg, const char *what, const char *path)
{
    enum err e = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    return err_set(msg, e, "cannot %s %s: %s", what, path, strerror(errno));
}

/* --- records --- */

static bool append(struct tracker_bytes *to, const void *bytes, size_t size)
{
    if (to->capacity - to->size < size) {
        size_t wanted = 2 * to->capacity + size + 256;
        uint8_t *bigger = realloc(to->bytes, wanted);
        if (bigger == NULL) return false;
        to->bytes = bigger;
        to->capacity = wanted;
    }
    if (size > 0) memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    return true;
}

static void put(struct tracker_file *f, const void *bytes, size_t size)
{
    if (f->failed || f->path == NULL) return;
    f->failed = !append(&f->news, bytes, size);
}

static void put_le(struct tracker_file *f, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    struct sink out = sink_of(bytes, sizeof bytes);
    sink_le(&out, value, size);
    put(f, bytes, size);
}

void tracker_file_begin(struct tracker_file *f, uint8_t kind)
{
    f->record = f->news.size;
    put_le(f, 0, RECORD_HEAD_BYTES); /* filled in by the end */
    put_le(f, kind, 1);
}

void tracker_file_number(struct tracker_file *f, uint64_t value)
{
    put_le(f, value, 8);
}

/* A NUL stands behind each text, so that it can be used where it lies. */
void tracker_file_text(struct tracker_file *f, const char *text, size_t bytes)
{
    put_le(f, bytes, 4);
    put(f, text, bytes);
    put_le(f, 0, 1);
}

void tracker_file_end(struct tracker_file *f)
{
    if (f->failed || f->path == NULL) return;
    uint8_t *head = f->news.bytes + f->record;
    size_t body = f->news.size - f->record - RECORD_HEAD_BYTES;
    struct sink out = sink_of(head, RECORD_HEAD_BYTES);
    sink_le(&out, body, 4);
    sink_le(&out, crc32c(0, head + RECORD_HEAD_BYTES, body), 4);
    if (!f->setting_aside && tracker_file_has_fresh(f)) f->failed = !append(&f->fresh, head, body + RECORD_HEAD_BYTES);
}

static void swap(struct tracker_file *f)
{
    struct tracker_bytes news = f->news;
    f->news = f->fresh;
    f->fresh = news;
}

void tracker_file_fresh(struct tracker_file *f)
{
    tracker_file_drop(f);
    swap(f);
    f->setting_aside = true;
}

void tracker_file_fresh_ends(struct tracker_file *f)
{
    swap(f);
    f->setting_aside = false;
}

void tracker_file_drop(struct tracker_file *f)
{
    free(f->fresh.bytes);
    f->fresh = (struct tracker_bytes){0};
}

bool tracker_file_next(struct cursor *in, uint8_t *kind, struct cursor *fields)
{
    if (cursor_left(in) < RECORD_HEAD_BYTES) return false;
    uint64_t size = cursor_le(in, 4), crc = cursor_le(in, 4);
    const uint8_t *body = cursor_take(in, size);
    if (body == NULL || size == 0 || crc32c(0, body, size) != crc) return false;
    *fields = cursor_of(body, size);
    *kind = (uint8_t)cursor_le(fields, 1);
    return true;
}

const char *tracker_file_take_text(struct cursor *fields, size_t *bytes)
{
    uint64_t size = cursor_le(fields, 4);
    const uint8_t *text = cursor_take(fields, size + 1);
    *bytes = text == NULL ? 0 : size;
    if (text != NULL && text[size] == 0) return (const char *)text;
    fields->failed = true;
    return "";
}

/* --- files --- */

static enum err write_all(int fd, const struct tracker_bytes *b, const char *path, struct err_msg *msg)
{
    for (size_t at = 0; at < b->size;) {
        ssize_t n = write(fd, b->bytes + at, b->size - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR)
            return io_error(msg, "write", path);
    }
    return fdatasync(fd) == 0 ? ERR_OK : io_error(msg, "flush", path);
}

enum err tracker_file_sync(struct tracker_file *f, struct err_msg *msg)
{
    if (f->failed) return err_set(msg, ERR_NO_MEMORY, "no memory for the journal %s", f->path);
    if (f->path == NULL || f->news.size == 0) return ERR_OK;
    if (f->fd <= 0) { /* nothing was saved yet: whoever reads a journal without its snapshot passes it */
        f->news.size = 0;
        return ERR_OK;
    }
    TRY(write_all(f->fd, &f->news, f->path, msg));
    f->journal_bytes += f->news.size;
    f->news.size = 0;
    return ERR_OK;
}

static enum err sync_folder_of(const char *path, struct err_msg *msg)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(msg, "open", folder);
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? ERR_OK : io_error(msg, "flush", folder);
}

enum err tracker_file_replace(struct tracker_file *f, struct err_msg *msg)
{
    char fresh[PATH_MAX];
    if (f->failed) return err_set(msg, ERR_NO_MEMORY, "no memory for the file %s", f->path);
    if (f->path == NULL) return ERR_OK;
    if (snprintf(fresh, sizeof fresh, "%s.new", f->path) >= (int)sizeof fresh)
        return err_set(msg, ERR_INVALID, "the path %s is too long", f->path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return io_error(msg, "create", fresh);
    enum err e = write_all(fd, &f->fresh, fresh, msg);
    if (e == ERR_OK && rename(fresh, f->path) != 0) e = io_error(msg, "replace", f->path);
    if (e == ERR_OK) e = sync_folder_of(f->path, msg);
    if (e != ERR_OK) {
        close(fd);
        return e;
    }
    if (f->fd > 0) close(f->fd);
    f->fd = fd;
    f->first_bytes = f->fresh.size;
    f->journal_bytes = f->news.size = 0; /* what was put meanwhile is in it */
    tracker_file_drop(f);
    return ERR_OK;
}

enum err tracker_file_read(const struct tracker_file *f, uint8_t **bytes, size_t *size, struct err_msg *msg)
{
    *bytes = NULL;
    *size = 0;
    if (f->path == NULL) return ERR_OK;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? ERR_OK : io_error(msg, "open", f->path);
    struct stat st;
    enum err e = fstat(fd, &st) == 0 ? ERR_OK : io_error(msg, "read", f->path);
    uint8_t *all = e == ERR_OK ? malloc((size_t)st.st_size + 1) : NULL;
    if (e == ERR_OK && all == NULL) e = err_set(msg, ERR_NO_MEMORY, "no memory to read %s", f->path);
    size_t at = 0;
    while (e == ERR_OK && at < (size_t)st.st_size) {
        ssize_t n = read(fd, all + at, (size_t)st.st_size - at);
        if (n == 0) break;
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR)
            e = io_error(msg, "read", f->path);
    }
    close(fd);
    if (e != ERR_OK) {
        free(all);
        return e;
    }
    *bytes = all;
    *size = at;
    return ERR_OK;
}
