/* /v1/channels/NAME/groups: a channel's consumer groups.  Those with an account were created here; others appear where
 * clients need not log in. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/channel.h"
#include "control/json_take.h"
#include "control/rest.h"
#include "control/topology.h"

enum { GROUPS_SHOWN_MAX = 1000 };

struct live_groups { /* as the coordinator knows them */
    struct group_summary *list;
    uint32_t count;
    uint64_t end; /* the channel's high watermark */
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
    out->end = ch->log == NULL ? 0 : log_high_watermark(ch->log);
    return true;
}

/* `live`: NULL when the coordinator does not know the group; `who`: NULL when it has no account. */
static json_t *group_json(const char *id, const struct account *who, const struct group_summary *live, uint64_t end)
{
    bool has_commit = live != NULL && live->committed_offset != UINT64_MAX;
    uint64_t lag = has_commit && live->committed_offset < end ? end - live->committed_offset : 0;
    json_t *made = json_pack("{s:o, s:s, s:i, s:o, s:o, s:o}", "group", rest_foreign_text(id), "state",
                             live == NULL ? "Empty" : live->state, "members",
                             live == NULL ? 0 : (int)live->member_count, "committed_offset",
                             has_commit ? json_integer((json_int_t)live->committed_offset) : json_null(), "lag",
                             has_commit ? json_integer((json_int_t)lag) : json_null(), "commit_time_ms",
                             has_commit ? json_integer((json_int_t)live->commit_time_ms) : json_null());
    char user[ACCOUNT_USER_BYTES];
    if (who != NULL) account_user(who, user);
    json_object_set_new(made, "account", who == NULL ? json_null() : json_string(who->name));
    json_object_set_new(made, "user", who == NULL ? json_null() : json_string(user));
    return made;
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
        json_array_append_new(list, group_json(who->group_id, who, live_find(&live, who->group_id), live.end));
    }
    for (uint32_t i = 0; i < live.count; i++)
        if (account_of(in, name, live.list[i].group_id) == NULL)
            json_array_append_new(list, group_json(live.list[i].group_id, NULL, &live.list[i], live.end));
    free(live.list);
    rest_json(out, 200, json_pack("{s:s, s:I, s:o}", "channel", name, "high_watermark", (json_int_t)live.end, "groups",
                                  list));
}

static void answer_group(struct instance *in, const struct channel *ch, const char *id, unsigned status,
                         struct rest_response *out)
{
    struct live_groups live;
    const struct account *who = account_of(in, ch->spec.name, id);
    if (!live_groups_take(in, ch, &live, out)) return;
    const struct group_summary *found = live_find(&live, id);
    if (who == NULL && found == NULL)
        rest_problem(out, 404, "channel %s has no group %s", ch->spec.name, id);
    else
        rest_json(out, status, group_json(id, who, found, live.end));
    free(live.list);
}

void rest_group_get(struct instance *in, const struct rest_request *request, const char *name,
                    struct rest_response *out)
{
    const struct channel *ch = rest_find_channel(in, name, out);
    if (ch != NULL) answer_group(in, ch, request->item, 200, out);
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
    rest_json(out, 201, group_json(who.group_id, &who, NULL, 0));
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
    answer_group(in, instance_find_channel(in, name), request->item, 200, out);
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
