/* dataplane/port_sim.h -- a port in memory, for tests: single-threaded, seeded, with the network's bad habits.
 *
 * Bytes arrive cut at random places, sends are taken in random portions, releases come late.  The test is the peer. */
#ifndef DATAPLANE_PORT_SIM_H
#define DATAPLANE_PORT_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"
#include "dataplane/port.h"

struct port_sim_peer; /* one client's end */

/* `random` outlives the port.  NULL: bytes arrive whole, sends are taken at once. */
NODISCARD enum err port_sim_open(struct port **out, uint32_t connections_max, struct random *random);

/* Connects, by listener 0 or another; NULL when all slots are taken.  The peer lives until port_sim_hang_up. */
struct port_sim_peer *port_sim_connect(struct port *p);
struct port_sim_peer *port_sim_connect_by(struct port *p, uint32_t listener);
/* Sends bytes to the server; copied.  False: the server closed the connection. */
bool   port_sim_write(struct port_sim_peer *peer, const void *bytes, size_t size);
/* Takes up to `max` of the bytes that the server sent. */
size_t port_sim_read(struct port_sim_peer *peer, void *out, size_t max);
/* Bytes that port_sim_read would give. */
size_t port_sim_readable(const struct port_sim_peer *peer);
/* The peer reads no more than `bytes` that wait for it (its receive window); SIZE_MAX at first. */
void   port_sim_window(struct port_sim_peer *peer, size_t bytes);
/* One poll brings up to `events` PORT_DATA of it, as a network does that had time to gather them; 1 at first. */
void   port_sim_burst(struct port_sim_peer *peer, unsigned events);
bool   port_sim_is_closed(const struct port_sim_peer *peer);
/* Closes the client's end (with a reset if bytes were unread) and forgets the peer. */
void   port_sim_hang_up(struct port_sim_peer *peer);

#endif
