/* base/clock.h -- the seam for time.  Every room takes a `struct clock *`; production passes clock_real(),
 * the simulation passes one that the test moves by hand. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*monotonic_ns)(const struct clock *); /* never goes back; for durations and timers */
    uint64_t (*realtime_ms)(const struct clock *);  /* Unix milliseconds; for stamps and retention */
};

/* The machine's clocks.  Never fails, any thread. */
const struct clock *clock_real(void);

/* A clock that stands still until moved.  Single-threaded use only. */
struct clock_simulated {
    struct clock clock; /* first: a struct clock * to it is a clock_simulated * */
    uint64_t now_ns;
    uint64_t epoch_ms; /* realtime when now_ns is 0 */
};
void clock_simulated_init(struct clock_simulated *c, uint64_t epoch_ms);
void clock_simulated_advance(struct clock_simulated *c, uint64_t ns);

static inline uint64_t clock_monotonic_ns(const struct clock *c) { return c->monotonic_ns(c); }
static inline uint64_t clock_realtime_ms(const struct clock *c) { return c->realtime_ms(c); }

#endif
