#include "control/service_notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void service_notify(const char *words)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = path == NULL ? 0 : strlen(path);
    if (size < 2 || size >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(to.sun_path, path, size);
    if (path[0] == '@') to.sun_path[0] = '\0'; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    ssize_t ignored = sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&to,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
    (void)ignored; /* the manager is gone: nobody to tell */
    close(fd);
}

void service_notify_reloading(void)
{
    char words[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    service_notify(words);
}

uint64_t service_watchdog_ns(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (period == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid())) return UINT64_MAX;
    uint64_t period_us = strtoull(period, NULL, 10);
    return period_us == 0 ? UINT64_MAX : period_us * 1000 / 2;
}
