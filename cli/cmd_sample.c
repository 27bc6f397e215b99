/* millrace channel sample: a consumer to copy. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

enum { SUFFIX_BYTES = 900 };

/* Appends `?NAME=VALUE` or `&NAME=VALUE`; what does not fit fails as a name that is too long. */
static void add_query(char *suffix, const char *name, const char *value)
{
    size_t at = strlen(suffix);
    char *escaped = value == NULL ? NULL : curl_easy_escape(NULL, value, 0);
    if (escaped != NULL)
        snprintf(suffix + at, SUFFIX_BYTES - at, "%c%s=%s", strchr(suffix, '?') == NULL ? '?' : '&', name, escaped);
    curl_free(escaped);
}

static int list_samples(struct cli *cli, const char *channel)
{
    json_t *answer, *at;
    size_t i, j;
    int code = rest_call_channel(cli, "GET", channel, "/samples", NULL, &answer);
    if (code == CLI_OK && cli->json) print_json(answer);
    json_array_foreach(json_object_get(answer, "samples"), i, at) {
        json_t *file;
        if (cli->json) break;
        printf("%-10s", print_text(at, "language"));
        json_array_foreach(json_object_get(at, "files"), j, file) printf(" %s", json_string_value(file));
        putchar('\n');
    }
    json_decref(answer);
    return code;
}

int cli_channel_sample(struct cli *cli, int argc, char **argv)
{
    const char *channel, *language = NULL, *group = NULL, *file = NULL;
    char suffix[SUFFIX_BYTES];
    const struct cli_option options[] = {
        {.name = "--group", .text = &group}, {.name = "--file", .text = &file}, {NULL}};
    if (argc > 2 && argv[1][0] != '-' && argv[2][0] != '-') { /* the options' parser knows one argument */
        language = argv[2];
        argv[2] = argv[1];
        argc--, argv++;
    }
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(cli_channel_sample);
    if (language == NULL)
        return group != NULL || file != NULL ? cli_usage(cli_channel_sample) : list_samples(cli, channel);
    char *escaped = curl_easy_escape(NULL, language, 0);
    snprintf(suffix, sizeof suffix, "/samples/%.300s", escaped == NULL ? "" : escaped);
    curl_free(escaped);
    add_query(suffix, "group", group);
    add_query(suffix, "file", file);
    json_t *answer;
    int code = rest_call_channel(cli, "GET", channel, suffix, NULL, &answer);
    if (code == CLI_OK && (cli->json || !json_is_string(answer)))
        print_json(answer);
    else if (code == CLI_OK)
        fputs(json_string_value(answer), stdout);
    json_decref(answer);
    return code;
}
