/* tests/e2e/table_copy.h -- the consumer's empty copy of the source: rows in memory, to which the stream is applied
 * strictly (an insert must be new, an update and a delete must find exactly the row they say was there before), and
 * which is compared at the end with the source's own rows, value by value.  A table's first column is its key. */
#ifndef TESTS_E2E_TABLE_COPY_H
#define TESTS_E2E_TABLE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/e2e/stream_record.h"

struct table_copy;

struct table_copy *table_copy_new(void);
void               table_copy_free(struct table_copy *c);
/* Applies one row change; false: it contradicts what came before. */
bool               table_copy_apply(struct table_copy *c, const struct stream_record *r, char *why, size_t why_size);

struct source_address {
    const char *host, *user, *password;
    unsigned    port;
};
/* Compares the named tables ("db.table") with the source; `rows` counts what was compared.
 * False: the first difference. */
bool table_copy_equals_source(struct table_copy *c, const struct source_address *source, char *const *tables,
                              unsigned table_count, uint64_t *rows, char *why, size_t why_size);

#endif
