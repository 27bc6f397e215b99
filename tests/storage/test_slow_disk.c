/* Goal: a disk that is slow or full holds up the source and nobody else: consumers go on reading what is visible, from
 * chunks and from segments, nothing is lost when it goes on, and an Error comes only when there is nowhere left to
 * write. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

/* Sends until the store has no chunk left for the producer; returns the batches sent. */
static unsigned send_until_stalled(struct rig *g)
{
    unsigned sent = 0;
    for (unsigned refused = 0; refused < 200;) {
        if (producer_send(&g->producer, 2, 700, true, 1000)) {
            refused = 0;
            sent++;
        } else {
            refused++;
        }
        (void)storage_step(g->storage);
        clock_simulated_advance(&g->clock, 1000000);
        ck_assert_msg(sent < 2000, "the producer never has to wait");
    }
    return sent;
}

static void settle(struct rig *g)
{
    rig_settle(g);
    clock_simulated_advance(&g->clock, 2000000000); /* for the longest interval */
    rig_settle(g);
}

/* Small segments: what waits is a roll; large ones: the tail is full of what is not written; with a long interval: of
 * what is on its way. */
static void hangs_and_goes_on(uint64_t segment_bytes, uint32_t flush_us, bool shows_written)
{
    struct rig g;
    rig_init(&g, 31);
    g.config.segment_bytes = segment_bytes;
    g.config.flush_interval_us = flush_us;
    g.identity.shows_written = shows_written;
    rig_power(&g, 0);
    rig_open(&g, true);
    struct counter *stalls = counters_add(g.counters, COUNTER_COUNT, "storage_chunk_stalls", "channel=orders");
    for (int i = 0; i < 400; i++) rig_send(&g, 2, 700, true, 1000);
    settle(&g);
    uint64_t visible = log_high_watermark(g.log), before = counter_get(stalls);
    ck_assert_uint_eq(visible, g.producer.next_offset);
    for (int round = 0; round < 3; round++) {
        disk_sim_hang_writes(g.disk, true);
        ck_assert_uint_gt(send_until_stalled(&g), 10);
        ck_assert_uint_gt(counter_get(stalls), before); /* said: the disk holds the source up */
        if (shows_written) { /* consumers have what came, until memory was full */
            ck_assert_uint_gt(log_high_watermark(g.log), visible);
            visible = log_high_watermark(g.log);
        }
        ck_assert_uint_eq(log_high_watermark(g.log), visible);
        for (int i = 0; i < 3; i++) {
            ck_assert_uint_eq(rig_read_all(&g, 0, false), visible); /* also what has left the tail */
            (void)storage_step(g.storage);
        }
        ck_assert(!producer_send(&g.producer, 2, 700, true, 1000)); /* reading gave the writer no chunk to overwrite */
        ck_assert(!g.producer.failed);
        disk_sim_hang_writes(g.disk, false);
        settle(&g);
        visible = log_high_watermark(g.log);
        ck_assert_uint_eq(visible, g.producer.next_offset);
        before = counter_get(stalls);
        for (int i = 0; i < 50; i++) rig_send(&g, 2, 700, true, 1000);
        settle(&g);
        visible = log_high_watermark(g.log);
        ck_assert_uint_eq(rig_read_all(&g, 0, false), g.producer.next_offset);
    }
    rig_stop(&g);
    rig_end(&g);
}

START_TEST(a_disk_that_hangs_holds_up_the_source_alone) { hangs_and_goes_on(1 << 22, 0, false); }
END_TEST
START_TEST(also_where_a_segment_begins) { hangs_and_goes_on(1 << 17, 0, false); }
END_TEST
START_TEST(also_while_blocks_are_on_their_way) { hangs_and_goes_on(1 << 22, 1000000, false); }
END_TEST
START_TEST(also_when_consumers_do_not_wait_for_the_disk) { hangs_and_goes_on(1 << 22, 0, true); }
END_TEST

/* A segment is made ahead: that it cannot be made is no error while the active one has room. */
START_TEST(no_space_ahead_is_an_error_only_when_it_is_needed)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    rig_start(&g, 32);
    rig_open(&g, true);
    disk_sim_limit_space(g.disk, g.config.segment_bytes + 60000); /* for the active segment, not for one more */
    for (int i = 0; i < 75; i++) rig_send(&g, 2, 700, true, 1000); /* past three quarters: the next one is asked for */
    for (int i = 0; i < 5; i++) {
        clock_simulated_advance(&g.clock, 1100000000); /* and again */
        rig_settle(&g);
    }
    ck_assert_int_eq(storage_log_error(g.log, &msg), ERR_OK);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    disk_sim_limit_space(g.disk, UINT64_MAX); /* in time */
    clock_simulated_advance(&g.clock, 1100000000);
    rig_settle(&g);
    for (int i = 0; i < 200; i++) rig_send(&g, 2, 700, true, 1000); /* over the roll */
    rig_settle(&g);
    ck_assert_int_eq(storage_log_error(g.log, &msg), ERR_OK);
    ck_assert_uint_gt(g.producer.next_offset, 2 * 200);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("a slow or full disk");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_disk_that_hangs_holds_up_the_source_alone);
    tcase_add_test(c, also_where_a_segment_begins);
    tcase_add_test(c, also_while_blocks_are_on_their_way);
    tcase_add_test(c, also_when_consumers_do_not_wait_for_the_disk);
    tcase_add_test(c, no_space_ahead_is_an_error_only_when_it_is_needed);
    suite_add_tcase(s, c);
    return suite_run(s);
}
