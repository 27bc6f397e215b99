/* millrace group ... and millrace account ...: who may log in with a Kafka client. */
#include <curl/curl.h>
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/password.h"
#include "cli/print.h"
#include "cli/rest_client.h"

enum { PASSWORD_BYTES = 512 };

/* Adds the password from wherever it is. */
static int add_password(json_t *body, const char *password_file)
{
    char password[PASSWORD_BYTES];
    int code = password_take(password_file, CLI_PASSWORD_VARIABLE, password, sizeof password);
    if (code == CLI_OK && json_object_set_new(body, "password", json_string(password)) != 0)
        code = cli_fail(CLI_USAGE, "the password is not UTF-8");
    explicit_bzero(password, sizeof password);
    return code;
}

/* Takes `body` over and asks with it; "with_password": adds the password first. */
static int ask(const struct cli *cli, const char *method, const char *path, json_t *body, bool with_password,
               const char *password_file, json_t **answer)
{
    int code = with_password ? add_password(body, password_file) : CLI_OK;
    *answer = NULL;
    if (code == CLI_OK) return rest_call(cli, method, path, body, answer);
    json_decref(body);
    return code;
}

/* "/v1/channels/CHANNEL/groups" or "/v1/channels/CHANNEL/groups/GROUP" */
static int group_path(char *out, size_t out_bytes, const char *channel, const char *group)
{
    char *a = curl_easy_escape(NULL, channel, 0), *b = group == NULL ? NULL : curl_easy_escape(NULL, group, 0);
    int size = a == NULL || (group != NULL && b == NULL)
                   ? (int)out_bytes
                   : snprintf(out, out_bytes, "/v1/channels/%s/groups%s%s", a, b == NULL ? "" : "/",
                              b == NULL ? "" : b);
    curl_free(a);
    curl_free(b);
    return size < (int)out_bytes ? CLI_OK : cli_fail(CLI_USAGE, "the name is too long");
}

static void print_group(const json_t *g)
{
    printf("  log in as   %s\n  state       %s, %" PRId64 " members\n", print_text(g, "user"), print_text(g, "state"),
           print_number(g, "member_count"));
    const json_t *checkpoint = json_object_get(g, "checkpoint"), *lag = json_object_get(g, "lag"), *member;
    if (json_is_object(checkpoint))
        printf("  checkpoint  %" PRId64 ", %s\n  lag         %" PRId64 " records, %s\n",
               print_number(checkpoint, "offset"), print_text(checkpoint, "time"), print_number(lag, "records"),
               print_seconds(json_object_get(lag, "seconds")));
    size_t i;
    json_array_foreach(json_object_get(g, "members"), i, member)
        printf("  member      %s at %s%s\n", print_text(member, "client_id"), print_text(member, "host"),
               json_is_true(json_object_get(member, "is_active")) ? ", active" : ", stands by");
}

enum group_verb { GROUP_CREATE, GROUP_SHOW, GROUP_PASSWORD, GROUP_DELETE };

static int group(struct cli *cli, int argc, char **argv, enum group_verb verb,
                 int (*command)(struct cli *, int, char **))
{
    static const char *const methods[] = {"POST", "GET", "PATCH", "DELETE"};
    static const char *const done[] = {"created", "", "its password was changed; its connections end", "deleted"};
    const char *channel, *id = NULL, *account = NULL, *password_file = NULL;
    char path[2048];
    bool takes_password = verb == GROUP_CREATE || verb == GROUP_PASSWORD;
    const struct cli_option options[] = {{.name = "--group", .text = &id},
                                         {.name = "--account", .text = &account},
                                         {.name = "--password-file", .text = &password_file},
                                         {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(command);
    if (id == NULL || (verb == GROUP_CREATE) != (account != NULL) || (password_file != NULL && !takes_password))
        return cli_usage(command);
    int code = group_path(path, sizeof path, channel, verb == GROUP_CREATE ? NULL : id);
    if (code != CLI_OK) return code;
    json_t *body = takes_password ? json_object() : NULL, *answer;
    if (verb == GROUP_CREATE) {
        json_object_set_new(body, "group", json_string(id));
        json_object_set_new(body, "account", json_string(account));
    }
    code = ask(cli, methods[verb], path, body, takes_password, password_file, &answer);
    if (code == CLI_OK && cli->json && answer != NULL) {
        print_json(answer);
    } else if (code == CLI_OK && !cli->json) {
        printf("group %s of channel %s%s%s\n", id, channel, verb == GROUP_SHOW ? "" : ": ", done[verb]);
        if (verb != GROUP_DELETE) print_group(answer);
    }
    json_decref(answer);
    return code;
}

int cli_group_create(struct cli *cli, int argc, char **argv)
{
    return group(cli, argc, argv, GROUP_CREATE, cli_group_create);
}
int cli_group_show(struct cli *cli, int argc, char **argv)
{
    return group(cli, argc, argv, GROUP_SHOW, cli_group_show);
}
int cli_group_password(struct cli *cli, int argc, char **argv)
{
    return group(cli, argc, argv, GROUP_PASSWORD, cli_group_password);
}
int cli_group_delete(struct cli *cli, int argc, char **argv)
{
    return group(cli, argc, argv, GROUP_DELETE, cli_group_delete);
}

int cli_group_checkpoint(struct cli *cli, int argc, char **argv)
{
    const char *channel, *id = NULL, *time = NULL;
    uint64_t offset = UINT64_MAX;
    bool earliest = false, latest = false;
    char path[2048], whole[2100];
    const struct cli_option options[] = {{.name = "--group", .text = &id},
                                         {.name = "--to-offset", .number = &offset},
                                         {.name = "--to-time", .text = &time},
                                         {.name = "--to-earliest", .flag = &earliest},
                                         {.name = "--to-latest", .flag = &latest},
                                         {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &channel)) return cli_usage(cli_group_checkpoint);
    if (id == NULL || (offset != UINT64_MAX) + (time != NULL) + earliest + latest != 1)
        return cli_usage(cli_group_checkpoint);
    int code = group_path(path, sizeof path, channel, id);
    if (code != CLI_OK) return code;
    snprintf(whole, sizeof whole, "%s/checkpoint", path);
    json_t *answer, *body = offset != UINT64_MAX ? json_pack("{s:I}", "offset", (json_int_t)offset)
                            : time != NULL       ? json_pack("{s:s}", "time", time)
                                                 : json_pack("{s:s}", "to", earliest ? "earliest" : "latest");
    code = ask(cli, "PUT", whole, body, false, NULL, &answer);
    if (code == CLI_OK && cli->json) {
        print_json(answer);
    } else if (code == CLI_OK) {
        printf("group %s of channel %s: moved\n", id, channel);
        print_group(answer);
    }
    json_decref(answer);
    return code;
}

/* --- operators --- */

static int account(struct cli *cli, int argc, char **argv, const char *method,
                   int (*command)(struct cli *, int, char **))
{
    const char *name, *password_file = NULL;
    char path[2048] = "/v1/accounts";
    bool is_new = strcmp(method, "POST") == 0, takes_password = strcmp(method, "DELETE") != 0;
    const struct cli_option options[] = {{.name = "--password-file", .text = &password_file}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(command);
    if (password_file != NULL && !takes_password) return cli_usage(command);
    char *escaped = curl_easy_escape(NULL, name, 0);
    if (!is_new) snprintf(path, sizeof path, "/v1/accounts/%.1900s", escaped == NULL ? "" : escaped);
    curl_free(escaped);
    json_t *body = takes_password ? json_object() : NULL, *answer;
    if (is_new) json_object_set_new(body, "account", json_string(name));
    int code = ask(cli, method, path, body, takes_password, password_file, &answer);
    if (code == CLI_OK && cli->json && answer != NULL)
        print_json(answer);
    else if (code == CLI_OK && !cli->json)
        printf("operator's account %s: %s\n", name,
               is_new ? "created" : takes_password ? "its password was changed; its connections end" : "deleted");
    json_decref(answer);
    return code;
}

int cli_account_create(struct cli *cli, int argc, char **argv)
{
    return account(cli, argc, argv, "POST", cli_account_create);
}
int cli_account_password(struct cli *cli, int argc, char **argv)
{
    return account(cli, argc, argv, "PATCH", cli_account_password);
}
int cli_account_delete(struct cli *cli, int argc, char **argv)
{
    return account(cli, argc, argv, "DELETE", cli_account_delete);
}

int cli_account_list(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_account_list);
    int code = rest_call(cli, "GET", "/v1/accounts", NULL, &answer);
    const json_t *list = json_object_get(answer, "accounts");
    if (code == CLI_OK && cli->json) print_json(answer);
    for (size_t i = 0; code == CLI_OK && !cli->json && i < json_array_size(list); i++)
        puts(print_text(json_array_get(list, i), "account"));
    if (code == CLI_OK && !cli->json && json_array_size(list) == 0)
        puts("no operators' accounts; see millrace account create");
    json_decref(answer);
    return code;
}
