/* capture/log_appender.h -- from encoded records to finished batches in leased chunks: the producer's side of
 * ring/log_feed.h.
 *
 * Use: reserve gives room for one record's value, commit makes it a record; transaction_end after the last record of a
 * transaction (and after each DDL and HEARTBEAT).  The appender decides where batches end: each holds several whole
 * transactions, or a part of exactly one.  A batch that fills up in the middle of a transaction that began behind
 * others is cut before that transaction, whose records move to the next batch.
 *
 * With compression the records are packed when their batch is finished, in their place.  How large an open batch will
 * be is not known then: its bytes do not count to the segment's, which may pass its size by one batch.
 *
 * Segments roll at transaction ends, and in the middle of a transaction that fills one by itself;
 * log_appender_record_next says when the next record must carry the GTID set.
 *
 * Owner: the capture thread.  reserve may wait for storage to lease a chunk (the source then stalls, which is counted).
 */
#ifndef CAPTURE_LOG_APPENDER_H
#define CAPTURE_LOG_APPENDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "formats/record_batch.h"
#include "ring/log_feed.h"

enum { LOG_APPENDER_LEASES_MAX = 4096 };

struct log_appender_config {
    struct log_feed *feed;
    const struct log_resume *resume; /* read by open only */
    const struct clock *clock;
    const _Atomic bool *stop; /* true: waiting ends with ERR_STOPPED */
    const _Atomic int *compression; /* enum compression of the batches to come; may change.  NULL: none */
    uint64_t segment_bytes;
    uint32_t batch_bytes_target;
    uint32_t record_bytes_max;
    enum err (*before_send)(void *context); /* before each batch is sent; NULL: none.  Its error ends the appender */
    void *before_send_context;
    void (*starved)(void *context); /* simulations: called instead of sleeping for a lease; NULL: sleep */
    void *starved_context;
    struct counter *stalls, *stalled_us;
    struct histogram *read_to_encoded_us;
};

struct log_appender {
    struct log_appender_config config;
    const struct chunk_pool *pool;
    uint32_t lease[LOG_APPENDER_LEASES_MAX]; /* not yet begun, a ring */
    uint32_t lease_at, lease_count;

    int64_t chunk;           /* being filled; CHUNK_NONE before the first lease */
    uint32_t chunk_position; /* bytes: where the next batch begins in it */
    uint64_t segment_position;

    struct record_batch_writer writer;
    bool is_open;                   /* a batch is being written */
    bool in_scratch;                /* ... in the scratch, because one record is larger than a chunk */
    bool rolls;                     /* the next batch begins a new segment */
    bool chunk_is_unused;           /* no batch has begun in it: it is the one to begin in, whatever the size */
    bool has_heartbeat;             /* in the open batch */
    bool wants_gtid_set;            /* the next record is the first of its segment */
    bool has_gtid_set;              /* a record of the open batch carries one (it may have been taken back since) */
    struct record_batch_mark whole; /* the open batch up to its last transaction end */
    uint64_t batch_read_ns;         /* when the oldest event in the open batch was read */
    uint64_t transaction_read_ns;
    uint64_t next_offset;
    uint64_t transaction_offset; /* of the first record behind the last transaction end */
    uint64_t sent_offset;        /* of the first record that is not in a finished batch */

    uint8_t *scratch; /* mapped when first needed: a large record, records that move, or packed ones on their way */
    uint64_t scratch_bytes;
    struct packer *packer; /* of the last codec; NULL: none yet */
    uint64_t packed_bytes_max; /* of a batch that may be packed, as all who unpack it have room for */
    uint32_t leader_epoch;
    uint64_t batches;
    enum err failure; /* of the first call that failed, or what FEED_FAILED said: all later ones end with it */
};

/* ERR_INVALID: sizes that do not fit each other. */
NODISCARD enum err log_appender_open(struct log_appender *a, const struct log_appender_config *config,
                                     struct err_msg *msg);
void log_appender_close(struct log_appender *a);

/* Says when the events of the records to come were read from the source (monotonic ns); once per transaction is enough.
 */
static inline void log_appender_read_at(struct log_appender *a, uint64_t read_ns)
{
    a->transaction_read_ns = read_ns;
}

/* Before each record, before its reserve: ends the batch that must end here.  *wants_gtid_set: the record will be the
 * first of its segment, and must carry the GTID set.  Errors as reserve. */
NODISCARD enum err log_appender_record_next(struct log_appender *a, bool *wants_gtid_set);

/* Room for a value of at most `value_bytes_max` with headers of at most `headers_bytes_max` (keys and values).  The
 * record's offset is a->next_offset, which holds until commit.  Calling it again drops what was reserved.
 * ERR_TOO_LARGE: above record_bytes_max plus what bounds overshoot: see log_appender_commit.  ERR_STOPPED;
 * ERR_NO_MEMORY; the error of a FEED_FAILED from storage.  All but ERR_TOO_LARGE end the appender: reserve,
 * transaction_end and flush say the same from then on. */
NODISCARD enum err log_appender_reserve(struct log_appender *a, int64_t timestamp_ms, size_t value_bytes_max,
                                        size_t headers_bytes_max, uint8_t **value);
/* ERR_TOO_LARGE: the record is above record_bytes_max; it is dropped, nothing changed. */
NODISCARD enum err log_appender_commit(struct log_appender *a, size_t value_bytes, const struct record_header *headers,
                                       uint32_t header_count);

/* The last record ended a transaction (or is a DDL or HEARTBEAT).  Finishes the batch when it is large enough. */
NODISCARD enum err log_appender_transaction_end(struct log_appender *a);

/* The record just committed is a HEARTBEAT: its batch is told as one that no source can send again. */
static inline void log_appender_heartbeat(struct log_appender *a) { a->has_heartbeat = true; }

/* Takes the records since the last transaction end back.  False: some are in a finished batch already. */
bool log_appender_discard_transaction(struct log_appender *a);

/* Finishes the batch if it ends with a transaction end: nothing more is to be had from the source for now. */
NODISCARD enum err log_appender_flush(struct log_appender *a);

/* Records of the current transaction, and whether some of them have been sent. */
static inline uint64_t log_appender_transaction_records(const struct log_appender *a)
{
    return a->next_offset - a->transaction_offset;
}
static inline bool log_appender_transaction_is_sent(const struct log_appender *a)
{
    return a->sent_offset > a->transaction_offset;
}

/* Takes in what storage sent (leases, failures).  ERR_OK or what ended the appender. */
NODISCARD enum err log_appender_poll(struct log_appender *a);

#endif
