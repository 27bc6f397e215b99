/* capture/json_binary.h -- MySQL's binary JSON to the text that the server prints.
 * Format: sql/json_binary.h of MySQL 5.7 describes it (the comment at its top). */
#ifndef CAPTURE_JSON_BINARY_H
#define CAPTURE_JSON_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"

enum { JSON_DEPTH_MAX = 100 }; /* MySQL's own limit */

/* Writes the text of the document `bytes` to `out`, as CAST(doc AS CHAR) prints it.  `double_keeps_point`: a double
 * that is a whole number prints as 1.0, as MySQL 8 does; 5.7 prints 1.  No allocation.  Any thread. ERR_CORRUPT;
 * ERR_NO_SPACE: `out` is too small (out->failed is set). */
NODISCARD enum err json_binary_print(struct sink *out, const uint8_t *bytes, size_t size, bool double_keeps_point);

#endif
