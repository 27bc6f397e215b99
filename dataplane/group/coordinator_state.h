/* dataplane/group/coordinator_state.h -- the coordinator's thread from inside; only coordinator*.c includes it. */
#ifndef DATAPLANE_GROUP_COORDINATOR_STATE_H
#define DATAPLANE_GROUP_COORDINATOR_STATE_H

#include "base/random.h"
#include "base/thread.h"
#include "dataplane/group/coordinator.h"
#include "dataplane/group/group.h"
#include "dataplane/group/offsets_store.h"

enum {
    COORDINATOR_BURST        = 64,       /* requests taken from one link in a turn */
    COORDINATOR_ARENA_BYTES  = 4 << 20,  /* the arrays of a request and of its answer */
    COORDINATOR_MEMBERS_MAX  = 1000,     /* per group */
    COORDINATOR_GROUP_BYTES_MAX = 400 << 10, /* a leader's JoinGroup and an OffsetFetch of all fit one answer */
    COORDINATOR_MEMORY_MAX   = 64 << 20, /* all groups */
    COORDINATOR_RETRY_MS     = 1,        /* a full ring, a disk read at start */
    SESSION_TIMEOUT_MIN_MS   = 6000,     /* Kafka's group.min.session.timeout.ms and max */
    SESSION_TIMEOUT_MAX_MS   = 1800000,
};

enum coordinator_phase {
    COORDINATOR_LOADING,
    COORDINATOR_RUNNING,
    COORDINATOR_UNAVAILABLE, /* the log could not be read, or stopped writing */
};

struct held_answer { /* waits for its record to be durable, or for room in the ring */
    struct held_answer *next;
    uint64_t after, since_ns;
    uint32_t link;
    struct link_answer answer;
    uint8_t  frame[];
};
struct held_list {
    struct held_answer *first, **last;
};

enum command_kind { COMMAND_GROUPS, COMMAND_MEMBERS, COMMAND_MOVE, COMMAND_FORGET_TOPIC, COMMAND_FORGET_GROUP };
enum command_state { COMMAND_IDLE, COMMAND_SENT, COMMAND_DONE };

struct coordinator_command { /* another thread's question; the state hands it back and forth */
    enum command_kind kind;
    const char *group, *topic;
    union {
        struct group_summary *groups;
        struct group_member_summary *members;
    } out;
    uint32_t max, count;
    uint64_t offset;
    uint64_t after; /* what changes something: the record to wait for */
    bool     is_taken;
    enum err result;
};

struct coordinator_counters {
    struct counter   *requests, *closed, *commits, *groups, *members, *rebalances, *refused, *snapshots;
    struct histogram *durable_ns; /* how long an answer waited for its record */
};

struct link_side { /* one link, and what does not fit its ring */
    struct coordinator_link link;
    struct held_list overflow;
    bool has_answers; /* claimed in this turn, to be committed */
};

struct coordinator {
    struct coordinator_config config;
    enum coordinator_phase phase;
    struct groups         *groups;
    struct offsets_store   store;
    struct offsets_loader  loader;
    struct offsets_topic_ends ends; /* this thread's to write, serve lcores read */
    struct log_reader     *reader;
    bool                   reader_waits; /* a disk read is under way */
    struct link_side      *side;  /* link_count */
    struct held_list       held;  /* answers that wait for the disk */
    struct kafka_arena     arena;
    uint8_t               *frame; /* LINK_FRAME_BYTES_MAX */
    struct group_topic     topics[LOGS_MAX]; /* as last asked for */
    struct random          random;
    uint64_t               now_ns;
    uint64_t               counters_due_ns;
    struct coordinator_counters count;

    struct waiter waiter, command_waiter;
    pthread_t     thread;
    bool          thread_runs;
    bool          feed_is_ours; /* its producer_waiter is our waiter */
    _Atomic bool  stop;
    pthread_mutex_t  command_lock; /* between callers */
    _Atomic uint32_t command_state;
    struct coordinator_command command;
};

/* coordinator_request.c: decodes, runs, answers one request. */
void coordinator_request(struct coordinator *c, uint32_t link, const struct link_request *request);

/* coordinator_answer.c: frames on their way back. */
void coordinator_answer(void *coordinator, const struct ticket *to, const void *response, uint64_t after);
/* No answer is possible: the connection is to be closed. */
void coordinator_close(struct coordinator *c, const struct ticket *to);
/* Sends what has become durable; after a failure of the log, closes the connections that waited.  Returns how many. */
unsigned coordinator_release(struct coordinator *c);
/* Sends what did not fit the rings. */
unsigned coordinator_drain(struct coordinator *c);
void     coordinator_commit_answers(struct coordinator *c);
void     coordinator_drop_held(struct coordinator *c);

#endif
