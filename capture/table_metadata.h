/* capture/table_metadata.h -- what a TABLE_MAP event says beyond types: the source's binlog_row_metadata.
 *
 * MINIMAL gives signedness and character sets, FULL also names, labels, the primary key and visibility.  Format: MySQL
 * Internals, Table_map_event::Optional_metadata_fields.  What the servers count as a column "with a sign" and "of
 * characters" was seen in their events: MySQL 9.7 and MariaDB 10.11 count YEAR among the numbers; MySQL counts VECTOR
 * among the characters, MariaDB GEOMETRY, INET4, INET6 and UUID. */
#ifndef CAPTURE_TABLE_METADATA_H
#define CAPTURE_TABLE_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/table_map.h"

#define TABLE_METADATA_RDS_ROW_ID "__#alibaba_rds_row_id#__" /* hidden, last */

struct table_metadata_column {
    const char *name; /* UTF-8, not NUL-terminated; borrowed from the event */
    uint32_t name_bytes;
    uint32_t collation;         /* of a text column, 63 of a binary one; 0: not told */
    const uint8_t *labels;      /* ENUM, SET: each with its length in front, in the column's character set */
    uint32_t labels_bytes, label_count;
    uint32_t key_prefix_chars;  /* see key */
    bool is_unsigned;
    bool is_visible;
};

struct table_metadata {
    bool has_signedness, has_charsets, has_names, has_labels;
    bool is_full; /* names, and labels and character sets where there are columns that have them */
    uint16_t column_count;
    uint16_t key_count; /* columns of the primary key; 0: none, or not told */
    uint16_t *key;      /* their indexes, in the key's order */
    struct table_metadata_column *column;
};

/* Reads what `map` holds; the result borrows the event.  `is_mariadb`: which columns count (see above).  Free it with
 * table_metadata_fini, also after an error.  ERR_CORRUPT: it does not fit the columns; ERR_NO_MEMORY. */
NODISCARD enum err table_metadata_read(struct table_metadata *out, const struct table_map *map, bool is_mariadb,
                                       struct err_msg *msg);
void table_metadata_fini(struct table_metadata *m);

#endif
