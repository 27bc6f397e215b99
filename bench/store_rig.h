/* bench/store_rig.h -- a store on a real disk, with logs and a producer for each that sends ready-made batches. */
#ifndef BENCH_STORE_RIG_H
#define BENCH_STORE_RIG_H

#include "base/counters.h"
#include "formats/record_batch.h"
#include "storage/storage.h"

enum { STORE_LEASES_MAX = 64, STORE_LOGS_MAX = 64, STORE_VALUE_BYTES = 256 };

struct ready_batch { /* copied and patched for each send */
    uint8_t *bytes;
    uint32_t size, records;
};
void ready_batch_make(struct ready_batch *b, uint32_t records, uint32_t value_bytes);

struct sender {
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    waiter;
    int32_t  chunk;
    uint32_t position, lease[STORE_LEASES_MAX], lease_count;
    uint64_t segment_position, segment_bytes, next_offset;
    struct histogram *durable_ns;
    struct counter   *flushes, *recycled;
};

struct store_rig {
    struct counters *counters;
    struct storage  *storage;
    struct sender    sender[STORE_LOGS_MAX];
    uint32_t         log_count;
};

/* Starts a store in config->data_folder with new logs "bench-0", ...; prints and exits when it cannot. */
void store_rig_up(struct store_rig *r, const struct storage_config *config, uint32_t log_count);
/* One more new log. */
struct sender *store_rig_add(struct store_rig *r, struct log_identity *identity, uint64_t segment_bytes);
void store_rig_down(struct store_rig *r);
/* Sends a batch; waits for a lease when there is none. */
void sender_send(struct sender *s, const struct ready_batch *batch);
/* Until all that was sent is visible. */
void sender_drain(struct sender *s);
/* CPU seconds of this process's threads whose names, in brackets as in /proc, hold this: "(storage)". */
double thread_cpu_s(const char *name);

#endif
