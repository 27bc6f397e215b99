/* Goal: a channel that passes between two servers has each change of their common history once and in order, with the
 * definitions of its place, whatever happens on the way: servers that die, lag, come back and roll their files; another
 * server behind the same name; connections that break, starts anew at any step, logs that are cut; statements that
 * change definitions just before and behind the passing.  A server that cannot go on our history is told from one that
 * merely has to catch up.
 * Method: seeded histories of one thread (two_servers.h), even ones behind one name, odd ones with two hosts.
 *
 * usage: test_failover_sim [FIRST COUNT]    300 histories from 1 on; a failing one is repeated by its number.
 * The long form, a command of its own: test_failover_sim 1 10000. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/capture/two_servers.h"
#include "tests/suite.h"

enum { HISTORIES = 300, HISTORIES_SANITIZED = 40, TURNS = 500, SETTLE_TURNS = 5000, PURGE_TURNS = 600 };

static struct pair pair;
static struct capture_status status;

static void must(bool runs)
{
    ck_assert_msg(runs, "seed %llu: capture ended: %s", (unsigned long long)pair.seed, status.error.text);
}

/* --- histories --- */

static uint32_t other(uint32_t server)
{
    return 1 - server;
}

static bool is_down(uint32_t server)
{
    return pair.server[server].source.is_down;
}

/* A server dies, or is started again. */
static void die_or_live(uint32_t server)
{
    if (!is_down(server) && is_down(other(server))) return;
    pair.server[server].source.is_down = !is_down(server);
}

/* The other one writes from now on; it must have everything first. */
static void promote(void)
{
    uint32_t to = other(pair.primary);
    if (is_down(to)) return;
    pair_replicate(&pair, to, UINT32_MAX);
    pair.primary = to;
}

/* When all was read, and a HEARTBEAT has told the set, what lies before may go. */
static void purge(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        pair.server[i].source.is_down = false;
        pair_replicate(&pair, i, UINT32_MAX);
        pair_rotate(&pair, i, true);
    }
    must(pair_run(&pair, SETTLE_TURNS, &status));
    for (int i = 0; i < PURGE_TURNS; i++) must(pair_turn(&pair, &status));
    must(pair_run(&pair, SETTLE_TURNS, &status));
    for (uint32_t i = 0; i < 2; i++) pair.server[i].source.purged = pair.server[i].source.file_count - 1;
}

static void happen(void)
{
    struct random *r = &pair.random;
    uint32_t server = (uint32_t)random_below(r, 2);
    switch (random_below(r, 40)) {
    case 0: case 1: die_or_live(server); break;
    case 2: promote(); break;
    case 3: case 4: pair.vip = server; pair_break(&pair); break;
    case 5: pair_break(&pair); break;
    case 6: pair_restart(&pair); break;
    case 7: pair_rotate(&pair, server, true); break;
    case 8: pair_rotate(&pair, server, false); break;
    case 9: /* at once: the former server was not reached in between */
        pair.vip = other(pair.vip);
        if (!is_down(other(pair.primary))) pair.server[pair.primary].source.is_down = true;
        pair_restart(&pair);
        break;
    case 10: if (random_below(r, 10) == 0) purge(); break;
    case 11: case 12: case 13: case 14: case 15: case 16: case 17: case 18:
        if (!is_down(other(pair.primary))) pair_replicate(&pair, other(pair.primary), 1 + (uint32_t)random_below(r, 4));
        break;
    case 19: case 20: case 21: case 22: case 23: case 24: case 25: case 26:
        if (!is_down(pair.primary)) pair_write(&pair);
        break;
    default: break;
    }
}

static void settle(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        pair.server[i].source.is_down = false;
        pair.server[i].source.breaks_per_million = 0;
        pair_replicate(&pair, i, UINT32_MAX);
        pair_rotate(&pair, i, true);
    }
    must(pair_run(&pair, SETTLE_TURNS, &status));
    pair_check(&pair);
}

START_TEST(histories)
{
    pair_init(&pair, (uint64_t)_i, _i % 2 == 1);
    pair_capture(&pair);
    must(pair_run(&pair, 100, &status));
    for (int i = 0; i < 2; i++) pair.server[i].source.breaks_per_million = 3000;
    for (int i = 0; i < TURNS; i++) {
        happen();
        if (random_below(&pair.random, 3) > 0) must(pair_turn(&pair, &status));
    }
    settle();
    if (getenv("VERBOSE") != NULL)
        printf("history %d: %u transactions, %u rows, %llu passings, %llu starts, %llu cuts\n", _i, pair.past_count,
               pair.row_count, (unsigned long long)pair.passings, (unsigned long long)pair.restarts,
               (unsigned long long)pair.cuts);
    pair_fini(&pair);
}
END_TEST

/* --- what cannot go on, and what can --- */

/* Both servers have a past, capture has read it all on the first; seed 2: one name, seed 3: two hosts. */
static void begin(uint64_t seed, int transactions)
{
    pair_init(&pair, seed, seed % 2 == 1);
    for (int i = 0; i < transactions; i++) pair_write_kind(&pair, PAST_ROWS, 0);
    pair_replicate(&pair, 1, UINT32_MAX);
    pair_capture(&pair);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
}

/* The first server is gone for good. */
static void pass(void)
{
    pair.server[0].source.is_down = true;
    pair.vip = pair.primary = 1;
}

static const bool running_or_not[] = {false, true};

/* A server that lacks what we have, and has nothing else, gets it. */
START_TEST(behind)
{
    begin(2, 10);
    for (int i = 0; i < 6; i++) pair_write_kind(&pair, PAST_ROWS, 0);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    pair.vip = 1;
    pair_break(&pair);
    if (running_or_not[_i]) pair_restart(&pair);
    must(pair_run(&pair, 200, &status));
    ck_assert_msg(status.state == CAPTURE_CONNECTING && status.error.code == ERR_CONNECT && status.error_is_transient,
                  "state %d: %s", status.state, status.error.text);
    ck_assert_ptr_nonnull(strstr(status.error.text, "caught up"));
    pair_replicate(&pair, 1, UINT32_MAX);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
    ck_assert_uint_eq(pair.passings, 1);
    pair_check(&pair);
    pair_fini(&pair);
}
END_TEST

/* One that went on without them will not: behind one name that is an Error, with two hosts the first is waited for. */
START_TEST(another_history)
{
    begin(2 + (uint64_t)_i / 2, 10);
    pair_write_kind(&pair, PAST_ROWS, 0); /* the second never gets this */
    must(pair_run(&pair, SETTLE_TURNS, &status));
    uint32_t past = pair.past_count;
    pass();
    pair.server[1].applied++;
    pair_write_kind(&pair, PAST_ROWS, 0);
    if (running_or_not[_i % 2]) pair_restart(&pair);
    if (!pair.has_hosts && running_or_not[_i % 2]) { /* which filtered ones it had is not known: it waits */
        must(pair_run(&pair, 400, &status));
        ck_assert_int_eq(status.state, CAPTURE_CONNECTING);
    } else if (!pair.has_hosts) {
        bool runs = true;
        for (int i = 0; i < 400 && runs; i++) runs = pair_turn(&pair, &status);
        ck_assert(!runs);
        ck_assert_int_eq(status.error.code, ERR_SOURCE_HISTORY);
        ck_assert_ptr_nonnull(strstr(status.error.text, "another history"));
    } else {
        must(pair_run(&pair, 400, &status));
        ck_assert_int_eq(status.state, CAPTURE_CONNECTING);
        pair.server[0].source.is_down = false;
        must(pair_run(&pair, SETTLE_TURNS, &status));
        ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
        pair.past_count = past;
        pair_check(&pair);
    }
    pair_fini(&pair);
}
END_TEST

/* One that has purged what we lack. */
START_TEST(purged)
{
    begin(2, 5);
    for (int i = 0; i < 3; i++) pair_write_kind(&pair, PAST_ROWS, 0); /* not read: the first dies */
    pair_replicate(&pair, 1, UINT32_MAX);
    pass();
    pair_rotate(&pair, 1, true);
    pair.server[1].source.purged = pair.server[1].source.file_count - 1;
    if (running_or_not[_i]) pair_restart(&pair);
    ck_assert(!pair_run(&pair, 400, &status));
    ck_assert_int_eq(status.error.code, ERR_SOURCE_PURGED);
    pair_fini(&pair);
}
END_TEST

/* The server dies, and capture is started anew before it saw another: also with statements that nobody is told of. */
START_TEST(right_after_a_start)
{
    begin(3 + (uint64_t)_i, 20); /* hosts, and all DDL or the selected tables' */
    pair_write_kind(&pair, PAST_ADD, 0);
    pair_write_kind(&pair, PAST_SWAP, 0);
    pair_write_kind(&pair, PAST_ADD, 0);
    pair_write_kind(&pair, PAST_ROWS, 0);
    pair_replicate(&pair, 1, UINT32_MAX);
    for (int i = 0; i < 8; i++) must(pair_turn(&pair, &status)); /* no HEARTBEAT told the set of these */
    pass();
    pair_restart(&pair);
    pair_write_kind(&pair, PAST_SWAP, 0);
    for (int i = 0; i < 9; i++) pair_write_kind(&pair, PAST_ROWS, 0);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
    pair_check(&pair);
    pair_fini(&pair);
}
END_TEST

/* A definition that is known from a place of the former server on: that place means nothing at the other. */
START_TEST(definitions_ahead)
{
    pair_init(&pair, 2, false);
    for (int i = 0; i < 30; i++) binlog_maker_file(&pair.server[_i].maker, true); /* places behind all others */
    uint64_t one = random_below(&pair.random, 3);
    for (int i = 0; i < 6; i++) pair_write_kind(&pair, PAST_ADD, 0); /* `filtered`: nobody asks */
    pair_write_kind(&pair, PAST_ADD, 2);
    for (uint64_t i = 0; i < 6 + one; i++) pair_write_kind(&pair, PAST_ADD, 0);
    for (int i = 0; i < 6; i++) pair_write_kind(&pair, PAST_ROWS, 0);
    pair_replicate(&pair, 1, UINT32_MAX);
    pair_capture(&pair);
    for (int i = 0; i < 3; i++) must(pair_turn(&pair, &status));
    pass();
    if (_i == 0) pair_restart(&pair);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    pair_check(&pair);
    pair_fini(&pair);
}
END_TEST

/* The log has the beginning of a transaction that the first server did not survive, and the second is quiet: the rest
 * never comes, and HEARTBEATs go on. */
START_TEST(never_happened)
{
    begin(2, 10);
    for (int i = 0; i < 100 && !pair.w.storage.in_transaction; i++) {
        pair_rotate(&pair, 0, false);
        must(pair_run(&pair, 200, &status));
    }
    ck_assert(pair.w.storage.in_transaction);
    pass();
    if (running_or_not[_i]) pair_restart(&pair);
    uint64_t before = pair_heartbeats(&pair), cuts = pair.cuts;
    must(pair_run(&pair, SETTLE_TURNS, &status));
    ck_assert_uint_gt(pair_heartbeats(&pair), before);
    ck_assert_uint_eq(pair.cuts, cuts + (running_or_not[_i] ? 0 : 1));
    pair_check(&pair);
    pair_fini(&pair);
}
END_TEST

/* Consumers may have seen what a crash took: the place up to which all comes again is one of the former server. */
START_TEST(no_heartbeat_before_the_other_has_sent_again)
{
    begin(2, 10);
    for (int i = 0; i < 30; i++) binlog_maker_file(&pair.server[_i].maker, true);
    for (int i = 0; i < 60; i++) pair_write_kind(&pair, PAST_ROWS, 0);
    pair_replicate(&pair, 1, UINT32_MAX);
    world_leave(&pair.w);
    uint64_t before = pair_heartbeats(&pair);
    pair.w.storage.resume.is_resending = true;
    pair_capture(&pair);
    pair.server[0].source.breaks_per_million = 400000;
    for (int i = 0; i < 4; i++) must(pair_turn(&pair, &status));
    pass();
    unsigned turns = 0;
    while (pair_heartbeats(&pair) == before && turns++ < 400) must(pair_turn(&pair, &status));
    ck_assert_uint_lt(turns, 400);
    must(pair_run(&pair, SETTLE_TURNS, &status));
    pair_check(&pair);
    pair_fini(&pair);
}
END_TEST

int main(int argc, char **argv)
{
#if defined(__SANITIZE_ADDRESS__)
    int first = 1, count = HISTORIES_SANITIZED;
#elif defined(__has_feature)
    int first = 1, count = __has_feature(address_sanitizer) ? HISTORIES_SANITIZED : HISTORIES;
#else
    int first = 1, count = HISTORIES;
#endif
    bool is_long = argc == 3;
    if (is_long) {
        first = atoi(argv[1]);
        count = atoi(argv[2]);
    } else if (argc != 1) {
        fprintf(stderr, "usage: test_failover_sim [FIRST COUNT]\n");
        return 2;
    }
    if (getenv("VERBOSE") == NULL) log_set_level(LOG_LEVEL_COUNT); /* faults are the purpose here */
    TCase *cases = tcase_create("failover_sim");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, histories, first, first + count);
    if (!is_long) {
        tcase_add_loop_test(cases, behind, 0, 2);
        tcase_add_loop_test(cases, another_history, 0, 4);
        tcase_add_loop_test(cases, purged, 0, 2);
        tcase_add_loop_test(cases, right_after_a_start, 0, 2);
        tcase_add_loop_test(cases, definitions_ahead, 0, 2);
        tcase_add_loop_test(cases, never_happened, 0, 2);
        tcase_add_loop_test(cases, no_heartbeat_before_the_other_has_sent_again, 0, 2);
    }
    Suite *suite = suite_create("failover_sim");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
