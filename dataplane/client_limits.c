/* What a connection, a listener's connections, and an account's may take: how many there may be, how much of unfinished
 * requests they may hold, and how long they may take for what. */
#include "dataplane/serve_lcore.h"

#include <stdio.h>

#include "base/invariant.h"

enum { INPUT_SLACK_BYTES = 1 << 20 }; /* of requests behind the one under way, and of buffers' sizes */

bool client_may_come(struct serve_lcore *s, struct client *c)
{
    struct listener *l = &s->listeners[c->listener];
    uint32_t before = atomic_fetch_add_explicit(&l->connections, 1, memory_order_relaxed);
    c->is_counted = true;
    if (l->connections_max == 0 || before < l->connections_max) return true;
    client_close(s, c, CLOSE_LISTENER_FULL);
    return false;
}

void client_uncount(struct serve_lcore *s, struct client *c)
{
    if (c->is_counted) atomic_fetch_sub_explicit(&s->listeners[c->listener].connections, 1, memory_order_relaxed);
    c->is_counted = false;
}

/* Of this thread's share; a request of the largest size must always fit. */
static uint64_t input_bytes_max(const struct serve_lcore *s, const struct listener *l)
{
    uint64_t share = l->inflight_bytes_max / s->config.thread_count, least = l->request_bytes_max + INPUT_SLACK_BYTES;
    return share < least ? least : share;
}

void client_input_resized(struct serve_lcore *s, struct client *c, uint64_t before_bytes, uint64_t now_bytes)
{
    uint64_t *held = &s->input_bytes[c->listener];
    INVARIANT(*held >= before_bytes);
    *held += now_bytes - before_bytes;
    if (now_bytes <= before_bytes || *held <= input_bytes_max(s, &s->listeners[c->listener])) return;
    struct client *largest = NULL; /* of unfinished requests before those that wait for their answer */
    size_t largest_bytes = 0;
    bool is_unfinished = false;
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        struct client *other = &s->clients[i];
        if (other->input == NULL || other->listener != c->listener) continue;
        size_t bytes = buffer_size(&s->arena, other->input);
        bool is_ready = other->state == CLIENT_READY;
        if (is_ready == is_unfinished ? bytes <= largest_bytes : is_unfinished) continue;
        largest = other;
        largest_bytes = bytes;
        is_unfinished = is_ready;
    }
    if (largest != NULL) client_close(s, largest, CLOSE_INFLIGHT);
}

bool client_is_overdue(const struct serve_lcore *s, const struct client *c, enum close_cause *cause)
{
    const struct listener *l = &s->listeners[c->listener];
    bool may_idle = c->state == CLIENT_READY || c->state == CLIENT_SENDING || c->state == CLIENT_PINNED;
    bool is_in_request = c->state == CLIENT_READY && c->input != NULL;
    if (c->state == CLIENT_FREE || c->state == CLIENT_ENDING) return false;
    if (s->now_ns > c->login_until_ns) *cause = CLOSE_LATE;
    else if (is_in_request && s->now_ns - c->begun_ns > l->request_timeout_ns) *cause = CLOSE_SLOW;
    else if (may_idle && s->now_ns - c->active_ns > l->idle_timeout_ns) *cause = CLOSE_IDLE;
    else return false;
    return true;
}

void limits_counters_init(struct serve_lcore *s, struct counters *counters)
{
    char label[COUNTERS_LABEL_BYTES];
    for (uint32_t i = 0; i < s->listener_count; i++) {
        snprintf(label, sizeof label, "lcore=%u,listener=%s", s->config.index, s->listeners[i].name);
        s->counters.input_bytes[i] = counters_add(counters, COUNTER_GAUGE, "inflight_bytes", label);
        if (s->config.index != 0) continue;
        snprintf(label, sizeof label, "listener=%s", s->listeners[i].name);
        s->counters.listener_connections[i] = counters_add(counters, COUNTER_GAUGE, "listener_connections", label);
    }
}

void limits_counters_set(struct serve_lcore *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++) {
        counter_set(s->counters.input_bytes[i], s->input_bytes[i]);
        if (s->config.index != 0) continue;
        counter_set(s->counters.listener_connections[i],
                    atomic_load_explicit(&s->listeners[i].connections, memory_order_relaxed));
    }
}
