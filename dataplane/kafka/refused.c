/* The requests that would change what this server holds, and the question for its ACLs: refused one by one, with words
 * for a person where the version has room for them, so that an administrator's tool says what is the matter instead of
 * losing its connection. */
#include "dataplane/kafka/request.h"

static const char topics_are_channels[] =
    "topics are millrace's channels: create, change and delete channels with the millrace command or the REST API";
static const char settings_are_ours[] = "settings are those of millraced's configuration file";

static enum handled init_producer_id(struct request *r)
{
    struct init_producer_id_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct init_producer_id_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    *out = (struct init_producer_id_response){
        .error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED, .producer_id = -1, .producer_epoch = -1};
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled create_topics(struct request *r)
{
    struct create_topics_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct create_topics_response *out = request_room(r, 1, sizeof *out);
    struct created_topic *topics = request_room(r, in.topic_count, sizeof *topics);
    if (out == NULL || topics == NULL) return HANDLED_TOO_LARGE;
    out->topics = topics;
    out->topic_count = in.topic_count;
    for (int32_t i = 0; i < in.topic_count; i++)
        topics[i] = (struct created_topic){
            .name = in.topics[i].name, .error_code = KAFKA_POLICY_VIOLATION,
            .error_message = kafka_string_of(topics_are_channels), .num_partitions = -1, .replication_factor = -1,
            .config_count = -1};
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled delete_topics(struct request *r)
{
    struct delete_topics_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    bool is_listed = r->header.api_version >= 6; /* before: names only */
    int32_t count = is_listed ? in.topic_count : in.topic_name_count;
    struct delete_topics_response *out = request_room(r, 1, sizeof *out);
    struct deleted_topic *topics = request_room(r, count, sizeof *topics);
    if (out == NULL || topics == NULL) return HANDLED_TOO_LARGE;
    out->responses = topics;
    out->response_count = count;
    for (int32_t i = 0; i < count; i++) {
        topics[i] = (struct deleted_topic){.name = is_listed ? in.topics[i].name : in.topic_names[i],
                                           .error_code = KAFKA_POLICY_VIOLATION,
                                           .error_message = kafka_string_of(topics_are_channels)};
        if (is_listed) topics[i].topic_id = in.topics[i].topic_id;
    }
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled create_partitions(struct request *r)
{
    struct create_partitions_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct create_partitions_response *out = request_room(r, 1, sizeof *out);
    struct created_partitions *results = request_room(r, in.topic_count, sizeof *results);
    if (out == NULL || results == NULL) return HANDLED_TOO_LARGE;
    out->results = results;
    out->result_count = in.topic_count;
    for (int32_t i = 0; i < in.topic_count; i++)
        results[i] = (struct created_partitions){in.topics[i].name, KAFKA_POLICY_VIOLATION,
                                                 kafka_string_of("a channel has one partition")};
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled delete_records(struct request *r)
{
    struct delete_records_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct delete_records_response *out = request_room(r, 1, sizeof *out);
    struct deleted_records_topic *topics = request_room(r, in.topic_count, sizeof *topics);
    if (out == NULL || topics == NULL) return HANDLED_TOO_LARGE;
    out->topics = topics;
    out->topic_count = in.topic_count;
    for (int32_t t = 0; t < in.topic_count; t++) {
        const struct delete_records_request_topic *topic = &in.topics[t];
        struct deleted_records_partition *partitions = request_room(r, topic->partition_count, sizeof *partitions);
        if (partitions == NULL) return HANDLED_TOO_LARGE;
        topics[t] = (struct deleted_records_topic){topic->name, partitions, topic->partition_count};
        for (int32_t i = 0; i < topic->partition_count; i++)
            partitions[i] = (struct deleted_records_partition){topic->partitions[i].partition_index, -1,
                                                               KAFKA_POLICY_VIOLATION};
    }
    r->response = out;
    return HANDLED_ANSWER;
}

/* One answer for a resource of either API about settings. */
static struct altered_config_resource resource_refused(int8_t type, struct kafka_string name)
{
    return (struct altered_config_resource){KAFKA_POLICY_VIOLATION, kafka_string_of(settings_are_ours), type, name};
}

static enum handled alter_configs(struct request *r)
{
    struct alter_configs_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct alter_configs_response *out = request_room(r, 1, sizeof *out);
    struct altered_config_resource *responses = request_room(r, in.resource_count, sizeof *responses);
    if (out == NULL || responses == NULL) return HANDLED_TOO_LARGE;
    out->responses = responses;
    out->response_count = in.resource_count;
    for (int32_t i = 0; i < in.resource_count; i++)
        responses[i] = resource_refused(in.resources[i].resource_type, in.resources[i].resource_name);
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled incremental_alter_configs(struct request *r)
{
    struct incremental_alter_configs_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct incremental_alter_configs_response *out = request_room(r, 1, sizeof *out);
    struct altered_config_resource *responses = request_room(r, in.resource_count, sizeof *responses);
    if (out == NULL || responses == NULL) return HANDLED_TOO_LARGE;
    out->responses = responses;
    out->response_count = in.resource_count;
    for (int32_t i = 0; i < in.resource_count; i++)
        responses[i] = resource_refused(in.resources[i].resource_type, in.resources[i].resource_name);
    r->response = out;
    return HANDLED_ANSWER;
}

static enum handled describe_acls(struct request *r)
{
    struct describe_acls_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct describe_acls_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->error_code = KAFKA_SECURITY_DISABLED;
    out->error_message = kafka_string_of("there are no ACLs: an account sees its channel and its group");
    r->response = out;
    return HANDLED_ANSWER;
}

enum handled kafka_handle_refused(struct request *r)
{
    switch (r->header.api_key) {
    case KAFKA_API_INIT_PRODUCER_ID:          return init_producer_id(r);
    case KAFKA_API_CREATE_TOPICS:             return create_topics(r);
    case KAFKA_API_DELETE_TOPICS:             return delete_topics(r);
    case KAFKA_API_CREATE_PARTITIONS:         return create_partitions(r);
    case KAFKA_API_DELETE_RECORDS:            return delete_records(r);
    case KAFKA_API_ALTER_CONFIGS:             return alter_configs(r);
    case KAFKA_API_INCREMENTAL_ALTER_CONFIGS: return incremental_alter_configs(r);
    case KAFKA_API_DESCRIBE_ACLS:             return describe_acls(r);
    default:                                  return HANDLED_MALFORMED;
    }
}
