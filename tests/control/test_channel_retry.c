/* Goal: a channel in Error is tried again with growing pauses for seven days, and then not until a person says so.
 * Method: seven simulated days, attempt by attempt. */
#include <check.h>

#include "control/channel_retry.h"
#include "tests/suite.h"

static const uint64_t second_ns = 1000000000, day_ns = (uint64_t)86400 * 1000000000;

/* Every attempt fails at once; returns the time of the last one. */
static uint64_t seven_days(struct channel_retry *r, uint64_t now_ns, uint32_t *attempts)
{
    uint64_t pause_before = 0;
    for (*attempts = 0; r->due_ns != 0; (*attempts)++) {
        ck_assert(!channel_retry_is_due(r, r->due_ns - 1) && channel_retry_is_due(r, r->due_ns));
        uint64_t pause = r->due_ns - now_ns;
        ck_assert_uint_ge(pause, second_ns);
        ck_assert_uint_le(pause, 300 * second_ns);
        ck_assert_uint_ge(pause, pause_before);
        pause_before = pause;
        now_ns = r->due_ns;
        channel_retry_failed(r, now_ns);
    }
    return now_ns;
}

START_TEST(pauses_grow_and_end_after_seven_days)
{
    static const uint64_t pauses_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    struct channel_retry r = {0};
    uint64_t begun_ns = 5 * second_ns, now_ns = begun_ns;
    uint32_t attempts;
    for (uint32_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++) {
        channel_retry_failed(&r, now_ns);
        ck_assert_uint_eq(r.due_ns - now_ns, pauses_s[i] * second_ns);
        now_ns = r.due_ns;
    }
    channel_retry_failed(&r, now_ns);
    now_ns = seven_days(&r, now_ns, &attempts);
    ck_assert_uint_gt(now_ns - begun_ns, 7 * day_ns);
    ck_assert_uint_le(now_ns - begun_ns, 7 * day_ns + 300 * second_ns);
    ck_assert_uint_ge(attempts, 7 * 86400 / 300 - 3);
    ck_assert(channel_retry_is_over(&r, now_ns) && !channel_retry_is_due(&r, now_ns + 100 * day_ns));
    channel_retry_at_once(&r, now_ns); /* resume: seven more days, with small pauses again */
    ck_assert(channel_retry_is_due(&r, now_ns) && !channel_retry_is_over(&r, now_ns));
    channel_retry_failed(&r, now_ns);
    ck_assert_uint_eq(r.due_ns - now_ns, second_ns);
    uint64_t resumed_ns = now_ns;
    ck_assert_uint_gt(seven_days(&r, now_ns, &attempts) - resumed_ns, 7 * day_ns);
}
END_TEST

START_TEST(health_ends_the_row)
{
    struct channel_retry r = {0};
    for (int i = 0; i < 20; i++) channel_retry_failed(&r, second_ns);
    channel_retry_clear(&r);
    ck_assert(!channel_retry_is_over(&r, 100 * day_ns) && !channel_retry_is_due(&r, 100 * day_ns));
    channel_retry_failed(&r, 100 * day_ns);
    ck_assert_uint_eq(r.due_ns, 100 * day_ns + second_ns);
}
END_TEST

START_TEST(what_tries_on_by_itself_counts_as_well)
{
    struct channel_retry r = {0};
    channel_retry_note(&r, second_ns);
    ck_assert(!channel_retry_is_over(&r, second_ns / 2)); /* asked with the time of a turn that began before it */
    channel_retry_note(&r, 6 * day_ns); /* still the same row */
    ck_assert(!channel_retry_is_due(&r, 7 * day_ns) && !channel_retry_is_over(&r, 7 * day_ns));
    ck_assert(channel_retry_is_over(&r, 7 * day_ns + 2 * second_ns));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel_retry");
    TCase *t = tcase_create("all");
    tcase_add_test(t, pauses_grow_and_end_after_seven_days);
    tcase_add_test(t, health_ends_the_row);
    tcase_add_test(t, what_tries_on_by_itself_counts_as_well);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
