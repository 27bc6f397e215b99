/* The side of capture/source_stream.h that reads a folder of binlog files, in their order, and waits at their end for
 * more of the last file or for a further one.
 *
 * Nothing may be passed over without being noticed.  A further file says that the one before it is over, but not that
 * the copy of it that lies here is: it may have been taken while the server still wrote.  A file that ends with ROTATE
 * or STOP is whole.  Another one ended when the server crashed, or is cut; is_whole() tells which.  And while somebody
 * writes in the folder nothing is an error: files come in any order, empty, in part, or over others. */
#include "capture/archive_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/sink.h"

enum {
    SETTLE_HEARTBEATS = 5,   /* a file that has not grown for so long may be at its end */
    QUIET_HEARTBEATS = 30,   /* what has not been written for so long is not being copied */
    GROWING_HEARTBEATS = 600, /* so long for the newest file alone, which a server may be writing for ever */
    NS_PER_MS = 1000000,
};


static struct archive_stream *of(struct source_stream *s)
{
    return (struct archive_stream *)(void *)s;
}

static bool is_stopped(const struct archive_stream *a)
{
    return atomic_load_explicit(&a->is_cut, memory_order_acquire); /* pairs with stream_cut */
}

/* --- events that are in no file --- */

/* Header, body and checksum into a->made; returns the size. */
static size_t event_make(struct archive_stream *a, uint8_t type, const void *body, size_t body_bytes)
{
    size_t size = BINLOG_HEADER_BYTES + body_bytes + BINLOG_CHECKSUM_BYTES;
    struct sink out = sink_of(a->made, sizeof a->made);
    sink_le(&out, 0, 4);
    sink_le(&out, type, 1);
    sink_le(&out, 0, 4);
    sink_le(&out, size, 4);
    sink_le(&out, 0, 4);
    sink_le(&out, BINLOG_FLAG_ARTIFICIAL, 2);
    sink_bytes(&out, body, body_bytes);
    sink_le(&out, crc32_zlib(0, a->made, size - BINLOG_CHECKSUM_BYTES), BINLOG_CHECKSUM_BYTES);
    return size;
}

static void send_heartbeat(struct archive_stream *a, const uint8_t **event, size_t *size)
{
    *size = event_make(a, BINLOG_HEARTBEAT, a->file.name, strlen(a->file.name));
    *event = a->made;
}

static void send_rotate(struct archive_stream *a, const uint8_t **event, size_t *size)
{
    uint8_t body[8 + SOURCE_FILE_BYTES];
    struct sink out = sink_of(body, sizeof body);
    sink_le(&out, a->file.position, 8);
    sink_bytes(&out, a->file.name, strlen(a->file.name));
    *size = event_make(a, BINLOG_ROTATE, body, (size_t)(out.at - body));
    *event = a->made;
    a->send = a->file.position > BINLOG_FIRST_POSITION ? ARCHIVE_FORMAT : ARCHIVE_EVENTS;
}

/* The file's FORMAT_DESCRIPTION for a dump that begins behind it: as a server sends it, without its place. */
static enum err send_format(struct archive_stream *a, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    enum { NEXT_POSITION_AT = 13 };
    struct archive_file head = {0};
    struct binlog_format format;
    const uint8_t *found;
    TRY(archive_file_open(&head, a->config->files, a->file.name, BINLOG_FIRST_POSITION, msg));
    enum err e = archive_file_next(&head, sizeof a->made, &found, size, msg);
    if (e == ERR_OK) memcpy(a->made, found, *size);
    archive_file_close(&head);
    if (e == ERR_AGAIN) e = err_set(msg, ERR_SOURCE_HISTORY, "%s is empty, but was read before; put the former file "
                                    "back, or delete the channel and create it anew", a->file.name);
    TRY(e);
    memset(a->made + NEXT_POSITION_AT, 0, 4);
    e = binlog_format_decode(cursor_of(a->made + BINLOG_HEADER_BYTES, *size - BINLOG_HEADER_BYTES), &format);
    if (e == ERR_OK && format.checksum == BINLOG_CHECKSUM_CRC32) {
        size_t covered = *size - BINLOG_CHECKSUM_BYTES;
        struct sink out = sink_of(a->made + covered, BINLOG_CHECKSUM_BYTES);
        sink_le(&out, crc32_zlib(0, a->made, covered), BINLOG_CHECKSUM_BYTES);
    }
    *event = a->made; /* what cannot be decoded is said by whoever takes it */
    a->send = ARCHIVE_EVENTS;
    return ERR_OK;
}

/* --- is somebody copying? --- */

static uint64_t heartbeats_ms(const struct archive_stream *a, uint32_t count)
{
    return (uint64_t)a->config->heartbeat_ms * count;
}

/* A time of the file system; one that lies far ahead is of a clock that says nothing. */
static bool is_recent(const struct archive_stream *a, uint64_t written_ms, uint32_t heartbeats)
{
    uint64_t now_ms = clock_realtime_ms(clock_real()), quiet_ms = heartbeats_ms(a, heartbeats);
    return written_ms + quiet_ms > now_ms && written_ms < now_ms + quiet_ms;
}

static bool stream_is_arriving(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    struct archive_written written;
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    if (archive_folder_written(a->config->files, &written) != ERR_OK) return false;
    if (a->arrives_ns == 0) a->arrives_ns = now_ns;
    if (is_recent(a, written.rest_ms, QUIET_HEARTBEATS)) return true;
    return is_recent(a, written.last_ms, QUIET_HEARTBEATS) &&
           now_ns - a->arrives_ns < heartbeats_ms(a, GROWING_HEARTBEATS) * NS_PER_MS;
}

static bool stream_is_growing(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    struct archive_written written;
    return archive_folder_written(a->config->files, &written) == ERR_OK &&
           is_recent(a, written.rest_ms, SETTLE_HEARTBEATS);
}

/* --- from file to file --- */

static enum err begin_file(struct archive_stream *a, const char *name, uint64_t position, struct err_msg *msg)
{
    a->is_dumping = false;
    TRY(archive_file_open(&a->file, a->config->files, name, position, msg));
    a->send = ARCHIVE_ROTATE;
    a->settles_ns = a->told_position = 0;
    a->is_dumping = true;
    return ERR_OK;
}

static bool ends_well(const struct archive_file *f)
{
    return f->left_over == 0 && (f->last_type == BINLOG_ROTATE || f->last_type == BINLOG_STOP);
}

static enum err is_cut(const struct archive_walk *w, const char *next, const char *why, struct err_msg *msg)
{
    return err_set(msg, ERR_SOURCE_HISTORY,
                   "the copy of %s is cut at %" PRIu64 ": %s follows, and %s; copy %s once more (or, if the server has "
                   "no more of it, begin a new channel at %s)",
                   w->file.name, w->file.position, next, why, w->file.name, next);
}

/* `w` walked a file that ends without ROTATE and STOP, `h` is the head of the next.  A server that was not started anew
 * (h->created_s) ends a file with ROTATE.  Else it crashed, and by GTIDs, where the file has any, it is seen whether
 * all of it is here.  Without them: a server that comes back after a crash takes off what is not whole, and the mark
 * that the file is in use.  Before MySQL 5.6 it leaves all as it is, so that nothing tells, and a file that has long
 * been quiet is taken for whole.  ERR_AGAIN: it has not been so long. */
static enum err judge(const struct archive_stream *a, const struct archive_walk *w, const struct archive_walk *h,
                      struct err_msg *msg)
{
    enum { VERSION_5_6 = 0x050600 };
    const char *next = h->file.name;
    if (!w->format_known) return is_cut(w, next, "not even its FORMAT_DESCRIPTION is here", msg);
    if (h->created_s == 0) return is_cut(w, next, "the server was not stopped in between", msg);
    if (h->has_set && w->saw_gtid && !w->saw_anonymous && !gtid_set_is_empty(&h->before)) {
        if (!gtid_set_contains_set(&w->set, &h->before))
            return is_cut(w, next, "has transactions before it that are not here", msg);
    } else if (w->format.version_number >= VERSION_5_6 &&
               (w->file.left_over > 0 || (w->format_flags & BINLOG_FLAG_IN_USE) != 0)) {
        return is_cut(w, next, "what the server wrote behind that is not known", msg);
    } else {
        uint64_t written_ms;
        TRY(archive_file_written(&w->file, &written_ms, msg));
        if (is_recent(a, written_ms, QUIET_HEARTBEATS)) return ERR_AGAIN;
    }
    log_warn("capture", "%s ends at %" PRIu64 " without a word: the server crashed there; goes on with %s",
             w->file.name, w->end, next);
    return ERR_OK;
}

/* Is the file whole that `next` follows?  ERR_AGAIN: `next` does not say yet. */
static enum err is_whole(struct archive_stream *a, const char *next, struct err_msg *msg)
{
    const char *folder = a->config->files;
    uint64_t max = a->config->packet_bytes_max;
    struct archive_walk w = {0}, h = {0};
    enum err e = archive_walk(&w, folder, a->file.name, UINT64_MAX, max, msg);
    if (e == ERR_OK && !ends_well(&w.file)) {
        e = archive_walk_head(&h, folder, next, max, msg);
        if (e == ERR_OK) e = h.format_known ? judge(a, &w, &h, msg) : ERR_AGAIN;
    }
    archive_walk_free(&w);
    archive_walk_free(&h);
    return e;
}

/* The file behind the one being read; NULL: there is none yet. */
static enum err next_file(struct archive_stream *a, const char **next, struct err_msg *msg)
{
    TRY(archive_list_read(&a->list, a->config->files, msg));
    uint32_t at = archive_list_find(&a->list, a->file.name);
    TRY(archive_list_check(&a->list, at, a->config->files, msg));
    *next = at + 1 < a->list.count ? a->list.entry[at + 1].name : NULL;
    return ERR_OK;
}

static enum err go_on(struct archive_stream *a, const char *next, struct err_msg *msg)
{
    a->arrives_ns = 0;
    return begin_file(a, next, BINLOG_FIRST_POSITION, msg);
}

/* The file being read has no more whole events.  ERR_OK: there is more now; ERR_AGAIN: not yet. */
static enum err pass_end(struct archive_stream *a, struct err_msg *msg)
{
    const char *next;
    bool grew;
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    TRY(archive_file_look(&a->file, &grew, msg));
    if (grew) {
        a->settles_ns = a->arrives_ns = 0;
        return ERR_OK;
    }
    TRY(next_file(a, &next, msg));
    if (next != NULL && ends_well(&a->file)) return go_on(a, next, msg);
    if (a->settles_ns == 0) a->settles_ns = now_ns;
    if (now_ns - a->settles_ns < heartbeats_ms(a, SETTLE_HEARTBEATS) * NS_PER_MS) return ERR_AGAIN;
    if (next != NULL) {
        a->settles_ns = now_ns; /* it is walked through: not with every event of the folder */
        TRY(is_whole(a, next, msg));
        return go_on(a, next, msg);
    }
    if (a->file.left_over > 0 && a->told_position != a->file.size_seen) {
        a->told_position = a->file.size_seen;
        log_warn("capture", "%s/%s ends within an event (%" PRIu64 " bytes of it, from %" PRIu64
                 " on): waits for the rest of the file",
                 a->config->files, a->file.name, a->file.left_over, a->file.position);
    }
    return ERR_AGAIN;
}

/* --- waiting --- */

static void watch_drain(const struct archive_stream *a)
{
    char events[4096];
    while (a->watch_fd >= 0 && read(a->watch_fd, events, sizeof events) > 0) continue;
}

/* Until something in the folder changes, for at most `ms`. */
static void wait_for_files(const struct archive_stream *a, uint32_t ms)
{
    struct pollfd fds[] = {{.fd = a->cut_fd, .events = POLLIN}, {.fd = a->watch_fd, .events = POLLIN}};
    (void)poll(fds, 2, (int)ms);
    watch_drain(a);
}

/* --- the stream --- */

static enum err stream_connect(struct source_stream *s, struct err_msg *msg)
{
    struct archive_stream *a = of(s);
    if (is_stopped(a)) return ERR_STOPPED;
    TRY(archive_list_read(&a->list, a->config->files, msg));
    if (a->watch_fd < 0) {
        a->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (a->watch_fd >= 0 &&
            inotify_add_watch(a->watch_fd, a->config->files,
                              IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
            close(a->watch_fd);
            a->watch_fd = -1; /* looked at with each heartbeat instead */
        }
    }
    a->is_connected = true;
    return ERR_OK;
}

static enum err stream_dump(struct source_stream *s, const char *file, uint64_t position, struct err_msg *msg)
{
    struct archive_stream *a = of(s);
    if (is_stopped(a)) return ERR_STOPPED;
    TRY(archive_list_read(&a->list, a->config->files, msg));
    uint32_t at = archive_list_find(&a->list, file);
    if (at == a->list.count)
        return err_set(msg, ERR_SOURCE_PURGED, "the folder %s has no %s to read on from, its files begin at %s; put "
                       "that file back, or delete the channel and create it anew", a->config->files, file,
                       a->list.entry[0].name);
    TRY(archive_list_check(&a->list, at, a->config->files, msg));
    return begin_file(a, file, position, msg);
}

static enum err next_event(struct archive_stream *a, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    for (;;) {
        if (is_stopped(a)) return ERR_STOPPED;
        if (a->send == ARCHIVE_ROTATE) {
            send_rotate(a, event, size);
            return ERR_OK;
        }
        if (a->send == ARCHIVE_FORMAT) return send_format(a, event, size, msg);
        enum err e = archive_file_next(&a->file, a->config->packet_bytes_max, event, size, msg);
        if (e == ERR_OK) return e;
        if (e == ERR_AGAIN) e = pass_end(a, msg);
        if (e == ERR_OK) continue;
        if (e == ERR_AGAIN || e == ERR_NO_MEMORY || e == ERR_TOO_LARGE || !stream_is_arriving(&a->stream)) return e;
        archive_file_forget(&a->file);
        bool grew; /* another file may have its name now */
        enum err ignored = archive_file_look(&a->file, &grew, NULL);
        (void)ignored; /* said when it is read */
        return ERR_AGAIN;
    }
}

static enum err stream_next(struct source_stream *s, const uint8_t **event, size_t *size, struct err_msg *msg)
{
    struct archive_stream *a = of(s);
    if (!a->is_dumping) return err_set(msg, ERR_DISCONNECTED, "no file of the folder is being read");
    uint64_t begun_ns = clock_monotonic_ns(clock_real());
    for (;;) {
        enum err e = next_event(a, event, size, msg);
        if (e != ERR_AGAIN) return e;
        uint64_t waited_ms = (clock_monotonic_ns(clock_real()) - begun_ns) / NS_PER_MS;
        if (waited_ms >= a->config->heartbeat_ms) {
            send_heartbeat(a, event, size);
            return ERR_OK;
        }
        wait_for_files(a, a->config->heartbeat_ms - (uint32_t)waited_ms);
    }
}

static bool stream_pending(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    const uint8_t *event;
    size_t size;
    const char *next;
    if (!a->is_dumping) return false;
    if (a->send != ARCHIVE_EVENTS) return true;
    uint64_t position = a->file.position;
    uint8_t type = a->file.last_type;
    enum err e = archive_file_next(&a->file, a->config->packet_bytes_max, &event, &size, NULL);
    a->file.position = position; /* its bytes stay in the buffer */
    a->file.last_type = type;
    if (e == ERR_OK) return true;
    if (e == ERR_AGAIN && !ends_well(&a->file)) return false;
    if (e == ERR_AGAIN && next_file(a, &next, NULL) == ERR_OK) return next != NULL;
    return !stream_is_arriving(s); /* an error is told by next, when it is one */
}

static void stream_disconnect(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    archive_file_close(&a->file);
    a->is_dumping = a->is_connected = false;
}

static void stream_cut(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    atomic_store_explicit(&a->is_cut, true, memory_order_release); /* pairs with is_stopped, archive_query */
    uint64_t one = 1;
    ssize_t ignored = write(a->cut_fd, &one, sizeof one);
    (void)ignored; /* a full eventfd is readable already */
}

static void stream_close(struct source_stream *s)
{
    struct archive_stream *a = of(s);
    stream_disconnect(s);
    archive_walk_free(&a->newest);
    archive_list_free(&a->list);
    if (a->watch_fd >= 0) close(a->watch_fd);
    close(a->cut_fd);
    free(a);
}

static const struct source_stream_ops archive_ops = {
    stream_connect, archive_query, stream_dump, stream_next, stream_pending, stream_disconnect, stream_cut,
    stream_close, stream_is_arriving, stream_is_growing,
};

enum err source_stream_archive_open(struct source_stream **out, const struct source_stream_config *config,
                                    struct err_msg *msg)
{
    struct archive_stream *a = calloc(1, sizeof *a);
    int cut_fd = a == NULL ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cut_fd < 0) {
        free(a);
        return err_set(msg, ERR_NO_MEMORY, "no memory, or no file descriptor, to read the folder %s", config->files);
    }
    a->stream = (struct source_stream){.ops = &archive_ops, .is_archive = true, .dump_position_max = UINT64_MAX};
    a->config = config;
    a->cut_fd = cut_fd;
    a->watch_fd = -1;
    *out = &a->stream;
    return ERR_OK;
}

enum err source_stream_open(struct source_stream **out, const struct source_stream_config *config, struct err_msg *msg)
{
    bool is_archive = config->files != NULL && config->files[0] != '\0';
    return is_archive ? source_stream_archive_open(out, config, msg) : source_stream_mysql_open(out, config, msg);
}
