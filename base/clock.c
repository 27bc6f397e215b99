#include "base/clock.h"

#include <time.h>

static uint64_t real_monotonic_ns(const struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t real_realtime_ms(const struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

const struct clock *clock_real(void)
{
    static const struct clock real = {real_monotonic_ns, real_realtime_ms};
    return &real;
}

static uint64_t simulated_monotonic_ns(const struct clock *c)
{
    return ((const struct clock_simulated *)c)->now_ns;
}

static uint64_t simulated_realtime_ms(const struct clock *c)
{
    const struct clock_simulated *s = (const struct clock_simulated *)c;
    return s->epoch_ms + s->now_ns / 1000000u;
}

void clock_simulated_init(struct clock_simulated *c, uint64_t epoch_ms)
{
    *c = (struct clock_simulated){{simulated_monotonic_ns, simulated_realtime_ms}, 0, epoch_ms};
}

void clock_simulated_advance(struct clock_simulated *c, uint64_t ns) { c->now_ns += ns; }
