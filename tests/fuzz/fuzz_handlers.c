/* A request on a connection that need not log in, over logs with records: no handler reads outside, whatever it asks,
 * and once the client is gone nothing of it is left: no memory, no timer, no piece of a log.
 *
 * Input: a request without its size, as fuzz_requests has it, whose seeds these are.  There is no coordinator: what is
 * for it gets the answer upon which the connection is closed. */
#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"
#include "tests/fuzz/fuzz.h"

/* The fixture asserts with Check, which works within its own runs alone: here a failed assertion is a finding. */
void _mark_point(const char *file, int line) { (void)file, (void)line; }
void _ck_assert_failed(const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s:%d: %s: ", file, line, what);
    va_start(arguments, format);
    if (format != NULL) vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

enum { RECORDS = 300, INPUT_BYTES_MAX = 1 << 16 };

static struct sim_server *sim;

static void settle(void)
{
    for (int still = 0; still < 3;) still = serve_step(sim->lcore) == 0 ? still + 1 : 0;
}

static void start(void)
{
    sim = sim_start(2, 1 << 20, (struct serve_config){.connections_max = 4}, 0);
    struct log *topics[] = {memory_log_new(sim->storage, "matrix"), memory_log_new(sim->storage, "orders")};
    for (int i = 0; i < RECORDS; i++)
        memory_log_append(sim->storage, topics[i % 2], 1 + (uint32_t)i % 7, 10 + (uint32_t)i % 90, 1700000000000 + i);
    settle();
}

static void coordinator_refuses(void)
{
    uint32_t size;
    for (const struct link_request *r; (r = ring_spsc_next(&sim->link.to_coordinator, &size)) != NULL;) {
        struct link_answer *a = ring_spsc_claim(&sim->link.to_serve, sizeof *a);
        FUZZ_CHECK(a != NULL);
        *a = (struct link_answer){.connection_id = r->connection_id, .correlation_id = r->correlation_id};
        ring_spsc_commit(&sim->link.to_serve);
        settle();
    }
    ring_spsc_release(&sim->link.to_coordinator);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t frame[4 + INPUT_BYTES_MAX];
    if (size > INPUT_BYTES_MAX) return 0;
    if (sim == NULL) start();
    struct port_sim_peer *peer = port_sim_connect(sim->lcore->port);
    FUZZ_CHECK(peer != NULL);
    struct sink out = sink_of(frame, sizeof frame);
    sink_be(&out, size, 4);
    if (size > 0) memcpy(frame + 4, bytes, size);
    if (port_sim_write(peer, frame, 4 + size)) settle();
    coordinator_refuses();
    clock_simulated_advance(&sim->clock, (uint64_t)SIM_IDLE_MS * 1000000); /* a fetch may wait for records */
    settle();
    port_sim_hang_up(peer);
    settle();
    FUZZ_CHECK(sim->lcore->client_count == 0 && sim->lcore->arena.used_bytes == 0 && sim->lcore->timer_count == 0);
    FUZZ_CHECK(sim->lcore->parked_count == 0 && atomic_load(&sim->storage->pins) == 0);
    return 0;
}
