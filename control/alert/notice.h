/* control/alert/notice.h -- what is told: one turn of a rule, as JSON (webhooks and commands) and as a mail. */
#ifndef CONTROL_ALERT_NOTICE_H
#define CONTROL_ALERT_NOTICE_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "control/alert/rule.h"

enum alert_notice_state { ALERT_NOTICE_FIRING, ALERT_NOTICE_RECOVERED, ALERT_NOTICE_TEST, ALERT_NOTICE_STATE_COUNT };

enum { ALERT_NOTICE_ID_BYTES = 33, ALERT_NOTICE_TEXT_BYTES = 640 };

struct alert_notice {
    char id[ALERT_NOTICE_ID_BYTES]; /* hexadecimal, never twice: by it a receiver knows a second delivery */
    enum alert_notice_state state;
    enum alert_kind kind;
    char channel[ACCOUNT_CHANNEL_MAX + 1];
    char rule[ALERT_ID_MAX + 1];
    char group[ALERT_GROUP_MAX + 1]; /* "": the channel itself; printable */
    int64_t value, threshold;          /* ALERT_NOTHING_BAD: there is nothing to measure any more */
    uint64_t since_ms;                 /* Unix ms at which the measure went bad */
    uint64_t at_ms;                    /* at which this notice was made */
    char text[ALERT_NOTICE_TEXT_BYTES]; /* one sentence for a person; printable */
};

/* Fills what the rule and the watch say, with a fresh id and the sentence.  `why`: what the channel says of its error,
 * "" for none. */
void alert_notice_make(struct alert_notice *out, const char *channel, const struct alert_rule *rule, const char *group,
                       const struct alert_watch *watch, uint64_t now_ms, const char *why);
/* One that says that nothing is wrong. */
void alert_notice_make_test(struct alert_notice *out, uint64_t now_ms);

const char *alert_notice_state_word(enum alert_notice_state state);
json_t *alert_notice_json(const struct alert_notice *n); /* NULL: no memory */
NODISCARD enum err alert_notice_parse(const json_t *from, struct alert_notice *out, struct err_msg *msg);

/* RFC 5322 message with CRLF line ends, malloc'd; NULL: no memory.  `to`: addresses without control characters. */
char *alert_notice_mail(const struct alert_notice *n, const char *from, const char *const *to, size_t to_count);

#endif
