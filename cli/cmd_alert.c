/* millrace alert ...: what is watched of a channel, whom to tell, and what was told. */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* "off", "quiet", or who fires since when. */
static void print_rule_state(const json_t *rule, const json_t *state)
{
    const json_t *one;
    size_t i, firing = 0;
    json_array_foreach((json_t *)(uintptr_t)state, i, one)
    {
        const char *group = print_text(one, "group");
        if (strcmp(print_text(one, "rule"), print_text(rule, "id")) != 0 ||
            !json_is_true(json_object_get(one, "is_firing")))
            continue;
        printf("%s%s%ssince %s", firing++ == 0 ? "firing: " : ", ", group, *group == '\0' ? "" : " ",
               print_utc(print_number(one, "since_ms")));
    }
    if (firing == 0) fputs(json_is_true(json_object_get(rule, "is_on")) ? "quiet" : "off", stdout);
    putchar('\n');
}

static void print_rules(const json_t *answer)
{
    const json_t *rules = json_object_get(answer, "rules"), *rule;
    size_t i;
    if (json_array_size(rules) == 0) {
        puts("no rules: nobody is told of anything");
        return;
    }
    printf("%-24s %-18s %-20s %22s %8s  %s\n", "rule", "kind", "group", "threshold", "hold", "state");
    json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
    {
        const char *group = print_text(rule, "group"), *unit = print_text(rule, "unit");
        char threshold[64] = "-";
        if (*unit != '\0')
            snprintf(threshold, sizeof threshold, "%" PRId64 " %s", print_number(rule, "threshold"), unit);
        printf("%-24s %-18s %-20s %22s %8s  ", print_text(rule, "id"), print_text(rule, "kind"),
               *group == '\0' ? "-" : group, threshold, print_duration(1000 * print_number(rule, "hold_s")));
        print_rule_state(rule, json_object_get(answer, "state"));
    }
}

static void print_targets(const json_t *answer)
{
    const json_t *targets = json_object_get(answer, "targets"), *one;
    json_t *to;
    size_t i, j;
    if (json_array_size(targets) == 0) {
        puts("no targets: rules fire, and nobody is told");
        return;
    }
    printf("%-24s %-8s %-5s %s\n", "target", "kind", "is", "where");
    json_array_foreach((json_t *)(uintptr_t)targets, i, one)
    {
        printf("%-24s %-8s %-5s %s%s", print_text(one, "id"), print_text(one, "kind"),
               json_is_true(json_object_get(one, "is_on")) ? "on" : "off", print_text(one, "url"),
               print_text(one, "program"));
        json_array_foreach(json_object_get(one, "to"), j, to) printf("%s%s", j == 0 ? " to " : ", ",
                                                                     json_string_value(to));
        putchar('\n');
    }
}

/* Each notice; below it how it went with each target. */
static void print_log(const json_t *answer)
{
    const json_t *notices = json_object_get(answer, "notices"), *notice;
    json_t *way;
    size_t i, j;
    if (json_array_size(notices) == 0) puts("nothing was told yet");
    json_array_foreach((json_t *)(uintptr_t)notices, i, notice)
    {
        printf("%-20s  %-9s  %s\n", print_utc(print_number(notice, "at_ms")), print_text(notice, "state"),
               print_text(notice, "text"));
        json_array_foreach(json_object_get(notice, "deliveries"), j, way)
        {
            const char *error = print_text(way, "error");
            printf("%33s%s: %s, attempts: %" PRId64 "%s%s\n", "", print_text(way, "target"),
                   print_text(way, "outcome"), print_number(way, "attempts"), *error == '\0' ? "" : ": ", error);
        }
    }
}

/* Shows what the API has at the path, or puts the file there first. */
static int show_or_set(struct cli *cli, const char *channel, const char *path, const char *file,
                       void (*print)(const json_t *))
{
    if (file != NULL && cli->watch) return cli_fail(CLI_USAGE, "--set and --watch do not go together");
    json_t *answer = NULL, *body = file == NULL ? NULL : read_json(file);
    if (file != NULL && body == NULL) return CLI_FAILED;
    const char *method = file == NULL ? "GET" : "PUT";
    int code = channel == NULL ? rest_call(cli, method, path, body, &answer)
                               : rest_call_channel(cli, method, channel, path, body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        print(answer);
    json_decref(answer);
    return code;
}

int cli_alert_rules(struct cli *cli, int argc, char **argv)
{
    const char *channel, *file = NULL;
    const struct cli_option options[] = {{.name = "--set", .text = &file}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(cli_alert_rules);
    return show_or_set(cli, channel, "/alerts", file, print_rules);
}

int cli_alert_targets(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL;
    const struct cli_option options[] = {{.name = "--set", .text = &file}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, NULL)) return cli_usage(cli_alert_targets);
    return show_or_set(cli, NULL, "/v1/alert-targets", file, print_targets);
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
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_alert_log);
    return show_or_set(cli, NULL, "/v1/alerts/log", NULL, print_log);
}
