/* control/channel_delay.h -- how far a channel is behind its source, for everything that shows it or alerts on it.
 * Control thread only. */
#ifndef CONTROL_CHANNEL_DELAY_H
#define CONTROL_CHANNEL_DELAY_H

#include <stdint.h>

struct instance;
struct channel;

/* Milliseconds since the oldest change that the source has and consumers cannot read yet; 0: there is none.  At the
 * moment of the call.  While nothing is captured, though somebody has started the channel, the newest record's age.
 * -1: a person stopped it, or nothing is known yet. */
int64_t channel_delay_ms(const struct instance *in, const struct channel *ch);

#endif
