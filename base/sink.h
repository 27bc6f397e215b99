/* base/sink.h -- bounded writing of bytes, the mirror of base/cursor.h.  The failure sticks: a write that
 * does not fit writes nothing and sets `failed`; check once, at the end.  Any thread, no allocation. */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sink {
    uint8_t *at, *end;
    bool failed;
};

static inline struct sink sink_of(void *bytes, size_t size)
{
    uint8_t *at = bytes;
    return (struct sink){at, at + size, false};
}

static inline size_t sink_left(const struct sink *s) { return (size_t)(s->end - s->at); }

/* Room for `size` bytes, or NULL (and failed). */
static inline uint8_t *sink_claim(struct sink *s, size_t size)
{
    if (s->failed || sink_left(s) < size) {
        s->failed = true;
        return NULL;
    }
    uint8_t *room = s->at;
    s->at += size;
    return room;
}

static inline void sink_bytes(struct sink *s, const void *bytes, size_t size)
{
    uint8_t *room = sink_claim(s, size);
    if (room != NULL && size != 0) memcpy(room, bytes, size);
}

static inline void sink_be(struct sink *s, uint64_t value, unsigned size)
{
    uint8_t *room = sink_claim(s, size);
    if (room == NULL) return;
    for (unsigned i = 0; i < size; i++) room[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static inline void sink_le(struct sink *s, uint64_t value, unsigned size)
{
    uint8_t *room = sink_claim(s, size);
    if (room == NULL) return;
    for (unsigned i = 0; i < size; i++) room[i] = (uint8_t)(value >> (8 * i));
}

/* memcpy for the short strings rows are made of: no call below 33 bytes.  Without a bound check; returns the end. */
static inline uint8_t *bytes_put(uint8_t *at, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    if (size >= 16) {
        if (size > 32) {
            memcpy(at, from, size);
            return at + size;
        }
        memcpy(at, from, 16); /* the two halves overlap */
        memcpy(at + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(at, from, 8);
        memcpy(at + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(at, from, 4);
        memcpy(at + size - 4, from + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++) at[i] = from[i];
    }
    return at + size;
}

/* Eight bytes, the lowest first, without a bound check. */
static inline void le64_put(void *at, uint64_t value)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(at, &value, 8);
}

/* Bytes a varint takes: 1..10. */
static inline unsigned uvarint_size(uint64_t value)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

static inline uint64_t zigzag_of(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }

/* uvarint_put writes at `at` without a bound check (the caller has room for 10 bytes) and returns the end. */
static inline uint8_t *uvarint_put(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline void sink_uvarint(struct sink *s, uint64_t value)
{
    uint8_t *room = sink_claim(s, uvarint_size(value));
    if (room != NULL) uvarint_put(room, value);
}

/* A character in UTF-8. */
static inline void sink_utf8(struct sink *s, uint32_t c)
{
    if (c < 0x80)
        sink_be(s, c, 1);
    else if (c < 0x800)
        sink_be(s, 0xc080 | (c >> 6) << 8 | (c & 63), 2);
    else if (c < 0x10000)
        sink_be(s, 0xe08080 | (c >> 12) << 16 | (c >> 6 & 63) << 8 | (c & 63), 3);
    else
        sink_be(s, 0xf0808080 | (c >> 18) << 24 | (c >> 12 & 63) << 16 | (c >> 6 & 63) << 8 | (c & 63), 4);
}

static inline void sink_zigzag(struct sink *s, int64_t value) { sink_uvarint(s, zigzag_of(value)); }

#endif
