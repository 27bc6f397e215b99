/* dataplane/auth/auth_link.h -- the pair of rings between one serve lcore and the authority.
 *
 * At most one token of a connection is under way, and gets exactly one answer.  A full ring loses nothing: the lcore
 * leaves the token in its connection's input and tries again when it is woken; the authority takes no more tokens
 * while their answers would find no room. */
#ifndef DATAPLANE_AUTH_AUTH_LINK_H
#define DATAPLANE_AUTH_AUTH_LINK_H

#include "dataplane/auth/login.h"
#include "ring/ring_spsc.h"
#include "ring/wait.h"

enum { AUTH_TOKEN_BYTES_MAX = SCRAM_TOKEN_BYTES_MAX, AUTH_RING_BYTES = 256 << 10 };

/* serve lcore -> authority; behind it the token */
struct auth_request {
    uint64_t connection_id; /* opaque to the authority */
    uint64_t address; /* where it comes from: guess_address */
    uint32_t token_bytes;
    struct login login;
};

/* authority -> serve lcore */
struct auth_answer {
    uint64_t connection_id;
    enum login_result result;
    bool     is_malformed;
    uint32_t delay_ms; /* FAILED, BUSY: until it may be told */
    uint32_t token_bytes;
    char     token[SCRAM_ANSWER_BYTES_MAX];
    struct principal principal; /* DONE: who it is.  FAILED: whose name was used, "": nobody's */
    struct login login;         /* GOES_ON: what comes back with the next token */
};

struct auth_link {
    struct ring_spsc to_authority, to_serve;
    struct waiter *authority_waiter; /* the lcore wakes it after tokens, and after it took answers */
    struct waiter *serve_waiter;     /* set by the lcore's owner before either thread runs */
    const _Atomic uint64_t *credentials; /* by slot: the one that is good now, 0: none */
};

/* Is the principal's credential still the account's?  Any thread. */
static inline bool principal_is_valid(const struct auth_link *link, const struct principal *p)
{
    return atomic_load_explicit(&link->credentials[p->slot], memory_order_acquire) == p->credential; /* authority's */
}

#endif
