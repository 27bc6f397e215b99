#include "capture/table_metadata.h"

#include <stdlib.h>

#include "base/cursor.h"

static bool is_number(uint8_t type)
{
    switch (type) {
    case COLUMN_TINY: case COLUMN_SHORT: case COLUMN_INT24: case COLUMN_LONG: case COLUMN_LONGLONG:
    case COLUMN_NEWDECIMAL: case COLUMN_FLOAT: case COLUMN_DOUBLE: case COLUMN_YEAR: return true;
    default: return false;
    }
}

static bool is_character(uint8_t type, bool is_mariadb)
{
    switch (type) {
    case COLUMN_STRING: case COLUMN_VAR_STRING: case COLUMN_VARCHAR: case COLUMN_BLOB: case COLUMN_TINY_BLOB:
    case COLUMN_MEDIUM_BLOB: case COLUMN_LONG_BLOB: case COLUMN_VARCHAR_COMPRESSED: case COLUMN_BLOB_COMPRESSED:
        return true;
    case COLUMN_VECTOR: return !is_mariadb;
    case COLUMN_GEOMETRY: return is_mariadb;
    default: return false;
    }
}

static bool is_labelled(uint8_t type)
{
    return type == COLUMN_ENUM || type == COLUMN_SET;
}

static struct cursor field_of(const struct table_map *map, enum table_map_optional_kind kind)
{
    return cursor_of(map->optional[kind].bytes, map->optional[kind].size);
}

static bool is_told(const struct table_map *map, enum table_map_optional_kind kind)
{
    return map->optional[kind].bytes != NULL;
}

/* Is YEAR, which always is unsigned, among the columns that have a bit?  Not every version counts it. */
static bool counts_year(const struct table_metadata *m, const struct table_map *map)
{
    const struct table_map_optional *field = &map->optional[TABLE_MAP_SIGNEDNESS];
    size_t bit = 0;
    for (uint16_t i = 0; i < m->column_count; i++) {
        if (!is_number(map->type[i])) continue;
        bool is_set = bit / 8 < field->size && (field->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
        if (map->type[i] == COLUMN_YEAR && !is_set) return false;
        bit++;
    }
    return (bit + 7) / 8 == field->size;
}

static bool read_signedness(struct table_metadata *m, const struct table_map *map)
{
    const struct table_map_optional *field = &map->optional[TABLE_MAP_SIGNEDNESS];
    bool with_year = counts_year(m, map);
    size_t bit = 0;
    for (uint16_t i = 0; i < m->column_count; i++) {
        if (!is_number(map->type[i]) || (map->type[i] == COLUMN_YEAR && !with_year)) continue;
        if (bit / 8 >= field->size) return false;
        m->column[i].is_unsigned = (field->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
        bit++;
    }
    m->has_signedness = true;
    return true;
}

/* The two ways in which a class of columns tells its collations: one for all, with exceptions by their number in the
 * class; or one each. */
static bool read_collations(struct table_metadata *m, const struct table_map *map, bool labelled, bool is_mariadb)
{
    enum table_map_optional_kind one = labelled ? TABLE_MAP_LABELS_DEFAULT_CHARSET : TABLE_MAP_DEFAULT_CHARSET;
    enum table_map_optional_kind each = labelled ? TABLE_MAP_LABELS_CHARSETS : TABLE_MAP_COLUMN_CHARSETS;
    struct cursor in = field_of(map, is_told(map, one) ? one : each);
    bool is_default = is_told(map, one);
    uint64_t common = is_default ? cursor_lenenc(&in) : 0;
    uint64_t next = is_default && cursor_left(&in) > 0 ? cursor_lenenc(&in) : UINT64_MAX;
    uint64_t number = 0;
    for (uint16_t i = 0; i < m->column_count; i++) {
        if (labelled ? !is_labelled(map->type[i]) : !is_character(map->type[i], is_mariadb)) continue;
        uint64_t collation = common;
        if (!is_default || number == next) {
            collation = cursor_lenenc(&in);
            if (is_default) next = cursor_left(&in) > 0 ? cursor_lenenc(&in) : UINT64_MAX;
        }
        if (collation > UINT16_MAX) return false;
        m->column[i].collation = (uint32_t)collation;
        number++;
    }
    return !in.failed && cursor_left(&in) == 0;
}

static bool read_names(struct table_metadata *m, const struct table_map *map)
{
    struct cursor in = field_of(map, TABLE_MAP_NAMES);
    for (uint16_t i = 0; i < m->column_count; i++) {
        uint64_t size = cursor_lenenc(&in);
        m->column[i].name = (const char *)cursor_take(&in, size);
        m->column[i].name_bytes = (uint32_t)size;
    }
    m->has_names = true;
    return !in.failed && cursor_left(&in) == 0;
}

static bool read_labels(struct table_metadata *m, const struct table_map *map, enum table_map_optional_kind kind)
{
    struct cursor in = field_of(map, kind);
    uint8_t type = kind == TABLE_MAP_SET_LABELS ? COLUMN_SET : COLUMN_ENUM;
    for (uint16_t i = 0; i < m->column_count; i++) {
        if (map->type[i] != type) continue;
        struct table_metadata_column *c = &m->column[i];
        uint64_t count = cursor_lenenc(&in);
        if (count > UINT16_MAX) return false;
        c->label_count = (uint32_t)count;
        c->labels = in.at;
        for (uint64_t k = 0; k < count && !in.failed; k++) cursor_take(&in, cursor_lenenc(&in));
        c->labels_bytes = (uint32_t)(in.at - c->labels);
    }
    return !in.failed && cursor_left(&in) == 0;
}

static bool read_key(struct table_metadata *m, const struct table_map *map)
{
    bool has_prefixes = is_told(map, TABLE_MAP_KEY_WITH_PREFIXES);
    struct cursor in = field_of(map, has_prefixes ? TABLE_MAP_KEY_WITH_PREFIXES : TABLE_MAP_KEY);
    while (!in.failed && cursor_left(&in) > 0) {
        uint64_t column = cursor_lenenc(&in);
        uint64_t prefix = has_prefixes ? cursor_lenenc(&in) : 0;
        if (in.failed || column >= m->column_count || m->key_count == m->column_count) return false;
        m->column[column].key_prefix_chars = (uint32_t)prefix;
        m->key[m->key_count++] = (uint16_t)column;
    }
    return !in.failed;
}

static bool read_visibility(struct table_metadata *m, const struct table_map *map)
{
    const struct table_map_optional *field = &map->optional[TABLE_MAP_VISIBILITY];
    if (field->size * 8 < m->column_count) return false;
    for (uint16_t i = 0; i < m->column_count; i++)
        m->column[i].is_visible = (field->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
    return true;
}

/* Labels of every ENUM and SET: has_labels only when none is missing. */
static bool has_all_labels(const struct table_metadata *m, const struct table_map *map)
{
    for (uint16_t i = 0; i < m->column_count; i++)
        if (is_labelled(map->type[i]) && (m->column[i].labels == NULL || m->column[i].collation == 0)) return false;
    return true;
}

static bool has_all_charsets(const struct table_metadata *m, const struct table_map *map, bool is_mariadb)
{
    for (uint16_t i = 0; i < m->column_count; i++)
        if (is_character(map->type[i], is_mariadb) && m->column[i].collation == 0) return false;
    return true;
}

enum err table_metadata_read(struct table_metadata *out, const struct table_map *map, bool is_mariadb,
                             struct err_msg *msg)
{
    struct table_metadata *m = out;
    *m = (struct table_metadata){.column_count = map->column_count};
    m->column = calloc(map->column_count + 1u, sizeof *m->column);
    m->key = calloc(map->column_count + 1u, sizeof *m->key);
    if (m->column == NULL || m->key == NULL) return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < m->column_count; i++) m->column[i].is_visible = true;

    bool fits = true;
    if (is_told(map, TABLE_MAP_SIGNEDNESS)) fits = read_signedness(m, map);
    if (is_told(map, TABLE_MAP_DEFAULT_CHARSET) || is_told(map, TABLE_MAP_COLUMN_CHARSETS))
        fits &= read_collations(m, map, false, is_mariadb);
    if (is_told(map, TABLE_MAP_LABELS_DEFAULT_CHARSET) || is_told(map, TABLE_MAP_LABELS_CHARSETS))
        fits &= read_collations(m, map, true, is_mariadb);
    if (is_told(map, TABLE_MAP_NAMES)) fits &= read_names(m, map);
    if (is_told(map, TABLE_MAP_SET_LABELS)) fits &= read_labels(m, map, TABLE_MAP_SET_LABELS);
    if (is_told(map, TABLE_MAP_ENUM_LABELS)) fits &= read_labels(m, map, TABLE_MAP_ENUM_LABELS);
    if (is_told(map, TABLE_MAP_KEY) || is_told(map, TABLE_MAP_KEY_WITH_PREFIXES)) fits &= read_key(m, map);
    if (is_told(map, TABLE_MAP_VISIBILITY)) fits &= read_visibility(m, map);
    if (!fits)
        return err_set(msg, ERR_CORRUPT, "TABLE_MAP event of table %.*s.%.*s: its metadata do not fit its columns",
                       (int)map->database_bytes, map->database, (int)map->table_bytes, map->table);
    m->has_charsets = has_all_charsets(m, map, is_mariadb);
    m->has_labels = has_all_labels(m, map);
    m->is_full = m->has_names && m->has_labels && m->has_charsets;
    return ERR_OK;
}

void table_metadata_fini(struct table_metadata *m)
{
    free(m->column);
    free(m->key);
    *m = (struct table_metadata){0};
}
