/* tests/capture/catalog_compare.h -- a catalog held against what a real server says. */
#ifndef TESTS_CAPTURE_CATALOG_COMPARE_H
#define TESTS_CAPTURE_CATALOG_COMPARE_H

#include <mysql.h>
#include <stdbool.h>
#include <stdio.h>

#include "capture/catalog.h"

/* Runs a query; the result may be empty.  NULL: it failed. */
MYSQL_RES *compare_query(MYSQL *db, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum { COMPARE_KEY_ORDER = 1, COMPARE_IMPLIED = 2 };
/* true: equal; else the first difference is in `why`. */
bool compare_tables(const struct catalog_table *a, const struct catalog_table *b, unsigned what, FILE *why);

/* Puts what information_schema says of one table into `c` (its database too); false: there is no such table. */
bool compare_load(MYSQL *db, struct catalog *c, const char *database, const char *table);

/* Every database and table of the catalog against the server's lists of names. */
bool compare_names(MYSQL *db, const struct catalog *c, FILE *why);

#endif
