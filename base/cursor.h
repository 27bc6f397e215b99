/* base/cursor.h -- bounded reading of bytes.  The failure sticks: after a read past the end every read
 * gives 0 and `failed` is set, so a decoder checks once, at its end.  All functions: any thread, no
 * allocation, the bytes are borrowed. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct cursor cursor_of(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    return (struct cursor){at, at == NULL ? at : at + size, false};
}

static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->at); }

/* The next `size` bytes, or NULL (and failed) when fewer are left. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t size)
{
    if (c->failed || cursor_left(c) < size) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *taken = c->at;
    c->at += size;
    return taken;
}

/* Numbers of a size that the compiler knows are one load, where the machine has that order of bytes or swaps it. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CURSOR_LOADS(size) __builtin_constant_p(size)
#else
#define CURSOR_LOADS(size) false
#endif
#define CURSOR_INLINE static inline __attribute__((always_inline))

/* Little-endian unsigned of 1..8 bytes. */
CURSOR_INLINE uint64_t cursor_le(struct cursor *c, unsigned size)
{
    const uint8_t *p = cursor_take(c, size);
    uint64_t value = 0;
    if (p == NULL) return 0;
    if (CURSOR_LOADS(size))
        memcpy(&value, p, size);
    else
        for (unsigned i = 0; i < size; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* Big-endian unsigned of 1..8 bytes. */
CURSOR_INLINE uint64_t cursor_be(struct cursor *c, unsigned size)
{
    const uint8_t *p = cursor_take(c, size);
    uint64_t value = 0;
    if (p == NULL) return 0;
    if (CURSOR_LOADS(size)) {
        memcpy((uint8_t *)&value + (sizeof value - size), p, size);
        return __builtin_bswap64(value);
    }
    for (unsigned i = 0; i < size; i++) value = value << 8 | p[i];
    return value;
}

/* Unsigned base-128 varint, least significant group first, at most 10 bytes. */
static inline uint64_t cursor_uvarint(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *p = cursor_take(c, 1);
        if (p == NULL) return 0;
        if (shift == 63 && *p > 1) break;
        value |= (uint64_t)(*p & 0x7f) << shift;
        if ((*p & 0x80) == 0) return value;
    }
    c->failed = true;
    return 0;
}

/* Zigzag varint (Kafka records, Avro). */
static inline int64_t cursor_zigzag(struct cursor *c)
{
    uint64_t raw = cursor_uvarint(c);
    return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

/* MySQL's length-encoded integer (0xfb is refused: it means NULL only in text result rows). */
static inline uint64_t cursor_lenenc(struct cursor *c)
{
    uint64_t first = cursor_le(c, 1);
    switch (first) {
    case 0xfb: case 0xff: c->failed = true; return 0;
    case 0xfc: return cursor_le(c, 2);
    case 0xfd: return cursor_le(c, 3);
    case 0xfe: return cursor_le(c, 8);
    default:   return first;
    }
}

#endif
