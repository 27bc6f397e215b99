/* capture/look.h -- before a dump: what capture must know of the source and of the binlog ahead.
 *
 * The definitions, when the tracker does not know all of them: they are read while the source's end is noted before and
 * after, and the binlog between the place where capture goes on and that end is read for statements that change them.
 * The same reading gives the GTID set of the place and the transactions that end without their changes.  When neither
 * definitions nor those are wanted, nothing ahead of the place is read: a backlog is then read once. */
#ifndef CAPTURE_LOOK_H
#define CAPTURE_LOOK_H

#include "capture/follower.h"
#include "capture/read_ahead.h"
#include "capture/source_stream.h"

struct look { /* survives a connection that breaks */
    struct read_ahead ahead;
    struct catalog *seen; /* read, and not yet given to the tracker; NULL: none was wanted */
    struct source_place before;
};

struct look_door { /* borrowed */
    struct source_stream *stream;
    struct follower *follower;
    const _Atomic bool *stop;
    uint64_t event_bytes_max;
    const char *schema_file; /* the user's CREATE statements; NULL: none */
    bool wants_dead; /* transactions that end without their changes are to be known */
};

void look_free(struct look *l);

/* Does the look: from f->resume to where the source stands, if anything there is of use.  `wants_definitions`:
 * tracker_learn is told what it sees.  Errors of the source's stream, of tracker_learn; an interrupted one goes on with
 * the next call. */
NODISCARD enum err look(struct look *l, const struct look_door *door, bool wants_definitions, struct err_msg *msg);
static inline bool look_is_under_way(const struct look *l)
{
    return l->ahead.is_under_way;
}

/* A statement that cannot be followed stands at f->at.  If that is where the source stands, its definitions are those
 * behind it, and the tracker is told.  ERR_AGAIN: the source has moved on. */
NODISCARD enum err look_here(const struct look_door *door, struct err_msg *msg);

#endif
