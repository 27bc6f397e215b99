#include "base/crc.h"

#include <isa-l/crc.h>

/* ISA-L takes an int size and, for CRC-32C, leaves both inversions to the caller. */
enum { CRC_PART_BYTES = 1 << 30 };

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t raw = ~crc;
    while (size > 0) {
        size_t part = size < CRC_PART_BYTES ? size : CRC_PART_BYTES;
        raw = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)part, raw);
        at += part;
        size -= part;
    }
    return ~raw;
}

uint32_t crc32_zlib(uint32_t crc, const void *bytes, size_t size)
{
    return crc32_gzip_refl(crc, bytes, size);
}
