/* storage/internal.h -- what the files of this room share: the storage thread's state, a log, its writer.
 *
 * Three threads touch it.  The *control* thread opens and closes logs; it hands a log over through one command at a
 * time. The *storage* thread owns everything of an attached log but what is atomic.  The *helper* thread does what may
 * block: makes segments ahead, seals them, writes checkpoints, removes files; jobs go to it and come back through two
 * rings. */
#ifndef STORAGE_INTERNAL_H
#define STORAGE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/counters.h"
#include "ring/log_feed.h"
#include "ring/ring_bcast.h"
#include "ring/ring_spsc.h"
#include "ring/wait.h"
#include "storage/chunks.h"
#include "storage/disk.h"
#include "storage/index.h"
#include "storage/log_files.h"
#include "storage/segment_table.h"
#include "storage/storage.h"
#include "storage/tail.h"

enum {
    LEASES_MAX           = 1024,      /* a log: leases in a producer's hands */
    REPLIES_MAX          = 1024,      /* a log: appends not yet answered */
    LATENCIES_MAX        = 512,       /* a log: batches whose way to the disk is timed at once */
    WRITE_BYTES_MAX      = 1 << 20,   /* one transfer */
    EAGER_BYTES_MIN      = 256 << 10, /* written before a group starts */
    GROUP_BYTES_MAX      = 4 << 20,   /* a group starts without waiting for flush_interval_us */
    MESSAGES_PER_TURN    = 256,       /* taken from one feed */
    CHECKPOINT_BYTES     = 64 << 20,  /* recovery reads at most about this much */
    CHECKPOINT_AGE_MS    = 60000,
    HOUSEKEEPING_MS      = 1000,
    INTERNAL_SEGMENT_BYTES = 16 << 20, /* internal logs are trimmed by segments: small ones */
    SEGMENT_BYTES_MAX    = INT32_MAX, /* positions in Kafka's indexes are signed 32 bits */
    SIMULATED_HELPER_TURNS = 7,       /* without threads the helper is slow: every so many turns */
    HINTS                = 4096,
    UNAWAITED_NS         = 10000000,  /* the least a batch waits for its flush where that makes nothing visible */
    HELD_STALL_NS        = 100000000, /* a message that waits for longer is a stall */
    STALL_POLL_NS        = 2000000,   /* how often a stalled log looks for chunks that readers have let go */
    RECLAIM_NS           = 50000000,  /* and the store, while there are others */
    REMOVE_MAX           = 16,        /* segments removed by one job */
    JOBS_BYTES           = 1 << 20,   /* a ring: every job that can be under way at once */
    FEED_TO_STORAGE_BYTES  = 256 << 10,
    FEED_TO_PRODUCER_BYTES = 64 << 10,
};

/* A place in the log that is a batch end and a transaction end. */
struct log_mark {
    uint64_t offset; /* of the next record */
    uint64_t segment_base, position;
    uint64_t gtid_segment, gtid_position;
    struct index_mark index; /* of the segment's set at that place */
};

enum writer_state {
    WRITER_DETACHED,
    WRITER_RUNNING,
    WRITER_DETACHING, /* the producer is gone; what it sent becomes durable */
    WRITER_FAILED,
};

enum group_phase {
    GROUP_NONE,
    GROUP_WRITING,   /* its writes are being submitted or under way */
    GROUP_SYNCING,
    GROUP_PROMOTING, /* durable, but its segment's name is not yet */
};

struct reply { /* to an append */
    uint64_t token, base_offset, next_offset;
    enum err error; /* it will not be written */
};

struct latency { /* of a batch on its way */
    uint64_t next_offset, encoded_ns;
};

struct writer { /* the storage thread's, while the log is attached */
    enum writer_state state;
    struct log_feed   feed;
    const void       *held; /* a message that cannot be taken yet; nothing behind it is */
    uint64_t          held_ns; /* since when; 0: there is none */
    int      file, prepared_file;
    uint64_t segment_base, segment_seq; /* seq in the table */
    uint64_t end_position, next_offset; /* behind the last accepted batch */
    uint64_t durable_position, durable_offset;
    uint64_t submitted;    /* whole blocks below are written or under way */
    uint64_t write_seq;    /* the tail entry that goes on behind `submitted` */
    int32_t  current;      /* the chunk being filled, CHUNK_NONE before the first batch */
    uint64_t prefix_position; /* attach: the block that the first lease begins with */
    uint32_t prefix_bytes;
    uint8_t  prefix[LOG_BLOCK_BYTES];
    uint8_t *scratch;      /* the partial last block on its way to the disk */
    bool     partial_in_flight;
    uint64_t partial_position;

    uint32_t lease[LEASES_MAX], lease_count, lease_extra;
    bool     lease_has_prefix; /* lease[0] is the first of all: it carries the prefix */
    bool     is_stalled;  /* the producer has nothing left to fill */
    bool     is_held_up;  /* `held` has waited so long that it counts as a stall */
    bool     is_short;    /* it has fewer leases than it should */

    enum group_phase phase;
    uint32_t parity;         /* of the group under way; early writes for the next one have the other */
    uint32_t in_flight[2], written[2];
    bool     group_put;      /* all its writes are submitted */
    bool     group_synced;   /* synced, or its only write is durable by itself */
    uint64_t group_end, group_offset;
    bool     flush_now;
    uint64_t trim_offset;    /* internal logs: what lies before it may go */
    uint64_t oldest_ns;      /* when the oldest batch that no group has taken yet came; 0: none */
    struct log_mark end_mark, group_mark;
    struct log_mark visible;  /* the last one that is durable; what a log shows that does not wait for it: show_early */

    /* What a log that does not wait for the disk may show: what comes before the first HEARTBEAT that is not durable */
    uint64_t safe_offset, group_safe_offset; /* before that of what no group has taken; of the group */
    bool     has_heartbeat, group_has_heartbeat;

    struct reply   reply[REPLIES_MAX];
    uint64_t       reply_first, reply_next;
    struct latency latency[LATENCIES_MAX];
    uint64_t       latency_first, latency_next;

    uint64_t number;         /* of the newest prepared file */
    uint64_t prepared_number;
    bool     prepared_is_recycled, is_recycled; /* the prepared, the active file: its blocks hold older batches */
    uint64_t spare;          /* number of a removed segment's file that can be prepared again; 0: none */
    uint64_t spare_epoch;    /* not before every reader has passed this: readers_passed */
    struct err_msg prepare_error; /* why there is no prepared file; tried again every second */
    bool     preparing, promoting, sealing, checkpointing;
    bool     look_for_gtid;  /* the next batch may carry a GTID set */
    uint64_t gtid_segment, gtid_position;
    struct log_checkpoint recovered; /* as recovery left it */
    uint64_t checkpoint_offset, checkpoint_bytes, checkpoint_ms; /* the last one; bytes durable since */
    uint32_t jobs;           /* under way */
};

struct log_counters {
    struct counter   *written_bytes, *flushes, *stalls, *high_watermark, *bytes, *recycled;
    struct histogram *durable_ns;
};

struct log {
    struct storage *storage;
    uint32_t slot;
    _Atomic uint64_t
        incarnation; /* of this log's files, one for all logs; a recovery may cut, and makes it another one */
    struct log_identity identity;
    char     folder[LOG_PATH_BYTES]; /* DATA/<log>/0 */

    alignas(128) _Atomic uint64_t high_watermark;
    _Atomic uint64_t on_disk_offset; /* what lies before it is durable, visible or not */
    _Atomic uint64_t start_offset, high_watermark_ns;
    _Atomic uint64_t served_offset; /* consumers saw records up to here, if the log shows what is not durable */
    _Atomic bool     is_closing, is_resending;
    _Atomic int      compression; /* enum compression, as readers are told */
    struct tail          tail;
    struct segment_table segments;
    struct index_set     index[2];
    uint32_t             index_active; /* the writer's; readers look at both sets' base_offset */

    bool            is_attached; /* control's: there is a writer */
    pthread_mutex_t error_lock; /* never on the way of the data */
    struct err_msg  error;

    struct writer       writer;
    struct log_counters counters;
};

enum job_kind { JOB_PREPARE, JOB_PROMOTE, JOB_SEAL, JOB_CHECKPOINT, JOB_REMOVE };

struct job {
    enum job_kind kind;
    int           file;    /* PREPARE: result; SEAL: to be closed */
    struct log   *log;
    uint64_t      number;  /* PREPARE, PROMOTE: of the prepared file; REMOVE: what the last segment becomes, 0: goes */
    uint64_t      segment_base;
    uint64_t      position; /* SEAL: exact length; PREPARE: bytes to reserve */
    struct index_set *set;  /* SEAL; CHECKPOINT, REMOVE: when the point is in the active segment */
    struct index_mark mark;
    struct index_end  end;  /* SEAL: of the segment */
    struct log_checkpoint checkpoint;
    uint64_t      remove_base[REMOVE_MAX]; /* REMOVE: segments whose files go */
    uint32_t      remove_count;
    struct err_msg error;
};
_Static_assert(sizeof(struct job) * LOGS_MAX * 4 <= JOBS_BYTES, "a log has at most four jobs under way");

struct write_op {
    struct log    *log;
    struct disk_io io;
    uint32_t       parity;
    int32_t        next_free;
};

enum command_kind { COMMAND_NONE, COMMAND_ATTACH, COMMAND_DETACH, COMMAND_STOP };
enum command_state { COMMAND_IDLE, COMMAND_SENT, COMMAND_DONE };

struct reader_seat { /* a log_reader as storage sees it */
    alignas(64) _Atomic uint64_t epoch; /* READER_ABSENT: no reader sits here */
    struct waiter *_Atomic waiter;
    _Atomic uint64_t pinned_since_ns; /* its oldest pin that somebody waits for; UINT64_MAX: none */
    _Atomic bool watches; /* log_reader_watch */
};
#define READER_ABSENT UINT64_MAX

struct storage {
    struct disk *disk;
    bool         owns_disk, is_simulated;
    struct storage_config config; /* data_folder points to our copy */
    char         data_folder[DATA_PATH_BYTES];
    const struct clock *clock;
    struct counters    *counters;
    int          lock_file;

    struct chunk_keeper keeper;
    struct disk_queue  *queue;
    struct write_op    *op;
    int32_t             op_free;
    struct waiter       waiter, control_waiter, helper_waiter;
    pthread_t           thread, helper;
    bool                threads_run;
    _Atomic bool        helper_stop;
    struct ring_spsc    jobs, results;

    alignas(64) _Atomic uint64_t epoch;
    struct reader_seat  seat[READERS_MAX];
    _Atomic uint32_t    wakers; /* threads that wake readers at this moment */
    struct ring_bcast   hints;
    struct log *_Atomic log[LOGS_MAX];    /* open logs, for readers */
    bool                slot_is_reserved[LOGS_MAX]; /* control's: for logs whose opening is under way */
    struct log         *attached[LOGS_MAX]; /* the storage thread's */
    uint32_t            attached_count, turn;
    uint64_t            housekeeping_ns;
    _Atomic uint64_t    incarnations;

    enum command_kind    command;
    struct log          *command_log;
    _Atomic uint32_t     command_state;
    bool                 stopping;
    uint64_t             reclaim_ns; /* when to look for retired chunks that were let go */
    struct counter      *retired, *free_chunks, *retired_bytes;
};

/* ---- writer.c: from descriptors to durable and visible; storage thread ---- */
unsigned writer_step(struct log *l, uint64_t now_ns); /* returns how much was done */
void     producer_wake(struct writer *w);
void     writer_written(struct write_op *op, int32_t result);
void     writer_fail(struct log *l, const struct err_msg *why);
bool     writer_is_flushed(const struct log *l); /* all that was accepted is durable */
bool     writer_is_over(const struct log *l);  /* detaching or failed, and nothing is under way any more */
void     writer_release(struct log *l);        /* gives back all chunks; the tail is empty afterwards */
/* ns until something must be done even if nothing comes in; UINT64_MAX: nothing. */
uint64_t writer_due_ns(const struct log *l, uint64_t now_ns);
bool     tail_evict(struct log *l);            /* the oldest chunk, when it is durable and full */

/* ---- writer_feed.c: leases and batches ---- */
unsigned writer_take(struct log *l, uint64_t now_ns);
unsigned writer_lease(struct log *l);

/* ---- segments.c: rolling, checkpoints, retention; storage thread ---- */
/* Bytes reserved for each segment; an append rolls there, capture by its own setting.  Any thread. */
uint64_t log_segment_bytes(const struct log *l);
bool     segment_roll(struct log *l, uint64_t base_offset); /* false: not yet */
void     segment_prepare(struct log *l);
void     checkpoint_start(struct log *l);
void     log_housekeeping(struct log *l, uint64_t now_ms);
void     job_ended(const struct job *j);

/* ---- jobs.c: the helper ---- */
void  job_send(struct storage *s, const struct job *j);
bool  jobs_run(struct storage *s);        /* helper thread (or the simulation): all that wait; false: none */
void *helper_thread(void *storage);

/* ---- storage.c ---- */
bool storage_evict(struct storage *s);    /* frees a chunk of the longest tail */
void storage_publish(struct log *l, uint64_t offset); /* the high watermark moves: tell the readers */
/* Wakes the reader of this seat.  Any thread. */
void reader_wake(struct storage *s, uint32_t reader);
NODISCARD bool storage_write(struct log *l, const struct disk_io *io, uint32_t parity);
void storage_command(struct storage *s, enum command_kind kind, struct log *l); /* control: sends and waits */

/* ---- logs.c ---- */
void log_free(struct log *l);
void logs_end(struct storage *s); /* control: detaches what is attached, cleanly, and closes all */
uint64_t log_memory_bytes(const struct storage_config *c);
/* Readers pass when they hold nothing that they found before the mark.  Any thread. */
uint64_t readers_mark(struct storage *s);
bool     readers_passed(const struct storage *s, uint64_t mark);
void log_set_error(struct log *l, const struct err_msg *why);
/* A log that failed: of what it has shown and not flushed nothing is sure to be found, so the watermark goes back to
 * what is durable, before the tail that holds it goes.  Storage thread. */
void log_take_back(struct log *l);

#endif
