/* dataplane/serve_sim.h -- the dataplane without threads and sockets: a test steps it on a clock of its own. */
#ifndef DATAPLANE_SERVE_SIM_H
#define DATAPLANE_SERVE_SIM_H

#include "dataplane/port.h"
#include "dataplane/serve.h"

/* As dataplane_start, with one serve lcore on `port` (a port_sim's, taken) and a coordinator that is stepped along;
 * dataplane_stop ends it, dataplane_port gives the configured ports.  `seed`: of member ids. */
NODISCARD enum err dataplane_start_simulated(struct dataplane **out, const struct dataplane_config *config,
                                             struct storage *storage, struct log *offsets_log,
                                             struct log_feed *offsets_feed, const struct clock *clock,
                                             struct counters *counters, struct port *port, uint64_t seed,
                                             struct err_msg *msg);
/* One turn of the serve lcore and one of the coordinator; returns how much was done, 0: nothing to do before
 * dataplane_next_ns. */
unsigned dataplane_step(struct dataplane *d);
/* Monotonic ns of the next timer. */
uint64_t dataplane_next_ns(const struct dataplane *d);

#endif
