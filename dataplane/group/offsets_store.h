/* dataplane/group/offsets_store.h -- the __consumer_offsets log as the coordinator writes and reads it.
 *
 * Records: Kafka's schema (key v1 / value v3 or v1 for commits, key v2 / value v3 for groups, keys v3 and 5 to 8 for
 * groups of the new protocol), one record batch per burst of requests.  Records are numbered 1, 2, ... as they are
 * added; a batch's token is its last record's number, so "durable up to number n" says everything.  Several batches may
 * be under way.
 *
 * The log holds every commit ever made, of which the last per partition counts.  When much more was appended than
 * lives, the whole live state is appended once more (the snapshot) and storage may drop what lies before it. */
#ifndef DATAPLANE_GROUP_OFFSETS_STORE_H
#define DATAPLANE_GROUP_OFFSETS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/group/group.h"
#include "dataplane/kafka/offsets_topic.h"
#include "formats/record_batch.h"
#include "ring/log_feed.h"
#include "storage/log_reader.h"

enum {
    OFFSETS_BATCH_BYTES_MAX = 256 << 10, /* and what fits the feed's ring and a chunk */
    OFFSETS_RECORD_OVERHEAD = 1024,      /* at most: a batch of one record without its value; its key has two names */
    OFFSETS_BATCH_BYTES     = 32 << 10,  /* a batch is closed when it holds this much */
    OFFSETS_IN_FLIGHT_MAX   = 64,        /* batches handed to storage and not yet durable */
    OFFSETS_LOAD_BYTES      = 1 << 20,   /* read at once */
    OFFSETS_SNAPSHOT_BYTES  = 8 << 20,   /* appended at least, and FACTOR times what lives, before a snapshot */
    OFFSETS_SNAPSHOT_FACTOR = 4,
};

/* What a batch holds for each partition of the topic that clients see: behind its newest record, counted from the
 * batch's start; 0: nothing. */
struct batch_view {
    uint32_t count; /* records */
    uint32_t end[OFFSETS_TOPIC_PARTITIONS];
};

struct finished_batch;

struct offsets_store {
    struct log_feed *feed;
    struct offsets_topic_ends *ends; /* published as batches become durable */
    struct batch_view view; /* of the batch being built */
    struct batch_view in_flight[OFFSETS_IN_FLIGHT_MAX]; /* by token */
    uint8_t *bytes;         /* the batch being built */
    uint8_t *key, *value;   /* one record's, while it is encoded */
    uint32_t batch_bytes_max;
    struct record_batch_writer writer;
    bool     is_open;       /* a batch is being built */
    bool     is_claimed;    /* something lies in the ring that storage does not see yet */
    int64_t  wall_ms;       /* stamps the records */
    struct finished_batch *first, **last; /* waiting for room in the ring */
    uint64_t number;         /* of the newest record */
    uint64_t durable_number; /* every record up to it is durable */
    uint64_t token[OFFSETS_IN_FLIGHT_MAX]; /* handed to storage, oldest first */
    uint32_t token_first, token_count;
    enum err failure;        /* not ERR_OK: nothing more will become durable */
    uint64_t stored_bytes;   /* of batches handed to storage, since the start */
    uint64_t stale_bytes;    /* in the log behind the last snapshot */
    uint64_t live_bytes;     /* of the last snapshot */
    uint64_t snapshot_first, snapshot_last; /* its records; last 0: none is under way */
    uint64_t snapshot_offset; /* where it begins in the log, UINT64_MAX: not known yet */
    uint64_t dropped_members;/* groups stored without their members because the record was too large */
};

/* Prepares to append through `feed`, whose producer the calling thread becomes.  ERR_NO_MEMORY. */
NODISCARD enum err offsets_store_open(struct offsets_store *s, struct log_feed *feed, struct offsets_topic_ends *ends);
void               offsets_store_close(struct offsets_store *s);

/* Add one record to the batch being built; value NULL: a tombstone.  Returns the record's number.
 * A group whose record is larger than a batch may be is stored without its members: after a restart they join again. */
uint64_t offsets_store_offset(struct offsets_store *s, const struct offset_commit_key *key,
                              const struct offset_commit_value *value);
uint64_t offsets_store_group(struct offsets_store *s, const struct group_metadata_key *key,
                             const struct group_metadata_value *value);
uint64_t offsets_store_consumer(struct offsets_store *s, enum consumer_record kind,
                                const struct consumer_record_key *key, const void *value);

/* Hands everything added so far to storage, as far as there is room; returns whether something was handed over. */
bool offsets_store_flush(struct offsets_store *s);
/* Takes storage's answers; returns how many.  Moves durable_number, may set failure. */
unsigned offsets_store_poll(struct offsets_store *s);
/* It is time for a snapshot: as soon as nothing is being built, waiting or under way (so that no older record follows a
 * newer one), the caller adds the whole live state between begin and end.  Storage is told when it is durable. */
bool offsets_store_wants_snapshot(const struct offsets_store *s);
bool offsets_store_is_idle(const struct offsets_store *s);
void offsets_store_begin_snapshot(struct offsets_store *s);
void offsets_store_end_snapshot(struct offsets_store *s);
uint64_t offsets_store_memory_bytes(void);

/* --- reading it back --- */

struct offsets_loader {
    struct log_reader *reader;
    struct log        *log;
    struct offsets_topic_ends *ends;
    struct log_cursor  cursor;
    uint64_t next_offset, end_offset; /* the high watermark when loading began */
    uint8_t *bytes;                   /* a slice in one piece */
    size_t   room;
    uint8_t *arena;
    uint64_t record_count, unknown_count; /* read; of those, not understood and skipped */
    uint64_t read_bytes;
};

NODISCARD enum err offsets_loader_open(struct offsets_loader *l, struct log_reader *reader, struct log *log,
                                       struct offsets_topic_ends *ends);
void               offsets_loader_close(struct offsets_loader *l);
/* Reads the next slice into `groups`, and where partitions end.  ERR_OK: go on, or done when next_offset has reached
 * end_offset.  ERR_AGAIN: a disk read is under way.
 * ERR_CORRUPT, ERR_IO, ERR_NO_MEMORY: the log cannot be loaded; msg says where. */
NODISCARD enum err offsets_loader_step(struct offsets_loader *l, struct groups *groups, struct err_msg *msg);

#endif
