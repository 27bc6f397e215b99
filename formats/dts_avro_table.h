/* formats/dts_avro_table.h -- private to dts_avro: what of a record is the same for every row of a table.
 *
 * A row's record is: position and source (event), operation, `head` (object name up to the first tags), the tags
 * that change, `fields`, the images, the time.  head and fields are copied as they are. */
#ifndef FORMATS_DTS_AVRO_TABLE_H
#define FORMATS_DTS_AVRO_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "formats/change_event.h"

enum {
    DTS_PREFIX_MAX      = 58, /* bytes; fills the column's cache line */
    DTS_PREFIX_COPY     = 16, /* copied at once, whatever the prefix's size: room behind the record */
    DTS_HEAD_TAGS       = 3,  /* tags begun in head: pk_uk_info, metaVersion, the key of readerThroughoutTime */
};

/* The branches of an image item's union, in the schema's order, as the byte that stands for them (zigzag). */
enum dts_branch {
    DTS_NULL = 0 << 1, DTS_INTEGER = 1 << 1, DTS_CHARACTER = 2 << 1, DTS_DECIMAL = 3 << 1, DTS_FLOAT = 4 << 1,
    DTS_TIMESTAMP = 5 << 1, DTS_DATETIME = 6 << 1, DTS_BINARY_GEOMETRY = 8 << 1, DTS_BINARY_OBJECT = 10 << 1,
    DTS_TEXT_OBJECT = 11 << 1, DTS_EMPTY_OBJECT = 12 << 1,
};

enum dts_layout { /* how a value of a kind is written */
    DTS_LAYOUT_PLAIN, /* prefix, then the value */
    DTS_LAYOUT_DECIMAL,
    DTS_LAYOUT_DATE, DTS_LAYOUT_TIME, DTS_LAYOUT_DATETIME, DTS_LAYOUT_YEAR,
    DTS_LAYOUT_GEOMETRY,
};

struct dts_column {
    uint16_t accepts;      /* bit per enum change_value_kind that capture may send for this type */
    uint8_t  layout;       /* enum dts_layout */
    uint8_t  scale;        /* DECIMAL */
    uint8_t  prefix_bytes;
    uint8_t  reserved;
    uint8_t  prefix[DTS_PREFIX_MAX]; /* the branch and what follows it before the value: precision, charset or type */
};
_Static_assert(sizeof(struct dts_column) == 64, "a column is one cache line");

struct dts_table {
    const uint8_t  *head, *fields;
    const uint16_t *sized;        /* the columns whose values bring their size with them */
    uint32_t head_bytes, fields_bytes;
    uint32_t tag_count_at;        /* in head: the map's count, one byte */
    uint32_t image_bytes_max;     /* an image without the bytes of its sized values */
    uint16_t column_count, sized_count;
    struct dts_column column[];   /* column_count, then what the pointers above point to */
};

/* ERR_NO_MEMORY.  ERR_INVALID: a text column without a charset, or with a name of more than 50 bytes. */
enum err dts_table_prepare(struct change_table *table);
void     dts_table_release(struct change_table *table);

/* A part of an object name with its dots written as \u002E.  escaped_bytes counts what put_escaped will write. */
size_t   dts_name_escaped_bytes(const char *name);
uint8_t *dts_name_put_escaped(uint8_t *at, const char *name);

#endif
