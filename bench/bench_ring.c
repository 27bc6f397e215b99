/* What a record of 64 bytes costs on its way between two threads: through ring_spsc, through DPDK's rte_ring (one
 * producer, one consumer), and as bare cache lines, the limit of what two cores can do.  `ring_spsc`: a stream of
 * records, published and given back one by one and in bursts; `ring_hop`: one record goes back and forth.  Each word of
 * every record is checked.  The ways take turns; each turn prints a JSON line per way.
 *
 * The threads are held on the first two cores that the program may use: taskset chooses others. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "bench/ring_ways.h"

enum { ROUNDS = 5, STREAM_RECORDS = 500 * WAY_BLOCK, HOPS = 10000, SPINS = 1000, TURNS_S = 4 };

struct run {
    const struct way_kind *kind;
    void    *there, *back; /* ways; back: of hops */
    unsigned burst;
};

static int core[2] = {-1, -1};

static void cores_find(void)
{
    cpu_set_t allowed;
    INVARIANT(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    for (int i = 0, found = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &allowed)) core[found++] = i;
}

static void stay_on(int which)
{
    cpu_set_t set;
    if (core[1] < 0) return; /* there is only one */
    CPU_ZERO(&set);
    CPU_SET(core[which], &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/* Two threads on one core must give it to each other. */
static void wait_a_little(unsigned *spins)
{
    if (++*spins < SPINS) return;
    *spins = 0;
    sched_yield();
}

static void put_one(const struct way_kind *kind, void *way, uint64_t seq)
{
    unsigned spins = 0;
    while (kind->put(way, seq, 1) == 0) wait_a_little(&spins);
}

static void take_one(const struct way_kind *kind, void *way, uint64_t seq)
{
    unsigned spins = 0;
    while (kind->take(way, seq, 1) == 0) wait_a_little(&spins);
}

static void *stream_put(void *argument)
{
    struct run *r = argument;
    unsigned spins = 0;
    stay_on(1);
    for (uint64_t seq = 0, put; seq < STREAM_RECORDS; seq += put) {
        uint64_t left = STREAM_RECORDS - seq;
        put = r->kind->put(r->there, seq, left < r->burst ? (unsigned)left : r->burst);
        if (put == 0) wait_a_little(&spins);
    }
    return NULL;
}

static void stream_take(struct run *r)
{
    unsigned spins = 0;
    for (uint64_t seq = 0, taken; seq < STREAM_RECORDS; seq += taken) {
        taken = r->kind->take(r->there, seq, r->burst);
        if (taken == 0) wait_a_little(&spins);
    }
}

static void *hop_return(void *argument)
{
    struct run *r = argument;
    stay_on(1);
    for (uint64_t seq = 0; seq < HOPS / 2; seq++) {
        take_one(r->kind, r->there, seq);
        put_one(r->kind, r->back, seq);
    }
    return NULL;
}

static void hop(struct run *r)
{
    for (uint64_t seq = 0; seq < HOPS / 2; seq++) {
        put_one(r->kind, r->there, seq);
        take_one(r->kind, r->back, seq);
    }
}

/* Nanoseconds of one round; `burst` 0: of hops. */
static double round_ns(const struct way_kind *kind, unsigned burst)
{
    struct run r = {kind, kind->open(), kind->open(), burst};
    pthread_t other;
    INVARIANT(r.there != NULL && r.back != NULL);
    uint64_t started_ns = clock_monotonic_ns(clock_real());
    int rc = pthread_create(&other, NULL, burst > 0 ? stream_put : hop_return, &r);
    INVARIANT(rc == 0);
    if (burst > 0)
        stream_take(&r);
    else
        hop(&r);
    double took_ns = (double)(clock_monotonic_ns(clock_real()) - started_ns);
    pthread_join(other, NULL);
    kind->close(r.there);
    kind->close(r.back);
    return took_ns;
}

static void round_print(const struct way_kind *way, unsigned burst)
{
    double ns = round_ns(way, burst);
    printf("{\"bench\": \"%s\", \"system\": \"%s\", \"cores\": \"%d %d\", ", burst > 0 ? "ring_spsc" : "ring_hop",
           way->name, core[0], core[1]);
    if (burst > 0)
        printf("\"burst\": %u, \"ns_per_record\": %.2f}\n", burst, ns / STREAM_RECORDS);
    else
        printf("\"ns_per_hop\": %.1f}\n", ns / HOPS);
    fflush(stdout);
}

int main(void)
{
    static const struct way_kind *const ways[] = { /* NULL: bare lines */
        &way_ring_spsc,
#ifdef HAS_RTE_RING
        &way_rte_elements, &way_rte_pointers,
#endif
        NULL};
    static const unsigned bursts[] = {1, 32, 0};
#ifdef HAS_RTE_RING
    printf("{\"peer\": \"rte_ring\", \"version\": \"%s\", \"settings\": \"one producer, one consumer; records in the "
           "ring itself by its zero-copy calls, and pointers to records beside it\"}\n", way_rte_version());
#else
    printf("{\"peer\": \"rte_ring\", \"left_out\": \"this build has no DPDK\"}\n");
#endif
    printf("{\"note\": \"Records of %d bytes, %d KiB of room in every way. Bare cache lines are what the two cores can "
           "do: with bursts of 1 and hops a line says by itself that it is written, else the putter says it of %d "
           "lines.\"}\n", RECORD_BYTES, WAY_BYTES >> 10, WAY_BLOCK);
    cores_find();
    stay_on(0);
    for (size_t b = 0; b < sizeof bursts / sizeof *bursts; b++) {
        uint64_t until_ns = clock_monotonic_ns(clock_real()) + TURNS_S * UINT64_C(1000000000); /* on busy cores */
        for (unsigned i = 0; i < ROUNDS && clock_monotonic_ns(clock_real()) < until_ns; i++)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
                const struct way_kind *way = ways[w] != NULL ? ways[w] : bursts[b] > 1 ? &way_blocks : &way_lines;
                round_print(way, bursts[b]);
            }
    }
    return 0;
}
