/* The kernel's TCP through one io_uring per port.
 *
 * Receiving: one multishot receive per connection, buffers from one provided ring.  Sending: at most one operation in
 * flight per connection, which keeps the order; small pieces, and those that may not be pinned, are gathered into one
 * sendmsg, large ones go by SEND_ZC.  MSG_MORE joins an answer's head with the first bytes of its records.
 *
 * Ending: shutdown makes the operations in flight complete; then the descriptor is closed -- with a reset when the
 * socket still holds pinned bytes, because only that frees them at once -- and the connection is PORT_CLOSED when the
 * last notification has come.  So an operation or a notification never outlives the slot it points to. */
#include "dataplane/port_kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"

enum {
    SUBMISSIONS      = 512,
    COMPLETIONS      = 8192,
    RECEIVE_BUFFERS  = 256, /* power of two */
    RECEIVE_BYTES    = 4096,
    RECEIVE_GROUP    = 0,
    SEND_VECTORS     = 16,
    SEND_GATHER_BYTES = 512 << 10, /* a copied send: what it has begun with cannot be moved any more */
    REGISTERED_BYTES_MAX = 1 << 30, /* the kernel's limit of one registered buffer */
    ACCEPT_RETRY_MS  = 100,
};

/* What a completion is about: the low bits of its user data; the rest is a pointer or a number. */
enum operation {
    ON_NOTHING, ON_ACCEPT, ON_ACCEPT_RETRY, ON_RECEIVE, ON_SEND, ON_SEND_ZERO_COPY, ON_WATCH,
    OPERATION_MASK = 7
};

enum connection_state { CONNECTION_FREE, CONNECTION_OPEN, CONNECTION_ENDING };

struct connection {
    int      fd;
    uint32_t slot;
    enum connection_state state;
    bool     is_paused, is_receiving, is_sending, is_reported, is_copy_only;
    uint32_t messages;      /* lent to us and not yet reported as released */
    uint32_t notifications; /* of zero-copy sends, still to come */
    uint32_t sending_pieces; /* of the first message, by the operation in flight */
    struct port_message *first, *last; /* to send */
    struct connection *next; /* free, or to report as closed */
    struct msghdr header;
    struct iovec vector[SEND_VECTORS];
    char     peer[PORT_PEER_BYTES];
};

struct port_kernel {
    struct port port;
    struct io_uring ring;
    struct listening { int fd; bool is_accepting; } listening[PORT_LISTENERS_MAX];
    uint32_t listener_count;
    bool     is_stopping, is_retrying, said_refused;
    bool     pins_only_registered; /* the kernel allows no more */
    const struct chunk_pool *pool;
    uint64_t stride_bytes; /* of registered buffers; 0: none are registered */
    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_bytes;
    uint16_t taken[RECEIVE_BUFFERS]; /* lent to the caller until the next poll */
    uint32_t taken_count;
    struct connection *connections, *free;
    uint32_t connections_max;
    struct port_message *report_first, *report_last; /* sent or released, to be told */
    struct connection *ended_first, *ended_last;
    struct __kernel_timespec accept_retry;
    struct watch { int fd; bool is_armed, is_ready; } watches[PORT_WATCHES_MAX];
    unsigned watch_count;
};

static struct port_kernel *kernel_of(struct port *p) { return (struct port_kernel *)p; }

static struct io_uring_sqe *submission(struct port_kernel *k)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&k->ring)) == NULL) {
        int rc = io_uring_submit_and_get_events(&k->ring);
        INVARIANT(rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -EINTR);
    }
    return sqe;
}

/* To be called behind liburing's prep functions: they may clear the user data. */
static void tag(struct io_uring_sqe *sqe, enum operation operation, void *about)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)about | operation);
}

static void *number_of(uint32_t n) { return (void *)(uintptr_t)((uint64_t)n * (OPERATION_MASK + 1)); }

static void accept_arm(struct port_kernel *k, uint32_t listener)
{
    struct listening *l = &k->listening[listener];
    if (l->fd < 0 || l->is_accepting || k->is_stopping) return;
    struct io_uring_sqe *sqe = submission(k);
    io_uring_prep_multishot_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
    tag(sqe, ON_ACCEPT, number_of(listener));
    l->is_accepting = true;
}

static void accept_arm_all(struct port_kernel *k)
{
    for (uint32_t i = 0; i < k->listener_count; i++) accept_arm(k, i);
}

static void receive_arm(struct port_kernel *k, struct connection *c)
{
    if (c->is_receiving || c->is_paused || c->state != CONNECTION_OPEN) return;
    struct io_uring_sqe *sqe = submission(k);
    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RECEIVE_GROUP;
    tag(sqe, ON_RECEIVE, c);
    c->is_receiving = true;
}

/* --- what is told to the caller --- */

static void report(struct port_kernel *k, struct port_message *m)
{
    m->next = NULL;
    if (k->report_last == NULL) k->report_first = m;
    else k->report_last->next = m;
    k->report_last = m;
}

static struct port_message *report_take(struct port_kernel *k)
{
    struct port_message *m = k->report_first;
    k->report_first = m->next;
    if (k->report_first == NULL) k->report_last = NULL;
    return m;
}

static void ended_check(struct port_kernel *k, struct connection *c)
{
    if (c->state != CONNECTION_ENDING || c->fd >= 0 || c->messages > 0 || c->is_reported) return;
    c->is_reported = true;
    c->next = NULL;
    if (k->ended_last == NULL) k->ended_first = c;
    else k->ended_last->next = c;
    k->ended_last = c;
}

/* A message is in the report list once when sent and once when free; both at once
 * when nothing of it went without a copy: then `reported` keeps the two events apart. */
static unsigned reports_drain(struct port_kernel *k, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (k->report_first != NULL && count + 2 <= max) {
        struct port_message *m = report_take(k);
        struct connection *c = m->connection;
        if (m->is_sent && m->piece_index != UINT32_MAX) {
            m->piece_index = UINT32_MAX; /* PORT_SENT is told */
            out[count++] = (struct port_event){.kind = PORT_SENT, .connection = c->slot, .message = m};
        }
        if (m->notifications > 0) continue;
        INVARIANT(c->messages > 0);
        c->messages--;
        out[count++] = (struct port_event){.kind = PORT_RELEASED, .connection = c->slot, .message = m};
        ended_check(k, c);
    }
    return count;
}

/* Frees the slots of connections that ended in an earlier poll: what the caller did upon that poll's other events, a
 * last message perhaps, still found the connection. */
static unsigned ended_drain(struct port_kernel *k, struct port_event *out, unsigned max)
{
    unsigned count = 0;
    while (k->ended_first != NULL && count < max) {
        struct connection *c = k->ended_first;
        k->ended_first = c->next;
        if (k->ended_first == NULL) k->ended_last = NULL;
        c->is_reported = false;
        if (c->messages > 0) continue; /* comes again when they are released */
        c->state = CONNECTION_FREE;
        c->next = k->free;
        k->free = c;
        out[count++] = (struct port_event){.kind = PORT_CLOSED, .connection = c->slot};
    }
    return count;
}

/* --- the end of a connection --- */

/* Once no operation is in flight any more: closes the descriptor and gives back what was not sent. */
static void end_finish(struct port_kernel *k, struct connection *c)
{
    if (c->state != CONNECTION_ENDING || c->is_receiving || c->is_sending || c->fd < 0) return;
    if (c->notifications > 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(c->fd);
    c->fd = -1;
    while (c->first != NULL) {
        struct port_message *m = c->first;
        c->first = m->next;
        m->was_dropped = true;
        if (m->notifications == 0) report(k, m);
    }
    c->last = NULL;
    ended_check(k, c);
}

static void end_begin(struct port_kernel *k, struct connection *c)
{
    if (c->state != CONNECTION_OPEN) return;
    c->state = CONNECTION_ENDING;
    shutdown(c->fd, SHUT_RDWR); /* what is in flight completes now */
    end_finish(k, c);
}

/* --- sending --- */

static bool is_registered(const struct port_kernel *k, const uint8_t *bytes)
{
    return k->stride_bytes != 0 && chunk_pool_holds(k->pool, bytes);
}

static bool piece_goes_zero_copy(const struct port_kernel *k, const struct connection *c, const struct port_message *m,
                                 uint32_t index)
{
    const struct port_piece *piece = &m->piece[index];
    return piece->may_pin && piece->size >= PORT_ZERO_COPY_BYTES_MIN && !m->may_copy_only && !c->is_copy_only &&
           (!k->pins_only_registered || is_registered(k, piece->bytes));
}

static void send_zero_copy(struct port_kernel *k, struct connection *c, struct port_message *m)
{
    const struct port_piece *piece = &m->piece[m->piece_index];
    const uint8_t *bytes = piece->bytes + m->piece_position;
    bool is_last = m->piece_index + 1 == m->piece_count;
    int flags = MSG_WAITALL | MSG_NOSIGNAL | (is_last ? 0 : MSG_MORE);
    struct io_uring_sqe *sqe = submission(k);
    if (is_registered(k, bytes))
        io_uring_prep_send_zc_fixed(sqe, c->fd, bytes, piece->size - m->piece_position, flags, 0,
                                    (unsigned)((uint64_t)(bytes - k->pool->bytes) / k->stride_bytes));
    else
        io_uring_prep_send_zc(sqe, c->fd, bytes, piece->size - m->piece_position, flags, 0);
    tag(sqe, ON_SEND_ZERO_COPY, m);
    c->sending_pieces = 1;
    k->port.stats.pins += m->notifications++ == 0;
    c->notifications++;
}

static void send_gathered(struct port_kernel *k, struct connection *c, struct port_message *m)
{
    bool is_whole = true;
    uint32_t index = m->piece_index, count = 0, left = SEND_GATHER_BYTES;
    for (; index < m->piece_count && count < SEND_VECTORS && left > 0; index++, count++) {
        if (piece_goes_zero_copy(k, c, m, index)) break;
        uint32_t skip = count == 0 ? m->piece_position : 0, size = m->piece[index].size - skip;
        c->vector[count].iov_base = (void *)(uintptr_t)(m->piece[index].bytes + skip);
        c->vector[count].iov_len = size < left ? size : left;
        is_whole = size <= left;
        left -= is_whole ? size : left;
    }
    c->header = (struct msghdr){.msg_iov = c->vector, .msg_iovlen = count};
    c->sending_pieces = count;
    bool is_end = index == m->piece_count && is_whole;
    struct io_uring_sqe *sqe = submission(k);
    io_uring_prep_sendmsg(sqe, c->fd, &c->header, MSG_WAITALL | MSG_NOSIGNAL | (is_end ? 0 : MSG_MORE));
    tag(sqe, ON_SEND, c);
}

static void send_next(struct port_kernel *k, struct connection *c)
{
    if (c->is_sending || c->first == NULL || c->state != CONNECTION_OPEN) return;
    c->is_sending = true;
    if (piece_goes_zero_copy(k, c, c->first, c->first->piece_index)) send_zero_copy(k, c, c->first);
    else send_gathered(k, c, c->first);
}

/* The kernel may not or cannot pin what was sent last. */
static void zero_copy_refused(struct port_kernel *k, struct connection *c, int result)
{
    bool lacks_memory = result == -ENOMEM || result == -ENOBUFS;
    if (!lacks_memory || is_registered(k, c->first->piece[c->first->piece_index].bytes)) c->is_copy_only = true;
    if (c->is_copy_only || k->pins_only_registered) return; /* this one was begun before another was refused */
    k->pins_only_registered = true;
    log_warn("dataplane", "records read from the disk are sent by copies: the kernel does not pin their memory (%s); "
             "raise the limit of locked memory (ulimit -l) to save the copies", strerror(-result));
}

/* `result` bytes of the first message went out, or the operation failed. */
static void send_done(struct port_kernel *k, struct connection *c, int result, bool is_zero_copy)
{
    c->is_sending = false;
    if (c->state != CONNECTION_OPEN) {
        end_finish(k, c);
        return;
    }
    if (is_zero_copy && (result == -ENOMEM || result == -ENOBUFS || result == -EOPNOTSUPP || result == -EINVAL)) {
        zero_copy_refused(k, c, result); /* copies always work */
        result = 0;
    } else if (result <= 0) {
        end_begin(k, c);
        return;
    }
    struct port_message *m = c->first;
    uint64_t left = (uint64_t)result;
    if (is_zero_copy) m->zero_copy_bytes += left, k->port.stats.zero_copy_bytes += left;
    else k->port.stats.copied_bytes += left;
    while (left > 0) {
        uint32_t rest = m->piece[m->piece_index].size - m->piece_position;
        if (left < rest) {
            m->piece_position += (uint32_t)left;
            break;
        }
        left -= rest;
        m->piece_position = 0;
        m->piece_index++;
    }
    if (m->piece_index == m->piece_count) {
        c->first = m->next;
        if (c->first == NULL) c->last = NULL;
        m->is_sent = true;
        report(k, m);
    }
    send_next(k, c);
}

static void kernel_send(struct port *p, uint32_t slot, struct port_message *m)
{
    struct port_kernel *k = kernel_of(p);
    struct connection *c = &k->connections[slot];
    INVARIANT(c->state != CONNECTION_FREE && m->piece_count > 0);
    port_message_begin(m, c);
    c->messages++;
    if (c->state != CONNECTION_OPEN) {
        m->was_dropped = true;
        report(k, m);
        return;
    }
    if (c->last == NULL) c->first = m;
    else c->last->next = m;
    c->last = m;
    send_next(k, c);
}

/* --- completions --- */

static void peer_text(int fd, char out[PORT_PEER_BYTES])
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    snprintf(out, PORT_PEER_BYTES, "unknown");
    if (getpeername(fd, (struct sockaddr *)&a, &size) != 0) return;
    if (a.ss_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, out, PORT_PEER_BYTES);
    if (a.ss_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, out, PORT_PEER_BYTES);
}

static void refuse(struct port_kernel *k, const char *why)
{
    k->port.stats.refused++;
    if (!k->said_refused) log_warn("dataplane", "a connection was refused: %s (said once)", why);
    k->said_refused = true;
}

static bool on_accept(struct port_kernel *k, uint32_t listener, const struct io_uring_cqe *cqe,
                      struct port_event *event)
{
    struct listening *l = &k->listening[listener];
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) l->is_accepting = false;
    if (cqe->res < 0) {
        if (k->is_stopping) return false;
        refuse(k, strerror(-cqe->res)); /* no descriptor is free, usually: try again a little later */
        if (l->is_accepting || k->is_retrying) return false;
        k->is_retrying = true;
        k->accept_retry = (struct __kernel_timespec){.tv_nsec = ACCEPT_RETRY_MS * 1000000};
        struct io_uring_sqe *sqe = submission(k);
        io_uring_prep_timeout(sqe, &k->accept_retry, 0, 0);
        tag(sqe, ON_ACCEPT_RETRY, NULL);
        return false;
    }
    accept_arm(k, listener);
    struct connection *c = k->free;
    if (c == NULL || k->is_stopping) {
        if (c == NULL) refuse(k, "connections_max is reached");
        close(cqe->res);
        return false;
    }
    k->free = c->next;
    *c = (struct connection){.fd = cqe->res, .slot = c->slot, .state = CONNECTION_OPEN};
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    peer_text(c->fd, c->peer);
    k->port.stats.accepted++;
    receive_arm(k, c);
    *event = (struct port_event){.kind = PORT_ACCEPTED, .connection = c->slot, .listener = listener};
    return true;
}

static bool on_receive(struct port_kernel *k, struct connection *c, const struct io_uring_cqe *cqe,
                       struct port_event *event)
{
    bool has_event = false;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) c->is_receiving = false;
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t index = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        INVARIANT(k->taken_count < RECEIVE_BUFFERS);
        k->taken[k->taken_count++] = index;
        if (cqe->res > 0 && c->state == CONNECTION_OPEN) {
            k->port.stats.received_bytes += (uint64_t)cqe->res;
            *event = (struct port_event){.kind = PORT_DATA, .connection = c->slot, .size = (uint32_t)cqe->res,
                                         .bytes = k->buffer_bytes + (size_t)index * RECEIVE_BYTES};
            has_event = true;
        }
    }
    if (c->state == CONNECTION_ENDING) end_finish(k, c);
    else if (cqe->res > 0 || cqe->res == -ENOBUFS || cqe->res == -ECANCELED) receive_arm(k, c);
    else end_begin(k, c); /* the peer closed, or the connection broke */
    return has_event;
}

static void on_send_zero_copy(struct port_kernel *k, struct port_message *m, const struct io_uring_cqe *cqe)
{
    struct connection *c = m->connection;
    bool is_notification = (cqe->flags & IORING_CQE_F_NOTIF) != 0;
    if (is_notification || (cqe->flags & IORING_CQE_F_MORE) == 0) {
        k->port.stats.pins -= --m->notifications == 0;
        c->notifications--;
    }
    if (!is_notification) {
        send_done(k, c, cqe->res, true);
    } else if (m->notifications == 0 && (m->piece_index == UINT32_MAX || m->was_dropped)) {
        report(k, m); /* else it is in the send queue, or in the report list already */
    }
}

static bool on_completion(struct port_kernel *k, const struct io_uring_cqe *cqe, struct port_event *event)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);
    void *about = (void *)(uintptr_t)(data & ~(uint64_t)OPERATION_MASK);
    switch ((enum operation)(data & OPERATION_MASK)) {
    case ON_ACCEPT:         return on_accept(k, (uint32_t)(data >> 3), cqe, event);
    case ON_RECEIVE:        return on_receive(k, about, cqe, event);
    case ON_SEND:           send_done(k, about, cqe->res, false); return false;
    case ON_SEND_ZERO_COPY: on_send_zero_copy(k, about, cqe); return false;
    case ON_ACCEPT_RETRY:
        k->is_retrying = false;
        accept_arm_all(k);
        return false;
    case ON_WATCH:
        k->watches[data >> 3].is_armed = false;
        k->watches[data >> 3].is_ready = true;
        return false;
    default: return false;
    }
}

/* --- the port's operations --- */

static void buffers_return(struct port_kernel *k)
{
    for (uint32_t i = 0; i < k->taken_count; i++)
        io_uring_buf_ring_add(k->buffers, k->buffer_bytes + (size_t)k->taken[i] * RECEIVE_BYTES, RECEIVE_BYTES,
                              k->taken[i], io_uring_buf_ring_mask(RECEIVE_BUFFERS), (int)i);
    if (k->taken_count > 0) io_uring_buf_ring_advance(k->buffers, (int)k->taken_count);
    k->taken_count = 0;
}

static unsigned kernel_poll(struct port *p, struct port_event *out, unsigned max)
{
    struct port_kernel *k = kernel_of(p);
    struct io_uring_cqe *cqe;
    buffers_return(k);
    if (io_uring_sq_ready(&k->ring) > 0) {
        int rc = io_uring_submit_and_get_events(&k->ring);
        INVARIANT(rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -EINTR);
    }
    unsigned count = ended_drain(k, out, max);
    count += reports_drain(k, out + count, max - count);
    while (count + 2 < max && io_uring_peek_cqe(&k->ring, &cqe) == 0) {
        struct io_uring_cqe done = *cqe; /* handlers may submit, which moves the ring */
        io_uring_cqe_seen(&k->ring, cqe);
        count += on_completion(k, &done, &out[count]);
        count += reports_drain(k, out + count, max - count);
    }
    return count;
}

static void kernel_wait(struct port *p, uint64_t timeout_ns)
{
    struct port_kernel *k = kernel_of(p);
    struct io_uring_cqe *cqe;
    if (k->report_first != NULL || k->ended_first != NULL || io_uring_cq_ready(&k->ring) > 0) return;
    buffers_return(k);
    for (unsigned i = 0; i < k->watch_count; i++) {
        struct watch *w = &k->watches[i];
        if (w->is_ready) return;
        if (w->is_armed) continue;
        struct io_uring_sqe *sqe = submission(k);
        io_uring_prep_poll_add(sqe, w->fd, POLLIN);
        io_uring_sqe_set_data64(sqe, (uint64_t)i << 3 | ON_WATCH);
        w->is_armed = true;
    }
    struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / 1000000000),
                                        .tv_nsec = (long long)(timeout_ns % 1000000000)};
    int rc = io_uring_submit_and_wait_timeout(&k->ring, &cqe, 1, &timeout, NULL);
    INVARIANT(rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
}

static void kernel_pause(struct port *p, uint32_t slot)
{
    struct port_kernel *k = kernel_of(p);
    struct connection *c = &k->connections[slot];
    if (c->is_paused || c->state != CONNECTION_OPEN) return;
    c->is_paused = true;
    if (!c->is_receiving) return;
    struct io_uring_sqe *sqe = submission(k);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)c | ON_RECEIVE, 0);
    tag(sqe, ON_NOTHING, NULL);
}

static void kernel_resume(struct port *p, uint32_t slot)
{
    struct port_kernel *k = kernel_of(p);
    struct connection *c = &k->connections[slot];
    c->is_paused = false;
    receive_arm(k, c); /* or, if the cancelled receive has not ended yet, when it ends */
}

static uint32_t kernel_handed(const struct port *p, uint32_t slot, const struct port_message *m)
{
    const struct connection *c = &((const struct port_kernel *)p)->connections[slot];
    if (m->is_sent || c->state != CONNECTION_OPEN) return m->piece_count;
    return c->first == m && c->is_sending ? m->piece_index + c->sending_pieces : m->piece_index;
}

static void kernel_close(struct port *p, uint32_t slot)
{
    struct port_kernel *k = kernel_of(p);
    end_begin(k, &k->connections[slot]);
}

static void kernel_peer(const struct port *p, uint32_t slot, char out[PORT_PEER_BYTES])
{
    memcpy(out, ((const struct port_kernel *)p)->connections[slot].peer, PORT_PEER_BYTES);
}

static unsigned kernel_watch(struct port *p, int fd)
{
    struct port_kernel *k = kernel_of(p);
    INVARIANT(k->watch_count < PORT_WATCHES_MAX);
    k->watches[k->watch_count] = (struct watch){.fd = fd};
    return k->watch_count++;
}

static bool kernel_watch_take(struct port *p, unsigned watch)
{
    struct port_kernel *k = kernel_of(p);
    bool is_ready = k->watches[watch].is_ready;
    k->watches[watch].is_ready = false;
    return is_ready;
}

static void kernel_stop(struct port *p)
{
    struct port_kernel *k = kernel_of(p);
    k->is_stopping = true;
    for (uint32_t i = 0; i < k->listener_count; i++) {
        if (!k->listening[i].is_accepting) continue;
        struct io_uring_sqe *sqe = submission(k);
        io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)number_of(i) | ON_ACCEPT, 0);
        tag(sqe, ON_NOTHING, NULL);
    }
    int rc = io_uring_submit(&k->ring); /* what is queued goes before the connections do: good-byes */
    INVARIANT(rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -EINTR);
    for (uint32_t i = 0; i < k->connections_max; i++) end_begin(k, &k->connections[i]);
}

static void kernel_fini(struct port *p)
{
    struct port_kernel *k = kernel_of(p);
    io_uring_queue_exit(&k->ring);
    for (uint32_t i = 0; i < k->connections_max; i++)
        if (k->connections[i].state != CONNECTION_FREE && k->connections[i].fd >= 0) close(k->connections[i].fd);
    for (uint32_t i = 0; i < k->listener_count; i++)
        if (k->listening[i].fd >= 0) close(k->listening[i].fd);
    if (k->buffers != NULL) munmap(k->buffers, RECEIVE_BUFFERS * sizeof(struct io_uring_buf));
    if (k->buffer_bytes != NULL) munmap(k->buffer_bytes, (size_t)RECEIVE_BUFFERS * RECEIVE_BYTES);
    free(k->connections);
    free(k);
}

static const struct port_operations kernel_operations = {
    kernel_poll, kernel_wait, kernel_send, kernel_pause, kernel_resume, kernel_handed, kernel_close, kernel_peer,
    kernel_watch, kernel_watch_take, kernel_stop, kernel_fini,
};

/* --- opening --- */

static enum err ring_open(struct port_kernel *k, struct err_msg *msg)
{
    static const unsigned flags[] = { /* newest kernel first */
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int rc = -EINVAL;
    for (size_t i = 0; i < sizeof flags / sizeof *flags && rc == -EINVAL; i++) {
        struct io_uring_params params = {.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                         .cq_entries = COMPLETIONS};
        rc = io_uring_queue_init_params(SUBMISSIONS, &k->ring, &params);
    }
    if (rc == -ENOMEM)
        return err_set(msg, ERR_NO_MEMORY, "no memory for the network's io_uring: raise the limit of locked memory "
                       "(ulimit -l)");
    if (rc < 0)
        return err_set(msg, ERR_UNSUPPORTED, "io_uring is not to be had (%s): millrace needs Linux 6.0 or newer with "
                       "io_uring allowed: sysctl kernel.io_uring_disabled=0, and in a container a seccomp profile that "
                       "permits io_uring_setup", strerror(-rc));
    struct io_uring_probe *probe = io_uring_get_probe_ring(&k->ring);
    bool is_new_enough = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);
    io_uring_free_probe(probe);
    if (is_new_enough) return ERR_OK;
    io_uring_queue_exit(&k->ring);
    return err_set(msg, ERR_UNSUPPORTED, "this kernel's io_uring has no zero-copy send: millrace needs Linux 6.0 or "
                   "newer");
}

static enum err receive_buffers_open(struct port_kernel *k, struct err_msg *msg)
{
    size_t ring_bytes = RECEIVE_BUFFERS * sizeof(struct io_uring_buf);
    size_t bytes = (size_t)RECEIVE_BUFFERS * RECEIVE_BYTES;
    void *ring = mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) return err_set(msg, ERR_NO_MEMORY, "no memory for receive buffers");
    k->buffers = ring;
    void *buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED) return err_set(msg, ERR_NO_MEMORY, "no memory for receive buffers");
    k->buffer_bytes = buffers;
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)k->buffers,
                                            .ring_entries = RECEIVE_BUFFERS, .bgid = RECEIVE_GROUP};
    int rc = io_uring_register_buf_ring(&k->ring, &registration, 0);
    if (rc < 0)
        return err_set(msg, ERR_UNSUPPORTED, "this kernel's io_uring has no provided buffer rings (%s): millrace needs "
                       "Linux 6.0 or newer", strerror(-rc));
    io_uring_buf_ring_init(k->buffers);
    for (uint32_t i = 0; i < RECEIVE_BUFFERS; i++) k->taken[i] = (uint16_t)i;
    k->taken_count = RECEIVE_BUFFERS;
    buffers_return(k);
    return ERR_OK;
}

/* Registers the pool with the ring, in pieces of whole chunks; a refusal only costs the copies. */
static void pool_register(struct port_kernel *k)
{
    if (k->pool == NULL) return;
    uint64_t size = (uint64_t)k->pool->chunk_bytes * k->pool->chunk_count;
    uint64_t stride = REGISTERED_BYTES_MAX / k->pool->chunk_bytes * k->pool->chunk_bytes;
    uint64_t count = stride == 0 ? 0 : (size + stride - 1) / stride;
    struct iovec *vector = count == 0 ? NULL : calloc(count, sizeof *vector);
    if (vector == NULL) return;
    for (uint64_t i = 0; i < count; i++) {
        vector[i].iov_base = k->pool->bytes + i * stride;
        vector[i].iov_len = i + 1 < count ? stride : size - i * stride;
    }
    int rc = io_uring_register_buffers(&k->ring, vector, (unsigned)count);
    free(vector);
    k->pins_only_registered = rc != 0;
    if (rc == 0) k->stride_bytes = stride;
    else
        log_warn("dataplane", "records are sent by copies: %llu MiB of chunks cannot be registered for zero-copy sends "
                 "(%s); raise the limit of locked memory (ulimit -l) to save the copies",
                 (unsigned long long)(size >> 20), strerror(-rc));
}

static void close_all(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (fds[i] >= 0) close(fds[i]);
}

enum err port_kernel_open(struct port **out, const int *listen_fds, uint32_t listener_count, uint32_t connections_max,
                          const struct chunk_pool *pool, struct err_msg *msg)
{
    INVARIANT(listener_count <= PORT_LISTENERS_MAX);
    struct port_kernel *k = calloc(1, sizeof *k);
    struct connection *connections = calloc(connections_max, sizeof *connections);
    if (k == NULL || connections == NULL) {
        free(k);
        free(connections);
        close_all(listen_fds, listener_count);
        return err_set(msg, ERR_NO_MEMORY, "no memory for %u connections", connections_max);
    }
    *k = (struct port_kernel){.port = {.operations = &kernel_operations, .kind = "kernel"},
                              .listener_count = listener_count, .pool = pool,
                              .connections = connections, .connections_max = connections_max};
    for (uint32_t i = 0; i < listener_count; i++) k->listening[i].fd = listen_fds[i];
    for (uint32_t i = connections_max; i-- > 0;) {
        connections[i] = (struct connection){.fd = -1, .slot = i, .next = k->free};
        k->free = &connections[i];
    }
    enum err e = ring_open(k, msg);
    if (e != ERR_OK) {
        free(connections);
        free(k);
        close_all(listen_fds, listener_count);
        return e;
    }
    e = receive_buffers_open(k, msg);
    if (e != ERR_OK) {
        kernel_fini(&k->port);
        return e;
    }
    io_uring_register_ring_fd(&k->ring); /* saves a lookup per call; older kernels refuse, which is harmless */
    pool_register(k);
    accept_arm_all(k);
    *out = &k->port;
    return ERR_OK;
}

size_t port_kernel_memory_bytes(uint32_t connections_max)
{
    return (size_t)RECEIVE_BUFFERS * (RECEIVE_BYTES + sizeof(struct io_uring_buf)) +
           SUBMISSIONS * sizeof(struct io_uring_sqe) + COMPLETIONS * sizeof(struct io_uring_cqe) +
           connections_max * sizeof(struct connection) + sizeof(struct port_kernel);
}
