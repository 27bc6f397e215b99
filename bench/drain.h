/* bench/drain.h -- the other end of a log feed for single-threaded measurements: whatever is captured is counted and
 * thrown away, and each chunk given back as soon as the producer has left it. */
#ifndef BENCH_DRAIN_H
#define BENCH_DRAIN_H

#include <stdint.h>

#include "ring/log_feed.h"

struct drain {
    struct chunk_pool pool;
    struct log_feed feed;
    struct waiter storage_waiter, producer_waiter;
    uint32_t current;
    uint64_t records, bytes, batches;
};

void drain_init(struct drain *d);
/* Takes what was sent.  `context` is the drain: what capture_open_simulated calls when it has no chunk. */
void drain_work(void *context);

#endif
