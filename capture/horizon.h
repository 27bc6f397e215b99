/* capture/horizon.h -- how far the table definitions that we hold are true.
 *
 * Definitions are read from the source as they are now, while the stream may be behind.  Capture therefore reads the
 * binlog ahead, up to where it stood after the definitions were read, and notes every statement on the way that changes
 * a selected table.  Rows of such a table before such a statement cannot be named: they end the channel with an error.
 * A statement behind `loaded` makes the definitions old: they must be read again. */
#ifndef CAPTURE_HORIZON_H
#define CAPTURE_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/filter.h"
#include "capture/source_facts.h"
#include "capture/statement.h"

enum { HORIZON_ENTRIES_MAX = 4096, HORIZON_DEAD_MAX = 4096 };

struct horizon_entry {
    struct source_place place;  /* the statement's end */
    bool is_all;                /* it may have touched any table */
    struct statement_name name; /* table "": the whole database */
};

struct horizon {
    bool is_known;
    struct source_place loaded;  /* the definitions hold all that happened before this place */
    struct horizon_entry *entry; /* in the binlog's order */
    uint32_t entry_count, entry_capacity;
    struct source_place *dead; /* where transactions begin that end without their changes, in the binlog's order */
    uint32_t dead_count, dead_capacity, dead_next;
};

void horizon_clear(struct horizon *h, const struct source_place *loaded);
void horizon_free(struct horizon *h);

/* Does the statement change the definition of a selected table, or may it? */
bool horizon_concerns(const struct filter *filter, const struct statement *st);
/* Notes a statement read ahead.  ERR_NO_MEMORY. */
NODISCARD enum err horizon_note(struct horizon *h, const struct source_place *place, const struct filter *filter,
                                const struct statement *st);
/* The stream has passed `place`. */
void horizon_pass(struct horizon *h, const struct source_place *place);
/* The first noted statement that touches this table, or NULL: its definition is true from here on. */
const struct horizon_entry *horizon_find(const struct horizon *h, const char *database, const char *table);

/* Notes a transaction that is rolled back, or in whose middle the source crashed.  One that did not fit into a batch
 * was partly sent, and had the log cut: nothing of it may be sent again, or that would never end.  Those above
 * HORIZON_DEAD_MAX are left to the next look.  ERR_NO_MEMORY. */
NODISCARD enum err horizon_note_dead(struct horizon *h, const struct source_place *start);
/* Is it one of them?  To be asked in the binlog's order. */
bool horizon_is_dead(struct horizon *h, const struct source_place *start);

#endif
