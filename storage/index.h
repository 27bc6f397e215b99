/* storage/index.h -- the sparse indexes of a segment, in memory while it grows and in files beside it.
 *
 * Files (all big endian, as Kafka's OffsetIndex and TimeIndex; the relative offset counts from the segment's base):
 *   .index      relative last offset of a batch u32, position of that batch in the .log u32
 *   .timeindex  largest timestamp so far i64, relative last offset of the batch that brought it u32
 *   .pos        as .index, of batches that end a transaction (their last record carries a source position); the last
 * such batch of a sealed segment is always there An entry is added for the first batch behind every `interval` bytes.
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

enum { INDEX_ENTRY_BYTES = 8, TIME_INDEX_ENTRY_BYTES = 12 };
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

/* Writes the files of a segment up to `mark`, with an entry each for the largest timestamp and the last transaction
 * end, and syncs them. */
NODISCARD enum err index_write(struct disk *d, const char *folder, const struct index_set *s, uint64_t base_offset,
                               const struct index_mark *mark, struct err_msg *msg);
/* Fills an emptied set from files as index_write made them for the transaction end before `offset` at `position`;
 * false: they are missing, damaged or of another moment, and the set is empty. */
bool index_load(struct disk *d, const char *folder, struct index_set *s, uint64_t base_offset, uint64_t position,
                uint64_t offset, uint32_t interval);

/* What the files of a sealed segment of `bytes` bytes end with; false: missing or damaged, to be made anew. */
struct index_summary {
    int64_t  max_timestamp_ms;
    uint64_t last_end_offset; /* last record of the last transaction that ends here; UINT64_MAX: none does */
};
bool index_summary_read(struct disk *d, const char *folder, uint64_t base_offset, uint64_t bytes,
                        struct index_summary *out);

#endif
