#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/catalog_store.h"
#include "capture/charset.h"

void catalog_text_free(struct catalog_text *t)
{
    free(t->text);
    *t = (struct catalog_text){0};
}

static void put(struct catalog_text *t, const char *text, size_t bytes)
{
    if (t->failed) return;
    if (t->capacity - t->size < bytes + 1) {
        size_t capacity = t->capacity == 0 ? 4096 : t->capacity;
        while (capacity - t->size < bytes + 1) capacity *= 2;
        char *grown = realloc(t->text, capacity);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->text = grown;
        t->capacity = capacity;
    }
    memcpy(t->text + t->size, text, bytes);
    t->size += bytes;
    t->text[t->size] = 0;
}

static void put_text(struct catalog_text *t, const char *text)
{
    put(t, text, strlen(text));
}

static void put_name(struct catalog_text *t, const char *name)
{
    put_text(t, "`");
    for (const char *end; (end = strchr(name, '`')) != NULL; name = end + 1) {
        put(t, name, (size_t)(end - name) + 1);
        put_text(t, "`");
    }
    put_text(t, name);
    put_text(t, "`");
}

static void put_table_name(struct catalog_text *t, const struct catalog_table *table)
{
    put_name(t, table->database);
    put_text(t, ".");
    put_name(t, table->name);
}

static void put_column(struct catalog_text *out, const struct catalog_column *c)
{
    static const char *const generated[] = {
        [CATALOG_NOT_GENERATED] = "",
        [CATALOG_VIRTUAL] = " GENERATED ALWAYS AS (0) VIRTUAL",
        [CATALOG_STORED] = " GENERATED ALWAYS AS (0) STORED",
    };
    put_name(out, c->name);
    put_text(out, " ");
    put_text(out, c->type);
    if (c->collation != NULL) {
        put_text(out, " CHARACTER SET ");
        put_text(out, c->charset);
        put_text(out, " COLLATE ");
        put_text(out, c->collation);
    } else if (strncmp(c->type, "enum(", 5) == 0 || strncmp(c->type, "set(", 4) == 0) {
        put_text(out, " CHARACTER SET binary");
    }
    put_text(out, generated[c->generated]);
    if (c->is_period) put_text(out, " GENERATED ALWAYS AS ROW START");
    put_text(out, c->is_nullable ? " NULL" : " NOT NULL");
    if (c->is_invisible) put_text(out, " INVISIBLE");
}

static void put_key(struct catalog_text *out, const struct catalog_table *t, const struct catalog_key *k)
{
    static const char *const kind[] = {
        [CATALOG_KEY_PRIMARY] = "PRIMARY KEY",  [CATALOG_KEY_UNIQUE] = "UNIQUE KEY ",
        [CATALOG_KEY_INDEX] = "KEY ",           [CATALOG_KEY_FULLTEXT] = "FULLTEXT KEY ",
        [CATALOG_KEY_SPATIAL] = "SPATIAL KEY ", [CATALOG_KEY_VECTOR] = "VECTOR KEY ",
    };
    char prefix[16];
    put_text(out, kind[k->kind]);
    if (k->kind != CATALOG_KEY_PRIMARY) put_name(out, k->name);
    for (uint16_t p = 0; p < k->part_count; p++) {
        put_text(out, p == 0 ? " (" : ",");
        if (k->part[p].column == CATALOG_PART_EXPRESSION)
            put_text(out, "(0)");
        else
            put_name(out, t->column[k->part[p].column].name);
        snprintf(prefix, sizeof prefix, "(%u)", k->part[p].prefix_chars);
        if (k->part[p].prefix_chars != 0) put_text(out, prefix);
        if (k->part[p].is_descending) put_text(out, " DESC");
    }
    put_text(out, ")");
    if (k->is_hash || k->says_hash) put_text(out, " USING HASH");
    if (k->is_implied) put_text(out, " USING IMPLIED"); /* not SQL: only we read it */
}

void catalog_write_table(struct catalog_text *out, const struct catalog *c, const struct catalog_table *t)
{
    (void)c;
    if (t->kind == CATALOG_VIEW) {
        put_text(out, "CREATE VIEW ");
        put_table_name(out, t);
        put_text(out, " AS SELECT 1;\n");
        return;
    }
    put_text(out, CATALOG_SHOWN "CREATE TABLE ");
    put_table_name(out, t);
    for (uint16_t i = 0; i < t->column_count; i++) {
        put_text(out, i == 0 ? " (" : ", ");
        put_column(out, &t->column[i]);
    }
    for (uint16_t i = 0; i < t->key_count; i++) {
        put_text(out, ", ");
        put_key(out, t, &t->key[i]);
    }
    put_text(out, ")");
    if (*t->engine != 0) {
        put_text(out, " ENGINE=");
        put_name(out, t->engine);
    }
    put_text(out, " DEFAULT CHARACTER SET ");
    put_text(out, t->charset);
    put_text(out, " COLLATE ");
    put_text(out, t->collation);
    if (t->kind == CATALOG_SEQUENCE) put_text(out, " SEQUENCE=1");
    put_text(out, t->is_versioned ? " WITH SYSTEM VERSIONING;\n" : ";\n");
}

void catalog_write_database(struct catalog_text *out, const struct catalog *c, uint32_t database)
{
    const char *name = catalog_database_collation(c, database);
    struct collation collation;
    put_text(out, "CREATE DATABASE ");
    put_name(out, catalog_database_name(c, database));
    if (collation_find(&collation, catalog_server(c), name, strlen(name))) {
        put_text(out, " CHARACTER SET ");
        put_text(out, collation.charset->name);
    }
    put_text(out, " COLLATE ");
    put_text(out, name);
    put_text(out, ";\n");
}
