/* storage/reader_cache.h -- one reader's files and blocks of the past, read by its own queue.  One thread. */
#ifndef STORAGE_READER_CACHE_H
#define STORAGE_READER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "storage/disk.h"
#include "storage/log_files.h"
#include "storage/storage.h"

enum {
    READER_BLOCK_BYTES = 512 << 10,
    READER_FILES_MAX   = 128,
    READER_DEPTH       = 64, /* reads under way, whatever the settings allow */
};

enum block_state { BLOCK_FREE, BLOCK_READING, BLOCK_READY, BLOCK_FAILED };

struct cache_block {
    uint64_t key;   /* file key << 32 | number of the block in its file */
    uint64_t used;  /* tick of the last use: the smallest goes first */
    uint32_t state, pins;
    bool     is_short; /* the file ended before it should */
    bool     is_new;   /* nobody has had it yet: who it was read for, or ahead of, will come */
    uint32_t valid; /* bytes from the block's start that may be read; while reading: that will be */
};

struct cache_file {
    uint64_t incarnation, segment_base;
    uint64_t bytes, used;
    uint32_t which, key; /* key: never used again for another file */
    uint32_t reading;
    int      file; /* -1: this place is free */
};

struct cache_counters { /* of one reader */
    struct counter *reads, *read_bytes, *hits, *waits; /* hits: blocks found here; waits: for the cap */
};

struct reader_cache {
    struct disk        *disk;
    struct disk_queue  *queue;
    uint8_t            *bytes;
    struct cache_block *block;
    uint32_t            block_count, pinned_count, reading, reading_max;
    uint32_t            last_block, last_file; /* used last: looked at first */
    struct cache_file   file[READER_FILES_MAX];
    uint32_t            file_keys;
    uint64_t            tick;
    uint64_t            mapped_bytes;
    bool                is_capped, was_capped; /* somebody's read met the cap: since reads last ended; before */
    uint32_t            room_wanted; /* unpinned blocks that somebody waits for; 0: nobody does */
    bool                is_renewed;  /* who waits asked again since the last cache_poll that told anything */
    bool                has_freed;   /* there is room for him: to be told by cache_poll */
    bool                said_too_large;
    struct cache_counters counters;
};

struct cache_config {
    uint64_t bytes;              /* of blocks */
    uint64_t inflight_bytes_max; /* of reads under way; one block at least, 0: no limit of its own */
    uint32_t reader_index;       /* names the counters */
};

/* Bytes a reader's cache reserves: at least what one batch needs, of a record of record_bytes_max or a whole chunk. */
uint64_t reader_cache_memory_bytes(const struct storage_config *config);

NODISCARD enum err cache_init(struct reader_cache *c, struct disk *disk, const struct cache_config *config,
                              struct counters *counters, struct err_msg *msg);
void               cache_fini(struct reader_cache *c);
/* Ends reads; returns how many, and one more when a block was let go that a read had wanted.  Then whoever got
 * ERR_AGAIN asks again, in the order in which they first did, and so all get their turn under the cap. */
unsigned           cache_poll(struct reader_cache *c);

/* The open file of a segment.  ERR_NOT_FOUND: removed.  ERR_IO.  Valid until the next call. */
NODISCARD enum err cache_open(struct reader_cache *c, uint64_t incarnation, const char *folder, uint64_t segment_base,
                              enum segment_file which, struct cache_file **out);
/* Bytes of the file from `position` on, of which `limit` (its readable length) are there: as many as lie in one block.
 * ERR_AGAIN: a read was started or is under way for others, the cap is reached, or all blocks are pinned.  ERR_IO;
 * ERR_CORRUPT: the file is shorter than `limit`. */
NODISCARD enum err cache_get(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit,
                             const uint8_t **bytes, uint32_t *available, uint32_t *block);
/* Starts reading the block of `position` if that costs nobody anything: neither a place under the cap that somebody
 * waits for, nor a block that nobody has had yet, nor more than half of all blocks. */
void cache_ahead(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit);

/* Can the blocks of a batch be here all at once, beside those that are pinned?  ERR_AGAIN: not before pins go, and what
 * had come of it until then would be let go for want of the rest; `is_awaited`: room is kept for it from now on, as
 * long as it is asked for again whenever cache_poll tells something.  ERR_TOO_LARGE: never. */
NODISCARD enum err cache_has_room(struct reader_cache *c, const struct cache_file *f, uint64_t position, uint32_t size,
                                  bool is_awaited);
/* A batch is given out, for which so many more blocks were pinned: was it the one that room was kept for? */
void cache_room_taken(struct reader_cache *c, uint32_t pinned);
/* Somebody waits for blocks that are pinned. */
static inline bool cache_is_starved(const struct reader_cache *c)
{
    return c->room_wanted > c->block_count - c->pinned_count;
}

static inline void cache_pin(struct reader_cache *c, uint32_t block)
{
    c->pinned_count += c->block[block].pins++ == 0;
}
void               cache_unpin(struct reader_cache *c, uint32_t block);

/* Closes the files for which `is_needed` answers false: a removed file that is held open keeps its space. */
void cache_tidy(struct reader_cache *c, bool (*is_needed)(void *context, const struct cache_file *f), void *context);

#endif
