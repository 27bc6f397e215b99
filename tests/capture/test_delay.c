/* Goal: the delay told is the true one at every moment: of what is not readable yet, of a source that has nothing more,
 * of one that says nothing any more; and the source's clock is taken out of it, whatever it is set to.
 * Method: the notes of a capture thread at times that the test chooses, and questions in between; a way to the source
 * that is slow in one direction; a writer and readers in threads, for whom no delay may be mixed of two notes. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "capture/delay.h"
#include "capture/source_clock.h"
#include "tests/suite.h"

#define MS ((int64_t)1000000)
#define S (1000 * MS)
enum { READABLE = 1000000 }; /* a watermark behind everything */

static struct delay d;

static void setup(void)
{
    memset(&d, 0, sizeof d);
    delay_tells(&d, true);
}

static void ends(int64_t now_ns, int64_t committed_ns, uint64_t end_offset)
{
    struct delay_commit commit = {committed_ns, true};
    delay_ends(&d, now_ns, commit, commit, end_offset, 0);
}

/* A source that tells seconds. */
static void ends_about(int64_t now_ns, int64_t committed_ns)
{
    struct delay_commit commit = {committed_ns, false};
    delay_ends(&d, now_ns, commit, commit, 1, 0);
}

/* Heartbeats behind `from_ns` and up to `to_ns`. */
static void idles(int64_t from_ns, int64_t to_ns)
{
    for (int64_t now_ns = from_ns + 100 * MS; now_ns <= to_ns; now_ns += 100 * MS) delay_idles(&d, now_ns);
}

static void asserts(int64_t now_ns, uint64_t watermark, int64_t expected_ms)
{
    ck_assert_int_eq(delay_ms(&d, now_ns, watermark), expected_ms);
}

START_TEST(unknown_until_the_source_says_something)
{
    asserts(5 * S, READABLE, -1);
    delay_begins(&d, 5 * S, (struct delay_commit){4 * S, true});
    asserts(6 * S, READABLE, -1);
    delay_idles(&d, 7 * S);
    asserts(7 * S, READABLE, 0);
}
END_TEST

/* Commits every 20 ms over a way of 2 s. */
START_TEST(slow_way)
{
    for (int64_t now = 10 * S; now < 12 * S; now += 20 * MS) {
        ends(now, now - 2 * S, 1);
        asserts(now, READABLE, 2000);
        asserts(now + 15 * MS, READABLE, 2000);
    }
    idles(12 * S, 12 * S + 900 * MS); /* a short pause of the writer says nothing about the way */
    asserts(12 * S + 900 * MS, READABLE, 2000);
    idles(12 * S + 900 * MS, 13 * S); /* a second of it does */
    asserts(13 * S, READABLE, 0);
}
END_TEST

START_TEST(silence_grows)
{
    delay_idles(&d, 10 * S);
    asserts(10 * S + 250 * MS, READABLE, 0);
    asserts(10 * S + 251 * MS, READABLE, 251);
    asserts(20 * S, READABLE, 10000);
    asserts(21 * S, READABLE, 11000);
    delay_idles(&d, 22 * S); /* said now, or 12 s ago? */
    asserts(22 * S, READABLE, 12000);
    idles(22 * S, 22 * S + 900 * MS);
    asserts(22 * S + 900 * MS, READABLE, 12000);
    idles(22 * S + 900 * MS, 23 * S);
    asserts(23 * S, READABLE, 0);
    ends(23 * S, 23 * S - 40 * MS, 1);
    asserts(24 * S, READABLE, 1040); /* from the last commit on, not from when it came */
}
END_TEST

START_TEST(source_without_heartbeats)
{
    delay_tells(&d, false);
    ends(10 * S, 4 * S, 1);
    asserts(10 * S, READABLE, 6000);
    delay_idles(&d, 10 * S); /* nothing more was pending */
    asserts(10 * S, READABLE, 0);
    asserts(1000 * S, READABLE, 0);
}
END_TEST

START_TEST(connection_lost)
{
    ends(10 * S, 9900 * MS, 1);
    delay_begins(&d, 10 * S, (struct delay_commit){9950 * MS, true});
    delay_interrupted(&d);
    asserts(10 * S, READABLE, 100);
    asserts(15 * S, READABLE, 5100);
    delay_idles(&d, 15 * S);
    asserts(15 * S, READABLE, 5100);
    idles(15 * S, 16 * S);
    asserts(16 * S, READABLE, 0);
}
END_TEST

/* What is read and not yet durable counts from its own commit; what is coming in, too. */
START_TEST(not_readable_yet)
{
    delay_idles(&d, 10 * S);
    delay_begins(&d, 11 * S, (struct delay_commit){11 * S - 5 * MS, true});
    asserts(11 * S, 0, 5);
    asserts(14 * S, 0, 3005); /* a large transaction: it comes in for 3 s */
    ends(14 * S, 11 * S - 5 * MS, 10);
    ends(14 * S + 1 * MS, 14 * S - 2 * MS, 20);
    asserts(14 * S + 1 * MS, 9, 3006);
    asserts(14 * S + 1 * MS, 10, 3);
    asserts(14 * S + 1 * MS, 19, 3);
    asserts(14 * S + 1 * MS, 20, 3);
    asserts(14 * S + 200 * MS, 20, 3); /* all is readable: its age when it came */
    asserts(14 * S + 200 * MS, 19, 202);
}
END_TEST

/* More transactions than there are marks, while nothing gets durable: the oldest age of each mark stays. */
START_TEST(disk_stands_still)
{
    for (uint64_t i = 1; i <= 3 * DELAY_MARKS_MAX; i++) ends(10 * S + (int64_t)i * 10 * MS, (int64_t)i * 10 * MS, i);
    int64_t now = 20 * S;
    asserts(now, 0, 20000 - 10);
    asserts(now, 1, 20000 - 20);
    asserts(now, DELAY_MARKS_MAX - 1, 20000 - 10 * DELAY_MARKS_MAX);
    asserts(now, 3 * DELAY_MARKS_MAX - 1, 20000 - 10 * DELAY_MARKS_MAX);
    struct delay_commit first = {now - 300 * MS, true}, last = {now - 10 * MS, true};
    delay_ends(&d, now, first, last, 1000, 3 * DELAY_MARKS_MAX);
    asserts(now, 3 * DELAY_MARKS_MAX, 300); /* many came at once */
    asserts(now, 1000, 10);
}
END_TEST

/* A statement of 60 s, stamped with its beginning, after heartbeats had said that there was nothing. */
START_TEST(whole_seconds)
{
    delay_idles(&d, 100 * S);
    ends_about(100 * S + 30 * MS, 40 * S);
    asserts(100 * S + 30 * MS, READABLE, 30);
    ends_about(101 * S, 101 * S + 400 * MS); /* the middle of its second */
    asserts(101 * S, READABLE, 0);
    ends(101 * S, 95 * S, 3); /* exact ones are believed */
    asserts(101 * S, READABLE, 6000);
}
END_TEST

/* The way gets 2 s longer while the source pauses for a moment: what comes first is a heartbeat of 2 s ago. */
START_TEST(whole_seconds_over_a_way_that_slows)
{
    ends_about(100 * S, 100 * S - 10 * MS);
    delay_idles(&d, 102 * S + 100 * MS);
    asserts(102 * S + 100 * MS, READABLE, 2110);
    for (int64_t i = 0; i < 100; i++) {
        int64_t now = 102 * S + 200 * MS + i * 20 * MS, committed = now - 2 * S;
        ends_about(now, committed / S * S + S / 2);
        int64_t ms = delay_ms(&d, now, READABLE);
        ck_assert_msg(ms >= 1500 && ms <= 2500, "%lld ms", (long long)ms);
    }
}
END_TEST

/* --- the clocks --- */

struct played_source { /* its answers take time, and its clock is its own */
    struct source_stream stream;
    struct clock clock;
    int64_t now_ns, epoch_ns, ahead_ns, there_ns, back_ns;
    bool is_old;
};

static uint64_t played_monotonic(const struct clock *c)
{
    const struct played_source *p = (const void *)((const char *)c - offsetof(struct played_source, clock));
    return (uint64_t)p->now_ns;
}

static uint64_t played_realtime(const struct clock *c)
{
    const struct played_source *p = (const void *)((const char *)c - offsetof(struct played_source, clock));
    return (uint64_t)((p->epoch_ns + p->now_ns) / MS);
}

static enum err played_query(struct source_stream *s, const char *sql, source_row *row, void *context,
                             struct err_msg *msg)
{
    struct played_source *p = (struct played_source *)(void *)s;
    bool asks_for_more = strstr(sql, "MICROSECOND") != NULL;
    p->now_ns += p->there_ns;
    int64_t us = (p->epoch_ns + p->now_ns + p->ahead_ns) / 1000;
    p->now_ns += p->back_ns;
    if (p->is_old && asks_for_more) return err_set(msg, ERR_INVALID, "no microseconds");
    char text[2][32];
    snprintf(text[0], sizeof text[0], "%lld", (long long)(us / 1000000));
    snprintf(text[1], sizeof text[1], "%lld", (long long)(us % 1000000));
    const char *const field[] = {text[0], text[1]};
    const size_t bytes[] = {strlen(text[0]), strlen(text[1])};
    return row(context, field, bytes, asks_for_more ? 2 : 1);
}

static const struct source_stream_ops played_ops = {.query = played_query};

static struct played_source played(int64_t ahead_ns, int64_t there_ns, int64_t back_ns)
{
    return (struct played_source){.stream = {.ops = &played_ops},
                                  .clock = {played_monotonic, played_realtime},
                                  .now_ns = 50 * S + 123456789,
                                  .epoch_ns = 1700000000 * S,
                                  .ahead_ns = ahead_ns,
                                  .there_ns = there_ns,
                                  .back_ns = back_ns};
}

static struct source_clock asked(struct played_source *p)
{
    struct source_clock c;
    struct err_msg msg = {0};
    ck_assert_msg(source_clock_ask(&p->stream, &p->clock, &c, &msg) == ERR_OK, "%s", msg.text);
    return c;
}

START_TEST(skew_is_measured_and_taken_out)
{
    static const int64_t aheads[] = {0, 7200 * S, -90 * S, 3 * MS};
    for (size_t i = 0; i < sizeof aheads / sizeof *aheads; i++) {
        struct played_source p = played(aheads[i], 4 * MS, 4 * MS);
        struct source_clock c = asked(&p);
        ck_assert_int_le(llabs(c.skew_ns - aheads[i]), 2 * MS); /* our wall clock is read in ms */
        ck_assert_int_eq(c.error_ns, 4 * MS);
        /* what the source commits now is committed now, by whatever clock */
        uint64_t commit_us = (uint64_t)((p.epoch_ns + p.now_ns + p.ahead_ns) / 1000);
        ck_assert_int_le(llabs(source_clock_ns(&c, commit_us) - p.now_ns), MS / 100);
    }
}
END_TEST

START_TEST(slow_answers_do_not_spoil_it)
{
    struct played_source p = played(5 * S, 1 * MS, 1 * MS);
    struct source_clock kept = asked(&p), before = kept;
    p.back_ns = 2 * S; /* a relay that delays: the middle is a second off */
    p.now_ns += 60 * S;
    struct source_clock answer = asked(&p);
    ck_assert_int_gt(llabs(answer.ahead_ns - before.ahead_ns), 900 * MS);
    source_clock_take(&kept, &answer);
    ck_assert_int_eq(kept.ahead_ns, before.ahead_ns);

    p.ahead_ns = 3600 * S; /* the source's clock was set: no error explains that */
    answer = asked(&p);
    source_clock_take(&kept, &answer);
    ck_assert_int_eq(kept.ahead_ns, answer.ahead_ns);

    p.back_ns = 1 * MS; /* the way is fast again */
    answer = asked(&p);
    source_clock_take(&kept, &answer);
    ck_assert_int_le(llabs(kept.skew_ns - 3600 * S), 2 * MS);

    p.back_ns = 3 * MS; /* a little worse, but what is kept drifts: 0.1 ms a second at most, so after 60 s */
    p.now_ns += 60 * S;
    answer = asked(&p);
    source_clock_take(&kept, &answer);
    ck_assert_int_eq(kept.taken_ns, answer.taken_ns);
}
END_TEST

START_TEST(source_of_whole_seconds)
{
    struct played_source p = played(100 * S, 1 * MS, 1 * MS);
    p.is_old = true;
    struct source_clock c = asked(&p);
    ck_assert_int_le(llabs(c.skew_ns - 100 * S), 501 * MS);
    ck_assert_int_eq(c.error_ns, 501 * MS);
}
END_TEST

/* --- threads --- */

static struct delay shared;
static _Atomic bool reader_is_done;

/* Each commit is 100 s old; their times are so far apart that those of two notes would give another age. */
static void *writes(void *unused)
{
    (void)unused;
    for (int64_t i = 0; !atomic_load(&reader_is_done); i++) {
        int64_t now_ns = i % 2 == 0 ? 1000 * S : 2000 * S;
        struct delay_commit commit = {now_ns - 100 * S, true};
        delay_ends(&shared, now_ns, commit, commit, 1, 1);
    }
    return NULL;
}

START_TEST(no_delay_is_mixed_of_two_notes)
{
    pthread_t writer;
    memset(&shared, 0, sizeof shared);
    delay_tells(&shared, true);
    ck_assert_int_eq(pthread_create(&writer, NULL, writes, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = delay_ms(&shared, 1000 * S, READABLE);
        ck_assert_msg(ms == -1 || ms == 100000, "%lld ms", (long long)ms);
    }
    atomic_store(&reader_is_done, true);
    pthread_join(writer, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delay");
    TCase *t = tcase_create("delay");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, unknown_until_the_source_says_something);
    tcase_add_test(t, slow_way);
    tcase_add_test(t, silence_grows);
    tcase_add_test(t, source_without_heartbeats);
    tcase_add_test(t, connection_lost);
    tcase_add_test(t, not_readable_yet);
    tcase_add_test(t, disk_stands_still);
    tcase_add_test(t, whole_seconds);
    tcase_add_test(t, whole_seconds_over_a_way_that_slows);
    tcase_add_test(t, skew_is_measured_and_taken_out);
    tcase_add_test(t, slow_answers_do_not_spoil_it);
    tcase_add_test(t, source_of_whole_seconds);
    tcase_add_test(t, no_delay_is_mixed_of_two_notes);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
