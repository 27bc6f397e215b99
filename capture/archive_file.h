/* capture/archive_file.h -- a folder of binlog files, and the events of one of them: for capture/archive_stream.c.
 *
 * The files are those of a server (BASE.NUMBER, at least six digits), whole or still being copied.  Owner: one thread.
 */
#ifndef CAPTURE_ARCHIVE_FILE_H
#define CAPTURE_ARCHIVE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/binlog_header.h"
#include "capture/source_facts.h"

/* --- the folder --- */

struct archive_entry {
    char name[SOURCE_FILE_BYTES];
    uint64_t size; /* bytes, when the list was read */
};

struct archive_list { /* sorted by number; a last file without content yet is left out */
    struct archive_entry *entry;
    uint32_t count, capacity;
};

/* Replaces `list`, which archive_list_free frees.  With files of several names in the folder those count that its index
 * file (NAME.index) lists.  ERR_NOT_FOUND: no folder, or no binlog file in it; ERR_ACCESS_DENIED; ERR_INVALID:
 * files of several servers; ERR_NO_MEMORY. */
NODISCARD enum err archive_list_read(struct archive_list *list, const char *folder, struct err_msg *msg);
void archive_list_free(struct archive_list *list);
/* From entry `from` on no number may be missing.  ERR_SOURCE_PURGED names the first that is. */
NODISCARD enum err archive_list_check(const struct archive_list *list, uint32_t from, const char *folder,
                                      struct err_msg *msg);
/* The file's place in the list; `count`: it is not there. */
uint32_t archive_list_find(const struct archive_list *list, const char *name);

/* When somebody last wrote in the folder, by the clock of its file system (ms): to the newest binlog file, which may be
 * written for as long as its server runs, and to all else: other binlog files, copies under way (by their names), the
 * folder itself. */
struct archive_written {
    uint64_t last_ms, rest_ms;
};
NODISCARD enum err archive_folder_written(const char *folder, struct archive_written *out);

/* --- one file --- */

enum { ARCHIVE_HEAD_BYTES = 9 }; /* of the FORMAT_DESCRIPTION: its time, its type, the server's id */

struct archive_file { /* zero: closed */
    bool is_open;
    int fd;
    char name[SOURCE_FILE_BYTES];
    char *path;
    uint64_t position;  /* of the next event, in bytes of the file */
    uint64_t size_seen; /* how long it was when its end was reached last */
    uint64_t left_over; /* bytes of an unfinished event behind `position`; 0: it ends with a whole one */
    uint8_t last_type;  /* of the newest event */
    uint8_t *buffer;
    size_t capacity, buffer_bytes;
    uint64_t buffer_position; /* in the file, of buffer[0] */
    bool has_head;
    uint8_t head[ARCHIVE_HEAD_BYTES]; /* tells this file from another one under its name */
};

/* `position`: where an event begins.  ERR_NOT_FOUND, ERR_ACCESS_DENIED, ERR_IO; ERR_UNSUPPORTED: it is encrypted, or no
 * binlog file; ERR_SOURCE_HISTORY: it is shorter than `position`; ERR_NO_MEMORY. */
NODISCARD enum err archive_file_open(struct archive_file *f, const char *folder, const char *name, uint64_t position,
                                     struct err_msg *msg);
void archive_file_close(struct archive_file *f);

/* The next event, header and checksum included; valid until the next call.  ERR_AGAIN: the file has no more whole ones
 * now (f->left_over).  ERR_TOO_LARGE: larger than `event_bytes_max`; ERR_CORRUPT: what stands there is no event of this
 * place; ERR_UNSUPPORTED: a relay log, an encrypted file, one of a server before 5.0; ERR_IO; ERR_NO_MEMORY. */
NODISCARD enum err archive_file_next(struct archive_file *f, uint64_t event_bytes_max, const uint8_t **event,
                                     size_t *size, struct err_msg *msg);

/* The same, but of an event above 1 MiB perhaps only its beginning: *have bytes of it.  For whoever looks at what the
 * rest does not matter to; PREVIOUS_GTIDS and GTID_LIST are always whole. */
NODISCARD enum err archive_file_peek(struct archive_file *f, uint64_t event_bytes_max, const uint8_t **event,
                                     size_t *size, size_t *have, struct err_msg *msg);
/* What was read ahead is read again: it was not yet what it should be. */
void archive_file_forget(struct archive_file *f);

/* When it was last written, by the clock of its file system.  ERR_IO. */
NODISCARD enum err archive_file_written(const struct archive_file *f, uint64_t *ms, struct err_msg *msg);

/* At its end: another file may have been put in its place (a copy that was renamed to its name), which is then read on
 * from the same position.  *grew: there is more than at the last look.  ERR_SOURCE_HISTORY: it is shorter than what was
 * read, or gone, or another one; ERR_IO. */
NODISCARD enum err archive_file_look(struct archive_file *f, bool *grew, struct err_msg *msg);

#endif
