/* The kernel's clients: they take the answers' bytes without copying them (MSG_TRUNC). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/dataplane_rig.h"

enum { EVENTS = 256, TAKE_BYTES = 4 << 20 };

static struct fetcher fetcher[RIG_CONSUMERS_MAX];
static int sockets[RIG_CONNECTIONS_MAX];

static void ask(uint32_t i)
{
    uint8_t request[FETCH_REQUEST_BYTES];
    size_t size = fetcher_request(&fetcher[i], request);
    INVARIANT(send(sockets[i], request, size, 0) == (ssize_t)size);
}

/* What is there; returns its bytes. */
static uint64_t take(struct rig *r, uint32_t i)
{
    struct fetcher *f = &fetcher[i];
    uint64_t sum = 0;
    bool is_done = false;
    while (!is_done) {
        uint8_t head[FETCH_HEAD_BYTES];
        bool is_head = f->log != NULL && f->left == 0;
        ssize_t got = is_head ? recv(sockets[i], head, FETCH_HEAD_BYTES - f->head_bytes, MSG_DONTWAIT)
                              : recv(sockets[i], NULL, f->log == NULL || f->left > TAKE_BYTES ? TAKE_BYTES : f->left,
                                     MSG_TRUNC | MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) {
            fprintf(stderr, "the server hung up: %s\n", got == 0 ? "end" : strerror(errno));
            exit(1);
        }
        sum += (uint64_t)got;
        is_done = fetcher_take(f, head, (uint32_t)got);
        if (!is_done) continue;
        if (r->test.records_per_s > 0) rig_moment_add(&r->received, f->next);
        ask(i);
    }
    return sum;
}

void client_socket_run(struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT)};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int epoll = epoll_create1(EPOLL_CLOEXEC), on = 1;
    uint32_t connections = r->test.consumers + r->test.parked;
    for (uint32_t i = 0; i < connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(sockets[i], (struct sockaddr *)&to, sizeof to) != 0) {
            fprintf(stderr, "connection %u: %s\n", i, strerror(errno));
            exit(1);
        }
        if (i >= r->test.consumers) continue;
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        INVARIANT(epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &e) == 0);
        bool is_bare = r->test.kind == RIG_BARE_ZC;
        fetcher[i] = (struct fetcher){.log = is_bare ? NULL : &r->log, .next = r->log.first};
        if (!is_bare) ask(i);
    }
    uint64_t bytes = 0;
    while (!rig_measure(r, bytes)) {
        struct epoll_event event[EVENTS];
        int count = epoll_wait(epoll, event, EVENTS, 100);
        for (int i = 0; i < count; i++) bytes += take(r, event[i].data.u32);
    }
    for (uint32_t i = 0; i < connections; i++) close(sockets[i]);
    close(epoll);
}
