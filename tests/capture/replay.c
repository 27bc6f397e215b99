#include "tests/capture/replay.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void replay_open(struct replay *r, const char *version, const char *const *include, const char *const *exclude,
                 const char *refused, bool text_utf8mb4)
{
    struct err_msg msg = {0};
    *r = (struct replay){.refused = refused};
    ck_assert(filter_open(&r->filter, include, exclude, false, &msg) == ERR_OK);
    told_open(&r->told, version, NULL, false, false);
    if (text_utf8mb4) told_deliver_utf8mb4(&r->told);
    ck_assert(table_cache_open(&r->cache, &r->told.definitions, r->filter) == ERR_OK);
    ck_assert(row_arena_init(&r->arena, 256, 128 << 20) == ERR_OK); /* small: it must grow */
}

static void pending_clear(struct replay *r)
{
    while (r->pending_count != 0) free((void *)(uintptr_t)r->pending[--r->pending_count].body);
}

void replay_close(struct replay *r)
{
    for (size_t i = 0; i < r->table_count; i++) row_list_free(&r->table[i].rows, r->table[i].column_count);
    pending_clear(r);
    payload_reader_free(&r->payload);
    row_arena_fini(&r->arena);
    table_cache_close(r->cache);
    told_close(&r->told);
    filter_close(r->filter);
}

const struct replay_table *replay_find(const struct replay *r, const char *database, const char *table)
{
    char name[sizeof r->table[0].name];
    snprintf(name, sizeof name, "%s.%s", database, table);
    for (size_t i = 0; i < r->table_count; i++)
        if (strcmp(r->table[i].name, name) == 0) return &r->table[i];
    return NULL;
}

/* The rows of a table, whose definition may have replaced another. */
static struct replay_table *table_of(struct replay *r, const struct schema_table *definition)
{
    const struct change_table *d = &definition->table;
    struct replay_table *t = r->table + r->table_count;
    const struct replay_table *found = replay_find(r, d->database, d->table);
    if (found != NULL) {
        t = r->table + (found - r->table);
    } else {
        ck_assert_uint_lt(r->table_count, REPLAY_TABLES_MAX);
        *t = (struct replay_table){.column_count = d->column_count};
        snprintf(t->name, sizeof t->name, "%s.%s", d->database, d->table);
        r->table_count++;
    }
    if (t->column_count != d->column_count) {
        row_list_free(&t->rows, t->column_count);
        t->column_count = d->column_count;
    }
    t->definition = definition;
    return t;
}

static bool is_refused(const struct replay *r, const char *table)
{
    char name[80];
    snprintf(name, sizeof name, " %s ", table);
    return strstr(r->refused, name) != NULL;
}

static void rows(struct replay *r, const struct binlog_file_event *e)
{
    static struct change_value before[SCHEMA_COLUMNS_MAX], after[SCHEMA_COLUMNS_MAX];
    struct rows_event event;
    struct row_reader reader;
    struct table_entry *entry;
    struct err_msg msg = {0};

    enum err err = table_cache_rows(r->cache, e->type, e->body, e->size, &event, &entry, &msg);
    if (err == ERR_CORRUPT && r->refused_maps != 0) return; /* its TABLE_MAP was refused */
    ck_assert_msg(err == ERR_OK, "%s", msg.text);
    if (entry == NULL || !entry->is_selected) return;
    r->row_events++;
    struct replay_table *t = table_of(r, entry->definition);
    ck_assert_msg(row_reader_init(&reader, &event, &entry->decoder, &r->arena, &msg) == ERR_OK, "%s", msg.text);
    while (row_reader_more(&reader)) {
        err = row_reader_next(&reader, before, after, &msg);
        if (err == ERR_SOURCE_CONFIG) {
            ck_assert_msg(strstr(msg.text, "JSON column") != NULL && strstr(msg.text, entry->table) != NULL, "%s",
                          msg.text);
            r->lost_documents++;
            return;
        }
        ck_assert_msg(err == ERR_OK, "%s", msg.text);
        if (reader.is_history || is_refused(r, entry->table)) continue;
        if (!row_list_apply(&t->rows, &entry->definition->table, reader.operation, before, after))
            ck_abort_msg("%s.%s: change %llu finds no row", entry->database, entry->table,
                         (unsigned long long)t->changes);
        t->changes++;
    }
}

static bool is_rows_event(uint8_t type)
{
    return (type >= 23 && type <= 25) || (type >= 30 && type <= 32) || type == 39 || (type >= 166 && type <= 171);
}

static void change(struct replay *r, const struct binlog_file_event *e)
{
    if (e->type != EVENT_TABLE_MAP) {
        rows(r, e);
        return;
    }
    struct table_entry *entry;
    struct err_msg msg = {0};
    enum err err = table_cache_map(r->cache, e->body, e->size, &entry, &msg);
    if (err == ERR_OK) return;
    ck_assert_msg(entry != NULL, "%s", msg.text);
    ck_assert_msg((err == ERR_SCHEMA || err == ERR_AGAIN || err == ERR_UNSUPPORTED) &&
                      is_refused(r, entry->table),
                  "%s", msg.text);
    ck_assert_msg(strstr(msg.text, entry->table) != NULL, "%s", msg.text);
    r->refused_maps++;
}

static void pending_add(struct replay *r, const struct binlog_file_event *e)
{
    ck_assert_uint_lt(r->pending_count, REPLAY_PENDING_MAX);
    uint8_t *copy = malloc(e->size + 1);
    memcpy(copy, e->body, e->size);
    r->pending[r->pending_count++] = (struct binlog_file_event){e->type, copy, e->size};
}

static void pending_commit(struct replay *r)
{
    for (size_t i = 0; i < r->pending_count; i++) change(r, &r->pending[i]);
    pending_clear(r);
}

/* Rows between XA START and its XA_PREPARE wait for XA COMMIT, as nothing of them stands before. */
static void step(struct replay *r, const struct binlog_file_event *e)
{
    size_t size;
    const char *query = e->type == EVENT_QUERY ? binlog_file_query(e, &size) : NULL;

    if (e->type == EVENT_ROTATE || e->type == EVENT_FORMAT_DESCRIPTION) table_cache_reset(r->cache);
    if (query != NULL && size > 8 && memcmp(query, "XA START", 8) == 0) r->in_xa = true;
    if (e->type == EVENT_MARIADB_GTID && (e->body[12] & 64) != 0) r->in_xa = true; /* FL_PREPARED_XA */
    if (query != NULL && size > 9 && memcmp(query, "XA COMMIT", 9) == 0) pending_commit(r);
    if (query != NULL && size > 11 && memcmp(query, "XA ROLLBACK", 11) == 0) pending_clear(r);
    if (e->type == EVENT_XA_PREPARE || e->type == EVENT_XID) {
        r->in_xa = false;
        if (e->type == EVENT_XA_PREPARE && e->body[0] == 1) pending_commit(r); /* ONE PHASE: this is its commit */
    }
    if (e->type != EVENT_TABLE_MAP && !is_rows_event(e->type)) return;
    if (r->in_xa)
        pending_add(r, e);
    else
        change(r, e);
}

static enum err payload_step(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg)
{
    struct binlog_file_event e = {h->type, body.at, cursor_left(&body)};
    (void)msg;
    step(context, &e);
    return ERR_OK;
}

void replay_file(struct replay *r, const char *path)
{
    struct binlog_file f;
    struct binlog_file_event e;
    struct err_msg msg = {0};

    ck_assert_msg(binlog_file_open(&f, path), "%s", path);
    while (binlog_file_next(&f, &e)) {
        if (e.type == BINLOG_TRANSACTION_PAYLOAD)
            ck_assert_msg(payload_events(&r->payload, cursor_of(e.body, e.size), 256 << 20, payload_step, r, &msg) ==
                              ERR_OK,
                          "%s: %s", path, msg.text);
        else
            step(r, &e);
    }
    ck_assert_msg(f.at == f.size, "%s: events end at %zu of %zu", path, f.at, f.size);
    binlog_file_close(&f);
}
