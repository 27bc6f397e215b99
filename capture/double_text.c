#include "capture/double_text.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/decimal_text.h"

/* Most numbers that people store are decimals of few digits.  A whole number below 10^15 and a power of ten up to 10^22
 * are exact as doubles, so their quotient is rounded once, as reading the decimal would be: where it is `value`, those
 * digits read back.  And of decimals with DBL_DIG digits only one does. */
static bool few_digits(double value, uint64_t *number, int *exponent)
{
    static const double power[] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const double digits_end = 1e15;
    for (int decimals = 0; decimals < (int)(sizeof power / sizeof *power); decimals++) {
        double scaled = value * power[decimals] + 0.5;
        if (scaled >= digits_end) return false;
        *number = (uint64_t)scaled;
        *exponent = -decimals;
        if ((double)*number / power[decimals] == value) return true;
    }
    return false;
}

/* Does `number` * 10^exponent read back as `value`?  (Without a decimal point no locale can interfere.) */
static bool reads_back(uint64_t number, int exponent, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)number, exponent);
    return strtod(text, NULL) == value;
}

/* By trial: a normal number that has fewer than 15 digits shows them at 15, with zeros behind. */
static uint64_t many_digits(double value, int *exponent)
{
    for (int count = value < DBL_MIN ? 1 : DBL_DIG;; count++) {
        char text[40];
        snprintf(text, sizeof text, "%.*e", count - 1, value);
        uint64_t number = 0;
        const char *at = text;
        for (; *at != 'e'; at++)
            if (*at >= '0' && *at <= '9') number = number * 10 + (uint64_t)(*at - '0');
        *exponent = atoi(at + 1) - (count - 1);
        if (count == DBL_DECIMAL_DIG || reads_back(number, *exponent, value)) return number;
        /* The neighbour below a power of two is nearer than the one above: the next decimal up may read back where the
         * nearest does not. */
        if (reads_back(number + 1, *exponent, value)) return number + 1;
    }
}

/* The fewest digits that read back as `value` > 0, as a number without trailing zeros, and its decimal exponent. */
static uint64_t shortest_digits(double value, int *exponent)
{
    uint64_t number;
    if (!few_digits(value, &number, exponent)) number = many_digits(value, exponent);
    for (; number % 10 == 0; number /= 10) ++*exponent;
    return number;
}

static char *put(char *at, const char *bytes, int size)
{
    memcpy(at, bytes, (size_t)size);
    return at + size;
}

static char *put_zeros(char *at, int count)
{
    memset(at, '0', (size_t)count);
    return at + count;
}

size_t double_print(char *out, double value, bool keeps_point)
{
    uint8_t text[DECIMAL_TEXT_MAX];
    const char *digits = (const char *)text;
    char *at = out;
    int exponent;

    if (signbit(value)) *at++ = '-';
    value = fabs(value);
    if (value == 0) return (size_t)(put(at, "0.0", keeps_point ? 3 : 1) - out);
    int size = (int)(decimal_put(text, shortest_digits(value, &exponent)) - text);
    exponent += size; /* value = 0.DIGITS * 10^exponent */
    if (exponent < -14 || (exponent > 15 && size <= exponent)) {
        *at++ = digits[0];
        if (size > 1) *at++ = '.';
        at = put(at, digits + 1, size - 1);
        at += sprintf(at, "e%d", exponent - 1);
    } else if (exponent <= 0) {
        at = put_zeros(put(at, "0.", 2), -exponent);
        at = put(at, digits, size);
    } else if (size <= exponent) {
        at = put_zeros(put(at, digits, size), exponent - size);
        if (keeps_point) at = put(at, ".0", 2);
    } else {
        at = put(at, digits, exponent);
        *at++ = '.';
        at = put(at, digits + exponent, size - exponent);
    }
    return (size_t)(at - out);
}
