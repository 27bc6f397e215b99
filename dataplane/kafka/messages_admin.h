/* dataplane/kafka/messages_admin.h -- descriptions of the cluster, and the requests that would change it.
 * See messages.h. */
#ifndef DATAPLANE_KAFKA_MESSAGES_ADMIN_H
#define DATAPLANE_KAFKA_MESSAGES_ADMIN_H

#include "dataplane/kafka/codec.h"

/* --- DescribeCluster (60), 0-1 --- */

struct describe_cluster_request {
    bool include_cluster_authorized_operations;
    int8_t endpoint_type; /* v1+ */
};
struct describe_cluster_broker {
    int32_t broker_id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string rack; /* may be null */
};
struct describe_cluster_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    int8_t endpoint_type; /* v1+ */
    struct kafka_string cluster_id;
    int32_t controller_id;
    struct describe_cluster_broker *brokers;
    int32_t broker_count;
    int32_t cluster_authorized_operations;
};

/* --- DescribeConfigs (32), 0-4 --- */

struct describe_configs_resource {
    int8_t resource_type;
    struct kafka_string resource_name;
    struct kafka_string *configuration_keys; /* may be null */
    int32_t configuration_key_count;
};
struct describe_configs_request {
    struct describe_configs_resource *resources;
    int32_t resource_count;
    bool include_synonyms; /* v1+ */
    bool include_documentation; /* v3+ */
};
struct described_config_synonym {
    struct kafka_string name; /* v1+ */
    struct kafka_string value; /* v1+, may be null */
    int8_t source; /* v1+ */
};
struct described_config {
    struct kafka_string name;
    struct kafka_string value; /* may be null */
    bool read_only;
    bool is_default; /* v0 only */
    int8_t config_source; /* v1+ */
    bool is_sensitive;
    struct described_config_synonym *synonyms; /* v1+ */
    int32_t synonym_count;
    int8_t config_type; /* v3+ */
    struct kafka_string documentation; /* v3+, may be null */
};
struct describe_configs_result {
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    int8_t resource_type;
    struct kafka_string resource_name;
    struct described_config *configs;
    int32_t config_count;
};
struct describe_configs_response {
    int32_t throttle_time_ms;
    struct describe_configs_result *results;
    int32_t result_count;
};

/* --- DescribeTopicPartitions (75), 0 --- */

struct describe_topic_partitions_request_topic {
    struct kafka_string name;
};
struct describe_topic_partitions_cursor {
    struct kafka_string topic_name;
    int32_t partition_index;
};
struct describe_topic_partitions_request {
    struct describe_topic_partitions_request_topic *topics;
    int32_t topic_count;
    int32_t response_partition_limit;
    struct describe_topic_partitions_cursor *cursor; /* may be null */
};
struct describe_topic_partitions_partition {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch;
    int32_t *replica_nodes;
    int32_t replica_node_count;
    int32_t *isr_nodes;
    int32_t isr_node_count;
    int32_t *eligible_leader_replicas; /* may be null */
    int32_t eligible_leader_replica_count;
    int32_t *last_known_elr; /* may be null */
    int32_t last_known_elr_count;
    int32_t *offline_replicas;
    int32_t offline_replica_count;
};
struct describe_topic_partitions_topic {
    int16_t error_code;
    struct kafka_string name; /* may be null */
    struct kafka_uuid topic_id;
    bool is_internal;
    struct describe_topic_partitions_partition *partitions;
    int32_t partition_count;
    int32_t topic_authorized_operations;
};
struct describe_topic_partitions_response {
    int32_t throttle_time_ms;
    struct describe_topic_partitions_topic *topics;
    int32_t topic_count;
    struct describe_topic_partitions_cursor *next_cursor; /* may be null */
};

/* --- DescribeLogDirs (35), 0-4 --- */

struct describe_log_dirs_request_topic {
    struct kafka_string topic;
    int32_t *partitions;
    int32_t partition_count;
};
struct describe_log_dirs_request {
    struct describe_log_dirs_request_topic *topics; /* may be null */
    int32_t topic_count;
};
struct described_log_dir_partition {
    int32_t partition_index;
    int64_t partition_size;
    int64_t offset_lag;
    bool is_future_key;
};
struct described_log_dir_topic {
    struct kafka_string name;
    struct described_log_dir_partition *partitions;
    int32_t partition_count;
};
struct described_log_dir {
    int16_t error_code;
    struct kafka_string log_dir;
    struct described_log_dir_topic *topics;
    int32_t topic_count;
    int64_t total_bytes; /* v4+ */
    int64_t usable_bytes; /* v4+ */
};
struct describe_log_dirs_response {
    int32_t throttle_time_ms;
    int16_t error_code; /* v3+ */
    struct described_log_dir *results;
    int32_t result_count;
};

/* --- DescribeAcls (29), 0-3 --- */

struct describe_acls_request {
    int8_t resource_type_filter;
    struct kafka_string resource_name_filter; /* may be null */
    int8_t pattern_type_filter; /* v1+ */
    struct kafka_string principal_filter; /* may be null */
    struct kafka_string host_filter; /* may be null */
    int8_t operation;
    int8_t permission_type;
};
struct described_acl {
    struct kafka_string principal;
    struct kafka_string host;
    int8_t operation;
    int8_t permission_type;
};
struct described_acl_resource {
    int8_t resource_type;
    struct kafka_string resource_name;
    int8_t pattern_type; /* v1+ */
    struct described_acl *acls;
    int32_t acl_count;
};
struct describe_acls_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    struct described_acl_resource *resources;
    int32_t resource_count;
};

/* --- InitProducerId (22), 0-5 --- */

struct init_producer_id_request {
    struct kafka_string transactional_id; /* may be null */
    int32_t transaction_timeout_ms;
    int64_t producer_id; /* v3+ */
    int16_t producer_epoch; /* v3+ */
};
struct init_producer_id_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int64_t producer_id;
    int16_t producer_epoch;
};

/* --- CreateTopics (19), 0-7 --- */

struct create_topics_assignment {
    int32_t partition_index;
    int32_t *broker_ids;
    int32_t broker_id_count;
};
struct create_topics_config {
    struct kafka_string name;
    struct kafka_string value; /* may be null */
};
struct create_topics_request_topic {
    struct kafka_string name;
    int32_t num_partitions;
    int16_t replication_factor;
    struct create_topics_assignment *assignments;
    int32_t assignment_count;
    struct create_topics_config *configs;
    int32_t config_count;
};
struct create_topics_request {
    struct create_topics_request_topic *topics;
    int32_t topic_count;
    int32_t timeout_ms;
    bool validate_only; /* v1+ */
};
struct created_topic_config {
    struct kafka_string name; /* v5+ */
    struct kafka_string value; /* v5+, may be null */
    bool read_only; /* v5+ */
    int8_t config_source; /* v5+ */
    bool is_sensitive; /* v5+ */
};
struct created_topic {
    struct kafka_string name;
    struct kafka_uuid topic_id; /* v7+ */
    int16_t error_code;
    struct kafka_string error_message; /* v1+, may be null */
    int16_t topic_config_error_code; /* v5+, tagged */
    int32_t num_partitions; /* v5+ */
    int16_t replication_factor; /* v5+ */
    struct created_topic_config *configs; /* v5+, may be null */
    int32_t config_count;
};
struct create_topics_response {
    int32_t throttle_time_ms; /* v2+ */
    struct created_topic *topics;
    int32_t topic_count;
};

/* --- DeleteTopics (20), 0-6 --- */

struct delete_topics_request_topic {
    struct kafka_string name; /* v6+, may be null */
    struct kafka_uuid topic_id; /* v6+ */
};
struct delete_topics_request {
    struct delete_topics_request_topic *topics; /* v6+ */
    int32_t topic_count;
    struct kafka_string *topic_names; /* v0-5 */
    int32_t topic_name_count;
    int32_t timeout_ms;
};
struct deleted_topic {
    struct kafka_string name; /* may be null v6+ */
    struct kafka_uuid topic_id; /* v6+ */
    int16_t error_code;
    struct kafka_string error_message; /* v5+, may be null */
};
struct delete_topics_response {
    int32_t throttle_time_ms; /* v1+ */
    struct deleted_topic *responses;
    int32_t response_count;
};

/* --- CreatePartitions (37), 0-3 --- */

struct create_partitions_assignment {
    int32_t *broker_ids;
    int32_t broker_id_count;
};
struct create_partitions_request_topic {
    struct kafka_string name;
    int32_t count;
    struct create_partitions_assignment *assignments; /* may be null */
    int32_t assignment_count;
};
struct create_partitions_request {
    struct create_partitions_request_topic *topics;
    int32_t topic_count;
    int32_t timeout_ms;
    bool validate_only;
};
struct created_partitions {
    struct kafka_string name;
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
};
struct create_partitions_response {
    int32_t throttle_time_ms;
    struct created_partitions *results;
    int32_t result_count;
};

/* --- DeleteRecords (21), 0-2 --- */

struct delete_records_request_partition {
    int32_t partition_index;
    int64_t offset;
};
struct delete_records_request_topic {
    struct kafka_string name;
    struct delete_records_request_partition *partitions;
    int32_t partition_count;
};
struct delete_records_request {
    struct delete_records_request_topic *topics;
    int32_t topic_count;
    int32_t timeout_ms;
};
struct deleted_records_partition {
    int32_t partition_index;
    int64_t low_watermark;
    int16_t error_code;
};
struct deleted_records_topic {
    struct kafka_string name;
    struct deleted_records_partition *partitions;
    int32_t partition_count;
};
struct delete_records_response {
    int32_t throttle_time_ms;
    struct deleted_records_topic *topics;
    int32_t topic_count;
};

/* --- AlterConfigs (33), 0-2 --- */

struct alterable_config {
    struct kafka_string name;
    struct kafka_string value; /* may be null */
};
struct alter_configs_resource {
    int8_t resource_type;
    struct kafka_string resource_name;
    struct alterable_config *configs;
    int32_t config_count;
};
struct alter_configs_request {
    struct alter_configs_resource *resources;
    int32_t resource_count;
    bool validate_only;
};
struct altered_config_resource {
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    int8_t resource_type;
    struct kafka_string resource_name;
};
struct alter_configs_response {
    int32_t throttle_time_ms;
    struct altered_config_resource *responses;
    int32_t response_count;
};

/* --- IncrementalAlterConfigs (44), 0-1 --- */

struct incremental_alter_config {
    struct kafka_string name;
    int8_t config_operation;
    struct kafka_string value; /* may be null */
};
struct incremental_alter_configs_resource {
    int8_t resource_type;
    struct kafka_string resource_name;
    struct incremental_alter_config *configs;
    int32_t config_count;
};
struct incremental_alter_configs_request {
    struct incremental_alter_configs_resource *resources;
    int32_t resource_count;
    bool validate_only;
};
struct incremental_alter_configs_response {
    int32_t throttle_time_ms;
    struct altered_config_resource *responses;
    int32_t response_count;
};

#endif
