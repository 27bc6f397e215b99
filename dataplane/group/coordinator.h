/* dataplane/group/coordinator.h -- the group coordinator's thread: rings and clock outside, the pure state machine
 * (group.h) inside.
 *
 * It loads groups and offsets from the log `__consumer_offsets`, then takes requests from the serve lcores' links,
 * and appends what must survive to that log; an OffsetCommit and a SyncGroup are answered after their record is
 * durable.  While it loads, clients are told COORDINATOR_LOAD_IN_PROGRESS; when the log cannot be read, or stopped
 * writing, COORDINATOR_NOT_AVAILABLE. */
#ifndef DATAPLANE_GROUP_COORDINATOR_H
#define DATAPLANE_GROUP_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "dataplane/group/coordinator_link.h"
#include "dataplane/serve.h"
#include "storage/log_reader.h"

struct log_feed;
struct offsets_topic_ends;

struct coordinator_config {
    struct storage  *storage;      /* asked which topics exist */
    struct log      *offsets_log;
    struct log_feed *offsets_feed; /* its producer_waiter is set by coordinator_open */
    uint32_t reader_index;         /* log reader of the coordinator's thread */
    uint32_t link_count;           /* serve lcores */
    const struct clock *clock;
    struct counters *counters;
    uint32_t initial_rebalance_delay_ms;
    int32_t  consumer_session_timeout_ms; /* of members of the new protocol, which do not choose it themselves */
    uint64_t offsets_retention_ms; /* of an empty group's offsets; 0: for ever */
    uint32_t groups_max;
    int      core;                 /* -1: not pinned */
    bool     spin;
    bool     is_simulated;         /* no thread, no eventfd: the test calls coordinator_step */
    uint64_t random_seed;          /* member ids in simulations; else they come from the kernel's generator */
};

struct coordinator;

/* Reserves memory and the links; no thread yet.  ERR_NO_MEMORY, ERR_IO. */
NODISCARD enum err coordinator_open(struct coordinator **out, const struct coordinator_config *config,
                                    struct err_msg *msg);
/* The link of serve lcore `index`.  Its owner sets serve_waiter before coordinator_start. */
struct coordinator_link *coordinator_link_of(struct coordinator *c, uint32_t index);
/* Where the partitions of __consumer_offsets end; any thread reads it, as long as `c` lives. */
const struct offsets_topic_ends *coordinator_offsets_ends(const struct coordinator *c);
/* Starts the thread (none in a simulation), which loads first.  ERR_NO_MEMORY, ERR_INVALID (no such core). */
NODISCARD enum err coordinator_start(struct coordinator *c, struct err_msg *msg);
/* Ends the thread (if started) and frees everything.  The serve lcores must have stopped: parked requests get no
 * answer. */
void coordinator_stop(struct coordinator *c);

/* Simulation: one turn of the thread's loop; returns how much was done. */
unsigned coordinator_step(struct coordinator *c);
/* Monotonic ns at which the next timer fires, UINT64_MAX: none. */
uint64_t coordinator_next_ns(const struct coordinator *c);

uint64_t coordinator_memory_bytes(const struct coordinator_config *config);

/* Any other thread: the bodies of dataplane/serve.h's functions with the same names.  They ask the thread and wait; one
 * caller at a time (a lock between callers, none towards the coordinator).  In a simulation they step by themselves. */
uint32_t           coordinator_groups(struct coordinator *c, const char *topic, struct group_summary *out,
                                      uint32_t max);
uint32_t           coordinator_group_members(struct coordinator *c, const char *group_id, const char *topic,
                                             struct group_member_summary *out, uint32_t max);
NODISCARD enum err coordinator_move_checkpoint(struct coordinator *c, const char *group_id, const char *topic,
                                               uint64_t offset);
NODISCARD enum err coordinator_forget_topic(struct coordinator *c, const char *topic);
NODISCARD enum err coordinator_forget_group(struct coordinator *c, const char *group_id);

#endif
