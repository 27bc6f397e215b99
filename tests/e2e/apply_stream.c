/* tests/e2e/apply_stream.c -- the strict consumer: reads a channel from its beginning with librdkafka while millraced
 * is killed and restarted under it, decodes with libavro, applies to an empty copy, and compares with the source.
 *
 * It holds the channel to its promises: offsets dense; an offset read again has the same bytes; BEGIN and COMMIT pair;
 * every high watermark it sees, by end-of-partition and by ListOffsets, stands behind a COMMIT, DDL or HEARTBEAT;
 * and in the end, when the marker row (table --marker) has come, the copy equals the source's tables value by value.
 * Then a second consumer reads everything once more and must get the same bytes.
 * Prints one JSON line; exit 1 and a sentence on the first fault. */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/e2e/stream_record.h"
#include "tests/e2e/table_copy.h"

enum { WATERMARKS_MAX = 1 << 16, TABLES_MAX = 64, REREAD_RECORDS = 3000, WATERMARK_PERIOD_MS = 200, GOES_BACK = 64 };

struct options {
    const char *bootstrap, *topic, *schema, *marker;
    struct source_address source;
    char    *tables[TABLES_MAX];
    unsigned table_count, timeout_s;
    bool     captured_again; /* `visible: written`: what was read may come again, with other tags of its processing */
};

struct seen { /* what is known of an offset */
    uint64_t hash, whole; /* of what must never change; of every byte */
    bool     ends_transaction;
};

struct apply {
    const struct options  *options;
    rd_kafka_t            *consumer;
    rd_kafka_topic_t      *topic;
    struct stream_decoder *decoder;
    struct table_copy     *copy;
    struct stream_record   record;
    struct seen *seen; /* by offset */
    uint64_t seen_capacity, next_offset, read_offset; /* next new one; next expected from the consumer */
    bool     in_transaction, marker_seen, is_done, reread_due, reads_all_again;
    uint64_t watermark[WATERMARKS_MAX];
    unsigned watermark_count;
    uint64_t row_changes, transactions, ddls, heartbeats, reread, watermarks_checked, interruptions, bytes;
    uint64_t captured_again; /* records that have other tags at last than when they were seen first */
    char why[1024];
};

#define FAULT(a, ...) (snprintf((a)->why, sizeof(a)->why, __VA_ARGS__), false)

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_of_all(const rd_kafka_message_t *m)
{
    return hash_more(0xcbf29ce484222325u ^ (uint64_t)rd_kafka_message_timestamp(m, NULL), m->payload, m->len);
}

/* What must never change: every byte; or, where a record may be captured again, all but the tags of its processing. */
static uint64_t hash_of(const struct apply *a, const rd_kafka_message_t *m)
{
    const struct stream_record *r = &a->record;
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)rd_kafka_message_timestamp(m, NULL);
    if (!a->options->captured_again) return hash_of_all(m);
    hash = hash_more(hash, &r->operation, sizeof r->operation);
    hash = hash_more(hash, r->object, strlen(r->object));
    hash = hash_more(hash, &r->ddl_size, sizeof r->ddl_size);
    hash = hash_more(hash, r->before.bytes, r->has_before ? r->before.size : 0);
    return hash_more(hash, r->after.bytes, r->has_after ? r->after.size : 0);
}

static void must(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "apply_stream: %s\n", why);
        exit(2);
    }
}

/* The connection broke: the server was killed, most likely. */
static void on_error(rd_kafka_t *consumer, int error, const char *reason, void *context)
{
    (void)consumer, (void)error, (void)reason;
    struct apply *a = context;
    a->interruptions++;
    a->reread_due = true;
}

/* A consumer assigned to partition 0 from offset 0, without a group's help. */
static bool consumer_open(struct apply *a)
{
    char             why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    must(conf, "bootstrap.servers", a->options->bootstrap);
    must(conf, "group.id", "apply_stream");
    must(conf, "enable.auto.commit", "false");
    must(conf, "enable.partition.eof", "true");
    must(conf, "auto.offset.reset", "error");
    must(conf, "check.crcs", "true");
    must(conf, "fetch.wait.max.ms", "100");
    must(conf, "fetch.error.backoff.ms", "50");
    must(conf, "reconnect.backoff.ms", "20");
    must(conf, "reconnect.backoff.max.ms", "300");
    must(conf, "topic.metadata.refresh.interval.ms", "1000");
    must(conf, "log_level", "0");
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, a);
    a->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (a->consumer == NULL) return FAULT(a, "librdkafka: %s", why);
    rd_kafka_poll_set_consumer(a->consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, a->options->topic, 0)->offset = 0;
    rd_kafka_resp_err_t e = rd_kafka_assign(a->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) return FAULT(a, "assign: %s", rd_kafka_err2str(e));
    a->topic = rd_kafka_topic_new(a->consumer, a->options->topic, NULL);
    a->read_offset = 0;
    return true;
}

static void consumer_close(struct apply *a)
{
    rd_kafka_topic_destroy(a->topic);
    rd_kafka_consumer_close(a->consumer);
    rd_kafka_destroy(a->consumer);
}

/* BEGIN, rows, COMMIT; DDL and HEARTBEAT stand alone. */
static bool follow_transaction(struct apply *a, const struct stream_record *r, uint64_t offset)
{
    unsigned long long at = offset;
    switch (r->operation) {
    case STREAM_BEGIN:
        if (a->in_transaction) return FAULT(a, "offset %llu: BEGIN inside a transaction", at);
        a->in_transaction = true;
        return true;
    case STREAM_COMMIT:
        if (!a->in_transaction) return FAULT(a, "offset %llu: COMMIT without BEGIN", at);
        a->in_transaction = false;
        a->transactions++;
        if (a->marker_seen) a->is_done = true;
        return true;
    case STREAM_INSERT:
    case STREAM_UPDATE:
    case STREAM_DELETE:
        if (!a->in_transaction) return FAULT(a, "offset %llu: a row change outside a transaction", at);
        a->row_changes++;
        if (strcmp(r->object, a->options->marker) == 0) a->marker_seen = true;
        return true;
    case STREAM_DDL:
    case STREAM_HEARTBEAT:
        if (a->in_transaction) return FAULT(a, "offset %llu: operation %d inside a transaction", at, r->operation);
        if (r->operation == STREAM_DDL) a->ddls++;
        else a->heartbeats++;
        return true;
    }
    return FAULT(a, "offset %llu: unknown operation %d", at, r->operation);
}

static bool take_new(struct apply *a, const rd_kafka_message_t *m)
{
    uint64_t offset = (uint64_t)m->offset;
    const struct stream_record *r = &a->record;
    char why[600];
    if (offset == a->seen_capacity) {
        a->seen_capacity = a->seen_capacity == 0 ? 1 << 16 : a->seen_capacity * 2;
        a->seen = realloc(a->seen, a->seen_capacity * sizeof *a->seen);
        if (a->seen == NULL) abort();
    }
    if (r->id != m->offset)
        return FAULT(a, "offset %llu holds the record of id %lld", (unsigned long long)offset, (long long)r->id);
    if (!follow_transaction(a, r, offset)) return false;
    if (r->operation <= STREAM_DELETE && !table_copy_apply(a->copy, r, why, sizeof why))
        return FAULT(a, "offset %llu: %s", (unsigned long long)offset, why);
    a->seen[offset] = (struct seen){hash_of(a, m), hash_of_all(m), !a->in_transaction};
    a->next_offset++;
    a->bytes += m->len;
    return true;
}

static bool take_message(struct apply *a, const rd_kafka_message_t *m)
{
    uint64_t offset = (uint64_t)m->offset;
    char why[600];
    if (offset != a->read_offset)
        return FAULT(a, "offset %llu came where %llu was due", (unsigned long long)offset,
                     (unsigned long long)a->read_offset);
    a->read_offset++;
    if (!stream_decode(a->decoder, m->payload, m->len, &a->record, why, sizeof why))
        return FAULT(a, "offset %llu: %s", (unsigned long long)offset, why);
    if (offset == a->next_offset) return take_new(a, m);
    a->reread++;
    if (a->seen[offset].hash != hash_of(a, m))
        return FAULT(a, "offset %llu has other content when read again", (unsigned long long)offset);
    if (a->reads_all_again && a->seen[offset].whole != hash_of_all(m)) a->captured_again++;
    return true;
}

static bool check_watermark(struct apply *a, uint64_t watermark)
{
    a->watermarks_checked++;
    if (watermark != 0 && !a->seen[watermark - 1].ends_transaction)
        return FAULT(a, "the high watermark stood at %llu, in the middle of a transaction",
                     (unsigned long long)watermark);
    return true;
}

/* Watermarks seen earlier, now that the records before them are read. */
static bool check_watermarks(struct apply *a)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < a->watermark_count; i++) {
        if (a->watermark[i] > a->next_offset) a->watermark[kept++] = a->watermark[i];
        else if (!check_watermark(a, a->watermark[i])) return false;
    }
    a->watermark_count = kept;
    return true;
}

static void ask_watermark(struct apply *a)
{
    int64_t low, high;
    if (rd_kafka_query_watermark_offsets(a->consumer, a->options->topic, 0, &low, &high, WATERMARK_PERIOD_MS) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        a->watermark_count < WATERMARKS_MAX)
        a->watermark[a->watermark_count++] = (uint64_t)high;
}

/* After an interruption: go back and read some of it again. */
static bool go_back(struct apply *a)
{
    uint64_t to = a->next_offset > REREAD_RECORDS ? a->next_offset - REREAD_RECORDS : 0;
    a->reread_due = false;
    if (a->interruptions > GOES_BACK) return true;
    rd_kafka_resp_err_t e = rd_kafka_seek(a->topic, 0, (int64_t)to, 5000);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) { /* the server is away just now: at the next chance */
        a->reread_due = true;
        return true;
    }
    a->read_offset = to;
    return true;
}

static bool take_event(struct apply *a, const rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return take_message(a, m);
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if ((uint64_t)m->offset == a->next_offset && !check_watermark(a, a->next_offset)) return false;
        return a->reread_due ? go_back(a) : true;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: /* the channel's log is being recovered */
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR__TIMED_OUT: return true;
    default: return FAULT(a, "consumer error at offset %lld: %s", (long long)m->offset, rd_kafka_message_errstr(m));
    }
}

static bool first_pass(struct apply *a)
{
    uint64_t deadline = now_ms() + a->options->timeout_s * 1000ull, watermark_due = 0;
    if (!consumer_open(a)) return false;
    bool ok = true;
    while (ok && !a->is_done) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(a->consumer, 100);
        if (m != NULL) {
            ok = take_event(a, m);
            rd_kafka_message_destroy(m);
        }
        uint64_t now = now_ms();
        if (ok && now >= watermark_due) {
            watermark_due = now + WATERMARK_PERIOD_MS;
            ask_watermark(a);
            ok = check_watermarks(a);
        }
        if (ok && now > deadline)
            ok = FAULT(a, "the marker did not come within %u s; %llu records were read", a->options->timeout_s,
                       (unsigned long long)a->next_offset);
    }
    consumer_close(a);
    return ok;
}

/* Everything once more, by a consumer that knows nothing: the same bytes at every offset. */
static bool second_pass(struct apply *a)
{
    uint64_t deadline = now_ms() + a->options->timeout_s * 1000ull, end = a->next_offset;
    a->reads_all_again = true;
    if (!consumer_open(a)) return false;
    bool ok = true;
    while (ok && a->read_offset < end) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(a->consumer, 100);
        if (m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR) ok = take_message(a, m);
        if (m != NULL) rd_kafka_message_destroy(m);
        if (ok && now_ms() > deadline) ok = FAULT(a, "the second reading did not end");
    }
    consumer_close(a);
    return ok;
}

static void split_tables(struct options *o, char *list)
{
    for (char *save, *name = strtok_r(list, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save))
        if (o->table_count < TABLES_MAX) o->tables[o->table_count++] = name;
}

static struct options options_read(int argc, char **argv)
{
    static const struct option names[] = {
        {"bootstrap", 1, NULL, 'b'}, {"topic", 1, NULL, 't'},    {"schema", 1, NULL, 's'}, {"marker", 1, NULL, 'm'},
        {"host", 1, NULL, 'h'},      {"port", 1, NULL, 'P'},     {"user", 1, NULL, 'u'},   {"password", 1, NULL, 'p'},
        {"tables", 1, NULL, 'T'},    {"timeout-s", 1, NULL, 'o'},
        {"captured-again", 0, NULL, 'c'}, {NULL, 0, NULL, 0},
    };
    struct options o = {.timeout_s = 300};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'b': o.bootstrap = optarg; break;
        case 't': o.topic = optarg; break;
        case 's': o.schema = optarg; break;
        case 'm': o.marker = optarg; break;
        case 'h': o.source.host = optarg; break;
        case 'P': o.source.port = (unsigned)atoi(optarg); break;
        case 'u': o.source.user = optarg; break;
        case 'p': o.source.password = optarg; break;
        case 'T': split_tables(&o, optarg); break;
        case 'o': o.timeout_s = (unsigned)atoi(optarg); break;
        case 'c': o.captured_again = true; break;
        default: exit(2);
        }
    }
    if (o.bootstrap == NULL || o.topic == NULL || o.schema == NULL || o.marker == NULL || o.source.host == NULL) {
        fprintf(stderr, "usage: apply_stream --bootstrap H:P --topic T --schema F --marker DB.TABLE --tables A,B\n"
                        "       --host H --port P --user U --password P [--timeout-s N] [--captured-again]\n");
        exit(2);
    }
    return o;
}

int main(int argc, char **argv)
{
    struct options options = options_read(argc, argv);
    static struct apply a;
    a.options = &options;
    a.copy = table_copy_new();
    a.decoder = stream_decoder_open(options.schema, a.why, sizeof a.why);
    uint64_t start = now_ms(), rows = 0;
    bool ok = a.decoder != NULL && first_pass(&a) &&
              table_copy_equals_source(a.copy, &options.source, options.tables, options.table_count, &rows, a.why,
                                       sizeof a.why) &&
              second_pass(&a);
    if (!ok) printf("FAULT: %s\n", a.why);
    printf("{\"records\":%llu,\"row_changes\":%llu,\"transactions\":%llu,\"ddls\":%llu,\"heartbeats\":%llu,"
           "\"value_bytes\":%llu,\"read_again\":%llu,\"captured_again\":%llu,\"watermarks_checked\":%llu,"
           "\"interruptions\":%llu,\"rows_compared\":%llu,\"seconds\":%.1f}\n",
           (unsigned long long)a.next_offset, (unsigned long long)a.row_changes, (unsigned long long)a.transactions,
           (unsigned long long)a.ddls, (unsigned long long)a.heartbeats, (unsigned long long)a.bytes,
           (unsigned long long)a.reread, (unsigned long long)a.captured_again,
           (unsigned long long)a.watermarks_checked, (unsigned long long)a.interruptions, (unsigned long long)rows,
           (double)(now_ms() - start) / 1000);
    if (a.decoder != NULL) stream_decoder_close(a.decoder);
    row_free(&a.record.before);
    row_free(&a.record.after);
    table_copy_free(a.copy);
    free(a.seen);
    return ok ? 0 : 1;
}
