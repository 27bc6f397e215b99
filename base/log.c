#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic int minimum_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level) { atomic_store_explicit(&minimum_level, (int)level, memory_order_relaxed); }

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    static const char *const names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load_explicit(&minimum_level, memory_order_relaxed)) return;

    char line[1024];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    int head = snprintf(line + used, sizeof line - used, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                        names[level], room);
    used += (size_t)head;
    va_list args;
    va_start(args, fmt);
    int body = vsnprintf(line + used, sizeof line - used - 1, fmt, args);
    va_end(args);
    if (body > 0) used += (size_t)body;
    if (used > sizeof line - 2) used = sizeof line - 2; /* cut, and say so */
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored; /* a log that cannot be written has nowhere to be complained about */
}
