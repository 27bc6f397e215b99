/* storage/chunks.h -- who holds which chunk: free, leased to a producer, in a hot tail, or retired.
 *
 * The storage thread alone moves chunks.  Readers only count their pins (storage/log_reader.h says how that is safe): a
 * chunk that leaves a tail is free when no reader pins it, else it is retired until that is so. */
#ifndef STORAGE_CHUNKS_H
#define STORAGE_CHUNKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/chunk_pool.h"

enum { READERS_MAX = 128 };

struct chunk_pins { /* one reader's */
    _Atomic uint32_t *count; /* a chunk each; written by the reader's thread alone */
};

struct chunk_keeper {
    struct chunk_pool pool;
    uint32_t *free;    /* a stack: the chunk freed last is still in the CPU's caches */
    uint32_t *retired;
    uint32_t  free_count, retired_count;
    _Atomic uint32_t retired_shown; /* retired_count, for other threads */
    _Atomic uint8_t *is_retired;    /* a chunk each: it is waited for; readers look at those that they pin */
    struct chunk_pins pins[READERS_MAX];
    uint32_t  reader_count;
    uint64_t  mapped_bytes, extra_bytes;
};

/* One region: the chunks, then `extra_bytes` for other transfers (keeper_extra).  ERR_NO_MEMORY. */
NODISCARD enum err keeper_init(struct chunk_keeper *k, uint32_t chunk_bytes, uint32_t chunk_count, uint64_t extra_bytes,
                               uint32_t reader_count);
void               keeper_fini(struct chunk_keeper *k);
uint8_t           *keeper_extra(const struct chunk_keeper *k);

/* A free chunk, or CHUNK_NONE. */
int32_t chunk_take(struct chunk_keeper *k);
/* Nobody but its taker ever saw it. */
void    chunk_return(struct chunk_keeper *k, uint32_t chunk);
/* It has left a tail.  True: it had to be retired. */
bool    chunk_leave(struct chunk_keeper *k, uint32_t chunk);
/* Frees retired chunks that nobody pins any more; returns how many. */
uint32_t chunks_reclaim(struct chunk_keeper *k);

/* The reader's side. */
static inline void chunk_pin(struct chunk_pins *p, uint32_t chunk)
{
    uint32_t count = atomic_load_explicit(&p->count[chunk], memory_order_relaxed);
    atomic_store_explicit(&p->count[chunk], count + 1, memory_order_seq_cst); /* pairs with is_pinned */
}
static inline void chunk_unpin(struct chunk_pins *p, uint32_t chunk)
{
    uint32_t count = atomic_load_explicit(&p->count[chunk], memory_order_relaxed);
    atomic_store_explicit(&p->count[chunk], count - 1, memory_order_release); /* pairs with is_pinned: reads are over */
}

#endif
