#include "dataplane/auth/authority.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/random.h"
#include "base/thread.h"
#include "dataplane/auth/guesses.h"

enum { AUTHORITY_BURST = 64, FLOWS = 1024 };

struct queued { /* a PLAIN token */
    uint32_t link, flow;
    uint32_t token_bytes;
    uint64_t connection_id, address;
    uint8_t  token[AUTH_TOKEN_BYTES_MAX];
};

struct known_password { /* of one slot: the password that was right last, for this credential */
    bool    is_set;
    uint8_t hash[32];
};

struct auth_side {
    struct auth_link link;
    const struct auth_request *waiting; /* taken from its ring, but there is no room for an answer; not released */
    bool has_news;                      /* the lcore is to be woken */
};

struct authority_counters {
    struct counter *logins[MECHANISM_COUNT], *failures[MECHANISM_COUNT], *malformed, *known, *queue, *busy, *limited;
    struct histogram *check_ns;
};

struct authority {
    struct authority_config config;
    struct directory *directory;
    _Atomic uint64_t *credentials;  /* accounts_max, by slot */
    struct known_password *known;   /* likewise */
    uint8_t known_key[32];          /* drawn at the start, never kept */
    bool *stays;                    /* accounts_max, while a directory is taken */
    struct auth_side *side;         /* link_count */
    struct queued *queue;           /* AUTHORITY_QUEUE_MAX; a circle */
    uint32_t queue_first, queue_count;
    uint32_t flow_places[FLOWS];    /* of the queue */
    struct guesses *guesses;
    uint32_t first_link;            /* to be polled: each in turn, the places that are free are few */
    struct authority_counters count;

    struct waiter waiter, command_waiter;
    pthread_t thread;
    bool      thread_runs;
    _Atomic bool stop;
    pthread_mutex_t command_lock; /* between callers */
    _Atomic(struct directory *) next; /* given and not taken yet */
};

/* --- the accounts --- */

static uint32_t slot_free(const struct authority *a)
{
    uint32_t slot = 0;
    while (slot < a->config.accounts_max && atomic_load_explicit(&a->credentials[slot], memory_order_relaxed) != 0)
        slot++;
    INVARIANT(slot < a->config.accounts_max);
    return slot;
}

/* An account keeps its slot; what is gone, or has another password, is not valid from here on. */
static void directory_take(struct authority *a, struct directory *d)
{
    bool *stays = a->stays;
    INVARIANT(d->count <= a->config.accounts_max);
    memset(stays, 0, a->config.accounts_max * sizeof *stays);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct directory_entry *before =
            a->directory == NULL ? NULL : directory_find(a->directory, d->entry[i].user);
        if (before == NULL) continue;
        d->entry[i].slot = before->slot;
        stays[before->slot] = before->account.credential == d->entry[i].account.credential;
    }
    for (uint32_t slot = 0; slot < a->config.accounts_max; slot++) {
        if (stays[slot]) continue;
        atomic_store_explicit(&a->credentials[slot], 0, memory_order_release); /* pairs with principal_is_valid */
        explicit_bzero(&a->known[slot], sizeof a->known[slot]);
    }
    for (int is_new = 0; is_new < 2; is_new++) { /* those that have a slot first: the others take what is free then */
        for (uint32_t i = 0; i < d->count; i++) {
            struct directory_entry *e = &d->entry[i];
            if ((e->slot == UINT32_MAX) != (is_new == 1)) continue;
            if (is_new == 1) e->slot = slot_free(a);
            atomic_store_explicit(&a->credentials[e->slot], e->account.credential, memory_order_release);
        }
    }
    directory_free(a->directory);
    a->directory = d;
}

static unsigned command_take(struct authority *a)
{
    struct directory *d = atomic_load_explicit(&a->next, memory_order_acquire); /* pairs with set_directory */
    if (d == NULL) return 0;
    directory_take(a, d);
    atomic_store_explicit(&a->next, NULL, memory_order_release); /* pairs with is_taken */
    if (!a->config.is_simulated) waiter_wake(&a->command_waiter);
    return 1;
}

static bool is_taken(struct authority *a)
{
    return atomic_load_explicit(&a->next, memory_order_acquire) == NULL; /* pairs with command_take */
}

void authority_set_directory(struct authority *a, struct directory *d)
{
    if (!a->thread_runs) {
        directory_take(a, d);
        return;
    }
    pthread_mutex_lock(&a->command_lock);
    atomic_store_explicit(&a->next, d, memory_order_release); /* pairs with command_take */
    waiter_wake(&a->waiter);
    while (!is_taken(a)) {
        waiter_announce(&a->command_waiter);
        if (!is_taken(a)) waiter_block(&a->command_waiter, -1);
        waiter_cancel(&a->command_waiter);
    }
    pthread_mutex_unlock(&a->command_lock);
}

/* --- passwords that were right before --- */

static void password_hash(const struct authority *a, const struct directory_entry *who, const struct plain_token *t,
                          uint8_t out[32])
{
    uint8_t text[sizeof who->account.credential + AUTH_TOKEN_BYTES_MAX];
    memcpy(text, &who->account.credential, sizeof who->account.credential);
    memcpy(text + sizeof who->account.credential, t->password, t->password_bytes);
    auth_hmac(a->known_key, text, sizeof who->account.credential + t->password_bytes, out);
    explicit_bzero(text, sizeof text);
}

static bool password_is_known(const struct authority *a, const void *token, size_t size)
{
    struct plain_token t;
    uint8_t hash[32];
    if (plain_token_read(&t, token, size) != ERR_OK) return false;
    const struct directory_entry *who = directory_find(a->directory, t.user);
    if (who == NULL || !a->known[who->slot].is_set) return false;
    password_hash(a, who, &t, hash);
    return auth_equal(hash, a->known[who->slot].hash, sizeof hash);
}

static void password_keep(struct authority *a, const struct directory_entry *who, const void *token, size_t size)
{
    struct plain_token t;
    if (plain_token_read(&t, token, size) != ERR_OK) return;
    password_hash(a, who, &t, a->known[who->slot].hash);
    a->known[who->slot].is_set = true;
}

/* --- tokens --- */

static void answer_fill(struct auth_answer *out, uint64_t connection_id, const struct login *l,
                        const struct login_step *step)
{
    memset(out, 0, sizeof *out);
    out->connection_id = connection_id;
    out->result = step->result;
    out->is_malformed = step->is_malformed;
    out->token_bytes = (uint32_t)step->answer_bytes;
    memcpy(out->token, step->answer, step->answer_bytes);
    if (step->result == LOGIN_GOES_ON) out->login = *l;
    if (step->who == NULL) return;
    const struct account *who = &step->who->account;
    struct principal *p = &out->principal;
    memcpy(p->name, who->name, sizeof p->name);
    memcpy(p->group_id, who->group_id, sizeof p->group_id);
    memcpy(p->channel, who->channel, sizeof p->channel);
    p->slot = step->who->slot;
    p->credential = who->credential;
}

static uint32_t number_of(const struct directory_entry *who) { return who == NULL ? GUESS_NOBODY : who->slot + 1; }

/* Does the next token of this login test a password? */
static bool is_password(const struct login *l) { return l->mechanism == MECHANISM_PLAIN || l->is_challenged; }

/* Checks the token and answers it.  False: there is no room for an answer, and nothing was done; the lcore wakes us
 * when there is. */
static bool token_check(struct authority *a, struct auth_side *side, uint64_t connection_id, uint64_t address,
                        struct login *l, const void *token, size_t size, bool is_known)
{
    struct login_step step;
    struct auth_answer *out = ring_spsc_claim(&side->link.to_serve, sizeof *out);
    if (out == NULL) return false;
    bool is_guess = is_password(l);
    uint64_t begun_ns = clock_monotonic_ns(a->config.clock);
    login_step(l, a->directory, token, size, is_known, &step);
    histogram_record(a->count.check_ns, clock_monotonic_ns(a->config.clock) - begun_ns);
    if (is_known) counter_add(a->count.known, 1);
    if (step.result == LOGIN_DONE) counter_add(a->count.logins[l->mechanism], 1);
    if (step.result == LOGIN_FAILED) counter_add(a->count.failures[l->mechanism], 1);
    if (step.is_malformed) counter_add(a->count.malformed, 1);
    if (step.result == LOGIN_DONE && l->mechanism == MECHANISM_PLAIN && !is_known)
        password_keep(a, step.who, token, size);
    answer_fill(out, connection_id, l, &step);
    if (step.result == LOGIN_FAILED) /* what tested no password is no guess, and was not limited either */
        out->delay_ms = is_guess ? guesses_failed(a->guesses, address, number_of(step.who), begun_ns) : GUESS_DELAY_MS;
    side->has_news = true;
    return true;
}

/* The account that a token is about; names that nobody has are one. */
static uint32_t account_of(const struct authority *a, const struct login *l, const void *token, size_t size)
{
    struct plain_token t;
    const struct directory_entry *who = NULL;
    if (l->mechanism == MECHANISM_PLAIN) {
        if (plain_token_read(&t, token, size) == ERR_OK) who = directory_find(a->directory, t.user);
    } else if (l->is_challenged) {
        who = directory_find(a->directory, l->scram.user);
    }
    return number_of(who);
}

/* Whose share of the queue it is: guesses at one account from one address. */
static uint32_t flow_of(uint64_t address, uint32_t account)
{
    uint64_t mixed = (address ^ (uint64_t)account << 40) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 32) % FLOWS;
}

static void queue_fill(struct authority *a, struct queued *q, uint32_t link, uint32_t flow,
                       const struct auth_request *r)
{
    q->link = link;
    q->flow = flow;
    q->connection_id = r->connection_id;
    q->address = r->address;
    q->token_bytes = r->token_bytes;
    memcpy(q->token, r + 1, r->token_bytes);
    a->flow_places[flow]++;
}

/* False: there is no room for an answer. */
static bool busy_answer(struct auth_side *side, uint64_t connection_id, struct counter *why)
{
    struct auth_answer *out = ring_spsc_claim(&side->link.to_serve, sizeof *out);
    if (out == NULL) return false;
    memset(out, 0, sizeof *out);
    out->connection_id = connection_id;
    out->result = LOGIN_BUSY;
    out->delay_ms = GUESS_DELAY_MS;
    counter_add(why, 1);
    side->has_news = true;
    return true;
}

/* The youngest of the flow that has most places. */
static struct queued *queue_richest(struct authority *a)
{
    struct queued *richest = &a->queue[a->queue_first];
    for (uint32_t i = 1; i < a->queue_count; i++) {
        struct queued *q = &a->queue[(a->queue_first + i) % AUTHORITY_QUEUE_MAX];
        if (a->flow_places[q->flow] >= a->flow_places[richest->flow]) richest = q;
    }
    return richest;
}

/* Into the queue, or it is told that we are busy; false: there is no room for that. */
static bool queue_put(struct authority *a, uint32_t link, uint32_t flow, const struct auth_request *r)
{
    struct queued *q;
    if (a->queue_count < AUTHORITY_QUEUE_MAX) {
        q = &a->queue[(a->queue_first + a->queue_count++) % AUTHORITY_QUEUE_MAX];
    } else {
        q = queue_richest(a);
        bool has_less = a->flow_places[flow] + 1 < a->flow_places[q->flow];
        if (!has_less || !busy_answer(&a->side[q->link], q->connection_id, a->count.busy))
            return busy_answer(&a->side[link], r->connection_id, a->count.busy);
        a->flow_places[q->flow]--;
        explicit_bzero(q->token, q->token_bytes);
    }
    queue_fill(a, q, link, flow, r);
    return true;
}

/* One that is let in at any rate would be a guess that is tested at any rate: so this comes before every look. */
static bool may_look(const struct authority *a, uint64_t address, uint32_t account)
{
    return guesses_may(a->guesses, address, account, clock_monotonic_ns(a->config.clock));
}

/* The one that waits longest. */
static unsigned queue_check(struct authority *a)
{
    if (a->queue_count == 0) return 0;
    struct queued *q = &a->queue[a->queue_first];
    struct login l = {.mechanism = MECHANISM_PLAIN};
    bool is_known = password_is_known(a, q->token, q->token_bytes); /* by one that stood before it, perhaps */
    bool may = may_look(a, q->address, account_of(a, &l, q->token, q->token_bytes)); /* others failed meanwhile */
    bool has_room = !may ? busy_answer(&a->side[q->link], q->connection_id, a->count.limited)
                         : token_check(a, &a->side[q->link], q->connection_id, q->address, &l, q->token,
                                       q->token_bytes, is_known);
    if (!has_room) return 0;
    explicit_bzero(q->token, q->token_bytes);
    a->flow_places[q->flow]--;
    a->queue_first = (a->queue_first + 1) % AUTHORITY_QUEUE_MAX;
    a->queue_count--;
    return 1;
}

/* Answers a token or puts it into the queue; false: there is no room for an answer. */
static bool token_take(struct authority *a, uint32_t link, const struct auth_request *r)
{
    const void *token = r + 1;
    INVARIANT(r->token_bytes <= AUTH_TOKEN_BYTES_MAX);
    bool is_plain = r->login.mechanism == MECHANISM_PLAIN;
    uint32_t account = account_of(a, &r->login, token, r->token_bytes);
    if (is_password(&r->login) && !may_look(a, r->address, account))
        return busy_answer(&a->side[link], r->connection_id, a->count.limited);
    bool is_known = is_plain && password_is_known(a, token, r->token_bytes);
    if (is_plain && !is_known) return queue_put(a, link, flow_of(r->address, account), r);
    struct login l = r->login;
    return token_check(a, &a->side[link], r->connection_id, r->address, &l, token, r->token_bytes, is_known);
}

static unsigned link_poll(struct authority *a, uint32_t index)
{
    struct auth_side *side = &a->side[index];
    unsigned taken = 0;
    while (taken < AUTHORITY_BURST) {
        uint32_t size;
        const struct auth_request *r = side->waiting;
        if (r == NULL) r = ring_spsc_next(&side->link.to_authority, &size);
        if (r == NULL) break;
        bool is_done = token_take(a, index, r);
        side->waiting = is_done ? NULL : r;
        if (!is_done) return taken;
        taken++;
    }
    if (taken > 0) {
        ring_spsc_release(&side->link.to_authority);
        side->has_news = true; /* at least the room is news */
    }
    return taken;
}

unsigned authority_step(struct authority *a)
{
    unsigned work = command_take(a);
    for (uint32_t i = 0; i < a->config.link_count; i++)
        work += link_poll(a, (a->first_link + i) % a->config.link_count);
    a->first_link = (a->first_link + 1) % a->config.link_count;
    work += queue_check(a);
    counter_set(a->count.queue, a->queue_count);
    for (uint32_t i = 0; i < a->config.link_count; i++) {
        struct auth_side *side = &a->side[i];
        if (!side->has_news) continue;
        side->has_news = false;
        ring_spsc_commit(&side->link.to_serve);
        waiter_wake(side->link.serve_waiter);
    }
    return work;
}

/* --- the thread --- */

static void *body(void *argument)
{
    struct authority *a = argument;
    while (!atomic_load_explicit(&a->stop, memory_order_acquire)) { /* pairs with authority_stop */
        if (authority_step(a) > 0) continue;
        waiter_announce(&a->waiter);
        if (authority_step(a) == 0 && !atomic_load_explicit(&a->stop, memory_order_acquire))
            waiter_block(&a->waiter, -1);
        waiter_cancel(&a->waiter);
    }
    return NULL;
}

enum err authority_start(struct authority *a, struct err_msg *msg)
{
    for (uint32_t i = 0; i < a->config.link_count; i++) INVARIANT(a->side[i].link.serve_waiter != NULL);
    INVARIANT(a->directory != NULL);
    if (a->config.is_simulated) return ERR_OK;
    enum err e = thread_start(&a->thread, "authority", -1, body, a);
    if (e != ERR_OK) return err_set(msg, e, "the thread that checks passwords does not start: %s", err_text(e));
    a->thread_runs = true;
    return ERR_OK;
}

void authority_stop(struct authority *a)
{
    if (a == NULL) return;
    if (a->thread_runs) {
        atomic_store_explicit(&a->stop, true, memory_order_release); /* pairs with body */
        waiter_wake(&a->waiter);
        pthread_join(a->thread, NULL);
    }
    for (uint32_t i = 0; a->side != NULL && i < a->config.link_count; i++) {
        ring_spsc_fini(&a->side[i].link.to_authority);
        ring_spsc_fini(&a->side[i].link.to_serve);
    }
    waiter_fini(&a->waiter);
    waiter_fini(&a->command_waiter);
    pthread_mutex_destroy(&a->command_lock);
    directory_free(a->directory);
    if (a->queue != NULL) explicit_bzero(a->queue, AUTHORITY_QUEUE_MAX * sizeof *a->queue);
    guesses_close(a->guesses);
    free(a->queue);
    free(a->side);
    free(a->stays);
    free(a->known);
    free(a->credentials);
    free(a);
}

/* --- opening --- */

/* For structs that keep their threads' members on different cache lines. */
static void *aligned_zeros(size_t size)
{
    size_t whole = (size + CACHE_LINE_PAIR - 1) / CACHE_LINE_PAIR * CACHE_LINE_PAIR;
    void *memory = aligned_alloc(CACHE_LINE_PAIR, whole);
    if (memory != NULL) memset(memory, 0, whole);
    return memory;
}

static void open_counters(struct authority *a)
{
    struct counters *counters = a->config.counters;
    for (int m = 0; m < MECHANISM_COUNT; m++) {
        char label[COUNTERS_LABEL_BYTES];
        snprintf(label, sizeof label, "mechanism=%s", mechanism_name((enum mechanism)m));
        a->count.logins[m] = counters_add(counters, COUNTER_COUNT, "logins", label);
        a->count.failures[m] = counters_add(counters, COUNTER_COUNT, "logins_failed", label);
    }
    a->count.malformed = counters_add(counters, COUNTER_COUNT, "login_tokens_malformed", "");
    a->count.known = counters_add(counters, COUNTER_COUNT, "login_passwords_known", "");
    a->count.busy = counters_add(counters, COUNTER_COUNT, "logins_busy", "");
    a->count.limited = counters_add(counters, COUNTER_COUNT, "logins_limited", "");
    a->count.queue = counters_add(counters, COUNTER_GAUGE, "login_passwords_waiting", "");
    a->count.check_ns = counters_add_histogram(counters, "login_check_ns", "");
}

static enum err open_parts(struct authority *a)
{
    const struct authority_config *config = &a->config;
    const uint8_t no_salts[DIRECTORY_KEY_BYTES] = {0};
    a->credentials = calloc(config->accounts_max + 1, sizeof *a->credentials);
    a->known = calloc(config->accounts_max + 1, sizeof *a->known);
    a->stays = calloc(config->accounts_max + 1, sizeof *a->stays);
    a->side = aligned_zeros(config->link_count * sizeof *a->side);
    a->queue = calloc(AUTHORITY_QUEUE_MAX, sizeof *a->queue);
    if (a->credentials == NULL || a->known == NULL || a->stays == NULL || a->side == NULL || a->queue == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < config->link_count; i++) {
        struct auth_link *link = &a->side[i].link;
        link->authority_waiter = &a->waiter;
        link->credentials = a->credentials;
        TRY(ring_spsc_init(&link->to_authority, AUTH_RING_BYTES));
        TRY(ring_spsc_init(&link->to_serve, AUTH_RING_BYTES));
    }
    TRY(guesses_open(&a->guesses));
    random_secret(a->known_key, sizeof a->known_key);
    return directory_new(&a->directory, NULL, 0, no_salts);
}

enum err authority_open(struct authority **out, const struct authority_config *config, struct err_msg *msg)
{
    struct authority *a = aligned_zeros(sizeof *a);
    if (a == NULL) return err_set(msg, ERR_NO_MEMORY, "no memory for the thread that checks passwords");
    a->config = *config;
    pthread_mutex_init(&a->command_lock, NULL);
    open_counters(a);
    waiter_init_simulated(&a->waiter);
    waiter_init_simulated(&a->command_waiter);
    enum err e = config->is_simulated ? ERR_OK : waiter_init(&a->waiter);
    if (e == ERR_OK && !config->is_simulated) e = waiter_init(&a->command_waiter);
    if (e == ERR_OK) e = open_parts(a);
    if (e != ERR_OK) {
        authority_stop(a);
        return err_set(msg, e, "the thread that checks passwords does not open: %s", err_text(e));
    }
    *out = a;
    return ERR_OK;
}

struct auth_link *authority_link_of(struct authority *a, uint32_t index)
{
    INVARIANT(index < a->config.link_count);
    return &a->side[index].link;
}

uint64_t authority_memory_bytes(const struct authority_config *config)
{
    uint64_t links = (uint64_t)config->link_count * (2 * AUTH_RING_BYTES + sizeof(struct auth_side));
    return links + AUTHORITY_QUEUE_MAX * sizeof(struct queued) + guesses_memory_bytes() +
           2 * directory_bytes(config->accounts_max) +
           config->accounts_max * (sizeof(struct known_password) + sizeof(uint64_t));
}
