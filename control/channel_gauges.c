#include "control/channel_gauges.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/channel.h"
#include "control/channel_delay.h"

struct channel_gauges {
    struct counter *state, *is_error, *delay_ms, *start_offset, *high_watermark, *log_bytes, *transactions;
};

struct channel_gauges *channel_gauges_new(struct counters *counters, const char *channel)
{
    struct channel_gauges *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    char label[CHANNEL_NAME_MAX + 16];
    snprintf(label, sizeof label, "channel=%s", channel);
    g->state = counters_add(counters, COUNTER_GAUGE, "channel_state", label);
    g->is_error = counters_add(counters, COUNTER_GAUGE, "channel_is_error", label);
    g->delay_ms = counters_add(counters, COUNTER_GAUGE, "channel_delay_ms", label);
    g->start_offset = counters_add(counters, COUNTER_GAUGE, "channel_log_start_offset", label);
    g->high_watermark = counters_add(counters, COUNTER_GAUGE, "channel_high_watermark", label);
    g->log_bytes = counters_add(counters, COUNTER_GAUGE, "channel_log_bytes", label);
    g->transactions = counters_add(counters, COUNTER_GAUGE, "channel_transactions", label);
    return g;
}

void channel_gauges_free(struct channel_gauges *g)
{
    free(g);
}

void channel_gauges_set(struct channel_gauges *g, const struct instance *in, const struct channel *ch)
{
    if (g == NULL) return;
    int64_t delay_ms = channel_delay_ms(in, ch);
    counter_set(g->state, (uint64_t)ch->state);
    counter_set(g->is_error, channel_is_failing(ch) ? 1 : 0);
    counter_set(g->delay_ms, delay_ms > 0 ? (uint64_t)delay_ms : 0);
    counter_set(g->start_offset, ch->log == NULL ? 0 : log_start_offset(ch->log));
    counter_set(g->high_watermark, ch->log == NULL ? 0 : log_high_watermark(ch->log));
    counter_set(g->log_bytes, ch->log == NULL ? 0 : log_size_bytes(ch->log));
    counter_set(g->transactions, ch->status.transactions);
}
