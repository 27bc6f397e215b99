/* dataplane/lwip/lwipopts.h -- how lwIP is built for us: a server's TCP, raw API, one thread, no kernel under it.
 *
 * Every copy of it (one for each lcore) has the pools below; their memory is touched only as far as it is used. */
#ifndef DATAPLANE_LWIP_LWIPOPTS_H
#define DATAPLANE_LWIP_LWIPOPTS_H

/* One thread calls it, and tells it the time (sys_now in stack.c). */
#define NO_SYS                  1
#define SYS_LIGHTWEIGHT_PROT    0
#define LWIP_NETCONN            0
#define LWIP_SOCKET             0
#define LWIP_TIMERS             1
#define LWIP_SINGLE_NETIF       0

/* What is not spoken: each protocol less is one less to attack.  No fragments: TCP sends none, and who sends them to us
 * is no client. */
#define LWIP_UDP                0
#define LWIP_RAW                0
#define LWIP_DNS                0
#define LWIP_DHCP               0
#define LWIP_AUTOIP             0
#define LWIP_IGMP               0
#define LWIP_ALTCP              0
#define IP_REASSEMBLY           0
#define IP_FRAG                 0
#define IP_FORWARD              0
#define IP_OPTIONS_ALLOWED      0
#define LWIP_ICMP               1
#define LWIP_IPV4               1
#define LWIP_IPV6               1
#define LWIP_IPV6_REASS         0
#define LWIP_IPV6_FRAG          0
#define LWIP_IPV6_FORWARD       0
#define LWIP_IPV6_AUTOCONFIG    0 /* the operator gives the address */
#define LWIP_IPV6_DHCP6         0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_NUM_ADDRESSES 3 /* link-local, ours, one to spare */
#define LWIP_ND6_NUM_NEIGHBORS  127
#define LWIP_ND6_QUEUEING       1
#define LWIP_ARP                1
#define ARP_QUEUEING            1
#define ARP_TABLE_SIZE          127
#define ETHARP_SUPPORT_VLAN     1
#define ETHARP_SUPPORT_STATIC_ENTRIES 0
#define LWIP_HOOK_FILENAME      "dataplane/lwip/hooks.h"

/* TCP.  The timer runs every 32 ms, so that a retransmission waits for 192 ms at least, as Linux' does: lwIP's own
 * 250 ms make that 1.5 s, and without the peer's SACK blocks, which it does not use, losses often end there. */
#define LWIP_TCP                1
#define TCP_TMR_INTERVAL        32
#define TCP_MSL                 30000UL /* TIME_WAIT lasts twice that, as Linux' does */
#define TCP_MSS                 8960 /* at most; what a connection uses follows from the MTU */
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10U * (mss))) /* RFC 6928 */
#define TCP_WND                 (256 * 1024) /* requests are small */
#define LWIP_WND_SCALE          1
#define TCP_RCV_SCALE           3
#define TCP_SND_BUF             (8 * 1024 * 1024)
#define TCP_SND_QUEUELEN        30000
#define TCP_SNDLOWAT            16384
#define TCP_SNDQUEUELOWAT       1000
#define LWIP_TCP_TIMESTAMPS     1
#define LWIP_TCP_SACK_OUT       1
#define TCP_QUEUE_OOSEQ         1
#define TCP_OOSEQ_MAX_BYTES     (128 * 1024)
/* Frames that wait behind a gap: as many as those bytes make on Ethernet, for a segment of one byte takes as much of
 * the pools as a full one does. */
#define TCP_OOSEQ_PBUFS_LIMIT(pcb) stack_ooseq_frames_max()
#define TCP_OVERSIZE            0 /* lent bytes are never copied together */
#define TCP_LISTEN_BACKLOG      0 /* its counter ends at 255 */
#define LWIP_TCP_KEEPALIVE      1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define SO_REUSE                1 /* a restart is not held back by the last run's connections */
#define LWIP_CALLBACK_API       1
#define LWIP_TCP_PCB_NUM_EXT_ARGS 3 /* what was told to be acknowledged; its place in the table (lookup.h) */
#define TCP_CHECKSUM_ON_COPY    0
#define LWIP_CHKSUM_ALGORITHM   3
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 /* what the device does is not done here */
#define CHECKSUM_CHECK_ICMP6    1

/* A packet that waits for an ARP answer is copied also where its bytes are lent: they may be taken back before. */
#define PBUF_NEEDS_COPY(p)      (((p)->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) == 0)

/* Memory: pools only.  Numbers above 65535 would be cut silently. */
#define MEM_LIBC_MALLOC         0
#define MEM_USE_POOLS           1
#define MEM_USE_POOLS_TRY_BIGGER_POOL 1
#define MEMP_USE_CUSTOM_POOLS   1
#define MEM_ALIGNMENT           8
#define MEMP_NUM_TCP_PCB        20000
#define MEMP_NUM_TCP_PCB_LISTEN 32
#define MEMP_NUM_TCP_SEG        65000
#define MEMP_NUM_PBUF           65000
#define MEMP_NUM_ARP_QUEUE      256
#define MEMP_NUM_ND6_QUEUE      256
#define PBUF_POOL_SIZE          64 /* lwIP's own small answers */
#define PBUF_POOL_BUFSIZE       1600
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_LINK_ENCAPSULATION_HLEN 0
#define PBUF_LINK_HLEN          (18 + ETH_PAD_SIZE) /* Ethernet and a VLAN tag */
#define ETH_PAD_SIZE            0

#define LWIP_STATS              1
#define LWIP_STATS_LARGE        1
#define LWIP_STATS_DISPLAY      0
#define MIB2_STATS              1
#define LWIP_NETIF_STATUS_CALLBACK 0
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they count PBUF_POOL alone; what we receive lies in the frames we keep */

#endif
