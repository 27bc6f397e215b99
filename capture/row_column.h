/* capture/row_column.h -- how one column's values are stored in row images, and their decoding.  Used by row_decode.c
 * only. */
#ifndef CAPTURE_ROW_COLUMN_H
#define CAPTURE_ROW_COLUMN_H

#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"
#include "capture/row_decode.h"

struct row_scan { /* where a row image is being read, and where text for it goes */
    const uint8_t *at, *end;
    struct sink text;
};

/* Prepares the op of a column that is stored as `type` with `metadata` (as struct table_map has them).  `column` and
 * `schema` are NULL for a hidden column, whose values are stepped over.  ERR_UNSUPPORTED: no op for the type. */
NODISCARD enum err row_column_prepare(struct row_column *out, uint8_t type, uint16_t metadata,
                                      const struct change_column *column, const struct schema_column *schema);

/* Reads one row image: the NULL bitmap, then the values of the columns in the bitmap `present`, of which
 * `present_count` bits are set. ERR_CORRUPT, with the column's index in *bad_column; ERR_NO_SPACE: the text does not
 * fit. */
NODISCARD enum err row_image_decode(struct row_scan *scan, const struct row_decoder *d, const uint8_t *present,
                                    uint16_t present_count, struct change_value *value, uint16_t *bad_column);

#endif
