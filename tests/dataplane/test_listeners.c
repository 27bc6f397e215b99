/* Goal: a client is told the name and port of the listener that it came by, whichever others there are; each listener's
 * limits close who passes them and nobody else. */
#include <check.h>
#include <stdlib.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

static void asked_by(struct sim_server *s, uint32_t listener, const char *host, int32_t port)
{
    struct port_sim_peer *peer = port_sim_connect_by(s->lcore->port, listener);
    struct metadata_request all = {.topic_count = -1};
    struct metadata_response shown;
    sim_ask(s, peer, KAFKA_API_METADATA, 9, &all, &shown);
    ck_assert_int_eq(shown.broker_count, 1);
    ck_assert(kafka_string_is(shown.brokers[0].host, host));
    ck_assert_int_eq(shown.brokers[0].port, port);
    struct find_coordinator_request group = {.key = kafka_string_of("g")};
    struct find_coordinator_response coordinator;
    sim_ask(s, peer, KAFKA_API_FIND_COORDINATOR, 3, &group, &coordinator);
    ck_assert(kafka_string_is(coordinator.host, host));
    ck_assert_int_eq(coordinator.port, port);
    port_sim_hang_up(peer);
    sim_settle(s);
}

START_TEST(each_listener_tells_its_own_name)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 2}, (uint64_t)_i);
    asked_by(s, 0, "broker.test", 9092);
    asked_by(s, 1, "other.test", 9093); /* in the slot that listener 0's client had */
    asked_by(s, 0, "broker.test", 9092);
    sim_stop(s);
}
END_TEST

/* A request of one byte less than it says. */
static void begin(struct port_sim_peer *peer, uint32_t bytes)
{
    uint8_t *frame = calloc(1, bytes);
    ck_assert_ptr_nonnull(frame);
    frame[1] = (uint8_t)((bytes - 3) >> 16);
    frame[2] = (uint8_t)((bytes - 3) >> 8);
    frame[3] = (uint8_t)(bytes - 3);
    port_sim_write(peer, frame, bytes);
    free(frame);
}

START_TEST(a_request_must_come_whole_in_time)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 4}, 0);
    struct port_sim_peer *slow = port_sim_connect(s->lcore->port), *silent = port_sim_connect(s->lcore->port);
    port_sim_write(slow, "\0\0\x10", 3);
    sim_settle(s);
    for (int i = 0; i < 5; i++) {
        sim_advance_ms(s, (SIM_REQUEST_MS - 2000) / 5);
        ck_assert(!port_sim_is_closed(slow));
        if (i < 4) port_sim_write(slow, "\x7f", 1); /* a byte now and then changes nothing */
        sim_settle(s);
    }
    sim_advance_ms(s, 4000);
    ck_assert(port_sim_is_closed(slow));
    ck_assert(!port_sim_is_closed(silent));
    port_sim_hang_up(slow);
    port_sim_hang_up(silent);
    sim_stop(s);
}
END_TEST

START_TEST(who_holds_most_goes_when_all_hold_too_much)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 32}, 0);
    struct port_sim_peer *peer[32];
    for (int i = 0; i < 32; i++) peer[i] = port_sim_connect(s->lcore->port);
    for (int i = 0; i < 31; i++) begin(peer[i], i == 7 ? 1000 << 10 : 450 << 10);
    sim_settle(s); /* 30 buffers of 512 KiB and one of 1 MiB are 16 MiB: as much as there may be */
    ck_assert_uint_eq(s->lcore->input_bytes[0], SIM_INFLIGHT_BYTES);
    begin(peer[31], 1000);
    sim_settle(s);
    for (int i = 0; i < 32; i++) ck_assert_int_eq(port_sim_is_closed(peer[i]), i == 7);
    ck_assert_uint_lt(s->lcore->input_bytes[0], SIM_INFLIGHT_BYTES);
    for (int i = 0; i < 32; i++) port_sim_hang_up(peer[i]);
    sim_settle(s);
    ck_assert_uint_eq(s->lcore->input_bytes[0], 0);
    sim_stop(s);
}
END_TEST

START_TEST(a_listener_has_only_so_many_connections)
{
    struct sim_server *s = sim_start(1, 1 << 20, (struct serve_config){.connections_max = 8}, 0);
    struct port_sim_peer *peer[5];
    s->listener[1].connections_max = 2;
    for (int i = 0; i < 5; i++) peer[i] = port_sim_connect_by(s->lcore->port, i < 4);
    sim_settle(s);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(port_sim_is_closed(peer[i]), i == 2 || i == 3);
    ck_assert_uint_eq(s->listener[1].connections, 2);
    for (int i = 0; i < 4; i++) port_sim_hang_up(peer[i]);
    sim_settle(s);
    ck_assert_uint_eq(s->listener[1].connections, 0);
    ck_assert_uint_eq(s->listener[0].connections, 1);
    port_sim_hang_up(peer[4]);
    sim_stop(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listeners");
    TCase *t = tcase_create("listeners");
    tcase_add_loop_test(t, each_listener_tells_its_own_name, 0, 2);
    tcase_add_test(t, a_request_must_come_whole_in_time);
    tcase_add_test(t, who_holds_most_goes_when_all_hold_too_much);
    tcase_add_test(t, a_listener_has_only_so_many_connections);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
