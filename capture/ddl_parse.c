#include <string.h>

#include "capture/ddl_parser.h"

static enum err add_name(struct ddl_parser *p, uint32_t *capacity)
{
    struct ddl_statement *s = p->out;
    if (s->table_count == DDL_NAMES_MAX)
        return err_set(p->msg, ERR_TOO_LARGE, "a statement names more than %d tables", DDL_NAMES_MAX);
    if (s->table_count == *capacity) {
        struct ddl_name *grown = arena_alloc(p->arena, 2ul * *capacity * sizeof *grown);
        if (grown == NULL) return ERR_NO_MEMORY;
        memcpy(grown, s->table, s->table_count * sizeof *grown);
        s->table = grown;
        *capacity *= 2;
    }
    return ddl_need_table(p, &s->table[s->table_count++]);
}

/* The one name that there is room for at first. */
enum { FIRST_NAMES = 2 };

static enum err parse_names(struct ddl_parser *p, enum ddl_kind kind)
{
    uint32_t capacity = FIRST_NAMES;
    p->out->kind = kind;
    ddl_take_exists(p, &p->out->if_exists, &p->out->if_not_exists);
    do TRY(add_name(p, &capacity));
    while (ddl_take_mark(p, ','));
    TRY(ddl_skip_wait(p));
    ddl_take_any_of(p, "RESTRICT CASCADE");
    return ERR_OK;
}

static enum err parse_rename_tables(struct ddl_parser *p)
{
    uint32_t capacity = FIRST_NAMES;
    p->out->kind = DDL_RENAME_TABLE;
    ddl_take_exists(p, &p->out->if_exists, &p->out->if_not_exists);
    do {
        TRY(add_name(p, &capacity));
        TRY(ddl_skip_wait(p));
        TRY(ddl_need_word(p, "TO"));
        TRY(add_name(p, &capacity));
    } while (ddl_take_mark(p, ','));
    return ERR_OK;
}

/* [DEFAULT] CHARACTER SET x, COLLATE x, and options that concern no definition. */
static enum err parse_database_options(struct ddl_parser *p)
{
    struct ddl_options *o = &p->out->options;
    while (!ddl_is_end(p)) {
        ddl_take_word(p, "DEFAULT");
        if (ddl_at_charset(p)) {
            TRY(ddl_parse_charset(p, &o->charset));
            bool is_last = !p->rules->is_mariadb && p->rules->server_version < 80000; /* it counts alone */
            if (is_last) o->collation = NULL;
        } else if (ddl_is_word(p, "COLLATE")) {
            TRY(ddl_parse_collate(p, &o->collation));
        } else if (ddl_take_any_of(p, "COMMENT ENCRYPTION") || ddl_take_words(p, "READ", "ONLY")) {
            ddl_take_mark(p, '=');
            TRY(ddl_skip_one(p));
        } else {
            return ddl_fail(p, "an option of the database");
        }
    }
    return ERR_OK;
}

static enum err parse_database(struct ddl_parser *p, enum ddl_kind kind)
{
    struct ddl_statement *s = p->out;
    s->kind = kind;
    ddl_take_exists(p, &s->if_exists, &s->if_not_exists);
    bool is_default = kind == DDL_ALTER_DATABASE && (ddl_at_charset(p) || ddl_is_word(p, "COLLATE") ||
                                                     ddl_is_word(p, "DEFAULT") || ddl_is_word(p, "COMMENT"));
    s->table_count = 1;
    if (!is_default) {
        s->table[0].at = p->token.at;
        TRY(ddl_need_name(p, &s->table[0].name));
    }
    return parse_database_options(p);
}

/* What may stand before VIEW, TRIGGER, PROCEDURE, ...: ALGORITHM = x, DEFINER = user@host, SQL SECURITY x. */
static enum err skip_object_options(struct ddl_parser *p)
{
    for (;;) {
        if (ddl_take_word(p, "ALGORITHM")) {
            TRY(ddl_need_mark(p, '='));
            TRY(ddl_skip_one(p));
        } else if (ddl_take_word(p, "DEFINER")) {
            TRY(ddl_need_mark(p, '='));
            TRY(ddl_skip_one(p));
            if (ddl_is_mark(p, '(')) TRY(ddl_skip_parentheses(p)); /* CURRENT_USER() */
            if (ddl_take_mark(p, '@')) TRY(ddl_skip_one(p));
        } else if (ddl_take_words(p, "SQL", "SECURITY")) {
            TRY(ddl_skip_one(p));
        } else {
            return ERR_OK;
        }
    }
}

/* The rest is not read: nothing in it concerns a definition, and a body may hold any text. */
static enum err skip_body(struct ddl_parser *p)
{
    p->token = (struct ddl_token){.kind = DDL_TOKEN_END, .at = p->text + p->text_bytes};
    return ERR_OK;
}

/* Everything that has a name of its own and no rows. */
static enum err parse_other_object(struct ddl_parser *p, const char *verb_expected)
{
    if (ddl_take_any_of(p, "AGGREGATE"))
        if (!ddl_is_word(p, "FUNCTION")) return ddl_fail(p, "FUNCTION");
    if (!ddl_take_any_of(p,
                         "FUNCTION PROCEDURE TRIGGER EVENT PACKAGE SERVER USER ROLE TABLESPACE LOGFILE UNDO INSTANCE "
                         "RESOURCE LIBRARY PREPARE") &&
        !ddl_take_words(p, "SPATIAL", "REFERENCE"))
        return ddl_fail(p, verb_expected);
    return skip_body(p);
}

static enum err parse_create_view(struct ddl_parser *p)
{
    struct ddl_statement *s = p->out;
    s->kind = DDL_CREATE_VIEW;
    ddl_take_exists(p, &s->if_exists, &s->if_not_exists);
    TRY(ddl_need_table(p, &s->table[0]));
    s->table_count = 1;
    return skip_body(p);
}

static enum err parse_create_sequence(struct ddl_parser *p)
{
    struct ddl_statement *s = p->out;
    ddl_take_exists(p, &s->if_exists, &s->if_not_exists);
    TRY(ddl_need_table(p, &s->table[0]));
    s->table_count = 1;
    s->kind = DDL_CREATE_SEQUENCE;
    while (!ddl_is_end(p)) {
        if (ddl_is_word(p, "AS")) return ddl_fail(p, "a sequence of BIGINT");
        bool is_engine = ddl_take_word(p, "ENGINE");
        if (is_engine) ddl_take_mark(p, '=');
        TRY(is_engine ? ddl_need_text(p, &s->options.engine) : ddl_skip_one(p));
    }
    return ERR_OK;
}

static enum err parse_create(struct ddl_parser *p)
{
    struct ddl_statement *s = p->out;
    s->or_replace = ddl_take_words(p, "OR", "REPLACE");
    bool is_old = ddl_take_any_of(p, "ONLINE OFFLINE");
    enum ddl_key_kind kind = DDL_KEY_INDEX;
    if (ddl_take_word(p, "UNIQUE"))
        kind = DDL_KEY_UNIQUE;
    else if (ddl_take_word(p, "FULLTEXT"))
        kind = DDL_KEY_FULLTEXT;
    else if (ddl_is_words(p, "SPATIAL", "INDEX") && ddl_take_word(p, "SPATIAL"))
        kind = DDL_KEY_SPATIAL;
    else if (ddl_take_word(p, "VECTOR"))
        kind = DDL_KEY_VECTOR;
    if (ddl_take_word(p, "INDEX")) return ddl_parse_create_index(p, kind);
    if (kind != DDL_KEY_INDEX || is_old) return ddl_fail(p, "INDEX");

    s->is_temporary = ddl_take_word(p, "TEMPORARY");
    if (s->is_temporary) return skip_body(p); /* lives in one session and never among these definitions */
    if (ddl_take_word(p, "TABLE")) return ddl_parse_create_table(p);
    if (p->rules->is_mariadb && ddl_take_word(p, "SEQUENCE")) return parse_create_sequence(p);
    if (ddl_take_any_of(p, "DATABASE SCHEMA")) return parse_database(p, DDL_CREATE_DATABASE);
    TRY(skip_object_options(p));
    if (ddl_take_word(p, "JSON")) { /* MySQL 9.4: JSON RELATIONAL DUALITY VIEW */
        ddl_take_word(p, "RELATIONAL");
        TRY(ddl_need_word(p, "DUALITY"));
    }
    if (ddl_take_word(p, "VIEW")) return parse_create_view(p);
    return parse_other_object(p, "an object to create");
}

static enum err parse_alter(struct ddl_parser *p)
{
    struct ddl_statement *s = p->out;
    ddl_take_any_of(p, "ONLINE OFFLINE");
    ddl_take_word(p, "IGNORE");
    if (ddl_take_word(p, "TABLE")) {
        s->kind = DDL_ALTER_TABLE;
        ddl_take_exists(p, &s->if_exists, &s->if_not_exists);
        TRY(ddl_need_table(p, &s->table[0]));
        s->table_count = 1;
        return ddl_parse_alter(p);
    }
    if (ddl_take_any_of(p, "DATABASE SCHEMA")) return parse_database(p, DDL_ALTER_DATABASE);
    if (ddl_take_word(p, "SEQUENCE")) return skip_body(p); /* its values: the columns stay */
    TRY(skip_object_options(p));
    if (ddl_take_word(p, "JSON")) TRY(ddl_skip_one(p));
    ddl_take_word(p, "DUALITY");
    if (ddl_take_word(p, "VIEW")) return skip_body(p);
    return parse_other_object(p, "an object to alter");
}

static enum err parse_drop(struct ddl_parser *p)
{
    ddl_take_any_of(p, "ONLINE OFFLINE");
    if (ddl_take_word(p, "INDEX")) return ddl_parse_drop_index(p);
    p->out->is_temporary = ddl_take_word(p, "TEMPORARY");
    if (ddl_take_any_of(p, "TABLE TABLES")) return parse_names(p, DDL_DROP_TABLE);
    if (ddl_take_word(p, "SEQUENCE")) return parse_names(p, DDL_DROP_SEQUENCE);
    if (ddl_take_word(p, "VIEW")) return parse_names(p, DDL_DROP_VIEW);
    if (ddl_take_any_of(p, "DATABASE SCHEMA")) return parse_database(p, DDL_DROP_DATABASE);
    return parse_other_object(p, "an object to drop");
}

/* MariaDB's SET STATEMENT variable = value, ... FOR statement: only what changes the reading of it matters. */
static enum err skip_set_statement(struct ddl_parser *p)
{
    while (!ddl_take_word(p, "FOR")) {
        if (ddl_is_word(p, "sql_mode") || ddl_is_end(p)) return ddl_fail(p, "FOR, and no change of sql_mode,");
        TRY(ddl_skip_one(p));
    }
    return ERR_OK;
}

static enum err parse_statement(struct ddl_parser *p)
{
    if (ddl_take_words(p, "SET", "STATEMENT")) TRY(skip_set_statement(p));
    if (ddl_take_word(p, "CREATE")) return parse_create(p);
    if (ddl_take_word(p, "ALTER")) return parse_alter(p);
    if (ddl_take_word(p, "DROP")) return parse_drop(p);
    if (ddl_take_word(p, "TRUNCATE")) {
        ddl_take_word(p, "TABLE");
        return parse_names(p, DDL_TRUNCATE_TABLE);
    }
    if (ddl_is_words(p, "RENAME", "TABLE") || ddl_is_words(p, "RENAME", "TABLES")) {
        ddl_advance(p);
        ddl_advance(p);
        return parse_rename_tables(p);
    }
    if (ddl_is_words(p, "IMPORT", "TABLE")) return ddl_fail(p, "a statement that says what tables it makes");
    if (p->token.kind == DDL_TOKEN_BAD) return ddl_fail(p, "the end of a quote or comment");
    /* Any other verb (INSERT, GRANT, BEGIN, XA, ...) changes no definition. */
    p->out->kind = DDL_NOTHING;
    return skip_body(p);
}

enum err ddl_parse(struct ddl_statement *out, struct arena *arena, const struct ddl_rules *rules, const char *text,
                   size_t text_bytes, struct err_msg *msg)
{
    *out = (struct ddl_statement){.kind = DDL_NOTHING};
    out->table = arena_alloc(arena, FIRST_NAMES * sizeof *out->table);
    if (out->table == NULL) return ERR_NO_MEMORY;
    struct ddl_parser p = {
        .arena = arena, .rules = rules, .text = text, .text_bytes = text_bytes, .msg = msg, .out = out};
    p.spec_end = &out->spec;
    ddl_lex_begin(&p.lexer, rules, text, text_bytes);
    ddl_advance(&p);
    enum err e = parse_statement(&p);
    if (e == ERR_NO_MEMORY && out->spec_count == DDL_SPECS_MAX)
        return err_set(msg, ERR_TOO_LARGE, "a statement has more than %d parts: `%.*s`", DDL_SPECS_MAX,
                       ddl_shown_bytes(text, text_bytes, 160), text);
    TRY(e);
    return ddl_is_end(&p) ? ERR_OK : ddl_fail(&p, "the end");
}
