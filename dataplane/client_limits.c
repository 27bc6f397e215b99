/* What a connection, a listener's connections, and an account's may take: how many there may be, how much of unfinished
 * requests they may hold, and how long they may take for what. */
#include "dataplane/serve_lcore.h"

#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"

enum {
    INPUT_SLACK_BYTES = 1 << 20, /* of requests behind the one under way, and of buffers' sizes */
    FETCH_BACKS_OFF_SINCE = 8,
    THROTTLE_MS_MAX   = 30000,   /* at once: requests have timeouts */
    THROTTLE_SAID_S   = 60,
};

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

bool client_account_is(struct serve_lcore *s, struct client *c, const char *name, bool is_counted)
{
    struct account_use *use;
    if (s->config.uses == NULL || (c->use != NULL && strcmp(account_use_name(c->use), name) == 0)) return true;
    enum err e = account_use_take(s->config.uses, name, is_counted, s->now_ns, &use);
    if (e != ERR_OK) {
        client_close(s, c, e == ERR_AGAIN ? CLOSE_ACCOUNT_FULL : CLOSE_NO_MEMORY);
        return false;
    }
    client_bytes_move(s, c, use);
    return true;
}

/* Kafka's clients back off by themselves since they know this version (KIP-219); the others get their answer late.
 *
 * Who waited for records or the disk is asked again: one wake-up answers all connections of an account, and the first
 * of them may have spent its share.  The bound holds for each try, as a request is handled from its bytes. */
bool client_fetch_may(struct serve_lcore *s, struct client *c, struct request *r)
{
    if (c->use == NULL) return true;
    uint64_t most = account_use_bytes_max(s->config.uses);
    if (most < r->records_bytes_max) r->records_bytes_max = most;
    most = account_use_room(s->config.uses, c->use);
    if (most < r->records_bytes_max) r->records_bytes_max = most > 0 ? most : 1;
    uint64_t owes_ns = account_use_owes_ns(s->config.uses, c->use, s->now_ns);
    if (owes_ns == 0) return true;
    uint64_t wait_ms = owes_ns / 1000000 + 1;
    if (wait_ms > THROTTLE_MS_MAX) wait_ms = THROTTLE_MS_MAX;
    counter_add(s->counters.throttled, 1);
    counter_add(s->counters.throttled_ms, wait_ms);
    if (s->throttle_said_ns == 0 || s->now_ns - s->throttle_said_ns > (uint64_t)THROTTLE_SAID_S * 1000000000) {
        s->throttle_said_ns = s->now_ns;
        log_info("dataplane", "account %s reads more than account_bytes_per_s_max: its fetches wait (told every %d s, "
                 "counted as fetches_throttled)", account_use_name(c->use), THROTTLE_SAID_S);
    }
    if (r->header.api_version >= FETCH_BACKS_OFF_SINCE) {
        r->throttle_ms = (uint32_t)wait_ms;
        c->mute_until_ns = s->now_ns + wait_ms * 1000000;
        return true;
    }
    if (!r->is_again) c->arrived_ns = 0; /* it begins anew; one that waited has moved its session's epoch */
    client_delay(s, c, CLIENT_MUTED, s->now_ns + wait_ms * 1000000);
    return false;
}

void client_fetch_charge(struct serve_lcore *s, struct client *c, const struct record_pieces *records)
{
    uint64_t bytes = 0;
    for (uint32_t run = 0, i = 0; run < records->run_count; run++) {
        uint64_t run_bytes = 0;
        for (; i < records->run_end[run]; i++) run_bytes += records->piece[i].size;
        _Atomic uint64_t *served = &s->served_bytes[records->run_slot[run]]; /* this thread alone writes it */
        atomic_store_explicit(served, atomic_load_explicit(served, memory_order_relaxed) + run_bytes,
                              memory_order_relaxed);
        bytes += run_bytes;
    }
    if (c->use != NULL) account_use_charge(s->config.uses, c->use, bytes, s->now_ns);
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
    client_input_changed(s, c, before_bytes, now_bytes);
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
    uint64_t grace_ns = (uint64_t)SESSION_GRACE_MS * 1000000;
    bool rests = c->state == CLIENT_READY && s->now_ns - c->active_ns > grace_ns;
    if (s->now_ns > c->login_until_ns) *cause = CLOSE_LATE;
    else if (c->principal != NULL && !principal_is_valid(s->config.authority, c->principal)) *cause = CLOSE_REVOKED;
    else if (rests && s->now_ns > c->session_end_ns && s->now_ns - c->session_end_ns > grace_ns)
        *cause = CLOSE_SESSION_OVER;
    else if (is_in_request && s->now_ns - c->begun_ns > l->request_timeout_ns) *cause = CLOSE_SLOW;
    else if (may_idle && s->now_ns - c->active_ns > l->idle_timeout_ns) *cause = CLOSE_IDLE;
    else return false;
    return true;
}

void limits_counters_init(struct serve_lcore *s, struct counters *counters)
{
    char label[COUNTERS_LABEL_BYTES];
    snprintf(label, sizeof label, "lcore=%u", s->config.index);
    s->counters.throttled = counters_add(counters, COUNTER_COUNT, "fetches_throttled", label);
    s->counters.throttled_ms = counters_add(counters, COUNTER_COUNT, "fetches_throttled_ms", label);
    s->counters.held_requests = counters_add(counters, COUNTER_COUNT, "requests_held", label);
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
