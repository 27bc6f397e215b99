#include "storage/log_survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

void log_survey_say(struct log_survey *s, enum log_check_says kind, const char *fmt, ...)
{
    char text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (kind == LOG_CHECK_FAULT) s->result->faults++;
    if (s->options->say != NULL) s->options->say(s->options->context, kind, text);
}

/* Something the walk goes on after; anything else ends it. */
static enum err note_fault(struct log_survey *s, enum err e, const struct err_msg *what, struct err_msg *msg)
{
    if (e == ERR_OK) return ERR_OK;
    if (e != ERR_CORRUPT && e != ERR_NOT_FOUND) {
        if (msg != NULL) *msg = *what;
        return e;
    }
    log_survey_say(s, LOG_CHECK_FAULT, "%s", what->text);
    return ERR_OK;
}

/* ---- index files against the log ---- */

struct entry_list {
    uint8_t *bytes;
    struct cursor left;
    const char *suffix;
    uint64_t at; /* of the next entry, in the file */
};

struct index_check {
    struct entry_list list[SEGMENT_FILE_COUNT];
    int64_t max_timestamp_ms;
    const char *bad; /* the first file that does not hold */
    uint64_t bad_at;
};

/* Reads the entries of a segment's index files, the seal left away.  False: a file is missing or no whole entries. */
static bool index_open(struct log_survey *s, uint64_t base, struct index_check *x)
{
    static const char *const suffix[] = {".log", ".index", ".timeindex", ".pos"};
    *x = (struct index_check){.max_timestamp_ms = -1};
    for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
        struct entry_list *l = &x->list[which];
        char path[LOG_PATH_BYTES];
        struct disk_stat st;
        struct index_seal seal;
        uint32_t entry = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
        segment_path(path, s->inner, base, which);
        l->suffix = x->bad = suffix[which];
        if (disk_stat(s->disk, path, &st) != 0 || st.bytes % entry != 0 || st.bytes > (1u << 30)) return false;
        int file = disk_open(s->disk, path, 0);
        if (file < 0) return false;
        l->bytes = malloc((size_t)st.bytes + 1);
        bool read = l->bytes != NULL && disk_read(s->disk, file, l->bytes, (size_t)st.bytes, 0) == (int64_t)st.bytes;
        disk_close(s->disk, file);
        if (!read) return false;
        if (which == SEGMENT_POSITIONS && index_seal_read(s->disk, s->inner, base, &seal)) st.bytes -= INDEX_SEAL_BYTES;
        l->left = cursor_of(l->bytes, (size_t)st.bytes);
    }
    x->bad = NULL;
    return true;
}

static void index_close(struct index_check *x)
{
    for (int i = SEGMENT_INDEX; i < SEGMENT_FILE_COUNT; i++) free(x->list[i].bytes);
}

static void index_fault(struct index_check *x, enum segment_file which)
{
    if (x->bad != NULL) return;
    x->bad = x->list[which].suffix;
    x->bad_at = x->list[which].at;
}

/* Does the next entry of .index or .pos name this batch?  Entries must name batches, in order. */
static void entry_check(struct index_check *x, enum segment_file which, uint32_t relative_offset, uint64_t position,
                        bool may_be_named)
{
    struct entry_list *l = &x->list[which];
    struct cursor next = l->left;
    if (x->bad != NULL || cursor_left(&next) == 0) return;
    uint64_t entry_offset = cursor_be(&next, 4), entry_position = cursor_be(&next, 4);
    if (entry_offset > relative_offset && entry_position > position) return; /* of a later batch */
    if (entry_offset != relative_offset || entry_position != position || !may_be_named) {
        index_fault(x, which);
        return;
    }
    l->left = next;
    l->at += INDEX_ENTRY_BYTES;
}

static void time_check(struct index_check *x, uint32_t relative_offset, int64_t batch_max_ms)
{
    struct entry_list *l = &x->list[SEGMENT_TIME_INDEX];
    struct cursor next = l->left;
    bool is_newest = batch_max_ms > x->max_timestamp_ms;
    if (is_newest) x->max_timestamp_ms = batch_max_ms;
    if (x->bad != NULL || cursor_left(&next) == 0) return;
    int64_t entry_ms = (int64_t)cursor_be(&next, 8);
    uint64_t entry_offset = cursor_be(&next, 4);
    if (entry_offset > relative_offset) return; /* of a later batch */
    if (entry_offset != relative_offset || !is_newest || entry_ms != batch_max_ms) {
        index_fault(x, SEGMENT_TIME_INDEX);
        return;
    }
    l->left = next;
    l->at += TIME_INDEX_ENTRY_BYTES;
}

/* A sealed segment was walked to its end: no entry may be left, and the seal holds. */
static void index_end(struct log_survey *s, struct index_check *x, uint64_t base, uint64_t next_offset, uint64_t bytes)
{
    struct index_seal seal;
    for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++)
        if (cursor_left(&x->list[which].left) > 0) index_fault(x, which);
    if (x->bad != NULL) return;
    if (index_seal_read(s->disk, s->inner, base, &seal) && seal.next_offset == next_offset && seal.log_bytes == bytes &&
        seal.max_timestamp_ms == x->max_timestamp_ms && index_seal_verify(s->disk, s->inner, &seal))
        return;
    x->bad = x->list[SEGMENT_POSITIONS].suffix;
    x->bad_at = x->list[SEGMENT_POSITIONS].at;
}

/* ---- the segments ---- */

/* Is the place behind the recovery point, where a crash may have left anything? */
static bool may_be_torn(const struct log_survey *s, uint32_t segment, uint64_t position)
{
    const struct log_checkpoint *c = &s->checkpoint;
    uint64_t base = s->folder.segment[segment].base_offset;
    return s->has_checkpoint && !c->is_clean &&
           (base > c->segment_base_offset || (base == c->segment_base_offset && position >= c->recovery_position));
}

/* What the walk met where a batch should begin. */
static void damage(struct log_survey *s, uint32_t segment, const struct log_walk *w, bool is_zeros)
{
    uint64_t base = s->folder.segment[segment].base_offset, bytes = s->folder.segment[segment].bytes;
    const char *why = is_zeros ? "zeros" : w->why;
    bool may_be_room = is_zeros && !s->has_checkpoint && segment + 1 == s->folder.count;
    if (may_be_room || may_be_torn(s, segment, w->position)) {
        log_survey_say(s, LOG_CHECK_NOTE,
                       "%s/%020" PRIu64 ".log: %" PRIu64 " bytes from byte %" PRIu64
                       " on are a torn tail or room reserved (%s); the next start cuts there",
                       s->inner, base, bytes - w->position, w->position, why);
        s->is_torn = true;
        return;
    }
    log_survey_say(s, LOG_CHECK_FAULT, "%s/%020" PRIu64 ".log is damaged at byte %" PRIu64 ", offset %" PRIu64 ": %s",
                   s->inner, base, w->position, w->expected, why);
    s->is_damaged = true;
}

static void take_batch(struct log_survey *s, uint32_t segment, const struct log_walk *w,
                       const struct record_batch_view *view)
{
    s->result->batches++;
    s->result->records += view->record_count;
    s->result->bytes += view->bytes;
    if (w->expected > s->seen_offset) s->seen_offset = w->expected;
    if (!w->ends_transaction) return;
    const struct log_checkpoint *c = &s->checkpoint;
    uint64_t base = s->folder.segment[segment].base_offset;
    if (base == c->end_segment && w->position == c->end_position && w->expected == c->recovery_offset &&
        (base < c->segment_base_offset || w->scan.position == c->recovery_position))
        s->has_point = true;
    if (s->first_end_offset == 0) s->first_end_offset = w->expected;
    if (s->is_damaged) return;
    s->end = (struct survey_place){segment, w->scan.position, w->expected, w->position};
    s->has_end = true;
}

/* Walks one segment; `*expected` goes on, and is wrong after damage (false). */
static enum err walk_segment(struct log_survey *s, uint32_t i, uint64_t *expected, bool *goes_on, struct err_msg *msg)
{
    const struct segment_info *info = &s->folder.segment[i];
    bool is_sealed = i + 1 < s->folder.count, was_damaged = s->is_damaged;
    struct log_walk w;
    struct record_batch_view view;
    struct index_check x;
    TRY(log_folder_walk(&s->folder, i, 0, info->base_offset, true, &w, msg));
    (void)index_open(s, info->base_offset, &x);
    enum err e;
    while ((e = log_walk_next(&w, &view)) == ERR_OK) {
        uint32_t relative = (uint32_t)(view.last_offset - info->base_offset);
        entry_check(&x, SEGMENT_INDEX, relative, w.position, true);
        entry_check(&x, SEGMENT_POSITIONS, relative, w.position, w.ends_transaction);
        time_check(&x, relative, view.max_timestamp_ms);
        take_batch(s, i, &w, &view);
        if (is_sealed && w.expected == s->folder.segment[i + 1].base_offset) break;
    }
    w.position = w.scan.position;
    bool is_whole = is_sealed && w.expected == s->folder.segment[i + 1].base_offset;
    if (e == ERR_CORRUPT && !is_whole) damage(s, i, &w, false);
    else if (e == ERR_NOT_FOUND && w.scan.position < info->bytes && !is_whole) damage(s, i, &w, true);
    *goes_on = e == ERR_OK || w.scan.position == info->bytes;
    *expected = w.expected;
    log_walk_close(&w);
    /* Behind the point a start makes them anew, and check_point looks at those of the segment with the point. */
    bool is_judged = is_sealed && (!s->has_checkpoint || info->base_offset < s->checkpoint.segment_base_offset);
    if (is_whole && is_judged) {
        index_end(s, &x, info->base_offset, *expected, w.scan.position);
        if (w.scan.position < info->bytes)
            log_survey_say(s, LOG_CHECK_NOTE, "%s/%020" PRIu64 ".log has %" PRIu64 " bytes of reserved room left",
                           s->inner, info->base_offset, info->bytes - w.scan.position);
    }
    s->indexes_bad[i] = is_judged && x.bad != NULL && was_damaged == s->is_damaged;
    if (s->indexes_bad[i])
        log_survey_say(s, LOG_CHECK_FAULT, "%s/%020" PRIu64 "%s does not fit the log at byte %" PRIu64, s->inner,
                       info->base_offset, x.bad, x.bad_at);
    index_close(&x);
    if (e == ERR_IO || e == ERR_NO_MEMORY)
        return err_set(msg, e, "cannot read the segments in %s: %s", s->inner, err_text(e));
    return ERR_OK;
}

/* Files that are copies under another name are no part of the log: they are named, and left alone. */
static enum err drop_foreign(struct log_survey *s, struct err_msg *msg)
{
    struct log_folder *f = &s->folder;
    struct err_msg why;
    uint32_t kept = 0, removed = s->has_checkpoint ? log_folder_removed(f, &s->checkpoint) : 0;
    for (uint32_t i = 0; i < removed; i++)
        log_survey_say(s, LOG_CHECK_NOTE, "%s/%020" PRIu64 ".log is before the log's start; the next start removes it",
                       s->inner, f->segment[i].base_offset);
    log_folder_forget_first(f, removed);
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t start = s->has_checkpoint ? s->checkpoint.start_offset : 0;
        enum err e = log_folder_check_name(f, i, start, &why);
        TRY(note_fault(s, e, &why, msg));
        if (e == ERR_OK) f->segment[kept++] = f->segment[i];
    }
    f->count = kept;
    return ERR_OK;
}

/* The segment does not begin where the one before it ends. */
static void wrong_base(struct log_survey *s, uint64_t base, uint64_t expected)
{
    if (base > expected)
        log_survey_say(s, LOG_CHECK_FAULT,
                       "%s: offsets %" PRIu64 " to %" PRIu64 " are missing before %020" PRIu64 ".log", s->inner,
                       expected, base - 1, base);
    else
        log_survey_say(s, LOG_CHECK_FAULT, "%s/%020" PRIu64 ".log begins within the segment before it", s->inner, base);
    s->is_damaged = true;
}

static enum err walk_all(struct log_survey *s, struct err_msg *msg)
{
    const struct log_folder *f = &s->folder;
    uint64_t expected = f->segment[0].base_offset;
    bool goes_on = true;
    uint32_t i = 0;
    for (; i < f->count && !s->is_torn; i++) {
        uint64_t base = f->segment[i].base_offset;
        if (i > 0 && goes_on && base > expected && may_be_torn(s, i, 0)) break;
        if (i > 0 && goes_on && base != expected) wrong_base(s, base, expected);
        TRY(walk_segment(s, i, &expected, &goes_on, msg));
        s->result->segments++;
    }
    for (; i < f->count; i++) {
        uint64_t base = f->segment[i].base_offset;
        if (base < expected) wrong_base(s, base, expected);
        else
            log_survey_say(s, LOG_CHECK_NOTE,
                           "%s/%020" PRIu64 ".log lies behind the log's end; the next start removes it", s->inner,
                           base);
    }
    return ERR_OK;
}

/* ---- the checkpoint against what was found ---- */

static void check_point(struct log_survey *s)
{
    const struct log_checkpoint *c = &s->checkpoint;
    uint64_t first = s->folder.segment[0].base_offset;
    if (!s->has_checkpoint) return;
    if (c->start_offset < first) {
        log_survey_say(s, LOG_CHECK_FAULT, "%s: offsets %" PRIu64 " to %" PRIu64 " are missing at the log's start",
                       s->inner, c->start_offset, first - 1);
        s->start_is_missing = true;
    }
    uint64_t end = s->has_end ? s->end.offset : first;
    if (end < c->recovery_offset && !s->is_damaged) {
        log_survey_say(s, LOG_CHECK_FAULT,
                       "%s ends before offset %" PRIu64 ", but everything before %" PRIu64 " was durable", s->inner,
                       end, c->recovery_offset);
        s->is_damaged = true;
    }
    if (c->recovery_offset > s->seen_offset) s->seen_offset = c->recovery_offset;
    bool is_exact = s->end.position == s->folder.segment[s->folder.count - 1].bytes;
    if (c->is_clean && s->has_end && !s->is_damaged && !is_exact) {
        log_survey_say(s, LOG_CHECK_FAULT, "%s was ended cleanly at byte %" PRIu64 ", but goes on behind it", s->inner,
                       c->recovery_position);
        s->is_damaged = true;
    }
    bool is_gone = c->end_segment == UINT64_MAX || c->end_segment < first; /* an empty log, or retention took it */
    if (!s->is_damaged && !s->has_point && !is_gone) {
        log_survey_say(s, LOG_CHECK_FAULT, "%s/checkpoint names a batch at byte %" PRIu64 " of %020" PRIu64
                       ".log that is not there: it is of another log or moment", s->inner, c->end_position,
                       c->end_segment);
        s->point_index_bad = true;
        return;
    }
    struct index_set set;
    uint64_t room = c->index.offset_count == INDEX_PRINT_SEAL ? 64 : (uint64_t)c->index.offset_count + 64;
    if (c->recovery_position == 0 || room > (1u << 28) || index_set_init(&set, (uint32_t)room) != ERR_OK) return;
    s->point_index_bad = !s->is_damaged && !index_load(s->disk, s->inner, &set, c, 4096);
    index_set_fini(&set);
    if (s->point_index_bad)
        log_survey_say(s, LOG_CHECK_FAULT, "%s/%020" PRIu64 ": the indexes are not those of the checkpoint", s->inner,
                       c->segment_base_offset);
}

/* ---- all of it ---- */

static enum err read_small_files(struct log_survey *s, struct err_msg *msg)
{
    struct err_msg why = {.text = ""};
    enum err e = meta_read(s->disk, s->outer, &s->identity, &why);
    TRY(note_fault(s, e, &why, msg));
    s->has_identity = e == ERR_OK;
    if (s->has_identity && strcmp(s->identity.name, s->name) != 0) {
        log_survey_say(s, LOG_CHECK_FAULT, "%s/channel.meta belongs to the log of %s", s->outer, s->identity.name);
        s->has_identity = false;
    }
    if (!s->has_identity) { /* what the walk needs of it */
        s->identity.leader_epoch = UINT32_MAX;
        s->identity.is_internal = strcmp(s->name, "__consumer_offsets") == 0;
    }
    e = checkpoint_read(s->disk, s->inner, &s->checkpoint, &why);
    s->has_checkpoint = e == ERR_OK;
    return note_fault(s, e, &why, msg);
}

enum err log_survey_make(struct log_survey *s, struct disk *d, const char *data_folder, const char *name,
                         const struct log_check_options *options, struct log_check_result *result, struct err_msg *msg)
{
    struct err_msg why = {.text = ""};
    *s = (struct log_survey){.disk = d, .name = name, .options = options, .result = result};
    snprintf(s->outer, sizeof s->outer, "%s/%s", data_folder, name);
    snprintf(s->inner, sizeof s->inner, "%s/0", s->outer);
    result->logs++;
    TRY(read_small_files(s, msg));
    s->folder = (struct log_folder){.disk = d, .path = s->inner, .is_internal = s->identity.is_internal,
                                    .leader_epoch = s->identity.leader_epoch};
    TRY(note_fault(s, log_folder_list(&s->folder, false, &why), &why, msg));
    TRY(drop_foreign(s, msg));
    if (s->folder.count == 0) return ERR_OK;
    s->indexes_bad = calloc(s->folder.count, sizeof *s->indexes_bad);
    if (s->indexes_bad == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to look through %s", s->inner);
    s->end = (struct survey_place){0, 0, s->folder.segment[0].base_offset, 0};
    TRY(walk_all(s, msg));
    check_point(s);
    return ERR_OK;
}

void log_survey_fini(struct log_survey *s)
{
    log_folder_fini(&s->folder);
    free(s->indexes_bad);
    s->indexes_bad = NULL;
}
