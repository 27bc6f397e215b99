/* Goal: the coordinator's state machine answers as the new consumer protocol (KIP-848) prescribes, case by case:
 * joining, subscribing by name and by pattern, moving topics one member after the other, fencing, static members,
 * timers, the change of protocol, commits, restarts.  Method: simulated time, one heartbeat after the other. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

static struct world *w;

static void setup(void)
{
    w = world_new(1);
    world_add_topic(w, "ta", 'a');
}

static void teardown(void) { world_free(w); }

#define BEAT(...) world_told(w, world_beat(w, (struct world_beat){__VA_ARGS__}))

/* A heartbeat that says all; `owned` as text. */
static struct world_told says(const char *member, int32_t epoch, const char *owned)
{
    struct world_beat in = {.member = member, .epoch = epoch, .says_owned = true};
    memcpy(in.owned, owned, strlen(owned));
    return world_told(w, world_beat(w, in));
}

static struct world_told join(const char *member)
{
    return BEAT(.member = member, .topics = {"ta", "tb", "tc", "td"});
}

static const char *state(void) { return world_view(w, "c").state; }

static void is_told(struct world_told told, int32_t epoch, const char *topics)
{
    ck_assert_int_eq(told.error, 0);
    ck_assert_int_eq(told.epoch, epoch);
    ck_assert_msg(told.has_assignment == (topics != NULL), "%s an assignment", told.has_assignment ? "got" : "missed");
    if (topics == NULL) return;
    ck_assert_uint_eq(strlen(told.topics), strlen(topics));
    ck_assert_msg(strspn(told.topics, topics) == strlen(topics), "got %s and not %s", told.topics, topics);
}

START_TEST(the_first_member_gets_the_topic_at_once)
{
    struct world_told told = join("m1");
    is_told(told, 1, "a");
    ck_assert_str_eq(told.member, "m1");
    ck_assert_str_eq(state(), "Stable");
    is_told(BEAT(.member = "m1", .epoch = 1), 1, NULL); /* nothing new */
    is_told(says("m1", 1, "a"), 1, NULL);
    struct consumer_group_heartbeat_response r;
    world_look(w, world_beat(w, (struct world_beat){.member = "m1", .epoch = 1}), &r);
    ck_assert_int_eq(r.heartbeat_interval_ms, 5000);
}
END_TEST

START_TEST(one_member_reads_and_the_others_stand_by_and_take_over)
{
    is_told(join("m1"), 1, "a");
    is_told(join("m2"), 2, "");
    is_told(join("m3"), 3, "");
    is_told(BEAT(.member = "m1", .epoch = 1), 3, NULL); /* it keeps what it has */
    ck_assert_str_eq(state(), "Reconciling");
    is_told(BEAT(.member = "m2", .epoch = 2), 3, NULL);
    ck_assert_str_eq(state(), "Stable");
    world_advance(w, 30000);
    is_told(BEAT(.member = "m2", .epoch = 3), 3, NULL);
    is_told(BEAT(.member = "m3", .epoch = 3), 3, NULL);
    world_advance(w, 15000); /* m1 has said nothing for 45 s */
    is_told(BEAT(.member = "m2", .epoch = 3), 4, "a");
    is_told(BEAT(.member = "m3", .epoch = 3), 4, NULL);
    ck_assert_int_eq(BEAT(.member = "m1", .epoch = 3).error, KAFKA_UNKNOWN_MEMBER_ID);
    is_told(join("m1"), 5, ""); /* back, standing by */
    is_told(BEAT(.member = "m2", .epoch = -1), -1, NULL);
    is_told(BEAT(.member = "m3", .epoch = 4), 6, "a");
}
END_TEST

START_TEST(a_topic_moves_only_when_its_owner_has_let_go)
{
    world_add_topic(w, "tb", 'b');
    is_told(join("m1"), 1, "ab");
    is_told(join("m2"), 2, ""); /* it shall have one, but m1 has both */
    is_told(BEAT(.member = "m2", .epoch = 2), 2, NULL);
    struct world_told told = BEAT(.member = "m1", .epoch = 1);
    ck_assert(told.has_assignment && strlen(told.topics) == 1 && told.epoch == 1); /* the old epoch until it let go */
    const char *keeps = told.topics, *goes = keeps[0] == 'a' ? "b" : "a";
    ck_assert_str_eq(state(), "Reconciling");
    is_told(BEAT(.member = "m1", .epoch = 1), 1, NULL); /* it says nothing: it still has it */
    is_told(says("m1", 1, "ab"), 1, NULL);
    is_told(BEAT(.member = "m2", .epoch = 2), 2, NULL);
    is_told(says("m1", 1, keeps), 2, NULL);
    is_told(BEAT(.member = "m2", .epoch = 2), 2, goes);
    ck_assert_str_eq(state(), "Stable");
}
END_TEST

START_TEST(who_does_not_let_go_in_time_is_put_out)
{
    world_add_topic(w, "tb", 'b');
    is_told(BEAT(.member = "m1", .topics = {"ta", "tb"}, .rebalance_ms = 10000), 1, "ab");
    is_told(join("m2"), 2, "");
    ck_assert_int_eq(BEAT(.member = "m1", .epoch = 1).epoch, 1);
    world_advance(w, 9999);
    is_told(says("m1", 1, "ab"), 1, NULL);
    world_advance(w, 1);
    ck_assert_int_eq(says("m1", 1, "ab").error, KAFKA_UNKNOWN_MEMBER_ID);
    is_told(BEAT(.member = "m2", .epoch = 2), 3, "ab");
}
END_TEST

START_TEST(each_topic_asked_back_has_its_own_time)
{
    for (const char *name = "tb\0tc\0td\0"; *name != '\0'; name += 3) world_add_topic(w, name, (uint8_t)name[1]);
    is_told(BEAT(.member = "m1", .topics = {"ta", "tb", "tc", "td"}, .rebalance_ms = 10000), 1, "abcd");
    is_told(join("m2"), 2, "");
    struct world_told first = BEAT(.member = "m1", .epoch = 1);
    ck_assert_uint_eq(strlen(first.topics), 2);
    is_told(join("m3"), 3, "");
    is_told(join("m4"), 4, "");
    world_advance(w, 9000);
    struct world_told second = says("m1", 1, first.topics); /* it let go of two, and is asked for one more */
    ck_assert_uint_eq(strlen(second.topics), 1);
    world_advance(w, 9999);
    is_told(says("m1", 1, first.topics), 1, NULL);
    world_advance(w, 1);
    ck_assert_int_eq(says("m1", 1, first.topics).error, KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(topics_are_spread_and_stay_where_they_are)
{
    world_add_topic(w, "tb", 'b');
    world_add_topic(w, "tc", 'c');
    world_add_topic(w, "td", 'd');
    is_told(BEAT(.member = "m1", .topics = {"ta"}), 1, "a");
    is_told(join("m2"), 2, "bcd"); /* m1 wants only one */
    is_told(BEAT(.member = "m1", .epoch = 1, .topics = {"ta", "tb", "tc", "td"}), 3, NULL);
    struct world_told told = BEAT(.member = "m2", .epoch = 2);
    ck_assert_uint_eq(strlen(told.topics), 2);
    is_told(says("m2", 2, told.topics), 3, NULL);
    ck_assert_uint_eq(strlen(BEAT(.member = "m1", .epoch = 3).topics), 2);
    ck_assert_str_eq(state(), "Stable");
}
END_TEST

START_TEST(range_gives_all_to_the_first_who_wants_it)
{
    world_add_topic(w, "tb", 'b');
    is_told(BEAT(.member = "m1", .topics = {"ta", "tb"}, .assignor = "range"), 1, "ab");
    is_told(BEAT(.member = "m2", .topics = {"ta", "tb"}, .assignor = "range"), 2, "");
    is_told(BEAT(.member = "m1", .epoch = 1), 2, NULL);
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    is_told(BEAT(.member = "m2", .epoch = 2), 3, "ab");
    struct world_told told = BEAT(.member = "m3", .topics = {"ta"}, .assignor = "sticky");
    ck_assert_int_eq(told.error, KAFKA_UNSUPPORTED_ASSIGNOR);
    ck_assert_uint_eq(world_view(w, "c").member_count, 1);
}
END_TEST

START_TEST(a_pattern_follows_the_topics)
{
    is_told(BEAT(.member = "m1", .regex = "t[a-c]"), 1, "a");
    world_add_topic(w, "tb", 'b');
    world_add_topic(w, "tbb", 'B'); /* the whole name must match */
    world_add_topic(w, "td", 'd');
    is_told(BEAT(.member = "m1", .epoch = 1), 2, "ab");
    world_remove_topic(w, 'a');
    is_told(BEAT(.member = "m1", .epoch = 2), 2, "b");
    is_told(says("m1", 2, "b"), 3, NULL);
    is_told(BEAT(.member = "m1", .epoch = 3, .regex = "", .topics = {"td"}), 3, "");
    is_told(says("m1", 3, ""), 4, "d");
    static const char *const wrong[] = {"t[", "(", "*", "(t)\\1", "(?:a{1,99}){1,99}{1,99}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct consumer_group_heartbeat_response r;
        world_look(w, world_beat(w, (struct world_beat){.member = "m1", .epoch = 4, .regex = wrong[i]}), &r);
        ck_assert_msg(r.error_code == KAFKA_INVALID_REGULAR_EXPRESSION, "%s: %d", wrong[i], r.error_code);
        ck_assert_int_gt(r.error_message.size, 20);
    }
    is_told(BEAT(.member = "m1", .epoch = 4), 4, NULL); /* it still has its old one */
    is_told(BEAT(.member = "m2", .regex = "(t|t)*x"), 5, ""); /* a match of that takes long and ends */
}
END_TEST

START_TEST(patterns_cost_what_is_counted)
{
    char regex[1000] = "t";
    for (int i = 0; i < 240; i++) strcat(regex, "(|x)"); /* small to send, large when it is compiled */
    struct groups_stats before = groups_stats_of(w->groups);
    int refused = 0;
    for (int i = 0; i < 6; i++) {
        char member[8];
        snprintf(member, sizeof member, "m%d", i);
        struct world_told told = BEAT(.member = member, .regex = regex);
        ck_assert(told.error == 0 || told.error == KAFKA_GROUP_MAX_SIZE_REACHED);
        refused += told.error != 0;
    }
    ck_assert_int_gt(refused, 0); /* 20,000 bytes a group */
    ck_assert_uint_gt(groups_stats_of(w->groups).memory_bytes, before.memory_bytes + 15000);
    char names[1000] = "";
    for (int i = 0; i < 80; i++) sprintf(names + strlen(names), "(?P<n%d>)", i); /* each would make every step larger */
    ck_assert_int_eq(BEAT(.member = "m9", .regex = names).error, KAFKA_INVALID_REGULAR_EXPRESSION);
}
END_TEST

START_TEST(only_a_new_pattern_is_matched)
{
    for (uint8_t id = 'b'; id <= 'g'; id++) world_add_topic(w, (char[]){'t', (char)id, '\0'}, id);
    char regex[] = "x0";
    for (; regex[1] < '5'; regex[1]++) {
        char member[] = {'m', regex[1], '\0'};
        ck_assert_int_eq(BEAT(.member = member, .regex = regex).error, 0);
    }
    uint64_t before = groups_stats_of(w->groups).pattern_matches;
    ck_assert_uint_le(before, 5 * 7);
    ck_assert_int_eq(BEAT(.member = "m0", .epoch = 1, .regex = "y").error, 0);
    ck_assert_uint_le(groups_stats_of(w->groups).pattern_matches, before + 7); /* its own, the others' not again */
}
END_TEST

START_TEST(a_match_that_takes_long_ends)
{
    world_add_topic(w, "ttttttttttttty", 'y');
    is_told(BEAT(.member = "m1", .regex = "(t|t)*x|t*y"), 1, "");
    is_told(BEAT(.member = "m1", .epoch = 1, .regex = ".*t.*t.*y"), 2, "y"); /* ordinary ones do not take long */
}
END_TEST

/* Everybody sees all topics or one only; within a group too. */
START_TEST(a_member_gets_what_it_may_see_and_the_others_the_rest)
{
    world_add_topic(w, "tb", 'b');
    is_told(BEAT(.member = "m1", .regex = "t."), 1, "ab");
    w->only_topic = "ta";
    is_told(BEAT(.member = "m2", .regex = "t."), 2, "");
    w->only_topic = NULL;
    is_told(BEAT(.member = "m1", .epoch = 1), 1, "b");
    is_told(says("m1", 1, "b"), 2, NULL);
    for (int i = 0; i < 3; i++) {
        w->only_topic = "ta";
        is_told(BEAT(.member = "m2", .epoch = 2), 2, i == 0 ? "a" : NULL);
        w->only_topic = NULL;
        is_told(BEAT(.member = "m1", .epoch = 2), 2, NULL);
        ck_assert_str_eq(state(), "Stable");
        if (i == 1) world_crash(w, w->record_count);
    }
    world_crash(w, w->record_count);
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    is_told(BEAT(.member = "m3", .topics = {"td"}), 4, ""); /* all is assigned before m2's rights are known again */
    w->only_topic = "ta";
    is_told(BEAT(.member = "m2", .epoch = 2), 5, NULL);
    is_told(BEAT(.member = "m2", .epoch = 5), 5, NULL);
    w->only_topic = NULL; /* it was given more rights */
    is_told(BEAT(.member = "m2", .epoch = 5), 6, "ab");
}
END_TEST

START_TEST(a_topic_made_anew_is_another)
{
    is_told(join("m1"), 1, "a");
    world_remove_topic(w, 'a');
    world_add_topic(w, "ta", 'A');
    is_told(BEAT(.member = "m1", .epoch = 1), 1, "");
    is_told(says("m1", 1, ""), 2, "A");
}
END_TEST

START_TEST(requests_are_checked)
{
    static const struct {
        struct world_beat beat;
        int16_t error;
    } cases[] = {
        {{.group = "", .member = "m", .topics = {"ta"}}, KAFKA_INVALID_REQUEST},
        {{.member = "", .topics = {"ta"}}, KAFKA_INVALID_REQUEST},  /* version 1: the client chooses its id */
        {{.member = "m"}, KAFKA_INVALID_REQUEST},                   /* joins without a subscription */
        {{.member = "m", .topics = {"ta"}, .says_owned = true, .owned = "a"}, KAFKA_INVALID_REQUEST},
        {{.member = "m", .epoch = -3}, KAFKA_INVALID_REQUEST},
        {{.member = "m", .epoch = -2}, KAFKA_INVALID_REQUEST},      /* not static */
        {{.member = "m", .instance = "", .topics = {"ta"}}, KAFKA_INVALID_REQUEST},
        {{.member = "", .epoch = 3}, KAFKA_INVALID_REQUEST},
        {{.member = "m", .epoch = 3}, KAFKA_UNKNOWN_MEMBER_ID},
        {{.member = "m", .epoch = -1}, KAFKA_UNKNOWN_MEMBER_ID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(world_told(w, world_beat(w, cases[i].beat)).error == cases[i].error, "case %zu", i);
    ck_assert(state() == NULL);
    struct world_told told = BEAT(.version = -1, .topics = {"ta"}); /* version 0: the server chooses it */
    ck_assert(told.error == 0 && strlen(told.member) == 36);
    for (int i = 0; i < 5; i++) {
        char id[2] = {(char)('0' + i), '\0'};
        ck_assert_int_eq(join(id).error, 0);
    }
    ck_assert_int_eq(join("m7").error, KAFKA_GROUP_MAX_SIZE_REACHED);
    ck_assert_uint_eq(world_view(w, "c").member_count, 6);
}
END_TEST

START_TEST(epochs_fence)
{
    world_add_topic(w, "tb", 'b');
    is_told(join("m1"), 1, "ab");
    ck_assert_int_eq(BEAT(.member = "m1", .epoch = 2).error, KAFKA_FENCED_MEMBER_EPOCH);
    is_told(join("m2"), 2, "");
    const struct world_told told = BEAT(.member = "m1", .epoch = 1);
    is_told(says("m1", 1, told.topics), 2, NULL); /* say this answer is lost: */
    is_told(says("m1", 1, told.topics), 2, told.topics);
    ck_assert_int_eq(says("m1", 1, "ab").error, KAFKA_FENCED_MEMBER_EPOCH); /* it has what it was not given */
    ck_assert_int_eq(BEAT(.member = "m1", .epoch = 1).error, KAFKA_FENCED_MEMBER_EPOCH);
    is_told(join("m3"), 3, "");
    is_told(says("m1", 2, told.topics), 3, NULL);
    ck_assert_int_eq(says("m1", 1, "").error, KAFKA_FENCED_MEMBER_EPOCH); /* two epochs ago */
    is_told(join("m1"), 3, told.topics); /* it starts anew, under its id, and nobody else moves */
    struct world_told again = BEAT(.member = "m2", .epoch = 2);
    ck_assert(again.error == 0 && again.epoch == 3);
}
END_TEST

START_TEST(a_full_request_is_answered_in_full)
{
    is_told(join("m1"), 1, "a");
    struct world_told told = BEAT(.member = "m1", .epoch = 1, .topics = {"ta", "tb", "tc", "td"}, .says_owned = true,
                                  .owned = "a", .rebalance_ms = 60000);
    is_told(told, 1, "a");
    is_told(BEAT(.member = "m1", .epoch = 1, .regex = "t.", .topics = {"ta"}), 2, NULL);
    world_add_topic(w, "tb", 'b');
    is_told(BEAT(.member = "m1", .epoch = 2), 3, "ab"); /* say this answer is lost: */
    is_told(BEAT(.member = "m1", .epoch = 2, .regex = "t.", .says_owned = true, .owned = "a", .rebalance_ms = 60000),
            3, "ab");
    is_told(BEAT(.member = "m1", .epoch = 3, .regex = "t.", .says_owned = true, .owned = "a", .rebalance_ms = 60000),
            3, "ab");
    is_told(says("m1", 2, "a"), 3, "ab"); /* its old epoch tells that it missed an answer */
}
END_TEST

START_TEST(a_static_member_may_be_away_for_a_while)
{
    is_told(BEAT(.member = "m1", .instance = "i1", .topics = {"ta"}), 1, "a");
    is_told(BEAT(.member = "m2", .instance = "i2", .topics = {"ta"}), 2, "");
    ck_assert_int_eq(BEAT(.member = "x", .instance = "i1", .topics = {"ta"}).error, KAFKA_UNRELEASED_INSTANCE_ID);
    ck_assert_int_eq(BEAT(.member = "x", .instance = "i1", .epoch = 1).error, KAFKA_FENCED_INSTANCE_ID);
    is_told(BEAT(.member = "m1", .instance = "i1", .epoch = 1), 2, NULL);
    is_told(BEAT(.member = "m1", .instance = "i1", .epoch = -2), -2, NULL);
    world_advance(w, 40000);
    is_told(BEAT(.member = "m2", .instance = "i2", .epoch = 2), 2, NULL); /* the topic waits for i1 */
    ck_assert_int_eq(BEAT(.member = "m1", .instance = "i1", .epoch = 2).error, KAFKA_FENCED_MEMBER_EPOCH);
    is_told(BEAT(.member = "x", .instance = "i1", .topics = {"ta"}), 2, "a"); /* back, under another id */
    is_told(BEAT(.member = "m2", .instance = "i2", .epoch = 2), 2, NULL);
    ck_assert_int_eq(BEAT(.member = "m1", .instance = "i1", .epoch = 2).error, KAFKA_FENCED_INSTANCE_ID);
    is_told(BEAT(.member = "x", .instance = "i1", .epoch = -2), -2, NULL);
    world_advance(w, 20000);
    is_told(BEAT(.member = "m2", .instance = "i2", .epoch = 2), 2, NULL);
    world_advance(w, 25000); /* i1 stays away for too long */
    is_told(BEAT(.member = "m2", .instance = "i2", .epoch = 2), 3, "a");
}
END_TEST

/* In version 0 the coordinator chooses the id: a new one for each life. */
START_TEST(a_static_member_of_version_0_comes_back)
{
    char instance[251] = "";
    memset(instance, 'i', sizeof instance - 1); /* what is chosen must be taken back, however long the names are */
    struct world_told told = BEAT(.version = -1, .instance = instance, .topics = {"ta"});
    is_told(told, 1, "a");
    is_told(BEAT(.member = told.member, .instance = instance, .epoch = 1), 1, NULL);
    is_told(BEAT(.member = told.member, .instance = instance, .epoch = -2), -2, NULL);
    struct world_told again = BEAT(.version = -1, .instance = instance, .topics = {"ta"});
    is_told(again, 1, "a");
    ck_assert_uint_eq(strlen(again.member), 36);
    ck_assert_str_ne(again.member, told.member);
    is_told(BEAT(.member = again.member, .instance = instance, .epoch = 1), 1, NULL);
    world_crash(w, w->record_count);
    is_told(BEAT(.member = again.member, .instance = instance, .epoch = 1), 1, NULL);
    is_told(join("m2"), 2, "");
    is_told(BEAT(.member = again.member, .instance = instance, .epoch = -2), -2, NULL);
    ck_assert_int_eq(BEAT(.member = "m2", .instance = instance, .topics = {"ta"}).error, KAFKA_INVALID_REQUEST);
    ck_assert_uint_eq(world_view(w, "c").member_count, 2);
}
END_TEST

START_TEST(commits_carry_the_members_epoch)
{
    is_told(join("m1"), 1, "a");
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "ta", 5)), 0);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 0, "m1", "ta", 6)), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m2", "ta", 6)), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", -1, "", "ta", 6)), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", -1, "m1", "ta", 6)), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "c", 1, "", 0, 6, "x")), KAFKA_UNKNOWN_MEMBER_ID);
    is_told(join("m2"), 2, "");
    is_told(BEAT(.member = "m1", .epoch = 1), 2, NULL);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "ta", 6)), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 2, "m1", "ta", 7)), 0);
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    is_told(BEAT(.member = "m2", .epoch = -1), -1, NULL);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 2, "m1", "ta", 8)), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", -1, "", "ta", 9)), 0); /* a tool, nobody in */
}
END_TEST

static struct offset_fetch_response_group fetch(const char *member, int32_t epoch)
{
    static struct offset_fetch_response r;
    struct offset_fetch_request_group group = {kafka_string_of("c"), kafka_string_of(member), epoch, NULL, -1};
    struct offset_fetch_request request = {.groups = &group, .group_count = 1};
    world_look(w, world_send(w, KAFKA_API_OFFSET_FETCH, 9, "client", &request), &r);
    ck_assert_int_eq(r.group_count, 1);
    return r.groups[0];
}

START_TEST(fetches_may_carry_it_too)
{
    is_told(join("m1"), 1, "a");
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "ta", 5)), 0);
    struct offset_fetch_response_group g = fetch("m1", 1);
    ck_assert(g.error_code == 0 && g.topic_count == 1 && g.topics[0].partitions[0].committed_offset == 5);
    ck_assert_int_eq(fetch("m1", 2).error_code, KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(fetch("m2", 1).error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(fetch(NULL, -1).topic_count, 1); /* a tool */
}
END_TEST

/* Each change of a subscription takes an epoch: who changes it for years must not get the server to its knees. */
START_TEST(epochs_that_are_used_up_begin_anew)
{
    is_told(join("m1"), 1, "a");
    is_told(join("m2"), 2, "");
    is_told(BEAT(.member = "m1", .epoch = 1), 2, NULL);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 2, "m1", "ta", 5)), 0);
    struct consumer_record_key key = {kafka_string_of("c"), {NULL, 0}};
    struct consumer_group_metadata late = {INT32_MAX - 20};
    struct consumer_target_metadata late_target = {INT32_MAX - 20};
    ck_assert_int_eq(groups_load_consumer(w->groups, CONSUMER_GROUP_METADATA, &key, &late), ERR_OK);
    ck_assert_int_eq(groups_load_consumer(w->groups, CONSUMER_TARGET_METADATA, &key, &late_target), ERR_OK);
    struct world_told told = BEAT(.member = "m1", .epoch = 2);
    for (int i = 0; told.error == 0; i++) {
        ck_assert_int_lt(i, 20);
        ck_assert_int_gt(told.epoch, INT32_MAX - 21);
        told = BEAT(.member = "m1", .epoch = told.epoch, .topics = {"ta", i % 2 == 0 ? "tx" : "ty"});
    }
    ck_assert_int_eq(told.error, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(BEAT(.member = "m2", .epoch = 2).error, KAFKA_UNKNOWN_MEMBER_ID);
    is_told(join("m2"), 1, "a");
    world_crash(w, w->record_count);
    is_told(join("m1"), 2, "");
    is_told(BEAT(.member = "m2", .epoch = 1), 2, NULL);
    ck_assert_int_eq(fetch("m2", 2).topics[0].partitions[0].committed_offset, 5);
}
END_TEST

START_TEST(a_group_without_members_changes_its_protocol)
{
    is_told(join("m1"), 1, "a");
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "ta", 5)), 0);
    struct join_group_response r;
    world_look(w, world_join(w, (struct world_join){.group = "c", .version = 3}), &r);
    ck_assert_int_eq(r.error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    ck_assert_str_eq(state(), "Empty");
    uint32_t ticket = world_join(w, (struct world_join){.group = "c", .version = 3});
    world_advance(w, 3000);
    world_look(w, ticket, &r);
    ck_assert(r.error_code == 0 && r.generation_id == 3); /* behind the last epoch */
    char id[320] = "";
    memcpy(id, r.member_id.chars, (size_t)r.member_id.size);
    world_sync(w, "c", 3, id, NULL, 0);
    ck_assert_str_eq(state(), "Stable");
    world_crash(w, w->record_count); /* the log tells the same */
    ck_assert_int_eq(world_heartbeat(w, "c", 3, id, NULL), 0);
    ck_assert_int_eq(join("m1").error, KAFKA_GROUP_ID_NOT_FOUND);
    ck_assert_int_eq(BEAT(.member = "m1", .epoch = 1).error, KAFKA_GROUP_ID_NOT_FOUND);
    world_leave(w, "c", id, NULL);
    is_told(join("m1"), 5, "a");
    world_crash(w, w->record_count);
    is_told(BEAT(.member = "m1", .epoch = 5), 5, NULL);
    ck_assert_int_eq(fetch("m1", 5).topics[0].partitions[0].committed_offset, 5);
}
END_TEST

START_TEST(a_restart_moves_nobody)
{
    world_add_topic(w, "tb", 'b');
    is_told(BEAT(.member = "m1", .regex = "t.", .assignor = "uniform"), 1, "ab");
    is_told(BEAT(.member = "m2", .instance = "i2", .topics = {"ta", "tb"}), 2, "");
    struct world_told told = BEAT(.member = "m1", .epoch = 1);
    uint64_t records = w->record_count;
    for (int i = 0; i < 2; i++) { /* as it is, and from a compacted log */
        if (i == 0) world_crash(w, w->record_count);
        else world_compact(w);
        is_told(BEAT(.member = "m2", .instance = "i2", .epoch = 2), 2, NULL);
        is_told(says("m1", 1, "ab"), 1, NULL); /* it still has to let go of one */
        ck_assert_str_eq(state(), "Reconciling");
    }
    ck_assert_uint_lt(w->record_count, records + 2);
    is_told(says("m1", 1, told.topics), 2, NULL);
    is_told(BEAT(.member = "m2", .epoch = 2), 2, told.topics[0] == 'a' ? "b" : "a");
    world_crash(w, w->record_count);
    world_advance(w, 44999);
    is_told(BEAT(.member = "m1", .epoch = 2), 2, NULL);
    world_advance(w, 1);
    is_told(BEAT(.member = "m1", .epoch = 2), 3, "ab"); /* m2 never came back */
}
END_TEST

/* Whatever part of what two members' coming and going stored a crash keeps, everybody finds work again. */
START_TEST(every_cut_of_the_log_leads_on)
{
    world_add_topic(w, "tb", 'b');
    uint64_t cuts = 1;
    for (uint64_t cut = 0; cut < cuts; cut++) {
        w->syncs_at_once = false;
        w->durable_count = w->record_count;
        uint64_t base = w->record_count;
        struct world_told told = BEAT(.member = "m1", .instance = "i1", .topics = {"ta", "tb"});
        BEAT(.member = "m2", .topics = {"ta", "tb"});
        told = BEAT(.member = "m1", .instance = "i1", .epoch = told.epoch);
        told = says("m1", told.epoch, told.topics);
        BEAT(.member = "m1", .instance = "i1", .epoch = -2);
        told = BEAT(.member = "x1", .instance = "i1", .topics = {"ta", "tb"});
        BEAT(.member = "m2", .epoch = -1);
        cuts = w->record_count - base + 1;
        ck_assert_uint_gt(cuts, 20);
        world_crash(w, base + cut);
        w->syncs_at_once = true;
        w->durable_count = w->record_count;
        struct world_told last = BEAT(.member = "m9", .topics = {"ta", "tb"});
        world_advance(w, 44000);
        last = BEAT(.member = "m9", .epoch = last.epoch);
        ck_assert_int_eq(last.error, 0);
        world_advance(w, 1000); /* all others are gone */
        last = BEAT(.member = "m9", .epoch = last.epoch, .topics = {"ta", "tb"}, .says_owned = true,
                    .rebalance_ms = 60000);
        ck_assert_msg(last.error == 0 && strlen(last.topics) == 2, "cut %llu of %llu: m9 has %s",
                      (unsigned long long)cut, (unsigned long long)cuts, last.topics);
        ck_assert_str_eq(state(), "Stable");
        BEAT(.member = "m9", .epoch = -1);
        struct delete_groups_request del = {(struct kafka_string[]){kafka_string_of("c")}, 1};
        world_send(w, KAFKA_API_DELETE_GROUPS, 2, "client", &del);
        ck_assert(state() == NULL);
        world_crash(w, w->record_count);
        ck_assert(state() == NULL);
    }
}
END_TEST

/* A member left, and the log ends before the epoch that this began: the topic must not wait for somebody to join. */
START_TEST(a_log_that_ends_before_the_new_epoch_leads_on)
{
    is_told(join("m1"), 1, "a");
    is_told(join("m2"), 2, "");
    w->syncs_at_once = false;
    uint64_t keep = w->record_count + 3; /* the three tombstones of the member, and no more */
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    ck_assert_uint_eq(w->record_count, keep + 1);
    world_crash(w, keep);
    is_told(BEAT(.member = "m2", .epoch = 2), 2, "a");
}
END_TEST

START_TEST(tools_see_the_group)
{
    is_told(BEAT(.member = "m1", .instance = "i1", .topics = {"ta", "tb"}, .assignor = "range"), 1, "a");
    struct kafka_string ids[] = {kafka_string_of("c"), kafka_string_of("none")};
    struct consumer_group_describe_request request = {ids, 2, true};
    struct consumer_group_describe_response r;
    world_look(w, world_send(w, KAFKA_API_CONSUMER_GROUP_DESCRIBE, 0, "client", &request), &r);
    const struct consumer_group_described *d = &r.groups[0];
    ck_assert(r.group_count == 2 && d->error_code == 0 && kafka_string_is(d->group_state, "Stable"));
    ck_assert(d->group_epoch == 1 && d->assignment_epoch == 1 && kafka_string_is(d->assignor_name, "range"));
    ck_assert_int_eq(d->authorized_operations, 1 << 3 | 1 << 6 | 1 << 8);
    ck_assert_int_eq(d->member_count, 1);
    const struct consumer_group_described_member *m = &d->members[0];
    ck_assert(kafka_string_is(m->member_id, "m1") && kafka_string_is(m->instance_id, "i1") && m->member_epoch == 1);
    ck_assert(kafka_string_is(m->client_id, "client") && kafka_string_is(m->client_host, "/::1"));
    ck_assert(m->subscribed_topic_name_count == 2 && kafka_string_is(m->subscribed_topic_names[1], "tb"));
    ck_assert(m->assignment.topic_partition_count == 1 && m->target_assignment.topic_partition_count == 1);
    ck_assert(kafka_string_is(m->assignment.topic_partitions[0].topic_name, "ta"));
    ck_assert_int_eq(r.groups[1].error_code, KAFKA_GROUP_ID_NOT_FOUND);

    struct describe_groups_request classic = {ids, 1, false};
    struct describe_groups_response dead;
    world_look(w, world_send(w, KAFKA_API_DESCRIBE_GROUPS, 5, "client", &classic), &dead);
    ck_assert(dead.groups[0].error_code == 0 && kafka_string_is(dead.groups[0].group_state, "Dead"));
    world_commit(w, "simple", -1, "", 0, 1, "x");
    struct kafka_string type = kafka_string_of("Consumer");
    struct list_groups_request list = {.types_filter = &type, .type_filter_count = 1};
    struct list_groups_response listed;
    world_look(w, world_send(w, KAFKA_API_LIST_GROUPS, 5, "client", &list), &listed);
    ck_assert(listed.group_count == 1 && kafka_string_is(listed.groups[0].group_id, "c"));
    ck_assert(kafka_string_is(listed.groups[0].group_type, "consumer"));
    ck_assert(kafka_string_is(listed.groups[0].protocol_type, "consumer"));
    struct delete_groups_request del = {ids, 1};
    struct delete_groups_response deleted;
    world_look(w, world_send(w, KAFKA_API_DELETE_GROUPS, 2, "client", &del), &deleted);
    ck_assert_int_eq(deleted.results[0].error_code, KAFKA_NON_EMPTY_GROUP);
}
END_TEST

START_TEST(a_group_left_alone_goes_and_its_commits_after_their_time)
{
    is_told(join("m1"), 1, "a");
    is_told(BEAT(.member = "m1", .epoch = -1), -1, NULL);
    ck_assert_str_eq(state(), "Empty");
    world_advance(w, GROUP_RETENTION_CHECK_MS);
    ck_assert(state() == NULL);
    is_told(join("m1"), 1, "a");
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "ta", 5)), 0);
    ck_assert_int_eq(world_commit_error(w, world_commit_epoch(w, "c", 1, "m1", "tz", 5)), 0);
    w->limits.consumer_session_timeout_ms = 3600000;
    world_crash(w, w->record_count);
    for (int i = 0; i < 7 * 24 * 2; i++) {
        world_advance(w, 1800000);
        ck_assert_int_eq(BEAT(.member = "m1", .epoch = 1).error, 0);
    }
    world_advance(w, GROUP_RETENTION_CHECK_MS);
    ck_assert_uint_eq(world_view(w, "c").offset_count, 1); /* what it subscribes to stays */
    world_advance(w, 3600000 + GROUP_RETENTION_CHECK_MS);
    ck_assert_str_eq(state(), "Empty");
    world_advance(w, 7 * 86400000u - 3600000); /* it may come back, however old its commit is */
    ck_assert_uint_eq(world_view(w, "c").offset_count, 1);
    world_advance(w, 3600000 + GROUP_RETENTION_CHECK_MS);
    ck_assert(state() == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group_consumer");
    TCase *tcase = tcase_create("group_consumer");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_first_member_gets_the_topic_at_once);
    tcase_add_test(tcase, one_member_reads_and_the_others_stand_by_and_take_over);
    tcase_add_test(tcase, a_topic_moves_only_when_its_owner_has_let_go);
    tcase_add_test(tcase, who_does_not_let_go_in_time_is_put_out);
    tcase_add_test(tcase, each_topic_asked_back_has_its_own_time);
    tcase_add_test(tcase, topics_are_spread_and_stay_where_they_are);
    tcase_add_test(tcase, range_gives_all_to_the_first_who_wants_it);
    tcase_add_test(tcase, a_pattern_follows_the_topics);
    tcase_add_test(tcase, patterns_cost_what_is_counted);
    tcase_add_test(tcase, only_a_new_pattern_is_matched);
    tcase_add_test(tcase, a_match_that_takes_long_ends);
    tcase_add_test(tcase, a_member_gets_what_it_may_see_and_the_others_the_rest);
    tcase_add_test(tcase, a_topic_made_anew_is_another);
    tcase_add_test(tcase, requests_are_checked);
    tcase_add_test(tcase, epochs_fence);
    tcase_add_test(tcase, a_full_request_is_answered_in_full);
    tcase_add_test(tcase, a_static_member_may_be_away_for_a_while);
    tcase_add_test(tcase, a_static_member_of_version_0_comes_back);
    tcase_add_test(tcase, commits_carry_the_members_epoch);
    tcase_add_test(tcase, fetches_may_carry_it_too);
    tcase_add_test(tcase, epochs_that_are_used_up_begin_anew);
    tcase_add_test(tcase, a_group_without_members_changes_its_protocol);
    tcase_add_test(tcase, a_restart_moves_nobody);
    tcase_add_test(tcase, every_cut_of_the_log_leads_on);
    tcase_add_test(tcase, a_log_that_ends_before_the_new_epoch_leads_on);
    tcase_add_test(tcase, tools_see_the_group);
    tcase_add_test(tcase, a_group_left_alone_goes_and_its_commits_after_their_time);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
