/* Goal: whatever steps of SASL a client takes in whatever order, it is served exactly when it has shown that it knows a
 * password that is good now; each wrong step is told as Kafka's clients expect it, and costs its connection alone.
 *
 * Random steps on simulated connections, time and network, each checked against a model of what must follow. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/auth/authority.h"
#include "dataplane/auth/guesses.h"
#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum { SESSION_MS = 5000, ACCOUNTS = 3, CONNECTIONS = 300, STEPS = 12 };
#define FORGETS_NS UINT64_C(3600000000000) /* more than any failure is remembered */

static const char *const users[ACCOUNTS] = {"ann-billing", "bob-b-c", "root"};

struct world {
    struct sim_server *sim;
    struct authority *authority;
    struct counters *counters; /* the authority's */
    uint64_t generation[ACCOUNTS]; /* of each password */
    bool is_there[ACCOUNTS];
    struct clock_simulated clock; /* the authority's */
};

static void password_of(const struct world *w, int who, char out[40])
{
    snprintf(out, 40, "password %d.%u", who, (unsigned)w->generation[who] % 8);
}

/* Verifiers cost milliseconds: the few that are needed are made once. */
static void make_verifiers(struct account *a, const char *password)
{
    static struct { char password[40]; struct account made; } known[ACCOUNTS * 8 + 1];
    int i = 0;
    while (known[i].password[0] != '\0' && strcmp(known[i].password, password) != 0) i++;
    ck_assert_int_lt(i, ACCOUNTS * 8);
    if (known[i].password[0] == '\0') {
        snprintf(known[i].password, sizeof known[i].password, "%s", password);
        ck_assert_int_eq(account_set_password(&known[i].made, password, strlen(password)), ERR_OK);
    }
    memcpy(a->verifier, known[i].made.verifier, sizeof a->verifier);
}

static void publish(struct world *w)
{
    static const char *const parts[ACCOUNTS][3] = {
        {"ann", "billing", "orders"}, {"bob", "b-c", "payments"}, {"root", "", ""}};
    const uint8_t key[DIRECTORY_KEY_BYTES] = {7};
    struct account list[ACCOUNTS];
    struct directory *d;
    uint32_t count = 0;
    memset(list, 0, sizeof list);
    for (int i = 0; i < ACCOUNTS; i++) {
        if (!w->is_there[i]) continue;
        char password[40];
        struct account *a = &list[count++];
        snprintf(a->name, sizeof a->name, "%s", parts[i][0]);
        snprintf(a->group_id, sizeof a->group_id, "%s", parts[i][1]);
        snprintf(a->channel, sizeof a->channel, "%s", parts[i][2]);
        a->credential = (uint64_t)(i + 1) << 32 | w->generation[i];
        password_of(w, i, password);
        make_verifiers(a, password);
    }
    ck_assert_int_eq(directory_new(&d, list, count, key), ERR_OK);
    authority_set_directory(w->authority, d);
}

static struct world *world_start(uint64_t seed, uint32_t connections_max)
{
    struct err_msg msg;
    struct world *w = calloc(1, sizeof *w);
    ck_assert_int_eq(counters_open(&w->counters, NULL, 1024, &msg), ERR_OK);
    clock_simulated_init(&w->clock, 1700000000000);
    struct authority_config config = {.link_count = 1, .accounts_max = ACCOUNTS, .clock = &w->clock.clock,
                                      .counters = w->counters, .is_simulated = true};
    ck_assert_int_eq(authority_open(&w->authority, &config, &msg), ERR_OK);
    struct serve_config serve = {.authority = authority_link_of(w->authority, 0), .session_lifetime_ms = SESSION_MS,
                                 .connections_max = connections_max};
    w->sim = sim_start(2, 1 << 20, serve, seed);
    serve.authority->serve_waiter = &w->sim->lcore->waiter;
    w->sim->listener[0].needs_login = true;
    memory_log_new(w->sim->storage, "orders");
    for (int i = 0; i < ACCOUNTS; i++) w->is_there[i] = true;
    publish(w);
    ck_assert_int_eq(authority_start(w->authority, &msg), ERR_OK);
    return w;
}

static void world_stop(struct world *w)
{
    sim_stop(w->sim);
    authority_stop(w->authority);
    counters_close(w->counters);
    free(w);
}

static void settle(struct world *w)
{
    for (int still = 0; still < 40;) {
        unsigned work = serve_step(w->sim->lcore);
        work += authority_step(w->authority);
        still = work == 0 ? still + 1 : 0;
    }
}

static void pass_ms(struct world *w, uint64_t ms)
{
    clock_simulated_advance(&w->sim->clock, ms * 1000000);
    clock_simulated_advance(&w->clock, FORGETS_NS); /* what failed before: test_guesses is about that */
    settle(w);
}

/* --- a client --- */

enum stage { NOBODY, EXCHANGE, RAW, INSIDE, GONE };

struct peer {
    struct port_sim_peer *end;
    enum stage stage;
    int who;             /* INSIDE: whose it is; -1: nobody's yet */
    uint64_t generation; /* of the password it showed */
    uint64_t login_ns;
};

static bool is_closed(struct world *w, struct peer *p)
{
    settle(w);
    if (!port_sim_is_closed(p->end)) return false;
    ck_assert_uint_eq(port_sim_readable(p->end), 0);
    return true;
}

static void must_be_closed(struct world *w, struct peer *p, const char *why)
{
    ck_assert_msg(is_closed(w, p), "still open: %s", why);
    p->stage = GONE;
}

static size_t plain_token(const struct world *w, int who, bool is_right, char out[120])
{
    char password[40];
    password_of(w, who, password);
    return (size_t)snprintf(out, 120, "%c%s%c%s%s", 0, users[who], 0, password, is_right ? "" : "?");
}

static void ask(struct world *w, struct peer *p, int16_t api_key, int16_t version, const void *body)
{
    sim_send(w->sim, p->end, api_key, version, body);
    settle(w);
}

static bool answer(struct world *w, struct peer *p, int16_t api_key, int16_t version, void *out)
{
    return sim_receive(w->sim, p->end, api_key, version, out);
}

static void step_handshake(struct world *w, struct peer *p, int16_t version, const char *mechanism)
{
    struct sasl_handshake_request in = {kafka_string_of(mechanism)};
    struct sasl_handshake_response out;
    uint64_t now_ns = w->sim->clock.now_ns;
    bool is_known = strcmp(mechanism, "PLAIN") == 0, is_early = now_ns - p->login_ns < 1000000000;
    ask(w, p, KAFKA_API_SASL_HANDSHAKE, version, &in);
    ck_assert(answer(w, p, KAFKA_API_SASL_HANDSHAKE, version, &out));
    ck_assert_int_eq(out.mechanism_count, 3);
    if (p->who >= 0 && is_early) {
        ck_assert_int_eq(out.error_code, KAFKA_ILLEGAL_SASL_STATE);
        ck_assert(!is_closed(w, p));
        return;
    }
    bool is_disorder = p->stage == EXCHANGE || (p->who >= 0 && (version == 0 || !is_known));
    if (is_disorder || !is_known) {
        ck_assert_int_eq(out.error_code, is_disorder ? KAFKA_ILLEGAL_SASL_STATE : KAFKA_UNSUPPORTED_SASL_MECHANISM);
        must_be_closed(w, p, "after a wrong handshake");
        return;
    }
    ck_assert_int_eq(out.error_code, 0);
    p->stage = version == 0 ? RAW : EXCHANGE;
}

static void went_in(struct world *w, struct peer *p, int who)
{
    p->stage = INSIDE;
    p->who = who;
    p->generation = w->generation[who];
    p->login_ns = w->sim->clock.now_ns;
}

static void step_authenticate(struct world *w, struct peer *p, int16_t version, int who, bool is_right)
{
    char token[120];
    size_t size = plain_token(w, who, is_right, token);
    struct sasl_authenticate_request in = {{(const uint8_t *)token, (int32_t)size}};
    struct sasl_authenticate_response out;
    bool goes_in = is_right && w->is_there[who] && (p->who < 0 || p->who == who);
    ask(w, p, KAFKA_API_SASL_AUTHENTICATE, version, &in);
    if (p->stage != EXCHANGE) {
        ck_assert(answer(w, p, KAFKA_API_SASL_AUTHENTICATE, version, &out));
        ck_assert_int_eq(out.error_code, KAFKA_ILLEGAL_SASL_STATE);
        if (p->stage == NOBODY) must_be_closed(w, p, "a token before the handshake");
        return;
    }
    if (!goes_in) { /* told late, and always in the same words */
        pass_ms(w, 99);
        ck_assert(!answer(w, p, KAFKA_API_SASL_AUTHENTICATE, version, &out));
        pass_ms(w, 1);
    }
    ck_assert(answer(w, p, KAFKA_API_SASL_AUTHENTICATE, version, &out));
    ck_assert_int_eq(out.auth_bytes.size, 0);
    ck_assert_int_eq(out.error_code, goes_in ? 0 : KAFKA_SASL_AUTHENTICATION_FAILED);
    if (goes_in) {
        ck_assert_int_eq(out.session_lifetime_ms, version == 0 ? 0 : SESSION_MS);
        went_in(w, p, who);
    } else {
        ck_assert(kafka_string_is(out.error_message, "Authentication failed: invalid credentials"));
        must_be_closed(w, p, "after a wrong password");
    }
}

static void step_raw(struct world *w, struct peer *p, int who, bool is_right)
{
    char frame[124];
    size_t size = plain_token(w, who, is_right, frame + 4);
    memcpy(frame, (char[]){0, 0, 0, (char)size}, 4);
    ck_assert(port_sim_write(p->end, frame, size + 4));
    settle(w);
    if (is_right && w->is_there[who]) {
        ck_assert_uint_eq(port_sim_readable(p->end), 4);
        ck_assert_uint_eq(port_sim_read(p->end, frame, 4), 4);
        ck_assert_mem_eq(frame, "\0\0\0\0", 4);
        went_in(w, p, who);
        return;
    }
    ck_assert(!is_closed(w, p));
    pass_ms(w, 100);
    must_be_closed(w, p, "after a wrong password in a raw frame");
}

/* A request that is no step of SASL; Metadata shows something, ApiVersions does not. */
static void step_request(struct world *w, struct peer *p, int16_t api_key)
{
    struct metadata_request all = {.topic_count = -1};
    struct metadata_response topics;
    struct api_versions_request in = {kafka_string_of("a"), kafka_string_of("1")};
    struct api_versions_response versions;
    bool is_metadata = api_key == KAFKA_API_METADATA;
    bool is_served = p->stage == INSIDE || (p->stage == NOBODY && !is_metadata);
    ask(w, p, api_key, 1, is_metadata ? (const void *)&all : &in);
    if (p->stage == RAW) { /* taken for a token */
        pass_ms(w, 100);
        must_be_closed(w, p, "a request where a token belongs");
        return;
    }
    bool got = is_metadata ? answer(w, p, api_key, 1, &topics) : answer(w, p, api_key, 1, &versions);
    ck_assert_msg(got == is_served, "stage %d: api %d was %sanswered", (int)p->stage, api_key, got ? "" : "not ");
    if (!is_served) must_be_closed(w, p, "a request before the login");
}

/* The step that ends a connection whose password is no longer good, or whose session is over. */
static bool is_expired(struct world *w, struct peer *p, int kind)
{
    if (p->who < 0) return false;
    bool is_revoked = !w->is_there[p->who] || w->generation[p->who] != p->generation;
    bool is_over = w->sim->clock.now_ns - p->login_ns >= (uint64_t)SESSION_MS * 1000000 && p->stage == INSIDE;
    return is_revoked || (is_over && kind > 1);
}

static void step(struct world *w, struct peer *p, struct random *r)
{
    int kind = (int)random_below(r, 6), who = (int)random_below(r, ACCOUNTS);
    int16_t version = (int16_t)random_below(r, 3);
    bool is_right = random_below(r, 4) > 0;
    if (p->who >= 0 && random_below(r, 3) > 0) who = p->who;
    if (random_below(r, 10) < 6 && p->stage != INSIDE) { /* mostly what a client would do */
        kind = p->stage == NOBODY ? (int)random_below(r, 2) : 2;
        is_right = true;
    }
    if (p->stage == RAW && kind < 4) {
        step_raw(w, p, who, is_right);
        return;
    }
    if (is_expired(w, p, kind)) {
        struct metadata_request all = {.topic_count = -1};
        if (!is_closed(w, p)) ask(w, p, KAFKA_API_METADATA, 1, &all); /* or it was seen already */
        must_be_closed(w, p, "its password or its session is over");
        return;
    }
    switch (kind) {
    case 0: step_handshake(w, p, 1, "PLAIN"); break;
    case 1: {
        static const char *const names[] = {"PLAIN", "GSSAPI", ""};
        if (p->stage != RAW) step_handshake(w, p, (int16_t)random_below(r, 2), names[random_below(r, 3)]);
        break;
    }
    case 2: case 3: step_authenticate(w, p, version, who, is_right); break;
    case 4: step_request(w, p, KAFKA_API_API_VERSIONS); break;
    default: step_request(w, p, KAFKA_API_METADATA); break;
    }
}

START_TEST(random_steps_are_answered_as_the_model_says)
{
    struct random r;
    random_init(&r, (uint64_t)_i + 1);
    struct world *w = world_start(_i % 2 == 0 ? 0 : (uint64_t)_i, 16);
    uint32_t went_inside = 0;
    for (int connection = 0; connection < CONNECTIONS; connection++) {
        struct peer p = {.end = port_sim_connect(w->sim->lcore->port), .who = -1};
        ck_assert_ptr_nonnull(p.end);
        for (int i = 0; i < STEPS && p.stage != GONE; i++) {
            if (random_below(&r, 12) == 0) { /* somebody changes or deletes an account */
                int who = (int)random_below(&r, ACCOUNTS);
                w->generation[who]++;
                w->is_there[who] = random_below(&r, 4) > 0;
                publish(w);
            }
            if (p.who >= 0) pass_ms(w, random_below(&r, 3) == 0 ? random_below(&r, 6000) : random_below(&r, 1500));
            step(w, &p, &r);
            went_inside += p.stage == INSIDE;
        }
        port_sim_hang_up(p.end);
        settle(w);
    }
    ck_assert_uint_gt(went_inside, CONNECTIONS / 4); /* the model was not only about the outside */
    world_stop(w);
}
END_TEST

/* The password that was right is checked by its hash alone, until there is another one. */
START_TEST(a_right_password_is_checked_once_and_forgotten_with_a_new_one)
{
    struct world *w = world_start(0, 16);
    const struct counter *known = counters_add(w->counters, COUNTER_COUNT, "login_passwords_known", "");
    const struct counter *logins = counters_add(w->counters, COUNTER_COUNT, "logins", "mechanism=PLAIN");
    const struct counter *failures = counters_add(w->counters, COUNTER_COUNT, "logins_failed", "mechanism=PLAIN");
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t again = 0; again < 3; again++) {
            struct peer right = {.end = port_sim_connect(w->sim->lcore->port), .who = -1}, wrong = right;
            step_handshake(w, &right, 1, "PLAIN");
            step_authenticate(w, &right, 1, 0, true);
            ck_assert_int_eq(right.stage, INSIDE);
            ck_assert_uint_eq(counter_get(known), round * 2 + again);
            ck_assert_uint_eq(counter_get(logins), round * 3 + again + 1);
            port_sim_hang_up(right.end);
            wrong.end = port_sim_connect(w->sim->lcore->port);
            step_handshake(w, &wrong, 1, "PLAIN");
            step_authenticate(w, &wrong, 1, 0, false);
            ck_assert_uint_eq(counter_get(failures), round * 3 + again + 1);
            port_sim_hang_up(wrong.end);
            settle(w);
        }
        w->generation[0]++;
        publish(w);
    }
    world_stop(w);
}
END_TEST

static void put(struct auth_link *link, uint64_t id, uint64_t address, const void *token, size_t size)
{
    struct auth_request *r = ring_spsc_claim(&link->to_authority, (uint32_t)(sizeof *r + size));
    ck_assert_ptr_nonnull(r);
    memset(r, 0, sizeof *r);
    r->connection_id = id;
    r->address = address;
    r->token_bytes = (uint32_t)size;
    memcpy(r + 1, token, size);
    ring_spsc_commit(&link->to_authority);
}

struct answers { uint32_t done, failed, busy; uint64_t last_done; };

static void take(struct auth_link *link, struct answers *got)
{
    const struct auth_answer *a;
    uint32_t size;
    while ((a = ring_spsc_next(&link->to_serve, &size)) != NULL) {
        got->done += a->result == LOGIN_DONE;
        got->failed += a->result == LOGIN_FAILED;
        got->busy += a->result == LOGIN_BUSY;
        if (a->result == LOGIN_DONE) got->last_done = a->connection_id;
    }
    ring_spsc_release(&link->to_serve);
}

/* One serve thread's guesses have taken all places: what is known is answered at once behind them in their ring, and a
 * password that nobody checked before gets in from the other thread, and from theirs. */
START_TEST(a_flood_keeps_nobody_else_waiting)
{
    enum { GUESSES = AUTHORITY_QUEUE_MAX + 64, GUESSER = 1, OTHER = 2, ROUNDS = 6 };
    static struct world w = {.is_there = {true, true, true}};
    static struct waiter waiter;
    struct err_msg msg;
    struct answers first = {0}, second = {0};
    char token[120], guess[120];
    ck_assert_int_eq(counters_open(&w.counters, NULL, 1024, &msg), ERR_OK);
    struct authority_config config = {.link_count = 2, .accounts_max = ACCOUNTS, .clock = clock_real(),
                                      .counters = w.counters, .is_simulated = true};
    ck_assert_int_eq(authority_open(&w.authority, &config, &msg), ERR_OK);
    waiter_init_simulated(&waiter);
    struct auth_link *link[2];
    for (uint32_t i = 0; i < 2; i++) {
        link[i] = authority_link_of(w.authority, i);
        link[i]->serve_waiter = &waiter;
    }
    publish(&w);
    ck_assert_int_eq(authority_start(w.authority, &msg), ERR_OK);
    put(link[0], 1, OTHER, token, plain_token(&w, 2, true, token));
    authority_step(w.authority);
    take(link[0], &first);
    ck_assert_uint_eq(first.done, 1); /* root's is known from now on */
    size_t guess_bytes = plain_token(&w, 0, false, guess);
    for (int i = 0; i < GUESSES; i++) {
        put(link[0], 100, GUESSER, guess, guess_bytes);
        if (i % 32 == 31) authority_step(w.authority);
        take(link[0], &first);
    }
    ck_assert_uint_gt(first.busy, 0);
    ck_assert_uint_lt(first.failed, 20); /* the queue is full */
    for (int i = 0; i < 40; i++) put(link[0], 100, GUESSER, guess, guess_bytes);
    put(link[0], 2, GUESSER, token, plain_token(&w, 2, true, token)); /* known */
    put(link[0], 3, OTHER, token, plain_token(&w, 1, true, token));   /* new: their ring */
    put(link[1], 4, OTHER, token, plain_token(&w, 0, true, token));   /* new: the account that is guessed at */
    authority_step(w.authority);
    take(link[0], &first);
    ck_assert_uint_eq(first.done, 2);
    ck_assert_uint_eq(first.last_done, 2);
    for (int round = 0; round < ROUNDS * AUTHORITY_QUEUE_MAX / 4 && first.done + second.done < 4; round++) {
        for (int i = 0; i < 4; i++) put(link[0], 100, GUESSER, guess, guess_bytes); /* it goes on */
        authority_step(w.authority);
        take(link[0], &first);
        take(link[1], &second);
    }
    ck_assert_uint_eq(first.done, 3);
    ck_assert_uint_eq(first.last_done, 3);
    ck_assert_uint_eq(second.done, 1);
    ck_assert_uint_eq(second.last_done, 4);
    ck_assert_uint_eq(second.busy, 0);
    authority_stop(w.authority);
    counters_close(w.counters);
}
END_TEST

/* More tokens at once than the queue and the rings hold: each is told or closed, and what is known goes first. */
START_TEST(a_flood_of_guesses_is_answered_and_lets_others_through)
{
    enum { GUESSERS = AUTHORITY_QUEUE_MAX + 200 };
    static struct peer guesser[GUESSERS];
    struct world *w = world_start(0, GUESSERS + 4);
    struct peer first = {.end = port_sim_connect(w->sim->lcore->port), .who = -1}, second = first;
    step_handshake(w, &first, 1, "PLAIN");
    step_authenticate(w, &first, 1, 2, true); /* from now on it is known */
    second.end = port_sim_connect(w->sim->lcore->port);
    step_handshake(w, &second, 1, "PLAIN");
    char token[120];
    size_t size = plain_token(w, 1, false, token);
    struct sasl_authenticate_request in = {{(const uint8_t *)token, (int32_t)size}};
    struct sasl_authenticate_response out;
    for (int i = 0; i < GUESSERS; i++) {
        guesser[i] = (struct peer){.end = port_sim_connect(w->sim->lcore->port), .who = -1};
        step_handshake(w, &guesser[i], 1, "PLAIN");
    }
    for (int i = 0; i < GUESSERS; i++) sim_send(w->sim, guesser[i].end, KAFKA_API_SASL_AUTHENTICATE, 1, &in);
    for (int i = 0; i < 50; i++) serve_step(w->sim->lcore); /* as many as there is room for go to the authority */
    authority_step(w->authority);
    size = plain_token(w, 2, true, token);
    in.auth_bytes.size = (int32_t)size;
    sim_send(w->sim, second.end, KAFKA_API_SASL_AUTHENTICATE, 1, &in);
    const struct counter *failures = counters_add(w->counters, COUNTER_COUNT, "logins_failed", "mechanism=PLAIN");
    bool got = false;
    for (int turn = 0; turn < 400 && !got; turn++) {
        serve_step(w->sim->lcore);
        authority_step(w->authority);
        got = sim_receive(w->sim, second.end, KAFKA_API_SASL_AUTHENTICATE, 1, &out);
    }
    ck_assert(got && out.error_code == 0);
    ck_assert_uint_lt(counter_get(failures), 40);
    settle(w);
    const struct counter *busy = counters_add(w->counters, COUNTER_COUNT, "logins_busy", "");
    ck_assert_uint_eq(counter_get(failures) + counter_get(busy), GUESSERS); /* from as many addresses */
    ck_assert_uint_ge(counter_get(failures), AUTHORITY_QUEUE_MAX);
    uint32_t told = 0;
    for (int i = 0; i < GUESSERS; i++) ck_assert(!is_closed(w, &guesser[i])); /* both wait: guessing is slow */
    pass_ms(w, GUESS_DELAY_MS_MAX);
    for (int i = 0; i < GUESSERS; i++) {
        if (sim_receive(w->sim, guesser[i].end, KAFKA_API_SASL_AUTHENTICATE, 1, &out)) {
            ck_assert_int_eq(out.error_code, KAFKA_SASL_AUTHENTICATION_FAILED);
            told++;
        }
        must_be_closed(w, &guesser[i], "a guess");
        port_sim_hang_up(guesser[i].end);
    }
    ck_assert_uint_eq(told, counter_get(failures));
    port_sim_hang_up(first.end);
    port_sim_hang_up(second.end);
    settle(w);
    world_stop(w);
}
END_TEST

/* A fetch that came in time and waits is answered, though its session ends meanwhile. */
START_TEST(a_request_that_waits_is_not_cut_off_by_its_sessions_end)
{
    struct world *w = world_start(0, 16);
    struct peer p = {.end = port_sim_connect(w->sim->lcore->port), .who = -1};
    struct simple_fetch f;
    struct fetch_response out;
    step_handshake(w, &p, 1, "PLAIN");
    step_authenticate(w, &p, 1, 2, true);
    simple_fetch_init(&f, "orders", 0, 2000, 1);
    pass_ms(w, SESSION_MS - 500);
    ask(w, &p, KAFKA_API_FETCH, 11, &f.request);
    pass_ms(w, 1999);
    ck_assert(!answer(w, &p, KAFKA_API_FETCH, 11, &out));
    pass_ms(w, 1);
    ck_assert(answer(w, &p, KAFKA_API_FETCH, 11, &out));
    ask(w, &p, KAFKA_API_FETCH, 11, &f.request);
    must_be_closed(w, &p, "the next one came too late");
    port_sim_hang_up(p.end);
    settle(w);
    world_stop(w);
}
END_TEST

/* Who has a password no more keeps no place, though nothing is asked: at rest, in a waiting fetch, in a login anew. */
START_TEST(a_revoked_connection_is_closed_within_a_second)
{
    struct world *w = world_start(0, 16);
    struct peer p[4];
    struct simple_fetch f;
    for (int i = 0; i < 4; i++) {
        p[i] = (struct peer){.end = port_sim_connect(w->sim->lcore->port), .who = -1};
        step_handshake(w, &p[i], 1, "PLAIN");
        step_authenticate(w, &p[i], 1, i == 3 ? 1 : 2, true);
    }
    pass_ms(w, 1001);
    simple_fetch_init(&f, "orders", 0, 60000, 1);
    ask(w, &p[1], KAFKA_API_FETCH, 11, &f.request);
    step_handshake(w, &p[2], 1, "PLAIN");
    pass_ms(w, 1001);
    for (int i = 0; i < 4; i++) ck_assert(!is_closed(w, &p[i]));
    w->generation[2]++;
    publish(w);
    pass_ms(w, 1001);
    for (int i = 0; i < 3; i++) must_be_closed(w, &p[i], "its password is another");
    ck_assert(!is_closed(w, &p[3]));
    for (int i = 0; i < 4; i++) port_sim_hang_up(p[i].end);
    settle(w);
    world_stop(w);
}
END_TEST

/* It may log in anew after its session's end, for a while. */
START_TEST(a_connection_does_not_rest_for_long_after_its_session)
{
    struct world *w = world_start(0, 16);
    struct peer idle = {.end = port_sim_connect(w->sim->lcore->port), .who = -1}, again = idle;
    again.end = port_sim_connect(w->sim->lcore->port);
    step_handshake(w, &idle, 1, "PLAIN");
    step_authenticate(w, &idle, 1, 2, true);
    step_handshake(w, &again, 1, "PLAIN");
    step_authenticate(w, &again, 1, 2, true);
    pass_ms(w, SESSION_MS + SESSION_GRACE_MS - 1);
    ck_assert(!is_closed(w, &idle));
    step_handshake(w, &again, 1, "PLAIN");
    pass_ms(w, 1002);
    must_be_closed(w, &idle, "its session is long over");
    step_authenticate(w, &again, 1, 2, true);
    port_sim_hang_up(idle.end);
    port_sim_hang_up(again.end);
    settle(w);
    world_stop(w);
}
END_TEST

/* Also in what is free, which sanitizers watch.  The word, of 7 bytes, stands there many times over: every eighth place
 * is enough to find a piece of 63. */
__attribute__((no_sanitize("address"))) static bool arena_holds(const struct world *w, const char *word)
{
    const struct buffer_arena *a = &w->sim->lcore->arena;
    size_t size = (size_t)1 << (ARENA_BLOCK_SHIFT + a->orders - 1);
    for (size_t i = 0; i + 7 <= size; i += 8) {
        size_t same = 0;
        while (same < 7 && a->bytes[i + same] == (uint8_t)word[same]) same++;
        if (same == 7) return true;
    }
    return false;
}

/* Whatever becomes of a login, no buffer that others get holds a part of its password: a token in one piece and in many
 * (its buffer grows), one that never becomes whole, one that is too long, and a wrong one. */
START_TEST(no_password_stays_in_a_buffer)
{
    enum { PASSWORD_BYTES = 3000 };
    static const uint32_t sizes[] = {100, 900, PASSWORD_BYTES};
    static char frame[4 + PASSWORD_BYTES + 40];
    struct world *w = world_start(0, 16);
    for (int kind = 0; kind < 18; kind++) {
        bool is_whole = kind % 2 == 0, is_in_pieces = kind / 2 % 3 == 1, is_again = kind / 2 % 3 == 2;
        uint32_t size = sizes[kind / 6], token_bytes = 0;
        struct peer p = {.end = port_sim_connect(w->sim->lcore->port), .who = -1};
        if (is_again) {
            step_handshake(w, &p, 1, "PLAIN");
            step_authenticate(w, &p, 1, 2, true);
            pass_ms(w, 1001);
        }
        step_handshake(w, &p, is_again ? 1 : 0, "PLAIN");
        if (is_again) { /* SaslAuthenticate 0: its header and the token's size stand before the token */
            const char token_size[2] = {(char)((size + 6) >> 8), (char)(size + 6)};
            memcpy(frame + 4, (char[]){0, 36, 0, 0, 0, 0, 0, 9, 0, 1, 'x', 0, 0, token_size[0], token_size[1]}, 15);
            token_bytes = 15;
        }
        memcpy(frame + 4 + token_bytes, "\0root\0", 6);
        for (uint32_t i = 0; i < size; i++) frame[10 + token_bytes + i] = "s3cret-"[i % 7];
        token_bytes += 6 + size;
        memcpy(frame, (char[]){0, 0, (char)(token_bytes >> 8), (char)token_bytes}, 4);
        uint32_t sent = 0, end = is_whole ? token_bytes + 4 : token_bytes - 20;
        uint32_t piece = is_in_pieces ? 90 : end;
        for (; sent < end; sent += piece) {
            uint32_t n = end - sent < piece ? end - sent : piece;
            ck_assert(port_sim_write(p.end, frame + sent, n));
            settle(w);
        }
        ck_assert(!is_closed(w, &p));
        if (!is_whole) ck_assert(arena_holds(w, "s3cret-")); /* it is looked for in the right place */
        if (is_whole) pass_ms(w, 100);
        else port_sim_hang_up(p.end);
        settle(w);
        ck_assert_msg(!arena_holds(w, "s3cret-"), "kind %d", kind);
        if (is_whole) ck_assert(port_sim_is_closed(p.end)); /* the other went with its connection */
        if (is_whole) port_sim_hang_up(p.end);
        settle(w);
    }
    world_stop(w);
}
END_TEST

/* Old consumers and new ones, each mechanism: the tokens of SCRAM in raw frames and in requests. */
START_TEST(a_scram_login_takes_two_tokens_on_either_way)
{
    struct world *w = world_start(3, 16);
    for (int16_t version = 0; version < 2; version++) {
        struct port_sim_peer *end = port_sim_connect(w->sim->lcore->port);
        struct sasl_handshake_request in = {kafka_string_of("SCRAM-SHA-512")};
        struct sasl_handshake_response out;
        struct sasl_authenticate_response challenge;
        const char first[] = "n,,n=root,r=fyko+d2lbbFgONRv9qkxdawL";
        struct sasl_authenticate_request token = {{(const uint8_t *)first, (int32_t)strlen(first)}};
        char raw[600];
        sim_send(w->sim, end, KAFKA_API_SASL_HANDSHAKE, version, &in);
        settle(w);
        ck_assert(sim_receive(w->sim, end, KAFKA_API_SASL_HANDSHAKE, version, &out) && out.error_code == 0);
        if (version == 1) {
            sim_send(w->sim, end, KAFKA_API_SASL_AUTHENTICATE, 2, &token);
            settle(w);
            ck_assert(sim_receive(w->sim, end, KAFKA_API_SASL_AUTHENTICATE, 2, &challenge));
            ck_assert_int_eq(challenge.error_code, 0);
            ck_assert_int_eq(challenge.session_lifetime_ms, 0); /* it is not over yet */
            ck_assert_mem_eq(challenge.auth_bytes.bytes, "r=fyko+d2lbbFgONRv9qkxdawL", 26);
        } else {
            memcpy(raw, (char[]){0, 0, 0, (char)strlen(first)}, 4);
            memcpy(raw + 4, first, strlen(first));
            ck_assert(port_sim_write(end, raw, 4 + strlen(first)));
            settle(w);
            size_t size = port_sim_read(end, raw, sizeof raw);
            ck_assert_uint_gt(size, 30);
            ck_assert_uint_eq((uint8_t)raw[3], size - 4);
            ck_assert_mem_eq(raw + 4, "r=fyko+d2lbbFgONRv9qkxdawL", 26);
        }
        port_sim_hang_up(end);
        settle(w);
    }
    world_stop(w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sasl");
    TCase *t = tcase_create("sasl");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, random_steps_are_answered_as_the_model_says, 0, 6);
    tcase_add_test(t, a_right_password_is_checked_once_and_forgotten_with_a_new_one);
    tcase_add_test(t, a_flood_keeps_nobody_else_waiting);
    tcase_add_test(t, a_flood_of_guesses_is_answered_and_lets_others_through);
    tcase_add_test(t, a_request_that_waits_is_not_cut_off_by_its_sessions_end);
    tcase_add_test(t, a_revoked_connection_is_closed_within_a_second);
    tcase_add_test(t, a_connection_does_not_rest_for_long_after_its_session);
    tcase_add_test(t, no_password_stays_in_a_buffer);
    tcase_add_test(t, a_scram_login_takes_two_tokens_on_either_way);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
