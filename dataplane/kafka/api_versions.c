/* ApiVersions (18).  The list is the registry of messages itself, so nothing is promised that is not decoded. */
#include <string.h>

#include "dataplane/kafka/request.h"

/* KIP-511: [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool software_name_is_legal(struct kafka_string s)
{
    if (s.size <= 0) return false;
    for (int32_t i = 0; i < s.size; i++) {
        char c = s.chars[i];
        bool is_inner = i > 0 && i + 1 < s.size;
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && !(is_inner && (c == '-' || c == '.'))) return false;
    }
    return true;
}

static struct api_versions_response *response_of(struct request *r, int16_t error)
{
    struct api_versions_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return NULL;
    out->error_code = error;
    out->finalized_features_epoch = -1;
    r->response = out;
    return out;
}

static struct api_version version_of(const struct kafka_message *m)
{
    return (struct api_version){m->api_key, 0, kafka_served_max(m->api_key)};
}

enum handled kafka_handle_api_versions(struct request *r)
{
    struct api_versions_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return HANDLED_MALFORMED;
    bool is_legal = r->header.api_version < 3 || (software_name_is_legal(in.client_software_name) &&
                                                  software_name_is_legal(in.client_software_version));
    struct api_versions_response *out = response_of(r, is_legal ? KAFKA_NONE : KAFKA_INVALID_REQUEST);
    if (out == NULL) return HANDLED_TOO_LARGE;
    if (!is_legal) return HANDLED_ANSWER;
    while (kafka_request_at((uint32_t)out->api_key_count) != NULL) out->api_key_count++;
    out->api_keys = request_room(r, out->api_key_count, sizeof *out->api_keys);
    if (out->api_keys == NULL) return HANDLED_TOO_LARGE;
    for (int32_t i = 0; i < out->api_key_count; i++) out->api_keys[i] = version_of(kafka_request_at((uint32_t)i));
    return HANDLED_ANSWER;
}

enum handled kafka_handle_api_versions_unsupported(struct request *r)
{
    struct api_versions_response *out = response_of(r, KAFKA_UNSUPPORTED_VERSION);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->api_keys = request_room(r, 1, sizeof *out->api_keys);
    if (out->api_keys == NULL) return HANDLED_TOO_LARGE;
    out->api_keys[0] = version_of(kafka_request_of(KAFKA_API_API_VERSIONS));
    out->api_key_count = 1;
    r->response_version = 0;
    return HANDLED_ANSWER;
}
