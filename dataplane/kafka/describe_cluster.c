/* DescribeCluster (60): what Metadata says of the cluster, for administrators' clients (KIP-700, KIP-919). */
#include <limits.h>

#include "dataplane/kafka/request.h"

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

static void fill(struct request *r, const struct describe_cluster_request *in, struct describe_cluster_broker *broker,
                 struct describe_cluster_response *out)
{
    *broker = (struct describe_cluster_broker){NODE_ID, r->node->host, r->node->port, kafka_string_null()};
    out->cluster_id = request_cluster_id(r);
    out->controller_id = NODE_ID;
    out->brokers = broker;
    out->broker_count = 1;
    if (in->include_cluster_authorized_operations) out->cluster_authorized_operations = CLUSTER_OPERATIONS;
}

enum handled kafka_handle_describe_cluster(struct request *r)
{
    struct describe_cluster_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return HANDLED_MALFORMED;
    struct describe_cluster_response *out = request_room(r, 1, sizeof *out);
    struct describe_cluster_broker *broker = request_room(r, 1, sizeof *broker);
    if (out == NULL || broker == NULL) return HANDLED_TOO_LARGE;
    *out = (struct describe_cluster_response){.error_message = kafka_string_null(), .endpoint_type = ENDPOINT_BROKER,
                                              .controller_id = -1, .cluster_authorized_operations = INT_MIN};
    if (in.endpoint_type == ENDPOINT_BROKER) {
        fill(r, &in, broker, out);
    } else if (in.endpoint_type == ENDPOINT_CONTROLLER) {
        out->error_code = KAFKA_MISMATCHED_ENDPOINT_TYPE;
        out->error_message = kafka_string_of("this is an endpoint of brokers, not of controllers");
    } else {
        out->error_code = KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        out->error_message = kafka_string_of("no such type of endpoint");
    }
    r->response = out;
    return HANDLED_ANSWER;
}
