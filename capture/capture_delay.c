/* What a capture learns about its delay: when what it reads was committed, and what its source's clock says. */
#include "base/log.h"
#include "capture/capture_inside.h"

enum {
    STEP_MS = 5, /* while there is more to read, the delay is noted so often */
    CLOCK_PERIOD_MS = 60 * 1000,
    NS_PER_MS = 1000000,
};

enum err capture_clock_compare(struct capture *c, const struct source_facts *facts, struct err_msg *msg)
{
    struct source_clock answer;
    bool is_same = facts->server_uuid[0] != '\0' && strcmp(facts->server_uuid, c->follower.facts.server_uuid) == 0;
    TRY(source_clock_ask(c->stream, c->clock, &answer, msg));
    if (!is_same) c->source_clock.is_known = false;
    source_clock_take(&c->source_clock, &answer);
    c->follower.clock_ahead_ms = c->source_clock.skew_ns / NS_PER_MS;
    c->clock_due_ns = clock_monotonic_ns(c->clock) + (uint64_t)CLOCK_PERIOD_MS * NS_PER_MS;
    return ERR_OK;
}

/* While events come.  Whoever does not answer now is not asked again before the next connection. */
static void clock_compare_again(struct capture *c)
{
    struct err_msg why = {0};
    if (capture_clock_compare(c, &c->follower.facts, &why) == ERR_OK) return;
    log_debug("capture", "channel %s: the source's clock cannot be asked: %s", c->channel, why.text);
    c->clock_due_ns = UINT64_MAX;
}

int64_t capture_delay_ms(const struct capture *c, uint64_t high_watermark)
{
    return delay_ms(&c->delay, (int64_t)clock_monotonic_ns(c->clock), high_watermark);
}

/* Where the source tells whole seconds, their middle. */
static struct delay_commit newest_commit(const struct capture *c)
{
    const struct follower *f = &c->follower;
    uint64_t us = f->newest_commit_us != 0 ? f->newest_commit_us : (uint64_t)f->newest_timestamp_s * 1000000 + 500000;
    return (struct delay_commit){source_clock_ns(&c->source_clock, us), f->newest_commit_us != 0};
}

static bool delay_is_due(const struct capture *c, uint64_t now_ns)
{
    return now_ns - c->delay_ns >= (uint64_t)STEP_MS * NS_PER_MS;
}

void capture_delay_note(struct capture *c, uint64_t now_ns, bool is_heartbeat, bool pending)
{
    const struct follower *f = &c->follower;
    bool has_changes = f->timed_events != c->delay_events;
    if (has_changes && !c->delay_has_first) c->delay_first = newest_commit(c);
    c->delay_has_first = has_changes;
    if (pending && !delay_is_due(c, now_ns)) return;
    if (has_changes) /* pairs with storage's release when the records are durable */
        delay_ends(&c->delay, (int64_t)now_ns, c->delay_first, newest_commit(c), f->appender.next_offset,
                   atomic_load_explicit(&c->feed->durable_offset, memory_order_acquire));
    c->delay_has_first = false;
    if (is_heartbeat || (!pending && !atomic_load_explicit(&c->delay.tells_silence, memory_order_relaxed)))
        delay_idles(&c->delay, (int64_t)now_ns);
    c->delay_ns = now_ns;
    c->delay_events = f->timed_events;
    if (now_ns >= c->clock_due_ns) clock_compare_again(c);
}

void capture_delay_begins(struct capture *c)
{
    uint64_t read_ns = c->follower.appender.transaction_read_ns;
    if (delay_is_due(c, read_ns)) delay_begins(&c->delay, (int64_t)read_ns, newest_commit(c));
}
