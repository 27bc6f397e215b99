#include "bench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

size_t wire_number(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return bytes;
}

size_t wire_text(uint8_t *out, const char *text)
{
    size_t size = strlen(text);
    wire_number(out, size, 2);
    memcpy(out + 2, text, size);
    return 2 + size;
}

uint64_t wire_read(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value = value << 8 | at[i];
    return value;
}

static void broken(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno == 0 ? "the server hung up" : strerror(errno));
    exit(1);
}

void wire_send(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        if (n <= 0) broken("sending");
        done += (size_t)n;
    }
}

void wire_receive(int fd, void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        errno = 0;
        ssize_t n = recv(fd, (char *)out + done, size - done, 0);
        if (n <= 0) broken("receiving");
        done += (size_t)n;
    }
}

int wire_connect(const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    bool is_address = inet_pton(AF_INET, address, &to.sin_addr) == 1;
    if (!is_address || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) broken("connecting");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

size_t wire_fetch(uint8_t out[static WIRE_FETCH_BYTES_MAX], const char *topic, uint64_t offset)
{
    size_t at = 4;
    at += wire_number(out + at, 1, 2); /* Fetch */
    at += wire_number(out + at, 11, 2);
    at += wire_number(out + at, 1, 4);
    at += wire_text(out + at, "bench");
    at += wire_number(out + at, UINT32_MAX, 4); /* replica */
    at += wire_number(out + at, 500, 4);        /* max_wait_ms */
    at += wire_number(out + at, 1, 4);
    at += wire_number(out + at, 50 << 20, 4);
    at += wire_number(out + at, 0, 1);
    at += wire_number(out + at, 0, 4); /* session */
    at += wire_number(out + at, UINT32_MAX, 4);
    at += wire_number(out + at, 1, 4);
    at += wire_text(out + at, topic);
    at += wire_number(out + at, 1, 4);
    at += wire_number(out + at, 0, 4);
    at += wire_number(out + at, UINT32_MAX, 4); /* leader epoch */
    at += wire_number(out + at, offset, 8);
    at += wire_number(out + at, UINT64_MAX, 8);
    at += wire_number(out + at, 1 << 20, 4);
    at += wire_number(out + at, 0, 4); /* forgotten */
    at += wire_text(out + at, "");
    wire_number(out, at - 4, 4);
    return at;
}

size_t wire_fetched(const uint8_t *bytes, size_t size, const char *topic, uint32_t *records_bytes)
{
    size_t at = 4 + 4 + 4 + 2 + 4 + 4 + 2 + strlen(topic) + 4 + 4; /* up to the partition's error */
    if (size < at + 2 + 8 + 8 + 8 + 4 + 4 + 4) return 0;
    unsigned error = (unsigned)(wire_read(bytes + 12, 2) | wire_read(bytes + at, 2));
    int32_t aborted = (int32_t)wire_read(bytes + at + 26, 4);
    if (error != 0 || aborted > 0) {
        fprintf(stderr, "Fetch of topic %s: error %u\n", topic, error);
        exit(1);
    }
    *records_bytes = (uint32_t)wire_read(bytes + at + 34, 4);
    return at + 38;
}
