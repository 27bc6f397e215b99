/* DescribeConfigs (32): the settings of a topic or of the broker under Kafka's names, with what is true here.  What
 * comes from millraced's configuration is told as the broker's static configuration, all else as a default; nothing can
 * be changed this way. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/kafka/request.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };
enum { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };
enum { TYPE_BOOLEAN = 1, TYPE_STRING = 2, TYPE_INT = 3, TYPE_LONG = 5, TYPE_LIST = 7 };
enum { VALUE_BYTES = 24 };

struct setting {
    const char *name, *broker_name; /* the broker's setting that a topic's comes from */
    int8_t      type;
    const char *constant; /* NULL: one of ours, */
    size_t      at;       /* an int64_t of struct served_settings, */
    int64_t     unit;     /* divided by this; */
    bool        is_codec;  /* the topic's own compression, if it has any */
    bool        none_at_0; /* 0 means no limit, which Kafka says as -1 */
    const char *documentation;
};

#define OURS(member, per) .at = offsetof(struct served_settings, member), .unit = per

static const struct setting of_topics[] = {
    {"cleanup.policy", "log.cleanup.policy", TYPE_LIST, "delete", .documentation = "Old segments are removed."},
    {"compression.type", "compression.type", TYPE_STRING, "uncompressed", .is_codec = true,
     .documentation = "How records are kept and sent: the channel's compression."},
    {"index.interval.bytes", "log.index.interval.bytes", TYPE_INT, OURS(index_interval_bytes, 1),
     .documentation = "Bytes of records between two entries of the offset index."},
    {"max.message.bytes", "message.max.bytes", TYPE_INT, OURS(record_bytes_max, 1),
     .documentation = "The largest record: record_bytes_max of millraced."},
    {"message.downconversion.enable", "log.message.downconversion.enable", TYPE_BOOLEAN, "true",
     .documentation = "Consumers of before 0.11 get the message formats of their time."},
    {"message.timestamp.type", "log.message.timestamp.type", TYPE_STRING, "CreateTime",
     .documentation = "A record's time is that of the change in the database."},
    {"min.insync.replicas", "min.insync.replicas", TYPE_INT, "1", .documentation = "There is one copy."},
    {"retention.bytes", "log.retention.bytes", TYPE_LONG, OURS(retention_bytes, 1), .none_at_0 = true,
     .documentation = "The oldest segments of a larger log are removed: retention_bytes of millraced."},
    {"retention.ms", "log.retention.ms", TYPE_LONG, OURS(retention_ms, 1), .none_at_0 = true,
     .documentation = "Segments written longer ago are removed: retention_ms of millraced."},
    {"segment.bytes", "log.segment.bytes", TYPE_INT, OURS(segment_bytes, 1),
     .documentation = "A segment ends at the first transaction end above this: segment_bytes of millraced."},
    {"unclean.leader.election.enable", "unclean.leader.election.enable", TYPE_BOOLEAN, "false",
     .documentation = "There is one copy."},
};

static const struct setting of_broker[] = {
    {"auto.create.topics.enable", NULL, TYPE_BOOLEAN, "false", .documentation = "Topics are channels."},
    {"broker.id", NULL, TYPE_INT, "1", .documentation = "There is one node."},
    {"default.replication.factor", NULL, TYPE_INT, "1", .documentation = "There is one copy."},
    {"delete.topic.enable", NULL, TYPE_BOOLEAN, "false", .documentation = "Topics are channels."},
    {"fetch.max.bytes", NULL, TYPE_INT, OURS(fetch_bytes_max, 1),
     .documentation = "The most that one answer carries: fetch_bytes_max of millraced."},
    {"group.initial.rebalance.delay.ms", NULL, TYPE_INT, OURS(initial_rebalance_delay_ms, 1),
     .documentation = "An empty group waits this long for more members."},
    {"log.cleanup.policy", NULL, TYPE_LIST, "delete", .documentation = "Old segments are removed."},
    {"log.index.interval.bytes", NULL, TYPE_INT, OURS(index_interval_bytes, 1),
     .documentation = "Bytes of records between two entries of the offset index."},
    {"log.message.timestamp.type", NULL, TYPE_STRING, "CreateTime",
     .documentation = "A record's time is that of the change in the database."},
    {"log.retention.bytes", NULL, TYPE_LONG, OURS(retention_bytes, 1), .none_at_0 = true,
     .documentation = "The oldest segments of a larger log are removed."},
    {"log.retention.hours", NULL, TYPE_INT, OURS(retention_ms, 3600000), .none_at_0 = true,
     .documentation = "As log.retention.ms, which counts."},
    {"log.retention.ms", NULL, TYPE_LONG, OURS(retention_ms, 1), .none_at_0 = true,
     .documentation = "Segments written longer ago are removed."},
    {"log.segment.bytes", NULL, TYPE_INT, OURS(segment_bytes, 1),
     .documentation = "A segment ends at the first transaction end above this."},
    {"message.max.bytes", NULL, TYPE_INT, OURS(record_bytes_max, 1),
     .documentation = "The largest record: record_bytes_max of millraced."},
    {"min.insync.replicas", NULL, TYPE_INT, "1", .documentation = "There is one copy."},
    {"num.partitions", NULL, TYPE_INT, "1", .documentation = "A channel has one partition, so its order is total."},
    {"offsets.retention.minutes", NULL, TYPE_INT, OURS(offsets_retention_ms, 60000),
     .documentation = "A group without members forgets its offsets after this."},
    {"socket.request.max.bytes", NULL, TYPE_INT, OURS(request_bytes_max, 1),
     .documentation = "A larger request ends its connection: request_bytes_max of millraced."},
};

/* Terminated; NULL: the arena is full. */
static const char *value_of(struct request *r, const struct setting *s)
{
    if (s->constant != NULL) return s->constant;
    int64_t number;
    memcpy(&number, (const char *)&r->node->settings + s->at, sizeof number);
    char *text = request_room(r, VALUE_BYTES, 1);
    if (text == NULL) return NULL;
    number = number == 0 && s->none_at_0 ? -1 : number / s->unit;
    snprintf(text, VALUE_BYTES, "%" PRId64, number);
    return text;
}

static bool is_wanted(const struct describe_configs_resource *in, const char *name)
{
    if (in->configuration_key_count <= 0) return true;
    for (int32_t i = 0; i < in->configuration_key_count; i++)
        if (kafka_string_is(in->configuration_keys[i], name)) return true;
    return false;
}

/* `log`: the topic's; NULL: of the broker. */
static bool setting_tell(struct request *r, const struct describe_configs_request *in, const struct log *log,
                         const struct setting *s, struct described_config *out)
{
    const char *value = value_of(r, s);
    if (value == NULL) return false;
    int8_t source = s->constant != NULL ? SOURCE_DEFAULT : SOURCE_STATIC_BROKER;
    enum compression codec = s->is_codec ? log_compression(log) : COMPRESSION_NONE;
    if (codec != COMPRESSION_NONE) {
        value = compression_name(codec);
        source = SOURCE_TOPIC;
    }
    *out = (struct described_config){.name = kafka_string_of(s->name), .value = kafka_string_of(value),
        .read_only = true, .is_default = source == SOURCE_DEFAULT, .config_source = source, .config_type = s->type,
        .documentation = kafka_string_null()};
    if (in->include_documentation) out->documentation = kafka_string_of(s->documentation);
    if (!in->include_synonyms) return true;
    out->synonyms = request_room(r, 1, sizeof *out->synonyms);
    if (out->synonyms == NULL) return false;
    out->synonym_count = 1;
    out->synonyms[0] = (struct described_config_synonym){
        kafka_string_of(s->broker_name == NULL ? s->name : s->broker_name), out->value, source};
    return true;
}

static bool settings_tell(struct request *r, const struct describe_configs_request *in,
                          const struct describe_configs_resource *resource, const struct log *log,
                          const struct setting *settings, size_t count, struct describe_configs_result *out)
{
    out->configs = request_room(r, (int64_t)count, sizeof *out->configs);
    if (out->configs == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(resource, settings[i].name)) continue;
        if (!setting_tell(r, in, log, &settings[i], &out->configs[out->config_count])) return false;
        out->config_count++;
    }
    return true;
}

static bool resource_tell(struct request *r, const struct describe_configs_request *in,
                          const struct describe_configs_resource *resource, struct describe_configs_result *out)
{
    char self[12];
    snprintf(self, sizeof self, "%d", NODE_ID);
    *out = (struct describe_configs_result){.error_message = kafka_string_null(),
        .resource_type = resource->resource_type, .resource_name = resource->resource_name};
    bool is_topic = resource->resource_type == RESOURCE_TOPIC, is_broker = resource->resource_type == RESOURCE_BROKER;
    const struct log *log = is_topic ? request_log(r, resource->resource_name) : NULL;
    if (log != NULL)
        return settings_tell(r, in, resource, log, of_topics, sizeof of_topics / sizeof *of_topics, out);
    if (is_broker && principal_is_limited(r->principal)) {
        out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        out->error_message = kafka_string_of("only operators see a broker's settings");
        return true;
    }
    if (is_broker && kafka_string_is(resource->resource_name, self))
        return settings_tell(r, in, resource, NULL, of_broker, sizeof of_broker / sizeof *of_broker, out);
    if (is_broker && resource->resource_name.size == 0) return true; /* changed for all brokers: none is */
    out->error_code = is_topic ? (int16_t)request_topic_missing(r, resource->resource_name) : KAFKA_INVALID_REQUEST;
    if (!is_topic)
        out->error_message = kafka_string_of(is_broker ? "there is no such broker: the only one is 1"
                                                       : "only topics and brokers have settings here");
    return true;
}

enum handled kafka_handle_describe_configs(struct request *r)
{
    struct describe_configs_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct describe_configs_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->results = request_room(r, in.resource_count, sizeof *out->results);
    if (out->results == NULL) return HANDLED_TOO_LARGE;
    out->result_count = in.resource_count;
    for (int32_t i = 0; i < in.resource_count; i++)
        if (!resource_tell(r, &in, &in.resources[i], &out->results[i])) return HANDLED_TOO_LARGE;
    r->response = out;
    return HANDLED_ANSWER;
}
