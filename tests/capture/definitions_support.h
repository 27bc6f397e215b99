/* tests/capture/definitions_support.h -- for the tests of decoding: definitions that are told, as information_schema
 * tells them, instead of read from a source. */
#ifndef TESTS_CAPTURE_DEFINITIONS_SUPPORT_H
#define TESTS_CAPTURE_DEFINITIONS_SUPPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/definitions.h"

enum { TOLD_COLUMNS_MAX = 4096, TOLD_KEYS_MAX = 8, TOLD_KEY_COLUMNS_MAX = 4 };

struct told_column {
    const char *name, *type, *charset; /* charset NULL: not a text */
};
struct told_key { /* unique */
    const char *name;
    const char *column[TOLD_KEY_COLUMNS_MAX]; /* NULL behind the last; "": an expression */
};

struct told {
    struct tracker *tracker;
    struct definitions definitions;
    struct schema_rules rules;
};

/* `version` as @@version says it. */
void told_open(struct told *t, const char *version, const struct record_format *format, bool is_rds, bool ignore_case);
/* Before the first table: text is converted (struct schema_rules). */
void told_deliver_utf8mb4(struct told *t);
void told_close(struct told *t);
void told_table(struct told *t, const char *database, const char *table, const struct told_column *column,
                uint32_t column_count, const struct told_key *key, uint32_t key_count, bool is_versioned);
void told_drop(struct told *t, const char *database, const char *table);
/* NULL: there is none. */
const struct schema_table *told_find(struct told *t, const char *database, const char *table);
/* As told_find, with the error. */
enum err told_define(struct told *t, const char *database, const char *table, const struct schema_table **out,
                     struct err_msg *msg);

#endif
