#include "control/alert/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/durable_file.h"
#include "control/json_take.h"

enum { ALERTS_FORMAT = 1, ALERTS_FILE_BYTES_MAX = 64 << 20 };

enum err alert_rules_parse(const json_t *list, struct alert_rule out[ALERT_RULES_MAX], uint32_t *count,
                           struct err_msg *msg)
{
    *count = 0;
    if (!json_is_array(list) || json_array_size(list) > ALERT_RULES_MAX)
        return err_set(msg, ERR_INVALID, "rules must be a list of at most %d rules", ALERT_RULES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        TRY(alert_rule_parse(json_array_get(list, i), &out[i], msg));
        for (size_t k = 0; k < i; k++)
            if (strcmp(out[k].id, out[i].id) == 0)
                return err_set(msg, ERR_INVALID, "two rules have the id %s", out[i].id);
        (*count)++;
    }
    return ERR_OK;
}

/* --- rules and targets --- */

static enum err save_json(const char *path, json_t *file, struct err_msg *msg)
{
    char *text = file == NULL ? NULL : json_dumps(file, JSON_INDENT(1));
    json_decref(file);
    if (text == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to save %s", path);
    enum err e = durable_file_replace(path, text, msg);
    explicit_bzero(text, strlen(text));
    free(text);
    return e;
}

enum err alert_store_save(const struct alerts *a, const struct alert_target *targets, uint32_t target_count,
                          struct err_msg *msg)
{
    json_t *list = json_array(), *channels = json_object();
    for (uint32_t i = 0; i < target_count; i++)
        json_array_append_new(list, alert_target_json(&targets[i], ALERT_TARGET_WHOLE));
    for (uint32_t i = 0; i < a->channel_count; i++) {
        const struct alert_channel *ch = a->channel[i];
        json_t *rules = json_array();
        for (uint32_t k = 0; k < ch->rule_count; k++) {
            json_t *rule = alert_rule_json(&ch->rule[k]);
            json_object_del(rule, "unit"); /* told, not taken */
            json_array_append_new(rules, rule);
        }
        if (ch->rule_count > 0)
            json_object_set_new(channels, ch->name, rules);
        else
            json_decref(rules);
    }
    return save_json(a->path, json_pack("{s:i, s:o, s:o}", "format", ALERTS_FORMAT, "targets", list, "channels",
                                        channels), msg);
}

/* NULL with ERR_OK: there is no file. */
static enum err load_json(const char *path, json_t **out, struct err_msg *msg)
{
    struct stat st;
    json_error_t why;
    int64_t format;
    *out = NULL;
    if (stat(path, &st) != 0) return errno == ENOENT ? ERR_OK : durable_file_error(msg, "read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > ALERTS_FILE_BYTES_MAX)
        return err_set(msg, ERR_CORRUPT, "%s is not a file of alerts", path);
    *out = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (*out == NULL) return err_set(msg, ERR_CORRUPT, "%s, line %d: it is not JSON", path, why.line);
    enum err e = json_take_number(*out, "format", "format", 1, INT32_MAX, -1, &format, msg);
    if (e == ERR_OK && format < 1) e = err_set(msg, ERR_CORRUPT, "%s has no format", path);
    if (e == ERR_OK && format > ALERTS_FORMAT)
        e = err_set(msg, ERR_NEWER_FORMAT, "%s has format %lld, this version knows %d", path, (long long)format,
                    ALERTS_FORMAT);
    if (e == ERR_OK) return ERR_OK;
    json_decref(*out);
    *out = NULL;
    return e;
}

static enum err take_channels(struct alerts *a, const json_t *channels, struct err_msg *msg)
{
    const char *name;
    json_t *rules;
    if (!json_is_object(channels)) return err_set(msg, ERR_CORRUPT, "channels must be an object");
    json_object_foreach((json_t *)(uintptr_t)channels, name, rules)
    {
        struct alert_channel *ch = strlen(name) <= ACCOUNT_CHANNEL_MAX ? alert_channel_take(a, name) : NULL;
        if (ch == NULL) return err_set(msg, ERR_CORRUPT, "no channel can be called '%.32s'", name);
        TRY(alert_rules_parse(rules, ch->rule, &ch->rule_count, msg));
    }
    return ERR_OK;
}

enum err alert_store_load(struct alerts *a, struct alert_target *targets, uint32_t *target_count, struct err_msg *msg)
{
    json_t *file;
    struct err_msg why = {.code = ERR_OK};
    *target_count = 0;
    TRY(load_json(a->path, &file, msg));
    if (file == NULL) return ERR_OK;
    const json_t *list = json_object_get(file, "targets");
    enum err e = json_is_array(list) && json_array_size(list) <= ALERT_TARGETS_MAX
                     ? ERR_OK : err_set(&why, ERR_CORRUPT, "targets must be a list");
    for (size_t i = 0; i < json_array_size(list) && e == ERR_OK; i++)
        e = alert_target_parse(json_array_get(list, i), NULL, &targets[(*target_count)++], &why);
    if (e == ERR_OK) e = take_channels(a, json_object_get(file, "channels"), &why);
    json_decref(file);
    return e == ERR_OK ? ERR_OK
                       : err_set(msg, ERR_CORRUPT, "%s: %.300s; mend it, or move it away and set the alerts again",
                                 a->path, why.text);
}

/* --- what fires, what waits --- */

struct waiting_list {
    json_t *list;
    const char *target;
};

static void add_waiting(void *context, const struct alert_notice *n)
{
    const struct waiting_list *to = context;
    if (n->state != ALERT_NOTICE_TEST)
        json_array_append_new(to->list, json_pack("{s:s, s:o}", "target", to->target, "notice", alert_notice_json(n)));
}

enum err alert_store_save_state(const struct alerts *a, struct err_msg *msg)
{
    json_t *firing = json_array(), *waiting = json_array();
    for (uint32_t i = 0; i < a->channel_count; i++)
        for (uint32_t k = 0; k < a->channel[i]->subject_count; k++) {
            const struct alert_subject *s = &a->channel[i]->subject[k];
            if (!s->watch.is_firing) continue;
            json_array_append_new(firing, json_pack("{s:s, s:s, s:s, s:I}", "channel", a->channel[i]->name, "rule",
                                                    s->rule, "group", s->group, "since_ms",
                                                    (json_int_t)s->watch.since_ms));
        }
    for (uint32_t i = 0; i < a->sender_count; i++) {
        struct waiting_list to = {waiting, alert_sender_target(a->sender[i])->id};
        alert_sender_waiting(a->sender[i], add_waiting, &to);
    }
    return save_json(a->state_path, json_pack("{s:i, s:o, s:o}", "format", ALERTS_FORMAT, "firing", firing, "waiting",
                                              waiting), msg);
}

static enum err take_firing(struct alerts *a, const json_t *from, struct err_msg *msg)
{
    char channel[ACCOUNT_CHANNEL_MAX + 1];
    struct alert_subject s = {.watch.is_firing = true};
    int64_t since_ms;
    TRY(json_take_text(from, "channel", "channel", 1, sizeof channel - 1, NULL, channel, msg));
    TRY(json_take_text(from, "rule", "rule", 1, sizeof s.rule - 1, NULL, s.rule, msg));
    TRY(json_take_text(from, "group", "group", 0, sizeof s.group - 1, "", s.group, msg));
    TRY(json_take_number(from, "since_ms", "since_ms", 0, INT64_MAX, 0, &since_ms, msg));
    struct alert_channel *ch = alert_channel_take(a, channel);
    struct alert_subject *at = ch == NULL ? NULL : alert_subject_take(ch, s.rule, s.group);
    if (at == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory");
    at->watch = s.watch;
    at->watch.since_ms = (uint64_t)since_ms;
    return ERR_OK;
}

static enum err take_waiting(struct alerts *a, const json_t *from, struct err_msg *msg)
{
    char target[ALERT_ID_MAX + 1];
    struct alert_notice n;
    TRY(json_take_text(from, "target", "target", 1, sizeof target - 1, NULL, target, msg));
    TRY(alert_notice_parse(json_object_get(from, "notice"), &n, msg));
    for (uint32_t i = 0; i < a->sender_count; i++)
        if (strcmp(alert_sender_target(a->sender[i])->id, target) == 0) alert_sender_put(a->sender[i], &n);
    return ERR_OK;
}

enum err alert_store_load_state(struct alerts *a, struct err_msg *msg)
{
    json_t *file;
    TRY(load_json(a->state_path, &file, msg));
    const json_t *firing = json_object_get(file, "firing"), *waiting = json_object_get(file, "waiting");
    enum err worst = ERR_OK; /* one that is damaged does not take the others with it */
    for (size_t i = 0; i < json_array_size(firing); i++) {
        enum err e = take_firing(a, json_array_get(firing, i), msg);
        if (e != ERR_OK) worst = e;
    }
    for (size_t i = 0; i < json_array_size(waiting); i++) {
        enum err e = take_waiting(a, json_array_get(waiting, i), msg);
        if (e != ERR_OK) worst = e;
    }
    json_decref(file);
    return worst;
}
