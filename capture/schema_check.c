/* capture/schema_check.c -- does a TABLE_MAP describe the table that the definition describes?
 *
 * The binlog and information_schema are read at different times.  Whatever tells that they speak of different
 * definitions is an error here, because the alternative is a wrong row. */
#include "capture/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "capture/catalog.h"
#include "capture/charset.h"
#include "capture/table_metadata.h"

#define CHANGED "the definition is not that of these rows"

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
    if (t->perhaps_row_id) /* a column that is not known would rather be one that may be NULL */
        return hidden == 1 && map->type[first] == COLUMN_LONGLONG && !map->last_is_nullable;
    if (hidden != (t->may_hide_row_id ? 1 : t->hash_keys)) return false;
    for (uint16_t i = t->table.column_count; i < map->column_count; i++)
        if (map->type[i] != COLUMN_LONGLONG) return false;
    return true;
}

static enum err differs(const struct schema_table *t, uint16_t i, const char *what, const char *told,
                        struct err_msg *msg)
{
    return err_set(msg, ERR_SCHEMA,
                   "table %s.%s: column %u `%s` is %.100s in the table's definition, and its %s in the binlog is "
                   "%.100s: " CHANGED,
                   t->table.database, t->table.table, i + 1u, t->table.column[i].name, t->column[i].type_text,
                   what, told);
}

static bool has_sign(const struct change_column *c)
{
    return c->type <= CHANGE_DECIMAL && c->type != CHANGE_BIT;
}

static enum err check_signedness(const struct schema_table *t, const struct table_metadata *m, struct err_msg *msg)
{
    for (uint16_t i = 0; i < t->table.column_count; i++) {
        const struct change_column *c = &t->table.column[i];
        if (has_sign(c) && c->is_unsigned != m->column[i].is_unsigned)
            return differs(t, i, "sign", m->column[i].is_unsigned ? "UNSIGNED" : "signed", msg);
    }
    return ERR_OK;
}

static enum err check_names(const struct schema_table *t, const struct table_metadata *m, struct err_msg *msg)
{
    static const char row_id[] = TABLE_METADATA_RDS_ROW_ID;
    const struct table_metadata_column *last = &m->column[m->column_count - 1];
    if (t->perhaps_row_id && m->column_count > t->table.column_count &&
        (last->name_bytes != sizeof row_id - 1 || memcmp(last->name, row_id, sizeof row_id - 1) != 0))
        return err_set(msg, ERR_SCHEMA, "table %s.%s has a column `%.*s` that is not in its definition: " CHANGED,
                       t->table.database, t->table.table, (int)last->name_bytes, last->name);
    for (uint16_t i = 0; i < t->table.column_count; i++) {
        const char *name = t->table.column[i].name;
        const struct table_metadata_column *c = &m->column[i];
        if (strlen(name) == c->name_bytes && memcmp(name, c->name, c->name_bytes) == 0) continue;
        return err_set(
            msg, ERR_SCHEMA,
            "table %s.%s: column %u is named `%s` in the table's definition and `%.*s` in the binlog: " CHANGED,
            t->table.database, t->table.table, i + 1u, name, (int)c->name_bytes, c->name);
    }
    return ERR_OK;
}

/* Is the column stored in this character set?  Values may be delivered in another.  utf8, utf8mb3 and utf8mb4 differ in
 * the length of values, which was compared. */
static bool is_stored_in(const struct change_column *c, const struct schema_column *x, const char *charset)
{
    const char *ours = x->text != NULL ? x->text->name : c->charset;
    return strcmp(ours, charset) == 0 || (strncmp(ours, "utf8", 4) == 0 && strncmp(charset, "utf8", 4) == 0);
}

static enum err check_charsets(const struct schema_table *t, const struct table_metadata *m,
                               const struct catalog_server *server, struct err_msg *msg)
{
    for (uint16_t i = 0; i < t->table.column_count; i++) {
        const char *charset = t->column[i].stored_charset;
        struct collation told;
        if (charset == NULL || t->column[i].special != SCHEMA_SPECIAL_NONE || m->column[i].collation == 0) continue;
        if (!collation_by_id(&told, server, m->column[i].collation)) continue;
        if (!is_stored_in(&t->table.column[i], &t->column[i], told.charset->name))
            return differs(t, i, "character set", told.name, msg);
    }
    return ERR_OK;
}

/* Labels as they are stored: those in ASCII can be compared whatever the character set. */
static bool is_same_labels(const struct schema_column *x, const struct table_metadata_column *c)
{
    struct cursor in = cursor_of(c->labels, c->labels_bytes);
    if (x->label_count != c->label_count) return false;
    for (uint32_t i = 0; i < c->label_count; i++) {
        uint64_t size = cursor_lenenc(&in);
        const uint8_t *label = cursor_take(&in, size);
        bool is_plain = label != NULL;
        for (uint64_t k = 0; is_plain && k < size; k++) is_plain = label[k] < 0x80 && label[k] != 0;
        if (is_plain && (x->label[i].size != size || memcmp(x->label[i].text, label, size) != 0)) return false;
    }
    return true;
}

static enum err check_labels(const struct schema_table *t, const struct table_metadata *m, struct err_msg *msg)
{
    for (uint16_t i = 0; i < t->table.column_count; i++)
        if (m->column[i].labels != NULL && !is_same_labels(&t->column[i], &m->column[i]))
            return differs(t, i, "list of labels", "another", msg);
    return ERR_OK;
}

static enum err check_primary(const struct schema_table *t, const struct table_metadata *m, struct err_msg *msg)
{
    const struct change_key *k = t->table.key_count > 0 ? &t->table.key[0] : NULL;
    uint16_t count = k != NULL && strcmp(k->name, "PRIMARY") == 0 ? k->column_count : 0;
    uint16_t told = 0;
    bool is_same = true;
    for (uint16_t i = 0; i < m->key_count; i++) {
        if (m->key[i] >= t->table.column_count) continue; /* MariaDB: the hidden end of a row's period */
        is_same &= told < count && k->column[told] == m->key[i];
        told++;
    }
    is_same &= told == count;
    if (is_same) return ERR_OK;
    return err_set(msg, ERR_SCHEMA,
                   "table %s.%s has another primary key in its definition than in the binlog: " CHANGED,
                   t->table.database, t->table.table);
}

enum err schema_check_metadata(const struct schema_table *t, const struct table_metadata *m,
                               const struct catalog_server *server, struct err_msg *msg)
{
    if (m->has_signedness) TRY(check_signedness(t, m, msg));
    if (m->has_names) TRY(check_names(t, m, msg));
    if (m->has_charsets) TRY(check_charsets(t, m, server, msg));
    if (!m->is_full) return ERR_OK;
    TRY(check_labels(t, m, msg));
    return check_primary(t, m, msg);
}

enum err schema_check_map(const struct schema_table *t, const struct table_map *map, uint16_t *hidden_columns,
                          struct err_msg *msg)
{
    uint16_t defined = t->table.column_count;
    bool is_short = map->column_count < defined;
    uint16_t hidden = is_short ? 0 : (uint16_t)(map->column_count - defined);

    if (t->is_versioned && t->hash_keys > 0 && hidden == 2 + t->hash_keys) /* their order is not known */
        return err_set(msg, ERR_UNSUPPORTED, "table %s.%s is system-versioned and has a UNIQUE key over a BLOB or "
                       "TEXT, which is not supported together; exclude the table, or declare the period columns",
                       t->table.database, t->table.table);
    if (is_short || (hidden != 0 && !is_hidden_fit(t, map, hidden)))
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
    *hidden_columns = hidden;
    return ERR_OK;
}
