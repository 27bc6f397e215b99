/* tests/dataplane/group_world.h -- a world around the state machine of groups: simulated time, a log whose durable end
 * the test moves, and every answer kept until the test looks at it. */
#ifndef TESTS_DATAPLANE_GROUP_WORLD_H
#define TESTS_DATAPLANE_GROUP_WORLD_H

#include "base/random.h"
#include "dataplane/group/group.h"

enum { WORLD_TICKETS_MAX = 20000, WORLD_RECORDS_MAX = 100000, WORLD_PARTITIONS = 3, WORLD_TOPICS_MAX = 8 };

struct world_ticket {
    int16_t  api_key, version;
    bool     is_answered; /* by the machine; it leaves when `after` is durable */
    bool     is_lost;     /* the coordinator crashed first */
    uint64_t after;
    uint8_t *bytes;
    size_t   size;
};

struct world_record {
    int16_t  kind; /* the key's version: 1 a commit, 2 a classic group, 3 to 8 the new protocol */
    uint8_t *key, *value; /* encoded as in the log; value NULL: a tombstone */
    size_t   key_size, value_size;
};

struct world {
    struct groups *groups;
    struct group_limits limits;
    struct random random;
    uint64_t now_ms;
    int64_t  wall_ms;
    struct world_ticket ticket[WORLD_TICKETS_MAX];
    uint32_t ticket_count;
    struct world_record record[WORLD_RECORDS_MAX]; /* number n is record[n - 1] */
    uint64_t record_count, durable_count;
    struct group_topic topic[WORLD_TOPICS_MAX]; /* what the new protocol hands out */
    uint32_t topic_count;
    uint64_t topics_version;
    const char *only_topic; /* all that whoever sends may see; NULL: everything */
    uint8_t *room;    /* the arrays of a request's answer */
    uint8_t *scratch; /* decoded answers; valid until the next look */
    bool     syncs_at_once; /* every record is durable when it is handed out */
};

struct world *world_new(uint64_t seed);
void          world_free(struct world *w);
/* Fires timers in order up to then. */
void          world_advance(struct world *w, uint64_t ms);
/* The coordinator dies: the log keeps its first `keep` records, every answer not yet out is lost; a new one loads. */
void          world_crash(struct world *w, uint64_t keep);
/* Everything is rewritten and the log before it dropped, as compaction does; then a restart. */
void          world_compact(struct world *w);

/* Sends a request (the struct of its API); returns the ticket's index. */
uint32_t world_send(struct world *w, int16_t api_key, int16_t version, const char *client_id, const void *request);
/* Whether the answer is out. */
bool     world_is_out(const struct world *w, uint32_t ticket);
/* Decodes an answer, out or held; fails the test when the machine has not answered. */
void     world_look(struct world *w, uint32_t ticket, void *out);

struct group_view world_view(struct world *w, const char *group); /* state NULL: no such group */

/* Shorthands: the commonest requests, answered at once or not. */
struct world_join { /* zero: sensible values */
    const char *group, *member, *instance, *protocol, *protocol2, *metadata, *type;
    int32_t session_ms, rebalance_ms;
    int16_t version; /* -1: version 0 */
};
uint32_t world_join(struct world *w, struct world_join in);
uint32_t world_sync(struct world *w, const char *group, int32_t generation, const char *member,
                    const struct sync_group_request_assignment *assignments, int32_t count);
int16_t  world_heartbeat(struct world *w, const char *group, int32_t generation, const char *member,
                         const char *instance);
uint32_t world_commit(struct world *w, const char *group, int32_t generation, const char *member, int32_t partition,
                      int64_t offset, const char *metadata);
/* OffsetCommit version 9, by a member of the new protocol. */
uint32_t world_commit_epoch(struct world *w, const char *group, int32_t epoch, const char *member, const char *topic,
                            int64_t offset);
int16_t  world_commit_error(struct world *w, uint32_t ticket);
/* Topics of the new protocol: names begin with 't' and live as long as the world.  The id's first byte is given. */
void     world_add_topic(struct world *w, const char *name, uint8_t id);
void     world_remove_topic(struct world *w, uint8_t id);
struct world_beat { /* zero: a heartbeat that says nothing new */
    const char *group, *member, *instance, *assignor, *regex;
    int32_t     epoch, rebalance_ms;
    const char *topics[4];     /* subscribed names; NULL at once: not said */
    bool        says_owned;    /* which of the next */
    uint8_t     owned[WORLD_TOPICS_MAX]; /* ids' first bytes, 0 ends */
    int16_t     version;       /* -1: version 0; 0: version 1 */
};
uint32_t world_beat(struct world *w, struct world_beat in);
struct world_told { /* what the answer says */
    int16_t error;
    int32_t epoch;
    char    member[320];
    bool    has_assignment;
    char    topics[WORLD_TOPICS_MAX + 1]; /* the assigned ids' first bytes, as text */
};
struct world_told world_told(struct world *w, uint32_t ticket);
/* The offset that OffsetFetch shows for topic "t"; -1: none. */
int64_t  world_fetch(struct world *w, const char *group, int32_t partition);
int16_t  world_leave(struct world *w, const char *group, const char *member, const char *instance);

#endif
