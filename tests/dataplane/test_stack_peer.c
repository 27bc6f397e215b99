/* Goal: the TCP stack outlives peers and neighbours that no kernel can be made to be, and serves those that come after
 * them: connections that one side has forgotten, a probe of a shut window that is acknowledged, an address of the
 * neighbour's that changes, strangers without number, damaged checksums, a ping behind an answer, a full device.
 *
 * One copy of the stack, and frames made by hand, on a clock moved by hand. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/lwip/stack.h"
#include "tests/suite.h"

enum {
    PORT = 9092, PEER_PORT = 40000, SERVER = 1, PEER = 2, /* the last byte of their addresses, of both kinds */
    FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16,
    ETHERNET = 14, IP = 20, TCP = 20, ALL = STACK_CHECKED_IP | STACK_CHECKED_TCP,
    MTU = 1500,
    HALF_OPEN_MAX = 1024, /* as stack.c has it */
};

static const struct stack_operations *stack;
static uint64_t now_ms = 1000;
static uint8_t peer_mac[6] = {2, 0, 0, 0, 0, PEER};
static struct { /* what the server sent to the peer: its last segment, and counts */
    uint8_t  flags;
    uint32_t sequence, acknowledged, size;
    uint64_t segments, bytes, arp_requests, to_nobody, pings, supers;
} seen;
static bool has_no_room; /* the device takes nothing */
static struct { uint32_t sequence; unsigned times; } watched; /* how often the segment of that number came */
static struct stack_pcb *accepted; /* NULL: none, or gone */
static uint32_t received;
static struct stack_bytes *kept[64];
static unsigned kept_count;

static void put_16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static void put_32(uint8_t *at, uint32_t value) { put_16(at, value >> 16), put_16(at + 2, value); }
static uint32_t get_32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }

/* --- the server --- */

static bool on_transmit(void *context, void *connection, const struct stack_slice *slice, unsigned count,
                        uint32_t packet_bytes)
{
    static uint8_t frame[1 << 16];
    uint32_t size = 0;
    (void)context, (void)connection;
    if (has_no_room) return false;
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_le(size + slice[i].size, sizeof frame);
        memcpy(frame + size, slice[i].bytes, slice[i].size);
        size += slice[i].size;
    }
    if (frame[12] == 8 && frame[13] == 6 && frame[21] == 1 && frame[41] == PEER) seen.arp_requests++; /* who is it? */
    if (frame[12] != 8 || frame[13] != 0) return true;
    const uint8_t *tcp = frame + ETHERNET + IP;
    bool is_tcp = frame[ETHERNET + 9] == 6;
    seen.pings += !is_tcp;
    ck_assert_uint_eq(packet_bytes > 0, size > ETHERNET + MTU); /* what no packet takes is cut, and nothing else */
    if (!is_tcp) return true;
    if (packet_bytes > 0) {
        ck_assert_uint_eq(packet_bytes, MTU - IP - (tcp[12] >> 4) * 4u);
        seen.supers++;
    }
    if (memcmp(frame, peer_mac, 6) != 0) {
        seen.to_nobody++;
        return true;
    }
    seen.flags = tcp[13];
    seen.sequence = get_32(tcp + 4);
    seen.acknowledged = get_32(tcp + 8);
    seen.size = (uint32_t)(frame[16] << 8 | frame[17]) - IP - (tcp[12] >> 4) * 4u;
    seen.segments++;
    watched.times += seen.size > 0 && seen.sequence == watched.sequence;
    seen.bytes += seen.size;
    return true;
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    (void)context, (void)listener;
    accepted = pcb;
    return &accepted;
}

static void on_received(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    (void)connection, (void)bytes;
    received += size;
    ck_assert_uint_lt(kept_count, 64);
    kept[kept_count++] = keep;
}

static void on_acknowledged(void *connection, uint32_t size) { (void)connection, (void)size; }
static void on_finished(void *connection) { (void)connection; }
static void on_failed(void *connection) { *(struct stack_pcb **)connection = NULL; }

static void write_to_peer(uint32_t size, bool is_lent)
{
    static uint8_t bytes[1 << 16];
    ck_assert(stack->write(accepted, bytes, size, is_lent, true));
    (void)stack->output(accepted);
}

static void write_bytes(uint32_t size) { write_to_peer(size, false); }

/* --- the peer --- */

static void step(uint64_t ms)
{
    for (uint64_t end = now_ms + ms; now_ms < end;) stack->tick(++now_ms);
    while (kept_count > 0) stack->give_back(kept[--kept_count]);
}

static void frame_in(const uint8_t *bytes, uint32_t size, unsigned checked)
{
    uint8_t *frame = malloc(size);
    memcpy(frame, bytes, size);
    stack->input(frame, size, checked, free, frame);
    while (kept_count > 0) stack->give_back(kept[--kept_count]);
}

/* "Who has the server's address?", from the peer at `mac`. */
static void arp(const uint8_t mac[6])
{
    uint8_t f[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                     [28] = 192, 0, 2, PEER, [38] = 192, 0, 2, SERVER};
    memcpy(f + 6, mac, 6);
    memcpy(f + 22, mac, 6);
    frame_in(f, sizeof f, 0);
}

struct segment {
    uint32_t from; /* 0: the peer's address */
    uint16_t mss;  /* 0: not told */
    uint16_t port, window, size;
    uint8_t  flags;
    uint32_t sequence, acknowledged;
};

static uint32_t segment_make(uint8_t f[200], const struct segment *s)
{
    memset(f, 0, 200);
    memcpy(f, (const uint8_t[]){2, 0, 0, 0, 0, SERVER}, 6);
    memcpy(f + 6, peer_mac, 6);
    f[12] = 8;
    uint8_t *ip = f + ETHERNET, *tcp = ip + IP;
    ip[0] = 0x45, ip[8] = 64, ip[9] = 6;
    uint32_t options = s->mss != 0 ? 4 : 0;
    put_16(ip + 2, (uint32_t)IP + TCP + options + s->size);
    put_32(ip + 12, s->from != 0 ? s->from : 0xc0000200 + PEER);
    put_32(ip + 16, 0xc0000200 + SERVER);
    put_16(tcp, s->port);
    put_16(tcp + 2, PORT);
    put_32(tcp + 4, s->sequence);
    put_32(tcp + 8, s->acknowledged);
    tcp[12] = (uint8_t)((TCP + options) << 2), tcp[13] = s->flags;
    put_16(tcp + 14, s->window);
    if (options > 0) put_32(tcp + TCP, 0x02040000u | s->mss);
    return (uint32_t)ETHERNET + IP + TCP + options + s->size;
}

static void segment_in(struct segment s)
{
    uint8_t f[200];
    frame_in(f, segment_make(f, &s), ALL);
}

static void say(uint8_t flags, uint32_t sequence, uint32_t acknowledged, uint16_t window)
{
    segment_in((struct segment){.port = PEER_PORT, .flags = flags, .sequence = sequence, .acknowledged = acknowledged,
                                .window = window});
}

/* A connection; afterwards the peer's next byte is `sequence` + 1. */
static void shake_hands(uint32_t sequence, uint16_t window)
{
    say(SYN, sequence, 0, window);
    ck_assert_uint_eq(seen.flags, SYN | ACK);
    ck_assert_uint_eq(seen.acknowledged, sequence + 1);
    say(ACK, sequence + 1, seen.sequence + 1, window);
    ck_assert_ptr_nonnull(accepted);
}

static void world_open_super(uint32_t super_bytes)
{
    struct stack_config config = {
        .handlers = {NULL, on_transmit, on_accepted, on_received, on_acknowledged, on_finished, on_failed},
        .mac = {2, 0, 0, 0, 0, SERVER}, .mtu = MTU, .address4 = "192.0.2.1", .prefix4 = 24, .gateway4 = "192.0.2.2",
        .super_bytes = super_bytes,
    };
    stack = stack_at(0);
    ck_assert_ptr_null(stack->open(&config, now_ms));
    ck_assert(stack->listen(PORT, 0));
    arp(peer_mac);
}

static void world_open(void) { world_open_super(0); }

static struct stack_stats stats(void)
{
    struct stack_stats s;
    stack->stats(&s);
    return s;
}

/* --- */

/* The reset that ended it was lost: the peer has forgotten the connection, we have not, and he comes from the same
 * port, with numbers far away.  He is told where we stand, says that there is no such thing, and is let in when he asks
 * again. */
START_TEST(a_port_whose_connection_was_forgotten)
{
    world_open();
    shake_hands(1000, 4000);
    uint32_t ours = seen.sequence + 1;
    say(SYN, 500000000, 0, 4000);
    ck_assert_uint_eq(seen.flags, ACK);
    ck_assert_uint_eq(seen.acknowledged, 1001);
    ck_assert_uint_eq(seen.sequence, ours);
    ck_assert_ptr_nonnull(accepted); /* a stranger's guess ends nothing */
    say(RST, seen.acknowledged, 0, 0);
    ck_assert_ptr_null(accepted);
    shake_hands(500000000, 4000);
}
END_TEST

/* The server ended it, and has it in TIME_WAIT. */
START_TEST(a_port_in_time_wait)
{
    world_open();
    shake_hands(1000, 4000);
    stack->close(accepted);
    ck_assert_uint_eq(seen.flags & FIN, FIN);
    say(FIN | ACK, 1001, seen.sequence + 1, 4000);
    ck_assert_uint_eq(stats().time_wait, 1);
    say(SYN, 500000000, 0, 4000);
    ck_assert_uint_eq(stats().time_wait, 0);
    shake_hands(500000000, 4000); /* he asks again */
}
END_TEST

/* The window is shut while one byte is left to be sent, and the byte that probes it is acknowledged. */
START_TEST(a_probe_that_is_taken)
{
    world_open();
    shake_hands(1000, 0);
    uint32_t first = seen.sequence + 1;
    write_bytes(1);
    uint64_t before = seen.segments;
    for (int i = 0; i < 5000 && seen.segments == before; i++) step(1);
    ck_assert_uint_eq(seen.size, 1);
    say(ACK, 1001, first + 1, 0);
    step(30000); /* nothing is left to be probed with */
    ck_assert_ptr_nonnull(accepted);
    say(ACK, 1001, first + 1, 4000);
    write_bytes(500);
    ck_assert_uint_eq(seen.size, 500);
    ck_assert_uint_eq(seen.sequence, first + 1);
}
END_TEST

/* What a timeout took back does not fit a window that has shut meanwhile; then all of it is acknowledged. */
START_TEST(an_acknowledgement_behind_a_timeout)
{
    world_open();
    shake_hands(1000, 4000);
    uint32_t first = seen.sequence + 1;
    write_bytes(1200);
    say(ACK, 1001, first, 4000);
    for (uint32_t i = 0; i < 2; i++) /* a window of 0, told with news: else it would not count */
        segment_in((struct segment){.port = PEER_PORT, .flags = ACK | PSH, .sequence = 1001 + i,
                                    .acknowledged = first, .size = 1});
    uint64_t before = seen.bytes;
    step(3000);
    ck_assert_uint_lt(seen.bytes, before + 100); /* probes: the window is shut */
    say(ACK, 1003, first + 1200, 0);
    step(30000);
    ck_assert_ptr_nonnull(accepted);
    say(ACK, 1003, first + 1200, 4000);
    write_bytes(500);
    ck_assert_uint_eq(seen.sequence, first + 1200);
}
END_TEST

/* What three acknowledgements of the same ask for finds no room at the device, until (0) before or (1) behind the
 * timeout.  lwIP then puts it behind what was sent after it, and waits for ever. */
START_TEST(no_room_for_what_is_sent_again)
{
    world_open();
    shake_hands(100, 60000);
    watched.sequence = seen.sequence + 1;
    write_bytes(8000);
    ck_assert_uint_eq(watched.times, 1);
    ck_assert_uint_gt(seen.sequence, watched.sequence);
    has_no_room = true;
    for (int i = 0; i < 4; i++) say(ACK, 101, watched.sequence, 60000);
    step(_i == 0 ? 100 : 10000);
    has_no_room = false;
    step(20000);
    ck_assert_uint_gt(watched.times, 1);
    for (int i = 0; i < 20 && seen.sequence + seen.size != watched.sequence + 8000; i++) {
        say(ACK, 101, seen.sequence + seen.size, 60000);
        step(1000);
    }
    ck_assert_uint_eq(seen.sequence + seen.size, watched.sequence + 8000);
}
END_TEST

/* The neighbour's address changes without a word to us, or what we know of it is a damaged frame's.  _i: he is himself
 * the peer, or the gateway to it. */
START_TEST(a_neighbour_has_another_address)
{
    world_open();
    uint32_t from = _i == 0 ? 0 : 0xc6336401; /* 198.51.100.1 */
    segment_in((struct segment){.from = from, .port = PEER_PORT, .flags = SYN, .sequence = 1000, .window = 4000});
    uint32_t first = seen.sequence + 1;
    segment_in((struct segment){.from = from, .port = PEER_PORT, .flags = ACK, .sequence = 1001, .acknowledged = first,
                                .window = 4000});
    ck_assert_ptr_nonnull(accepted);
    peer_mac[5] = 9;
    uint64_t arp_requests = seen.arp_requests, bytes = seen.bytes;
    write_bytes(500);
    for (int i = 0; i < 20000 && seen.bytes == bytes; i++) {
        uint64_t asked = seen.arp_requests;
        step(1);
        if (seen.arp_requests != asked) arp(peer_mac); /* he answers; what asks tells as much as what answers */
    }
    ck_assert_uint_gt(seen.to_nobody, 1);
    ck_assert_uint_eq(seen.bytes - bytes, 500);
    ck_assert_uint_le(seen.arp_requests - arp_requests, 10);
    peer_mac[5] = PEER;
}
END_TEST

/* A connection that we have ended goes on for as long as its peer takes what was written, and not for as long as he
 * pretends to.  _i: he opens his window by 170 bytes at once, or by two. */
START_TEST(who_takes_slowly_what_was_written)
{
    enum { SIZE = 60000 };
    uint16_t window = _i == 0 ? 170 : 2;
    world_open();
    shake_hands(1000, 1000);
    uint32_t first = seen.sequence + 1, taken = 0;
    write_bytes(SIZE);
    stack->close(accepted);
    uint64_t begin_ms = now_ms;
    for (int i = 0; i < 2000 && taken < SIZE && (seen.flags & RST) == 0; i++) {
        step(100);
        uint32_t end = seen.sequence + seen.size - first;
        if ((int32_t)(end - taken) > 0) taken = end;
        if ((seen.flags & FIN) != 0) ck_assert_uint_eq(end, SIZE); /* no end before the end */
        if ((seen.flags & RST) == 0) say(ACK, 1001, first + taken, window);
    }
    ck_assert_int_eq((seen.flags & RST) != 0, _i);
    ck_assert_uint_gt(now_ms - begin_ms, 30000); /* as long as one who takes nothing is waited for */
    if (_i == 0) ck_assert_uint_eq(taken, SIZE);
}
END_TEST

/* A peer whose segments or whose window are of a byte does not take the segments of all others: an answer to him takes
 * a thousand at most. */
START_TEST(segments_of_a_byte)
{
    world_open();
    segment_in((struct segment){.port = PEER_PORT, .flags = SYN, .sequence = 1000, .window = _i == 0 ? 60000 : 2,
                                .mss = _i == 0 ? 1 : 1460});
    say(ACK, 1001, seen.sequence + 1, _i == 0 ? 60000 : 2);
    ck_assert_ptr_nonnull(accepted);
    write_bytes(65535);
    ck_assert_uint_le(stats().segments_queued, 1100);
}
END_TEST

/* Only ever beginnings, from everywhere: they take a bounded part, and an honest client comes in between. */
START_TEST(strangers_without_number)
{
    world_open();
    uint32_t most = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        segment_in((struct segment){.from = 0xc6120000 + i, .port = (uint16_t)(1024 + i), .flags = SYN, .sequence = i,
                                    .window = 4000});
        if (i % 1000 == 500) {
            accepted = NULL;
            segment_in((struct segment){.port = (uint16_t)(PEER_PORT + i / 1000), .flags = SYN, .sequence = 1000,
                                        .window = 4000});
            ck_assert_uint_eq(seen.acknowledged, 1001);
            segment_in((struct segment){.port = (uint16_t)(PEER_PORT + i / 1000), .flags = ACK, .sequence = 1001,
                                        .acknowledged = seen.sequence + 1, .window = 4000});
            ck_assert_ptr_nonnull(accepted);
        }
        if (stats().connections > most) most = stats().connections;
    }
    ck_assert_uint_gt(stats().half_open_ended, 0);
    ck_assert_uint_gt(most, HALF_OPEN_MAX / 2);
    ck_assert_uint_le(most, HALF_OPEN_MAX + 30);
}
END_TEST

static uint16_t sum_of(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++) sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Every bit of a segment that a checksum covers: damaged it is dropped and counted, unless the device has looked. */
START_TEST(damage_is_found)
{
    uint8_t f[200];
    world_open();
    shake_hands(1000, 4000);
    struct segment s = {.port = PEER_PORT, .flags = ACK | PSH, .sequence = 1001, .acknowledged = seen.sequence + 1,
                        .window = 4000, .size = 40};
    uint32_t size = segment_make(f, &s);
    uint8_t *ip = f + ETHERNET, *tcp = ip + IP;
    put_16(ip + 10, sum_of(ip, IP, 0));
    uint32_t pseudo = 6 + TCP + s.size;
    for (uint32_t i = 12; i < 20; i += 2) pseudo += (uint32_t)ip[i] << 8 | ip[i + 1];
    put_16(tcp + 16, sum_of(tcp, TCP + s.size, pseudo));
    uint64_t wrong = stats().checksum_errors, unknown = 0;
    for (uint32_t bit = ETHERNET * 8; bit < size * 8; bit++) {
        uint64_t before = stats().checksum_errors;
        f[bit / 8] ^= (uint8_t)(1 << bit % 8);
        frame_in(f, size, 0);
        f[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_uint_eq(received, 0);
        unknown += stats().checksum_errors == before; /* what is no IPv4 any more, or too short, is dropped before */
    }
    ck_assert_uint_gt(stats().checksum_errors - wrong, (size - ETHERNET - 4) * 8u);
    ck_assert_uint_lt(unknown, 32);
    frame_in(f, size, 0);
    ck_assert_uint_eq(received, s.size);
    put_32(tcp + 4, 1001 + s.size); /* the next one, with a wrong sum */
    frame_in(f, size, STACK_CHECKED_IP);
    ck_assert_uint_eq(received, s.size);
    frame_in(f, size, ALL);
    ck_assert_uint_eq(received, 2u * s.size);
}
END_TEST

/* A connection whose congestion window has grown; the server has said all until `first`, which it returns. */
static uint32_t super_begin(void)
{
    world_open_super(30000);
    segment_in((struct segment){.port = PEER_PORT, .flags = SYN, .sequence = 1000, .window = 65000,
                                .mss = MTU - IP - TCP});
    say(ACK, 1001, seen.sequence + 1, 65000);
    ck_assert_ptr_nonnull(accepted);
    for (int i = 0; i < 10; i++) {
        write_to_peer(20000, true);
        for (uint32_t end = 0; end != seen.sequence + seen.size;) { /* what an acknowledgement lets go is another */
            end = seen.sequence + seen.size;
            say(ACK, 1001, end, 65000);
        }
    }
    ck_assert_uint_gt(seen.supers, 0);
    return seen.sequence + seen.size;
}

/* What is sent behind a segment that is to be cut, and is as large, is not cut for that. */
START_TEST(a_ping_behind_an_answer)
{
    uint8_t f[ETHERNET + MTU] = {2, 0, 0, 0, 0, SERVER, 2, 0, 0, 0, 0, PEER, 8, 0, 0x45, [23] = 1,
                                 [26] = 192, 0, 2, PEER, 192, 0, 2, SERVER, 8};
    (void)super_begin();
    uint64_t supers = seen.supers;
    write_to_peer(MTU - 30, true); /* by ten bytes more than a packet */
    ck_assert_uint_eq(seen.supers, supers + 1);
    put_16(f + 16, sizeof f - ETHERNET);
    f[22] = 64;
    put_16(f + 36, 0xf7ff); /* the checksum of an echo request of zeroes */
    frame_in(f, sizeof f, ALL);
    ck_assert_uint_eq(seen.pings, 1);
    ck_assert_uint_eq(seen.supers, supers + 1);
}
END_TEST

/* A segment that is to be cut waits for its neighbour's address, who was not spoken with for long, and others are made
 * meanwhile: as it is where its bytes were copied, else as a copy.  It is cut when it leaves, and it is whole. */
START_TEST(a_super_segment_waits_for_its_neighbour)
{
    const struct { uint32_t size; bool is_lent; } written[] = {{4000, false}, {4000, true}, {14000, true}};
    uint32_t size = written[_i].size, first = super_begin();
    step(400000); /* lwIP forgets an address after 300 s */
    struct { uint64_t bytes, supers, asked; } before = {seen.bytes, seen.supers, seen.arp_requests};
    write_to_peer(size, written[_i].is_lent);
    say(ACK | PSH, 1001, first, 65000);
    write_to_peer(100, true);
    ck_assert_uint_eq(seen.bytes, before.bytes);
    ck_assert_uint_gt(seen.arp_requests, before.asked);
    arp(peer_mac);
    ck_assert_uint_eq(seen.bytes - before.bytes, size + 100);
    ck_assert_uint_gt(seen.supers, before.supers);
    ck_assert_uint_eq(seen.sequence + seen.size, first + size + 100);
}
END_TEST

/* A segment's size is agreed upon when a connection begins.  _i: later he asks for small ones, or for larger ones than
 * the link takes. */
START_TEST(a_peer_who_changes_his_mind)
{
    uint32_t first = super_begin();
    segment_in((struct segment){.port = PEER_PORT, .flags = ACK, .sequence = 1001, .acknowledged = first,
                                .window = 65000, .mss = _i == 0 ? 64 : 8960});
    uint64_t supers = seen.supers;
    write_to_peer(14000, true);
    ck_assert_uint_gt(seen.supers, supers);
    ck_assert_uint_eq(seen.sequence + seen.size, first + 14000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack, peers");
    TCase *t = tcase_create("stack, peers");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_port_whose_connection_was_forgotten);
    tcase_add_test(t, a_port_in_time_wait);
    tcase_add_test(t, a_probe_that_is_taken);
    tcase_add_test(t, an_acknowledgement_behind_a_timeout);
    tcase_add_loop_test(t, no_room_for_what_is_sent_again, 0, 2);
    tcase_add_loop_test(t, a_neighbour_has_another_address, 0, 2);
    tcase_add_loop_test(t, who_takes_slowly_what_was_written, 0, 2);
    tcase_add_loop_test(t, segments_of_a_byte, 0, 2);
    tcase_add_test(t, strangers_without_number);
    tcase_add_test(t, damage_is_found);
    tcase_add_test(t, a_ping_behind_an_answer);
    tcase_add_loop_test(t, a_super_segment_waits_for_its_neighbour, 0, 3);
    tcase_add_loop_test(t, a_peer_who_changes_his_mind, 0, 2);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
