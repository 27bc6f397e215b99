/* dataplane/port_both.h -- the kernel's port and the one past it, served by one lcore as one.
 *
 * The first's connections have its slots, the second's those behind.  It sleeps in the kernel's port, as long as the
 * other may rest. */
#ifndef DATAPLANE_PORT_BOTH_H
#define DATAPLANE_PORT_BOTH_H

#include "base/err.h"
#include "dataplane/port.h"

/* Takes both, also on failure.  `past`: of port_dpdk_open.  ERR_NO_MEMORY. */
NODISCARD enum err port_both_open(struct port **out, struct port *kernel, uint32_t kernel_connections_max,
                                  struct port *past, struct err_msg *msg);

#endif
