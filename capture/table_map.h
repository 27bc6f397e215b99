/* capture/table_map.h -- the TABLE_MAP event: which table an id stands for, and how its rows are stored.
 * Format: MySQL Internals, "Table_map_event" (libbinlogevents/include/rows_event.h describes it too). */
#ifndef CAPTURE_TABLE_MAP_H
#define CAPTURE_TABLE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TABLE_MAP_COLUMNS_MAX = 4096 };

/* The binlog's column type numbers (enum_field_types). */
enum column_type {
    COLUMN_DECIMAL = 0,
    COLUMN_TINY = 1,
    COLUMN_SHORT = 2,
    COLUMN_LONG = 3,
    COLUMN_FLOAT = 4,
    COLUMN_DOUBLE = 5,
    COLUMN_NULL = 6,
    COLUMN_TIMESTAMP = 7,
    COLUMN_LONGLONG = 8,
    COLUMN_INT24 = 9,
    COLUMN_DATE = 10,
    COLUMN_TIME = 11,
    COLUMN_DATETIME = 12,
    COLUMN_YEAR = 13,
    COLUMN_NEWDATE = 14,
    COLUMN_VARCHAR = 15,
    COLUMN_BIT = 16,
    COLUMN_TIMESTAMP2 = 17,
    COLUMN_DATETIME2 = 18,
    COLUMN_TIME2 = 19,
    COLUMN_TYPED_ARRAY = 20,
    COLUMN_BLOB_COMPRESSED = 140,
    COLUMN_VARCHAR_COMPRESSED = 141,
    COLUMN_VECTOR = 242,
    COLUMN_JSON = 245,
    COLUMN_NEWDECIMAL = 246,
    COLUMN_ENUM = 247,
    COLUMN_SET = 248,
    COLUMN_TINY_BLOB = 249,
    COLUMN_MEDIUM_BLOB = 250,
    COLUMN_LONG_BLOB = 251,
    COLUMN_BLOB = 252,
    COLUMN_VAR_STRING = 253,
    COLUMN_STRING = 254,
    COLUMN_GEOMETRY = 255,
};

/* MySQL 8.0 and MariaDB 10.5 on: binlog_row_metadata (capture/table_metadata.h reads it). */
enum table_map_optional_kind {
    TABLE_MAP_SIGNEDNESS = 1,
    TABLE_MAP_DEFAULT_CHARSET,
    TABLE_MAP_COLUMN_CHARSETS,
    TABLE_MAP_NAMES,
    TABLE_MAP_SET_LABELS,
    TABLE_MAP_ENUM_LABELS,
    TABLE_MAP_GEOMETRY_TYPES,
    TABLE_MAP_KEY,
    TABLE_MAP_KEY_WITH_PREFIXES,
    TABLE_MAP_LABELS_DEFAULT_CHARSET,
    TABLE_MAP_LABELS_CHARSETS,
    TABLE_MAP_VISIBILITY,
    TABLE_MAP_VECTOR_DIMENSIONS,
    TABLE_MAP_OPTIONAL_COUNT
};

struct table_map_optional {
    const uint8_t *bytes;
    size_t size;
};

struct table_map { /* about 13 KB; names and optional metadata point into the event */
    uint64_t table_id;
    uint16_t flags;
    const char *database, *table; /* UTF-8, not NUL-terminated here */
    uint8_t database_bytes, table_bytes;
    uint16_t column_count;
    bool last_is_nullable;
    struct table_map_optional optional[TABLE_MAP_OPTIONAL_COUNT]; /* by enum table_map_optional_kind; bytes NULL: not
                                                                     told */
    uint8_t type[TABLE_MAP_COLUMNS_MAX];      /* enum column_type; STRING is resolved to ENUM, SET or STRING */
    uint16_t metadata[TABLE_MAP_COLUMNS_MAX]; /* STRING VARCHAR: bytes at most; ENUM SET BLOBs JSON: bytes of value or
                                                 length; NEWDECIMAL: precision << 8 | scale; BIT: bits; TIME2..:
                                                 fraction digits */
};

/* The id at the body's start; 0 bytes are consumed.  `size` at least 6, else 0. */
uint64_t table_map_id(const uint8_t *body, size_t size);

/* table_map_decode reads the event body (after the 19-byte header, without checksum).  Borrows `body` for the names.
 * ERR_CORRUPT: it does not hold what it says.  ERR_TOO_LARGE: more columns than MySQL allows.  ERR_UNSUPPORTED: a
 * column type that we do not know the metadata of, so nothing after it can be read. */
NODISCARD enum err table_map_decode(struct table_map *out, const uint8_t *body, size_t size, struct err_msg *msg);

/* Word for a type number: "BIGINT", "VARCHAR", ..., "type 99". */
const char *column_type_name(uint8_t type);

#endif
