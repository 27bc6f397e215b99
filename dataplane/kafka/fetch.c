/* Fetch (1); for versions 0-3 the records are converted (fetch_old.h).
 *
 * Partitions are read in request order under three bounds: the client's max_bytes, ours, and each partition's own.
 * KIP-74: while nothing was read the first batch goes out whole whatever the bounds say, or a large row would stall its
 * consumer for ever.  Records are not copied: the answer's pieces point into chunks.
 *
 * Sessions (KIP-227) are declined: every answer says session 0, an id from elsewhere is unknown. */
#include <string.h>

#include "base/log.h"
#include "dataplane/kafka/fetch_old.h"
#include "dataplane/kafka/request.h"

enum { FETCH_BY_ID_SINCE = 13 };

/* One pass over the request's partitions. */
struct fetch {
    struct request *request;
    const struct fetch_request *in;
    uint64_t bytes, left; /* read; and still allowed by max_bytes and our cap */
    bool     has_error;   /* a partition failed: the client should learn it now */
    bool     is_full;     /* more is there than fits: waiting gains nothing */
    bool     needs_disk, lacks_memory;
};

static void partition_init(struct fetch_response_partition *out, int32_t index, int8_t isolation_level)
{
    *out = (struct fetch_response_partition){
        .partition_index = index, .high_watermark = -1, .last_stable_offset = -1, .log_start_offset = -1,
        FETCH_TAGS_ABSENT, .aborted_transaction_count = isolation_level == 0 ? -1 : 0, .preferred_read_replica = -1,
    };
}

/* Hands pieces to the answer as one more run; false (and the pieces released): they are too many. */
static bool pieces_keep(struct fetch *f, const struct log_piece *piece, uint32_t count)
{
    struct record_pieces *records = f->request->records;
    if (count > REQUEST_PIECES_MAX - records->piece_count || records->run_count == REQUEST_PIECES_MAX) {
        for (uint32_t i = 0; i < count; i++)
            record_piece_release(&piece[i], f->request->reader, f->request->buffers);
        f->is_full = true;
        return false;
    }
    memcpy(&records->piece[records->piece_count], piece, count * sizeof *piece);
    records->piece_count += count;
    records->run_end[records->run_count++] = records->piece_count;
    return true;
}

/* What was read goes into the answer, for an old client as messages; *next_offset: behind it. */
static enum err slice_keep(struct fetch *f, struct log_slice *slice, uint64_t offset, uint64_t bound, uint32_t *bytes,
                           uint64_t *next_offset)
{
    struct request *r = f->request;
    *bytes = 0;
    *next_offset = slice->next_offset;
    if (r->header.api_version > FETCH_OLD_VERSION_MAX) {
        if (pieces_keep(f, slice->piece, slice->piece_count)) *bytes = slice->bytes;
        return ERR_OK;
    }
    struct log_piece piece;
    struct message_set_plan plan;
    TRY(fetch_old_convert(r, slice, offset, bound, f->bytes == 0, &piece, &plan));
    *next_offset = plan.next_offset;
    if (plan.count > 0 && pieces_keep(f, &piece, 1)) *bytes = piece.size;
    return ERR_OK;
}

/* Reads what the bounds allow.  ERR_AGAIN behind other records: the answer goes without this partition, whose turn
 * comes first when the client rotates; nothing stays pinned while the disk works. */
static enum err partition_read(struct fetch *f, struct log *log, const struct fetch_request_partition *in,
                               struct fetch_response_partition *out)
{
    struct request *r = f->request;
    struct log_slice slice;
    uint64_t watermark = (uint64_t)out->high_watermark;
    if ((uint64_t)in->fetch_offset == watermark) return ERR_OK;
    uint64_t bound = in->partition_max_bytes < 0 ? 0 : (uint64_t)in->partition_max_bytes;
    if (bound > f->left) bound = f->left;
    if (bound > UINT32_MAX) bound = UINT32_MAX;
    uint64_t moved_ns = log_high_watermark_ns(log);
    enum err e = log_reader_read(r->reader, log, (uint64_t)in->fetch_offset, (uint32_t)bound, f->bytes == 0,
                                 r->log_cursor, &slice);
    if (e == ERR_AGAIN) {
        f->needs_disk = true;
        return ERR_OK;
    }
    if (e != ERR_OK) return e;
    if (slice.bytes == 0) {
        f->is_full = true; /* not even one batch fits behind what was read */
        return ERR_OK;
    }
    uint32_t bytes;
    uint64_t next_offset;
    e = slice_keep(f, &slice, (uint64_t)in->fetch_offset, bound, &bytes, &next_offset);
    if (e == ERR_NO_MEMORY) f->lacks_memory = true;
    if (e != ERR_OK) return e;
    if (next_offset < watermark) f->is_full = true;
    else if (bytes > 0 && r->records->durable_ns < moved_ns) r->records->durable_ns = moved_ns;
    out->records = (struct kafka_records){NULL, (int32_t)bytes};
    f->bytes += bytes;
    f->left -= bytes < f->left ? bytes : f->left;
    return ERR_OK;
}

/* Consumers ask again and again: the operator is told now and then. */
static void complain(struct request *r, const struct log *log, int64_t offset, enum err e)
{
    if (*r->complained_ns != 0 && r->now_ns - *r->complained_ns < (uint64_t)COMPLAINT_PAUSE_S * 1000000000) return;
    *r->complained_ns = r->now_ns;
    log_error("dataplane", "cannot read %s at offset %lld for a consumer: %s (told every %d s)",
              log_identity(log)->name, (long long)offset, err_text(e), COMPLAINT_PAUSE_S);
}

/* The log of a topic by name, from version 13 on by id; NULL with the reason. */
static struct log *topic_log(struct request *r, struct kafka_string name, struct kafka_uuid id, enum kafka_error *why)
{
    bool by_id = r->header.api_version >= FETCH_BY_ID_SINCE;
    struct log *log = by_id ? request_log_by_id(r, id) : request_log(r, name);
    *why = by_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return log;
}

static enum kafka_error partition_serve(struct fetch *f, const struct fetch_request_topic *topic,
                                        const struct fetch_request_partition *in, struct fetch_response_partition *out)
{
    struct request *r = f->request;
    enum kafka_error missing;
    struct log *log = topic_log(r, topic->topic, topic->topic_id, &missing);
    if (log == NULL) return missing;
    if (in->partition != 0) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    enum kafka_error code = request_epoch_error(log, in->current_leader_epoch);
    if (code != KAFKA_NONE) return code;
    log_set_add(&r->wait_logs, log_slot(log)); /* before the watermark is read: a later move is a hint that wakes us */
    bool was_resending = log_is_resending(log); /* before the watermark: that moves, and then this ends */
    uint64_t watermark = log_high_watermark(log), start = log_start_offset(log);
    bool is_behind = in->fetch_offset >= 0 && (uint64_t)in->fetch_offset > watermark &&
                     (was_resending || log_is_resending(log));
    if (in->fetch_offset < 0 || (uint64_t)in->fetch_offset < start ||
        ((uint64_t)in->fetch_offset > watermark && !is_behind))
        return KAFKA_OFFSET_OUT_OF_RANGE;
    if (is_behind) log_was_served(log, (uint64_t)in->fetch_offset); /* it comes again: the consumer waits for it */
    out->high_watermark = (int64_t)watermark;
    out->last_stable_offset = (int64_t)watermark; /* there are no Kafka transactions here */
    out->log_start_offset = (int64_t)start;
    if (is_behind) return KAFKA_NONE;
    enum err e = partition_read(f, log, in, out);
    if (e == ERR_OUT_OF_RANGE && (uint64_t)in->fetch_offset > log_high_watermark(log) && log_is_resending(log))
        return KAFKA_NONE; /* it was taken back between the two looks */
    if (e != ERR_OK && e != ERR_OUT_OF_RANGE && e != ERR_STATE) complain(r, log, in->fetch_offset, e);
    return kafka_error_of(e);
}

static enum handled topics_serve(struct fetch *f, struct fetch_response *out)
{
    struct request *r = f->request;
    out->responses = request_room(r, f->in->topic_count, sizeof *out->responses);
    if (out->responses == NULL) return HANDLED_TOO_LARGE;
    out->response_count = f->in->topic_count;
    for (int32_t t = 0; t < f->in->topic_count; t++) {
        const struct fetch_request_topic *topic = &f->in->topics[t];
        struct fetch_response_partition *partitions = request_room(r, topic->partition_count, sizeof *partitions);
        if (partitions == NULL) return HANDLED_TOO_LARGE;
        out->responses[t] = (struct fetch_response_topic){
            .topic = topic->topic, .topic_id = topic->topic_id, .partitions = partitions,
            .partition_count = topic->partition_count};
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct fetch_response_partition *p = &partitions[i];
            partition_init(p, topic->partitions[i].partition, f->in->isolation_level);
            enum kafka_error code = partition_serve(f, topic, &topic->partitions[i], p);
            if (code == KAFKA_NONE) continue;
            p->error_code = (int16_t)kafka_error_in(KAFKA_API_FETCH, r->header.api_version, code);
            p->high_watermark = p->last_stable_offset = p->log_start_offset = -1;
            f->has_error = true;
        }
    }
    return f->lacks_memory ? HANDLED_NO_MEMORY : HANDLED_ANSWER;
}

/* Whether the answer must go now. */
static bool is_due(const struct fetch *f)
{
    const struct fetch_request *in = f->in;
    if (f->has_error || f->is_full || in->max_wait_ms <= 0 || in->topic_count <= 0) return true;
    if (in->min_bytes <= 0 || f->bytes >= (uint64_t)in->min_bytes) return true;
    if (f->needs_disk && f->bytes > 0) return true;
    return f->request->now_ns >= f->request->wait_until_ns;
}

enum handled kafka_handle_fetch(struct request *r)
{
    struct fetch_request in;
    int16_t version = r->header.api_version;
    enum err e = request_decode(r, &in);
    if (e != ERR_OK) return e == ERR_TOO_LARGE ? HANDLED_TOO_LARGE : HANDLED_MALFORMED;
    struct fetch_response *out = request_room(r, 1, sizeof *out);
    if (out == NULL) return HANDLED_TOO_LARGE;
    r->response = out;
    if (in.session_id != 0) {
        out->error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        return HANDLED_ANSWER;
    }
    struct fetch f = {.request = r, .in = &in, .left = r->node->fetch_bytes_max};
    if (version >= 3 && in.max_bytes >= 0 && (uint64_t)in.max_bytes < f.left) f.left = (uint64_t)in.max_bytes;
    if (r->records_bytes_max < f.left) f.left = r->records_bytes_max;
    if (in.min_bytes > 0 && (uint64_t)in.min_bytes > f.left) in.min_bytes = (int32_t)f.left;
    r->wait_until_ns = r->arrived_ns + (in.max_wait_ms > 0 ? (uint64_t)in.max_wait_ms * 1000000 : 0);
    enum handled handled = topics_serve(&f, out);
    if (handled == HANDLED_ANSWER && !is_due(&f)) handled = f.needs_disk ? HANDLED_WAIT_DISK : HANDLED_WAIT_LOGS;
    else if (handled == HANDLED_ANSWER && f.needs_disk && f.bytes == 0 && !f.has_error) handled = HANDLED_WAIT_DISK;
    if (handled != HANDLED_ANSWER) record_pieces_release(r->records, r->reader, r->buffers);
    return handled;
}
