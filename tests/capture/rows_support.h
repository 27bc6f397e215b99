/* tests/capture/rows_support.h -- for the tests of row decoding: binlog files from disk, values as the server prints
 * them. */
#ifndef TESTS_CAPTURE_ROWS_SUPPORT_H
#define TESTS_CAPTURE_ROWS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/change_event.h"

enum {
    EVENT_QUERY = 2,
    EVENT_ROTATE = 4,
    EVENT_FORMAT_DESCRIPTION = 15,
    EVENT_XID = 16,
    EVENT_TABLE_MAP = 19,
    EVENT_XA_PREPARE = 38,
    EVENT_MARIADB_GTID = 162
};

struct binlog_file {
    uint8_t *bytes;
    size_t size, at;
    bool has_checksum;
};
struct binlog_file_event {
    uint8_t type;
    const uint8_t *body; /* after the header, without checksum */
    size_t size;
};

/* false: cannot be read, or is no binlog. */
bool binlog_file_open(struct binlog_file *f, const char *path);
void binlog_file_close(struct binlog_file *f);
bool binlog_file_next(struct binlog_file *f, struct binlog_file_event *e); /* false: end, or a cut event */

/* The text of a QUERY event (5.0 and later), not NUL-terminated. */
const char *binlog_file_query(const struct binlog_file_event *e, size_t *size);

struct cell {    /* a value as text, or as stored for strings; NULL and absent values have no bytes */
    char *bytes; /* owned, NUL behind */
    size_t size;
    bool is_absent;
};
/* DATE, TIME, ... as the server prints them; FLOAT and DOUBLE with 17 digits; BIT as a number; strings as stored. */
struct cell cell_of(const struct change_column *column, const struct change_value *value);
bool cell_equal(const struct cell *a, const struct cell *b);

struct row_list {
    struct cell **row; /* column_count cells each */
    size_t count, capacity;
};
/* Applies a row change by its images: an absent column of a before image matches anything; one of an after image keeps
 * its value (INSERT: NULL).  false: no row matches the before image. */
bool row_list_apply(struct row_list *l, const struct change_table *t, enum change_operation operation,
                    const struct change_value *before, const struct change_value *after);
void row_list_free(struct row_list *l, uint16_t column_count);

#endif
