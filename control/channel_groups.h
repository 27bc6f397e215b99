/* control/channel_groups.h -- a channel's consumer groups in brief, for lists of channels.  Control thread only. */
#ifndef CONTROL_CHANNEL_GROUPS_H
#define CONTROL_CHANNEL_GROUPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/instance.h"

enum { CHANNEL_GROUPS_MAX = 1000 }; /* looked at, of one channel */

struct channel_groups { /* as of the channel's last sample, a second ago at most */
    bool is_known, has_checkpoint;
    uint32_t count, active_count; /* with an account here, or known to the coordinator; with members */
    uint64_t checkpoint;          /* of the group that is most behind */
};

/* `live`: as the coordinator tells them, of the channel's topic. */
void channel_groups_look(const struct instance *in, const char *channel, const struct group_summary *live,
                         uint32_t live_count, struct channel_groups *out);
/* {"count", "active", "lag": {"records", "seconds"} of the group that is most behind, null: no group has a checkpoint};
 * null: not known now.  `log` may be NULL.  A new reference; may wait for the disk as group_lag_of. */
json_t *channel_groups_json(const struct instance *in, const struct channel_groups *groups, struct log *log);

#endif
