#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "capture/catalog_work.h"
#include "capture/column_type.h"

/* What MySQL and MariaDB do in mysql_prepare_alter_table: first the old columns, each dropped, changed or kept
 * where it is; then, in the statement's order, the added ones and those with a new place; then the keys. */

struct alteration {
    struct catalog_work *w;
    const struct catalog_table *old;
    struct catalog_table *out;
    struct collation standard;  /* of the new table */
    struct collation converted; /* what CONVERT TO says */
    struct catalog_draft d;
    uint32_t column_capacity;
    const char **new_name; /* of each old column; NULL: dropped */
};

static int find_column(const struct catalog_column *column, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (catalog_same_column(column[i].name, name)) return (int)i;
    return -1;
}

static bool is_key(const struct catalog_table *t, const char *name)
{
    for (uint16_t i = 0; i < t->key_count; i++)
        if (catalog_same_column(t->key[i].name, name)) return true;
    return false;
}

static enum err place_column(struct alteration *a, uint32_t at, const struct catalog_column *column)
{
    struct catalog_draft *d = &a->d;
    if (find_column(d->column, d->column_count, column->name) >= 0)
        return catalog_fail(a->w, ERR_SCHEMA, NULL, "the table has two columns `%s`", column->name);
    if (d->column_count == CATALOG_COLUMNS_MAX)
        return catalog_fail(a->w, ERR_TOO_LARGE, NULL, "more than %d columns", CATALOG_COLUMNS_MAX);
    if (d->column_count == a->column_capacity) {
        uint32_t capacity = a->column_capacity == 0 ? a->old->column_count + 8u : a->column_capacity * 2;
        struct catalog_column *grown = arena_alloc(&a->w->arena, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        if (d->column_count != 0) memcpy(grown, d->column, d->column_count * sizeof *grown);
        d->column = grown;
        a->column_capacity = capacity;
    }
    memmove(d->column + at + 1, d->column + at, (d->column_count - at) * sizeof *d->column);
    d->column[at] = *column;
    d->column_count++;
    return ERR_OK;
}

static bool is_about_old(const struct ddl_spec *s)
{
    return s->kind == DDL_DROP_COLUMN || s->kind == DDL_MODIFY_COLUMN || s->kind == DDL_RENAME_COLUMN;
}

/* In a statement that converts the table, new columns get the new character set at once, whatever they say; the
 * attribute BINARY holds, in MySQL 8 without a CHARACTER SET beside it, in MariaDB without any. */
static bool keeps_binary(const struct alteration *a, const struct ddl_type *t)
{
    const struct catalog_server *server = &a->w->c->server;
    if (!t->is_binary) return false;
    if (server->is_mariadb) return t->charset == NULL && t->collation == NULL;
    return server->version < 80000 || t->charset == NULL;
}

/* MariaDB: "uca1400_..." is a collation of any character set; said without one it holds for the converted one. */
static bool keeps_collation(const struct alteration *a, const struct ddl_type *t)
{
    bool is_of_any = t->collation != NULL && strncasecmp(t->collation, "uca1400_", 8) == 0;
    return a->w->c->server.is_mariadb && t->charset == NULL && is_of_any;
}

static enum err make_column(struct alteration *a, const struct ddl_column *given, struct catalog_column *out)
{
    TRY(catalog_make_column(a->w, given, &a->standard, out));
    bool is_text = out->collation != NULL && strcmp(out->collation, "binary") != 0 && given->type.kind != DDL_JSON;
    if (a->converted.name == NULL || !is_text) return ERR_OK;
    struct ddl_column changed = *given;
    changed.type.is_binary = keeps_binary(a, &given->type);
    changed.type.charset = NULL;
    if (!keeps_collation(a, &given->type)) changed.type.collation = changed.type.is_binary ? NULL : a->converted.name;
    return catalog_make_column(a->w, &changed, &a->converted, out);
}

/* The one spec that drops, modifies or renames the old column; NULL: none. */
static struct ddl_spec *spec_of(const struct alteration *a, const char *column)
{
    for (struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        if (is_about_old(s) && catalog_same_column(s->name, column)) return s;
    }
    return NULL;
}

static bool has_place(const struct ddl_spec *s)
{
    return s->is_first || s->after != NULL;
}

static enum err keep_columns(struct alteration *a)
{
    for (uint16_t i = 0; i < a->old->column_count; i++) {
        struct catalog_column c = a->old->column[i];
        const struct ddl_spec *s = spec_of(a, c.name);
        a->new_name[i] = c.name;
        if (s != NULL && s->kind == DDL_DROP_COLUMN) {
            a->new_name[i] = NULL;
            continue;
        }
        if (s != NULL) a->new_name[i] = c.name = s->new_name;
        if (s != NULL && s->kind == DDL_MODIFY_COLUMN) TRY(make_column(a, s->column, &c));
        TRY(place_column(a, a->d.column_count, &c));
    }
    return ERR_OK;
}

/* Out of its old place. */
static void take_column(struct alteration *a, const char *name, struct catalog_column *out)
{
    struct catalog_draft *d = &a->d;
    int at = find_column(d->column, d->column_count, name);
    INVARIANT(at >= 0);
    *out = d->column[at];
    d->column_count--;
    memmove(d->column + at, d->column + at + 1, (d->column_count - (uint32_t)at) * sizeof *d->column);
}

static enum err place_new_columns(struct alteration *a)
{
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        struct catalog_column c;
        uint32_t at = a->d.column_count;
        if (s->kind == DDL_MODIFY_COLUMN && has_place(s)) {
            take_column(a, s->new_name, &c);
            at = a->d.column_count;
        } else if (s->kind == DDL_ADD_COLUMN) {
            if (s->replaces_added) take_column(a, s->name, &c);
            at = a->d.column_count;
            TRY(make_column(a, s->column, &c));
        } else {
            continue;
        }
        if (s->is_first) at = 0;
        if (s->after != NULL) {
            int after = find_column(a->d.column, a->d.column_count, s->after);
            if (after < 0) return catalog_fail(a->w, ERR_SCHEMA, s->at, "there is no column `%s`", s->after);
            at = (uint32_t)after + 1;
        }
        TRY(place_column(a, at, &c));
    }
    return ERR_OK;
}

/* Has the table the primary key that MySQL 8.0.30 makes where a statement gives none?  It has AUTO_INCREMENT, too,
 * which is not kept here. */
static bool has_made_key(const struct alteration *a)
{
    const struct catalog_table *old = a->old;
    const struct catalog_column *c = old->column;
    const struct catalog_key *k = old->key;
    return !a->w->c->server.is_mariadb && a->w->c->server.version >= 80030 && old->column_count != 0 &&
           catalog_same_column(c->name, "my_row_id") && strcmp(c->type, "bigint unsigned") == 0 && !c->is_nullable &&
           c->is_invisible && old->key_count != 0 && k->kind == CATALOG_KEY_PRIMARY && k->part_count == 1 &&
           k->part[0].column == 0;
}

/* It stays in front of what a statement puts FIRST. */
static enum err keep_made_key_first(struct alteration *a)
{
    struct catalog_column c;
    if (!has_made_key(a) || a->new_name[0] == NULL) return ERR_OK;
    take_column(a, a->new_name[0], &c);
    return place_column(a, 0, &c);
}

/* ---- keys ---- */

static bool is_key_dropped(const struct alteration *a, const struct catalog_key *k)
{
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        if (s->kind == DDL_DROP_PRIMARY && k->kind == CATALOG_KEY_PRIMARY) return true;
        if ((s->kind == DDL_DROP_KEY || s->kind == DDL_DROP_CONSTRAINT) && catalog_same_column(s->name, k->name))
            return s->kind == DDL_DROP_KEY || k->kind == CATALOG_KEY_PRIMARY || k->kind == CATALOG_KEY_UNIQUE;
    }
    return false;
}

static bool has_labels(const struct catalog_column *c)
{
    return strncmp(c->type, "enum(", 5) == 0 || strncmp(c->type, "set(", 4) == 0;
}

/* MySQL takes the one to eight bytes that an ENUM or SET has in a key for a prefix when the column becomes a text. */
static uint32_t prefix_of_labels(const struct alteration *a, const struct catalog_column *c, const char *new_name)
{
    if (a->w->c->server.is_mariadb || !has_labels(c)) return 0;
    int at = find_column(a->d.column, a->d.column_count, new_name);
    if (at < 0 || has_labels(&a->d.column[at])) return 0;
    size_t text_bytes, labels = column_type_label_count(c->type, &text_bytes);
    size_t bytes = c->type[0] == 'e' ? 1 + (labels > 255) : (labels + 7) / 8;
    if (bytes > 4) bytes = 8;
    uint32_t char_bytes = c->collation == NULL ? 1 : catalog_collation(a->w->c, c->collation).charset->char_bytes_max;
    return (uint32_t)bytes / char_bytes;
}

/* MariaDB rebuilds what it keeps of a table in an ALTER that does more than to rename or to copy it. */
static bool is_rebuilt(const struct alteration *a)
{
    bool renames = false, copies = false;
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        renames = renames || s->kind == DDL_RENAME;
        copies = copies || s->kind == DDL_COPY;
        if (s->kind != DDL_RENAME && s->kind != DDL_COPY) return true;
    }
    return a->w->s.kind != DDL_ALTER_TABLE || (renames && copies);
}

/* What an ALTER takes for the prefix of an old key's part that shows none. */
static uint32_t prefix_kept(const struct alteration *a, const struct catalog_key *k, const struct catalog_column *c,
                            const char *new_name)
{
    if (!a->w->c->server.is_mariadb || !catalog_is_geometry(c->type)) return prefix_of_labels(a, c, new_name);
    if (k->kind == CATALOG_KEY_FULLTEXT || k->kind == CATALOG_KEY_SPATIAL) return 0;
    if (!k->is_hash) return CATALOG_GEOMETRY_WHOLE;
    return is_rebuilt(a) ? 8 : 0; /* MariaDB forgets that it was a hash, and keeps 8 bytes of each */
}

static enum err keep_keys(struct alteration *a)
{
    bool forgets = is_rebuilt(a);
    for (uint16_t i = 0; i < a->old->key_count; i++) {
        const struct catalog_key *k = &a->old->key[i];
        if (is_key_dropped(a, k)) continue;
        struct catalog_draft_key kept = {.key = *k, .is_kept = true};
        kept.part = arena_alloc(&a->w->arena, (k->part_count + 1ul) * sizeof *kept.part);
        if (kept.part == NULL) return ERR_NO_MEMORY;
        for (uint16_t p = 0; p < k->part_count; p++) {
            bool is_column = k->part[p].column != CATALOG_PART_EXPRESSION;
            const char *name = is_column ? a->new_name[k->part[p].column] : NULL;
            if (is_column && name == NULL) continue; /* its column goes, and the part with it */
            uint32_t prefix = k->part[p].prefix_chars;
            if (is_column && prefix == 0) prefix = prefix_kept(a, k, &a->old->column[k->part[p].column], name);
            kept.part[kept.part_count++] =
                (struct catalog_draft_part){name, prefix, k->part[p].is_descending};
        }
        if (kept.part_count == 0) continue;
        for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
            if (s->kind != DDL_RENAME_KEY || !catalog_same_column(s->name, k->name)) continue;
            kept.key.name = s->new_name;
            kept.key.is_implied = false; /* it is somebody's now */
        }
        kept.key.is_hash = false; /* found anew: one that was only asked for ends there */
        kept.uses_hash = (k->is_hash && !forgets) || k->says_hash;
        TRY(catalog_draft_key_add(a->w, &a->d, &kept));
    }
    return ERR_OK;
}

/* The key of an attribute.  MariaDB: IF [NOT] EXISTS in front of the column is one in front of its keys, too. */
static enum err add_column_key(struct alteration *a, enum catalog_key_kind kind, const struct ddl_spec *s)
{
    const char *column = s->column->name, *name = kind == CATALOG_KEY_PRIMARY ? "PRIMARY" : column;
    if ((s->if_exists || s->if_not_exists) && is_key(a->old, name)) return ERR_OK;
    struct catalog_draft_part *part = arena_alloc(&a->w->arena, sizeof *part);
    if (part == NULL) return ERR_NO_MEMORY;
    part->name = column;
    struct catalog_draft_key k = {.key = {.kind = (uint8_t)kind}, .part = part, .part_count = 1};
    return catalog_draft_key_add(a->w, &a->d, &k);
}

static enum err add_key(struct alteration *a, const struct ddl_spec *s)
{
    static const enum catalog_key_kind kind_of[] = {
        [DDL_KEY_PRIMARY] = CATALOG_KEY_PRIMARY, [DDL_KEY_UNIQUE] = CATALOG_KEY_UNIQUE,
        [DDL_KEY_INDEX] = CATALOG_KEY_INDEX,     [DDL_KEY_FULLTEXT] = CATALOG_KEY_FULLTEXT,
        [DDL_KEY_SPATIAL] = CATALOG_KEY_SPATIAL, [DDL_KEY_VECTOR] = CATALOG_KEY_VECTOR,
        [DDL_KEY_FOREIGN] = CATALOG_KEY_INDEX,
    };
    const struct ddl_key *given = s->key;
    bool is_foreign = given->kind == DDL_KEY_FOREIGN;
    if (is_foreign && a->w->is_shown) return ERR_OK; /* the key that serves it is shown as well, if there is one */
    bool is_implied = is_foreign || (given->is_implied && a->w->is_shown);
    struct catalog_draft_key k = {.key = {.kind = (uint8_t)kind_of[given->kind], .is_implied = is_implied}};
    k.key.name = is_foreign ? (given->constraint != NULL ? given->constraint : given->name)
                            : (given->name != NULL ? given->name : given->constraint);
    if (given->part_count > CATALOG_KEY_PARTS_MAX)
        return catalog_fail(a->w, ERR_TOO_LARGE, s->at, "a key of more than %d columns", CATALOG_KEY_PARTS_MAX);
    k.part = arena_alloc(&a->w->arena, (given->part_count + 1ul) * sizeof *k.part);
    if (k.part == NULL) return ERR_NO_MEMORY;
    for (uint32_t p = 0; p < given->part_count; p++)
        k.part[p] = (struct catalog_draft_part){given->part[p].name, given->part[p].prefix_chars,
                                                given->part[p].is_descending};
    k.part_count = (uint16_t)given->part_count;
    k.uses_hash = given->is_hash;
    return catalog_draft_key_add(a->w, &a->d, &k);
}

static enum err add_keys(struct alteration *a)
{
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        if (s->kind == DDL_ADD_KEY && s->key != NULL) TRY(add_key(a, s));
        if (s->column == NULL) continue;
        if (s->column->is_primary) TRY(add_column_key(a, CATALOG_KEY_PRIMARY, s));
        /* MariaDB makes one key of the two attributes. */
        bool is_one = a->w->c->server.is_mariadb && s->column->is_primary;
        if (s->column->is_unique && !is_one) TRY(add_column_key(a, CATALOG_KEY_UNIQUE, s));
    }
    return ERR_OK;
}

/* ---- before and after ---- */

static bool is_added_before(const struct ddl_spec *first, const struct ddl_spec *end, const char *name)
{
    for (const struct ddl_spec *s = first; s != end; s = s->next)
        if (s->kind == DDL_ADD_COLUMN && catalog_same_column(s->name, name)) return true;
    return false;
}

/* The statement gives an old column this name before `end`. */
static bool is_renamed_before(const struct ddl_spec *first, const struct ddl_spec *end, const char *name)
{
    for (const struct ddl_spec *s = first; s != end; s = s->next)
        if (s->kind == DDL_MODIFY_COLUMN && catalog_same_column(s->new_name, name)) return true;
    return false;
}

/* Servers differ in what two changes of one column in one statement mean, and in a CONVERT beside a new default. */
static enum err refuse_ambiguous(const struct alteration *a)
{
    const struct ddl_options *o = &a->w->s.options;
    bool has_default = (o->charset != NULL && *o->charset != 0) || o->collation != NULL;
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        if (s->kind == DDL_CONVERT && has_default)
            return catalog_fail(a->w, ERR_UNSUPPORTED, s->at,
                                "CONVERT TO and a default character set in one statement");
        /* MySQL 8 makes the new TEXT as large as the converted old column asks for. */
        bool is_text = s->kind == DDL_MODIFY_COLUMN && s->column->type.kind >= DDL_TINYTEXT &&
                       s->column->type.kind <= DDL_LONGTEXT;
        bool converts = false;
        for (const struct ddl_spec *t = a->w->s.spec; t != NULL; t = t->next) converts |= t->kind == DDL_CONVERT;
        if (is_text && converts && !a->w->c->server.is_mariadb && a->w->c->server.version >= 80000)
            return catalog_fail(a->w, ERR_UNSUPPORTED, s->at, "CONVERT TO and a new TEXT for `%s` in one statement",
                                s->name);
        if (!is_about_old(s)) continue;
        for (const struct ddl_spec *t = s->next; t != NULL; t = t->next)
            if (is_about_old(t) && catalog_same_column(s->name, t->name))
                return catalog_fail(a->w, ERR_UNSUPPORTED, t->at, "the column `%s` is changed twice", s->name);
    }
    return ERR_OK;
}

/* Takes out what IF EXISTS and IF NOT EXISTS leave undone, and refuses what does not fit the old table. */
static enum err settle_specs(struct alteration *a)
{
    const struct catalog_table *old = a->old;
    for (struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        bool is_old_column = s->name != NULL && find_column(old->column, old->column_count, s->name) >= 0;
        switch (s->kind) {
        case DDL_ADD_COLUMN:
            if (s->if_not_exists && (is_old_column || is_added_before(a->w->s.spec, s, s->name) ||
                                     is_renamed_before(a->w->s.spec, s, s->name)))
                s->kind = DDL_DEFAULTS; /* no new column, but the keys that it asks for */
            break;
        case DDL_ADD_KEY: {
            const char *name = s->key->kind == DDL_KEY_PRIMARY ? "PRIMARY"
                               : s->key->name != NULL          ? s->key->name
                                                               : s->key->constraint;
            if (name == NULL && s->key->part_count > 0) name = s->key->part[0].name; /* what it would be called */
            if (s->if_not_exists && name != NULL && is_key(old, name)) s->key = NULL;
            break;
        }
        case DDL_DROP_COLUMN:
        case DDL_MODIFY_COLUMN:
        case DDL_RENAME_COLUMN:
        case DDL_SET_INVISIBLE:
        case DDL_SET_VISIBLE:
            if (is_old_column) break;
            if (s->kind == DDL_MODIFY_COLUMN && !s->if_exists && a->w->c->server.is_mariadb &&
                is_added_before(a->w->s.spec, s, s->new_name)) {
                s->kind = DDL_ADD_COLUMN; /* MariaDB looks for the new name among the added columns */
                s->name = s->new_name;
                s->replaces_added = true;
                break;
            }
            if (!s->if_exists) return catalog_fail(a->w, ERR_SCHEMA, s->at, "there is no column `%s`", s->name);
            s->kind = DDL_DEFAULTS; /* nothing to do */
            s->column = NULL;
            break;
        case DDL_DROP_KEY:
        case DDL_RENAME_KEY:
            if (!is_key(old, s->name) && !s->if_exists)
                return catalog_fail(a->w, ERR_SCHEMA, s->at, "there is no key `%s`", s->name);
            break;
        default: break;
        }
    }
    return ERR_OK;
}

static enum err settle_defaults(struct alteration *a)
{
    const struct ddl_statement *s = &a->w->s;
    uint32_t database;
    struct collation of_database;
    struct catalog_table *t = a->out;
    if (!catalog_find_database(a->w->c, t->database, &database))
        return catalog_fail(a->w, ERR_SCHEMA, NULL, "the database `%s` is not known", t->database);
    of_database = catalog_collation(a->w->c, catalog_database_collation(a->w->c, database));
    a->standard = t->collation == NULL ? of_database : catalog_collation(a->w->c, t->collation);
    if (s->options.charset != NULL || s->options.collation != NULL)
        TRY(catalog_resolve(a->w, s->options.charset, s->options.collation, &a->standard, &of_database, &a->standard));
    for (const struct ddl_spec *c = s->spec; c != NULL; c = c->next) {
        if (c->kind != DDL_CONVERT) continue;
        struct collation by_default = of_database;
        /* MySQL: DEFAULT is the one of the session's database, not of the table's. */
        if (!a->w->c->server.is_mariadb && catalog_find_database(a->w->c, a->w->context->database, &database))
            by_default = catalog_collation(a->w->c, catalog_database_collation(a->w->c, database));
        TRY(catalog_resolve(a->w, c->charset, c->collation, &a->standard, &by_default, &a->converted));
        if (s->options.charset == NULL || *s->options.charset != 0) a->standard = a->converted;
    }
    t->collation = a->standard.name;
    t->charset = charset_shown(a->standard.charset, &a->w->c->server);
    if (s->options.engine != NULL) t->engine = s->options.engine;
    if (s->is_versioned) t->is_versioned = true;
    return ERR_OK;
}

/* Did the statement itself ask for the collation that the column has now? */
static bool has_own_collation(const struct alteration *a, const char *column)
{
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        if (s->column == NULL || !catalog_same_column(s->column->name, column)) continue;
        if (keeps_binary(a, &s->column->type) || keeps_collation(a, &s->column->type)) return true;
    }
    return false;
}

static enum err finish_columns(struct alteration *a)
{
    bool converts = false;
    for (const struct ddl_spec *s = a->w->s.spec; s != NULL; s = s->next) {
        converts = converts || s->kind == DDL_CONVERT;
        if (s->kind == DDL_ADD_VERSIONING) a->out->is_versioned = true;
        if (s->kind == DDL_DROP_VERSIONING) a->out->is_versioned = false;
        if (s->kind != DDL_SET_INVISIBLE && s->kind != DDL_SET_VISIBLE) continue;
        int at = find_column(a->d.column, a->d.column_count, s->name);
        if (at >= 0) a->d.column[at].is_invisible = s->kind == DDL_SET_INVISIBLE;
    }
    bool is_changed = !converts;
    for (uint32_t i = 0; converts && i < a->d.column_count; i++) {
        struct catalog_column *c = &a->d.column[i];
        if (c->collation == NULL || strcmp(c->collation, "binary") == 0 || has_own_collation(a, c->name)) continue;
        is_changed = is_changed || strcmp(c->collation, a->converted.name) != 0;
        TRY(catalog_convert_column(a->w, &a->converted, c));
    }
    /* MySQL 5.6 does nothing at all when no column changes, not even for the table's default. */
    uint32_t version = a->w->c->server.version;
    if (!is_changed && a->w->s.spec_count == 1 && version >= 50600 && version < 50700) {
        a->out->charset = a->old->charset;
        a->out->collation = a->old->collation;
    }
    return ERR_OK;
}

enum err catalog_alter(struct catalog_work *w, const struct catalog_table *old, struct catalog_table **out)
{
    struct alteration a = {.w = w, .old = old};
    a.out = *out = arena_alloc(&w->arena, sizeof *a.out);
    a.new_name = arena_alloc(&w->arena, (old->column_count + 1ul) * sizeof *a.new_name);
    if (a.out == NULL || a.new_name == NULL) return ERR_NO_MEMORY;
    *a.out = *old;
    TRY(refuse_ambiguous(&a));
    TRY(settle_specs(&a));
    TRY(settle_defaults(&a));
    TRY(keep_columns(&a));
    TRY(place_new_columns(&a));
    TRY(keep_made_key_first(&a));
    TRY(finish_columns(&a));
    TRY(keep_keys(&a));
    TRY(add_keys(&a));
    TRY(catalog_settle_keys(w, &a.d, a.out));
    a.out->column = a.d.column;
    a.out->column_count = (uint16_t)a.d.column_count;
    return ERR_OK;
}
