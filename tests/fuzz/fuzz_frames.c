/* Frames from the network to the DPDK port's TCP stack, and on to Kafka's decoder: whatever comes, the stack reads
 * within the frame, keeps its state whole (lwIP's assertions stay on), and once its connections are gone nothing of
 * them is left: no segment, no frame.
 *
 * Input: pieces (fuzz_piece), each a byte of enum how and a frame.  The server listens at 192.0.2.1 and 2001:db8::1,
 * port 9092, and answers each request; its neighbour, the client, is 192.0.2.2 and 2001:db8::2.  tests/fuzz/make_frames
 * writes the seeds. */
#include <string.h>

#include "dataplane/kafka/codec.h"
#include "dataplane/kafka/messages.h"
#include "dataplane/lwip/stack.h"
#include "tests/fuzz/fuzz.h"

enum {
    PORT = 9092, CONNECTIONS_MAX = 16, HELD_BYTES_MAX = 1 << 14, KEPT_MAX = 512, ANSWER_BYTES = 3000,
    SUPER_BYTES = 8000,
    STEP_MS = 32, /* of the stack's timer, which runs once a tick */
    SETTLE_MS_MAX = 900000, LATER_MS = 300, BODY_BYTES = 1024, ARENA_BYTES = 1 << 16,
};
enum how {
    HOW_CHECKED  = 1, /* the device found its checksums right */
    HOW_COPIED   = 2, /* it is copied, for the device has few frames left */
    HOW_IN_ORDER = 4, /* it stands where the server awaits it: only so a fuzzer gets a connection */
    HOW_LATER    = 8, /* time goes by before it */
};

struct connection {
    struct stack_pcb *pcb; /* NULL: none, or gone */
    bool     is_used, is_over, has_lent;
    uint8_t  held[HELD_BYTES_MAX]; /* of requests */
    uint32_t held_bytes, owed_bytes;
};

static const struct stack_operations *stack;
static struct connection connections[CONNECTIONS_MAX];
static struct stack_bytes *kept[KEPT_MAX];
static uint32_t kept_count;
static uint64_t now_ms = 1000;
static uint32_t sent_next, sent_acknowledgement; /* of the last segment that the server sent */
static uint8_t answer[ANSWER_BYTES];

static uint32_t be32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Where the TCP header of an untagged frame without IP options stands; 0: it is none. */
static uint32_t tcp_at(const uint8_t *frame, uint32_t size)
{
    if (size >= 54 && frame[12] == 8 && frame[13] == 0 && frame[14] == 0x45 && frame[23] == 6) return 34;
    if (size >= 74 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 6) return 54;
    return 0;
}

/* --- what the stack tells --- */

static bool on_transmit(void *context, void *connection, const struct stack_slice *slice, unsigned count,
                        uint32_t packet_bytes)
{
    static uint8_t frame[1 << 16];
    uint32_t size = 0;
    (void)context, (void)connection;
    for (unsigned i = 0; i < count; i++) {
        FUZZ_CHECK(size + slice[i].size <= sizeof frame);
        memcpy(frame + size, slice[i].bytes, slice[i].size);
        size += slice[i].size;
    }
    FUZZ_CHECK(size <= (packet_bytes > 0 ? 1518 + SUPER_BYTES : 1518));
    uint32_t at = tcp_at(frame, size);
    FUZZ_CHECK(packet_bytes == 0 || at != 0); /* only TCP's segments are cut */
    if (at == 0) return true;
    uint32_t data = size - at - (frame[at + 12] >> 4) * 4u;
    sent_next = be32(frame + at + 4) + data + ((frame[at + 13] & 3) != 0); /* SYN or FIN */
    sent_acknowledgement = be32(frame + at + 8);
    return true;
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    (void)context, (void)listener;
    for (struct connection *c = connections; c < connections + CONNECTIONS_MAX; c++) {
        if (c->is_used) continue;
        *c = (struct connection){.pcb = pcb, .is_used = true};
        return c;
    }
    return NULL;
}

static void on_received(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    struct connection *c = connection;
    FUZZ_CHECK(kept_count < KEPT_MAX);
    kept[kept_count++] = keep;
    c->owed_bytes += size;
    if (size > HELD_BYTES_MAX - c->held_bytes) {
        c->is_over = true;
        return;
    }
    memcpy(c->held + c->held_bytes, bytes, size);
    c->held_bytes += size;
}

static void on_acknowledged(void *connection, uint32_t size) { (void)connection, (void)size; }
static void on_finished(void *connection) { ((struct connection *)connection)->is_over = true; }
static void on_failed(void *connection) { ((struct connection *)connection)->pcb = NULL; }

/* --- the server above it --- */

static bool request_is_good(const uint8_t *bytes, uint32_t size)
{
    static _Alignas(16) uint8_t room[ARENA_BYTES];
    static uint64_t body[BODY_BYTES / 8];
    struct cursor in = cursor_of(bytes, size);
    struct kafka_request_header header;
    if (kafka_request_header_decode(&in, &header) != ERR_OK) return false;
    const struct kafka_message *m = kafka_request_of(header.api_key);
    struct kafka_arena arena = {room, ARENA_BYTES, 0};
    FUZZ_CHECK(m != NULL && m->body.struct_bytes <= BODY_BYTES);
    return kafka_decode(m, header.api_version, &in, &arena, body) == ERR_OK;
}

static void answer_requests(struct connection *c)
{
    while (c->held_bytes >= 4 && !c->is_over) {
        uint32_t size = be32(c->held);
        if (size > HELD_BYTES_MAX - 4) c->is_over = true;
        if (c->is_over || c->held_bytes - 4 < size) return;
        if (!request_is_good(c->held + 4, size)) c->is_over = true;
        c->held_bytes -= 4 + size;
        memmove(c->held, c->held + 4 + size, c->held_bytes);
        uint32_t room = stack->room(c->pcb);
        bool is_lent = size % 2 == 0;
        if (room < ANSWER_BYTES || !stack->write(c->pcb, answer, ANSWER_BYTES, is_lent, true)) continue;
        c->has_lent = c->has_lent || is_lent;
    }
}

static void end(struct connection *c)
{
    if (c->pcb == NULL) return;
    if (c->has_lent) stack->abort(c->pcb); /* it may be unacknowledged */
    else stack->close(c->pcb);
}

static void serve(void)
{
    while (kept_count > 0) stack->give_back(kept[--kept_count]);
    for (struct connection *c = connections; c < connections + CONNECTIONS_MAX; c++) {
        if (!c->is_used) continue;
        if (c->pcb != NULL) answer_requests(c);
        if (c->pcb != NULL) stack->consumed(c->pcb, c->owed_bytes);
        c->owed_bytes = 0;
        if (c->pcb != NULL) (void)stack->output(c->pcb);
        if (c->is_over) end(c);
        if (c->pcb == NULL || c->is_over) c->is_used = false;
    }
}

/* --- the network --- */

static void frame_in(const uint8_t *bytes, uint32_t size, unsigned how)
{
    uint8_t *frame = malloc(size == 0 ? 1 : size); /* of exactly this size */
    FUZZ_CHECK(frame != NULL);
    if (size > 0) memcpy(frame, bytes, size);
    uint32_t at = tcp_at(frame, size);
    if ((how & HOW_LATER) != 0)
        for (uint64_t end_ms = now_ms + LATER_MS; now_ms < end_ms;) stack->tick(now_ms += STEP_MS);
    if ((how & HOW_IN_ORDER) != 0 && at != 0) {
        put_be32(frame + at + 4, sent_acknowledgement);
        put_be32(frame + at + 8, sent_next);
        how |= HOW_CHECKED;
    }
    unsigned checked = (how & HOW_CHECKED) != 0 ? STACK_CHECKED_IP | STACK_CHECKED_TCP : 0;
    bool is_copied = (how & HOW_COPIED) != 0;
    stack->input(frame, size, checked, is_copied ? NULL : free, frame);
    if (is_copied) free(frame);
    serve();
}

/* The client's addresses, as a neighbour tells them. */
static void greet(void)
{
    static const uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                                    2, 0, 0, 0, 0, 2, 192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
    frame_in(arp, sizeof arp, HOW_CHECKED);
}

static void start(void)
{
    struct stack_config config = {
        .handlers = {NULL, on_transmit, on_accepted, on_received, on_acknowledged, on_finished, on_failed},
        .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .address4 = "192.0.2.1", .prefix4 = 24, .address6 = "2001:db8::1",
        .super_bytes = SUPER_BYTES,
    };
    stack = stack_at(0);
    FUZZ_CHECK(stack != NULL && stack->open(&config, now_ms) == NULL && stack->listen(PORT, 0));
}

/* Nothing of the connections may be left, once time has gone by. */
static void settle(void)
{
    struct stack_stats s;
    serve();
    for (struct connection *c = connections; c < connections + CONNECTIONS_MAX; c++) {
        if (c->is_used) end(c);
        c->is_used = false;
    }
    for (uint64_t end_ms = now_ms + SETTLE_MS_MAX; now_ms < end_ms;) {
        stack->stats(&s);
        if (s.connections == 0 && s.segments_queued == 0 && s.frames_kept == 0) return;
        stack->tick(now_ms += STEP_MS);
        serve();
    }
    FUZZ_CHECK(s.connections == 0);
    FUZZ_CHECK(s.segments_queued == 0);
    FUZZ_CHECK(s.frames_kept == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cursor in = cursor_of(bytes, size);
    if (stack == NULL) start();
    greet();
    while (cursor_left(&in) >= 2) {
        struct cursor piece = fuzz_piece(&in);
        if (cursor_left(&piece) == 0) continue;
        unsigned how = (unsigned)cursor_be(&piece, 1);
        frame_in(piece.at, (uint32_t)cursor_left(&piece), how);
    }
    settle();
    return 0;
}
