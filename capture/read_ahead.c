#include "capture/read_ahead.h"

#include <stdio.h>
#include <string.h>

#include "capture/binlog_event.h"
#include "capture/binlog_header.h"

struct look { /* what the reading needs to keep */
    const struct read_ahead *r;
    struct source_place at;
    struct binlog_format format;
    bool format_known;
    struct binlog_gtid gtid; /* of the transaction being passed */
    bool gtid_pending;
};

static bool is_behind_from(const struct look *l) { return source_place_compare(&l->at, &l->r->from) > 0; }

/* The GTID of a transaction that ended before `from`. */
static enum err gtid_settle(struct look *l)
{
    if (!l->gtid_pending) return ERR_OK;
    l->gtid_pending = false;
    return gtid_set_add(l->r->gtids, l->gtid.uuid, l->gtid.number, l->gtid.number);
}

static enum err look_gtids(struct look *l, const struct binlog_header *h, struct cursor body)
{
    if (l->r->gtids == NULL) return ERR_OK;
    switch (h->type) {
    case BINLOG_PREVIOUS_GTIDS: {
        if (strcmp(l->at.file, l->r->from.file) != 0) return ERR_OK;
        enum err e = gtid_set_from_previous_gtids(l->r->gtids, body);
        return e == ERR_UNSUPPORTED ? ERR_OK : e;
    }
    case BINLOG_FORMAT_DESCRIPTION: case BINLOG_ROTATE: case BINLOG_STOP: l->gtid_pending = false; return ERR_OK;
    case BINLOG_GTID:
        TRY(gtid_settle(l));
        if (is_behind_from(l)) return ERR_OK; /* its own transaction begins at or behind `from` */
        TRY(binlog_gtid_decode(body, &l->gtid));
        l->gtid_pending = l->gtid.number != 0;
        return ERR_OK;
    default: return ERR_OK;
    }
}

static enum err look_query(struct look *l, struct cursor body)
{
    struct binlog_query q;
    if (!l->format_known || !is_behind_from(l)) return ERR_OK;
    TRY(binlog_query_decode(body, &l->format, &q));
    if (q.text_bytes == 5 && memcmp(q.text, "BEGIN", 5) == 0) return ERR_OK;
    statement_classify(l->r->statement, q.text, q.text_bytes, q.database, q.database_bytes);
    return horizon_note(l->r->horizon, &l->at, l->r->filter, l->r->statement);
}

static enum err look_rotate(struct look *l, struct cursor body)
{
    struct binlog_rotate rotate;
    TRY(binlog_rotate_decode(body, &rotate));
    if (rotate.file_bytes >= sizeof l->at.file) return ERR_CORRUPT;
    memcpy(l->at.file, rotate.file, rotate.file_bytes);
    l->at.file[rotate.file_bytes] = '\0';
    l->at.position = rotate.position;
    return ERR_OK;
}

static enum err look_event(struct look *l, const uint8_t *event, size_t size)
{
    struct binlog_header h;
    struct cursor in = cursor_of(event, size);
    TRY(binlog_header_decode(&in, &h));
    if (h.event_size != size) return ERR_CORRUPT;
    TRY(binlog_checksum_take(l->format_known ? &l->format : NULL, &h, event, &size));
    struct cursor body = cursor_of(in.at, size - BINLOG_HEADER_BYTES);
    if (h.next_position != 0 && h.type != BINLOG_HEARTBEAT && h.type != BINLOG_HEARTBEAT_V2)
        l->at.position = binlog_position_after(l->at.position, h.next_position);
    TRY(look_gtids(l, &h, body));
    switch (h.type) {
    case BINLOG_ROTATE: return look_rotate(l, body);
    case BINLOG_QUERY: return look_query(l, body);
    case BINLOG_FORMAT_DESCRIPTION: l->format_known = true; return binlog_format_decode(body, &l->format);
    default: return ERR_OK;
    }
}

enum err read_ahead(const struct read_ahead *r, struct err_msg *msg)
{
    struct look l = {.r = r, .at = r->from};
    if (r->gtids != NULL) {
        gtid_set_clear(r->gtids);
        l.at.position = BINLOG_FIRST_POSITION;
    }
    TRY(r->stream->ops->dump(r->stream, l.at.file, (uint32_t)l.at.position, msg));
    while (source_place_compare(&l.at, &r->until) < 0) {
        const uint8_t *event;
        size_t size;
        if (atomic_load_explicit(r->stop, memory_order_acquire)) return ERR_STOPPED; /* pairs with capture_stop */
        enum err e = r->stream->ops->next(r->stream, &event, &size, msg);
        if (e == ERR_AGAIN) return err_set(msg, ERR_DISCONNECTED, "the source's binlog ended early at %s", l.at.file);
        TRY(e);
        e = look_event(&l, event, size);
        if (e != ERR_OK) return err_set(msg, e, "an event before %s:%llu cannot be read", l.at.file, (unsigned long long)l.at.position);
    }
    return r->gtids == NULL ? ERR_OK : gtid_settle(&l);
}
