/* tests/dataplane/veth.h -- a network of our own for a port past the kernel: a veth pair in a network namespace,
 * `server` for the port and `client` for the kernel's sockets.  No root: in a user namespace of our own. */
#ifndef TESTS_DATAPLANE_VETH_H
#define TESTS_DATAPLANE_VETH_H

#include <stdbool.h>

#define VETH_DEVICE  "net_af_packet0,iface=server"
#define VETH_SERVER4 "10.77.0.1"
#define VETH_SERVER6 "fd77::1"
#define VETH_CLIENT4 "10.77.0.2"
#define VETH_CLIENT6 "fd77::2"

/* Moves this process there, for good.  False: printed is why that cannot be had here. */
bool veth_enter(unsigned mtu);
/* The pair once more, after it was deleted. */
bool veth_make_again(unsigned mtu);
/* The same with a cable between the two: `server` - `wire0`, `wire1` - `client`; tests/e2e/wire carries the frames. */
bool veth_enter_wired(unsigned mtu);
/* Connections come from these ports only, so that they come from the same ones again soon.  False: it cannot be set. */
bool veth_few_ports(unsigned first, unsigned last);

#endif
