/* ring/ring_bcast.h -- one producer, any number of readers, 64-byte messages, lossy: a wake hint.
 *
 * The producer never waits.  A reader that falls behind by more than the ring's size learns that it was overrun and
 * continues at the newest message; what it missed it finds by looking at the watermarks, never here.
 * All words are atomics, so no torn value escapes. */
#ifndef RING_RING_BCAST_H
#define RING_RING_BCAST_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum { RING_BCAST_WORDS = 7 };
enum ring_read { RING_EMPTY, RING_GOT, RING_OVERRUN };

struct ring_bcast_slot {
    alignas(64) _Atomic uint64_t stamp; /* 2*seq+2 when message seq is whole, 2*seq+1 while it is written */
    _Atomic uint64_t word[RING_BCAST_WORDS];
};

struct ring_bcast {
    struct ring_bcast_slot *slot; /* owned */
    uint64_t                slot_count; /* power of two */
    alignas(64) _Atomic uint64_t next_seq; /* the producer writes */
};

struct ring_bcast_reader { /* one thread's place in the ring */
    uint64_t seq;
    uint64_t overruns; /* messages skipped, at least */
};

NODISCARD enum err ring_bcast_init(struct ring_bcast *r, uint64_t slot_count); /* power of two >= 2 */
void               ring_bcast_fini(struct ring_bcast *r);

void           ring_bcast_publish(struct ring_bcast *r, const uint64_t word[static RING_BCAST_WORDS]); /* producer */
void           ring_bcast_join(const struct ring_bcast *r, struct ring_bcast_reader *reader); /* at the next message */
/* RING_GOT fills `word`; RING_OVERRUN moved the reader to the newest message: look at the watermarks, then read on. */
enum ring_read ring_bcast_read(const struct ring_bcast *r, struct ring_bcast_reader *reader,
                               uint64_t word[static RING_BCAST_WORDS]);

#endif
