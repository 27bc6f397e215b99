/* Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
 *
 * usage: MILLRACE_PASSWORD=... ./consumer [SECONDS]
 *        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time
 * needs: librdkafka 1.9 or newer and avro-c (Debian: librdkafka-dev, libavro-dev); record.avsc beside it
 *        cc -O2 -o consumer consumer.c -lrdkafka -lavro
 */
#include <avro.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t asked_to_end;
static int64_t from_ms = -1; /* -1: go on at the checkpoint */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static const char *env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : value;
}

/* --- a record: values of Avro's generic kind ------------------------------------------------------------------- */

static avro_value_t field(const avro_value_t *record, const char *name)
{
    avro_value_t value;
    if (avro_value_get_by_name(record, name, &value, NULL) != 0) fail(name, avro_strerror());
    return value;
}

static avro_value_t branch(const avro_value_t *of_union)
{
    avro_value_t value;
    avro_value_get_current_branch(of_union, &value);
    return value;
}

static int32_t int_of(const avro_value_t *record, const char *name)
{
    avro_value_t value = field(record, name);
    int32_t number = 0;
    avro_value_get_int(&value, &number);
    return number;
}

static void print_string(const avro_value_t *value)
{
    const char *text;
    size_t size; /* with the zero behind it */
    avro_value_get_string(value, &text, &size);
    fwrite(text, 1, size - 1, stdout);
}

static void print_fraction(int32_t micros) /* the field is called millis */
{
    if (micros != 0) printf(".%06d", abs(micros));
}

/* Prints those of the parts that are there; returns how many, and sets `negative` when one is. */
static int print_parts(const avro_value_t *datetime, const char *const names[3], const char *separator,
                       int *negative)
{
    int count = 0, parts[3];
    for (int i = 0; i < 3; i++) {
        avro_value_t part = field(datetime, names[i]), value = branch(&part);
        if (avro_value_get_type(&value) != AVRO_INT32) continue;
        avro_value_get_int(&value, &parts[count]);
        if (parts[count++] < 0) *negative = 1;
    }
    if (*negative) putchar('-');
    for (int i = 0; i < count; i++) printf("%.*s%02d", i > 0, separator, abs(parts[i]));
    return count;
}

/* A date has no hour, a TIME no year, a YEAR nothing else; a TIME may be negative. */
static void print_datetime(const avro_value_t *datetime)
{
    static const char *const day[] = {"year", "month", "day"}, *const hour[] = {"hour", "minute", "second"};
    avro_value_t part = field(datetime, "millis"), value = branch(&part), first = field(datetime, hour[0]);
    int32_t micros = 0;
    int has_date = 0, negative = 0;
    if (avro_value_get_type(&value) == AVRO_INT32) avro_value_get_int(&value, &micros);
    has_date = print_parts(datetime, day, "-", &negative);
    first = branch(&first);
    if (has_date && avro_value_get_type(&first) == AVRO_INT32) putchar(' ');
    negative = micros < 0;
    print_parts(datetime, hour, ":", &negative);
    print_fraction(micros);
}

/* A column's value: null, or one of the schema's types. */
static void print_value(const avro_value_t *item)
{
    avro_value_t v = branch(item);
    if (avro_value_get_type(&v) == AVRO_NULL) {
        fputs("NULL", stdout);
        return;
    }
    if (avro_value_get_type(&v) != AVRO_RECORD) return; /* EmptyObject: the column is not in the image */
    const char *kind = avro_schema_name(avro_value_get_schema(&v));
    if (strcmp(kind, "Timestamp") == 0) {
        avro_value_t seconds = field(&v, "timestamp");
        int64_t number;
        avro_value_get_long(&seconds, &number);
        printf("%lld", (long long)number);
        print_fraction(int_of(&v, "millis"));
        return;
    }
    if (strcmp(kind, "DateTime") == 0) {
        print_datetime(&v);
        return;
    }
    avro_value_t value = field(&v, "value");
    const void *bytes;
    size_t size;
    double number;
    switch (avro_value_get_type(&value)) {
    case AVRO_STRING: print_string(&value); break;
    case AVRO_DOUBLE:
        avro_value_get_double(&value, &number);
        printf("%.15g", number);
        break;
    case AVRO_BYTES: /* a channel with `text: utf8mb4` has all text in UTF-8 */
        avro_value_get_bytes(&value, &bytes, &size);
        if (strcmp(kind, "Character") == 0) fwrite(bytes, 1, size, stdout);
        else for (size_t i = 0; i < size; i++) printf("%02x", ((const unsigned char *)bytes)[i]);
        break;
    default: print_datetime(&value); /* of TimestampWithTimeZone */
    }
}

/* What your program does with a change; after a crash the last ones come again. */
static void handle(int64_t offset, const avro_value_t *record)
{
    avro_value_t kind = field(record, "operation"), object = field(record, "objectName"), name = branch(&object);
    int number;
    avro_value_get_enum(&kind, &number);
    const char *operation = avro_schema_enum_get(avro_value_get_schema(&kind), number);
    int is_delete = strcmp(operation, "DELETE") == 0, is_ddl = strcmp(operation, "DDL") == 0;
    if (!is_delete && !is_ddl && strcmp(operation, "INSERT") != 0 && strcmp(operation, "UPDATE") != 0)
        return; /* BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second */
    printf("%lld %s ", (long long)offset, operation);
    if (avro_value_get_type(&name) == AVRO_STRING) print_string(&name);
    avro_value_t image = field(record, is_delete ? "beforeImages" : "afterImages"), row = branch(&image);
    if (is_ddl) {
        putchar(' ');
        print_string(&row);
    } else {
        avro_value_t all = field(record, "fields"), fields = branch(&all), column, value;
        size_t count = 0;
        avro_value_get_size(&row, &count);
        for (size_t i = 0; i < count; i++) {
            avro_value_get_by_index(&fields, i, &column, NULL);
            avro_value_get_by_index(&row, i, &value, NULL);
            column = field(&column, "name");
            putchar(' ');
            print_string(&column);
            putchar('=');
            print_value(&value);
        }
    }
    putchar('\n');
    fflush(stdout);
}

static avro_value_t new_record(void)
{
    static char text[1 << 16];
    avro_schema_t schema;
    avro_value_t record;
    FILE *f = fopen("record.avsc", "r");
    if (f == NULL) fail("record.avsc", "cannot be opened");
    size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    if (avro_schema_from_json_length(text, size, &schema) != 0 ||
        avro_generic_value_new(avro_generic_class_from_schema(schema), &record) != 0)
        fail("record.avsc", avro_strerror());
    return record;
}

/* --- the consumer ---------------------------------------------------------------------------------------------- */

static void ask_to_end(int signal_number)
{
    asked_to_end = signal_number;
}

/* The partition comes or goes: once it begins at the time that was asked for, later at the checkpoint. */
static void rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t *partitions,
                      void *context)
{
    (void)context;
    if (event != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(consumer, NULL);
        return;
    }
    if (from_ms >= 0 && partitions->cnt > 0) {
        for (int i = 0; i < partitions->cnt; i++) partitions->elems[i].offset = from_ms;
        rd_kafka_resp_err_t e = rd_kafka_offsets_for_times(consumer, partitions, 30000);
        if (e != RD_KAFKA_RESP_ERR_NO_ERROR) fail("looking up the time", rd_kafka_err2str(e));
        from_ms = -1;
    }
    rd_kafka_assign(consumer, partitions);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) fail(name, why);
}

static rd_kafka_t *open_consumer(void)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", env("MILLRACE_ADDRESS", "ADDRESS"));
    set(conf, "group.id", env("MILLRACE_GROUP", "GROUP"));
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "session.timeout.ms", "10000"); /* when this one dies, the next of the group takes over after that */
    set(conf, "enable.auto.offset.store", "false"); /* what is committed is what was handled: see main */
    set(conf, "auto.commit.interval.ms", "1000");
    set(conf, "security.protocol", env("MILLRACE_PROTOCOL", "PROTOCOL")); /* SASL_PLAINTEXT, or by TLS SASL_SSL */
    set(conf, "sasl.mechanism", "SCRAM-SHA-256");
    set(conf, "sasl.username", env("MILLRACE_USER", "USER")); /* <account>-<group> */
    set(conf, "sasl.password", env("MILLRACE_PASSWORD", ""));
    set(conf, "ssl.ca.location", env("MILLRACE_CA", "probe"));
    rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (consumer == NULL) fail("no consumer", why);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static void take(const rd_kafka_message_t *message, avro_reader_t reader, avro_value_t *record)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "%s\n", rd_kafka_message_errstr(message)); /* the client tries again by itself */
        return;
    }
    avro_reader_memory_set_source(reader, message->payload, (int64_t)message->len);
    avro_value_reset(record);
    if (avro_value_read(reader, record) != 0) fail("a record", avro_strerror());
    handle(message->offset, record);
    /* Fails when the partition has gone to another member, which handles this record, too. */
    rd_kafka_offset_store(message->rkt, message->partition, message->offset);
}

int main(int argc, char **argv)
{
    if (argc > 1) from_ms = atoll(argv[1]) * 1000;
    struct sigaction action = {.sa_handler = ask_to_end};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    avro_value_t record = new_record();
    avro_reader_t reader = avro_reader_memory(NULL, 0);
    rd_kafka_t *consumer = open_consumer();
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, env("MILLRACE_TOPIC", "TOPIC"), RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t e = rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) fail("subscribe", rd_kafka_err2str(e));
    while (!asked_to_end) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
        if (message == NULL) continue;
        take(message, reader, &record);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer); /* commits and leaves the group */
    rd_kafka_destroy(consumer);
    return EXIT_SUCCESS;
}
