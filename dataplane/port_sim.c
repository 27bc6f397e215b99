#include "dataplane/port_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

struct bytes_queue {
    uint8_t *bytes;
    size_t   start, end, capacity;
};

/* Both ends of a connection; freed when the port has told PORT_CLOSED and the test has hung up. */
struct port_sim_peer {
    struct port_sim *sim;
    uint32_t slot, listener;
    struct bytes_queue to_server, to_client;
    size_t   window;
    struct port_message *first, *last;       /* to send */
    struct port_message *unreleased;         /* sent, not yet told as released */
    uint32_t messages;
    unsigned burst;                          /* of PORT_DATA in one poll */
    bool     is_told, is_paused, server_closed, client_closed;
};

struct port_sim {
    struct port port;
    struct random *random;
    uint32_t connections_max, turn;
    struct port_sim_peer **peers; /* by slot, NULL: free */
    struct { uint8_t *bytes; } lent[64]; /* PORT_DATA of the last poll */
    uint32_t lent_count;
    bool     is_stopping;
};

static void queue_put(struct bytes_queue *q, const void *bytes, size_t size)
{
    if (q->capacity - q->end < size) {
        size_t held = q->end - q->start;
        size_t capacity = (held + size) * 2;
        uint8_t *larger = malloc(capacity);
        INVARIANT(larger != NULL); /* a test out of memory cannot go on */
        if (held > 0) memcpy(larger, q->bytes + q->start, held);
        free(q->bytes);
        *q = (struct bytes_queue){larger, 0, held, capacity};
    }
    if (size > 0) memcpy(q->bytes + q->end, bytes, size);
    q->end += size;
}

static size_t queue_size(const struct bytes_queue *q) { return q->end - q->start; }

/* How much of `size` moves this time: all of it, or a random part. */
static size_t portion(struct port_sim *s, size_t size)
{
    if (s->random == NULL || size <= 1) return size;
    switch (random_below(s->random, 3)) {
    case 0:  return 1 + random_below(s->random, size < 16 ? size : 16);
    case 1:  return 1 + random_below(s->random, size);
    default: return size;
    }
}

static bool luck(struct port_sim *s) { return s->random == NULL || random_below(s->random, 2) == 0; }

static void peer_forget(struct port_sim_peer *p)
{
    if (p->sim != NULL || !p->client_closed) return; /* the port, or the test, still holds it */
    free(p->to_server.bytes);
    free(p->to_client.bytes);
    free(p);
}

/* Moves bytes of the first message to the peer; the sent message goes to the unreleased ones. */
static struct port_message *send_some(struct port_sim *s, struct port_sim_peer *p)
{
    struct port_message *m = p->first;
    if (m == NULL || p->server_closed) return NULL;
    size_t held = queue_size(&p->to_client);
    if (p->client_closed || held >= p->window) return NULL;
    size_t room = p->window - held, moved = portion(s, room < (1u << 20) ? room : 1u << 20);
    while (moved > 0 && m->piece_index < m->piece_count) {
        const struct port_piece *piece = &m->piece[m->piece_index];
        size_t rest = piece->size - m->piece_position, now = rest < moved ? rest : moved;
        queue_put(&p->to_client, piece->bytes + m->piece_position, now);
        if (piece->may_pin && !m->may_copy_only) m->zero_copy_bytes += now;
        moved -= now;
        m->piece_position += (uint32_t)now;
        if (m->piece_position < piece->size) continue;
        m->piece_position = 0;
        m->piece_index++;
    }
    if (m->piece_index < m->piece_count) return NULL;
    p->first = m->next;
    if (p->first == NULL) p->last = NULL;
    m->is_sent = true;
    m->next = p->unreleased;
    p->unreleased = m;
    return m;
}

static unsigned peer_close(struct port_sim *s, struct port_sim_peer *p, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (p->first != NULL) { /* what was not sent is dropped */
        struct port_message *m = p->first;
        p->first = m->next;
        m->was_dropped = true;
        m->next = p->unreleased;
        p->unreleased = m;
    }
    p->last = NULL;
    while (p->unreleased != NULL && count < max) {
        struct port_message *m = p->unreleased;
        p->unreleased = m->next;
        p->messages--;
        out[count++] = (struct port_event){.kind = PORT_RELEASED, .connection = p->slot, .message = m};
    }
    if (count > 0 || max == 0) return count; /* closed is told alone: the caller may act upon what came before */
    INVARIANT(p->messages == 0);
    out[count++] = (struct port_event){.kind = PORT_CLOSED, .connection = p->slot};
    s->peers[p->slot] = NULL;
    p->sim = NULL;
    p->server_closed = true;
    peer_forget(p);
    return count;
}

static unsigned peer_data(struct port_sim *s, struct port_sim_peer *p, struct port_event *out)
{
    size_t held = queue_size(&p->to_server);
    if (held == 0 || p->is_paused || !luck(s) || s->lent_count == sizeof s->lent / sizeof *s->lent) return 0;
    size_t size = portion(s, held < 4096 ? held : 4096);
    uint8_t *copy = malloc(size); /* of exactly this size, so that a sanitizer sees a read past it */
    INVARIANT(copy != NULL);
    memcpy(copy, p->to_server.bytes + p->to_server.start, size);
    p->to_server.start += size;
    s->lent[s->lent_count++].bytes = copy;
    s->port.stats.received_bytes += size;
    *out = (struct port_event){.kind = PORT_DATA, .connection = p->slot, .bytes = copy, .size = (uint32_t)size};
    return 1;
}

static unsigned peer_poll(struct port_sim *s, struct port_sim_peer *p, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    if (!p->is_told) {
        p->is_told = true;
        s->port.stats.accepted++;
        out[count++] = (struct port_event){.kind = PORT_ACCEPTED, .connection = p->slot,
                                           .listener = p->listener};
    }
    bool is_eof = p->client_closed && queue_size(&p->to_server) == 0;
    if (p->server_closed || is_eof) return count > 0 ? count : peer_close(s, p, out, max);
    for (unsigned n = 0; n < p->burst && count + 3 <= max; n++) count += peer_data(s, p, out + count);
    struct port_message *sent = count < max ? send_some(s, p) : NULL;
    if (sent != NULL) out[count++] = (struct port_event){.kind = PORT_SENT, .connection = p->slot, .message = sent};
    if (sent == NULL && p->unreleased != NULL && count < max && luck(s)) {
        struct port_message *m = p->unreleased;
        p->unreleased = m->next;
        p->messages--;
        out[count++] = (struct port_event){.kind = PORT_RELEASED, .connection = p->slot, .message = m};
    }
    return count;
}

static unsigned sim_poll(struct port *port, struct port_event *out, unsigned max)
{
    struct port_sim *s = (struct port_sim *)port;
    unsigned count = 0;
    while (s->lent_count > 0) free(s->lent[--s->lent_count].bytes);
    for (uint32_t i = 0; i < s->connections_max && count + 4 <= max; i++) {
        uint32_t slot = (s->turn + i) % s->connections_max;
        if (s->peers[slot] != NULL) count += peer_poll(s, s->peers[slot], out + count, max - count);
    }
    s->turn++;
    return count;
}

static void sim_wait(struct port *port, uint64_t timeout_ns)
{
    (void)port;
    (void)timeout_ns;
}

static struct port_sim_peer *peer_at(struct port *port, uint32_t slot)
{
    struct port_sim_peer *p = ((struct port_sim *)port)->peers[slot];
    INVARIANT(p != NULL);
    return p;
}

static void sim_send(struct port *port, uint32_t slot, struct port_message *m)
{
    struct port_sim_peer *p = peer_at(port, slot);
    port_message_begin(m, p);
    p->messages++;
    if (p->last == NULL) p->first = m;
    else p->last->next = m;
    p->last = m;
}

static uint32_t sim_handed(const struct port *port, uint32_t slot, const struct port_message *m)
{
    (void)port;
    (void)slot;
    return m->piece_index + (m->piece_position > 0);
}

static void sim_pause(struct port *port, uint32_t slot) { peer_at(port, slot)->is_paused = true; }
static void sim_resume(struct port *port, uint32_t slot) { peer_at(port, slot)->is_paused = false; }
static void sim_close(struct port *port, uint32_t slot) { peer_at(port, slot)->server_closed = true; }

static void sim_peer(const struct port *port, uint32_t slot, char out[PORT_PEER_BYTES])
{
    (void)port;
    snprintf(out, PORT_PEER_BYTES, "192.0.2.%u", slot % 250 + 1);
}

static unsigned sim_watch(struct port *port, int fd)
{
    (void)port;
    (void)fd;
    return 0;
}

static bool sim_watch_take(struct port *port, unsigned watch)
{
    (void)port;
    (void)watch;
    return false;
}

static void sim_stop(struct port *port)
{
    struct port_sim *s = (struct port_sim *)port;
    s->is_stopping = true;
    for (uint32_t i = 0; i < s->connections_max; i++)
        if (s->peers[i] != NULL) s->peers[i]->server_closed = true;
}

static void sim_fini(struct port *port)
{
    struct port_sim *s = (struct port_sim *)port;
    while (s->lent_count > 0) free(s->lent[--s->lent_count].bytes);
    for (uint32_t i = 0; i < s->connections_max; i++) {
        struct port_sim_peer *p = s->peers[i];
        if (p == NULL) continue;
        p->sim = NULL;
        p->server_closed = true;
        peer_forget(p);
    }
    free(s->peers);
    free(s);
}

static const struct port_operations sim_operations = {
    sim_poll, sim_wait, sim_send, sim_pause, sim_resume, sim_handed, sim_close, sim_peer, sim_watch, sim_watch_take,
    sim_stop, sim_fini,
};

enum err port_sim_open(struct port **out, uint32_t connections_max, struct random *random)
{
    struct port_sim *s = calloc(1, sizeof *s);
    struct port_sim_peer **peers = calloc(connections_max, sizeof(struct port_sim_peer *));
    if (s == NULL || peers == NULL) {
        free(s);
        free(peers);
        return ERR_NO_MEMORY;
    }
    s->port = (struct port){.operations = &sim_operations, .kind = "sim"};
    s->random = random;
    s->connections_max = connections_max;
    s->peers = peers;
    *out = &s->port;
    return ERR_OK;
}

struct port_sim_peer *port_sim_connect(struct port *port) { return port_sim_connect_by(port, 0); }

struct port_sim_peer *port_sim_connect_by(struct port *port, uint32_t listener)
{
    struct port_sim *s = (struct port_sim *)port;
    uint32_t slot = 0;
    while (slot < s->connections_max && s->peers[slot] != NULL) slot++;
    struct port_sim_peer *p = calloc(1, sizeof *p);
    if (slot == s->connections_max || s->is_stopping || p == NULL) {
        s->port.stats.refused++;
        free(p);
        return NULL;
    }
    p->sim = s;
    p->slot = slot;
    p->listener = listener;
    p->window = SIZE_MAX;
    p->burst = 1;
    s->peers[slot] = p;
    return p;
}

bool port_sim_write(struct port_sim_peer *p, const void *bytes, size_t size)
{
    if (p->server_closed) return false;
    queue_put(&p->to_server, bytes, size);
    return true;
}

size_t port_sim_readable(const struct port_sim_peer *p) { return queue_size(&p->to_client); }

size_t port_sim_read(struct port_sim_peer *p, void *out, size_t max)
{
    size_t held = queue_size(&p->to_client), size = held < max ? held : max;
    if (size > 0) memcpy(out, p->to_client.bytes + p->to_client.start, size);
    p->to_client.start += size;
    return size;
}

void port_sim_window(struct port_sim_peer *p, size_t bytes) { p->window = bytes; }
void port_sim_burst(struct port_sim_peer *p, unsigned events) { p->burst = events; }
bool port_sim_is_closed(const struct port_sim_peer *p) { return p->server_closed; }

void port_sim_hang_up(struct port_sim_peer *p)
{
    p->client_closed = true;
    peer_forget(p);
}
