#include "capture/ddl_parser.h"

#include <string.h>
#include <strings.h>

static bool token_is_word(const struct ddl_token *t, const char *word, size_t size)
{
    return t->kind == DDL_TOKEN_WORD && t->size == size && strncasecmp(t->at, word, size) == 0;
}

bool ddl_is_word(const struct ddl_parser *p, const char *word)
{
    return token_is_word(&p->token, word, strlen(word));
}

bool ddl_is_mark(const struct ddl_parser *p, char mark)
{
    return p->token.kind == DDL_TOKEN_MARK && *p->token.at == mark;
}

bool ddl_is_end(const struct ddl_parser *p)
{
    if (p->token.kind == DDL_TOKEN_END) return true;
    if (!ddl_is_mark(p, ';')) return false;
    struct ddl_lexer ahead = p->lexer;
    return ddl_lex_next(&ahead).kind == DDL_TOKEN_END;
}

bool ddl_is_behind(const struct ddl_parser *p, const char *second_word, char or_mark)
{
    struct ddl_lexer ahead = p->lexer;
    struct ddl_token t = ddl_lex_next(&ahead);
    if (t.kind == DDL_TOKEN_MARK) return or_mark != 0 && *t.at == or_mark;
    return second_word != NULL && token_is_word(&t, second_word, strlen(second_word));
}

bool ddl_is_words(const struct ddl_parser *p, const char *first, const char *second)
{
    return ddl_is_word(p, first) && ddl_is_behind(p, second, 0);
}

void ddl_advance(struct ddl_parser *p)
{
    p->token = ddl_lex_next(&p->lexer);
}

bool ddl_take_word(struct ddl_parser *p, const char *word)
{
    bool is = ddl_is_word(p, word);
    if (is) ddl_advance(p);
    return is;
}

bool ddl_take_words(struct ddl_parser *p, const char *first, const char *second)
{
    bool is = ddl_is_words(p, first, second);
    if (is) {
        ddl_advance(p);
        ddl_advance(p);
    }
    return is;
}

bool ddl_take_mark(struct ddl_parser *p, char mark)
{
    bool is = ddl_is_mark(p, mark);
    if (is) ddl_advance(p);
    return is;
}

bool ddl_take_any_of(struct ddl_parser *p, const char *words)
{
    while (*words != 0) {
        size_t size = strcspn(words, " ");
        if (token_is_word(&p->token, words, size)) {
            ddl_advance(p);
            return true;
        }
        words += size;
        words += strspn(words, " ");
    }
    return false;
}

int ddl_shown_bytes(const char *text, size_t size, size_t size_max)
{
    size_t n = size < size_max ? size : size_max;
    while (n < size && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    return (int)n;
}

enum err ddl_fail(const struct ddl_parser *p, const char *expected)
{
    size_t place = (size_t)(p->token.at - p->text), left = p->text_bytes - place;
    return err_set(p->msg, ERR_UNSUPPORTED, "the statement `%.*s` cannot be read at byte %zu, `%.*s`: %s expected",
                   ddl_shown_bytes(p->text, p->text_bytes, 160), p->text, place, ddl_shown_bytes(p->token.at, left, 40),
                   p->token.at, expected);
}

enum err ddl_need_word(struct ddl_parser *p, const char *word)
{
    return ddl_take_word(p, word) ? ERR_OK : ddl_fail(p, word);
}

enum err ddl_need_mark(struct ddl_parser *p, char mark)
{
    char text[2] = {mark, 0};
    return ddl_take_mark(p, mark) ? ERR_OK : ddl_fail(p, text);
}

static enum err take_text(struct ddl_parser *p, const char **text)
{
    size_t size;
    char *copy = ddl_token_text(&p->token, p->rules, p->arena, &size);
    if (copy == NULL) return ERR_NO_MEMORY;
    if (strlen(copy) != size) return ddl_fail(p, "a name without NUL");
    *text = copy;
    ddl_advance(p);
    return ERR_OK;
}

enum err ddl_need_name(struct ddl_parser *p, const char **name)
{
    bool is_name = p->token.kind == DDL_TOKEN_NAME && p->token.size > 2;
    if (!is_name && p->token.kind != DDL_TOKEN_WORD) return ddl_fail(p, "a name");
    if (p->token.size > 4 * 64 * 2 + 2) return ddl_fail(p, "a name of 64 characters at most");
    return take_text(p, name);
}

enum err ddl_need_text(struct ddl_parser *p, const char **text)
{
    return p->token.kind == DDL_TOKEN_STRING ? take_text(p, text) : ddl_need_name(p, text);
}

enum err ddl_need_table(struct ddl_parser *p, struct ddl_name *name)
{
    *name = (struct ddl_name){.at = p->token.at};
    ddl_take_mark(p, '.'); /* ".t": the default database */
    TRY(ddl_need_name(p, &name->name));
    if (!ddl_is_mark(p, '.')) return ERR_OK;
    /* A blank may stand around the point. */
    p->lexer.name_follows = true;
    ddl_advance(p);
    name->database = name->name;
    return ddl_need_name(p, &name->name);
}

enum err ddl_need_number(struct ddl_parser *p, uint64_t *number)
{
    if (p->token.kind != DDL_TOKEN_NUMBER) return ddl_fail(p, "a number");
    *number = 0;
    for (size_t i = 0; i < p->token.size && p->token.at[i] != '.'; i++) {
        if (*number > UINT64_MAX / 10 - 10) return ddl_fail(p, "a smaller number");
        if (p->token.at[i] < '0' || p->token.at[i] > '9') return ddl_fail(p, "a whole number");
        *number = *number * 10 + (uint64_t)(p->token.at[i] - '0');
    }
    ddl_advance(p);
    return ERR_OK;
}

enum err ddl_skip_parentheses(struct ddl_parser *p)
{
    uint32_t depth = 0;
    do {
        if (p->token.kind == DDL_TOKEN_END || p->token.kind == DDL_TOKEN_BAD) return ddl_fail(p, ")");
        if (ddl_is_mark(p, '(')) depth++;
        if (ddl_is_mark(p, ')')) depth--;
        ddl_advance(p);
    } while (depth != 0);
    return ERR_OK;
}

enum err ddl_skip_one(struct ddl_parser *p)
{
    if (ddl_is_mark(p, '(')) return ddl_skip_parentheses(p);
    if (p->token.kind == DDL_TOKEN_END || p->token.kind == DDL_TOKEN_BAD) return ddl_fail(p, "more text");
    ddl_advance(p);
    return ERR_OK;
}

void ddl_take_exists(struct ddl_parser *p, bool *if_exists, bool *if_not_exists)
{
    if (ddl_take_words(p, "IF", "EXISTS")) {
        *if_exists = true;
    } else if (ddl_is_words(p, "IF", "NOT")) {
        ddl_advance(p);
        ddl_advance(p);
        *if_not_exists = ddl_take_word(p, "EXISTS");
    }
}

enum err ddl_skip_wait(struct ddl_parser *p)
{
    if (ddl_take_word(p, "NOWAIT")) return ERR_OK;
    uint64_t seconds;
    return ddl_take_word(p, "WAIT") ? ddl_need_number(p, &seconds) : ERR_OK;
}

struct ddl_spec *ddl_new_spec(struct ddl_parser *p, enum ddl_spec_kind kind)
{
    struct ddl_spec *s = p->out->spec_count == DDL_SPECS_MAX ? NULL : arena_alloc(p->arena, sizeof *s);
    if (s == NULL) return NULL;
    p->out->spec_count++;
    s->kind = kind;
    s->at = p->token.at;
    *p->spec_end = s;
    p->spec_end = &s->next;
    return s;
}
