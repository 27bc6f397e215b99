#include "formats/dts_avro_row.h"

#include "base/invariant.h"
#include "formats/avro_put.h"
#include "formats/float_text.h"

enum {
    PART      = 1 << 1, /* a DateTime's part is there: branch int */
    NO_PART   = 0,
    SRID_BYTES = 4,     /* stored before a geometry's WKB */
    EMPTY_OBJECT_NONE = 1 << 1,
    FLOAT_PRECISION = 38, DOUBLE_PRECISION = 308,
};

size_t dts_image_bytes_max(const struct dts_table *table, const struct change_value *values)
{
    size_t size = table->image_bytes_max;
    for (unsigned i = 0; i < table->sized_count; i++) {
        const struct change_value *v = &values[table->sized[i]];
        if (v->kind == CHANGE_VALUE_BYTES || v->kind == CHANGE_VALUE_TEXT) size += v->size;
    }
    return size;
}

static inline uint8_t *prefix_put(uint8_t *at, const struct dts_column *c)
{
    memcpy(at, c->prefix, DTS_PREFIX_COPY); /* a constant size is one instruction; what is too much is overwritten */
    if (c->prefix_bytes > DTS_PREFIX_COPY)
        memcpy(at + DTS_PREFIX_COPY, c->prefix + DTS_PREFIX_COPY, c->prefix_bytes - DTS_PREFIX_COPY);
    return at + c->prefix_bytes;
}

static inline uint8_t *part_put(uint8_t *at, int64_t value)
{
    *at++ = PART;
    return avro_put_long(at, value);
}

static inline uint8_t *no_parts_put(uint8_t *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++) *at++ = NO_PART;
    return at;
}

static uint8_t *year_put(uint8_t *at, const struct dts_column *c, int64_t year)
{
    return no_parts_put(part_put(prefix_put(at, c), year), 6);
}

static uint8_t *datetime_put(uint8_t *at, const struct dts_column *c, const struct change_datetime *t)
{
    at = prefix_put(at, c);
    if (c->layout == DTS_LAYOUT_TIME) {
        at = no_parts_put(at, 3);
    } else {
        at = part_put(at, t->year);
        at = part_put(at, t->month);
        at = part_put(at, t->day);
    }
    if (c->layout == DTS_LAYOUT_DATE) return no_parts_put(at, 4);
    int sign = t->is_negative ? -1 : 1; /* consumers want it on each part */
    at = part_put(at, sign * t->hour);
    at = part_put(at, sign * t->minute);
    at = part_put(at, sign * t->second);
    return part_put(at, sign * (int64_t)t->microsecond); /* in the field `millis`: consumers read microseconds there */
}

static uint8_t *timestamp_put(uint8_t *at, const struct dts_column *c, const struct change_value *v)
{
    at = avro_put_long(prefix_put(at, c), v->ts.seconds);
    return avro_put_long(at, v->ts.microsecond); /* in the field `millis`, as above */
}

static uint8_t *double_put(uint8_t *at, const struct dts_column *c, double value, unsigned precision)
{
    at = avro_put_double(prefix_put(at, c), value);
    at = avro_put_long(at, precision);
    return avro_put_long(at, 0); /* scale */
}

/* Value text, digits of this value (not of the column), scale. */
static uint8_t *decimal_item_put(uint8_t *at, const struct dts_column *c, const struct change_value *v)
{
    unsigned marks = c->scale > 0; /* the point */
    if (v->size > 0 && v->bytes[0] == '-') marks++;
    INVARIANT(v->size > marks);
    at = avro_put_bytes(prefix_put(at, c), v->bytes, v->size);
    at = avro_put_long(at, v->size - marks);
    return avro_put_long(at, c->scale);
}

static inline uint8_t *sized_put(uint8_t *at, const struct dts_column *c, const struct change_value *v)
{
    if (c->layout == DTS_LAYOUT_DECIMAL) return decimal_item_put(at, c, v);
    uint32_t skip = 0;
    if (c->layout == DTS_LAYOUT_GEOMETRY) skip = v->size < SRID_BYTES ? v->size : SRID_BYTES;
    return avro_put_bytes(prefix_put(at, c), v->bytes + skip, v->size - skip);
}

static inline uint8_t *item_put(uint8_t *at, const struct dts_column *c, const struct change_value *v)
{
    INVARIANT(v->kind < 16 && (c->accepts >> v->kind & 1) != 0);
    switch ((enum change_value_kind)v->kind) {
    case CHANGE_VALUE_INT:
        if (c->layout == DTS_LAYOUT_YEAR) return year_put(at, c, v->i);
        return avro_put_signed_text(prefix_put(at, c), v->i);
    case CHANGE_VALUE_UINT: return avro_put_unsigned_text(prefix_put(at, c), v->u);
    case CHANGE_VALUE_BYTES:
    case CHANGE_VALUE_TEXT: return sized_put(at, c, v);
    case CHANGE_VALUE_DATETIME: return datetime_put(at, c, &v->t);
    case CHANGE_VALUE_TIMESTAMP: return timestamp_put(at, c, v);
    case CHANGE_VALUE_DOUBLE: return double_put(at, c, v->d, DOUBLE_PRECISION);
    case CHANGE_VALUE_FLOAT: return double_put(at, c, float_shortest(v->d), FLOAT_PRECISION);
    case CHANGE_VALUE_ABSENT:
        at[0] = DTS_EMPTY_OBJECT;
        at[1] = EMPTY_OBJECT_NONE;
        return at + 2;
    case CHANGE_VALUE_NULL: break;
    }
    *at++ = DTS_NULL;
    return at;
}

uint8_t *dts_image_put(uint8_t *at, const struct dts_table *table, const struct change_value *values)
{
    *at++ = 2 << 1; /* the image is an array */
    if (table->column_count > 0) at = avro_put_long(at, table->column_count);
    for (unsigned i = 0; i < table->column_count; i++) at = item_put(at, &table->column[i], &values[i]);
    *at++ = 0; /* end of the array */
    return at;
}
