#include "capture/metadata_define.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "capture/charset.h"
#include "capture/query_text.h"

struct maker {
    struct arena *arena;
    const struct catalog_server *server;
    const struct table_map *map;
    const struct table_metadata *metadata;
    const struct catalog_table *known;
    uint16_t column_count; /* without hidden ones */
};

static const char *make_text(const struct maker *m, const char *bytes, size_t size)
{
    return arena_text(m->arena, bytes, size);
}

static bool is_named(const struct table_metadata_column *c, const char *name)
{
    return c->name_bytes == strlen(name) && memcmp(c->name, name, c->name_bytes) == 0;
}

static bool has_column(const struct catalog_table *known, const struct table_metadata_column *c)
{
    for (uint16_t i = 0; i < known->column_count; i++)
        if (is_named(c, known->column[i].name)) return true;
    return false;
}

/* Columns that the source hides behind the others; a period's only where the table is known to have one. */
static bool is_hidden(const struct table_metadata_column *c, const struct catalog_table *known)
{
    static const char hash[] = "DB_ROW_HASH_", rds[] = TABLE_METADATA_RDS_ROW_ID;
    if (is_named(c, rds)) return true;
    if (known != NULL && known->is_versioned && (is_named(c, "row_start") || is_named(c, "row_end")))
        return !has_column(known, c);
    return c->name_bytes > sizeof hash - 1 && memcmp(c->name, hash, sizeof hash - 1) == 0;
}

static const struct catalog_column *known_column(const struct maker *m, const char *name)
{
    for (uint16_t i = 0; m->known != NULL && i < m->known->column_count; i++)
        if (strcmp(m->known->column[i].name, name) == 0) return &m->known->column[i];
    return NULL;
}

/* A label as COLUMN_TYPE quotes it. */
static size_t quote(char *out, const char *text, size_t size)
{
    char *to = out;
    *to++ = '\'';
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\'')
            *to++ = '\'';
        else if (c == '\\' || c == '\0' || c == '\n' || c == '\r') {
            *to++ = '\\';
            c = c == '\0' ? '0' : c == '\n' ? 'n' : c == '\r' ? 'r' : c;
        }
        *to++ = c;
    }
    *to++ = '\'';
    return (size_t)(to - out);
}

/* enum('a','b') from labels in the column's own character set. */
static enum err labels_text(const struct maker *m, const struct table_metadata_column *c, const char *word,
                            const struct collation *collation, const char **out)
{
    enum { GROWTH = 2 * 4 }; /* a byte becomes four in UTF-8 at most, and each may need a backslash */
    char *text = malloc(strlen(word) + 3 + GROWTH * (size_t)c->labels_bytes + 4 * (size_t)c->label_count);
    if (text == NULL) return ERR_NO_MEMORY;
    size_t used = (size_t)sprintf(text, "%s(", word);
    struct cursor in = cursor_of(c->labels, c->labels_bytes);
    enum err e = ERR_OK;
    for (uint32_t i = 0; i < c->label_count && e == ERR_OK; i++) {
        size_t size = cursor_lenenc(&in), label_bytes;
        char *label;
        e = text_of_charset(collation->charset->name, cursor_take(&in, size), size, &label, &label_bytes);
        if (e != ERR_OK) break;
        if (i > 0) text[used++] = ',';
        used += quote(text + used, label, label_bytes);
        free(label);
    }
    text[used++] = ')';
    if (e == ERR_OK && (*out = make_text(m, text, used)) == NULL) e = ERR_NO_MEMORY;
    free(text);
    return e;
}

static void fraction(char *out, size_t size, const char *word, unsigned digits)
{
    if (digits == 0)
        snprintf(out, size, "%s", word);
    else
        snprintf(out, size, "%s(%u)", word, digits);
}

/* The words of a type without labels; false: not one that the event describes. */
static bool type_words(const struct maker *m, uint16_t i, const struct collation *collation, char *out, size_t size)
{
    static const char *const blob[] = {"tinyblob", "blob", "mediumblob", "longblob"};
    static const char *const text[] = {"tinytext", "text", "mediumtext", "longtext"};
    const struct table_metadata_column *c = &m->metadata->column[i];
    const char *sign = c->is_unsigned ? " unsigned" : "";
    unsigned meta = m->map->metadata[i];
    bool is_binary = collation == NULL || collation->id == 63;
    unsigned chars = is_binary ? meta : meta / collation->charset->char_bytes_max;
    switch (m->map->type[i]) {
    case COLUMN_TINY: snprintf(out, size, "tinyint%s", sign); return true;
    case COLUMN_SHORT: snprintf(out, size, "smallint%s", sign); return true;
    case COLUMN_INT24: snprintf(out, size, "mediumint%s", sign); return true;
    case COLUMN_LONG: snprintf(out, size, "int%s", sign); return true;
    case COLUMN_LONGLONG: snprintf(out, size, "bigint%s", sign); return true;
    case COLUMN_FLOAT: snprintf(out, size, "float%s", sign); return true;
    case COLUMN_DOUBLE: snprintf(out, size, "double%s", sign); return true;
    case COLUMN_NEWDECIMAL: snprintf(out, size, "decimal(%u,%u)%s", meta >> 8, meta & 0xffu, sign); return true;
    case COLUMN_BIT: snprintf(out, size, "bit(%u)", meta); return true;
    case COLUMN_YEAR: snprintf(out, size, "year"); return true;
    case COLUMN_DATE: case COLUMN_NEWDATE: snprintf(out, size, "date"); return true;
    case COLUMN_TIME: snprintf(out, size, "time"); return true;
    case COLUMN_DATETIME: snprintf(out, size, "datetime"); return true;
    case COLUMN_TIMESTAMP: snprintf(out, size, "timestamp"); return true;
    case COLUMN_TIME2: fraction(out, size, "time", meta); return true;
    case COLUMN_DATETIME2: fraction(out, size, "datetime", meta); return true;
    case COLUMN_TIMESTAMP2: fraction(out, size, "timestamp", meta); return true;
    case COLUMN_VARCHAR: case COLUMN_VAR_STRING:
        snprintf(out, size, is_binary ? "varbinary(%u)" : "varchar(%u)", chars);
        return true;
    case COLUMN_STRING: snprintf(out, size, is_binary ? "binary(%u)" : "char(%u)", chars); return true;
    case COLUMN_BLOB:
        if (meta < 1 || meta > 4) return false;
        snprintf(out, size, "%s", is_binary ? blob[meta - 1] : text[meta - 1]);
        return true;
    case COLUMN_JSON: snprintf(out, size, "json"); return true;
    case COLUMN_GEOMETRY: snprintf(out, size, "geometry"); return true;
    case COLUMN_VECTOR: snprintf(out, size, "vector(1)"); return true;
    default: return false;
    }
}

/* MariaDB's columns of before 5.6: their fraction digits stand nowhere in the event. */
static bool is_old_temporal(const struct maker *m, uint8_t type)
{
    return m->server->is_mariadb && (type == COLUMN_TIME || type == COLUMN_DATETIME || type == COLUMN_TIMESTAMP);
}

static bool has_old_temporal(const struct catalog_column *k)
{
    return strncmp(k->type, "time", 4) == 0 || strncmp(k->type, "datetime", 8) == 0;
}

/* MariaDB stores these as BINARY, and compressed columns under their own numbers: only the definition tells them. */
static bool is_known_only(const struct maker *m, const struct catalog_column *k, uint8_t type)
{
    if (k == NULL) return false;
    if (is_old_temporal(m, type)) return has_old_temporal(k);
    return m->server->is_mariadb &&
           (strcmp(k->type, "inet4") == 0 || strcmp(k->type, "inet6") == 0 || strcmp(k->type, "uuid") == 0 ||
            strncmp(k->type, "vector", 6) == 0 || strstr(k->type, "COMPRESSED") != NULL);
}

static enum err make_column(const struct maker *m, uint16_t i, struct catalog_column *out)
{
    const struct table_metadata_column *c = &m->metadata->column[i];
    uint8_t type = m->map->type[i];
    struct collation collation;
    bool has_collation = c->collation != 0 && collation_by_id(&collation, m->server, c->collation);
    if (c->collation != 0 && !has_collation) return ERR_UNSUPPORTED;
    const char *name = make_text(m, c->name, c->name_bytes);
    if (name == NULL) return ERR_NO_MEMORY;
    const struct catalog_column *known = known_column(m, name);
    if (is_known_only(m, known, type)) {
        *out = *known;
        return ERR_OK;
    }
    if (is_old_temporal(m, type)) return ERR_UNSUPPORTED;
    bool is_text = has_collation && collation.id != 63 && type != COLUMN_GEOMETRY && type != COLUMN_VECTOR;
    *out = (struct catalog_column){.name = name,
                                   .collation = is_text ? collation.name : NULL,
                                   .is_nullable = true,
                                   .is_invisible = !c->is_visible};
    if (type == COLUMN_ENUM || type == COLUMN_SET)
        return labels_text(m, c, type == COLUMN_ENUM ? "enum" : "set", &collation, &out->type);
    char words[64];
    if (!type_words(m, i, has_collation ? &collation : NULL, words, sizeof words)) return ERR_UNSUPPORTED;
    out->type = make_text(m, words, strlen(words));
    return out->type == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err make_primary(const struct maker *m, struct catalog_column *column, struct catalog_key *out)
{
    const struct table_metadata *md = m->metadata;
    struct catalog_key_part *part = arena_alloc(m->arena, md->key_count * sizeof *part);
    if (part == NULL) return ERR_NO_MEMORY;
    uint16_t count = 0;
    for (uint16_t i = 0; i < md->key_count; i++) {
        uint16_t at = md->key[i];
        if (at >= m->column_count) continue; /* a period's hidden end */
        part[count++] = (struct catalog_key_part){at, md->column[at].key_prefix_chars, false};
        column[at].is_nullable = false;
    }
    *out = (struct catalog_key){.name = "PRIMARY", .kind = CATALOG_KEY_PRIMARY, .part_count = count, .part = part};
    return ERR_OK;
}

/* A unique key of the known definition whose columns are all still there. */
static enum err take_key(const struct maker *m, const struct catalog_column *column, const struct catalog_key *known,
                         struct catalog_table *out, struct catalog_key *key)
{
    struct catalog_key_part *part = arena_alloc(m->arena, known->part_count * sizeof *part);
    if (part == NULL) return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < known->part_count; i++) {
        part[i] = known->part[i];
        if (known->part[i].column == CATALOG_PART_EXPRESSION) continue;
        const char *name = m->known->column[known->part[i].column].name;
        uint16_t at = 0;
        while (at < m->column_count && strcmp(column[at].name, name) != 0) at++;
        if (at == m->column_count) return ERR_OK;
        part[i].column = at;
    }
    *key = *known;
    key->part = part;
    out->key_count++;
    return ERR_OK;
}

enum err metadata_define(struct catalog_table *out, struct arena *arena, const struct catalog_server *server,
                         const struct table_map *map, const struct table_metadata *metadata,
                         const struct catalog_table *known)
{
    struct maker m = {arena, server, map, metadata, known, map->column_count};
    while (m.column_count > 0 && is_hidden(&metadata->column[m.column_count - 1], known)) m.column_count--;
    struct catalog_column *column = arena_alloc(arena, (m.column_count + 1u) * sizeof *column);
    struct catalog_key *key = arena_alloc(arena, (CATALOG_KEYS_MAX + 1u) * sizeof *key);
    if (column == NULL || key == NULL) return ERR_NO_MEMORY;
    *out = (struct catalog_table){.database = make_text(&m, map->database, map->database_bytes),
                                  .name = make_text(&m, map->table, map->table_bytes),
                                  .engine = known == NULL ? "" : known->engine,
                                  .collation = known == NULL ? "utf8mb4_general_ci" : known->collation,
                                  .column = column,
                                  .key = key,
                                  .column_count = m.column_count,
                                  .is_versioned = known != NULL && known->is_versioned};
    if (out->database == NULL || out->name == NULL) return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < m.column_count; i++) TRY(make_column(&m, i, &column[i]));
    if (metadata->key_count > 0) TRY(make_primary(&m, column, &key[out->key_count++]));
    for (uint16_t k = 0; known != NULL && k < known->key_count && out->key_count < CATALOG_KEYS_MAX; k++)
        if (known->key[k].kind == CATALOG_KEY_UNIQUE)
            TRY(take_key(&m, column, &known->key[k], out, &key[out->key_count]));
    return ERR_OK;
}
