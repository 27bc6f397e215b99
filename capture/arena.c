#include "capture/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) uint8_t bytes[];
};

enum { BLOCK_BYTES = 2048, BLOCK_BYTES_MAX = 256 << 10 };

void *arena_alloc(struct arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (a->block == NULL || a->block->size - a->block->used < size) {
        size_t room = a->total_bytes < BLOCK_BYTES       ? BLOCK_BYTES
                      : a->total_bytes > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX
                                                         : a->total_bytes;
        if (room < size) room = size;
        if (a->bytes_max != 0 && a->total_bytes + room > a->bytes_max) return NULL;
        struct arena_block *b = malloc(sizeof *b + room);
        if (b == NULL) return NULL;
        *b = (struct arena_block){.next = a->block, .size = room};
        a->block = b;
        a->total_bytes += room;
    }
    void *at = a->block->bytes + a->block->used;
    a->block->used += size;
    return memset(at, 0, size);
}

char *arena_text(struct arena *a, const char *text, size_t bytes)
{
    char *copy = arena_alloc(a, bytes + 1);
    if (copy != NULL) memcpy(copy, text, bytes);
    return copy;
}

void arena_free(struct arena *a)
{
    while (a->block != NULL) {
        struct arena_block *next = a->block->next;
        free(a->block);
        a->block = next;
    }
    a->total_bytes = 0;
}
