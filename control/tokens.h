/* control/tokens.h -- who may use the REST API: bearer tokens (RFC 6750) with a role.
 *
 * A token is 256 random bits, so its SHA-256 is all that is kept: nobody can guess what it was made from.  They stand
 * in DATA/tokens.json (mode 0600); one more may come from the configuration.  Control thread only. */
#ifndef CONTROL_TOKENS_H
#define CONTROL_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "dataplane/auth/digest.h"

enum { TOKENS_MAX = 100, TOKEN_NAME_MAX = 64, TOKEN_ID_BYTES = 12, TOKEN_TEXT_BYTES = 56, TOKENS_PATH_BYTES = 1100 };

enum role {
    ROLE_NONE,
    ROLE_VIEWER, /* may look */
    ROLE_ADMIN,  /* may do everything */
};

struct token {
    char id[TOKEN_ID_BYTES];
    char name[TOKEN_NAME_MAX + 1]; /* what a person calls it */
    enum role role;
    uint8_t digest[DIGEST_BYTES];
    uint64_t created_ms;
    bool is_configured; /* not in the file */
};

struct tokens {
    char path[TOKENS_PATH_BYTES];
    struct token list[TOKENS_MAX + 1]; /* one may be configured */
    uint32_t count;
};

/* Reads the file, if there is one.  `configured`: an admin's token from elsewhere, NULL: none.  ERR_CORRUPT, ERR_IO,
 * ERR_NEWER_FORMAT, ERR_INVALID (the configured one is too short to be a secret): msg says what to do. */
NODISCARD enum err tokens_open(struct tokens *t, const char *data_folder, const char *configured, struct err_msg *msg);

/* The role of an Authorization header; NULL, another scheme or an unknown token: none. */
enum role tokens_role(const struct tokens *t, const char *authorization);

/* Makes one; `text` is the only place where it ever stands.  The first one must be an admin's, for it closes the API to
 * those without.  ERR_STATE, ERR_TOO_LARGE, ERR_NO_SPACE, ERR_IO. */
NODISCARD enum err tokens_add(struct tokens *t, const char *name, enum role role, uint64_t now_ms,
                              char text[static TOKEN_TEXT_BYTES], const struct token **made, struct err_msg *msg);
/* ERR_NOT_FOUND; ERR_STATE: it is configured, or the last admin's beside others or while `must_stay`. */
NODISCARD enum err tokens_remove(struct tokens *t, const char *id, bool must_stay, struct err_msg *msg);

const char *role_name(enum role role);
bool role_of_name(const char *name, enum role *role); /* false: no role */

#endif
