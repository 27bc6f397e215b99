/* capture/sql_split.h -- a file of SQL statements into its statements.  Pure.  Any thread. */
#ifndef CAPTURE_SQL_SPLIT_H
#define CAPTURE_SQL_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* The next statement at or behind `*at` (bytes from the text's start), without the ';' that ends it; moves `*at` behind
 * it.  Comments in front are left out.  A ';' in quotes, backticks or comments ends nothing; a
 * backslash in quotes protects the next character.  False: none is left. */
bool sql_split_next(const char *text, size_t size, size_t *at, const char **statement, size_t *statement_bytes);

#endif
