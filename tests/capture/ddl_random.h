/* tests/capture/ddl_random.h -- random DDL statements of the kinds and forms that servers take: many succeed, some
 * fail. */
#ifndef TESTS_CAPTURE_DDL_RANDOM_H
#define TESTS_CAPTURE_DDL_RANDOM_H

#include <stdio.h>

#include "base/random.h"
#include "capture/catalog.h"

struct ddl_random {
    struct random dice;
    const struct catalog *catalog; /* what is there: names to choose from */
    struct catalog_server server;
    const char *database; /* the session's default */
    uint64_t sql_mode;
    bool knows_uuid;        /* MariaDB 10.7 */
    bool lacks_expressions; /* as parts of keys, in this statement */
};

/* One statement, without ";". */
void ddl_random_statement(struct ddl_random *g, FILE *out);
/* Databases' names are of this list. */
const char *ddl_random_database(struct ddl_random *g);
uint64_t ddl_random_below(struct ddl_random *g, uint64_t bound);

#endif
