#include "capture/archive_walk.h"

#include <inttypes.h>
#include <string.h>

void archive_walk_free(struct archive_walk *w)
{
    archive_file_close(&w->file);
    gtid_set_free(&w->set);
    gtid_set_free(&w->before);
    *w = (struct archive_walk){0};
}

static enum err settle(struct archive_walk *w)
{
    if (!w->is_pending) return ERR_OK;
    w->is_pending = false;
    if (w->pending_is_mysql)
        return gtid_set_add(&w->set, w->mysql.uuid, w->mysql.tag, w->mysql.number, w->mysql.number);
    return gtid_set_add_domain(&w->set, w->mariadb.domain, w->mariadb_server_id, w->mariadb.number);
}

static enum err take_gtid(struct archive_walk *w, const struct binlog_header *h, struct cursor body)
{
    switch (h->type) {
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST:
        w->has_set = true;
        TRY(h->type == BINLOG_PREVIOUS_GTIDS ? gtid_set_from_previous_gtids(&w->set, body)
                                             : gtid_set_from_gtid_list(&w->set, body));
        return gtid_set_union(&w->before, &w->set);
    case BINLOG_ANONYMOUS_GTID: w->saw_anonymous = true; return ERR_OK;
    case BINLOG_GTID:
    case BINLOG_GTID_TAGGED:
        TRY(h->type == BINLOG_GTID ? binlog_gtid_decode(body, &w->mysql) : binlog_gtid_tagged_decode(body, &w->mysql));
        w->saw_gtid = w->is_pending = w->pending_is_mysql = w->mysql.number != 0;
        return ERR_OK;
    case BINLOG_MARIADB_GTID:
        TRY(binlog_mariadb_gtid_decode(body, &w->mariadb));
        w->mariadb_server_id = h->server_id;
        w->saw_gtid = w->is_pending = true;
        w->pending_is_mysql = false;
        return ERR_OK;
    case BINLOG_FORMAT_DESCRIPTION:
    case BINLOG_ROTATE:
    case BINLOG_STOP: w->is_pending = false; return ERR_OK; /* the source crashed: it never happened */
    default: return ERR_OK;
    }
}

static enum err take_format(struct archive_walk *w, const struct binlog_header *h, struct cursor body)
{
    enum { CREATED_AT = 2 + BINLOG_SERVER_VERSION_BYTES };
    struct cursor created = body;
    cursor_take(&created, CREATED_AT);
    TRY(binlog_format_decode(body, &w->format));
    w->created_s = (uint32_t)cursor_le(&created, 4);
    w->server_id = h->server_id;
    w->format_flags = h->flags;
    w->format_known = true;
    return ERR_OK;
}

/* `have` of `size` bytes are there: enough, but for the checksum. */
static enum err take_event(struct archive_walk *w, const uint8_t *event, size_t size, size_t have)
{
    struct binlog_header h;
    struct cursor in = cursor_of(event, have);
    TRY(binlog_header_decode(&in, &h));
    if (have == size) TRY(binlog_checksum_take(w->format_known ? &w->format : NULL, &h, event, &have));
    struct cursor body = cursor_of(in.at, have - BINLOG_HEADER_BYTES);
    if (h.type == BINLOG_FORMAT_DESCRIPTION) TRY(take_format(w, &h, body));
    TRY(take_gtid(w, &h, body));
    (void)boundary_event(&w->boundary, &h, body, w->format_known ? &w->format : NULL);
    if (!boundary_is_between(&w->boundary)) return ERR_OK;
    w->end = w->file.position;
    return settle(w);
}

static bool is_head(const struct archive_walk *w)
{
    uint8_t type = w->file.last_type;
    return type == 0 || type == BINLOG_FORMAT_DESCRIPTION;
}

static enum err walk(struct archive_walk *w, const char *folder, const char *name, uint64_t until, bool head_only,
                     uint64_t event_bytes_max, struct err_msg *msg)
{
    bool goes_on = w->file.is_open && strcmp(w->file.name, name) == 0 && w->file.position <= until;
    bool grew;
    if (goes_on && archive_file_look(&w->file, &grew, NULL) != ERR_OK) goes_on = false;
    if (!goes_on) {
        archive_walk_free(w);
        TRY(archive_file_open(&w->file, folder, name, BINLOG_FIRST_POSITION, msg));
        w->end = BINLOG_FIRST_POSITION;
    }
    while (w->file.position < until && (!head_only || is_head(w))) {
        const uint8_t *event;
        size_t size, have;
        uint64_t start = w->file.position;
        enum err e = archive_file_peek(&w->file, event_bytes_max, &event, &size, &have, msg);
        if (e == ERR_AGAIN) return ERR_OK;
        TRY(e);
        e = take_event(w, event, size, have);
        if (e != ERR_OK)
            return err_set(msg, e, "the event at %s:%" PRIu64 " cannot be read: %s", name, start, err_text(e));
    }
    return ERR_OK;
}

enum err archive_walk(struct archive_walk *w, const char *folder, const char *name, uint64_t until,
                      uint64_t event_bytes_max, struct err_msg *msg)
{
    return walk(w, folder, name, until, false, event_bytes_max, msg);
}

enum err archive_walk_head(struct archive_walk *w, const char *folder, const char *name, uint64_t event_bytes_max,
                           struct err_msg *msg)
{
    return walk(w, folder, name, UINT64_MAX, true, event_bytes_max, msg);
}
