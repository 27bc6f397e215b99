/* dataplane/port_counters.h -- what is counted of each port of a serve lcore: shown in the counter file, by lcore and
 * port, and to control. */
#ifndef DATAPLANE_PORT_COUNTERS_H
#define DATAPLANE_PORT_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "dataplane/port.h"

/* Member of struct port_stats, its counter's kind and name, of which ports it is. */
#define PORT_COUNTER_LIST(X)                                                \
    X(accepted,              COUNT, connections_accepted,   EVERY)          \
    X(refused,               COUNT, connections_refused,    EVERY)          \
    X(received_bytes,        COUNT, received_bytes,         EVERY)          \
    X(copied_bytes,          COUNT, sent_copied_bytes,      EVERY)          \
    X(zero_copy_bytes,       COUNT, sent_zero_copy_bytes,   EVERY)          \
    X(pins,                  GAUGE, answers_pinned,         EVERY)          \
    X(packets_received,      COUNT, packets_received,       PACKETS)        \
    X(packets_sent,          COUNT, packets_sent,           PACKETS)        \
    X(wire_received_bytes,   COUNT, wire_received_bytes,    PACKETS)        \
    X(wire_sent_bytes,       COUNT, wire_sent_bytes,        PACKETS)        \
    X(packets_retransmitted, COUNT, packets_retransmitted,  PACKETS)        \
    X(packets_dropped,       COUNT, packets_dropped,        PACKETS)        \
    X(packets_no_memory,     COUNT, packets_no_memory,      PACKETS)        \
    X(packets_ring_full,     COUNT, packets_ring_full,      PACKETS)        \
    X(packets_handed_over,   COUNT, packets_handed_over,    PACKETS)

enum port_counter {
#define X(member, kind, name, which) PORT_COUNTER_##member,
    PORT_COUNTER_LIST(X)
#undef X
    PORT_COUNTERS
};

enum { PORT_PARTS_MAX = 2 }; /* ports of one lcore */

struct port_counters { /* of one port */
    const struct port *port;
    struct counter *counter[PORT_COUNTERS]; /* NULL: this port has no such */
};

struct port_view { /* a copy of what is shown */
    const char *kind; /* "kernel", "dpdk" */
    bool     has[PORT_COUNTERS];
    uint64_t value[PORT_COUNTERS];
};

/* Finds the ports that stand at the network, below `port` or itself; returns how many. */
uint32_t port_counters_open(struct port_counters out[PORT_PARTS_MAX], const struct port *port, uint32_t lcore,
                            struct counters *counters);
/* Shows what the port has counted.  Its thread. */
void     port_counters_set(const struct port_counters *c);
/* What it showed last.  Any thread, while the port is open. */
void     port_counters_view(const struct port_counters *c, struct port_view *out);
const char *port_counter_name(enum port_counter which);

#endif
