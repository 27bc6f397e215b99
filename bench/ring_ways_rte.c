/* DPDK's ring with one producer and one consumer.  It needs memory and nothing else of DPDK (no EAL). */
#include <rte_ring.h>
#include <rte_version.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "bench/ring_ways.h"

static struct rte_ring *ring_open(size_t before_bytes, unsigned element_bytes, void **out)
{
    ssize_t size = rte_ring_get_memsize_elem(element_bytes, WAY_RECORDS);
    INVARIANT(size > 0 && before_bytes % RTE_CACHE_LINE_SIZE == 0);
    size_t all = (before_bytes + (size_t)size + 4095) & ~(size_t)4095;
    *out = aligned_alloc(4096, all);
    if (*out == NULL) return NULL;
    memset(*out, 0, all);
    struct rte_ring *r = (void *)((char *)*out + before_bytes);
    int rc = rte_ring_init(r, "bench", WAY_RECORDS, RING_F_SP_ENQ | RING_F_SC_DEQ);
    INVARIANT(rc == 0);
    return r;
}

/* --- records in the ring itself, written and read in place: the same work as ring_spsc's --- */

static void *elements_open(void)
{
    void *way;
    ring_open(0, RECORD_BYTES, &way);
    return way;
}

/* The i-th of the records that zero-copy calls gave. */
static uint64_t *element_at(const struct rte_ring_zc_data *got, unsigned i)
{
    return (uint64_t *)(i < got->n1 ? got->ptr1 : got->ptr2) + (size_t)RECORD_WORDS * (i < got->n1 ? i : i - got->n1);
}

static unsigned elements_put(void *way, uint64_t seq, unsigned count)
{
    struct rte_ring_zc_data room;
    unsigned n = rte_ring_enqueue_zc_burst_elem_start(way, RECORD_BYTES, count, &room, NULL);
    for (unsigned i = 0; i < n; i++) record_write(element_at(&room, i), seq + i);
    if (n > 0) rte_ring_enqueue_zc_elem_finish(way, n);
    return n;
}

static unsigned elements_take(void *way, uint64_t seq, unsigned count)
{
    struct rte_ring_zc_data got;
    unsigned n = rte_ring_dequeue_zc_burst_elem_start(way, RECORD_BYTES, count, &got, NULL);
    for (unsigned i = 0; i < n; i++) record_check(element_at(&got, i), seq + i);
    if (n > 0) rte_ring_dequeue_zc_elem_finish(way, n);
    return n;
}

const struct way_kind way_rte_elements = {"rte_ring, in place", elements_open, free, elements_put, elements_take};

/* --- pointers to records, as it is mostly used --- */

enum { POINTERS_MAX = 64, SLOTS = 2 * WAY_RECORDS }; /* those in the ring, and a burst at each end of it */

struct pointers {
    uint64_t slot[SLOTS][RECORD_WORDS];
};

static void *pointers_open(void)
{
    void *way;
    ring_open(sizeof(struct pointers), sizeof(void *), &way);
    return way;
}

static unsigned pointers_put(void *way, uint64_t seq, unsigned count)
{
    void *record[POINTERS_MAX];
    struct pointers *p = way;
    struct rte_ring *r = (void *)(p + 1);
    INVARIANT(count <= POINTERS_MAX);
    unsigned room = rte_ring_free_count(r);
    if (count > room) count = room;
    for (unsigned i = 0; i < count; i++) {
        uint64_t *words = p->slot[(seq + i) % SLOTS];
        record_write(words, seq + i);
        record[i] = words;
    }
    return count == 0 ? 0 : rte_ring_sp_enqueue_burst(r, record, count, NULL);
}

static unsigned pointers_take(void *way, uint64_t seq, unsigned count)
{
    void *record[POINTERS_MAX];
    struct rte_ring *r = (void *)((struct pointers *)way + 1);
    INVARIANT(count <= POINTERS_MAX);
    unsigned n = rte_ring_sc_dequeue_burst(r, record, count, NULL);
    for (unsigned i = 0; i < n; i++) record_check(record[i], seq + i);
    return n;
}

const struct way_kind way_rte_pointers = {"rte_ring, pointers", pointers_open, free, pointers_put, pointers_take};

const char *way_rte_version(void) { return rte_version(); }
