/* capture/stream_sim.h -- the simulated side of capture/source_stream.h: a source whose binlog files lie in memory.
 *
 * The test owns the source: it appends bytes of binlog events, sets what information_schema answers, and says how often
 * connections break.  Streams opened on it behave as the real side does, but that `next` answers ERR_AGAIN at the
 * binlog's end. Single-threaded. */
#ifndef CAPTURE_STREAM_SIM_H
#define CAPTURE_STREAM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "capture/gtid_set.h"
#include "capture/source_stream.h"

enum { STREAM_SIM_FILES_MAX = 64, STREAM_SIM_NAME_BYTES = 64, STREAM_SIM_COLUMN_FIELDS = 6, STREAM_SIM_KEY_FIELDS = 5 };

struct stream_sim_file {
    char name[STREAM_SIM_NAME_BYTES];
    uint8_t *bytes; /* from the file's magic on */
    size_t size, capacity;
};

struct stream_sim_source {
    const struct clock *clock;
    struct random random;
    uint32_t breaks_per_million;       /* events behind which the connection breaks */
    uint32_t heartbeat_ms;             /* sent when nothing else was for so long; 0: never */
    const char *version, *server_uuid; /* "5.7.29-log"; "" for none */
    struct stream_sim_file file[STREAM_SIM_FILES_MAX];
    uint32_t file_count;
    uint32_t purged; /* files before this index are no longer there */
    bool is_down;    /* connects are refused */
    /* Rows of information_schema: database, table, column, type, collation, "YES" or "NO" (nullable); and database,
     * table, unique key, column, "BTREE". */
    const char *(*column)[STREAM_SIM_COLUMN_FIELDS];
    const char *(*key)[STREAM_SIM_KEY_FIELDS];
    uint32_t column_count, key_count;
    uint32_t
        columns_hidden; /* the last so many are in the binlog but not yet in the dictionary: until a table is opened */
    uint64_t breaks, dumps, reads; /* how often they happened; events were read from the files */
    const struct gtid_set *told; /* as executed; NULL: what is in the files: */
    struct gtid_set uncommitted; /* in the binlog, and not yet told as executed */
    struct gtid_set executed; /* of the events looked through so far, up to: */
    uint32_t executed_file;
    size_t executed_size;
};

void stream_sim_source_init(struct stream_sim_source *s, const struct clock *clock, uint64_t seed);
void stream_sim_source_fini(struct stream_sim_source *s);

/* Begins a file (with the magic); later appends go there.  ERR_NO_MEMORY, ERR_TOO_LARGE. */
NODISCARD enum err stream_sim_file_begin(struct stream_sim_source *s, const char *name);
NODISCARD enum err stream_sim_append(struct stream_sim_source *s, const void *bytes, size_t size);

/* A connection to be given to capture_open_simulated.  ERR_NO_MEMORY. */
NODISCARD enum err stream_sim_open(struct source_stream **out, struct stream_sim_source *source);
/* Later connects reach this source: another host is tried, or another server has the name now. */
void stream_sim_route(struct source_stream *s, struct stream_sim_source *source);

#endif
