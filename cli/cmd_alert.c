/* millrace alert ...: what is watched of a channel, whom to tell, and what was told. */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

/* A file of JSON, "-": stdin.  NULL: it was said why not. */
static json_t *read_json(const char *path)
{
    json_error_t why;
    json_t *read = strcmp(path, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
                                          : json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (read == NULL) cli_fail(CLI_FAILED, "%s: line %d: %s", path, why.line, why.text);
    return read;
}

static void print_pretty(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

/* Shows what the API has at the path, or puts the file there first. */
static int show_or_set(struct cli *cli, const char *channel, const char *path, const char *file)
{
    json_t *answer = NULL, *body = file == NULL ? NULL : read_json(file);
    if (file != NULL && body == NULL) return CLI_FAILED;
    const char *method = file == NULL ? "GET" : "PUT";
    int code = channel == NULL ? rest_call(cli, method, path, body, &answer)
                               : rest_call_channel(cli, method, channel, path, body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        print_pretty(answer);
    json_decref(answer);
    return code;
}

int cli_alert_rules(struct cli *cli, int argc, char **argv)
{
    const char *channel, *file = NULL;
    const struct cli_option options[] = {{.name = "--set", .text = &file}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(cli_alert_rules);
    return show_or_set(cli, channel, "/alerts", file);
}

int cli_alert_targets(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL;
    const struct cli_option options[] = {{.name = "--set", .text = &file}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, NULL)) return cli_usage(cli_alert_targets);
    return show_or_set(cli, NULL, "/v1/alert-targets", file);
}

int cli_alert_test(struct cli *cli, int argc, char **argv)
{
    const char *target;
    char path[512];
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &target)) return cli_usage(cli_alert_test);
    char *escaped = curl_easy_escape(NULL, target, 0);
    int size = escaped == NULL ? (int)sizeof path : snprintf(path, sizeof path, "/v1/alert-targets/%s/test", escaped);
    curl_free(escaped);
    if (size >= (int)sizeof path) return cli_fail(CLI_USAGE, "'%.60s...' is no target's ID", target);
    int code = rest_call(cli, "POST", path, NULL, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("target %s: a test is on its way; how it went stands in millrace alert log\n", target);
    json_decref(answer);
    return code;
}

int cli_alert_log(struct cli *cli, int argc, char **argv)
{
    json_t *answer, *notice;
    size_t i;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_alert_log);
    int code = rest_call(cli, "GET", "/v1/alerts/log", NULL, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        json_array_foreach(json_object_get(answer, "notices"), i, notice) print_json(notice);
    json_decref(answer);
    return code;
}
