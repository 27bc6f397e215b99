#include "tests/dataplane/live_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "dataplane/port_kernel.h"

static _Atomic int ready; /* one server starts at a time */

static void *live_run(void *argument)
{
    struct live_server *s = argument;
    struct port *port;
    struct err_msg msg = {0};
    struct node node = {.storage = s->storage, .cluster_id = kafka_string_of("live-test"), .fetch_bytes_max = 8 << 20};
    struct listener_config only = {.name = "live", .host = "127.0.0.1",
                                   .request_bytes_max = s->config.request_bytes_max};
    struct listener listener;
    ck_assert_int_eq(listener_init(&listener, &only, &node, &msg), ERR_OK);
    listener_bound(&listener, s->port);
    enum err e = port_kernel_open(&port, &s->listen_fd, 1, s->config.connections_max, &s->storage->pool, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    e = serve_lcore_init(&s->lcore, &s->config, &listener, 1, port, &s->link, clock_real(), s->counters, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    atomic_store(&ready, 1);
    while (!atomic_load(&s->stop))
        if (serve_step(&s->lcore) == 0) serve_sleep(&s->lcore);
    serve_stop(&s->lcore);
    uint64_t until = clock_monotonic_ns(clock_real()) + 60000000000;
    while (!serve_is_drained(&s->lcore)) {
        if (serve_step(&s->lcore) == 0) port_wait(port, 1000000);
        ck_assert_uint_lt(clock_monotonic_ns(clock_real()), until);
    }
    ck_assert_uint_eq(s->lcore.arena.used_bytes, 0);
    serve_lcore_fini(&s->lcore);
    return NULL;
}

struct live_server *live_start(uint32_t logs_max, uint32_t log_bytes_max, struct serve_config config)
{
    struct err_msg msg = {0};
    struct live_server *s = aligned_alloc(_Alignof(struct live_server), sizeof *s);
    ck_assert_ptr_nonnull(s);
    memset(s, 0, sizeof *s);
    if (config.thread_count == 0) config.thread_count = 1;
    if (config.connections_max == 0) config.connections_max = 64;
    if (config.request_bytes_max == 0) config.request_bytes_max = 1 << 20;
    if (config.send_pinned_bytes_max == 0) config.send_pinned_bytes_max = 64 << 20;
    s->config = config;
    s->storage = memory_storage_new(logs_max, log_bytes_max);
    ck_assert_int_eq(counters_open(&s->counters, NULL, 8192, &msg), ERR_OK);
    ck_assert_int_eq(waiter_init(&s->lcore.waiter), ERR_OK);
    ck_assert_int_eq(waiter_init(&s->coordinator_waiter), ERR_OK);
    ck_assert_int_eq(ring_spsc_init(&s->link.to_coordinator, LINK_REQUEST_RING_BYTES), ERR_OK);
    ck_assert_int_eq(ring_spsc_init(&s->link.to_serve, LINK_ANSWER_RING_BYTES), ERR_OK);
    s->link.coordinator_waiter = &s->coordinator_waiter;
    s->link.serve_waiter = &s->lcore.waiter;
    enum err e = port_kernel_listen("127.0.0.1", 0, 1, &s->listen_fd, &s->port, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    atomic_store(&ready, 0);
    ck_assert_int_eq(thread_start(&s->thread, "live", -1, live_run, s), ERR_OK);
    while (atomic_load(&ready) == 0) usleep(1000);
    return s;
}

void live_stop(struct live_server *s)
{
    atomic_store(&s->stop, true);
    waiter_wake(&s->lcore.waiter);
    pthread_join(s->thread, NULL);
    waiter_fini(&s->lcore.waiter);
    waiter_fini(&s->coordinator_waiter);
    ring_spsc_fini(&s->link.to_coordinator);
    ring_spsc_fini(&s->link.to_serve);
    counters_close(s->counters);
    memory_storage_free(s->storage);
    free(s);
}

int live_connect(const struct live_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(connect(fd, (struct sockaddr *)&a, sizeof a) == 0, "%s", strerror(errno));
    return fd;
}

struct wanted { const char *name, *label; uint64_t value; };

static void counter_match(void *context, const struct counter_view *view)
{
    struct wanted *w = context;
    if (strcmp(view->name, w->name) == 0 && strcmp(view->label, w->label) == 0) w->value = view->value;
}

uint64_t live_counter(const struct live_server *s, const char *name, const char *label)
{
    struct wanted w = {name, label, UINT64_MAX};
    counters_each(s->counters, counter_match, &w);
    ck_assert_msg(w.value != UINT64_MAX, "no counter %s %s", name, label);
    return w.value;
}

bool send_all(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool read_all(int fd, void *bytes, size_t size, int timeout_ms)
{
    uint8_t *at = bytes;
    while (size > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, timeout_ms) <= 0) return false;
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0) return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

bool wait_closed(int fd, int timeout_ms)
{
    uint8_t rest[4096];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, timeout_ms) <= 0) return false;
        if (recv(fd, rest, sizeof rest, 0) <= 0) return true;
    }
}
