#include "dataplane/kafka/error_codes.h"

#include "dataplane/kafka/messages.h"

const char *kafka_error_name(int code)
{
    switch (code) {
#define X(name, number) case number: return #name;
    KAFKA_ERROR_LIST(X)
#undef X
    default: return "?";
    }
}

enum kafka_error kafka_error_of(enum err e)
{
    switch (e) {
    case ERR_OK:           return KAFKA_NONE;
    case ERR_OUT_OF_RANGE: return KAFKA_OFFSET_OUT_OF_RANGE;
    case ERR_NOT_FOUND:    return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_STATE:        return KAFKA_NOT_LEADER_OR_FOLLOWER; /* the log is being closed: look again */
    case ERR_IO:           return KAFKA_KAFKA_STORAGE_ERROR;
    case ERR_CORRUPT:      return KAFKA_CORRUPT_MESSAGE;
    default:               return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}

enum kafka_error kafka_error_in(int16_t api_key, int16_t version, enum kafka_error code)
{
    bool is_storage = code == KAFKA_KAFKA_STORAGE_ERROR;
    if (api_key == KAFKA_API_FETCH && version < 6 && is_storage) return KAFKA_NOT_LEADER_OR_FOLLOWER;
    /* The consumer of 0.10.0 dies of a code that it does not know. */
    if (api_key == KAFKA_API_FETCH && version < 4 && code == KAFKA_CORRUPT_MESSAGE) return KAFKA_UNKNOWN_SERVER_ERROR;
    if (api_key == KAFKA_API_LIST_OFFSETS && version < 4 && (is_storage || code == KAFKA_CORRUPT_MESSAGE))
        return KAFKA_UNKNOWN_SERVER_ERROR;
    if (api_key == KAFKA_API_LIST_OFFSETS && version < 5 && code == KAFKA_OFFSET_NOT_AVAILABLE)
        return KAFKA_LEADER_NOT_AVAILABLE; /* KIP-207 */
    return code;
}
