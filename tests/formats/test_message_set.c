/* Goal: what old consumers get as message formats 0 and 1 is what the record batches hold: offsets, times, keys,
 * values, with right checksums and lengths; nothing from below the asked offset; within the asked size.  The decoder
 * here is written from the format's description, and the checksum is zlib's own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cursor.h"
#include "formats/message_set.h"
#include "formats/record_batch.h"
#include "tests/suite.h"

enum { BATCHES = 3, RECORDS = 4, TOTAL = BATCHES * RECORDS, BASE = 100, TIME = 1700000000 };

static uint8_t batches[8192];

/* Record i: value of i * 7 bytes (null for i = 5), key of i bytes (null for i % 3 == 0), a header, time TIME + i. */
static size_t make_batches(void)
{
    static const char filler[128] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    size_t size = 0;
    for (int b = 0; b < BATCHES; b++) {
        struct record_batch_writer w;
        record_batch_begin(&w, batches + size, sizeof batches - size, BASE + (uint64_t)b * RECORDS, 3);
        for (int i = b * RECORDS; i < (b + 1) * RECORDS; i++) {
            const char *key = i % 3 == 0 ? NULL : filler + i, *value = i == 5 ? NULL : filler;
            ck_assert_int_eq(record_batch_add(&w, TIME + i, key, key == NULL ? -1 : i, value,
                                              value == NULL ? -1 : i * 7), ERR_OK);
        }
        size += record_batch_finish(&w);
    }
    return size;
}

/* Reads one entry and holds it against record `i`. */
static void check_message(struct cursor *c, int i, unsigned magic)
{
    ck_assert_uint_eq(cursor_be(c, 8), (uint64_t)(BASE + i));
    uint32_t size = (uint32_t)cursor_be(c, 4);
    const uint8_t *message = cursor_take(c, size);
    ck_assert_ptr_nonnull(message);
    struct cursor m = cursor_of(message, size);
    ck_assert_uint_eq(cursor_be(&m, 4), crc32(0, message + 4, size - 4));
    ck_assert_uint_eq(cursor_be(&m, 1), magic);
    ck_assert_uint_eq(cursor_be(&m, 1), 0);
    if (magic == 1) ck_assert_uint_eq(cursor_be(&m, 8), (uint64_t)(TIME + i));
    int32_t key_bytes = (int32_t)cursor_be(&m, 4);
    ck_assert_int_eq(key_bytes, i % 3 == 0 ? -1 : i);
    if (key_bytes > 0) ck_assert_int_eq(*cursor_take(&m, (size_t)key_bytes), 'a' + i);
    int32_t value_bytes = (int32_t)cursor_be(&m, 4);
    ck_assert_int_eq(value_bytes, i == 5 ? -1 : i * 7);
    const uint8_t *value = cursor_take(&m, value_bytes < 0 ? 0 : (size_t)value_bytes);
    if (value_bytes > 0) ck_assert_int_eq(value[value_bytes - 1], 'a' + (value_bytes - 1) % 26);
    ck_assert(!m.failed);
    ck_assert_uint_eq(cursor_left(&m), 0);
}

static void convert_and_check(size_t size, unsigned magic, int first, uint64_t bytes_max, bool first_whole, int count)
{
    struct message_set_plan plan;
    ck_assert_int_eq(message_set_plan(batches, size, magic, (uint64_t)(BASE + first), bytes_max, first_whole, &plan),
                     ERR_OK);
    ck_assert_uint_eq(plan.count, (uint32_t)count);
    ck_assert_uint_eq(plan.next_offset, (uint64_t)(BASE + first + count));
    if (!first_whole || count > 1) ck_assert_uint_le(plan.bytes, bytes_max);
    if (count == 0) return;
    uint8_t *set = malloc(plan.bytes); /* exactly: the sanitizer sees a byte too many */
    message_set_write(batches, size, magic, (uint64_t)(BASE + first), &plan, set);
    struct cursor c = cursor_of(set, plan.bytes);
    for (int i = first; i < first + count; i++) check_message(&c, i, magic);
    ck_assert_uint_eq(cursor_left(&c), 0);
    free(set);
}

START_TEST(every_record_becomes_its_message)
{
    size_t size = make_batches();
    for (unsigned magic = 0; magic <= 1; magic++)
        for (int first = 0; first < TOTAL; first++) convert_and_check(size, magic, first, 1 << 20, true, TOTAL - first);
}
END_TEST

START_TEST(a_bound_cuts_between_messages)
{
    size_t size = make_batches();
    struct message_set_plan two;
    ck_assert_int_eq(message_set_plan(batches, size, 1, BASE + 6, 1 << 20, true, &two), ERR_OK);
    convert_and_check(size, 1, 6, 0, true, 1);
    convert_and_check(size, 1, 6, 0, false, 0);
    convert_and_check(size, 1, 6, two.bytes, false, TOTAL - 6);
    convert_and_check(size, 1, 6, two.bytes - 1, false, TOTAL - 7);
    uint64_t of_6 = 12 + 22 + 42, of_7 = 12 + 22 + 7 + 49;
    convert_and_check(size, 1, 6, of_6, false, 1);
    convert_and_check(size, 1, 6, of_6 - 1, false, 0);
    convert_and_check(size, 1, 6, of_6 + of_7, false, 2);
    convert_and_check(size, 1, 6, of_6 + of_7 - 1, false, 1);
}
END_TEST

START_TEST(damage_and_compression_are_told)
{
    size_t size = make_batches();
    struct message_set_plan plan;
    ck_assert_int_eq(message_set_plan(batches, size - 1, 1, BASE, 1 << 20, true, &plan), ERR_CORRUPT);
    batches[RECORD_BATCH_AT_MAGIC] = 1;
    ck_assert_int_eq(message_set_plan(batches, size, 1, BASE, 1 << 20, true, &plan), ERR_CORRUPT);
    size = make_batches();
    batches[RECORD_BATCH_AT_ATTRIBUTES + 1] = 4;
    ck_assert_int_eq(message_set_plan(batches, size, 1, BASE, 1 << 20, true, &plan), ERR_UNSUPPORTED);
    size = make_batches();
    batches[RECORD_BATCH_HEADER_BYTES] ^= 1; /* the first record's length */
    ck_assert_int_eq(message_set_plan(batches, size, 1, BASE, 1 << 20, true, &plan), ERR_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("message_set");
    TCase *t = tcase_create("all");
    tcase_add_test(t, every_record_becomes_its_message);
    tcase_add_test(t, a_bound_cuts_between_messages);
    tcase_add_test(t, damage_and_compression_are_told);
    suite_add_tcase(s, t);
    return suite_run(s);
}
