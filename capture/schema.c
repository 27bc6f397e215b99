#include "capture/schema.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fnv.h"
#include "capture/arena.h"
#include "capture/catalog.h"
#include "capture/charset.h"
#include "capture/column_type.h"

struct schema_object {
    struct schema_table t;
    struct arena arena; /* arrays and texts */
    uint64_t catalog_version;
};

struct schema_list { /* sorted by database and table */
    struct schema_object **object;
    uint32_t count, capacity;
};

struct schema {
    struct schema_rules rules;
    const struct record_format *format;
    struct schema_list list;
    uint64_t generation, serial;
};

static void object_free(struct schema_object *o)
{
    if (o == NULL) return;
    arena_free(&o->arena);
    free(o);
}

/* A definition that record formats have prepared. */
static void object_retire(struct schema *s, struct schema_object *o)
{
    if (s->format != NULL) s->format->table_release(&o->t.table);
    object_free(o);
    s->generation++;
}

static int compare_bytes(const char *a, size_t a_bytes, const char *b, size_t b_bytes, bool ignore_case)
{
    size_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = ignore_case ? strncasecmp(a, b, common) : memcmp(a, b, common);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_name(const struct schema_object *o, const char *database, size_t database_bytes, const char *table,
                        size_t table_bytes, bool ignore_case)
{
    const struct change_table *t = &o->t.table;
    int order = compare_bytes(t->database, strlen(t->database), database, database_bytes, ignore_case);
    return order != 0 ? order : compare_bytes(t->table, strlen(t->table), table, table_bytes, ignore_case);
}

/* Index of the first object not before the name; *found tells whether it is the one. */
static uint32_t list_search(const struct schema_list *l, bool ignore_case, const char *database, size_t database_bytes,
                            const char *table, size_t table_bytes, bool *found)
{
    uint32_t low = 0, high = l->count;

    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_name(l->object[middle], database, database_bytes, table, table_bytes, ignore_case);
        if (order == 0) *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err list_insert(struct schema_list *l, uint32_t at, struct schema_object *o)
{
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        struct schema_object **grown = realloc(l->object, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        l->object = grown;
        l->capacity = capacity;
    }
    memmove(l->object + at + 1, l->object + at, (l->count - at) * sizeof *l->object);
    l->object[at] = o;
    l->count++;
    return ERR_OK;
}

/* ---- from the catalog's words to what decoding needs ---- */

static char *text_of(struct schema_object *o, const char *text)
{
    return arena_text(&o->arena, text, strlen(text));
}

static enum err define_labels(struct schema_object *o, struct schema_column *x)
{
    size_t text_bytes;
    size_t count = column_type_label_count(x->type_text, &text_bytes);
    if (count == 0) return ERR_OK;
    if (count > UINT16_MAX) return ERR_TOO_LARGE;
    struct schema_label *label = arena_alloc(&o->arena, count * sizeof *label);
    char *text = arena_alloc(&o->arena, text_bytes);
    if (label == NULL || text == NULL) return ERR_NO_MEMORY;
    column_type_labels(x->type_text, label, text);
    x->label = label;
    x->label_count = (uint16_t)count;
    return ERR_OK;
}

/* Bytes at most of a CHAR, VARCHAR, BINARY or VARBINARY: its size in characters stands in the type. */
static uint32_t length_bytes(const struct catalog_column *from)
{
    const char *open = strchr(from->type, '(');
    unsigned long chars = open == NULL ? 1 : strtoul(open + 1, NULL, 10);
    const struct charset *charset = from->charset == NULL ? NULL : charset_find(from->charset, strlen(from->charset));
    return (uint32_t)(chars * (charset == NULL ? 1 : charset->char_bytes_max));
}

static enum err define_column(struct schema_object *o, const struct schema_rules *rules,
                              const struct catalog_column *from, uint16_t i, struct err_msg *msg)
{
    struct change_column *c = &o->t.table.column[i];
    struct schema_column *x = &o->t.column[i];
    c->name = text_of(o, from->name);
    x->type_text = text_of(o, from->type);
    if (c->name == NULL || x->type_text == NULL) return ERR_NO_MEMORY;
    if (column_type_parse(c, x) != ERR_OK)
        return err_set(
            msg, ERR_UNSUPPORTED,
            "table %s.%s: the type %.100s of column `%s` is not supported; exclude the table from the channel",
            o->t.table.database, o->t.table.table, x->type_text, c->name);
    bool is_text = c->type == CHANGE_CHAR || c->type == CHANGE_VARCHAR || c->type == CHANGE_TEXT;
    if (is_text)
        c->charset = x->special != SCHEMA_SPECIAL_NONE ? "ascii" : from->charset == NULL ? "binary" : from->charset;
    x->stored_charset = c->charset;
    if (is_text && rules->delivers_utf8mb4 && strcmp(c->charset, "binary") != 0) {
        x->text = text_charset_find(c->charset);
        c->charset = "utf8mb4";
    }
    if (is_text || c->type == CHANGE_BINARY || c->type == CHANGE_VARBINARY) x->length_bytes = length_bytes(from);
    return define_labels(o, x);
}

/* A key over an expression says nothing to readers and is left out. */
static bool is_told(const struct catalog_key *k)
{
    if (k->kind != CATALOG_KEY_PRIMARY && k->kind != CATALOG_KEY_UNIQUE) return false;
    for (uint16_t i = 0; i < k->part_count; i++)
        if (k->part[i].column == CATALOG_PART_EXPRESSION) return false;
    return k->part_count > 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct change_key *x = a, *y = b;
    bool x_first = strcmp(x->name, "PRIMARY") == 0, y_first = strcmp(y->name, "PRIMARY") == 0;
    return x_first != y_first ? y_first - x_first : strcmp(x->name, y->name);
}

/* The primary key first, the unique ones by name: the same order whether the source or a statement told of them. */
static enum err define_keys(struct schema_object *o, const struct catalog_table *from)
{
    struct change_table *t = &o->t.table;
    t->key = arena_alloc(&o->arena, (from->key_count + 1u) * sizeof *t->key);
    if (t->key == NULL) return ERR_NO_MEMORY;
    for (uint16_t k = 0; k < from->key_count; k++) {
        const struct catalog_key *key = &from->key[k];
        if (key->is_hash) o->t.hash_keys++;
        if (!is_told(key)) continue;
        uint16_t *column = arena_alloc(&o->arena, key->part_count * sizeof *column);
        struct change_key *out = &t->key[t->key_count++];
        *out = (struct change_key){text_of(o, key->name), column, key->part_count};
        if (column == NULL || out->name == NULL) return ERR_NO_MEMORY;
        for (uint16_t i = 0; i < key->part_count; i++) column[i] = key->part[i].column;
    }
    qsort(t->key, t->key_count, sizeof *t->key, compare_keys);
    return ERR_OK;
}

/* FNV-1a over a text and its end. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return text == NULL ? fnv1a(hash, "\1", 1) : fnv1a(hash, text, strlen(text) + 1);
}

/* What follows from all columns and keys: the version. */
static void define_version(struct schema_object *o)
{
    struct change_table *t = &o->t.table;
    uint64_t hash = 14695981039346656037u;

    hash = hash_text(hash_text(hash, t->database), t->table);
    for (uint16_t i = 0; i < t->column_count; i++) {
        hash = hash_text(hash_text(hash, t->column[i].name), o->t.column[i].type_text);
        hash = hash_text(hash, t->column[i].charset);
        if (o->t.column[i].text != NULL) hash = hash_text(hash, o->t.column[i].text->name); /* how it is decoded */
        hash = (hash ^ o->t.column[i].length_bytes) * 1099511628211u;
    }
    for (uint16_t i = 0; i < t->key_count; i++) {
        hash = hash_text(hash, t->key[i].name);
        for (uint16_t k = 0; k < t->key[i].column_count; k++) hash = (hash ^ t->key[i].column[k]) * 1099511628211u;
    }
    hash = (hash ^ (o->t.may_hide_row_id | o->t.is_versioned << 1 | o->t.json_keeps_point << 2 | o->t.hash_keys << 3)) *
           1099511628211u;
    hash &= INT64_MAX; /* readers parse it as a signed number */
    t->meta_version = hash == 0 ? 1 : hash;
}

static enum err define(const struct schema *s, struct schema_object *o, const struct catalog_table *from,
                       struct err_msg *msg)
{
    struct change_table *t = &o->t.table;
    o->catalog_version = from->version;
    t->database = text_of(o, from->database);
    t->table = text_of(o, from->name);
    t->column = arena_alloc(&o->arena, (from->column_count + 1u) * sizeof *t->column);
    o->t.column = arena_alloc(&o->arena, (from->column_count + 1u) * sizeof *o->t.column);
    if (t->database == NULL || t->table == NULL || t->column == NULL || o->t.column == NULL) return ERR_NO_MEMORY;
    t->column_count = from->column_count;
    for (uint16_t i = 0; i < from->column_count; i++) TRY(define_column(o, &s->rules, &from->column[i], i, msg));
    TRY(define_keys(o, from));
    o->t.is_versioned = from->is_versioned;
    o->t.json_keeps_point = s->rules.json_keeps_point;
    bool has_primary = t->key_count > 0 && strcmp(t->key[0].name, "PRIMARY") == 0;
    o->t.may_hide_row_id = s->rules.is_rds && !has_primary;
    o->t.perhaps_row_id = s->rules.is_perhaps_rds && !has_primary;
    define_version(o);
    return ERR_OK;
}

/* ---- the registry ---- */

static struct schema_object *find(const struct schema *s, const char *database, size_t database_bytes,
                                  const char *table, size_t table_bytes, uint32_t *at)
{
    bool found;
    *at = list_search(&s->list, s->rules.ignore_case, database, database_bytes, table, table_bytes, &found);
    return found ? s->list.object[*at] : NULL;
}

enum err schema_open(struct schema **out, const struct record_format *format, const struct schema_rules *rules)
{
    struct schema *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    *s = (struct schema){.rules = *rules, .format = format, .generation = 1};
    *out = s;
    return ERR_OK;
}

void schema_close(struct schema *s)
{
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->list.count; i++) object_retire(s, s->list.object[i]);
    free(s->list.object);
    free(s);
}

enum err schema_define(struct schema *s, const struct catalog_table *from, const struct schema_table **out,
                       struct err_msg *msg)
{
    uint32_t at;
    struct schema_object *old = find(s, from->database, strlen(from->database), from->name, strlen(from->name), &at);
    if (old != NULL && old->catalog_version == from->version) {
        *out = &old->t;
        return ERR_OK;
    }
    struct schema_object *o = calloc(1, sizeof *o);
    enum err e = o == NULL ? ERR_NO_MEMORY : define(s, o, from, msg);
    if (e == ERR_OK && old != NULL && old->t.table.meta_version == o->t.table.meta_version) {
        old->catalog_version = from->version; /* what changed is nothing that readers see */
        object_free(o);
        *out = &old->t;
        return ERR_OK;
    }
    if (e == ERR_OK && s->format != NULL) e = s->format->table_prepare(&o->t.table);
    if (e == ERR_OK && old == NULL && list_insert(&s->list, at, o) != ERR_OK) {
        if (s->format != NULL) s->format->table_release(&o->t.table);
        e = ERR_NO_MEMORY;
    }
    if (e != ERR_OK) {
        object_free(o);
        return e;
    }
    o->t.serial = ++s->serial;
    if (old != NULL) {
        s->list.object[at] = o;
        object_retire(s, old);
    }
    *out = &o->t;
    return ERR_OK;
}

void schema_forget(struct schema *s, const char *database, const char *table)
{
    uint32_t at;
    struct schema_object *o = find(s, database, strlen(database), table, strlen(table), &at);
    if (o == NULL) return;
    s->list.count--;
    memmove(s->list.object + at, s->list.object + at + 1, (s->list.count - at) * sizeof *s->list.object);
    object_retire(s, o);
}

void schema_forget_database(struct schema *s, const char *database)
{
    for (uint32_t i = s->list.count; i-- > 0;) {
        const struct change_table *t = &s->list.object[i]->t.table;
        size_t bytes = strlen(database);
        if (compare_bytes(t->database, strlen(t->database), database, bytes, s->rules.ignore_case) == 0)
            schema_forget(s, t->database, t->table);
    }
}

uint64_t schema_serial(const struct schema *s, const char *database, const char *table)
{
    uint32_t at;
    const struct schema_object *o = find(s, database, strlen(database), table, strlen(table), &at);
    return o == NULL ? 0 : o->t.serial;
}

void schema_moved(struct schema *s)
{
    s->generation++;
}

uint64_t schema_generation(const struct schema *s)
{
    return s->generation;
}
