/* capture/ddl_parser.h -- what the ddl_*.c files share: a reader of tokens with one token of look-ahead. */
#ifndef CAPTURE_DDL_PARSER_H
#define CAPTURE_DDL_PARSER_H

#include "capture/ddl_lex.h"

struct ddl_parser {
    struct ddl_lexer lexer;
    struct ddl_token token; /* the next one, not taken yet */
    struct arena *arena;
    const struct ddl_rules *rules;
    const char *text;
    size_t text_bytes;
    struct err_msg *msg;
    struct ddl_statement *out;
    struct ddl_spec **spec_end; /* where the next spec is linked */
};

/* Is it the next token?  Words match whatever their case, and never a quoted name. */
bool ddl_is_word(const struct ddl_parser *p, const char *word);
bool ddl_is_mark(const struct ddl_parser *p, char mark);
bool ddl_is_end(const struct ddl_parser *p); /* ";" and nothing behind it, too */
/* Is the word the next token and this one (or one of two) the second? */
bool ddl_is_words(const struct ddl_parser *p, const char *first, const char *second);
bool ddl_is_behind(const struct ddl_parser *p, const char *second_word, char or_mark);
void ddl_advance(struct ddl_parser *p);
/* Takes it if it is the next one. */
bool ddl_take_word(struct ddl_parser *p, const char *word);
bool ddl_take_words(struct ddl_parser *p, const char *first, const char *second);
bool ddl_take_mark(struct ddl_parser *p, char mark);
/* Takes the next word if the space-separated list holds it. */
bool ddl_take_any_of(struct ddl_parser *p, const char *words);

/* ERR_UNSUPPORTED with the statement, the place, and what was expected there. */
enum err ddl_fail(const struct ddl_parser *p, const char *expected);

NODISCARD enum err ddl_need_word(struct ddl_parser *p, const char *word);
NODISCARD enum err ddl_need_mark(struct ddl_parser *p, char mark);
NODISCARD enum err ddl_need_name(struct ddl_parser *p, const char **name);      /* a column, key, ... */
NODISCARD enum err ddl_need_table(struct ddl_parser *p, struct ddl_name *name); /* [database.]name */
NODISCARD enum err ddl_need_number(struct ddl_parser *p, uint64_t *number);
NODISCARD enum err ddl_need_text(struct ddl_parser *p, const char **text); /* a name, word or string */
/* Passes one token of any kind, or a whole "( ... )". */
NODISCARD enum err ddl_skip_one(struct ddl_parser *p);
NODISCARD enum err ddl_skip_parentheses(struct ddl_parser *p);
void ddl_take_exists(struct ddl_parser *p, bool *if_exists, bool *if_not_exists);
/* MariaDB: WAIT n, NOWAIT. */
NODISCARD enum err ddl_skip_wait(struct ddl_parser *p);

/* A new spec at the list's end; NULL: no memory, or DDL_SPECS_MAX of them. */
struct ddl_spec *ddl_new_spec(struct ddl_parser *p, enum ddl_spec_kind kind);

/* ddl_type.c: a type with its sizes, labels and character set. */
NODISCARD enum err ddl_parse_type(struct ddl_parser *p, struct ddl_column *c);
/* CHARACTER SET x, CHARSET x, behind optional DEFAULT; false: neither is next.  COLLATE x likewise. */
bool ddl_at_charset(const struct ddl_parser *p);
NODISCARD enum err ddl_parse_charset(struct ddl_parser *p, const char **charset);
NODISCARD enum err ddl_parse_collate(struct ddl_parser *p, const char **collation);

/* ddl_column.c: type and attributes behind a column's name; keys. */
NODISCARD enum err ddl_parse_column(struct ddl_parser *p, const char *name, const struct ddl_column **out);
/* At PRIMARY, UNIQUE, KEY, INDEX, FULLTEXT, SPATIAL, VECTOR, FOREIGN, CONSTRAINT, CHECK, PERIOD? */
bool ddl_at_key(const struct ddl_parser *p);
/* A key, a constraint or a period; adds a spec where it is a key.  `if_not_exists`: said before. */
NODISCARD enum err ddl_parse_key(struct ddl_parser *p);
/* "( part, ... ) options" of a key. */
NODISCARD enum err ddl_parse_parts(struct ddl_parser *p, struct ddl_key *k);
NODISCARD enum err ddl_parse_key_options(struct ddl_parser *p, struct ddl_key *k);

/* ddl_table.c */
NODISCARD enum err ddl_parse_element(struct ddl_parser *p); /* a column or key in the parentheses of a table */
NODISCARD enum err ddl_parse_options(struct ddl_parser *p, bool *any);
NODISCARD enum err ddl_skip_partitions(struct ddl_parser *p);
NODISCARD enum err ddl_parse_create_table(struct ddl_parser *p);

/* ddl_alter.c: behind ALTER TABLE name; CREATE and DROP INDEX behind INDEX. */
NODISCARD enum err ddl_parse_alter(struct ddl_parser *p);
NODISCARD enum err ddl_parse_create_index(struct ddl_parser *p, enum ddl_key_kind kind);
NODISCARD enum err ddl_parse_drop_index(struct ddl_parser *p);

#endif
