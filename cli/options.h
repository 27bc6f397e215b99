/* cli/options.h -- the options of one command: a table, filled from its arguments in any order. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct cli;

struct cli_option {
    const char *name;  /* "--group" */
    const char **text; /* takes a value, or */
    bool *flag;        /* takes none, or */
    uint64_t *number;  /* takes a whole number */
};

/* Fills the options (a table that ends with a NULL name) and `argument`, the one thing that is no option (NULL: the
 * command takes none).  --json and --server are taken here as well.  False: wrong usage, said on stderr. */
bool cli_options_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, const char **argument);

#endif
