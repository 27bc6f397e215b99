/* The DPDK port's connections: messages to the stack's streams, frames to events.
 *
 * What the stack tells (its handlers) is only noted, in lists; events are made, and connections ended, in poll.  A
 * message's bytes in chunks are lent to the stack under a pin of the message; all others it copies.  PORT_SENT is told
 * when the stack has all of a message, PORT_RELEASED when no pin holds it any more: acknowledged and transmitted.
 *
 * A connection ends gracefully when nothing of it is lent: where all is written, port_close waits for that until it is
 * called again.  Else it ends by a reset, for only that lets go of lent bytes at once. */
#include <poll.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/port_dpdk_inside.h"

enum {
    LENT_BYTES_MIN   = 512,       /* a smaller piece is copied: that is cheaper than an mbuf of its own */
    COPY_BYTES       = 8 << 10,
    WRITE_TURN_BYTES = 256 << 10, /* of a connection in one turn; then it is the next one's */
    HELD_MAX         = 49152,     /* received frames that wait */
    CONNECTION_HELD_MAX = 512,    /* of a connection: a window of 256 KiB in segments of 536 bytes */
    LENT_MAX         = 64,        /* PORT_DATA of one poll */
    PINS_PER_CONNECTION = 4, PINS_MIN = 1024,
    REST_SHORT_NS    = 50000, REST_LONG_NS = 1000000,
    AWAKE_NS         = 20000000, /* behind work: as long it rests shortly */
    SHOW_NS          = 500000000,
};

/* CLOSING: the peer is still to acknowledge lent bytes. */
enum connection_state { CONNECTION_FREE, CONNECTION_OPEN, CONNECTION_CLOSING, CONNECTION_ENDING };

struct held { /* a frame's bytes that the caller has not seen */
    struct held *next;
    struct stack_bytes *keep;
    const uint8_t *bytes;
    uint32_t size;
};

struct connection {
    struct port_dpdk *port;
    struct stack_pcb *pcb; /* NULL: the stack has forgotten it */
    uint32_t slot, listener;
    enum connection_state state;
    bool     is_told, is_paused, is_finished, has_failed; /* told: PORT_ACCEPTED */
    bool     is_ready, is_writing, is_reported;           /* in the list of that */
    struct connection *ready_next, *writing_next, *next;  /* next: free, or ended */
    uint32_t messages; /* lent to us and not yet told as released */
    struct port_message *first, *last; /* to be written */
    struct pin *first_pin, *last_pin;
    uint32_t acknowledged; /* the stream's position up to which the peer has all */
    struct held *first_held, *last_held;
    uint32_t held_count;
    uint32_t owed_bytes; /* received, and the peer was not told that it may send as many more */
    char     peer[PORT_PEER_BYTES];
};

struct connection_list { struct connection *first, *last; };

struct port_dpdk {
    struct port port;
    const struct stack_operations *stack;
    const struct clock *clock;
    struct dpdk_queue queue;
    uint32_t connections_max;
    struct connection *connections, *free;
    struct connection_list ready, writing, ended;
    struct port_message *report_first, *report_last;
    struct held *held, *free_held;
    struct { struct connection *connection; struct stack_bytes *keep; uint32_t size; } lent[LENT_MAX];
    uint32_t lent_count;
    uint64_t tick_ms, worked_ns, shown_ns;
    bool     is_stopping, said_refused, said_held, is_registered;
    bool     lacks_memory; /* the stack had none to write to, in this turn */
    struct pollfd watches[PORT_WATCHES_MAX];
    bool     is_watch_ready[PORT_WATCHES_MAX];
    unsigned watch_count;
};

static struct port_dpdk *dpdk_of(struct port *p) { return (struct port_dpdk *)p; }

static void ready_add(struct connection *c)
{
    struct connection_list *l = &c->port->ready;
    if (c->is_ready) return;
    c->is_ready = true;
    c->ready_next = NULL;
    if (l->last == NULL) l->first = c;
    else l->last->ready_next = c;
    l->last = c;
}

static void writing_add(struct connection *c)
{
    struct connection_list *l = &c->port->writing;
    if (c->is_writing) return;
    c->is_writing = true;
    c->writing_next = NULL;
    if (l->last == NULL) l->first = c;
    else l->last->writing_next = c;
    l->last = c;
}

static struct connection *writing_take(struct port_dpdk *d)
{
    struct connection *c = d->writing.first;
    d->writing.first = c->writing_next;
    if (d->writing.first == NULL) d->writing.last = NULL;
    c->is_writing = false;
    return c;
}

/* --- what is told to the caller of messages and ends --- */

static void report(struct port_dpdk *d, struct port_message *m)
{
    m->next = NULL;
    if (d->report_last == NULL) d->report_first = m;
    else d->report_last->next = m;
    d->report_last = m;
}

static void ended_check(struct connection *c)
{
    struct port_dpdk *d = c->port;
    if (c->state != CONNECTION_ENDING || c->messages > 0 || c->is_reported) return;
    c->is_reported = true;
    c->next = NULL;
    if (d->ended.last == NULL) d->ended.first = c;
    else d->ended.last->next = c;
    d->ended.last = c;
}

/* The last reference of a message's pin is gone. */
static void on_released(void *context, struct port_message *m)
{
    /* Else it is in the report list already, or still to be written. */
    if (m->piece_index == UINT32_MAX || m->was_dropped) report(context, m);
}

/* As in port_kernel: once in the list when sent and once when free, or once for both. */
static unsigned reports_drain(struct port_dpdk *d, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (d->report_first != NULL && count + 2 <= max) {
        struct port_message *m = d->report_first;
        struct connection *c = m->connection;
        d->report_first = m->next;
        if (d->report_first == NULL) d->report_last = NULL;
        if (m->is_sent && m->piece_index != UINT32_MAX) {
            m->piece_index = UINT32_MAX; /* PORT_SENT is told */
            out[count++] = (struct port_event){.kind = PORT_SENT, .connection = c->slot, .message = m};
        }
        if (m->notifications > 0) continue;
        INVARIANT(c->messages > 0);
        c->messages--;
        out[count++] = (struct port_event){.kind = PORT_RELEASED, .connection = c->slot, .message = m};
        ended_check(c);
    }
    return count;
}

/* Connections that ended in an earlier poll. */
static unsigned ended_drain(struct port_dpdk *d, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (d->ended.first != NULL && count < max) {
        struct connection *c = d->ended.first;
        d->ended.first = c->next;
        if (d->ended.first == NULL) d->ended.last = NULL;
        c->is_reported = false;
        if (c->messages > 0) continue; /* comes again when they are released */
        /* One that came just before the stop was never told. */
        if (c->is_told) out[count++] = (struct port_event){.kind = PORT_CLOSED, .connection = c->slot};
        c->state = CONNECTION_FREE; /* it may still stand in the lists: they look at the state */
        c->next = d->free;
        d->free = c;
    }
    return count;
}

/* --- the end of a connection --- */

static void held_free(struct port_dpdk *d, struct held *h)
{
    d->stack->give_back(h->keep);
    h->next = d->free_held;
    d->free_held = h;
}

static void held_drop(struct connection *c)
{
    while (c->first_held != NULL) {
        struct held *h = c->first_held;
        c->first_held = h->next;
        held_free(c->port, h);
    }
    c->last_held = NULL;
    c->held_count = 0;
}

static void pins_drop(struct connection *c)
{
    while (c->first_pin != NULL) {
        struct pin *p = c->first_pin;
        c->first_pin = p->next;
        pin_let_go(p);
    }
    c->last_pin = NULL;
}

static void end_begin(struct connection *c)
{
    struct port_dpdk *d = c->port;
    if (c->state != CONNECTION_OPEN && c->state != CONNECTION_CLOSING) return;
    c->state = CONNECTION_ENDING;
    held_drop(c);
    if (c->pcb != NULL && c->first_pin == NULL) {
        d->stack->consumed(c->pcb, c->owed_bytes); /* else it would be a reset: somebody has not read all */
        d->stack->close(c->pcb);
    } else if (c->pcb != NULL) {
        d->stack->abort(c->pcb);
    }
    c->pcb = NULL;
    c->owed_bytes = 0;
    while (c->first != NULL) {
        struct port_message *m = c->first;
        c->first = m->next;
        m->was_dropped = true;
        if (m->notifications == 0) report(d, m);
    }
    c->last = NULL;
    pins_drop(c);
    ended_check(c);
}

/* --- what the stack tells --- */

static bool on_transmit(void *context, void *connection, const struct stack_slice *slice, unsigned count,
                        uint32_t packet_bytes)
{
    struct port_dpdk *d = context;
    struct connection *c = connection;
    return queue_transmit(&d->queue, slice, count, c == NULL ? NULL : c->first_pin, packet_bytes);
}

static bool on_elsewhere(void *context, uint32_t flow)
{
    return spread_elsewhere(&((struct port_dpdk *)context)->queue, flow);
}

static void on_flow(void *context, uint32_t flow, bool is_here)
{
    spread_flow(&((struct port_dpdk *)context)->queue, flow, is_here);
}

static void *on_accepted(void *context, struct stack_pcb *pcb, uint32_t listener)
{
    struct port_dpdk *d = context;
    struct connection *c = d->free;
    if (d->is_stopping) return NULL;
    if (c == NULL) {
        d->port.stats.refused++;
        if (!d->said_refused) log_warn("dataplane", "a connection was refused: connections_max is reached (said once)");
        d->said_refused = true;
        return NULL;
    }
    d->free = c->next;
    bool is_ready = c->is_ready, is_writing = c->is_writing; /* of the slot's last user: the lists are not searched */
    struct connection *ready_next = c->ready_next, *writing_next = c->writing_next;
    *c = (struct connection){.port = d, .pcb = pcb, .slot = c->slot, .listener = listener, .state = CONNECTION_OPEN,
                             .is_ready = is_ready, .is_writing = is_writing, .ready_next = ready_next,
                             .writing_next = writing_next, .acknowledged = d->stack->position(pcb)};
    d->stack->peer(pcb, c->peer, sizeof c->peer);
    d->port.stats.accepted++;
    ready_add(c);
    return c;
}

static void on_received(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size)
{
    struct connection *c = connection;
    struct port_dpdk *d = c->port;
    struct held *h = d->free_held;
    if (c->state != CONNECTION_OPEN) { /* nobody reads it any more */
        d->stack->give_back(keep);
        c->owed_bytes += size;
        return;
    }
    if (h == NULL || c->held_count == CONNECTION_HELD_MAX) {
        if (!d->said_held)
            log_warn("dataplane", "the connection of %s was ended: more than %d frames of it waited, or %d of all "
                     "(said once)", c->peer, CONNECTION_HELD_MAX, HELD_MAX);
        d->said_held = true;
        d->stack->give_back(keep);
        c->has_failed = true;
        ready_add(c);
        return;
    }
    d->free_held = h->next;
    c->held_count++;
    *h = (struct held){NULL, keep, bytes, size};
    if (c->last_held == NULL) c->first_held = h;
    else c->last_held->next = h;
    c->last_held = h;
    c->owed_bytes += size;
    ready_add(c);
}

static void on_acknowledged(void *connection, uint32_t size)
{
    struct connection *c = connection;
    c->acknowledged += size;
    while (c->first_pin != NULL && (int32_t)(c->acknowledged - c->first_pin->end) >= 0) {
        struct pin *p = c->first_pin;
        if (p->message == c->first) break; /* it is still being written */
        c->first_pin = p->next;
        if (c->first_pin == NULL) c->last_pin = NULL;
        pin_let_go(p);
    }
    if (c->state == CONNECTION_CLOSING && c->first_pin == NULL) ready_add(c);
    writing_add(c); /* there may be room again */
}

static void on_finished(void *connection)
{
    struct connection *c = connection;
    c->is_finished = true;
    ready_add(c);
}

static void on_failed(void *connection)
{
    struct connection *c = connection;
    c->pcb = NULL;
    c->has_failed = true;
    ready_add(c);
}

/* --- events of what came --- */

static void lent_give_back(struct port_dpdk *d)
{
    for (uint32_t i = 0; i < d->lent_count; i++) {
        struct connection *c = d->lent[i].connection;
        d->stack->give_back(d->lent[i].keep);
        /* A paused one's window stays shut by as much.  (A slot cannot have a new user within one poll.) */
        if (c->pcb != NULL && !c->is_paused && c->owed_bytes >= d->lent[i].size) {
            c->owed_bytes -= d->lent[i].size;
            d->stack->consumed(c->pcb, d->lent[i].size);
        }
    }
    d->lent_count = 0;
}

static unsigned connection_events(struct connection *c, struct port_event *out, unsigned max)
{
    struct port_dpdk *d = c->port;
    unsigned count = 0;
    if (c->state == CONNECTION_FREE) return 0;
    if (!c->is_told && max > 0) {
        c->is_told = true;
        out[count++] = (struct port_event){.kind = PORT_ACCEPTED, .connection = c->slot, .listener = c->listener};
    }
    if (c->state == CONNECTION_CLOSING && (c->has_failed || c->first_pin == NULL)) end_begin(c);
    if (c->state != CONNECTION_OPEN) return count;
    while (c->first_held != NULL && !c->is_paused && count < max && d->lent_count < LENT_MAX) {
        struct held *h = c->first_held;
        c->first_held = h->next;
        c->held_count--;
        if (c->first_held == NULL) c->last_held = NULL;
        d->lent[d->lent_count].connection = c;
        d->lent[d->lent_count].keep = h->keep;
        d->lent[d->lent_count++].size = h->size;
        d->port.stats.received_bytes += h->size;
        out[count++] = (struct port_event){.kind = PORT_DATA, .connection = c->slot, .bytes = h->bytes,
                                           .size = h->size};
        h->next = d->free_held;
        d->free_held = h;
    }
    if (c->has_failed || (c->is_finished && c->first_held == NULL)) end_begin(c);
    else if (c->first_held != NULL && !c->is_paused) ready_add(c); /* no room for more events */
    return count;
}

static unsigned ready_drain(struct port_dpdk *d, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    struct connection *end = d->ready.last;
    while (d->ready.first != NULL && count < max) {
        struct connection *c = d->ready.first;
        bool is_end = c == end;
        d->ready.first = c->ready_next;
        if (d->ready.first == NULL) d->ready.last = NULL;
        c->is_ready = false;
        count += connection_events(c, out + count, max - count);
        if (is_end) break; /* those behind came back */
    }
    return count;
}

/* --- sending --- */

static void pin_add(struct connection *c, struct pin *p)
{
    p->next = NULL;
    p->start = p->end = c->port->stack->position(c->pcb);
    if (c->last_pin == NULL) c->first_pin = p;
    else c->last_pin->next = p;
    c->last_pin = p;
}

/* Lends this piece's bytes, or copies them? */
static bool piece_is_lent(struct connection *c, struct port_message *m, const struct port_piece *piece)
{
    struct port_dpdk *d = c->port;
    const struct chunk_pool *pool = d->queue.device->pool; /* what the device can address */
    if (!piece->may_pin || m->may_copy_only || pool == NULL || !d->queue.device->has_segments ||
        piece->size < LENT_BYTES_MIN || !chunk_pool_holds(pool, piece->bytes))
        return false;
    if (m->notifications > 0) return true;
    struct pin *p = pin_take(&d->queue, m);
    if (p == NULL) return false;
    pin_add(c, p);
    return true;
}

static void message_written(struct connection *c, struct port_message *m)
{
    c->first = m->next;
    if (c->first == NULL) c->last = NULL;
    m->is_sent = true;
    report(c->port, m);
    /* All of it may be acknowledged already: then its pin waited for this only. */
    on_acknowledged(c, 0);
}

/* Gives the stack of the first message what it takes; returns the bytes, 0: the window is full, or lacks_memory. */
static uint32_t write_some(struct connection *c)
{
    struct port_dpdk *d = c->port;
    struct port_message *m = c->first;
    const struct port_piece *piece = &m->piece[m->piece_index];
    uint32_t left = piece->size - m->piece_position, room = d->stack->room(c->pcb), size = left < room ? left : room;
    if (size == 0) return 0;
    bool is_lent = piece_is_lent(c, m, piece);
    if (!is_lent && size > COPY_BYTES) size = COPY_BYTES; /* the stack has no larger pieces of memory */
    bool is_last = size == left && m->piece_index + 1 == m->piece_count;
    if (!d->stack->write(c->pcb, piece->bytes + m->piece_position, size, is_lent, is_last)) {
        d->lacks_memory = true;
        return 0;
    }
    if (m->notifications > 0) c->last_pin->end = d->stack->position(c->pcb);
    if (is_lent) m->zero_copy_bytes += size, d->port.stats.zero_copy_bytes += size;
    else d->port.stats.copied_bytes += size;
    m->piece_position += size;
    if (m->piece_position < piece->size) return size;
    m->piece_position = 0;
    if (++m->piece_index == m->piece_count) message_written(c, m);
    return size;
}

/* Each connection that has something to send, in turn, until the transmit budget of this turn is used up. */
static unsigned writing_drain(struct port_dpdk *d)
{
    unsigned work = 0;
    struct connection *end = d->writing.last;
    d->lacks_memory = false;
    while (d->writing.first != NULL) {
        struct connection *c = writing_take(d);
        bool is_end = c == end, has_no_room = false;
        uint32_t written = 0, size = 1;
        while (c->state == CONNECTION_OPEN && c->pcb != NULL && c->first != NULL && written < WRITE_TURN_BYTES &&
               (size = write_some(c)) > 0)
            written += size;
        if (c->state != CONNECTION_FREE && c->pcb != NULL) has_no_room = d->stack->output(c->pcb);
        work += written > 0;
        /* Without room in its window an acknowledgement brings it back; without memory nothing of it may be on its way,
         * and no other finds any. */
        bool has_more = (size > 0 || d->lacks_memory) && c->first != NULL && c->state == CONNECTION_OPEN &&
                        c->pcb != NULL;
        if (has_no_room || has_more) writing_add(c);
        if (has_no_room || d->lacks_memory || is_end) break;
    }
    return work;
}

static void dpdk_send(struct port *p, uint32_t slot, struct port_message *m)
{
    struct port_dpdk *d = dpdk_of(p);
    struct connection *c = &d->connections[slot];
    INVARIANT(c->state != CONNECTION_FREE && m->piece_count > 0);
    port_message_begin(m, c);
    c->messages++;
    if (c->state != CONNECTION_OPEN) {
        m->was_dropped = true;
        report(d, m);
        return;
    }
    if (c->last == NULL) c->first = m;
    else c->last->next = m;
    c->last = m;
    writing_add(c);
}

/* --- the port's operations --- */

static void stats_show(struct port_dpdk *d)
{
    struct stack_stats stack;
    struct port_stats *s = &d->port.stats;
    d->stack->stats(&stack);
    s->packets_received = d->queue.stats.received_frames;
    s->packets_sent = d->queue.stats.sent_frames;
    s->packets_retransmitted = stack.retransmitted;
    s->packets_dropped = stack.dropped + stack.checksum_errors + d->queue.stats.refused;
    s->packets_no_memory = d->queue.stats.no_frame;
    s->packets_ring_full = d->queue.stats.ring_full;
    s->packets_handed_over = d->queue.stats.handed_over;
    s->wire_received_bytes = d->queue.stats.received_bytes;
    s->wire_sent_bytes = d->queue.stats.sent_bytes;
    s->pins = d->queue.pins_used;
}

static void tick(struct port_dpdk *d, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / 1000000;
    if (now_ms == d->tick_ms) return;
    d->tick_ms = now_ms;
    d->stack->tick(now_ms);
    if (now_ns - d->shown_ns >= SHOW_NS) {
        d->shown_ns = now_ns;
        stats_show(d);
    }
    if (d->queue.pins_used > 0) queue_clean(&d->queue); /* else the last frames' pins wait for the next frames */
}

static unsigned dpdk_poll(struct port *p, struct port_event *out, unsigned max)
{
    struct port_dpdk *d = dpdk_of(p);
    lent_give_back(d);
    uint64_t now_ns = clock_monotonic_ns(d->clock);
    queue_look(&d->queue);
    unsigned count = ended_drain(d, out, max), work = 0;
    count += reports_drain(d, out + count, max - count);
    tick(d, now_ns);
    if (d->ready.first == NULL) work += queue_receive(&d->queue, d->stack); /* rx before tx */
    count += ready_drain(d, out + count, max - count);
    work += writing_drain(d);
    count += reports_drain(d, out + count, max - count);
    queue_flush(&d->queue);
    if (work + count > 0) d->worked_ns = now_ns;
    return count;
}

uint64_t port_dpdk_rest_ns(struct port *p)
{
    struct port_dpdk *d = dpdk_of(p);
    if (d->report_first != NULL || d->ended.first != NULL || d->ready.first != NULL || d->queue.pending_count > 0 ||
        (d->writing.first != NULL && !d->lacks_memory))
        return 0;
    if (d->lacks_memory) return REST_SHORT_NS; /* others' acknowledgements make room */
    return clock_monotonic_ns(d->clock) - d->worked_ns < AWAKE_NS ? REST_SHORT_NS : REST_LONG_NS;
}

static void dpdk_wait(struct port *p, uint64_t timeout_ns)
{
    struct port_dpdk *d = dpdk_of(p);
    uint64_t rest_ns = port_dpdk_rest_ns(p);
    if (rest_ns > timeout_ns) rest_ns = timeout_ns;
    if (rest_ns == 0) return;
    struct timespec rest = {.tv_nsec = (long)rest_ns};
    if (ppoll(d->watches, d->watch_count, &rest, NULL) <= 0) return;
    for (unsigned i = 0; i < d->watch_count; i++)
        if (d->watches[i].revents != 0) d->is_watch_ready[i] = true;
}

static void dpdk_pause(struct port *p, uint32_t slot) { dpdk_of(p)->connections[slot].is_paused = true; }

static void dpdk_resume(struct port *p, uint32_t slot)
{
    struct port_dpdk *d = dpdk_of(p);
    struct connection *c = &d->connections[slot];
    if (!c->is_paused || c->state != CONNECTION_OPEN) return;
    c->is_paused = false;
    uint32_t waits = 0; /* not yet seen by the caller: stays owed */
    for (const struct held *h = c->first_held; h != NULL; h = h->next) waits += h->size;
    for (uint32_t i = 0; i < d->lent_count; i++)
        if (d->lent[i].connection == c) waits += d->lent[i].size;
    if (c->pcb != NULL && c->owed_bytes > waits) {
        d->stack->consumed(c->pcb, c->owed_bytes - waits);
        c->owed_bytes = waits;
    }
    ready_add(c);
}

static uint32_t dpdk_handed(const struct port *p, uint32_t slot, const struct port_message *m)
{
    const struct connection *c = &((const struct port_dpdk *)p)->connections[slot];
    if (m->is_sent || c->state != CONNECTION_OPEN) return m->piece_count;
    return m->piece_index + (m->piece_position > 0);
}

static void dpdk_close(struct port *p, uint32_t slot)
{
    struct connection *c = &dpdk_of(p)->connections[slot];
    bool has_all_written = c->pcb != NULL && !c->has_failed && c->first == NULL;
    if (c->state == CONNECTION_OPEN && has_all_written && c->first_pin != NULL) {
        c->state = CONNECTION_CLOSING;
        held_drop(c);
    } else {
        end_begin(c);
    }
}

static void dpdk_peer(const struct port *p, uint32_t slot, char out[PORT_PEER_BYTES])
{
    memcpy(out, ((const struct port_dpdk *)p)->connections[slot].peer, PORT_PEER_BYTES);
}

static unsigned dpdk_watch(struct port *p, int fd)
{
    struct port_dpdk *d = dpdk_of(p);
    INVARIANT(d->watch_count < PORT_WATCHES_MAX);
    d->watches[d->watch_count] = (struct pollfd){.fd = fd, .events = POLLIN};
    return d->watch_count++;
}

static bool dpdk_watch_take(struct port *p, unsigned watch)
{
    struct port_dpdk *d = dpdk_of(p);
    bool is_ready = d->is_watch_ready[watch];
    d->is_watch_ready[watch] = false;
    return is_ready;
}

static void dpdk_stop(struct port *p)
{
    struct port_dpdk *d = dpdk_of(p);
    d->is_stopping = true;
    d->stack->stop();
    for (uint32_t i = 0; i < d->connections_max; i++) end_begin(&d->connections[i]);
}

static void dpdk_fini(struct port *p)
{
    struct port_dpdk *d = dpdk_of(p);
    struct port_event event[LENT_MAX];
    if (!d->is_stopping) dpdk_stop(p);
    for (int i = 0; i < 8; i++) (void)dpdk_poll(p, event, LENT_MAX); /* resets and good-byes on their way */
    lent_give_back(d);
    queue_fini(&d->queue);
    if (d->is_registered) rte_thread_unregister();
    free(d->connections);
    free(d->held);
    free(d);
}

static const struct port_operations dpdk_operations = {
    dpdk_poll, dpdk_wait, dpdk_send, dpdk_pause, dpdk_resume, dpdk_handed, dpdk_close, dpdk_peer, dpdk_watch,
    dpdk_watch_take, dpdk_stop, dpdk_fini,
};

/* --- opening --- */

static enum err stack_open(struct port_dpdk *d, struct port_dpdk_device *device, uint32_t lcore, const uint16_t *ports,
                           uint32_t port_count, struct err_msg *msg)
{
    struct stack_config config = {
        .handlers = {d, on_transmit, on_accepted, on_received, on_acknowledged, on_finished, on_failed,
                     on_elsewhere, on_flow},
        .mtu = device->config.mtu, .vlan = device->config.vlan, .address4 = device->address, .prefix4 = device->prefix,
        .gateway4 = device->config.gateway, .address6 = device->config.address6, .gateway6 = device->config.gateway6,
        .device_ip_checksums = device->has_ip_checksums, .device_tcp_checksums = device->has_tcp_checksums,
        .super_bytes = device->super_bytes, .super_packets = device->is_cut_here ? DPDK_CUT_PACKETS : 0,
    };
    memcpy(config.mac, device->mac.addr_bytes, sizeof config.mac);
    memcpy(config.secret, device->secret, sizeof config.secret);
    d->stack = stack_at(lcore);
    const char *why = d->stack->open(&config, clock_monotonic_ns(d->clock) / 1000000);
    if (why != NULL) return err_set(msg, ERR_INVALID, "the addresses of device %s: %s", device->config.device, why);
    for (uint32_t i = 0; i < port_count; i++)
        if (ports[i] != 0 && !d->stack->listen(ports[i], i))
            return err_set(msg, ERR_EXISTS, "two listeners have port %u at device %s", ports[i], device->config.device);
    return ERR_OK;
}

enum err port_dpdk_open(struct port **out, struct port_dpdk_device *device, uint32_t lcore, const uint16_t *ports,
                        uint32_t port_count, uint32_t connections_max, const struct clock *clock, struct err_msg *msg)
{
    INVARIANT(lcore < device->config.lcores && port_count <= STACK_LISTENERS_MAX);
    struct port_dpdk *d = calloc(1, sizeof *d);
    if (d == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a DPDK port");
    d->port = (struct port){.operations = &dpdk_operations, .kind = "dpdk", .has_packets = true};
    d->clock = clock;
    d->connections_max = connections_max;
    d->connections = calloc(connections_max, sizeof *d->connections);
    d->held = calloc(HELD_MAX, sizeof *d->held);
    uint32_t pins = connections_max * PINS_PER_CONNECTION;
    enum err e = queue_init(&d->queue, device, lcore, pins < PINS_MIN ? PINS_MIN : pins);
    if (d->connections == NULL || d->held == NULL) e = ERR_NO_MEMORY;
    if (e != ERR_OK) {
        queue_fini(&d->queue);
        free(d->connections);
        free(d->held);
        free(d);
        return err_set(msg, ERR_NO_MEMORY, "no memory for %u connections", connections_max);
    }
    d->queue.context = d;
    d->queue.released = on_released;
    for (uint32_t i = connections_max; i-- > 0;) {
        d->connections[i].port = d;
        d->connections[i].slot = i;
        d->connections[i].next = d->free;
        d->free = &d->connections[i];
    }
    for (uint32_t i = HELD_MAX; i-- > 0;) {
        d->held[i].next = d->free_held;
        d->free_held = &d->held[i];
    }
    d->is_registered = rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0; /* for the pools' caches */
    prctl(PR_SET_TIMERSLACK, 1000UL); /* a rest of 50 us is one of 50 us */
    e = stack_open(d, device, lcore, ports, port_count, msg);
    if (e != ERR_OK) {
        dpdk_fini(&d->port);
        return e;
    }
    *out = &d->port;
    return ERR_OK;
}

void port_dpdk_stats(const struct port *p, struct port_dpdk_stats *out)
{
    const struct port_dpdk *d = (const struct port_dpdk *)p;
    struct stack_stats stack;
    d->stack->stats(&stack);
    *out = d->queue.stats;
    out->retransmitted = stack.retransmitted;
    out->dropped = stack.dropped;
    out->checksum_errors = stack.checksum_errors;
    out->half_open_ended = stack.half_open_ended;
    out->walked = stack.walked;
    out->connections = stack.connections;
    out->time_wait = stack.time_wait;
    out->pins = d->queue.pins_used;
    out->segments = stack.segments_queued;
    out->frames_kept = stack.frames_kept;
    const struct port_dpdk_device *device = d->queue.device;
    out->frames_free = rte_mempool_avail_count(device->rx_pool[d->queue.index]);
    out->sent_frames_free = rte_mempool_avail_count(device->tx_pool[d->queue.index]);
    out->lent_frames_free = rte_mempool_avail_count(device->lent_pool[d->queue.index]);
}

size_t port_dpdk_connection_bytes(uint32_t connections_max)
{
    uint32_t pins = connections_max * PINS_PER_CONNECTION;
    return connections_max * sizeof(struct connection) + HELD_MAX * sizeof(struct held) + sizeof(struct port_dpdk) +
           (pins < PINS_MIN ? PINS_MIN : pins) * sizeof(struct pin);
}
