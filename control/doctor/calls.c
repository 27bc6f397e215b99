/* What only a system call tells. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/doctor/inside.h"

/* Not in linux/magic.h everywhere. */
#define MAGIC_CIFS 0xff534d42u
#define MAGIC_SMB2 0xfe534d42u
#define MAGIC_CEPH 0x00c36400u

static int clock_call(struct timex *out) { return adjtimex(out); }

/* By hand: liburing has its two doors elsewhere, and this wants to know whether one may, no more. */
static int uring_call(void)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    long fd = syscall(SYS_io_uring_setup, 2, &params);
    if (fd < 0) return errno;
    close((int)fd);
    return 0;
}

/* "a/b/c" -> "a/b"; false: there is no further one. */
static bool path_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) return false;
    if (slash == NULL) strcpy(path, ".");
    else slash[slash == path] = '\0';
    return true;
}

static bool can_make(const char *folder, int flags)
{
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC | flags, 0600);
    if (fd < 0) return false;
    close(fd);
    return true;
}

static void folder_call(const char *path, struct doctor_folder *out)
{
    struct statfs fs;
    struct stat about;
    *out = (struct doctor_folder){.why = 0};
    snprintf(out->seen, sizeof out->seen, "%s", path);
    while (stat(out->seen, &about) != 0) /* millraced makes it: the one above says what it will be */
        if (errno != ENOENT || !path_up(out->seen)) {
            out->why = errno;
            return;
        }
    if (!S_ISDIR(about.st_mode) || statfs(out->seen, &fs) != 0) {
        out->why = S_ISDIR(about.st_mode) ? errno : ENOTDIR;
        return;
    }
    uint32_t magic = (uint32_t)fs.f_type;
    out->is_memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
    out->is_remote = magic == NFS_SUPER_MAGIC || magic == MAGIC_CIFS || magic == MAGIC_SMB2 || magic == MAGIC_CEPH;
    out->is_writable = access(out->seen, W_OK | X_OK) == 0;
    out->is_direct = can_make(out->seen, O_DIRECT) || !can_make(out->seen, 0); /* no O_TMPFILE: not to be told */
    out->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
    out->total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_frsize;
    out->major = major(about.st_dev);
    out->minor = minor(about.st_dev);
}

const struct doctor_calls doctor_real_calls = {clock_call, uring_call, folder_call};
