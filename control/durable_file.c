#include "control/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum err durable_file_error(struct err_msg *msg, const char *what, const char *path)
{
    int why = errno;
    return err_set(msg, why == ENOSPC || why == EDQUOT ? ERR_NO_SPACE : ERR_IO, "cannot %s %s: %s", what, path,
                   strerror(why));
}

/* The file's folder, whose names are to be flushed. */
static enum err open_folder(const char *path, int *fd, struct err_msg *msg)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1), slash == NULL ? "." : path);
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? ERR_OK : durable_file_error(msg, "open", folder);
}

static enum err sync_folder(int fd, const char *path, struct err_msg *msg)
{
    return fsync(fd) == 0 ? ERR_OK : durable_file_error(msg, "flush the folder of", path);
}

static enum err write_file(const char *path, const char *text, struct err_msg *msg)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return durable_file_error(msg, "create", path);
    enum err e = ERR_OK;
    for (size_t at = 0, size = strlen(text); at < size && e == ERR_OK;) {
        ssize_t n = write(fd, text + at, size - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR)
            e = durable_file_error(msg, "write", path);
    }
    if (e == ERR_OK && fsync(fd) != 0) e = durable_file_error(msg, "flush", path);
    if (close(fd) != 0 && e == ERR_OK) e = durable_file_error(msg, "close", path);
    return e;
}

/* The fresh file takes the other's place, which is kept under its name until the folder is flushed. */
static enum err change_places(const char *fresh, const char *path, int folder, struct err_msg *msg)
{
    /* Not kept: there is none, or this file system exchanges no names. */
    bool is_kept = renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_EXCHANGE) == 0;
    bool is_first = !is_kept && errno == ENOENT;
    if (!is_kept && rename(fresh, path) != 0) return durable_file_error(msg, "replace", path);
    enum err e = sync_folder(folder, path, msg);
    if (e == ERR_OK) return ERR_OK;
    int back = is_kept ? rename(fresh, path) : is_first ? unlink(path) : -1;
    if (back == 0) return e;
    struct err_msg why = *msg;
    return err_set(msg, e, "%s; the new file stands until the next start, and perhaps after it", why.text);
}

enum err durable_file_replace(const char *path, const char *text, struct err_msg *msg)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return err_set(msg, ERR_INVALID, "the path of data_folder is too long: %.100s...", path);
    int folder;
    TRY(open_folder(path, &folder, msg)); /* before anything is changed: it is what may fail */
    enum err e = write_file(fresh, text, msg);
    if (e == ERR_OK) e = change_places(fresh, path, folder, msg);
    unlink(fresh); /* what it did not become, or the old one */
    close(folder);
    return e;
}

enum err durable_file_remove(const char *path, struct err_msg *msg)
{
    int folder;
    TRY(open_folder(path, &folder, msg));
    bool is_gone = unlink(path) == 0 || errno == ENOENT;
    enum err e = is_gone ? sync_folder(folder, path, msg) : durable_file_error(msg, "remove", path);
    close(folder);
    return e;
}
