/* dataplane/kafka/fetch_old.h -- records for clients that cannot take batches as they are stored: Fetch versions 0 to 3
 * know no record batches, 4 to 9 no zstd (KIP-110).
 *
 * What is read is copied out of the log at once, so these clients pin nothing, but for a message that is too large for
 * that: its value goes from where it lies.  One that must be unpacked first goes by the lcore's one large buffer.
 * Serve lcore only. */
#ifndef DATAPLANE_KAFKA_FETCH_OLD_H
#define DATAPLANE_KAFKA_FETCH_OLD_H

#include "dataplane/kafka/request.h"
#include "formats/message_set.h"

enum {
    FETCH_OLD_VERSION_MAX = 3,
    FETCH_ZSTD_SINCE = 10,
    FETCH_OLD_BYTES_MAX = 4 << 20, /* of a copy in an ordinary buffer; only a larger first record has more */
};

struct fetch_old { /* what was made of a slice */
    struct log_piece piece[LOG_SLICE_PIECES + 1];
    uint32_t piece_count, bytes;
    uint64_t next_offset; /* behind it */
};

/* Whether a client of this Fetch version takes the slice as it is. */
bool fetch_is_current(const struct log_slice *slice, int16_t version);

/* Makes what the client takes of the slice's records from `offset` on, in at most `bytes_max` bytes, the first whole
 * all the same when `first_whole`; nothing (bytes 0) when that does not fit.  Takes the slice: its pins are released or
 * in out->piece.
 * ERR_NO_MEMORY: no buffer is free.  ERR_AGAIN: the large one is used.  ERR_CORRUPT, ERR_UNSUPPORTED, ERR_TOO_LARGE: a
 * batch cannot be unpacked. */
NODISCARD enum err fetch_old_convert(struct request *r, struct log_slice *slice, uint64_t offset, uint64_t bytes_max,
                                     bool first_whole, struct fetch_old *out);

/* Messages of batches in one piece of memory, which stays the caller's.  `*piece` is a buffer of r->buffers,
 * plan->bytes long; NULL when not even one message fits.  Errors as above. */
NODISCARD enum err fetch_old_make(struct request *r, const uint8_t *batches, size_t size, uint64_t offset,
                                  uint64_t bytes_max, bool first_whole, struct log_piece *piece,
                                  struct message_set_plan *plan);

#endif
