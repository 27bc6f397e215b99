/* dataplane/lwip/lwippools.h -- the pools behind lwIP's heap.  lwIP includes this several times, for what the macros
 * then mean: so the guard's name is never defined. */
#ifndef DATAPLANE_LWIP_LWIPPOOLS_H
LWIP_MALLOC_MEMPOOL_START
LWIP_MALLOC_MEMPOOL(65000, 256)  /* headers of a segment whose data is lent; small answers */
LWIP_MALLOC_MEMPOOL(8000, 1728)  /* a segment of copied data at an MTU of 1500; frames that came while few were left */
LWIP_MALLOC_MEMPOOL(1000, 9344)  /* the same at 9000 */
LWIP_MALLOC_MEMPOOL(16, 65472)  /* a super-segment that waits for its neighbour's address: lwIP insists on a pool */
LWIP_MALLOC_MEMPOOL_END
#endif
