/* capture/statement.h -- what the text of a QUERY event is, told from its first words.
 *
 * Not a parser: it answers which of the few kinds below a statement belongs to and, for statements that change tables,
 * which names they touch.  Where it cannot tell, it says so (STATEMENT_TOUCHES_UNKNOWN) and the caller takes the safe
 * side.  Pure, no allocation.  Any thread. */
#ifndef CAPTURE_STATEMENT_H
#define CAPTURE_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum statement_kind {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_SAVEPOINT,
    STATEMENT_ROLLBACK_TO,
    STATEMENT_XA,
    STATEMENT_ACCOUNT,   /* its text holds secrets: never emitted, never logged */
    STATEMENT_TABLE,     /* changes tables: CREATE, ALTER, DROP, RENAME TABLE; INDEX; DATABASE */
    STATEMENT_TRUNCATE,  /* empties a table, leaves its definition */
    STATEMENT_OTHER_DDL, /* views, triggers, routines, events, ...: no table's definition changes */
    STATEMENT_CHANGE,    /* INSERT, UPDATE, ...: row changes logged as a statement */
    STATEMENT_NEUTRAL,   /* FLUSH, ANALYZE, a comment, ...: nothing that concerns a follower */
};

enum statement_touches {
    STATEMENT_TOUCHES_NOTHING,
    STATEMENT_TOUCHES_TABLES,
    STATEMENT_TOUCHES_DATABASE,
    STATEMENT_TOUCHES_UNKNOWN
};

enum { STATEMENT_NAMES_MAX = 32, STATEMENT_NAME_BYTES = 256 };

struct statement_name {                  /* NUL-terminated, without quotes */
    char database[STATEMENT_NAME_BYTES]; /* the QUERY event's default when the text names none */
    char table[STATEMENT_NAME_BYTES];    /* "" when a database is touched as a whole */
};

struct statement {
    enum statement_kind kind;
    enum statement_touches touches;
    bool is_conditional;     /* IF [NOT] EXISTS: it may have done nothing */
    bool makes;              /* CREATE TABLE or DATABASE of what was not there */
    bool starts_transaction; /* MySQL 8.0.21: CREATE TABLE ... START TRANSACTION, rows follow in the same GTID */
    uint32_t name_count;
    struct statement_name name[STATEMENT_NAMES_MAX];
};

/* About 16 KB: keep one, do not put it on the stack of a hot path.  The kinds from BEGIN to XA are recognised first and
 * cost a few compares. */
void statement_classify(struct statement *out, const char *text, size_t text_bytes, const char *database,
                        size_t database_bytes);

/* Is the text UTF-8?  If not, it is taken as latin1 and turned into UTF-8 in `out` (2 x size bytes are always enough).
 * Returns the UTF-8 text, either `text` or `out`. */
const char *statement_text_utf8(const char *text, size_t size, char *out, size_t *out_bytes);

#endif
