/* capture/arena.h -- memory that is freed all at once.  Zeroed: empty.  One owner. */
#ifndef CAPTURE_ARENA_H
#define CAPTURE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *block;
    size_t total_bytes;
    size_t bytes_max; /* 0: no limit */
};

/* 16-byte aligned and zeroed.  NULL: no memory, or beyond bytes_max. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a NUL behind it. */
char *arena_text(struct arena *a, const char *text, size_t bytes);
void arena_free(struct arena *a);

#endif
