/* Goal: with a queue pair each for two lcores, every connection's segments reach the lcore that has it, also where the
 * device brings them to the other one; and nobody is refused or moved because his addresses look like another's. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/port_dpdk_inside.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

/* af_packet: the kernel spreads over two rings by a hash of addresses and ports; what finds one full is the other's. */
enum { PORT = 9092, MTU = 1500, LCORES = 2, CLIENTS = 40, ROUNDS = 20, WORD = 700, STREAM = 4 << 20 };
#define DEVICE VETH_DEVICE ",qpairs=2,framecnt=32"

static struct err_msg msg;
static struct port_dpdk_device *device;
static struct port *port[LCORES];
static struct port_message message[LCORES][CLIENTS];
static struct port_piece piece[LCORES][CLIENTS];
static uint8_t word[LCORES][CLIENTS][WORD];
static uint64_t received[LCORES];
static uint8_t *truth; /* of a stream that is only read */

static void open_both(void)
{
    struct port_dpdk_config config = {.device = DEVICE, .address = VETH_SERVER4 "/24", .mtu = MTU, .lcores = LCORES};
    const uint16_t number = PORT;
    enum err e = port_dpdk_start(&device, &config, NULL, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    for (uint32_t i = 0; i < LCORES; i++) {
        e = port_dpdk_open(&port[i], device, i, &number, 1, CLIENTS, clock_real(), &msg);
        ck_assert_msg(e == ERR_OK, "%s", msg.text);
    }
}

static void close_both(void)
{
    struct port_event event[8];
    struct port_dpdk_stats stats;
    for (int i = 0; i < 200; i++)
        for (uint32_t k = 0; k < LCORES; k++)
            if (port_poll(port[k], event, 8) == 0) port_wait(port[k], 1000000);
    for (uint32_t k = 0; k < LCORES; k++) {
        port_dpdk_stats(port[k], &stats);
        ck_assert_uint_eq(stats.frames_kept, 0);
        ck_assert_uint_eq(stats.frames_free, DPDK_RX_FRAMES);
        port_fini(port[k]);
    }
}

/* Sends back what it hears, or compares it with the stream; returns whether there was anything. */
static bool turn(uint32_t k)
{
    struct port_event event[16];
    unsigned count = port_poll(port[k], event, 16);
    for (unsigned i = 0; i < count; i++) {
        uint32_t c = event[i].connection;
        ck_assert_int_ne(event[i].kind, PORT_CLOSED);
        if (event[i].kind != PORT_DATA) continue;
        if (truth != NULL) {
            ck_assert_mem_eq(event[i].bytes, truth + received[k], event[i].size);
        } else {
            ck_assert_uint_eq(event[i].size, WORD); /* a frame each */
            memcpy(word[k][c], event[i].bytes, WORD);
            piece[k][c] = (struct port_piece){word[k][c], WORD, false};
            message[k][c] = (struct port_message){.piece = &piece[k][c], .piece_count = 1};
            port_send(port[k], c, &message[k][c]);
        }
        received[k] += event[i].size;
    }
    return count > 0;
}

static int client_connect(uint16_t number)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(number)};
    inet_pton(AF_INET, VETH_SERVER4, &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert(connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
    return fd;
}

/* Both ports go on until the client can do what is asked for. */
static void turns_until(int fd, short what)
{
    struct pollfd wanted = {.fd = fd, .events = what};
    for (int i = 0; i < 200000 && poll(&wanted, 1, 0) == 0; i++)
        for (uint32_t k = 0; k < LCORES; k++)
            if (!turn(k)) port_wait(port[k], 50000);
    ck_assert_int_ne(wanted.revents & what, 0);
}

static uint64_t handed_over(uint32_t k)
{
    struct port_dpdk_stats stats;
    port_dpdk_stats(port[k], &stats);
    return stats.handed_over;
}

/* Many clients, each served by the lcore whose queue brought it.  Where every place seems to stand for a connection of
 * the other lcore, too: a new client's first packet goes there and comes back. */
START_TEST(each_client_has_one_lcore)
{
    int fd[CLIENTS];
    uint8_t said[WORD], heard[WORD];
    open_both();
    for (uint32_t k = 0; _i == 1 && k < LCORES; k++)
        for (uint32_t i = 0; i < DPDK_FLOWS; i++) atomic_store(&device->flows[k][i], 1);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = client_connect(PORT);
        turns_until(fd[i], POLLOUT);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CLIENTS; i++) {
            memset(said, round * CLIENTS + i, WORD);
            ck_assert_int_eq(send(fd[i], said, WORD, 0), WORD);
            turns_until(fd[i], POLLIN);
            ck_assert_int_eq(recv(fd[i], heard, WORD, 0), WORD);
            ck_assert_mem_eq(heard, said, WORD);
        }
    for (uint32_t k = 0; k < LCORES; k++) {
        ck_assert_uint_gt(port[k]->stats.accepted, 0);
        ck_assert_uint_eq(handed_over(k), 0);
    }
    ck_assert_uint_eq(port[0]->stats.accepted + port[1]->stats.accepted, CLIENTS);
    int nobody = client_connect(PORT + 1), why = 0; /* strangers are told so all the same */
    turns_until(nobody, POLLERR);
    socklen_t size = sizeof why;
    getsockopt(nobody, SOL_SOCKET, SO_ERROR, &why, &size);
    ck_assert_int_eq(why, ECONNREFUSED);
    close(nobody);
    for (int i = 0; i < CLIENTS; i++) {
        struct linger reset = {1, 0};
        setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd[i]);
    }
    close_both();
}
END_TEST

/* The lcore that has the connection does nothing for a while: its ring fills up, the kernel goes on in the other
 * lcore's, which does not know the connection. */
START_TEST(what_another_lcore_gets_is_handed_over)
{
    uint64_t sent = 0;
    struct port_event event[4];
    open_both();
    int fd = client_connect(PORT);
    turns_until(fd, POLLOUT);
    turn(0);
    turn(1);
    uint32_t owner = port[0]->stats.accepted > 0 ? 0 : 1, other = 1 - owner;
    truth = malloc(STREAM);
    for (uint32_t i = 0; i < STREAM; i++) truth[i] = (uint8_t)(i * 7 + (i >> 11));
    for (uint32_t i = 0; sent < STREAM; i++) {
        ssize_t n = send(fd, truth + sent, STREAM - sent, 0);
        if (n > 0) sent += (uint64_t)n;
        ck_assert(n > 0 || errno == EAGAIN);
        /* First as it should be, so that the client dares to send many at once; then the owner mostly rests. */
        if (sent < STREAM / 2 || i % 50 == 0) (void)turn(owner);
        ck_assert_uint_eq(port_poll(port[other], event, 4), 0);
    }
    for (int i = 0; i < 200000 && received[owner] < STREAM; i++)
        if (!turn(owner) && port_poll(port[other], event, 4) == 0) port_wait(port[owner], 50000);
    ck_assert_uint_eq(received[owner], STREAM);
    ck_assert_uint_gt(handed_over(owner), 0);
    ck_assert_uint_eq(handed_over(other), 0);
    ck_assert_uint_eq(port[other]->stats.accepted, 0);
    struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    close_both();
    free(truth);
}
END_TEST

int main(void)
{
    if (!veth_enter(MTU)) return 77;
    Suite *suite = suite_create("port_spread");
    TCase *t = tcase_create("port_spread");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_client_has_one_lcore, 0, 2);
    tcase_add_test(t, what_another_lcore_gets_is_handed_over);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
