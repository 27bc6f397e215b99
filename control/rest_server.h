/* control/rest_server.h -- carries the REST API over HTTP/1.1: libmicrohttpd, stepped by the control loop (no thread of
 * its own). */
#ifndef CONTROL_REST_SERVER_H
#define CONTROL_REST_SERVER_H

#include "control/instance.h"

struct rest_server;

/* Listens, with TLS where the configuration has a certificate.  `in->tokens` is open.  ERR_INVALID: it is no address,
 * or one that other machines reach and tokens or TLS are missing; ERR_IO: address in use, or no certificate to be read
 * (msg names it); ERR_UNSUPPORTED: this machine's libmicrohttpd has no TLS. */
NODISCARD enum err rest_server_start(struct rest_server **out, struct instance *in, struct err_msg *msg);
void rest_server_stop(struct rest_server *s);
/* Reads the certificate again; what is wrong with it is logged, and that of before stays. */
void rest_server_reload_certificate(struct rest_server *s);
bool rest_address_is_loopback(const struct config *c);
uint16_t rest_server_port(const struct rest_server *s);

/* For the control loop: wait for `fd` to be readable or the timeout (-1: none), then run. */
int rest_server_fd(const struct rest_server *s);
int rest_server_timeout_ms(const struct rest_server *s);
void rest_server_run(struct rest_server *s);

#endif
