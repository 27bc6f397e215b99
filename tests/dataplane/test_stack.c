/* Goal: over a network that loses, doubles, delays, turns around and damages frames, and over a sender without room,
 * every byte arrives once and in order, and nothing is kept in the end: no segment, no frame, no lent byte looked at
 * after it was acknowledged.  Two copies of the stack talk to each other in one thread, on a clock moved by hand: a
 * seed gives the same run on every machine.  MILLRACE_LONG=1: 400 seeds of each case; MILLRACE_SEEDS=FROM-TO: these. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/lwip/stack.h"
#include "tests/suite.h"

enum {
    FRAMES_MAX = 4096, FRAME_BYTES_MAX = 66000, SUPER_BYTES = 60000, SLOW_BYTES = 700, STREAM_BYTES = 3 << 20,
    REQUEST_BYTES = 200000, PORT = 9092,
};

struct hostility { /* of 1000 */
    unsigned lost, doubled, late, damaged, no_room;
    uint16_t mtu, vlan;
    uint64_t delay_ms;
    bool     is_super; /* the server's device cuts super-segments */
    bool     is_slow;  /* the client reads slowly: its window is mostly shut */
};

struct frame {
    uint64_t due_ms;
    unsigned to;
    uint32_t size;
    uint8_t *bytes;
    unsigned checked; /* as the device tells */
};

struct end {
    const struct stack_operations *stack;
    struct stack_pcb *pcb;
    bool     is_there, is_finished, has_failed, has_more; /* more: to be sent, when there is room again */
    uint64_t received, acknowledged, written;
    struct stack_bytes *kept[64]; /* given back a little later, as a port does */
    unsigned kept_count;
    uint32_t kept_bytes;
};

static struct world {
    struct random random;
    struct hostility hostility;
    struct frame frame[FRAMES_MAX]; /* on their way, in the order of sending */
    unsigned frame_count;
    uint64_t now_ms;
    struct end end[2]; /* 0: the server */
    uint8_t *stream[2]; /* what each sends; 0: filled with 0xee behind what was acknowledged */
    uint8_t *truth[2];
    uint32_t size[2];
    uint64_t frames, lent_frames, super_frames;
    uint8_t  seen;
    bool     has_gap; /* the client's first byte never comes */
    uint32_t gap;     /* its sequence number */
    bool     is_malicious; /* somebody forges frames: what the connection carries is his */
} w;

static bool happens(unsigned of_1000) { return random_below(&w.random, 1000) < of_1000; }

static void put(unsigned to, const uint8_t *bytes, uint32_t size, unsigned checked)
{
    if (w.frame_count == FRAMES_MAX) return; /* the network is full: lost */
    struct frame *f = &w.frame[w.frame_count++];
    uint64_t late_ms = happens(w.hostility.late) ? 1 + random_below(&w.random, 10) : 0;
    *f = (struct frame){w.now_ms + 1 + w.hostility.delay_ms + late_ms, to, size, malloc(size), checked};
    memcpy(f->bytes, bytes, size);
    if (happens(w.hostility.damaged))
        f->bytes[random_below(&w.random, size)] ^= (uint8_t)(1 << random_below(&w.random, 8));
}

/* Does this frame (IPv4, untagged) carry the byte that never comes? */
static bool is_gap(const uint8_t *frame, uint32_t size)
{
    uint32_t at = (uint32_t)frame[38] << 24 | frame[39] << 16 | frame[40] << 8 | frame[41];
    return w.has_gap && at == w.gap && size > 34 + (frame[46] >> 4) * 4u;
}

static void put_16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

/* As a device does with a super-segment (IPv4, untagged); that the checksums are right is told, not computed. */
static void cut(unsigned to, const uint8_t *frame, uint32_t size, uint32_t packet_bytes)
{
    uint32_t head = 34 + (frame[46] >> 4) * 4u, from = (uint32_t)frame[38] << 24 | frame[39] << 16 | frame[40] << 8 |
                                                       frame[41];
    uint8_t packet[10000];
    ck_assert_uint_gt(size - head, packet_bytes);
    ck_assert_uint_le(head + packet_bytes, (uint32_t)w.hostility.mtu + 14);
    w.super_frames++;
    for (uint32_t at = 0; at < size - head; at += packet_bytes) {
        uint32_t part = size - head - at < packet_bytes ? size - head - at : packet_bytes;
        memcpy(packet, frame, head);
        memcpy(packet + head, frame + head + at, part);
        put_16(packet + 16, head - 14 + part);
        put_16(packet + 38, (from + at) >> 16);
        put_16(packet + 40, from + at);
        if (at + part < size - head) packet[47] &= 0xf6; /* neither PSH nor FIN */
        if (!happens(w.hostility.lost)) put(to, packet, head + part, STACK_CHECKED_IP | STACK_CHECKED_TCP);
    }
}

static bool on_transmit(void *context, void *connection, const struct stack_slice *slice, unsigned count,
                        uint32_t packet_bytes)
{
    struct end *e = context;
    static uint8_t frame[FRAME_BYTES_MAX];
    uint32_t size = 0;
    if (happens(w.hostility.no_room)) return false;
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_le(size + slice[i].size, sizeof frame);
        memcpy(frame + size, slice[i].bytes, slice[i].size);
        size += slice[i].size;
        if (!slice[i].is_lent) continue;
        ck_assert_ptr_eq(connection, e);
        w.lent_frames++;
        /* It stands where we wrote it. */
        if (w.is_malicious) continue;
        uint64_t at = e->written - (uint32_t)(e->stack->position(e->pcb) - slice[i].position);
        ck_assert_mem_eq(slice[i].bytes, w.truth[e - w.end] + at, slice[i].size);
    }
    unsigned to = e == &w.end[0] ? 1 : 0;
    w.frames++;
    if (packet_bytes > 0) {
        cut(to, frame, size, packet_bytes);
        return true;
    }
    ck_assert_uint_le(size, (uint32_t)w.hostility.mtu + 18);
    if (happens(w.hostility.lost) || (to == 0 && is_gap(frame, size))) return true;
    put(to, frame, size, 0);
    if (happens(w.hostility.doubled)) put(to, frame, size, 0);
    return true;
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    struct end *e = context;
    ck_assert_uint_eq(listener, 7);
    if (w.is_malicious && e->is_there) return NULL;
    ck_assert(!e->is_there);
    e->pcb = pcb;
    e->is_there = true;
    e->has_failed = false;
    return e;
}

static void on_connected(void *connection) { ((struct end *)connection)->is_there = true; }

static void on_received(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    struct end *e = connection;
    unsigned from = e == &w.end[0] ? 1 : 0;
    for (uint32_t i = 0; i < size; i++) w.seen ^= bytes[i]; /* all of them can be read */
    if (!w.is_malicious) {
        ck_assert_uint_le(e->received + size, w.size[from]);
        ck_assert_mem_eq(bytes, w.truth[from] + e->received, size);
    }
    e->received += size;
    e->kept_bytes += size;
    if (e->kept_count < 64) e->kept[e->kept_count++] = keep;
    else e->stack->give_back(keep);
}

static void on_acknowledged(void *connection, uint32_t size)
{
    struct end *e = connection;
    if (w.is_malicious) return;
    /* Taken back: whoever looks at it again sees other bytes. */
    memset(w.stream[e - w.end] + e->acknowledged, 0xee, size);
    e->acknowledged += size;
}

static void on_finished(void *connection) { ((struct end *)connection)->is_finished = true; }
static void on_failed(void *connection) { ((struct end *)connection)->has_failed = true; }

/* A frame like one that was sent, and not quite: with other bytes, cut, or longer; its checksums count as right. */
static void forge(unsigned to, const uint8_t *bytes, uint32_t size)
{
    uint32_t made = random_below(&w.random, 3) == 0 ? (uint32_t)random_below(&w.random, size + 64) : size;
    uint8_t *frame = malloc(made == 0 ? 1 : made); /* of exactly this size, for a sanitizer */
    for (uint32_t i = 0; i < made; i++) frame[i] = i < size ? bytes[i] : 0;
    for (uint64_t i = random_below(&w.random, 6); i > 0 && made > 0; i--) {
        /* Mostly in the headers. */
        uint32_t at = (uint32_t)random_below(&w.random, random_below(&w.random, 8) == 0 || made < 78 ? made : 78);
        frame[at] = (uint8_t)random_below(&w.random, 256);
    }
    w.end[to].stack->input(frame, made, STACK_CHECKED_IP | STACK_CHECKED_TCP, free, frame);
}

static void write_some(struct end *e)
{
    unsigned who = (unsigned)(e - w.end);
    for (int i = 0; i < 8 && e->written < w.size[who]; i++) {
        uint32_t room = e->stack->room(e->pcb), left = (uint32_t)(w.size[who] - e->written);
        uint32_t size = 1 + (uint32_t)random_below(&w.random, random_below(&w.random, 3) == 0 ? 300 : 30000);
        if (size > room) size = room;
        if (size > left) size = left;
        if (size == 0) break;
        bool is_lent = size > 1000;
        if (!e->stack->write(e->pcb, w.stream[who] + e->written, size, is_lent, size == left)) break;
        e->written += size;
        e->has_more = true;
    }
    if (e->has_more) e->has_more = e->stack->output(e->pcb); /* else it is the stack's own matter, as in the port */
}

static void deliver(struct frame f)
{
    if (w.is_malicious && random_below(&w.random, 3) == 0) forge(f.to, f.bytes, f.size);
    bool is_copied = random_below(&w.random, 4) == 0;
    w.end[f.to].stack->input(f.bytes, f.size, f.checked, is_copied ? NULL : free, f.bytes);
    if (is_copied) free(f.bytes);
}

static void step_by(uint64_t ms)
{
    w.now_ms += ms;
    unsigned there = w.frame_count, kept = 0;
    for (unsigned i = 0; i < there; i++) { /* those that are sent meanwhile stand behind */
        if (w.frame[i].due_ms > w.now_ms) w.frame[kept++] = w.frame[i];
        else deliver(w.frame[i]);
    }
    memmove(w.frame + kept, w.frame + there, (w.frame_count - there) * sizeof *w.frame);
    w.frame_count -= there - kept;
    for (unsigned i = 0; i < 2; i++) {
        struct end *e = &w.end[i];
        while (e->kept_count > 0) e->stack->give_back(e->kept[--e->kept_count]);
        if (e->is_there && !e->has_failed && e->pcb != NULL) {
            uint32_t read = w.hostility.is_slow && e->kept_bytes > SLOW_BYTES ? SLOW_BYTES : e->kept_bytes;
            e->stack->consumed(e->pcb, read);
            e->kept_bytes -= read;
            write_some(e);
        }
        e->stack->tick(w.now_ms);
    }
}

static void step(void) { step_by(1); }

static void world_open(uint64_t seed, struct hostility hostility)
{
    static const char *const address[2] = {"192.0.2.1", "192.0.2.2"};
    memset(&w, 0, sizeof w);
    random_init(&w.random, seed);
    w.hostility = hostility;
    w.now_ms = 4294967295u - 20000; /* the stack's clock of 32 bits wraps on the way */
    w.size[0] = STREAM_BYTES;
    w.size[1] = REQUEST_BYTES;
    for (unsigned i = 0; i < 2; i++) {
        w.stream[i] = malloc(w.size[i]);
        w.truth[i] = malloc(w.size[i]);
        random_bytes(&w.random, w.truth[i], w.size[i]);
        memcpy(w.stream[i], w.truth[i], w.size[i]);
        struct end *e = &w.end[i];
        e->stack = stack_at(i);
        ck_assert_ptr_nonnull(e->stack);
        struct stack_config config = {
            .handlers = {e, on_transmit, on_accepted, on_received, on_acknowledged, on_finished, on_failed},
            .mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)}, .mtu = hostility.mtu, .vlan = hostility.vlan,
            .address4 = address[i], .prefix4 = 24, .secret = {(uint8_t)seed, (uint8_t)i},
            .super_bytes = hostility.is_super && i == 0 ? SUPER_BYTES : 0,
        };
        const char *why = e->stack->open(&config, w.now_ms);
        ck_assert_msg(why == NULL, "%s", why);
    }
    ck_assert(w.end[0].stack->listen(PORT, 7));
    ck_assert(!w.end[0].stack->listen(PORT, 8)); /* taken */
    w.end[1].pcb = w.end[1].stack->connect(address[0], PORT, &w.end[1], on_connected);
    ck_assert_ptr_nonnull(w.end[1].pcb);
}

/* Both streams whole; then both ends close, and after a while nothing is left of the connection. */
static void run(uint64_t seed, struct hostility hostility, uint64_t within_ms)
{
    struct stack_stats stats[2];
    world_open(seed, hostility);
    uint64_t start_ms = w.now_ms;
    while (w.end[1].received < STREAM_BYTES || w.end[0].received < REQUEST_BYTES ||
           w.end[0].acknowledged < STREAM_BYTES || w.end[1].acknowledged < REQUEST_BYTES) {
        step();
        ck_assert(!w.end[0].has_failed && !w.end[1].has_failed);
        ck_assert_msg(w.now_ms - start_ms < within_ms, "after %lu ms %lu and %lu bytes came",
                      (unsigned long)(w.now_ms - start_ms), (unsigned long)w.end[1].received,
                      (unsigned long)w.end[0].received);
    }
    ck_assert_uint_gt(w.lent_frames, 0);
    ck_assert((w.super_frames > 0) == hostility.is_super);
    for (unsigned i = 0; i < 2; i++) {
        w.end[i].stack->stats(&stats[i]);
        ck_assert_uint_eq(w.end[i].is_finished, false);
    }
    if (hostility.lost + hostility.damaged > 0) ck_assert_uint_gt(stats[0].retransmitted, 0);
    else if (hostility.late + hostility.no_room + hostility.doubled == 0)
        ck_assert_uint_eq(stats[0].retransmitted, 0); /* it loses nothing */
    if (hostility.damaged > 0) ck_assert_uint_gt(stats[0].checksum_errors + stats[1].checksum_errors, 0);
    for (unsigned i = 0; i < 2; i++) {
        w.end[i].stack->close(w.end[i].pcb);
        w.end[i].pcb = NULL;
    }
    for (unsigned i = 0; i < 200000 / 16; i++) step_by(16); /* beyond TIME_WAIT, and the last retransmission */
    for (unsigned i = 0; i < 2; i++) {
        w.end[i].stack->stats(&stats[i]);
        ck_assert_uint_eq(stats[i].connections, 0);
        ck_assert_uint_eq(stats[i].segments_queued, 0);
        ck_assert_uint_eq(stats[i].frames_kept, 0);
    }
}

START_TEST(a_good_network) { run(1, (struct hostility){.mtu = 1500}, 20000); }
END_TEST
START_TEST(jumbo_frames) { run(2, (struct hostility){.mtu = 9000}, 20000); }
END_TEST
START_TEST(a_vlan) { run(3, (struct hostility){.mtu = 1500, .vlan = 17}, 20000); }
END_TEST
START_TEST(losses) { run(10 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = 10, .delay_ms = 1}, 300000); }
END_TEST
START_TEST(many_losses) { run(20 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = 50}, 900000); }
END_TEST
START_TEST(another_order) { run(30 + (uint64_t)_i, (struct hostility){.mtu = 1500, .late = 100}, 300000); }
END_TEST
START_TEST(twice) { run(40 + (uint64_t)_i, (struct hostility){.mtu = 1500, .doubled = 100}, 100000); }
END_TEST
START_TEST(damage) { run(50 + (uint64_t)_i, (struct hostility){.mtu = 1500, .damaged = 20}, 300000); }
END_TEST
START_TEST(no_room) { run(60 + (uint64_t)_i, (struct hostility){.mtu = 1500, .no_room = 300}, 300000); }
END_TEST
START_TEST(all_of_it)
{
    run(70 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = 10, .doubled = 20, .late = 50, .damaged = 10,
                                              .no_room = 100, .delay_ms = 20}, 1800000);
}
END_TEST

/* A segment is sent as a whole or not at all: where it has become larger than the window it must be cut, or nothing
 * goes on.  What of it was acknowledged is still needed while the rest may be sent again. */
START_TEST(super_segments) { run(90, (struct hostility){.mtu = 1500, .is_super = true}, 20000); }
END_TEST
START_TEST(super_segments_and_losses)
{
    run(100 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = _i % 2 == 0 ? 10 : 50, .delay_ms = 1,
                                               .is_super = true}, 900000);
}
END_TEST
START_TEST(super_segments_and_no_room)
{
    run(110 + (uint64_t)_i, (struct hostility){.mtu = 9000, .no_room = 300, .late = 20, .is_super = true}, 300000);
}
END_TEST
START_TEST(super_segments_to_a_slow_reader)
{
    run(120 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = _i % 2 == 0 ? 0 : 5, .is_super = true,
                                               .is_slow = true}, 900000);
}
END_TEST

/* The client is gone without a word; the server's end is reset: nothing of what was lent is looked at again. */
START_TEST(an_abort_forgets_what_was_lent)
{
    struct stack_stats stats;
    world_open(80, (struct hostility){.mtu = 1500, .delay_ms = 3});
    while (w.end[0].written < 1 << 20) step();
    ck_assert_uint_lt(w.end[0].acknowledged, w.end[0].written);
    w.end[0].stack->abort(w.end[0].pcb);
    w.end[0].pcb = NULL;
    memset(w.stream[0], 0xee, STREAM_BYTES);
    w.end[0].is_there = false;
    for (int i = 0; i < 1000; i++) step();
    ck_assert(w.end[1].has_failed); /* it got the reset */
    w.end[0].stack->stats(&stats);
    ck_assert_uint_eq(stats.segments_queued, 0);
    ck_assert_uint_eq(stats.connections, 0);
}
END_TEST

/* Whatever a stranger sends, the stack reads within the frame, keeps its state whole (lwIP's assertions stay on) and in
 * the end nothing. */
START_TEST(forged_frames)
{
    world_open(1000 + (uint64_t)_i, (struct hostility){.mtu = 1500, .lost = 20, .vlan = _i % 2 == 0 ? 0 : 17});
    while (!w.end[0].is_there || !w.end[1].is_there) step();
    w.is_malicious = true;
    for (int i = 0; i < 4000; i++) {
        step();
        for (unsigned k = 0; k < 2; k++) {
            struct end *e = &w.end[k];
            e->is_there = e->is_there && !e->has_failed;
            /* Both are kept busy for ever: what was written is written again. */
            if (e->written == w.size[k]) e->written = 0;
        }
        if (!w.end[1].has_failed || random_below(&w.random, 50) != 0) continue;
        w.end[1] = (struct end){.stack = w.end[1].stack, .kept_count = 0};
        w.end[1].pcb = w.end[1].stack->connect("192.0.2.1", PORT, &w.end[1], on_connected);
        ck_assert_ptr_nonnull(w.end[1].pcb);
    }
    for (unsigned k = 0; k < 2; k++) {
        struct end *e = &w.end[k];
        if (e->pcb != NULL && !e->has_failed) e->stack->abort(e->pcb);
        e->pcb = NULL;
        e->is_there = false;
        e->stack->stop();
    }
    w.is_malicious = false;
    for (unsigned i = 0; i < 600000 / 16; i++) step_by(16);
    for (unsigned k = 0; k < 2; k++) {
        struct stack_stats stats;
        w.end[k].stack->stats(&stats);
        ck_assert_uint_eq(stats.connections, 0);
        ck_assert_uint_eq(stats.segments_queued, 0);
        ck_assert_uint_eq(stats.frames_kept, 0);
    }
}
END_TEST

/* Thousands of segments of one byte behind a byte that never comes: the server keeps a few of them. */
START_TEST(what_waits_behind_a_gap_is_bounded)
{
    struct stack_stats stats;
    world_open(82, (struct hostility){.mtu = 1500});
    w.size[0] = w.size[1] = 0; /* nothing is written but here */
    while (!w.end[0].is_there || !w.end[1].is_there) step();
    struct end *client = &w.end[1];
    w.size[1] = REQUEST_BYTES;
    client->is_there = false;
    w.has_gap = true;
    w.gap = client->stack->position(client->pcb);
    for (int i = 0; i < 3000; i++) {
        ck_assert(client->stack->write(client->pcb, w.stream[1] + i, 1, false, true));
        (void)client->stack->output(client->pcb);
        if (i % 16 == 15) step();
    }
    w.end[0].stack->stats(&stats);
    ck_assert_uint_eq(w.end[0].received, 0);
    ck_assert_uint_gt(stats.segments_queued, 50);
    ck_assert_uint_lt(stats.segments_queued, 100);
    w.has_gap = false;
    for (int i = 0; i < 600000 && w.end[0].received < 3000; i++) step();
    ck_assert_uint_eq(w.end[0].received, 3000);
}
END_TEST

/* Nothing arrives for a while: no acknowledgement asks for what is lost, the timer alone sends it again, the first time
 * within a second and a half also where no round trip was measured yet (RFC 6298), and that is counted. */
START_TEST(the_timer_sends_again)
{
    struct stack_stats stats;
    world_open(83, (struct hostility){.mtu = 1500});
    while (w.end[0].written < 1 << 19) step();
    w.end[0].stack->stats(&stats);
    ck_assert_uint_eq(stats.retransmitted, 0);
    w.hostility.lost = 1000;
    for (int i = 0; i < 1500; i++) step();
    w.end[0].stack->stats(&stats);
    ck_assert_uint_ge(stats.retransmitted, 1);
    w.hostility.lost = 0;
    for (int i = 0; i < 20000 && w.end[1].received < STREAM_BYTES; i++) step();
    ck_assert_uint_eq(w.end[1].received, STREAM_BYTES);
}
END_TEST

/* The peer takes nothing for minutes, then goes on. */
START_TEST(a_window_that_stays_shut)
{
    world_open(81, (struct hostility){.mtu = 1500});
    while (!w.end[0].is_there || !w.end[1].is_there) step();
    struct end *client = &w.end[1];
    for (int i = 0; i < 300000; i++) { /* as step, but the client reads nothing */
        client->is_there = false;
        step();
    }
    ck_assert(!w.end[0].has_failed);
    uint64_t received = client->received;
    ck_assert_uint_lt(received, STREAM_BYTES);
    client->is_there = true;
    for (int i = 0; i < 60000 && client->received < STREAM_BYTES; i++) step();
    ck_assert_uint_eq(client->received, STREAM_BYTES);
}
END_TEST

/* The peer is gone without a word, or answers and takes nothing for ever, while its connection is ours no more. */
START_TEST(who_never_ends_is_given_up)
{
    struct stack_stats stats;
    bool is_silent = _i == 0;
    world_open(84 + (uint64_t)_i, (struct hostility){.mtu = 1500});
    while (w.end[0].written < 1 << 18) step();
    struct end *client = &w.end[1];
    if (is_silent) {
        w.hostility.lost = 1000;
    } else {
        client->is_there = false; /* nothing of what comes is given back: its window shuts */
        for (int i = 0; i < 5000; i++) step();
        ck_assert_uint_lt(w.end[0].acknowledged, w.end[0].written);
        w.end[0].is_there = false; /* and the server writes no more */
        w.is_malicious = true; /* what is sent stands nowhere: there is no connection to ask */
        w.end[0].stack->consumed(w.end[0].pcb, w.end[0].kept_bytes); /* else it would be a reset */
        w.end[0].stack->close(w.end[0].pcb);
    }
    for (int i = 0; i < 900000 / 16; i++) step_by(16);
    ck_assert_int_eq(w.end[0].has_failed, is_silent);
    w.end[0].stack->stats(&stats);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_uint_eq(stats.segments_queued, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack");
    TCase *t = tcase_create("stack");
    int from = 0, to = getenv("MILLRACE_LONG") != NULL ? 400 : 3;
    const char *range = getenv("MILLRACE_SEEDS");
    if (range != NULL && (sscanf(range, "%d-%d", &from, &to) != 2 || from < 0 || to <= from)) return 2;
    tcase_set_timeout(t, 600);
    tcase_add_test(t, a_good_network);
    tcase_add_test(t, jumbo_frames);
    tcase_add_test(t, a_vlan);
    tcase_add_loop_test(t, losses, from, to);
    tcase_add_loop_test(t, many_losses, from, to);
    tcase_add_loop_test(t, another_order, from, to);
    tcase_add_loop_test(t, twice, from, to);
    tcase_add_loop_test(t, damage, from, to);
    tcase_add_loop_test(t, no_room, from, to);
    tcase_add_loop_test(t, all_of_it, from, to);
    tcase_add_loop_test(t, forged_frames, from * 2, to * 2);
    tcase_add_test(t, super_segments);
    tcase_add_loop_test(t, super_segments_and_losses, from, to);
    tcase_add_loop_test(t, super_segments_and_no_room, from, to);
    tcase_add_loop_test(t, super_segments_to_a_slow_reader, from, to);
    tcase_add_test(t, an_abort_forgets_what_was_lent);
    tcase_add_test(t, what_waits_behind_a_gap_is_bounded);
    tcase_add_test(t, the_timer_sends_again);
    tcase_add_test(t, a_window_that_stays_shut);
    tcase_add_loop_test(t, who_never_ends_is_given_up, 0, 2);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
