/* Goal: a client is told the name and port of the listener that it came by, whichever others there are. */
#include <check.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"

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

int main(void)
{
    Suite *suite = suite_create("listeners");
    TCase *t = tcase_create("listeners");
    tcase_add_loop_test(t, each_listener_tells_its_own_name, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
