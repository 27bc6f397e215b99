/* dataplane/serve.h -- the Kafka-protocol server: serve lcores and the group coordinator behind them. */
#ifndef DATAPLANE_SERVE_H
#define DATAPLANE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "dataplane/account_use.h"
#include "dataplane/auth/directory.h"
#include "dataplane/listener.h"
#include "dataplane/kafka/request.h"
#include "dataplane/port_counters.h"
#include "dataplane/port_dpdk.h"
#include "storage/log_reader.h"

struct log_feed;
struct log_resume;

struct dataplane_config { /* strings are copied */
    const struct listener_config *listeners;
    uint32_t    listener_count;     /* 1 .. LISTENERS_MAX */
    uint32_t    serve_thread_count; /* 1.. */
    struct port_dpdk_config dpdk;   /* where a listener is past the kernel; lcores: is serve_thread_count */
    const int  *serve_cores;        /* serve_thread_count entries, -1: not pinned; NULL: none pinned */
    uint32_t    connections_max;    /* per serve thread */
    uint32_t    request_bytes_max;  /* a larger frame closes the connection */
    uint32_t    fetch_bytes_max;    /* cap of one Fetch answer */
    uint64_t    send_pinned_bytes_max; /* per connection: chunks pinned by unacknowledged sends */
    uint64_t    plain_bytes_max;    /* the largest batch when it is unpacked (record_batch_plain_bytes_max) */
    uint32_t    group_initial_rebalance_delay_ms;
    int32_t     group_consumer_session_timeout_ms;
    uint64_t    offsets_retention_ms;
    uint32_t    groups_max;
    const char *cluster_id;         /* the instance's own */
    const struct account *accounts; /* who may log in at first; copied */
    uint32_t    account_count, accounts_max;
    const uint8_t *salt_key;        /* DIRECTORY_KEY_BYTES, see directory.h; NULL: no accounts yet */
    struct account_limits account_limits;
    uint64_t    session_lifetime_ms; /* of a login (KIP-368); 0: it lasts */
    const char *log_dir;            /* where storage keeps the logs */
    struct served_settings storage; /* storage's part; the rest is taken from above */
    bool        spin;               /* poll without sleeping */
};

struct dataplane;

/* Starts listening, the serve threads (log readers 0..serve_thread_count-1) and the coordinator's thread (log reader
 * serve_thread_count), which first loads groups and offsets from `offsets_log` and appends to it through
 * `offsets_feed`.  ERR_IO (address in use: msg names it), ERR_INVALID (not an address), ERR_NO_MEMORY,
 * ERR_UNSUPPORTED (no io_uring: msg says the mend), or why the DPDK device does not start (port_dpdk_start). */
NODISCARD enum err dataplane_start(struct dataplane **out, const struct dataplane_config *config,
                                   struct storage *storage, struct log *offsets_log, struct log_feed *offsets_feed,
                                   const struct clock *clock, struct counters *counters, struct err_msg *msg);
/* Closes all connections (answers under way are given up), ends the threads. */
void dataplane_stop(struct dataplane *d);
/* Reads the listeners' certificates again; what is wrong with them is logged, and those of before stay. */
void dataplane_reload_certificates(struct dataplane *d);
/* Looks how full the disk is, once a second at most, for those who ask by Kafka's protocol.  May block in the caller's
 * thread, always the same one. */
void dataplane_look_at_disk(struct dataplane *d, uint64_t now_ns);
/* Other accounts: from its return on only these can log in, and connections of those that are gone or have another
 * password end with their next request.  ERR_NO_MEMORY: the former stay. */
NODISCARD enum err dataplane_set_accounts(struct dataplane *d, const struct account *accounts, uint32_t count,
                                          const uint8_t salt_key[DIRECTORY_KEY_BYTES]);
/* The port that a listener, by its index in the configuration, listens on. */
uint16_t dataplane_port(const struct dataplane *d, uint32_t listener);
uint64_t dataplane_memory_bytes(const struct dataplane_config *config);

/* What the control plane shows of the serve lcores: their counters, as of up to a second ago. */
struct lcore_view {
    uint64_t busy_ns, idle_ns, backpressured_ns; /* backpressured: all that there was to do waited for the network */
    uint64_t connections;
    uint32_t port_count;
    struct port_view port[PORT_PARTS_MAX];
};
/* Of lcore 0 and so on; false: there is no such. */
bool dataplane_lcore(const struct dataplane *d, uint32_t lcore, struct lcore_view *out);
/* The device of listeners past the kernel; NULL: there is none such. */
struct port_dpdk_device *dataplane_device(const struct dataplane *d);

/* What the control plane shows of groups; a copy made by the coordinator's thread on request (blocks shortly). */
struct group_summary {
    char     group_id[256];
    char     state[24];
    uint32_t member_count;
    uint64_t committed_offset; /* of topic `topic`, UINT64_MAX: none */
    int64_t  commit_time_ms;
};
/* Groups that have a commit on `topic` or members subscribed to it; returns how many were written to `out`. */
uint32_t dataplane_groups(struct dataplane *d, const char *topic, struct group_summary *out, uint32_t max);
enum { GROUP_MEMBERS_SHOWN_MAX = 1000 };
struct group_member_summary {
    char member_id[320]; /* longer texts are cut */
    char client_id[256];
    char host[256];      /* as Kafka's tools show it: "/127.0.0.1" */
    bool is_active;      /* it has the topic's partition: the others stand by */
};
/* The members of a group; returns how many were written to `out`. */
uint32_t dataplane_group_members(struct dataplane *d, const char *group_id, const char *topic,
                                 struct group_member_summary *out, uint32_t max);
/* Sets a group's checkpoint on a topic, durable when it returns ERR_OK; the group need not be there yet.  ERR_STATE: it
 * has members, who would overwrite it; ERR_NOT_FOUND: no such topic; ERR_NO_MEMORY: a limit; ERR_IO: not durable. */
NODISCARD enum err dataplane_move_checkpoint(struct dataplane *d, const char *group_id, const char *topic,
                                             uint64_t offset);
/* Bytes of the log's records in answers to Fetch since the start, of all logs that had its slot: for rates.  Any
 * thread. */
uint64_t dataplane_served_bytes(const struct dataplane *d, const struct log *log);
/* Forgets all commits on a topic that is being deleted, and puts its groups' members out, so that none commits old
 * offsets to a topic that comes after it under the name; durable when it returns ERR_OK.  Called before the log goes,
 * and again after, for those who came back or committed in between. */
NODISCARD enum err dataplane_forget_topic(struct dataplane *d, const char *topic);
/* Forgets a group that is being deleted, with its commits; while it has members, its commits alone.  As above. */
NODISCARD enum err dataplane_forget_group(struct dataplane *d, const char *group_id);

#endif
