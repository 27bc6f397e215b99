/* tests/capture/fake_storage.h -- the other end of a log feed: takes batches in as storage would, and checks every rule
 * of ring/log_feed.h and invariants 1 and 2 on the way.  A chunk that is leased again is overwritten with garbage
 * first, so that nobody gets away with reading what is no longer theirs. */
#ifndef TESTS_CAPTURE_FAKE_STORAGE_H
#define TESTS_CAPTURE_FAKE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/record_batch.h"
#include "ring/log_feed.h"

struct fake_record {
    uint64_t offset;
    int64_t timestamp_ms;
    uint8_t *value;
    uint32_t value_bytes;
    uint8_t *position; /* its RECORD_HEADER_POSITION, NULL: none */
    uint32_t position_bytes;
    char *gtid_set; /* its RECORD_HEADER_GTID_SET, NULL: none */
    uint32_t segment;
    bool is_with_heartbeat; /* its batch says FEED_HEARTBEAT */
};

struct fake_storage {
    struct chunk_pool pool;
    struct log_feed feed;
    struct waiter storage_waiter, producer_waiter;
    struct log_resume
        resume;         /* where the producer goes on; after fake_storage_reattach: behind the last whole transaction.
                         * Whoever gives gtid_set away sets it to NULL */
    bool is_slow;       /* nothing becomes durable */
    bool keeps_records; /* false: only counted (benchmarks) */

    uint32_t leases_max;
    uint32_t *leased, leased_count; /* granted and not yet begun, in order */
    int64_t current;                /* chunk that the last batch ended in */
    uint32_t current_position;
    uint32_t *spare, spare_count;
    uint32_t extra_leases; /* asked for by FEED_WANT */

    uint8_t *segment; /* the active segment's bytes */
    uint64_t segment_bytes, segment_capacity, segment_base_offset;
    uint32_t segments;
    uint8_t *whole_segment; /* that of the last transaction end when it is not the active one; else NULL */

    struct fake_record *record;
    uint64_t record_count, record_capacity;
    uint64_t batches, records, bytes, transaction_ends;
    uint64_t batches_of_several; /* with more than one transaction */
    uint64_t batches_of_part;    /* without a transaction's end */
    uint64_t batches_spanning, batches_packed;
    uint64_t gtid_sets, rolls_in_transaction, segment_bytes_most;
    bool in_transaction; /* the last batch ended in the middle of one */
};

void fake_storage_init(struct fake_storage *s, uint32_t chunk_bytes, uint32_t chunk_count, uint32_t leases_max,
                       bool simulated);
void fake_storage_fini(struct fake_storage *s);

/* Takes in what the producer sent and grants leases.  Returns the number of batches.  Faults abort with words
 * (ck_abort_msg). */
unsigned fake_storage_step(struct fake_storage *s);

/* The producer is gone: cuts the log to its last whole transaction and makes the feed and `resume` anew. */
void fake_storage_reattach(struct fake_storage *s);

/* The same records in both but for HEARTBEATs, of which each start writes one, and the record ids that they shift. */
void fake_storage_assert_same_changes(const struct fake_storage *calm, const struct fake_storage *rough);

#endif
