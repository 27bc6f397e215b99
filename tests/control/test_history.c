/* Goal: the history answers with the newest samples in order, for ever in the same memory; a group's line is its own
 * from its first sample on, and the place of a group that is gone is used again. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "control/history.h"
#include "tests/suite.h"

static struct history *history;

static void open_history(void)
{
    ck_assert_int_eq(history_new(&history), ERR_OK);
}

static void close_history(void)
{
    history_free(history);
}

static void add(uint64_t n, const struct history_group *groups, uint32_t count)
{
    history_add(history, &(struct history_sample){.time_ms = 1000 * n, .rows_per_s = (double)n, .bytes_out_per_s = 7,
                                                  .delay_ms = n % 2 == 0 ? (int64_t)n : -1, .groups = groups,
                                                  .group_count = count});
}

static json_int_t at(const json_t *whole, const char *key, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(whole, key), i));
}

static const json_t *line_of(const json_t *whole, const char *group)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(whole, "groups"), i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "group"));
        if (strcmp(id, group) == 0) return json_object_get(entry, "lag");
    }
    return NULL;
}

START_TEST(newest_in_order)
{
    for (uint64_t n = 1; n <= 2 * HISTORY_SAMPLES + 5; n++) add(n, NULL, 0);
    json_t *last = history_json(history, 3), *all = history_json(history, UINT32_MAX);
    ck_assert_uint_eq(json_array_size(json_object_get(last, "time_ms")), 3);
    ck_assert_int_eq(at(last, "time_ms", 0), 1000 * (2 * HISTORY_SAMPLES + 3));
    ck_assert_int_eq(at(last, "time_ms", 2), 1000 * (2 * HISTORY_SAMPLES + 5));
    ck_assert(json_is_null(json_array_get(json_object_get(last, "delay_ms"), 0)));
    ck_assert_int_eq(at(last, "delay_ms", 1), 2 * HISTORY_SAMPLES + 4);
    ck_assert_int_eq(at(last, "bytes_out_per_s", 1), 7);
    ck_assert_uint_eq(json_array_size(json_object_get(all, "rows_per_s")), HISTORY_SAMPLES);
    ck_assert_int_eq(at(all, "time_ms", 0), 1000 * (HISTORY_SAMPLES + 6));
    json_decref(last);
    json_decref(all);
}
END_TEST

START_TEST(lines_of_groups)
{
    struct history_group both[] = {{"a", 5}, {"b", 6}};
    add(1, NULL, 0);
    add(2, &both[1], 1);
    add(3, both, 2);
    json_t *whole = history_json(history, 10);
    const json_t *a = line_of(whole, "a"), *b = line_of(whole, "b");
    ck_assert(json_array_size(a) == 3 && json_array_size(b) == 3);
    ck_assert(json_is_null(json_array_get(a, 1)) && json_integer_value(json_array_get(a, 2)) == 5);
    ck_assert(json_is_null(json_array_get(b, 0)) && json_integer_value(json_array_get(b, 1)) == 6);
    json_decref(whole);
}
END_TEST

START_TEST(places_are_used_again)
{
    char id[HISTORY_GROUPS_MAX + 1][8];
    for (int i = 0; i <= HISTORY_GROUPS_MAX; i++) { /* one more than there are places */
        snprintf(id[i], sizeof id[i], "g%d", i);
        add(1, &(struct history_group){id[i], 1}, 1);
    }
    json_t *whole = history_json(history, 1);
    ck_assert(line_of(whole, id[0]) != NULL && line_of(whole, id[HISTORY_GROUPS_MAX]) == NULL);
    json_decref(whole);
    for (int n = 0; n < HISTORY_SAMPLES; n++) add(2, &(struct history_group){id[1], 9}, 1);
    whole = history_json(history, 1);
    ck_assert_ptr_null(line_of(whole, id[0]));
    json_decref(whole);
    add(3, &(struct history_group){id[HISTORY_GROUPS_MAX], 4}, 1);
    whole = history_json(history, HISTORY_SAMPLES);
    const json_t *fresh = line_of(whole, id[HISTORY_GROUPS_MAX]);
    ck_assert_ptr_nonnull(fresh);
    ck_assert(json_is_null(json_array_get(fresh, 0))); /* nothing of who had the place before */
    ck_assert_int_eq(json_integer_value(json_array_get(fresh, HISTORY_SAMPLES - 1)), 4);
    ck_assert_ptr_nonnull(line_of(whole, id[1]));
    json_decref(whole);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("history");
    tcase_add_checked_fixture(cases, open_history, close_history);
    tcase_add_test(cases, newest_in_order);
    tcase_add_test(cases, lines_of_groups);
    tcase_add_test(cases, places_are_used_again);
    Suite *suite = suite_create("history");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
