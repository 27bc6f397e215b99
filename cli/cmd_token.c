/* millrace token ...: who may use the REST API. */
#include <curl/curl.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

int cli_token_create(struct cli *cli, int argc, char **argv)
{
    const char *name, *role = NULL;
    json_t *answer;
    const struct cli_option options[] = {{.name = "--role", .text = &role}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name) || role == NULL) return cli_usage(cli_token_create);
    json_t *body = json_pack("{s:s, s:s}", "name", name, "role", role);
    if (body == NULL) return cli_fail(CLI_USAGE, "the name is not UTF-8");
    int code = rest_call(cli, "POST", "/v1/tokens", body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK) {
        puts(print_text(answer, "token"));
        fprintf(stderr, "millrace: token %s of %s (%s): keep the line above, it is not shown again\n",
                print_text(answer, "id"), print_text(answer, "name"), print_text(answer, "role"));
    }
    json_decref(answer);
    return code;
}

int cli_token_list(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_token_list);
    int code = rest_call(cli, "GET", "/v1/tokens", NULL, &answer);
    const json_t *tokens = json_object_get(answer, "tokens"), *one;
    size_t i;
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK && json_array_size(tokens) == 0)
        puts("no tokens: the API is open to this machine, and to no other");
    else if (code == CLI_OK) {
        printf("%-12s %-7s %-20s %s\n", "id", "role", "created", "name");
        json_array_foreach((json_t *)(uintptr_t)tokens, i, one)
            printf("%-12s %-7s %-20s %s\n", print_text(one, "id"), print_text(one, "role"),
                   print_utc(print_number(one, "created_ms")), print_text(one, "name"));
    }
    json_decref(answer);
    return code;
}

int cli_token_revoke(struct cli *cli, int argc, char **argv)
{
    const char *id;
    char path[256];
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &id)) return cli_usage(cli_token_revoke);
    char *escaped = curl_easy_escape(NULL, id, 0);
    int size = escaped == NULL ? (int)sizeof path : snprintf(path, sizeof path, "/v1/tokens/%s", escaped);
    curl_free(escaped);
    if (size >= (int)sizeof path) return cli_fail(CLI_USAGE, "'%.60s...' is no token's ID", id);
    int code = rest_call(cli, "DELETE", path, NULL, &answer);
    if (code == CLI_OK && !cli->json) printf("token %s: revoked\n", id);
    json_decref(answer);
    return code;
}
