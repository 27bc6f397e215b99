/* dataplane/buffer_arena.h -- buffers of very different size from one region that is reserved at start.
 *
 * A buddy allocator: sizes are powers of two, a free buffer merges with its twin.  One serve lcore holds requests that
 * are not whole yet and answers under way in it; its size is the bound on the sum of both.  One thread. */
#ifndef DATAPLANE_BUFFER_ARENA_H
#define DATAPLANE_BUFFER_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { ARENA_BLOCK_SHIFT = 9, ARENA_ORDERS_MAX = 26 }; /* 512 bytes .. 16 GiB */

struct buffer_free; /* lies in the free buffer */

struct buffer_arena {
    uint8_t *bytes;   /* owned; pages are touched only when used */
    uint8_t *order_of; /* by block: order + 1 where a used buffer begins, 0x80 | order where a free one does, else 0 */
    uint32_t orders;  /* buffers of 2^0 .. 2^(orders-1) blocks */
    size_t   used_bytes;
    struct buffer_free *free[ARENA_ORDERS_MAX];
    uint8_t *large; /* owned; NULL: there is none */
    size_t   large_bytes;
    bool     large_is_used, large_is_wanted; /* wanted: somebody asked for it meanwhile */
};

/* `size` is rounded up to a power of two.  ERR_NO_MEMORY. */
NODISCARD enum err buffer_arena_init(struct buffer_arena *a, size_t size);
void               buffer_arena_fini(struct buffer_arena *a);
/* One buffer more, of `size` bytes, for what is too large for the others.  ERR_NO_MEMORY. */
NODISCARD enum err buffer_arena_large(struct buffer_arena *a, size_t size);

/* At least `size` bytes, aligned to 512, or NULL when there is no room. */
void  *buffer_take(struct buffer_arena *a, size_t size);
/* The large one; ERR_AGAIN: it is used.  ERR_TOO_LARGE: it has not `size` bytes. */
NODISCARD enum err buffer_take_large(struct buffer_arena *a, size_t size, uint8_t **out);
bool   buffer_is_large(const struct buffer_arena *a, const void *buffer);
void   buffer_give(struct buffer_arena *a, void *buffer); /* NULL: nothing happens */
size_t buffer_size(const struct buffer_arena *a, const void *buffer);

#endif
