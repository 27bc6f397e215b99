#include "storage/index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"
#include "base/sink.h"
#include "storage/log_files.h"

enum { FILE_PIECE_BYTES = 48 * 1024 /* whole entries of both sizes */ };

uint64_t index_set_bytes(uint32_t capacity) { return (uint64_t)capacity * (8 + 8 + 4 + 8); }

static void *reserve(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

enum err index_set_init(struct index_set *s, uint32_t capacity)
{
    memset(s, 0, sizeof *s);
    uint8_t *at = reserve(index_set_bytes(capacity));
    if (at == NULL) return ERR_NO_MEMORY;
    s->capacity = capacity;
    s->offset = (_Atomic uint64_t *)at;
    s->time_ms = (_Atomic int64_t *)(at + (uint64_t)capacity * 8);
    s->end = (uint64_t *)(at + (uint64_t)capacity * 16);
    s->time_offset = (_Atomic uint32_t *)(at + (uint64_t)capacity * 24);
    index_reset(s, INDEX_NO_SEGMENT);
    return ERR_OK;
}

void index_set_fini(struct index_set *s)
{
    if (s->offset != NULL) munmap(s->offset, index_set_bytes(s->capacity));
    s->offset = NULL;
}

void index_reset(struct index_set *s, uint64_t base_offset)
{
    /* Readers load entries with acquire and look at base_offset afterwards: who saw a new entry sees this store. */
    atomic_store_explicit(&s->base_offset, INDEX_NO_SEGMENT, memory_order_seq_cst);
    atomic_store_explicit(&s->offset_count, 0, memory_order_release);
    atomic_store_explicit(&s->time_count, 0, memory_order_release);
    s->at = (struct index_mark){.max_timestamp_ms = -1};
    atomic_store_explicit(&s->base_offset, base_offset, memory_order_release); /* pairs with index_set_holds */
}

static void offset_add(struct index_set *s, struct index_entry e)
{
    if (s->at.offset_count == s->capacity) return;
    atomic_store_explicit(&s->offset[s->at.offset_count], (uint64_t)e.relative_offset << 32 | e.position,
                          memory_order_release);
    atomic_store_explicit(&s->offset_count, ++s->at.offset_count, memory_order_release);
}

static int64_t last_time(const struct index_set *s)
{
    return s->at.time_count == 0 ? -1 : atomic_load_explicit(&s->time_ms[s->at.time_count - 1], memory_order_relaxed);
}

static void time_add(struct index_set *s, int64_t timestamp_ms, uint32_t relative_offset)
{
    if (s->at.time_count == s->capacity || timestamp_ms <= last_time(s)) return;
    atomic_store_explicit(&s->time_ms[s->at.time_count], timestamp_ms, memory_order_release);
    atomic_store_explicit(&s->time_offset[s->at.time_count], relative_offset, memory_order_release);
    atomic_store_explicit(&s->time_count, ++s->at.time_count, memory_order_release);
}

void index_add(struct index_set *s, uint64_t last_offset, uint64_t position, uint32_t batch_bytes,
               int64_t max_timestamp_ms, bool ends_transaction, uint32_t interval)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_relaxed);
    struct index_entry e = {(uint32_t)(last_offset - base), (uint32_t)position};
    struct index_mark *m = &s->at;
    if (max_timestamp_ms > m->max_timestamp_ms) {
        m->max_timestamp_ms = max_timestamp_ms;
        m->max_timestamp_relative_offset = e.relative_offset;
    }
    if (m->bytes_since_entry > interval) {
        offset_add(s, e);
        time_add(s, m->max_timestamp_ms, m->max_timestamp_relative_offset);
        m->bytes_since_entry = 0;
    }
    m->bytes_since_entry += batch_bytes;
    if (ends_transaction) {
        m->last_end = e;
        m->has_end = true;
        if (m->bytes_since_end > interval && m->end_count < s->capacity) {
            s->end[m->end_count++] = (uint64_t)e.relative_offset << 32 | e.position;
            m->bytes_since_end = 0;
        }
    }
    m->bytes_since_end += batch_bytes;
}

/* ---- searching ---- */

uint32_t index_find_offset(const struct index_set *s, uint64_t offset)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_acquire);
    uint32_t low = 0, high = atomic_load_explicit(&s->offset_count, memory_order_acquire), position = 0;
    while (low < high) { /* the last entry whose batch begins at or before the offset: entries hold last offsets */
        uint32_t middle = low + (high - low) / 2;
        uint64_t e = atomic_load_explicit(&s->offset[middle], memory_order_acquire);
        if (base + (e >> 32) <= offset) {
            position = (uint32_t)e;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return position;
}

uint64_t index_find_time(const struct index_set *s, int64_t timestamp_ms)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_acquire), found = base;
    uint32_t low = 0, high = atomic_load_explicit(&s->time_count, memory_order_acquire);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (atomic_load_explicit(&s->time_ms[middle], memory_order_acquire) < timestamp_ms) {
            found = base + atomic_load_explicit(&s->time_offset[middle], memory_order_acquire);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return found;
}

bool index_set_holds(const struct index_set *s, uint64_t base_offset)
{
    return atomic_load_explicit(&s->base_offset, memory_order_acquire) == base_offset; /* pairs with index_reset */
}

/* ---- files ---- */

struct entry_writer {
    struct disk *disk;
    int          file;
    int64_t      rc;
    uint64_t     position;
    struct sink  sink;
    uint8_t      bytes[FILE_PIECE_BYTES];
};

static void writer_flush(struct entry_writer *w)
{
    size_t size = (size_t)(w->sink.at - w->bytes);
    if (w->rc >= 0 && size > 0) w->rc = disk_write(w->disk, w->file, w->bytes, size, w->position);
    w->position += size;
    w->sink = sink_of(w->bytes, sizeof w->bytes);
}

static void writer_entry(struct entry_writer *w, uint64_t entry)
{
    if (sink_left(&w->sink) < INDEX_ENTRY_BYTES) writer_flush(w);
    sink_be(&w->sink, entry, INDEX_ENTRY_BYTES);
}

static void writer_time(struct entry_writer *w, int64_t timestamp_ms, uint32_t relative_offset)
{
    if (sink_left(&w->sink) < TIME_INDEX_ENTRY_BYTES) writer_flush(w);
    sink_be(&w->sink, (uint64_t)timestamp_ms, 8);
    sink_be(&w->sink, relative_offset, 4);
}

static void put_entries(struct entry_writer *w, const struct index_set *s, const struct index_mark *mark,
                        enum segment_file which)
{
    if (which == SEGMENT_INDEX) {
        for (uint32_t i = 0; i < mark->offset_count; i++)
            writer_entry(w, atomic_load_explicit(&s->offset[i], memory_order_relaxed));
    } else if (which == SEGMENT_POSITIONS) {
        uint64_t last = (uint64_t)mark->last_end.relative_offset << 32 | mark->last_end.position;
        for (uint32_t i = 0; i < mark->end_count; i++) writer_entry(w, s->end[i]);
        if (mark->has_end && (mark->end_count == 0 || s->end[mark->end_count - 1] != last)) writer_entry(w, last);
    } else {
        int64_t newest = -1;
        for (uint32_t i = 0; i < mark->time_count; i++) {
            newest = atomic_load_explicit(&s->time_ms[i], memory_order_relaxed);
            writer_time(w, newest, atomic_load_explicit(&s->time_offset[i], memory_order_relaxed));
        }
        if (mark->max_timestamp_ms > newest)
            writer_time(w, mark->max_timestamp_ms, mark->max_timestamp_relative_offset);
    }
}

enum err index_write(struct disk *d, const char *folder, const struct index_set *s, uint64_t base_offset,
                     const struct index_mark *mark, struct err_msg *msg)
{
    for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
        char path[LOG_PATH_BYTES];
        segment_path(path, folder, base_offset, which);
        struct entry_writer w = {.disk = d, .file = disk_open(d, path, DISK_WRITE | DISK_CREATE)};
        if (w.file < 0) return err_set(msg, disk_error(w.file), "cannot create %s: %s", path, disk_error_text(w.file));
        w.sink = sink_of(w.bytes, sizeof w.bytes);
        put_entries(&w, s, mark, which);
        writer_flush(&w);
        if (w.rc >= 0) w.rc = disk_truncate(d, w.file, w.position);
        if (w.rc >= 0) w.rc = disk_sync(d, w.file);
        disk_close(d, w.file);
        if (w.rc < 0) return err_set(msg, disk_error(w.rc), "cannot write %s: %s", path, disk_error_text(w.rc));
    }
    return ERR_OK;
}

/* Reads a whole index file into malloc'd memory; NULL: missing, too large, or not whole entries. */
static uint8_t *file_load(struct disk *d, const char *folder, uint64_t base_offset, enum segment_file which,
                          size_t *size)
{
    char path[LOG_PATH_BYTES];
    struct disk_stat st;
    size_t entry = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
    segment_path(path, folder, base_offset, which);
    if (disk_stat(d, path, &st) != 0 || st.bytes > (1u << 30) || st.bytes % entry != 0) return NULL;
    int file = disk_open(d, path, 0);
    if (file < 0) return NULL;
    uint8_t *bytes = malloc(st.bytes + 1);
    *size = st.bytes;
    if (bytes != NULL && disk_read(d, file, bytes, st.bytes, 0) != (int64_t)st.bytes) {
        free(bytes);
        bytes = NULL;
    }
    disk_close(d, file);
    return bytes;
}

static bool load_offsets(struct index_set *s, struct cursor c, uint64_t position)
{
    struct index_entry before = {0, 0};
    for (uint32_t i = 0; cursor_left(&c) > 0; i++) {
        struct index_entry e;
        e.relative_offset = (uint32_t)cursor_be(&c, 4);
        e.position = (uint32_t)cursor_be(&c, 4);
        if (e.position >= position) break;
        if (i > 0 && (e.relative_offset <= before.relative_offset || e.position <= before.position)) return false;
        offset_add(s, e);
        before = e;
    }
    return true;
}

static bool load_ends(struct index_set *s, struct cursor c, uint64_t position)
{
    while (cursor_left(&c) > 0) {
        struct index_entry e;
        e.relative_offset = (uint32_t)cursor_be(&c, 4);
        e.position = (uint32_t)cursor_be(&c, 4);
        if (e.position >= position) break;
        if (s->at.has_end &&
            (e.relative_offset <= s->at.last_end.relative_offset || e.position <= s->at.last_end.position))
            return false;
        if (s->at.end_count < s->capacity) s->end[s->at.end_count++] = (uint64_t)e.relative_offset << 32 | e.position;
        s->at.last_end = e;
        s->at.has_end = true;
    }
    return true;
}

static bool load_times(struct index_set *s, struct cursor c, uint32_t offset_below)
{
    uint32_t before = 0;
    while (cursor_left(&c) > 0) {
        int64_t timestamp_ms = (int64_t)cursor_be(&c, 8);
        uint32_t relative_offset = (uint32_t)cursor_be(&c, 4);
        if (relative_offset >= offset_below) break;
        if (timestamp_ms <= last_time(s) || (s->at.time_count > 0 && relative_offset <= before)) return false;
        time_add(s, timestamp_ms, relative_offset);
        before = relative_offset;
        s->at.max_timestamp_ms = timestamp_ms;
        s->at.max_timestamp_relative_offset = relative_offset;
    }
    return true;
}

bool index_load(struct disk *d, const char *folder, struct index_set *s, uint64_t base_offset, uint64_t position,
                uint64_t offset, uint32_t interval)
{
    size_t size[SEGMENT_FILE_COUNT] = {0};
    uint8_t *bytes[SEGMENT_FILE_COUNT] = {NULL};
    bool holds = true;
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) {
        bytes[i] = file_load(d, folder, base_offset, (enum segment_file)i, &size[i]);
        holds = holds && bytes[i] != NULL;
    }
    index_reset(s, base_offset);
    if (holds) {
        holds = load_offsets(s, cursor_of(bytes[SEGMENT_INDEX], size[SEGMENT_INDEX]), position) &&
                load_ends(s, cursor_of(bytes[SEGMENT_POSITIONS], size[SEGMENT_POSITIONS]), position);
        uint32_t below = (uint32_t)(offset - base_offset);
        holds = holds && s->at.has_end && s->at.last_end.relative_offset + 1 == below &&
                load_times(s, cursor_of(bytes[SEGMENT_TIME_INDEX], size[SEGMENT_TIME_INDEX]), below);
    }
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) free(bytes[i]);
    s->at.bytes_since_entry = s->at.bytes_since_end = interval + 1; /* the next batch gets an entry */
    if (!holds) index_reset(s, base_offset);
    return holds;
}

/* Reads the last `entry_bytes` of a file and gives its size; false: it cannot be whole. */
static bool last_entry(struct disk *d, const char *folder, uint64_t base_offset, enum segment_file which, uint8_t *out,
                       uint64_t *size)
{
    char path[LOG_PATH_BYTES];
    struct disk_stat st;
    size_t entry = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
    segment_path(path, folder, base_offset, which);
    if (disk_stat(d, path, &st) != 0 || st.bytes % entry != 0) return false;
    *size = st.bytes;
    if (st.bytes == 0) return true;
    int file = disk_open(d, path, 0);
    if (file < 0) return false;
    int64_t got = disk_read(d, file, out, entry, st.bytes - entry);
    disk_close(d, file);
    return got == (int64_t)entry;
}

bool index_summary_read(struct disk *d, const char *folder, uint64_t base_offset, uint64_t bytes,
                        struct index_summary *out)
{
    uint8_t entry[TIME_INDEX_ENTRY_BYTES];
    uint64_t size;
    if (!last_entry(d, folder, base_offset, SEGMENT_INDEX, entry, &size)) return false;
    struct cursor c = cursor_of(entry + 4, 4);
    if (size > 0 && cursor_be(&c, 4) >= bytes) return false;

    if (!last_entry(d, folder, base_offset, SEGMENT_TIME_INDEX, entry, &size) || size == 0) return false;
    c = cursor_of(entry, 8);
    out->max_timestamp_ms = (int64_t)cursor_be(&c, 8);

    if (!last_entry(d, folder, base_offset, SEGMENT_POSITIONS, entry, &size)) return false;
    c = cursor_of(entry, 8);
    uint32_t relative_offset = (uint32_t)cursor_be(&c, 4);
    if (size > 0 && cursor_be(&c, 4) >= bytes) return false;
    out->last_end_offset = size == 0 ? UINT64_MAX : base_offset + relative_offset;
    return true;
}
