/* dataplane/lwip/segments.h -- segments of several packets, which the device cuts (TSO), without a change to lwIP.
 *
 * lwIP makes segments of the connection's MSS, and sends one as a whole or not at all.  So the MSS is larger while it
 * is written to, and what has become larger than the window is cut again: lwIP would wait for ever for room that does
 * not come (after a timeout its window is one MSS), and ends the process by an assertion where a peer has shrunk his
 * window to less than the segment. */
#ifndef DATAPLANE_LWIP_SEGMENTS_H
#define DATAPLANE_LWIP_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_pcb;

/* Payload of a packet of this connection. */
uint16_t segments_packet_bytes(const struct tcp_pcb *pcb);
/* The MSS to write with, so that a segment has whole packets: `super_bytes` of them at most (0: one packet), and a
 * quarter of what may be on its way, for a segment is sent again as a whole; and no more than `slices_max` pieces. */
uint16_t segments_mss(const struct tcp_pcb *pcb, uint32_t super_bytes, unsigned slices_max);
/* When nothing is on its way and the next segment does not fit into the window: cuts it, by references to the same
 * bytes.  True: there is something to send now.  When nothing is left to send: ends the probing of a shut window. */
bool     segments_unblock(struct tcp_pcb *pcb);
/* The same of all connections, before lwIP's timers look at them; sends what can go, and keeps in order what is to be
 * sent again and cannot. */
void     segments_unblock_all(void);
/* How much of what the peer has acknowledged stands in segments that may be sent again, for the rest of them. */
uint32_t segments_held(const struct tcp_pcb *pcb);

#endif
