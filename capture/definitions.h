/* capture/definitions.h -- which definition the rows behind a TABLE_MAP event have.
 *
 * The order of truth: what the event itself says (binlog_row_metadata=FULL), the tracker.  Where the event says all and
 * the tracker something else, the tracker learns from the event: a change of definition can be kept from the binlog
 * (sql_log_bin=0), what stands in it cannot be wrong.  Where the event says less and does not fit, the tracker's
 * definition is doubted and the source asked. */
#ifndef CAPTURE_DEFINITIONS_H
#define CAPTURE_DEFINITIONS_H

#include "base/err.h"
#include "capture/schema.h"
#include "capture/table_map.h"
#include "capture/tracker.h"

struct definitions { /* all borrowed */
    struct tracker *tracker;
    struct schema *schema;
    struct source_place at; /* kept by the owner: behind the event being read */
    struct source_place doubted_at; /* where a definition was doubted last, and whose */
    char doubted_database[256], doubted_table[256];
};

/* `*out` lives as schema_define says.  ERR_AGAIN: the source is to be asked (tracker_learn), then again; msg says for
 * what.  ERR_SCHEMA: it was asked, or the definition does not fit, msg names table and reason; ERR_UNSUPPORTED,
 * ERR_CORRUPT, ERR_NO_MEMORY. */
NODISCARD enum err definitions_find(struct definitions *d, const struct table_map *map, const struct schema_table **out,
                                    struct err_msg *msg);

#endif
