/* Between lcores: a device spreads frames over the queues, and each lcore's stack knows its own connections.
 *
 * What a neighbour says of his address reaches one queue, and concerns all stacks: they asked, or have connections to
 * him and he has moved (a gateway's stand-in says so by a question to itself).
 *
 * And a device may give a connection's segments to more than one queue (it cannot spread by addresses and ports; its
 * table was changed; af_packet goes on in another queue when one is full): a stack that does not know the connection
 * would reset it.  So each lcore shows which flows it has connections of, by counting them in places that a flow's hash
 * chooses.  A segment for no connection goes to those that may have it, one after the other, for a place may stand for
 * another flow; and back to where it came from when none has: a client is let in where the device brings him. */
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/port_dpdk_inside.h"

enum { ARP_OPERATION_AT = 6, ICMP6_NEIGHBOR_ADVERTISEMENT = 136 };
static const uint32_t FOR_ALL = UINT32_MAX;

enum err spread_open(struct port_dpdk_device *d)
{
    for (uint32_t i = 0; d->config.lcores > 1 && i < d->config.lcores; i++) {
        d->flows[i] = calloc(DPDK_FLOWS, sizeof *d->flows[i]);
        if (d->flows[i] == NULL) return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void spread_flow(struct dpdk_queue *q, uint32_t flow, bool is_here)
{
    _Atomic uint8_t *flows = q->device->flows[q->index]; /* written by this lcore alone */
    if (flows == NULL) return;
    uint8_t count = atomic_load_explicit(&flows[flow % DPDK_FLOWS], memory_order_relaxed);
    INVARIANT(is_here ? count < UINT8_MAX : count > 0);
    atomic_store_explicit(&flows[flow % DPDK_FLOWS], (uint8_t)(is_here ? count + 1 : count - 1),
                          memory_order_relaxed);
}

/* A copy of a frame for another lcore; `origin`: whose queue it came from, or FOR_ALL.  Without memory or room it is
 * lost, as on a cable: its sender sends it again. */
static void give(struct dpdk_queue *q, struct rte_mbuf *m, uint32_t to, uint32_t origin)
{
    struct rte_mbuf *copy = rte_pktmbuf_copy(m, q->device->rx_pool[q->index], 0, UINT32_MAX);
    if (copy == NULL) return;
    copy->hash.usr = origin;
    if (rte_ring_enqueue(q->device->shared[to], copy) != 0) rte_pktmbuf_free(copy);
}

bool spread_elsewhere(struct dpdk_queue *q, uint32_t flow)
{
    struct port_dpdk_device *d = q->device;
    if (d->config.lcores == 1 || q->is_back) return false;
    for (uint32_t i = (q->index + 1u) % d->config.lcores; i != q->index; i = (i + 1) % d->config.lcores) {
        uint8_t count = atomic_load_explicit(&d->flows[i][flow % DPDK_FLOWS], memory_order_relaxed);
        if (i != q->origin && count == 0) continue;
        give(q, q->current, i, q->origin);
        q->is_passed = true;
        return true;
    }
    return false;
}

/* Does a neighbour say in it which address he has, by a question or an answer of ARP's or an advertisement of IPv6's?
 * *operation: ARP's, in the frame; else NULL. */
static bool is_for_all(struct rte_mbuf *m, uint8_t **operation)
{
    uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
    const struct rte_ether_hdr *ethernet = (const struct rte_ether_hdr *)bytes;
    uint32_t at = sizeof *ethernet;
    uint16_t type = rte_be_to_cpu_16(ethernet->ether_type);
    *operation = NULL;
    if (type == RTE_ETHER_TYPE_VLAN && m->data_len > at + 4) {
        type = (uint16_t)(bytes[at + 2] << 8 | bytes[at + 3]);
        at += 4;
    }
    if (type == RTE_ETHER_TYPE_ARP && m->data_len > at + ARP_OPERATION_AT + 1) {
        *operation = bytes + at + ARP_OPERATION_AT + 1;
        return true;
    }
    return type == RTE_ETHER_TYPE_IPV6 && m->data_len > at + 40 && bytes[at + 6] == IPPROTO_ICMPV6 &&
           bytes[at + 40] == ICMP6_NEIGHBOR_ADVERTISEMENT;
}

void spread_to_all(struct dpdk_queue *q, struct rte_mbuf *m)
{
    uint8_t *operation, own = 0;
    if (q->device->config.lcores == 1 || !is_for_all(m, &operation)) return;
    if (operation != NULL) { /* a question is answered by who got it; the others learn from it who asks */
        own = *operation;
        *operation = RTE_ARP_OP_REPLY;
    }
    for (uint32_t i = 0; i < q->device->config.lcores; i++)
        if (i != q->index) give(q, m, i, FOR_ALL);
    if (operation != NULL) *operation = own;
}

unsigned spread_receive(struct dpdk_queue *q, const struct stack_operations *stack)
{
    struct rte_mbuf *frame[DPDK_BURST];
    unsigned count = rte_ring_dequeue_burst(q->device->shared[q->index], (void **)frame, DPDK_BURST, NULL);
    for (unsigned i = 0; i < count; i++) {
        uint32_t origin = frame[i]->hash.usr;
        bool is_ours = origin != FOR_ALL && origin != q->index;
        q->origin = origin;
        q->is_back = origin == q->index;
        q->is_passed = false;
        queue_feed(q, stack, frame[i], true);
        if (!is_ours || q->is_passed) continue;
        q->stats.handed_over++;
        if (!atomic_exchange(&q->device->has_said_spread, true))
            log_warn("dataplane", "device %s gives segments of one connection to more than one queue: lcores hand them "
                     "over (packets_handed_over), at a copy each; let it spread by addresses and ports (RSS), or set "
                     "serve_thread_count: 1 (said once)", q->device->config.device);
    }
    q->origin = q->index;
    q->is_back = false;
    return count;
}
