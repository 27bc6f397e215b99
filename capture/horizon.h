/* capture/horizon.h -- what lies in the binlog between the place where capture goes on and where the source stands.
 *
 * Definitions that are read from the source are those of now, while the stream may be behind.  Capture therefore reads
 * the binlog ahead and notes which tables have their definitions changed on the way: what was read is true behind the
 * last such statement, and nowhere before it.  Also noted: transactions that end without their changes. */
#ifndef CAPTURE_HORIZON_H
#define CAPTURE_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/source_facts.h"
#include "capture/statement.h"

enum { HORIZON_DEAD_MAX = 4096 };

struct horizon_touch {
    struct source_place place; /* the last statement's end */
    char *database;
    char *table; /* in the same memory; "": the whole database */
    bool is_made; /* by the first noted statement that touches it */
};

struct horizon {
    bool is_known;
    struct horizon_touch *touch; /* sorted by name, without case: names that differ only so may be one */
    uint32_t touch_count, touch_capacity;
    bool touches_all; /* a statement that may have touched any table */
    struct source_place all_place;
    struct source_place *dead; /* where transactions begin that end without their changes, in the binlog's order */
    uint32_t dead_count, dead_capacity, dead_next;
};

void horizon_clear(struct horizon *h);
void horizon_free(struct horizon *h);

/* Notes a statement that was read ahead; in the binlog's order.  ERR_NO_MEMORY. */
NODISCARD enum err horizon_note(struct horizon *h, const struct source_place *place, const struct statement *st);
/* The end of the last noted statement that touches, or may touch, this table; NULL: none does. */
const struct source_place *horizon_last(const struct horizon *h, const char *database, const char *table);

/* Notes a transaction that is rolled back, or in whose middle the source crashed.  One that did not fit into a batch
 * was partly sent, and had the log cut: nothing of it may be sent again, or that would never end.  Those above
 * HORIZON_DEAD_MAX are left to the next look.  ERR_NO_MEMORY. */
NODISCARD enum err horizon_note_dead(struct horizon *h, const struct source_place *start);
/* Is it one of them?  To be asked in the binlog's order. */
bool horizon_is_dead(struct horizon *h, const struct source_place *start);

#endif
