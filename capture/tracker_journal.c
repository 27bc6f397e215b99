/* capture/tracker_journal.c -- a tracker's state and moves as records of its file, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/binlog_event.h"
#include "capture/tracker_state.h"

enum { TRACKER_FORMAT = 3 }; /* 1: without RECORD_GTIDS; 2: RECORD_MOVED without an offset */
enum { JOURNAL_BYTES_MAX = 1 << 20 };

enum record_kind {
    RECORD_HEAD = 1,  /* format, source's rules, uuid, place, number of the snapshot's records behind it */
    RECORD_DATABASE,  /* place, SQL */
    RECORD_TABLE,     /* place, names, SQL ("": it is not there) */
    RECORD_GAP,       /* place, names, why, flags, until, SQL */
    RECORD_LEARNED,   /* place: the gaps are told anew */
    RECORD_STATEMENT, /* place, GTID, context, text */
    RECORD_OBJECTS,   /* place, what is selected from here on */
    RECORD_MOVED,     /* place, uuid, the log's next offset: what follows is about another server */
    RECORD_GTIDS,     /* place, set: whose statements are in the snapshot */
};
enum gap_flag { GAP_IS_LOST = 1, GAP_IS_PARKED = 2, GAP_HAS_TABLE = 4 };

/* ---- writing ---- */

static void put_string(struct tracker_file *f, const char *text)
{
    tracker_file_text(f, text, strlen(text));
}

static void put_place(struct tracker_file *f, const struct source_place *place)
{
    put_string(f, place->file);
    tracker_file_number(f, place->position);
}

static void put_sql(struct tracker_file *f, struct catalog_text *sql)
{
    f->failed |= sql->failed;
    tracker_file_text(f, sql->text, sql->text == NULL ? 0 : sql->size);
    catalog_text_free(sql);
}

static void put_table(struct tracker *t, const struct catalog_table *table)
{
    struct catalog_text sql = {0};
    if (table != NULL && t->file.path != NULL) catalog_write_table(&sql, t->catalog, table);
    put_sql(&t->file, &sql);
}

void tracker_note_statement(struct tracker *t, const struct source_place *place, const char *gtid,
                            const struct catalog_context *context, const char *text, size_t text_bytes)
{
    struct tracker_file *f = &t->file;
    tracker_file_begin(f, RECORD_STATEMENT);
    put_place(f, place);
    put_string(f, gtid);
    put_string(f, context->database);
    tracker_file_number(f, context->sql_mode);
    tracker_file_number(f, context->error_code);
    tracker_file_number(f, context->server_collation);
    tracker_file_number(f, context->default_collation_count);
    for (uint32_t i = 0; i < context->default_collation_count; i++)
        tracker_file_number(f, context->default_collation[i]);
    tracker_file_number(f, context->explicit_defaults_for_timestamp);
    tracker_file_text(f, text, text_bytes);
    tracker_file_end(f);
}

void tracker_note_table(struct tracker *t, const struct source_place *place, const char *database, const char *name,
                        const struct catalog_table *table)
{
    tracker_file_begin(&t->file, RECORD_TABLE);
    put_place(&t->file, place);
    put_string(&t->file, database);
    put_string(&t->file, name);
    put_table(t, table);
    tracker_file_end(&t->file);
}

void tracker_note_database(struct tracker *t, const struct source_place *place, uint32_t database)
{
    struct catalog_text sql = {0};
    catalog_write_database(&sql, t->catalog, database);
    tracker_file_begin(&t->file, RECORD_DATABASE);
    put_place(&t->file, place);
    put_sql(&t->file, &sql);
    tracker_file_end(&t->file);
}

void tracker_note_gap(struct tracker *t, const struct source_place *place, const struct tracker_gap *g)
{
    const struct catalog_table *table =
        g->seen == NULL ? NULL : catalog_find_table(g->seen->catalog, g->database, g->table);
    tracker_file_begin(&t->file, RECORD_GAP);
    put_place(&t->file, place);
    put_string(&t->file, g->database);
    put_string(&t->file, g->table);
    put_string(&t->file, g->why);
    tracker_file_number(&t->file, (g->is_lost ? GAP_IS_LOST : 0u) | (g->is_parked ? GAP_IS_PARKED : 0u) |
                                      (table != NULL ? GAP_HAS_TABLE : 0u));
    put_place(&t->file, &g->until);
    put_table(t, table);
    tracker_file_end(&t->file);
}

void tracker_note_learned(struct tracker *t, const struct source_place *place)
{
    tracker_file_begin(&t->file, RECORD_LEARNED);
    put_place(&t->file, place);
    tracker_file_end(&t->file);
}

void tracker_note_objects(struct tracker *t, const struct source_place *place)
{
    tracker_file_begin(&t->file, RECORD_OBJECTS);
    put_place(&t->file, place);
    put_string(&t->file, t->objects);
    tracker_file_end(&t->file);
}

void tracker_note_moved(struct tracker *t, const struct source_place *place, const char *uuid, uint64_t next_offset)
{
    tracker_file_begin(&t->file, RECORD_MOVED);
    put_place(&t->file, place);
    put_string(&t->file, uuid);
    tracker_file_number(&t->file, next_offset);
    tracker_file_end(&t->file);
}

static void note_gtids(struct tracker *t, const struct source_place *place, const struct gtid_set *gtids)
{
    size_t size = gtid_set_text(gtids, NULL, 0);
    char *text = malloc(size + 1);
    t->file.failed |= text == NULL;
    if (text != NULL) gtid_set_text(gtids, text, size + 1);
    tracker_file_begin(&t->file, RECORD_GTIDS);
    put_place(&t->file, place);
    tracker_file_text(&t->file, text, text == NULL ? 0 : size);
    tracker_file_end(&t->file);
    free(text);
}

void tracker_prepare_save(struct tracker *t, const struct source_place *place, const char *uuid,
                          const struct gtid_set *gtids)
{
    struct tracker_file *f = &t->file;
    const struct catalog_server *server = catalog_server(t->catalog);
    uint32_t databases = catalog_database_count(t->catalog);
    uint64_t records = databases + t->gap_count + (t->objects != NULL) + (gtids != NULL);
    for (uint32_t d = 0; d < databases; d++) records += catalog_table_count(t->catalog, d);
    tracker_file_fresh(f);
    tracker_file_begin(f, RECORD_HEAD);
    tracker_file_number(f, TRACKER_FORMAT);
    tracker_file_number(f, server->version);
    tracker_file_number(f, server->is_mariadb);
    tracker_file_number(f, server->lower_case_table_names);
    put_string(f, uuid);
    put_place(f, place);
    tracker_file_number(f, records);
    tracker_file_end(f);
    for (uint32_t d = 0; d < databases; d++) {
        tracker_note_database(t, place, d);
        for (uint32_t i = 0; i < catalog_table_count(t->catalog, d); i++) {
            const struct catalog_table *table = catalog_table_at(t->catalog, d, i);
            tracker_note_table(t, place, table->database, table->name, table);
        }
    }
    for (uint32_t i = 0; i < t->gap_count; i++) tracker_note_gap(t, place, &t->gap[i]);
    if (t->objects != NULL) tracker_note_objects(t, place);
    if (gtids != NULL) note_gtids(t, place, gtids);
    tracker_file_fresh_ends(f);
}

enum err tracker_finish_save(struct tracker *t, struct err_msg *msg)
{
    return tracker_file_has_fresh(&t->file) ? tracker_file_replace(&t->file, msg) : ERR_OK;
}

bool tracker_wants_save(const struct tracker *t)
{
    const struct tracker_file *f = &t->file;
    return !tracker_file_has_fresh(f) && f->journal_bytes > JOURNAL_BYTES_MAX && f->journal_bytes > f->first_bytes;
}

enum err tracker_save(struct tracker *t, const struct source_place *place, const char *uuid,
                      const struct gtid_set *gtids, struct err_msg *msg)
{
    tracker_prepare_save(t, place, uuid, gtids);
    return t->file.failed ? tracker_file_replace(&t->file, msg) : tracker_finish_save(t, msg);
}

/* ---- reading ---- */

/* The file is about one server, then perhaps about others: the one that the log ends on counts. */
struct replay {
    struct tracker *t;
    const struct tracker_end *end;
    struct gtid_set *moved;
    uint64_t servers, server;  /* how many, up to the one that counts; which is being read */
    struct source_place place; /* of the record being read */
    uint64_t snapshot_left;    /* records of the snapshot still to come */
    bool is_over;              /* the rest is behind the end */
    bool fits;                 /* false: the file is about another place or server */
    struct err_msg *msg;
};

static const char *take_string(struct cursor *in)
{
    size_t bytes;
    return tracker_file_take_text(in, &bytes);
}

static struct source_place take_place(struct cursor *in)
{
    struct source_place place;
    snprintf(place.file, sizeof place.file, "%s", take_string(in));
    place.position = tracker_file_take_number(in);
    return place;
}

static enum err read_head(struct replay *r, struct cursor *in)
{
    uint64_t format = tracker_file_take_number(in);
    if (format > TRACKER_FORMAT)
        return err_set(r->msg, ERR_NEWER_FORMAT, "%s has format %" PRIu64 ", which only a newer millrace reads",
                       r->t->file.path, format);
    for (int i = 0; i < 3; i++) tracker_file_take_number(in); /* the source's rules then: told for whoever looks */
    take_string(in);
    r->place = take_place(in);
    r->snapshot_left = tracker_file_take_number(in);
    r->server = 1;
    r->fits = r->servers > 0 && (r->server < r->servers || source_place_compare(&r->place, &r->end->place) <= 0);
    return ERR_OK;
}

static enum err read_database(struct replay *r, struct cursor *in)
{
    size_t bytes;
    const char *sql = tracker_file_take_text(in, &bytes);
    return tracker_read_text(r->t->catalog, sql, bytes, r->msg);
}

static void drop_gap_of(struct tracker *t, const char *database, const char *table)
{
    for (uint32_t i = t->gap_count; i-- > 0;)
        if (strcmp(t->gap[i].database, database) == 0 && strcmp(t->gap[i].table, table) == 0) tracker_gap_drop(t, i);
}

static enum err read_table(struct replay *r, struct cursor *in)
{
    const char *database = take_string(in), *name = take_string(in);
    size_t bytes;
    const char *sql = tracker_file_take_text(in, &bytes);
    catalog_drop_table(r->t->catalog, database, name);
    drop_gap_of(r->t, database, name);
    return bytes == 0 ? ERR_OK : tracker_read_text(r->t->catalog, sql, bytes, r->msg);
}

/* A parked definition needs a catalog of its own, with its database in it. */
static enum err seen_of(struct replay *r, const char *database, const char *sql, size_t bytes,
                        struct tracker_seen **out)
{
    struct tracker_seen *s = calloc(1, sizeof *s);
    if (s == NULL) return ERR_NO_MEMORY;
    enum err e = catalog_open(&s->catalog, catalog_server(r->t->catalog));
    if (e == ERR_OK) e = catalog_put_database(s->catalog, database, "utf8mb4_general_ci", r->msg);
    if (e == ERR_OK) e = tracker_read_text(s->catalog, sql, bytes, r->msg);
    if (e != ERR_OK) {
        if (s->catalog != NULL) catalog_close(s->catalog);
        free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

static enum err read_gap(struct replay *r, struct cursor *in)
{
    const char *database = take_string(in), *table = take_string(in), *why = take_string(in);
    uint64_t flags = tracker_file_take_number(in);
    struct source_place until = take_place(in);
    size_t bytes;
    const char *sql = tracker_file_take_text(in, &bytes);
    struct tracker_seen *seen = NULL;
    struct tracker_gap *g;
    if (in->failed) return ERR_CORRUPT;
    if ((flags & GAP_HAS_TABLE) != 0) TRY(seen_of(r, database, sql, bytes, &seen));
    TRY(tracker_gap_make(r->t, database, table, why, &g));
    if ((flags & GAP_IS_PARKED) != 0)
        tracker_gap_park(r->t, g, &until, seen);
    return ERR_OK; /* a lost one may be asked for once more: the source may tell now */
}

/* Is the statement of the record behind the log's end? */
static bool is_behind(const struct replay *r, const char *gtid)
{
    if (r->server < r->servers) return false;
    if (r->end->gtids == NULL) return source_place_compare(&r->place, &r->end->place) > 0;
    struct gtid_set own = {0};
    bool is_in = gtid[0] != '\0' && gtid_set_parse(&own, gtid, strlen(gtid)) == ERR_OK &&
                 gtid_set_contains_set(r->end->gtids, &own);
    gtid_set_free(&own);
    return !is_in;
}

static enum err read_statement(struct replay *r, struct cursor *in)
{
    const char *gtid = take_string(in);
    if (is_behind(r, gtid)) {
        r->is_over = true;
        return ERR_OK;
    }
    uint16_t collation[BINLOG_DEFAULT_COLLATIONS_MAX];
    struct catalog_context context = {.database = take_string(in), .default_collation = collation};
    context.sql_mode = tracker_file_take_number(in);
    context.error_code = (uint16_t)tracker_file_take_number(in);
    context.server_collation = (uint16_t)tracker_file_take_number(in);
    context.default_collation_count = (uint32_t)tracker_file_take_number(in);
    if (context.default_collation_count > BINLOG_DEFAULT_COLLATIONS_MAX) return ERR_CORRUPT;
    for (uint32_t i = 0; i < context.default_collation_count; i++)
        collation[i] = (uint16_t)tracker_file_take_number(in);
    context.explicit_defaults_for_timestamp = tracker_file_take_number(in) != 0;
    size_t bytes;
    const char *text = tracker_file_take_text(in, &bytes);
    struct tracker_move move;
    struct err_msg why = {0};
    if (in->failed) return ERR_CORRUPT;
    if (gtid[0] != '\0') TRY(gtid_set_parse(r->moved, gtid, strlen(gtid)));
    statement_classify(r->t->statement, text, bytes, context.database, strlen(context.database));
    enum err e = tracker_follow(r->t, &r->place, &context, r->t->statement, text, bytes, &move, &why);
    if (e != ERR_OK) *r->msg = why;
    return e;
}

static enum err read_objects(struct replay *r, struct cursor *in)
{
    char *objects = strdup(take_string(in));
    if (objects == NULL) return ERR_NO_MEMORY;
    free(r->t->objects);
    r->t->objects = objects;
    return ERR_OK;
}

static enum err read_gtids(struct replay *r, struct cursor *in)
{
    size_t bytes;
    const char *text = tracker_file_take_text(in, &bytes);
    return gtid_set_parse(r->moved, text, bytes);
}

static enum err read_moved(struct replay *r)
{
    r->is_over = r->server == r->servers;
    if (r->is_over) return ERR_OK; /* the place is one of a server that does not count */
    r->server++;
    tracker_unpark(r->t);
    r->fits = r->server < r->servers || source_place_compare(&r->place, &r->end->place) <= 0;
    return ERR_OK;
}

static enum err read_record(struct replay *r, uint8_t kind, struct cursor *in)
{
    if (kind == RECORD_HEAD) return read_head(r, in);
    r->place = take_place(in);
    if (r->snapshot_left > 0)
        r->snapshot_left--;
    else if (kind != RECORD_STATEMENT && kind != RECORD_MOVED && r->server == r->servers && r->end->gtids == NULL)
        r->is_over = source_place_compare(&r->place, &r->end->place) > 0;
    if (r->is_over) return ERR_OK;
    switch (kind) {
    case RECORD_MOVED: return read_moved(r);
    case RECORD_OBJECTS: return read_objects(r, in);
    case RECORD_GTIDS: return read_gtids(r, in);
    case RECORD_DATABASE: return read_database(r, in);
    case RECORD_TABLE: return read_table(r, in);
    case RECORD_GAP: return read_gap(r, in);
    case RECORD_LEARNED:
        while (r->t->gap_count > 0) tracker_gap_drop(r->t, r->t->gap_count - 1);
        return ERR_OK;
    case RECORD_STATEMENT: return read_statement(r, in);
    default: return ERR_CORRUPT;
    }
}

/* A record that does not hold at the end was cut short by a crash; one with records behind it was damaged. */
static bool is_damaged(struct cursor rest)
{
    uint8_t kind;
    struct cursor fields;
    if (cursor_left(&rest) < 8) return false;
    uint64_t size = cursor_le(&rest, 4);
    cursor_le(&rest, 4);
    return cursor_take(&rest, size) != NULL && tracker_file_next(&rest, &kind, &fields);
}

static bool is_end_uuid(const struct replay *r, const char *uuid)
{
    return uuid[0] == '\0' || r->end->uuid[0] == '\0' || strcmp(uuid, r->end->uuid) == 0;
}

/* Which server counts: the last of the end's name that the log has a record of.  It may have been reached, left and
 * reached again. */
static void count_servers(struct replay *r, struct cursor in)
{
    uint8_t kind;
    struct cursor fields;
    uint64_t server = 0;
    while (tracker_file_next(&in, &kind, &fields)) {
        if (kind != RECORD_HEAD && kind != RECORD_MOVED) continue;
        if (kind == RECORD_HEAD)
            for (int i = 0; i < 4; i++) tracker_file_take_number(&fields);
        else
            take_place(&fields);
        server++;
        bool is_it = is_end_uuid(r, take_string(&fields));
        bool is_logged = kind == RECORD_HEAD || cursor_left(&fields) == 0 ||
                         tracker_file_take_number(&fields) < r->end->next_offset;
        if (is_it && is_logged) r->servers = server;
    }
}

static enum err replay(struct replay *r, const uint8_t *bytes, size_t size)
{
    count_servers(r, cursor_of(bytes, size));
    struct cursor in = cursor_of(bytes, size), fields;
    uint8_t kind;
    struct cursor rest = in;
    while (!r->is_over && tracker_file_next(&in, &kind, &fields)) {
        bool is_first = rest.at == bytes;
        if (is_first != (kind == RECORD_HEAD)) return ERR_CORRUPT;
        enum err e = read_record(r, kind, &fields);
        if (e != ERR_OK || fields.failed) return e == ERR_OK ? ERR_CORRUPT : e;
        if (!r->fits) return ERR_OK;
        rest = in;
    }
    if (r->server == 0) return ERR_CORRUPT; /* not even its head */
    bool is_whole = !r->fits || r->is_over || (r->snapshot_left == 0 && !is_damaged(rest));
    return is_whole ? ERR_OK : ERR_CORRUPT;
}

enum err tracker_load(struct tracker *t, const struct tracker_end *end, struct gtid_set *moved, bool *loaded,
                      struct err_msg *msg)
{
    uint8_t *bytes;
    size_t size;
    *loaded = false;
    TRY(tracker_file_read(&t->file, &bytes, &size, msg));
    if (bytes == NULL) return ERR_OK;
    struct err_msg why = {0};
    struct replay r = {.t = t, .end = end, .moved = moved, .msg = &why};
    while (t->gap_count > 0) tracker_gap_drop(t, t->gap_count - 1);
    enum err e = replay(&r, bytes, size);
    free(bytes);
    *loaded = e == ERR_OK && r.fits;
    if (*loaded && end->gtids == NULL) e = tracker_pass(t, &end->place, &why); /* what was told behind its statement */
    if (!*loaded) TRY(tracker_reset(t));
    t->at = (struct source_place){0}; /* the stream begins at the log's end: no statement before it comes again */
    if (e == ERR_NEWER_FORMAT || e == ERR_NO_MEMORY) *msg = why;
    if (e == ERR_OK || e == ERR_NEWER_FORMAT || e == ERR_NO_MEMORY) return e;
    return err_set(msg, e, "the table definitions in %s are damaged (%s); move the file away to have them read from "
                   "the source anew", t->file.path, why.text[0] == '\0' ? err_text(e) : why.text);
}
