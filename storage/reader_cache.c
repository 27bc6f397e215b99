#include "storage/reader_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/invariant.h"
#include "base/log.h"

static uint64_t cache_bytes(const struct storage_config *config)
{
    uint64_t least = ((uint64_t)config->record_bytes_max / READER_BLOCK_BYTES + 5) * READER_BLOCK_BYTES;
    uint64_t asked = (uint64_t)config->reader_cache_bytes / READER_BLOCK_BYTES * READER_BLOCK_BYTES;
    return asked > least ? asked : least;
}

uint64_t reader_cache_memory_bytes(const struct storage_config *config)
{
    return cache_bytes(config) + config->record_bytes_max;
}

enum err cache_init(struct reader_cache *c, struct disk *disk, uint64_t bytes, struct err_msg *msg)
{
    *c = (struct reader_cache){.disk = disk};
    for (int i = 0; i < READER_FILES_MAX; i++) c->file[i].file = -1;
    c->block_count = (uint32_t)(bytes / READER_BLOCK_BYTES);
    c->mapped_bytes = (uint64_t)c->block_count * READER_BLOCK_BYTES;
    c->block = calloc(c->block_count, sizeof *c->block);
    void *at = mmap(NULL, c->mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    c->bytes = at == MAP_FAILED ? NULL : at;
    if (c->block == NULL || c->bytes == NULL) {
        cache_fini(c);
        return err_set(msg, ERR_NO_MEMORY, "no memory for a reader's cache: lower reader_cache_bytes");
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

enum err cache_open(struct reader_cache *c, uint64_t incarnation, const char *folder, uint64_t segment_base,
                    enum segment_file which, struct cache_file **out)
{
    struct cache_file *oldest = NULL;
    for (int i = 0; i < READER_FILES_MAX; i++) {
        struct cache_file *f = &c->file[i];
        if (f->file >= 0 && f->incarnation == incarnation && f->segment_base == segment_base && f->which == which) {
            f->used = ++c->tick;
            *out = f;
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
    *oldest = (struct cache_file){incarnation, segment_base, st.bytes, ++c->tick, which, ++c->file_keys, 0, file};
    *out = oldest;
    return ERR_OK;
}

/* ---- blocks ---- */

static uint64_t block_key(const struct cache_file *f, uint64_t position)
{
    return (uint64_t)f->key << 32 | position / READER_BLOCK_BYTES;
}

static struct cache_block *block_find(struct reader_cache *c, uint64_t key)
{
    for (uint32_t i = 0; i < c->block_count; i++)
        if (c->block[i].key == key && c->block[i].state != BLOCK_FREE) return &c->block[i];
    return NULL;
}

static struct cache_block *block_victim(struct reader_cache *c)
{
    struct cache_block *victim = NULL;
    for (uint32_t i = 0; i < c->block_count; i++) {
        struct cache_block *b = &c->block[i];
        if (b->state == BLOCK_FREE && b->pins == 0) return b;
        if (b->pins > 0 || b->state == BLOCK_READING) continue;
        if (victim == NULL || b->used < victim->used) victim = b;
    }
    return victim;
}

/* Starts to read a block; false: there is no place, or the queue is full. */
static bool block_read(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit)
{
    struct cache_block *b = c->reading < READER_DEPTH ? block_victim(c) : NULL;
    if (b == NULL) return false;
    uint64_t start = position / READER_BLOCK_BYTES * READER_BLOCK_BYTES;
    uint32_t valid = limit - start < READER_BLOCK_BYTES ? (uint32_t)(limit - start) : READER_BLOCK_BYTES;
    uint32_t size = (valid + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES, index = (uint32_t)(b - c->block);
    struct disk_io io = {DISK_READ, f->file, c->bytes + (uint64_t)index * READER_BLOCK_BYTES, size, start,
                         index,     false};
    if (!disk_queue_put(c->queue, &io)) return false;
    disk_queue_submit(c->queue);
    *b = (struct cache_block){block_key(f, position), ++c->tick, BLOCK_READING, 0, false, valid};
    f->reading++;
    c->reading++;
    c->disk_reads++;
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
        *block = (uint32_t)(b - c->block);
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
    if (!block_read(c, f, position, limit)) c->is_starved = c->reading == 0;
    return ERR_AGAIN;
}

void cache_ahead(struct reader_cache *c, struct cache_file *f, uint64_t position, uint64_t limit)
{
    if (position >= limit || c->reading >= READER_DEPTH / 2 || c->block_count < 8) return;
    if (block_find(c, block_key(f, position)) == NULL) (void)block_read(c, f, position, limit);
}

void cache_unpin(struct reader_cache *c, uint32_t block)
{
    INVARIANT(block < c->block_count && c->block[block].pins > 0);
    c->block[block].pins--;
    if (!c->is_starved) return;
    c->is_starved = false;
    c->has_freed = true;
}
