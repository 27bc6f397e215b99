/* A channel's capture thread: connects, finds out where to go on, reads events, and comes back when the source goes
 * away.
 *
 *   PAUSED -> CONNECTING -> STREAMING -> (the stream breaks) PAUSED
 *                 ^             \-> (a definition is not known) CONNECTING
 *   any -> ENDED: on request, or with an error that waiting does not mend
 *
 * CONNECTING asks the source who it is and whether its binlog is still the one we know, makes sure of the definitions
 * at the place where we go on and of what lies ahead (capture/tracker.h, capture/look.h), and dumps. */
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "capture/capture_inside.h"
#include "capture/capture_sim.h"
#include "capture/follower.h"
#include "capture/look.h"
#include "capture/selection.h"
#include "capture/start_place.h"

enum {
    EVENTS_BURST = 256,
    STATUS_PERIOD_MS = 100,
    BUSY_PERIODS = 30, /* heartbeat_period_ns */
    AT_TAIL_MS = 2000, /* so long after the last look that found nothing more, the state is still "at the tail" */
    NS_PER_MS = 1000000,
};

static void capture_free(struct capture *c)
{
    follower_close(&c->follower);
    if (c->stream != NULL) c->stream->ops->close(c->stream);
    pthread_mutex_destroy(&c->lock);
    look_free(&c->look);
    capture_config_free(c);
    free(c);
}

/* --- status --- */

static enum capture_state state_of(const struct capture *c, uint64_t now_ns)
{
    if (c->phase == PHASE_ENDED) return CAPTURE_ENDED;
    if (c->phase != PHASE_STREAMING) return CAPTURE_CONNECTING;
    return now_ns - c->tail_ns < (uint64_t)AT_TAIL_MS * NS_PER_MS ? CAPTURE_AT_TAIL : CAPTURE_CATCHING_UP;
}

static void status_publish(struct capture *c, uint64_t now_ns)
{
    const struct follower *f = &c->follower;
    enum capture_state state = state_of(c, now_ns);
    pthread_mutex_lock(&c->lock);
    struct capture_status *s = &c->status;
    s->state = state;
    s->error = c->error;
    s->error_is_transient = c->error.code != ERR_OK && c->error_is_transient;
    s->wants_reattach = f->wants_reattach;
    memcpy(s->file, f->resume.file, sizeof s->file);
    s->position = f->resume.position;
    memcpy(s->server_version, f->facts.version, sizeof s->server_version);
    memcpy(s->server_uuid, f->facts.server_uuid, sizeof s->server_uuid);
    memcpy(s->gtid, f->resume.gtid, sizeof s->gtid);
    s->row_changes = f->row_changes;
    s->transactions = f->transactions;
    s->records = f->appender.next_offset;
    s->event_timestamp_s = f->newest_timestamp_s;
    s->clock_is_known = c->source_clock.is_known && !f->facts.is_archive;
    s->clock_skew_ms = f->clock_ahead_ms;
    s->binlog_kept_s = f->facts.binlog_kept_s;
    pthread_mutex_unlock(&c->lock);
    c->status_ns = now_ns;
    counter_add(c->bytes_read, f->bytes_read - counter_get(c->bytes_read));
    uint64_t definitions = f->definitions.tracker == NULL ? 0 : tracker_bytes(f->definitions.tracker);
    if (definitions > CAPTURE_DEFINITIONS_BYTES && counter_get(c->definitions_bytes) <= CAPTURE_DEFINITIONS_BYTES)
        log_warn("capture", "channel %s: the definitions of its source's tables take %" PRIu64 " bytes, above the %d "
                 "counted for a channel: leave so much memory free beside memory_max_bytes", c->channel, definitions,
                 CAPTURE_DEFINITIONS_BYTES);
    counter_set(c->definitions_bytes, definitions);
}

void capture_status(struct capture *c, struct capture_status *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->status;
    pthread_mutex_unlock(&c->lock);
}

/* --- errors --- */

static bool is_transient(enum err e)
{
    return e == ERR_CONNECT || e == ERR_DISCONNECTED;
}

/* What is whole in the open batch is sent; what is not is left to the next start. */
static void finish_whole(struct capture *c)
{
    struct log_appender *a = &c->follower.appender;
    if (log_appender_transaction_records(a) > 0 && !log_appender_discard_transaction(a)) return;
    enum err e = log_appender_flush(a);
    if (e != ERR_OK && e != ERR_STOPPED)
        log_warn("capture", "channel %s: the last batch cannot be finished: %s", c->channel, err_text(e));
}

static void end_with(struct capture *c, enum err e, const struct err_msg *msg)
{
    finish_whole(c);
    c->stream->ops->disconnect(c->stream);
    c->phase = PHASE_ENDED;
    if (e == ERR_STOPPED) return;
    c->error = *msg;
    c->error.code = e;
    c->error_is_transient = false;
    if (c->error.text[0] == '\0') snprintf(c->error.text, sizeof c->error.text, "%s", err_text(e));
    log_error("capture", "channel %s: %s", c->channel, c->error.text);
}

/* The host that cannot be used makes way for the next.  True: all have been tried. */
static bool host_moves(struct capture *c)
{
    c->host_at = (c->host_at + 1) % c->host_count;
    c->stream_config.host = c->host[c->host_at].name;
    c->stream_config.port = c->host[c->host_at].port;
    return c->host_at == 0;
}

static void pause_with(struct capture *c, enum err e, const struct err_msg *msg)
{
    const struct capture_config *cfg = &c->config;
    bool waits = e != ERR_CONNECT || host_moves(c);
    if (waits) c->pause_ms = c->pause_ms == 0 ? cfg->reconnect_pause_ms_min : c->pause_ms * 2;
    if (c->pause_ms > cfg->reconnect_pause_ms_max) c->pause_ms = cfg->reconnect_pause_ms_max;
    if (c->pause_ms == 0) c->pause_ms = 1;
    uint64_t jitter_ms =
        random_below(&c->random, c->pause_ms / 4 + 1); /* many channels of one source do not come back at once */
    c->due_ns = clock_monotonic_ns(c->clock) + (waits ? c->pause_ms + jitter_ms : 0) * NS_PER_MS;
    c->phase = PHASE_PAUSED;
    bool is_new = c->error.code != e || !c->error_is_transient;
    c->error = *msg;
    c->error.code = e;
    c->error_is_transient = true;
    c->is_reached = false;
    c->stream->ops->disconnect(c->stream);
    counter_add(c->reconnects, 1);
    if (is_new) log_warn("capture", "channel %s: %s; trying again", c->channel, c->error.text);
}

/* Files that are being copied come in any order, and are incomplete for a while: no error before it is over. */
static bool waits_for_files(const struct capture *c, enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
    case ERR_ACCESS_DENIED:
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
    case ERR_SOURCE_HISTORY:
    case ERR_SOURCE_PURGED: return c->stream->ops->is_arriving != NULL && c->stream->ops->is_arriving(c->stream);
    default: return false;
    }
}

static void wait_with(struct capture *c, const struct err_msg *msg)
{
    if (c->error.code != ERR_AGAIN) log_info("capture", "channel %s waits for files: %s", c->channel, msg->text);
    c->due_ns = clock_monotonic_ns(c->clock) + (uint64_t)c->config.heartbeat_ms * NS_PER_MS;
    c->phase = PHASE_PAUSED;
    c->error = *msg;
    c->error.code = ERR_AGAIN;
    c->error_is_transient = true;
    c->is_reached = false;
    c->stream->ops->disconnect(c->stream);
}

/* A step ended with an error: again, later, or never. */
static void step_failed(struct capture *c, enum err e, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    if (atomic_load_explicit(&c->stop, memory_order_acquire)) e = ERR_STOPPED; /* pairs with capture_stop */
    if (c->phase == PHASE_STREAMING) {
        follower_interrupted(f);
        delay_interrupted(&c->delay);
    }
    if (e == ERR_AGAIN && f->needs_definitions) {
        log_info("capture", "channel %s: %s; asking the source", c->channel, msg->text);
        c->wants_look = true;
        c->phase = PHASE_CONNECTING;
        return;
    }
    if (waits_for_files(c, e))
        wait_with(c, msg);
    else if (is_transient(e))
        pause_with(c, e, msg);
    else
        end_with(c, e, msg);
    status_publish(c, clock_monotonic_ns(c->clock));
}

/* --- connecting --- */

static enum err reach_source(struct capture *c, struct err_msg *msg)
{
    struct source_facts facts;
    TRY(c->stream->ops->connect(c->stream, msg));
    TRY(source_facts_read(c->stream, &facts, msg));
    TRY(capture_clock_compare(c, &facts, msg));
    TRY(source_facts_check(&facts, c->config.server_id, c->config.partial_images_none, msg));
    struct snapshot_rules rules;
    TRY(snapshot_rules_read(c->stream, facts.version, &rules, msg));
    TRY(follower_source(&c->follower, &facts, &rules, msg));
    c->is_reached = true;
    return ERR_OK;
}

/* The log is new: where does the channel begin? */
static enum err choose_start(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    struct source_position start = {0};
    struct start_place chosen;
    if (c->stream->ops->is_growing != NULL && c->stream->ops->is_growing(c->stream))
        return err_set(msg, ERR_SOURCE_PURGED, "files are being copied to %s, perhaps also older ones; wait until they "
                       "are all there", c->files);
    enum err e = start_place_choose(c->stream, &f->facts, &c->config, &c->stop, &chosen, msg);
    if (e != ERR_OK) {
        gtid_set_free(&chosen.gtids);
        return e;
    }
    gtid_set_free(&f->gtids);
    f->gtids = chosen.gtids;
    f->gtids_known = chosen.gtids_known;
    memcpy(start.file, chosen.place.file, sizeof start.file);
    start.position = chosen.place.position;
    follower_resume_at(f, &start);
    if (chosen.by_gtids) follower_resume_by_gtids(f, &chosen.place);
    return ERR_OK;
}

static struct look_door door_of(struct capture *c)
{
    return (struct look_door){.stream = c->stream,
                              .follower = &c->follower,
                              .stop = &c->stop,
                              .event_bytes_max = c->config.packet_bytes_max,
                              .schema_file = c->schema_file[0] == '\0' ? NULL : c->schema_file,
                              .wants_dead = c->config.after_failure};
}

static enum err refresh_definitions(void *context, struct err_msg *msg)
{
    struct capture *c = context;
    struct look_door door = door_of(c);
    return look_here(&door, msg);
}

/* Definitions learned before transactions that are passed over go to disk behind them: until then the log's end says no
 * place that could be found again. */
static enum err save_definitions(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    if (!c->save_due || f->passes_known) return ERR_OK;
    struct source_place from = source_place_of(&f->resume);
    c->save_due = f->known_moves_definitions = false;
    return tracker_save(f->definitions.tracker, &from, f->facts.server_uuid, follower_logged(f), msg);
}

/* The definitions at the log's end, from the tracker's file. */
static enum err load_definitions(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    struct tracker *tracker = f->definitions.tracker;
    struct source_place from = source_place_of(&f->resume);
    struct tracker_end end = {source_place_of(&c->taken_up), c->taken_up.server_uuid,
                              c->taken_up_by_gtids ? &f->gtids : NULL, c->taken_up_offset};
    if (!c->is_taken_up) return ERR_OK;
    struct gtid_set moved = {0};
    enum err e = tracker_load(tracker, &end, &moved, &c->has_definitions, msg);
    /* A statement that emitted nothing may be missing in what is logged, and is not to be read again all the same. */
    if (e == ERR_OK && c->has_definitions) e = follower_knows(f, &moved);
    gtid_set_free(&moved);
    TRY(e);
    if (!c->has_definitions) return ERR_OK;
    const char *objects = tracker_objects(tracker);
    if (objects != NULL && strcmp(objects, f->objects) != 0) { /* what the log's end knows; the wish comes behind it */
        TRY(follower_select(f, objects, msg));
        atomic_store_explicit(&c->has_wish, true, memory_order_relaxed);
    }
    TRY(tracker_save(tracker, &end.place, end.uuid, follower_logged(f), msg));
    if (f->passes_known) tracker_moved(tracker, &from, f->facts.server_uuid, f->appender.transaction_offset);
    return ERR_OK;
}

/* The definitions of the place where capture goes on, and what else must be known of what lies ahead. */
static enum err prepare_definitions(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    struct tracker *tracker = f->definitions.tracker;
    struct source_place from = source_place_of(&f->resume);
    bool is_other = c->has_definitions && f->server_changed;
    f->server_changed = false;
    if (is_other && f->known_moves_definitions) {
        c->has_definitions = false; /* they are those of a place that this server does not have */
        TRY(tracker_reset(tracker));
        schema_moved(f->definitions.schema);
    } else if (is_other) {
        tracker_moved(tracker, &from, f->facts.server_uuid, f->appender.transaction_offset);
    }
    if (!c->has_definitions) TRY(load_definitions(c, msg));
    bool is_fresh = !c->has_definitions;
    if (is_fresh || c->wants_look || !f->horizon.is_known || look_is_under_way(&c->look)) {
        struct look_door door = door_of(c);
        TRY(look(&c->look, &door, is_fresh || c->wants_look, msg));
        c->wants_look = false;
    }
    if (!is_fresh) return ERR_OK;
    TRY(tracker_select(tracker, &from, f->objects));
    c->has_definitions = c->save_due = true;
    f->known_moves_definitions = f->passes_known;
    return save_definitions(c, msg);
}

/* Another server was reached: what was known of the former one's binlog says nothing about this one's. */
static void forget_places(struct capture *c)
{
    if (c->look.seen != NULL) c->wants_look = true;
    look_free(&c->look);
    horizon_clear(&c->follower.horizon);
    c->resend_end_is_known = false;
}

static enum err connect_source(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    if (!c->is_reached) TRY(reach_source(c, msg));
    if (!f->has_resume) TRY(choose_start(c, msg));
    TRY(start_place_resume(c->stream, f, c->host_count > 1, msg));
    if (f->server_changed) forget_places(c);
    if (c->is_resending && !c->resend_end_is_known) TRY(source_end(c->stream, &f->facts, &c->resend_end, NULL, msg));
    c->resend_end_is_known = c->is_resending;
    TRY(prepare_definitions(c, msg));
    TRY(c->stream->ops->dump(c->stream, f->resume.file, f->resume.position, msg));
    TRY(follower_dump_begins(f));
    delay_tells(&c->delay, f->facts.has_heartbeats && !f->facts.is_archive);
    uint64_t now_ns = clock_monotonic_ns(c->clock);
    c->phase = PHASE_STREAMING;
    c->tail_ns = now_ns - (uint64_t)AT_TAIL_MS * NS_PER_MS;
    status_publish(c, now_ns);
    return ERR_OK;
}

/* --- streaming --- */

static uint32_t heartbeat_time(const struct capture *c, bool at_tail)
{
    const struct follower *f = &c->follower;
    if (f->facts.is_archive && f->newest_timestamp_s == 0) return f->format_time_s;
    if ((!at_tail || f->facts.is_archive) && f->newest_timestamp_s != 0) return f->newest_timestamp_s;
    int64_t source_now_ms = (int64_t)clock_realtime_ms(c->clock) + f->clock_ahead_ms;
    uint32_t now_s = (uint32_t)(source_now_ms / 1000);
    return now_s > f->newest_timestamp_s ? now_s : f->newest_timestamp_s;
}

/* What follows a HEARTBEAT waits for the disk even in a log that else does not: there it keeps out of the way of
 * transactions that follow each other. */
static uint64_t heartbeat_period_ns(const struct capture *c, uint64_t now_ns)
{
    uint64_t period_ns = (uint64_t)c->config.heartbeat_ms * NS_PER_MS;
    bool is_busy = now_ns - c->record_ns < period_ns && c->error.code == ERR_OK; /* it takes an error back */
    return c->shows_written && is_busy ? BUSY_PERIODS * period_ns : period_ns;
}

static bool is_heartbeat_due(struct capture *c, uint64_t now_ns)
{
    if (c->is_resending && source_place_compare(&c->follower.at, &c->resend_end) >= 0) {
        c->is_resending = false;
        c->heartbeat_ns = 0;
    }
    return !c->is_resending && follower_may_heartbeat(&c->follower) &&
           (c->heartbeat_ns == 0 || now_ns - c->heartbeat_ns >= heartbeat_period_ns(c, now_ns));
}

enum err capture_select(struct capture *c, const char *const *include, const char *const *exclude, struct err_msg *msg)
{
    struct filter *filter;
    char *wish = selection_text(include, exclude);
    if (wish == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", c->channel);
    enum err e = selection_filter(&filter, wish, false, msg);
    if (e != ERR_OK) {
        free(wish);
        return e;
    }
    filter_close(filter);
    pthread_mutex_lock(&c->lock);
    char *before = c->wish;
    c->wish = wish;
    pthread_mutex_unlock(&c->lock);
    free(before);
    atomic_store_explicit(&c->has_wish, true, memory_order_release); /* pairs with take_wish */
    return ERR_OK;
}

void capture_compress(struct capture *c, enum compression codec)
{
    atomic_store_explicit(&c->compression, (int)codec, memory_order_relaxed);
}

/* Other objects from here on, if that is wished; *changed: a HEARTBEAT must tell it at once. */
static enum err take_wish(struct capture *c, bool *changed, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    *changed = false;
    if (!atomic_load_explicit(&c->has_wish, memory_order_acquire)) return ERR_OK; /* pairs with capture_select */
    if (c->is_resending || !follower_may_heartbeat(f)) return ERR_OK;
    atomic_store_explicit(&c->has_wish, false, memory_order_relaxed);
    pthread_mutex_lock(&c->lock);
    char *wish = strdup(c->wish);
    pthread_mutex_unlock(&c->lock);
    if (wish == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", c->channel);
    struct source_place from = source_place_of(&f->resume);
    enum err e = ERR_OK;
    if (strcmp(wish, f->objects) != 0) {
        e = follower_select(f, wish, msg);
        if (e == ERR_OK) e = tracker_select(f->definitions.tracker, &from, wish);
        *changed = e == ERR_OK;
        if (*changed) log_info("capture", "channel %s: follows other objects from %s:%" PRIu64, c->channel, from.file,
                               from.position);
    }
    free(wish);
    return e;
}

/* The definitions' file has grown: it is made anew as of a HEARTBEAT, once no crash takes that back any more. */
static enum err compact_definitions(struct capture *c, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    struct tracker *tracker = f->definitions.tracker;
    if (c->save_offset != 0) {
        /* pairs with storage's release when the records are durable */
        if (atomic_load_explicit(&c->feed->durable_offset, memory_order_acquire) < c->save_offset) return ERR_OK;
        c->save_offset = 0;
        return tracker_finish_save(tracker, msg);
    }
    if (c->save_due || f->passes_known || !tracker_wants_save(tracker)) return ERR_OK;
    struct source_place from = source_place_of(&f->resume);
    tracker_prepare_save(tracker, &from, f->facts.server_uuid, follower_logged(f));
    c->save_offset = f->appender.next_offset;
    return ERR_OK;
}

/* Between transactions: what is due by time, and whether to send what is there. */
static enum err boundary(struct capture *c, bool is_heartbeat, bool *pending, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    uint64_t now_ns = clock_monotonic_ns(c->clock);
    *pending = c->stream->ops->pending(c->stream);
    if (!*pending) c->tail_ns = now_ns;
    capture_delay_note(c, now_ns, is_heartbeat, *pending);
    TRY(save_definitions(c, msg));
    bool has_records = f->appender.next_offset != c->record_offset, selects;
    TRY(take_wish(c, &selects, msg));
    if (is_heartbeat_due(c, now_ns) || selects) {
        TRY(follower_heartbeat(f, heartbeat_time(c, !*pending), msg));
        TRY(compact_definitions(c, msg));
        c->heartbeat_ns = now_ns;
        c->pause_ms = 0;
        c->error = (struct err_msg){0};
    }
    if (has_records) c->record_ns = now_ns;
    c->record_offset = f->appender.next_offset;
    enum err e = *pending ? ERR_OK : log_appender_flush(&f->appender);
    if (e == ERR_OK && now_ns - c->status_ns >= (uint64_t)STATUS_PERIOD_MS * NS_PER_MS) {
        e = log_appender_poll(&f->appender);
        status_publish(c, now_ns);
    } else if (!*pending && (c->status.state != CAPTURE_AT_TAIL || c->status.transactions != f->transactions)) {
        /* the next event may be long in coming: 5.1 sends no heartbeats */
        status_publish(c, now_ns);
    }
    return e == ERR_OK ? ERR_OK
                       : err_set(msg, e, "the log of channel %s cannot be written: %s", c->channel, err_text(e));
}

static enum err stream_burst(struct capture *c, unsigned *done, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    for (*done = 0; *done < EVENTS_BURST;) {
        const uint8_t *event;
        size_t size;
        enum err e = c->stream->ops->next(c->stream, &event, &size, msg);
        if (e == ERR_AGAIN) return ERR_OK;
        TRY(e);
        ++*done;
        bool was_between = follower_is_between(f);
        bool is_idle = size > 4 && (event[4] == BINLOG_HEARTBEAT || event[4] == BINLOG_HEARTBEAT_V2);
        TRY(follower_event(f, event, size, msg));
        if (!follower_is_between(f) && is_idle) { /* the source has no more now: files that are cut there */
            c->tail_ns = clock_monotonic_ns(c->clock);
            delay_idles(&c->delay, (int64_t)c->tail_ns);
            status_publish(c, c->tail_ns);
            return ERR_OK;
        }
        if (!follower_is_between(f) && was_between) capture_delay_begins(c);
        if (!follower_is_between(f)) continue;
        bool pending;
        TRY(boundary(c, is_idle, &pending, msg));
        if (!pending) return ERR_OK;
    }
    return ERR_OK;
}

unsigned capture_step(struct capture *c)
{
    struct err_msg msg = {0};
    enum err e = ERR_OK;
    unsigned done = 1;
    if (atomic_load_explicit(&c->stop, memory_order_acquire) && c->phase != PHASE_ENDED)
        e = ERR_STOPPED; /* pairs with capture_stop */
    if (e == ERR_OK) {
        switch (c->phase) {
        case PHASE_ENDED: return 0;
        case PHASE_PAUSED:
            if (clock_monotonic_ns(c->clock) < c->due_ns) return 0;
            c->phase = PHASE_CONNECTING;
            break;
        case PHASE_CONNECTING: e = connect_source(c, &msg); break;
        case PHASE_STREAMING: e = stream_burst(c, &done, &msg); break;
        }
    }
    if (e == ERR_OK) return done;
    step_failed(c, e, &msg);
    return 1;
}

uint32_t capture_host(const struct capture *c)
{
    return c->host_at;
}

/* --- the thread --- */

static void *capture_body(void *argument)
{
    struct capture *c = argument;
    while (c->phase != PHASE_ENDED) {
        if (capture_step(c) > 0 || c->phase != PHASE_PAUSED) continue;
        uint64_t now_ns = clock_monotonic_ns(c->clock);
        if (now_ns >= c->due_ns) continue;
        struct waiter *w = c->feed->producer_waiter;
        waiter_announce(w);
        if (atomic_load_explicit(&c->stop, memory_order_acquire))
            waiter_cancel(w); /* pairs with capture_stop */
        else
            waiter_block(w, (int)((c->due_ns - now_ns) / NS_PER_MS) + 1);
    }
    return NULL;
}

/* What the spool and the definitions' journal hold must outlive a crash before the log tells of a position behind. */
static enum err before_send(void *context)
{
    struct capture *c = context;
    struct tracker *tracker = c->follower.definitions.tracker;
    struct err_msg msg = {0};
    enum err e = follower_xa_sync(&c->follower, &msg);
    if (e == ERR_OK && tracker != NULL) e = tracker_sync(tracker, &msg);
    if (e != ERR_OK) log_error("capture", "channel %s: %s", c->channel, msg.text);
    return e;
}

static enum err spool_open(struct capture *c, const char *data_folder, uint64_t next_offset, struct err_msg *msg)
{
    char folder[PATH_MAX];
    if (data_folder == NULL) return ERR_OK;
    snprintf(folder, sizeof folder, "%s/%s/xa", data_folder, c->channel);
    return follower_xa_open(&c->follower, folder, next_offset, msg);
}

static void counters_make(struct capture *c, struct counters *counters, struct follower_config *f,
                          struct log_appender_config *a)
{
    char label[COUNTERS_LABEL_BYTES];
    snprintf(label, sizeof label, "channel=%s", c->channel);
    c->bytes_read = counters_add(counters, COUNTER_COUNT, "capture_bytes_read", label);
    c->reconnects = counters_add(counters, COUNTER_COUNT, "capture_reconnects", label);
    c->definitions_bytes = counters_add(counters, COUNTER_GAUGE, "capture_definitions_bytes", label);
    counter_set(c->bytes_read, 0);
    f->row_changes = counters_add(counters, COUNTER_COUNT, "capture_row_changes", label);
    f->transactions = counters_add(counters, COUNTER_COUNT, "capture_transactions", label);
    f->records = counters_add(counters, COUNTER_COUNT, "capture_records", label);
    f->statement_events = counters_add(counters, COUNTER_COUNT, "capture_statement_events", label);
    f->xa_unknown = counters_add(counters, COUNTER_COUNT, "capture_xa_unknown", label);
    f->commit_to_read_us = counters_add_histogram(counters, "stage_commit_to_read_us", label);
    a->read_to_encoded_us = counters_add_histogram(counters, "stage_read_to_encoded_us", label);
    a->stalls = counters_add(counters, COUNTER_COUNT, "capture_lease_stalls", label);
    a->stalled_us = counters_add(counters, COUNTER_COUNT, "capture_lease_stalled_us", label);
}

static enum err resume_take(struct capture *c, const struct log_resume *resume, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    struct source_position position;
    c->is_resending = resume->is_resending;
    c->shows_written = resume->shows_written;
    if (resume->position_bytes > 0) {
        enum err e = source_position_decode(resume->position, resume->position_bytes, &position);
        if (e != ERR_OK)
            return err_set(msg, e, "the log of channel %s ends with a source position that cannot be read: %s",
                           c->channel, err_text(e));
        follower_resume_at(f, &position);
        c->is_taken_up = true;
        c->taken_up = position;
        c->taken_up_offset = resume->next_offset;
    }
    if (resume->gtid_set == NULL) return ERR_OK; /* an empty one is one */
    if (gtid_set_parse(&f->logged, (const char *)resume->gtid_set, resume->gtid_set_bytes) != ERR_OK)
        return err_set(msg, ERR_CORRUPT, "the log of channel %s has a GTID set that cannot be read", c->channel);
    f->has_logged = resume->position_bytes > 0;
    return ERR_OK;
}

/* Written while going on by GTIDs (follower.h): "from this file's start, without these". */
static enum err resume_by_gtids(struct capture *c, const struct log_resume *resume, struct err_msg *msg)
{
    struct follower *f = &c->follower;
    if (resume->position_bytes == 0 || f->resume.position != BINLOG_FIRST_POSITION ||
        f->resume.format_description_s != 0)
        return ERR_OK;
    if (!f->has_logged || resume->gtid_set_offset + 1 != resume->next_offset)
        return err_set(msg, ERR_CORRUPT,
                       "the log of channel %s ends in the middle of a fail-over and has no GTID set there; delete the "
                       "channel and create it anew",
                       c->channel);
    follower_pass_logged(f);
    c->taken_up_by_gtids = true;
    return ERR_OK;
}

enum err capture_open_simulated(struct capture **out, const struct capture_config *config, struct log_feed *feed,
                                const struct log_resume *resume, const struct clock *clock, struct counters *counters,
                                struct source_stream *stream, void (*starved)(void *context), void *starved_context,
                                struct err_msg *msg)
{
    struct capture *c = NULL;
    enum err e = capture_config_check(config, msg);
    if (e == ERR_OK && (c = calloc(1, sizeof *c)) == NULL)
        e = err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", config->channel);
    if (e != ERR_OK) {
        if (stream != NULL) stream->ops->close(stream);
        return e;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->stream = stream;
    c->clock = clock;
    c->feed = feed;
    capture_compress(c, config->compression);
    random_init(&c->random, config->server_id);
    e = capture_config_copy(c, config) == ERR_OK ? ERR_OK
                                         : err_set(msg, ERR_NO_MEMORY, "no memory for channel %s", config->channel);
    if (e == ERR_OK && c->stream == NULL) e = source_stream_open(&c->stream, &c->stream_config, msg);
    if (e == ERR_OK) {
        struct follower_config follower = {.channel = c->channel,
                                           .objects = c->objects,
                                           .ddl_instance = config->ddl_instance,
                                           .partial_images_none = config->partial_images_none,
                                           .text_utf8mb4 = config->text_utf8mb4,
                                           .format = record_format_find(config->format),
                                           .clock = clock,
                                           .statements_are_errors = !config->statements_warn,
                                           .record_bytes_max = config->record_bytes_max,
                                           .event_bytes_max = config->packet_bytes_max,
                                           .schema_path = c->schema_path[0] == '\0' ? NULL : c->schema_path,
                                           .refresh = refresh_definitions,
                                           .refresh_context = c};
        struct log_appender_config appender = {.feed = feed,
                                               .resume = resume,
                                               .clock = clock,
                                               .stop = &c->stop,
                                               .compression = &c->compression,
                                               .segment_bytes = config->segment_bytes,
                                               .batch_bytes_target = config->batch_bytes_target,
                                               .record_bytes_max = config->record_bytes_max,
                                               .before_send = before_send,
                                               .before_send_context = c,
                                               .starved = starved,
                                               .starved_context = starved_context};
        counters_make(c, counters, &follower, &appender);
        e = follower_open(&c->follower, &follower, &appender, msg);
    }
    if (e == ERR_OK) e = spool_open(c, config->data_folder, resume->next_offset, msg);
    if (e == ERR_OK) e = resume_take(c, resume, msg);
    if (e == ERR_OK) e = resume_by_gtids(c, resume, msg);
    if (e != ERR_OK) {
        capture_free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

enum err capture_start(struct capture **out, const struct capture_config *config, struct log_feed *feed,
                       const struct log_resume *resume, const struct clock *clock, struct counters *counters,
                       struct err_msg *msg)
{
    struct capture *c;
    if (feed->producer_waiter == NULL) return err_set(msg, ERR_INVALID, "the feed has no producer_waiter");
    TRY(capture_open_simulated(&c, config, feed, resume, clock, counters, NULL, NULL, NULL, msg));
    char name[16];
    snprintf(name, sizeof name, "cap-%.11s", c->channel);
    enum err e = thread_start(&c->thread, name, config->core, capture_body, c);
    if (e != ERR_OK) {
        capture_free(c);
        return err_set(msg, e, "the capture thread of channel %s cannot be started: %s", config->channel, err_text(e));
    }
    c->has_thread = true;
    free(resume->gtid_set); /* taken over: what it says is in the follower */
    *out = c;
    return ERR_OK;
}

void capture_stop(struct capture *c)
{
    atomic_store_explicit(&c->stop, true,
                          memory_order_release); /* pairs with capture_step, wait_for_storage, capture_body */
    c->stream->ops->cut(c->stream);
    if (c->has_thread) {
        waiter_wake(c->feed->producer_waiter);
        pthread_join(c->thread, NULL);
    }
    capture_free(c);
}
