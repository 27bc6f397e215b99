/* Pins that are held for long: a chunk or a block is kept whole by the few records of a slow connection.
 *
 * Whoever takes long gets copies, and small answers, until it is prompt again.  What a connection that has just begun
 * to stand still has not handed to the network is copied out as soon as somebody waits for the memory behind it.  What
 * is handed over can only be acknowledged, or dropped with the connection: the last means. */
#include "dataplane/serve_lcore.h"

#include <string.h>

#include "base/invariant.h"

void answer_add(struct client *c, struct answer *a)
{
    a->next = NULL;
    a->previous = c->last_answer;
    if (c->last_answer == NULL) c->first_answer = a;
    else c->last_answer->next = a;
    c->last_answer = a;
}

void answer_remove(struct client *c, struct answer *a)
{
    if (a->previous == NULL) c->first_answer = a->next;
    else a->previous->next = a->next;
    if (a->next == NULL) c->last_answer = a->previous;
    else a->next->previous = a->previous;
}

static void pin_release(struct serve_lcore *s, struct client *c, struct answer *a, struct log_piece *pin)
{
    if (pin->bytes == NULL) return;
    INVARIANT(c->pinned_bytes >= pin->held_bytes && c->pinned_chunks >= pin->is_chunk);
    record_piece_release(pin, s->reader, &s->arena);
    a->held_bytes -= pin->held_bytes;
    a->chunk_count -= pin->is_chunk;
    c->pinned_bytes -= pin->held_bytes;
    c->pinned_chunks -= pin->is_chunk;
    pin->bytes = NULL;
}

void answer_unpin(struct serve_lcore *s, struct client *c, struct answer *a)
{
    for (uint32_t i = 0; i < a->pin_count; i++) pin_release(s, c, a, &a->pin[i]);
    if (a->copy == NULL) return;
    s->relieved_bytes -= buffer_size(&s->arena, a->copy);
    buffer_give(&s->arena, a->copy);
    a->copy = NULL;
}

/* Calls `visit` for each pin whose piece is not in the network's hands.  Pieces of records stand in the order of their
 * pins, with those of the frame between them. */
static void pins_unhanded(struct answer *a, uint32_t handed,
                          void (*visit)(void *context, struct log_piece *pin, struct port_piece *piece), void *context)
{
    uint32_t pin = 0;
    for (uint32_t i = 0; i < a->message.piece_count; i++) {
        struct port_piece *piece = &a->message.piece[i];
        while (pin < a->pin_count && a->pin[pin].bytes == NULL) pin++; /* let go before: its piece is a copy */
        if (pin == a->pin_count) return;
        if (piece->bytes != a->pin[pin].bytes) continue;
        if (i >= handed && a->pin[pin].pin != PIECE_IS_BUFFER) visit(context, &a->pin[pin], piece);
        pin++;
    }
}

struct copying {
    struct serve_lcore *lcore;
    struct client *client;
    struct answer *answer;
    uint8_t *to;
    uint64_t bytes;
};

static void piece_count_bytes(void *context, struct log_piece *pin, struct port_piece *piece)
{
    (void)pin;
    ((struct copying *)context)->bytes += piece->size;
}

static void piece_copy(void *context, struct log_piece *pin, struct port_piece *piece)
{
    struct copying *k = context;
    memcpy(k->to, piece->bytes, piece->size);
    piece->bytes = k->to;
    piece->may_pin = false;
    k->to += piece->size;
    pin_release(k->lcore, k->client, k->answer, pin);
}

static void piece_let_go(void *context, struct log_piece *pin, struct port_piece *piece)
{
    struct copying *k = context;
    if (piece < k->answer->message.piece + k->answer->message.copied_pieces)
        pin_release(k->lcore, k->client, k->answer, pin);
}

void answer_copy(struct serve_lcore *s, struct client *c, struct answer *a, uint32_t handed)
{
    struct copying k = {.lcore = s, .client = c, .answer = a};
    if (a->message.copied_pieces > 0) pins_unhanded(a, 0, piece_let_go, &k);
    if (a->copy != NULL) return; /* what is left was handed over by then */
    pins_unhanded(a, handed, piece_count_bytes, &k);
    if (k.bytes == 0 || s->relieved_bytes + k.bytes > COPIED_BYTES_MAX) return;
    a->copy = k.to = buffer_take(&s->arena, k.bytes);
    if (a->copy == NULL) return;
    s->relieved_bytes += buffer_size(&s->arena, a->copy);
    counter_add(s->counters.relieved_bytes, k.bytes);
    pins_unhanded(a, handed, piece_copy, &k);
}

void client_judge(struct client *c, uint64_t took_ns)
{
    if (took_ns >= (uint64_t)LATE_MS * 1000000) c->is_slow = true;
    c->prompt_answers = took_ns < (uint64_t)PROMPT_MS * 1000000 ? c->prompt_answers + 1 : 0;
    if (c->prompt_answers >= PROMPT_ANSWERS) c->is_slow = false;
}

/* Its memory is wanted now: the second call waits for no acknowledgement. */
static void client_drop(struct serve_lcore *s, struct client *c)
{
    client_close(s, c, CLOSE_STALLED);
    port_close(s->port, c->slot);
}

static bool answer_is_wanted(const struct serve_lcore *s, const struct answer *a)
{
    for (uint32_t i = 0; i < a->pin_count; i++)
        if (a->pin[i].bytes != NULL && a->pin[i].pin != PIECE_IS_BUFFER &&
            log_reader_is_wanted(s->reader, &a->pin[i]))
            return true;
    return false;
}

static bool answer_has_large(const struct serve_lcore *s, const struct answer *a)
{
    for (uint32_t i = 0; i < a->pin_count; i++)
        if (buffer_is_large(&s->arena, a->pin[i].bytes)) return true;
    return false;
}

/* Copies what can be copied of a connection's answers; returns since when the oldest one left is pinned. */
static uint64_t client_relieve(struct serve_lcore *s, struct client *c, bool large_is_wanted)
{
    uint64_t since_ns = UINT64_MAX;
    for (struct answer *a = c->first_answer; a != NULL; a = a->next) {
        uint64_t age_ns = s->now_ns - a->put_ns;
        if (age_ns >= (uint64_t)LATE_MS * 1000000) client_judge(c, age_ns);
        if (large_is_wanted && age_ns >= (uint64_t)LARGE_HELD_MS * 1000000 && answer_has_large(s, a)) {
            client_drop(s, c);
            return UINT64_MAX;
        }
        if (age_ns < (uint64_t)RELIEF_MS * 1000000 || !answer_is_wanted(s, a)) continue;
        if (c->state == CLIENT_SENDING) answer_copy(s, c, a, port_handed(s->port, c->slot, &a->message));
        if (a->put_ns < since_ns && answer_is_wanted(s, a)) since_ns = a->put_ns;
    }
    return since_ns;
}

void relieve(struct serve_lcore *s)
{
    struct client *oldest = NULL;
    uint64_t since_ns = UINT64_MAX;
    bool large_is_wanted = s->arena.large_is_wanted;
    s->arena.large_is_wanted = false; /* who wants it asks again */
    s->relief_ns = s->now_ns + (uint64_t)RELIEF_MS * 1000000;
    for (uint32_t i = 0; i < s->config.connections_max; i++) {
        struct client *c = &s->clients[i];
        uint64_t client_since_ns = c->first_answer == NULL ? UINT64_MAX : client_relieve(s, c, large_is_wanted);
        if (client_since_ns >= since_ns || c->state == CLIENT_ENDING) continue;
        since_ns = client_since_ns;
        oldest = c;
    }
    log_reader_pinned_since(s->reader, since_ns);
    if (oldest == NULL || s->now_ns < s->stalled_ns || s->now_ns - since_ns < (uint64_t)STALLED_MS * 1000000) return;
    if (!log_reader_must_let_go(s->reader)) return;
    s->stalled_ns = s->now_ns + (uint64_t)STALLED_PAUSE_MS * 1000000;
    client_drop(s, oldest);
}
