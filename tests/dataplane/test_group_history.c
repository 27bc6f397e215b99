/* Goal: whatever clients, clocks, disk and crashes do, the coordinator keeps its word:
 *   - in one generation a partition has one owner;
 *   - an answered commit is never lost, and what OffsetFetch shows is exactly the last commit that was accepted;
 *   - no commit of another generation than the current one is accepted;
 *   - nobody is parked for ever, and well-behaved clients always get to work again.
 * Method: hundreds of seeded histories in simulated time (of the new protocol: test_group_consumer_history).  Clients
 * join, sync, commit, heartbeat, leave, change their subscription, freeze, die and come back as zombies; the disk lags;
 * the coordinator is killed and restarted on what the disk kept, or on a compacted log.  A failing seed is printed:
 * HISTORY_SEED=n runs it alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

enum { GROUPS = 2, CLIENTS = 6, STEPS = 600, HISTORIES = IS_SANITIZED ? 100 : 250, GENERATIONS_MAX = 600 };
enum { ACCEPTED_MAX = 4000 };

enum state { OUT, JOINING, JOINED, SYNCING, MEMBER };

struct client {
    enum state state;
    int      group;
    char     instance[8]; /* empty: dynamic */
    char     id[320];
    int16_t  version; /* of JoinGroup */
    int32_t  session_ms, rebalance_ms, generation;
    uint32_t ticket;
    bool     leads;
    int      change;       /* of its subscription */
    unsigned owned;        /* bits of partitions */
    bool     asks_again;   /* for the assignment it has */
    uint64_t frozen_until_ms;
    char     others[8][320]; /* the leader's list */
    int      other_count;
};

struct accepted { uint64_t after; int64_t value; };

struct history {
    struct world *w;
    struct random r;
    struct client client[CLIENTS];
    char owner[GROUPS][GENERATIONS_MAX][WORLD_PARTITIONS][320];
    struct accepted accepted[GROUPS][WORLD_PARTITIONS][ACCEPTED_MAX];
    uint32_t accepted_count[GROUPS][WORLD_PARTITIONS];
    int64_t  next_value;
    uint64_t answered_commits, worked, crashes;
};

static const char *const group_name[GROUPS] = {"g0", "g1"};
static uint64_t seed_now;

static bool chance(struct history *h, unsigned percent) { return random_below(&h->r, 100) < percent; }

static void copy_text(char *room, struct kafka_string s)
{
    ck_assert_int_lt(s.size, 320);
    if (s.size > 0) memcpy(room, s.chars, (size_t)s.size);
    room[s.size] = '\0';
}

static const char *instance_of(const struct client *c) { return c->instance[0] == '\0' ? NULL : c->instance; }

/* --- what clients send --- */

static void send_join(struct history *h, struct client *c)
{
    char metadata[16];
    snprintf(metadata, sizeof metadata, "m%d", c->change);
    c->ticket = world_join(h->w, (struct world_join){
        .group = group_name[c->group], .member = c->id, .instance = instance_of(c), .metadata = metadata,
        .session_ms = c->session_ms, .rebalance_ms = c->rebalance_ms, .version = c->version == 0 ? -1 : c->version});
    c->state = JOINING;
    c->owned = 0;
}

static void send_sync(struct history *h, struct client *c)
{
    struct sync_group_request_assignment assignments[8];
    uint8_t mask[8] = {0};
    if (c->leads) {
        for (int p = 0; p < WORLD_PARTITIONS; p++)
            mask[random_below(&h->r, (uint64_t)c->other_count)] |= (uint8_t)(1 << p);
        for (int i = 0; i < c->other_count; i++)
            assignments[i] = (struct sync_group_request_assignment){kafka_string_of(c->others[i]), {&mask[i], 1}};
    }
    c->ticket = world_sync(h->w, group_name[c->group], c->generation, c->id, assignments,
                           c->leads ? c->other_count : 0);
    c->state = SYNCING;
}

static void forget_id(struct client *c)
{
    c->id[0] = '\0';
    c->state = OUT;
    c->owned = 0;
}

/* --- what they make of answers --- */

static void after_error(struct history *h, struct client *c, int16_t error)
{
    if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_FENCED_INSTANCE_ID || error == KAFKA_GROUP_MAX_SIZE_REACHED)
        forget_id(c);
    else send_join(h, c);
}

static void take_join(struct history *h, struct client *c)
{
    struct join_group_response r;
    world_look(h->w, c->ticket, &r);
    if (r.error_code == KAFKA_MEMBER_ID_REQUIRED) {
        copy_text(c->id, r.member_id);
        send_join(h, c);
        return;
    }
    if (r.error_code != 0) {
        after_error(h, c, r.error_code);
        return;
    }
    copy_text(c->id, r.member_id);
    c->generation = r.generation_id;
    c->leads = kafka_string_equal(r.leader, r.member_id);
    c->other_count = 0;
    ck_assert_int_eq(r.member_count > 0, c->leads);
    for (int32_t i = 0; i < r.member_count; i++) copy_text(c->others[c->other_count++], r.members[i].member_id);
    c->state = JOINED;
}

static void take_sync(struct history *h, struct client *c)
{
    struct sync_group_response r;
    world_look(h->w, c->ticket, &r);
    if (r.error_code != 0) {
        c->asks_again = false;
        after_error(h, c, r.error_code);
        return;
    }
    unsigned before = c->owned;
    c->state = MEMBER;
    c->owned = r.assignment.size > 0 ? r.assignment.bytes[0] : 0;
    if (c->asks_again)
        ck_assert_msg(before == c->owned, "seed %llu: an assignment changed within a generation",
                      (unsigned long long)seed_now);
    c->asks_again = false;
    const char *name = instance_of(c) != NULL ? c->instance : c->id;
    ck_assert_int_lt(c->generation, GENERATIONS_MAX);
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        char *owner = h->owner[c->group][c->generation][p];
        if ((c->owned >> p & 1) == 0) continue;
        ck_assert_msg(owner[0] == '\0' || strcmp(owner, name) == 0,
                      "seed %llu: generation %d partition %d of %s belongs to %s and %s", (unsigned long long)seed_now,
                      c->generation, p, group_name[c->group], owner, name);
        strcpy(owner, name);
    }
}

/* Commits and checks that it was accepted in the current generation only; returns the error. */
static int16_t commit(struct history *h, const struct client *c, int32_t generation, int partition)
{
    struct group_view before = world_view(h->w, group_name[c->group]);
    int64_t value = ++h->next_value;
    uint32_t ticket = world_commit(h->w, group_name[c->group], generation, c->id, partition, value, "x");
    int16_t error = world_commit_error(h->w, ticket);
    if (error != 0) return error;
    ck_assert_msg(before.state != NULL && before.generation == generation &&
                  (strcmp(before.state, "Stable") == 0 || strcmp(before.state, "PreparingRebalance") == 0),
                  "seed %llu: a commit of generation %d in %s of generation %d", (unsigned long long)seed_now,
                  generation, before.state == NULL ? "nothing" : before.state, before.generation);
    uint32_t at = h->accepted_count[c->group][partition]++;
    ck_assert_uint_lt(at, ACCEPTED_MAX);
    h->accepted[c->group][partition][at] = (struct accepted){h->w->ticket[ticket].after, value};
    ck_assert_uint_gt(h->w->ticket[ticket].after, 0);
    if (world_is_out(h->w, ticket)) h->answered_commits++;
    return 0;
}

static void do_commit(struct history *h, struct client *c, int partition)
{
    int16_t error = commit(h, c, c->generation, partition);
    if (error == 0) return;
    if (error == KAFKA_ILLEGAL_GENERATION || error == KAFKA_REBALANCE_IN_PROGRESS) {
        send_join(h, c);
    } else {
        ck_assert_msg(error == KAFKA_UNKNOWN_MEMBER_ID, "seed %llu: commit: %d", (unsigned long long)seed_now, error);
        forget_id(c);
    }
}

static void check_offsets(struct history *h, int group, int partition)
{
    uint32_t count = h->accepted_count[group][partition];
    int64_t want = count == 0 ? -1 : h->accepted[group][partition][count - 1].value;
    int64_t got = world_fetch(h->w, group_name[group], partition);
    ck_assert_msg(got == want, "seed %llu: %s partition %d shows %lld, the last accepted commit is %lld",
                  (unsigned long long)seed_now, group_name[group], partition, (long long)got, (long long)want);
}

/* --- one client's turn --- */

static void work(struct history *h, struct client *c, bool is_good)
{
    if (is_good || chance(h, 70)) {
        int16_t error = world_heartbeat(h->w, group_name[c->group], c->generation, c->id, instance_of(c));
        if (error == 0) h->worked++;
        else after_error(h, c, error);
    } else if (chance(h, 70)) {
        do_commit(h, c, (int)random_below(&h->r, WORLD_PARTITIONS));
    } else if (chance(h, 30)) { /* the answer to its SyncGroup was lost */
        unsigned owned = c->owned;
        c->leads = false;
        send_sync(h, c);
        c->owned = owned;
        c->asks_again = true;
    } else if (chance(h, 20)) {
        world_leave(h->w, group_name[c->group], c->id, NULL);
        if (chance(h, 80)) forget_id(c); /* else it does not know that it is out */
    } else if (chance(h, 30)) {
        c->change++;
        send_join(h, c);
    } else if (chance(h, 50)) {
        c->frozen_until_ms = h->w->now_ms + random_below(&h->r, 60000);
    } else {
        forget_id(c); /* dies without a word; a static one comes back under its name */
    }
}

static void turn(struct history *h, struct client *c, bool is_good)
{
    struct world_ticket *t = &h->w->ticket[c->ticket];
    bool waits = c->state == JOINING || c->state == SYNCING;
    if (c->frozen_until_ms > h->w->now_ms) return;
    if (waits && t->is_lost) { /* the connection broke */
        c->asks_again = false;
        if (chance(h, 30)) forget_id(c);
        else send_join(h, c);
    } else if (waits && !world_is_out(h->w, c->ticket)) {
        if (is_good || c->state != JOINING || c->id[0] == '\0') return;
        if (chance(h, 2)) send_join(h, c); /* impatient */
        else if (chance(h, 2)) world_leave(h->w, group_name[c->group], c->id, NULL);
    } else if (c->state == OUT) {
        c->version = (int16_t)(c->instance[0] != '\0' ? 5 + random_below(&h->r, 3) : random_below(&h->r, 8));
        send_join(h, c);
    } else if (c->state == JOINING) {
        take_join(h, c);
    } else if (c->state == JOINED) {
        if (!is_good && c->generation > 1 && chance(h, 20)) (void)commit(h, c, c->generation - 1, 0); /* a late one */
        send_sync(h, c);
    } else if (c->state == SYNCING) {
        take_sync(h, c);
    } else {
        work(h, c, is_good);
    }
}

/* --- the world's turn --- */

static void crash(struct history *h)
{
    struct world *w = h->w;
    uint64_t keep = w->durable_count + random_below(&h->r, w->record_count - w->durable_count + 1);
    h->crashes++;
    world_crash(w, keep);
    for (int g = 0; g < GROUPS; g++)
        for (int p = 0; p < WORLD_PARTITIONS; p++) {
            uint32_t *count = &h->accepted_count[g][p];
            while (*count > 0 && h->accepted[g][p][*count - 1].after > keep) --*count;
            check_offsets(h, g, p);
        }
}

static void compact(struct history *h)
{
    h->w->durable_count = h->w->record_count;
    world_compact(h->w);
    for (int g = 0; g < GROUPS; g++)
        for (int p = 0; p < WORLD_PARTITIONS; p++) {
            for (uint32_t i = 0; i < h->accepted_count[g][p]; i++) h->accepted[g][p][i].after = 0;
            check_offsets(h, g, p);
        }
}

/* A group that vanished begins its generations anew. */
static void forget_vanished(struct history *h)
{
    for (int g = 0; g < GROUPS; g++)
        if (world_view(h->w, group_name[g]).state == NULL) memset(h->owner[g], 0, sizeof h->owner[g]);
}

static void disk(struct history *h)
{
    struct world *w = h->w;
    if (chance(h, 50)) w->durable_count += random_below(&h->r, w->record_count - w->durable_count + 1);
}

static void make_clients(struct history *h)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &h->client[i];
        *c = (struct client){.group = i % GROUPS, .session_ms = 6000 + (int32_t)random_below(&h->r, 24000),
                             .rebalance_ms = 10000 + (int32_t)random_below(&h->r, 50000)};
        if (chance(h, 30)) snprintf(c->instance, sizeof c->instance, "i%d", i);
    }
}

/* Everybody falls silent: every parked request must find its answer. */
static void fall_silent(struct history *h)
{
    struct world *w = h->w;
    w->durable_count = w->record_count;
    w->syncs_at_once = true;
    world_advance(w, 1000000);
    for (uint32_t i = 0; i < w->ticket_count; i++)
        ck_assert_msg(w->ticket[i].is_answered || w->ticket[i].is_lost,
                      "seed %llu: request %u (API %d) is parked for ever", (unsigned long long)seed_now, i,
                      w->ticket[i].api_key);
    for (int g = 0; g < GROUPS; g++) {
        struct group_view view = world_view(w, group_name[g]);
        ck_assert(view.state == NULL || strcmp(view.state, "Empty") == 0);
    }
}

/* Clients that behave well must get to work: all partitions owned, once. */
static void all_work(struct history *h)
{
    for (int i = 0; i < 200; i++) {
        world_advance(h->w, 1000);
        h->w->durable_count = h->w->record_count;
        for (int c = 0; c < CLIENTS; c++) turn(h, &h->client[c], true);
    }
    for (int g = 0; g < GROUPS; g++) {
        unsigned owned = 0;
        for (int i = g; i < CLIENTS; i += GROUPS) {
            ck_assert_msg(h->client[i].state == MEMBER, "seed %llu: client %d is in state %d",
                          (unsigned long long)seed_now, i, h->client[i].state);
            ck_assert_uint_eq(owned & h->client[i].owned, 0);
            owned |= h->client[i].owned;
        }
        ck_assert_uint_eq(owned, (1u << WORLD_PARTITIONS) - 1);
    }
}

/* New clients find the groups as the old ones left them. */
static void work_again(struct history *h)
{
    make_clients(h);
    forget_vanished(h);
    all_work(h);
}

static struct history h;

static void run(uint64_t seed)
{
    seed_now = seed;
    memset(&h, 0, sizeof h);
    random_init(&h.r, seed);
    h.w = world_new(seed);
    h.w->syncs_at_once = chance(&h, 20);
    bool crashes = chance(&h, 70);
    make_clients(&h);
    for (int step = 0; step < STEPS; step++) {
        world_advance(h.w, random_below(&h.r, chance(&h, 3) ? 30000 : 1500));
        disk(&h);
        turn(&h, &h.client[random_below(&h.r, CLIENTS)], false);
        turn(&h, &h.client[random_below(&h.r, CLIENTS)], false);
        if (crashes && random_below(&h.r, 200) == 0) crash(&h);
        if (crashes && random_below(&h.r, 400) == 0) {
            compact(&h);
            if (chance(&h, 50)) all_work(&h); /* whatever the snapshot fell into, with the clients there are */
        }
        if (chance(&h, 10))
            check_offsets(&h, (int)random_below(&h.r, GROUPS), (int)random_below(&h.r, WORLD_PARTITIONS));
        forget_vanished(&h);
    }
    fall_silent(&h);
    work_again(&h);
    world_free(h.w);
}

START_TEST(the_coordinator_keeps_its_word)
{
    uint64_t answered = 0, worked = 0, crashes = 0;
    const char *one = getenv("HISTORY_SEED");
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        run(one != NULL ? strtoull(one, NULL, 10) : seed);
        answered += h.answered_commits;
        worked += h.worked;
        crashes += h.crashes;
        if (one != NULL) return;
    }
    printf("%d histories: %llu commits answered at once, %llu heartbeats of members, %llu crashes\n", HISTORIES,
           (unsigned long long)answered, (unsigned long long)worked, (unsigned long long)crashes);
    /* The histories are not idle. */
    ck_assert(answered > 4 * HISTORIES && worked > 40 * HISTORIES && crashes > HISTORIES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group_history");
    TCase *tcase = tcase_create("group_history");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, the_coordinator_keeps_its_word);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
