/* dataplane/auth/scram.h -- SCRAM-SHA-256 and SCRAM-SHA-512, the server's side, and the verifiers that stand in for
 * passwords.
 *
 * Sources: RFC 5802 (SCRAM), RFC 7677 (SHA-256), RFC 5803 (a verifier as text).  No channel binding: Kafka's clients
 * have none.  As Kafka, passwords are taken as their bytes in UTF-8, without SASLprep.  Pure: nonces are given.  The
 * functions that say so cost milliseconds, and never run on a serve lcore. */
#ifndef DATAPLANE_AUTH_SCRAM_H
#define DATAPLANE_AUTH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum scram_hash { SCRAM_SHA_256, SCRAM_SHA_512, SCRAM_HASH_COUNT };

enum {
    SCRAM_ITERATIONS     = 4096, /* RFC 7677's least and Kafka's default: a login storm after a restart costs each PLAIN
                                  * login that many hashes */
    SCRAM_ITERATIONS_MAX = 1 << 20,
    SCRAM_SALT_BYTES     = 16,
    SCRAM_KEY_BYTES_MAX  = 64,
    SCRAM_NONCE_CHARS    = 24,  /* of ours */
    SCRAM_CLIENT_NONCE_MAX = 256,
    SCRAM_TOKEN_BYTES_MAX  = 1024, /* a message of the client */
    SCRAM_ANSWER_BYTES_MAX = 512,  /* a message of ours */
    SCRAM_USER_BYTES_MAX   = 400,
    SCRAM_TEXT_BYTES       = 320,  /* a verifier as text, and a zero */
};

/* What is kept of a password.  Whoever reads it can check guesses and pass for the server, but cannot log in. */
struct scram_verifier {
    uint32_t iterations;
    uint8_t  salt[SCRAM_SALT_BYTES];
    uint8_t  stored_key[SCRAM_KEY_BYTES_MAX], server_key[SCRAM_KEY_BYTES_MAX]; /* as many bytes as the hash has */
};

/* "SCRAM-SHA-256", "SCRAM-SHA-512" */
const char *scram_name(enum scram_hash hash);

/* Costs milliseconds.  ERR_INVALID: iterations out of SCRAM_ITERATIONS .. SCRAM_ITERATIONS_MAX; ERR_NO_MEMORY. */
NODISCARD enum err scram_verifier_make(struct scram_verifier *out, enum scram_hash hash, const char *password,
                                       size_t password_bytes, const uint8_t salt[SCRAM_SALT_BYTES],
                                       uint32_t iterations);
/* Is it the password?  Costs milliseconds, the same for right and wrong ones. */
bool scram_verifier_accepts(const struct scram_verifier *v, enum scram_hash hash, const char *password,
                            size_t password_bytes);

/* RFC 5803: "SCRAM-SHA-256$4096:salt$stored key:server key", in base64.  parse: ERR_CORRUPT. */
void               scram_verifier_print(const struct scram_verifier *v, enum scram_hash hash,
                                        char out[SCRAM_TEXT_BYTES]);
NODISCARD enum err scram_verifier_parse(struct scram_verifier *out, enum scram_hash hash, const char *text);

/* One client's exchange between its two messages. */
struct scram_exchange {
    enum scram_hash hash;
    uint32_t gs2_bytes;   /* of the client's first message, its header */
    uint32_t text_bytes;
    uint32_t nonce_at, nonce_bytes; /* in text: the client's nonce and ours */
    char     text[SCRAM_TOKEN_BYTES_MAX + 1 + SCRAM_ANSWER_BYTES_MAX]; /* client-first-message, ',', ours */
    char     user[SCRAM_USER_BYTES_MAX + 1]; /* as the client named itself; "" when it is longer than any name */
};

/* Reads client-first-message: sets `user`.  ERR_INVALID: not such a message; ERR_UNSUPPORTED: channel binding or an
 * extension that must be understood is asked for. */
NODISCARD enum err scram_begin(struct scram_exchange *x, enum scram_hash hash, const void *message, size_t size);
/* Writes server-first-message for that user's verifier; returns its size.  `nonce`: of ours, at most 64 characters. */
size_t scram_challenge(struct scram_exchange *x, const struct scram_verifier *v, const char *nonce,
                       char out[SCRAM_ANSWER_BYTES_MAX]);
/* Reads client-final-message and checks its proof; writes server-final-message.  ERR_INVALID: not such a message, or of
 * another exchange; ERR_ACCESS_DENIED: the proof is wrong. */
NODISCARD enum err scram_finish(const struct scram_exchange *x, const struct scram_verifier *v, const void *message,
                                size_t size, char out[SCRAM_ANSWER_BYTES_MAX], size_t *out_bytes);

/* A nonce from the kernel's generator, and a zero. */
void scram_nonce(char out[SCRAM_NONCE_CHARS + 1]);

/* HMAC-SHA-256. */
void auth_hmac(const uint8_t key[32], const void *bytes, size_t size, uint8_t out[32]);
/* Compares without telling by its time where the difference is. */
bool auth_equal(const void *a, const void *b, size_t size);

#endif
