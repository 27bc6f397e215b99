#include "formats/dts_avro_table.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "formats/avro_put.h"

enum {
    NAME_ESCAPED_FACTOR = 6, /* \u002E, and JSON's \u0001 */
    FIXED_VALUE_MAX     = 26, /* without prefix and sized bytes: DATETIME's 7 branches and parts of 3+2+2+3+2+2+5 */
};

#define KIND(name) (1u << CHANGE_VALUE_##name)

struct type_plan {
    uint8_t     number; /* dataTypeNumber */
    uint8_t     branch; /* enum dts_branch */
    uint8_t     layout; /* enum dts_layout */
    int16_t     precision; /* written after the branch; -1: none */
    uint16_t    kinds;  /* beside NULL and ABSENT */
    const char *text;   /* the object's type, written after the branch; NULL: none */
};

/* The pairs of number and branch to which consumers cast: see docs/design.md, "The record". */
static const struct type_plan plan_of[CHANGE_TYPE_COUNT] = {
    [CHANGE_TINYINT]   = {1, DTS_INTEGER, DTS_LAYOUT_PLAIN, 1, KIND(INT) | KIND(UINT), NULL},
    [CHANGE_SMALLINT]  = {2, DTS_INTEGER, DTS_LAYOUT_PLAIN, 2, KIND(INT) | KIND(UINT), NULL},
    [CHANGE_MEDIUMINT] = {9, DTS_INTEGER, DTS_LAYOUT_PLAIN, 3, KIND(INT) | KIND(UINT), NULL},
    [CHANGE_INT]       = {3, DTS_INTEGER, DTS_LAYOUT_PLAIN, 4, KIND(INT) | KIND(UINT), NULL},
    [CHANGE_BIGINT]    = {8, DTS_INTEGER, DTS_LAYOUT_PLAIN, 8, KIND(INT) | KIND(UINT), NULL},
    [CHANGE_BIT]       = {16, DTS_INTEGER, DTS_LAYOUT_PLAIN, 0, KIND(UINT), NULL}, /* precision: the column's */
    [CHANGE_FLOAT]     = {4, DTS_FLOAT, DTS_LAYOUT_PLAIN, -1, KIND(FLOAT), NULL},
    [CHANGE_DOUBLE]    = {5, DTS_FLOAT, DTS_LAYOUT_PLAIN, -1, KIND(DOUBLE), NULL},
    [CHANGE_DECIMAL]   = {246, DTS_DECIMAL, DTS_LAYOUT_DECIMAL, -1, KIND(TEXT), NULL},
    [CHANGE_DATE]      = {10, DTS_DATETIME, DTS_LAYOUT_DATE, -1, KIND(DATETIME), NULL},
    [CHANGE_TIME]      = {11, DTS_DATETIME, DTS_LAYOUT_TIME, -1, KIND(DATETIME), NULL},
    [CHANGE_DATETIME]  = {12, DTS_DATETIME, DTS_LAYOUT_DATETIME, -1, KIND(DATETIME), NULL},
    [CHANGE_TIMESTAMP] = {7, DTS_TIMESTAMP, DTS_LAYOUT_PLAIN, -1, KIND(TIMESTAMP), NULL},
    [CHANGE_YEAR]      = {13, DTS_DATETIME, DTS_LAYOUT_YEAR, -1, KIND(INT), NULL},
    [CHANGE_CHAR]      = {254, DTS_CHARACTER, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), NULL}, /* text: the charset */
    [CHANGE_VARCHAR]   = {253, DTS_CHARACTER, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), NULL},
    [CHANGE_TEXT]      = {15, DTS_CHARACTER, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), NULL},
    [CHANGE_BINARY]    = {252, DTS_BINARY_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), "binary"},
    [CHANGE_VARBINARY] = {252, DTS_BINARY_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), "binary"},
    [CHANGE_BLOB]      = {252, DTS_BINARY_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(BYTES), "blob"},
    [CHANGE_ENUM]      = {247, DTS_TEXT_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(TEXT), "enum"},
    [CHANGE_SET]       = {248, DTS_TEXT_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(TEXT), "set"},
    [CHANGE_JSON]      = {245, DTS_TEXT_OBJECT, DTS_LAYOUT_PLAIN, -1, KIND(TEXT), "json"},
    [CHANGE_GEOMETRY]  = {255, DTS_BINARY_GEOMETRY, DTS_LAYOUT_GEOMETRY, -1, KIND(BYTES), "geometry"},
};

static bool type_is_sized(enum change_type type) { return (plan_of[type].kinds & (KIND(BYTES) | KIND(TEXT))) != 0; }

static enum err column_prepare(const struct change_column *column, struct dts_column *out)
{
    INVARIANT((unsigned)column->type < CHANGE_TYPE_COUNT);
    const struct type_plan *plan = &plan_of[column->type];
    memset(out, 0, sizeof *out);
    out->accepts = (uint16_t)(plan->kinds | KIND(NULL) | KIND(ABSENT));
    out->layout = plan->layout;
    out->scale = column->scale;

    struct sink prefix = sink_of(out->prefix, sizeof out->prefix);
    sink_le(&prefix, plan->branch, 1);
    int64_t precision = column->type == CHANGE_BIT ? (column->precision + 7) / 8 : plan->precision;
    if (precision >= 0) sink_zigzag(&prefix, precision);
    const char *text = plan->text;
    if (plan->branch == DTS_CHARACTER) {
        if (column->charset == NULL) return ERR_INVALID;
        /* The oldest consumers know utf8mb3 by its former name only. */
        text = strcmp(column->charset, "utf8mb3") == 0 ? "utf8" : column->charset;
    }
    if (text != NULL) {
        sink_zigzag(&prefix, (int64_t)strlen(text));
        sink_bytes(&prefix, text, strlen(text));
    }
    if (prefix.failed) return ERR_INVALID;
    out->prefix_bytes = (uint8_t)(prefix.at - out->prefix);
    return ERR_OK;
}

size_t dts_name_escaped_bytes(const char *name)
{
    size_t size = 0;
    for (; *name != 0; name++) size += *name == '.' ? 6 : 1;
    return size;
}

uint8_t *dts_name_put_escaped(uint8_t *at, const char *name)
{
    for (; *name != 0; name++) {
        if (*name == '.')
            at = bytes_put(at, "\\u002E", 6);
        else
            *at++ = (uint8_t)*name;
    }
    return at;
}

static uint8_t *json_put_string(uint8_t *at, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    *at++ = '"';
    for (; *text != 0; text++) {
        uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\') *at++ = '\\';
        if (c >= 0x20) {
            *at++ = c;
            continue;
        }
        at = bytes_put(at, "\\u00", 4);
        *at++ = (uint8_t)hex[c >> 4];
        *at++ = (uint8_t)hex[c & 15];
    }
    *at++ = '"';
    return at;
}

/* {"PRIMARY":["id"],"by_name":["first","last"]} */
static uint8_t *json_put_keys(uint8_t *at, const struct change_table *t)
{
    *at++ = '{';
    for (unsigned k = 0; k < t->key_count; k++) {
        if (k > 0) *at++ = ',';
        at = json_put_string(at, t->key[k].name);
        *at++ = ':';
        *at++ = '[';
        for (unsigned i = 0; i < t->key[k].column_count; i++) {
            if (i > 0) *at++ = ',';
            at = json_put_string(at, t->column[t->key[k].column[i]].name);
        }
        *at++ = ']';
    }
    *at++ = '}';
    return at;
}

static size_t json_keys_bytes_max(const struct change_table *t)
{
    size_t size = 2;
    for (unsigned k = 0; k < t->key_count; k++) {
        size += NAME_ESCAPED_FACTOR * strlen(t->key[k].name) + 6;
        for (unsigned i = 0; i < t->key[k].column_count; i++) {
            INVARIANT(t->key[k].column[i] < t->column_count);
            size += NAME_ESCAPED_FACTOR * strlen(t->column[t->key[k].column[i]].name) + 3;
        }
    }
    return size;
}

static size_t head_bytes_max(const struct change_table *t)
{
    return 128 + NAME_ESCAPED_FACTOR * (strlen(t->database) + strlen(t->table)) + json_keys_bytes_max(t);
}

static size_t fields_bytes_max(const struct change_table *t)
{
    size_t size = 2 * AVRO_LONG_MAX;
    for (unsigned i = 0; i < t->column_count; i++) size += strlen(t->column[i].name) + 2 * AVRO_LONG_MAX;
    return size;
}

/* objectName, no processTimestamps, the tags up to the value of readerThroughoutTime.  `keys` is scratch. */
static uint8_t *head_put(uint8_t *at, const struct change_table *t, uint8_t *keys, uint32_t *tag_count_at)
{
    const uint8_t *start = at;
    *at++ = 1 << 1; /* objectName is a string */
    at = avro_put_long(at, (int64_t)(dts_name_escaped_bytes(t->database) + 1 + dts_name_escaped_bytes(t->table)));
    at = dts_name_put_escaped(at, t->database);
    *at++ = '.';
    at = dts_name_put_escaped(at, t->table);
    *at++ = 0; /* processTimestamps is null */
    *tag_count_at = (uint32_t)(at - start);
    *at++ = DTS_HEAD_TAGS << 1;
    at = avro_put_string(at, "pk_uk_info");
    at = avro_put_bytes(at, keys, (size_t)(json_put_keys(keys, t) - keys));
    at = avro_put_string(at, "metaVersion");
    at = avro_put_unsigned_text(at, t->meta_version);
    return avro_put_string(at, "readerThroughoutTime");
}

static uint8_t *fields_put(uint8_t *at, const struct change_table *t)
{
    *at++ = 2 << 1; /* fields is an array */
    if (t->column_count > 0) at = avro_put_long(at, t->column_count);
    for (unsigned i = 0; i < t->column_count; i++) {
        at = avro_put_string(at, t->column[i].name);
        at = avro_put_long(at, plan_of[t->column[i].type].number);
    }
    *at++ = 0; /* end of the array */
    return at;
}

enum err dts_table_prepare(struct change_table *t)
{
    INVARIANT(t->meta_version > 0);
    size_t columns_bytes = sizeof(struct dts_table) + (size_t)t->column_count * sizeof(struct dts_column);
    size_t sized_bytes = (size_t)t->column_count * sizeof(uint16_t);
    size_t head_max = head_bytes_max(t), fields_max = fields_bytes_max(t);
    struct dts_table *d = malloc(columns_bytes + sized_bytes + head_max + fields_max);
    uint8_t *keys = malloc(json_keys_bytes_max(t));
    enum err e = d == NULL || keys == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (e == ERR_OK) {
        uint16_t *sized = (uint16_t *)(void *)((uint8_t *)d + columns_bytes);
        uint8_t *head = (uint8_t *)d + columns_bytes + sized_bytes, *fields = head + head_max;
        *d = (struct dts_table){.head = head, .fields = fields, .sized = sized, .column_count = t->column_count};
        d->image_bytes_max = 1 + AVRO_LONG_MAX + 1;
        for (unsigned i = 0; i < t->column_count && e == ERR_OK; i++) {
            e = column_prepare(&t->column[i], &d->column[i]);
            d->image_bytes_max += d->column[i].prefix_bytes + FIXED_VALUE_MAX;
            if (type_is_sized(t->column[i].type)) sized[d->sized_count++] = (uint16_t)i;
        }
        d->head_bytes = (uint32_t)(head_put(head, t, keys, &d->tag_count_at) - head);
        d->fields_bytes = (uint32_t)(fields_put(fields, t) - fields);
        INVARIANT(d->head_bytes <= head_max && d->fields_bytes <= fields_max);
    }
    free(keys);
    if (e != ERR_OK) {
        free(d);
        return e;
    }
    t->format_data = d;
    return ERR_OK;
}

void dts_table_release(struct change_table *t)
{
    free(t->format_data);
    t->format_data = NULL;
}
