#include "ring/ring_spsc.h"

#include <stdlib.h>
#include <string.h>

enum { RING_SPSC_CAPACITY_MIN = 4096 };

_Static_assert(sizeof(struct ring_record_head) == RING_RECORD_ALIGN,
               "whatever is left at the end of the buffer holds a pad's head");

/* A quarter, so that the pad in front of a record (shorter than the record) and the record fit together, and a second
 * one as well. */
static uint32_t record_max(uint64_t capacity_bytes)
{
    uint64_t max = capacity_bytes / 4 - sizeof(struct ring_record_head);
    return max > UINT32_MAX ? UINT32_MAX & ~(uint32_t)(RING_RECORD_ALIGN - 1) : (uint32_t)max;
}

enum err ring_spsc_init(struct ring_spsc *r, uint64_t capacity_bytes)
{
    if (capacity_bytes < RING_SPSC_CAPACITY_MIN || (capacity_bytes & (capacity_bytes - 1)) != 0) return ERR_INVALID;
    uint8_t *bytes = aligned_alloc(CACHE_LINE_PAIR, capacity_bytes);
    if (bytes == NULL) return ERR_NO_MEMORY;
    memset(bytes, 0, capacity_bytes); /* the pages come now, not under load */
    r->bytes = bytes;
    r->capacity = capacity_bytes;
    r->record_max = record_max(capacity_bytes);
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

/* `pad` bytes at the end make way for a record of `span`; false: there is no room for both. */
bool ring_spsc_pad_put(struct ring_spsc *r, uint64_t pad, uint64_t span)
{
    if (!ring_spsc_has_room(r, pad + span)) return false;
    *ring_spsc_head_at(r, r->write) =
        (struct ring_record_head){(uint32_t)(pad - sizeof(struct ring_record_head)), RING_RECORD_PAD};
    r->write += pad;
    return true;
}

/* It is always followed by the record for which it made way. */
void ring_spsc_pad_pass(struct ring_spsc *r)
{
    r->read += ring_spsc_span(ring_spsc_head_at(r, r->read)->size);
    INVARIANT(r->read < r->tail_seen);
}
