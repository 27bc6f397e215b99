#include "storage/log_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "storage/log_files.h"

enum {
    SCAN_BUFFER_BYTES = 1 << 20,
    SCAN_PLAIN_BYTES = 128 << 20, /* the largest record that can be configured, and more; touched as far as needed */
};

enum err log_scan_open(struct log_scan *s, struct disk *d, const char *path, uint64_t position, struct err_msg *msg)
{
    struct disk_stat st;
    *s = (struct log_scan){.disk = d, .position = position, .buffer_position = position, .file = -1};
    int rc = disk_stat(d, path, &st);
    if (rc == 0) {
        s->file_bytes = st.bytes;
        s->file = rc = disk_open(d, path, 0);
    }
    if (rc < 0) return err_set(msg, disk_error(rc), "cannot read %s: %s", path, disk_error_text(rc));
    s->room = SCAN_BUFFER_BYTES;
    s->buffer = malloc(s->room);
    if (s->buffer != NULL) return ERR_OK;
    disk_close(d, s->file);
    s->file = -1;
    return err_set(msg, ERR_NO_MEMORY, "no memory to read %s", path);
}

void log_scan_close(struct log_scan *s)
{
    if (s->file >= 0) disk_close(s->disk, s->file);
    free(s->buffer);
    unpacker_close(s->unpacker);
    if (s->plain != NULL) munmap(s->plain, SCAN_PLAIN_BYTES);
    s->file = -1;
    s->buffer = s->plain = NULL;
    s->unpacker = NULL;
}

/* Makes `size` bytes at the position available, as far as the file has them. */
static enum err scan_fill(struct log_scan *s, size_t size)
{
    if (s->position + size <= s->buffer_position + s->filled) return ERR_OK;
    size_t kept =
        s->position < s->buffer_position + s->filled ? (size_t)(s->buffer_position + s->filled - s->position) : 0;
    memmove(s->buffer, s->buffer + (s->filled - kept), kept);
    s->buffer_position = s->position;
    s->filled = kept;
    if (size > s->room) {
        size_t room = (size + SCAN_BUFFER_BYTES) / SCAN_BUFFER_BYTES * SCAN_BUFFER_BYTES;
        uint8_t *grown = realloc(s->buffer, room);
        if (grown == NULL) return ERR_NO_MEMORY;
        s->buffer = grown;
        s->room = room;
    }
    int64_t got = disk_read(s->disk, s->file, s->buffer + kept, s->room - kept, s->buffer_position + kept);
    if (got < 0) return ERR_IO;
    s->filled += (size_t)got;
    return ERR_OK;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

enum err log_scan_next(struct log_scan *s, bool verify, struct record_batch_view *view, const uint8_t **bytes)
{
    if (s->position >= s->file_bytes) return ERR_NOT_FOUND;
    TRY(scan_fill(s, RECORD_BATCH_HEADER_BYTES));
    const uint8_t *at = s->buffer + (s->position - s->buffer_position);
    size_t left = (size_t)(s->buffer_position + s->filled - s->position);
    if (is_zero(at, left < RECORD_BATCH_HEADER_BYTES ? left : RECORD_BATCH_HEADER_BYTES)) return ERR_NOT_FOUND;
    enum err e = record_batch_view(at, left, view);
    if (e == ERR_TRUNCATED && left >= RECORD_BATCH_HEADER_BYTES && view->bytes <= s->file_bytes - s->position) {
        TRY(scan_fill(s, view->bytes));
        at = s->buffer + (s->position - s->buffer_position);
        e = record_batch_view(at, (size_t)(s->buffer_position + s->filled - s->position), view);
    }
    TRY(e);
    if (verify && !record_batch_crc_holds(at, view)) return ERR_CORRUPT;
    s->position += view->bytes;
    *bytes = at;
    return ERR_OK;
}

enum err log_scan_unpack(struct log_scan *s, const uint8_t *bytes, struct record_batch_view *view)
{
    struct record_batch_view plain;
    size_t size;
    if (record_batch_codec(view) == COMPRESSION_NONE) return ERR_OK;
    if (s->unpacker == NULL) TRY(unpacker_open(&s->unpacker));
    if (s->plain == NULL) {
        void *room = mmap(NULL, SCAN_PLAIN_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (room == MAP_FAILED) return ERR_NO_MEMORY;
        s->plain = room;
    }
    enum err e = record_batch_unpack(s->unpacker, bytes, view, s->plain, SCAN_PLAIN_BYTES, &size);
    if (e == ERR_OK) e = record_batch_view(s->plain, size, &plain);
    if (e != ERR_OK) return e == ERR_NO_MEMORY ? e : ERR_CORRUPT;
    view->records = plain.records;
    view->records_bytes = plain.records_bytes;
    view->attributes = plain.attributes;
    return ERR_OK;
}

enum err log_scan_next_plain(struct log_scan *s, struct record_batch_view *view)
{
    const uint8_t *bytes;
    TRY(log_scan_next(s, true, view, &bytes));
    return log_scan_unpack(s, bytes, view);
}

bool batch_last_header(const struct record_batch_view *view, const char *key, struct record_header *out,
                       int64_t *timestamp_ms)
{
    if (record_batch_codec(view) != COMPRESSION_NONE) return false;
    struct cursor records = cursor_of(view->records, view->records_bytes);
    struct record_view last;
    uint32_t count = 0;
    while (cursor_left(&records) > 0) {
        if (record_next(&records, view, &last) != ERR_OK) return false;
        count++;
    }
    if (count == 0 || count != view->record_count) return false;
    *timestamp_ms = last.timestamp_ms;
    return record_header_find(&last, key, out);
}

bool batch_first_header(const struct record_batch_view *view, const char *key, struct record_header *out)
{
    if (record_batch_codec(view) != COMPRESSION_NONE) return false;
    struct cursor records = cursor_of(view->records, view->records_bytes);
    struct record_view first;
    return record_next(&records, view, &first) == ERR_OK && record_header_find(&first, key, out);
}

/* ---- the walk ---- */

enum err log_walk_open(struct log_walk *w, struct disk *d, const char *path, uint64_t position, uint64_t expected,
                       struct err_msg *msg)
{
    w->expected = expected;
    w->position = position;
    return log_scan_open(&w->scan, d, path, position, msg);
}

void log_walk_close(struct log_walk *w) { log_scan_close(&w->scan); }

static enum err walk_fault(struct log_walk *w, const char *why)
{
    snprintf(w->why, sizeof w->why, "%s", why);
    return ERR_CORRUPT;
}

enum err log_walk_next(struct log_walk *w, struct record_batch_view *view)
{
    const uint8_t *bytes;
    struct record_header ignored;
    int64_t ignored_ms;
    w->position = w->scan.position;
    w->why[0] = '\0';
    enum err e = log_scan_next(&w->scan, false, view, &bytes);
    if (e == ERR_TRUNCATED) return walk_fault(w, "the file ends within a batch");
    if (e == ERR_CORRUPT) return walk_fault(w, "no record batch begins here");
    TRY(e);
    e = ERR_CORRUPT;
    if (w->verify && !record_batch_crc_holds(bytes, view))
        (void)walk_fault(w, "the batch's checksum does not hold");
    else if (view->base_offset != w->expected)
        snprintf(w->why, sizeof w->why, "offset %" PRIu64 " instead of %" PRIu64, view->base_offset, w->expected);
    else if (view->leader_epoch > w->leader_epoch)
        snprintf(w->why, sizeof w->why, "leader epoch %" PRIu32 " of a log in epoch %" PRIu32, view->leader_epoch,
                 w->leader_epoch);
    else
        e = w->is_internal ? ERR_OK : log_scan_unpack(&w->scan, bytes, view);
    if (e == ERR_CORRUPT && w->why[0] == '\0') (void)walk_fault(w, "its packed records cannot be unpacked");
    if (e != ERR_OK) {
        w->scan.position = w->position;
        return e;
    }
    w->expected = view->last_offset + 1;
    w->ends_transaction = w->is_internal || batch_last_header(view, RECORD_HEADER_POSITION, &ignored, &ignored_ms);
    return ERR_OK;
}
