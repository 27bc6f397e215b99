/* Goal: who sends only the beginnings of connections, resets for those of others, connects and leaves as fast as he
 * can, or asks and takes nothing, does not keep honest clients from being served, takes a bounded part of the stack,
 * and leaves nothing behind.  And who comes again from a port whose last connection is in TIME_WAIT is let in.
 *
 * Frames are forged on the kernel's end of a veth pair (flood_peers.h: those of whole connections); the honest clients
 * are the kernel's.
 *
 * Honest clients' stories must end (port_rig.h says how long they may take) before a flood does.
 *
 * MILLRACE_SECONDS: of each case (MILLRACE_LONG=1: 60); CK_RUN_CASE: one of them. */
#include <arpa/inet.h>
#include <check.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/flood_peers.h"
#include "tests/dataplane/port_rig.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

enum {
    MTU = 1500, HONEST = 8,
    A_TURN = 16,          /* fewer than the port takes of its device at once */
    HALF_OPEN_MAX = 1024, /* of the stack, as its stack.c has it */
    UNDER_WAY = 512, LONG_RATE = 5000, SHUT_PEERS = 200,
};

static struct rig rig;
static int raw;
static uint8_t server_mac[6], client_mac[6];

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

static uint64_t seconds_ns(void)
{
    const char *text = getenv("MILLRACE_SECONDS");
    uint64_t seconds = text != NULL ? strtoull(text, NULL, 10) : getenv("MILLRACE_LONG") != NULL ? 60 : 1;
    return seconds * 1000000000;
}

/* On a busy machine, too, it has come to something before it ends. */
static bool goes_on(uint64_t end_ns, uint64_t done, uint64_t least)
{
    return now_ns() < end_ns || rig.stories <= HONEST || done < least;
}

static void mac_of(const char *name, uint8_t mac[6])
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    ck_assert_int_eq(ioctl(raw, SIOCGIFHWADDR, &request), 0);
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

static void raw_open(void)
{
    raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("client")};
    ck_assert_int_ge(raw, 0);
    ck_assert_int_eq(bind(raw, (struct sockaddr *)&at, sizeof at), 0);
    mac_of("server", server_mac);
    mac_of("client", client_mac);
}

static uint16_t sum_of(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i += 2) sum += (uint32_t)bytes[i] << 8 | (i + 1 < size ? bytes[i + 1] : 0);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* A segment without data to the server's port. */
static void forge(uint32_t from, uint16_t port, uint32_t sequence, bool is_reset)
{
    struct { struct ether_header e; struct iphdr ip; struct tcphdr tcp; } __attribute__((packed)) f = {0};
    struct { uint32_t from, to; uint8_t zero, protocol; uint16_t size; struct tcphdr tcp; } pseudo = {0};
    memcpy(f.e.ether_dhost, server_mac, 6);
    memcpy(f.e.ether_shost, client_mac, 6);
    f.e.ether_type = htons(ETHERTYPE_IP);
    f.ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons(40), .ttl = 64, .protocol = IPPROTO_TCP,
                          .saddr = htonl(from), .daddr = inet_addr(VETH_SERVER4)};
    f.ip.check = sum_of((const uint8_t *)&f.ip, sizeof f.ip, 0);
    f.tcp = (struct tcphdr){.source = htons(port), .dest = htons(RIG_PORT), .seq = htonl(sequence), .doff = 5,
                            .window = htons(4000), .syn = !is_reset, .rst = is_reset};
    pseudo.from = f.ip.saddr, pseudo.to = f.ip.daddr;
    pseudo.protocol = IPPROTO_TCP, pseudo.size = htons(sizeof f.tcp), pseudo.tcp = f.tcp;
    f.tcp.check = sum_of((const uint8_t *)&pseudo, sizeof pseudo, 0);
    (void)send(raw, &f, sizeof f, 0); /* a full queue loses it */
}

/* The same stranger for the same number. */
static void stranger(uint64_t number, bool is_reset)
{
    struct random random;
    random_init(&random, number);
    uint32_t from = 0xc6120000 + (uint32_t)random_below(&random, 1 << 17); /* 198.18.0.0/15, for such tests */
    uint16_t port = (uint16_t)(1024 + random_below(&random, 60000));
    uint32_t sequence = (uint32_t)random_u64(&random);
    forge(from, port, sequence + is_reset, is_reset);
}

START_TEST(beginnings_without_end)
{
    struct port_dpdk_stats s;
    uint32_t most = 0;
    uint64_t sent = 0;
    raw_open();
    rig_open(&rig, 1, HONEST);
    for (uint64_t end_ns = now_ns() + seconds_ns(); goes_on(end_ns, sent, 4 * HALF_OPEN_MAX);) {
        for (int i = 0; i < A_TURN; i++) stranger(sent++, false);
        rig_step(&rig);
        port_dpdk_stats(rig.port, &s);
        if (s.connections - s.time_wait > most) most = s.connections - s.time_wait;
    }
    printf("%lu beginnings, at most %u connections; %lu gave way; honest clients: %lu stories, %lu KiB\n",
           (unsigned long)sent, most, (unsigned long)s.half_open_ended, (unsigned long)rig.stories,
           (unsigned long)rig.bytes >> 10);
    ck_assert_uint_gt(s.half_open_ended, 0);
    ck_assert_uint_gt(most, HALF_OPEN_MAX / 2);
    ck_assert_uint_le(most, HALF_OPEN_MAX + 16 * HONEST);
    /* The last ones take it back: else the rest waits for 20 s. */
    for (uint64_t i = sent > 4 * HALF_OPEN_MAX ? sent - 4 * HALF_OPEN_MAX : 0; i < sent; i++) {
        stranger(i, true);
        if (i % 16 == 0) rig_step(&rig);
    }
    rig_close(&rig, false);
}
END_TEST

/* Resets for the honest clients' connections, by somebody who knows their ports and guesses the rest. */
START_TEST(resets_of_others)
{
    struct random random;
    uint64_t sent = 0;
    random_init(&random, 2);
    raw_open();
    rig_open(&rig, 2, HONEST);
    for (uint64_t end_ns = now_ns() + seconds_ns(); goes_on(end_ns, sent, 1000);) {
        for (int i = 0; i < A_TURN; i++) {
            struct sockaddr_in own = {0};
            socklen_t size = sizeof own;
            const struct rig_client *c = &rig.client[random_below(&random, HONEST)];
            if (c->fd < 0 || getsockname(c->fd, (struct sockaddr *)&own, &size) != 0) continue;
            forge(ntohl(inet_addr(VETH_CLIENT4)), ntohs(own.sin_port), (uint32_t)random_u64(&random), true);
            sent++;
        }
        rig_step(&rig); /* fails where a client's connection does */
    }
    printf("%lu resets; honest clients: %lu stories\n", (unsigned long)sent, (unsigned long)rig.stories);
    rig_close(&rig, false);
}
END_TEST

static int connect_from(uint32_t address, uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(port)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT),
                             .sin_addr.s_addr = inet_addr(VETH_SERVER4)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    (void)connect(fd, (struct sockaddr *)&to, sizeof to);
    return fd;
}

static bool is_connected(int fd)
{
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    return getpeername(fd, (struct sockaddr *)&a, &size) == 0;
}

/* Connections opened and closed from 32 addresses, every other one ended by a reset: as fast as the port takes them, or
 * 5,000 a second (MILLRACE_LONG=1). */
START_TEST(coming_and_going)
{
    rig_open(&rig, 3, HONEST);
    uint64_t begin_ns = now_ns();
    struct flood *f = flood_begin(FLOOD_COME_AND_GO, UNDER_WAY, getenv("MILLRACE_LONG") != NULL ? LONG_RATE : 0);
    for (uint64_t end_ns = begin_ns + seconds_ns(); goes_on(end_ns, f->ended, 2 * UNDER_WAY);) rig_step(&rig);
    uint64_t took_ns = now_ns() - begin_ns, ended = f->ended;
    f->begins_none = true;
    printf("%lu connections, %lu opened and closed per second; honest clients: %lu stories\n", (unsigned long)ended,
           (unsigned long)(ended * 1000000000 / took_ns), (unsigned long)rig.stories);
    ck_assert_uint_ge(rig.port->stats.accepted, ended / 10 * 9); /* an answer that comes twice is counted twice */
    ck_assert_uint_eq(rig.port->stats.refused, 0);
    rig_close(&rig, false);
    flood_end(f);
}
END_TEST

/* Peers who ask for much, shut their window, answer each look at it, and then are gone without a word. */
START_TEST(peers_that_take_nothing)
{
    struct port_dpdk_stats s;
    rig_open(&rig, 5, HONEST);
    struct flood *f = flood_begin(FLOOD_TAKE_NOTHING, SHUT_PEERS, 0);
    for (uint64_t end_ns = now_ns() + seconds_ns(); goes_on(end_ns, f->shut, 4 * SHUT_PEERS);) rig_step(&rig);
    port_dpdk_stats(rig.port, &s);
    ck_assert_uint_ge(s.connections, SHUT_PEERS);
    ck_assert_uint_gt(s.pins, 0); /* and what they were lent is held for them */
    ck_assert_uint_eq(f->ended, 0);
    printf("%lu looks at shut windows; honest clients: %lu stories\n", (unsigned long)f->shut,
           (unsigned long)rig.stories);
    flood_end(f);
    rig_close(&rig, false);
}
END_TEST

/* The server ends a connection, so that its end of it is in TIME_WAIT; the client comes again from the same port. */
START_TEST(a_port_in_time_wait_is_taken_again)
{
    enum { OWN_PORT = 23456 };
    struct port_dpdk_stats s;
    uint32_t own = ntohl(inet_addr(VETH_CLIENT4));
    uint8_t request[16] = {0}, got[64];
    request[4] = 1;  /* one byte, */
    request[12] = 1; /* the last */
    rig_open(&rig, 4, 0);
    for (int round = 0; round < 2; round++) {
        int fd = connect_from(own, OWN_PORT);
        uint64_t begin_ns = now_ns();
        struct linger reset = {1, 0};
        while (!is_connected(fd)) {
            rig_step(&rig);
            ck_assert_msg(now_ns() - begin_ns < 20000000000u, "the client does not come in again");
        }
        ck_assert_int_eq(send(fd, request, sizeof request, 0), sizeof request);
        size_t have = 0;
        ssize_t n = -1;
        for (; n != 0 && now_ns() - begin_ns < 20000000000u; n = recv(fd, got, sizeof got, 0)) {
            if (n > 0) have += (size_t)n;
            rig_step(&rig);
        }
        ck_assert_int_eq(n, 0);
        ck_assert_uint_eq(have, 1);
        shutdown(fd, SHUT_WR);
        do {
            rig_step(&rig);
            port_dpdk_stats(rig.port, &s);
        } while (s.time_wait == 0 && now_ns() - begin_ns < 20000000000u);
        ck_assert_uint_eq(s.time_wait, 1);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    rig_close(&rig, false);
}
END_TEST

int main(void)
{
    if (!veth_enter(MTU)) return 77;
    Suite *suite = suite_create("port, floods");
    const struct { const char *name; const TTest *test; } cases[] = { /* by name: CK_RUN_CASE */
        {"beginnings", beginnings_without_end}, {"resets", resets_of_others}, {"coming", coming_and_going},
        {"shut", peers_that_take_nothing}, {"time_wait", a_port_in_time_wait_is_taken_again},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *t = tcase_create(cases[i].name);
        tcase_set_timeout(t, 0); /* meson's holds */
        tcase_add_test(t, cases[i].test);
        suite_add_tcase(suite, t);
    }
    return suite_run(suite);
}
