/* capture/boundary.h -- where transactions begin in a binlog that is only passed through, without decoding rows. */
#ifndef CAPTURE_BOUNDARY_H
#define CAPTURE_BOUNDARY_H

#include <stdbool.h>

#include "base/cursor.h"
#include "capture/binlog_event.h"

struct boundary { /* zero: between transactions */
    bool is_announced, is_open; /* a GTID was read; a transaction is open */
};

/* Takes the next event; `body` without checksum, `format` NULL while it is not known.  True: it is the first one of a
 * transaction. */
bool boundary_event(struct boundary *b, const struct binlog_header *h, struct cursor body,
                    const struct binlog_format *format);

/* Behind the newest event: does a transaction end there, or none was open? */
static inline bool boundary_is_between(const struct boundary *b)
{
    return !b->is_open && !b->is_announced;
}

#endif
