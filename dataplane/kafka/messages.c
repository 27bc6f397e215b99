/* The registry of the messages; their fields are in messages_*.c. */
#include "dataplane/kafka/messages_table.h"

/* By key: request and response, or NULL. */
static const struct kafka_message *const apis[] = {
#define X(name, messages) [KAFKA_API_##name] = kafka_##messages##_messages,
    KAFKA_API_LIST(X)
#undef X
};
enum { KEYS = sizeof apis / sizeof *apis };

const struct kafka_message *kafka_request_at(uint32_t index)
{
    static const struct kafka_message *const in_order[] = {
#define X(name, messages) kafka_##messages##_messages,
        KAFKA_API_LIST(X)
#undef X
    };
    return index < sizeof in_order / sizeof *in_order ? in_order[index] : NULL;
}

const struct kafka_message *kafka_request_of(int16_t api_key)
{
    return api_key >= 0 && api_key < KEYS ? apis[api_key] : NULL;
}

const struct kafka_message *kafka_response_of(int16_t api_key)
{
    const struct kafka_message *request = kafka_request_of(api_key);
    return request == NULL ? NULL : request + 1;
}

int16_t kafka_served_max(int16_t api_key)
{
    const struct kafka_message *request = kafka_request_of(api_key);
    return request == NULL ? -1 : request->version_max;
}
