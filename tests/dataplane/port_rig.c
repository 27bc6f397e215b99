#include "tests/dataplane/port_rig.h"

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

#include "tests/dataplane/veth.h"

enum {
    ANSWER_BYTES_MAX = 300000,
    PIECES_MAX       = 3,
    AHEAD_MAX        = 4, /* requests of a client that are under way */
    TIMEOUT_MS       = 500,  /* before a first retransmission, at a round trip of 0.1 s */
    /* A SYN's first one is 1 s, a look at a window that stays shut every 8 s; the rest is the machine's, which does not
     * always let the cable run: beside other tests only a connection that hangs is a finding. */
    SLACK_MS = 10000, SLACK_BESIDE_OTHERS_MS = 60000,
    STALL_MS_MAX     = 120000, /* lwIP and Linux give up later */
    STEP_MS          = 20, /* a turn, at most */
    TIME_WAIT_S      = 130, IDLE_CLOSE_S = 1, EMPTY_S = 100,
};

struct request { uint32_t at, size, mode, is_last; };

struct answer {
    struct port_message message; /* first: the port gives it back */
    struct port_piece piece[PIECES_MAX];
    bool is_last;
};

static struct chunk_pool pool = {.chunk_bytes = RIG_CHUNK_BYTES, .chunk_count = RIG_CHUNKS};
static struct { uint8_t bytes[sizeof(struct request)]; uint32_t have; bool is_open; } input[RIG_CONNECTIONS];
static uint64_t lent_messages;
static struct port_dpdk_stats begun;

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

/* The next request of a story. */
static struct request request_of(uint64_t *seed, bool is_last)
{
    struct random random;
    random_init(&random, *seed);
    *seed = random_u64(&random);
    uint32_t most = random_below(&random, 3) == 0 ? ANSWER_BYTES_MAX : 3000;
    struct request q = {.size = 1 + (uint32_t)random_below(&random, most), .mode = (uint32_t)random_below(&random, 4)};
    q.at = (uint32_t)random_below(&random, RIG_CHUNK_BYTES * RIG_CHUNKS - q.size);
    q.is_last = is_last;
    return q;
}

/* --- the server --- */

static void answer(struct port *p, uint32_t connection, const struct request *q)
{
    struct answer *a = calloc(1, sizeof *a);
    uint32_t at = q->at, left = q->size;
    ck_assert(q->size > 0 && q->size <= ANSWER_BYTES_MAX && q->at + q->size <= RIG_CHUNK_BYTES * RIG_CHUNKS);
    a->message.piece = a->piece;
    a->message.may_copy_only = q->mode == 3;
    a->is_last = q->is_last != 0;
    while (left > 0) { /* a small one before the large one, as a header is */
        uint32_t part = a->message.piece_count == 0 && left > 100 ? 50 : left;
        a->piece[a->message.piece_count++] = (struct port_piece){pool.bytes + at, part, q->mode != 2 && part != 50};
        at += part;
        left -= part;
    }
    lent_messages++;
    port_send(p, connection, &a->message);
}

static void on_data(struct port *p, const struct port_event *e)
{
    for (uint32_t i = 0; i < e->size; i++) {
        input[e->connection].bytes[input[e->connection].have++] = e->bytes[i];
        if (input[e->connection].have < sizeof(struct request)) continue;
        struct request q;
        memcpy(&q, input[e->connection].bytes, sizeof q);
        input[e->connection].have = 0;
        answer(p, e->connection, &q);
    }
}

static unsigned serve(struct port *p)
{
    struct port_event event[64];
    unsigned count = port_poll(p, event, 64);
    for (unsigned i = 0; i < count; i++) {
        const struct port_event *e = &event[i];
        struct answer *a;
        switch (e->kind) {
        case PORT_ACCEPTED:
            ck_assert(!input[e->connection].is_open);
            input[e->connection].have = 0;
            input[e->connection].is_open = true;
            break;
        case PORT_DATA: on_data(p, e); break;
        case PORT_SENT:
            a = (struct answer *)e->message;
            if (a->is_last) port_close(p, e->connection);
            break;
        case PORT_RELEASED:
            free((struct answer *)e->message);
            lent_messages--;
            break;
        case PORT_CLOSED:
            ck_assert(input[e->connection].is_open);
            input[e->connection].is_open = false;
            break;
        case PORT_SECURED: ck_abort(); break;
        }
    }
    return count;
}

/* --- clients --- */

static void client_begin(struct rig *r, struct rig_client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT)};
    int on = 1, bytes = 16384;
    inet_pton(AF_INET, VETH_SERVER4, &a.sin_addr);
    uint64_t seed = random_u64(&r->random);
    *c = (struct rig_client){.total = 1 + (uint32_t)random_below(&r->random, 40), .asks = seed, .expects = seed,
                             .moved_ns = now_ns(), .retransmitted = r->retransmitted, .idle_ns = r->idle_ns};
    c->wants_reset = random_below(&r->random, 4) == 0;
    c->server_ends = random_below(&r->random, 3) == 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (random_below(&r->random, 4) == 0) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    int rc = connect(c->fd, (struct sockaddr *)&a, sizeof a);
    ck_assert_msg(rc == 0 || errno == EINPROGRESS, "connecting: %s", strerror(errno));
}

static uint32_t retransmitted_here(const struct rig_client *c)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    (void)getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_total_retrans;
}

static void client_moved(const struct rig *r, struct rig_client *c)
{
    c->moved_ns = now_ns();
    c->idle_ns = r->idle_ns;
    c->retransmitted = r->retransmitted;
}

/* Something moved: is what was sent again since the last time enough for so long a pause? */
static void stall_judge(struct rig *r, struct rig_client *c)
{
    uint64_t now = now_ns(), gap_ns = now - c->moved_ns;
    uint32_t here = retransmitted_here(c);
    uint64_t again = r->retransmitted - c->retransmitted + here - c->retransmitted_here;
    uint64_t slack_ms = getenv("MILLRACE_LONG") != NULL ? SLACK_MS : SLACK_BESIDE_OTHERS_MS;
    uint64_t explained_ms = slack_ms + ((uint64_t)TIMEOUT_MS << (again > 8 ? 8 : again + 1));
    gap_ns -= r->idle_ns - c->idle_ns < gap_ns ? r->idle_ns - c->idle_ns : gap_ns;
    ck_assert_msg(gap_ns / 1000000 <= explained_ms, "nothing came for %lu ms, and only %lu segments were sent again",
                  (unsigned long)(gap_ns / 1000000), (unsigned long)again);
    if (gap_ns > r->longest_ns) {
        r->longest_ns = gap_ns;
        r->longest_retransmitted = again;
    }
    client_moved(r, c);
    c->retransmitted_here = here;
}

static void client_end(struct rig *r, struct rig_client *c, bool by_reset)
{
    struct linger reset = {1, 0};
    if (by_reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(c->fd);
    c->fd = -1;
    r->resets += by_reset;
    r->stories++;
}

static void client_ask(struct rig_client *c)
{
    while (c->asked < c->total && c->asked - c->answers < AHEAD_MAX) {
        uint64_t seed = c->asks;
        bool is_last = c->server_ends && c->asked + 1 == c->total;
        struct request q = request_of(&seed, is_last);
        ssize_t n = send(c->fd, &q, sizeof q, MSG_NOSIGNAL);
        if (n != (ssize_t)sizeof q) { /* so few bytes go whole, or not at all */
            ck_assert_msg(n < 0 && errno == EAGAIN, "a request went by %zd bytes: %s", n, strerror(errno));
            return;
        }
        c->asks = seed;
        c->asked++;
    }
}

/* Bytes of answers; returns whether there may be more. */
static bool client_take(struct rig *r, struct rig_client *c)
{
    static uint8_t bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0) {
        ck_assert_msg(errno == EAGAIN, "a client's connection failed: %s", strerror(errno));
        return false;
    }
    stall_judge(r, c);
    if (n == 0) {
        ck_assert_msg(c->server_ends && c->answers == c->total, "ended after %u of %u answers", c->answers, c->total);
        client_end(r, c, false);
        return false;
    }
    r->bytes += (uint64_t)n;
    for (ssize_t at = 0; at < n;) {
        if (c->have == 0) {
            ck_assert_uint_lt(c->answers, c->asked);
            struct request q = request_of(&c->expects, false);
            c->at = q.at;
            c->size = q.size;
        }
        uint32_t part = c->size - c->have < (uint32_t)(n - at) ? c->size - c->have : (uint32_t)(n - at);
        ck_assert(memcmp(bytes + at, pool.bytes + c->at + c->have, part) == 0);
        c->have += part;
        at += part;
        if (c->have < c->size) continue;
        c->have = 0;
        c->answers++;
    }
    return true;
}

static bool is_connected(struct rig_client *c)
{
    int why = 0;
    socklen_t size = sizeof why;
    struct sockaddr_in a;
    socklen_t a_size = sizeof a;
    if (c->is_connected) return true;
    (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &size);
    ck_assert_msg(why == 0, "connecting failed: %s", strerror(why));
    c->is_connected = getpeername(c->fd, (struct sockaddr *)&a, &a_size) == 0;
    return c->is_connected;
}

static void waits_for_ever(const struct rig_client *c)
{
    struct tcp_info info = {0};
    struct sockaddr_in own = {0};
    socklen_t size = sizeof info, own_size = sizeof own;
    (void)getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    (void)getsockname(c->fd, (struct sockaddr *)&own, &own_size);
    ck_abort_msg("a client waits for ever: %u of %u asked, %u answered%s; port %u, state %u, %u segments not "
                 "acknowledged, %u sent again", c->asked, c->total, c->answers, c->server_ends ? ", then the end" : "",
                 ntohs(own.sin_port), info.tcpi_state, info.tcpi_unacked, info.tcpi_total_retrans);
}

static void client_step(struct rig *r, struct rig_client *c)
{
    if (c->fd < 0 && !r->is_ending) client_begin(r, c);
    if (c->fd < 0) return;
    if (now_ns() < c->rests_until_ns) return;
    bool is_idle = c->is_connected && c->answers == c->total && !c->server_ends;
    if (!is_idle && now_ns() - c->moved_ns > (uint64_t)STALL_MS_MAX * 1000000) waits_for_ever(c);
    if (!is_connected(c)) return;
    client_ask(c);
    for (int i = 0; i < 4 && c->fd >= 0 && client_take(r, c); i++) {}
    if (c->fd < 0) return;
    if (c->wants_reset && c->answers > c->total / 2) client_end(r, c, true);
    else if (c->answers == c->total && !c->server_ends) client_end(r, c, false);
    else if (random_below(&r->random, 2000) == 0) {
        uint64_t rest_ns = 1000000 * (1 + random_below(&r->random, 400));
        c->rests_until_ns = now_ns() + rest_ns;
        c->moved_ns += rest_ns; /* that time it is we who wait */
    }
}

/* --- the rig --- */

void rig_open(struct rig *r, uint64_t seed, unsigned client_count)
{
    struct port_dpdk_config config = {.device = VETH_DEVICE, .address = VETH_SERVER4 "/24", .address6 = VETH_SERVER6,
                                      .mtu = 1500, .lcores = 1};
    struct err_msg msg;
    uint16_t port = RIG_PORT;
    *r = (struct rig){.client_count = client_count};
    random_init(&r->random, seed);
    pool.bytes = aligned_alloc(4096, RIG_CHUNK_BYTES * RIG_CHUNKS);
    random_bytes(&r->random, pool.bytes, RIG_CHUNK_BYTES * RIG_CHUNKS);
    ck_assert_msg(port_dpdk_start(&r->device, &config, &pool, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_msg(port_dpdk_open(&r->port, r->device, 0, &port, 1, RIG_CONNECTIONS, clock_real(), &msg) == ERR_OK, "%s",
                  msg.text);
    for (int i = 0; i < 10; i++) (void)serve(r->port); /* the frames of its opening are gone */
    port_dpdk_stats(r->port, &begun);
    for (unsigned i = 0; i < RIG_CLIENTS_MAX; i++) r->client[i].fd = -1;
}

void rig_step(struct rig *r)
{
    struct port_dpdk_stats s;
    uint64_t bytes = r->bytes, now = now_ns();
    /* The machine was elsewhere: that is nobody's stall. */
    if (r->stepped_ns != 0 && now - r->stepped_ns > (uint64_t)STEP_MS * 1000000) r->idle_ns += now - r->stepped_ns;
    r->stepped_ns = now;
    unsigned count = serve(r->port);
    port_dpdk_stats(r->port, &s);
    r->retransmitted = s.retransmitted;
    for (unsigned i = 0; i < r->client_count; i++) client_step(r, &r->client[i]);
    if (count == 0 && r->bytes == bytes) port_wait(r->port, 1000000);
}

static bool is_empty(const struct rig *r, bool waits_long)
{
    struct port_dpdk_stats s;
    for (uint32_t i = 0; i < RIG_CONNECTIONS; i++)
        if (input[i].is_open) return false;
    port_dpdk_stats(r->port, &s);
    return lent_messages == 0 && s.pins == 0 && s.segments == 0 && s.frames_kept == 0 &&
           s.frames_free == begun.frames_free && s.connections == begun.connections + (waits_long ? 0 : s.time_wait);
}

/* As a server closes those of which nothing was heard for long: the reset that ended them was lost. */
static void idle_close(struct rig *r)
{
    for (uint32_t i = 0; i < RIG_CONNECTIONS; i++)
        if (input[i].is_open) port_close(r->port, i);
}

void rig_close(struct rig *r, bool waits_long)
{
    struct port_dpdk_stats s;
    unsigned clients = r->client_count;
    uint64_t closed_ns = UINT64_MAX, limit_ns = UINT64_MAX; /* clients end by themselves, or fail */
    r->is_ending = true;
    while ((clients > 0 || !is_empty(r, waits_long)) && now_ns() < limit_ns) {
        rig_step(r);
        clients = 0;
        for (unsigned i = 0; i < r->client_count; i++) clients += r->client[i].fd >= 0;
        if (clients > 0) continue;
        if (limit_ns == UINT64_MAX) limit_ns = now_ns() + (uint64_t)(waits_long ? TIME_WAIT_S : EMPTY_S) * 1000000000;
        if (closed_ns == UINT64_MAX) closed_ns = now_ns() + (uint64_t)IDLE_CLOSE_S * 1000000000;
        if (now_ns() < closed_ns) continue;
        closed_ns = UINT64_MAX;
        idle_close(r);
    }
    ck_assert_uint_eq(clients, 0);
    port_dpdk_stats(r->port, &s);
    ck_assert_uint_eq(lent_messages, 0);
    ck_assert_uint_eq(s.pins, 0);
    ck_assert_uint_eq(s.segments, 0);
    ck_assert_uint_eq(s.frames_kept, 0);
    ck_assert_uint_eq(s.frames_free, begun.frames_free);
    ck_assert_uint_eq(s.sent_frames_free, begun.sent_frames_free);
    ck_assert_uint_eq(s.lent_frames_free, begun.lent_frames_free);
    ck_assert_uint_eq(s.connections, begun.connections + (waits_long ? 0 : s.time_wait));
    for (unsigned i = 0; i < RIG_CONNECTIONS; i++) ck_assert(!input[i].is_open);
    port_fini(r->port);
    free(pool.bytes);
}
