/* capture/decimal.h -- MySQL's binary DECIMAL (strings/decimal.c of the server describes it) to text.
 *
 * Digits are stored in big-endian groups of nine in four bytes, a shorter group first and last; the first bit is
 * inverted, and a negative number has all bits inverted. */
#ifndef CAPTURE_DECIMAL_H
#define CAPTURE_DECIMAL_H

#include <stdint.h>

enum {
    DECIMAL_PRECISION_MAX = 65,
    DECIMAL_DIGITS_MAX = 81, /* in a JSON document the whole part has full groups: 9 groups at most in all */
    DECIMAL_SCALE_MAX = 38,
    DECIMAL_PRINT_MAX = 88,
};

/* Bytes that a DECIMAL(precision, scale) takes; scale <= precision. */
unsigned decimal_size(unsigned precision, unsigned scale);

/* Writes the text, as the server prints it ("-0.50"), to `out` (room for DECIMAL_PRINT_MAX) and returns its bytes; 0
 * when the bytes are no decimal.  Any thread. */
unsigned decimal_print(char *out, const uint8_t *bytes, unsigned precision, unsigned scale);

#endif
