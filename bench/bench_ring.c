/* What a record costs on its way through ring_spsc between two threads, published and given back one by one and in
 * bursts.  Prints a JSON line per figure: the median of several rounds, and the best. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "ring/ring_spsc.h"

enum { ROUNDS = 9, RECORDS_PER_ROUND = 1000000, RECORD_BYTES = 64, RING_BYTES = 1 << 18, SPINS = 1000 };

struct run {
    struct ring_spsc ring;
    unsigned burst;
};

/* Two threads on one core must give it to each other. */
static void wait_a_little(unsigned *spins)
{
    if (++*spins < SPINS) return;
    *spins = 0;
    sched_yield();
}

static void *produce(void *argument)
{
    struct run *r = argument;
    unsigned spins = 0;
    for (uint64_t seq = 0; seq < RECORDS_PER_ROUND;) {
        unsigned claimed = 0;
        for (uint64_t *p; claimed < r->burst && (p = ring_spsc_claim(&r->ring, RECORD_BYTES)) != NULL; claimed++) {
            for (unsigned i = 0; i < RECORD_BYTES / sizeof *p; i++) p[i] = seq;
            seq++;
        }
        if (claimed > 0)
            ring_spsc_commit(&r->ring);
        else
            wait_a_little(&spins);
    }
    return NULL;
}

static double round_ns(unsigned burst)
{
    static struct run r;
    pthread_t producer;
    enum err err = ring_spsc_init(&r.ring, RING_BYTES);
    INVARIANT(err == ERR_OK);
    r.burst = burst;
    uint64_t started_ns = clock_monotonic_ns(clock_real());
    int rc = pthread_create(&producer, NULL, produce, &r);
    INVARIANT(rc == 0);
    unsigned spins = 0;
    for (uint64_t seq = 0; seq < RECORDS_PER_ROUND;) {
        unsigned taken = 0;
        uint32_t size;
        for (const uint64_t *p; taken < burst && (p = ring_spsc_next(&r.ring, &size)) != NULL; taken++) {
            INVARIANT(size == RECORD_BYTES && p[0] == seq && p[RECORD_BYTES / sizeof *p - 1] == seq);
            seq++;
        }
        if (taken > 0)
            ring_spsc_release(&r.ring);
        else
            wait_a_little(&spins);
    }
    uint64_t took_ns = clock_monotonic_ns(clock_real()) - started_ns;
    pthread_join(producer, NULL);
    ring_spsc_fini(&r.ring);
    return (double)took_ns / RECORDS_PER_ROUND;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const unsigned bursts[] = {1, 32};
    for (size_t b = 0; b < sizeof bursts / sizeof *bursts; b++) {
        double ns[ROUNDS];
        for (unsigned i = 0; i < ROUNDS; i++) ns[i] = round_ns(bursts[b]);
        qsort(ns, ROUNDS, sizeof *ns, by_size);
        printf(
            "{\"bench\":\"ring_spsc\",\"records\":%u,\"rounds\":%u,\"record_bytes\":%u,\"ring_bytes\":%u,\"burst\":%u,"
            "\"ns_per_record\":%.1f,\"ns_per_record_best\":%.1f}\n",
            RECORDS_PER_ROUND, ROUNDS, RECORD_BYTES, RING_BYTES, bursts[b], ns[ROUNDS / 2], ns[0]);
    }
    return 0;
}
