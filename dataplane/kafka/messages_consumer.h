/* dataplane/kafka/messages_consumer.h -- see messages.h; the records of the new consumer protocol (KIP-848) in the log
 * of offsets, by key version: 3 group, 5 member, 6 epoch of the targets, 7 a member's target, 8 what a member has.
 * Source: the record schemas in Kafka's group coordinator. */
#ifndef DATAPLANE_KAFKA_MESSAGES_CONSUMER_H
#define DATAPLANE_KAFKA_MESSAGES_CONSUMER_H

#include "dataplane/kafka/codec.h"

struct consumer_record_key {
    struct kafka_string group;
    struct kafka_string member; /* 5, 7, 8 */
};
struct consumer_group_metadata { /* 3 */
    int32_t epoch;
};
struct consumer_member_metadata { /* 5 */
    struct kafka_string instance_id, rack_id; /* may be null */
    struct kafka_string client_id, client_host;
    struct kafka_string *subscribed_topic_names;
    int32_t subscribed_topic_name_count;
    struct kafka_string subscribed_topic_regex; /* may be null */
    int32_t rebalance_timeout_ms;
    struct kafka_string server_assignor; /* may be null */
};
struct consumer_target_metadata { /* 6 */
    int32_t assignment_epoch;
};
struct consumer_record_topic {
    struct kafka_uuid topic_id;
    int32_t *partitions;
    int32_t partition_count;
};
struct consumer_target_member { /* 7 */
    struct consumer_record_topic *topic_partitions;
    int32_t topic_partition_count;
};
struct consumer_current_member { /* 8 */
    int32_t member_epoch, previous_member_epoch;
    int8_t  state; /* 0 stable, 1 has to let go of something, 2 waits for something that another has */
    struct consumer_record_topic *assigned_partitions;
    int32_t assigned_partition_count;
    struct consumer_record_topic *partitions_pending_revocation;
    int32_t pending_revocation_count;
};
/* The key of a record of this key version, and its value (version 0); NULL: not one of these. */
const struct kafka_message *kafka_consumer_record_key(int16_t key_version);
const struct kafka_message *kafka_consumer_record_value(int16_t key_version);

union consumer_record_value { /* any of the values */
    struct consumer_group_metadata  group;
    struct consumer_member_metadata member;
    struct consumer_target_metadata target_epoch;
    struct consumer_target_member   target;
    struct consumer_current_member  current;
};

#endif
