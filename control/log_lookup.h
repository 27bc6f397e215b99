/* control/log_lookup.h -- control's own log reader: at what time is an offset, which offset is at a time, and what is
 * in the log there.
 *
 * Control thread only.  A lookup in the past waits for its disk reads.  All lookups between two log_lookup_tidy wait
 * LOG_LOOKUP_WAIT_MS together; when that was used up the next ones do not wait, for some seconds.  Times already found
 * are remembered, for groups that rest are asked about again and again. */
#ifndef CONTROL_LOG_LOOKUP_H
#define CONTROL_LOG_LOOKUP_H

#include <stdint.h>

#include "base/err.h"
#include "storage/log_reader.h"

enum { LOG_LOOKUP_WAIT_MS = 2000 };

struct log_lookup;

/* Opens reader `reader_index`.  ERR_NO_MEMORY, ERR_IO. */
NODISCARD enum err log_lookup_open(struct log_lookup **out, struct storage *storage, uint32_t reader_index,
                                   const struct clock *clock, struct err_msg *msg);
void log_lookup_close(struct log_lookup *l); /* NULL is fine */

/* The time of the record at `offset`, in Unix ms.  ERR_OUT_OF_RANGE: there is no such record (any more); ERR_IO,
 * ERR_CORRUPT, ERR_STATE: it cannot be read now. */
NODISCARD enum err log_lookup_time(struct log_lookup *l, struct log *log, uint64_t offset, int64_t *time_ms);
/* The first record that is not older than `time_ms`.  ERR_NOT_FOUND: all are older; else as above. */
NODISCARD enum err log_lookup_offset(struct log_lookup *l, struct log *log, int64_t time_ms, uint64_t *offset);

/* Copies the batches as they are stored, from the one that holds `offset` on, as many as fit in `room`; *next_offset is
 * behind them.  ERR_TOO_LARGE: the first does not fit, and `room` has its beginning; *bytes is its size, *next_offset
 * behind it.  Else as log_lookup_time. */
NODISCARD enum err log_lookup_batches(struct log_lookup *l, struct log *log, uint64_t offset, uint8_t *room,
                                      uint32_t room_bytes, uint32_t *bytes, uint64_t *next_offset);

/* Each turn of the control loop: gives the lookups their time again, and lets go of files that storage has removed. */
void log_lookup_tidy(struct log_lookup *l);

#endif
