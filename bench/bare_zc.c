/* What the kernel's port is measured against: SEND_ZC of the same bytes from a registered buffer, and nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/dataplane_rig.h"

enum { DEPTH = 2048, SEND_BYTES = 256 << 10 };

static uint8_t *data;

static void send_next(struct io_uring *ring, int fd, uint32_t index, uint32_t *position)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    INVARIANT(sqe != NULL);
    io_uring_prep_send_zc_fixed(sqe, fd, data + *position, SEND_BYTES, MSG_WAITALL | MSG_NOSIGNAL, 0, 0);
    sqe->user_data = index;
    *position = (*position + SEND_BYTES) % RIG_DATA_BYTES;
}

void bare_zc_run(struct rig *r)
{
    static int sockets[RIG_CONSUMERS_MAX];
    static uint32_t position[RIG_CONSUMERS_MAX];
    struct io_uring ring;
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT)};
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    data = mmap(NULL, RIG_DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(data != MAP_FAILED);
    memset(data, 7, RIG_DATA_BYTES);
    struct iovec all = {data, RIG_DATA_BYTES};
    int rc = io_uring_queue_init_params(DEPTH, &ring, &params);
    if (rc == 0) rc = io_uring_register_buffers(&ring, &all, 1);
    if (rc == 0 && bind(listening, (struct sockaddr *)&at, sizeof at) != 0) rc = -errno;
    if (rc == 0 && listen(listening, 1024) != 0) rc = -errno;
    if (rc != 0) {
        fprintf(stderr, "the bare SEND_ZC sender does not start: %s\n", strerror(-rc));
        exit(1);
    }
    atomic_store(&r->is_ready, 1);
    for (uint32_t i = 0; i < r->test.consumers; i++) {
        sockets[i] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        position[i] = i % (RIG_DATA_BYTES / SEND_BYTES) * SEND_BYTES;
    }
    for (uint32_t i = 0; i < r->test.consumers; i++) send_next(&ring, sockets[i], i, &position[i]);
    while (atomic_load(&r->is_over) == 0) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        struct __kernel_timespec within = {.tv_nsec = 100000000};
        (void)io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &within, NULL);
        io_uring_for_each_cqe(&ring, head, cqe) {
            seen++;
            if ((cqe->flags & IORING_CQE_F_NOTIF) != 0 || cqe->res <= 0) continue;
            send_next(&ring, sockets[cqe->user_data], (uint32_t)cqe->user_data, &position[cqe->user_data]);
        }
        io_uring_cq_advance(&ring, seen);
    }
}
