/* dataplane/account_use.h -- what an account's connections take together, on all serve threads.
 *
 * An account is known by the name it is called here: who logged in, or the subject of a certificate, or one name for
 * all who are nobody.  It is kept while a connection has it, and as long as its quota is overdrawn: who hangs up and
 * comes again owes what it owed.
 *
 * What is under way is bounded, too: a request of an account that has too much of it waits until the network is done
 * with answers of it, or requests are.
 *
 * The quota is a rate: what is charged moves the time until which the account has had its share; it may be ahead of
 * the clock by one second's worth.  (The generic cell rate algorithm, ITU-T I.371.) */
#ifndef DATAPLANE_ACCOUNT_USE_H
#define DATAPLANE_ACCOUNT_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct waiter;

enum { ACCOUNT_LCORES_MAX = 64 };

struct account_limits { /* 0: none */
    uint32_t connections_max;
    uint64_t bytes_per_s_max;    /* of records, by Fetch */
    uint64_t inflight_bytes_max; /* of requests being read and of answers that the network has not done with */
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

/* --- bytes under way; without a lock, and without effect where there is no such limit --- */

enum account_bytes { ACCOUNT_REQUESTS, ACCOUNT_ANSWERS };

/* Once for each serve lcore, by its index, before it serves; the waiter lives as long as any lcore runs. */
void account_uses_watch(struct account_uses *u, uint32_t lcore, struct waiter *waiter);
void account_use_add(struct account_uses *u, struct account_use *a, enum account_bytes what, uint64_t bytes);
/* Tells the lcores where a connection waits, when there is room again. */
void account_use_remove(struct account_uses *u, struct account_use *a, enum account_bytes what, uint64_t bytes);
/* How much more may be under way; UINT64_MAX: no limit. */
uint64_t account_use_room(const struct account_uses *u, const struct account_use *a);
/* May a request that is whole be handled?  Where there is room; and where no answer is under way, whatever requests
 * hold, for nothing else would ever make room. */
bool account_use_may_begin(const struct account_uses *u, const struct account_use *a);
/* A connection of this lcore waits for room, or also to read on (may_read).  Tells the lcore if it need not wait. */
void account_use_wait(struct account_uses *u, struct account_use *a, uint32_t lcore, bool is_to_read);
void account_use_wait_end(struct account_uses *u, struct account_use *a, uint32_t lcore);
bool account_use_has_waiting(const struct account_use *a);
/* Was the lcore told since it asked last? */
bool account_uses_take_tell(struct account_uses *u, uint32_t lcore);
/* May the request of connection `id` (not 0; no other lcore's connection has it) be read on?  Where there is room;
 * without, one of each account's may, so that those half read do not wait for each other.  account_use_read_end: it is
 * whole, or its connection is gone. */
bool account_use_may_read(const struct account_uses *u, struct account_use *a, uint64_t id);
void account_use_read_end(struct account_uses *u, struct account_use *a, uint64_t id);

#endif
