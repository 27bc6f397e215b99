#include "control/channel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "capture/filter.h"
#include "control/channel_delay.h"
#include "control/channel_erase.h"
#include "control/channel_gauges.h"
#include "control/channel_log.h"
#include "control/channel_store.h"
#include "control/history.h"

enum { HEARTBEAT_MS = 1000, RECONNECT_PAUSE_MS_MIN = 100, RECONNECT_PAUSE_MS_MAX = 10 * 1000 };

void channel_capture_config(const struct config *config, const struct channel_spec *spec, struct capture_config *out)
{
    *out = (struct capture_config){
        .channel = spec->name,
        .data_folder = config->data_folder,
        .files = spec->files,
        .host = spec->host,
        .port = spec->port,
        .user = spec->user,
        .password = spec->password,
        .server_id = spec->server_id,
        .include = (const char *const *)spec->include,
        .exclude = (const char *const *)spec->exclude,
        .ddl_instance = spec->ddl_instance,
        .statements_warn = spec->statements_warn,
        .partial_images_none = spec->partial_images_none,
        .text_utf8mb4 = spec->text_utf8mb4,
        .schema_file = spec->schema_file,
        .format = spec->format,
        .compression = spec->compression,
        .standby = spec->standby,
        .standby_count = spec->standby_count,
        .tls = {spec->tls_mode, spec->tls_ca, spec->tls_certificate, spec->tls_key},
        .connect_timeout_s = spec->connect_timeout_s,
        .read_timeout_s = spec->read_timeout_s,
        .start = spec->start,
        .start_gtid_set = spec->start_gtid_set,
        .start_file = spec->start_file,
        .start_position = spec->start_position,
        .start_time_s = spec->start_time_s,
        .heartbeat_ms = HEARTBEAT_MS,
        .segment_bytes = (uint64_t)config->segment_bytes,
        .batch_bytes_target = (uint32_t)config->batch_bytes_target,
        .record_bytes_max = (uint32_t)config->record_bytes_max,
        .packet_bytes_max = (uint64_t)config->packet_bytes_max,
        .reconnect_pause_ms_min = RECONNECT_PAUSE_MS_MIN,
        .reconnect_pause_ms_max = RECONNECT_PAUSE_MS_MAX,
        .core = -1,
    };
}

/* Moves the channel by the table; false: not possible now. */
static bool channel_apply(struct channel *ch, enum channel_event event)
{
    enum channel_state to = channel_state_next(ch->state, event);
    if (to == CHANNEL_STATE_NONE) return false;
    if (strcmp(channel_state_name(to), channel_state_name(ch->state)) != 0) /* as users know them */
        log_info("control", "channel %s: %s -> %s", ch->spec.name, channel_state_name(ch->state),
                 channel_state_name(to));
    ch->state = to;
    return true;
}

bool channel_is_failing(const struct channel *ch)
{
    return ch->state == CHANNEL_ERROR || (ch->state == CHANNEL_DELETING && ch->error.code != ERR_OK);
}

uint32_t channels_placed(const struct instance *in)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < in->channel_count; i++) taken += in->channel[i]->has_place;
    return taken;
}

/* False: all places are taken. */
static bool channel_take_place(const struct instance *in, struct channel *ch)
{
    if (!ch->has_place) ch->has_place = channels_placed(in) < (uint32_t)in->config.captures_max;
    return ch->has_place;
}

/* A check runs, or has failed. */
static bool channel_is_checking(const struct channel *ch)
{
    return ch->state == CHANNEL_PRECHECKING || ch->state == CHANNEL_STARTING;
}

static enum err channel_refuse(const struct channel *ch, enum channel_event event, struct err_msg *msg)
{
    return err_set(msg, ERR_STATE, "channel %s cannot %s while it is '%s'", ch->spec.name, channel_event_word(event),
                   channel_state_name(ch->state));
}

static enum err channel_save(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    channel_log_settle(ch);
    return channel_store_save(in->config.data_folder, &ch->spec, &ch->life, msg);
}

/* A change was refused, and the channel is as before: takes back what the disk may have of it all the same. */
static void channel_save_back(struct instance *in, struct channel *ch)
{
    struct err_msg why;
    if (channel_save(in, ch, &why) != ERR_OK) log_warn("control", "channel %s: %s", ch->spec.name, why.text);
}

static void channel_clear_error(struct channel *ch)
{
    ch->error = (struct err_msg){.code = ERR_OK};
    ch->error_since_ms = ch->retry.due_ns = ch->connecting_since_ns = 0;
}

static void channel_say_it_is_over(const struct channel *ch)
{
    log_error("control", "channel %s: no more attempts after 7 days; resume it by hand", ch->spec.name);
}

/* Remembers why, says it once, and plans the next attempt. */
static void channel_fail(struct instance *in, struct channel *ch, const struct err_msg *why)
{
    uint64_t now_ms = clock_realtime_ms(in->clock);
    struct err_msg error = *why;
    if (error.code == ERR_OK) error.code = ERR_STATE;
    err_complete(&error); /* for the log and for alerts, which have the sentence alone */
    if (ch->error_since_ms == 0) ch->error_since_ms = now_ms;
    if (strcmp(ch->error.text, error.text) != 0) log_error("control", "channel %s: %s", ch->spec.name, error.text);
    ch->error = error;
    bool moved = channel_apply(ch, CHANNEL_ON_FAILED);
    INVARIANT(moved);
    uint64_t now_ns = clock_monotonic_ns(in->clock);
    channel_retry_failed(&ch->retry, now_ns);
    if (!channel_retry_is_over(&ch->retry, now_ns)) return;
    if (ch->state != CHANNEL_DELETING) {
        channel_say_it_is_over(ch);
        return;
    }
    channel_retry_clear(&ch->retry); /* what was accepted is tried for ever */
    channel_retry_failed(&ch->retry, now_ns);
}

static void channel_stop_capture(struct channel *ch)
{
    if (ch->capture == NULL) return;
    capture_status(ch->capture, &ch->status);
    capture_stop(ch->capture);
    ch->capture = NULL;
    ch->connecting_since_ns = ch->streaming_since_ns = 0;
}

/* Opens the log without leaving it a producer, so that it is served. */
static enum err channel_open_log(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    TRY(channel_log_attach(in, ch, msg));
    channel_log_detach(in, ch);
    return ERR_OK;
}

/* It is started, and after a restart with a smaller captures_max others have all places: one that becomes free is its,
 * unless another channel's start comes first. */
static void channel_wait_for_place(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (ch->life.has_log && ch->log == NULL && channel_open_log(in, ch, &why) != ERR_OK) {
        channel_fail(in, ch, &why);
        return;
    }
    err_set(&why, ERR_TOO_LARGE,
            "%" PRId64 " channels are started, as many as captures_max allows: this one waits and goes on where its "
            "log ends; stop another channel, or raise captures_max and start millraced again",
            in->config.captures_max);
    channel_fail(in, ch, &why);
    channel_retry_clear(&ch->retry);
}

static void channel_not_begun(struct instance *in, struct channel *ch, const struct err_msg *why)
{
    channel_log_detach(in, ch);
    channel_fail(in, ch, why);
}

static void channel_begin_capture(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    INVARIANT(ch->capture == NULL);
    ch->capture_config.after_failure = ch->retry.is_failing;
    if (capture_start(&ch->capture, &ch->capture_config, ch->feed, &ch->resume, in->clock, in->counters, &why) ==
        ERR_OK)
        ch->has_resume = false; /* capture owns the GTID set now */
    else
        channel_not_begun(in, ch, &why);
}

/* Not Started -> capturing, once its log is created, opened or attached again, which a thread does.  On an error the
 * channel is in Error and will be tried again. */
static void channel_begin(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (!channel_take_place(in, ch)) {
        channel_wait_for_place(in, ch);
        return;
    }
    if (ch->state == CHANNEL_NOT_STARTED) {
        channel_clear_error(ch);
        bool moved = channel_apply(ch, CHANNEL_ON_BEGIN);
        INVARIANT(moved);
    }
    if (ch->is_attached)
        channel_begin_capture(in, ch);
    else if (channel_log_attach_begin(in, ch, &why) != ERR_OK)
        channel_not_begun(in, ch, &why);
}

static void channel_take_log(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (channel_log_attach_end(in, ch, &why) == ERR_OK)
        channel_begin_capture(in, ch);
    else
        channel_not_begun(in, ch, &why);
}

static enum err channel_begin_precheck(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    ch->precheck_is_stale = false;
    if (ch->precheck != NULL) return ERR_OK; /* the one under way answers */
    return precheck_start(&ch->precheck, &ch->capture_config, in->config.data_folder, CHANNEL_PRECHECK_TIMEOUT_S,
                          in->wake_fd, msg);
}

static void channel_take_verdict(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    enum err verdict = precheck_finish(ch->precheck, &ch->report, &why);
    ch->precheck = NULL;
    ch->checked_ms = clock_realtime_ms(in->clock);
    if (ch->precheck_is_stale || !channel_is_checking(ch)) return;
    if (verdict != ERR_OK) {
        log_warn("control", "channel %s: precheck failed: %s", ch->spec.name, why.text);
        channel_apply(ch, CHANNEL_ON_CHECK_FAILED);
        ch->error = why;
        ch->error_since_ms = clock_realtime_ms(in->clock);
        return;
    }
    channel_clear_error(ch);
    channel_apply(ch, CHANNEL_ON_CHECK_PASSED);
    if (!ch->life.is_checked) {
        ch->life.is_checked = true;
        if (channel_save(in, ch, &why) != ERR_OK) log_warn("control", "channel %s: %s", ch->spec.name, why.text);
    }
    if (ch->life.is_started) channel_begin(in, ch);
}

static enum err channel_new(struct instance *in, struct channel_spec *spec, struct channel **out, struct err_msg *msg)
{
    if (in->channel_count == (uint32_t)in->config.channels_max)
        return err_set(msg, ERR_TOO_LARGE, "there are %u channels already; raise channels_max (and see the memory it "
                       "takes)", in->channel_count);
    struct channel *ch = calloc(1, sizeof *ch);
    if (ch == NULL || history_new(&ch->history) != ERR_OK || waiter_init(&ch->producer_waiter) != ERR_OK) {
        if (ch != NULL) history_free(ch->history);
        free(ch);
        return err_set(msg, ERR_NO_MEMORY, "no memory or no descriptor for another channel");
    }
    ch->spec = *spec;
    *spec = (struct channel_spec){.port = 0};
    ch->gauges = channel_gauges_new(in->counters, ch->spec.name);
    ch->served_bytes = UINT64_MAX;
    channel_capture_config(&in->config, &ch->spec, &ch->capture_config);
    in->channel[in->channel_count++] = ch;
    *out = ch;
    return ERR_OK;
}

static void channel_free(struct instance *in, struct channel *ch)
{
    for (uint32_t i = 0; i < in->channel_count; i++) {
        if (in->channel[i] != ch) continue;
        memmove(&in->channel[i], &in->channel[i + 1], (in->channel_count - i - 1) * sizeof(struct channel *));
        in->channel_count--;
        break;
    }
    channel_gauges_free(ch->gauges);
    waiter_fini(&ch->producer_waiter);
    ch->next_leaving = in->leaving;
    in->leaving = ch;
    channel_reap(in, false);
}

void channel_reap(struct instance *in, bool wait)
{
    struct channel **link = &in->leaving;
    while (*link != NULL) {
        struct channel *ch = *link;
        if (ch->precheck != NULL && !wait && !precheck_is_done(ch->precheck)) {
            link = &ch->next_leaving;
            continue;
        }
        struct err_msg ignored;
        if (ch->precheck != NULL && precheck_finish(ch->precheck, NULL, &ignored) != ERR_OK)
            log_debug("control", "channel %s: the check of the deleted channel had failed", ch->spec.name);
        *link = ch->next_leaving;
        channel_spec_fini(&ch->spec);
        history_free(ch->history);
        free(ch);
    }
}

enum err channel_create(struct instance *in, struct channel_spec *spec, struct channel **out, struct err_msg *msg)
{
    enum err e = ERR_OK;
    const struct channel *other = instance_find_channel(in, spec->name);
    if (other != NULL && other->state == CHANNEL_DELETING && other->error.code != ERR_OK)
        e = err_set(msg, ERR_EXISTS, "the channel named %s is still being deleted (%s); wait until it is gone",
                    spec->name, other->error.text);
    else if (other != NULL && other->state == CHANNEL_DELETING)
        e = err_set(msg, ERR_EXISTS, "the channel named %s is still being deleted; wait until it is gone", spec->name);
    else if (other != NULL)
        e = err_set(msg, ERR_EXISTS, "a channel named %s exists already", spec->name);
    if (e == ERR_OK) e = channel_new(in, spec, out, msg);
    if (e != ERR_OK) {
        channel_spec_fini(spec);
        return e;
    }
    struct channel *ch = *out;
    channel_life_init(&ch->life);
    ch->state = CHANNEL_PRECHECKING;
    e = channel_save(in, ch, msg);
    if (e == ERR_OK) e = channel_begin_precheck(in, ch, msg);
    if (e == ERR_OK) {
        if (ch->spec.files[0] != '\0')
            log_info("control", "channel %s: created for the files in %s", ch->spec.name, ch->spec.files);
        else
            log_info("control", "channel %s: created for %s:%u", ch->spec.name, ch->spec.host,
                     (unsigned)ch->spec.port);
        return ERR_OK;
    }
    struct err_msg ignored;
    if (channel_store_remove(in->config.data_folder, ch->spec.name, &ignored) != ERR_OK)
        log_warn("control", "channel %s: %s", ch->spec.name, ignored.text);
    channel_free(in, ch);
    return e;
}

enum err channel_restore(struct instance *in, struct channel_spec *spec, const struct channel_life *life,
                         struct err_msg *msg)
{
    struct channel *ch;
    enum err e = channel_new(in, spec, &ch, msg);
    if (e != ERR_OK) {
        channel_spec_fini(spec);
        return e;
    }
    ch->life = *life;
    ch->deletion_is_noted = life->is_deleting;
    bool was_checked = life->is_checked || life->has_log;
    ch->state = life->is_deleting  ? CHANNEL_DELETING
                : was_checked      ? CHANNEL_NOT_STARTED
                : life->is_started ? CHANNEL_STARTING
                                   : CHANNEL_PRECHECKING;
    return ERR_OK;
}

enum err channels_restored(struct instance *in, struct err_msg *msg)
{
    for (uint32_t i = 0; i < in->channel_count; i++)
        if (in->channel[i]->life.is_started) channel_take_place(in, in->channel[i]);
    return channel_logs_open(in, channel_fail, msg);
}

void channel_go_on(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (channel_is_checking(ch) && channel_begin_precheck(in, ch, &why) != ERR_OK)
        ch->error = why;
    else if (ch->state == CHANNEL_NOT_STARTED && ch->life.is_started)
        channel_begin(in, ch);
    else if (ch->state == CHANNEL_DELETING)
        channel_retry_at_once(&ch->retry, clock_monotonic_ns(in->clock));
}

enum err channel_start(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (channel_state_next(ch->state, CHANNEL_ON_START) == CHANNEL_STATE_NONE)
        return channel_refuse(ch, CHANNEL_ON_START, msg);
    bool was_started = ch->life.is_started;
    if (!was_started && !channel_take_place(in, ch))
        return err_set(msg, ERR_TOO_LARGE,
                       "channel %s cannot start: %" PRId64 " channels are started, as many as captures_max allows; "
                       "stop another channel, or raise captures_max (and see the memory it takes) and start millraced "
                       "again",
                       ch->spec.name, in->config.captures_max);
    ch->life.is_started = true;
    enum err e = was_started ? ERR_OK : channel_save(in, ch, msg);
    if (e == ERR_OK) e = channel_begin_precheck(in, ch, msg);
    if (e != ERR_OK) {
        ch->life.is_started = was_started;
        if (was_started) return e;
        ch->has_place = false;
        channel_save_back(in, ch);
        return e;
    }
    channel_clear_error(ch);
    channel_retry_clear(&ch->retry);
    channel_apply(ch, CHANNEL_ON_START);
    return ERR_OK;
}

enum err channel_stop(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (channel_state_next(ch->state, CHANNEL_ON_STOP) == CHANNEL_STATE_NONE)
        return channel_refuse(ch, CHANNEL_ON_STOP, msg);
    if (ch->life.is_started) {
        ch->life.is_started = false;
        enum err e = channel_save(in, ch, msg);
        if (e != ERR_OK) {
            ch->life.is_started = true;
            channel_save_back(in, ch);
            return e;
        }
    }
    ch->precheck_is_stale = true;
    channel_stop_capture(ch);
    ch->has_place = false;
    channel_log_detach(in, ch);
    channel_clear_error(ch);
    channel_apply(ch, CHANNEL_ON_STOP);
    return ERR_OK;
}

enum err channel_select(struct instance *in, struct channel *ch, const json_t *body, struct err_msg *msg)
{
    struct channel_spec before;
    if (ch->precheck != NULL)
        return err_set(msg, ERR_STATE, "channel %s: its source is being checked; try again in a moment", ch->spec.name);
    TRY(channel_spec_select(body, &ch->spec, &before, msg));
    enum err e = ERR_OK;
    for (char **p = ch->spec.include; e == ERR_OK && *p != NULL; p++) e = filter_check(*p, msg);
    for (char **p = ch->spec.exclude; e == ERR_OK && *p != NULL; p++) e = filter_check(*p, msg);
    if (e == ERR_OK) e = channel_save(in, ch, msg); /* first: what capture does is never ahead of what is stored */
    if (e == ERR_OK && ch->capture != NULL)
        e = capture_select(ch->capture, (const char *const *)ch->spec.include, (const char *const *)ch->spec.exclude,
                           msg);
    if (e != ERR_OK) {
        struct channel_spec refused = {.include = ch->spec.include, .exclude = ch->spec.exclude};
        ch->spec.include = before.include;
        ch->spec.exclude = before.exclude;
        channel_spec_fini(&refused);
        channel_save_back(in, ch);
        return e;
    }
    channel_spec_fini(&before);
    channel_capture_config(&in->config, &ch->spec, &ch->capture_config);
    log_info("control", "channel %s: its objects were changed", ch->spec.name);
    return ERR_OK;
}

enum err channel_compress(struct instance *in, struct channel *ch, const json_t *body, struct err_msg *msg)
{
    enum compression codec, before = ch->spec.compression;
    if (ch->precheck != NULL)
        return err_set(msg, ERR_STATE, "channel %s: its source is being checked; try again in a moment", ch->spec.name);
    TRY(channel_spec_compress(body, &codec, msg));
    ch->spec.compression = codec;
    enum err e = channel_save(in, ch, msg);
    if (e != ERR_OK) {
        ch->spec.compression = before;
        channel_save_back(in, ch);
        return e;
    }
    ch->capture_config.compression = codec;
    if (ch->capture != NULL) capture_compress(ch->capture, codec);
    channel_log_compress(ch);
    log_info("control", "channel %s: compression of the batches to come: %s", ch->spec.name, compression_name(codec));
    return ERR_OK;
}

/* What a channel's log and consumers rest on stays; where to start, while nothing is logged. */
static enum err channel_check_fixed(const struct channel *ch, const json_t *body, struct err_msg *msg)
{
    static const char *const fixed[] = {"name", "format", "visible", NULL};
    for (size_t i = 0; fixed[i] != NULL; i++)
        if (json_object_get(body, fixed[i]) != NULL)
            return err_set(msg, ERR_INVALID, "%s cannot be changed; make another channel", fixed[i]);
    if (ch->life.has_log && json_object_get(body, "start_at") != NULL)
        return err_set(msg, ERR_INVALID, "start_at cannot be changed any more: the channel goes on where its log ends");
    return ERR_OK;
}

/* A capture that runs, or waits to be tried again, goes on with what is there now. */
static void channel_begin_anew(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    ch->precheck_is_stale = true;
    if (channel_is_checking(ch)) {
        channel_clear_error(ch);
        if (channel_begin_precheck(in, ch, &why) != ERR_OK) ch->error = why;
    } else if (ch->state == CHANNEL_NORMAL) {
        channel_begin(in, ch);
    } else if (ch->state == CHANNEL_ERROR) {
        channel_retry_at_once(&ch->retry, clock_monotonic_ns(in->clock));
    }
}

enum err channel_reconfigure(struct instance *in, struct channel *ch, const json_t *body, struct err_msg *msg)
{
    struct channel_spec fresh, before;
    if (channel_state_next(ch->state, CHANNEL_ON_RECONFIGURE) == CHANNEL_STATE_NONE)
        return channel_refuse(ch, CHANNEL_ON_RECONFIGURE, msg);
    if (ch->precheck != NULL)
        return err_set(msg, ERR_STATE, "channel %s: its source is being checked; try again in a moment", ch->spec.name);
    TRY(channel_check_fixed(ch, body, msg));
    TRY(channel_spec_merge(&ch->spec, body, &fresh, msg));
    enum err e = ERR_OK;
    for (char **p = fresh.include; e == ERR_OK && *p != NULL; p++) e = filter_check(*p, msg);
    for (char **p = fresh.exclude; e == ERR_OK && *p != NULL; p++) e = filter_check(*p, msg);
    if (e != ERR_OK) {
        channel_spec_fini(&fresh);
        return e;
    }
    channel_log_settle(ch);
    e = channel_store_save(in->config.data_folder, &fresh, &ch->life, msg);
    if (e != ERR_OK) {
        channel_spec_fini(&fresh);
        channel_save_back(in, ch);
        return e;
    }
    if (ch->state == CHANNEL_NORMAL || ch->state == CHANNEL_ERROR) { /* capture borrows the words of before */
        channel_stop_capture(ch);
        channel_log_detach(in, ch);
    }
    before = ch->spec;
    ch->spec = fresh;
    channel_spec_fini(&before);
    channel_capture_config(&in->config, &ch->spec, &ch->capture_config);
    channel_log_compress(ch);
    log_info("control", "channel %s: was reconfigured", ch->spec.name);
    channel_begin_anew(in, ch);
    return ERR_OK;
}

enum err channel_resume(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (channel_state_next(ch->state, CHANNEL_ON_RESUME) == CHANNEL_STATE_NONE)
        return channel_refuse(ch, CHANNEL_ON_RESUME, msg);
    channel_apply(ch, CHANNEL_ON_RESUME);
    if (channel_is_checking(ch)) {
        channel_clear_error(ch);
        return channel_begin_precheck(in, ch, msg);
    }
    channel_stop_capture(ch); /* it may be waiting to connect */
    channel_log_detach(in, ch);
    channel_retry_at_once(&ch->retry, clock_monotonic_ns(in->clock)); /* seven more days */
    return ERR_OK;
}

/* The rest of a deletion that was accepted; true: nothing is left, and `ch` is freed.  Else it is tried again. */
static bool channel_end_deletion(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (channel_erase(in, ch, msg) != ERR_OK) {
        struct err_msg ignored; /* the log may be gone already, which made room */
        if (!ch->deletion_is_noted) ch->deletion_is_noted = channel_save(in, ch, &ignored) == ERR_OK;
        channel_fail(in, ch, msg);
        return false;
    }
    channel_apply(ch, CHANNEL_ON_DELETED);
    log_info("control", "channel %s: deleted", ch->spec.name);
    char label[CHANNEL_NAME_MAX + 16];
    snprintf(label, sizeof label, "channel=%s", ch->spec.name);
    channel_free(in, ch);
    counters_remove(in->counters, label);
    return true;
}

enum err channel_delete(struct instance *in, struct channel *ch, struct err_msg *msg)
{
    if (channel_state_next(ch->state, CHANNEL_ON_DELETE) == CHANNEL_STATE_NONE)
        return channel_refuse(ch, CHANNEL_ON_DELETE, msg);
    channel_log_settle(ch); /* it changes what is taken back below */
    struct channel_life before = ch->life;
    ch->life.is_deleting = true;
    ch->life.is_started = false;
    /* First: whatever comes now, the deletion is ended and not undone. */
    enum err noted = ch->deletion_is_noted ? ERR_OK : channel_save(in, ch, msg);
    ch->deletion_is_noted = noted == ERR_OK;
    if (noted != ERR_OK && noted != ERR_NO_SPACE && !before.is_deleting) { /* what is deleted makes room */
        ch->life = before;
        channel_save_back(in, ch);
        return noted;
    }
    ch->precheck_is_stale = true;
    channel_stop_capture(ch);
    ch->has_place = false;
    channel_log_detach(in, ch);
    channel_clear_error(ch);
    channel_retry_clear(&ch->retry);
    channel_apply(ch, CHANNEL_ON_DELETE);
    if (channel_end_deletion(in, ch, msg) || ch->deletion_is_noted) return ERR_OK;
    struct err_msg why = *msg;
    return err_within(msg, ERR_NO_SPACE, &why, "the deletion of channel %s goes on, but is not noted yet and would be "
                      "undone by a restart; free some space on the disk of data_folder", ch->spec.name);
}

/* Consumers of a channel with `visible: written` saw what neither a crash has left nor the source has any more. */
static void channel_renew_log(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (channel_log_renew(in, ch, &why) != ERR_OK) {
        log_error("control", "channel %s: no new leader epoch could be noted: %s", ch->spec.name, why.text);
        return;
    }
    log_error("control",
              "channel %s: records that consumers saw before the crash cannot be sent again by the source; the log "
              "goes on with leader epoch %u and cluster id %s: offsets of before are not comparable",
              ch->spec.name, (unsigned)log_identity(ch->log)->leader_epoch, ch->life.cluster_id);
}

/* Capture has ended, or its log has: clean up behind it. */
static void channel_take_end(struct instance *in, struct channel *ch, const struct err_msg *log_error)
{
    channel_stop_capture(ch); /* refreshes ch->status for the last time */
    struct err_msg why = log_error->code != ERR_OK ? *log_error : ch->status.error;
    /* Once silently; when it happens again before the channel was healthy, with the pauses of a failure. */
    bool reattach = ch->status.wants_reattach && log_error->code == ERR_OK && !ch->retry.is_failing;
    /* What is wrong with a folder of files is mended by copying them: they can still be sent again. */
    bool cannot_resend = ch->log != NULL && log_is_resending(ch->log) && ch->spec.files[0] == '\0' &&
                         (why.code == ERR_SOURCE_HISTORY || why.code == ERR_SOURCE_PURGED);
    channel_log_detach(in, ch);
    if (cannot_resend) channel_renew_log(in, ch);
    if (!reattach) {
        if (why.text[0] == '\0')
            err_set(&why, why.code == ERR_OK ? ERR_STATE : why.code, "capture ended: %s", err_text(why.code));
        channel_fail(in, ch, &why);
        return;
    }
    log_info("control", "channel %s: the source took back a transaction; the log goes on behind the one before",
             ch->spec.name);
    channel_retry_note(&ch->retry, clock_monotonic_ns(in->clock));
    channel_begin(in, ch);
}

static void channel_follow_capture(struct instance *in, struct channel *ch, uint64_t now_ns)
{
    struct err_msg log_error = {.code = ERR_OK};
    capture_status(ch->capture, &ch->status);
    if (storage_log_error(ch->log, &log_error) != ERR_OK || ch->status.state == CAPTURE_ENDED) {
        channel_take_end(in, ch, &log_error);
        return;
    }
    if (ch->status.state == CAPTURE_CONNECTING) {
        bool waits = ch->status.error.code == ERR_AGAIN; /* files are being copied */
        if (ch->status.error.code == ERR_OK || waits) return;
        ch->streaming_since_ns = 0;
        if (ch->connecting_since_ns == 0) ch->connecting_since_ns = now_ns;
        bool is_long = now_ns - ch->connecting_since_ns > (uint64_t)CHANNEL_UNREACHABLE_MS * 1000000;
        if (is_long && ch->state != CHANNEL_ERROR)
            channel_fail(in, ch, &ch->status.error); /* capture itself tries on */
        if (is_long) {
            ch->error = ch->status.error;
            err_complete(&ch->error); /* an alert has the sentence alone */
        }
        if (is_long && channel_retry_is_over(&ch->retry, now_ns)) {
            channel_say_it_is_over(ch);
            channel_stop_capture(ch);
            channel_log_detach(in, ch);
            ch->retry.due_ns = 0;
        }
        return;
    }
    if (ch->error.code != ERR_OK) {
        log_info("control", "channel %s: the source answers again", ch->spec.name);
        channel_clear_error(ch);
    }
    ch->connecting_since_ns = 0;
    if (ch->streaming_since_ns == 0) ch->streaming_since_ns = now_ns;
    if (now_ns - ch->streaming_since_ns > (uint64_t)CHANNEL_HEALTHY_MS * 1000000) channel_retry_clear(&ch->retry);
    channel_apply(ch, ch->status.state == CAPTURE_AT_TAIL ? CHANNEL_ON_CAUGHT_UP : CHANNEL_ON_STREAMING);
}

/* One more second for the charts. */
static void channel_remember(struct instance *in, struct channel *ch, uint64_t now_ns, double seconds)
{
    struct history_group group[HISTORY_GROUPS_MAX];
    uint64_t since_ms = (clock_monotonic_ns(in->clock) - now_ns) / 1000000; /* the turn may have taken a while */
    struct history_sample sample = {.time_ms = clock_realtime_ms(in->clock) - since_ms,
                                    .rows_per_s = ch->rates.row_changes_per_s,
                                    .delay_ms = channel_delay_ms(in, ch), .groups = group};
    uint32_t count = 0;
    ch->groups.is_known = in->dataplane != NULL;
    if (in->dataplane != NULL) {
        count = dataplane_groups(in->dataplane, ch->spec.name, in->groups, CHANNEL_GROUPS_MAX);
        channel_groups_look(in, ch->spec.name, in->groups, count, &ch->groups);
    }
    if (ch->log != NULL && in->dataplane != NULL) {
        uint64_t served = dataplane_served_bytes(in->dataplane, ch->log), end = log_high_watermark(ch->log);
        if (served >= ch->served_bytes) /* else serving was started anew */
            sample.bytes_out_per_s = (double)(served - ch->served_bytes) / seconds;
        ch->served_bytes = served;
        for (uint32_t i = 0; i < count && i < HISTORY_GROUPS_MAX; i++) {
            uint64_t at = in->groups[i].committed_offset;
            if (at == UINT64_MAX) continue;
            group[sample.group_count++] = (struct history_group){in->groups[i].group_id, at < end ? end - at : 0};
        }
    }
    history_add(ch->history, &sample);
}

static void channel_sample_rates(struct instance *in, struct channel *ch, uint64_t now_ns)
{
    struct channel_rates *r = &ch->rates;
    uint64_t elapsed_ns = now_ns - r->sampled_ns;
    if (elapsed_ns < (uint64_t)CHANNEL_RATE_PERIOD_MS * 1000000) return;
    uint64_t records = ch->log == NULL ? 0 : log_high_watermark(ch->log);
    uint64_t bytes = ch->log == NULL ? 0 : log_size_bytes(ch->log);
    uint64_t rows = ch->status.row_changes;
    double seconds = (double)elapsed_ns / 1e9;
    bool is_first = r->sampled_ns == 0;
    r->row_changes_per_s = is_first || rows < r->row_changes ? 0 : (double)(rows - r->row_changes) / seconds;
    r->records_per_s = is_first || records < r->records ? 0 : (double)(records - r->records) / seconds;
    r->bytes_per_s = is_first || bytes < r->bytes ? 0 : (double)(bytes - r->bytes) / seconds;
    *r = (struct channel_rates){now_ns, rows, records, bytes, r->row_changes_per_s, r->records_per_s, r->bytes_per_s};
    channel_gauges_set(ch->gauges, in, ch);
    channel_remember(in, ch, now_ns, seconds);
}

/* A stopped channel whose log could not be opened: tries that again. */
static void channel_reopen(struct instance *in, struct channel *ch)
{
    struct err_msg why = {.code = ERR_OK};
    if (channel_open_log(in, ch, &why) != ERR_OK) {
        channel_fail(in, ch, &why);
        return;
    }
    channel_clear_error(ch);
    channel_retry_clear(&ch->retry);
    channel_apply(ch, CHANNEL_ON_STOP);
}

void channel_tick(struct instance *in, struct channel *ch, uint64_t now_ns)
{
    if (ch->precheck != NULL && precheck_is_done(ch->precheck)) channel_take_verdict(in, ch);
    if (ch->state == CHANNEL_DELETING && channel_retry_is_due(&ch->retry, now_ns)) {
        struct err_msg why = {.code = ERR_OK};
        if (channel_end_deletion(in, ch, &why)) return;
    }
    bool waited = ch->state == CHANNEL_ERROR && ch->life.is_started && !ch->has_place;
    if (ch->attaching != NULL) {
        if (channel_log_is_ready(ch)) channel_take_log(in, ch);
    } else if (ch->capture != NULL)
        channel_follow_capture(in, ch, now_ns);
    else if ((waited && channel_take_place(in, ch)) ||
             (ch->state == CHANNEL_ERROR && channel_retry_is_due(&ch->retry, now_ns))) {
        if (ch->life.is_started)
            channel_begin(in, ch);
        else
            channel_reopen(in, ch);
    }
    if (ch->served_bytes == UINT64_MAX && ch->log != NULL && in->dataplane != NULL)
        ch->served_bytes = dataplane_served_bytes(in->dataplane, ch->log); /* what others had before it in its slot */
    channel_sample_rates(in, ch, now_ns);
}

void channel_shut_down(struct instance *in, struct channel *ch)
{
    channel_stop_capture(ch);
    channel_log_leave(in, ch);
    channel_free(in, ch);
}
