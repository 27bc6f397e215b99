/* capture/json_diff.h -- MySQL's partial updates of JSON columns (binlog_row_value_options=PARTIAL_JSON): the changes
 * of a document applied to the document before.
 *
 * A list of changes, each: operation (0 replace, 1 insert, 2 remove), the path with its length in front, and, but for
 * remove, the new value as binary JSON with its length in front.  Source: MySQL's sql/json_diff.h, "Json_diff". */
#ifndef CAPTURE_JSON_DIFF_H
#define CAPTURE_JSON_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"

/* json_diff_print applies `diffs` to the binary document `before` and prints the result as json_binary_print does.  The
 * tree of what is touched is built in `room`, in front of the text: *text, *text_bytes.  ERR_CORRUPT: malformed, or a
 * change does not fit the document (its path is not there); ERR_NO_SPACE: `room` is too small.  Any thread. */
NODISCARD enum err json_diff_print(struct sink *room, const uint8_t *before, size_t before_bytes, const uint8_t *diffs,
                                   size_t diffs_bytes, bool double_keeps_point, const uint8_t **text,
                                   size_t *text_bytes);

#endif
