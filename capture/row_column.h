/* capture/row_column.h -- how one column's values are stored in row images, and their decoding.  Used by row_decode.c
 * only. */
#ifndef CAPTURE_ROW_COLUMN_H
#define CAPTURE_ROW_COLUMN_H

#include <stdint.h>

#include "base/err.h"
#include "base/sink.h"
#include "capture/inflate.h"
#include "capture/row_decode.h"

struct row_aids { /* what few tables need */
    struct inflater *inflater;        /* there when the table has compressed columns */
    struct text_converter *converter; /* the same for columns that are converted */
    struct row_json *json; /* PARTIAL_UPDATE_ROWS: of the JSON columns in the before image; else NULL */
    const uint8_t *diffs;  /* there, in an after image: bit per JSON column that is told as changes; NULL: none is */
    bool is_after;
    bool is_current[2]; /* has_period: the image before, after is of a row of today */
};

struct row_scan { /* where a row image is being read, and where text for it goes */
    const uint8_t *at, *end;
    struct sink text;
    struct row_aids *aids;
    enum err error; /* of the value that could not be decoded */
};

struct row_json { /* a JSON column's document in the before image; NULL: not there, or SQL NULL */
    const uint8_t *bytes;
    size_t size;
    bool is_present;
};

/* What stands before an after image of PARTIAL_UPDATE_ROWS: options, and aids->diffs.  ERR_CORRUPT. */
NODISCARD enum err row_json_options(struct row_scan *scan, const struct row_decoder *d);

/* Prepares the op of a column that is stored as `type` with `metadata` (as struct table_map has them).  `column` and
 * `schema` are NULL for a hidden column, whose values are stepped over.  ERR_UNSUPPORTED: no op for the type. */
NODISCARD enum err row_column_prepare(struct row_column *out, uint8_t type, uint16_t metadata,
                                      const struct change_column *column, const struct schema_column *schema);

/* Reads one row image: the NULL bitmap, then the values of the columns in the bitmap `present`, of which
 * `present_count` bits are set. ERR_CORRUPT, with the column's index in *bad_column; ERR_NO_SPACE: the text does not
 * fit; ERR_SOURCE_CONFIG: a JSON column is told as changes of a document that the before image lacks. */
NODISCARD enum err row_image_decode(struct row_scan *scan, const struct row_decoder *d, const uint8_t *present,
                                    uint16_t present_count, struct change_value *value, uint16_t *bad_column);

#endif
