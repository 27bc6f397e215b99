/* formats/change_event.h -- the border between capture and the record formats.
 *
 * Capture turns binlog events into change events; a format turns a change event into the bytes of one record.  A
 * new format is one file that implements formats/record_format.h and needs nothing else of ours.
 * Everything a change event points to is borrowed and valid only during the call it is passed to. */
#ifndef FORMATS_CHANGE_EVENT_H
#define FORMATS_CHANGE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum change_operation { /* numbers: the operation enum of the tracked record */
    CHANGE_INSERT = 0, CHANGE_UPDATE = 1, CHANGE_DELETE = 2, CHANGE_DDL = 3,
    CHANGE_BEGIN = 4, CHANGE_COMMIT = 5, CHANGE_HEARTBEAT = 8,
};

enum change_type { /* a column's type as users declare it; the binlog's generations are folded away */
    CHANGE_TINYINT, CHANGE_SMALLINT, CHANGE_MEDIUMINT, CHANGE_INT, CHANGE_BIGINT,
    CHANGE_BIT, CHANGE_FLOAT, CHANGE_DOUBLE, CHANGE_DECIMAL,
    CHANGE_DATE, CHANGE_TIME, CHANGE_DATETIME, CHANGE_TIMESTAMP, CHANGE_YEAR,
    CHANGE_CHAR, CHANGE_VARCHAR, CHANGE_TEXT, CHANGE_BINARY, CHANGE_VARBINARY, CHANGE_BLOB,
    CHANGE_ENUM, CHANGE_SET, CHANGE_JSON, CHANGE_GEOMETRY,
    CHANGE_TYPE_COUNT
};

struct change_column {
    const char      *name; /* UTF-8, NUL-terminated */
    const char      *charset; /* MySQL's name (utf8mb4, latin1, ...) of CHAR, VARCHAR, TEXT; NULL for all others */
    enum change_type type;
    bool             is_unsigned;
    uint8_t          precision; /* DECIMAL: digits; BIT: bits */
    uint8_t          scale;     /* DECIMAL: digits after the point; TIME, DATETIME, TIMESTAMP: fraction digits 0..6 */
};

struct change_key {
    const char     *name; /* PRIMARY or the unique index's name */
    const uint16_t *column; /* indexes into columns, in key order */
    uint16_t        column_count;
};

struct change_table { /* one definition of a table; a change of definition makes a new one */
    const char *database, *table; /* UTF-8, NUL-terminated */
    struct change_column *column;
    struct change_key    *key;
    uint16_t    column_count, key_count;
    uint64_t    meta_version; /* > 0; differs whenever names, types or keys differ */
    void       *format_data;  /* the format's own: made by table_prepare, freed by table_release */
};

enum change_value_kind {
    CHANGE_VALUE_NULL,
    CHANGE_VALUE_ABSENT,    /* not in the row image */
    CHANGE_VALUE_INT,       /* .i: signed integers, YEAR */
    CHANGE_VALUE_UINT,      /* .u: unsigned integers, BIT */
    CHANGE_VALUE_FLOAT,     /* .d holds a float's value exactly */
    CHANGE_VALUE_DOUBLE,    /* .d */
    CHANGE_VALUE_DATETIME,  /* .t: DATE, TIME, DATETIME (the column's type says which parts count) */
    CHANGE_VALUE_TIMESTAMP, /* .ts */
    CHANGE_VALUE_BYTES,     /* .bytes, size as stored: CHAR VARCHAR TEXT BINARY VARBINARY BLOB, GEOMETRY (SRID, WKB) */
    CHANGE_VALUE_TEXT,      /* .bytes, size: ASCII/UTF-8 text made by capture: DECIMAL, ENUM label, SET labels, JSON */
};

struct change_datetime {
    uint32_t microsecond;
    uint16_t year, hour; /* TIME: hours to 838 */
    uint8_t  month, day, minute, second;
    bool     is_negative; /* TIME only */
};

struct change_value {
    uint8_t  kind; /* enum change_value_kind */
    uint32_t size; /* bytes, for BYTES and TEXT */
    union {
        int64_t  i;
        uint64_t u;
        double   d;
        const uint8_t *bytes;
        struct change_datetime t;
        struct { int64_t seconds; uint32_t microsecond; } ts;
    };
};

struct change_source { /* the same for all events of one connection */
    const char *server_version; /* ASCII, e.g. 8.0.28-log */
    uint32_t    server_version_bytes;
    bool        lower_case_table_names;
};

static inline struct change_source change_source_of(const char *server_version, bool lower_case_table_names)
{
    return (struct change_source){server_version, (uint32_t)strlen(server_version), lower_case_table_names};
}

struct change_event {
    enum change_operation operation;
    uint32_t timestamp_s;       /* the source's clock; > 0 */
    uint32_t file_number;       /* numeric suffix of the binlog file */
    uint64_t start_position;    /* bytes: where to restart from to see this event (a row: its TABLE_MAP) */
    uint64_t end_position;      /* bytes: end of the event in the file */
    uint64_t read_time_ms;      /* Unix milliseconds at which we handled it */
    uint32_t server_id;         /* of the server that wrote the event */
    uint32_t thread_id;         /* connection on the source; 0 unknown */
    const struct change_source *source;
    const char *gtid;           /* BEGIN, COMMIT, DDL: text or NULL */
    const char *gtid_set;       /* DDL: the executed set with this statement, text, or NULL */
    bool        has_query_status; /* BEGIN, COMMIT, DDL: the next three were in the Query event */
    uint32_t    flags2, client_charset;
    uint64_t    sql_mode;

    const struct change_table *table; /* INSERT UPDATE DELETE */
    const struct change_value *before, *after; /* column_count each; NULL where the operation has none */

    const char *ddl_database;   /* DDL: the default database of the statement, "" if none */
    const char *ddl_text;       /* DDL: UTF-8, not NUL-terminated */
    size_t      ddl_text_bytes;
};

#endif
