/* formats/compression.c -- see compression.h */
#define ZSTD_STATIC_LINKING_ONLY /* a compressor in memory of ours, which it never leaves */
#include "formats/compression.h"

#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/invariant.h"

enum {
    GZIP_WINDOW_BITS = 15 + 16, /* zlib's: the largest window, gzip's head and tail */
    GZIP_MEMORY_LEVEL = 8,
    LZ4_BLOCK_BYTES = 64 << 10, /* what Kafka's own producers use */
    /* zlib's manual: deflate takes (1 << 17) + (1 << 17) bytes and its struct, inflate a window and its struct. */
    GZIP_PACKER_BYTES = (256 << 10) + (16 << 10),
    GZIP_UNPACKER_BYTES = (32 << 10) + (16 << 10),
    LZ4_PACKER_BYTES = 64 << 10, /* a table of 16 KiB and its struct */
    /* A frame of somebody else may have blocks of 4 MiB: one as it comes, one unpacked with what it refers to. */
    LZ4_UNPACKER_BYTES = 2 * (4 << 20) + (192 << 10),
};

static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};

const char *compression_name(enum compression codec)
{
    return (unsigned)codec < sizeof names / sizeof *names ? names[codec] : "unknown";
}

bool compression_find(const char *name, enum compression *out)
{
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (i == COMPRESSION_SNAPPY || strcmp(name, names[i]) != 0) continue;
        *out = (enum compression)i;
        return true;
    }
    return false;
}

/* --- packing --- */

struct packer {
    enum compression codec;
    z_stream gzip;
    LZ4F_cctx *lz4;
    void *zstd_room;
    ZSTD_CCtx *zstd;
};

/* Blocks that stand alone: Java's reader takes no others. */
static const LZ4F_preferences_t lz4_frame = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}, .autoFlush = 1};

static bool lz4_open(struct packer *p)
{
    uint8_t head[LZ4F_HEADER_SIZE_MAX];
    if (LZ4F_isError(LZ4F_createCompressionContext(&p->lz4, LZ4F_VERSION))) return false;
    return !LZ4F_isError(LZ4F_compressBegin(p->lz4, head, sizeof head, &lz4_frame)); /* takes its memory */
}

enum err packer_open(struct packer **out, enum compression codec)
{
    struct packer *p = calloc(1, sizeof *p);
    bool is_open = p != NULL;
    if (p == NULL) return ERR_NO_MEMORY;
    p->codec = codec;
    switch (codec) {
    case COMPRESSION_GZIP:
        is_open = deflateInit2(&p->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) == Z_OK;
        break;
    case COMPRESSION_LZ4: is_open = lz4_open(p); break;
    case COMPRESSION_ZSTD:
        p->zstd_room = malloc(ZSTD_estimateCCtxSize(ZSTD_CLEVEL_DEFAULT));
        if (p->zstd_room != NULL)
            p->zstd = ZSTD_initStaticCCtx(p->zstd_room, ZSTD_estimateCCtxSize(ZSTD_CLEVEL_DEFAULT));
        is_open = p->zstd != NULL;
        break;
    case COMPRESSION_NONE: case COMPRESSION_SNAPPY: case COMPRESSION_MASK: INVARIANT(!"a codec that is written");
    }
    if (!is_open) {
        packer_close(p);
        return ERR_NO_MEMORY;
    }
    *out = p;
    return ERR_OK;
}

void packer_close(struct packer *p)
{
    if (p == NULL) return;
    if (p->codec == COMPRESSION_GZIP) deflateEnd(&p->gzip);
    LZ4F_freeCompressionContext(p->lz4);
    free(p->zstd_room);
    free(p);
}

enum compression packer_codec(const struct packer *p) { return p->codec; }

size_t packer_memory_bytes(void)
{
    size_t zstd = ZSTD_estimateCCtxSize(ZSTD_CLEVEL_DEFAULT), most = GZIP_PACKER_BYTES;
    if (most < LZ4_PACKER_BYTES) most = LZ4_PACKER_BYTES;
    return sizeof(struct packer) + (zstd > most ? zstd : most);
}

static size_t gzip_pack(z_stream *z, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    if (deflateReset(z) != Z_OK || size > UINT32_MAX) return 0;
    z->next_in = (uint8_t *)(uintptr_t)in;
    z->avail_in = (unsigned)size;
    z->next_out = out;
    z->avail_out = room > UINT32_MAX ? UINT32_MAX : (unsigned)room;
    return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

/* Block by block, so that the room for the worst case is asked for one block and not for all. */
static size_t lz4_pack(LZ4F_cctx *c, const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    size_t used = LZ4F_compressBegin(c, out, room, &lz4_frame);
    if (LZ4F_isError(used)) return 0;
    for (size_t at = 0; at < size;) {
        size_t block = size - at < LZ4_BLOCK_BYTES ? size - at : LZ4_BLOCK_BYTES;
        size_t made = LZ4F_compressUpdate(c, out + used, room - used, in + at, block, NULL);
        if (LZ4F_isError(made)) return 0;
        used += made;
        at += block;
    }
    size_t made = LZ4F_compressEnd(c, out + used, room - used, NULL);
    return LZ4F_isError(made) ? 0 : used + made;
}

size_t packer_pack(struct packer *p, const void *in, size_t size, void *out, size_t room)
{
    if (p->codec == COMPRESSION_GZIP) return gzip_pack(&p->gzip, in, size, out, room);
    if (p->codec == COMPRESSION_LZ4) return lz4_pack(p->lz4, in, size, out, room);
    size_t made = ZSTD_compressCCtx(p->zstd, out, room, in, size, ZSTD_CLEVEL_DEFAULT);
    return ZSTD_isError(made) ? 0 : made;
}

/* --- unpacking --- */

struct unpacker {
    z_stream gzip;
    bool has_gzip;
    LZ4F_dctx *lz4;
    ZSTD_DCtx *zstd;
};

enum err unpacker_open(struct unpacker **out)
{
    struct unpacker *u = calloc(1, sizeof *u);
    if (u == NULL) return ERR_NO_MEMORY;
    u->has_gzip = inflateInit2(&u->gzip, GZIP_WINDOW_BITS) == Z_OK;
    u->zstd = ZSTD_createDCtx();
    if (LZ4F_isError(LZ4F_createDecompressionContext(&u->lz4, LZ4F_VERSION)) || !u->has_gzip || u->zstd == NULL) {
        unpacker_close(u);
        return ERR_NO_MEMORY;
    }
    *out = u;
    return ERR_OK;
}

void unpacker_close(struct unpacker *u)
{
    if (u == NULL) return;
    if (u->has_gzip) inflateEnd(&u->gzip);
    LZ4F_freeDecompressionContext(u->lz4);
    ZSTD_freeDCtx(u->zstd);
    free(u);
}

size_t unpacker_memory_bytes(void)
{
    return sizeof(struct unpacker) + GZIP_UNPACKER_BYTES + LZ4_UNPACKER_BYTES + ZSTD_estimateDCtxSize();
}

static enum err gzip_unpack(z_stream *z, const uint8_t *in, size_t size, uint8_t *out, size_t room, size_t *out_bytes)
{
    if (size > UINT32_MAX || inflateReset(z) != Z_OK) return ERR_CORRUPT;
    z->next_in = (uint8_t *)(uintptr_t)in;
    z->avail_in = (unsigned)size;
    z->next_out = out;
    z->avail_out = room > UINT32_MAX ? UINT32_MAX : (unsigned)room;
    int rc = inflate(z, Z_FINISH);
    if (rc == Z_MEM_ERROR) return ERR_NO_MEMORY;
    if (rc == Z_BUF_ERROR && z->avail_out == 0) return ERR_TOO_LARGE;
    if (rc != Z_STREAM_END || z->avail_in != 0) return ERR_CORRUPT;
    *out_bytes = z->total_out;
    return ERR_OK;
}

static enum err lz4_unpack(LZ4F_dctx *c, const uint8_t *in, size_t size, uint8_t *out, size_t room, size_t *out_bytes)
{
    size_t taken = 0, made = 0, hint = 1;
    LZ4F_resetDecompressionContext(c); /* one before may have ended in the middle */
    while (hint != 0) {
        size_t in_bytes = size - taken, bytes = room - made;
        hint = LZ4F_decompress(c, out + made, &bytes, in + taken, &in_bytes, NULL);
        if (LZ4F_isError(hint))
            return strstr(LZ4F_getErrorName(hint), "allocation") != NULL ? ERR_NO_MEMORY : ERR_CORRUPT;
        taken += in_bytes;
        made += bytes;
        if (hint == 0 || in_bytes > 0 || bytes > 0) continue;
        return made == room ? ERR_TOO_LARGE : ERR_CORRUPT; /* nothing moves: the room is full, or the frame is cut */
    }
    if (taken != size) return ERR_CORRUPT;
    *out_bytes = made;
    return ERR_OK;
}

static enum err zstd_unpack(ZSTD_DCtx *c, const uint8_t *in, size_t size, uint8_t *out, size_t room, size_t *out_bytes)
{
    size_t made = ZSTD_decompressDCtx(c, out, room, in, size);
    if (ZSTD_getErrorCode(made) == ZSTD_error_dstSize_tooSmall) return ERR_TOO_LARGE;
    if (ZSTD_isError(made)) return ERR_CORRUPT;
    *out_bytes = made;
    return ERR_OK;
}

enum err unpacker_unpack(struct unpacker *u, enum compression codec, const void *in, size_t size, void *out,
                         size_t room, size_t *out_bytes)
{
    if (size == 0) return ERR_CORRUPT;
    switch (codec) {
    case COMPRESSION_GZIP: return gzip_unpack(&u->gzip, in, size, out, room, out_bytes);
    case COMPRESSION_LZ4:  return lz4_unpack(u->lz4, in, size, out, room, out_bytes);
    case COMPRESSION_ZSTD: return zstd_unpack(u->zstd, in, size, out, room, out_bytes);
    case COMPRESSION_NONE: case COMPRESSION_SNAPPY: case COMPRESSION_MASK: break;
    }
    return ERR_UNSUPPORTED;
}
