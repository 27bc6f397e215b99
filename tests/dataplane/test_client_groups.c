/* Goal: librdkafka's group and offset calls against the whole server: commit metadata comes back byte for byte, also
 * after a restart; a tool may move an idle group's offsets and not a busy one's; a static member that comes back in
 * time gets its partition without a rebalance; a member from before a restart of the server goes on in its
 * generation. */
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/site.h"
#include "tests/suite.h"

static struct site site;
static struct site_topic orders;
static int assigned, revoked;

static void setup(void)
{
    memset(&orders, 0, sizeof orders);
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, 50, 100, 1700000000000);
    site_settle(&orders);
}

static void teardown(void) { site_stop(&site); }

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)opaque;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assigned++;
        rd_kafka_assign(rk, list);
    } else {
        revoked++;
        rd_kafka_assign(rk, NULL);
    }
}

/* `settings`: name, value, ... NULL */
static rd_kafka_t *consumer(const char *const *settings)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const always[] = {"bootstrap.servers", site.bootstrap, "auto.offset.reset", "earliest",
                                  "enable.auto.commit", "false", "session.timeout.ms", "20000",
                                  "heartbeat.interval.ms", "300", NULL};
    const char *const *lists[] = {always, settings};
    for (int l = 0; l < 2; l++)
        for (const char *const *at = lists[l]; *at != NULL; at += 2)
            ck_assert_msg(rd_kafka_conf_set(conf, at[0], at[1], why, sizeof why) == RD_KAFKA_CONF_OK, "%s", why);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}
#define CONSUMER(...) consumer((const char *const[]){__VA_ARGS__, NULL})

static void subscribe(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "orders", RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The offset of the next record; -1: none within the time. */
static int64_t next_record(rd_kafka_t *rk, int timeout_ms)
{
    uint64_t until = clock_monotonic_ns(clock_real()) + (uint64_t)timeout_ms * 1000000;
    while (clock_monotonic_ns(clock_real()) < until) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m == NULL) continue;
        int64_t offset = m->err == RD_KAFKA_RESP_ERR_NO_ERROR ? m->offset : -1;
        rd_kafka_message_destroy(m);
        if (offset >= 0) return offset;
    }
    return -1;
}

static rd_kafka_resp_err_t commit(rd_kafka_t *rk, int64_t offset, const void *metadata, size_t size)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, "orders", 0);
    p->offset = offset;
    if (size > 0) {
        p->metadata = malloc(size);
        memcpy(p->metadata, metadata, size);
        p->metadata_size = size;
    }
    rd_kafka_resp_err_t e = rd_kafka_commit(rk, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}

static int64_t committed(rd_kafka_t *rk, void *metadata, size_t *size)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, "orders", 0);
    rd_kafka_resp_err_t e = rd_kafka_committed(rk, list, 120000);
    ck_assert_msg(e == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(e));
    int64_t offset = p->offset;
    *size = p->metadata_size;
    if (p->metadata_size > 0) memcpy(metadata, p->metadata, p->metadata_size);
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static void end(rd_kafka_t *rk)
{
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

START_TEST(commit_metadata_comes_back_byte_for_byte)
{
    static const size_t sizes[] = {0, 1, 300, 4096};
    char sent[4096], found[8192];
    size_t size;
    for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(1 + i % 255); /* librdkafka sends text: no zero */
    rd_kafka_t *rk = CONSUMER("group.id", "tool");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rd_kafka_resp_err_t e = commit(rk, 10 + (int64_t)i, sent, sizes[i]);
        ck_assert_msg(e == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(e));
        ck_assert_int_eq(committed(rk, found, &size), 10 + (int64_t)i);
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_mem_eq(found, sent, size);
    }
    site_restart(&site, &orders);
    ck_assert_int_eq(committed(rk, found, &size), 13);
    ck_assert_uint_eq(size, 4096);
    ck_assert_mem_eq(found, sent, size);
    end(rk);
}
END_TEST

START_TEST(a_tool_moves_the_offsets_of_an_idle_group_only)
{
    char found[8192];
    size_t size;
    rd_kafka_t *member = CONSUMER("group.id", "busy");
    subscribe(member);
    ck_assert_int_eq(next_record(member, 120000), 0);
    rd_kafka_t *tool = CONSUMER("group.id", "busy");
    ck_assert_int_eq(commit(tool, 5, NULL, 0), RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(commit(member, 7, NULL, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(committed(tool, found, &size), 7);
    end(member); /* leaves */
    ck_assert_int_eq(commit(tool, 20, NULL, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    end(tool);
    member = CONSUMER("group.id", "busy");
    subscribe(member);
    ck_assert_int_eq(next_record(member, 120000), 20);
    end(member);
}
END_TEST

START_TEST(a_static_member_comes_back_without_a_rebalance)
{
    struct group_summary group;
    rd_kafka_t *first = CONSUMER("group.id", "still", "group.instance.id", "a");
    subscribe(first);
    ck_assert_int_eq(next_record(first, 120000), 0);
    ck_assert_int_eq(commit(first, 30, NULL, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy_flags(first, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* gone, without a LeaveGroup */
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", &group, 1), 1);
    ck_assert_str_eq(group.state, "Stable");
    rd_kafka_t *again = CONSUMER("group.id", "still", "group.instance.id", "a");
    subscribe(again);
    uint64_t then = clock_monotonic_ns(clock_real());
    ck_assert_int_eq(next_record(again, 120000), 30);
    ck_assert_uint_lt(clock_monotonic_ns(clock_real()) - then, UINT64_C(10000000000)); /* its session of 20 s runs */
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", &group, 1), 1);
    ck_assert_uint_eq(group.member_count, 1);
    end(again);
}
END_TEST

START_TEST(a_member_goes_on_when_the_server_restarts)
{
    struct group_summary group;
    rd_kafka_t *rk = CONSUMER("group.id", "steady", "reconnect.backoff.max.ms", "500");
    subscribe(rk);
    ck_assert_int_eq(next_record(rk, 120000), 0);
    while (next_record(rk, 1000) >= 0) {}
    ck_assert_int_eq(commit(rk, 50, NULL, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    assigned = revoked = 0;
    site_restart(&site, &orders);
    site_append(&orders, 1, 100, 1700000000000);
    ck_assert_int_eq(next_record(rk, 120000), 50);
    rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR_UNKNOWN;
    for (int i = 0; i < 20 && e != RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        e = commit(rk, 51, NULL, 0);
        usleep(200000);
    }
    ck_assert_msg(e == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(e));
    ck_assert_int_eq(assigned + revoked, 0); /* the same generation, the same assignment */
    ck_assert_uint_eq(dataplane_groups(site.dataplane, "orders", &group, 1), 1);
    ck_assert(group.member_count == 1 && group.committed_offset == 51);
    end(rk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_groups");
    TCase *t = tcase_create("client_groups");
    tcase_set_timeout(t, 90);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, commit_metadata_comes_back_byte_for_byte);
    tcase_add_test(t, a_tool_moves_the_offsets_of_an_idle_group_only);
    tcase_add_test(t, a_static_member_comes_back_without_a_rebalance);
    tcase_add_test(t, a_member_goes_on_when_the_server_restarts);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
