/* The registry of the messages; their fields are in messages_*.c. */
#include "dataplane/kafka/messages_table.h"

static const struct {
    const struct kafka_message *pair; /* request, response */
    int16_t served_max;
} apis[] = {
#define X(name, messages, served) [KAFKA_API_##name] = {kafka_##messages##_messages, served},
    KAFKA_API_LIST(X)
#undef X
};
enum { KEYS = sizeof apis / sizeof *apis };

const struct kafka_message *kafka_request_at(uint32_t index)
{
    for (int16_t key = 0; key < KEYS; key++)
        if (apis[key].pair != NULL && index-- == 0) return &apis[key].pair[0];
    return NULL;
}

const struct kafka_message *kafka_request_of(int16_t api_key)
{
    return api_key >= 0 && api_key < KEYS && apis[api_key].pair != NULL ? &apis[api_key].pair[0] : NULL;
}

const struct kafka_message *kafka_response_of(int16_t api_key)
{
    return kafka_request_of(api_key) == NULL ? NULL : &apis[api_key].pair[1];
}

int16_t kafka_served_max(int16_t api_key)
{
    return kafka_request_of(api_key) == NULL ? NOT_SERVED : apis[api_key].served_max;
}
