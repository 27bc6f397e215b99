/* Goal: among thousands of connections that come, end and are cut off at any moment, each segment reaches its own, and
 * none is searched for in a list.  Two copies of the stack in one thread, a network in memory that loses some, a clock
 * moved by hand: a seed gives the same run on every machine.  The stack itself looks each second whether its table and
 * lwIP's lists are the same, and ends the process where they are not.  MILLRACE_LONG=1: 100 seeds;
 * MILLRACE_SEEDS=FROM-TO: these. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/lwip/stack.h"
#include "tests/suite.h"

enum {
    CONNECTIONS = 3000, FRAMES_MAX = 16384, FRAME_BYTES_MAX = 1600, ANSWER_BYTES = 4000, PORT = 9092,
    STEPS = 4000, BEGUN_A_STEP = 6, ACTS_A_STEP = 36,
};

struct side { /* of a connection */
    struct stack_pcb *pcb; /* NULL: it is over here */
    uint32_t id, received, owed, to_send; /* owed: bytes not yet said to be consumed */
    bool     is_used, is_there, is_finished;
};

struct end {
    const struct stack_operations *stack;
    struct side side[CONNECTIONS];
    struct stack_bytes *kept[FRAMES_MAX];
    uint32_t kept_count;
};

struct frame { unsigned to; uint32_t size; uint8_t *bytes; };

static struct {
    struct random random;
    struct end end[2]; /* 0: the server */
    struct frame frame[FRAMES_MAX];
    uint32_t frame_count, lost_of_1000, used;
    uint64_t now_ms, answers, failed;
    bool     is_over; /* nobody is let in any more */
} w;

/* What the client of this number asks for: no two answers have the same bytes in the same places. */
static uint8_t byte_of(uint32_t id, uint32_t at) { return (uint8_t)(id * 37 + (id >> 8) + at * 11); }

static bool on_transmit(void *context, void *connection, const struct stack_slice *slice, unsigned count,
                        uint32_t packet_bytes)
{
    struct frame *f = &w.frame[w.frame_count];
    uint8_t bytes[FRAME_BYTES_MAX];
    uint32_t size = 0;
    (void)connection;
    ck_assert_uint_eq(packet_bytes, 0);
    if (w.frame_count == FRAMES_MAX) return false;
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_le(size + slice[i].size, sizeof bytes);
        memcpy(bytes + size, slice[i].bytes, slice[i].size);
        size += slice[i].size;
    }
    if (random_below(&w.random, 1000) < w.lost_of_1000) return true;
    *f = (struct frame){context == &w.end[0] ? 1 : 0, size, malloc(size)};
    memcpy(f->bytes, bytes, size);
    w.frame_count++;
    return true;
}

static struct side *side_new(struct end *e)
{
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        struct side *s = &e->side[(w.used + i) % CONNECTIONS];
        if (s->is_used) continue;
        w.used = (w.used + i + 1) % CONNECTIONS;
        *s = (struct side){.is_used = true};
        return s;
    }
    return NULL;
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    struct side *s = w.is_over ? NULL : side_new(context);
    (void)listener;
    if (s == NULL) return NULL;
    s->pcb = pcb;
    s->is_there = true;
    return s;
}

static void on_connected(void *connection) { ((struct side *)connection)->is_there = true; }

static void on_received(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    struct side *s = connection;
    bool is_server = s >= w.end[0].side && s < w.end[0].side + CONNECTIONS;
    struct end *e = &w.end[is_server ? 0 : 1];
    ck_assert(s->is_used && s->pcb != NULL);
    if (is_server) {
        ck_assert_uint_eq(size, 4); /* one segment, a number */
        memcpy(&s->id, bytes, 4);
        s->to_send = ANSWER_BYTES;
    } else {
        uint32_t right = 0;
        while (right < size && bytes[right] == byte_of(s->id, s->received + right)) right++;
        ck_assert_uint_eq(right, size);
        s->received += size;
        ck_assert_uint_le(s->received, ANSWER_BYTES);
        w.answers += s->received == ANSWER_BYTES;
    }
    s->owed += size;
    ck_assert_uint_lt(e->kept_count, FRAMES_MAX);
    e->kept[e->kept_count++] = keep;
}

static void on_acknowledged(void *connection, uint32_t size) { (void)connection, (void)size; }
static void on_finished(void *connection) { ((struct side *)connection)->is_finished = true; }

static void on_failed(void *connection)
{
    struct side *s = connection;
    s->is_used = false;
    s->pcb = NULL;
    w.failed++;
}

static void side_end(struct end *e, struct side *s, bool is_abort)
{
    if (is_abort) {
        e->stack->abort(s->pcb);
    } else {
        if (random_below(&w.random, 4) != 0) e->stack->consumed(s->pcb, s->owed); /* else it is reset */
        e->stack->close(s->pcb);
    }
    s->is_used = false;
    s->pcb = NULL;
}

static void ask(struct end *client)
{
    struct side *s = side_new(client);
    if (s == NULL) return;
    s->id = (uint32_t)random_u64(&w.random);
    s->pcb = client->stack->connect("192.0.2.1", PORT, s, on_connected);
    if (s->pcb == NULL) s->is_used = false; /* no port is free */
}

/* Goes on with one of them, or ends it. */
static void act(unsigned who)
{
    struct end *e = &w.end[who];
    struct side *s = &e->side[random_below(&w.random, CONNECTIONS)];
    if (!s->is_used || s->pcb == NULL) return;
    uint64_t chance = random_below(&w.random, 100);
    if (chance < 2 || s->is_finished || (who == 1 && s->received == ANSWER_BYTES && chance < 50)) {
        side_end(e, s, chance % 2 == 0);
    } else if (who == 1 && s->is_there && s->to_send == 0) {
        s->to_send = UINT32_MAX; /* asked */
        ck_assert(e->stack->write(s->pcb, (const uint8_t *)&s->id, 4, false, true));
        (void)e->stack->output(s->pcb);
    }
}

static void answer(struct side *s)
{
    uint8_t bytes[ANSWER_BYTES];
    const struct stack_operations *stack = w.end[0].stack;
    if (!s->is_used || s->pcb == NULL || s->to_send == 0 || stack->room(s->pcb) < ANSWER_BYTES) return;
    for (uint32_t i = 0; i < ANSWER_BYTES; i++) bytes[i] = byte_of(s->id, i);
    if (!stack->write(s->pcb, bytes, ANSWER_BYTES, false, true)) return;
    s->to_send = 0;
    (void)stack->output(s->pcb);
}

static void step(uint64_t ms)
{
    static struct frame now[FRAMES_MAX];
    uint32_t count = w.frame_count;
    w.now_ms += ms;
    memcpy(now, w.frame, count * sizeof *now);
    w.frame_count = 0;
    for (uint32_t i = 0; i < count; i++)
        w.end[now[i].to].stack->input(now[i].bytes, now[i].size, 0, free, now[i].bytes);
    for (unsigned k = 0; k < 2; k++) {
        while (w.end[k].kept_count > 0) w.end[k].stack->give_back(w.end[k].kept[--w.end[k].kept_count]);
        w.end[k].stack->tick(w.now_ms);
    }
}

static void world_open(uint64_t seed)
{
    static const char *const address[2] = {"192.0.2.1", "192.0.2.2"};
    memset(&w, 0, sizeof w);
    random_init(&w.random, seed);
    w.now_ms = 1000;
    w.lost_of_1000 = (uint32_t)random_below(&w.random, 20);
    for (unsigned k = 0; k < 2; k++) {
        struct end *e = &w.end[k];
        e->stack = stack_at(k);
        struct stack_config config = {
            .handlers = {e, on_transmit, on_accepted, on_received, on_acknowledged, on_finished, on_failed},
            .mac = {2, 0, 0, 0, 0, (uint8_t)(k + 1)}, .mtu = 1500, .address4 = address[k], .prefix4 = 24,
            .secret = {(uint8_t)seed, (uint8_t)(seed >> 8), (uint8_t)k}};
        ck_assert_ptr_null(e->stack->open(&config, w.now_ms));
    }
    ck_assert(w.end[0].stack->listen(PORT, 0));
}

START_TEST(each_segment_reaches_its_connection)
{
    struct stack_stats stats[2];
    uint32_t most = 0;
    world_open((uint64_t)_i);
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < BEGUN_A_STEP; k++) ask(&w.end[1]);
        for (int k = 0; k < ACTS_A_STEP; k++) act(random_below(&w.random, 8) == 0 ? 0 : 1);
        for (uint32_t k = 0; k < CONNECTIONS; k++) answer(&w.end[0].side[k]);
        step(1);
        if (i % 64 != 0) continue;
        w.end[1].stack->stats(&stats[1]);
        if (stats[1].connections > most) most = stats[1].connections;
    }
    ck_assert_uint_gt(w.answers, 1000);
    ck_assert_uint_gt(w.failed, 100); /* and many were cut off */
    ck_assert_uint_gt(most, 5000);    /* with those in TIME_WAIT */
    w.is_over = true;
    for (unsigned k = 0; k < 2; k++)
        for (uint32_t i = 0; i < CONNECTIONS; i++)
            if (w.end[k].side[i].pcb != NULL) side_end(&w.end[k], &w.end[k].side[i], i % 2 == 0);
    for (int i = 0; i < 200000 / 16; i++) step(16); /* beyond TIME_WAIT, and the last retransmission */
    for (unsigned k = 0; k < 2; k++) {
        w.end[k].stack->stats(&stats[k]);
        ck_assert_uint_eq(stats[k].walked, 0);
        ck_assert_uint_eq(stats[k].connections, 0);
        ck_assert_uint_eq(stats[k].segments_queued, 0);
        ck_assert_uint_eq(stats[k].frames_kept, 0);
        ck_assert_uint_gt(stats[k].segments_received, 10000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack_many");
    TCase *t = tcase_create("stack_many");
    int from = 0, to = getenv("MILLRACE_LONG") != NULL ? 100 : 1;
    const char *range = getenv("MILLRACE_SEEDS");
    if (range != NULL && (sscanf(range, "%d-%d", &from, &to) != 2 || from < 0 || to <= from)) return 2;
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, each_segment_reaches_its_connection, from, to);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
