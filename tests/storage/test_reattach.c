/* Goal: a log that was detached, or failed, and is taken up again shows its readers what is in it now: nothing that a
 * cut took away comes out of a reader's cache or an index, and nothing that retention took away comes back. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

enum { OTHER_SEED = 12345 };

/* The producer comes back; from here on it sends other values. */
static void attach(struct rig *g)
{
    struct err_msg msg = {.text = ""};
    free(g->resume.gtid_set);
    g->resume.gtid_set = NULL;
    ck_assert_msg(storage_log_attach(g->storage, g->log, &g->feed, &g->resume, &msg) == ERR_OK, "%s", msg.text);
    g->feed->producer_waiter = &g->producer_waiter;
    g->seed = OTHER_SEED;
    producer_fini(&g->producer);
    producer_init(&g->producer, g->feed, &g->resume, g->config.segment_bytes, g->seed);
}

static void reattach(struct rig *g)
{
    struct err_msg msg = {.text = ""};
    ck_assert_msg(storage_log_detach(g->storage, g->log, &msg) == ERR_OK, "%s", msg.text);
    attach(g);
}

/* Reads all that is visible, the end of it from disk: the reader's cache holds what lies behind it, too. */
static void read_cold(struct rig *g)
{
    struct log_cursor cursor = {{0}};
    struct log_slice slice = {0};
    bool is_cold = false;
    for (uint64_t offset = log_start_offset(g->log); offset < log_high_watermark(g->log); offset = slice.next_offset) {
        ck_assert_int_eq(rig_read(g, offset, 40000, true, &cursor, &slice), ERR_OK);
        is_cold = !slice.piece[0].is_chunk;
        rig_release(g, &slice);
    }
    ck_assert(is_cold);
}

/* A large transaction is cut, with or without a segment's end in it, and another one takes its offsets. */
static void another_transaction(uint32_t records, bool rolls)
{
    struct rig g;
    rig_init(&g, 9);
    g.config.segment_bytes = 1 << 20;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 10; i++) rig_send(&g, 3, 400, true, 1000 + i);
    for (int i = 0; i < 40; i++) { /* pushes the tail out */
        g.producer.roll_next = rolls && i == 20;
        rig_send(&g, 10, 800, false, 2000 + i);
    }
    rig_settle(&g);
    uint64_t whole = log_high_watermark(g.log);
    ck_assert_uint_eq(whole, 30);
    read_cold(&g);
    reattach(&g);
    ck_assert_uint_eq(g.resume.next_offset, whole);
    for (int i = 0; i < 60; i++) rig_send(&g, records, 800, true, 3000 + i);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), whole + 60 * records);
    rig_read_all(&g, whole, false);
    rig_stop(&g);
    rig_end(&g);
}

START_TEST(a_cut_transaction_is_not_read_from_the_cache) { another_transaction(10, false); }
END_TEST
START_TEST(the_bytes_behind_a_cut_are_read_anew) { another_transaction(7, false); }
END_TEST
START_TEST(nor_when_it_went_through_the_end_of_a_segment) { another_transaction(10, true); }
END_TEST

/* `rolls`: the two sets of indexes in memory have changed their places. */
static void times_of_another_transaction(bool rolls)
{
    struct rig g;
    struct err_msg msg;
    uint64_t offset = 0;
    int64_t found_ms = 0;
    rig_init(&g, 10);
    g.config.segment_bytes = 1 << 20;
    rig_power(&g, 0);
    rig_open(&g, true);
    rig_send(&g, 3, 400, true, 1000);
    g.producer.roll_next = rolls;
    rig_send(&g, 3, 400, true, 1001);
    for (int i = 0; i < 40; i++)
        rig_send(&g, 40, 12, false, 2000 + i); /* of a constant size: the next lies as this one did */
    rig_settle(&g);
    disk_sim_fail_writes(g.disk, ENOSPC); /* what is to be cut is cut only when the producer comes back */
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_NO_SPACE);
    disk_sim_fail_writes(g.disk, 0);
    attach(&g);
    for (int i = 0; i < 40; i++) rig_send(&g, 40, 12, false, 5000 + i);
    rig_send(&g, 1, 12, true, 5100);
    rig_settle(&g);
    enum err e;
    while ((e = log_reader_find_time(g.reader, g.log, 2500, &offset, &found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g.reader);
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_uint_eq(offset, 6); /* the first of the new ones */
    ck_assert_int_eq(found_ms, 5000);
    rig_stop(&g);
    rig_end(&g);
}

START_TEST(a_cut_transactions_times_are_not_found) { times_of_another_transaction(false); }
END_TEST
START_TEST(nor_from_the_other_set_of_indexes) { times_of_another_transaction(true); }
END_TEST

START_TEST(a_time_of_an_open_transaction_is_not_found)
{
    struct rig g;
    uint64_t offset = 0;
    int64_t found_ms = 0;
    rig_start(&g, 11);
    rig_open(&g, true);
    for (int i = 0; i < 20; i++) rig_send(&g, 3, 400, true, 1000 + i);
    for (int i = 0; i < 40; i++) rig_send(&g, 3, 400, false, 2000 + i);
    rig_settle(&g);
    enum err e;
    while ((e = log_reader_find_time(g.reader, g.log, 1900, &offset, &found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g.reader);
    ck_assert_int_eq(e, ERR_NOT_FOUND);
    while ((e = log_reader_find_time(g.reader, g.log, 2030, &offset, &found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g.reader);
    ck_assert_int_eq(e, ERR_NOT_FOUND);
    rig_send(&g, 1, 10, true, 3000);
    rig_settle(&g);
    while ((e = log_reader_find_time(g.reader, g.log, 2030, &offset, &found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g.reader);
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_uint_eq(offset, 60 + 3 * 30);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* Retention takes segments away and the checkpoint that should say so cannot be written; the log is then taken up
 * again. */
START_TEST(the_start_never_goes_back)
{
    struct rig g;
    const uint64_t second_ns = 1000000000;
    rig_init(&g, 9);
    g.config.retention_ms = 3600000;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 400; i++) rig_send(&g, 3, 400, true, 1000 + i);
    rig_settle(&g);
    clock_simulated_advance(&g.clock, 3500 * second_ns);
    rig_settle(&g);
    clock_simulated_advance(&g.clock, second_ns);
    rig_settle(&g);
    ck_assert_uint_eq(log_start_offset(g.log), 0);
    disk_sim_fail_writes(g.disk, ENOSPC);
    clock_simulated_advance(&g.clock, 7200 * second_ns);
    rig_settle(&g);
    uint64_t start = log_start_offset(g.log), end = log_high_watermark(g.log);
    ck_assert_uint_gt(start, 0);
    ck_assert_int_eq(storage_log_error(g.log, NULL), ERR_NO_SPACE);
    disk_sim_fail_writes(g.disk, 0);
    reattach(&g);
    ck_assert_uint_eq(log_start_offset(g.log), start);
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    for (int i = 0; i < 40; i++) rig_send(&g, 3, 400, true, 5000 + i);
    rig_settle(&g);
    rig_read_all(&g, end, false);
    g.seed = 77;
    struct log_cursor cursor = {{0}};
    struct log_slice slice;
    for (uint64_t offset = start; offset < end; offset = slice.next_offset) {
        ck_assert_int_eq(rig_read(&g, offset, 1000, true, &cursor, &slice), ERR_OK);
        slice_check(&slice, offset, g.seed);
        rig_release(&g, &slice);
    }
    ck_assert_int_eq(rig_read(&g, start - 1, 1000, true, &cursor, &slice), ERR_OUT_OF_RANGE);
    rig_abandon(&g); /* it is on the disk, too */
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_start_offset(g.log), start);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("a log taken up again");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_cut_transaction_is_not_read_from_the_cache);
    tcase_add_test(c, the_bytes_behind_a_cut_are_read_anew);
    tcase_add_test(c, nor_when_it_went_through_the_end_of_a_segment);
    tcase_add_test(c, a_cut_transactions_times_are_not_found);
    tcase_add_test(c, nor_from_the_other_set_of_indexes);
    tcase_add_test(c, a_time_of_an_open_transaction_is_not_found);
    tcase_add_test(c, the_start_never_goes_back);
    suite_add_tcase(s, c);
    return suite_run(s);
}
