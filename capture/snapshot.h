/* capture/snapshot.h -- the source's definitions of now, from its information_schema into a catalog. */
#ifndef CAPTURE_SNAPSHOT_H
#define CAPTURE_SNAPSHOT_H

#include "base/err.h"
#include "capture/catalog.h"
#include "capture/filter.h"
#include "capture/source_stream.h"

/* What the source's rules for names and definitions are. */
struct snapshot_rules {
    struct catalog_server server;
    bool is_rds;
    bool explicit_defaults_for_timestamp; /* its global variable */
};
NODISCARD enum err snapshot_rules_read(struct source_stream *s, const char *version, struct snapshot_rules *out,
                                       struct err_msg *msg);

/* Reads all databases and tables into `c`, which is empty; not those of the system schemas, unless `filter` selects
 * their database.  Tables of which something does not fit are left out.  ERR_TOO_LARGE, ERR_NO_MEMORY, and the query's
 * errors. */
NODISCARD enum err snapshot_read(struct source_stream *s, const struct filter *filter, struct catalog *c,
                                 struct err_msg *msg);
#endif
