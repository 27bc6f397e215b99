/* formats/decimal_text.h -- integers as decimal text, eight digits a step.  Writes without a bound check: the caller
 * has room for DECIMAL_TEXT_MAX bytes, and what is behind the digits is scratch.  No terminator. */
#ifndef FORMATS_DECIMAL_TEXT_H
#define FORMATS_DECIMAL_TEXT_H

#include <stdint.h>

#include "base/sink.h"

enum { DECIMAL_TEXT_MAX = 20 }; /* 18446744073709551615; a sign is the caller's */

extern const uint64_t decimal_smallest[DECIMAL_TEXT_MAX]; /* [i]: smallest number of i + 1 digits: 0, 10, .. 10^19 */

static inline unsigned decimal_digits(uint64_t value)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    unsigned at_least = bits * 1233 >> 12; /* 1233/4096 is just above log10(2): right, or one too few */
    return at_least + (value >= decimal_smallest[at_least]);
}

/* The eight digits of a value below 10^8 as text, the first in the lowest byte.  Lanes of a word hold four digits each,
 * then two, then one: a division by 100 or 10 is a multiplication that is exact for what a lane can hold. */
static inline uint64_t decimal_eight(uint32_t value)
{
    uint64_t lanes = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t high = (lanes * 10486 >> 20) & 0x0000007f0000007f;
    lanes = high | (lanes - high * 100) << 16;
    high = (lanes * 103 >> 10) & 0x000f000f000f000f;
    return (high | (lanes - high * 10) << 8) + 0x3030303030303030;
}

/* The last `digits` of eight, 1 to 8; writes 8 bytes. */
static inline uint8_t *decimal_put_last(uint8_t *at, uint64_t eight, unsigned digits)
{
    le64_put(at, eight >> (64 - 8 * digits));
    return at + digits;
}

/* Writes the digits of a value (as many as decimal_digits says) and returns their end. */
static inline uint8_t *decimal_put_digits(uint8_t *at, uint64_t value, unsigned digits)
{
    const uint32_t base = 100000000;
    if (value < base) return decimal_put_last(at, decimal_eight((uint32_t)value), digits);
    uint64_t above = value / base;
    if (above < base) {
        at = decimal_put_last(at, decimal_eight((uint32_t)above), digits - 8);
    } else {
        at = decimal_put_last(at, decimal_eight((uint32_t)(above / base)), digits - 16);
        at = decimal_put_last(at, decimal_eight((uint32_t)(above % base)), 8);
    }
    return decimal_put_last(at, decimal_eight((uint32_t)(value % base)), 8);
}

static inline uint8_t *decimal_put(uint8_t *at, uint64_t value)
{
    return decimal_put_digits(at, value, decimal_digits(value));
}

#endif
