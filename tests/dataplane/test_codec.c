/* Goal: every message and version survives its way over the wire, every cut or bent one is refused without harm, and
 * the oldest versions have exactly the bytes that the protocol guide prescribes.  Method: random content made from
 * the same table, all truncations, mutations; and bytes written by hand, which know nothing of the table. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/codec_random.h"
#include "tests/suite.h"

enum { ROOM = 1 << 20, BODY = 512 };

static uint8_t *room[3];
static uint64_t body_a[BODY / 8], body_b[BODY / 8];

static void setup(void)
{
    for (int i = 0; i < 3; i++) room[i] = malloc(ROOM);
}

static void teardown(void)
{
    for (int i = 0; i < 3; i++) free(room[i]);
}

/* Exactly `size` bytes on the heap, so that a read past the end is seen. */
static enum err decode_exact(const struct kafka_message *m, int16_t version, const uint8_t *bytes, size_t size,
                             size_t arena_size, void *out)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, bytes, size);
    struct kafka_arena arena = {room[2], arena_size, 0};
    struct cursor in = cursor_of(copy, size);
    enum err e = kafka_decode(m, version, &in, &arena, out);
    free(copy);
    return e;
}

START_TEST(every_message_and_version_survives_the_wire)
{
    struct random r;
    random_init(&r, 20210);
    for (uint32_t i = 0; codec_message_at(i) != NULL; i++) {
        const struct kafka_message *m = codec_message_at(i);
        ck_assert_uint_le(m->body.struct_bytes, BODY);
        for (int16_t v = m->version_min; v <= m->version_max; v++) {
            for (int round = 0; round < 40; round++) {
                struct kafka_arena arena = {room[0], ROOM, 0}, back = {room[2], ROOM, 0};
                codec_random(m, v, &r, &arena, body_a);
                struct sink out = sink_of(room[1], ROOM);
                ck_assert_int_eq(kafka_encode(m, v, body_a, &out, NULL), ERR_OK);
                struct cursor in = cursor_of(room[1], (size_t)(out.at - room[1]));
                ck_assert_msg(kafka_decode(m, v, &in, &back, body_b) == ERR_OK, "%s v%d", m->name, v);
                ck_assert_msg(cursor_left(&in) == 0, "%s v%d leaves bytes", m->name, v);
                ck_assert_msg(codec_equal(&m->body, v, body_a, body_b), "%s v%d differs", m->name, v);
            }
        }
    }
}
END_TEST

START_TEST(every_truncation_and_every_full_sink_is_refused)
{
    struct random r;
    random_init(&r, 7);
    for (uint32_t i = 0; codec_message_at(i) != NULL; i++) {
        const struct kafka_message *m = codec_message_at(i);
        for (int16_t v = m->version_min; v <= m->version_max; v++) {
            struct kafka_arena arena = {room[0], ROOM, 0};
            codec_random(m, v, &r, &arena, body_a);
            struct sink out = sink_of(room[1], ROOM);
            ck_assert_int_eq(kafka_encode(m, v, body_a, &out, NULL), ERR_OK);
            size_t size = (size_t)(out.at - room[1]);
            for (size_t cut = 0; cut < size; cut++) {
                enum err e = decode_exact(m, v, room[1], cut, ROOM, body_b);
                ck_assert_msg(e == ERR_TRUNCATED || e == ERR_CORRUPT, "%s v%d cut at %zu: %d", m->name, v, cut, e);
                uint8_t *small = malloc(cut == 0 ? 1 : cut);
                out = sink_of(small, cut);
                ck_assert_int_eq(kafka_encode(m, v, body_a, &out, NULL), ERR_NO_SPACE);
                free(small);
            }
        }
    }
}
END_TEST

START_TEST(bent_messages_do_no_harm)
{
    struct random r;
    uint64_t refused = 0, taken = 0;
    random_init(&r, 99);
    for (int round = 0; round < 30000; round++) {
        uint32_t count = 0;
        while (codec_message_at(count) != NULL) count++;
        const struct kafka_message *m = codec_message_at((uint32_t)random_below(&r, count));
        int16_t v = (int16_t)(m->version_min + (int)random_below(&r, (uint64_t)(m->version_max - m->version_min + 1)));
        struct kafka_arena arena = {room[0], ROOM, 0};
        codec_random(m, v, &r, &arena, body_a);
        struct sink out = sink_of(room[1], ROOM);
        ck_assert_int_eq(kafka_encode(m, v, body_a, &out, NULL), ERR_OK);
        size_t size = (size_t)(out.at - room[1]);
        if (size == 0) continue;
        for (uint64_t bends = 1 + random_below(&r, 4); bends > 0; bends--) {
            uint8_t *at = room[1] + random_below(&r, size);
            switch (random_below(&r, 4)) {
            case 0: *at = 0xff; break;
            case 1: *at = 0x7f; break;
            case 2: *at ^= (uint8_t)(1u << random_below(&r, 8)); break;
            default: *at = (uint8_t)random_u64(&r);
            }
        }
        enum err e = decode_exact(m, v, room[1], size, random_below(&r, 3) == 0 ? 256 : ROOM, body_b);
        ck_assert(e == ERR_OK || e == ERR_TRUNCATED || e == ERR_CORRUPT || e == ERR_TOO_LARGE);
        if (e == ERR_OK) taken++;
        else refused++;
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(taken, 1000);
}
END_TEST

START_TEST(a_promise_of_a_billion_entries_takes_no_memory)
{
    static const uint8_t v0[] = {0x3f, 0xff, 0xff, 0xff, 0, 1, 'a'};
    ck_assert_int_eq(decode_exact(kafka_request_of(KAFKA_API_METADATA), 0, v0, sizeof v0, ROOM, body_b), ERR_TRUNCATED);
    static const uint8_t v9[] = {0xff, 0xff, 0xff, 0xff, 0x07, 2, 'a', 0};
    ck_assert_int_eq(decode_exact(kafka_request_of(KAFKA_API_METADATA), 9, v9, sizeof v9, ROOM, body_b), ERR_TRUNCATED);
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    enum err e = decode_exact(kafka_request_of(KAFKA_API_METADATA), 9, endless, sizeof endless, ROOM, body_b);
    ck_assert_int_eq(e, ERR_TRUNCATED);
}
END_TEST

/* --- bytes by hand --- */

static void expect_frame(int16_t api, int16_t version, const void *body, const void *bytes, size_t size)
{
    struct sink out = sink_of(room[1], ROOM);
    ck_assert_int_eq(kafka_response_encode(kafka_response_of(api), version, 7, body, &out, NULL), ERR_OK);
    ck_assert_uint_eq((size_t)(out.at - room[1]), size);
    ck_assert_mem_eq(room[1], bytes, size);
}
#define EXPECT_FRAME(api, version, body, ...) \
    do {                                                                   \
        static const uint8_t want_[] = {__VA_ARGS__};                      \
        expect_frame(api, version, body, want_, sizeof want_);             \
    } while (0)

START_TEST(responses_have_the_bytes_of_the_protocol_guide)
{
    struct api_version keys[] = {{1, 0, 12}};
    struct api_versions_response versions = {.api_keys = keys, .api_key_count = 1, .finalized_features_epoch = -1};
    EXPECT_FRAME(18, 0, &versions, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 12);
    EXPECT_FRAME(18, 1, &versions, 0, 0, 0, 20, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 12, 0, 0, 0, 0);
    /* Flexible body, but header v0: no byte between correlation id and error code. */
    EXPECT_FRAME(18, 3, &versions, 0, 0, 0, 19, 0, 0, 0, 7, 0, 0, 2, 0, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0);

    struct find_coordinator_response coordinator = {.host = kafka_string_of("h"), .port = 9092, .node_id = 1,
                                                    .error_message = kafka_string_null()};
    EXPECT_FRAME(10, 0, &coordinator, 0, 0, 0, 17, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 1, 'h', 0, 0, 0x23, 0x84);
    EXPECT_FRAME(10, 3, &coordinator, 0, 0, 0, 23, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 'h', 0, 0, 0x23,
                 0x84, 0);

    struct join_group_response_member member = {kafka_string_of("m"), kafka_string_null(),
                                                {(const uint8_t *)"xy", 2}};
    struct join_group_response join = {.generation_id = 3, .protocol_type = kafka_string_of("consumer"),
        .protocol_name = kafka_string_of("p"), .leader = kafka_string_of("m"), .member_id = kafka_string_of("m"),
        .members = &member, .member_count = 1};
    EXPECT_FRAME(11, 0, &join, 0, 0, 0, 32, 0, 0, 0, 7, 0, 0, 0, 0, 0, 3, 0, 1, 'p', 0, 1, 'm', 0, 1, 'm', 0, 0, 0, 1,
                 0, 1, 'm', 0, 0, 0, 2, 'x', 'y');
    join.protocol_name = kafka_string_null(); /* has no null in v0: an empty string */
    EXPECT_FRAME(11, 0, &join, 0, 0, 0, 31, 0, 0, 0, 7, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 'm', 0, 1, 'm', 0, 0, 0, 1,
                 0, 1, 'm', 0, 0, 0, 2, 'x', 'y');

    struct sync_group_response sync = {.error_code = 27};
    EXPECT_FRAME(14, 0, &sync, 0, 0, 0, 10, 0, 0, 0, 7, 0, 27, 0, 0, 0, 0);
    struct heartbeat_response heartbeat = {.error_code = 25};
    EXPECT_FRAME(12, 0, &heartbeat, 0, 0, 0, 6, 0, 0, 0, 7, 0, 25);
    EXPECT_FRAME(12, 1, &heartbeat, 0, 0, 0, 10, 0, 0, 0, 7, 0, 0, 0, 0, 0, 25);
    EXPECT_FRAME(12, 4, &heartbeat, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 25, 0);

    struct offset_fetch_response_partition partition = {0, 5, -1, {"a", 1}, 0};
    struct offset_fetch_response_topic topic = {kafka_string_of("t"), &partition, 1};
    struct offset_fetch_response fetch = {.topics = &topic, .topic_count = 1};
    EXPECT_FRAME(9, 1, &fetch, 0, 0, 0, 32, 0, 0, 0, 7, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0,
                 0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 'a', 0, 0);
}
END_TEST

START_TEST(structs_that_may_be_null)
{
    struct describe_topic_partitions_cursor cursor = {kafka_string_of("t"), 3};
    struct describe_topic_partitions_response described = {.next_cursor = &cursor};
    EXPECT_FRAME(75, 0, &described, 0, 0, 0, 19, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 1, 2, 't', 0, 0, 0, 3, 0, 0);
    described.next_cursor = NULL;
    EXPECT_FRAME(75, 0, &described, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0xff, 0);

    static const uint8_t start[] = {1, 0, 0, 0, 9, 0xff, 0}, on[] = {1, 0, 0, 0, 9, 1, 2, 't', 0, 0, 0, 3, 0, 0};
    struct describe_topic_partitions_request asked;
    struct kafka_arena arena = {room[2], ROOM, 0};
    struct cursor in = cursor_of(start, sizeof start);
    ck_assert_int_eq(kafka_decode(kafka_request_of(75), 0, &in, &arena, &asked), ERR_OK);
    ck_assert(asked.cursor == NULL && asked.response_partition_limit == 9);
    in = cursor_of(on, sizeof on);
    ck_assert_int_eq(kafka_decode(kafka_request_of(75), 0, &in, &arena, &asked), ERR_OK);
    ck_assert(kafka_string_is(asked.cursor->topic_name, "t") && asked.cursor->partition_index == 3);
    in = cursor_of(on, sizeof on);
    arena = (struct kafka_arena){room[2], sizeof cursor - 1, 0};
    ck_assert_int_eq(kafka_decode(kafka_request_of(75), 0, &in, &arena, &asked), ERR_TOO_LARGE);

    char text[100];
    described.next_cursor = &cursor;
    kafka_print(kafka_response_of(75), 0, &described, text, sizeof text);
    ck_assert_str_eq(text, "{ThrottleTimeMs: 0, Topics: [], NextCursor: {TopicName: \"t\", PartitionIndex: 3}}");
}
END_TEST

START_TEST(no_other_key_or_version_is_read)
{
    uint32_t count = 0;
    for (; kafka_request_at(count) != NULL; count++) {
        const struct kafka_message *m = kafka_request_at(count);
        ck_assert(count == 0 || m->api_key > kafka_request_at(count - 1)->api_key);
        int16_t last = kafka_served_max(m->api_key);
        for (int16_t version = 0; version <= last + 1; version++) {
            uint8_t bytes[] = {0, (uint8_t)m->api_key, 0, (uint8_t)version, 0, 0, 0, 5, 0xff, 0xff, 0};
            struct cursor in = cursor_of(bytes, sizeof bytes);
            struct kafka_request_header header;
            enum err want = version <= last ? ERR_OK : ERR_UNSUPPORTED;
            ck_assert_msg(kafka_request_header_decode(&in, &header) == want, "%s v%d", m->name, version);
        }
    }
    ck_assert_uint_eq(count, 33);
}
END_TEST

START_TEST(a_metadata_answer_of_version_0)
{
    int32_t nodes[] = {1};
    struct metadata_response_broker broker = {1, kafka_string_of("h"), 9, kafka_string_null()};
    struct metadata_response_partition partition = {.leader_id = 1, .replica_nodes = nodes, .replica_node_count = 1,
                                                    .isr_nodes = nodes, .isr_node_count = 1};
    struct metadata_response_topic topic = {.name = kafka_string_of("t"), .partitions = &partition,
                                            .partition_count = 1};
    struct metadata_response body = {.brokers = &broker, .broker_count = 1, .topics = &topic, .topic_count = 1,
                                     .cluster_id = kafka_string_of("c"), .controller_id = 1};
    EXPECT_FRAME(3, 0, &body, 0, 0, 0, 58, 0, 0, 0, 7,
                 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 'h', 0, 0, 0, 9,      /* brokers */
                 0, 0, 0, 1, 0, 0, 0, 1, 't', 0, 0, 0, 1,            /* topics */
                 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1);
}
END_TEST

START_TEST(requests_of_the_oldest_versions_are_read)
{
    static const uint8_t commit_v0[] = {0, 1, 'g', 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0,
                                        0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff};
    struct offset_commit_request commit;
    struct kafka_arena arena = {room[2], ROOM, 0};
    struct cursor in = cursor_of(commit_v0, sizeof commit_v0);
    ck_assert_int_eq(kafka_decode(kafka_request_of(8), 0, &in, &arena, &commit), ERR_OK);
    ck_assert(kafka_string_is(commit.group_id, "g") && kafka_string_is(commit.topics[0].name, "t"));
    ck_assert_int_eq(commit.generation_id, -1);
    ck_assert_int_eq(commit.retention_time_ms, -1);
    ck_assert_int_eq(commit.group_instance_id.size, -1);
    ck_assert_int_eq(commit.topics[0].partitions[0].committed_offset, 9);
    ck_assert_int_eq(commit.topics[0].partitions[0].committed_metadata.size, -1);
    ck_assert_int_eq(commit.topics[0].partitions[0].commit_timestamp, -1);

    static const uint8_t fetch_v0[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 100, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 't',
                                       0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0};
    struct fetch_request fetch;
    in = cursor_of(fetch_v0, sizeof fetch_v0);
    ck_assert_int_eq(kafka_decode(kafka_request_of(1), 0, &in, &arena, &fetch), ERR_OK);
    ck_assert_int_eq(fetch.max_bytes, INT32_MAX);
    ck_assert_int_eq(fetch.session_epoch, -1);
    ck_assert_int_eq(fetch.topics[0].partitions[0].fetch_offset, 3);
    ck_assert_int_eq(fetch.topics[0].partitions[0].partition_max_bytes, 65536);

    static const uint8_t all[] = {0xff, 0xff, 0xff, 0xff}, none[] = {0, 0, 0, 0};
    struct metadata_request metadata;
    ck_assert_int_eq(decode_exact(kafka_request_of(3), 0, all, 4, ROOM, &metadata), ERR_CORRUPT); /* v0: no null */
    ck_assert_int_eq(decode_exact(kafka_request_of(3), 1, all, 4, ROOM, &metadata), ERR_OK);
    ck_assert_int_eq(metadata.topic_count, -1);
    ck_assert_int_eq(decode_exact(kafka_request_of(3), 0, none, 4, ROOM, &metadata), ERR_OK);
    ck_assert_int_eq(metadata.topic_count, 0);
    ck_assert(metadata.allow_auto_topic_creation);
}
END_TEST

/* --- headers, gaps, tags --- */

START_TEST(request_headers_of_both_kinds)
{
    struct kafka_request_header header;
    static const uint8_t v1[] = {0, 12, 0, 0, 0, 0, 0, 5, 0, 2, 'i', 'd', 0xaa};
    struct cursor in = cursor_of(v1, sizeof v1);
    ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_OK);
    ck_assert(header.api_key == 12 && header.api_version == 0 && header.correlation_id == 5);
    ck_assert(kafka_string_is(header.client_id, "id") && cursor_left(&in) == 1);

    /* v2: the client id keeps its int16 length; an unknown tag 3 of two bytes is skipped. */
    static const uint8_t v2[] = {0, 12, 0, 4, 0, 0, 0, 5, 0xff, 0xff, 1, 3, 2, 9, 9, 0xaa};
    in = cursor_of(v2, sizeof v2);
    ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_OK);
    ck_assert(header.client_id.size == -1 && cursor_left(&in) == 1);
    for (size_t cut = 0; cut < sizeof v2 - 1; cut++) {
        in = cursor_of(v2, cut);
        ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_TRUNCATED);
    }

    static const uint8_t newer[] = {0, 18, 0, 5, 0, 0, 0, 6};
    in = cursor_of(newer, sizeof newer);
    ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_UNSUPPORTED);
    ck_assert(header.api_key == 18 && header.api_version == 5 && header.correlation_id == 6);
    static const uint8_t unknown[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 6};
    in = cursor_of(unknown, sizeof unknown);
    ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_UNSUPPORTED);
    static const uint8_t negative[] = {0, 12, 0, 0, 0, 0, 0, 5, 0x80, 0};
    in = cursor_of(negative, sizeof negative);
    ck_assert_int_eq(kafka_request_header_decode(&in, &header), ERR_CORRUPT);
}
END_TEST

START_TEST(requests_that_we_write_are_read_back)
{
    struct kafka_request_header header = {12, 4, 77, kafka_string_of("me")}, seen;
    struct heartbeat_request body = {kafka_string_of("g"), 3, kafka_string_of("m"), kafka_string_null()}, back;
    struct sink out = sink_of(room[1], ROOM);
    ck_assert_int_eq(kafka_request_encode(kafka_request_of(12), &header, &body, &out), ERR_OK);
    struct cursor in = cursor_of(room[1], (size_t)(out.at - room[1]));
    ck_assert_uint_eq(cursor_be(&in, 4), cursor_left(&in));
    ck_assert_int_eq(kafka_request_header_decode(&in, &seen), ERR_OK);
    struct kafka_arena arena = {room[2], ROOM, 0};
    ck_assert_int_eq(kafka_decode(kafka_request_of(12), seen.api_version, &in, &arena, &back), ERR_OK);
    ck_assert(seen.correlation_id == 77 && kafka_string_is(seen.client_id, "me") && back.generation_id == 3);
    ck_assert_uint_eq(cursor_left(&in), 0);
}
END_TEST

START_TEST(records_that_travel_separately_leave_a_gap)
{
    static const uint8_t one[200] = {1, 2, 3}, two[3] = {7, 8, 9};
    struct fetch_response_partition partitions[] = {
        {FETCH_TAGS_ABSENT, .high_watermark = 9, .aborted_transaction_count = -1, .records = {one, sizeof one}},
        {FETCH_TAGS_ABSENT, .partition_index = 1, .records = {NULL, 0}},
        {FETCH_TAGS_ABSENT, .partition_index = 2, .records = {two, sizeof two}},
    };
    struct fetch_response_topic topic = {.topic = kafka_string_of("t"), .partitions = partitions, .partition_count = 3};
    struct fetch_response body = {.responses = &topic, .response_count = 1};
    for (int16_t v = 0; v <= 17; v++) {
        partitions[0].records.bytes = one;
        partitions[2].records.bytes = two;
        struct sink whole = sink_of(room[1], ROOM);
        ck_assert_int_eq(kafka_response_encode(kafka_response_of(1), v, 5, &body, &whole, NULL), ERR_OK);
        partitions[0].records.bytes = partitions[2].records.bytes = NULL;
        uint32_t position[2];
        struct kafka_gaps gaps = {position, 2, 0, 0};
        struct sink cut = sink_of(room[0], ROOM);
        ck_assert_int_eq(kafka_response_encode(kafka_response_of(1), v, 5, &body, &cut, &gaps), ERR_OK);
        ck_assert_uint_eq(gaps.count, 2);
        ck_assert_uint_eq(gaps.bytes, sizeof one + sizeof two);
        /* Pieces and records, put together, are the whole frame. */
        uint8_t *at = room[2], *end = cut.at;
        memcpy(at, room[0], position[0]); at += position[0];
        memcpy(at, one, sizeof one); at += sizeof one;
        memcpy(at, room[0] + position[0], position[1] - position[0]); at += position[1] - position[0];
        memcpy(at, two, sizeof two); at += sizeof two;
        memcpy(at, room[0] + position[1], (size_t)(end - room[0]) - position[1]); at += (end - room[0]) - position[1];
        ck_assert_uint_eq((size_t)(at - room[2]), (size_t)(whole.at - room[1]));
        ck_assert_mem_eq(room[2], room[1], (size_t)(at - room[2]));
        gaps = (struct kafka_gaps){position, 1, 0, 0};
        cut = sink_of(room[0], ROOM);
        ck_assert_int_eq(kafka_response_encode(kafka_response_of(1), v, 5, &body, &cut, &gaps), ERR_NO_SPACE);
    }
}
END_TEST

START_TEST(tags_are_skipped_when_unknown_and_refused_when_out_of_order)
{
    /* Heartbeat v4: group "g", generation 1, member "m", no instance; tags. */
    static const uint8_t head[] = {2, 'g', 0, 0, 0, 1, 2, 'm', 0};
    static const struct { uint8_t tags[12]; size_t size; enum err want; } cases[] = {
        {{0}, 1, ERR_OK},
        {{1, 5, 2, 1, 1}, 5, ERR_OK},
        {{2, 5, 0, 6, 1, 1}, 6, ERR_OK},
        {{2, 5, 0, 5, 0}, 5, ERR_CORRUPT},   /* twice */
        {{2, 6, 0, 5, 0}, 5, ERR_CORRUPT},   /* falling */
        {{1, 5, 9, 1, 1}, 5, ERR_TRUNCATED}, /* longer than the message */
        {{0x7f}, 1, ERR_TRUNCATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[32];
        memcpy(bytes, head, sizeof head);
        memcpy(bytes + sizeof head, cases[i].tags, cases[i].size);
        enum err e = decode_exact(kafka_request_of(12), 4, bytes, sizeof head + cases[i].size, ROOM, body_b);
        ck_assert_msg(e == cases[i].want, "case %zu: %d", i, e);
    }
}
END_TEST

START_TEST(printing_shows_the_fields_of_the_version)
{
    char text[200];
    struct offset_commit_request_partition p = {0, 12, 3, -1, kafka_string_of("a\"b")};
    struct offset_commit_request_topic t = {kafka_string_of("t"), &p, 1};
    struct offset_commit_request body = {.group_id = kafka_string_of("g"), .member_id = kafka_string_null(),
                                         .retention_time_ms = -1, .topics = &t, .topic_count = 1};
    size_t size = kafka_print(kafka_request_of(8), 0, &body, text, sizeof text);
    ck_assert_str_eq(text, "{GroupId: \"g\", Topics: [{Name: \"t\", Partitions: [{PartitionIndex: 0, "
                           "CommittedOffset: 12, CommittedMetadata: \"a\\\"b\"}]}]}");
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_uint_eq(kafka_print(kafka_request_of(8), 0, &body, text, 5), size);
    ck_assert_str_eq(text, "{Gro");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *tcase = tcase_create("codec");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_message_and_version_survives_the_wire);
    tcase_add_test(tcase, every_truncation_and_every_full_sink_is_refused);
    tcase_add_test(tcase, bent_messages_do_no_harm);
    tcase_add_test(tcase, a_promise_of_a_billion_entries_takes_no_memory);
    tcase_add_test(tcase, responses_have_the_bytes_of_the_protocol_guide);
    tcase_add_test(tcase, structs_that_may_be_null);
    tcase_add_test(tcase, no_other_key_or_version_is_read);
    tcase_add_test(tcase, a_metadata_answer_of_version_0);
    tcase_add_test(tcase, requests_of_the_oldest_versions_are_read);
    tcase_add_test(tcase, request_headers_of_both_kinds);
    tcase_add_test(tcase, requests_that_we_write_are_read_back);
    tcase_add_test(tcase, records_that_travel_separately_leave_a_gap);
    tcase_add_test(tcase, tags_are_skipped_when_unknown_and_refused_when_out_of_order);
    tcase_add_test(tcase, printing_shows_the_fields_of_the_version);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
