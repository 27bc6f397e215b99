#include "capture/read_ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include <stdlib.h>
#include <string.h>

#include "capture/binlog_header.h"
#include "capture/query_text.h"

void read_ahead_begin(struct read_ahead *r, const struct source_place *from, const struct source_place *until,
                      bool wants_gtids)
{
    *r = (struct read_ahead){
        .is_under_way = true, .from = *from, .until = *until, .wants_gtids = wants_gtids, .at = *from};
    if (wants_gtids) r->at.position = BINLOG_FIRST_POSITION;
}

static bool is_behind_from(const struct read_ahead *r)
{
    return source_place_compare(&r->at, &r->from) > 0;
}

/* The GTID of a transaction that began before `from`, and so ended before it: capture goes on at a transaction's start,
 * or the file's end. */
static enum err gtid_settle(struct read_ahead *r, const struct read_ahead_door *door)
{
    if (!r->gtid_pending) return ERR_OK;
    r->gtid_pending = false;
    return gtid_set_add(door->gtids, r->gtid.uuid, r->gtid.tag, r->gtid.number, r->gtid.number);
}

static enum err look_gtids(struct read_ahead *r, const struct read_ahead_door *door, const struct binlog_header *h,
                           struct cursor body)
{
    switch (h->type) {
    case BINLOG_PREVIOUS_GTIDS:
        return strcmp(r->at.file, r->from.file) == 0 ? gtid_set_from_previous_gtids(door->gtids, body) : ERR_OK;
    case BINLOG_GTID:
    case BINLOG_GTID_TAGGED:
        TRY(gtid_settle(r, door));
        if (is_behind_from(r)) return ERR_OK; /* its own transaction begins at or behind `from` */
        TRY(h->type == BINLOG_GTID ? binlog_gtid_decode(body, &r->gtid) : binlog_gtid_tagged_decode(body, &r->gtid));
        r->gtid_pending = r->gtid.number != 0;
        return ERR_OK;
    default: return ERR_OK;
    }
}

static enum err look_query(struct read_ahead *r, const struct read_ahead_door *door, struct cursor body)
{
    struct binlog_query q;
    if (!r->format_known || !is_behind_from(r) || r->is_idle) return ERR_OK;
    TRY(binlog_query_decode(body, &r->format, &q));
    if (q.text_bytes == 5 && memcmp(q.text, "BEGIN", 5) == 0) return ERR_OK;
    char *converted;
    TRY(query_text_utf8(&q, door->server, &converted));
    statement_classify(door->statement, q.text, q.text_bytes, q.database, q.database_bytes);
    free(converted);
    return horizon_note(door->horizon, &r->at, door->statement);
}

static enum err look_rotate(struct read_ahead *r, struct cursor body)
{
    struct binlog_rotate rotate;
    TRY(binlog_rotate_decode(body, &rotate));
    if (rotate.file_bytes >= sizeof r->at.file) return ERR_CORRUPT;
    memcpy(r->at.file, rotate.file, rotate.file_bytes);
    r->at.file[rotate.file_bytes] = '\0';
    r->at.position = rotate.position;
    return ERR_OK;
}

/* A transaction that ends without its changes is noted (horizon_note_dead says why). */
static enum err transaction_over(struct read_ahead *r, const struct read_ahead_door *door, bool committed)
{
    bool is_dead = r->is_open && !committed;
    r->is_open = r->is_announced = false;
    return is_dead ? horizon_note_dead(door->horizon, &r->transaction) : ERR_OK;
}

static enum err look_transaction_query(struct read_ahead *r, const struct read_ahead_door *door, struct cursor body)
{
    struct binlog_query q;
    if (!r->format_known || binlog_query_decode(body, &r->format, &q) != ERR_OK) return ERR_OK;
    if (q.text_bytes == 5 && memcmp(q.text, "BEGIN", 5) == 0) {
        if (!r->is_announced) r->transaction = r->at;
        r->is_open = true;
        return ERR_OK;
    }
    if (q.text_bytes == 8 && memcmp(q.text, "ROLLBACK", 8) == 0) return transaction_over(r, door, false);
    bool ends = !r->is_open || (q.text_bytes == 6 && memcmp(q.text, "COMMIT", 6) == 0);
    return ends ? transaction_over(r, door, true) : ERR_OK;
}

/* Where transactions begin and how they end; r->at is the event's start. */
static enum err look_transaction(struct read_ahead *r, const struct read_ahead_door *door,
                                 const struct binlog_header *h, struct cursor body)
{
    struct binlog_mariadb_gtid gtid;
    switch (h->type) {
    case BINLOG_GTID: case BINLOG_GTID_TAGGED: case BINLOG_ANONYMOUS_GTID: case BINLOG_MARIADB_GTID:
        r->transaction = r->at;
        r->is_announced = true;
        r->is_open = r->is_idle = false;
        if (h->type != BINLOG_MARIADB_GTID || binlog_mariadb_gtid_decode(body, &gtid) != ERR_OK) return ERR_OK;
        r->is_open = (gtid.flags & MARIADB_GTID_STANDALONE) == 0;
        r->is_idle = binlog_mariadb_gtid_is_idle(&gtid);
        return ERR_OK;
    case BINLOG_XID: case BINLOG_XA_PREPARE: return transaction_over(r, door, true);
    case BINLOG_QUERY: return look_transaction_query(r, door, body);
    case BINLOG_FORMAT_DESCRIPTION: case BINLOG_ROTATE: case BINLOG_STOP:
        /* Position 0: made for this dump, not from the file. */
        return h->next_position != 0 ? transaction_over(r, door, false) : ERR_OK;
    default: return ERR_OK;
    }
}

struct payload_look {
    struct read_ahead *ahead;
    const struct read_ahead_door *door;
};

/* An event within a compressed transaction: r->at is already behind it. */
static enum err look_within(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    struct payload_look *look = context;
    (void)msg;
    TRY(look_transaction(look->ahead, look->door, h, body));
    return h->type == BINLOG_QUERY ? look_query(look->ahead, look->door, body) : ERR_OK;
}

static enum err look_body(struct read_ahead *r, const struct read_ahead_door *door, const struct binlog_header *h,
                          struct cursor body)
{
    if (source_place_compare(&r->at, &r->from) >= 0) TRY(look_transaction(r, door, h, body));
    if (h->next_position != 0 && h->type != BINLOG_HEARTBEAT && h->type != BINLOG_HEARTBEAT_V2)
        r->at.position = binlog_position_after(r->at.position, h->next_position);
    if (r->wants_gtids) TRY(look_gtids(r, door, h, body));
    switch (h->type) {
    case BINLOG_ROTATE: return look_rotate(r, body);
    case BINLOG_QUERY: return look_query(r, door, body);
    case BINLOG_TRANSACTION_PAYLOAD: {
        struct payload_look look = {r, door};
        return is_behind_from(r) ? payload_events(door->payload, body, door->event_bytes_max, look_within, &look, NULL)
                                 : ERR_OK;
    }
    case BINLOG_FORMAT_DESCRIPTION: r->format_known = true; return binlog_format_decode(body, &r->format);
    default: return ERR_OK;
    }
}

static enum err look_event(struct read_ahead *r, const struct read_ahead_door *door, const uint8_t *event, size_t size)
{
    struct binlog_header h;
    struct cursor in = cursor_of(event, size);
    TRY(binlog_header_decode(&in, &h));
    if (h.event_size != size) return ERR_CORRUPT;
    TRY(binlog_checksum_take(r->format_known ? &r->format : NULL, &h, event, &size));
    struct cursor body = cursor_of(in.at, size - BINLOG_HEADER_BYTES);
    uint8_t *unpacked = NULL;
    if (h.type == BINLOG_MARIADB_QUERY_COMPRESSED && r->format_known) {
        TRY(binlog_query_unpack(body, &r->format, &unpacked, &size));
        h.type = BINLOG_QUERY;
        body = cursor_of(unpacked, size);
    }
    enum err e = look_body(r, door, &h, body);
    free(unpacked);
    return e;
}

enum err read_ahead(struct read_ahead *r, const struct read_ahead_door *door, struct err_msg *msg)
{
    const struct source_stream_ops *ops = door->stream->ops;
    r->format_known = false;
    TRY(ops->dump(door->stream, r->at.file, r->at.position, msg));
    while (source_place_compare(&r->at, &r->until) < 0) {
        const uint8_t *event;
        size_t size;
        if (atomic_load_explicit(door->stop, memory_order_acquire)) return ERR_STOPPED; /* pairs with capture_stop */
        enum err e = ops->next(door->stream, &event, &size, msg);
        if (e == ERR_AGAIN) return err_set(msg, ERR_DISCONNECTED, "the source's binlog ended early at %s", r->at.file);
        TRY(e);
        e = look_event(r, door, event, size);
        if (e != ERR_OK)
            return err_set(msg, e, "an event before %s:%llu cannot be read: %s", r->at.file,
                           (unsigned long long)r->at.position, err_text(e));
    }
    r->is_under_way = false;
    return r->wants_gtids ? gtid_settle(r, door) : ERR_OK;
}
