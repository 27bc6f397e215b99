/* dataplane/auth/login.h -- one SASL exchange, step by step: PLAIN (RFC 4616) and SCRAM.  Pure but for nonces.
 *
 * It holds everything between two tokens of the client, and travels with them between the connection's thread and the
 * authority's: what a connection leaves behind when it goes in the middle is nothing. */
#ifndef DATAPLANE_AUTH_LOGIN_H
#define DATAPLANE_AUTH_LOGIN_H

#include "dataplane/auth/directory.h"

enum mechanism { MECHANISM_PLAIN, MECHANISM_SCRAM_SHA_256, MECHANISM_SCRAM_SHA_512, MECHANISM_COUNT };

const char *mechanism_name(enum mechanism m);
/* MECHANISM_COUNT: not one of ours. */
enum mechanism mechanism_find(const char *name, size_t size);

struct login {
    enum mechanism mechanism;
    bool is_challenged; /* SCRAM: the client's final message is awaited */
    struct scram_exchange scram;
};

enum login_result { LOGIN_GOES_ON, LOGIN_DONE, LOGIN_FAILED, LOGIN_BUSY /* nobody looked at it: the authority's */ };

struct login_step {
    enum login_result result;
    struct directory_entry *who; /* DONE: who it is.  FAILED: whose login failed, NULL: nobody's, or it is malformed */
    bool   is_malformed;         /* FAILED: no guess at a password, but bytes that no client sends */
    size_t answer_bytes;         /* may be 0: an empty token */
    char   answer[SCRAM_ANSWER_BYTES_MAX];
};

/* PLAIN's token: "[authorized] NUL user NUL password"; pieces of it, the password not terminated. */
struct plain_token {
    char user[SCRAM_USER_BYTES_MAX + 1]; /* "" when it is longer than any name */
    const char *password;
    size_t password_bytes;
};
/* ERR_INVALID: it is no such token, or wants to act for another. */
NODISCARD enum err plain_token_read(struct plain_token *out, const void *token, size_t size);

/* Takes the client's next token.  `checked`: for PLAIN, that this password is known to be right (a cache), which spares
 * its milliseconds. */
void login_step(struct login *l, const struct directory *d, const void *token, size_t size, bool checked,
                struct login_step *out);

#endif
