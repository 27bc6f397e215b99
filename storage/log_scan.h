/* storage/log_scan.h -- reads the batches of one segment file in order; for recovery, for making indexes anew, and for
 * `millrace log check`. */
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
    struct unpacker *unpacker; /* owned, as `plain`: there from the first packed batch on */
    uint8_t     *plain;
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
/* Unpacks the records of the batch that log_scan_next has just given: they and the codec change in `view`, which tells
 * the bytes in the file as before.  ERR_CORRUPT: they are no such stream, or unpack to more than any batch has;
 * ERR_NO_MEMORY. */
NODISCARD enum err log_scan_unpack(struct log_scan *s, const uint8_t *bytes, struct record_batch_view *view);
/* The next batch, verified, its records plain; errors as both. */
NODISCARD enum err log_scan_next_plain(struct log_scan *s, struct record_batch_view *view);

/* A scan that knows what must come: batches at dense offsets, no younger than the log's leader epoch. */
struct log_walk {
    struct log_scan scan;
    uint64_t expected;      /* offset of the next batch */
    uint32_t leader_epoch;
    bool     is_internal;   /* every batch ends a transaction */
    bool     verify;        /* checksums */
    uint64_t position;      /* of the batch last looked at */
    bool     ends_transaction; /* it does */
    char     why[80];       /* after ERR_CORRUPT: what does not hold */
};
NODISCARD enum err log_walk_open(struct log_walk *w, struct disk *d, const char *path, uint64_t position,
                                 uint64_t expected, struct err_msg *msg);
void               log_walk_close(struct log_walk *w);
/* ERR_OK: moved behind a batch, whose records are plain.  ERR_NOT_FOUND: the file ends here, or zeros begin.
 * ERR_CORRUPT: what is here cannot be the next batch (why).  ERR_IO, ERR_NO_MEMORY. */
NODISCARD enum err log_walk_next(struct log_walk *w, struct record_batch_view *view);
/* The header `key` of the last, or first, record of a batch that is not packed. */
bool batch_last_header(const struct record_batch_view *view, const char *key, struct record_header *out,
                       int64_t *timestamp_ms);
bool batch_first_header(const struct record_batch_view *view, const char *key, struct record_header *out);

#endif
