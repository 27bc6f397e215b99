#include "dataplane/auth/account.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"

bool account_word_is_legal(const char *word, size_t max)
{
    size_t size = strlen(word);
    return size > 0 && size <= max &&
           strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

void account_user(const struct account *a, char out[ACCOUNT_USER_BYTES])
{
    snprintf(out, ACCOUNT_USER_BYTES, "%s%s%s", a->name, a->group_id[0] == '\0' ? "" : "-", a->group_id);
}

enum err account_set_password(struct account *a, const char *password, size_t password_bytes)
{
    struct scram_verifier made[SCRAM_HASH_COUNT];
    for (int hash = 0; hash < SCRAM_HASH_COUNT; hash++) {
        uint8_t salt[SCRAM_SALT_BYTES];
        random_secret(salt, sizeof salt);
        TRY(scram_verifier_make(&made[hash], (enum scram_hash)hash, password, password_bytes, salt, SCRAM_ITERATIONS));
    }
    memcpy(a->verifier, made, sizeof made);
    return ERR_OK;
}
