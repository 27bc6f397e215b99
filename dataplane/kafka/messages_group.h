/* dataplane/kafka/messages_group.h -- consumer groups, and the records of the log of offsets.
 * See messages.h. */
#ifndef DATAPLANE_KAFKA_MESSAGES_GROUP_H
#define DATAPLANE_KAFKA_MESSAGES_GROUP_H

#include "dataplane/kafka/codec.h"

/* --- FindCoordinator (10), 0-6 --- */

struct find_coordinator_request {
    struct kafka_string key; /* v0-3 */
    int8_t key_type;         /* v1+; 0 group, 1 transaction */
    struct kafka_string *coordinator_keys; /* v4+ */
    int32_t coordinator_key_count;
};
struct found_coordinator {
    struct kafka_string key;
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
};
struct find_coordinator_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;                /* v0-3, as the next four */
    struct kafka_string error_message; /* v1+, may be null */
    int32_t node_id;
    struct kafka_string host;
    int32_t port;
    struct found_coordinator *coordinators; /* v4+ */
    int32_t coordinator_count;
};

/* --- JoinGroup (11), 0-9 --- */

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
    struct kafka_string reason; /* v8+, may be null */
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
    bool skip_assignment; /* v9+ */
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

/* --- LeaveGroup (13), 0-5 --- */

struct leave_group_request_member {
    struct kafka_string member_id;
    struct kafka_string group_instance_id; /* may be null */
    struct kafka_string reason;            /* v5+, may be null */
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

/* --- OffsetCommit (8), 0-9 --- */

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

/* --- OffsetFetch (9), 0-9 --- */

struct offset_fetch_request_topic {
    struct kafka_string name;
    int32_t *partition_indexes;
    int32_t partition_index_count;
};
struct offset_fetch_request_group {
    struct kafka_string group_id;
    struct kafka_string member_id; /* v9+, may be null */
    int32_t member_epoch;          /* v9+ */
    struct offset_fetch_request_topic *topics; /* null = all */
    int32_t topic_count;
};
struct offset_fetch_request {
    struct kafka_string group_id;              /* v0-7 */
    struct offset_fetch_request_topic *topics; /* v0-7; v2+: null = all */
    int32_t topic_count;
    struct offset_fetch_request_group *groups; /* v8+ */
    int32_t group_count;
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
struct offset_fetch_response_group {
    struct kafka_string group_id;
    struct offset_fetch_response_topic *topics;
    int32_t topic_count;
    int16_t error_code;
};
struct offset_fetch_response {
    int32_t throttle_time_ms; /* v3+ */
    struct offset_fetch_response_topic *topics; /* v0-7 */
    int32_t topic_count;
    int16_t error_code; /* v2-7 */
    struct offset_fetch_response_group *groups; /* v8+ */
    int32_t group_count;
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

/* --- ListGroups (16), 0-5 --- */

struct list_groups_request {
    struct kafka_string *states_filter; /* v4+; none: all */
    int32_t state_filter_count;
    struct kafka_string *types_filter;  /* v5+; none: all */
    int32_t type_filter_count;
};
struct listed_group {
    struct kafka_string group_id, protocol_type;
    struct kafka_string group_state; /* v4+ */
    struct kafka_string group_type;  /* v5+ */
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

/* --- ConsumerGroupHeartbeat (68), 0-1 --- */

struct consumer_group_heartbeat_topic {
    struct kafka_uuid topic_id;
    int32_t *partitions;
    int32_t partition_count;
};
struct consumer_group_heartbeat_request {
    struct kafka_string group_id;
    struct kafka_string member_id;
    int32_t member_epoch;
    struct kafka_string instance_id; /* may be null */
    struct kafka_string rack_id; /* may be null */
    int32_t rebalance_timeout_ms;
    struct kafka_string *subscribed_topic_names; /* may be null */
    int32_t subscribed_topic_name_count;
    struct kafka_string subscribed_topic_regex; /* v1+, may be null */
    struct kafka_string server_assignor; /* may be null */
    struct consumer_group_heartbeat_topic *topic_partitions; /* may be null */
    int32_t topic_partition_count;
};
struct consumer_group_heartbeat_assignment {
    struct consumer_group_heartbeat_topic *topic_partitions;
    int32_t topic_partition_count;
};
struct consumer_group_heartbeat_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    struct kafka_string member_id; /* may be null */
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    struct consumer_group_heartbeat_assignment *assignment; /* may be null */
};

/* --- ConsumerGroupDescribe (69), 0 --- */

struct consumer_group_describe_request {
    struct kafka_string *group_ids;
    int32_t group_id_count;
    bool include_authorized_operations;
};
struct consumer_group_described_topic {
    struct kafka_uuid topic_id;
    struct kafka_string topic_name;
    int32_t *partitions;
    int32_t partition_count;
};
struct consumer_group_described_assignment {
    struct consumer_group_described_topic *topic_partitions;
    int32_t topic_partition_count;
};
struct consumer_group_described_member {
    struct kafka_string member_id;
    struct kafka_string instance_id; /* may be null */
    struct kafka_string rack_id; /* may be null */
    int32_t member_epoch;
    struct kafka_string client_id;
    struct kafka_string client_host;
    struct kafka_string *subscribed_topic_names;
    int32_t subscribed_topic_name_count;
    struct kafka_string subscribed_topic_regex; /* may be null */
    struct consumer_group_described_assignment assignment;
    struct consumer_group_described_assignment target_assignment;
};
struct consumer_group_described {
    int16_t error_code;
    struct kafka_string error_message; /* may be null */
    struct kafka_string group_id;
    struct kafka_string group_state;
    int32_t group_epoch;
    int32_t assignment_epoch;
    struct kafka_string assignor_name;
    struct consumer_group_described_member *members;
    int32_t member_count;
    int32_t authorized_operations;
};
struct consumer_group_describe_response {
    int32_t throttle_time_ms;
    struct consumer_group_described *groups;
    int32_t group_count;
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
