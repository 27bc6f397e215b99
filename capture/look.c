#include "capture/look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "capture/schema_file.h"
#include "capture/snapshot.h"

void look_free(struct look *l)
{
    if (l->seen != NULL) catalog_close(l->seen);
    *l = (struct look){0};
}

static enum err wait_for_table(const struct look_door *d, const char *database, const char *table, struct err_msg *msg)
{
    char sql[2 * STATEMENT_NAME_BYTES + 64];
    if (table[0] == '\0' || strchr(table, '`') != NULL || strchr(database, '`') != NULL) return ERR_OK;
    snprintf(sql, sizeof sql, "SELECT 1 FROM `%s`.`%s` LIMIT 0", database, table);
    enum err e = d->stream->ops->query(d->stream, sql, NULL, NULL, NULL);
    if (e == ERR_CONNECT || e == ERR_DISCONNECTED || e == ERR_STOPPED)
        return err_set(msg, e, "the connection to the source broke");
    return ERR_OK; /* that it does not exist is fine */
}

/* A statement's end may be in the binlog before the dictionary shows its work: whoever opens the table waits for that.
 */
static enum err wait_for_statement(const struct look_door *d, struct err_msg *msg)
{
    const struct statement *st = d->follower->statement;
    for (uint32_t i = 0; i < st->name_count; i++) TRY(wait_for_table(d, st->name[i].database, st->name[i].table, msg));
    return ERR_OK;
}

/* The same for statements that we have not read yet, and of which nothing is known but that they are in the binlog. */
static enum err wait_for_tables(const struct look_door *d, const struct catalog *c, struct err_msg *msg)
{
    const struct filter *filter = d->follower->filter;
    for (uint32_t k = 0; k < catalog_database_count(c); k++) {
        for (uint32_t i = 0; i < catalog_table_count(c, k); i++) {
            const struct catalog_table *t = catalog_table_at(c, k, i);
            if (filter_selects(filter, t->database, strlen(t->database), t->name, strlen(t->name)))
                TRY(wait_for_table(d, t->database, t->name, msg));
        }
    }
    return ERR_OK;
}

static enum err read_once(const struct look_door *d, struct catalog **out, struct err_msg *msg)
{
    const struct follower *f = d->follower;
    struct catalog *c;
    if (catalog_open(&c, catalog_server(tracker_catalog(f->definitions.tracker))) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for table definitions");
    enum err e = snapshot_read(d->stream, f->filter, c, msg);
    if (e != ERR_OK) {
        catalog_close(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

/* Twice: what the first reading names is waited for. */
static enum err read_definitions(const struct look_door *d, struct catalog **out, struct err_msg *msg)
{
    struct catalog *first;
    TRY(read_once(d, &first, msg));
    enum err e = wait_for_tables(d, first, msg);
    catalog_close(first);
    return e == ERR_OK ? read_once(d, out, msg) : e;
}

static enum err begin(struct look *l, const struct look_door *d, bool wants_definitions, struct err_msg *msg)
{
    struct follower *f = d->follower;
    struct source_place from = source_place_of(&f->resume), after = from;
    look_free(l);
    if (wants_definitions || d->wants_dead) {
        TRY(source_end(d->stream, &f->facts, &l->before, NULL, msg));
        after = l->before;
    }
    if (wants_definitions && f->facts.is_archive) {
        enum err e = catalog_open(&l->seen, catalog_server(tracker_catalog(f->definitions.tracker)));
        if (e != ERR_OK) return err_set(msg, e, "no memory for table definitions");
    } else if (wants_definitions) {
        TRY(read_definitions(d, &l->seen, msg));
        TRY(source_end(d->stream, &f->facts, &after, NULL, msg));
        log_info("capture", "channel %s: definitions read at %s:%" PRIu64, f->config.channel, after.file,
                 after.position);
    }
    horizon_clear(&f->horizon);
    bool wants_gtids = f->facts.has_gtids && !f->gtids_known;
    if (from.position == BINLOG_FIRST_POSITION) wants_gtids = false; /* the file's first event will say it */
    if (wants_gtids && f->facts.is_mariadb) {
        TRY(source_mariadb_gtids(d->stream, &from, &f->gtids, &f->gtids_known, msg));
        wants_gtids = false;
    }
    read_ahead_begin(&l->ahead, &from, &after, wants_gtids);
    if (wants_gtids)
        gtid_set_clear(&f->gtids);
    else if (source_place_compare(&from, &after) >= 0)
        l->ahead.is_under_way = false;
    return ERR_OK;
}

/* What the user says of tables that nobody else tells at this place.  The file speaks of databases that it may not
 * make. */
static enum err take_schema_file(const struct look_door *d, const struct source_place *from,
                                 const struct catalog *seen, struct err_msg *msg)
{
    struct tracker *tracker = d->follower->definitions.tracker;
    struct catalog *told;
    uint32_t count = 0;
    if (catalog_open(&told, catalog_server(tracker_catalog(tracker))) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory for table definitions");
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < catalog_database_count(seen); i++)
        e = catalog_put_database(told, catalog_database_name(seen, i), catalog_database_collation(seen, i), msg);
    if (e == ERR_OK) e = schema_file_read(d->schema_file, told, msg);
    if (e == ERR_OK) e = tracker_take(tracker, from, told, &count, msg);
    catalog_close(told);
    if (count > 0)
        log_info("capture", "channel %s: %u tables defined by %s", d->follower->config.channel, count, d->schema_file);
    return e;
}

enum err look(struct look *l, const struct look_door *d, bool wants_definitions, struct err_msg *msg)
{
    struct follower *f = d->follower;
    if (!l->ahead.is_under_way) TRY(begin(l, d, wants_definitions, msg));
    if (l->ahead.is_under_way) {
        struct read_ahead_door door = {.stream = d->stream,
                                       .stop = d->stop,
                                       .statement = f->statement,
                                       .payload = &f->payload,
                                       .event_bytes_max = d->event_bytes_max,
                                       .server = catalog_server(tracker_catalog(f->definitions.tracker)),
                                       .horizon = &f->horizon,
                                       .gtids = &f->gtids};
        TRY(read_ahead(&l->ahead, &door, msg));
        if (l->ahead.wants_gtids) f->gtids_known = true;
    }
    f->horizon.is_known = true;
    if (l->seen == NULL) return ERR_OK;
    struct source_place from = source_place_of(&f->resume);
    if (d->schema_file != NULL) TRY(take_schema_file(d, &from, l->seen, msg));
    struct catalog *seen = l->seen;
    l->seen = NULL;
    schema_moved(f->definitions.schema);
    if (f->facts.is_archive) { /* it saw nothing, which says nothing */
        catalog_close(seen);
        tracker_learn_nothing(f->definitions.tracker);
        return ERR_OK;
    }
    return tracker_learn(f->definitions.tracker, &from, seen, &f->horizon, &l->before, msg);
}

enum err look_here(const struct look_door *d, struct err_msg *msg)
{
    struct follower *f = d->follower;
    struct source_place before, after;
    struct horizon nothing = {0};
    struct catalog *seen;
    if (f->facts.is_archive || d->stream->ops->pending(d->stream)) return ERR_AGAIN;
    TRY(wait_for_statement(d, msg));
    TRY(source_end(d->stream, &f->facts, &before, NULL, msg));
    if (source_place_compare(&before, &f->at) != 0) return ERR_AGAIN;
    TRY(read_once(d, &seen, msg));
    enum err e = source_end(d->stream, &f->facts, &after, NULL, msg);
    if (e == ERR_OK && source_place_compare(&after, &f->at) != 0) e = ERR_AGAIN;
    if (e != ERR_OK) {
        catalog_close(seen);
        return e;
    }
    schema_moved(f->definitions.schema);
    return tracker_learn(f->definitions.tracker, &f->at, seen, &nothing, &before, msg);
}
