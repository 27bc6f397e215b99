/* dataplane/group/group_state.h -- the state behind group.h; only dataplane/group/group*.c includes it. */
#ifndef DATAPLANE_GROUP_GROUP_STATE_H
#define DATAPLANE_GROUP_GROUP_STATE_H

#include "dataplane/group/group.h"
#include "dataplane/group/topic_pattern.h"

/* Kafka's bits of the operations on a group: READ (3), DELETE (6), DESCRIBE (8).  Whoever gets here may do them all. */
enum { GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 };

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

/* The new consumer protocol (KIP-848): who subscribes to what, and how far the server has come in telling it. */
struct consumer_member {
    struct consumer_member *next; /* in the order of joining */
    struct kafka_string id, instance_id /* null: dynamic */, rack_id, client_id, client_host;
    struct kafka_string assignor; /* null: no preference */
    struct kafka_string regex;    /* null: none */
    struct topic_pattern *pattern;/* regex, compiled */
    struct kafka_string *names;   /* subscribed topics; one allocation with the bytes they point to */
    uint32_t name_count;
    struct kafka_string only_topic; /* all that it may see; null: everything, or not known since the start */
    int32_t  rebalance_timeout_ms;
    int32_t  epoch;          /* CONSUMER_LEFT_FOR_NOW: a static member that will be back */
    int32_t  previous_epoch; /* an answer with `epoch` may have been lost */
    uint64_t session_deadline_ms;
    uint64_t rebalance_deadline_ms; /* until then it must have let go of what was revoked */
    uint32_t load;           /* of topics in the target; while that is computed */
    bool     has_news;       /* its target changed; while that is computed */
};

/* A topic that members subscribe to.  It has one partition, so the topic is what is handed out, and one owner by
 * construction. */
struct share {
    struct share *next;
    struct kafka_uuid   topic_id;
    struct kafka_string name;       /* empty: loaded, and not yet seen among the topics */
    struct consumer_member *target; /* who shall have it */
    struct consumer_member *owner;  /* who has it, or has not let go of it yet; NULL: it is free */
    bool is_revoked; /* the owner was told to let go */
    bool is_live;    /* the topic is there and somebody wants it */
    bool was_seen;   /* while the topics are looked at */
};

struct consumers {
    struct consumer_member *members;
    struct share *shares;
    uint32_t share_count;
    int32_t  target_epoch;   /* the group epoch (group->generation) for which targets were computed */
    uint64_t topics_version; /* of the topics last looked at; 0: not yet, or not all found room */
};

struct pending_member { /* was given an id (KIP-394) and has not come back with it */
    struct pending_member *next;
    struct kafka_string id;
    uint64_t deadline_ms;
};

struct offset {
    struct offset *next, *hash_next;
    struct kafka_string topic, metadata;
    const struct group *group;
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
    uint32_t member_count; /* of either protocol */
    struct consumers *consumers; /* the group speaks the new protocol; generation is its epoch, state Empty or Stable */
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

enum { GROUP_HASH_BUCKETS = 4096, OFFSET_HASH_BUCKETS = 32768 };

struct groups {
    struct group_limits limits;
    struct groups_host  host;
    uint64_t now_ms;
    int64_t  wall_ms;
    struct group *bucket[GROUP_HASH_BUCKETS];
    struct offset *offset_bucket[OFFSET_HASH_BUCKETS]; /* of all groups: a request may ask for thousands */
    struct group *list;
    struct group **heap; /* by deadline_ms, the earliest first */
    uint32_t group_count, heap_room;
    uint64_t retention_due_ms;
    uint64_t memory_bytes;
    uint64_t commit_serial;
    uint64_t removed_number; /* of the newest record of a group that is gone: what its absence rests on */
    struct topic_matcher *matcher; /* of all members' patterns */
    bool     is_loading; /* limits do not apply: what is in the log is kept */
    struct join_group_response_member *rows; /* members_max: the leader's list */
    struct group_metadata_member *record_rows;
    uint32_t row_room;
    struct consumer_record_topic *topic_rows; /* one member's topics */
    uint32_t topic_row_room;
    struct groups_stats stats; /* only the sums since the start */
};

/* --- group.c: memory, lookup, timers --- */

/* Counted allocations; `account` (a group's member_bytes or offset_bytes) is counted and bounded too.  NULL: a limit.
 * */
void *groups_take(struct groups *g, uint64_t *account, size_t size);
void  groups_give(struct groups *g, uint64_t *account, void *memory);
/* Counts memory that a library allocated; false: a limit. */
bool  groups_charge(struct groups *g, uint64_t *account, size_t size);
void  groups_refund(struct groups *g, uint64_t *account, size_t size);
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

/* --- group_consumer.c, group_consumer_assign.c, group_consumer_store.c: the new protocol --- */

enum { CONSUMER_LEFT_FOR_NOW = -2 }; /* a member epoch; -1 is one that leaves for good */

/* Hands an error on. */
#define TRY_KAFKA(call)                               \
    do {                                              \
        enum kafka_error try_error_ = (call);         \
        if (try_error_ != KAFKA_NONE) return try_error_; \
    } while (0)

struct consumer_member *consumer_find(const struct group *group, struct kafka_string id);
/* Makes a group that has no members one of the new protocol, or of the classic one; its commits stay.  false: it has
 * members, or a limit. */
bool consumers_open(struct groups *g, struct group *group);
bool consumers_close(struct groups *g, struct group *group);
/* Frees all, telling nobody. */
void consumers_free(struct groups *g, struct group *group);
struct consumer_member *consumer_add(struct groups *g, struct group *group, struct kafka_string id); /* NULL: a limit */
/* Replaces the topics it subscribes to by name; false: a limit, they are unchanged. */
bool     consumer_set_names(struct groups *g, struct group *group, struct consumer_member *m,
                            const struct kafka_string *names, int32_t count);
/* Replaces its regular expression, null or with its compiled pattern, which it then owns; false: a limit, nothing is
 * changed. */
bool     consumer_set_regex(struct groups *g, struct group *group, struct consumer_member *m,
                            struct kafka_string regex, struct topic_pattern *pattern);
void     consumer_drop(struct groups *g, struct group *group, struct consumer_member *m); /* out of the lists, freed */
void     consumers_timers(struct groups *g, struct group *group);
uint64_t consumers_earliest_timer(const struct group *group);
void     consumer_alive(struct groups *g, struct group *group, struct consumer_member *m);
bool     consumers_subscribe(const struct group *group, struct kafka_string topic);
/* It subscribes to the topic, or has it still, or may have it: a share's name is not known until topics are looked
 * at. */
bool     consumer_follows(const struct group *group, const struct consumer_member *m, struct kafka_string topic);
/* Whoever follows the topic is out, and joins again. */
void     consumers_put_out(struct groups *g, struct group *group, struct kafka_string topic);
const char *consumers_state_name(const struct group *group);
/* May this member epoch commit or fetch offsets? */
enum kafka_error consumers_check_offsets(const struct group *group, struct kafka_string member_id, int32_t epoch);

struct share *share_find(const struct group *group, const struct kafka_uuid *topic_id);
struct share *share_add(struct groups *g, struct group *group, const struct kafka_uuid *topic_id); /* NULL: a limit */
/* Looks at the topics, if they or a subscription changed; true: what there is to hand out is not what it was. */
bool consumers_look_at_topics(struct groups *g, struct group *group, const struct group_topics *topics, bool anyway);
/* Computes targets for the group's epoch and stores them. */
void consumers_assign(struct groups *g, struct group *group);
const char *consumers_assignor(const struct group *group);
/* Moves one member towards its target.  `owned`: what it says it has (count -1: it did not say).  Returns whether what
 * it may read changed. */
bool consumer_reconcile(struct groups *g, struct group *group, struct consumer_member *m,
                        const struct consumer_group_heartbeat_topic *owned, int32_t owned_count);

/* Room for the topics of one member's records: as many as the group has shares.  false: no memory. */
bool consumer_reserve_rows(struct groups *g, uint32_t count);
void consumers_loaded(struct groups *g, struct group *group);
void consumer_store_epoch(struct groups *g, struct group *group);
void consumer_store_member(struct groups *g, struct group *group, const struct consumer_member *m);
/* What the log keeps of a member (borrowed from it), and whether it fits a record. */
struct consumer_member_metadata consumer_metadata(const struct consumer_member *m);
bool consumer_metadata_fits(const struct groups *g, const struct consumer_member_metadata *metadata);
void consumer_store_target(struct groups *g, struct group *group, const struct consumer_member *m);
void consumer_store_target_epoch(struct groups *g, struct group *group);
void consumer_store_current(struct groups *g, struct group *group, const struct consumer_member *m);
void consumer_store_gone(struct groups *g, struct group *group, const struct consumer_member *m);
void consumers_store(struct groups *g, struct group *group);           /* all of it */
void consumers_store_tombstones(struct groups *g, struct group *group); /* of a group without members */

/* --- group_join.c --- */

enum { MEMBER_ID_ROOM = 320, UUID_ROOM = 37 };
/* A random one, as text: the id of a member of the new protocol, which must be as short as other names. */
struct kafka_string make_uuid(struct groups *g, char out[static UUID_ROOM]);
/* "<client id or instance id>-<uuid>" */
struct kafka_string make_member_id(struct groups *g, const struct group_caller *who, struct kafka_string instance_id,
                                   char out[static MEMBER_ID_ROOM]);

void join_answer(struct groups *g, struct group *group, struct member *m, const struct ticket *to, uint64_t after);
void join_refuse(struct groups *g, const struct ticket *to, enum kafka_error error, struct kafka_string member_id);

/* --- group_rebalance.c --- */

/* Starts a rebalance, unless one is being joined already. */
void rebalance_start(struct groups *g, struct group *group);
void rebalance_try_complete(struct groups *g, struct group *group);
/* Takes a member out and lets the group react. */
void rebalance_without(struct groups *g, struct group *group, struct member *m, enum kafka_error error);
/* All members are out, whatever the group was at: the generation ends, and that is stored where the group is. */
void rebalance_put_out(struct groups *g, struct group *group);
/* Fires the group's due timers and finds the next; may remove the group. */
void rebalance_timers(struct groups *g, struct group *group);

/* --- group_offsets.c, group_store.c --- */

void offset_remove(struct groups *g, struct group *group, struct offset *o, bool tell_log);
/* Loading: a commit as the log has it.  ERR_NO_MEMORY. */
NODISCARD enum err offset_set(struct groups *g, struct group *group, const struct offset_commit_key *key,
                              const struct offset_commit_value *value);
struct offset *offset_find(struct groups *g, const struct group *group, struct kafka_string topic, int32_t partition);
void offset_drop(struct groups *g, struct group *group, struct kafka_string topic, int32_t partition);
void offsets_store(struct groups *g, struct group *group); /* all of the group's commits as records */
void offsets_retain(struct groups *g); /* the retention check, all groups */
void group_store(struct groups *g, struct group *group);       /* its metadata record as it is now */
void group_store_tombstone(struct groups *g, struct group *group);

#endif
