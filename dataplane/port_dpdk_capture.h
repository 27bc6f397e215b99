/* dataplane/port_dpdk_capture.h -- frames kept aside while they pass, for who must see what is on the wire.
 *
 * Off, it costs a lcore one load a turn.  On, each lcore writes what it receives and sends to memory of its own, which
 * was reserved before, until that or the number of packets or the time is used up; nothing is written to a disk, and no
 * lcore waits.  Control takes it as one file: pcap with times in nanoseconds (the format of libpcap's savefiles:
 * pcap-savefile(5)).
 *
 * start, state and take belong to the control thread; the others to the lcore that they name. */
#ifndef DATAPLANE_PORT_DPDK_CAPTURE_H
#define DATAPLANE_PORT_DPDK_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/port_dpdk.h"

enum { CAPTURE_LCORES_MAX = 32 };

struct dpdk_capture_part { /* a lcore's */
    _Atomic bool     is_open; /* the lcore runs */
    _Atomic uint32_t seen;    /* the capture that it takes part in; 0: none */
    _Atomic uint64_t used_bytes, left_out;
    uint8_t *bytes;
    size_t   size;
};

struct dpdk_capture {
    _Atomic uint32_t wanted; /* the number of the capture under way; 0: none */
    _Atomic uint64_t packets;
    uint32_t number;         /* of the last one */
    struct port_dpdk_capture_limits limits;
    uint64_t until_ms; /* wall clock */
    struct dpdk_capture_part part[CAPTURE_LCORES_MAX];
};

struct rte_mbuf;

/* Once a turn: takes part in what is wanted, or ends that.  Returns whether frames are to be kept. */
static inline bool dpdk_capture_look(struct dpdk_capture *c, uint32_t lcore)
{
    uint32_t wanted = atomic_load_explicit(&c->wanted, memory_order_acquire); /* pairs with start's and take's stores */
    struct dpdk_capture_part *p = &c->part[lcore];
    if (atomic_load_explicit(&p->seen, memory_order_relaxed) != wanted)
        atomic_store_explicit(&p->seen, wanted, memory_order_release); /* pairs with take: it has written its last */
    return wanted != 0;
}
void dpdk_capture_open(struct dpdk_capture *c, uint32_t lcore);
void dpdk_capture_close(struct dpdk_capture *c, uint32_t lcore);
void dpdk_capture_frame(struct dpdk_capture *c, uint32_t lcore, const struct rte_mbuf *m);

enum err dpdk_capture_start(struct dpdk_capture *c, uint32_t lcores, const struct port_dpdk_capture_limits *limits,
                       struct err_msg *msg);
void     dpdk_capture_state(const struct dpdk_capture *c, struct port_dpdk_capture_state *out);
enum err dpdk_capture_take(struct dpdk_capture *c, char **out, size_t *out_bytes, struct err_msg *msg);

#endif
