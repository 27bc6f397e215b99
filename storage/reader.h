/* storage/reader.h -- what the files of the reader share.  One thread each. */
#ifndef STORAGE_READER_H
#define STORAGE_READER_H

#include "formats/record_batch.h"
#include "storage/internal.h"
#include "storage/reader_cache.h"

enum { TIME_MEMOS = 16, AHEAD_BLOCKS = 4 };
#define PIN_IS_BLOCK 0x80000000u /* log_piece.pin: a block of the cache, else a chunk */

/* A place in a segment file at which a batch begins. */
struct cold_place {
    uint64_t segment_seq, segment_base, position, offset;
    uint64_t limit; /* readable bytes of the segment */
};

struct time_memo { /* how far a search by time has come: it is called again after every disk read */
    uint64_t incarnation;
    int64_t  timestamp_ms;
    struct cold_place at;
};

struct log_reader {
    struct storage     *storage;
    uint32_t            index;
    struct chunk_pins  *pins;
    struct reader_cache cache;
    struct ring_bcast_reader hints;
    struct time_memo    memo[TIME_MEMOS];
    uint32_t            memo_next;
    struct plain_rooms  rooms; /* batches in one piece, and unpacked */
};

/* Bytes one reader takes: its cache, two rooms for a batch, what unpacks them. */
uint64_t reader_memory_bytes(const struct storage_config *c);

/* ---- reader_hot.c ---- */
/* Fills `out` from the tail.  ERR_NOT_FOUND: `offset` is not (or no longer) there. */
NODISCARD enum err hot_read(struct log_reader *r, struct log *l, uint64_t offset, uint64_t high_watermark,
                            uint32_t bytes_max, bool first_batch_whole, struct log_cursor *cursor,
                            struct log_slice *out);

/* Passes over the batches from *offset on, below `end`, that hold nothing as young as that time: *offset is then the
 * first other one's, or `end`, and *cursor stands there.  ERR_NOT_FOUND: as above. */
NODISCARD enum err hot_pass_older(struct log_reader *r, struct log *l, int64_t timestamp_ms, uint64_t end,
                                  uint64_t *offset, struct log_cursor *cursor);

/* Copies the batch that contains `offset` from the tail into the reader's room, and views it; *cursor may tell where it
 * is.  ERR_NOT_FOUND: as above.  ERR_TOO_LARGE: for that room; the header alone is viewed. */
NODISCARD enum err hot_copy(struct log_reader *r, struct log *l, uint64_t offset, const struct log_cursor *cursor,
                            struct record_batch_view *view);

/* ---- reader_cold.c ---- */
/* What is visible before it can be read from the segments; between it and the high watermark there is only the tail. */
static inline uint64_t log_on_disk(const struct log *l)
{
    uint64_t on_disk = atomic_load_explicit(&l->on_disk_offset, memory_order_acquire); /* pairs with segment_grows */
    uint64_t visible = log_high_watermark(l);
    return on_disk < visible ? on_disk : visible;
}
/* `end`: at or before log_on_disk. */
NODISCARD enum err cold_read(struct log_reader *r, struct log *l, uint64_t offset, uint64_t end,
                             uint32_t bytes_max, bool first_batch_whole, struct log_cursor *cursor,
                             struct log_slice *out);
/* A place at or before `offset`, from the indexes.  ERR_AGAIN, ERR_IO, ERR_OUT_OF_RANGE. */
NODISCARD enum err cold_locate(struct log_reader *r, struct log *l, uint64_t offset, struct cold_place *out);
/* The last entry of a segment's index file whose key is below `below`: SEGMENT_INDEX, by relative offset, or
 * SEGMENT_TIME_INDEX, by time.  ERR_NOT_FOUND: none, or the file is missing or damaged (it is only a hint).  ERR_AGAIN,
 * ERR_IO. */
NODISCARD enum err index_file_find(struct log_reader *r, struct log *l, uint64_t segment_base, enum segment_file which,
                                   uint64_t below, uint8_t entry[static TIME_INDEX_ENTRY_BYTES]);
/* The header of the batch at a place, checked against the place; moves into the next segment at the end of one. */
NODISCARD enum err cold_header(struct log_reader *r, struct log *l, struct cold_place *at,
                               struct record_batch_view *view);
/* The place and the header of the batch that contains `offset`.  Errors of both. */
NODISCARD enum err cold_find_batch(struct log_reader *r, struct log *l, uint64_t offset, struct cold_place *at,
                                   struct record_batch_view *view);
/* Copies bytes of a segment.  ERR_AGAIN: all reads that it needs were started. */
NODISCARD enum err cold_copy(struct log_reader *r, struct log *l, const struct cold_place *at, uint8_t *to,
                             uint32_t size);

/* Whatever is kept over a call -- blocks, files, places, cursors -- is kept under this number. */
static inline uint64_t log_incarnation(const struct log *l)
{
    return atomic_load_explicit(&l->incarnation, memory_order_acquire); /* pairs with recover */
}

/* Retention took the segment: its files are removed, or used again under other names. */
static inline bool segment_is_gone(const struct log *l, uint64_t segment_base)
{
    return segment_base < log_start_offset(l);
}

/* cursors */
enum { CURSOR_NONE, CURSOR_HOT, CURSOR_COLD };
static inline bool cursor_fits(const struct log_cursor *c, const struct log *l, uint64_t offset, unsigned kind)
{
    return c->opaque[0] == (log_incarnation(l) << 2 | kind) && c->opaque[1] == offset;
}
static inline void cursor_set(struct log_cursor *c, const struct log *l, uint64_t offset, unsigned kind, uint64_t where,
                              uint64_t position)
{
    *c = (struct log_cursor){{log_incarnation(l) << 2 | kind, offset, where, position}};
}

#endif
