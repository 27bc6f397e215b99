/* tests/dataplane/live_server.h -- a serve lcore on the kernel's TCP, over memory_log, in a thread of the test; its
 * coordinator never answers. */
#ifndef TESTS_DATAPLANE_LIVE_SERVER_H
#define TESTS_DATAPLANE_LIVE_SERVER_H

#include <pthread.h>

#include "base/counters.h"
#include "dataplane/serve_lcore.h"
#include "tests/dataplane/memory_log.h"

struct live_server {
    struct serve_lcore lcore;
    struct storage *storage;
    struct counters *counters;
    struct coordinator_link link;
    struct waiter coordinator_waiter;
    struct serve_config config;
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    _Atomic bool stop;
    bool is_registered; /* chunks were registered for zero copy */
};

/* `config`: connections_max, request_bytes_max, send_pinned_bytes_max; zero ones get a default. */
struct live_server *live_start(uint32_t logs_max, uint32_t log_bytes_max, struct serve_config config);
void                live_stop(struct live_server *s);
/* A connected client socket. */
int                 live_connect(const struct live_server *s);
uint64_t            live_counter(const struct live_server *s, const char *name, const char *label);

/* Sends all; returns false when the peer closed. */
bool send_all(int fd, const void *bytes, size_t size);
/* Reads exactly `size` bytes within `timeout_ms`; false: closed or late. */
bool read_all(int fd, void *bytes, size_t size, int timeout_ms);
/* Waits until the peer closes; false: it did not within `timeout_ms`. */
bool wait_closed(int fd, int timeout_ms);

#endif
