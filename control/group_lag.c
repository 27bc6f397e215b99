#include "control/group_lag.h"

#include "control/log_lookup.h"

struct group_lag group_lag_of(const struct instance *in, struct log *log, uint64_t checkpoint)
{
    uint64_t start = log_start_offset(log), end = log_high_watermark(log);
    int64_t newest_ms = log_max_timestamp_ms(log), first_ms;
    struct group_lag lag = {.records = checkpoint < end ? end - checkpoint : 0, .ms = -1, .checkpoint_ms = -1};
    if (lag.records == 0) return (struct group_lag){.checkpoint_ms = newest_ms};
    if (log_lookup_time(in->lookup, log, checkpoint < start ? start : checkpoint, &first_ms) != ERR_OK) return lag;
    lag.ms = newest_ms > first_ms ? newest_ms - first_ms : 0;
    if (checkpoint >= start) lag.checkpoint_ms = first_ms;
    return lag;
}
