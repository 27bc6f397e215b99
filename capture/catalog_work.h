/* capture/catalog_work.h -- one statement on its way into the catalog: for the catalog_*.c files only.
 *
 * Everything that the statement makes is built in the work's arena and noted in its plan; the catalog itself changes
 * at the end, in steps that cannot fail. */
#ifndef CAPTURE_CATALOG_WORK_H
#define CAPTURE_CATALOG_WORK_H

#include "capture/catalog_store.h"
#include "capture/charset.h"
#include "capture/ddl.h"

struct catalog_planned {         /* what the name stands for once the statement is done */
    const char *database, *name; /* as the source folds them */
    struct catalog_table *table; /* NULL: nothing */
};

struct catalog_work {
    struct catalog *c;
    const struct catalog_context *context;
    struct ddl_statement s;
    const char *text;
    size_t text_bytes;
    struct arena arena;
    bool is_shown; /* the text says how things are: CATALOG_SHOWN */
    struct err_msg *msg;
    struct catalog_planned *plan;
    uint32_t plan_count, plan_capacity;
    struct catalog_change *change; /* in the catalog's `effects` */
    uint32_t change_count, change_capacity;
};

/* Returns `code` with a sentence: the statement, the place (NULL: not told), the reason. */
enum err catalog_fail(const struct catalog_work *w, enum err code, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- catalog_charset.c: character sets and collations as a statement names them ---- */

/* The collation that CHARACTER SET `charset` COLLATE `collation` means, either of them NULL or "" (DEFAULT); `standard`
 * where neither is given, `by_default` for DEFAULT. */
NODISCARD enum err catalog_resolve(const struct catalog_work *w, const char *charset, const char *collation,
                                   const struct collation *standard, const struct collation *by_default,
                                   struct collation *out);
/* Can the UTF-8 text be written in the character set?  Sure to be so when true. */
bool catalog_can_write(const struct charset *cs, const char *text, size_t bytes);
/* Do texts in the one have the same bytes in the other, `is_ascii` or not? */
bool catalog_same_bytes(const struct charset *a, const struct charset *b, bool is_ascii);
/* By a name that the catalog itself holds. */
struct collation catalog_collation(const struct catalog *c, const char *name);

/* ---- catalog_type.c ---- */

/* The column that a definition makes in a table whose default is `standard`.  Texts lie in the work's arena. */
NODISCARD enum err catalog_make_column(struct catalog_work *w, const struct ddl_column *d,
                                       const struct collation *standard, struct catalog_column *out);
/* CONVERT TO CHARACTER SET: the column's text type in another collation. */
NODISCARD enum err catalog_convert_column(struct catalog_work *w, const struct collation *to,
                                          struct catalog_column *column);

/* ---- catalog_alter.c and catalog_keys.c ---- */

/* MariaDB takes that many bytes of a geometry, as long as the length in front of it, for the whole and shows none. */
enum { CATALOG_GEOMETRY_WHOLE = 4 };

struct catalog_draft_part {
    const char *name; /* of the column, as it is called in the new table; NULL: an expression */
    uint32_t prefix_chars;
    bool is_descending;
};
struct catalog_draft_key {
    struct catalog_key key; /* name NULL: to be made up; part is not used */
    struct catalog_draft_part *part;
    uint16_t part_count;
    bool uses_hash; /* USING HASH */
    bool is_kept;   /* of the old table */
};
struct catalog_draft { /* a table being made */
    struct catalog_column *column;
    struct catalog_draft_key *key;
    uint32_t column_count, key_count, key_capacity;
};

/* The new definition: `old` (or an empty table of the new name) after all of the statement's specs.  Its name may be
 * another. */
NODISCARD enum err catalog_alter(struct catalog_work *w, const struct catalog_table *old, struct catalog_table **out);
/* Appends a key to a draft.  ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err catalog_draft_key_add(struct catalog_work *w, struct catalog_draft *d,
                                         const struct catalog_draft_key *key);
bool catalog_is_geometry(const char *type);
/* Names keys, leaves out those that others serve, makes primary columns NOT NULL, and puts them in the source's order.
 */
NODISCARD enum err catalog_settle_keys(struct catalog_work *w, struct catalog_draft *d, struct catalog_table *out);

/* ---- catalog_apply.c ---- */

/* What a name stands for, the plan included; NULL: nothing. */
const struct catalog_table *catalog_work_find(const struct catalog_work *w, const char *database, const char *name);
/* The two parts of a name as the source folds them.  ERR_UNSUPPORTED: no database is said. */
NODISCARD enum err catalog_work_name(struct catalog_work *w, const struct ddl_name *name, const char **database,
                                     const char **table);
NODISCARD enum err catalog_work_plan(struct catalog_work *w, const char *database, const char *name,
                                     struct catalog_table *table);
NODISCARD enum err catalog_work_note(struct catalog_work *w, enum catalog_change_kind kind, const char *database,
                                     const char *table, const char *old_database, const char *old_table);

#endif
