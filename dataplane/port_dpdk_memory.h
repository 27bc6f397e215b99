/* dataplane/port_dpdk_memory.h -- how much memory for packets the DPDK port takes; for who prepares it, without DPDK.
 */
#ifndef DATAPLANE_PORT_DPDK_MEMORY_H
#define DATAPLANE_PORT_DPDK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum {
    DPDK_RX_FRAMES   = 8192, /* of a lcore */
    DPDK_TX_FRAMES   = 4096,
    DPDK_LENT_FRAMES = 8192, /* mbufs without memory of their own, for lent bytes */
    DPDK_MBUF_BYTES  = 128 + 128, /* struct rte_mbuf, and what its pool keeps of each */
    DPDK_HEADROOM_BYTES = 128,
    DPDK_OWN_MIB     = 64, /* DPDK's own */
};

/* Room for a frame of this MTU. */
static inline uint32_t port_dpdk_frame_bytes(uint32_t mtu)
{
    uint32_t wanted = mtu + 64; /* Ethernet, VLAN, the device's alignment */
    return wanted < 2048 ? 2048 : (wanted + 1023) / 1024 * 1024; /* af_packet's frames have 2048 */
}

/* Of one lcore. */
static inline size_t port_dpdk_lcore_bytes(uint32_t mtu)
{
    size_t frame = port_dpdk_frame_bytes(mtu) + DPDK_HEADROOM_BYTES + DPDK_MBUF_BYTES;
    return (DPDK_RX_FRAMES + DPDK_TX_FRAMES) * frame + (size_t)DPDK_LENT_FRAMES * DPDK_MBUF_BYTES;
}

/* What DPDK is given at the start, in huge pages where it shall have them. */
static inline size_t port_dpdk_start_mib(uint32_t mtu, uint32_t lcores)
{
    return DPDK_OWN_MIB + (port_dpdk_lcore_bytes(mtu) * lcores >> 20) * 5 / 4;
}

#endif
