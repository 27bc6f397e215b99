#include "dataplane/account_use.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

enum { BUCKETS = 1024, SECOND_NS = 1000000000 };

struct account_use {
    struct account_use *next; /* of its bucket */
    uint32_t bucket;
    uint32_t references, connections; /* under the lock; connections: of the references, those counted */
    _Atomic uint64_t paid_ns; /* has had its share until then; plain numbers, they order nothing */
    char     name[];
};

struct account_uses {
    struct account_limits limits;
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
