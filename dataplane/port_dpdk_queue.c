/* A lcore's queues: mbufs in, mbufs out.
 *
 * A frame to send is one mbuf with the headers and what was copied, and behind it one without memory of its own for
 * each piece of lent bytes, which counts as a reference of the message's pin.  Where the device takes one mbuf a frame
 * only, everything is copied. */
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "dataplane/port_dpdk_inside.h"

enum { FINI_MS_MAX = 100 };

/* --- pins --- */

static void pin_free(struct pin *p)
{
    struct dpdk_queue *q = p->queue;
    struct port_message *m = p->message;
    p->next = q->free_pins;
    q->free_pins = p;
    q->pins_used--;
    m->notifications = 0;
    q->released(q->context, m);
}

static void on_lent_free(void *bytes, void *pin)
{
    (void)bytes;
    pin_free(pin);
}

struct pin *pin_take(struct dpdk_queue *q, struct port_message *m)
{
    struct pin *p = q->free_pins;
    if (p == NULL) return NULL;
    q->free_pins = p->next;
    q->pins_used++;
    *p = (struct pin){.info = {.free_cb = on_lent_free, .fcb_opaque = p}, .queue = q, .message = m};
    rte_mbuf_ext_refcnt_set(&p->info, 1);
    m->notifications = 1;
    return p;
}

void pin_let_go(struct pin *p)
{
    if (rte_mbuf_ext_refcnt_update(&p->info, -1) == 0) pin_free(p);
}

static struct pin *pin_at(struct pin *first, uint32_t position)
{
    for (struct pin *p = first; p != NULL; p = p->next)
        if ((int32_t)(position - p->start) >= 0 && (int32_t)(position - p->end) < 0) return p;
    return NULL;
}

/* --- out --- */

struct frame { struct rte_mbuf *first, *last; };

static struct rte_mbuf *frame_extend(struct frame *f, struct rte_mempool *pool)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    if (m == NULL) return NULL;
    if (f->first == NULL) {
        f->first = m;
    } else {
        f->last->next = m;
        f->first->nb_segs++;
    }
    f->last = m;
    return m;
}

static bool frame_copy(struct dpdk_queue *q, struct frame *f, const uint8_t *bytes, uint32_t size)
{
    while (size > 0) {
        struct rte_mbuf *m = f->last;
        uint16_t room = m == NULL || RTE_MBUF_HAS_EXTBUF(m) ? 0 : rte_pktmbuf_tailroom(m);
        if (room == 0) {
            m = frame_extend(f, q->device->tx_pool[q->index]);
            if (m == NULL) return false;
            room = rte_pktmbuf_tailroom(m);
        }
        uint16_t part = (uint16_t)RTE_MIN(size, room);
        memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), bytes, part);
        m->data_len = (uint16_t)(m->data_len + part);
        f->first->pkt_len += part;
        bytes += part;
        size -= part;
    }
    return true;
}

static bool frame_lend(struct dpdk_queue *q, struct frame *f, const struct stack_slice *s, struct pin *pins)
{
    const uint8_t *bytes = s->bytes;
    uint32_t left = s->size, position = s->position;
    while (left > 0) { /* bytes of two messages may stand side by side in a chunk, and in a frame */
        struct pin *p = pin_at(pins, position);
        INVARIANT(p != NULL);
        uint32_t part = RTE_MIN(left, p->end - position);
        struct rte_mbuf *m = frame_extend(f, q->device->lent_pool[q->index]);
        if (m == NULL) return false;
        rte_mbuf_ext_refcnt_update(&p->info, 1);
        rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)bytes, (rte_iova_t)(uintptr_t)bytes, (uint16_t)part, &p->info);
        m->data_len = (uint16_t)part;
        f->first->pkt_len += part;
        q->stats.zero_copy_bytes += part;
        bytes += part;
        position += part;
        left -= part;
    }
    return true;
}

static bool frame_fill(struct dpdk_queue *q, struct frame *f, const struct stack_slice *slice, unsigned count,
                       struct pin *pins)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_lent = slice[i].is_lent && q->device->has_segments;
        if (is_lent ? !frame_lend(q, f, &slice[i], pins) : !frame_copy(q, f, slice[i].bytes, slice[i].size))
            return false;
        if (!is_lent && i > 0) q->stats.copied_bytes += slice[i].size;
    }
    return true;
}

/* What is added to the pending frames while a segment is made: all of it goes, or nothing. */
static bool frame_add(struct dpdk_queue *q, const struct stack_slice *slice, unsigned count, struct pin *pins,
                      struct frame *out)
{
    *out = (struct frame){0};
    if (frame_fill(q, out, slice, count, pins)) {
        q->pending[q->pending_count++] = out->first;
        return true;
    }
    if (out->first != NULL) rte_pktmbuf_free(out->first);
    return false;
}

/* Drivers without hardware below them (net_vhost, where the other side leaves checksums to us) sum by
 * rte_raw_cksum_mbuf, and that of DPDK 22.11 loses carries behind a part of odd length. */
static bool is_summed_wrongly(const struct port_dpdk_device *d, const struct rte_mbuf *m)
{
    if (!d->is_virtual) return false;
    for (; m->next != NULL; m = m->next)
        if (m->data_len % 2 != 0) return true;
    return false;
}

/* RFC 1071, over the parts behind `from`: as a device does, with the pseudo header's sum in the checksum's place. */
static uint16_t tcp_checksum(const struct rte_mbuf *m, uint32_t from)
{
    uint32_t sum = 0;
    bool is_odd = false;
    for (; m != NULL; m = m->next, from = 0) {
        uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const uint8_t *, from), m->data_len - from);
        sum += is_odd ? rte_bswap16(part) : part;
        is_odd ^= (m->data_len - from) % 2 != 0;
    }
    return (uint16_t)~__rte_raw_cksum_reduce(sum);
}

/* The device computes checksums: it wants to know where the headers end, and the pseudo header's sum. */
static void frame_offload(const struct port_dpdk_device *d, struct rte_mbuf *m, uint32_t packet_bytes)
{
    struct rte_net_hdr_lens lens;
    uint32_t type = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK);
    m->l2_len = lens.l2_len;
    m->l3_len = lens.l3_len;
    m->l4_len = lens.l4_len;
    if ((type & RTE_PTYPE_L4_MASK) != RTE_PTYPE_L4_TCP) return;
    uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len);
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(l3 + m->l3_len);
    bool is_4 = RTE_ETH_IS_IPV4_HDR(type);
    m->ol_flags |= is_4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (is_4 && d->has_ip_checksums) {
        m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
        ((struct rte_ipv4_hdr *)l3)->hdr_checksum = 0;
    }
    if (!d->has_tcp_checksums) return;
    bool is_summed_here = packet_bytes == 0 && is_summed_wrongly(d, m);
    if (!is_summed_here) m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (packet_bytes > 0 ? RTE_MBUF_F_TX_TCP_SEG : 0);
    m->tso_segsz = (uint16_t)packet_bytes;
    tcp->cksum = is_4 ? rte_ipv4_phdr_cksum((struct rte_ipv4_hdr *)l3, m->ol_flags)
                      : rte_ipv6_phdr_cksum((struct rte_ipv6_hdr *)l3, m->ol_flags);
    if (is_summed_here) tcp->cksum = tcp_checksum(m, m->l2_len + m->l3_len);
}

/* Drivers look at what they are to compute, and some change the headers for it, once. */
static void pending_prepare(struct dpdk_queue *q)
{
    while (q->prepared_count < q->pending_count) {
        struct rte_mbuf **next = q->pending + q->prepared_count;
        uint16_t left = (uint16_t)(q->pending_count - q->prepared_count);
        uint16_t done = rte_eth_tx_prepare(q->device->id, q->index, next, left);
        q->prepared_count += done;
        if (done == left) break;
        if (q->stats.refused++ == 0)
            log_warn("dataplane", "the driver of device %s refuses to send a frame of %u bytes in %u parts (%s; said "
                     "once): lower dpdk_mtu, and tell us", q->device->config.device, next[done]->pkt_len,
                     next[done]->nb_segs, rte_strerror(rte_errno));
        rte_pktmbuf_free(next[done]);
        memmove(next + done, next + done + 1, (left - done - 1u) * sizeof *next);
        q->pending_count--;
    }
}

void queue_look(struct dpdk_queue *q)
{
    struct port_dpdk_device *d = q->device;
    uint32_t absence = atomic_load_explicit(&d->absence, memory_order_acquire); /* pairs with device_return */
    q->is_away = absence != 0;
    if (!q->is_away) return;
    rte_pktmbuf_free_bulk(q->pending, q->pending_count);
    q->pending_count = q->prepared_count = 0;
    atomic_store_explicit(&d->lcore_place[q->index], absence, memory_order_release); /* pairs with all_parked */
}

void queue_flush(struct dpdk_queue *q)
{
    if (q->pending_count == 0) return;
    pending_prepare(q);
    uint16_t sent = rte_eth_tx_burst(q->device->id, q->index, q->pending, (uint16_t)q->pending_count);
    q->pending_count -= sent;
    q->prepared_count -= sent;
    if (q->pending_count == 0) return;
    q->stats.ring_full++;
    memmove(q->pending, q->pending + sent, q->pending_count * sizeof(struct rte_mbuf *));
}

void queue_clean(struct dpdk_queue *q)
{
    if (!q->is_away) (void)rte_eth_tx_done_cleanup(q->device->id, q->index, 0);
}

struct headers { uint32_t l2, l3, l4, all; bool is_4; };

static struct headers headers_of(const uint8_t *bytes)
{
    struct headers h = {.l2 = sizeof(struct rte_ether_hdr)};
    if ((bytes[12] << 8 | bytes[13]) == RTE_ETHER_TYPE_VLAN) h.l2 += sizeof(struct rte_vlan_hdr);
    h.is_4 = bytes[h.l2] >> 4 == 4;
    h.l3 = h.is_4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr); /* the stack sends no more */
    const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(bytes + h.l2 + h.l3);
    h.l4 = (uint32_t)(tcp->data_off >> 4) * 4;
    h.all = h.l2 + h.l3 + h.l4;
    return h;
}

/* Makes of a copy of a super-segment's headers those of the packet with its payload from `at` on. */
static void headers_set(uint8_t *bytes, const struct headers *h, uint32_t packet, uint32_t at, uint32_t size,
                        bool is_last)
{
    struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(bytes + h->l2);
    struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(bytes + h->l2);
    struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(bytes + h->l2 + h->l3);
    if (h->is_4) {
        ip4->total_length = rte_cpu_to_be_16((uint16_t)(h->l3 + h->l4 + size));
        ip4->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip4->packet_id) + packet));
        ip4->hdr_checksum = 0;
        ip4->hdr_checksum = rte_ipv4_cksum(ip4);
    } else {
        ip6->payload_len = rte_cpu_to_be_16((uint16_t)(h->l4 + size));
    }
    tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + at);
    if (!is_last) tcp->tcp_flags &= (uint8_t)~(RTE_TCP_PSH_FLAG | RTE_TCP_FIN_FLAG);
}

/* The slices of `size` bytes behind `from`; returns how many. */
static unsigned slices_of(const struct stack_slice *slice, uint32_t from, uint32_t size, struct stack_slice *out)
{
    unsigned count = 0;
    for (; size > 0; slice++) {
        if (from >= slice->size) {
            from -= slice->size;
            continue;
        }
        uint32_t part = RTE_MIN(slice->size - from, size);
        out[count++] = (struct stack_slice){slice->bytes + from, part, slice->position + from, slice->is_lent};
        size -= part;
        from = 0;
    }
    return count;
}

/* A super-segment for a device that does not cut them: as the packets that it would have made.  The stack's work is
 * that of one segment. */
static bool segment_cut(struct dpdk_queue *q, const struct stack_slice *slice, unsigned count, struct pin *pins,
                        uint32_t packet_bytes)
{
    struct headers h = headers_of(slice->bytes);
    struct stack_slice part[STACK_SLICES_MAX + 1] = {{.bytes = slice->bytes, .size = h.all}};
    uint32_t payload = 0, packet = 0;
    for (unsigned i = 0; i < count; i++) payload += slice[i].size;
    payload -= h.all;
    INVARIANT(payload <= packet_bytes * DPDK_CUT_PACKETS);
    for (uint32_t at = 0; at < payload; at += packet_bytes, packet++) {
        uint32_t size = RTE_MIN(packet_bytes, payload - at);
        struct frame f;
        if (!frame_add(q, part, 1 + slices_of(slice, h.all + at, size, part + 1), pins, &f)) return false;
        headers_set(rte_pktmbuf_mtod(f.first, uint8_t *), &h, packet, at, size, at + size == payload);
    }
    return true;
}

bool queue_transmit(struct dpdk_queue *q, const struct stack_slice *slice, unsigned count, struct pin *pins,
                    uint32_t packet_bytes)
{
    const struct port_dpdk_device *d = q->device;
    if (q->is_away) return true; /* lost, as on any way */
    bool is_head = count == 1 && slice->size <= STACK_HEAD_BYTES, is_cut = packet_bytes > 0 && d->is_cut_here;
    uint32_t room = DPDK_TX_PENDING + (is_head ? DPDK_TX_HEADS : 0), frames = is_cut ? DPDK_CUT_PACKETS : 1;
    if (q->pending_count + frames > room) queue_flush(q);
    if (q->pending_count + frames > room) return false;
    uint32_t begin = q->pending_count;
    struct frame f;
    if (is_cut ? !segment_cut(q, slice, count, pins, packet_bytes) : !frame_add(q, slice, count, pins, &f)) {
        q->stats.no_frame++;
        rte_pktmbuf_free_bulk(q->pending + begin, q->pending_count - begin);
        q->pending_count = begin;
        queue_clean(q);
        return false;
    }
    for (uint32_t i = begin; i < q->pending_count; i++) {
        struct rte_mbuf *m = q->pending[i];
        if (d->has_ip_checksums || d->has_tcp_checksums) frame_offload(d, m, is_cut ? 0 : packet_bytes);
        q->stats.sent_frames++;
        q->stats.sent_bytes += m->pkt_len;
        if (q->is_captured) dpdk_capture_frame(&q->device->capture, q->index, m);
    }
    return true;
}

/* --- in --- */

static void on_frame_free(void *frame) { rte_pktmbuf_free(frame); }

/* Each for itself: IPv6 has no checksum of IP, and a device may know of one only. */
static unsigned checked_by_device(uint64_t flags)
{
    uint64_t ip = flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, l4 = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    bool has_ip = ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || ip == RTE_MBUF_F_RX_IP_CKSUM_NONE; /* none, but it is whole */
    bool has_l4 = l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE;
    return (has_ip ? STACK_CHECKED_IP : 0) | (has_l4 ? STACK_CHECKED_TCP : 0);
}

void queue_feed(struct dpdk_queue *q, const struct stack_operations *stack, struct rte_mbuf *m, bool is_scarce)
{
    q->stats.received_frames++;
    q->stats.received_bytes += m->pkt_len;
    if (q->is_captured) dpdk_capture_frame(&q->device->capture, q->index, m);
    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0) { /* larger than the MTU that we told */
        rte_pktmbuf_free(m);
        return;
    }
    uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);
    q->current = m;
    stack->input(bytes, m->data_len, checked_by_device(m->ol_flags), is_scarce ? NULL : on_frame_free, m);
    if (is_scarce) rte_pktmbuf_free(m);
}

unsigned queue_receive(struct dpdk_queue *q, const struct stack_operations *stack)
{
    struct rte_mbuf *frame[DPDK_BURST];
    struct port_dpdk_device *d = q->device;
    q->is_captured = dpdk_capture_look(&d->capture, q->index);
    if (q->is_away) return 0;
    unsigned count = rte_eth_rx_burst(d->id, q->index, frame, DPDK_BURST), shared = 0;
    if (d->config.lcores > 1) {
        for (unsigned i = 0; i < count; i++) spread_to_all(q, frame[i]);
        shared = spread_receive(q, stack);
    }
    if (count == 0) return shared;
    /* What paused connections and gaps in the stream keep is copied before the device has no memory left. */
    bool is_scarce = rte_mempool_avail_count(d->rx_pool[q->index]) < DPDK_RX_FRAMES / 4;
    for (unsigned i = 0; i < count; i++) queue_feed(q, stack, frame[i], is_scarce);
    return count + shared;
}

/* --- opening --- */

enum err queue_init(struct dpdk_queue *q, struct port_dpdk_device *device, uint32_t index, uint32_t pins_max)
{
    q->device = device;
    q->index = (uint16_t)index;
    q->origin = index;
    q->pins = calloc(pins_max, sizeof *q->pins);
    if (q->pins == NULL) return ERR_NO_MEMORY;
    atomic_store_explicit(&device->lcore_place[index], LCORE_AT_WORK, memory_order_relaxed); /* before it looks */
    dpdk_capture_open(&device->capture, index);
    for (uint32_t i = pins_max; i-- > 0;) {
        q->pins[i].next = q->free_pins;
        q->free_pins = &q->pins[i];
    }
    return ERR_OK;
}

void queue_fini(struct dpdk_queue *q)
{
    dpdk_capture_close(&q->device->capture, q->index);
    rte_pktmbuf_free_bulk(q->pending, q->pending_count);
    q->pending_count = q->prepared_count = 0;
    for (int i = 0; q->pins_used > 0 && i < FINI_MS_MAX; i++) { /* the device may still read what was lent */
        queue_clean(q);
        rte_delay_us_sleep(1000);
    }
    if (q->pins_used == 0) free(q->pins); /* else lost, rather than used after it was freed */
    /* Pairs with all_parked. */
    atomic_store_explicit(&q->device->lcore_place[q->index], LCORE_CLOSED, memory_order_release);
}
