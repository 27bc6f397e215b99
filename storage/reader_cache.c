#include "storage/reader_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"
#include "base/log.h"

enum { FINDING_BLOCKS = 3 }; /* two of an index, and one with the header before a batch */

uint64_t reader_cache_memory_bytes(const struct storage_config *config)
{
    uint64_t batch = config->record_bytes_max > config->chunk_bytes ? config->record_bytes_max : config->chunk_bytes;
    uint64_t least = (batch / READER_BLOCK_BYTES + 5) * READER_BLOCK_BYTES;
    uint64_t asked = (uint64_t)config->reader_cache_bytes / READER_BLOCK_BYTES * READER_BLOCK_BYTES;
    return asked > least ? asked : least;
}

static void counters_init(struct cache_counters *c, struct counters *counters, uint32_t reader_index)
{
    char label[COUNTERS_LABEL_BYTES];
    snprintf(label, sizeof label, "reader=%u", reader_index);
    c->reads = counters_add(counters, COUNTER_COUNT, "storage_cold_reads", label);
    c->read_bytes = counters_add(counters, COUNTER_COUNT, "storage_cold_read_bytes", label);
    c->hits = counters_add(counters, COUNTER_COUNT, "storage_cold_hits", label);
    c->waits = counters_add(counters, COUNTER_COUNT, "storage_cold_cap_waits", label);
}

static uint32_t reading_max(uint64_t inflight_bytes_max)
{
    uint64_t blocks = inflight_bytes_max / READER_BLOCK_BYTES;
    if (inflight_bytes_max == 0 || blocks > READER_DEPTH) return READER_DEPTH;
    return blocks < 1 ? 1 : (uint32_t)blocks;
}

enum err cache_init(struct reader_cache *c, struct disk *disk, const struct cache_config *config,
                    struct counters *counters, struct err_msg *msg)
{
    *c = (struct reader_cache){.disk = disk, .reading_max = reading_max(config->inflight_bytes_max)};
    for (int i = 0; i < READER_FILES_MAX; i++) c->file[i].file = -1;
    counters_init(&c->counters, counters, config->reader_index);
    c->block_count = (uint32_t)(config->bytes / READER_BLOCK_BYTES);
    c->mapped_bytes = (uint64_t)c->block_count * READER_BLOCK_BYTES;
    c->block = calloc(c->block_count, sizeof *c->block);
    void *at = mmap(NULL, c->mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c->bytes = at == MAP_FAILED ? NULL : at;
    if (c->bytes != NULL) (void)madvise(c->bytes, c->mapped_bytes, MADV_HUGEPAGE); /* as chunks are: storage/chunks.c */
    if (c->block == NULL || c->bytes == NULL) {
        cache_fini(c);
        return err_set(msg, ERR_NO_MEMORY, "no memory for a reader's cache; lower reader_cache_bytes");
    }
    enum err e = disk_queue_open(disk, &c->queue, READER_DEPTH, NULL, true, msg);
    if (e != ERR_OK) cache_fini(c);
    return e;
}

void cache_fini(struct reader_cache *c)
{
    if (c->queue != NULL) disk_queue_close(c->queue);
    for (int i = 0; i < READER_FILES_MAX; i++)
        if (c->file[i].file >= 0) disk_close(c->disk, c->file[i].file);
    if (c->bytes != NULL) munmap(c->bytes, c->mapped_bytes);
    free(c->block);
    c->queue = NULL;
    c->bytes = NULL;
    c->block = NULL;
}

static struct cache_file *file_of(struct reader_cache *c, uint32_t key)
{
    for (int i = 0; i < READER_FILES_MAX; i++)
        if (c->file[i].file >= 0 && c->file[i].key == key) return &c->file[i];
    return NULL;
}

unsigned cache_poll(struct reader_cache *c)
{
    struct disk_done done[READER_DEPTH];
    unsigned count = disk_queue_poll(c->queue, done, READER_DEPTH), freed = c->has_freed ? 1 : 0;
    c->has_freed = false;
    if (count + freed > 0) { /* whoever waits for room asks again now: who did not, is gone */
        if (!c->is_renewed) c->room_wanted = 0;
        c->is_renewed = false;
    }
    if (count > 0) { /* whoever waits asks again now */
        c->was_capped = c->is_capped;
        c->is_capped = false;
    }
    for (unsigned i = 0; i < count; i++) {
        struct cache_block *b = &c->block[done[i].tag];
        struct cache_file *f = file_of(c, (uint32_t)(b->key >> 32));
        INVARIANT(b->state == BLOCK_READING && f != NULL);
        f->reading--;
        c->reading--;
        if (done[i].result < 0) {
            log_error("storage", "reading segment %llu failed: %s", (unsigned long long)f->segment_base,
                      disk_error_text(done[i].result));
            b->state = BLOCK_FAILED;
            continue;
        }
        b->state = BLOCK_READY;
        b->is_short = (uint32_t)done[i].result < b->valid;
        if (b->is_short) b->valid = (uint32_t)done[i].result;
        b->used = ++c->tick;
    }
    return count + freed;
}

/* ---- files ---- */

static void file_drop(struct reader_cache *c, struct cache_file *f)
{
    for (uint32_t i = 0; i < c->block_count; i++) {
        struct cache_block *b = &c->block[i];
        if (b->state != BLOCK_FREE && b->key >> 32 == f->key && b->pins == 0) b->state = BLOCK_FREE;
    } /* pinned ones are in use still; their key is never looked for again */
    disk_close(c->disk, f->file);
    f->file = -1;
}

void cache_tidy(struct reader_cache *c, bool (*is_needed)(void *context, const struct cache_file *f), void *context)
{
    for (int i = 0; i < READER_FILES_MAX; i++) {
        struct cache_file *f = &c->file[i];
        if (f->file >= 0 && f->reading == 0 && !is_needed(context, f)) file_drop(c, f);
    }
}

static bool file_is(const struct cache_file *f, uint64_t incarnation, uint64_t segment_base, enum segment_file which)
{
    return f->file >= 0 && f->incarnation == incarnation && f->segment_base == segment_base && f->which == which;
}

static struct cache_file *file_use(struct reader_cache *c, struct cache_file *f)
{
    f->used = ++c->tick;
    c->last_file = (uint32_t)(f - c->file);
    return f;
}

enum err cache_open(struct reader_cache *c, uint64_t incarnation, const char *folder, uint64_t segment_base,
                    enum segment_file which, struct cache_file **out)
{
    struct cache_file *oldest = NULL, *last = &c->file[c->last_file];
    if (file_is(last, incarnation, segment_base, which)) {
        *out = file_use(c, last);
        return ERR_OK;
    }
    for (int i = 0; i < READER_FILES_MAX; i++) {
        struct cache_file *f = &c->file[i];
        if (file_is(f, incarnation, segment_base, which)) {
            *out = file_use(c, f);
            return ERR_OK;
        }
        if (f->file >= 0 && f->reading > 0) continue;
        if (oldest == NULL || f->file < 0 || (oldest->file >= 0 && f->used < oldest->used)) oldest = f;
    }
    INVARIANT(oldest != NULL); /* fewer reads are under way than there are files */
    char path[LOG_PATH_BYTES];
    struct disk_stat st;
    segment_path(path, folder, segment_base, which);
    int file = disk_open(c->disk, path, DISK_DIRECT);
    if (file < 0) return disk_error(file) == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_IO;
    int rc = disk_stat(c->disk, path, &st);
    if (rc != 0) {
        disk_close(c->disk, file);
        return disk_error(rc) == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_IO;
    }
    if (oldest->file >= 0) file_drop(c, oldest);
    *oldest = (struct cache_file){incarnation, segment_base, st.bytes, 0, which, ++c->file_keys, 0, file};
    *out = file_use(c, oldest);
    return ERR_OK;
}

/* ---- blocks ---- */

static uint64_t block_key(const struct cache_file *f, uint64_t position)
{
    return (uint64_t)f->key << 32 | position / READER_BLOCK_BYTES;
}

static struct cache_block *block_find(struct reader_cache *c, uint64_t key)
{
    struct cache_block *last = &c->block[c->last_block];
    if (last->key == key && last->state != BLOCK_FREE) return last;
    for (uint32_t i = 0; i < c->block_count; i++)
        if (c->block[i].key == key && c->block[i].state != BLOCK_FREE) return &c->block[i];
    return NULL;
}

/* A free block, else the one whose last use is longest ago.  What nobody has had yet goes last, and reading ahead
 * leaves half of all to what is in use: else what is read for many is read for each. */
static struct cache_block *block_victim(struct reader_cache *c, bool is_awaited)
{
    struct cache_block *victim = NULL;
    uint32_t new_count = 0;
    for (uint32_t i = 0; i < c->block_count; i++) {
        struct cache_block *b = &c->block[i];
        if (b->state == BLOCK_FREE && b->pins == 0) {
            victim = b;
            break;
        }
        new_count += b->is_new;
        if (b->pins > 0 || b->state == BLOCK_READING) continue;
        if (b->is_new && !is_awaited) continue;
        if (victim == NULL || (victim->is_new && !b->is_new) ||
            (victim->is_new == b->is_new && b->used < victim->used))
            victim = b;
    }
    return is_awaited || new_count < c->block_count / 2 ? victim : NULL;
}

/* Starts to read a block; false: there is no place, or the queue is full. */
static bool block_read(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit,
                       bool is_awaited)
{
    struct cache_block *b = block_victim(c, is_awaited);
    if (b == NULL) return false;
    uint64_t start = position / READER_BLOCK_BYTES * READER_BLOCK_BYTES;
    uint32_t valid = limit - start < READER_BLOCK_BYTES ? (uint32_t)(limit - start) : READER_BLOCK_BYTES;
    uint32_t size = (valid + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES, index = (uint32_t)(b - c->block);
    struct disk_io io = {DISK_READ, f->file, c->bytes + (uint64_t)index * READER_BLOCK_BYTES, size, start,
                         index,     false,   true};
    if (!disk_queue_put(c->queue, &io)) return false;
    disk_queue_submit(c->queue);
    *b = (struct cache_block){block_key(f, position), ++c->tick, BLOCK_READING, 0, false, true, valid};
    f->reading++;
    c->reading++;
    counter_add(c->counters.reads, 1);
    counter_add(c->counters.read_bytes, size);
    return true;
}

enum err cache_get(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit,
                   const uint8_t **bytes, uint32_t *available, uint32_t *block)
{
    if (position >= limit) return ERR_CORRUPT;
    struct cache_block *b = block_find(c, block_key(f, position));
    uint32_t in_block = (uint32_t)(position % READER_BLOCK_BYTES);
    uint64_t start = position - in_block;
    uint32_t wanted = limit - start < READER_BLOCK_BYTES ? (uint32_t)(limit - start) : READER_BLOCK_BYTES;
    if (b != NULL && b->state == BLOCK_READING) return ERR_AGAIN;
    if (b != NULL && b->state == BLOCK_FAILED) {
        b->state = BLOCK_FREE; /* asked again, it is read again */
        return ERR_IO;
    }
    if (b != NULL && b->valid > in_block) {
        b->used = ++c->tick;
        b->is_new = false;
        *block = (uint32_t)(b - c->block);
        if (c->last_block != *block) counter_add(c->counters.hits, 1); /* of each run of batches in it the first */
        c->last_block = *block;
        *bytes = c->bytes + (uint64_t)*block * READER_BLOCK_BYTES + in_block;
        *available = (b->valid < wanted ? b->valid : wanted) - in_block;
        return ERR_OK;
    }
    if (b != NULL) { /* the file has grown since: what slices point to stays, the block is read anew */
        bool is_short = b->is_short;
        if (b->pins == 0) b->state = BLOCK_FREE;
        else b->key = UINT64_MAX;
        if (is_short) return ERR_CORRUPT;
    }
    if (c->reading >= c->reading_max) {
        if (!c->is_capped) counter_add(c->counters.waits, 1);
        c->is_capped = true;
    } else if (!block_read(c, f, position, limit, true) && c->reading == 0) {
        if (c->room_wanted == 0) c->room_wanted = 1;
        c->is_renewed = true;
    }
    return ERR_AGAIN;
}

void cache_ahead(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit)
{
    if (position >= limit || c->reading * 2 >= c->reading_max || c->is_capped || c->was_capped) return;
    if (block_find(c, block_key(f, position)) == NULL) (void)block_read(c, f, position, limit, false);
}

/* Blocks of the batch that are not pinned, for others, and so take room. */
static uint32_t blocks_unpinned(struct reader_cache *c, const struct cache_file *f, uint64_t first, uint32_t count)
{
    uint32_t unpinned = count;
    for (uint64_t i = first; i < first + count; i++) {
        const struct cache_block *b = block_find(c, block_key(f, i * READER_BLOCK_BYTES));
        unpinned -= b != NULL && b->pins > 0;
    }
    return unpinned;
}

enum err cache_has_room(struct reader_cache *c, const struct cache_file *f, uint64_t position, uint32_t size,
                        bool is_awaited)
{
    uint32_t room = c->block_count - c->pinned_count;
    uint64_t first = position / READER_BLOCK_BYTES, count = (position + size - 1) / READER_BLOCK_BYTES - first + 1;
    if (count > c->block_count) { /* written when record_bytes_max was more */
        if (!c->said_too_large)
            log_error("storage", "a batch of %u bytes of segment %llu does not fit in a reader's cache: raise "
                      "reader_cache_bytes (said once)", size, (unsigned long long)f->segment_base);
        c->said_too_large = true;
        return ERR_TOO_LARGE;
    }
    /* A large one is found by blocks of the index and by headers, which must not push it out, nor it them. */
    uint32_t beside = count <= c->block_count / 2 ? 0 : c->block_count - (uint32_t)count;
    if (beside > FINDING_BLOCKS) beside = FINDING_BLOCKS;
    if (c->room_wanted == 0 && count + beside <= room) return ERR_OK;
    uint32_t wanted = blocks_unpinned(c, f, first, (uint32_t)count);
    wanted += wanted > 0 ? beside : 0;
    if (wanted >= c->room_wanted) {
        c->is_renewed |= is_awaited || wanted <= room;
        if (wanted <= room) return ERR_OK;
        if (is_awaited) c->room_wanted = wanted;
    } else if (wanted == 0 || wanted + c->room_wanted <= room) {
        return ERR_OK;
    } else if (is_awaited && !cache_is_starved(c) && c->reading == 0) {
        c->has_freed = true; /* asks all once more: if nobody wants the room by then, it is there */
    }
    return ERR_AGAIN;
}

void cache_room_taken(struct reader_cache *c, uint32_t pinned)
{
    if (c->room_wanted == 0 || pinned + FINDING_BLOCKS < c->room_wanted) return;
    c->room_wanted = 0;
    c->has_freed = true; /* for those who had to stand back */
}

void cache_unpin(struct reader_cache *c, uint32_t block)
{
    INVARIANT(block < c->block_count && c->block[block].pins > 0);
    c->pinned_count -= --c->block[block].pins == 0;
    if (c->room_wanted > 0 && !cache_is_starved(c)) c->has_freed = true;
}
