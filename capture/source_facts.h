/* capture/source_facts.h -- what capture asks the source with SQL: who it is, how it is set up, where its binlog
 * stands. */
#ifndef CAPTURE_SOURCE_FACTS_H
#define CAPTURE_SOURCE_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "capture/gtid_set.h"
#include "capture/source_stream.h"
#include "formats/source_position.h"

enum { SOURCE_FILE_BYTES = 256, SOURCE_WORD_BYTES = 32 };

struct source_facts {
    char version[64];        /* as @@version says it */
    uint32_t version_number; /* major << 16 | minor << 8 | patch */
    bool is_mariadb;
    bool is_archive; /* a folder of binlog files: its settings of now are not known, and nobody knows definitions */
    bool has_gtids_only; /* every transaction has one: a place can be found by them */
    char server_uuid[65]; /* MariaDB: "server_id N"; "" where the version has none */
    uint32_t server_id;
    bool ignore_case; /* lower_case_table_names is not 0 */
    bool has_gtids;   /* MySQL with gtid_mode, MariaDB from 10.0 */
    uint8_t cluster_words; /* how many of wsrep_on and wsrep_gtid_mode are ON; both: */
    bool is_cluster; /* a Galera node whose cluster writes the GTIDs: nodes share a server id, and none can be reset */
    bool log_bin;
    char binlog_format[SOURCE_WORD_BYTES];
    char row_image[SOURCE_WORD_BYTES]; /* "" where the version has no such variable: images are full */
    bool has_heartbeats; /* the dump says when it waits at the binlog's end; MySQL 5.1 is silent */
    int64_t binlog_kept_s;  /* how long it keeps its binlogs: 0: until somebody purges them, -1: it does not tell */
};

struct source_place { /* in the source's binlog */
    char file[SOURCE_FILE_BYTES];
    uint64_t position;
};

static inline struct source_place source_place_of(const struct source_position *p)
{
    struct source_place place = {.position = p->position};
    memcpy(place.file, p->file, sizeof place.file);
    return place;
}
/* The number behind the last dot of a binlog file's name; 0: none. */
uint32_t source_file_number(const char *file);
/* <0, 0, >0: order in the binlog. */
int source_place_compare(const struct source_place *a, const struct source_place *b);

NODISCARD enum err source_facts_read(struct source_stream *s, struct source_facts *out, struct err_msg *msg);

/* Are there row events in the binlogs of this version?  MySQL 5.1 brought them. */
bool source_writes_rows(const struct source_facts *f);
/* ERR_SOURCE_CONFIG with words that say what to set, when the source's settings do not allow a channel.
 * `partial_images_none`: as in struct capture_config. */
NODISCARD enum err source_facts_check(const struct source_facts *f, uint32_t our_server_id, bool partial_images_none,
                                      struct err_msg *msg);

/* Where the binlog ends now.  `executed` (may be NULL) gets the GTID set of that place where the source tells it. */
NODISCARD enum err source_end(struct source_stream *s, const struct source_facts *f, struct source_place *out,
                              struct gtid_set *executed, struct err_msg *msg);
/* The first place that the source still has. */
NODISCARD enum err source_start(struct source_stream *s, struct source_place *out, struct err_msg *msg);
/* Is this place still on the source?  A place at the very end of a file larger than 4 GiB moves to the next file's
 * start (the dump command has 32 bits).  ERR_SOURCE_PURGED, ERR_SOURCE_HISTORY, ERR_TOO_LARGE. */
NODISCARD enum err source_place_check(struct source_stream *s, struct source_place *place, struct err_msg *msg);
/* All transactions that the source's binlog has and had.  ERR_INVALID: it says something that is no GTID set. */
NODISCARD enum err source_executed(struct source_stream *s, const struct source_facts *f, struct gtid_set *out,
                                   struct err_msg *msg);
/* MariaDB: is each last transaction of `set` one that this binlog has or had, from the same server?  The state knows
 * the last one of each server in each domain. */
NODISCARD enum err source_mariadb_had(struct source_stream *s, const struct gtid_set *set, bool *had,
                                      struct err_msg *msg);
/* MariaDB: the GTID set of a place.  *known: false when it does not tell, as of a place beyond 4 GiB, or in a file that
 * it cannot read; it reads the file from its head. */
NODISCARD enum err source_mariadb_gtids(struct source_stream *s, const struct source_place *place, struct gtid_set *out,
                                        bool *known, struct err_msg *msg);

#endif
