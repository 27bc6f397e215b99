#include "ring/ring_bcast.h"

#include <stdlib.h>

#include "base/invariant.h"

enum err ring_bcast_init(struct ring_bcast *r, uint64_t slot_count)
{
    if (slot_count < 2 || (slot_count & (slot_count - 1)) != 0) return ERR_INVALID;
    if (slot_count > SIZE_MAX / sizeof *r->slot) return ERR_NO_MEMORY;
    struct ring_bcast_slot *slot = aligned_alloc(alignof(struct ring_bcast_slot), slot_count * sizeof *slot);
    if (slot == NULL) return ERR_NO_MEMORY;
    for (uint64_t i = 0; i < slot_count; i++) {
        atomic_init(&slot[i].stamp, 0); /* below the stamp of every message: empty */
        for (int w = 0; w < RING_BCAST_WORDS; w++) atomic_init(&slot[i].word[w], 0);
    }
    r->slot = slot;
    r->slot_count = slot_count;
    atomic_init(&r->next_seq, 0);
    return ERR_OK;
}

void ring_bcast_fini(struct ring_bcast *r)
{
    free(r->slot);
    r->slot = NULL;
}

void ring_bcast_publish(struct ring_bcast *r, const uint64_t word[static RING_BCAST_WORDS])
{
    uint64_t seq = atomic_load_explicit(&r->next_seq, memory_order_relaxed); /* only we write it */
    struct ring_bcast_slot *s = &r->slot[seq & (r->slot_count - 1)];
    /* Release: pairs with the acquire fence in reader_overrun, which then sees a next_seq of at least `seq`. */
    atomic_store_explicit(&s->stamp, 2 * seq + 1, memory_order_release);
    /* Pairs with the acquire fence in ring_bcast_read: whoever saw one of the new words sees the odd stamp after it. */
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < RING_BCAST_WORDS; i++) atomic_store_explicit(&s->word[i], word[i], memory_order_relaxed);
    /* Pairs with the first acquire load in ring_bcast_read: the words, and all the producer wrote before, are there. */
    atomic_store_explicit(&s->stamp, 2 * seq + 2, memory_order_release);
    /* Pairs with the acquire loads in reader_overrun and ring_bcast_join: whoever skips messages sees what they told
     * of. */
    atomic_store_explicit(&r->next_seq, seq + 1, memory_order_release);
}

void ring_bcast_join(const struct ring_bcast *r, struct ring_bcast_reader *reader)
{
    /* Pairs with the release of next_seq in ring_bcast_publish. */
    reader->seq = atomic_load_explicit(&r->next_seq, memory_order_acquire);
    reader->overruns = 0;
}

/* The slot of reader->seq holds a later message: go to the newest one that is whole. */
static enum ring_read reader_overrun(const struct ring_bcast *r, struct ring_bcast_reader *reader)
{
    /* Pairs with the release stores of the stamp in ring_bcast_publish, one of which the caller has read: without it
     * next_seq could be older than the message that overran us, and we would not move. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t newest = atomic_load_explicit(&r->next_seq, memory_order_acquire) - 1; /* pairs with its release there */
    INVARIANT(newest > reader->seq);
    reader->overruns += newest - reader->seq;
    reader->seq = newest;
    return RING_OVERRUN;
}

enum ring_read ring_bcast_read(const struct ring_bcast *r, struct ring_bcast_reader *reader,
                               uint64_t word[static RING_BCAST_WORDS])
{
    const struct ring_bcast_slot *s = &r->slot[reader->seq & (r->slot_count - 1)];
    uint64_t want = 2 * reader->seq + 2;
    /* Pairs with the release of the even stamp in ring_bcast_publish. */
    uint64_t before = atomic_load_explicit(&s->stamp, memory_order_acquire);
    if (before < want) return RING_EMPTY;
    if (before > want) return reader_overrun(r, reader);
    for (int i = 0; i < RING_BCAST_WORDS; i++) word[i] = atomic_load_explicit(&s->word[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire); /* pairs with the release fence in ring_bcast_publish */
    if (atomic_load_explicit(&s->stamp, memory_order_relaxed) != want) return reader_overrun(r, reader);
    reader->seq++;
    return RING_GOT;
}
