#include "storage/log_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/log_files.h"

#define WHAT_TO_DO "restore it from a copy, or see millrace log check"

struct listing {
    struct log_folder *folder;
    bool tidy;
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size > suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static int note_name(void *context, const char *name)
{
    const struct listing *l = context;
    struct log_folder *f = l->folder;
    uint64_t base;
    enum segment_file which;
    if (ends_with(name, ".tmp") || ends_with(name, ".prepared")) {
        char path[LOG_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", f->path, name);
        return l->tidy ? disk_unlink(f->disk, path) : 0;
    }
    if (!segment_name_parse(name, &base, &which) || which != SEGMENT_LOG) return 0;
    if (f->count == f->room) {
        f->room = f->room == 0 ? 64 : f->room * 2;
        struct segment_info *grown = realloc(f->segment, f->room * sizeof *grown);
        if (grown == NULL) return -ENOMEM;
        f->segment = grown;
    }
    f->segment[f->count++] = (struct segment_info){.base_offset = base, .max_timestamp_ms = -1};
    return 0;
}

static int by_base(const void *a, const void *b)
{
    const struct segment_info *x = a, *y = b;
    return x->base_offset < y->base_offset ? -1 : x->base_offset > y->base_offset;
}

enum err log_folder_list(struct log_folder *f, bool tidy, struct err_msg *msg)
{
    struct listing l = {f, tidy};
    f->count = 0;
    int rc = disk_list(f->disk, f->path, note_name, &l);
    if (rc != 0)
        return err_set(msg, disk_error(rc), "cannot read the folder %s: %s", f->path, disk_error_text(rc));
    if (f->count == 0)
        return err_set(msg, ERR_CORRUPT, "%s holds no segment (*.log); restore the folder from a copy, or delete the "
                       "channel", f->path);
    qsort(f->segment, f->count, sizeof *f->segment, by_base);
    for (uint32_t i = 0; i < f->count; i++) {
        char path[LOG_PATH_BYTES];
        struct disk_stat st;
        segment_path(path, f->path, f->segment[i].base_offset, SEGMENT_LOG);
        rc = disk_stat(f->disk, path, &st);
        if (rc != 0) return err_set(msg, disk_error(rc), "cannot read %s: %s", path, disk_error_text(rc));
        f->segment[i].bytes = st.bytes;
        f->segment[i].appended_ms = st.modified_ms;
    }
    return ERR_OK;
}

void log_folder_fini(struct log_folder *f)
{
    free(f->segment);
    f->segment = NULL;
    f->count = f->room = 0;
}

uint32_t log_folder_removed(const struct log_folder *f, const struct log_checkpoint *c)
{
    uint32_t count = 0;
    while (count + 1 < f->count && f->segment[count + 1].base_offset <= c->start_offset &&
           f->segment[count].base_offset < c->segment_base_offset)
        count++;
    return count;
}

void log_folder_forget_first(struct log_folder *f, uint32_t count)
{
    f->count -= count;
    memmove(f->segment, f->segment + count, f->count * sizeof *f->segment);
}

enum err log_folder_remove(const struct log_folder *f, uint64_t base_offset, struct err_msg *msg)
{
    for (enum segment_file which = 0; which < SEGMENT_FILE_COUNT; which++) {
        char path[LOG_PATH_BYTES];
        segment_path(path, f->path, base_offset, which);
        int rc = disk_unlink(f->disk, path);
        if (rc != 0 && rc != -ENOENT)
            return err_set(msg, disk_error(rc), "cannot remove %s: %s", path, disk_error_text(rc));
    }
    return ERR_OK;
}

/* Also where the length is right already: whoever gave the file this length may have failed to sync it. */
enum err log_folder_cut(struct log_folder *f, uint32_t segment, uint64_t bytes, struct err_msg *msg)
{
    char path[LOG_PATH_BYTES];
    struct segment_info *info = &f->segment[segment];
    segment_path(path, f->path, info->base_offset, SEGMENT_LOG);
    int file = disk_open(f->disk, path, DISK_WRITE);
    int rc = file;
    if (rc >= 0) {
        rc = disk_truncate(f->disk, file, bytes); /* what grows there later reads as zeros */
        if (rc == 0) rc = disk_sync(f->disk, file);
        disk_close(f->disk, file);
    }
    if (rc < 0)
        return err_set(msg, disk_error(rc), "cannot cut %s to %" PRIu64 " bytes: %s", path, bytes, disk_error_text(rc));
    info->bytes = bytes;
    return ERR_OK;
}

enum err log_folder_sync(const struct log_folder *f, struct err_msg *msg)
{
    int rc = disk_sync_folder(f->disk, f->path);
    if (rc != 0) return err_set(msg, disk_error(rc), "cannot sync the folder %s: %s", f->path, disk_error_text(rc));
    return ERR_OK;
}

enum err log_folder_walk(const struct log_folder *f, uint32_t segment, uint64_t position, uint64_t expected,
                         bool verify, struct log_walk *w, struct err_msg *msg)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, f->path, f->segment[segment].base_offset, SEGMENT_LOG);
    *w = (struct log_walk){.leader_epoch = f->leader_epoch, .is_internal = f->is_internal, .verify = verify};
    return log_walk_open(w, f->disk, path, position, expected, msg);
}

enum err log_folder_damaged(const struct log_folder *f, uint32_t segment, uint64_t position, const char *why,
                            struct err_msg *msg)
{
    return err_set(msg, ERR_CORRUPT, "%s/%020" PRIu64 ".log is damaged at byte %" PRIu64 " (%s), in data that was "
                   "durable; " WHAT_TO_DO, f->path, f->segment[segment].base_offset, position, why);
}

enum err log_folder_check_name(const struct log_folder *f, uint32_t segment, uint64_t start_offset, struct err_msg *msg)
{
    struct log_walk w;
    struct record_batch_view view = {0};
    const uint8_t *bytes;
    uint64_t base = f->segment[segment].base_offset;
    TRY(log_folder_walk(f, segment, 0, base, true, &w, msg));
    enum err e = log_scan_next(&w.scan, true, &view, &bytes);
    uint64_t found = view.base_offset, next = view.last_offset + 1;
    /* The checksum does not cover the offset: two batches must agree on it. */
    if (e == ERR_OK && found != base) e = log_scan_next(&w.scan, true, &view, &bytes);
    log_walk_close(&w);
    if (e == ERR_OK && found != base && found >= start_offset && view.base_offset == next)
        return err_set(msg, ERR_CORRUPT,
                       "%s/%020" PRIu64 ".log begins with offset %" PRIu64
                       " at byte 0: it is a copy under another name, or of another log; move it away",
                       f->path, base, found);
    return e == ERR_IO || e == ERR_NO_MEMORY ? err_set(msg, e, "cannot read %s: %s", f->path, err_text(e)) : ERR_OK;
}

enum err log_folder_gap(const struct log_folder *f, uint32_t segment, uint64_t next_offset, struct err_msg *msg)
{
    uint64_t base = f->segment[segment].base_offset, next_base = f->segment[segment + 1].base_offset;
    if (next_base > next_offset)
        return err_set(msg, ERR_CORRUPT,
                       "%s: offsets %" PRIu64 " to %" PRIu64 " are missing, between %020" PRIu64 ".log (%" PRIu64
                       " bytes) and %020" PRIu64 ".log: a segment is missing or cut; " WHAT_TO_DO,
                       f->path, next_offset, next_base - 1, base, f->segment[segment].bytes, next_base);
    return err_set(msg, ERR_CORRUPT,
                   "%s/%020" PRIu64 ".log begins within %020" PRIu64 ".log, which ends before offset %" PRIu64
                   ": one of them is a copy under another name, or of another log; move it away",
                   f->path, next_base, base, next_offset);
}

enum err log_folder_check_seal(const struct log_folder *f, uint32_t segment, const struct index_seal *seal,
                               struct err_msg *msg)
{
    const struct segment_info *info = &f->segment[segment];
    if (info->bytes != seal->log_bytes)
        return err_set(msg, ERR_CORRUPT,
                       "%s/%020" PRIu64 ".log has %" PRIu64 " bytes, but was sealed with %" PRIu64
                       ": it was cut or replaced; " WHAT_TO_DO,
                       f->path, info->base_offset, info->bytes, seal->log_bytes);
    if (seal->next_offset == f->segment[segment + 1].base_offset) return ERR_OK;
    return log_folder_gap(f, segment, seal->next_offset, msg);
}

/* Without a seal nothing says that the files of before are good: the .pos goes first, so that a crash meanwhile does
 * not leave an old seal behind new entries. */
static enum err drop_seal(const struct log_folder *f, uint64_t base_offset, struct err_msg *msg)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, f->path, base_offset, SEGMENT_POSITIONS);
    int rc = disk_unlink(f->disk, path);
    if (rc == -ENOENT) return ERR_OK;
    if (rc != 0) return err_set(msg, disk_error(rc), "cannot remove %s: %s", path, disk_error_text(rc));
    return log_folder_sync(f, msg);
}

/* Walks the whole segment, `*bytes` long, into the set.  Behind may be what was reserved for it. */
static enum err index_whole(const struct log_folder *f, uint32_t segment, struct index_set *set, uint32_t interval,
                            uint64_t *bytes, struct err_msg *msg)
{
    struct log_walk w;
    struct record_batch_view view;
    uint64_t base = f->segment[segment].base_offset, next_base = f->segment[segment + 1].base_offset;
    TRY(log_folder_walk(f, segment, 0, base, true, &w, msg));
    enum err e = ERR_OK;
    while (e == ERR_OK && w.expected < next_base) {
        e = log_walk_next(&w, &view);
        if (e == ERR_OK)
            index_add(set, view.last_offset, w.position, view.bytes, view.max_timestamp_ms, w.ends_transaction,
                      interval);
    }
    *bytes = w.scan.position;
    log_walk_close(&w);
    if (e == ERR_NOT_FOUND && *bytes == f->segment[segment].bytes && *bytes > 0)
        return log_folder_gap(f, segment, w.expected, msg);
    if (e == ERR_NOT_FOUND) return log_folder_damaged(f, segment, *bytes, "nothing but zeros", msg);
    if (e == ERR_CORRUPT) return log_folder_damaged(f, segment, w.position, w.why, msg);
    if (e != ERR_OK) return err_set(msg, e, "cannot read the segments in %s: %s", f->path, err_text(e));
    return w.expected == next_base ? ERR_OK : log_folder_gap(f, segment, w.expected, msg);
}

enum err log_folder_seal(struct log_folder *f, uint32_t segment, struct index_set *set, uint32_t interval,
                         struct index_seal *out, struct err_msg *msg)
{
    uint64_t base = f->segment[segment].base_offset, bytes;
    index_reset(set, base);
    TRY(log_folder_check_name(f, segment, 0, msg));
    TRY(index_whole(f, segment, set, interval, &bytes, msg));
    TRY(log_folder_cut(f, segment, bytes, msg)); /* space reserved, of a segment whose sealing was interrupted */
    TRY(drop_seal(f, base, msg));
    const struct index_end end = {f->segment[segment + 1].base_offset, bytes};
    TRY(index_write(f->disk, f->path, set, base, &set->at, &end, NULL, msg));
    TRY(log_folder_sync(f, msg));
    if (index_seal_read(f->disk, f->path, base, out)) return ERR_OK;
    return err_set(msg, ERR_IO, "%s/%020" PRIu64 ".pos does not read as it was written", f->path, base);
}
