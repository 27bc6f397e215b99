/* ring/wait.h -- how a thread sleeps when its rings are empty, and how a producer wakes it.
 *
 * Waiter: announce (store sleeping, fence), look at every ring once more, then block; after waking, cancel.
 * Producer: commit to the ring, then wake: fence, and a write to the eventfd only if the waiter sleeps.
 * The two seq_cst fences make it impossible that the waiter misses the commit and the producer misses the sleep. */
#ifndef RING_WAIT_H
#define RING_WAIT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct waiter {
    alignas(64) _Atomic uint32_t sleeping;
    int eventfd; /* -1 in simulations: wake only clears `sleeping` */
};

NODISCARD enum err waiter_init(struct waiter *w); /* ERR_IO: no eventfd to be had */
void               waiter_init_simulated(struct waiter *w);
void               waiter_fini(struct waiter *w);

/* Every sleep is announced anew: a wake takes the announcement back.  cancel when the look at the rings found work. */
void waiter_announce(struct waiter *w);
void waiter_cancel(struct waiter *w);
/* Blocks until woken, interrupted or `timeout_ms` is over (-1: for ever); for threads that have nothing but rings to
 * wait for.  Look at every ring afterwards: a wake may come late or for nothing.  Simulated: returns at once.  Threads
 * that wait in io_uring poll `eventfd` there and call waiter_drain when it fires. */
void waiter_block(struct waiter *w, int timeout_ms);
void waiter_drain(struct waiter *w);

/* Producer side; any thread.  Costs a fence and a load when the waiter is awake. */
void waiter_wake(struct waiter *w);

#endif
