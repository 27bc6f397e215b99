/* Goal: the port past the kernel keeps what dataplane/port.h promises, to the kernel's own clients: across a veth pair,
 * with DPDK's af_packet at the port's end.  In the end nothing is pinned, queued or kept. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/port_dpdk.h"
#include "tests/dataplane/port_contract.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

enum { PORT = 9092, MTU = 1500 };

static struct err_msg msg;

static struct port_dpdk_config config_of(const char *address)
{
    return (struct port_dpdk_config){.device = VETH_DEVICE, .address = address, .address6 = VETH_SERVER6, .mtu = MTU,
                                     .lcores = 1};
}

static struct port *open_at(const char *host, uint32_t connections_max, const struct chunk_pool *pool, uint16_t *number)
{
    struct port_dpdk_config config = config_of(VETH_SERVER4 "/24");
    struct port_dpdk_device *device;
    struct port *p;
    uint16_t port = PORT;
    (void)host;
    enum err e = port_dpdk_start(&device, &config, pool, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    e = port_dpdk_open(&p, device, 0, &port, 1, connections_max, clock_real(), &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    *number = port;
    return p;
}

START_TEST(refusals_say_what_to_do)
{
    struct port_dpdk_device *device;
    struct port_dpdk_config config = config_of("10.77.0.1");
    ck_assert_int_eq(port_dpdk_start(&device, &config, NULL, &msg), ERR_INVALID);
    ck_assert_msg(strstr(msg.text, "dpdk_address '10.77.0.1'") != NULL, "%s", msg.text);
    config = config_of(VETH_SERVER4 "/24");
    config.lcores = 33;
    ck_assert_int_eq(port_dpdk_start(&device, &config, NULL, &msg), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(msg.text, "-Ddpdk_lcores=33") != NULL, "%s", msg.text);
    config.lcores = 1;
    config.device = "net_af_packet0,iface=nowhere";
    ck_assert_int_eq(port_dpdk_start(&device, &config, NULL, &msg), ERR_NOT_FOUND);
    ck_assert_msg(strstr(msg.text, "iface=nowhere") != NULL, "%s", msg.text);
}
END_TEST

/* Clients that take lent bytes for a while and then reset the connection: in the end nothing of it is left, neither
 * pins nor segments nor frames, and the next client is served.  Over IPv4 and IPv6; no connection was searched for. */
START_TEST(nothing_is_left)
{
    enum { CHUNK = 1 << 20, ROUNDS = 30 };
    struct chunk_pool pool = {.chunk_bytes = CHUNK, .chunk_count = 4, .bytes = aligned_alloc(4096, 4 * CHUNK)};
    struct port_piece piece[4];
    struct port_event event[64];
    struct port_dpdk_stats before, after;
    uint16_t number;
    memset(pool.bytes, 7, 4 * CHUNK);
    struct port *p = open_at(VETH_SERVER4, 8, &pool, &number);
    port_dpdk_stats(p, &before);
    bool is_6 = _i == 1;
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(number)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(number)};
    inet_pton(AF_INET, VETH_SERVER4, &a4.sin_addr);
    inet_pton(AF_INET6, VETH_SERVER6, &a6.sin6_addr);
    for (int round = 0; round < ROUNDS; round++) {
        struct port_message message = {.piece = piece, .piece_count = 4};
        for (uint32_t i = 0; i < 4; i++) piece[i] = (struct port_piece){chunk_at(&pool, i), CHUNK, true};
        int fd = socket(is_6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fd, is_6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4, is_6 ? sizeof a6 : sizeof a4);
        bool is_closed = false;
        uint32_t released = 0;
        for (int i = 0; i < 30000 && !is_closed; i++) {
            static uint8_t got[65536];
            unsigned count = port_poll(p, event, 64);
            for (unsigned k = 0; k < count; k++) {
                if (event[k].kind == PORT_ACCEPTED) port_send(p, event[k].connection, &message);
                if (event[k].kind == PORT_RELEASED) released++;
                if (event[k].kind == PORT_CLOSED) is_closed = true;
            }
            if (fd >= 0 && recv(fd, got, sizeof got, 0) > 0 && p->stats.zero_copy_bytes > (uint64_t)round * CHUNK / 2) {
                struct linger reset = {1, 0};
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
                close(fd);
                fd = -1;
            }
            if (count == 0) port_wait(p, 1000000);
        }
        ck_assert(is_closed);
        ck_assert_uint_eq(released, 1);
    }
    ck_assert_uint_gt(p->stats.zero_copy_bytes, 0);
    for (int i = 0; i < 300; i++)
        if (port_poll(p, event, 64) == 0) port_wait(p, 1000000);
    port_dpdk_stats(p, &after);
    ck_assert_uint_eq(after.pins, 0);
    ck_assert_uint_eq(after.segments, 0);
    ck_assert_uint_eq(after.frames_kept, 0);
    ck_assert_uint_eq(after.frames_free, before.frames_free);
    ck_assert_uint_eq(after.connections, before.connections);
    ck_assert_uint_gt(after.zero_copy_bytes, 0);
    ck_assert_uint_eq(after.walked, 0);
    port_fini(p);
    free(pool.bytes);
}
END_TEST

static int connect_client(struct port *p, uint16_t number)
{
    struct port_event event[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(number)};
    inet_pton(AF_INET, VETH_SERVER4, &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)connect(fd, (struct sockaddr *)&a, sizeof a);
    uint64_t before = p->stats.accepted;
    for (int i = 0; i < 5000 && p->stats.accepted == before; i++) {
        ck_assert_uint_eq(port_poll(p, event, 0), 0); /* it is told with the first poll of the caller's */
        port_wait(p, 1000000);
    }
    ck_assert_uint_eq(p->stats.accepted, before + 1);
    return fd;
}

/* One that is paused and sends byte by byte is ended before it takes the places of the others. */
START_TEST(small_frames_of_a_paused_connection_end_it)
{
    struct port_event event[16];
    uint16_t number;
    struct port *p = open_at(VETH_SERVER4, 4, NULL, &number);
    int fd = connect_client(p, number);
    ck_assert_uint_eq(port_poll(p, event, 16), 1);
    uint32_t paused = event[0].connection;
    port_pause(p, paused);
    int other = connect_client(p, number);
    ck_assert_uint_eq(port_poll(p, event, 16), 1);
    bool is_closed = false;
    unsigned sent = 0, received = 0;
    for (int i = 0; i < 20000 && !is_closed; i++) {
        if (sent < 2000 && send(fd, "x", 1, MSG_NOSIGNAL) == 1) sent++;
        if (i == 1000) ck_assert_int_eq(send(other, "hello", 5, 0), 5);
        unsigned count = port_poll(p, event, 16);
        for (unsigned k = 0; k < count; k++) {
            ck_assert((event[k].kind == PORT_CLOSED) == (event[k].connection == paused));
            is_closed = is_closed || event[k].kind == PORT_CLOSED;
            received += event[k].kind == PORT_DATA ? event[k].size : 0;
        }
    }
    ck_assert(is_closed);
    ck_assert_uint_gt(sent, 512);
    for (int i = 0; i < 5000 && received < 5; i++) {
        if (i == 0) (void)send(other, "hello", 5, 0);
        unsigned count = port_poll(p, event, 16);
        for (unsigned k = 0; k < count; k++) received += event[k].kind == PORT_DATA ? event[k].size : 0;
        if (count == 0) port_wait(p, 1000000);
    }
    ck_assert_uint_ge(received, 5);
    close(fd);
    close(other);
    port_fini(p);
}
END_TEST

START_TEST(who_was_not_told_is_not_closed)
{
    struct port_event event[16];
    uint16_t number;
    struct port *p = open_at(VETH_SERVER4, 4, NULL, &number);
    int fd = connect_client(p, number);
    port_stop(p);
    for (int i = 0; i < 10; i++) ck_assert_uint_eq(port_poll(p, event, 16), 0);
    close(fd);
    port_fini(p);
}
END_TEST

/* Two lent answers, closed before the peer has acknowledged any of them; more than may be on its way at first, so that
 * most of it goes behind the close.  Closed once: the peer gets all of it and then the end.  Closed again: a reset, and
 * what is lent is free at once. */
START_TEST(the_last_answer_arrives_also_behind_lent_ones)
{
    enum { ANSWER = 40000, ANSWERS = 2 };
    struct chunk_pool pool = {.chunk_bytes = 1 << 20, .chunk_count = 1, .bytes = aligned_alloc(4096, 1 << 20)};
    struct port_piece piece = {pool.bytes, ANSWER, true};
    const struct port_message one = {.piece = &piece, .piece_count = 1};
    struct port_message message[ANSWERS] = {one, one};
    struct port_event event[16];
    static uint8_t got[ANSWERS * ANSWER + 1];
    struct port_dpdk_stats stats;
    uint16_t number;
    bool is_impatient = _i == 1, is_closed = false, has_end = false, is_reset = false;
    unsigned released = 0, sent = 0;
    size_t have = 0;
    for (uint32_t i = 0; i < ANSWER; i++) pool.bytes[i] = (uint8_t)(i * 7);
    struct port *p = open_at(VETH_SERVER4, 4, &pool, &number);
    int fd = connect_client(p, number);
    ck_assert_uint_eq(port_poll(p, event, 16), 1);
    uint32_t connection = event[0].connection;
    for (int i = 0; i < ANSWERS; i++) port_send(p, connection, &message[i]);
    for (int i = 0; i < 20000 && !(is_closed && (has_end || is_reset)); i++) {
        unsigned count = port_poll(p, event, 16);
        for (unsigned k = 0; k < count; k++) {
            ck_assert_int_ne(event[k].kind, PORT_DATA);
            released += event[k].kind == PORT_RELEASED;
            is_closed = is_closed || event[k].kind == PORT_CLOSED;
            if (event[k].kind != PORT_SENT || ++sent < ANSWERS) continue;
            ck_assert_uint_eq(released, 0);
            ck_assert_int_eq(send(fd, "too late", 8, 0), 8); /* is no obstacle */
            port_close(p, connection);
            if (is_impatient) port_close(p, connection);
        }
        ssize_t n = -1;
        if (sent == ANSWERS && !has_end) n = recv(fd, got + have, sizeof got - have, 0);
        if (n > 0) have += (size_t)n;
        has_end = has_end || n == 0;
        is_reset = is_reset || (n < 0 && errno == ECONNRESET && sent == ANSWERS);
        if (count == 0) port_wait(p, 1000000);
    }
    ck_assert(is_closed);
    ck_assert_uint_eq(released, ANSWERS);
    ck_assert_int_eq(is_reset, is_impatient);
    if (!is_impatient) {
        ck_assert_uint_eq(have, ANSWERS * ANSWER);
        for (int i = 0; i < ANSWERS; i++) ck_assert_mem_eq(got + i * ANSWER, pool.bytes, ANSWER);
    }
    port_dpdk_stats(p, &stats);
    ck_assert_uint_eq(stats.pins, 0);
    close(fd);
    port_fini(p);
    free(pool.bytes);
}
END_TEST

int main(void)
{
    if (!veth_enter(MTU)) return 77;
    Suite *suite = suite_create("port dpdk");
    TCase *t = tcase_create("port dpdk");
    const struct port_under_test dpdk = {VETH_SERVER4, VETH_SERVER6, VETH_CLIENT4, VETH_CLIENT6, open_at};
    tcase_set_timeout(t, 60);
    tcase_add_test(t, refusals_say_what_to_do);
    tcase_add_loop_test(t, nothing_is_left, 0, 2);
    tcase_add_test(t, small_frames_of_a_paused_connection_end_it);
    tcase_add_test(t, who_was_not_told_is_not_closed);
    tcase_add_loop_test(t, the_last_answer_arrives_also_behind_lent_ones, 0, 2);
    port_contract_add(t, &dpdk);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
