/* capture/row_special.h -- MariaDB's INET4, INET6 and UUID to the text that it prints.  Used by row_column.c only. */
#ifndef CAPTURE_ROW_SPECIAL_H
#define CAPTURE_ROW_SPECIAL_H

#include <stdint.h>

enum { ROW_SPECIAL_TEXT_MAX = 48 };

/* Each writes to `out` (room for ROW_SPECIAL_TEXT_MAX) and returns the text's bytes; `p` has 4, 16 and 16 bytes. */
unsigned row_print_inet4(char *out, const uint8_t *p);
unsigned row_print_inet6(char *out, const uint8_t *p);
unsigned row_print_uuid(char *out, const uint8_t *p);

#endif
