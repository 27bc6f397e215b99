/* control/alert/alerts.h -- all rules, targets and what fires now.  Control thread only.
 *
 * Kept in DATA/alerts.json (rules and targets, with their secrets: mode 0600) and DATA/alerts-state.json (what fires,
 * and notices that no target has taken yet), so that a restart tells nothing twice and forgets nothing.  Once a second
 * control measures (control/alert_measure.c): a round of alerts_observe between alerts_round_begin and _end. */
#ifndef CONTROL_ALERT_ALERTS_H
#define CONTROL_ALERT_ALERTS_H

#include "control/alert/sender.h"

enum { ALERT_LOG_MAX = 200 /* notices that the log shows */ };

struct alert_subject { /* of a rule: the channel, or one of its groups */
    char rule[ALERT_ID_MAX + 1];
    char group[ALERT_GROUP_MAX + 1]; /* printable: what clients call themselves may be anything */
    struct alert_watch watch;
    uint64_t round; /* that saw it last */
};

struct alert_channel {
    char name[ACCOUNT_CHANNEL_MAX + 1];
    struct alert_rule rule[ALERT_RULES_MAX];
    uint32_t rule_count;
    struct alert_subject *subject;
    uint32_t subject_count, subject_room;
};

struct alerts {
    char path[1100], state_path[1100];
    const char *programs_folder;
    const struct clock *clock;
    int wake_fd;
    struct alert_sender *sender[ALERT_TARGETS_MAX];
    uint32_t sender_count;
    struct alert_channel **channel; /* only those that have rules, or had some that fired */
    uint32_t channel_count;
    json_t *log; /* the newest ALERT_LOG_MAX notices, the oldest first, each with its deliveries */
    uint64_t round;
    bool state_is_dirty;
    bool state_is_unsaved; /* the last try failed, which the log was told */
};

/* Reads both files and starts a sender for each target.  `programs_folder` lives longer; `wake_fd`: as of
 * alert_sender_start.  ERR_CORRUPT, ERR_NEWER_FORMAT, ERR_IO: alerts.json cannot be used, msg names it; a damaged state
 * is said in the log and begun anew.  alerts_close in any case. */
NODISCARD enum err alerts_open(struct alerts *a, const char *data_folder, const char *programs_folder,
                               const struct clock *clock, int wake_fd, struct err_msg *msg);
void alerts_close(struct alerts *a);

/* Rules of a channel, whole; {"rules": [...]}.  Durable when it returns ERR_OK, else nothing changed.  A rule that
 * fires and is gone, or asks something else, recovers. ERR_INVALID, ERR_NO_SPACE, ERR_IO, ERR_NO_MEMORY. */
NODISCARD enum err alerts_set_rules(struct alerts *a, const char *channel, const json_t *body, struct err_msg *msg);
/* All targets, whole; {"targets": [...]}.  What waits for a target that stays is kept.  Errors as above. */
NODISCARD enum err alerts_set_targets(struct alerts *a, const json_t *body, struct err_msg *msg);
/* The channel is deleted: its rules go, and what fires is forgotten without a word. */
NODISCARD enum err alerts_forget_channel(struct alerts *a, const char *channel, struct err_msg *msg);
/* Sends a notice that says so to one target.  ERR_NOT_FOUND; ERR_STATE: the target is switched off. */
NODISCARD enum err alerts_test(struct alerts *a, const char *target, struct err_msg *msg);

/* NULL: the channel has no rules. */
const struct alert_channel *alerts_find_channel(const struct alerts *a, const char *channel);
json_t *alerts_rules_json(const struct alerts *a, const char *channel); /* {"rules", "state"} */
json_t *alerts_targets_json(const struct alerts *a, enum alert_target_view view); /* {"targets"} */
uint32_t alerts_firing(const struct alerts *a, const char *channel);

void alerts_round_begin(struct alerts *a);
/* `why`: what the channel says of its error, "" for none. */
void alerts_observe(struct alerts *a, const char *channel, const struct alert_rule *rule, const char *group,
                    int64_t value, const char *why);
/* This channel's measures are not to be had now: what is known of its subjects stays. */
void alerts_keep(struct alerts *a, const char *channel);
/* Subjects that this round did not see recover; takes the senders' results; saves what changed. */
void alerts_round_end(struct alerts *a);

#endif
