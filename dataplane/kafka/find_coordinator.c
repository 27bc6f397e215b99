/* FindCoordinator (10): this node coordinates every group.  Needs no state, so it is answered on the serve lcore. */
#include "dataplane/kafka/request.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

enum handled kafka_handle_find_coordinator(struct request *r)
{
    struct find_coordinator_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return HANDLED_MALFORMED;
    struct find_coordinator_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    *out = (struct find_coordinator_response){.error_message = kafka_string_null(), .node_id = -1, .port = -1};
    if (in.key_type == KEY_TRANSACTION) out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    else if (in.key_type != KEY_GROUP) out->error_code = KAFKA_INVALID_REQUEST;
    else if (in.key.size <= 0) out->error_code = KAFKA_INVALID_GROUP_ID;
    if (out->error_code == KAFKA_NONE) {
        out->node_id = NODE_ID;
        out->host = r->node->host;
        out->port = r->node->port;
    }
    r->response = out;
    return HANDLED_ANSWER;
}
