/* millrace: the command line.  Commands that change or show channels talk to millraced's REST API. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/manual.h"

#define DEFAULT_SERVER "http://127.0.0.1:8083"

const struct cli_global cli_globals[] = {
    {"--server", "URL", "millraced's REST API; default $MILLRACE_SERVER, else " DEFAULT_SERVER},
    {"--ca", "FILE", "PEM file of the authorities to trust with https://; default $MILLRACE_CA, else the system's"},
    {"--token-file", "FILE", "its first line is a token of the REST API (-: stdin); or it stands in $MILLRACE_TOKEN"},
    {"--json", NULL, "print JSON for programs, not text for people"},
    {"--watch", NULL, "look again each second, until interrupted; for commands that only look"},
    {"--help", NULL, "print all commands"},
    {"--version", NULL, "print the version"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_commands[] = {
    {"channel create",
     "NAME --source mysql://USER[:PASSWORD]@HOST[:PORT] | --source-files FOLDER\n"
     "      --tables 'DB.*,DB.TABLE'\n"
     "      [--exclude 'DB.TABLE'] [--ddl instance|selected]\n"
     "      [--start-at now|earliest|gtid:SET|file:NAME:POSITION|time:SECONDS|time:2026-01-31T23:59:59Z]\n"
     "      [--statement-events error|warn] [--partial-images error|none] [--text stored|utf8mb4]\n"
     "      [--visible durable|written] [--compression none|gzip|lz4|zstd]\n"
     "      [--standby HOST:PORT,...] [--tls off|preferred|required|verify_ca|verify_identity] [--tls-ca FILE]\n"
     "      [--tls-certificate FILE --tls-key FILE] [--connect-timeout-s N] [--read-timeout-s N]\n"
     "      [--password-file FILE] [--server-id N] [--schema-file FILE] [--wait]",
     "make a channel and check its source; the password may also stand in $MILLRACE_SOURCE_PASSWORD; --source-files "
     "reads a folder of binlog files (mysql-bin.000001, ...) instead of a server, and waits there for more; --wait: "
     "until the check has ended",
     cli_channel_create},
    {"channel configure",
     "NAME [--source mysql://USER[:PASSWORD]@HOST[:PORT]] [--password-file FILE]\n"
     "      [--standby HOST:PORT,...] [--tls off|preferred|required|verify_ca|verify_identity] [--tls-ca FILE]\n"
     "      [--tls-certificate FILE --tls-key FILE] [--connect-timeout-s N] [--read-timeout-s N]\n"
     "      [--ddl instance|selected] [--statement-events error|warn] [--partial-images error|none]\n"
     "      [--text stored|utf8mb4] [--schema-file FILE] [--compression none|gzip|lz4|zstd]",
     "change the source, its account or a setting; what is not given stays, and a capture goes on behind its log, "
     "without a pause where only the batches' compression is another; "
     "another host, port or user, a new standby or weaker TLS need the password again, in the URL, a file or "
     "$MILLRACE_SOURCE_PASSWORD",
     cli_channel_configure},
    {"channel start", "NAME [--wait]",
     "check the source, then capture; --wait: until it has caught up, with a line that shows how far it is",
     cli_channel_start},
    {"channel stop", "NAME", "stop capturing; what is logged is still served", cli_channel_stop},
    {"channel resume", "NAME [--wait]", "try again now, after an Error or a failed precheck", cli_channel_resume},
    {"channel precheck", "NAME [--wait]", "what the check of its source found, item by item, and what to do",
     cli_channel_precheck, true},
    {"channel status", "NAME", "state, source position, delay, log", cli_channel_status, true},
    {"channel list", "", "all channels, a line each", cli_channel_list, true},
    {"channel delete", "NAME [--yes]", "remove a channel with its data and its groups' checkpoints",
     cli_channel_delete},
    {"channel objects add", "NAME [--tables 'DB.*,DB.TABLE'] [--exclude 'DB.TABLE']",
     "follow more tables, or except more, from the next border between transactions on", cli_objects_add},
    {"channel objects remove", "NAME [--tables 'DB.*,DB.TABLE'] [--exclude 'DB.TABLE']",
     "take patterns off the channel's lists", cli_objects_remove},
    {"channel objects set", "NAME [--tables 'DB.*,DB.TABLE'] [--exclude 'DB.TABLE']",
     "replace the channel's lists; one that is not given stays", cli_objects_set},
    {"channel sample", "NAME [LANGUAGE [--group ID] [--file FILE]]",
     "print a working consumer of the channel with its address, topic and group filled in, or another file that "
     "belongs to it; without LANGUAGE: the languages and their files", cli_channel_sample},
    {"consume",
     "CHANNEL [--group G] [--from-beginning] [--count N] [--changes N] [--timeout S] [--text] [--bootstrap HOST:PORT]\n"
     "      [--user NAME-GROUP [--password-file FILE]] [--tls | --tls-ca FILE]",
     "print records as JSON lines, as a consumer group of Kafka; the group's checkpoint moves as it goes; --timeout is "
     "for the whole run; --tls trusts the system's authorities, --tls-ca those in a PEM file",
     cli_consume},
    {"groups", "CHANNEL", "the consumer groups of a channel, their accounts, checkpoints and lag", cli_groups, true},
    {"group create", "CHANNEL --group ID --account NAME [--password-file FILE]",
     "make a consumer group that logs in as NAME-ID; the password is the first line of FILE (-: stdin), or "
     "$MILLRACE_PASSWORD, or is asked for", cli_group_create},
    {"group list", "CHANNEL", "as groups", cli_groups, true},
    {"group show", "CHANNEL --group ID", "its user name, state and checkpoint", cli_group_show, true},
    {"group password", "CHANNEL --group ID [--password-file FILE]",
     "change its password; who is logged in with the old one is put out", cli_group_password},
    {"group delete", "CHANNEL --group ID", "remove a group with its account; who is logged in is put out",
     cli_group_delete},
    {"group checkpoint",
     "CHANNEL --group ID --to-earliest | --to-latest | --to-offset N | --to-time 2026-01-31T23:59:59Z",
     "move where a group reads on, while nobody is in it", cli_group_checkpoint},
    {"records", "CHANNEL [--count N] [--changes]", "the newest records of a channel, the newest first", cli_records,
     true},
    {"alert rules", "CHANNEL [--set FILE]",
     "what is watched of a channel, and what fires; --set: replace the rules by those in a file of JSON (-: stdin)",
     cli_alert_rules, true},
    {"alert targets", "[--set FILE]", "whom alerts are told to; --set: replace them", cli_alert_targets, true},
    {"alert test", "TARGET", "send a notice that says that it is a test", cli_alert_test},
    {"alert log", "", "what was told, and whether it arrived", cli_alert_log, true},
    {"account create", "NAME [--password-file FILE]",
     "make an operator's account, which sees all channels and groups over the Kafka protocol", cli_account_create},
    {"account list", "", "the operators' accounts", cli_account_list},
    {"account password", "NAME [--password-file FILE]", "change an operator's password", cli_account_password},
    {"account delete", "NAME", "remove an operator's account", cli_account_delete},
    {"token create", "NAME --role admin|viewer",
     "make a token of the REST API, shown this once; the first one must be an admin's, and from then on nobody without "
     "a token may use the API", cli_token_create},
    {"token list", "", "the tokens, without their secrets", cli_token_list},
    {"token revoke", "ID", "end a token at once", cli_token_revoke},
    {"log dump", "FILE [--batches]", "print a segment file's batches and records and check their checksums",
     cli_log_dump},
    {"log check", "FOLDER",
     "look through the logs of a stopped millraced's data folder, or one of them (DATA/CHANNEL): every checksum, "
     "offset and index",
     cli_log_check},
    {"log repair", "FOLDER [--cut]",
     "make damaged indexes and checkpoints anew; --cut: also cut a damaged log at the last whole transaction before "
     "the damage; what is cut is kept in DATA/CHANNEL/cut-OFFSET",
     cli_log_repair},
    {"dataplane status", "",
     "the serving threads: how busy, and what each of their ports (the kernel's, the one past it) sent, copied or not, "
     "keeps and lost, since the start; with --watch a second's; and the device's link",
     cli_dataplane_status, true},
    {"dataplane capture", "FILE [--packets N] [--bytes N] [--frame-bytes N] [--seconds N] [--take]",
     "keep what passes the device past the kernel, until a limit (100000 packets, 16 MiB, 60 s) or an interrupt, and "
     "write it as a pcap file, for tcpdump -r and Wireshark; --frame-bytes: of each frame its beginning; --take: only "
     "fetch one that was begun before; takes an admin's token: passwords may pass",
     cli_dataplane_capture},
    {"doctor", "[--config FILE] [--root FOLDER]",
     "is this machine prepared for a configuration (default /etc/millrace/millrace.yaml): kernel, clock, memory, disk, "
     "cores, and the device of listeners past the kernel; says what mends what is amiss, changes nothing; exit status "
     "1 when something is wrong; run it as millraced's user; --root: look at a copy of another's /proc and /sys",
     cli_doctor},
    {"status", "", "version, addresses and memory of millraced", cli_status, true},
    {"counters", "FILE", "print the counter file of a running or ended millraced", cli_counters, true},
    {NULL, NULL, NULL, NULL},
};

int cli_fail(int code, const char *fmt, ...)
{
    va_list args;
    fputs("millrace: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

int cli_usage(int (*run)(struct cli *, int, char **))
{
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++)
        if (c->run == run) fprintf(stderr, "usage: millrace %s %s\n  %s\n", c->words, c->usage, c->what);
    return CLI_USAGE;
}

static int print_help(FILE *to)
{
    fprintf(to, "usage: millrace [OPTION]... COMMAND ...\n\n");
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++)
        fprintf(to, "  %s %s\n      %s\n", c->words, c->usage, c->what);
    fputc('\n', to);
    for (const struct cli_global *g = cli_globals; g->name != NULL; g++)
        fprintf(to, "  %s%s%s\n      %s\n", g->name, g->value == NULL ? "" : " ", g->value == NULL ? "" : g->value,
                g->what);
    fprintf(to, "\nexit status: 0 done, 1 refused or failed, 2 wrong usage, 3 millraced does not answer\n");
    return to == stdout ? CLI_OK : CLI_USAGE;
}

/* Do the words begin argv?  Returns how many there are, 0: they do not. */
static int words_match(const char *words, int argc, char **argv)
{
    int count = 0;
    for (const char *at = words; *at != '\0'; count++) {
        size_t size = strcspn(at, " ");
        if (count == argc || strlen(argv[count]) != size || strncmp(argv[count], at, size) != 0) return 0;
        at += size + (at[size] == ' ');
    }
    return count;
}

/* Before the command or behind it. */
static bool asks_to_watch(const struct cli *cli, int argc, char **argv)
{
    bool asks = cli->watch;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) asks |= strcmp(argv[i], "--watch") == 0;
    return asks;
}

/* Again each second; on a terminal over what was there. */
static int run_command(const struct cli_command *c, struct cli *cli, int argc, char **argv)
{
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    if (!c->may_watch && asks_to_watch(cli, argc, argv)) return cli_fail(CLI_USAGE, "%s takes no --watch", c->words);
    int code = c->run(cli, argc, argv);
    while (cli->watch && code == CLI_OK && fflush(stdout) == 0) {
        sleep(1);
        if (is_terminal && !cli->json) fputs("\033[H\033[2J", stdout);
        code = c->run(cli, argc, argv);
    }
    return code;
}

/* One option before the command; moves `at` to its last word.  -1: go on, else the exit code. */
static int take_global(struct cli *cli, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char **text = strcmp(word, "--server") == 0 ? &cli->server
                        : strcmp(word, "--ca") == 0 ? &cli->ca
                        : strcmp(word, "--token-file") == 0 ? &cli->token_file : NULL;
    if (text != NULL && *at + 1 < argc) {
        *text = argv[++*at];
        return -1;
    }
    bool *flag = strcmp(word, "--json") == 0 ? &cli->json : strcmp(word, "--watch") == 0 ? &cli->watch : NULL;
    if (flag != NULL) {
        *flag = true;
        return -1;
    }
    if (strcmp(word, "--version") == 0) return printf("millrace %s\n", MILLRACE_VERSION) < 0;
    if (strcmp(word, "--help") == 0) return print_help(stdout);
    bool is_page = strcmp(word, "--print-manual") == 0; /* for the build */
    if (is_page) manual_print_page(stdout);
    else if (strcmp(word, "--print-completion") == 0) manual_print_completion(stdout);
    else return print_help(stderr);
    return CLI_OK;
}

int main(int argc, char **argv)
{
    const char *server = getenv("MILLRACE_SERVER"), *ca = getenv("MILLRACE_CA");
    struct cli cli = {.server = server == NULL || *server == '\0' ? DEFAULT_SERVER : server,
                      .ca = ca == NULL || *ca == '\0' ? NULL : ca};
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        int code = take_global(&cli, argc, argv, &at);
        if (code >= 0) return code;
    }
    if (at == argc) return print_help(stderr);
    for (const struct cli_command *c = cli_commands; c->words != NULL; c++) {
        int words = words_match(c->words, argc - at, argv + at);
        if (words > 0) return run_command(c, &cli, argc - at - words + 1, argv + at + words - 1);
    }
    return cli_fail(CLI_USAGE, "there is no command '%s%s%s'; see millrace --help", argv[at], at + 1 < argc ? " " : "",
                    at + 1 < argc ? argv[at + 1] : "");
}
