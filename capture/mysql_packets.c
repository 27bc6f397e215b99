#include "capture/mysql_packets.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HEADER_BYTES = 4,
    PIECE_BYTES_MAX = 0xFFFFFF, /* one of this size goes on in the next packet */
    BUFFER_BYTES = 256 << 10,   /* of which a quiet source touches the first page */
};

enum err mysql_packets_begin(struct mysql_packets *p, int fd, uint32_t timeout_s, uint64_t packet_bytes_max,
                             const void *ahead, size_t ahead_bytes, struct err_msg *msg)
{
    size_t buffer_bytes = ahead_bytes < BUFFER_BYTES ? BUFFER_BYTES : ahead_bytes;
    mysql_packets_end(p);
    *p = (struct mysql_packets){.fd = fd, .timeout_s = timeout_s, .packet_bytes_max = packet_bytes_max,
                                .buffer = malloc(buffer_bytes), .buffer_bytes = buffer_bytes, .end = ahead_bytes};
    if (p->buffer == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to read a binlog dump");
    if (ahead_bytes != 0) memcpy(p->buffer, ahead, ahead_bytes);
    return ERR_OK;
}

void mysql_packets_end(struct mysql_packets *p)
{
    free(p->buffer);
    *p = (struct mysql_packets){.fd = -1};
}

static enum err resize(struct mysql_packets *p, size_t buffer_bytes, struct err_msg *msg)
{
    uint8_t *buffer = realloc(p->buffer, buffer_bytes);
    if (buffer == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for a packet of %zu bytes", buffer_bytes);
    p->buffer = buffer;
    p->buffer_bytes = buffer_bytes;
    return ERR_OK;
}

/* Room to receive into, behind what is held.  It grows with what has come, not with what a header promises. */
static enum err make_room(struct mysql_packets *p, struct err_msg *msg)
{
    size_t held = p->end - p->begin;
    if (held != 0 && p->begin != 0) memmove(p->buffer, p->buffer + p->begin, held);
    p->begin = 0;
    p->end = held;
    if (held == p->buffer_bytes) {
        size_t most = p->packet_bytes_max + 2 * HEADER_BYTES + BUFFER_BYTES;
        return resize(p, held < most / 2 ? 2 * held : most, msg);
    }
    if (held == 0 && p->buffer_bytes > BUFFER_BYTES) return resize(p, BUFFER_BYTES, msg);
    return ERR_OK;
}

static enum err receive(struct mysql_packets *p, struct err_msg *msg)
{
    TRY(make_room(p, msg));
    for (;;) {
        ssize_t got = recv(p->fd, p->buffer + p->end, p->buffer_bytes - p->end, MSG_DONTWAIT);
        if (got > 0) {
            p->end += (size_t)got;
            return ERR_OK;
        }
        if (got == 0) return err_set(msg, ERR_DISCONNECTED, "the source closed the connection of the binlog dump");
        if (errno == EAGAIN) {
            struct pollfd readable = {.fd = p->fd, .events = POLLIN};
            int ready = poll(&readable, 1, (int)p->timeout_s * 1000);
            if (ready == 0)
                return err_set(msg, ERR_DISCONNECTED, "the source sent nothing in the binlog dump for %u s",
                               p->timeout_s);
            if (ready > 0 || errno == EINTR) continue;
        }
        if (errno != EINTR)
            return err_set(msg, ERR_DISCONNECTED, "the binlog dump was interrupted: %s", strerror(errno));
    }
}

/* At least `bytes` are held then. */
static enum err fill(struct mysql_packets *p, size_t bytes, struct err_msg *msg)
{
    while (p->end - p->begin < bytes) TRY(receive(p, msg));
    return ERR_OK;
}

enum err mysql_packets_next(struct mysql_packets *p, const uint8_t **payload, size_t *size, struct err_msg *msg)
{
    size_t joined = 0, piece_bytes;
    uint8_t number = 0;
    do {
        size_t at = joined == 0 ? 0 : HEADER_BYTES + joined; /* of this piece's header, from p->begin on */
        TRY(fill(p, at + HEADER_BYTES, msg));
        uint8_t *header = p->buffer + p->begin + at;
        piece_bytes = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
        if (joined != 0 && header[3] != number) /* else any will do: a proxy may number them anew */
            return err_set(msg, ERR_DISCONNECTED, "packet %u of the binlog dump came where %u was to come", header[3],
                           number);
        number = (uint8_t)(header[3] + 1);
        if (joined + piece_bytes > p->packet_bytes_max)
            return err_set(msg, ERR_TOO_LARGE, "the source sent an event above packet_bytes_max (%llu); raise it",
                           (unsigned long long)p->packet_bytes_max);
        TRY(fill(p, at + HEADER_BYTES + piece_bytes, msg));
        if (joined != 0) { /* the payloads are joined over this header, and what is behind it follows */
            header = p->buffer + p->begin + at;
            memmove(header, header + HEADER_BYTES, p->end - p->begin - at - HEADER_BYTES);
            p->end -= HEADER_BYTES;
        }
        joined += piece_bytes;
    } while (piece_bytes == PIECE_BYTES_MAX);
    *payload = p->buffer + p->begin + HEADER_BYTES;
    *size = joined;
    p->begin += HEADER_BYTES + joined;
    return ERR_OK;
}
