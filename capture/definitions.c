#include "capture/definitions.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "capture/metadata_define.h"

struct question { /* one TABLE_MAP */
    struct definitions *d;
    const struct table_map *map;
    struct table_metadata metadata;
    char database[256], table[256];
};

/* The tracker's definition is wrong at this place; the second time the source has confirmed it. */
static enum err doubt(struct question *q, enum err e, struct err_msg *msg)
{
    struct definitions *d = q->d;
    if (source_place_compare(&d->doubted_at, &d->at) == 0 && strcmp(d->doubted_database, q->database) == 0 &&
        strcmp(d->doubted_table, q->table) == 0)
        return e;
    d->doubted_at = d->at;
    memcpy(d->doubted_database, q->database, sizeof d->doubted_database);
    memcpy(d->doubted_table, q->table, sizeof d->doubted_table);
    char cause[sizeof msg->text];
    snprintf(cause, sizeof cause, "%.*s", err_cause_bytes(msg), msg->text);
    log_warn("capture", "%s; asking the source", cause);
    TRY(tracker_doubt(d->tracker, q->database, q->table, cause));
    return ERR_AGAIN;
}

static enum err check(const struct question *q, const struct catalog_table *table, const struct schema_table **out,
                      struct err_msg *msg)
{
    uint16_t hidden;
    TRY(schema_define(q->d->schema, table, out, msg));
    TRY(schema_check_map(*out, q->map, &hidden, msg));
    return schema_check_metadata(*out, &q->metadata, catalog_server(tracker_catalog(q->d->tracker)), msg);
}

/* The event says everything: that becomes the definition. */
static enum err adopt(struct question *q, const struct catalog_table *known, const struct schema_table **out,
                      struct err_msg *msg)
{
    struct tracker *tracker = q->d->tracker;
    struct catalog_table table;
    struct arena arena = {0};
    enum err e = metadata_define(&table, &arena, catalog_server(tracker_catalog(tracker)), q->map, &q->metadata, known);
    if (e == ERR_OK) e = tracker_put(tracker, &q->d->at, &table, msg);
    arena_free(&arena);
    if (e != ERR_OK)
        return err_set(msg, e, "the binlog's description of table %s.%s at %s:%llu cannot be used alone (%s); give the "
                       "channel a schema_file with its CREATE DATABASE and CREATE TABLE of that time", q->database,
                       q->table, q->d->at.file, (unsigned long long)q->d->at.position, err_text(e));
    schema_moved(q->d->schema);
    return check(q, catalog_find_table(tracker_catalog(tracker), q->database, q->table), out, msg);
}

static enum err find(struct question *q, const struct schema_table **out, struct err_msg *msg)
{
    const struct source_place *at = &q->d->at;
    const struct catalog_table *table;
    const char *why = "";
    enum tracker_answer answer = tracker_find(q->d->tracker, q->database, q->table, &table, &why);
    if (answer == TRACKER_FOUND) {
        enum err e = check(q, table, out, msg);
        if (e != ERR_SCHEMA) return e;
        if (!q->metadata.is_full) return doubt(q, e, msg);
        log_warn("capture", "%s; the binlog's own description is taken", msg->text);
    }
    if (q->metadata.is_full) return adopt(q, table, out, msg);
    if (answer == TRACKER_UNKNOWN) return err_set(msg, ERR_AGAIN, "table %s.%s: %s", q->database, q->table, why);
    if (answer == TRACKER_ABSENT)
        return doubt(q, err_set(msg, ERR_SCHEMA, "no definition of %s.%s for its rows at %s:%llu: the table was "
                                "dropped or renamed on the source after these changes, or the account may not SELECT "
                                "from it; GRANT SELECT on it, or give the channel a schema_file with its CREATE "
                                "DATABASE and CREATE TABLE of that time", q->database, q->table, at->file,
                                (unsigned long long)at->position),
                     msg);
    return err_set(msg, ERR_SCHEMA,
                   "%s.%s has changes at %s:%llu, and its definition there is not known: %.500s; give the channel a "
                   "schema_file with its CREATE DATABASE and CREATE TABLE of that time, or delete the channel and "
                   "create it anew",
                   q->database, q->table, at->file, (unsigned long long)at->position, why);
}

enum err definitions_find(struct definitions *d, const struct table_map *map, const struct schema_table **out,
                          struct err_msg *msg)
{
    struct question q = {.d = d, .map = map};
    memcpy(q.database, map->database, map->database_bytes);
    memcpy(q.table, map->table, map->table_bytes);
    enum err e = table_metadata_read(&q.metadata, map, catalog_server(tracker_catalog(d->tracker))->is_mariadb, msg);
    if (e == ERR_OK) e = find(&q, out, msg);
    table_metadata_fini(&q.metadata);
    return e;
}
