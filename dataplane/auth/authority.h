/* dataplane/auth/authority.h -- the thread that checks who logs in.
 *
 * A PLAIN password costs milliseconds to check against its verifier, so no serve lcore does that: tokens come and
 * answers go through a pair of rings with each.  SCRAM, and PLAIN passwords that were right before (a keyed hash of the
 * last one of each account is kept), cost microseconds and are answered at once; other PLAIN tokens wait in a queue of
 * AUTHORITY_QUEUE_MAX, one checked a turn, so that a flood of guesses does not keep known clients out.  When it is
 * full, who has most in it (guesses at one account from one peer, or at no account) gives a place to who has less, and
 * is told LOGIN_BUSY, as is who gets none: no token waits in front of the queue, where it would keep others behind
 * it in the ring.  Nobody's guesses are looked at faster than guesses.h says. */
#ifndef DATAPLANE_AUTH_AUTHORITY_H
#define DATAPLANE_AUTH_AUTHORITY_H

#include "base/clock.h"
#include "base/counters.h"
#include "dataplane/auth/auth_link.h"

enum { AUTHORITY_QUEUE_MAX = 256 };

struct authority_config {
    uint32_t link_count;   /* serve lcores */
    uint32_t accounts_max;
    const struct clock *clock;
    struct counters *counters;
    bool     is_simulated; /* no thread, no eventfd: the test calls authority_step */
};

struct authority;

/* Reserves memory and the links; no thread yet; nobody can log in.  ERR_NO_MEMORY, ERR_IO. */
NODISCARD enum err authority_open(struct authority **out, const struct authority_config *config, struct err_msg *msg);
/* Its owner sets serve_waiter before authority_start. */
struct auth_link *authority_link_of(struct authority *a, uint32_t index);
NODISCARD enum err authority_start(struct authority *a, struct err_msg *msg);
/* Ends the thread (if started) and frees everything.  The serve lcores must have stopped. */
void               authority_stop(struct authority *a);
uint64_t           authority_memory_bytes(const struct authority_config *config);

/* Any thread but the lcores', one at a time.  From its return on only these accounts, at most accounts_max, can log in,
 * and principals of others are not valid any more.  Takes the directory. */
void authority_set_directory(struct authority *a, struct directory *d);

/* One turn; returns how much was done. */
unsigned authority_step(struct authority *a);

#endif
