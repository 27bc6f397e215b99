#include "capture/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "capture/column_type.h"

/* One definition and the memory behind it.  Arrays and texts come from `block`s, freed together. */
struct schema_object {
    struct schema_table t;
    struct schema_block *block;
    uint32_t column_capacity;
    bool is_kept; /* while lists are exchanged: this old object is in the new list */
};

struct schema_block {
    struct schema_block *next;
    size_t used, size;
    _Alignas(16) uint8_t bytes[];
};

struct schema_list { /* sorted by database and table once complete */
    struct schema_object **object;
    uint32_t count, capacity;
};

struct schema {
    struct schema_query query;
    const struct record_format *format;
    bool ignore_case, delivers_utf8mb4;
    bool is_probed, is_mariadb, is_rds;
    int version_major;
    struct schema_list list;
    uint64_t generation;
};

enum { BLOCK_BYTES = 2048, SCHEMA_CONDITION_NAMES_MAX = 1000 };

static void *object_alloc(struct schema_object *o, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (o->block == NULL || o->block->size - o->block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct schema_block *b = malloc(sizeof *b + room);
        if (b == NULL) return NULL;
        *b = (struct schema_block){.next = o->block, .size = room};
        o->block = b;
    }
    void *at = o->block->bytes + o->block->used;
    o->block->used += size;
    return at;
}

static char *object_text(struct schema_object *o, const char *text, size_t bytes)
{
    char *copy = object_alloc(o, bytes + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return copy;
}

static void object_free(struct schema_object *o)
{
    if (o == NULL) return;
    while (o->block != NULL) {
        struct schema_block *next = o->block->next;
        free(o->block);
        o->block = next;
    }
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
    if (l->count == SCHEMA_TABLES_MAX) return ERR_TOO_LARGE;
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

/* ---- loading ---- */

struct schema_key_draft { /* the key whose rows are being read */
    struct schema_object *object;
    const char *name;
    uint16_t column[SCHEMA_KEY_COLUMNS_MAX];
    uint16_t column_count;
    bool is_whole;
};

struct schema_load { /* one load in progress */
    struct schema *s;
    const struct filter *filter; /* NULL: one table, the next two */
    const char *database, *table;
    struct schema_key_draft key;
    struct schema_list list;    /* new objects, sorted */
    struct schema_object *last; /* of the row before */
    struct err_msg *msg;
};

static bool same_text(const char *text, const char *field, size_t bytes)
{
    return strlen(text) == bytes && memcmp(text, field, bytes) == 0;
}

static bool same_name(const char *const *field, const size_t *bytes, const char *database, const char *table,
                      bool ignore_case)
{
    return compare_bytes(field[0], bytes[0], database, strlen(database), ignore_case) == 0 &&
           compare_bytes(field[1], bytes[1], table, strlen(table), ignore_case) == 0;
}

/* The object for a row's table (fields 0 and 1); made by the first query when `create`.  NULL: not wanted, or no memory
 * (*e). */
static struct schema_object *load_object(struct schema_load *l, const char *const *field, const size_t *bytes,
                                         bool create, enum err *e)
{
    bool found;

    *e = ERR_OK;
    if (l->last != NULL && same_text(l->last->t.table.database, field[0], bytes[0]) &&
        same_text(l->last->t.table.table, field[1], bytes[1]))
        return l->last;
    if (l->filter == NULL ? !same_name(field, bytes, l->database, l->table, l->s->ignore_case)
                          : !filter_selects(l->filter, field[0], bytes[0], field[1], bytes[1]))
        return NULL; /* the source's collation may find more than was asked for */
    uint32_t at = list_search(&l->list, l->s->ignore_case, field[0], bytes[0], field[1], bytes[1], &found);
    if (found) return l->last = l->list.object[at];
    if (!create) return NULL;

    struct schema_object *o = calloc(1, sizeof *o);
    *e = o == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (o != NULL) {
        o->t.table.database = object_text(o, field[0], bytes[0]);
        o->t.table.table = object_text(o, field[1], bytes[1]);
        *e = o->t.table.database == NULL || o->t.table.table == NULL ? ERR_NO_MEMORY : list_insert(&l->list, at, o);
    }
    if (*e != ERR_OK) {
        object_free(o);
        if (*e == ERR_TOO_LARGE)
            err_set(l->msg, *e, "more than %u tables are selected: narrow the include patterns",
                    (unsigned)SCHEMA_TABLES_MAX);
        return NULL;
    }
    return l->last = o;
}

/* Room for one more column; both arrays grow together inside the object's memory. */
static enum err grow_columns(struct schema_object *o)
{
    struct schema_table *t = &o->t;

    if (t->table.column_count < o->column_capacity) return ERR_OK;
    uint32_t capacity = o->column_capacity == 0 ? 8 : o->column_capacity * 2;
    struct change_column *column = object_alloc(o, capacity * sizeof *column);
    struct schema_column *extra = object_alloc(o, capacity * sizeof *extra);
    if (column == NULL || extra == NULL) return ERR_NO_MEMORY;
    if (t->table.column_count != 0) {
        memcpy(column, t->table.column, t->table.column_count * sizeof *column);
        memcpy(extra, t->column, t->table.column_count * sizeof *extra);
    }
    t->table.column = column;
    t->column = extra;
    o->column_capacity = capacity;
    return ERR_OK;
}

static enum err load_labels(struct schema_object *o, struct schema_column *extra)
{
    size_t text_bytes;
    size_t count = column_type_label_count(extra->type_text, &text_bytes);
    if (count == 0) return ERR_OK;
    if (count > UINT16_MAX) return ERR_TOO_LARGE;
    struct schema_label *label = object_alloc(o, count * sizeof *label);
    char *text = object_alloc(o, text_bytes);
    if (label == NULL || text == NULL) return ERR_NO_MEMORY;
    column_type_labels(extra->type_text, label, text);
    extra->label = label;
    extra->label_count = (uint16_t)count;
    return ERR_OK;
}

/* Fields: database, table, column, COLUMN_TYPE, CHARACTER_SET_NAME, CHARACTER_OCTET_LENGTH. */
static enum err load_column(void *context, const char *const *field, const size_t *bytes, uint32_t field_count)
{
    struct schema_load *l = context;
    enum err e;

    INVARIANT(field_count == 6);
    if (field[0] == NULL || field[1] == NULL || field[2] == NULL || field[3] == NULL) return ERR_OK;
    struct schema_object *o = load_object(l, field, bytes, true, &e);
    if (o == NULL) return e;
    struct change_table *table = &o->t.table;
    if (table->column_count == SCHEMA_COLUMNS_MAX)
        return err_set(l->msg, ERR_TOO_LARGE, "table %s.%s has more than %u columns", table->database, table->table,
                       (unsigned)SCHEMA_COLUMNS_MAX);
    TRY(grow_columns(o));
    struct change_column *c = &table->column[table->column_count];
    struct schema_column *x = &o->t.column[table->column_count];
    *c = (struct change_column){.name = object_text(o, field[2], bytes[2])};
    *x = (struct schema_column){.type_text = object_text(o, field[3], bytes[3])};
    if (c->name == NULL || x->type_text == NULL) return ERR_NO_MEMORY;
    if (column_type_parse(c, x) != ERR_OK)
        return err_set(
            l->msg, ERR_UNSUPPORTED,
            "table %s.%s: the type %.100s of column `%s` is not supported; exclude the table from the channel",
            table->database, table->table, x->type_text, c->name);
    if (c->type == CHANGE_CHAR || c->type == CHANGE_VARCHAR || c->type == CHANGE_TEXT) {
        c->charset = x->special != SCHEMA_SPECIAL_NONE ? "ascii"
                     : field[4] == NULL                ? "binary"
                                                       : object_text(o, field[4], bytes[4]);
        if (c->charset == NULL) return ERR_NO_MEMORY;
        if (l->s->delivers_utf8mb4 && strcmp(c->charset, "binary") != 0) {
            x->text = text_charset_find(c->charset);
            c->charset = "utf8mb4";
        }
    }
    for (size_t i = 0; x->prefix_bytes == 0 && field[5] != NULL && i < bytes[5]; i++)
        x->length_bytes = x->length_bytes * 10 + (uint32_t)(field[5][i] - '0');
    TRY(load_labels(o, x));
    table->column_count++;
    return ERR_OK;
}

/* Adds the key that has been gathered to its table.  A key over an expression or a hidden column says nothing to
 * readers and is left out. */
static enum err flush_key(struct schema_load *l)
{
    struct schema_key_draft *d = &l->key;
    struct schema_object *o = d->object;

    d->object = NULL;
    if (o == NULL || !d->is_whole || o->t.table.key_count == SCHEMA_KEYS_MAX) return ERR_OK;
    struct change_table *t = &o->t.table;
    struct change_key *key = object_alloc(o, (t->key_count + 1u) * sizeof *key);
    uint16_t *column = object_alloc(o, d->column_count * sizeof *column);
    if (key == NULL || column == NULL) return ERR_NO_MEMORY;
    memcpy(column, d->column, d->column_count * sizeof *column);
    if (t->key_count != 0) memcpy(key, t->key, t->key_count * sizeof *key);
    key[t->key_count++] = (struct change_key){d->name, column, d->column_count};
    t->key = key;
    return ERR_OK;
}

/* Fields: database, table, INDEX_NAME, COLUMN_NAME, INDEX_TYPE; a key's columns follow each other in order. */
static enum err load_key(void *context, const char *const *field, const size_t *bytes, uint32_t field_count)
{
    struct schema_load *l = context;
    struct schema_key_draft *d = &l->key;
    enum err e;

    INVARIANT(field_count == 5);
    if (field[0] == NULL || field[1] == NULL || field[2] == NULL) return ERR_OK;
    struct schema_object *o = load_object(l, field, bytes, false, &e);
    if (o == NULL) return e;
    const struct change_table *t = &o->t.table;
    if (d->object != o || !same_text(d->name, field[2], bytes[2])) {
        TRY(flush_key(l));
        *d = (struct schema_key_draft){.object = o, .name = object_text(o, field[2], bytes[2]), .is_whole = true};
        if (d->name == NULL) return ERR_NO_MEMORY;
        if (l->s->is_mariadb && field[4] != NULL && same_text("HASH", field[4], bytes[4])) o->t.hash_keys++;
    }
    uint16_t at = 0;
    while (field[3] != NULL && at < t->column_count && !same_text(t->column[at].name, field[3], bytes[3])) at++;
    if (field[3] == NULL || at == t->column_count || d->column_count == SCHEMA_KEY_COLUMNS_MAX)
        d->is_whole = false;
    else
        d->column[d->column_count++] = at;
    return ERR_OK;
}

static enum err load_versioned(void *context, const char *const *field, const size_t *bytes, uint32_t field_count)
{
    struct schema_load *l = context;
    enum err e;

    INVARIANT(field_count == 2);
    if (field[0] == NULL || field[1] == NULL) return ERR_OK;
    struct schema_object *o = load_object(l, field, bytes, false, &e);
    if (o != NULL) o->t.is_versioned = true;
    return e;
}

/* FNV-1a over a text and its end. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    if (text == NULL) return (hash ^ 1) * 1099511628211u;
    do hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    while (*text++ != 0);
    return hash;
}

/* What follows from all columns and keys: the version. */
static void object_finish(const struct schema *s, struct schema_object *o)
{
    struct change_table *t = &o->t.table;
    uint64_t hash = 14695981039346656037u;

    o->t.json_keeps_point = !s->is_mariadb && s->version_major >= 8;
    o->t.may_hide_row_id = s->is_rds && (t->key_count == 0 || strcmp(t->key[0].name, "PRIMARY") != 0);
    hash = hash_text(hash_text(hash, t->database), t->table);
    for (uint16_t i = 0; i < t->column_count; i++) {
        hash = hash_text(hash_text(hash, t->column[i].name), o->t.column[i].type_text);
        hash = hash_text(hash, t->column[i].charset);
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

/* ---- the statements ---- */

/* A string literal that means the same under every sql_mode: quotes are doubled, and a text with a backslash is written
 * in hex. */
static void put_literal(FILE *sql, const char *text)
{
    if (strchr(text, '\\') == NULL) {
        fputc('\'', sql);
        for (; *text != 0; text++) {
            if (*text == '\'') fputc('\'', sql);
            fputc(*text, sql);
        }
        fputc('\'', sql);
    } else {
        fputs("0x", sql);
        for (; *text != 0; text++) fprintf(sql, "%02x", (unsigned char)*text);
    }
}

/* WHERE: the one table, or the databases that the filter may select. */
static void put_condition(FILE *sql, const struct schema_load *l)
{
    static const char *const system_schema[] = {"information_schema", "performance_schema", "sys", "mysql"};
    uint32_t count, shown = 0;

    if (l->filter == NULL) {
        fputs("TABLE_SCHEMA = ", sql);
        put_literal(sql, l->database);
        fputs(" AND TABLE_NAME = ", sql);
        put_literal(sql, l->table);
        return;
    }
    count = filter_include_count(l->filter);
    bool is_literal = count <= SCHEMA_CONDITION_NAMES_MAX;
    for (uint32_t i = 0; is_literal && i < count; i++) is_literal = filter_database(l->filter, i) != NULL;
    fputs(is_literal ? "TABLE_SCHEMA IN (" : "TABLE_SCHEMA NOT IN (''", sql);
    for (uint32_t i = 0; is_literal && i < count; i++) {
        if (shown++ != 0) fputs(", ", sql);
        put_literal(sql, filter_database(l->filter, i));
    }
    for (size_t i = 0; !is_literal && i < sizeof system_schema / sizeof *system_schema; i++)
        if (!filter_selects_database(l->filter, system_schema[i], strlen(system_schema[i])))
            fprintf(sql, ", '%s'", system_schema[i]);
    fputc(')', sql);
}

/* Runs `head` WHERE (the load's condition) `tail`, each row to `row`. */
static enum err run(struct schema_load *l, const char *head, const char *tail,
                    enum err (*row)(void *, const char *const *, const size_t *, uint32_t))
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *sql = open_memstream(&text, &bytes);
    if (sql == NULL) return ERR_NO_MEMORY;
    fputs(head, sql);
    put_condition(sql, l);
    fputs(tail, sql);
    bool failed = ferror(sql) != 0;
    if (fclose(sql) != 0 || failed) {
        free(text);
        return ERR_NO_MEMORY;
    }
    l->last = NULL;
    enum err e = l->s->query.run(l->s->query.context, text, row, l, l->msg);
    free(text);
    return e;
}

static enum err note_version(void *context, const char *const *field, const size_t *bytes, uint32_t field_count)
{
    struct schema *s = context;
    if (field_count == 0 || field[0] == NULL) return ERR_OK;
    s->is_mariadb = memmem(field[0], bytes[0], "MariaDB", 7) != NULL;
    for (size_t i = 0; i < bytes[0] && i < 2 && field[0][i] != '.'; i++)
        s->version_major = s->version_major * 10 + (field[0][i] - '0');
    return ERR_OK;
}

static enum err note_rds(void *context, const char *const *field, const size_t *bytes, uint32_t field_count)
{
    struct schema *s = context;
    (void)field, (void)bytes, (void)field_count;
    s->is_rds = true;
    return ERR_OK;
}

/* The properties of the source that definitions depend on; after a fail-over it may be another. */
static enum err probe(struct schema *s, struct err_msg *msg)
{
    s->is_probed = s->is_mariadb = s->is_rds = false;
    s->version_major = 0;
    TRY(s->query.run(s->query.context, "SELECT VERSION()", note_version, s, msg));
    TRY(s->query.run(s->query.context, "SHOW VARIABLES WHERE Variable_name LIKE 'rds|_%' ESCAPE '|'", note_rds, s,
                     msg));
    s->is_probed = true;
    return ERR_OK;
}

/* The binary sort keeps a table's rows together whatever the collation, and gives the order of list_search.  Old
 * servers have no DATETIME_PRECISION: all sizes are read from COLUMN_TYPE. */
static enum err load(struct schema_load *l)
{
    if (l->filter != NULL || !l->s->is_probed) TRY(probe(l->s, l->msg));
    TRY(run(l,
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, CHARACTER_OCTET_LENGTH"
            " FROM information_schema.COLUMNS WHERE ",
            " ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION", load_column));
    TRY(run(l,
            "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, INDEX_TYPE FROM information_schema.STATISTICS "
            "WHERE NON_UNIQUE = 0 AND ",
            " ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), INDEX_NAME <> 'PRIMARY',"
            " CAST(INDEX_NAME AS BINARY), SEQ_IN_INDEX",
            load_key));
    TRY(flush_key(l));
    if (l->s->is_mariadb)
        TRY(run(
            l,
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED' AND ",
            "", load_versioned));
    for (uint32_t i = 0; i < l->list.count; i++) object_finish(l->s, l->list.object[i]);
    return ERR_OK;
}

/* ---- the registry ---- */

static struct schema_object *find(const struct schema *s, const char *database, size_t database_bytes,
                                  const char *table, size_t table_bytes, uint32_t *at)
{
    bool found;
    *at = list_search(&s->list, s->ignore_case, database, database_bytes, table, table_bytes, &found);
    return found ? s->list.object[*at] : NULL;
}

/* Drops a list that does not come to be: the new objects in it, of which the first `prepared` were prepared. */
static void abandon(struct schema *s, struct schema_list *l, uint32_t prepared)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct schema_object *o = l->object[i];
        if (o->is_kept) {
            o->is_kept = false;
            continue;
        }
        if (i < prepared && s->format != NULL) s->format->table_release(&o->t.table);
        object_free(o);
    }
    free(l->object);
}

/* Prepares what is new in `l`; an unchanged definition gives way to the object that is already there. */
static enum err prepare(struct schema *s, struct schema_list *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct change_table *t = &l->object[i]->t.table;
        uint32_t at;
        struct schema_object *old = find(s, t->database, strlen(t->database), t->table, strlen(t->table), &at);
        if (old != NULL && old->t.table.meta_version == t->meta_version) {
            object_free(l->object[i]);
            old->is_kept = true;
            l->object[i] = old;
            continue;
        }
        enum err e = s->format == NULL ? ERR_OK : s->format->table_prepare(t);
        if (e != ERR_OK) {
            abandon(s, l, i);
            return e;
        }
    }
    return ERR_OK;
}

enum err schema_open(struct schema **out, const struct schema_query *query, const struct record_format *format,
                     bool ignore_case)
{
    struct schema *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    *s = (struct schema){.query = *query, .format = format, .ignore_case = ignore_case, .generation = 1};
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

void schema_deliver_utf8mb4(struct schema *s)
{
    s->delivers_utf8mb4 = true;
}

enum err schema_load_selected(struct schema *s, const struct filter *filter, struct err_msg *msg)
{
    struct schema_load l = {.s = s, .filter = filter, .msg = msg};
    enum err e = load(&l);
    if (e != ERR_OK) {
        abandon(s, &l.list, 0);
        return e;
    }
    TRY(prepare(s, &l.list));
    struct schema_list old = s->list;
    s->list = l.list;
    for (uint32_t i = 0; i < old.count; i++) {
        if (!old.object[i]->is_kept)
            object_retire(s, old.object[i]);
        else
            old.object[i]->is_kept = false;
    }
    free(old.object);
    return ERR_OK;
}

enum err schema_load_table(struct schema *s, const char *database, const char *table, struct err_msg *msg)
{
    struct schema_load l = {.s = s, .database = database, .table = table, .msg = msg};
    uint32_t at;
    enum err e = load(&l);
    if (e != ERR_OK) {
        abandon(s, &l.list, 0);
        return e;
    }
    TRY(prepare(s, &l.list));
    struct schema_object *old = find(s, database, strlen(database), table, strlen(table), &at);
    struct schema_object *new = l.list.count == 0 ? NULL : l.list.object[0];
    if (new == NULL && old != NULL) {
        memmove(s->list.object + at, s->list.object + at + 1, (s->list.count - at - 1) * sizeof *s->list.object);
        s->list.count--;
    } else if (new != NULL && old == NULL) {
        e = list_insert(&s->list, at, new);
        if (e != ERR_OK) {
            abandon(s, &l.list, 1);
            return e;
        }
    } else if (new != NULL) {
        s->list.object[at] = new;
        new->is_kept = false;
    }
    free(l.list.object);
    if (old != NULL && old != new) object_retire(s, old);
    if (new == NULL) return err_set(msg, ERR_NOT_FOUND, "table %s.%s does not exist on the source", database, table);
    return ERR_OK;
}

const struct schema_table *schema_find(const struct schema *s, const char *database, size_t database_bytes,
                                       const char *table, size_t table_bytes)
{
    uint32_t at;
    const struct schema_object *o = find(s, database, database_bytes, table, table_bytes, &at);
    return o == NULL ? NULL : &o->t;
}

uint64_t schema_generation(const struct schema *s)
{
    return s->generation;
}

const struct schema_table *schema_table_at(const struct schema *s, uint32_t index)
{
    return &s->list.object[index]->t;
}

uint32_t schema_table_count(const struct schema *s)
{
    return s->list.count;
}
