/* base/fnv.h -- FNV-1a (Fowler, Noll, Vo) in 64 bits: tells short texts apart; not for adversaries.  Any thread. */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* Goes on with `hash` over the bytes. */
static inline uint64_t fnv1a(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

#endif
