/* control/group_lag.h -- how far a consumer group is behind its channel. */
#ifndef CONTROL_GROUP_LAG_H
#define CONTROL_GROUP_LAG_H

#include <stdint.h>

#include "control/instance.h"

struct group_lag {
    uint64_t records;      /* behind the checkpoint */
    int64_t ms;            /* from the record at the checkpoint to the newest one, as their timestamps tell; -1: not
                            * known now */
    int64_t checkpoint_ms; /* Unix ms of the record at the checkpoint, or of the newest one when nothing is behind it;
                            * -1: that record is gone, or not known */
};

/* Of a checkpoint on the channel's log.  Where retention took the record at the checkpoint, the time counts from the
 * oldest one that is left.  Both times are the source's, so its clock need not agree with ours, and a channel that is
 * behind its source makes no group late.  May wait for the disk (control/log_lookup.h). */
struct group_lag group_lag_of(const struct instance *in, struct log *log, uint64_t checkpoint);

#endif
