#include "storage/chunks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"

enum err keeper_init(struct chunk_keeper *k, uint32_t chunk_bytes, uint32_t chunk_count, uint64_t extra_bytes,
                     uint32_t reader_count)
{
    memset(k, 0, sizeof *k);
    uint64_t bytes = (uint64_t)chunk_bytes * chunk_count + extra_bytes;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return ERR_NO_MEMORY;
    /* A zero-copy send costs by the page: huge ones make it cheaper than a copy.  Refused, it works all the same. */
    (void)madvise(at, bytes, MADV_HUGEPAGE);
    k->pool = (struct chunk_pool){at, chunk_bytes, chunk_count};
    k->mapped_bytes = bytes;
    k->extra_bytes = extra_bytes;
    k->reader_count = reader_count;
    k->free = calloc(chunk_count, sizeof *k->free);
    k->retired = calloc(chunk_count, sizeof *k->retired);
    k->is_retired = calloc(chunk_count, sizeof *k->is_retired);
    bool whole = k->free != NULL && k->retired != NULL && k->is_retired != NULL;
    for (uint32_t i = 0; whole && i < reader_count; i++) {
        k->pins[i].count = calloc(chunk_count, sizeof *k->pins[i].count);
        whole = k->pins[i].count != NULL;
    }
    if (!whole) {
        keeper_fini(k);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < chunk_count; i++) k->free[i] = chunk_count - 1 - i;
    k->free_count = chunk_count;
    return ERR_OK;
}

void keeper_fini(struct chunk_keeper *k)
{
    if (k->pool.bytes != NULL) munmap(k->pool.bytes, k->mapped_bytes);
    free(k->free);
    free(k->retired);
    free(k->is_retired);
    for (uint32_t i = 0; i < k->reader_count; i++) free(k->pins[i].count);
    memset(k, 0, sizeof *k);
}

uint8_t *keeper_extra(const struct chunk_keeper *k) { return k->pool.bytes + (k->mapped_bytes - k->extra_bytes); }

int32_t chunk_take(struct chunk_keeper *k)
{
    if (k->free_count == 0 && chunks_reclaim(k) == 0) return CHUNK_NONE;
    return (int32_t)k->free[--k->free_count];
}

void chunk_return(struct chunk_keeper *k, uint32_t chunk)
{
    INVARIANT(chunk < k->pool.chunk_count && k->free_count < k->pool.chunk_count);
    k->free[k->free_count++] = chunk;
}

/* The tail was told before (seq_cst): a reader whose pin is not seen here will see that the chunk has left. */
static bool is_pinned(const struct chunk_keeper *k, uint32_t chunk)
{
    for (uint32_t i = 0; i < k->reader_count; i++)
        if (atomic_load_explicit(&k->pins[i].count[chunk], memory_order_seq_cst) != 0)
            return true; /* pairs with chunk_pin, chunk_unpin */
    return false;
}

bool chunk_leave(struct chunk_keeper *k, uint32_t chunk)
{
    if (!is_pinned(k, chunk)) {
        chunk_return(k, chunk);
        return false;
    }
    k->retired[k->retired_count++] = chunk;
    atomic_store_explicit(&k->is_retired[chunk], 1, memory_order_relaxed);
    atomic_store_explicit(&k->retired_shown, k->retired_count, memory_order_relaxed);
    return true;
}

uint32_t chunks_reclaim(struct chunk_keeper *k)
{
    uint32_t kept = 0, freed = 0;
    for (uint32_t i = 0; i < k->retired_count; i++) {
        if (is_pinned(k, k->retired[i])) {
            k->retired[kept++] = k->retired[i];
        } else {
            atomic_store_explicit(&k->is_retired[k->retired[i]], 0, memory_order_relaxed);
            chunk_return(k, k->retired[i]);
            freed++;
        }
    }
    k->retired_count = kept;
    atomic_store_explicit(&k->retired_shown, k->retired_count, memory_order_relaxed);
    return freed;
}
