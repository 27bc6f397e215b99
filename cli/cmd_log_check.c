/* millrace log check, log repair: looks through the logs of a stopped data folder, and mends them. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "storage/log_check.h"

static void say(void *context, enum log_check_says kind, const char *text)
{
    static const char *const word[] = {"fault", "mended", "note"};
    const struct cli *cli = context;
    if (!cli->json) {
        printf("%s: %s\n", word[kind], text);
        return;
    }
    json_t *line = json_pack("{s:s, s:s}", "kind", word[kind], "text", text);
    print_json(line);
    json_decref(line);
}

static void print_sums(const struct cli *cli, const struct log_check_result *r)
{
    if (!cli->json) {
        printf("%" PRIu32 " logs, %" PRIu32 " segments, %" PRIu64 " batches, %" PRIu64 " records, %s: %" PRIu32
               " mended, %" PRIu32 " faults\n",
               r->logs, r->segments, r->batches, r->records, print_bytes((int64_t)r->bytes), r->mended, r->faults);
        return;
    }
    json_t *line = json_pack("{s:i, s:i, s:I, s:I, s:I, s:i, s:i}", "logs", (int)r->logs, "segments", (int)r->segments,
                             "batches", (json_int_t)r->batches, "records", (json_int_t)r->records, "bytes",
                             (json_int_t)r->bytes, "mended", (int)r->mended, "faults", (int)r->faults);
    print_json(line);
    json_decref(line);
}

static int run(struct cli *cli, const char *path, bool repair, bool cut)
{
    struct log_check_result r;
    struct err_msg msg = {.text = ""};
    const struct log_check_options options = {.repair = repair, .cut = cut, .say = say, .context = cli};
    enum err e = log_check_path(path, &options, &r, &msg);
    if (e != ERR_OK) return cli_fail(CLI_FAILED, "%s", msg.text);
    print_sums(cli, &r);
    return r.faults == 0 ? CLI_OK : CLI_FAILED;
}

int cli_log_check(struct cli *cli, int argc, char **argv)
{
    const char *path;
    const struct cli_option options[] = {{NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &path)) return cli_usage(cli_log_check);
    return run(cli, path, false, false);
}

int cli_log_repair(struct cli *cli, int argc, char **argv)
{
    const char *path;
    bool cut = false;
    const struct cli_option options[] = {{.name = "--cut", .flag = &cut}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &path)) return cli_usage(cli_log_repair);
    return run(cli, path, true, cut);
}
