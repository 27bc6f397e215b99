/* tests/e2e/stream_record.h -- a dts-avro record as a consumer sees it, decoded by libavro with the tests' schema.
 *
 * Values are made canonical text, so that they compare byte for byte with what a SELECT gives (table_copy.c makes
 * the same of its side): integers and decimals as written, strings and blobs as their bytes, doubles with 17 digits,
 * temporals as `YYYY-MM-DD hh:mm:ss.ffffff` in UTC without trailing zeros of the fraction. */
#ifndef TESTS_E2E_STREAM_RECORD_H
#define TESTS_E2E_STREAM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_COLUMNS_MAX = 256, ROW_VALUE_NULL = UINT32_MAX, ROW_VALUE_ABSENT = UINT32_MAX - 1 };
enum stream_operation {
    STREAM_INSERT = 0, STREAM_UPDATE = 1, STREAM_DELETE = 2, STREAM_DDL = 3,
    STREAM_BEGIN = 4, STREAM_COMMIT = 5, STREAM_HEARTBEAT = 8
};

/* One row: for each column a u32 length (ROW_VALUE_NULL: SQL NULL), then the bytes.  Grows; its maker frees it. */
struct row_bytes {
    uint8_t *bytes;
    size_t   size, capacity;
    size_t   first_size; /* bytes of the first column, length included: the key */
    uint32_t column_count;
    bool     takes_absent; /* a column that is not in the image is ROW_VALUE_ABSENT; else a fault */
};
void row_clear(struct row_bytes *r);
void row_add(struct row_bytes *r, const void *bytes, size_t size); /* bytes NULL: SQL NULL */
void row_free(struct row_bytes *r);

/* Removes a fraction's trailing zeros, and its point, from a temporal's text; returns the new length. */
size_t temporal_trim(char *text, size_t size);

struct stream_record {
    enum stream_operation operation;
    int64_t id, timestamp_s;
    char object[512]; /* "" when null */
    bool has_before, has_after;
    struct row_bytes before, after;
    size_t ddl_size;
};

struct stream_decoder;
struct stream_decoder *stream_decoder_open(const char *schema_file, char *why, size_t why_size);
void stream_decoder_close(struct stream_decoder *d);
/* False: the bytes are no record of the schema, or break a rule of the format; `why` says which. */
bool stream_decode(struct stream_decoder *d, const void *bytes, size_t size, struct stream_record *out, char *why,
                   size_t why_size);

#endif
