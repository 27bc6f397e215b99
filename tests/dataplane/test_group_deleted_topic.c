/* Goal: who had a topic before it was deleted does not commit to the next one of its name, in either protocol and over
 * a crash; who had nothing of it is left alone, and who is put out comes back.  Method: simulated time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

static struct world *w;

static void setup(void) { w = world_new(1); }
static void teardown(void) { world_free(w); }

static uint64_t forget(const char *topic) { return groups_forget_topic(w->groups, kafka_string_of(topic)); }

/* A member of group "g" that subscribes to topic "t", as Kafka's clients say it. */
static struct join_group_response join(const char *member)
{
    static const uint8_t subscription[] = {0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff};
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {subscription, sizeof subscription}};
    struct join_group_request in = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 10000,
        .member_id = kafka_string_of(member), .group_instance_id = kafka_string_null(),
        .protocol_type = kafka_string_of("consumer"), .protocols = &protocol, .protocol_count = 1};
    uint32_t ticket = world_send(w, KAFKA_API_JOIN_GROUP, 3, "client", &in);
    world_advance(w, 6000);
    struct join_group_response r;
    world_look(w, ticket, &r);
    return r;
}

/* Forms the group with it alone; returns the generation, its id is left in `id`. */
static int32_t form(char *id)
{
    struct join_group_response r = join("");
    ck_assert_int_eq(r.error_code, 0);
    snprintf(id, 320, "%.*s", (int)r.member_id.size, r.member_id.chars);
    int32_t generation = r.generation_id;
    struct sync_group_request_assignment all = {kafka_string_of(id), {(const uint8_t *)"its part", 8}};
    world_sync(w, "g", generation, id, &all, 1);
    ck_assert_str_eq(world_view(w, "g").state, "Stable");
    return generation;
}

static int16_t commit(int32_t generation, const char *id)
{
    return world_commit_error(w, world_commit(w, "g", generation, id, 0, 1000, NULL));
}

/* The loop's index: whether it committed before; whether millraced dies right after. */
START_TEST(a_classic_member_of_before_does_not_commit)
{
    char id[320], fresh[320];
    int32_t generation = form(id);
    if (_i % 2 == 1) ck_assert_int_eq(commit(generation, id), 0);
    uint64_t after = forget("t");
    ck_assert_uint_eq(after, w->record_count); /* the delete waits for all of it */
    if (_i / 2 == 1) world_crash(w, after);
    ck_assert_int_eq(commit(generation, id), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_heartbeat(w, "g", generation, id, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    ck_assert_int_eq(join(id).error_code, KAFKA_UNKNOWN_MEMBER_ID);
    int32_t next = form(fresh);
    ck_assert_int_gt(next, generation);
    ck_assert_int_eq(commit(generation, fresh), KAFKA_ILLEGAL_GENERATION);
    ck_assert_int_eq(commit(next, fresh), 0);
}
END_TEST

START_TEST(a_rebalance_under_way_ends)
{
    char id[320];
    int32_t generation = form(id);
    struct join_group_response r;
    uint32_t parked = world_join(w, (struct world_join){.version = 3});
    ck_assert_str_eq(world_view(w, "g").state, "PreparingRebalance");
    ck_assert_uint_eq(forget("t"), w->record_count);
    world_look(w, parked, &r);
    ck_assert_int_eq(r.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_str_eq(world_view(w, "g").state, "Empty");
    world_crash(w, w->record_count);
    ck_assert_int_eq(commit(generation, id), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(a_member_counts_whose_subscription_nobody_can_read)
{
    char id[320];
    struct join_group_response r;
    uint32_t ticket = world_join(w, (struct world_join){.version = 3});
    world_advance(w, 6000);
    world_look(w, ticket, &r);
    snprintf(id, sizeof id, "%.*s", (int)r.member_id.size, r.member_id.chars);
    int32_t generation = r.generation_id;
    world_sync(w, "g", generation, id, NULL, 0);
    ck_assert_int_eq(commit(generation, id), 0); /* that tells that it has the topic */
    ck_assert_uint_eq(forget("t"), w->record_count);
    ck_assert_int_eq(commit(generation, id), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

START_TEST(who_has_nothing_of_it_stays)
{
    char id[320];
    int32_t generation = form(id);
    uint64_t records = w->record_count;
    ck_assert_uint_eq(forget("tt"), 0);
    ck_assert_uint_eq(w->record_count, records);
    ck_assert_int_eq(commit(generation, id), 0);
    /* a consumer outside the protocol: nothing tells what it remembers */
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "h", -1, "", 0, 5, NULL)), 0);
    forget("t");
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "h", -1, "", 0, 5, NULL)), 0);
}
END_TEST

static int16_t commit_epoch(int32_t epoch, const char *member, const char *topic)
{
    return world_commit_error(w, world_commit_epoch(w, "c", epoch, member, topic, 1000));
}

static int32_t beat(const char *member, const char *topic, int32_t epoch)
{
    struct world_told told = world_told(w, world_beat(w, (struct world_beat){
        .member = member, .topics = {topic}, .epoch = epoch}));
    ck_assert_int_eq(told.error, 0);
    return told.epoch;
}

/* The loop's index: by name, or by what it still has alone; whether millraced dies right after. */
START_TEST(a_member_of_the_new_protocol_of_before_does_not_commit)
{
    world_add_topic(w, "ta", 'a');
    world_add_topic(w, "tb", 'b');
    beat("m1", "ta", 0);
    int32_t other = beat("m2", "tb", 0);
    int32_t epoch = beat("m1", "ta", 1);
    if (_i % 2 == 1) epoch = beat("m1", "tb", epoch); /* it is told to let go of ta, and has not */
    other = beat("m2", "tb", other);
    ck_assert_int_eq(commit_epoch(epoch, "m1", "ta"), 0);
    uint64_t after = forget("ta");
    ck_assert_uint_eq(after, w->record_count);
    world_remove_topic(w, 'a');
    world_add_topic(w, "ta", 'x');
    if (_i / 2 == 1) world_crash(w, after);
    ck_assert_int_eq(commit_epoch(epoch, "m1", "ta"), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(commit_epoch(other, "m2", "tb"), 0); /* it has nothing of it */
    int32_t next = beat("m1", "ta", 0);
    ck_assert_int_gt(next, epoch);
    ck_assert_int_eq(commit_epoch(epoch, "m1", "ta"), KAFKA_STALE_MEMBER_EPOCH);
    ck_assert_int_eq(commit_epoch(next, "m1", "ta"), 0);
}
END_TEST

/* After a restart shares have no names until somebody's heartbeat: who has one might have this one. */
START_TEST(a_share_without_a_name_counts)
{
    world_add_topic(w, "ta", 'a');
    world_add_topic(w, "tb", 'b');
    int32_t epoch = beat("m1", "ta", 0);
    epoch = beat("m1", "tb", epoch);
    world_crash(w, w->record_count);
    ck_assert_uint_eq(forget("ta"), w->record_count);
    ck_assert_int_eq(commit_epoch(epoch, "m1", "ta"), KAFKA_UNKNOWN_MEMBER_ID);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("group_deleted_topic");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_classic_member_of_before_does_not_commit, 0, 4);
    tcase_add_test(t, a_rebalance_under_way_ends);
    tcase_add_test(t, a_member_counts_whose_subscription_nobody_can_read);
    tcase_add_test(t, who_has_nothing_of_it_stays);
    tcase_add_loop_test(t, a_member_of_the_new_protocol_of_before_does_not_commit, 0, 4);
    tcase_add_test(t, a_share_without_a_name_counts);
    suite_add_tcase(s, t);
    return suite_run(s);
}
