/* millrace channel objects ...: which tables a channel follows, changed while it runs. */
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

enum objects_verb { OBJECTS_ADD, OBJECTS_REMOVE, OBJECTS_SET };

static void print_list(const char *label, const json_t *list)
{
    json_t *pattern;
    size_t i;
    printf("  %s", label);
    json_array_foreach(list, i, pattern) printf("%s %s", i > 0 ? "," : "", json_string_value(pattern));
    puts("");
}

static int send(struct cli *cli, const char *method, const char *name, json_t *body)
{
    json_t *now = NULL;
    int code = rest_call_channel(cli, method, name, "/objects", body, &now);
    if (code == CLI_OK && cli->json)
        print_json(now);
    else if (code == CLI_OK) {
        printf("channel %s: follows, from the next border between transactions on\n", name);
        print_list("tables", json_object_get(now, "include"));
        if (json_array_size(json_object_get(now, "exclude")) > 0)
            print_list("but not", json_object_get(now, "exclude"));
    }
    json_decref(now);
    return code;
}

/* What is given, as the API's lists. */
static json_t *lists(const char *tables, const char *exclude)
{
    json_t *made = json_object();
    if (tables != NULL) json_object_set_new(made, "include", rest_list(tables));
    if (exclude != NULL) json_object_set_new(made, "exclude", rest_list(exclude));
    return made;
}

static int objects(struct cli *cli, int argc, char **argv, enum objects_verb verb,
                   int (*command)(struct cli *, int, char **))
{
    const char *name, *tables = NULL, *exclude = NULL;
    const struct cli_option options[] = {
        {.name = "--tables", .text = &tables}, {.name = "--exclude", .text = &exclude}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &name)) return cli_usage(command);
    if (tables == NULL && exclude == NULL) return cli_usage(command);
    if (verb != OBJECTS_SET)
        return send(cli, "PATCH", name,
                    json_pack("{s:o}", verb == OBJECTS_ADD ? "add" : "remove", lists(tables, exclude)));
    json_t *now, *given = lists(tables, exclude);
    int code = rest_call_channel(cli, "GET", name, "/objects", NULL, &now);
    if (code == CLI_OK) {
        json_object_update(now, given); /* a list that is not given stays */
        code = send(cli, "PUT", name, now);
    }
    json_decref(given);
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
