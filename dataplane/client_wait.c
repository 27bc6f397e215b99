/* Where connections wait: lists by what they wait for, and a heap of deadlines. */
#include "dataplane/serve_lcore.h"

#include "base/invariant.h"

static void list_add(struct client_list *list, struct client *c)
{
    INVARIANT(c->list == NULL);
    c->list = list;
    c->list_previous = list->last;
    c->list_next = NULL;
    if (list->last != NULL) list->last->list_next = c;
    else list->first = c;
    list->last = c;
}

static void list_add_first(struct client_list *list, struct client *c)
{
    c->list = list;
    c->list_previous = NULL;
    c->list_next = list->first;
    if (list->first != NULL) list->first->list_previous = c;
    else list->last = c;
    list->first = c;
}

static void list_remove(struct client *c)
{
    if (c->list == NULL) return;
    if (c->list_previous == NULL) c->list->first = c->list_next;
    else c->list_previous->list_next = c->list_next;
    if (c->list_next == NULL) c->list->last = c->list_previous;
    else c->list_next->list_previous = c->list_previous;
    c->list = NULL;
}

static void timer_put(struct serve_lcore *s, uint32_t index, struct client *c)
{
    s->timers[index] = c;
    c->timer_index = index;
}

static void timer_up(struct serve_lcore *s, uint32_t index, struct client *c)
{
    while (index > 0 && s->timers[(index - 1) / 2]->deadline_ns > c->deadline_ns) {
        timer_put(s, index, s->timers[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    timer_put(s, index, c);
}

static void timer_down(struct serve_lcore *s, uint32_t index, struct client *c)
{
    for (uint32_t child = 2 * index + 1; child < s->timer_count; child = 2 * index + 1) {
        if (child + 1 < s->timer_count && s->timers[child + 1]->deadline_ns < s->timers[child]->deadline_ns) child++;
        if (s->timers[child]->deadline_ns >= c->deadline_ns) break;
        timer_put(s, index, s->timers[child]);
        index = child;
    }
    timer_put(s, index, c);
}

static void timer_remove(struct serve_lcore *s, struct client *c)
{
    uint32_t index = c->timer_index;
    if (index == UINT32_MAX) return;
    c->timer_index = UINT32_MAX;
    struct client *last = s->timers[--s->timer_count];
    if (last == c) return;
    if (index > 0 && s->timers[(index - 1) / 2]->deadline_ns > last->deadline_ns) timer_up(s, index, last);
    else timer_down(s, index, last);
}

void client_wait(struct serve_lcore *s, struct client *c, enum client_state state, struct client_list *list)
{
    (void)s;
    c->state = state;
    list_add(list, c);
}

void client_park(struct serve_lcore *s, struct client *c, const struct log_set *logs, uint64_t until_ns)
{
    uint32_t count = 0, slot = 0;
    for (uint32_t i = 0; i < LOGS_MAX / 64; i++) {
        count += (uint32_t)__builtin_popcountll(logs->bits[i]);
        if (logs->bits[i] != 0) slot = i * 64 + (uint32_t)__builtin_ctzll(logs->bits[i]);
    }
    c->wait_logs = *logs;
    c->deadline_ns = until_ns;
    client_wait(s, c, CLIENT_PARKED, &s->parked[count == 1 ? slot : LOGS_MAX]);
    s->parked_count++;
    timer_up(s, s->timer_count++, c);
}

void client_delay(struct serve_lcore *s, struct client *c, enum client_state state, uint64_t until_ns)
{
    c->state = state;
    c->deadline_ns = until_ns;
    timer_up(s, s->timer_count++, c);
}

void client_unwait(struct serve_lcore *s, struct client *c)
{
    if (c->state == CLIENT_PARKED) s->parked_count--;
    if (c->state == CLIENT_HELD) account_use_wait_end(s->config.uses, c->use, s->config.index);
    list_remove(c);
    timer_remove(s, c);
}

unsigned client_list_wake(struct serve_lcore *s, struct client_list *list, uint32_t slot)
{
    /* The whole list is taken off first: a client that must wait again goes to the end of the list it came from. */
    struct client_list taken = *list;
    unsigned count = 0;
    *list = (struct client_list){NULL, NULL};
    for (struct client *c = taken.first; c != NULL; c = c->list_next) c->list = &taken;
    while (taken.first != NULL) {
        struct client *c = taken.first;
        if (slot != UINT32_MAX && (c->wait_logs.bits[slot / 64] >> (slot % 64) & 1) == 0) {
            list_remove(c);
            list_add(list, c);
            continue;
        }
        client_wake(s, c);
        count++;
    }
    return count;
}

unsigned client_list_retry(struct serve_lcore *s, struct client_list *list)
{
    unsigned count = 0;
    for (struct client *c = list->first; c != NULL; c = list->first, count++) {
        client_wake(s, c);
        if (c->list != list) continue;
        list_remove(c);
        list_add_first(list, c);
        break;
    }
    return count;
}

struct client *client_due(struct serve_lcore *s)
{
    return s->timer_count > 0 && s->timers[0]->deadline_ns <= s->now_ns ? s->timers[0] : NULL;
}
