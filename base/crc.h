/* base/crc.h -- the two checksums of our world.  Any thread. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): record batches.  crc32c(0, ...) starts; pass the result on to go on. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

/* CRC-32 (IEEE 802.3, zlib's): binlog events, Kafka message formats 0 and 1.  Same convention. */
uint32_t crc32_zlib(uint32_t crc, const void *bytes, size_t size);

#endif
