#include <string.h>
#include <strings.h>

#include "capture/ddl_parser.h"

/* ---- attributes of a column ---- */

/* One value without an operator: a literal, a name, a function's call, "( ... )". */
static enum err skip_value(struct ddl_parser *p)
{
    while (ddl_is_mark(p, '-') || ddl_is_mark(p, '+')) ddl_advance(p);
    if (ddl_is_mark(p, '(')) return ddl_skip_parentheses(p);
    if (ddl_is_words(p, "NEXT", "VALUE") || ddl_is_words(p, "PREVIOUS", "VALUE")) {
        struct ddl_name name;
        ddl_advance(p);
        ddl_advance(p);
        TRY(ddl_need_word(p, "FOR"));
        return ddl_need_table(p, &name);
    }
    if (ddl_is_word(p, "CASE")) {
        uint32_t depth = 0;
        do {
            if (ddl_is_word(p, "CASE")) depth++;
            if (ddl_is_word(p, "END")) depth--;
            TRY(ddl_skip_one(p));
        } while (depth != 0);
        return ERR_OK;
    }
    bool is_word = p->token.kind == DDL_TOKEN_WORD, is_introducer = is_word && *p->token.at == '_';
    bool is_typed = ddl_is_word(p, "DATE") || ddl_is_word(p, "TIME") || ddl_is_word(p, "TIMESTAMP");
    TRY(ddl_skip_one(p));
    while (is_word && ddl_take_mark(p, '.')) TRY(ddl_skip_one(p)); /* database.function, table.column */
    if ((is_introducer || is_typed) && p->token.kind >= DDL_TOKEN_STRING && p->token.kind <= DDL_TOKEN_BITS)
        ddl_advance(p);
    while (p->token.kind == DDL_TOKEN_STRING) ddl_advance(p); /* 'a' 'b' is one text */
    return is_word && ddl_is_mark(p, '(') ? ddl_skip_parentheses(p) : ERR_OK;
}

static enum err skip_default(struct ddl_parser *p)
{
    if (ddl_take_word(p, "VALUE")) return ERR_OK; /* SERIAL DEFAULT VALUE, taken apart by the caller */
    return skip_value(p);
}

static enum err skip_references(struct ddl_parser *p)
{
    struct ddl_name name;
    TRY(ddl_need_table(p, &name));
    if (ddl_is_mark(p, '(')) TRY(ddl_skip_parentheses(p));
    for (;;) {
        if (ddl_take_word(p, "MATCH")) {
            TRY(ddl_skip_one(p));
        } else if (ddl_is_words(p, "ON", "DELETE") || ddl_is_words(p, "ON", "UPDATE")) {
            ddl_advance(p);
            ddl_advance(p);
            if (ddl_take_word(p, "SET")) {
                if (!ddl_take_any_of(p, "NULL DEFAULT")) return ddl_fail(p, "NULL or DEFAULT");
            } else if (ddl_take_word(p, "NO")) {
                TRY(ddl_need_word(p, "ACTION"));
            } else if (!ddl_take_any_of(p, "RESTRICT CASCADE")) {
                return ddl_fail(p, "RESTRICT, CASCADE, SET NULL or NO ACTION");
            }
        } else {
            return ERR_OK;
        }
    }
}

/* Behind CHECK: "( ... ) [[NOT] ENFORCED]". */
static enum err skip_check(struct ddl_parser *p)
{
    if (!ddl_is_mark(p, '(')) return ddl_fail(p, "(");
    TRY(ddl_skip_parentheses(p));
    if (!ddl_take_words(p, "NOT", "ENFORCED")) ddl_take_word(p, "ENFORCED");
    return ERR_OK;
}

/* [GENERATED ALWAYS] AS is taken: "( ... ) [VIRTUAL | STORED | PERSISTENT]", or ROW START, ROW END. */
static enum err parse_generated(struct ddl_parser *p, struct ddl_column *c)
{
    if (ddl_take_word(p, "ROW")) {
        if (!ddl_take_any_of(p, "START END")) return ddl_fail(p, "START or END");
        c->is_period = true;
        return ERR_OK;
    }
    if (!ddl_is_mark(p, '(')) return ddl_fail(p, "(");
    TRY(ddl_skip_parentheses(p));
    c->generated = ddl_take_any_of(p, "STORED PERSISTENT") ? DDL_STORED : DDL_VIRTUAL;
    ddl_take_word(p, "VIRTUAL");
    return ERR_OK;
}

static enum err skip_assigned(struct ddl_parser *p)
{
    ddl_take_mark(p, '=');
    return ddl_skip_one(p);
}

static enum err parse_constraint(struct ddl_parser *p)
{
    const char *name;
    if (!ddl_is_word(p, "CHECK")) TRY(ddl_need_name(p, &name));
    if (ddl_take_word(p, "CHECK")) return skip_check(p);
    TRY(ddl_need_word(p, "REFERENCES"));
    return skip_references(p);
}

/* One attribute; *more is false where none is next. */
static enum err parse_attribute(struct ddl_parser *p, struct ddl_column *c, bool *more)
{
    *more = true;
    if (ddl_take_words(p, "NOT", "NULL")) {
        c->null = DDL_NOT_NULL;
    } else if (ddl_take_words(p, "NOT", "SECONDARY")) {
        return ERR_OK;
    } else if (ddl_take_word(p, "NULL")) {
        c->null = DDL_NULL;
    } else if (ddl_take_words(p, "SERIAL", "DEFAULT")) {
        c->null = DDL_NOT_NULL;
        c->is_unique = true;
        return ddl_need_word(p, "VALUE");
    } else if (ddl_take_word(p, "DEFAULT")) {
        return skip_default(p);
    } else if (ddl_take_words(p, "ON", "UPDATE")) {
        return skip_value(p);
    } else if (ddl_take_word(p, "AUTO_INCREMENT")) {
        c->null = DDL_NOT_NULL;
    } else if (ddl_take_word(p, "UNIQUE")) {
        ddl_take_word(p, "KEY");
        c->is_unique = true;
    } else if (ddl_take_word(p, "PRIMARY")) {
        ddl_take_word(p, "KEY");
        c->is_primary = true;
    } else if (ddl_take_word(p, "KEY")) {
        c->is_primary = true;
    } else if (ddl_take_any_of(p, "COMMENT COLUMN_FORMAT STORAGE ENGINE_ATTRIBUTE SECONDARY_ENGINE_ATTRIBUTE SRID "
                                  "REF_SYSTEM_ID")) {
        return skip_assigned(p);
    } else if (ddl_is_word(p, "COLLATE")) {
        return ddl_parse_collate(p, &c->type.collation);
    } else if (ddl_at_charset(p)) {
        return ddl_parse_charset(p, &c->type.charset);
    } else if (ddl_take_word(p, "VISIBLE")) {
        c->is_invisible = false;
    } else if (ddl_take_word(p, "INVISIBLE")) {
        c->is_invisible = true;
    } else if (ddl_take_word(p, "CONSTRAINT")) {
        return parse_constraint(p);
    } else if (ddl_take_word(p, "CHECK")) {
        return skip_check(p);
    } else if (ddl_take_word(p, "REFERENCES")) {
        return skip_references(p);
    } else if (ddl_take_words(p, "GENERATED", "ALWAYS")) {
        TRY(ddl_need_word(p, "AS"));
        return parse_generated(p, c);
    } else if (ddl_take_word(p, "AS")) {
        return parse_generated(p, c);
    } else if (ddl_is_words(p, "WITHOUT", "SYSTEM") || ddl_is_words(p, "WITH", "SYSTEM")) {
        ddl_advance(p);
        ddl_advance(p);
        return ddl_need_word(p, "VERSIONING");
    } else if (p->rules->is_mariadb && ddl_take_word(p, "COMPRESSED")) {
        c->type.is_compressed = true;
        return ddl_take_mark(p, '=') ? ddl_skip_one(p) : ERR_OK;
    } else if ((p->token.kind == DDL_TOKEN_WORD || p->token.kind == DDL_TOKEN_NAME) && ddl_is_behind(p, NULL, '=')) {
        ddl_advance(p); /* MariaDB: an engine's own attribute */
        return skip_assigned(p);
    } else {
        *more = false;
    }
    return ERR_OK;
}

enum err ddl_parse_column(struct ddl_parser *p, const char *name, const struct ddl_column **out)
{
    struct ddl_column *c = arena_alloc(p->arena, sizeof *c);
    bool more = true;
    if (c == NULL) return ERR_NO_MEMORY;
    c->name = name;
    TRY(ddl_parse_type(p, c));
    while (more) TRY(parse_attribute(p, c, &more));
    *out = c;
    return ERR_OK;
}

/* ---- keys ---- */

bool ddl_at_key(const struct ddl_parser *p)
{
    static const char *const reserved[] = {"PRIMARY", "KEY",     "INDEX",      "UNIQUE", "FULLTEXT",
                                           "SPATIAL", "FOREIGN", "CONSTRAINT", "CHECK"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (ddl_is_word(p, reserved[i])) return true;
    return ddl_is_words(p, "PERIOD", "FOR") || ddl_is_words(p, "VECTOR", "INDEX") || ddl_is_words(p, "VECTOR", "KEY");
}

enum err ddl_parse_key_options(struct ddl_parser *p, struct ddl_key *k)
{
    for (;;) {
        if (ddl_take_any_of(p, "USING TYPE")) {
            k->is_hash = ddl_is_word(p, "HASH");
            k->is_implied = ddl_is_word(p, "IMPLIED");
            TRY(ddl_skip_one(p));
        } else if (ddl_take_any_of(p, "KEY_BLOCK_SIZE COMMENT ENGINE_ATTRIBUTE SECONDARY_ENGINE_ATTRIBUTE")) {
            TRY(skip_assigned(p));
        } else if (ddl_take_words(p, "WITH", "PARSER")) {
            TRY(ddl_skip_one(p));
        } else if (ddl_take_any_of(p, "VISIBLE INVISIBLE IGNORED") || ddl_take_words(p, "NOT", "IGNORED")) {
            continue;
        } else if ((p->token.kind == DDL_TOKEN_WORD || p->token.kind == DDL_TOKEN_NAME) &&
                   ddl_is_behind(p, NULL, '=') && !ddl_is_word(p, "ALGORITHM") && !ddl_is_word(p, "LOCK")) {
            ddl_advance(p);
            TRY(skip_assigned(p));
        } else {
            return ERR_OK;
        }
    }
}

enum err ddl_parse_parts(struct ddl_parser *p, struct ddl_key *k)
{
    uint32_t capacity = 0;
    struct ddl_part *part = NULL;
    TRY(ddl_need_mark(p, '('));
    do {
        if (k->part_count == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 2;
            struct ddl_part *grown = arena_alloc(p->arena, capacity * sizeof *grown);
            if (grown == NULL) return ERR_NO_MEMORY;
            if (part != NULL) memcpy(grown, part, k->part_count * sizeof *grown);
            part = grown;
        }
        struct ddl_part *next = &part[k->part_count++];
        *next = (struct ddl_part){0};
        k->part = part;
        if (ddl_is_mark(p, '(')) {
            TRY(ddl_skip_parentheses(p));
        } else {
            TRY(ddl_need_name(p, &next->name));
            if (ddl_take_mark(p, '(')) {
                uint64_t prefix;
                TRY(ddl_need_number(p, &prefix));
                if (prefix > UINT32_MAX) return ddl_fail(p, "a smaller length");
                next->prefix_chars = (uint32_t)prefix;
                TRY(ddl_need_mark(p, ')'));
            }
        }
        if (ddl_take_words(p, "WITHOUT", "OVERLAPS"))
            k->part_count--; /* MariaDB: a period, whose two columns are not parts that readers see */
        next->is_descending =
            ddl_is_word(p, "DESC") && p->rules->server_version >= (p->rules->is_mariadb ? 100800 : 80000);
        ddl_take_any_of(p, "ASC DESC");
    } while (ddl_take_mark(p, ','));
    return ddl_need_mark(p, ')');
}

static enum err parse_key_kind(struct ddl_parser *p, struct ddl_key *k)
{
    if (ddl_take_word(p, "PRIMARY")) {
        k->kind = DDL_KEY_PRIMARY;
        return ddl_need_word(p, "KEY");
    }
    if (ddl_take_word(p, "FOREIGN")) {
        k->kind = DDL_KEY_FOREIGN;
        return ddl_need_word(p, "KEY");
    }
    k->kind = ddl_take_word(p, "UNIQUE")     ? DDL_KEY_UNIQUE
              : ddl_take_word(p, "FULLTEXT") ? DDL_KEY_FULLTEXT
              : ddl_take_word(p, "SPATIAL")  ? DDL_KEY_SPATIAL
              : ddl_take_word(p, "VECTOR")   ? DDL_KEY_VECTOR
                                             : DDL_KEY_INDEX;
    if (!ddl_take_any_of(p, "KEY INDEX") && k->kind == DDL_KEY_INDEX) return ddl_fail(p, "KEY or INDEX");
    return ERR_OK;
}

enum err ddl_parse_key(struct ddl_parser *p)
{
    bool if_exists = false, if_not_exists = false;
    const char *constraint = NULL;
    if (ddl_take_words(p, "PERIOD", "FOR")) { /* SYSTEM_TIME (a, b): a and b say themselves what they are */
        TRY(ddl_skip_one(p));
        return ddl_skip_parentheses(p);
    }
    if (ddl_take_word(p, "CONSTRAINT")) {
        ddl_take_exists(p, &if_exists, &if_not_exists);
        if (!ddl_at_key(p)) TRY(ddl_need_name(p, &constraint));
        ddl_take_exists(p, &if_exists, &if_not_exists);
    }
    if (ddl_take_word(p, "CHECK")) return skip_check(p);

    struct ddl_spec *s = ddl_new_spec(p, DDL_ADD_KEY);
    struct ddl_key *k = arena_alloc(p->arena, sizeof *k);
    if (s == NULL || k == NULL) return ERR_NO_MEMORY;
    s->key = k;
    k->constraint = constraint;
    TRY(parse_key_kind(p, k));
    ddl_take_exists(p, &if_exists, &if_not_exists);
    s->if_not_exists = if_not_exists;
    bool is_using = (ddl_is_word(p, "USING") || ddl_is_word(p, "TYPE")) && !ddl_is_behind(p, NULL, '(');
    if (!ddl_is_mark(p, '(') && !is_using) TRY(ddl_need_name(p, &k->name));
    ddl_take_exists(p, &if_exists, &s->if_not_exists); /* MariaDB: FOREIGN KEY name IF NOT EXISTS, too */
    if (ddl_take_any_of(p, "USING TYPE")) {
        k->is_hash = ddl_is_word(p, "HASH");
        TRY(ddl_skip_one(p));
    }
    TRY(ddl_parse_parts(p, k));
    if (k->kind != DDL_KEY_FOREIGN) return ddl_parse_key_options(p, k);
    TRY(ddl_need_word(p, "REFERENCES"));
    return skip_references(p);
}
