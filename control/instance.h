/* control/instance.h -- everything one millraced runs.  Owned and used by the control thread alone.
 *
 * control/topology.c starts and ends the parts, control/channel.c moves the channels, control/rest_*.c shows and
 * commands them. */
#ifndef CONTROL_INSTANCE_H
#define CONTROL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "control/accounts.h"
#include "control/alert/alerts.h"
#include "control/config.h"
#include "control/tokens.h"
#include "dataplane/serve.h"
#include "ring/log_feed.h"
#include "storage/storage.h"

struct channel;
struct log_lookup; /* control/log_lookup.h */

enum { MEMORY_ROWS_MAX = 12 };
struct memory_row {
    const char *pool;   /* what it is */
    const char *change; /* the configuration keys that size it */
    uint64_t bytes;
};
struct memory_table {
    struct memory_row row[MEMORY_ROWS_MAX];
    uint32_t row_count;
    uint64_t total_bytes;
};

struct instance {
    struct config config;
    const struct clock *clock;
    struct counters *counters;
    char counters_path[CONFIG_TEXT_BYTES + 16];
    char cluster_id[32]; /* the instance's own; each channel has another */
    struct memory_table memory;
    uint64_t started_ms;

    struct storage *storage;
    struct log_lookup *lookup;
    struct dataplane *dataplane; /* NULL: not serving (start, or a restart after the offsets log failed) */
    struct log *offsets_log;
    struct log_feed *offsets_feed;
    struct log_resume offsets_resume;
    bool offsets_attached;
    struct err_msg offsets_error; /* why commits are refused now; ERR_OK: they are not */
    uint64_t offsets_retry_ns, offsets_pause_ms;

    struct accounts accounts;
    struct alerts alerts;
    uint64_t alerts_due_ns; /* of the next round */
    struct tokens tokens; /* of the REST API */

    struct channel **channel; /* config.channels_max slots, the first channel_count in use, in the order of creation */
    uint32_t channel_count;
    struct group_summary *groups; /* room for CHANNEL_GROUPS_MAX, for whoever asks just now */
    struct channel *leaving; /* deleted, but a precheck thread still reads their definition */
    int wake_fd;             /* eventfd that other threads write to have the loop turn */
    bool is_ready;           /* everything was started; false again when stopping */
};

struct channel *instance_find_channel(const struct instance *in, const char *name);

#endif
