/* Goal: however a binlog dump's packets are cut by the network, each comes out whole and in its order, those of 16 MiB
 * and more joined; a packet that is missing, too large or late ends the dump with its reason. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "capture/mysql_packets.h"
#include "tests/suite.h"

enum { PIECE = 0xFFFFFF, MANY = 20000, PACKET_BYTES_MAX = 64 << 20 };

static struct {
    uint8_t *bytes; /* as the source would send them */
    size_t size, room;
    uint8_t number; /* of the next packet */
} wire;
static int ours, theirs;
static struct random dice;

static void put_piece(const uint8_t *payload, size_t size)
{
    if (wire.size + 4 + size > wire.room) {
        wire.room = 2 * (wire.size + 4 + size);
        wire.bytes = realloc(wire.bytes, wire.room);
        ck_assert_ptr_nonnull(wire.bytes);
    }
    uint8_t header[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), wire.number++};
    memcpy(wire.bytes + wire.size, header, 4);
    if (size != 0) memcpy(wire.bytes + wire.size + 4, payload, size);
    wire.size += 4 + size;
}

static void put_packet(const uint8_t *payload, size_t size)
{
    for (; size >= PIECE; payload += PIECE, size -= PIECE) put_piece(payload, PIECE);
    put_piece(payload, size);
}

static void open_sockets(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ours = fds[0];
    theirs = fds[1];
    wire.size = 0;
    wire.number = 1;
}

static void close_sockets(void)
{
    close(ours);
    close(theirs);
}

/* All that is on the wire behind `*context`, in pieces of its own making. */
static void *send_in_pieces(void *context)
{
    struct random cuts;
    random_init(&cuts, 9);
    for (size_t at = *(size_t *)context; at < wire.size;) {
        size_t part = 1 + random_below(&cuts, random_below(&cuts, 2) == 0 ? 40 : 300000);
        if (part > wire.size - at) part = wire.size - at;
        ssize_t sent = send(theirs, wire.bytes + at, part, MSG_NOSIGNAL);
        if (sent <= 0) break; /* the reader has had enough */
        at += (size_t)sent;
    }
    return NULL;
}

START_TEST(cut_anywhere)
{
    static uint8_t payload[100000];
    static size_t sizes[MANY];
    struct mysql_packets p = {0};
    struct err_msg msg = {0};
    open_sockets();
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)random_u64(&dice);
    for (unsigned i = 0; i < MANY; i++) { /* its bytes begin where its number says, to know it by */
        sizes[i] = random_below(&dice, random_below(&dice, 50) == 0 ? 90000 : 300);
        put_packet(payload + i % 9000, sizes[i]);
    }
    size_t ahead = random_below(&dice, 20000);
    ck_assert_int_eq(mysql_packets_begin(&p, ours, 10, PACKET_BYTES_MAX, wire.bytes, ahead, &msg), ERR_OK);
    pthread_t sender;
    ck_assert_int_eq(pthread_create(&sender, NULL, send_in_pieces, &ahead), 0);
    for (unsigned i = 0; i < MANY; i++) {
        const uint8_t *got;
        size_t size;
        ck_assert_msg(mysql_packets_next(&p, &got, &size, &msg) == ERR_OK, "packet %u: %s", i, msg.text);
        ck_assert_uint_eq(size, sizes[i]);
        if (memcmp(got, payload + i % 9000, size) != 0) ck_abort_msg("packet %u has other bytes", i);
    }
    pthread_join(sender, NULL);
    ck_assert(!mysql_packets_hold_more(&p));
    mysql_packets_end(&p);
    close_sockets();
}
END_TEST

START_TEST(joined)
{
    static const size_t sizes[] = {3, PIECE - 1, 5, PIECE, 0, PIECE + 1, 2 * (size_t)PIECE, 7, 3 * (size_t)PIECE + 77,
                                   1};
    struct mysql_packets p = {0};
    struct err_msg msg = {0};
    size_t ahead = 0, largest = 3 * (size_t)PIECE + 77;
    uint8_t *payload = malloc(largest);
    ck_assert_ptr_nonnull(payload);
    for (size_t i = 0; i < largest; i++) payload[i] = (uint8_t)(i * 2654435761u >> 24);
    open_sockets();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) put_packet(payload, sizes[i]);
    ck_assert_int_eq(mysql_packets_begin(&p, ours, 10, PACKET_BYTES_MAX, NULL, 0, &msg), ERR_OK);
    size_t buffer_bytes = p.buffer_bytes;
    pthread_t sender;
    ck_assert_int_eq(pthread_create(&sender, NULL, send_in_pieces, &ahead), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const uint8_t *got;
        size_t size;
        ck_assert_msg(mysql_packets_next(&p, &got, &size, &msg) == ERR_OK, "packet %zu: %s", i, msg.text);
        ck_assert_uint_eq(size, sizes[i]);
        if (memcmp(got, payload, size) != 0) ck_abort_msg("packet %zu has other bytes", i);
    }
    pthread_join(sender, NULL);
    ck_assert_uint_gt(p.buffer_bytes, largest);

    /* the memory that a large packet took is given back when the next is waited for */
    const uint8_t *got;
    size_t size;
    wire.size = 0;
    put_packet(payload, 10);
    ck_assert_int_eq(send(theirs, wire.bytes, wire.size, 0), (ssize_t)wire.size);
    ck_assert_int_eq(mysql_packets_next(&p, &got, &size, &msg), ERR_OK);
    ck_assert_uint_eq(p.buffer_bytes, buffer_bytes);
    mysql_packets_end(&p);
    close_sockets();
    free(payload);
}
END_TEST

/* What the wire holds is sent and then, unless `stays`, closed; gives what the second packet's reader is told. */
static enum err second_of(uint64_t packet_bytes_max, bool stays, struct err_msg *msg)
{
    struct mysql_packets p = {0};
    const uint8_t *got;
    size_t size, all = 0;
    pthread_t sender;
    ck_assert_int_eq(mysql_packets_begin(&p, ours, 1, packet_bytes_max, NULL, 0, msg), ERR_OK);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_in_pieces, &all), 0);
    ck_assert_int_eq(mysql_packets_next(&p, &got, &size, msg), ERR_OK);
    if (!stays) pthread_join(sender, NULL), shutdown(theirs, SHUT_WR);
    enum err e = mysql_packets_next(&p, &got, &size, msg);
    shutdown(ours, SHUT_RDWR);
    if (stays) pthread_join(sender, NULL);
    mysql_packets_end(&p);
    close_sockets();
    return e;
}

START_TEST(broken)
{
    static const uint8_t payload[PIECE];
    struct err_msg msg = {0};

    open_sockets();
    put_packet(payload, 100);
    wire.number = 1; /* as a proxy may */
    put_piece(payload, PIECE);
    wire.number++;
    put_piece(payload, 100);
    ck_assert_int_eq(second_of(PACKET_BYTES_MAX, true, &msg), ERR_DISCONNECTED);
    ck_assert_str_eq(msg.text, "packet 3 of the binlog dump came where 2 was to come");

    open_sockets();
    put_packet(payload, 1000);
    put_packet(payload, 1001);
    wire.size -= 1001; /* the size alone says it */
    ck_assert_int_eq(second_of(1000, true, &msg), ERR_TOO_LARGE);
    ck_assert_str_eq(msg.text, "the source sent an event above packet_bytes_max (1000); raise it");

    open_sockets();
    put_packet(payload, 100);
    put_packet(payload, 100);
    wire.size--;
    ck_assert_int_eq(second_of(1000, false, &msg), ERR_DISCONNECTED);
    ck_assert_str_eq(msg.text, "the source closed the connection of the binlog dump");

    open_sockets();
    put_packet(payload, 100);
    put_packet(payload, 100);
    wire.size -= 102;
    ck_assert_int_eq(second_of(1000, true, &msg), ERR_DISCONNECTED);
    ck_assert_str_eq(msg.text, "the source sent nothing in the binlog dump for 1 s");
}
END_TEST

int main(void)
{
    random_init(&dice, 4711);
    Suite *suite = suite_create("mysql_packets");
    TCase *tests = tcase_create("mysql_packets");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, cut_anywhere);
    tcase_add_test(tests, joined);
    tcase_add_test(tests, broken);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
