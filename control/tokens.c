#include "control/tokens.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/random.h"
#include "control/durable_file.h"
#include "control/json_take.h"

enum { TOKENS_FORMAT = 1, TOKEN_SECRET_BYTES = 32, CONFIGURED_CHARS_MIN = 32, DIGEST_CHARS = 2 * DIGEST_BYTES };

const char *role_name(enum role role)
{
    return role == ROLE_ADMIN ? "admin" : role == ROLE_VIEWER ? "viewer" : "none";
}

bool role_of_name(const char *name, enum role *role)
{
    for (enum role r = ROLE_VIEWER; r <= ROLE_ADMIN; r++) {
        if (strcmp(role_name(r), name) != 0) continue;
        *role = r;
        return true;
    }
    return false;
}

/* --- the file --- */

static void hex_print(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static bool digest_parse(const char *text, uint8_t out[static DIGEST_BYTES])
{
    if (strspn(text, "0123456789abcdef") != DIGEST_CHARS) return false;
    for (int i = 0; i < DIGEST_BYTES; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        out[i] = (uint8_t)byte;
    }
    return true;
}

static enum err save(const struct tokens *t, struct err_msg *msg)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < t->count; i++) {
        const struct token *one = &t->list[i];
        char digest[DIGEST_CHARS + 1];
        if (one->is_configured) continue;
        hex_print(one->digest, DIGEST_BYTES, digest);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", one->id, "name", one->name, "role",
                                              role_name(one->role), "sha256", digest, "created_ms",
                                              (json_int_t)one->created_ms));
    }
    json_t *file = json_pack("{s:i, s:o}", "format", TOKENS_FORMAT, "tokens", list);
    char *text = file == NULL ? NULL : json_dumps(file, JSON_INDENT(1));
    json_decref(file);
    if (text == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory to save the tokens");
    enum err e = durable_file_replace(t->path, text, msg);
    free(text);
    return e;
}

static enum err take_token(const json_t *from, struct token *out, struct err_msg *msg)
{
    static const char *const keys[] = {"id", "name", "role", "sha256", "created_ms", NULL};
    char role[16], digest[DIGEST_CHARS + 1];
    int64_t created_ms;
    TRY(json_only_keys(from, keys, "a token", msg));
    TRY(json_take_text(from, "id", "id", 1, TOKEN_ID_BYTES - 1, NULL, out->id, msg));
    TRY(json_take_text(from, "name", "name", 1, TOKEN_NAME_MAX, NULL, out->name, msg));
    TRY(json_take_text(from, "role", "role", 1, sizeof role - 1, NULL, role, msg));
    TRY(json_take_text(from, "sha256", "sha256", DIGEST_CHARS, DIGEST_CHARS, NULL, digest, msg));
    TRY(json_take_number(from, "created_ms", "created_ms", 0, INT64_MAX, 0, &created_ms, msg));
    out->created_ms = (uint64_t)created_ms;
    if (!role_of_name(role, &out->role) || !digest_parse(digest, out->digest))
        return err_set(msg, ERR_CORRUPT, "the token %s is not whole", out->id);
    return ERR_OK;
}

static enum err take_file(struct tokens *t, const json_t *file, struct err_msg *msg)
{
    static const char *const keys[] = {"format", "tokens", NULL};
    int64_t format;
    TRY(json_take_number(file, "format", "format", 1, INT32_MAX, 0, &format, msg));
    if (format > TOKENS_FORMAT)
        return err_set(msg, ERR_NEWER_FORMAT, "it has format %lld, this version knows %d", (long long)format,
                       TOKENS_FORMAT);
    TRY(json_only_keys(file, keys, "the file", msg));
    const json_t *list = json_object_get(file, "tokens");
    if (!json_is_array(list) || json_array_size(list) > TOKENS_MAX)
        return err_set(msg, ERR_CORRUPT, "tokens must be a list of at most %d", TOKENS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(take_token(json_array_get(list, i), &t->list[t->count++], msg));
    return ERR_OK;
}

/* A damaged file refuses the start: without it the API would be open to all who are on this machine. */
static enum err load(struct tokens *t, struct err_msg *msg)
{
    json_error_t why;
    struct err_msg inner = {.code = ERR_OK};
    if (access(t->path, F_OK) != 0 && errno == ENOENT) return ERR_OK;
    json_t *file = json_load_file(t->path, JSON_REJECT_DUPLICATES, &why);
    enum err e = file == NULL ? err_set(&inner, ERR_CORRUPT, "%s", why.text) : take_file(t, file, &inner);
    json_decref(file);
    if (e == ERR_OK) return ERR_OK;
    return err_set(msg, e == ERR_INVALID ? ERR_CORRUPT : e,
                   "the REST API's tokens cannot be read from %s: %.200s; restore the file from a copy, or move it "
                   "away and create the tokens again", t->path, inner.text);
}

static enum err add_configured(struct tokens *t, const char *text, struct err_msg *msg)
{
    if (strlen(text) < CONFIGURED_CHARS_MIN)
        return err_set(msg, ERR_INVALID, "the configured admin's token has fewer than %d characters: take a random "
                       "one, as of openssl rand -hex 32", CONFIGURED_CHARS_MIN);
    struct token *one = &t->list[t->count];
    *one = (struct token){.id = "configured", .name = "configured", .role = ROLE_ADMIN, .is_configured = true};
    TRY(digest_sha256(text, strlen(text), one->digest));
    t->count++;
    return ERR_OK;
}

enum err tokens_open(struct tokens *t, const char *data_folder, const char *configured, struct err_msg *msg)
{
    *t = (struct tokens){.count = 0};
    snprintf(t->path, sizeof t->path, "%s/tokens.json", data_folder);
    TRY(load(t, msg));
    return configured == NULL ? ERR_OK : add_configured(t, configured, msg);
}

/* --- asking --- */

enum role tokens_role(const struct tokens *t, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    uint8_t digest[DIGEST_BYTES];
    enum role found = ROLE_NONE;
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return ROLE_NONE;
    const char *text = authorization + sizeof scheme - 1;
    if (digest_sha256(text, strlen(text), digest) != ERR_OK) return ROLE_NONE;
    for (uint32_t i = 0; i < t->count; i++)
        if (digest_equal(t->list[i].digest, digest)) found = t->list[i].role;
    return found;
}

/* --- changing --- */

static bool has_other_admin(const struct tokens *t, const struct token *but)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (&t->list[i] != but && t->list[i].role == ROLE_ADMIN) return true;
    return false;
}

/* `bytes` random bytes in base64url, without padding. */
static void random_text(char *out, size_t chars)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < chars; i++) {
        uint8_t byte;
        random_secret(&byte, 1);
        out[i] = digits[byte & 63];
    }
    out[chars] = '\0';
}

enum err tokens_add(struct tokens *t, const char *name, enum role role, uint64_t now_ms,
                    char text[static TOKEN_TEXT_BYTES], const struct token **made, struct err_msg *msg)
{
    if (t->count >= TOKENS_MAX)
        return err_set(msg, ERR_TOO_LARGE, "there are %u tokens already: revoke one", t->count);
    if (role != ROLE_ADMIN && !has_other_admin(t, NULL))
        return err_set(msg, ERR_STATE, "the first token must be an admin's: from then on nobody without a token may "
                       "change anything");
    struct token one = {.role = role, .created_ms = now_ms};
    snprintf(one.name, sizeof one.name, "%s", name);
    random_text(one.id, TOKEN_ID_BYTES - 1);
    if (one.id[0] == '-') one.id[0] = 'A'; /* which on a command line reads as an option */
    memcpy(text, "mrt_", 4);
    random_text(text + 4, (TOKEN_SECRET_BYTES * 8 + 5) / 6);
    TRY(digest_sha256(text, strlen(text), one.digest));
    t->list[t->count++] = one;
    enum err e = save(t, msg);
    if (e != ERR_OK) {
        t->count--;
        return e;
    }
    *made = &t->list[t->count - 1];
    return ERR_OK;
}

enum err tokens_remove(struct tokens *t, const char *id, bool must_stay, struct err_msg *msg)
{
    uint32_t i = 0;
    while (i < t->count && strcmp(t->list[i].id, id) != 0) i++;
    if (i == t->count) return err_set(msg, ERR_NOT_FOUND, "there is no token %s", id);
    struct token gone = t->list[i];
    if (gone.is_configured)
        return err_set(msg, ERR_STATE, "that token comes from the configuration: take it away there and start anew");
    if (gone.role == ROLE_ADMIN && !has_other_admin(t, &t->list[i]) && (t->count > 1 || must_stay))
        return err_set(msg, ERR_STATE, "that is the only admin's token: create another one first");
    t->list[i] = t->list[--t->count];
    enum err e = save(t, msg);
    if (e == ERR_OK) return ERR_OK;
    t->list[t->count++] = t->list[i];
    t->list[i] = gone;
    return e;
}
