/* tests/dataplane/memory_log.h -- storage/log_reader.h over memory: a test decides what is cold or faulty.
 *
 * Linked instead of the real one.  One thread may append while others read; a log never forgets. */
#ifndef TESTS_DATAPLANE_MEMORY_LOG_H
#define TESTS_DATAPLANE_MEMORY_LOG_H

#include <stdatomic.h>

#include "storage/log_reader.h"

enum { MEMORY_LOG_BATCHES_MAX = 1 << 16, MEMORY_LOG_READERS_MAX = 4,
       MEMORY_LOG_PLAIN_BYTES = 72 << 20 };

struct memory_batch { uint64_t base_offset, next_offset; uint32_t position, bytes; };

struct log {
    struct log_identity identity;
    uint32_t slot;
    uint8_t *bytes; /* of the pool */
    uint32_t bytes_max, used_bytes;
    struct memory_batch batch[MEMORY_LOG_BATCHES_MAX];
    uint32_t batch_count;           /* the appender's */
    _Atomic uint64_t start_offset, high_watermark, moved_ns;
    _Atomic uint32_t readable_count; /* batches below the high watermark */
    uint32_t piece_bytes_max;       /* batches are cut into pieces of this size */
    struct packer *packer;          /* the test's; not NULL: batches are packed */
    uint32_t held_bytes;            /* what a piece's pin keeps, if that is more than its size */
    _Atomic bool is_cold;           /* every read and lookup needs the disk once */
    _Atomic int fault;              /* enum err that reads answer */
    _Atomic bool is_resending;
    _Atomic uint64_t taken_back_to; /* not 0: the next read meets a log that is just taken back to there */
    _Atomic uint64_t served_offset; /* what log_was_served told last */
};

struct storage {
    struct chunk_pool pool;
    struct log *_Atomic logs[LOGS_MAX];
    struct waiter *_Atomic waiters[MEMORY_LOG_READERS_MAX];
    _Atomic bool watches[MEMORY_LOG_READERS_MAX];
    _Atomic bool is_wanted, must_let_go; /* what log_reader_is_wanted (and is_pressed), log_reader_must_let_go say */
    _Atomic bool is_scarce;              /* log_reader_may_lend says no */
    _Atomic int64_t pins; /* pieces given out and not released */
    uint32_t log_bytes_max;
};

struct storage *memory_storage_new(uint32_t logs_max, uint32_t log_bytes_max);
void            memory_storage_free(struct storage *s); /* fails the test when a piece was not released */
struct log     *memory_log_new(struct storage *s, const char *name);
void            memory_log_remove(struct storage *s, struct log *l);
/* Appends a batch of records with values of `value_bytes` that begin with the offset as text; shows and hints it. */
void            memory_log_append(struct storage *s, struct log *l, uint32_t records, uint32_t value_bytes,
                                  int64_t timestamp_ms);

#endif
