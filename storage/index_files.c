/* The index files of a segment: writing them from a set, filling a set from them, and the seal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/cursor.h"
#include "base/sink.h"
#include "storage/index.h"

enum { FILE_PIECE_BYTES = 48 * 1024 /* whole entries of both sizes */ };
static const uint64_t seal_magic = 0x6d696c6cffffffffu; /* "mill", and a position that no entry has */

static uint32_t entry_bytes(enum segment_file which)
{
    return which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
}

static uint32_t *print_count(struct index_print *p, enum segment_file which)
{
    return which == SEGMENT_INDEX ? &p->offset_count : which == SEGMENT_TIME_INDEX ? &p->time_count : &p->end_count;
}

/* ---- writing ---- */

struct entry_writer {
    struct disk *disk;
    int          file;
    int64_t      rc;
    uint64_t     position;
    bool         is_lasting; /* what is written now stays in later writes of this file */
    struct index_print *lasting, *all;
    enum segment_file which;
    struct sink  sink;
    uint8_t      bytes[FILE_PIECE_BYTES];
};

static void writer_flush(struct entry_writer *w)
{
    size_t size = (size_t)(w->sink.at - w->bytes);
    if (w->rc >= 0 && size > 0) w->rc = disk_write(w->disk, w->file, w->bytes, size, w->position);
    w->all->crc = crc32c(w->all->crc, w->bytes, size);
    if (w->is_lasting) w->lasting->crc = crc32c(w->lasting->crc, w->bytes, size);
    w->position += size;
    w->sink = sink_of(w->bytes, sizeof w->bytes);
}

static void writer_begin_entry(struct entry_writer *w)
{
    if (sink_left(&w->sink) < TIME_INDEX_ENTRY_BYTES) writer_flush(w);
    ++*print_count(w->all, w->which);
    if (w->is_lasting) ++*print_count(w->lasting, w->which);
}

static void writer_entry(struct entry_writer *w, uint64_t entry)
{
    writer_begin_entry(w);
    sink_be(&w->sink, entry, INDEX_ENTRY_BYTES);
}

static void writer_time(struct entry_writer *w, int64_t timestamp_ms, uint32_t relative_offset)
{
    writer_begin_entry(w);
    sink_be(&w->sink, (uint64_t)timestamp_ms, 8);
    sink_be(&w->sink, relative_offset, 4);
}

static void put_entries(struct entry_writer *w, const struct index_set *s, const struct index_mark *mark)
{
    w->is_lasting = true;
    if (w->which == SEGMENT_INDEX)
        for (uint32_t i = 0; i < mark->offset_count; i++)
            writer_entry(w, atomic_load_explicit(&s->offset[i], memory_order_relaxed));
    else if (w->which == SEGMENT_POSITIONS)
        for (uint32_t i = 0; i < mark->end_count; i++) writer_entry(w, s->end[i]);
    else
        for (uint32_t i = 0; i < mark->time_count; i++)
            writer_time(w, atomic_load_explicit(&s->time_ms[i], memory_order_relaxed),
                        atomic_load_explicit(&s->time_offset[i], memory_order_relaxed));
    writer_flush(w);
}

/* The newest time and transaction end, where the sparse entries leave them out: the next write puts others there. */
static void put_last(struct entry_writer *w, const struct index_set *s, const struct index_mark *mark)
{
    uint64_t end = (uint64_t)mark->last_end.relative_offset << 32 | mark->last_end.position;
    int64_t newest =
        mark->time_count == 0 ? -1 : atomic_load_explicit(&s->time_ms[mark->time_count - 1], memory_order_relaxed);
    w->is_lasting = false;
    if (w->which == SEGMENT_POSITIONS && mark->has_end && (mark->end_count == 0 || s->end[mark->end_count - 1] != end))
        writer_entry(w, end);
    if (w->which == SEGMENT_TIME_INDEX && mark->max_timestamp_ms > newest)
        writer_time(w, mark->max_timestamp_ms, mark->max_timestamp_relative_offset);
    writer_flush(w);
}

static void put_seal(struct entry_writer *w, uint64_t base_offset, const struct index_mark *m,
                     const struct index_end *end)
{
    const struct index_print *print = w->all;
    struct sink *s = &w->sink;
    sink_be(s, seal_magic, 8);
    sink_be(s, base_offset, 8);
    sink_be(s, end->next_offset, 8);
    sink_be(s, end->log_bytes, 8);
    sink_be(s, (uint64_t)m->max_timestamp_ms, 8);
    sink_be(s, m->has_end ? base_offset + m->last_end.relative_offset : UINT64_MAX, 8);
    sink_be(s, print->offset_count, 4);
    sink_be(s, print->time_count, 4);
    sink_be(s, print->end_count, 4);
    sink_be(s, print->crc, 4);
    sink_be(s, 0, 4);
    sink_be(s, crc32c(0, w->bytes, (size_t)(s->at - w->bytes)), 4);
    writer_flush(w);
}

/* One file of a segment with what `mark` says, not yet synced; its name is `path`.  Returns its handle. */
static int file_fill(struct entry_writer *w, const char *path, const struct index_set *s,
                     const struct index_mark *mark, uint64_t base_offset, const struct index_end *end)
{
    w->file = disk_open(w->disk, path, DISK_WRITE | DISK_CREATE);
    if (w->file < 0) return w->file;
    w->sink = sink_of(w->bytes, sizeof w->bytes);
    put_entries(w, s, mark);
    put_last(w, s, mark);
    if (end != NULL) put_seal(w, base_offset, mark, end);
    if (w->rc >= 0) w->rc = disk_truncate(w->disk, w->file, w->position);
    return w->file;
}

enum err index_write(struct disk *d, const char *folder, const struct index_set *s, uint64_t base_offset,
                     const struct index_mark *mark, const struct index_end *end, struct index_print *print,
                     struct err_msg *msg)
{
    struct index_print lasting = {0}, all = {0};
    char path[SEGMENT_FILE_COUNT][LOG_PATH_BYTES + 8], named[LOG_PATH_BYTES];
    int file[SEGMENT_FILE_COUNT];
    enum segment_file which = SEGMENT_INDEX, failed = SEGMENT_FILE_COUNT;
    int64_t rc = 0;
    for (; which < SEGMENT_FILE_COUNT && rc >= 0; which++) {
        /* Takes its place whole, so that a seal never stands behind entries of another moment. */
        bool is_seal = which == SEGMENT_POSITIONS && end != NULL;
        segment_path(named, folder, base_offset, which);
        snprintf(path[which], sizeof path[which], "%s%s", named, is_seal ? ".tmp" : "");
        struct entry_writer w = {.disk = d, .lasting = &lasting, .all = &all, .which = which};
        file[which] = file_fill(&w, path[which], s, mark, base_offset, is_seal ? end : NULL);
        rc = file[which] < 0 ? file[which] : w.rc;
        if (rc < 0) failed = which;
    }
    /* Synced when all are written: the first takes the others' metadata along. */
    for (enum segment_file i = SEGMENT_INDEX; i < which; i++) {
        if (rc >= 0) {
            rc = disk_sync(d, file[i]);
            if (rc < 0) failed = i;
        }
        if (file[i] >= 0) disk_close(d, file[i]);
    }
    if (rc >= 0 && end != NULL) {
        rc = disk_rename(d, path[SEGMENT_POSITIONS], named);
        if (rc < 0) failed = SEGMENT_POSITIONS;
    }
    if (rc < 0) return err_set(msg, disk_error(rc), "cannot write %s: %s", path[failed], disk_error_text(rc));
    if (print != NULL) *print = lasting;
    return ERR_OK;
}

/* ---- reading ---- */

/* Reads `size` bytes at `position` of an index file into malloc'd memory; NULL: it has fewer, or cannot be read. */
static uint8_t *file_read(struct disk *d, const char *folder, uint64_t base_offset, enum segment_file which,
                          uint64_t position, uint64_t size)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, folder, base_offset, which);
    int file = disk_open(d, path, 0);
    if (file < 0) return NULL;
    uint8_t *bytes = malloc((size_t)size + 1);
    if (bytes != NULL && disk_read(d, file, bytes, (size_t)size, position) != (int64_t)size) {
        free(bytes);
        bytes = NULL;
    }
    disk_close(d, file);
    return bytes;
}

struct index_bytes { /* the entries of a segment's three files */
    uint8_t *file[SEGMENT_FILE_COUNT];
    struct cursor entries[SEGMENT_FILE_COUNT];
};

static void bytes_free(struct index_bytes *b)
{
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) free(b->file[i]);
}

/* Reads as many entries as the fingerprint counts; false: fewer are there, or they are not these. */
static bool bytes_read(struct disk *d, const char *folder, uint64_t base_offset, struct index_print print,
                       struct index_bytes *out)
{
    uint32_t crc = 0;
    bool holds = true;
    *out = (struct index_bytes){.file = {NULL}};
    for (enum segment_file which = SEGMENT_INDEX; holds && which < SEGMENT_FILE_COUNT; which++) {
        uint64_t size = (uint64_t)*print_count(&print, which) * entry_bytes(which);
        char path[LOG_PATH_BYTES];
        struct disk_stat st;
        segment_path(path, folder, base_offset, which);
        holds = disk_stat(d, path, &st) == 0 && st.bytes >= size; /* before memory is taken for what a file claims */
        if (holds) out->file[which] = file_read(d, folder, base_offset, which, 0, size);
        holds = holds && out->file[which] != NULL;
        if (!holds) break;
        crc = crc32c(crc, out->file[which], (size_t)size);
        out->entries[which] = cursor_of(out->file[which], (size_t)size);
    }
    return holds && crc == print.crc;
}

static struct index_entry entry_next(struct cursor *c)
{
    struct index_entry e;
    e.relative_offset = (uint32_t)cursor_be(c, 4);
    e.position = (uint32_t)cursor_be(c, 4);
    return e;
}

/* Takes the entries below the point.  Their checksum holds, so they ascend and are this segment's. */
static void load_entries(struct index_set *s, struct index_bytes *b, const struct log_checkpoint *point)
{
    uint64_t below = point->recovery_offset - point->segment_base_offset;
    struct cursor *c = &b->entries[SEGMENT_INDEX];
    while (cursor_left(c) > 0) {
        struct index_entry e = entry_next(c);
        if (e.relative_offset < below) index_offset_add(s, e);
    }
    c = &b->entries[SEGMENT_TIME_INDEX];
    while (cursor_left(c) > 0) {
        int64_t timestamp_ms = (int64_t)cursor_be(c, 8);
        uint32_t relative_offset = (uint32_t)cursor_be(c, 4);
        if (relative_offset < below) index_time_add(s, timestamp_ms, relative_offset);
    }
    c = &b->entries[SEGMENT_POSITIONS];
    while (cursor_left(c) > 0 && s->at.end_count < s->capacity) {
        struct index_entry e = entry_next(c);
        if (e.relative_offset < below) s->end[s->at.end_count++] = (uint64_t)e.relative_offset << 32 | e.position;
    }
}

bool index_load(struct disk *d, const char *folder, struct index_set *s, const struct log_checkpoint *c,
                uint32_t interval)
{
    struct index_bytes b = {.file = {NULL}};
    struct index_seal seal;
    uint64_t base = c->segment_base_offset;
    index_reset(s, base);
    bool holds = c->end_segment == base && c->max_timestamp_offset >= base && c->recovery_offset > base;
    if (holds && c->index.offset_count == INDEX_PRINT_SEAL)
        holds = index_seal_read(d, folder, base, &seal) && bytes_read(d, folder, base, seal.print, &b);
    else if (holds)
        holds = bytes_read(d, folder, base, c->index, &b);
    if (holds) {
        load_entries(s, &b, c);
        s->at.last_end = (struct index_entry){(uint32_t)(c->recovery_offset - 1 - base), (uint32_t)c->end_position};
        s->at.has_end = true;
        s->at.max_timestamp_ms = c->max_timestamp_ms;
        s->at.max_timestamp_relative_offset = (uint32_t)(c->max_timestamp_offset - base);
    }
    bytes_free(&b);
    s->at.bytes_since_entry = s->at.bytes_since_end = interval + 1; /* the next batch gets an entry */
    return holds;
}

/* ---- the seal ---- */

static bool seal_decode(const uint8_t *bytes, uint64_t base_offset, struct index_seal *out)
{
    struct cursor c = cursor_of(bytes, INDEX_SEAL_BYTES);
    uint64_t magic = cursor_be(&c, 8);
    out->base_offset = cursor_be(&c, 8);
    out->next_offset = cursor_be(&c, 8);
    out->log_bytes = cursor_be(&c, 8);
    out->max_timestamp_ms = (int64_t)cursor_be(&c, 8);
    out->last_end_offset = cursor_be(&c, 8);
    out->print.offset_count = (uint32_t)cursor_be(&c, 4);
    out->print.time_count = (uint32_t)cursor_be(&c, 4);
    out->print.end_count = (uint32_t)cursor_be(&c, 4);
    out->print.crc = (uint32_t)cursor_be(&c, 4);
    bool is_zero = cursor_be(&c, 4) == 0;
    uint32_t crc = crc32c(0, bytes, (size_t)(c.at - bytes));
    return cursor_be(&c, 4) == crc && is_zero && magic == seal_magic && out->base_offset == base_offset &&
           out->next_offset > base_offset;
}

bool index_seal_read(struct disk *d, const char *folder, uint64_t base_offset, struct index_seal *out)
{
    struct disk_stat st[SEGMENT_FILE_COUNT];
    for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
        char path[LOG_PATH_BYTES];
        segment_path(path, folder, base_offset, which);
        if (disk_stat(d, path, &st[which]) != 0) return false;
    }
    if (st[SEGMENT_POSITIONS].bytes < INDEX_SEAL_BYTES) return false;
    uint64_t position = st[SEGMENT_POSITIONS].bytes - INDEX_SEAL_BYTES;
    uint8_t *bytes = file_read(d, folder, base_offset, SEGMENT_POSITIONS, position, INDEX_SEAL_BYTES);
    bool holds = bytes != NULL && seal_decode(bytes, base_offset, out);
    free(bytes);
    return holds && st[SEGMENT_INDEX].bytes == (uint64_t)out->print.offset_count * INDEX_ENTRY_BYTES &&
           st[SEGMENT_TIME_INDEX].bytes == (uint64_t)out->print.time_count * TIME_INDEX_ENTRY_BYTES &&
           position == (uint64_t)out->print.end_count * INDEX_ENTRY_BYTES;
}

bool index_seal_verify(struct disk *d, const char *folder, const struct index_seal *seal)
{
    struct index_bytes b;
    bool holds = bytes_read(d, folder, seal->base_offset, seal->print, &b);
    bytes_free(&b);
    return holds;
}

uint64_t index_seal_reads(const struct index_seal *seal)
{
    return ((uint64_t)seal->print.offset_count + seal->print.end_count) * INDEX_ENTRY_BYTES +
           (uint64_t)seal->print.time_count * TIME_INDEX_ENTRY_BYTES;
}
