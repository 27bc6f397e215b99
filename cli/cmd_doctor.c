/* millrace doctor: is this machine prepared for a configuration, and what mends what is not. */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "control/doctor/doctor.h"

static const char config_path[] = "/etc/millrace/millrace.yaml"; /* as in docs/systemd */

static void print_report_json(const struct doctor_report *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->count; i++) {
        const struct doctor_finding *f = &r->finding[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "check", f->check, "verdict",
                                              doctor_verdict_text(f->verdict), "what", f->what, "mend",
                                              f->mend[0] == '\0' ? NULL : f->mend));
    }
    json_t *whole = json_pack("{s:s, s:o}", "verdict", doctor_verdict_text(doctor_verdict_of(r)), "findings", list);
    print_json(whole);
    json_decref(whole);
}

static void print_report(const struct doctor_report *r, const char *path)
{
    uint32_t count[DOCTOR_UNSEEN + 1] = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct doctor_finding *f = &r->finding[i];
        printf("%-7s %-16s %s\n", doctor_verdict_text(f->verdict), f->check, f->what);
        if (f->mend[0] != '\0') printf("%24s mend: %s\n", "", f->mend);
        count[f->verdict]++;
    }
    printf("%s: %u good, %u to better (advice), %u wrong, %u not to be seen\n", path, count[DOCTOR_GOOD],
           count[DOCTOR_ADVICE], count[DOCTOR_WRONG], count[DOCTOR_UNSEEN]);
}

int cli_doctor(struct cli *cli, int argc, char **argv)
{
    static struct doctor_report report;
    struct err_msg msg;
    const char *config = NULL, *root = "";
    const struct cli_option options[] = {{.name = "--config", .text = &config}, {.name = "--root", .text = &root},
                                         {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, NULL)) return cli_usage(cli_doctor);
    if (config == NULL && access(config_path, F_OK) != 0)
        return cli_fail(CLI_USAGE, "for which configuration?  There is no %s: --config FILE, e.g. one of profiles/",
                        config_path);
    if (config == NULL) config = config_path;
    if (doctor_examine(config, root, &report, &msg) != ERR_OK) return cli_fail(CLI_FAILED, "%s", msg.text);
    if (cli->json) print_report_json(&report);
    else print_report(&report, config);
    return doctor_verdict_of(&report) == DOCTOR_WRONG ? CLI_FAILED : CLI_OK;
}
