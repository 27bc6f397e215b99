/* capture/mysql_packets.h -- the packets of a binlog dump, taken from the socket in large pieces and given where they
 * arrived.
 *
 * The client library reads 16 KiB a call and copies each packet once more; a backlog is read faster here.  For
 * connections that carry the bare protocol only, neither TLS nor compression.  A packet is a header of 4 bytes (size,
 * 3 bytes little-endian, and a number that counts up) and its payload; one of 0xFFFFFF bytes goes on in the next.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 * One thread; the socket may be shut down by another. */
#ifndef CAPTURE_MYSQL_PACKETS_H
#define CAPTURE_MYSQL_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mysql_packets { /* all 0: nothing is held */
    int fd;
    uint32_t timeout_s;
    uint64_t packet_bytes_max;
    uint8_t *buffer; /* NULL: nothing is read */
    size_t buffer_bytes, begin, end; /* what arrived and was not given yet */
};

/* Reads `fd`, which stays the caller's, from the first packet after a command on; `ahead` is what was taken from it
 * already (copied).  What `p` held is freed.  ERR_NO_MEMORY. */
NODISCARD enum err mysql_packets_begin(struct mysql_packets *p, int fd, uint32_t timeout_s, uint64_t packet_bytes_max,
                                       const void *ahead, size_t ahead_bytes, struct err_msg *msg);

/* Frees what is held; mysql_packets_begin may follow. */
void mysql_packets_end(struct mysql_packets *p);

/* The next payload, joined when it came in several packets; valid until the next call.  Blocks.  ERR_DISCONNECTED: also
 * when nothing came for timeout_s, and when a packet goes on in another than the next; ERR_TOO_LARGE, ERR_NO_MEMORY. */
NODISCARD enum err mysql_packets_next(struct mysql_packets *p, const uint8_t **payload, size_t *size,
                                      struct err_msg *msg);

/* Has more arrived than was given? */
static inline bool mysql_packets_hold_more(const struct mysql_packets *p)
{
    return p->begin < p->end;
}

#endif
