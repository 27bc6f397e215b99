/* dataplane/port_tls_context.h -- a listener's certificates.
 *
 * They may be read again while connections come: what is under way keeps what it began with. */
#ifndef DATAPLANE_PORT_TLS_CONTEXT_H
#define DATAPLANE_PORT_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum client_certificates { CLIENT_CERTIFICATES_NONE, CLIENT_CERTIFICATES_OPTIONAL, CLIENT_CERTIFICATES_REQUIRED };

struct tls_config { /* PEM files; strings are copied */
    const char *certificate; /* the server's, with the chain behind it; NULL or empty: no TLS */
    const char *key;         /* not encrypted */
    const char *client_ca;   /* of clients' certificates; may be NULL without them */
    enum client_certificates client_certificates;
};

static inline bool tls_config_is_set(const struct tls_config *c)
{
    return c->certificate != NULL && c->certificate[0] != '\0';
}

struct tls_context;
struct ssl_st; /* OpenSSL's */

/* Reads the files.  ERR_INVALID: msg names listener, key, file and reason. */
NODISCARD enum err tls_context_open(struct tls_context **out, const char *listener, const struct tls_config *config,
                                    struct err_msg *msg);
/* Reads them again, for the connections to come; on failure those of before stay.  Any thread. */
NODISCARD enum err tls_context_reload(struct tls_context *c, struct err_msg *msg);
void               tls_context_close(struct tls_context *c); /* NULL: nothing happens */

/* A server's end of a new connection, without transport; NULL: no memory.  Any thread. */
struct ssl_st *tls_context_session(struct tls_context *c);

/* OpenSSL's last error of this thread, in its words; clears it. */
void tls_error_text(char *out, size_t size);

#endif
