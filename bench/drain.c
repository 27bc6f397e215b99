#include "bench/drain.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

enum { CHUNK_BYTES = 1 << 20, CHUNKS = 8, RING_BYTES = 1 << 16 };

static void lease(struct drain *d, uint32_t chunk)
{
    struct feed_lease *l = ring_spsc_claim(&d->feed.to_producer, sizeof *l);
    INVARIANT(l != NULL);
    *l = (struct feed_lease){FEED_LEASE, chunk};
    ring_spsc_commit(&d->feed.to_producer);
}

void drain_work(void *context)
{
    struct drain *d = context;
    uint32_t size;
    for (const struct feed_batch *b; (b = ring_spsc_next(&d->feed.to_storage, &size)) != NULL;) {
        if (b->chunk_index != d->current) {
            if (d->current != UINT32_MAX) lease(d, d->current);
            d->current = b->chunk_index;
        }
        d->records += b->record_count;
        d->bytes += b->batch_bytes;
        d->batches++;
    }
    ring_spsc_release(&d->feed.to_storage);
}

void drain_init(struct drain *d)
{
    *d = (struct drain){.pool = {aligned_alloc(4096, (size_t)CHUNK_BYTES * CHUNKS), CHUNK_BYTES, CHUNKS},
                        .current = UINT32_MAX};
    INVARIANT(d->pool.bytes != NULL);
    memset(d->pool.bytes, 0, (size_t)CHUNK_BYTES * CHUNKS);
    INVARIANT(ring_spsc_init(&d->feed.to_storage, RING_BYTES) == ERR_OK &&
              ring_spsc_init(&d->feed.to_producer, RING_BYTES) == ERR_OK);
    waiter_init_simulated(&d->storage_waiter);
    waiter_init_simulated(&d->producer_waiter);
    d->feed.storage_waiter = &d->storage_waiter;
    d->feed.producer_waiter = &d->producer_waiter;
    d->feed.pool = &d->pool;
    for (uint32_t i = 0; i < CHUNKS; i++) lease(d, i);
}
