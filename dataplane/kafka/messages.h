/* dataplane/kafka/messages.h -- the messages that this server speaks, as C structs; messages.c holds their table.
 *
 * Members are in wire order.  `vN+` is the first version that carries a member; without a mark it is in all.  Maxima
 * are those of Kafka 2.8. Strings and arrays are borrowed (codec.h).  Names are Kafka's, in our spelling. */
#ifndef DATAPLANE_KAFKA_MESSAGES_H
#define DATAPLANE_KAFKA_MESSAGES_H

#include "dataplane/kafka/codec.h"

enum kafka_api {
    KAFKA_API_PRODUCE          = 0,
    KAFKA_API_FETCH            = 1,
    KAFKA_API_LIST_OFFSETS     = 2,
    KAFKA_API_METADATA         = 3,
    KAFKA_API_OFFSET_COMMIT    = 8,
    KAFKA_API_OFFSET_FETCH     = 9,
    KAFKA_API_FIND_COORDINATOR = 10,
    KAFKA_API_JOIN_GROUP       = 11,
    KAFKA_API_HEARTBEAT        = 12,
    KAFKA_API_LEAVE_GROUP      = 13,
    KAFKA_API_SYNC_GROUP       = 14,
    KAFKA_API_DESCRIBE_GROUPS  = 15,
    KAFKA_API_LIST_GROUPS      = 16,
    KAFKA_API_API_VERSIONS     = 18,
    KAFKA_API_DELETE_GROUPS    = 42,
    KAFKA_API_OFFSET_DELETE    = 47,
};

/* The APIs in the table, in the order of their keys; the list that ApiVersions answers.  `index` 0.. until NULL. */
const struct kafka_message *kafka_request_at(uint32_t index);
/* NULL: a key that is not in the table. */
const struct kafka_message *kafka_request_of(int16_t api_key);
const struct kafka_message *kafka_response_of(int16_t api_key);

/* --- ApiVersions (18), 0-3 --- */

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

/* --- Metadata (3), 0-11 --- */

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
    struct kafka_string name;
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

/* --- Fetch (1), 0-12 --- */

struct fetch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* v9+ */
    int64_t fetch_offset;
    int32_t last_fetched_epoch;   /* v12+ */
    int64_t log_start_offset;     /* v5+ */
    int32_t partition_max_bytes;
};
struct fetch_request_topic {
    struct kafka_string topic;
    struct fetch_request_partition *partitions;
    int32_t partition_count;
};
struct fetch_request_forgotten {
    struct kafka_string topic;
    int32_t *partitions;
    int32_t partition_count;
};
struct fetch_request {
    struct kafka_string cluster_id; /* v12+, tagged, may be null */
    int32_t replica_id;
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
    struct kafka_string topic;
    struct fetch_response_partition *partitions;
    int32_t partition_count;
};
struct fetch_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;       /* v7+ */
    int32_t session_id;       /* v7+ */
    struct fetch_response_topic *responses;
    int32_t response_count;
};

/* --- ListOffsets (2), 0-6 --- */

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

/* --- FindCoordinator (10), 0-3 --- */

struct find_coordinator_request {
    struct kafka_string key;
    int8_t key_type; /* v1+; 0 group, 1 transaction */
};
struct find_coordinator_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    struct kafka_string error_message; /* v1+, may be null */
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
};

/* --- JoinGroup (11), 0-7 --- */

struct join_group_request_protocol {
    struct kafka_string name;
    struct kafka_bytes  metadata;
};
struct join_group_request {
    struct kafka_string group_id;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* v1+ */
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v5+, may be null */
    struct kafka_string protocol_type;
    struct join_group_request_protocol *protocols;
    int32_t protocol_count;
};
struct join_group_response_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v5+, may be null */
    struct kafka_bytes  metadata;
};
struct join_group_response {
    int32_t throttle_time_ms; /* v2+ */
    int16_t error_code;
    int32_t generation_id;
    struct kafka_string protocol_type; /* v7+, may be null */
    struct kafka_string protocol_name; /* may be null v7+ */
    struct kafka_string leader;
    struct kafka_string member_id;
    struct join_group_response_member *members; /* for the leader only */
    int32_t member_count;
};

/* --- SyncGroup (14), 0-5 --- */

struct sync_group_request_assignment {
    struct kafka_string member_id;
    struct kafka_bytes  assignment;
};
struct sync_group_request {
    struct kafka_string group_id;
    int32_t generation_id;
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v3+, may be null */
    struct kafka_string protocol_type;     /* v5+, may be null */
    struct kafka_string protocol_name;     /* v5+, may be null */
    struct sync_group_request_assignment *assignments;
    int32_t assignment_count;
};
struct sync_group_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    struct kafka_string protocol_type; /* v5+, may be null */
    struct kafka_string protocol_name; /* v5+, may be null */
    struct kafka_bytes  assignment;
};

/* --- Heartbeat (12), 0-4 --- */

struct heartbeat_request {
    struct kafka_string group_id;
    int32_t generation_id;
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v3+, may be null */
};
struct heartbeat_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
};

/* --- LeaveGroup (13), 0-4 --- */

struct leave_group_request_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* may be null */
};
struct leave_group_request {
    struct kafka_string group_id;
    struct kafka_string member_id; /* v0-2 */
    struct leave_group_request_member *members; /* v3+ */
    int32_t member_count;
};
struct leave_group_response_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* may be null */
    int16_t error_code;
};
struct leave_group_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    struct leave_group_response_member *members; /* v3+ */
    int32_t member_count;
};

/* --- OffsetCommit (8), 0-8 --- */

struct offset_commit_request_partition {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch; /* v6+ */
    int64_t commit_timestamp;       /* v1 only; -1: now */
    struct kafka_string committed_metadata; /* may be null */
};
struct offset_commit_request_topic {
    struct kafka_string name;
    struct offset_commit_request_partition *partitions;
    int32_t partition_count;
};
struct offset_commit_request {
    struct kafka_string group_id;
    int32_t generation_id;                 /* v1+ */
    struct kafka_string member_id;         /* v1+ */
    struct kafka_string group_instance_id; /* v7+, may be null */
    int64_t retention_time_ms;             /* v2-4; -1: the server's */
    struct offset_commit_request_topic *topics;
    int32_t topic_count;
};
struct offset_commit_response_partition {
    int32_t partition_index;
    int16_t error_code;
};
struct offset_commit_response_topic {
    struct kafka_string name;
    struct offset_commit_response_partition *partitions;
    int32_t partition_count;
};
struct offset_commit_response {
    int32_t throttle_time_ms; /* v3+ */
    struct offset_commit_response_topic *topics;
    int32_t topic_count;
};

/* --- OffsetFetch (9), 0-7 --- */

struct offset_fetch_request_topic {
    struct kafka_string name;
    int32_t *partition_indexes;
    int32_t partition_index_count;
};
struct offset_fetch_request {
    struct kafka_string group_id;
    struct offset_fetch_request_topic *topics; /* v2+: null = all */
    int32_t topic_count;
    bool require_stable; /* v7+ */
};
struct offset_fetch_response_partition {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch; /* v5+ */
    struct kafka_string metadata;   /* may be null */
    int16_t error_code;
};
struct offset_fetch_response_topic {
    struct kafka_string name;
    struct offset_fetch_response_partition *partitions;
    int32_t partition_count;
};
struct offset_fetch_response {
    int32_t throttle_time_ms; /* v3+ */
    struct offset_fetch_response_topic *topics;
    int32_t topic_count;
    int16_t error_code; /* v2+ */
};

/* --- DescribeGroups (15), 0-5 --- */

struct describe_groups_request {
    struct kafka_string *groups;
    int32_t group_count;
    bool include_authorized_operations; /* v3+ */
};
struct described_group_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v4+, may be null */
    struct kafka_string client_id, client_host;
    struct kafka_bytes  member_metadata, member_assignment;
};
struct described_group {
    int16_t error_code;
    struct kafka_string group_id, group_state, protocol_type, protocol_data;
    struct described_group_member *members;
    int32_t member_count;
    int32_t authorized_operations; /* v3+; INT32_MIN: not asked for */
};
struct describe_groups_response {
    int32_t throttle_time_ms; /* v1+ */
    struct described_group *groups;
    int32_t group_count;
};

/* --- ListGroups (16), 0-4 --- */

struct list_groups_request {
    struct kafka_string *states_filter; /* v4+; none: all */
    int32_t state_filter_count;
};
struct listed_group {
    struct kafka_string group_id, protocol_type;
    struct kafka_string group_state; /* v4+ */
};
struct list_groups_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    struct listed_group *groups;
    int32_t group_count;
};

/* --- DeleteGroups (42), 0-2 --- */

struct delete_groups_request {
    struct kafka_string *groups;
    int32_t group_count;
};
struct deleted_group {
    struct kafka_string group_id;
    int16_t error_code;
};
struct delete_groups_response {
    int32_t throttle_time_ms;
    struct deleted_group *results;
    int32_t result_count;
};

/* --- OffsetDelete (47), 0 --- */

struct offset_delete_request_partition {
    int32_t partition_index;
};
struct offset_delete_request_topic {
    struct kafka_string name;
    struct offset_delete_request_partition *partitions;
    int32_t partition_count;
};
struct offset_delete_request {
    struct kafka_string group_id;
    struct offset_delete_request_topic *topics;
    int32_t topic_count;
};
struct offset_delete_response_partition {
    int32_t partition_index;
    int16_t error_code;
};
struct offset_delete_response_topic {
    struct kafka_string name;
    struct offset_delete_response_partition *partitions;
    int32_t partition_count;
};
struct offset_delete_response {
    int16_t error_code;
    int32_t throttle_time_ms;
    struct offset_delete_response_topic *topics;
    int32_t topic_count;
};

/* --- Produce (0), 0-9: always refused --- */

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
struct produce_response_partition {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms; /* v2+ */
    int64_t log_start_offset;   /* v5+ */
    struct produce_record_error *record_errors; /* v8+ */
    int32_t record_error_count;
    struct kafka_string error_message; /* v8+, may be null */
};
struct produce_response_topic {
    struct kafka_string name;
    struct produce_response_partition *partition_responses;
    int32_t partition_response_count;
};
struct produce_response {
    struct produce_response_topic *responses;
    int32_t response_count;
    int32_t throttle_time_ms; /* v1+ */
};

/* --- the records of the __consumer_offsets log (key and value each start with an int16 version) --- */

struct offset_commit_key { /* v0-1 */
    struct kafka_string group, topic;
    int32_t partition;
};
struct offset_commit_value { /* v0-3 */
    int64_t offset;
    int32_t leader_epoch; /* v3+ */
    struct kafka_string metadata;
    int64_t commit_timestamp;
    int64_t expire_timestamp; /* v1 only; -1: by the server's retention */
};
struct group_metadata_key { /* v2 */
    struct kafka_string group;
};
struct group_metadata_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* v3+, may be null */
    struct kafka_string client_id, client_host;
    int32_t rebalance_timeout; /* v1+ */
    int32_t session_timeout;
    struct kafka_bytes subscription, assignment;
};
struct group_metadata_value { /* v0-3 */
    struct kafka_string protocol_type;
    int32_t generation;
    struct kafka_string protocol, leader; /* may be null */
    int64_t current_state_timestamp;      /* v2+ */
    struct group_metadata_member *members;
    int32_t member_count;
};
extern const struct kafka_message kafka_offset_commit_key, kafka_offset_commit_value, kafka_group_metadata_key,
    kafka_group_metadata_value;

#endif
