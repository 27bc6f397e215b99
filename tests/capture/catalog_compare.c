#include "tests/capture/catalog_compare.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char not_system[] = "NOT IN ('mysql','information_schema','performance_schema','sys')";

MYSQL_RES *compare_query(MYSQL *db, const char *fmt, ...)
{
    char *sql = NULL;
    va_list args;
    va_start(args, fmt);
    ck_assert(vasprintf(&sql, fmt, args) >= 0);
    va_end(args);
    int failed = mysql_query(db, sql);
    MYSQL_RES *result = failed ? NULL : mysql_store_result(db);
    free(sql);
    return result;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool columns_equal(const struct catalog_column *a, const struct catalog_column *b)
{
    return same_text(a->name, b->name) && same_text(a->type, b->type) && same_text(a->charset, b->charset) &&
           same_text(a->collation, b->collation) && a->is_nullable == b->is_nullable &&
           a->is_invisible == b->is_invisible && a->generated == b->generated && a->is_period == b->is_period;
}

static void show_column(FILE *why, const struct catalog_column *c)
{
    fprintf(why, "`%s` %s %s %s null %d invisible %d generated %d period %d\n", c->name, c->type,
            c->charset == NULL ? "-" : c->charset, c->collation == NULL ? "-" : c->collation, c->is_nullable,
            c->is_invisible, c->generated, c->is_period);
}

static const struct catalog_key *key_named(const struct catalog_table *t, const char *name)
{
    for (uint16_t i = 0; i < t->key_count; i++)
        if (strcmp(t->key[i].name, name) == 0) return &t->key[i];
    return NULL;
}

static bool keys_equal(const struct catalog_key *a, const struct catalog_key *b, unsigned what)
{
    if (a->kind != b->kind || a->part_count != b->part_count || a->is_hash != b->is_hash) return false;
    if ((what & COMPARE_IMPLIED) != 0 && a->is_implied != b->is_implied) return false;
    for (uint16_t p = 0; p < a->part_count; p++) {
        if (a->part[p].column != b->part[p].column) return false;
        if (a->part[p].is_descending != b->part[p].is_descending) return false;
        /* What is shown of a SPATIAL key's or of MariaDB's hashes' prefixes is not what was asked for. */
        if (a->kind != CATALOG_KEY_SPATIAL && !a->is_hash && a->part[p].prefix_chars != b->part[p].prefix_chars)
            return false;
    }
    return true;
}

static void show_key(FILE *why, const struct catalog_key *k)
{
    if (k == NULL) {
        fprintf(why, "none\n");
        return;
    }
    fprintf(why, "`%s` kind %d hash %d implied %d:", k->name, k->kind, k->is_hash, k->is_implied);
    for (uint16_t p = 0; p < k->part_count; p++)
        fprintf(why, " %u(%u)%s", k->part[p].column, k->part[p].prefix_chars,
                k->part[p].is_descending ? " descending" : "");
    fprintf(why, "\n");
}

bool compare_tables(const struct catalog_table *a, const struct catalog_table *b, unsigned what, FILE *why)
{
    if (a->kind != b->kind || a->is_versioned != b->is_versioned || !same_text(a->collation, b->collation) ||
        !same_text(a->charset, b->charset)) {
        fprintf(why, "kind %d, %d; versioned %d, %d; collation %s, %s\n", a->kind, b->kind, a->is_versioned,
                b->is_versioned, a->collation, b->collation);
        return false;
    }
    for (uint16_t i = 0; i < a->column_count || i < b->column_count; i++) {
        if (i < a->column_count && i < b->column_count && columns_equal(&a->column[i], &b->column[i])) continue;
        fprintf(why, "column %u of %u, %u:\n  ", i, a->column_count, b->column_count);
        if (i < a->column_count) show_column(why, &a->column[i]);
        fprintf(why, "  ");
        if (i < b->column_count) show_column(why, &b->column[i]);
        return false;
    }
    for (uint16_t i = 0; i < a->key_count || i < b->key_count; i++) {
        bool by_place = (what & COMPARE_KEY_ORDER) != 0 || i >= a->key_count;
        const struct catalog_key *x = i < a->key_count ? &a->key[i] : NULL;
        const struct catalog_key *y = i < b->key_count && by_place ? &b->key[i]
                                      : x == NULL                  ? NULL
                                                                   : key_named(b, x->name);
        if (x != NULL && y != NULL && strcmp(x->name, y->name) == 0 && keys_equal(x, y, what)) continue;
        fprintf(why, "key %u of %u, %u:\n  ", i, a->key_count, b->key_count);
        show_key(why, x);
        fprintf(why, "  ");
        show_key(why, y);
        return false;
    }
    return true;
}

/* ---- from information_schema ---- */

static bool holds(const char *text, const char *word)
{
    return text != NULL && strcasestr(text, word) != NULL;
}

static uint16_t load_columns(MYSQL *db, const struct catalog *c, const char *where, struct catalog_column *column)
{
    const struct catalog_server *s = catalog_server(c);
    bool tells = s->version >= (s->is_mariadb ? 100205u : 50706u);
    MYSQL_RES *r =
        compare_query(db,
                      "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, EXTRA, %s"
                      " FROM information_schema.COLUMNS WHERE %s ORDER BY ORDINAL_POSITION",
                      tells ? "GENERATION_EXPRESSION" : "NULL", where);
    uint16_t count = 0;
    ck_assert_msg(r != NULL, "%s", mysql_error(db));
    for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL;) {
        ck_assert_uint_lt(count, 512);
        column[count++] = (struct catalog_column){
            .name = strdup(f[0]),
            .type = strdup(f[1]),
            .collation = f[3] == NULL ? NULL : strdup(f[3]),
            .is_nullable = f[4][0] == 'Y',
            .is_invisible = holds(f[5], "INVISIBLE"),
            .is_period = holds(f[6], "ROW START") || holds(f[6], "ROW END"),
            .generated = holds(f[5], "VIRTUAL GENERATED")                          ? CATALOG_VIRTUAL
                         : holds(f[5], "STORED GENERATED") && !holds(f[6], "ROW ") ? CATALOG_STORED
                                                                                   : CATALOG_NOT_GENERATED,
        };
    }
    mysql_free_result(r);
    return count;
}

static enum catalog_key_kind kind_of(const char *name, const char *type, const char *non_unique)
{
    if (strcmp(name, "PRIMARY") == 0) return CATALOG_KEY_PRIMARY;
    if (strcmp(type, "FULLTEXT") == 0) return CATALOG_KEY_FULLTEXT;
    if (strcmp(type, "SPATIAL") == 0) return CATALOG_KEY_SPATIAL;
    return non_unique[0] == '0' ? CATALOG_KEY_UNIQUE : CATALOG_KEY_INDEX;
}

static uint16_t load_keys(MYSQL *db, const struct catalog *c, const char *where, const struct catalog_table *t,
                          struct catalog_key *key)
{
    MYSQL_RES *r =
        compare_query(db,
                      "SELECT INDEX_NAME, COLUMN_NAME, INDEX_TYPE, NON_UNIQUE, SUB_PART, COLLATION FROM"
                      " information_schema.STATISTICS WHERE %s ORDER BY CAST(INDEX_NAME AS BINARY), SEQ_IN_INDEX",
                      where);
    uint16_t count = 0;
    ck_assert_msg(r != NULL, "%s", mysql_error(db));
    for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL;) {
        if (count == 0 || strcmp(key[count - 1].name, f[0]) != 0) {
            ck_assert_uint_lt(count, CATALOG_KEYS_MAX);
            key[count++] = (struct catalog_key){.name = strdup(f[0]),
                                                .kind = (uint8_t)kind_of(f[0], f[2], f[3]),
                                                .part = calloc(CATALOG_KEY_PARTS_MAX, sizeof *key->part)};
        }
        struct catalog_key *k = &key[count - 1];
        k->is_hash = catalog_server(c)->is_mariadb && strcmp(f[2], "HASH") == 0;
        struct catalog_key_part *part = (struct catalog_key_part *)(uintptr_t)k->part + k->part_count++;
        part->column = CATALOG_PART_EXPRESSION;
        for (uint16_t i = 0; f[1] != NULL && i < t->column_count; i++)
            if (strcmp(t->column[i].name, f[1]) == 0) part->column = i;
        part->prefix_chars = f[4] == NULL ? 0 : (uint32_t)atoi(f[4]);
        part->is_descending = f[5] != NULL && f[5][0] == 'D';
    }
    mysql_free_result(r);
    return count;
}

static char *condition(MYSQL *db, const char *database, const char *table)
{
    char d[512], t[512], *out;
    mysql_real_escape_string(db, d, database, strlen(database));
    mysql_real_escape_string(db, t, table, strlen(table));
    /* The binary comparison alone would have old servers open every table. */
    ck_assert(asprintf(&out, "TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s' AND CAST(TABLE_NAME AS BINARY) = '%s'", d, t,
                       t) >= 0);
    return out;
}

bool compare_load(MYSQL *db, struct catalog *c, const char *database, const char *table)
{
    struct catalog_column column[512];
    struct catalog_key key[CATALOG_KEYS_MAX];
    struct catalog_table t = {.database = database, .name = table, .column = column, .key = key};
    struct err_msg msg;
    char *where = condition(db, database, table);
    MYSQL_RES *r =
        compare_query(db, "SELECT TABLE_TYPE, TABLE_COLLATION, ENGINE FROM information_schema.TABLES WHERE %s", where);
    ck_assert_msg(r != NULL, "%s", mysql_error(db));
    MYSQL_ROW f = mysql_fetch_row(r);
    bool found = f != NULL;
    if (found) {
        t.kind = holds(f[0], "VIEW") ? CATALOG_VIEW : holds(f[0], "SEQUENCE") ? CATALOG_SEQUENCE : CATALOG_TABLE;
        t.is_versioned = strcmp(f[0], "SYSTEM VERSIONED") == 0;
        t.collation = f[1] == NULL ? NULL : strdup(f[1]);
        t.engine = f[2] == NULL ? "" : strdup(f[2]);
        if (t.kind != CATALOG_VIEW) {
            t.column_count = load_columns(db, c, where, column);
            t.key_count = load_keys(db, c, where, &t, key);
        }
        ck_assert_msg(catalog_put_database(c, database, "binary", &msg) == ERR_OK, "%s", msg.text);
        ck_assert_msg(catalog_put_table(c, &t, &msg) == ERR_OK, "%s", msg.text);
        for (uint16_t i = 0; i < t.column_count; i++) {
            free((void *)(uintptr_t)column[i].name);
            free((void *)(uintptr_t)column[i].type);
            free((void *)(uintptr_t)column[i].collation);
        }
        for (uint16_t i = 0; i < t.key_count; i++) {
            free((void *)(uintptr_t)key[i].name);
            free((void *)(uintptr_t)key[i].part);
        }
        free((void *)(uintptr_t)t.collation);
        if (f[2] != NULL) free((void *)(uintptr_t)t.engine);
    }
    mysql_free_result(r);
    free(where);
    return found;
}

bool compare_names(MYSQL *db, const struct catalog *c, FILE *why)
{
    uint32_t at, databases = 0, tables = 0, known = 0;
    bool same = true;
    MYSQL_RES *r = compare_query(db,
                                 "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
                                 " WHERE SCHEMA_NAME %s AND SCHEMA_NAME <> 'test'",
                                 not_system);
    for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL; databases++) {
        if (catalog_find_database(c, f[0], &at) && strcmp(catalog_database_collation(c, at), f[1]) == 0) continue;
        fprintf(why, "database %s: %s\n", f[0], f[1]);
        same = false;
    }
    mysql_free_result(r);
    r = compare_query(db, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA %s",
                      not_system);
    for (MYSQL_ROW f; (f = mysql_fetch_row(r)) != NULL; tables++) {
        if (catalog_find_table(c, f[0], f[1]) != NULL) continue;
        fprintf(why, "table %s.%s is not in the catalog\n", f[0], f[1]);
        same = false;
    }
    mysql_free_result(r);
    for (uint32_t d = 0; d < catalog_database_count(c); d++) known += catalog_table_count(c, d);
    for (uint32_t d = 0; d < catalog_database_count(c); d++) {
        for (uint32_t i = 0; i < catalog_table_count(c, d); i++) {
            const struct catalog_table *t = catalog_table_at(c, d, i);
            char *where = condition(db, t->database, t->name);
            r = compare_query(db, "SELECT 1 FROM information_schema.TABLES WHERE %s", where);
            if (mysql_num_rows(r) == 0) fprintf(why, "table %s.%s is not on the server\n", t->database, t->name);
            mysql_free_result(r);
            free(where);
        }
    }
    if (known != tables || catalog_database_count(c) != databases)
        fprintf(why, "%u tables in %u databases, on the server %u in %u\n", known, catalog_database_count(c), tables,
                databases);
    return same && known == tables && catalog_database_count(c) == databases;
}
