#include "control/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum err durable_file_error(struct err_msg *msg, const char *what, const char *path)
{
    int why = errno;
    return err_set(msg, why == ENOSPC || why == EDQUOT ? ERR_NO_SPACE : ERR_IO, "cannot %s %s: %s", what, path,
                   strerror(why));
}

/* The names in the file's folder. */
static enum err sync_folder(const char *path, struct err_msg *msg)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1), slash == NULL ? "." : path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    enum err e = rc == 0 ? ERR_OK : durable_file_error(msg, "flush", folder);
    if (fd >= 0) close(fd);
    return e;
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

enum err durable_file_replace(const char *path, const char *text, struct err_msg *msg)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return err_set(msg, ERR_INVALID, "the path of data_folder is too long: %.100s...", path);
    enum err e = write_file(fresh, text, msg);
    if (e == ERR_OK && rename(fresh, path) != 0) e = durable_file_error(msg, "replace", path);
    if (e != ERR_OK) {
        unlink(fresh);
        return e;
    }
    return sync_folder(path, msg);
}

enum err durable_file_remove(const char *path, struct err_msg *msg)
{
    if (unlink(path) != 0 && errno != ENOENT) return durable_file_error(msg, "remove", path);
    return sync_folder(path, msg);
}
