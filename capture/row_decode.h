/* capture/row_decode.h -- WRITE, UPDATE and DELETE_ROWS events (v1: 23-25, v2: 30-32, PARTIAL_UPDATE_ROWS: 39,
 * MariaDB's compressed ones: 166-171) to arrays of change values.
 *
 * A table's decoder is prepared once from its TABLE_MAP and its definition; then each column is one switch on a small
 * op code.  Values borrow the event's bytes, the definition's labels, or the arena.  Every read is bounded by the
 * event; a malformed one is ERR_CORRUPT.  Format: MySQL Internals, "Rows_event". */
#ifndef CAPTURE_ROW_DECODE_H
#define CAPTURE_ROW_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "capture/schema.h"
#include "capture/table_map.h"
#include "formats/change_event.h"

enum {
    ROWS_WRITE_V1 = 23,
    ROWS_UPDATE_V1 = 24,
    ROWS_DELETE_V1 = 25,
    ROWS_WRITE_V2 = 30,
    ROWS_UPDATE_V2 = 31,
    ROWS_DELETE_V2 = 32,
    ROWS_PARTIAL_UPDATE = 39,
    ROWS_WRITE_COMPRESSED_V1 = 166,
    ROWS_UPDATE_COMPRESSED_V1 = 167,
    ROWS_DELETE_COMPRESSED_V1 = 168,
    ROWS_WRITE_COMPRESSED_V2 = 169,
    ROWS_UPDATE_COMPRESSED_V2 = 170,
    ROWS_DELETE_COMPRESSED_V2 = 171
};
enum { ROWS_FLAG_STATEMENT_END = 1 };

struct rows_event {                  /* a rows event's header; pointers into the event */
    enum change_operation operation; /* INSERT, UPDATE, DELETE */
    uint64_t table_id;
    uint16_t flags;
    uint16_t column_count;         /* 0 in the dummy event that only ends a statement */
    const uint8_t *present_before; /* bitmap, bit i of byte i/8; NULL: no such image */
    const uint8_t *present_after;
    const uint8_t *rows; /* the row images, or what they are packed in */
    size_t rows_bytes;
    bool is_compressed;
    bool is_partial_json; /* JSON columns of after images may be told as changes */
};

/* rows_event_decode reads the body (after the 19-byte header, without checksum).  ERR_CORRUPT; ERR_UNSUPPORTED: another
 * event type. */
NODISCARD enum err rows_event_decode(struct rows_event *out, uint8_t type, const uint8_t *body, size_t size,
                                     struct err_msg *msg);

struct row_column { /* one column's op and what it needs, prepared */
    uint8_t op;
    uint8_t size; /* bytes of a fixed value, or of the length prefix: what must be there at least */
    uint8_t precision, scale;
    bool json_keeps_point; /* see struct schema_table */
    uint16_t json_index;   /* among the table's JSON columns */
    uint32_t length;       /* bytes at most; BINARY(n): n */
    const struct schema_column *schema;
};

struct row_decoder {
    struct row_column *column; /* event_columns */
    uint16_t event_columns;
    uint16_t value_count; /* columns of the definition: event_columns less the hidden ones */
    bool has_compressed; /* columns */
    bool has_text;       /* columns that are converted to utf8mb4 */
    bool has_period;     /* the last two columns are hidden: from when to when the row is part of the table */
    uint16_t json_count;
    struct row_json *json; /* json_count: scratch of one row's decoding */
    const struct schema_table *definition;
};

/* Prepares `d` (zeroed, or prepared before: then released first) for rows that `map` describes.  Checks the map against
 * the definition: ERR_SCHEMA, ERR_UNSUPPORTED; ERR_NO_MEMORY.  The definition must outlive the decoder's use. */
NODISCARD enum err row_decoder_prepare(struct row_decoder *d, const struct table_map *map,
                                       const struct schema_table *definition, struct err_msg *msg);
void row_decoder_release(struct row_decoder *d);

/* Room for text made while decoding one row: DECIMAL, SET, JSON, padded BINARY, unpacked or converted columns.  It
 * grows to `size_max` when a row needs it.  A compressed event is unpacked through a window that grows to the same
 * size. */
struct row_arena {
    uint8_t *bytes;
    size_t size, size_max;
    struct inflater *inflater; /* made by the first compressed event or column */
    struct text_converter *converter; /* by the first column that is converted */
};
NODISCARD enum err row_arena_init(struct row_arena *a, size_t size, size_t size_max);
void row_arena_fini(struct row_arena *a);

struct row_reader {
    const struct rows_event *event;
    const struct row_decoder *decoder;
    struct row_arena *arena;
    const uint8_t *at, *end;
    const uint8_t *row;  /* the last row's images, up to `at` */
    uint8_t operation;   /* the last row's: the event's, but for a table that keeps its history; see is_history */
    bool is_history;     /* the last row is of the table's history, of which SELECT shows nothing: no change */
    uint64_t rows;       /* read so far */
    bool is_packed_left; /* a compressed event has more behind `end` */
    bool is_partial;     /* an image lacks columns: see row_reader_fill */
    uint16_t present_before_count, present_after_count;
};

/* Starts reading the rows of `event`.  All three are borrowed until the last row.  ERR_CORRUPT: the event has another
 * number of columns than its TABLE_MAP, or is packed wrongly; ERR_UNSUPPORTED: packed in an unknown way. */
NODISCARD enum err row_reader_init(struct row_reader *r, const struct rows_event *event,
                                   const struct row_decoder *decoder, struct row_arena *arena, struct err_msg *msg);
static inline bool row_reader_more(const struct row_reader *r)
{
    return r->at < r->end || r->is_packed_left;
}

/* A system-versioned table (MariaDB) with hidden period columns: an UPDATE that ends a row's period is told as DELETE,
 * and the copies for the history are marked is_history.
 * Decodes the next row into `before` and `after` (value_count each; the one the operation has not is untouched and may
 * be NULL).  Columns that are not in the row image become CHANGE_VALUE_ABSENT.  The values are valid until the next
 * call. ERR_CORRUPT; ERR_TOO_LARGE: the row's text does not fit in arena->size_max; ERR_SOURCE_CONFIG: a JSON column is
 * told as changes of a document that is not in the event; ERR_NO_MEMORY. */
NODISCARD enum err row_reader_next(struct row_reader *r, struct change_value *before, struct change_value *after,
                                   struct err_msg *msg);

/* Completes a row of a reader that is_partial: what an UPDATE's after image lacks did not change, so it is taken from
 * the before image.  Returns the first column that an image still lacks; the decoder's value_count: none. */
uint16_t row_reader_fill(const struct row_reader *r, const struct change_value *before, struct change_value *after);

#endif
