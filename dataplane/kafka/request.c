#include "dataplane/kafka/offsets_topic.h"

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

static struct log *seen(const struct request *r, struct log *log)
{
    if (log == NULL) return NULL;
    const char *name = log_identity(log)->name;
    return principal_sees_channel(r->principal, name, strlen(name)) ? log : NULL;
}

struct log *request_log(const struct request *r, struct kafka_string topic)
{
    if (topic.size <= 0 || topic.size >= LOG_NAME_BYTES) return NULL;
    return seen(r, log_find(r->node->storage, topic.chars, (size_t)topic.size));
}

struct log *request_log_at(const struct request *r, uint32_t slot)
{
    return seen(r, log_at(r->node->storage, slot));
}

struct log *request_log_by_id(const struct request *r, struct kafka_uuid id)
{
    for (uint32_t slot = 0; slot < LOGS_MAX; slot++) {
        struct log *log = request_log_at(r, slot);
        if (log == NULL) continue;
        struct kafka_uuid found = request_topic_id(log);
        if (memcmp(found.bytes, id.bytes, sizeof id.bytes) == 0) return log;
    }
    return NULL;
}

int32_t request_partition_count(const struct log *log)
{
    return log_identity(log)->is_internal ? OFFSETS_TOPIC_PARTITIONS : 1;
}

bool request_has_partition(const struct log *log, int32_t index)
{
    return index >= 0 && index < request_partition_count(log);
}

struct kafka_uuid request_topic_id(const struct log *log)
{
    struct kafka_uuid id;
    log_topic_id(log_identity(log), id.bytes);
    return id;
}

bool request_is_no_id(struct kafka_uuid id)
{
    static const struct kafka_uuid none;
    return memcmp(id.bytes, none.bytes, sizeof none.bytes) == 0;
}

static bool topic_is_legal(struct kafka_string name)
{
    bool is_legal = name.size > 0 && name.size < LOG_NAME_BYTES && !kafka_string_is(name, ".") &&
                    !kafka_string_is(name, "..");
    for (int32_t i = 0; is_legal && i < name.size; i++) {
        char c = name.chars[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        is_legal = is_alnum || c == '.' || c == '_' || c == '-';
    }
    return is_legal;
}

enum kafka_error request_topic_unknown(const struct request *r, struct kafka_string name)
{
    if (name.size >= 0 && principal_sees_channel(r->principal, name.chars, (size_t)name.size))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

enum kafka_error request_topic_missing(const struct request *r, struct kafka_string name)
{
    return topic_is_legal(name) ? request_topic_unknown(r, name) : KAFKA_INVALID_TOPIC_EXCEPTION;
}

struct kafka_string request_cluster_id(const struct request *r)
{
    if (!principal_is_limited(r->principal)) return r->node->cluster_id;
    struct log *log = request_log(r, kafka_string_of(r->principal->channel));
    return log == NULL ? r->node->cluster_id : kafka_string_of(log_identity(log)->cluster_id);
}

struct epoch_end request_epoch_end(const struct log *log, uint64_t watermark, int32_t asked)
{
    const struct log_identity *id = log_identity(log);
    struct epoch_end none = {-1, -1};
    if (asked < 0 || (uint32_t)asked > id->leader_epoch) return none;
    uint32_t back = id->leader_epoch - (uint32_t)asked;
    if (back == 0) return (struct epoch_end){asked, (int64_t)watermark};
    if (back >= LOG_EPOCHS_MAX || id->epoch_start[back - 1] == UINT64_MAX) return none;
    uint64_t end = id->epoch_start[back - 1];
    while (back + 1 < LOG_EPOCHS_MAX && back < id->leader_epoch && id->epoch_start[back] == end) back++;
    return (struct epoch_end){(int32_t)(id->leader_epoch - back), (int64_t)end};
}

int32_t request_epoch_of(const struct log *log, uint64_t offset)
{
    const struct log_identity *id = log_identity(log);
    for (uint32_t back = 0; back < LOG_EPOCHS_MAX && back <= id->leader_epoch; back++) {
        if (id->epoch_start[back] == UINT64_MAX) break;
        if (id->epoch_start[back] <= offset) return (int32_t)(id->leader_epoch - back);
    }
    return -1;
}

enum kafka_error request_epoch_error(const struct log *log, int32_t epoch)
{
    int64_t ours = log_identity(log)->leader_epoch;
    if (epoch < 0 || epoch == ours) return KAFKA_NONE;
    return epoch < ours ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}
