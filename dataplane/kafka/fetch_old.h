/* dataplane/kafka/fetch_old.h -- records for Fetch versions 0 to 3, which know no record batches.
 *
 * What is read is copied out of the log at once, so these old clients pin nothing.  Serve lcore only. */
#ifndef DATAPLANE_KAFKA_FETCH_OLD_H
#define DATAPLANE_KAFKA_FETCH_OLD_H

#include "dataplane/kafka/request.h"
#include "formats/message_set.h"

enum { FETCH_OLD_VERSION_MAX = 3 };

/* Makes messages of the slice's records from `offset` on, in at most `bytes_max` bytes, the first whole all the same
 * when `first_whole`.  Takes the slice: its pins are released.  `*piece` is a buffer of r->buffers, plan->bytes long;
 * NULL when not even one message fits.
 * ERR_NO_MEMORY: no buffer is free.  ERR_CORRUPT, ERR_UNSUPPORTED: as message_set_plan. */
NODISCARD enum err fetch_old_convert(struct request *r, struct log_slice *slice, uint64_t offset, uint64_t bytes_max,
                                     bool first_whole, struct log_piece *piece, struct message_set_plan *plan);

/* The same of batches in one piece of memory, which stays the caller's. */
NODISCARD enum err fetch_old_make(struct request *r, const uint8_t *batches, size_t size, uint64_t offset,
                                  uint64_t bytes_max, bool first_whole, struct log_piece *piece,
                                  struct message_set_plan *plan);

#endif
