#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/catalog_work.h"
#include "capture/name_fold.h"

/* ---- the work ---- */

enum err catalog_fail(const struct catalog_work *w, enum err code, const char *at, const char *fmt, ...)
{
    char reason[200], place[64] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    if (at != NULL) snprintf(place, sizeof place, " at byte %zu", (size_t)(at - w->text));
    return err_set(w->msg, code, "the statement `%.*s`%s does not fit the table definitions known here: %s",
                   ddl_shown_bytes(w->text, w->text_bytes, 160), w->text, place, reason);
}

static const char *fold(struct catalog_work *w, const char *name)
{
    return w->c->server.lower_case_table_names == 1 ? name_lower(&w->arena, name) : name;
}

enum err catalog_work_name(struct catalog_work *w, const struct ddl_name *name, const char **database,
                           const char **table)
{
    uint32_t at;
    const char *given = name->database != NULL ? name->database : w->context->database;
    if (*given == 0) return catalog_fail(w, ERR_UNSUPPORTED, name->at, "it names no database and has no default one");
    *database = fold(w, given);
    *table = fold(w, name->name);
    if (*database == NULL || *table == NULL) return ERR_NO_MEMORY;
    if (catalog_find_database(w->c, *database, &at)) *database = catalog_database_name(w->c, at);
    return ERR_OK;
}

static struct catalog_planned *find_planned(const struct catalog_work *w, const char *database, const char *name)
{
    for (uint32_t i = w->plan_count; i-- > 0;)
        if (catalog_compare_names(w->c, w->plan[i].name, name) == 0 &&
            catalog_compare_names(w->c, w->plan[i].database, database) == 0)
            return &w->plan[i];
    return NULL;
}

const struct catalog_table *catalog_work_find(const struct catalog_work *w, const char *database, const char *name)
{
    const struct catalog_planned *p = find_planned(w, database, name);
    return p != NULL ? p->table : catalog_find_table(w->c, database, name);
}

enum err catalog_work_plan(struct catalog_work *w, const char *database, const char *name, struct catalog_table *table)
{
    struct catalog_planned *p = find_planned(w, database, name);
    if (p == NULL) {
        if (w->plan_count == w->plan_capacity) {
            uint32_t capacity = w->plan_capacity == 0 ? 8 : w->plan_capacity * 2;
            struct catalog_planned *grown = arena_alloc(&w->arena, capacity * sizeof *grown);
            if (grown == NULL) return ERR_NO_MEMORY;
            if (w->plan_count != 0) memcpy(grown, w->plan, w->plan_count * sizeof *grown);
            w->plan = grown;
            w->plan_capacity = capacity;
        }
        p = &w->plan[w->plan_count++];
    }
    if (table != NULL) {
        table->database = database;
        table->name = name;
    }
    *p = (struct catalog_planned){database, name, table};
    return ERR_OK;
}

static const char *keep_text(struct catalog_work *w, const char *text, bool *failed)
{
    if (text == NULL) return NULL;
    const char *copy = arena_text(&w->c->effects, text, strlen(text));
    if (copy == NULL) *failed = true;
    return copy;
}

enum err catalog_work_note(struct catalog_work *w, enum catalog_change_kind kind, const char *database,
                           const char *table, const char *old_database, const char *old_table)
{
    bool failed = false;
    if (w->change_count == w->change_capacity) {
        uint32_t capacity = w->change_capacity == 0 ? 4 : w->change_capacity * 2;
        struct catalog_change *grown = arena_alloc(&w->c->effects, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        if (w->change_count != 0) memcpy(grown, w->change, w->change_count * sizeof *grown);
        w->change = grown;
        w->change_capacity = capacity;
    }
    w->change[w->change_count++] =
        (struct catalog_change){kind, keep_text(w, database, &failed), keep_text(w, table, &failed),
                                keep_text(w, old_database, &failed), keep_text(w, old_table, &failed)};
    return failed ? ERR_NO_MEMORY : ERR_OK;
}

/* Makes the plan true.  All that can fail comes first. */
static enum err commit(struct catalog_work *w)
{
    uint32_t database, made = 0;
    enum err e = ERR_OK;
    struct catalog_table **made_table = arena_alloc(&w->arena, (w->plan_count + 1ul) * sizeof *made_table);
    if (made_table == NULL) return ERR_NO_MEMORY;
    for (uint32_t i = 0; e == ERR_OK && i < w->plan_count; i++) {
        const struct catalog_planned *p = &w->plan[i];
        if (p->table == NULL) continue;
        if (!catalog_find_database(w->c, p->database, &database))
            e = catalog_fail(w, ERR_SCHEMA, NULL, "the database `%.64s` is not known", p->database);
        else
            e = catalog_reserve(w->c, database, w->plan_count);
        if (e == ERR_TOO_LARGE) catalog_fail(w, e, NULL, "the source has more than %d tables", CATALOG_TABLES_MAX);
        if (e != ERR_OK) break;
        made_table[made] = catalog_table_copy(w->c, p->table);
        if (made_table[made++] == NULL) e = ERR_NO_MEMORY;
    }
    if (e != ERR_OK) {
        while (made-- > 0) catalog_table_free(w->c, made_table[made]);
        return e;
    }
    for (uint32_t i = 0; i < w->plan_count; i++)
        if (w->plan[i].table == NULL) catalog_drop_table(w->c, w->plan[i].database, w->plan[i].name);
    for (uint32_t i = 0; i < made; i++) {
        if (catalog_find_database(w->c, made_table[i]->database, &database))
            catalog_place(w->c, database, made_table[i]);
    }
    return ERR_OK;
}

/* ---- tables ---- */

/* The server's own databases, which a snapshot need not hold: their statements concern nobody then. */
static bool is_system(const struct catalog_work *w, const char *database)
{
    static const char *const name[] = {"mysql", "sys", "information_schema", "performance_schema"};
    uint32_t at;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (catalog_same_column(name[i], database)) return !catalog_find_database(w->c, database, &at);
    return false;
}

static enum err create_table(struct catalog_work *w)
{
    const char *database, *name;
    const struct ddl_statement *s = &w->s;
    TRY(catalog_work_name(w, &s->table[0], &database, &name));
    if (is_system(w, database)) return ERR_OK;
    const struct catalog_table *old = catalog_work_find(w, database, name);
    if (old != NULL && s->if_not_exists) return ERR_OK;
    if (old != NULL && (!s->or_replace || old->kind == CATALOG_VIEW))
        return catalog_fail(w, ERR_SCHEMA, s->table[0].at, "a table of this name is there already");
    if (s->has_select)
        return catalog_fail(w, ERR_UNSUPPORTED, s->table[0].at,
                            "its columns come from a SELECT, which its text does not tell");
    struct catalog_table empty = {.database = database, .name = name, .engine = ""}, *made;
    if (s->kind == DDL_CREATE_TABLE_LIKE) {
        const char *like_database, *like_name;
        TRY(catalog_work_name(w, &s->like, &like_database, &like_name));
        const struct catalog_table *like = catalog_work_find(w, like_database, like_name);
        if (like == NULL || like->kind == CATALOG_VIEW)
            return catalog_fail(w, ERR_SCHEMA, s->like.at, "there is no table `%.64s`", like_name);
        TRY(catalog_alter(w, like, &made)); /* an ALTER that changes nothing, as the servers do it */
    } else {
        TRY(catalog_alter(w, &empty, &made));
        if (made->column_count == 0) return catalog_fail(w, ERR_UNSUPPORTED, s->table[0].at, "it has no columns");
    }
    TRY(catalog_work_plan(w, database, name, made));
    return catalog_work_note(w, old == NULL ? CATALOG_CREATED : CATALOG_ALTERED, database, name, NULL, NULL);
}

/* MariaDB's fixed columns of a sequence. */
static enum err create_sequence(struct catalog_work *w)
{
    static const struct catalog_column column[] = {
        {.name = "next_not_cached_value", .type = "bigint(21)"},
        {.name = "minimum_value", .type = "bigint(21)"},
        {.name = "maximum_value", .type = "bigint(21)"},
        {.name = "start_value", .type = "bigint(21)"},
        {.name = "increment", .type = "bigint(21)"},
        {.name = "cache_size", .type = "bigint(21) unsigned"},
        {.name = "cycle_option", .type = "tinyint(1) unsigned"},
        {.name = "cycle_count", .type = "bigint(21)"},
    };
    const char *database, *name;
    uint32_t at;
    const struct ddl_statement *s = &w->s;
    struct collation standard, of_database;
    TRY(catalog_work_name(w, &s->table[0], &database, &name));
    if (is_system(w, database)) return ERR_OK;
    const struct catalog_table *old = catalog_work_find(w, database, name);
    if (old != NULL && s->if_not_exists) return ERR_OK;
    if (old != NULL && !s->or_replace)
        return catalog_fail(w, ERR_SCHEMA, s->table[0].at, "a table of this name is there already");
    if (!catalog_find_database(w->c, database, &at))
        return catalog_fail(w, ERR_SCHEMA, s->table[0].at, "the database `%.64s` is not known", database);
    struct catalog_table *made = arena_alloc(&w->arena, sizeof *made);
    if (made == NULL) return ERR_NO_MEMORY;
    of_database = catalog_collation(w->c, catalog_database_collation(w->c, at));
    TRY(catalog_resolve(w, s->options.charset, s->options.collation, &of_database, &of_database, &standard));
    *made = (struct catalog_table){.kind = CATALOG_SEQUENCE,
                                   .engine = s->options.engine == NULL ? "" : s->options.engine,
                                   .collation = standard.name,
                                   .charset = charset_shown(standard.charset, &w->c->server),
                                   .column = column,
                                   .column_count = sizeof column / sizeof *column};
    TRY(catalog_work_plan(w, database, name, made));
    return catalog_work_note(w, old == NULL ? CATALOG_CREATED : CATALOG_ALTERED, database, name, NULL, NULL);
}

/* What an ALTER TABLE does beside the table's own definition. */
static enum err alter_others(struct catalog_work *w, const struct catalog_table *made)
{
    for (const struct ddl_spec *s = w->s.spec; s != NULL; s = s->next) {
        const char *database, *name;
        if (s->kind != DDL_PARTITION_TO_TABLE && s->kind != DDL_TABLE_TO_PARTITION) continue;
        TRY(catalog_work_name(w, &s->table, &database, &name));
        struct catalog_table *copy = NULL;
        if (s->kind == DDL_PARTITION_TO_TABLE) {
            copy = arena_alloc(&w->arena, sizeof *copy);
            if (copy == NULL) return ERR_NO_MEMORY;
            *copy = *made;
        }
        TRY(catalog_work_plan(w, database, name, copy));
        TRY(catalog_work_note(w, copy == NULL ? CATALOG_DROPPED : CATALOG_CREATED, database, name, NULL, NULL));
    }
    return ERR_OK;
}

static enum err alter_table(struct catalog_work *w)
{
    const char *database, *name;
    const struct ddl_name *given = &w->s.table[0];
    struct catalog_table *made;
    TRY(catalog_work_name(w, given, &database, &name));
    if (is_system(w, database)) return ERR_OK;
    const struct catalog_table *old = catalog_work_find(w, database, name);
    if (old == NULL && w->s.if_exists) return ERR_OK;
    if (old == NULL || old->kind == CATALOG_VIEW)
        return catalog_fail(w, ERR_SCHEMA, given->at, "there is no table `%.64s`.`%.64s`", database, name);
    TRY(catalog_alter(w, old, &made));
    const char *new_database = old->database, *new_name = old->name;
    for (const struct ddl_spec *s = w->s.spec; s != NULL; s = s->next)
        if (s->kind == DDL_RENAME) TRY(catalog_work_name(w, &s->table, &new_database, &new_name));
    bool is_renamed = strcmp(old->name, new_name) != 0 || strcmp(old->database, new_database) != 0;
    if (is_renamed) {
        const struct catalog_table *there = catalog_work_find(w, new_database, new_name);
        if (there != NULL && there != old)
            return catalog_fail(w, ERR_SCHEMA, given->at, "there is a table `%.64s`.`%.64s`", new_database, new_name);
        TRY(catalog_work_plan(w, old->database, old->name, NULL));
    }
    TRY(catalog_work_plan(w, new_database, new_name, made));
    TRY(catalog_work_note(w, CATALOG_ALTERED, new_database, new_name, is_renamed ? old->database : NULL,
                          is_renamed ? old->name : NULL));
    return alter_others(w, made);
}

static enum err drop_tables(struct catalog_work *w, enum catalog_kind kind)
{
    bool may_miss = w->s.if_exists || w->context->error_code != 0;
    for (uint32_t i = 0; i < w->s.table_count; i++) {
        const char *database, *name;
        TRY(catalog_work_name(w, &w->s.table[i], &database, &name));
        if (is_system(w, database)) continue;
        const struct catalog_table *t = catalog_work_find(w, database, name);
        /* DROP TABLE takes sequences, too; DROP SEQUENCE takes no table. */
        bool is_one = t != NULL && (t->kind == kind || (t->kind == CATALOG_SEQUENCE && kind == CATALOG_TABLE));
        if (!is_one && may_miss) continue;
        if (!is_one)
            return catalog_fail(w, ERR_SCHEMA, w->s.table[i].at, "there is no `%.64s`.`%.64s`", database, name);
        if (kind != CATALOG_VIEW) TRY(catalog_work_note(w, CATALOG_DROPPED, t->database, t->name, NULL, NULL));
        TRY(catalog_work_plan(w, t->database, t->name, NULL));
    }
    return ERR_OK;
}

/* A name that only stands between two renames of one statement is not told. */
static enum err note_rename(struct catalog_work *w, const struct catalog_table *t, const char *database,
                            const char *name)
{
    for (uint32_t i = w->change_count; i-- > 0;) {
        struct catalog_change *c = &w->change[i];
        if (strcmp(c->database, t->database) != 0 || strcmp(c->table, t->name) != 0) continue;
        bool failed = false;
        c->database = keep_text(w, database, &failed);
        c->table = keep_text(w, name, &failed);
        return failed ? ERR_NO_MEMORY : ERR_OK;
    }
    return catalog_work_note(w, CATALOG_ALTERED, database, name, t->database, t->name);
}

static enum err rename_tables(struct catalog_work *w)
{
    for (uint32_t i = 0; i + 1 < w->s.table_count; i += 2) {
        const char *database, *name, *new_database, *new_name;
        TRY(catalog_work_name(w, &w->s.table[i], &database, &name));
        TRY(catalog_work_name(w, &w->s.table[i + 1], &new_database, &new_name));
        if (is_system(w, database)) continue;
        const struct catalog_table *t = catalog_work_find(w, database, name);
        if (t == NULL && w->s.if_exists) continue;
        if (t == NULL)
            return catalog_fail(w, ERR_SCHEMA, w->s.table[i].at, "there is no table `%.64s`.`%.64s`", database, name);
        const struct catalog_table *there = catalog_work_find(w, new_database, new_name);
        if (there != NULL && there != t)
            return catalog_fail(w, ERR_SCHEMA, w->s.table[i + 1].at, "there is a table `%.64s`.`%.64s`", new_database,
                                new_name);
        struct catalog_table *made = arena_alloc(&w->arena, sizeof *made);
        if (made == NULL) return ERR_NO_MEMORY;
        *made = *t;
        if (t->kind != CATALOG_VIEW) TRY(note_rename(w, t, new_database, new_name));
        TRY(catalog_work_plan(w, t->database, t->name, NULL));
        TRY(catalog_work_plan(w, new_database, new_name, made));
    }
    return ERR_OK;
}

static enum err truncate_table(struct catalog_work *w)
{
    const char *database, *name;
    TRY(catalog_work_name(w, &w->s.table[0], &database, &name));
    if (is_system(w, database)) return ERR_OK;
    if (catalog_work_find(w, database, name) == NULL)
        return catalog_fail(w, ERR_SCHEMA, w->s.table[0].at, "there is no table `%.64s`.`%.64s`", database, name);
    return catalog_work_note(w, CATALOG_TRUNCATED, database, name, NULL, NULL);
}

static enum err create_view(struct catalog_work *w)
{
    const char *database, *name;
    TRY(catalog_work_name(w, &w->s.table[0], &database, &name));
    if (is_system(w, database)) return ERR_OK;
    const struct catalog_table *old = catalog_work_find(w, database, name);
    /* Old servers write a CREATE VIEW that failed into the binlog: one that is there already is no news. */
    if (old != NULL && (old->kind == CATALOG_VIEW || w->s.if_not_exists || w->context->error_code != 0)) return ERR_OK;
    if (old != NULL) return catalog_fail(w, ERR_SCHEMA, w->s.table[0].at, "a table of this name is there already");
    struct catalog_table *made = arena_alloc(&w->arena, sizeof *made);
    if (made == NULL) return ERR_NO_MEMORY;
    *made = (struct catalog_table){.kind = CATALOG_VIEW, .engine = ""};
    return catalog_work_plan(w, database, name, made);
}

/* ---- databases ---- */

static enum err put_database(struct catalog_work *w)
{
    const struct ddl_statement *s = &w->s;
    const char *given = s->table[0].name != NULL ? s->table[0].name : w->context->database;
    const char *name = fold(w, given);
    struct collation server, result;
    uint32_t at;
    if (name == NULL) return ERR_NO_MEMORY;
    bool is_there = catalog_find_database(w->c, name, &at), creates = s->kind == DDL_CREATE_DATABASE;
    if (is_system(w, name)) return ERR_OK;
    if (creates && is_there && s->if_not_exists) return ERR_OK;
    if (is_there == (creates && !s->or_replace))
        return catalog_fail(w, ERR_SCHEMA, s->table[0].at, "the database `%.64s` is %s", name,
                            is_there ? "there already" : "not known");
    bool knows_server = collation_by_id(&server, &w->c->server, w->context->server_collation);
    bool needs_server = (creates && s->options.charset == NULL && s->options.collation == NULL) ||
                        (s->options.charset != NULL && *s->options.charset == 0) ||
                        (s->options.collation != NULL && *s->options.collation == 0);
    if (!knows_server && needs_server)
        return catalog_fail(w, ERR_UNSUPPORTED, NULL, "the server's default collation is not told (id %u)",
                            w->context->server_collation);
    if (!knows_server) server = catalog_collation(w->c, "binary"); /* not looked at: the statement says its own */
    struct collation standard = creates ? server : catalog_collation(w->c, catalog_database_collation(w->c, at));
    TRY(catalog_resolve(w, s->options.charset, s->options.collation, &standard, &server, &result));
    TRY(catalog_work_note(w, creates ? CATALOG_CREATED : CATALOG_ALTERED, name, NULL, NULL, NULL));
    if (creates && is_there) catalog_drop_database(w->c, name);
    return catalog_put_database(w->c, name, result.name, w->msg);
}

static enum err drop_database(struct catalog_work *w)
{
    const char *name = fold(w, w->s.table[0].name);
    uint32_t at;
    if (name == NULL) return ERR_NO_MEMORY;
    if (is_system(w, name)) return ERR_OK;
    if (!catalog_find_database(w->c, name, &at)) {
        if (w->s.if_exists) return ERR_OK;
        return catalog_fail(w, ERR_SCHEMA, w->s.table[0].at, "the database `%.64s` is not known", name);
    }
    TRY(catalog_work_note(w, CATALOG_DROPPED, name, NULL, NULL, NULL));
    catalog_drop_database(w->c, name);
    return ERR_OK;
}

/* ---- the statement ---- */

static enum err apply(struct catalog_work *w)
{
    if (w->s.is_temporary || w->s.kind == DDL_NOTHING) return ERR_OK;
    bool is_create = w->s.kind == DDL_CREATE_TABLE || w->s.kind == DDL_CREATE_TABLE_LIKE;
    if (w->context->error_code != 0 && is_create && w->s.or_replace) {
        w->s.kind = DDL_DROP_TABLE; /* MariaDB: the old table is gone, the new one did not come to be */
        w->s.table_count = 1;
    }
    bool may_fail = w->s.kind == DDL_DROP_TABLE || w->s.kind == DDL_DROP_VIEW || w->s.kind == DDL_CREATE_VIEW;
    if (w->context->error_code != 0 && !may_fail)
        return catalog_fail(w, ERR_UNSUPPORTED, NULL, "it failed on the source with code %u, in part",
                            w->context->error_code);
    switch (w->s.kind) {
    case DDL_NOTHING: return ERR_OK;
    case DDL_CREATE_TABLE:
    case DDL_CREATE_TABLE_LIKE: return create_table(w);
    case DDL_ALTER_TABLE: return alter_table(w);
    case DDL_DROP_TABLE: return drop_tables(w, CATALOG_TABLE);
    case DDL_DROP_SEQUENCE: return drop_tables(w, CATALOG_SEQUENCE);
    case DDL_RENAME_TABLE: return rename_tables(w);
    case DDL_TRUNCATE_TABLE: return truncate_table(w);
    case DDL_CREATE_DATABASE:
    case DDL_ALTER_DATABASE: return put_database(w);
    case DDL_DROP_DATABASE: return drop_database(w);
    case DDL_CREATE_VIEW: return create_view(w);
    case DDL_DROP_VIEW: return drop_tables(w, CATALOG_VIEW);
    case DDL_CREATE_SEQUENCE: return create_sequence(w);
    }
    return ERR_OK;
}

enum err catalog_apply(struct catalog *c, const struct catalog_context *context, const char *text, size_t text_bytes,
                       struct catalog_effect *effect, struct err_msg *msg)
{
    struct catalog_work w = {.c = c, .context = context, .text = text, .text_bytes = text_bytes, .msg = msg};
    const struct ddl_rules rules = {c->server.version, c->server.is_mariadb, context->sql_mode};
    w.arena.bytes_max = CATALOG_WORK_BYTES_MAX;
    w.is_shown = text_bytes > strlen(CATALOG_SHOWN) && memcmp(text, CATALOG_SHOWN, strlen(CATALOG_SHOWN)) == 0;
    *effect = (struct catalog_effect){0};
    arena_free(&c->effects);
    enum err e = ddl_parse(&w.s, &w.arena, &rules, text, text_bytes, msg);
    if (e == ERR_OK) e = apply(&w);
    if (e == ERR_OK) e = commit(&w);
    if (e == ERR_OK) *effect = (struct catalog_effect){w.change, w.change_count};
    if (e == ERR_NO_MEMORY)
        err_set(msg, e, "no memory for the statement `%.*s`", ddl_shown_bytes(text, text_bytes, 160), text);
    arena_free(&w.arena);
    return e;
}
