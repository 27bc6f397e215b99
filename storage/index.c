#include "storage/index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

uint64_t index_set_bytes(uint32_t capacity) { return (uint64_t)capacity * (8 + 8 + 4 + 8); }

static void *reserve(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

enum err index_set_init(struct index_set *s, uint32_t capacity)
{
    memset(s, 0, sizeof *s);
    uint8_t *at = reserve(index_set_bytes(capacity));
    if (at == NULL) return ERR_NO_MEMORY;
    s->capacity = capacity;
    s->offset = (_Atomic uint64_t *)at;
    s->time_ms = (_Atomic int64_t *)(at + (uint64_t)capacity * 8);
    s->end = (uint64_t *)(at + (uint64_t)capacity * 16);
    s->time_offset = (_Atomic uint32_t *)(at + (uint64_t)capacity * 24);
    index_reset(s, INDEX_NO_SEGMENT);
    return ERR_OK;
}

void index_set_fini(struct index_set *s)
{
    if (s->offset != NULL) munmap(s->offset, index_set_bytes(s->capacity));
    s->offset = NULL;
}

void index_reset(struct index_set *s, uint64_t base_offset)
{
    /* Readers load entries with acquire and look at base_offset afterwards: who saw a new entry sees this store. */
    atomic_store_explicit(&s->base_offset, INDEX_NO_SEGMENT, memory_order_seq_cst);
    atomic_store_explicit(&s->offset_count, 0, memory_order_release);
    atomic_store_explicit(&s->time_count, 0, memory_order_release);
    s->at = (struct index_mark){.max_timestamp_ms = -1};
    atomic_store_explicit(&s->base_offset, base_offset, memory_order_release); /* pairs with index_set_holds */
}

void index_offset_add(struct index_set *s, struct index_entry e)
{
    if (s->at.offset_count == s->capacity) return;
    atomic_store_explicit(&s->offset[s->at.offset_count], (uint64_t)e.relative_offset << 32 | e.position,
                          memory_order_release);
    atomic_store_explicit(&s->offset_count, ++s->at.offset_count, memory_order_release);
}

int64_t index_last_time(const struct index_set *s)
{
    return s->at.time_count == 0 ? -1 : atomic_load_explicit(&s->time_ms[s->at.time_count - 1], memory_order_relaxed);
}

void index_time_add(struct index_set *s, int64_t timestamp_ms, uint32_t relative_offset)
{
    if (s->at.time_count == s->capacity || timestamp_ms <= index_last_time(s)) return;
    atomic_store_explicit(&s->time_ms[s->at.time_count], timestamp_ms, memory_order_release);
    atomic_store_explicit(&s->time_offset[s->at.time_count], relative_offset, memory_order_release);
    atomic_store_explicit(&s->time_count, ++s->at.time_count, memory_order_release);
}

void index_add(struct index_set *s, uint64_t last_offset, uint64_t position, uint32_t batch_bytes,
               int64_t max_timestamp_ms, bool ends_transaction, uint32_t interval)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_relaxed);
    struct index_entry e = {(uint32_t)(last_offset - base), (uint32_t)position};
    struct index_mark *m = &s->at;
    if (max_timestamp_ms > m->max_timestamp_ms) {
        m->max_timestamp_ms = max_timestamp_ms;
        m->max_timestamp_relative_offset = e.relative_offset;
    }
    if (m->bytes_since_entry > interval) {
        index_offset_add(s, e);
        index_time_add(s, m->max_timestamp_ms, m->max_timestamp_relative_offset);
        m->bytes_since_entry = 0;
    }
    m->bytes_since_entry += batch_bytes;
    if (ends_transaction) {
        m->last_end = e;
        m->has_end = true;
        if (m->bytes_since_end > interval && m->end_count < s->capacity) {
            s->end[m->end_count++] = (uint64_t)e.relative_offset << 32 | e.position;
            m->bytes_since_end = 0;
        }
    }
    m->bytes_since_end += batch_bytes;
}

/* ---- searching ---- */

uint32_t index_find_offset(const struct index_set *s, uint64_t offset)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_acquire);
    uint32_t low = 0, high = atomic_load_explicit(&s->offset_count, memory_order_acquire), position = 0;
    while (low < high) { /* the last entry whose batch begins at or before the offset: entries hold last offsets */
        uint32_t middle = low + (high - low) / 2;
        uint64_t e = atomic_load_explicit(&s->offset[middle], memory_order_acquire);
        if (base + (e >> 32) <= offset) {
            position = (uint32_t)e;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return position;
}

uint64_t index_find_time(const struct index_set *s, int64_t timestamp_ms)
{
    uint64_t base = atomic_load_explicit(&s->base_offset, memory_order_acquire), found = base;
    uint32_t low = 0, high = atomic_load_explicit(&s->time_count, memory_order_acquire);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (atomic_load_explicit(&s->time_ms[middle], memory_order_acquire) < timestamp_ms) {
            found = base + atomic_load_explicit(&s->time_offset[middle], memory_order_acquire);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return found;
}

bool index_set_holds(const struct index_set *s, uint64_t base_offset)
{
    return atomic_load_explicit(&s->base_offset, memory_order_acquire) == base_offset; /* pairs with index_reset */
}
