/* Genuine consumers for bench/fanout.py: librdkafka, as it comes.  peers/kafka/FanoutConsumer.java does the same.
 * usage: fanout_rdkafka BOOTSTRAP TOPIC GROUP GROUPS END VALUE_BYTES CRC_SUM WARM_S SECONDS
 * So many groups (GROUP0, ...), each a consumer with a thread of its own, read the topic from its start to its end END,
 * all at once, pass after pass.  In every pass each must get every offset in turn, values of VALUE_BYTES in all, and
 * CRC_SUM as the sum of the values' CRC-32C; else it fails with words.  Prints "begin" before the first pass that is
 * counted (WARM_S after all groups had their first pass), and behind the last, after SECONDS at least, a JSON line. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/invariant.h"

enum { GROUPS_MAX = 64, WAIT_MS = 100, BATCH = 1000, PATIENCE_S = 60, SEEK_MS = 10000 };

struct consumer {
    pthread_t   thread;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
};

static const char *topic;
static uint64_t end_offset, value_bytes, crc_sum;
static pthread_barrier_t pass;
static bool is_over; /* set between two barriers */

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fanout_rdkafka: %s: %s\n", what, why);
    exit(1);
}

static void consumer_open(struct consumer *c, const char *bootstrap, const char *group)
{
    const char *const settings[][2] = {{"bootstrap.servers", bootstrap}, {"group.id", group},
                                       {"auto.offset.reset", "earliest"}, {"check.crcs", "true"},
                                       {"fetch.wait.max.ms", "5"}}; /* what waits at the end holds up the next pass */
    char why[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK)
            fail("configuration", why);
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (c->rk == NULL) fail("consumer", why);
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t e = rd_kafka_subscribe(c->rk, topics);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) fail("subscribe", rd_kafka_err2str(e));
    rd_kafka_topic_partition_list_destroy(topics);
}

static void to_start(struct consumer *c)
{
    rd_kafka_topic_partition_list_t *to = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(to, topic, 0)->offset = 0;
    rd_kafka_error_t *e = rd_kafka_seek_partitions(c->rk, to, SEEK_MS);
    if (e != NULL) fail("seek", rd_kafka_error_string(e));
    if (to->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("seek", rd_kafka_err2str(to->elems[0].err));
    rd_kafka_topic_partition_list_destroy(to);
}

static void read_once(struct consumer *c)
{
    rd_kafka_message_t *batch[BATCH];
    uint64_t next = 0, bytes = 0, crcs = 0, until_ns = now_ns() + PATIENCE_S * UINT64_C(1000000000);
    while (next < end_offset) {
        ssize_t n = rd_kafka_consume_batch_queue(c->queue, WAIT_MS, batch, BATCH);
        if (n < 0) fail("fetch", rd_kafka_err2str(rd_kafka_last_error()));
        if (n == 0 && now_ns() > until_ns) fail("fetch", "not all records came within a minute");
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_t *m = batch[i];
            if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("fetch", rd_kafka_message_errstr(m));
            if ((uint64_t)m->offset != next++) fail("fetch", "an offset is missing or came twice");
            bytes += m->len;
            crcs += crc32c(0, m->payload, m->len);
            rd_kafka_message_destroy(m);
        }
    }
    if (next != end_offset || bytes != value_bytes || crcs != crc_sum) {
        fprintf(stderr, "fanout_rdkafka: %" PRIu64 " records of %" PRIu64 " bytes, CRCs' sum %" PRIu64 ", instead of %"
                PRIu64 " of %" PRIu64 ", %" PRIu64 "\n", next, bytes, crcs, end_offset, value_bytes, crc_sum);
        exit(1);
    }
}

static void *consumer_run(void *context)
{
    struct consumer *c = context;
    read_once(c); /* from where a new group begins */
    for (;;) {
        pthread_barrier_wait(&pass); /* all are there */
        pthread_barrier_wait(&pass); /* it is decided */
        if (is_over) return NULL;
        to_start(c);
        read_once(c);
    }
}

int main(int argc, char **argv)
{
    static struct consumer consumer[GROUPS_MAX];
    if (argc != 10) return fprintf(stderr, "usage: see the head of bench/fanout_rdkafka.c\n"), 2;
    topic = argv[2];
    unsigned groups = (unsigned)atoi(argv[4]);
    end_offset = strtoull(argv[5], NULL, 10);
    value_bytes = strtoull(argv[6], NULL, 10), crc_sum = strtoull(argv[7], NULL, 10);
    double warm_s = strtod(argv[8], NULL), seconds = strtod(argv[9], NULL);
    INVARIANT(groups > 0 && groups <= GROUPS_MAX);
    pthread_barrier_init(&pass, NULL, groups + 1);
    for (unsigned i = 0; i < groups; i++) {
        char group[100];
        snprintf(group, sizeof group, "%s%u", argv[3], i);
        consumer_open(&consumer[i], argv[1], group);
        int rc = pthread_create(&consumer[i].thread, NULL, consumer_run, &consumer[i]);
        INVARIANT(rc == 0);
    }
    pthread_barrier_wait(&pass);
    uint64_t warm_ns = now_ns() + (uint64_t)(warm_s * 1e9), begun_ns = 0, passes = 0;
    while (!is_over) {
        if (begun_ns == 0 && now_ns() >= warm_ns) {
            printf("begin\n");
            fflush(stdout);
            begun_ns = now_ns();
        }
        pthread_barrier_wait(&pass); /* they read */
        pthread_barrier_wait(&pass); /* all have read */
        passes += begun_ns != 0;
        is_over = begun_ns != 0 && (double)(now_ns() - begun_ns) >= seconds * 1e9;
    }
    printf("{\"seconds\": %.3f, \"passes\": %" PRIu64 ", \"gb\": %.6f}\n", (double)(now_ns() - begun_ns) / 1e9, passes,
           (double)(passes * groups * value_bytes) / 1e9);
    fflush(stdout);
    pthread_barrier_wait(&pass);
    for (unsigned i = 0; i < groups; i++) {
        pthread_join(consumer[i].thread, NULL);
        rd_kafka_queue_destroy(consumer[i].queue);
        rd_kafka_consumer_close(consumer[i].rk);
        rd_kafka_destroy(consumer[i].rk);
    }
    return 0;
}
