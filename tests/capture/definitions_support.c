#include "tests/capture/definitions_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "capture/charset.h"

static const struct source_place nowhere = {"binlog.000001", 4};

void told_open(struct told *t, const char *version, const struct record_format *format, bool is_rds, bool ignore_case)
{
    struct err_msg msg;
    struct catalog_server server = {0};
    INVARIANT(catalog_server_parse(&server, version));
    server.lower_case_table_names = ignore_case ? 2 : 0;
    const struct schema_rules rules = {.ignore_case = ignore_case,
                                       .is_mariadb = server.is_mariadb,
                                       .is_rds = is_rds,
                                       .json_keeps_point = !server.is_mariadb && server.version >= 80000};
    *t = (struct told){.rules = rules};
    INVARIANT(tracker_open(&t->tracker, NULL, &server, &msg) == ERR_OK);
    INVARIANT(schema_open(&t->definitions.schema, format, &rules) == ERR_OK);
    struct catalog *nothing;
    const struct horizon empty = {0};
    INVARIANT(catalog_open(&nothing, &server) == ERR_OK);
    INVARIANT(tracker_learn(t->tracker, &nowhere, nothing, &empty, &nowhere, &msg) == ERR_OK);
    t->definitions.tracker = t->tracker;
    t->definitions.at = nowhere;
}

void told_deliver_utf8mb4(struct told *t)
{
    schema_close(t->definitions.schema);
    t->rules.delivers_utf8mb4 = true;
    INVARIANT(schema_open(&t->definitions.schema, NULL, &t->rules) == ERR_OK);
}

void told_close(struct told *t)
{
    schema_close(t->definitions.schema);
    tracker_close(t->tracker);
}

static const char *collation_of(const struct told *t, const char *charset)
{
    struct collation c;
    const struct charset *cs = charset == NULL ? NULL : charset_find(charset, strlen(charset));
    INVARIANT(charset == NULL || cs != NULL);
    if (cs == NULL) return NULL;
    INVARIANT(collation_standard(&c, catalog_server(tracker_catalog(t->tracker)), cs));
    return c.name;
}

static uint16_t column_at(const struct told_column *column, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(column[i].name, name) == 0) return (uint16_t)i;
    return CATALOG_PART_EXPRESSION;
}

void told_table(struct told *t, const char *database, const char *table, const struct told_column *column,
                uint32_t column_count, const struct told_key *key, uint32_t key_count, bool is_versioned)
{
    struct catalog_column *columns = calloc(column_count + 1, sizeof *columns);
    struct catalog_key keys[TOLD_KEYS_MAX];
    struct catalog_key_part part[TOLD_KEYS_MAX][TOLD_KEY_COLUMNS_MAX];
    struct err_msg msg = {0};
    INVARIANT(columns != NULL && key_count <= TOLD_KEYS_MAX);
    for (uint32_t i = 0; i < column_count; i++)
        columns[i] = (struct catalog_column){.name = column[i].name,
                                             .type = column[i].type,
                                             .collation = collation_of(t, column[i].charset),
                                             .is_nullable = true};
    for (uint32_t k = 0; k < key_count; k++) {
        bool is_primary = strcmp(key[k].name, "PRIMARY") == 0;
        keys[k] = (struct catalog_key){.name = key[k].name,
                                       .kind = is_primary ? CATALOG_KEY_PRIMARY : CATALOG_KEY_UNIQUE,
                                       .part = part[k]};
        for (uint32_t i = 0; i < TOLD_KEY_COLUMNS_MAX && key[k].column[i] != NULL; i++) {
            part[k][i] = (struct catalog_key_part){column_at(column, column_count, key[k].column[i]), 0};
            keys[k].part_count++;
        }
    }
    const struct catalog_table x = {.database = database,
                                    .name = table,
                                    .engine = "InnoDB",
                                    .collation = "utf8mb4_general_ci",
                                    .column = columns,
                                    .key = keys,
                                    .column_count = (uint16_t)column_count,
                                    .key_count = (uint16_t)key_count,
                                    .is_versioned = is_versioned};
    enum err e = tracker_put(t->tracker, &nowhere, &x, &msg);
    if (e != ERR_OK) fprintf(stderr, "%s.%s: %s\n", database, table, msg.text);
    INVARIANT(e == ERR_OK);
    schema_moved(t->definitions.schema);
    free(columns);
}

void told_drop(struct told *t, const char *database, const char *table)
{
    INVARIANT(tracker_put_absent(t->tracker, &nowhere, database, table) == ERR_OK);
    schema_moved(t->definitions.schema);
}

enum err told_define(struct told *t, const char *database, const char *table, const struct schema_table **out,
                     struct err_msg *msg)
{
    const struct catalog_table *from = catalog_find_table(tracker_catalog(t->tracker), database, table);
    return from == NULL ? ERR_NOT_FOUND : schema_define(t->definitions.schema, from, out, msg);
}

const struct schema_table *told_find(struct told *t, const char *database, const char *table)
{
    const struct schema_table *out;
    struct err_msg msg;
    return told_define(t, database, table, &out, &msg) == ERR_OK ? out : NULL;
}
