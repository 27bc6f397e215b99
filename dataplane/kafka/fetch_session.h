/* dataplane/kafka/fetch_session.h -- fetch sessions (KIP-227): what a consumer asked for last, so that its next request
 * names only what changed and its next answer only what is new.
 *
 * A session belongs to one serve lcore; a consumer that comes back to another one is told FETCH_SESSION_ID_NOT_FOUND
 * and begins with a full request, as after an eviction.  The number of sessions and their memory are bounded.  When
 * either is used up a new one takes the place of the one that is idle longest, for two minutes at least, or of a
 * smaller one that has lived as long; else it is declined, which costs its consumer only full requests.
 *
 * Pure but for its memory: no request, no log.  Serve lcore only. */
#ifndef DATAPLANE_KAFKA_FETCH_SESSION_H
#define DATAPLANE_KAFKA_FETCH_SESSION_H

#include "base/random.h"
#include "dataplane/buffer_arena.h"
#include "dataplane/kafka/messages.h"
#include "storage/log_reader.h"

enum {
    FETCH_SESSIONS_MAX      = 1024, /* a lcore; a power of two */
    FETCH_SESSION_ENTRIES_MAX = 512, /* partitions of one; there are not more topics than LOGS_MAX */
    FETCH_SESSION_BYTES_MAX = 4 << 20, /* of all sessions of a lcore */
    FETCH_SESSION_IDLE_S    = 120,
};
#define FETCH_ENTRY_NONE UINT16_MAX

struct fetch_entry { /* a partition of a session */
    struct kafka_uuid topic_id;
    char     name[LOG_NAME_BYTES];
    uint8_t  name_bytes;
    struct fetch_request_partition asked;
    int64_t  high_watermark, log_start_offset; /* as told last; -1: what comes next is to be told */
    uint16_t next, previous; /* in the order of serving, or in the list of the free */
};

struct fetch_session {
    int32_t  id; /* 0: there is none */
    int32_t  epoch; /* of the next request */
    bool     by_id;
    uint64_t owner, opened_ns, used_ns;
    struct fetch_entry *entry; /* in the sessions' arena */
    uint32_t count;
    uint16_t room, first, last, free;
};

struct fetch_sessions {
    struct buffer_arena arena;
    struct random random;
    uint32_t open;     /* for everyone to see */
    uint64_t evicted;
    struct fetch_session slot[FETCH_SESSIONS_MAX];
};

/* What a topic is known by in a session: its name, or (`by_id`) its id. */
struct fetch_topic_key {
    struct kafka_string name;
    struct kafka_uuid   id;
};

NODISCARD enum err fetch_sessions_init(struct fetch_sessions *s);
void               fetch_sessions_fini(struct fetch_sessions *s);
size_t             fetch_sessions_memory_bytes(void);

/* NULL: no such session, or not this owner's. */
struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id, uint64_t owner);
/* A new session with room for `count` entries, expecting epoch 1; NULL: declined. */
struct fetch_session *fetch_session_open(struct fetch_sessions *s, uint64_t owner, bool by_id, uint32_t count,
                                         uint64_t now_ns);
void                  fetch_session_close(struct fetch_sessions *s, struct fetch_session *session);
/* The request with the expected epoch is here: the next one has the next epoch. */
void                  fetch_session_advance(struct fetch_session *session, uint64_t now_ns);

/* The entry of a partition, added at the end if need be; `asked` is taken over.  NULL: no room for another one. */
struct fetch_entry *fetch_session_put(struct fetch_sessions *s, struct fetch_session *session,
                                      const struct fetch_topic_key *topic, const struct fetch_request_partition *asked);
void                fetch_session_forget(struct fetch_session *session, const struct fetch_topic_key *topic,
                                         int32_t partition);
/* So that one with much to read does not always come first. */
void                fetch_session_to_end(struct fetch_session *session, struct fetch_entry *entry);

#endif
