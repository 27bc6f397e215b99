/* control/alert/rule.h -- when somebody must be told: a channel's rules, and whether they hold.  Pure: measures and
 * times are passed in. */
#ifndef CONTROL_ALERT_RULE_H
#define CONTROL_ALERT_RULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/auth/account.h"

enum {
    ALERT_ID_MAX = 64,        /* of a rule or a target */
    ALERT_GROUP_MAX = 255,    /* a group's ID, also of one without an account: as struct group_summary */
    ALERT_RULES_MAX = 32,     /* of a channel */
    ALERT_HOLD_MAX_S = 86400,
};

enum alert_kind {
    ALERT_SOURCE_DELAY,      /* s: capture is behind the source */
    ALERT_GROUP_LAG_SECONDS, /* s: age of the first record that the group has not read */
    ALERT_GROUP_LAG_RECORDS, /* records that the group has not read */
    ALERT_ERROR,             /* the channel is in Error; no threshold */
    ALERT_RETENTION,         /* s left until the log drops what the group has not read */
    ALERT_SOURCE_PURGE,      /* s left until the source may purge what capture has not read */
    ALERT_DISK,              /* percent of the data folder's file system that are free */
    ALERT_KIND_COUNT
};

struct alert_kind_facts {
    const char *word; /* in JSON */
    const char *unit;
    bool is_of_group;
    bool is_met_below; /* a measure at or below the threshold is bad; else one above it */
    int64_t threshold_max, threshold_usual;
};
const struct alert_kind_facts *alert_kind_facts(enum alert_kind kind);

struct alert_rule {
    char id[ALERT_ID_MAX + 1];
    enum alert_kind kind;
    char group[ALERT_GROUP_MAX + 1]; /* "": each group of the channel by itself; of group kinds only */
    int64_t threshold;
    int64_t hold_s; /* a measure must be bad this long before it is told, and good this long before that is told */
    bool is_on;
};

/* {"id", "kind", "group"?, "threshold"?, "hold_s"?, "is_on"?}; ERR_INVALID with words. */
NODISCARD enum err alert_rule_parse(const json_t *from, struct alert_rule *out, struct err_msg *msg);
json_t *alert_rule_json(const struct alert_rule *rule);

/* As measures.  NOTHING_BAD: there is nothing to measure, which is good; UNKNOWN: it cannot be measured now, which says
 * nothing, so all stays as it was. */
enum { ALERT_NOTHING_BAD = -1, ALERT_UNKNOWN = -2 };

/* What is known of one rule and one subject (the channel, or one of its groups). */
struct alert_watch {
    bool is_firing;
    uint64_t since_ms;    /* firing: Unix ms at which the measure went bad */
    bool is_turning;      /* the measure says otherwise than is_firing */
    uint64_t turned_ns;   /* since this monotonic time */
    uint64_t turned_ms;   /* and this Unix ms */
    int64_t value;        /* the last measure */
};

enum alert_turn { ALERT_STAYS, ALERT_FIRES, ALERT_RECOVERS };
/* Takes the measure of now; a turn is told once. */
enum alert_turn alert_watch_step(struct alert_watch *w, const struct alert_rule *rule, int64_t value, uint64_t now_ns,
                                 uint64_t now_ms);

#endif
