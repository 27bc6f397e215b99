/* dataplane/auth/directory.h -- the accounts at one moment, found by user.  Never changed, replaced as a whole. */
#ifndef DATAPLANE_AUTH_DIRECTORY_H
#define DATAPLANE_AUTH_DIRECTORY_H

#include "dataplane/auth/account.h"

enum { DIRECTORY_KEY_BYTES = 32 };

struct directory_entry {
    char user[ACCOUNT_USER_BYTES];
    uint32_t slot; /* the authority's; UINT32_MAX: none yet */
    struct account account;
};

struct directory {
    uint8_t  salt_key[DIRECTORY_KEY_BYTES];
    uint32_t count;
    struct directory_entry entry[]; /* by user */
};

/* A copy of the accounts; users are unique.  `salt_key`: what salts of unknown users are made of; secret, and the same
 * after a restart.  The caller frees it with directory_free.  ERR_NO_MEMORY. */
NODISCARD enum err directory_new(struct directory **out, const struct account *accounts, uint32_t count,
                                 const uint8_t salt_key[DIRECTORY_KEY_BYTES]);
void               directory_free(struct directory *d);
size_t             directory_bytes(uint32_t count);

/* NULL: nobody has this name. */
struct directory_entry *directory_find(const struct directory *d, const char *user);
/* The verifier that nobody's password fits, for a user who is not there: the same salt each time, as a real one's. */
void directory_fake(const struct directory *d, const char *user, enum scram_hash hash, struct scram_verifier *out);

#endif
