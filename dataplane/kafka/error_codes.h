/* dataplane/kafka/error_codes.h -- the error codes of the Kafka protocol that this server can send, one list.
 * Numbers: the Kafka protocol guide, "Error Codes".  The names are Kafka's, so that a search finds both sides. */
#ifndef DATAPLANE_KAFKA_ERROR_CODES_H
#define DATAPLANE_KAFKA_ERROR_CODES_H

#include <stdint.h>

#include "base/err.h"

#define KAFKA_ERROR_LIST(X)             \
    X(UNKNOWN_SERVER_ERROR,        -1)  \
    X(NONE,                         0)  \
    X(OFFSET_OUT_OF_RANGE,          1)  \
    X(CORRUPT_MESSAGE,              2)  \
    X(UNKNOWN_TOPIC_OR_PARTITION,   3)  \
    X(LEADER_NOT_AVAILABLE,         5)  \
    X(NOT_LEADER_OR_FOLLOWER,       6)  \
    X(REQUEST_TIMED_OUT,            7)  \
    X(OFFSET_METADATA_TOO_LARGE,   12)  \
    X(COORDINATOR_LOAD_IN_PROGRESS,14)  \
    X(COORDINATOR_NOT_AVAILABLE,   15)  \
    X(NOT_COORDINATOR,             16)  \
    X(INVALID_TOPIC_EXCEPTION,     17)  \
    X(ILLEGAL_GENERATION,          22)  \
    X(INCONSISTENT_GROUP_PROTOCOL, 23)  \
    X(INVALID_GROUP_ID,            24)  \
    X(UNKNOWN_MEMBER_ID,           25)  \
    X(INVALID_SESSION_TIMEOUT,     26)  \
    X(REBALANCE_IN_PROGRESS,       27)  \
    X(TOPIC_AUTHORIZATION_FAILED,  29)  \
    X(GROUP_AUTHORIZATION_FAILED,  30)  \
    X(CLUSTER_AUTHORIZATION_FAILED,31)  \
    X(UNSUPPORTED_SASL_MECHANISM,  33)  \
    X(ILLEGAL_SASL_STATE,          34)  \
    X(UNSUPPORTED_VERSION,         35)  \
    X(INVALID_REQUEST,             42)  \
    X(POLICY_VIOLATION,            44)  \
    X(SECURITY_DISABLED,           54)  \
    X(KAFKA_STORAGE_ERROR,         56)  \
    X(SASL_AUTHENTICATION_FAILED,  58)  \
    X(NON_EMPTY_GROUP,             68)  \
    X(GROUP_ID_NOT_FOUND,          69)  \
    X(FETCH_SESSION_ID_NOT_FOUND,  70)  \
    X(INVALID_FETCH_SESSION_EPOCH, 71)  \
    X(FENCED_LEADER_EPOCH,         74)  \
    X(UNKNOWN_LEADER_EPOCH,        75)  \
    X(UNSUPPORTED_COMPRESSION_TYPE,76)  \
    X(OFFSET_NOT_AVAILABLE,        78)  \
    X(MEMBER_ID_REQUIRED,          79)  \
    X(GROUP_MAX_SIZE_REACHED,      81)  \
    X(FENCED_INSTANCE_ID,          82)  \
    X(GROUP_SUBSCRIBED_TO_TOPIC,   86)  \
    X(UNKNOWN_TOPIC_ID,           100)  \
    X(INCONSISTENT_TOPIC_ID,      103)  \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106) \
    X(FENCED_MEMBER_EPOCH,        110)  \
    X(UNRELEASED_INSTANCE_ID,     111)  \
    X(UNSUPPORTED_ASSIGNOR,       112)  \
    X(STALE_MEMBER_EPOCH,         113)  \
    X(MISMATCHED_ENDPOINT_TYPE,   114)  \
    X(UNSUPPORTED_ENDPOINT_TYPE,  115)  \
    X(INVALID_REGULAR_EXPRESSION, 128)

enum kafka_error {
#define X(name, code) KAFKA_##name = code,
    KAFKA_ERROR_LIST(X)
#undef X
};

/* Kafka's name of a code ("REBALANCE_IN_PROGRESS"); "?" when it is none of the list. */
const char *kafka_error_name(int code);

/* What a client is told when one of our own operations on a partition's log failed.  This is the one place where
 * `enum err` becomes a wire code. */
enum kafka_error kafka_error_of(enum err e);

/* The code that a version of Fetch or ListOffsets may be told instead: old clients throw on those that came later. */
enum kafka_error kafka_error_in(int16_t api_key, int16_t version, enum kafka_error code);

#endif
