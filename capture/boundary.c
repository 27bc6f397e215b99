#include "capture/boundary.h"

#include <string.h>

static bool is_text(const struct binlog_query *q, const char *text)
{
    return q->text_bytes == strlen(text) && memcmp(q->text, text, q->text_bytes) == 0;
}

bool boundary_event(struct boundary *b, const struct binlog_header *h, struct cursor body,
                    const struct binlog_format *format)
{
    struct binlog_mariadb_gtid gtid;
    struct binlog_query q;
    bool begins = boundary_is_between(b);
    switch (h->type) {
    case BINLOG_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_ANONYMOUS_GTID: b->is_announced = true; b->is_open = false; return true;
    case BINLOG_MARIADB_GTID:
        b->is_announced = true;
        b->is_open = binlog_mariadb_gtid_decode(body, &gtid) == ERR_OK && (gtid.flags & MARIADB_GTID_STANDALONE) == 0;
        return true;
    case BINLOG_XID:
    case BINLOG_XA_PREPARE:
    case BINLOG_TRANSACTION_PAYLOAD: b->is_announced = b->is_open = false; return false;
    case BINLOG_QUERY:
        if (format == NULL || binlog_query_decode(body, format, &q) != ERR_OK) return false;
        if (is_text(&q, "BEGIN") || (q.text_bytes > 8 && memcmp(q.text, "XA START", 8) == 0))
            b->is_open = true;
        else if (!b->is_open || is_text(&q, "COMMIT") || is_text(&q, "ROLLBACK"))
            b->is_announced = b->is_open = false;
        return begins;
    case BINLOG_MARIADB_QUERY_COMPRESSED:
        if (!b->is_open) b->is_announced = false;
        return begins;
    case BINLOG_FORMAT_DESCRIPTION:
    case BINLOG_ROTATE:
    case BINLOG_STOP: b->is_announced = b->is_open = false; return false;
    default: return false;
    }
}
