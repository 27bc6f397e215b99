/* dataplane/lwip/stack.h -- a TCP/IP stack in user space: Ethernet frames in and out, connections between.
 *
 * Behind it stands lwIP, of which nothing shows here.  lwIP keeps its state in globals, so the build makes several
 * copies of it (stack_at): each serves one lcore, and all calls of one copy are that lcore's thread's.  A handler runs
 * within input, tick or output; it must not call back into the stack.  base/err.h is not included, for lwIP has an
 * ERR_OK of its own. */
#ifndef DATAPLANE_LWIP_STACK_H
#define DATAPLANE_LWIP_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STACK_LISTENERS_MAX = 8,
    STACK_SLICES_MAX    = 64,  /* of one frame */
    STACK_HEAD_BYTES    = 128, /* Ethernet, VLAN, IP and TCP headers with their options, at most */
    STACK_SECRET_BYTES  = 16,
};

struct stack_pcb;   /* a connection, as the stack sees it */
struct stack_bytes; /* bytes received: a frame is kept until they are given back */

/* A part of a frame to send.  is_lent: bytes that stack_operations.write did not copy; the frame that carries them may
 * still be on its way when they are acknowledged.  position: of the first in the connection's stream, as `position` of
 * stack_operations counts it. */
struct stack_slice {
    const uint8_t *bytes;
    uint32_t size, position;
    bool     is_lent;
};

struct stack_handlers {
    void *context; /* of transmit and accepted */
    /* Sends a frame (its slices are valid until it returns); false: there is no room now, it was not sent.
     * `connection` is NULL where no slice is lent.  packet_bytes > 0: it is a super-segment, which the device cuts into
     * packets of so much payload. */
    bool (*transmit)(void *context, void *connection, const struct stack_slice *slices, unsigned count,
                     uint32_t packet_bytes);
    /* A connection is there: returns the pointer that handlers get for it; NULL: refused. */
    void *(*accepted)(void *context, struct stack_pcb *pcb, uint32_t listener);
    /* It received bytes, kept until stack_operations.give_back. */
    void (*received)(void *connection, struct stack_bytes *keep, const uint8_t *bytes, uint32_t size);
    /* The peer has `size` bytes more of what was written, and none of them is sent again. */
    void (*acknowledged)(void *connection, uint32_t size);
    /* The peer ended its side. */
    void (*finished)(void *connection);
    /* It was reset or gave up: its pcb is gone. */
    void (*failed)(void *connection);
    /* The frame is of a flow that has no connection here (a flow: a hash of both addresses and ports, the same in all
     * stacks of one secret): true when another stack gets it, then this one does not look at it any more.  And: there
     * is one connection of a flow more, or less.  NULL: there is no other stack. */
    bool (*elsewhere)(void *context, uint32_t flow);
    void (*flow)(void *context, uint32_t flow, bool is_here);
};

struct stack_config {
    struct stack_handlers handlers;
    uint8_t  mac[6];
    uint16_t mtu;        /* of IP */
    uint16_t vlan;       /* 0: untagged */
    const char *address4, *gateway4; /* NULL or empty: none */
    unsigned prefix4;
    const char *address6, *gateway6; /* the prefix is of 64 bits */
    bool     device_ip_checksums, device_tcp_checksums; /* the device computes those of what is sent */
    uint32_t super_bytes; /* payload of a super-segment, at most; 0: the device does not cut them */
    uint32_t super_packets; /* that it is cut into, at most; 0: any number */
    uint8_t  secret[STACK_SECRET_BYTES]; /* behind the first sequence numbers */
};

struct stack_stats { /* since the start; the last four: now */
    uint64_t segments_sent, segments_received, retransmitted, checksum_errors, dropped, no_memory;
    uint64_t half_open_ended; /* connections, that others might begin */
    uint64_t walked; /* segments whose connection was not found by their addresses' hash, but in a list */
    uint32_t connections, time_wait, segments_queued, frames_kept;
};

enum stack_checked { STACK_CHECKED_IP = 1, STACK_CHECKED_TCP = 2 };

struct stack_operations {
    /* NULL, or a sentence: which address is none.  Opened again after stop, by the same configuration but for the
     * handlers, it goes on: connections that were closed still say good-bye. */
    const char *(*open)(const struct stack_config *config, uint64_t now_ms);
    /* Listens on all addresses, at most STACK_LISTENERS_MAX times.  False: the port is taken. */
    bool (*listen)(uint16_t port, uint32_t listener);
    /* Accepts no more. */
    void (*stop)(void);
    /* A frame came.  It is written to, and given back by release(frame) when nothing needs it any more.  release NULL:
     * it is copied.  `checked`: which checksums the device found right, of enum stack_checked. */
    void (*input)(uint8_t *bytes, uint32_t size, unsigned checked, void (*release)(void *frame), void *frame);
    /* Timers, to be called every few ms; and when they want to be called next at the latest. */
    void (*tick)(uint64_t now_ms);
    uint32_t (*tick_within_ms)(void);
    /* How much of the stream may be written now: a little more than the peer and the network take. */
    uint32_t (*room)(const struct stack_pcb *pcb);
    /* Where the next byte written will stand in the stream; counts modulo 2^32, from anywhere. */
    uint32_t (*position)(const struct stack_pcb *pcb);
    /* Appends to the stream.  `size` <= room.  is_lent: the bytes stay as they are until they are acknowledged or the
     * connection is aborted.  False: no memory now, nothing was appended. */
    bool (*write)(struct stack_pcb *pcb, const uint8_t *bytes, uint32_t size, bool is_lent, bool is_last);
    /* Sends what may go; returns true when something of it found no room at transmit. */
    bool (*output)(struct stack_pcb *pcb);
    /* Bytes of `received` are done with (pcb NULL: the connection is not); the peer may send as many more. */
    void (*give_back)(struct stack_bytes *keep);
    void (*consumed)(struct stack_pcb *pcb, uint32_t size);
    /* Ends it, when nothing that was lent is unacknowledged: what was written still goes, then FIN.  No handler is
     * called for it any more. */
    void (*close)(struct stack_pcb *pcb);
    /* Ends it by a reset.  Nothing written is looked at any more. */
    void (*abort)(struct stack_pcb *pcb);
    /* The peer's address as text. */
    void (*peer)(const struct stack_pcb *pcb, char *out, size_t out_bytes);
    /* Connects to an IPv4 address; for tests, which need a peer.  NULL: no memory.  `connected` says that it is there,
     * `failed` that it is not. */
    struct stack_pcb *(*connect)(const char *address4, uint16_t port, void *connection, void (*connected)(void *));
    void (*stats)(struct stack_stats *out);
    size_t (*memory_bytes)(void); /* of its pools */
};

/* The copies that this build has; NULL above. */
const struct stack_operations *stack_at(uint32_t index);

#endif
