/* Goal: over the simulated disk, what a producer sends becomes visible in order and whole, is read back byte for byte from the
 * tail and from segments, and goes on after a clean stop, a detach, a roll and a deletion. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "formats/record_batch.h"
#include "storage/disk_sim.h"
#include "tests/storage/rig.h"

START_TEST(a_new_log_is_empty_and_a_written_one_reads_back)
{
    struct rig g;
    rig_start(&g, 1);
    rig_open(&g, true);
    ck_assert_uint_eq(log_high_watermark(g.log), 0);
    ck_assert_uint_eq(g.resume.position_bytes, 0);
    for (int i = 0; i < 90; i++) rig_send(&g, 1 + i % 5, 300, true, 1000 + i);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, 0, true);
    rig_stop(&g);
    rig_power(&g, 2);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    ck_assert_uint_gt(g.resume.position_bytes, 0);
    rig_read_all(&g, 0, false);
    for (int i = 0; i < 50; i++) rig_send(&g, 3, 500, true, 5000 + i);
    rig_settle(&g);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(segments_roll_and_large_batches_span_chunks)
{
    struct rig g;
    rig_start(&g, 3);
    rig_open(&g, true);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, i % 37 == 5 ? 30000 : 700, i % 3 != 0, 1000 + i);
    rig_send(&g, 1, 10, true, 2000);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_power(&g, 4);
    rig_open(&g, false);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("log over a simulated disk");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_new_log_is_empty_and_a_written_one_reads_back);
    tcase_add_test(c, segments_roll_and_large_batches_span_chunks);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
