#include "control/channel_delay.h"

#include "control/channel.h"

int64_t channel_delay_ms(const struct instance *in, const struct channel *ch)
{
    if (!ch->life.is_started) return -1;
    int64_t delay_ms = -1;
    if (ch->capture != NULL && ch->log != NULL) delay_ms = capture_delay_ms(ch->capture, log_high_watermark(ch->log));
    if (delay_ms >= 0) return delay_ms;
    int64_t newest_ms = ch->log == NULL ? -1 : log_max_timestamp_ms(ch->log); /* the source's time */
    int64_t source_now_ms = (int64_t)clock_realtime_ms(in->clock) + ch->status.clock_skew_ms;
    return newest_ms <= 0 ? -1 : newest_ms < source_now_ms ? source_now_ms - newest_ms : 0;
}
