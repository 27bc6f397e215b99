#include "dataplane/kafka/messages_consumer.h"

#include "dataplane/kafka/messages_table.h"

static const struct kafka_field consumer_group_key_fields[] = {
    FIELD(consumer_record_key, group, "GroupId", STRING, 3, ANY),
};
static const struct kafka_field consumer_member_key_fields[] = {
    FIELD(consumer_record_key, group, "GroupId", STRING, 3, ANY),
    FIELD(consumer_record_key, member, "MemberId", STRING, 3, ANY),
};
static const struct kafka_field consumer_group_metadata_fields[] = {
    FIELD(consumer_group_metadata, epoch, "Epoch", INT32, 0, ANY),
};
static const struct kafka_field consumer_member_metadata_fields[] = {
    NULLABLE(consumer_member_metadata, instance_id, "InstanceId", STRING, 0, ANY, 0),
    NULLABLE(consumer_member_metadata, rack_id, "RackId", STRING, 0, ANY, 0),
    FIELD(consumer_member_metadata, client_id, "ClientId", STRING, 0, ANY),
    FIELD(consumer_member_metadata, client_host, "ClientHost", STRING, 0, ANY),
    STRINGS(consumer_member_metadata, subscribed_topic_names, subscribed_topic_name_count, "SubscribedTopicNames", 0,
            ANY),
    NULLABLE(consumer_member_metadata, subscribed_topic_regex, "SubscribedTopicRegex", STRING, 0, ANY, 0),
    FIELD(consumer_member_metadata, rebalance_timeout_ms, "RebalanceTimeoutMs", INT32, 0, ANY, .default_value = -1),
    NULLABLE(consumer_member_metadata, server_assignor, "ServerAssignor", STRING, 0, ANY, 0),
};
static const struct kafka_field consumer_target_metadata_fields[] = {
    FIELD(consumer_target_metadata, assignment_epoch, "AssignmentEpoch", INT32, 0, ANY),
};
static const struct kafka_field consumer_record_topic_fields[] = {
    FIELD(consumer_record_topic, topic_id, "TopicId", UUID, 0, ANY),
    INTS(consumer_record_topic, partitions, partition_count, "Partitions", INT32_ARRAY, 0, ANY),
};
SCHEMA(consumer_record_topic);
static const struct kafka_field consumer_target_member_fields[] = {
    STRUCTS(consumer_target_member, topic_partitions, topic_partition_count, "TopicPartitions", consumer_record_topic,
            0, ANY),
};
static const struct kafka_field consumer_current_member_fields[] = {
    FIELD(consumer_current_member, member_epoch, "MemberEpoch", INT32, 0, ANY),
    FIELD(consumer_current_member, previous_member_epoch, "PreviousMemberEpoch", INT32, 0, ANY),
    FIELD(consumer_current_member, state, "State", INT8, 0, ANY),
    STRUCTS(consumer_current_member, assigned_partitions, assigned_partition_count, "AssignedPartitions",
            consumer_record_topic, 0, ANY),
    STRUCTS(consumer_current_member, partitions_pending_revocation, pending_revocation_count,
            "PartitionsPendingRevocation", consumer_record_topic, 0, ANY),
};

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))
#define KEY(text, fields)                                                                    \
    {.name = text, .api_key = -1, .version_min = 3, .version_max = 8, .flexible_since = KAFKA_VERSION_NONE, \
     .body = {fields, COUNT(fields), sizeof(struct consumer_record_key)}}
#define VALUE(s, text)                                                        \
    {.name = text, .api_key = -1, .version_min = 0, .version_max = 0, .flexible_since = 0, .body = SCHEMA_OF(s)}

static const struct kafka_message group_key = KEY("ConsumerGroupKey", consumer_group_key_fields);
static const struct kafka_message member_key = KEY("ConsumerGroupMemberKey", consumer_member_key_fields);
static const struct kafka_message values[] = {
    [3] = VALUE(consumer_group_metadata, "ConsumerGroupMetadataValue"),
    [5] = VALUE(consumer_member_metadata, "ConsumerGroupMemberMetadataValue"),
    [6] = VALUE(consumer_target_metadata, "ConsumerGroupTargetAssignmentMetadataValue"),
    [7] = VALUE(consumer_target_member, "ConsumerGroupTargetAssignmentMemberValue"),
    [8] = VALUE(consumer_current_member, "ConsumerGroupCurrentMemberAssignmentValue"),
};

const struct kafka_message *kafka_consumer_record_value(int16_t key_version)
{
    if (key_version < 0 || (size_t)key_version >= COUNT(values) || values[key_version].name == NULL) return NULL;
    return &values[key_version];
}

const struct kafka_message *kafka_consumer_record_key(int16_t key_version)
{
    if (kafka_consumer_record_value(key_version) == NULL) return NULL;
    return key_version == 3 || key_version == 6 ? &group_key : &member_key;
}
