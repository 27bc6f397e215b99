#include "control/alert/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "control/alert/store.h"
#include "control/json_take.h"

static const struct alert_rule *find_rule(const struct alert_channel *ch, const char *id)
{
    for (uint32_t i = 0; i < ch->rule_count; i++)
        if (strcmp(ch->rule[i].id, id) == 0) return &ch->rule[i];
    return NULL;
}

static struct alert_channel *find_channel(const struct alerts *a, const char *channel)
{
    for (uint32_t i = 0; i < a->channel_count; i++)
        if (strcmp(a->channel[i]->name, channel) == 0) return a->channel[i];
    return NULL;
}

const struct alert_channel *alerts_find_channel(const struct alerts *a, const char *channel)
{
    return find_channel(a, channel);
}

struct alert_channel *alert_channel_take(struct alerts *a, const char *channel)
{
    struct alert_channel *found = find_channel(a, channel);
    if (found != NULL) return found;
    struct alert_channel **list = realloc(a->channel, (a->channel_count + 1) * sizeof(struct alert_channel *));
    if (list == NULL) return NULL;
    a->channel = list;
    found = calloc(1, sizeof *found);
    if (found == NULL) return NULL;
    snprintf(found->name, sizeof found->name, "%s", channel);
    a->channel[a->channel_count++] = found;
    return found;
}

static void channel_drop(struct alerts *a, struct alert_channel *ch)
{
    for (uint32_t i = 0; i < a->channel_count; i++)
        if (a->channel[i] == ch) {
            memmove(&a->channel[i], &a->channel[i + 1], (a->channel_count - i - 1) * sizeof(struct alert_channel *));
            a->channel_count--;
            break;
        }
    free(ch->subject);
    free(ch);
}

struct alert_subject *alert_subject_take(struct alert_channel *ch, const char *rule, const char *group)
{
    for (uint32_t i = 0; i < ch->subject_count; i++)
        if (strcmp(ch->subject[i].rule, rule) == 0 && strcmp(ch->subject[i].group, group) == 0) return &ch->subject[i];
    if (ch->subject_count == ch->subject_room) {
        uint32_t room = ch->subject_room == 0 ? 8 : 2 * ch->subject_room;
        struct alert_subject *list = realloc(ch->subject, room * sizeof *list);
        if (list == NULL) return NULL;
        ch->subject = list;
        ch->subject_room = room;
    }
    struct alert_subject *made = &ch->subject[ch->subject_count++];
    *made = (struct alert_subject){.round = 0};
    snprintf(made->rule, sizeof made->rule, "%s", rule);
    snprintf(made->group, sizeof made->group, "%s", group);
    return made;
}

/* --- opening, closing --- */

static enum err senders_start(struct alerts *a, const struct alert_target *targets, uint32_t count)
{
    for (; a->sender_count < count; a->sender_count++)
        TRY(alert_sender_start(&a->sender[a->sender_count], &targets[a->sender_count], a->programs_folder, a->clock,
                               a->wake_fd));
    return ERR_OK;
}

enum err alerts_open(struct alerts *a, const char *data_folder, const char *programs_folder, const struct clock *clock,
                     int wake_fd, struct err_msg *msg)
{
    struct err_msg why = {.code = ERR_OK};
    uint32_t count = 0;
    *a = (struct alerts){.programs_folder = programs_folder, .clock = clock, .wake_fd = wake_fd, .log = json_array()};
    if (snprintf(a->path, sizeof a->path, "%s/alerts.json", data_folder) >= (int)sizeof a->path ||
        snprintf(a->state_path, sizeof a->state_path, "%s/alerts-state.json", data_folder) >= (int)sizeof a->state_path)
        return err_set(msg, ERR_INVALID, "the path of data_folder is too long: %.100s...", data_folder);
    struct alert_target *targets = calloc(ALERT_TARGETS_MAX, sizeof *targets);
    if (targets == NULL || a->log == NULL) {
        free(targets);
        return err_set(msg, ERR_NO_MEMORY, "no memory for alerts");
    }
    enum err e = alert_store_load(a, targets, &count, msg);
    if (e == ERR_OK && senders_start(a, targets, count) != ERR_OK)
        e = err_set(msg, ERR_NO_MEMORY, "no memory for the senders of alerts");
    explicit_bzero(targets, ALERT_TARGETS_MAX * sizeof *targets);
    free(targets);
    if (e == ERR_OK && alert_store_load_state(a, &why) != ERR_OK)
        log_error("control", "alerts-state.json is damaged; what of it cannot be read is found out anew: %s", why.text);
    return e;
}

void alerts_close(struct alerts *a)
{
    struct err_msg msg = {.code = ERR_OK};
    if (a->log != NULL && a->state_is_dirty && alert_store_save_state(a, &msg) != ERR_OK)
        log_error("control", "which alerts fire could not be saved: %s", msg.text);
    alert_senders_stop(a->sender, a->sender_count);
    while (a->channel_count > 0) channel_drop(a, a->channel[a->channel_count - 1]);
    free(a->channel);
    json_decref(a->log);
    *a = (struct alerts){.wake_fd = -1};
}

/* --- telling --- */

static json_t *log_entry(const struct alerts *a, const char *notice)
{
    for (size_t i = json_array_size(a->log); i-- > 0;) {
        json_t *entry = json_array_get(a->log, i);
        if (strcmp(json_string_value(json_object_get(entry, "id")), notice) == 0) return entry;
    }
    return NULL;
}

static void log_add(struct alerts *a, const struct alert_notice *n)
{
    json_t *entry = alert_notice_json(n);
    if (entry == NULL) return;
    json_object_set_new(entry, "deliveries", json_array());
    json_array_append_new(a->log, entry);
    if (json_array_size(a->log) > ALERT_LOG_MAX) json_array_remove(a->log, 0);
}

static void log_delivery(struct alerts *a, const char *notice, const char *target, const char *outcome,
                         unsigned attempts, const char *error)
{
    json_t *entry = log_entry(a, notice), *list = entry == NULL ? NULL : json_object_get(entry, "deliveries");
    if (list == NULL) return;
    json_t *now = json_pack("{s:s, s:s, s:i, s:s}", "target", target, "outcome", outcome, "attempts", (int)attempts,
                            "error", error);
    for (size_t i = 0; now != NULL && i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(list, i), "target")), target) == 0) {
            json_array_set_new(list, i, now);
            return;
        }
    if (now != NULL) json_array_append_new(list, now);
}

static void put(struct alerts *a, struct alert_sender *s, const struct alert_notice *n)
{
    alert_sender_put(s, n);
    log_delivery(a, n->id, alert_sender_target(s)->id, "waiting", 0, "");
}

static void tell(struct alerts *a, const struct alert_channel *ch, const struct alert_rule *rule,
                 const struct alert_subject *s, const char *why)
{
    struct alert_notice n;
    alert_notice_make(&n, ch->name, rule, s->group, &s->watch, clock_realtime_ms(a->clock), why);
    log_add(a, &n);
    log_line(n.state == ALERT_NOTICE_FIRING ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "control", "alert %s: %s (rule %s)",
             alert_notice_state_word(n.state), n.text, n.rule);
    for (uint32_t i = 0; i < a->sender_count; i++)
        if (alert_sender_target(a->sender[i])->is_on) put(a, a->sender[i], &n);
    a->state_is_dirty = true;
}

/* It fires, but nobody asks any more. */
static void end_firing(struct alerts *a, const struct alert_channel *ch, const struct alert_rule *rule,
                       struct alert_subject *s)
{
    if (!s->watch.is_firing) return;
    s->watch.is_firing = false;
    s->watch.value = ALERT_NOTHING_BAD;
    if (rule != NULL) tell(a, ch, rule, s, "");
    a->state_is_dirty = true;
}

enum err alerts_test(struct alerts *a, const char *target, struct err_msg *msg)
{
    for (uint32_t i = 0; i < a->sender_count; i++) {
        const struct alert_target *t = alert_sender_target(a->sender[i]);
        struct alert_notice n;
        if (strcmp(t->id, target) != 0) continue;
        if (!t->is_on) return err_set(msg, ERR_STATE, "the target %s is switched off", target);
        alert_notice_make_test(&n, clock_realtime_ms(a->clock));
        log_add(a, &n);
        put(a, a->sender[i], &n);
        return ERR_OK;
    }
    return err_set(msg, ERR_NOT_FOUND, "there is no target %s", target);
}

/* --- rounds --- */

void alerts_round_begin(struct alerts *a) { a->round++; }

void alerts_observe(struct alerts *a, const char *channel, const struct alert_rule *rule, const char *group,
                    int64_t value, const char *why)
{
    char subject[ALERT_GROUP_MAX + 1];
    snprintf(subject, sizeof subject, "%s", group);
    utf8_make_printable(subject);
    struct alert_channel *ch = find_channel(a, channel);
    struct alert_subject *s = ch == NULL ? NULL : alert_subject_take(ch, rule->id, subject);
    if (s == NULL) return; /* no memory: looked at again in a second */
    s->round = a->round;
    if (value == ALERT_UNKNOWN) return;
    uint64_t now_ns = clock_monotonic_ns(a->clock), now_ms = clock_realtime_ms(a->clock);
    if (alert_watch_step(&s->watch, rule, value, now_ns, now_ms) != ALERT_STAYS) tell(a, ch, rule, s, why);
}

void alerts_keep(struct alerts *a, const char *channel)
{
    const struct alert_channel *ch = find_channel(a, channel);
    for (uint32_t i = 0; ch != NULL && i < ch->subject_count; i++) ch->subject[i].round = a->round;
}

static void forget_unseen(struct alerts *a, struct alert_channel *ch)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ch->subject_count; i++) {
        struct alert_subject *s = &ch->subject[i];
        if (s->round == a->round)
            ch->subject[kept++] = *s;
        else
            end_firing(a, ch, find_rule(ch, s->rule), s);
    }
    ch->subject_count = kept;
}

static void take_results(struct alerts *a)
{
    static const char *const words[] = {"delivered", "trying again", "given up"};
    struct alert_result r;
    for (uint32_t i = 0; i < a->sender_count; i++)
        while (alert_sender_take(a->sender[i], &r)) {
            const char *target = alert_sender_target(a->sender[i])->id;
            log_delivery(a, r.notice, target, words[r.outcome], r.attempts, r.error.text);
            if (r.outcome != ALERT_TRIES_AGAIN) a->state_is_dirty = true;
            if (r.outcome == ALERT_GIVEN_UP)
                log_error("control", "alert target %s: a notice is given up: %s", target, r.error.text);
            else if (r.outcome == ALERT_TRIES_AGAIN && r.attempts == 1) /* once a notice, not once a try */
                log_warn("control", "alert target %s: %s; it is tried again for a day", target, r.error.text);
        }
}

void alerts_round_end(struct alerts *a)
{
    struct err_msg msg = {.code = ERR_OK};
    for (uint32_t i = a->channel_count; i-- > 0;) {
        struct alert_channel *ch = a->channel[i];
        forget_unseen(a, ch);
        if (ch->rule_count == 0 && ch->subject_count == 0) channel_drop(a, ch);
    }
    take_results(a);
    if (!a->state_is_dirty) return;
    if (alert_store_save_state(a, &msg) == ERR_OK) {
        a->state_is_dirty = a->state_is_unsaved = false;
    } else if (!a->state_is_unsaved) {
        log_error("control", "which alerts fire could not be saved: %s", msg.text);
        a->state_is_unsaved = true;
    }
}

/* --- changing --- */

static enum err save(const struct alerts *a, struct err_msg *msg)
{
    struct alert_target *targets = calloc(ALERT_TARGETS_MAX, sizeof *targets);
    if (targets == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to save the alerts");
    for (uint32_t i = 0; i < a->sender_count; i++) targets[i] = *alert_sender_target(a->sender[i]);
    enum err e = alert_store_save(a, targets, a->sender_count, msg);
    explicit_bzero(targets, ALERT_TARGETS_MAX * sizeof *targets);
    free(targets);
    return e;
}

/* Does the new rule ask what the old one asked? Its threshold may be another: the next measure tells. */
static bool asks_the_same(const struct alert_rule *was, const struct alert_rule *now)
{
    return now != NULL && now->is_on && was->kind == now->kind && strcmp(was->group, now->group) == 0;
}

enum err alerts_set_rules(struct alerts *a, const char *channel, const json_t *body, struct err_msg *msg)
{
    static const char *const keys[] = {"rules", NULL};
    TRY(json_only_keys(body, keys, "the body", msg));
    struct alert_channel *ch = alert_channel_take(a, channel);
    struct alert_channel *was = calloc(1, sizeof *was), *now = calloc(1, sizeof *now);
    enum err e = ch == NULL || was == NULL || now == NULL ? err_set(msg, ERR_NO_MEMORY, "no memory") : ERR_OK;
    if (e == ERR_OK) e = alert_rules_parse(json_object_get(body, "rules"), now->rule, &now->rule_count, msg);
    if (e == ERR_OK) {
        *was = *ch;
        memcpy(ch->rule, now->rule, sizeof ch->rule);
        ch->rule_count = now->rule_count;
        e = save(a, msg);
        if (e != ERR_OK) {
            memcpy(ch->rule, was->rule, sizeof ch->rule);
            ch->rule_count = was->rule_count;
        }
    }
    for (uint32_t i = 0; e == ERR_OK && i < ch->subject_count; i++) {
        const struct alert_rule *before = find_rule(was, ch->subject[i].rule);
        if (before != NULL && !asks_the_same(before, find_rule(ch, ch->subject[i].rule)))
            end_firing(a, ch, before, &ch->subject[i]);
    }
    free(was);
    free(now);
    return e;
}

static enum err targets_parse(const struct alerts *a, const json_t *list, struct alert_target *out, uint32_t *count,
                              struct err_msg *msg)
{
    if (!json_is_array(list) || json_array_size(list) > ALERT_TARGETS_MAX)
        return err_set(msg, ERR_INVALID, "targets must be a list of at most %d targets", ALERT_TARGETS_MAX);
    for (*count = 0; *count < json_array_size(list); (*count)++) {
        const json_t *from = json_array_get(list, *count);
        const char *id = json_string_value(json_object_get(from, "id"));
        const struct alert_target *known = NULL;
        for (uint32_t i = 0; id != NULL && i < a->sender_count; i++)
            if (strcmp(alert_sender_target(a->sender[i])->id, id) == 0) known = alert_sender_target(a->sender[i]);
        TRY(alert_target_parse(from, known, &out[*count], msg));
        for (uint32_t i = 0; i < *count; i++)
            if (strcmp(out[i].id, out[*count].id) == 0)
                return err_set(msg, ERR_INVALID, "two targets have the id %s", out[i].id);
        if (out[*count].kind == ALERT_PROGRAM && a->programs_folder[0] == '\0')
            return err_set(msg, ERR_INVALID, "target %s: programs are not allowed: set alert_programs_folder in the "
                           "configuration", out[*count].id);
    }
    return ERR_OK;
}

static void pass_on(void *context, const struct alert_notice *n) { alert_sender_put(context, n); }

/* Every sender anew: what waits goes from the old one of a target to its new one. */
static enum err senders_replace(struct alerts *a, const struct alert_target *targets, uint32_t count)
{
    struct alert_sender *old[ALERT_TARGETS_MAX];
    uint32_t old_count = a->sender_count;
    memcpy(old, a->sender, sizeof old);
    a->sender_count = 0;
    enum err e = senders_start(a, targets, count);
    for (uint32_t i = 0; e == ERR_OK && i < a->sender_count; i++)
        for (uint32_t k = 0; k < old_count; k++)
            if (targets[i].is_on && strcmp(alert_sender_target(old[k])->id, targets[i].id) == 0)
                alert_sender_waiting(old[k], pass_on, a->sender[i]);
    if (e == ERR_OK) {
        alert_senders_stop(old, old_count);
    } else {
        alert_senders_stop(a->sender, a->sender_count);
        memcpy(a->sender, old, sizeof old);
        a->sender_count = old_count;
    }
    a->state_is_dirty = true;
    return e;
}

enum err alerts_set_targets(struct alerts *a, const json_t *body, struct err_msg *msg)
{
    static const char *const keys[] = {"targets", NULL};
    TRY(json_only_keys(body, keys, "the body", msg));
    uint32_t count = 0;
    struct alert_target *targets = calloc(ALERT_TARGETS_MAX, sizeof *targets);
    if (targets == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory");
    enum err e = targets_parse(a, json_object_get(body, "targets"), targets, &count, msg);
    take_results(a); /* of the senders that are about to go */
    if (e == ERR_OK) e = alert_store_save(a, targets, count, msg);
    if (e == ERR_OK && senders_replace(a, targets, count) != ERR_OK) {
        struct err_msg why;
        e = err_set(msg, ERR_NO_MEMORY, "no memory for the senders; the former targets stand");
        if (save(a, &why) != ERR_OK) err_set(msg, ERR_NO_MEMORY, "no memory for the senders until the next start");
    }
    explicit_bzero(targets, ALERT_TARGETS_MAX * sizeof *targets);
    free(targets);
    return e;
}

enum err alerts_forget_channel(struct alerts *a, const char *channel, struct err_msg *msg)
{
    struct alert_channel *ch = find_channel(a, channel);
    if (ch == NULL) return ERR_OK;
    uint32_t count = ch->rule_count;
    ch->rule_count = 0;
    enum err e = save(a, msg);
    if (e != ERR_OK) {
        ch->rule_count = count;
        return e;
    }
    channel_drop(a, ch);
    a->state_is_dirty = true;
    return ERR_OK;
}

/* --- showing --- */

json_t *alerts_rules_json(const struct alerts *a, const char *channel)
{
    const struct alert_channel *ch = find_channel(a, channel);
    json_t *rules = json_array(), *state = json_array();
    for (uint32_t i = 0; ch != NULL && i < ch->rule_count; i++)
        json_array_append_new(rules, alert_rule_json(&ch->rule[i]));
    for (uint32_t i = 0; ch != NULL && i < ch->subject_count; i++) {
        const struct alert_subject *s = &ch->subject[i];
        json_array_append_new(state, json_pack("{s:s, s:s, s:b, s:o, s:o}", "rule", s->rule, "group", s->group,
                                               "is_firing", s->watch.is_firing, "since_ms",
                                               s->watch.is_firing ? json_integer((json_int_t)s->watch.since_ms)
                                                                  : json_null(),
                                               "value", s->watch.value == ALERT_NOTHING_BAD
                                                            ? json_null() : json_integer(s->watch.value)));
    }
    return json_pack("{s:o, s:o}", "rules", rules, "state", state);
}

json_t *alerts_targets_json(const struct alerts *a, enum alert_target_view view)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->sender_count; i++)
        json_array_append_new(list, alert_target_json(alert_sender_target(a->sender[i]), view));
    return json_pack("{s:o}", "targets", list);
}

uint32_t alerts_firing(const struct alerts *a, const char *channel)
{
    const struct alert_channel *ch = find_channel(a, channel);
    uint32_t firing = 0;
    for (uint32_t i = 0; ch != NULL && i < ch->subject_count; i++) firing += ch->subject[i].watch.is_firing ? 1 : 0;
    return firing;
}
