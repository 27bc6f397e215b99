#include "capture/archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"

enum {
    BUFFER_BYTES = 1 << 20,      /* and more for a larger event, */
    BUFFER_KEPT_BYTES = 8 << 20, /* which is given back above this */
    FLAG_RELAY_LOG = 0x0040,     /* in the first event */
};

static enum err io_failed(const char *path, int code, struct err_msg *msg)
{
    enum err e = code == ENOENT ? ERR_NOT_FOUND : code == EACCES ? ERR_ACCESS_DENIED : ERR_IO;
    return err_set(msg, e, "the binlog file %s cannot be read: %s", path, strerror(code));
}

/* --- open, close --- */

static enum err check_magic(const struct archive_file *f, const uint8_t *magic, struct err_msg *msg)
{
    if (memcmp(magic, "\xfe" "bin", 4) == 0) return ERR_OK;
    if (memcmp(magic, "\xfd" "bin", 4) == 0)
        return err_set(msg, ERR_UNSUPPORTED, "the binlog file %s is encrypted (binlog_encryption); let a channel read "
                       "it from the server, which sends it decrypted", f->path);
    return err_set(msg, ERR_UNSUPPORTED,
                   "%s is no binlog file: it begins with the bytes %02x %02x %02x %02x; unpack it if it is packed",
                   f->path, magic[0], magic[1], magic[2], magic[3]);
}

/* Is the file still the one that it was? */
static enum err check_head(struct archive_file *f, struct err_msg *msg)
{
    uint8_t head[ARCHIVE_HEAD_BYTES];
    if (pread(f->fd, head, sizeof head, BINLOG_FIRST_POSITION) != (ssize_t)sizeof head) return ERR_OK;
    if (f->has_head && memcmp(f->head, head, sizeof head) != 0)
        return err_set(msg, ERR_SOURCE_HISTORY, "%s was begun at another time, or by another server, than the file "
                       "that was being read under this name; put that file back, or delete the channel and create it "
                       "anew", f->path);
    memcpy(f->head, head, sizeof head);
    f->has_head = true;
    return ERR_OK;
}

static enum err open_at(struct archive_file *f, struct err_msg *msg)
{
    uint8_t magic[BINLOG_FIRST_POSITION];
    struct stat st;
    archive_file_forget(f);
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) return io_failed(f->path, errno, msg);
    f->is_open = true;
    ssize_t got = pread(f->fd, magic, sizeof magic, 0);
    if (got < 0 || fstat(f->fd, &st) != 0) return io_failed(f->path, errno, msg);
    if (got == sizeof magic) TRY(check_magic(f, magic, msg));
    if ((uint64_t)st.st_size < f->position && f->position > BINLOG_FIRST_POSITION)
        return err_set(msg, ERR_SOURCE_HISTORY, "%s has %lld bytes, but was read up to %" PRIu64
                       ", so it is another file; put the former file back, or delete the channel and create it anew",
                       f->path, (long long)st.st_size, f->position);
    TRY(check_head(f, msg));
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return ERR_OK;
}

enum err archive_file_open(struct archive_file *f, const char *folder, const char *name, uint64_t position,
                           struct err_msg *msg)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    archive_file_close(f);
    f->position = position < BINLOG_FIRST_POSITION ? BINLOG_FIRST_POSITION : position;
    f->path = malloc(size);
    f->buffer = malloc(BUFFER_BYTES);
    f->capacity = BUFFER_BYTES;
    enum err e = f->path == NULL || f->buffer == NULL
                     ? err_set(msg, ERR_NO_MEMORY, "no memory to read the binlog file %s", name)
                     : ERR_OK;
    if (e == ERR_OK) {
        snprintf(f->path, size, "%s/%s", folder, name);
        snprintf(f->name, sizeof f->name, "%s", name);
        e = open_at(f, msg);
    }
    if (e != ERR_OK) archive_file_close(f);
    return e;
}

void archive_file_close(struct archive_file *f)
{
    if (f->is_open) close(f->fd);
    free(f->path);
    free(f->buffer);
    *f = (struct archive_file){0};
}

/* --- reading --- */

void archive_file_forget(struct archive_file *f)
{
    f->buffer_position = f->position;
    f->buffer_bytes = 0;
}

/* Room for an event of `size` bytes at the buffer's front. */
static enum err make_room(struct archive_file *f, size_t size)
{
    if (f->position - f->buffer_position > f->buffer_bytes) archive_file_forget(f); /* the rest was passed over */
    size_t offset = (size_t)(f->position - f->buffer_position);
    if (offset > 0) {
        memmove(f->buffer, f->buffer + offset, f->buffer_bytes - offset);
        f->buffer_bytes -= offset;
        f->buffer_position = f->position;
    }
    bool is_waste = f->capacity > BUFFER_KEPT_BYTES && size <= BUFFER_BYTES && f->buffer_bytes <= BUFFER_BYTES;
    size_t wanted = size > BUFFER_BYTES ? size : BUFFER_BYTES;
    if (f->capacity >= wanted && !is_waste) return ERR_OK;
    uint8_t *other = realloc(f->buffer, wanted);
    if (other == NULL) return is_waste ? ERR_OK : ERR_NO_MEMORY;
    f->buffer = other;
    f->capacity = wanted;
    return ERR_OK;
}

/* Bytes that are there from f->position on, at least `size` if the file has them. */
static enum err fill(struct archive_file *f, size_t size, size_t *have, struct err_msg *msg)
{
    uint64_t passed = f->position - f->buffer_position;
    *have = passed > f->buffer_bytes ? 0 : f->buffer_bytes - (size_t)passed;
    if (*have >= size) return ERR_OK;
    if (make_room(f, size) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for an event of %zu bytes in %s", size, f->path);
    while (f->buffer_bytes < size) {
        ssize_t got = pread(f->fd, f->buffer + f->buffer_bytes, f->capacity - f->buffer_bytes,
                            (off_t)(f->buffer_position + f->buffer_bytes));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_failed(f->path, errno, msg);
        if (got == 0) break;
        f->buffer_bytes += (size_t)got;
    }
    *have = f->buffer_bytes;
    return ERR_OK;
}

static enum err at_end(struct archive_file *f, size_t have)
{
    f->left_over = have;
    f->size_seen = f->position + have;
    return ERR_AGAIN;
}

/* Is what stands here an event that belongs here? */
static enum err check_header(const struct archive_file *f, const struct binlog_header *h, struct err_msg *msg)
{
    bool is_first = f->position == BINLOG_FIRST_POSITION;
    if (is_first && h->type != BINLOG_FORMAT_DESCRIPTION)
        return err_set(msg, ERR_UNSUPPORTED, "%s does not begin with a FORMAT_DESCRIPTION event: it was written by a "
                       "server before 5.0, or is a part of a binlog file; copy the whole file there, of a server of "
                       "version 5.1 or later", f->path);
    if (is_first && (h->flags & FLAG_RELAY_LOG) != 0)
        return err_set(msg, ERR_UNSUPPORTED, "%s is a replica's relay log; give the channel a server's binlog files",
                       f->path);
    if (h->type == BINLOG_MARIADB_START_ENCRYPTION)
        return err_set(msg, ERR_UNSUPPORTED, "the binlog file %s is encrypted (encrypt_binlog); let a channel read it "
                       "from the server, which sends it decrypted", f->path);
    if (h->next_position == (uint32_t)(f->position + h->event_size)) return ERR_OK;
    return err_set(msg, ERR_CORRUPT, "%s has no event that belongs there at %" PRIu64 " (of %" PRIu32
                   " bytes, ending at %" PRIu32 "): the file is damaged, or pieces were cut from it; copy it once more",
                   f->path, f->position, h->event_size, h->next_position);
}

/* An event of which `wanted` bytes are there: is the rest in the file? */
static enum err has_rest(struct archive_file *f, const struct binlog_header *h, size_t wanted, struct err_msg *msg)
{
    struct stat st;
    if (wanted == h->event_size) return ERR_OK;
    if (fstat(f->fd, &st) != 0) return io_failed(f->path, errno, msg);
    return f->position + h->event_size <= (uint64_t)st.st_size ? ERR_OK
                                                              : at_end(f, (size_t)((uint64_t)st.st_size - f->position));
}

static enum err next(struct archive_file *f, uint64_t event_bytes_max, size_t enough, const uint8_t **event,
                     size_t *size, size_t *there, struct err_msg *msg)
{
    struct binlog_header h;
    size_t have;
    if (!f->is_open) return at_end(f, 0);
    TRY(fill(f, BINLOG_HEADER_BYTES, &have, msg));
    if (have < BINLOG_HEADER_BYTES) return at_end(f, have);
    struct cursor in = cursor_of(f->buffer + (f->position - f->buffer_position), BINLOG_HEADER_BYTES);
    if (binlog_header_decode(&in, &h) != ERR_OK)
        return err_set(msg, ERR_CORRUPT, "%s has no event at %" PRIu64 ", so it is damaged; copy it once more", f->path,
                       f->position);
    TRY(check_header(f, &h, msg));
    if (h.event_size > event_bytes_max)
        return err_set(msg, ERR_TOO_LARGE,
                       "the event at %s:%" PRIu64 " has %" PRIu32 " bytes, above packet_bytes_max (%" PRIu64 ")",
                       f->name, f->position, h.event_size, event_bytes_max);
    bool is_set = h.type == BINLOG_PREVIOUS_GTIDS || h.type == BINLOG_MARIADB_GTID_LIST;
    size_t wanted = is_set || h.event_size < enough ? h.event_size : enough;
    TRY(fill(f, wanted, &have, msg));
    if (have < wanted) return at_end(f, have);
    TRY(has_rest(f, &h, wanted, msg));
    *event = f->buffer + (f->position - f->buffer_position);
    *size = h.event_size;
    *there = wanted;
    f->position += h.event_size;
    f->last_type = h.type;
    f->left_over = 0;
    return ERR_OK;
}

enum err archive_file_next(struct archive_file *f, uint64_t event_bytes_max, const uint8_t **event, size_t *size,
                           struct err_msg *msg)
{
    size_t have;
    return next(f, event_bytes_max, SIZE_MAX, event, size, &have, msg);
}

enum err archive_file_peek(struct archive_file *f, uint64_t event_bytes_max, const uint8_t **event, size_t *size,
                           size_t *have, struct err_msg *msg)
{
    return next(f, event_bytes_max, BUFFER_BYTES, event, size, have, msg);
}

enum err archive_file_written(const struct archive_file *f, uint64_t *ms, struct err_msg *msg)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0) return io_failed(f->path, errno, msg);
    *ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    return ERR_OK;
}

enum err archive_file_look(struct archive_file *f, bool *grew, struct err_msg *msg)
{
    struct stat named, own;
    if (stat(f->path, &named) != 0)
        return err_set(msg, ERR_SOURCE_HISTORY, "%s, which was being read, is gone: %s; put it back, or delete the "
                       "channel and create it anew", f->path, strerror(errno));
    if (f->is_open && fstat(f->fd, &own) != 0) return io_failed(f->path, errno, msg);
    if (!f->is_open || named.st_ino != own.st_ino || named.st_dev != own.st_dev) {
        if (f->is_open) close(f->fd);
        f->is_open = false;
        enum err e = open_at(f, msg);
        if (e != ERR_OK && f->is_open) close(f->fd); /* nothing of it is read */
        f->is_open = e == ERR_OK;
        TRY(e);
        own = named;
    }
    if ((uint64_t)own.st_size < f->size_seen) { /* it is being written anew */
        archive_file_forget(f);
        f->size_seen = (uint64_t)own.st_size;
    }
    if ((uint64_t)own.st_size < f->position && f->position > BINLOG_FIRST_POSITION)
        return err_set(msg, ERR_SOURCE_HISTORY, "%s has %lld bytes now, but was read up to %" PRIu64
                       ", so it was changed; put the former file back, or delete the channel and create it anew",
                       f->path, (long long)own.st_size, f->position);
    TRY(check_head(f, msg));
    *grew = (uint64_t)own.st_size > f->size_seen;
    return ERR_OK;
}
