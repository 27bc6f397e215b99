/* capture/source_search.h -- looking for a place in the source's binlog: by its files' heads, then within one file.
 *
 * A file's head tells when it was begun and which transactions lie before it, so the right file is found by bisection,
 * with one short dump each.  Within the file the events are read without decoding rows, at the rate of the dump. */
#ifndef CAPTURE_SOURCE_SEARCH_H
#define CAPTURE_SOURCE_SEARCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/gtid_set.h"
#include "capture/source_facts.h"
#include "capture/source_stream.h"

struct source_head {       /* of a binlog file */
    uint32_t time_s;       /* of its FORMAT_DESCRIPTION */
    bool has_set;          /* it says which transactions lie before it: */
    struct gtid_set before;
};

/* Reads a file's head; `out->before` is the caller's to free, also on error.  Errors of the dump; ERR_CORRUPT. */
NODISCARD enum err source_head_read(struct source_stream *s, const char *file, struct source_head *out,
                                    struct err_msg *msg);

/* The start of the newest file before which nothing lies that `ours` lacks: all that is missing is at or behind it.
 * ERR_SOURCE_PURGED: the oldest file is behind that already; msg names what is missing. */
NODISCARD enum err source_find_set(struct source_stream *s, const struct gtid_set *ours, struct source_place *out,
                                   struct err_msg *msg);

/* The start of the first transaction at or after `time_s`, in the binlog's order; the binlog's end when there is none.
 * ERR_SOURCE_PURGED: the binlog begins later. */
NODISCARD enum err source_find_time(struct source_stream *s, const struct source_facts *facts, uint32_t time_s,
                                    const _Atomic bool *stop, struct source_place *out, struct err_msg *msg);

/* Does a transaction begin, or the file end, at `place`?  ERR_INVALID: no; msg names the place before it where one
 * does. */
NODISCARD enum err source_check_boundary(struct source_stream *s, const struct source_place *place,
                                         const _Atomic bool *stop, struct err_msg *msg);

#endif
