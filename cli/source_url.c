#include "cli/source_url.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static enum err decode(const char *from, size_t size, const char *part, char *out, struct err_msg *msg)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < size ? hex_digit(from[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_digit(from[i + 2]);
            if (low < 0 || (high == 0 && low == 0))
                return err_set(msg, ERR_INVALID,
                               "the source's %s has a '%%' that is not followed by two hexadecimal digits; "
                               "write %%25 for the character itself",
                               part);
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (used == SOURCE_URL_PART_MAX) return err_set(msg, ERR_INVALID, "the source's %s is too long", part);
        out[used++] = c;
    }
    out[used] = '\0';
    return ERR_OK;
}

static enum err take_port(const char *from, uint16_t *out, struct err_msg *msg)
{
    char *end;
    unsigned long port = strtoul(from, &end, 10);
    if (*from < '0' || *from > '9' || (*end != '\0' && strcmp(end, "/") != 0) || port == 0 || port > UINT16_MAX)
        return err_set(msg, ERR_INVALID, "the source's port must be a number from 1 to 65535");
    *out = (uint16_t)port;
    return ERR_OK;
}

static enum err take_host(const char *from, struct source_url *u, struct err_msg *msg)
{
    size_t size;
    if (*from == '[') {
        const char *end = strchr(from, ']');
        if (end == NULL) return err_set(msg, ERR_INVALID, "the source's address has no closing ']'");
        TRY(decode(from + 1, (size_t)(end - from - 1), "host", u->host, msg));
        size = (size_t)(end - from) + 1;
    } else {
        size = strcspn(from, ":/?#");
        TRY(decode(from, size, "host", u->host, msg));
    }
    if (u->host[0] == '\0')
        return err_set(msg, ERR_INVALID, "the source has no host: write mysql://user:password@host:port");
    if (from[size] == ':') return take_port(from + size + 1, &u->port, msg);
    if (from[size] == '\0' || strcmp(from + size, "/") == 0) return ERR_OK;
    return err_set(msg, ERR_INVALID, "nothing may follow the source's port: tables are named by --tables");
}

enum err source_url_parse(const char *url, struct source_url *out, struct err_msg *msg)
{
    static const char scheme[] = "mysql://";
    struct source_url u = {.port = 3306};
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return err_set(msg, ERR_INVALID, "the source must be written mysql://user:password@host:port");
    const char *at = url + sizeof scheme - 1;
    const char *host = strrchr(at, '@'); /* the last: a password may hold others that nobody encoded */
    if (host == NULL || host == at)
        return err_set(msg, ERR_INVALID, "the source has no user: write mysql://user:password@host:port");
    const char *colon = memchr(at, ':', (size_t)(host - at));
    const char *user_end = colon == NULL ? host : colon;
    TRY(decode(at, (size_t)(user_end - at), "user", u.user, msg));
    if (u.user[0] == '\0') return err_set(msg, ERR_INVALID, "the source's user is empty");
    if (colon != NULL) {
        u.has_password = true;
        TRY(decode(colon + 1, (size_t)(host - colon - 1), "password", u.password, msg));
    }
    TRY(take_host(host + 1, &u, msg));
    *out = u;
    return ERR_OK;
}
