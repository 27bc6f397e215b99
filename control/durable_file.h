/* control/durable_file.h -- small files that are there whole or not at all: mode 0600, replaced atomically. */
#ifndef CONTROL_DURABLE_FILE_H
#define CONTROL_DURABLE_FILE_H

#include "base/err.h"

/* "cannot WHAT PATH: why" from errno; ERR_NO_SPACE or ERR_IO. */
enum err durable_file_error(struct err_msg *msg, const char *what, const char *path);
/* Durable when it returns ERR_OK; else the old file stands, or none where there was none (on a file system that cannot
 * exchange two names and does not flush its folder: the new one, which msg says).  Writes `path`.new first, which a
 * crash may leave behind, with the new text or the old.
 * ERR_NO_SPACE, ERR_IO, ERR_INVALID (the path is too long). */
NODISCARD enum err durable_file_replace(const char *path, const char *text, struct err_msg *msg);
/* A file that is not there is removed already.  Errors as above. */
NODISCARD enum err durable_file_remove(const char *path, struct err_msg *msg);

#endif
