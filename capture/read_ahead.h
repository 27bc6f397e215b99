/* capture/read_ahead.h -- a look at the binlog between the place where capture goes on and where the source stands now,
 * for the statements that change definitions (capture/horizon.h), and at the file's beginning for its GTID set. */
#ifndef CAPTURE_READ_AHEAD_H
#define CAPTURE_READ_AHEAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "capture/binlog_event.h"
#include "capture/gtid_set.h"
#include "capture/horizon.h"
#include "capture/payload.h"
#include "capture/source_stream.h"

struct read_ahead { /* one look; survives a connection that breaks */
    bool is_under_way;
    struct source_place from;  /* statements behind it are noted */
    struct source_place until; /* where the source stood */
    bool wants_gtids;          /* the file of `from` is read from its beginning, for the GTID set at `from` */

    struct source_place at; /* behind the newest event */
    struct binlog_format format;
    bool format_known;
    struct binlog_gtid gtid; /* of the transaction being passed */
    bool gtid_pending;
    struct source_place transaction; /* where the one being passed begins */
    bool is_announced, is_open;      /* its GTID, its BEGIN was read */
    bool is_idle;                    /* its statement does nothing (binlog_mariadb_gtid_is_idle) */
};

/* Begins a look; nothing is read yet. */
void read_ahead_begin(struct read_ahead *r, const struct source_place *from, const struct source_place *until,
                      bool wants_gtids);

struct read_ahead_door { /* whom it works with, all borrowed */
    struct source_stream *stream;
    const _Atomic bool *stop;
    struct statement *statement; /* scratch */
    struct payload_reader *payload; /* scratch */
    uint64_t event_bytes_max;
    const struct catalog_server *server;
    struct horizon *horizon;
    struct gtid_set *gtids; /* becomes the set at `from` when that is wanted */
};

/* Dumps and reads on from r->at to the end; the caller starts the real dump afterwards.  ERR_DISCONNECTED (call again),
 * ERR_STOPPED, ERR_CORRUPT, ERR_NO_MEMORY, and what a dump answers. */
NODISCARD enum err read_ahead(struct read_ahead *r, const struct read_ahead_door *door, struct err_msg *msg);

#endif
