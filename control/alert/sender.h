/* control/alert/sender.h -- brings notices to one target, in order, trying again for a day.
 *
 * Each target has a thread, so that one that cannot be reached delays nobody else.  At least once: a notice whose
 * delivery was cut off is sent again with the same id. */
#ifndef CONTROL_ALERT_SENDER_H
#define CONTROL_ALERT_SENDER_H

#include "base/clock.h"
#include "control/alert/target.h"

enum {
    ALERT_WAITING_MAX = 256, /* of one target; above it the oldest is given up */
    ALERT_PAUSE_MIN_MS = 1000,
    ALERT_PAUSE_MAX_MS = 5 * 60 * 1000,
};
#define ALERT_GIVE_UP_MS ((uint64_t)24 * 3600 * 1000) /* after its making */

enum alert_outcome { ALERT_DELIVERED, ALERT_TRIES_AGAIN, ALERT_GIVEN_UP };

struct alert_result {
    char notice[ALERT_NOTICE_ID_BYTES];
    enum alert_outcome outcome;
    unsigned attempts;
    struct err_msg error; /* of the last attempt */
};

struct alert_sender;

/* Starts its thread; copies `target`.  `programs_folder` lives longer.  `done_fd`: an eventfd that is written when
 * there is a result.  ERR_NO_MEMORY. */
NODISCARD enum err alert_sender_start(struct alert_sender **out, const struct alert_target *target,
                                      const char *programs_folder, const struct clock *clock, int done_fd);
/* Ends all of these, within a second or two; what waits is lost, so take it before: alert_sender_waiting. */
void alert_senders_stop(struct alert_sender *const *list, uint32_t count);

const struct alert_target *alert_sender_target(const struct alert_sender *s);
/* From here on by one thread, the owner's.  They never block for longer than a moment. */
void alert_sender_put(struct alert_sender *s, const struct alert_notice *notice);
bool alert_sender_take(struct alert_sender *s, struct alert_result *out); /* the next result; false: none */
/* Calls `visit` for each notice that is not delivered, the oldest first. */
void alert_sender_waiting(struct alert_sender *s, void (*visit)(void *context, const struct alert_notice *),
                          void *context);

#endif
