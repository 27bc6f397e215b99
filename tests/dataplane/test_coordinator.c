/* Goal: the coordinator's thread over a store that loses power, fills up and fails: what was answered is kept, what
 * cannot be kept is not answered, the log of offsets stays bounded, and nothing malformed gets through.  Method: the
 * real store over the simulated disk, one thread, the test in the serve lcore's seat. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "dataplane/kafka/error_codes.h"
#include "dataplane/kafka/offsets_topic.h"
#include "storage/disk_sim.h"
#include "tests/dataplane/coordinator_seat.h"
#include "tests/suite.h"

static struct seat s;

static void setup(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    seat_init_simulated(&s, 5);
    seat_up(&s, 1);
}

static void teardown(void) { seat_fini(&s); }

START_TEST(an_answered_commit_survives_the_loss_of_power)
{
    struct random r;
    uint64_t answered_total = 0;
    random_init(&r, 31);
    int64_t sent = 0, kept = -1; /* the newest commit that must be there */
    for (int life = 0; life < 60; life++) {
        uint64_t first_id = s.connection_id + 1;
        int64_t first_sent = sent + 1;
        for (uint64_t steps = 20 + random_below(&r, 60); steps > 0; steps--) {
            if (random_below(&r, 2) == 0) {
                struct offset_commit_request_partition p = {0, ++sent, -1, -1, {"m", 1}};
                struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
                struct offset_commit_request request = {
                    .group_id = kafka_string_of("g"), .generation_id = -1, .group_instance_id = kafka_string_null(),
                    .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
                seat_send(&s, KAFKA_API_OFFSET_COMMIT, 8, &request);
            }
            if (random_below(&r, 3) > 0) seat_step(&s);
            struct seat_answer answer;
            struct offset_commit_response response;
            while (seat_take(&s, KAFKA_API_OFFSET_COMMIT, 8, &answer, &response)) {
                ck_assert(!answer.closes);
                if (response.topics[0].partitions[0].error_code != 0) {
                    ck_assert_int_eq(response.topics[0].partitions[0].error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
                    continue;
                }
                kept = first_sent + (int64_t)(answer.connection_id - first_id);
                answered_total++;
            }
        }
        seat_lose_power(&s);
        seat_up(&s, 1);
        seat_settle(&s);
        int64_t found = seat_fetch(&s, "g", NULL);
        ck_assert_msg(found >= kept && found <= sent, "life %d: %lld is there, %lld was answered", life,
                      (long long)found, (long long)kept);
        kept = found;
    }
    ck_assert_uint_gt(answered_total, 300);
    seat_down(&s);
}
END_TEST

START_TEST(no_answer_before_the_disk)
{
    int16_t error;
    seat_settle(&s);
    ck_assert(seat_commit(&s, "g", 1, "a", &error) && error == 0);
    struct offset_fetch_request fetch = {kafka_string_of("g"), NULL, -1, false};
    struct offset_commit_request_partition p = {0, 2, -1, -1, {"b", 1}};
    struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
    struct offset_commit_request commit = {
        .group_id = kafka_string_of("g"), .generation_id = -1, .group_instance_id = kafka_string_null(),
        .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
    uint64_t first = seat_send(&s, KAFKA_API_OFFSET_COMMIT, 8, &commit);
    uint64_t second = seat_send(&s, KAFKA_API_OFFSET_FETCH, 7, &fetch);
    struct heartbeat_request beat = {kafka_string_of("x"), 1, kafka_string_of("m"), kafka_string_null()};
    uint64_t third = seat_send(&s, KAFKA_API_HEARTBEAT, 4, &beat);
    for (int i = 0; i < 10; i++) (void)coordinator_step(s.coordinator); /* the store does not turn */
    struct seat_answer answer;
    union {
        struct offset_commit_response commit;
        struct offset_fetch_response fetch;
        struct heartbeat_response heartbeat;
    } response;
    ck_assert(seat_take(&s, KAFKA_API_HEARTBEAT, 4, &answer, &response)); /* rests on nothing */
    ck_assert(answer.connection_id == third && response.heartbeat.error_code == KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert(!seat_take(&s, KAFKA_API_HEARTBEAT, 4, &answer, &response));
    seat_settle(&s);
    ck_assert(seat_take(&s, KAFKA_API_OFFSET_COMMIT, 8, &answer, &response));
    ck_assert_uint_eq(answer.connection_id, first);
    ck_assert(seat_take(&s, KAFKA_API_OFFSET_FETCH, 7, &answer, &response));
    ck_assert(answer.connection_id == second && response.fetch.topics[0].partitions[0].committed_offset == 2);
    seat_down(&s);
}
END_TEST

/* Of the topic __consumer_offsets as clients see it (offsets_topic.h): three groups' commits in one batch. */
START_TEST(partitions_of_the_topic_end_behind_their_newest_durable_record)
{
    static const char *const group[] = {"abc", "abc", "orders-consumer", "rd"};
    static const uint32_t partition[] = {4, 4, 40, 34};
    const struct offsets_topic_ends *ends = coordinator_offsets_ends(s.coordinator);
    ck_assert(!offsets_topic_look(ends, 4, 0, 77).is_known);
    ck_assert_uint_eq(offsets_topic_look(ends, 4, 0, 77).end, 77);
    seat_settle(&s);
    for (int life = 0; life < 2; life++) {
        uint64_t base = log_high_watermark(s.offsets_log);
        for (int i = 0; i < 4; i++) {
            struct offset_commit_request_partition p = {0, i, -1, -1, {"m", 1}};
            struct offset_commit_request_topic topic = {kafka_string_of("t"), &p, 1};
            struct offset_commit_request request = {
                .group_id = kafka_string_of(group[i]), .generation_id = -1,
                .group_instance_id = kafka_string_null(), .retention_time_ms = -1, .topics = &topic, .topic_count = 1};
            seat_send(&s, KAFKA_API_OFFSET_COMMIT, 8, &request);
        }
        (void)coordinator_step(s.coordinator); /* the store has not turned */
        ck_assert_uint_eq(offsets_topic_look(ends, 34, 0, UINT64_MAX).through, base);
        seat_settle(&s);
        uint64_t end = log_high_watermark(s.offsets_log);
        for (int reads_back = 0; reads_back < 2; reads_back++) {
            for (int i = 1; i < 4; i++) {
                struct offsets_topic_view v = offsets_topic_look(ends, partition[i], 0, end);
                ck_assert_uint_eq(v.end, end - 3 + (uint64_t)i);
                ck_assert(v.is_known && v.through == end);
            }
            ck_assert_uint_eq(offsets_topic_look(ends, 5, 0, end).end, 0);
            ck_assert_uint_eq(offsets_topic_look(ends, 5, 2, end).end, 2); /* never before the log's start */
            if (reads_back == 1) break;
            seat_down(&s);
            seat_up(&s, 1);
            seat_settle(&s);
            ends = coordinator_offsets_ends(s.coordinator);
        }
        struct seat_answer answer;
        struct offset_commit_response response;
        while (seat_take(&s, KAFKA_API_OFFSET_COMMIT, 8, &answer, &response)) {}
    }
    seat_down(&s);
}
END_TEST

START_TEST(a_group_goes_on_after_a_restart)
{
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)"m", 1}};
    struct join_group_request join = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 60000,
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_of("consumer"),
        .protocols = &protocol, .protocol_count = 1};
    struct join_group_response joined;
    char member[320];
    seat_settle(&s);
    ck_assert(seat_ask(&s, KAFKA_API_JOIN_GROUP, 7, &join, &joined));
    ck_assert_int_eq(joined.error_code, KAFKA_MEMBER_ID_REQUIRED);
    snprintf(member, sizeof member, "%.*s", joined.member_id.size, joined.member_id.chars);
    join.member_id = kafka_string_of(member);
    ck_assert(seat_ask(&s, KAFKA_API_JOIN_GROUP, 7, &join, &joined));
    ck_assert(joined.error_code == 0 && joined.generation_id == 1 && kafka_string_is(joined.protocol_type, "consumer"));
    struct sync_group_request_assignment assignment = {kafka_string_of(member), {(const uint8_t *)"all", 3}};
    struct sync_group_request sync = {
        .group_id = kafka_string_of("g"), .generation_id = 1, .member_id = kafka_string_of(member),
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .assignments = &assignment, .assignment_count = 1};
    struct sync_group_response synced;
    ck_assert(seat_ask(&s, KAFKA_API_SYNC_GROUP, 5, &sync, &synced));
    ck_assert(synced.error_code == 0 && synced.assignment.size == 3);
    seat_lose_power(&s);
    seat_up(&s, 2);
    seat_settle(&s);
    struct heartbeat_request beat = {kafka_string_of("g"), 1, kafka_string_of(member), kafka_string_null()};
    struct heartbeat_response beaten;
    ck_assert(seat_ask(&s, KAFKA_API_HEARTBEAT, 4, &beat, &beaten));
    ck_assert_int_eq(beaten.error_code, 0);
    sync.assignment_count = 0;
    ck_assert(seat_ask(&s, KAFKA_API_SYNC_GROUP, 5, &sync, &synced));
    ck_assert(synced.error_code == 0 && memcmp(synced.assignment.bytes, "all", 3) == 0);
    struct group_summary summary[4];
    ck_assert_uint_eq(coordinator_groups(s.coordinator, "t", summary, 4), 0); /* neither a commit nor a subscription */
    for (int i = 0; i < 11000; i++) (void)seat_step(&s);
    ck_assert(seat_ask(&s, KAFKA_API_HEARTBEAT, 4, &beat, &beaten));
    ck_assert_int_eq(beaten.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    seat_down(&s);
}
END_TEST

START_TEST(while_it_loads_clients_are_told_to_wait)
{
    int16_t error;
    seat_settle(&s);
    for (int i = 0; i < 50; i++) ck_assert(seat_commit(&s, "g", i, "a", &error) && error == 0);
    seat_down(&s);
    seat_up(&s, 1);
    struct heartbeat_request beat = {kafka_string_of("g"), 1, kafka_string_of("m"), kafka_string_null()};
    struct sync_group_request sync = {.group_id = kafka_string_of("g"), .generation_id = 1};
    struct offset_fetch_request fetch = {kafka_string_of("g"), NULL, -1, false};
    struct seat_answer answer;
    union {
        struct heartbeat_response heartbeat;
        struct sync_group_response sync;
        struct offset_fetch_response fetch;
    } r;
    seat_send(&s, KAFKA_API_HEARTBEAT, 0, &beat);
    seat_send(&s, KAFKA_API_SYNC_GROUP, 0, &sync);
    seat_send(&s, KAFKA_API_OFFSET_FETCH, 2, &fetch);
    (void)coordinator_step(s.coordinator); /* its first read needs the disk, which does not turn */
    ck_assert(seat_take(&s, KAFKA_API_HEARTBEAT, 0, &answer, &r) && r.heartbeat.error_code == 0);
    ck_assert(seat_take(&s, KAFKA_API_SYNC_GROUP, 0, &answer, &r));
    ck_assert_int_eq(r.sync.error_code, KAFKA_REBALANCE_IN_PROGRESS);
    ck_assert(seat_take(&s, KAFKA_API_OFFSET_FETCH, 2, &answer, &r));
    ck_assert_int_eq(r.fetch.error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    seat_settle(&s);
    ck_assert_int_eq(seat_fetch(&s, "g", NULL), 49);
    seat_down(&s);
}
END_TEST

START_TEST(malformed_requests_close_their_connection)
{
    static const uint8_t bad[] = {0, 200, 'g'};
    struct random r;
    struct seat_answer answer;
    uint64_t body[32];
    random_init(&r, 8);
    seat_settle(&s);
    seat_send_bytes(&s, KAFKA_API_HEARTBEAT, 0, bad, sizeof bad);
    seat_send_bytes(&s, KAFKA_API_HEARTBEAT, 99, bad, sizeof bad);
    seat_send_bytes(&s, KAFKA_API_FETCH, 0, bad, sizeof bad);
    seat_send_bytes(&s, 0x7fff, 0, bad, sizeof bad);
    seat_settle(&s);
    for (int i = 0; i < 4; i++) ck_assert(seat_take(&s, KAFKA_API_HEARTBEAT, 0, &answer, body) && answer.closes);
    static const int16_t apis[] = {8, 9, 11, 12, 13, 14};
    for (int i = 0; i < 3000; i++) { /* random bytes: an answer or a close, one for each */
        uint8_t bytes[60];
        size_t size = random_below(&r, sizeof bytes);
        int16_t api = apis[random_below(&r, 6)];
        int16_t version = (int16_t)random_below(&r, (uint64_t)kafka_served_max(api) + 1);
        random_bytes(&r, bytes, size);
        for (size_t b = 0; b < size; b++) bytes[b] = bytes[b] < 128 ? 0 : bytes[b] & 3;
        seat_send_bytes(&s, api, version, bytes, size);
        seat_settle(&s);
        while (!seat_take(&s, api, version, &answer, body)) { /* a JoinGroup may be parked */
            ck_assert_int_eq(api, KAFKA_API_JOIN_GROUP);
            clock_simulated_advance(&s.clock, 400000000000);
            seat_settle(&s);
        }
    }
    seat_down(&s);
}
END_TEST

START_TEST(the_log_of_offsets_stays_small)
{
    int16_t error;
    char metadata[3000], found[4097];
    memset(metadata, 'x', sizeof metadata - 1);
    metadata[sizeof metadata - 1] = '\0';
    seat_settle(&s);
    ck_assert(seat_commit(&s, "still", 77, "kept", &error) && error == 0);
    for (int64_t i = 0; i < 16000; i += 50) seat_commit_burst(&s, "busy", i, 50, metadata); /* 48 MB, 3 KB live */
    for (int i = 0; i < 3000; i++) seat_step(&s); /* retention looks now and then */
    ck_assert_uint_gt(log_start_offset(s.offsets_log), 8000);
    ck_assert_uint_lt(log_size_bytes(s.offsets_log), 34 << 20);
    seat_lose_power(&s);
    seat_up(&s, 1);
    seat_settle(&s);
    ck_assert_int_eq(seat_fetch(&s, "busy", found), 15999);
    ck_assert_str_eq(found, metadata);
    ck_assert_int_eq(seat_fetch(&s, "still", found), 77);
    ck_assert_str_eq(found, "kept");
    seat_down(&s);
}
END_TEST

START_TEST(age_takes_no_commits)
{
    int16_t error;
    char metadata[4000];
    memset(metadata, 'x', sizeof metadata - 1);
    metadata[sizeof metadata - 1] = '\0';
    seat_settle(&s);
    ck_assert(seat_commit(&s, "old", 77, "kept", &error) && error == 0);
    for (int64_t i = 0; i < 1500; i += 50) seat_commit_burst(&s, "g", i, 50, metadata);
    clock_simulated_advance(&s.clock, 86400u * UINT64_C(1000000000)); /* retention_ms is a second here */
    for (int i = 0; i < 3000; i++) seat_step(&s);
    ck_assert_uint_eq(log_start_offset(s.offsets_log), 0);
    seat_down(&s);
    seat_up(&s, 1);
    seat_settle(&s);
    ck_assert_int_eq(seat_fetch(&s, "old", NULL), 77);
    seat_down(&s);
}
END_TEST

START_TEST(a_failing_disk_is_told_and_reading_goes_on)
{
    int16_t error;
    seat_settle(&s);
    ck_assert(seat_commit(&s, "g", 5, "a", &error) && error == 0);
    disk_sim_fail_writes(s.disk, EIO);
    ck_assert(!seat_commit(&s, "g", 6, "b", &error)); /* under way when it failed: closed, never a promise */
    ck_assert(seat_commit(&s, "g", 7, "c", &error));
    ck_assert_int_eq(error, KAFKA_COORDINATOR_NOT_AVAILABLE);
    struct heartbeat_request beat = {kafka_string_of("g"), 1, kafka_string_of("m"), kafka_string_null()};
    struct heartbeat_response beaten;
    ck_assert(seat_ask(&s, KAFKA_API_HEARTBEAT, 4, &beat, &beaten));
    ck_assert_int_eq(beaten.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(coordinator_forget_topic(s.coordinator, "u"), ERR_OK);
    disk_sim_fail_writes(s.disk, 0);
    seat_lose_power(&s);
    seat_up(&s, 1);
    seat_settle(&s);
    ck_assert_int_eq(seat_fetch(&s, "g", NULL), 5);
    seat_down(&s);
}
END_TEST

/* A heartbeat that joins and subscribes to `count` topics of 245 bytes each; the answer's error. */
static int16_t join_with_names(int count)
{
    static char chars[300][245];
    struct kafka_string names[300];
    for (int i = 0; i < count; i++) {
        memset(chars[i], 'a' + i % 26, sizeof chars[i]);
        names[i] = (struct kafka_string){chars[i], sizeof chars[i]};
    }
    struct consumer_group_heartbeat_request request = {
        .group_id = kafka_string_of("n"), .member_id = kafka_string_of("m1"), .instance_id = kafka_string_null(),
        .rack_id = kafka_string_null(), .rebalance_timeout_ms = 60000, .subscribed_topic_names = names,
        .subscribed_topic_name_count = count, .subscribed_topic_regex = kafka_string_null(),
        .server_assignor = kafka_string_null()};
    struct consumer_group_heartbeat_response response;
    ck_assert(seat_ask(&s, KAFKA_API_CONSUMER_GROUP_HEARTBEAT, 1, &request, &response));
    return response.error_code;
}

/* The smallest chunks: what was stored with larger ones is found, and what does not fit them is refused. */
START_TEST(a_subscription_larger_than_a_batch_is_refused)
{
    seat_settle(&s);
    ck_assert_int_eq(join_with_names(250), KAFKA_NONE);
    seat_down(&s);
    s.storage_config.chunk_bytes = 64 << 10;
    s.storage_config.chunk_count *= 2;
    seat_up(&s, 2);
    seat_settle(&s);
    struct consumer_group_heartbeat_request beat = {
        .group_id = kafka_string_of("n"), .member_id = kafka_string_of("m1"), .member_epoch = 1,
        .instance_id = kafka_string_null(), .rack_id = kafka_string_null(), .rebalance_timeout_ms = -1,
        .subscribed_topic_name_count = -1, .subscribed_topic_regex = kafka_string_null(),
        .server_assignor = kafka_string_null(), .topic_partition_count = -1};
    struct consumer_group_heartbeat_response response;
    ck_assert(seat_ask(&s, KAFKA_API_CONSUMER_GROUP_HEARTBEAT, 1, &beat, &response));
    ck_assert_int_eq(response.error_code, KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(join_with_names(250), KAFKA_GROUP_MAX_SIZE_REACHED);
    ck_assert_int_eq(join_with_names(240), KAFKA_NONE);
    seat_down(&s);
    seat_up(&s, 3);
    seat_settle(&s);
    ck_assert_int_eq(join_with_names(240), KAFKA_NONE);
    seat_down(&s);
}
END_TEST

START_TEST(answers_that_do_not_fit_the_ring_wait)
{
    enum { REQUESTS = 12, LISTED = 230 };
    int16_t error;
    char metadata[4001];
    int32_t partitions[LISTED] = {0};
    memset(metadata, 'y', sizeof metadata - 1);
    metadata[sizeof metadata - 1] = '\0';
    seat_settle(&s);
    ck_assert(seat_commit(&s, "g", 5, metadata, &error) && error == 0);
    struct offset_fetch_request_topic topic = {kafka_string_of("t"), partitions, LISTED};
    struct offset_fetch_request fetch = {kafka_string_of("g"), &topic, 1, false};
    uint64_t first = s.connection_id + 1;
    for (int i = 0; i < REQUESTS; i++) seat_send(&s, KAFKA_API_OFFSET_FETCH, 7, &fetch); /* 0.9 MB each, 4 MB of room */
    seat_settle(&s);
    struct seat_answer answer;
    struct offset_fetch_response response;
    for (uint64_t i = 0; i < REQUESTS; i++) {
        while (!seat_take(&s, KAFKA_API_OFFSET_FETCH, 7, &answer, &response)) seat_step(&s);
        ck_assert(!answer.closes && answer.connection_id == first + i);
        ck_assert_int_eq(response.topics[0].partition_count, LISTED);
    }
    topic.partition_index_count = LISTED;
    struct offset_fetch_request_topic topics[2] = {topic, topic};
    fetch.topics = topics;
    fetch.topic_count = 2; /* 1.8 MB: more than an answer may be */
    seat_send(&s, KAFKA_API_OFFSET_FETCH, 7, &fetch);
    seat_settle(&s);
    ck_assert(seat_take(&s, KAFKA_API_OFFSET_FETCH, 7, &answer, &response) && answer.closes);
    seat_down(&s);
}
END_TEST

/* Many groups in one request: those that no longer fit the answer have an error after which clients ask again. */
START_TEST(groups_that_do_not_fit_an_answer_are_asked_for_again)
{
    enum { LISTED = 3000, FETCHED = 300 };
    int16_t error;
    char text[4001];
    static struct kafka_string ids[LISTED];
    static struct offset_fetch_request_group groups[FETCHED];
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    seat_settle(&s);
    ck_assert(seat_commit(&s, "g", 5, text, &error) && error == 0);
    for (int i = 0; i < FETCHED; i++)
        groups[i] = (struct offset_fetch_request_group){.group_id = kafka_string_of("g"), .topic_count = -1,
                                                        .member_id = kafka_string_null(), .member_epoch = -1};
    struct offset_fetch_request fetch = {.groups = groups, .group_count = FETCHED};
    struct offset_fetch_response fetched;
    ck_assert(seat_ask(&s, KAFKA_API_OFFSET_FETCH, 8, &fetch, &fetched));
    int32_t kept = 0;
    while (fetched.groups[kept].error_code == 0) ck_assert_int_eq(fetched.groups[kept++].topic_count, 1);
    ck_assert(fetched.group_count == FETCHED && kept > 200);
    for (int32_t i = kept; i < FETCHED; i++) {
        ck_assert_int_eq(fetched.groups[i].error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
        ck_assert_int_eq(fetched.groups[i].topic_count, 0);
    }

    text[1000] = '\0';
    struct consumer_group_heartbeat_request join = {
        .group_id = kafka_string_of("c"), .member_id = kafka_string_of("m"), .instance_id = kafka_string_null(),
        .rack_id = kafka_string_null(), .rebalance_timeout_ms = 1000, .subscribed_topic_name_count = -1,
        .subscribed_topic_regex = kafka_string_of(text), .server_assignor = kafka_string_null()};
    struct consumer_group_heartbeat_response joined;
    ck_assert(seat_ask(&s, KAFKA_API_CONSUMER_GROUP_HEARTBEAT, 1, &join, &joined) && joined.error_code == 0);
    for (int i = 0; i < LISTED; i++) ids[i] = kafka_string_of("c");
    struct consumer_group_describe_request modern = {ids, LISTED, false};
    struct consumer_group_describe_response described;
    ck_assert(seat_ask(&s, KAFKA_API_CONSUMER_GROUP_DESCRIBE, 0, &modern, &described));
    for (kept = 0; described.groups[kept].error_code == 0; kept++)
        ck_assert_int_eq(described.groups[kept].member_count, 1);
    ck_assert(described.group_count == LISTED && kept > 500);
    ck_assert_int_eq(described.groups[LISTED - 1].error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);

    text[200] = '\0';
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)"m", 1}};
    struct join_group_request old = {
        .group_id = kafka_string_of("o"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 60000,
        .member_id = kafka_string_of(""), .group_instance_id = kafka_string_of(text),
        .protocol_type = kafka_string_of("consumer"), .protocols = &protocol, .protocol_count = 1};
    struct join_group_response led;
    ck_assert(seat_ask(&s, KAFKA_API_JOIN_GROUP, 5, &old, &led) && led.error_code == 0);
    for (int i = 0; i < LISTED; i++) ids[i] = kafka_string_of("o");
    struct describe_groups_request classic = {ids, LISTED, false};
    struct describe_groups_response shown;
    ck_assert(seat_ask(&s, KAFKA_API_DESCRIBE_GROUPS, 5, &classic, &shown));
    for (kept = 0; shown.groups[kept].error_code == 0; kept++) ck_assert_int_eq(shown.groups[kept].member_count, 1);
    ck_assert(shown.group_count == LISTED && kept > 1000);
    ck_assert_int_eq(shown.groups[LISTED - 1].error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    seat_down(&s);
}
END_TEST

START_TEST(the_control_plane_sees_and_forgets)
{
    int16_t error;
    struct group_summary summary[4];
    seat_settle(&s);
    ck_assert(seat_commit(&s, "a", 5, "x", &error) && seat_commit(&s, "b", 6, "x", &error));
    ck_assert_uint_eq(coordinator_groups(s.coordinator, "t", summary, 4), 2);
    ck_assert_uint_eq(coordinator_groups(s.coordinator, "t", summary, 1), 1);
    ck_assert_uint_eq(coordinator_groups(s.coordinator, "u", summary, 4), 0);
    ck_assert_str_eq(summary[0].state, "Empty");
    ck_assert_int_gt(summary[0].commit_time_ms, 1699999999999);
    ck_assert_int_eq(coordinator_move_checkpoint(s.coordinator, "b", "nowhere", 3), ERR_NOT_FOUND);
    ck_assert_int_eq(coordinator_move_checkpoint(s.coordinator, "b", "t", 3), ERR_OK);
    ck_assert_int_eq(seat_fetch(&s, "b", NULL), 3);
    struct group_member_summary member[2];
    ck_assert_uint_eq(coordinator_group_members(s.coordinator, "a", "t", member, 2), 0);
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)"m", 1}};
    struct join_group_request join = {
        .group_id = kafka_string_of("a"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 60000,
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_of("consumer"),
        .protocols = &protocol, .protocol_count = 1};
    seat_send(&s, KAFKA_API_JOIN_GROUP, 3, &join);
    seat_step(&s);
    ck_assert_uint_eq(coordinator_group_members(s.coordinator, "a", "t", member, 2), 1);
    ck_assert(!member[0].is_active && strstr(member[0].member_id, "-") != NULL && member[0].host[0] == '/');
    ck_assert_int_eq(coordinator_move_checkpoint(s.coordinator, "a", "t", 3), ERR_STATE);
    ck_assert_int_eq(coordinator_forget_topic(s.coordinator, "t"), ERR_OK);
    seat_settle(&s);
    ck_assert_uint_eq(coordinator_groups(s.coordinator, "t", summary, 4), 0);
    seat_lose_power(&s);
    seat_up(&s, 1);
    seat_settle(&s);
    ck_assert_int_eq(seat_fetch(&s, "a", NULL), -1);
    seat_down(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("coordinator");
    TCase *tcase = tcase_create("coordinator");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_answered_commit_survives_the_loss_of_power);
    tcase_add_test(tcase, no_answer_before_the_disk);
    tcase_add_test(tcase, partitions_of_the_topic_end_behind_their_newest_durable_record);
    tcase_add_test(tcase, a_group_goes_on_after_a_restart);
    tcase_add_test(tcase, while_it_loads_clients_are_told_to_wait);
    tcase_add_test(tcase, malformed_requests_close_their_connection);
    tcase_add_test(tcase, the_log_of_offsets_stays_small);
    tcase_add_test(tcase, age_takes_no_commits);
    tcase_add_test(tcase, a_failing_disk_is_told_and_reading_goes_on);
    tcase_add_test(tcase, a_subscription_larger_than_a_batch_is_refused);
    tcase_add_test(tcase, answers_that_do_not_fit_the_ring_wait);
    tcase_add_test(tcase, groups_that_do_not_fit_an_answer_are_asked_for_again);
    tcase_add_test(tcase, the_control_plane_sees_and_forgets);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
