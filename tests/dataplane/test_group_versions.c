/* Goal: what the newest versions of the classic requests add: JoinGroup 9 tells a static leader that came back that it
 * leads and need not assign (KIP-814), OffsetFetch 8 asks for several groups at once (KIP-709).  Method: simulated
 * time. */
#include <check.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

static struct world *w;

static void setup(void) { w = world_new(1); }
static void teardown(void) { world_free(w); }

static char leader[320], follower[320];

static struct join_group_response joined(uint32_t ticket)
{
    struct join_group_response r;
    world_look(w, ticket, &r);
    ck_assert_int_eq(r.error_code, 0);
    return r;
}

static void keep(char *room, struct kafka_string s)
{
    memcpy(room, s.chars, (size_t)s.size);
    room[s.size] = '\0';
}

/* A stable group of the static members "i1", which leads, and "i2". */
static int32_t form(int16_t version)
{
    uint32_t a = world_join(w, (struct world_join){.instance = "i1", .version = version});
    uint32_t b = world_join(w, (struct world_join){.instance = "i2", .version = version});
    world_advance(w, 6000);
    keep(leader, joined(a).member_id);
    keep(follower, joined(b).member_id);
    struct sync_group_request_assignment all[2] = {{kafka_string_of(leader), {(const uint8_t *)"a", 1}},
                                                   {kafka_string_of(follower), {(const uint8_t *)"b", 1}}};
    int32_t generation = joined(a).generation_id;
    world_sync(w, "g", generation, leader, all, 2);
    world_sync(w, "g", generation, follower, NULL, 0);
    return generation;
}

START_TEST(a_static_leader_that_comes_back_leads_and_need_not_assign)
{
    int32_t generation = form(9);
    struct join_group_response r = joined(world_join(w, (struct world_join){.instance = "i1", .version = 9}));
    ck_assert_int_eq(r.generation_id, generation);
    ck_assert(r.skip_assignment && r.member_count == 2);
    ck_assert(kafka_string_equal(r.leader, r.member_id) && !kafka_string_is(r.member_id, leader));
    ck_assert(kafka_string_equal(r.members[0].member_id, r.member_id));
    ck_assert(kafka_string_is(r.members[1].group_instance_id, "i2"));
    keep(leader, r.member_id);
    struct sync_group_response s;
    world_look(w, world_sync(w, "g", generation, leader, NULL, 0), &s);
    ck_assert(s.error_code == 0 && s.assignment.size == 1 && s.assignment.bytes[0] == 'a');
    r = joined(world_join(w, (struct world_join){.instance = "i2", .version = 9})); /* a follower learns no list */
    ck_assert(!r.skip_assignment && r.member_count == 0 && kafka_string_is(r.leader, leader));
    ck_assert_int_eq(world_heartbeat(w, "g", generation, leader, "i1"), 0); /* nothing moved */
}
END_TEST

START_TEST(before_version_9_it_is_told_that_another_leads)
{
    form(8);
    struct join_group_response r = joined(world_join(w, (struct world_join){.instance = "i1", .version = 8}));
    ck_assert(!r.skip_assignment && r.member_count == 0 && kafka_string_is(r.leader, leader));
}
END_TEST

START_TEST(a_leader_whose_protocols_changed_is_not_spared_the_rebalance)
{
    form(9);
    uint32_t again = world_join(w, (struct world_join){.instance = "i1", .version = 9, .protocol = "sticky",
                                                       .protocol2 = "range"});
    struct join_group_response r = joined(again); /* "range" is still what all have */
    ck_assert(r.skip_assignment);
    uint32_t b = world_join(w, (struct world_join){.instance = "i2", .version = 9, .protocol = "sticky",
                                                   .protocol2 = "range"});
    ck_assert(!world_is_out(w, b)); /* now both prefer another */
    ck_assert_str_eq(world_view(w, "g").state, "PreparingRebalance");
}
END_TEST

START_TEST(an_offset_fetch_asks_for_several_groups)
{
    world_commit(w, "g1", -1, "", 0, 11, "x");
    world_commit(w, "g1", -1, "", 2, 12, "y");
    world_commit(w, "g2", -1, "", 1, 21, "z");
    int32_t partitions[] = {0, 1};
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), partitions, 2};
    struct offset_fetch_request_group groups[] = {
        {kafka_string_of("g1"), kafka_string_null(), -1, NULL, -1},
        {kafka_string_of("g2"), kafka_string_null(), -1, &topic, 1},
        {kafka_string_of("none"), kafka_string_null(), -1, &topic, 1},
    };
    struct offset_fetch_request request = {.groups = groups, .group_count = 3};
    struct offset_fetch_response r;
    world_look(w, world_send(w, KAFKA_API_OFFSET_FETCH, 8, "client", &request), &r);
    ck_assert_int_eq(r.group_count, 3);
    ck_assert(kafka_string_is(r.groups[0].group_id, "g1") && r.groups[0].topic_count == 2);
    const struct offset_fetch_response_topic *t = r.groups[0].topics;
    ck_assert_int_eq(t[0].partitions[0].committed_offset + t[1].partitions[0].committed_offset, 23);
    t = r.groups[1].topics;
    ck_assert(t->partitions[0].committed_offset == -1 && t->partitions[1].committed_offset == 21);
    ck_assert(kafka_string_is(t->partitions[1].metadata, "z"));
    ck_assert(r.groups[2].error_code == 0 && r.groups[2].topics[0].partitions[1].committed_offset == -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("group_versions");
    TCase *tcase = tcase_create("group_versions");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_static_leader_that_comes_back_leads_and_need_not_assign);
    tcase_add_test(tcase, before_version_9_it_is_told_that_another_leads);
    tcase_add_test(tcase, a_leader_whose_protocols_changed_is_not_spared_the_rebalance);
    tcase_add_test(tcase, an_offset_fetch_asks_for_several_groups);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
