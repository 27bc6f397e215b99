/* control/alert/store.h -- the two files of alerts.h. */
#ifndef CONTROL_ALERT_STORE_H
#define CONTROL_ALERT_STORE_H

#include "control/alert/alerts.h"

/* Writes rules and targets as they would be: `targets` in place of the senders' own.  ERR_NO_SPACE, ERR_IO,
 * ERR_NO_MEMORY. */
NODISCARD enum err alert_store_save(const struct alerts *a, const struct alert_target *targets, uint32_t target_count,
                                    struct err_msg *msg);
/* Fills channels' rules and the targets (`targets` has ALERT_TARGETS_MAX of room). No file: none.  Errors as of
 * alerts_open. */
NODISCARD enum err alert_store_load(struct alerts *a, struct alert_target *targets, uint32_t *target_count,
                                    struct err_msg *msg);

NODISCARD enum err alert_store_save_state(const struct alerts *a, struct err_msg *msg);
/* What fires becomes the channels' subjects again, what waits goes to the senders.  Else: some of it is damaged, and
 * the rest was taken. */
NODISCARD enum err alert_store_load_state(struct alerts *a, struct err_msg *msg);

/* Finds or adds (NULL: no memory); shared by the two files. */
struct alert_channel *alert_channel_take(struct alerts *a, const char *channel);
struct alert_subject *alert_subject_take(struct alert_channel *ch, const char *rule, const char *group);
/* {"rules": [...]} as an array of rules with different ids. */
NODISCARD enum err alert_rules_parse(const json_t *list, struct alert_rule out[ALERT_RULES_MAX], uint32_t *count,
                                     struct err_msg *msg);

#endif
