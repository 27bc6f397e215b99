/* dataplane/auth/guesses.h -- how many failed logins are looked at, whatever the mechanism.
 *
 * Counted are failures of an account at an address, of an address at all accounts, and of an account from everywhere.
 * The first two are limited: a guess beyond is not looked at.  The third only makes answers later, because it is the
 * true owner that a limit on it would keep out; so who guesses from many addresses has each one's share and no more,
 * and an owner elsewhere does not notice.  At the guesser's own address the owner shares its limit: no rule that tests
 * every password could bound guesses.  Logins that succeed cost nothing.
 *
 * Each count is a rate with a burst (as dataplane/account_use.h's quotas), of which no more than the burst is
 * remembered, kept by exact keys in a table that is never full: who was seen longest ago, or failed least, gives
 * way. */
#ifndef DATAPLANE_AUTH_GUESSES_H
#define DATAPLANE_AUTH_GUESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    GUESS_PAIR_BURST = 20,     GUESS_PAIR_MS    = 1000, /* of an account at an address; then one each so many ms */
    GUESS_ADDRESS_BURST = 200, GUESS_ADDRESS_MS = 100,
    GUESS_ACCOUNT_BURST = 30,  GUESS_ACCOUNT_MS = 200,  /* slows answers only: so many make it as slow as it gets */
    GUESS_DELAY_MS = 100,      /* of a failure's answer, for each failure remembered; Kafka's default */
    GUESS_DELAY_MS_MAX = 3000,
    GUESS_NOBODY = 0,          /* the account of names that there are not */
};

struct guesses;

NODISCARD enum err guesses_open(struct guesses **out); /* ERR_NO_MEMORY */
void               guesses_close(struct guesses *g);   /* NULL: nothing happens */
size_t             guesses_memory_bytes(void);

/* What stands for an address: IPv6 is counted by networks of /64, which one host commands whole. */
uint64_t guess_address(const char *host);

/* May a login to `account` (by a number of its own, or GUESS_NOBODY) from `address` be looked at? */
bool guesses_may(const struct guesses *g, uint64_t address, uint32_t account, uint64_t now_ns);
/* It failed.  Returns after how many ms that is to be told. */
uint32_t guesses_failed(struct guesses *g, uint64_t address, uint32_t account, uint64_t now_ns);

#endif
