/* dataplane/kafka/request.h -- what the handler of a request gets and gives.
 *
 * One file per request; no connection, no socket.
 *
 * A handler reads the request's body, looks at the logs, and leaves a response body that the caller encodes.  A request
 * that must wait leaves nothing behind but the reason; it is handled again from its bytes when the reason may be
 * gone.  Everything lives in the request's arena until the answer is encoded.  Serve lcore only. */
#ifndef DATAPLANE_KAFKA_REQUEST_H
#define DATAPLANE_KAFKA_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "dataplane/auth/rights.h"
#include "dataplane/buffer_arena.h"
#include "dataplane/kafka/codec.h"
#include "dataplane/kafka/error_codes.h"
#include "dataplane/kafka/messages.h"
#include "storage/log_reader.h"

enum {
    NODE_ID = 1,              /* the one node of Metadata and FindCoordinator */
    REQUEST_PIECES_MAX = 1024, /* of records in one answer */
    REQUEST_LOOKUPS_MAX = 1024, /* partitions of one ListOffsets that may need the disk */
    COMPLAINT_PAUSE_S = 10,
};
enum { /* "authorized operations": bits by Kafka's ACL operation codes; READ 3, DESCRIBE 8, DESCRIBE_CONFIGS 10 */
    TOPIC_OPERATIONS   = 1 << 3 | 1 << 8 | 1 << 10,
    CLUSTER_OPERATIONS = 1 << 8 | 1 << 10,
};
#define PIECE_IS_BUFFER UINT32_MAX /* log_piece.pin: a buffer of the lcore, converted records; else the log's */

struct served_settings { /* of the instance, as DescribeConfigs tells them; a retention of 0: no limit */
    int64_t retention_ms, retention_bytes, segment_bytes, index_interval_bytes, record_bytes_max;
    int64_t request_bytes_max, fetch_bytes_max, initial_rebalance_delay_ms, offsets_retention_ms;
};

struct offsets_topic_ends;

struct disk_space { /* of the folder that logs lie in, as told last; -1: not known */
    _Atomic int64_t total_bytes, usable_bytes;
};

struct node { /* what handlers know of us; constant while serving */
    struct storage     *storage;
    struct kafka_string host, cluster_id;
    int32_t             port;
    uint32_t            fetch_bytes_max;
    const char         *log_dir; /* where the logs lie */
    const struct disk_space *disk; /* asking the disk may block, which serve lcores never do */
    const struct offsets_topic_ends *offsets_ends; /* of __consumer_offsets; NULL: nobody tells */
    struct served_settings settings;
};

/* Records of an answer: pinned pieces in wire order, cut into one run per partition that has records. */
struct record_pieces {
    struct log_piece piece[REQUEST_PIECES_MAX];
    uint32_t piece_count;
    uint32_t run_end[REQUEST_PIECES_MAX]; /* of run i: the index behind its last piece */
    uint16_t run_slot[REQUEST_PIECES_MAX]; /* and of the log that it was read from */
    uint32_t run_count;
    uint64_t durable_ns; /* when the newest of them became visible; 0: they do not reach the high watermark */
};

static inline void record_pieces_reset(struct record_pieces *p) /* somebody else has the pins now */
{
    p->piece_count = p->run_count = 0;
    p->durable_ns = 0;
}
static inline void record_piece_release(const struct log_piece *p, struct log_reader *reader,
                                        struct buffer_arena *buffers)
{
    if (p->pin == PIECE_IS_BUFFER) buffer_give(buffers, (void *)(uintptr_t)p->bytes);
    else log_reader_release(reader, p);
}
static inline void record_pieces_release(struct record_pieces *p, struct log_reader *reader,
                                         struct buffer_arena *buffers)
{
    for (uint32_t i = 0; i < p->piece_count; i++) record_piece_release(&p->piece[i], reader, buffers);
    record_pieces_reset(p);
}

struct log_set { /* by slot */
    uint64_t bits[LOGS_MAX / 64];
};
static inline void log_set_add(struct log_set *s, uint32_t slot) { s->bits[slot / 64] |= (uint64_t)1 << (slot % 64); }

/* One timestamp lookup of a ListOffsets that had to wait for the disk: done ones are not done again. */
struct time_lookup {
    bool     is_done;
    enum err error;
    uint64_t offset;
    int64_t  found_ms;
};

enum handled {
    HANDLED_ANSWER,      /* `response` is to be encoded and sent */
    HANDLED_WAIT_LOGS,   /* until one of wait_logs grows or wait_until_ns is over, then again */
    HANDLED_WAIT_DISK,   /* until a disk read ends, then again */
    HANDLED_MALFORMED,   /* close the connection */
    HANDLED_TOO_LARGE,   /* does not fit in the arena: close the connection */
    HANDLED_NO_MEMORY,   /* no buffer is free: close the connection */
    HANDLED_NO_ANSWER,   /* the protocol forbids one: close the connection */
};

struct fetch_sessions;

struct request {
    /* given */
    const struct node  *node;
    struct log_reader  *reader;
    struct kafka_arena *arena;    /* for the decoded request and the response */
    struct buffer_arena *buffers; /* for records that must be converted */
    struct kafka_request_header header;
    struct cursor       body;
    uint64_t            arrived_ns, now_ns; /* monotonic */
    uint64_t            records_bytes_max;  /* of this answer */
    uint32_t            throttle_ms; /* not 0: the quota is overdrawn; answer nothing but this (KIP-219) */
    struct record_pieces *records; /* empty */
    const struct principal *principal; /* who asks, see auth/rights.h */
    struct log_cursor   *log_cursor;       /* the connection's place in the log read last */
    uint64_t            *complained_ns;    /* when the log last told of a partition that cannot be read */
    struct fetch_sessions *sessions; /* the lcore's */
    bool                is_again;      /* it waited and is handled once more */
    struct time_lookup  *lookups; /* REQUEST_LOOKUPS_MAX, kept while the request waits; NULL: none are kept */
    /* taken */
    int16_t             response_version; /* preset to the request's */
    const void         *response;
    struct log_set      wait_logs;
    uint64_t            wait_until_ns;
};

/* Reads the body into *out, the struct of messages.h for the request's key; errors as kafka_decode. */
NODISCARD enum err request_decode(struct request *r, void *out);
/* What its error means for the connection. */
static inline enum handled request_undecoded(enum err e)
{
    return e == ERR_TOO_LARGE ? HANDLED_TOO_LARGE : HANDLED_MALFORMED;
}

/* Zeroed room for `count` things of `size` bytes, or NULL: the arena is full. */
void *request_room(struct request *r, int64_t count, size_t size);

/* The log of a topic that the client may see, or NULL: by name, by id, or in slot 0..LOGS_MAX-1.  Every handler finds
 * its logs here. */
struct log *request_log(const struct request *r, struct kafka_string topic);
struct log *request_log_by_id(const struct request *r, struct kafka_uuid id);
struct log *request_log_at(const struct request *r, uint32_t slot);
/* __consumer_offsets has more than one (offsets_topic.h). */
int32_t request_partition_count(const struct log *log);
bool    request_has_partition(const struct log *log, int32_t index);
/* The id that consumers know the log's topic by. */
struct kafka_uuid request_topic_id(const struct log *log);
bool request_is_no_id(struct kafka_uuid id);
/* Why request_log found no topic of this name: UNKNOWN_TOPIC_OR_PARTITION; of names that the client may not see
 * TOPIC_AUTHORIZATION_FAILED, whether or not there is such a topic.  `missing`, for requests that describe topics:
 * INVALID_TOPIC_EXCEPTION where there can be none. */
enum kafka_error request_topic_unknown(const struct request *r, struct kafka_string name);
enum kafka_error request_topic_missing(const struct request *r, struct kafka_string name);
/* The cluster id that the client is to see: its channel's, which changes when offsets cannot be compared any more; of
 * those who see all, the instance's. */
struct kafka_string request_cluster_id(const struct request *r);
struct epoch_end {
    int32_t epoch;
    int64_t offset;
};
/* The largest leader epoch up to `asked` that has records, and the offset where the next one begins (or the log's
 * visible end); -1, -1: not known, or not yet. */
struct epoch_end request_epoch_end(const struct log *log, uint64_t watermark, int32_t asked);
/* The leader epoch in which the record at `offset` was written; -1: not known. */
int32_t request_epoch_of(const struct log *log, uint64_t offset);

/* 0, FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH for the epoch a client believes in (KIP-320); -1: it does not care. */
enum kafka_error request_epoch_error(const struct log *log, int32_t epoch);

enum handled kafka_handle_api_versions(struct request *r);
enum handled kafka_handle_metadata(struct request *r);
enum handled kafka_handle_fetch(struct request *r);
enum handled kafka_handle_list_offsets(struct request *r);
enum handled kafka_handle_find_coordinator(struct request *r);
enum handled kafka_handle_produce(struct request *r);
enum handled kafka_handle_offset_for_leader_epoch(struct request *r);
enum handled kafka_handle_describe_cluster(struct request *r);
enum handled kafka_handle_describe_configs(struct request *r);
enum handled kafka_handle_describe_log_dirs(struct request *r);
enum handled kafka_handle_describe_topic_partitions(struct request *r);
enum handled kafka_handle_refused(struct request *r); /* requests that would change something, and DescribeAcls */
/* The answer to an ApiVersions of a version we do not know: version 0's layout, the body unread. */
enum handled kafka_handle_api_versions_unsupported(struct request *r);

#endif
