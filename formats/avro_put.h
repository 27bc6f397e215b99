/* formats/avro_put.h -- Avro's binary encoding (Apache Avro 1.11 specification, "Binary Encoding"), written without
 * bound checks into room the caller has measured.  Each function returns the end of what it wrote. */
#ifndef FORMATS_AVRO_PUT_H
#define FORMATS_AVRO_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/sink.h"
#include "formats/decimal_text.h"

enum {
    AVRO_LONG_MAX         = 10,                       /* bytes of the longest zigzag varint */
    AVRO_DECIMAL_TEXT_MAX = 1 + 1 + DECIMAL_TEXT_MAX, /* length, sign, digits */
};

static inline uint8_t *avro_put_long(uint8_t *at, int64_t value) { return uvarint_put(at, zigzag_of(value)); }

/* string and bytes: the length as a long, then the bytes. */
static inline uint8_t *avro_put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size < 64) /* zigzag: one byte */
        *at++ = (uint8_t)(size << 1);
    else
        at = avro_put_long(at, (int64_t)size);
    return bytes_put(at, bytes, size);
}

static inline uint8_t *avro_put_string(uint8_t *at, const char *text) { return avro_put_bytes(at, text, strlen(text)); }

/* A string of decimal digits; with the sign at most 21 bytes, so that its length takes one. */
static inline uint8_t *avro_put_decimal(uint8_t *at, uint64_t magnitude, unsigned is_negative)
{
    unsigned digits = decimal_digits(magnitude);
    at[0] = (uint8_t)((digits + is_negative) << 1);
    at[1] = '-'; /* overwritten by the first digit unless it stays */
    return decimal_put_digits(at + 1 + is_negative, magnitude, digits);
}

static inline uint8_t *avro_put_unsigned_text(uint8_t *at, uint64_t value) { return avro_put_decimal(at, value, 0); }

static inline uint8_t *avro_put_signed_text(uint8_t *at, int64_t value)
{
    return avro_put_decimal(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

static inline uint8_t *avro_put_double(uint8_t *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    le64_put(at, bits);
    return at + 8;
}

#endif
