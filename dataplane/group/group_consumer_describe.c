/* ConsumerGroupDescribe: what tools ask of groups of the new protocol (KIP-848). */
#include "dataplane/group/group_state.h"


static void add_topic(struct consumer_group_described_assignment *to, const struct share *s)
{
    static int32_t the_partition[1] = {0};
    to->topic_partitions[to->topic_partition_count++] =
        (struct consumer_group_described_topic){s->topic_id, s->name, the_partition, 1};
}

/* Rows for all topics of all members: each stands at most once in a target and once in an assignment. */
static struct consumer_group_described_topic *room_for(const struct consumers *c, struct kafka_arena *scratch)
{
    return kafka_arena_take(scratch, 2 * (size_t)c->share_count, sizeof(struct consumer_group_described_topic));
}

static enum err describe_members(const struct group *group, struct consumer_group_described *out,
                                 struct kafka_arena *scratch)
{
    const struct consumers *c = group->consumers;
    struct consumer_group_described_topic *rows = room_for(c, scratch);
    out->members = kafka_arena_take(scratch, group->member_count, sizeof *out->members);
    if (rows == NULL || out->members == NULL) return ERR_TOO_LARGE;
    for (const struct consumer_member *m = c->members; m != NULL; m = m->next) {
        struct consumer_group_described_member *d = &out->members[out->member_count++];
        *d = (struct consumer_group_described_member){
            .member_id = m->id, .instance_id = m->instance_id, .rack_id = m->rack_id, .member_epoch = m->epoch,
            .client_id = m->client_id, .client_host = m->client_host, .subscribed_topic_names = m->names,
            .subscribed_topic_name_count = (int32_t)m->name_count, .subscribed_topic_regex = m->regex,
        };
        d->assignment.topic_partitions = rows;
        for (const struct share *s = c->shares; s != NULL; s = s->next)
            if (s->owner == m) add_topic(&d->assignment, s);
        d->target_assignment.topic_partitions = rows += d->assignment.topic_partition_count;
        for (const struct share *s = c->shares; s != NULL; s = s->next)
            if (s->target == m) add_topic(&d->target_assignment, s);
        rows += d->target_assignment.topic_partition_count;
    }
    return ERR_OK;
}

static enum err describe_one(struct groups *g, struct kafka_string id, struct consumer_group_described *out,
                             uint64_t *after, struct kafka_arena *scratch)
{
    const struct group *group = groups_find(g, id);
    *out = (struct consumer_group_described){.group_id = id, .error_message = kafka_string_null()};
    uint64_t rests_on = group == NULL ? g->removed_number : group->record_number;
    if (rests_on > *after) *after = rests_on;
    if (group == NULL || group->consumers == NULL) {
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        out->error_message = kafka_string_of(group == NULL ? "there is no such group"
                                                           : "the group speaks the classic protocol");
        return ERR_OK;
    }
    out->group_state = kafka_string_of(group_state_name(group));
    out->group_epoch = group->generation;
    out->assignment_epoch = group->consumers->target_epoch;
    out->assignor_name = kafka_string_of(consumers_assignor(group));
    return describe_members(group, out, scratch);
}

enum err groups_consumer_describe(struct groups *g, const struct group_caller *who,
                                  const struct consumer_group_describe_request *in, struct kafka_arena *scratch)
{
    struct consumer_group_describe_response response = {0};
    uint64_t after = 0;
    response.groups = kafka_arena_take(scratch, (size_t)in->group_id_count, sizeof *response.groups);
    if (response.groups == NULL) return ERR_TOO_LARGE;
    for (; response.group_count < in->group_id_count; response.group_count++) {
        struct consumer_group_described *d = &response.groups[response.group_count];
        struct kafka_string id = in->group_ids[response.group_count];
        if (!group_caller_sees(who->only_group, id)) {
            *d = (struct consumer_group_described){.group_id = id, .error_code = KAFKA_GROUP_AUTHORIZATION_FAILED,
                                                   .error_message = kafka_string_null(),
                                                   .authorized_operations = INT32_MIN};
            continue;
        }
        TRY(describe_one(g, id, d, &after, scratch));
        bool shows = in->include_authorized_operations && d->error_code == KAFKA_NONE;
        d->authorized_operations = shows ? GROUP_OPERATIONS : INT32_MIN;
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    return ERR_OK;
}
