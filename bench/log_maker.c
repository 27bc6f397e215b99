/* log_maker DATA LOG BYTES: appends about so many bytes to a log of a stopped data folder as fast as it goes, and dies
 * by kill -9 in the middle of it.  For `bench/run --only recovery`. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"
#include "tests/storage/producer.h"

int main(int argc, char **argv)
{
    struct err_msg msg = {.text = ""};
    struct counters *counters;
    struct storage *storage;
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct log_identity identity = {.leader_epoch = 0};
    struct waiter waiter;
    struct producer p;
    if (argc != 4) return fprintf(stderr, "usage: log_maker DATA LOG BYTES\n") < 0 ? 1 : 2;
    uint64_t bytes = strtoull(argv[3], NULL, 10);
    const struct storage_config config = {.data_folder = argv[1],
                                          .chunk_bytes = 1 << 20,
                                          .chunk_count = 96,
                                          .leases_per_log = 16,
                                          .tail_chunks_per_log = 32,
                                          .segment_bytes = 64 << 20,
                                          .flush_interval_us = 500,
                                          .index_interval_bytes = 4096,
                                          .uring_depth = 64,
                                          .record_bytes_max = 1 << 20,
                                          .core = -1};
    snprintf(identity.name, sizeof identity.name, "%s", argv[2]);
    enum err e = counters_open(&counters, NULL, 2000, &msg);
    if (e == ERR_OK) e = storage_start(&storage, &config, clock_real(), counters, &msg);
    if (e == ERR_OK) e = storage_log_open(storage, &identity, false, &log, &feed, &resume, &msg);
    if (e == ERR_OK) e = waiter_init(&waiter);
    if (e != ERR_OK) return fprintf(stderr, "log_maker: %s\n", msg.text) < 0 ? 1 : 2;
    feed->producer_waiter = &waiter;
    producer_init(&p, feed, &resume, config.segment_bytes, 1);
    for (uint64_t sent = 0; sent < bytes; sent += 64 * 1024) {
        while (!producer_send(&p, 64, 1024, sent / (64 * 1024) % 8 == 7, 1700000000000 + (int64_t)(sent >> 20))) {
            if (p.failed) return fprintf(stderr, "log_maker: the log failed\n") < 0 ? 1 : 2;
            waiter_announce(&waiter);
            producer_poll(&p);
            if (p.lease_count == 0) waiter_block(&waiter, 10);
            waiter_cancel(&waiter);
        }
    }
    return raise(SIGKILL);
}
