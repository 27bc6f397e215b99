/* What operators' tools ask of groups: ListGroups, DescribeGroups, DeleteGroups, OffsetDelete.
 *
 * Sources: the Kafka protocol guide; KIP-496 (OffsetDelete), KIP-518 and KIP-848 (states and types in ListGroups). */
#include <strings.h>

#include "dataplane/group/group_state.h"

/* An answer that shows a group rests on all that the log has of it. */
static uint64_t shown_after(const struct group *group)
{
    return group->record_number > group->offset_number ? group->record_number : group->offset_number;
}

static struct kafka_string text_or_empty(struct kafka_string s)
{
    return s.size < 0 ? (struct kafka_string){NULL, 0} : s;
}

/* --- ListGroups --- */

static bool names_one_of(const struct kafka_string *filter, int32_t count, const char *name)
{
    size_t size = strlen(name);
    for (int32_t i = 0; i < count; i++)
        if ((size_t)filter[i].size == size && strncasecmp(filter[i].chars, name, size) == 0) return true;
    return count <= 0;
}

static const char *type_of(const struct group *group) { return group->consumers == NULL ? "classic" : "consumer"; }

enum err groups_list(struct groups *g, const struct group_caller *who, const struct list_groups_request *in,
                     struct kafka_arena *scratch)
{
    struct list_groups_response response = {0};
    uint64_t after = 0;
    response.groups = kafka_arena_take(scratch, g->group_count, sizeof *response.groups);
    if (response.groups == NULL) return ERR_TOO_LARGE;
    for (const struct group *group = g->list; group != NULL; group = group->next) {
        if (!group_caller_sees(who->only_group, group->id)) continue;
        if (!names_one_of(in->states_filter, in->state_filter_count, group_state_name(group))) continue;
        if (!names_one_of(in->types_filter, in->type_filter_count, type_of(group))) continue;
        response.groups[response.group_count++] = (struct listed_group){
            group->id, text_or_empty(group->protocol_type), kafka_string_of(group_state_name(group)),
            kafka_string_of(type_of(group))};
        if (shown_after(group) > after) after = shown_after(group);
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    return ERR_OK;
}

/* --- DescribeGroups --- */

/* Subscriptions and assignments are of a generation: they are shown while there is one. */
static enum err describe_members(const struct group *group, struct described_group *out, struct kafka_arena *scratch)
{
    bool is_stable = group->state == GROUP_STABLE;
    out->members = kafka_arena_take(scratch, group->member_count, sizeof *out->members);
    if (out->members == NULL) return ERR_TOO_LARGE;
    for (const struct member *m = group->members; m != NULL; m = m->next) {
        struct described_group_member *d = &out->members[out->member_count++];
        *d = (struct described_group_member){
            .member_id = m->id, .group_instance_id = m->instance_id, .client_id = text_or_empty(m->client_id),
            .client_host = text_or_empty(m->client_host),
        };
        if (!is_stable) continue;
        d->member_metadata = member_metadata(m, group->protocol);
        d->member_assignment = m->assignment;
    }
    return ERR_OK;
}

static enum err describe_one(struct groups *g, struct kafka_string id, struct described_group *out, uint64_t *after,
                             struct kafka_arena *scratch)
{
    const struct group *group = groups_find(g, id);
    *out = (struct described_group){.group_id = id, .group_state = kafka_string_of("Dead")};
    if (group == NULL || group->consumers != NULL) { /* another request tells of the new protocol's groups */
        uint64_t rests_on = group == NULL ? g->removed_number : group->record_number;
        if (rests_on > *after) *after = rests_on;
        return ERR_OK;
    }
    out->group_state = kafka_string_of(group_state_name(group));
    out->protocol_type = text_or_empty(group->protocol_type);
    if (group->state == GROUP_STABLE) out->protocol_data = text_or_empty(group->protocol);
    if (shown_after(group) > *after) *after = shown_after(group);
    return describe_members(group, out, scratch);
}

enum err groups_describe(struct groups *g, const struct group_caller *who, const struct describe_groups_request *in,
                         struct kafka_arena *scratch)
{
    struct describe_groups_response response = {0};
    uint64_t after = 0;
    response.groups = kafka_arena_take(scratch, (size_t)in->group_count, sizeof *response.groups);
    if (response.groups == NULL) return ERR_TOO_LARGE;
    for (; response.group_count < in->group_count; response.group_count++) {
        struct described_group *d = &response.groups[response.group_count];
        struct kafka_string id = in->groups[response.group_count];
        if (!group_caller_sees(who->only_group, id)) {
            *d = (struct described_group){.group_id = id, .error_code = KAFKA_GROUP_AUTHORIZATION_FAILED,
                                          .authorized_operations = INT32_MIN};
            continue;
        }
        TRY(describe_one(g, id, d, &after, scratch));
        d->authorized_operations = in->include_authorized_operations ? GROUP_OPERATIONS : INT32_MIN;
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    return ERR_OK;
}

/* --- DeleteGroups --- */

static enum kafka_error delete_one(struct groups *g, struct kafka_string id, uint64_t *after)
{
    struct group *group = groups_find(g, id);
    if (group == NULL) {
        if (g->removed_number > *after) *after = g->removed_number;
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    if (group->state != GROUP_EMPTY) return KAFKA_NON_EMPTY_GROUP;
    while (group->offsets != NULL) offset_remove(g, group, group->offsets, true);
    if (group->has_record) group_store_tombstone(g, group);
    if (shown_after(group) > *after) *after = shown_after(group);
    groups_remove(g, group);
    return KAFKA_NONE;
}

uint64_t groups_forget_group(struct groups *g, struct kafka_string id)
{
    struct group *group = groups_find(g, id);
    uint64_t after = 0;
    while (group != NULL && group->offsets != NULL) offset_remove(g, group, group->offsets, true);
    if (group != NULL) after = group->offset_number;
    (void)delete_one(g, id, &after); /* the members that it may still have go by their session's end */
    return after;
}

enum err groups_delete(struct groups *g, const struct group_caller *who, const struct delete_groups_request *in,
                       struct kafka_arena *scratch)
{
    struct delete_groups_response response = {0};
    uint64_t after = 0;
    response.results = kafka_arena_take(scratch, (size_t)in->group_count, sizeof *response.results);
    if (response.results == NULL) return ERR_TOO_LARGE;
    for (; response.result_count < in->group_count; response.result_count++) {
        struct kafka_string id = in->groups[response.result_count];
        bool may = group_caller_sees(who->only_group, id);
        response.results[response.result_count] = (struct deleted_group){
            id, (int16_t)(may ? delete_one(g, id, &after) : KAFKA_GROUP_AUTHORIZATION_FAILED)};
    }
    g->host.answer(g->host.context, &who->ticket, &response, after);
    return ERR_OK;
}

/* --- OffsetDelete --- */

/* A group of consumers keeps what its members subscribe to; of other groups nobody knows, so they must be empty. */
static enum kafka_error check_delete_offsets(const struct group *group)
{
    if (group == NULL) return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->state == GROUP_EMPTY || kafka_string_is(group->protocol_type, "consumer")) return KAFKA_NONE;
    return KAFKA_NON_EMPTY_GROUP;
}

/* A topic that there is, and whether members subscribe to it.  To find out is a walk over all that they said, and a
 * request may list a topic as often as it has room: each is looked for once.  So there are as many as topics. */
struct checked_topic {
    struct checked_topic *next;
    struct kafka_string name;
    int32_t partition_count;
    bool    is_subscribed;
};

/* ERR_NOT_FOUND: there is no such topic. */
static enum err check_topic(struct groups *g, const struct group *group, struct kafka_string name,
                            struct checked_topic **checked, const struct checked_topic **out,
                            struct kafka_arena *scratch)
{
    struct checked_topic *c = *checked;
    while (c != NULL && !kafka_string_equal(c->name, name)) c = c->next;
    *out = c;
    if (c != NULL) return ERR_OK;
    int32_t partition_count = g->host.topic_partitions(g->host.context, name);
    if (partition_count == 0) return ERR_NOT_FOUND;
    c = kafka_arena_take(scratch, 1, sizeof *c);
    if (c == NULL) return ERR_TOO_LARGE;
    if (group->state != GROUP_EMPTY) g->stats.subscription_walks++;
    *c = (struct checked_topic){*checked, name, partition_count,
                                group->state != GROUP_EMPTY && group_subscribes(group, name)};
    *out = *checked = c;
    return ERR_OK;
}

/* Room for what is answered of one topic, with the errors that are known before anything is done. */
static enum err begin_delete_offsets(struct groups *g, const struct group *group,
                                     const struct offset_delete_request_topic *in,
                                     struct offset_delete_response_topic *out, struct checked_topic **checked,
                                     struct kafka_arena *scratch)
{
    const struct checked_topic *topic;
    enum err e = check_topic(g, group, in->name, checked, &topic, scratch);
    if (e != ERR_NOT_FOUND) TRY(e);
    *out = (struct offset_delete_response_topic){in->name, NULL, in->partition_count};
    out->partitions = kafka_arena_take(scratch, (size_t)in->partition_count, sizeof *out->partitions);
    if (out->partitions == NULL) return ERR_TOO_LARGE;
    for (int32_t p = 0; p < in->partition_count; p++) {
        int32_t index = in->partitions[p].partition_index;
        enum kafka_error error = KAFKA_NONE;
        if (e == ERR_NOT_FOUND || index < 0 || index >= topic->partition_count)
            error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        else if (topic->is_subscribed) error = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        out->partitions[p] = (struct offset_delete_response_partition){index, (int16_t)error};
    }
    return ERR_OK;
}

static void delete_offset(struct groups *g, struct group *group, struct kafka_string topic, int32_t partition)
{
    struct offset *o = offset_find(g, group, topic, partition);
    if (o != NULL) offset_remove(g, group, o, true);
}

enum err groups_delete_offsets(struct groups *g, const struct group_caller *who, const struct offset_delete_request *in,
                               struct kafka_arena *scratch)
{
    struct group *group = groups_find(g, in->group_id);
    struct offset_delete_response response = {.error_code = (int16_t)check_delete_offsets(group)};
    if (response.error_code == KAFKA_NONE) {
        response.topics = kafka_arena_take(scratch, (size_t)in->topic_count, sizeof *response.topics);
        if (response.topics == NULL) return ERR_TOO_LARGE;
        struct checked_topic *checked = NULL;
        for (int32_t t = 0; t < in->topic_count; t++) /* all room first: what is answered is done, and all of it */
            TRY(begin_delete_offsets(g, group, &in->topics[t], &response.topics[t], &checked, scratch));
        response.topic_count = in->topic_count;
    }
    for (int32_t t = 0; t < response.topic_count; t++) {
        for (int32_t p = 0; p < response.topics[t].partition_count; p++) {
            const struct offset_delete_response_partition *partition = &response.topics[t].partitions[p];
            if (partition->error_code == KAFKA_NONE)
                delete_offset(g, group, response.topics[t].name, partition->partition_index);
        }
    }
    g->host.answer(g->host.context, &who->ticket, &response, group == NULL ? g->removed_number : group->offset_number);
    if (group != NULL) groups_remove_if_void(g, group);
    return ERR_OK;
}
