/* The loop of a serve lcore, its memory and its counters. */
#include "dataplane/serve_lcore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

enum {
    SCRATCH_BYTES_MAX = 32 << 20,
    ARENA_BYTES_PER_CONNECTION = 2048,
    ARENA_BYTES_SHARED = (16 << 20) + COPIED_BYTES_MAX,
};

static size_t arena_bytes(const struct serve_config *config)
{
    size_t wanted = ARENA_BYTES_SHARED + (size_t)config->connections_max * ARENA_BYTES_PER_CONNECTION +
                    4 * (size_t)config->request_bytes_max;
    size_t rounded = 1;
    while (rounded < wanted) rounded *= 2;
    return rounded;
}

static uint32_t scratch_bytes(const struct serve_config *config)
{
    uint64_t wanted = 4 * (uint64_t)config->request_bytes_max;
    if (wanted < LINK_FRAME_BYTES_MAX) wanted = LINK_FRAME_BYTES_MAX;
    return wanted > SCRATCH_BYTES_MAX ? SCRATCH_BYTES_MAX : (uint32_t)wanted;
}

size_t serve_lcore_memory_bytes(const struct serve_config *config)
{
    return arena_bytes(config) + config->large_bytes + fetch_sessions_memory_bytes() +
           2 * (size_t)scratch_bytes(config) + sizeof(struct record_pieces) + REQUEST_PIECES_MAX * sizeof(uint32_t) +
           config->connections_max * (sizeof(struct client) + sizeof(struct client *));
}

static void counters_init(struct serve_lcore *s, struct counters *counters)
{
    static const char *const causes[CLOSE_CAUSE_COUNT] = {
#define X(name, text) #name,
        CLOSE_CAUSE_LIST(X)
#undef X
    };
    struct serve_counters *c = &s->counters;
    char lcore[32], label[COUNTERS_LABEL_BYTES];
    snprintf(lcore, sizeof lcore, "lcore=%u", s->config.index);
    c->connections = counters_add(counters, COUNTER_GAUGE, "connections", lcore);
    c->parked = counters_add(counters, COUNTER_GAUGE, "fetches_parked", lcore);
    c->slow = counters_add(counters, COUNTER_GAUGE, "connections_slow", lcore);
    c->fetch_sessions = counters_add(counters, COUNTER_GAUGE, "fetch_sessions", lcore);
    c->fetch_sessions_evicted = counters_add(counters, COUNTER_COUNT, "fetch_sessions_evicted", lcore);
    c->relieved_bytes = counters_add(counters, COUNTER_COUNT, "copied_out_bytes", lcore);
    c->handshakes = counters_add(counters, COUNTER_COUNT, "tls_handshakes", lcore);
    c->handshakes_failed = counters_add(counters, COUNTER_COUNT, "tls_handshakes_failed", lcore);
    c->encrypted_bytes = counters_add(counters, COUNTER_COUNT, "tls_sent_bytes", lcore);
    c->tls_buffer_bytes = counters_add(counters, COUNTER_GAUGE, "tls_buffer_bytes", lcore);
    c->buffer_bytes = counters_add(counters, COUNTER_GAUGE, "serve_buffer_bytes", lcore);
    c->busy_ns = counters_add(counters, COUNTER_COUNT, "serve_busy_ns", lcore);
    c->idle_ns = counters_add(counters, COUNTER_COUNT, "serve_idle_ns", lcore);
    c->backpressured_ns = counters_add(counters, COUNTER_COUNT, "serve_backpressured_ns", lcore);
    c->port_count = port_counters_open(c->port, s->port, s->config.index, counters);
    c->durable_to_sent_ns = counters_add_histogram(counters, "stage_durable_to_sent_ns", lcore);
    c->sent_to_acknowledged_ns = counters_add_histogram(counters, "stage_sent_to_acknowledged_ns", lcore);
    for (uint32_t i = 0; kafka_request_at(i) != NULL; i++) {
        const struct kafka_message *m = kafka_request_at(i);
        INVARIANT(m->api_key >= 0 && m->api_key < LCORE_APIS);
        snprintf(label, sizeof label, "%s,api=%s", lcore, m->name);
        c->requests[m->api_key] = counters_add(counters, COUNTER_COUNT, "requests", label);
    }
    for (int i = 0; i < CLOSE_CAUSE_COUNT; i++) {
        snprintf(label, sizeof label, "%s,cause=%s", lcore, causes[i] + strlen("CLOSE_"));
        c->closed[i] = counters_add(counters, COUNTER_COUNT, "connections_closed", label);
    }
}

enum err serve_lcore_init(struct serve_lcore *s, const struct serve_config *config,
                          struct listener *listeners, uint32_t listener_count, struct port *port,
                          struct coordinator_link *link, const struct clock *clock, struct counters *counters,
                          struct err_msg *msg)
{
    s->config = *config;
    INVARIANT(listener_count > 0);
    s->listeners = listeners;
    s->listener_count = listener_count;
    s->port = port;
    s->link = link;
    s->clock = clock;
    s->waiter_watch = s->reader_watch = UINT32_MAX;
    s->scratch.size = s->encoded_bytes = scratch_bytes(config);
    s->scratch.bytes = malloc(s->scratch.size);
    s->encoded = malloc(s->encoded_bytes);
    s->records = calloc(1, sizeof *s->records);
    s->sessions = calloc(1, sizeof *s->sessions);
    s->gap_positions = calloc(REQUEST_PIECES_MAX, sizeof *s->gap_positions);
    s->clients = calloc(config->connections_max, sizeof *s->clients);
    s->timers = calloc(config->connections_max, sizeof *s->timers);
    enum err e = s->sessions == NULL ? ERR_NO_MEMORY : fetch_sessions_init(s->sessions);
    if (e == ERR_OK) e = buffer_arena_init(&s->arena, arena_bytes(config));
    if (e == ERR_OK) e = buffer_arena_large(&s->arena, config->large_bytes);
    if (e != ERR_OK || s->scratch.bytes == NULL || s->encoded == NULL || s->records == NULL ||
        s->gap_positions == NULL || s->clients == NULL || s->timers == NULL)
        e = err_set(msg, ERR_NO_MEMORY, "no memory for a serve thread with %u connections", config->connections_max);
    for (uint32_t i = 0; e == ERR_OK && i < config->connections_max; i++)
        s->clients[i] = (struct client){.slot = i, .timer_index = UINT32_MAX};
    if (e == ERR_OK) e = log_reader_open(&s->reader, listeners[0].node.storage, config->index, &s->waiter, msg);
    if (e != ERR_OK) {
        serve_lcore_fini(s);
        return e;
    }
    if (config->uses != NULL) account_uses_watch(config->uses, config->index, &s->waiter);
    counters_init(s, counters);
    limits_counters_init(s, counters);
    if (s->waiter.eventfd >= 0) s->waiter_watch = port_watch(port, s->waiter.eventfd);
    if (log_reader_fd(s->reader) >= 0) s->reader_watch = port_watch(port, log_reader_fd(s->reader));
    s->now_ns = s->turn_end_ns = clock_monotonic_ns(clock);
    return ERR_OK;
}

void serve_lcore_fini(struct serve_lcore *s)
{
    if (s->reader != NULL) log_reader_close(s->reader);
    if (s->port != NULL) port_fini(s->port);
    buffer_arena_fini(&s->arena);
    free(s->scratch.bytes);
    free(s->encoded);
    free(s->records);
    if (s->sessions != NULL) fetch_sessions_fini(s->sessions);
    free(s->sessions);
    free(s->gap_positions);
    free(s->clients);
    free(s->timers);
    s->reader = NULL;
    s->port = NULL;
}

/* --- one turn --- */

static unsigned poll_port(struct serve_lcore *s)
{
    struct port_event event[LCORE_BURST];
    unsigned count = port_poll(s->port, event, LCORE_BURST);
    for (unsigned i = 0; i < count; i++) {
        struct client *c = &s->clients[event[i].connection];
        switch (event[i].kind) {
        case PORT_ACCEPTED: client_accepted(s, c, event[i].listener); break;
        case PORT_SECURED:  client_secured(s, c, event[i].subject); break;
        case PORT_DATA:     client_data(s, c, event[i].bytes, event[i].size); break;
        case PORT_SENT:     client_sent(s, c, event[i].message); break;
        case PORT_RELEASED: client_released(s, c, event[i].message); break;
        case PORT_CLOSED:   client_closed(s, c, event[i].has_failed); break;
        }
    }
    return count;
}

/* Grown logs wake the fetches that wait for them.  Each log once a turn, however many hints came. */
static unsigned poll_hints(struct serve_lcore *s)
{
    struct log_set grown = {{0}};
    enum log_reader_hint hint;
    uint32_t slot;
    unsigned count = 0;
    while ((hint = log_reader_hint(s->reader, &slot)) != LOG_HINT_NONE) {
        if (hint == LOG_HINT_LOOK_AT_ALL) memset(&grown, 0xff, sizeof grown);
        else log_set_add(&grown, slot);
        count++;
    }
    if (count == 0) return 0;
    for (uint32_t i = 0; i < LOGS_MAX / 64; i++) {
        for (uint64_t bits = grown.bits[i]; bits != 0; bits &= bits - 1) {
            slot = i * 64 + (uint32_t)__builtin_ctzll(bits);
            if (s->parked[slot].first != NULL) count += client_list_wake(s, &s->parked[slot], slot);
            if (s->parked[LOGS_MAX].first != NULL) count += client_list_wake(s, &s->parked[LOGS_MAX], slot);
        }
    }
    return count;
}

static unsigned poll_coordinator(struct serve_lcore *s)
{
    unsigned count = 0;
    uint32_t size;
    const struct link_answer *a;
    while (count < LCORE_BURST && (a = ring_spsc_next(&s->link->to_serve, &size)) != NULL) {
        uint32_t slot = (uint32_t)a->connection_id;
        INVARIANT(slot < s->config.connections_max && size >= sizeof *a + a->frame_bytes);
        struct client *c = &s->clients[slot];
        if (client_id(c) == a->connection_id) client_answered(s, c, (const uint8_t *)(a + 1), a->frame_bytes);
        count++;
    }
    if (count > 0) {
        ring_spsc_release(&s->link->to_serve);
        waiter_wake(s->link->coordinator_waiter); /* it may hold answers back that had no room */
    }
    return count;
}

static unsigned poll_authority(struct serve_lcore *s)
{
    struct auth_link *link = s->config.authority;
    unsigned count = 0;
    uint32_t size;
    const struct auth_answer *a;
    while (link != NULL && count < LCORE_BURST && (a = ring_spsc_next(&link->to_serve, &size)) != NULL) {
        uint32_t slot = (uint32_t)a->connection_id;
        INVARIANT(slot < s->config.connections_max && size >= sizeof *a);
        struct client *c = &s->clients[slot];
        if (client_id(c) == a->connection_id) client_login_answered(s, c, a);
        count++;
    }
    if (count > 0) {
        ring_spsc_release(&link->to_serve);
        waiter_wake(link->authority_waiter); /* it may wait for room */
    }
    return count;
}

/* Requests that found the ring to the coordinator or the authority full; only those that got in count as work. */
static unsigned retry_linked(struct serve_lcore *s)
{
    return client_list_retry(s, &s->linked) + client_list_retry(s, &s->tokens);
}

static unsigned poll_disk(struct serve_lcore *s)
{
    unsigned count = log_reader_poll(s->reader);
    if (count > 0) client_list_wake(s, &s->disk, UINT32_MAX);
    return count;
}

static unsigned poll_timers(struct serve_lcore *s)
{
    unsigned count = 0;
    for (struct client *c = client_due(s); c != NULL; c = client_due(s), count++) client_wake(s, c);
    return count;
}

/* Requests whose account had too much under way. */
static unsigned retry_held(struct serve_lcore *s)
{
    if (s->config.uses == NULL || !account_uses_take_tell(s->config.uses, s->config.index)) return 0;
    return client_held_retry(s);
}

static void housekeeping(struct serve_lcore *s)
{
    uint32_t slow = 0;
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        struct client *c = &s->clients[i];
        enum close_cause cause;
        if (client_is_overdue(s, c, &cause)) client_close(s, c, cause);
        else if (c->state == CLIENT_ENDING && s->now_ns - c->active_ns > (uint64_t)GOOD_BYE_MS * 1000000)
            port_close(s->port, c->slot);
        slow += c->state != CLIENT_FREE && c->is_slow;
    }
    relieve(s);
    log_reader_tidy(s->reader);
    for (uint32_t i = 0; i < s->counters.port_count; i++) port_counters_set(&s->counters.port[i]);
    counter_set(s->counters.handshakes, s->port->stats.handshakes);
    counter_set(s->counters.handshakes_failed, s->port->stats.handshakes_failed);
    counter_set(s->counters.encrypted_bytes, s->port->stats.encrypted_bytes);
    counter_set(s->counters.tls_buffer_bytes, s->port->stats.buffer_bytes);
    limits_counters_set(s);
    counter_set(s->counters.buffer_bytes, s->arena.used_bytes);
    counter_set(s->counters.connections, s->client_count);
    counter_set(s->counters.slow, slow);
    counter_set(s->counters.fetch_sessions, s->sessions->open);
    counter_set(s->counters.fetch_sessions_evicted, s->sessions->evicted);
    counter_set(s->counters.parked, s->parked_count);
    s->housekeeping_ns = s->now_ns + (uint64_t)HOUSEKEEPING_MS * 1000000;
}

/* Time without work: there was nothing to do, or all that there was waited for the network to take more. */
static struct counter *rest_counter(const struct serve_lcore *s)
{
    return s->unsent_count > 0 ? s->counters.backpressured_ns : s->counters.idle_ns;
}

unsigned serve_step(struct serve_lcore *s)
{
    s->now_ns = clock_monotonic_ns(s->clock);
    counter_add(rest_counter(s), s->now_ns - s->turn_end_ns);
    log_reader_quiesce(s->reader);
    if (s->now_ns >= s->housekeeping_ns) housekeeping(s);
    else if (s->now_ns >= s->relief_ns && (log_reader_is_pressed(s->reader) || s->arena.large_is_wanted)) relieve(s);
    unsigned work = poll_port(s);
    work += poll_hints(s);
    work += poll_coordinator(s);
    work += poll_authority(s);
    work += retry_linked(s);
    work += poll_disk(s);
    work += poll_timers(s);
    work += retry_held(s); /* last: what it is told of later in a turn, it is told by what counts as work */
    s->turn_end_ns = clock_monotonic_ns(s->clock);
    counter_add(work > 0 ? s->counters.busy_ns : rest_counter(s), s->turn_end_ns - s->now_ns);
    return work;
}

uint64_t serve_next_ns(const struct serve_lcore *s)
{
    uint64_t next = s->housekeeping_ns;
    if (log_reader_is_pressed(s->reader) && s->relief_ns < next) next = s->relief_ns;
    if (s->timer_count > 0 && s->timers[0]->deadline_ns < next) next = s->timers[0]->deadline_ns;
    return next;
}

void serve_sleep(struct serve_lcore *s)
{
    /* New records matter to a fetch that waits; and with them storage may come to wait for what an answer holds. */
    bool watches = s->parked_count > 0 || s->answer_count > 0;
    log_reader_watch(s->reader, watches);
    waiter_announce(&s->waiter);
    if (serve_step(s) == 0) { /* the look at everything that the announcement asks for */
        uint64_t next = serve_next_ns(s);
        if (!watches) log_reader_rest(s->reader);
        if (next > s->now_ns) port_wait(s->port, next - s->now_ns);
    }
    waiter_cancel(&s->waiter);
    if (s->waiter_watch != UINT32_MAX && port_watch_take(s->port, s->waiter_watch)) waiter_drain(&s->waiter);
    if (s->reader_watch != UINT32_MAX) port_watch_take(s->port, s->reader_watch);
}

void serve_stop(struct serve_lcore *s)
{
    s->is_stopping = true;
    for (uint32_t i = 0; i < s->config.connections_max; i++) client_close(s, &s->clients[i], CLOSE_STOP);
    port_stop(s->port);
}
