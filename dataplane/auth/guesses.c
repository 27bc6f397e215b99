#include "dataplane/auth/guesses.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

enum { SETS = 4096, WAYS = 4, MS_NS = 1000000 };

struct heat { /* of one key */
    uint64_t address;
    uint32_t account, kind;
    uint64_t until_ns; /* when nothing of it is left */
};

struct guesses {
    struct heat heat[SETS][WAYS];
};

enum kind { KIND_NONE, KIND_PAIR, KIND_ADDRESS, KIND_ACCOUNT };

static struct heat key_of(enum kind kind, uint64_t address, uint32_t account)
{
    return (struct heat){.address = kind == KIND_ACCOUNT ? 0 : address,
                         .account = kind == KIND_ADDRESS ? 0 : account, .kind = kind};
}

static uint64_t cost_ns(enum kind kind)
{
    static const uint64_t ms[] = {0, GUESS_PAIR_MS, GUESS_ADDRESS_MS, GUESS_ACCOUNT_MS};
    return ms[kind] * MS_NS;
}

static uint64_t burst_ns(enum kind kind)
{
    static const uint64_t failures[] = {0, GUESS_PAIR_BURST, GUESS_ADDRESS_BURST, GUESS_ACCOUNT_BURST};
    return failures[kind] * cost_ns(kind);
}

enum err guesses_open(struct guesses **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void guesses_close(struct guesses *g) { free(g); }

size_t guesses_memory_bytes(void) { return sizeof(struct guesses); }

uint64_t guess_address(const char *host)
{
    uint8_t bytes[16];
    uint64_t address = 0;
    if (inet_pton(AF_INET, host, bytes) == 1) {
        for (int i = 0; i < 4; i++) address = address << 8 | bytes[i];
        return (uint64_t)0xffff << 32 | address; /* beside all networks that there are */
    }
    if (inet_pton(AF_INET6, host, bytes) != 1) return fnv1a(14695981039346656037u, host, strlen(host));
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool is_v4 = memcmp(bytes, mapped, sizeof mapped) == 0;
    for (int i = 0; i < 8; i++) address = address << 8 | bytes[is_v4 ? i + 8 : i];
    return address;
}

static struct heat *set_of(const struct guesses *g, const struct heat *key)
{
    uint64_t hash = 14695981039346656037u;
    hash = fnv1a(hash, &key->address, sizeof key->address);
    hash = fnv1a(hash, &key->account, sizeof key->account);
    hash = fnv1a(hash, &key->kind, sizeof key->kind);
    return (struct heat *)(uintptr_t)g->heat[(hash ^ hash >> 32) % SETS];
}

static struct heat *find(const struct guesses *g, const struct heat *key)
{
    struct heat *set = set_of(g, key);
    for (int i = 0; i < WAYS; i++)
        if (set[i].kind == key->kind && set[i].address == key->address && set[i].account == key->account)
            return &set[i];
    return NULL;
}

static uint64_t ahead_ns(const struct guesses *g, enum kind kind, uint64_t address, uint32_t account, uint64_t now_ns)
{
    struct heat key = key_of(kind, address, account);
    const struct heat *h = find(g, &key);
    return h == NULL || h->until_ns <= now_ns ? 0 : h->until_ns - now_ns;
}

bool guesses_may(const struct guesses *g, uint64_t address, uint32_t account, uint64_t now_ns)
{
    return ahead_ns(g, KIND_PAIR, address, account, now_ns) <= burst_ns(KIND_PAIR) - cost_ns(KIND_PAIR) &&
           ahead_ns(g, KIND_ADDRESS, address, account, now_ns) <= burst_ns(KIND_ADDRESS) - cost_ns(KIND_ADDRESS);
}

/* Adds a failure; returns how many are remembered: never more than a burst, whatever was counted, so that the owner
 * behind a guesser's address is let in again as soon as the guesses end. */
static uint64_t heat_up(struct guesses *g, enum kind kind, uint64_t address, uint32_t account, uint64_t now_ns)
{
    struct heat key = key_of(kind, address, account);
    struct heat *h = find(g, &key);
    if (h == NULL) { /* the place of the one that is forgotten first */
        struct heat *set = set_of(g, &key);
        h = set;
        for (int i = 1; i < WAYS; i++)
            if (set[i].until_ns < h->until_ns) h = &set[i];
        *h = key;
    }
    h->until_ns = (h->until_ns > now_ns ? h->until_ns : now_ns) + cost_ns(kind);
    if (h->until_ns > now_ns + burst_ns(kind)) h->until_ns = now_ns + burst_ns(kind);
    return (h->until_ns - now_ns + cost_ns(kind) - 1) / cost_ns(kind);
}

uint32_t guesses_failed(struct guesses *g, uint64_t address, uint32_t account, uint64_t now_ns)
{
    uint64_t most = heat_up(g, KIND_PAIR, address, account, now_ns);
    uint64_t of_address = heat_up(g, KIND_ADDRESS, address, account, now_ns);
    if (of_address > most) most = of_address;
    if (account != GUESS_NOBODY) {
        uint64_t of_account = heat_up(g, KIND_ACCOUNT, address, account, now_ns);
        if (of_account > most) most = of_account;
    }
    uint64_t delay_ms = most * GUESS_DELAY_MS;
    return delay_ms < GUESS_DELAY_MS_MAX ? (uint32_t)delay_ms : GUESS_DELAY_MS_MAX;
}
