/* dataplane/kafka/messages.h -- the messages of the Kafka protocol that concern this server, as C structs, and their
 * registry.
 *
 * The structs lie in messages_log.h, messages_group.h and messages_admin.h, their tables in the .c files of the same
 * names.  Members are in wire order.  `vN+` is the first version that carries a member; without a mark it is in all.
 * Maxima are those of Kafka 3.9.  Strings and arrays are borrowed (codec.h).  Names are Kafka's, in our spelling. */
#ifndef DATAPLANE_KAFKA_MESSAGES_H
#define DATAPLANE_KAFKA_MESSAGES_H

#include "dataplane/kafka/messages_admin.h"
#include "dataplane/kafka/messages_consumer.h"
#include "dataplane/kafka/messages_group.h"
#include "dataplane/kafka/messages_log.h"

enum kafka_api {
    KAFKA_API_PRODUCE                   = 0,
    KAFKA_API_FETCH                     = 1,
    KAFKA_API_LIST_OFFSETS              = 2,
    KAFKA_API_METADATA                  = 3,
    KAFKA_API_OFFSET_COMMIT             = 8,
    KAFKA_API_OFFSET_FETCH              = 9,
    KAFKA_API_FIND_COORDINATOR          = 10,
    KAFKA_API_JOIN_GROUP                = 11,
    KAFKA_API_HEARTBEAT                 = 12,
    KAFKA_API_LEAVE_GROUP               = 13,
    KAFKA_API_SYNC_GROUP                = 14,
    KAFKA_API_DESCRIBE_GROUPS           = 15,
    KAFKA_API_LIST_GROUPS               = 16,
    KAFKA_API_SASL_HANDSHAKE            = 17,
    KAFKA_API_API_VERSIONS              = 18,
    KAFKA_API_CREATE_TOPICS             = 19,
    KAFKA_API_DELETE_TOPICS             = 20,
    KAFKA_API_DELETE_RECORDS            = 21,
    KAFKA_API_INIT_PRODUCER_ID          = 22,
    KAFKA_API_OFFSET_FOR_LEADER_EPOCH   = 23,
    KAFKA_API_DESCRIBE_ACLS             = 29,
    KAFKA_API_DESCRIBE_CONFIGS          = 32,
    KAFKA_API_ALTER_CONFIGS             = 33,
    KAFKA_API_DESCRIBE_LOG_DIRS         = 35,
    KAFKA_API_SASL_AUTHENTICATE         = 36,
    KAFKA_API_CREATE_PARTITIONS         = 37,
    KAFKA_API_DELETE_GROUPS             = 42,
    KAFKA_API_INCREMENTAL_ALTER_CONFIGS = 44,
    KAFKA_API_OFFSET_DELETE             = 47,
    KAFKA_API_DESCRIBE_CLUSTER          = 60,
    KAFKA_API_CONSUMER_GROUP_HEARTBEAT  = 68,
    KAFKA_API_CONSUMER_GROUP_DESCRIBE   = 69,
    KAFKA_API_DESCRIBE_TOPIC_PARTITIONS = 75,
};

/* The APIs in the table, in the order of their keys.  `index` 0.. until NULL. */
const struct kafka_message *kafka_request_at(uint32_t index);
/* NULL: a key that is not in the table. */
const struct kafka_message *kafka_request_of(int16_t api_key);
const struct kafka_message *kafka_response_of(int16_t api_key);

/* The newest version of an API that this server answers (from 0 on), as ApiVersions tells; -1: no such API. */
int16_t kafka_served_max(int16_t api_key);

#endif
