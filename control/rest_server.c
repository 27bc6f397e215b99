#include "control/rest_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "control/rest.h"

enum { CONNECTIONS_MAX = 64, CONNECTION_BYTES = 32 * 1024, CONNECTION_TIMEOUT_S = 30 };

struct rest_server {
    struct MHD_Daemon *daemon;
    struct instance *instance;
    int epoll_fd;
    uint16_t port;
};

struct rest_exchange { /* one request while it arrives */
    char *body;
    size_t body_bytes;
    bool is_too_large;
};

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
        if (!x->is_too_large && !body_append(x, upload, *upload_size))
            x->is_too_large = true; /* read on, drop, then say so */
        *upload_size = 0;
        return MHD_YES;
    }
    struct rest_response response;
    if (x->is_too_large) {
        rest_problem(&response, 413, "a request's body may have at most %d bytes", REST_BODY_BYTES_MAX);
    } else {
        struct rest_request request = {
            .method = method,
            .path = url,
            .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
            .origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN),
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
    (void)context, (void)connection, (void)why;
    struct rest_exchange *x = *state;
    if (x == NULL) return;
    if (x->body != NULL) explicit_bzero(x->body, x->body_bytes); /* it may hold a password */
    free(x->body);
    free(x);
    *state = NULL;
}

static enum err listen_on(const struct config *c, int *out, uint16_t *port, struct err_msg *msg)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->rest_port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)c->rest_port)};
    bool is_v4 = inet_pton(AF_INET, c->rest_address, &v4.sin_addr) == 1;
    bool is_loopback =
        is_v4 ? (ntohl(v4.sin_addr.s_addr) >> 24) == 127
              : inet_pton(AF_INET6, c->rest_address, &v6.sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    if (!is_loopback)
        return err_set(msg, ERR_INVALID,
                       "rest_address '%s' is not a loopback address: the REST API has no login yet, so only this "
                       "machine may reach it; use 127.0.0.1 or ::1",
                       c->rest_address);
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

enum err rest_server_start(struct rest_server **out, struct instance *in, struct err_msg *msg)
{
    int fd = -1;
    struct rest_server *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the REST API");
    s->instance = in;
    enum err e = listen_on(&in->config, &fd, &s->port, msg);
    if (e != ERR_OK) {
        free(s);
        return e;
    }
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, completed,
        NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        s->daemon == NULL ? NULL : MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        if (s->daemon != NULL)
            MHD_stop_daemon(s->daemon);
        else
            close(fd);
        free(s);
        return err_set(msg, ERR_IO, "the REST API could not be started");
    }
    s->epoll_fd = info->epoll_fd;
    *out = s;
    return ERR_OK;
}

void rest_server_stop(struct rest_server *s)
{
    if (s == NULL) return;
    MHD_stop_daemon(s->daemon);
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
    if (MHD_run(s->daemon) != MHD_YES) log_warn("control", "the REST API's server reports a failure");
}
