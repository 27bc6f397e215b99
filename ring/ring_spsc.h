/* ring/ring_spsc.h -- one producer thread, one consumer thread, variable-size records, no loss.
 *
 * The producer claims room, writes, and commits a burst; the consumer takes records with next and gives the
 * whole burst back with release.  When the ring is full, claim answers NULL and the producer waits or sheds load
 * further up: nothing is ever dropped here.
 *
 * Positions count bytes since creation and never wrap (2^64 bytes); always
 *     head <= read <= tail <= write <= head + capacity.
 * A record is an 8-byte header (its size) and its bytes, padded to 8; a record never straddles the end of the
 * buffer (a pad record fills it up), so that both sides see contiguous bytes. */
#ifndef RING_RING_SPSC_H
#define RING_RING_SPSC_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum { CACHE_LINE_PAIR = 128 }; /* the prefetcher moves lines in pairs */

struct ring_spsc {
    uint8_t *bytes;                                 /* owned, 8-byte aligned */
    uint64_t capacity;                              /* bytes, power of two */
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t tail; /* the producer writes */
    uint64_t write, head_seen;                      /* producer only */
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t head; /* the consumer writes */
    uint64_t read, tail_seen;                       /* consumer only */
};

/* capacity: a power of two, at least 4096.  ERR_NO_MEMORY, ERR_INVALID. */
NODISCARD enum err ring_spsc_init(struct ring_spsc *r, uint64_t capacity_bytes);
void               ring_spsc_fini(struct ring_spsc *r); /* neither side may be using it */

/* The largest record that may be claimed: a quarter of the capacity less 8 bytes.  An empty ring has room for it. */
uint32_t    ring_spsc_record_max(const struct ring_spsc *r);

/* Producer.  claim: room for `size` bytes (8-byte aligned) or NULL when full; it may be called again before commit.
 * commit publishes every claim so far. */
void       *ring_spsc_claim(struct ring_spsc *r, uint32_t size);
void        ring_spsc_commit(struct ring_spsc *r);

/* Consumer.  next: the next record or NULL when empty; it stays valid until release, which returns all records taken so
 * far. */
const void *ring_spsc_next(struct ring_spsc *r, uint32_t *size);
void        ring_spsc_release(struct ring_spsc *r);

#endif
