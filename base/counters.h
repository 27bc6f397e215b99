/* base/counters.h -- counters, gauges and histograms in a mapped file that tools read while we run.
 *
 * File layout, host byte order: `struct counters_header`, then `slot_count` slots of COUNTERS_SLOT_BYTES each:
 * a `struct counter_slot`, of which a histogram's buckets fill the following slots.  Every counter has one
 * writing thread; readers may see a value one update old, never a torn one. */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum {
    COUNTERS_NAME_BYTES  = 96,
    COUNTERS_LABEL_BYTES = 128, /* "channel=" and the longest name of one */
    COUNTERS_SLOT_BYTES  = 256,
    HISTOGRAM_SUB_BITS   = 4, /* 16 buckets per power of two: values are off by at most 1/16 */
    HISTOGRAM_BUCKETS    = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

enum counter_kind { COUNTER_FREE, COUNTER_COUNT, COUNTER_GAUGE, COUNTER_HISTOGRAM };

struct counter {
    _Atomic uint64_t value;
};

struct histogram {
    _Atomic uint64_t count, sum, max;
    _Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

struct counters; /* the mapped file */

/* counters_open creates the file `path` (replacing an old one; NULL: anonymous memory) with room for
 * `slot_count` slots.  ERR_IO, ERR_NO_SPACE.  Caller closes. */
NODISCARD enum err counters_open(struct counters **out, const char *path, uint32_t slot_count, struct err_msg *msg);
void counters_close(struct counters *c);

/* counters_add returns the counter of this name and label (e.g. "channel=orders"), new or already there; when the
 * file is full, one that nobody reads, never NULL.  May lock: not for the hot path. */
struct counter   *counters_add(struct counters *c, enum counter_kind kind, const char *name, const char *label);
struct histogram *counters_add_histogram(struct counters *c, const char *name, const char *label);
/* Forgets every counter with this label (a channel was deleted); their writers must be gone. */
void counters_remove(struct counters *c, const char *label);

static inline void counter_add(struct counter *c, uint64_t by)
{
    atomic_store_explicit(&c->value, atomic_load_explicit(&c->value, memory_order_relaxed) + by, memory_order_relaxed);
}
static inline void counter_set(struct counter *c, uint64_t to)
{
    atomic_store_explicit(&c->value, to, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

/* Bucket of a value: exact below 16, then 16 buckets per power of two. */
static inline uint32_t histogram_bucket_of(uint64_t value)
{
    if (value < (1u << HISTOGRAM_SUB_BITS)) return (uint32_t)value;
    uint32_t shift = 63u - HISTOGRAM_SUB_BITS - (uint32_t)__builtin_clzll(value);
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (uint32_t)((value >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}
uint64_t histogram_bucket_floor(uint32_t bucket); /* the smallest value of a bucket */

void     histogram_record(struct histogram *h, uint64_t value);
/* The value below which `per_million` of a million records lie (a bucket's floor); 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, uint32_t per_million);

/* counters_each calls `visit` for every counter in the file of `c` (its own or another process's, opened with
 * counters_open_readonly). */
struct counter_view {
    enum counter_kind kind;
    const char *name, *label;
    uint64_t value;                  /* histogram: its count */
    const struct histogram *histogram; /* NULL unless a histogram */
};
void counters_each(const struct counters *c, void (*visit)(void *context, const struct counter_view *), void *context);
NODISCARD enum err counters_open_readonly(struct counters **out, const char *path, struct err_msg *msg);

#endif
