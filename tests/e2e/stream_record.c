/* tests/e2e/stream_record.c -- see stream_record.h */
#include "tests/e2e/stream_record.h"

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct stream_decoder {
    avro_schema_t       schema;
    avro_value_iface_t *iface;
    avro_value_t        value;
    avro_reader_t       reader;
};

#define FAULT(...) (snprintf(why, why_size, __VA_ARGS__), false)

void row_clear(struct row_bytes *r)
{
    r->size = r->first_size = 0;
    r->column_count = 0;
}

void row_add(struct row_bytes *r, const void *bytes, size_t size)
{
    if (r->size + 4 + size > r->capacity) {
        r->capacity = 2 * (r->size + 4 + size) + 256;
        r->bytes = realloc(r->bytes, r->capacity);
        if (r->bytes == NULL) abort();
    }
    uint32_t length = bytes == NULL ? ROW_VALUE_NULL : (uint32_t)size;
    memcpy(r->bytes + r->size, &length, 4);
    if (bytes != NULL) memcpy(r->bytes + r->size + 4, bytes, size);
    r->size += 4 + (bytes == NULL ? 0 : size);
    if (r->column_count++ == 0) r->first_size = r->size;
}

void row_free(struct row_bytes *r)
{
    free(r->bytes);
    *r = (struct row_bytes){0};
}

size_t temporal_trim(char *text, size_t size)
{
    if (memchr(text, '.', size) != NULL) {
        while (text[size - 1] == '0') size--;
        if (text[size - 1] == '.') size--;
    }
    text[size] = '\0';
    return size;
}

struct stream_decoder *stream_decoder_open(const char *schema_file, char *why, size_t why_size)
{
    static char text[1 << 16];
    FILE *f = fopen(schema_file, "r");
    if (f == NULL) {
        snprintf(why, why_size, "cannot open %s", schema_file);
        return NULL;
    }
    size_t size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    struct stream_decoder *d = calloc(1, sizeof *d);
    if (d == NULL) abort();
    if (avro_schema_from_json_length(text, size, &d->schema) != 0 ||
        (d->iface = avro_generic_class_from_schema(d->schema)) == NULL ||
        avro_generic_value_new(d->iface, &d->value) != 0) {
        snprintf(why, why_size, "%s: %s", schema_file, avro_strerror());
        free(d);
        return NULL;
    }
    d->reader = avro_reader_memory(NULL, 0);
    return d;
}

void stream_decoder_close(struct stream_decoder *d)
{
    avro_reader_free(d->reader);
    avro_value_decref(&d->value);
    avro_value_iface_decref(d->iface);
    avro_schema_decref(d->schema);
    free(d);
}

static int64_t integer_field(avro_value_t *record, const char *name)
{
    avro_value_t field;
    int64_t      wide = 0;
    int32_t      narrow = 0;
    avro_value_get_by_name(record, name, &field, NULL);
    if (avro_value_get_type(&field) == AVRO_INT64) {
        avro_value_get_long(&field, &wide);
        return wide;
    }
    avro_value_get_int(&field, &narrow);
    return narrow;
}

/* An optional int of a DateTime; false: null. */
static bool part_of(avro_value_t *datetime, const char *name, int32_t *part)
{
    avro_value_t field, branch;
    int          index = 0;
    avro_value_get_by_name(datetime, name, &field, NULL);
    avro_value_get_discriminant(&field, &index);
    if (index == 0) return false;
    avro_value_get_current_branch(&field, &branch);
    avro_value_get_int(&branch, part);
    return true;
}

/* DATE has no hour, TIME no year, YEAR nothing but a year; `millis` holds microseconds. */
static void add_datetime(struct row_bytes *row, avro_value_t *value)
{
    int32_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0;
    bool has_year = part_of(value, "year", &year), has_month = part_of(value, "month", &month);
    bool has_hour = part_of(value, "hour", &hour);
    part_of(value, "day", &day);
    part_of(value, "minute", &minute);
    part_of(value, "second", &second);
    part_of(value, "millis", &fraction);
    char text[96];
    int  size;
    if (has_year && !has_month) size = snprintf(text, sizeof text, "%04d", year);
    else if (has_year && !has_hour) size = snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
    else if (has_year)
        size = snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d", year, month, day, hour, minute, second,
                        fraction);
    else
        size = snprintf(text, sizeof text, "%s%02d:%02d:%02d.%06d",
                        hour < 0 || minute < 0 || second < 0 || fraction < 0 ? "-" : "", abs(hour), abs(minute),
                        abs(second), abs(fraction));
    row_add(row, text, has_year && !has_hour ? (size_t)size : temporal_trim(text, (size_t)size));
}

static void add_timestamp(struct row_bytes *row, avro_value_t *value)
{
    int64_t seconds = integer_field(value, "timestamp");
    int     fraction = (int)integer_field(value, "millis");
    char    text[64];
    if (seconds == 0 && fraction == 0) {
        row_add(row, "0000-00-00 00:00:00", 19);
        return;
    }
    struct tm tm;
    time_t    at = (time_t)seconds;
    gmtime_r(&at, &tm);
    size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    size += (size_t)snprintf(text + size, sizeof text - size, ".%06d", fraction);
    row_add(row, text, temporal_trim(text, size));
}

/* Adds the string or bytes field `name`; a string's size counts its NUL. */
static void add_field(struct row_bytes *row, avro_value_t *value, const char *name)
{
    avro_value_t field;
    size_t       size = 0;
    avro_value_get_by_name(value, name, &field, NULL);
    if (avro_value_get_type(&field) == AVRO_STRING) {
        const char *text = "";
        avro_value_get_string(&field, &text, &size);
        row_add(row, text, size - 1);
    } else {
        const void *bytes = "";
        avro_value_get_bytes(&field, &bytes, &size);
        row_add(row, bytes == NULL ? "" : bytes, size);
    }
}

static bool add_item(struct row_bytes *row, avro_value_t *item, char *why, size_t why_size)
{
    enum { ITEM_NULL, ITEM_INTEGER, ITEM_CHARACTER, ITEM_DECIMAL, ITEM_FLOAT, ITEM_TIMESTAMP, ITEM_DATETIME,
           ITEM_BINARY_GEOMETRY = 8, ITEM_BINARY = 10, ITEM_TEXT = 11, ITEM_EMPTY = 12 };
    int          branch = -1;
    avro_value_t value, field;
    avro_value_get_discriminant(item, &branch);
    avro_value_get_current_branch(item, &value);
    switch (branch) {
    case ITEM_NULL: row_add(row, NULL, 0); return true;
    case ITEM_INTEGER:
    case ITEM_CHARACTER:
    case ITEM_DECIMAL:
    case ITEM_BINARY_GEOMETRY:
    case ITEM_BINARY:
    case ITEM_TEXT: add_field(row, &value, "value"); return true;
    case ITEM_TIMESTAMP: add_timestamp(row, &value); return true;
    case ITEM_DATETIME: add_datetime(row, &value); return true;
    case ITEM_FLOAT: {
        double number = 0;
        char   text[64];
        avro_value_get_by_name(&value, "value", &field, NULL);
        avro_value_get_double(&field, &number);
        row_add(row, text, (size_t)snprintf(text, sizeof text, "%.17g", number));
        return true;
    }
    case ITEM_EMPTY:
        if (!row->takes_absent) return FAULT("a column is not in the image");
        row_add(row, NULL, 0);
        memcpy(row->bytes + row->size - 4, &(uint32_t){ROW_VALUE_ABSENT}, 4);
        return true;
    default: return FAULT("an image item uses union branch %d, which consumers do not read", branch);
    }
}

/* An image; `present` says whether it is an array. */
static bool read_image(avro_value_t *record, const char *name, struct row_bytes *row, bool *present, size_t *text_size,
                       char *why, size_t why_size)
{
    avro_value_t field, branch, item;
    int          index = 0;
    size_t       count = 0;
    row_clear(row);
    avro_value_get_by_name(record, name, &field, NULL);
    avro_value_get_discriminant(&field, &index);
    *present = index == 2;
    avro_value_get_current_branch(&field, &branch);
    if (index == 1) {
        const char *text;
        return avro_value_get_string(&branch, &text, text_size) == 0;
    }
    if (index == 0) return true;
    avro_value_get_size(&branch, &count);
    for (size_t i = 0; i < count; i++) {
        avro_value_get_by_index(&branch, i, &item, NULL);
        if (!add_item(row, &item, why, why_size)) return false;
    }
    return true;
}

static size_t field_count_of(avro_value_t *record)
{
    avro_value_t field, branch;
    int          index = 0;
    size_t       count = 0;
    avro_value_get_by_name(record, "fields", &field, NULL);
    avro_value_get_discriminant(&field, &index);
    if (index != 2) return 0;
    avro_value_get_current_branch(&field, &branch);
    avro_value_get_size(&branch, &count);
    return count;
}

/* What the operation says about which parts must be there. */
static bool shape_holds(const struct stream_record *r, size_t field_count, char *why, size_t why_size)
{
    bool is_row = r->operation <= STREAM_DELETE;
    if (is_row != (field_count != 0)) return FAULT("operation %d with %zu fields", r->operation, field_count);
    if (r->has_before != (r->operation == STREAM_UPDATE || r->operation == STREAM_DELETE) ||
        r->has_after != (r->operation == STREAM_UPDATE || r->operation == STREAM_INSERT))
        return FAULT("operation %d with the wrong images", r->operation);
    if ((r->has_before && r->before.column_count != field_count) ||
        (r->has_after && r->after.column_count != field_count))
        return FAULT("%s: an image has another number of columns than fields", r->object);
    if (is_row && r->object[0] == '\0') return FAULT("a row change without objectName");
    if (r->operation == STREAM_DDL && r->ddl_size == 0) return FAULT("a DDL without its statement");
    if (r->timestamp_s <= 0) return FAULT("sourceTimestamp is %lld", (long long)r->timestamp_s);
    return true;
}

bool stream_decode(struct stream_decoder *d, const void *bytes, size_t size, struct stream_record *out, char *why,
                   size_t why_size)
{
    avro_value_t field, branch;
    int          operation = -1, index = 0;
    avro_reader_memory_set_source(d->reader, bytes, (int64_t)size);
    avro_value_reset(&d->value);
    if (avro_value_read(d->reader, &d->value) != 0) return FAULT("libavro: %s", avro_strerror());
    if (size == 48) return FAULT("a value of 48 bytes, which consumers take for a filler");
    out->id = integer_field(&d->value, "id");
    out->timestamp_s = integer_field(&d->value, "sourceTimestamp");
    avro_value_get_by_name(&d->value, "operation", &field, NULL);
    avro_value_get_enum(&field, &operation);
    out->operation = (enum stream_operation)operation;
    out->object[0] = '\0';
    avro_value_get_by_name(&d->value, "objectName", &field, NULL);
    avro_value_get_discriminant(&field, &index);
    if (index == 1) {
        const char *name;
        size_t      name_size;
        avro_value_get_current_branch(&field, &branch);
        avro_value_get_string(&branch, &name, &name_size);
        snprintf(out->object, sizeof out->object, "%s", name);
    }
    out->ddl_size = 0;
    size_t before_text = 0;
    if (!read_image(&d->value, "beforeImages", &out->before, &out->has_before, &before_text, why, why_size) ||
        !read_image(&d->value, "afterImages", &out->after, &out->has_after, &out->ddl_size, why, why_size))
        return false;
    if (before_text != 0) return FAULT("beforeImages holds a string, which consumers cannot read");
    return shape_holds(out, field_count_of(&d->value), why, why_size);
}
