/* ring/log_feed.h -- the pair of rings between one producer of records and storage.
 *
 * A capture thread (kind "batch") writes record batches into chunks that storage leases to it and sends descriptors.
 * The group coordinator (kind "append") sends small finished batches whole and is told when they are durable.
 *
 * How chunks map to the segment file: a chunk is the image of a block-aligned range of the active segment.  The first
 * byte a producer may write in its first chunk is at `log_resume.segment_position % LOG_BLOCK_BYTES` (storage has put
 * the bytes before it in place).  Batches follow each other without gaps.  When the next batch does not fit, the
 * producer takes the next lease, copies the bytes of the last, partly filled block of the old chunk to the start of the
 * new one, and goes on behind them.  A batch larger than the room in one whole chunk spans consecutive leases: it fills
 * the first to its end and continues at byte 0 of the next.  With FEED_ROLL the batch begins a new segment: its first
 * byte is byte 0 of a fresh lease. */
#ifndef RING_LOG_FEED_H
#define RING_LOG_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/chunk_pool.h"
#include "ring/ring_spsc.h"
#include "ring/wait.h"

enum feed_kind {
    FEED_BATCH = 1, /* producer -> storage: struct feed_batch */
    FEED_APPEND,    /* producer -> storage: struct feed_append, then the batch's bytes */
    FEED_LEASE,     /* storage -> producer: struct feed_lease */
    FEED_TRIM,      /* append producer -> storage: struct feed_trim */
    FEED_DURABLE,   /* storage -> producer: struct feed_durable */
    FEED_FAILED,    /* storage -> producer: struct feed_failed; nothing more will be written */
    FEED_WANT,      /* producer -> storage: struct feed_want */
};

enum feed_flags {
    FEED_ROLL            = 1, /* this batch begins a new segment */
    FEED_TRANSACTION_END = 2, /* its last record ends a transaction (or is a DDL or HEARTBEAT) */
    FEED_HEARTBEAT       = 4, /* it holds a HEARTBEAT, which no source can send again: not visible before durable */
    FEED_GTID_SET        = 8, /* one of its records carries a GTID set (RECORD_HEADER_GTID_SET) */
};

struct feed_batch {
    uint32_t kind, flags;
    uint32_t chunk_index;    /* the chunk in which the batch begins */
    uint32_t chunk_position; /* bytes from that chunk's start */
    uint32_t batch_bytes;    /* header included; CRC and offsets are final */
    uint32_t record_count;
    uint64_t base_offset;
    int64_t  max_timestamp_ms;
    uint64_t read_ns;        /* monotonic: when the oldest event of the batch was read from the source */
    uint64_t encoded_ns;     /* monotonic: when the batch was finished */
};

struct feed_append {
    uint32_t kind, batch_bytes;
    uint64_t token; /* comes back in feed_durable */
    /* batch_bytes follow: a finished record batch with base offset 0, which storage patches */
};

struct feed_lease {
    uint32_t kind, chunk_index;
};

/* A batch under way has filled every lease the producer holds: storage grants `chunk_count` more beyond the usual
 * number. (Storage learns of a batch only when it is finished, so it cannot know this by itself.) */
struct feed_want {
    uint32_t kind, chunk_count;
};

/* What lies before this offset was written again behind it and may go, a segment at a time.  Nothing else takes records
 * from a log of kind "append": age and size do not. */
struct feed_trim {
    uint32_t kind, unused;
    uint64_t offset;
};

struct feed_durable {
    uint32_t kind, error; /* enum err */
    uint64_t token;
    uint64_t base_offset;
};

struct feed_failed {
    uint32_t kind, error; /* enum err; the words are in the log's status */
};

struct log_feed {
    struct ring_spsc to_storage, to_producer;
    struct waiter   *storage_waiter;  /* woken by the producer after commit */
    struct waiter *_Atomic producer_waiter; /* woken by storage after commit; set by the producer's owner at first */
    struct chunk_pool *pool;
    _Atomic uint64_t durable_offset; /* what lies before it is durable and visible; storage's, moves after the fact */
};

/* The producer's last act, while storage still runs: when it returns storage wakes its waiter no more, which may then
 * go.  May take as long as storage takes to empty the ring, at most a second. */
void log_feed_leave(struct log_feed *f);

/* What recovery found: where the producer goes on. */
struct log_resume {
    uint64_t next_offset;          /* of the next record */
    uint64_t segment_base_offset;  /* of the active segment */
    uint64_t segment_position;     /* bytes: where the next batch begins in the active segment's file */
    int64_t  last_timestamp_ms;    /* of the last record, -1 in an empty log */
    uint32_t leader_epoch;
    bool     is_resending;         /* records behind next_offset may have been seen and lost (log_is_resending): no
                                    * HEARTBEAT until the source has sent all that it has now */
    bool     shows_written;        /* `visible: written`: what stands behind a HEARTBEAT waits until that is durable */
    uint32_t position_bytes;       /* 0: no position is logged yet */
    uint32_t gtid_set_bytes;
    uint8_t  position[1024];       /* value of the last RECORD_HEADER_POSITION (formats/source_position.h) */
    uint8_t *gtid_set;             /* value of the newest RECORD_HEADER_GTID_SET, and the GTIDs of the transactions
                                    * that are logged from its record on; malloc'd, the receiver frees; NULL: none */
    uint64_t gtid_set_offset;      /* of the record that carries it */
};

#endif
