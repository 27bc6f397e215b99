/* millrace status, groups, counters: what runs, who reads, and how fast. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/counters.h"
#include "cli/change_text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

int cli_status(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_status);
    int code = rest_call(cli, "GET", "/v1/status", NULL, &answer);
    if (code == CLI_OK && cli->json) {
        print_json(answer);
    } else if (code == CLI_OK) {
        const json_t *memory = json_object_get(answer, "memory");
        printf("millraced %s\n  kafka     %s:%" PRId64 "\n  data      %s\n  counters  %s\n  channels  %" PRId64
               ", started %" PRId64 " of at most %" PRId64 "\n",
               print_text(answer, "version"), print_text(answer, "kafka_address"), print_number(answer, "kafka_port"),
               print_text(answer, "data_folder"), print_text(answer, "counters_file"),
               print_number(answer, "channels"), print_number(answer, "channels_started"),
               print_number(answer, "captures_max"));
        printf("  memory    %s of %s\n", print_bytes(print_number(answer, "memory_bytes")),
               print_bytes(print_number(answer, "memory_max_bytes")));
        for (size_t i = 0; i < json_array_size(memory); i++) {
            const json_t *row = json_array_get(memory, i);
            printf("            %10s  %s\n", print_bytes(print_number(row, "bytes")), print_text(row, "pool"));
        }
        if (*print_text(answer, "offsets_error") != '\0')
            printf("  error     groups cannot commit: %s\n", print_text(answer, "offsets_error"));
    }
    json_decref(answer);
    return code;
}

int cli_groups(struct cli *cli, int argc, char **argv)
{
    const char *channel;
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &channel)) return cli_usage(cli_groups);
    int code = rest_call_channel(cli, "GET", channel, "/groups", NULL, &answer);
    const json_t *groups = json_object_get(answer, "groups");
    if (code == CLI_OK && cli->json) {
        print_json(answer);
    } else if (code == CLI_OK) {
        printf("%-32s %-16s %-20s %7s %12s %12s  %s\n", "group", "account", "state", "members", "checkpoint", "lag",
               "behind");
        for (size_t i = 0; i < json_array_size(groups); i++) {
            const json_t *g = json_array_get(groups, i);
            const json_t *checkpoint = json_object_get(g, "checkpoint"), *lag = json_object_get(g, "lag");
            const char *account = print_text(g, "account");
            printf("%-32s %-16s %-20s %7" PRId64, print_text(g, "group"), *account == '\0' ? "-" : account,
                   print_text(g, "state"), print_number(g, "member_count"));
            if (json_is_object(checkpoint))
                printf(" %12" PRId64 " %12" PRId64 "  %s\n", print_number(checkpoint, "offset"),
                       print_number(lag, "records"), print_seconds(json_object_get(lag, "seconds")));
            else
                printf(" %12s %12s  %s\n", "none", "-", "-");
        }
    }
    json_decref(answer);
    return code;
}

int cli_records(struct cli *cli, int argc, char **argv)
{
    const char *channel;
    uint64_t count = 20;
    bool changes = false;
    char suffix[64];
    json_t *answer, *record;
    size_t i;
    const struct cli_option options[] = {
        {.name = "--count", .number = &count}, {.name = "--changes", .flag = &changes}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(cli_records);
    snprintf(suffix, sizeof suffix, "/records?count=%" PRIu64 "%s", count, changes ? "&only=changes" : "");
    int code = rest_call_channel(cli, "GET", channel, suffix, NULL, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK) {
        printf("%-20s  %-10s %-9s %s\n", "time", "offset", "operation", "what");
        json_array_foreach(json_object_get(answer, "records"), i, record)
        {
            printf("%-20s  ", print_utc(print_number(record, "time_ms")));
            change_print(record, print_number(record, "offset"));
            putchar('\n');
        }
    }
    json_decref(answer);
    return code;
}

static void print_counter(void *context, const struct counter_view *v)
{
    const bool json = *(const bool *)context;
    static const char *const kinds[] = {
        [COUNTER_COUNT] = "count", [COUNTER_GAUGE] = "gauge", [COUNTER_HISTOGRAM] = "histogram"};
    json_t *line = json_pack("{s:s, s:s, s:s, s:I}", "name", v->name, "label", v->label, "kind", kinds[v->kind],
                             "value", (json_int_t)v->value);
    uint64_t p50 = 0, p99 = 0, p999 = 0, most = 0;
    if (v->kind == COUNTER_HISTOGRAM) {
        p50 = histogram_quantile(v->histogram, 500000);
        p99 = histogram_quantile(v->histogram, 990000);
        p999 = histogram_quantile(v->histogram, 999000);
        most = atomic_load_explicit(&v->histogram->max, memory_order_relaxed);
        json_t *more = json_pack("{s:I, s:I, s:I, s:I}", "p50", (json_int_t)p50, "p99", (json_int_t)p99, "p999",
                                 (json_int_t)p999, "max", (json_int_t)most);
        json_object_update(line, more);
        json_decref(more);
    }
    if (json)
        print_json(line);
    else if (v->kind == COUNTER_HISTOGRAM)
        printf("%-40s %-32s %" PRIu64 " values, p50 %" PRIu64 ", p99 %" PRIu64 ", p99.9 %" PRIu64 ", max %" PRIu64 "\n",
               v->name, v->label, v->value, p50, p99, p999, most);
    else
        printf("%-40s %-32s %" PRIu64 "\n", v->name, v->label, v->value);
    json_decref(line);
}

int cli_counters(struct cli *cli, int argc, char **argv)
{
    const char *path;
    struct counters *counters;
    struct err_msg msg;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &path)) return cli_usage(cli_counters);
    if (counters_open_readonly(&counters, path, &msg) != ERR_OK) return cli_fail(CLI_FAILED, "%s", msg.text);
    counters_each(counters, print_counter, &cli->json);
    counters_close(counters);
    return CLI_OK;
}
