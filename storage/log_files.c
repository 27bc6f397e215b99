#include "storage/log_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"

enum { TEXT_BYTES_MAX = 2048 };

static const char *const suffixes[SEGMENT_FILE_COUNT] = {".log", ".index", ".timeindex", ".pos"};

void segment_path(char *out, const char *folder, uint64_t base_offset, enum segment_file which)
{
    snprintf(out, LOG_PATH_BYTES, "%s/%020" PRIu64 "%s", folder, base_offset, suffixes[which]);
}

void prepared_path(char *out, const char *folder, uint64_t number)
{
    snprintf(out, LOG_PATH_BYTES, "%s/%" PRIu64 ".prepared", folder, number);
}

bool segment_name_parse(const char *name, uint64_t *base_offset, enum segment_file *which)
{
    uint64_t value = 0;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        uint64_t digit = (uint64_t)(name[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    for (int i = 0; i < SEGMENT_FILE_COUNT; i++) {
        if (strcmp(name + 20, suffixes[i]) != 0) continue;
        *base_offset = value;
        *which = (enum segment_file)i;
        return true;
    }
    return false;
}

enum err file_replace(struct disk *d, const char *folder, const char *path, const void *bytes, size_t size,
                      struct err_msg *msg)
{
    char temporary[LOG_PATH_BYTES + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int file = disk_open(d, temporary, DISK_WRITE | DISK_CREATE);
    if (file < 0) return err_set(msg, disk_error(file), "cannot create %s: %s", temporary, disk_error_text(file));
    int64_t rc = disk_truncate(d, file, 0);
    if (rc >= 0) rc = disk_write(d, file, bytes, size, 0);
    if (rc >= 0) rc = disk_sync(d, file);
    disk_close(d, file);
    if (rc >= 0) rc = disk_rename(d, temporary, path);
    if (rc >= 0) rc = disk_sync_folder(d, folder);
    if (rc < 0) return err_set(msg, disk_error(rc), "cannot write %s: %s", path, disk_error_text(rc));
    return ERR_OK;
}

/* ---- text with a checksum ---- */

struct text {
    char   bytes[TEXT_BYTES_MAX];
    size_t size;
};

static void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void text_add(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int put = vsnprintf(t->bytes + t->size, sizeof t->bytes - t->size, fmt, args);
    va_end(args);
    if (put > 0) t->size += (size_t)put;
}

static enum err text_write(struct disk *d, const char *folder, const char *name, struct text *t, struct err_msg *msg)
{
    char path[LOG_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    text_add(t, "crc32c %08" PRIx32 "\n", crc32c(0, t->bytes, t->size));
    return file_replace(d, folder, path, t->bytes, t->size, msg);
}

/* Reads and checks a file of this kind; `t` then ends before the line with the checksum. */
static enum err text_read(struct disk *d, const char *folder, const char *name, const char *kind, struct text *t,
                          struct err_msg *msg)
{
    char path[LOG_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = disk_open(d, path, 0);
    if (file < 0) return err_set(msg, disk_error(file), "cannot open %s: %s", path, disk_error_text(file));
    int64_t got = disk_read(d, file, t->bytes, sizeof t->bytes - 1, 0);
    disk_close(d, file);
    if (got < 0) return err_set(msg, disk_error(got), "cannot read %s: %s", path, disk_error_text(got));
    t->bytes[got] = 0;
    t->size = (size_t)got;

    char *last = strstr(t->bytes, "\ncrc32c ");
    uint32_t crc;
    if (last == NULL || strlen(t->bytes) != t->size || sscanf(last, "\ncrc32c %8" SCNx32 "\n", &crc) != 1 ||
        crc32c(0, t->bytes, (size_t)(last + 1 - t->bytes)) != crc)
        return err_set(msg, ERR_CORRUPT, "%s is damaged (its checksum does not hold); restore it from a copy, or see "
                       "millrace log check", path);
    last[1] = 0;
    t->size = (size_t)(last + 1 - t->bytes);

    char found[64];
    unsigned version;
    if (sscanf(t->bytes, "%63s %u\n", found, &version) != 2 || strcmp(found, kind) != 0)
        return err_set(msg, ERR_CORRUPT, "%s is not a %s file; restore it from a copy", path, kind);
    if (version > LOG_FORMAT_VERSION)
        return err_set(msg, ERR_NEWER_FORMAT, "%s was written by a newer millrace (format %u, this one knows %d); "
                       "start that one", path, version, LOG_FORMAT_VERSION);
    return ERR_OK;
}

/* The value of a key, up to the line's end; false: there is no such line, or it does not fit. */
static bool text_value(const struct text *t, const char *key, char *out, size_t out_bytes)
{
    char start[64];
    int head = snprintf(start, sizeof start, "\n%s ", key);
    const char *at = strstr(t->bytes, start);
    if (at == NULL) return false;
    at += head;
    size_t size = strcspn(at, "\n");
    if (size >= out_bytes) return false;
    memcpy(out, at, size);
    out[size] = 0;
    return true;
}

static bool text_number(const struct text *t, const char *key, uint64_t *out)
{
    char value[32], *end;
    if (!text_value(t, key, value, sizeof value) || value[0] < '0' || value[0] > '9') return false;
    errno = 0;
    *out = strtoull(value, &end, 10);
    return errno == 0 && *end == 0;
}

static bool text_signed(const struct text *t, const char *key, int64_t *out)
{
    char value[32], *end;
    if (!text_value(t, key, value, sizeof value)) return false;
    if (value[0] != '-' && (value[0] < '0' || value[0] > '9')) return false;
    errno = 0;
    *out = strtoll(value, &end, 10);
    return errno == 0 && *end == 0;
}

static bool text_print(const struct text *t, const char *key, struct index_print *out)
{
    char value[64];
    return text_value(t, key, value, sizeof value) &&
           sscanf(value, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %8" SCNx32, &out->offset_count, &out->time_count,
                  &out->end_count, &out->crc) == 4;
}

/* ---- checkpoint ---- */

/* Offset and position tell of the same place, and the batch that ends there lies before it. */
static bool point_is_one(const struct log_checkpoint *c)
{
    bool is_base = c->recovery_position == 0;
    if (is_base != (c->recovery_offset == c->segment_base_offset)) return false;
    if (c->end_segment == UINT64_MAX) return is_base;
    return is_base ? c->end_segment < c->segment_base_offset
                   : c->end_segment == c->segment_base_offset && c->end_position < c->recovery_position;
}

enum err checkpoint_read(struct disk *d, const char *folder, struct log_checkpoint *out, struct err_msg *msg)
{
    struct text t;
    uint64_t clean, resending;
    TRY(text_read(d, folder, "checkpoint", "millrace-checkpoint", &t, msg));
    struct log_checkpoint c = {0};
    if (!text_number(&t, "start_offset", &c.start_offset) ||
        !text_number(&t, "segment_base_offset", &c.segment_base_offset) ||
        !text_number(&t, "recovery_offset", &c.recovery_offset) ||
        !text_number(&t, "recovery_position", &c.recovery_position) ||
        !text_number(&t, "end_segment", &c.end_segment) || !text_number(&t, "end_position", &c.end_position) ||
        !text_signed(&t, "max_timestamp_ms", &c.max_timestamp_ms) ||
        !text_number(&t, "max_timestamp_offset", &c.max_timestamp_offset) ||
        !text_print(&t, "index", &c.index) || !text_number(&t, "gtid_segment", &c.gtid_segment) ||
        !text_number(&t, "gtid_position", &c.gtid_position) || !text_number(&t, "clean", &clean) ||
        c.segment_base_offset > c.recovery_offset || c.start_offset > c.recovery_offset || clean > 1 ||
        !point_is_one(&c))
        return err_set(msg, ERR_CORRUPT, "%s/checkpoint lacks a field or contradicts itself; restore it from a copy",
                       folder);
    c.is_clean = clean == 1;
    c.is_resending = text_number(&t, "resending", &resending) && resending == 1;
    *out = c;
    return ERR_OK;
}

enum err checkpoint_write(struct disk *d, const char *folder, const struct log_checkpoint *c, struct err_msg *msg)
{
    struct text t = {.size = 0};
    text_add(&t, "millrace-checkpoint %d\n", LOG_FORMAT_VERSION);
    text_add(&t, "start_offset %" PRIu64 "\nsegment_base_offset %" PRIu64 "\n", c->start_offset,
             c->segment_base_offset);
    text_add(&t, "recovery_offset %" PRIu64 "\nrecovery_position %" PRIu64 "\n", c->recovery_offset,
             c->recovery_position);
    text_add(&t, "end_segment %" PRIu64 "\nend_position %" PRIu64 "\n", c->end_segment, c->end_position);
    text_add(&t, "max_timestamp_ms %" PRId64 "\nmax_timestamp_offset %" PRIu64 "\n", c->max_timestamp_ms,
             c->max_timestamp_offset);
    text_add(&t, "index %" PRIu32 " %" PRIu32 " %" PRIu32 " %08" PRIx32 "\n", c->index.offset_count,
             c->index.time_count, c->index.end_count, c->index.crc);
    text_add(&t, "gtid_segment %" PRIu64 "\ngtid_position %" PRIu64 "\n", c->gtid_segment, c->gtid_position);
    text_add(&t, "clean %d\n", c->is_clean ? 1 : 0);
    if (c->is_resending) text_add(&t, "resending 1\n");
    return text_write(d, folder, "checkpoint", &t, msg);
}

/* ---- channel.meta ---- */

enum err meta_read(struct disk *d, const char *folder, struct log_identity *out, struct err_msg *msg)
{
    struct text t;
    char topic_id[40], visible[16];
    uint64_t epoch, internal;
    TRY(text_read(d, folder, "channel.meta", "millrace-channel", &t, msg));
    struct log_identity id = {.is_internal = false};
    bool holds =
        text_value(&t, "name", id.name, sizeof id.name) && text_value(&t, "topic_id", topic_id, sizeof topic_id) &&
        text_value(&t, "cluster_id", id.cluster_id, sizeof id.cluster_id) && text_number(&t, "leader_epoch", &epoch) &&
        text_number(&t, "internal", &internal) && epoch <= UINT32_MAX && strlen(topic_id) == 32;
    for (int i = 0; holds && i < 16; i++) {
        unsigned byte;
        holds = sscanf(topic_id + (ptrdiff_t)i * 2, "%2x", &byte) == 1;
        id.topic_id[i] = (uint8_t)byte;
    }
    if (!holds) return err_set(msg, ERR_CORRUPT, "%s/channel.meta lacks a field; restore it from a copy", folder);
    id.leader_epoch = (uint32_t)epoch;
    for (uint32_t i = 0; i < LOG_EPOCHS_MAX && i <= id.leader_epoch; i++) {
        char key[24];
        snprintf(key, sizeof key, "epoch_%" PRIu32, id.leader_epoch - i);
        if (i == id.leader_epoch) id.epoch_start[i] = 0;
        else if (!text_number(&t, key, &id.epoch_start[i])) id.epoch_start[i] = UINT64_MAX;
    }
    id.is_internal = internal == 1;
    id.shows_written = text_value(&t, "visible", visible, sizeof visible) && strcmp(visible, "written") == 0;
    *out = id;
    return ERR_OK;
}

enum err meta_write(struct disk *d, const char *folder, const struct log_identity *identity, struct err_msg *msg)
{
    struct text t = {.size = 0};
    text_add(&t, "millrace-channel %d\nname %s\ntopic_id ", LOG_FORMAT_VERSION, identity->name);
    for (int i = 0; i < 16; i++) text_add(&t, "%02x", identity->topic_id[i]);
    text_add(&t, "\ncluster_id %s\nleader_epoch %" PRIu32 "\ninternal %d\n", identity->cluster_id,
             identity->leader_epoch, identity->is_internal ? 1 : 0);
    if (identity->shows_written) text_add(&t, "visible written\n");
    for (uint32_t i = 0; i < LOG_EPOCHS_MAX && i < identity->leader_epoch; i++)
        if (identity->epoch_start[i] != UINT64_MAX)
            text_add(&t, "epoch_%" PRIu32 " %" PRIu64 "\n", identity->leader_epoch - i, identity->epoch_start[i]);
    return text_write(d, folder, "channel.meta", &t, msg);
}

/* ---- the data folder ---- */

struct log_search {
    struct disk *disk;
    const char  *data_folder;
};

static int is_log(void *context, const char *name)
{
    const struct log_search *x = context;
    struct disk_stat st;
    char path[LOG_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/channel.meta", x->data_folder, name);
    return disk_stat(x->disk, path, &st) == 0;
}

enum err format_check(struct disk *d, const char *data_folder, struct err_msg *msg)
{
    struct text t = {.size = 0};
    struct log_search x = {d, data_folder};
    enum err e = text_read(d, data_folder, "format", "millrace-data", &t, msg);
    if (e != ERR_NOT_FOUND) return e;
    if (disk_list(d, data_folder, is_log, &x) > 0)
        return err_set(msg, ERR_CORRUPT, "%s/format is missing, but there are logs; restore it from a copy",
                       data_folder);
    t.size = 0;
    text_add(&t, "millrace-data %d\n", LOG_FORMAT_VERSION);
    return text_write(d, data_folder, "format", &t, msg);
}

struct removal {
    struct disk *disk;
    const char  *path;
    struct err_msg *msg;
    enum err     error;
    int          depth;
};

static enum err tree_remove_at(struct disk *d, const char *path, int depth, struct err_msg *msg);

static int remove_entry(void *context, const char *name)
{
    struct removal *r = context;
    struct disk_stat st;
    char path[LOG_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", r->path, name);
    int rc = disk_stat(r->disk, path, &st);
    if (rc == 0 && st.is_folder) {
        r->error = r->depth > 0 ? tree_remove_at(r->disk, path, r->depth - 1, r->msg)
                                : err_set(r->msg, ERR_INVALID, "%s is not one of ours; remove it by hand", path);
        return r->error == ERR_OK ? 0 : -EINVAL;
    }
    if (rc == 0) rc = disk_unlink(r->disk, path);
    if (rc == 0 || rc == -ENOENT) return 0;
    r->error = err_set(r->msg, disk_error(rc), "cannot remove %s: %s", path, disk_error_text(rc));
    return rc;
}

static enum err tree_remove_at(struct disk *d, const char *path, int depth, struct err_msg *msg)
{
    struct removal r = {d, path, msg, ERR_OK, depth};
    int rc = disk_list(d, path, remove_entry, &r);
    if (rc == -ENOENT) return ERR_OK;
    if (r.error != ERR_OK) return r.error;
    if (rc == 0) rc = disk_remove_folder(d, path);
    if (rc != 0) return err_set(msg, disk_error(rc), "cannot remove the folder %s: %s", path, disk_error_text(rc));
    return ERR_OK;
}

enum err tree_remove(struct disk *d, const char *path, struct err_msg *msg) { return tree_remove_at(d, path, 1, msg); }
