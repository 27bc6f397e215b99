/* capture/tracker.h -- the definitions of all tables at the place where the stream is, kept across restarts.
 *
 * A catalog (capture/catalog.h) that each DDL statement of the stream moves on.  Beside it stands what is *not* known:
 * tables whose definition at this place nobody has told (a start in the past behind which the table was altered; a
 * statement that cannot be read).  What the source says about them later, when the place behind their last statement is
 * reached, is *parked* until then.
 *
 * On disk: one file, a snapshot of all this at a place, then a journal of what moved it.  Before a record leaves for
 * the log, what it rests on is in the journal (tracker_sync); so the file reaches at least as far as the log, and
 * reading it up to the log's end gives the definitions there, however far behind the source that is.  Opening writes
 * the snapshot anew, at the log's end: a place that no crash takes back.
 *
 * Owner: the capture thread. */
#ifndef CAPTURE_TRACKER_H
#define CAPTURE_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/catalog.h"
#include "capture/gtid_set.h"
#include "capture/horizon.h"
#include "capture/source_facts.h"
#include "capture/statement.h"

struct tracker;

/* `path`: of its file; NULL: none is kept.  Nothing is known yet.  ERR_NO_MEMORY. */
NODISCARD enum err tracker_open(struct tracker **out, const char *path, const struct catalog_server *server,
                                struct err_msg *msg);
void tracker_close(struct tracker *t);

const struct catalog *tracker_catalog(const struct tracker *t);

struct tracker_end { /* where the log ends */
    struct source_place place;
    const char *uuid;               /* of the server; "" where the version has none */
    const struct gtid_set *gtids;   /* not NULL: the log ends behind these, `place` is a file's start before them */
    uint64_t next_offset;           /* of the log */
};
/* Reads the file up to the log's end.  *loaded false: there is no file, or it is not about that place.  Adds to `moved`
 * the GTIDs of the statements whose work is in the definitions then, as far as the file has them.
 * ERR_CORRUPT, ERR_NEWER_FORMAT, ERR_IO: the file is there and cannot be used. */
NODISCARD enum err tracker_load(struct tracker *t, const struct tracker_end *end, struct gtid_set *moved, bool *loaded,
                                struct err_msg *msg);
/* Writes the snapshot anew for `place`, which no crash takes back.  `gtids` (NULL: not known): transactions whose
 * statements are in it.  ERR_IO, ERR_NO_SPACE. */
NODISCARD enum err tracker_save(struct tracker *t, const struct source_place *place, const char *uuid,
                                const struct gtid_set *gtids, struct err_msg *msg);
/* The same in two steps, for a `place` that a crash may still take back: until the second, the file is the one that it
 * was.  wants: the journal has grown beyond the snapshot, and by more than 1 MiB. */
bool tracker_wants_save(const struct tracker *t);
void tracker_prepare_save(struct tracker *t, const struct source_place *place, const char *uuid,
                          const struct gtid_set *gtids);
NODISCARD enum err tracker_finish_save(struct tracker *t, struct err_msg *msg);
/* Memory that the definitions take. */
uint64_t tracker_bytes(const struct tracker *t);
/* Nothing is known any more.  ERR_NO_MEMORY. */
NODISCARD enum err tracker_reset(struct tracker *t);
/* The stream goes on at `place` of another server, with the same definitions; records from there on have `next_offset`
 * or more. */
void tracker_moved(struct tracker *t, const struct source_place *place, const char *uuid, uint64_t next_offset);
/* What has moved since is on disk when this returns.  Cheap when nothing has.  ERR_IO, ERR_NO_SPACE. */
NODISCARD enum err tracker_sync(struct tracker *t, struct err_msg *msg);

struct tracker_move { /* what a statement did */
    bool is_new;  /* it moved something; false: it was known already */
    bool is_read; /* false: it could not be; the tables that it names are not known any more, msg says why */
    struct catalog_effect effect;
};
/* A DDL statement that ends at `place` and has this GTID ("": none), `text` in UTF-8, and what statement_classify says
 * of it.  A statement at or before the last one's place is passed: it comes again.  ERR_NO_MEMORY. */
NODISCARD enum err tracker_apply(struct tracker *t, const struct source_place *place, const char *gtid,
                                 const struct catalog_context *context, const struct statement *st, const char *text,
                                 size_t text_bytes, struct tracker_move *move, struct err_msg *msg);

/* A statement ends at `place` whose work is in the definitions already: another server sends it again. */
NODISCARD enum err tracker_pass(struct tracker *t, const struct source_place *place, struct err_msg *msg);

/* The objects that the channel follows (capture/selection.h) from `place` on: kept with the definitions, so that what
 * was selected at the log's end is known after a crash.  NULL: not told yet.  ERR_NO_MEMORY. */
const char *tracker_objects(const struct tracker *t);
NODISCARD enum err tracker_select(struct tracker *t, const struct source_place *place, const char *objects);

enum tracker_answer {
    TRACKER_FOUND,
    TRACKER_ABSENT,  /* there is no such table here */
    TRACKER_UNKNOWN, /* its definition is not known: the source may tell (tracker_learn) */
    TRACKER_LOST,    /* ... and the source was asked */
};
/* `*out` as catalog_find_table.  `why` (may be NULL) gets the reason for the last two; borrowed. */
enum tracker_answer tracker_find(const struct tracker *t, const char *database, const char *table,
                                 const struct catalog_table **out, const char **why);

/* What we have of this table is not what the stream says. */
NODISCARD enum err tracker_doubt(struct tracker *t, const char *database, const char *table, const char *why);
/* The definition is this from `place` on: told by the rows' own metadata, by the user, or by a source that stands just
 * there. */
NODISCARD enum err tracker_put(struct tracker *t, const struct source_place *place, const struct catalog_table *table,
                               struct err_msg *msg);
/* The table does not exist from `place` on. */
NODISCARD enum err tracker_put_absent(struct tracker *t, const struct source_place *place, const char *database,
                                      const char *table);

/* The source's definitions, all of them, were read while its end moved from `before` to `horizon`'s end; `horizon`
 * holds what lies between `place` and there.  Settles what is not known: at once, parked, or TRACKER_LOST.  Takes
 * `seen` over, also on error. */
NODISCARD enum err tracker_learn(struct tracker *t, const struct source_place *place, struct catalog *seen,
                                 const struct horizon *horizon, const struct source_place *before,
                                 struct err_msg *msg);

/* Nobody can be asked: what is not known now is TRACKER_LOST. */
void tracker_learn_nothing(struct tracker *t);

/* Takes from `told` (the user's schema_file) the databases and tables that are not known.  *count: how many tables. */
NODISCARD enum err tracker_take(struct tracker *t, const struct source_place *place, const struct catalog *told,
                                uint32_t *count, struct err_msg *msg);

#endif
