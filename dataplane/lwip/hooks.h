/* dataplane/lwip/hooks.h -- where lwIP asks us while it works; included by its own sources.  All in stack.c. */
#ifndef DATAPLANE_LWIP_HOOKS_H
#define DATAPLANE_LWIP_HOOKS_H

#include <stdbool.h>

#include <lwip/ip6_addr.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>

struct tcp_pcb;
struct tcp_hdr;

/* A packet came: 0, it is lwIP's, which only searches less for whose it is (lookup.h); 1, it is another stack's. */
int stack_on_packet4(struct pbuf *p);
int stack_on_packet6(struct pbuf *p);
/* A segment is about to leave: whose it is, and where its data stands in the stream. */
uint32_t *stack_on_segment(const struct pbuf *p, const struct tcp_hdr *header, const struct tcp_pcb *pcb,
                           uint32_t *options);
/* Is a segment of `bytes` for this connection taken at all? */
bool stack_may_enter(const struct tcp_pcb *pcb, const struct tcp_hdr *header, uint16_t bytes);
/* How many frames of a connection may wait behind a gap; what is beyond is dropped, and sent again. */
uint16_t stack_ooseq_frames_max(void);
/* Sequence numbers that a stranger cannot guess (RFC 6528). */
uint32_t stack_first_sequence(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
                              uint16_t remote_port);
/* The operator's IPv6 gateway; NULL: none. */
const ip6_addr_t *stack_gateway6(void);

#define LWIP_HOOK_IP4_INPUT(p, netif) stack_on_packet4(p)
#define LWIP_HOOK_IP6_INPUT(p, netif) stack_on_packet6(p)
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, header, pcb, options) stack_on_segment(p, header, pcb, options)
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, size, size1, options2, p) \
    (stack_may_enter(pcb, header, (p)->tot_len) ? ERR_OK : ERR_VAL)
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) \
    stack_first_sequence(local, local_port, remote, remote_port)
#define LWIP_HOOK_ND6_GET_GW(netif, destination) stack_gateway6()

#endif
