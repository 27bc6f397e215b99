/* cli/cli.h -- what the commands of `millrace` share: exit codes, options, talking to people. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* refused, or found wrong */
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3, /* millraced does not answer */
};

struct cli {
    const char *server; /* http://host:port of the REST API, or https:// */
    const char *ca;     /* PEM file of whom to trust with https; NULL: the system's authorities */
    const char *token_file; /* NULL: none; "-": stdin */
    bool json;          /* print JSON for programs, not text for people */
    bool watch;         /* again each second, until interrupted */
};

/* An option that every command takes, before it or behind it. */
struct cli_global {
    const char *name;  /* "--server" */
    const char *value; /* "URL"; NULL: it takes none */
    const char *what;
};
/* NULL-terminated; cli/main.c */
extern const struct cli_global cli_globals[];

/* One command: its words are taken off argv, argv[0] is the last of them. */
struct cli_command {
    const char *words; /* "channel create" */
    const char *usage; /* behind the words */
    const char *what;
    int (*run)(struct cli *cli, int argc, char **argv);
    bool may_watch; /* it only looks: --watch makes sense */
};

/* NULL-terminated; cli/main.c */
extern const struct cli_command cli_commands[];

/* "millrace: ..." on stderr; returns `code`, so that it can stand in a return. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The usage of the command whose function this is, on stderr; returns CLI_USAGE. */
int cli_usage(int (*run)(struct cli *, int, char **));

int cli_channel_create(struct cli *cli, int argc, char **argv);
int cli_channel_configure(struct cli *cli, int argc, char **argv);
int cli_channel_start(struct cli *cli, int argc, char **argv);
int cli_channel_stop(struct cli *cli, int argc, char **argv);
int cli_channel_resume(struct cli *cli, int argc, char **argv);
int cli_channel_precheck(struct cli *cli, int argc, char **argv);
int cli_channel_status(struct cli *cli, int argc, char **argv);
int cli_channel_list(struct cli *cli, int argc, char **argv);
int cli_channel_delete(struct cli *cli, int argc, char **argv);
int cli_channel_sample(struct cli *cli, int argc, char **argv);
int cli_objects_add(struct cli *cli, int argc, char **argv);
int cli_objects_remove(struct cli *cli, int argc, char **argv);
int cli_objects_set(struct cli *cli, int argc, char **argv);
int cli_group_create(struct cli *cli, int argc, char **argv);
int cli_group_show(struct cli *cli, int argc, char **argv);
int cli_group_password(struct cli *cli, int argc, char **argv);
int cli_group_delete(struct cli *cli, int argc, char **argv);
int cli_account_create(struct cli *cli, int argc, char **argv);
int cli_account_password(struct cli *cli, int argc, char **argv);
int cli_account_delete(struct cli *cli, int argc, char **argv);
int cli_account_list(struct cli *cli, int argc, char **argv);
int cli_token_create(struct cli *cli, int argc, char **argv);
int cli_token_list(struct cli *cli, int argc, char **argv);
int cli_token_revoke(struct cli *cli, int argc, char **argv);
int cli_group_checkpoint(struct cli *cli, int argc, char **argv);
int cli_alert_rules(struct cli *cli, int argc, char **argv);
int cli_alert_targets(struct cli *cli, int argc, char **argv);
int cli_alert_test(struct cli *cli, int argc, char **argv);
int cli_alert_log(struct cli *cli, int argc, char **argv);
int cli_records(struct cli *cli, int argc, char **argv);
int cli_consume(struct cli *cli, int argc, char **argv);
int cli_groups(struct cli *cli, int argc, char **argv);
int cli_dataplane_capture(struct cli *cli, int argc, char **argv);
int cli_dataplane_status(struct cli *cli, int argc, char **argv);
int cli_doctor(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_counters(struct cli *cli, int argc, char **argv);
int cli_log_dump(struct cli *cli, int argc, char **argv);
int cli_log_check(struct cli *cli, int argc, char **argv);
int cli_log_repair(struct cli *cli, int argc, char **argv);

#endif
