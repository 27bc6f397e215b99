#include "capture/ddl_lex.h"

#include <string.h>
#include <strings.h>

void ddl_lex_begin(struct ddl_lexer *l, const struct ddl_rules *rules, const char *text, size_t text_bytes)
{
    *l = (struct ddl_lexer){.at = text, .end = text + text_bytes, .rules = rules};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           ((unsigned char)c & 0x80) != 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t left_of(const struct ddl_lexer *l)
{
    return (size_t)(l->end - l->at);
}

static bool starts_with(const struct ddl_lexer *l, const char *mark)
{
    size_t size = strlen(mark);
    return left_of(l) >= size && memcmp(l->at, mark, size) == 0;
}

/* To behind the comment's end; `nested`: a comment inside is passed as a whole, as servers do in version comments that
 * they do not execute.  false: it does not end. */
static bool skip_comment(struct ddl_lexer *l, bool nested)
{
    while (left_of(l) >= 2) {
        if (starts_with(l, "*/")) {
            l->at += 2;
            return true;
        }
        if (nested && starts_with(l, "/*")) {
            l->at += 2;
            if (!skip_comment(l, false)) return false;
        } else {
            l->at++;
        }
    }
    return false;
}

/* At the digits of a version comment: steps over them and tells whether this server executes what follows.  MySQL reads
 * five digits, since 8.1 six where there are six; MariaDB five or six, and takes MySQL's 50700 to 99999 for a server
 * that it is not. */
static bool version_executes(struct ddl_lexer *l, bool for_mariadb)
{
    const struct ddl_rules *r = l->rules;
    size_t digits = 0, digits_max = r->is_mariadb || r->server_version >= 80100 ? 6 : 5;
    uint32_t version = 0;
    while (digits < digits_max && digits < left_of(l) && is_digit(l->at[digits]))
        version = version * 10 + (uint32_t)(l->at[digits++] - '0');
    if (digits < 5) return true;
    l->at += digits;
    if (r->is_mariadb && !for_mariadb && version >= 50700 && version <= 99999) return false;
    return version <= r->server_version;
}

/* Spaces and comments.  false: a comment does not end. */
static bool skip_blank(struct ddl_lexer *l)
{
    for (;;) {
        const char *before = l->at;
        while (l->at < l->end && is_space(*l->at)) l->at++;
        bool is_line =
            starts_with(l, "#") || (starts_with(l, "--") && (left_of(l) == 2 || (unsigned char)l->at[2] <= ' '));
        if (is_line) {
            const char *end = memchr(l->at, '\n', left_of(l));
            l->at = end == NULL ? l->end : end;
        } else if (l->in_version_comment && starts_with(l, "*/")) {
            l->in_version_comment = false;
            l->at += 2;
        } else if (starts_with(l, "/*")) {
            bool for_mariadb = l->rules->is_mariadb && starts_with(l, "/*M!");
            bool is_version = !l->in_version_comment && (for_mariadb || starts_with(l, "/*!"));
            l->at += for_mariadb ? 4 : is_version ? 3 : 2;
            if (is_version && version_executes(l, for_mariadb))
                l->in_version_comment = true;
            else if (!skip_comment(l, is_version))
                return false;
        }
        if (l->at == before) return true;
    }
}

/* At an opening quote; to behind the closing one.  false: it does not end. */
static bool skip_quoted(struct ddl_lexer *l, bool escapes)
{
    char quote = *l->at++;
    for (; l->at < l->end; l->at++) {
        if (escapes && *l->at == '\\') {
            if (++l->at == l->end) return false;
        } else if (*l->at == quote) {
            l->at++;
            if (l->at == l->end || *l->at != quote) return true;
        }
    }
    return false;
}

static size_t run_of(const struct ddl_lexer *l, const char *allowed)
{
    size_t n = 0;
    while (n < left_of(l) && strchr(allowed, l->at[n]) != NULL && l->at[n] != 0) n++;
    return n;
}

/* At a digit or ".digit": a number, 0x41, 0b01, or a name that begins with a digit. */
static enum ddl_token_kind lex_number(struct ddl_lexer *l)
{
    static const char digits[] = "0123456789";
    const char *start = l->at;
    size_t run = 0;
    while (run < left_of(l) && is_name_char(l->at[run])) run++;
    if (run > 2 && l->at[0] == '0' && (l->at[1] == 'x' || l->at[1] == 'b')) {
        bool is_hex = l->at[1] == 'x';
        l->at += 2;
        if (run_of(l, is_hex ? "0123456789abcdefABCDEF" : "01") == run - 2) {
            l->at += run - 2;
            return is_hex ? DDL_TOKEN_HEX : DDL_TOKEN_BITS;
        }
        l->at = start;
    }
    size_t whole = run_of(l, digits);
    bool has_exponent = whole > 0 && whole < run && (l->at[whole] == 'e' || l->at[whole] == 'E') &&
                        (whole + 1 < run ? is_digit(l->at[whole + 1])
                                         : left_of(l) > whole + 2 && strchr("+-", l->at[whole + 1]) != NULL &&
                                               is_digit(l->at[whole + 2]));
    if (whole < run && !has_exponent) { /* 1a */
        l->at += run;
        return DDL_TOKEN_WORD;
    }
    l->at += whole;
    if (!has_exponent && l->at < l->end && *l->at == '.') {
        l->at++;
        l->at += run_of(l, digits);
        has_exponent = left_of(l) > 1 && (*l->at == 'e' || *l->at == 'E') &&
                       (is_digit(l->at[1]) || (left_of(l) > 2 && strchr("+-", l->at[1]) != NULL && is_digit(l->at[2])));
    }
    if (has_exponent) {
        l->at += is_digit(l->at[1]) ? 1 : 2;
        l->at += run_of(l, digits);
    }
    return DDL_TOKEN_NUMBER;
}

static enum ddl_token_kind lex_one(struct ddl_lexer *l)
{
    bool escapes = (l->rules->sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    char c = *l->at;
    if (c == '`') return skip_quoted(l, false) ? DDL_TOKEN_NAME : DDL_TOKEN_BAD;
    if (c == '"' && (l->rules->sql_mode & SQL_MODE_ANSI_QUOTES) != 0)
        return skip_quoted(l, false) ? DDL_TOKEN_NAME : DDL_TOKEN_BAD;
    if (c == '\'' || c == '"') return skip_quoted(l, escapes) ? DDL_TOKEN_STRING : DDL_TOKEN_BAD;
    if (left_of(l) > 1 && l->at[1] == '\'' && strchr("xXbBnN", c) != NULL && c != 0) {
        l->at++;
        bool is_text = c == 'n' || c == 'N';
        if (!skip_quoted(l, is_text && escapes)) return DDL_TOKEN_BAD;
        return is_text ? DDL_TOKEN_STRING : c == 'x' || c == 'X' ? DDL_TOKEN_HEX : DDL_TOKEN_BITS;
    }
    if (!l->name_follows && (is_digit(c) || (c == '.' && left_of(l) > 1 && is_digit(l->at[1]) && !l->behind_name)))
        return lex_number(l);
    if (is_name_char(c)) {
        while (l->at < l->end && is_name_char(*l->at)) l->at++;
        return DDL_TOKEN_WORD;
    }
    l->at++;
    return DDL_TOKEN_MARK;
}

struct ddl_token ddl_lex_next(struct ddl_lexer *l)
{
    const char *before = l->at;
    struct ddl_token t = {.kind = DDL_TOKEN_BAD};
    bool closed = skip_blank(l);
    t.at = l->at;
    if (l->at != before) l->behind_name = false;
    if (!closed) {
        l->at = l->end;
    } else if (l->at == l->end) {
        t.kind = l->in_version_comment ? DDL_TOKEN_BAD : DDL_TOKEN_END;
    } else {
        t.kind = lex_one(l);
    }
    t.size = (size_t)(l->at - t.at);
    l->name_follows = t.kind == DDL_TOKEN_MARK && *t.at == '.' && l->behind_name;
    l->behind_name = t.kind == DDL_TOKEN_WORD || t.kind == DDL_TOKEN_NAME;
    return t;
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : (c | 32) - 'a' + 10;
}

/* The digits of x'..', 0x.. or b'..' as bytes, filled up with zero bits at the left. */
static size_t unpack_digits(const struct ddl_token *t, char *out)
{
    bool quoted = t->at[1] == '\'';
    const char *digit = t->at + 2;
    size_t count = t->size - 2 - quoted, bits = t->kind == DDL_TOKEN_HEX ? 4 : 1;
    size_t size = (count * bits + 7) / 8, place = size * 8 - count * bits;
    memset(out, 0, size + 1);
    for (size_t i = 0; i < count; i++, place += bits) {
        unsigned value = (unsigned)hex_digit(digit[i]) & (bits == 4 ? 15u : 1u);
        out[place / 8] = (char)((unsigned char)out[place / 8] | value << (8 - bits - place % 8));
    }
    return size;
}

static char unescape(char c)
{
    switch (c) {
    case '0': return 0;
    case 'b': return '\b';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'Z': return 26;
    default: return c;
    }
}

char *ddl_token_text(const struct ddl_token *t, const struct ddl_rules *rules, struct arena *arena, size_t *size)
{
    char *out = arena_alloc(arena, t->size + 1);
    if (out == NULL) return NULL;
    if (t->kind == DDL_TOKEN_HEX || t->kind == DDL_TOKEN_BITS) {
        *size = unpack_digits(t, out);
        return out;
    }
    if (t->kind != DDL_TOKEN_NAME && t->kind != DDL_TOKEN_STRING) {
        memcpy(out, t->at, t->size);
        *size = t->size;
        return out;
    }
    const char *at = t->at, *end = t->at + t->size - 1;
    if (*at == 'n' || *at == 'N') at++;
    char quote = *at++;
    bool escapes = t->kind == DDL_TOKEN_STRING && (rules->sql_mode & SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    char *to = out;
    for (; at < end; at++) {
        if (*at == quote) at++; /* doubled */
        if (escapes && *at == '\\') {
            at++;
            if (*at == '%' || *at == '_') *to++ = '\\';
            *to++ = unescape(*at);
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
    *size = (size_t)(to - out);
    return out;
}
