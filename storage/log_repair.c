/* Mending what a survey of a log found.  Each step leaves what the next run can go on from. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "storage/log_survey.h"

enum { INDEX_INTERVAL_BYTES = 4096, COPY_BYTES = 1 << 20 };

/* An index set large enough for any segment of the log. */
static enum err set_open(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->folder.count; i++)
        if (s->folder.segment[i].bytes > bytes) bytes = s->folder.segment[i].bytes;
    if (index_set_init(set, (uint32_t)(bytes / INDEX_INTERVAL_BYTES) + 64) == ERR_OK) return ERR_OK;
    return err_set(msg, ERR_NO_MEMORY, "no memory for the indexes of %s", s->inner);
}

/* ---- keeping what is cut ---- */

static enum err failed(struct err_msg *msg, int64_t rc, const char *what, const char *path)
{
    return err_set(msg, disk_error(rc), "cannot %s %s: %s", what, path, disk_error_text(rc));
}

/* Copies the bytes of a file from `position` on. */
static enum err copy_tail(struct disk *d, const char *from, uint64_t position, const char *to, struct err_msg *msg)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    int in = disk_open(d, from, 0), out = disk_open(d, to, DISK_WRITE | DISK_CREATE);
    int64_t rc = bytes == NULL ? -ENOMEM : in < 0 ? in : out;
    for (uint64_t done = 0; rc >= 0; done += (uint64_t)rc) {
        rc = disk_read(d, in, bytes, COPY_BYTES, position + done);
        if (rc <= 0) break;
        int64_t put = disk_write(d, out, bytes, (size_t)rc, done);
        if (put < 0) rc = put;
    }
    if (rc >= 0) rc = disk_sync(d, out);
    if (in >= 0) disk_close(d, in);
    if (out >= 0) disk_close(d, out);
    free(bytes);
    return rc < 0 ? failed(msg, rc, "keep what is cut in", to) : ERR_OK;
}

/* A folder of its own for each cut: what an earlier one kept, at the same offset, stays. */
static enum err make_aside(struct log_survey *s, char aside[static LOG_PATH_BYTES], struct err_msg *msg)
{
    int rc = -EEXIST;
    for (unsigned again = 0; rc == -EEXIST; again++) {
        int length = snprintf(aside, LOG_PATH_BYTES, "%s/cut-%020" PRIu64, s->outer, s->end.offset);
        if (again > 0) snprintf(aside + length, LOG_PATH_BYTES - (size_t)length, ".%u", again + 1);
        rc = disk_make_folder(s->disk, aside);
    }
    return rc == 0 ? ERR_OK : failed(msg, rc, "make", aside);
}

static enum err keep_aside(struct log_survey *s, char aside[static LOG_PATH_BYTES], struct err_msg *msg)
{
    struct log_folder *f = &s->folder;
    char from[LOG_PATH_BYTES], to[LOG_PATH_BYTES + 64];
    TRY(make_aside(s, aside, msg));
    int rc;
    uint64_t base = f->segment[s->end.segment].base_offset;
    segment_path(from, s->inner, base, SEGMENT_LOG);
    snprintf(to, sizeof to, "%s/%020" PRIu64 ".log.from-%" PRIu64, aside, base, s->end.position);
    if (f->segment[s->end.segment].bytes > s->end.position) TRY(copy_tail(s->disk, from, s->end.position, to, msg));
    rc = disk_sync_folder(s->disk, s->outer);
    for (; rc == 0 && f->count > s->end.segment + 1; f->count--) {
        for (enum segment_file which = 0; rc == 0 && which < SEGMENT_FILE_COUNT; which++) {
            segment_path(from, s->inner, f->segment[f->count - 1].base_offset, which);
            segment_path(to, aside, f->segment[f->count - 1].base_offset, which);
            rc = disk_rename(s->disk, from, to);
            if (rc == -ENOENT) rc = 0;
        }
    }
    if (rc == 0) rc = disk_sync_folder(s->disk, aside);
    if (rc == 0) rc = disk_sync_folder(s->disk, s->inner);
    return rc == 0 ? ERR_OK : failed(msg, rc, "move segments to", aside);
}

/* Consumers must not take the new records at these offsets for those they may have had. */
static enum err new_incarnation(struct log_survey *s, struct err_msg *msg)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t secret[22];
    random_secret(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++) s->identity.cluster_id[i] = digits[secret[i] & 63];
    s->identity.cluster_id[sizeof secret] = 0;
    if (s->identity.cluster_id[0] == '-') s->identity.cluster_id[0] = 'A';
    log_epoch_begin(&s->identity, s->end.offset);
    s->folder.leader_epoch = s->identity.leader_epoch;
    return meta_write(s->disk, s->outer, &s->identity, msg);
}

/* ---- the checkpoint ---- */

/* Walks the segment with the log's end into the set. */
static enum err index_active(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    struct log_walk w;
    struct record_batch_view view;
    enum err e = ERR_OK;
    uint64_t base = s->folder.segment[s->end.segment].base_offset;
    index_reset(set, base);
    TRY(log_folder_walk(&s->folder, s->end.segment, 0, base, true, &w, msg));
    while (e == ERR_OK && w.scan.position < s->end.position) {
        e = log_walk_next(&w, &view);
        if (e == ERR_OK)
            index_add(set, view.last_offset, w.position, view.bytes, view.max_timestamp_ms, w.ends_transaction,
                      INDEX_INTERVAL_BYTES);
    }
    log_walk_close(&w);
    return e == ERR_OK ? e : err_set(msg, ERR_IO, "%s does not read as it did a moment ago; check the disk", s->inner);
}

/* What the new point will vouch for was read just now, and may never have been flushed. */
static enum err sync_segments(const struct log_survey *s, struct err_msg *msg)
{
    for (uint32_t i = 0; i <= s->end.segment; i++) {
        char path[LOG_PATH_BYTES];
        segment_path(path, s->inner, s->folder.segment[i].base_offset, SEGMENT_LOG);
        int file = disk_open(s->disk, path, DISK_WRITE);
        int rc = file < 0 ? file : disk_sync(s->disk, file);
        if (file >= 0) disk_close(s->disk, file);
        if (rc < 0) return failed(msg, rc, "flush", path);
    }
    return ERR_OK;
}

/* The recovery point is now where the last whole transaction ends. */
static enum err point_at_end(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    const struct log_folder *f = &s->folder;
    const struct survey_place *end = &s->end;
    struct log_checkpoint c = checkpoint_empty(f->segment[0].base_offset);
    if (s->has_checkpoint && s->checkpoint.start_offset > c.start_offset) c.start_offset = s->checkpoint.start_offset;
    if (s->start_is_missing && s->first_end_offset > c.start_offset) c.start_offset = s->first_end_offset;
    if (c.start_offset > end->offset) c.start_offset = end->offset;
    c.segment_base_offset = f->segment[end->segment].base_offset;
    c.recovery_offset = end->offset;
    c.recovery_position = end->position;
    TRY(index_active(s, set, msg));
    TRY(index_write(s->disk, s->inner, set, c.segment_base_offset, &set->at, NULL, &c.index, msg));
    TRY(sync_segments(s, msg));
    TRY(log_folder_sync(f, msg));
    c.max_timestamp_ms = set->at.max_timestamp_ms;
    c.max_timestamp_offset = c.segment_base_offset + set->at.max_timestamp_relative_offset;
    if (s->has_end) {
        c.end_segment = c.segment_base_offset;
        c.end_position = end->batch_position;
        /* Each segment begins with a GTID set; recovery goes back from there where this one has none. */
        if (!s->identity.is_internal) c.gtid_segment = c.segment_base_offset;
    }
    TRY(checkpoint_write(s->disk, s->inner, &c, msg));
    s->checkpoint = c;
    s->has_checkpoint = true;
    return ERR_OK;
}

/* ---- the steps ---- */

static enum err cut(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    uint64_t lost = s->seen_offset;
    char aside[LOG_PATH_BYTES];
    TRY(new_incarnation(s, msg));
    TRY(keep_aside(s, aside, msg));
    TRY(point_at_end(s, set, msg));
    TRY(log_folder_cut(&s->folder, s->end.segment, s->end.position, msg));
    s->result->mended++;
    if (lost > s->end.offset)
        log_survey_say(s, LOG_CHECK_MENDED,
                       "%s was cut: offsets %" PRIu64 " to %" PRIu64
                       " are lost; their bytes are kept in %s",
                       s->inner, s->end.offset, lost - 1, aside);
    else
        log_survey_say(s, LOG_CHECK_MENDED, "%s was cut at offset %" PRIu64 ", no whole record is lost", s->inner,
                       s->end.offset);
    log_survey_say(s, LOG_CHECK_NOTE, "%s has leader epoch %" PRIu32 " and cluster id %s now", s->outer,
                   s->identity.leader_epoch, s->identity.cluster_id);
    s->is_damaged = s->start_is_missing = s->point_index_bad = false;
    return ERR_OK;
}

static enum err seal_segments(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    for (uint32_t i = 0; i + 1 < s->folder.count; i++) {
        struct index_seal seal;
        if (!s->indexes_bad[i] || i >= s->end.segment) continue;
        TRY(log_folder_seal(&s->folder, i, set, INDEX_INTERVAL_BYTES, &seal, msg));
        s->result->mended++;
        log_survey_say(s, LOG_CHECK_MENDED, "%s/%020" PRIu64 ": indexes made anew", s->inner,
                       s->folder.segment[i].base_offset);
    }
    return ERR_OK;
}

static enum err repair(struct log_survey *s, struct index_set *set, struct err_msg *msg)
{
    bool loses = s->is_damaged || s->start_is_missing, had_checkpoint = s->has_checkpoint;
    if (loses && !s->options->cut) {
        log_survey_say(s, LOG_CHECK_NOTE,
                       "%s: restore it from a copy; or cut it (--cut): offsets %" PRIu64 " to %" PRIu64
                       " would be lost, and the log gets a new leader epoch and cluster id",
                       s->inner, s->start_is_missing ? s->checkpoint.start_offset : s->end.offset,
                       (s->is_damaged ? s->seen_offset : s->folder.segment[0].base_offset) - 1);
        return ERR_OK;
    }
    TRY(seal_segments(s, set, msg)); /* before the cut, which moves some of them away */
    if (loses) TRY(cut(s, set, msg));
    else if (!had_checkpoint || s->point_index_bad) TRY(point_at_end(s, set, msg));
    if (!had_checkpoint || s->point_index_bad) {
        s->result->mended++;
        log_survey_say(s, LOG_CHECK_MENDED, "%s/%020" PRIu64 ": indexes and checkpoint made anew", s->inner,
                       s->checkpoint.segment_base_offset);
    }
    return ERR_OK;
}

enum err log_repair(struct log_survey *s, struct err_msg *msg)
{
    struct index_set set;
    if (s->folder.count == 0 || !s->has_identity) {
        log_survey_say(s, LOG_CHECK_NOTE, "%s cannot be mended: restore it from a copy", s->outer);
        return ERR_OK;
    }
    TRY(set_open(s, &set, msg));
    enum err e = repair(s, &set, msg);
    index_set_fini(&set);
    return e;
}
