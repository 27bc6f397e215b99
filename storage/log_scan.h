/* storage/log_scan.h -- reads the batches of one segment file in order; for recovery and for making indexes anew. */
#ifndef STORAGE_LOG_SCAN_H
#define STORAGE_LOG_SCAN_H

#include "formats/record_batch.h"
#include "storage/disk.h"

struct log_scan {
    struct disk *disk;
    int          file;
    uint64_t     file_bytes;
    uint64_t     position;  /* of the next batch */
    uint8_t     *buffer;    /* owned */
    size_t       room, filled;
    uint64_t     buffer_position;
};

/* Opens the file and stands at `position`.  ERR_NOT_FOUND, ERR_IO, ERR_NO_MEMORY. */
NODISCARD enum err log_scan_open(struct log_scan *s, struct disk *d, const char *path, uint64_t position,
                                 struct err_msg *msg);
void               log_scan_close(struct log_scan *s);

/* The next batch, whole, valid until the next call; moves behind it.  ERR_NOT_FOUND: the file ends here, or zeros begin
 * (made ahead). ERR_CORRUPT, ERR_TRUNCATED: no batch can be here.  ERR_IO, ERR_NO_MEMORY.  Offsets are for the caller
 * to check, the checksum is checked when `verify`. */
NODISCARD enum err log_scan_next(struct log_scan *s, bool verify, struct record_batch_view *view,
                                 const uint8_t **bytes);

/* The header `key` of the last, or first, record of an uncompressed batch. */
bool batch_last_header(const struct record_batch_view *view, const char *key, struct record_header *out,
                       int64_t *timestamp_ms);
bool batch_first_header(const struct record_batch_view *view, const char *key, struct record_header *out);

#endif
