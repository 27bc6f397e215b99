/* Metadata (3): one broker, which leads every partition. */
#include <limits.h>
#include <string.h>

#include "dataplane/kafka/request.h"

static int32_t self[1] = {NODE_ID}; /* replicas and isr of every partition */

static bool topic_fill(struct request *r, const struct log *log, struct metadata_response_topic *t)
{
    const struct log_identity *id = log_identity(log);
    int32_t count = request_partition_count(log);
    struct metadata_response_partition *p = request_room(r, count, sizeof *p);
    if (p == NULL) return false;
    for (int32_t i = 0; i < count; i++)
        p[i] = (struct metadata_response_partition){
            .partition_index = i, .leader_id = NODE_ID, .leader_epoch = (int32_t)id->leader_epoch,
            .replica_nodes = self, .replica_node_count = 1, .isr_nodes = self, .isr_node_count = 1,
        };
    t->name = kafka_string_of(id->name); /* the log stays until the answer is encoded: log_reader_quiesce comes later */
    t->topic_id = request_topic_id(log);
    t->partitions = p;
    t->partition_count = count;
    t->is_internal = id->is_internal;
    return true;
}

static bool topics_all(struct request *r, struct metadata_response *out)
{
    out->topics = request_room(r, LOGS_MAX, sizeof *out->topics);
    if (out->topics == NULL) return false;
    for (uint32_t i = 0; i < LOGS_MAX; i++) {
        const struct log *log = request_log_at(r, i);
        if (log == NULL) continue;
        if (!topic_fill(r, log, &out->topics[out->topic_count])) return false;
        out->topic_count++;
    }
    return true;
}

/* Asked for by id (KIP-516) when there is one, else by name. */
static bool topic_asked(struct request *r, const struct metadata_request_topic *in, struct metadata_response_topic *t)
{
    bool by_id = in->name.size < 0 || !request_is_no_id(in->topic_id);
    const struct log *log = NULL;
    if (by_id && r->header.api_version < 12) { /* the answer could not name it */
        t->error_code = KAFKA_INVALID_REQUEST;
    } else {
        log = by_id ? request_log_by_id(r, in->topic_id) : request_log(r, in->name);
        if (log == NULL) t->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID : request_topic_missing(r, in->name);
    }
    if (log != NULL) return topic_fill(r, log, t);
    t->name = in->name;
    if (by_id) t->topic_id = in->topic_id;
    return true;
}

static bool topics_asked(struct request *r, const struct metadata_request *in, struct metadata_response *out)
{
    out->topics = request_room(r, in->topic_count, sizeof *out->topics);
    if (out->topics == NULL) return false;
    out->topic_count = in->topic_count;
    for (int32_t i = 0; i < in->topic_count; i++)
        if (!topic_asked(r, &in->topics[i], &out->topics[i])) return false;
    return true;
}

enum handled kafka_handle_metadata(struct request *r)
{
    struct metadata_request in;
    int16_t version = r->header.api_version;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct metadata_response *out = request_room(r, 1, sizeof *out);
    struct metadata_response_broker *broker = request_room(r, 1, sizeof *broker);
    if (out == NULL || broker == NULL) return HANDLED_TOO_LARGE;
    *broker = (struct metadata_response_broker){NODE_ID, r->node->host, r->node->port, kafka_string_null()};
    out->brokers = broker;
    out->broker_count = 1;
    out->cluster_id = request_cluster_id(r);
    out->controller_id = NODE_ID;
    bool wants_all = in.topic_count < 0 || (version == 0 && in.topic_count == 0);
    if (!(wants_all ? topics_all(r, out) : topics_asked(r, &in, out))) return HANDLED_TOO_LARGE;
    int32_t on_topic = in.include_topic_authorized_operations ? TOPIC_OPERATIONS : INT_MIN;
    for (int32_t i = 0; i < out->topic_count; i++)
        out->topics[i].topic_authorized_operations = out->topics[i].error_code == KAFKA_NONE ? on_topic : INT_MIN;
    out->cluster_authorized_operations = in.include_cluster_authorized_operations ? CLUSTER_OPERATIONS : INT_MIN;
    r->response = out;
    return HANDLED_ANSWER;
}
