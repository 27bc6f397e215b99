/* storage/index.h -- the sparse indexes of a segment, in memory while it grows and in files beside it.
 *
 * Files (all big endian, as Kafka's OffsetIndex and TimeIndex; the relative offset counts from the segment's base):
 *   .index      relative last offset of a batch u32, position of that batch in the .log u32
 *   .timeindex  largest timestamp so far i64, relative last offset of the batch that brought it u32
 *   .pos        as .index, of batches that end a transaction (their last record carries a source position); the last
 *               such batch of a sealed segment is always there, and behind it the *seal* (struct index_seal)
 * An entry is added for the first batch behind every `interval` bytes.
 *
 * A set has one writer (the storage thread; control while the log is recovered); readers search it without locks.
 * A log has two sets and uses them in turn, so that a search in the set of a segment just sealed still holds;
 * index_set_holds tells afterwards. */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "storage/disk.h"
#include "storage/log_files.h"

enum { INDEX_ENTRY_BYTES = 8, TIME_INDEX_ENTRY_BYTES = 12, INDEX_SEAL_BYTES = 72 };
#define INDEX_NO_SEGMENT UINT64_MAX

struct index_entry { /* one of .index or .pos */
    uint32_t relative_offset, position;
};
struct time_entry {
    int64_t  timestamp_ms;
    uint32_t relative_offset;
};

struct index_mark { /* how far a set had grown at some batch end */
    uint32_t offset_count, time_count, end_count;
    uint32_t bytes_since_entry, bytes_since_end;
    int64_t  max_timestamp_ms; /* -1: no record yet */
    uint32_t max_timestamp_relative_offset;
    struct index_entry last_end; /* of the newest transaction end */
    bool     has_end;
};

struct index_end { /* of a segment that is complete */
    uint64_t next_offset, log_bytes;
};

struct index_set {
    _Atomic uint64_t  base_offset; /* INDEX_NO_SEGMENT: empty or being changed */
    uint32_t          capacity;    /* entries of each kind */
    _Atomic uint32_t  offset_count, time_count;
    _Atomic uint64_t *offset;      /* relative offset << 32 | position */
    _Atomic int64_t  *time_ms;
    _Atomic uint32_t *time_offset;
    uint64_t         *end;         /* of .pos; not for readers */
    struct index_mark at;          /* writer only: now */
};

uint64_t           index_set_bytes(uint32_t capacity);
NODISCARD enum err index_set_init(struct index_set *s, uint32_t capacity);
void               index_set_fini(struct index_set *s);

/* Empties the set for the segment with this base. */
void index_reset(struct index_set *s, uint64_t base_offset);
/* Notes a batch at the segment's end. */
void index_add(struct index_set *s, uint64_t last_offset, uint64_t position, uint32_t batch_bytes,
               int64_t max_timestamp_ms, bool ends_transaction, uint32_t interval);

/* Position at which to start looking for `offset`: of a batch that begins at or before it; 0: the segment's start. */
uint32_t index_find_offset(const struct index_set *s, uint64_t offset);
/* Every record before the answer (an offset) is older than `timestamp_ms`. */
uint64_t index_find_time(const struct index_set *s, int64_t timestamp_ms);
/* After a search: the set still described the segment `base_offset` throughout. */
bool index_set_holds(const struct index_set *s, uint64_t base_offset);

/* For whoever fills a set from files: adds an entry, if there is room and (time) if it is later than the last. */
void    index_offset_add(struct index_set *s, struct index_entry e);
void    index_time_add(struct index_set *s, int64_t timestamp_ms, uint32_t relative_offset);
int64_t index_last_time(const struct index_set *s); /* -1: none */

/* ---- index_files.c ---- */

/* What a segment was when it was sealed: enough to open a log without reading its segments or their indexes.  In the
 * file, big endian: "mill", u32 of ones (no entry has such a position), base offset u64, next offset u64, bytes of the
 * .log u64, largest timestamp i64, last_end_offset u64, entries of .index, .timeindex and .pos u32 each, their CRC u32
 * (struct index_print), u32 0, and the CRC-32C of the bytes before u32. */
struct index_seal {
    uint64_t base_offset, next_offset, log_bytes;
    int64_t  max_timestamp_ms;
    uint64_t last_end_offset; /* last record of the last transaction that ends here; UINT64_MAX: none does */
    struct index_print print;
};

/* Writes the files of a segment up to `mark`, with an entry each for the largest timestamp and the last transaction
 * end, and syncs them.  With `end` (else NULL) the segment is sealed; the caller syncs the folder then.
 * `print` (or NULL) gets the fingerprint of the entries that later writes leave as they are. */
NODISCARD enum err index_write(struct disk *d, const char *folder, const struct index_set *s, uint64_t base_offset,
                               const struct index_mark *mark, const struct index_end *end, struct index_print *print,
                               struct err_msg *msg);
/* Fills an emptied set from files, as far as they tell of what lies below a checkpoint; false: they are missing or
 * damaged, and the set is empty. */
bool index_load(struct disk *d, const char *folder, struct index_set *s, const struct log_checkpoint *c,
                uint32_t interval);

/* Reads the seal of a segment; false: there is none that holds, or an index file has another length than it says. */
bool index_seal_read(struct disk *d, const char *folder, uint64_t base_offset, struct index_seal *out);
/* Reads the index files of a sealed segment whole: do they hold what the seal says? */
bool index_seal_verify(struct disk *d, const char *folder, const struct index_seal *seal);
/* Bytes that index_seal_verify reads. */
uint64_t index_seal_reads(const struct index_seal *seal);

#endif
