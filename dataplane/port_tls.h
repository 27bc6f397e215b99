/* dataplane/port_tls.h -- TLS as a filter between a port and its user: a port above a port.
 *
 * Connections of listeners without TLS pass through.  Of the others every byte is decrypted before it is told and
 * encrypted into the filter's own memory before it is sent, so it never holds a caller's bytes for the network: a
 * message's first `copied_pieces` pieces are not needed any more, also while the message is under way.
 *
 * PORT_SECURED follows PORT_ACCEPTED when a handshake is done; only then comes PORT_DATA.  A first port_close says
 * good-bye to an idle peer (close_notify) and ends the connection when that has gone; a second one ends it at once.
 * Handshakes are costly: some each poll, the others wait, so that established connections go on. */
#ifndef DATAPLANE_PORT_TLS_H
#define DATAPLANE_PORT_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "dataplane/port.h"
#include "dataplane/port_tls_context.h"

struct tls_listener {
    const char *name;
    struct tls_context *context; /* NULL: plain text */
};

/* Takes `inner`, also on failure.  `listeners`, by PORT_ACCEPTED's number, and `clock` outlive it.  ERR_NO_MEMORY. */
NODISCARD enum err port_tls_open(struct port **out, struct port *inner, const struct tls_listener *listeners,
                                 uint32_t listener_count, uint32_t connections_max, const struct clock *clock,
                                 struct err_msg *msg);
/* At most, what OpenSSL takes for connections included. */
size_t port_tls_memory_bytes(uint32_t connections_max);

#endif
