#include "bench/ring_ways.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "ring/ring_spsc.h"

void record_check(const uint64_t *words, uint64_t seq)
{
    uint64_t wrong = 0;
    for (unsigned i = 0; i < RECORD_WORDS; i++) wrong |= words[i] ^ seq;
    INVARIANT(wrong == 0);
}

/* --- ring_spsc --- */

static void *spsc_open(void)
{
    struct ring_spsc *r = aligned_alloc(_Alignof(struct ring_spsc), sizeof *r);
    if (r != NULL && ring_spsc_init(r, WAY_BYTES) == ERR_OK) return r;
    free(r);
    return NULL;
}

static void spsc_close(void *way)
{
    ring_spsc_fini(way);
    free(way);
}

static unsigned spsc_put(void *way, uint64_t seq, unsigned count)
{
    unsigned done = 0;
    for (uint64_t *p; done < count && (p = ring_spsc_claim(way, RECORD_BYTES)) != NULL; done++)
        record_write(p, seq + done);
    if (done > 0) ring_spsc_commit(way);
    return done;
}

static unsigned spsc_take(void *way, uint64_t seq, unsigned count)
{
    unsigned done = 0;
    uint32_t size;
    for (const uint64_t *p; done < count && (p = ring_spsc_next(way, &size)) != NULL; done++) {
        INVARIANT(size == RECORD_BYTES);
        record_check(p, seq + done);
    }
    if (done > 0) ring_spsc_release(way);
    return done;
}

const struct way_kind way_ring_spsc = {"millrace", spsc_open, spsc_close, spsc_put, spsc_take};

/* --- bare lines: what the cores need to pass them on, and next to nothing else --- */

struct lines {
    _Alignas(CACHE_LINE_PAIR) uint64_t line[WAY_RECORDS][RECORD_WORDS];
    _Alignas(CACHE_LINE_PAIR) _Atomic uint64_t taken;
    _Alignas(CACHE_LINE_PAIR) _Atomic uint64_t put; /* of blocks */
    _Alignas(CACHE_LINE_PAIR) uint64_t taken_seen;  /* the putter's */
    _Alignas(CACHE_LINE_PAIR) uint64_t put_seen;    /* the taker's */
};

static void *lines_open(void)
{
    struct lines *l = aligned_alloc(_Alignof(struct lines), sizeof *l);
    if (l != NULL) memset(l, 0xff, sizeof l->line); /* no record's number */
    if (l != NULL) memset((char *)l + sizeof l->line, 0, sizeof *l - sizeof l->line);
    return l;
}

/* How many of `count` there is room for. */
static unsigned room(struct lines *l, uint64_t seq, unsigned count)
{
    if (seq + count - l->taken_seen > WAY_RECORDS)
        l->taken_seen = atomic_load_explicit(&l->taken, memory_order_acquire);
    uint64_t left = WAY_RECORDS - (seq - l->taken_seen);
    return left < count ? (unsigned)left : count;
}

/* The taker says once a block how far he is. */
static void say_taken(struct lines *l, uint64_t seq, unsigned count)
{
    uint64_t whole = (seq + count) / WAY_BLOCK * WAY_BLOCK;
    if (whole > seq) atomic_store_explicit(&l->taken, whole, memory_order_release);
}

/* One by one: a line says by its last word, written last, that it is written. */
static unsigned lines_put(void *way, uint64_t seq, unsigned count)
{
    struct lines *l = way;
    count = room(l, seq, count);
    for (unsigned i = 0; i < count; i++) {
        uint64_t *line = l->line[(seq + i) % WAY_RECORDS];
        for (unsigned w = 0; w < RECORD_WORDS - 1; w++) line[w] = seq + i;
        __atomic_store_n(&line[RECORD_WORDS - 1], seq + i, __ATOMIC_RELEASE);
    }
    return count;
}

static unsigned lines_take(void *way, uint64_t seq, unsigned count)
{
    struct lines *l = way;
    unsigned done = 0;
    for (; done < count; done++) {
        const uint64_t *line = l->line[(seq + done) % WAY_RECORDS];
        if (__atomic_load_n(&line[RECORD_WORDS - 1], __ATOMIC_ACQUIRE) != seq + done) break;
        record_check(line, seq + done);
    }
    say_taken(l, seq, done);
    return done;
}

const struct way_kind way_lines = {"bare cache lines", lines_open, free, lines_put, lines_take};

/* By blocks, of which the putter says once that they are written. */
static unsigned blocks_put(void *way, uint64_t seq, unsigned count)
{
    struct lines *l = way;
    count = room(l, seq, count);
    for (unsigned i = 0; i < count; i++) record_write(l->line[(seq + i) % WAY_RECORDS], seq + i);
    uint64_t whole = (seq + count) / WAY_BLOCK * WAY_BLOCK;
    if (whole > seq) atomic_store_explicit(&l->put, whole, memory_order_release);
    return count;
}

static unsigned blocks_take(void *way, uint64_t seq, unsigned count)
{
    struct lines *l = way;
    if (l->put_seen == seq) l->put_seen = atomic_load_explicit(&l->put, memory_order_acquire);
    if (count > l->put_seen - seq) count = (unsigned)(l->put_seen - seq);
    for (unsigned i = 0; i < count; i++) record_check(l->line[(seq + i) % WAY_RECORDS], seq + i);
    say_taken(l, seq, count);
    return count;
}

const struct way_kind way_blocks = {"bare cache lines", lines_open, free, blocks_put, blocks_take};
