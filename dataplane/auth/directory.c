#include "dataplane/auth/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_user(const void *a, const void *b)
{
    return strcmp(((const struct directory_entry *)a)->user, ((const struct directory_entry *)b)->user);
}

size_t directory_bytes(uint32_t count)
{
    return sizeof(struct directory) + (size_t)count * sizeof(struct directory_entry);
}

enum err directory_new(struct directory **out, const struct account *accounts, uint32_t count,
                       const uint8_t salt_key[DIRECTORY_KEY_BYTES])
{
    struct directory *d = calloc(1, directory_bytes(count));
    if (d == NULL) return ERR_NO_MEMORY;
    memcpy(d->salt_key, salt_key, sizeof d->salt_key);
    d->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct directory_entry *e = &d->entry[i];
        e->account = accounts[i];
        e->slot = UINT32_MAX;
        account_user(&e->account, e->user);
    }
    qsort(d->entry, count, sizeof *d->entry, by_user);
    *out = d;
    return ERR_OK;
}

void directory_free(struct directory *d)
{
    if (d == NULL) return;
    explicit_bzero(d, directory_bytes(d->count));
    free(d);
}

static int user_compare(const void *user, const void *entry)
{
    return strcmp(user, ((const struct directory_entry *)entry)->user);
}

struct directory_entry *directory_find(const struct directory *d, const char *user)
{
    return bsearch(user, d->entry, d->count, sizeof *d->entry, user_compare);
}

void directory_fake(const struct directory *d, const char *user, enum scram_hash hash, struct scram_verifier *out)
{
    char text[SCRAM_USER_BYTES_MAX + 32];
    uint8_t made[32];
    int size = snprintf(text, sizeof text, "%s %s", scram_name(hash), user);
    auth_hmac(d->salt_key, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1, made);
    *out = (struct scram_verifier){.iterations = SCRAM_ITERATIONS};
    memcpy(out->salt, made, SCRAM_SALT_BYTES);
    /* Keys that follow from no password: hashes of what is secret. */
    for (int i = 0; i < SCRAM_KEY_BYTES_MAX / 32; i++) {
        made[0] ^= (uint8_t)(i + 1);
        auth_hmac(d->salt_key, made, sizeof made, out->stored_key + i * 32);
    }
}
