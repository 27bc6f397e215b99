/* /v1/tokens: who may use this API.  A token is shown once, when it is made. */
#include <string.h>

#include "base/log.h"
#include "control/json_take.h"
#include "control/rest.h"
#include "control/rest_server.h"

static json_t *token_json(const struct token *one)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b}", "id", one->id, "name", one->name, "role", role_name(one->role),
                     "created_ms", one->is_configured ? json_null() : json_integer((json_int_t)one->created_ms),
                     "is_configured", one->is_configured);
}

void rest_tokens_list(struct instance *in, const struct rest_request *request, const char *name,
                      struct rest_response *out)
{
    (void)request, (void)name;
    json_t *list = json_array();
    for (uint32_t i = 0; i < in->tokens.count; i++) json_array_append_new(list, token_json(&in->tokens.list[i]));
    rest_json(out, 200, json_pack("{s:o}", "tokens", list));
}

static enum err take_body(const json_t *body, char *called, enum role *role, struct err_msg *msg)
{
    static const char *const keys[] = {"name", "role", NULL};
    char word[16];
    TRY(json_only_keys(body, keys, "the body", msg));
    TRY(json_take_text(body, "name", "name", 1, TOKEN_NAME_MAX, NULL, called, msg));
    TRY(json_take_text(body, "role", "role", 1, sizeof word - 1, NULL, word, msg));
    return role_of_name(word, role) ? ERR_OK : err_set(msg, ERR_INVALID, "role must be \"admin\" or \"viewer\"");
}

void rest_token_create(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)name;
    char called[TOKEN_NAME_MAX + 1], text[TOKEN_TEXT_BYTES];
    enum role role = ROLE_NONE;
    const struct token *made = NULL;
    struct err_msg msg = {.code = ERR_OK};
    json_t *body = rest_body_json(request, out);
    if (body == NULL) return;
    enum err e = take_body(body, called, &role, &msg);
    json_decref(body);
    if (e == ERR_OK) e = tokens_add(&in->tokens, called, role, clock_realtime_ms(in->clock), text, &made, &msg);
    if (e != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    log_info("control", "the token %s of a%s %s was created", made->id, role == ROLE_ADMIN ? "n" : "", role_name(role));
    json_t *shown = token_json(made);
    json_object_set_new(shown, "token", json_string(text));
    explicit_bzero(text, sizeof text);
    rest_json(out, 201, shown);
}

void rest_token_delete(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    (void)request;
    struct err_msg msg = {.code = ERR_OK};
    bool must_stay = !rest_address_is_loopback(&in->config);
    if (tokens_remove(&in->tokens, name, must_stay, &msg) != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    log_info("control", "the token %s was revoked", name);
    *out = (struct rest_response){.status = 204};
}
