/* How much an account may have under way: of requests being read, and of answers that the network is not done with.
 *
 * Above that its next request waits, in the order in which they came, and nothing is told of it: a client sees a slow
 * server.  A request that is half read waits too, but for one of each account, so that some request always gets whole.
 * Who is not logged in where one must counts to the listener alone. */
#include "dataplane/serve_lcore.h"

#include "base/log.h"

enum { HELD_SAID_S = 60 };

static bool is_bounded(const struct serve_lcore *s, const struct client *c)
{
    return c->use != NULL && (c->principal != NULL || !s->listeners[c->listener].needs_login);
}

static void hold(struct serve_lcore *s, struct client *c, bool is_half_read)
{
    if (c->held_ns == 0) {
        c->held_ns = s->now_ns;
        counter_add(s->counters.held_requests, 1);
    }
    if (s->held_said_ns == 0 || s->now_ns - s->held_said_ns > (uint64_t)HELD_SAID_S * 1000000000) {
        s->held_said_ns = s->now_ns;
        log_info("dataplane", "account %s has account_inflight_bytes_max under way: its requests wait (told every "
                 "%d s, counted as requests_held)", account_use_name(c->use), HELD_SAID_S);
    }
    c->is_half_read = is_half_read;
    client_wait(s, c, CLIENT_HELD, &s->held);
    account_use_wait(s->config.uses, c->use, s->config.index, is_half_read);
}

/* Of all lcores' connections: who may read on is agreed upon among them. */
static uint64_t reader_id(const struct serve_lcore *s, const struct client *c)
{
    return (uint64_t)c->generation << 32 | (c->slot * ACCOUNT_LCORES_MAX + s->config.index);
}

bool client_may_begin(struct serve_lcore *s, struct client *c)
{
    if (!is_bounded(s, c)) return true;
    account_use_read_end(s->config.uses, c->use, reader_id(s, c));
    bool may = account_use_may_begin(s->config.uses, c->use);
    if (may && (c->is_next || !account_use_has_waiting(c->use))) return true;
    hold(s, c, false);
    return false;
}

void client_read_on(struct serve_lcore *s, struct client *c)
{
    if (is_bounded(s, c) && !account_use_may_read(s->config.uses, c->use, reader_id(s, c))) hold(s, c, true);
}

unsigned client_held_retry(struct serve_lcore *s)
{
    unsigned count = 0;
    for (struct client *c = s->held.first, *next, *last = s->held.last; c != NULL; c = next) {
        next = c == last ? NULL : c->list_next; /* those who wait again come behind the last */
        bool may = c->is_half_read ? account_use_may_read(s->config.uses, c->use, reader_id(s, c))
                                   : account_use_may_begin(s->config.uses, c->use);
        if (!may) continue;
        c->begun_ns = c->active_ns = s->now_ns; /* it was us who took the time */
        c->is_next = true;
        client_wake(s, c);
        c->is_next = false;
        count++;
    }
    return count;
}

void client_bytes_move(struct serve_lcore *s, struct client *c, struct account_use *to)
{
    uint64_t input_bytes = c->input == NULL ? 0 : buffer_size(&s->arena, c->input);
    if (to != NULL) {
        account_use_add(s->config.uses, to, ACCOUNT_REQUESTS, input_bytes);
        account_use_add(s->config.uses, to, ACCOUNT_ANSWERS, c->lent_bytes);
    }
    if (c->use != NULL) {
        account_use_read_end(s->config.uses, c->use, reader_id(s, c));
        account_use_remove(s->config.uses, c->use, ACCOUNT_REQUESTS, input_bytes);
        account_use_remove(s->config.uses, c->use, ACCOUNT_ANSWERS, c->lent_bytes);
    }
    account_use_give(s->config.uses, c->use);
    c->use = to;
}

void client_input_changed(struct serve_lcore *s, struct client *c, uint64_t before_bytes, uint64_t now_bytes)
{
    if (c->use == NULL) return;
    if (now_bytes > before_bytes) account_use_add(s->config.uses, c->use, ACCOUNT_REQUESTS, now_bytes - before_bytes);
    else account_use_remove(s->config.uses, c->use, ACCOUNT_REQUESTS, before_bytes - now_bytes);
}

void client_lent(struct serve_lcore *s, struct client *c, uint64_t bytes)
{
    c->lent_bytes += bytes;
    if (c->use != NULL) account_use_add(s->config.uses, c->use, ACCOUNT_ANSWERS, bytes);
}

void client_given_back(struct serve_lcore *s, struct client *c, uint64_t bytes)
{
    c->lent_bytes -= bytes;
    if (c->use != NULL) account_use_remove(s->config.uses, c->use, ACCOUNT_ANSWERS, bytes);
}
