/* Consumer groups, and the records of the log of offsets: see messages_table.h. */
#include "dataplane/kafka/messages_table.h"

/* --- FindCoordinator --- */

static const struct kafka_field find_coordinator_request_fields[] = {
    FIELD(find_coordinator_request, key, "Key", STRING, 0, 3),
    FIELD(find_coordinator_request, key_type, "KeyType", INT8, 1, ANY),
    STRINGS(find_coordinator_request, coordinator_keys, coordinator_key_count, "CoordinatorKeys", 4, ANY),
};
static const struct kafka_field found_coordinator_fields[] = {
    FIELD(found_coordinator, key, "Key", STRING, 4, ANY),
    FIELD(found_coordinator, node_id, "NodeId", INT32, 4, ANY),
    FIELD(found_coordinator, host, "Host", STRING, 4, ANY),
    FIELD(found_coordinator, port, "Port", INT32, 4, ANY),
    FIELD(found_coordinator, error_code, "ErrorCode", INT16, 4, ANY),
    NULLABLE(found_coordinator, error_message, "ErrorMessage", STRING, 4, ANY, 4),
};
SCHEMA(found_coordinator);
static const struct kafka_field find_coordinator_response_fields[] = {
    FIELD(find_coordinator_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(find_coordinator_response, error_code, "ErrorCode", INT16, 0, 3),
    NULLABLE(find_coordinator_response, error_message, "ErrorMessage", STRING, 1, 3, 1),
    FIELD(find_coordinator_response, node_id, "NodeId", INT32, 0, 3),
    FIELD(find_coordinator_response, host, "Host", STRING, 0, 3),
    FIELD(find_coordinator_response, port, "Port", INT32, 0, 3),
    STRUCTS(find_coordinator_response, coordinators, coordinator_count, "Coordinators", found_coordinator, 4, ANY),
};
MESSAGES(find_coordinator, "FindCoordinator", KAFKA_API_FIND_COORDINATOR, 6, 3);

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
    NULLABLE(join_group_request, reason, "Reason", STRING, 8, ANY, 8, .default_value = KAFKA_DEFAULT_NULL),
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
    FIELD(join_group_response, skip_assignment, "SkipAssignment", BOOL, 9, ANY),
    FIELD(join_group_response, member_id, "MemberId", STRING, 0, ANY),
    STRUCTS(join_group_response, members, member_count, "Members", join_group_response_member, 0, ANY),
};
MESSAGES(join_group, "JoinGroup", KAFKA_API_JOIN_GROUP, 9, 6);

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
MESSAGES(sync_group, "SyncGroup", KAFKA_API_SYNC_GROUP, 5, 4);

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
MESSAGES(heartbeat, "Heartbeat", KAFKA_API_HEARTBEAT, 4, 4);

/* --- LeaveGroup --- */

static const struct kafka_field leave_group_request_member_fields[] = {
    FIELD(leave_group_request_member, member_id, "MemberId", STRING, 3, ANY),
    NULLABLE(leave_group_request_member, group_instance_id, "GroupInstanceId", STRING, 3, ANY, 3,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(leave_group_request_member, reason, "Reason", STRING, 5, ANY, 5, .default_value = KAFKA_DEFAULT_NULL),
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
MESSAGES(leave_group, "LeaveGroup", KAFKA_API_LEAVE_GROUP, 5, 4);

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
MESSAGES(offset_commit, "OffsetCommit", KAFKA_API_OFFSET_COMMIT, 9, 8);

/* --- OffsetFetch --- */

static const struct kafka_field offset_fetch_request_topic_fields[] = {
    FIELD(offset_fetch_request_topic, name, "Name", STRING, 0, 7),
    INTS(offset_fetch_request_topic, partition_indexes, partition_index_count, "PartitionIndexes", INT32_ARRAY, 0, 7),
};
SCHEMA(offset_fetch_request_topic);
static const struct kafka_field offset_fetch_request_group_topic_fields[] = {
    FIELD(offset_fetch_request_topic, name, "Name", STRING, 8, ANY),
    INTS(offset_fetch_request_topic, partition_indexes, partition_index_count, "PartitionIndexes", INT32_ARRAY, 8,
         ANY),
};
SCHEMA_AS(offset_fetch_request_topic, offset_fetch_request_group_topic);
static const struct kafka_field offset_fetch_request_group_fields[] = {
    FIELD(offset_fetch_request_group, group_id, "GroupId", STRING, 8, ANY),
    NULLABLE(offset_fetch_request_group, member_id, "MemberId", STRING, 9, ANY, 9,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(offset_fetch_request_group, member_epoch, "MemberEpoch", INT32, 9, ANY, .default_value = -1),
    STRUCTS_AS(offset_fetch_request_group, topics, topic_count, "Topics", offset_fetch_request_topic,
               offset_fetch_request_group_topic, 8, ANY, 8, -1),
};
SCHEMA(offset_fetch_request_group);
static const struct kafka_field offset_fetch_request_fields[] = {
    FIELD(offset_fetch_request, group_id, "GroupId", STRING, 0, 7),
    STRUCTS_OF(offset_fetch_request, topics, topic_count, "Topics", offset_fetch_request_topic, 0, 7, 2, -1),
    STRUCTS(offset_fetch_request, groups, group_count, "Groups", offset_fetch_request_group, 8, ANY),
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
static const struct kafka_field offset_fetch_response_group_partition_fields[] = {
    FIELD(offset_fetch_response_partition, partition_index, "PartitionIndex", INT32, 8, ANY),
    FIELD(offset_fetch_response_partition, committed_offset, "CommittedOffset", INT64, 8, ANY),
    FIELD(offset_fetch_response_partition, committed_leader_epoch, "CommittedLeaderEpoch", INT32, 8, ANY,
          .default_value = -1),
    NULLABLE(offset_fetch_response_partition, metadata, "Metadata", STRING, 8, ANY, 8),
    FIELD(offset_fetch_response_partition, error_code, "ErrorCode", INT16, 8, ANY),
};
SCHEMA_AS(offset_fetch_response_partition, offset_fetch_response_group_partition);
static const struct kafka_field offset_fetch_response_group_topic_fields[] = {
    FIELD(offset_fetch_response_topic, name, "Name", STRING, 8, ANY),
    STRUCTS_AS(offset_fetch_response_topic, partitions, partition_count, "Partitions",
               offset_fetch_response_partition, offset_fetch_response_group_partition, 8, ANY, KAFKA_VERSION_NONE, -1),
};
SCHEMA_AS(offset_fetch_response_topic, offset_fetch_response_group_topic);
static const struct kafka_field offset_fetch_response_group_fields[] = {
    FIELD(offset_fetch_response_group, group_id, "GroupId", STRING, 8, ANY),
    STRUCTS_AS(offset_fetch_response_group, topics, topic_count, "Topics", offset_fetch_response_topic,
               offset_fetch_response_group_topic, 8, ANY, KAFKA_VERSION_NONE, -1),
    FIELD(offset_fetch_response_group, error_code, "ErrorCode", INT16, 8, ANY),
};
SCHEMA(offset_fetch_response_group);
static const struct kafka_field offset_fetch_response_fields[] = {
    FIELD(offset_fetch_response, throttle_time_ms, "ThrottleTimeMs", INT32, 3, ANY),
    STRUCTS(offset_fetch_response, topics, topic_count, "Topics", offset_fetch_response_topic, 0, 7),
    FIELD(offset_fetch_response, error_code, "ErrorCode", INT16, 2, 7),
    STRUCTS(offset_fetch_response, groups, group_count, "Groups", offset_fetch_response_group, 8, ANY),
};
MESSAGES(offset_fetch, "OffsetFetch", KAFKA_API_OFFSET_FETCH, 9, 6);

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
MESSAGES(describe_groups, "DescribeGroups", KAFKA_API_DESCRIBE_GROUPS, 5, 5);

/* --- ListGroups --- */

static const struct kafka_field list_groups_request_fields[] = {
    STRINGS(list_groups_request, states_filter, state_filter_count, "StatesFilter", 4, ANY),
    STRINGS(list_groups_request, types_filter, type_filter_count, "TypesFilter", 5, ANY),
};
static const struct kafka_field listed_group_fields[] = {
    FIELD(listed_group, group_id, "GroupId", STRING, 0, ANY),
    FIELD(listed_group, protocol_type, "ProtocolType", STRING, 0, ANY),
    FIELD(listed_group, group_state, "GroupState", STRING, 4, ANY),
    FIELD(listed_group, group_type, "GroupType", STRING, 5, ANY),
};
SCHEMA(listed_group);
static const struct kafka_field list_groups_response_fields[] = {
    FIELD(list_groups_response, throttle_time_ms, "ThrottleTimeMs", INT32, 1, ANY),
    FIELD(list_groups_response, error_code, "ErrorCode", INT16, 0, ANY),
    STRUCTS(list_groups_response, groups, group_count, "Groups", listed_group, 0, ANY),
};
MESSAGES(list_groups, "ListGroups", KAFKA_API_LIST_GROUPS, 5, 3);

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
MESSAGES(delete_groups, "DeleteGroups", KAFKA_API_DELETE_GROUPS, 2, 2);

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
MESSAGES(offset_delete, "OffsetDelete", KAFKA_API_OFFSET_DELETE, 0, KAFKA_VERSION_NONE);

/* --- ConsumerGroupHeartbeat --- */

static const struct kafka_field consumer_group_heartbeat_topic_fields[] = {
    FIELD(consumer_group_heartbeat_topic, topic_id, "TopicId", UUID, 0, ANY),
    INTS(consumer_group_heartbeat_topic, partitions, partition_count, "Partitions", INT32_ARRAY, 0, ANY),
};
SCHEMA(consumer_group_heartbeat_topic);
static const struct kafka_field consumer_group_heartbeat_request_fields[] = {
    FIELD(consumer_group_heartbeat_request, group_id, "GroupId", STRING, 0, ANY),
    FIELD(consumer_group_heartbeat_request, member_id, "MemberId", STRING, 0, ANY),
    FIELD(consumer_group_heartbeat_request, member_epoch, "MemberEpoch", INT32, 0, ANY),
    NULLABLE(consumer_group_heartbeat_request, instance_id, "InstanceId", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(consumer_group_heartbeat_request, rack_id, "RackId", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(consumer_group_heartbeat_request, rebalance_timeout_ms, "RebalanceTimeoutMs", INT32, 0, ANY,
          .default_value = -1),
    NULLABLE_ITEMS(consumer_group_heartbeat_request, subscribed_topic_names, subscribed_topic_name_count,
                   "SubscribedTopicNames", STRING_ARRAY, 0, ANY, 0, .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(consumer_group_heartbeat_request, subscribed_topic_regex, "SubscribedTopicRegex", STRING, 1, ANY, 1,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(consumer_group_heartbeat_request, server_assignor, "ServerAssignor", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    STRUCTS_OF(consumer_group_heartbeat_request, topic_partitions, topic_partition_count, "TopicPartitions",
               consumer_group_heartbeat_topic, 0, ANY, 0, -1, .default_value = KAFKA_DEFAULT_NULL),
};
static const struct kafka_field consumer_group_heartbeat_assignment_fields[] = {
    STRUCTS(consumer_group_heartbeat_assignment, topic_partitions, topic_partition_count, "TopicPartitions",
            consumer_group_heartbeat_topic, 0, ANY),
};
SCHEMA(consumer_group_heartbeat_assignment);
static const struct kafka_field consumer_group_heartbeat_response_fields[] = {
    FIELD(consumer_group_heartbeat_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    FIELD(consumer_group_heartbeat_response, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(consumer_group_heartbeat_response, error_message, "ErrorMessage", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(consumer_group_heartbeat_response, member_id, "MemberId", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(consumer_group_heartbeat_response, member_epoch, "MemberEpoch", INT32, 0, ANY),
    FIELD(consumer_group_heartbeat_response, heartbeat_interval_ms, "HeartbeatIntervalMs", INT32, 0, ANY),
    NULLABLE_STRUCT(consumer_group_heartbeat_response, assignment, "Assignment", consumer_group_heartbeat_assignment,
                    0, ANY),
};
MESSAGES(consumer_group_heartbeat, "ConsumerGroupHeartbeat", KAFKA_API_CONSUMER_GROUP_HEARTBEAT, 1, 0);

/* --- ConsumerGroupDescribe --- */

static const struct kafka_field consumer_group_describe_request_fields[] = {
    STRINGS(consumer_group_describe_request, group_ids, group_id_count, "GroupIds", 0, ANY),
    FIELD(consumer_group_describe_request, include_authorized_operations, "IncludeAuthorizedOperations", BOOL, 0,
          ANY),
};
static const struct kafka_field consumer_group_described_topic_fields[] = {
    FIELD(consumer_group_described_topic, topic_id, "TopicId", UUID, 0, ANY),
    FIELD(consumer_group_described_topic, topic_name, "TopicName", STRING, 0, ANY),
    INTS(consumer_group_described_topic, partitions, partition_count, "Partitions", INT32_ARRAY, 0, ANY),
};
SCHEMA(consumer_group_described_topic);
static const struct kafka_field consumer_group_described_assignment_fields[] = {
    STRUCTS(consumer_group_described_assignment, topic_partitions, topic_partition_count, "TopicPartitions",
            consumer_group_described_topic, 0, ANY),
};
SCHEMA(consumer_group_described_assignment);
static const struct kafka_field consumer_group_described_member_fields[] = {
    FIELD(consumer_group_described_member, member_id, "MemberId", STRING, 0, ANY),
    NULLABLE(consumer_group_described_member, instance_id, "InstanceId", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    NULLABLE(consumer_group_described_member, rack_id, "RackId", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(consumer_group_described_member, member_epoch, "MemberEpoch", INT32, 0, ANY),
    FIELD(consumer_group_described_member, client_id, "ClientId", STRING, 0, ANY),
    FIELD(consumer_group_described_member, client_host, "ClientHost", STRING, 0, ANY),
    STRINGS(consumer_group_described_member, subscribed_topic_names, subscribed_topic_name_count,
            "SubscribedTopicNames", 0, ANY),
    NULLABLE(consumer_group_described_member, subscribed_topic_regex, "SubscribedTopicRegex", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    PLAIN_STRUCT(consumer_group_described_member, assignment, "Assignment", consumer_group_described_assignment, 0,
                 ANY),
    PLAIN_STRUCT(consumer_group_described_member, target_assignment, "TargetAssignment",
                 consumer_group_described_assignment, 0, ANY),
};
SCHEMA(consumer_group_described_member);
static const struct kafka_field consumer_group_described_fields[] = {
    FIELD(consumer_group_described, error_code, "ErrorCode", INT16, 0, ANY),
    NULLABLE(consumer_group_described, error_message, "ErrorMessage", STRING, 0, ANY, 0,
             .default_value = KAFKA_DEFAULT_NULL),
    FIELD(consumer_group_described, group_id, "GroupId", STRING, 0, ANY),
    FIELD(consumer_group_described, group_state, "GroupState", STRING, 0, ANY),
    FIELD(consumer_group_described, group_epoch, "GroupEpoch", INT32, 0, ANY),
    FIELD(consumer_group_described, assignment_epoch, "AssignmentEpoch", INT32, 0, ANY),
    FIELD(consumer_group_described, assignor_name, "AssignorName", STRING, 0, ANY),
    STRUCTS(consumer_group_described, members, member_count, "Members", consumer_group_described_member, 0, ANY),
    FIELD(consumer_group_described, authorized_operations, "AuthorizedOperations", INT32, 0, ANY,
          .default_value = INT32_MIN),
};
SCHEMA(consumer_group_described);
static const struct kafka_field consumer_group_describe_response_fields[] = {
    FIELD(consumer_group_describe_response, throttle_time_ms, "ThrottleTimeMs", INT32, 0, ANY),
    STRUCTS(consumer_group_describe_response, groups, group_count, "Groups", consumer_group_described, 0, ANY),
};
MESSAGES(consumer_group_describe, "ConsumerGroupDescribe", KAFKA_API_CONSUMER_GROUP_DESCRIBE, 0, 0);

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
