/* capture/tracker_file.h -- the bytes of a tracker's file: records with length and checksum, written behind each other.
 *
 * A record: length u32, CRC-32C of what follows u32, kind u8, then numbers (little endian) and texts (length u32,
 * bytes).  A write that a crash cut short leaves a last record that does not hold: it and what follows count as never
 * written, which is right for a journal whose records are synced before anything rests on them. */
#ifndef CAPTURE_TRACKER_FILE_H
#define CAPTURE_TRACKER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"

struct tracker_bytes {
    uint8_t *bytes;
    size_t size, capacity;
};

struct tracker_file { /* zeroed: none is kept, everything succeeds */
    char *path;
    int fd; /* of the journal; 0: none yet */
    struct tracker_bytes news;  /* not yet written */
    struct tracker_bytes fresh; /* what is to become the whole file, with all that was put since it was begun */
    bool setting_aside;         /* what is put is the beginning of the latter */
    size_t record;              /* where the record being made begins */
    uint64_t first_bytes, journal_bytes; /* of the file: as it was made, and what was written behind that */
    bool failed;                         /* memory ran out */
};

/* `path` is copied.  ERR_NO_MEMORY. */
NODISCARD enum err tracker_file_open(struct tracker_file *f, const char *path);
void tracker_file_close(struct tracker_file *f);

/* --- writing: begin, put its fields, end --- */
void tracker_file_begin(struct tracker_file *f, uint8_t kind);
void tracker_file_number(struct tracker_file *f, uint64_t value);
void tracker_file_text(struct tracker_file *f, const char *text, size_t bytes);
void tracker_file_end(struct tracker_file *f);
static inline bool tracker_file_is_dirty(const struct tracker_file *f)
{
    return f->news.size > 0;
}
/* What was put is durable, behind what the file held.  ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY. */
NODISCARD enum err tracker_file_sync(struct tracker_file *f, struct err_msg *msg);
/* A fresh file in three steps.  What is put between `fresh` and `fresh_ends` is its beginning; what is put later goes
 * to it and to the journal; `replace` makes it the file, durably, at once or not at all.  A second `fresh` drops the
 * first; drop: there is to be none. */
void tracker_file_fresh(struct tracker_file *f);
void tracker_file_fresh_ends(struct tracker_file *f);
void tracker_file_drop(struct tracker_file *f);
static inline bool tracker_file_has_fresh(const struct tracker_file *f)
{
    return f->fresh.size > 0;
}
NODISCARD enum err tracker_file_replace(struct tracker_file *f, struct err_msg *msg);

/* --- reading --- */
/* The whole file, malloc'd; NULL and ERR_OK: there is none. */
NODISCARD enum err tracker_file_read(const struct tracker_file *f, uint8_t **bytes, size_t *size, struct err_msg *msg);
/* The next record's kind and fields; false: the end, or a record that does not hold. */
bool tracker_file_next(struct cursor *in, uint8_t *kind, struct cursor *fields);
static inline uint64_t tracker_file_take_number(struct cursor *fields)
{
    return cursor_le(fields, 8);
}
/* Borrowed, NUL-terminated; "" and failed when it is not there. */
const char *tracker_file_take_text(struct cursor *fields, size_t *bytes);

#endif
