#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "control/channel.h"
#include "control/channel_delay.h"
#include "control/history.h"
#include "control/rest.h"

struct channel *rest_find_channel(struct instance *in, const char *name, struct rest_response *out)
{
    struct channel *ch = instance_find_channel(in, name);
    if (ch == NULL) rest_problem(out, 404, "there is no channel %s", name);
    return ch;
}

/* Where the source was followed to when it went wrong; a fault in a file of ours is named by its cause. */
static json_t *error_position_json(const struct capture_status *s)
{
    if (s->file[0] == '\0') return json_null();
    return json_pack("{s:o, s:I, s:o}", "file", rest_foreign_text(s->file), "position", (json_int_t)s->position, "gtid",
                     rest_foreign_text(s->gtid));
}

static json_t *error_json(const struct instance *in, const struct channel *ch)
{
    const struct err_msg *e = &ch->error;
    bool is_transient = false;
    if (e->code == ERR_OK && ch->capture != NULL &&
        ch->status.error.code != ERR_OK) { /* reconnecting, not an Error yet */
        e = &ch->status.error;
        is_transient = true;
    }
    if (e->code == ERR_OK) return json_null();
    struct err_msg whole = *e;
    char cause[sizeof whole.text];
    err_complete(&whole);
    snprintf(cause, sizeof cause, "%.*s", err_cause_bytes(&whole), whole.text);
    json_t *error = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "kind", err_text(e->code), "text",
                              rest_foreign_text(whole.text), "cause", rest_foreign_text(cause), "position",
                              error_position_json(&ch->status), "what_to_do", rest_foreign_text(err_what_to_do(&whole)),
                              "is_transient", is_transient || ch->capture != NULL);
    if (ch->error_since_ms != 0) json_object_set_new(error, "since_ms", json_integer((json_int_t)ch->error_since_ms));
    uint64_t now_ns = clock_monotonic_ns(in->clock);
    if (ch->capture == NULL && ch->retry.due_ns != 0)
        json_object_set_new(
            error, "next_attempt_in_ms",
            json_integer(ch->retry.due_ns <= now_ns ? 0 : (json_int_t)((ch->retry.due_ns - now_ns) / 1000000)));
    return error;
}

static json_t *operations_json(const struct channel *ch)
{
    static const enum channel_event people[] = {CHANNEL_ON_START, CHANNEL_ON_STOP, CHANNEL_ON_RESUME,
                                                CHANNEL_ON_DELETE, CHANNEL_ON_RECONFIGURE};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof people / sizeof *people; i++)
        if (channel_state_next(ch->state, people[i]) != CHANNEL_STATE_NONE)
            json_array_append_new(list, json_string(channel_event_word(people[i])));
    return list;
}

static const char *capture_word(const struct channel *ch)
{
    if (ch->capture == NULL) return "none";
    switch (ch->status.state) {
    case CAPTURE_CONNECTING: return ch->status.error.code == ERR_AGAIN ? "waiting for files" : "connecting";
    case CAPTURE_CATCHING_UP: return "catching up";
    case CAPTURE_AT_TAIL: return "at tail";
    case CAPTURE_ENDED: break;
    }
    return "ended";
}

static json_t *log_json(const struct channel *ch)
{
    if (ch->log == NULL) return json_null();
    uint64_t start = log_start_offset(ch->log), end = log_high_watermark(ch->log);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "start_offset", (json_int_t)start, "high_watermark",
                     (json_int_t)end, "records", (json_int_t)(end - start), "bytes",
                     (json_int_t)log_size_bytes(ch->log), "leader_epoch",
                     (json_int_t)log_identity(ch->log)->leader_epoch, "is_resending", log_is_resending(ch->log));
}

json_t *rest_foreign_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL) return value;
    char *copy = strdup(text);
    if (copy != NULL) utf8_make_printable(copy);
    value = json_string(copy == NULL ? "?" : copy);
    free(copy);
    return value;
}

static json_t *status_json(const struct instance *in, const struct channel *ch)
{
    const struct capture_status *s = &ch->status;
    int64_t delay_ms = channel_delay_ms(in, ch);
    json_t *source = json_pack(
        "{s:s, s:s, s:i, s:o, s:o, s:o, s:I, s:o, s:I}", "connection", capture_word(ch), "host", ch->spec.host,
        "port", (int)ch->spec.port, "server_version", rest_foreign_text(s->server_version), "server_uuid",
        rest_foreign_text(s->server_uuid), "file", rest_foreign_text(s->file), "position", (json_int_t)s->position,
        "gtid", rest_foreign_text(s->gtid), "event_time_s", (json_int_t)s->event_timestamp_s);
    json_object_set_new(source, "delay_ms", delay_ms < 0 ? json_null() : json_integer((json_int_t)delay_ms));
    json_object_set_new(source, "clock_skew_ms",
                        s->clock_is_known ? json_integer((json_int_t)s->clock_skew_ms) : json_null());
    if (ch->spec.files[0] != '\0') json_object_set_new(source, "files", json_string(ch->spec.files));
    json_t *captured = json_pack("{s:I, s:I, s:I}", "row_changes", (json_int_t)s->row_changes, "transactions",
                                 (json_int_t)s->transactions, "records", (json_int_t)s->records);
    json_t *rates = json_pack("{s:f, s:f, s:f}", "row_changes_per_s", ch->rates.row_changes_per_s, "records_per_s",
                              ch->rates.records_per_s, "bytes_per_s", ch->rates.bytes_per_s);
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", ch->spec.name, "state",
                     channel_state_name(ch->state), "is_started", ch->life.is_started, "error", error_json(in, ch),
                     "operations", operations_json(ch), "source", source, "captured", captured, "rates", rates, "log",
                     log_json(ch), "groups", channel_groups_json(in, &ch->groups, ch->log));
}

void rest_channels_list(struct instance *in, const struct rest_request *request, const char *name,
                        struct rest_response *out)
{
    (void)request, (void)name;
    json_t *list = json_array();
    for (uint32_t i = 0; i < in->channel_count; i++) json_array_append_new(list, status_json(in, in->channel[i]));
    rest_json(out, 200, json_pack("{s:o}", "channels", list));
}

json_t *rest_body_json(const struct rest_request *request, struct rest_response *out)
{
    json_error_t why;
    json_t *body =
        json_loadb(request->body == NULL ? "" : request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &why);
    const char *there = body == NULL ? strstr(why.text, " near ") : NULL; /* what is there may be a password */
    if (body == NULL)
        rest_problem(out, 400, "the body is not JSON: line %d, column %d: %.*s", why.line, why.column,
                     there == NULL ? (int)strlen(why.text) : (int)(there - why.text), why.text);
    return body;
}

void rest_channels_create(struct instance *in, const struct rest_request *request, const char *name,
                          struct rest_response *out)
{
    (void)name;
    json_t *body = rest_body_json(request, out);
    if (body == NULL) return;
    struct channel_spec spec;
    struct channel *ch = NULL;
    struct err_msg msg = {.code = ERR_OK};
    enum err e = channel_spec_parse(body, &spec, &msg);
    json_decref(body);
    if (e == ERR_OK) e = channel_create(in, &spec, &ch, &msg);
    if (e != ERR_OK)
        rest_error(out, &msg);
    else
        rest_json(out, 201, status_json(in, ch));
}

static json_t *definition_json(const struct channel *ch)
{
    json_t *body = channel_spec_json(&ch->spec, false);
    json_object_set_new(body, "state", json_string(channel_state_name(ch->state)));
    json_object_set_new(body, "cluster_id", json_string(ch->life.cluster_id));
    return body;
}

void rest_channel_get(struct instance *in, const struct rest_request *request, const char *name,
                      struct rest_response *out)
{
    (void)request;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch != NULL) rest_json(out, 200, definition_json(ch));
}

/* The operations answer with the status as it is now; what takes longer shows there later. */
static void operate(struct instance *in, const char *name, struct rest_response *out,
                    enum err (*operation)(struct instance *, struct channel *, struct err_msg *))
{
    struct channel *ch = rest_find_channel(in, name, out);
    struct err_msg msg = {.code = ERR_OK};
    if (ch == NULL) return;
    if (operation(in, ch, &msg) != ERR_OK)
        rest_error(out, &msg);
    else
        rest_json(out, 202, status_json(in, ch));
}

void rest_channel_start(struct instance *in, const struct rest_request *request, const char *name,
                        struct rest_response *out)
{
    (void)request;
    operate(in, name, out, channel_start);
}

void rest_channel_stop(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)request;
    operate(in, name, out, channel_stop);
}

void rest_channel_resume(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)request;
    operate(in, name, out, channel_resume);
}

void rest_channel_change(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    struct channel *ch = rest_find_channel(in, name, out);
    struct err_msg msg = {.code = ERR_OK};
    json_t *body = ch == NULL ? NULL : rest_body_json(request, out);
    if (body == NULL) return;
    bool is_one = json_object_size(body) == 1; /* what can be changed without beginning anew */
    enum err e;
    if (is_one && json_object_get(body, "tables") != NULL) e = channel_select(in, ch, body, &msg);
    else if (is_one && json_object_get(body, "compression") != NULL) e = channel_compress(in, ch, body, &msg);
    else e = channel_reconfigure(in, ch, body, &msg);
    json_decref(body);
    if (e != ERR_OK)
        rest_error(out, &msg);
    else
        rest_json(out, 200, definition_json(ch));
}

void rest_channel_delete(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)request;
    struct channel *ch = rest_find_channel(in, name, out);
    struct err_msg msg = {.code = ERR_OK};
    if (ch == NULL) return;
    if (channel_delete(in, ch, &msg) != ERR_OK)
        rest_error(out, &msg);
    else if (instance_find_channel(in, name) != NULL)
        rest_json(out, 202, status_json(in, ch));
    else
        *out = (struct rest_response){.status = 204};
}

void rest_channel_status(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)request;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch != NULL) rest_json(out, 200, status_json(in, ch));
}

/* ?seconds=: how far back */
void rest_channel_history(struct instance *in, const struct rest_request *request, const char *name,
                          struct rest_response *out)
{
    uint64_t seconds;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch == NULL || !rest_query_number(request, "seconds", HISTORY_SAMPLES, HISTORY_SAMPLES, &seconds, out)) return;
    rest_json(out, 200, history_json(ch->history, (uint32_t)seconds));
}

/* What the last precheck found, item by item. */
void rest_channel_precheck(struct instance *in, const struct rest_request *request, const char *name,
                           struct rest_response *out)
{
    (void)request;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch == NULL) return;
    unsigned counts[PRECHECK_SKIPPED + 1] = {0};
    json_t *items = json_array();
    for (uint32_t i = 0; i < ch->report.count; i++) {
        const struct precheck_item *item = &ch->report.item[i];
        counts[item->verdict]++;
        json_array_append_new(items, json_pack("{s:s, s:s, s:o, s:o, s:o}", "item", item->name, "verdict",
                                               precheck_verdict_name(item->verdict), "found",
                                               rest_foreign_text(item->found), "mend", rest_foreign_text(item->mend),
                                               "sql", rest_foreign_text(item->sql)));
    }
    const char *verdict = counts[PRECHECK_FAILURE] > 0 ? "failure" : counts[PRECHECK_WARNING] > 0 ? "warning" : "pass";
    rest_json(out, 200, json_pack("{s:s, s:b, s:o, s:o, s:o}", "channel", name, "is_running", ch->precheck != NULL,
                                  "checked_ms", ch->checked_ms == 0 ? json_null()
                                                                    : json_integer((json_int_t)ch->checked_ms),
                                  "verdict", ch->checked_ms == 0 ? json_null() : json_string(verdict), "items", items));
}
