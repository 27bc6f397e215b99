/* capture/xa_spool.h -- prepared XA transactions, kept in a file until they are committed or rolled back.
 *
 * Between XA PREPARE and XA COMMIT may lie days, restarts of millraced, and a purge of the source's binlogs: so what
 * was prepared is kept here, as frames that only their writer understands (capture/xa_rows.h).
 *
 * The log is the truth (docs/design.md 4).  Everything here is marked with the log's next offset at its time.  When the
 * log is taken up again at offset N, what was written here for offsets from N on is dropped, for the source will send
 * it again; what is marked below N stands, for the log's position is behind it.  Hence two rules: what was written here
 * is durable before the log's next batch is sent (xa_spool_sync), and a file is removed only when the log is durable
 * beyond the place where another took over from it (xa_spool_release).
 *
 * What a crash tears is the end of the newest file, behind what was synced; it goes without a word.  Anything else
 * that does not hold is damage and has a name: so each sync is preceded by a fence, which repeats the newest mark.  A
 * mark or a fence below N proves that all before it was durable.
 *
 * Files: FOLDER/<number>.spool: "MRXA", version u32, then frames (size u32, kind u8, bytes, CRC-32C u32).  A file that
 * has grown is followed by one that begins with a copy of what is still prepared, made whole before it has its name.
 *
 * Owner: the capture thread.  Errors: ERR_IO and ERR_NO_MEMORY with words; after ERR_IO the spool is not used again. */
#ifndef CAPTURE_XA_SPOOL_H
#define CAPTURE_XA_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/xid.h"

enum { XA_SPOOL_FILE_BYTES = 64 << 20 }; /* a file of which so much is no longer needed is followed by another */

struct xa_spool;

/* Makes the folder if there is none.  Takes up what stands for offsets below `next_offset`.  ERR_CORRUPT: a file is
 * damaged, named in `msg`; ERR_NEWER_FORMAT. */
NODISCARD enum err xa_spool_open(struct xa_spool **out, const char *folder, uint64_t next_offset, struct err_msg *msg);
void xa_spool_close(struct xa_spool *s);

/* A transaction's frames follow: begin, put, put, ..., then prepared or drop. `kind` is the caller's, below 200. */
NODISCARD enum err xa_spool_begin(struct xa_spool *s, uint64_t next_offset, struct err_msg *msg);
NODISCARD enum err xa_spool_put(struct xa_spool *s, uint8_t kind, const void *bytes, size_t size, struct err_msg *msg);
NODISCARD enum err xa_spool_prepared(struct xa_spool *s, const struct xid *xid, uint64_t next_offset,
                                     struct err_msg *msg);
/* Where the next frame of the transaction will stand, and: takes all from there on back. */
uint64_t xa_spool_mark(const struct xa_spool *s);
NODISCARD enum err xa_spool_cut(struct xa_spool *s, uint64_t mark, struct err_msg *msg);
/* As if it had never begun. */
NODISCARD enum err xa_spool_drop(struct xa_spool *s, struct err_msg *msg);

bool xa_spool_has(const struct xa_spool *s, const struct xid *xid);
uint32_t xa_spool_count(const struct xa_spool *s);

/* One frame of a transaction; the bytes are valid during the call. */
typedef enum err xa_spool_frame(void *context, uint8_t kind, const uint8_t *bytes, size_t size, struct err_msg *msg);
/* The frames of a prepared transaction, in their order; `xid` NULL: of the one that is being written.  The error of
 * `each` ends it and is returned.  ERR_CORRUPT: the file is damaged; ERR_NOT_FOUND. */
NODISCARD enum err xa_spool_read(struct xa_spool *s, const struct xid *xid, xa_spool_frame *each, void *context,
                                 struct err_msg *msg);
/* It was committed or rolled back: not prepared any more. */
NODISCARD enum err xa_spool_done(struct xa_spool *s, const struct xid *xid, uint64_t next_offset, struct err_msg *msg);

/* What was written is durable when it returns; costs nothing when nothing was written. */
NODISCARD enum err xa_spool_sync(struct xa_spool *s, struct err_msg *msg);
/* The log is durable up to `offset`. */
void xa_spool_release(struct xa_spool *s, uint64_t offset);

#endif
