/* capture/row_bytes.h -- integers in row images: little-endian where the storage engines' format shows through, else
 * big-endian. */
#ifndef CAPTURE_ROW_BYTES_H
#define CAPTURE_ROW_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* `size` bytes, 0..8, that the caller knows to be there.  Sizes that the compiler knows are one load, which it does not
 * make of the loop by itself. */
static inline uint64_t little(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
    uint32_t value4;
    uint16_t value2;
    if (__builtin_constant_p(size) && size == 8) return memcpy(&value, p, 8), le64toh(value);
    if (__builtin_constant_p(size) && size == 4) return memcpy(&value4, p, 4), le32toh(value4);
    if (__builtin_constant_p(size) && size == 2) return memcpy(&value2, p, 2), le16toh(value2);
    for (unsigned i = 0; i < size; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

static inline uint64_t big(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) value = value << 8 | p[i];
    return value;
}

#endif
