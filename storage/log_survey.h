/* storage/log_survey.h -- what a walk through all of a log finds: for log_check.c, and for log_repair.c, which mends
 * it. */
#ifndef STORAGE_LOG_SURVEY_H
#define STORAGE_LOG_SURVEY_H

#include "storage/log_check.h"
#include "storage/log_folder.h"

struct survey_place {
    uint32_t segment; /* index */
    uint64_t position, offset;
    uint64_t batch_position; /* of the batch that ends there */
};

struct log_survey {
    struct disk *disk;
    const char  *name;
    char         outer[LOG_PATH_BYTES - 64], inner[LOG_PATH_BYTES]; /* DATA/<log>, DATA/<log>/0 */
    const struct log_check_options *options;
    struct log_check_result *result;
    struct log_identity identity;
    bool                has_identity, has_checkpoint;
    struct log_checkpoint checkpoint;
    struct log_folder   folder;   /* without the files that are not this log's */
    bool    *indexes_bad;         /* of each segment */
    bool     point_index_bad;
    struct survey_place end;      /* the last whole transaction before any damage; has_end: there is one */
    bool     has_end;
    bool     has_point;           /* the batch that the checkpoint names is where it says */
    bool     is_damaged;          /* records are lost or wrong: only a cut makes the log whole */
    bool     is_torn;             /* the walk ended at what a crash may leave behind the recovery point */
    uint64_t seen_offset;         /* behind the newest record that is anywhere */
    uint64_t first_end_offset;    /* behind the first transaction that ends; 0: none */
    bool     start_is_missing;    /* what was the log's start is gone */
};

/* Says each fault through the options and counts it in the result.  ERR_IO, ERR_NO_MEMORY, ERR_NEWER_FORMAT. */
NODISCARD enum err log_survey_make(struct log_survey *s, struct disk *d, const char *data_folder, const char *name,
                                   const struct log_check_options *options, struct log_check_result *result,
                                   struct err_msg *msg);
void               log_survey_fini(struct log_survey *s);
void log_survey_say(struct log_survey *s, enum log_check_says kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- log_repair.c ---- */
/* Mends what a survey found, as far as the options allow; counts it. */
NODISCARD enum err log_repair(struct log_survey *s, struct err_msg *msg);

#endif
