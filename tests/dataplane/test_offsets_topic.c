/* Goal: monitoring tools read __consumer_offsets as they do Kafka's: 50 partitions, a group's commits where its name
 * hashes to and nowhere else, as key v1 and value v3, tombstones, growing offsets, news while they wait, in old message
 * formats too, after a restart of the server; and each partition ends behind its own newest record.  Method: librdkafka
 * and kcat as plain consumers of the whole server. */
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "dataplane/kafka/offsets_topic.h"
#include "tests/dataplane/site.h"
#include "tests/suite.h"

static struct site site;
static struct site_topic orders;

static void setup(void)
{
    memset(&orders, 0, sizeof orders);
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, 10, 100, 1700000000000);
    site_settle(&orders);
}

static void teardown(void) { site_stop(&site); }

START_TEST(groups_lie_where_java_puts_them)
{
    static const struct {
        const char *group;
        uint32_t partition;
    } java[] = {{"", 0}, {"abc", 4}, {"orders-consumer", 40}, {"polygenelubricants", 0}, /* the lowest integer */
                {"gr\xc3\xb6\xc3\x9f" "e", 7}, {"\xf0\x9f\xa6\x86 duck", 11},
                {"\xe6\xb6\x88\xe8\xb4\xb9\xe7\xbb\x84", 35}, {"rd", 34}};
    for (size_t i = 0; i < sizeof java / sizeof *java; i++)
        ck_assert_uint_eq(offsets_topic_partition(kafka_string_of(java[i].group)), java[i].partition);
    ck_assert_uint_lt(offsets_topic_partition(kafka_string_of("\xff\xc3\xf0\x9f")), 50); /* not UTF-8 */
}
END_TEST

static rd_kafka_t *client(const char *group, const char *const *settings)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const always[] = {"bootstrap.servers", site.bootstrap, "group.id", group, "enable.auto.commit",
                                  "false", "auto.offset.reset", "earliest", "check.crcs", "true", NULL};
    const char *const *lists[] = {always, settings};
    for (int l = 0; l < 2; l++)
        for (const char *const *at = lists[l]; *at != NULL; at += 2)
            ck_assert_msg(rd_kafka_conf_set(conf, at[0], at[1], why, sizeof why) == RD_KAFKA_CONF_OK, "%s", why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}
#define CLIENT(group, ...) client(group, (const char *const[]){__VA_ARGS__ NULL})

static void commit(rd_kafka_t *rk, int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, "orders", 0);
    p->offset = offset;
    p->metadata = strdup(metadata);
    p->metadata_size = strlen(metadata);
    ck_assert_int_eq(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

/* A plain consumer of one partition, or of all (-1). */
static rd_kafka_t *reader(int32_t partition, const char *const *settings)
{
    rd_kafka_t *rk = client("monitor", settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(OFFSETS_TOPIC_PARTITIONS);
    for (int32_t i = 0; i < OFFSETS_TOPIC_PARTITIONS; i++)
        if (partition < 0 || i == partition)
            rd_kafka_topic_partition_list_add(list, "__consumer_offsets", i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    ck_assert_int_eq(rd_kafka_assign(rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}
#define READER(partition, ...) reader(partition, (const char *const[]){__VA_ARGS__ NULL})

static rd_kafka_message_t *next_message(rd_kafka_t *rk, int timeout_ms)
{
    uint64_t until = clock_monotonic_ns(clock_real()) + (uint64_t)timeout_ms * 1000000;
    while (clock_monotonic_ns(clock_real()) < until) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m == NULL) continue;
        ck_assert_msg(m->err == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_message_errstr(m));
        return m;
    }
    return NULL;
}

struct seen { /* a record of key version 0 or 1, or another (version) */
    int     version;
    char    group[64], topic[64], metadata[64];
    bool    is_tombstone;
    int32_t partition;
    int64_t log_offset, offset;
};

static void take_text(struct cursor *in, char room[static 64])
{
    size_t size = (size_t)cursor_be(in, 2);
    const uint8_t *chars = cursor_take(in, size);
    ck_assert(chars != NULL && size < 64);
    memcpy(room, chars, size);
    room[size] = '\0';
}

/* As Burrow reads them. */
static struct seen decode(const rd_kafka_message_t *m)
{
    struct seen seen = {.is_tombstone = m->payload == NULL, .log_offset = m->offset, .version = -1};
    if (m->key == NULL) return seen; /* what carries a reader of old formats over others' records */
    struct cursor key = cursor_of(m->key, m->key_len), value = cursor_of(m->payload, m->len);
    seen.version = (int)cursor_be(&key, 2);
    take_text(&key, seen.group);
    if (seen.version > 1) return seen;
    take_text(&key, seen.topic);
    seen.partition = (int32_t)cursor_be(&key, 4);
    ck_assert(!key.failed && cursor_left(&key) == 0);
    if (seen.is_tombstone) return seen;
    int version = (int)cursor_be(&value, 2);
    ck_assert(version == 3 || version == 1);
    seen.offset = (int64_t)cursor_be(&value, 8);
    if (version == 3) cursor_be(&value, 4); /* leader epoch */
    take_text(&value, seen.metadata);
    ck_assert_uint_gt(cursor_be(&value, 8), 1700000000000u);
    if (version == 1) cursor_be(&value, 8);
    ck_assert(!value.failed && cursor_left(&value) == 0);
    return seen;
}

/* The next commit that the reader meets; what else is in the log it passes over. */
static struct seen next_commit(rd_kafka_t *rk, int64_t *last_offset, int timeout_ms)
{
    for (;;) {
        rd_kafka_message_t *m = next_message(rk, timeout_ms);
        if (m == NULL) return (struct seen){.version = -2};
        struct seen seen = decode(m);
        rd_kafka_message_destroy(m);
        ck_assert_int_gt(seen.log_offset, *last_offset);
        *last_offset = seen.log_offset;
        if (seen.version == 0 || seen.version == 1) return seen;
    }
}

static void is_commit(struct seen seen, const char *group, int64_t offset, const char *metadata)
{
    ck_assert_msg(seen.version == 1, "no commit of %s to %lld", group, (long long)offset);
    ck_assert_str_eq(seen.group, group);
    ck_assert_str_eq(seen.topic, "orders");
    ck_assert_int_eq(seen.partition, 0);
    ck_assert_int_eq(seen.is_tombstone, offset < 0);
    if (offset < 0) return;
    ck_assert_int_eq(seen.offset, offset);
    ck_assert_str_eq(seen.metadata, metadata);
}

START_TEST(a_groups_commits_are_in_its_partition_only)
{
    rd_kafka_t *abc = CLIENT("abc", ), *rd = CLIENT("rd", );
    commit(abc, 3, "1700000003");
    commit(rd, 5, "");
    commit(abc, 4, "1700000004|x");
    int64_t last = -1, none = -1;
    rd_kafka_t *four = READER(4, );
    is_commit(next_commit(four, &last, 120000), "abc", 3, "1700000003");
    is_commit(next_commit(four, &last, 120000), "abc", 4, "1700000004|x");
    rd_kafka_t *other = READER(5, );
    ck_assert_int_eq(next_commit(other, &none, 1500).version, -2);
    commit(abc, 7, "while it waits");
    is_commit(next_commit(four, &last, 120000), "abc", 7, "while it waits");
    ck_assert_int_eq(next_commit(other, &none, 500).version, -2);
    rd_kafka_destroy(other);
    rd_kafka_destroy(four);
    rd_kafka_destroy(abc);
    rd_kafka_destroy(rd);
}
END_TEST

START_TEST(one_who_reads_all_partitions_meets_each_commit_once)
{
    enum { GROUPS = 20 };
    rd_kafka_t *all = READER(-1, );
    unsigned met[GROUPS] = {0};
    for (int i = 0; i < GROUPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "group-%d", i);
        rd_kafka_t *rk = CLIENT(name, );
        commit(rk, 100 + i, "m");
        rd_kafka_destroy(rk);
    }
    for (int i = 0; i < GROUPS; i++) {
        rd_kafka_message_t *m = next_message(all, 120000);
        ck_assert_msg(m != NULL, "%d of %d commits arrived", i, GROUPS);
        struct seen seen = decode(m);
        int group = atoi(seen.group + 6);
        ck_assert_int_eq(m->partition, (int)offsets_topic_partition(kafka_string_of(seen.group)));
        rd_kafka_message_destroy(m);
        is_commit(seen, seen.group, 100 + group, "m");
        met[group]++;
    }
    for (int i = 0; i < GROUPS; i++) ck_assert_uint_eq(met[i], 1);
    rd_kafka_message_t *more = next_message(all, 1000);
    ck_assert_msg(more == NULL, "a record more than was committed");
    rd_kafka_destroy(all);
}
END_TEST

/* Records of others that fill many reads; `settings` choose the client's Fetch version. */
static void far_behind_others(const char *const *settings)
{
    char large[4097];
    memset(large, 'x', 4096);
    large[4096] = '\0';
    rd_kafka_t *abc = CLIENT("abc", ), *rd = CLIENT("rd", );
    for (int i = 0; i < 100; i++) commit(rd, i, large);
    commit(abc, 3, "there");
    rd_kafka_t *four = reader(4, settings);
    int64_t last = -1;
    is_commit(next_commit(four, &last, 120000), "abc", 3, "there");
    ck_assert_int_ge(last, 100);
    for (int i = 0; i < 10; i++) commit(rd, i, large);
    commit(abc, 4, "again");
    is_commit(next_commit(four, &last, 120000), "abc", 4, "again");
    rd_kafka_destroy(four);
    rd_kafka_destroy(abc);
    rd_kafka_destroy(rd);
}

START_TEST(a_reader_is_carried_over_what_is_not_its_own)
{
    static const char *const small[] = {"fetch.message.max.bytes", "20000", NULL};
    far_behind_others(small);
}
END_TEST

START_TEST(a_reader_of_old_formats_too)
{
    static const char *const old[] = {"api.version.request", "false", "broker.version.fallback", "0.10.0.0",
                                      "fetch.message.max.bytes", "20000", NULL};
    far_behind_others(old);
}
END_TEST

START_TEST(what_is_deleted_is_told_and_a_restart_goes_on)
{
    rd_kafka_t *abc = CLIENT("abc", );
    commit(abc, 3, "a");
    rd_kafka_t *four = READER(4, );
    int64_t last = -1, again = -1;
    is_commit(next_commit(four, &last, 120000), "abc", 3, "a");
    site_restart(&site, &orders);
    commit(abc, 4, "b");
    is_commit(next_commit(four, &last, 120000), "abc", 4, "b");
    rd_kafka_t *fresh = READER(4, );
    is_commit(next_commit(fresh, &again, 120000), "abc", 3, "a");
    is_commit(next_commit(fresh, &again, 120000), "abc", 4, "b");
    ck_assert_int_eq(again, last);
    rd_kafka_DeleteGroup_t *group = rd_kafka_DeleteGroup_new("abc");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(fresh);
    rd_kafka_DeleteGroups(fresh, &group, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 120000);
    ck_assert(event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteGroup_destroy(group);
    is_commit(next_commit(four, &last, 120000), "abc", -1, NULL);
    rd_kafka_destroy(fresh);
    rd_kafka_destroy(four);
    rd_kafka_destroy(abc);
}
END_TEST

/* As kminion does: asks for the ends, then reads until it has consumed the record before each. */
static void read_to_the_ends(const char *const *settings, int expected)
{
    int64_t end[OFFSETS_TOPIC_PARTITIONS], met[OFFSETS_TOPIC_PARTITIONS];
    int left = 0, records = 0;
    rd_kafka_t *rk = reader(-1, settings);
    for (int32_t i = 0; i < OFFSETS_TOPIC_PARTITIONS; i++) {
        int64_t low;
        ck_assert_int_eq(rd_kafka_query_watermark_offsets(rk, "__consumer_offsets", i, &low, &end[i], 120000),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        ck_assert_int_ge(end[i], low);
        met[i] = -1;
        left += end[i] > low;
    }
    ck_assert_int_gt(left, 0);
    while (left > 0) {
        rd_kafka_message_t *m = next_message(rk, 120000);
        ck_assert_msg(m != NULL, "%d partitions have an end that is not reached", left);
        left -= m->offset == end[m->partition] - 1;
        ck_assert_int_gt(m->offset, met[m->partition]);
        met[m->partition] = m->offset;
        records += m->key != NULL;
        rd_kafka_message_destroy(m);
    }
    for (int32_t i = 0; i < OFFSETS_TOPIC_PARTITIONS; i++) ck_assert_int_lt(met[i], end[i]);
    ck_assert_int_eq(records, expected);
    rd_kafka_destroy(rk);
}

START_TEST(each_partitions_end_is_reached_by_reading)
{
    enum { GROUPS = 12, COMMITS = 5 };
    static const char *const now[] = {NULL};
    static const char *const old[] = {"api.version.request", "false", "broker.version.fallback", "0.10.0.0", NULL};
    rd_kafka_t *rk[GROUPS];
    for (int i = 0; i < GROUPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "group-%d", i);
        rk[i] = CLIENT(name, );
    }
    for (int i = 0; i < GROUPS * COMMITS; i++) commit(rk[i % GROUPS], i, "m");
    read_to_the_ends(now, GROUPS * COMMITS);
    read_to_the_ends(old, GROUPS * COMMITS);
    site_restart(&site, &orders); /* what is read back has the same ends */
    read_to_the_ends(now, GROUPS * COMMITS);
    for (int i = 0; i < GROUPS; i++) commit(rk[i], 100, "m");
    read_to_the_ends(now, GROUPS * (COMMITS + 1));
    for (int i = 0; i < GROUPS; i++) rd_kafka_destroy(rk[i]);
}
END_TEST

START_TEST(tools_list_it)
{
    struct child c;
    rd_kafka_t *abc = CLIENT("abc", );
    commit(abc, 3, "a");
    rd_kafka_destroy(abc);
    const char *text = kcat(&site, &c, (const char *const[]){"-L", NULL});
    ck_assert_msg(strstr(text, "topic \"__consumer_offsets\" with 50 partitions") != NULL, "%s", text);
    ck_assert(strstr(text, "partition 49, leader 1, replicas: 1, isrs: 1") != NULL);
    text = kcat(&site, &c, (const char *const[]){"-Q", "-t", "__consumer_offsets:4:-1", "-t", "__consumer_offsets:5:-2",
                                                 "-t", "__consumer_offsets:49:-1", NULL});
    ck_assert_msg(strstr(text, "[4] offset 1") != NULL && strstr(text, "[5] offset 0") != NULL &&
                  strstr(text, "[49] offset 0") != NULL, "%s", text);
    text = kcat(&site, &c, (const char *const[]){"-C", "-t", "__consumer_offsets", "-e", "-o", "beginning", "-f", "%p,",
                                                 NULL}); /* ends when it has reached all ends */
    ck_assert_msg(strstr(text, "[4] at offset 1") != NULL && strstr(text, "exiting") != NULL, "%s", text);
    text = kcat(&site, &c, (const char *const[]){"-C", "-t", "__consumer_offsets", "-p", "50", "-e", "-o", "beginning",
                                                 NULL});
    ck_assert_msg(strstr(text, "partition 50 does not exist") != NULL, "%s", text);
    child_end(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offsets_topic");
    TCase *tcase = tcase_create("offsets_topic");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, groups_lie_where_java_puts_them);
    suite_add_tcase(suite, tcase);
    TCase *whole = tcase_create("whole");
    tcase_set_timeout(whole, 120);
    tcase_add_checked_fixture(whole, setup, teardown);
    tcase_add_test(whole, a_groups_commits_are_in_its_partition_only);
    tcase_add_test(whole, one_who_reads_all_partitions_meets_each_commit_once);
    tcase_add_test(whole, a_reader_is_carried_over_what_is_not_its_own);
    tcase_add_test(whole, a_reader_of_old_formats_too);
    tcase_add_test(whole, what_is_deleted_is_told_and_a_restart_goes_on);
    tcase_add_test(whole, each_partitions_end_is_reached_by_reading);
    tcase_add_test(whole, tools_list_it);
    suite_add_tcase(suite, whole);
    return suite_run(suite);
}
