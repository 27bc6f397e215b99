/* control/console_files.h -- the files of console/ as they are compiled in; console/pack makes the other half. */
#ifndef CONTROL_CONSOLE_FILES_H
#define CONTROL_CONSOLE_FILES_H

#include <stddef.h>

struct console_file {
    const char *name, *content_type;
    const unsigned char *bytes;
    size_t size;
};
extern const struct console_file console_files[];
extern const size_t console_file_count;

#endif
