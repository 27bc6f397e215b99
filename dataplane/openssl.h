/* dataplane/openssl.h -- OpenSSL's headers, for passwords and TLS; only dataplane/auth/ and dataplane/port_tls* include
 * it.  One of its types has the name of an error of ours, and is called otherwise here. */
#ifndef DATAPLANE_OPENSSL_H
#define DATAPLANE_OPENSSL_H

#define ERR_STATE openssl_err_state
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#undef ERR_STATE

#endif
