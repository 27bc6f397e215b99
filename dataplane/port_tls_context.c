#include "dataplane/port_tls_context.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/openssl.h"

enum { NAME_BYTES = 64, PATH_BYTES = 1024 };

struct tls_context {
    char listener[NAME_BYTES], certificate[PATH_BYTES], key[PATH_BYTES], client_ca[PATH_BYTES];
    enum client_certificates client_certificates;
    pthread_mutex_t lock; /* held for the taking of a pointer: connections begin at human speed */
    SSL_CTX *newest;
};

void tls_error_text(char *out, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    if (reason != NULL) snprintf(out, size, "%s", reason);
    else if (code != 0) ERR_error_string_n(code, out, size);
    else snprintf(out, size, "the peer ended it");
    ERR_clear_error();
}

/* Nobody can type a password here. */
static int no_password(char *out, int size, int is_writing, void *context)
{
    (void)out, (void)size, (void)is_writing, (void)context;
    return 0;
}

static enum err failed(const struct tls_context *c, const char *key, const char *file, const char *mend,
                       struct err_msg *msg)
{
    char why[128];
    tls_error_text(why, sizeof why);
    return err_set(msg, ERR_INVALID, "listener %s: %s %s: %s%s", c->listener, key, file, why, mend);
}

static enum err load_client_ca(const struct tls_context *c, SSL_CTX *ctx, struct err_msg *msg)
{
    if (c->client_certificates == CLIENT_CERTIFICATES_NONE) return ERR_OK;
    if (SSL_CTX_load_verify_locations(ctx, c->client_ca, NULL) != 1)
        return failed(c, "tls_client_ca", c->client_ca, "", msg);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(c->client_ca); /* told to clients, which choose by it */
    if (names == NULL) return failed(c, "tls_client_ca", c->client_ca, "", msg);
    SSL_CTX_set_client_CA_list(ctx, names);
    bool is_required = c->client_certificates == CLIENT_CERTIFICATES_REQUIRED;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    return ERR_OK;
}

static enum err load(const struct tls_context *c, SSL_CTX *ctx, struct err_msg *msg)
{
    static const unsigned char session_context[] = "millrace";
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* an idle connection keeps none */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets alone: they keep nothing here */
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    if (SSL_CTX_use_certificate_chain_file(ctx, c->certificate) != 1)
        return failed(c, "tls_certificate", c->certificate, "", msg);
    if (SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM) != 1)
        return failed(c, "tls_key", c->key, " (it must be the key of tls_certificate, a PEM file without a password)",
                      msg);
    return load_client_ca(c, ctx, msg);
}

/* Says until when it is good. */
static void tell_validity(const struct tls_context *c, SSL_CTX *ctx)
{
    char until[64] = "?";
    const X509 *certificate = SSL_CTX_get0_certificate(ctx);
    const ASN1_TIME *end = certificate == NULL ? NULL : X509_get0_notAfter(certificate);
    BIO *text = BIO_new(BIO_s_mem());
    if (end != NULL && text != NULL && ASN1_TIME_print(text, end) == 1) {
        int size = BIO_read(text, until, sizeof until - 1);
        until[size > 0 ? size : 0] = '\0';
    }
    BIO_free(text);
    if (end != NULL && X509_cmp_current_time(end) < 0)
        log_error("dataplane", "listener %s: the certificate %s has expired (%s): clients will refuse it; put a new "
                  "one there and send SIGHUP", c->listener, c->certificate, until);
    else
        log_info("dataplane", "listener %s: TLS with the certificate %s, valid until %s", c->listener, c->certificate,
                 until);
}

enum err tls_context_reload(struct tls_context *c, struct err_msg *msg)
{
    ERR_clear_error();
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());
    if (made == NULL) return err_set(msg, ERR_NO_MEMORY, "listener %s: no memory for TLS", c->listener);
    enum err e = load(c, made, msg);
    if (e != ERR_OK) {
        SSL_CTX_free(made);
        return e;
    }
    tell_validity(c, made);
    pthread_mutex_lock(&c->lock);
    SSL_CTX *former = c->newest;
    c->newest = made;
    pthread_mutex_unlock(&c->lock);
    SSL_CTX_free(former); /* lives on in the connections that began with it */
    return ERR_OK;
}

enum err tls_context_open(struct tls_context **out, const char *listener, const struct tls_config *config,
                          struct err_msg *msg)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(msg, ERR_NO_MEMORY, "listener %s: no memory for TLS", listener);
    snprintf(c->listener, sizeof c->listener, "%s", listener);
    snprintf(c->certificate, sizeof c->certificate, "%s", config->certificate);
    snprintf(c->key, sizeof c->key, "%s", config->key == NULL ? "" : config->key);
    snprintf(c->client_ca, sizeof c->client_ca, "%s", config->client_ca == NULL ? "" : config->client_ca);
    c->client_certificates = config->client_certificates;
    pthread_mutex_init(&c->lock, NULL);
    enum err e = tls_context_reload(c, msg);
    if (e == ERR_OK) *out = c;
    else tls_context_close(c);
    return e;
}

void tls_context_close(struct tls_context *c)
{
    if (c == NULL) return;
    SSL_CTX_free(c->newest);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

SSL *tls_context_session(struct tls_context *c)
{
    pthread_mutex_lock(&c->lock);
    SSL_CTX *ctx = c->newest;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&c->lock);
    SSL *made = SSL_new(ctx);
    SSL_CTX_free(ctx);
    return made;
}
