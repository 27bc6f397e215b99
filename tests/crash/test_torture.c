/* Goal: the whole way, from the source's binlog to a consumer's answer, keeps its promises through anything that can
 * happen to it: power cuts at any change of the disk (also during recovery), a disk that is full or fails for a while,
 * clean restarts, lost connections on both sides, crashes of the source.
 * Method: seeded histories in a world of one thread (crash_world.h).  The consumer outlives the server: what it has
 * seen must never change (under `visible: written` it comes again, equal but for the tags of its processing), offsets
 * are dense, transactions whole, answered commits kept, and in the end it has all that the source did, once and in
 * order.
 *
 * usage: test_torture [FIRST COUNT]    500 histories from 1 on; a failing one is repeated by its number.
 * The long form, a command of its own: test_torture 1 10000. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/crash/crash_world.h"
#include "tests/suite.h"

enum { HISTORIES = 500, HISTORIES_SANITIZED = 60, TURNS = 3000, SETTLE_TURNS = 2000000 };

static void settle(struct crash_world *w)
{
    disk_sim_cut_after(w->disk, UINT64_MAX);
    crash_world_heal_disk(w);
    w->source.stream.breaks_per_million = 0;
    if (w->source.is_crashing) crash_source_step(&w->source);
    for (unsigned i = 0; i < SETTLE_TURNS && !crash_consumer_has_all(&w->consumer); i++) crash_world_turn(w, false);
    ck_assert_msg(crash_consumer_has_all(&w->consumer),
                  "seed %llu: %llu of %llu rows, %llu of %llu DDL statements came", (unsigned long long)w->seed,
                  (unsigned long long)w->consumer.row_count, (unsigned long long)w->source.row_count,
                  (unsigned long long)w->consumer.ddl_count, (unsigned long long)w->source.ddl_count);
}

START_TEST(the_consumer_sees_what_the_source_did)
{
    static struct crash_world w;
    crash_world_init(&w, (uint64_t)_i);
    for (unsigned i = 0; i < TURNS; i++) {
        if (random_below(&w.random, 800) == 0) crash_world_cut_power_soon(&w);
        if (random_below(&w.random, 2500) == 0) crash_world_ail_disk(&w);
        if (random_below(&w.random, 2500) == 0) crash_world_restart(&w);
        if (w.disk_ails && random_below(&w.random, 100) == 0) crash_world_heal_disk(&w);
        crash_world_turn(&w, true);
    }
    settle(&w);
    if (getenv("VERBOSE") != NULL)
        printf("history %d: %llu rows, %llu records, %llu power cuts, %llu in recovery, %llu ailments, %llu restarts, "
               "%llu source breaks, %llu reattached, %llu connections, %llu records again, %llu commits found, "
               "watermark back %llu times\n", _i,
               (unsigned long long)w.consumer.row_count, (unsigned long long)w.consumer.next_offset,
               (unsigned long long)w.power_cuts, (unsigned long long)w.cuts_in_recovery,
               (unsigned long long)w.ailments, (unsigned long long)w.restarts,
               (unsigned long long)w.source.stream.breaks, (unsigned long long)w.reattached,
               (unsigned long long)w.consumer.connections, (unsigned long long)w.consumer.read_again,
               (unsigned long long)w.consumer.commits_found,
               (unsigned long long)w.consumer.went_back);
    crash_world_fini(&w);
}
END_TEST

int main(int argc, char **argv)
{
    int first = 1, count = IS_SANITIZED ? HISTORIES_SANITIZED : HISTORIES;
    if (argc == 3) {
        first = atoi(argv[1]);
        count = atoi(argv[2]);
    } else if (argc != 1) {
        fprintf(stderr, "usage: test_torture [FIRST COUNT]\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_COUNT); /* faults are the purpose here */
    Suite *s = suite_create("torture");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, the_consumer_sees_what_the_source_did, first, first + count);
    suite_add_tcase(s, t);
    return suite_run(s);
}
