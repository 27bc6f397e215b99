/* capture/capture.h -- a channel's capture: one thread from the source's socket to finished batches in a log feed. */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "capture/source_options.h"
#include "formats/compression.h"
#include "ring/log_feed.h"

enum capture_start { /* when the log holds no position yet */
    CAPTURE_START_NOW,
    CAPTURE_START_EARLIEST, /* the oldest binlog file that the source still has */
    CAPTURE_START_GTID_SET, /* all transactions that start_gtid_set lacks */
    CAPTURE_START_POSITION, /* start_file, start_position: where a transaction begins */
    CAPTURE_START_TIME,     /* the first transaction at or after start_time_s */
};

struct capture_config { /* all strings are copied */
    const char *channel;             /* name, for logs and counters */
    const char *data_folder;         /* in its folder <channel>, which exists, what must outlive a restart is kept;
                                      * NULL: nothing can be, and an XA transaction ends the channel */
    const char *files;               /* a folder of binlog files is the source; NULL or "": a server, at: */
    const char *host;                /* or a unix socket path when it begins with '/' */
    uint16_t    port;
    const struct source_host *standby; /* tried in turn when the source cannot be reached: servers with the same
                                        * transactions, told by their GTIDs */
    uint32_t    standby_count;
    const char *user, *password;
    struct source_tls tls;
    uint32_t    connect_timeout_s, read_timeout_s; /* 0: the defaults */
    uint32_t    server_id;           /* ours, as a replica; unique among the source's replicas */
    const char *const *include;      /* patterns "db.table" with '*', NULL-terminated; at least one */
    const char *const *exclude;      /* NULL-terminated, may be NULL */
    bool        ddl_instance;        /* true: all DDL but account statements; false: of selected tables only */
    bool        statements_warn;     /* row changes of a selected table logged as a statement (binlog_format=STATEMENT
                                      * in a session) are a warning and lost; else an error */
    bool        partial_images_none; /* row images that lack columns (binlog_row_image is not FULL) are delivered with
                                      * those marked as missing, where they cannot be told; else an error */
    bool        text_utf8mb4;        /* CHAR, VARCHAR and TEXT are delivered in utf8mb4; else as stored, with the name
                                      * of their character set */
    bool        after_failure;       /* the capture before ended by itself, perhaps in what the source did not commit in
                                      * the end: such transactions are looked for in the backlog, and passed */
    const char *schema_file;         /* the user's CREATE statements for a start in the past; NULL: none */
    const char *format;              /* "dts-avro" */
    enum compression compression;    /* of the batches */
    enum capture_start start;
    const char *start_gtid_set, *start_file;
    uint64_t    start_position;
    uint32_t    start_time_s;
    uint32_t    heartbeat_ms;        /* HEARTBEAT records: 1000 */
    uint64_t    segment_bytes;       /* roll at transaction ends above this */
    uint32_t    batch_bytes_target;  /* finish a batch at the first transaction end above this */
    uint32_t    record_bytes_max;
    uint64_t    packet_bytes_max;
    uint32_t    reconnect_pause_ms_min, reconnect_pause_ms_max;
    int         core;
};

enum capture_state {
    CAPTURE_CONNECTING, /* also between attempts; `error` says why the last one ended */
    CAPTURE_CATCHING_UP,
    CAPTURE_AT_TAIL,
    CAPTURE_ENDED,      /* `error` says why: only a person (or control's retry) can go on */
};

struct capture_status { /* a copy, consistent in itself */
    enum capture_state state;
    struct err_msg error;            /* code ERR_OK: none; ERR_AGAIN: waits for files that are being copied */
    bool     error_is_transient;     /* reconnecting by itself */
    bool     wants_reattach;         /* ended only because the log must be cut to its last whole transaction:
                                      * detach, attach, start again */
    char     file[256];              /* source position of the last finished transaction */
    uint64_t position;
    char     server_version[64], server_uuid[65];
    char     gtid[129];
    uint64_t row_changes, transactions, records;
    uint32_t event_timestamp_s;      /* of the newest event read */
    bool     clock_is_known;
    int64_t  clock_skew_ms;          /* the source's clock less ours */
    int64_t  binlog_kept_s;          /* by the source, as of source_facts; -1: not told */
};

struct capture;

/* Starts the thread.  `resume` comes from storage_log_open/attach, is copied (gtid_set taken over).
 * ERR_INVALID: config; ERR_NO_MEMORY. */
NODISCARD enum err capture_start(struct capture **out, const struct capture_config *config, struct log_feed *feed,
                                 const struct log_resume *resume, const struct clock *clock,
                                 struct counters *counters, struct err_msg *msg);
/* Asks it to end (cuts the connection), joins, frees.  The feed is then without a producer. */
void capture_stop(struct capture *c);
/* Other objects from the next border between transactions on; the log tells where that was (RECORD_HEADER_OBJECTS), and
 * it holds across a crash.  ERR_INVALID: a pattern is malformed; ERR_NO_MEMORY.  Any thread. */
NODISCARD enum err capture_select(struct capture *c, const char *const *include, const char *const *exclude,
                                  struct err_msg *msg);
/* Another codec from the next batch on.  Any thread. */
void capture_compress(struct capture *c, enum compression codec);
void capture_status(struct capture *c, struct capture_status *out); /* any thread */
/* How long ago the source committed the oldest change that is not readable yet, when the log can be read up to
 * `high_watermark`; 0: all is readable; -1: not known yet.  As of the call (capture/delay.h).  Any thread. */
int64_t capture_delay_ms(const struct capture *c, uint64_t high_watermark);

/* What is counted for the definitions of a channel's tables, of all tables of its source: those of 10,000 usual tables,
 * and once more while they are read.  A source with more takes more (counter capture_definitions_bytes). */
enum { CAPTURE_DEFINITIONS_BYTES = 64 << 20 };
/* Bytes one capture may use at most beside its chunks. */
uint64_t capture_memory_bytes(const struct capture_config *config);

#endif
