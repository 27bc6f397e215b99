/* dataplane/serve_lcore.h -- one serve lcore: its connections, their requests, its loop.
 *
 * A connection has one request under way; what comes behind it waits in the connection's input, so answers go out in
 * the order of the requests.  The states of a connection:
 *
 *   READY     its next request is handled as soon as its bytes are whole
 *   PARKED    its request waits for a log to grow, or for its time to be over
 *   DISK      its request waits for a disk read
 *   LINK      its request waits for room in the ring to the coordinator, or its token in the authority's
 *   ASKED     the coordinator has its request
 *   LOGIN     the authority has its SASL token
 *   MUTED     its account has overdrawn its quota: nothing of it is looked at until it has not
 *   HELD      its account has too much under way: its request waits, whole or half read
 *   DELAYED   its login failed: its answer waits, the longer the more have (auth/guesses.h)
 *   SENDING   its answer is being handed to the network
 *   PINNED    it holds too many unacknowledged bytes to be given more
 *   ENDING    it was closed; the port still has something of it
 */
#ifndef DATAPLANE_SERVE_LCORE_H
#define DATAPLANE_SERVE_LCORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "dataplane/account_use.h"
#include "dataplane/auth/auth_link.h"
#include "dataplane/buffer_arena.h"
#include "dataplane/group/coordinator_link.h"
#include "dataplane/kafka/fetch_session.h"
#include "dataplane/kafka/request.h"
#include "dataplane/listener.h"
#include "dataplane/port.h"
#include "dataplane/port_counters.h"
#include "ring/wait.h"
#include "storage/log_reader.h"

enum {
    LCORE_APIS      = KAFKA_API_DESCRIBE_TOPIC_PARTITIONS + 1, /* the largest key */
    LCORE_BURST     = 64, /* port events a turn */
    INPUT_AHEAD_BYTES = 16 << 10, /* of later requests behind one under way; then the connection is not read */
    GOOD_BYE_MS     = 1000,       /* a port may take to say it */
    HOUSEKEEPING_MS    = 1000,
    RELIEF_MS          = 100,   /* while somebody waits for pinned memory: how often, and for pins how old, to look */
    LATE_MS            = 1000,  /* an answer that takes longer to go: its connection gets copies from then on, */
    PROMPT_MS          = 100,
    PROMPT_ANSWERS     = 16,    /* until so many went within PROMPT_MS */
    STALLED_MS         = 2000,  /* a pin is held, before its connection may be closed for it */
    STALLED_PAUSE_MS   = 500,   /* between two, for the effect of the first to show */
    LARGE_HELD_MS      = 60000, /* the large buffer may be held while others want it */
    SLOW_ANSWER_BYTES  = 256 << 10, /* records of an answer that is copied at once */
    LOGIN_DELAY_MS     = 100, /* of a login that is refused without a look: as auth/guesses.h at first */
    LOGIN_AGAIN_MS     = 1000, /* a connection may log in anew, not before */
    SESSION_GRACE_MS   = 10000, /* a connection may rest beyond its session's end: it may yet log in anew */
    LOGIN_FRAME_BYTES_MAX = 16 << 10, /* of who is not logged in and has to be */
    COPIED_BYTES_MAX   = 16 << 20,  /* of answers whose records were copied, a lcore */
    PARKED_LISTS = LOGS_MAX + 1, /* the last: those that wait for several logs */
};

enum client_state {
    CLIENT_FREE, CLIENT_READY, CLIENT_PARKED, CLIENT_DISK, CLIENT_LINK, CLIENT_ASKED, CLIENT_LOGIN, CLIENT_MUTED,
    CLIENT_HELD, CLIENT_DELAYED, CLIENT_SENDING, CLIENT_PINNED, CLIENT_ENDING
};

#define CLOSE_CAUSE_LIST(X)                                                              \
    X(CLOSE_PEER,        "closed by the peer")                                           \
    X(CLOSE_FRAME_SIZE,  "a request's size is zero, negative or above request_bytes_max") \
    X(CLOSE_MALFORMED,   "a request that cannot be decoded")                             \
    X(CLOSE_UNSUPPORTED, "a request of an unknown kind or version")                      \
    X(CLOSE_NO_ANSWER,   "a Produce request that wants no answer")                       \
    X(CLOSE_TOO_LARGE,   "a request or answer larger than our buffers")                  \
    X(CLOSE_NO_MEMORY,   "no buffer is free")                                            \
    X(CLOSE_IDLE,        "idle for longer than idle_timeout_ms")                         \
    X(CLOSE_TLS,         "its TLS failed: see the line about the handshake")             \
    X(CLOSE_WANTS_TLS,   "it begins with a TLS handshake, and its listener has no certificate: let it use " \
                         "security.protocol PLAINTEXT or SASL_PLAINTEXT, or another listener") \
    X(CLOSE_LISTENER_FULL, "its listener has connections_max already")                   \
    X(CLOSE_ACCOUNT_FULL, "its account has account_connections_max already")             \
    X(CLOSE_INFLIGHT,    "it held most when its listener's unfinished requests passed inflight_bytes_max") \
    X(CLOSE_SLOW,        "a request did not come whole within request_timeout_ms")       \
    X(CLOSE_LATE,        "no TLS handshake or no login within login_timeout_ms")         \
    X(CLOSE_NO_LOGIN,    "a request before it was logged in, or beyond its rights")       \
    X(CLOSE_SASL_ORDER,  "SASL steps in a wrong order, or a mechanism that there is not") \
    X(CLOSE_LOGIN_FAILED, "it failed to log in")                                         \
    X(CLOSE_LOGIN_BUSY,  "more passwords than fit in our queue waited to be checked: it may try again") \
    X(CLOSE_REVOKED,     "its account was deleted or has a new password")                \
    X(CLOSE_SESSION_OVER, "its session's time was over")                                 \
    X(CLOSE_STALLED,     "held the oldest of the pins that capture or other readers need back")  \
    X(CLOSE_STOP,        "the server stops")

enum close_cause {
#define X(name, text) name,
    CLOSE_CAUSE_LIST(X)
#undef X
    CLOSE_CAUSE_COUNT
};

struct client_list { struct client *first, *last; }; /* the one that waits longest first: none is passed over */

/* An answer under way: one buffer of the arena holds it, its pieces, its pins and its encoded bytes, in this order. */
struct answer {
    struct port_message message; /* first: a message of the port is an answer */
    struct answer *next, *previous; /* of its connection, in the order of sending */
    uint64_t put_ns, sent_ns, durable_ns;
    uint64_t held_bytes; /* whole chunks, not only the records in them */
    uint64_t lent_bytes; /* what is sent */
    uint32_t pin_count, chunk_count;
    struct log_piece *pin; /* bytes == NULL: was let go */
    uint8_t *copy;         /* in the arena: of records that were not handed to the network, or NULL */
    bool     was_sent;     /* the network took all of it */
};

struct client_login { /* one SASL exchange */
    struct login login;
    bool     is_busy; /* the authority has no place for its token */
    bool     is_raw; /* tokens in frames of their own (SaslHandshake 0), not in SaslAuthenticate */
    int16_t  api_version; /* of the SaslAuthenticate under way */
    int32_t  correlation_id;
};

struct client { /* one connection */
    uint32_t slot;
    uint32_t listener;   /* it came by */
    uint32_t generation; /* counts the slot's users: an answer for an earlier one is thrown away */
    enum client_state state;
    bool     is_paused, is_counted; /* counted: among its listener's */
    uint8_t *input; /* in the arena; NULL: empty */
    uint32_t input_start, input_end;
    uint64_t arrived_ns; /* of the request under way */
    uint64_t active_ns;  /* last time that something moved */
    uint64_t begun_ns;   /* when the request began to come that is not whole yet */
    uint64_t login_until_ns;   /* when it must have logged in; UINT64_MAX: it has, or need not */
    struct account_use *use; /* its account's; NULL: no limits, or nobody yet */
    uint64_t mute_until_ns;
    uint64_t lent_bytes; /* of answers not yet released */
    uint64_t held_ns;    /* since when its request is HELD, until it is handled; 0: it is not */
    bool     is_half_read, is_next; /* HELD: it is not whole; it was, and its turn has come */
    uint64_t deadline_ns; /* PARKED */
    uint32_t timer_index; /* in the heap, UINT32_MAX: none */
    struct log_set wait_logs;
    struct time_lookup *lookups; /* in the arena, or NULL */
    struct client_list *list; /* in which it waits, or NULL */
    struct client *list_next, *list_previous;
    uint64_t pinned_bytes; /* memory kept by answers not yet released */
    uint32_t pinned_chunks; /* by those answers; one counts as often as it is pinned */
    struct answer *first_answer, *last_answer; /* not yet released */
    bool     is_slow; /* its answers go late: it gets copies, which keep nothing from others */
    uint32_t prompt_answers; /* since the last late one */
    struct log_cursor log_cursor;
    struct client_login *login; /* the SASL exchange under way; in the arena, or NULL */
    struct principal *principal; /* who it speaks for; in the arena.  NULL: nobody */
    enum mechanism mechanism;   /* by which it logged in */
    uint64_t logged_in_ns, session_end_ns; /* the last time; UINT64_MAX: it lasts */
    bool     is_last_answer;    /* the one that is sent: then it is closed, for last_cause */
    enum close_cause last_cause;
    char     host[PORT_PEER_BYTES + 1]; /* as Kafka shows it: "/127.0.0.1" */
};

struct serve_counters {
    struct counter *connections, *parked, *requests[LCORE_APIS], *closed[CLOSE_CAUSE_COUNT];
    struct counter *buffer_bytes, *busy_ns, *idle_ns, *backpressured_ns;
    struct port_counters port[PORT_PARTS_MAX]; /* of those at the network */
    uint32_t port_count;
    struct counter *slow, *relieved_bytes, *fetch_sessions, *fetch_sessions_evicted;
    struct counter *throttled, *throttled_ms, *held_requests;
    struct counter *input_bytes[LISTENERS_MAX], *listener_connections[LISTENERS_MAX]; /* the latter: lcore 0's */
    struct counter *handshakes, *handshakes_failed, *encrypted_bytes, *tls_buffer_bytes;
    struct histogram *durable_to_sent_ns, *sent_to_acknowledged_ns;
};

struct serve_config {
    uint32_t index, thread_count, connections_max, request_bytes_max; /* of all listeners, the largest */
    uint64_t send_pinned_bytes_max;
    uint64_t large_bytes; /* of the arena's large buffer; 0: there is none */
    struct account_uses *uses; /* NULL: accounts have no limits */
    struct auth_link *authority; /* NULL: nobody can log in */
    uint64_t session_lifetime_ms; /* of a login; 0: it lasts */
    bool     spin;
};

struct serve_lcore {
    struct serve_config config;
    struct listener *listeners;
    uint32_t listener_count;
    uint64_t input_bytes[LISTENERS_MAX]; /* in the arena: of connections' unfinished and waiting requests */
    const struct clock *clock;
    struct port  *port;   /* owned from serve_lcore_init on */
    struct waiter waiter; /* owned; ready before serve_lcore_init */
    struct log_reader *reader; /* owned */
    struct coordinator_link *link;
    struct buffer_arena arena;
    struct kafka_arena scratch;  /* decoded requests and response bodies */
    uint8_t *encoded;            /* responses before they are copied to their buffer */
    uint32_t encoded_bytes;
    struct record_pieces *records;
    struct fetch_sessions *sessions;
    uint32_t *gap_positions; /* REQUEST_PIECES_MAX */
    struct client *clients; /* connections_max */
    struct client **timers; /* a heap by deadline */
    uint32_t timer_count, client_count, parked_count;
    uint32_t answer_count, unsent_count; /* not released yet; of these not yet taken whole by the network */
    struct client_list parked[PARKED_LISTS], disk, linked, tokens, held;
    bool     is_stopping, said[CLOSE_CAUSE_COUNT];
    uint64_t login_said_ns, logins_unsaid; /* failed ones, in the log */
    uint64_t throttle_said_ns, held_said_ns;
    uint64_t now_ns, housekeeping_ns, turn_end_ns, complained_ns;
    uint64_t relief_ns, stalled_ns; /* not before: the next look at pins, the next connection closed for one */
    uint64_t relieved_bytes;        /* in the arena: answers' copies */
    unsigned waiter_watch, reader_watch; /* UINT32_MAX: not watched */
    struct serve_counters counters;
    _Atomic uint64_t served_bytes[LOGS_MAX]; /* of each log, by its slot, in answers to Fetch */
};

/* Reserves everything.  `s` is zero but for its waiter, which is ready; `listeners` stay while it runs; takes the port,
 * also on failure.  ERR_NO_MEMORY, or the log reader's errors. */
NODISCARD enum err serve_lcore_init(struct serve_lcore *s, const struct serve_config *config,
                                    struct listener *listeners, uint32_t listener_count, struct port *port,
                                    struct coordinator_link *link, const struct clock *clock,
                                    struct counters *counters, struct err_msg *msg);
void               serve_lcore_fini(struct serve_lcore *s); /* drained, or given up */
size_t             serve_lcore_memory_bytes(const struct serve_config *config);

/* One turn of the loop: network, hints, coordinator, disk, timers.  Returns how much was done. */
unsigned serve_step(struct serve_lcore *s);
/* Blocks until there may be something to do, at most to the next timer. */
void     serve_sleep(struct serve_lcore *s);
/* Monotonic ns of the next timer. */
uint64_t serve_next_ns(const struct serve_lcore *s);
/* Closes every connection; to be stepped until serve_is_drained. */
void     serve_stop(struct serve_lcore *s);
static inline bool serve_is_drained(const struct serve_lcore *s) { return s->client_count == 0; }

/* --- client.c: between the files of the lcore only --- */

void client_accepted(struct serve_lcore *s, struct client *c, uint32_t listener);
/* Its TLS handshake is done. */
void client_secured(struct serve_lcore *s, struct client *c, const char *subject);
void client_data(struct serve_lcore *s, struct client *c, const uint8_t *bytes, uint32_t size);
void client_sent(struct serve_lcore *s, struct client *c, struct port_message *m);
void client_released(struct serve_lcore *s, struct client *c, struct port_message *m);
void client_closed(struct serve_lcore *s, struct client *c, bool has_failed);
void client_close(struct serve_lcore *s, struct client *c, enum close_cause cause);
/* Handles the waiting request again. */
void client_wake(struct serve_lcore *s, struct client *c);
/* The coordinator's answer. */
void client_answered(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t frame_bytes);
/* Sends a whole frame of ours. */
void client_send(struct serve_lcore *s, struct client *c, const uint8_t *frame, uint32_t frame_bytes);
/* Encodes and sends r->response. */
void client_respond(struct serve_lcore *s, struct client *c, const struct request *r);
/* The request under way is done with: the next one may follow. */
void client_request_end(struct serve_lcore *s, struct client *c, uint32_t frame_bytes);
static inline uint64_t client_id(const struct client *c) { return (uint64_t)c->generation << 32 | c->slot; }

/* --- client_login.c: SASL (KIP-12, KIP-43, KIP-152, KIP-368); layouts in kafka/messages_log.h --- */

/* May it ask this now?  False: the connection was closed. */
bool client_may_ask(struct serve_lcore *s, struct client *c, int16_t api_key);
void client_handshake(struct serve_lcore *s, struct client *c, struct request *r, uint32_t frame_bytes);
void client_authenticate(struct serve_lcore *s, struct client *c, struct request *r, uint32_t frame_bytes);
/* A frame that is a bare token. */
void client_token(struct serve_lcore *s, struct client *c, const uint8_t *token, uint32_t size);
/* The authority's answer. */
void client_login_answered(struct serve_lcore *s, struct client *c, const struct auth_answer *a);
/* DELAYED is over. */
void client_login_refuse(struct serve_lcore *s, struct client *c);
void client_login_forget(struct serve_lcore *s, struct client *c);

/* Counts a new connection; false: its listener is full, and it was closed. */
bool client_may_come(struct serve_lcore *s, struct client *c);
void client_uncount(struct serve_lcore *s, struct client *c);
/* Its input's buffer has another size: may close the connection that holds most, this one perhaps. */
void client_input_resized(struct serve_lcore *s, struct client *c, uint64_t before_bytes, uint64_t now_bytes);
/* It speaks for this account from now on; `is_counted`: among the account's connections.  False: it was closed. */
bool client_account_is(struct serve_lcore *s, struct client *c, const char *name, bool is_counted);
/* Each try of a Fetch, whose account may have overdrawn its quota.  False: it waits, and is handled again. */
bool client_fetch_may(struct serve_lcore *s, struct client *c, struct request *r);
/* Counts what a Fetch is answered: to its logs, and to its account's quota. */
void client_fetch_charge(struct serve_lcore *s, struct client *c, const struct record_pieces *records);
/* It took longer than it may, or may not be here any more, though it asks nothing: it counts among its account's. */
bool client_is_overdue(const struct serve_lcore *s, const struct client *c, enum close_cause *cause);
/* --- client_inflight.c: how much an account may have under way --- */

/* May its request, which is whole, be handled now?  False: it waits. */
bool client_may_begin(struct serve_lcore *s, struct client *c);
/* Its request is not whole: may wait with reading on. */
void client_read_on(struct serve_lcore *s, struct client *c);
/* Its lcore was told of room: wakes those that have some.  Returns how many. */
unsigned client_held_retry(struct serve_lcore *s);
/* It is of another account (NULL: of none) from now on; takes that, gives the former back. */
void client_bytes_move(struct serve_lcore *s, struct client *c, struct account_use *to);
void client_input_changed(struct serve_lcore *s, struct client *c, uint64_t before_bytes, uint64_t now_bytes);
void client_lent(struct serve_lcore *s, struct client *c, uint64_t bytes);
void client_given_back(struct serve_lcore *s, struct client *c, uint64_t bytes);

/* --- client_limits.c, again: counters --- */

void limits_counters_init(struct serve_lcore *s, struct counters *counters);
void limits_counters_set(struct serve_lcore *s);

/* --- client_relief.c: pins that are held for long --- */

void answer_add(struct client *c, struct answer *a);
void answer_remove(struct client *c, struct answer *a);
/* Lets go of what it still pins. */
void answer_unpin(struct serve_lcore *s, struct client *c, struct answer *a);
/* Copies the records that are not in the network's hands, and lets go of them; not when there is no room. */
void answer_copy(struct serve_lcore *s, struct client *c, struct answer *a, uint32_t handed);
/* What an answer's time on its way says of its connection; ns between handing it over and its end. */
void client_judge(struct client *c, uint64_t took_ns);
/* Looks at all pins that somebody waits for: copies what can be copied, and closes what must be. */
void relieve(struct serve_lcore *s);

/* --- client_wait.c --- */

void client_wait(struct serve_lcore *s, struct client *c, enum client_state state, struct client_list *list);
void client_park(struct serve_lcore *s, struct client *c, const struct log_set *logs, uint64_t until_ns);
/* Waits for nothing but the time; state: DELAYED or MUTED. */
void client_delay(struct serve_lcore *s, struct client *c, enum client_state state, uint64_t until_ns);
/* Takes it out of whatever list and timer it waits in. */
void client_unwait(struct serve_lcore *s, struct client *c);
/* Wakes all in the list that wait for log `slot` (UINT32_MAX: all); each may wait again.  Returns how many. */
unsigned client_list_wake(struct serve_lcore *s, struct client_list *list, uint32_t slot);
/* Wakes those that found a ring full, until one finds it full again: that one stays the first.  Returns how many got
 * in. */
unsigned client_list_retry(struct serve_lcore *s, struct client_list *list);
/* The parked client whose time is over, or NULL. */
struct client *client_due(struct serve_lcore *s);

#endif
