/* capture/start_place.h -- where in a source's binlog a channel begins, and where it goes on after a break.
 *
 * Going on needs a source whose history is ours (docs/design.md 4).  The server that was read last must still have the
 * file, begun at the same second, and all transactions that we have; another server must have those, and still the
 * others in its binlog: then that is a fail-over. */
#ifndef CAPTURE_START_PLACE_H
#define CAPTURE_START_PLACE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "capture/capture.h"
#include "capture/follower.h"
#include "capture/gtid_set.h"
#include "capture/source_facts.h"
#include "capture/source_stream.h"

struct start_place {
    struct source_place place;
    struct gtid_set gtids; /* of the place, or those to pass over; the caller frees */
    bool gtids_known;
    bool by_gtids; /* what follows `place` is passed over where `gtids` has it */
};

/* Where the wish of `config` leads.  ERR_INVALID: not a place where a channel can begin; ERR_SOURCE_PURGED: no longer
 * on the source; ERR_SOURCE_CONFIG, and the stream's.  `out->gtids` is to be freed also on error. */
NODISCARD enum err start_place_choose(struct source_stream *s, const struct source_facts *facts,
                                      const struct capture_config *config, const _Atomic bool *stop,
                                      struct start_place *out, struct err_msg *msg);

/* Is the source that was reached (f->facts) one where f->resume can go on?  Moves it there: to a file's start by GTIDs
 * when it is another server.  `has_others`: other hosts are left to try, so one that does not fit is ERR_CONNECT.
 * ERR_SOURCE_HISTORY, ERR_SOURCE_PURGED, ERR_TOO_LARGE, and the stream's. */
NODISCARD enum err start_place_resume(struct source_stream *s, struct follower *f, bool has_others,
                                      struct err_msg *msg);

#endif
