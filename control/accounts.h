/* control/accounts.h -- who may log in: the consumer groups that an operator created, with account and password, and
 * the operators.  Kept in DATA/accounts.json (mode 0600, replaced atomically): verifiers, never passwords.
 *
 * The file is JSON: {"format": 1, "salt_key": hexadecimal, "accounts": [...], "crc32c": of the salt_key's text
 * and the accounts as compact JSON with sorted keys}.  Control thread only. */
#ifndef CONTROL_ACCOUNTS_H
#define CONTROL_ACCOUNTS_H

#include "base/err.h"
#include "dataplane/auth/directory.h"

enum { ACCOUNTS_OPERATORS_MAX = 100 };

struct accounts {
    char path[1100];
    uint32_t groups_per_channel_max, max;
    uint8_t salt_key[DIRECTORY_KEY_BYTES];
    uint64_t last_credential;
    struct account *list; /* owned; `max` of room */
    uint32_t count;
};

/* Accounts that there may be in all. */
static inline uint32_t accounts_max_of(uint32_t channels_max, uint32_t groups_per_channel_max)
{
    return channels_max * groups_per_channel_max + ACCOUNTS_OPERATORS_MAX;
}

/* Reads the file, or begins anew where there is none.  ERR_CORRUPT, ERR_NEWER_FORMAT, ERR_IO: msg names the file;
 * ERR_TOO_LARGE: it has more accounts than the configuration allows; ERR_NO_MEMORY.  accounts_close in any case. */
NODISCARD enum err accounts_open(struct accounts *a, const char *data_folder, uint32_t channels_max,
                                 uint32_t groups_per_channel_max, struct err_msg *msg);
void               accounts_close(struct accounts *a);

/* Valid until the next change; NULL: there is none. */
const struct account *accounts_find_group(const struct accounts *a, const char *group_id);
const struct account *accounts_find_operator(const struct accounts *a, const char *name);

/* A change is durable when it returns ERR_OK; else nothing changed (ERR_NO_SPACE, ERR_IO, ERR_NO_MEMORY).  Costs
 * milliseconds.
 * add: `who` names account, group and channel, or an operator's account alone.  ERR_INVALID: a name or the password is
 * not legal; ERR_EXISTS: the group, the operator, or an account with the same user; ERR_TOO_LARGE: no more groups in
 * this channel, or operators. */
NODISCARD enum err accounts_add(struct accounts *a, const struct account *who, const char *password,
                                struct err_msg *msg);
NODISCARD enum err accounts_set_password(struct accounts *a, const struct account *who, const char *password,
                                         struct err_msg *msg);
NODISCARD enum err accounts_remove(struct accounts *a, const struct account *who, struct err_msg *msg);
/* All groups of a channel. */
NODISCARD enum err accounts_remove_channel(struct accounts *a, const char *channel, struct err_msg *msg);

#endif
