/* Goal: connections that are slow or stand still cannot keep the memory that capture and other readers need.  What they
 * have not handed to the network is copied out, and the client gets the very bytes all the same; who takes long gets
 * copies from the start, until it is prompt again; and only when that is not enough the oldest pin's connection ends,
 * and no other.  Who waits for the disk is not passed over. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum {
    CHUNK_BYTES = 100000, CLIENTS = 3, PIECE_BYTES = 300, PIECES = 10,
    HEAD_BYTES = 150 /* of an answer: some of its first record's bytes, too */
};

static struct client *client_of(struct sim_server *s, int i) { return &s->lcore->clients[i]; }

/* Asks for all from offset 0; the peer takes no more than `window` bytes of the answer. */
static void fetch(struct sim_server *s, struct port_sim_peer *peer, size_t window)
{
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", 0, 0, 1);
    port_sim_window(peer, window);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
}

/* Opens the window and takes the answer, whose records must be these. */
static void receive(struct sim_server *s, struct port_sim_peer *peer, const void *records, size_t size)
{
    struct fetch_response out;
    port_sim_window(peer, SIZE_MAX);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    const struct kafka_records *got = &out.responses[0].partitions[0].records;
    ck_assert_uint_eq((size_t)got->size, size);
    ck_assert_mem_eq(got->bytes, records, size);
}

struct site {
    struct sim_server *s;
    struct log *log;
    uint8_t *records; /* a copy of all that is in the log */
    size_t   size;
    struct port_sim_peer *peer[CLIENTS];
};

/* One log whose records lie in PIECES pieces, each of which keeps CHUNK_BYTES. */
static struct site site_make(void)
{
    struct site t = {.s = sim_start(1, 1 << 20, (struct serve_config){0}, 0)};
    t.log = memory_log_new(t.s->storage, "orders");
    t.log->held_bytes = CHUNK_BYTES;
    t.log->piece_bytes_max = PIECE_BYTES;
    for (int i = 0; t.log->used_bytes <= (PIECES - 1) * PIECE_BYTES; i++)
        memory_log_append(t.s->storage, t.log, 1, 100, 1000);
    t.size = t.log->used_bytes;
    t.records = malloc(t.size);
    ck_assert_ptr_nonnull(t.records);
    memcpy(t.records, t.log->bytes, t.size);
    for (int i = 0; i < CLIENTS; i++) t.peer[i] = port_sim_connect(t.s->lcore->port);
    sim_settle(t.s);
    return t;
}

static void site_end(struct site *t)
{
    for (int i = 0; i < CLIENTS; i++) port_sim_hang_up(t->peer[i]);
    sim_stop(t->s);
    free(t->records);
}

START_TEST(a_small_record_pins_its_whole_chunk)
{
    struct site t = site_make();
    fetch(t.s, t.peer[0], 0);
    ck_assert_int_eq(client_of(t.s, 0)->state, CLIENT_SENDING);
    ck_assert_uint_eq(client_of(t.s, 0)->pinned_bytes, PIECES * CHUNK_BYTES);
    receive(t.s, t.peer[0], t.records, t.size);
    ck_assert_uint_eq(client_of(t.s, 0)->pinned_bytes, 0);
    site_end(&t);
}
END_TEST

/* Time without work is idle, or backpressured: an answer waits for its peer.  Also one that the peer never takes. */
START_TEST(time_in_which_only_the_network_could_go_on_is_counted_apart)
{
    struct site t = site_make();
    const struct serve_counters *c = &t.s->lcore->counters;
    sim_advance_ms(t.s, 1000);
    ck_assert_uint_eq(counter_get(c->backpressured_ns), 0);
    uint64_t idle_ns = counter_get(c->idle_ns);
    fetch(t.s, t.peer[0], 0);
    fetch(t.s, t.peer[1], 0);
    sim_advance_ms(t.s, 700);
    ck_assert_uint_eq(counter_get(c->backpressured_ns), 700 * 1000000ull);
    ck_assert_uint_eq(counter_get(c->idle_ns), idle_ns);
    receive(t.s, t.peer[0], t.records, t.size);
    sim_advance_ms(t.s, 300);
    ck_assert_uint_eq(counter_get(c->backpressured_ns), 1000 * 1000000ull);
    port_sim_hang_up(t.peer[1]);
    sim_settle(t.s);
    sim_advance_ms(t.s, 500);
    ck_assert_uint_eq(counter_get(c->backpressured_ns), 1000 * 1000000ull);
    ck_assert_uint_eq(counter_get(c->idle_ns), idle_ns + 500 * 1000000ull);
    ck_assert_uint_eq(c->port_count, 1);
    ck_assert_uint_gt(counter_get(c->port[0].counter[PORT_COUNTER_received_bytes]), 0);
    ck_assert_ptr_null(c->port[0].counter[PORT_COUNTER_packets_sent]);
    t.peer[1] = port_sim_connect(t.s->lcore->port);
    site_end(&t);
}
END_TEST

/* `_i`: whole pieces that the peer has taken when it begins to stand still. */
START_TEST(what_is_not_handed_over_is_copied_out)
{
    struct site t = site_make();
    struct serve_lcore *lcore = t.s->lcore;
    fetch(t.s, t.peer[0], _i == 0 ? 0 : HEAD_BYTES + (size_t)(_i - 1) * PIECE_BYTES);
    sim_advance_ms(t.s, 10 * RELIEF_MS);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), PIECES); /* nobody misses it */
    ck_assert_uint_eq(lcore->relieved_bytes, 0);
    atomic_store(&t.s->storage->is_wanted, true);
    sim_advance_ms(t.s, RELIEF_MS);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), _i);
    ck_assert_uint_eq(client_of(t.s, 0)->pinned_bytes, (uint64_t)_i * CHUNK_BYTES);
    ck_assert_uint_gt(lcore->relieved_bytes, 0);
    memset(t.log->bytes + _i * PIECE_BYTES, 0xee, t.size - (size_t)_i * PIECE_BYTES); /* the chunk is used again */
    receive(t.s, t.peer[0], t.records, t.size);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), 0);
    ck_assert_uint_eq(lcore->relieved_bytes, 0);
    site_end(&t);
}
END_TEST

/* What a reader has little of is copied by the network, and not kept until the peer has it. */
START_TEST(what_is_scarce_is_not_lent)
{
    struct site t = site_make();
    struct histogram *lent = t.s->lcore->counters.sent_to_acknowledged_ns; /* of answers with lent bytes */
    atomic_store(&t.s->storage->is_scarce, true);
    fetch(t.s, t.peer[0], 0);
    receive(t.s, t.peer[0], t.records, t.size);
    ck_assert_uint_eq(atomic_load(&lent->count), 0);
    atomic_store(&t.s->storage->is_scarce, false);
    fetch(t.s, t.peer[0], 0);
    receive(t.s, t.peer[0], t.records, t.size);
    ck_assert_uint_eq(atomic_load(&lent->count), 1);
    site_end(&t);
}
END_TEST

START_TEST(who_takes_long_gets_copies_until_it_is_prompt)
{
    struct site t = site_make();
    struct client *c = client_of(t.s, 0);
    fetch(t.s, t.peer[0], 0);
    sim_advance_ms(t.s, LATE_MS - 1);
    sim_advance_ms(t.s, LATE_MS);
    ck_assert(c->is_slow); /* also before it ends */
    receive(t.s, t.peer[0], t.records, t.size);
    fetch(t.s, t.peer[0], 0);
    ck_assert_int_eq(c->state, CLIENT_SENDING);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), 0);
    memset(t.log->bytes, 0xee, t.size);
    receive(t.s, t.peer[0], t.records, t.size);
    memcpy(t.log->bytes, t.records, t.size);
    for (int i = 1; i < PROMPT_ANSWERS; i++) { /* the one above was prompt, too */
        ck_assert(c->is_slow);
        fetch(t.s, t.peer[0], SIZE_MAX);
        receive(t.s, t.peer[0], t.records, t.size);
    }
    ck_assert(!c->is_slow);
    fetch(t.s, t.peer[0], 0);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), PIECES);
    receive(t.s, t.peer[0], t.records, t.size);
    site_end(&t);
}
END_TEST

START_TEST(the_oldest_pin_ends_when_nothing_else_helps)
{
    struct site t = site_make();
    struct counter *closed = t.s->lcore->counters.closed[CLOSE_STALLED];
    for (int i = 0; i < CLIENTS; i++) { /* the second stands still first, the first last */
        fetch(t.s, t.peer[(i + 1) % CLIENTS], HEAD_BYTES);
        sim_advance_ms(t.s, 10);
    }
    atomic_store(&t.s->storage->is_wanted, true);
    sim_advance_ms(t.s, 2 * STALLED_MS);
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), CLIENTS); /* what the network holds */
    ck_assert_uint_eq(counter_get(closed), 0);
    atomic_store(&t.s->storage->must_let_go, true);
    sim_advance_ms(t.s, RELIEF_MS);
    sim_advance_ms(t.s, RELIEF_MS);
    ck_assert_uint_eq(counter_get(closed), 1); /* one, and then a look at what that helped */
    ck_assert(port_sim_is_closed(t.peer[1]) && !port_sim_is_closed(t.peer[0]) && !port_sim_is_closed(t.peer[2]));
    sim_advance_ms(t.s, STALLED_PAUSE_MS);
    ck_assert_uint_eq(counter_get(closed), 2);
    ck_assert(port_sim_is_closed(t.peer[2]) && !port_sim_is_closed(t.peer[0]));
    atomic_store(&t.s->storage->must_let_go, false);
    sim_advance_ms(t.s, 10 * STALLED_PAUSE_MS);
    ck_assert_uint_eq(counter_get(closed), 2);
    receive(t.s, t.peer[0], t.records, t.size); /* it was only slow */
    site_end(&t);
}
END_TEST

START_TEST(a_young_pin_is_left_alone)
{
    struct site t = site_make();
    atomic_store(&t.s->storage->is_wanted, true);
    atomic_store(&t.s->storage->must_let_go, true);
    fetch(t.s, t.peer[0], HEAD_BYTES);
    sim_advance_ms(t.s, STALLED_MS - 1);
    ck_assert(!port_sim_is_closed(t.peer[0]));
    sim_advance_ms(t.s, RELIEF_MS);
    ck_assert(port_sim_is_closed(t.peer[0]));
    ck_assert_int_eq(atomic_load(&t.s->storage->pins), 0);
    site_end(&t);
}
END_TEST

/* Those that wait for the disk, in their order. */
static void waiting(const struct sim_server *s, const struct client *out[CLIENTS])
{
    int count = 0;
    for (const struct client *c = s->lcore->disk.first; c != NULL; c = c->list_next) {
        ck_assert_int_lt(count, CLIENTS);
        out[count++] = c;
    }
    ck_assert_int_eq(count, CLIENTS);
}

START_TEST(who_waits_again_keeps_its_turn)
{
    struct site t = site_make();
    const struct client *before[CLIENTS], *after[CLIENTS];
    struct simple_fetch f;
    atomic_store(&t.log->is_cold, true);
    for (int i = 0; i < CLIENTS; i++) { /* what the disk has read for the last one is no use to the others */
        simple_fetch_init(&f, "orders", i, 0, 1);
        sim_send(t.s, t.peer[i], KAFKA_API_FETCH, 11, &f.request);
    }
    (void)serve_step(t.s->lcore);
    waiting(t.s, before);
    for (int i = 0; i < 3; i++) (void)serve_step(t.s->lcore);
    waiting(t.s, after);
    ck_assert_mem_eq(before, after, sizeof before);
    atomic_store(&t.log->is_cold, false);
    sim_settle(t.s);
    for (int i = 0; i < CLIENTS; i++) ck_assert_uint_gt(port_sim_readable(t.peer[i]), 0);
    site_end(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kafka");
    TCase *c = tcase_create("stalled connections");
    tcase_add_test(c, a_small_record_pins_its_whole_chunk);
    tcase_add_test(c, time_in_which_only_the_network_could_go_on_is_counted_apart);
    tcase_add_loop_test(c, what_is_not_handed_over_is_copied_out, 0, 4);
    tcase_add_test(c, what_is_scarce_is_not_lent);
    tcase_add_test(c, who_takes_long_gets_copies_until_it_is_prompt);
    tcase_add_test(c, the_oldest_pin_ends_when_nothing_else_helps);
    tcase_add_test(c, a_young_pin_is_left_alone);
    tcase_add_test(c, who_waits_again_keeps_its_turn);
    suite_add_tcase(s, c);
    return suite_run(s);
}
