/* storage/log_reader.h -- how consumers' threads read a log: the hot tail from chunks, the past from segments.
 *
 * This is storage's only door for dataplane/ and cli/.  One log_reader per thread; nothing in it locks.
 *
 * Pins.  A slice's hot pieces point into chunks that storage may want back.  Each reader owns an array of pin counts,
 * one per chunk, that storage reads: pin (store), fence (seq_cst), check that the chunk still is in the tail.  Storage:
 * take the chunk out of the tail (store), fence (seq_cst), read all pin counts; zero means nobody can reach it any
 * more, else it is retired and looked at again later.  So a pinned chunk's bytes never change until log_reader_release.
 */
#ifndef STORAGE_LOG_READER_H
#define STORAGE_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/clock.h"
#include "formats/compression.h"
#include "ring/chunk_pool.h"
#include "ring/wait.h"

enum {
    LOG_NAME_BYTES   = 250, /* Kafka's topic names: 1..249 characters */
    LOG_SLICE_PIECES = 160, /* a batch of record_bytes_max must fit */
    LOGS_MAX         = 256,
    LOG_EPOCHS_MAX   = 16,
};

struct storage;    /* storage/storage.h */
struct log;        /* one partition; valid until it is closed and every reader has gone through log_reader_quiesce */
struct log_reader;

struct log_identity { /* constant while the log is open */
    char     name[LOG_NAME_BYTES];
    uint8_t  topic_id[16]; /* of the channel; consumers are told log_topic_id */
    char     cluster_id[32];
    uint32_t leader_epoch; /* changes, as cluster_id, when offsets are not comparable with those of before */
    uint64_t epoch_start[LOG_EPOCHS_MAX]; /* [i]: the offset at which epoch leader_epoch - i began; UINT64_MAX: not
                                           * known */
    bool     is_internal; /* __consumer_offsets: the coordinator's; what consumers see of it is dataplane's matter */
    bool     shows_written; /* `visible: written`: consumers see what is on its way to the disk, as far as the source
                             * can send it again */
};

/* What consumers know the topic by: another one for each leader epoch, so that it changes exactly with the cluster id;
 * epoch 0 has the channel's own. */
static inline void log_topic_id(const struct log_identity *id, uint8_t out[static 16])
{
    memcpy(out, id->topic_id, 16);
    for (unsigned i = 0; i < 4; i++) out[12 + i] ^= (uint8_t)(id->leader_epoch >> (24 - 8 * i));
}
/* A new leader epoch that begins at `start_offset`. */
static inline void log_epoch_begin(struct log_identity *id, uint64_t start_offset)
{
    memmove(&id->epoch_start[1], &id->epoch_start[0], (LOG_EPOCHS_MAX - 1) * sizeof *id->epoch_start);
    id->epoch_start[0] = start_offset;
    id->leader_epoch++;
}

/* The log of this name that is open now, or NULL.  Any thread, lock-free.  Call again for every request: do not keep it
 * over log_reader_quiesce. */
struct log *log_find(struct storage *s, const char *name, size_t name_bytes);
/* Slot `index` (0..LOGS_MAX-1) of the table of open logs, NULL when empty. */
struct log *log_at(struct storage *s, uint32_t index);
/* Slot number of an open log: 0..LOGS_MAX-1. */
uint32_t log_slot(const struct log *l);
const struct log_identity *log_identity(const struct log *l);
uint64_t log_start_offset(const struct log *l);
uint64_t log_high_watermark(const struct log *l);
/* A log that does not wait for the disk may have lost in a crash what it had shown: until the source has sent it
 * again, offsets behind the high watermark are not out of range but not here yet.  Any thread. */
bool log_is_resending(const struct log *l);
/* A consumer asks for this offset, behind the high watermark: it was served up to there. */
void log_was_served(struct log *l, uint64_t offset);
/* The largest timestamp of all records (durable ones: it may run ahead of the watermark for a moment, and behind it in
 * a log that does not wait for the disk); -1: there are none. */
int64_t log_max_timestamp_ms(const struct log *l);
/* What the batches to come are packed with; storage_log_set_compression.  Any thread. */
enum compression log_compression(const struct log *l);
/* Bytes on disk.  Any thread. */
uint64_t log_size_bytes(const struct log *l);
/* Monotonic ns at which the high watermark last moved. */
uint64_t log_high_watermark_ns(const struct log *l);

/* How readers are told that a watermark moved: storage publishes to a ring_bcast {log slot, high watermark} and wakes
 * the waiters given here (NULL: this reader is not woken).  `reader_index` 0 .. storage_config.reader_count-1, one
 * thread each; `waiter` lives as long as the reader: once that is closed, nobody wakes it. */
NODISCARD enum err log_reader_open(struct log_reader **out, struct storage *s, uint32_t reader_index,
                                   struct waiter *waiter, struct err_msg *msg);
void               log_reader_close(struct log_reader *r);

/* Whether a watermark that moves is to wake this reader from here on (at first it does).  Says it before it announces
 * its sleep; with nobody to tell of new records it is better left asleep.  The hints are there all the same. */
void log_reader_watch(struct log_reader *r, bool watches);

enum log_reader_hint { LOG_HINT_NONE, LOG_HINT_LOG, LOG_HINT_LOOK_AT_ALL };
/* Takes the next hint; LOG_HINT_LOG sets `slot`. */
enum log_reader_hint log_reader_hint(struct log_reader *r, uint32_t *slot);

/* Tells storage that this thread holds no log pointer it found before this call (call it once a loop turn). */
void log_reader_quiesce(struct log_reader *r);

/* This thread is about to sleep and holds neither log pointers nor slices: until its next log_reader_quiesce storage
 * does not wait for it.  So a thread that reads seldom may open its reader without a waiter (NULL) and is woken by
 * nothing. */
void log_reader_rest(struct log_reader *r);

struct log_piece {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t pin; /* opaque; passed to log_reader_release */
    bool     is_chunk; /* lies in the chunk pool; else in the reader's own cache */
    uint32_t held_bytes; /* memory that the pin keeps: all of the chunk, or of the cache's block */
};
struct log_slice {
    uint64_t next_offset; /* of the record behind the slice */
    uint32_t bytes, piece_count;
    struct log_piece piece[LOG_SLICE_PIECES];
};
struct log_cursor { uint64_t opaque[4]; }; /* a consumer's place, to read on without a search; zero at first */

/* Whole batches from the one that contains `offset` on, below the high watermark, at most `bytes_max` bytes -- but at
 * least the first batch when `first_batch_whole` (else an empty slice when that does not fit).  offset == high
 * watermark: an empty slice, ERR_OK. Every piece must be released. ERR_AGAIN: a disk read was started; call again after
 * log_reader_poll returned non-zero.  ERR_OUT_OF_RANGE: below the log start, to which retention may have moved it since
 * the last call; above the high watermark; or at it and above, where a log that does not wait for the disk was taken
 * back during the call: then log_is_resending.  ERR_IO, ERR_CORRUPT: the segment cannot be read.  ERR_TOO_LARGE: more
 * pieces than a slice, or blocks than the cache, has.  ERR_STATE: the log is being closed. */
NODISCARD enum err log_reader_read(struct log_reader *r, struct log *l, uint64_t offset, uint32_t bytes_max,
                                   bool first_batch_whole, struct log_cursor *cursor, struct log_slice *out);
void               log_reader_release(struct log_reader *r, const struct log_piece *piece);

/* Whether one of the slice's batches is packed with a codec of `codecs`, a bit each (1 << COMPRESSION_...). */
bool log_slice_is_packed(const struct log_slice *slice, unsigned codecs);
/* Two rooms for the largest batch, touched as far as needed, and what unpacks from one to the other. */
struct plain_rooms {
    uint8_t *room, *plain;
    uint64_t bytes; /* of each */
    struct unpacker *unpacker;
};
NODISCARD enum err plain_rooms_init(struct plain_rooms *p, uint64_t bytes); /* ERR_NO_MEMORY */
void               plain_rooms_fini(struct plain_rooms *p);
/* The reader's own. */
struct plain_rooms *log_reader_rooms(struct log_reader *r);
/* The slice's batches in one piece and not packed: as many as fit in `bytes_max`, but the first one all the same when
 * `first_whole`; *size is 0 when not even that fits.  *bytes stay until the rooms are used again, and may be the
 * slice's own: release its pieces after use.  ERR_CORRUPT, ERR_UNSUPPORTED: a batch cannot be unpacked; ERR_TOO_LARGE:
 * the first is larger than a room. */
NODISCARD enum err log_slice_plain(const struct log_slice *slice, struct plain_rooms *rooms, uint64_t bytes_max,
                                   bool first_whole, const uint8_t **bytes, size_t *size);

/* Pins that are held for long keep memory from others.  Somebody waits for the memory of some pin: for retired chunks,
 * which no tail needs any more and pins alone keep, or for blocks of this reader's cache, when pins leave a batch no
 * room. */
bool log_reader_is_pressed(const struct log_reader *r);
/* The piece may be pinned for as long as a peer takes to acknowledge it: a chunk may, and of this reader's cache so
 * many blocks that half of them are not lent. */
bool log_reader_may_lend(const struct log_reader *r, const struct log_piece *piece);
/* Somebody waits for the memory that this piece's pin keeps: copy the bytes and let go, if that can be. */
bool log_reader_is_wanted(const struct log_reader *r, const struct log_piece *piece);
/* Tells the other readers since when this one's oldest pin that somebody waits for is held (monotonic ns), UINT64_MAX:
 * there is none. */
void log_reader_pinned_since(struct log_reader *r, uint64_t since_ns);
/* More than retired_bytes_max is retired and this reader has the oldest pin of all, or pins leave its own cache no
 * room: that pin has to go, whatever it costs. */
bool log_reader_must_let_go(const struct log_reader *r);

/* The first record, in offset order, whose timestamp is >= timestamp_ms; ERR_NOT_FOUND: none below the high watermark.
 * ERR_AGAIN, ERR_IO, ERR_CORRUPT, ERR_STATE as above. */
NODISCARD enum err log_reader_find_time(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t *offset,
                                        int64_t *found_ms);

/* The timestamp of the record at `offset`, which must be visible; of a compressed batch, and of one larger than
 * record_bytes_max, its largest one.  ERR_OUT_OF_RANGE: there is no such record (any more).  ERR_AGAIN, ERR_IO,
 * ERR_CORRUPT, ERR_STATE as above. */
NODISCARD enum err log_reader_time_at(struct log_reader *r, struct log *l, uint64_t offset, int64_t *timestamp_ms);

/* Finishes disk reads; not 0: all reads that got ERR_AGAIN should be tried again, the one that waits longest first, for
 * a few may use up what may be under way at once.  A log_reader_release can be the cause: ask once more between the
 * last one and going to sleep. */
unsigned log_reader_poll(struct log_reader *r);
/* Closes files of segments and logs that were removed, whose space the disk keeps until then.  Now and then, between
 * log_reader_quiesce and log_reader_rest. */
void     log_reader_tidy(struct log_reader *r);
/* Becomes readable when disk reads have ended; -1: never (simulated disk: poll each turn). */
int      log_reader_fd(const struct log_reader *r);

#endif
