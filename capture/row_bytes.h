/* capture/row_bytes.h -- integers in row images: little-endian where the storage engines' format shows through, else
 * big-endian. */
#ifndef CAPTURE_ROW_BYTES_H
#define CAPTURE_ROW_BYTES_H

#include <stdint.h>

/* `size` bytes, 0..8, that the caller knows to be there. */
static inline uint64_t little(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
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
