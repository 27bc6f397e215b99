/* Goal: whatever clients of the new protocol (KIP-848), clocks, disk and crashes do, the coordinator keeps its word:
 *   - a topic is given to a member only when no other member of the group still reads it;
 *   - an answered commit is never lost, and what OffsetFetch shows is exactly the last commit that was accepted;
 *   - no commit of another epoch than the member's own is accepted, and none of who is no member;
 *   - nobody is forgotten: well-behaved clients always come to share all topics, each read by one.
 * Method: hundreds of seeded histories in simulated time.  Clients, some of them static, some with a pattern, join,
 * subscribe, let go late, commit, leave, freeze, die and come back; answers get lost, topics come and go, the disk
 * lags, the coordinator is killed and restarted on what the disk kept or on a compacted log.  A failing seed is
 * printed: HISTORY_SEED=n runs it alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

enum { GROUPS = 2, CLIENTS = 8, STEPS = 500, HISTORIES = IS_SANITIZED ? 100 : 250, ACCEPTED_MAX = 4000, TOPICS = 4 };

struct client {
    int      group;
    char     instance[8]; /* empty: dynamic */
    char     id[32];
    unsigned lives;       /* makes its ids */
    bool     is_in;       /* it believes so */
    int32_t  epoch;
    char     owned[WORLD_TOPICS_MAX + 1]; /* what it reads */
    char     told[WORLD_TOPICS_MAX + 1];  /* what it was last told to read; applied a little later */
    bool     has_told, owned_is_news, says_all;
    bool     waits;       /* for an answer */
    uint32_t ticket;
    uint32_t names;       /* bits: topics it subscribes to; 0: by pattern */
    bool     is_range;
    int32_t  rebalance_ms;
    uint64_t frozen_until_ms;
};

struct accepted { uint64_t after; int64_t value; };

struct history {
    struct world *w;
    struct random r;
    struct client client[CLIENTS];
    bool     topic_is_there[TOPICS];
    struct accepted accepted[GROUPS][TOPICS][ACCEPTED_MAX];
    uint32_t accepted_count[GROUPS][TOPICS];
    int64_t  next_value;
    uint64_t commits, refused, gains, crashes;
};

static const char *const group_name[GROUPS] = {"c0", "c1"};
static const char *const topic_name[TOPICS] = {"ta", "tb", "tc", "td"};
static struct history h;
static unsigned long long seed_now;

static bool chance(unsigned percent) { return random_below(&h.r, 100) < percent; }

/* --- what the coordinator says of a member --- */

static bool is_member(const struct client *c, int32_t *epoch)
{
    struct kafka_string id = kafka_string_of(group_name[c->group]);
    struct consumer_group_describe_request request = {&id, 1, false};
    static struct consumer_group_describe_response r;
    world_look(h.w, world_send(h.w, KAFKA_API_CONSUMER_GROUP_DESCRIBE, 0, "test", &request), &r);
    for (int32_t i = 0; i < r.groups[0].member_count; i++) {
        if (!kafka_string_is(r.groups[0].members[i].member_id, c->id)) continue;
        *epoch = r.groups[0].members[i].member_epoch;
        return true;
    }
    return false;
}

/* --- what clients do --- */

/* Nobody else who is a member may still read what this one is given now. */
static void check_gain(const struct client *c, const struct world_told *told)
{
    for (const char *t = told->topics; *t != '\0'; t++) {
        if (strchr(c->owned, *t) != NULL) continue;
        h.gains++;
        for (int i = 0; i < CLIENTS; i++) {
            const struct client *other = &h.client[i];
            int32_t epoch;
            if (other == c || other->group != c->group || strchr(other->owned, *t) == NULL) continue;
            ck_assert_msg(!is_member(other, &epoch), "seed %llu: topic %c of %s is given to %s while %s reads it",
                          seed_now, *t, group_name[c->group], c->id, other->id);
        }
    }
}

static void apply(struct client *c)
{
    c->owned_is_news = c->owned_is_news || strcmp(c->owned, c->told) != 0;
    memcpy(c->owned, c->told, sizeof c->owned);
    c->has_told = false;
}

static void beat(struct client *c, int32_t epoch, bool says_all)
{
    struct world_beat in = {.group = group_name[c->group], .member = c->id, .epoch = epoch,
                            .instance = c->instance[0] == '\0' ? NULL : c->instance};
    says_all = says_all || epoch == 0;
    if (c->has_told && (says_all || c->owned_is_news)) apply(c); /* what it says it has is what it goes on with */
    if (says_all) {
        int count = 0;
        for (int t = 0; t < TOPICS; t++)
            if ((c->names >> t & 1) != 0) in.topics[count++] = topic_name[t];
        in.regex = c->names == 0 ? "t[a-z]" : "";
        in.assignor = c->is_range ? "range" : "uniform";
        in.rebalance_ms = c->rebalance_ms;
    }
    if (epoch > 0 && (says_all || c->owned_is_news)) {
        in.says_owned = true;
        memcpy(in.owned, c->owned, sizeof c->owned - 1);
    }
    c->ticket = world_beat(h.w, in);
    struct world_told told = world_told(h.w, c->ticket);
    check_gain(c, &told);
    c->waits = true;
    c->owned_is_news = c->says_all = false;
}

static void out(struct client *c)
{
    c->is_in = c->waits = c->has_told = false;
    c->owned[0] = '\0';
    memset(c->owned, 0, sizeof c->owned);
}

static void join(struct client *c)
{
    bool keeps_id = c->id[0] != '\0' && c->instance[0] == '\0' && chance(50);
    if (!keeps_id) snprintf(c->id, sizeof c->id, "m%td-%u", c - h.client, ++c->lives);
    out(c);
    c->is_in = true;
    beat(c, 0, true);
}

static void take(struct client *c)
{
    struct world_told told = world_told(h.w, c->ticket);
    c->waits = false;
    if (told.error != 0) {
        bool known = told.error == KAFKA_UNKNOWN_MEMBER_ID || told.error == KAFKA_FENCED_MEMBER_EPOCH ||
                     told.error == KAFKA_FENCED_INSTANCE_ID || told.error == KAFKA_UNRELEASED_INSTANCE_ID ||
                     told.error == KAFKA_GROUP_MAX_SIZE_REACHED; /* those who died are members for a while */
        ck_assert_msg(known, "seed %llu: %s got error %d", seed_now, c->id, told.error);
        out(c);
        return;
    }
    if (told.epoch < 0) { /* it has left */
        out(c);
        return;
    }
    c->epoch = told.epoch;
    if (!told.has_assignment) return;
    memcpy(c->told, told.topics, sizeof c->told);
    c->has_told = true;
    if (chance(70)) apply(c);
}

static void commit(struct client *c)
{
    int t = (int)random_below(&h.r, TOPICS);
    int32_t claimed = chance(85) ? c->epoch : c->epoch - 1, real = 0;
    bool may = is_member(c, &real) && real == claimed && claimed >= 0;
    int64_t value = ++h.next_value;
    uint32_t ticket = world_commit_epoch(h.w, group_name[c->group], claimed, c->id, topic_name[t], value);
    int16_t error = world_commit_error(h.w, ticket);
    ck_assert_msg((error == 0) == may, "seed %llu: a commit of %s in epoch %d (its own is %d): %d", seed_now, c->id,
                  claimed, real, error);
    if (error != 0) {
        h.refused++;
        return;
    }
    uint32_t at = h.accepted_count[c->group][t]++;
    ck_assert_uint_lt(at, ACCEPTED_MAX);
    h.accepted[c->group][t][at] = (struct accepted){h.w->record_count, value};
    h.commits++;
}

static void live(struct client *c)
{
    unsigned what = (unsigned)random_below(&h.r, 100);
    if (what < 12) {
        commit(c);
    } else if (what < 15) { /* it stops reading before it leaves */
        memset(c->owned, 0, sizeof c->owned);
        c->has_told = false;
        beat(c, c->instance[0] != '\0' && chance(60) ? -2 : -1, false);
    } else if (what < 18) { /* it dies; a static one comes back, under another id */
        out(c);
        c->frozen_until_ms = h.w->now_ms + random_below(&h.r, 70000);
    } else if (what < 20) {
        c->frozen_until_ms = h.w->now_ms + random_below(&h.r, 90000);
    } else if (what < 23) {
        c->names = (uint32_t)random_below(&h.r, 1 << TOPICS);
        c->is_range = chance(30);
        beat(c, c->epoch, true);
    } else {
        beat(c, c->epoch, c->says_all);
    }
}

static void turn(struct client *c, bool is_good)
{
    if (c->frozen_until_ms > h.w->now_ms) return;
    if (c->has_told && (is_good || chance(40))) apply(c);
    if (c->waits) {
        const struct world_ticket *t = &h.w->ticket[c->ticket];
        if (world_is_out(h.w, c->ticket) && (is_good || chance(97))) {
            take(c);
        } else if (t->is_lost || chance(20)) { /* it gives up waiting, and says all the next time */
            c->waits = false;
            c->says_all = true;
            if (c->epoch <= 0) out(c);
        }
        return;
    }
    if (!c->is_in) join(c);
    else if (is_good) beat(c, c->epoch, c->says_all);
    else live(c);
}

/* --- the world's turn --- */

static int64_t fetched(int group, int topic)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic t = {kafka_string_of(topic_name[topic]), &partition, 1};
    struct offset_fetch_request request = {.group_id = kafka_string_of(group_name[group]), .topics = &t,
                                           .topic_count = 1};
    struct offset_fetch_response r;
    world_look(h.w, world_send(h.w, KAFKA_API_OFFSET_FETCH, 5, "test", &request), &r);
    return r.topics[0].partitions[0].committed_offset;
}

static void check_offsets(void)
{
    for (int g = 0; g < GROUPS; g++)
        for (int t = 0; t < TOPICS; t++) {
            uint32_t count = h.accepted_count[g][t];
            int64_t expected = count == 0 ? -1 : h.accepted[g][t][count - 1].value;
            ck_assert_msg(fetched(g, t) == expected, "seed %llu: %s of %s is at %lld and not at %lld", seed_now,
                          topic_name[t], group_name[g], (long long)fetched(g, t), (long long)expected);
        }
}

static void crash(void)
{
    uint64_t keep = h.w->durable_count + random_below(&h.r, h.w->record_count - h.w->durable_count + 1);
    h.crashes++;
    world_crash(h.w, keep);
    for (int g = 0; g < GROUPS; g++)
        for (int t = 0; t < TOPICS; t++) {
            uint32_t *count = &h.accepted_count[g][t];
            while (*count > 0 && h.accepted[g][t][*count - 1].after > keep) --*count;
        }
    check_offsets();
}

static void compact(void)
{
    h.w->durable_count = h.w->record_count;
    world_compact(h.w);
    for (int g = 0; g < GROUPS; g++)
        for (int t = 0; t < TOPICS; t++)
            for (uint32_t i = 0; i < h.accepted_count[g][t]; i++) h.accepted[g][t][i].after = 0;
    check_offsets();
}

static void toggle_topic(int t)
{
    if (h.topic_is_there[t]) world_remove_topic(h.w, (uint8_t)('a' + t));
    else world_add_topic(h.w, topic_name[t], (uint8_t)('a' + t));
    h.topic_is_there[t] = !h.topic_is_there[t];
}

static void disk(void)
{
    struct world *w = h.w;
    if (chance(60)) w->durable_count += random_below(&h.r, w->record_count - w->durable_count + 1);
}

static void make_clients(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &h.client[i];
        unsigned lives = c->lives;
        *c = (struct client){.group = i % GROUPS, .lives = lives, .is_range = chance(20),
                             .names = chance(40) ? 0 : 1 + (uint32_t)random_below(&h.r, (1 << TOPICS) - 1),
                             .rebalance_ms = 5000 + (int32_t)random_below(&h.r, 60000)};
        if (chance(40)) snprintf(c->instance, sizeof c->instance, "i%d", i);
    }
}

/* Everybody falls silent: the groups are empty then. */
static void fall_silent(void)
{
    h.w->durable_count = h.w->record_count;
    h.w->syncs_at_once = true;
    world_advance(h.w, 100000);
    for (uint32_t i = 0; i < h.w->ticket_count; i++) ck_assert(h.w->ticket[i].is_answered || h.w->ticket[i].is_lost);
    for (int g = 0; g < GROUPS; g++) {
        struct group_view view = world_view(h.w, group_name[g]);
        ck_assert_msg(view.state == NULL || strcmp(view.state, "Empty") == 0, "seed %llu: %s is %s", seed_now,
                      group_name[g], view.state);
    }
    check_offsets();
}

/* Then well-behaved clients must come to share all topics, each read by one of them. */
static void work_again(void)
{
    make_clients();
    for (int t = 0; t < TOPICS; t++)
        if (!h.topic_is_there[t]) toggle_topic(t);
    for (int i = 0; i < CLIENTS; i++) h.client[i].names = i < GROUPS ? 0 : h.client[i].names;
    for (int i = 0; i < 100; i++) {
        world_advance(h.w, 1000);
        for (int c = 0; c < CLIENTS; c++) turn(&h.client[c], true);
    }
    for (int g = 0; g < GROUPS; g++) {
        for (int t = 0; t < TOPICS; t++) {
            int readers = 0;
            for (int i = g; i < CLIENTS; i += GROUPS) readers += strchr(h.client[i].owned, 'a' + t) != NULL;
            ck_assert_msg(readers == 1, "seed %llu: %s of %s has %d readers", seed_now, topic_name[t], group_name[g],
                          readers);
        }
        ck_assert_str_eq(world_view(h.w, group_name[g]).state, "Stable");
    }
}

static void run(uint64_t seed)
{
    seed_now = seed;
    memset(&h, 0, sizeof h);
    random_init(&h.r, seed);
    h.w = world_new(seed);
    h.w->syncs_at_once = chance(20);
    bool crashes = chance(70);
    for (int t = 0; t < TOPICS; t++)
        if (chance(75)) toggle_topic(t);
    make_clients();
    for (int step = 0; step < STEPS; step++) {
        world_advance(h.w, random_below(&h.r, chance(3) ? 30000 : 1500));
        disk();
        turn(&h.client[random_below(&h.r, CLIENTS)], false);
        turn(&h.client[random_below(&h.r, CLIENTS)], false);
        if (random_below(&h.r, 60) == 0) toggle_topic((int)random_below(&h.r, TOPICS));
        if (crashes && random_below(&h.r, 150) == 0) crash();
        if (crashes && random_below(&h.r, 300) == 0) compact();
        if (random_below(&h.r, 40) == 0) check_offsets();
    }
    fall_silent();
    work_again();
    world_free(h.w);
}

START_TEST(the_coordinator_keeps_its_word)
{
    uint64_t commits = 0, refused = 0, gains = 0, crashes = 0;
    const char *one = getenv("HISTORY_SEED");
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        run(one != NULL ? strtoull(one, NULL, 10) : seed);
        commits += h.commits;
        refused += h.refused;
        gains += h.gains;
        crashes += h.crashes;
        if (one != NULL) return;
    }
    printf("%d histories: %llu commits, %llu refused, %llu topics given, %llu crashes\n", HISTORIES,
           (unsigned long long)commits, (unsigned long long)refused, (unsigned long long)gains,
           (unsigned long long)crashes);
    /* The histories are not idle. */
    ck_assert(commits > 4 * HISTORIES && refused > 4 * HISTORIES && gains > 20 * HISTORIES && crashes > HISTORIES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group_consumer_history");
    TCase *tcase = tcase_create("group_consumer_history");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, the_coordinator_keeps_its_word);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
