/* Goal: an account reads no faster than its quota, over all its connections, and is told so as its version of the
 * protocol wants it (KIP-219); what it owes it owes after coming back; it has no more connections than it may. */
#include <check.h>
#include <stdio.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum { RATE = 10000, VALUE_BYTES = 2000, BATCHES = 100 };

static struct sim_server *s;
static struct account_uses *uses;
static struct log *orders;

static void begin(void)
{
    struct account_limits limits = {.bytes_per_s_max = RATE, .connections_max = 2};
    ck_assert_int_eq(account_uses_open(&uses, &limits), ERR_OK);
    s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 8, .uses = uses}, 0);
    orders = memory_log_new(s->storage, "orders");
    for (int i = 0; i < BATCHES; i++) memory_log_append(s->storage, orders, 1, VALUE_BYTES, 1000 + i);
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

enum { WAITING = 6, LARGE_BYTES = 8000, WAIT_MS = 60000 };

/* All wait at the log's end; then one large batch comes, for all of them at once. */
static void wait_together(struct port_sim_peer **peer, int16_t version)
{
    for (int i = 0; i < WAITING; i++) {
        struct simple_fetch f;
        struct fetch_response opened;
        peer[i] = port_sim_connect(s->lcore->port);
        simple_fetch_init(&f, "orders", BATCHES, 0, 1);
        if (version == 7) { /* with a session, whose epoch moves when the request is handled first */
            f.request.session_epoch = 0;
            sim_ask(s, peer[i], KAFKA_API_FETCH, version, &f.request, &opened);
            f.request.session_id = opened.session_id;
            f.request.session_epoch = 1;
            f.request.topic_count = 0;
        }
        f.request.max_wait_ms = WAIT_MS;
        sim_send(s, peer[i], KAFKA_API_FETCH, version, &f.request);
    }
    sim_settle(s);
    for (int i = 0; i < WAITING; i++) ck_assert_uint_eq(port_sim_readable(peer[i]), 0);
    memory_log_append(s->storage, orders, 1, LARGE_BYTES, 2000);
    sim_settle(s);
}

START_TEST(those_who_waited_are_asked_for_their_debt_too)
{
    int32_t throttle_ms;
    struct port_sim_peer *peer[WAITING];
    begin();
    wait_together(peer, 11);
    for (int i = 0; i < WAITING; i++) { /* two go over the second's worth, the rest gets nothing */
        int32_t size = taken(peer[i], 11, &throttle_ms);
        if (i < 2) ck_assert_int_gt(size, LARGE_BYTES);
        else ck_assert_int_eq(size, -1);
        ck_assert_int_eq(throttle_ms > 0, i >= 2);
    }
    sim_advance_ms(s, 1000);
    ask(peer[2], 11, BATCHES);
    ck_assert_int_gt(taken(peer[2], 11, &throttle_ms), LARGE_BYTES);
    for (int i = 0; i < WAITING; i++) port_sim_hang_up(peer[i]);
    end();
}
END_TEST

START_TEST(old_clients_who_waited_get_their_answer_late)
{
    const int16_t version[] = {4, 7};
    struct port_sim_peer *peer[WAITING];
    int32_t throttle_ms;
    for (int v = 0; v < 2; v++) {
        begin();
        wait_together(peer, version[v]);
        for (int i = 0; i < WAITING; i++) ck_assert_int_eq(port_sim_readable(peer[i]) > 0, i < 2);
        for (int i = 0; i < WAITING; i++) sim_advance_ms(s, 1000);
        for (int i = 0; i < WAITING; i++) ck_assert_int_gt(taken(peer[i], version[v], &throttle_ms), LARGE_BYTES);
        for (int i = 0; i < WAITING; i++) port_sim_hang_up(peer[i]);
        end();
    }
}
END_TEST

START_TEST(who_waited_gets_no_more_at_once_either)
{
    int32_t throttle_ms;
    for (int cold = 0; cold < 2; cold++) { /* for records, for the disk */
        struct simple_fetch f;
        begin();
        struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
        atomic_store(&orders->is_cold, cold == 1);
        simple_fetch_init(&f, "orders", cold == 1 ? 0 : BATCHES, WAIT_MS, 1);
        sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
        if (cold == 0) {
            sim_settle(s);
            for (int i = 0; i < BATCHES; i++) memory_log_append(s->storage, orders, 1, VALUE_BYTES, 2000 + i);
        }
        sim_settle(s);
        int32_t size = taken(peer, 11, &throttle_ms);
        ck_assert_int_gt(size, RATE / 2);
        ck_assert_int_le(size, RATE);
        /* The first batch goes whole, whatever its size (KIP-74). */
        atomic_store(&orders->is_cold, false);
        sim_advance_ms(s, 1000);
        simple_fetch_init(&f, "orders", cold == 1 ? BATCHES : 2 * BATCHES, WAIT_MS, 1);
        sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
        sim_settle(s);
        memory_log_append(s->storage, orders, 1, 3 * RATE, 3000);
        sim_settle(s);
        ck_assert_int_gt(taken(peer, 11, &throttle_ms), 3 * RATE);
        port_sim_hang_up(peer);
        end();
    }
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
    tcase_add_test(t, those_who_waited_are_asked_for_their_debt_too);
    tcase_add_test(t, old_clients_who_waited_get_their_answer_late);
    tcase_add_test(t, who_waited_gets_no_more_at_once_either);
    tcase_add_test(t, who_comes_again_owes_what_it_owed);
    tcase_add_test(t, an_account_has_only_so_many_connections);
    tcase_add_test(t, what_is_owed_is_kept_and_the_rest_forgotten);
    tcase_add_test(t, a_quota_is_a_rate);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
