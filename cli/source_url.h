/* cli/source_url.h -- mysql://user:password@host:port, taken apart.  Percent-encoding as in RFC 3986. */
#ifndef CLI_SOURCE_URL_H
#define CLI_SOURCE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SOURCE_URL_PART_MAX = 256 };

struct source_url {
    char user[SOURCE_URL_PART_MAX + 1];
    char password[SOURCE_URL_PART_MAX + 1];
    bool has_password;                  /* "user@" has none, "user:@" has an empty one */
    char host[SOURCE_URL_PART_MAX + 1]; /* decoded; a path when it begins with '/' (written %2Frun%2Fmysqld.sock) */
    uint16_t port;                      /* 3306 when not given */
};

/* ERR_INVALID: msg says what is wrong, without repeating the password. */
NODISCARD enum err source_url_parse(const char *url, struct source_url *out, struct err_msg *msg);

#endif
