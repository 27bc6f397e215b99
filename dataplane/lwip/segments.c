#include "dataplane/lwip/segments.h"

#include <string.h>

#include <lwip/memp.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

static uint16_t options_bytes(const struct tcp_pcb *pcb)
{
    return (pcb->flags & TF_TIMESTAMP) != 0 ? LWIP_TCP_OPT_LEN_TS_OUT : 0;
}

uint16_t segments_packet_bytes(const struct tcp_pcb *pcb) { return (uint16_t)(pcb->mss - options_bytes(pcb)); }

uint16_t segments_mss(const struct tcp_pcb *pcb, uint32_t super_bytes, unsigned slices_max)
{
    if (super_bytes == 0) return pcb->mss; /* all there have no more than a packet */
    const struct tcp_seg *last = pcb->unsent;
    uint16_t options = options_bytes(pcb), packet = segments_packet_bytes(pcb);
    uint32_t most = LWIP_MIN(LWIP_MIN(super_bytes, LWIP_MIN(pcb->snd_wnd, pcb->cwnd) / 4), UINT16_MAX - 200u);
    uint32_t mss = most < packet ? pcb->mss : most - most % packet + options;
    if (last == NULL) return (uint16_t)mss;
    while (last->next != NULL) last = last->next;
    uint32_t there = (uint32_t)last->len + options; /* lwIP insists on no less: it may have been written with more */
    return (uint16_t)(there > mss || pbuf_clen(last->p) + 2u >= slices_max ? there : mss);
}

/* References to, or copies of, a chain's bytes from `skip` on, behind `head`. */
static bool tail_append(struct pbuf *head, const struct pbuf *q, uint32_t skip)
{
    for (; q != NULL; q = q->next) {
        if (skip >= q->len) {
            skip -= q->len;
            continue;
        }
        bool is_lent = pbuf_match_type(q, PBUF_ROM);
        uint16_t size = (uint16_t)(q->len - skip);
        struct pbuf *p = pbuf_alloc(PBUF_RAW, size, is_lent ? PBUF_ROM : PBUF_RAM);
        if (p == NULL) return false;
        if (is_lent) p->payload = (uint8_t *)q->payload + skip;
        else memcpy(p->payload, (const uint8_t *)q->payload + skip, size);
        pbuf_cat(head, p);
        skip = 0;
    }
    return true;
}

/* Cuts the first unsent segment behind `bytes`.  False: no memory. */
static bool segment_cut(struct tcp_pcb *pcb, uint16_t bytes)
{
    struct tcp_seg *first = pcb->unsent, *rest = memp_malloc(MEMP_TCP_SEG);
    if (rest == NULL) return false;
    uint16_t options = LWIP_TCP_OPT_LENGTH(first->flags), size = (uint16_t)(first->len - bytes);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, options, PBUF_RAM);
    if (p == NULL || !tail_append(p, first->p, (uint32_t)first->p->tot_len - first->len + bytes) ||
        pbuf_add_header(p, TCP_HLEN) != 0) {
        if (p != NULL) pbuf_free(p);
        memp_free(MEMP_TCP_SEG, rest);
        return false;
    }
    const u8_t at_the_end = TCP_PSH | TCP_FIN;
    u8_t flags = TCPH_FLAGS(first->tcphdr);
    *rest = (struct tcp_seg){.next = first->next, .p = p, .len = size, .flags = first->flags, .tcphdr = p->payload};
    *rest->tcphdr = (struct tcp_hdr){.src = first->tcphdr->src, .dest = first->tcphdr->dest,
                                     .seqno = lwip_htonl(lwip_ntohl(first->tcphdr->seqno) + bytes)};
    TCPH_HDRLEN_FLAGS_SET(rest->tcphdr, 5 + options / 4, flags & at_the_end);
    TCPH_FLAGS_SET(first->tcphdr, flags & ~at_the_end);
    pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen - pbuf_clen(first->p));
    pbuf_realloc(first->p, (u16_t)(first->p->tot_len - size));
    first->len = bytes;
    pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen + pbuf_clen(first->p) + pbuf_clen(p));
    first->next = rest;
    return true;
}

/* What of the first unsent segment was acknowledged goes: sent again, a packet at a time, it would bring no new
 * acknowledgement, and the connection would end after some. */
static bool acknowledged_drop(struct tcp_pcb *pcb)
{
    struct tcp_seg *first = pcb->unsent;
    uint32_t ahead = pcb->lastack - lwip_ntohl(first->tcphdr->seqno);
    if ((int32_t)ahead <= 0 || ahead >= first->len) return true;
    if (!segment_cut(pcb, (u16_t)ahead)) return false;
    pcb->unsent = first->next;
    pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen - pbuf_clen(first->p));
    tcp_seg_free(first);
    return true;
}

bool segments_unblock(struct tcp_pcb *pcb)
{
    uint32_t window = LWIP_MIN(pcb->snd_wnd, pcb->cwnd), packet = segments_packet_bytes(pcb);
    /* The byte that probed a shut window, or what a timeout took back, was acknowledged: lwIP goes on probing, and ends
     * the process for it has nothing to probe with. */
    if (pcb->unsent == NULL) pcb->persist_backoff = 0;
    if (pcb->unsent == NULL || pcb->unacked != NULL) return false;
    /* lwIP cuts it at the window, and leaves the FIN also with the first part. */
    if ((TCPH_FLAGS(pcb->unsent->tcphdr) & TCP_FIN) != 0 && window > 0 && window < packet && window < pcb->unsent->len)
        packet = window;
    if (pcb->unsent->len <= packet) return false;
    bool is_cut = acknowledged_drop(pcb);
    if (is_cut && pcb->unsent->len > packet && pcb->unsent->len > window)
        is_cut = segment_cut(pcb, (u16_t)(window < packet ? packet : window - window % packet));
    if (!is_cut) pcb->persist_cnt = 0; /* lwIP would cut it now, and end the process */
    return is_cut && pcb->unsent->len <= window;
}

static bool resent_is_stuck(const struct tcp_pcb *pcb)
{
    return pcb->unsent != NULL && pcb->unacked != NULL &&
           TCP_SEQ_LT(lwip_ntohl(pcb->unsent->tcphdr->seqno), lwip_ntohl(pcb->unacked->tcphdr->seqno));
}

/* What duplicate acknowledgements asked for, and the device had no room for, stands before what is not sent yet.  A
 * timeout would put all that is on its way before it, and with a window of one packet lwIP would wait for ever: it goes
 * back to where it was. */
static void resent_return(struct tcp_pcb *pcb)
{
    struct tcp_seg *first = pcb->unsent;
    pcb->unsent = first->next;
    first->next = pcb->unacked;
    pcb->unacked = first;
}

void segments_unblock_all(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (segments_unblock(pcb) || resent_is_stuck(pcb)) (void)tcp_output(pcb);
        if (resent_is_stuck(pcb)) resent_return(pcb);
    }
}

uint32_t segments_held(const struct tcp_pcb *pcb)
{
    const struct tcp_seg *const first[] = {pcb->unacked, pcb->unsent};
    uint32_t held = 0;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t ahead = first[i] == NULL ? 0 : pcb->lastack - lwip_ntohl(first[i]->tcphdr->seqno);
        if ((int32_t)ahead > 0 && ahead > held) held = ahead;
    }
    return held;
}
