/* storage/storage.h -- the log store: what control starts, opens and closes.
 *
 * One data folder, one storage thread, many logs (a channel's partition, and __consumer_offsets).  Disk layout:
 * docs/design.md 5. Unless said otherwise the functions are called by the control thread only, and block until the
 * storage thread has answered. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "ring/log_feed.h"
#include "storage/log_reader.h"

struct disk; /* storage/disk.h: io_uring or simulated */

struct storage_config {
    const char *data_folder;
    uint32_t chunk_bytes;          /* multiple of LOG_BLOCK_BYTES */
    uint32_t chunk_count;          /* the whole pool */
    uint32_t leases_per_log;       /* chunks a producer holds beside the one it fills */
    uint32_t tail_chunks_per_log;  /* hot tail, at most; shared pool, so fewer when many logs are open */
    uint64_t segment_bytes;
    uint64_t retention_ms;         /* by append time; 0: keep */
    uint64_t retention_bytes;      /* per log; 0: no limit */
    uint32_t flush_interval_us;    /* 0: flush every batch group at once */
    uint32_t index_interval_bytes;
    uint32_t uring_depth;
    uint32_t reader_count;         /* log_readers that may be opened */
    uint32_t reader_cache_bytes;   /* cold reads, each reader */
    uint64_t reader_inflight_bytes_max; /* cold reads under way, each reader; 0: as many as the queue holds */
    uint64_t retired_bytes_max;    /* of chunks that pins alone keep; at most, and 0: half of all */
    uint32_t record_bytes_max;
    int      core;                 /* -1: not pinned */
};

/* Locks and checks the data folder, reserves the memory, starts the storage thread (and its helper).
 * ERR_LOCKED: another millraced uses the folder.  ERR_NEWER_FORMAT, ERR_IO, ERR_NO_MEMORY; ERR_UNSUPPORTED: no
 * io_uring, msg says the mend. */
NODISCARD enum err storage_start(struct storage **out, const struct storage_config *config, const struct clock *clock,
                                 struct counters *counters, struct err_msg *msg);
/* Flushes everything, writes the clean-shutdown marks, ends the thread. Producers and readers must be gone. */
void storage_stop(struct storage *s);

/* The same without threads, over a simulated disk: the test calls storage_step; the functions below then step by
 * themselves. */
NODISCARD enum err storage_start_simulated(struct storage **out, const struct storage_config *config,
                                           const struct clock *clock, struct counters *counters, struct disk *disk,
                                           struct err_msg *msg);
/* One turn of the storage thread's loop; returns how much was done, 0: nothing to do. */
unsigned storage_step(struct storage *s);
/* The power goes: everything of the process is gone at once, the disk keeps what it keeps. */
void storage_abandon_simulated(struct storage *s);

const struct chunk_pool *storage_chunk_pool(const struct storage *s);
/* What the settings make storage reserve, for the table of memory. */
struct storage_memory {
    uint64_t chunks_bytes, readers_bytes, rings_bytes; /* at start */
    uint64_t log_bytes; /* for each open log: its rings, indexes, tail and table of segments */
};
void storage_memory(const struct storage_config *config, struct storage_memory *out);

/* Opens (or creates, when `create`) the log `name`: recovers it, cuts what is torn and any unfinished transaction, and
 * prepares the feed.  `identity` is used on creation and filled from disk otherwise.
 * The feed's producer_waiter must be set by the caller before the producer runs.
 * ERR_NOT_FOUND, ERR_EXISTS, ERR_CORRUPT (damage below the recovery point: msg names file and position),
 * ERR_NEWER_FORMAT, ERR_NO_SPACE, ERR_IO. */
NODISCARD enum err storage_log_open(struct storage *s, struct log_identity *identity, bool create, struct log **log,
                                    struct log_feed **feed, struct log_resume *resume, struct err_msg *msg);
/* The same in three steps, for what it does on disk is mostly waiting: _begin and _end on the control thread, _run
 * between them on any, also for several logs at once, each of another name.  What the opening points to is its own
 * until the end. */
struct log_opening {
    struct log_identity *identity; /* as above, from here to resume */
    bool create;
    bool is_detached; /* it gets no producer now, nothing is reserved for one: storage_log_attach does that */
    struct log **log; /* to NULL; or to a detached log that gets a producer again, as by storage_log_attach */
    struct log_feed **feed; /* these two: NULL where is_detached */
    struct log_resume *resume;
    struct storage *storage; /* from here to is_open: storage's own */
    uint32_t slot;
    bool is_open; /* already, when it began */
    enum err error;      /* out: why it is not open, in words in msg */
    struct err_msg msg;
};
void storage_opening_begin(struct storage *s, struct log_opening *o);
void storage_opening_run(struct log_opening *o);
enum err storage_opening_end(struct log_opening *o); /* returns o->error */
/* Of many logs, by some threads. */
void storage_logs_open(struct storage *s, struct log_opening *list, uint32_t count);
/* What its producer packs batches with, for log_compression; none at first.  Any thread. */
void storage_log_set_compression(struct log *l, enum compression codec);
/* Ends the writing side (its producer has stopped): what is finished becomes durable, an unfinished transaction is cut.
 * The log stays readable. */
NODISCARD enum err storage_log_detach(struct storage *s, struct log *l, struct err_msg *msg);
/* Gives a detached log a producer again: recovers as storage_log_open does. */
NODISCARD enum err storage_log_attach(struct storage *s, struct log *l, struct log_feed **feed,
                                      struct log_resume *resume, struct err_msg *msg);
/* Of a closed log, last detached cleanly: a new leader epoch that begins at its end, and a new cluster id, because the
 * source cannot send again what consumers saw (log_is_resending), so that offsets are not comparable with those of
 * before.  ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO. */
NODISCARD enum err storage_log_renew(struct storage *s, const char *name, const char *cluster_id, struct err_msg *msg);
/* Detached logs only: waits until no reader can reach it, then closes its files. */
void               storage_log_close(struct storage *s, struct log *l);
/* Of a closed log: what its folder says it is, also of one that was made and never opened.  ERR_NOT_FOUND: there is no
 * such folder, or nothing in it says so; ERR_CORRUPT, ERR_IO. */
NODISCARD enum err storage_log_look(struct storage *s, const char *name, struct log_identity *out,
                                    struct err_msg *msg);
/* Of a closed log: removes its folder with all that is in it, also of one that cannot be opened, or is gone in part or
 * whole.  On an error nothing of it opens again by itself: call it again, or the next start ends what was begun.
 * ERR_IO, ERR_INVALID: a folder in it is none of ours. */
NODISCARD enum err storage_log_delete(struct storage *s, const char *name, struct err_msg *msg);

/* Why a log stopped writing: ERR_OK while all is well.  Any thread. */
enum err storage_log_error(const struct log *l, struct err_msg *msg);

#endif
