/* storage/log_check.h -- looks through the logs of a data folder that no millraced uses, and mends them.
 *
 * The second door of this room for cli/: `millrace log check` and `millrace log repair`.  A check reads everything:
 * every batch with its checksum, that offsets are dense and segments go on from each other, every index entry, the
 * seals, checkpoint and channel.meta.  A repair makes indexes, .pos and the checkpoint anew from the log.  Only when
 * told so it also cuts a log at the last whole transaction before damage; what is cut is kept beside it, in
 * DATA/<log>/cut-<offset>/ (.2, .3 for further cuts there), and the log gets a new leader epoch and cluster id, for
 * its offsets stop being comparable with those that consumers have.  Blocking; any thread. */
#ifndef STORAGE_LOG_CHECK_H
#define STORAGE_LOG_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct disk;

enum log_check_says {
    LOG_CHECK_FAULT,  /* something is wrong */
    LOG_CHECK_MENDED, /* something was wrong */
    LOG_CHECK_NOTE,
};

struct log_check_options {
    bool repair;
    bool cut; /* with repair: damaged records may go */
    void (*say)(void *context, enum log_check_says kind, const char *text); /* a sentence for people */
    void *context;
};

struct log_check_result { /* sums, where several logs were looked through */
    uint32_t logs, segments;
    uint64_t batches, records, bytes;
    uint32_t faults; /* left: found and not mended */
    uint32_t mended;
};

/* `path`: a data folder (all its logs), or the folder of one log in it.  Takes the data folder's lock meanwhile.
 * ERR_OK: looked through, `out` says what was found.  ERR_LOCKED: a millraced uses the folder.  ERR_NOT_FOUND: no data
 * folder there; ERR_NEWER_FORMAT, ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY: msg. */
NODISCARD enum err log_check_path(const char *path, const struct log_check_options *options,
                                  struct log_check_result *out, struct err_msg *msg);

/* One log of a data folder whose lock is held; adds to `out`. */
NODISCARD enum err log_check_log(struct disk *d, const char *data_folder, const char *name,
                                 const struct log_check_options *options, struct log_check_result *out,
                                 struct err_msg *msg);

#endif
