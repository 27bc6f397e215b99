/* capture/schema.h -- the definitions of selected tables, ready for decoding, made from the catalog's.
 *
 * A binlog names columns by number and types by storage; names, signedness, labels, charsets and keys come from here.
 * Definitions are objects: a table that changes gets a new one, the old one is released.  A table of which nothing
 * changed that readers see keeps its object.  Owner: the capture thread; nothing here is shared. */
#ifndef CAPTURE_SCHEMA_H
#define CAPTURE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/text_utf8.h"
#include "formats/change_event.h"
#include "formats/record_format.h"

struct catalog_table;  /* capture/catalog.h */
struct table_map;      /* capture/table_map.h */
struct catalog_server;
struct table_metadata; /* capture/table_metadata.h */

enum {
    SCHEMA_COLUMNS_MAX = 4096,
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
    const char *stored_charset;       /* of a text, as the source stores it; NULL: no text */
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
    bool perhaps_row_id;   /* the same of an archive, which does not tell whether it is one of ApsaraDB RDS */
    uint8_t hash_keys;     /* MariaDB: a UNIQUE key on a BLOB or TEXT has a hidden last BIGINT each, its hash */
    bool json_keeps_point; /* MySQL 8 prints a whole double in JSON as 1.0, 5.7 as 1 */
    bool is_versioned;     /* MariaDB: system-versioned */
    uint64_t serial;       /* of this object: no two of a schema have the same */
};

/* MariaDB: are the hidden columns the implicit period of a row of a system-versioned table? */
static inline bool schema_hides_period(const struct schema_table *t, uint16_t hidden_columns)
{
    return t->is_versioned && hidden_columns == 2;
}

/* What definitions depend on beside the catalog. */
struct schema_rules {
    bool ignore_case;      /* the source has lower_case_table_names 1 or 2 */
    bool is_mariadb;
    bool is_rds;           /* ApsaraDB RDS */
    bool is_perhaps_rds;   /* an archive of a MySQL: there is no telling */
    bool json_keeps_point; /* see struct schema_table */
    bool delivers_utf8mb4; /* CHAR, VARCHAR and TEXT are delivered in utf8mb4 and say so */
};

struct schema;

/* `format` prepares each definition (table_prepare, table_release); NULL: nobody does (tests). */
NODISCARD enum err schema_open(struct schema **out, const struct record_format *format,
                               const struct schema_rules *rules);
void schema_close(struct schema *s);

/* The definition that `from` makes; the one that is there already when nothing in it changed.  `*out` lives until the
 * table is defined anew or forgotten.  ERR_UNSUPPORTED names a column of an unknown type; ERR_NO_MEMORY. */
NODISCARD enum err schema_define(struct schema *s, const struct catalog_table *from, const struct schema_table **out,
                                 struct err_msg *msg);
void schema_forget(struct schema *s, const char *database, const char *table);
void schema_forget_database(struct schema *s, const char *database);

/* The serial of the table's definition; 0: it has none. */
uint64_t schema_serial(const struct schema *s, const char *database, const char *table);

/* The catalog moved: definitions are to be looked up again. */
void schema_moved(struct schema *s);
/* Changes whenever an object has been released, and with schema_moved: who keeps pointers looks them up again.  Starts
 * at 1. */
uint64_t schema_generation(const struct schema *s);

/* Does the binlog's own description of a table fit the definition: column count, each column's type and sizes?
 * ERR_SCHEMA names table, column and both types.  `hidden_columns`: how many last columns of the event have no
 * definition (see may_hide_row_id, hash_keys, schema_hides_period). */
NODISCARD enum err schema_check_map(const struct schema_table *t, const struct table_map *map, uint16_t *hidden_columns,
                                    struct err_msg *msg);
/* The same for what the source writes beside the types: signs, names, character sets, labels, primary key. */
NODISCARD enum err schema_check_metadata(const struct schema_table *t, const struct table_metadata *m,
                                         const struct catalog_server *server, struct err_msg *msg);

#endif
