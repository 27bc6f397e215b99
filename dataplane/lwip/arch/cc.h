/* dataplane/lwip/arch/cc.h -- what lwIP wants to know of the compiler and the machine. */
#ifndef DATAPLANE_LWIP_ARCH_CC_H
#define DATAPLANE_LWIP_ARCH_CC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

/* lwIP's assertions guard its own state, which no peer may break: they stay on. */
#define LWIP_PLATFORM_ASSERT(text) invariant_failed(__FILE__, __LINE__, text)
#define LWIP_PLATFORM_DIAG(x)      do { printf x; } while (0)

/* All in stack.c. */
uint32_t stack_random(void);
#define LWIP_RAND() stack_random()

/* The VLAN that frames go to, -1: none; and whether a tagged one is ours.  Here, for netif/ethernet.c does not include
 * hooks.h. */
struct eth_vlan_hdr;
int32_t stack_vlan(void);
int stack_is_our_vlan(const struct eth_vlan_hdr *header);
#define LWIP_HOOK_VLAN_SET(netif, p, source, destination, type) stack_vlan()
#define LWIP_HOOK_VLAN_CHECK(netif, ethernet, vlan)             stack_is_our_vlan(vlan)

#endif
