/* Goal: connections that stand still cannot keep the memory that capture needs: their pins count as what they really
 * keep, and when too much is kept those that moved least lately end, and no other. */
#include <check.h>
#include <stdlib.h>

#include "tests/dataplane/sim_server.h"

enum { CHUNK_BYTES = 100000, CLIENTS = 4, WAIT_MS = 1100 /* one round of housekeeping */ };

static struct client *client_of(struct sim_server *s, int i) { return &s->lcore->clients[i]; }

/* Asks for one small record; with a closed window the answer stays on its way. */
static void fetch(struct sim_server *s, struct port_sim_peer *peer, bool is_stuck)
{
    struct simple_fetch f;
    struct fetch_response out;
    simple_fetch_init(&f, "orders", 0, 0, 1);
    port_sim_window(peer, is_stuck ? 0 : SIZE_MAX);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    ck_assert_int_eq(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out), !is_stuck);
}

START_TEST(a_small_record_pins_its_whole_chunk)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){0}, 0);
    struct log *l = memory_log_new(s->storage, "orders");
    l->held_bytes = CHUNK_BYTES;
    memory_log_append(s->storage, l, 1, 100, 1000);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    fetch(s, peer, true);
    ck_assert_int_eq(client_of(s, 0)->state, CLIENT_SENDING);
    ck_assert_uint_eq(client_of(s, 0)->pinned_bytes, CHUNK_BYTES);
    port_sim_window(peer, SIZE_MAX);
    sim_settle(s);
    ck_assert_uint_eq(client_of(s, 0)->pinned_bytes, 0);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(the_stalled_end_when_capture_runs_short)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){0}, 0);
    struct log *l = memory_log_new(s->storage, "orders");
    struct port_sim_peer *peer[CLIENTS];
    l->held_bytes = CHUNK_BYTES;
    memory_log_append(s->storage, l, 1, 100, 1000);
    for (int i = 0; i < CLIENTS; i++) peer[i] = port_sim_connect(s->lcore->port);
    sim_settle(s);
    for (int i = 0; i < CLIENTS - 1; i++) { /* the last one reads; the second stalls first, the first last */
        fetch(s, peer[(i + 1) % (CLIENTS - 1)], true);
        sim_advance_ms(s, 100);
    }
    sim_advance_ms(s, 20000);
    fetch(s, peer[CLIENTS - 1], false);
    ck_assert_uint_eq(counter_get(s->lcore->counters.closed[CLOSE_STALLED]), 0); /* nobody misses what they hold */
    atomic_store(&s->storage->excess_bytes, CHUNK_BYTES + 1); /* two of the three must go */
    sim_advance_ms(s, WAIT_MS);
    atomic_store(&s->storage->excess_bytes, 0);
    sim_advance_ms(s, WAIT_MS);
    ck_assert_uint_eq(counter_get(s->lcore->counters.closed[CLOSE_STALLED]), 2);
    ck_assert(port_sim_is_closed(peer[1]) && port_sim_is_closed(peer[2]) && !port_sim_is_closed(peer[0]));
    ck_assert_int_eq(atomic_load(&s->storage->pins), 1);
    fetch(s, peer[CLIENTS - 1], false);

    atomic_store(&s->storage->excess_bytes, UINT64_MAX); /* one that moves is left alone, whatever is missing */
    port_sim_window(peer[0], SIZE_MAX);
    sim_settle(s);
    fetch(s, peer[CLIENTS - 1], true);
    sim_advance_ms(s, STALLED_MS / 2);
    ck_assert(!port_sim_is_closed(peer[CLIENTS - 1]));
    sim_advance_ms(s, STALLED_MS);
    ck_assert(port_sim_is_closed(peer[CLIENTS - 1]) && !port_sim_is_closed(peer[0]));
    ck_assert_int_eq(atomic_load(&s->storage->pins), 0);
    for (int i = 0; i < CLIENTS; i++) port_sim_hang_up(peer[i]);
    sim_stop(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kafka");
    TCase *c = tcase_create("stalled connections");
    tcase_add_test(c, a_small_record_pins_its_whole_chunk);
    tcase_add_test(c, the_stalled_end_when_capture_runs_short);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
