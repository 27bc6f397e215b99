#include "base/random.h"

#include <string.h>
#include <sys/random.h>

#include "base/invariant.h"

static uint64_t rotate_left(uint64_t value, int count) { return value << count | value >> (64 - count); }

void random_init(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 spreads a small seed over the whole state */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->state[i] = z ^ z >> 31;
    }
}

uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    INVARIANT(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound; /* values at or above it would favour small results */
    for (;;) {
        uint64_t value = random_u64(r);
        if (value < limit) return value % bound;
    }
}

void random_bytes(struct random *r, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        uint64_t value = random_u64(r);
        size_t part = size < 8 ? size : 8;
        memcpy(at, &value, part);
        at += part;
        size -= part;
    }
}

void random_secret(void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        INVARIANT(got > 0);
        at += got;
        size -= (size_t)got;
    }
}
