#include "capture/source_clock.h"

#include <stdlib.h>

enum { DRIFT_PPM = 100, QUESTIONS = 2 };
#define NS_PER_S ((int64_t)1000000000)

struct source_time {
    int64_t ns;
    bool is_exact;
};

static enum err time_row(void *context, const char *const *field, const size_t *bytes, uint32_t count)
{
    struct source_time *t = context;
    char text[2][32] = {{0}};
    for (uint32_t i = 0; i < 2 && i < count; i++) {
        if (field[i] == NULL || bytes[i] >= sizeof text[i]) return ERR_INVALID;
        for (size_t k = 0; k < bytes[i]; k++) text[i][k] = field[i][k];
    }
    t->is_exact = count > 1;
    t->ns = strtoll(text[0], NULL, 10) * NS_PER_S + strtoll(text[1], NULL, 10) * 1000;
    return count > 0 ? ERR_OK : ERR_INVALID;
}

/* Without arguments UNIX_TIMESTAMP knows no time zone, and so no hour that is there twice. */
static enum err ask_once(struct source_stream *s, const struct clock *clock, struct source_clock *out,
                         struct err_msg *msg)
{
    struct source_time t = {0};
    int64_t asked_ns = (int64_t)clock_monotonic_ns(clock);
    enum err e = s->ops->query(s, "SELECT UNIX_TIMESTAMP(), MICROSECOND(NOW(6))", time_row, &t, msg);
    if (e == ERR_INVALID) { /* before 5.6 */
        asked_ns = (int64_t)clock_monotonic_ns(clock);
        e = s->ops->query(s, "SELECT UNIX_TIMESTAMP()", time_row, &t, msg);
    }
    TRY(e);
    int64_t now_ns = (int64_t)clock_monotonic_ns(clock), real_ns = (int64_t)clock_realtime_ms(clock) * 1000000;
    int64_t half_ns = (now_ns - asked_ns) / 2, blur_ns = t.is_exact ? 0 : NS_PER_S / 2;
    out->is_known = true;
    out->ahead_ns = t.ns + blur_ns - (now_ns - half_ns);
    out->skew_ns = t.ns + blur_ns - (real_ns - half_ns);
    out->error_ns = half_ns + blur_ns;
    out->taken_ns = now_ns;
    return ERR_OK;
}

enum err source_clock_ask(struct source_stream *s, const struct clock *clock, struct source_clock *out,
                          struct err_msg *msg)
{
    out->is_known = false;
    for (int i = 0; i < QUESTIONS; i++) {
        struct source_clock answer;
        TRY(ask_once(s, clock, &answer, msg));
        source_clock_take(out, &answer);
    }
    return ERR_OK;
}

void source_clock_take(struct source_clock *kept, const struct source_clock *answer)
{
    int64_t kept_error_ns = kept->error_ns + (answer->taken_ns - kept->taken_ns) / 1000000 * DRIFT_PPM;
    int64_t apart_ns = llabs(answer->ahead_ns - kept->ahead_ns);
    if (!kept->is_known || answer->error_ns <= kept_error_ns || apart_ns > kept_error_ns + answer->error_ns)
        *kept = *answer;
}
