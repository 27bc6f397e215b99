/* Metadata (3): one broker, which leads every topic's one partition. */
#include <limits.h>
#include <string.h>

#include "dataplane/kafka/request.h"

enum { /* bits of "authorized operations" are Kafka's ACL operation codes */
    OPERATION_READ = 3, OPERATION_DESCRIBE = 8, OPERATION_DESCRIBE_CONFIGS = 10,
    NOT_ASKED_FOR = INT_MIN
};

static int32_t self[1] = {NODE_ID}; /* replicas and isr of every partition */

static bool topic_name_is_legal(struct kafka_string name)
{
    if (name.size <= 0 || name.size > LOG_NAME_BYTES - 1) return false;
    if (kafka_string_is(name, ".") || kafka_string_is(name, "..")) return false;
    for (int32_t i = 0; i < name.size; i++) {
        char c = name.chars[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && c != '.' && c != '_' && c != '-') return false;
    }
    return true;
}

static bool topic_fill(struct request *r, const struct log *log, struct metadata_response_topic *t)
{
    const struct log_identity *id = log_identity(log);
    struct metadata_response_partition *p = request_room(r, 1, sizeof *p);
    if (p == NULL) return false;
    *p = (struct metadata_response_partition){
        .leader_id = NODE_ID, .leader_epoch = (int32_t)id->leader_epoch,
        .replica_nodes = self, .replica_node_count = 1, .isr_nodes = self, .isr_node_count = 1,
    };
    t->name = kafka_string_of(id->name); /* the log stays until the answer is encoded: log_reader_quiesce comes later */
    memcpy(t->topic_id.bytes, id->topic_id, sizeof t->topic_id.bytes);
    t->partitions = p;
    t->partition_count = 1;
    return true;
}

static bool topics_all(struct request *r, struct metadata_response *out)
{
    out->topics = request_room(r, LOGS_MAX, sizeof *out->topics);
    if (out->topics == NULL) return false;
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        const struct log *log = log_at(r->node->storage, i);
        if (log == NULL || log_identity(log)->is_internal) continue;
        if (!topic_fill(r, log, &out->topics[out->topic_count])) return false;
        out->topic_count++;
    }
    return true;
}

static bool topics_named(struct request *r, const struct metadata_request *in, struct metadata_response *out)
{
    out->topics = request_room(r, in->topic_count, sizeof *out->topics);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < in->topic_count; i++) {
        struct metadata_response_topic *t = &out->topics[i];
        struct kafka_string name = in->topics[i].name;
        const struct log *log = request_log(r, name);
        t->name = name.size < 0 ? kafka_string_of("") : name;
        if (log != NULL) {
            if (!topic_fill(r, log, t)) return false;
        } else {
            bool is_legal = topic_name_is_legal(name);
            t->error_code = is_legal ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC_EXCEPTION;
        }
    }
    out->topic_count = in->topic_count < 0 ? 0 : in->topic_count;
    return true;
}

enum handled kafka_handle_metadata(struct request *r)
{
    struct metadata_request in;
    int16_t version = r->header.api_version;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return e == ERR_TOO_LARGE ? HANDLED_TOO_LARGE : HANDLED_MALFORMED;
    struct metadata_response *out = request_room(r, 1, sizeof *out);
    struct metadata_response_broker *broker = request_room(r, 1, sizeof *broker);
    if (out == NULL || broker == NULL) return HANDLED_TOO_LARGE;
    *broker = (struct metadata_response_broker){NODE_ID, r->node->host, r->node->port, kafka_string_null()};
    out->brokers = broker;
    out->broker_count = 1;
    out->cluster_id = r->node->cluster_id;
    out->controller_id = NODE_ID;
    bool wants_all = in.topic_count < 0 || (version == 0 && in.topic_count == 0);
    if (!(wants_all ? topics_all(r, out) : topics_named(r, &in, out))) return HANDLED_TOO_LARGE;
    int32_t on_topic = in.include_topic_authorized_operations
        ? 1 << OPERATION_READ | 1 << OPERATION_DESCRIBE | 1 << OPERATION_DESCRIBE_CONFIGS : NOT_ASKED_FOR;
    for (int32_t i = 0; i < out->topic_count; i++) out->topics[i].topic_authorized_operations = on_topic;
    out->cluster_authorized_operations = NOT_ASKED_FOR;
    if (in.include_cluster_authorized_operations) out->cluster_authorized_operations = 1 << OPERATION_DESCRIBE;
    r->response = out;
    return HANDLED_ANSWER;
}
