/* capture/capture_inside.h -- the inside of a capture: for capture.c, capture_config.c and capture_delay.c only. */
#ifndef CAPTURE_CAPTURE_INSIDE_H
#define CAPTURE_CAPTURE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "capture/capture.h"
#include "capture/delay.h"
#include "capture/follower.h"
#include "capture/look.h"
#include "capture/source_clock.h"

enum phase { PHASE_CONNECTING, PHASE_PAUSED, PHASE_STREAMING, PHASE_ENDED };

struct capture {
    struct capture_config config; /* its strings are ours */
    char *channel, *user, *password, *ca, *certificate, *key, *start_gtid_set, *start_file, *files;
    char *schema_path, *schema_file;
    struct source_host *host; /* where the source may be; names are ours */
    uint32_t host_count, host_at;
    char *objects;          /* selected when it was opened */
    char *wish;             /* to be selected from the next border on; guarded by lock */
    _Atomic bool has_wish;  /* it may be another than what is selected */
    struct source_stream_config stream_config;
    struct source_stream *stream;
    const struct clock *clock;
    struct log_feed *feed;
    struct follower follower;
    struct random random;

    enum phase phase;
    uint64_t due_ns; /* PAUSED: when to try again */
    uint32_t pause_ms;
    bool is_reached;  /* the source's facts are known for this connection */
    bool is_taken_up, taken_up_by_gtids; /* the log ends at `taken_up`: the tracker's file is about it */
    struct source_position taken_up;
    uint64_t taken_up_offset;
    bool has_definitions; /* the tracker was loaded, or has learned from the source */
    bool save_due;        /* ... and its file is still to be written */
    uint64_t save_offset; /* or is made anew when the log is durable up to here; 0: it is not */
    bool wants_look;      /* it does not know all of them */
    struct look look;
    /* Consumers may have seen records that a crash took: no HEARTBEAT before the source has sent again all that it had
     * when it was first reached. */
    bool is_resending, resend_end_is_known;
    struct source_place resend_end;
    bool shows_written;     /* the log does not wait for the disk: struct log_resume */
    uint64_t heartbeat_ns;  /* of the last HEARTBEAT record; 0: one is due */
    uint64_t record_ns;     /* of the last other record; while one comes, of the one before it */
    uint64_t record_offset; /* behind it and behind the HEARTBEAT */
    uint64_t tail_ns;       /* when nothing more was to be had */
    uint64_t status_ns;
    struct delay delay;
    struct delay_commit delay_first; /* of the transactions that are not noted yet */
    bool delay_has_first;
    uint64_t delay_ns;     /* when it was noted last, and up to where: */
    uint64_t delay_events; /* as follower.timed_events */
    struct source_clock source_clock;
    uint64_t clock_due_ns; /* when it is asked again */

    _Atomic bool stop;
    _Atomic int compression; /* enum compression of the batches to come */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of `status`; taken at most every STATUS_PERIOD_MS and at changes of state */
    struct capture_status status;
    struct err_msg error;
    bool error_is_transient;

    struct counter *bytes_read, *reconnects, *definitions_bytes;
};

/* --- capture_delay.c --- */
/* What the source's clock says beside ours; another server has another clock. */
NODISCARD enum err capture_clock_compare(struct capture *c, const struct source_facts *facts, struct err_msg *msg);
/* Between transactions, after an event.  Asks for the source's clock once a minute. */
void capture_delay_note(struct capture *c, uint64_t now_ns, bool is_heartbeat, bool pending);
/* A transaction's first event was read. */
void capture_delay_begins(struct capture *c);

/* --- capture_config.c --- */
/* ERR_INVALID. */
NODISCARD enum err capture_config_check(const struct capture_config *c, struct err_msg *msg);
/* Copies all strings.  ERR_NO_MEMORY: some are; capture_config_free frees them. */
NODISCARD enum err capture_config_copy(struct capture *c, const struct capture_config *from);
void capture_config_free(struct capture *c);

#endif
