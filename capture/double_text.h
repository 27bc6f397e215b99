/* capture/double_text.h -- a double as the server prints it in JSON (its my_gcvt): the fewest digits that read back as
 * the same number, an exponent only where the number is very small or large.  No locale, no allocation.  Any thread. */
#ifndef CAPTURE_DOUBLE_TEXT_H
#define CAPTURE_DOUBLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { DOUBLE_TEXT_MAX = 48 }; /* -0.00000000000000 and 17 digits are 34 */

/* Writes the text to `out` (room for DOUBLE_TEXT_MAX, no terminator) and returns its bytes.  `keeps_point`: a whole
 * number ends in .0, as MySQL 8 prints it and 5.7 does not.  `value` is finite. */
size_t double_print(char *out, double value, bool keeps_point);

#endif
