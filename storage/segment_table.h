/* storage/segment_table.h -- the segments of a log, oldest first, as readers see them.
 *
 * A ring with one writer; `first` and `next` count segments since the log was opened.  A reader copies an entry and
 * then checks that it was still in the table (segment_get). */
#ifndef STORAGE_SEGMENT_TABLE_H
#define STORAGE_SEGMENT_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SEGMENTS_MAX = 1 << 16 }; /* a log; power of two */

struct segment_info {
    uint64_t base_offset;
    uint64_t bytes;            /* durable; the last segment grows */
    uint64_t appended_ms;      /* wall clock of the last append */
    int64_t  max_timestamp_ms; /* -1: no record */
    bool     ends_transaction; /* its last record is the last of a transaction: the next segment may begin the log */
};

struct segment_entry {
    _Atomic uint64_t base_offset, bytes, appended_ms;
    _Atomic int64_t  max_timestamp_ms;
    _Atomic bool     ends_transaction;
};

struct segment_table {
    struct segment_entry *entry;
    _Atomic uint64_t first, next;
    _Atomic uint64_t total_bytes; /* of all, for anyone to see */
};

NODISCARD enum err segment_table_init(struct segment_table *t);
void               segment_table_fini(struct segment_table *t);

/* Writer.  The table holds at most SEGMENTS_MAX - 1: append answers false beyond. */
NODISCARD bool segment_append(struct segment_table *t, const struct segment_info *info);
void           segment_update(struct segment_table *t, uint64_t seq, const struct segment_info *info);
void           segment_drop_first(struct segment_table *t); /* the oldest */
void           segment_drop_last(struct segment_table *t);  /* one in which nothing was visible */

/* Any thread.  False: `seq` is not in the table (any more). */
bool segment_get(const struct segment_table *t, uint64_t seq, struct segment_info *out);
/* The segment that holds `offset` (the last with a base at or below it).  False: below the first. */
bool segment_find(const struct segment_table *t, uint64_t offset, uint64_t *seq, struct segment_info *out);

static inline uint64_t segment_first(const struct segment_table *t)
{
    return atomic_load_explicit(&t->first, memory_order_seq_cst);
}
static inline uint64_t segment_next(const struct segment_table *t)
{
    return atomic_load_explicit(&t->next, memory_order_acquire);
}

#endif
