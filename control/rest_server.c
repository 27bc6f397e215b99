#include "control/rest_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "control/rest.h"

enum {
    CONNECTIONS_MAX = 64,
    CONNECTIONS_PER_ADDRESS_MAX = 16, /* of another machine: nobody there shall take all of them */
    CONNECTION_BYTES = 32 * 1024,
    CONNECTION_TIMEOUT_S = 30,        /* of silence */
    REQUEST_S = 10,                   /* to send a whole request, or to take a whole answer */
    DROPPED_BYTES_MAX = 16 << 20,     /* of a body that is too large: then the connection is closed */
    PEM_BYTES_MAX = 1 << 20,
};

struct rest_connection {
    struct rest_connection *next, **link;
    int fd;
    uint64_t since_ns; /* of its last progress: a whole request, a whole answer */
};

struct rest_server {
    struct MHD_Daemon *daemon;
    struct instance *instance;
    struct rest_connection *connections;
    char *certificate, *key; /* PEM; NULL: plain HTTP */
    int epoll_fd;
    uint16_t port;
};

struct rest_exchange { /* one request while it arrives */
    char *body;
    size_t body_bytes, dropped_bytes;
};

static struct rest_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void note_progress(struct rest_server *s, struct MHD_Connection *connection)
{
    struct rest_connection *c = connection_of(connection);
    if (c != NULL) c->since_ns = clock_monotonic_ns(s->instance->clock);
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct rest_server *s = context;
    struct rest_connection *c = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (c == NULL) return;
        *c->link = c->next;
        if (c->next != NULL) c->next->link = c->link;
        free(c);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    c = info == NULL ? NULL : malloc(sizeof *c);
    if (c == NULL) return; /* then the time of silence alone bounds it */
    *c = (struct rest_connection){.next = s->connections, .link = &s->connections, .fd = info->connect_fd,
                                  .since_ns = clock_monotonic_ns(s->instance->clock)};
    if (c->next != NULL) c->next->link = &c->next;
    s->connections = c;
    *socket_context = c;
}

/* Who sends a byte now and then would keep its connection for ever; the library only ends those that are silent. */
static void end_slow_connections(const struct rest_server *s)
{
    uint64_t now_ns = clock_monotonic_ns(s->instance->clock);
    for (const struct rest_connection *c = s->connections; c != NULL; c = c->next)
        if (now_ns - c->since_ns > (uint64_t)REQUEST_S * 1000000000) shutdown(c->fd, SHUT_RDWR);
}

static enum MHD_Result respond(struct MHD_Connection *connection, struct rest_response *response)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(response->body_bytes, response->body, MHD_RESPMEM_MUST_FREE);
    if (r == NULL) {
        free(response->body);
        return MHD_NO;
    }
    if (response->content_type != NULL)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    if (response->allow != NULL) MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, response->allow);
    if (response->challenge != NULL)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, response->challenge);
    if (response->policy != NULL) MHD_add_response_header(r, "Content-Security-Policy", response->policy);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    enum MHD_Result done = MHD_queue_response(connection, response->status, r);
    MHD_destroy_response(r);
    return done;
}

static const char *query_value(void *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool body_append(struct rest_exchange *x, const char *bytes, size_t size)
{
    if (x->body_bytes + size > REST_BODY_BYTES_MAX) return false;
    if (x->body == NULL) x->body = malloc(REST_BODY_BYTES_MAX);
    if (x->body == NULL) return false;
    memcpy(x->body + x->body_bytes, bytes, size);
    x->body_bytes += size;
    return true;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)version;
    struct rest_server *s = context;
    struct rest_exchange *x = *state;
    if (x == NULL) { /* headers are there, the body is not */
        *state = calloc(1, sizeof *x);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_size > 0) {
        if (x->dropped_bytes > 0 || !body_append(x, upload, *upload_size))
            x->dropped_bytes += *upload_size; /* read on, drop, then say so: who still sends would not see an answer */
        *upload_size = 0;
        return x->dropped_bytes > DROPPED_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    struct rest_response response;
    note_progress(s, connection);
    if (x->dropped_bytes > 0) {
        rest_problem(&response, 413, "a request's body may have at most %d bytes", REST_BODY_BYTES_MAX);
    } else {
        struct rest_request request = {
            .method = method,
            .path = url,
            .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
            .origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN),
            .authorization =
                MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION),
            .query = query_value,
            .carrier = connection,
            .body = x->body,
            .body_bytes = x->body_bytes,
        };
        rest_answer(s->instance, &request, &response);
    }
    return respond(connection, &response);
}

static void completed(void *context, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode why)
{
    (void)why;
    struct rest_exchange *x = *state;
    note_progress(context, connection);
    if (x == NULL) return;
    if (x->body != NULL) explicit_bzero(x->body, x->body_bytes); /* it may hold a password */
    free(x->body);
    free(x);
    *state = NULL;
}

bool rest_address_is_loopback(const struct config *c)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, c->rest_address, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, c->rest_address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Elsewhere than on this machine nobody comes without a token, and no token travels in the clear. */
static enum err check_exposure(const struct instance *in, struct err_msg *msg)
{
    const struct config *c = &in->config;
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, c->rest_address, &v4) != 1 && inet_pton(AF_INET6, c->rest_address, &v6) != 1)
        return err_set(msg, ERR_INVALID, "rest_address '%s' is not an IPv4 or IPv6 address", c->rest_address);
    if ((c->rest_tls_certificate[0] == '\0') != (c->rest_tls_key[0] == '\0'))
        return err_set(msg, ERR_INVALID, "rest_tls_certificate and rest_tls_key go together");
    if (rest_address_is_loopback(c)) return ERR_OK;
    if (in->tokens.count == 0)
        return err_set(msg, ERR_INVALID,
                       "rest_address '%s' can be reached from other machines, and there is no token yet: listen on "
                       "127.0.0.1 first and make one (millrace token create NAME --role admin), or name one in "
                       "rest_admin_token_file or $MILLRACE_ADMIN_TOKEN", c->rest_address);
    if (c->rest_tls_certificate[0] == '\0')
        return err_set(msg, ERR_INVALID,
                       "rest_address '%s' can be reached from other machines, where tokens must not travel in the "
                       "clear: set rest_tls_certificate and rest_tls_key, or listen on 127.0.0.1", c->rest_address);
    return ERR_OK;
}

static enum err listen_on(const struct config *c, int *out, uint16_t *port, struct err_msg *msg)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->rest_port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)c->rest_port)};
    bool is_v4 = inet_pton(AF_INET, c->rest_address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, c->rest_address, &v6.sin6_addr) != 1) return ERR_INVALID;
    struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
    int on = 1;
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, address, size) != 0 ||
        listen(fd, 64) != 0 || getsockname(fd, address, &size) != 0) {
        int why = errno;
        if (fd >= 0) close(fd);
        return err_set(msg, ERR_IO, "the REST API cannot listen on %s port %d: %s%s", c->rest_address,
                       (int)c->rest_port, strerror(why), why == EADDRINUSE ? "; choose another rest_port" : "");
    }
    *port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    *out = fd;
    return ERR_OK;
}

/* --- TLS, by the library that carries HTTP --- */

static void pem_free(char *pem)
{
    if (pem != NULL) explicit_bzero(pem, strlen(pem));
    free(pem);
}

/* NULL: it cannot be read, which msg says. */
static char *pem_read(const char *path, struct err_msg *msg)
{
    char *pem = calloc(1, PEM_BYTES_MAX + 1);
    int fd = pem == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, pem, PEM_BYTES_MAX);
    int why = errno;
    if (fd >= 0) close(fd);
    if (size > 0) return pem;
    err_set(msg, ERR_IO, "the REST API's certificate or key cannot be read from %s: %s", path,
            size == 0 ? "it is empty" : strerror(why));
    free(pem);
    return NULL;
}

static enum err read_certificate(struct rest_server *s, struct err_msg *msg)
{
    const struct config *c = &s->instance->config;
    if (c->rest_tls_certificate[0] == '\0') return ERR_OK;
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return err_set(msg, ERR_UNSUPPORTED, "the libmicrohttpd of this machine was built without TLS: install one "
                       "that has it, or listen on 127.0.0.1 without rest_tls_certificate");
    char *certificate = pem_read(c->rest_tls_certificate, msg);
    char *key = certificate == NULL ? NULL : pem_read(c->rest_tls_key, msg);
    if (key == NULL) {
        pem_free(certificate);
        return ERR_IO;
    }
    pem_free(s->certificate);
    pem_free(s->key);
    s->certificate = certificate;
    s->key = key;
    return ERR_OK;
}

/* Borrows the listening socket.  The library gets one of its own: it closes that, also when it cannot start with TLS,
 * and by then the number may already be another thread's. */
static enum err start_daemon(struct rest_server *s, int listening_fd, struct err_msg *msg)
{
    int fd = fcntl(listening_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return err_set(msg, ERR_IO, "the REST API could not be started: %s", strerror(errno));
    bool is_tls = s->certificate != NULL;
    unsigned per_address = rest_address_is_loopback(&s->instance->config) ? 0 : CONNECTIONS_PER_ADDRESS_MAX;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, s->certificate},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, s->key},
                                   {MHD_OPTION_END, 0, NULL}};
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | (is_tls ? MHD_USE_TLS : 0), 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_ARRAY, is_tls ? tls : tls + 2, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        s->daemon == NULL ? NULL : MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        if (s->daemon != NULL) MHD_stop_daemon(s->daemon);
        s->daemon = NULL;
        return err_set(msg, ERR_IO, "the REST API could not be started%s",
                       is_tls ? ": rest_tls_certificate and rest_tls_key do not belong to each other, or are no PEM"
                              : "");
    }
    s->epoll_fd = info->epoll_fd;
    return ERR_OK;
}

enum err rest_server_start(struct rest_server **out, struct instance *in, struct err_msg *msg)
{
    int fd = -1;
    struct rest_server *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the REST API");
    s->instance = in;
    enum err e = check_exposure(in, msg);
    if (e == ERR_OK) e = read_certificate(s, msg);
    if (e == ERR_OK) e = listen_on(&in->config, &fd, &s->port, msg);
    if (e == ERR_OK) e = start_daemon(s, fd, msg);
    if (fd >= 0) close(fd);
    if (e != ERR_OK) {
        rest_server_stop(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void rest_server_reload_certificate(struct rest_server *s)
{
    struct err_msg msg = {.code = ERR_OK};
    if (s->certificate == NULL) return;
    char *certificate = s->certificate, *key = s->key;
    s->certificate = s->key = NULL;
    enum err e = read_certificate(s, &msg);
    struct MHD_Daemon *before = s->daemon;
    if (e == ERR_OK)
        e = start_daemon(s, MHD_get_daemon_info(before, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd, &msg);
    if (e == ERR_OK) {
        pem_free(certificate);
        pem_free(key);
        MHD_stop_daemon(before); /* its connections end: clients come again */
        log_info("control", "the REST API's certificate was read again");
        return;
    }
    pem_free(s->certificate);
    pem_free(s->key);
    s->certificate = certificate;
    s->key = key;
    s->daemon = before;
    log_error("control", "%s; the certificate of before stays", msg.text);
}

void rest_server_stop(struct rest_server *s)
{
    if (s == NULL) return;
    if (s->daemon != NULL) MHD_stop_daemon(s->daemon);
    pem_free(s->certificate);
    pem_free(s->key);
    free(s);
}

uint16_t rest_server_port(const struct rest_server *s)
{
    return s->port;
}
int rest_server_fd(const struct rest_server *s)
{
    return s->epoll_fd;
}

int rest_server_timeout_ms(const struct rest_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(s->daemon, &timeout_ms) != MHD_YES) return -1;
    return timeout_ms > 60000 ? 60000 : (int)timeout_ms;
}

void rest_server_run(struct rest_server *s)
{
    end_slow_connections(s);
    if (MHD_run(s->daemon) != MHD_YES) log_warn("control", "the REST API's server reports a failure");
}
