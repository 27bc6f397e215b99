/* millrace channel ...: makes, moves, shows and removes channels. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/options.h"
#include "cli/password.h"
#include "cli/print.h"
#include "cli/rest_client.h"
#include "cli/source_url.h"

struct source_words { /* options about the source */
    const char *standby, *tls, *tls_ca, *tls_certificate, *tls_key;
    uint64_t server_id, read_timeout_s, connect_timeout_s;
};

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL) json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number != 0) json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* now, earliest, gtid:SET, file:NAME:POSITION, time:WHEN.  What is none of these goes as it is. */
static json_t *start_json(const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (strncmp(text, "gtid:", 5) == 0) return json_pack("{s:s}", "gtid_set", text + 5);
    if (strncmp(text, "time:", 5) == 0) {
        unsigned long long seconds = strtoull(text + 5, &end, 10);
        return end != text + 5 && *end == '\0' ? json_pack("{s:I}", "time", (json_int_t)seconds)
                                               : json_pack("{s:s}", "time", text + 5);
    }
    if (strncmp(text, "file:", 5) != 0) return json_string(text);
    if (colon == text + 4) return json_pack("{s:s}", "file", text + 5);
    json_t *start = json_object();
    json_object_set_new(start, "file", json_stringn(text + 5, (size_t)(colon - text - 5)));
    json_object_set_new(start, "position", json_integer((json_int_t)strtoull(colon + 1, &end, 10)));
    return start;
}

/* `files`: a folder, instead of a server. */
static json_t *source_json(const char *files, const struct source_url *url, const struct source_words *words)
{
    if (files != NULL) return json_pack("{s:s}", "files", files);
    json_t *source = json_pack("{s:s, s:i, s:s, s:s}", "host", url->host, "port", (int)url->port, "user", url->user,
                               "password", url->password);
    if (source == NULL) return NULL;
    if (words->standby != NULL) json_object_set_new(source, "standby", rest_list(words->standby));
    json_t *tls = json_object();
    set_text(tls, "mode", words->tls);
    set_text(tls, "ca", words->tls_ca);
    set_text(tls, "certificate", words->tls_certificate);
    set_text(tls, "key", words->tls_key);
    if (json_object_size(tls) > 0) json_object_set(source, "tls", tls);
    json_decref(tls);
    set_number(source, "server_id", words->server_id);
    set_number(source, "read_timeout_s", words->read_timeout_s);
    set_number(source, "connect_timeout_s", words->connect_timeout_s);
    return source;
}

int cli_channel_create(struct cli *cli, int argc, char **argv)
{
    const char *name, *source = NULL, *files = NULL, *tables = NULL, *exclude = NULL, *start_at = NULL,
               *ddl = "instance", *statements = "error", *partial_images = "error", *text = "stored",
               *visible = "durable", *compression = "none", *password_file = NULL, *schema_file = NULL;
    bool waits = false;
    struct source_words words = {0};
    const struct cli_option options[] = {
        {.name = "--wait", .flag = &waits},
        {.name = "--source", .text = &source},
        {.name = "--source-files", .text = &files},
        {.name = "--tables", .text = &tables},
        {.name = "--exclude", .text = &exclude},
        {.name = "--start-at", .text = &start_at},
        {.name = "--ddl", .text = &ddl},
        {.name = "--statement-events", .text = &statements},
        {.name = "--partial-images", .text = &partial_images},
        {.name = "--visible", .text = &visible},
        {.name = "--text", .text = &text},
        {.name = "--compression", .text = &compression},
        {.name = "--password-file", .text = &password_file},
        {.name = "--schema-file", .text = &schema_file},
        {.name = "--server-id", .number = &words.server_id},
        {.name = "--standby", .text = &words.standby},
        {.name = "--tls", .text = &words.tls},
        {.name = "--tls-ca", .text = &words.tls_ca},
        {.name = "--tls-certificate", .text = &words.tls_certificate},
        {.name = "--tls-key", .text = &words.tls_key},
        {.name = "--connect-timeout-s", .number = &words.connect_timeout_s},
        {.name = "--read-timeout-s", .number = &words.read_timeout_s},
        {NULL},
    };
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(cli_channel_create);
    if ((source == NULL && files == NULL) || tables == NULL) {
        cli_fail(0, "%s is missing", tables == NULL ? "--tables" : "--source or --source-files");
        return cli_usage(cli_channel_create);
    }
    bool is_of_server = words.standby != NULL || words.tls != NULL || words.tls_ca != NULL ||
                        words.tls_certificate != NULL || words.tls_key != NULL || words.server_id != 0 ||
                        words.read_timeout_s != 0 || words.connect_timeout_s != 0 || password_file != NULL;
    if (files != NULL && (source != NULL || is_of_server))
        return cli_fail(CLI_USAGE, "--source-files goes with no option about a server");
    struct source_url url = {.port = 0};
    struct err_msg msg;
    if (files == NULL && source_url_parse(source, &url, &msg) != ERR_OK) return cli_fail(CLI_USAGE, "%s", msg.text);
    const char *from_environment = getenv("MILLRACE_SOURCE_PASSWORD");
    if (password_file != NULL) {
        int code = password_from_file(password_file, url.password, sizeof url.password);
        if (code != CLI_OK) return code;
    } else if (!url.has_password && from_environment != NULL) {
        snprintf(url.password, sizeof url.password, "%s", from_environment);
    }
    json_t *body =
        json_pack("{s:s, s:o, s:{s:o, s:o}, s:o, s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "source",
                  source_json(files, &url, &words), "tables", "include", rest_list(tables), "exclude",
                  rest_list(exclude), "start_at",
                  start_json(start_at != NULL ? start_at : files == NULL ? "now" : "earliest"), "ddl", ddl,
                  "statement_events", statements,
                  "partial_images", partial_images, "text", text, "visible", visible, "compression",
                  compression);
    explicit_bzero(&url, sizeof url);
    if (body == NULL) return cli_fail(CLI_USAGE, "the arguments are not UTF-8");
    set_text(body, "schema_file", schema_file);
    json_t *answer;
    int code = rest_call(cli, "POST", "/v1/channels", body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("channel %s: created, its source is being checked.  Next: millrace channel start %s\n", name, name);
    json_decref(answer);
    return code == CLI_OK && waits ? follow_channel(cli, name, FOLLOW_CHECKED) : code;
}

/* start, stop, resume: ask, and say what state followed. */
static int operate(struct cli *cli, int argc, char **argv, const char *verb, int (*self)(struct cli *, int, char **))
{
    const char *name;
    char suffix[32];
    bool waits = false;
    json_t *answer;
    const struct cli_option options[] = {{.name = "--wait", .flag = &waits}, {NULL}};
    bool may_wait = self != cli_channel_stop; /* which is done when it is answered */
    if (!cli_options_parse(cli, argc, argv, may_wait ? options : options + 1, &name)) return cli_usage(self);
    snprintf(suffix, sizeof suffix, "/%s", verb);
    int code = rest_call_channel(cli, "POST", name, suffix, NULL, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("channel %s: %s\n", name, print_text(answer, "state"));
    bool is_check = strcmp(print_text(answer, "state"), "Prechecking") == 0 &&
                    !json_is_true(json_object_get(answer, "is_started"));
    json_decref(answer);
    return code == CLI_OK && waits ? follow_channel(cli, name, is_check ? FOLLOW_CHECKED : FOLLOW_NORMAL) : code;
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

/* A table; below an item that did not pass, what to do and the SQL that asked. */
static void print_precheck(const json_t *answer)
{
    const json_t *items = json_object_get(answer, "items");
    if (json_array_size(items) == 0)
        printf("%s: not checked since millraced started\n", print_text(answer, "channel"));
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        printf("%-8s %-17s %s\n", print_text(item, "verdict"), print_text(item, "item"), print_text(item, "found"));
        if (*print_text(item, "mend") == '\0') continue;
        printf("%-26s to do: %s\n", "", print_text(item, "mend"));
        if (*print_text(item, "sql") != '\0') printf("%-26s asked: %s\n", "", print_text(item, "sql"));
    }
}

int cli_channel_precheck(struct cli *cli, int argc, char **argv)
{
    const char *name;
    json_t *answer;
    bool waits = false;
    const struct cli_option options[] = {{.name = "--wait", .flag = &waits}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(cli_channel_precheck);
    int verdict = waits ? follow_channel(cli, name, FOLLOW_CHECKED) : CLI_OK;
    if (verdict == CLI_UNREACHABLE) return verdict;
    int code = rest_call_channel(cli, "GET", name, "/precheck", NULL, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        print_precheck(answer);
    json_decref(answer);
    return code == CLI_OK ? verdict : code;
}

int cli_channel_status(struct cli *cli, int argc, char **argv)
{
    const char *name;
    json_t *answer;
    const struct cli_option none[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, none, &name)) return cli_usage(cli_channel_status);
    int code = rest_call_channel(cli, "GET", name, "/status", NULL, &answer);
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
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK && json_array_size(channels) == 0)
        printf("no channels; see millrace channel create\n");
    else if (code == CLI_OK)
        print_channels(channels);
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
    int code = rest_call_channel(cli, "DELETE", name, "", NULL, &answer);
    if (code == CLI_OK && answer != NULL) /* accepted, and held up */
        code = cli_fail(CLI_FAILED, "channel %s: its deletion was accepted and goes on by itself, but is held up: %s",
                        name, print_text(json_object_get(answer, "error"), "text"));
    if (answer != NULL && cli->json) print_json(answer);
    if (code == CLI_OK && !cli->json) printf("channel %s: deleted\n", name);
    json_decref(answer);
    return code;
}
