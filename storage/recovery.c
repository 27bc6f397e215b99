#include "storage/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "formats/gtid_list.h"
#include "formats/source_position.h"
#include "storage/log_folder.h"

enum {
    GTID_SEGMENTS_BACK = 4,
    INDEX_VERIFY_BYTES_MAX = 16 << 20, /* of index files read through at an opening, the newest first */
};

struct place { /* a batch end */
    uint32_t segment; /* index */
    uint64_t position, next_offset;
    uint64_t batch_position; /* of that batch */
};

struct recovery {
    const struct recovery_input *in;
    struct recovered *out;
    struct index_set *set;
    struct err_msg   *msg;
    struct log_folder folder;
    struct log_checkpoint checkpoint; /* as found */
    uint32_t start;    /* index of the segment with the recovery point */
    struct place end;  /* the last transaction end found */
    uint32_t chained;  /* segments up to this one go on from each other */
    uint64_t scanned;  /* offset behind the last batch in them that holds */
    bool     has_scanned_end; /* one lies behind the recovery point: resume is filled from it */
};

/* ---- the recovery point ---- */

/* A removal of segments whose checkpoint could not be written: what readers were told is gone stays gone.  The
 * checkpoint comes first here too, or after a crash the files would be missed. */
static enum err raise_start(struct recovery *r)
{
    struct log_checkpoint *c = &r->checkpoint;
    if (c->start_offset >= r->in->start_offset) return ERR_OK;
    if (c->segment_base_offset < r->in->start_offset) /* the point goes too; all before the start was durable */
        *c = checkpoint_empty(r->in->start_offset);
    c->start_offset = r->in->start_offset;
    c->is_clean = false;
    return checkpoint_write(r->in->disk, r->in->folder, c, r->msg);
}

/* Ends a removal of old segments that was interrupted. */
static enum err end_removal(struct recovery *r)
{
    struct log_folder *f = &r->folder;
    const struct log_checkpoint *c = &r->checkpoint;
    uint32_t gone = log_folder_removed(f, c);
    for (uint32_t i = 0; i < gone; i++) TRY(log_folder_remove(f, f->segment[i].base_offset, r->msg));
    log_folder_forget_first(f, gone);
    return ERR_OK;
}

/* After a clean stop nothing was written behind the point: what is there now came from elsewhere. */
static enum err check_clean(const struct recovery *r)
{
    const struct log_folder *f = &r->folder;
    const struct segment_info *info = &f->segment[r->start];
    if (!r->checkpoint.is_clean) return ERR_OK;
    if (r->start + 1 < f->count) TRY(log_folder_check_name(f, r->start + 1, r->checkpoint.start_offset, r->msg));
    if (r->start + 1 == f->count && info->bytes == r->checkpoint.recovery_position) return ERR_OK;
    return err_set(r->msg, ERR_CORRUPT,
                   "%s was ended cleanly at byte %" PRIu64 " of %020" PRIu64 ".log, but now ends at byte %" PRIu64
                   " of %020" PRIu64 ".log; move away what was put there, or restore the folder from a copy",
                   f->path, r->checkpoint.recovery_position, info->base_offset, f->segment[f->count - 1].bytes,
                   f->segment[f->count - 1].base_offset);
}

static enum err find_start(struct recovery *r)
{
    struct log_folder *f = &r->folder;
    struct log_checkpoint *c = &r->checkpoint;
    enum err e = checkpoint_read(r->in->disk, r->in->folder, c, r->msg);
    if (e == ERR_NOT_FOUND)
        return err_set(r->msg, ERR_CORRUPT, "%s/checkpoint is missing; restore it from a copy, or see millrace log "
                       "repair", r->in->folder);
    TRY(e);
    TRY(raise_start(r));
    TRY(end_removal(r));
    if (f->segment[0].base_offset > c->start_offset)
        return err_set(r->msg, ERR_CORRUPT,
                       "%s: the segment with offset %" PRIu64 " is missing, the first there is %020" PRIu64
                       ".log; restore it from a copy, or see millrace log check",
                       f->path, c->start_offset, f->segment[0].base_offset);
    r->start = 0;
    while (r->start < f->count && f->segment[r->start].base_offset != c->segment_base_offset) r->start++;
    if (r->start == f->count)
        return err_set(r->msg, ERR_CORRUPT, "%s/%020" PRIu64 ".log is missing; restore it from a copy, or see millrace "
                       "log check", f->path, c->segment_base_offset);
    if (f->segment[r->start].bytes < c->recovery_position)
        return err_set(r->msg, ERR_CORRUPT, "%s/%020" PRIu64 ".log ends at byte %" PRIu64 ", but %" PRIu64
                       " bytes were durable; restore it from a copy, or see millrace log check", f->path,
                       c->segment_base_offset, f->segment[r->start].bytes, c->recovery_position);
    r->end = (struct place){r->start, c->recovery_position, c->recovery_offset, c->end_position};
    return check_clean(r);
}

/* ---- reading ---- */

/* Takes what the producer needs from the batch that ends a transaction.  False: no source position in it. */
static bool take_position(struct recovery *r, const struct record_batch_view *view)
{
    struct log_resume *resume = &r->out->resume;
    struct record_header h;
    int64_t timestamp_ms;
    if (r->in->is_internal) {
        resume->last_timestamp_ms = view->max_timestamp_ms;
        return true;
    }
    if (!batch_last_header(view, RECORD_HEADER_POSITION, &h, &timestamp_ms) || h.value_bytes > sizeof resume->position)
        return false;
    resume->last_timestamp_ms = timestamp_ms;
    resume->position_bytes = h.value_bytes;
    if (h.value_bytes > 0) memcpy(resume->position, h.value, h.value_bytes);
    return true;
}

static enum err take_gtid_set(struct recovery *r, const struct record_view *record, const struct record_header *h)
{
    struct log_resume *resume = &r->out->resume;
    uint8_t *copy = malloc((size_t)h->value_bytes + 1);
    if (copy == NULL)
        return err_set(r->msg, ERR_NO_MEMORY, "no memory for a GTID set of %" PRIu32 " bytes", h->value_bytes);
    if (h->value_bytes > 0) memcpy(copy, h->value, h->value_bytes);
    copy[h->value_bytes] = 0;
    free(resume->gtid_set);
    resume->gtid_set = copy;
    resume->gtid_set_bytes = h->value_bytes;
    resume->gtid_set_offset = record->offset;
    return ERR_OK;
}

/* The last GTID set among a batch's records becomes the newest. */
static enum err look_for_gtid_set(struct recovery *r, const struct record_batch_view *view, uint64_t segment_base,
                                  uint64_t position)
{
    struct cursor records = cursor_of(view->records, view->records_bytes);
    struct record_view record;
    struct record_header h;
    if (r->in->is_internal) return ERR_OK;
    while (cursor_left(&records) > 0 && record_next(&records, view, &record) == ERR_OK) {
        if (!record_header_find(&record, RECORD_HEADER_GTID_SET, &h)) continue;
        TRY(take_gtid_set(r, &record, &h));
        r->out->checkpoint.gtid_segment = segment_base;
        r->out->checkpoint.gtid_position = position;
    }
    return ERR_OK;
}

/* Accepts batches from the recovery point on, through as many segments as hold the expected offsets. */
static enum err scan_behind_point(struct recovery *r)
{
    const struct log_folder *f = &r->folder;
    uint64_t position = r->checkpoint.recovery_position;
    r->scanned = r->checkpoint.recovery_offset;
    for (uint32_t i = r->start; i < f->count; i++, position = 0) {
        struct log_walk w;
        struct record_batch_view view;
        if (i > r->start && f->segment[i].base_offset != r->scanned) break;
        TRY(log_folder_walk(f, i, position, r->scanned, true, &w, r->msg));
        enum err e;
        while ((e = log_walk_next(&w, &view)) == ERR_OK) {
            if (!w.ends_transaction || !take_position(r, &view)) continue;
            r->end = (struct place){i, w.scan.position, w.expected, w.position};
            r->has_scanned_end = true;
        }
        r->scanned = w.expected;
        r->chained = i + 1;
        log_walk_close(&w);
        if (e == ERR_IO || e == ERR_NO_MEMORY)
            return err_set(r->msg, e, "cannot read %s/%020" PRIu64 ".log: %s", f->path, f->segment[i].base_offset,
                           err_text(e));
    }
    return ERR_OK;
}

/* What lies behind the last batch that holds is torn and goes, unless it never was this log's. */
static enum err check_behind(const struct recovery *r)
{
    const struct log_folder *f = &r->folder;
    for (uint32_t i = r->chained; i < f->count; i++) {
        TRY(log_folder_check_name(f, i, r->checkpoint.start_offset, r->msg));
        if (f->segment[i].base_offset < r->scanned) return log_folder_gap(f, i - 1, r->scanned, r->msg);
    }
    return ERR_OK;
}

/* ---- indexes ---- */

/* Adds the batches of a segment between two places to the set.  Everything there must hold. */
static enum err index_from_log(struct recovery *r, uint32_t segment, uint64_t from, uint64_t to, uint64_t expected,
                               bool verify)
{
    struct log_walk w;
    struct record_batch_view view;
    enum err e = ERR_OK;
    TRY(log_folder_walk(&r->folder, segment, from, expected, verify, &w, r->msg));
    while (e == ERR_OK && w.scan.position < to) {
        e = log_walk_next(&w, &view);
        if (e == ERR_NOT_FOUND) e = log_folder_damaged(&r->folder, segment, w.position, "no batch", r->msg);
        else if (e == ERR_CORRUPT) e = log_folder_damaged(&r->folder, segment, w.position, w.why, r->msg);
        else if (e == ERR_OK && w.scan.position > to)
            e = log_folder_damaged(&r->folder, segment, w.position, "a batch across the recovery point", r->msg);
        if (e != ERR_OK) break;
        index_add(r->set, view.last_offset, w.position, view.bytes, view.max_timestamp_ms, w.ends_transaction,
                  r->in->index_interval_bytes);
        e = look_for_gtid_set(r, &view, r->folder.segment[segment].base_offset, w.position);
    }
    log_walk_close(&w);
    return e;
}

/* Segments before the recovery point, the newest first: their seals tell what the table wants to know.  Index files are
 * read through as far as that takes no time to speak of; readers look at each entry that they use. */
static enum err summarize_sealed(struct recovery *r)
{
    struct log_folder *f = &r->folder;
    uint64_t reads = 0;
    for (uint32_t i = r->start; i-- > 0;) {
        struct segment_info *info = &f->segment[i];
        struct index_seal seal;
        bool holds = index_seal_read(f->disk, f->path, info->base_offset, &seal);
        if (holds) {
            TRY(log_folder_check_seal(f, i, &seal, r->msg));
            reads += index_seal_reads(&seal);
            if (reads <= INDEX_VERIFY_BYTES_MAX) holds = index_seal_verify(f->disk, f->path, &seal);
        }
        if (!holds) {
            log_warn("storage", "%s/%020" PRIu64 ": making the indexes anew", f->path, info->base_offset);
            TRY(log_folder_seal(f, i, r->set, r->in->index_interval_bytes, &seal, r->msg));
        }
        info->max_timestamp_ms = seal.max_timestamp_ms;
        info->ends_transaction = seal.last_end_offset + 1 == seal.next_offset;
    }
    return ERR_OK;
}

/* Segments from the recovery point to the end: extend their indexes over what was found behind the point. */
static enum err index_found(struct recovery *r)
{
    struct log_folder *f = &r->folder;
    for (uint32_t i = r->start; i <= r->end.segment; i++) {
        struct segment_info *info = &f->segment[i];
        bool is_sealed = i < r->end.segment;
        uint64_t from = i == r->start ? r->checkpoint.recovery_position : 0;
        uint64_t offset = i == r->start ? r->checkpoint.recovery_offset : info->base_offset;
        index_reset(r->set, info->base_offset);
        if (from > 0 && !index_load(f->disk, f->path, r->set, &r->checkpoint, r->in->index_interval_bytes)) {
            log_warn("storage", "%s/%020" PRIu64 ": making the indexes anew", f->path, info->base_offset);
            TRY(index_from_log(r, i, 0, from, info->base_offset, true));
        }
        TRY(index_from_log(r, i, from, is_sealed ? info->bytes : r->end.position, offset, false));
        const struct index_end end = {is_sealed ? f->segment[i + 1].base_offset : 0, info->bytes};
        info->max_timestamp_ms = r->set->at.max_timestamp_ms;
        info->ends_transaction = is_sealed && r->set->at.has_end &&
                                 r->set->at.last_end.relative_offset + 1 == end.next_offset - info->base_offset;
        TRY(index_write(f->disk, f->path, r->set, info->base_offset, &r->set->at, is_sealed ? &end : NULL,
                        &r->out->checkpoint.index, r->msg));
    }
    return ERR_OK;
}

/* ---- the cut ---- */

/* Where the batches of a segment that has a successor end: the successor's base says which offset comes last. */
static enum err cut_sealed(struct recovery *r, uint32_t segment)
{
    struct log_walk w;
    struct record_batch_view view;
    bool is_start = segment == r->start;
    uint64_t next_base = r->folder.segment[segment + 1].base_offset;
    TRY(log_folder_walk(&r->folder, segment, is_start ? r->checkpoint.recovery_position : 0,
                        is_start ? r->checkpoint.recovery_offset : r->folder.segment[segment].base_offset, false, &w,
                        r->msg));
    enum err e = ERR_OK;
    while (e == ERR_OK && w.expected < next_base) e = log_walk_next(&w, &view);
    uint64_t position = w.scan.position;
    log_walk_close(&w);
    if (e != ERR_OK || w.expected != next_base)
        return log_folder_damaged(&r->folder, segment, position, "it does not reach the next segment", r->msg);
    return log_folder_cut(&r->folder, segment, position, r->msg);
}

/* In an order that leaves a shorter log, not one with a hole, when it is interrupted. */
static enum err cut(struct recovery *r)
{
    struct log_folder *f = &r->folder;
    while (f->count > r->end.segment + 1) TRY(log_folder_remove(f, f->segment[--f->count].base_offset, r->msg));
    TRY(log_folder_sync(f, r->msg));
    for (uint32_t i = r->start; i < r->end.segment; i++) TRY(cut_sealed(r, i));
    return log_folder_cut(f, r->end.segment, r->end.position, r->msg);
}

/* ---- what the producer needs ---- */

/* The batch that ends the transaction before the recovery point: it must be there, and has the position at which the
 * producer goes on when nothing whole was found behind it. */
static enum err read_end(struct recovery *r)
{
    const struct log_checkpoint *c = &r->checkpoint;
    const struct log_folder *f = &r->folder;
    struct log_walk w;
    struct record_batch_view view;
    uint32_t i = r->start;
    if (c->end_segment == UINT64_MAX) return ERR_OK; /* an empty log */
    while (i > 0 && f->segment[i].base_offset > c->end_segment) i--;
    if (f->segment[i].base_offset != c->end_segment) return ERR_OK; /* retention took it */
    TRY(log_folder_walk(f, i, c->end_position, 0, true, &w, r->msg));
    enum err e = log_scan_next_plain(&w.scan, &view);
    if (e == ERR_OK && (view.last_offset + 1 != c->recovery_offset || !take_position(r, &view))) e = ERR_CORRUPT;
    log_walk_close(&w);
    if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND)
        return log_folder_damaged(f, i, c->end_position, "not the batch that the checkpoint names", r->msg);
    return e;
}

static enum err gtid_set_at(struct recovery *r, uint32_t segment, uint64_t position)
{
    const struct log_folder *f = &r->folder;
    struct log_walk w;
    struct record_batch_view view;
    if (f->segment[segment].bytes == 0) return ERR_OK;
    TRY(log_folder_walk(f, segment, position, 0, true, &w, r->msg));
    enum err e = log_scan_next_plain(&w.scan, &view);
    if (e == ERR_OK) e = look_for_gtid_set(r, &view, f->segment[segment].base_offset, position);
    log_walk_close(&w);
    if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND)
        return log_folder_damaged(f, segment, position, "no batch with a checksum that holds", r->msg);
    return e;
}

/* The GTID set that the checkpoint knows of, unless a newer one was found behind the point.  The writer does not look
 * into batches larger than a chunk and only guesses that they carry one: then it is the one that begins the segment, or
 * one before. */
static enum err gtid_set_from_checkpoint(struct recovery *r)
{
    const struct log_checkpoint *known = &r->checkpoint, *found = &r->out->checkpoint;
    struct log_resume *resume = &r->out->resume;
    if (known->gtid_segment == UINT64_MAX || r->in->is_internal) return ERR_OK;
    if (resume->gtid_set != NULL && (found->gtid_segment > known->gtid_segment ||
        (found->gtid_segment == known->gtid_segment && found->gtid_position >= known->gtid_position)))
        return ERR_OK;
    free(resume->gtid_set);
    resume->gtid_set = NULL;
    resume->gtid_set_bytes = 0;
    const struct log_folder *f = &r->folder;
    uint32_t segment = f->count - 1;
    while (segment > 0 && f->segment[segment].base_offset > known->gtid_segment) segment--;
    if (f->segment[segment].base_offset == known->gtid_segment) TRY(gtid_set_at(r, segment, known->gtid_position));
    for (uint32_t back = 0; resume->gtid_set == NULL && back < GTID_SEGMENTS_BACK; back++, segment--) {
        TRY(gtid_set_at(r, segment, 0));
        if (segment == 0) break;
    }
    return ERR_OK;
}

/* The GTID of each transaction of a batch that ends at or behind the record with the set. */
static enum err add_gtids(const struct recovery *r, const struct record_batch_view *view, struct gtid_list *list)
{
    struct cursor records = cursor_of(view->records, view->records_bytes);
    struct record_view record;
    struct record_header h;
    struct source_position position;
    while (cursor_left(&records) > 0 && record_next(&records, view, &record) == ERR_OK) {
        if (record.offset < r->out->resume.gtid_set_offset ||
            !record_header_find(&record, RECORD_HEADER_POSITION, &h) ||
            source_position_decode(h.value, h.value_bytes, &position) != ERR_OK)
            continue;
        if (gtid_list_add(list, position.gtid) != ERR_OK)
            return err_set(r->msg, ERR_NO_MEMORY, "no memory for a GTID set of %zu bytes", list->size);
    }
    return ERR_OK;
}

/* The GTIDs of what is logged from the set's batch on. */
static enum err walk_gtids(const struct recovery *r, struct gtid_list *list)
{
    const struct log_checkpoint *c = &r->out->checkpoint;
    const struct log_folder *f = &r->folder;
    uint32_t segment = r->end.segment;
    while (segment > 0 && f->segment[segment].base_offset > c->gtid_segment) segment--;
    uint64_t position = f->segment[segment].base_offset == c->gtid_segment ? c->gtid_position : 0;
    for (; segment <= r->end.segment; segment++, position = 0) {
        struct log_walk w;
        struct record_batch_view view;
        enum err e = ERR_OK;
        uint64_t until = segment == r->end.segment ? r->end.position : f->segment[segment].bytes;
        TRY(log_folder_walk(f, segment, position, 0, true, &w, r->msg));
        while (e == ERR_OK && w.scan.position < until) {
            position = w.scan.position;
            e = log_scan_next_plain(&w.scan, &view);
            if (e == ERR_OK) e = add_gtids(r, &view, list);
        }
        log_walk_close(&w);
        if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND)
            return log_folder_damaged(f, segment, position, "no batch with a checksum that holds", r->msg);
        TRY(e);
    }
    return list->size <= UINT32_MAX ? ERR_OK : ERR_TOO_LARGE;
}

/* The set that was logged last is that of its place: what is logged behind it belongs to what is logged, too.  Damage
 * below the recovery point is for those who read there; capture goes on without the set, as far as it can. */
static enum err extend_gtid_set(struct recovery *r)
{
    struct log_resume *resume = &r->out->resume;
    struct gtid_list list = {0};
    if (resume->gtid_set == NULL) return ERR_OK;
    enum err e = gtid_list_begin(&list, resume->gtid_set, resume->gtid_set_bytes);
    if (e == ERR_OK) e = walk_gtids(r, &list);
    free(resume->gtid_set);
    resume->gtid_set = e == ERR_OK ? (uint8_t *)list.text : NULL;
    resume->gtid_set_bytes = e == ERR_OK ? (uint32_t)list.size : 0;
    if (e == ERR_OK) return ERR_OK;
    free(list.text);
    if (e != ERR_CORRUPT && e != ERR_TOO_LARGE) return e;
    log_warn("storage", "%s: which transactions are logged is not known: %s", r->folder.path, r->msg->text);
    *r->msg = (struct err_msg){0};
    return ERR_OK;
}

static enum err fill_resume(struct recovery *r)
{
    struct recovered *out = r->out;
    const struct segment_info *active = &r->folder.segment[r->end.segment];
    TRY(gtid_set_from_checkpoint(r));
    TRY(extend_gtid_set(r));
    out->resume.next_offset = r->end.next_offset;
    out->resume.segment_base_offset = active->base_offset;
    out->resume.segment_position = r->end.position;
    out->resume.leader_epoch = r->in->leader_epoch;

    char path[LOG_PATH_BYTES];
    uint64_t block = r->end.position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
    segment_path(path, r->in->folder, active->base_offset, SEGMENT_LOG);
    int file = disk_open(r->in->disk, path, 0);
    int64_t rc = file;
    if (file >= 0) {
        rc = disk_read(r->in->disk, file, out->last_block, (size_t)(r->end.position - block), block);
        disk_close(r->in->disk, file);
    }
    if (rc < 0) return err_set(r->msg, disk_error(rc), "cannot read %s: %s", path, disk_error_text(rc));
    if (rc == (int64_t)(r->end.position - block)) return ERR_OK;
    return log_folder_damaged(&r->folder, r->end.segment, block, "it became shorter meanwhile", r->msg);
}

/* The point is now the log's end. */
static enum err write_checkpoint(struct recovery *r)
{
    struct log_checkpoint *c = &r->out->checkpoint;
    const struct index_mark *at = &r->set->at;
    c->segment_base_offset = r->folder.segment[r->end.segment].base_offset;
    c->recovery_position = r->end.position;
    c->recovery_offset = r->end.next_offset;
    if (r->has_scanned_end) {
        c->end_segment = c->segment_base_offset;
        c->end_position = r->end.batch_position;
    }
    c->max_timestamp_ms = at->max_timestamp_ms;
    c->max_timestamp_offset = c->segment_base_offset + at->max_timestamp_relative_offset;
    c->is_clean = r->in->leave_clean;
    c->is_resending =
        r->in->shows_written &&
        (r->in->is_resending || r->checkpoint.is_resending || (r->in->is_first && !r->checkpoint.is_clean));
    r->out->resume.is_resending = c->is_resending;
    r->out->resume.shows_written = r->in->shows_written;
    return checkpoint_write(r->in->disk, r->in->folder, c, r->msg);
}

static enum err recover(struct recovery *r)
{
    TRY(log_folder_list(&r->folder, true, r->msg));
    TRY(find_start(r));
    r->out->checkpoint = r->checkpoint;
    r->out->checkpoint.gtid_segment = UINT64_MAX;
    TRY(summarize_sealed(r));
    TRY(read_end(r));
    TRY(scan_behind_point(r));
    TRY(check_behind(r));
    if (r->end.next_offset < r->in->visible_offset)
        return err_set(r->msg, ERR_CORRUPT, "%s ends at offset %" PRIu64 ", but %" PRIu64 " was readable: so its files "
                       "were changed while it was open; restore them from a copy, or see millrace log check",
                       r->in->folder, r->end.next_offset, r->in->visible_offset);
    TRY(cut(r));
    TRY(index_found(r));
    TRY(fill_resume(r));
    return write_checkpoint(r);
}

enum err log_recover(const struct recovery_input *in, struct index_set *set, struct recovered *out, struct err_msg *msg)
{
    struct recovery r = {.in = in, .out = out, .set = set, .msg = msg};
    r.folder = (struct log_folder){
        .disk = in->disk, .path = in->folder, .is_internal = in->is_internal, .leader_epoch = in->leader_epoch};
    memset(out, 0, sizeof *out);
    out->resume.last_timestamp_ms = -1;
    enum err e = recover(&r);
    out->segment = r.folder.segment;
    out->segment_count = r.folder.count;
    if (e != ERR_OK) recovered_fini(out);
    return e;
}

void recovered_fini(struct recovered *r)
{
    free(r->segment);
    free(r->resume.gtid_set);
    r->segment = NULL;
    r->resume.gtid_set = NULL;
}
