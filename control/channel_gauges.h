/* control/channel_gauges.h -- what the counter file (and so /metrics and `millrace counters`) shows of a channel,
 * written by the control thread. */
#ifndef CONTROL_CHANNEL_GAUGES_H
#define CONTROL_CHANNEL_GAUGES_H

#include "base/counters.h"

struct instance;
struct channel;
struct channel_gauges;

/* NULL when there is no memory: the channel then has no gauges. */
struct channel_gauges *channel_gauges_new(struct counters *counters, const char *channel);
void channel_gauges_free(struct channel_gauges *g);
/* All as of now. */
void channel_gauges_set(struct channel_gauges *g, const struct instance *in, const struct channel *ch);

#endif
