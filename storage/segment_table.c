#include "storage/segment_table.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/invariant.h"

enum err segment_table_init(struct segment_table *t)
{
    void *at = mmap(NULL, SEGMENTS_MAX * sizeof *t->entry, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return ERR_NO_MEMORY;
    *t = (struct segment_table){.entry = at};
    return ERR_OK;
}

void segment_table_fini(struct segment_table *t)
{
    if (t->entry != NULL) munmap(t->entry, SEGMENTS_MAX * sizeof *t->entry);
    t->entry = NULL;
}

static struct segment_entry *entry_at(const struct segment_table *t, uint64_t seq)
{
    return &t->entry[seq & (SEGMENTS_MAX - 1)];
}

static uint64_t entry_bytes(const struct segment_table *t, uint64_t seq)
{
    return atomic_load_explicit(&entry_at(t, seq)->bytes, memory_order_relaxed);
}

static void total_add(struct segment_table *t, uint64_t by) /* modulo 2^64: also takes away */
{
    atomic_store_explicit(&t->total_bytes, atomic_load_explicit(&t->total_bytes, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static void entry_store(struct segment_entry *e, const struct segment_info *info)
{
    /* Release: a reader that sees one of these and finds its seq still in the table (segment_get) reads the right
     * segment. */
    atomic_store_explicit(&e->base_offset, info->base_offset, memory_order_release);
    atomic_store_explicit(&e->max_timestamp_ms, info->max_timestamp_ms, memory_order_release);
    atomic_store_explicit(&e->appended_ms, info->appended_ms, memory_order_release);
    atomic_store_explicit(&e->ends_transaction, info->ends_transaction, memory_order_release);
    atomic_store_explicit(&e->bytes, info->bytes, memory_order_release);
}

bool segment_append(struct segment_table *t, const struct segment_info *info)
{
    uint64_t next = atomic_load_explicit(&t->next, memory_order_relaxed);
    if (next - atomic_load_explicit(&t->first, memory_order_relaxed) >= SEGMENTS_MAX - 1) return false;
    entry_store(entry_at(t, next), info);
    total_add(t, info->bytes);
    atomic_store_explicit(&t->next, next + 1, memory_order_release); /* pairs with segment_next */
    return true;
}

void segment_update(struct segment_table *t, uint64_t seq, const struct segment_info *info)
{
    total_add(t, info->bytes - entry_bytes(t, seq));
    entry_store(entry_at(t, seq), info);
}

void segment_drop_first(struct segment_table *t)
{
    uint64_t first = atomic_load_explicit(&t->first, memory_order_relaxed);
    INVARIANT(first + 1 < atomic_load_explicit(&t->next, memory_order_relaxed));
    total_add(t, 0 - entry_bytes(t, first));
    atomic_store_explicit(&t->first, first + 1,
                          memory_order_seq_cst); /* before any later entry_store: pairs with segment_get */
}

void segment_drop_last(struct segment_table *t)
{
    uint64_t next = atomic_load_explicit(&t->next, memory_order_relaxed);
    INVARIANT(next > atomic_load_explicit(&t->first, memory_order_relaxed));
    total_add(t, 0 - entry_bytes(t, next - 1));
    atomic_store_explicit(&t->next, next - 1, memory_order_release);
}

bool segment_get(const struct segment_table *t, uint64_t seq, struct segment_info *out)
{
    if (seq >= segment_next(t) || seq < segment_first(t)) return false;
    const struct segment_entry *e = entry_at(t, seq);
    out->base_offset = atomic_load_explicit(&e->base_offset, memory_order_acquire); /* pairs with entry_store */
    out->bytes = atomic_load_explicit(&e->bytes, memory_order_acquire);
    out->appended_ms = atomic_load_explicit(&e->appended_ms, memory_order_acquire);
    out->max_timestamp_ms = atomic_load_explicit(&e->max_timestamp_ms, memory_order_acquire);
    out->ends_transaction = atomic_load_explicit(&e->ends_transaction, memory_order_acquire);
    return seq >= segment_first(t);
}

bool segment_find(const struct segment_table *t, uint64_t offset, uint64_t *seq, struct segment_info *out)
{
    for (;;) {
        uint64_t first = segment_first(t), low = first, high = segment_next(t);
        struct segment_info info;
        bool found = false, moved = false;
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            if (!segment_get(t, middle, &info)) {
                moved = true;
                break;
            }
            if (info.base_offset <= offset) {
                *seq = middle;
                *out = info;
                found = true;
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (!moved) return found;
    }
}
