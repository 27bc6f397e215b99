/* formats/decimal_text.h -- integers as decimal text, two digits a step.  Writes without a bound check: the caller
 * has room for DECIMAL_TEXT_MAX bytes.  No terminator. */
#ifndef FORMATS_DECIMAL_TEXT_H
#define FORMATS_DECIMAL_TEXT_H

#include <stdint.h>
#include <string.h>

enum { DECIMAL_TEXT_MAX = 20 }; /* 18446744073709551615; a sign is the caller's */

extern const uint64_t decimal_smallest[DECIMAL_TEXT_MAX]; /* [i]: smallest number of i + 1 digits: 0, 10, .. 10^19 */
extern const char     decimal_pairs[201];                 /* 00 01 .. 99 */

static inline unsigned decimal_digits(uint64_t value)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    unsigned at_least = bits * 1233 >> 12; /* 1233/4096 is just above log10(2): right, or one too few */
    return at_least + (value >= decimal_smallest[at_least]);
}

/* Writes exactly `digits` digits (decimal_digits of the value) and returns the end. */
static inline uint8_t *decimal_put_digits(uint8_t *at, uint64_t value, unsigned digits)
{
    uint8_t *end = at + digits, *p = end;
    while (value >= 100) {
        unsigned pair = (unsigned)(value % 100);
        value /= 100;
        p -= 2;
        memcpy(p, decimal_pairs + 2 * pair, 2);
    }
    if (value >= 10)
        memcpy(p - 2, decimal_pairs + 2 * value, 2);
    else
        p[-1] = (uint8_t)('0' + value);
    return end;
}

static inline uint8_t *decimal_put(uint8_t *at, uint64_t value)
{
    return decimal_put_digits(at, value, decimal_digits(value));
}

#endif
