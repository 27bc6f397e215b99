/* dataplane/kafka/messages_table.h -- how the table of messages is written; for messages*.c only.
 *
 * Each entry says which versions carry a field and where it lies in the C struct.  Source: the Kafka protocol guide
 * (message formats); tests/dataplane/test_schemas compares every entry with Kafka's schemas.  A field's C type is
 * checked against its wire type at compile time. */
#ifndef DATAPLANE_KAFKA_MESSAGES_TABLE_H
#define DATAPLANE_KAFKA_MESSAGES_TABLE_H

#include "dataplane/kafka/messages.h"

enum { ANY = 126 }; /* as `until`: no end in sight */

/* X(name, messages): every API that this server answers, in the order of their keys.  Each of `messages` is a pair:
 * request, response. */
#define KAFKA_API_LIST(X) \
    X(PRODUCE,                   produce) \
    X(FETCH,                     fetch) \
    X(LIST_OFFSETS,              list_offsets) \
    X(METADATA,                  metadata) \
    X(OFFSET_COMMIT,             offset_commit) \
    X(OFFSET_FETCH,              offset_fetch) \
    X(FIND_COORDINATOR,          find_coordinator) \
    X(JOIN_GROUP,                join_group) \
    X(HEARTBEAT,                 heartbeat) \
    X(LEAVE_GROUP,               leave_group) \
    X(SYNC_GROUP,                sync_group) \
    X(DESCRIBE_GROUPS,           describe_groups) \
    X(LIST_GROUPS,               list_groups) \
    X(SASL_HANDSHAKE,            sasl_handshake) \
    X(API_VERSIONS,              api_versions) \
    X(CREATE_TOPICS,             create_topics) \
    X(DELETE_TOPICS,             delete_topics) \
    X(DELETE_RECORDS,            delete_records) \
    X(INIT_PRODUCER_ID,          init_producer_id) \
    X(OFFSET_FOR_LEADER_EPOCH,   offset_for_leader_epoch) \
    X(DESCRIBE_ACLS,             describe_acls) \
    X(DESCRIBE_CONFIGS,          describe_configs) \
    X(ALTER_CONFIGS,             alter_configs) \
    X(DESCRIBE_LOG_DIRS,         describe_log_dirs) \
    X(SASL_AUTHENTICATE,         sasl_authenticate) \
    X(CREATE_PARTITIONS,         create_partitions) \
    X(DELETE_GROUPS,             delete_groups) \
    X(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs) \
    X(OFFSET_DELETE,             offset_delete) \
    X(DESCRIBE_CLUSTER,          describe_cluster) \
    X(CONSUMER_GROUP_HEARTBEAT,  consumer_group_heartbeat) \
    X(CONSUMER_GROUP_DESCRIBE,   consumer_group_describe) \
    X(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions)

#define X(name, messages) extern const struct kafka_message kafka_##messages##_messages[2];
KAFKA_API_LIST(X)
#undef X

#define C_BOOL        bool
#define C_INT8        int8_t
#define C_INT16       int16_t
#define C_INT32       int32_t
#define C_INT64       int64_t
#define C_UUID        struct kafka_uuid
#define C_STRING      struct kafka_string
#define C_BYTES       struct kafka_bytes
#define C_RECORDS     struct kafka_records
#define C_INT32_ARRAY int32_t *
#define C_INT64_ARRAY int64_t *
#define C_STRING_ARRAY struct kafka_string *

/* The member's place; does not compile when the member has another type. */
#define PLACE(s, m, ctype)                                                                              \
    (uint16_t)(offsetof(struct s, m) +                                                                  \
               0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *)0)->m), ctype) ? 1 : -1]))

/* `first`, `last`: the versions that carry the field.  Behind them stand further members of struct kafka_field. */
#define FIELD_OF(s, m, text, T, first, last, null_since, tag_number, ...)                              \
    {.name = text, .type = KAFKA_##T, .since = first, .until = last, .nullable_since = null_since,     \
     .tag = tag_number, .offset = PLACE(s, m, C_##T), ##__VA_ARGS__}
#define FIELD(s, m, text, T, first, last, ...) \
    FIELD_OF(s, m, text, T, first, last, KAFKA_VERSION_NONE, -1, ##__VA_ARGS__)
#define NULLABLE(s, m, text, T, first, last, null_since, ...) \
    FIELD_OF(s, m, text, T, first, last, null_since, -1, ##__VA_ARGS__)
#define TAGGED(s, m, text, T, first, last, null_since, tag_number, ...) \
    FIELD_OF(s, m, text, T, first, last, null_since, tag_number, ##__VA_ARGS__)

#define STRINGS(s, m, count, text, first, last) INTS(s, m, count, text, STRING_ARRAY, first, last)
#define INTS(s, m, count, text, T, first, last) \
    FIELD(s, m, text, T, first, last, .count_offset = PLACE(s, count, int32_t))
#define NULLABLE_ITEMS(s, m, count, text, T, first, last, null_since, ...) \
    NULLABLE(s, m, text, T, first, last, null_since, .count_offset = PLACE(s, count, int32_t), ##__VA_ARGS__)

/* An array of `struct c`, whose fields are those of `e`. */
#define STRUCTS_AS(s, m, count, text, c, e, first, last, null_since, tag_number, ...)                  \
    {.name = text, .type = KAFKA_STRUCT_ARRAY, .since = first, .until = last, .nullable_since = null_since, \
     .tag = tag_number, .offset = PLACE(s, m, struct c *), .count_offset = PLACE(s, count, int32_t),   \
     .element = &e##_schema, ##__VA_ARGS__}
#define STRUCTS_OF(s, m, count, text, e, first, last, null_since, tag_number, ...) \
    STRUCTS_AS(s, m, count, text, e, e, first, last, null_since, tag_number, ##__VA_ARGS__)
#define STRUCTS(s, m, count, text, e, first, last) \
    STRUCTS_OF(s, m, count, text, e, first, last, KAFKA_VERSION_NONE, -1)

#define STRUCT_OF(s, m, text, e, first, last, null_since, tag_number, T, ctype)                        \
    {.name = text, .type = KAFKA_##T, .since = first, .until = last, .nullable_since = null_since,     \
     .tag = tag_number, .offset = PLACE(s, m, ctype), .element = &e##_schema}
#define PLAIN_STRUCT(s, m, text, e, first, last) \
    STRUCT_OF(s, m, text, e, first, last, KAFKA_VERSION_NONE, -1, STRUCT, struct e)
#define TAGGED_STRUCT(s, m, text, e, first, last, tag_number) \
    STRUCT_OF(s, m, text, e, first, last, KAFKA_VERSION_NONE, tag_number, STRUCT, struct e)
#define NULLABLE_STRUCT(s, m, text, e, first, last) \
    STRUCT_OF(s, m, text, e, first, last, first, -1, NULLABLE_STRUCT, struct e *)

#define SCHEMA_OF(s) {s##_fields, sizeof s##_fields / sizeof *s##_fields, sizeof(struct s)}
#define SCHEMA(s) static const struct kafka_schema s##_schema = SCHEMA_OF(s)
/* The fields e of a `struct c`. */
#define SCHEMA_AS(c, e) \
    static const struct kafka_schema e##_schema = {e##_fields, sizeof e##_fields / sizeof *e##_fields, sizeof(struct c)}

#define MESSAGES(s, name, key, last, flexible)                                \
    const struct kafka_message kafka_##s##_messages[2] = {                    \
        {name "Request", key, 0, last, flexible, SCHEMA_OF(s##_request)},     \
        {name "Response", key, 0, last, flexible, SCHEMA_OF(s##_response)}}

#endif
