/* Goal: a device that is taken away is not touched by any lcore while another is put in its place: control waits for
 * each lcore, in each absence anew; and a device that is there again and refuses to start is tried until it does.
 *
 * device_open is wrapped (-Wl,--wrap): the second one is control's, when the device comes back. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "dataplane/port_dpdk_inside.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

enum { PORT = 9092, MTU = 1500, LCORES = 2, CONNECTIONS = 64, BACK_S_MAX = 60, SOME_TURNS = 50, ROUNDS = 3 };

enum err __real_device_open(struct port_dpdk_device *d, struct err_msg *msg);
enum err __wrap_device_open(struct port_dpdk_device *d, struct err_msg *msg);

static struct err_msg msg;
static struct port_dpdk_device *device;
static struct port *port[LCORES];
static unsigned refusals, opened;
static _Atomic uint32_t accepted[LCORES];
static _Atomic bool is_over;

enum err __wrap_device_open(struct port_dpdk_device *d, struct err_msg *why)
{
    opened++;
    if (refusals == 0) return __real_device_open(d, why);
    refusals--;
    return err_set(why, ERR_IO, "refused by the test");
}

static uint64_t now_ms(void) { return clock_monotonic_ns(clock_real()) / 1000000; }

static void device_begin(void)
{
    struct port_dpdk_config config = {.device = VETH_DEVICE ",qpairs=2", .address = VETH_SERVER4 "/24", .mtu = MTU,
                                      .lcores = LCORES};
    enum err e = port_dpdk_start(&device, &config, NULL, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

static void lcore_begin(uint32_t k)
{
    const uint16_t number = PORT;
    enum err e = port_dpdk_open(&port[k], device, k, &number, 1, CONNECTIONS, clock_real(), &msg);
    INVARIANT(e == ERR_OK);
}

static void turn(uint32_t k)
{
    struct port_event event[16];
    unsigned count = port_poll(port[k], event, 16);
    for (unsigned i = 0; i < count; i++) {
        if (event[i].kind == PORT_ACCEPTED) atomic_fetch_add(&accepted[k], 1);
        if (event[i].kind == PORT_DATA) port_close(port[k], event[i].connection);
    }
    if (count == 0) port_wait(port[k], 1000000);
}

/* Control's look, once a second of its own time. */
static enum port_dpdk_condition look(void)
{
    static uint64_t second;
    struct port_dpdk_state s;
    port_dpdk_watch(device, ++second * 1000000000);
    port_dpdk_state(device, &s);
    return s.condition;
}

/* `lcores`: that this thread is. */
static void look_until(enum port_dpdk_condition condition, uint32_t lcores)
{
    enum port_dpdk_condition is = look();
    for (uint64_t end_ms = now_ms() + BACK_S_MAX * 1000; is != condition && now_ms() < end_ms; is = look())
        for (uint32_t k = 0; k < lcores; k++) turn(k);
    ck_assert_str_eq(port_dpdk_condition_name(is), port_dpdk_condition_name(condition));
    (void)look(); /* that is seen */
}

static void ip(const char *words)
{
    char command[128];
    snprintf(command, sizeof command, "PATH=$PATH:/sbin:/usr/sbin ip %s", words);
    ck_assert_int_eq(system(command), 0);
}

static void take_away(void) { ip("link del server"); }

/* A lcore that does not come to look holds everything up, also where it says late what it saw of the absence before. */
START_TEST(each_lcore_is_waited_for)
{
    device_begin();
    for (uint32_t k = 0; k < LCORES; k++) lcore_begin(k);
    uint32_t seen_late = LCORE_AT_WORK;
    for (int round = 0; round < ROUNDS; round++) {
        take_away();
        look_until(PORT_DPDK_GONE, LCORES);
        unsigned before = opened;
        atomic_store(&device->lcore_place[1], seen_late);
        ck_assert(veth_make_again(MTU));
        for (int i = 0; i < SOME_TURNS; i++) {
            turn(0);
            ck_assert_int_eq(look(), PORT_DPDK_GONE);
        }
        ck_assert(!device->is_unplugged);
        ck_assert_uint_eq(opened, before);
        turn(1);
        seen_late = atomic_load(&device->lcore_place[1]);
        ck_assert_uint_ge(seen_late, LCORE_PARKED);
        look_until(PORT_DPDK_UP, 1);
        ck_assert_uint_eq(opened, before + 1);
        for (uint32_t k = 0; k < LCORES; k++) turn(k);
    }
    for (uint32_t k = 0; k < LCORES; k++) port_fini(port[k]);
}
END_TEST

START_TEST(a_device_that_refuses_is_tried_again)
{
    device_begin();
    for (uint32_t k = 0; k < LCORES; k++) lcore_begin(k);
    take_away();
    look_until(PORT_DPDK_GONE, LCORES);
    refusals = 3;
    ck_assert(veth_make_again(MTU));
    look_until(PORT_DPDK_UP, LCORES);
    ck_assert_uint_eq(refusals, 0);
    ck_assert_uint_eq(opened, 4);
    for (uint32_t k = 0; k < LCORES; k++) port_fini(port[k]);
}
END_TEST

static void *lcore_run(void *number)
{
    uint32_t k = (uint32_t)(uintptr_t)number;
    lcore_begin(k);
    while (!atomic_load(&is_over)) turn(k);
    port_fini(port[k]);
    return NULL;
}

/* Connections from ports of the kernel's choice, until each lcore has one more. */
static void each_lcore_serves(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    uint32_t before[LCORES];
    bool is_served = false;
    inet_pton(AF_INET, VETH_SERVER4, &to.sin_addr);
    for (uint32_t k = 0; k < LCORES; k++) before[k] = atomic_load(&accepted[k]);
    for (uint64_t end_ms = now_ms() + BACK_S_MAX * 1000; !is_served && now_ms() < end_ms;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fd, (struct sockaddr *)&to, sizeof to);
        struct pollfd event = {.fd = fd, .events = POLLOUT};
        (void)poll(&event, 1, 3000);
        (void)send(fd, "", 1, MSG_NOSIGNAL);
        close(fd);
        is_served = true;
        for (uint32_t k = 0; k < LCORES; k++) is_served = is_served && atomic_load(&accepted[k]) != before[k];
    }
    ck_assert_msg(is_served, "%u and %u connections more", atomic_load(&accepted[0]) - before[0],
                  atomic_load(&accepted[1]) - before[1]);
}

/* Lcores that work all the time, each a thread of its own.  The client comes back with another hardware address, and
 * says so to one of them, by a question. */
START_TEST(lcores_at_work)
{
    pthread_t lcore[LCORES];
    device_begin();
    for (uint32_t k = 0; k < LCORES; k++)
        ck_assert_int_eq(pthread_create(&lcore[k], NULL, lcore_run, (void *)(uintptr_t)k), 0);
    for (int round = 0; round < ROUNDS; round++) {
        each_lcore_serves();
        take_away();
        look_until(PORT_DPDK_GONE, 0);
        ck_assert(veth_make_again(MTU));
        look_until(PORT_DPDK_UP, 0);
    }
    each_lcore_serves();
    atomic_store(&is_over, true);
    for (uint32_t k = 0; k < LCORES; k++) pthread_join(lcore[k], NULL);
    ck_assert_uint_eq(opened, ROUNDS);
}
END_TEST

int main(void)
{
    if (!veth_enter(MTU)) return 77;
    Suite *suite = suite_create("port, absence");
    TCase *t = tcase_create("port, absence");
    tcase_set_timeout(t, 0); /* meson's holds */
    tcase_add_test(t, each_lcore_is_waited_for);
    tcase_add_test(t, a_device_that_refuses_is_tried_again);
    tcase_add_test(t, lcores_at_work);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
