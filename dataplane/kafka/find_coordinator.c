/* FindCoordinator (10): this node coordinates every group, also the one without a name, which clients of 0.10 to 2.x
 * have when nobody gave them one.  Needs no state, so it is answered on the serve lcore. */
#include "dataplane/kafka/request.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

static struct found_coordinator found(const struct request *r, struct kafka_string key, int8_t key_type)
{
    struct found_coordinator out = {.key = key, .error_message = kafka_string_null(), .node_id = -1, .port = -1};
    if (key_type == KEY_TRANSACTION) out.error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    else if (key_type != KEY_GROUP) out.error_code = KAFKA_INVALID_REQUEST;
    if (out.error_code != KAFKA_NONE) return out;
    out.node_id = NODE_ID;
    out.host = r->node->host;
    out.port = r->node->port;
    return out;
}

enum handled kafka_handle_find_coordinator(struct request *r)
{
    struct find_coordinator_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct find_coordinator_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    struct found_coordinator one = found(r, in.key, in.key_type);
    *out = (struct find_coordinator_response){.error_code = one.error_code, .error_message = one.error_message,
                                              .node_id = one.node_id, .host = one.host, .port = one.port};
    out->coordinators = request_room(r, in.coordinator_key_count, sizeof *out->coordinators);
    if (out->coordinators == NULL) return HANDLED_TOO_LARGE;
    out->coordinator_count = in.coordinator_key_count;
    for (int32_t i = 0; i < in.coordinator_key_count; i++)
        out->coordinators[i] = found(r, in.coordinator_keys[i], in.key_type);
    r->response = out;
    return HANDLED_ANSWER;
}
