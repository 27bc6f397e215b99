/* The table of the messages: which versions carry which field, and where it lies in the C struct.
 * Source: the Kafka protocol guide (message formats); tests/dataplane/check_schemas compares it with Kafka's schemas
 * field by field.  A field's C type is checked against its wire type at compile time. */
#include "dataplane/kafka/messages.h"

enum { ANY = 126 }; /* as `until`: no end in sight */

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

#define FIELD_OF(s, m, text, T, first, last, null_since, tag_number, ...)                              \
    {.name = text, .type = KAFKA_##T, .since = first, .until = last, .nullable_since = null_since,     \
     .tag = tag_number, .offset = PLACE(s, m, C_##T), ##__VA_ARGS__}
#define FIELD(s, m, text, T, first, last, ...) \
    FIELD_OF(s, m, text, T, first, last, KAFKA_VERSION_NONE, -1, ##__VA_ARGS__)
#define NULLABLE(s, m, text, T, first, last, null_since, ...) \
    FIELD_OF(s, m, text, T, first, last, null_since, -1, ##__VA_ARGS__)
#define TAGGED(s, m, text, T, first, last, null_since, tag_number, ...) \
    FIELD_OF(s, m, text, T, first, last, null_since, tag_number, ##__VA_ARGS__)

#define STRINGS(s, m, count, text, first, last) \
    FIELD(s, m, text, STRING_ARRAY, first, last, .count_offset = PLACE(s, count, int32_t))
#define INTS(s, m, count, text, T, first, last) \
    FIELD(s, m, text, T, first, last, .count_offset = PLACE(s, count, int32_t))

#define STRUCTS_OF(s, m, count, text, e, first, last, null_since, tag_number)                          \
    {.name = text, .type = KAFKA_STRUCT_ARRAY, .since = first, .until = last, .nullable_since = null_since, \
     .tag = tag_number, .offset = PLACE(s, m, struct e *), .count_offset = PLACE(s, count, int32_t),   \
     .element = &e##_schema}
#define STRUCTS(s, m, count, text, e, first, last) \
    STRUCTS_OF(s, m, count, text, e, first, last, KAFKA_VERSION_NONE, -1)
#define TAGGED_STRUCT(s, m, text, e, first, last, tag_number)                                          \
    {.name = text, .type = KAFKA_STRUCT, .since = first, .until = last, .nullable_since = KAFKA_VERSION_NONE, \
     .tag = tag_number, .offset = PLACE(s, m, struct e), .element = &e##_schema}

#define SCHEMA_OF(s) {s##_fields, sizeof s##_fields / sizeof *s##_fields, sizeof(struct s)}
#define SCHEMA(s) static const struct kafka_schema s##_schema = SCHEMA_OF(s)

/* --- ApiVersions --- */

static const struct kafka_field api_versions_request_fields[] = {
    FIELD(api_versions_request, client_software_name, "ClientSoftwareName", STRING, 3, ANY),
    FIELD(api_versions_request, client_software_version, "ClientSoftwareVersion", STRING, 3, ANY),
};
static const struct kafka_field api_version_fields[] = {
    FIELD(api_version, api_key, "ApiKey", INT16, 0, ANY),
    FIELD(api_version, min_version, "MinVersion", INT16, 0, ANY),
    FIELD(api_version, max_version, "MaxVersion", INT16, 0, ANY),
};
SCHEMA(api_version);
static const struct kafka_field supported_feature_fields[] = {
    FIELD(supported_feature, name, "Name", STRING, 3, ANY),
    FIELD(supported_feature, min_version, "MinVersion", INT16, 3, ANY),
    FIELD(supported_feature, max_version, "MaxVersion", INT16, 3, ANY),
};
SCHEMA(supported_feature);
static const struct kafka_field finalized_feature_fields[] = {
    FIELD(finalized_feature, name, "Name", STRING, 3, ANY),
    FIELD(finalized_feature, max_version_level, "MaxVersionLevel", INT16, 3, ANY),
    FIELD(finalized_feature, min_version_level, "MinVersionLevel", INT16, 3, ANY),
};
SCHEMA(finalized_feature);
static const struct kafka_field api_versions_response_fields[] = {
    FIELD(api_versions_response, error_code, "ErrorCode", INT16, 0, ANY),
    STRUCTS(api_versions_response, api_keys, api_key_count, "ApiKeys", api_version, 0, ANY),
    FIELD(api_versions_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    STRUCTS_OF(api_versions_response, supported_features, supported_feature_count, "SupportedFeatures",
               supported_feature, 3, ANY, KAFKA_VERSION_NONE, 0),
    TAGGED(api_versions_response, finalized_features_epoch, "FinalizedFeaturesEpoch", INT64, 3, ANY,
           KAFKA_VERSION_NONE, 1, .default_value = -1),
    STRUCTS_OF(api_versions_response, finalized_features, finalized_feature_count, "FinalizedFeatures",
               finalized_feature, 3, ANY, KAFKA_VERSION_NONE, 2),
    TAGGED(api_versions_response, zk_migration_ready, "ZkMigrationReady", BOOL, 3, ANY, KAFKA_VERSION_NONE, 3),
};

/* --- Metadata --- */

static const struct kafka_field metadata_request_topic_fields[] = {
    FIELD(metadata_request_topic, topic_id, "TopicId", UUID, 10, ANY),
    NULLABLE(metadata_request_topic, name, "Name", STRING, 0, ANY, 10),
};
SCHEMA(metadata_request_topic);
static const struct kafka_field metadata_request_fields[] = {
    STRUCTS_OF(metadata_request, topics, topic_count, "Topics", metadata_request_topic, 0, ANY, 1, -1),
    FIELD(metadata_request, allow_auto_topic_creation, "AllowAutoTopicCreation", BOOL, 4, ANY, .default_value = 1),
    FIELD(metadata_request, include_cluster_authorized_operations, "IncludeClusterAuthorizedOperations", BOOL, 8, 10),
    FIELD(metadata_request, include_topic_authorized_operations, "IncludeTopicAuthorizedOperations", BOOL, 8, ANY),
};
static const struct kafka_field metadata_response_broker_fields[] = {
    FIELD(metadata_response_broker, node_id, "NodeId", INT32, 0, ANY),
    FIELD(metadata_response_broker, host, "Host", STRING, 0, ANY),
    FIELD(metadata_response_broker, port, "Port", INT32, 0, ANY),
    NULLABLE(metadata_response_broker, rack, "Rack", STRING, 1, ANY, 1, .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(metadata_response_broker);
static const struct kafka_field metadata_response_partition_fields[] = {
    FIELD(metadata_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(metadata_response_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(metadata_response_partition, leader_id, "LeaderId", INT32, 0, ANY),
    FIELD(metadata_response_partition, leader_epoch, "LeaderEpoch", INT32, 7, ANY, .default_value = -1),
    INTS(metadata_response_partition, replica_nodes, replica_node_count, "ReplicaNodes", INT32_ARRAY, 0, ANY),
    INTS(metadata_response_partition, isr_nodes, isr_node_count, "IsrNodes", INT32_ARRAY, 0, ANY),
    INTS(metadata_response_partition, offline_replicas, offline_replica_count, "OfflineReplicas", INT32_ARRAY, 5, ANY),
};
SCHEMA(metadata_response_partition);
static const struct kafka_field metadata_response_topic_fields[] = {
    FIELD(metadata_response_topic, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(metadata_response_topic, name, "Name", STRING, 0, ANY),
    FIELD(metadata_response_topic, topic_id, "TopicId", UUID, 10, ANY),
    FIELD(metadata_response_topic, is_internal, "IsInternal", BOOL, 1, ANY),
    STRUCTS(metadata_response_topic, partitions, partition_count, "Partitions", metadata_response_partition, 0, ANY),
    FIELD(metadata_response_topic, topic_authorized_operations, "TopicAuthorizedOperations", INT32, 8, ANY,
          .default_value = INT32_MIN),
};
SCHEMA(metadata_response_topic);
static const struct kafka_field metadata_response_fields[] = {
    FIELD(metadata_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3, ANY),
    STRUCTS(metadata_response, brokers, broker_count, "Brokers", metadata_response_broker, 0, ANY),
    NULLABLE(metadata_response, cluster_id, "ClusterId", STRING, 2, ANY, 2, .default_value = KAFKA_DEFAULT_NULL),
    FIELD(metadata_response, controller_id, "ControllerId", INT32, 1, ANY, .default_value = -1),
    STRUCTS(metadata_response, topics, topic_count, "Topics", metadata_response_topic, 0, ANY),
    FIELD(metadata_response, cluster_authorized_operations, "ClusterAuthorizedOperations", INT32, 8, 10,
          .default_value = INT32_MIN),
};

/* --- Fetch --- */

static const struct kafka_field fetch_request_partition_fields[] = {
    FIELD(fetch_request_partition, partition, "Partition", INT32, 0, ANY),
    FIELD(fetch_request_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 9, ANY, .default_value = -1),
    FIELD(fetch_request_partition, fetch_offset, "FetchOffset", INT64, 0, ANY),
    FIELD(fetch_request_partition, last_fetched_epoch, "LastFetchedEpoch", INT32, 12, ANY, .default_value = -1),
    FIELD(fetch_request_partition, log_start_offset, "LogStartOffset", INT64, 5, ANY, .default_value = -1),
    FIELD(fetch_request_partition, partition_max_bytes, "PartitionMaxBytes", INT32, 0, ANY),
};
SCHEMA(fetch_request_partition);
static const struct kafka_field fetch_request_topic_fields[] = {
    FIELD(fetch_request_topic, topic, "Topic", STRING, 0, 12),
    STRUCTS(fetch_request_topic, partitions, partition_count, "Partitions", fetch_request_partition, 0, ANY),
};
SCHEMA(fetch_request_topic);
static const struct kafka_field fetch_request_forgotten_fields[] = {
    FIELD(fetch_request_forgotten, topic, "Topic", STRING, 7, 12),
    INTS(fetch_request_forgotten, partitions, partition_count, "Partitions", INT32_ARRAY, 7, ANY),
};
SCHEMA(fetch_request_forgotten);
static const struct kafka_field fetch_request_fields[] = {
    TAGGED(fetch_request, cluster_id, "ClusterId", STRING, 12, ANY, 12, 0, .default_value = KAFKA_DEFAULT_NULL),
    FIELD(fetch_request, replica_id, "ReplicaId", INT32, 0, 14, .default_value = -1),
    FIELD(fetch_request, max_wait_ms, "MaxWaitMs", INT32, 0, ANY),
    FIELD(fetch_request, min_bytes, "MinBytes", INT32, 0, ANY),
    FIELD(fetch_request, max_bytes, "MaxBytes", INT32, 3, ANY, .default_value = INT32_MAX),
    FIELD(fetch_request, isolation_level, "IsolationLevel", INT8, 4, ANY),
    FIELD(fetch_request, session_id, "SessionId", INT32, 7, ANY),
    FIELD(fetch_request, session_epoch, "SessionEpoch", INT32, 7, ANY, .default_value = -1),
    STRUCTS(fetch_request, topics, topic_count, "Topics", fetch_request_topic, 0, ANY),
    STRUCTS(fetch_request, forgotten_topics_data, forgotten_topics_data_count, "ForgottenTopicsData",
            fetch_request_forgotten, 7, ANY),
    FIELD(fetch_request, rack_id, "RackId", STRING, 11, ANY),
};
static const struct kafka_field fetch_epoch_end_offset_fields[] = {
    FIELD(fetch_epoch_end_offset, epoch, "Epoch", INT32, 12, ANY, .default_value = -1),
    FIELD(fetch_epoch_end_offset, end_offset, "EndOffset", INT64, 12, ANY, .default_value = -1),
};
SCHEMA(fetch_epoch_end_offset);
static const struct kafka_field fetch_leader_id_and_epoch_fields[] = {
    FIELD(fetch_leader_id_and_epoch, leader_id, "LeaderId", INT32, 12, ANY, .default_value = -1),
    FIELD(fetch_leader_id_and_epoch, leader_epoch, "LeaderEpoch", INT32, 12, ANY, .default_value = -1),
};
SCHEMA(fetch_leader_id_and_epoch);
static const struct kafka_field fetch_snapshot_id_fields[] = {
    FIELD(fetch_snapshot_id, end_offset, "EndOffset", INT64, 0, ANY, .default_value = -1),
    FIELD(fetch_snapshot_id, epoch, "Epoch", INT32, 0, ANY, .default_value = -1),
};
SCHEMA(fetch_snapshot_id);
static const struct kafka_field fetch_aborted_transaction_fields[] = {
    FIELD(fetch_aborted_transaction, producer_id, "ProducerId", INT64, 4, ANY),
    FIELD(fetch_aborted_transaction, first_offset, "FirstOffset", INT64, 4, ANY),
};
SCHEMA(fetch_aborted_transaction);
static const struct kafka_field fetch_response_partition_fields[] = {
    FIELD(fetch_response_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(fetch_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(fetch_response_partition, high_watermark, "HighWatermark", INT64, 0, ANY),
    FIELD(fetch_response_partition, last_stable_offset, "LastStableOffset", INT64, 4, ANY, .default_value = -1),
    FIELD(fetch_response_partition, log_start_offset, "LogStartOffset", INT64, 5, ANY, .default_value = -1),
    TAGGED_STRUCT(fetch_response_partition, diverging_epoch, "DivergingEpoch", fetch_epoch_end_offset, 12, ANY, 0),
    TAGGED_STRUCT(fetch_response_partition, current_leader, "CurrentLeader", fetch_leader_id_and_epoch, 12, ANY, 1),
    TAGGED_STRUCT(fetch_response_partition, snapshot_id, "SnapshotId", fetch_snapshot_id, 12, ANY, 2),
    STRUCTS_OF(fetch_response_partition, aborted_transactions, aborted_transaction_count, "AbortedTransactions",
               fetch_aborted_transaction, 4, ANY, 4, -1),
    FIELD(fetch_response_partition, preferred_read_replica, "PreferredReadReplica", INT32, 11, ANY,
          .default_value = -1),
    NULLABLE(fetch_response_partition, records, "Records", RECORDS, 0, ANY, 0),
};
SCHEMA(fetch_response_partition);
static const struct kafka_field fetch_response_topic_fields[] = {
    FIELD(fetch_response_topic, topic, "Topic", STRING, 0, 12),
    STRUCTS(fetch_response_topic, partitions, partition_count, "Partitions", fetch_response_partition, 0, ANY),
};
SCHEMA(fetch_response_topic);
static const struct kafka_field fetch_response_fields[] = {
    FIELD(fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(fetch_response, error_code, "ErrorCode", INT16, 7, ANY),
    FIELD(fetch_response, session_id, "SessionId", INT32, 7, ANY),
    STRUCTS(fetch_response, responses, response_count, "Responses", fetch_response_topic, 0, ANY),
};

/* --- ListOffsets --- */

static const struct kafka_field list_offsets_request_partition_fields[] = {
    FIELD(list_offsets_request_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(list_offsets_request_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 4, ANY,
          .default_value = -1),
    FIELD(list_offsets_request_partition, timestamp, "Timestamp", INT64, 0, ANY),
    FIELD(list_offsets_request_partition, max_num_offsets, "MaxNumOffsets", INT32, 0, 0, .default_value = 1),
};
SCHEMA(list_offsets_request_partition);
static const struct kafka_field list_offsets_request_topic_fields[] = {
    FIELD(list_offsets_request_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(list_offsets_request_topic, partitions, partition_count, "Partitions", list_offsets_request_partition,
            0, ANY),
};
SCHEMA(list_offsets_request_topic);
static const struct kafka_field list_offsets_request_fields[] = {
    FIELD(list_offsets_request, replica_id, "ReplicaId", INT32, 0, ANY),
    FIELD(list_offsets_request, isolation_level, "IsolationLevel", INT8, 2, ANY),
    STRUCTS(list_offsets_request, topics, topic_count, "Topics", list_offsets_request_topic, 0, ANY),
};
static const struct kafka_field list_offsets_response_partition_fields[] = {
    FIELD(list_offsets_response_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(list_offsets_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
    INTS(list_offsets_response_partition, old_style_offsets, old_style_offset_count, "OldStyleOffsets", INT64_ARRAY,
         0, 0),
    FIELD(list_offsets_response_partition, timestamp, "Timestamp", INT64, 1, ANY, .default_value = -1),
    FIELD(list_offsets_response_partition, offset, "Offset", INT64, 1, ANY, .default_value = -1),
    FIELD(list_offsets_response_partition, leader_epoch, "LeaderEpoch", INT32, 4, ANY, .default_value = -1),
};
SCHEMA(list_offsets_response_partition);
static const struct kafka_field list_offsets_response_topic_fields[] = {
    FIELD(list_offsets_response_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(list_offsets_response_topic, partitions, partition_count, "Partitions", list_offsets_response_partition,
            0, ANY),
};
SCHEMA(list_offsets_response_topic);
static const struct kafka_field list_offsets_response_fields[] = {
    FIELD(list_offsets_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2, ANY),
    STRUCTS(list_offsets_response, topics, topic_count, "Topics", list_offsets_response_topic, 0, ANY),
};

/* --- FindCoordinator --- */

static const struct kafka_field find_coordinator_request_fields[] = {
    FIELD(find_coordinator_request, key, "Key", STRING, 0, 3),
    FIELD(find_coordinator_request, key_type, "KeyType", INT8, 1, ANY),
};
static const struct kafka_field find_coordinator_response_fields[] = {
    FIELD(find_coordinator_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(find_coordinator_response, error_code, "ErrorCode", INT16, 0, 3),
    NULLABLE(find_coordinator_response, error_message, "ErrorMessage", STRING, 1, 3, 1),
    FIELD(find_coordinator_response, node_id, "NodeId", INT32, 0, 3),
    FIELD(find_coordinator_response, host, "Host", STRING, 0, 3),
    FIELD(find_coordinator_response, port, "Port", INT32, 0, 3),
};

/* --- Produce --- */

static const struct kafka_field produce_request_partition_fields[] = {
    FIELD(produce_request_partition, index, "Index", INT32, 0, ANY),
    NULLABLE(produce_request_partition, records, "Records", RECORDS, 0, ANY, 0),
};
SCHEMA(produce_request_partition);
static const struct kafka_field produce_request_topic_fields[] = {
    FIELD(produce_request_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(produce_request_topic, partition_data, partition_data_count, "PartitionData", produce_request_partition,
            0, ANY),
};
SCHEMA(produce_request_topic);
static const struct kafka_field produce_request_fields[] = {
    NULLABLE(produce_request, transactional_id, "TransactionalId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(produce_request, acks, "Acks", INT16, 0, ANY),
    FIELD(produce_request, timeout_ms, "TimeoutMs", INT32, 0, ANY),
    STRUCTS(produce_request, topic_data, topic_data_count, "TopicData", produce_request_topic, 0, ANY),
};
static const struct kafka_field produce_record_error_fields[] = {
    FIELD(produce_record_error, batch_index, "BatchIndex", INT32, 8, ANY),
    NULLABLE(produce_record_error, batch_index_error_message, "BatchIndexErrorMessage", STRING, 8, ANY, 8,
             .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(produce_record_error);
static const struct kafka_field produce_response_partition_fields[] = {
    FIELD(produce_response_partition, index, "Index", INT32, 0, ANY),
    FIELD(produce_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(produce_response_partition, base_offset, "BaseOffset", INT64, 0, ANY),
    FIELD(produce_response_partition, log_append_time_ms, "LogAppendTimeMs", INT64, 2, ANY, .default_value = -1),
    FIELD(produce_response_partition, log_start_offset, "LogStartOffset", INT64, 5, ANY, .default_value = -1),
    STRUCTS(produce_response_partition, record_errors, record_error_count, "RecordErrors", produce_record_error,
            8, ANY),
    NULLABLE(produce_response_partition, error_message, "ErrorMessage", STRING, 8, ANY, 8,
             .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(produce_response_partition);
static const struct kafka_field produce_response_topic_fields[] = {
    FIELD(produce_response_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(produce_response_topic, partition_responses, partition_response_count, "PartitionResponses",
            produce_response_partition, 0, ANY),
};
SCHEMA(produce_response_topic);
static const struct kafka_field produce_response_fields[] = {
    STRUCTS(produce_response, responses, response_count, "Responses", produce_response_topic, 0, ANY),
    FIELD(produce_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
};

/* --- JoinGroup --- */

static const struct kafka_field join_group_request_protocol_fields[] = {
    FIELD(join_group_request_protocol, name, "Name", STRING, 0, ANY),
    FIELD(join_group_request_protocol, metadata, "Metadata", BYTES, 0, ANY),
};
SCHEMA(join_group_request_protocol);
static const struct kafka_field join_group_request_fields[] = {
    FIELD(join_group_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(join_group_request, session_timeout_ms, "SessionTimeoutMs", INT32, 0, ANY),
    FIELD(join_group_request, rebalance_timeout_ms, "RebalanceTimeoutMs", INT32, 1, ANY, .default_value = -1),
    FIELD(join_group_request, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(join_group_request, group_instance_id, "GroupInstanceId", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(join_group_request, protocol_type, "ProtocolType", STRING, 0, ANY),
    STRUCTS(join_group_request, protocols, protocol_count, "Protocols", join_group_request_protocol, 0, ANY),
};
static const struct kafka_field join_group_response_member_fields[] = {
    FIELD(join_group_response_member, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(join_group_response_member, group_instance_id, "GroupInstanceId", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(join_group_response_member, metadata, "Metadata", BYTES, 0, ANY),
};
SCHEMA(join_group_response_member);
static const struct kafka_field join_group_response_fields[] = {
    FIELD(join_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2, ANY),
    FIELD(join_group_response, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(join_group_response, generation_id, "GenerationId", INT32, 0, ANY, .default_value = -1),
    NULLABLE(join_group_response, protocol_type, "ProtocolType", STRING, 7, ANY, 7,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(join_group_response, protocol_name, "ProtocolName", STRING, 0, ANY, 7),
    FIELD(join_group_response, leader, "Leader", STRING, 0, ANY),
    FIELD(join_group_response, member_id, "MemberId", STRING, 0, ANY),
    STRUCTS(join_group_response, members, member_count, "Members", join_group_response_member, 0, ANY),
};

/* --- SyncGroup --- */

static const struct kafka_field sync_group_request_assignment_fields[] = {
    FIELD(sync_group_request_assignment, member_id, "MemberId", STRING, 0, ANY),
    FIELD(sync_group_request_assignment, assignment, "Assignment", BYTES, 0, ANY),
};
SCHEMA(sync_group_request_assignment);
static const struct kafka_field sync_group_request_fields[] = {
    FIELD(sync_group_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(sync_group_request, generation_id, "GenerationId", INT32, 0, ANY),
    FIELD(sync_group_request, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(sync_group_request, group_instance_id, "GroupInstanceId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(sync_group_request, protocol_type, "ProtocolType", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(sync_group_request, protocol_name, "ProtocolName", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    STRUCTS(sync_group_request, assignments, assignment_count, "Assignments", sync_group_request_assignment, 0, ANY),
};
static const struct kafka_field sync_group_response_fields[] = {
    FIELD(sync_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(sync_group_response, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(sync_group_response, protocol_type, "ProtocolType", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(sync_group_response, protocol_name, "ProtocolName", STRING, 5, ANY, 5,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(sync_group_response, assignment, "Assignment", BYTES, 0, ANY),
};

/* --- Heartbeat --- */

static const struct kafka_field heartbeat_request_fields[] = {
    FIELD(heartbeat_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(heartbeat_request, generation_id, "GenerationId", INT32, 0, ANY),
    FIELD(heartbeat_request, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(heartbeat_request, group_instance_id, "GroupInstanceId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
};
static const struct kafka_field heartbeat_response_fields[] = {
    FIELD(heartbeat_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(heartbeat_response, error_code, "ErrorCode", INT16, 0, ANY),
};

/* --- LeaveGroup --- */

static const struct kafka_field leave_group_request_member_fields[] = {
    FIELD(leave_group_request_member, member_id, "MemberId", STRING, 3, ANY),
    NULLABLE(leave_group_request_member, group_instance_id, "GroupInstanceId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(leave_group_request_member);
static const struct kafka_field leave_group_request_fields[] = {
    FIELD(leave_group_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(leave_group_request, member_id, "MemberId", STRING, 0, 2),
    STRUCTS(leave_group_request, members, member_count, "Members", leave_group_request_member, 3, ANY),
};
static const struct kafka_field leave_group_response_member_fields[] = {
    FIELD(leave_group_response_member, member_id, "MemberId", STRING, 3, ANY),
    NULLABLE(leave_group_response_member, group_instance_id, "GroupInstanceId", STRING, 3, ANY, 3),
    FIELD(leave_group_response_member, error_code, "ErrorCode", INT16, 3, ANY),
};
SCHEMA(leave_group_response_member);
static const struct kafka_field leave_group_response_fields[] = {
    FIELD(leave_group_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(leave_group_response, error_code, "ErrorCode", INT16, 0, ANY),
    STRUCTS(leave_group_response, members, member_count, "Members", leave_group_response_member, 3, ANY),
};

/* --- OffsetCommit --- */

static const struct kafka_field offset_commit_request_partition_fields[] = {
    FIELD(offset_commit_request_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(offset_commit_request_partition, committed_offset, "CommittedOffset", INT64, 0, ANY),
    FIELD(offset_commit_request_partition, committed_leader_epoch, "CommittedLeaderEpoch", INT32, 6, ANY,
          .default_value = -1),
    FIELD(offset_commit_request_partition, commit_timestamp, "CommitTimestamp", INT64, 1, 1, .default_value = -1),
    NULLABLE(offset_commit_request_partition, committed_metadata, "CommittedMetadata", STRING, 0, ANY, 0),
};
SCHEMA(offset_commit_request_partition);
static const struct kafka_field offset_commit_request_topic_fields[] = {
    FIELD(offset_commit_request_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(offset_commit_request_topic, partitions, partition_count, "Partitions", offset_commit_request_partition,
            0, ANY),
};
SCHEMA(offset_commit_request_topic);
static const struct kafka_field offset_commit_request_fields[] = {
    FIELD(offset_commit_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(offset_commit_request, generation_id, "GenerationIdOrMemberEpoch", INT32, 1, ANY, .default_value = -1),
    FIELD(offset_commit_request, member_id, "MemberId", STRING, 1, ANY),
    NULLABLE(offset_commit_request, group_instance_id, "GroupInstanceId", STRING, 7, ANY, 7,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(offset_commit_request, retention_time_ms, "RetentionTimeMs", INT64, 2, 4, .default_value = -1),
    STRUCTS(offset_commit_request, topics, topic_count, "Topics", offset_commit_request_topic, 0, ANY),
};
static const struct kafka_field offset_commit_response_partition_fields[] = {
    FIELD(offset_commit_response_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(offset_commit_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
};
SCHEMA(offset_commit_response_partition);
static const struct kafka_field offset_commit_response_topic_fields[] = {
    FIELD(offset_commit_response_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(offset_commit_response_topic, partitions, partition_count, "Partitions",
            offset_commit_response_partition, 0, ANY),
};
SCHEMA(offset_commit_response_topic);
static const struct kafka_field offset_commit_response_fields[] = {
    FIELD(offset_commit_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3, ANY),
    STRUCTS(offset_commit_response, topics, topic_count, "Topics", offset_commit_response_topic, 0, ANY),
};

/* --- OffsetFetch --- */

static const struct kafka_field offset_fetch_request_topic_fields[] = {
    FIELD(offset_fetch_request_topic, name, "Name", STRING, 0, 7),
    INTS(offset_fetch_request_topic, partition_indexes, partition_index_count, "PartitionIndexes", INT32_ARRAY, 0, 7),
};
SCHEMA(offset_fetch_request_topic);
static const struct kafka_field offset_fetch_request_fields[] = {
    FIELD(offset_fetch_request, group_id, "GroupId", STRING, 0, 7),
    STRUCTS_OF(offset_fetch_request, topics, topic_count, "Topics", offset_fetch_request_topic, 0, 7, 2, -1),
    FIELD(offset_fetch_request, require_stable, "RequireStable", BOOL, 7, ANY),
};
static const struct kafka_field offset_fetch_response_partition_fields[] = {
    FIELD(offset_fetch_response_partition, partition_index, "PartitionIndex", INT32, 0, 7),
    FIELD(offset_fetch_response_partition, committed_offset, "CommittedOffset", INT64, 0, 7),
    FIELD(offset_fetch_response_partition, committed_leader_epoch, "CommittedLeaderEpoch", INT32, 5, 7,
          .default_value = -1),
    NULLABLE(offset_fetch_response_partition, metadata, "Metadata", STRING, 0, 7, 0),
    FIELD(offset_fetch_response_partition, error_code, "ErrorCode", INT16, 0, 7),
};
SCHEMA(offset_fetch_response_partition);
static const struct kafka_field offset_fetch_response_topic_fields[] = {
    FIELD(offset_fetch_response_topic, name, "Name", STRING, 0, 7),
    STRUCTS(offset_fetch_response_topic, partitions, partition_count, "Partitions", offset_fetch_response_partition,
            0, 7),
};
SCHEMA(offset_fetch_response_topic);
static const struct kafka_field offset_fetch_response_fields[] = {
    FIELD(offset_fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3, ANY),
    STRUCTS(offset_fetch_response, topics, topic_count, "Topics", offset_fetch_response_topic, 0, 7),
    FIELD(offset_fetch_response, error_code, "ErrorCode", INT16, 2, 7),
};

/* --- DescribeGroups --- */

static const struct kafka_field describe_groups_request_fields[] = {
    STRINGS(describe_groups_request, groups, group_count, "Groups", 0, ANY),
    FIELD(describe_groups_request, include_authorized_operations, "IncludeAuthorizedOperations", BOOL, 3, ANY),
};
static const struct kafka_field described_group_member_fields[] = {
    FIELD(described_group_member, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(described_group_member, group_instance_id, "GroupInstanceId", STRING, 4, ANY, 4,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(described_group_member, client_id, "ClientId", STRING, 0, ANY),
    FIELD(described_group_member, client_host, "ClientHost", STRING, 0, ANY),
    FIELD(described_group_member, member_metadata, "MemberMetadata", BYTES, 0, ANY),
    FIELD(described_group_member, member_assignment, "MemberAssignment", BYTES, 0, ANY),
};
SCHEMA(described_group_member);
static const struct kafka_field described_group_fields[] = {
    FIELD(described_group, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(described_group, group_id, "GroupId", STRING, 0, ANY),
    FIELD(described_group, group_state, "GroupState", STRING, 0, ANY),
    FIELD(described_group, protocol_type, "ProtocolType", STRING, 0, ANY),
    FIELD(described_group, protocol_data, "ProtocolData", STRING, 0, ANY),
    STRUCTS(described_group, members, member_count, "Members", described_group_member, 0, ANY),
    FIELD(described_group, authorized_operations, "AuthorizedOperations", INT32, 3, ANY, .default_value = INT32_MIN),
};
SCHEMA(described_group);
static const struct kafka_field describe_groups_response_fields[] = {
    FIELD(describe_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    STRUCTS(describe_groups_response, groups, group_count, "Groups", described_group, 0, ANY),
};

/* --- ListGroups --- */

static const struct kafka_field list_groups_request_fields[] = {
    STRINGS(list_groups_request, states_filter, state_filter_count, "StatesFilter", 4, ANY),
};
static const struct kafka_field listed_group_fields[] = {
    FIELD(listed_group, group_id, "GroupId", STRING, 0, ANY),
    FIELD(listed_group, protocol_type, "ProtocolType", STRING, 0, ANY),
    FIELD(listed_group, group_state, "GroupState", STRING, 4, ANY),
};
SCHEMA(listed_group);
static const struct kafka_field list_groups_response_fields[] = {
    FIELD(list_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(list_groups_response, error_code, "ErrorCode", INT16, 0, ANY),
    STRUCTS(list_groups_response, groups, group_count, "Groups", listed_group, 0, ANY),
};

/* --- DeleteGroups --- */

static const struct kafka_field delete_groups_request_fields[] = {
    STRINGS(delete_groups_request, groups, group_count, "GroupsNames", 0, ANY),
};
static const struct kafka_field deleted_group_fields[] = {
    FIELD(deleted_group, group_id, "GroupId", STRING, 0, ANY),
    FIELD(deleted_group, error_code, "ErrorCode", INT16, 0, ANY),
};
SCHEMA(deleted_group);
static const struct kafka_field delete_groups_response_fields[] = {
    FIELD(delete_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(delete_groups_response, results, result_count, "Results", deleted_group, 0, ANY),
};

/* --- OffsetDelete --- */

static const struct kafka_field offset_delete_request_partition_fields[] = {
    FIELD(offset_delete_request_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
};
SCHEMA(offset_delete_request_partition);
static const struct kafka_field offset_delete_request_topic_fields[] = {
    FIELD(offset_delete_request_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(offset_delete_request_topic, partitions, partition_count, "Partitions", offset_delete_request_partition,
            0, ANY),
};
SCHEMA(offset_delete_request_topic);
static const struct kafka_field offset_delete_request_fields[] = {
    FIELD(offset_delete_request, group_id, "GroupId", STRING, 0, ANY),
    STRUCTS(offset_delete_request, topics, topic_count, "Topics", offset_delete_request_topic, 0, ANY),
};
static const struct kafka_field offset_delete_response_partition_fields[] = {
    FIELD(offset_delete_response_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(offset_delete_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
};
SCHEMA(offset_delete_response_partition);
static const struct kafka_field offset_delete_response_topic_fields[] = {
    FIELD(offset_delete_response_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(offset_delete_response_topic, partitions, partition_count, "Partitions",
            offset_delete_response_partition, 0, ANY),
};
SCHEMA(offset_delete_response_topic);
static const struct kafka_field offset_delete_response_fields[] = {
    FIELD(offset_delete_response, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(offset_delete_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(offset_delete_response, topics, topic_count, "Topics", offset_delete_response_topic, 0, ANY),
};

/* --- records of __consumer_offsets --- */

static const struct kafka_field offset_commit_key_fields[] = {
    FIELD(offset_commit_key, group, "group", STRING, 0, ANY),
    FIELD(offset_commit_key, topic, "topic", STRING, 0, ANY),
    FIELD(offset_commit_key, partition, "partition", INT32, 0, ANY),
};
static const struct kafka_field offset_commit_value_fields[] = {
    FIELD(offset_commit_value, offset, "offset", INT64, 0, ANY),
    FIELD(offset_commit_value, leader_epoch, "leaderEpoch", INT32, 3, ANY, .default_value = -1),
    FIELD(offset_commit_value, metadata, "metadata", STRING, 0, ANY),
    FIELD(offset_commit_value, commit_timestamp, "commitTimestamp", INT64, 0, ANY),
    FIELD(offset_commit_value, expire_timestamp, "expireTimestamp", INT64, 1, 1, .default_value = -1),
};
static const struct kafka_field group_metadata_key_fields[] = {
    FIELD(group_metadata_key, group, "group", STRING, 2, ANY),
};
static const struct kafka_field group_metadata_member_fields[] = {
    FIELD(group_metadata_member, member_id, "memberId", STRING, 0, ANY),
    NULLABLE(group_metadata_member, group_instance_id, "groupInstanceId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(group_metadata_member, client_id, "clientId", STRING, 0, ANY),
    FIELD(group_metadata_member, client_host, "clientHost", STRING, 0, ANY),
    FIELD(group_metadata_member, rebalance_timeout, "rebalanceTimeout", INT32, 1, ANY),
    FIELD(group_metadata_member, session_timeout, "sessionTimeout", INT32, 0, ANY),
    FIELD(group_metadata_member, subscription, "subscription", BYTES, 0, ANY),
    FIELD(group_metadata_member, assignment, "assignment", BYTES, 0, ANY),
};
SCHEMA(group_metadata_member);
static const struct kafka_field group_metadata_value_fields[] = {
    FIELD(group_metadata_value, protocol_type, "protocolType", STRING, 0, ANY),
    FIELD(group_metadata_value, generation, "generation", INT32, 0, ANY),
    NULLABLE(group_metadata_value, protocol, "protocol", STRING, 0, ANY, 0),
    NULLABLE(group_metadata_value, leader, "leader", STRING, 0, ANY, 0),
    FIELD(group_metadata_value, current_state_timestamp, "currentStateTimestamp", INT64, 2, ANY,
          .default_value = -1),
    STRUCTS(group_metadata_value, members, member_count, "members", group_metadata_member, 0, ANY),
};

#define RECORD_PART(s, text, first, last) \
    const struct kafka_message kafka_##s = {text, -1, first, last, KAFKA_VERSION_NONE, SCHEMA_OF(s)}

RECORD_PART(offset_commit_key, "OffsetCommitKey", 0, 1);
RECORD_PART(offset_commit_value, "OffsetCommitValue", 0, 3);
RECORD_PART(group_metadata_key, "GroupMetadataKey", 2, 2);
RECORD_PART(group_metadata_value, "GroupMetadataValue", 0, 3);

/* --- the list --- */

#define API(key, name, s, last, flexible)                                     \
    {{name "Request", key, 0, last, flexible, SCHEMA_OF(s##_request)},        \
     {name "Response", key, 0, last, flexible, SCHEMA_OF(s##_response)}}

static const struct kafka_message messages[][2] = {
    API(KAFKA_API_PRODUCE, "Produce", produce, 9, 9),
    API(KAFKA_API_FETCH, "Fetch", fetch, 12, 12),
    API(KAFKA_API_LIST_OFFSETS, "ListOffsets", list_offsets, 6, 6),
    API(KAFKA_API_METADATA, "Metadata", metadata, 11, 9),
    API(KAFKA_API_OFFSET_COMMIT, "OffsetCommit", offset_commit, 8, 8),
    API(KAFKA_API_OFFSET_FETCH, "OffsetFetch", offset_fetch, 7, 6),
    API(KAFKA_API_FIND_COORDINATOR, "FindCoordinator", find_coordinator, 3, 3),
    API(KAFKA_API_JOIN_GROUP, "JoinGroup", join_group, 7, 6),
    API(KAFKA_API_HEARTBEAT, "Heartbeat", heartbeat, 4, 4),
    API(KAFKA_API_LEAVE_GROUP, "LeaveGroup", leave_group, 4, 4),
    API(KAFKA_API_SYNC_GROUP, "SyncGroup", sync_group, 5, 4),
    API(KAFKA_API_DESCRIBE_GROUPS, "DescribeGroups", describe_groups, 5, 5),
    API(KAFKA_API_LIST_GROUPS, "ListGroups", list_groups, 4, 3),
    API(KAFKA_API_API_VERSIONS, "ApiVersions", api_versions, 3, 3),
    API(KAFKA_API_DELETE_GROUPS, "DeleteGroups", delete_groups, 2, 2),
    API(KAFKA_API_OFFSET_DELETE, "OffsetDelete", offset_delete, 0, KAFKA_VERSION_NONE),
};
enum { MESSAGE_COUNT = sizeof messages / sizeof *messages };

const struct kafka_message *kafka_request_at(uint32_t index)
{
    return index < MESSAGE_COUNT ? &messages[index][0] : NULL;
}

static const struct kafka_message *message_of(int16_t api_key, int is_response)
{
    for (uint32_t i = 0; i < MESSAGE_COUNT; i++)
        if (messages[i][0].api_key == api_key) return &messages[i][is_response];
    return NULL;
}

const struct kafka_message *kafka_request_of(int16_t api_key) { return message_of(api_key, 0); }
const struct kafka_message *kafka_response_of(int16_t api_key) { return message_of(api_key, 1); }
