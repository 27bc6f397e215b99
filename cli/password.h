/* cli/password.h -- passwords from where other users of the machine do not see them: never from argv. */
#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include <stddef.h>

#define CLI_PASSWORD_VARIABLE "MILLRACE_PASSWORD" /* of the Kafka side's accounts */

/* The first line of the file, "-": of stdin.  Else than CLI_OK: it was said why not. */
int password_from_file(const char *path, char *out, size_t out_bytes);
/* Of `path` if it is not NULL, else from the environment, else asked for (a terminal) or read (anything else). */
int password_take(const char *path, const char *variable, char *out, size_t out_bytes);

#endif
