/* /v1/channels/NAME/objects: which tables a channel follows: shown, replaced (PUT), or changed by what is added and
 * removed (PATCH), which is done here so that two people who change them at once do not undo each other. */
#include <string.h>

#include "control/channel.h"
#include "control/json_take.h"
#include "control/rest.h"

static json_t *objects_json(const struct channel *ch)
{
    json_t *spec = channel_spec_json(&ch->spec, false);
    json_t *tables = json_incref(json_object_get(spec, "tables"));
    json_decref(spec);
    return tables;
}

static size_t index_of(const json_t *list, const json_t *text)
{
    size_t i = 0;
    while (i < json_array_size(list) && !json_equal(json_array_get(list, i), text)) i++;
    return i;
}

/* Adds what is not there, or removes what must be. */
static enum err change_list(json_t *list, const char *which, const json_t *patterns, bool adds, struct err_msg *msg)
{
    const json_t *pattern;
    size_t i;
    if (!json_is_array(patterns))
        return err_set(msg, ERR_INVALID, "%s.%s must be a list of patterns", adds ? "add" : "remove", which);
    json_array_foreach((json_t *)(uintptr_t)patterns, i, pattern)
    {
        size_t at = index_of(list, pattern);
        bool has = at < json_array_size(list);
        if (!json_is_string(pattern))
            return err_set(msg, ERR_INVALID, "%s.%s must be a list of strings", adds ? "add" : "remove", which);
        if (!adds && !has)
            return err_set(msg, ERR_STATE, "'%.200s' is not one of the channel's %s patterns",
                           json_string_value(pattern), which);
        if (!adds)
            json_array_remove(list, at);
        else if (!has)
            json_array_append(list, (json_t *)(uintptr_t)pattern);
    }
    return ERR_OK;
}

static enum err change_lists(json_t *objects, const json_t *body, const char *verb, struct err_msg *msg)
{
    static const char *const lists[] = {"include", "exclude", NULL};
    const json_t *said = json_object_get(body, verb);
    if (said == NULL) return ERR_OK;
    TRY(json_only_keys(said, lists, verb, msg));
    for (size_t i = 0; lists[i] != NULL; i++) {
        const json_t *patterns = json_object_get(said, lists[i]);
        if (patterns != NULL)
            TRY(change_list(json_object_get(objects, lists[i]), lists[i], patterns, strcmp(verb, "add") == 0, msg));
    }
    return ERR_OK;
}

/* Stores and applies `objects`, which it takes over. */
static void select_objects(struct instance *in, struct channel *ch, json_t *objects, struct rest_response *out)
{
    struct err_msg msg = {.code = ERR_OK};
    json_t *change = json_pack("{s:o}", "tables", objects);
    enum err e = change == NULL ? err_set(&msg, ERR_NO_MEMORY, "no memory") : channel_select(in, ch, change, &msg);
    json_decref(change);
    if (e != ERR_OK)
        rest_error(out, &msg);
    else
        rest_json(out, 200, objects_json(ch));
}

void rest_objects_get(struct instance *in, const struct rest_request *request, const char *name,
                      struct rest_response *out)
{
    (void)request;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch != NULL) rest_json(out, 200, objects_json(ch));
}

void rest_objects_replace(struct instance *in, const struct rest_request *request, const char *name,
                          struct rest_response *out)
{
    struct channel *ch = rest_find_channel(in, name, out);
    json_t *body = ch == NULL ? NULL : rest_body_json(request, out);
    if (body != NULL) select_objects(in, ch, body, out);
}

void rest_objects_change(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    static const char *const verbs[] = {"add", "remove", NULL};
    struct err_msg msg = {.code = ERR_OK};
    struct channel *ch = rest_find_channel(in, name, out);
    json_t *body = ch == NULL ? NULL : rest_body_json(request, out);
    if (body == NULL) return;
    json_t *objects = objects_json(ch);
    enum err e = json_only_keys(body, verbs, "the change", &msg);
    for (size_t i = 0; e == ERR_OK && verbs[i] != NULL; i++) e = change_lists(objects, body, verbs[i], &msg);
    json_decref(body);
    if (e != ERR_OK) {
        json_decref(objects);
        rest_error(out, &msg);
        return;
    }
    select_objects(in, ch, objects, out);
}
