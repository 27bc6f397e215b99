#include "capture/sql_split.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t behind(const char *text, size_t size, size_t at, const char *mark)
{
    const char *found = at < size ? memmem(text + at, size - at, mark, strlen(mark)) : NULL;
    return found == NULL ? size : (size_t)(found - text) + strlen(mark);
}

static size_t behind_quote(const char *text, size_t size, size_t at)
{
    char quote = text[at++];
    while (at < size && text[at] != quote) at += text[at] == '\\' && quote != '`' ? 2 : 1;
    return at < size ? at + 1 : size; /* a doubled quote is two strings in a row: the end is the same */
}

/* Behind the token at `at`, which is no space and no ';'. */
static size_t behind_token(const char *text, size_t size, size_t at)
{
    size_t left = size - at;
    char c = text[at];
    if (c == '\'' || c == '"' || c == '`') return behind_quote(text, size, at);
    if (c == '#') return behind(text, size, at, "\n");
    if (c == '-' && left > 2 && text[at + 1] == '-' && is_space(text[at + 2])) return behind(text, size, at, "\n");
    if (c == '/' && left > 1 && text[at + 1] == '*') return behind(text, size, at + 2, "*/");
    return at + 1;
}

/* One that is not executed by any version. */
static bool is_comment(const char *text, size_t left)
{
    if (text[0] == '#') return true;
    if (left > 2 && text[0] == '-' && text[1] == '-') return is_space(text[2]);
    return left > 2 && text[0] == '/' && text[1] == '*' && text[2] != '!' && text[2] != 'M';
}

bool sql_split_next(const char *text, size_t size, size_t *at, const char **statement, size_t *statement_bytes)
{
    while (*at < size && (is_space(text[*at]) || text[*at] == ';' || is_comment(text + *at, size - *at)))
        *at = behind_token(text, size, *at);
    if (*at == size) return false;
    size_t from = *at, to = from;
    while (to < size && text[to] != ';') to = behind_token(text, size, to);
    *at = to;
    *statement = text + from;
    *statement_bytes = to - from;
    return true;
}
