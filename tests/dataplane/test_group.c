/* Goal: the coordinator's state machine answers as Kafka's classic group protocol prescribes, case by case: joining,
 * rebalances, static members, timers, commits, retention, restarts.  Method: simulated time, one request after the
 * other. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

static struct world *w;

static void setup(void) { w = world_new(1); }
static void teardown(void) { world_free(w); }

static struct join_group_response joined(uint32_t ticket)
{
    struct join_group_response r;
    ck_assert_msg(world_is_out(w, ticket), "the JoinGroup is still parked");
    world_look(w, ticket, &r);
    return r;
}

static int16_t join_error(uint32_t ticket) { return joined(ticket).error_code; }

static struct sync_group_response synced(uint32_t ticket)
{
    struct sync_group_response r;
    ck_assert_msg(world_is_out(w, ticket), "the SyncGroup is still parked");
    world_look(w, ticket, &r);
    return r;
}

static const char *text(struct kafka_string s, char *room)
{
    memcpy(room, s.chars, (size_t)s.size);
    room[s.size] = '\0';
    return room;
}

/* A stable group "g" of `count` members (ids in `id`), the first of which leads; returns its generation. */
static char id[6][320];

static int32_t form(int count, int32_t session_ms)
{
    uint32_t ticket[6];
    struct sync_group_request_assignment assignments[6];
    for (int i = 0; i < count; i++)
        ticket[i] = world_join(w, (struct world_join){.version = 3, .session_ms = session_ms});
    world_advance(w, 6000);
    for (int i = 0; i < count; i++) {
        text(joined(ticket[i]).member_id, id[i]);
        assignments[i] = (struct sync_group_request_assignment){kafka_string_of(id[i]), {(const uint8_t *)"a", 1}};
    }
    int32_t generation = joined(ticket[0]).generation_id;
    for (int i = count - 1; i >= 0; i--)
        ticket[i] = world_sync(w, "g", generation, id[i], assignments, i == 0 ? count : 0);
    for (int i = 0; i < count; i++) ck_assert_int_eq(synced(ticket[i]).error_code, 0);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    return generation;
}

START_TEST(a_new_member_of_a_new_client_first_gets_an_id)
{
    struct join_group_response r = joined(world_join(w, (struct world_join){.version = 4}));
    ck_assert_int_eq(r.error_code, KAFKA_MEMBER_ID_REQUIRED);
    ck_assert_int_eq(r.generation_id, -1);
    ck_assert(r.member_id.size == 6 + 1 + 36 && memcmp(r.member_id.chars, "client-", 7) == 0);
    text(r.member_id, id[0]);
    uint32_t ticket = world_join(w, (struct world_join){.version = 4, .member = id[0]});
    world_advance(w, 2999);
    ck_assert(!world_is_out(w, ticket));
    world_advance(w, 1);
    r = joined(ticket);
    ck_assert(r.error_code == 0 && r.generation_id == 1 && r.member_count == 1);
    ck_assert(kafka_string_is(r.leader, id[0]) && kafka_string_is(r.protocol_name, "range"));
    ck_assert(r.members[0].metadata.size == 1 && r.members[0].metadata.bytes[0] == 'm');
}
END_TEST

START_TEST(an_id_that_nobody_comes_back_with_is_forgotten)
{
    struct join_group_response r = joined(world_join(w, (struct world_join){.version = 4, .session_ms = 8000}));
    text(r.member_id, id[0]);
    world_advance(w, 8000);
    ck_assert(world_view(w, "g").state == NULL);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.version = 4, .member = id[0]})),
                     KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(an_id_handed_out_holds_up_a_rebalance_until_it_expires)
{
    int32_t generation = form(1, 10000);
    joined(world_join(w, (struct world_join){.version = 4, .session_ms = 6000})); /* pending, never comes */
    uint32_t again = world_join(w, (struct world_join){.version = 3, .member = id[0]}); /* the leader rejoins */
    ck_assert(!world_is_out(w, again));
    world_advance(w, 6000);
    ck_assert_int_eq(joined(again).generation_id, generation + 1);
}
END_TEST

START_TEST(the_first_joiners_wait_for_others)
{
    uint32_t a = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 8000});
    world_advance(w, 2000);
    uint32_t b = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 8000});
    world_advance(w, 1000); /* 3 s are over, but b came: 3 more, not beyond 8 */
    ck_assert(!world_is_out(w, a));
    world_advance(w, 2900);
    uint32_t c = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 8000});
    world_advance(w, 2000); /* 7.9 s */
    ck_assert(!world_is_out(w, a));
    world_advance(w, 100);
    ck_assert(joined(a).member_count == 3 && joined(b).member_count == 0 && joined(c).generation_id == 1);
}
END_TEST

START_TEST(version_0_uses_the_session_timeout_to_rebalance)
{
    form(1, 10000);
    uint32_t b = world_join(w, (struct world_join){.version = -1, .session_ms = 9000, .rebalance_ms = 1});
    (void)b;
    world_leave(w, "g", id[0], NULL);
    ck_assert_int_eq(joined(b).member_count, 1);
}
END_TEST

START_TEST(requests_are_checked_in_kafkas_order)
{
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.group = "", .session_ms = 1})),
                     KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.session_ms = 5999, .member = "x"})),
                     KAFKA_INVALID_SESSION_TIMEOUT);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.session_ms = 1800001})),
                     KAFKA_INVALID_SESSION_TIMEOUT);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.member = "x", .type = ""})),
                     KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.type = ""})), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert(world_view(w, "g").state == NULL);
    form(1, 10000);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.version = 3, .type = "connect"})),
                     KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.version = 3, .protocol = "sticky"})),
                     KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.member = "x"})), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    char name[300];
    memset(name, 'g', sizeof name);
    name[256] = '\0';
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.group = name})), KAFKA_INVALID_GROUP_ID);
}
END_TEST

START_TEST(a_full_group_takes_nobody_else)
{
    form(6, 10000);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.version = 3})), KAFKA_GROUP_MAX_SIZE_REACHED);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    uint32_t again = world_join(w, (struct world_join){.version = 3, .member = id[3]}); /* who is in stays in */
    ck_assert_int_eq(join_error(again), 0);
    char large[20001];
    memset(large, 'x', 20000);
    large[20000] = '\0';
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.group = "h", .version = 3, .metadata = large})),
                     KAFKA_GROUP_MAX_SIZE_REACHED);
    ck_assert(world_view(w, "h").state == NULL);
    for (int i = 0; i < 9; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        world_join(w, (struct world_join){.group = name, .version = 3});
    }
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.group = "k", .version = 3})),
                     KAFKA_GROUP_MAX_SIZE_REACHED);
    ck_assert_uint_eq(groups_stats_of(w->groups).refused_for_limits, 3);
}
END_TEST

START_TEST(the_protocol_most_members_prefer_wins)
{
    uint32_t a = world_join(w, (struct world_join){.version = 3, .protocol = "range", .protocol2 = "sticky"});
    world_join(w, (struct world_join){.version = 3, .protocol = "sticky", .protocol2 = "range"});
    world_join(w, (struct world_join){.version = 3, .protocol = "sticky", .protocol2 = "range"});
    world_advance(w, 6000);
    struct join_group_response r = joined(a);
    ck_assert(kafka_string_is(r.protocol_name, "sticky") && r.member_count == 3);
    ck_assert(r.members[0].metadata.bytes[0] == 'n' && r.members[1].metadata.bytes[0] == 'm');
}
END_TEST

START_TEST(a_newcomer_rebalances_a_stable_group)
{
    int32_t generation = form(1, 10000);
    uint32_t b = world_join(w, (struct world_join){.version = 3});
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id[0], NULL), KAFKA_REBALANCE_IN_PROGRESS);
    struct sync_group_response s = synced(world_sync(w, "g", generation, id[0], NULL, 0));
    ck_assert_int_eq(s.error_code, KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert(!world_is_out(w, b));
    uint32_t a = world_join(w, (struct world_join){.version = 3, .member = id[0]});
    ck_assert(joined(a).generation_id == generation + 1 && joined(a).member_count == 2);
    ck_assert(joined(b).generation_id == generation + 1 && joined(b).member_count == 0);
    ck_assert(kafka_string_equal(joined(b).leader, joined(a).member_id));
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id[0], NULL), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(world_heartbeat(w, "g", generation + 1, id[0], NULL), 0); /* CompletingRebalance */
}
END_TEST

START_TEST(who_does_not_rejoin_in_time_is_dropped)
{
    form(2, 30000);
    uint32_t a = world_join(w, (struct world_join){.version = 3, .member = id[0], .rebalance_ms = 20000,
                                                   .session_ms = 100000});
    for (int i = 0; i < 5; i++) { /* the other lives, but does not join: 60 s is its rebalance timeout */
        world_advance(w, 10000);
        ck_assert_int_eq(world_heartbeat(w, "g", 1, id[1], NULL), KAFKA_REBALANCE_IN_PROGRESS);
    }
    ck_assert(!world_is_out(w, a));
    world_advance(w, 10000);
    ck_assert_int_eq(joined(a).member_count, 1);
    ck_assert_int_eq(world_heartbeat(w, "g", 2, id[1], NULL), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(a_silent_member_loses_its_session_and_the_next_one_leads)
{
    int32_t generation = form(2, 10000);
    for (int i = 0; i < 3; i++) {
        world_advance(w, 3000);
        ck_assert_int_eq(world_heartbeat(w, "g", generation, id[1], NULL), 0);
    }
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    world_advance(w, 1000);
    ck_assert_str_eq(world_view(w, "g").state, "PreparingRebalance");
    struct join_group_response r = joined(world_join(w, (struct world_join){.version = 3, .member = id[1]}));
    ck_assert(r.member_count == 1 && kafka_string_is(r.leader, id[1]));
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id[0], NULL), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 0, 1, NULL)),
                     KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(a_commit_keeps_a_session_alive)
{
    int32_t generation = form(1, 10000);
    for (int i = 0; i < 4; i++) {
        world_advance(w, 9000);
        ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 0, i, NULL)), 0);
    }
    world_advance(w, 10000);
    ck_assert_str_eq(world_view(w, "g").state, "Empty");
}
END_TEST

START_TEST(who_does_not_sync_in_time_is_dropped)
{
    uint32_t a = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 20000, .session_ms = 100000});
    uint32_t b = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 20000, .session_ms = 100000});
    world_advance(w, 6000);
    text(joined(a).member_id, id[0]);
    text(joined(b).member_id, id[1]);
    uint32_t sync = world_sync(w, "g", 1, id[1], NULL, 0); /* waits for the leader, which never syncs */
    ck_assert(!w->ticket[sync].is_answered);
    world_advance(w, 20000);
    ck_assert_int_eq(synced(sync).error_code, KAFKA_REBALANCE_IN_PROGRESS);
    struct join_group_response r = joined(world_join(w, (struct world_join){.version = 3, .member = id[1]}));
    ck_assert(r.generation_id == 2 && r.member_count == 1);
}
END_TEST

START_TEST(a_sync_is_checked)
{
    int32_t generation = form(2, 10000);
    ck_assert_int_eq(synced(world_sync(w, "g", generation, "x", NULL, 0)).error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(synced(world_sync(w, "h", generation, id[0], NULL, 0)).error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(synced(world_sync(w, "", generation, id[0], NULL, 0)).error_code, KAFKA_INVALID_GROUP_ID);
    ck_assert_int_eq(synced(world_sync(w, "g", generation + 1, id[0], NULL, 0)).error_code, KAFKA_ILLEGAL_GENERATION);
    struct sync_group_response r = synced(world_sync(w, "g", generation, id[1], NULL, 0)); /* again, in Stable */
    ck_assert(r.error_code == 0 && r.assignment.size == 1 && r.assignment.bytes[0] == 'a');
    struct sync_group_request request = {
        .group_id = kafka_string_of("g"), .generation_id = generation, .member_id = kafka_string_of(id[0]),
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_of("consumer"),
        .protocol_name = kafka_string_of("sticky"),
    };
    ck_assert_int_eq(synced(world_send(w, 14, 5, "c", &request)).error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    request.protocol_name = kafka_string_of("range");
    r = synced(world_send(w, 14, 5, "c", &request));
    ck_assert(r.error_code == 0 && kafka_string_is(r.protocol_name, "range"));
}
END_TEST

START_TEST(whom_the_leader_forgets_gets_an_empty_assignment)
{
    uint32_t a = world_join(w, (struct world_join){.version = 3});
    uint32_t b = world_join(w, (struct world_join){.version = 3});
    world_advance(w, 6000);
    text(joined(a).member_id, id[0]);
    text(joined(b).member_id, id[1]);
    uint32_t waits = world_sync(w, "g", 1, id[1], NULL, 0);
    world_sync(w, "g", 1, id[0], NULL, 0);
    struct sync_group_response r = synced(waits);
    ck_assert(r.error_code == 0 && r.assignment.size == 0);
}
END_TEST

START_TEST(repeated_joins_of_known_members)
{
    int32_t generation = form(2, 10000);
    /* A follower that lost its answer gets it again; nothing moves. */
    struct join_group_response r = joined(world_join(w, (struct world_join){.version = 3, .member = id[1]}));
    ck_assert(r.error_code == 0 && r.generation_id == generation && r.member_count == 0);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    /* One whose subscription changed rebalances, and so does a leader. */
    uint32_t b = world_join(w, (struct world_join){.version = 3, .member = id[1], .metadata = "other"});
    ck_assert_str_eq(world_view(w, "g").state, "PreparingRebalance");
    uint32_t a = world_join(w, (struct world_join){.version = 3, .member = id[0]});
    ck_assert(joined(a).generation_id == generation + 1 && joined(b).generation_id == generation + 1);
    /* CompletingRebalance: the leader's repetition gets the list again, a change rebalances. */
    r = joined(world_join(w, (struct world_join){.version = 3, .member = id[0]}));
    ck_assert(r.generation_id == generation + 1 && r.member_count == 2);
    uint32_t waits = world_sync(w, "g", generation + 1, id[1], NULL, 0);
    world_join(w, (struct world_join){.version = 3, .member = id[0], .metadata = "third"});
    ck_assert_int_eq(synced(waits).error_code, KAFKA_REBALANCE_IN_PROGRESS);
}
END_TEST

START_TEST(a_second_join_frees_the_first)
{
    form(2, 10000);
    uint32_t first = world_join(w, (struct world_join){.version = 3, .member = id[0]});
    uint32_t second = world_join(w, (struct world_join){.version = 3, .member = id[0]});
    ck_assert_int_eq(join_error(first), KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert(!world_is_out(w, second));
}
END_TEST

START_TEST(a_new_member_is_not_parked_for_ever)
{
    form(1, 1000000);
    uint32_t b = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 1000000, .session_ms = 6000});
    world_advance(w, 299999);
    ck_assert(!world_is_out(w, b));
    world_advance(w, 1);
    ck_assert_int_eq(join_error(b), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

/* --- static members --- */

/* A stable group of two static members "i0" and "i1". */
static int32_t form_static(void)
{
    uint32_t a = world_join(w, (struct world_join){.instance = "i0"});
    uint32_t b = world_join(w, (struct world_join){.instance = "i1"});
    world_advance(w, 6000);
    struct sync_group_request_assignment assignments[2];
    text(joined(a).member_id, id[0]);
    text(joined(b).member_id, id[1]);
    ck_assert(memcmp(id[0], "i0-", 3) == 0);
    assignments[0] = (struct sync_group_request_assignment){kafka_string_of(id[0]), {(const uint8_t *)"A", 1}};
    assignments[1] = (struct sync_group_request_assignment){kafka_string_of(id[1]), {(const uint8_t *)"B", 1}};
    world_sync(w, "g", 1, id[1], NULL, 0);
    world_sync(w, "g", 1, id[0], assignments, 2);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    return 1;
}

START_TEST(a_static_member_comes_back_without_a_rebalance)
{
    int32_t generation = form_static();
    w->syncs_at_once = false;
    uint32_t again = world_join(w, (struct world_join){.instance = "i1"});
    ck_assert(!world_is_out(w, again)); /* its new id must survive a restart */
    w->durable_count = w->record_count;
    struct join_group_response r = joined(again);
    ck_assert(r.error_code == 0 && r.generation_id == generation && !kafka_string_is(r.member_id, id[1]));
    ck_assert(kafka_string_is(r.leader, id[0]) && r.member_count == 0);
    char fresh[320];
    text(r.member_id, fresh);
    struct sync_group_response s = synced(world_sync(w, "g", generation, fresh, NULL, 0));
    ck_assert(s.error_code == 0 && s.assignment.bytes[0] == 'B');
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id[1], "i1"), KAFKA_FENCED_INSTANCE_ID);
    ck_assert_int_eq(world_heartbeat(w, "g", generation, fresh, "i1"), 0);
    ck_assert_int_eq(join_error(world_join(w, (struct world_join){.member = id[1], .instance = "i1"})),
                     KAFKA_FENCED_INSTANCE_ID);
}
END_TEST

START_TEST(a_static_leader_that_comes_back_acts_as_a_follower)
{
    form_static();
    struct join_group_response r = joined(world_join(w, (struct world_join){.instance = "i0"}));
    ck_assert(r.error_code == 0 && r.generation_id == 1 && r.member_count == 0);
    ck_assert(kafka_string_is(r.leader, id[0]) && !kafka_string_is(r.member_id, id[0]));
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
}
END_TEST

START_TEST(a_static_member_may_be_away_for_its_session_only)
{
    form_static();
    world_advance(w, 9000);
    ck_assert_int_eq(world_heartbeat(w, "g", 1, id[0], "i0"), 0);
    world_advance(w, 1000);
    ck_assert_str_eq(world_view(w, "g").state, "PreparingRebalance");
    ck_assert_uint_eq(world_view(w, "g").member_count, 1);
}
END_TEST

START_TEST(a_rebalance_waits_for_an_absent_static_member_and_keeps_it)
{
    form_static();
    uint32_t c = world_join(w, (struct world_join){.version = 3, .rebalance_ms = 7000});
    (void)world_join(w, (struct world_join){.instance = "i0", .member = id[0], .rebalance_ms = 7000,
                                            .session_ms = 100000});
    /* i1 (session 10 s) does not join; its own rebalance timeout of 60 s counts, its session ends first. */
    world_advance(w, 10000);
    ck_assert_int_eq(joined(c).generation_id, 2);
    ck_assert_uint_eq(world_view(w, "g").member_count, 2);
}
END_TEST

START_TEST(parked_requests_of_a_replaced_static_member_are_fenced)
{
    form_static();
    uint32_t parked = world_join(w, (struct world_join){.instance = "i0", .member = id[0]}); /* leader: rebalance */
    ck_assert(!world_is_out(w, parked));
    uint32_t taker = world_join(w, (struct world_join){.instance = "i0"});
    ck_assert_int_eq(join_error(parked), KAFKA_FENCED_INSTANCE_ID);
    ck_assert(!world_is_out(w, taker));
}
END_TEST

/* --- leaving --- */

START_TEST(leaving)
{
    form(2, 10000);
    ck_assert_int_eq(world_leave(w, "g", "x", NULL), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_leave(w, "h", id[0], NULL), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_leave(w, "", id[0], NULL), KAFKA_INVALID_GROUP_ID);
    uint32_t rejoin = world_join(w, (struct world_join){.version = 3, .member = id[1], .metadata = "new"});
    ck_assert(!world_is_out(w, rejoin));
    ck_assert_int_eq(world_leave(w, "g", id[0], NULL), 0); /* the one it waited for */
    ck_assert_int_eq(joined(rejoin).member_count, 1);
    struct leave_group_request old = {.group_id = kafka_string_of("g"), .member_id = kafka_string_of(id[1])};
    struct leave_group_response r;
    world_look(w, world_send(w, 13, 0, "c", &old), &r);
    ck_assert_int_eq(r.error_code, 0);
    world_look(w, world_send(w, 13, 2, "c", &old), &r);
    ck_assert_int_eq(r.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_str_eq(world_view(w, "g").state, "Empty");
    ck_assert_int_eq(world_view(w, "g").generation, 3);
}
END_TEST

START_TEST(an_administrator_removes_a_static_member_and_a_pending_id_leaves)
{
    form_static();
    ck_assert_int_eq(world_leave(w, "g", "", "i9"), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_leave(w, "g", "x", "i1"), KAFKA_FENCED_INSTANCE_ID);
    ck_assert_int_eq(world_leave(w, "g", "", "i1"), 0);
    text(joined(world_join(w, (struct world_join){.version = 4})).member_id, id[2]);
    uint32_t a = world_join(w, (struct world_join){.instance = "i0", .member = id[0]});
    ck_assert(!world_is_out(w, a));
    ck_assert_int_eq(world_leave(w, "g", id[2], NULL), 0);
    ck_assert_int_eq(joined(a).member_count, 1);
}
END_TEST

/* --- offsets --- */

START_TEST(commits_are_accepted_and_refused_as_kafka_does)
{
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", 1, "m", 0, 5, NULL)), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", -1, "", 0, 5, "x")), 0);
    ck_assert_str_eq(world_view(w, "g").state, "Empty");
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", 0, "m", 0, 6, NULL)), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "", -1, "", 0, 1, NULL)), 0); /* for old clients */
    int32_t generation = form(1, 10000);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", -1, "", 0, 7, NULL)), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation - 1, id[0], 0, 7, NULL)),
                     KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 9, 7, NULL)),
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    char large[4098];
    memset(large, 'x', 4097);
    large[4097] = '\0';
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 0, 7, large)),
                     KAFKA_OFFSET_METADATA_TOO_LARGE);
    large[4096] = '\0';
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 0, 8, large)), 0);
    ck_assert_int_eq(world_fetch(w, "g", 0), 8);
    /* PreparingRebalance: still accepted; CompletingRebalance: not. */
    world_join(w, (struct world_join){.version = 3});
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[0], 0, 9, NULL)), 0);
    world_join(w, (struct world_join){.version = 3, .member = id[0]});
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation + 1, id[0], 0, 10, NULL)),
                     KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert_int_eq(world_fetch(w, "g", 0), 9);
}
END_TEST

START_TEST(nothing_is_answered_before_it_is_durable)
{
    w->syncs_at_once = false;
    uint32_t a = world_join(w, (struct world_join){.version = 3});
    world_advance(w, 3000);
    text(joined(a).member_id, id[0]);
    uint32_t sync = world_sync(w, "g", 1, id[0], NULL, 0);
    ck_assert(!world_is_out(w, sync));
    w->durable_count = w->record_count;
    ck_assert(world_is_out(w, sync));
    uint32_t commit = world_commit(w, "g", 1, id[0], 0, 5, NULL);
    ck_assert(!world_is_out(w, commit));
    int32_t partition = 0;
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), &partition, 1};
    struct offset_fetch_request request = {.group_id = kafka_string_of("g"), .topics = &topic, .topic_count = 1,
                                           .require_stable = true};
    uint32_t fetch = world_send(w, 9, 7, "c", &request); /* shows the commit: must not be seen before it either */
    ck_assert(!world_is_out(w, fetch));
    w->durable_count = w->record_count;
    ck_assert(world_is_out(w, commit) && world_is_out(w, fetch));
    fetch = world_send(w, 9, 7, "c", &request);
    ck_assert(world_is_out(w, fetch));
}
END_TEST

START_TEST(metadata_comes_back_byte_for_byte)
{
    struct offset_commit_request_partition p[2] = {
        {0, 5, 3, -1, {"\x00\xff nul \xf0\x9f\x98\x80", 12}}, {1, INT64_MAX, -1, -1, {NULL, -1}}};
    struct offset_commit_request_topic topic = {kafka_string_of("t"), p, 2};
    struct offset_commit_request commit = {
        .group_id = kafka_string_of("g"), .generation_id = -1, .group_instance_id = kafka_string_null(),
        .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
    world_send(w, 8, 8, "c", &commit);
    world_crash(w, w->record_count);
    struct offset_fetch_request all = {kafka_string_of("g"), NULL, -1, false};
    struct offset_fetch_response r;
    world_look(w, world_send(w, 9, 7, "c", &all), &r);
    ck_assert_int_eq(r.topic_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct offset_fetch_response_partition *back = &r.topics[i].partitions[0];
        const struct offset_commit_request_partition *sent = &p[back->partition_index];
        ck_assert_int_eq(back->committed_offset, sent->committed_offset);
        ck_assert_int_eq(back->committed_leader_epoch, sent->committed_leader_epoch);
        ck_assert_int_eq(back->metadata.size, sent->committed_metadata.size < 0 ? 0 : 12);
        if (back->metadata.size > 0) ck_assert_mem_eq(back->metadata.chars, sent->committed_metadata.chars, 12);
    }
}
END_TEST

START_TEST(a_partition_listed_many_times_is_stored_once)
{
    struct offset_commit_request_partition p[3] = {{0, 1, -1, -1, {NULL, -1}}, {0, 2, -1, -1, {NULL, -1}},
                                                   {0, 3, -1, -1, {NULL, -1}}};
    struct offset_commit_request_topic topics[2] = {{kafka_string_of("t"), p, 3}, {kafka_string_of("t"), p, 2}};
    struct offset_commit_request commit = {
        .group_id = kafka_string_of("g"), .generation_id = -1, .group_instance_id = kafka_string_null(),
        .retention_time_ms = -1, .topics = topics, .topic_count = 2};
    world_send(w, 8, 2, "c", &commit);
    ck_assert_uint_eq(w->record_count, 1);
    ck_assert_int_eq(world_fetch(w, "g", 0), 2);
}
END_TEST

START_TEST(missing_offsets_by_version)
{
    int32_t partition = 0;
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), &partition, 1};
    struct offset_fetch_request request = {kafka_string_of("none"), &topic, 1, false};
    for (int16_t v = 0; v <= 7; v++) {
        struct offset_fetch_response r;
        world_look(w, world_send(w, 9, v, "c", &request), &r);
        const struct offset_fetch_response_partition *p = &r.topics[0].partitions[0];
        ck_assert_int_eq(p->committed_offset, -1);
        ck_assert_int_eq(p->committed_leader_epoch, -1);
        ck_assert_int_eq(p->metadata.size, 0);
        ck_assert_int_eq(p->error_code, v == 0 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : 0);
        ck_assert_int_eq(r.error_code, 0);
    }
}
END_TEST

/* --- retention --- */

enum { DAY_MS = 86400000 };

START_TEST(offsets_of_an_empty_group_expire_a_week_after_the_last_member)
{
    int32_t generation = form(1, 1800000);
    world_commit(w, "g", generation, id[0], 0, 5, NULL);
    for (int i = 0; i < 6 * 48; i++) { /* six days at work: the week begins behind them */
        world_advance(w, 1800000 - 1);
        ck_assert_int_eq(world_heartbeat(w, "g", generation, id[0], NULL), 0);
    }
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
    world_leave(w, "g", id[0], NULL);
    world_advance(w, 7u * DAY_MS - 1000);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
    world_advance(w, GROUP_RETENTION_CHECK_MS + 1000);
    ck_assert(world_view(w, "g").state == NULL);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    world_crash(w, w->record_count);
    ck_assert_uint_eq(groups_stats_of(w->groups).group_count, 0);
}
END_TEST

START_TEST(a_group_without_members_ever_expires_by_its_commits)
{
    world_commit(w, "s", -1, "", 0, 5, NULL);
    world_advance(w, 4u * DAY_MS);
    world_commit(w, "s", -1, "", 1, 6, NULL);
    world_advance(w, 4u * DAY_MS);
    ck_assert_int_eq(world_fetch(w, "s", 0), -1);
    ck_assert_int_eq(world_fetch(w, "s", 1), 6);
}
END_TEST

START_TEST(a_commit_may_name_its_own_retention)
{
    struct offset_commit_request_partition p = {0, 5, -1, -1, {NULL, -1}};
    struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
    struct offset_commit_request commit = {
        .group_id = kafka_string_of("g"), .generation_id = -1, .group_instance_id = kafka_string_null(),
        .retention_time_ms = 3600000, .topics = &topic, .topic_count = 1};
    world_send(w, 8, 2, "c", &commit);
    world_crash(w, w->record_count); /* value version 1 carries the time */
    world_advance(w, 3600000 - 1000);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
    world_advance(w, GROUP_RETENTION_CHECK_MS + 1000);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
}
END_TEST

/* A consumer's subscription to topics named by single letters. */
static const char *subscription(const char *topics, char *room, size_t *size)
{
    struct sink out = sink_of(room, 64);
    sink_be(&out, 0, 2);
    sink_be(&out, strlen(topics), 4);
    for (; *topics != '\0'; topics++) {
        sink_be(&out, 1, 2);
        sink_bytes(&out, topics, 1);
    }
    sink_be(&out, UINT32_MAX, 4);
    *size = (size_t)((char *)out.at - room);
    return room;
}

START_TEST(a_subscription_is_read_and_unsubscribed_offsets_of_a_live_group_expire)
{
    char room[64];
    size_t size;
    subscription("xt", room, &size);
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)room, (int32_t)size}};
    struct join_group_request request = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 1800000, .rebalance_timeout_ms = 60000,
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_of("consumer"),
        .protocols = &protocol, .protocol_count = 1};
    uint32_t ticket = world_send(w, 11, 3, "c", &request);
    world_advance(w, 3000);
    text(joined(ticket).member_id, id[0]);
    world_sync(w, "g", 1, id[0], NULL, 0);
    ck_assert(world_view(w, "g").is_subscribed);
    world_commit(w, "g", 1, id[0], 0, 5, NULL);
    struct offset_commit_request_partition p = {0, 7, -1, -1, {NULL, -1}};
    struct offset_commit_request_topic topic = {kafka_string_of("tt"), &p, 1};
    struct offset_commit_request commit = {
        .group_id = kafka_string_of("g"), .generation_id = 1, .member_id = kafka_string_of(id[0]),
        .group_instance_id = kafka_string_null(), .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
    world_send(w, 8, 7, "c", &commit);
    ck_assert_uint_eq(world_view(w, "g").offset_count, 2);
    for (int i = 0; i < 8 * 24 * 2 + 2; i++) {
        world_advance(w, 1700000);
        ck_assert_int_eq(world_heartbeat(w, "g", 1, id[0], NULL), 0);
    }
    ck_assert_uint_eq(world_view(w, "g").offset_count, 1);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
}
END_TEST

START_TEST(a_deleted_topic_is_forgotten)
{
    world_commit(w, "g", -1, "", 0, 5, NULL);
    world_commit(w, "h", -1, "", 0, 6, NULL);
    ck_assert_uint_eq(groups_forget_topic(w->groups, kafka_string_of("u")), 0);
    ck_assert_uint_eq(groups_forget_topic(w->groups, kafka_string_of("t")), w->record_count);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    world_crash(w, w->record_count);
    ck_assert_int_eq(world_fetch(w, "h", 0), -1);
}
END_TEST

/* --- restart --- */

START_TEST(a_stable_group_survives_a_restart_without_a_rebalance)
{
    int32_t generation = form(2, 10000);
    world_commit(w, "g", generation, id[0], 0, 5, NULL);
    world_crash(w, w->durable_count);
    struct group_view view = world_view(w, "g");
    ck_assert_str_eq(view.state, "Stable");
    ck_assert(view.generation == generation && view.member_count == 2);
    world_advance(w, 9000);
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id[0], NULL), 0);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id[1], 1, 9, NULL)), 0);
    struct sync_group_response r = synced(world_sync(w, "g", generation, id[1], NULL, 0));
    ck_assert(r.error_code == 0 && r.assignment.size == 1);
    world_advance(w, 10000); /* sessions began anew at the restart */
    ck_assert_str_eq(world_view(w, "g").state, "Empty");
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
    world_compact(w);
    ck_assert_int_eq(world_fetch(w, "g", 1), 9);
    ck_assert_int_eq(world_view(w, "g").generation, generation + 1);
}
END_TEST

START_TEST(a_generation_that_was_never_stored_is_gone_after_a_restart)
{
    int32_t generation = form(1, 10000);
    uint32_t b = world_join(w, (struct world_join){.version = 3});
    world_join(w, (struct world_join){.version = 3, .member = id[0]});
    text(joined(b).member_id, id[1]);
    world_crash(w, w->durable_count);
    ck_assert_int_eq(world_heartbeat(w, "g", generation + 1, id[0], NULL), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(world_heartbeat(w, "g", generation + 1, id[1], NULL), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

/* What was assigned before it must not come back: nobody would read what the member that left had. */
START_TEST(a_snapshot_within_a_rebalance_makes_all_join_again)
{
    for (int completing = 0; completing < 2; completing++) {
        int32_t generation = form(3, 10000);
        world_leave(w, "g", id[2], NULL);
        for (int i = 0; i < 2 && completing == 1; i++)
            world_join(w, (struct world_join){.version = 3, .session_ms = 10000, .member = id[i]});
        struct group_view view = world_view(w, "g");
        ck_assert_str_eq(view.state, completing == 1 ? "CompletingRebalance" : "PreparingRebalance");
        ck_assert_int_eq(view.generation, generation + completing);
        world_compact(w);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(world_heartbeat(w, "g", view.generation, id[i], NULL), KAFKA_UNKNOWN_MEMBER_ID);
        ck_assert_int_eq(form(2, 10000), view.generation + 1);
        for (int i = 0; i < 2; i++) world_leave(w, "g", id[i], NULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group");
    TCase *tcase = tcase_create("group");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_member_of_a_new_client_first_gets_an_id);
    tcase_add_test(tcase, an_id_that_nobody_comes_back_with_is_forgotten);
    tcase_add_test(tcase, an_id_handed_out_holds_up_a_rebalance_until_it_expires);
    tcase_add_test(tcase, the_first_joiners_wait_for_others);
    tcase_add_test(tcase, version_0_uses_the_session_timeout_to_rebalance);
    tcase_add_test(tcase, requests_are_checked_in_kafkas_order);
    tcase_add_test(tcase, a_full_group_takes_nobody_else);
    tcase_add_test(tcase, the_protocol_most_members_prefer_wins);
    tcase_add_test(tcase, a_newcomer_rebalances_a_stable_group);
    tcase_add_test(tcase, who_does_not_rejoin_in_time_is_dropped);
    tcase_add_test(tcase, a_silent_member_loses_its_session_and_the_next_one_leads);
    tcase_add_test(tcase, a_commit_keeps_a_session_alive);
    tcase_add_test(tcase, who_does_not_sync_in_time_is_dropped);
    tcase_add_test(tcase, a_sync_is_checked);
    tcase_add_test(tcase, whom_the_leader_forgets_gets_an_empty_assignment);
    tcase_add_test(tcase, repeated_joins_of_known_members);
    tcase_add_test(tcase, a_second_join_frees_the_first);
    tcase_add_test(tcase, a_new_member_is_not_parked_for_ever);
    tcase_add_test(tcase, a_static_member_comes_back_without_a_rebalance);
    tcase_add_test(tcase, a_static_leader_that_comes_back_acts_as_a_follower);
    tcase_add_test(tcase, a_static_member_may_be_away_for_its_session_only);
    tcase_add_test(tcase, a_rebalance_waits_for_an_absent_static_member_and_keeps_it);
    tcase_add_test(tcase, parked_requests_of_a_replaced_static_member_are_fenced);
    tcase_add_test(tcase, leaving);
    tcase_add_test(tcase, an_administrator_removes_a_static_member_and_a_pending_id_leaves);
    tcase_add_test(tcase, commits_are_accepted_and_refused_as_kafka_does);
    tcase_add_test(tcase, nothing_is_answered_before_it_is_durable);
    tcase_add_test(tcase, metadata_comes_back_byte_for_byte);
    tcase_add_test(tcase, a_partition_listed_many_times_is_stored_once);
    tcase_add_test(tcase, missing_offsets_by_version);
    tcase_add_test(tcase, offsets_of_an_empty_group_expire_a_week_after_the_last_member);
    tcase_add_test(tcase, a_group_without_members_ever_expires_by_its_commits);
    tcase_add_test(tcase, a_commit_may_name_its_own_retention);
    tcase_add_test(tcase, a_subscription_is_read_and_unsubscribed_offsets_of_a_live_group_expire);
    tcase_add_test(tcase, a_deleted_topic_is_forgotten);
    tcase_add_test(tcase, a_stable_group_survives_a_restart_without_a_rebalance);
    tcase_add_test(tcase, a_generation_that_was_never_stored_is_gone_after_a_restart);
    tcase_add_test(tcase, a_snapshot_within_a_rebalance_makes_all_join_again);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
