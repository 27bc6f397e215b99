/* capture/schema_file.h -- the user's file of CREATE statements: definitions that the binlog no longer tells. */
#ifndef CAPTURE_SCHEMA_FILE_H
#define CAPTURE_SCHEMA_FILE_H

#include "base/err.h"
#include "capture/catalog.h"

enum { SCHEMA_FILE_BYTES_MAX = 256 << 20 };

/* Applies the statements of the file at `path`, as mysqldump --no-data writes them, to `c`; USE is understood.
 * ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE; ERR_INVALID names the file and the statement that cannot be read. */
NODISCARD enum err schema_file_read(const char *path, struct catalog *c, struct err_msg *msg);

#endif
