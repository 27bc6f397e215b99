#include "storage/log_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/log_survey.h"

/* ---- one log ---- */

enum err log_check_log(struct disk *d, const char *data_folder, const char *name,
                       const struct log_check_options *options, struct log_check_result *out, struct err_msg *msg)
{
    struct log_survey s;
    struct log_check_result found = {0}, left = {0};
    enum err e = log_survey_make(&s, d, data_folder, name, options, &found, msg);
    bool repairs = e == ERR_OK && options->repair && found.faults > 0;
    if (repairs) e = log_repair(&s, msg);
    log_survey_fini(&s);
    left.faults = found.faults;
    if (repairs && e == ERR_OK && found.mended > 0) { /* what is left is what a second look finds */
        const struct log_check_options silent = {0};
        left.faults = 0;
        e = log_survey_make(&s, d, data_folder, name, &silent, &left, msg);
        log_survey_fini(&s);
    }
    out->logs += found.logs;
    out->segments += found.segments;
    out->batches += found.batches;
    out->records += found.records;
    out->bytes += found.bytes;
    out->mended += found.mended;
    out->faults += left.faults;
    return e;
}

/* ---- all logs of a folder ---- */

struct all_logs {
    struct disk *disk;
    const char  *data_folder;
    const struct log_check_options *options;
    struct log_check_result *out;
    struct err_msg *msg;
    enum err     error;
};

static int visit_log(void *context, const char *name)
{
    struct all_logs *x = context;
    struct disk_stat st;
    char path[LOG_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s/0", x->data_folder, name);
    if (strchr(name, '~') != NULL || disk_stat(x->disk, path, &st) != 0 || !st.is_folder) return 0;
    x->error = log_check_log(x->disk, x->data_folder, name, x->options, x->out, x->msg);
    return x->error == ERR_OK ? 0 : 1;
}

static bool exists(struct disk *d, const char *folder, const char *name)
{
    char path[LOG_PATH_BYTES + 32];
    struct disk_stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return disk_stat(d, path, &st) == 0;
}

/* Splits the path of a log into data folder and name; leaves a data folder's as it is, `*name` NULL then. */
static void split_path(struct disk *d, char *path, char **name)
{
    size_t size = strlen(path);
    *name = NULL;
    while (size > 1 && path[size - 1] == '/') path[--size] = 0;
    if (size > 2 && strcmp(path + size - 2, "/0") == 0 && exists(d, path, "checkpoint")) path[size - 2] = 0;
    char *slash = strrchr(path, '/');
    if (exists(d, path, "format") || !exists(d, path, "0") || slash == NULL) return;
    *slash = 0;
    *name = slash + 1;
}

static enum err check_folder(struct disk *d, char *path, const struct log_check_options *options,
                             struct log_check_result *out, struct err_msg *msg)
{
    char *name, lock[LOG_PATH_BYTES + 8];
    struct err_msg why = {.text = ""};
    struct log_survey s = {.options = options, .result = out};
    split_path(d, path, &name);
    const char *folder = *path == 0 ? "/" : path;
    if (!exists(d, folder, "lock") && !exists(d, folder, "format"))
        return err_set(msg, ERR_NOT_FOUND, "%s is no data folder of millraced, and no log in one", folder);
    snprintf(lock, sizeof lock, "%s/lock", folder);
    int held = disk_lock(d, lock);
    if (held == -EWOULDBLOCK)
        return err_set(msg, ERR_LOCKED, "a millraced uses the data folder %s; stop it first", folder);
    if (held < 0) return err_set(msg, disk_error(held), "cannot lock %s: %s", lock, disk_error_text(held));
    struct all_logs all = {d, folder, options, out, msg, ERR_OK};
    enum err e = format_check(d, folder, &why);
    if (e == ERR_CORRUPT) {
        log_survey_say(&s, LOG_CHECK_FAULT, "%s", why.text);
        e = ERR_OK;
    }
    if (e != ERR_OK) {
        *msg = why;
    } else if (name != NULL) {
        e = log_check_log(d, folder, name, options, out, msg);
    } else {
        int rc = disk_list(d, folder, visit_log, &all);
        e = all.error;
        if (rc < 0) e = err_set(msg, disk_error(rc), "cannot read %s: %s", folder, disk_error_text(rc));
    }
    disk_close(d, held);
    return e;
}

enum err log_check_path(const char *path, const struct log_check_options *options, struct log_check_result *out,
                        struct err_msg *msg)
{
    struct disk *d;
    char folder[DATA_PATH_BYTES];
    *out = (struct log_check_result){0};
    if (strlen(path) + 3 >= sizeof folder)
        return err_set(msg, ERR_INVALID, "the path is longer than %d bytes", DATA_PATH_BYTES - 4);
    snprintf(folder, sizeof folder, "%s%s", *path == '/' || *path == '.' ? "" : "./", path);
    enum err e = disk_uring_create(&d);
    if (e != ERR_OK) return err_set(msg, e, "no memory for the disk");
    e = check_folder(d, folder, options, out, msg);
    disk_destroy(d);
    return e;
}
