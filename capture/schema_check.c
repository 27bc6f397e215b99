/* capture/schema_check.c -- does a TABLE_MAP describe the table that the definition describes?
 *
 * The binlog and information_schema are read at different times.  Whatever tells that they speak of different
 * definitions is an error here, because the alternative is a wrong row. */
#include "capture/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "capture/table_map.h"

#define CHANGED                                                                                                        \
    "the definition was changed after these rows were written; start the channel at a position after the change"

/* The binlog's column in the words of a CREATE TABLE. */
static void describe(char *out, size_t size, uint8_t type, uint16_t metadata)
{
    const char *name = column_type_name(type);

    switch (type) {
    case COLUMN_VARCHAR:
    case COLUMN_STRING:
    case COLUMN_VAR_STRING: snprintf(out, size, "%s of %u bytes", name, metadata); break;
    case COLUMN_NEWDECIMAL: snprintf(out, size, "%s(%u,%u)", name, metadata >> 8, metadata & 0xffu); break;
    case COLUMN_BIT:
    case COLUMN_TIME2:
    case COLUMN_DATETIME2:
    case COLUMN_TIMESTAMP2: snprintf(out, size, "%s(%u)", name, metadata); break;
    case COLUMN_BLOB:
    case COLUMN_ENUM:
    case COLUMN_SET:
        snprintf(out, size, "%s with %u-byte %s", name, metadata, type == COLUMN_BLOB ? "lengths" : "values");
        break;
    default: snprintf(out, size, "%s", name);
    }
}

/* Bytes of a SET value: 1, 2, 3, 4 or 8. */
static unsigned set_bytes(unsigned label_count)
{
    unsigned bytes = (label_count + 7) / 8;
    return bytes > 4 ? 8 : bytes;
}

static bool fits_string(const struct change_column *c, const struct schema_column *x, uint8_t type, uint16_t metadata)
{
    if (x->special == SCHEMA_SPECIAL_VECTOR) /* MySQL's is a blob, MariaDB's a varbinary */
        return type == COLUMN_VECTOR || type == COLUMN_VARCHAR;
    if (x->special != SCHEMA_SPECIAL_NONE)
        return type == COLUMN_STRING && metadata == (x->special == SCHEMA_SPECIAL_INET4 ? 4 : 16);
    if (x->is_compressed) return type == COLUMN_VARCHAR_COMPRESSED && metadata == x->length_bytes + 1; /* a head */
    if (c->type == CHANGE_CHAR || c->type == CHANGE_BINARY) return type == COLUMN_STRING && metadata == x->length_bytes;
    return (type == COLUMN_VARCHAR || type == COLUMN_VAR_STRING) && metadata == x->length_bytes;
}

/* Does the stored type (with its metadata) hold values of the declared type? */
static bool fits(const struct change_column *c, const struct schema_column *x, uint8_t type, uint16_t metadata)
{
    switch (c->type) {
    case CHANGE_TINYINT: return type == COLUMN_TINY;
    case CHANGE_SMALLINT: return type == COLUMN_SHORT;
    case CHANGE_MEDIUMINT: return type == COLUMN_INT24;
    case CHANGE_INT: return type == COLUMN_LONG;
    case CHANGE_BIGINT: return type == COLUMN_LONGLONG;
    case CHANGE_BIT: return type == COLUMN_BIT && metadata == c->precision;
    case CHANGE_FLOAT: return type == COLUMN_FLOAT && metadata == 4;
    case CHANGE_DOUBLE: return type == COLUMN_DOUBLE && metadata == 8;
    case CHANGE_DECIMAL: return type == COLUMN_NEWDECIMAL && metadata == (c->precision << 8 | c->scale);
    case CHANGE_DATE: return type == COLUMN_DATE || type == COLUMN_NEWDATE;
    case CHANGE_TIME: return type == COLUMN_TIME || (type == COLUMN_TIME2 && metadata == c->scale);
    case CHANGE_DATETIME: return type == COLUMN_DATETIME || (type == COLUMN_DATETIME2 && metadata == c->scale);
    case CHANGE_TIMESTAMP: return type == COLUMN_TIMESTAMP || (type == COLUMN_TIMESTAMP2 && metadata == c->scale);
    case CHANGE_YEAR: return type == COLUMN_YEAR;
    case CHANGE_TEXT:
        return type == (x->is_compressed ? COLUMN_BLOB_COMPRESSED : COLUMN_BLOB) && metadata == x->prefix_bytes;
    case CHANGE_CHAR:
    case CHANGE_VARCHAR:
    case CHANGE_BINARY:
    case CHANGE_VARBINARY: return fits_string(c, x, type, metadata);
    case CHANGE_BLOB:
        if (x->special != SCHEMA_SPECIAL_NONE) return fits_string(c, x, type, metadata);
        return type == (x->is_compressed ? COLUMN_BLOB_COMPRESSED : COLUMN_BLOB) && metadata == x->prefix_bytes;
    case CHANGE_ENUM: return type == COLUMN_ENUM && metadata == (x->label_count > 255 ? 2 : 1);
    case CHANGE_SET: return type == COLUMN_SET && metadata == set_bytes(x->label_count);
    case CHANGE_JSON: return type == COLUMN_JSON && metadata == x->prefix_bytes;
    case CHANGE_GEOMETRY: return type == COLUMN_GEOMETRY && metadata == x->prefix_bytes;
    case CHANGE_TYPE_COUNT: break;
    }
    return false;
}

/* Columns at the end that information_schema does not show: all are BIGINT, or a row's period, two of one type. */
static bool is_hidden_fit(const struct schema_table *t, const struct table_map *map, uint16_t hidden)
{
    uint16_t first = t->table.column_count;
    if (schema_hides_period(t, hidden)) {
        uint8_t type = map->type[first];
        return map->type[first + 1] == type && (type == COLUMN_TIMESTAMP2 || type == COLUMN_TIMESTAMP);
    }
    if (hidden != (t->may_hide_row_id ? 1 : t->hash_keys)) return false;
    for (uint16_t i = t->table.column_count; i < map->column_count; i++)
        if (map->type[i] != COLUMN_LONGLONG) return false;
    return true;
}

/* The source says which numeric columns are unsigned: one bit for each, in order. */
static enum err check_signedness(const struct schema_table *t, const struct table_map *map, struct err_msg *msg)
{
    unsigned bit = 0;

    for (uint16_t i = 0; i < t->table.column_count; i++) {
        const struct change_column *c = &t->table.column[i];
        if (c->type == CHANGE_YEAR)
            return ERR_OK; /* counted by some servers and not by others: the rest cannot be told */
        if (c->type > CHANGE_DECIMAL || c->type == CHANGE_BIT) continue;
        if (bit / 8 >= map->signedness_bytes) return ERR_OK;
        bool is_unsigned = (map->signedness[bit / 8] >> (7 - bit % 8) & 1) != 0;
        if (is_unsigned != c->is_unsigned)
            return err_set(msg, ERR_SCHEMA,
                           "table %s.%s: column %u `%s` is %s in the table's definition and %s in the binlog: " CHANGED,
                           t->table.database, t->table.table, i + 1u, c->name, t->column[i].type_text,
                           is_unsigned ? "UNSIGNED" : "signed");
        bit++;
    }
    return ERR_OK;
}

/* Under binlog_row_metadata=FULL the source writes the names as well. */
static enum err check_names(const struct schema_table *t, const struct table_map *map, struct err_msg *msg)
{
    struct cursor in = cursor_of(map->names, map->names_bytes);

    for (uint16_t i = 0; i < t->table.column_count; i++) {
        const char *name = t->table.column[i].name;
        uint64_t size = cursor_lenenc(&in);
        const uint8_t *given = cursor_take(&in, size);
        if (given == NULL)
            return err_set(msg, ERR_CORRUPT, "TABLE_MAP event of table %s.%s ends inside its column names",
                           t->table.database, t->table.table);
        if (strlen(name) != size || memcmp(name, given, size) != 0)
            return err_set(
                msg, ERR_SCHEMA,
                "table %s.%s: column %u is named `%s` in the table's definition and `%.*s` in the binlog: " CHANGED,
                t->table.database, t->table.table, i + 1u, name, (int)size, (const char *)given);
    }
    return ERR_OK;
}

enum err schema_check_map(const struct schema_table *t, const struct table_map *map, uint16_t *hidden_columns,
                          struct err_msg *msg)
{
    uint16_t defined = t->table.column_count;
    uint16_t hidden = (uint16_t)(map->column_count - defined);

    if (t->is_versioned && hidden > 2) /* hash columns as well: their order is not known */
        return err_set(msg, ERR_UNSUPPORTED,
                       "table %s.%s is system-versioned and has a UNIQUE key over a BLOB or TEXT, which is not "
                       "supported together: exclude the table, or declare the period columns",
                       t->table.database, t->table.table);
    if (map->column_count < defined || (hidden != 0 && !is_hidden_fit(t, map, hidden)))
        return err_set(msg, ERR_SCHEMA, "table %s.%s has %u columns in its definition and %u in the binlog: " CHANGED,
                       t->table.database, t->table.table, defined, map->column_count);
    for (uint16_t i = 0; i < defined; i++) {
        if (fits(&t->table.column[i], &t->column[i], map->type[i], map->metadata[i])) continue;
        char stored[96];
        describe(stored, sizeof stored, map->type[i], map->metadata[i]);
        return err_set(msg, ERR_SCHEMA,
                       "table %s.%s: column %u `%s` is %.100s in the table's definition and %s in the binlog: " CHANGED,
                       t->table.database, t->table.table, i + 1u, t->table.column[i].name, t->column[i].type_text,
                       stored);
    }
    if (map->signedness != NULL) TRY(check_signedness(t, map, msg));
    if (map->names != NULL) TRY(check_names(t, map, msg));
    *hidden_columns = hidden;
    return ERR_OK;
}
