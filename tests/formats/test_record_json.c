/* Goal: a tracked record prints as one line of JSON that says what the change event said; a record that is cut, changed
 * or invented is refused or printed as valid JSON, never read beyond its end; a sink that is too small is said so. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/formats/event_maker.h"
#include "formats/json_sink.h"
#include "formats/record_json.h"
#include "tests/suite.h"

enum { ROOM = 1 << 22 };

static char line[ROOM + 1];
static struct maker maker;
static const struct record_format *const format = &record_format_dts_avro;

static enum err write_line(const uint8_t *bytes, size_t size, size_t room)
{
    struct sink s = sink_of(line, room);
    enum err e = record_json_write(bytes, size, &s);
    *s.at = 0;
    return e;
}

static json_t *parsed(void)
{
    json_error_t error;
    ck_assert_ptr_null(strchr(line, '\n'));
    json_t *json =
        json_loads(line, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error); /* jansson's integers end at 2^63 */
    ck_assert_msg(json != NULL, "%s in %.1000s", error.text, line);
    return json;
}

static void expect_line(const struct change_event *e, const char *want)
{
    size_t size;
    uint8_t *bytes = encode_checked(format, e, 7, &size);
    ck_assert_int_eq(write_line(bytes, size, ROOM), ERR_OK);
    ck_assert_str_eq(line, want);
    for (size_t room = 0; room < strlen(want); room++) ck_assert_int_eq(write_line(bytes, size, room), ERR_NO_SPACE);
    ck_assert_int_eq(write_line(bytes, size, strlen(want)), ERR_OK);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* of its own, for the address sanitizer */
        ck_assert_ptr_nonnull(copy);
        memmove(copy + 1, bytes, cut);
        ck_assert_int_eq(write_line(copy + 1, cut, ROOM), ERR_CORRUPT);
        free(copy);
    }
    uint8_t *longer = realloc(bytes, size + 1);
    ck_assert_ptr_nonnull(longer);
    longer[size] = 0;
    ck_assert_int_eq(write_line(longer, size + 1, ROOM), ERR_CORRUPT);
    free(longer);
}

static struct change_event event(enum change_operation operation)
{
    static struct change_source source; /* the event names it */
    source = change_source_of("8.0.28-log", true);
    return (struct change_event){.operation = operation,
                                 .timestamp_s = 1696984517,
                                 .file_number = 78,
                                 .start_position = 75103,
                                 .end_position = 75259,
                                 .read_time_ms = 1696984517078,
                                 .server_id = 10,
                                 .thread_id = 11,
                                 .source = &source};
}

static struct change_value sized(enum change_value_kind kind, const char *bytes, uint32_t size)
{
    return (struct change_value){.kind = (uint8_t)kind, .size = size, .bytes = (const uint8_t *)bytes};
}

#define TAIL(tags) ",\"timestamp_s\":1696984517,\"read_time_ms\":1696984517078,\"position\":\"75259@78\"," \
                   "\"safe_position\":\"75103@78\",\"server_version\":\"8.0.28-log\",\"tags\":{" tags "}}"

START_TEST(a_row_of_every_kind)
{
    struct change_column c[] = {
        {"big", NULL, CHANGE_BIGINT, true, 0, 0},    {"price", NULL, CHANGE_DECIMAL, false, 5, 2},
        {"f", NULL, CHANGE_FLOAT, false, 0, 0},      {"d", NULL, CHANGE_DOUBLE, false, 0, 0},
        {"date", NULL, CHANGE_DATE, false, 0, 0},    {"time", NULL, CHANGE_TIME, false, 0, 6},
        {"at", NULL, CHANGE_DATETIME, false, 0, 3},  {"changed", NULL, CHANGE_TIMESTAMP, false, 0, 6},
        {"y", NULL, CHANGE_YEAR, false, 0, 0},       {"t\"", "utf8mb4", CHANGE_TEXT, false, 0, 0},
        {"l", "latin1", CHANGE_CHAR, false, 0, 0},   {"bad", "utf8mb3", CHANGE_CHAR, false, 0, 0},
        {"bin", NULL, CHANGE_BLOB, false, 0, 0},     {"e", NULL, CHANGE_ENUM, false, 0, 0},
        {"geo", NULL, CHANGE_GEOMETRY, false, 0, 0}, {"none", NULL, CHANGE_INT, false, 0, 0},
        {"gone", NULL, CHANGE_INT, false, 0, 0}};
    struct change_value v[] = {
        {.kind = CHANGE_VALUE_UINT, .u = UINT64_MAX},
        sized(CHANGE_VALUE_TEXT, "-0.50", 5),
        {.kind = CHANGE_VALUE_FLOAT, .d = 1.1f},
        {.kind = CHANGE_VALUE_DOUBLE, .d = 0.1},
        {.kind = CHANGE_VALUE_DATETIME, .t = {.year = 2021, .month = 9, .day = 29}},
        {.kind = CHANGE_VALUE_DATETIME,
         .t = {.hour = 838, .minute = 59, .second = 58, .microsecond = 250000, .is_negative = true}},
        {.kind = CHANGE_VALUE_DATETIME,
         .t = {.year = 2021, .month = 9, .day = 29, .hour = 1, .minute = 2, .second = 3, .microsecond = 40000}},
        {.kind = CHANGE_VALUE_TIMESTAMP, .ts = {1618239451, 5}},
        {.kind = CHANGE_VALUE_INT, .i = 2021},
        sized(CHANGE_VALUE_BYTES, "a\n\xc3\xa9\xf0\x9f\x90\xac", 8),
        sized(CHANGE_VALUE_BYTES, "\xe9", 1),
        sized(CHANGE_VALUE_BYTES, "\xed\xa0\x80", 3),
        sized(CHANGE_VALUE_BYTES, "\0\xff", 2),
        sized(CHANGE_VALUE_TEXT, "red", 3),
        sized(CHANGE_VALUE_BYTES, "srid\1", 5),
        {.kind = CHANGE_VALUE_NULL},
        {.kind = CHANGE_VALUE_ABSENT}};
    static const uint16_t key_column[] = {0};
    struct change_key key = {"PRIMARY", key_column, 1};
    struct change_table t = {"shop", "orders", c, &key, sizeof c / sizeof *c, 1, 4711, NULL};
    struct change_event e = event(CHANGE_INSERT);
    e.table = &t;
    e.after = v;
    ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
    expect_line(&e,
                "{\"id\":7,\"operation\":\"INSERT\",\"table\":\"shop.orders\",\"after\":{\"big\":18446744073709551615,"
                "\"price\":\"-0.50\",\"f\":1.1,"
                "\"d\":0.1,\"date\":\"2021-09-29\",\"time\":\"-838:59:58.25\",\"at\":\"2021-09-29 01:02:03.04\","
                "\"changed\":\"2021-04-12T14:57:31.000005Z\",\"y\":2021,\"t\\\"\":\"a\\u000a\xc3\xa9\xf0\x9f\x90\xac\","
                "\"l\":{\"charset\":\"latin1\",\"hex\":\"e9\"},\"bad\":{\"charset\":\"utf8\",\"hex\":\"eda080\"},"
                "\"bin\":{\"hex\":\"00ff\"},\"e\":\"red\",\"geo\":{\"wkb\":\"01\"},\"none\":null}" TAIL(
                    "\"pk_uk_info\":\"{\\\"PRIMARY\\\":[\\\"big\\\"]}\",\"metaVersion\":\"4711\","
                    "\"readerThroughoutTime\":\"1696984517078\",\"server_id\":\"10\",\"thread_id\":\"11\""));
    format->table_release(&t);
}
END_TEST

/* Every day's first and last second for 180 years, and random seconds, against the C library's calendar. */
START_TEST(timestamps_follow_the_calendar)
{
    struct change_column c = {"t", NULL, CHANGE_TIMESTAMP, false, 0, 0};
    struct change_table t = {"d", "t", &c, NULL, 1, 0, 1, NULL};
    static uint8_t bytes[4096];
    ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
    for (int64_t i = 0; i < 200000; i++) {
        int64_t seconds = i / 2 * 86400 + (i % 2) * 86399;
        if (i >= 131072) seconds = (int64_t)random_below(&maker.random, 253402300800);
        struct change_value v = {.kind = CHANGE_VALUE_TIMESTAMP, .ts = {seconds, 0}};
        struct change_event e = event(CHANGE_INSERT);
        char want[64];
        struct tm utc;
        time_t when = (time_t)seconds;
        e.table = &t;
        e.after = &v;
        if (write_line(bytes, format->encode(&e, 1, bytes), ROOM) != ERR_OK) ck_abort();
        strftime(want, sizeof want, "{\"t\":\"%Y-%m-%dT%H:%M:%SZ\"}", gmtime_r(&when, &utc));
        if (strstr(line, want) == NULL) ck_abort_msg("%s is not in %s", want, line);
    }
    format->table_release(&t);
}
END_TEST

START_TEST(updates_and_deletes_show_what_was)
{
    struct change_column c[] = {{"id", NULL, CHANGE_INT, false, 0, 0}, {"n", NULL, CHANGE_INT, false, 0, 0}};
    struct change_value before[] = {{.kind = CHANGE_VALUE_INT, .i = -1}, {.kind = CHANGE_VALUE_INT, .i = 2}};
    struct change_value after[] = {{.kind = CHANGE_VALUE_ABSENT}, {.kind = CHANGE_VALUE_INT, .i = 3}};
    struct change_table t = {"a.b", "t", c, NULL, 2, 0, 1, NULL};
    struct change_event e = event(CHANGE_UPDATE);
    e.table = &t;
    e.before = before;
    e.after = after;
    e.thread_id = 0;
    ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
#define ROW_TAGS                                                                                                       \
    "\"pk_uk_info\":\"{}\",\"metaVersion\":\"1\",\"readerThroughoutTime\":\"1696984517078\",\"server_id\":\"10\""
    expect_line(&e, "{\"id\":7,\"operation\":\"UPDATE\",\"table\":\"a\\\\u002Eb.t\",\"before\":{\"id\":-1,\"n\":2},"
                    "\"after\":{\"n\":3}" TAIL(ROW_TAGS));
    e.operation = CHANGE_DELETE;
    expect_line(
        &e,
        "{\"id\":7,\"operation\":\"DELETE\",\"table\":\"a\\\\u002Eb.t\",\"before\":{\"id\":-1,\"n\":2}" TAIL(ROW_TAGS));
    format->table_release(&t);
}
END_TEST

START_TEST(statements)
{
    struct change_event e = event(CHANGE_BEGIN);
    e.gtid = "uuid:1";
    expect_line(&e, "{\"id\":7,\"operation\":\"BEGIN\"" TAIL(
                        "\"readerThroughoutTime\":\"1696984517078\",\"thread_id\":\"11\",\"GTID\":\"uuid:1\""));
    e = event(CHANGE_HEARTBEAT);
    expect_line(&e, "{\"id\":7,\"operation\":\"HEARTBEAT\"" TAIL("\"readerThroughoutTime\":\"1696984517078\""));
    e = event(CHANGE_DDL);
    e.ddl_database = "shop";
    e.ddl_text = "drop table \"x\"";
    e.ddl_text_bytes = 14;
    expect_line(&e, "{\"id\":7,\"operation\":\"DDL\",\"database\":\"shop\",\"statement\":\"drop table \\\"x\\\"\"" TAIL(
                        "\"readerThroughoutTime\":\"1696984517078\",\"thread_id\":\"11\",\"server_id\":\"10\","
                        "\"commitTimestamp\":\"1696984517\","
                        "\"lowerCaseTableNames\":\"true\""));
}
END_TEST

/* Two fields, and an image of one item or of three. */
START_TEST(images_have_an_item_for_each_field)
{
    struct change_column c[] = {{"a", NULL, CHANGE_INT, false, 0, 0}, {"b", NULL, CHANGE_INT, false, 0, 0}};
    struct change_value row[] = {{.kind = CHANGE_VALUE_NULL}, {.kind = CHANGE_VALUE_NULL}};
    struct change_table t = {"d", "t", c, NULL, 2, 0, 1, NULL};
    struct change_event e = event(CHANGE_INSERT);
    static const uint8_t image[] = {2 << 1, 2 << 1, 0, 0, 0};
    size_t size;
    e.table = &t;
    e.after = row;
    ck_assert_int_eq(format->table_prepare(&t), ERR_OK);
    uint8_t *bytes = encode_checked(format, &e, 1, &size), changed[1024];
    uint8_t *at = memmem(bytes, size, image, sizeof image);
    ck_assert_ptr_nonnull(at);
    size_t before = (size_t)(at - bytes) + 1, behind = size - before - 4;
    for (unsigned items = 0; items < 4; items++) {
        memcpy(changed, bytes, before);
        uint8_t *p = changed + before;
        if (items > 0) *p++ = (uint8_t)(items << 1);
        memset(p, 0, items + 1); /* so many NULLs, and the end */
        p += items + 1;
        memcpy(p, at + sizeof image, behind);
        enum err want = items == 2 ? ERR_OK : ERR_CORRUPT;
        ck_assert_int_eq(write_line(changed, (size_t)(p - changed) + behind, ROOM), want);
    }
    free(bytes);
    format->table_release(&t);
}
END_TEST

static size_t present(const struct change_value *values, unsigned count)
{
    size_t n = 0;
    for (unsigned i = 0; i < count; i++) n += values[i].kind != CHANGE_VALUE_ABSENT;
    return n;
}

START_TEST(random_rows_are_json_of_all_their_columns)
{
    size_t size;
    for (unsigned table = 0; table < 200; table++) {
        maker_table(&maker, format, (uint16_t)(table == 0 ? 1500 : 1 + random_below(&maker.random, 30)));
        for (unsigned row = 0; row < 10; row++) {
            maker_row(&maker);
            const struct change_event *e = &maker.event;
            uint8_t *bytes = encode_checked(format, e, 1, &size);
            ck_assert_int_eq(write_line(bytes, size, ROOM), ERR_OK);
            ck_assert_uint_le(strlen(line), 12 * size + 1024);
            json_t *json = parsed();
            json_t *before = json_object_get(json, "before"), *after = json_object_get(json, "after");
            ck_assert_uint_eq(json_object_size(before),
                              e->before == NULL ? 0 : present(e->before, maker.table.column_count));
            ck_assert_uint_eq(json_object_size(after),
                              e->after == NULL ? 0 : present(e->after, maker.table.column_count));
            for (unsigned i = 0; i < maker.table.column_count && e->after != NULL; i++) {
                json_t *item = json_object_get(after, maker.column[i].name);
                ck_assert_int_eq(item == NULL, e->after[i].kind == CHANGE_VALUE_ABSENT);
                ck_assert_int_eq(json_is_null(item), e->after[i].kind == CHANGE_VALUE_NULL);
            }
            json_decref(json);
            free(bytes);
        }
        format->table_release(&maker.table);
    }
}
END_TEST

/* Whatever the bytes are: an error, or a line that is JSON. */
static void expect_sane(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    enum err e = write_line(copy, size, ROOM);
    ck_assert(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NO_SPACE);
    if (e == ERR_OK && strstr(line, "\\u0000") == NULL) json_decref(parsed()); /* jansson takes no NUL in a key */
    free(copy);
}

START_TEST(damaged_and_invented_records)
{
    static uint8_t noise[4096];
    struct random *r = &maker.random;
    size_t size;
    for (unsigned round = 0; round < 3000; round++) {
        maker_table(&maker, format, (uint16_t)(1 + random_below(r, 12)));
        maker_row(&maker);
        uint8_t *bytes = encode_checked(format, &maker.event, 1, &size);
        for (unsigned damage = 0; damage < 4; damage++) {
            bytes[random_below(r, size)] = (uint8_t)(random_below(r, 2) == 0 ? random_u64(r) : random_below(r, 26));
            expect_sane(bytes, size);
        }
        expect_sane(bytes, random_below(r, size));
        free(bytes);
        format->table_release(&maker.table);
        size = random_below(r, sizeof noise);
        random_bytes(r, noise, size);
        for (size_t i = 0; i < size; i++)
            if (random_below(r, 3) > 0) noise[i] &= 0x1f; /* small numbers lead further in */
        expect_sane(noise, size);
    }
}
END_TEST

START_TEST(utf8_by_the_rules)
{
    static const struct { const char *bytes; bool is_valid;
    } cases[] = {{"", true},
                 {"plain", true},
                 {"\xc2\x80", true},
                 {"\xdf\xbf", true},
                 {"\xe0\xa0\x80", true},
                 {"\xed\x9f\xbf", true},
                 {"\xee\x80\x80", true},
                 {"\xf0\x90\x80\x80", true},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\x80", false},
                 {"\xc0\x80", false},
                 {"\xc1\xbf", false},
                 {"\xe0\x9f\xbf", false},
                 {"\xed\xa0\x80", false},
                 {"\xf0\x8f\xbf\xbf", false},
                 {"\xf4\x90\x80\x80", false},
                 {"\xf5\x80\x80\x80", false},
                 {"\xe2\x82", false},
                 {"\xff", false},
                 {"a\xc3", false},
                 {"\xe2\x28\xa1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(utf8_is_valid((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)), cases[i].is_valid);
    struct sink s = sink_of(line, ROOM);
    json_sink_string(&s, "a\xff\xc3\xa9\xe2\x82", 6);
    *s.at = 0;
    ck_assert_str_eq(line, "\"a\\ufffd\xc3\xa9\\ufffd\\ufffd\"");
}
END_TEST

static void setup(void) { maker_init(&maker, 99); }

int main(void)
{
    Suite *s = suite_create("record_json");
    TCase *t = tcase_create("record_json");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_row_of_every_kind);
    tcase_add_test(t, timestamps_follow_the_calendar);
    tcase_add_test(t, updates_and_deletes_show_what_was);
    tcase_add_test(t, images_have_an_item_for_each_field);
    tcase_add_test(t, statements);
    tcase_add_test(t, random_rows_are_json_of_all_their_columns);
    tcase_add_test(t, damaged_and_invented_records);
    tcase_add_test(t, utf8_by_the_rules);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    return suite_run(s);
}
