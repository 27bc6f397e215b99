/* capture/ddl_lex.h -- the words of an SQL text: for the ddl_*.c files only.
 *
 * Comments are passed over; what stands in a version comment counts when the server's version executes it.  A token
 * points into the text; names and strings are unquoted only when asked for.  To look ahead, copy the lexer. */
#ifndef CAPTURE_DDL_LEX_H
#define CAPTURE_DDL_LEX_H

#include "capture/ddl.h"

enum ddl_token_kind {
    DDL_TOKEN_END,
    DDL_TOKEN_WORD,   /* not quoted: a keyword or a name */
    DDL_TOKEN_NAME,   /* quoted name */
    DDL_TOKEN_STRING, /* N'...' too */
    DDL_TOKEN_HEX,    /* x'41', 0x41 */
    DDL_TOKEN_BITS,   /* b'01', 0b01 */
    DDL_TOKEN_NUMBER,
    DDL_TOKEN_MARK, /* one character */
    DDL_TOKEN_BAD,  /* a quote or comment that does not end */
};

struct ddl_token {
    enum ddl_token_kind kind;
    const char *at; /* with its quotes */
    size_t size;
};

struct ddl_lexer {
    const char *at, *end;
    const struct ddl_rules *rules;
    bool in_version_comment;
    bool name_follows; /* behind "name.": digits are a name as well */
    bool behind_name;
};

void ddl_lex_begin(struct ddl_lexer *l, const struct ddl_rules *rules, const char *text, size_t text_bytes);
struct ddl_token ddl_lex_next(struct ddl_lexer *l);

/* The value of a WORD, NAME, STRING, HEX or BITS, NUL-terminated in `arena`; *size without the NUL.  NULL: no memory.
 */
char *ddl_token_text(const struct ddl_token *t, const struct ddl_rules *rules, struct arena *arena, size_t *size);

#endif
