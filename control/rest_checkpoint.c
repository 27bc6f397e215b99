/* PUT /v1/channels/NAME/groups/ID/checkpoint: where a group reads on, by offset, by time, or one of the log's ends.  As
 * with Kafka's tools a group that has members is refused: they go on from where they are, and commit that. */
#include <string.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "control/channel.h"
#include "control/json_take.h"
#include "control/log_lookup.h"
#include "control/rest.h"

static enum err offset_by_time(const struct instance *in, struct channel *ch, const json_t *value, uint64_t *offset,
                               struct err_msg *msg)
{
    int64_t time_ms;
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value) || !rfc3339_parse(text, &time_ms))
        return err_set(msg, ERR_INVALID, "time must be like \"2026-11-21T20:00:00Z\" or "
                       "\"2026-11-22T04:00:00+08:00\"");
    enum err e = log_lookup_offset(in->lookup, ch->log, time_ms, offset);
    if (e == ERR_NOT_FOUND) { /* all that is there is older: what comes next is not */
        *offset = log_high_watermark(ch->log);
        return ERR_OK;
    }
    return e == ERR_OK ? ERR_OK : err_set(msg, ERR_IO, "the log could not be searched for that time: %s", err_text(e));
}

static enum err offset_by_number(struct channel *ch, const json_t *value, uint64_t *offset, struct err_msg *msg)
{
    uint64_t start = log_start_offset(ch->log), end = log_high_watermark(ch->log);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0)
        return err_set(msg, ERR_INVALID, "offset must be a whole number from 0 on");
    if ((uint64_t)number < start || (uint64_t)number > end)
        return err_set(msg, ERR_INVALID, "offset must lie in the log, which now reaches from %llu to %llu",
                       (unsigned long long)start, (unsigned long long)end);
    *offset = (uint64_t)number;
    return ERR_OK;
}

static enum err offset_by_word(struct channel *ch, const json_t *value, uint64_t *offset, struct err_msg *msg)
{
    const char *word = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(word, "earliest") == 0)
        *offset = log_start_offset(ch->log);
    else if (strcmp(word, "latest") == 0)
        *offset = log_high_watermark(ch->log);
    else
        return err_set(msg, ERR_INVALID, "to must be \"earliest\" or \"latest\"");
    return ERR_OK;
}

static enum err take_offset(const struct instance *in, struct channel *ch, const json_t *body, uint64_t *offset,
                            struct err_msg *msg)
{
    static const char *const keys[] = {"offset", "time", "to", NULL};
    TRY(json_only_keys(body, keys, "the body", msg));
    if (json_object_size(body) != 1)
        return err_set(msg, ERR_INVALID, "the body must have one of offset, time and to");
    if (ch->log == NULL) return err_set(msg, ERR_STATE, "channel %s has no log yet", ch->spec.name);
    const json_t *value = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)body));
    if (json_object_get(body, "offset") != NULL) return offset_by_number(ch, value, offset, msg);
    if (json_object_get(body, "time") != NULL) return offset_by_time(in, ch, value, offset, msg);
    return offset_by_word(ch, value, offset, msg);
}

static enum err move(struct instance *in, const struct channel *ch, const char *id, uint64_t offset,
                     struct err_msg *msg)
{
    if (in->dataplane == NULL)
        return err_set(msg, ERR_NO_MEMORY, "groups cannot commit now: %s", in->offsets_error.text);
    enum err e = dataplane_move_checkpoint(in->dataplane, id, ch->spec.name, offset);
    switch (e) {
    case ERR_OK: return ERR_OK;
    case ERR_STATE:
        return err_set(msg, e, "group %s has active members, who would go on from where they are: stop them, or wait "
                       "until their session has timed out, and try again", id);
    case ERR_NO_MEMORY: return err_set(msg, e, "there is no room for another group or checkpoint: see groups_max");
    default: return err_set(msg, e, "the checkpoint of group %s could not be stored: %s", id, err_text(e));
    }
}

void rest_checkpoint_move(struct instance *in, const struct rest_request *request, const char *name,
                          struct rest_response *out)
{
    uint64_t offset = 0;
    struct err_msg msg = {.code = ERR_OK};
    struct channel *ch = rest_find_channel(in, name, out);
    if (ch == NULL || !rest_group_is_known(in, ch, request->item, out)) return;
    json_t *body = rest_body_json(request, out);
    if (body == NULL) return;
    enum err e = take_offset(in, ch, body, &offset, &msg);
    json_decref(body);
    if (e == ERR_OK) e = move(in, ch, request->item, offset, &msg);
    if (e != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    log_info("control", "channel %s: the checkpoint of group %s was moved to offset %llu", name, request->item,
             (unsigned long long)offset);
    rest_group_answer(in, ch, request->item, 200, out);
}
