#include "control/alert/target.h"

#include <stddef.h>
#include <string.h>

#include "control/json_take.h"

static const char *const kind_words[ALERT_TARGET_KIND_COUNT] = {"webhook", "mail", "command"};

static enum err take_flag(const json_t *from, const char *key, bool fallback, bool *out, struct err_msg *msg)
{
    const json_t *value = json_object_get(from, key);
    *out = value == NULL ? fallback : json_is_true(value);
    if (value != NULL && !json_is_boolean(value)) return err_set(msg, ERR_INVALID, "%s must be true or false", key);
    return ERR_OK;
}

/* A URL of these schemes, with a host, and without a user and password in it (they would show up in logs). */
static enum err take_url(const json_t *from, const char *scheme, const char *secure, char *out, struct err_msg *msg)
{
    TRY(json_take_text(from, "url", "url", 1, ALERT_URL_MAX, NULL, out, msg));
    const char *host = strstr(out, "://");
    size_t size = host == NULL ? 0 : (size_t)(host - out);
    bool fits = (size == strlen(scheme) && strncmp(out, scheme, size) == 0) ||
                (size == strlen(secure) && strncmp(out, secure, size) == 0);
    size_t authority = fits ? strcspn(host + 3, "/?#") : 0;
    if (!fits || authority == 0 || strpbrk(out, " \"<>\\^`{|}") != NULL)
        return err_set(msg, ERR_INVALID, "url must begin with %s:// or %s:// and name a host", scheme, secure);
    if (memchr(host + 3, '@', authority) != NULL)
        return err_set(msg, ERR_INVALID, "url must not hold a user or a password: give them as fields of their own");
    return ERR_OK;
}

static enum err take_secret(const json_t *from, const struct alert_target *known, struct alert_target *out,
                            struct err_msg *msg)
{
    bool stays = known != NULL && json_object_get(from, "secret") == NULL && known->kind == out->kind &&
                 strcmp(known->url, out->url) == 0; /* never sent to somebody else */
    return json_take_text(from, "secret", "secret", 0, ALERT_SECRET_MAX, stays ? known->secret : "", out->secret, msg);
}

static enum err check_address(const char *text, const char *label, struct err_msg *msg)
{
    const char *at = strrchr(text, '@');
    if (at == NULL || at == text || at[1] == '\0' || strpbrk(text, " <>(),;:\"[]\\") != NULL)
        return err_set(msg, ERR_INVALID, "%s must be a mail address like ops@example.com", label);
    return ERR_OK;
}

static enum err take_mail(const json_t *from, struct alert_target *out, struct err_msg *msg)
{
    TRY(take_url(from, "smtp", "smtps", out->url, msg));
    TRY(json_take_text(from, "user", "user", 0, ALERT_SECRET_MAX, "", out->user, msg));
    TRY(json_take_text(from, "from", "from", 1, ALERT_ADDRESS_MAX, NULL, out->from, msg));
    TRY(check_address(out->from, "from", msg));
    TRY(take_flag(from, "must_encrypt", false, &out->must_encrypt, msg));
    const json_t *list = json_object_get(from, "to");
    size_t count = json_array_size(list);
    if (count == 0 || count > ALERT_RECIPIENTS_MAX)
        return err_set(msg, ERR_INVALID, "to must be a list of 1 to %d mail addresses", ALERT_RECIPIENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || strlen(text) > ALERT_ADDRESS_MAX || strpbrk(text, "\r\n") != NULL)
            return err_set(msg, ERR_INVALID, "to must be a list of mail addresses");
        TRY(check_address(text, "each of to", msg));
        memcpy(out->to[out->to_count++], text, strlen(text) + 1);
    }
    return ERR_OK;
}

static enum err take_program(const json_t *from, struct alert_target *out, struct err_msg *msg)
{
    TRY(json_take_text(from, "program", "program", 1, ALERT_PROGRAM_MAX, NULL, out->program, msg));
    if (!account_word_is_legal(out->program, ALERT_PROGRAM_MAX) || out->program[0] == '.')
        return err_set(msg, ERR_INVALID,
                       "program must be the name of a file in alert_programs_folder: letters, digits, '.', '_', '-'");
    return ERR_OK;
}

static enum err take_kind(const json_t *from, enum alert_target_kind *out, struct err_msg *msg)
{
    const char *word = json_string_value(json_object_get(from, "kind"));
    for (int kind = 0; word != NULL && kind < ALERT_TARGET_KIND_COUNT; kind++)
        if (strcmp(kind_words[kind], word) == 0) {
            *out = (enum alert_target_kind)kind;
            return ERR_OK;
        }
    return err_set(msg, ERR_INVALID, "a target's kind must be webhook, mail or command");
}

enum err alert_target_parse(const json_t *from, const struct alert_target *known, struct alert_target *out,
                            struct err_msg *msg)
{
    static const char *const keys[ALERT_TARGET_KIND_COUNT][11] = {
        {"id", "kind", "is_on", "has_secret", "url", "secret", NULL},
        {"id", "kind", "is_on", "has_secret", "url", "secret", "user", "from", "to", "must_encrypt", NULL},
        {"id", "kind", "is_on", "has_secret", "program", NULL},
    };
    *out = (struct alert_target){.is_on = true};
    TRY(take_kind(from, &out->kind, msg));
    TRY(json_only_keys(from, keys[out->kind], "a target", msg));
    TRY(json_take_text(from, "id", "a target's id", 1, ALERT_ID_MAX, NULL, out->id, msg));
    if (!account_word_is_legal(out->id, ALERT_ID_MAX))
        return err_set(msg, ERR_INVALID, "a target's id may have letters, digits, '.', '_' and '-'");
    bool had_secret;
    TRY(take_flag(from, "is_on", true, &out->is_on, msg));
    TRY(take_flag(from, "has_secret", false, &had_secret, msg)); /* as we have told it */
    if (out->kind == ALERT_PROGRAM) return take_program(from, out, msg);
    if (out->kind == ALERT_MAIL)
        TRY(take_mail(from, out, msg));
    else
        TRY(take_url(from, "http", "https", out->url, msg));
    return take_secret(from, known, out, msg);
}

int alert_url_origin(const char *url)
{
    const char *host = strstr(url, "://");
    return host == NULL ? 0 : (int)(host + 3 - url + (ptrdiff_t)strcspn(host + 3, "/?#"));
}

json_t *alert_target_json(const struct alert_target *t, enum alert_target_view view)
{
    json_t *made = json_pack("{s:s, s:s, s:b}", "id", t->id, "kind", kind_words[t->kind], "is_on", t->is_on);
    if (t->kind == ALERT_PROGRAM) {
        json_object_set_new(made, "program", json_string(t->program));
        return made;
    }
    size_t shown = view == ALERT_TARGET_IN_OUTLINE ? (size_t)alert_url_origin(t->url) : strlen(t->url);
    json_object_set_new(made, "url", json_stringn(t->url, shown));
    if (view == ALERT_TARGET_WHOLE)
        json_object_set_new(made, "secret", json_string(t->secret));
    else
        json_object_set_new(made, "has_secret", json_boolean(t->secret[0] != '\0'));
    if (t->kind == ALERT_WEBHOOK) return made;
    json_t *to = json_array();
    for (unsigned i = 0; i < t->to_count; i++) json_array_append_new(to, json_string(t->to[i]));
    json_object_set_new(made, "user", json_string(t->user));
    json_object_set_new(made, "from", json_string(t->from));
    json_object_set_new(made, "to", to);
    json_object_set_new(made, "must_encrypt", json_boolean(t->must_encrypt));
    return made;
}
