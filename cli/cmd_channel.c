/* millrace channel ...: makes, moves, shows and removes channels. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"
#include "cli/source_url.h"

/* The first line of the file. */
static int read_password(const char *path, char *out, size_t out_bytes)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) return cli_fail(CLI_FAILED, "cannot open the password file %s: %s", path, strerror(errno));
    bool got = fgets(out, (int)out_bytes, f) != NULL;
    bool is_cut = got && strchr(out, '\n') == NULL && !feof(f);
    fclose(f);
    if (!got || is_cut)
        return cli_fail(CLI_FAILED, "the password file %s %s", path, got ? "has too long a line" : "is empty");
    out[strcspn(out, "\r\n")] = '\0';
    return CLI_OK;
}

/* "a.*,b.t" -> ["a.*", "b.t"]; NULL -> [] */
static json_t *patterns_of(const char *list)
{
    json_t *patterns = json_array();
    for (const char *at = list; at != NULL && *at != '\0';) {
        while (*at == ' ' || *at == ',') at++;
        size_t size = strcspn(at, ",");
        size_t kept = size;
        while (kept > 0 && at[kept - 1] == ' ') kept--;
        if (kept > 0) json_array_append_new(patterns, json_stringn(at, kept));
        at += size;
    }
    return patterns;
}

static json_t *source_json(const struct source_url *url, uint64_t server_id)
{
    json_t *source = json_pack("{s:s, s:i, s:s, s:s}", "host", url->host, "port", (int)url->port, "user", url->user,
                               "password", url->password);
    if (source != NULL && server_id != 0) json_object_set_new(source, "server_id", json_integer((json_int_t)server_id));
    return source;
}

int cli_channel_create(struct cli *cli, int argc, char **argv)
{
    const char *name, *source = NULL, *tables = NULL, *exclude = NULL, *start_at = "now", *ddl = "instance",
               *statements = "error", *partial_images = "error", *text = "stored", *visible = "durable",
               *password_file = NULL;
    uint64_t server_id = 0;
    const struct cli_option options[] = {
        {.name = "--source", .text = &source},
        {.name = "--tables", .text = &tables},
        {.name = "--exclude", .text = &exclude},
        {.name = "--start-at", .text = &start_at},
        {.name = "--ddl", .text = &ddl},
        {.name = "--statement-events", .text = &statements},
        {.name = "--partial-images", .text = &partial_images},
        {.name = "--visible", .text = &visible},
        {.name = "--text", .text = &text},
        {.name = "--password-file", .text = &password_file},
        {.name = "--server-id", .number = &server_id},
        {NULL},
    };
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(cli_channel_create);
    if (source == NULL || tables == NULL) {
        cli_fail(0, "%s is missing", source == NULL ? "--source" : "--tables");
        return cli_usage(cli_channel_create);
    }
    struct source_url url;
    struct err_msg msg;
    if (source_url_parse(source, &url, &msg) != ERR_OK) return cli_fail(CLI_USAGE, "%s", msg.text);
    const char *from_environment = getenv("MILLRACE_SOURCE_PASSWORD");
    if (password_file != NULL) {
        int code = read_password(password_file, url.password, sizeof url.password);
        if (code != CLI_OK) return code;
    } else if (!url.has_password && from_environment != NULL) {
        snprintf(url.password, sizeof url.password, "%s", from_environment);
    }
    json_t *body =
        json_pack("{s:s, s:o, s:{s:o, s:o}, s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "source",
                  source_json(&url, server_id), "tables", "include", patterns_of(tables), "exclude",
                  patterns_of(exclude), "start_at", start_at, "ddl", ddl, "statement_events", statements,
                  "partial_images", partial_images, "text", text, "visible", visible);
    explicit_bzero(&url, sizeof url);
    if (body == NULL) return cli_fail(CLI_USAGE, "the arguments are not UTF-8");
    json_t *answer;
    int code = rest_call(cli, "POST", "/v1/channels", body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("channel %s: created, its source is being checked.  Next: millrace channel start %s\n", name, name);
    json_decref(answer);
    return code;
}

/* start, stop, resume: ask, and say what state followed. */
static int operate(struct cli *cli, int argc, char **argv, const char *verb, int (*self)(struct cli *, int, char **))
{
    const char *name;
    char suffix[32];
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &name)) return cli_usage(self);
    snprintf(suffix, sizeof suffix, "/%s", verb);
    int code = rest_call_channel(cli, "POST", name, suffix, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("channel %s: %s\n", name, print_text(answer, "state"));
    json_decref(answer);
    return code;
}

int cli_channel_start(struct cli *cli, int argc, char **argv)
{
    return operate(cli, argc, argv, "start", cli_channel_start);
}
int cli_channel_stop(struct cli *cli, int argc, char **argv)
{
    return operate(cli, argc, argv, "stop", cli_channel_stop);
}
int cli_channel_resume(struct cli *cli, int argc, char **argv)
{
    return operate(cli, argc, argv, "resume", cli_channel_resume);
}

int cli_channel_status(struct cli *cli, int argc, char **argv)
{
    const char *name;
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &name)) return cli_usage(cli_channel_status);
    int code = rest_call_channel(cli, "GET", name, "/status", &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        print_channel(answer);
    json_decref(answer);
    return code;
}

int cli_channel_list(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, NULL)) return cli_usage(cli_channel_list);
    int code = rest_call(cli, "GET", "/v1/channels", NULL, &answer);
    const json_t *channels = json_object_get(answer, "channels");
    if (code == CLI_OK && cli->json) print_json(answer);
    for (size_t i = 0; code == CLI_OK && !cli->json && i < json_array_size(channels); i++)
        print_channel_line(json_array_get(channels, i));
    if (code == CLI_OK && !cli->json && json_array_size(channels) == 0)
        printf("no channels; see millrace channel create\n");
    json_decref(answer);
    return code;
}

/* Data is lost for good: the name is asked for again. */
static bool is_confirmed(const char *name)
{
    char line[256];
    fprintf(
        stderr,
        "This removes channel %s, all its data and its groups' checkpoints.\nType the channel's name to go on: ", name);
    if (fgets(line, sizeof line, stdin) == NULL) return false;
    line[strcspn(line, "\r\n")] = '\0';
    return strcmp(line, name) == 0;
}

int cli_channel_delete(struct cli *cli, int argc, char **argv)
{
    const char *name;
    bool yes = false;
    json_t *answer;
    const struct cli_option options[] = {{.name = "--yes", .flag = &yes}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(cli_channel_delete);
    if (!yes && !is_confirmed(name))
        return cli_fail(CLI_FAILED, "not deleted: the name did not match (--yes skips the question)");
    int code = rest_call_channel(cli, "DELETE", name, "", &answer);
    if (code == CLI_OK && !cli->json) printf("channel %s: deleted\n", name);
    json_decref(answer);
    return code;
}
