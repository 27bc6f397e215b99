/* ring/chunk_pool.h -- where the bytes of records live: one region, cut into chunks of equal size.
 *
 * Storage owns the pool and decides who holds which chunk; the others only turn an index into an address.  A chunk's
 * bytes are written once, by the thread it is leased to, and read by disk and network from there. */
#ifndef RING_CHUNK_POOL_H
#define RING_CHUNK_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_BLOCK_BYTES = 4096, /* unit of O_DIRECT transfers; a chunk is a multiple of it */
    CHUNK_NONE = -1
};

struct chunk_pool { /* constant after start */
    uint8_t *bytes; /* page-aligned */
    uint32_t chunk_bytes;
    uint32_t chunk_count;
};

static inline uint8_t *chunk_at(const struct chunk_pool *p, uint32_t index)
{
    return p->bytes + (uint64_t)index * p->chunk_bytes;
}

static inline bool chunk_pool_holds(const struct chunk_pool *p, const uint8_t *bytes)
{
    return (uint64_t)((uintptr_t)bytes - (uintptr_t)p->bytes) < (uint64_t)p->chunk_bytes * p->chunk_count;
}

#endif
