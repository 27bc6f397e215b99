/* The driver (tests/clients/README.md) of librdkafka as Debian has it. */
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { ANSWER_MS = 20000 };

static rd_kafka_t *consumer;
static int64_t end;

static const char *order(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? "" : text;
}

static void must(rd_kafka_resp_err_t e, const char *what)
{
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    fprintf(stderr, "%s: %s\n", what, rd_kafka_err2str(e));
    exit(EXIT_FAILURE);
}

static rd_kafka_topic_partition_list_t *at(int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, order("MILLRACE_TOPIC"), 0)->offset = offset;
    return list;
}

static void read_to_end(void)
{
    for (bool is_done = false; !is_done;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 200);
        if (m == NULL) continue;
        must(m->err, "poll");
        if (m->offset < end)
            printf("record %lld %lld %08lx\n", (long long)m->offset, (long long)rd_kafka_message_timestamp(m, NULL),
                   crc32(0, m->payload, (uInt)m->len));
        is_done = m->offset == end - 1;
        rd_kafka_message_destroy(m);
    }
    fflush(stdout);
}

static void commit(int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = at(offset);
    must(rd_kafka_commit(consumer, list, 0), "commit");
    must(rd_kafka_committed(consumer, list, ANSWER_MS), "committed");
    printf("committed %lld\n", (long long)list->elems[0].offset);
    fflush(stdout);
    rd_kafka_topic_partition_list_destroy(list);
}

static void go_to_time(int64_t time_ms)
{
    rd_kafka_topic_partition_list_t *list = at(time_ms);
    must(rd_kafka_offsets_for_times(consumer, list, ANSWER_MS), "time");
    printf("time %lld\n", (long long)list->elems[0].offset);
    rd_kafka_error_t *e = rd_kafka_seek_partitions(consumer, list, ANSWER_MS);
    must(e == NULL ? list->elems[0].err : rd_kafka_error_code(e), "seek");
    rd_kafka_topic_partition_list_destroy(list);
}

static bool input_has_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char rest[64];
    return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, rest, sizeof rest) == 0;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "%s\n", why);
    exit(EXIT_FAILURE);
}

int main(void)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", order("MILLRACE_BOOTSTRAP"));
    set(conf, "group.id", order("MILLRACE_GROUP"));
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "session.timeout.ms", "6000");
    set(conf, "heartbeat.interval.ms", "500");
    set(conf, "fetch.message.max.bytes", "16384");
    set(conf, "check.crcs", "true");
    if (*order("MILLRACE_MECHANISM") != '\0') {
        bool is_plain = *order("MILLRACE_CA") == '\0';
        set(conf, "security.protocol", is_plain ? "SASL_PLAINTEXT" : "SASL_SSL");
        if (!is_plain) set(conf, "ssl.ca.location", order("MILLRACE_CA"));
        set(conf, "sasl.mechanism", order("MILLRACE_MECHANISM"));
        set(conf, "sasl.username", order("MILLRACE_USER"));
        set(conf, "sasl.password", order("MILLRACE_PASSWORD"));
    }
    end = atoll(order("MILLRACE_END"));
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (consumer == NULL) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topic = at(0);
    must(rd_kafka_subscribe(consumer, topic), "subscribe");
    rd_kafka_topic_partition_list_destroy(topic);
    read_to_end();
    commit(atoll(order("MILLRACE_COMMIT")));
    if (atoll(order("MILLRACE_TIME_MS")) != 0) {
        go_to_time(atoll(order("MILLRACE_TIME_MS")));
        read_to_end();
        commit(end);
    }
    while (!input_has_ended()) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 100);
        if (m != NULL) rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    printf("ended\n");
    return 0;
}
