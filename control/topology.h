/* control/topology.h -- who runs where, and which ring joins whom: the start and the end of all parts. */
#ifndef CONTROL_TOPOLOGY_H
#define CONTROL_TOPOLOGY_H

#include "control/instance.h"

/* What the configuration will reserve; total_bytes may exceed memory_max_bytes, which topology_start refuses. */
void topology_memory(const struct config *config, struct memory_table *out);

/* Starts everything that `in->config` asks for and opens the stored channels.  On an error all that was started is
 * ended again. Errors are those of the parts; msg says what to do. */
NODISCARD enum err topology_start(struct instance *in, struct err_msg *msg);
/* Ends everything in order and leaves the clean-shutdown marks. */
void topology_stop(struct instance *in);

/* The accounts are others: from its return on the former ones' passwords and connections count no more. */
void topology_accounts_changed(struct instance *in);

/* Called a few times a second: brings the offsets log back when its disk failed and has recovered, and
 * lets go of files that are gone. */
void topology_tick(struct instance *in, uint64_t now_ns);

#endif
