/* tests/dataplane/kafka_client.h -- a test's own client: requests and responses by the server's table. */
#ifndef TESTS_DATAPLANE_KAFKA_CLIENT_H
#define TESTS_DATAPLANE_KAFKA_CLIENT_H

#include "dataplane/kafka/messages.h"

/* Encodes a whole request frame into `out`; returns its size. */
size_t request_make(int16_t api_key, int16_t version, int32_t correlation_id, const void *body, uint8_t *out,
                    size_t max);
/* Decodes a whole response frame (size field included) into the struct of messages.h, or fails the test. */
void   response_read(int16_t api_key, int16_t version, int32_t correlation_id, const uint8_t *frame, size_t size,
                     struct kafka_arena *arena, void *out);

/* A Fetch of one partition 0 of one topic, with the defaults of a plain consumer. */
struct simple_fetch {
    struct fetch_request request;
    struct fetch_request_topic topic;
    struct fetch_request_partition partition;
};
void simple_fetch_init(struct simple_fetch *f, const char *topic, int64_t offset, int32_t max_wait_ms,
                       int32_t min_bytes);

#endif
