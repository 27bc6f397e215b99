/* ring/ring_spsc.h -- one producer thread, one consumer thread, variable-size records, no loss.
 *
 * The producer claims room, writes, and commits a burst; the consumer takes records with next and gives the
 * whole burst back with release.  When the ring is full, claim answers NULL and the producer waits or sheds load
 * further up: nothing is ever dropped here.
 *
 * Positions count bytes since creation and never wrap (2^64 bytes); always
 *     head <= read <= tail <= write <= head + capacity.
 * A record is an 8-byte header (its size) and its bytes, padded to 8; a record never straddles the end of the
 * buffer (a pad record fills it up), so that both sides see contiguous bytes.
 *
 * What each record costs is inline: by calls, a record of 64 bytes took a third longer (bench_ring). */
#ifndef RING_RING_SPSC_H
#define RING_RING_SPSC_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/invariant.h"

enum {
    CACHE_LINE_PAIR   = 128, /* the prefetcher moves lines in pairs */
    RING_RECORD_ALIGN = 8,
};

struct ring_spsc {
    uint8_t *bytes;                                 /* owned, 8-byte aligned */
    uint64_t capacity;                              /* bytes, power of two */
    uint32_t record_max;
    /* Each side's own is apart from what the other looks at, or it would wait for that line with every record. */
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t tail; /* the producer writes */
    alignas(CACHE_LINE_PAIR) uint64_t write;        /* producer only */
    uint64_t head_seen;
    alignas(CACHE_LINE_PAIR) _Atomic uint64_t head; /* the consumer writes */
    alignas(CACHE_LINE_PAIR) uint64_t read;         /* consumer only */
    uint64_t tail_seen;
};

enum ring_record_kind { RING_RECORD_DATA = 1, RING_RECORD_PAD }; /* 0 is no kind: unwritten memory is noticed */

struct ring_record_head {
    uint32_t size; /* of the bytes that follow, before padding to RING_RECORD_ALIGN; a pad has none worth reading */
    uint32_t kind;
};

/* capacity: a power of two, at least 4096.  ERR_NO_MEMORY, ERR_INVALID. */
NODISCARD enum err ring_spsc_init(struct ring_spsc *r, uint64_t capacity_bytes);
void               ring_spsc_fini(struct ring_spsc *r); /* neither side may be using it */

/* The largest record that may be claimed: a quarter of the capacity less 8 bytes.  An empty ring has room for it. */
static inline uint32_t ring_spsc_record_max(const struct ring_spsc *r) { return r->record_max; }

/* Of use to the functions below alone: what a record of `size` bytes takes, its head, is there room for `bytes` more,
 * and the rare case of each side. */
static inline uint64_t ring_spsc_span(uint32_t size)
{
    const uint64_t mask = RING_RECORD_ALIGN - 1;
    return sizeof(struct ring_record_head) + ((size + mask) & ~mask);
}

static inline struct ring_record_head *ring_spsc_head_at(const struct ring_spsc *r, uint64_t position)
{
    return (struct ring_record_head *)(void *)(r->bytes + (position & (r->capacity - 1)));
}

static inline bool ring_spsc_has_room(struct ring_spsc *r, uint64_t bytes)
{
    if (r->write + bytes - r->head_seen <= r->capacity) return true; /* the consumer's line is not asked for */
    /* Pairs with the release in ring_spsc_release: the consumer's reads of the room we get are over. */
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return r->write + bytes - r->head_seen <= r->capacity;
}

bool ring_spsc_pad_put(struct ring_spsc *r, uint64_t pad, uint64_t span);
void ring_spsc_pad_pass(struct ring_spsc *r);

/* Producer.  claim: room for `size` bytes (8-byte aligned) or NULL when full; it may be called again before commit. */
static inline void *ring_spsc_claim(struct ring_spsc *r, uint32_t size)
{
    INVARIANT(size <= r->record_max); /* it might never fit, and its producer wait for ever */
    uint64_t span = ring_spsc_span(size), to_end = r->capacity - (r->write & (r->capacity - 1));
    if (span > to_end ? !ring_spsc_pad_put(r, to_end, span) : !ring_spsc_has_room(r, span)) return NULL;
    struct ring_record_head *head = ring_spsc_head_at(r, r->write);
    *head = (struct ring_record_head){size, RING_RECORD_DATA};
    r->write += span;
    return head + 1;
}

/* Producer.  Publishes every claim so far. */
static inline void ring_spsc_commit(struct ring_spsc *r)
{
    /* Pairs with the acquire in ring_spsc_next: heads and bytes of all claims are written. */
    atomic_store_explicit(&r->tail, r->write, memory_order_release);
}

/* Consumer.  The next record or NULL when empty; it stays valid until release. */
static inline const void *ring_spsc_next(struct ring_spsc *r, uint32_t *size)
{
    if (r->read == r->tail_seen) {
        /* Pairs with the release in ring_spsc_commit. */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (r->read == r->tail_seen) return NULL;
    }
    const struct ring_record_head *head = ring_spsc_head_at(r, r->read);
    if (__builtin_expect(head->kind == RING_RECORD_PAD, 0)) {
        ring_spsc_pad_pass(r);
        head = ring_spsc_head_at(r, r->read);
    }
    INVARIANT(head->kind == RING_RECORD_DATA);
    r->read += ring_spsc_span(head->size);
    INVARIANT(r->read <= r->tail_seen);
    *size = head->size;
    return head + 1;
}

/* Consumer.  Returns all records taken so far. */
static inline void ring_spsc_release(struct ring_spsc *r)
{
    /* Pairs with the acquire in ring_spsc_has_room: our reads of these records are over before the producer overwrites
     * them. */
    atomic_store_explicit(&r->head, r->read, memory_order_release);
}

#endif
