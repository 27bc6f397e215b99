/* capture/read_ahead.h -- a look at the binlog between the place where capture goes on and where the source stands now, for the
 * statements that change definitions (capture/horizon.h), and at the file's beginning for its GTID set. */
#ifndef CAPTURE_READ_AHEAD_H
#define CAPTURE_READ_AHEAD_H

#include <stdatomic.h>

#include "capture/filter.h"
#include "capture/gtid_set.h"
#include "capture/horizon.h"
#include "capture/source_stream.h"

struct read_ahead {
    struct source_stream *stream;
    const struct filter *filter;
    const _Atomic bool *stop;
    struct source_place from;  /* statements behind it are noted */
    struct source_place until; /* where the source stood */
    struct gtid_set *gtids;    /* NULL: not asked for; else the file of `from` is read from its beginning and this becomes the set at `from` */
    struct statement *statement; /* scratch */
    struct horizon *horizon;
};

/* Dumps, reads, notes; the caller starts the real dump afterwards.  ERR_DISCONNECTED, ERR_STOPPED, ERR_CORRUPT, ERR_NO_MEMORY, and what a dump answers. */
NODISCARD enum err read_ahead(const struct read_ahead *r, struct err_msg *msg);

#endif
