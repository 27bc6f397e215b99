/* Goal: an account reads no faster than its quota, over all its connections, and is told so as its version of the
 * protocol wants it (KIP-219); what it owes it owes after coming back; it has no more connections than it may. */
#include <check.h>
#include <stdio.h>

#include "tests/dataplane/sim_server.h"

enum { RATE = 10000, VALUE_BYTES = 2000, BATCHES = 100 };

static struct sim_server *s;
static struct account_uses *uses;

static void begin(void)
{
    struct account_limits limits = {.bytes_per_s_max = RATE, .connections_max = 2};
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 8, .uses = uses}, 0);
    struct log *l = memory_log_new(s->storage, "orders");
    for (int i = 0; i < BATCHES; i++) memory_log_append(s->storage, l, 1, VALUE_BYTES, 1000 + i);
}

static void end(void)
{
    sim_stop(s);
    account_uses_close(uses);
}

static void ask(struct port_sim_peer *peer, int16_t version, int64_t offset)
{
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", offset, 0, 1);
    sim_send(s, peer, KAFKA_API_FETCH, version, &f.request);
    sim_settle(s);
}

/* The records' bytes of an answer; -1: none of the partition was there.  *throttle_ms: what it was told. */
static int32_t taken(struct port_sim_peer *peer, int16_t version, int32_t *throttle_ms)
{
    struct fetch_response out;
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, version, &out));
    *throttle_ms = out.throttle_time_ms;
    ck_assert_int_eq(out.error_code, 0);
    return out.response_count == 0 ? -1 : out.responses[0].partitions[0].records.size;
}

/* Reads until the account is a second's worth and more ahead; returns the bytes. */
static int32_t overdraw(struct port_sim_peer *peer)
{
    int32_t all = 0, throttle_ms;
    for (int64_t offset = 0; all <= RATE; offset += 5) {
        ask(peer, 11, offset);
        int32_t size = taken(peer, 11, &throttle_ms);
        ck_assert_int_eq(throttle_ms, 0);
        ck_assert_int_le(size, RATE); /* no more at once than a second's worth */
        all += size;
    }
    return all;
}

START_TEST(new_clients_are_told_at_once_and_then_muted)
{
    int32_t throttle_ms;
    begin();
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port), *other = port_sim_connect(s->lcore->port);
    int32_t all = overdraw(peer);
    ask(peer, 11, 0);
    ck_assert_int_eq(taken(peer, 11, &throttle_ms), -1); /* at once, and nothing in it */
    int32_t owes_ms = (all - RATE) * 1000 / RATE;
    ck_assert_int_ge(throttle_ms, owes_ms);
    ck_assert_int_le(throttle_ms, owes_ms + 2);
    ask(other, 8, 0); /* the same account's */
    ck_assert_int_eq(taken(other, 8, &throttle_ms), -1);
    struct metadata_request metadata = {.topic_count = -1}; /* whatever it asks now waits */
    sim_send(s, peer, KAFKA_API_METADATA, 9, &metadata);
    sim_advance_ms(s, (uint64_t)owes_ms - 1);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    sim_advance_ms(s, 3);
    struct metadata_response shown;
    ck_assert(sim_receive(s, peer, KAFKA_API_METADATA, 9, &shown));
    ask(peer, 11, 0);
    ck_assert_int_gt(taken(peer, 11, &throttle_ms), 0);
    ck_assert_int_eq(throttle_ms, 0);
    port_sim_hang_up(peer);
    port_sim_hang_up(other);
    end();
}
END_TEST

START_TEST(old_clients_get_their_answer_late)
{
    int32_t throttle_ms;
    begin();
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    int32_t owes_ms = (overdraw(peer) - RATE) * 1000 / RATE;
    ask(peer, 4, 0);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    sim_advance_ms(s, (uint64_t)owes_ms - 1);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    sim_advance_ms(s, 3);
    ck_assert_int_gt(taken(peer, 4, &throttle_ms), 0);
    ask(peer, 4, 0);
    port_sim_hang_up(peer); /* in the middle of waiting */
    sim_settle(s);
    end();
}
END_TEST

START_TEST(who_comes_again_owes_what_it_owed)
{
    int32_t throttle_ms;
    begin();
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    overdraw(peer);
    port_sim_hang_up(peer);
    sim_settle(s);
    peer = port_sim_connect(s->lcore->port);
    ask(peer, 11, 0);
    ck_assert_int_eq(taken(peer, 11, &throttle_ms), -1);
    ck_assert_int_gt(throttle_ms, 0);
    port_sim_hang_up(peer);
    end();
}
END_TEST

START_TEST(an_account_has_only_so_many_connections)
{
    struct account_limits limits = {.connections_max = 2};
    struct account_use *a, *b, *c;
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    ck_assert_int_eq(account_use_take(uses, "reader", true, 1, &a), ERR_OK);
    ck_assert_int_eq(account_use_take(uses, "reader", true, 1, &b), ERR_OK);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(account_use_take(uses, "reader", true, 1, &c), ERR_AGAIN);
    ck_assert_int_eq(account_use_take(uses, "other", true, 1, &c), ERR_OK);
    account_use_give(uses, a);
    ck_assert_int_eq(account_use_take(uses, "reader", true, 1, &a), ERR_OK);
    ck_assert_uint_eq(account_use_bytes_max(uses), UINT64_MAX);
    account_use_charge(uses, a, 1 << 30, 1); /* without a quota */
    ck_assert_uint_eq(account_use_owes_ns(uses, a, 1), 0);
    account_uses_close(uses);
}
END_TEST

START_TEST(what_is_owed_is_kept_and_the_rest_forgotten)
{
    enum { NAMES = 5000 }; /* some of them beside each other in whatever the names are kept in */
    struct account_limits limits = {.bytes_per_s_max = RATE};
    struct account_use *a;
    char name[32];
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    for (uint64_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < NAMES; i++) {
            snprintf(name, sizeof name, "account-%d", (int)i);
            ck_assert_int_eq(account_use_take(uses, name, true, 1, &a), ERR_OK);
            uint64_t expected_ns = round == 0 ? 0 : (i % 3) * 1000000000; /* a second's worth is not owed */
            ck_assert_uint_eq(account_use_owes_ns(uses, a, 1), expected_ns);
            if (round == 0) account_use_charge(uses, a, i % 3 == 0 ? 0 : (i % 3 + 1) * RATE, 1);
            account_use_give(uses, a);
        }
    }
    account_uses_close(uses);
}
END_TEST

START_TEST(a_quota_is_a_rate)
{
    struct account_limits limits = {.bytes_per_s_max = RATE};
    struct account_use *a;
    uint64_t now_ns = 5000000000, sent = 0, begun_ns = now_ns;
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    ck_assert_int_eq(account_use_take(uses, "reader", true, now_ns, &a), ERR_OK);
    for (int i = 0; i < 1000; i++) {
        now_ns += account_use_owes_ns(uses, a, now_ns);
        account_use_charge(uses, a, (uint64_t)(i * 37 % 5000), now_ns);
        sent += (uint64_t)(i * 37 % 5000);
    }
    double seconds = (double)(now_ns - begun_ns) / 1e9;
    ck_assert_uint_le(sent, (uint64_t)((seconds + 1) * RATE) + 5000); /* a second's worth ahead, and the last one */
    ck_assert_uint_ge(sent, (uint64_t)(seconds * RATE));
    account_uses_close(uses);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quotas");
    TCase *t = tcase_create("quotas");
    tcase_add_test(t, new_clients_are_told_at_once_and_then_muted);
    tcase_add_test(t, old_clients_get_their_answer_late);
    tcase_add_test(t, who_comes_again_owes_what_it_owed);
    tcase_add_test(t, an_account_has_only_so_many_connections);
    tcase_add_test(t, what_is_owed_is_kept_and_the_rest_forgotten);
    tcase_add_test(t, a_quota_is_a_rate);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
