/* dataplane/port_dpdk.h -- a port past the kernel: DPDK's queues, and a TCP stack of our own process, a lcore each.
 *
 * One device per process.  Its addresses are given: it asks no DHCP server, and the kernel knows nothing of it.
 * Neither DPDK nor the stack shows here. */
#ifndef DATAPLANE_PORT_DPDK_H
#define DATAPLANE_PORT_DPDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "dataplane/port.h"
#include "ring/chunk_pool.h"

struct port_dpdk_config {
    const char *device;  /* a PCI address (0000:3b:00.0), or a virtual one with arguments (net_af_packet0,iface=x) */
    const char *address; /* IPv4 with its prefix, 192.0.2.1/24; empty: none */
    const char *gateway; /* empty: none */
    const char *address6, *gateway6; /* IPv6; the prefix is of 64 bits */
    uint16_t mtu;
    uint16_t vlan;       /* 0: untagged */
    uint32_t lcores;     /* ports that will be opened: a queue pair each */
    bool     huge_pages; /* false: ordinary memory, for trying */
};

struct port_dpdk_device;

struct port_dpdk_stats { /* of one port, since the start; the last two lines: now */
    uint64_t received_frames, received_bytes, sent_frames, sent_bytes, retransmitted, dropped, checksum_errors;
    uint64_t half_open_ended;        /* connections that only ever began, that others might */
    uint64_t walked;                 /* segments whose connection was searched for in a list */
    uint64_t no_frame, ring_full; /* frames that waited: for memory, for the device */
    uint64_t refused; /* frames that the device's driver would not send, and never will */
    uint64_t handed_over; /* segments of its connections that other lcores' queues got */
    uint64_t zero_copy_bytes, copied_bytes; /* into frames, retransmissions with them */
    uint32_t connections, time_wait, pins, segments, frames_kept; /* connections: with those in time_wait */
    uint32_t frames_free, sent_frames_free, lent_frames_free;
};

/* Starts DPDK and the device; a second call of the process gives the same device, whatever the configuration.  `pool`
 * (may be NULL: everything is copied) stays while the process runs.  ERR_UNSUPPORTED, ERR_INVALID, ERR_NOT_FOUND (no
 * such device), ERR_IO, ERR_NO_MEMORY: msg says what to do. */
NODISCARD enum err port_dpdk_start(struct port_dpdk_device **out, const struct port_dpdk_config *config,
                                   const struct chunk_pool *pool, struct err_msg *msg);
/* Of the device as a whole, now; control's thread. */
enum port_dpdk_condition {
    PORT_DPDK_UP,
    PORT_DPDK_NO_LINK, /* no cable, or it was set down: connections wait, and go on when it is back */
    PORT_DPDK_MTU_LOW, /* somebody has lowered the interface's MTU: full packets are lost until it is back */
    PORT_DPDK_GONE,    /* it was taken away */
};
struct port_dpdk_state {
    enum port_dpdk_condition condition;
    const char *device, *driver; /* stay while the process runs */
    char     mac[18];
    uint16_t mtu;
    bool     has_link, lends_records; /* lends: records go out without a copy */
    uint32_t link_mbps;               /* 0: not known */
    uint64_t missed, errors;          /* frames that the device had no place for; damaged, in and out */
};
void port_dpdk_state(const struct port_dpdk_device *device, struct port_dpdk_state *out);
/* "up", "no_link", "mtu_low", "gone". */
const char *port_dpdk_condition_name(enum port_dpdk_condition condition);
/* Looks at the device once a second; a line in the log says when its condition changes.  Control's thread. */
void port_dpdk_watch(struct port_dpdk_device *device, uint64_t now_ns);

/* Keeps what passes the device, whole frames, in memory that is reserved at the start, until one of the limits is
 * reached or it is taken: one capture at a time.  Control's thread. */
struct port_dpdk_capture_limits {
    uint64_t packets_max;
    size_t   bytes_max;
    uint32_t frame_bytes_max; /* of each frame, its beginning */
    uint32_t seconds_max;
};
struct port_dpdk_capture_state {
    bool     is_there, is_over; /* over: a limit was reached */
    uint64_t packets, bytes, left_out; /* left out: passed when a limit was reached */
};
/* ERR_STATE: there is one that was not taken; ERR_NO_MEMORY. */
NODISCARD enum err port_dpdk_capture_start(struct port_dpdk_device *device,
                                           const struct port_dpdk_capture_limits *limits, struct err_msg *msg);
void port_dpdk_capture_state(const struct port_dpdk_device *device, struct port_dpdk_capture_state *out);
/* Ends it and gives the whole pcap file (malloc'ed).  ERR_STATE: there is none; ERR_NO_MEMORY; ERR_AGAIN: a lcore has
 * not noticed yet. */
NODISCARD enum err port_dpdk_capture_take(struct port_dpdk_device *device, char **out, size_t *out_bytes,
                                          struct err_msg *msg);

/* Opens the port of a lcore, by the thread that will use it.  `ports`: the TCP ports to listen on, by the listener's
 * number that PORT_ACCEPTED tells; 0: not here.  ERR_INVALID: an address; ERR_NO_MEMORY; ERR_EXISTS: a port twice. */
NODISCARD enum err port_dpdk_open(struct port **out, struct port_dpdk_device *device, uint32_t lcore,
                                  const uint16_t *ports, uint32_t port_count, uint32_t connections_max,
                                  const struct clock *clock, struct err_msg *msg);
/* How long it may rest now, 0: not at all.  A device is looked at, it does not wake anybody: so shortly after work it
 * rests for 50 us at most, later for 1 ms. */
uint64_t port_dpdk_rest_ns(struct port *p);
void     port_dpdk_stats(const struct port *p, struct port_dpdk_stats *out);
size_t   port_dpdk_memory_bytes(const struct port_dpdk_config *config, uint32_t connections_max);

#endif
