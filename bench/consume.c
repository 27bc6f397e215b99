/* bench/consume.c -- reads a topic from its start until it has seen so many row changes, and says what they were: how
 * many of each kind, and the sum of their keys.  What was captured is whole and right when all readers of the same
 * binlog say the same.
 * usage: consume BOOTSTRAP TOPIC dts-avro|debezium CHANGES
 * The key is the first column of the row (after it, of a delete before it), a whole number. Prints one JSON line. */
#include <inttypes.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "tests/e2e/stream_record.h"

enum { WAIT_MS = 100, WAITS_MAX = 200, BATCH = 1000 };

struct sums {
    uint64_t count[3]; /* by enum stream_operation */
    uint64_t key_sum;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "consume: %s: %s\n", what, why);
    exit(1);
}

static uint64_t key_of_row(const struct row_bytes *row)
{
    char text[32] = "";
    uint32_t size;
    if (row->first_size < sizeof size) fail("a row", "it has no first column");
    memcpy(&size, row->bytes, sizeof size);
    if (size >= sizeof text) fail("a row", "its first column is no whole number");
    memcpy(text, row->bytes + sizeof size, size);
    return (uint64_t)strtoll(text, NULL, 10);
}

static bool take_avro(struct sums *s, struct stream_decoder *decoder, const rd_kafka_message_t *m)
{
    static struct stream_record record;
    char why[300];
    if (!stream_decode(decoder, m->payload, m->len, &record, why, sizeof why)) fail("a record", why);
    if (record.operation > STREAM_DELETE) return false;
    s->count[record.operation]++;
    s->key_sum += key_of_row(record.operation == STREAM_DELETE ? &record.before : &record.after);
    return true;
}

static bool take_debezium(struct sums *s, const rd_kafka_message_t *m)
{
    static const char kinds[] = "cud"; /* as in enum stream_operation */
    json_error_t error;
    json_t *event = json_loadb(m->payload, m->len, JSON_ALLOW_NUL, &error);
    const char *kind = event == NULL ? NULL : json_string_value(json_object_get(event, "op"));
    const char *at = kind == NULL || *kind == 0 ? NULL : strchr(kinds, *kind);
    if (at == NULL) fail("a record", event == NULL ? error.text : "it has no op of c, u, d");
    json_t *row = json_object_get(event, *at == 'd' ? "before" : "after"), *key = json_object_get(row, "id");
    if (!json_is_integer(key)) fail("a record", "its row has no whole number `id`");
    s->count[at - kinds]++;
    s->key_sum += (uint64_t)json_integer_value(key);
    json_decref(event);
    return true;
}

/* Whether it was a row change. */
static bool take(struct sums *s, struct stream_decoder *decoder, const rd_kafka_message_t *m)
{
    return decoder != NULL ? take_avro(s, decoder, m) : take_debezium(s, m);
}

static rd_kafka_t *consumer(const char *bootstrap)
{
    static const char *const settings[][2] = {
        {"group.id", "bench-consume"}, {"enable.auto.commit", "false"}, {"auto.offset.reset", "earliest"},
        {"check.crcs", "true"}, {"fetch.message.max.bytes", "8388608"}, {"queued.max.messages.kbytes", "65536"}};
    char why[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail("configuration", why);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK)
            fail("configuration", why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (rk == NULL) fail("consumer", why);
    return rk;
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[3], "dts-avro") != 0 && strcmp(argv[3], "debezium") != 0))
        return fprintf(stderr, "usage: consume BOOTSTRAP TOPIC dts-avro|debezium CHANGES\n") < 0 ? 1 : 2;
    char why[300];
    bool is_avro = strcmp(argv[3], "dts-avro") == 0;
    uint64_t wanted = strtoull(argv[4], NULL, 10), seen = 0;
    struct stream_decoder *decoder = is_avro ? stream_decoder_open(RECORD_SCHEMA, why, sizeof why) : NULL;
    if (is_avro && decoder == NULL) fail("schema", why);
    rd_kafka_t *rk = consumer(argv[1]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    if (topic == NULL || rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) != 0)
        fail("topic", rd_kafka_err2str(rd_kafka_last_error()));
    struct sums sums = {.key_sum = 0};
    static rd_kafka_message_t *batch[BATCH];
    for (unsigned waits = 0; seen < wanted; waits++) {
        /* it waits until the batch is full, also at the end of the topic */
        ssize_t n = rd_kafka_consume_batch(topic, 0, WAIT_MS, batch, BATCH);
        if (n < 0) fail("topic", rd_kafka_err2str(rd_kafka_last_error()));
        if (n > 0) waits = 0;
        if (waits == WAITS_MAX) fail("topic", "nothing came for 20 s, and not all row changes were seen");
        for (ssize_t i = 0; i < n; i++) {
            if (batch[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) fail("fetch", rd_kafka_message_errstr(batch[i]));
            if (seen < wanted && take(&sums, decoder, batch[i])) seen++;
            rd_kafka_message_destroy(batch[i]);
        }
    }
    printf("{\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64 ",\"deletes\":%" PRIu64 ",\"id_sum\":%" PRId64 "}\n",
           sums.count[STREAM_INSERT], sums.count[STREAM_UPDATE], sums.count[STREAM_DELETE], (int64_t)sums.key_sum);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    if (decoder != NULL) stream_decoder_close(decoder);
    return 0;
}
