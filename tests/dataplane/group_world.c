#include "tests/dataplane/group_world.h"

#include <check.h>
#include <stdlib.h>

enum { SCRATCH_BYTES = 1 << 20, ENCODE_BYTES = 1 << 20 };

static uint8_t encode_room[ENCODE_BYTES];

/* --- the host --- */

static void answer(void *context, const struct ticket *to, const void *response, uint64_t after)
{
    struct world *w = context;
    ck_assert_uint_lt(to->connection_id, w->ticket_count);
    struct world_ticket *t = &w->ticket[to->connection_id];
    ck_assert_msg(!t->is_answered, "API %d version %d answered twice", t->api_key, t->version);
    ck_assert_int_eq(to->api_key, t->api_key);
    ck_assert_uint_le(after, w->record_count);
    struct sink out = sink_of(encode_room, sizeof encode_room);
    ck_assert_int_eq(kafka_encode(kafka_response_of(t->api_key), t->version, response, &out, NULL), ERR_OK);
    t->size = (size_t)(out.at - encode_room);
    t->bytes = malloc(t->size + 1);
    memcpy(t->bytes, encode_room, t->size);
    t->after = after;
    t->is_answered = true;
}

static uint8_t *encode_part(const struct kafka_message *part, int16_t version, const void *body, size_t *size)
{
    struct sink out = sink_of(encode_room, sizeof encode_room);
    sink_be(&out, (uint16_t)version, 2);
    ck_assert_int_eq(kafka_encode(part, version, body, &out, NULL), ERR_OK);
    *size = (size_t)(out.at - encode_room);
    uint8_t *copy = malloc(*size);
    memcpy(copy, encode_room, *size);
    return copy;
}

static uint64_t store(struct world *w, int16_t kind, const struct kafka_message *key_part, const void *key,
                      const struct kafka_message *value_part, int16_t value_version, const void *value)
{
    ck_assert_uint_lt(w->record_count, WORLD_RECORDS_MAX);
    struct world_record *r = &w->record[w->record_count++];
    *r = (struct world_record){.kind = kind};
    r->key = encode_part(key_part, kind, key, &r->key_size);
    if (value != NULL) r->value = encode_part(value_part, value_version, value, &r->value_size);
    if (w->syncs_at_once) w->durable_count = w->record_count;
    return w->record_count;
}

static uint64_t store_offset(void *w, const struct offset_commit_key *key, const struct offset_commit_value *value)
{
    int16_t version = value != NULL && value->expire_timestamp >= 0 ? 1 : 3;
    return store(w, 1, &kafka_offset_commit_key, key, &kafka_offset_commit_value, version, value);
}

static uint64_t store_group(void *w, const struct group_metadata_key *key, const struct group_metadata_value *value)
{
    return store(w, 2, &kafka_group_metadata_key, key, &kafka_group_metadata_value, 3, value);
}

static uint64_t store_consumer(void *w, enum consumer_record kind, const struct consumer_record_key *key,
                               const void *value)
{
    int16_t version = (int16_t)kind;
    return store(w, version, kafka_consumer_record_key(version), key, kafka_consumer_record_value(version), 0, value);
}

static struct group_topics topics(void *context)
{
    const struct world *w = context;
    return (struct group_topics){w->topic, w->topic_count, w->topics_version};
}

static int32_t topic_partitions(void *w, struct kafka_string topic)
{
    (void)w;
    return topic.size > 0 && topic.chars[0] == 't' ? WORLD_PARTITIONS : 0;
}

static void fill(void *context, void *bytes, size_t size)
{
    struct world *w = context;
    random_bytes(&w->random, bytes, size);
}

/* --- life and death --- */

static void load(struct world *w, const struct world_record *r)
{
    struct kafka_arena arena = {w->scratch, SCRATCH_BYTES, 0};
    struct cursor key = cursor_of(r->key, r->key_size), value = cursor_of(r->value, r->value_size);
    union {
        struct offset_commit_key   offset;
        struct group_metadata_key  group;
        struct consumer_record_key consumer;
    } k = {.consumer = {.member = {NULL, 0}}};
    union {
        struct offset_commit_value  offset;
        struct group_metadata_value group;
        union consumer_record_value consumer;
    } v;
    const struct kafka_message *key_part = kafka_consumer_record_key(r->kind);
    const struct kafka_message *value_part = kafka_consumer_record_value(r->kind);
    if (r->kind <= 2) key_part = r->kind == 2 ? &kafka_group_metadata_key : &kafka_offset_commit_key;
    if (r->kind <= 2) value_part = r->kind == 2 ? &kafka_group_metadata_value : &kafka_offset_commit_value;
    ck_assert_int_eq(kafka_decode(key_part, (int16_t)cursor_be(&key, 2), &key, &arena, &k), ERR_OK);
    const void *body = r->value == NULL ? NULL : &v;
    if (body != NULL)
        ck_assert_int_eq(kafka_decode(value_part, (int16_t)cursor_be(&value, 2), &value, &arena, &v), ERR_OK);
    enum err e = r->kind == 1   ? groups_load_offset(w->groups, &k.offset, body)
                 : r->kind == 2 ? groups_load_group(w->groups, &k.group, body)
                                : groups_load_consumer(w->groups, (enum consumer_record)r->kind, &k.consumer, body);
    ck_assert_int_eq(e, ERR_OK);
}

static void start(struct world *w)
{
    struct groups_host host = {
        .context = w, .answer = answer, .store_offset = store_offset, .store_group = store_group,
        .store_consumer = store_consumer, .topics = topics, .topic_partitions = topic_partitions,
        .random_bytes = fill,
    };
    ck_assert_int_eq(groups_open(&w->groups, &w->limits, &host), ERR_OK);
    groups_advance(w->groups, w->now_ms, w->wall_ms);
    for (uint64_t i = 0; i < w->record_count; i++) load(w, &w->record[i]);
    ck_assert_int_eq(groups_load_done(w->groups), ERR_OK);
}

struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    random_init(&w->random, seed);
    w->now_ms = 1000;
    w->wall_ms = 1700000000000;
    w->scratch = malloc(SCRATCH_BYTES);
    w->room = malloc(SCRATCH_BYTES);
    w->syncs_at_once = true;
    w->topics_version = 1;
    w->limits = (struct group_limits){
        .groups_max = 10, .members_max = 6, .group_bytes_max = 20000, .memory_bytes_max = 1 << 20,
        .member_record_bytes_max = 60000,
        .session_timeout_min_ms = 6000, .session_timeout_max_ms = 1800000,
        .consumer_session_timeout_ms = 45000, .initial_rebalance_delay_ms = 3000,
        .offsets_retention_ms = 7 * 86400000u,
    };
    start(w);
    return w;
}

static void drop_record(struct world_record *r)
{
    free(r->key);
    free(r->value);
}

void world_free(struct world *w)
{
    groups_close(w->groups);
    for (uint32_t i = 0; i < w->ticket_count; i++) free(w->ticket[i].bytes);
    for (uint64_t i = 0; i < w->record_count; i++) drop_record(&w->record[i]);
    free(w->scratch);
    free(w->room);
    free(w);
}

void world_advance(struct world *w, uint64_t ms)
{
    uint64_t end_ms = w->now_ms + ms;
    for (;;) {
        uint64_t next_ms = groups_next_ms(w->groups);
        if (next_ms > end_ms) next_ms = end_ms;
        if (next_ms < w->now_ms) next_ms = w->now_ms;
        w->wall_ms += (int64_t)(next_ms - w->now_ms);
        w->now_ms = next_ms;
        groups_advance(w->groups, w->now_ms, w->wall_ms);
        if (w->now_ms == end_ms) return;
    }
}

void world_crash(struct world *w, uint64_t keep)
{
    ck_assert(keep >= w->durable_count && keep <= w->record_count);
    for (uint32_t i = 0; i < w->ticket_count; i++)
        if (!world_is_out(w, i)) w->ticket[i].is_lost = true;
    groups_close(w->groups);
    while (w->record_count > keep) drop_record(&w->record[--w->record_count]);
    w->durable_count = keep;
    start(w);
}

void world_compact(struct world *w)
{
    uint64_t before = w->record_count;
    groups_store_all(w->groups);
    for (uint64_t i = 0; i < before; i++) drop_record(&w->record[i]);
    memmove(w->record, w->record + before, (w->record_count - before) * sizeof *w->record);
    w->record_count -= before;
    w->durable_count = w->record_count;
    for (uint32_t i = 0; i < w->ticket_count; i++) {
        if (!w->ticket[i].is_answered) w->ticket[i].is_lost = true;
        w->ticket[i].after = 0;
    }
    groups_close(w->groups);
    start(w);
}

/* --- requests and answers --- */

uint32_t world_send(struct world *w, int16_t api_key, int16_t version, const char *client_id, const void *request)
{
    ck_assert_uint_lt(w->ticket_count, WORLD_TICKETS_MAX);
    uint32_t index = w->ticket_count++;
    w->ticket[index] = (struct world_ticket){.api_key = api_key, .version = version};
    struct group_caller who = {{index, 1, 0, api_key, version}, kafka_string_of(client_id), kafka_string_of("/::1"),
                               .only_topic = kafka_string_of(w->only_topic)};
    struct kafka_arena arena = {w->room, SCRATCH_BYTES, 0};
    groups_advance(w->groups, w->now_ms, w->wall_ms);
    enum err e = ERR_OK;
    switch (api_key) {
    case KAFKA_API_JOIN_GROUP: groups_join(w->groups, &who, request); break;
    case KAFKA_API_SYNC_GROUP: groups_sync(w->groups, &who, request); break;
    case KAFKA_API_HEARTBEAT: groups_heartbeat(w->groups, &who, request); break;
    case KAFKA_API_LEAVE_GROUP: e = groups_leave(w->groups, &who, request, &arena); break;
    case KAFKA_API_OFFSET_COMMIT: e = groups_commit(w->groups, &who, request, &arena); break;
    case KAFKA_API_LIST_GROUPS: e = groups_list(w->groups, &who, request, &arena); break;
    case KAFKA_API_DESCRIBE_GROUPS: e = groups_describe(w->groups, &who, request, &arena); break;
    case KAFKA_API_DELETE_GROUPS: e = groups_delete(w->groups, &who, request, &arena); break;
    case KAFKA_API_OFFSET_DELETE: e = groups_delete_offsets(w->groups, &who, request, &arena); break;
    case KAFKA_API_CONSUMER_GROUP_HEARTBEAT: e = groups_consumer_heartbeat(w->groups, &who, request, &arena); break;
    case KAFKA_API_CONSUMER_GROUP_DESCRIBE: e = groups_consumer_describe(w->groups, &who, request, &arena); break;
    default: e = groups_fetch(w->groups, &who, request, &arena); break;
    }
    ck_assert_int_eq(e, ERR_OK);
    return index;
}

bool world_is_out(const struct world *w, uint32_t ticket)
{
    const struct world_ticket *t = &w->ticket[ticket];
    return !t->is_lost && t->is_answered && t->after <= w->durable_count;
}

void world_look(struct world *w, uint32_t ticket, void *out)
{
    const struct world_ticket *t = &w->ticket[ticket];
    ck_assert_msg(t->is_answered, "API %d has no answer", t->api_key);
    struct kafka_arena arena = {w->scratch, SCRATCH_BYTES, 0};
    struct cursor in = cursor_of(t->bytes, t->size);
    ck_assert_int_eq(kafka_decode(kafka_response_of(t->api_key), t->version, &in, &arena, out), ERR_OK);
}

struct find_view {
    const char *group;
    struct group_view view;
};

static void find_view(void *context, const struct group_view *view)
{
    struct find_view *find = context;
    if (kafka_string_is(view->group_id, find->group)) find->view = *view;
}

struct group_view world_view(struct world *w, const char *group)
{
    struct find_view find = {.group = group};
    groups_each(w->groups, kafka_string_of("t"), find_view, &find);
    return find.view;
}

/* --- shorthands --- */

uint32_t world_join(struct world *w, struct world_join in)
{
    struct join_group_request_protocol protocols[2] = {
        {kafka_string_of(in.protocol == NULL ? "range" : in.protocol), {(const uint8_t *)"m", 1}},
        {kafka_string_of(in.protocol2), {(const uint8_t *)"n", 1}},
    };
    if (in.metadata != NULL)
        protocols[0].metadata = (struct kafka_bytes){(const uint8_t *)in.metadata, (int32_t)strlen(in.metadata)};
    struct join_group_request request = {
        .group_id = kafka_string_of(in.group == NULL ? "g" : in.group),
        .session_timeout_ms = in.session_ms == 0 ? 10000 : in.session_ms,
        .rebalance_timeout_ms = in.rebalance_ms == 0 ? 60000 : in.rebalance_ms,
        .member_id = kafka_string_of(in.member == NULL ? "" : in.member),
        .group_instance_id = kafka_string_of(in.instance),
        .protocol_type = kafka_string_of(in.type == NULL ? "consumer" : in.type),
        .protocols = protocols, .protocol_count = in.protocol2 == NULL ? 1 : 2,
    };
    int16_t version = in.version == 0 ? 5 : in.version < 0 ? 0 : in.version;
    return world_send(w, KAFKA_API_JOIN_GROUP, version, "client", &request);
}

uint32_t world_sync(struct world *w, const char *group, int32_t generation, const char *member,
                    const struct sync_group_request_assignment *assignments, int32_t count)
{
    struct sync_group_request_assignment copy[16];
    ck_assert_int_le(count, 16);
    for (int32_t i = 0; i < count; i++) copy[i] = assignments[i];
    struct sync_group_request request = {
        .group_id = kafka_string_of(group), .generation_id = generation, .member_id = kafka_string_of(member),
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .assignments = copy, .assignment_count = count,
    };
    return world_send(w, KAFKA_API_SYNC_GROUP, 3, "client", &request);
}

int16_t world_heartbeat(struct world *w, const char *group, int32_t generation, const char *member,
                        const char *instance)
{
    struct heartbeat_request request = {kafka_string_of(group), generation, kafka_string_of(member),
                                        kafka_string_of(instance)};
    struct heartbeat_response response;
    world_look(w, world_send(w, KAFKA_API_HEARTBEAT, 3, "client", &request), &response);
    return response.error_code;
}

uint32_t world_commit(struct world *w, const char *group, int32_t generation, const char *member, int32_t partition,
                      int64_t offset, const char *metadata)
{
    struct offset_commit_request_partition p = {partition, offset, -1, -1, kafka_string_of(metadata)};
    struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
    struct offset_commit_request request = {
        .group_id = kafka_string_of(group), .generation_id = generation, .member_id = kafka_string_of(member),
        .group_instance_id = kafka_string_null(), .retention_time_ms = -1, .topics = &topic, .topic_count = 1,
    };
    return world_send(w, KAFKA_API_OFFSET_COMMIT, 7, "client", &request);
}

int16_t world_commit_error(struct world *w, uint32_t ticket)
{
    struct offset_commit_response response;
    world_look(w, ticket, &response);
    return response.topics[0].partitions[0].error_code;
}

int64_t world_fetch(struct world *w, const char *group, int32_t partition)
{
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), &partition, 1};
    struct offset_fetch_request request = {kafka_string_of(group), &topic, 1, false};
    struct offset_fetch_response response;
    world_look(w, world_send(w, KAFKA_API_OFFSET_FETCH, 5, "client", &request), &response);
    ck_assert_int_eq(response.topics[0].partitions[0].error_code, 0);
    return response.topics[0].partitions[0].committed_offset;
}

int16_t world_leave(struct world *w, const char *group, const char *member, const char *instance)
{
    struct leave_group_request_member m = {kafka_string_of(member), kafka_string_of(instance)};
    struct leave_group_request request = {kafka_string_of(group), kafka_string_null(), &m, 1};
    struct leave_group_response response;
    world_look(w, world_send(w, KAFKA_API_LEAVE_GROUP, 3, "client", &request), &response);
    return response.error_code != 0 ? response.error_code : response.members[0].error_code;
}

/* --- the new protocol --- */

void world_add_topic(struct world *w, const char *name, uint8_t id)
{
    ck_assert_uint_lt(w->topic_count, WORLD_TOPICS_MAX);
    w->topic[w->topic_count++] = (struct group_topic){kafka_string_of(name), {{id, 1}}};
    w->topics_version++;
}

void world_remove_topic(struct world *w, uint8_t id)
{
    uint32_t i = 0;
    while (i < w->topic_count && w->topic[i].id.bytes[0] != id) i++;
    ck_assert_uint_lt(i, w->topic_count);
    w->topic[i] = w->topic[--w->topic_count];
    w->topics_version++;
}

uint32_t world_beat(struct world *w, struct world_beat in)
{
    static int32_t the_partition[1] = {0};
    struct kafka_string names[4];
    struct consumer_group_heartbeat_topic owned[WORLD_TOPICS_MAX];
    struct consumer_group_heartbeat_request request = {
        .group_id = kafka_string_of(in.group == NULL ? "c" : in.group),
        .member_id = kafka_string_of(in.member == NULL ? "" : in.member), .member_epoch = in.epoch,
        .instance_id = kafka_string_of(in.instance), .rack_id = kafka_string_null(),
        .rebalance_timeout_ms = in.rebalance_ms == 0 ? -1 : in.rebalance_ms,
        .subscribed_topic_names = names, .subscribed_topic_name_count = -1,
        .subscribed_topic_regex = kafka_string_of(in.regex), .server_assignor = kafka_string_of(in.assignor),
        .topic_partitions = owned, .topic_partition_count = in.says_owned || in.epoch == 0 ? 0 : -1,
    };
    for (int i = 0; i < 4 && in.topics[i] != NULL; i++) {
        names[i] = kafka_string_of(in.topics[i]);
        request.subscribed_topic_name_count = i + 1;
    }
    for (int i = 0; in.says_owned && i < WORLD_TOPICS_MAX && in.owned[i] != 0; i++)
        owned[request.topic_partition_count++] =
            (struct consumer_group_heartbeat_topic){{{in.owned[i], 1}}, the_partition, 1};
    if (in.epoch == 0 && request.rebalance_timeout_ms == -1) request.rebalance_timeout_ms = 60000;
    int16_t version = in.version == 0 ? 1 : in.version < 0 ? 0 : in.version;
    return world_send(w, KAFKA_API_CONSUMER_GROUP_HEARTBEAT, version, "client", &request);
}

struct world_told world_told(struct world *w, uint32_t ticket)
{
    struct consumer_group_heartbeat_response r;
    struct world_told told = {0};
    world_look(w, ticket, &r);
    told.error = r.error_code;
    told.epoch = r.member_epoch;
    ck_assert_int_lt(r.member_id.size, (int32_t)sizeof told.member);
    if (r.member_id.size > 0) memcpy(told.member, r.member_id.chars, (size_t)r.member_id.size);
    told.has_assignment = r.assignment != NULL;
    for (int32_t i = 0; r.assignment != NULL && i < r.assignment->topic_partition_count; i++) {
        const struct consumer_group_heartbeat_topic *t = &r.assignment->topic_partitions[i];
        ck_assert(i < WORLD_TOPICS_MAX && t->partition_count == 1 && t->partitions[0] == 0);
        told.topics[i] = (char)t->topic_id.bytes[0];
    }
    return told;
}

uint32_t world_commit_epoch(struct world *w, const char *group, int32_t epoch, const char *member, const char *topic,
                            int64_t offset)
{
    struct offset_commit_request_partition partition = {0, offset, -1, -1, kafka_string_of("x")};
    struct offset_commit_request_topic t = {kafka_string_of(topic), &partition, 1};
    struct offset_commit_request request = {
        .group_id = kafka_string_of(group), .generation_id = epoch, .member_id = kafka_string_of(member),
        .group_instance_id = kafka_string_null(), .retention_time_ms = -1, .topics = &t, .topic_count = 1,
    };
    return world_send(w, KAFKA_API_OFFSET_COMMIT, 9, "client", &request);
}
