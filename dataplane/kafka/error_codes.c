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

/* Clients throw on codes that they do not expect; the consumer of 0.10.0 dies of any but 0, 1, 3, 6, 29 and -1.  Kafka
 * itself tells older clients some of these; what stands here instead, all take. */
static const struct {
    int16_t api_key, code, since, before; /* from `since` on the code itself, to older versions `before` */
} changes[] = {
    {KAFKA_API_FETCH, KAFKA_CORRUPT_MESSAGE, 4, KAFKA_UNKNOWN_SERVER_ERROR},
    {KAFKA_API_FETCH, KAFKA_KAFKA_STORAGE_ERROR, 6, KAFKA_NOT_LEADER_OR_FOLLOWER},
    {KAFKA_API_FETCH, KAFKA_UNSUPPORTED_COMPRESSION_TYPE, 10, KAFKA_UNKNOWN_SERVER_ERROR},
    {KAFKA_API_FETCH, KAFKA_OFFSET_NOT_AVAILABLE, 11, KAFKA_NOT_LEADER_OR_FOLLOWER},
    {KAFKA_API_LIST_OFFSETS, KAFKA_CORRUPT_MESSAGE, 4, KAFKA_UNKNOWN_SERVER_ERROR},
    {KAFKA_API_LIST_OFFSETS, KAFKA_KAFKA_STORAGE_ERROR, 4, KAFKA_UNKNOWN_SERVER_ERROR},
    {KAFKA_API_LIST_OFFSETS, KAFKA_OFFSET_NOT_AVAILABLE, 5, KAFKA_LEADER_NOT_AVAILABLE}, /* KIP-207 */
};

enum kafka_error kafka_error_in(int16_t api_key, int16_t version, enum kafka_error code)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (changes[i].api_key == api_key && changes[i].code == code && version < changes[i].since)
            return (enum kafka_error)changes[i].before;
    return code;
}
