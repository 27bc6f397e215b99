#include "control/alert/rule.h"

#include <string.h>

#include "base/invariant.h"
#include "control/json_take.h"

enum { DAY_S = 86400 };

static const struct alert_kind_facts kinds[ALERT_KIND_COUNT] = {
    [ALERT_SOURCE_DELAY] = {"source_delay", "s", false, false, 365 * DAY_S, 60},
    [ALERT_GROUP_LAG_SECONDS] = {"group_lag_seconds", "s", true, false, 365 * DAY_S, 300},
    [ALERT_GROUP_LAG_RECORDS] = {"group_lag_records", "records", true, false, INT64_MAX / 2, 1000000},
    [ALERT_ERROR] = {"error", "", false, false, 0, 0},
    [ALERT_RETENTION] = {"retention", "s", true, true, 365 * DAY_S, 4 * 3600},
    [ALERT_SOURCE_PURGE] = {"source_purge", "s", false, true, 365 * DAY_S, 4 * 3600},
    [ALERT_DISK] = {"disk", "percent", false, true, 100, 10},
};

const struct alert_kind_facts *alert_kind_facts(enum alert_kind kind)
{
    INVARIANT(kind < ALERT_KIND_COUNT);
    return &kinds[kind];
}

static enum err take_kind(const json_t *from, enum alert_kind *out, struct err_msg *msg)
{
    char word[32];
    TRY(json_take_text(from, "kind", "kind", 1, sizeof word - 1, NULL, word, msg));
    for (int kind = 0; kind < ALERT_KIND_COUNT; kind++)
        if (strcmp(kinds[kind].word, word) == 0) {
            *out = (enum alert_kind)kind;
            return ERR_OK;
        }
    return err_set(msg, ERR_INVALID,
                   "kind must be source_delay, group_lag_seconds, group_lag_records, error, retention, source_purge or "
                   "disk");
}

enum err alert_rule_parse(const json_t *from, struct alert_rule *out, struct err_msg *msg)
{
    static const char *const keys[] = {"id", "kind", "group", "threshold", "hold_s", "is_on", NULL};
    TRY(json_only_keys(from, keys, "a rule", msg));
    *out = (struct alert_rule){.is_on = true};
    TRY(json_take_text(from, "id", "a rule's id", 1, ALERT_ID_MAX, NULL, out->id, msg));
    if (!account_word_is_legal(out->id, ALERT_ID_MAX))
        return err_set(msg, ERR_INVALID, "a rule's id may have letters, digits, '.', '_' and '-'");
    TRY(take_kind(from, &out->kind, msg));
    const struct alert_kind_facts *facts = &kinds[out->kind];
    TRY(json_take_text(from, "group", "group", 0, ALERT_GROUP_MAX, "", out->group, msg));
    if (out->group[0] != '\0' && !facts->is_of_group)
        return err_set(msg, ERR_INVALID, "rule %s: a rule of kind %s has no group", out->id, facts->word);
    TRY(json_take_number(from, "threshold", "threshold", 0, facts->threshold_max, facts->threshold_usual,
                         &out->threshold, msg));
    TRY(json_take_number(from, "hold_s", "hold_s", 0, ALERT_HOLD_MAX_S, 0, &out->hold_s, msg));
    const json_t *is_on = json_object_get(from, "is_on");
    if (is_on != NULL && !json_is_boolean(is_on)) return err_set(msg, ERR_INVALID, "is_on must be true or false");
    out->is_on = is_on == NULL || json_is_true(is_on);
    return ERR_OK;
}

json_t *alert_rule_json(const struct alert_rule *rule)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:b}", "id", rule->id, "kind", kinds[rule->kind].word, "group",
                     rule->group, "threshold", (json_int_t)rule->threshold, "unit", kinds[rule->kind].unit, "hold_s",
                     (json_int_t)rule->hold_s, "is_on", rule->is_on);
}

static bool is_bad(const struct alert_rule *rule, int64_t value)
{
    if (value == ALERT_NOTHING_BAD) return false;
    return kinds[rule->kind].is_met_below ? value <= rule->threshold : value > rule->threshold;
}

enum alert_turn alert_watch_step(struct alert_watch *w, const struct alert_rule *rule, int64_t value, uint64_t now_ns,
                                 uint64_t now_ms)
{
    bool bad = is_bad(rule, value);
    w->value = value;
    if (bad == w->is_firing) {
        w->is_turning = false;
        return ALERT_STAYS;
    }
    if (!w->is_turning) {
        w->is_turning = true;
        w->turned_ns = now_ns;
        w->turned_ms = now_ms;
    }
    if (now_ns - w->turned_ns < (uint64_t)rule->hold_s * 1000000000u) return ALERT_STAYS;
    w->is_turning = false;
    w->is_firing = bad;
    if (bad) w->since_ms = w->turned_ms;
    return bad ? ALERT_FIRES : ALERT_RECOVERS;
}
