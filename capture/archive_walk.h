/* capture/archive_walk.h -- what a binlog file tells without its rows: who wrote it, where its last whole transaction
 * ends, and the GTID set of that place.  For capture/archive_stream.c. */
#ifndef CAPTURE_ARCHIVE_WALK_H
#define CAPTURE_ARCHIVE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/archive_file.h"
#include "capture/binlog_event.h"
#include "capture/boundary.h"
#include "capture/gtid_set.h"

struct archive_walk { /* zero: not begun; goes on where it stopped while the file is the same */
    struct archive_file file;
    struct binlog_format format;
    bool format_known;
    uint32_t server_id; /* of the FORMAT_DESCRIPTION */
    uint16_t format_flags;
    uint32_t created_s; /* the server was started when it began this file; 0: it was not */
    struct boundary boundary;
    uint64_t end; /* of its last whole transaction; or behind what stands at its head */
    struct gtid_set set, before; /* at `end`; before the file's first transaction */
    bool has_set;                /* the file says what lies before it */
    bool saw_gtid, saw_anonymous;
    bool is_pending; /* this GTID's transaction has not ended */
    bool pending_is_mysql;
    struct binlog_gtid mysql;
    struct binlog_mariadb_gtid mariadb;
    uint32_t mariadb_server_id;
};

void archive_walk_free(struct archive_walk *w);

/* Walks `name` up to its end, or to `until`.  Errors of archive_file_open and archive_file_next; ERR_CORRUPT: an
 * event's checksum does not hold, or its body cannot be read. */
NODISCARD enum err archive_walk(struct archive_walk *w, const char *folder, const char *name, uint64_t until,
                                uint64_t event_bytes_max, struct err_msg *msg);
/* Only what stands before the first transaction. */
NODISCARD enum err archive_walk_head(struct archive_walk *w, const char *folder, const char *name,
                                     uint64_t event_bytes_max, struct err_msg *msg);

#endif
