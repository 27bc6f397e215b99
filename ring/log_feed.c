#include "ring/log_feed.h"

#include <time.h>

enum { LEAVE_PAUSE_US = 100, LEAVE_PAUSES_MAX = 10000 };

void log_feed_leave(struct log_feed *f)
{
    const struct timespec pause = {0, LEAVE_PAUSE_US * 1000};
    struct waiter *waiter = atomic_exchange_explicit(&f->producer_waiter, NULL, memory_order_acq_rel);
    if (waiter == NULL || waiter->eventfd < 0) return; /* one thread: storage is not in the midst of anything */
    /* Storage may have loaded the pointer already.  It is one thread: when it has taken a message sent from now on, it
     * is done with whatever it did before, and finds NULL from then on. */
    struct feed_want *m = NULL;
    for (int i = 0; i < LEAVE_PAUSES_MAX; i++) {
        if (m == NULL) {
            m = ring_spsc_claim(&f->to_storage, sizeof *m);
            if (m != NULL) {
                *m = (struct feed_want){FEED_WANT, 0};
                ring_spsc_commit(&f->to_storage);
                waiter_wake(f->storage_waiter);
            }
        }
        /* pairs with ring_spsc_release */
        uint64_t head = atomic_load_explicit(&f->to_storage.head, memory_order_acquire);
        if (m != NULL && head == f->to_storage.write) return;
        nanosleep(&pause, NULL);
    }
    /* Storage takes nothing from a log that it gave up; a second is far longer than a wake takes. */
}
