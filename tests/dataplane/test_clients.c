/* Goal: unmodified clients (kcat 1.7, librdkafka 2.0) read a log on a real disk through the whole dataplane: metadata,
 * from the start, from the end, by time in both units, hot and cold, byte for byte; a consumer group goes on from its
 * last commit when its active member is killed, and after a restart of the server. */
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/site.h"
#include "tests/storage/producer.h"
#include "tests/suite.h"

static struct site site;
static struct site_topic orders;
static struct child child, second;

#define KCAT(...) kcat(&site, &child, (const char *const[]){__VA_ARGS__, NULL})

static void setup(void)
{
    memset(&orders, 0, sizeof orders);
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
}

static void teardown(void)
{
    site_stop(&site);
    site_topic_close(&orders);
}

/* Records "record N" to a kcat with this format: N = offset. */
#define AS_LINES "-f", "record %o\\n"

static void append(uint32_t count, int64_t timestamp_ms)
{
    site_append(&orders, count, 40, timestamp_ms);
    site_settle(&orders);
}

/* Checks that the text is exactly "record from\n" .. "record to-1\n". */
static void expect_records(const char *text, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        char line[32];
        int size = snprintf(line, sizeof line, "record %llu\n", (unsigned long long)i);
        ck_assert_msg(strncmp(text, line, (size_t)size) == 0, "not %.*s but %.40s", size - 1, line, text);
        text += size;
    }
    ck_assert_str_eq(text, "");
}

START_TEST(kcat_lists_the_broker_and_the_topic)
{
    const char *text = KCAT("-L");
    char broker[64];
    snprintf(broker, sizeof broker, "broker 1 at %s", site.bootstrap);
    ck_assert_msg(strstr(text, broker) != NULL, "%s", text);
    ck_assert_msg(strstr(text, "topic \"orders\" with 1 partitions:") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "topic \"__consumer_offsets\" with 50 partitions:") != NULL, "%s", text);
    text = KCAT("-L", "-t", "nobody");
    ck_assert_msg(strstr(text, "Unknown topic or partition") != NULL, "%s", text);
}
END_TEST

START_TEST(kcat_reads_from_the_start_and_by_time)
{
    append(500, 1700000000000);
    append(500, 1700000100000);
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "beginning", "-e"), 0, 1000);
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "990", "-e"), 990, 1000);
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "-5", "-e"), 995, 1000);
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "s@1700000000001", "-e"), 500, 1000);
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "s@1700000000", "-e"), 0, 1000); /* seconds */
    expect_records(KCAT("-C", "-q", AS_LINES, "-t", "orders", "-o", "s@1700000001", "-e"), 500, 1000);
    ck_assert_msg(strstr(KCAT("-Q", "-t", "orders:0:1700000100000"), "offset 500") != NULL, "%s", child.text);
    ck_assert_msg(strstr(KCAT("-Q", "-t", "orders:0:1700000100001"), "offset -1") != NULL, "%s", child.text);
}
END_TEST

START_TEST(kcat_reads_what_is_appended_while_it_waits)
{
    const char *argv[] = {"kcat", "-b", site.bootstrap, "-C", "-u", AS_LINES, "-t", "orders", "-o", "end", NULL};
    append(10, 1700000000000);
    child_start(&child, argv, true);
    ck_assert_msg(child_read(&child, "Reached end of topic orders [0] at offset 10", 60000), "%s", child.text);
    for (int i = 10; i < 15; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "record %d\n", i);
        append(1, 1700000000000);
        ck_assert_msg(child_read(&child, wanted, 60000), "no %s in %s", wanted, child.text);
    }
    ck_assert_ptr_null(strstr(child.text, "record 9\n"));
    child_end(&child);
}
END_TEST

START_TEST(kcat_may_not_produce)
{
    char command[128];
    snprintf(command, sizeof command, "echo no | kcat -b %s -P -t orders -p 0 2>&1", site.bootstrap);
    const char *argv[] = {"sh", "-c", command, NULL};
    child_start(&child, argv, true);
    ck_assert(child_read(&child, NULL, 120000));
    ck_assert_msg(strstr(child.text, "Topic authorization failed") != NULL, "%s", child.text);
    child_end(&child);
    ck_assert_uint_eq(log_high_watermark(orders.log), 0);
}
END_TEST

/* --- librdkafka --- */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    ck_assert_msg(rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK, "%s", why);
}

static rd_kafka_t *consumer(const char *group)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", site.bootstrap);
    set(conf, "group.id", group);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "check.crcs", "true");
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static void assign_at(rd_kafka_t *rk, const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    ck_assert_int_eq(rd_kafka_assign(rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads to `to`, checking every record; returns bytes of values. */
static uint64_t read_and_check(rd_kafka_t *rk, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0, next = from, until = clock_monotonic_ns(clock_real()) + 240000000000;
    while (next < to) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 1000);
        ck_assert_uint_lt(clock_monotonic_ns(clock_real()), until);
        if (m == NULL) continue;
        ck_assert_msg(m->err == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_message_errstr(m));
        ck_assert_int_eq(m->offset, (int64_t)next);
        ck_assert(record_value_holds(SITE_SEED, next, m->payload, (uint32_t)m->len));
        bytes += m->len;
        next++;
        rd_kafka_message_destroy(m);
    }
    return bytes;
}

START_TEST(librdkafka_reads_hot_and_cold_byte_for_byte)
{
    for (int i = 0; i < 700; i++) { /* some rows are larger than a chunk */
        if (i % 50 == 7) site_append(&orders, 1, 2500000, 1700000000000 + i);
        else site_append(&orders, 40, 1000, 1700000000000 + i);
    }
    site_settle(&orders);
    uint64_t end = orders.producer.next_offset;
    rd_kafka_t *rk = consumer("reader");
    assign_at(rk, "orders", 0);
    uint64_t then = clock_monotonic_ns(clock_real());
    uint64_t bytes = read_and_check(rk, 0, end); /* the first part is only on the disk */
    double seconds = (double)(clock_monotonic_ns(clock_real()) - then) / 1e9;
    ck_assert_uint_gt(bytes, 50 << 20);
    printf("librdkafka: %.0f MiB in %.2f s\n", (double)bytes / (1 << 20), seconds);
    assign_at(rk, "orders", (int64_t)end - 100);
    read_and_check(rk, end - 100, end);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}
END_TEST

START_TEST(a_waiting_consumer_is_woken_at_once)
{
    rd_kafka_t *rk = consumer("waiter");
    int woken = 0;
    assign_at(rk, "orders", 0);
    for (int i = 0; i < 30; i++) {
        rd_kafka_message_t *m;
        usleep(30000);
        append(1, 1700000000000);
        uint64_t durable = clock_monotonic_ns(clock_real());
        while ((m = rd_kafka_consumer_poll(rk, 1000)) == NULL) {}
        uint64_t took = clock_monotonic_ns(clock_real()) - durable;
        ck_assert_int_eq(m->offset, i);
        woken += took < 400000000; /* below max_wait (500 ms): it did not time out */
        rd_kafka_message_destroy(m);
    }
    ck_assert_int_gt(woken, 20); /* the first one waits for librdkafka's connecting, others for a busy machine */
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}
END_TEST

/* --- groups --- */

static void group_member_start(struct child *c)
{
    const char *argv[] = {"kcat", "-b", site.bootstrap, "-u", AS_LINES, "-X", "auto.offset.reset=earliest", "-X",
                          "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500", "-G", "readers", "orders",
                          NULL};
    child_start(c, argv, true);
}

START_TEST(a_group_goes_on_when_its_active_member_is_killed)
{
    append(100, 1700000000000);
    group_member_start(&child);
    ck_assert_msg(child_read(&child, "record 99\n", 120000), "%s", child.text);
    group_member_start(&second);
    ck_assert_msg(child_read(&second, "rebalanced", 120000), "%s", second.text);
    /* One of the two has the partition: records go to exactly one. */
    append(50, 1700000000000);
    bool has_arrived = false;
    for (int i = 0; i < 2400 && !has_arrived; i++)
        has_arrived = child_read(&child, "record 149\n", 25) || child_read(&second, "record 149\n", 25);
    bool is_first = strstr(child.text, "record 149\n") != NULL;
    struct child *active = is_first ? &child : &second, *standby = is_first ? &second : &child;
    ck_assert_msg(strstr(active->text, "record 149\n") != NULL, "%s\n---\n%s", child.text, second.text);
    ck_assert_ptr_null(strstr(standby->text, "record 149\n"));
    struct group_summary groups[4] = {{.committed_offset = 0}};
    for (int i = 0; i < 1200 && groups[0].committed_offset != 150; i++) { /* kcat commits every 5 s */
        usleep(100000);
        ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", groups, 4), 1);
    }
    ck_assert_str_eq(groups[0].group_id, "readers");
    ck_assert_uint_eq(groups[0].member_count, 2);
    ck_assert_uint_eq(groups[0].committed_offset, 150);
    child_end(active); /* killed: no LeaveGroup; its session runs out */
    append(50, 1700000000000);
    ck_assert_msg(child_read(standby, "record 199\n", 120000), "%s", standby->text);
    ck_assert_ptr_nonnull(strstr(standby->text, "record 150\n"));
    if (standby == &second) ck_assert_ptr_null(strstr(standby->text, "record 149\n")); /* committed: not again */
    child_leave(standby); /* it leaves the group and commits */
    /* The commits outlive the server. */
    site_restart(&site, &orders);
    append(5, 1700000000000);
    group_member_start(&child);
    ck_assert_msg(child_read(&child, "record 204\n", 120000), "%s", child.text);
    ck_assert_ptr_null(strstr(child.text, "record 199\n"));
    child_end(&child);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clients");
    TCase *t = tcase_create("clients");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, kcat_lists_the_broker_and_the_topic);
    tcase_add_test(t, kcat_reads_from_the_start_and_by_time);
    tcase_add_test(t, kcat_reads_what_is_appended_while_it_waits);
    tcase_add_test(t, kcat_may_not_produce);
    tcase_add_test(t, librdkafka_reads_hot_and_cold_byte_for_byte);
    tcase_add_test(t, a_waiting_consumer_is_woken_at_once);
    tcase_add_test(t, a_group_goes_on_when_its_active_member_is_killed);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
