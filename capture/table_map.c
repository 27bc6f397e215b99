#include "capture/table_map.h"

#include <stdio.h>

#include "base/cursor.h"

uint64_t table_map_id(const uint8_t *body, size_t size)
{
    struct cursor in = cursor_of(body, size);
    return cursor_le(&in, 6);
}

const char *column_type_name(uint8_t type)
{
    static const char *const name[256] = {
        [COLUMN_DECIMAL] = "DECIMAL (before MySQL 5.0)",
        [COLUMN_TINY] = "TINYINT",
        [COLUMN_SHORT] = "SMALLINT",
        [COLUMN_LONG] = "INT",
        [COLUMN_FLOAT] = "FLOAT",
        [COLUMN_DOUBLE] = "DOUBLE",
        [COLUMN_NULL] = "NULL",
        [COLUMN_TIMESTAMP] = "TIMESTAMP (before MySQL 5.6)",
        [COLUMN_LONGLONG] = "BIGINT",
        [COLUMN_INT24] = "MEDIUMINT",
        [COLUMN_DATE] = "DATE",
        [COLUMN_TIME] = "TIME (before MySQL 5.6)",
        [COLUMN_DATETIME] = "DATETIME (before MySQL 5.6)",
        [COLUMN_YEAR] = "YEAR",
        [COLUMN_NEWDATE] = "DATE",
        [COLUMN_VARCHAR] = "VARCHAR or VARBINARY",
        [COLUMN_BIT] = "BIT",
        [COLUMN_TIMESTAMP2] = "TIMESTAMP",
        [COLUMN_DATETIME2] = "DATETIME",
        [COLUMN_TIME2] = "TIME",
        [COLUMN_TYPED_ARRAY] = "typed array",
        [COLUMN_BLOB_COMPRESSED] = "compressed BLOB or TEXT",
        [COLUMN_VARCHAR_COMPRESSED] = "compressed VARCHAR",
        [COLUMN_VECTOR] = "VECTOR",
        [COLUMN_JSON] = "JSON",
        [COLUMN_NEWDECIMAL] = "DECIMAL",
        [COLUMN_ENUM] = "ENUM",
        [COLUMN_SET] = "SET",
        [COLUMN_TINY_BLOB] = "TINYBLOB or TINYTEXT",
        [COLUMN_MEDIUM_BLOB] = "MEDIUMBLOB or MEDIUMTEXT",
        [COLUMN_LONG_BLOB] = "LONGBLOB or LONGTEXT",
        [COLUMN_BLOB] = "BLOB or TEXT",
        [COLUMN_VAR_STRING] = "CHAR or BINARY",
        [COLUMN_STRING] = "CHAR or BINARY",
        [COLUMN_GEOMETRY] = "GEOMETRY",
    };
    return name[type] != NULL ? name[type] : "an unknown type";
}

/* A STRING column's two bytes: its real type, and its length whose bits 8 and 9 hide, inverted, in the type's bits 4
 * and 5. */
static void resolve_string(struct table_map *m, unsigned i, unsigned first, unsigned second)
{
    if ((first & 0x30) != 0x30) {
        m->type[i] = (uint8_t)(first | 0x30);
        m->metadata[i] = (uint16_t)(second | ((first & 0x30) ^ 0x30) << 4);
    } else {
        m->type[i] = (uint8_t)first;
        m->metadata[i] = (uint16_t)second;
    }
}

/* Reads the metadata of column `i`, whose size and byte order depend on its type. */
static enum err decode_metadata(struct table_map *m, unsigned i, struct cursor *in, struct err_msg *msg)
{
    switch (m->type[i]) {
    case COLUMN_TINY:
    case COLUMN_SHORT:
    case COLUMN_INT24:
    case COLUMN_LONG:
    case COLUMN_LONGLONG:
    case COLUMN_NULL:
    case COLUMN_YEAR:
    case COLUMN_DATE:
    case COLUMN_NEWDATE:
    case COLUMN_TIME:
    case COLUMN_DATETIME:
    case COLUMN_TIMESTAMP:
    case COLUMN_DECIMAL: m->metadata[i] = 0; return ERR_OK;
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE:
    case COLUMN_TIMESTAMP2:
    case COLUMN_DATETIME2:
    case COLUMN_TIME2:
    case COLUMN_TINY_BLOB:
    case COLUMN_BLOB:
    case COLUMN_MEDIUM_BLOB:
    case COLUMN_LONG_BLOB:
    case COLUMN_BLOB_COMPRESSED:
    case COLUMN_GEOMETRY:
    case COLUMN_JSON:
    case COLUMN_VECTOR: m->metadata[i] = (uint16_t)cursor_le(in, 1); return ERR_OK;
    case COLUMN_VARCHAR:
    case COLUMN_VARCHAR_COMPRESSED: m->metadata[i] = (uint16_t)cursor_le(in, 2); return ERR_OK;
    case COLUMN_NEWDECIMAL:
        m->metadata[i] = (uint16_t)cursor_be(in, 2); /* precision, then scale */
        return ERR_OK;
    case COLUMN_BIT: {
        unsigned bits = (unsigned)cursor_le(in, 1);
        unsigned bytes = (unsigned)cursor_le(in, 1);
        m->metadata[i] = (uint16_t)(bytes * 8 + bits);
        return ERR_OK;
    }
    case COLUMN_STRING:
    case COLUMN_VAR_STRING:
    case COLUMN_ENUM:
    case COLUMN_SET: {
        unsigned first = (unsigned)cursor_le(in, 1);
        unsigned second = (unsigned)cursor_le(in, 1);
        resolve_string(m, i, first, second);
        return ERR_OK;
    }
    default:
        return err_set(msg, ERR_UNSUPPORTED,
                       "table %.*s.%.*s: column %u has type number %u in the binlog, which is not known here",
                       (int)m->database_bytes, m->database, (int)m->table_bytes, m->table, i + 1, m->type[i]);
    }
}

/* A name with its length in front and a NUL behind. */
static const char *decode_name(struct cursor *in, uint8_t *bytes)
{
    *bytes = (uint8_t)cursor_le(in, 1);
    const uint8_t *name = cursor_take(in, *bytes);
    if (cursor_le(in, 1) != 0) in->failed = true;
    return (const char *)name;
}

/* Type, length, value until the end.  A field we do not know is skipped. */
static void decode_optional(struct table_map *m, struct cursor *in)
{
    while (!in->failed && cursor_left(in) != 0) {
        uint64_t type = cursor_le(in, 1);
        uint64_t size = cursor_lenenc(in);
        const uint8_t *value = cursor_take(in, size);
        if (value == NULL) return;
        if (type < TABLE_MAP_OPTIONAL_COUNT) m->optional[type] = (struct table_map_optional){value, (size_t)size};
    }
}

enum err table_map_decode(struct table_map *out, const uint8_t *body, size_t size, struct err_msg *msg)
{
    struct cursor in = cursor_of(body, size);
    struct table_map *m = out;

    m->table_id = cursor_le(&in, 6);
    m->flags = (uint16_t)cursor_le(&in, 2);
    m->database = decode_name(&in, &m->database_bytes);
    m->table = decode_name(&in, &m->table_bytes);
    uint64_t column_count = cursor_lenenc(&in);
    if (in.failed) return err_set(msg, ERR_CORRUPT, "TABLE_MAP event of %zu bytes ends inside its names", size);
    if (column_count > TABLE_MAP_COLUMNS_MAX)
        return err_set(msg, ERR_TOO_LARGE, "table %.*s.%.*s has %llu columns in the binlog, more than %u",
                       (int)m->database_bytes, m->database, (int)m->table_bytes, m->table,
                       (unsigned long long)column_count, (unsigned)TABLE_MAP_COLUMNS_MAX);
    m->column_count = (uint16_t)column_count;
    const uint8_t *types = cursor_take(&in, m->column_count);
    if (types != NULL) memcpy(m->type, types, m->column_count);
    uint64_t metadata_bytes = cursor_lenenc(&in);
    const uint8_t *metadata = cursor_take(&in, metadata_bytes);
    const uint8_t *nullable = cursor_take(&in, (m->column_count + 7u) / 8); /* the rows say it again */
    unsigned last = m->column_count == 0 ? 0 : m->column_count - 1u;
    m->last_is_nullable = m->column_count > 0 && nullable != NULL && (nullable[last / 8] >> last % 8 & 1) != 0;
    memset(m->optional, 0, sizeof m->optional);
    decode_optional(m, &in);
    if (in.failed)
        return err_set(msg, ERR_CORRUPT, "TABLE_MAP event of table %.*s.%.*s ends inside its columns",
                       (int)m->database_bytes, m->database, (int)m->table_bytes, m->table);

    struct cursor meta = cursor_of(metadata, metadata_bytes);
    for (unsigned i = 0; i < m->column_count; i++) TRY(decode_metadata(m, i, &meta, msg));
    if (meta.failed || cursor_left(&meta) != 0)
        return err_set(
            msg, ERR_CORRUPT, "TABLE_MAP event of table %.*s.%.*s: %llu bytes of metadata do not fit its columns",
            (int)m->database_bytes, m->database, (int)m->table_bytes, m->table, (unsigned long long)metadata_bytes);
    return ERR_OK;
}
