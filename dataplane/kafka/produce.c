/* Produce (0): refused for every partition.  It is advertised because librdkafka takes a server without it for one of
 * the time before record batches. */
#include "dataplane/kafka/request.h"

static bool topic_refuse(struct request *r, const struct produce_request_topic *in, struct produce_response_topic *out)
{
    out->name = in->name;
    out->partition_responses = request_room(r, in->partition_data_count, sizeof *out->partition_responses);
    if (out->partition_responses == NULL) return false;
    out->partition_response_count = in->partition_data_count;
    for (int32_t i = 0; i < in->partition_data_count; i++)
        out->partition_responses[i] = (struct produce_response_partition){
            .index = in->partition_data[i].index, .error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED,
            .base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1, .error_message = kafka_string_null(),
            .current_leader = {-1, -1},
        };
    return true;
}

enum handled kafka_handle_produce(struct request *r)
{
    struct produce_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    if (in.acks == 0) return HANDLED_NO_ANSWER; /* a closed connection is the only word that such a client gets */
    struct produce_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->responses = request_room(r, in.topic_data_count, sizeof *out->responses);
    if (out->responses == NULL) return HANDLED_TOO_LARGE;
    out->response_count = in.topic_data_count;
    for (int32_t i = 0; i < in.topic_data_count; i++)
        if (!topic_refuse(r, &in.topic_data[i], &out->responses[i])) return HANDLED_TOO_LARGE;
    r->response = out;
    return HANDLED_ANSWER;
}
