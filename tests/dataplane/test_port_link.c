/* Goal: a device that loses its link, whose interface gets a smaller MTU, or that is taken away says so, and when it is
 * back as it was the connections go on that were there before: every byte of them comes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/port_rig.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

enum { MTU = 1500, CLIENTS = 8, AMISS_MS = 500, BACK_S_MAX = 60 };

static struct rig rig;

static uint64_t now_ms(void) { return clock_monotonic_ns(clock_real()) / 1000000; }

static void ip(const char *words)
{
    char command[128];
    snprintf(command, sizeof command, "PATH=$PATH:/sbin:/usr/sbin ip %s", words);
    ck_assert_int_eq(system(command), 0);
}

static struct port_dpdk_state state(void)
{
    struct port_dpdk_state s;
    port_dpdk_state(rig.device, &s);
    return s;
}

/* The kernel tells of a link a little later. */
static void step_until(enum port_dpdk_condition condition)
{
    for (uint64_t end_ms = now_ms() + BACK_S_MAX * 1000; state().condition != condition && now_ms() < end_ms;)
        rig_step(&rig);
    ck_assert_str_eq(port_dpdk_condition_name(state().condition), port_dpdk_condition_name(condition));
}

static void stories(uint64_t more)
{
    for (uint64_t end = rig.stories + more; rig.stories < end;) rig_step(&rig); /* it fails where one waits for ever */
}

static const struct { const char *breaks, *mends; enum port_dpdk_condition condition; } troubles[] = {
    {"link set server down", "link set server up", PORT_DPDK_NO_LINK},
    {"link set server mtu 1000", "link set server mtu 1500", PORT_DPDK_MTU_LOW},
};
enum { TROUBLES = sizeof troubles / sizeof *troubles };

START_TEST(connections_go_on)
{
    rig_open(&rig, 1 + (uint64_t)_i, CLIENTS);
    ck_assert_int_eq(state().condition, PORT_DPDK_UP);
    ck_assert_uint_eq(state().mtu, MTU);
    for (int round = 0; round < 2; round++) {
        stories(CLIENTS);
        ip(troubles[_i].breaks);
        step_until(troubles[_i].condition);
        ck_assert(state().has_link == (troubles[_i].condition == PORT_DPDK_MTU_LOW));
        if (troubles[_i].condition == PORT_DPDK_MTU_LOW) ck_assert_uint_eq(state().mtu, 1000);
        for (uint64_t end_ms = now_ms() + AMISS_MS; now_ms() < end_ms;) rig_step(&rig);
        ip(troubles[_i].mends);
        step_until(PORT_DPDK_UP);
    }
    stories(2 * CLIENTS);
    rig_close(&rig, false);
}
END_TEST

START_TEST(the_other_end_of_the_cable)
{
    rig_open(&rig, 8, 0); /* the kernel would tell its own clients that their interface is down */
    ip("link set client down");
    step_until(PORT_DPDK_NO_LINK);
    ip("link set client up");
    step_until(PORT_DPDK_UP);
    rig_close(&rig, false);
}
END_TEST

/* Control's thread is this one. */
static void watch_until(enum port_dpdk_condition condition)
{
    static uint64_t second; /* the watch looks once a second: of its own time */
    for (uint64_t end_ms = now_ms() + BACK_S_MAX * 1000; state().condition != condition && now_ms() < end_ms;) {
        port_dpdk_watch(rig.device, ++second * 1000000000);
        rig_step(&rig);
    }
    ck_assert_str_eq(port_dpdk_condition_name(state().condition), port_dpdk_condition_name(condition));
    port_dpdk_watch(rig.device, ++second * 1000000000); /* that is seen */
}

/* Its clients were on the same veth, and are gone with it: others come. */
START_TEST(a_device_that_is_taken_away)
{
    rig_open(&rig, 9, 0);
    for (int round = 0; round < 3; round++) {
        char mac[18];
        memcpy(mac, state().mac, sizeof mac);
        ip("link del server");
        watch_until(PORT_DPDK_GONE);
        ck_assert(!state().has_link);
        for (int i = 0; i < 100; i++) rig_step(&rig);
        ck_assert(veth_make_again(MTU));
        watch_until(PORT_DPDK_UP);
        ck_assert_str_eq(state().mac, mac);
        rig.client_count = CLIENTS;
        stories(2 * CLIENTS);
        rig.client_count = 0; /* these are cut off by the next round */
        for (unsigned i = 0; i < CLIENTS && round < 2; i++) {
            if (rig.client[i].fd >= 0) close(rig.client[i].fd);
            rig.client[i].fd = -1;
        }
    }
    rig.client_count = CLIENTS;
    rig_close(&rig, false);
}
END_TEST

int main(void)
{
    if (!veth_enter(MTU)) return 77;
    Suite *suite = suite_create("port, link");
    TCase *t = tcase_create("port, link");
    tcase_set_timeout(t, 0); /* meson's holds */
    tcase_add_loop_test(t, connections_go_on, 0, TROUBLES);
    tcase_add_test(t, the_other_end_of_the_cable);
    tcase_add_test(t, a_device_that_is_taken_away);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
