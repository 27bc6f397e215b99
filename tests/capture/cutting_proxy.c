#include "tests/capture/cutting_proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"

enum { PAIRS_MAX = 64, BUFFER_BYTES = 16 * 1024 };

struct pair { /* one connection through the proxy, with a thread of its own: a full one must not stop another */
    struct cutting_proxy *proxy;
    int client, server; /* -1: free; guarded by the proxy's lock */
    pthread_t thread;
    bool has_thread;
};

struct cutting_proxy {
    int listener;
    uint16_t port, server_port;
    uint64_t mean_bytes;
    pthread_mutex_t lock; /* of all below but the atomics */
    struct random random;
    int64_t left_bytes; /* until the next cut */
    struct pair pair[PAIRS_MAX];
    pthread_t thread;
    _Atomic bool stop, cuts_on;
    _Atomic uint64_t cuts;
};

static int64_t draw(struct cutting_proxy *p)
{
    double u = ((double)random_below(&p->random, 1000000) + 1) / 1000001;
    return 1 + (int64_t)(-log(u) * (double)p->mean_bytes);
}

/* Takes `size` bytes from the server into account; true: all connections were reset. */
static bool cut_is_due(struct cutting_proxy *p, size_t size)
{
    bool due = false;
    pthread_mutex_lock(&p->lock);
    p->left_bytes -= (int64_t)size;
    if (p->left_bytes <= 0 && p->mean_bytes > 0 && atomic_load(&p->cuts_on)) {
        due = true;
        p->left_bytes = draw(p);
        atomic_fetch_add(&p->cuts, 1);
        for (int i = 0; i < PAIRS_MAX; i++) {
            if (p->pair[i].client < 0) continue;
            shutdown(p->pair[i].client, SHUT_RDWR);
            shutdown(p->pair[i].server, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return due;
}

static bool forward(int from, int to, size_t *size)
{
    uint8_t buffer[BUFFER_BYTES];
    ssize_t n = recv(from, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    for (ssize_t done = 0; done < n;) {
        ssize_t sent = send(to, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        done += sent;
    }
    *size = (size_t)n;
    return true;
}

static void *pair_body(void *argument)
{
    struct pair *c = argument;
    struct cutting_proxy *p = c->proxy;
    struct pollfd fd[2] = {{.fd = c->client, .events = POLLIN}, {.fd = c->server, .events = POLLIN}};
    size_t size;
    while (poll(fd, 2, -1) > 0) {
        if (fd[0].revents != 0 && !forward(c->client, c->server, &size)) break;
        if (fd[1].revents == 0) continue;
        if (!forward(c->server, c->client, &size) || cut_is_due(p, size)) break;
    }
    pthread_mutex_lock(&p->lock);
    close(c->client);
    close(c->server);
    c->client = c->server = -1;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int connect_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    close(fd);
    return -1;
}

static void pair_begin(struct cutting_proxy *p, int client)
{
    const struct linger reset = {1, 0};
    int on = 1, server = connect_to(p->server_port), slot = -1;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < PAIRS_MAX && slot < 0 && server >= 0; i++)
        if (p->pair[i].client < 0) slot = i;
    pthread_mutex_unlock(&p->lock);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (slot < 0) {
        close(client);
        if (server >= 0) close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pair *c = &p->pair[slot];
    if (c->has_thread) pthread_join(c->thread, NULL);
    pthread_mutex_lock(&p->lock);
    c->proxy = p;
    c->client = client;
    c->server = server;
    pthread_mutex_unlock(&p->lock);
    c->has_thread = pthread_create(&c->thread, NULL, pair_body, c) == 0;
}

static void *listener_body(void *argument)
{
    struct cutting_proxy *p = argument;
    struct pollfd fd = {.fd = p->listener, .events = POLLIN};
    while (!atomic_load(&p->stop)) {
        if (poll(&fd, 1, 50) <= 0) continue;
        int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0) pair_begin(p, client);
    }
    return NULL;
}

struct cutting_proxy *cutting_proxy_open(uint16_t server_port, uint64_t mean_bytes, uint64_t seed)
{
    struct cutting_proxy *p = calloc(1, sizeof *p);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    ck_assert_ptr_nonnull(p);
    p->server_port = server_port;
    p->mean_bytes = mean_bytes;
    random_init(&p->random, seed);
    pthread_mutex_init(&p->lock, NULL);
    for (int i = 0; i < PAIRS_MAX; i++) p->pair[i].client = p->pair[i].server = -1;
    p->left_bytes = draw(p);
    atomic_store(&p->cuts_on, true);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(p->listener, 64), 0);
    ck_assert_int_eq(getsockname(p->listener, (struct sockaddr *)&at, &size), 0);
    p->port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, listener_body, p), 0);
    return p;
}

void cutting_proxy_close(struct cutting_proxy *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < PAIRS_MAX; i++) {
        if (p->pair[i].client < 0) continue;
        shutdown(p->pair[i].client, SHUT_RDWR);
        shutdown(p->pair[i].server, SHUT_RDWR);
    }
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < PAIRS_MAX; i++)
        if (p->pair[i].has_thread) pthread_join(p->pair[i].thread, NULL);
    close(p->listener);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

uint16_t cutting_proxy_port(const struct cutting_proxy *p)
{
    return p->port;
}

uint64_t cutting_proxy_cuts(const struct cutting_proxy *p)
{
    return atomic_load(&p->cuts);
}

void cutting_proxy_stop_cutting(struct cutting_proxy *p)
{
    atomic_store(&p->cuts_on, false);
}
