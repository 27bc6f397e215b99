#include "tests/dataplane/kafka_client.h"

#include <check.h>

size_t request_make(int16_t api_key, int16_t version, int32_t correlation_id, const void *body, uint8_t *out,
                    size_t max)
{
    struct sink s = sink_of(out, max);
    struct kafka_request_header header = {api_key, version, correlation_id, kafka_string_of("test")};
    ck_assert_int_eq(kafka_request_encode(kafka_request_of(api_key), &header, body, &s), ERR_OK);
    return (size_t)(s.at - out);
}

void response_read(int16_t api_key, int16_t version, int32_t correlation_id, const uint8_t *frame, size_t size,
                   struct kafka_arena *arena, void *out)
{
    const struct kafka_message *m = kafka_response_of(api_key);
    struct cursor in = cursor_of(frame, size);
    ck_assert_uint_eq(cursor_be(&in, 4), size - 4);
    ck_assert_int_eq((int32_t)cursor_be(&in, 4), correlation_id);
    if (version >= m->flexible_since && api_key != KAFKA_API_API_VERSIONS) ck_assert_uint_eq(cursor_uvarint(&in), 0);
    arena->used = 0;
    ck_assert_int_eq(kafka_decode(m, version, &in, arena, out), ERR_OK);
    ck_assert_uint_eq(cursor_left(&in), 0);
}

void simple_fetch_init(struct simple_fetch *f, const char *topic, int64_t offset, int32_t max_wait_ms,
                       int32_t min_bytes)
{
    *f = (struct simple_fetch){
        .request = {.cluster_id = kafka_string_null(), .replica_id = -1, .max_wait_ms = max_wait_ms,
                    .min_bytes = min_bytes, .max_bytes = 50 << 20, .session_epoch = -1, .topic_count = 1},
        .topic = {.topic = kafka_string_of(topic), .partition_count = 1},
        .partition = {.current_leader_epoch = -1, .fetch_offset = offset, .last_fetched_epoch = -1,
                      .log_start_offset = -1, .partition_max_bytes = 1 << 20},
    };
    f->request.topics = &f->topic;
    f->topic.partitions = &f->partition;
}
