#include "capture/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "capture/catalog_store.h"
#include "capture/charset.h"
#include "capture/name_fold.h"

/* ---- names ---- */

int catalog_compare_names(const struct catalog *c, const char *a, const char *b)
{
    return c->server.lower_case_table_names == 0 ? strcmp(a, b) : name_compare_folded(a, b);
}

bool catalog_same_column(const char *a, const char *b)
{
    return name_compare_folded(a, b) == 0;
}

bool catalog_server_parse(struct catalog_server *out, const char *text)
{
    unsigned major, minor, patch;
    out->is_mariadb = strstr(text, "MariaDB") != NULL;
    if (out->is_mariadb && strncmp(text, "5.5.5-1", 7) == 0) text += 6; /* what MariaDB says for old replicas */
    if (sscanf(text, "%3u.%3u.%3u", &major, &minor, &patch) != 3 || minor > 99 || patch > 99) return false;
    out->version = major * 10000 + minor * 100 + patch;
    return true;
}

/* ---- definitions ---- */

static size_t text_room(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static const char *copy_text(char **to, const char *text)
{
    if (text == NULL) return NULL;
    size_t bytes = strlen(text) + 1;
    char *at = memcpy(*to, text, bytes);
    *to += bytes;
    return at;
}

static size_t table_parts(const struct catalog_table *t)
{
    size_t parts = 0;
    for (uint16_t i = 0; i < t->key_count; i++) parts += t->key[i].part_count;
    return parts;
}

static size_t table_bytes(const struct catalog_table *t)
{
    size_t texts = text_room(t->database) + text_room(t->name) + text_room(t->engine);
    for (uint16_t i = 0; i < t->column_count; i++) texts += text_room(t->column[i].name) + text_room(t->column[i].type);
    for (uint16_t i = 0; i < t->key_count; i++) texts += text_room(t->key[i].name);
    return sizeof *t + t->column_count * sizeof *t->column + t->key_count * sizeof *t->key +
           table_parts(t) * sizeof *t->key->part + texts;
}

/* The table, its columns, keys and parts, then all texts, in one block: freed with one free. */
struct catalog_table *catalog_table_copy(struct catalog *c, const struct catalog_table *t)
{
    size_t parts = table_parts(t), bytes = table_bytes(t);
    struct catalog_table *n = malloc(bytes);
    if (n == NULL) return NULL;
    c->table_bytes += bytes;
    struct catalog_column *column = (struct catalog_column *)(n + 1);
    struct catalog_key *key = (struct catalog_key *)(column + t->column_count);
    struct catalog_key_part *part = (struct catalog_key_part *)(key + t->key_count);
    char *text = (char *)(part + parts);

    *n = *t;
    n->version = c->version_next++;
    n->database = copy_text(&text, t->database);
    n->name = copy_text(&text, t->name);
    n->engine = copy_text(&text, t->engine);
    for (uint16_t i = 0; i < t->column_count; i++) {
        column[i] = t->column[i];
        column[i].name = copy_text(&text, t->column[i].name);
        column[i].type = copy_text(&text, t->column[i].type);
    }
    for (uint16_t i = 0; i < t->key_count; i++) {
        key[i] = t->key[i];
        key[i].name = copy_text(&text, t->key[i].name);
        key[i].part = part;
        if (t->key[i].part_count != 0) memcpy(part, t->key[i].part, t->key[i].part_count * sizeof *part);
        part += t->key[i].part_count;
    }
    n->column = column;
    n->key = key;
    return n;
}

void catalog_table_free(struct catalog *c, struct catalog_table *t)
{
    c->table_bytes -= table_bytes(t);
    free(t);
}

const struct catalog_key *catalog_row_key(const struct catalog_table *t)
{
    for (uint16_t i = 0; i < t->key_count; i++) {
        const struct catalog_key *k = &t->key[i];
        if (k->kind == CATALOG_KEY_PRIMARY) return k;
        if (k->kind != CATALOG_KEY_UNIQUE) continue;
        uint16_t p = 0;
        while (p < k->part_count && k->part[p].column != CATALOG_PART_EXPRESSION && k->part[p].prefix_chars == 0 &&
               !t->column[k->part[p].column].is_nullable)
            p++;
        if (p == k->part_count) return k;
    }
    return NULL;
}

/* ---- the catalog ---- */

enum err catalog_open(struct catalog **out, const struct catalog_server *server)
{
    struct catalog *c = calloc(1, sizeof *c);
    if (c == NULL) return ERR_NO_MEMORY;
    c->server = *server;
    c->version_next = 1;
    *out = c;
    return ERR_OK;
}

static void database_clear(struct catalog *c, struct catalog_database *d)
{
    for (uint32_t i = 0; i < d->table_count; i++) catalog_table_free(c, d->table[i]);
    c->total_tables -= d->table_count;
    free(d->table);
    free(d->name);
}

void catalog_close(struct catalog *c)
{
    if (c == NULL) return;
    for (uint32_t i = 0; i < c->database_count; i++) database_clear(c, &c->database[i]);
    free(c->database);
    arena_free(&c->effects);
    free(c);
}

const struct catalog_server *catalog_server(const struct catalog *c)
{
    return &c->server;
}

uint64_t catalog_bytes(const struct catalog *c)
{
    uint64_t bytes = sizeof *c + c->database_capacity * sizeof *c->database + c->effects.total_bytes + c->table_bytes;
    for (uint32_t i = 0; i < c->database_count; i++)
        bytes += c->database[i].table_capacity * sizeof *c->database[i].table + strlen(c->database[i].name) + 1;
    return bytes;
}

uint32_t catalog_database_count(const struct catalog *c)
{
    return c->database_count;
}

const char *catalog_database_name(const struct catalog *c, uint32_t database)
{
    return c->database[database].name;
}

const char *catalog_database_collation(const struct catalog *c, uint32_t database)
{
    return c->database[database].collation;
}

bool catalog_find_database(const struct catalog *c, const char *name, uint32_t *database)
{
    uint32_t low = 0, high = c->database_count;
    bool found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = catalog_compare_names(c, c->database[middle].name, name);
        if (order == 0) found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *database = low;
    return found;
}

uint32_t catalog_table_count(const struct catalog *c, uint32_t database)
{
    return c->database[database].table_count;
}

const struct catalog_table *catalog_table_at(const struct catalog *c, uint32_t database, uint32_t index)
{
    return c->database[database].table[index];
}

static bool find_table(const struct catalog *c, const struct catalog_database *d, const char *name, uint32_t *at)
{
    uint32_t low = 0, high = d->table_count;
    bool found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = catalog_compare_names(c, d->table[middle]->name, name);
        if (order == 0) found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return found;
}

const struct catalog_table *catalog_find_table(const struct catalog *c, const char *database, const char *table)
{
    uint32_t d, at;
    if (!catalog_find_database(c, database, &d) || !find_table(c, &c->database[d], table, &at)) return NULL;
    return c->database[d].table[at];
}

enum err catalog_reserve(struct catalog *c, uint32_t database, uint32_t count)
{
    struct catalog_database *d = &c->database[database];
    if (count > CATALOG_TABLES_MAX - c->total_tables) return ERR_TOO_LARGE;
    if (d->table_capacity - d->table_count >= count) return ERR_OK;
    uint32_t capacity = d->table_capacity * 2 > d->table_count + count ? d->table_capacity * 2 : d->table_count + count;
    struct catalog_table **grown = realloc(d->table, capacity * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    d->table = grown;
    d->table_capacity = capacity;
    return ERR_OK;
}

void catalog_place(struct catalog *c, uint32_t database, struct catalog_table *t)
{
    struct catalog_database *d = &c->database[database];
    uint32_t at;
    if (find_table(c, d, t->name, &at)) {
        catalog_table_free(c, d->table[at]);
        d->table[at] = t;
        return;
    }
    INVARIANT(d->table_count < d->table_capacity);
    memmove(d->table + at + 1, d->table + at, (d->table_count - at) * sizeof *d->table);
    d->table[at] = t;
    d->table_count++;
    c->total_tables++;
}

enum err catalog_put_database(struct catalog *c, const char *name, const char *collation, struct err_msg *msg)
{
    struct collation known;
    uint32_t at;
    if (!collation_find(&known, &c->server, collation, strlen(collation)))
        return err_set(msg, ERR_INVALID, "database %.200s: the collation %.100s is not known", name, collation);
    if (catalog_find_database(c, name, &at)) {
        c->database[at].collation = known.name;
        return ERR_OK;
    }
    if (c->database_count == c->database_capacity) {
        uint32_t capacity = c->database_capacity == 0 ? 8 : c->database_capacity * 2;
        struct catalog_database *grown = realloc(c->database, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        c->database = grown;
        c->database_capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) return ERR_NO_MEMORY;
    memmove(c->database + at + 1, c->database + at, (c->database_count - at) * sizeof *c->database);
    c->database[at] = (struct catalog_database){.name = copy, .collation = known.name};
    c->database_count++;
    return ERR_OK;
}

/* A collation's static name and character set in place of the caller's texts. */
static enum err settle(const struct catalog *c, const struct catalog_table *t, const char *what, const char **charset,
                       const char **collation, struct err_msg *msg)
{
    struct collation known;
    *charset = NULL;
    if (*collation == NULL) return ERR_OK;
    if (!collation_find(&known, &c->server, *collation, strlen(*collation)))
        return err_set(msg, ERR_INVALID, "table %.200s.%.200s: the collation %.60s of %.100s is not known", t->database,
                       t->name, *collation, what);
    *charset = charset_shown(known.charset, &c->server);
    *collation = known.name;
    return ERR_OK;
}

static enum err check_keys(const struct catalog_table *t, struct err_msg *msg)
{
    for (uint16_t i = 0; i < t->key_count; i++) {
        const struct catalog_key *k = &t->key[i];
        for (uint16_t p = 0; p < k->part_count; p++)
            if (k->part[p].column != CATALOG_PART_EXPRESSION && k->part[p].column >= t->column_count)
                return err_set(msg, ERR_INVALID, "table %.200s.%.200s: key %.60s names a column that is not there",
                               t->database, t->name, k->name);
    }
    return ERR_OK;
}

enum err catalog_put_table(struct catalog *c, const struct catalog_table *t, struct err_msg *msg)
{
    uint32_t database;
    if (!catalog_find_database(c, t->database, &database))
        return err_set(msg, ERR_NOT_FOUND, "table %.200s.%.200s: its database is not known", t->database, t->name);
    TRY(check_keys(t, msg));
    struct catalog_table *n = catalog_table_copy(c, t);
    if (n == NULL) return ERR_NO_MEMORY;
    /* The copy is ours: its columns may be written. */
    struct catalog_column *column = (struct catalog_column *)(n + 1);
    enum err e = settle(c, t, "the table", &n->charset, &n->collation, msg);
    for (uint16_t i = 0; e == ERR_OK && i < n->column_count; i++)
        e = settle(c, t, column[i].name, &column[i].charset, &column[i].collation, msg);
    if (e == ERR_OK) e = catalog_reserve(c, database, 1);
    if (e != ERR_OK) {
        catalog_table_free(c, n);
        return e;
    }
    catalog_place(c, database, n);
    return ERR_OK;
}

void catalog_drop_table(struct catalog *c, const char *database, const char *table)
{
    uint32_t d, at;
    if (!catalog_find_database(c, database, &d) || !find_table(c, &c->database[d], table, &at)) return;
    struct catalog_database *in = &c->database[d];
    catalog_table_free(c, in->table[at]);
    memmove(in->table + at, in->table + at + 1, (in->table_count - at - 1) * sizeof *in->table);
    in->table_count--;
    c->total_tables--;
}

void catalog_drop_database(struct catalog *c, const char *database)
{
    uint32_t at;
    if (!catalog_find_database(c, database, &at)) return;
    database_clear(c, &c->database[at]);
    memmove(c->database + at, c->database + at + 1, (c->database_count - at - 1) * sizeof *c->database);
    c->database_count--;
}
