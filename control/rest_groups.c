/* /v1/channels/NAME/groups: a channel's consumer groups.  Those with an account were created here; others appear where
 * clients need not log in. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "control/channel.h"
#include "control/group_lag.h"
#include "control/json_take.h"
#include "control/rest.h"
#include "control/topology.h"

enum { GROUPS_SHOWN_MAX = 1000 };

struct live_groups { /* as the coordinator knows them */
    struct group_summary *list;
    uint32_t count;
};

/* False: they are not to be had, which was answered. */
static bool live_groups_take(struct instance *in, const struct channel *ch, struct live_groups *out,
                             struct rest_response *response)
{
    *out = (struct live_groups){.list = calloc(GROUPS_SHOWN_MAX, sizeof *out->list)};
    if (out->list == NULL || in->dataplane == NULL) {
        free(out->list);
        rest_problem(response, 503, "the groups are not to be had now: %s", in->offsets_error.text);
        return false;
    }
    out->count = dataplane_groups(in->dataplane, ch->spec.name, out->list, GROUPS_SHOWN_MAX);
    return true;
}

static json_t *time_json(int64_t unix_ms)
{
    char text[RFC3339_BYTES];
    return unix_ms < 0 ? json_null() : json_string(rfc3339_print(unix_ms, text));
}

static void add_checkpoint(json_t *made, const struct instance *in, const struct channel *ch,
                           const struct group_summary *live)
{
    if (live == NULL || live->committed_offset == UINT64_MAX) {
        json_object_set_new(made, "checkpoint", json_null());
        json_object_set_new(made, "lag", json_null());
        return;
    }
    struct group_lag lag = {.ms = -1, .checkpoint_ms = -1};
    if (ch->log != NULL) lag = group_lag_of(in, ch->log, live->committed_offset);
    json_object_set_new(made, "checkpoint",
                        json_pack("{s:I, s:o, s:o}", "offset", (json_int_t)live->committed_offset, "time",
                                  time_json(lag.checkpoint_ms), "committed_at", time_json(live->commit_time_ms)));
    json_object_set_new(made, "lag", json_pack("{s:I, s:o}", "records", (json_int_t)lag.records, "seconds",
                                               lag.ms < 0 ? json_null() : json_real((double)lag.ms / 1000)));
}

/* `live`: NULL when the coordinator does not know the group; `who`: NULL when it has no account. */
static json_t *group_json(const struct instance *in, const struct channel *ch, const char *id,
                          const struct account *who, const struct group_summary *live)
{
    char user[ACCOUNT_USER_BYTES];
    if (who != NULL) account_user(who, user);
    json_t *made = json_pack("{s:o, s:o, s:o, s:s, s:i}", "group", rest_foreign_text(id), "account",
                             who == NULL ? json_null() : json_string(who->name), "user",
                             who == NULL ? json_null() : json_string(user), "state",
                             live == NULL ? "Empty" : live->state, "member_count",
                             live == NULL ? 0 : (int)live->member_count);
    add_checkpoint(made, in, ch, live);
    return made;
}

/* False: no memory. */
static bool add_members(json_t *made, const struct instance *in, const struct channel *ch, const char *id)
{
    struct group_member_summary *list = calloc(GROUP_MEMBERS_SHOWN_MAX, sizeof *list);
    if (list == NULL) return false;
    uint32_t count = dataplane_group_members(in->dataplane, id, ch->spec.name, list, GROUP_MEMBERS_SHOWN_MAX);
    json_t *members = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(members, json_pack("{s:o, s:o, s:o, s:b}", "member_id",
                                                 rest_foreign_text(list[i].member_id), "client_id",
                                                 rest_foreign_text(list[i].client_id), "host",
                                                 rest_foreign_text(list[i].host), "is_active", list[i].is_active));
    free(list);
    return json_object_set_new(made, "members", members) == 0;
}

static const struct group_summary *live_find(const struct live_groups *live, const char *id)
{
    for (uint32_t i = 0; i < live->count; i++)
        if (strcmp(live->list[i].group_id, id) == 0) return &live->list[i];
    return NULL;
}

/* The account of this group, if it is one of this channel's. */
static const struct account *account_of(const struct instance *in, const char *channel, const char *id)
{
    const struct account *who = accounts_find_group(&in->accounts, id);
    return who == NULL || strcmp(who->channel, channel) != 0 ? NULL : who;
}

void rest_groups_list(struct instance *in, const struct rest_request *request, const char *name,
                      struct rest_response *out)
{
    (void)request;
    struct live_groups live;
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch == NULL || !live_groups_take(in, ch, &live, out)) return;
    json_t *list = json_array();
    for (uint32_t i = 0; i < in->accounts.count; i++) {
        const struct account *who = &in->accounts.list[i];
        if (who->group_id[0] == '\0' || strcmp(who->channel, name) != 0) continue;
        json_array_append_new(list, group_json(in, ch, who->group_id, who, live_find(&live, who->group_id)));
    }
    for (uint32_t i = 0; i < live.count; i++)
        if (account_of(in, name, live.list[i].group_id) == NULL)
            json_array_append_new(list, group_json(in, ch, live.list[i].group_id, NULL, &live.list[i]));
    free(live.list);
    uint64_t end = ch->log == NULL ? 0 : log_high_watermark(ch->log);
    rest_json(out, 200, json_pack("{s:s, s:I, s:o}", "channel", name, "high_watermark", (json_int_t)end, "groups",
                                  list));
}

bool rest_group_is_known(struct instance *in, const struct channel *ch, const char *id, struct rest_response *out)
{
    struct live_groups live;
    if (account_of(in, ch->spec.name, id) != NULL) return true;
    if (!live_groups_take(in, ch, &live, out)) return false;
    bool is_there = live_find(&live, id) != NULL;
    free(live.list);
    if (!is_there) rest_problem(out, 404, "channel %s has no group %s", ch->spec.name, id);
    return is_there;
}

void rest_group_answer(struct instance *in, const struct channel *ch, const char *id, unsigned status,
                       struct rest_response *out)
{
    struct live_groups live;
    if (!rest_group_is_known(in, ch, id, out) || !live_groups_take(in, ch, &live, out)) return;
    json_t *made = group_json(in, ch, id, account_of(in, ch->spec.name, id), live_find(&live, id));
    free(live.list);
    if (!add_members(made, in, ch, id)) {
        json_decref(made);
        made = NULL;
    }
    rest_json(out, status, made);
}

void rest_group_get(struct instance *in, const struct rest_request *request, const char *name,
                    struct rest_response *out)
{
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch != NULL) rest_group_answer(in, ch, request->item, 200, out);
}

void rest_group_create(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    struct account who = {.credential = 0};
    const struct channel *ch = rest_find_channel(in, name, out);
    json_t *body = ch == NULL ? NULL : rest_body_json(request, out);
    if (body == NULL) return;
    memcpy(who.channel, name, strlen(name) + 1);
    if (!rest_add_account(in, &who, body, out)) return;
    log_info("control", "channel %s: group %s of account %s was created", name, who.group_id, who.name);
    rest_json(out, 201, group_json(in, ch, who.group_id, &who, NULL));
}

/* NULL: it has none, which was answered. */
static const struct account *find_account(struct instance *in, const char *name, const char *id,
                                          struct rest_response *out)
{
    const struct channel *ch = rest_find_channel(in, name, out);
    const struct account *who = ch == NULL ? NULL : account_of(in, name, id);
    if (ch != NULL && who == NULL) rest_problem(out, 404, "channel %s has no group %s with an account", name, id);
    return who;
}

void rest_group_change(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    const struct account *who = find_account(in, name, request->item, out);
    if (who == NULL || !rest_change_password(in, who, request, out)) return;
    log_info("control", "channel %s: the password of group %s was changed", name, request->item);
    rest_group_answer(in, instance_find_channel(in, name), request->item, 200, out);
}

static enum err forget(struct instance *in, const char *id)
{
    return in->dataplane == NULL ? ERR_STATE : dataplane_forget_group(in->dataplane, id);
}

/* The checkpoint goes before the account: a crash between the two must not leave it to a group that is made under the
 * same ID later.  And again after it, for commits that were on their way. */
void rest_group_delete(struct instance *in, const struct rest_request *request, const char *name,
                       struct rest_response *out)
{
    struct err_msg msg = {.code = ERR_OK}, why;
    const struct account *who = find_account(in, name, request->item, out);
    if (who == NULL) return;
    enum err e = forget(in, request->item); /* if it cannot: who has the password is put out all the same */
    if (accounts_remove(&in->accounts, who, &why) != ERR_OK) {
        err_set(&msg, why.code, "the group is not deleted: %s%s", why.text,
                e == ERR_OK ? "; its checkpoint is: delete it again" : "");
        rest_error(out, &msg);
        return;
    }
    topology_accounts_changed(in);
    log_info("control", "channel %s: group %s was deleted", name, request->item);
    e = forget(in, request->item);
    if (e != ERR_OK) {
        err_set(&msg, e, "the account is deleted, but the group's checkpoint could not be removed (%s): remove it with "
                "kafka-consumer-groups --delete, or create the group under another ID", err_text(e));
        rest_error(out, &msg);
        return;
    }
    *out = (struct rest_response){.status = 204};
}
