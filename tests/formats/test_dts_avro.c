/* Goal: the tracked record is what docs/design.md ("The record") says, for every operation, type and extreme, judged by
 * Avro's own library with docs/clients/record.avsc; equal events give equal bytes; no event makes the encoder leave its
 * room.
 * Expectations are computed here a second, slow way. */
#include <check.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/formats/avro_oracle.h"
#include "tests/formats/event_maker.h"
#include "formats/decimal_text.h"
#include "formats/float_text.h"
#include "tests/suite.h"

enum { BRANCH_NULL, BRANCH_STRING, BRANCH_ARRAY };
enum {
    ITEM_NULL, ITEM_INTEGER, ITEM_CHARACTER, ITEM_DECIMAL, ITEM_FLOAT, ITEM_TIMESTAMP, ITEM_DATETIME,
    ITEM_BINARY_GEOMETRY = 8, ITEM_BINARY_OBJECT = 10, ITEM_TEXT_OBJECT, ITEM_EMPTY
};

static const struct { int number, branch, precision; const char *type; } rule[CHANGE_TYPE_COUNT] = {
    [CHANGE_TINYINT] = {1, ITEM_INTEGER, 1, 0},         [CHANGE_SMALLINT] = {2, ITEM_INTEGER, 2, 0},
    [CHANGE_MEDIUMINT] = {9, ITEM_INTEGER, 3, 0},       [CHANGE_INT] = {3, ITEM_INTEGER, 4, 0},
    [CHANGE_BIGINT] = {8, ITEM_INTEGER, 8, 0},          [CHANGE_BIT] = {16, ITEM_INTEGER, 0, 0},
    [CHANGE_FLOAT] = {4, ITEM_FLOAT, 38, 0},            [CHANGE_DOUBLE] = {5, ITEM_FLOAT, 308, 0},
    [CHANGE_DECIMAL] = {246, ITEM_DECIMAL, 0, 0},       [CHANGE_DATE] = {10, ITEM_DATETIME, 0, 0},
    [CHANGE_TIME] = {11, ITEM_DATETIME, 0, 0},          [CHANGE_DATETIME] = {12, ITEM_DATETIME, 0, 0},
    [CHANGE_TIMESTAMP] = {7, ITEM_TIMESTAMP, 0, 0},     [CHANGE_YEAR] = {13, ITEM_DATETIME, 0, 0},
    [CHANGE_CHAR] = {254, ITEM_CHARACTER, 0, 0},        [CHANGE_VARCHAR] = {253, ITEM_CHARACTER, 0, 0},
    [CHANGE_TEXT] = {15, ITEM_CHARACTER, 0, 0},         [CHANGE_BINARY] = {252, ITEM_BINARY_OBJECT, 0, "binary"},
    [CHANGE_VARBINARY] = {252, ITEM_BINARY_OBJECT, 0, "binary"}, [CHANGE_BLOB] = {252, ITEM_BINARY_OBJECT, 0, "blob"},
    [CHANGE_ENUM] = {247, ITEM_TEXT_OBJECT, 0, "enum"}, [CHANGE_SET] = {248, ITEM_TEXT_OBJECT, 0, "set"},
    [CHANGE_JSON] = {245, ITEM_TEXT_OBJECT, 0, "json"}, [CHANGE_GEOMETRY] = {255, ITEM_BINARY_GEOMETRY, 0, "geometry"},
};

static const struct record_format *format;
static struct maker maker;

static void expect_text(const avro_value_t *record, const char *field, const void *want, size_t want_size)
{
    size_t size;
    const char *text = oracle_text(record, field, &size);
    ck_assert_msg(size == want_size && memcmp(text, want, size) == 0, "%s: got %zu bytes, not %zu, or others", field,
                  size, want_size);
}

static void expect_string(const avro_value_t *record, const char *field, const char *want)
{
    expect_text(record, field, want, strlen(want));
}

/* Of several decimals of the fewest digits the nearest, found by trying. */
static double shortest_by_trial(float f)
{
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, (double)f);
        if (strtof(text, NULL) == f) break;
    }
    return strtod(text, NULL);
}

enum { YEAR = 1, MONTH = 2, DAY = 4, CLOCK = 8 }; /* parts of a DateTime */

static void expect_datetime(const avro_value_t *item, unsigned parts, const struct change_datetime *t)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second", "millis"};
    int64_t sign = t->is_negative ? -1 : 1;
    int64_t want[] = {
        t->year, t->month, t->day, sign * t->hour, sign * t->minute, sign * t->second, sign * (int64_t)t->microsecond};
    for (unsigned i = 0; i < 7; i++) {
        bool is_there = (parts & (i < 3 ? 1u << i : CLOCK)) != 0;
        ck_assert_int_eq(oracle_branch(item, names[i]), is_there);
        if (is_there) ck_assert_int_eq(oracle_long(item, names[i]), want[i]);
    }
}

static int64_t digits_in(const uint8_t *text, size_t size)
{
    int64_t digits = 0;
    for (size_t i = 0; i < size; i++) digits += text[i] >= '0' && text[i] <= '9';
    return digits;
}

static void expect_value(const avro_value_t *item, const struct change_column *c, const struct change_value *v)
{
    char text[32];
    struct change_datetime year = {0};
    switch (c->type) {
    case CHANGE_BIT:
    case CHANGE_TINYINT: case CHANGE_SMALLINT: case CHANGE_MEDIUMINT: case CHANGE_INT: case CHANGE_BIGINT:
        snprintf(text, sizeof text, v->kind == CHANGE_VALUE_INT ? "%" PRId64 : "%" PRIu64, v->i);
        expect_string(item, "value", text);
        ck_assert_int_eq(oracle_long(item, "precision"),
                         c->type == CHANGE_BIT ? (c->precision + 7) / 8 : rule[c->type].precision);
        break;
    case CHANGE_FLOAT:
    case CHANGE_DOUBLE:
        ck_assert(oracle_double(item, "value") == (c->type == CHANGE_FLOAT ? shortest_by_trial((float)v->d) : v->d));
        ck_assert_int_eq(oracle_long(item, "precision"), rule[c->type].precision);
        ck_assert_int_eq(oracle_long(item, "scale"), 0);
        break;
    case CHANGE_DECIMAL:
        expect_text(item, "value", v->bytes, v->size);
        ck_assert_int_eq(oracle_long(item, "precision"), digits_in(v->bytes, v->size));
        ck_assert_int_eq(oracle_long(item, "scale"), c->scale);
        break;
    case CHANGE_DATE: expect_datetime(item, YEAR | MONTH | DAY, &v->t); break;
    case CHANGE_TIME: expect_datetime(item, CLOCK, &v->t); break;
    case CHANGE_DATETIME: expect_datetime(item, YEAR | MONTH | DAY | CLOCK, &v->t); break;
    case CHANGE_YEAR:
        year.year = (uint16_t)v->i;
        expect_datetime(item, YEAR, &year);
        break;
    case CHANGE_TIMESTAMP:
        ck_assert_int_eq(oracle_long(item, "timestamp"), v->ts.seconds);
        ck_assert_int_eq(oracle_long(item, "millis"), v->ts.microsecond);
        break;
    case CHANGE_CHAR: case CHANGE_VARCHAR: case CHANGE_TEXT:
        expect_text(item, "value", v->bytes, v->size);
        expect_string(item, "charset", strcmp(c->charset, "utf8mb3") == 0 ? "utf8" : c->charset);
        break;
    default: {
        size_t srid = c->type != CHANGE_GEOMETRY ? 0 : v->size < 4 ? v->size : 4;
        expect_text(item, "value", v->bytes + srid, v->size - srid);
        expect_string(item, "type", rule[c->type].type);
    }
    }
}

static void expect_image(const avro_value_t *record, const char *name, const struct change_table *t,
                         const struct change_value *values)
{
    ck_assert_int_eq(oracle_branch(record, name), values == NULL ? BRANCH_NULL : BRANCH_ARRAY);
    if (values == NULL) return;
    avro_value_t image = oracle_field(record, name), item;
    ck_assert_uint_eq(oracle_count(&image), t->column_count);
    for (unsigned i = 0; i < t->column_count; i++) {
        avro_value_t in_union = oracle_at(&image, i);
        int branch = oracle_branch_of(&in_union, &item), none = 0;
        switch (values[i].kind) {
        case CHANGE_VALUE_NULL: ck_assert_int_eq(branch, ITEM_NULL); break;
        case CHANGE_VALUE_ABSENT:
            ck_assert_int_eq(branch, ITEM_EMPTY);
            ck_assert_int_eq(avro_value_get_enum(&item, &none), 0);
            ck_assert_int_eq(none, 1);
            break;
        default:
            ck_assert_int_eq(branch, rule[t->column[i].type].branch);
            expect_value(&item, &t->column[i], &values[i]);
        }
    }
}

/* Everything in front of objectName, and the time at the end. */
static void expect_frame(const avro_value_t *record, const struct change_event *e, uint64_t record_id)
{
    char position[64];
    avro_value_t source = oracle_field(record, "source");
    ck_assert_int_eq(oracle_long(record, "version"), 0);
    ck_assert_int_eq(oracle_long(record, "id"), (int64_t)record_id);
    ck_assert_int_eq(oracle_long(record, "sourceTimestamp"), e->timestamp_s);
    ck_assert_int_eq(oracle_long(record, "bornTimestamp"), e->timestamp_s);
    snprintf(position, sizeof position, "%" PRIu64 "@%" PRIu32, e->end_position, e->file_number);
    expect_string(record, "sourcePosition", position);
    snprintf(position, sizeof position, "%" PRIu64 "@%" PRIu32, e->start_position, e->file_number);
    expect_string(record, "safeSourcePosition", position);
    expect_string(record, "sourceTxid", "0");
    ck_assert_int_eq(oracle_long(&source, "sourceType"), 0);
    expect_string(&source, "version", e->source->server_version);
    ck_assert_int_eq(oracle_long(record, "operation"), e->operation);
    ck_assert_int_eq(oracle_branch(record, "processTimestamps"), BRANCH_NULL);
}

static void expect_tag(const avro_value_t *record, const char *key, const char *want)
{
    const char *got = oracle_tag(record, key);
    if (want == NULL) {
        ck_assert_msg(got == NULL, "tag %s is there", key);
        return;
    }
    ck_assert_msg(got != NULL, "tag %s is missing", key);
    ck_assert_str_eq(got, want);
}

static void expect_tag_number(const avro_value_t *record, const char *key, uint64_t want)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, want);
    expect_tag(record, key, text);
}

static void expect_tag_count(const avro_value_t *record, size_t want)
{
    avro_value_t tags = oracle_field(record, "tags");
    ck_assert_uint_eq(oracle_count(&tags), want);
}

static void expect_keys(const avro_value_t *record, const struct change_table *t)
{
    json_t *keys = json_loads(oracle_tag(record, "pk_uk_info"), JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(keys);
    ck_assert_uint_eq(json_object_size(keys), t->key_count);
    for (unsigned k = 0; k < t->key_count; k++) {
        json_t *columns = json_object_get(keys, t->key[k].name);
        ck_assert_uint_eq(json_array_size(columns), t->key[k].column_count);
        for (unsigned i = 0; i < t->key[k].column_count; i++)
            ck_assert_str_eq(json_string_value(json_array_get(columns, i)), t->column[t->key[k].column[i]].name);
    }
    json_decref(keys);
}

static void expect_row(const uint8_t *bytes, size_t size, const struct change_event *e, uint64_t record_id,
                       const char *object_name)
{
    const struct change_table *t = e->table;
    avro_value_t record = oracle_decode(bytes, size);
    expect_frame(&record, e, record_id);
    expect_string(&record, "objectName", object_name);
    expect_keys(&record, t);
    expect_tag_number(&record, "metaVersion", t->meta_version);
    expect_tag_number(&record, "readerThroughoutTime", e->read_time_ms);
    expect_tag_number(&record, "server_id", e->server_id);
    if (e->thread_id != 0) expect_tag_number(&record, "thread_id", e->thread_id);
    expect_tag_count(&record, e->thread_id == 0 ? 4 : 5);

    ck_assert_int_eq(oracle_branch(&record, "fields"), BRANCH_ARRAY);
    avro_value_t fields = oracle_field(&record, "fields");
    ck_assert_uint_eq(oracle_count(&fields), t->column_count);
    for (unsigned i = 0; i < t->column_count; i++) {
        avro_value_t field = oracle_at(&fields, i);
        expect_string(&field, "name", t->column[i].name);
        ck_assert_int_eq(oracle_long(&field, "dataTypeNumber"), rule[t->column[i].type].number);
    }
    expect_image(&record, "beforeImages", t, e->operation == CHANGE_INSERT ? NULL : e->before);
    expect_image(&record, "afterImages", t, e->operation == CHANGE_DELETE ? NULL : e->after);
    avro_value_decref(&record);
}

START_TEST(random_rows)
{
    size_t size;
    for (unsigned table = 0; table < 60; table++) {
        uint64_t count = table % 20 == 19 ? 1500 : 1 + random_below(&maker.random, 40);
        maker_table(&maker, format, (uint16_t)count);
        for (unsigned row = 0; row < (count == 1500 ? 4 : 40); row++) {
            maker_row(&maker);
            uint64_t record_id = random_u64(&maker.random) >> random_below(&maker.random, 64);
            uint8_t *bytes = encode_checked(format, &maker.event, record_id, &size);
            expect_row(bytes, size, &maker.event, record_id, "shop.orders");
            free(bytes);
        }
        format->table_release(&maker.table);
        ck_assert_ptr_null(maker.table.format_data);
    }
}
END_TEST

/* The longest value a type's members can hold, in so many columns that no slack of the frame hides a bound too low. */
START_TEST(the_bound_holds_for_the_longest_values)
{
    enum { COLUMNS = 1500 };
    for (int type = 0; type < CHANGE_TYPE_COUNT; type++) {
        size_t size;
        struct change_value v;
        struct change_column c = {.name = "c", .type = (enum change_type)type, .charset = "utf8mb4", .precision = 64};
        do v = maker_value(&maker, &c);
        while (v.kind == CHANGE_VALUE_NULL || v.kind == CHANGE_VALUE_ABSENT);
        if (v.kind == CHANGE_VALUE_INT) v.i = INT64_MIN;
        if (v.kind == CHANGE_VALUE_UINT) v.u = UINT64_MAX;
        if (v.kind == CHANGE_VALUE_DATETIME)
            v.t = (struct change_datetime){UINT32_MAX, UINT16_MAX, UINT16_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX,
                                           UINT8_MAX,
                                           true};
        if (v.kind == CHANGE_VALUE_TIMESTAMP) {
            v.ts.seconds = INT64_MIN;
            v.ts.microsecond = UINT32_MAX;
        }
        for (unsigned i = 0; i < COLUMNS; i++) {
            maker.column[i] = c;
            maker.before[i] = maker.after[i] = v;
        }
        struct change_table t = {"d", "t", maker.column, NULL, COLUMNS, 0, 1, NULL};
        struct change_event e = {.operation = CHANGE_UPDATE, .timestamp_s = 1, .source = &maker.source, .table = &t,
                                 .before = maker.before, .after = maker.after};
        ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
        free(encode_checked(format, &e, 1, &size));
        format->table_release(&t);
    }
}
END_TEST

/* One column of one type and one value, through the whole record. */
static avro_value_t item_of(struct change_column column, struct change_value value, int branch, avro_value_t *record)
{
    struct change_table table = {"d", "t", &column, NULL, 1, 0, 1, NULL};
    struct change_event e = {
        .operation = CHANGE_INSERT, .timestamp_s = 1, .source = &maker.source, .table = &table, .after = &value};
    size_t size;
    avro_value_t item;
    column.name = "c";
    ck_assert_int_eq(format->table_prepare(&table), ERR_OK);
    uint8_t *bytes = encode_checked(format, &e, 1, &size);
    *record = oracle_decode(bytes, size);
    avro_value_t image = oracle_field(record, "afterImages"), in_union = oracle_at(&image, 0);
    ck_assert_int_eq(oracle_branch_of(&in_union, &item), branch);
    format->table_release(&table);
    free(bytes);
    return item;
}

static void expect_integer(enum change_type type, uint8_t bits, struct change_value v, int64_t precision,
                           const char *text)
{
    avro_value_t record,
        item = item_of((struct change_column){.type = type, .precision = bits}, v, ITEM_INTEGER, &record);
    expect_string(&item, "value", text);
    ck_assert_int_eq(oracle_long(&item, "precision"), precision);
    avro_value_decref(&record);
}

static struct change_value int_value(int64_t i) { return (struct change_value){.kind = CHANGE_VALUE_INT, .i = i}; }
static struct change_value uint_value(uint64_t u) { return (struct change_value){.kind = CHANGE_VALUE_UINT, .u = u}; }

START_TEST(integers_at_their_ends)
{
    expect_integer(CHANGE_TINYINT, 0, int_value(-128), 1, "-128");
    expect_integer(CHANGE_TINYINT, 0, uint_value(255), 1, "255");
    expect_integer(CHANGE_SMALLINT, 0, int_value(-32768), 2, "-32768");
    expect_integer(CHANGE_MEDIUMINT, 0, int_value(-8388608), 3, "-8388608");
    expect_integer(CHANGE_MEDIUMINT, 0, uint_value(16777215), 3, "16777215");
    expect_integer(CHANGE_INT, 0, int_value(INT32_MIN), 4, "-2147483648");
    expect_integer(CHANGE_BIGINT, 0, int_value(INT64_MIN), 8, "-9223372036854775808");
    expect_integer(CHANGE_BIGINT, 0, int_value(INT64_MAX), 8, "9223372036854775807");
    expect_integer(CHANGE_BIGINT, 0, uint_value(UINT64_MAX), 8, "18446744073709551615");
    expect_integer(CHANGE_BIGINT, 0, int_value(0), 8, "0");
    expect_integer(CHANGE_BIT, 1, uint_value(1), 1, "1");
    expect_integer(CHANGE_BIT, 8, uint_value(255), 1, "255");
    expect_integer(CHANGE_BIT, 9, uint_value(511), 2, "511");
    expect_integer(CHANGE_BIT, 64, uint_value(UINT64_MAX), 8, "18446744073709551615");
}
END_TEST

static void expect_time(enum change_type type, struct change_datetime t, const char *parts)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second", "millis"};
    struct change_value v = {.kind = CHANGE_VALUE_DATETIME, .t = t};
    avro_value_t record, item = item_of((struct change_column){.type = type}, v, ITEM_DATETIME, &record);
    char got[128] = "", *at = got;
    for (unsigned i = 0; i < 7; i++) {
        if (oracle_branch(&item, names[i]) == BRANCH_NULL)
            at += sprintf(at, "- ");
        else
            at += sprintf(at, "%" PRId64 " ", oracle_long(&item, names[i]));
    }
    ck_assert_str_eq(got, parts);
    avro_value_decref(&record);
}

START_TEST(times_at_their_ends)
{
    expect_time(CHANGE_DATE, (struct change_datetime){0}, "0 0 0 - - - - ");
    expect_time(CHANGE_DATE, (struct change_datetime){.year = 2021, .month = 9, .day = 0}, "2021 9 0 - - - - ");
    expect_time(CHANGE_DATETIME, (struct change_datetime){0}, "0 0 0 0 0 0 0 ");
    expect_time(
        CHANGE_DATETIME,
        (struct change_datetime){
            .year = 9999, .month = 12, .day = 31, .hour = 23, .minute = 59, .second = 59, .microsecond = 999999},
        "9999 12 31 23 59 59 999999 ");
    expect_time(CHANGE_TIME, (struct change_datetime){0}, "- - - 0 0 0 0 ");
    expect_time(CHANGE_TIME, (struct change_datetime){.hour = 838, .minute = 59, .second = 59}, "- - - 838 59 59 0 ");
    expect_time(CHANGE_TIME, (struct change_datetime){.hour = 838, .minute = 59, .second = 59, .is_negative = true},
                "- - - -838 -59 -59 0 ");
    expect_time(CHANGE_TIME, (struct change_datetime){.second = 1, .microsecond = 250000, .is_negative = true},
                "- - - 0 0 -1 -250000 ");

    avro_value_t record, item = item_of((struct change_column){.type = CHANGE_TIMESTAMP},
                                        (struct change_value){.kind = CHANGE_VALUE_TIMESTAMP}, ITEM_TIMESTAMP, &record);
    ck_assert_int_eq(oracle_long(&item, "timestamp"), 0); /* the zero timestamp */
    avro_value_decref(&record);
    item = item_of((struct change_column){.type = CHANGE_YEAR}, int_value(0), ITEM_DATETIME, &record);
    ck_assert_int_eq(oracle_long(&item, "year"), 0);
    ck_assert_int_eq(oracle_branch(&item, "month"), BRANCH_NULL);
    avro_value_decref(&record);
}
END_TEST

static struct change_value text_value(enum change_value_kind kind, const char *text)
{
    return (struct change_value){.kind = (uint8_t)kind, .size = (uint32_t)strlen(text), .bytes = (const uint8_t *)text};
}

static void expect_decimal(uint8_t scale, const char *text, int64_t precision)
{
    avro_value_t record, item = item_of((struct change_column){.type = CHANGE_DECIMAL, .precision = 65, .scale = scale},
                                        text_value(CHANGE_VALUE_TEXT, text), ITEM_DECIMAL, &record);
    expect_string(&item, "value", text);
    ck_assert_int_eq(oracle_long(&item, "precision"), precision);
    ck_assert_int_eq(oracle_long(&item, "scale"), scale);
    avro_value_decref(&record);
}

START_TEST(decimals_at_their_ends)
{
    expect_decimal(2, "348.00", 5);
    expect_decimal(2, "1.00", 3);
    expect_decimal(2, "-1050.00", 6);
    expect_decimal(0, "0", 1);
    expect_decimal(0, "-7", 1);
    expect_decimal(0, "-99999999999999999999999999999999999999999999999999999999999999999", 65);
    expect_decimal(30, "-99999999999999999999999999999999999.999999999999999999999999999999", 65);
}
END_TEST

START_TEST(texts_and_objects)
{
    avro_value_t record, item;
    item = item_of((struct change_column){.type = CHANGE_VARCHAR, .charset = "utf8mb3"},
                   text_value(CHANGE_VALUE_BYTES, ""), ITEM_CHARACTER, &record);
    expect_string(&item, "charset", "utf8");
    expect_string(&item, "value", "");
    avro_value_decref(&record);
    item = item_of((struct change_column){.type = CHANGE_CHAR, .charset = "utf8mb4"},
                   text_value(CHANGE_VALUE_BYTES, "\xf0\x9f\x90\xac"), ITEM_CHARACTER, &record);
    expect_string(&item, "charset", "utf8mb4");
    expect_string(&item, "value", "\xf0\x9f\x90\xac");
    avro_value_decref(&record);
    item = item_of((struct change_column){.type = CHANGE_VARBINARY},
                   (struct change_value){.kind = CHANGE_VALUE_BYTES, .size = 3, .bytes = (const uint8_t *)"\0\xff\0"},
                   ITEM_BINARY_OBJECT, &record);
    expect_string(&item, "type", "binary");
    expect_text(&item, "value", "\0\xff\0", 3);
    avro_value_decref(&record);
    item = item_of((struct change_column){.type = CHANGE_ENUM}, text_value(CHANGE_VALUE_TEXT, ""), ITEM_TEXT_OBJECT,
                   &record);
    expect_string(&item, "type", "enum");
    expect_string(&item, "value", ""); /* index 0 */
    avro_value_decref(&record);
    item = item_of((struct change_column){.type = CHANGE_GEOMETRY}, text_value(CHANGE_VALUE_BYTES, "sridWKB"),
                   ITEM_BINARY_GEOMETRY, &record);
    expect_string(&item, "value", "WKB");
    avro_value_decref(&record);
}
END_TEST

START_TEST(charsets_are_required_and_bounded)
{
    char name[80];
    struct change_column c = {.name = "c", .type = CHANGE_VARCHAR, .charset = NULL};
    struct change_table t = {"d", "t", &c, NULL, 1, 0, 1, NULL};
    ck_assert_int_eq(format->table_prepare(&t), ERR_INVALID);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    c.charset = name;
    ck_assert_int_eq(format->table_prepare(&t), ERR_INVALID);
    ck_assert_ptr_null(t.format_data);
    name[50] = 0;
    avro_value_t record, item = item_of(c, text_value(CHANGE_VALUE_BYTES, "v"), ITEM_CHARACTER, &record);
    expect_string(&item, "charset", name);
    avro_value_decref(&record);
}
END_TEST

START_TEST(names_are_escaped)
{
    static const uint16_t both[] = {1, 0};
    size_t size;
    struct change_column columns[] = {{.name = "a.b", .type = CHANGE_INT},
                                      {.name = "q\"\\\x01\n\xc3\xa9", .type = CHANGE_INT}};
    struct change_key keys[] = {{"PRIMARY", both, 2}, {"u \"k\"", both, 1}};
    struct change_table t = {"my.db", "t.1.", columns, keys, 2, 2, UINT64_MAX, NULL};
    struct change_value row[] = {int_value(1), int_value(2)};
    struct change_event e = {.operation = CHANGE_UPDATE,
                             .timestamp_s = UINT32_MAX,
                             .file_number = UINT32_MAX,
                             .start_position = UINT64_MAX,
                             .end_position = UINT64_MAX,
                             .read_time_ms = UINT64_MAX,
                             .server_id = UINT32_MAX,
                             .thread_id = UINT32_MAX,
                             .source = &maker.source,
                             .table = &t,
                             .before = row,
                             .after = row};
    ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
    uint8_t *bytes = encode_checked(format, &e, INT64_MAX, &size);
    expect_row(bytes, size, &e, INT64_MAX, "my\\u002Edb.t\\u002E1\\u002E");
    free(bytes);
    format->table_release(&t);
}
END_TEST

static struct change_event statement_event(enum change_operation operation)
{
    return (struct change_event){.operation = operation,
                                 .timestamp_s = 1624467825,
                                 .file_number = 5,
                                 .start_position = 1000,
                                 .end_position = 1200,
                                 .read_time_ms = 1624467825852,
                                 .server_id = 26957161,
                                 .thread_id = 55153591,
                                 .source = &maker.source,
                                 .gtid = "9d437549-9a4c-11ea-9659-9efc635af2ae:558572086",
                                 .gtid_set = "9d437549-9a4c-11ea-9659-9efc635af2ae:1-558572086",
                                 .has_query_status = true,
                                 .flags2 = 0,
                                 .sql_mode = 1075838976,
                                 .client_charset = 45,
                                 .ddl_database = "my.db",
                                 .ddl_text = "create table t(a int)XX",
                                 .ddl_text_bytes = 21};
}

static avro_value_t statement_record(const struct change_event *e)
{
    size_t size;
    uint8_t *bytes = encode_checked(format, e, 77, &size);
    avro_value_t record = oracle_decode(bytes, size);
    free(bytes);
    expect_frame(&record, e, 77);
    ck_assert_int_eq(oracle_branch(&record, "fields"), BRANCH_NULL);
    ck_assert_int_eq(oracle_branch(&record, "beforeImages"), BRANCH_NULL);
    expect_tag_number(&record, "readerThroughoutTime", e->read_time_ms);
    return record;
}

START_TEST(begin_commit_and_heartbeat)
{
    static const enum change_operation operations[] = {CHANGE_BEGIN, CHANGE_COMMIT, CHANGE_HEARTBEAT};
    for (int i = 0; i < 3; i++) {
        struct change_event e = statement_event(operations[i]);
        bool is_heartbeat = operations[i] == CHANGE_HEARTBEAT;
        avro_value_t record = statement_record(&e);
        ck_assert_int_eq(oracle_branch(&record, "objectName"), BRANCH_NULL);
        ck_assert_int_eq(oracle_branch(&record, "afterImages"), BRANCH_NULL);
        expect_tag(&record, "GTID", is_heartbeat ? NULL : e.gtid);
        expect_tag(&record, "thread_id", is_heartbeat ? NULL : "55153591");
        expect_tag(&record, "Q_FLAGS2_CODE", is_heartbeat ? NULL : "0");
        expect_tag(&record, "Q_SQL_MODE_CODE", is_heartbeat ? NULL : "1075838976");
        expect_tag(&record, "Q_CHARSET_CODE", is_heartbeat ? NULL : "45");
        expect_tag_count(&record, is_heartbeat ? 1 : 6);
        avro_value_decref(&record);

        e.has_query_status = false;
        e.gtid = NULL;
        e.thread_id = 0;
        record = statement_record(&e);
        expect_tag_count(&record, 1);
        avro_value_decref(&record);
    }
}
END_TEST

START_TEST(ddl)
{
    struct change_event e = statement_event(CHANGE_DDL);
    avro_value_t record = statement_record(&e);
    expect_string(&record, "objectName", "my\\u002Edb");
    ck_assert_int_eq(oracle_branch(&record, "afterImages"), BRANCH_STRING);
    expect_string(&record, "afterImages", "create table t(a int)");
    expect_tag(&record, "GTID", e.gtid);
    expect_tag(&record, "GTID_SET", e.gtid_set);
    expect_tag(&record, "server_id", "26957161");
    expect_tag(&record, "commitTimestamp", "1624467825");
    expect_tag(&record, "lowerCaseTableNames", "false");
    expect_tag_count(&record, 10);
    avro_value_decref(&record);

    e.gtid = e.gtid_set = NULL;
    e.ddl_database = "";
    e.ddl_text_bytes = 0;
    record = statement_record(&e);
    expect_string(&record, "objectName", "");
    expect_string(&record, "afterImages", "");
    expect_tag_count(&record, 8);
    avro_value_decref(&record);
}
END_TEST

/* encode_checked refuses a value of 48 bytes or less; this event is the shortest there can be. */
START_TEST(no_value_is_taken_for_filler)
{
    const struct change_source nameless = change_source_of("", false);
    for (uint64_t length = 1; length <= UINT64_C(100000000000000); length *= 10) {
        struct change_event e = {
            .operation = CHANGE_HEARTBEAT, .timestamp_s = 1, .read_time_ms = length, .source = &nameless};
        avro_value_t record = statement_record(&e);
        expect_tag_count(&record, length < 10 ? 2 : 1);
        avro_value_decref(&record);
    }
}
END_TEST

/* The same event read a second time differs in the processing time alone. */
START_TEST(only_the_processing_time_differs)
{
    size_t size, later_size;
    maker_table(&maker, format, 30);
    for (unsigned row = 0; row < 200; row++) {
        maker_row(&maker);
        uint8_t *first = encode_checked(format, &maker.event, row, &size);
        struct change_event again = maker.event;
        again.read_time_ms = 8888888888888;
        uint8_t *later = encode_checked(format, &again, row, &later_size);
        ck_assert_uint_eq(size, later_size);
        uint8_t *at = memmem(later, size, "8888888888888", 13);
        ck_assert_ptr_nonnull(at);
        memcpy(at, "1784032496789", 13);
        ck_assert(memcmp(first, later, size) == 0);
        free(first);
        free(later);
    }
    format->table_release(&maker.table);
}
END_TEST

START_TEST(decimal_text_of_every_length)
{
    uint8_t got[DECIMAL_TEXT_MAX];
    char want[32];
    struct random r;
    random_init(&r, 5);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t value = random_u64(&r) >> random_below(&r, 64);
        if (i < 20 * 3) value = i % 3 == 2 ? UINT64_MAX - i / 3 : decimal_smallest[i / 3] - (i % 3 == 0);
        int digits = snprintf(want, sizeof want, "%" PRIu64, value);
        uint8_t *end = decimal_put(got, value);
        if (end - got != digits || memcmp(got, want, (size_t)digits) != 0)
            ck_abort_msg("%s came out as %.*s", want, (int)(end - got), got);
    }
}
END_TEST

START_TEST(floats_read_as_people_wrote_them)
{
    static const float some[] = {0.0f, -0.0f, 1.1f, 0.1f, 3.14159274f, 16777216.0f, 16777218.0f, 1e10f, 1.17549435e-38f,
                                 1.40129846e-45f, 3.40282347e38f, 9.99999e-5f, 123456.789f, 33554432.0f, 0.3f,
                                 8388608.5f, 1234567.25f};
    ck_assert(float_shortest(1.1f) == 1.1);
    ck_assert(float_shortest(1e10f) == 1e10);
    ck_assert(float_shortest(3.4028235e38f) == 3.4028235e38);
    ck_assert(signbit(float_shortest(-0.0f)));
    ck_assert(isnan(float_shortest(NAN)) && float_shortest((double)INFINITY) == (double)INFINITY);
    struct random r;
    random_init(&r, 9);
    for (unsigned i = 0; i < 60000; i++) {
        uint32_t bits = (uint32_t)random_u64(&r);
        float f;
        memcpy(&f, &bits, sizeof f);
        if (i % 3 == 0) f = (float)((double)random_below(&r, 100000000) / pow(10, (double)random_below(&r, 9)));
        if (i < sizeof some / sizeof *some) f = some[i];
        if (!isfinite(f)) continue;
        double want = shortest_by_trial(f), got = float_shortest(f);
        if (got != want) ck_abort_msg("%.9g: %.17g, not %.17g", (double)f, got, want);
        ck_assert((float)got == f);
    }
}
END_TEST

START_TEST(formats_are_found_by_name)
{
    ck_assert_ptr_eq(record_format_find("dts-avro"), &record_format_dts_avro);
    ck_assert_ptr_null(record_format_find("dts"));
    ck_assert_ptr_null(record_format_find(""));
}
END_TEST

static void setup(void)
{
    format = record_format_find("dts-avro");
    maker_init(&maker, 20261);
}

int main(void)
{
    Suite *s = suite_create("dts_avro");
    TCase *t = tcase_create("dts_avro");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, random_rows);
    tcase_add_test(t, the_bound_holds_for_the_longest_values);
    tcase_add_test(t, integers_at_their_ends);
    tcase_add_test(t, times_at_their_ends);
    tcase_add_test(t, decimals_at_their_ends);
    tcase_add_test(t, texts_and_objects);
    tcase_add_test(t, charsets_are_required_and_bounded);
    tcase_add_test(t, names_are_escaped);
    tcase_add_test(t, begin_commit_and_heartbeat);
    tcase_add_test(t, ddl);
    tcase_add_test(t, no_value_is_taken_for_filler);
    tcase_add_test(t, only_the_processing_time_differs);
    tcase_add_test(t, decimal_text_of_every_length);
    tcase_add_test(t, floats_read_as_people_wrote_them);
    tcase_add_test(t, formats_are_found_by_name);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    return suite_run(s);
}
