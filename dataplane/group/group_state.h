/* dataplane/group/group_state.h -- the state behind group.h; only dataplane/group/group*.c includes it. */
#ifndef DATAPLANE_GROUP_GROUP_STATE_H
#define DATAPLANE_GROUP_GROUP_STATE_H

#include "dataplane/group/group.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct protocol {
    struct kafka_string name;
    struct kafka_bytes  metadata; /* opaque */
};

struct member {
    struct member *next; /* in the order of joining */
    struct kafka_string id, instance_id /* null: dynamic */, client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct protocol *protocols; /* one allocation with the bytes they point to */
    uint32_t protocol_count;
    struct kafka_bytes assignment;
    bool is_new;      /* has not yet been in a generation */
    bool has_synced;  /* in this generation */
    bool awaits_join, awaits_sync; /* a request is parked */
    struct ticket join_ticket, sync_ticket;
    uint64_t session_deadline_ms;
};

struct pending_member { /* was given an id (KIP-394) and has not come back with it */
    struct pending_member *next;
    struct kafka_string id;
    uint64_t deadline_ms;
};

struct offset {
    struct offset *next;
    struct kafka_string topic, metadata;
    int32_t partition, leader_epoch;
    int64_t offset, commit_ms, expire_ms /* -1: by the group's retention */;
    uint64_t commit_serial; /* of the request that wrote it last */
};

struct group {
    struct group *hash_next;
    struct group *next, **link; /* list of all */
    uint32_t heap_index;
    uint64_t deadline_ms; /* at or before the earliest timer of this group */

    struct kafka_string id;
    enum group_state state;
    int64_t  state_since_ms; /* Unix */
    int32_t  generation;
    struct kafka_string protocol_type, protocol; /* null: none; else in the next two */
    char     protocol_type_chars[GROUP_ID_BYTES_MAX], protocol_chars[GROUP_ID_BYTES_MAX];
    struct member *members;
    struct member *leader;
    uint32_t member_count;
    struct pending_member *pending;
    uint32_t pending_count;
    uint64_t join_deadline_ms, sync_deadline_ms;
    bool     is_initial_delay;      /* PREPARING from EMPTY: waits for others whoever has joined */
    bool     joined_during_delay;
    uint64_t initial_delay_left_ms;

    struct offset *offsets;
    uint32_t offset_count;

    bool     has_record;    /* a group metadata record lives in the log */
    uint64_t record_number; /* of the newest group record: what generation and assignments rest on */
    uint64_t offset_number; /* of the newest offset record */
    uint64_t member_bytes, offset_bytes; /* allocated */
};

enum { GROUP_HASH_BUCKETS = 4096 };

struct groups {
    struct group_limits limits;
    struct groups_host  host;
    uint64_t now_ms;
    int64_t  wall_ms;
    struct group *bucket[GROUP_HASH_BUCKETS];
    struct group *list;
    struct group **heap; /* by deadline_ms, the earliest first */
    uint32_t group_count, heap_room;
    uint64_t retention_due_ms;
    uint64_t memory_bytes;
    uint64_t commit_serial;
    uint64_t removed_number; /* of the newest record of a group that is gone: what its absence rests on */
    bool     is_loading; /* limits do not apply: what is in the log is kept */
    struct join_group_response_member *rows; /* members_max: the leader's list */
    struct group_metadata_member *record_rows;
    uint32_t row_room;
    struct groups_stats stats; /* only the sums since the start */
};

/* --- group.c: memory, lookup, timers --- */

/* Counted allocations; `account` (a group's member_bytes or offset_bytes) is counted and bounded too.  NULL: a limit.
 * */
void *groups_take(struct groups *g, uint64_t *account, size_t size);
void  groups_give(struct groups *g, uint64_t *account, void *memory);
/* Replaces *to by a copy of `from`, which may be null; false: a limit, *to is unchanged. */
bool  groups_copy(struct groups *g, uint64_t *account, struct kafka_string *to, struct kafka_string from);
bool  groups_copy_bytes(struct groups *g, uint64_t *account, struct kafka_bytes *to, struct kafka_bytes from);

struct group *groups_find(struct groups *g, struct kafka_string id);
struct group *groups_create(struct groups *g, struct kafka_string id); /* NULL: a limit */
void          groups_remove(struct groups *g, struct group *group);    /* no member is left in it */
/* Removes a group that holds nothing and is not in the log. */
void          groups_remove_if_void(struct groups *g, struct group *group);
/* A timer of the group was set to this time. */
void          group_timer(struct groups *g, struct group *group, uint64_t deadline_ms);
void          group_enter(struct groups *g, struct group *group, enum group_state state);
const char   *group_state_name(const struct group *group); /* Kafka's */

/* protocol_type or protocol: text of at most GROUP_ID_BYTES_MAX bytes, or null. */
static inline void group_set_text(struct kafka_string *to, char *chars, struct kafka_string from)
{
    if (from.size > 0) memcpy(chars, from.chars, (size_t)from.size);
    *to = (struct kafka_string){chars, from.size};
}

static inline uint64_t ms_after(uint64_t now_ms, int64_t wait_ms)
{
    return now_ms + (wait_ms > 0 ? (uint64_t)wait_ms : 0);
}

/* --- group_member.c --- */

struct member *member_find(struct group *group, struct kafka_string id);
struct member *member_find_instance(struct group *group, struct kafka_string instance_id); /* NULL for null */
/* Adds a member behind the others; NULL: a limit.  The first one leads. */
struct member *member_add(struct groups *g, struct group *group, struct kafka_string id, const struct group_caller *who,
                          const struct join_group_request *in);
/* Takes over what a repeated JoinGroup says; false: a limit. */
bool           member_update(struct groups *g, struct group *group, struct member *m,
                             const struct join_group_request *in, int16_t version);
bool           member_lists_same(const struct member *m, const struct join_group_request *in);
/* Removes and frees; parked requests are answered with `error`. */
void           member_remove(struct groups *g, struct group *group, struct member *m, enum kafka_error error);
/* The session timer starts anew. */
void           member_alive(struct groups *g, struct group *group, struct member *m);
void           member_answer_sync(struct groups *g, struct group *group, struct member *m, enum kafka_error error);
struct kafka_bytes member_metadata(const struct member *m, struct kafka_string protocol);
/* The member `id` names, if this request may speak for it; else the error (25 unknown, 82 fenced). */
enum kafka_error member_check(struct group *group, struct kafka_string id, struct kafka_string instance_id,
                              struct member **out);

struct pending_member *pending_find(struct group *group, struct kafka_string id);
bool pending_add(struct groups *g, struct group *group, struct kafka_string id, int32_t session_timeout_ms);
void pending_remove(struct groups *g, struct group *group, struct pending_member *p);

bool group_supports(const struct group *group, const struct join_group_request *in);
/* The protocol that all members list and most prefer. */
struct kafka_string group_choose_protocol(const struct group *group);
int32_t group_rebalance_timeout_ms(const struct group *group);
bool group_subscribes(const struct group *group, struct kafka_string topic);

/* --- group_join.c --- */

void join_answer(struct groups *g, struct group *group, struct member *m, const struct ticket *to, uint64_t after);
void join_refuse(struct groups *g, const struct ticket *to, enum kafka_error error, struct kafka_string member_id);

/* --- group_rebalance.c --- */

/* Starts a rebalance, unless one is being joined already. */
void rebalance_start(struct groups *g, struct group *group);
void rebalance_try_complete(struct groups *g, struct group *group);
/* Takes a member out and lets the group react. */
void rebalance_without(struct groups *g, struct group *group, struct member *m, enum kafka_error error);
/* Fires the group's due timers and finds the next; may remove the group. */
void rebalance_timers(struct groups *g, struct group *group);

/* --- group_offsets.c, group_store.c --- */

void offset_remove(struct groups *g, struct group *group, struct offset *o, bool tell_log);
/* Loading: a commit as the log has it.  ERR_NO_MEMORY. */
NODISCARD enum err offset_set(struct groups *g, struct group *group, const struct offset_commit_key *key,
                              const struct offset_commit_value *value);
struct offset *offset_find(const struct group *group, struct kafka_string topic, int32_t partition);
void offset_drop(struct groups *g, struct group *group, struct kafka_string topic, int32_t partition);
void offsets_store(struct groups *g, struct group *group); /* all of the group's commits as records */
void offsets_retain(struct groups *g); /* the retention check, all groups */
void group_store(struct groups *g, struct group *group);       /* its metadata record as it is now */
void group_store_tombstone(struct groups *g, struct group *group);

#endif
