/* bench/fanout_feed.h -- writes the same batches to fanout_server's door or to an Apache Kafka (Produce version 3). */
#ifndef BENCH_FANOUT_FEED_H
#define BENCH_FANOUT_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed {
    int      fd;
    bool     is_kafka;
    const char *topic;
    uint8_t *batch; /* the one batch that is sent again and again */
    uint32_t batch_bytes, records, stamp_at, in_flight;
    uint64_t next_offset;
    uint32_t stamped_bytes;                            /* of the value that has the stamp */
    uint64_t batch_value_bytes, unstamped_crcs;        /* of one batch */
    uint64_t value_bytes, crc_sum;                     /* of all that was sent: what consumers must get; CRC-32C */
};

/* Connects, and makes a batch of about `batch_bytes` of records with values of `record_bytes`.  Exits with words. */
void feed_open(struct feed *f, uint16_t port, bool is_kafka, const char *topic, uint32_t record_bytes,
               uint32_t batch_bytes);
/* Sends the batch with this number in its first value's first eight bytes. */
void feed_send(struct feed *f, uint64_t stamp);
/* Until the server has all; next_offset is then what it says is visible. */
void feed_drain(struct feed *f);
/* Where a batch of this feed carries its stamp. */
uint64_t feed_stamp(const struct feed *f, const uint8_t *batch);

#endif
