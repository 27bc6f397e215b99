/* base/random.h -- the seam for randomness: a small seeded generator (xoshiro256**, Blackman and Vigna 2018).
 * The same seed gives the same sequence on every machine.  Not for secrets: those come from random_secret. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void     random_init(struct random *r, uint64_t seed);
uint64_t random_u64(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound); /* 0 .. bound-1, unbiased; bound > 0 */
void     random_bytes(struct random *r, void *bytes, size_t size);

/* Bytes from the kernel's generator; aborts when it has none. */
void     random_secret(void *bytes, size_t size);

#endif
