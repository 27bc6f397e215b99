#include "storage/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/log_scan.h"

enum { GTID_SEGMENTS_BACK = 4 };

struct place { /* a batch end */
    uint32_t segment; /* index */
    uint64_t position, next_offset;
};

struct recovery {
    const struct recovery_input *in;
    struct recovered *out;
    struct index_set *set;
    struct err_msg   *msg;
    struct log_checkpoint checkpoint; /* as found */
    uint32_t start;    /* index of the segment with the recovery point */
    uint32_t room;     /* of out->segment */
    struct place end;  /* the last transaction end found */
    bool     has_scanned_end; /* one lies behind the recovery point: resume is filled from it */
    uint32_t indexed;  /* segment the set holds now */
};

/* ---- the folder ---- */

static int note_name(void *context, const char *name)
{
    struct recovery *r = context;
    struct recovered *out = r->out;
    uint64_t base;
    enum segment_file which;
    size_t size = strlen(name);
    if ((size > 4 && strcmp(name + size - 4, ".tmp") == 0) || (size > 9 && strcmp(name + size - 9, ".prepared") == 0)) {
        char path[LOG_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", r->in->folder, name);
        return disk_unlink(r->in->disk, path);
    }
    if (!segment_name_parse(name, &base, &which) || which != SEGMENT_LOG) return 0;
    if (out->segment_count == r->room) {
        r->room = r->room == 0 ? 64 : r->room * 2;
        struct segment_info *grown = realloc(out->segment, r->room * sizeof *grown);
        if (grown == NULL) return -ENOMEM;
        out->segment = grown;
    }
    out->segment[out->segment_count++] = (struct segment_info){.base_offset = base, .max_timestamp_ms = -1};
    return 0;
}

static int by_base(const void *a, const void *b)
{
    const struct segment_info *x = a, *y = b;
    return x->base_offset < y->base_offset ? -1 : x->base_offset > y->base_offset;
}

static enum err remove_segment(const struct recovery *r, uint64_t base)
{
    for (enum segment_file which = 0; which < SEGMENT_FILE_COUNT; which++) {
        char path[LOG_PATH_BYTES];
        segment_path(path, r->in->folder, base, which);
        int rc = disk_unlink(r->in->disk, path);
        if (rc != 0 && rc != -ENOENT)
            return err_set(r->msg, disk_error(rc), "cannot remove %s: %s", path, disk_error_text(rc));
    }
    return ERR_OK;
}

static enum err list_segments(struct recovery *r)
{
    struct recovered *out = r->out;
    int rc = disk_list(r->in->disk, r->in->folder, note_name, r);
    if (rc != 0)
        return err_set(r->msg, disk_error(rc), "cannot read the folder %s: %s", r->in->folder, disk_error_text(rc));
    if (out->segment_count == 0)
        return err_set(r->msg, ERR_CORRUPT,
                       "%s holds no segment (*.log): restore the folder from a copy, or delete the channel",
                       r->in->folder);
    qsort(out->segment, out->segment_count, sizeof *out->segment, by_base);
    for (uint32_t i = 0; i < out->segment_count; i++) {
        char path[LOG_PATH_BYTES];
        struct disk_stat st;
        segment_path(path, r->in->folder, out->segment[i].base_offset, SEGMENT_LOG);
        rc = disk_stat(r->in->disk, path, &st);
        if (rc != 0) return err_set(r->msg, disk_error(rc), "cannot read %s: %s", path, disk_error_text(rc));
        out->segment[i].bytes = st.bytes;
        out->segment[i].appended_ms = st.modified_ms;
    }
    return ERR_OK;
}

/* A removal of segments whose checkpoint could not be written: what readers were told is gone stays gone.  The
 * checkpoint comes first here too, or after a crash the files would be missed. */
static enum err raise_start(struct recovery *r)
{
    struct log_checkpoint *c = &r->checkpoint;
    if (c->start_offset >= r->in->start_offset) return ERR_OK;
    c->start_offset = r->in->start_offset;
    c->is_clean = false;
    if (c->segment_base_offset < c->start_offset) { /* the point goes too; all before the start was durable */
        c->segment_base_offset = c->recovery_offset = c->start_offset;
        c->recovery_position = 0;
    }
    return checkpoint_write(r->in->disk, r->in->folder, c, r->msg);
}

/* Finds the recovery point, and ends a removal of old segments that was interrupted. */
static enum err find_start(struct recovery *r)
{
    struct recovered *out = r->out;
    struct log_checkpoint *c = &r->checkpoint;
    enum err e = checkpoint_read(r->in->disk, r->in->folder, c, r->msg);
    if (e == ERR_NOT_FOUND) {
        uint64_t first = out->segment[0].base_offset;
        log_warn("storage", "%s has no checkpoint: verifying the whole log", r->in->folder);
        *c = (struct log_checkpoint){first, first, first, 0, UINT64_MAX, 0, false};
    } else if (e != ERR_OK) {
        return e;
    }
    TRY(raise_start(r));
    uint32_t gone = 0;
    while (gone + 1 < out->segment_count && out->segment[gone + 1].base_offset <= c->start_offset &&
           out->segment[gone].base_offset < c->segment_base_offset)
        TRY(remove_segment(r, out->segment[gone++].base_offset));
    out->segment_count -= gone;
    memmove(out->segment, out->segment + gone, out->segment_count * sizeof *out->segment);

    if (out->segment[0].base_offset > c->start_offset)
        return err_set(r->msg, ERR_CORRUPT,
                       "%s: the segment with offset %" PRIu64 " is missing: restore it from a copy", r->in->folder,
                       c->start_offset);
    r->start = 0;
    while (r->start < out->segment_count && out->segment[r->start].base_offset != c->segment_base_offset) r->start++;
    if (r->start == out->segment_count)
        return err_set(r->msg, ERR_CORRUPT, "%s/%020" PRIu64 ".log is missing: restore it from a copy", r->in->folder,
                       c->segment_base_offset);
    if (out->segment[r->start].bytes < c->recovery_position)
        return err_set(r->msg, ERR_CORRUPT,
                       "%s/%020" PRIu64 ".log has %" PRIu64 " bytes, but %" PRIu64
                       " were durable: restore it from a copy",
                       r->in->folder, c->segment_base_offset, out->segment[r->start].bytes, c->recovery_position);
    r->end = (struct place){r->start, c->recovery_position, c->recovery_offset};
    return ERR_OK;
}

/* ---- reading ---- */

static enum err open_scan(const struct recovery *r, uint32_t segment, uint64_t position, struct log_scan *s)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, r->in->folder, r->out->segment[segment].base_offset, SEGMENT_LOG);
    return log_scan_open(s, r->in->disk, path, position, r->msg);
}

static enum err damaged(const struct recovery *r, uint32_t segment, uint64_t position)
{
    return err_set(r->msg, ERR_CORRUPT,
                   "%s/%020" PRIu64 ".log is damaged at byte %" PRIu64
                   ", in data that was durable: restore the file from a copy",
                   r->in->folder, r->out->segment[segment].base_offset, position);
}

static bool ends_transaction(const struct recovery *r, const struct record_batch_view *view)
{
    struct record_header h;
    int64_t ignored;
    return r->in->is_internal || batch_last_header(view, RECORD_HEADER_POSITION, &h, &ignored);
}

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
    if (r->in->is_internal || (view->attributes & 7) != 0) return ERR_OK;
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
    uint64_t expected = r->checkpoint.recovery_offset, position = r->checkpoint.recovery_position;
    for (uint32_t i = r->start; i < r->out->segment_count; i++, position = 0) {
        struct log_scan s;
        struct record_batch_view view;
        const uint8_t *bytes;
        if (i > r->start && r->out->segment[i].base_offset != expected) break;
        TRY(open_scan(r, i, position, &s));
        enum err e;
        while ((e = log_scan_next(&s, true, &view, &bytes)) == ERR_OK) {
            if (view.base_offset != expected || view.leader_epoch > r->in->leader_epoch) break;
            expected = view.last_offset + 1;
            if (ends_transaction(r, &view) && take_position(r, &view)) {
                r->end = (struct place){i, s.position, expected};
                r->has_scanned_end = true;
            }
        }
        bool failed = e == ERR_IO || e == ERR_NO_MEMORY;
        log_scan_close(&s);
        if (failed)
            return err_set(r->msg, e, "cannot read %s/%020" PRIu64 ".log: %s", r->in->folder,
                           r->out->segment[i].base_offset, err_text(e));
    }
    return ERR_OK;
}

/* ---- indexes ---- */

/* Adds the batches of a segment between two places to the set.  Everything there must hold. */
static enum err index_from_log(struct recovery *r, uint32_t segment, uint64_t from, uint64_t to, uint64_t expected,
                               bool verify)
{
    struct log_scan s;
    struct record_batch_view view;
    const uint8_t *bytes;
    uint64_t base = r->out->segment[segment].base_offset;
    TRY(open_scan(r, segment, from, &s));
    enum err e = ERR_OK;
    while (e == ERR_OK && s.position < to) {
        uint64_t position = s.position;
        e = log_scan_next(&s, verify, &view, &bytes);
        if (e == ERR_OK && (view.base_offset != expected || s.position > to || view.leader_epoch > r->in->leader_epoch))
            e = ERR_CORRUPT;
        if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND) e = damaged(r, segment, position);
        if (e != ERR_OK) break;
        expected = view.last_offset + 1;
        index_add(r->set, view.last_offset, position, view.bytes, view.max_timestamp_ms, ends_transaction(r, &view),
                  r->in->index_interval_bytes);
        e = look_for_gtid_set(r, &view, base, position);
    }
    log_scan_close(&s);
    return e;
}

static enum err index_rebuild(struct recovery *r, uint32_t segment)
{
    const struct segment_info *info = &r->out->segment[segment];
    log_warn("storage", "%s/%020" PRIu64 ": making the indexes anew", r->in->folder, info->base_offset);
    index_reset(r->set, info->base_offset);
    TRY(index_from_log(r, segment, 0, info->bytes, info->base_offset, true));
    return index_write(r->in->disk, r->in->folder, r->set, info->base_offset, &r->set->at, r->msg);
}

/* Segments before the recovery point: their indexes give what the table wants to know. */
static enum err summarize_sealed(struct recovery *r)
{
    for (uint32_t i = 0; i < r->start; i++) {
        struct segment_info *info = &r->out->segment[i];
        struct index_summary summary;
        if (info->bytes == 0) return damaged(r, i, 0);
        if (!index_summary_read(r->in->disk, r->in->folder, info->base_offset, info->bytes, &summary)) {
            TRY(index_rebuild(r, i));
            if (!index_summary_read(r->in->disk, r->in->folder, info->base_offset, info->bytes, &summary))
                return damaged(r, i, 0);
        }
        info->max_timestamp_ms = summary.max_timestamp_ms;
        info->ends_transaction = summary.last_end_offset + 1 == r->out->segment[i + 1].base_offset;
    }
    return ERR_OK;
}

/* Segments from the recovery point to the end: extend their indexes over what was found behind the point. */
static enum err index_found(struct recovery *r)
{
    for (uint32_t i = r->start; i <= r->end.segment; i++) {
        struct segment_info *info = &r->out->segment[i];
        uint64_t from = i == r->start ? r->checkpoint.recovery_position : 0;
        uint64_t offset = i == r->start ? r->checkpoint.recovery_offset : info->base_offset;
        uint64_t to = i == r->end.segment ? r->end.position : info->bytes;
        index_reset(r->set, info->base_offset);
        if (from > 0 && !index_load(r->in->disk, r->in->folder, r->set, info->base_offset, from, offset,
                                    r->in->index_interval_bytes)) {
            log_warn("storage", "%s/%020" PRIu64 ": making the indexes anew", r->in->folder, info->base_offset);
            TRY(index_from_log(r, i, 0, from, info->base_offset, true));
        }
        TRY(index_from_log(r, i, from, to, offset, false));
        info->max_timestamp_ms = r->set->at.max_timestamp_ms;
        info->ends_transaction =
            i < r->end.segment && r->set->at.has_end &&
            r->set->at.last_end.relative_offset + 1 == r->out->segment[i + 1].base_offset - info->base_offset;
        TRY(index_write(r->in->disk, r->in->folder, r->set, info->base_offset, &r->set->at, r->msg));
    }
    return ERR_OK;
}

/* ---- the cut ---- */

/* Also where the length is right already: whoever gave the file this length may have failed to sync it. */
static enum err cut_file(struct recovery *r, uint32_t segment, uint64_t bytes)
{
    char path[LOG_PATH_BYTES];
    struct segment_info *info = &r->out->segment[segment];
    segment_path(path, r->in->folder, info->base_offset, SEGMENT_LOG);
    int file = disk_open(r->in->disk, path, DISK_WRITE);
    int rc = file;
    if (rc >= 0) {
        rc = disk_truncate(r->in->disk, file, bytes); /* what grows there later reads as zeros */
        if (rc == 0) rc = disk_sync(r->in->disk, file);
        disk_close(r->in->disk, file);
    }
    if (rc < 0)
        return err_set(r->msg, disk_error(rc), "cannot cut %s to %" PRIu64 " bytes: %s", path, bytes,
                       disk_error_text(rc));
    info->bytes = bytes;
    return ERR_OK;
}

/* Where the batches of a segment that has a successor end: the successor's base says which offset comes last. */
static enum err cut_sealed(struct recovery *r, uint32_t segment)
{
    struct log_scan s;
    struct record_batch_view view;
    const uint8_t *bytes;
    bool is_start = segment == r->start;
    uint64_t expected = is_start ? r->checkpoint.recovery_offset : r->out->segment[segment].base_offset;
    uint64_t next_base = r->out->segment[segment + 1].base_offset;
    TRY(open_scan(r, segment, is_start ? r->checkpoint.recovery_position : 0, &s));
    enum err e = ERR_OK;
    while (e == ERR_OK && expected < next_base) {
        e = log_scan_next(&s, false, &view, &bytes);
        if (e == ERR_OK) expected = view.last_offset + 1;
    }
    uint64_t position = s.position;
    log_scan_close(&s);
    if (e != ERR_OK || expected != next_base) return damaged(r, segment, position);
    return cut_file(r, segment, position);
}

static enum err cut(struct recovery *r)
{
    struct recovered *out = r->out;
    while (out->segment_count > r->end.segment + 1)
        TRY(remove_segment(r, out->segment[--out->segment_count].base_offset));
    for (uint32_t i = r->start; i < r->end.segment; i++) TRY(cut_sealed(r, i));
    TRY(cut_file(r, r->end.segment, r->end.position));
    int rc = disk_sync_folder(r->in->disk, r->in->folder);
    if (rc != 0)
        return err_set(r->msg, disk_error(rc), "cannot sync the folder %s: %s", r->in->folder, disk_error_text(rc));
    return ERR_OK;
}

/* ---- what the producer needs ---- */

/* The transaction end at the recovery point itself, when nothing whole was found behind it. */
static enum err resume_from_point(struct recovery *r)
{
    struct log_scan s;
    struct record_batch_view view;
    const uint8_t *bytes;
    uint32_t segment = r->end.segment;
    struct index_entry last = r->set->at.last_end;
    r->out->resume.last_timestamp_ms = -1;
    if (r->end.position == 0 && segment == 0) return ERR_OK; /* an empty log */
    if (r->end.position == 0) {
        segment--;
        const struct segment_info *info = &r->out->segment[segment];
        if (!index_load(r->in->disk, r->in->folder, r->set, info->base_offset, info->bytes, r->end.next_offset,
                        r->in->index_interval_bytes)) {
            index_reset(r->set, info->base_offset);
            TRY(index_from_log(r, segment, 0, info->bytes, info->base_offset, true));
        }
        last = r->set->at.last_end;
        index_reset(r->set, r->out->segment[r->end.segment].base_offset);
    }
    TRY(open_scan(r, segment, last.position, &s));
    enum err e = log_scan_next(&s, true, &view, &bytes);
    if (e == ERR_OK && (view.last_offset + 1 != r->end.next_offset || !take_position(r, &view))) e = ERR_CORRUPT;
    log_scan_close(&s);
    if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND) return damaged(r, segment, last.position);
    return e;
}

static enum err gtid_set_at(struct recovery *r, uint32_t segment, uint64_t position)
{
    struct log_scan s;
    struct record_batch_view view;
    const uint8_t *bytes;
    if (r->out->segment[segment].bytes == 0) return ERR_OK;
    TRY(open_scan(r, segment, position, &s));
    enum err e = log_scan_next(&s, true, &view, &bytes);
    if (e == ERR_OK) e = look_for_gtid_set(r, &view, r->out->segment[segment].base_offset, position);
    log_scan_close(&s);
    if (e == ERR_CORRUPT || e == ERR_TRUNCATED || e == ERR_NOT_FOUND) return damaged(r, segment, position);
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
    uint32_t segment = r->out->segment_count - 1;
    while (segment > 0 && r->out->segment[segment].base_offset > known->gtid_segment) segment--;
    if (r->out->segment[segment].base_offset == known->gtid_segment) TRY(gtid_set_at(r, segment, known->gtid_position));
    for (uint32_t back = 0; resume->gtid_set == NULL && back < GTID_SEGMENTS_BACK; back++, segment--) {
        TRY(gtid_set_at(r, segment, 0));
        if (segment == 0) break;
    }
    return ERR_OK;
}

static enum err fill_resume(struct recovery *r)
{
    struct recovered *out = r->out;
    const struct segment_info *active = &out->segment[r->end.segment];
    if (!r->has_scanned_end) TRY(resume_from_point(r));
    TRY(gtid_set_from_checkpoint(r));
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
    return rc == (int64_t)(r->end.position - block) ? ERR_OK : damaged(r, r->end.segment, r->end.position);
}

static enum err recover(struct recovery *r)
{
    TRY(list_segments(r));
    TRY(find_start(r));
    r->out->checkpoint = r->checkpoint;
    r->out->checkpoint.gtid_segment = UINT64_MAX;
    TRY(summarize_sealed(r));
    TRY(scan_behind_point(r));
    if (r->end.next_offset < r->in->visible_offset)
        return err_set(r->msg, ERR_CORRUPT,
                       "%s ends at offset %" PRIu64 ", but %" PRIu64
                       " was readable: its files were changed while it was open",
                       r->in->folder, r->end.next_offset, r->in->visible_offset);
    TRY(cut(r));
    TRY(index_found(r));
    TRY(fill_resume(r));
    struct log_checkpoint *c = &r->out->checkpoint;
    c->segment_base_offset = r->out->segment[r->end.segment].base_offset;
    c->recovery_position = r->end.position;
    c->recovery_offset = r->end.next_offset;
    c->is_clean = r->in->leave_clean;
    return checkpoint_write(r->in->disk, r->in->folder, c, r->msg);
}

enum err log_recover(const struct recovery_input *in, struct index_set *set, struct recovered *out, struct err_msg *msg)
{
    struct recovery r = {.in = in, .out = out, .set = set, .msg = msg};
    memset(out, 0, sizeof *out);
    out->resume.last_timestamp_ms = -1;
    enum err e = recover(&r);
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
