#include "storage/tail.h"

#include <stdlib.h>

#include "base/invariant.h"

enum err tail_init(struct tail *t, uint32_t entries)
{
    uint32_t capacity = 2;
    while (capacity < entries) capacity *= 2;
    *t = (struct tail){.capacity = capacity, .entry = calloc(capacity, sizeof *t->entry)};
    return t->entry == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void tail_fini(struct tail *t)
{
    free(t->entry);
    t->entry = NULL;
}

void tail_push(struct tail *t, const struct tail_place *place, uint32_t filled)
{
    uint64_t next = atomic_load_explicit(&t->next, memory_order_relaxed);
    struct tail_entry *e = tail_at(t, next);
    INVARIANT(tail_next(t) - tail_first(t) < t->capacity);
    e->filled = filled;
    /* Release: who reads one of these sees `first` as tail_pop left it, and so finds the old entry gone. */
    atomic_store_explicit(&e->chunk, place->chunk, memory_order_release);
    atomic_store_explicit(&e->segment_base, place->segment_base, memory_order_release);
    atomic_store_explicit(&e->file_position, place->file_position, memory_order_release);
    atomic_store_explicit(&e->first_position, place->first_position, memory_order_release);
    atomic_store_explicit(&e->first_offset, place->first_offset, memory_order_release);
    atomic_store_explicit(&t->next, next + 1, memory_order_release); /* pairs with tail_next */
}

void tail_first_batch(struct tail *t, uint64_t seq, uint64_t offset, uint32_t position)
{
    struct tail_entry *e = tail_at(t, seq);
    atomic_store_explicit(&e->first_position, position, memory_order_release);
    atomic_store_explicit(&e->first_offset, offset,
                          memory_order_release); /* pairs with tail_get: position before offset */
}

uint32_t tail_pop(struct tail *t)
{
    uint64_t first = atomic_load_explicit(&t->first, memory_order_relaxed);
    INVARIANT(first < atomic_load_explicit(&t->next, memory_order_relaxed));
    uint32_t chunk = atomic_load_explicit(&tail_at(t, first)->chunk, memory_order_relaxed);
    atomic_store_explicit(&t->first, first + 1,
                          memory_order_seq_cst); /* before the pins are read: pairs with tail_holds */
    return chunk;
}

bool tail_get(const struct tail *t, uint64_t seq, struct tail_place *out)
{
    if (seq >= tail_next(t) || seq < tail_first(t)) return false;
    const struct tail_entry *e = tail_at(t, seq);
    out->first_offset =
        atomic_load_explicit(&e->first_offset, memory_order_acquire); /* pairs with tail_push, tail_first_batch */
    out->first_position = atomic_load_explicit(&e->first_position, memory_order_acquire);
    out->chunk = atomic_load_explicit(&e->chunk, memory_order_acquire);
    out->segment_base = atomic_load_explicit(&e->segment_base, memory_order_acquire);
    out->file_position = atomic_load_explicit(&e->file_position, memory_order_acquire);
    return tail_holds(t, seq);
}

bool tail_find(const struct tail *t, uint64_t offset, uint64_t *seq, struct tail_place *out)
{
    uint64_t at = tail_next(t);
    while (at > tail_first(t)) {
        struct tail_place place;
        if (!tail_get(t, --at, &place)) return false;
        if (place.first_offset > offset) continue; /* TAIL_NO_BATCH, too */
        *seq = at;
        *out = place;
        return true;
    }
    return false;
}
