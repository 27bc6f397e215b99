#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/catalog_work.h"

/* Rules of MySQL's and MariaDB's mysql_prepare_create_table: which keys a table has, what unnamed ones are called, and
 * in which order they stand. */

enum err catalog_draft_key_add(struct catalog_work *w, struct catalog_draft *d, const struct catalog_draft_key *key)
{
    if (d->key_count == CATALOG_KEYS_MAX)
        return catalog_fail(w, ERR_TOO_LARGE, NULL, "more than %d keys", CATALOG_KEYS_MAX);
    if (key->part_count > CATALOG_KEY_PARTS_MAX)
        return catalog_fail(w, ERR_TOO_LARGE, NULL, "a key of more than %d columns", CATALOG_KEY_PARTS_MAX);
    if (d->key_count == d->key_capacity) {
        uint32_t capacity = d->key_capacity == 0 ? 8 : d->key_capacity * 2;
        struct catalog_draft_key *grown = arena_alloc(&w->arena, capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        if (d->key_count != 0) memcpy(grown, d->key, d->key_count * sizeof *grown);
        d->key = grown;
        d->key_capacity = capacity;
    }
    d->key[d->key_count++] = *key;
    return ERR_OK;
}

static bool is_taken(const struct catalog_draft *d, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (d->key[i].key.name != NULL && catalog_same_column(d->key[i].key.name, name)) return true;
    return false;
}

static int column_of(const struct catalog_draft *d, const char *name)
{
    for (uint32_t i = 0; i < d->column_count; i++)
        if (catalog_same_column(d->column[i].name, name)) return (int)i;
    return -1;
}

/* The name of the first column, or of "functional_index", with _2, _3, ... until no key before it has that name. */
static enum err make_name(struct catalog_work *w, struct catalog_draft *d, uint32_t key)
{
    const struct catalog_draft_key *k = &d->key[key];
    const char *base = k->part_count == 0 ? "key" : k->part[0].name;
    int first = base == NULL ? -1 : column_of(d, base);
    if (first >= 0) base = d->column[first].name; /* as the column is written, not as the key writes it */
    for (uint16_t p = 0; p < k->part_count; p++)
        if (k->part[p].name == NULL) base = "functional_index";
    size_t bytes = strlen(base);
    char *name = arena_alloc(&w->arena, bytes + 16);
    if (name == NULL) return ERR_NO_MEMORY;
    memcpy(name, base, bytes);
    for (int n = 2; is_taken(d, key, name) || catalog_same_column(name, "PRIMARY"); n++)
        sprintf(name + bytes, "_%d", n);
    d->key[key].key.name = name;
    return ERR_OK;
}

bool catalog_is_geometry(const char *type)
{
    static const char *const name[] = {"geometry", "point", "linestring", "polygon", "multi", "geomcollection"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strncmp(type, name[i], strlen(name[i])) == 0) return true;
    return false;
}

/* The characters of a CHAR or VARCHAR (bytes of a BINARY); UINT32_MAX for TEXT, BLOB and geometries; 0 for what cannot
 * be cut. */
static uint32_t chars_of(const char *type)
{
    static const char *const sized[] = {"char(", "varchar(", "binary(", "varbinary("};
    static const char *const open[] = {"tinytext", "text", "mediumtext", "longtext",
                                       "tinyblob", "blob", "mediumblob", "longblob"};
    for (size_t i = 0; i < sizeof sized / sizeof *sized; i++)
        if (strncmp(type, sized[i], strlen(sized[i])) == 0) return (uint32_t)strtoul(strchr(type, '(') + 1, NULL, 10);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (strncmp(type, open[i], strlen(open[i])) == 0) return UINT32_MAX;
    return catalog_is_geometry(type) ? UINT32_MAX : 0;
}

/* Bytes of one part that the engine can keep.  Without strict mode a part of a key that is not unique is cut to that.
 */
static uint32_t part_bytes_max(const struct catalog_work *w, const char *engine)
{
    bool is_small = !w->c->server.is_mariadb && w->c->server.version < 50700; /* InnoDB's COMPACT rows */
    if (strcasecmp(engine, "MyISAM") == 0) return 1000;
    if (strcasecmp(engine, "Aria") == 0) return 2000;
    return is_small ? 767 : 3072;
}

/* The most characters that the type allows a prefix.  Only MySQL 5.6 looks at the size that a TEXT or BLOB is given by
 * the statement itself, and takes its bytes for characters. */
static uint32_t type_chars_max(const struct catalog_work *w, const struct catalog_column *c, uint32_t char_bytes)
{
    bool is_tiny = strncmp(c->type, "tiny", 4) == 0;
    if (w->c->server.is_mariadb) return is_tiny ? 255 : UINT32_MAX; /* characters, whatever their bytes */
    if (w->c->server.version >= 50700) return is_tiny ? 255 / char_bytes : UINT32_MAX;
    for (const struct ddl_spec *s = w->s.spec; s != NULL; s = s->next) {
        if (s->column == NULL || !catalog_same_column(s->column->name, c->name)) continue;
        const struct ddl_type *t = &s->column->type;
        bool has_size = (t->kind == DDL_TEXT || t->kind == DDL_BLOB) && t->length != 0;
        if (has_size && t->length < UINT16_MAX) return (uint32_t)t->length * char_bytes;
    }
    return UINT32_MAX;
}

static uint32_t cut_prefix(const struct catalog_work *w, const struct catalog_column *c, const char *engine,
                           uint32_t prefix, uint32_t chars)
{
    uint32_t char_bytes = c->collation == NULL ? 1 : catalog_collation(w->c, c->collation).charset->char_bytes_max;
    uint32_t most = part_bytes_max(w, engine) / char_bytes, of_type = type_chars_max(w, c, char_bytes);
    uint32_t wanted = prefix != 0 ? prefix : chars;
    if (of_type < most) most = of_type;
    return chars != 0 && wanted > most ? most : prefix;
}

/* MariaDB compares what is left of a part when it is cut. */
static uint32_t compared_prefix(const struct catalog_work *w, const struct catalog_draft *d, const char *engine,
                                const struct catalog_draft_part *part)
{
    int at = w->c->server.is_mariadb && part->prefix_chars == 0 ? column_of(d, part->name) : -1;
    const struct catalog_column *c = at < 0 ? NULL : &d->column[at];
    return c == NULL ? part->prefix_chars : cut_prefix(w, c, engine, 0, chars_of(c->type));
}

static bool same_part(const struct catalog_work *w, const struct catalog_draft *d, const char *engine,
                      const struct catalog_draft_part *a, const struct catalog_draft_part *b)
{
    return a->name != NULL && b->name != NULL && catalog_same_column(a->name, b->name) &&
           (w->c->server.is_mariadb || a->is_descending == b->is_descending) &&
           compared_prefix(w, d, engine, a) == compared_prefix(w, d, engine, b);
}

/* Is one of the two made for a foreign key and no longer than the beginning of the other? */
static bool serves(const struct catalog_work *w, const struct catalog_draft *d, const char *engine,
                   const struct catalog_draft_key *a, const struct catalog_draft_key *b)
{
    if (!a->key.is_implied && !b->key.is_implied) return false;
    if (!a->key.is_implied || (b->key.is_implied && a->part_count > b->part_count)) {
        const struct catalog_draft_key *swap = a;
        a = b;
        b = swap;
    }
    if (a->part_count > b->part_count || (w->c->server.is_mariadb && b->uses_hash)) return false;
    for (uint16_t i = 0; i < a->part_count; i++)
        if (!same_part(w, d, engine, &a->part[i], &b->part[i])) return false;
    return true;
}

static void drop_needless(const struct catalog_work *w, struct catalog_draft *d, const char *engine)
{
    bool gone[CATALOG_KEYS_MAX] = {false};
    for (uint32_t i = 0; i < d->key_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (gone[k] || !serves(w, d, engine, &d->key[i], &d->key[k])) continue;
            bool drops_later =
                !d->key[k].key.is_implied || (d->key[i].key.is_implied && d->key[i].part_count < d->key[k].part_count);
            gone[drops_later ? i : k] = true;
            break;
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->key_count; i++)
        if (!gone[i]) d->key[kept++] = d->key[i];
    d->key_count = kept;
}

/* Turns a draft's names into indexes; a prefix as long as the column is none. */
static enum err settle_parts(struct catalog_work *w, struct catalog_draft *d, struct catalog_draft_key *k,
                             const char *engine)
{
    struct catalog_key_part *part = arena_alloc(&w->arena, (k->part_count + 1ul) * sizeof *part);
    bool is_unique = w->c->server.is_mariadb && k->key.kind == CATALOG_KEY_UNIQUE;
    bool is_hash = is_unique && k->uses_hash && strcasecmp(engine, "MEMORY") != 0;
    if (part == NULL) return ERR_NO_MEMORY;
    for (uint16_t p = 0; p < k->part_count; p++) {
        part[p] = (struct catalog_key_part){CATALOG_PART_EXPRESSION, 0, k->part[p].is_descending};
        if (k->part[p].name == NULL) continue;
        int at = column_of(d, k->part[p].name);
        if (at < 0)
            return catalog_fail(w, ERR_SCHEMA, NULL, "a key names the column `%s`, which is not there",
                                k->part[p].name);
        struct catalog_column *c = &d->column[at];
        uint32_t chars = chars_of(c->type), prefix = k->part[p].prefix_chars;
        /* A POINT is 25 bytes; as much is taken of it where it is part of a key that is not SPATIAL. */
        if (k->key.kind != CATALOG_KEY_SPATIAL && strcmp(c->type, "point") == 0) prefix = 25;
        bool is_whole = w->c->server.is_mariadb && w->is_shown && prefix == 0 && !k->uses_hash;
        if (is_whole && catalog_is_geometry(c->type)) prefix = CATALOG_GEOMETRY_WHOLE;
        if (k->key.kind == CATALOG_KEY_INDEX) prefix = cut_prefix(w, c, engine, prefix, chars);
        if (w->c->server.is_mariadb && strncmp(c->type, "tiny", 4) == 0 && prefix > 255) prefix = 255; /* of any key */
        bool is_spatial = k->key.kind == CATALOG_KEY_INDEX && k->part_count == 1 && catalog_is_geometry(c->type);
        if (is_spatial && !w->c->server.is_mariadb && w->c->server.version >= 80000) {
            k->key.kind = CATALOG_KEY_SPATIAL; /* MySQL 8 knows no other keys of geometries */
            prefix = 0;
        }
        part[p].column = (uint16_t)at;
        part[p].prefix_chars = prefix < chars ? prefix : 0;
        bool is_geometry = w->c->server.is_mariadb && catalog_is_geometry(c->type);
        if (is_geometry && prefix == CATALOG_GEOMETRY_WHOLE) part[p].prefix_chars = 0;
        if (k->key.kind == CATALOG_KEY_FULLTEXT) part[p].prefix_chars = 0;
        if (k->key.kind == CATALOG_KEY_FULLTEXT || k->key.kind == CATALOG_KEY_SPATIAL) part[p].is_descending = false;
        if (k->key.kind == CATALOG_KEY_PRIMARY) c->is_nullable = false;
        if (is_unique && chars != 0) is_hash = is_hash || (prefix == 0 && cut_prefix(w, c, engine, prefix, chars) != 0);
    }
    k->key.part = part;
    k->key.part_count = k->part_count;
    bool has_order = !is_hash && !(w->c->server.is_mariadb && k->uses_hash);
    for (uint16_t p = 0; !has_order && p < k->part_count; p++) part[p].is_descending = false;
    k->key.says_hash = w->c->server.is_mariadb && k->uses_hash && !is_unique;
    k->key.is_hash = is_hash; /* MariaDB 10.4: UNIQUE of any length, by a hidden hash */
    return ERR_OK;
}

/* Does the server take the prefix for all of the column?  That of a POINT in MySQL before 8 (5.6 forgets it in the next
 * ALTER); of a TINYTEXT or TINYBLOB in later ones; of any geometry 8 bytes in MariaDB, and not the 4 that show none. */
static bool is_all_of_it(const struct catalog_work *w, const struct catalog_column *c, uint32_t prefix, bool is_kept)
{
    const struct catalog_server *server = &w->c->server;
    if (server->is_mariadb && catalog_is_geometry(c->type)) return prefix == 8;
    if (prefix == 0) return true;
    if (strcmp(c->type, "point") == 0) return server->version >= 50700 || !is_kept;
    if (strncmp(c->type, "tiny", 4) != 0 || (!server->is_mariadb && server->version < 80000)) return false;
    uint32_t char_bytes = c->collation == NULL ? 1 : catalog_collation(w->c, c->collation).charset->char_bytes_max;
    return prefix * char_bytes == 255;
}

/* Primary; UNIQUE without NULLs; other UNIQUE, those without prefixes first; hashes; others; FULLTEXT.  Among equals
 * MySQL puts keys over virtual columns last; else they stay as they stood. */
static int rank(const struct catalog_work *w, const struct catalog_draft *d, const struct catalog_draft_key *key)
{
    const struct catalog_key *k = &key->key;
    bool may_be_null = false, has_prefix = false, is_virtual = false;
    bool is_unique = k->kind == CATALOG_KEY_PRIMARY || k->kind == CATALOG_KEY_UNIQUE;
    for (uint16_t p = 0; p < k->part_count; p++) {
        bool is_column = k->part[p].column != CATALOG_PART_EXPRESSION;
        const struct catalog_column *c = is_column ? &d->column[k->part[p].column] : NULL;
        if (c == NULL || c->is_nullable) may_be_null = true;
        if (c != NULL && !is_all_of_it(w, c, k->part[p].prefix_chars, key->is_kept)) has_prefix = true;
        if (c == NULL || c->generated == CATALOG_VIRTUAL) is_virtual = !w->c->server.is_mariadb;
    }
    int group = k->kind == CATALOG_KEY_PRIMARY    ? 0
                : is_unique && k->is_hash         ? 5 + may_be_null
                : is_unique                       ? 1 + 2 * may_be_null + has_prefix
                : k->kind == CATALOG_KEY_FULLTEXT ? 8
                                                  : 7;
    return 2 * group + is_virtual;
}

/* What is shown stands where it stands; an ALTER of MariaDB puts keys in order only where a new one comes to them. */
static bool stands_in_order(const struct catalog_work *w, const struct catalog_draft *d)
{
    uint32_t i = 0;
    bool may_stay = w->c->server.is_mariadb && w->s.kind == DDL_ALTER_TABLE;
    while (may_stay && i < d->key_count && d->key[i].is_kept) i++;
    return w->is_shown || (i > 0 && i == d->key_count);
}

enum err catalog_settle_keys(struct catalog_work *w, struct catalog_draft *d, struct catalog_table *out)
{
    int placed[CATALOG_KEYS_MAX], rank_of[CATALOG_KEYS_MAX];
    bool keeps_order = stands_in_order(w, d);
    drop_needless(w, d, out->engine);
    struct catalog_key *key = arena_alloc(&w->arena, (d->key_count + 1ul) * sizeof *key);
    if (key == NULL) return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < d->key_count; i++) {
        TRY(settle_parts(w, d, &d->key[i], out->engine));
        /* By the columns as they are before a later PRIMARY KEY. */
        rank_of[i] = keeps_order ? 0 : rank(w, d, &d->key[i]);
        if (d->key[i].key.kind == CATALOG_KEY_PRIMARY) {
            if (is_taken(d, i, "PRIMARY")) return catalog_fail(w, ERR_SCHEMA, NULL, "the table has two primary keys");
            d->key[i].key.name = "PRIMARY";
        }
        if (d->key[i].key.name == NULL) {
            TRY(make_name(w, d, i));
        } else if (is_taken(d, i, d->key[i].key.name)) {
            return catalog_fail(w, ERR_SCHEMA, NULL, "the table has two keys `%s`", d->key[i].key.name);
        }
    }
    for (uint32_t i = 0; i < d->key_count; i++) {
        uint32_t at = i;
        int r = rank_of[i];
        for (; at > 0 && placed[at - 1] > r; at--) {
            placed[at] = placed[at - 1];
            key[at] = key[at - 1];
        }
        placed[at] = r;
        key[at] = d->key[i].key;
    }
    out->key = key;
    out->key_count = (uint16_t)d->key_count;
    return ERR_OK;
}
