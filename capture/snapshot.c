#include "capture/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "capture/arena.h"

/* ---- rules ---- */

static bool says(const char *field, size_t bytes, const char *word)
{
    return field != NULL && strlen(word) == bytes && strncasecmp(field, word, bytes) == 0;
}

static enum err rule_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct snapshot_rules *r = context;
    if (count < 2 || field[0] == NULL || field[1] == NULL) return ERR_OK;
    if (says(field[0], bytes[0], "lower_case_table_names"))
        r->server.lower_case_table_names = bytes[1] == 1 ? (uint8_t)(field[1][0] - '0') : 0;
    else if (says(field[0], bytes[0], "explicit_defaults_for_timestamp"))
        r->explicit_defaults_for_timestamp = says(field[1], bytes[1], "ON") || says(field[1], bytes[1], "1");
    else if (bytes[0] > 4 && strncasecmp(field[0], "rds_", 4) == 0)
        r->is_rds = true;
    return ERR_OK;
}

enum err snapshot_rules_read(struct source_stream *s, const char *version, struct snapshot_rules *out,
                             struct err_msg *msg)
{
    *out = (struct snapshot_rules){0};
    if (!catalog_server_parse(&out->server, version))
        return err_set(msg, ERR_CONNECT, "the source's version '%s' is none that is known; follow a MySQL or MariaDB "
                       "server", version);
    return s->ops->query(s,
                         "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('lower_case_table_names',"
                         "'explicit_defaults_for_timestamp') OR Variable_name LIKE 'rds|_%' ESCAPE '|'",
                         rule_row, out, msg);
}

/* ---- tables ---- */

struct draft { /* a table whose rows come from several queries */
    struct catalog_table t;
    struct catalog_column *column;
    struct catalog_key *key;
    uint32_t column_capacity, key_capacity, part_capacity;
    bool is_wrong; /* something in it is not understood */
};

struct snapshot {
    struct catalog *catalog;
    struct arena arena;
    struct draft **draft; /* in the order of names, as bytes */
    uint32_t count, capacity;
    struct err_msg *msg;
};

static int compare_field(const char *text, const char *field, size_t bytes)
{
    size_t size = strlen(text), common = size < bytes ? size : bytes;
    int order = memcmp(text, field, common);
    return order != 0 ? order : (size > bytes) - (size < bytes);
}

static struct draft *draft_find(const struct snapshot *s, const char *const *field, const size_t *bytes)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct draft *d = s->draft[middle];
        int order = compare_field(d->t.database, field[0], bytes[0]);
        if (order == 0) order = compare_field(d->t.name, field[1], bytes[1]);
        if (order == 0) return d;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const char *text(struct snapshot *s, const char *field, size_t bytes)
{
    return field == NULL ? "" : arena_text(&s->arena, field, bytes);
}

/* Room for one more of `size` bytes; the old array stays in the arena. */
static void *grow(struct snapshot *s, void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    uint32_t wanted = *capacity == 0 ? 8 : 2 * *capacity;
    void *bigger = arena_alloc(&s->arena, wanted * size);
    if (bigger == NULL) return NULL;
    if (count > 0) memcpy(bigger, array, count * size);
    *capacity = wanted;
    return bigger;
}

/* Fields: name, collation. */
static enum err database_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct snapshot *s = context;
    if (count < 2 || field[0] == NULL) return ERR_OK;
    const char *name = text(s, field[0], bytes[0]), *collation = text(s, field[1], bytes[1]);
    if (name == NULL || collation == NULL) return ERR_NO_MEMORY;
    struct err_msg why = {0};
    enum err e = catalog_put_database(s->catalog, name, collation, &why);
    if (e != ERR_INVALID) return e;
    log_warn("capture", "database %s: %s", name, why.text);
    return catalog_put_database(s->catalog, name, "utf8mb4_general_ci", s->msg);
}

/* Fields: database, table, TABLE_TYPE, collation, engine; in the order of names. */
static enum err table_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct snapshot *s = context;
    if (count < 5 || field[0] == NULL || field[1] == NULL) return ERR_OK;
    if (s->count == CATALOG_TABLES_MAX)
        return err_set(s->msg, ERR_TOO_LARGE, "the source has more than %u tables", (unsigned)CATALOG_TABLES_MAX);
    if (s->count == s->capacity) {
        uint32_t wanted = s->capacity == 0 ? 256 : 2 * s->capacity;
        struct draft **bigger = realloc(s->draft, wanted * sizeof(struct draft *));
        if (bigger == NULL) return ERR_NO_MEMORY;
        s->draft = bigger;
        s->capacity = wanted;
    }
    struct draft *d = arena_alloc(&s->arena, sizeof *d);
    if (d == NULL) return ERR_NO_MEMORY;
    d->t = (struct catalog_table){.database = text(s, field[0], bytes[0]),
                                  .name = text(s, field[1], bytes[1]),
                                  .collation = text(s, field[3], bytes[3]),
                                  .engine = text(s, field[4], bytes[4])};
    if (d->t.database == NULL || d->t.name == NULL || d->t.collation == NULL || d->t.engine == NULL)
        return ERR_NO_MEMORY;
    if (d->t.collation[0] == '\0') d->t.collation = "utf8mb4_general_ci"; /* a view, or a table that cannot be opened */
    bool is_view = field[2] != NULL && memmem(field[2], bytes[2], "VIEW", 4) != NULL;
    d->t.kind = is_view ? CATALOG_VIEW : says(field[2], bytes[2], "SEQUENCE") ? CATALOG_SEQUENCE : CATALOG_TABLE;
    d->t.is_versioned = says(field[2], bytes[2], "SYSTEM VERSIONED");
    s->draft[s->count++] = d;
    return ERR_OK;
}

static bool has(const char *field, size_t bytes, const char *word)
{
    for (size_t i = 0, size = strlen(word); field != NULL && i + size <= bytes; i++)
        if (strncasecmp(field + i, word, size) == 0) return true;
    return false;
}

/* Fields: database, table, column, COLUMN_TYPE, collation, IS_NULLABLE, EXTRA, generation expression. */
static enum err column_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct snapshot *s = context;
    if (count < 8 || field[0] == NULL || field[1] == NULL || field[2] == NULL || field[3] == NULL) return ERR_OK;
    struct draft *d = draft_find(s, field, bytes);
    if (d == NULL || d->t.kind == CATALOG_VIEW) return ERR_OK;
    if (d->t.column_count == CATALOG_COLUMNS_MAX) {
        d->is_wrong = true;
        return ERR_OK;
    }
    d->column = grow(s, d->column, d->t.column_count, &d->column_capacity, sizeof *d->column);
    if (d->column == NULL) return ERR_NO_MEMORY;
    struct catalog_column *c = &d->column[d->t.column_count++];
    *c = (struct catalog_column){.name = text(s, field[2], bytes[2]), .type = text(s, field[3], bytes[3])};
    if (c->name == NULL || c->type == NULL) return ERR_NO_MEMORY;
    if (field[4] != NULL && (c->collation = text(s, field[4], bytes[4])) == NULL) return ERR_NO_MEMORY;
    c->is_nullable = says(field[5], bytes[5], "YES");
    c->is_invisible = has(field[6], bytes[6], "INVISIBLE");
    c->is_period = has(field[7], bytes[7], "ROW START") || has(field[7], bytes[7], "ROW END");
    if (has(field[6], bytes[6], "VIRTUAL"))
        c->generated = CATALOG_VIRTUAL;
    else if (has(field[6], bytes[6], "STORED GENERATED") || has(field[6], bytes[6], "PERSISTENT"))
        c->generated = CATALOG_STORED;
    d->t.column = d->column;
    return ERR_OK;
}

static uint8_t key_kind(const char *const *field, const size_t *bytes)
{
    if (says(field[2], bytes[2], "PRIMARY")) return CATALOG_KEY_PRIMARY;
    if (says(field[4], bytes[4], "FULLTEXT")) return CATALOG_KEY_FULLTEXT;
    if (says(field[4], bytes[4], "SPATIAL") || says(field[4], bytes[4], "RTREE")) return CATALOG_KEY_SPATIAL;
    if (says(field[4], bytes[4], "VECTOR")) return CATALOG_KEY_VECTOR;
    return says(field[5], bytes[5], "0") ? CATALOG_KEY_UNIQUE : CATALOG_KEY_INDEX;
}

static uint16_t part_column(const struct draft *d, const char *field, size_t bytes)
{
    for (uint16_t i = 0; field != NULL && i < d->t.column_count; i++)
        if (compare_field(d->column[i].name, field, bytes) == 0) return i;
    return CATALOG_PART_EXPRESSION; /* or a column that is not shown */
}

/* Fields: database, table, INDEX_NAME, COLUMN_NAME, INDEX_TYPE, NON_UNIQUE, SUB_PART, COLLATION; a key's parts in their
 * order. */
static enum err key_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct snapshot *s = context;
    if (count < 8 || field[0] == NULL || field[1] == NULL || field[2] == NULL) return ERR_OK;
    struct draft *d = draft_find(s, field, bytes);
    if (d == NULL || d->t.kind == CATALOG_VIEW) return ERR_OK;
    struct catalog_key *k = d->t.key_count == 0 ? NULL : &d->key[d->t.key_count - 1];
    if (k == NULL || compare_field(k->name, field[2], bytes[2]) != 0) {
        if (d->t.key_count == CATALOG_KEYS_MAX) {
            d->is_wrong = true;
            return ERR_OK;
        }
        d->key = grow(s, d->key, d->t.key_count, &d->key_capacity, sizeof *d->key);
        if (d->key == NULL) return ERR_NO_MEMORY;
        k = &d->key[d->t.key_count++];
        *k = (struct catalog_key){.name = text(s, field[2], bytes[2]), .kind = key_kind(field, bytes)};
        if (k->name == NULL) return ERR_NO_MEMORY;
        k->is_hash = catalog_server(s->catalog)->is_mariadb && k->kind == CATALOG_KEY_UNIQUE &&
                     says(field[4], bytes[4], "HASH") && strcasecmp(d->t.engine, "MEMORY") != 0;
        d->part_capacity = 0;
    }
    struct catalog_key_part *part =
        grow(s, (void *)(uintptr_t)k->part, k->part_count, &d->part_capacity, sizeof *part);
    if (part == NULL) return ERR_NO_MEMORY;
    const char *prefix = text(s, field[6], bytes[6]);
    if (prefix == NULL) return ERR_NO_MEMORY;
    part[k->part_count++] =
        (struct catalog_key_part){part_column(d, field[3], bytes[3]), (uint32_t)strtoul(prefix, NULL, 10),
                                  says(field[7], bytes[7], "D")};
    k->part = part;
    d->t.key = d->key;
    return ERR_OK;
}

/* The system schemas that nobody asked for. */
static void put_condition(char *out, size_t size, const struct filter *filter)
{
    static const char *const system_schema[] = {"information_schema", "performance_schema", "sys", "mysql"};
    int used = snprintf(out, size, "NOT IN (''");
    for (size_t i = 0; i < sizeof system_schema / sizeof *system_schema; i++)
        if (filter == NULL || !filter_selects_database(filter, system_schema[i], strlen(system_schema[i])))
            used += snprintf(out + used, size - (size_t)used, ", '%s'", system_schema[i]);
    snprintf(out + used, size - (size_t)used, ")");
}

static enum err ask(struct source_stream *stream, struct snapshot *s, const char *head, const char *condition,
                    const char *tail, source_row *row)
{
    char sql[1024];
    snprintf(sql, sizeof sql, "%s %s %s", head, condition, tail);
    return stream->ops->query(stream, sql, row, s, s->msg);
}

/* The binary sort is the order of draft_find, whatever the source's collation. */
static enum err read_all(struct source_stream *stream, struct snapshot *s, const struct filter *filter)
{
    const struct catalog_server *server = catalog_server(s->catalog);
    bool tells_expressions =
        server->is_mariadb ? server->version >= 100205 : server->version >= 50706; /* before: no such column */
    char condition[160], columns[320];
    put_condition(condition, sizeof condition, filter);
    snprintf(columns, sizeof columns,
             "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA, %s"
             " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA",
             tells_expressions ? "GENERATION_EXPRESSION" : "NULL");
    TRY(ask(stream, s,
            "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME", condition,
            "", database_row));
    TRY(ask(stream, s,
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COLLATION, ENGINE FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA",
            condition, "ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)", table_row));
    TRY(ask(stream, s, columns, condition,
            "ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION", column_row));
    return ask(stream, s,
               "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, INDEX_TYPE, NON_UNIQUE, SUB_PART, COLLATION"
               " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA",
               condition,
               "ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), INDEX_NAME <> 'PRIMARY',"
               " CAST(INDEX_NAME AS BINARY), SEQ_IN_INDEX",
               key_row);
}

enum err snapshot_read(struct source_stream *stream, const struct filter *filter, struct catalog *c,
                       struct err_msg *msg)
{
    struct snapshot s = {.catalog = c, .msg = msg};
    enum err e = read_all(stream, &s, filter);
    for (uint32_t i = 0; e == ERR_OK && i < s.count; i++) {
        struct draft *d = s.draft[i];
        struct err_msg why = {0};
        e = d->is_wrong ? err_set(&why, ERR_INVALID, "more columns or keys than are known here")
                        : catalog_put_table(c, &d->t, &why);
        if (e == ERR_NO_MEMORY || e == ERR_TOO_LARGE) *msg = why;
        if (e != ERR_INVALID && e != ERR_NOT_FOUND) continue;
        log_warn("capture", "table %s.%s is left out: %s", d->t.database, d->t.name, why.text);
        e = ERR_OK;
    }
    arena_free(&s.arena);
    free(s.draft);
    return e;
}
