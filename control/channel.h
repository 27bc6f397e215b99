/* control/channel.h -- one channel's life: check, log, capture, errors and their retries.  Control thread only.
 *
 * The states and their transitions stand in channel_state.c; here are the actions.  A person's operations answer at
 * once: what takes long (checking the source, making a log) goes on in a thread and shows in the status.  Only what
 * ends a channel's log or writes its file waits for the thread that makes the log, as long as some syncs of the disk
 * take. */
#ifndef CONTROL_CHANNEL_H
#define CONTROL_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture.h"
#include "control/channel_groups.h"
#include "control/channel_retry.h"
#include "control/channel_spec.h"
#include "control/channel_state.h"
#include "control/instance.h"
#include "control/precheck.h"
#include "storage/storage.h"

enum {
    CHANNEL_PRECHECK_TIMEOUT_S = 10,
    CHANNEL_UNREACHABLE_MS = 10 * 1000, /* a capture that cannot connect for this long is an Error */
    CHANNEL_HEALTHY_MS = 60 * 1000,     /* events arrive for this long: the row of failures is over */
    CHANNEL_RATE_PERIOD_MS = 1000,
};

struct channel_rates { /* over the last second or so */
    uint64_t sampled_ns;
    uint64_t row_changes, records, bytes; /* the counts at that time */
    double row_changes_per_s, records_per_s, bytes_per_s;
};

struct channel_gauges; /* what the counter file shows of a channel */
struct log_attaching;  /* control/channel_log.c */
struct history;

struct channel {
    struct channel_spec spec;
    struct channel_life life;
    struct capture_config capture_config; /* borrows the strings of spec */
    enum channel_state state;

    bool deletion_is_noted;       /* on disk: a restart goes on with it */
    struct err_msg error;         /* why it does not capture; ERR_OK: nothing to say */
    uint64_t error_since_ms;      /* Unix ms; 0: no error */
    struct channel_retry retry;   /* healthy for CHANNEL_HEALTHY_MS: the row of failures is over */
    uint64_t connecting_since_ns; /* 0: capture is connected or has no error */
    uint64_t streaming_since_ns;  /* 0: it is not */

    struct precheck_run *precheck; /* running, or NULL */
    bool precheck_is_stale;        /* its verdict no longer counts */
    struct precheck_report report; /* of the last one that ended */
    uint64_t checked_ms;           /* Unix ms; 0: none has, since millraced started */

    struct log *log;
    struct log_attaching *attaching; /* in a thread, or NULL: what follows does not change meanwhile */
    struct log_feed *feed; /* while attached */
    struct log_resume resume;
    struct waiter producer_waiter;
    bool is_attached;
    bool has_resume; /* `resume` was not handed to a capture yet */

    bool has_place; /* one of captures_max: from its start to its stop, also in Error between two attempts */
    struct capture *capture;
    struct capture_status status; /* as of the last tick; kept when capture ended */
    struct channel_rates rates;
    struct channel_gauges *gauges;
    struct history *history;
    struct channel_groups groups;
    uint64_t served_bytes; /* to consumers, as of the last sample; UINT64_MAX: not looked at yet */
    struct channel *next_leaving; /* of instance.leaving */
};

/* Makes a new channel, saves it and starts its precheck.  Takes `spec` over in any case.
 * ERR_EXISTS, ERR_TOO_LARGE (channels_max), ERR_NO_SPACE, ERR_IO, ERR_NO_MEMORY. */
NODISCARD enum err channel_create(struct instance *in, struct channel_spec *spec, struct channel **out,
                                  struct err_msg *msg);
/* A stored channel at the start of millraced.  Takes `spec` over. */
NODISCARD enum err channel_restore(struct instance *in, struct channel_spec *spec, const struct channel_life *life,
                                   struct err_msg *msg);
/* All are there: opens their logs so that they are served; capture begins with channel_go_on.  A log that cannot be
 * opened puts its channel in Error, it is no error of the start.  ERR_NO_MEMORY. */
NODISCARD enum err channels_restored(struct instance *in, struct err_msg *msg);
void channel_go_on(struct instance *in, struct channel *ch);

/* A person's operations.  ERR_STATE: not possible now, msg says in which state it is; ERR_NO_SPACE, ERR_IO: it could
 * not be saved; of a start ERR_TOO_LARGE: captures_max channels are started. */
NODISCARD enum err channel_start(struct instance *in, struct channel *ch, struct err_msg *msg);
NODISCARD enum err channel_stop(struct instance *in, struct channel *ch, struct err_msg *msg);
NODISCARD enum err channel_resume(struct instance *in, struct channel *ch, struct err_msg *msg);
/* Other objects, by the body of channel_spec_select; a capture that runs takes them at its next border.
 * ERR_INVALID; ERR_STATE: its source is being checked; ERR_NO_SPACE, ERR_IO. */
NODISCARD enum err channel_select(struct instance *in, struct channel *ch, const json_t *body, struct err_msg *msg);
/* Another codec, by the body of channel_spec_compress; a capture that runs takes it with its next batch.  Errors as
 * above. */
NODISCARD enum err channel_compress(struct instance *in, struct channel *ch, const json_t *body, struct err_msg *msg);
/* Another source, account or setting: a merge patch (RFC 7396) of what channel_spec_json shows.  A capture that runs is
 * started anew, and goes on where the log ends.  ERR_INVALID; ERR_STATE: not now; ERR_NO_SPACE, ERR_IO. */
NODISCARD enum err channel_reconfigure(struct instance *in, struct channel *ch, const json_t *body,
                                       struct err_msg *msg);
/* Removes the channel, its log and its groups' checkpoints.  ERR_OK: it is gone, with `ch`, or its deletion is noted on
 * disk and goes on by itself, also after a restart (CHANNEL_DELETING, with an error that says what holds it up).
 * ERR_IO: nothing was done.  ERR_NO_SPACE: it goes on, but could not be noted until now, so that a crash would undo
 * it. */
NODISCARD enum err channel_delete(struct instance *in, struct channel *ch, struct err_msg *msg);

/* How many have one of the places of captures_max. */
uint32_t channels_placed(const struct instance *in);
/* In Error, or in a deletion that cannot end now. */
bool channel_is_failing(const struct channel *ch);

/* Called a few times a second: takes verdicts, follows capture, retries. */
void channel_tick(struct instance *in, struct channel *ch, uint64_t now_ns);

/* Frees the deleted channels whose precheck has ended; `wait`: all of them, now. */
void channel_reap(struct instance *in, bool wait);

/* The end of millraced: stops capture and closes the log; nothing is saved, the channel goes on at the next start. */
void channel_shut_down(struct instance *in, struct channel *ch);

/* What capture needs, made from the channel's definition and the instance's configuration; borrows the strings of
 * `spec`. */
void channel_capture_config(const struct config *config, const struct channel_spec *spec, struct capture_config *out);

#endif
