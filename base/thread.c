#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

enum err thread_start(pthread_t *out, const char *name, int core, void *(*body)(void *), void *argument)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return ERR_NO_MEMORY;
    if (core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((unsigned)core, &cores);
        if (pthread_attr_setaffinity_np(&attributes, sizeof cores, &cores) != 0) {
            pthread_attr_destroy(&attributes);
            return ERR_INVALID;
        }
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread starts with its maker's mask */
    int rc = pthread_create(out, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (rc != 0) return core >= 0 ? ERR_INVALID : ERR_NO_MEMORY;
    char shown[16];
    snprintf(shown, sizeof shown, "%s", name);
    pthread_setname_np(*out, shown);
    return ERR_OK;
}

uint64_t thread_cpu_ns(pthread_t thread)
{
    clockid_t id;
    struct timespec t;
    if (pthread_getcpuclockid(thread, &id) != 0 || clock_gettime(id, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
