#include "dataplane/auth/login.h"

#include <string.h>

static const char *const names[MECHANISM_COUNT] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};

const char *mechanism_name(enum mechanism m) { return names[m]; }

enum mechanism mechanism_find(const char *name, size_t size)
{
    int m = 0;
    while (m < MECHANISM_COUNT && (strlen(names[m]) != size || memcmp(names[m], name, size) != 0)) m++;
    return (enum mechanism)m;
}

enum err plain_token_read(struct plain_token *out, const void *token, size_t size)
{
    const char *authorized = token, *end = authorized + size;
    const char *first = size == 0 ? NULL : memchr(authorized, '\0', size);
    const char *user = first == NULL ? NULL : first + 1;
    const char *second = user == NULL ? NULL : memchr(user, '\0', (size_t)(end - user));
    if (second == NULL || second == user || second + 1 == end) return ERR_INVALID;
    size_t user_bytes = (size_t)(second - user), authorized_bytes = (size_t)(first - authorized);
    if (memchr(second + 1, '\0', (size_t)(end - second - 1)) != NULL) return ERR_INVALID;
    if (authorized_bytes != 0 && (authorized_bytes != user_bytes || memcmp(authorized, user, user_bytes) != 0))
        return ERR_INVALID;
    if (user_bytes > SCRAM_USER_BYTES_MAX) user_bytes = 0;
    memcpy(out->user, user, user_bytes);
    out->user[user_bytes] = '\0';
    out->password = second + 1;
    out->password_bytes = (size_t)(end - second - 1);
    return ERR_OK;
}

static enum err plain_step(const struct directory *d, const void *token, size_t size, bool checked,
                           struct login_step *out)
{
    struct plain_token t;
    struct scram_verifier fake;
    TRY(plain_token_read(&t, token, size));
    out->who = directory_find(d, t.user);
    const struct scram_verifier *v = out->who == NULL ? &fake : &out->who->account.verifier[SCRAM_SHA_256];
    directory_fake(d, t.user, SCRAM_SHA_256, &fake); /* the same work whether or not there is somebody */
    bool accepts = (checked && out->who != NULL) ||
                   scram_verifier_accepts(v, SCRAM_SHA_256, t.password, t.password_bytes);
    if (!accepts || out->who == NULL) return ERR_ACCESS_DENIED;
    out->result = LOGIN_DONE;
    return ERR_OK;
}

static enum err scram_step(struct login *l, const struct directory *d, const void *token, size_t size,
                           struct login_step *out)
{
    enum scram_hash hash = l->mechanism == MECHANISM_SCRAM_SHA_256 ? SCRAM_SHA_256 : SCRAM_SHA_512;
    struct scram_verifier fake;
    if (!l->is_challenged) TRY(scram_begin(&l->scram, hash, token, size));
    struct directory_entry *who = directory_find(d, l->scram.user);
    directory_fake(d, l->scram.user, hash, &fake);
    const struct scram_verifier *v = who == NULL ? &fake : &who->account.verifier[hash];
    if (!l->is_challenged) {
        char nonce[SCRAM_NONCE_CHARS + 1];
        scram_nonce(nonce);
        out->answer_bytes = scram_challenge(&l->scram, v, nonce, out->answer);
        out->result = LOGIN_GOES_ON;
        l->is_challenged = true;
        return ERR_OK;
    }
    out->who = who;
    TRY(scram_finish(&l->scram, v, token, size, out->answer, &out->answer_bytes));
    if (who == NULL) return ERR_ACCESS_DENIED;
    out->result = LOGIN_DONE;
    return ERR_OK;
}

void login_step(struct login *l, const struct directory *d, const void *token, size_t size, bool checked,
                struct login_step *out)
{
    *out = (struct login_step){.result = LOGIN_FAILED};
    enum err e = l->mechanism == MECHANISM_PLAIN ? plain_step(d, token, size, checked, out)
                                                 : scram_step(l, d, token, size, out);
    if (e == ERR_OK) return;
    out->result = LOGIN_FAILED;
    out->answer_bytes = 0;
    out->is_malformed = e != ERR_ACCESS_DENIED;
}
