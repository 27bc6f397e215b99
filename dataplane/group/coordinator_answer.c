/* Answers: encoded at once, held until the record they rest on is durable, then into the link's ring. */
#include <stdlib.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/group/coordinator_state.h"

static bool put(struct link_side *side, const struct link_answer *answer, const uint8_t *frame)
{
    struct link_answer *m = ring_spsc_claim(&side->link.to_serve, (uint32_t)sizeof *m + answer->frame_bytes);
    if (m == NULL) return false;
    *m = *answer;
    if (answer->frame_bytes > 0) memcpy(m + 1, frame, answer->frame_bytes);
    side->has_answers = true;
    return true;
}

/* At most one answer a connection is ever held, so the serve lcores' connections bound this memory. */
static void hold(struct coordinator *c, struct held_list *list, uint64_t after, uint32_t link,
                 const struct link_answer *answer, const uint8_t *frame)
{
    struct held_answer *h = malloc(sizeof *h + answer->frame_bytes);
    INVARIANT(h != NULL);
    *h = (struct held_answer){.after = after, .since_ns = c->now_ns, .link = link, .answer = *answer};
    if (answer->frame_bytes > 0) memcpy(h->frame, frame, answer->frame_bytes);
    *list->last = h;
    list->last = &h->next;
}

static void send(struct coordinator *c, uint32_t link, const struct link_answer *answer, const uint8_t *frame)
{
    struct link_side *side = &c->side[link];
    if (side->overflow.first != NULL || !put(side, answer, frame)) hold(c, &side->overflow, 0, link, answer, frame);
}

void coordinator_close(struct coordinator *c, const struct ticket *to)
{
    struct link_answer answer = {to->connection_id, to->correlation_id, 0};
    counter_add(c->count.closed, 1);
    send(c, to->link, &answer, NULL);
}

void coordinator_answer(void *coordinator, const struct ticket *to, const void *response, uint64_t after)
{
    struct coordinator *c = coordinator;
    struct sink out = sink_of(c->frame, LINK_FRAME_BYTES_MAX);
    enum err e = kafka_response_encode(kafka_response_of(to->api_key), to->api_version, to->correlation_id, response,
                                       &out, NULL);
    if (e != ERR_OK) { /* only an OffsetFetch that asks for the same partitions over and over gets here */
        log_warn("coordinator", "an answer to API key %d is larger than %d bytes: closing the connection", to->api_key,
                 LINK_FRAME_BYTES_MAX);
        coordinator_close(c, to);
        return;
    }
    struct link_answer answer = {to->connection_id, to->correlation_id, (uint32_t)(out.at - c->frame)};
    if (after <= c->store.durable_number) send(c, to->link, &answer, c->frame);
    else if (c->store.failure != ERR_OK) coordinator_close(c, to);
    else hold(c, &c->held, after, to->link, &answer, c->frame);
}

unsigned coordinator_release(struct coordinator *c)
{
    unsigned released = 0;
    struct held_answer **at = &c->held.first;
    while (*at != NULL) {
        struct held_answer *h = *at;
        bool is_durable = h->after <= c->store.durable_number;
        if (!is_durable && c->store.failure == ERR_OK) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        if (!is_durable) { /* it promised what the disk did not keep: the client must not hear it */
            h->answer.frame_bytes = 0;
            counter_add(c->count.closed, 1);
        } else {
            histogram_record(c->count.durable_ns, c->now_ns - h->since_ns);
        }
        send(c, h->link, &h->answer, h->frame);
        free(h);
        released++;
    }
    c->held.last = at;
    return released;
}

unsigned coordinator_drain(struct coordinator *c)
{
    unsigned sent = 0;
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct held_list *list = &c->side[i].overflow;
        while (list->first != NULL && put(&c->side[i], &list->first->answer, list->first->frame)) {
            struct held_answer *next = list->first->next;
            free(list->first);
            list->first = next;
            sent++;
        }
        if (list->first == NULL) list->last = &list->first;
    }
    return sent;
}

void coordinator_commit_answers(struct coordinator *c)
{
    for (uint32_t i = 0; i < c->config.link_count; i++) {
        struct link_side *side = &c->side[i];
        if (!side->has_answers) continue;
        side->has_answers = false;
        ring_spsc_commit(&side->link.to_serve);
        waiter_wake(side->link.serve_waiter);
    }
}

static void drop(struct held_list *list)
{
    while (list->first != NULL) {
        struct held_answer *next = list->first->next;
        free(list->first);
        list->first = next;
    }
    list->last = &list->first;
}

void coordinator_drop_held(struct coordinator *c)
{
    drop(&c->held);
    for (uint32_t i = 0; i < c->config.link_count; i++) drop(&c->side[i].overflow);
}
