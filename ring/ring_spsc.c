#include "ring/ring_spsc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

enum {
    RING_SPSC_CAPACITY_MIN = 4096,
    RECORD_ALIGN           = 8,
};

enum record_kind { RECORD_DATA = 1, RECORD_PAD }; /* 0 is no kind: unwritten memory is noticed */

struct record_head {
    uint32_t size; /* of the bytes that follow, before padding to RECORD_ALIGN; a pad has none worth reading */
    uint32_t kind;
};
_Static_assert(sizeof(struct record_head) == RECORD_ALIGN,
               "whatever is left at the end of the buffer holds a pad's head");

enum err ring_spsc_init(struct ring_spsc *r, uint64_t capacity_bytes)
{
    if (capacity_bytes < RING_SPSC_CAPACITY_MIN || (capacity_bytes & (capacity_bytes - 1)) != 0) return ERR_INVALID;
    uint8_t *bytes = aligned_alloc(CACHE_LINE_PAIR, capacity_bytes);
    if (bytes == NULL) return ERR_NO_MEMORY;
    memset(bytes, 0, capacity_bytes); /* the pages come now, not under load */
    r->bytes = bytes;
    r->capacity = capacity_bytes;
    r->write = r->head_seen = 0;
    r->read = r->tail_seen = 0;
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    return ERR_OK;
}

void ring_spsc_fini(struct ring_spsc *r)
{
    free(r->bytes);
    r->bytes = NULL;
}

/* A quarter, so that the pad in front of a record (shorter than the record) and the record fit together, and a second
 * one as well. */
uint32_t ring_spsc_record_max(const struct ring_spsc *r)
{
    uint64_t max = r->capacity / 4 - sizeof(struct record_head);
    return max > UINT32_MAX ? UINT32_MAX & ~(uint32_t)(RECORD_ALIGN - 1) : (uint32_t)max;
}

static uint64_t record_span(uint32_t size)
{
    return sizeof(struct record_head) + (((uint64_t)size + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1));
}

static struct record_head *head_at(const struct ring_spsc *r, uint64_t position)
{
    return (struct record_head *)(void *)(r->bytes + (position & (r->capacity - 1)));
}

/* Is there room for `bytes` more?  Asks the consumer's line only when the last answer does not suffice. */
static bool has_room(struct ring_spsc *r, uint64_t bytes)
{
    if (r->write + bytes - r->head_seen <= r->capacity) return true;
    /* Pairs with the release in ring_spsc_release: the consumer's reads of the room we get are over. */
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return r->write + bytes - r->head_seen <= r->capacity;
}

void *ring_spsc_claim(struct ring_spsc *r, uint32_t size)
{
    INVARIANT(size <= ring_spsc_record_max(r)); /* it might never fit, and its producer wait for ever */
    uint64_t span = record_span(size);
    uint64_t to_end = r->capacity - (r->write & (r->capacity - 1));
    uint64_t pad = span > to_end ? to_end : 0;
    if (!has_room(r, pad + span)) return NULL;
    if (pad > 0) {
        *head_at(r, r->write) = (struct record_head){(uint32_t)(pad - sizeof(struct record_head)), RECORD_PAD};
        r->write += pad;
    }
    struct record_head *head = head_at(r, r->write);
    *head = (struct record_head){size, RECORD_DATA};
    r->write += span;
    return head + 1;
}

void ring_spsc_commit(struct ring_spsc *r)
{
    /* Pairs with the acquire in ring_spsc_next: heads and bytes of all claims are written. */
    atomic_store_explicit(&r->tail, r->write, memory_order_release);
}

const void *ring_spsc_next(struct ring_spsc *r, uint32_t *size)
{
    if (r->read == r->tail_seen) {
        /* Pairs with the release in ring_spsc_commit. */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (r->read == r->tail_seen) return NULL;
    }
    const struct record_head *head = head_at(r, r->read);
    if (head->kind == RECORD_PAD) { /* always followed by the record for which it made way */
        r->read += record_span(head->size);
        INVARIANT(r->read < r->tail_seen);
        head = head_at(r, r->read);
    }
    INVARIANT(head->kind == RECORD_DATA);
    r->read += record_span(head->size);
    INVARIANT(r->read <= r->tail_seen);
    *size = head->size;
    return head + 1;
}

void ring_spsc_release(struct ring_spsc *r)
{
    /* Pairs with the acquire in has_room: our reads of these records are over before the producer overwrites them. */
    atomic_store_explicit(&r->head, r->read, memory_order_release);
}
