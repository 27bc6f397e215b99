/* A log's segments over time: made ahead, rolled, sealed, checkpointed, removed.  Storage thread; the helper does the
 * work. */
#include "storage/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"

uint64_t log_segment_bytes(const struct log *l)
{
    uint64_t bytes = l->storage->config.segment_bytes;
    return l->identity.is_internal && bytes > INTERNAL_SEGMENT_BYTES ? INTERNAL_SEGMENT_BYTES : bytes;
}

void segment_prepare(struct log *l)
{
    struct writer *w = &l->writer;
    if (w->prepared_file >= 0 || w->preparing || w->prepare_error.code != ERR_OK || w->state == WRITER_FAILED) return;
    /* A removed segment's file again: its blocks are allocated and written, so that writing changes no metadata. */
    bool recycles = w->spare != 0 && readers_passed(l->storage, w->spare_epoch);
    uint64_t number = recycles ? w->spare : ++w->number;
    struct job j = {.kind = JOB_PREPARE, .log = l, .file = -1, .number = number, .position = log_segment_bytes(l)};
    if (recycles) w->spare = 0;
    w->prepared_is_recycled = recycles;
    w->preparing = true;
    job_send(l->storage, &j);
}

static void seal_active(struct log *l)
{
    struct writer *w = &l->writer;
    struct index_set *set = &l->index[l->index_active];
    struct segment_info info;
    bool found = segment_get(&l->segments, w->segment_seq, &info);
    INVARIANT(found);
    info.bytes = w->end_position;
    info.ends_transaction = w->end_mark.offset == w->next_offset;
    segment_update(&l->segments, w->segment_seq, &info);
    struct job j = {.kind = JOB_SEAL,
                    .log = l,
                    .file = w->file,
                    .segment_base = w->segment_base,
                    .position = w->end_position,
                    .set = set,
                    .mark = set->at,
                    .end = {w->next_offset, w->end_position}};
    w->sealing = true;
    job_send(l->storage, &j);
}

bool segment_roll(struct log *l, uint64_t base_offset)
{
    struct writer *w = &l->writer;
    if (!writer_is_flushed(l)) {
        w->flush_now = true;
        return false;
    }
    if (w->prepare_error.code != ERR_OK) {
        writer_fail(l, &w->prepare_error);
        return false;
    }
    if (w->prepared_file < 0) segment_prepare(l);
    if (w->prepared_file < 0 || w->sealing || w->promoting) return false;
    const struct segment_info info = {
        .base_offset = base_offset, .appended_ms = clock_realtime_ms(l->storage->clock), .max_timestamp_ms = -1};
    if (!segment_append(&l->segments, &info)) {
        struct err_msg why;
        err_set(&why, ERR_TOO_LARGE, "the log in %s has as many segments as there may be; "
                "raise segment_bytes or lower retention_ms in millrace.yaml and start millraced again", l->folder);
        writer_fail(l, &why);
        return false;
    }
    struct job j = {
        .kind = JOB_PROMOTE, .log = l, .file = -1, .number = w->prepared_number, .segment_base = base_offset};
    w->promoting = true;
    job_send(l->storage, &j); /* first: what becomes durable in the new segment waits for its name */
    seal_active(l);

    l->index_active ^= 1;
    index_reset(&l->index[l->index_active], base_offset);
    w->file = w->prepared_file;
    w->prepared_file = -1;
    w->is_recycled = w->prepared_is_recycled;
    if (w->is_recycled) counter_add(l->counters.recycled, 1);
    w->segment_base = base_offset;
    w->segment_seq = segment_next(&l->segments) - 1;
    w->end_position = w->durable_position = w->submitted = 0;
    w->write_seq = tail_next(&l->tail); /* all before is written */
    w->current = CHUNK_NONE;
    return true;
}

/* A job that makes the last durable transaction end the recovery point. */
static struct job checkpoint_job(struct log *l, enum job_kind kind)
{
    struct writer *w = &l->writer;
    const struct log_mark *m = &w->visible;
    struct job j = {.kind = kind, .log = l, .file = -1, .segment_base = m->segment_base, .mark = m->index};
    if (m->segment_base == w->segment_base && m->position > 0)
        j.set = &l->index[l->index_active]; /* else sealed: its indexes are written */
    j.checkpoint = (struct log_checkpoint){
        .start_offset = log_start_offset(l), .segment_base_offset = m->segment_base, .recovery_offset = m->offset,
        .recovery_position = m->position, .end_segment = m->segment_base, .end_position = m->index.last_end.position,
        .max_timestamp_ms = m->index.max_timestamp_ms,
        .max_timestamp_offset = m->segment_base + m->index.max_timestamp_relative_offset,
        .gtid_segment = m->gtid_segment, .gtid_position = m->gtid_position};
    if (j.set == NULL) j.checkpoint.index.offset_count = INDEX_PRINT_SEAL;
    if (m->position == 0) { /* nothing became durable since recovery ended here */
        j.checkpoint.end_segment = w->recovered.end_segment;
        j.checkpoint.end_position = w->recovered.end_position;
    }
    w->checkpointing = true;
    w->checkpoint_bytes = 0;
    w->checkpoint_ms = clock_realtime_ms(l->storage->clock);
    return j;
}

void checkpoint_start(struct log *l)
{
    if (l->writer.checkpointing || l->writer.promoting) return; /* the point must not lie in a file without a name */
    const struct job j = checkpoint_job(l, JOB_CHECKPOINT);
    job_send(l->storage, &j);
}

/* Of a channel, by age and size; of an internal log, whose old records are as true as the new, what its producer trims.
 */
static bool may_go(const struct log *l, const struct segment_info *info, const struct segment_info *next,
                   uint64_t total, uint64_t now_ms)
{
    const struct storage_config *config = &l->storage->config;
    if (l->identity.is_internal) return next->base_offset <= l->writer.trim_offset;
    return (config->retention_ms > 0 && info->appended_ms + config->retention_ms < now_ms) ||
           (config->retention_bytes > 0 && total > config->retention_bytes);
}

/* The oldest segments that may go do, as far as the next one begins with a transaction. */
static void retention(struct log *l, uint64_t now_ms)
{
    struct writer *w = &l->writer;
    struct segment_info info, next;
    uint64_t base[REMOVE_MAX] = {0}, total = log_size_bytes(l), first = segment_first(&l->segments), start = 0;
    uint32_t count = 0, remove_count = 0;
    if (w->checkpointing || w->promoting) return;
    while (count < REMOVE_MAX && segment_get(&l->segments, first + count, &info) &&
           segment_get(&l->segments, first + count + 1, &next)) {
        if (!may_go(l, &info, &next, total, now_ms) || info.base_offset >= w->visible.segment_base) break;
        base[count++] = info.base_offset;
        total -= info.bytes;
        if (!info.ends_transaction) continue;
        remove_count = count;
        start = next.base_offset;
    }
    if (remove_count == 0) return;
    atomic_store_explicit(&l->start_offset, start, memory_order_release); /* pairs with log_start_offset */
    for (uint32_t i = 0; i < remove_count; i++) segment_drop_first(&l->segments);
    struct job j = checkpoint_job(l, JOB_REMOVE); /* persists the new start before the files go */
    memcpy(j.remove_base, base, sizeof base);
    j.remove_count = remove_count;
    j.number = w->spare == 0 ? ++w->number : 0;
    job_send(l->storage, &j);
}

void log_housekeeping(struct log *l, uint64_t now_ms)
{
    struct writer *w = &l->writer;
    counter_set(l->counters.bytes, log_size_bytes(l));
    counter_set(l->counters.high_watermark, log_high_watermark(l));
    if (w->state != WRITER_RUNNING) return;
    w->prepare_error.code = ERR_OK; /* try again: there may be space now */
    if (w->visible.offset != w->checkpoint_offset && now_ms > w->checkpoint_ms + CHECKPOINT_AGE_MS) checkpoint_start(l);
    retention(l, now_ms);
}

static void prepared(struct log *l, const struct job *j)
{
    struct writer *w = &l->writer;
    w->preparing = false;
    if (j->error.code == ERR_OK) {
        w->prepared_file = j->file;
        w->prepared_number = j->number;
        return;
    }
    w->prepare_error = j->error;
    log_warn("storage", "%s", j->error.text);
}

void job_ended(const struct job *j)
{
    struct log *l = j->log;
    struct writer *w = &l->writer;
    w->jobs--;
    switch (j->kind) {
    case JOB_PREPARE: prepared(l, j); return;
    case JOB_PROMOTE: w->promoting = false; break;
    case JOB_SEAL: w->sealing = false; break;
    case JOB_CHECKPOINT:
    case JOB_REMOVE:
        w->checkpointing = false;
        if (j->error.code == ERR_OK) w->checkpoint_offset = j->checkpoint.recovery_offset;
        if (j->error.code == ERR_OK && j->number != 0) {
            w->spare = j->number;
            w->spare_epoch = readers_mark(l->storage); /* the table no longer has it */
        }
        break;
    }
    if (j->error.code != ERR_OK) {
        writer_fail(l, &j->error);
    } else if (j->kind == JOB_SEAL) {
        if (w->state == WRITER_RUNNING) retention(l, clock_realtime_ms(l->storage->clock)); /* a spare for each roll */
        checkpoint_start(l);
    }
}
