/* tests/capture/replay.h -- binlog files replayed in memory: row changes in the order of their commits, to rows that
 * can be compared with a server's. */
#ifndef TESTS_CAPTURE_REPLAY_H
#define TESTS_CAPTURE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/payload.h"
#include "capture/table_cache.h"
#include "tests/capture/definitions_support.h"
#include "tests/capture/rows_support.h"

enum { REPLAY_TABLES_MAX = 256, REPLAY_PENDING_MAX = 4096 };

struct replay_table {
    char name[2 * STATEMENT_NAME_BYTES];   /* database.table */
    const struct schema_table *definition; /* of the last rows, which may have replaced another */
    struct row_list rows;
    uint16_t column_count; /* of the rows */
    uint64_t changes;
};

struct replay {
    struct told told;
    struct filter *filter;
    struct table_cache *cache;
    struct row_arena arena;
    struct payload_reader payload;
    const char *refused; /* tables whose definition changed on the way, between spaces: their maps may not fit */
    struct replay_table table[REPLAY_TABLES_MAX];
    size_t table_count;
    struct binlog_file_event pending[REPLAY_PENDING_MAX]; /* of an XA transaction that waits for its end; copies */
    size_t pending_count;
    bool in_xa;
    size_t refused_maps, row_events, lost_documents; /* lost: JSON told as changes of what is not in the event */
};

/* `version` as @@version says it.  The caller tells the definitions of the tables of `include` less `exclude`
 * (r->told). */
void replay_open(struct replay *r, const char *version, const char *const *include, const char *const *exclude,
                 const char *refused, bool text_utf8mb4);
void replay_close(struct replay *r);
/* All events of a file, which must end with a whole one.  A failed check aborts the test. */
void replay_file(struct replay *r, const char *path);
/* NULL: no row of it was seen. */
const struct replay_table *replay_find(const struct replay *r, const char *database, const char *table);

#endif
