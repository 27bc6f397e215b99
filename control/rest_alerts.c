/* Alerts: a channel's rules and what fires, whom to tell, and what was told. */
#include "base/log.h"
#include "control/rest.h"

void rest_channel_alerts(struct instance *in, const struct rest_request *request, const char *name,
                         struct rest_response *out)
{
    (void)request;
    if (rest_find_channel(in, name, out) != NULL) rest_json(out, 200, alerts_rules_json(&in->alerts, name));
}

void rest_channel_alerts_set(struct instance *in, const struct rest_request *request, const char *name,
                             struct rest_response *out)
{
    struct err_msg msg = {.code = ERR_OK};
    json_t *body = rest_find_channel(in, name, out) == NULL ? NULL : rest_body_json(request, out);
    if (body == NULL) return;
    enum err e = alerts_set_rules(&in->alerts, name, body, &msg);
    json_decref(body);
    if (e != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    log_info("control", "channel %s: its alert rules were changed", name);
    rest_json(out, 200, alerts_rules_json(&in->alerts, name));
}

void rest_alerts_log(struct instance *in, const struct rest_request *request, const char *name,
                     struct rest_response *out)
{
    (void)request, (void)name;
    rest_json(out, 200, json_pack("{s:O}", "notices", in->alerts.log));
}

void rest_alert_targets(struct instance *in, const struct rest_request *request, const char *name,
                        struct rest_response *out)
{
    (void)name;
    rest_json(out, 200, alerts_targets_json(&in->alerts, request->role == ROLE_ADMIN ? ALERT_TARGET_WITHOUT_SECRET
                                                                                    : ALERT_TARGET_IN_OUTLINE));
}

void rest_alert_targets_set(struct instance *in, const struct rest_request *request, const char *name,
                            struct rest_response *out)
{
    (void)name;
    struct err_msg msg = {.code = ERR_OK};
    json_t *body = rest_body_json(request, out);
    if (body == NULL) return;
    enum err e = alerts_set_targets(&in->alerts, body, &msg);
    json_decref(body);
    if (e != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    log_info("control", "the alert targets were changed");
    rest_json(out, 200, alerts_targets_json(&in->alerts, ALERT_TARGET_WITHOUT_SECRET));
}

/* Answers at once; how the delivery went shows in the log of alerts, under the notice's id. */
void rest_alert_target_test(struct instance *in, const struct rest_request *request, const char *name,
                            struct rest_response *out)
{
    (void)request;
    struct err_msg msg = {.code = ERR_OK};
    if (alerts_test(&in->alerts, name, &msg) != ERR_OK) {
        rest_error(out, &msg);
        return;
    }
    size_t count = json_array_size(in->alerts.log);
    rest_json(out, 202, json_incref(json_array_get(in->alerts.log, count - 1)));
}
