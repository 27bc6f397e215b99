/* capture/catalog_store.h -- the inside of a catalog: for the catalog_*.c files only. */
#ifndef CAPTURE_CATALOG_STORE_H
#define CAPTURE_CATALOG_STORE_H

#include "capture/arena.h"
#include "capture/catalog.h"

struct catalog_database {
    char *name;
    const char *collation;        /* static */
    struct catalog_table **table; /* sorted by name */
    uint32_t table_count, table_capacity;
};

struct catalog {
    struct catalog_server server;
    struct catalog_database *database; /* sorted by name */
    uint32_t database_count, database_capacity;
    uint32_t total_tables;
    uint64_t table_bytes; /* memory of all tables */
    uint64_t version_next;
    struct arena effects; /* of the last catalog_apply */
};

/* How this source compares names of databases and tables; < 0, 0, > 0. */
int catalog_compare_names(const struct catalog *c, const char *a, const char *b);
/* How every server compares names of columns and keys. */
bool catalog_same_column(const char *a, const char *b);

/* A copy of `t` with a version of its own; NULL: no memory. */
struct catalog_table *catalog_table_copy(struct catalog *c, const struct catalog_table *t);
void catalog_table_free(struct catalog *c, struct catalog_table *t);

/* Makes room for `count` more tables, so that placing them cannot fail.  ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err catalog_reserve(struct catalog *c, uint32_t database, uint32_t count);
/* Takes ownership; an old table of that name is freed.  There is room. */
void catalog_place(struct catalog *c, uint32_t database, struct catalog_table *t);

#endif
