#include "capture/tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/name_fold.h"
#include "capture/sql_split.h"
#include "capture/tracker_state.h"

static const char why_nobody[] = "nobody has told it yet";

bool tracker_same_name(const struct tracker *t, const char *a, const char *b)
{
    return (catalog_server(t->catalog)->lower_case_table_names == 0 ? strcmp(a, b) : name_compare_folded(a, b)) == 0;
}

/* ---- what is not known ---- */

static void seen_leave(struct tracker_seen *seen)
{
    if (seen == NULL || --seen->uses > 0) return;
    catalog_close(seen->catalog);
    free(seen);
}

static struct tracker_gap *gap_find(const struct tracker *t, const char *database, const char *table)
{
    for (uint32_t i = 0; i < t->gap_count; i++) {
        struct tracker_gap *g = &t->gap[i];
        if (tracker_same_name(t, g->database, database) && tracker_same_name(t, g->table, table)) return g;
    }
    return NULL;
}

/* The definitions that a gap's name covers are none any more. */
static void catalog_forget(struct tracker *t, const char *database, const char *table)
{
    for (uint32_t d = 0; d < catalog_database_count(t->catalog); d++) {
        const char *name = catalog_database_name(t->catalog, d);
        if (database[0] != '\0' && !tracker_same_name(t, name, database)) continue;
        if (table[0] != '\0') {
            catalog_drop_table(t->catalog, name, table);
            continue;
        }
        for (uint32_t i = catalog_table_count(t->catalog, d); i-- > 0;) {
            const struct catalog_table *x = catalog_table_at(t->catalog, d, i);
            catalog_drop_table(t->catalog, x->database, x->name);
        }
    }
}

enum err tracker_gap_make(struct tracker *t, const char *database, const char *table, const char *why,
                          struct tracker_gap **out)
{
    struct tracker_gap *g = gap_find(t, database, table);
    catalog_forget(t, database, table);
    if (out != NULL) *out = g;
    if (g != NULL) return ERR_OK;
    if (t->gap_count == t->gap_capacity) {
        uint32_t wanted = t->gap_capacity == 0 ? 16 : 2 * t->gap_capacity;
        struct tracker_gap *bigger = realloc(t->gap, wanted * sizeof *bigger);
        if (bigger == NULL) return ERR_NO_MEMORY;
        t->gap = bigger;
        t->gap_capacity = wanted;
    }
    g = &t->gap[t->gap_count];
    *g = (struct tracker_gap){.database = strdup(database), .table = strdup(table), .why = strdup(why)};
    if (g->database == NULL || g->table == NULL || g->why == NULL) {
        free(g->database);
        free(g->table);
        free(g->why);
        return ERR_NO_MEMORY;
    }
    t->gap_count++;
    if (out != NULL) *out = g;
    return ERR_OK;
}

void tracker_gap_park(struct tracker *t, struct tracker_gap *g, const struct source_place *until,
                      struct tracker_seen *seen)
{
    if (g->is_parked) seen_leave(g->seen);
    t->parked_count += !g->is_parked;
    g->is_parked = g->is_lost = true;
    g->until = *until;
    g->seen = seen;
    if (seen != NULL) seen->uses++;
}

void tracker_unpark(struct tracker *t)
{
    for (uint32_t i = 0; i < t->gap_count; i++) {
        struct tracker_gap *g = &t->gap[i];
        if (g->is_parked) {
            t->parked_count--;
            seen_leave(g->seen);
        }
        g->is_parked = g->is_lost = false;
        g->seen = NULL;
    }
}

void tracker_gap_drop(struct tracker *t, uint32_t index)
{
    struct tracker_gap *g = &t->gap[index];
    if (g->is_parked) {
        t->parked_count--;
        seen_leave(g->seen);
    }
    free(g->database);
    free(g->table);
    free(g->why);
    *g = t->gap[--t->gap_count];
}

enum err tracker_reset(struct tracker *t)
{
    tracker_file_drop(&t->file);
    while (t->gap_count > 0) tracker_gap_drop(t, t->gap_count - 1);
    for (uint32_t d = catalog_database_count(t->catalog); d-- > 0;)
        catalog_drop_database(t->catalog, catalog_database_name(t->catalog, d));
    t->at = (struct source_place){0};
    free(t->objects);
    t->objects = NULL;
    return tracker_gap_make(t, "", "", why_nobody, NULL);
}

enum tracker_answer tracker_find(const struct tracker *t, const char *database, const char *table,
                                 const struct catalog_table **out, const char **why)
{
    *out = catalog_find_table(t->catalog, database, table);
    if (*out != NULL) return TRACKER_FOUND;
    const struct tracker_gap *g = gap_find(t, database, table);
    if (g == NULL) g = gap_find(t, database, "");
    if (g == NULL) g = gap_find(t, "", "");
    if (g == NULL) return TRACKER_ABSENT;
    if (why != NULL) *why = g->why;
    return g->is_lost ? TRACKER_LOST : TRACKER_UNKNOWN;
}

/* ---- open, close ---- */

enum err tracker_open(struct tracker **out, const char *path, const struct catalog_server *server, struct err_msg *msg)
{
    struct tracker *t = calloc(1, sizeof *t);
    enum err e = t == NULL ? ERR_NO_MEMORY : catalog_open(&t->catalog, server);
    if (e == ERR_OK) e = tracker_file_open(&t->file, path);
    if (e == ERR_OK && (t->statement = malloc(sizeof *t->statement)) == NULL) e = ERR_NO_MEMORY;
    if (e == ERR_OK) e = tracker_reset(t);
    if (e != ERR_OK) {
        tracker_close(t);
        return err_set(msg, e, "no memory for table definitions");
    }
    *out = t;
    return ERR_OK;
}

void tracker_close(struct tracker *t)
{
    if (t == NULL) return;
    while (t->gap_count > 0) tracker_gap_drop(t, t->gap_count - 1);
    free(t->gap);
    free(t->objects);
    free(t->statement);
    tracker_file_close(&t->file);
    if (t->catalog != NULL) catalog_close(t->catalog);
    free(t);
}

uint64_t tracker_bytes(const struct tracker *t)
{
    uint64_t bytes = catalog_bytes(t->catalog) + t->file.news.capacity + t->file.fresh.capacity +
                     t->gap_capacity * sizeof *t->gap;
    const struct tracker_seen *seen = NULL; /* what was told once lies beside each other */
    for (uint32_t i = 0; i < t->gap_count; i++) {
        if (t->gap[i].seen != NULL && t->gap[i].seen != seen) bytes += catalog_bytes(t->gap[i].seen->catalog);
        seen = t->gap[i].seen;
    }
    return bytes;
}

const struct catalog *tracker_catalog(const struct tracker *t)
{
    return t->catalog;
}

enum err tracker_sync(struct tracker *t, struct err_msg *msg)
{
    return tracker_file_sync(&t->file, msg);
}

/* ---- the stream ---- */

static enum err database_know(struct tracker *t, const char *name, struct err_msg *msg)
{
    uint32_t at;
    if (catalog_find_database(t->catalog, name, &at)) return ERR_OK;
    return catalog_put_database(t->catalog, name, "utf8mb4_general_ci", msg);
}

/* What was parked until `place` or before is true now. */
static enum err settle(struct tracker *t, const struct source_place *place, struct err_msg *msg)
{
    for (uint32_t i = t->parked_count > 0 ? t->gap_count : 0; i-- > 0;) {
        struct tracker_gap *g = &t->gap[i];
        if (!g->is_parked || source_place_compare(&g->until, place) > 0) continue;
        const struct catalog_table *table =
            g->seen == NULL ? NULL : catalog_find_table(g->seen->catalog, g->database, g->table);
        if (table != NULL) {
            TRY(database_know(t, g->database, msg));
            TRY(catalog_put_table(t->catalog, table, msg));
        } else if (g->table[0] != '\0') {
            catalog_drop_table(t->catalog, g->database, g->table);
        }
        tracker_gap_drop(t, i);
    }
    return ERR_OK;
}

/* The statement could not be followed: what it names is not known. */
static enum err lose(struct tracker *t, const struct statement *st, const char *why)
{
    if (st->kind != STATEMENT_TABLE) return ERR_OK; /* a view, a routine: nobody's rows */
    if (st->touches == STATEMENT_TOUCHES_UNKNOWN) return tracker_gap_make(t, "", "", why, NULL);
    for (uint32_t i = 0; i < st->name_count; i++)
        TRY(tracker_gap_make(t, st->name[i].database, st->name[i].table, why, NULL));
    return ERR_OK;
}

/* What a statement made or removed is known, whatever was not known before. */
static void found(struct tracker *t, const struct catalog_effect *effect)
{
    for (uint32_t k = 0; k < effect->count; k++) {
        const struct catalog_change *c = &effect->change[k];
        for (uint32_t i = t->gap_count; i-- > 0;) {
            const struct tracker_gap *g = &t->gap[i];
            if (g->is_parked || g->database[0] == '\0' || !tracker_same_name(t, g->database, c->database)) continue;
            bool is_same = c->table == NULL ? c->kind == CATALOG_DROPPED || c->kind == CATALOG_CREATED
                                            : g->table[0] != '\0' && tracker_same_name(t, g->table, c->table);
            if (is_same) tracker_gap_drop(t, i);
        }
    }
}

/* IF EXISTS and IF NOT EXISTS say nothing about a table that is not known. */
static bool says_nothing(const struct tracker *t, const struct statement *st)
{
    const struct catalog_table *table;
    if (!st->is_conditional || st->touches != STATEMENT_TOUCHES_TABLES || st->name_count != 1) return false;
    return tracker_find(t, st->name[0].database, st->name[0].table, &table, NULL) >= TRACKER_UNKNOWN;
}

/* A statement about a database that succeeded on the source and cannot here: one that it made was not there before (the
 * catalog has it from a later look), one that it changed was. */
static enum err database_correct(struct tracker *t, const char *name, struct err_msg *msg)
{
    uint32_t at;
    if (!catalog_find_database(t->catalog, name, &at)) return database_know(t, name, msg);
    catalog_drop_database(t->catalog, name);
    return ERR_OK;
}

enum err tracker_follow(struct tracker *t, const struct source_place *place, const struct catalog_context *context,
                        const struct statement *st, const char *text, size_t text_bytes, struct tracker_move *move,
                        struct err_msg *msg)
{
    struct err_msg why = {0};
    *move = (struct tracker_move){.is_read = true};
    if (!says_nothing(t, st)) {
        enum err e = catalog_apply(t->catalog, context, text, text_bytes, &move->effect, &why);
        if (e == ERR_SCHEMA && st->touches == STATEMENT_TOUCHES_DATABASE) {
            TRY(database_correct(t, st->name[0].database, msg));
            e = catalog_apply(t->catalog, context, text, text_bytes, &move->effect, &why);
        }
        if (e == ERR_NO_MEMORY) return err_set(msg, e, "no memory for table definitions");
        if (e == ERR_OK) {
            for (uint32_t i = 0; i < move->effect.count; i++)
                move->is_new |= move->effect.change[i].kind != CATALOG_TRUNCATED;
            found(t, &move->effect);
        } else {
            move->effect = (struct catalog_effect){0};
            move->is_read = st->kind != STATEMENT_TABLE;
            move->is_new = !move->is_read;
            err_within(msg, e, &why, "at %s:%llu the source has a statement that cannot be followed", place->file,
                       (unsigned long long)place->position);
            char cause[sizeof msg->text];
            snprintf(cause, sizeof cause, "%.*s", err_cause_bytes(msg), msg->text);
            TRY(lose(t, st, cause));
        }
    }
    if (t->parked_count > 0) {
        uint32_t parked = t->parked_count;
        move->effect = (struct catalog_effect){0}; /* the catalog changes again */
        TRY(settle(t, place, msg));
        move->is_new |= parked != t->parked_count;
    }
    t->at = *place;
    return ERR_OK;
}

const char *tracker_objects(const struct tracker *t)
{
    return t->objects;
}

enum err tracker_select(struct tracker *t, const struct source_place *place, const char *objects)
{
    char *copy = strdup(objects);
    if (copy == NULL) return ERR_NO_MEMORY;
    free(t->objects);
    t->objects = copy;
    tracker_note_objects(t, place);
    return ERR_OK;
}

enum err tracker_pass(struct tracker *t, const struct source_place *place, struct err_msg *msg)
{
    return settle(t, place, msg);
}

void tracker_moved(struct tracker *t, const struct source_place *place, const char *uuid, uint64_t next_offset)
{
    t->at = (struct source_place){0};
    tracker_unpark(t);
    tracker_note_moved(t, place, uuid, next_offset);
}

enum err tracker_apply(struct tracker *t, const struct source_place *place, const char *gtid,
                       const struct catalog_context *context, const struct statement *st, const char *text,
                       size_t text_bytes, struct tracker_move *move, struct err_msg *msg)
{
    *move = (struct tracker_move){.is_read = true};
    if (t->at.file[0] != '\0' && source_place_compare(place, &t->at) <= 0) {
        uint32_t parked = t->parked_count; /* what the source told since is true from here on all the same */
        TRY(settle(t, place, msg));
        move->is_new = parked != t->parked_count;
        return ERR_OK;
    }
    TRY(tracker_follow(t, place, context, st, text, text_bytes, move, msg));
    if (move->is_new) tracker_note_statement(t, place, gtid, context, text, text_bytes);
    return ERR_OK;
}

/* ---- what others tell ---- */

enum err tracker_doubt(struct tracker *t, const char *database, const char *table, const char *why)
{
    struct tracker_gap *g;
    TRY(tracker_gap_make(t, database, table, why, &g));
    tracker_note_gap(t, &t->at, g);
    return ERR_OK;
}

static void gap_close(struct tracker *t, const char *database, const char *table)
{
    struct tracker_gap *g = gap_find(t, database, table);
    if (g != NULL) tracker_gap_drop(t, (uint32_t)(g - t->gap));
}

enum err tracker_put(struct tracker *t, const struct source_place *place, const struct catalog_table *table,
                     struct err_msg *msg)
{
    TRY(database_know(t, table->database, msg));
    TRY(catalog_put_table(t->catalog, table, msg));
    gap_close(t, table->database, table->name);
    tracker_note_table(t, place, table->database, table->name,
                       catalog_find_table(t->catalog, table->database, table->name));
    return ERR_OK;
}

enum err tracker_put_absent(struct tracker *t, const struct source_place *place, const char *database,
                            const char *table)
{
    catalog_drop_table(t->catalog, database, table);
    gap_close(t, database, table);
    tracker_note_table(t, place, database, table, NULL);
    return ERR_OK;
}

/* One table that is not known, with what the source says now. */
static enum err learn_one(struct tracker *t, const struct source_place *place, struct tracker_seen *seen,
                          const char *database, const char *name, const struct source_place *last,
                          const struct source_place *before, struct err_msg *msg)
{
    const struct catalog_table *table = catalog_find_table(seen->catalog, database, name);
    if (last == NULL) {
        if (table != NULL) return tracker_put(t, place, table, msg);
        return name[0] == '\0' ? ERR_OK : tracker_put_absent(t, place, database, name);
    }
    char why[600];
    struct tracker_gap *g;
    bool is_read = source_place_compare(last, before) <= 0;
    snprintf(why, sizeof why, "its definition was changed later, at %s:%llu, before capture had read it", last->file,
             (unsigned long long)last->position);
    TRY(tracker_gap_make(t, database, name, why, &g));
    g->is_lost = true;
    if (is_read) tracker_gap_park(t, g, last, table == NULL ? NULL : seen);
    return ERR_OK;
}

static enum err learn_all(struct tracker *t, const struct source_place *place, struct tracker_seen *seen,
                          const struct horizon *h, const struct source_place *before, const char *database,
                          struct err_msg *msg)
{
    for (uint32_t d = 0; d < catalog_database_count(seen->catalog); d++) {
        const char *of = catalog_database_name(seen->catalog, d);
        if (database[0] != '\0' && !tracker_same_name(t, of, database)) continue;
        for (uint32_t i = 0; i < catalog_table_count(seen->catalog, d); i++) {
            const char *name = catalog_table_at(seen->catalog, d, i)->name;
            if (catalog_find_table(t->catalog, of, name) == NULL)
                TRY(learn_one(t, place, seen, of, name, horizon_last(h, of, name), before, msg));
        }
    }
    for (uint32_t i = 0; i < h->touch_count; i++) {
        const struct horizon_touch *x = &h->touch[i];
        if (database[0] != '\0' && !tracker_same_name(t, x->database, database)) continue;
        if (x->table[0] == '\0' || catalog_find_table(t->catalog, x->database, x->table) == NULL)
            TRY(learn_one(t, place, seen, x->database, x->table, horizon_last(h, x->database, x->table), before, msg));
    }
    return ERR_OK;
}

static enum err learn_databases(struct tracker *t, const struct source_place *place, const struct catalog *seen,
                                struct err_msg *msg)
{
    for (uint32_t d = 0; d < catalog_database_count(seen); d++) {
        uint32_t at;
        const char *name = catalog_database_name(seen, d);
        if (catalog_find_database(t->catalog, name, &at)) continue;
        TRY(catalog_put_database(t->catalog, name, catalog_database_collation(seen, d), msg));
        if (catalog_find_database(t->catalog, name, &at)) tracker_note_database(t, place, at);
    }
    return ERR_OK;
}

static enum err learn(struct tracker *t, const struct source_place *place, struct tracker_seen *seen,
                      const struct horizon *h, const struct source_place *before, struct err_msg *msg)
{
    TRY(learn_databases(t, place, seen->catalog, msg));
    uint32_t gaps = t->gap_count;
    /* Gaps made on the way stand behind them; one that goes is replaced by the last. */
    for (uint32_t i = gaps; i-- > 0;) {
        struct tracker_gap *g = &t->gap[i];
        if (g->is_parked) continue;
        if (g->table[0] != '\0') {
            char *database = strdup(g->database), *table = strdup(g->table);
            enum err e = database == NULL || table == NULL ? ERR_NO_MEMORY
                                                           : learn_one(t, place, seen, database, table,
                                                                       horizon_last(h, database, table), before, msg);
            free(database);
            free(table);
            TRY(e);
            continue;
        }
        char *database = strdup(g->database);
        if (database == NULL) return ERR_NO_MEMORY;
        tracker_gap_drop(t, i);
        enum err e = learn_all(t, place, seen, h, before, database, msg);
        if (e == ERR_OK && h->touches_all && database[0] == '\0')
            e = learn_one(t, place, seen, "", "", &h->all_place, before, msg);
        free(database);
        TRY(e);
    }
    tracker_note_learned(t, place);
    for (uint32_t i = 0; i < t->gap_count; i++) tracker_note_gap(t, place, &t->gap[i]);
    return ERR_OK;
}

enum err tracker_learn(struct tracker *t, const struct source_place *place, struct catalog *seen,
                       const struct horizon *horizon, const struct source_place *before, struct err_msg *msg)
{
    struct tracker_seen *s = malloc(sizeof *s);
    if (s == NULL) {
        catalog_close(seen);
        return err_set(msg, ERR_NO_MEMORY, "no memory for table definitions");
    }
    *s = (struct tracker_seen){seen, 1};
    enum err e = learn(t, place, s, horizon, before, msg);
    seen_leave(s);
    return e;
}

void tracker_learn_nothing(struct tracker *t)
{
    for (uint32_t i = 0; i < t->gap_count; i++) t->gap[i].is_lost = true;
}

enum err tracker_take(struct tracker *t, const struct source_place *place, const struct catalog *told,
                      uint32_t *count, struct err_msg *msg)
{
    *count = 0;
    TRY(learn_databases(t, place, told, msg));
    for (uint32_t d = 0; d < catalog_database_count(told); d++) {
        for (uint32_t i = 0; i < catalog_table_count(told, d); i++) {
            const struct catalog_table *table = catalog_table_at(told, d, i);
            const struct catalog_table *known;
            if (tracker_find(t, table->database, table->name, &known, NULL) < TRACKER_UNKNOWN) continue;
            TRY(database_know(t, table->database, msg));
            TRY(catalog_put_table(t->catalog, table, msg));
            tracker_note_table(t, place, table->database, table->name,
                               catalog_find_table(t->catalog, table->database, table->name));
            ++*count;
        }
    }
    return ERR_OK;
}

enum err tracker_read_text(struct catalog *c, const char *text, size_t bytes, struct err_msg *msg)
{
    static const struct catalog_context plain = {.database = ""};
    const char *statement;
    size_t at = 0, statement_bytes;
    struct catalog_effect effect;
    while (sql_split_next(text, bytes, &at, &statement, &statement_bytes))
        TRY(catalog_apply(c, &plain, statement, statement_bytes, &effect, msg));
    return ERR_OK;
}
