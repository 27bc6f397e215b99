/* dataplane/group/group.h -- consumer groups (Kafka's classic protocol, and the new one of KIP-848) and their offsets
 * as a pure state machine.
 *
 * No I/O, no clock, no threads: requests come decoded, time and randomness are given, and what shall happen in the
 * world leaves through `struct groups_host`.  One thread calls everything here.
 *
 * What must survive a crash is handed to the host as records of the __consumer_offsets log, numbered in the order they
 * are handed out.  State changes at once; an answer that promises something carries the number of the record that must
 * be durable before the answer may leave (and so does an answer that shows such state).  So a client never learns of
 * anything that a crash can take back, and the log needs no way back into this machine.
 *
 * A group speaks one of the two protocols; while it has no members, whoever comes first decides which.
 *
 * Sources: the Kafka protocol guide (group membership), KIP-62, KIP-134, KIP-211, KIP-345, KIP-394, KIP-848. */
#ifndef DATAPLANE_GROUP_GROUP_H
#define DATAPLANE_GROUP_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "dataplane/kafka/error_codes.h"
#include "dataplane/kafka/messages.h"

enum {
    GROUP_ID_BYTES_MAX        = 255,  /* also: instance ids, protocol names and types */
    GROUP_PROTOCOLS_MAX       = 64,   /* that one member lists */
    GROUP_OFFSET_METADATA_MAX = 4096, /* bytes a client may keep with a commit */
    GROUP_NEW_MEMBER_WAIT_MS  = 300000, /* how long a member's first JoinGroup may be parked */
    GROUP_RETENTION_CHECK_MS  = 600000,
    GROUP_CONSUMER_HEARTBEAT_MS = 5000, /* asked of members of the new protocol */
};
#define GROUP_NEVER_MS UINT64_MAX

/* Who is to be answered; opaque here but for the version, which decides some answers. */
struct ticket {
    uint64_t connection_id;
    int32_t  correlation_id;
    uint32_t link;
    int16_t  api_key, api_version;
};

struct group_caller {
    struct ticket ticket;
    struct kafka_string client_id, client_host;
    struct kafka_string only_group, only_topic; /* all that it may see; empty: it sees everything */
};
static inline bool group_caller_sees(struct kafka_string only, struct kafka_string asked)
{
    return only.size <= 0 || (only.size == asked.size && memcmp(only.chars, asked.chars, (size_t)only.size) == 0);
}

/* What the new protocol hands out: every topic there is, each with one partition. */
struct group_topic {
    struct kafka_string name;
    struct kafka_uuid   id;
};
struct group_topics {
    const struct group_topic *topics; /* borrowed for the call */
    uint32_t count;
    uint64_t version; /* never 0; differs when the topics do */
};

/* Kafka's records of the new protocol in __consumer_offsets, by key version. */
enum consumer_record {
    CONSUMER_GROUP_METADATA   = 3, /* the group epoch */
    CONSUMER_MEMBER_METADATA  = 5,
    CONSUMER_TARGET_METADATA  = 6, /* the epoch of the targets */
    CONSUMER_TARGET_MEMBER    = 7,
    CONSUMER_CURRENT_MEMBER   = 8, /* its epoch, what it has and what it has to let go */
};

struct groups_host {
    void *context;
    /* `response` is the struct of the ticket's API, borrowed for the call.  It leaves when record `after` is durable;
     * 0: at once. */
    void (*answer)(void *context, const struct ticket *to, const void *response, uint64_t after);
    /* Hand out one record and return its number, 1 and up, strictly growing.  value NULL: a tombstone. */
    uint64_t (*store_offset)(void *context, const struct offset_commit_key *key,
                             const struct offset_commit_value *value);
    uint64_t (*store_group)(void *context, const struct group_metadata_key *key,
                            const struct group_metadata_value *value);
    /* `value`: the struct of messages.h for that kind. */
    uint64_t (*store_consumer)(void *context, enum consumer_record kind, const struct consumer_record_key *key,
                               const void *value);
    struct group_topics (*topics)(void *context);
    int32_t (*topic_partitions)(void *context, struct kafka_string topic); /* how many; 0: there is no such topic */
    void (*random_bytes)(void *context, void *bytes, size_t size); /* for member ids */
};

struct group_limits {
    uint32_t groups_max;
    uint32_t members_max;          /* per group */
    uint32_t group_bytes_max;      /* memory of one group's members, and again of its offsets */
    uint64_t memory_bytes_max;     /* of all groups */
    uint32_t member_record_bytes_max; /* of the value of a CONSUMER_MEMBER_METADATA record */
    int32_t  session_timeout_min_ms, session_timeout_max_ms;
    int32_t  consumer_session_timeout_ms; /* of members of the new protocol */
    uint32_t initial_rebalance_delay_ms;
    uint64_t offsets_retention_ms; /* 0: for ever */
};

struct groups;

NODISCARD enum err groups_open(struct groups **out, const struct group_limits *limits, const struct groups_host *host);
void               groups_close(struct groups *g);

/* Time passes: fires every timer that is due.  `now_ms` is monotonic and starts above 0, `wall_ms` Unix time.  Call
 * before each burst of requests; they happen at that time. */
void     groups_advance(struct groups *g, uint64_t now_ms, int64_t wall_ms);
/* When the next timer is due; GROUP_NEVER_MS: none.  May be early, never late. */
uint64_t groups_next_ms(const struct groups *g);

/* Requests.  Each is answered exactly once, now or later.  `scratch` holds the arrays of an answer during the call. */
void groups_join(struct groups *g, const struct group_caller *who, const struct join_group_request *in);
void groups_sync(struct groups *g, const struct group_caller *who, const struct sync_group_request *in);
void groups_heartbeat(struct groups *g, const struct group_caller *who, const struct heartbeat_request *in);
/* ERR_TOO_LARGE: the answer does not fit `scratch`; nothing was done or answered. */
NODISCARD enum err groups_consumer_heartbeat(struct groups *g, const struct group_caller *who,
                                             const struct consumer_group_heartbeat_request *in,
                                             struct kafka_arena *scratch);
NODISCARD enum err groups_leave(struct groups *g, const struct group_caller *who, const struct leave_group_request *in,
                                struct kafka_arena *scratch);
NODISCARD enum err groups_commit(struct groups *g, const struct group_caller *who,
                                 const struct offset_commit_request *in, struct kafka_arena *scratch);
NODISCARD enum err groups_fetch(struct groups *g, const struct group_caller *who, const struct offset_fetch_request *in,
                                struct kafka_arena *scratch);

/* What tools ask (group_admin.c, group_consumer_describe.c): ListGroups, DescribeGroups, ConsumerGroupDescribe,
 * DeleteGroups, OffsetDelete.  ERR_TOO_LARGE as above. */
NODISCARD enum err groups_consumer_describe(struct groups *g, const struct group_caller *who,
                                            const struct consumer_group_describe_request *in,
                                            struct kafka_arena *scratch);
NODISCARD enum err groups_list(struct groups *g, const struct group_caller *who, const struct list_groups_request *in,
                               struct kafka_arena *scratch);
NODISCARD enum err groups_describe(struct groups *g, const struct group_caller *who,
                                   const struct describe_groups_request *in, struct kafka_arena *scratch);
NODISCARD enum err groups_delete(struct groups *g, const struct group_caller *who,
                                 const struct delete_groups_request *in, struct kafka_arena *scratch);
NODISCARD enum err groups_delete_offsets(struct groups *g, const struct group_caller *who,
                                         const struct offset_delete_request *in, struct kafka_arena *scratch);

/* Drops every commit on a topic, and puts out the members that may hold positions on it (all of a classic group that
 * committed or subscribes; members of the new protocol one by one): when a topic is made anew under its name, nobody
 * commits offsets of this one.  Returns the number of the last record stored (0: there was none). */
uint64_t groups_forget_topic(struct groups *g, struct kafka_string topic);
/* Drops the group with its commits; while it has members, its commits alone.  Returns as above. */
uint64_t groups_forget_group(struct groups *g, struct kafka_string id);

/* A tool's commit: partition 0 of `topic`, of a group that nobody is in (it is made if there is none); `*after` is the
 * number of its record.  ERR_STATE: the group has members; ERR_NOT_FOUND: no such topic; ERR_NO_MEMORY: a limit. */
NODISCARD enum err groups_move_checkpoint(struct groups *g, struct kafka_string id, struct kafka_string topic,
                                          int64_t offset, uint64_t *after);

/* Start: the log's records in order, then done.  Tombstones have value NULL.  ERR_NO_MEMORY. */
NODISCARD enum err groups_load_offset(struct groups *g, const struct offset_commit_key *key,
                                      const struct offset_commit_value *value);
NODISCARD enum err groups_load_group(struct groups *g, const struct group_metadata_key *key,
                                     const struct group_metadata_value *value);
/* `value`: as store_consumer got it. */
NODISCARD enum err groups_load_consumer(struct groups *g, enum consumer_record kind,
                                        const struct consumer_record_key *key, const void *value);
NODISCARD enum err groups_load_done(struct groups *g);

/* Hands out the whole live state as records: the log before them is then superfluous. */
void groups_store_all(struct groups *g);

struct groups_stats {
    uint32_t group_count, member_count, offset_count;
    uint64_t memory_bytes;
    uint64_t refused_for_limits; /* requests, since the start */
    uint64_t rebalances;         /* completed, since the start */
    uint64_t pattern_matches;    /* of topic names against members' patterns, since the start */
    uint64_t subscription_walks; /* over all that a group's members subscribe to, for OffsetDelete, since the start */
};
struct groups_stats groups_stats_of(const struct groups *g);

/* A look at one group, valid until the next call. */
struct group_view {
    struct kafka_string group_id;
    const char *state; /* Kafka's name of it */
    int32_t  generation;
    uint32_t member_count, offset_count;
    bool     has_commit; /* on the topic asked for, partition 0 */
    bool     is_subscribed; /* a member of a consumer group names the topic in its subscription */
    int64_t  committed_offset, commit_time_ms;
};
/* Calls `visit` for every group; `topic` may be null. */
void groups_each(struct groups *g, struct kafka_string topic,
                 void (*visit)(void *context, const struct group_view *view), void *context);

/* A look at one member, valid until the next call. */
struct group_member_view {
    struct kafka_string id, client_id, client_host;
    bool is_active; /* partition 0 of the topic asked for is this member's now */
};
/* Calls `visit` for every member of the group, of either protocol, in the order of joining. */
void groups_each_member(struct groups *g, struct kafka_string id, struct kafka_string topic,
                        void (*visit)(void *context, const struct group_member_view *view), void *context);

#endif
