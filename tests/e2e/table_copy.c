/* tests/e2e/table_copy.c -- see table_copy.h */
#include "tests/e2e/table_copy.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 18, NAME_BYTES = 512 };
#define FAULT(...) (snprintf(why, why_size, __VA_ARGS__), false)

struct row {
    struct row *next;
    struct table *table;
    uint32_t size, key_size, seen; /* seen: number of the comparison that found it */
    uint8_t  bytes[];              /* as struct row_bytes; the key is the first column */
};
struct table {
    struct table *next;
    uint64_t row_count;
    char     name[NAME_BYTES];
};
struct table_copy {
    struct table *tables;
    struct row  **bucket;
    uint32_t      comparison;
};

struct table_copy *table_copy_new(void)
{
    struct table_copy *c = calloc(1, sizeof *c);
    if (c == NULL || (c->bucket = calloc(BUCKETS, sizeof *c->bucket)) == NULL) abort();
    return c;
}

void table_copy_free(struct table_copy *c)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (c->bucket[i] != NULL) {
            struct row *r = c->bucket[i];
            c->bucket[i] = r->next;
            free(r);
        }
    }
    while (c->tables != NULL) {
        struct table *t = c->tables;
        c->tables = t->next;
        free(t);
    }
    free(c->bucket);
    free(c);
}

static struct table *table_of(struct table_copy *c, const char *name)
{
    for (struct table *t = c->tables; t != NULL; t = t->next)
        if (strcmp(t->name, name) == 0) return t;
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL) abort();
    snprintf(t->name, sizeof t->name, "%s", name);
    t->next = c->tables;
    return c->tables = t;
}

/* The link that points to the row of this key, or to NULL at the end of its chain.  FNV-1a. */
static struct row **find(struct table_copy *c, const struct table *t, const uint8_t *key, size_t key_size)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uintptr_t)t;
    for (size_t i = 0; i < key_size; i++) hash = (hash ^ key[i]) * 0x100000001b3u;
    struct row **at = &c->bucket[(hash ^ hash >> 32) % BUCKETS];
    while (*at != NULL) {
        const struct row *r = *at;
        if (r->table == t && r->key_size == key_size && memcmp(r->bytes, key, key_size) == 0) break;
        at = &(*at)->next;
    }
    return at;
}

/* The key's text, for people. */
static const char *key_text(const struct row_bytes *r)
{
    static char text[80];
    int size = r->first_size <= 4 ? 0 : (int)(r->first_size - 4);
    snprintf(text, sizeof text, "%.*s", size > 64 ? 64 : size, (const char *)r->bytes + 4);
    return text;
}

/* The number of the first column in which two rows differ. */
static unsigned first_difference(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t   at = 0;
    unsigned column = 0;
    while (at + 4 <= a_size && at + 4 <= b_size) {
        uint32_t la, lb;
        memcpy(&la, a + at, 4);
        memcpy(&lb, b + at, 4);
        size_t size = la == ROW_VALUE_NULL ? 0 : la;
        if (la != lb || memcmp(a + at + 4, b + at + 4, size) != 0) break;
        at += 4 + size;
        column++;
    }
    return column;
}

static bool take_out(struct table_copy *c, struct table *t, const struct row_bytes *before, char *why, size_t why_size)
{
    struct row **at = find(c, t, before->bytes, before->first_size), *row = *at;
    if (row == NULL) return FAULT("%s: key %s is changed but was never there", t->name, key_text(before));
    if (row->size != before->size || memcmp(row->bytes, before->bytes, row->size) != 0)
        return FAULT("%s: key %s: the before image is not the row that was there (column %u)", t->name,
                     key_text(before), first_difference(row->bytes, row->size, before->bytes, before->size));
    *at = row->next;
    t->row_count--;
    free(row);
    return true;
}

static bool put_in(struct table_copy *c, struct table *t, const struct row_bytes *after, char *why, size_t why_size)
{
    struct row **at = find(c, t, after->bytes, after->first_size);
    if (*at != NULL) return FAULT("%s: key %s is inserted but is there already", t->name, key_text(after));
    struct row *row = malloc(sizeof *row + after->size);
    if (row == NULL) abort();
    *row = (struct row){.table = t, .size = (uint32_t)after->size, .key_size = (uint32_t)after->first_size};
    memcpy(row->bytes, after->bytes, after->size);
    *at = row;
    t->row_count++;
    return true;
}

bool table_copy_apply(struct table_copy *c, const struct stream_record *r, char *why, size_t why_size)
{
    struct table *t = table_of(c, r->object);
    if (r->has_before && !take_out(c, t, &r->before, why, why_size)) return false;
    if (r->has_after && !put_in(c, t, &r->after, why, why_size)) return false;
    return true;
}

static void add_source_value(struct row_bytes *row, const MYSQL_FIELD *field, const char *bytes, unsigned long size)
{
    char text[96];
    bool is_temporal = field->type == MYSQL_TYPE_TIMESTAMP || field->type == MYSQL_TYPE_DATETIME ||
                       field->type == MYSQL_TYPE_TIME;
    if (bytes == NULL) {
        row_add(row, NULL, 0);
    } else if (is_temporal && size < sizeof text) {
        memcpy(text, bytes, size);
        row_add(row, text, temporal_trim(text, size));
    } else if (field->type == MYSQL_TYPE_DOUBLE) {
        row_add(row, text, (size_t)snprintf(text, sizeof text, "%.17g", strtod(bytes, NULL)));
    } else {
        row_add(row, bytes, size);
    }
}

static bool rows_equal(struct table_copy *c, struct table *t, MYSQL_RES *result, uint64_t *rows, char *why,
                       size_t why_size)
{
    const MYSQL_FIELD *field = mysql_fetch_fields(result);
    unsigned           column_count = mysql_num_fields(result);
    struct row_bytes   row = {0};
    MYSQL_ROW          values;
    uint64_t           found = 0;
    bool               equal = true;
    while (equal && (values = mysql_fetch_row(result)) != NULL) {
        const unsigned long *size = mysql_fetch_lengths(result);
        row_clear(&row);
        for (unsigned i = 0; i < column_count; i++) add_source_value(&row, &field[i], values[i], size[i]);
        struct row *ours = *find(c, t, row.bytes, row.first_size);
        if (ours == NULL) {
            equal = FAULT("%s: key %s is on the source and not in the copy", t->name, key_text(&row));
        } else if (ours->size != row.size || memcmp(ours->bytes, row.bytes, row.size) != 0) {
            unsigned column = first_difference(ours->bytes, ours->size, row.bytes, row.size);
            equal = FAULT("%s: key %s differs in column %s", t->name, key_text(&row),
                          column < column_count ? field[column].name : "?");
        } else if (ours->seen == c->comparison) {
            equal = FAULT("%s: key %s is twice on the source", t->name, key_text(&row));
        } else {
            ours->seen = c->comparison;
            found++;
        }
    }
    row_free(&row);
    *rows += found;
    if (equal && found != t->row_count)
        return FAULT("%s: %llu rows on the source, %llu in the copy", t->name, (unsigned long long)found,
                     (unsigned long long)t->row_count);
    return equal;
}

static bool table_equals(struct table_copy *c, MYSQL *m, const char *name, uint64_t *rows, char *why, size_t why_size)
{
    char query[NAME_BYTES + 32];
    snprintf(query, sizeof query, "SELECT * FROM %s", name);
    if (mysql_query(m, query) != 0) return FAULT("%s: %s", query, mysql_error(m));
    MYSQL_RES *result = mysql_use_result(m);
    if (result == NULL) return FAULT("%s: %s", query, mysql_error(m));
    bool equal = rows_equal(c, table_of(c, name), result, rows, why, why_size);
    mysql_free_result(result);
    if (equal && mysql_errno(m) != 0) return FAULT("%s: %s", query, mysql_error(m));
    return equal;
}

bool table_copy_equals_source(struct table_copy *c, const struct source_address *source, char *const *tables,
                              unsigned table_count, uint64_t *rows, char *why, size_t why_size)
{
    MYSQL *m = mysql_init(NULL);
    bool   equal = true;
    *rows = 0;
    if (mysql_real_connect(m, source->host, source->user, source->password, NULL, source->port, NULL, 0) == NULL ||
        mysql_query(m, "SET time_zone = '+00:00'") != 0 || mysql_query(m, "SET character_set_results = NULL") != 0)
        equal = FAULT("cannot ask the source: %s", mysql_error(m));
    c->comparison++;
    for (unsigned i = 0; equal && i < table_count; i++) equal = table_equals(c, m, tables[i], rows, why, why_size);
    mysql_close(m);
    return equal;
}
