/* dataplane/kafka/messages_log.h -- versions, authentication, metadata, records and offsets of topics.
 * See messages.h. */
#ifndef DATAPLANE_KAFKA_MESSAGES_LOG_H
#define DATAPLANE_KAFKA_MESSAGES_LOG_H

#include "dataplane/kafka/codec.h"

/* --- ApiVersions (18), 0-4 --- */

struct api_versions_request {
    struct kafka_string client_software_name;    /* v3+ */
    struct kafka_string client_software_version; /* v3+ */
};
struct api_version {
    int16_t api_key, min_version, max_version;
};
struct supported_feature {
    struct kafka_string name;
    int16_t min_version, max_version;
};
struct finalized_feature {
    struct kafka_string name;
    int16_t max_version_level, min_version_level;
};
struct api_versions_response {
    int16_t error_code;
    struct api_version *api_keys;
    int32_t api_key_count;
    int32_t throttle_time_ms;                      /* v1+ */
    struct supported_feature *supported_features;  /* v3+, tagged, as the next two */
    int32_t supported_feature_count;
    int64_t finalized_features_epoch;              /* -1: unknown */
    struct finalized_feature *finalized_features;
    int32_t finalized_feature_count;
    bool    zk_migration_ready;                    /* v3+, tagged */
};

/* --- SaslHandshake (17), 0-1 --- */

struct sasl_handshake_request {
    struct kafka_string mechanism;
};
struct sasl_handshake_response {
    int16_t error_code;
    struct kafka_string *mechanisms;
    int32_t mechanism_count;
};

/* --- SaslAuthenticate (36), 0-2 --- */

struct sasl_authenticate_request {
    struct kafka_bytes auth_bytes;
};
struct sasl_authenticate_response {
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    struct kafka_bytes auth_bytes;
    int64_t session_lifetime_ms; /* v1+ */
};

/* --- Metadata (3), 0-12 --- */

struct metadata_request_topic {
    struct kafka_uuid   topic_id; /* v10+ */
    struct kafka_string name;     /* may be null v10+ */
};
struct metadata_request {
    struct metadata_request_topic *topics; /* v0: empty = all; v1+: null = all, empty = none */
    int32_t topic_count;
    bool allow_auto_topic_creation;               /* v4+ */
    bool include_cluster_authorized_operations;   /* v8-10 */
    bool include_topic_authorized_operations;     /* v8+ */
};
struct metadata_response_broker {
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string rack; /* v1+, may be null */
};
struct metadata_response_partition {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch; /* v7+ */
    int32_t *replica_nodes;
    int32_t replica_node_count;
    int32_t *isr_nodes;
    int32_t isr_node_count;
    int32_t *offline_replicas; /* v5+ */
    int32_t offline_replica_count;
};
struct metadata_response_topic {
    int16_t error_code;
    struct kafka_string name;     /* may be null v12+ */
    struct kafka_uuid   topic_id; /* v10+ */
    bool    is_internal;          /* v1+ */
    struct metadata_response_partition *partitions;
    int32_t partition_count;
    int32_t topic_authorized_operations; /* v8+; INT32_MIN: not asked for */
};
struct metadata_response {
    int32_t throttle_time_ms; /* v3+ */
    struct metadata_response_broker *brokers;
    int32_t broker_count;
    struct kafka_string cluster_id; /* v2+, may be null */
    int32_t controller_id;          /* v1+ */
    struct metadata_response_topic *topics;
    int32_t topic_count;
    int32_t cluster_authorized_operations; /* v8-10; INT32_MIN: not asked for */
};

/* --- Fetch (1), 0-17 --- */

struct fetch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* v9+ */
    int64_t fetch_offset;
    int32_t last_fetched_epoch;   /* v12+ */
    int64_t log_start_offset;     /* v5+ */
    int32_t partition_max_bytes;
    struct kafka_uuid replica_directory_id; /* v17+, tagged: followers */
};
struct fetch_request_topic {
    struct kafka_string topic;    /* v0-12 */
    struct kafka_uuid   topic_id; /* v13+ */
    struct fetch_request_partition *partitions;
    int32_t partition_count;
};
struct fetch_request_forgotten {
    struct kafka_string topic;    /* v7-12 */
    struct kafka_uuid   topic_id; /* v13+ */
    int32_t *partitions;
    int32_t partition_count;
};
struct fetch_replica_state { /* followers */
    int32_t replica_id;
    int64_t replica_epoch;
};
struct fetch_request {
    struct kafka_string cluster_id; /* v12+, tagged, may be null */
    int32_t replica_id;             /* v0-14 */
    struct fetch_replica_state replica_state; /* v15+, tagged */
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;      /* v3+ */
    int8_t  isolation_level; /* v4+ */
    int32_t session_id;     /* v7+ */
    int32_t session_epoch;  /* v7+ */
    struct fetch_request_topic *topics;
    int32_t topic_count;
    struct fetch_request_forgotten *forgotten_topics_data; /* v7+ */
    int32_t forgotten_topics_data_count;
    struct kafka_string rack_id; /* v11+ */
};
struct fetch_epoch_end_offset {
    int32_t epoch;
    int64_t end_offset;
};
struct fetch_leader_id_and_epoch {
    int32_t leader_id, leader_epoch;
};
struct fetch_snapshot_id {
    int64_t end_offset;
    int32_t epoch;
};
struct fetch_aborted_transaction {
    int64_t producer_id, first_offset;
};
struct fetch_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t high_watermark;
    int64_t last_stable_offset; /* v4+ */
    int64_t log_start_offset;   /* v5+ */
    /* v12+, tagged; written only when not all -1 (FETCH_TAGS_ABSENT) */
    struct fetch_epoch_end_offset    diverging_epoch;
    struct fetch_leader_id_and_epoch current_leader;
    struct fetch_snapshot_id         snapshot_id;
    struct fetch_aborted_transaction *aborted_transactions; /* v4+, may be null */
    int32_t aborted_transaction_count;
    int32_t preferred_read_replica; /* v11+ */
    struct kafka_records records;
};
/* The tagged members of a partition that has nothing to say in them. */
#define FETCH_TAGS_ABSENT .diverging_epoch = {-1, -1}, .current_leader = {-1, -1}, .snapshot_id = {-1, -1}

struct fetch_response_topic {
    struct kafka_string topic;    /* v0-12 */
    struct kafka_uuid   topic_id; /* v13+ */
    struct fetch_response_partition *partitions;
    int32_t partition_count;
};
struct fetch_node_endpoint {
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string rack; /* may be null */
};
struct fetch_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;       /* v7+ */
    int32_t session_id;       /* v7+ */
    struct fetch_response_topic *responses;
    int32_t response_count;
    struct fetch_node_endpoint *node_endpoints; /* v16+, tagged: of the leaders named */
    int32_t node_endpoint_count;
};

/* --- ListOffsets (2), 0-9 --- */

struct list_offsets_request_partition {
    int32_t partition_index;
    int32_t current_leader_epoch; /* v4+ */
    int64_t timestamp;
    int32_t max_num_offsets;      /* v0 only */
};
struct list_offsets_request_topic {
    struct kafka_string name;
    struct list_offsets_request_partition *partitions;
    int32_t partition_count;
};
struct list_offsets_request {
    int32_t replica_id;
    int8_t  isolation_level; /* v2+ */
    struct list_offsets_request_topic *topics;
    int32_t topic_count;
};
struct list_offsets_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t *old_style_offsets; /* v0 only */
    int32_t old_style_offset_count;
    int64_t timestamp;    /* v1+ */
    int64_t offset;       /* v1+ */
    int32_t leader_epoch; /* v4+ */
};
struct list_offsets_response_topic {
    struct kafka_string name;
    struct list_offsets_response_partition *partitions;
    int32_t partition_count;
};
struct list_offsets_response {
    int32_t throttle_time_ms; /* v2+ */
    struct list_offsets_response_topic *topics;
    int32_t topic_count;
};

/* --- OffsetForLeaderEpoch (23), 0-4 --- */

struct offset_for_leader_epoch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* v2+ */
    int32_t leader_epoch;
};
struct offset_for_leader_epoch_request_topic {
    struct kafka_string topic;
    struct offset_for_leader_epoch_request_partition *partitions;
    int32_t partition_count;
};
struct offset_for_leader_epoch_request {
    int32_t replica_id; /* v3+ */
    struct offset_for_leader_epoch_request_topic *topics;
    int32_t topic_count;
};
struct offset_for_leader_epoch_response_partition {
    int16_t error_code;
    int32_t partition;
    int32_t leader_epoch; /* v1+ */
    int64_t end_offset;
};
struct offset_for_leader_epoch_response_topic {
    struct kafka_string topic;
    struct offset_for_leader_epoch_response_partition *partitions;
    int32_t partition_count;
};
struct offset_for_leader_epoch_response {
    int32_t throttle_time_ms; /* v2+ */
    struct offset_for_leader_epoch_response_topic *topics;
    int32_t topic_count;
};

/* --- Produce (0), 0-11: always refused --- */

struct produce_request_partition {
    int32_t index;
    struct kafka_records records; /* may be null */
};
struct produce_request_topic {
    struct kafka_string name;
    struct produce_request_partition *partition_data;
    int32_t partition_data_count;
};
struct produce_request {
    struct kafka_string transactional_id; /* v3+, may be null */
    int16_t acks;
    int32_t timeout_ms;
    struct produce_request_topic *topic_data;
    int32_t topic_data_count;
};
struct produce_record_error {
    int32_t batch_index;
    struct kafka_string batch_index_error_message; /* may be null */
};
struct produce_leader_id_and_epoch {
    int32_t leader_id, leader_epoch;
};
struct produce_response_partition {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms; /* v2+ */
    int64_t log_start_offset;   /* v5+ */
    struct produce_record_error *record_errors; /* v8+ */
    int32_t record_error_count;
    struct kafka_string error_message; /* v8+, may be null */
    struct produce_leader_id_and_epoch current_leader; /* v10+, tagged; -1, -1: none */
};
struct produce_response_topic {
    struct kafka_string name;
    struct produce_response_partition *partition_responses;
    int32_t partition_response_count;
};
struct produce_node_endpoint {
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string rack; /* may be null */
};
struct produce_response {
    struct produce_response_topic *responses;
    int32_t response_count;
    int32_t throttle_time_ms; /* v1+ */
    struct produce_node_endpoint *node_endpoints; /* v10+, tagged */
    int32_t node_endpoint_count;
};

#endif
