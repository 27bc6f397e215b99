/* millrace consume: a Kafka consumer (librdkafka) that prints a channel's records, as JSON lines or as text for people.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/change_text.h"
#include "cli/options.h"
#include "cli/password.h"
#include "cli/print.h"
#include "cli/rest_client.h"
#include "formats/record_json.h"

enum { COMMIT_PERIOD_MS = 1000, LAG_PERIOD_MS = 5000, POLL_MS = 200, VALUE_TEXT_BYTES = 128 << 20 };

struct consume {
    rd_kafka_t *kafka;
    const char *channel;
    char *text; /* VALUE_TEXT_BYTES; touched only as far as values are long */
    bool as_text;
    uint64_t count_max, changes_max; /* 0: no limit */
    uint64_t count, changes;
    int64_t next_offset; /* behind the last record printed; -1: none yet */
    int64_t committed;   /* what was last asked to be kept */
    int64_t lag;         /* -1: not known yet */
    bool has_failed;
};

static volatile sig_atomic_t is_interrupted;
static void interrupt(int signal_number)
{
    is_interrupted = signal_number;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void measure_lag(struct consume *c)
{
    int64_t low, high;
    if (c->next_offset < 0) return;
    if (rd_kafka_get_watermark_offsets(c->kafka, c->channel, 0, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0)
        return;
    c->lag = high > c->next_offset ? high - c->next_offset : 0;
}

/* The record's value as JSON in c->text; NULL: it is none of ours. */
static const char *value_line(struct consume *c, const rd_kafka_message_t *m)
{
    struct sink out = sink_of(c->text, VALUE_TEXT_BYTES - 1);
    if (m->payload == NULL || record_json_write(m->payload, m->len, &out) != ERR_OK) return NULL;
    *out.at = '\0';
    return c->text;
}

static void print_message(struct consume *c, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    const char *line = value_line(c, m);
    enum change_kind kind = line == NULL ? CHANGE_KIND_OTHER : change_kind_of(line);
    if (!c->as_text) {
        printf("{\"topic\":\"%s\",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp_ms\":%" PRId64
               ",\"value_bytes\":%zu,\"value\":%s}\n",
               c->channel, m->partition, m->offset, rd_kafka_message_timestamp(m, &type), m->len,
               line == NULL ? "null" : line);
    } else if (kind != CHANGE_KIND_OTHER) {
        measure_lag(c);
        change_print_text(line, m->offset, c->lag);
    }
    if (kind == CHANGE_KIND_ROW) c->changes++;
    c->count++;
    c->next_offset = m->offset + 1;
}

static void take_message(struct consume *c, rd_kafka_message_t *m)
{
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: print_message(c, m); break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: c->lag = 0; break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        cli_fail(0, "there is no topic %s; a channel has one once it was started", c->channel);
        c->has_failed = true;
        break;
    default:
        cli_fail(0, "%s", rd_kafka_message_errstr(m));
        c->has_failed = rd_kafka_fatal_error(c->kafka, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_message_destroy(m);
}

static void commit(struct consume *c, bool wait)
{
    if (c->next_offset < 0 || c->next_offset == c->committed) return;
    rd_kafka_topic_partition_list_t *place = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(place, c->channel, 0)->offset = c->next_offset;
    rd_kafka_resp_err_t e = rd_kafka_commit(c->kafka, place, !wait);
    rd_kafka_topic_partition_list_destroy(place);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
        c->committed = c->next_offset;
    else if (wait)
        cli_fail(0, "the checkpoint could not be kept: %s", rd_kafka_err2str(e));
}

static bool is_done(const struct consume *c)
{
    return (c->count_max != 0 && c->count >= c->count_max) || (c->changes_max != 0 && c->changes >= c->changes_max);
}

/* Runs until a limit, the timeout (0: none), a fatal error or a signal. */
static void consume_loop(struct consume *c, uint64_t timeout_s)
{
    int64_t begun_ms = now_ms(), commit_due_ms = begun_ms + COMMIT_PERIOD_MS, lag_due_ms = begun_ms + LAG_PERIOD_MS;
    while (!is_interrupted && !c->has_failed && !is_done(c)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->kafka, POLL_MS);
        int64_t now = now_ms();
        if (m != NULL) {
            take_message(c, m);
        } else {
            fflush(stdout); /* nothing comes: show what there is */
        }
        if (now >= commit_due_ms) {
            fflush(stdout); /* first shown, then kept */
            commit(c, false);
            commit_due_ms = now + COMMIT_PERIOD_MS;
        }
        if (now >= lag_due_ms && !c->as_text) {
            measure_lag(c);
            if (c->lag >= 0) fprintf(stderr, "lag %" PRId64 " records\n", c->lag);
            lag_due_ms = now + LAG_PERIOD_MS;
        }
        if (timeout_s != 0 && now - begun_ms > (int64_t)timeout_s * 1000) return;
    }
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return true;
    cli_fail(0, "%s", why);
    return false;
}

struct login { /* user NULL: none */
    const char *user;
    char password[512];
    bool by_tls;
    const char *authorities; /* a PEM file; NULL: those of the system */
};

/* The name is compared with the certificate: librdkafka does so by itself since 2.0 only. */
static bool set_tls(rd_kafka_conf_t *conf, const struct login *l)
{
    return set(conf, "ssl.endpoint.identification.algorithm", "https") &&
           (l->authorities == NULL || set(conf, "ssl.ca.location", l->authorities));
}

/* By SCRAM, which shows the password to nobody on the way. */
static bool set_login(rd_kafka_conf_t *conf, const struct login *l)
{
    static const char *const protocol[2][2] = {{"plaintext", "ssl"}, {"sasl_plaintext", "sasl_ssl"}};
    if (!set(conf, "security.protocol", protocol[l->user != NULL][l->by_tls])) return false;
    if (l->by_tls && !set_tls(conf, l)) return false;
    return l->user == NULL || (set(conf, "sasl.mechanism", "SCRAM-SHA-256") && set(conf, "sasl.username", l->user) &&
                               set(conf, "sasl.password", l->password));
}

static rd_kafka_t *open_consumer(const char *bootstrap, const char *group, bool from_beginning, const struct login *l)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool is_set = set(conf, "bootstrap.servers", bootstrap) && set(conf, "group.id", group) &&
                  set(conf, "client.id", "millrace-cli") && set(conf, "enable.auto.commit", "false") &&
                  set(conf, "auto.offset.reset", from_beginning ? "earliest" : "latest") &&
                  set(conf, "enable.partition.eof", "true") && set(conf, "allow.auto.create.topics", "false") &&
                  set(conf, "check.crcs", "true") && set(conf, "fetch.wait.max.ms", "500") &&
                  set(conf, "log_level", "3") && set_login(conf, l);
    rd_kafka_t *kafka = is_set ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why) : NULL;
    if (kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        cli_fail(0, "no Kafka consumer: %s", is_set ? why : "wrong configuration");
        return NULL;
    }
    rd_kafka_poll_set_consumer(kafka);
    return kafka;
}

static bool subscribe(struct consume *c)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, c->channel, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t e = rd_kafka_subscribe(c->kafka, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) cli_fail(0, "cannot subscribe: %s", rd_kafka_err2str(e));
    return e == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void write_bootstrap(const char *host, int64_t port, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, strchr(host, ':') != NULL ? "[%s]:%" PRId64 : "%s:%" PRId64, host, port);
}

/* The first listener with TLS that asks for a login if there is one to give, by the name that is in its certificate. */
static int find_tls_listener(const json_t *status, const struct login *l, char *out, size_t out_bytes)
{
    size_t i;
    json_t *at;
    json_array_foreach(json_object_get(status, "listeners"), i, at) {
        bool asks = strcmp(print_text(at, "authentication"), "required") == 0;
        bool wants_certificate = strcmp(print_text(at, "client_certificates"), "required") == 0;
        if (!json_is_true(json_object_get(at, "tls")) || asks != (l->user != NULL) || wants_certificate) continue;
        write_bootstrap(print_text(at, "advertised_host"), print_number(at, "advertised_port"), out, out_bytes);
        return CLI_OK;
    }
    cli_fail(0, "millraced has no listener with TLS %s a login: see 'listeners' in /v1/status, or name one with "
             "--bootstrap", l->user == NULL ? "without" : "with");
    return CLI_FAILED;
}

/* Asks millraced where Kafka listens. */
static int find_bootstrap(struct cli *cli, const struct login *l, char *out, size_t out_bytes)
{
    json_t *status;
    int code = rest_call(cli, "GET", "/v1/status", NULL, &status);
    if (code != CLI_OK) return code;
    if (l->by_tls) code = find_tls_listener(status, l, out, out_bytes);
    else write_bootstrap(print_text(status, "kafka_address"), print_number(status, "kafka_port"), out, out_bytes);
    json_decref(status);
    return code;
}

static int consume(struct consume *c, uint64_t timeout_s)
{
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!subscribe(c)) return CLI_FAILED;
    consume_loop(c, timeout_s);
    fflush(stdout);
    commit(c, true);
    int64_t low, high;
    if (c->next_offset >= 0 &&
        rd_kafka_query_watermark_offsets(c->kafka, c->channel, 0, &low, &high, 2000) == RD_KAFKA_RESP_ERR_NO_ERROR)
        c->lag = high > c->next_offset ? high - c->next_offset : 0;
    if (c->lag >= 0 && !c->as_text) fprintf(stderr, "%" PRIu64 " records, lag %" PRId64 " records\n", c->count, c->lag);
    rd_kafka_consumer_close(c->kafka);
    bool fell_short = (c->count_max != 0 || c->changes_max != 0) && !is_done(c) && !is_interrupted;
    if (fell_short && !c->has_failed)
        cli_fail(0, "%" PRIu64 " records with %" PRIu64 " row changes came in %" PRIu64 " s, fewer than asked for",
                 c->count, c->changes, timeout_s);
    return c->has_failed || fell_short ? CLI_FAILED : CLI_OK;
}

int cli_consume(struct cli *cli, int argc, char **argv)
{
    struct consume c = {.next_offset = -1, .committed = -1, .lag = -1};
    const char *group = "millrace-cli", *bootstrap = NULL, *password_file = NULL;
    struct login login = {.user = NULL};
    char found[300];
    bool from_beginning = false;
    uint64_t timeout_s = 0;
    const struct cli_option options[] = {
        {.name = "--group", .text = &group},
        {.name = "--bootstrap", .text = &bootstrap},
        {.name = "--user", .text = &login.user},
        {.name = "--password-file", .text = &password_file},
        {.name = "--tls", .flag = &login.by_tls},
        {.name = "--tls-ca", .text = &login.authorities},
        {.name = "--from-beginning", .flag = &from_beginning},
        {.name = "--text", .flag = &c.as_text},
        {.name = "--count", .number = &c.count_max},
        {.name = "--changes", .number = &c.changes_max},
        {.name = "--timeout", .number = &timeout_s},
        {NULL},
    };
    if (!cli_options_parse(cli, argc, argv, options, &c.channel)) return cli_usage(cli_consume);
    if (password_file != NULL && login.user == NULL) return cli_usage(cli_consume);
    login.by_tls = login.by_tls || login.authorities != NULL;
    int taken = login.user == NULL ? CLI_OK
                                   : password_take(password_file, CLI_PASSWORD_VARIABLE, login.password,
                                                   sizeof login.password);
    if (taken != CLI_OK) return taken;
    if (bootstrap == NULL) {
        json_t *status;
        int code = find_bootstrap(cli, &login, found, sizeof found);
        if (code == CLI_OK) code = rest_call_channel(cli, "GET", c.channel, "/status", NULL, &status);
        if (code != CLI_OK) return code;
        json_decref(status);
        bootstrap = found;
    }
    c.text = malloc(VALUE_TEXT_BYTES);
    c.kafka = c.text == NULL ? NULL : open_consumer(bootstrap, group, from_beginning, &login);
    explicit_bzero(&login.password, sizeof login.password);
    int code = c.kafka == NULL ? CLI_FAILED : consume(&c, timeout_s);
    if (c.kafka != NULL) rd_kafka_destroy(c.kafka);
    free(c.text);
    return code;
}
