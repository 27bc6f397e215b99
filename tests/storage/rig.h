/* tests/storage/rig.h -- one log over a simulated disk, with its producer and a reader, stepped by the test. */
#ifndef TESTS_STORAGE_RIG_H
#define TESTS_STORAGE_RIG_H

#include "base/clock.h"
#include "storage/disk_sim.h"
#include "storage/storage.h"
#include "tests/storage/producer.h"

struct rig {
    uint64_t seed;
    struct disk     *disk;
    struct clock_simulated clock;
    struct counters *counters;
    struct storage_config config;
    struct storage  *storage;
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct producer  producer;
    struct waiter    producer_waiter, reader_waiter;
    struct log_reader *reader;
};

void rig_init(struct rig *g, uint64_t seed);  /* disk, clock, settings */
void rig_start(struct rig *g, uint64_t seed); /* rig_init, and the store */
NODISCARD enum err rig_try_power(struct rig *g, struct err_msg *msg);
void rig_power(struct rig *g, uint64_t seed); /* the store again, after a stop or a loss of power */
NODISCARD enum err rig_try_open(struct rig *g, bool create, struct err_msg *msg);
void rig_open(struct rig *g, bool create);
void rig_stop(struct rig *g);    /* clean */
void rig_abandon(struct rig *g); /* the process is gone; the disk decides what stays */
void rig_end(struct rig *g);

/* Sends a batch, stepping until it could be sent. */
void rig_send(struct rig *g, uint32_t records, uint32_t value_bytes, bool ends_transaction, int64_t timestamp_ms);
void rig_settle(struct rig *g); /* steps until nothing moves */
/* Reads from `from` to the high watermark and checks every record; `hot`: all of it must come from chunks.
 * Returns the records read. */
uint64_t rig_read_all(struct rig *g, uint64_t from, bool hot);
/* One read with all its disk reads. */
NODISCARD enum err rig_read(struct rig *g, uint64_t offset, uint32_t bytes_max, bool first_batch_whole,
                            struct log_cursor *cursor, struct log_slice *out);
void rig_release(struct rig *g, struct log_slice *slice);
/* Checks that the slice's batches follow each other from `offset` (inside the first) on and hold what the producer
 * made. */
void slice_check(const struct log_slice *slice, uint64_t offset, uint64_t seed);

#endif
