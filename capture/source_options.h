/* capture/source_options.h -- how a source is reached: shared by a channel's definition, capture and the connection. */
#ifndef CAPTURE_SOURCE_OPTIONS_H
#define CAPTURE_SOURCE_OPTIONS_H

#include <stdint.h>

enum source_tls_mode {          /* as the mysql client names them (--ssl-mode) */
    SOURCE_TLS_OFF,
    SOURCE_TLS_PREFERRED,       /* where the server has it; no protection against who can change packets */
    SOURCE_TLS_REQUIRED,        /* encrypted, whoever the server is */
    SOURCE_TLS_VERIFY_CA,       /* its certificate is signed by `ca` */
    SOURCE_TLS_VERIFY_IDENTITY, /* and is made out to the host's name */
};

struct source_tls { /* paths of PEM files; NULL or "": none */
    enum source_tls_mode mode;
    const char *ca;                /* needed by the two verifying modes */
    const char *certificate, *key; /* of the client; both or none */
};

struct source_host {
    const char *name; /* or a unix socket's path when it begins with '/' */
    uint16_t port;
};

enum { SOURCE_CONNECT_TIMEOUT_S = 10, SOURCE_READ_TIMEOUT_S = 30 }; /* defaults */

#endif
