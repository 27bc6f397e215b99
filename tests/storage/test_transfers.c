/* Goal: transfers that end short cost time and nothing else: what was written is there. */
#include <check.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/storage/rig.h"

START_TEST(the_rest_of_a_short_write_is_written)
{
    struct rig g;
    rig_start(&g, 21);
    disk_sim_shorten_writes(g.disk);
    rig_open(&g, true);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, i % 17 == 5 ? 20000 : 900, i % 3 != 0, 1000 + i);
    rig_send(&g, 1, 10, true, 2000);
    rig_settle(&g);
    uint64_t end = g.producer.next_offset;
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("transfers");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_rest_of_a_short_write_is_written);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
