/* Descriptions of the cluster, and the requests that would change it: see messages_table.h. */
#include "dataplane/kafka/messages_table.h"

/* --- DescribeCluster --- */

static const struct kafka_field describe_cluster_request_fields[] = {
    FIELD(describe_cluster_request, include_cluster_authorized_operations, "IncludeClusterAuthorizedOperations", BOOL,
          0, ANY),
    FIELD(describe_cluster_request, endpoint_type, "EndpointType", INT8, 1, ANY, .default_value = 1),
};
static const struct kafka_field describe_cluster_broker_fields[] = {
    FIELD(describe_cluster_broker, broker_id, "BrokerId", INT32, 0, ANY),
    FIELD(describe_cluster_broker, host, "Host", STRING, 0, ANY),
    FIELD(describe_cluster_broker, port, "Port", INT32, 0, ANY),
    NULLABLE(describe_cluster_broker, rack, "Rack", STRING, 0, ANY, 0, .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(describe_cluster_broker);
static const struct kafka_field describe_cluster_response_fields[] = {
    FIELD(describe_cluster_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    FIELD(describe_cluster_response, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(describe_cluster_response, error_message, "ErrorMessage", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(describe_cluster_response, endpoint_type, "EndpointType", INT8, 1, ANY, .default_value = 1),
    FIELD(describe_cluster_response, cluster_id, "ClusterId", STRING, 0, ANY),
    FIELD(describe_cluster_response, controller_id, "ControllerId", INT32, 0, ANY, .default_value = -1),
    STRUCTS(describe_cluster_response, brokers, broker_count, "Brokers", describe_cluster_broker, 0, ANY),
    FIELD(describe_cluster_response, cluster_authorized_operations, "ClusterAuthorizedOperations", INT32, 0, ANY,
          .default_value = INT32_MIN),
};
MESSAGES(describe_cluster, "DescribeCluster", KAFKA_API_DESCRIBE_CLUSTER, 1, 0);

/* --- DescribeConfigs --- */

static const struct kafka_field describe_configs_resource_fields[] = {
    FIELD(describe_configs_resource, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(describe_configs_resource, resource_name, "ResourceName", STRING, 0, ANY),
    NULLABLE_ITEMS(describe_configs_resource, configuration_keys, configuration_key_count, "ConfigurationKeys",
                   STRING_ARRAY, 0, ANY, 0),
};
SCHEMA(describe_configs_resource);
static const struct kafka_field describe_configs_request_fields[] = {
    STRUCTS(describe_configs_request, resources, resource_count, "Resources", describe_configs_resource, 0, ANY),
    FIELD(describe_configs_request, include_synonyms, "IncludeSynonyms", BOOL, 1, ANY),
    FIELD(describe_configs_request, include_documentation, "IncludeDocumentation", BOOL, 3, ANY),
};
static const struct kafka_field described_config_synonym_fields[] = {
    FIELD(described_config_synonym, name, "Name", STRING, 1, ANY),
    NULLABLE(described_config_synonym, value, "Value", STRING, 1, ANY, 0),
    FIELD(described_config_synonym, source, "Source", INT8, 1, ANY),
};
SCHEMA(described_config_synonym);
static const struct kafka_field described_config_fields[] = {
    FIELD(described_config, name, "Name", STRING, 0, ANY),
    NULLABLE(described_config, value, "Value", STRING, 0, ANY, 0),
    FIELD(described_config, read_only, "ReadOnly", BOOL, 0, ANY),
    FIELD(described_config, is_default, "IsDefault", BOOL, 0, 0),
    FIELD(described_config, config_source, "ConfigSource", INT8, 1, ANY, .default_value = -1),
    FIELD(described_config, is_sensitive, "IsSensitive", BOOL, 0, ANY),
    STRUCTS(described_config, synonyms, synonym_count, "Synonyms", described_config_synonym, 1, ANY),
    FIELD(described_config, config_type, "ConfigType", INT8, 3, ANY),
    NULLABLE(described_config, documentation, "Documentation", STRING, 3, ANY, 0),
};
SCHEMA(described_config);
static const struct kafka_field describe_configs_result_fields[] = {
    FIELD(describe_configs_result, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(describe_configs_result, error_message, "ErrorMessage", STRING, 0, ANY, 0),
    FIELD(describe_configs_result, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(describe_configs_result, resource_name, "ResourceName", STRING, 0, ANY),
    STRUCTS(describe_configs_result, configs, config_count, "Configs", described_config, 0, ANY),
};
SCHEMA(describe_configs_result);
static const struct kafka_field describe_configs_response_fields[] = {
    FIELD(describe_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(describe_configs_response, results, result_count, "Results", describe_configs_result, 0, ANY),
};
MESSAGES(describe_configs, "DescribeConfigs", KAFKA_API_DESCRIBE_CONFIGS, 4, 4);

/* --- DescribeTopicPartitions --- */

static const struct kafka_field describe_topic_partitions_request_topic_fields[] = {
    FIELD(describe_topic_partitions_request_topic, name, "Name", STRING, 0, ANY),
};
SCHEMA(describe_topic_partitions_request_topic);
static const struct kafka_field describe_topic_partitions_cursor_fields[] = {
    FIELD(describe_topic_partitions_cursor, topic_name, "TopicName", STRING, 0, ANY),
    FIELD(describe_topic_partitions_cursor, partition_index, "PartitionIndex", INT32, 0, ANY),
};
SCHEMA(describe_topic_partitions_cursor);
static const struct kafka_field describe_topic_partitions_request_fields[] = {
    STRUCTS(describe_topic_partitions_request, topics, topic_count, "Topics", describe_topic_partitions_request_topic,
            0, ANY),
    FIELD(describe_topic_partitions_request, response_partition_limit, "ResponsePartitionLimit", INT32, 0, ANY,
          .default_value = 2000),
    NULLABLE_STRUCT(describe_topic_partitions_request, cursor, "Cursor", describe_topic_partitions_cursor, 0, ANY),
};
static const struct kafka_field describe_topic_partitions_partition_fields[] = {
    FIELD(describe_topic_partitions_partition, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(describe_topic_partitions_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(describe_topic_partitions_partition, leader_id, "LeaderId", INT32, 0, ANY),
    FIELD(describe_topic_partitions_partition, leader_epoch, "LeaderEpoch", INT32, 0, ANY, .default_value = -1),
    INTS(describe_topic_partitions_partition, replica_nodes, replica_node_count, "ReplicaNodes", INT32_ARRAY, 0, ANY),
    INTS(describe_topic_partitions_partition, isr_nodes, isr_node_count, "IsrNodes", INT32_ARRAY, 0, ANY),
    NULLABLE_ITEMS(describe_topic_partitions_partition, eligible_leader_replicas, eligible_leader_replica_count,
                   "EligibleLeaderReplicas", INT32_ARRAY, 0, ANY, 0, .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE_ITEMS(describe_topic_partitions_partition, last_known_elr, last_known_elr_count, "LastKnownElr",
                   INT32_ARRAY, 0, ANY, 0, .default_value = KAFKA_DEFAULT_NULL),
    INTS(describe_topic_partitions_partition, offline_replicas, offline_replica_count, "OfflineReplicas", INT32_ARRAY,
         0, ANY),
};
SCHEMA(describe_topic_partitions_partition);
static const struct kafka_field describe_topic_partitions_topic_fields[] = {
    FIELD(describe_topic_partitions_topic, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(describe_topic_partitions_topic, name, "Name", STRING, 0, ANY, 0),
    FIELD(describe_topic_partitions_topic, topic_id, "TopicId", UUID, 0, ANY),
    FIELD(describe_topic_partitions_topic, is_internal, "IsInternal", BOOL, 0, ANY),
    STRUCTS(describe_topic_partitions_topic, partitions, partition_count, "Partitions",
            describe_topic_partitions_partition, 0, ANY),
    FIELD(describe_topic_partitions_topic, topic_authorized_operations, "TopicAuthorizedOperations", INT32, 0, ANY,
          .default_value = INT32_MIN),
};
SCHEMA(describe_topic_partitions_topic);
static const struct kafka_field describe_topic_partitions_response_fields[] = {
    FIELD(describe_topic_partitions_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(describe_topic_partitions_response, topics, topic_count, "Topics", describe_topic_partitions_topic, 0,
            ANY),
    NULLABLE_STRUCT(describe_topic_partitions_response, next_cursor, "NextCursor", describe_topic_partitions_cursor,
                    0, ANY),
};
MESSAGES(describe_topic_partitions, "DescribeTopicPartitions", KAFKA_API_DESCRIBE_TOPIC_PARTITIONS, 0, 0);

/* --- DescribeLogDirs --- */

static const struct kafka_field describe_log_dirs_request_topic_fields[] = {
    FIELD(describe_log_dirs_request_topic, topic, "Topic", STRING, 0, ANY),
    INTS(describe_log_dirs_request_topic, partitions, partition_count, "Partitions", INT32_ARRAY, 0, ANY),
};
SCHEMA(describe_log_dirs_request_topic);
static const struct kafka_field describe_log_dirs_request_fields[] = {
    STRUCTS_OF(describe_log_dirs_request, topics, topic_count, "Topics", describe_log_dirs_request_topic, 0, ANY, 0,
               -1),
};
static const struct kafka_field described_log_dir_partition_fields[] = {
    FIELD(described_log_dir_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(described_log_dir_partition, partition_size, "PartitionSize", INT64, 0, ANY),
    FIELD(described_log_dir_partition, offset_lag, "OffsetLag", INT64, 0, ANY),
    FIELD(described_log_dir_partition, is_future_key, "IsFutureKey", BOOL, 0, ANY),
};
SCHEMA(described_log_dir_partition);
static const struct kafka_field described_log_dir_topic_fields[] = {
    FIELD(described_log_dir_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(described_log_dir_topic, partitions, partition_count, "Partitions", described_log_dir_partition, 0, ANY),
};
SCHEMA(described_log_dir_topic);
static const struct kafka_field described_log_dir_fields[] = {
    FIELD(described_log_dir, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(described_log_dir, log_dir, "LogDir", STRING, 0, ANY),
    STRUCTS(described_log_dir, topics, topic_count, "Topics", described_log_dir_topic, 0, ANY),
    FIELD(described_log_dir, total_bytes, "TotalBytes", INT64, 4, ANY, .default_value = -1),
    FIELD(described_log_dir, usable_bytes, "UsableBytes", INT64, 4, ANY, .default_value = -1),
};
SCHEMA(described_log_dir);
static const struct kafka_field describe_log_dirs_response_fields[] = {
    FIELD(describe_log_dirs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    FIELD(describe_log_dirs_response, error_code, "ErrorCode", INT16, 3, ANY),
    STRUCTS(describe_log_dirs_response, results, result_count, "Results", described_log_dir, 0, ANY),
};
MESSAGES(describe_log_dirs, "DescribeLogDirs", KAFKA_API_DESCRIBE_LOG_DIRS, 4, 2);

/* --- DescribeAcls --- */

static const struct kafka_field describe_acls_request_fields[] = {
    FIELD(describe_acls_request, resource_type_filter, "ResourceTypeFilter", INT8, 0, ANY),
    NULLABLE(describe_acls_request, resource_name_filter, "ResourceNameFilter", STRING, 0, ANY, 0),
    FIELD(describe_acls_request, pattern_type_filter, "PatternTypeFilter", INT8, 1, ANY, .default_value = 3),
    NULLABLE(describe_acls_request, principal_filter, "PrincipalFilter", STRING, 0, ANY, 0),
    NULLABLE(describe_acls_request, host_filter, "HostFilter", STRING, 0, ANY, 0),
    FIELD(describe_acls_request, operation, "Operation", INT8, 0, ANY),
    FIELD(describe_acls_request, permission_type, "PermissionType", INT8, 0, ANY),
};
static const struct kafka_field described_acl_fields[] = {
    FIELD(described_acl, principal, "Principal", STRING, 0, ANY),
    FIELD(described_acl, host, "Host", STRING, 0, ANY),
    FIELD(described_acl, operation, "Operation", INT8, 0, ANY),
    FIELD(described_acl, permission_type, "PermissionType", INT8, 0, ANY),
};
SCHEMA(described_acl);
static const struct kafka_field described_acl_resource_fields[] = {
    FIELD(described_acl_resource, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(described_acl_resource, resource_name, "ResourceName", STRING, 0, ANY),
    FIELD(described_acl_resource, pattern_type, "PatternType", INT8, 1, ANY, .default_value = 3),
    STRUCTS(described_acl_resource, acls, acl_count, "Acls", described_acl, 0, ANY),
};
SCHEMA(described_acl_resource);
static const struct kafka_field describe_acls_response_fields[] = {
    FIELD(describe_acls_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    FIELD(describe_acls_response, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(describe_acls_response, error_message, "ErrorMessage", STRING, 0, ANY, 0),
    STRUCTS(describe_acls_response, resources, resource_count, "Resources", described_acl_resource, 0, ANY),
};
MESSAGES(describe_acls, "DescribeAcls", KAFKA_API_DESCRIBE_ACLS, 3, 2);

/* --- InitProducerId --- */

static const struct kafka_field init_producer_id_request_fields[] = {
    NULLABLE(init_producer_id_request, transactional_id, "TransactionalId", STRING, 0, ANY, 0),
    FIELD(init_producer_id_request, transaction_timeout_ms, "TransactionTimeoutMs", INT32, 0, ANY),
    FIELD(init_producer_id_request, producer_id, "ProducerId", INT64, 3, ANY, .default_value = -1),
    FIELD(init_producer_id_request, producer_epoch, "ProducerEpoch", INT16, 3, ANY, .default_value = -1),
};
static const struct kafka_field init_producer_id_response_fields[] = {
    FIELD(init_producer_id_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    FIELD(init_producer_id_response, error_code, "ErrorCode", INT16, 0, ANY),
    FIELD(init_producer_id_response, producer_id, "ProducerId", INT64, 0, ANY, .default_value = -1),
    FIELD(init_producer_id_response, producer_epoch, "ProducerEpoch", INT16, 0, ANY),
};
MESSAGES(init_producer_id, "InitProducerId", KAFKA_API_INIT_PRODUCER_ID, 5, 2);

/* --- CreateTopics --- */

static const struct kafka_field create_topics_assignment_fields[] = {
    FIELD(create_topics_assignment, partition_index, "PartitionIndex", INT32, 0, ANY),
    INTS(create_topics_assignment, broker_ids, broker_id_count, "BrokerIds", INT32_ARRAY, 0, ANY),
};
SCHEMA(create_topics_assignment);
static const struct kafka_field create_topics_config_fields[] = {
    FIELD(create_topics_config, name, "Name", STRING, 0, ANY),
    NULLABLE(create_topics_config, value, "Value", STRING, 0, ANY, 0),
};
SCHEMA(create_topics_config);
static const struct kafka_field create_topics_request_topic_fields[] = {
    FIELD(create_topics_request_topic, name, "Name", STRING, 0, ANY),
    FIELD(create_topics_request_topic, num_partitions, "NumPartitions", INT32, 0, ANY),
    FIELD(create_topics_request_topic, replication_factor, "ReplicationFactor", INT16, 0, ANY),
    STRUCTS(create_topics_request_topic, assignments, assignment_count, "Assignments", create_topics_assignment, 0,
            ANY),
    STRUCTS(create_topics_request_topic, configs, config_count, "Configs", create_topics_config, 0, ANY),
};
SCHEMA(create_topics_request_topic);
static const struct kafka_field create_topics_request_fields[] = {
    STRUCTS(create_topics_request, topics, topic_count, "Topics", create_topics_request_topic, 0, ANY),
    FIELD(create_topics_request, timeout_ms, "timeoutMs", INT32, 0, ANY, .default_value = 60000),
    FIELD(create_topics_request, validate_only, "validateOnly", BOOL, 1, ANY),
};
static const struct kafka_field created_topic_config_fields[] = {
    FIELD(created_topic_config, name, "Name", STRING, 5, ANY),
    NULLABLE(created_topic_config, value, "Value", STRING, 5, ANY, 5),
    FIELD(created_topic_config, read_only, "ReadOnly", BOOL, 5, ANY),
    FIELD(created_topic_config, config_source, "ConfigSource", INT8, 5, ANY, .default_value = -1),
    FIELD(created_topic_config, is_sensitive, "IsSensitive", BOOL, 5, ANY),
};
SCHEMA(created_topic_config);
static const struct kafka_field created_topic_fields[] = {
    FIELD(created_topic, name, "Name", STRING, 0, ANY),
    FIELD(created_topic, topic_id, "TopicId", UUID, 7, ANY),
    FIELD(created_topic, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(created_topic, error_message, "ErrorMessage", STRING, 1, ANY, 0),
    TAGGED(created_topic, topic_config_error_code, "TopicConfigErrorCode", INT16, 5, ANY, KAFKA_VERSION_NONE, 0),
    FIELD(created_topic, num_partitions, "NumPartitions", INT32, 5, ANY, .default_value = -1),
    FIELD(created_topic, replication_factor, "ReplicationFactor", INT16, 5, ANY, .default_value = -1),
    STRUCTS_OF(created_topic, configs, config_count, "Configs", created_topic_config, 5, ANY, 5, -1),
};
SCHEMA(created_topic);
static const struct kafka_field create_topics_response_fields[] = {
    FIELD(create_topics_response, throttle_time_ms, "ThrottleTimeMs", INT32, 2, ANY),
    STRUCTS(create_topics_response, topics, topic_count, "Topics", created_topic, 0, ANY),
};
MESSAGES(create_topics, "CreateTopics", KAFKA_API_CREATE_TOPICS, 7, 5);

/* --- DeleteTopics --- */

static const struct kafka_field delete_topics_request_topic_fields[] = {
    NULLABLE(delete_topics_request_topic, name, "Name", STRING, 6, ANY, 6, .default_value = KAFKA_DEFAULT_NULL),
    FIELD(delete_topics_request_topic, topic_id, "TopicId", UUID, 6, ANY),
};
SCHEMA(delete_topics_request_topic);
static const struct kafka_field delete_topics_request_fields[] = {
    STRUCTS(delete_topics_request, topics, topic_count, "Topics", delete_topics_request_topic, 6, ANY),
    STRINGS(delete_topics_request, topic_names, topic_name_count, "TopicNames", 0, 5),
    FIELD(delete_topics_request, timeout_ms, "TimeoutMs", INT32, 0, ANY),
};
static const struct kafka_field deleted_topic_fields[] = {
    NULLABLE(deleted_topic, name, "Name", STRING, 0, ANY, 6),
    FIELD(deleted_topic, topic_id, "TopicId", UUID, 6, ANY),
    FIELD(deleted_topic, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(deleted_topic, error_message, "ErrorMessage", STRING, 5, ANY, 5, .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(deleted_topic);
static const struct kafka_field delete_topics_response_fields[] = {
    FIELD(delete_topics_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    STRUCTS(delete_topics_response, responses, response_count, "Responses", deleted_topic, 0, ANY),
};
MESSAGES(delete_topics, "DeleteTopics", KAFKA_API_DELETE_TOPICS, 6, 4);

/* --- CreatePartitions --- */

static const struct kafka_field create_partitions_assignment_fields[] = {
    INTS(create_partitions_assignment, broker_ids, broker_id_count, "BrokerIds", INT32_ARRAY, 0, ANY),
};
SCHEMA(create_partitions_assignment);
static const struct kafka_field create_partitions_request_topic_fields[] = {
    FIELD(create_partitions_request_topic, name, "Name", STRING, 0, ANY),
    FIELD(create_partitions_request_topic, count, "Count", INT32, 0, ANY),
    STRUCTS_OF(create_partitions_request_topic, assignments, assignment_count, "Assignments",
               create_partitions_assignment, 0, ANY, 0, -1),
};
SCHEMA(create_partitions_request_topic);
static const struct kafka_field create_partitions_request_fields[] = {
    STRUCTS(create_partitions_request, topics, topic_count, "Topics", create_partitions_request_topic, 0, ANY),
    FIELD(create_partitions_request, timeout_ms, "TimeoutMs", INT32, 0, ANY),
    FIELD(create_partitions_request, validate_only, "ValidateOnly", BOOL, 0, ANY),
};
static const struct kafka_field created_partitions_fields[] = {
    FIELD(created_partitions, name, "Name", STRING, 0, ANY),
    FIELD(created_partitions, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(created_partitions, error_message, "ErrorMessage", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
};
SCHEMA(created_partitions);
static const struct kafka_field create_partitions_response_fields[] = {
    FIELD(create_partitions_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(create_partitions_response, results, result_count, "Results", created_partitions, 0, ANY),
};
MESSAGES(create_partitions, "CreatePartitions", KAFKA_API_CREATE_PARTITIONS, 3, 2);

/* --- DeleteRecords --- */

static const struct kafka_field delete_records_request_partition_fields[] = {
    FIELD(delete_records_request_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(delete_records_request_partition, offset, "Offset", INT64, 0, ANY),
};
SCHEMA(delete_records_request_partition);
static const struct kafka_field delete_records_request_topic_fields[] = {
    FIELD(delete_records_request_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(delete_records_request_topic, partitions, partition_count, "Partitions", delete_records_request_partition,
            0, ANY),
};
SCHEMA(delete_records_request_topic);
static const struct kafka_field delete_records_request_fields[] = {
    STRUCTS(delete_records_request, topics, topic_count, "Topics", delete_records_request_topic, 0, ANY),
    FIELD(delete_records_request, timeout_ms, "TimeoutMs", INT32, 0, ANY),
};
static const struct kafka_field deleted_records_partition_fields[] = {
    FIELD(deleted_records_partition, partition_index, "PartitionIndex", INT32, 0, ANY),
    FIELD(deleted_records_partition, low_watermark, "LowWatermark", INT64, 0, ANY),
    FIELD(deleted_records_partition, error_code, "ErrorCode", INT16, 0, ANY),
};
SCHEMA(deleted_records_partition);
static const struct kafka_field deleted_records_topic_fields[] = {
    FIELD(deleted_records_topic, name, "Name", STRING, 0, ANY),
    STRUCTS(deleted_records_topic, partitions, partition_count, "Partitions", deleted_records_partition, 0, ANY),
};
SCHEMA(deleted_records_topic);
static const struct kafka_field delete_records_response_fields[] = {
    FIELD(delete_records_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(delete_records_response, topics, topic_count, "Topics", deleted_records_topic, 0, ANY),
};
MESSAGES(delete_records, "DeleteRecords", KAFKA_API_DELETE_RECORDS, 2, 2);

/* --- AlterConfigs --- */

static const struct kafka_field alterable_config_fields[] = {
    FIELD(alterable_config, name, "Name", STRING, 0, ANY),
    NULLABLE(alterable_config, value, "Value", STRING, 0, ANY, 0),
};
SCHEMA(alterable_config);
static const struct kafka_field alter_configs_resource_fields[] = {
    FIELD(alter_configs_resource, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(alter_configs_resource, resource_name, "ResourceName", STRING, 0, ANY),
    STRUCTS(alter_configs_resource, configs, config_count, "Configs", alterable_config, 0, ANY),
};
SCHEMA(alter_configs_resource);
static const struct kafka_field alter_configs_request_fields[] = {
    STRUCTS(alter_configs_request, resources, resource_count, "Resources", alter_configs_resource, 0, ANY),
    FIELD(alter_configs_request, validate_only, "ValidateOnly", BOOL, 0, ANY),
};
static const struct kafka_field altered_config_resource_fields[] = {
    FIELD(altered_config_resource, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(altered_config_resource, error_message, "ErrorMessage", STRING, 0, ANY, 0),
    FIELD(altered_config_resource, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(altered_config_resource, resource_name, "ResourceName", STRING, 0, ANY),
};
SCHEMA(altered_config_resource);
static const struct kafka_field alter_configs_response_fields[] = {
    FIELD(alter_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(alter_configs_response, responses, response_count, "Responses", altered_config_resource, 0, ANY),
};
MESSAGES(alter_configs, "AlterConfigs", KAFKA_API_ALTER_CONFIGS, 2, 2);

/* --- IncrementalAlterConfigs --- */

static const struct kafka_field incremental_alter_config_fields[] = {
    FIELD(incremental_alter_config, name, "Name", STRING, 0, ANY),
    FIELD(incremental_alter_config, config_operation, "ConfigOperation", INT8, 0, ANY),
    NULLABLE(incremental_alter_config, value, "Value", STRING, 0, ANY, 0),
};
SCHEMA(incremental_alter_config);
static const struct kafka_field incremental_alter_configs_resource_fields[] = {
    FIELD(incremental_alter_configs_resource, resource_type, "ResourceType", INT8, 0, ANY),
    FIELD(incremental_alter_configs_resource, resource_name, "ResourceName", STRING, 0, ANY),
    STRUCTS(incremental_alter_configs_resource, configs, config_count, "Configs", incremental_alter_config, 0, ANY),
};
SCHEMA(incremental_alter_configs_resource);
static const struct kafka_field incremental_alter_configs_request_fields[] = {
    STRUCTS(incremental_alter_configs_request, resources, resource_count, "Resources",
            incremental_alter_configs_resource, 0, ANY),
    FIELD(incremental_alter_configs_request, validate_only, "ValidateOnly", BOOL, 0, ANY),
};
static const struct kafka_field incremental_alter_configs_response_fields[] = {
    FIELD(incremental_alter_configs_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(incremental_alter_configs_response, responses, response_count, "Responses", altered_config_resource, 0,
            ANY),
};
MESSAGES(incremental_alter_configs, "IncrementalAlterConfigs", KAFKA_API_INCREMENTAL_ALTER_CONFIGS, 1, 1);
