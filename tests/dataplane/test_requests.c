/* Goal: each stateless request is answered as Kafka's clients expect, in every version, whatever the network cuts and
 * the disk delays; one connection's answers keep the order of its requests. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

static struct serve_config config; /* defaults */

static int16_t version_max(int16_t api_key) { return kafka_served_max(api_key); }

START_TEST(api_versions)
{
    struct sim_server *s = sim_start(1, 4096, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct api_versions_request in = {kafka_string_of("librdkafka"), kafka_string_of("v2.0-rc.1")};
    struct api_versions_response out;
    static const int16_t listed[][2] = {{0, 11}, {1, 17}, {2, 9}, {3, 12}, {10, 6}, {18, 4}, {23, 4}, {60, 1}};
    for (int16_t version = 0; version <= 4; version++) {
        size_t seen = 0;
        sim_ask(s, peer, KAFKA_API_API_VERSIONS, version, &in, &out);
        ck_assert_int_eq(out.error_code, 0);
        for (int i = 0; i < out.api_key_count; i++) {
            if (i > 0) ck_assert_int_gt(out.api_keys[i].api_key, out.api_keys[i - 1].api_key);
            ck_assert_int_eq(out.api_keys[i].min_version, 0);
            ck_assert_int_eq(out.api_keys[i].max_version, kafka_served_max(out.api_keys[i].api_key));
            ck_assert_int_ge(out.api_keys[i].max_version, 0);
            for (size_t k = 0; k < sizeof listed / sizeof *listed; k++)
                seen += listed[k][0] == out.api_keys[i].api_key && listed[k][1] == out.api_keys[i].max_version;
        }
        ck_assert_uint_eq(seen, sizeof listed / sizeof *listed);
    }
    in.client_software_name = kafka_string_of("not legal");
    sim_ask(s, peer, KAFKA_API_API_VERSIONS, 3, &in, &out);
    ck_assert_int_eq(out.error_code, KAFKA_INVALID_REQUEST);
    in.client_software_name = kafka_string_of("trailing-");
    sim_ask(s, peer, KAFKA_API_API_VERSIONS, 3, &in, &out);
    ck_assert_int_eq(out.error_code, KAFKA_INVALID_REQUEST);
    /* Version 5, body unread: version 0's layout, error 35, our range. */
    static const uint8_t newer[] = {0, 0, 0, 13, 0, 18, 0, 5, 0, 0, 0, 9, 0xff, 0xff, 0, 0x7f, 0x7f};
    ck_assert(port_sim_write(peer, newer, sizeof newer));
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_API_VERSIONS, 0, &out));
    ck_assert_int_eq(out.error_code, KAFKA_UNSUPPORTED_VERSION);
    ck_assert_int_eq(out.api_key_count, 1);
    ck_assert_int_eq(out.api_keys[0].max_version, 4);
    sim_ask(s, peer, KAFKA_API_API_VERSIONS, 0, &in, &out); /* and the connection goes on */
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(metadata)
{
    struct sim_server *s = sim_start(4, 4096, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    memory_log_new(s->storage, "orders")->identity.leader_epoch = 3;
    memory_log_new(s->storage, "__consumer_offsets")->identity.is_internal = true;
    memory_log_new(s->storage, "users");
    char long_name[251];
    memset(long_name, 'a', 250);
    long_name[250] = '\0';
    struct metadata_request_topic named[] = {
        {.name = kafka_string_of("users")}, {.name = kafka_string_of("nobody")},
        {.name = kafka_string_of("__consumer_offsets")},
        {.name = kafka_string_of("..")}, {.name = kafka_string_of("")}, {.name = kafka_string_of("a b")},
        {.name = kafka_string_of(long_name)}};
    for (int16_t version = 0; version <= version_max(KAFKA_API_METADATA); version++) {
        struct metadata_response out;
        struct metadata_request in = {.topics = NULL, .topic_count = version == 0 ? 0 : -1};
        sim_ask(s, peer, KAFKA_API_METADATA, version, &in, &out);
        ck_assert_int_eq(out.broker_count, 1);
        ck_assert_int_eq(out.brokers[0].node_id, NODE_ID);
        ck_assert(kafka_string_is(out.brokers[0].host, "broker.test"));
        ck_assert_int_eq(out.brokers[0].port, 9092);
        if (version >= 1) ck_assert_int_eq(out.controller_id, NODE_ID);
        if (version >= 2) ck_assert(kafka_string_is(out.cluster_id, "simulated"));
        ck_assert_int_eq(out.topic_count, 3);
        for (int i = 0; i < 3; i++) {
            bool is_offsets = kafka_string_is(out.topics[i].name, "__consumer_offsets");
            ck_assert_int_eq(out.topics[i].partition_count, is_offsets ? 50 : 1);
            if (version >= 1) ck_assert_int_eq(out.topics[i].is_internal, is_offsets);
        }
        ck_assert(kafka_string_is(out.topics[0].name, "orders"));
        const struct metadata_response_partition *p = out.topics[0].partitions;
        ck_assert_int_eq(out.topics[0].partition_count, 1);
        ck_assert_int_eq(p->leader_id, NODE_ID);
        if (version >= 7) ck_assert_int_eq(p->leader_epoch, 3);
        ck_assert_int_eq(p->replica_node_count, 1);
        ck_assert_int_eq(p->isr_nodes[0], NODE_ID);
        if (version >= 8) ck_assert_int_eq(out.topics[0].topic_authorized_operations, INT_MIN);
        if (version >= 10) ck_assert_uint_eq(out.topics[0].topic_id.bytes[5], 1);
        if (version >= 10) ck_assert_uint_eq(out.topics[0].topic_id.bytes[15], 1 ^ 3); /* of its epoch */

        in = (struct metadata_request){.topics = named, .topic_count = 7, .include_topic_authorized_operations = true};
        sim_ask(s, peer, KAFKA_API_METADATA, version, &in, &out);
        static const int16_t errors[] = {0, 3, 0, 17, 17, 17, 17};
        ck_assert_int_eq(out.topic_count, 7);
        for (int i = 0; i < 7; i++) ck_assert_int_eq(out.topics[i].error_code, errors[i]);
        ck_assert_int_eq(out.topics[1].partition_count, 0);
        ck_assert(kafka_string_is(out.topics[1].name, "nobody"));
        if (version >= 8) ck_assert_int_eq(out.topics[0].topic_authorized_operations, 1 << 3 | 1 << 8 | 1 << 10);
        if (version == 0) continue;
        in = (struct metadata_request){.topics = NULL, .topic_count = 0};
        sim_ask(s, peer, KAFKA_API_METADATA, version, &in, &out);
        ck_assert_int_eq(out.topic_count, 0);
    }
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(find_coordinator_and_produce)
{
    struct sim_server *s = sim_start(1, 4096, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    for (int16_t version = 0; version <= version_max(KAFKA_API_FIND_COORDINATOR); version++) {
        static const struct { const char *key; int8_t type; int16_t error; } cases[] = {
            {"group", 0, KAFKA_NONE}, {"", 0, KAFKA_NONE}, {"x", 1, KAFKA_COORDINATOR_NOT_AVAILABLE},
            {"x", 9, KAFKA_INVALID_REQUEST}};
        for (size_t i = 0; i < (version == 0 ? 2 : 4); i++) {
            struct kafka_string keys[2] = {kafka_string_of(cases[i].key), kafka_string_of(cases[i].key)};
            struct find_coordinator_request in = {keys[0], cases[i].type, keys, 2};
            struct find_coordinator_response out;
            sim_ask(s, peer, KAFKA_API_FIND_COORDINATOR, version, &in, &out);
            bool is_well = cases[i].error == KAFKA_NONE;
            ck_assert_int_eq(out.coordinator_count, version < 4 ? 0 : 2);
            for (int32_t k = 0; k < out.coordinator_count; k++) { /* KIP-699: several at once */
                const struct found_coordinator *one = &out.coordinators[k];
                ck_assert_int_eq(one->error_code, cases[i].error);
                ck_assert(kafka_string_is(one->key, cases[i].key));
                ck_assert(kafka_string_is(one->host, is_well ? "broker.test" : ""));
                ck_assert(one->node_id == (is_well ? NODE_ID : -1) && one->port == (is_well ? 9092 : -1));
            }
            if (version >= 4) continue;
            ck_assert_int_eq(out.error_code, cases[i].error);
            ck_assert_int_eq(out.node_id, is_well ? NODE_ID : -1);
            ck_assert(kafka_string_is(out.host, is_well ? "broker.test" : ""));
        }
    }
    struct kafka_records junk = {(const uint8_t *)"junk", 4};
    struct produce_request_partition partitions[2] = {{.index = 0, .records = junk}, {.index = 5}};
    struct produce_request_topic topic = {kafka_string_of("orders"), partitions, 2};
    struct produce_request produce = {kafka_string_null(), 1, 1000, &topic, 1};
    for (int16_t version = 0; version <= version_max(KAFKA_API_PRODUCE); version++) {
        struct produce_response out;
        sim_ask(s, peer, KAFKA_API_PRODUCE, version, &produce, &out);
        ck_assert_int_eq(out.response_count, 1);
        ck_assert_int_eq(out.responses[0].partition_response_count, 2);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(out.responses[0].partition_responses[i].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
            ck_assert_int_eq(out.responses[0].partition_responses[i].base_offset, -1);
        }
        ck_assert_int_eq(out.responses[0].partition_responses[1].index, 5);
    }
    produce.acks = 0;
    sim_send(s, peer, KAFKA_API_PRODUCE, 7, &produce);
    sim_settle(s);
    ck_assert(port_sim_is_closed(peer));
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

static void simple_fetch_of(struct simple_fetch *f, const struct log *l, int64_t offset)
{
    simple_fetch_init(f, l->identity.name, offset, 500, 1);
    log_topic_id(&l->identity, f->topic.topic_id.bytes);
}

/* All messages from `offset` to `end`, whole, in format 0 or 1; their values as memory_log_append made them. */
static void check_messages(const struct kafka_records *records, int16_t version, uint64_t offset, uint64_t end)
{
    struct cursor c = cursor_of(records->bytes, (size_t)records->size);
    while (cursor_left(&c) > 0) {
        char text[32];
        size_t text_bytes = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)offset);
        ck_assert_uint_eq(cursor_be(&c, 8), offset++);
        uint32_t size = (uint32_t)cursor_be(&c, 4);
        struct cursor m = cursor_of(cursor_take(&c, size), size);
        ck_assert_uint_eq(cursor_be(&m, 4), crc32_zlib(0, m.at, size - 4));
        ck_assert_uint_eq(cursor_be(&m, 1), version < 2 ? 0 : 1);
        ck_assert_uint_eq(cursor_be(&m, 1), 0);
        if (version >= 2) ck_assert_uint_ge(cursor_be(&m, 8), 1000);
        ck_assert_uint_eq(cursor_be(&m, 4), UINT32_MAX);
        ck_assert_uint_eq(cursor_be(&m, 4), cursor_left(&m));
        ck_assert_mem_eq(m.at, text, text_bytes);
    }
    ck_assert(!c.failed);
    ck_assert_uint_eq(offset, end);
}

START_TEST(fetch_in_every_version)
{
    struct sim_server *s = sim_start(1, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *l = memory_log_new(s->storage, "orders");
    l->identity.leader_epoch = 2;
    for (int i = 0; i < 5; i++) memory_log_append(s->storage, l, 10, 100, 1000 + i);
    atomic_store(&l->start_offset, 10);
    for (int16_t version = 0; version <= version_max(KAFKA_API_FETCH); version++) {
        struct simple_fetch f;
        struct fetch_response out;
        const struct fetch_response_partition *p;
#define ASK()                                                          \
        do {                                                           \
            sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out); \
            ck_assert_int_eq(out.response_count, 1);                   \
            p = out.responses[0].partitions;                           \
        } while (0)
        simple_fetch_of(&f, l, 15);
        ASK();
        ck_assert_int_eq(p->error_code, 0);
        ck_assert_int_eq(p->high_watermark, 50);
        if (version < 13) ck_assert(kafka_string_is(out.responses[0].topic, "orders"));
        else ck_assert_mem_eq(&out.responses[0].topic_id, &f.topic.topic_id, 16);
        if (version < 4) {
            check_messages(&p->records, version, 15, 50);
            continue;
        }
        ck_assert_int_eq(p->last_stable_offset, 50);
        if (version >= 5) ck_assert_int_eq(p->log_start_offset, 10);
        ck_assert_int_eq(p->aborted_transaction_count, -1);
        if (version >= 11) ck_assert_int_eq(p->preferred_read_replica, -1);
        ck_assert_int_eq(out.session_id, 0);
        ck_assert_mem_eq(p->records.bytes, l->bytes + l->batch[1].position, (size_t)p->records.size);
        int from_batch_with_15 = (int)(l->used_bytes - l->batch[1].position);
        ck_assert_int_eq(p->records.size, from_batch_with_15);
        f.request.isolation_level = 1;
        ASK();
        ck_assert_int_eq(p->aborted_transaction_count, 0);
        static const struct { int64_t offset; int32_t epoch, partition; int16_t error; int16_t since; } faults[] = {
            {9, -1, 0, KAFKA_OFFSET_OUT_OF_RANGE, 4}, {51, -1, 0, KAFKA_OFFSET_OUT_OF_RANGE, 4},
            {-1, -1, 0, KAFKA_OFFSET_OUT_OF_RANGE, 4}, {15, -1, 1, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, 4},
            {15, -1, -1, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, 4}, {15, 1, 0, KAFKA_FENCED_LEADER_EPOCH, 9},
            {15, 3, 0, KAFKA_UNKNOWN_LEADER_EPOCH, 9}, {15, 2, 0, 0, 9},
        };
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            if (version < faults[i].since) continue;
            simple_fetch_of(&f, l, faults[i].offset);
            f.partition.current_leader_epoch = faults[i].epoch;
            f.partition.partition = faults[i].partition;
            ASK();
            ck_assert_int_eq(p->error_code, faults[i].error);
            if (faults[i].error != 0) ck_assert_int_eq(p->high_watermark, -1);
            if (faults[i].error != 0) ck_assert_int_eq(p->records.size, 0);
        }
        static const struct { enum err fault; int16_t old, since_6; } broken[] = {
            {ERR_IO, KAFKA_NOT_LEADER_OR_FOLLOWER, KAFKA_KAFKA_STORAGE_ERROR},
            {ERR_CORRUPT, KAFKA_CORRUPT_MESSAGE, KAFKA_CORRUPT_MESSAGE},
            {ERR_STATE, KAFKA_NOT_LEADER_OR_FOLLOWER, KAFKA_NOT_LEADER_OR_FOLLOWER},
        };
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
            atomic_store(&l->fault, broken[i].fault);
            simple_fetch_of(&f, l, 15);
            ASK();
            ck_assert_int_eq(p->error_code, version < 6 ? broken[i].old : broken[i].since_6);
        }
        atomic_store(&l->fault, ERR_OK);
        if (version < 7) continue;
        simple_fetch_of(&f, l, 15);
        f.request.session_id = 7;
        f.request.session_epoch = 1;
        sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
        ck_assert_int_eq(out.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        ck_assert_int_eq(out.response_count, 0);
        f.request.session_id = f.request.session_epoch = 0; /* may open one */
        ASK();
        ck_assert_int_gt(out.session_id, 0);
        ck_assert_int_gt(p->records.size, 0);
#undef ASK
    }
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

/* The rule of KIP-74, over two topics. */
/* Batches in many pieces, bounds that fall between messages, one message larger than every bound. */
START_TEST(fetch_of_old_clients)
{
    struct sim_server *s = sim_start(1, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *l = memory_log_new(s->storage, "orders");
    l->piece_bytes_max = 37;
    for (int i = 0; i < 5; i++) memory_log_append(s->storage, l, 10, 100, 1000 + i);
    for (int16_t version = 0; version < 4; version++) {
        for (int32_t bound = 0; bound < 2500; bound += 131) {
            uint64_t offset = 13;
            while (offset < 50) {
                struct simple_fetch f;
                struct fetch_response out;
                simple_fetch_init(&f, "orders", (int64_t)offset, 500, 1);
                f.partition.partition_max_bytes = bound;
                sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
                const struct kafka_records *records = &out.responses[0].partitions[0].records;
                uint64_t message = 12 + 14 + (version < 2 ? 0u : 8u) + 100, count = (uint64_t)records->size / message;
                ck_assert_uint_ge(count, 1);
                ck_assert(count == 1 || (int32_t)(count * message) <= bound);
                check_messages(records, version, offset, offset + count);
                offset += count;
            }
        }
    }
    port_sim_hang_up(peer);
    sim_settle(s);
    ck_assert_uint_eq(s->lcore->arena.used_bytes, 0);
    sim_stop(s);
}
END_TEST

START_TEST(fetch_limits)
{
    struct sim_server *s = sim_start(2, 4 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *a = memory_log_new(s->storage, "a"), *b = memory_log_new(s->storage, "b");
    for (int i = 0; i < 4; i++) memory_log_append(s->storage, a, 1, 100000, 1000);
    for (int i = 0; i < 4; i++) memory_log_append(s->storage, b, 1, 1000, 1000);
    struct fetch_response out;
    struct fetch_request_partition pa = {0, -1, 0, -1, -1, 10}, pb = pa;
    struct fetch_request_topic topics[2] = {
        {.topic = kafka_string_of("a"), .partitions = &pa, .partition_count = 1},
        {.topic = kafka_string_of("b"), .partitions = &pb, .partition_count = 1}};
    struct fetch_request in = {.cluster_id = kafka_string_null(), .max_wait_ms = 1000, .min_bytes = 1, .max_bytes = 50,
                               .session_epoch = -1, .topics = topics, .topic_count = 2};
#define BYTES(i) ((uint32_t)out.responses[i].partitions[0].records.size)
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &in, &out); /* both bounds too small: the first batch all the same, alone */
    ck_assert_uint_eq(BYTES(0), a->batch[0].bytes);
    ck_assert_uint_eq(BYTES(1), 0);
    ck_assert_int_eq(out.responses[1].partitions[0].high_watermark, 4);
    pa.fetch_offset = 4; /* nothing in the first: the second is first then */
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &in, &out);
    ck_assert_uint_eq(BYTES(0), 0);
    ck_assert_uint_eq(BYTES(1), b->batch[0].bytes);
    pa.fetch_offset = 0;
    in.max_bytes = 1 << 20;
    pa.partition_max_bytes = 250000;
    pb.partition_max_bytes = (int32_t)b->batch[0].bytes * 2;
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &in, &out);
    ck_assert_uint_eq(BYTES(0), 2 * a->batch[0].bytes);
    ck_assert_uint_eq(BYTES(1), 2 * b->batch[0].bytes);
    in.max_bytes = (int32_t)(2 * a->batch[0].bytes + b->batch[0].bytes); /* the sum is bounded, too */
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &in, &out);
    ck_assert_uint_eq(BYTES(1), b->batch[0].bytes);
    pb.partition_max_bytes = (int32_t)b->batch[0].bytes - 1; /* not even one batch fits */
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &in, &out);
    ck_assert_uint_eq(BYTES(1), 0);
#undef BYTES
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(fetch_waits)
{
    struct sim_server *s = sim_start(3, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *a = memory_log_new(s->storage, "a"), *b = memory_log_new(s->storage, "b");
    struct fetch_response out;
    struct simple_fetch f;
    simple_fetch_init(&f, "a", 0, 500, 1);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    memory_log_append(s->storage, b, 1, 100, 1000); /* not the one it waits for */
    sim_advance_ms(s, 499);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    sim_advance_ms(s, 1);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out)); /* the time is over: empty, with the watermark */
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
    ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 0);
    simple_fetch_init(&f, "a", 0, 500, 300); /* min_bytes are more than the first batch */
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    memory_log_append(s->storage, a, 1, 100, 1000);
    sim_advance_ms(s, 100);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    memory_log_append(s->storage, a, 1, 200, 1000);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, (int)a->used_bytes);
    simple_fetch_init(&f, "a", 0, 500, 30000); /* the time is over with some bytes there */
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    sim_advance_ms(s, 500);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, (int)a->used_bytes);
    simple_fetch_init(&f, "a", 2, 0, 1); /* max_wait 0 */
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &f.request, &out);
    /* Two topics in one request: either wakes it. */
    struct fetch_request_partition pa = {0, -1, 2, -1, -1, 1 << 20}, pb = {0, -1, 1, -1, -1, 1 << 20};
    struct fetch_request_topic topics[2] = {
        {.topic = kafka_string_of("a"), .partitions = &pa, .partition_count = 1},
        {.topic = kafka_string_of("b"), .partitions = &pb, .partition_count = 1}};
    simple_fetch_init(&f, "a", 0, 500, 1);
    f.request.topics = topics;
    f.request.topic_count = 2;
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    memory_log_append(s->storage, b, 1, 100, 1000);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
    ck_assert_int_gt(out.responses[1].partitions[0].records.size, 0);
    /* A topic that goes away while the fetch waits is told at the end of its time. */
    simple_fetch_init(&f, "b", 2, 500, 1);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    memory_log_remove(s->storage, b);
    sim_advance_ms(s, 500);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

/* What consumers saw comes again after a crash: until then they wait, and learn no end that is not the end. */
START_TEST(what_is_sent_again_is_waited_for)
{
    struct sim_server *s = sim_start(3, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *l = memory_log_new(s->storage, "a");
    struct fetch_response out;
    struct simple_fetch f;
    memory_log_append(s->storage, l, 3, 100, 1000);
    atomic_store(&l->is_resending, true);
    for (int16_t version = 0; version <= version_max(KAFKA_API_LIST_OFFSETS); version++) {
        struct list_offsets_request_partition p = {0, -1, -1, 1};
        struct list_offsets_request_topic topic = {kafka_string_of("a"), &p, 1};
        struct list_offsets_request in = {-1, 0, &topic, 1};
        struct list_offsets_response listed;
        sim_ask(s, peer, KAFKA_API_LIST_OFFSETS, version, &in, &listed);
        ck_assert_int_eq(listed.topics[0].partitions[0].error_code,
                         version >= 5 ? KAFKA_OFFSET_NOT_AVAILABLE : KAFKA_LEADER_NOT_AVAILABLE);
    }
    simple_fetch_init(&f, "a", 5, 500, 1);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    ck_assert_uint_eq(atomic_load(&l->served_offset), 5);
    sim_advance_ms(s, 500);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_NONE);
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
    ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 3);
    simple_fetch_init(&f, "a", 5, 500, 1);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    memory_log_append(s->storage, l, 3, 100, 1000); /* it is here again */
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
    ck_assert_int_gt(out.responses[0].partitions[0].records.size, 0);
    atomic_store(&l->is_resending, false);
    simple_fetch_init(&f, "a", 7, 500, 1);
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &f.request, &out);
    ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

/* Between the look at the watermark and the read the log is taken back to what is durable: whoever stands there, or
 * behind it, is not out of range. */
START_TEST(what_is_taken_back_under_a_fetch_is_waited_for)
{
    struct sim_server *s = sim_start(3, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *l = memory_log_new(s->storage, "a");
    struct fetch_response out;
    struct simple_fetch f;
    for (int i = 0; i < 3; i++) memory_log_append(s->storage, l, 3, 100, 1000);
    for (int64_t offset = 3; offset <= 6; offset += 3) {
        for (int32_t wait_ms = 0; wait_ms <= 500; wait_ms += 500) {
            atomic_store(&l->is_resending, false);
            atomic_store(&l->high_watermark, 9);
            atomic_store(&l->taken_back_to, 3);
            simple_fetch_init(&f, "a", offset, wait_ms, 1);
            sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
            sim_settle(s);
            if (wait_ms > 0) {
                ck_assert_uint_eq(port_sim_readable(peer), 0);
                sim_advance_ms(s, (uint64_t)wait_ms);
            }
            ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &out));
            ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_NONE);
            ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
            ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 3);
            ck_assert_int_eq(out.responses[0].partitions[0].last_stable_offset, 3);
        }
    }
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(a_parked_fetch_holds_back_what_is_behind_it)
{
    struct sim_server *s = sim_start(1, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port), *other = port_sim_connect(s->lcore->port);
    struct log *l = memory_log_new(s->storage, "a");
    struct simple_fetch f;
    struct fetch_response fetched;
    struct api_versions_request ask = {kafka_string_of("x"), kafka_string_of("1")};
    struct api_versions_response versions;
    simple_fetch_init(&f, "a", 0, 60000, 1);
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    for (int i = 0; i < 8000; i++) sim_send(s, peer, KAFKA_API_API_VERSIONS, 0, &ask);
    sim_settle(s);
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    ck_assert_uint_lt(s->lcore->arena.used_bytes, 64 << 10); /* the rest waits in the network */
    sim_ask(s, other, KAFKA_API_API_VERSIONS, 0, &ask, &versions);
    memory_log_append(s->storage, l, 1, 100, 1000);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 11, &fetched));
    for (int i = 0; i < 8000; i++) ck_assert(sim_receive(s, peer, KAFKA_API_API_VERSIONS, 0, &versions));
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    simple_fetch_init(&f, "a", 1, 60000, 1); /* hanging up while parked leaves nothing behind */
    sim_send(s, peer, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    ck_assert_uint_eq(s->lcore->parked_count, 1);
    port_sim_hang_up(peer);
    sim_settle(s);
    ck_assert_uint_eq(s->lcore->parked_count, 0);
    port_sim_hang_up(other);
    sim_stop(s);
}
END_TEST

START_TEST(cold_fetches_wait_for_the_disk)
{
    struct sim_server *s = sim_start(2, 1 << 20, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct log *a = memory_log_new(s->storage, "a"), *b = memory_log_new(s->storage, "b");
    memory_log_append(s->storage, a, 5, 100, 1000);
    memory_log_append(s->storage, b, 5, 100, 1000);
    atomic_store(&a->is_cold, true);
    struct simple_fetch f;
    struct fetch_response out;
    simple_fetch_init(&f, "a", 0, 0, 1); /* even when it may not wait for more */
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &f.request, &out);
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, (int)a->used_bytes);
    /* Behind records of another topic the cold one is left for the next request. */
    struct fetch_request_partition p = {0, -1, 0, -1, -1, 1 << 20};
    struct fetch_request_topic topics[2] = {
        {.topic = kafka_string_of("b"), .partitions = &p, .partition_count = 1},
        {.topic = kafka_string_of("a"), .partitions = &p, .partition_count = 1}};
    f.request.topics = topics;
    f.request.topic_count = 2;
    f.request.max_wait_ms = 500;
    sim_ask(s, peer, KAFKA_API_FETCH, 11, &f.request, &out);
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, (int)b->used_bytes);
    ck_assert_int_eq(out.responses[1].partitions[0].records.size, 0);
    ck_assert_int_eq(out.responses[1].partitions[0].high_watermark, 5);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

/* Group requests pass through undecoded; answers to a connection that is gone are thrown away. */
START_TEST(group_requests_are_passed_on)
{
    struct sim_server *s = sim_start(1, 4096, config, 0);
    struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
    struct heartbeat_request in = {kafka_string_of("g"), 7, kafka_string_of("m"), kafka_string_null()};
    struct heartbeat_response beat = {0, 27}, out;
    uint64_t connection[2];
    for (int round = 0; round < 2; round++) {
        sim_send(s, peer, KAFKA_API_HEARTBEAT, 3, &in);
        sim_settle(s);
        uint32_t size;
        const struct link_request *r = ring_spsc_next(&s->link.to_coordinator, &size);
        ck_assert_ptr_nonnull(r);
        ck_assert_int_eq(r->api_key, KAFKA_API_HEARTBEAT);
        ck_assert_int_eq(r->api_version, 3);
        const char *rest = (const char *)(r + 1);
        ck_assert_uint_eq(r->client_id_bytes, 4);
        ck_assert_mem_eq(rest, "test/192.0.2.1", r->client_id_bytes + r->client_host_bytes);
        struct cursor body = cursor_of(rest + r->client_id_bytes + r->client_host_bytes, r->body_bytes);
        struct heartbeat_request seen;
        s->arena.used = 0;
        ck_assert_int_eq(kafka_decode(kafka_request_of(KAFKA_API_HEARTBEAT), 3, &body, &s->arena, &seen), ERR_OK);
        ck_assert_int_eq(seen.generation_id, 7);
        connection[round] = r->connection_id;
        ring_spsc_release(&s->link.to_coordinator);
        if (round == 0) { /* hangs up before the answer; the next connection gets the same slot */
            port_sim_hang_up(peer);
            sim_settle(s);
            peer = port_sim_connect(s->lcore->port);
            sim_settle(s);
        }
    }
    ck_assert_uint_ne(connection[0], connection[1]);
    for (int round = 0; round < 2; round++) {
        uint8_t frame[64];
        struct sink sink = sink_of(frame, sizeof frame);
        const struct kafka_message *response = kafka_response_of(KAFKA_API_HEARTBEAT);
        ck_assert_int_eq(kafka_response_encode(response, 3, 100 + round, &beat, &sink, NULL), ERR_OK);
        uint32_t size = (uint32_t)(sink.at - frame);
        struct link_answer *a = ring_spsc_claim(&s->link.to_serve, (uint32_t)sizeof *a + size);
        *a = (struct link_answer){connection[round], 100 + round, size};
        memcpy(a + 1, frame, size);
        ring_spsc_commit(&s->link.to_serve);
    }
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_HEARTBEAT, 3, &out));
    ck_assert_int_eq(out.error_code, 27);
    ck_assert_uint_eq(s->frame[7], 101); /* the second one's answer, not the first's */
    ck_assert_uint_eq(port_sim_readable(peer), 0);
    port_sim_hang_up(peer);
    sim_stop(s);
}
END_TEST

START_TEST(a_full_ring_to_the_coordinator_delays_and_loses_nothing)
{
    struct sim_server *s = sim_start(1, 4096, config, 0);
    struct port_sim_peer *peer[8];
    struct sync_group_request_assignment assignment = {kafka_string_of("m"), {calloc(1, 400000), 400000}};
    struct sync_group_request in = {kafka_string_of("g"), 1, kafka_string_of("m"), kafka_string_null(),
                                    kafka_string_null(), kafka_string_null(), &assignment, 1};
    uint32_t seen = 0, size;
    for (int i = 0; i < 8; i++) {
        peer[i] = port_sim_connect(s->lcore->port);
        sim_send(s, peer[i], KAFKA_API_SYNC_GROUP, 3, &in);
    }
    for (int turn = 0; turn < 8 && seen < 8; turn++) {
        sim_settle(s);
        while (ring_spsc_next(&s->link.to_coordinator, &size) != NULL) seen++;
        ck_assert_uint_le(seen, 8);
        if (turn == 0) ck_assert_uint_lt(seen, 8); /* or the ring is too large for this test */
        ring_spsc_release(&s->link.to_coordinator);
    }
    ck_assert_uint_eq(seen, 8);
    for (int i = 0; i < 8; i++) port_sim_hang_up(peer[i]);
    free((void *)(uintptr_t)assignment.assignment.bytes);
    sim_stop(s);
}
END_TEST

/* Random cuts of requests and answers, random pauses, sudden ends: what arrives is right, nothing is left behind. */
START_TEST(seeded_network)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_server *s = sim_start(1, 4 << 20, config, seed);
        struct log *l = memory_log_new(s->storage, "orders");
        struct port_sim_peer *peer[6];
        uint64_t at[6] = {0};
        l->piece_bytes_max = 3000;
        for (int i = 0; i < 6; i++) peer[i] = port_sim_connect(s->lcore->port);
        for (int turn = 0; turn < 60; turn++) {
            struct simple_fetch f;
            struct fetch_response out;
            if (random_below(&s->random, 3) == 0)
                memory_log_append(s->storage, l, 1 + (uint32_t)random_below(&s->random, 5),
                                  (uint32_t)random_below(&s->random, 9000), 1);
            atomic_store(&l->is_cold, random_below(&s->random, 2) == 0);
            size_t i = random_below(&s->random, 6);
            simple_fetch_init(&f, "orders", (int64_t)at[i], (int32_t)random_below(&s->random, 50), 1);
            f.partition.partition_max_bytes = 20000;
            sim_send(s, peer[i], KAFKA_API_FETCH, 12, &f.request);
            for (uint64_t steps = random_below(&s->random, 30); steps > 0; steps--) serve_step(s->lcore);
            if (random_below(&s->random, 8) == 0) { /* sudden end */
                port_sim_hang_up(peer[i]);
                sim_settle(s);
                peer[i] = port_sim_connect(s->lcore->port);
                ck_assert_ptr_nonnull(peer[i]);
                continue;
            }
            sim_settle(s);
            sim_advance_ms(s, 50);
            ck_assert(sim_receive(s, peer[i], KAFKA_API_FETCH, 12, &out));
            const struct fetch_response_partition *p = out.responses[0].partitions;
            ck_assert_int_eq(p->error_code, 0);
            if (p->records.size == 0) continue;
            uint32_t batch = 0;
            while (l->batch[batch].next_offset <= at[i]) batch++;
            ck_assert_mem_eq(p->records.bytes, l->bytes + l->batch[batch].position, (size_t)p->records.size);
            at[i] = l->batch[batch].next_offset;
        }
        for (int i = 0; i < 6; i++) port_sim_hang_up(peer[i]);
        sim_settle(s);
        ck_assert_int_eq(atomic_load(&s->storage->pins), 0);
        sim_stop(s);
    }
}
END_TEST

/* Good requests of every kind, with bytes changed or the end cut off: an answer or a closed connection, and no harm
 * (run it with the sanitizers). */
START_TEST(mutated_requests)
{
    struct random random;
    struct sim_server *s = sim_start(1, 1 << 20, config, 0);
    struct log *l = memory_log_new(s->storage, "orders");
    memory_log_append(s->storage, l, 5, 100, 1000);
    random_init(&random, 7);
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", 0, 0, 1);
    struct metadata_request_topic name = {.name = kafka_string_of("orders")};
    struct metadata_request named = {.topics = &name, .topic_count = 1};
    struct list_offsets_request_partition at = {0, -1, 1000, 1};
    struct list_offsets_request_topic listed = {kafka_string_of("orders"), &at, 1};
    struct list_offsets_request list = {-1, 0, &listed, 1};
    struct find_coordinator_request find = {.key = kafka_string_of("group")};
    struct produce_request_partition records = {0, {(const uint8_t *)"junk", 4}};
    struct produce_request_topic produced = {kafka_string_of("orders"), &records, 1};
    struct produce_request produce = {kafka_string_null(), 1, 1000, &produced, 1};
    struct api_versions_request versions = {kafka_string_of("name"), kafka_string_of("1")};
    const struct { int16_t api_key; const void *body; } requests[] = {
        {KAFKA_API_FETCH, &f.request}, {KAFKA_API_METADATA, &named}, {KAFKA_API_LIST_OFFSETS, &list},
        {KAFKA_API_FIND_COORDINATOR, &find}, {KAFKA_API_PRODUCE, &produce}, {KAFKA_API_API_VERSIONS, &versions}};
    uint32_t answered = 0, closed = 0;
    for (int round = 0; round < 20000; round++) {
        size_t kind = (size_t)round % 6;
        int16_t version = (int16_t)random_below(&random, (uint64_t)version_max(requests[kind].api_key) + 1);
        size_t size = request_make(requests[kind].api_key, version, round, requests[kind].body, s->frame, 4096);
        if (random_below(&random, 4) == 0) size = 12 + random_below(&random, size - 11);
        for (uint64_t changes = random_below(&random, 4); changes > 0; changes--)
            s->frame[8 + random_below(&random, size - 8)] = (uint8_t)random_u64(&random);
        s->frame[2] = (uint8_t)((size - 4) >> 8);
        s->frame[3] = (uint8_t)(size - 4);
        struct port_sim_peer *peer = port_sim_connect(s->lcore->port);
        ck_assert(port_sim_write(peer, s->frame, size));
        for (int i = 0; i < 6; i++) serve_step(s->lcore);
        bool is_waiting = s->lcore->parked_count > 0; /* a Fetch whose max_wait was changed */
        answered += port_sim_readable(peer) > 0;
        closed += port_sim_is_closed(peer);
        ck_assert(is_waiting || port_sim_readable(peer) > 0 || port_sim_is_closed(peer));
        port_sim_hang_up(peer);
        for (int i = 0; i < 6; i++) serve_step(s->lcore);
        ck_assert_uint_eq(s->lcore->client_count, 0);
    }
    ck_assert_uint_gt(answered, 2000);
    ck_assert_uint_gt(closed, 2000);
    sim_stop(s);
}
END_TEST

START_TEST(idle_connections_are_closed_and_waiting_ones_are_not)
{
    struct sim_server *s = sim_start(1, 4096, config, 0);
    memory_log_new(s->storage, "orders");
    struct port_sim_peer *idle = port_sim_connect(s->lcore->port), *parked = port_sim_connect(s->lcore->port);
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", 0, INT_MAX, 1);
    sim_send(s, parked, KAFKA_API_FETCH, 11, &f.request);
    sim_settle(s);
    sim_advance_ms(s, SIM_IDLE_MS - 2000);
    ck_assert(!port_sim_is_closed(idle));
    sim_advance_ms(s, 4000);
    ck_assert(port_sim_is_closed(idle));
    ck_assert(!port_sim_is_closed(parked));
    port_sim_hang_up(idle);
    port_sim_hang_up(parked);
    sim_stop(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("requests");
    TCase *t = tcase_create("requests");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, api_versions);
    tcase_add_test(t, metadata);
    tcase_add_test(t, find_coordinator_and_produce);
    tcase_add_test(t, fetch_in_every_version);
    tcase_add_test(t, fetch_of_old_clients);
    tcase_add_test(t, fetch_limits);
    tcase_add_test(t, fetch_waits);
    tcase_add_test(t, what_is_sent_again_is_waited_for);
    tcase_add_test(t, what_is_taken_back_under_a_fetch_is_waited_for);
    tcase_add_test(t, a_parked_fetch_holds_back_what_is_behind_it);
    tcase_add_test(t, cold_fetches_wait_for_the_disk);
    tcase_add_test(t, group_requests_are_passed_on);
    tcase_add_test(t, a_full_ring_to_the_coordinator_delays_and_loses_nothing);
    tcase_add_test(t, seeded_network);
    tcase_add_test(t, mutated_requests);
    tcase_add_test(t, idle_connections_are_closed_and_waiting_ones_are_not);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
