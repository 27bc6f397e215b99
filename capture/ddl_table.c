#include <string.h>

#include "capture/ddl_parser.h"

enum err ddl_parse_element(struct ddl_parser *p)
{
    if (ddl_at_key(p)) return ddl_parse_key(p);
    struct ddl_spec *s = ddl_new_spec(p, DDL_ADD_COLUMN);
    if (s == NULL) return ERR_NO_MEMORY;
    TRY(ddl_need_name(p, &s->name));
    return ddl_parse_column(p, s->name, &s->column);
}

/* ---- options of a table ---- */

/* Options whose "=" may be left out. */
static const char option_words[] =
    "AUTO_INCREMENT AVG_ROW_LENGTH CHECKSUM COMMENT CONNECTION DELAY_KEY_WRITE INSERT_METHOD KEY_BLOCK_SIZE MAX_ROWS "
    "MIN_ROWS PACK_KEYS PASSWORD ROW_FORMAT STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES COMPRESSION "
    "ENCRYPTION AUTOEXTEND_SIZE ENGINE_ATTRIBUTE SECONDARY_ENGINE_ATTRIBUTE SECONDARY_ENGINE PAGE_CHECKSUM "
    "TABLE_CHECKSUM TRANSACTIONAL UNION TABLESPACE";

static enum err parse_option(struct ddl_parser *p, bool *is_option)
{
    struct ddl_options *o = &p->out->options;
    *is_option = true;
    bool is_default = ddl_is_word(p, "DEFAULT");
    if (is_default) ddl_advance(p);
    if (ddl_at_charset(p)) {
        TRY(ddl_parse_charset(p, &o->charset));
        if (!p->rules->is_mariadb && p->rules->server_version < 80000) o->collation = NULL; /* the last one counts */
        return ERR_OK;
    }
    if (ddl_is_word(p, "COLLATE")) return ddl_parse_collate(p, &o->collation);
    if (is_default) {
        TRY(ddl_need_word(p, "ENCRYPTION"));
        ddl_take_mark(p, '=');
        return ddl_skip_one(p);
    }
    if (ddl_take_any_of(p, "ENGINE TYPE")) {
        ddl_take_mark(p, '=');
        return ddl_need_text(p, &o->engine);
    }
    if (ddl_take_any_of(p, option_words)) {
        ddl_take_mark(p, '=');
        ddl_take_mark(p, '-');
        return ddl_skip_one(p);
    }
    if (ddl_take_words(p, "DATA", "DIRECTORY") || ddl_take_words(p, "INDEX", "DIRECTORY")) {
        ddl_take_mark(p, '=');
        return ddl_skip_one(p);
    }
    if (ddl_take_words(p, "STORAGE", "DISK") || ddl_take_words(p, "STORAGE", "MEMORY")) return ERR_OK;
    if (ddl_take_words(p, "START", "TRANSACTION")) return ERR_OK; /* MySQL 8: rows of its SELECT follow */
    if (ddl_take_words(p, "WITH", "SYSTEM")) {
        p->out->is_versioned = true;
        return ddl_need_word(p, "VERSIONING");
    }
    if (p->rules->is_mariadb && ddl_is_word(p, "SEQUENCE")) {
        ddl_advance(p);
        ddl_take_mark(p, '=');
        if (p->token.kind == DDL_TOKEN_NUMBER && p->token.size == 1 && *p->token.at == '1')
            p->out->kind = DDL_CREATE_SEQUENCE;
        return ddl_skip_one(p);
    }
    bool is_name = p->token.kind == DDL_TOKEN_WORD || p->token.kind == DDL_TOKEN_NAME;
    if (is_name && ddl_is_behind(p, NULL, '=') && !ddl_is_word(p, "ALGORITHM") && !ddl_is_word(p, "LOCK")) {
        ddl_advance(p); /* MariaDB: an engine's own option, or one that only a newer version knows */
        ddl_advance(p);
        return ddl_skip_one(p);
    }
    *is_option = false;
    return ERR_OK;
}

enum err ddl_parse_options(struct ddl_parser *p, bool *any)
{
    bool is_option = true;
    *any = false;
    for (;;) {
        TRY(parse_option(p, &is_option));
        if (!is_option) return ERR_OK;
        *any = true;
    }
}

/* ---- CREATE TABLE ---- */

static bool at_select(const struct ddl_parser *p)
{
    return ddl_is_word(p, "SELECT") || ddl_is_word(p, "WITH") || ddl_is_word(p, "VALUES") || ddl_is_word(p, "TABLE");
}

/* Is "(" followed, maybe behind more of it, by a query? */
static bool at_select_in_parentheses(const struct ddl_parser *p)
{
    struct ddl_lexer ahead = p->lexer;
    struct ddl_token t = p->token;
    while (t.kind == DDL_TOKEN_MARK && *t.at == '(') t = ddl_lex_next(&ahead);
    struct ddl_parser query = {.token = t};
    return ddl_is_mark(p, '(') && at_select(&query);
}

/* PARTITION BY is next: to the end of the clause. */
enum err ddl_skip_partitions(struct ddl_parser *p)
{
    ddl_advance(p);
    TRY(ddl_need_word(p, "BY"));
    while (!ddl_is_end(p) && !ddl_is_mark(p, ',') && !at_select(p) && !at_select_in_parentheses(p) &&
           !ddl_is_word(p, "AS") && !ddl_is_word(p, "IGNORE") && !ddl_is_word(p, "REPLACE") &&
           !ddl_is_words(p, "START", "TRANSACTION"))
        TRY(ddl_skip_one(p));
    return ERR_OK;
}

static enum err parse_like(struct ddl_parser *p, bool in_parentheses)
{
    p->out->kind = DDL_CREATE_TABLE_LIKE;
    TRY(ddl_need_table(p, &p->out->like));
    return in_parentheses ? ddl_need_mark(p, ')') : ERR_OK;
}

enum err ddl_parse_create_table(struct ddl_parser *p)
{
    struct ddl_statement *s = p->out;
    bool any;

    s->kind = DDL_CREATE_TABLE;
    ddl_take_exists(p, &s->if_exists, &s->if_not_exists);
    TRY(ddl_need_table(p, &s->table[0]));
    s->table_count = 1;
    if (ddl_take_word(p, "LIKE")) return parse_like(p, false);
    if (ddl_is_mark(p, '(') && !at_select_in_parentheses(p)) {
        ddl_advance(p);
        if (ddl_take_word(p, "LIKE")) return parse_like(p, true);
        do TRY(ddl_parse_element(p));
        while (ddl_take_mark(p, ','));
        TRY(ddl_need_mark(p, ')'));
    }
    do {
        TRY(ddl_parse_options(p, &any));
    } while (any && ddl_take_mark(p, ','));
    if (ddl_is_words(p, "PARTITION", "BY")) TRY(ddl_skip_partitions(p));
    if (ddl_take_words(p, "START", "TRANSACTION")) return ERR_OK;
    ddl_take_any_of(p, "IGNORE REPLACE");
    ddl_take_word(p, "AS");
    if (!at_select(p) && !at_select_in_parentheses(p)) return ERR_OK;
    s->has_select = true;
    while (!ddl_is_end(p)) TRY(ddl_skip_one(p));
    return ERR_OK;
}
