/* Goal: topics are found by id as by name, and by no id that is not theirs any more; a consumer learns where an older
 * leader epoch ended; administrators' requests get their answers or their refusals, in every version. */
#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

static struct serve_config config; /* defaults */
static struct sim_server *s;
static struct port_sim_peer *peer;

static void setup(void)
{
    s = sim_start(3, 1 << 20, config, 0);
    peer = port_sim_connect(s->lcore->port);
}

static void teardown(void)
{
    port_sim_hang_up(peer);
    sim_stop(s);
}

static struct kafka_uuid id_of(const struct log *l)
{
    struct kafka_uuid id;
    log_topic_id(&l->identity, id.bytes);
    return id;
}

START_TEST(a_topic_id_changes_with_the_leader_epoch_only)
{
    struct log_identity id = {.name = "a", .topic_id = {7, [15] = 9}};
    uint8_t first[16], second[16], again[16];
    log_topic_id(&id, first);
    ck_assert_mem_eq(first, id.topic_id, 16);
    log_epoch_begin(&id, 30);
    log_topic_id(&id, second);
    ck_assert_mem_ne(first, second, 16);
    log_topic_id(&id, again);
    ck_assert_mem_eq(second, again, 16);
    id.leader_epoch = 0x01020304;
    log_topic_id(&id, again);
    ck_assert_mem_eq(again + 12, ((const uint8_t[]){1, 2, 3, 4 ^ 9}), 4);
}
END_TEST

START_TEST(metadata_by_id)
{
    struct log *l = memory_log_new(s->storage, "orders");
    log_epoch_begin(&l->identity, 0);
    memory_log_new(s->storage, "__consumer_offsets")->identity.is_internal = true;
    struct metadata_request_topic topics[] = {
        {.topic_id = id_of(l), .name = kafka_string_null()},
        {.topic_id = {{1}}, .name = kafka_string_null()},
        {.name = kafka_string_null()},                                         /* neither */
        {.name = kafka_string_of("orders")},
        {.topic_id = {{[0 ... 15] = 2}}, .name = kafka_string_null()},         /* of the offsets */
        {.topic_id = {{[0 ... 15] = 1}}, .name = kafka_string_null()}};        /* of an earlier epoch */
    static const int16_t errors[] = {0, KAFKA_UNKNOWN_TOPIC_ID, KAFKA_UNKNOWN_TOPIC_ID, 0, 0, KAFKA_UNKNOWN_TOPIC_ID};
    struct metadata_request in = {.topics = topics, .topic_count = 6, .include_topic_authorized_operations = true};
    struct metadata_response out;
    sim_ask(s, peer, KAFKA_API_METADATA, 12, &in, &out);
    ck_assert_int_eq(out.topic_count, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(out.topics[i].error_code, errors[i]);
        ck_assert_int_eq(out.topics[i].partition_count, i == 4 ? 50 : errors[i] == 0);
        ck_assert_int_eq(out.topics[i].is_internal, i == 4);
        ck_assert_int_eq(out.topics[i].topic_authorized_operations, errors[i] == 0 ? TOPIC_OPERATIONS : INT_MIN);
        if (i < 2) ck_assert_mem_eq(&out.topics[i].topic_id, &topics[i].topic_id, 16);
    }
    ck_assert(kafka_string_is(out.topics[0].name, "orders") && out.topics[1].name.size == -1);
    for (int16_t version = 10; version < 12; version++) { /* the answers of these cannot leave the name out */
        sim_ask(s, peer, KAFKA_API_METADATA, version, &in, &out);
        ck_assert_int_eq(out.topics[0].error_code, KAFKA_INVALID_REQUEST);
        ck_assert_int_eq(out.topics[3].error_code, KAFKA_NONE);
    }
}
END_TEST

START_TEST(fetch_by_id)
{
    struct log *l = memory_log_new(s->storage, "orders");
    memory_log_append(s->storage, l, 5, 100, 1000);
    struct simple_fetch f;
    struct fetch_response out;
    for (int16_t version = 13; version <= 17; version++) {
        simple_fetch_init(&f, "orders", 0, 60000, 1);
        f.request.replica_state = (struct fetch_replica_state){-1, -1};
        f.topic.topic_id = id_of(l);
        sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
        ck_assert_int_eq(out.responses[0].partitions[0].records.size, (int)l->used_bytes);
        ck_assert_mem_eq(&out.responses[0].topic_id, &f.topic.topic_id, 16);
        ck_assert_int_eq(out.node_endpoint_count, 0);
        f.topic.topic_id.bytes[3] ^= 1;
        sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
        ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
        ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, -1);
        f.topic.topic_id = (struct kafka_uuid){{0}};
        sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
        ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    }
    /* Deleted and created again under its name: another topic, whose records nobody takes for those of the first. */
    struct kafka_uuid old = id_of(l);
    memory_log_remove(s->storage, l);
    l = memory_log_new(s->storage, "orders");
    memset(l->identity.topic_id, 0x77, 16);
    memory_log_append(s->storage, l, 5, 100, 1000);
    simple_fetch_init(&f, "orders", 0, 60000, 1);
    f.topic.topic_id = old;
    sim_ask(s, peer, KAFKA_API_FETCH, 16, &f.request, &out);
    ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
}
END_TEST

START_TEST(where_an_epoch_ends)
{
    struct log *l = memory_log_new(s->storage, "orders");
    for (int i = 0; i < 5; i++) memory_log_append(s->storage, l, 10, 100, 1000);
    for (int i = 0; i < 3; i++) log_epoch_begin(&l->identity, (uint64_t[]){10, 30, 30}[i]); /* epoch 2 has nothing */
    log_epoch_begin(&l->identity, 45);
    static const struct { int32_t current, asked; int16_t error; int32_t epoch; int64_t end; } cases[] = {
        {-1, 0, 0, 0, 10}, {-1, 1, 0, 1, 30}, {4, 2, 0, 1, 30}, {4, 3, 0, 3, 45}, {-1, 4, 0, 4, 50},
        {4, 5, 0, -1, -1}, {4, -1, 0, -1, -1}, {3, 1, KAFKA_FENCED_LEADER_EPOCH, -1, -1},
        {5, 1, KAFKA_UNKNOWN_LEADER_EPOCH, -1, -1}};
    for (int16_t version = 0; version <= kafka_served_max(KAFKA_API_OFFSET_FOR_LEADER_EPOCH); version++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct offset_for_leader_epoch_request_partition p[] = {
                {0, version < 2 ? -1 : cases[i].current, cases[i].asked}, {1, -1, cases[i].asked}};
            struct offset_for_leader_epoch_request_topic topics[] = {
                {kafka_string_of("orders"), p, 2}, {kafka_string_of("nobody"), p, 1}};
            struct offset_for_leader_epoch_request in = {-1, topics, 2};
            struct offset_for_leader_epoch_response out;
            sim_ask(s, peer, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, version, &in, &out);
            const struct offset_for_leader_epoch_response_partition *got = out.topics[0].partitions;
            if (version < 2 && cases[i].error != 0) continue; /* asked without a current epoch */
            ck_assert_int_eq(got[0].error_code, cases[i].error);
            ck_assert_int_eq(got[0].end_offset, cases[i].end);
            if (version >= 1) ck_assert_int_eq(got[0].leader_epoch, cases[i].epoch);
            ck_assert_int_eq(got[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
            ck_assert_int_eq(out.topics[1].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
    /* What is not known is not guessed: the consumer resets instead of reading on at a wrong place. */
    l->identity.epoch_start[3] = UINT64_MAX;
    struct offset_for_leader_epoch_request_partition p = {0, -1, 0};
    struct offset_for_leader_epoch_request_topic topic = {kafka_string_of("orders"), &p, 1};
    struct offset_for_leader_epoch_request in = {-1, &topic, 1};
    struct offset_for_leader_epoch_response out;
    sim_ask(s, peer, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, &in, &out);
    ck_assert_int_eq(out.topics[0].partitions[0].end_offset, -1);
    atomic_store(&l->is_resending, true); /* the end was further: ask again */
    sim_ask(s, peer, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, &in, &out);
    ck_assert_int_eq(out.topics[0].partitions[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    atomic_store(&l->is_resending, false);
    /* ListOffsets tells the epoch of the offset that it found. */
    static const struct { int64_t at, offset; int32_t epoch; } ends[] = {
        {-2, 5, -1}, {-1, 50, 4}, {-2, 12, -1}, {-2, 30, 3}, {-2, 44, 3}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ends[i].at == -2) atomic_store(&l->start_offset, (uint64_t)ends[i].offset);
        struct list_offsets_request_partition at = {0, -1, ends[i].at, 1};
        struct list_offsets_request_topic listed = {kafka_string_of("orders"), &at, 1};
        struct list_offsets_request list = {-1, 0, &listed, 1};
        struct list_offsets_response found;
        sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, 9, &list, &found);
        ck_assert_int_eq(found.topics[0].partitions[0].offset, ends[i].offset);
        ck_assert_int_eq(found.topics[0].partitions[0].leader_epoch, ends[i].epoch);
    }
}
END_TEST

/* KIP-595's fields in Fetch: a reader tells the epoch of the record before its offset. */
START_TEST(a_fetch_of_another_history)
{
    struct log *l = memory_log_new(s->storage, "orders");
    for (int i = 0; i < 5; i++) memory_log_append(s->storage, l, 10, 100, 1000);
    log_epoch_begin(&l->identity, 20);
    static const struct { int64_t offset; int32_t epoch; int32_t end_epoch; int64_t end; int16_t error; } cases[] = {
        {20, 0, -1, -1, 0}, {15, 0, -1, -1, 0}, {30, 1, -1, -1, 0}, {30, -1, -1, -1, 0}, {21, 0, 0, 20, 0},
        {30, 2, -1, -1, KAFKA_OFFSET_OUT_OF_RANGE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct simple_fetch f;
        struct fetch_response out;
        simple_fetch_init(&f, "orders", cases[i].offset, 60000, 1);
        f.partition.last_fetched_epoch = cases[i].epoch;
        sim_ask(s, peer, KAFKA_API_FETCH, 12, &f.request, &out);
        const struct fetch_response_partition *p = out.responses[0].partitions;
        ck_assert_int_eq(p->error_code, cases[i].error);
        ck_assert_int_eq(p->diverging_epoch.epoch, cases[i].end_epoch);
        ck_assert_int_eq(p->diverging_epoch.end_offset, cases[i].end);
        ck_assert_int_eq(p->records.size > 0, cases[i].end < 0 && cases[i].error == 0);
    }
}
END_TEST

START_TEST(list_offsets)
{
    struct log *l = memory_log_new(s->storage, "orders");
    l->identity.leader_epoch = 4;
    static const int64_t times_s[] = {1700000000, 1700000005, 1700000003, 1700000009};
    for (int i = 0; i < 4; i++) memory_log_append(s->storage, l, 10, 50, times_s[i] * 1000 + 250);
    static const struct { int64_t asked, offset, timestamp; int16_t error; } cases[] = {
        {-1, 40, -1, 0}, {-2, 0, -1, 0},
        {1700000000250, 0, 1700000000250, 0}, {1700000000251, 10, 1700000005250, 0}, /* milliseconds: Kafka's answers */
        {1700000006000, 30, 1700000009250, 0}, {1700000009251, -1, -1, 0}, {10000000000, 0, 1700000000250, 0},
        {1700000000, 0, 1700000000, 0}, {1700000001, 10, 1700000005, 0}, /* seconds: answered in seconds */
        {1700000009, 30, 1700000009, 0}, {1700000010, -1, -1, 0},        /* after the newest */
        {1699999999, -1, -1, 0}, {0, -1, -1, 0}, {9999999999, -1, -1, 0}, /* before the oldest, after the newest */
    };
    for (int is_cold = 0; is_cold < 2; is_cold++) {
        atomic_store(&l->is_cold, is_cold == 1);
        for (int16_t version = 0; version <= kafka_served_max(KAFKA_API_LIST_OFFSETS); version++) {
            for (int64_t special = -3; special >= -7; special--) {
                static const struct { int64_t offset, timestamp; int16_t since; } specials[] = {
                    {30, 1700000009250, 7}, {0, -1, 8}, {-1, -1, 9}, {-1, -1, 99}, {-1, -1, 99}};
                struct list_offsets_request_partition p = {0, -1, special, 1};
                struct list_offsets_request_topic topic = {kafka_string_of("orders"), &p, 1};
                struct list_offsets_request in = {-1, 0, &topic, 1};
                struct list_offsets_response out;
                sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, version, &in, &out);
                const struct list_offsets_response_partition *got = out.topics[0].partitions;
                bool is_known = version >= specials[-special - 3].since;
                ck_assert_int_eq(got->error_code, is_known ? KAFKA_NONE : KAFKA_UNSUPPORTED_VERSION);
                if (version == 0) continue;
                ck_assert_int_eq(got->offset, is_known ? specials[-special - 3].offset : -1);
                ck_assert_int_eq(got->timestamp, is_known ? specials[-special - 3].timestamp : -1);
            }
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct list_offsets_request_partition p = {0, -1, cases[i].asked, 1};
                struct list_offsets_request_topic topic = {kafka_string_of("orders"), &p, 1};
                struct list_offsets_request in = {-1, 0, &topic, 1};
                struct list_offsets_response out;
                sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, version, &in, &out);
                const struct list_offsets_response_partition *got = out.topics[0].partitions;
                ck_assert_int_eq(got->error_code, cases[i].error);
                if (version == 0) {
                    ck_assert_int_eq(got->old_style_offset_count, cases[i].offset < 0 ? 0 : 1);
                    if (cases[i].offset >= 0) ck_assert_int_eq(got->old_style_offsets[0], cases[i].offset);
                    continue;
                }
                ck_assert_int_eq(got->offset, cases[i].offset);
                ck_assert_int_eq(got->timestamp, cases[i].timestamp);
                if (version >= 4) ck_assert_int_eq(got->leader_epoch, cases[i].offset < 0 ? -1 : 4);
            }
        }
    }
    /* Many lookups on a cold log: each goes to the disk once, and the request ends. */
    memory_log_append(s->storage, memory_log_new(s->storage, "users"), 1, 50, 1700000007000);
    atomic_store(&atomic_load(&s->storage->logs[1])->is_cold, true);
    struct list_offsets_request_partition p[3] = {{0, -1, 1700000003000, 1}, {0, 3, -1, 1}, {1, -1, -1, 1}};
    struct list_offsets_request_partition twice[2] = {{0, -1, -1, 1}, {0, -1, -2, 1}};
    struct list_offsets_request_topic topics[] = {
        {kafka_string_of("orders"), &p[0], 1}, {kafka_string_of("users"), &p[0], 1},
        {kafka_string_of("orders"), &p[1], 2},
        {kafka_string_of("orders"), twice, 2}, {kafka_string_of("nobody"), &p[0], 1}};
    struct list_offsets_request in = {-1, 1, topics, 5};
    struct list_offsets_response out;
    sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, 5, &in, &out);
    ck_assert_int_eq(out.topics[0].partitions[0].offset, 10);
    ck_assert_int_eq(out.topics[1].partitions[0].offset, 0);
    ck_assert_int_eq(out.topics[2].partitions[0].error_code, KAFKA_FENCED_LEADER_EPOCH);
    ck_assert_int_eq(out.topics[2].partitions[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(out.topics[3].partitions[1].error_code, KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(out.topics[4].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* Lookups that cannot be kept would each begin anew whenever a read ends: they are refused; what needs no disk is not.
 */
START_TEST(a_time_is_looked_up_for_so_many_partitions)
{
    enum { BEYOND = 40, LISTED = REQUEST_LOOKUPS_MAX + BEYOND };
    static struct list_offsets_request_partition p = {0, -1, 1700000003000, 1}, end = {0, -1, -1, 1};
    static struct list_offsets_request_topic topics[LISTED];
    struct log *l = memory_log_new(s->storage, "orders");
    memory_log_append(s->storage, l, 10, 50, 1700000003000);
    atomic_store(&l->is_cold, true);
    for (int i = 0; i < LISTED; i++)
        topics[i] = (struct list_offsets_request_topic){kafka_string_of("orders"), i == LISTED - 1 ? &end : &p, 1};
    struct list_offsets_request in = {-1, 1, topics, LISTED};
    struct list_offsets_response out;
    sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, 5, &in, &out);
    ck_assert_int_eq(out.topic_count, LISTED);
    for (int i = 0; i < LISTED - 1; i++)
        ck_assert_int_eq(out.topics[i].partitions[0].error_code, i < REQUEST_LOOKUPS_MAX ? 0 : KAFKA_INVALID_REQUEST);
    ck_assert_int_eq(out.topics[LISTED - 1].partitions[0].error_code, 0);
    ck_assert_int_gt(out.topics[LISTED - 1].partitions[0].offset, 0);
}
END_TEST

START_TEST(cluster)
{
    for (int16_t version = 0; version <= kafka_served_max(KAFKA_API_DESCRIBE_CLUSTER); version++) {
        for (int8_t endpoint = 1; endpoint <= (version == 0 ? 1 : 3); endpoint++) {
            struct describe_cluster_request in = {true, endpoint};
            struct describe_cluster_response out;
            sim_ask(s, peer, KAFKA_API_DESCRIBE_CLUSTER, version, &in, &out);
            static const int16_t errors[] = {0, KAFKA_MISMATCHED_ENDPOINT_TYPE, KAFKA_UNSUPPORTED_ENDPOINT_TYPE};
            ck_assert_int_eq(out.error_code, errors[endpoint - 1]);
            ck_assert_int_eq(out.broker_count, endpoint == 1);
            ck_assert_int_eq(out.error_message.size < 0, endpoint == 1);
            if (endpoint != 1) continue;
            ck_assert(kafka_string_is(out.cluster_id, "simulated") && out.controller_id == NODE_ID);
            ck_assert(kafka_string_is(out.brokers[0].host, "broker.test") && out.brokers[0].port == 9092);
            ck_assert_int_eq(out.cluster_authorized_operations, CLUSTER_OPERATIONS);
            in.include_cluster_authorized_operations = false;
            sim_ask(s, peer, KAFKA_API_DESCRIBE_CLUSTER, version, &in, &out);
            ck_assert_int_eq(out.cluster_authorized_operations, INT_MIN);
        }
    }
}
END_TEST

#define EACH_VERSION(api) \
    for (int16_t version = 0; version <= kafka_served_max(KAFKA_API_##api); version++)

START_TEST(what_would_change_something_is_refused)
{
    struct kafka_string a = kafka_string_of("a"), b = kafka_string_of("b");
    ck_assert_int_eq(kafka_served_max(KAFKA_API_INCREMENTAL_ALTER_CONFIGS), 1);
    EACH_VERSION(INIT_PRODUCER_ID) {
        struct init_producer_id_request in = {kafka_string_null(), 1000, -1, -1};
        struct init_producer_id_response out;
        sim_ask(s, peer, KAFKA_API_INIT_PRODUCER_ID, version, &in, &out);
        ck_assert(out.error_code == KAFKA_CLUSTER_AUTHORIZATION_FAILED && out.producer_id == -1);
    }
    EACH_VERSION(CREATE_TOPICS) {
        struct create_topics_request_topic topics[] = {{.name = a, .num_partitions = 1}, {.name = b}};
        struct create_topics_request in = {topics, 2, 1000, false};
        struct create_topics_response out;
        sim_ask(s, peer, KAFKA_API_CREATE_TOPICS, version, &in, &out);
        ck_assert_int_eq(out.topic_count, 2);
        ck_assert(kafka_string_is(out.topics[1].name, "b") && out.topics[1].error_code == KAFKA_POLICY_VIOLATION);
        if (version >= 1) ck_assert_int_gt(out.topics[1].error_message.size, 20);
    }
    EACH_VERSION(DELETE_TOPICS) {
        struct delete_topics_request_topic topics[] = {{a, {{0}}}, {kafka_string_null(), {{5}}}};
        struct delete_topics_request in = {topics, 2, &a, 1, 1000};
        struct delete_topics_response out;
        sim_ask(s, peer, KAFKA_API_DELETE_TOPICS, version, &in, &out);
        ck_assert_int_eq(out.response_count, version >= 6 ? 2 : 1);
        ck_assert(kafka_string_is(out.responses[0].name, "a"));
        ck_assert_int_eq(out.responses[0].error_code, KAFKA_POLICY_VIOLATION);
        if (version >= 6) ck_assert(out.responses[1].name.size == -1 && out.responses[1].topic_id.bytes[0] == 5);
    }
    EACH_VERSION(CREATE_PARTITIONS) {
        struct create_partitions_request_topic topic = {.name = a, .count = 3, .assignment_count = -1};
        struct create_partitions_request in = {&topic, 1, 1000, false};
        struct create_partitions_response out;
        sim_ask(s, peer, KAFKA_API_CREATE_PARTITIONS, version, &in, &out);
        ck_assert(out.result_count == 1 && out.results[0].error_code == KAFKA_POLICY_VIOLATION);
    }
    EACH_VERSION(DELETE_RECORDS) {
        struct delete_records_request_partition p[] = {{0, 10}, {4, 10}};
        struct delete_records_request_topic topic = {a, p, 2};
        struct delete_records_request in = {&topic, 1, 1000};
        struct delete_records_response out;
        sim_ask(s, peer, KAFKA_API_DELETE_RECORDS, version, &in, &out);
        ck_assert_int_eq(out.topics[0].partition_count, 2);
        ck_assert_int_eq(out.topics[0].partitions[1].partition_index, 4);
        ck_assert_int_eq(out.topics[0].partitions[1].error_code, KAFKA_POLICY_VIOLATION);
    }
    EACH_VERSION(ALTER_CONFIGS) {
        struct alterable_config setting = {kafka_string_of("retention.ms"), kafka_string_of("1")};
        struct alter_configs_resource resource = {2, a, &setting, 1};
        struct alter_configs_request in = {&resource, 1, false};
        struct alter_configs_response out;
        sim_ask(s, peer, KAFKA_API_ALTER_CONFIGS, version, &in, &out);
        ck_assert(out.response_count == 1 && out.responses[0].error_code == KAFKA_POLICY_VIOLATION);
        ck_assert(out.responses[0].resource_type == 2 && kafka_string_is(out.responses[0].resource_name, "a"));
    }
    EACH_VERSION(INCREMENTAL_ALTER_CONFIGS) {
        struct incremental_alter_config setting = {kafka_string_of("retention.ms"), 0, kafka_string_of("1")};
        struct incremental_alter_configs_resource resource = {4, b, &setting, 1};
        struct incremental_alter_configs_request in = {&resource, 1, false};
        struct incremental_alter_configs_response out;
        sim_ask(s, peer, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, version, &in, &out);
        ck_assert(out.response_count == 1 && out.responses[0].error_code == KAFKA_POLICY_VIOLATION);
        ck_assert(out.responses[0].resource_type == 4 && kafka_string_is(out.responses[0].resource_name, "b"));
    }
    EACH_VERSION(DESCRIBE_ACLS) {
        struct describe_acls_request in = {.pattern_type_filter = 1, .resource_name_filter = kafka_string_null(),
                                           .principal_filter = kafka_string_null(), .host_filter = kafka_string_null()};
        struct describe_acls_response out;
        sim_ask(s, peer, KAFKA_API_DESCRIBE_ACLS, version, &in, &out);
        ck_assert(out.error_code == KAFKA_SECURITY_DISABLED && out.resource_count == 0);
    }
}
END_TEST

static struct describe_configs_result configs(int16_t version, int8_t type, const char *name, struct kafka_string *keys,
                                              int32_t key_count)
{
    struct describe_configs_resource resource = {type, kafka_string_of(name), keys, key_count};
    struct describe_configs_request in = {&resource, 1, version >= 1, version >= 3};
    struct describe_configs_response out;
    sim_ask(s, peer, KAFKA_API_DESCRIBE_CONFIGS, version, &in, &out);
    ck_assert_int_eq(out.result_count, 1);
    ck_assert(out.results[0].resource_type == type && kafka_string_is(out.results[0].resource_name, name));
    return out.results[0];
}

static const struct described_config *config_of(const struct describe_configs_result *of, const char *name)
{
    for (int32_t i = 0; i < of->config_count; i++)
        if (kafka_string_is(of->configs[i].name, name)) return &of->configs[i];
    return NULL;
}

START_TEST(settings_are_told_as_they_are)
{
    memory_log_new(s->storage, "orders");
    EACH_VERSION(DESCRIBE_CONFIGS) {
        struct describe_configs_result all = configs(version, 2, "orders", NULL, -1);
        const struct described_config *kept = config_of(&all, "retention.ms");
        const struct described_config *policy = config_of(&all, "cleanup.policy");
        ck_assert(all.error_code == 0 && all.config_count >= 8 && kept != NULL && policy != NULL);
        ck_assert(kafka_string_is(kept->value, "86400000") && kafka_string_is(policy->value, "delete"));
        ck_assert(kafka_string_is(config_of(&all, "retention.bytes")->value, "-1")); /* no limit */
        ck_assert(kafka_string_is(config_of(&all, "segment.bytes")->value, "67108864"));
        ck_assert(kept->read_only && !kept->is_sensitive);
        if (version == 0) ck_assert(!kept->is_default && policy->is_default);
        else ck_assert(kept->config_source == 4 && policy->config_source == 5);
        ck_assert_int_eq(kept->synonym_count, version >= 1);
        if (version >= 1) ck_assert(kafka_string_is(kept->synonyms[0].name, "log.retention.ms"));
        if (version >= 3) ck_assert(kept->config_type == 5 && kept->documentation.size > 10);

        struct kafka_string keys[] = {kafka_string_of("nonsense"), kafka_string_of("retention.ms")};
        struct describe_configs_result one = configs(version, 2, "orders", keys, 2);
        ck_assert(one.config_count == 1 && config_of(&one, "retention.ms") != NULL);
        ck_assert_int_eq(configs(version, 2, "nobody", NULL, -1).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(configs(version, 2, "no way", NULL, -1).error_code, KAFKA_INVALID_TOPIC_EXCEPTION);

        struct describe_configs_result broker = configs(version, 4, "1", NULL, -1);
        ck_assert(kafka_string_is(config_of(&broker, "auto.create.topics.enable")->value, "false"));
        ck_assert(kafka_string_is(config_of(&broker, "log.retention.hours")->value, "24"));
        ck_assert(kafka_string_is(config_of(&broker, "offsets.retention.minutes")->value, "120"));
        broker = configs(version, 4, "", NULL, -1);
        ck_assert(broker.error_code == 0 && broker.config_count == 0);
        ck_assert_int_eq(configs(version, 4, "2", NULL, -1).error_code, KAFKA_INVALID_REQUEST);
        ck_assert_int_eq(configs(version, 8, "1", NULL, -1).error_code, KAFKA_INVALID_REQUEST);
    }
}
END_TEST

START_TEST(sizes_of_the_logs)
{
    struct log *a = memory_log_new(s->storage, "a");
    memory_log_append(s->storage, memory_log_new(s->storage, "b"), 3, 100, 1000);
    memory_log_new(s->storage, "inner")->identity.is_internal = true;
    memory_log_append(s->storage, a, 5, 100, 1000);
    EACH_VERSION(DESCRIBE_LOG_DIRS) {
        int32_t partitions[] = {1, 0}, other = 3;
        struct describe_log_dirs_request_topic topics[] = {{kafka_string_of("a"), partitions, 2},
            {kafka_string_of("b"), &other, 1}, {kafka_string_of("nobody"), partitions, 2},
            {kafka_string_of("inner"), partitions, 2}};
        struct describe_log_dirs_response out;
        for (int is_all = 0; is_all < 2; is_all++) {
            struct describe_log_dirs_request in = {is_all ? NULL : topics, is_all ? -1 : 4};
            sim_ask(s, peer, KAFKA_API_DESCRIBE_LOG_DIRS, version, &in, &out);
            ck_assert(out.result_count == 1 && out.error_code == 0 && out.results[0].error_code == 0);
            const struct described_log_dir *dir = out.results;
            ck_assert(kafka_string_is(dir->log_dir, "/") && dir->topic_count == (is_all ? 3 : 2));
            ck_assert(kafka_string_is(dir->topics[0].name, "a") && dir->topics[0].partition_count == 1);
            ck_assert_int_eq(dir->topics[0].partitions[0].partition_size, a->used_bytes);
            ck_assert(dir->topics[0].partitions[0].offset_lag == 0 && !dir->topics[0].partitions[0].is_future_key);
            if (version >= 4) ck_assert(dir->usable_bytes == 500 && dir->total_bytes == 2000);
        }
    }
}
END_TEST

/* Topics in the order of their names, page by page; the names as one word. */
static const char *page(const struct describe_topic_partitions_request *in,
                        struct describe_topic_partitions_response *out)
{
    static char names[64];
    names[0] = 0;
    sim_ask(s, peer, KAFKA_API_DESCRIBE_TOPIC_PARTITIONS, 0, in, out);
    for (int32_t i = 0; i < out->topic_count; i++) strncat(names, out->topics[i].name.chars, 1);
    return names;
}

START_TEST(topics_in_pages)
{
    memory_log_new(s->storage, "c");
    struct log *a = memory_log_new(s->storage, "a");
    memory_log_new(s->storage, "b");
    log_epoch_begin(&a->identity, 0);
    struct describe_topic_partitions_response out;
    struct describe_topic_partitions_request in = {.response_partition_limit = 2000};
    ck_assert_str_eq(page(&in, &out), "abc");
    ck_assert_ptr_null(out.next_cursor);
    struct kafka_uuid id = id_of(a);
    ck_assert_mem_eq(&out.topics[0].topic_id, &id, 16);
    ck_assert_int_eq(out.topics[0].topic_authorized_operations, TOPIC_OPERATIONS);
    const struct describe_topic_partitions_partition *p = out.topics[0].partitions;
    ck_assert(out.topics[0].partition_count == 1 && p->leader_id == NODE_ID && p->leader_epoch == 1);
    ck_assert(p->replica_node_count == 1 && p->isr_node_count == 1 && p->eligible_leader_replica_count == 0);
    in.response_partition_limit = 2;
    ck_assert_str_eq(page(&in, &out), "ab");
    ck_assert(kafka_string_is(out.next_cursor->topic_name, "c") && out.next_cursor->partition_index == 0);
    in.cursor = &(struct describe_topic_partitions_cursor){kafka_string_of("c"), 0};
    ck_assert_str_eq(page(&in, &out), "c");
    ck_assert_ptr_null(out.next_cursor);
    in.cursor = &(struct describe_topic_partitions_cursor){kafka_string_of("b"), 1}; /* of b is nothing left */
    ck_assert_str_eq(page(&in, &out), "bc");
    ck_assert(out.topics[0].partition_count == 0 && out.topics[1].partition_count == 1);
    in.cursor = &(struct describe_topic_partitions_cursor){kafka_string_of("bb"), 0};
    ck_assert_str_eq(page(&in, &out), "c");
    in.cursor = &(struct describe_topic_partitions_cursor){kafka_string_of("a"), -1};
    page(&in, &out);
    ck_assert_int_eq(out.topics[0].error_code, KAFKA_INVALID_REQUEST);
    struct describe_topic_partitions_request_topic named[] = {{kafka_string_of("x")}, {kafka_string_of("b")},
        {kafka_string_of("b")}, {kafka_string_of("!")}, {kafka_string_of("a")}};
    in = (struct describe_topic_partitions_request){named, 5, -7, NULL}; /* a limit of one at least */
    ck_assert_str_eq(page(&in, &out), "!a");
    ck_assert_int_eq(out.topics[0].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    ck_assert(kafka_string_is(out.next_cursor->topic_name, "b"));
    struct describe_topic_partitions_cursor next = {kafka_string_of("b"), 0};
    in.cursor = &next;
    in.response_partition_limit = 9;
    ck_assert_str_eq(page(&in, &out), "bx");
    ck_assert_int_eq(out.topics[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* The sets of codes that each version of Fetch may be told. */
START_TEST(a_topic_of_many_partitions_in_pages)
{
    memory_log_new(s->storage, "a");
    memory_log_new(s->storage, "b")->identity.is_internal = true;
    memory_log_new(s->storage, "c");
    struct describe_topic_partitions_response out;
    struct describe_topic_partitions_request in = {.response_partition_limit = 30};
    ck_assert_str_eq(page(&in, &out), "ab");
    ck_assert(out.topics[1].is_internal && out.topics[1].partition_count == 29);
    ck_assert_int_eq(out.topics[1].partitions[28].partition_index, 28);
    ck_assert(kafka_string_is(out.next_cursor->topic_name, "b") && out.next_cursor->partition_index == 29);
    in.cursor = &(struct describe_topic_partitions_cursor){kafka_string_of("b"), 29};
    ck_assert_str_eq(page(&in, &out), "bc");
    ck_assert(out.topics[0].partition_count == 21 && out.topics[0].partitions[0].partition_index == 29);
    ck_assert_ptr_null(out.next_cursor);
}
END_TEST

START_TEST(old_versions_are_told_no_new_errors)
{
    static const struct { int16_t code, since; } known[] = {
        {0, 0}, {1, 0}, {3, 0}, {6, 0}, {29, 0}, {-1, 0}, {2, 4}, {56, 6}, {76, 10}, {78, 11}};
    for (int16_t version = 0; version <= 17; version++) {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            int16_t told = (int16_t)kafka_error_in(KAFKA_API_FETCH, version, (enum kafka_error)known[i].code);
            if (version >= known[i].since) ck_assert_int_eq(told, known[i].code);
            else ck_assert_msg(told == -1 || told == 6, "%d in version %d", told, version);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topics");
    TCase *t = tcase_create("topics");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_topic_id_changes_with_the_leader_epoch_only);
    tcase_add_test(t, metadata_by_id);
    tcase_add_test(t, fetch_by_id);
    tcase_add_test(t, where_an_epoch_ends);
    tcase_add_test(t, a_fetch_of_another_history);
    tcase_add_test(t, list_offsets);
    tcase_add_test(t, a_time_is_looked_up_for_so_many_partitions);
    tcase_add_test(t, cluster);
    tcase_add_test(t, what_would_change_something_is_refused);
    tcase_add_test(t, settings_are_told_as_they_are);
    tcase_add_test(t, sizes_of_the_logs);
    tcase_add_test(t, topics_in_pages);
    tcase_add_test(t, a_topic_of_many_partitions_in_pages);
    tcase_add_test(t, old_versions_are_told_no_new_errors);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
