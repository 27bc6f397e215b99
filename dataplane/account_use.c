#include "dataplane/account_use.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "ring/wait.h"

enum { BUCKETS = 1024, SECOND_NS = 1000000000 };

struct account_use {
    struct account_use *next; /* of its bucket */
    uint32_t bucket;
    uint32_t references, connections; /* under the lock; connections: of the references, those counted */
    _Atomic uint64_t paid_ns; /* has had its share until then; plain numbers, they order nothing */
    _Atomic uint64_t inflight_bytes[2]; /* by enum account_bytes */
    _Atomic uint64_t reading;  /* the connection whose request may be read on; 0: none */
    _Atomic uint32_t waiting;  /* connections */
    char     name[];
};

struct account_lcore {
    struct waiter *waiter;
    _Atomic uint32_t waiting; /* connections, of all accounts */
    _Atomic bool is_told;
};

struct account_uses {
    struct account_limits limits;
    struct account_lcore lcore[ACCOUNT_LCORES_MAX];
    pthread_mutex_t lock;
    struct account_use *bucket[BUCKETS];
};

enum err account_uses_open(struct account_uses **out, const struct account_limits *limits)
{
    struct account_uses *u = calloc(1, sizeof *u);
    if (u == NULL) return ERR_NO_MEMORY;
    u->limits = *limits;
    pthread_mutex_init(&u->lock, NULL);
    *out = u;
    return ERR_OK;
}

void account_uses_close(struct account_uses *u)
{
    if (u == NULL) return;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (u->bucket[i] != NULL) {
            struct account_use *a = u->bucket[i];
            u->bucket[i] = a->next;
            free(a);
        }
    }
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static uint32_t bucket_of(const char *name) /* FNV-1a */
{
    uint32_t h = 2166136261;
    for (; *name != '\0'; name++) h = (h ^ (uint8_t)*name) * 16777619;
    return h % BUCKETS;
}

/* Looks an account up; forgets those of its bucket that nobody has and that owe nothing. */
static struct account_use *find(struct account_uses *u, uint32_t bucket, const char *name, uint64_t now_ns)
{
    struct account_use *found = NULL;
    for (struct account_use **at = &u->bucket[bucket]; *at != NULL;) {
        struct account_use *a = *at;
        if (strcmp(a->name, name) == 0) found = a;
        if (a != found && a->references == 0 && atomic_load_explicit(&a->paid_ns, memory_order_relaxed) <= now_ns) {
            *at = a->next;
            free(a);
        } else {
            at = &a->next;
        }
    }
    return found;
}

static enum err take(struct account_uses *u, const char *name, bool is_counted, uint64_t now_ns,
                     struct account_use **out)
{
    uint32_t bucket = bucket_of(name);
    size_t size = strlen(name) + 1;
    struct account_use *a = find(u, bucket, name, now_ns);
    if (a == NULL) {
        a = calloc(1, sizeof *a + size);
        if (a == NULL) return ERR_NO_MEMORY;
        memcpy(a->name, name, size);
        a->bucket = bucket;
        a->next = u->bucket[bucket];
        u->bucket[bucket] = a;
    }
    if (is_counted && u->limits.connections_max != 0 && a->connections >= u->limits.connections_max) return ERR_AGAIN;
    a->references++;
    a->connections += is_counted;
    *out = a;
    return ERR_OK;
}

enum err account_use_take(struct account_uses *u, const char *name, bool is_counted, uint64_t now_ns,
                          struct account_use **out)
{
    pthread_mutex_lock(&u->lock);
    enum err e = take(u, name, is_counted, now_ns, out);
    pthread_mutex_unlock(&u->lock);
    return e;
}

void account_use_give(struct account_uses *u, struct account_use *a)
{
    if (a == NULL) return;
    pthread_mutex_lock(&u->lock);
    INVARIANT(a->references > 0);
    a->references--;
    if (a->connections > 0) a->connections--; /* an account's connections are all counted, or none is */
    pthread_mutex_unlock(&u->lock);
}

void account_use_charge(struct account_uses *u, struct account_use *a, uint64_t bytes, uint64_t now_ns)
{
    uint64_t rate = u->limits.bytes_per_s_max;
    if (rate == 0 || bytes == 0) return;
    uint64_t cost_ns = (uint64_t)((double)bytes / (double)rate * SECOND_NS);
    uint64_t paid_ns = atomic_load_explicit(&a->paid_ns, memory_order_relaxed), until_ns;
    do until_ns = (paid_ns > now_ns ? paid_ns : now_ns) + cost_ns;
    while (!atomic_compare_exchange_weak_explicit(&a->paid_ns, &paid_ns, until_ns, memory_order_relaxed,
                                                  memory_order_relaxed));
}

uint64_t account_use_owes_ns(const struct account_uses *u, const struct account_use *a, uint64_t now_ns)
{
    uint64_t paid_ns = atomic_load_explicit(&a->paid_ns, memory_order_relaxed);
    if (u->limits.bytes_per_s_max == 0 || paid_ns <= now_ns + SECOND_NS) return 0;
    return paid_ns - now_ns - SECOND_NS;
}

uint64_t account_use_bytes_max(const struct account_uses *u)
{
    return u->limits.bytes_per_s_max == 0 ? UINT64_MAX : u->limits.bytes_per_s_max;
}

const char *account_use_name(const struct account_use *a) { return a->name; }

/* --- bytes under way --- */

void account_uses_watch(struct account_uses *u, uint32_t lcore, struct waiter *waiter)
{
    INVARIANT(lcore < ACCOUNT_LCORES_MAX);
    u->lcore[lcore].waiter = waiter;
}

static void tell(struct account_uses *u)
{
    for (uint32_t i = 0; i < ACCOUNT_LCORES_MAX; i++) {
        if (atomic_load_explicit(&u->lcore[i].waiting, memory_order_acquire) == 0) continue; /* pairs with wait */
        atomic_store_explicit(&u->lcore[i].is_told, true, memory_order_release); /* pairs with take_tell */
        waiter_wake(u->lcore[i].waiter);
    }
}

void account_use_add(struct account_uses *u, struct account_use *a, enum account_bytes what, uint64_t bytes)
{
    if (u->limits.inflight_bytes_max == 0) return;
    atomic_fetch_add_explicit(&a->inflight_bytes[what], bytes, memory_order_relaxed);
}

void account_use_remove(struct account_uses *u, struct account_use *a, enum account_bytes what, uint64_t bytes)
{
    if (u->limits.inflight_bytes_max == 0 || bytes == 0) return;
    uint64_t before = atomic_fetch_sub_explicit(&a->inflight_bytes[what], bytes, memory_order_relaxed);
    INVARIANT(before >= bytes);
    /* Pairs with the fence in account_use_wait: either it sees the room, or we see that somebody waits. */
    atomic_thread_fence(memory_order_seq_cst);
    if (account_use_has_waiting(a) && account_use_may_begin(u, a)) tell(u);
}

uint64_t account_use_room(const struct account_uses *u, const struct account_use *a)
{
    uint64_t most = u->limits.inflight_bytes_max;
    if (most == 0) return UINT64_MAX;
    uint64_t all = atomic_load_explicit(&a->inflight_bytes[ACCOUNT_ANSWERS], memory_order_relaxed) +
                   atomic_load_explicit(&a->inflight_bytes[ACCOUNT_REQUESTS], memory_order_relaxed);
    return all < most ? most - all : 0;
}

bool account_use_may_begin(const struct account_uses *u, const struct account_use *a)
{
    return account_use_room(u, a) > 0 ||
           atomic_load_explicit(&a->inflight_bytes[ACCOUNT_ANSWERS], memory_order_relaxed) == 0;
}

void account_use_wait(struct account_uses *u, struct account_use *a, uint32_t lcore, bool is_to_read)
{
    atomic_fetch_add_explicit(&a->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&u->lcore[lcore].waiting, 1, memory_order_release); /* publishes the waiter to tell */
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in account_use_remove */
    bool may = is_to_read ? account_use_room(u, a) > 0 || atomic_load_explicit(&a->reading, memory_order_relaxed) == 0
                          : account_use_may_begin(u, a);
    if (may) atomic_store_explicit(&u->lcore[lcore].is_told, true, memory_order_relaxed);
}

void account_use_wait_end(struct account_uses *u, struct account_use *a, uint32_t lcore)
{
    uint32_t before = atomic_fetch_sub_explicit(&a->waiting, 1, memory_order_relaxed);
    uint32_t of_lcore = atomic_fetch_sub_explicit(&u->lcore[lcore].waiting, 1, memory_order_relaxed);
    INVARIANT(before > 0 && of_lcore > 0);
}

bool account_use_has_waiting(const struct account_use *a)
{
    return atomic_load_explicit(&a->waiting, memory_order_relaxed) > 0;
}

bool account_uses_take_tell(struct account_uses *u, uint32_t lcore)
{
    return atomic_load_explicit(&u->lcore[lcore].is_told, memory_order_relaxed) &&
           atomic_exchange_explicit(&u->lcore[lcore].is_told, false, memory_order_acquire); /* pairs with tell */
}

bool account_use_may_read(const struct account_uses *u, struct account_use *a, uint64_t id)
{
    uint64_t reading = 0;
    if (account_use_room(u, a) > 0) return true;
    return atomic_compare_exchange_strong_explicit(&a->reading, &reading, id, memory_order_relaxed,
                                                   memory_order_relaxed) || reading == id;
}

void account_use_read_end(struct account_uses *u, struct account_use *a, uint64_t id)
{
    if (u->limits.inflight_bytes_max == 0 || !atomic_compare_exchange_strong_explicit(&a->reading, &id, 0,
        memory_order_relaxed, memory_order_relaxed)) return;
    atomic_thread_fence(memory_order_seq_cst); /* as in account_use_remove */
    if (account_use_has_waiting(a)) tell(u);
}
