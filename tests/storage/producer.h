/* tests/storage/producer.h -- a producer as capture is one: batches of whole transactions, or parts of one, into leased
 * chunks. What record `offset` contains depends on the offset and a seed alone, so that a reader can check every byte.
 */
#ifndef TESTS_STORAGE_PRODUCER_H
#define TESTS_STORAGE_PRODUCER_H

#include <stdbool.h>

#include "base/random.h"
#include "ring/log_feed.h"

enum { PRODUCER_LEASES_MAX = 2048 };
#define PRODUCER_ALIKE (UINT64_C(1) << 63) /* in a seed: a value is the same eight bytes again and again */

struct producer {
    struct log_feed *feed;
    uint32_t lease[PRODUCER_LEASES_MAX], lease_first, lease_count;
    int32_t  chunk;          /* being filled, CHUNK_NONE: none yet */
    uint32_t position;       /* in it */
    uint64_t segment_position, next_offset, segment_bytes;
    uint32_t leader_epoch;
    uint64_t seed;
    bool     roll_next, failed;
    struct packer *packer;   /* the test's; not NULL: batches are packed */
    bool     is_heartbeat;   /* the next batch is told as one */
    int64_t  step_ms;        /* a batch's timestamp is its first record's; each other is this much older than the one
                              * before it */
    enum err error;
    uint8_t *batch;          /* being placed */
    size_t   batch_room;
    uint64_t wanted;         /* leases asked for and not yet come */
};

void producer_init(struct producer *p, struct log_feed *feed, const struct log_resume *resume, uint64_t segment_bytes,
                   uint64_t seed);
void producer_fini(struct producer *p);

/* Takes leases and notices failure. */
void producer_poll(struct producer *p);
/* Sends a batch of `records` records with values of `value_bytes` (each a little different).  False: not enough leases
 * or ring room now; the same call later goes on (the batch's bytes depend on the next offset alone). */
bool producer_send(struct producer *p, uint32_t records, uint32_t value_bytes, bool ends_transaction,
                   int64_t timestamp_ms);
/* The batch that producer_send would send, made into p->batch; returns its size. */
size_t producer_make(struct producer *p, uint32_t records, uint32_t value_bytes, bool ends_transaction,
                     int64_t timestamp_ms);

/* The value of record `offset`: its size and bytes. */
uint32_t record_value_bytes(uint64_t seed, uint64_t offset, uint32_t value_bytes);
void     record_value_fill(uint64_t seed, uint64_t offset, uint8_t *bytes, uint32_t size);
bool     record_value_holds(uint64_t seed, uint64_t offset, const uint8_t *bytes, uint32_t size);

#endif
