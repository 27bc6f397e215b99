/* control/channel_erase.h -- what a deletion takes away, from members of groups to the channel's file.  Control thread
 * only. */
#ifndef CONTROL_CHANNEL_ERASE_H
#define CONTROL_CHANNEL_ERASE_H

#include "control/channel.h"

/* Removes all there is of a channel whose deletion is noted and whose log is detached: its log, its groups' checkpoints
 * and accounts, its alerts' rules and, last, its file.  Every part may be gone already: after an error, which msg
 * tells, and after a restart it is called again. */
NODISCARD enum err channel_erase(struct instance *in, struct channel *ch, struct err_msg *msg);

#endif
