#include "control/alert_measure.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "control/channel.h"
#include "control/channel_delay.h"
#include "control/group_lag.h"

enum { GROUPS_MEASURED_MAX = 1000 };
#define ROUND_NS ((uint64_t)1000000000)

/* --- of the channel --- */

static int64_t source_delay_s(const struct instance *in, const struct channel *ch)
{
    int64_t delay_ms = channel_delay_ms(in, ch);
    return delay_ms < 0 ? ALERT_NOTHING_BAD : delay_ms / 1000;
}

/* By the source's own setting; what somebody purges by hand cannot be foreseen. */
static int64_t source_purge_s(const struct instance *in, const struct channel *ch)
{
    int64_t delay_s = source_delay_s(in, ch);
    if (delay_s <= 0 || ch->status.binlog_kept_s <= 0) return ALERT_NOTHING_BAD;
    return delay_s < ch->status.binlog_kept_s ? ch->status.binlog_kept_s - delay_s : 0;
}

static int64_t disk_free_percent(const struct instance *in)
{
    struct statvfs fs;
    if (statvfs(in->config.data_folder, &fs) != 0 || fs.f_blocks == 0) return ALERT_UNKNOWN;
    uint64_t used = fs.f_blocks - fs.f_bfree; /* as df counts: of what users may have */
    return (int64_t)((uint64_t)fs.f_bavail * 100 / (used + fs.f_bavail));
}

/* Between two attempts, and after a restart of ours, the channel looks as if it went well until it fails again. */
static int64_t error_value(const struct channel *ch)
{
    if (channel_is_failing(ch)) return 1;
    return ch->life.is_started && ch->streaming_since_ns == 0 ? ALERT_UNKNOWN : 0;
}

static int64_t channel_value(const struct instance *in, const struct channel *ch, enum alert_kind kind)
{
    switch (kind) {
    case ALERT_SOURCE_DELAY: return source_delay_s(in, ch);
    case ALERT_SOURCE_PURGE: return source_purge_s(in, ch);
    case ALERT_ERROR: return error_value(ch);
    case ALERT_DISK: return disk_free_percent(in);
    default: return ALERT_NOTHING_BAD;
    }
}

/* --- of its groups --- */

/* Seconds until the log may drop the record at the checkpoint. */
static int64_t retention_left_s(const struct instance *in, const struct channel *ch, uint64_t checkpoint,
                                const struct group_lag *lag)
{
    if (lag->records == 0 || in->config.retention_ms == 0) return ALERT_NOTHING_BAD;
    if (checkpoint < log_start_offset(ch->log)) return 0; /* it is gone */
    if (lag->checkpoint_ms < 0) return ALERT_UNKNOWN;
    int64_t left_ms = lag->checkpoint_ms + in->config.retention_ms - (int64_t)clock_realtime_ms(in->clock);
    return left_ms < 0 ? 0 : left_ms / 1000;
}

static int64_t group_value(const struct instance *in, const struct channel *ch, enum alert_kind kind,
                           const struct group_summary *group)
{
    if (group->committed_offset == UINT64_MAX || ch->log == NULL) return ALERT_NOTHING_BAD; /* it never read */
    struct group_lag lag = group_lag_of(in, ch->log, group->committed_offset);
    switch (kind) {
    case ALERT_GROUP_LAG_RECORDS: return (int64_t)lag.records;
    case ALERT_GROUP_LAG_SECONDS: return lag.ms < 0 ? ALERT_UNKNOWN : lag.ms / 1000;
    case ALERT_RETENTION: return retention_left_s(in, ch, group->committed_offset, &lag);
    default: return ALERT_NOTHING_BAD;
    }
}

static void measure_groups(struct instance *in, const struct channel *ch, const struct alert_channel *rules,
                           struct group_summary *groups)
{
    uint32_t count = dataplane_groups(in->dataplane, ch->spec.name, groups, GROUPS_MEASURED_MAX);
    for (uint32_t i = 0; i < rules->rule_count; i++) {
        const struct alert_rule *rule = &rules->rule[i];
        for (uint32_t g = 0; alert_kind_facts(rule->kind)->is_of_group && rule->is_on && g < count; g++)
            if (rule->group[0] == '\0' || strcmp(rule->group, groups[g].group_id) == 0)
                alerts_observe(&in->alerts, ch->spec.name, rule, groups[g].group_id,
                               group_value(in, ch, rule->kind, &groups[g]), "");
    }
}

static bool asks_for_groups(const struct alert_channel *rules)
{
    for (uint32_t i = 0; i < rules->rule_count; i++)
        if (rules->rule[i].is_on && alert_kind_facts(rules->rule[i].kind)->is_of_group) return true;
    return false;
}

static void measure_channel(struct instance *in, const struct channel *ch, struct group_summary *groups)
{
    const struct alert_channel *rules = alerts_find_channel(&in->alerts, ch->spec.name);
    if (rules == NULL) return;
    bool has_groups = asks_for_groups(rules);
    if (has_groups && (in->dataplane == NULL || in->offsets_error.code != ERR_OK || groups == NULL))
        alerts_keep(&in->alerts, ch->spec.name);
    else if (has_groups)
        measure_groups(in, ch, rules, groups);
    for (uint32_t i = 0; i < rules->rule_count; i++) {
        const struct alert_rule *rule = &rules->rule[i];
        if (rule->is_on && !alert_kind_facts(rule->kind)->is_of_group)
            alerts_observe(&in->alerts, ch->spec.name, rule, "", channel_value(in, ch, rule->kind),
                           rule->kind == ALERT_ERROR ? ch->error.text : "");
    }
}

void alert_measure(struct instance *in, uint64_t now_ns)
{
    if (now_ns < in->alerts_due_ns) return;
    in->alerts_due_ns = now_ns + ROUND_NS;
    struct group_summary *groups = calloc(GROUPS_MEASURED_MAX, sizeof *groups);
    alerts_round_begin(&in->alerts);
    for (uint32_t i = 0; i < in->channel_count; i++) measure_channel(in, in->channel[i], groups);
    alerts_round_end(&in->alerts);
    free(groups);
}
