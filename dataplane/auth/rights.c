#include "dataplane/auth/rights.h"

#include <string.h>

#include "dataplane/kafka/messages.h"

static const struct {
    int16_t api_key;
    enum right right;
    enum kafka_error group_error;
} table[] = {
    {KAFKA_API_API_VERSIONS,      RIGHT_TO_LOG_IN, KAFKA_NONE},
    {KAFKA_API_SASL_HANDSHAKE,    RIGHT_TO_LOG_IN, KAFKA_NONE},
    {KAFKA_API_SASL_AUTHENTICATE, RIGHT_TO_LOG_IN, KAFKA_NONE},

    {KAFKA_API_METADATA,                  RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_FETCH,                     RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_LIST_OFFSETS,              RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_OFFSET_FOR_LEADER_EPOCH,   RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_DESCRIBE_CONFIGS,          RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_DESCRIBE_LOG_DIRS,         RIGHT_TO_CHANNEL, KAFKA_NONE},
    {KAFKA_API_DESCRIBE_TOPIC_PARTITIONS, RIGHT_TO_CHANNEL, KAFKA_NONE},

    /* Consumers with a group.id that is not theirs read all the same, and must find a coordinator before they do. */
    {KAFKA_API_FIND_COORDINATOR, RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_DESCRIBE_CLUSTER, RIGHT_TO_ASK, KAFKA_NONE},

    {KAFKA_API_JOIN_GROUP,    RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_SYNC_GROUP,    RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_HEARTBEAT,     RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_LEAVE_GROUP,   RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_OFFSET_COMMIT, RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_OFFSET_FETCH,  RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_CONSUMER_GROUP_HEARTBEAT, RIGHT_TO_GROUP, KAFKA_INVALID_GROUP_ID},
    {KAFKA_API_LIST_GROUPS,     RIGHT_TO_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED}, /* others are left out */
    {KAFKA_API_DESCRIBE_GROUPS, RIGHT_TO_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED},
    {KAFKA_API_DELETE_GROUPS,   RIGHT_TO_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED},
    {KAFKA_API_OFFSET_DELETE,   RIGHT_TO_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED},
    {KAFKA_API_CONSUMER_GROUP_DESCRIBE, RIGHT_TO_GROUP, KAFKA_GROUP_AUTHORIZATION_FAILED},

    /* Refused to everybody, each with its own error. */
    {KAFKA_API_PRODUCE,           RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_INIT_PRODUCER_ID,  RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_CREATE_TOPICS,     RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_DELETE_TOPICS,     RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_DELETE_RECORDS,    RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_CREATE_PARTITIONS, RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_ALTER_CONFIGS,     RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_INCREMENTAL_ALTER_CONFIGS, RIGHT_TO_ASK, KAFKA_NONE},
    {KAFKA_API_DESCRIBE_ACLS,     RIGHT_TO_ASK, KAFKA_NONE},
};

enum right right_of(int16_t api_key)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].api_key == api_key) return table[i].right;
    return RIGHT_OF_OPERATOR;
}

enum kafka_error right_group_error(int16_t api_key)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].api_key == api_key && table[i].right == RIGHT_TO_GROUP) return table[i].group_error;
    return KAFKA_GROUP_AUTHORIZATION_FAILED;
}

bool principal_sees_channel(const struct principal *p, const char *name, size_t size)
{
    return !principal_is_limited(p) || (strlen(p->channel) == size && memcmp(p->channel, name, size) == 0);
}
