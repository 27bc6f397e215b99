/* Versions, authentication, metadata, records and offsets of topics: see messages_table.h. */
#include "dataplane/kafka/messages_table.h"

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
MESSAGES(api_versions, "ApiVersions", KAFKA_API_API_VERSIONS, 4, 3);

/* --- SaslHandshake --- */

static const struct kafka_field sasl_handshake_request_fields[] = {
    FIELD(sasl_handshake_request, mechanism, "Mechanism", STRING, 0, ANY),
};
static const struct kafka_field sasl_handshake_response_fields[] = {
    FIELD(sasl_handshake_response, error_code, "ErrorCode", INT16, 0, ANY),
    STRINGS(sasl_handshake_response, mechanisms, mechanism_count, "Mechanisms", 0, ANY),
};
MESSAGES(sasl_handshake, "SaslHandshake", KAFKA_API_SASL_HANDSHAKE, 1, KAFKA_VERSION_NONE);

/* --- SaslAuthenticate --- */

static const struct kafka_field sasl_authenticate_request_fields[] = {
    FIELD(sasl_authenticate_request, auth_bytes, "AuthBytes", BYTES, 0, ANY),
};
static const struct kafka_field sasl_authenticate_response_fields[] = {
    FIELD(sasl_authenticate_response, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(sasl_authenticate_response, error_message, "ErrorMessage", STRING, 0, ANY, 0),
    FIELD(sasl_authenticate_response, auth_bytes, "AuthBytes", BYTES, 0, ANY),
    FIELD(sasl_authenticate_response, session_lifetime_ms, "SessionLifetimeMs", INT64, 1, ANY),
};
MESSAGES(sasl_authenticate, "SaslAuthenticate", KAFKA_API_SASL_AUTHENTICATE, 2, 2);

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
    NULLABLE(metadata_response_topic, name, "Name", STRING, 0, ANY, 12),
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
MESSAGES(metadata, "Metadata", KAFKA_API_METADATA, 12, 9);

/* --- Fetch --- */

static const struct kafka_field fetch_request_partition_fields[] = {
    FIELD(fetch_request_partition, partition, "Partition", INT32, 0, ANY),
    FIELD(fetch_request_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 9, ANY, .default_value = -1),
    FIELD(fetch_request_partition, fetch_offset, "FetchOffset", INT64, 0, ANY),
    FIELD(fetch_request_partition, last_fetched_epoch, "LastFetchedEpoch", INT32, 12, ANY, .default_value = -1),
    FIELD(fetch_request_partition, log_start_offset, "LogStartOffset", INT64, 5, ANY, .default_value = -1),
    FIELD(fetch_request_partition, partition_max_bytes, "PartitionMaxBytes", INT32, 0, ANY),
    TAGGED(fetch_request_partition, replica_directory_id, "ReplicaDirectoryId", UUID, 17, ANY, KAFKA_VERSION_NONE, 0),
};
SCHEMA(fetch_request_partition);
static const struct kafka_field fetch_request_topic_fields[] = {
    FIELD(fetch_request_topic, topic, "Topic", STRING, 0, 12),
    FIELD(fetch_request_topic, topic_id, "TopicId", UUID, 13, ANY),
    STRUCTS(fetch_request_topic, partitions, partition_count, "Partitions", fetch_request_partition, 0, ANY),
};
SCHEMA(fetch_request_topic);
static const struct kafka_field fetch_request_forgotten_fields[] = {
    FIELD(fetch_request_forgotten, topic, "Topic", STRING, 7, 12),
    FIELD(fetch_request_forgotten, topic_id, "TopicId", UUID, 13, ANY),
    INTS(fetch_request_forgotten, partitions, partition_count, "Partitions", INT32_ARRAY, 7, ANY),
};
SCHEMA(fetch_request_forgotten);
static const struct kafka_field fetch_replica_state_fields[] = {
    FIELD(fetch_replica_state, replica_id, "ReplicaId", INT32, 15, ANY, .default_value = -1),
    FIELD(fetch_replica_state, replica_epoch, "ReplicaEpoch", INT64, 15, ANY, .default_value = -1),
};
SCHEMA(fetch_replica_state);
static const struct kafka_field fetch_request_fields[] = {
    TAGGED(fetch_request, cluster_id, "ClusterId", STRING, 12, ANY, 12, 0, .default_value = KAFKA_DEFAULT_NULL),
    FIELD(fetch_request, replica_id, "ReplicaId", INT32, 0, 14, .default_value = -1),
    TAGGED_STRUCT(fetch_request, replica_state, "ReplicaState", fetch_replica_state, 15, ANY, 1),
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
    FIELD(fetch_response_topic, topic_id, "TopicId", UUID, 13, ANY),
    STRUCTS(fetch_response_topic, partitions, partition_count, "Partitions", fetch_response_partition, 0, ANY),
};
SCHEMA(fetch_response_topic);
static const struct kafka_field fetch_node_endpoint_fields[] = {
    FIELD(fetch_node_endpoint, node_id, "NodeId", INT32, 16, ANY),
    FIELD(fetch_node_endpoint, host, "Host", STRING, 16, ANY),
    FIELD(fetch_node_endpoint, port, "Port", INT32, 16, ANY),
    NULLABLE(fetch_node_endpoint, rack, "Rack", STRING, 16, ANY, 16, .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(fetch_node_endpoint);
static const struct kafka_field fetch_response_fields[] = {
    FIELD(fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(fetch_response, error_code, "ErrorCode", INT16, 7, ANY),
    FIELD(fetch_response, session_id, "SessionId", INT32, 7, ANY),
    STRUCTS(fetch_response, responses, response_count, "Responses", fetch_response_topic, 0, ANY),
    STRUCTS_OF(fetch_response, node_endpoints, node_endpoint_count, "NodeEndpoints", fetch_node_endpoint, 16, ANY,
               KAFKA_VERSION_NONE, 0),
};
MESSAGES(fetch, "Fetch", KAFKA_API_FETCH, 17, 12);

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
MESSAGES(list_offsets, "ListOffsets", KAFKA_API_LIST_OFFSETS, 9, 6);

/* --- OffsetForLeaderEpoch --- */

static const struct kafka_field offset_for_leader_epoch_request_partition_fields[] = {
    FIELD(offset_for_leader_epoch_request_partition, partition, "Partition", INT32, 0, ANY),
    FIELD(offset_for_leader_epoch_request_partition, current_leader_epoch, "CurrentLeaderEpoch", INT32, 2, ANY,
          .default_value = -1),
    FIELD(offset_for_leader_epoch_request_partition, leader_epoch, "LeaderEpoch", INT32, 0, ANY),
};
SCHEMA(offset_for_leader_epoch_request_partition);
static const struct kafka_field offset_for_leader_epoch_request_topic_fields[] = {
    FIELD(offset_for_leader_epoch_request_topic, topic, "Topic", STRING, 0, ANY),
    STRUCTS(offset_for_leader_epoch_request_topic, partitions, partition_count, "Partitions",
            offset_for_leader_epoch_request_partition, 0, ANY),
};
SCHEMA(offset_for_leader_epoch_request_topic);
static const struct kafka_field offset_for_leader_epoch_request_fields[] = {
    FIELD(offset_for_leader_epoch_request, replica_id, "ReplicaId", INT32, 3, ANY, .default_value = -2),
    STRUCTS(offset_for_leader_epoch_request, topics, topic_count, "Topics", offset_for_leader_epoch_request_topic, 0,
            ANY),
};
static const struct kafka_field offset_for_leader_epoch_response_partition_fields[] = {
    FIELD(offset_for_leader_epoch_response_partition, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(offset_for_leader_epoch_response_partition, partition, "Partition", INT32, 0, ANY),
    FIELD(offset_for_leader_epoch_response_partition, leader_epoch, "LeaderEpoch", INT32, 1, ANY,
          .default_value = -1),
    FIELD(offset_for_leader_epoch_response_partition, end_offset, "EndOffset", INT64, 0, ANY, .default_value = -1),
};
SCHEMA(offset_for_leader_epoch_response_partition);
static const struct kafka_field offset_for_leader_epoch_response_topic_fields[] = {
    FIELD(offset_for_leader_epoch_response_topic, topic, "Topic", STRING, 0, ANY),
    STRUCTS(offset_for_leader_epoch_response_topic, partitions, partition_count, "Partitions",
            offset_for_leader_epoch_response_partition, 0, ANY),
};
SCHEMA(offset_for_leader_epoch_response_topic);
static const struct kafka_field offset_for_leader_epoch_response_fields[] = {
    FIELD(offset_for_leader_epoch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2, ANY),
    STRUCTS(offset_for_leader_epoch_response, topics, topic_count, "Topics", offset_for_leader_epoch_response_topic,
            0, ANY),
};
MESSAGES(offset_for_leader_epoch, "OffsetForLeaderEpoch", KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, 4);

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
static const struct kafka_field produce_leader_id_and_epoch_fields[] = {
    FIELD(produce_leader_id_and_epoch, leader_id, "LeaderId", INT32, 10, ANY, .default_value = -1),
    FIELD(produce_leader_id_and_epoch, leader_epoch, "LeaderEpoch", INT32, 10, ANY, .default_value = -1),
};
SCHEMA(produce_leader_id_and_epoch);
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
    TAGGED_STRUCT(produce_response_partition, current_leader, "CurrentLeader", produce_leader_id_and_epoch, 10, ANY, 0),
};
SCHEMA(produce_response_partition);
static const struct kafka_field produce_response_topic_fields[] = {
    FIELD(produce_response_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(produce_response_topic, partition_responses, partition_response_count, "PartitionResponses",
            produce_response_partition, 0, ANY),
};
SCHEMA(produce_response_topic);
static const struct kafka_field produce_node_endpoint_fields[] = {
    FIELD(produce_node_endpoint, node_id, "NodeId", INT32, 10, ANY),
    FIELD(produce_node_endpoint, host, "Host", STRING, 10, ANY),
    FIELD(produce_node_endpoint, port, "Port", INT32, 10, ANY),
    NULLABLE(produce_node_endpoint, rack, "Rack", STRING, 10, ANY, 10, .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(produce_node_endpoint);
static const struct kafka_field produce_response_fields[] = {
    STRUCTS(produce_response, responses, response_count, "Responses", produce_response_topic, 0, ANY),
    FIELD(produce_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    STRUCTS_OF(produce_response, node_endpoints, node_endpoint_count, "NodeEndpoints", produce_node_endpoint, 10, ANY,
               KAFKA_VERSION_NONE, 0),
};
MESSAGES(produce, "Produce", KAFKA_API_PRODUCE, 11, 9);
