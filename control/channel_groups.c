#include "control/channel_groups.h"

#include <string.h>

#include "control/group_lag.h"

void channel_groups_look(const struct instance *in, const char *channel, const struct group_summary *live,
                         uint32_t live_count, struct channel_groups *out)
{
    *out = (struct channel_groups){.is_known = true, .checkpoint = UINT64_MAX};
    for (uint32_t i = 0; i < in->accounts.count; i++) { /* an operator's account has no channel */
        const struct account *who = &in->accounts.list[i];
        if (who->group_id[0] != '\0' && strcmp(who->channel, channel) == 0) out->count++;
    }
    for (uint32_t i = 0; i < live_count; i++) {
        const struct account *who = accounts_find_group(&in->accounts, live[i].group_id);
        if (who == NULL || strcmp(who->channel, channel) != 0) out->count++;
        if (live[i].member_count > 0) out->active_count++;
        if (live[i].committed_offset < out->checkpoint) out->checkpoint = live[i].committed_offset;
    }
    out->has_checkpoint = out->checkpoint != UINT64_MAX;
}

json_t *channel_groups_json(const struct instance *in, const struct channel_groups *groups, struct log *log)
{
    if (!groups->is_known) return json_null();
    json_t *lag = json_null();
    if (groups->has_checkpoint && log != NULL) {
        struct group_lag most = group_lag_of(in, log, groups->checkpoint);
        lag = json_pack("{s:I, s:o}", "records", (json_int_t)most.records, "seconds",
                        most.ms < 0 ? json_null() : json_real((double)most.ms / 1000));
    }
    return json_pack("{s:i, s:i, s:o}", "count", (int)groups->count, "active", (int)groups->active_count, "lag", lag);
}
