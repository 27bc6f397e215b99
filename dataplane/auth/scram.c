#include "dataplane/auth/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/random.h"
#include "dataplane/openssl.h"

enum { BASE64_KEY_CHARS = 88 }; /* 64 bytes */

static const EVP_MD *digest(enum scram_hash hash) { return hash == SCRAM_SHA_256 ? EVP_sha256() : EVP_sha512(); }
static size_t key_bytes(enum scram_hash hash) { return hash == SCRAM_SHA_256 ? 32 : 64; }

const char *scram_name(enum scram_hash hash) { return hash == SCRAM_SHA_256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512"; }

/* --- the library's functions; on good arguments they fail for want of memory only --- */

static void hmac(enum scram_hash hash, const uint8_t *key, const void *bytes, size_t size, uint8_t *out)
{
    unsigned out_bytes = 0;
    bool done = HMAC(digest(hash), key, (int)key_bytes(hash), bytes, size, out, &out_bytes) != NULL;
    INVARIANT(done && out_bytes == key_bytes(hash));
}

static void hash_of(enum scram_hash hash, const uint8_t *bytes, uint8_t *out)
{
    unsigned out_bytes = 0;
    bool done = EVP_Digest(bytes, key_bytes(hash), out, &out_bytes, digest(hash), NULL) == 1;
    INVARIANT(done && out_bytes == key_bytes(hash));
}

void auth_hmac(const uint8_t key[32], const void *bytes, size_t size, uint8_t out[32])
{
    hmac(SCRAM_SHA_256, key, bytes, size, out);
}

bool auth_equal(const void *a, const void *b, size_t size) { return CRYPTO_memcmp(a, b, size) == 0; }

static size_t base64_put(char *out, const uint8_t *bytes, size_t size)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)size);
}

/* Exactly `size` bytes, in the one way to write them. */
static bool base64_take(const char *text, size_t chars, uint8_t *out, size_t size)
{
    unsigned char decoded[SCRAM_KEY_BYTES_MAX + 3];
    char again[BASE64_KEY_CHARS + 1];
    if (chars != (size + 2) / 3 * 4 || size > SCRAM_KEY_BYTES_MAX) return false;
    if (EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)chars) < (int)size) return false;
    if (base64_put(again, decoded, size) != chars || memcmp(again, text, chars) != 0) return false;
    memcpy(out, decoded, size);
    return true;
}

/* --- verifiers --- */

/* RFC 5802, section 3. */
static bool keys_of(enum scram_hash hash, const char *password, size_t password_bytes, const uint8_t *salt,
                    uint32_t iterations, uint8_t *stored_key, uint8_t *server_key)
{
    uint8_t salted[SCRAM_KEY_BYTES_MAX], client_key[SCRAM_KEY_BYTES_MAX];
    if (PKCS5_PBKDF2_HMAC(password, (int)password_bytes, salt, SCRAM_SALT_BYTES, (int)iterations, digest(hash),
                          (int)key_bytes(hash), salted) != 1)
        return false;
    hmac(hash, salted, "Client Key", 10, client_key);
    hash_of(hash, client_key, stored_key);
    hmac(hash, salted, "Server Key", 10, server_key);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return true;
}

enum err scram_verifier_make(struct scram_verifier *out, enum scram_hash hash, const char *password,
                             size_t password_bytes, const uint8_t salt[SCRAM_SALT_BYTES], uint32_t iterations)
{
    if (iterations < SCRAM_ITERATIONS || iterations > SCRAM_ITERATIONS_MAX) return ERR_INVALID;
    *out = (struct scram_verifier){.iterations = iterations};
    memcpy(out->salt, salt, SCRAM_SALT_BYTES);
    bool done = keys_of(hash, password, password_bytes, salt, iterations, out->stored_key, out->server_key);
    return done ? ERR_OK : ERR_NO_MEMORY;
}

bool scram_verifier_accepts(const struct scram_verifier *v, enum scram_hash hash, const char *password,
                            size_t password_bytes)
{
    uint8_t stored[SCRAM_KEY_BYTES_MAX], server[SCRAM_KEY_BYTES_MAX];
    if (!keys_of(hash, password, password_bytes, v->salt, v->iterations, stored, server)) return false;
    return auth_equal(stored, v->stored_key, key_bytes(hash));
}

void scram_verifier_print(const struct scram_verifier *v, enum scram_hash hash, char out[SCRAM_TEXT_BYTES])
{
    char salt[BASE64_KEY_CHARS + 1], stored[BASE64_KEY_CHARS + 1], server[BASE64_KEY_CHARS + 1];
    base64_put(salt, v->salt, SCRAM_SALT_BYTES);
    base64_put(stored, v->stored_key, key_bytes(hash));
    base64_put(server, v->server_key, key_bytes(hash));
    snprintf(out, SCRAM_TEXT_BYTES, "%s$%u:%s$%s:%s", scram_name(hash), v->iterations, salt, stored, server);
}

enum err scram_verifier_parse(struct scram_verifier *out, enum scram_hash hash, const char *text)
{
    const char *name = scram_name(hash);
    size_t name_chars = strlen(name);
    *out = (struct scram_verifier){0};
    if (strncmp(text, name, name_chars) != 0 || text[name_chars] != '$') return ERR_CORRUPT;
    const char *number = text + name_chars + 1, *salt = strchr(number, ':');
    const char *stored = salt == NULL ? NULL : strchr(salt, '$');
    const char *server = stored == NULL ? NULL : strchr(stored, ':');
    if (server == NULL) return ERR_CORRUPT;
    size_t digits = strspn(number, "0123456789");
    unsigned long iterations = strtoul(number, NULL, 10);
    if (digits == 0 || digits > 9 || number + digits != salt || iterations < SCRAM_ITERATIONS ||
        iterations > SCRAM_ITERATIONS_MAX)
        return ERR_CORRUPT;
    out->iterations = (uint32_t)iterations;
    bool holds = base64_take(salt + 1, (size_t)(stored - salt - 1), out->salt, SCRAM_SALT_BYTES) &&
                 base64_take(stored + 1, (size_t)(server - stored - 1), out->stored_key, key_bytes(hash)) &&
                 base64_take(server + 1, strlen(server + 1), out->server_key, key_bytes(hash));
    return holds ? ERR_OK : ERR_CORRUPT;
}

/* --- messages --- */

struct text { const char *at, *end; };

/* The next attribute "k=value" up to a comma or the end; false: there is none, or it is none.  `at` moves behind it. */
static bool attribute(struct text *t, char *key, struct text *value)
{
    if (t->end - t->at < 2 || t->at[1] != '=') return false;
    *key = t->at[0];
    const char *comma = memchr(t->at, ',', (size_t)(t->end - t->at));
    *value = (struct text){t->at + 2, comma == NULL ? t->end : comma};
    t->at = comma == NULL ? t->end : comma + 1;
    return true;
}

/* A name with its commas and equal signs back; false: '=' stands for nothing else.  Longer than any name: "". */
static bool name_take(struct text t, char out[SCRAM_USER_BYTES_MAX + 1])
{
    size_t size = 0;
    for (; t.at < t.end; t.at++) {
        char c = *t.at;
        if (c == '=') {
            if (t.end - t.at < 3 || (memcmp(t.at, "=2C", 3) != 0 && memcmp(t.at, "=3D", 3) != 0)) return false;
            c = t.at[1] == '2' ? ',' : '=';
            t.at += 2;
        }
        if (size <= SCRAM_USER_BYTES_MAX) out[size] = c;
        size++;
    }
    out[size <= SCRAM_USER_BYTES_MAX ? size : 0] = '\0';
    return size > 0;
}

static bool nonce_is_legal(struct text t)
{
    for (const char *c = t.at; c < t.end; c++)
        if (*c < 0x21 || *c > 0x7e) return false; /* a comma has ended it before */
    return t.at < t.end;
}

/* "n,," or "n,a=name,": moves `t` behind it. */
static enum err gs2_take(struct text *t, char authorized[SCRAM_USER_BYTES_MAX + 1])
{
    authorized[0] = '\0';
    if (t->end - t->at < 3) return ERR_INVALID;
    if (t->at[0] == 'p') return ERR_UNSUPPORTED;
    if ((t->at[0] != 'n' && t->at[0] != 'y') || t->at[1] != ',') return ERR_INVALID;
    t->at += 2;
    char key;
    struct text value;
    if (t->at[0] == ',') {
        t->at++;
        return ERR_OK;
    }
    return attribute(t, &key, &value) && key == 'a' && name_take(value, authorized) ? ERR_OK : ERR_INVALID;
}

enum err scram_begin(struct scram_exchange *x, enum scram_hash hash, const void *message, size_t size)
{
    char authorized[SCRAM_USER_BYTES_MAX + 1], key;
    struct text t = {message, (const char *)message + size}, user, nonce;
    *x = (struct scram_exchange){.hash = hash};
    if (size == 0 || size > SCRAM_TOKEN_BYTES_MAX || memchr(message, '\0', size) != NULL) return ERR_INVALID;
    TRY(gs2_take(&t, authorized));
    x->gs2_bytes = (uint32_t)(t.at - (const char *)message);
    if (t.end - t.at >= 2 && t.at[0] == 'm' && t.at[1] == '=') return ERR_UNSUPPORTED;
    if (!attribute(&t, &key, &user) || key != 'n' || !name_take(user, x->user)) return ERR_INVALID;
    if (!attribute(&t, &key, &nonce) || key != 'r' || !nonce_is_legal(nonce)) return ERR_INVALID;
    if (nonce.end - nonce.at > SCRAM_CLIENT_NONCE_MAX) return ERR_INVALID;
    if (authorized[0] != '\0' && strcmp(authorized, x->user) != 0) return ERR_INVALID; /* nobody acts for others */
    memcpy(x->text, message, size);
    x->text_bytes = (uint32_t)size;
    x->nonce_at = (uint32_t)(nonce.at - (const char *)message);
    x->nonce_bytes = (uint32_t)(nonce.end - nonce.at);
    return ERR_OK;
}

size_t scram_challenge(struct scram_exchange *x, const struct scram_verifier *v, const char *nonce,
                       char out[SCRAM_ANSWER_BYTES_MAX])
{
    char salt[BASE64_KEY_CHARS + 1];
    base64_put(salt, v->salt, SCRAM_SALT_BYTES);
    int size = snprintf(out, SCRAM_ANSWER_BYTES_MAX, "r=%.*s%s,s=%s,i=%u", (int)x->nonce_bytes, x->text + x->nonce_at,
                        nonce, salt, v->iterations);
    INVARIANT(size > 0 && size < SCRAM_ANSWER_BYTES_MAX);
    x->text[x->text_bytes++] = ',';
    memcpy(x->text + x->text_bytes, out, (size_t)size);
    x->nonce_at = x->text_bytes + 2;
    x->nonce_bytes += (uint32_t)strlen(nonce);
    x->text_bytes += (uint32_t)size;
    return (size_t)size;
}

/* "c=" repeats the header of the first message in base64. */
static bool binding_holds(const struct scram_exchange *x, struct text value)
{
    unsigned char expected[(SCRAM_TOKEN_BYTES_MAX + 2) / 3 * 4 + 1];
    int chars = EVP_EncodeBlock(expected, (const unsigned char *)x->text, (int)x->gs2_bytes);
    return value.end - value.at == chars && memcmp(value.at, expected, (size_t)chars) == 0;
}

/* Finds the proof, which is the last attribute; `unproved`: bytes before its comma. */
static enum err final_take(const struct scram_exchange *x, const char *message, size_t size, uint8_t *proof,
                           size_t *unproved)
{
    struct text t = {message, message + size}, value;
    char key;
    if (!attribute(&t, &key, &value) || key != 'c' || !binding_holds(x, value)) return ERR_INVALID;
    /* The nonce of our message, or as some librdkafka (2.0.2) send it, with the client's once more before it. */
    if (!attribute(&t, &key, &value) || key != 'r' || value.end - value.at < (ptrdiff_t)x->nonce_bytes ||
        memcmp(value.end - x->nonce_bytes, x->text + x->nonce_at, x->nonce_bytes) != 0)
        return ERR_INVALID;
    const char *before = value.end;
    while (attribute(&t, &key, &value) && key != 'p') before = value.end;
    if (key != 'p' || t.at != t.end || value.end != t.end) return ERR_INVALID;
    *unproved = (size_t)(before - message);
    bool holds = base64_take(value.at, (size_t)(value.end - value.at), proof, key_bytes(x->hash));
    return holds ? ERR_OK : ERR_INVALID;
}

enum err scram_finish(const struct scram_exchange *x, const struct scram_verifier *v, const void *message, size_t size,
                      char out[SCRAM_ANSWER_BYTES_MAX], size_t *out_bytes)
{
    uint8_t proof[SCRAM_KEY_BYTES_MAX], signature[SCRAM_KEY_BYTES_MAX], stored[SCRAM_KEY_BYTES_MAX];
    char whole[sizeof x->text + 1 + SCRAM_TOKEN_BYTES_MAX]; /* RFC 5802's AuthMessage */
    size_t unproved;
    if (size == 0 || size > SCRAM_TOKEN_BYTES_MAX) return ERR_INVALID;
    TRY(final_take(x, message, size, proof, &unproved));
    size_t bare_bytes = x->text_bytes - x->gs2_bytes, keys = key_bytes(x->hash);
    memcpy(whole, x->text + x->gs2_bytes, bare_bytes);
    whole[bare_bytes] = ',';
    memcpy(whole + bare_bytes + 1, message, unproved);
    size_t whole_bytes = bare_bytes + 1 + unproved;
    hmac(x->hash, v->stored_key, whole, whole_bytes, signature);
    for (size_t i = 0; i < keys; i++) proof[i] ^= signature[i]; /* the client's key, if it has it */
    hash_of(x->hash, proof, stored);
    OPENSSL_cleanse(proof, sizeof proof);
    if (!auth_equal(stored, v->stored_key, keys)) return ERR_ACCESS_DENIED;
    hmac(x->hash, v->server_key, whole, whole_bytes, signature);
    memcpy(out, "v=", 2);
    *out_bytes = 2 + base64_put(out + 2, signature, keys);
    return ERR_OK;
}

void scram_nonce(char out[SCRAM_NONCE_CHARS + 1])
{
    uint8_t bytes[SCRAM_NONCE_CHARS / 4 * 3];
    random_secret(bytes, sizeof bytes);
    base64_put(out, bytes, sizeof bytes);
}
