/* capture/metadata_define.h -- a definition made from a TABLE_MAP event alone: under binlog_row_metadata=FULL it says
 * everything that a row needs. */
#ifndef CAPTURE_METADATA_DEFINE_H
#define CAPTURE_METADATA_DEFINE_H

#include "base/err.h"
#include "capture/arena.h"
#include "capture/catalog.h"
#include "capture/table_metadata.h"

/* `metadata` (is_full) of `map`; memory from `arena`.  `known` (may be NULL) is the definition that was thought to
 * hold: of it come what the event does not tell, the unique keys, and MariaDB's types that are stored as BINARY.
 * ERR_UNSUPPORTED: a column that the event does not describe well enough; ERR_NO_MEMORY. */
NODISCARD enum err metadata_define(struct catalog_table *out, struct arena *arena, const struct catalog_server *server,
                                   const struct table_map *map, const struct table_metadata *metadata,
                                   const struct catalog_table *known);

#endif
