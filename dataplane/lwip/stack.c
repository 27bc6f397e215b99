/* One stack: lwIP's raw API behind stack.h.  The build copies this file's object together with lwIP's. */
#include "dataplane/lwip/stack.h"

#include <stdio.h>
#include <string.h>

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/init.h>
#include <lwip/ip6_addr.h>
#include <lwip/memp.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/stats.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "base/invariant.h"
#include "base/random.h"
#include "dataplane/lwip/hooks.h"
#include "dataplane/lwip/lookup.h"
#include "dataplane/lwip/segments.h"

enum {
    FRAMES_KEPT_MAX = 32768,
    OOSEQ_FRAMES_MAX = 96,
    COPIED_FRAME_BYTES_MAX = 9344 - 64, /* the larger pool of lwippools.h is for what is sent */
    HALF_OPEN_MAX   = 1024,
    ORPHAN_MS_MAX   = 30000, /* a connection that we ended, while its peer still answers and takes less than */
    ORPHAN_BYTES_MIN = 16 << 10,
    DOUBT_TIMEOUTS  = 2,    /* of a connection in a row: does its neighbour still have that hardware address? */
    LOOK_EVERY_MS   = 1000, /* at all connections, and at what they doubt */
    FIRST_TIMEOUT_MS = 1000, /* before a round trip was measured (RFC 6298) */
    MSS_MIN         = 64,  /* a peer who asks for less wants the segments of all others (Linux takes 48 at least) */
    MSS_TO_SMALL_WINDOW_MIN = 536,
    AHEAD_BYTES     = 128 << 10, /* written beyond what may be sent now: lwIP walks what waits at each write */
};

struct kept_frame { /* a received frame, while something of it is needed */
    struct pbuf_custom pbuf;
    void (*release)(void *frame);
    void *frame;
};
_Static_assert((int)LOOKUP_KEY_BYTES == (int)STACK_SECRET_BYTES, "it is the same secret");
LWIP_MEMPOOL_DECLARE(kept_frames, FRAMES_KEPT_MAX, sizeof(struct kept_frame), "frames")

static struct {
    struct stack_config config;
    struct netif netif;
    ip6_addr_t gateway6;
    bool     is_open, has_gateway6, has_no_room;
    uint32_t now_ms, looked_ms, frames_kept, dropped;
    ip4_addr_t doubted; /* a peer who does not answer; any: none */
    uint32_t half_open_most; /* connections that may be half-open: an upper bound */
    uint64_t retransmitted, half_open_ended;
    struct random random;
    struct listening { struct tcp_pcb *pcb; uint32_t number; } listening[STACK_LISTENERS_MAX];
    uint32_t listener_count;
    const struct tcp_hdr *sending_header; /* of the last segment that the hook saw, */
    void    *sending; /* its connection, */
    uint32_t sending_position, sending_bytes; /* its data: its place in the stream, its size, */
    uint32_t sending_packet;                  /* and a packet's of this connection */
    u8_t     told;                            /* number of the field of a connection that on_acknowledged has */
} stack;

/* --- what lwIP asks for --- */

u32_t sys_now(void) { return stack.now_ms; }

uint32_t stack_random(void) { return (uint32_t)random_u64(&stack.random); }

uint32_t stack_first_sequence(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
                              uint16_t remote_port)
{
    uint64_t word[5] = {0};
    size_t size = IP_IS_V6(remote) ? 16 : 4;
    memcpy(&word[0], IP_IS_V6(local) ? (const void *)ip_2_ip6(local) : (const void *)ip_2_ip4(local), size);
    memcpy(&word[2], IP_IS_V6(remote) ? (const void *)ip_2_ip6(remote) : (const void *)ip_2_ip4(remote), size);
    word[4] = (uint64_t)local_port << 16 | remote_port;
    return (uint32_t)keyed_hash(stack.config.secret, word, 5) + stack.now_ms * 250; /* RFC 6528: 4 us a number */
}

int32_t stack_vlan(void) { return stack.config.vlan == 0 ? -1 : stack.config.vlan; }
int stack_is_our_vlan(const struct eth_vlan_hdr *header) { return VLAN_ID(header) == stack.config.vlan; }
const ip6_addr_t *stack_gateway6(void) { return stack.has_gateway6 ? &stack.gateway6 : NULL; }

static int handed_over(struct pbuf *p, bool is_strange, uint32_t flow)
{
    const struct stack_handlers *h = &stack.config.handlers;
    if (!is_strange || h->elsewhere == NULL || !h->elsewhere(h->context, flow)) return 0;
    lookup_end();
    pbuf_free(p);
    return 1;
}

int stack_on_packet4(struct pbuf *p)
{
    uint32_t flow;
    bool is_strange = lookup_begin4(p, &flow);
    return handed_over(p, is_strange, flow);
}

int stack_on_packet6(struct pbuf *p)
{
    uint32_t flow;
    bool is_strange = lookup_begin6(p, &flow);
    return handed_over(p, is_strange, flow);
}

static void on_flow(uint32_t flow, bool is_here)
{
    const struct stack_handlers *h = &stack.config.handlers;
    if (h->flow != NULL) h->flow(h->context, flow, is_here);
}

uint32_t *stack_on_segment(const struct pbuf *p, const struct tcp_hdr *header, const struct tcp_pcb *pcb,
                           uint32_t *options)
{
    /* Before it is accepted the argument is the listener's, who lacks most fields; one that was closed has none. */
    bool is_ours = pcb != NULL && pcb->state > SYN_RCVD;
    stack.sending_header = header;
    stack.sending = is_ours ? pcb->callback_arg : NULL;
    stack.sending_position = lwip_ntohl(header->seqno);
    stack.sending_bytes = (uint32_t)(p->tot_len - TCPH_HDRLEN_BYTES(header));
    stack.sending_packet = is_ours ? segments_packet_bytes(pcb) : UINT32_MAX;
    /* lwIP's own counter knows of fast retransmissions only. */
    bool is_again = is_ours && TCP_SEQ_LT(stack.sending_position, pcb->snd_nxt);
    if (is_again && stack.sending_bytes > 0) stack.retransmitted++;
    if (is_again && pcb->nrtx >= DOUBT_TIMEOUTS && IP_IS_V4_VAL(pcb->remote_ip))
        ip4_addr_copy(stack.doubted, *ip_2_ip4(&pcb->remote_ip));
    return options;
}

/* Who only ever sends first packets of connections would have all of the stack: the oldest half-open ones give way,
 * in bulk, for each look at the list costs its length.  An honest client's are half-open for one round trip. */
static void half_open_bound(void)
{
    uint32_t seen = 0;
    if (++stack.half_open_most <= HALF_OPEN_MAX) return; /* as many may be, at most */
    for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != NULL; pcb = next) { /* the newest stand first */
        next = pcb->next;
        if (pcb->state != SYN_RCVD || ++seen <= HALF_OPEN_MAX / 2) continue;
        tcp_abandon(pcb, 0);
        stack.half_open_ended++;
        seen--;
    }
    stack.half_open_most = seen + 1;
}

/* lwIP looks for an option's size also where the options end with its kind, and changes the segments' size whenever it
 * is told one, though only a SYN may (RFC 9293 3.2): to more than the link takes, or than a super-segment may have. */
static bool options_are_good(const struct tcp_hdr *header)
{
    const uint8_t *option = (const uint8_t *)(header + 1);
    uint32_t size = TCPH_HDRLEN_BYTES(header) - (uint32_t)sizeof *header;
    for (uint32_t i = 0; i < size && option[i] != LWIP_TCP_OPT_EOL;) {
        bool is_alone = option[i] == LWIP_TCP_OPT_NOP;
        if (option[i] == LWIP_TCP_OPT_MSS && (TCPH_FLAGS(header) & TCP_SYN) == 0) return false;
        if (!is_alone && (i + 1 == size || option[i + 1] < 2 || option[i + 1] > size - i)) return false;
        i += is_alone ? 1 : option[i + 1];
    }
    return true;
}

/* What comes ahead of a gap lwIP queues without cutting it to our window, and aborts the process when the gap closes
 * and it is too much: any client could do that.  Who keeps to the window never sends so.
 *
 * In TIME_WAIT lwIP refuses a client that comes again from the same port, for as long as it lasts.  One whose sequence
 * numbers go on behind the last connection's may (RFC 1122 4.2.2.13): it is let in when it asks again, in a second. */
bool stack_may_enter(const struct tcp_pcb *pcb, const struct tcp_hdr *header, uint16_t bytes)
{
    lookup_found(pcb);
    if (!options_are_good(header)) return false;
    bool begins = (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
    if (pcb->state == TIME_WAIT && begins && TCP_SEQ_GT(header->seqno, pcb->rcv_nxt)) {
        tcp_abort((struct tcp_pcb *)(uintptr_t)pcb);
        return false;
    }
    if (pcb->state < SYN_RCVD) { /* a listener: it has none of the fields below */
        if (pcb->state == LISTEN && begins) half_open_bound();
        return true;
    }
    /* Who comes again from a port whose connection we still have, for its reset was lost, is asked (RFC 5961 4.2): lwIP
     * says where that connection stands, a reset comes back, and the next try is let in.  Unanswered he would wait
     * until he gave up. */
    if (begins) return true;
    uint32_t end = header->seqno + bytes + ((TCPH_FLAGS(header) & (TCP_FIN | TCP_SYN)) != 0);
    return !TCP_SEQ_GT(header->seqno, pcb->rcv_nxt) || !TCP_SEQ_GT(end, pcb->rcv_nxt + pcb->rcv_wnd);
}

/* All connections together leave half of the segments to what is sent. */
uint16_t stack_ooseq_frames_max(void)
{
    return memp_pools[MEMP_TCP_SEG]->stats->used < MEMP_NUM_TCP_SEG / 2 ? OOSEQ_FRAMES_MAX : 0;
}

/* --- frames --- */

static uint32_t ip_at(void) { return SIZEOF_ETH_HDR + (stack.config.vlan != 0 ? SIZEOF_VLAN_HDR : 0); }

/* Where the TCP header of a frame from lwIP stands, which writes no IP options and no extension headers ahead of it;
 * 0: it is not TCP's. */
static uint32_t tcp_at(const struct pbuf *p)
{
    const uint8_t *bytes = p->payload;
    uint32_t at = ip_at();
    if (p->len < at + IP_HLEN + TCP_HLEN) return 0;
    uint32_t type = (uint32_t)bytes[at - 2] << 8 | bytes[at - 1];
    const struct ip_hdr *ip4 = (const struct ip_hdr *)(bytes + at);
    if (type == ETHTYPE_IP) return IPH_PROTO(ip4) == IP_PROTO_TCP ? at + IP_HLEN : 0;
    if (type != ETHTYPE_IPV6 || p->len < at + IP6_HLEN + TCP_HLEN) return 0;
    return IP6H_NEXTH((const struct ip6_hdr *)(bytes + at)) == IP_PROTO_TCP ? at + IP6_HLEN : 0;
}

/* Between the hook above and here other frames may leave, and what waited for its neighbour's address does later: as it
 * was, or as a copy.  It is the hook's segment where its TCP header is the one that the hook saw.
 *
 * Returns the payload of the packets that the frame is to be cut into, 0: it is none to be cut.  Of a segment that
 * waited: the largest that the link takes, for its connection may be gone. */
static uint32_t packet_bytes_of(const struct pbuf *p, uint32_t at, bool is_hooks)
{
    if (at == 0) return 0;
    if (is_hooks) return stack.sending_bytes > stack.sending_packet ? stack.sending_packet : 0;
    uint32_t ip = ip_at();
    const struct tcp_hdr *header = (const struct tcp_hdr *)((const uint8_t *)p->payload + at);
    return p->tot_len > ip + stack.netif.mtu ? stack.netif.mtu - (at - ip) - TCPH_HDRLEN_BYTES(header) : 0;
}

static err_t on_link_output(struct netif *netif, struct pbuf *p)
{
    struct stack_slice slice[STACK_SLICES_MAX];
    uint32_t at = 0, head = p->tot_len - stack.sending_bytes, tcp = tcp_at(p); /* head: if it is the hook's */
    unsigned count = 0;
    bool has_lent = false;
    bool is_hooks = tcp != 0 && (const uint8_t *)p->payload + tcp == (const uint8_t *)stack.sending_header;
    (void)netif;
    for (struct pbuf *q = p; q != NULL; q = q->next) {
        if (q->len == 0) continue;
        if (count == STACK_SLICES_MAX) return ERR_BUF;
        /* Only tcp_write makes references to memory of others. */
        bool is_lent = pbuf_match_type(q, PBUF_ROM);
        slice[count++] = (struct stack_slice){.bytes = q->payload, .size = q->len, .is_lent = is_lent,
                                              .position = stack.sending_position + at - head};
        has_lent = has_lent || is_lent;
        at += q->len;
    }
    INVARIANT(!has_lent || (is_hooks && stack.sending != NULL)); /* lent bytes do not wait: PBUF_NEEDS_COPY */
    const struct stack_handlers *h = &stack.config.handlers;
    if (h->transmit(h->context, has_lent ? stack.sending : NULL, slice, count, packet_bytes_of(p, tcp, is_hooks)))
        return ERR_OK;
    stack.has_no_room = true;
    return ERR_WOULDBLOCK;
}

static void on_frame_free(struct pbuf *p)
{
    struct kept_frame *k = (struct kept_frame *)p;
    if (k->release != NULL) k->release(k->frame);
    stack.frames_kept--;
    memp_free_pool(&memp_kept_frames, k);
}

static struct pbuf *frame_copied(const uint8_t *bytes, uint32_t size)
{
    struct pbuf *p = size > COPIED_FRAME_BYTES_MAX ? NULL : pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_RAM);
    if (p != NULL) memcpy(p->payload, bytes, size);
    return p;
}

static struct pbuf *frame_kept(uint8_t *bytes, uint32_t size, void (*release)(void *frame), void *frame)
{
    struct kept_frame *k = memp_malloc_pool(&memp_kept_frames);
    if (k == NULL) return NULL;
    k->pbuf.custom_free_function = on_frame_free;
    k->release = release;
    k->frame = frame;
    stack.frames_kept++;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)size, PBUF_REF, &k->pbuf, bytes, (u16_t)size);
}

/* lwIP looks at the first bytes of IPv6's extension headers, and of their options, before it asks whether the frame has
 * them: each must be whole, and something must follow it. */
static bool extensions_are_whole(const uint8_t *packet, uint32_t size)
{
    enum { NEXT_AT = 6, UNIT = 8 };
    if (size < IP6_HLEN) return false;
    uint32_t end = IP6_HLEN + ((uint32_t)packet[4] << 8 | packet[5]), at = IP6_HLEN;
    uint8_t kind = packet[NEXT_AT];
    if (end > size) return false;
    while (kind == IP6_NEXTH_HOPBYHOP || kind == IP6_NEXTH_ROUTING || kind == IP6_NEXTH_FRAGMENT ||
           kind == IP6_NEXTH_DESTOPTS) {
        if (at + UNIT > end) return false;
        uint32_t bytes = kind == IP6_NEXTH_FRAGMENT ? UNIT : UNIT * (1u + packet[at + 1]);
        kind = packet[at];
        at += bytes;
        if (at + UNIT > end) return false;
    }
    return true;
}

static void lwip_input(uint8_t *bytes, uint32_t size, unsigned checked, void (*release)(void *frame), void *frame)
{
    struct pbuf *p = NULL;
    /* lwIP looks at the headers of ARP and IPv4 before it asks whether the frame has them. */
    bool is_tagged = size > SIZEOF_ETH_HDR && (bytes[12] << 8 | bytes[13]) == ETHTYPE_VLAN;
    uint32_t head = (uint32_t)SIZEOF_ETH_HDR + (is_tagged ? SIZEOF_VLAN_HDR : 0);
    bool is_whole = size <= UINT16_MAX && size >= head + SIZEOF_ETHARP_HDR;
    if (is_whole && (bytes[head - 2] << 8 | bytes[head - 1]) == ETHTYPE_IPV6)
        is_whole = extensions_are_whole(bytes + head, size - head);
    if (is_whole)
        p = release == NULL ? frame_copied(bytes, size) : frame_kept(bytes, size, release, frame);
    if (p == NULL) {
        stack.dropped++;
        if (release != NULL) release(frame);
        return;
    }
    uint16_t checks = stack.netif.chksum_flags;
    unsigned done = ((checked & STACK_CHECKED_IP) != 0 ? NETIF_CHECKSUM_CHECK_IP : 0) |
                    ((checked & STACK_CHECKED_TCP) != 0 ? NETIF_CHECKSUM_CHECK_TCP : 0);
    NETIF_SET_CHECKSUM_CTRL(&stack.netif, checks & ~done);
    if (stack.netif.input(p, &stack.netif) != ERR_OK) pbuf_free(p);
    lookup_end();
    NETIF_SET_CHECKSUM_CTRL(&stack.netif, checks);
}

/* --- connections --- */

static struct tcp_pcb *pcb_of(struct stack_pcb *pcb) { return (struct tcp_pcb *)pcb; }
static const struct tcp_pcb *const_pcb_of(const struct stack_pcb *pcb) { return (const struct tcp_pcb *)pcb; }

static err_t on_received(void *connection, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)error;
    (void)pcb;
    if (p == NULL) stack.config.handlers.finished(connection);
    while (p != NULL) { /* each frame for itself: it is given back as soon as its own bytes are done with */
        struct pbuf *rest = p->next;
        if (rest != NULL) {
            pbuf_ref(rest); /* pbuf_dechain takes the chain's reference away */
            pbuf_dechain(p);
        }
        stack.config.handlers.received(connection, (struct stack_bytes *)p, p->payload, p->len);
        p = rest;
    }
    return ERR_OK;
}

/* A peer may acknowledge a part of a segment, which is sent again as a whole when the rest is lost: what of it was
 * acknowledged is told with the rest. */
static void told_set(struct tcp_pcb *pcb, uint32_t position)
{
    tcp_ext_arg_set(pcb, stack.told, (void *)(uintptr_t)position);
}

static err_t on_acknowledged(void *connection, struct tcp_pcb *pcb, u16_t size)
{
    (void)size;
    uint32_t safe = pcb->lastack - segments_held(pcb), told = (uint32_t)(uintptr_t)tcp_ext_arg_get(pcb, stack.told);
    if ((int32_t)(safe - told) > 0) {
        told_set(pcb, safe);
        stack.config.handlers.acknowledged(connection, safe - told);
    }
    (void)segments_unblock(pcb); /* lwIP sends what can go when it comes back */
    return ERR_OK;
}

static void on_failed(void *connection, err_t error)
{
    (void)error;
    if (connection != NULL) stack.config.handlers.failed(connection);
}

static void pcb_attach(struct tcp_pcb *pcb, void *connection)
{
    tcp_arg(pcb, connection);
    told_set(pcb, pcb->snd_lbb);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_acknowledged);
    tcp_err(pcb, on_failed);
    tcp_nagle_disable(pcb);
    ip_set_option(pcb, SOF_KEEPALIVE);
}

/* What the peer asks for, and for IPv6 whoever sends "packet too big", which lwIP believes at any size. */
static void mss_bound(struct tcp_pcb *pcb)
{
    bool is_6 = IP_IS_V6_VAL(pcb->remote_ip);
    u16_t head = TCP_HLEN + (is_6 ? IP6_HLEN : IP_HLEN), most = (u16_t)(stack.netif.mtu - head);
    u16_t least = is_6 ? IP6_MIN_MTU_LENGTH - head : MSS_MIN;
    pcb->mss = LWIP_MIN(LWIP_MAX(pcb->mss, least), most);
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct listening *l = argument;
    if (error != ERR_OK || pcb == NULL || l == NULL) return ERR_VAL;
    const struct stack_handlers *h = &stack.config.handlers;
    void *connection = h->accepted(h->context, (struct stack_pcb *)pcb, l->number);
    if (connection == NULL) return ERR_MEM; /* lwIP resets it */
    pcb->rto = pcb->sv = FIRST_TIMEOUT_MS / TCP_SLOW_INTERVAL; /* lwIP begins with 3 s, and that wears off slowly */
    mss_bound(pcb);
    pcb_attach(pcb, connection);
    return ERR_OK;
}

static bool lwip_listen(uint16_t port, uint32_t listener)
{
    INVARIANT(stack.listener_count < STACK_LISTENERS_MAX);
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
    INVARIANT(pcb != NULL); /* before the first client */
    ip_set_option(pcb, SOF_REUSEADDR);
    struct tcp_pcb *listening = tcp_bind(pcb, IP_ANY_TYPE, port) == ERR_OK ? tcp_listen(pcb) : NULL;
    if (listening == NULL) {
        tcp_close(pcb);
        return false;
    }
    struct listening *l = &stack.listening[stack.listener_count++];
    *l = (struct listening){listening, listener};
    tcp_arg(listening, l);
    tcp_accept(listening, on_accept);
    lookup_listener(listening);
    return true;
}

static void lwip_stop(void)
{
    for (uint32_t i = 0; i < stack.listener_count; i++) tcp_close(stack.listening[i].pcb);
    stack.listener_count = 0;
}

static uint32_t lwip_room(const struct stack_pcb *opaque)
{
    const struct tcp_pcb *pcb = const_pcb_of(opaque);
    uint32_t window = LWIP_MIN(pcb->snd_wnd, pcb->cwnd) + AHEAD_BYTES;
    uint32_t queued = pcb->snd_lbb - pcb->lastack;
    if (pcb->snd_queuelen >= TCP_SND_QUEUELEN - 2 * STACK_SLICES_MAX || queued >= window) return 0;
    return LWIP_MIN(LWIP_MIN(window - queued, pcb->snd_buf), UINT16_MAX);
}

static uint32_t lwip_position(const struct stack_pcb *pcb) { return const_pcb_of(pcb)->snd_lbb; }

static bool lwip_write(struct stack_pcb *pcb, const uint8_t *bytes, uint32_t size, bool is_lent, bool is_last)
{
    u8_t flags = (u8_t)((is_lent ? 0 : TCP_WRITE_FLAG_COPY) | (is_last ? 0 : TCP_WRITE_FLAG_MORE));
    u16_t mss = pcb_of(pcb)->mss;
    /* lwIP makes segments of half the largest window there was: of a byte, where a peer wants them so. */
    pcb_of(pcb)->snd_wnd_max = LWIP_MAX(pcb_of(pcb)->snd_wnd_max, 2 * MSS_TO_SMALL_WINDOW_MIN);
    uint32_t super_bytes = stack.config.super_bytes;
    if (stack.config.super_packets > 0)
        super_bytes = LWIP_MIN(super_bytes, stack.config.super_packets * segments_packet_bytes(pcb_of(pcb)));
    pcb_of(pcb)->mss = segments_mss(pcb_of(pcb), super_bytes, STACK_SLICES_MAX);
    err_t e = tcp_write(pcb_of(pcb), bytes, (u16_t)size, flags);
    pcb_of(pcb)->mss = mss;
    return e == ERR_OK;
}

static bool lwip_output(struct stack_pcb *pcb)
{
    stack.has_no_room = false;
    (void)segments_unblock(pcb_of(pcb));
    (void)tcp_output(pcb_of(pcb)); /* what could not go stays queued */
    return stack.has_no_room;
}

static void lwip_give_back(struct stack_bytes *keep) { pbuf_free((struct pbuf *)keep); }

static void lwip_consumed(struct stack_pcb *pcb, uint32_t size)
{
    for (; size > 0;) {
        u16_t part = (u16_t)LWIP_MIN(size, UINT16_MAX);
        tcp_recved(pcb_of(pcb), part);
        size -= part;
    }
}

static void pcb_detach(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
}

static void lwip_close(struct stack_pcb *opaque)
{
    struct tcp_pcb *pcb = pcb_of(opaque);
    pcb_detach(pcb);
    if (tcp_close(pcb) != ERR_OK) tcp_abort(pcb);
}

static void lwip_abort(struct stack_pcb *opaque)
{
    pcb_detach(pcb_of(opaque));
    tcp_abort(pcb_of(opaque));
}

static void lwip_peer(const struct stack_pcb *opaque, char *out, size_t out_bytes)
{
    if (ipaddr_ntoa_r(&const_pcb_of(opaque)->remote_ip, out, (int)out_bytes) == NULL)
        snprintf(out, out_bytes, "unknown");
    for (char *at = out; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'F') *at = (char)(*at - 'A' + 'a'); /* RFC 5952 */
}

static void (*connected_handler)(void *);

static err_t on_connected(void *connection, struct tcp_pcb *pcb, err_t error)
{
    (void)error;
    told_set(pcb, pcb->snd_lbb);
    connected_handler(connection);
    return ERR_OK;
}

static struct stack_pcb *lwip_connect(const char *address4, uint16_t port, void *connection, void (*connected)(void *))
{
    ip_addr_t address;
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL || !ipaddr_aton(address4, &address)) return NULL;
    connected_handler = connected;
    pcb_attach(pcb, connection);
    if (tcp_connect(pcb, &address, port, on_connected) != ERR_OK) {
        tcp_abort(pcb);
        return NULL;
    }
    lookup_add(pcb);
    return (struct stack_pcb *)pcb;
}

/* --- time, opening --- */

/* lwIP waits for ever for a peer whose window stays shut, also where nobody here has the connection any more. */
static void orphans_end(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != NULL; pcb = next) {
        next = pcb->next;
        if ((pcb->flags & TF_RXCLOSED) == 0 || pcb->callback_arg != NULL) continue;
        uint32_t told = (uint32_t)(uintptr_t)tcp_ext_arg_get(pcb, stack.told); /* nobody is, any more */
        if ((int32_t)(pcb->lastack - told) >= ORPHAN_BYTES_MIN) {
            told_set(pcb, pcb->lastack);
            pcb->tmr = tcp_ticks; /* lwIP lets it rest */
        }
        if ((uint32_t)(tcp_ticks - pcb->tmr) > ORPHAN_MS_MAX / TCP_SLOW_INTERVAL) tcp_abort(pcb);
    }
}

/* lwIP keeps a hardware address for five minutes, whatever comes of it.  A neighbour's may have changed (a gateway's
 * stand-in took over), or was learned from a damaged frame, for ARP has no checksum: who does not answer is looked for
 * anew (RFC 1122 2.3.2.1).  IPv6's neighbours lwIP doubts by itself. */
static void neighbour_doubt(void)
{
    if (ip4_addr_isany_val(stack.doubted)) return;
    bool is_near = ip4_addr_netcmp(&stack.doubted, netif_ip4_addr(&stack.netif), netif_ip4_netmask(&stack.netif));
    (void)etharp_request(&stack.netif, is_near ? &stack.doubted : netif_ip4_gw(&stack.netif));
    ip4_addr_set_any(&stack.doubted);
}

static void lwip_tick(uint64_t now_ms)
{
    stack.now_ms = (uint32_t)now_ms;
    if (sys_timeouts_sleeptime() > 0) return;
    segments_unblock_all();
    sys_check_timeouts();
    if (stack.now_ms - stack.looked_ms < LOOK_EVERY_MS) return;
    stack.looked_ms = stack.now_ms;
    neighbour_doubt();
    orphans_end();
    lookup_check();
}

static uint32_t lwip_tick_within_ms(void) { return sys_timeouts_sleeptime(); }

static err_t netif_fill(struct netif *netif)
{
    const struct stack_config *c = stack.netif.state;
    netif->name[0] = 'm', netif->name[1] = 'r';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = on_link_output;
    netif->mtu = c->mtu;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(netif->hwaddr, c->mac, ETH_HWADDR_LEN);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
    unsigned theirs = (c->device_ip_checksums ? NETIF_CHECKSUM_GEN_IP : 0) |
                      (c->device_tcp_checksums ? NETIF_CHECKSUM_GEN_TCP : 0);
    NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL & ~theirs);
    return ERR_OK;
}

static bool is_set(const char *text) { return text != NULL && text[0] != '\0'; }

static const char *addresses_set(const struct stack_config *c)
{
    ip4_addr_t address = {0}, mask = {0}, gateway = {0};
    ip6_addr_t address6;
    if (is_set(c->address4) && (!ip4addr_aton(c->address4, &address) || c->prefix4 > 32))
        return "the address is no IPv4 address with a prefix of at most 32 bits";
    mask.addr = c->prefix4 == 0 ? 0 : lwip_htonl(UINT32_MAX << (32 - c->prefix4));
    if (is_set(c->gateway4) && !ip4addr_aton(c->gateway4, &gateway)) return "the gateway is no IPv4 address";
    netif_set_addr(&stack.netif, &address, &mask, &gateway);
    netif_create_ip6_linklocal_address(&stack.netif, 1);
    netif_ip6_addr_set_state(&stack.netif, 0, IP6_ADDR_PREFERRED);
    if (is_set(c->address6)) {
        if (!ip6addr_aton(c->address6, &address6)) return "the IPv6 address is none";
        netif_ip6_addr_set(&stack.netif, 1, &address6);
        netif_ip6_addr_set_state(&stack.netif, 1, IP6_ADDR_PREFERRED);
    }
    if (is_set(c->gateway6)) {
        if (!ip6addr_aton(c->gateway6, &stack.gateway6)) return "the IPv6 gateway is no address";
        ip6_addr_assign_zone(&stack.gateway6, IP6_UNICAST, &stack.netif);
        stack.has_gateway6 = true;
    }
    return NULL;
}

static const char *lwip_open(const struct stack_config *config, uint64_t now_ms)
{
    uint64_t seed;
    INVARIANT(stack.listener_count == 0);
    stack.config = *config;
    stack.now_ms = (uint32_t)now_ms;
    if (stack.is_open) return NULL;
    stack.is_open = true;
    memcpy(&seed, config->secret, sizeof seed);
    random_init(&stack.random, seed);
    lwip_init();
    stack.told = tcp_ext_arg_alloc_id();
    lookup_open(config->secret, on_flow);
    LWIP_MEMPOOL_INIT(kept_frames);
    netif_add(&stack.netif, NULL, NULL, NULL, &stack.config, netif_fill, ethernet_input);
    netif_set_default(&stack.netif);
    netif_set_link_up(&stack.netif);
    netif_set_up(&stack.netif);
    const char *why = addresses_set(config);
    if (why != NULL) return why;
    /* Asked ahead: the first answers to clients behind it would wait for it. */
    if (!ip4_addr_isany_val(*netif_ip4_gw(&stack.netif)))
        (void)etharp_request(&stack.netif, netif_ip4_gw(&stack.netif));
    return NULL;
}

static void lwip_stats_get(struct stack_stats *out)
{
    const struct stats_ *s = &lwip_stats;
    *out = (struct stack_stats){
        .segments_sent = s->mib2.tcpoutsegs + s->mib2.tcpretranssegs, .segments_received = s->mib2.tcpinsegs,
        .retransmitted = stack.retransmitted,
        .checksum_errors = s->ip.chkerr + s->tcp.chkerr + s->ip6.chkerr + s->icmp.chkerr,
        .dropped = s->link.drop + s->ip.drop + s->ip6.drop + s->tcp.drop + stack.dropped,
        .no_memory = s->tcp.memerr, .connections = memp_pools[MEMP_TCP_PCB]->stats->used,
        .segments_queued = memp_pools[MEMP_TCP_SEG]->stats->used, .frames_kept = stack.frames_kept,
        .half_open_ended = stack.half_open_ended, .walked = lookup_walked(),
    };
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next) out->time_wait++;
}

static size_t lwip_memory_bytes(void)
{
    size_t sum = (size_t)FRAMES_KEPT_MAX * sizeof(struct kept_frame) + lookup_memory_bytes();
    for (int i = 0; i < MEMP_MAX; i++) sum += (size_t)memp_pools[i]->size * memp_pools[i]->num;
    return sum;
}

extern const struct stack_operations stack_copy; /* the build gives each copy's a number of its own */
const struct stack_operations stack_copy = {
    lwip_open, lwip_listen, lwip_stop, lwip_input, lwip_tick, lwip_tick_within_ms, lwip_room, lwip_position,
    lwip_write, lwip_output, lwip_give_back, lwip_consumed, lwip_close, lwip_abort, lwip_peer, lwip_connect,
    lwip_stats_get, lwip_memory_bytes,
};
