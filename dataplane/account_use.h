/* dataplane/account_use.h -- what an account's connections take together, on all serve threads.
 *
 * An account is known by the name it is called here: who logged in, or the subject of a certificate, or one name for
 * all who are nobody.  It is kept while a connection has it, and as long as its quota is overdrawn: who hangs up and
 * comes again owes what it owed.
 *
 * The quota is a rate: what is charged moves the time until which the account has had its share; it may be ahead of
 * the clock by one second's worth.  (The generic cell rate algorithm, ITU-T I.371.) */
#ifndef DATAPLANE_ACCOUNT_USE_H
#define DATAPLANE_ACCOUNT_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct account_limits { /* 0: none */
    uint32_t connections_max;
    uint64_t bytes_per_s_max; /* of records, by Fetch */
};

struct account_uses;
struct account_use;

NODISCARD enum err account_uses_open(struct account_uses **out, const struct account_limits *limits);
void               account_uses_close(struct account_uses *u); /* and all that are taken; NULL: nothing happens */

/* Any thread; locks shortly, once a connection.  `is_counted`: as one of connections_max.  ERR_AGAIN: the account has
 * so many already.  ERR_NO_MEMORY. */
NODISCARD enum err account_use_take(struct account_uses *u, const char *name, bool is_counted, uint64_t now_ns,
                                    struct account_use **out);
void               account_use_give(struct account_uses *u, struct account_use *a); /* NULL: nothing happens */

/* Without a lock. */
void     account_use_charge(struct account_uses *u, struct account_use *a, uint64_t bytes, uint64_t now_ns);
/* How long the account must wait before it is given more; 0: it need not. */
uint64_t account_use_owes_ns(const struct account_uses *u, const struct account_use *a, uint64_t now_ns);
/* The most to give it at once. */
uint64_t account_use_bytes_max(const struct account_uses *u);
const char *account_use_name(const struct account_use *a);

#endif
