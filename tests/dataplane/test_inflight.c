/* Goal: an account has no more under way than it may, over all its connections and all serve lcores; above that its
 * requests wait and are answered in their turn, with no error, and others' do not wait.  Method: two serve lcores that
 * share their accounts, with clients that read nothing until they are told to. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum { LIMIT = 20000, VALUE_BYTES = 4000, BATCHES = 200, LCORES = 2, CLIENTS_MAX = 12, STOPPED = 0 };

static struct sim_server *s[LCORES];
static struct account_uses *uses;

static void begin(uint64_t seed)
{
    struct account_limits limits = {.inflight_bytes_max = LIMIT};
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    for (uint32_t i = 0; i < LCORES; i++) {
        struct serve_config config = {.index = i, .thread_count = LCORES, .connections_max = CLIENTS_MAX + 1,
                                      .uses = uses};
        s[i] = sim_start(1, 2 << 20, config, seed == 0 ? 0 : seed + i);
        struct log *orders = memory_log_new(s[i]->storage, "orders");
        for (int b = 0; b < BATCHES; b++) memory_log_append(s[i]->storage, orders, 1, VALUE_BYTES, 1000 + b);
    }
}

static void settle(void) /* what one lcore lets go wakes the other */
{
    for (int turn = 0; turn < 3; turn++)
        for (int i = 0; i < LCORES; i++) sim_settle(s[i]);
}

static struct account_use *nobody(void) /* who all are that did not log in */
{
    struct account_use *use;
    ck_assert_int_eq(account_use_take(uses, "(no login)", false, 1, &use), ERR_OK);
    account_use_give(uses, use);
    return use;
}

static void end(void)
{
    ck_assert(!account_use_has_waiting(nobody()));
    for (int i = 0; i < LCORES; i++) sim_stop(s[i]);
    ck_assert_uint_eq(account_use_room(uses, nobody()), LIMIT); /* nothing is counted for ever */
    account_uses_close(uses);
}

static void fetch(int lcore, struct port_sim_peer *peer)
{
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", 0, 0, 1);
    sim_send(s[lcore], peer, KAFKA_API_FETCH, 11, &f.request);
}

static int32_t fetched(int lcore, struct port_sim_peer *peer)
{
    struct fetch_response out;
    port_sim_window(peer, SIZE_MAX);
    settle();
    ck_assert(sim_receive(s[lcore], peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.error_code, 0);
    ck_assert_int_eq(out.throttle_time_ms, 0);
    return out.responses[0].partitions[0].records.size;
}

/* Everything that it may have is on its way to two clients that do not read. */
static void fill(struct port_sim_peer *peer[2])
{
    for (int i = 0; i < 2; i++) {
        peer[i] = port_sim_connect(s[0]->lcore->port);
        port_sim_window(peer[i], STOPPED);
        fetch(0, peer[i]);
        settle();
    }
    ck_assert_uint_eq(account_use_room(uses, nobody()), 0);
}

START_TEST(above_the_limit_requests_wait_on_every_lcore_and_nobody_elses)
{
    struct port_sim_peer *full[2], *late[LCORES], *other;
    struct metadata_request metadata = {.topic_count = -1};
    struct metadata_response shown;
    begin(0);
    fill(full);
    for (int i = 0; i < LCORES; i++) {
        late[i] = port_sim_connect(s[i]->lcore->port);
        sim_send(s[i], late[i], KAFKA_API_METADATA, 9, &metadata);
    }
    other = port_sim_connect(s[0]->lcore->port);
    settle();
    struct client *c = &s[0]->lcore->clients[3];
    ck_assert(c->state == CLIENT_READY && client_account_is(s[0]->lcore, c, "another", true));
    sim_ask(s[0], other, KAFKA_API_METADATA, 9, &metadata, &shown);
    for (int i = 0; i < LCORES; i++) sim_advance_ms(s[i], 300000); /* no time of ours ends it, nor is it idle */
    for (int i = 0; i < LCORES; i++) {
        ck_assert_uint_eq(port_sim_readable(late[i]), 0);
        ck_assert(!port_sim_is_closed(late[i]));
        ck_assert_uint_eq(counter_get(s[i]->lcore->counters.held_requests), 1);
    }
    int32_t all = fetched(0, full[0]);
    for (int i = 0; i < LCORES; i++) ck_assert(sim_receive(s[i], late[i], KAFKA_API_METADATA, 9, &shown));
    all += fetched(0, full[1]);
    ck_assert_int_gt(all, LIMIT / 2);
    ck_assert_int_le(all, LIMIT + VALUE_BYTES); /* the second answer was cut to what was left, or a batch */
    for (int i = 0; i < 2; i++) port_sim_hang_up(full[i]);
    for (int i = 0; i < LCORES; i++) port_sim_hang_up(late[i]);
    port_sim_hang_up(other);
    settle();
    end();
}
END_TEST

START_TEST(who_hangs_up_gives_back_and_who_waits_may_hang_up)
{
    struct port_sim_peer *full[2], *late, *later;
    struct metadata_request metadata = {.topic_count = -1};
    struct metadata_response shown;
    begin(0);
    fill(full);
    late = port_sim_connect(s[1]->lcore->port);
    later = port_sim_connect(s[1]->lcore->port);
    sim_send(s[1], late, KAFKA_API_METADATA, 9, &metadata);
    settle();
    sim_send(s[1], later, KAFKA_API_METADATA, 9, &metadata);
    settle();
    port_sim_hang_up(late);
    settle();
    ck_assert_uint_eq(port_sim_readable(later), 0);
    for (int i = 0; i < 2; i++) port_sim_hang_up(full[i]);
    settle();
    ck_assert(sim_receive(s[1], later, KAFKA_API_METADATA, 9, &shown));
    port_sim_hang_up(later);
    settle();
    end();
}
END_TEST

START_TEST(who_waits_for_one_account_is_not_in_another_ones_way)
{
    struct port_sim_peer *full[2], *late, *others[3];
    begin(0);
    fill(full);
    late = port_sim_connect(s[0]->lcore->port);
    fetch(0, late);
    settle();
    for (int i = 0; i < 3; i++) {
        others[i] = port_sim_connect(s[0]->lcore->port);
        port_sim_window(others[i], STOPPED);
        settle();
        ck_assert(client_account_is(s[0]->lcore, &s[0]->lcore->clients[3 + i], "another", true));
        fetch(0, others[i]);
        settle();
    }
    ck_assert_int_eq(s[0]->lcore->clients[5].state, CLIENT_HELD);
    fetched(0, others[0]);
    ck_assert_int_ge(fetched(0, others[2]), VALUE_BYTES);
    ck_assert_uint_eq(port_sim_readable(late), 0);
    for (int i = 0; i < 3; i++) port_sim_hang_up(others[i]);
    for (int i = 0; i < 2; i++) port_sim_hang_up(full[i]);
    port_sim_hang_up(late);
    settle();
    end();
}
END_TEST

START_TEST(those_who_wait_go_in_the_order_in_which_they_came)
{
    struct port_sim_peer *full[2], *late[3]; /* in slots 0, 1 and 2 to 4 */
    begin(0);
    struct client *first = &s[0]->lcore->clients[2], *last = &s[0]->lcore->clients[4];
    fill(full);
    for (int i = 0; i < 3; i++) {
        late[i] = port_sim_connect(s[0]->lcore->port);
        port_sim_window(late[i], STOPPED);
        if (i < 2) fetch(0, late[i]);
        settle();
    }
    port_sim_window(full[1], SIZE_MAX);
    serve_step(s[0]->lcore); /* its answer is sent, and given back in the next turn, in which the last one asks */
    fetch(0, late[2]);
    while (last->state == CLIENT_READY) serve_step(s[0]->lcore);
    ck_assert_int_eq(first->state, CLIENT_SENDING);
    ck_assert_int_eq(last->state, CLIENT_HELD);
    fetched(0, full[0]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(fetched(0, late[i]), VALUE_BYTES);
        port_sim_hang_up(late[i]);
    }
    for (int i = 0; i < 2; i++) port_sim_hang_up(full[i]);
    settle();
    end();
}
END_TEST

/* A request of about `bytes`. */
static uint8_t *large_request(uint32_t bytes, size_t *size)
{
    enum { NAME_BYTES = 200 };
    static char name[NAME_BYTES + 1];
    uint32_t count = bytes / NAME_BYTES;
    struct metadata_request_topic *topic = calloc(count, sizeof *topic);
    memset(name, 'x', NAME_BYTES);
    for (uint32_t i = 0; i < count; i++) topic[i].name = kafka_string_of(name);
    struct metadata_request metadata = {.topics = topic, .topic_count = (int32_t)count};
    uint8_t *frame = malloc(bytes + 65536);
    *size = request_make(KAFKA_API_METADATA, 4, 1, &metadata, frame, bytes + 65536);
    free(topic);
    return frame;
}

static bool is_held(int i)
{
    return s[i % LCORES]->lcore->clients[i / LCORES].state == CLIENT_HELD;
}

/* Each sends half of a large request; together they are far more than what may be under way.  Then those that are read
 * on send the rest, or hang up: `_i`. */
START_TEST(half_read_requests_wait_but_for_one)
{
    enum { LARGE = 16000 };
    size_t size;
    uint8_t *frame = large_request(LARGE, &size);
    struct port_sim_peer *peer[CLIENTS_MAX];
    begin(0);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        peer[i] = port_sim_connect(s[i % LCORES]->lcore->port);
        for (size_t at = 0, part; at < size / 2; at += part) {
            part = size / 2 - at < 1000 ? size / 2 - at : 1000;
            ck_assert(port_sim_write(peer[i], frame + at, part));
            settle();
        }
    }
    uint64_t held = 0;
    for (int i = 0; i < LCORES; i++) held += s[i]->lcore->input_bytes[0];
    ck_assert_uint_gt(held, LIMIT);
    ck_assert_uint_lt(held, LIMIT + LARGE + CLIENTS_MAX * 4096); /* each has a little before it is told to wait */
    for (int i = 0; i < LCORES; i++) sim_advance_ms(s[i], SIM_REQUEST_MS * 3 / 4);
    bool was_held[CLIENTS_MAX];
    int waited = 0;
    for (int i = 0; i < CLIENTS_MAX; i++) waited += was_held[i] = is_held(i);
    ck_assert_int_ge(waited, CLIENTS_MAX / 2);
    ck_assert_int_lt(waited, CLIENTS_MAX);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (was_held[i]) continue;
        if (_i == 1) port_sim_hang_up(peer[i]);
        else ck_assert(port_sim_write(peer[i], frame + size / 2, size - size / 2));
    }
    settle();
    for (int i = 0; i < LCORES; i++) sim_advance_ms(s[i], SIM_REQUEST_MS * 3 / 4); /* what they waited is not theirs */
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (was_held[i]) ck_assert(port_sim_write(peer[i], frame + size / 2, size - size / 2));
    settle();
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (!was_held[i] && _i == 1) continue;
        ck_assert_uint_gt(port_sim_readable(peer[i]), 0);
        port_sim_hang_up(peer[i]);
    }
    settle();
    end();
    free(frame);
}
END_TEST

/* The connections in the same place of two lcores are two, when only one may read on. */
START_TEST(one_is_read_on_over_all_lcores)
{
    size_t size;
    uint8_t *frame = large_request(16000, &size);
    struct port_sim_peer *full[2], *idle[2], *reader[LCORES];
    begin(0);
    fill(full);
    for (int i = 0; i < 2; i++) idle[i] = port_sim_connect(s[1]->lcore->port);
    for (int i = 0; i < LCORES; i++) {
        reader[i] = port_sim_connect(s[i]->lcore->port);
        for (size_t at = 0; at < size / 2; at += 1000) {
            ck_assert(port_sim_write(reader[i], frame + at, 1000));
            settle();
        }
    }
    const struct client *first = &s[0]->lcore->clients[2], *second = &s[1]->lcore->clients[2];
    ck_assert_uint_eq(first->generation, second->generation);
    ck_assert_int_ne(first->state, CLIENT_HELD);
    ck_assert_int_eq(second->state, CLIENT_HELD);
    for (int i = 0; i < 2; i++) {
        port_sim_hang_up(full[i]);
        port_sim_hang_up(idle[i]);
    }
    for (int i = 0; i < LCORES; i++) port_sim_hang_up(reader[i]);
    settle();
    end();
    free(frame);
}
END_TEST

/* Requests alone fill what may be under way: some of them must go on all the same. */
START_TEST(requests_that_wait_do_not_wait_for_themselves)
{
    size_t size;
    uint8_t *frame = large_request(3 * LIMIT, &size);
    struct port_sim_peer *peer[CLIENTS_MAX];
    begin(0);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        peer[i] = port_sim_connect(s[i % LCORES]->lcore->port);
        ck_assert(port_sim_write(peer[i], frame, size));
    }
    settle();
    for (int i = 0; i < CLIENTS_MAX; i++) {
        ck_assert_uint_gt(port_sim_readable(peer[i]), 0);
        port_sim_hang_up(peer[i]);
    }
    settle();
    end();
    free(frame);
}
END_TEST

/* Clients that ask, read, stop and hang up at random: never too much under way, and in the end all is answered. */
static void play(uint64_t seed)
{
    struct port_sim_peer *peer[CLIENTS_MAX] = {NULL};
    unsigned asked[CLIENTS_MAX] = {0};
    struct random random;
    random_init(&random, seed);
    begin(seed);
    struct metadata_request metadata = {.topic_count = -1};
    for (int step = 0; step < 150; step++) {
        int i = (int)random_below(&random, CLIENTS_MAX), lcore = i % LCORES;
        switch (peer[i] == NULL ? 4 : random_below(&random, 6)) {
        case 0: case 1: fetch(lcore, peer[i]); asked[i]++; break;
        case 2: sim_send(s[lcore], peer[i], KAFKA_API_METADATA, 9, &metadata); asked[i]++; break;
        case 3: port_sim_window(peer[i], random_below(&random, 2) == 0 ? SIZE_MAX : STOPPED); break;
        case 4:
            if (peer[i] != NULL) port_sim_hang_up(peer[i]);
            peer[i] = port_sim_connect(s[lcore]->lcore->port);
            asked[i] = 0;
            break;
        default: port_sim_read(peer[i], s[lcore]->frame, random_below(&random, 10000)); break;
        }
        if (random_below(&random, 3) == 0) settle();
        uint64_t lent = 0;
        for (int l = 0; l < LCORES; l++)
            for (uint32_t at = 0; at < s[l]->lcore->config.connections_max; at++)
                if (s[l]->lcore->clients[at].use != NULL) lent += s[l]->lcore->clients[at].lent_bytes;
        ck_assert_uint_le(lent, LIMIT + 2 * (VALUE_BYTES + 1000)); /* a batch and a frame go whole, on each lcore */
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (peer[i] != NULL) port_sim_window(peer[i], SIZE_MAX);
    for (int turn = 0; turn < 50; turn++) settle();
    for (int l = 0; l < LCORES; l++)
        for (uint32_t at = 0; at < s[l]->lcore->config.connections_max; at++) {
            struct client *c = &s[l]->lcore->clients[at];
            ck_assert_msg(c->state == CLIENT_FREE || (c->state == CLIENT_READY && c->input == NULL),
                          "seed %llu: a request is not answered: state %d", (unsigned long long)seed, (int)c->state);
        }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (peer[i] == NULL) continue;
        ck_assert(asked[i] == 0 || !port_sim_is_closed(peer[i]));
        port_sim_hang_up(peer[i]);
    }
    settle();
    end();
}

START_TEST(whatever_they_do_it_is_bounded_and_all_are_answered)
{
    for (uint64_t seed = 1; seed <= 60; seed++) play(seed);
}
END_TEST

/* --- what lcores tell each other --- */

static bool told(uint32_t lcore) { return account_uses_take_tell(uses, lcore); }

START_TEST(an_lcore_is_told_of_what_those_who_wait_there_may_do)
{
    struct account_limits limits = {.inflight_bytes_max = LIMIT};
    struct account_use *a;
    struct waiter waiter[2];
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    ck_assert_int_eq(account_use_take(uses, "all", false, 1, &a), ERR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        waiter_init_simulated(&waiter[i]);
        account_uses_watch(uses, i, &waiter[i]);
    }
    account_use_wait(uses, a, 0, false); /* what made room came between the look and the wait */
    ck_assert(told(0) && !told(0) && !told(1));
    account_use_add(uses, a, ACCOUNT_ANSWERS, LIMIT);
    ck_assert(account_use_may_read(uses, a, 7));
    account_use_wait(uses, a, 1, true);
    ck_assert(!told(0) && !told(1));
    account_use_read_end(uses, a, 8); /* not the one that is read */
    ck_assert(!told(1));
    account_use_read_end(uses, a, 7);
    ck_assert(told(0) && told(1));
    account_use_wait_end(uses, a, 1);
    account_use_wait(uses, a, 1, true); /* nothing is being read: it may */
    ck_assert(told(1));
    account_use_add(uses, a, ACCOUNT_REQUESTS, 2 * LIMIT);
    account_use_remove(uses, a, ACCOUNT_REQUESTS, LIMIT);
    ck_assert(!told(0));
    account_use_remove(uses, a, ACCOUNT_ANSWERS, LIMIT); /* requests alone hold too much */
    ck_assert(told(0) && told(1));
    account_use_wait_end(uses, a, 1);
    account_use_remove(uses, a, ACCOUNT_REQUESTS, LIMIT);
    ck_assert(told(0) && !told(1)); /* nobody waits there any more */
    account_uses_close(uses);
}
END_TEST

enum { THREADS = 4, TAKES = 1000, PART = LIMIT / 2, TOLD_WITHIN_MS = 5000 };

struct taker {
    pthread_t thread;
    struct account_use *use;
    struct waiter waiter;
    uint32_t index;
    bool is_late; /* it was not told in time */
};

static bool may(struct taker *t, bool reads)
{
    return reads ? account_use_may_read(uses, t->use, t->index + 1) : account_use_may_begin(uses, t->use);
}

/* As a serve lcore: it counts itself as waiting, looks when it was told, and sleeps else. */
static bool take_turn(struct taker *t, bool reads)
{
    if (!account_use_has_waiting(t->use) && may(t, reads)) return true; /* nobody is overtaken */
    account_use_wait(uses, t->use, t->index, reads);
    uint64_t until_ns = clock_monotonic_ns(clock_real()) + (uint64_t)TOLD_WITHIN_MS * 1000000;
    bool may_go = false;
    while (!may_go && clock_monotonic_ns(clock_real()) < until_ns) {
        waiter_announce(&t->waiter);
        if (account_uses_take_tell(uses, t->index)) may_go = may(t, reads);
        else waiter_block(&t->waiter, TOLD_WITHIN_MS);
        waiter_cancel(&t->waiter);
    }
    account_use_wait_end(uses, t->use, t->index);
    return may_go;
}

static void *takes(void *argument)
{
    struct taker *t = argument;
    for (int i = 0; i < TAKES && !t->is_late; i++) {
        bool reads = (i + (int)t->index) % 3 == 0;
        t->is_late = !take_turn(t, reads);
        account_use_add(uses, t->use, reads ? ACCOUNT_REQUESTS : ACCOUNT_ANSWERS, PART);
        sched_yield();
        account_use_read_end(uses, t->use, t->index + 1);
        account_use_remove(uses, t->use, reads ? ACCOUNT_REQUESTS : ACCOUNT_ANSWERS, PART);
    }
    return NULL;
}

START_TEST(no_thread_that_waits_is_forgotten)
{
    struct account_limits limits = {.inflight_bytes_max = LIMIT};
    static struct taker taker[THREADS];
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        taker[i].index = i;
        ck_assert_int_eq(waiter_init(&taker[i].waiter), ERR_OK);
        account_uses_watch(uses, i, &taker[i].waiter);
        ck_assert_int_eq(account_use_take(uses, "all", false, 1, &taker[i].use), ERR_OK);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&taker[i].thread, NULL, takes, &taker[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(taker[i].thread, NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        ck_assert_msg(!taker[i].is_late, "thread %u was not told", i);
        waiter_fini(&taker[i].waiter);
    }
    ck_assert_uint_eq(account_use_room(uses, taker[0].use), LIMIT);
    account_uses_close(uses);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inflight");
    TCase *t = tcase_create("inflight");
    tcase_set_timeout(t, 100);
    tcase_add_test(t, above_the_limit_requests_wait_on_every_lcore_and_nobody_elses);
    tcase_add_test(t, who_hangs_up_gives_back_and_who_waits_may_hang_up);
    tcase_add_test(t, who_waits_for_one_account_is_not_in_another_ones_way);
    tcase_add_test(t, an_lcore_is_told_of_what_those_who_wait_there_may_do);
    tcase_add_test(t, no_thread_that_waits_is_forgotten);
    tcase_add_test(t, those_who_wait_go_in_the_order_in_which_they_came);
    tcase_add_loop_test(t, half_read_requests_wait_but_for_one, 0, 2);
    tcase_add_test(t, one_is_read_on_over_all_lcores);
    tcase_add_test(t, requests_that_wait_do_not_wait_for_themselves);
    tcase_add_test(t, whatever_they_do_it_is_bounded_and_all_are_answered);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
