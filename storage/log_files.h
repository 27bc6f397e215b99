/* storage/log_files.h -- the small files of a data folder and of a log, and how the others are named.
 *
 *   DATA/format                     "millrace-data 1": written once, checked at start
 *   DATA/lock                       held with flock by the process that uses the folder
 *   DATA/<log>/channel.meta         identity of the log
 *   DATA/<log>/0/checkpoint         recovery point
 *   DATA/<log>/0/<base>.log .index .timeindex .pos     segments; <base>: 20 digits
 *   DATA/<log>/0/<n>.prepared       a segment made ahead
 *   DATA/<log>~creating, ~deleted   a creation or deletion under way, finished or undone at the next start
 *
 * channel.meta and checkpoint are text: a first line with kind and version, `key value` lines, and a last line with the
 * CRC-32C of all before it.  They are replaced as a whole: temporary file, sync, rename, sync of the folder. */
#ifndef STORAGE_LOG_FILES_H
#define STORAGE_LOG_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "storage/disk.h"
#include "storage/log_reader.h"

enum {
    LOG_FORMAT_VERSION = 1,
    LOG_PATH_BYTES     = 1024,
    DATA_PATH_BYTES    = 640, /* of the data folder: names of logs and files come behind it */
};
#define LOG_SUFFIX_CREATING "~creating" /* no name of a log has a tilde */
#define LOG_SUFFIX_DELETED  "~deleted"

enum segment_file { SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX, SEGMENT_POSITIONS, SEGMENT_FILE_COUNT };

/* Of the entries of a segment's index files: how many each file has, and the CRC-32C of .index, .timeindex and .pos
 * behind each other. */
struct index_print {
    uint32_t offset_count, time_count, end_count;
    uint32_t crc;
};
#define INDEX_PRINT_SEAL UINT32_MAX /* as offset_count, in a checkpoint: the segment is sealed, its seal says it */

/* Below this point everything is durable and verified, and it is the end of a transaction. */
struct log_checkpoint {
    uint64_t start_offset;        /* log start */
    uint64_t segment_base_offset; /* the segment the point lies in */
    uint64_t recovery_offset;     /* of the record behind the point */
    uint64_t recovery_position;   /* bytes, in that segment's file */
    /* The batch that ends the transaction before the point: its segment and position.  UINT64_MAX: an empty log. */
    uint64_t end_segment, end_position;
    /* Of the records of that segment below the point: the largest timestamp (-1: none there) and the last offset of the
     * batch that brought it.  So the indexes hold even where their files are newer than this checkpoint. */
    int64_t  max_timestamp_ms;
    uint64_t max_timestamp_offset;
    struct index_print index; /* of the entries below the point; the files may have more behind */
    uint64_t gtid_segment; /* base offset of the segment with the newest logged GTID set; UINT64_MAX: none is logged */
    uint64_t gtid_position;       /* bytes: the batch whose first record carries it */
    bool     is_clean;            /* nothing was written behind the point */
    bool     is_resending;        /* clean, but what a crash took before has not come again: log_is_resending */
};

/* Of a log that begins at `offset` and has no record yet. */
static inline struct log_checkpoint checkpoint_empty(uint64_t offset)
{
    return (struct log_checkpoint){.start_offset = offset, .segment_base_offset = offset, .recovery_offset = offset,
                                   .end_segment = UINT64_MAX, .max_timestamp_ms = -1, .gtid_segment = UINT64_MAX};
}

/* Path of a segment's file, made ahead or in use.  `out` has LOG_PATH_BYTES. */
void segment_path(char *out, const char *folder, uint64_t base_offset, enum segment_file which);
void prepared_path(char *out, const char *folder, uint64_t number);
/* Reads a name such as 00000000000000000042.log; false: it is none. */
bool segment_name_parse(const char *name, uint64_t *base_offset, enum segment_file *which);

/* Writes `size` bytes as the file `path` in `folder` so that after a crash it is there whole, or as it was. */
NODISCARD enum err file_replace(struct disk *d, const char *folder, const char *path, const void *bytes, size_t size,
                                struct err_msg *msg);

/* ERR_NOT_FOUND: no such file.  ERR_CORRUPT, ERR_NEWER_FORMAT, ERR_IO: msg names the file. */
NODISCARD enum err checkpoint_read(struct disk *d, const char *folder, struct log_checkpoint *out, struct err_msg *msg);
NODISCARD enum err checkpoint_write(struct disk *d, const char *folder, const struct log_checkpoint *c,
                                    struct err_msg *msg);
NODISCARD enum err meta_read(struct disk *d, const char *folder, struct log_identity *out, struct err_msg *msg);
NODISCARD enum err meta_write(struct disk *d, const char *folder, const struct log_identity *identity,
                              struct err_msg *msg);

/* Makes the data folder's format file, or checks the one that is there.  ERR_NEWER_FORMAT, ERR_CORRUPT, ERR_IO. */
NODISCARD enum err format_check(struct disk *d, const char *data_folder, struct err_msg *msg);

/* Removes a folder and what is in it, one level of folders deep (a log's whole tree).  A missing folder is ERR_OK. */
NODISCARD enum err tree_remove(struct disk *d, const char *path, struct err_msg *msg);

#endif
