#include <string.h>

#include "capture/ddl_parser.h"

/* FIRST, AFTER name. */
static enum err parse_place(struct ddl_parser *p, struct ddl_spec *s)
{
    if (ddl_take_word(p, "FIRST")) {
        s->is_first = true;
        return ERR_OK;
    }
    return ddl_take_word(p, "AFTER") ? ddl_need_name(p, &s->after) : ERR_OK;
}

/* What stands behind PARTITION operations: names, lists, options; all without effect. */
static enum err skip_rest(struct ddl_parser *p)
{
    while (!ddl_is_end(p) && !ddl_is_mark(p, ',')) TRY(ddl_skip_one(p));
    return ERR_OK;
}

static enum err skip_rest_of_list(struct ddl_parser *p)
{
    while (!ddl_is_end(p)) TRY(ddl_skip_one(p));
    return ERR_OK;
}

static enum err parse_added_column(struct ddl_parser *p, bool if_not_exists)
{
    struct ddl_spec *s = ddl_new_spec(p, DDL_ADD_COLUMN);
    if (s == NULL) return ERR_NO_MEMORY;
    s->if_not_exists = if_not_exists;
    TRY(ddl_need_name(p, &s->name));
    TRY(ddl_parse_column(p, s->name, &s->column));
    return parse_place(p, s);
}

static enum err parse_add(struct ddl_parser *p)
{
    bool if_exists = false, if_not_exists = false;
    bool is_column = ddl_take_word(p, "COLUMN");
    if (!is_column) {
        if (ddl_is_word(p, "PARTITION") && (ddl_is_behind(p, "PARTITIONS", '(') || ddl_is_behind(p, "IF", 0) ||
                                            ddl_is_behind(p, "NO_WRITE_TO_BINLOG", 0) || ddl_is_behind(p, "LOCAL", 0)))
            return skip_rest_of_list(p);
        if (ddl_is_words(p, "SYSTEM", "VERSIONING")) {
            ddl_advance(p);
            ddl_advance(p);
            return ddl_new_spec(p, DDL_ADD_VERSIONING) == NULL ? ERR_NO_MEMORY : ERR_OK;
        }
        if (ddl_at_key(p)) return ddl_parse_key(p);
    }
    ddl_take_exists(p, &if_exists, &if_not_exists);
    if (!is_column && ddl_at_key(p)) return ddl_parse_key(p);
    if (!ddl_take_mark(p, '(')) return parse_added_column(p, if_not_exists);
    do {
        if (ddl_at_key(p))
            TRY(ddl_parse_key(p));
        else
            TRY(parse_added_column(p, if_not_exists));
    } while (ddl_take_mark(p, ','));
    return ddl_need_mark(p, ')');
}

/* A spec that needs no more than a name, maybe behind IF EXISTS. */
static enum err parse_named(struct ddl_parser *p, enum ddl_spec_kind kind)
{
    bool if_exists = false, if_not_exists = false;
    ddl_take_exists(p, &if_exists, &if_not_exists);
    struct ddl_spec *s = ddl_new_spec(p, kind);
    if (s == NULL) return ERR_NO_MEMORY;
    s->if_exists = if_exists;
    return ddl_need_name(p, &s->name);
}

static enum err parse_drop(struct ddl_parser *p)
{
    bool if_exists = false, if_not_exists = false;
    const char *name;
    if (ddl_take_words(p, "PRIMARY", "KEY")) return ddl_new_spec(p, DDL_DROP_PRIMARY) == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (ddl_take_words(p, "FOREIGN", "KEY") || ddl_take_word(p, "CHECK")) { /* the key behind it stays */
        ddl_take_exists(p, &if_exists, &if_not_exists);
        return ddl_need_name(p, &name);
    }
    if (ddl_take_words(p, "SYSTEM", "VERSIONING"))
        return ddl_new_spec(p, DDL_DROP_VERSIONING) == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (ddl_is_words(p, "PERIOD", "FOR") || (ddl_is_word(p, "PARTITION") && !ddl_is_behind(p, NULL, ',')))
        return skip_rest_of_list(p);
    if (ddl_take_any_of(p, "INDEX KEY")) return parse_named(p, DDL_DROP_KEY);
    if (ddl_take_word(p, "CONSTRAINT")) return parse_named(p, DDL_DROP_CONSTRAINT);
    ddl_take_word(p, "COLUMN");
    TRY(parse_named(p, DDL_DROP_COLUMN));
    ddl_take_any_of(p, "RESTRICT CASCADE");
    return ERR_OK;
}

/* CHANGE old new definition; MODIFY name definition. */
static enum err parse_modify(struct ddl_parser *p, bool is_change)
{
    bool if_exists = false, if_not_exists = false;
    ddl_take_word(p, "COLUMN");
    ddl_take_exists(p, &if_exists, &if_not_exists);
    struct ddl_spec *s = ddl_new_spec(p, DDL_MODIFY_COLUMN);
    if (s == NULL) return ERR_NO_MEMORY;
    s->if_exists = if_exists;
    TRY(ddl_need_name(p, &s->name));
    s->new_name = s->name;
    if (is_change) TRY(ddl_need_name(p, &s->new_name));
    TRY(ddl_parse_column(p, s->new_name, &s->column));
    return parse_place(p, s);
}

static enum err parse_rename(struct ddl_parser *p)
{
    bool is_column = ddl_is_word(p, "COLUMN"), is_key = ddl_is_word(p, "INDEX") || ddl_is_word(p, "KEY");
    if (is_column || is_key) {
        ddl_advance(p);
        bool if_exists = false, if_not_exists = false;
        ddl_take_exists(p, &if_exists, &if_not_exists);
        struct ddl_spec *s = ddl_new_spec(p, is_column ? DDL_RENAME_COLUMN : DDL_RENAME_KEY);
        if (s == NULL) return ERR_NO_MEMORY;
        s->if_exists = if_exists;
        TRY(ddl_need_name(p, &s->name));
        TRY(ddl_need_word(p, "TO"));
        return ddl_need_name(p, &s->new_name);
    }
    struct ddl_spec *s = ddl_new_spec(p, DDL_RENAME);
    if (s == NULL) return ERR_NO_MEMORY;
    if (!ddl_take_any_of(p, "TO AS")) ddl_take_mark(p, '=');
    return ddl_need_table(p, &s->table);
}

/* ALTER [COLUMN] c SET | DROP DEFAULT, SET VISIBLE; ALTER INDEX i ...; ALTER CHECK c ... */
static enum err parse_alter_item(struct ddl_parser *p)
{
    const char *name;
    bool if_exists = false, if_not_exists = false;
    if (ddl_take_any_of(p, "INDEX KEY CHECK CONSTRAINT")) {
        ddl_take_exists(p, &if_exists, &if_not_exists);
        TRY(ddl_need_name(p, &name));
        if (ddl_new_spec(p, DDL_DEFAULTS) == NULL) return ERR_NO_MEMORY;
        if (ddl_take_word(p, "NOT")) return ddl_skip_one(p);
        if (!ddl_take_any_of(p, "VISIBLE INVISIBLE IGNORED ENFORCED")) return ddl_fail(p, "VISIBLE or ENFORCED");
        return ERR_OK;
    }
    ddl_take_word(p, "COLUMN");
    ddl_take_exists(p, &if_exists, &if_not_exists);
    const char *at = p->token.at;
    TRY(ddl_need_name(p, &name));
    bool drops = ddl_take_words(p, "DROP", "DEFAULT");
    if (!drops) TRY(ddl_need_word(p, "SET"));
    if (drops || ddl_take_word(p, "DEFAULT")) { /* a change, though not of the definition */
        if (ddl_new_spec(p, DDL_DEFAULTS) == NULL) return ERR_NO_MEMORY;
        return drops ? ERR_OK : skip_rest(p);
    }
    bool is_visible = ddl_take_word(p, "VISIBLE");
    if (!is_visible) TRY(ddl_need_word(p, "INVISIBLE"));
    struct ddl_spec *s = ddl_new_spec(p, is_visible ? DDL_SET_VISIBLE : DDL_SET_INVISIBLE);
    if (s == NULL) return ERR_NO_MEMORY;
    s->at = at;
    s->name = name;
    return ERR_OK;
}

static enum err parse_convert(struct ddl_parser *p)
{
    if (ddl_take_word(p, "TO")) {
        struct ddl_spec *s = ddl_new_spec(p, DDL_CONVERT);
        if (s == NULL) return ERR_NO_MEMORY;
        if (!ddl_at_charset(p)) return ddl_fail(p, "CHARACTER SET");
        TRY(ddl_parse_charset(p, &s->charset));
        return ddl_is_word(p, "COLLATE") ? ddl_parse_collate(p, &s->collation) : ERR_OK;
    }
    bool is_partition = ddl_take_word(p, "PARTITION");
    struct ddl_spec *s = ddl_new_spec(p, is_partition ? DDL_PARTITION_TO_TABLE : DDL_TABLE_TO_PARTITION);
    if (s == NULL) return ERR_NO_MEMORY;
    if (is_partition) {
        TRY(ddl_need_name(p, &s->name));
        TRY(ddl_need_word(p, "TO"));
        TRY(ddl_need_word(p, "TABLE"));
        return ddl_need_table(p, &s->table);
    }
    TRY(ddl_need_word(p, "TABLE"));
    TRY(ddl_need_table(p, &s->table));
    return skip_rest_of_list(p);
}

/* ORDER BY a [ASC], b ...: a comma belongs to the list where a name and ASC, DESC, a comma or the end follow. */
static enum err skip_order(struct ddl_parser *p)
{
    TRY(ddl_need_word(p, "BY"));
    for (;;) {
        struct ddl_name name;
        TRY(ddl_need_table(p, &name));
        ddl_take_any_of(p, "ASC DESC");
        if (!ddl_is_mark(p, ',')) return ERR_OK;
        struct ddl_parser ahead = *p;
        ddl_advance(&ahead);
        if (ahead.token.kind != DDL_TOKEN_WORD && ahead.token.kind != DDL_TOKEN_NAME) return ddl_fail(&ahead, "a name");
        if (!ddl_is_behind(&ahead, "ASC", ',') && !ddl_is_behind(&ahead, "DESC", '.') &&
            !ddl_is_behind(&ahead, NULL, ';')) {
            ddl_advance(&ahead);
            if (!ddl_is_end(&ahead)) return ERR_OK;
        }
        ddl_advance(p);
    }
}

static enum err parse_spec(struct ddl_parser *p)
{
    bool any;
    if (ddl_take_word(p, "ADD")) return parse_add(p);
    if (ddl_take_word(p, "DROP")) return parse_drop(p);
    if (ddl_take_word(p, "MODIFY")) return parse_modify(p, false);
    if (ddl_take_word(p, "CHANGE")) return parse_modify(p, true);
    if (ddl_take_word(p, "RENAME")) return parse_rename(p);
    if (ddl_take_word(p, "ALTER")) return parse_alter_item(p);
    if (ddl_take_word(p, "CONVERT")) return parse_convert(p);
    if (ddl_take_word(p, "ORDER")) return ddl_new_spec(p, DDL_DEFAULTS) == NULL ? ERR_NO_MEMORY : skip_order(p);
    if (ddl_is_words(p, "PARTITION", "BY")) return ddl_skip_partitions(p);
    if (ddl_take_words(p, "REMOVE", "PARTITIONING") || ddl_take_words(p, "UPGRADE", "PARTITIONING")) return ERR_OK;
    if (ddl_take_words(p, "ENABLE", "KEYS") || ddl_take_words(p, "DISABLE", "KEYS")) return ERR_OK;
    if (ddl_take_any_of(p, "SECONDARY_LOAD SECONDARY_UNLOAD NOWAIT")) return ERR_OK;
    if (ddl_take_word(p, "FORCE")) return ddl_new_spec(p, DDL_DEFAULTS) == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (ddl_take_any_of(p, "ALGORITHM LOCK WAIT")) {
        ddl_take_mark(p, '=');
        /* A rebuild is a change, though not of the definition. */
        if (ddl_is_word(p, "COPY") && ddl_new_spec(p, DDL_COPY) == NULL) return ERR_NO_MEMORY;
        return ddl_skip_one(p);
    }
    if (ddl_take_words(p, "WITH", "VALIDATION") || ddl_take_words(p, "WITHOUT", "VALIDATION")) return ERR_OK;
    if (ddl_take_words(p, "DISCARD", "TABLESPACE") || ddl_take_words(p, "IMPORT", "TABLESPACE")) return ERR_OK;
    /* These four look after a table: they stand alone, and are logged of views and of what is not there, too. */
    bool changes_nothing = ddl_take_any_of(p, "ANALYZE CHECK OPTIMIZE REPAIR");
    if (changes_nothing) p->out->kind = DDL_NOTHING;
    if (changes_nothing || ddl_take_any_of(p, "TRUNCATE COALESCE REORGANIZE EXCHANGE REBUILD DISCARD IMPORT")) {
        TRY(ddl_need_word(p, "PARTITION"));
        return skip_rest_of_list(p);
    }
    struct ddl_spec *s = ddl_new_spec(p, DDL_DEFAULTS);
    if (s == NULL) return ERR_NO_MEMORY;
    TRY(ddl_parse_options(p, &any));
    return any ? ERR_OK : ddl_fail(p, "a change of the table");
}

enum err ddl_parse_alter(struct ddl_parser *p)
{
    TRY(ddl_skip_wait(p));
    if (ddl_is_end(p)) return ERR_OK;
    for (;;) {
        TRY(parse_spec(p));
        if (ddl_take_mark(p, ',')) continue;
        /* Partition clauses stand behind the list without a comma. */
        if (!ddl_is_words(p, "PARTITION", "BY") && !ddl_is_words(p, "REMOVE", "PARTITIONING")) return ERR_OK;
    }
}

enum err ddl_parse_create_index(struct ddl_parser *p, enum ddl_key_kind kind)
{
    bool if_exists = false, if_not_exists = false;
    struct ddl_statement *out = p->out;
    out->kind = DDL_ALTER_TABLE;
    ddl_take_exists(p, &if_exists, &if_not_exists);
    struct ddl_spec *drop = out->or_replace ? ddl_new_spec(p, DDL_DROP_KEY) : NULL;
    struct ddl_spec *s = ddl_new_spec(p, DDL_ADD_KEY);
    struct ddl_key *k = arena_alloc(p->arena, sizeof *k);
    if (s == NULL || k == NULL || (out->or_replace && drop == NULL)) return ERR_NO_MEMORY;
    s->if_not_exists = if_not_exists;
    s->key = k;
    k->kind = kind;
    TRY(ddl_need_name(p, &k->name));
    if (drop != NULL) {
        drop->name = k->name;
        drop->if_exists = true;
    }
    if (ddl_take_any_of(p, "USING TYPE")) {
        k->is_hash = ddl_is_word(p, "HASH");
        TRY(ddl_skip_one(p));
    }
    TRY(ddl_need_word(p, "ON"));
    TRY(ddl_need_table(p, &out->table[0]));
    out->table_count = 1;
    TRY(ddl_skip_wait(p));
    TRY(ddl_parse_parts(p, k));
    TRY(ddl_parse_key_options(p, k));
    TRY(ddl_skip_wait(p));
    while (ddl_take_any_of(p, "ALGORITHM LOCK")) {
        ddl_take_mark(p, '=');
        TRY(ddl_skip_one(p));
    }
    return ERR_OK;
}

enum err ddl_parse_drop_index(struct ddl_parser *p)
{
    struct ddl_statement *out = p->out;
    out->kind = DDL_ALTER_TABLE;
    TRY(parse_named(p, DDL_DROP_KEY));
    TRY(ddl_need_word(p, "ON"));
    TRY(ddl_need_table(p, &out->table[0]));
    out->table_count = 1;
    TRY(ddl_skip_wait(p));
    while (ddl_take_any_of(p, "ALGORITHM LOCK")) {
        ddl_take_mark(p, '=');
        TRY(ddl_skip_one(p));
    }
    return ERR_OK;
}
