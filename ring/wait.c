#include "ring/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/invariant.h"

enum err waiter_init(struct waiter *w)
{
    waiter_init_simulated(w);
    w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->eventfd < 0 ? ERR_IO : ERR_OK;
}

void waiter_init_simulated(struct waiter *w)
{
    atomic_init(&w->sleeping, 0);
    w->eventfd = -1;
}

void waiter_fini(struct waiter *w)
{
    if (w->eventfd >= 0) close(w->eventfd);
    w->eventfd = -1;
}

void waiter_announce(struct waiter *w)
{
    atomic_store_explicit(&w->sleeping, 1, memory_order_relaxed);
    /* Pairs with the fence in waiter_wake.  One of the two comes first in the order of seq_cst fences: if ours, the
     * producer sees `sleeping`; if the producer's, our look at the rings sees its commit. */
    atomic_thread_fence(memory_order_seq_cst);
}

void waiter_cancel(struct waiter *w)
{
    /* Nothing hangs on the order: a producer that still sees 1 writes once for nothing. */
    atomic_store_explicit(&w->sleeping, 0, memory_order_relaxed);
}

void waiter_wake(struct waiter *w)
{
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in waiter_announce */
    if (atomic_load_explicit(&w->sleeping, memory_order_relaxed) == 0) return;
    /* Of several producers the one that takes the flag writes.  The others may then go on before the write: it is
     * on its way.  Relaxed: what the waiter must see it gets from the rings' own acquire loads. */
    if (atomic_exchange_explicit(&w->sleeping, 0, memory_order_relaxed) == 0 || w->eventfd < 0) return;
    uint64_t one = 1;
    while (write(w->eventfd, &one, sizeof one) < 0) {
        if (errno == EAGAIN) return; /* the counter is full, so the waiter has been woken already */
        INVARIANT(errno == EINTR);
    }
}

void waiter_drain(struct waiter *w)
{
    uint64_t count;
    while (read(w->eventfd, &count, sizeof count) < 0 && errno == EINTR) {}
}

void waiter_block(struct waiter *w, int timeout_ms)
{
    if (w->eventfd < 0) return;
    struct pollfd p = {.fd = w->eventfd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) > 0) waiter_drain(w);
}
