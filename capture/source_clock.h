/* capture/source_clock.h -- the source's clock beside ours: what its commit times mean here.
 *
 * Asked with SQL as in NTP (RFC 5905, 8): the source's answer belongs to the middle of question and answer, and is
 * wrong by at most half of the time between them.  Of several answers the one that may be least wrong is kept, for on a
 * way that is slow in one direction the middle is not the middle; but two clocks drift apart: an old one gets worse. */
#ifndef CAPTURE_SOURCE_CLOCK_H
#define CAPTURE_SOURCE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "capture/source_stream.h"

struct source_clock {
    bool is_known;
    int64_t ahead_ns; /* the source's Unix time less our monotonic clock */
    int64_t skew_ns;  /* the source's Unix time less ours */
    int64_t error_ns; /* at most, either way */
    int64_t taken_ns; /* monotonic */
};

/* Two questions; takes three round trips when the connection was idle.  Capture thread.  Errors as of query. */
NODISCARD enum err source_clock_ask(struct source_stream *s, const struct clock *clock, struct source_clock *out,
                                    struct err_msg *msg);
/* `kept` is the better of both from now on; or `answer`, when both cannot be true: one of the clocks was set. */
void source_clock_take(struct source_clock *kept, const struct source_clock *answer);

/* The source's Unix time on our monotonic clock. */
static inline int64_t source_clock_ns(const struct source_clock *c, uint64_t source_us)
{
    return (int64_t)source_us * 1000 - c->ahead_ns;
}

#endif
