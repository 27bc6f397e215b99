/* dataplane/auth/account.h -- who may log in, and what a connection knows of who did. */
#ifndef DATAPLANE_AUTH_ACCOUNT_H
#define DATAPLANE_AUTH_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/auth/scram.h"

enum {
    ACCOUNT_NAME_MAX  = 64,
    ACCOUNT_GROUP_MAX = 200,  /* a group's ID */
    ACCOUNT_CHANNEL_MAX = 100,
    ACCOUNT_USER_BYTES = ACCOUNT_NAME_MAX + 1 + ACCOUNT_GROUP_MAX + 1,
    ACCOUNT_PASSWORD_MIN = 8,
    ACCOUNT_PASSWORD_MAX = 256,
};

/* An operator has neither group nor channel, and sees all; a consumer sees its channel, and its group. */
struct account {
    char name[ACCOUNT_NAME_MAX + 1];
    char group_id[ACCOUNT_GROUP_MAX + 1];
    char channel[ACCOUNT_CHANNEL_MAX + 1];
    struct scram_verifier verifier[SCRAM_HASH_COUNT];
    uint64_t credential; /* not 0; another after each change of the password, and never used twice */
};

/* [A-Za-z0-9._-], not empty, at most `max` characters. */
bool account_word_is_legal(const char *word, size_t max);
/* The name to log in with: an operator's name, a consumer's NAME-GROUP.  NAME and GROUP may hold '-' themselves: users
 * are told apart as wholes, never by where a '-' stands, and no two accounts may make the same user. */
void account_user(const struct account *a, char out[ACCOUNT_USER_BYTES]);

/* The verifiers of a new password, with fresh salts.  Costs milliseconds.  ERR_NO_MEMORY. */
NODISCARD enum err account_set_password(struct account *a, const char *password, size_t password_bytes);

/* Who a connection speaks for.  Stays true as long as its credential does (authority_is_valid). */
struct principal {
    char name[ACCOUNT_NAME_MAX + 1];
    char group_id[ACCOUNT_GROUP_MAX + 1];   /* "": an operator */
    char channel[ACCOUNT_CHANNEL_MAX + 1];
    uint32_t slot; /* of the authority's table */
    uint64_t credential;
};

#endif
