#include "storage/disk.h"

#include <errno.h>
#include <string.h>

enum err disk_error(int64_t rc)
{
    switch (-rc) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_NO_SPACE;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case ENOMEM: return ERR_NO_MEMORY;
    case EACCES:
    case EPERM: return ERR_ACCESS_DENIED;
    case EWOULDBLOCK: return ERR_LOCKED;
    default: return ERR_IO;
    }
}

const char *disk_error_text(int64_t rc) { return strerror((int)-rc); }
