/* capture/inflate.h -- MariaDB's compressed events and compressed columns, unpacked.
 *
 * Both are a head that tells the unpacked length, then a zlib stream.  An event's head is a byte (0x80, the algorithm
 * in bits 4 to 6, of which 0 is zlib, and the count of length bytes in bits 0 to 2) and the length, big-endian.  A
 * column's first byte has the method in its upper half (0: stored as it is, 8: zlib), bit 3 for a raw deflate stream
 * and the count of length bytes in bits 0 to 2.  Sources: MariaDB's knowledge base, "Compressing Events to Reduce Size
 * of the Binary Log" and "Storage-Engine Independent Column Compression"; recorded files. */
#ifndef CAPTURE_INFLATE_H
#define CAPTURE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"

struct inflater; /* for the rows of one compressed event after the other, through a window, and for columns beside */

/* `window_bytes_max` bounds the window: no row may be longer as it is stored. */
NODISCARD enum err inflater_open(struct inflater **out, size_t window_bytes_max);
void inflater_close(struct inflater *s); /* NULL: nothing */

/* Begins with what follows an event's columns.  Borrows `in` until the stream is done.  ERR_CORRUPT; ERR_UNSUPPORTED:
 * another algorithm; ERR_NO_MEMORY. */
NODISCARD enum err inflater_rows_begin(struct inflater *s, const uint8_t *in, size_t size);

/* More bytes behind those from *at to *end, which move (what lay before *at is lost); none at first.  ERR_CORRUPT: the
 * stream is broken or done; ERR_TOO_LARGE: the window is full; ERR_NO_MEMORY. */
NODISCARD enum err inflater_rows_more(struct inflater *s, const uint8_t **at, const uint8_t **end);

/* Is everything unpacked? */
bool inflater_rows_done(const struct inflater *s);

/* An event's packed part at once, behind a copy of the bytes that stand before it.  `*out` is malloc'd, the caller
 * frees it.  ERR_TOO_LARGE: the part has more than `size_max`; ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NO_MEMORY. */
NODISCARD enum err inflate_event(const uint8_t *before, size_t before_bytes, const uint8_t *in, size_t size,
                                 size_t size_max, uint8_t **out, size_t *out_bytes);

/* A compressed column's value: `*value` is in `in` (stored as it is) or was written to `room`.  `size_max`: of the
 * column.  ERR_NO_SPACE: `room` does not hold it; ERR_CORRUPT. */
NODISCARD enum err inflater_column(struct inflater *s, struct sink *room, const uint8_t *in, size_t size,
                                   size_t size_max, const uint8_t **value, size_t *value_bytes);

#endif
