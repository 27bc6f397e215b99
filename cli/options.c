#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static bool take_number(const char *name, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        cli_fail(0, "%s takes a whole number, not '%s'", name, text);
        return false;
    }
    *out = value;
    return true;
}

/* `at` is the option's place in argv; on success it is moved to its last word. */
static bool take_option(const struct cli_option *o, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    const char *value = equals == NULL ? NULL : equals + 1;
    if (o->flag != NULL) {
        if (value != NULL) cli_fail(0, "%s takes no value", o->name);
        *o->flag = true;
        return value == NULL;
    }
    if (value == NULL) {
        if (*at + 1 == argc) {
            cli_fail(0, "%s needs a value", o->name);
            return false;
        }
        value = argv[++*at];
    }
    if (o->number != NULL) return take_number(o->name, value, o->number);
    *o->text = value;
    return true;
}

static const struct cli_option *find(const struct cli_option *options, const char *word)
{
    size_t size = strcspn(word, "=");
    for (const struct cli_option *o = options; o->name != NULL; o++)
        if (strlen(o->name) == size && strncmp(o->name, word, size) == 0) return o;
    return NULL;
}

bool cli_options_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, const char **argument)
{
    const struct cli_option common[] = {
        {.name = "--json", .flag = &cli->json},
        {.name = "--watch", .flag = &cli->watch},
        {.name = "--server", .text = &cli->server},
        {.name = "--ca", .text = &cli->ca},
        {.name = "--token-file", .text = &cli->token_file},
        {NULL}};
    bool only_arguments = false;
    if (argument != NULL) *argument = NULL;
    for (int at = 1; at < argc; at++) {
        if (!only_arguments && strcmp(argv[at], "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (only_arguments || argv[at][0] != '-') {
            if (argument == NULL || *argument != NULL) {
                cli_fail(0, "'%s' is one argument too many", argv[at]);
                return false;
            }
            *argument = argv[at];
            continue;
        }
        const struct cli_option *o = find(options, argv[at]);
        if (o == NULL) o = find(common, argv[at]);
        if (o == NULL) {
            cli_fail(0, "there is no option %s here", argv[at]);
            return false;
        }
        if (!take_option(o, argc, argv, &at)) return false;
    }
    if (argument != NULL && *argument == NULL) cli_fail(0, "a name is missing");
    return argument == NULL || *argument != NULL;
}
