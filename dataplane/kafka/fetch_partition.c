/* One partition of a Fetch (1); for old versions the records are converted (fetch_old.h).
 *
 * KIP-74: while nothing was read the first batch goes out whole whatever the bounds say, or a large row would stall its
 * consumer for ever.  Records are not copied: the answer's pieces point into chunks. */
#include "dataplane/kafka/fetch_partition.h"

#include <string.h>

#include "base/log.h"
#include "dataplane/kafka/fetch_old.h"
#include "dataplane/kafka/offsets_topic.h"

static void partition_init(struct fetch_response_partition *out, int32_t index, int8_t isolation_level)
{
    *out = (struct fetch_response_partition){
        .partition_index = index, .high_watermark = -1, .last_stable_offset = -1, .log_start_offset = -1,
        FETCH_TAGS_ABSENT, .aborted_transaction_count = isolation_level == 0 ? -1 : 0, .preferred_read_replica = -1,
    };
}

/* Hands pieces to the answer as one more run; false (and the pieces released): they are too many. */
static bool pieces_keep(struct fetch *f, const struct log *log, const struct log_piece *piece, uint32_t count)
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
    records->run_slot[records->run_count] = (uint16_t)log_slot(log);
    records->run_end[records->run_count++] = records->piece_count;
    return true;
}

/* What was read goes into the answer, for an old client as it takes it; *next_offset: behind it. */
static enum err slice_keep(struct fetch *f, const struct log *log, struct log_slice *slice, uint64_t offset,
                           uint64_t bound, uint32_t *bytes, uint64_t *next_offset)
{
    struct request *r = f->request;
    *bytes = 0;
    *next_offset = slice->next_offset;
    if (fetch_is_current(slice, r->header.api_version)) {
        if (pieces_keep(f, log, slice->piece, slice->piece_count)) *bytes = slice->bytes;
        return ERR_OK;
    }
    struct fetch_old made;
    TRY(fetch_old_convert(r, slice, offset, bound, f->bytes == 0, &made));
    *next_offset = made.next_offset;
    if (made.bytes > 0 && pieces_keep(f, log, made.piece, made.piece_count)) *bytes = made.bytes;
    return ERR_OK;
}

/* Where to read on for a partition of __consumer_offsets: what the coordinator has told of is passed over where it has
 * nothing for this reader, who then need not be carried over it either. */
static uint64_t view_from(const struct offsets_topic_view *v, uint64_t offset, bool *carries)
{
    *carries = !v->is_known || v->own_end > offset;
    return *carries || v->through < offset ? offset : v->through;
}

/* The same of what a partition of __consumer_offsets shows of the slice. */
static enum err view_keep(struct fetch *f, const struct log *log, struct log_slice *slice,
                          const struct fetch_request_partition *in, uint64_t bound, bool carries,
                          uint32_t *bytes, uint64_t *next_offset, int64_t *watermark)
{
    struct log_piece piece;
    uint64_t end = 0;
    *bytes = 0;
    TRY(offsets_topic_show(f->request, slice, (uint32_t)in->partition, (uint64_t)in->fetch_offset, bound, f->bytes == 0,
                           carries, &piece, next_offset, &end));
    if (piece.size > 0 && pieces_keep(f, log, &piece, 1)) *bytes = piece.size;
    if ((int64_t)end > *watermark) *watermark = (int64_t)end; /* newer than what the coordinator told */
    return ERR_OK;
}

/* Reads what the bounds allow.  ERR_AGAIN behind other records: the answer goes without this partition, whose turn
 * comes first when the client rotates; nothing stays pinned while the disk works. */
static enum err partition_read(struct fetch *f, struct log *log, uint64_t watermark,
                               const struct fetch_request_partition *in, const struct offsets_topic_view *view,
                               struct fetch_response_partition *out)
{
    struct request *r = f->request;
    struct log_slice slice;
    bool carries = false;
    uint64_t from = (uint64_t)in->fetch_offset;
    if (view != NULL) from = view_from(view, from, &carries);
    if (from >= watermark) return ERR_OK;
    uint64_t bound = in->partition_max_bytes < 0 ? 0 : (uint64_t)in->partition_max_bytes;
    if (bound > f->left) bound = f->left;
    if (bound > UINT32_MAX) bound = UINT32_MAX;
    uint64_t moved_ns = log_high_watermark_ns(log);
    enum err e = log_reader_read(r->reader, log, from, (uint32_t)bound, f->bytes == 0, r->log_cursor, &slice);
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
    if (view != NULL) e = view_keep(f, log, &slice, in, bound, carries, &bytes, &next_offset, &out->high_watermark);
    else e = slice_keep(f, log, &slice, (uint64_t)in->fetch_offset, bound, &bytes, &next_offset);
    if (e == ERR_NO_MEMORY) f->lacks_memory = true;
    if (e == ERR_AGAIN) {
        f->is_crowded = true;
        return ERR_OK;
    }
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
static struct log *topic_log(struct request *r, const struct fetch_topic_key *topic, enum kafka_error *why)
{
    bool by_id = r->header.api_version >= FETCH_BY_ID_SINCE;
    struct log *log = by_id ? request_log_by_id(r, topic->id) : request_log(r, topic->name);
    *why = by_id ? KAFKA_UNKNOWN_TOPIC_ID : request_topic_unknown(r, topic->name);
    return log;
}

/* KIP-595: a reader that tells the epoch of the record before its offset learns here, without asking for it, that the
 * history it follows is not ours. */
static bool is_diverging(const struct log *log, uint64_t watermark, const struct fetch_request_partition *in,
                         struct fetch_response_partition *out)
{
    if (in->last_fetched_epoch < 0) return false;
    struct epoch_end end = request_epoch_end(log, watermark, in->last_fetched_epoch);
    if (end.epoch == in->last_fetched_epoch && end.offset >= in->fetch_offset) return false;
    out->diverging_epoch = (struct fetch_epoch_end_offset){end.epoch, end.offset};
    return true;
}

static enum kafka_error partition_serve(struct fetch *f, const struct fetch_topic_key *topic,
                                        const struct fetch_request_partition *in, struct fetch_response_partition *out)
{
    struct request *r = f->request;
    enum kafka_error missing;
    struct log *log = topic_log(r, topic, &missing);
    if (log == NULL) return missing;
    if (!request_has_partition(log, in->partition)) return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    enum kafka_error code = request_epoch_error(log, in->current_leader_epoch);
    if (code != KAFKA_NONE) return code;
    log_set_add(&r->wait_logs, log_slot(log)); /* before the watermark is read: a later move is a hint that wakes us */
    bool was_resending = log_is_resending(log); /* before the watermark: that moves, and then this ends */
    uint64_t watermark = log_high_watermark(log), start = log_start_offset(log);
    bool is_behind = in->fetch_offset >= 0 && (uint64_t)in->fetch_offset > watermark &&
                     (was_resending || log_is_resending(log));
    bool is_view = log_identity(log)->is_internal;
    struct offsets_topic_view view = {.end = watermark};
    if (is_view) view = offsets_topic_look(r->node->offsets_ends, (uint32_t)in->partition, start, watermark);
    bool is_before = (uint64_t)in->fetch_offset < start;
    bool has_missed = !view.is_known || view.own_end > (uint64_t)in->fetch_offset;
    if (in->fetch_offset < 0 || (is_before && has_missed) || ((uint64_t)in->fetch_offset > watermark && !is_behind))
        return KAFKA_OFFSET_OUT_OF_RANGE;
    if (is_behind) log_was_served(log, (uint64_t)in->fetch_offset); /* it comes again: the consumer waits for it */
    out->high_watermark = (int64_t)view.end;
    out->last_stable_offset = (int64_t)view.end; /* there are no Kafka transactions here */
    out->log_start_offset = (int64_t)start;
    if (is_behind) return KAFKA_NONE;
    if (is_diverging(log, watermark, in, out)) {
        if (out->diverging_epoch.epoch < 0) return KAFKA_OFFSET_OUT_OF_RANGE; /* where that epoch ended is not known */
        f->has_news = true;
        return KAFKA_NONE;
    }
    enum err e = partition_read(f, log, watermark, in, is_view ? &view : NULL, out);
    out->last_stable_offset = out->high_watermark;
    uint64_t now = log_high_watermark(log);
    if (e == ERR_OUT_OF_RANGE && (uint64_t)in->fetch_offset >= now && log_is_resending(log)) {
        out->high_watermark = out->last_stable_offset = (int64_t)now; /* it was taken back between the two looks */
        return KAFKA_NONE;
    }
    if (e != ERR_OK && e != ERR_OUT_OF_RANGE && e != ERR_STATE) complain(r, log, in->fetch_offset, e);
    return kafka_error_of(e);
}

void fetch_partition(struct fetch *f, const struct fetch_topic_key *topic, const struct fetch_request_partition *in,
                     struct fetch_response_partition *out)
{
    partition_init(out, in->partition, f->in->isolation_level);
    enum kafka_error code = partition_serve(f, topic, in, out);
    if (code == KAFKA_NONE) return;
    out->error_code = (int16_t)kafka_error_in(KAFKA_API_FETCH, f->request->header.api_version, code);
    out->high_watermark = out->last_stable_offset = out->log_start_offset = -1;
    out->diverging_epoch = (struct fetch_epoch_end_offset){-1, -1};
    f->has_news = true;
}
