/* Goal: operators' tools see and change groups as on a Kafka broker: list, describe, delete groups and offsets; what
 * they are shown or told is durable; a deleted group stays deleted after a crash.  Method: simulated time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"

static struct world *w;

static void setup(void) { w = world_new(1); }
static void teardown(void) { world_free(w); }

/* A stable group of one member; its id is left in `id`. */
static int32_t form(const char *group, char *id)
{
    struct join_group_response r;
    uint32_t ticket = world_join(w, (struct world_join){.group = group, .version = 3, .metadata = "subscription"});
    world_advance(w, 6000);
    world_look(w, ticket, &r);
    memcpy(id, r.member_id.chars, (size_t)r.member_id.size);
    id[r.member_id.size] = '\0';
    int32_t generation = r.generation_id;
    struct sync_group_request_assignment all = {kafka_string_of(id), {(const uint8_t *)"its part", 8}};
    world_sync(w, group, generation, id, &all, 1);
    ck_assert_str_eq(world_view(w, group).state, "Stable");
    return generation;
}

static struct list_groups_response list(const char *state)
{
    struct kafka_string filter = kafka_string_of(state);
    struct list_groups_request in = {&filter, state == NULL ? 0 : 1};
    struct list_groups_response out;
    world_look(w, world_send(w, KAFKA_API_LIST_GROUPS, 4, "admin", &in), &out);
    ck_assert_int_eq(out.error_code, 0);
    return out;
}

static struct described_group describe(const char *group, bool operations)
{
    struct kafka_string name = kafka_string_of(group);
    struct describe_groups_request in = {&name, 1, operations};
    struct describe_groups_response out;
    world_look(w, world_send(w, KAFKA_API_DESCRIBE_GROUPS, 5, "admin", &in), &out);
    ck_assert_int_eq(out.group_count, 1);
    ck_assert_int_eq(out.groups[0].error_code, 0);
    return out.groups[0];
}

static uint32_t ask_delete(const char *group)
{
    struct kafka_string names[2] = {kafka_string_of(group), kafka_string_of("nobody")};
    struct delete_groups_request in = {names, 2};
    return world_send(w, KAFKA_API_DELETE_GROUPS, 2, "admin", &in);
}

static int16_t deleted(uint32_t ticket)
{
    struct delete_groups_response out;
    world_look(w, ticket, &out);
    ck_assert_int_eq(out.result_count, 2);
    ck_assert_int_eq(out.results[1].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    return out.results[0].error_code;
}

/* Deletes partition 0 of "t" and partition 0 of "other"; the first's error, or the request's. */
static int16_t delete_offset(const char *group)
{
    struct offset_delete_request_partition zero = {0};
    struct offset_delete_request_topic topics[2] = {{kafka_string_of("t"), &zero, 1},
                                                    {kafka_string_of("other"), &zero, 1}};
    struct offset_delete_request in = {kafka_string_of(group), topics, 2};
    struct offset_delete_response out;
    world_look(w, world_send(w, KAFKA_API_OFFSET_DELETE, 0, "admin", &in), &out);
    if (out.error_code != 0) return out.error_code;
    ck_assert_int_eq(out.topic_count, 2);
    ck_assert_int_eq(out.topics[1].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    return out.topics[0].partitions[0].error_code;
}

START_TEST(a_leader_assigns_to_no_more_than_there_are)
{
    struct join_group_response joined;
    struct sync_group_response r;
    uint32_t ticket = world_join(w, (struct world_join){.group = "g", .version = 3});
    world_advance(w, 6000);
    world_look(w, ticket, &joined);
    char id[320] = "";
    memcpy(id, joined.member_id.chars, (size_t)joined.member_id.size);
    struct sync_group_request_assignment all[2] = {{kafka_string_of(id), {(const uint8_t *)"x", 1}},
                                                   {kafka_string_of("nobody"), {(const uint8_t *)"y", 1}}};
    world_look(w, world_sync(w, "g", joined.generation_id, id, all, 2), &r);
    ck_assert_int_eq(r.error_code, KAFKA_INVALID_REQUEST);
    world_look(w, world_sync(w, "g", joined.generation_id, id, all, 1), &r); /* it may still do it well */
    ck_assert(r.error_code == 0 && r.assignment.size == 1);
}
END_TEST

START_TEST(groups_are_listed_by_state)
{
    char id[320];
    ck_assert_int_eq(list(NULL).group_count, 0);
    form("working", id);
    world_commit(w, "simple", -1, "", 0, 5, NULL);
    ck_assert_int_eq(list(NULL).group_count, 2);
    struct list_groups_response stable = list("stable"); /* upper or lower case */
    ck_assert_int_eq(stable.group_count, 1);
    ck_assert(kafka_string_is(stable.groups[0].group_id, "working"));
    ck_assert(kafka_string_is(stable.groups[0].protocol_type, "consumer"));
    ck_assert(kafka_string_is(stable.groups[0].group_state, "Stable"));
    struct list_groups_response empty = list("Empty");
    ck_assert_int_eq(empty.group_count, 1);
    ck_assert(kafka_string_is(empty.groups[0].group_id, "simple"));
    ck_assert_int_eq(empty.groups[0].protocol_type.size, 0);
    ck_assert_int_eq(list("Dead").group_count, 0);
}
END_TEST

START_TEST(a_group_is_described)
{
    char id[320];
    int32_t generation = form("g", id);
    struct described_group d = describe("g", true);
    ck_assert(kafka_string_is(d.group_state, "Stable") && kafka_string_is(d.protocol_type, "consumer"));
    ck_assert_int_gt(d.protocol_data.size, 0);
    ck_assert_int_eq(d.authorized_operations, 328);
    ck_assert_int_eq(d.member_count, 1);
    ck_assert(kafka_string_is(d.members[0].member_id, id) && kafka_string_is(d.members[0].client_host, "/::1"));
    ck_assert(kafka_string_is(d.members[0].client_id, "client"));
    ck_assert_int_eq(d.members[0].member_metadata.size, 12);
    ck_assert_mem_eq(d.members[0].member_metadata.bytes, "subscription", 12);
    ck_assert_mem_eq(d.members[0].member_assignment.bytes, "its part", 8);
    world_join(w, (struct world_join){.group = "g", .version = 3}); /* a rebalance: the parts are nobody's now */
    d = describe("g", false);
    ck_assert(kafka_string_is(d.group_state, "PreparingRebalance"));
    ck_assert_int_eq(d.authorized_operations, INT32_MIN);
    ck_assert_int_eq(d.members[0].member_assignment.size, 0);
    ck_assert_int_eq(d.protocol_data.size, 0);
    ck_assert(kafka_string_is(describe("nobody", false).group_state, "Dead"));
    ck_assert_int_gt(generation, 0);
}
END_TEST

START_TEST(only_an_empty_group_is_deleted_and_for_good)
{
    char id[320];
    int32_t generation = form("g", id);
    world_commit(w, "g", generation, id, 0, 5, NULL);
    ck_assert_int_eq(deleted(ask_delete("g")), KAFKA_NON_EMPTY_GROUP);
    ck_assert_int_eq(world_leave(w, "g", id, NULL), 0);
    w->syncs_at_once = false;
    uint32_t ticket = ask_delete("g");
    ck_assert(!world_is_out(w, ticket)); /* its tombstones come first */
    uint32_t again = ask_delete("g"); /* shows that it is gone: not before that is sure either */
    ck_assert(!world_is_out(w, again));
    w->durable_count = w->record_count;
    ck_assert(world_is_out(w, ticket));
    ck_assert_int_eq(deleted(ticket), 0);
    ck_assert_ptr_null(world_view(w, "g").state);
    world_crash(w, w->record_count);
    ck_assert_ptr_null(world_view(w, "g").state);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    ck_assert_int_eq(deleted(ask_delete("g")), KAFKA_GROUP_ID_NOT_FOUND);
}
END_TEST

START_TEST(offsets_that_nobody_follows_are_deleted)
{
    ck_assert_int_eq(delete_offset("g"), KAFKA_GROUP_ID_NOT_FOUND);
    world_commit(w, "g", -1, "", 0, 5, NULL);
    world_commit(w, "g", -1, "", 1, 6, NULL);
    ck_assert_int_eq(delete_offset("g"), 0);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    ck_assert_int_eq(world_fetch(w, "g", 1), 6);
    ck_assert_int_eq(delete_offset("g"), 0); /* again: nothing is there */
    world_crash(w, w->record_count);
    ck_assert_int_eq(world_fetch(w, "g", 0), -1);
    ck_assert_int_eq(world_fetch(w, "g", 1), 6);
    /* Members of another kind than consumers: nobody knows what they follow. */
    struct join_group_response r;
    uint32_t ticket = world_join(w, (struct world_join){.group = "workers", .type = "connect", .version = 3});
    world_advance(w, 6000);
    world_look(w, ticket, &r);
    ck_assert_int_eq(r.error_code, 0);
    ck_assert_int_eq(delete_offset("workers"), KAFKA_NON_EMPTY_GROUP);
}
END_TEST

START_TEST(offsets_of_a_subscribed_topic_stay)
{
    /* Subscription version 0 to topic "t", no user data (Kafka's consumer protocol). */
    static const uint8_t subscription[] = {0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff};
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {subscription, sizeof subscription}};
    struct join_group_request in = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 10000,
        .member_id = kafka_string_of(""), .group_instance_id = kafka_string_null(),
        .protocol_type = kafka_string_of("consumer"), .protocols = &protocol, .protocol_count = 1};
    world_commit(w, "g", -1, "", 0, 5, NULL);
    uint32_t ticket = world_send(w, KAFKA_API_JOIN_GROUP, 3, "client", &in);
    world_advance(w, 6000);
    struct join_group_response r;
    world_look(w, ticket, &r);
    char id[320];
    memcpy(id, r.member_id.chars, (size_t)r.member_id.size);
    id[r.member_id.size] = '\0';
    world_sync(w, "g", r.generation_id, id, NULL, 0);
    ck_assert_int_eq(delete_offset("g"), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("group_admin");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_leader_assigns_to_no_more_than_there_are);
    tcase_add_test(t, groups_are_listed_by_state);
    tcase_add_test(t, a_group_is_described);
    tcase_add_test(t, only_an_empty_group_is_deleted_and_for_good);
    tcase_add_test(t, offsets_that_nobody_follows_are_deleted);
    tcase_add_test(t, offsets_of_a_subscribed_topic_stay);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
