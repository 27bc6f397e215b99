/* ListOffsets (2): the ends of a log, and the first record at or after a time.
 *
 * The unit of a time is told by its size: below 10^10 it is seconds, as the first service of this kind defined it for
 * its consumers: those are answered in seconds, and with -1 outside of what is retained, so that no gap goes unnoticed.
 * Other times are milliseconds with Kafka's own answers. */
#include <string.h>

#include "dataplane/kafka/offsets_topic.h"

enum { /* times that mean something else, and the first versions that know them (KIP-734, KIP-405, KIP-1005) */
    LATEST = -1, EARLIEST = -2, MAX_TIMESTAMP = -3, EARLIEST_LOCAL = -4, LATEST_TIERED = -5,
    MAX_TIMESTAMP_SINCE = 7, EARLIEST_LOCAL_SINCE = 8, LATEST_TIERED_SINCE = 9,
};
static const int64_t seconds_below = 10000000000;

struct listing {
    struct request *request;
    uint32_t partition_count; /* so far, over all topics: the place of the next one's lookup */
    bool     needs_disk;
};

struct listed { int64_t offset, timestamp; };

/* The lookup's answer, from an earlier attempt at this request if there is one.  ERR_AGAIN: the disk is asked. */
static enum err time_find(struct listing *l, struct log *log, int64_t timestamp_ms, uint64_t *offset, int64_t *found_ms)
{
    struct request *r = l->request;
    struct time_lookup *kept = NULL;
    if (r->lookups != NULL) kept = &r->lookups[l->partition_count];
    if (kept != NULL && kept->is_done) {
        *offset = kept->offset;
        *found_ms = kept->found_ms;
        return kept->error;
    }
    enum err e = log_reader_find_time(r->reader, log, timestamp_ms, offset, found_ms);
    if (kept == NULL || e == ERR_AGAIN) return e;
    *kept = (struct time_lookup){.is_done = true, .error = e};
    if (e == ERR_OK) {
        kept->offset = *offset;
        kept->found_ms = *found_ms;
    }
    return e;
}

static enum err time_list(struct listing *l, struct log *log, int64_t timestamp, struct listed *out)
{
    bool is_seconds = timestamp < seconds_below;
    uint64_t offset;
    int64_t found_ms;
    enum err e = time_find(l, log, is_seconds ? timestamp * 1000 : timestamp, &offset, &found_ms);
    if (e == ERR_NOT_FOUND) return ERR_OK;
    if (e != ERR_OK) return e;
    bool is_before_oldest = offset == log_start_offset(log) && found_ms / 1000 > timestamp;
    if (is_seconds && is_before_oldest) return ERR_OK;
    *out = (struct listed){(int64_t)offset, is_seconds ? found_ms / 1000 : found_ms};
    return ERR_OK;
}

static bool is_known_time(int64_t timestamp, int16_t version)
{
    switch (timestamp) {
    case MAX_TIMESTAMP:  return version >= MAX_TIMESTAMP_SINCE;
    case EARLIEST_LOCAL: return version >= EARLIEST_LOCAL_SINCE;
    case LATEST_TIERED:  return version >= LATEST_TIERED_SINCE;
    default:             return timestamp >= EARLIEST;
    }
}

/* The first of the records with the largest time.  ERR_NOT_FOUND, though there are records: it becomes visible within a
 * moment. */
static enum err newest_list(struct listing *l, struct log *log, struct listed *out)
{
    int64_t largest_ms = log_max_timestamp_ms(log);
    uint64_t offset;
    if (largest_ms < 0) return ERR_OK;
    TRY(time_find(l, log, largest_ms, &offset, &out->timestamp));
    out->offset = (int64_t)offset;
    return ERR_OK;
}

/* The end of a partition of __consumer_offsets is its own.  False: it is not known yet. */
static bool view_end(const struct request *r, const struct log *log, int32_t partition, uint64_t *end)
{
    if (!log_identity(log)->is_internal || r->node->offsets_ends == NULL) return true;
    uint64_t start = log_start_offset(log);
    struct offsets_topic_view v = offsets_topic_look(r->node->offsets_ends, (uint32_t)partition, start, *end);
    *end = v.end;
    return v.is_known;
}

static enum kafka_error partition_list(struct listing *l, struct kafka_string topic,
                                       const struct list_offsets_request_partition *in, struct listed *out,
                                       int32_t *leader_epoch)
{
    struct log *log = request_log(l->request, topic);
    if (log == NULL) return request_topic_unknown(l->request, topic);
    if (!request_has_partition(log, in->partition_index)) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    enum kafka_error code = request_epoch_error(log, in->current_leader_epoch);
    if (code != KAFKA_NONE) return code;
    if (!is_known_time(in->timestamp, l->request->header.api_version)) return KAFKA_UNSUPPORTED_VERSION;
    bool may_need_disk = in->timestamp >= 0 || in->timestamp == MAX_TIMESTAMP;
    /* What is not kept would be looked up anew each time that a read ends, and a cold one asks for another read. */
    if (may_need_disk && l->partition_count >= REQUEST_LOOKUPS_MAX) return KAFKA_INVALID_REQUEST;
    enum err e = ERR_OK;
    if (in->timestamp == LATEST) {
        bool was_resending = log_is_resending(log);
        uint64_t watermark = log_high_watermark(log);
        if (was_resending || log_is_resending(log)) return KAFKA_OFFSET_NOT_AVAILABLE; /* it was further */
        if (!view_end(l->request, log, in->partition_index, &watermark)) return KAFKA_OFFSET_NOT_AVAILABLE;
        out->offset = (int64_t)watermark;
    } else if (in->timestamp == EARLIEST || in->timestamp == EARLIEST_LOCAL) {
        out->offset = (int64_t)log_start_offset(log);
    } else if (in->timestamp == MAX_TIMESTAMP) {
        e = newest_list(l, log, out);
        if (e == ERR_NOT_FOUND) return KAFKA_OFFSET_NOT_AVAILABLE;
    } else if (in->timestamp != LATEST_TIERED) {
        e = time_list(l, log, in->timestamp, out);
    }
    if (e == ERR_AGAIN) l->needs_disk = true;
    if (out->offset >= 0) *leader_epoch = request_epoch_of(log, (uint64_t)out->offset);
    return e == ERR_AGAIN ? KAFKA_NONE : kafka_error_of(e);
}

/* Partition 0 is the only one there is, but in __consumer_offsets; the others are mostly unknown, listed twice or not.
 */
static bool has_zero_twice(const struct list_offsets_request_topic *t)
{
    int32_t zeros = 0;
    for (int32_t i = 0; i < t->partition_count; i++) zeros += t->partitions[i].partition_index == 0;
    return zeros > 1;
}

static bool topic_list(struct listing *l, const struct list_offsets_request_topic *in,
                       struct list_offsets_response_topic *out)
{
    struct request *r = l->request;
    out->name = in->name;
    out->partitions = request_room(r, in->partition_count, sizeof *out->partitions);
    if (out->partitions == NULL) return false;
    out->partition_count = in->partition_count;
    bool is_invalid = has_zero_twice(in);
    for (int32_t i = 0; i < in->partition_count; i++, l->partition_count++) {
        struct list_offsets_response_partition *p = &out->partitions[i];
        struct listed found = {-1, -1};
        int32_t index = in->partitions[i].partition_index;
        *p = (struct list_offsets_response_partition){.partition_index = index, .leader_epoch = -1};
        enum kafka_error code = KAFKA_INVALID_REQUEST;
        if (index != 0 || !is_invalid)
            code = partition_list(l, in->name, &in->partitions[i], &found, &p->leader_epoch);
        p->error_code = (int16_t)kafka_error_in(KAFKA_API_LIST_OFFSETS, r->header.api_version, code);
        p->timestamp = found.timestamp;
        p->offset = found.offset;
        if (r->header.api_version > 0 || found.offset < 0 || in->partitions[i].max_num_offsets <= 0) continue;
        p->old_style_offsets = request_room(r, 1, sizeof *p->old_style_offsets);
        if (p->old_style_offsets == NULL) return false;
        p->old_style_offsets[0] = found.offset;
        p->old_style_offset_count = 1;
    }
    return true;
}

enum handled kafka_handle_list_offsets(struct request *r)
{
    struct list_offsets_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct list_offsets_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->topics = request_room(r, in.topic_count, sizeof *out->topics);
    if (out->topics == NULL) return HANDLED_TOO_LARGE;
    out->topic_count = in.topic_count;
    struct listing l = {.request = r};
    for (int32_t t = 0; t < in.topic_count; t++)
        if (!topic_list(&l, &in.topics[t], &out->topics[t])) return HANDLED_TOO_LARGE;
    r->response = out;
    return l.needs_disk ? HANDLED_WAIT_DISK : HANDLED_ANSWER;
}
