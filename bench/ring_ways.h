/* bench/ring_ways.h -- ways by which records go from one thread to another, for bench_ring: ours, DPDK's, and bare
 * cache lines. */
#ifndef BENCH_RING_WAYS_H
#define BENCH_RING_WAYS_H

#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_BYTES = 64, RECORD_WORDS = RECORD_BYTES / sizeof(uint64_t),
    WAY_RECORDS = 4096, WAY_BYTES = WAY_RECORDS * RECORD_BYTES, /* of room in every way */
    WAY_BLOCK = WAY_RECORDS / 4,
};

/* One thread puts, one takes; records are numbered from 0 on, and each word of record n holds n.  `open` makes an
 * empty way (NULL: no memory) that `close` frees.  `put` writes and publishes up to `count` records from number `seq`
 * on, `take` takes up to `count` and checks every word; each returns how many, 0: full or empty.  A wrong word ends
 * the program. */
struct way_kind {
    const char *name;
    void *(*open)(void);
    void (*close)(void *way);
    unsigned (*put)(void *way, uint64_t seq, unsigned count);
    unsigned (*take)(void *way, uint64_t seq, unsigned count);
};

/* way_blocks shows what is put by blocks of WAY_BLOCK: how many are put in all must be a multiple. */
extern const struct way_kind way_ring_spsc, way_lines, way_blocks;
/* DPDK's; not there without it. */
extern const struct way_kind way_rte_elements, way_rte_pointers;
const char *way_rte_version(void);

static inline void record_write(uint64_t *words, uint64_t seq)
{
    for (unsigned i = 0; i < RECORD_WORDS; i++) words[i] = seq;
}
/* Ends the program when a word is not `seq`. */
void record_check(const uint64_t *words, uint64_t seq);

#endif
