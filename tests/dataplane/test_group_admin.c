/* Goal: operators' tools see and change groups as on a Kafka broker: list, describe, delete groups and offsets; what
 * they are shown or told is durable; a deleted group stays deleted after a crash.  Method: simulated time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/group_world.h"
#include "tests/suite.h"

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

/* Each walk is over up to 400 KiB, and this thread serves all groups: their number must not grow with the request. */
static void delete_offsets_of_many(int16_t wanted)
{
    enum { TOPICS = 300, PARTITIONS = 100 };
    static const char *const names[] = {"t", "tt", "t3"};
    static struct offset_delete_request_partition zeros[PARTITIONS];
    struct offset_delete_request_topic topics[TOPICS];
    for (int i = 0; i < TOPICS; i++)
        topics[i] = (struct offset_delete_request_topic){kafka_string_of(names[i % 3]), zeros, PARTITIONS};
    struct offset_delete_request in = {kafka_string_of("g"), topics, TOPICS};
    struct offset_delete_response out;
    uint64_t before = groups_stats_of(w->groups).subscription_walks;
    world_look(w, world_send(w, KAFKA_API_OFFSET_DELETE, 0, "admin", &in), &out);
    ck_assert_uint_eq(groups_stats_of(w->groups).subscription_walks - before, 3); /* once a topic */
    for (int i = 0; i < TOPICS; i++)
        for (int p = 0; p < PARTITIONS; p++)
            ck_assert_int_eq(out.topics[i].partitions[p].error_code, i % 3 == 0 ? wanted : 0);
}

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
    delete_offsets_of_many(KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    ck_assert_int_eq(world_fetch(w, "g", 0), 5);
}
END_TEST

struct seen_members { uint32_t count; char first[320]; bool active[4]; };

static void see(void *context, const struct group_member_view *view)
{
    struct seen_members *seen = context;
    ck_assert(view->client_id.size > 0 && kafka_string_is(view->client_host, "/::1"));
    if (seen->count == 0) snprintf(seen->first, sizeof seen->first, "%.*s", (int)view->id.size, view->id.chars);
    seen->active[seen->count++] = view->is_active;
}

static struct seen_members members(const char *group, const char *topic)
{
    struct seen_members seen = {0};
    groups_each_member(w->groups, kafka_string_of(group), kafka_string_of(topic), see, &seen);
    return seen;
}

START_TEST(who_has_the_partition_is_the_active_member)
{
    static const uint8_t has_t[] = "\0\1\0\0\0\2\0\1u\0\0\0\1\0\0\0\0\0\1t\0\0\0\1\0\0\0\0";
    char id[2][320];
    struct join_group_response r;
    uint32_t ticket[2];
    for (int i = 0; i < 2; i++) ticket[i] = world_join(w, (struct world_join){.version = 3});
    ck_assert_uint_eq(members("g", "t").count, 2);
    world_advance(w, 6000);
    for (int i = 0; i < 2; i++) {
        world_look(w, ticket[i], &r);
        snprintf(id[i], sizeof id[i], "%.*s", (int)r.member_id.size, r.member_id.chars);
    }
    struct sync_group_request_assignment parts[2] = {
        {kafka_string_of(id[0]), {(const uint8_t *)"\0\1\0\0\0\0", 6}},
        {kafka_string_of(id[1]), {has_t, sizeof has_t - 1}}};
    ck_assert(!members("g", "t").active[1]);
    world_sync(w, "g", r.generation_id, id[1], NULL, 0);
    world_sync(w, "g", r.generation_id, id[0], parts, 2);
    struct seen_members seen = members("g", "t");
    ck_assert(seen.count == 2 && strcmp(seen.first, id[0]) == 0 && !seen.active[0] && seen.active[1]);
    ck_assert(!members("g", "tt").active[1] && members("g", "u").active[1]);
    ck_assert_uint_eq(members("h", "t").count, 0);

    for (int32_t size = 0; size < (int32_t)sizeof has_t - 1; size++) { /* cut anywhere: nobody is active */
        parts[1].assignment.size = size;
        world_join(w, (struct world_join){.version = 3, .member = id[0], .metadata = size % 2 == 0 ? "x" : "y"});
        uint32_t again = world_join(w, (struct world_join){.version = 3, .member = id[1]});
        world_look(w, again, &r);
        world_sync(w, "g", r.generation_id, id[1], NULL, 0);
        world_sync(w, "g", r.generation_id, id[0], parts, 2);
        ck_assert_str_eq(world_view(w, "g").state, "Stable");
        ck_assert_msg(!members("g", "t").active[1], "%d bytes make it active", (int)size);
    }
}
END_TEST

START_TEST(the_owner_is_the_active_member_of_the_new_protocol)
{
    world_add_topic(w, "ta", 'a');
    for (int i = 0; i < 2; i++)
        world_beat(w, (struct world_beat){.member = i == 0 ? "m1" : "m2", .topics = {"ta"}});
    struct seen_members seen = members("c", "ta");
    ck_assert(seen.count == 2 && strcmp(seen.first, "m1") == 0 && seen.active[0] && !seen.active[1]);
    ck_assert(!members("c", "tb").active[0]);
}
END_TEST

START_TEST(a_checkpoint_is_moved_while_nobody_is_in_the_group)
{
    char id[320];
    uint64_t after = 0;
    struct kafka_string g = kafka_string_of("g"), t = kafka_string_of("t");
    ck_assert_int_eq(groups_move_checkpoint(w->groups, g, t, 7, &after), ERR_OK); /* the group is made */
    ck_assert_uint_eq(after, w->record_count);
    ck_assert_int_eq(world_fetch(w, "g", 0), 7);
    ck_assert_int_eq(groups_move_checkpoint(w->groups, g, kafka_string_of("u"), 7, &after), ERR_NOT_FOUND);
    ck_assert_int_eq(groups_move_checkpoint(w->groups, kafka_string_of("h"), kafka_string_of("u"), 7, &after),
                     ERR_NOT_FOUND);
    ck_assert_ptr_null(world_view(w, "h").state); /* a refused one leaves no group */
    int32_t generation = form("g", id);
    uint64_t records = w->record_count;
    ck_assert_int_eq(groups_move_checkpoint(w->groups, g, t, 3, &after), ERR_STATE);
    ck_assert_uint_eq(w->record_count, records);
    ck_assert_int_eq(world_commit_error(w, world_commit(w, "g", generation, id, 0, 9, "kept")), 0);
    ck_assert_int_eq(world_leave(w, "g", id, NULL), 0);
    ck_assert_int_eq(groups_move_checkpoint(w->groups, g, t, 3, &after), ERR_OK);
    ck_assert_uint_eq(after, w->record_count);
    world_crash(w, after); /* its record is enough */
    ck_assert_int_eq(world_fetch(w, "g", 0), 3);
    w->limits.groups_max = 1;
    world_crash(w, w->record_count);
    ck_assert_int_eq(groups_move_checkpoint(w->groups, kafka_string_of("h"), t, 3, &after), ERR_NO_MEMORY);
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
    tcase_add_test(t, who_has_the_partition_is_the_active_member);
    tcase_add_test(t, the_owner_is_the_active_member_of_the_new_protocol);
    tcase_add_test(t, a_checkpoint_is_moved_while_nobody_is_in_the_group);
    suite_add_tcase(s, t);
    return suite_run(s);
}
