#include "capture/mysql_connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

/* --- errors --- */

enum server_error { /* numbers of the server and of the library */
    SERVER_TOO_MANY_CONNECTIONS = 1040,
    SERVER_DB_ACCESS_DENIED = 1044,
    SERVER_ACCESS_DENIED = 1045,
    SERVER_SHUTDOWN = 1053,
    SERVER_HOST_BLOCKED = 1129,
    SERVER_HOST_NOT_PRIVILEGED = 1130,
    SERVER_TABLE_ACCESS_DENIED = 1142,
    SERVER_USER_LIMIT = 1203,
    SERVER_SPECIFIC_ACCESS_DENIED = 1227,
    SERVER_INTERRUPTED = 1317,
    SERVER_ACCESS_DENIED_NO_PASSWORD = 1698,
    SERVER_KILLED = 1927,
    SERVER_SECURE_TRANSPORT_REQUIRED = 3159,
    CLIENT_FIRST = 2000,
    CLIENT_LAST = 2099,
    CLIENT_PACKET_TOO_LARGE = 2020,
    CLIENT_TLS = 2026,
    CLIENT_AUTH_PLUGIN = 2059,
    CLIENT_AUTH_PLUGIN_ERROR = 2061,
};

enum err mysql_error_code(unsigned number, bool connecting)
{
    switch (number) {
    case SERVER_DB_ACCESS_DENIED:
    case SERVER_ACCESS_DENIED:
    case SERVER_HOST_NOT_PRIVILEGED:
    case SERVER_TABLE_ACCESS_DENIED:
    case SERVER_SPECIFIC_ACCESS_DENIED:
    case SERVER_ACCESS_DENIED_NO_PASSWORD:
    case CLIENT_AUTH_PLUGIN:
    case CLIENT_AUTH_PLUGIN_ERROR: return ERR_ACCESS_DENIED;
    case SERVER_TOO_MANY_CONNECTIONS:
    case SERVER_USER_LIMIT:
    case SERVER_HOST_BLOCKED: return ERR_CONNECT;
    case SERVER_SHUTDOWN:
    case SERVER_INTERRUPTED:
    case SERVER_KILLED: return ERR_DISCONNECTED;
    case CLIENT_PACKET_TOO_LARGE: return ERR_TOO_LARGE;
    case CLIENT_TLS: return connecting ? ERR_SOURCE_CONFIG : ERR_DISCONNECTED;
    case SERVER_SECURE_TRANSPORT_REQUIRED: return ERR_SOURCE_CONFIG;
    default: break;
    }
    if (number >= CLIENT_FIRST && number <= CLIENT_LAST) return connecting ? ERR_CONNECT : ERR_DISCONNECTED;
    return ERR_INVALID;
}

static enum err connect_failed(const struct source_stream_config *c, MYSQL *mysql, struct err_msg *msg)
{
    unsigned number = mysql_errno(mysql);
    const char *text = mysql_error(mysql);
    enum err code = mysql_error_code(number, true);
    switch (code) {
    case ERR_ACCESS_DENIED:
        return err_set(msg, code,
                       "the source refused user '%s' at %s:%u: %s (error %u); check user and password and from which "
                       "hosts the account may connect",
                       c->user, c->host, c->port, text, number);
    case ERR_SOURCE_CONFIG:
        if (number == SERVER_SECURE_TRANSPORT_REQUIRED || c->tls.mode == SOURCE_TLS_OFF)
            return err_set(msg, code, "the source at %s:%u wants TLS: %s (error %u); set source.tls.mode", c->host,
                           c->port, text, number);
        return err_set(msg, code,
                       "no TLS connection to the source at %s:%u: %s (error %u); check source.tls and the server's "
                       "certificate",
                       c->host, c->port, text, number);
    default:
        return err_set(msg, ERR_CONNECT, "cannot connect to the source at %s:%u: %s (error %u)", c->host, c->port, text,
                       number);
    }
}

/* --- TLS --- */

static bool is_set(const char *path)
{
    return path != NULL && path[0] != '\0';
}

static void tls_options(MYSQL *mysql, const struct source_tls *t)
{
    bool verifies = t->mode == SOURCE_TLS_VERIFY_CA || t->mode == SOURCE_TLS_VERIFY_IDENTITY;
    if (t->mode != SOURCE_TLS_OFF) {
        if (is_set(t->certificate)) mysql_options(mysql, MYSQL_OPT_SSL_CERT, t->certificate);
        if (is_set(t->key)) mysql_options(mysql, MYSQL_OPT_SSL_KEY, t->key);
        if (verifies) mysql_options(mysql, MYSQL_OPT_SSL_CA, t->ca); /* with it the library checks the chain */
    }
#ifdef MARIADB_PACKAGE_VERSION
    my_bool wanted = t->mode != SOURCE_TLS_OFF, named = t->mode == SOURCE_TLS_VERIFY_IDENTITY;
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &wanted); /* asks for it; whether it came is looked at afterwards */
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &named);
#else
    static const unsigned modes[] = {
        [SOURCE_TLS_OFF] = SSL_MODE_DISABLED,
        [SOURCE_TLS_PREFERRED] = SSL_MODE_PREFERRED,
        [SOURCE_TLS_REQUIRED] = SSL_MODE_REQUIRED,
        [SOURCE_TLS_VERIFY_CA] = SSL_MODE_VERIFY_CA,
        [SOURCE_TLS_VERIFY_IDENTITY] = SSL_MODE_VERIFY_IDENTITY,
    };
    mysql_options(mysql, MYSQL_OPT_SSL_MODE, &modes[t->mode]);
    bool get_key = true; /* for caching_sha2_password and sha256_password without TLS */
    mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &get_key);
#endif
}

/* --- the thread that connects --- */

struct attempt {
    struct mysql_gate *gate; /* the lock is its; NULL: whoever waited has gone */
    pthread_mutex_t lock;    /* of `gate` and `is_done` */
    MYSQL *mysql;
    char *host, *user, *password;
    uint16_t port;
    bool is_done, has_failed;
};

static void attempt_free(struct attempt *a)
{
    if (a->mysql != NULL) mysql_close(a->mysql);
    pthread_mutex_destroy(&a->lock);
    free(a->host);
    free(a->user);
    if (a->password != NULL) explicit_bzero(a->password, strlen(a->password));
    free(a->password);
    free(a);
}

static void *attempt_body(void *argument)
{
    struct attempt *a = argument;
    mysql_thread_init();
    bool is_path = a->host[0] == '/';
    bool has_failed = mysql_real_connect(a->mysql, is_path ? NULL : a->host, a->user, a->password, NULL,
                                         is_path ? 0 : a->port, is_path ? a->host : NULL, 0) == NULL;
    mysql_thread_end();
    pthread_mutex_lock(&a->lock);
    a->has_failed = has_failed;
    struct mysql_gate *gate = a->gate;
    if (gate != NULL) { /* the gate lives while it is named here: who leaves takes this lock first */
        pthread_mutex_lock(&gate->lock);
        a->is_done = true;
        pthread_cond_broadcast(&gate->moved);
        pthread_mutex_unlock(&gate->lock);
    }
    pthread_mutex_unlock(&a->lock);
    if (gate == NULL) attempt_free(a);
    return NULL;
}

static struct attempt *attempt_new(struct mysql_gate *gate, const struct source_stream_config *c,
                                   unsigned read_timeout_s)
{
    struct attempt *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    pthread_mutex_init(&a->lock, NULL);
    a->gate = gate;
    a->port = c->port;
    a->host = strdup(c->host);
    a->user = strdup(c->user);
    a->password = strdup(c->password);
    a->mysql = mysql_init(NULL);
    if (a->host == NULL || a->user == NULL || a->password == NULL || a->mysql == NULL) {
        attempt_free(a);
        return NULL;
    }
    unsigned timeout_s = c->connect_timeout_s;
    unsigned long packet_max = (unsigned long)c->packet_bytes_max;
    mysql_options(a->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(a->mysql, MYSQL_OPT_READ_TIMEOUT, &read_timeout_s);
    mysql_options(a->mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_options(a->mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
    tls_options(a->mysql, &c->tls);
    unsigned protocol = c->host[0] == '/' ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(a->mysql, MYSQL_OPT_PROTOCOL, &protocol); /* else the library takes "localhost" for its own socket */
    return a;
}

/* Waits until the attempt is done or the gate is cut; false: cut, and the attempt is the thread's. */
static bool attempt_wait(struct attempt *a, struct mysql_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!a->is_done && !gate->is_cut) pthread_cond_wait(&gate->moved, &gate->lock);
    bool is_done = a->is_done;
    pthread_mutex_unlock(&gate->lock);
    if (is_done) return true;
    pthread_mutex_lock(&a->lock);
    is_done = a->is_done; /* it may have become so just now */
    a->gate = NULL;
    pthread_mutex_unlock(&a->lock);
    return is_done;
}

static enum err attempt_start(struct attempt *a, pthread_t *thread)
{
    enum err e = thread_start(thread, "source-connect", -1, attempt_body, a);
    if (e != ERR_OK) attempt_free(a);
    return e;
}

/* --- the gate --- */

void mysql_gate_init(struct mysql_gate *g)
{
    *g = (struct mysql_gate){.is_cut = false};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->moved, NULL);
}

void mysql_gate_fini(struct mysql_gate *g)
{
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->lock);
}

void mysql_gate_cut(struct mysql_gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->is_cut = true;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

enum err mysql_connect_open(MYSQL **out, struct mysql_gate *gate, const struct source_stream_config *config,
                            unsigned read_timeout_s, struct err_msg *msg)
{
    struct attempt *a = attempt_new(gate, config, read_timeout_s);
    pthread_t thread;
    if (a == NULL || attempt_start(a, &thread) != ERR_OK)
        return err_set(msg, ERR_NO_MEMORY, "no memory or no thread for a connection to the source");
    if (!attempt_wait(a, gate)) {
        pthread_detach(thread);
        return ERR_STOPPED;
    }
    pthread_join(thread, NULL);
    enum err e = ERR_OK;
    if (a->has_failed) {
        e = connect_failed(config, a->mysql, msg);
    } else if (config->tls.mode >= SOURCE_TLS_REQUIRED && mysql_get_ssl_cipher(a->mysql) == NULL) {
        e = err_set(msg, ERR_SOURCE_CONFIG,
                    "the source at %s:%u offers no TLS, and source.tls.mode asks for it; set it up there, or set the "
                    "mode to preferred or off",
                    config->host, config->port);
    } else {
        *out = a->mysql;
        a->mysql = NULL;
    }
    attempt_free(a);
    return e;
}
