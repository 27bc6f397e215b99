/* dataplane/listener.h -- the addresses that clients connect to, and what holds for those who came by each. */
#ifndef DATAPLANE_LISTENER_H
#define DATAPLANE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/kafka/request.h"
#include "dataplane/port_tls_context.h"

enum { LISTENERS_MAX = 8, LISTENER_NAME_BYTES = 64, LISTENER_HOST_BYTES = 256 };

struct listener_config { /* strings are copied */
    const char *name;            /* in messages and counters */
    const char *host;            /* an IPv4 or IPv6 address */
    uint16_t    port;            /* 0: any free one */
    const char *advertised_host; /* NULL or empty: host */
    uint16_t    advertised_port; /* 0: the port listened on */
    bool        is_past_kernel;  /* at the DPDK device, whose address `host` is; then `port` is not 0 */
    bool        needs_login;
    struct tls_config tls;
    uint32_t    login_timeout_ms; /* to finish the handshake, and then to log in; 0: no limit */
    uint32_t    idle_timeout_ms, request_timeout_ms; /* silent; from a request's first byte to its last.  0: no limit */
    uint32_t    connections_max;   /* 0: as many as the serve threads have room for */
    uint32_t    request_bytes_max; /* a larger one closes its connection; 0: the dataplane's */
    uint64_t    inflight_bytes_max; /* of requests that are not whole or wait, of all its connections */
};

/* One of them.  Constant but for the count while connections come by it; every serve lcore reads it. */
struct listener {
    char     name[LISTENER_NAME_BYTES], host[LISTENER_HOST_BYTES], advertised_host[LISTENER_HOST_BYTES];
    uint16_t port, advertised_port; /* advertised 0: port */
    bool     needs_login;
    uint64_t login_timeout_ns, idle_timeout_ns, request_timeout_ns; /* UINT64_MAX: no limit */
    uint32_t connections_max, request_bytes_max;
    uint64_t inflight_bytes_max;
    _Atomic uint32_t connections; /* now, of all serve threads */
    struct tls_context *tls; /* owned; NULL: plain text */
    struct node node; /* what its clients are told of us */
};

/* `node` gives what all listeners have in common; port and the node's port are 0 until listener_bound.
 * ERR_INVALID: the certificates, as tls_context_open; there is nothing to free then. */
NODISCARD enum err listener_init(struct listener *l, const struct listener_config *config, const struct node *node,
                                 struct err_msg *msg);
void               listener_bound(struct listener *l, uint16_t port);
void               listener_fini(struct listener *l);

#endif
