/* One request: decoded, given to the state machine, or refused while there is nothing to give it to. */
#include "base/log.h"
#include "dataplane/auth/rights.h"
#include "dataplane/group/coordinator_state.h"

union any_request {
    struct join_group_request    join;
    struct sync_group_request    sync;
    struct heartbeat_request     heartbeat;
    struct leave_group_request   leave;
    struct offset_commit_request commit;
    struct offset_fetch_request  fetch;
    struct list_groups_request   list;
    struct describe_groups_request describe;
    struct delete_groups_request delete;
    struct offset_delete_request offset_delete;
    struct consumer_group_heartbeat_request consumer_heartbeat;
    struct consumer_group_describe_request consumer_describe;
};

/* Another's group, in requests that are about one; those about several say it of each, where they are answered. */
static enum kafka_error forbidden(const struct group_caller *who, const union any_request *in)
{
    struct kafka_string asked;
    switch (who->ticket.api_key) {
    case KAFKA_API_JOIN_GROUP:    asked = in->join.group_id; break;
    case KAFKA_API_SYNC_GROUP:    asked = in->sync.group_id; break;
    case KAFKA_API_HEARTBEAT:     asked = in->heartbeat.group_id; break;
    case KAFKA_API_LEAVE_GROUP:   asked = in->leave.group_id; break;
    case KAFKA_API_OFFSET_COMMIT: asked = in->commit.group_id; break;
    case KAFKA_API_OFFSET_DELETE: asked = in->offset_delete.group_id; break;
    case KAFKA_API_CONSUMER_GROUP_HEARTBEAT: asked = in->consumer_heartbeat.group_id; break;
    case KAFKA_API_OFFSET_FETCH:
        if (who->ticket.api_version >= 8) return KAFKA_NONE;
        asked = in->fetch.group_id;
        break;
    default: return KAFKA_NONE;
    }
    return group_caller_sees(who->only_group, asked) ? KAFKA_NONE : right_group_error(who->ticket.api_key);
}

/* While the log is read, and after it failed. */
static enum kafka_error obstacle(const struct coordinator *c, int16_t api_key)
{
    if (c->phase == COORDINATOR_RUNNING) return KAFKA_NONE;
    if (c->phase == COORDINATOR_UNAVAILABLE) {
        /* What lives in memory goes on: consumers keep reading, and see that their commits fail. */
        bool needs_log = c->groups == NULL || !(api_key == KAFKA_API_HEARTBEAT || api_key == KAFKA_API_OFFSET_FETCH);
        return needs_log ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE;
    }
    return api_key == KAFKA_API_SYNC_GROUP ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}

static bool refuse_commit(struct coordinator *c, const struct ticket *to, const struct offset_commit_request *in,
                          enum kafka_error error)
{
    struct offset_commit_response out = {0};
    out.topics = kafka_arena_take(&c->arena, (size_t)in->topic_count, sizeof *out.topics);
    if (out.topics == NULL) return false;
    for (; out.topic_count < in->topic_count; out.topic_count++) {
        const struct offset_commit_request_topic *topic = &in->topics[out.topic_count];
        struct offset_commit_response_topic *t = &out.topics[out.topic_count];
        *t = (struct offset_commit_response_topic){topic->name, NULL, topic->partition_count};
        t->partitions = kafka_arena_take(&c->arena, (size_t)topic->partition_count, sizeof *t->partitions);
        if (t->partitions == NULL) return false;
        for (int32_t p = 0; p < t->partition_count; p++)
            t->partitions[p] = (struct offset_commit_response_partition){topic->partitions[p].partition_index,
                                                                         (int16_t)error};
    }
    coordinator_answer(c, to, &out, 0);
    return true;
}

static bool refuse_fetch(struct coordinator *c, const struct ticket *to, const struct offset_fetch_request *in,
                         enum kafka_error error)
{
    struct offset_fetch_response out = {.error_code = (int16_t)error};
    if (to->api_version >= 8) { /* each group has one */
        out.groups = kafka_arena_take(&c->arena, (size_t)in->group_count, sizeof *out.groups);
        if (out.groups == NULL) return false;
        for (; out.group_count < in->group_count; out.group_count++)
            out.groups[out.group_count] = (struct offset_fetch_response_group){
                .group_id = in->groups[out.group_count].group_id, .error_code = (int16_t)error};
    }
    if (to->api_version >= 2) { /* the whole answer has an error */
        coordinator_answer(c, to, &out, 0);
        return true;
    }
    out.topics = kafka_arena_take(&c->arena, (size_t)in->topic_count, sizeof *out.topics);
    if (out.topics == NULL) return false;
    for (; out.topic_count < in->topic_count; out.topic_count++) {
        const struct offset_fetch_request_topic *topic = &in->topics[out.topic_count];
        struct offset_fetch_response_topic *t = &out.topics[out.topic_count];
        *t = (struct offset_fetch_response_topic){topic->name, NULL, topic->partition_index_count};
        t->partitions = kafka_arena_take(&c->arena, (size_t)topic->partition_index_count, sizeof *t->partitions);
        if (t->partitions == NULL) return false;
        for (int32_t p = 0; p < t->partition_count; p++)
            t->partitions[p] = (struct offset_fetch_response_partition){
                .partition_index = topic->partition_indexes[p], .committed_offset = -1, .committed_leader_epoch = -1,
                .error_code = (int16_t)error};
    }
    coordinator_answer(c, to, &out, 0);
    return true;
}

static bool refuse_describe(struct coordinator *c, const struct ticket *to, const struct describe_groups_request *in,
                            enum kafka_error error)
{
    struct describe_groups_response out = {0};
    out.groups = kafka_arena_take(&c->arena, (size_t)in->group_count, sizeof *out.groups);
    if (out.groups == NULL) return false;
    for (; out.group_count < in->group_count; out.group_count++)
        out.groups[out.group_count] = (struct described_group){
            .error_code = (int16_t)error, .group_id = in->groups[out.group_count], .authorized_operations = INT32_MIN};
    coordinator_answer(c, to, &out, 0);
    return true;
}

static bool refuse_delete(struct coordinator *c, const struct ticket *to, const struct delete_groups_request *in,
                          enum kafka_error error)
{
    struct delete_groups_response out = {0};
    out.results = kafka_arena_take(&c->arena, (size_t)in->group_count, sizeof *out.results);
    if (out.results == NULL) return false;
    for (; out.result_count < in->group_count; out.result_count++)
        out.results[out.result_count] = (struct deleted_group){in->groups[out.result_count], (int16_t)error};
    coordinator_answer(c, to, &out, 0);
    return true;
}

static bool refuse_consumer_describe(struct coordinator *c, const struct ticket *to,
                                     const struct consumer_group_describe_request *in, enum kafka_error error)
{
    struct consumer_group_describe_response out = {0};
    out.groups = kafka_arena_take(&c->arena, (size_t)in->group_id_count, sizeof *out.groups);
    if (out.groups == NULL) return false;
    for (; out.group_count < in->group_id_count; out.group_count++)
        out.groups[out.group_count] = (struct consumer_group_described){
            .error_code = (int16_t)error, .error_message = kafka_string_null(),
            .group_id = in->group_ids[out.group_count], .authorized_operations = INT32_MIN};
    coordinator_answer(c, to, &out, 0);
    return true;
}

static bool refuse(struct coordinator *c, const struct ticket *to, const union any_request *in, enum kafka_error error)
{
    struct join_group_response join = {
        .error_code = (int16_t)error, .generation_id = -1, .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .member_id = in->join.member_id,
    };
    struct sync_group_response sync = {
        .error_code = (int16_t)error, .protocol_type = kafka_string_null(), .protocol_name = kafka_string_null(),
    };
    struct heartbeat_response heartbeat = {.error_code = (int16_t)error};
    struct leave_group_response leave = {.error_code = (int16_t)error};
    struct list_groups_response list = {.error_code = (int16_t)error};
    struct offset_delete_response offset_delete = {.error_code = (int16_t)error};
    struct consumer_group_heartbeat_response consumer_heartbeat = {
        .error_code = (int16_t)error, .error_message = kafka_string_null(), .member_id = kafka_string_null(),
    };
    switch (to->api_key) {
    case KAFKA_API_CONSUMER_GROUP_HEARTBEAT: coordinator_answer(c, to, &consumer_heartbeat, 0); return true;
    case KAFKA_API_CONSUMER_GROUP_DESCRIBE: return refuse_consumer_describe(c, to, &in->consumer_describe, error);
    case KAFKA_API_JOIN_GROUP: coordinator_answer(c, to, &join, 0); return true;
    case KAFKA_API_SYNC_GROUP: coordinator_answer(c, to, &sync, 0); return true;
    case KAFKA_API_LEAVE_GROUP: coordinator_answer(c, to, &leave, 0); return true;
    case KAFKA_API_OFFSET_COMMIT: return refuse_commit(c, to, &in->commit, error);
    case KAFKA_API_OFFSET_FETCH: return refuse_fetch(c, to, &in->fetch, error);
    case KAFKA_API_LIST_GROUPS: coordinator_answer(c, to, &list, 0); return true;
    case KAFKA_API_DESCRIBE_GROUPS: return refuse_describe(c, to, &in->describe, error);
    case KAFKA_API_DELETE_GROUPS: return refuse_delete(c, to, &in->delete, error);
    case KAFKA_API_OFFSET_DELETE: coordinator_answer(c, to, &offset_delete, 0); return true;
    default: /* a heartbeat while loading is well: the member's session will go on */
        if (error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS) heartbeat.error_code = KAFKA_NONE;
        coordinator_answer(c, to, &heartbeat, 0);
        return true;
    }
}

static enum err run(struct coordinator *c, const struct group_caller *who, const union any_request *in)
{
    switch (who->ticket.api_key) {
    case KAFKA_API_JOIN_GROUP: groups_join(c->groups, who, &in->join); return ERR_OK;
    case KAFKA_API_SYNC_GROUP: groups_sync(c->groups, who, &in->sync); return ERR_OK;
    case KAFKA_API_HEARTBEAT: groups_heartbeat(c->groups, who, &in->heartbeat); return ERR_OK;
    case KAFKA_API_LEAVE_GROUP: return groups_leave(c->groups, who, &in->leave, &c->arena);
    case KAFKA_API_OFFSET_COMMIT: return groups_commit(c->groups, who, &in->commit, &c->arena);
    case KAFKA_API_LIST_GROUPS: return groups_list(c->groups, who, &in->list, &c->arena);
    case KAFKA_API_DESCRIBE_GROUPS: return groups_describe(c->groups, who, &in->describe, &c->arena);
    case KAFKA_API_DELETE_GROUPS: return groups_delete(c->groups, who, &in->delete, &c->arena);
    case KAFKA_API_OFFSET_DELETE: return groups_delete_offsets(c->groups, who, &in->offset_delete, &c->arena);
    case KAFKA_API_CONSUMER_GROUP_HEARTBEAT:
        return groups_consumer_heartbeat(c->groups, who, &in->consumer_heartbeat, &c->arena);
    case KAFKA_API_CONSUMER_GROUP_DESCRIBE:
        return groups_consumer_describe(c->groups, who, &in->consumer_describe, &c->arena);
    default: return groups_fetch(c->groups, who, &in->fetch, &c->arena);
    }
}

void coordinator_request(struct coordinator *c, uint32_t link, const struct link_request *request)
{
    const char *client_id = (const char *)(request + 1);
    const char *client_host = client_id + request->client_id_bytes;
    const char *group = client_host + request->client_host_bytes, *channel = group + request->group_bytes;
    struct group_caller who = {
        .ticket = {request->connection_id, request->correlation_id, link, request->api_key, request->api_version},
        .client_id = {client_id, request->client_id_bytes}, .client_host = {client_host, request->client_host_bytes},
        .only_group = {group, request->group_bytes}, .only_topic = {channel, request->channel_bytes},
    };
    union any_request in;
    struct cursor body = cursor_of(channel + request->channel_bytes, request->body_bytes);
    bool is_ours = right_of(request->api_key) == RIGHT_TO_GROUP;
    const struct kafka_message *message = is_ours ? kafka_request_of(request->api_key) : NULL;
    enum err e = ERR_UNSUPPORTED;
    counter_add(c->count.requests, 1);
    c->arena.used = 0;
    if (message != NULL && request->api_version >= 0 && request->api_version <= kafka_served_max(request->api_key))
        e = kafka_decode(message, request->api_version, &body, &c->arena, &in);
    if (e == ERR_OK) {
        enum kafka_error error = forbidden(&who, &in);
        if (error == KAFKA_NONE) error = obstacle(c, request->api_key);
        if (error == KAFKA_NONE) e = run(c, &who, &in);
        else if (!refuse(c, &who.ticket, &in, error)) e = ERR_TOO_LARGE;
    }
    if (e == ERR_OK) return;
    log_warn("coordinator", "a request of client %.*s (API key %d version %d, %u bytes): %s: closing its connection",
             request->client_id_bytes, client_id, request->api_key, request->api_version, request->body_bytes,
             err_text(e));
    coordinator_close(c, &who.ticket);
}
