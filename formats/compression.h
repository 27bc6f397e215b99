/* formats/compression.h -- the codecs of a record batch's records: gzip (RFC 1952), the LZ4 frame format, zstd
 * (RFC 8878), as Kafka has them in message format 2 (KIP-110; the codec is bits 0 to 2 of a batch's attributes).
 *
 * Memory is taken when a packer or an unpacker is opened, not with each batch.  Pure; one thread each. */
#ifndef FORMATS_COMPRESSION_H
#define FORMATS_COMPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum compression { /* Kafka's numbers */
    COMPRESSION_NONE   = 0,
    COMPRESSION_GZIP   = 1,
    COMPRESSION_SNAPPY = 2, /* is neither written nor read here */
    COMPRESSION_LZ4    = 3,
    COMPRESSION_ZSTD   = 4,
    COMPRESSION_MASK   = 7, /* of a batch's attributes */
};

/* "none", "gzip", "snappy", "lz4", "zstd". */
const char *compression_name(enum compression codec);
/* Those that can be written, by name; false: it is none of them. */
bool compression_find(const char *name, enum compression *out);

enum { PACKER_SLACK_BYTES = 1024 }; /* room beyond a small input's size that every codec is content with */

struct packer;
struct unpacker;

/* `codec`: one that can be written, and not none.  ERR_NO_MEMORY. */
NODISCARD enum err packer_open(struct packer **out, enum compression codec);
void               packer_close(struct packer *p); /* NULL: nothing happens */
enum compression   packer_codec(const struct packer *p);
/* The bytes at `out`; 0: they do not fit in `room`, or cannot be made. */
size_t             packer_pack(struct packer *p, const void *in, size_t size, void *out, size_t room);
/* The most that one packer takes, of whatever codec. */
size_t             packer_memory_bytes(void);

NODISCARD enum err unpacker_open(struct unpacker **out);
void               unpacker_close(struct unpacker *u); /* NULL: nothing happens */
/* All of `in`, which must be one whole stream, as *out_bytes bytes at `out`.  ERR_TOO_LARGE: they are more than `room`.
 * ERR_CORRUPT: it is no such stream, is cut, or is followed by something.  ERR_UNSUPPORTED: snappy, or an unknown
 * codec.  ERR_NO_MEMORY. */
NODISCARD enum err unpacker_unpack(struct unpacker *u, enum compression codec, const void *in, size_t size, void *out,
                                   size_t room, size_t *out_bytes);
size_t             unpacker_memory_bytes(void);

#endif
