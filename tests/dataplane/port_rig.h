/* tests/dataplane/port_rig.h -- a server on the DPDK port and clients of the kernel, all in one thread.
 *
 * A request asks for a range of the server's memory; the server answers by lent and copied pieces of it, and the client
 * compares each byte.  Each client runs stories by seed: so many requests ahead, reading now and then slowly, and its
 * end: by a FIN, by a reset in the middle of an answer, or by the server after the last one. */
#ifndef TESTS_DATAPLANE_PORT_RIG_H
#define TESTS_DATAPLANE_PORT_RIG_H

#include "base/random.h"
#include "dataplane/port_dpdk.h"

enum {
    RIG_CONNECTIONS = 1024, /* of the port */
    RIG_CLIENTS_MAX = 64,
    RIG_CHUNK_BYTES = 1 << 20, RIG_CHUNKS = 8,
    RIG_PORT = 9092,
};

struct rig_client {
    int      fd; /* -1: none */
    bool     is_connected, is_ending, wants_reset, server_ends;
    uint32_t asked, answers, total; /* answers: whole ones that came, of the `total` of its story */
    uint32_t at, size, have;        /* of the answer that comes now */
    uint64_t asks;                  /* the seed of what it asks for next, */
    uint64_t expects;               /* and of what comes next */
    uint64_t moved_ns, rests_until_ns;
    uint64_t idle_ns, retransmitted, retransmitted_here; /* as they were then */
};

struct rig {
    struct port *port;
    struct port_dpdk_device *device;
    struct random random;
    struct rig_client client[RIG_CLIENTS_MAX];
    unsigned client_count;
    bool     is_ending; /* who is done does not come again */
    uint64_t stories, resets, bytes; /* that went well; bytes of answers */
    uint64_t stepped_ns, idle_ns, retransmitted;
    uint64_t longest_ns;             /* without a byte, where one was due */
    uint64_t longest_retransmitted;  /* segments meanwhile */
};

/* Opens the port on the veth of veth.h; its counters stand in rig_begin. */
void rig_open(struct rig *r, uint64_t seed, unsigned client_count);
/* One turn of everything.  Fails the test where a byte is wrong, a connection ends that should not, or a client waits
 * longer than the retransmission timers of both ends explain. */
void rig_step(struct rig *r);
/* Every client ends its story, and then nothing may be left: no message, pin, segment, frame or mbuf; of connections
 * only those in TIME_WAIT, and with `waits_long` not even these.  Closes the port. */
void rig_close(struct rig *r, bool waits_long);

#endif
