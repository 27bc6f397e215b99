#include "dataplane/buffer_arena.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/invariant.h"

enum { IS_FREE = 0x80 };

struct buffer_free {
    struct buffer_free *next, *previous;
};

static uint32_t order_for(size_t size)
{
    uint32_t order = 0;
    while (((size_t)1 << (order + ARENA_BLOCK_SHIFT)) < size) order++;
    return order;
}

static void free_push(struct buffer_arena *a, size_t block, uint32_t order)
{
    struct buffer_free *f = (struct buffer_free *)(void *)(a->bytes + (block << ARENA_BLOCK_SHIFT));
    f->previous = NULL;
    f->next = a->free[order];
    if (f->next != NULL) f->next->previous = f;
    a->free[order] = f;
    a->order_of[block] = (uint8_t)(IS_FREE | order);
}

static void free_unlink(struct buffer_arena *a, struct buffer_free *f, uint32_t order)
{
    if (f->previous == NULL) a->free[order] = f->next;
    else f->previous->next = f->next;
    if (f->next != NULL) f->next->previous = f->previous;
}

static size_t block_of(const struct buffer_arena *a, const void *buffer)
{
    size_t at = (size_t)((const uint8_t *)buffer - a->bytes);
    INVARIANT((at & (((size_t)1 << ARENA_BLOCK_SHIFT) - 1)) == 0 &&
              at >> (ARENA_BLOCK_SHIFT + a->orders - 1) == 0);
    return at >> ARENA_BLOCK_SHIFT;
}

enum err buffer_arena_init(struct buffer_arena *a, size_t size)
{
    *a = (struct buffer_arena){.orders = order_for(size) + 1};
    INVARIANT(a->orders <= ARENA_ORDERS_MAX);
    size_t bytes = (size_t)1 << (a->orders - 1 + ARENA_BLOCK_SHIFT);
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return ERR_NO_MEMORY;
    a->bytes = region;
    a->order_of = calloc(1, bytes >> ARENA_BLOCK_SHIFT);
    if (a->order_of == NULL) {
        munmap(region, bytes);
        return ERR_NO_MEMORY;
    }
    free_push(a, 0, a->orders - 1);
    return ERR_OK;
}

void buffer_arena_fini(struct buffer_arena *a)
{
    if (a->bytes == NULL) return;
    if (a->large != NULL) munmap(a->large, a->large_bytes);
    munmap(a->bytes, (size_t)1 << (a->orders - 1 + ARENA_BLOCK_SHIFT));
    free(a->order_of);
    *a = (struct buffer_arena){0};
}

enum err buffer_arena_large(struct buffer_arena *a, size_t size)
{
    if (size == 0) return ERR_OK;
    void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return ERR_NO_MEMORY;
    a->large = region;
    a->large_bytes = size;
    return ERR_OK;
}

enum err buffer_take_large(struct buffer_arena *a, size_t size, uint8_t **out)
{
    if (size > a->large_bytes) return ERR_TOO_LARGE;
    a->large_is_wanted = a->large_is_used;
    if (a->large_is_used) return ERR_AGAIN;
    a->large_is_used = true;
    a->used_bytes += a->large_bytes;
    *out = a->large;
    return ERR_OK;
}

bool buffer_is_large(const struct buffer_arena *a, const void *buffer) { return buffer != NULL && buffer == a->large; }

void *buffer_take(struct buffer_arena *a, size_t size)
{
    if (size > (size_t)1 << (a->orders - 1 + ARENA_BLOCK_SHIFT)) return NULL;
    uint32_t wanted = order_for(size), order = wanted;
    while (order < a->orders && a->free[order] == NULL) order++;
    if (order == a->orders) return NULL;
    struct buffer_free *f = a->free[order];
    free_unlink(a, f, order);
    size_t block = block_of(a, f);
    while (order > wanted) { /* the upper half goes back */
        order--;
        free_push(a, block + ((size_t)1 << order), order);
    }
    a->order_of[block] = (uint8_t)(order + 1);
    a->used_bytes += (size_t)1 << (order + ARENA_BLOCK_SHIFT);
    return f;
}

size_t buffer_size(const struct buffer_arena *a, const void *buffer)
{
    if (buffer_is_large(a, buffer)) return a->large_bytes;
    uint8_t order = a->order_of[block_of(a, buffer)];
    INVARIANT(order != 0 && (order & IS_FREE) == 0);
    return (size_t)1 << (order - 1 + ARENA_BLOCK_SHIFT);
}

void buffer_give(struct buffer_arena *a, void *buffer)
{
    if (buffer == NULL) return;
    if (buffer_is_large(a, buffer)) {
        INVARIANT(a->large_is_used);
        a->large_is_used = a->large_is_wanted = false;
        a->used_bytes -= a->large_bytes;
        madvise(a->large, a->large_bytes, MADV_DONTNEED); /* seldom used: its pages are others' meanwhile */
        return;
    }
    size_t block = block_of(a, buffer);
    uint8_t mark = a->order_of[block];
    INVARIANT(mark != 0 && (mark & IS_FREE) == 0); /* given back once, and at its start */
    uint32_t order = mark - 1u;
    a->used_bytes -= (size_t)1 << (order + ARENA_BLOCK_SHIFT);
    a->order_of[block] = 0;
    while (order + 1 < a->orders) {
        size_t twin = block ^ ((size_t)1 << order);
        if (a->order_of[twin] != (IS_FREE | order)) break;
        free_unlink(a, (struct buffer_free *)(void *)(a->bytes + (twin << ARENA_BLOCK_SHIFT)), order);
        a->order_of[twin] = 0;
        block &= ~((size_t)1 << order);
        order++;
    }
    free_push(a, block, order);
}
