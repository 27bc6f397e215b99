/* Goal: base's bounded readers and writers mirror each other and stop at every edge; checksums, random numbers and
 * histograms give known answers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/crc.h"
#include "base/cursor.h"
#include "base/random.h"
#include "base/rfc3339.h"
#include "base/sink.h"
#include "tests/suite.h"

START_TEST(varints_round_trip_and_refuse_every_cut)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, 1u << 31, UINT64_MAX / 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[10];
        struct sink s = sink_of(bytes, sizeof bytes);
        sink_uvarint(&s, values[i]);
        ck_assert(!s.failed);
        size_t size = (size_t)(s.at - bytes);
        ck_assert_uint_eq(size, uvarint_size(values[i]));
        struct cursor c = cursor_of(bytes, size);
        ck_assert_uint_eq(cursor_uvarint(&c), values[i]);
        ck_assert(!c.failed && cursor_left(&c) == 0);
        for (size_t cut = 0; cut < size; cut++) {
            c = cursor_of(bytes, cut);
            cursor_uvarint(&c);
            ck_assert(c.failed);
            s = sink_of(bytes, cut);
            sink_uvarint(&s, values[i]);
            ck_assert(s.failed && s.at == bytes);
        }
    }
    static const int64_t signs[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        uint8_t bytes[10];
        struct sink s = sink_of(bytes, sizeof bytes);
        sink_zigzag(&s, signs[i]);
        struct cursor c = cursor_of(bytes, (size_t)(s.at - bytes));
        ck_assert_int_eq(cursor_zigzag(&c), signs[i]);
    }
}
END_TEST

START_TEST(an_endless_varint_is_refused)
{
    uint8_t bytes[16];
    memset(bytes, 0xff, sizeof bytes);
    struct cursor c = cursor_of(bytes, sizeof bytes);
    cursor_uvarint(&c);
    ck_assert(c.failed);
}
END_TEST

START_TEST(fixed_width_numbers_keep_their_byte_order)
{
    uint8_t bytes[16];
    struct sink s = sink_of(bytes, sizeof bytes);
    sink_be(&s, 0x010203, 3);
    sink_le(&s, 0x0a0b0c0d, 4);
    ck_assert_mem_eq(bytes, "\x01\x02\x03\x0d\x0c\x0b\x0a", 7);
    struct cursor c = cursor_of(bytes, 7);
    ck_assert_uint_eq(cursor_be(&c, 3), 0x010203);
    ck_assert_uint_eq(cursor_le(&c, 4), 0x0a0b0c0d);
    ck_assert(!c.failed);
    cursor_le(&c, 1);
    ck_assert(c.failed);
}
END_TEST

START_TEST(checksums_give_the_published_answers)
{
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(crc32_zlib(0, "123456789", 9), 0xcbf43926u);
    ck_assert_uint_eq(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    ck_assert_uint_eq(crc32_zlib(crc32_zlib(0, "1234", 4), "56789", 5), 0xcbf43926u);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_numbers)
{
    struct random a, b, c;
    random_init(&a, 7);
    random_init(&b, 7);
    random_init(&c, 8);
    int equal_to_other_seed = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u64(&a);
        ck_assert_uint_eq(value, random_u64(&b));
        equal_to_other_seed += value == random_u64(&c);
        ck_assert_uint_lt(random_below(&a, 10), 10);
        random_below(&b, 10);
    }
    ck_assert_int_eq(equal_to_other_seed, 0);
}
END_TEST

START_TEST(histogram_buckets_are_monotonic_and_close)
{
    uint32_t before = 0;
    for (uint64_t v = 0; v < 100000; v++) {
        uint32_t bucket = histogram_bucket_of(v);
        ck_assert(bucket == before || bucket == before + 1);
        before = bucket;
        uint64_t floor = histogram_bucket_floor(bucket);
        ck_assert(floor <= v && v - floor <= v / 16);
    }
    ck_assert_uint_lt(histogram_bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS);
}
END_TEST

static void count_named(void *context, const struct counter_view *view)
{
    uint64_t *seen = context;
    if (strcmp(view->name, "records") == 0 && strcmp(view->label, "channel=a") == 0) seen[0] = view->value;
    if (strcmp(view->name, "latency_ns") == 0) seen[1] = histogram_quantile(view->histogram, 500000);
}

static void count_all(void *context, const struct counter_view *view)
{
    (void)view;
    ++*(uint64_t *)context;
}

START_TEST(another_process_reads_the_counter_file)
{
    char path[] = "/tmp/millrace-test-counters-XXXXXX";
    close(mkstemp(path));
    struct counters *writer, *reader;
    ck_assert_int_eq(counters_open(&writer, path, 64, NULL), ERR_OK);
    struct counter *records = counters_add(writer, COUNTER_COUNT, "records", "channel=a");
    struct histogram *latency = counters_add_histogram(writer, "latency_ns", "");
    ck_assert_ptr_eq(records, counters_add(writer, COUNTER_COUNT, "records", "channel=a"));
    counter_add(records, 41);
    counter_add(records, 1);
    for (int i = 0; i < 100; i++) histogram_record(latency, 1000);
    ck_assert_int_eq(counters_open_readonly(&reader, path, NULL), ERR_OK);
    uint64_t seen[2] = {0};
    counters_each(reader, count_named, seen);
    ck_assert_uint_eq(seen[0], 42);
    ck_assert(seen[1] > 1000 - 1000 / 16 && seen[1] <= 1000);
    counters_remove(writer, "channel=a");
    seen[0] = 0;
    counters_each(reader, count_named, seen);
    ck_assert_uint_eq(seen[0], 0);
    counters_close(reader);
    counters_close(writer);
    unlink(path);
}
END_TEST

/* A channel's name has up to 100 characters. */
START_TEST(the_longest_label_is_found_again_and_removed)
{
    struct counters *c;
    char label[120];
    uint64_t seen = 0;
    snprintf(label, sizeof label, "channel=%0*d", 100, 7);
    ck_assert_int_eq(counters_open(&c, NULL, 4, NULL), ERR_OK);
    struct counter *counter = counters_add(c, COUNTER_COUNT, "records", label);
    ck_assert_ptr_eq(counters_add(c, COUNTER_COUNT, "records", label), counter);
    counters_each(c, count_all, &seen);
    ck_assert_uint_eq(seen, 1);
    counters_remove(c, label);
    seen = 0;
    counters_each(c, count_all, &seen);
    ck_assert_uint_eq(seen, 0);
    counters_close(c);
}
END_TEST

START_TEST(a_full_counter_file_still_gives_a_counter)
{
    struct counters *c;
    ck_assert_int_eq(counters_open(&c, NULL, 2, NULL), ERR_OK);
    counters_add(c, COUNTER_COUNT, "a", "");
    counters_add(c, COUNTER_COUNT, "b", "");
    ck_assert_ptr_nonnull(counters_add(c, COUNTER_COUNT, "c", ""));
    ck_assert_ptr_nonnull(counters_add_histogram(c, "d", ""));
    counters_close(c);
}
END_TEST

START_TEST(the_simulated_clock_moves_only_by_hand)
{
    struct clock_simulated c;
    clock_simulated_init(&c, 1000);
    ck_assert_uint_eq(clock_realtime_ms(&c.clock), 1000);
    clock_simulated_advance(&c, 2500000);
    ck_assert_uint_eq(clock_monotonic_ns(&c.clock), 2500000);
    ck_assert_uint_eq(clock_realtime_ms(&c.clock), 1002);
}
END_TEST

START_TEST(times_are_read_and_written_as_text)
{
    static const struct { const char *text; int64_t ms; const char *printed; } good[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"},
        {"2026-11-21T20:00:00.123456Z", 1795291200123, "2026-11-21T20:00:00.123Z"},
        {"2026-11-22t04:00:00.5+08:00", 1795291200500, "2026-11-21T20:00:00.500Z"},
        {"2026-11-21T13:30:00-06:30", 1795291200000, "2026-11-21T20:00:00.000Z"},
        {"2024-02-29T23:59:60Z", 1709251200000, "2024-03-01T00:00:00.000Z"},
        {"1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z"},
        {"0000-01-01T00:00:00Z", -62167219200000, "0000-01-01T00:00:00.000Z"},
        {"9999-12-31T23:59:59.999Z", 253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    static const char *const bad[] = {
        "", "2026", "2026-11-21", "2026-11-21T20:00:00", "2026-11-21 20:00:00Z", "2026-11-21T20:00:00Z ",
        " 2026-11-21T20:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T20:60:00Z",
        "2026-11-21T20:00:61Z", "2026-11-21T20:00:00.Z", "2026-11-21T20:00:00+08", "2026-11-21T20:00:00+24:00",
        "2026-11-21T20:00:00+08:60", "2026-11-21T20:00Z", "20261121T200000Z", "2026-1-21T20:00:00Z", "now"};
    char printed[RFC3339_BYTES];
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(rfc3339_parse(good[i].text, &ms), "%s was refused", good[i].text);
        ck_assert_int_eq(ms, good[i].ms);
        ck_assert_str_eq(rfc3339_print(ms, printed), good[i].printed);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!rfc3339_parse(bad[i], &ms), "'%s' was taken", bad[i]);
    ck_assert_str_eq(rfc3339_print(INT64_MAX, printed), "9999-12-31T23:59:59.999Z");
    ck_assert_str_eq(rfc3339_print(INT64_MIN, printed), "0000-01-01T00:00:00.000Z");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, varints_round_trip_and_refuse_every_cut);
    tcase_add_test(tc, an_endless_varint_is_refused);
    tcase_add_test(tc, fixed_width_numbers_keep_their_byte_order);
    tcase_add_test(tc, checksums_give_the_published_answers);
    tcase_add_test(tc, the_same_seed_gives_the_same_numbers);
    tcase_add_test(tc, histogram_buckets_are_monotonic_and_close);
    tcase_add_test(tc, another_process_reads_the_counter_file);
    tcase_add_test(tc, a_full_counter_file_still_gives_a_counter);
    tcase_add_test(tc, the_longest_label_is_found_again_and_removed);
    tcase_add_test(tc, the_simulated_clock_moves_only_by_hand);
    tcase_add_test(tc, times_are_read_and_written_as_text);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
