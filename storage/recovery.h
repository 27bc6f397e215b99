/* storage/recovery.h -- what is true after a crash: the log up to its last whole transaction.
 *
 * Reads from the recovery point on (storage/log_files.h), accepts a batch only at the expected offset and with a
 * checksum that holds, cuts what is behind the last transaction end, and repairs the indexes.  Also ends a clean stop,
 * since that is the same work: cut the open transaction, cut the file to its exact length, write the indexes and the
 * mark. Control thread; the log has no writer meanwhile. */
#ifndef STORAGE_RECOVERY_H
#define STORAGE_RECOVERY_H

#include "ring/log_feed.h"
#include "storage/index.h"
#include "storage/log_files.h"
#include "storage/segment_table.h"

struct recovery_input {
    struct disk *disk;
    const char  *folder;        /* DATA/<log>/0 */
    bool         is_internal;   /* every batch is whole; no source positions */
    uint32_t     leader_epoch;
    uint32_t     index_interval_bytes;
    bool         leave_clean;   /* nothing will be appended now: write the clean mark */
    bool         shows_written; /* a crash may have taken what consumers saw: `resume` says is_resending */
    bool         is_first;      /* of this process: only the files tell how the log was left */
    bool         is_resending;  /* known already */
    uint64_t     start_offset;  /* readers were told of this log start, */
    uint64_t     visible_offset; /* and of this high watermark: neither goes back */
};

struct recovered {
    struct segment_info  *segment; /* malloc'd, oldest first; the last is the active one, `bytes` its exact length */
    uint32_t              segment_count;
    struct log_checkpoint checkpoint; /* as written */
    struct log_resume     resume;     /* gtid_set is malloc'd, or NULL */
    uint8_t               last_block[LOG_BLOCK_BYTES]; /* the partly filled last block of the active segment */
};

/* Recovers the log and fills `set` with the active segment's index.  ERR_CORRUPT: damage below the recovery point, msg
 * names file and position; ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY, ERR_NEWER_FORMAT.  On success recovered_fini frees. */
NODISCARD enum err log_recover(const struct recovery_input *in, struct index_set *set, struct recovered *out,
                               struct err_msg *msg);
void               recovered_fini(struct recovered *r);

#endif
