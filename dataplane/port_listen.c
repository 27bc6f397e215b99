#include "dataplane/port_kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static enum err address_of(const char *host, uint16_t port, struct sockaddr_storage *out, socklen_t *size,
                           struct err_msg *msg)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *size = sizeof *v4;
        return ERR_OK;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *size = sizeof *v6;
        return ERR_OK;
    }
    return err_set(msg, ERR_INVALID, "'%s' is not an IPv4 or IPv6 address to listen on", host);
}

static enum err bound_socket(const struct sockaddr_storage *address, socklen_t size, bool is_shared, int *out)
{
    int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return ERR_IO;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* not held back by the last run's connections */
    if (is_shared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, size) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return ERR_IO;
    }
    *out = fd;
    return ERR_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0) return 0;
    if (a.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
}

/* A socket that does not share finds out whether the address is in use: sharing ones would quietly join
 * another process of the same user. */
static enum err address_probe(const struct sockaddr_storage *address, socklen_t size)
{
    int fd;
    TRY(bound_socket(address, size, false, &fd));
    enum err e = listen(fd, 1) == 0 ? ERR_OK : ERR_IO;
    int why = errno;
    close(fd);
    errno = why;
    return e;
}

enum err port_kernel_listen(const char *host, uint16_t port, uint32_t count, int *out, uint16_t *actual_port,
                            struct err_msg *msg)
{
    struct sockaddr_storage address;
    socklen_t size;
    uint32_t opened = 0;
    uint16_t wanted = port;
    TRY(address_of(host, port, &address, &size, msg));
    enum err e = port == 0 ? ERR_OK : address_probe(&address, size);
    while (e == ERR_OK && opened < count) {
        e = bound_socket(&address, size, count > 1, &out[opened]);
        if (e != ERR_OK) break;
        opened++;
        if (listen(out[opened - 1], BACKLOG) != 0) e = ERR_IO;
        wanted = port_of(out[opened - 1]);
        if (e == ERR_OK && port == 0) e = address_of(host, wanted, &address, &size, msg);
    }
    if (e == ERR_OK) {
        *actual_port = wanted;
        return ERR_OK;
    }
    int why = errno;
    while (opened > 0) close(out[--opened]);
    return err_set(msg, ERR_IO, "cannot listen on %s port %u: %s", host, port, strerror(why));
}
