#include "capture/source_search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/binlog_event.h"
#include "capture/binlog_header.h"
#include "capture/boundary.h"

enum { MISSING_TEXT_BYTES = 200 };

/* --- the list of files --- */

struct files {
    char (*name)[SOURCE_FILE_BYTES];
    uint32_t count, capacity;
};

static enum err files_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct files *f = context;
    if (count < 1 || field[0] == NULL || bytes[0] >= SOURCE_FILE_BYTES) return ERR_INVALID;
    if (f->count == f->capacity) {
        uint32_t capacity = f->capacity == 0 ? 64 : 2 * f->capacity;
        void *bigger = realloc(f->name, (size_t)capacity * SOURCE_FILE_BYTES);
        if (bigger == NULL) return ERR_NO_MEMORY;
        f->name = bigger;
        f->capacity = capacity;
    }
    memcpy(f->name[f->count], field[0], bytes[0]);
    f->name[f->count++][bytes[0]] = '\0';
    return ERR_OK;
}

static enum err files_read(struct source_stream *s, struct files *out, struct err_msg *msg)
{
    enum err e = s->ops->query(s, "SHOW BINARY LOGS", files_row, out, msg);
    if (e == ERR_OK && out->count == 0)
        e = err_set(msg, ERR_SOURCE_CONFIG, "the source has no binlog files; start it with log_bin");
    return e;
}

/* --- events, in order --- */

struct walk {
    struct source_stream *stream;
    struct source_place at;    /* behind the newest event */
    struct source_place start; /* of the newest event */
    struct binlog_format format;
    bool format_known;
    struct binlog_header header;
    struct cursor body;
    struct boundary boundary;
};

static enum err walk_begin(struct walk *w, struct source_stream *s, const char *file, struct err_msg *msg)
{
    *w = (struct walk){.stream = s, .at.position = BINLOG_FIRST_POSITION};
    snprintf(w->at.file, sizeof w->at.file, "%s", file);
    return s->ops->dump(s, file, BINLOG_FIRST_POSITION, msg);
}

static enum err walk_rotate(struct walk *w)
{
    struct binlog_rotate rotate;
    TRY(binlog_rotate_decode(w->body, &rotate));
    if (rotate.file_bytes >= sizeof w->at.file) return ERR_CORRUPT;
    memcpy(w->at.file, rotate.file, rotate.file_bytes);
    w->at.file[rotate.file_bytes] = '\0';
    w->at.position = rotate.position;
    return ERR_OK;
}

static enum err walk_decode(struct walk *w, const uint8_t *event, size_t size)
{
    struct cursor in = cursor_of(event, size);
    TRY(binlog_header_decode(&in, &w->header));
    if (w->header.event_size != size) return ERR_CORRUPT;
    TRY(binlog_checksum_take(w->format_known ? &w->format : NULL, &w->header, event, &size));
    w->body = cursor_of(in.at, size - BINLOG_HEADER_BYTES);
    w->start = w->at;
    if (w->header.type == BINLOG_ROTATE) return walk_rotate(w);
    if (w->header.type == BINLOG_FORMAT_DESCRIPTION) {
        TRY(binlog_format_decode(w->body, &w->format));
        w->format_known = true;
    }
    if (w->header.next_position != 0 && w->header.type != BINLOG_HEARTBEAT && w->header.type != BINLOG_HEARTBEAT_V2)
        w->at.position = binlog_position_after(w->at.position, w->header.next_position);
    return ERR_OK;
}

static enum err walk_next(struct walk *w, struct err_msg *msg)
{
    const uint8_t *event;
    size_t size;
    enum err e = w->stream->ops->next(w->stream, &event, &size, msg);
    if (e == ERR_AGAIN) return err_set(msg, ERR_DISCONNECTED, "the source's binlog ended early at %s", w->at.file);
    TRY(e);
    e = walk_decode(w, event, size);
    if (e == ERR_OK) return ERR_OK;
    return err_set(msg, e, "an event of %s behind %" PRIu64 " cannot be read: %s", w->at.file, w->at.position,
                   err_text(e));
}

/* Towards a place that the files must hold.  A server sends it; a folder whose last file is cut before it waits for
 * more, which may never come. */
static enum err walk_towards(struct walk *w, const _Atomic bool *stop, struct err_msg *msg)
{
    if (atomic_load_explicit(stop, memory_order_acquire)) return ERR_STOPPED; /* pairs with capture_stop */
    TRY(walk_next(w, msg));
    if (!w->stream->is_archive || w->header.type != BINLOG_HEARTBEAT) return ERR_OK;
    return err_set(msg, ERR_CONNECT,
                   "%s has no whole event behind %" PRIu64 ", which comes before the place that is looked for: its "
                   "copy is not complete; copy it once more",
                   w->at.file, w->at.position);
}

/* Where transactions begin: true when the newest event is the first of one. */
static bool walk_begins(struct walk *w)
{
    return boundary_event(&w->boundary, &w->header, w->body, w->format_known ? &w->format : NULL);
}

/* --- heads --- */

enum err source_head_read(struct source_stream *s, const char *file, struct source_head *out, struct err_msg *msg)
{
    struct walk w;
    *out = (struct source_head){0};
    TRY(walk_begin(&w, s, file, msg));
    for (;;) {
        TRY(walk_next(&w, msg));
        switch (w.header.type) {
        case BINLOG_ROTATE:
            if (strcmp(w.at.file, file) != 0) return ERR_OK; /* the file holds nothing else */
            break;
        case BINLOG_FORMAT_DESCRIPTION: out->time_s = w.header.timestamp_s; break;
        case BINLOG_MARIADB_START_ENCRYPTION: break;
        case BINLOG_PREVIOUS_GTIDS:
        case BINLOG_MARIADB_GTID_LIST: {
            enum err e = w.header.type == BINLOG_PREVIOUS_GTIDS ? gtid_set_from_previous_gtids(&out->before, w.body)
                                                                : gtid_set_from_gtid_list(&out->before, w.body);
            if (e != ERR_OK) return err_set(msg, e, "the GTID set at the start of %s cannot be read", file);
            out->has_set = true;
            return ERR_OK;
        }
        default: return ERR_OK;
        }
    }
}

static enum err head_of(struct source_stream *s, const char *file, struct source_head *out, struct err_msg *msg)
{
    gtid_set_free(&out->before);
    return source_head_read(s, file, out, msg);
}

static enum err set_is_purged(const struct source_head *oldest, const char *file, const struct gtid_set *ours,
                              struct err_msg *msg)
{
    char text[MISSING_TEXT_BYTES] = "";
    struct gtid_set missing = {0};
    if (gtid_set_union(&missing, &oldest->before) == ERR_OK && gtid_set_subtract(&missing, ours) == ERR_OK)
        gtid_set_text(&missing, text, sizeof text);
    gtid_set_free(&missing);
    return err_set(msg, ERR_SOURCE_PURGED,
                   "the source has purged transactions that are still to be read: its binlog begins at %s, behind %s; "
                   "delete the channel and create it anew, and keep binlogs longer on the source",
                   file, text);
}

enum err source_find_set(struct source_stream *s, const struct gtid_set *ours, struct source_place *out,
                         struct err_msg *msg)
{
    struct files files = {0};
    struct source_head head = {0};
    enum err e = files_read(s, &files, msg);
    uint32_t low = 0, high = files.count; /* the file is in [low, high) if anywhere: what lies before `low` is ours */
    if (e == ERR_OK) e = head_of(s, files.name[0], &head, msg);
    if (e == ERR_OK && !head.has_set)
        e = err_set(msg, ERR_SOURCE_CONFIG, "the source's binlog has no GTIDs: %s begins without a set of them; set "
                    "gtid_mode=ON there, or start at a position or a time", files.name[0]);
    if (e == ERR_OK && !gtid_set_contains_set(ours, &head.before)) e = set_is_purged(&head, files.name[0], ours, msg);
    while (e == ERR_OK && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        e = head_of(s, files.name[middle], &head, msg);
        if (e == ERR_OK && head.has_set && gtid_set_contains_set(ours, &head.before))
            low = middle;
        else
            high = middle;
    }
    if (e == ERR_OK) {
        memcpy(out->file, files.name[low], sizeof out->file);
        out->position = BINLOG_FIRST_POSITION;
    }
    gtid_set_free(&head.before);
    free(files.name);
    return e;
}

/* --- times --- */

/* From the start of at->file on: the first transaction at or after the time, or `end`. */
static enum err walk_to_time(struct source_stream *s, const char *file, uint32_t time_s,
                             const struct source_place *end, const _Atomic bool *stop, struct source_place *out,
                             struct err_msg *msg)
{
    struct walk w;
    TRY(walk_begin(&w, s, file, msg));
    *out = *end;
    while (source_place_compare(&w.at, end) < 0) {
        TRY(walk_towards(&w, stop, msg));
        if (!walk_begins(&w) || w.header.timestamp_s < time_s) continue;
        *out = w.start;
        return ERR_OK;
    }
    return ERR_OK;
}

enum err source_find_time(struct source_stream *s, const struct source_facts *facts, uint32_t time_s,
                          const _Atomic bool *stop, struct source_place *out, struct err_msg *msg)
{
    struct files files = {0};
    struct source_head head = {0};
    struct source_place end;
    TRY(source_end(s, facts, &end, NULL, msg));
    enum err e = files_read(s, &files, msg);
    uint32_t low = 0, high = files.count;
    if (e == ERR_OK) e = head_of(s, files.name[0], &head, msg);
    if (e == ERR_OK && head.time_s > time_s)
        e = err_set(msg, ERR_SOURCE_PURGED,
                    "the source's binlog begins at second %" PRIu32 " (%s), later than the start time %" PRIu32
                    "; start at earliest, or later",
                    head.time_s, files.name[0], time_s);
    while (e == ERR_OK && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        e = head_of(s, files.name[middle], &head, msg);
        if (e == ERR_OK && head.time_s < time_s) /* the file before one of the same second may end in it */
            low = middle;
        else
            high = middle;
    }
    if (e == ERR_OK) e = walk_to_time(s, files.name[low], time_s, &end, stop, out, msg);
    gtid_set_free(&head.before);
    free(files.name);
    return e;
}

/* --- places --- */

enum err source_check_boundary(struct source_stream *s, const struct source_place *place, const _Atomic bool *stop,
                               struct err_msg *msg)
{
    struct walk w;
    struct source_place last = {.position = BINLOG_FIRST_POSITION};
    if (place->position == BINLOG_FIRST_POSITION) return ERR_OK;
    memcpy(last.file, place->file, sizeof last.file);
    TRY(walk_begin(&w, s, place->file, msg));
    while (source_place_compare(&w.at, place) < 0) {
        TRY(walk_towards(&w, stop, msg));
        if (walk_begins(&w)) last = w.start;
    }
    bool is_event = source_place_compare(&w.at, place) == 0;
    if (is_event && boundary_is_between(&w.boundary)) return ERR_OK;
    return err_set(msg, ERR_INVALID, "%s:%" PRIu64 " lies within %s; start at %s:%" PRIu64 ", where a transaction "
                   "begins", place->file, place->position, is_event ? "a transaction" : "an event", last.file,
                   last.position);
}
