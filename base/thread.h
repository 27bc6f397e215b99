/* base/thread.h -- a named thread, its core and its CPU time. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"

/* thread_start runs body(argument) in a new thread named `name` (at most 15 characters are kept), pinned to
 * core `core` unless that is -1.  All signals are blocked in it.  ERR_NO_MEMORY, ERR_INVALID (no such core). */
NODISCARD enum err thread_start(pthread_t *out, const char *name, int core, void *(*body)(void *), void *argument);

/* CPU nanoseconds used by a live thread so far; 0 when it has ended. */
uint64_t thread_cpu_ns(pthread_t thread);

#endif
