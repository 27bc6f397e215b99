#include "capture/statement.h"

#include <string.h>
#include <strings.h>

/* --- words --- */

struct scan { /* the text from here to its end */
    const char *at, *end;
};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           ((unsigned char)c & 0x80) != 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Skips a comment that ends with `end_mark` (or with the text). */
static void skip_comment(struct scan *s, const char *end_mark)
{
    size_t size = strlen(end_mark);
    const char *found = memmem(s->at, (size_t)(s->end - s->at), end_mark, size);
    s->at = found == NULL ? s->end : found + size;
}

/* Spaces and comments.  What stands in an executable comment counts: only its opening and closing marks are skipped. */
static void skip_blank(struct scan *s)
{
    for (;;) {
        size_t left = (size_t)(s->end - s->at);
        if (left > 0 && is_space(*s->at))
            s->at++;
        else if (left > 0 && *s->at == '#')
            skip_comment(s, "\n");
        else if (left > 2 && memcmp(s->at, "--", 2) == 0 && is_space(s->at[2]))
            skip_comment(s, "\n");
        else if (left > 2 && (memcmp(s->at, "/*!", 3) == 0 || (left > 3 && memcmp(s->at, "/*M!", 4) == 0))) {
            s->at += s->at[2] == '!' ? 3 : 4;
            while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
        } else if (left > 1 && memcmp(s->at, "/*", 2) == 0)
            skip_comment(s, "*/");
        else if (left > 1 && memcmp(s->at, "*/", 2) == 0)
            s->at += 2;
        else
            return;
    }
}

/* Takes the word if it is the next one. */
static bool take_word(struct scan *s, const char *word)
{
    skip_blank(s);
    size_t size = strlen(word);
    if ((size_t)(s->end - s->at) < size || strncasecmp(s->at, word, size) != 0) return false;
    if (s->at + size < s->end && is_word_char(s->at[size])) return false;
    s->at += size;
    return true;
}

static bool take_char(struct scan *s, char c)
{
    skip_blank(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

/* Takes any word that is not quoted; false: none is next. */
static bool take_any_word(struct scan *s)
{
    skip_blank(s);
    const char *start = s->at;
    while (s->at < s->end && is_word_char(*s->at)) s->at++;
    return s->at > start;
}

/* A name, plain or quoted by ` or ", into `out` without the quotes. */
static bool take_name(struct scan *s, char out[static STATEMENT_NAME_BYTES])
{
    skip_blank(s);
    size_t size = 0;
    if (s->at == s->end) return false;
    char quote = *s->at;
    if (quote == '`' || quote == '"') {
        for (s->at++; s->at < s->end; s->at++) {
            if (*s->at == quote) {
                if (s->at + 1 == s->end || s->at[1] != quote) break;
                s->at++;
            }
            if (size == STATEMENT_NAME_BYTES - 1) return false;
            out[size++] = *s->at;
        }
        if (s->at == s->end) return false;
        s->at++;
    } else {
        for (; s->at < s->end && is_word_char(*s->at); s->at++) {
            if (size == STATEMENT_NAME_BYTES - 1) return false;
            out[size++] = *s->at;
        }
    }
    out[size] = '\0';
    return size > 0;
}

/* --- names that a statement touches --- */

/* `database`.`table` or `table`, appended to the list. */
static bool take_table(struct scan *s, struct statement *st, const char *database, size_t database_bytes)
{
    if (st->name_count == STATEMENT_NAMES_MAX) return false;
    struct statement_name *n = &st->name[st->name_count];
    if (!take_name(s, n->table)) return false;
    if (take_char(s, '.')) {
        memcpy(n->database, n->table, sizeof n->database);
        if (!take_name(s, n->table)) return false;
    } else {
        if (database_bytes >= sizeof n->database) return false;
        memcpy(n->database, database, database_bytes);
        n->database[database_bytes] = '\0';
    }
    st->name_count++;
    return true;
}

struct context { /* the QUERY event's default database */
    const char *database;
    size_t database_bytes;
};

static void unknown(struct statement *st)
{
    st->touches = STATEMENT_TOUCHES_UNKNOWN;
    st->name_count = 0;
}

static void tables(struct scan *s, struct statement *st, const struct context *c, bool list)
{
    st->touches = STATEMENT_TOUCHES_TABLES;
    do {
        if (!take_table(s, st, c->database, c->database_bytes)) {
            unknown(st);
            return;
        }
    } while (list && take_char(s, ','));
}

static void skip_exists(struct scan *s, struct statement *st)
{
    if (!take_word(s, "IF")) return;
    take_word(s, "NOT");
    take_word(s, "EXISTS");
    st->is_conditional = true;
}

/* RENAME TABLE a TO b [, c TO d]: every name counts. */
static void rename_tables(struct scan *s, struct statement *st, const struct context *c)
{
    st->touches = STATEMENT_TOUCHES_TABLES;
    skip_exists(s, st);
    do {
        bool known = take_table(s, st, c->database, c->database_bytes);
        if (known && (take_word(s, "WAIT") || take_word(s, "NOWAIT"))) {
            known = false; /* MariaDB's lock wait clause: rare enough to take the safe side */
        }
        if (!known || !take_word(s, "TO") || !take_table(s, st, c->database, c->database_bytes)) {
            unknown(st);
            return;
        }
    } while (take_char(s, ','));
}

/* ALTER TABLE a ... RENAME TO b: both names count.  A RENAME without COLUMN, INDEX or KEY behind it names a table;
 * found in quotes or comments it only makes the answer more careful. */
static void alter_table(struct scan *s, struct statement *st, const struct context *c)
{
    skip_exists(s, st);
    tables(s, st, c, false);
    while (s->at < s->end && st->touches == STATEMENT_TOUCHES_TABLES) {
        if (take_word(s, "RENAME")) {
            if (take_word(s, "COLUMN") || take_word(s, "INDEX") || take_word(s, "KEY")) continue;
            if (!take_word(s, "TO")) take_word(s, "AS");
            take_char(s, '=');
            if (!take_table(s, st, c->database, c->database_bytes)) unknown(st);
        } else if (take_word(s, "EXCHANGE")) {
            unknown(st);
        } else if (!take_any_word(s) && s->at < s->end) {
            s->at++;
        }
    }
}

static void database_of(struct scan *s, struct statement *st, const struct context *c)
{
    st->kind = STATEMENT_TABLE;
    st->touches = STATEMENT_TOUCHES_DATABASE;
    skip_exists(s, st);
    struct statement_name *n = &st->name[0];
    n->table[0] = '\0';
    st->name_count = 1;
    struct scan before = *s;
    bool is_default =
        take_word(s, "CHARACTER") || take_word(s, "CHARSET") || take_word(s, "DEFAULT") || take_word(s, "COLLATE");
    *s = before;
    if (is_default && c->database_bytes < sizeof n->database) {
        memcpy(n->database, c->database, c->database_bytes); /* ALTER DATABASE CHARACTER SET ...: the default one */
        n->database[c->database_bytes] = '\0';
    } else if (!take_name(s, n->database)) {
        unknown(st);
    }
}

/* CREATE or DROP [UNIQUE ...] INDEX name ON table */
static void index_of(struct scan *s, struct statement *st, const struct context *c)
{
    char name[STATEMENT_NAME_BYTES];
    st->kind = STATEMENT_TABLE;
    skip_exists(s, st);
    if (!take_name(s, name)) {
        unknown(st);
        return;
    }
    while (!take_word(s, "ON")) { /* USING BTREE may stand before it */
        if (!take_any_word(s)) {
            unknown(st);
            return;
        }
    }
    tables(s, st, c, false);
}

static bool ends_with_start_transaction(struct scan s)
{
    static const char mark[] = "START TRANSACTION";
    while (s.end > s.at && (is_space(s.end[-1]) || s.end[-1] == ';')) s.end--;
    return (size_t)(s.end - s.at) > sizeof mark && strncasecmp(s.end - (sizeof mark - 1), mark, sizeof mark - 1) == 0;
}

/* Behind CREATE, ALTER or DROP: up to the object's kind. */
static void object_of(struct scan *s, struct statement *st, const struct context *c, char verb)
{
    static const char *const others[] = {"VIEW",     "TRIGGER",           "PROCEDURE", "FUNCTION", "EVENT",
                                         "SERVER",   "TABLESPACE",        "UNDO",      "LOGFILE",  "PACKAGE",
                                         "INSTANCE", "SPATIAL REFERENCE", "RESOURCE",  "LIBRARY"};
    bool replaces = take_word(s, "OR") && take_word(s, "REPLACE");
    if (take_word(s, "USER") || take_word(s, "ROLE")) {
        st->kind = STATEMENT_ACCOUNT;
        return;
    }
    while (take_word(s, "ONLINE") || take_word(s, "OFFLINE") || take_word(s, "IGNORE") || take_word(s, "UNIQUE") ||
           take_word(s, "FULLTEXT") || take_word(s, "VECTOR") || take_word(s, "AGGREGATE"))
        continue;
    bool is_temporary = take_word(s, "TEMPORARY");
    if (take_word(s, "TABLE") || take_word(s, "TABLES")) {
        st->kind = STATEMENT_TABLE;
        st->starts_transaction = verb == 'C' && ends_with_start_transaction(*s);
        if (is_temporary) {
            st->kind = STATEMENT_NEUTRAL; /* lives in one session; its rows are not in a row binlog */
        } else if (verb == 'A') {
            alter_table(s, st, c);
        } else {
            skip_exists(s, st);
            st->makes = verb == 'C' && !replaces && !st->is_conditional;
            tables(s, st, c, verb == 'D');
        }
        return;
    }
    if (take_word(s, "INDEX")) {
        index_of(s, st, c);
        return;
    }
    if (take_word(s, "DATABASE") || take_word(s, "SCHEMA")) {
        database_of(s, st, c);
        st->makes = verb == 'C' && !replaces && !st->is_conditional;
        return;
    }
    if (take_word(s, "SPATIAL")) {
        if (take_word(s, "INDEX")) index_of(s, st, c);
        return;
    }
    if (take_word(s, "SEQUENCE"))
        return; /* MariaDB's; its rows are of no table that can be selected by users' meaning */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (take_word(s, others[i])) return;
    }
    /* DEFINER = ..., ALGORITHM = ..., SQL SECURITY ...: views and routines.  Anything else is not known. */
    if (take_word(s, "DEFINER") || take_word(s, "ALGORITHM") || take_word(s, "SQL")) return;
    st->kind = STATEMENT_TABLE;
    unknown(st);
}

/* Rows written as a statement: which table?  Modifiers stand before INTO, FROM or the name. */
static void change_of(struct scan *s, struct statement *st, const struct context *c, const char *verb)
{
    st->kind = STATEMENT_CHANGE;
    while (take_word(s, "LOW_PRIORITY") || take_word(s, "DELAYED") || take_word(s, "HIGH_PRIORITY") ||
           take_word(s, "QUICK") || take_word(s, "IGNORE"))
        continue;
    if (strcmp(verb, "DELETE") == 0) {
        if (!take_word(s, "FROM")) {
            unknown(st);
            return;
        }
    } else if (strcmp(verb, "UPDATE") != 0) {
        take_word(s, "INTO");
    }
    tables(s, st, c, true);
    if (strcmp(verb, "UPDATE") != 0) return;
    if (!take_word(s, "SET")) unknown(st); /* joins and aliases */
}

/* LOAD DATA [LOCAL] INFILE 'name' [REPLACE | IGNORE] INTO TABLE name ...; LOAD XML too. */
static void load_of(struct scan *s, struct statement *st, const struct context *c)
{
    st->kind = STATEMENT_CHANGE;
    while (take_any_word(s)) continue;
    char quote = s->at < s->end ? *s->at : '\0';
    bool has_name = quote == '\'' || quote == '"';
    if (has_name) {
        for (s->at++; s->at < s->end && *s->at != quote; s->at++) {
            if (*s->at == '\\' && s->at + 1 < s->end) s->at++;
        }
        has_name = s->at < s->end;
        s->at += has_name;
    }
    if (!take_word(s, "REPLACE")) take_word(s, "IGNORE");
    if (has_name && take_word(s, "INTO") && take_word(s, "TABLE"))
        tables(s, st, c, false);
    else
        unknown(st);
}

static bool transaction_word(struct scan *s, struct statement *st)
{
    if (take_word(s, "BEGIN") || take_word(s, "START"))
        st->kind = STATEMENT_BEGIN;
    else if (take_word(s, "COMMIT"))
        st->kind = STATEMENT_COMMIT;
    else if (take_word(s, "ROLLBACK")) {
        take_word(s, "WORK");
        st->kind = take_word(s, "TO") ? STATEMENT_ROLLBACK_TO : STATEMENT_ROLLBACK;
    } else if (take_word(s, "SAVEPOINT") || take_word(s, "RELEASE"))
        st->kind = STATEMENT_SAVEPOINT;
    else if (take_word(s, "XA"))
        st->kind = STATEMENT_XA;
    else
        return false;
    return true;
}

/* Behind SET STATEMENT (MariaDB): takes the settings and FOR; false: there is no FOR. */
static bool take_settings(struct scan *s)
{
    uint32_t depth = 0;
    for (;;) {
        if (depth == 0 && take_word(s, "FOR")) return true;
        if (take_any_word(s)) continue;
        if (s->at == s->end) return false;
        char c = *s->at++;
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (c != '\'' && c != '"' && c != '`') continue;
        while (s->at < s->end && *s->at != c) s->at += c != '`' && *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
        s->at += s->at < s->end;
    }
}

void statement_classify(struct statement *out, const char *text, size_t text_bytes, const char *database,
                        size_t database_bytes)
{
    static const char *const account[] = {"GRANT", "REVOKE"};
    static const char *const change[] = {"INSERT", "REPLACE", "UPDATE", "DELETE"};
    struct scan s = {text, text + text_bytes};
    const struct context c = {database, database_bytes};
    out->kind = STATEMENT_NEUTRAL;
    out->touches = STATEMENT_TOUCHES_NOTHING;
    out->starts_transaction = false;
    out->is_conditional = out->makes = false;
    out->name_count = 0;

    if (transaction_word(&s, out)) return;
    if (take_word(&s, "SET")) {
        if (!take_word(&s, "STATEMENT") || !take_settings(&s)) {
            out->kind = STATEMENT_ACCOUNT; /* SET PASSWORD, SET DEFAULT ROLE */
            return;
        }
    }
    for (size_t i = 0; i < sizeof account / sizeof account[0]; i++) {
        if (take_word(&s, account[i])) {
            out->kind = STATEMENT_ACCOUNT;
            return;
        }
    }
    for (size_t i = 0; i < sizeof change / sizeof change[0]; i++) {
        if (take_word(&s, change[i])) {
            change_of(&s, out, &c, change[i]);
            return;
        }
    }
    out->kind = STATEMENT_OTHER_DDL;
    if (take_word(&s, "CREATE"))
        object_of(&s, out, &c, 'C');
    else if (take_word(&s, "ALTER"))
        object_of(&s, out, &c, 'A');
    else if (take_word(&s, "DROP"))
        object_of(&s, out, &c, 'D');
    else if (take_word(&s, "TRUNCATE")) {
        out->kind = STATEMENT_TRUNCATE;
        take_word(&s, "TABLE");
        tables(&s, out, &c, false);
    } else if (take_word(&s, "RENAME")) {
        if (take_word(&s, "USER")) {
            out->kind = STATEMENT_ACCOUNT;
        } else if (take_word(&s, "TABLE") || take_word(&s, "TABLES")) {
            out->kind = STATEMENT_TABLE;
            rename_tables(&s, out, &c);
        }
    } else if (take_word(&s, "LOAD")) {
        load_of(&s, out, &c);
    } else if (take_word(&s, "WITH") || take_word(&s, "CALL") || take_word(&s, "DO")) {
        out->kind = STATEMENT_CHANGE;
        unknown(out);
    } else {
        out->kind = STATEMENT_NEUTRAL;
    }
}

/* --- charset --- */

static size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
    size_t left = (size_t)(end - at);
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < size) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    if (at[0] == 0xe0 && at[1] < 0xa0) return 0;
    if (at[0] == 0xed && at[1] > 0x9f) return 0;
    if (at[0] == 0xf0 && at[1] < 0x90) return 0;
    if (at[0] == 0xf4 && at[1] > 0x8f) return 0;
    return size;
}

const char *statement_text_utf8(const char *text, size_t size, char *out, size_t *out_bytes)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    while (at < end) {
        size_t length = utf8_length(at, end);
        if (length == 0) break;
        at += length;
    }
    *out_bytes = size;
    if (at == end) return text;
    char *to = out;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c < 0x80) {
            *to++ = (char)c;
        } else {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *out_bytes = (size_t)(to - out);
    return out;
}
