/* millrace channel objects ...: which tables a channel follows, changed while it runs. */
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

enum objects_verb { OBJECTS_ADD, OBJECTS_REMOVE, OBJECTS_SET };

static size_t index_of(const json_t *list, const char *text)
{
    size_t i = 0;
    while (i < json_array_size(list) && strcmp(json_string_value(json_array_get(list, i)), text) != 0) i++;
    return i;
}

/* `list` with, without, or replaced by `patterns`; false: a pattern to be removed is not there. */
static bool change(json_t *tables, const char *key, const char *text, enum objects_verb verb)
{
    json_t *patterns = rest_list(text), *list = json_object_get(tables, key), *pattern;
    bool is_there = true;
    size_t i;
    if (text != NULL && verb == OBJECTS_SET) json_array_clear(list);
    json_array_foreach(patterns, i, pattern)
    {
        const char *name = json_string_value(pattern);
        size_t at = index_of(list, name);
        bool has = at < json_array_size(list);
        if (verb == OBJECTS_REMOVE && !has) {
            cli_fail(CLI_FAILED, "%s is not one of the channel's %s patterns", name, key);
            is_there = false;
        } else if (verb == OBJECTS_REMOVE) {
            json_array_remove(list, at);
        } else if (!has) {
            json_array_append(list, pattern);
        }
    }
    json_decref(patterns);
    return is_there;
}

static void print_list(const char *label, const json_t *list)
{
    json_t *pattern;
    size_t i;
    printf("  %s", label);
    json_array_foreach(list, i, pattern) printf("%s %s", i > 0 ? "," : "", json_string_value(pattern));
    puts("");
}

static int send(struct cli *cli, const char *name, json_t *tables)
{
    char path[256];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v1/channels/%s", name); /* it exists: it needs no escapes */
    int code = rest_call(cli, "PATCH", path, json_pack("{s:O}", "tables", tables), &answer);
    if (code == CLI_OK && cli->json)
        print_json(answer);
    else if (code == CLI_OK) {
        const json_t *now = json_object_get(answer, "tables");
        printf("channel %s: follows, from the next border between transactions on\n", name);
        print_list("tables", json_object_get(now, "include"));
        if (json_array_size(json_object_get(now, "exclude")) > 0)
            print_list("but not", json_object_get(now, "exclude"));
    }
    json_decref(answer);
    return code;
}

static int objects(struct cli *cli, int argc, char **argv, enum objects_verb verb,
                   int (*command)(struct cli *, int, char **))
{
    const char *name, *tables = NULL, *exclude = NULL;
    const struct cli_option options[] = {
        {.name = "--tables", .text = &tables}, {.name = "--exclude", .text = &exclude}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(command);
    if (tables == NULL && exclude == NULL) return cli_usage(command);
    json_t *channel;
    int code = rest_call_channel(cli, "GET", name, "", &channel);
    if (code != CLI_OK) return code;
    json_t *now = json_object_get(channel, "tables");
    bool includes = change(now, "include", tables, verb), excludes = change(now, "exclude", exclude, verb);
    code = includes && excludes ? send(cli, name, now) : CLI_FAILED;
    json_decref(channel);
    return code;
}

int cli_objects_add(struct cli *cli, int argc, char **argv)
{
    return objects(cli, argc, argv, OBJECTS_ADD, cli_objects_add);
}

int cli_objects_remove(struct cli *cli, int argc, char **argv)
{
    return objects(cli, argc, argv, OBJECTS_REMOVE, cli_objects_remove);
}

int cli_objects_set(struct cli *cli, int argc, char **argv)
{
    return objects(cli, argc, argv, OBJECTS_SET, cli_objects_set);
}
