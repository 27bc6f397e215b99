/* dataplane/port.h -- the door to the network: connections, bytes in, bytes out.
 *
 * One port belongs to one serve lcore; all functions are that thread's.  Behind the door stands the kernel's TCP
 * (port_kernel.h), a stack of our own on DPDK (port_dpdk.h), both (port_both.h) or memory (port_sim.h); nothing of them
 * shows here.
 *
 * A connection is a slot number, 0 .. connections_max-1, from PORT_ACCEPTED until PORT_CLOSED.
 *
 * What is sent is lent, not copied: a message and all bytes it points to belong to the port from port_send until its
 * PORT_RELEASED event, which comes when the peer has acknowledged them (zero copy) or the network has its own copy.
 * Every message is released exactly once, also when the connection ends before it was sent.
 *
 * The rule of the end: PORT_CLOSED is never in one batch (of a port_poll) with an earlier event of the same connection,
 * and it is put off while a message is lent.  So what a caller does upon an event, or between two polls, finds the
 * connection still there; a port above a port must tell all that the one below has told before it polls that again. */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PORT_PEER_BYTES   = 48, /* an IPv6 address as text, and a zero */
    PORT_WATCHES_MAX  = 4,
    PORT_ZERO_COPY_BYTES_MIN = 16 << 10, /* below, copying is cheaper than a notification */
};

struct port_piece {
    const uint8_t *bytes;
    uint32_t size;     /* > 0 */
    bool     may_pin;  /* may be kept until the peer has it: sent without a copy where that is cheaper */
};

/* One answer: its pieces go out in order, uninterrupted. */
struct port_message {
    struct port_piece *piece;
    uint32_t piece_count; /* > 0 */
    bool     may_copy_only; /* send it by copies even where zero copy is possible */
    /* the port's own, between port_send and PORT_RELEASED */
    struct port_message *next;
    void    *connection;
    uint32_t piece_index, piece_position;
    uint32_t notifications; /* of zero-copy sends, still to come */
    uint64_t zero_copy_bytes;
    uint32_t copied_pieces; /* the first ones, whose bytes are not needed any more */
    bool     is_sent, was_dropped;
};

/* For the kinds of port: `m` was just handed over, nothing of it went yet. */
static inline void port_message_begin(struct port_message *m, void *connection)
{
    m->next = NULL;
    m->connection = connection;
    m->piece_index = m->piece_position = m->notifications = m->copied_pieces = 0;
    m->zero_copy_bytes = 0;
    m->is_sent = m->was_dropped = false;
}

enum port_event_kind {
    PORT_ACCEPTED, /* a new connection, by listener; nothing of it was read yet */
    PORT_SECURED,  /* the handshake is done, on connections that have one; subject: of the peer's certificate */
    PORT_DATA,     /* bytes, size: valid until the next port_poll */
    PORT_SENT,     /* message: its last byte was handed to the network, nothing of it waits any more */
    PORT_RELEASED, /* message: it and its bytes are the caller's again; zero_copy_bytes, was_dropped: how it went */
    PORT_CLOSED,   /* the last event of this connection, in a batch behind all others of it.  has_failed: for what
                    * the peer did, which the log was told */
};

struct port_event {
    enum port_event_kind kind;
    uint32_t connection;
    union {
        struct { const uint8_t *bytes; uint32_t size; };
        struct port_message *message;
        uint32_t listener; /* its number, as the kind of port was given them */
        const char *subject; /* RFC 2253, valid until the next port_poll; NULL: the peer showed no certificate */
        bool has_failed;
    };
};

struct port_stats { /* since the start */
    uint64_t accepted, refused; /* refused: no slot, or no descriptor, was free */
    uint64_t received_bytes, copied_bytes, zero_copy_bytes;
    uint64_t handshakes, handshakes_failed, encrypted_bytes; /* TLS */
    uint64_t buffer_bytes; /* now, of encrypted data that waits */
    uint64_t pins; /* now, messages whose lent bytes the network may still need */
    /* Past the kernel.  dropped: damaged, or not for us; no_memory, ring_full: waited for memory, for the device. */
    uint64_t packets_received, packets_sent, packets_retransmitted, packets_dropped, packets_no_memory;
    uint64_t packets_ring_full, wire_received_bytes, wire_sent_bytes; /* wire: whole frames */
    uint64_t packets_handed_over; /* by other lcores, whose queue got them */
};

struct port;
struct port_operations {
    unsigned (*poll)(struct port *p, struct port_event *out, unsigned max);
    void (*wait)(struct port *p, uint64_t timeout_ns);
    void (*send)(struct port *p, uint32_t connection, struct port_message *m);
    void (*pause)(struct port *p, uint32_t connection);
    void (*resume)(struct port *p, uint32_t connection);
    uint32_t (*handed)(const struct port *p, uint32_t connection, const struct port_message *m);
    void (*close)(struct port *p, uint32_t connection);
    void (*peer)(const struct port *p, uint32_t connection, char out[PORT_PEER_BYTES]);
    unsigned (*watch)(struct port *p, int fd);
    bool (*watch_take)(struct port *p, unsigned watch);
    void (*stop)(struct port *p);
    void (*fini)(struct port *p);
};
struct port { /* the head of every kind of port */
    const struct port_operations *operations;
    const char *kind;    /* "kernel", "dpdk", ...; static */
    bool has_packets;    /* it counts them */
    const struct port *below[2]; /* ports that it stands above; NULL: none (it stands at the network) */
    struct port_stats stats;
};

/* The next events, at most `max`; 0: none now.  Never blocks; hands what was queued for sending to the network. */
static inline unsigned port_poll(struct port *p, struct port_event *out, unsigned max)
{
    return p->operations->poll(p, out, max);
}
/* Blocks until there may be an event, a watched descriptor is readable, or the time is over. */
static inline void port_wait(struct port *p, uint64_t timeout_ns) { p->operations->wait(p, timeout_ns); }
/* Queues a message behind those of the same connection.  On a connection that is ending it is released unsent. */
static inline void port_send(struct port *p, uint32_t connection, struct port_message *m)
{
    p->operations->send(p, connection, m);
}
/* Pieces, from the first one on, of a message that the network may hold the bytes of.  Those behind are only looked at
 * when their turn comes: until then their owner may put other memory in their place, with equal bytes. */
static inline uint32_t port_handed(const struct port *p, uint32_t connection, const struct port_message *m)
{
    return p->operations->handed(p, connection, m);
}
/* pause: read no more from this connection (a little that is on its way may still come); resume: go on. */
static inline void port_pause(struct port *p, uint32_t connection) { p->operations->pause(p, connection); }
static inline void port_resume(struct port *p, uint32_t connection) { p->operations->resume(p, connection); }
/* Ends the connection.  What is not handed over is dropped; pinned bytes are taken back by a reset.  After PORT_SENT of
 * the last message the peer still gets it.  PORT_RELEASED and PORT_CLOSED follow, no PORT_DATA.  A port that says
 * good-bye first may wait for the peer to take it: called again, it waits no more. */
static inline void port_close(struct port *p, uint32_t connection) { p->operations->close(p, connection); }
/* The peer's address as text, e.g. "127.0.0.1". */
static inline void port_peer(const struct port *p, uint32_t connection, char out[PORT_PEER_BYTES])
{
    p->operations->peer(p, connection, out);
}
/* Lets port_wait end when `fd` becomes readable.  Returns the watch's number; at most PORT_WATCHES_MAX. */
static inline unsigned port_watch(struct port *p, int fd) { return p->operations->watch(p, fd); }
/* True once after the watched descriptor became readable. */
static inline bool port_watch_take(struct port *p, unsigned watch) { return p->operations->watch_take(p, watch); }
/* Accepts no more and closes every connection; poll until all are PORT_CLOSED, then fini. */
static inline void port_stop(struct port *p) { p->operations->stop(p); }
static inline void port_fini(struct port *p) { p->operations->fini(p); }

#endif
