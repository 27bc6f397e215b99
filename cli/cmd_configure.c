/* millrace channel configure: another source, account or setting for a channel that is there. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/password.h"
#include "cli/print.h"
#include "cli/rest_client.h"
#include "cli/source_url.h"

struct given { /* NULL, 0: not said, stays as it is */
    const char *source, *password_file, *standby, *tls, *tls_ca, *tls_certificate, *tls_key, *ddl, *statements,
        *partial_images, *text, *schema_file, *compression;
    uint64_t connect_timeout_s, read_timeout_s;
};

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL) json_object_set_new(object, key, json_string(text));
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
    if (number != 0) json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* The URL's parts, and the password from wherever it is. */
static int put_source(json_t *source, const struct given *g)
{
    struct source_url url = {.port = 0};
    struct err_msg msg;
    const char *from_environment = getenv("MILLRACE_SOURCE_PASSWORD");
    if (g->source != NULL && source_url_parse(g->source, &url, &msg) != ERR_OK)
        return cli_fail(CLI_USAGE, "%s", msg.text);
    if (g->source != NULL) {
        put_text(source, "host", url.host);
        put_number(source, "port", url.port);
        put_text(source, "user", url.user);
    }
    if (g->password_file != NULL) {
        int code = password_from_file(g->password_file, url.password, sizeof url.password);
        if (code != CLI_OK) return code;
        url.has_password = true;
    } else if (!url.has_password && from_environment != NULL) {
        snprintf(url.password, sizeof url.password, "%s", from_environment);
        url.has_password = true;
    }
    if (url.has_password) put_text(source, "password", url.password);
    explicit_bzero(&url, sizeof url);
    return CLI_OK;
}

static int make_change(json_t *body, const struct given *g)
{
    json_t *source = json_object(), *tls = json_object();
    int code = put_source(source, g);
    if (g->standby != NULL) json_object_set_new(source, "standby", rest_list(g->standby));
    put_text(tls, "mode", g->tls);
    put_text(tls, "ca", g->tls_ca);
    put_text(tls, "certificate", g->tls_certificate);
    put_text(tls, "key", g->tls_key);
    if (json_object_size(tls) > 0) json_object_set(source, "tls", tls);
    put_number(source, "connect_timeout_s", g->connect_timeout_s);
    put_number(source, "read_timeout_s", g->read_timeout_s);
    if (json_object_size(source) > 0) json_object_set(body, "source", source);
    put_text(body, "ddl", g->ddl);
    put_text(body, "statement_events", g->statements);
    put_text(body, "partial_images", g->partial_images);
    put_text(body, "text", g->text);
    put_text(body, "schema_file", g->schema_file);
    put_text(body, "compression", g->compression);
    json_decref(tls);
    json_decref(source);
    return code;
}

int cli_channel_configure(struct cli *cli, int argc, char **argv)
{
    const char *name;
    struct given g = {.source = NULL};
    const struct cli_option options[] = {
        {.name = "--source", .text = &g.source},
        {.name = "--password-file", .text = &g.password_file},
        {.name = "--standby", .text = &g.standby},
        {.name = "--tls", .text = &g.tls},
        {.name = "--tls-ca", .text = &g.tls_ca},
        {.name = "--tls-certificate", .text = &g.tls_certificate},
        {.name = "--tls-key", .text = &g.tls_key},
        {.name = "--connect-timeout-s", .number = &g.connect_timeout_s},
        {.name = "--read-timeout-s", .number = &g.read_timeout_s},
        {.name = "--ddl", .text = &g.ddl},
        {.name = "--statement-events", .text = &g.statements},
        {.name = "--partial-images", .text = &g.partial_images},
        {.name = "--text", .text = &g.text},
        {.name = "--schema-file", .text = &g.schema_file},
        {.name = "--compression", .text = &g.compression},
        {NULL},
    };
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(cli_channel_configure);
    json_t *body = json_object(), *answer = NULL;
    int code = make_change(body, &g);
    if (code == CLI_OK && json_object_size(body) == 0) code = cli_usage(cli_channel_configure);
    if (code != CLI_OK) {
        json_decref(body);
        return code;
    }
    code = rest_call_channel(cli, "PATCH", name, "", body, &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("channel %s: changed; it is '%s'\n", name, print_text(answer, "state"));
    json_decref(answer);
    return code;
}
