#include "capture/row_column.h"

#include <string.h>

#include "base/cursor.h"
#include "capture/decimal.h"
#include "capture/inflate.h"
#include "capture/json_binary.h"
#include "capture/json_diff.h"
#include "capture/row_bytes.h"
#include "capture/row_special.h"
#include "capture/row_temporal.h"

/* One op for each way in which a value is stored.  row_column.size bytes must be there before an op looks. */
enum row_op {
    OP_SIGNED1,
    OP_SIGNED2,
    OP_SIGNED3,
    OP_SIGNED4,
    OP_SIGNED8,
    OP_UNSIGNED1,
    OP_UNSIGNED2,
    OP_UNSIGNED3,
    OP_UNSIGNED4,
    OP_UNSIGNED8,
    OP_FLOAT,
    OP_DOUBLE,
    OP_DECIMAL,
    OP_BIT,
    OP_YEAR,
    OP_DATE,
    OP_TIME,
    OP_TIME2,
    OP_DATETIME,
    OP_DATETIME2,
    OP_TIMESTAMP,
    OP_TIMESTAMP2,
    OP_TIME_HIRES,
    OP_DATETIME_HIRES,
    OP_TIMESTAMP_HIRES, /* MariaDB 5.3 to 10.0, and later under mysql56_temporal_format=OFF */
    OP_BYTES,           /* `size` bytes of length, then the value */
    OP_BINARY,          /* the same; stored without trailing zero bytes, which belong to the value */
    OP_JSON,
    OP_COMPRESSED, /* MariaDB's COMPRESSED columns */
    OP_TEXT,       /* as OP_BYTES, converted to utf8mb4 */
    OP_ENUM,
    OP_SET,
    OP_INET4,
    OP_INET6,
    OP_UUID,
};

/* ---- preparing ---- */

static void set_op(struct row_column *out, enum row_op op, unsigned size)
{
    out->op = (uint8_t)op;
    out->size = (uint8_t)size;
}

/* The stored types of integers follow one another in OP_SIGNED1.. and OP_UNSIGNED1... */
static void set_integer(struct row_column *out, enum row_op is_signed, unsigned size, bool is_unsigned)
{
    set_op(out, is_unsigned ? is_signed + (OP_UNSIGNED1 - OP_SIGNED1) : is_signed, size);
}

/* Old TIME, DATETIME, TIMESTAMP: without fraction as ever; with one, in MariaDB's own way, of which the binlog tells
 * nothing. */
static enum err prepare_old_temporal(struct row_column *out, uint8_t type, unsigned digits)
{
    static const uint8_t time_bytes[7] = {3, 4, 4, 5, 5, 5, 6}, datetime_bytes[7] = {8, 6, 6, 7, 7, 7, 8};
    static const uint8_t fraction_bytes[7] = {0, 1, 1, 2, 2, 3, 3};

    if (digits > 6) return ERR_UNSUPPORTED;
    if (type == COLUMN_TIME)
        set_op(out, digits == 0 ? OP_TIME : OP_TIME_HIRES, time_bytes[digits]);
    else if (type == COLUMN_DATETIME)
        set_op(out, digits == 0 ? OP_DATETIME : OP_DATETIME_HIRES, datetime_bytes[digits]);
    else
        set_op(out, digits == 0 ? OP_TIMESTAMP : OP_TIMESTAMP_HIRES, 4u + fraction_bytes[digits]);
    return ERR_OK;
}

static enum err prepare_temporal(struct row_column *out, uint8_t type, unsigned digits)
{
    unsigned fraction_bytes = (digits + 1) / 2;

    if (digits > 6) return ERR_UNSUPPORTED;
    out->scale = (uint8_t)digits;
    if (type == COLUMN_TIME2)
        set_op(out, OP_TIME2, 3 + fraction_bytes);
    else if (type == COLUMN_DATETIME2)
        set_op(out, OP_DATETIME2, 5 + fraction_bytes);
    else
        set_op(out, OP_TIMESTAMP2, 4 + fraction_bytes);
    return ERR_OK;
}

static enum err prepare_decimal(struct row_column *out, uint16_t metadata)
{
    out->precision = (uint8_t)(metadata >> 8);
    out->scale = (uint8_t)metadata;
    if (out->precision < 1 || out->precision > DECIMAL_PRECISION_MAX || out->scale > DECIMAL_SCALE_MAX ||
        out->scale > out->precision)
        return ERR_UNSUPPORTED;
    set_op(out, OP_DECIMAL, decimal_size(out->precision, out->scale));
    return ERR_OK;
}

/* Text that is to be converted, where bytes are stored. */
static void set_text_op(struct row_column *out)
{
    if (out->op == OP_BYTES && out->schema != NULL && out->schema->text != NULL) out->op = OP_TEXT;
}

static enum err prepare_string(struct row_column *out, uint16_t metadata, const struct change_column *column)
{
    static const uint8_t special_op[] = {
        [SCHEMA_SPECIAL_INET4] = OP_INET4, [SCHEMA_SPECIAL_INET6] = OP_INET6, [SCHEMA_SPECIAL_UUID] = OP_UUID};
    unsigned special = out->schema == NULL ? SCHEMA_SPECIAL_NONE : out->schema->special;

    out->length = metadata;
    set_op(out, OP_BYTES, metadata > 255 ? 2 : 1);
    if (column != NULL && column->type == CHANGE_BINARY) out->op = OP_BINARY;
    if (special < sizeof special_op && special_op[special] != 0) out->op = special_op[special];
    set_text_op(out);
    return ERR_OK;
}

enum err row_column_prepare(struct row_column *out, uint8_t type, uint16_t metadata, const struct change_column *column,
                            const struct schema_column *schema)
{
    bool is_unsigned = column != NULL && column->is_unsigned;

    *out = (struct row_column){.schema = schema};
    switch (type) {
    case COLUMN_TINY: set_integer(out, OP_SIGNED1, 1, is_unsigned); return ERR_OK;
    case COLUMN_SHORT: set_integer(out, OP_SIGNED2, 2, is_unsigned); return ERR_OK;
    case COLUMN_INT24: set_integer(out, OP_SIGNED3, 3, is_unsigned); return ERR_OK;
    case COLUMN_LONG: set_integer(out, OP_SIGNED4, 4, is_unsigned); return ERR_OK;
    case COLUMN_LONGLONG: set_integer(out, OP_SIGNED8, 8, is_unsigned); return ERR_OK;
    case COLUMN_FLOAT: set_op(out, OP_FLOAT, 4); return ERR_OK;
    case COLUMN_DOUBLE: set_op(out, OP_DOUBLE, 8); return ERR_OK;
    case COLUMN_YEAR: set_op(out, OP_YEAR, 1); return ERR_OK;
    case COLUMN_DATE:
    case COLUMN_NEWDATE: set_op(out, OP_DATE, 3); return ERR_OK;
    case COLUMN_NEWDECIMAL: return prepare_decimal(out, metadata);
    case COLUMN_BIT:
        if (metadata < 1 || metadata > 64) return ERR_UNSUPPORTED;
        set_op(out, OP_BIT, (metadata + 7u) / 8);
        return ERR_OK;
    case COLUMN_TIME:
    case COLUMN_DATETIME:
    case COLUMN_TIMESTAMP:
        if (column != NULL) out->scale = column->scale;
        return prepare_old_temporal(out, type, out->scale);
    case COLUMN_TIME2:
    case COLUMN_DATETIME2:
    case COLUMN_TIMESTAMP2: return prepare_temporal(out, type, metadata);
    case COLUMN_VARCHAR:
    case COLUMN_STRING:
    case COLUMN_VAR_STRING: return prepare_string(out, metadata, column);
    case COLUMN_TINY_BLOB:
    case COLUMN_BLOB:
    case COLUMN_MEDIUM_BLOB:
    case COLUMN_LONG_BLOB:
    case COLUMN_GEOMETRY:
    case COLUMN_VECTOR:
    case COLUMN_JSON:
        if (metadata < 1 || metadata > 4) return ERR_UNSUPPORTED;
        set_op(out, type == COLUMN_JSON ? OP_JSON : OP_BYTES, metadata);
        set_text_op(out);
        out->length = UINT32_MAX;
        return ERR_OK;
    case COLUMN_VARCHAR_COMPRESSED:
        set_op(out, OP_COMPRESSED, metadata > 255 ? 2 : 1);
        out->length = metadata;
        return ERR_OK;
    case COLUMN_BLOB_COMPRESSED:
        if (metadata < 1 || metadata > 4) return ERR_UNSUPPORTED;
        set_op(out, OP_COMPRESSED, metadata);
        out->length = UINT32_MAX;
        return ERR_OK;
    case COLUMN_ENUM:
        if (schema == NULL || metadata < 1 || metadata > 2) return ERR_UNSUPPORTED;
        set_op(out, OP_ENUM, metadata);
        return ERR_OK;
    case COLUMN_SET:
        if (schema == NULL || metadata < 1 || metadata > 8) return ERR_UNSUPPORTED;
        set_op(out, OP_SET, metadata);
        for (unsigned i = 0; i < schema->label_count; i++) out->length += schema->label[i].size + 1;
        return ERR_OK;
    default: return ERR_UNSUPPORTED;
    }
}

/* ---- decoding ---- */

static inline void set_signed(struct change_value *v, int64_t value)
{
    v->kind = CHANGE_VALUE_INT;
    v->i = value;
}

static inline void set_unsigned(struct change_value *v, uint64_t value)
{
    v->kind = CHANGE_VALUE_UINT;
    v->u = value;
}

static inline void set_text(struct change_value *v, const void *bytes, size_t size)
{
    v->kind = CHANGE_VALUE_TEXT;
    v->size = (uint32_t)size;
    v->bytes = bytes;
}

static enum err decode_decimal(const uint8_t *p, const struct row_column *c, struct row_scan *s, struct change_value *v)
{
    if (sink_left(&s->text) < DECIMAL_PRINT_MAX) return ERR_NO_SPACE;
    unsigned size = decimal_print((char *)s->text.at, p, c->precision, c->scale);
    if (size == 0) return ERR_CORRUPT;
    set_text(v, s->text.at, size);
    s->text.at += size;
    return ERR_OK;
}

/* Index 0 is the empty label that MySQL stores for an invalid value. */
static enum err decode_enum(const uint8_t *p, const struct row_column *c, struct change_value *v)
{
    uint64_t index = little(p, c->size);
    if (index > c->schema->label_count) return ERR_CORRUPT;
    if (index == 0)
        set_text(v, (const uint8_t *)"", 0);
    else
        set_text(v, c->schema->label[index - 1].text, c->schema->label[index - 1].size);
    return ERR_OK;
}

static enum err decode_set(const uint8_t *p, const struct row_column *c, struct row_scan *s, struct change_value *v)
{
    const struct schema_label *label = c->schema->label;
    uint64_t bits = little(p, c->size);
    unsigned count = c->schema->label_count;

    if (count < 64 && bits >> count != 0) return ERR_CORRUPT;
    if (sink_left(&s->text) < c->length) return ERR_NO_SPACE;
    uint8_t *start = s->text.at, *to = start;
    for (; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits);
        if (to != start) *to++ = ',';
        memcpy(to, label[i].text, label[i].size);
        to += label[i].size;
    }
    set_text(v, start, (size_t)(to - start));
    s->text.at = to;
    return ERR_OK;
}

/* A JSON column that is told as changes: applied to the document of the before image. */
static enum err decode_json_diff(const uint8_t *bytes, size_t size, const struct row_column *c, struct row_scan *s,
                                 struct change_value *v)
{
    const struct row_json *before = &s->aids->json[c->json_index];
    const uint8_t *text;
    size_t text_bytes;

    if (!before->is_present) return ERR_SOURCE_CONFIG;
    TRY(json_diff_print(&s->text, before->bytes, before->size, bytes, size, c->json_keeps_point, &text, &text_bytes));
    set_text(v, text, text_bytes);
    return ERR_OK;
}

static enum err decode_json(const uint8_t *bytes, size_t size, const struct row_column *c, struct row_scan *s,
                            struct change_value *v)
{
    if (__builtin_expect(s->aids->json != NULL, 0)) {
        bool is_diff = s->aids->diffs != NULL && (s->aids->diffs[c->json_index / 8] >> (c->json_index % 8) & 1) != 0;
        if (is_diff) return decode_json_diff(bytes, size, c, s, v);
        if (!s->aids->is_after) s->aids->json[c->json_index] = (struct row_json){bytes, size, true};
    }
    struct sink out = s->text;
    TRY(json_binary_print(&out, bytes, size, c->json_keeps_point));
    set_text(v, s->text.at, (size_t)(out.at - s->text.at));
    s->text = out;
    return ERR_OK;
}

/* BINARY(n), and MariaDB's types that are stored like it: the zero bytes at its end are not in the row image. */
static enum err decode_padded(const uint8_t *bytes, size_t size, size_t full_size, struct row_scan *s,
                              const uint8_t **padded)
{
    *padded = bytes;
    if (size == full_size) return ERR_OK;
    if (sink_left(&s->text) < full_size) return ERR_NO_SPACE;
    uint8_t *to = s->text.at;
    memcpy(to, bytes, size);
    memset(to + size, 0, full_size - size);
    s->text.at += full_size;
    *padded = to;
    return ERR_OK;
}

/* Text in the column's character set, to utf8mb4. */
static enum err convert(const struct row_column *c, struct row_scan *s, const uint8_t **bytes, size_t *size)
{
    uint8_t *start = s->text.at;
    TRY(text_to_utf8(s->aids->converter, c->schema->text, *bytes, *size, &s->text));
    *bytes = start;
    *size = (size_t)(s->text.at - start);
    return ERR_OK;
}

/* What a value with its length in front is in the row, when it is more than those bytes. */
static enum err decode_packed(const struct row_column *c, const uint8_t *bytes, size_t size, struct row_scan *s,
                              struct change_value *v)
{
    static const uint8_t full_size[] = {[OP_INET4] = 4, [OP_INET6] = 16, [OP_UUID] = 16};
    size_t full = size;

    switch (c->op) {
    case OP_JSON: return decode_json(bytes, size, c, s, v);
    case OP_COMPRESSED:
        TRY(inflater_column(s->aids->inflater, &s->text, bytes, size, c->length, &bytes, &full));
        if (c->schema != NULL && c->schema->text != NULL) TRY(convert(c, s, &bytes, &full));
        break;
    case OP_TEXT: TRY(convert(c, s, &bytes, &full)); break;
    case OP_BINARY:
        full = c->length;
        TRY(decode_padded(bytes, size, full, s, &bytes));
        break;
    default: { /* OP_INET4, OP_INET6, OP_UUID */
        full = full_size[c->op];
        if (size > full) return ERR_CORRUPT;
        TRY(decode_padded(bytes, size, full, s, &bytes));
        if (sink_left(&s->text) < ROW_SPECIAL_TEXT_MAX) return ERR_NO_SPACE;
        char *text = (char *)s->text.at;
        full = c->op == OP_INET4   ? row_print_inet4(text, bytes)
               : c->op == OP_INET6 ? row_print_inet6(text, bytes)
                                   : row_print_uuid(text, bytes);
        s->text.at += full;
        bytes = (const uint8_t *)text;
    }
    }
    v->kind = CHANGE_VALUE_BYTES;
    v->size = (uint32_t)full;
    v->bytes = bytes;
    return ERR_OK;
}

/* The end of a value that was decoded with result `e`; NULL: not, and why is in the scan. */
static inline const uint8_t *ended(struct row_scan *s, enum err e, const uint8_t *end)
{
    if (__builtin_expect(e == ERR_OK, 1)) return end;
    s->error = e;
    return NULL;
}

static inline const uint8_t *decode_counted(const struct row_column *c, const uint8_t *p, const uint8_t *end,
                                            struct row_scan *s, struct change_value *v)
{
    size_t size = c->size == 1 ? p[0] : c->size == 2 ? little(p, 2) : little(p, c->size);

    p += c->size;
    if (__builtin_expect(size > c->length || size > (size_t)(end - p), 0)) return ended(s, ERR_CORRUPT, NULL);
    if (__builtin_expect(c->op != OP_BYTES, 0)) return ended(s, decode_packed(c, p, size, s, v), p + size);
    v->kind = CHANGE_VALUE_BYTES;
    v->size = (uint32_t)size;
    v->bytes = p;
    return p + size;
}

/* The value at `p`; returns its end, or NULL with s->error.  Where the row is read stays in registers between values,
 * so `s` is only for what needs text or aids. */
__attribute__((always_inline)) static inline const uint8_t *
decode_value(const struct row_column *c, const uint8_t *p, const uint8_t *end, struct row_scan *s,
             struct change_value *v)
{
    if (__builtin_expect((size_t)(end - p) < c->size, 0)) return ended(s, ERR_CORRUPT, NULL);
    const uint8_t *next = p + c->size;
    switch ((enum row_op)c->op) {
    case OP_SIGNED1: set_signed(v, (int8_t)p[0]); return p + 1;
    case OP_SIGNED2: set_signed(v, (int16_t)little(p, 2)); return p + 2;
    case OP_SIGNED3: set_signed(v, (int32_t)((uint32_t)little(p, 3) << 8) >> 8); return p + 3;
    case OP_SIGNED4: set_signed(v, (int32_t)little(p, 4)); return p + 4;
    case OP_SIGNED8: set_signed(v, (int64_t)little(p, 8)); return p + 8;
    case OP_UNSIGNED1: set_unsigned(v, p[0]); return p + 1;
    case OP_UNSIGNED2: set_unsigned(v, little(p, 2)); return p + 2;
    case OP_UNSIGNED3: set_unsigned(v, little(p, 3)); return p + 3;
    case OP_UNSIGNED4: set_unsigned(v, little(p, 4)); return p + 4;
    case OP_UNSIGNED8: set_unsigned(v, little(p, 8)); return p + 8;
    case OP_FLOAT: {
        uint32_t bits = (uint32_t)little(p, 4);
        float number;
        memcpy(&number, &bits, sizeof number);
        v->kind = CHANGE_VALUE_FLOAT;
        v->d = (double)number;
        return p + 4;
    }
    case OP_DOUBLE: {
        uint64_t bits = little(p, 8);
        memcpy(&v->d, &bits, sizeof v->d);
        v->kind = CHANGE_VALUE_DOUBLE;
        return p + 8;
    }
    case OP_DECIMAL: return ended(s, decode_decimal(p, c, s, v), next);
    case OP_BIT: set_unsigned(v, big(p, c->size)); return next;
    case OP_YEAR: set_signed(v, p[0] == 0 ? 0 : 1900 + p[0]); return p + 1;
    case OP_DATE: return ended(s, row_decode_date(p, v), next);
    case OP_TIME: return ended(s, row_decode_time(p, v), next);
    case OP_TIME2: return ended(s, row_decode_time2(p, c->scale, v), next);
    case OP_DATETIME: return ended(s, row_decode_datetime(p, v), next);
    case OP_DATETIME2: return ended(s, row_decode_datetime2(p, c->scale, v), next);
    case OP_TIMESTAMP:
        v->kind = CHANGE_VALUE_TIMESTAMP;
        v->ts.seconds = (int64_t)little(p, 4);
        v->ts.microsecond = 0;
        return p + 4;
    case OP_TIMESTAMP2: return ended(s, row_decode_timestamp2(p, c->scale, v), next);
    case OP_TIME_HIRES:
    case OP_DATETIME_HIRES:
        return ended(s, row_decode_hires(p, c->size, c->scale, c->op == OP_TIME_HIRES, v), next);
    case OP_TIMESTAMP_HIRES: return ended(s, row_decode_timestamp_hires(p, c->size, c->scale, v), next);
    case OP_ENUM: return ended(s, decode_enum(p, c, v), next);
    case OP_SET: return ended(s, decode_set(p, c, s, v), next);
    case OP_BYTES:
    case OP_BINARY:
    case OP_JSON:
    case OP_COMPRESSED:
    case OP_TEXT:
    case OP_INET4:
    case OP_INET6:
    case OP_UUID: return decode_counted(c, p, end, s, v);
    }
    return ended(s, ERR_CORRUPT, NULL);
}

/* The end of a row's period: of a row of today it is the greatest there is, the second and microsecond at which 31 bits
 * end (from MariaDB 11.5 on: 32 bits).  An image without it says nothing new. */
static bool ends_never(const struct change_value *end, bool otherwise)
{
    if (end->kind != CHANGE_VALUE_TIMESTAMP) return otherwise;
    return (end->ts.seconds == INT32_MAX || end->ts.seconds == UINT32_MAX) && end->ts.microsecond == 999999;
}

/* All columns are in the image, and told. */
static enum err decode_full(struct row_scan *s, const struct row_decoder *d, const uint8_t *nulls,
                            struct change_value *value, uint16_t *bad_column)
{
    const uint8_t *p = s->at, *end = s->end;
    for (uint16_t i = 0; i < d->event_columns; i++) {
        if ((nulls[i / 8] >> (i % 8) & 1) != 0) {
            value[i].kind = CHANGE_VALUE_NULL;
            continue;
        }
        p = decode_value(&d->column[i], p, end, s, &value[i]);
        if (__builtin_expect(p == NULL, 0)) {
            *bad_column = i;
            return s->error;
        }
    }
    s->at = p;
    return ERR_OK;
}

static enum err decode_some(struct row_scan *s, const struct row_decoder *d, const uint8_t *nulls,
                            const uint8_t *present, struct change_value *value, uint16_t *bad_column)
{
    unsigned bit = 0; /* among the columns that are present */
    struct change_value hidden = {.kind = CHANGE_VALUE_ABSENT};
    for (uint16_t i = 0; i < d->event_columns; i++) {
        struct change_value *v = i < d->value_count ? &value[i] : &hidden;
        if ((present[i / 8] >> (i % 8) & 1) == 0) {
            v->kind = CHANGE_VALUE_ABSENT;
            continue;
        }
        bool is_null = (nulls[bit / 8] >> (bit % 8) & 1) != 0;
        bit++;
        if (is_null) {
            v->kind = CHANGE_VALUE_NULL;
            continue;
        }
        const uint8_t *end = decode_value(&d->column[i], s->at, s->end, s, v);
        if (end == NULL) {
            *bad_column = i;
            return s->error;
        }
        s->at = end;
    }
    if (d->has_period) s->aids->is_current[s->aids->is_after] = ends_never(&hidden, s->aids->is_current[0]);
    return ERR_OK;
}

enum err row_image_decode(struct row_scan *scan, const struct row_decoder *d, const uint8_t *present,
                          uint16_t present_count, struct change_value *value, uint16_t *bad_column)
{
    const uint8_t *nulls = scan->at;

    *bad_column = 0;
    if ((size_t)(scan->end - scan->at) < (present_count + 7u) / 8) return ERR_CORRUPT;
    scan->at += (present_count + 7u) / 8;
    return present_count == d->event_columns && d->value_count == d->event_columns
               ? decode_full(scan, d, nulls, value, bad_column)
               : decode_some(scan, d, nulls, present, value, bad_column);
}

enum err row_json_options(struct row_scan *scan, const struct row_decoder *d)
{
    enum { PARTIAL_JSON = 1 };
    struct cursor in = {scan->at, scan->end, false};
    uint64_t options = cursor_lenenc(&in);

    if (options > PARTIAL_JSON) return ERR_CORRUPT;
    if ((options & PARTIAL_JSON) != 0) scan->aids->diffs = cursor_take(&in, (d->json_count + 7u) / 8);
    scan->at = in.at;
    return in.failed ? ERR_CORRUPT : ERR_OK;
}
