#include "control/channel_retry.h"

void channel_retry_note(struct channel_retry *r, uint64_t now_ns)
{
    if (r->is_failing) return;
    r->is_failing = true;
    r->since_ns = now_ns;
}

void channel_retry_failed(struct channel_retry *r, uint64_t now_ns)
{
    channel_retry_note(r, now_ns);
    r->pause_ms = r->pause_ms == 0 ? CHANNEL_RETRY_PAUSE_MIN_MS : r->pause_ms * 2;
    if (r->pause_ms > CHANNEL_RETRY_PAUSE_MAX_MS) r->pause_ms = CHANNEL_RETRY_PAUSE_MAX_MS;
    r->due_ns = channel_retry_is_over(r, now_ns) ? 0 : now_ns + r->pause_ms * 1000000;
}

void channel_retry_at_once(struct channel_retry *r, uint64_t now_ns) { *r = (struct channel_retry){.due_ns = now_ns}; }

void channel_retry_clear(struct channel_retry *r) { *r = (struct channel_retry){.due_ns = 0}; }

bool channel_retry_is_due(const struct channel_retry *r, uint64_t now_ns)
{
    return r->due_ns != 0 && now_ns >= r->due_ns;
}

bool channel_retry_is_over(const struct channel_retry *r, uint64_t now_ns)
{
    return r->is_failing && now_ns > r->since_ns + CHANNEL_RETRY_FOR_NS;
}
