/* storage/tail.h -- a log's hot tail: which chunks hold its newest bytes, and where in the segment they lie.
 *
 * A ring of entries, one a chunk, in the order of the log; one writer (the storage thread), any readers.  It is also
 * the writer's list of what goes to disk.  A reader copies an entry (tail_get), pins the chunk, and asks tail_holds:
 * from then on the bytes stay until it unpins. */
#ifndef STORAGE_TAIL_H
#define STORAGE_TAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define TAIL_NO_BATCH UINT64_MAX

struct tail_place {
    uint32_t chunk;
    uint32_t first_position; /* bytes from the chunk's start: the first batch that begins here */
    uint64_t first_offset;   /* its base offset; TAIL_NO_BATCH: none does (yet), a batch passes through */
    uint64_t segment_base;   /* the segment whose image this is */
    uint64_t file_position;  /* of the chunk's byte 0 in the segment; multiple of LOG_BLOCK_BYTES */
};

struct tail_entry {
    _Atomic uint32_t chunk, first_position;
    _Atomic uint64_t first_offset, segment_base, file_position;
    uint32_t filled; /* writer only: bytes up to the end of what is accepted */
};

struct tail {
    struct tail_entry *entry;
    uint32_t capacity; /* power of two */
    _Atomic uint64_t first, next; /* entries since the log was opened */
};

NODISCARD enum err tail_init(struct tail *t, uint32_t entries); /* rounded up to a power of two */
void               tail_fini(struct tail *t);

/* Writer. */
static inline struct tail_entry *tail_at(const struct tail *t, uint64_t seq)
{
    return &t->entry[seq & (t->capacity - 1)];
}
void     tail_push(struct tail *t, const struct tail_place *place, uint32_t filled);
/* A batch begins in the newest entry, in which none began before. */
void     tail_first_batch(struct tail *t, uint64_t seq, uint64_t offset, uint32_t position);
/* Takes the oldest entry out and returns its chunk, which must then go through chunk_leave. */
uint32_t tail_pop(struct tail *t);

/* Any thread. */
static inline uint64_t tail_first(const struct tail *t)
{
    return atomic_load_explicit(&t->first, memory_order_seq_cst);
}
static inline uint64_t tail_next(const struct tail *t) { return atomic_load_explicit(&t->next, memory_order_acquire); }
bool tail_get(const struct tail *t, uint64_t seq, struct tail_place *out);
/* After pinning the chunk of an entry: it is still in the tail. */
static inline bool tail_holds(const struct tail *t, uint64_t seq) { return tail_first(t) <= seq; }
/* The newest entry whose first batch begins at or before `offset`; false: none. */
bool tail_find(const struct tail *t, uint64_t offset, uint64_t *seq, struct tail_place *out);

#endif
