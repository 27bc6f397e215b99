/* capture/schema.h -- table definitions, read from the source's information_schema.
 *
 * A binlog names columns by number and types by storage; names, signedness, labels, charsets and keys come from here.
 * Definitions are objects: a table that changes gets a new one, the old one is released.  A table that is re-read and
 * found unchanged keeps its object.  Owner: the capture thread; nothing here is shared. */
#ifndef CAPTURE_SCHEMA_H
#define CAPTURE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/filter.h"
#include "capture/text_utf8.h"
#include "formats/change_event.h"
#include "formats/record_format.h"

struct table_map; /* capture/table_map.h */

enum {
    SCHEMA_COLUMNS_MAX = 4096,
    SCHEMA_KEYS_MAX = 64, /* MySQL's limit, as the next */
    SCHEMA_KEY_COLUMNS_MAX = 32,
    SCHEMA_TABLES_MAX = 1 << 18,
};

struct schema_label {
    const char *text; /* UTF-8, NUL-terminated */
    uint32_t size;    /* bytes without the NUL */
};

/* Types beyond MySQL's that are shown as text or bytes. */
enum schema_special {
    SCHEMA_SPECIAL_NONE,
    SCHEMA_SPECIAL_INET4, /* MariaDB: delivered as text, type CHAR, charset ascii */
    SCHEMA_SPECIAL_INET6,
    SCHEMA_SPECIAL_UUID,
    SCHEMA_SPECIAL_VECTOR, /* MySQL 9, MariaDB 11.7: delivered as stored, type BLOB */
};

struct schema_column {                /* what decoding needs beside struct change_column */
    const char *type_text;            /* COLUMN_TYPE as the source prints it */
    const struct text_charset *text;  /* values are converted from it to utf8mb4; NULL: delivered as stored */
    const struct schema_label *label; /* ENUM, SET: label[0] is index 1 or bit 0 */
    uint16_t label_count;
    uint8_t special;       /* enum schema_special */
    bool is_compressed;    /* MariaDB's COMPRESSED attribute: a head and a zlib stream instead of the value */
    uint8_t prefix_bytes;  /* TEXT BLOB JSON GEOMETRY: bytes of the length in front of a value, 1 to 4 */
    uint32_t length_bytes; /* CHAR VARCHAR BINARY VARBINARY: bytes at most (CHARACTER_OCTET_LENGTH) */
};

struct schema_table {
    struct change_table table; /* what record formats see; table.column[i] and column[i] are the same column */
    struct schema_column *column;
    bool may_hide_row_id;  /* an ApsaraDB RDS table without a primary key: a hidden last BIGINT is in the binlog */
    uint8_t hash_keys;     /* MariaDB: a UNIQUE key on a BLOB or TEXT has a hidden last BIGINT each, its hash */
    bool json_keeps_point; /* MySQL 8 prints a whole double in JSON as 1.0, 5.7 as 1 */
    bool is_versioned;     /* MariaDB: system-versioned */
};

/* MariaDB: are the hidden columns the implicit period of a row of a system-versioned table? */
static inline bool schema_hides_period(const struct schema_table *t, uint16_t hidden_columns)
{
    return t->is_versioned && hidden_columns == 2;
}

/* The seam to the source: runs one statement and calls `row` for each row of its result, fields as text (NULL for SQL
 * NULL), not NUL-terminated.  An error of `row` ends the query and is returned.  The connection speaks utf8mb4. */
struct schema_query {
    enum err (*run)(void *context, const char *sql,
                    enum err (*row)(void *row_context, const char *const *field, const size_t *field_bytes,
                                    uint32_t field_count),
                    void *row_context, struct err_msg *msg);
    void *context;
};

struct schema;

/* `format` prepares each definition (table_prepare, table_release); NULL: nobody does (tests).  `ignore_case`: the
 * source has lower_case_table_names 1 or 2.  `query` is copied, its context borrowed. */
NODISCARD enum err schema_open(struct schema **out, const struct schema_query *query,
                               const struct record_format *format, bool ignore_case);
void schema_close(struct schema *s);
/* From the next load on: CHAR, VARCHAR and TEXT are delivered in utf8mb4 and say so. */
void schema_deliver_utf8mb4(struct schema *s);

/* Reads all selected tables in two queries; tables gone from the source are forgotten.
 * On error nothing changed.  ERR_UNSUPPORTED names a column of an unknown type; errors of the query as they are. */
NODISCARD enum err schema_load_selected(struct schema *s, const struct filter *filter, struct err_msg *msg);

/* Reads one table, whatever the filter says.  ERR_NOT_FOUND: it does not exist (any more), and is forgotten. */
NODISCARD enum err schema_load_table(struct schema *s, const char *database, const char *table, struct err_msg *msg);

/* NULL: not loaded.  The object lives until its definition changes. */
const struct schema_table *schema_find(const struct schema *s, const char *database, size_t database_bytes,
                                       const char *table, size_t table_bytes);

/* Changes whenever an object has been released: who keeps pointers looks them up again.  Starts at 1. */
uint64_t schema_generation(const struct schema *s);
uint32_t schema_table_count(const struct schema *s);
/* `index` below schema_table_count; sorted by database and table. */
const struct schema_table *schema_table_at(const struct schema *s, uint32_t index);

/* Does the binlog's own description of a table fit the definition: column count, each column's type and sizes, and,
 * where the source writes them, signedness and names?  ERR_SCHEMA names table, column and both types.
 * `hidden_columns`: how many last columns of the event have no definition (see may_hide_row_id, hash_keys,
 * schema_hides_period). */
NODISCARD enum err schema_check_map(const struct schema_table *t, const struct table_map *map, uint16_t *hidden_columns,
                                    struct err_msg *msg);

#endif
