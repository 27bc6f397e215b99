#include "tests/dataplane/sim_server.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_BYTES_MAX = 24 << 20, ARENA_BYTES = 4 << 20 };

struct sim_server *sim_start(uint32_t logs_max, uint32_t log_bytes_max, struct serve_config config, uint64_t seed)
{
    struct err_msg msg = {0};
    struct port *port;
    struct sim_server *s = aligned_alloc(_Alignof(struct sim_server), sizeof *s);
    ck_assert_ptr_nonnull(s);
    memset(s, 0, sizeof *s);
    if (config.thread_count == 0) config.thread_count = 1;
    if (config.connections_max == 0) config.connections_max = 16;
    if (config.request_bytes_max == 0) config.request_bytes_max = 1 << 20;
    if (config.send_pinned_bytes_max == 0) config.send_pinned_bytes_max = 64 << 20;
    s->storage = memory_storage_new(logs_max, log_bytes_max);
    s->lcore = aligned_alloc(_Alignof(struct serve_lcore), sizeof *s->lcore);
    memset(s->lcore, 0, sizeof *s->lcore);
    s->frame = malloc(FRAME_BYTES_MAX);
    s->arena = (struct kafka_arena){aligned_alloc(16, ARENA_BYTES), ARENA_BYTES, 0};
    clock_simulated_init(&s->clock, 1700000000000);
    clock_simulated_advance(&s->clock, 1000000);
    random_init(&s->random, seed);
    ck_assert_int_eq(counters_open(&s->counters, NULL, 8192, &msg), ERR_OK);
    waiter_init_simulated(&s->lcore->waiter);
    waiter_init_simulated(&s->coordinator_waiter);
    ck_assert_int_eq(ring_spsc_init(&s->link.to_coordinator, LINK_REQUEST_RING_BYTES), ERR_OK);
    ck_assert_int_eq(ring_spsc_init(&s->link.to_serve, LINK_ANSWER_RING_BYTES), ERR_OK);
    s->link.coordinator_waiter = &s->coordinator_waiter;
    s->link.serve_waiter = &s->lcore->waiter;
    ck_assert_int_eq(port_sim_open(&port, config.connections_max, seed == 0 ? NULL : &s->random), ERR_OK);
    s->disk = (struct disk_space){.total_bytes = 2000, .usable_bytes = 500};
    struct node node = {.storage = s->storage, .cluster_id = kafka_string_of("simulated"), .fetch_bytes_max = 8 << 20,
                        .log_dir = "/", .disk = &s->disk,
                        .settings = {.retention_ms = 86400000, .segment_bytes = 64 << 20,
                                                     .offsets_retention_ms = 7200000}};
    struct listener_config listeners[] = {{.name = "first", .host = "192.0.2.1", .advertised_host = "broker.test"},
                                          {.name = "other", .host = "192.0.2.2", .advertised_host = "other.test"}};
    for (uint16_t i = 0; i < 2; i++) {
        listeners[i].idle_timeout_ms = SIM_IDLE_MS;
        listeners[i].request_timeout_ms = SIM_REQUEST_MS;
        listeners[i].inflight_bytes_max = SIM_INFLIGHT_BYTES;
        listeners[i].request_bytes_max = config.request_bytes_max;
        ck_assert_int_eq(listener_init(&s->listener[i], &listeners[i], &node, &msg), ERR_OK);
        listener_bound(&s->listener[i], (uint16_t)(9092 + i));
    }
    enum err e = serve_lcore_init(s->lcore, &config, s->listener, 2, port, &s->link, &s->clock.clock, s->counters,
                                  &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    return s;
}

void sim_stop(struct sim_server *s)
{
    serve_stop(s->lcore);
    for (int i = 0; i < 100000 && !serve_is_drained(s->lcore); i++) serve_step(s->lcore);
    ck_assert(serve_is_drained(s->lcore));
    ck_assert_uint_eq(s->lcore->arena.used_bytes, 0);
    ck_assert_uint_eq(s->lcore->parked_count, 0);
    ck_assert_uint_eq(s->lcore->timer_count, 0);
    serve_lcore_fini(s->lcore);
    free(s->lcore);
    ring_spsc_fini(&s->link.to_coordinator);
    ring_spsc_fini(&s->link.to_serve);
    counters_close(s->counters);
    memory_storage_free(s->storage);
    free(s->arena.bytes);
    free(s->frame);
    free(s);
}

void sim_settle(struct sim_server *s)
{
    int still = 0; /* turns without work: the network's luck may pause for a few */
    for (int i = 0; i < 1000000 && still < 40; i++) still = serve_step(s->lcore) == 0 ? still + 1 : 0;
    ck_assert_int_eq(still, 40);
}

void sim_advance_ms(struct sim_server *s, uint64_t ms)
{
    clock_simulated_advance(&s->clock, ms * 1000000);
    sim_settle(s);
}

void sim_send(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version, const void *body)
{
    size_t size = request_make(api_key, version, ++s->correlation_id, body, s->frame, FRAME_BYTES_MAX);
    ck_assert(port_sim_write(peer, s->frame, size));
}

bool sim_receive(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version, void *out)
{
    if (port_sim_readable(peer) < 4) return false;
    ck_assert_uint_eq(port_sim_read(peer, s->frame, 4), 4);
    struct cursor c = cursor_of(s->frame, 4);
    size_t size = (size_t)cursor_be(&c, 4);
    ck_assert_uint_le(size + 4, FRAME_BYTES_MAX);
    ck_assert_uint_eq(port_sim_read(peer, s->frame + 4, size), size);
    s->frame_size = size + 4;
    c = cursor_of(s->frame + 4, 4);
    response_read(api_key, version, (int32_t)cursor_be(&c, 4), s->frame, s->frame_size, &s->arena, out);
    return true;
}

void sim_ask(struct sim_server *s, struct port_sim_peer *peer, int16_t api_key, int16_t version, const void *body,
             void *out)
{
    sim_send(s, peer, api_key, version, body);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, api_key, version, out));
    ck_assert_uint_eq(port_sim_readable(peer), 0);
}
