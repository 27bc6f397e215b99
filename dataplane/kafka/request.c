#include "dataplane/kafka/request.h"

#include <string.h>

enum err request_decode(struct request *r, void *out)
{
    return kafka_decode(kafka_request_of(r->header.api_key), r->header.api_version, &r->body, r->arena, out);
}

void *request_room(struct request *r, int64_t count, size_t size)
{
    struct kafka_arena *a = r->arena;
    size_t at = (a->used + 15) & ~(size_t)15;
    if (count < 0) count = 0;
    if (at > a->size || (uint64_t)count > (a->size - at) / size) return NULL;
    a->used = at + (size_t)count * size;
    return memset(a->bytes + at, 0, (size_t)count * size);
}

struct log *request_log(const struct request *r, struct kafka_string topic)
{
    if (topic.size <= 0 || topic.size >= LOG_NAME_BYTES) return NULL;
    struct log *log = log_find(r->node->storage, topic.chars, (size_t)topic.size);
    return log == NULL || log_identity(log)->is_internal ? NULL : log;
}

enum kafka_error request_epoch_error(const struct log *log, int32_t epoch)
{
    int64_t ours = log_identity(log)->leader_epoch;
    if (epoch < 0 || epoch == ours) return KAFKA_NONE;
    return epoch < ours ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}
