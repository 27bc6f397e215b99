/* dataplane/port_kernel.h -- a port on the kernel's TCP, through io_uring.
 *
 * Needs Linux 6.0 (multishot receive, zero-copy send).  Chunks are registered with the ring, and other memory is pinned
 * for a send, when the limit of locked memory allows it; else it is sent by copies, which is said once. */
#ifndef DATAPLANE_PORT_KERNEL_H
#define DATAPLANE_PORT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/port.h"
#include "ring/chunk_pool.h"

enum { PORT_LISTENERS_MAX = 8 };

/* Opens `count` sockets that listen on one address (an IPv4 or IPv6 address as text; port 0: any free one, the same for
 * all) and share its connections.  The caller closes them, unless port_kernel_open took them.
 * ERR_INVALID: not an address.  ERR_IO: in use, or not ours; msg names it. */
NODISCARD enum err port_kernel_listen(const char *host, uint16_t port, uint32_t count, int *out, uint16_t *actual_port,
                                      struct err_msg *msg);

/* `pool` may be NULL (nothing is registered) and outlives the port.  Must be called by the thread that uses the port.
 * Takes the listeners' descriptors (at most PORT_LISTENERS_MAX; their index is the number that PORT_ACCEPTED tells; -1:
 * that listener is not here) also on failure.  ERR_UNSUPPORTED: no io_uring, msg says the mend.  ERR_NO_MEMORY. */
NODISCARD enum err port_kernel_open(struct port **out, const int *listen_fds, uint32_t listener_count,
                                    uint32_t connections_max, const struct chunk_pool *pool, struct err_msg *msg);
size_t             port_kernel_memory_bytes(uint32_t connections_max);

#endif
