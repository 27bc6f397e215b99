#include "tests/dataplane/port_contract.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"

static struct port_under_test under_test;

/* Events that a step of the test found before it asked for one. */
static struct port_event queue[64];
static unsigned queue_first, queue_count;

static void poll_ahead(struct port *p)
{
    if (queue_first == queue_count) queue_first = queue_count = 0;
    if (queue_count < 64) queue_count += port_poll(p, queue + queue_count, 64 - queue_count);
}

/* The next event, waiting for it. */
static struct port_event next_event(struct port *p)
{
    for (int i = 0; queue_first == queue_count; i++) {
        ck_assert_int_lt(i, 30000);
        poll_ahead(p);
        if (queue_first == queue_count) port_wait(p, 10000000);
    }
    return queue[queue_first++];
}

/* A port of this process answers only when it is polled. */
static int connect_to(struct port *p, const char *host, uint16_t number)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(number)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(number)};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4) ck_assert_int_eq(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is_v4 ? sizeof v4 : sizeof v6);
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    for (int i = 0; rc != 0 && poll(&connecting, 1, 0) == 0; i++) {
        ck_assert_int_lt(i, 3000);
        poll_ahead(p);
        port_wait(p, 1000000);
    }
    socklen_t size = sizeof rc;
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &size), 0);
    ck_assert_msg(rc == 0, "%s", strerror(rc));
    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    return fd;
}

START_TEST(both_families_say_who_calls)
{
    const char *const hosts[] = {under_test.host4, under_test.host6};
    for (int i = 0; i < 2; i++) {
        uint16_t number;
        char peer[PORT_PEER_BYTES];
        struct port *p = under_test.open(hosts[i], 4, NULL, &number);
        if (p == NULL) {
            printf("%s is no address here: not tested\n", hosts[i]);
            continue;
        }
        int fd = connect_to(p, hosts[i], number);
        struct port_event e = next_event(p);
        ck_assert_int_eq(e.kind, PORT_ACCEPTED);
        port_peer(p, e.connection, peer);
        ck_assert_str_eq(peer, i == 0 ? under_test.client4 : under_test.client6);
        ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
        e = next_event(p);
        ck_assert_int_eq(e.kind, PORT_DATA);
        ck_assert_uint_eq(e.size, 5);
        ck_assert_mem_eq(e.bytes, "hello", 5);
        close(fd);
        ck_assert_int_eq(next_event(p).kind, PORT_CLOSED);
        port_fini(p);
    }
}
END_TEST

START_TEST(paused_connections_are_not_read)
{
    uint16_t number;
    struct port *p = under_test.open(under_test.host4, 4, NULL, &number);
    int fd = connect_to(p, under_test.host4, number);
    uint32_t connection = next_event(p).connection;
    struct port_event events[16];
    uint8_t bytes[1 << 16] = {0};
    size_t sent = 0, received = 0, before_pause = 0;
    port_pause(p, connection);
    for (int i = 0; i < 1000; i++) { /* fills the socket's buffers */
        ssize_t n = send(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        unsigned count = port_poll(p, events, 16);
        for (unsigned k = 0; k < count; k++) before_pause += events[k].kind == PORT_DATA ? events[k].size : 0;
    }
    ck_assert_uint_lt(before_pause, 2 << 20);
    ck_assert_uint_gt(sent, before_pause);
    port_resume(p, connection);
    for (int i = 0; i < 100000 && received + before_pause < sent; i++) {
        unsigned count = port_poll(p, events, 16);
        for (unsigned k = 0; k < count; k++) received += events[k].kind == PORT_DATA ? events[k].size : 0;
        if (count == 0) port_wait(p, 1000000);
    }
    ck_assert_uint_eq(received + before_pause, sent);
    close(fd);
    port_fini(p);
}
END_TEST

/* Answers of copied and of pinned pieces, these from the pool and from elsewhere, to clients that read some of it and
 * then go, in every way. */
START_TEST(every_message_is_released_once)
{
    enum { CHUNK = 1 << 20, ROUNDS = 120, PIECES = 7, MESSAGES = 4 };
    struct chunk_pool pool = {.chunk_bytes = CHUNK, .chunk_count = 2};
    struct random random;
    uint16_t number;
    random_init(&random, 3);
    pool.bytes = mmap(NULL, 4 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(pool.bytes != MAP_FAILED);
    random_bytes(&random, pool.bytes, 4 * CHUNK);
    struct port *p = under_test.open(under_test.host4, 4, &pool, &number);
    uint8_t *got = malloc(8 << 20);
    uint8_t *part[2] = {pool.bytes, pool.bytes + 2 * CHUNK};
    for (int round = 0; round < ROUNDS; round++) {
        struct port_piece piece[MESSAGES][PIECES];
        struct port_message message[MESSAGES];
        uint8_t *expected = malloc(8 << 20);
        size_t total = 0;
        int fd = connect_to(p, under_test.host4, number);
        uint32_t connection = next_event(p).connection;
        memset(message, 0, sizeof message);
        for (int i = 0; i < MESSAGES; i++) {
            message[i].piece = piece[i];
            message[i].piece_count = 1 + (uint32_t)random_below(&random, PIECES);
            message[i].may_copy_only = random_below(&random, 4) == 0;
            for (uint32_t k = 0; k < message[i].piece_count; k++) {
                uint32_t size = 1 + (uint32_t)random_below(&random, random_below(&random, 2) == 0 ? 200 : 250000);
                piece[i][k] = (struct port_piece){part[k % 2] + random_below(&random, 2 * CHUNK - size), size,
                                                  random_below(&random, 3) != 0};
                memcpy(expected + total, piece[i][k].bytes, size);
                total += size;
            }
            port_send(p, connection, &message[i]);
        }
        size_t wanted = round % 3 == 0 ? total : random_below(&random, total), have = 0;
        uint32_t sent = 0, released = 0;
        bool is_closed = false, is_gone = false;
        for (int i = 0; i < 20000 && !is_closed; i++) {
            struct port_event events[16];
            ssize_t n = is_gone ? 0 : recv(fd, got + have, (8 << 20) - have, MSG_DONTWAIT);
            if (n > 0) have += (size_t)n;
            if (!is_gone && have >= wanted) {
                if (round % 3 == 1) port_close(p, connection); /* we end it */
                struct linger reset = {round % 2, 0};
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
                close(fd);
                is_gone = true;
            }
            unsigned count = port_poll(p, events, 16);
            for (unsigned k = 0; k < count; k++) {
                if (events[k].kind == PORT_SENT) sent++;
                if (events[k].kind == PORT_RELEASED) {
                    ck_assert(events[k].message->piece != NULL); /* not twice */
                    events[k].message->piece = NULL;
                    released++;
                }
                if (events[k].kind == PORT_CLOSED) is_closed = true;
            }
            if (count == 0) port_wait(p, 1000000);
        }
        ck_assert(is_closed);
        ck_assert_uint_eq(released, MESSAGES);
        ck_assert_uint_le(sent, MESSAGES);
        if (wanted == total) ck_assert_uint_eq(sent, MESSAGES);
        ck_assert_mem_eq(got, expected, have);
        free(expected);
    }
    if (p->stats.zero_copy_bytes == 0) printf("no zero-copy sends here (locked memory is limited)\n");
    free(got);
    port_fini(p);
    munmap(pool.bytes, 4 * CHUNK);
}
END_TEST

/* The peer stands still; then what lies behind port_handed moves to another place, and its old one is used again. */
/* `known`: the part of the pool that the port is told of. */
static void pieces_move(const struct chunk_pool *pool, const struct chunk_pool *known, bool may_copy_only, bool may_pin)
{
    enum { PIECES = 24 };
    struct port_piece piece[PIECES];
    struct port_message message = {.piece = piece, .piece_count = PIECES, .may_copy_only = may_copy_only};
    uint16_t number;
    struct port *p = under_test.open(under_test.host4, 4, known, &number);
    int fd = connect_to(p, under_test.host4, number);
    uint32_t connection = next_event(p).connection, chunk = pool->chunk_bytes;
    size_t total = (size_t)PIECES * chunk, have = 0;
    uint8_t *expected = malloc(total), *other = malloc(total), *got = malloc(total);
    ck_assert(expected != NULL && other != NULL && got != NULL);
    struct random random;
    random_init(&random, 5);
    random_bytes(&random, pool->bytes, total);
    memcpy(expected, pool->bytes, total);
    memcpy(other, pool->bytes, total);
    for (uint32_t i = 0; i < PIECES; i++) piece[i] = (struct port_piece){chunk_at(pool, i), chunk, may_pin};
    port_send(p, connection, &message);
    struct port_event events[16];
    for (int i = 0; i < 20; i++) {
        if (port_poll(p, events, 16) == 0) port_wait(p, 5000000);
    }
    uint32_t handed = port_handed(p, connection, &message);
    ck_assert_uint_ge(handed, 1);
    ck_assert_uint_lt(handed, PIECES / 2); /* the socket's buffers hold some; one operation holds little more */
    for (uint32_t i = handed; i < PIECES; i++) {
        piece[i] = (struct port_piece){other + (size_t)i * chunk, chunk, false};
        memset(chunk_at(pool, i), 0xee, chunk);
    }
    bool is_released = false;
    for (int i = 0; i < 100000 && (have < total || !is_released); i++) {
        ssize_t n = recv(fd, got + have, total - have, MSG_DONTWAIT);
        if (n > 0) have += (size_t)n;
        unsigned count = port_poll(p, events, 16);
        for (unsigned k = 0; k < count; k++) is_released |= events[k].kind == PORT_RELEASED;
        if (count == 0 && n <= 0) port_wait(p, 1000000);
    }
    ck_assert(is_released);
    ck_assert_uint_eq(have, total);
    ck_assert_mem_eq(got, expected, total);
    close(fd);
    port_fini(p);
    free(expected);
    free(other);
    free(got);
}

START_TEST(what_is_not_handed_over_may_move)
{
    struct chunk_pool pool = {.chunk_bytes = 1 << 20, .chunk_count = 24};
    pool.bytes = mmap(NULL, (size_t)24 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(pool.bytes != MAP_FAILED);
    const struct chunk_pool third = {pool.bytes, pool.chunk_bytes, 8};
    pieces_move(&pool, &pool, false, true);  /* zero copy, where it is to be had */
    pieces_move(&pool, &third, false, true); /* also of what the port was not told of */
    pieces_move(&pool, &pool, true, true);   /* copies */
    pieces_move(&pool, &pool, false, false);
    munmap(pool.bytes, (size_t)24 << 20);
}
END_TEST

void port_contract_add(TCase *t, const struct port_under_test *port)
{
    under_test = *port;
    tcase_add_test(t, both_families_say_who_calls);
    tcase_add_test(t, paused_connections_are_not_read);
    tcase_add_test(t, every_message_is_released_once);
    tcase_add_test(t, what_is_not_handed_over_may_move);
}
