#include "capture/decimal.h"

#include <string.h>

#include "base/invariant.h"

static const uint8_t group_bytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4}; /* by digits in the group */
static const uint32_t power_of_ten[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

static const char two_digits[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

unsigned decimal_size(unsigned precision, unsigned scale)
{
    unsigned whole = precision - scale;
    return whole / 9 * 4 + group_bytes[whole % 9] + scale / 9 * 4 + group_bytes[scale % 9];
}

/* A group's number; `flip` inverts the bytes of a negative decimal. */
static uint32_t read_group(const uint8_t *bytes, unsigned size, uint8_t flip)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++) value = value << 8 | (uint8_t)(bytes[i] ^ flip);
    return value;
}

static void put_digits(char *out, uint32_t value, unsigned digits)
{
    while (digits >= 2) {
        digits -= 2;
        memcpy(out + digits, two_digits + value % 100 * 2, 2);
        value /= 100;
    }
    if (digits != 0) out[0] = (char)('0' + value);
}

unsigned decimal_print(char *out, const uint8_t *bytes, unsigned precision, unsigned scale)
{
    uint8_t copy[40];
    unsigned size = decimal_size(precision, scale), whole = precision - scale;
    const uint8_t *at = copy;

    INVARIANT(precision >= 1 && precision <= DECIMAL_DIGITS_MAX && scale <= precision && scale <= DECIMAL_SCALE_MAX);
    memcpy(copy, bytes, size);
    copy[0] ^= 0x80;
    uint8_t flip = (copy[0] & 0x80) != 0 ? 0xff : 0;
    char *to = out;
    if (flip != 0) *to++ = '-';

    char *digits = to; /* of the whole part, with leading zeros for now */
    for (unsigned left = whole; left != 0;) {
        unsigned n = left % 9 == 0 ? 9 : left % 9;
        uint32_t value = read_group(at, group_bytes[n], flip);
        if (value >= power_of_ten[n]) return 0;
        put_digits(to, value, n);
        to += n;
        at += group_bytes[n];
        left -= n;
    }
    char *first = digits;
    while (first < to && *first == '0') first++;
    memmove(digits, first, (size_t)(to - first));
    to -= first - digits;
    if (to == digits) *to++ = '0';
    if (scale != 0) *to++ = '.';
    for (unsigned left = scale; left != 0;) {
        unsigned n = left > 9 ? 9 : left;
        uint32_t value = read_group(at, group_bytes[n], flip);
        if (value >= power_of_ten[n]) return 0;
        put_digits(to, value, n);
        to += n;
        at += group_bytes[n];
        left -= n;
    }
    return (unsigned)(to - out);
}
