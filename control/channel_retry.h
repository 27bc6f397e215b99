/* control/channel_retry.h -- when a channel that failed is tried again: at once a few times, then with pauses that grow
 * to five minutes, for seven days; then only by hand.  Pure: time is given, monotonic. */
#ifndef CONTROL_CHANNEL_RETRY_H
#define CONTROL_CHANNEL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum { CHANNEL_RETRY_PAUSE_MIN_MS = 1000, CHANNEL_RETRY_PAUSE_MAX_MS = 5 * 60 * 1000 };
#define CHANNEL_RETRY_FOR_NS ((uint64_t)7 * 24 * 3600 * 1000000000)

struct channel_retry { /* zero: nothing has failed */
    bool is_failing;   /* there is a row of failures */
    uint64_t since_ns; /* of its first */
    uint64_t pause_ms; /* the last one of the row */
    uint64_t due_ns;   /* of the next attempt; 0: none is planned */
};

/* A failure: plans the next attempt, unless the row has lasted for too long. */
void channel_retry_failed(struct channel_retry *r, uint64_t now_ns);
/* A failure that something else tries to mend: it counts to the row, no attempt is planned. */
void channel_retry_note(struct channel_retry *r, uint64_t now_ns);
/* By hand: the row begins anew, the next attempt is now. */
void channel_retry_at_once(struct channel_retry *r, uint64_t now_ns);
/* It went well for long enough, or was ended by hand. */
void channel_retry_clear(struct channel_retry *r);
bool channel_retry_is_due(const struct channel_retry *r, uint64_t now_ns);
/* Seven days: only a person helps now. */
bool channel_retry_is_over(const struct channel_retry *r, uint64_t now_ns);

#endif
