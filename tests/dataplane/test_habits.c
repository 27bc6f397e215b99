/* Goal: what tracking consumers in the field do works as they expect.  They commit the record's own offset with its
 * time in seconds as metadata; at every assignment, inside the rebalance callback, they take that time and seek by it,
 * in seconds; before that they ask for all topics and open a bare connection to each broker; and what they committed is
 * there after an hour of idling and a restart.  Method: librdkafka against the whole server; the hour in simulated
 * time. */
#include <arpa/inet.h>
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/coordinator_seat.h"
#include "tests/dataplane/site.h"
#include "tests/suite.h"

enum { SECONDS = 20, RECORDS_A_SECOND = 10, RECORDS = SECONDS * RECORDS_A_SECOND };
static const int64_t first_second = 1700000000;

static struct site site;
static struct site_topic orders;

static void setup(void)
{
    memset(&orders, 0, sizeof orders);
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    for (int i = 0; i < SECONDS; i++) site_append(&orders, RECORDS_A_SECOND, 100, (first_second + i) * 1000);
    site_settle(&orders);
}

static void teardown(void) { site_stop(&site); }

/* --- a tracking consumer --- */

static rd_kafka_topic_partition_list_t *the_partition(int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "orders", 0)->offset = offset;
    return list;
}

/* The checkpoint: the time in the metadata of the last commit; -1: none. */
static int64_t checkpoint(rd_kafka_t *rk)
{
    char text[32] = "";
    rd_kafka_topic_partition_list_t *list = the_partition(RD_KAFKA_OFFSET_INVALID);
    ck_assert_int_eq(rd_kafka_committed(rk, list, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
    const rd_kafka_topic_partition_t *p = &list->elems[0];
    bool has_one = p->offset >= 0;
    ck_assert_uint_lt(p->metadata_size, sizeof text);
    if (p->metadata_size > 0) memcpy(text, p->metadata, p->metadata_size);
    rd_kafka_topic_partition_list_destroy(list);
    return has_one ? strtoll(text, NULL, 10) : -1;
}

static int64_t offset_of_second(rd_kafka_t *rk, int64_t second)
{
    rd_kafka_topic_partition_list_t *list = the_partition(second);
    ck_assert_int_eq(rd_kafka_offsets_for_times(rk, list, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(list->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static int64_t sought = -1; /* by the last assignment */

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)opaque;
    if (err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(rk, NULL);
        return;
    }
    if (list->cnt == 1) {
        int64_t time = checkpoint(rk);
        sought = offset_of_second(rk, time < 0 ? first_second : time);
        list->elems[0].offset = sought;
    }
    rd_kafka_assign(rk, list);
}

/* Assignors go by the order of member ids, which begin with the client's: the partition stays with the first. */
static rd_kafka_t *tracker(const char *group)
{
    static unsigned trackers;
    char why[256], client_id[32];
    snprintf(client_id, sizeof client_id, "tracker-%u", trackers++);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const settings[] = {"bootstrap.servers", site.bootstrap, "group.id", group, "auto.offset.reset",
                                    "error", "enable.auto.commit", "false", "session.timeout.ms", "6000",
                                    "heartbeat.interval.ms", "300", "client.id", client_id};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i += 2)
        ck_assert_int_eq(rd_kafka_conf_set(conf, settings[i], settings[i + 1], why, sizeof why), RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static void subscribe(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "orders", RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads `from` .. `to`, each record once and in order. */
static void read_all(rd_kafka_t *rk, int64_t from, int64_t to)
{
    uint64_t until = clock_monotonic_ns(clock_real()) + UINT64_C(120000000000);
    while (from <= to) {
        ck_assert_msg(clock_monotonic_ns(clock_real()) < until, "no record %lld", (long long)from);
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m == NULL) continue;
        ck_assert_msg(m->err == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_message_errstr(m));
        ck_assert_int_eq(m->offset, from);
        from++;
        rd_kafka_message_destroy(m);
    }
}

/* The record's own offset, and its time. */
static void commit(rd_kafka_t *rk, int64_t offset)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%lld", (long long)(first_second + offset / RECORDS_A_SECOND));
    rd_kafka_topic_partition_list_t *list = the_partition(offset);
    list->elems[0].metadata = strdup(text);
    list->elems[0].metadata_size = (size_t)size;
    ck_assert_int_eq(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    list = the_partition(RD_KAFKA_OFFSET_INVALID);
    ck_assert_int_eq(rd_kafka_committed(rk, list, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(list->elems[0].offset, offset);
    ck_assert_uint_eq(list->elems[0].metadata_size, (size_t)size);
    ck_assert_mem_eq(list->elems[0].metadata, text, (size_t)size);
    rd_kafka_topic_partition_list_destroy(list);
}

START_TEST(each_owner_seeks_by_the_seconds_of_the_last_commit)
{
    rd_kafka_t *first = tracker("tracking");
    subscribe(first);
    read_all(first, 0, 57);
    ck_assert_int_eq(sought, 0);
    commit(first, 57);
    rd_kafka_t *second = tracker("tracking");
    subscribe(second); /* stands by */
    for (int i = 0; i < 20; i++) {
        rd_kafka_message_t *a = rd_kafka_consumer_poll(first, 50), *b = rd_kafka_consumer_poll(second, 50);
        ck_assert_ptr_null(b);
        if (a != NULL) rd_kafka_message_destroy(a);
    }
    sought = -1;
    rd_kafka_consumer_close(first);
    rd_kafka_destroy(first);
    read_all(second, 50, RECORDS - 1); /* all of the checkpoint's second again */
    ck_assert_int_eq(sought, 50);
    commit(second, RECORDS - 1);
    site_restart(&site, &orders);
    ck_assert_int_eq(checkpoint(second), first_second + SECONDS - 1);
    rd_kafka_consumer_close(second);
    rd_kafka_destroy(second);
    rd_kafka_t *third = tracker("tracking");
    sought = -1;
    subscribe(third);
    read_all(third, RECORDS - RECORDS_A_SECOND, RECORDS - 1);
    ck_assert_int_eq(sought, RECORDS - RECORDS_A_SECOND);
    ck_assert_int_eq(offset_of_second(third, first_second - 1), -1); /* no gap goes unnoticed */
    ck_assert_int_eq(offset_of_second(third, first_second + SECONDS), -1);
    rd_kafka_consumer_close(third);
    rd_kafka_destroy(third);
}
END_TEST

/* As the SDK does before anything else, and again and again: more often than there may be connections. */
START_TEST(all_topics_then_a_bare_connection_to_each_broker)
{
    rd_kafka_t *rk = tracker("asker");
    const struct rd_kafka_metadata *metadata;
    for (int round = 0; round < 200; round++) {
        if (round % 50 == 0) {
            bool has_orders = false;
            ck_assert_int_eq(rd_kafka_metadata(rk, 1, NULL, &metadata, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
            for (int i = 0; i < metadata->topic_cnt; i++)
                has_orders |= strcmp(metadata->topics[i].topic, "orders") == 0;
            ck_assert(has_orders && metadata->broker_cnt == 1);
        }
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)metadata->brokers[0].port)};
        ck_assert_int_eq(inet_pton(AF_INET, metadata->brokers[0].host, &to.sin_addr), 1);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
        close(fd);
        if (round % 50 == 49) rd_kafka_metadata_destroy(metadata);
    }
    subscribe(rk);
    read_all(rk, 0, RECORDS - 1);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}
END_TEST

/* --- an hour --- */

static struct seat seat;

static struct join_group_response join(const char *member)
{
    struct join_group_request_protocol protocol = {kafka_string_of("range"), {(const uint8_t *)"m", 1}};
    struct join_group_request request = {
        .group_id = kafka_string_of("g"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 60000,
        .member_id = kafka_string_of(member), .group_instance_id = kafka_string_null(),
        .protocol_type = kafka_string_of("consumer"), .protocols = &protocol, .protocol_count = 1};
    struct join_group_response r;
    ck_assert(seat_ask(&seat, KAFKA_API_JOIN_GROUP, 3, &request, &r));
    return r;
}

static int16_t heartbeat(int32_t generation, const char *member)
{
    struct heartbeat_request request = {kafka_string_of("g"), generation, kafka_string_of(member),
                                        kafka_string_null()};
    struct heartbeat_response r;
    ck_assert(seat_ask(&seat, KAFKA_API_HEARTBEAT, 4, &request, &r));
    return r.error_code;
}

static void idle_for_an_hour(const char *member) /* NULL: nobody is there */
{
    for (int i = 0; i < 3600 / 3; i++) {
        clock_simulated_advance(&seat.clock, UINT64_C(3000000000));
        seat_step(&seat);
        if (member != NULL) ck_assert_int_eq(heartbeat(1, member), 0);
    }
}

START_TEST(a_checkpoint_outlives_an_hour_of_idling_and_a_restart)
{
    char member[320], metadata[4097];
    int16_t error;
    seat_init_simulated(&seat, 7);
    seat_up(&seat, 7);
    seat_settle(&seat);
    ck_assert(seat_commit(&seat, "assigned", 57, "1700000005", &error)); /* one that assigns itself: no member */
    ck_assert_int_eq(error, 0);
    struct join_group_response joined = join("");
    ck_assert(joined.error_code == 0 && joined.generation_id == 1);
    snprintf(member, sizeof member, "%.*s", joined.member_id.size, joined.member_id.chars);
    struct sync_group_request_assignment assignment = {kafka_string_of(member), {(const uint8_t *)"all", 3}};
    struct sync_group_request sync = {
        .group_id = kafka_string_of("g"), .generation_id = 1, .member_id = kafka_string_of(member),
        .group_instance_id = kafka_string_null(), .protocol_type = kafka_string_null(),
        .protocol_name = kafka_string_null(), .assignments = &assignment, .assignment_count = 1};
    struct sync_group_response synced;
    ck_assert(seat_ask(&seat, KAFKA_API_SYNC_GROUP, 5, &sync, &synced));
    for (int i = 0; i < 2; i++) {
        idle_for_an_hour(member);
        seat_lose_power(&seat);
        seat_up(&seat, 8);
        seat_settle(&seat);
        ck_assert_int_eq(heartbeat(1, member), 0); /* no rebalance */
        sync.assignment_count = 0;
        ck_assert(seat_ask(&seat, KAFKA_API_SYNC_GROUP, 5, &sync, &synced));
        ck_assert(synced.error_code == 0 && synced.assignment.size == 3);
        ck_assert_int_eq(seat_fetch(&seat, "assigned", metadata), 57);
        ck_assert_str_eq(metadata, "1700000005");
    }
    idle_for_an_hour(NULL); /* now the client is gone too */
    ck_assert_int_eq(heartbeat(1, member), KAFKA_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(seat_fetch(&seat, "assigned", metadata), 57);
    ck_assert(seat_commit(&seat, "assigned", 58, "1700000006", &error));
    ck_assert_int_eq(error, 0);
    seat_down(&seat);
    seat_fini(&seat);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("habits");
    TCase *live = tcase_create("live");
    tcase_set_timeout(live, 120);
    tcase_add_checked_fixture(live, setup, teardown);
    tcase_add_test(live, each_owner_seeks_by_the_seconds_of_the_last_commit);
    tcase_add_test(live, all_topics_then_a_bare_connection_to_each_broker);
    suite_add_tcase(suite, live);
    TCase *simulated = tcase_create("simulated");
    tcase_set_timeout(simulated, 60);
    tcase_add_test(simulated, a_checkpoint_outlives_an_hour_of_idling_and_a_restart);
    suite_add_tcase(suite, simulated);
    return suite_run(suite);
}
