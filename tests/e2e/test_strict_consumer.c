/* Goal: the strict consumer of the end-to-end tests is strict.  What the product encodes is decoded to the text a
 * SELECT gives, a correct stream is accepted, and every way a stream can contradict itself is refused with words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "formats/record_format.h"
#include "tests/e2e/stream_record.h"
#include "tests/e2e/table_copy.h"
#include "tests/suite.h"

static struct change_column column[] = {
    {"id", NULL, CHANGE_BIGINT, false, 0, 0},         {"name", "utf8mb4", CHANGE_VARCHAR, false, 0, 0},
    {"amount", NULL, CHANGE_DECIMAL, false, 10, 2},   {"weight", NULL, CHANGE_DOUBLE, false, 0, 0},
    {"made", NULL, CHANGE_DATETIME, false, 0, 3},     {"changed", NULL, CHANGE_TIMESTAMP, false, 0, 6},
    {"due", NULL, CHANGE_DATE, false, 0, 0},          {"spent", NULL, CHANGE_TIME, false, 0, 2},
    {"raw", NULL, CHANGE_VARBINARY, false, 0, 0},     {"born", NULL, CHANGE_YEAR, false, 0, 0},
    {"empty", "utf8mb4", CHANGE_TEXT, false, 0, 0},
};
enum { COLUMNS = sizeof column / sizeof *column };
static const uint16_t     key_column[] = {0};
static struct change_key  key = {"PRIMARY", key_column, 1};
static struct change_table table = {.database = "shop", .table = "orders", .column = column, .key = &key,
                                    .column_count = COLUMNS, .key_count = 1, .meta_version = 7};

static const char *const as_selected[COLUMNS] = {
    "-5", "wheel", "-12.50", "0.10000000000000001", "2026-01-02 03:04:05.6", "2001-09-09 01:46:40.000001", "0000-00-00",
    "-838:59:58.5", "\x01\x02", "1999", NULL,
};

static struct change_value bytes_of(enum change_value_kind kind, const char *text)
{
    return (struct change_value){.kind = (uint8_t)kind, .size = (uint32_t)strlen(text), .bytes = (const uint8_t *)text};
}

static void fill(struct change_value value[static COLUMNS], int64_t id, const char *name)
{
    value[0] = (struct change_value){.kind = CHANGE_VALUE_INT, .i = id};
    value[1] = bytes_of(CHANGE_VALUE_BYTES, name);
    value[2] = bytes_of(CHANGE_VALUE_TEXT, "-12.50");
    value[3] = (struct change_value){.kind = CHANGE_VALUE_DOUBLE, .d = 0.1};
    value[4] = (struct change_value){.kind = CHANGE_VALUE_DATETIME, .t = {600000, 2026, 3, 1, 2, 4, 5, false}};
    value[5] = (struct change_value){.kind = CHANGE_VALUE_TIMESTAMP, .ts = {1000000000, 1}};
    value[6] = (struct change_value){.kind = CHANGE_VALUE_DATETIME};
    value[7] = (struct change_value){.kind = CHANGE_VALUE_DATETIME, .t = {500000, 0, 838, 0, 0, 59, 58, true}};
    value[8] = bytes_of(CHANGE_VALUE_BYTES, "\x01\x02");
    value[9] = (struct change_value){.kind = CHANGE_VALUE_INT, .i = 1999};
    value[10] = (struct change_value){.kind = CHANGE_VALUE_NULL};
}

/* libavro loses a little when a record ends early, which this test does on purpose. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libavro"; }

static struct stream_decoder *decoder;
static struct stream_record   record;
static char                   why[512];

/* Encodes with the product, decodes as the consumer does. */
static void pass(enum change_operation operation, const struct change_value *before, const struct change_value *after)
{
    const struct change_source source = change_source_of("8.0.28", false);
    struct change_event event = {.operation = operation, .timestamp_s = 1000, .file_number = 1, .start_position = 4,
                                 .end_position = 99, .read_time_ms = 1000000, .source = &source, .table = &table,
                                 .before = before, .after = after};
    if (operation > CHANGE_DELETE) event.table = NULL;
    uint8_t *bytes = malloc(record_format_dts_avro.size_max(&event));
    size_t   size = record_format_dts_avro.encode(&event, 42, bytes);
    ck_assert_msg(stream_decode(decoder, bytes, size, &record, why, sizeof why), "%s", why);
    ck_assert_int_eq(record.operation, (int)operation);
    ck_assert_int_eq(record.id, 42);
    ck_assert_msg(!stream_decode(decoder, bytes, size / 2, &record, why, sizeof why), "half a record was accepted");
    ck_assert(stream_decode(decoder, bytes, size, &record, why, sizeof why));
    free(bytes);
}

static void setup(void)
{
    decoder = stream_decoder_open(RECORD_SCHEMA, why, sizeof why);
    ck_assert_msg(decoder != NULL, "%s", why);
    ck_assert(record_format_dts_avro.table_prepare(&table) == ERR_OK);
}

static void teardown(void)
{
    record_format_dts_avro.table_release(&table);
    stream_decoder_close(decoder);
    row_free(&record.before);
    row_free(&record.after);
}

START_TEST(values_become_the_text_of_a_select)
{
    struct change_value value[COLUMNS];
    fill(value, -5, "wheel");
    pass(CHANGE_INSERT, NULL, value);
    ck_assert_str_eq(record.object, "shop.orders");
    struct row_bytes expected = {0};
    for (unsigned i = 0; i < COLUMNS; i++) {
        size_t before = expected.size;
        row_add(&expected, as_selected[i], as_selected[i] == NULL ? 0 : strlen(as_selected[i]));
        ck_assert_msg(record.after.size >= expected.size &&
                          memcmp(record.after.bytes + before, expected.bytes + before, expected.size - before) == 0,
                      "column %s is '%.*s', a SELECT gives '%s'", column[i].name, 24,
                      (const char *)record.after.bytes + before + 4, as_selected[i]);
    }
    ck_assert_uint_eq(record.after.size, expected.size);
    row_free(&expected);
}
END_TEST

START_TEST(contradictions_are_refused)
{
    struct change_value first[COLUMNS], second[COLUMNS], other_key[COLUMNS];
    struct table_copy  *copy = table_copy_new();
    fill(first, 1, "first");
    fill(second, 1, "second");
    fill(other_key, 2, "first");

    pass(CHANGE_UPDATE, first, second);
    ck_assert(!table_copy_apply(copy, &record, why, sizeof why)); /* was never there */
    pass(CHANGE_INSERT, NULL, first);
    ck_assert_msg(table_copy_apply(copy, &record, why, sizeof why), "%s", why);
    ck_assert(!table_copy_apply(copy, &record, why, sizeof why)); /* is there already */
    pass(CHANGE_DELETE, second, NULL);
    ck_assert(!table_copy_apply(copy, &record, why, sizeof why)); /* not what was there */
    ck_assert_msg(strstr(why, "column 1") != NULL, "%s", why);
    pass(CHANGE_UPDATE, first, other_key); /* the key moves */
    ck_assert_msg(table_copy_apply(copy, &record, why, sizeof why), "%s", why);
    pass(CHANGE_DELETE, first, NULL);
    ck_assert(!table_copy_apply(copy, &record, why, sizeof why)); /* the old key is gone */
    pass(CHANGE_DELETE, other_key, NULL);
    ck_assert_msg(table_copy_apply(copy, &record, why, sizeof why), "%s", why);
    ck_assert(!table_copy_apply(copy, &record, why, sizeof why));
    table_copy_free(copy);
}
END_TEST

START_TEST(records_without_rows_have_none)
{
    static const enum change_operation operations[] = {CHANGE_BEGIN, CHANGE_COMMIT, CHANGE_HEARTBEAT};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        pass(operations[i], NULL, NULL);
        ck_assert(!record.has_before && !record.has_after && record.object[0] == '\0');
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("strict_consumer");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, values_become_the_text_of_a_select);
    tcase_add_test(t, contradictions_are_refused);
    tcase_add_test(t, records_without_rows_have_none);
    suite_add_tcase(s, t);
    return suite_run(s);
}
