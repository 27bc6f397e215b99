/* /v1/accounts: operators, who may see all channels and groups over the Kafka protocol.  Passwords come in and never go
 * out. */
#include <string.h>

#include "base/log.h"
#include "control/json_take.h"
#include "control/rest.h"
#include "control/topology.h"

static json_t *operator_json(const struct account *a) { return json_pack("{s:s}", "account", a->name); }

void rest_accounts_list(struct instance *in, const struct rest_request *request, const char *name,
                        struct rest_response *out)
{
    (void)request, (void)name;
    json_t *list = json_array();
    for (uint32_t i = 0; i < in->accounts.count; i++)
        if (in->accounts.list[i].group_id[0] == '\0')
            json_array_append_new(list, operator_json(&in->accounts.list[i]));
    rest_json(out, 200, json_pack("{s:o}", "accounts", list));
}

bool rest_add_account(struct instance *in, struct account *who, json_t *body, struct rest_response *out)
{
    static const char *const keys[] = {"group", "account", "password", NULL};
    bool is_group = who->channel[0] != '\0';
    char password[ACCOUNT_PASSWORD_MAX + 1] = "";
    struct err_msg msg = {.code = ERR_OK};
    enum err e = json_only_keys(body, keys + !is_group, "the body", &msg);
    if (e == ERR_OK && is_group)
        e = json_take_text(body, "group", "group", 1, ACCOUNT_GROUP_MAX, NULL, who->group_id, &msg);
    if (e == ERR_OK) e = json_take_text(body, "account", "account", 1, ACCOUNT_NAME_MAX, NULL, who->name, &msg);
    if (e == ERR_OK) e = json_take_text(body, "password", "password", 1, ACCOUNT_PASSWORD_MAX, NULL, password, &msg);
    json_decref(body);
    if (e == ERR_OK) e = accounts_add(&in->accounts, who, password, &msg);
    explicit_bzero(password, sizeof password);
    if (e != ERR_OK)
        rest_error(out, &msg);
    else
        topology_accounts_changed(in);
    return e == ERR_OK;
}

void rest_account_create(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)name;
    struct account who = {.credential = 0};
    json_t *body = rest_body_json(request, out);
    if (body == NULL || !rest_add_account(in, &who, body, out)) return;
    log_info("control", "the operator's account %s was created", who.name);
    rest_json(out, 201, operator_json(&who));
}

bool rest_change_password(struct instance *in, const struct account *who, const struct rest_request *request,
                          struct rest_response *out)
{
    static const char *const keys[] = {"password", NULL};
    char password[ACCOUNT_PASSWORD_MAX + 1] = "";
    struct err_msg msg = {.code = ERR_OK};
    json_t *body = rest_body_json(request, out);
    if (body == NULL) return false;
    enum err e = json_only_keys(body, keys, "the body", &msg);
    if (e == ERR_OK) e = json_take_text(body, "password", "password", 1, ACCOUNT_PASSWORD_MAX, NULL, password, &msg);
    json_decref(body);
    if (e == ERR_OK) e = accounts_set_password(&in->accounts, who, password, &msg);
    explicit_bzero(password, sizeof password);
    if (e != ERR_OK)
        rest_error(out, &msg);
    else
        topology_accounts_changed(in);
    return e == ERR_OK;
}

/* NULL: there is none, which was answered. */
static const struct account *find(struct instance *in, const char *name, struct rest_response *out)
{
    const struct account *who = accounts_find_operator(&in->accounts, name);
    if (who == NULL) rest_problem(out, 404, "there is no operator's account %s", name);
    return who;
}

void rest_account_change(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    const struct account *who = find(in, name, out);
    if (who == NULL || !rest_change_password(in, who, request, out)) return;
    log_info("control", "the password of the operator's account %s was changed", name);
    rest_json(out, 200, operator_json(accounts_find_operator(&in->accounts, name)));
}

void rest_account_delete(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)request;
    struct err_msg msg = {.code = ERR_OK};
    const struct account *who = find(in, name, out);
    if (who == NULL) return;
    if (accounts_remove(&in->accounts, who, &msg) != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    topology_accounts_changed(in);
    log_info("control", "the operator's account %s was deleted", name);
    *out = (struct rest_response){.status = 204};
}
