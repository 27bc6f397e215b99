/* capture/table_cache.h -- from a TABLE_MAP's id to all that decoding its rows needs, prepared.
 *
 * Each row statement begins with TABLE_MAP events; the same few come again and again.  A body equal to the one seen
 * last for that table costs a look-up and a memcmp.  Ids are void at each new binlog file; what is prepared for a table
 * name stays. Owner: the capture thread. */
#ifndef CAPTURE_TABLE_CACHE_H
#define CAPTURE_TABLE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/definitions.h"
#include "capture/filter.h"
#include "capture/row_decode.h"
#include "capture/schema.h"

struct table_entry {
    const char *database, *table; /* NUL-terminated, owned by the cache */
    uint8_t database_bytes, table_bytes;
    bool is_selected;
    const struct schema_table *definition; /* NULL unless selected */
    struct row_decoder decoder;            /* prepared when selected */
    uint8_t *body;                         /* the TABLE_MAP after its id, for which the above holds */
    uint32_t body_bytes, body_capacity;
    uint64_t schema_generation, definition_serial;
    struct table_entry *next; /* same hash */
};

struct table_cache;

/* Both are borrowed and outlive the cache. */
NODISCARD enum err table_cache_open(struct table_cache **out, struct definitions *definitions,
                                    const struct filter *filter);
void table_cache_close(struct table_cache *c);

/* ROTATE and FORMAT_DESCRIPTION: all ids are void. */
void table_cache_reset(struct table_cache *c);

/* Other tables are selected now.  `filter` is borrowed and outlives the cache. */
void table_cache_select(struct table_cache *c, const struct filter *filter);

/* A TABLE_MAP event's body (after the header, without checksum).  `*out` (never NULL on success) lives until
 * table_cache_reset, and its definition until the schema changes.  ERR_AGAIN, ERR_SCHEMA, ERR_UNSUPPORTED: as
 * definitions_find says; ERR_CORRUPT, ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err table_cache_map(struct table_cache *c, const uint8_t *body, size_t size, struct table_entry **out,
                                   struct err_msg *msg);

/* A rows event's body: reads its header and finds its table.  `*out` is NULL for the dummy event that only ends a
 * statement. ERR_CORRUPT: malformed, or no TABLE_MAP for its id came before in this statement. */
NODISCARD enum err table_cache_rows(struct table_cache *c, uint8_t type, const uint8_t *body, size_t size,
                                    struct rows_event *event, struct table_entry **out, struct err_msg *msg);

#endif
