/* capture/payload.h -- TRANSACTION_PAYLOAD (MySQL 8.0.20): a transaction's events, compressed into one event.
 *
 * The body is a list of fields (type, size, value; all length-encoded integers) and then the bytes: frames of zstd, or
 * the events as they are.  The events within have no checksum, and positions that mean nothing in the file: the place
 * behind all of them is the end of the event that holds them.
 * Source of the format: MySQL's documentation, "Transaction_payload_event"; RFC 8878 (Zstandard). */
#ifndef CAPTURE_PAYLOAD_H
#define CAPTURE_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "capture/binlog_header.h"

enum {
    PAYLOAD_BUFFER_BYTES = 256 * 1024,
    PAYLOAD_WINDOW_BYTES = 8 << 20, /* what zstd keeps at the levels that sources use; 128 MiB at its highest */
};

/* Takes events out of payloads.  Its memory is the largest event within one, whatever the payload's size; kept from
 * one to the next.  Zero is a fresh one. */
struct payload_reader {
    struct ZSTD_DCtx_s *stream;
    uint8_t *bytes; /* unpacked, from the first event that is not whole yet */
    size_t capacity;
};
void payload_reader_free(struct payload_reader *r);

/* One event: its header (next_position made 0, for nothing in the file), and its body. */
typedef enum err payload_event(void *context, const struct binlog_header *h, struct cursor body, struct err_msg *msg);

/* Calls `each` for the events within, in order; its error ends the call and is returned.  `event_bytes_max`: of one.
 * ERR_CORRUPT, ERR_UNSUPPORTED (another compression), ERR_TOO_LARGE, ERR_NO_MEMORY; `msg` says it without the place. */
NODISCARD enum err payload_events(struct payload_reader *r, struct cursor body, uint64_t event_bytes_max,
                                  payload_event *each, void *context, struct err_msg *msg);

#endif
