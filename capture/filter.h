/* capture/filter.h -- which tables a channel follows.
 *
 * A pattern is `database.table`, `*` stands for any characters in either part, and `database` alone means `database.*`.
 * A part in backticks is taken literally (a doubled backtick is one), so names that hold `.` or `*` can be said.
 * A table is selected when an include pattern matches it and no exclude pattern does.  The system schemas are never
 * selected by a wildcard: an include pattern must name them.  The answer for a table is cached by the caller. */
#ifndef CAPTURE_FILTER_H
#define CAPTURE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { FILTER_PATTERNS_MAX = 10000, FILTER_NAME_BYTES_MAX = 256 }; /* MySQL's names: 64 characters, 3 bytes each */

struct filter;

/* Checks and copies the patterns; both lists end with NULL, `exclude` may be NULL.  `ignore_case`: the source has
 * lower_case_table_names 1 or 2.  ERR_INVALID: a pattern (named in `msg`) is malformed, or there is no include
 * pattern; ERR_TOO_LARGE; ERR_NO_MEMORY. */
NODISCARD enum err filter_open(struct filter **out, const char *const *include, const char *const *exclude,
                               bool ignore_case, struct err_msg *msg);
void filter_close(struct filter *f);

/* Is the one pattern well-formed?  ERR_INVALID with the reason and an example.  Any thread. */
NODISCARD enum err filter_check(const char *pattern, struct err_msg *msg);

/* Names are UTF-8 as the binlog and information_schema give them.  Any thread. */
bool filter_selects(const struct filter *f, const char *database, size_t database_bytes, const char *table,
                    size_t table_bytes);

/* Could any table of this database be selected?  (Exclude patterns count only when they take the whole database.) */
bool filter_selects_database(const struct filter *f, const char *database, size_t database_bytes);

#endif
