/* OffsetForLeaderEpoch (23): where the records of a leader epoch end (KIP-320).  A consumer asks when Metadata shows
 * another epoch than that of its position: an end before its position tells it that what it read there is not what is
 * there now. */
#include "dataplane/kafka/request.h"

static enum kafka_error partition_end(struct request *r, struct kafka_string topic,
                                      const struct offset_for_leader_epoch_request_partition *in,
                                      struct epoch_end *out)
{
    struct log *log = request_log(r, topic);
    if (log == NULL) return request_topic_unknown(r, topic);
    if (!request_has_partition(log, in->partition)) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    enum kafka_error code = request_epoch_error(log, in->current_leader_epoch);
    if (code != KAFKA_NONE) return code;
    bool was_resending = log_is_resending(log);
    uint64_t watermark = log_high_watermark(log);
    if (was_resending || log_is_resending(log)) return KAFKA_NOT_LEADER_OR_FOLLOWER; /* it was further: ask again */
    *out = request_epoch_end(log, watermark, in->leader_epoch);
    return KAFKA_NONE;
}

static bool topic_end(struct request *r, const struct offset_for_leader_epoch_request_topic *in,
                      struct offset_for_leader_epoch_response_topic *out)
{
    out->topic = in->topic;
    out->partitions = request_room(r, in->partition_count, sizeof *out->partitions);
    if (out->partitions == NULL) return false;
    out->partition_count = in->partition_count;
    for (int32_t i = 0; i < in->partition_count; i++) {
        struct epoch_end end = {-1, -1};
        enum kafka_error code = partition_end(r, in->topic, &in->partitions[i], &end);
        out->partitions[i] = (struct offset_for_leader_epoch_response_partition){
            .error_code = (int16_t)code, .partition = in->partitions[i].partition, .leader_epoch = end.epoch,
            .end_offset = end.offset};
    }
    return true;
}

enum handled kafka_handle_offset_for_leader_epoch(struct request *r)
{
    struct offset_for_leader_epoch_request in;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return request_undecoded(e);
    struct offset_for_leader_epoch_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    out->topics = request_room(r, in.topic_count, sizeof *out->topics);
    if (out->topics == NULL) return HANDLED_TOO_LARGE;
    out->topic_count = in.topic_count;
    for (int32_t t = 0; t < in.topic_count; t++)
        if (!topic_end(r, &in.topics[t], &out->topics[t])) return HANDLED_TOO_LARGE;
    r->response = out;
    return HANDLED_ANSWER;
}
