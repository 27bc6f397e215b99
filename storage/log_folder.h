/* storage/log_folder.h -- the segments of a log as its folder shows them, and what a sealed one must be.  For recovery
 * and for `millrace log check`; the log has no writer meanwhile. */
#ifndef STORAGE_LOG_FOLDER_H
#define STORAGE_LOG_FOLDER_H

#include "storage/index.h"
#include "storage/log_scan.h"
#include "storage/segment_table.h"

struct log_folder {
    struct disk *disk;
    const char  *path; /* DATA/<log>/0; borrowed */
    bool         is_internal;
    uint32_t     leader_epoch;
    struct segment_info *segment; /* malloc'd, by base offset; bytes and appended_ms are the file's */
    uint32_t     count, room;
};

/* Reads the folder.  `tidy`: what a crash left half made (*.tmp, *.prepared) is removed.  ERR_CORRUPT: no segment. */
NODISCARD enum err log_folder_list(struct log_folder *f, bool tidy, struct err_msg *msg);
void               log_folder_fini(struct log_folder *f);

struct log_checkpoint; /* storage/log_files.h */
/* How many of the first segments retention removed already: their files are left over from a crash. */
uint32_t log_folder_removed(const struct log_folder *f, const struct log_checkpoint *c);
/* The first `count` segments are no part of the log. */
void     log_folder_forget_first(struct log_folder *f, uint32_t count);

/* Removes the files of a segment. */
NODISCARD enum err log_folder_remove(const struct log_folder *f, uint64_t base_offset, struct err_msg *msg);
/* Makes a segment's file `bytes` long, durably. */
NODISCARD enum err log_folder_cut(struct log_folder *f, uint32_t segment, uint64_t bytes, struct err_msg *msg);
NODISCARD enum err log_folder_sync(const struct log_folder *f, struct err_msg *msg);

/* Starts reading a segment at a batch. */
NODISCARD enum err log_folder_walk(const struct log_folder *f, uint32_t segment, uint64_t position, uint64_t expected,
                                   bool verify, struct log_walk *w, struct err_msg *msg);

/* ERR_CORRUPT, with a sentence: which file, at which byte, why, and what to do. */
enum err log_folder_damaged(const struct log_folder *f, uint32_t segment, uint64_t position, const char *why,
                            struct err_msg *msg);

/* ERR_CORRUPT: the segment ends before `next_offset`, and its successor begins elsewhere. */
enum err log_folder_gap(const struct log_folder *f, uint32_t segment, uint64_t next_offset, struct err_msg *msg);

/* Does the file begin with batches of another offset than its name says?  (A copy under another name.)  Then
 * ERR_CORRUPT with a sentence; an empty, torn or damaged file is ERR_OK, and so are batches below `start_offset`: the
 * file of a removed segment, prepared again. */
NODISCARD enum err log_folder_check_name(const struct log_folder *f, uint32_t segment, uint64_t start_offset,
                                         struct err_msg *msg);
/* Holds a segment that has a successor against its seal: its length, and where the successor goes on.  ERR_CORRUPT. */
NODISCARD enum err log_folder_check_seal(const struct log_folder *f, uint32_t segment, const struct index_seal *seal,
                                         struct err_msg *msg);
/* Makes the indexes of a segment that has a successor anew, with its seal, from the log; all of it must hold.
 * `set` is emptied and then holds the segment.  ERR_CORRUPT: the log is damaged. */
NODISCARD enum err log_folder_seal(struct log_folder *f, uint32_t segment, struct index_set *set, uint32_t interval,
                                   struct index_seal *out, struct err_msg *msg);

#endif
