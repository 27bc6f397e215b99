#include "cli/follow.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/print.h"
#include "cli/rest_client.h"

enum { LOOK_MS = 200, LINE_BYTES = 256, RATE_OVER_MS = 3000 };

struct progress {
    char line[LINE_BYTES]; /* as last shown */
    bool is_terminal;
    int64_t first_ms, first_delay_ms; /* when catching up was first seen, and how far behind it was */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void show(struct progress *p, const char *line)
{
    if (strcmp(p->line, line) == 0) return;
    snprintf(p->line, sizeof p->line, "%s", line);
    if (p->is_terminal)
        fprintf(stderr, "\r\033[K%s", line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

static void end_line(const struct progress *p)
{
    if (p->is_terminal && *p->line != '\0') fputc('\n', stderr);
}

/* How long until the source's end is reached, from how fast the delay shrinks; -1: it cannot be told yet. */
static int64_t time_left_ms(struct progress *p, int64_t delay_ms)
{
    int64_t now = now_ms();
    if (p->first_ms == 0) {
        p->first_ms = now;
        p->first_delay_ms = delay_ms;
    }
    int64_t gained = p->first_delay_ms - delay_ms, took = now - p->first_ms;
    return took < RATE_OVER_MS || gained <= 0 ? -1 : (int64_t)((double)delay_ms * (double)took / (double)gained);
}

static void describe(struct progress *p, const json_t *status, char line[static LINE_BYTES])
{
    const json_t *source = json_object_get(status, "source"), *rates = json_object_get(status, "rates");
    const char *state = print_text(status, "state");
    int64_t delay_ms = print_number(source, "delay_ms");
    if (strcmp(state, "Prechecking") == 0 || *print_text(source, "file") == '\0') {
        snprintf(line, LINE_BYTES, "%s: %s", print_text(status, "name"), state);
        return;
    }
    int used = snprintf(line, LINE_BYTES, "%s: %s, %s %" PRId64 ", %" PRId64 " rows/s", print_text(status, "name"),
                        state, print_text(source, "file"), print_number(source, "position"),
                        print_number(rates, "row_changes_per_s"));
    if (!json_is_integer(json_object_get(source, "delay_ms")) || used >= LINE_BYTES) return; /* not known yet */
    int64_t left_ms = time_left_ms(p, delay_ms);
    used += snprintf(line + used, (size_t)(LINE_BYTES - used), ", %s behind", print_duration(delay_ms));
    if (left_ms >= 0 && used < LINE_BYTES)
        snprintf(line + used, (size_t)(LINE_BYTES - used), ", about %s left", print_duration(left_ms));
}

/* What the check found wrong. */
static int say_findings(const struct cli *cli, const char *name)
{
    json_t *report, *item;
    size_t i;
    int code = rest_call_channel(cli, "GET", name, "/precheck", NULL, &report);
    if (code != CLI_OK) return code;
    json_array_foreach(json_object_get(report, "items"), i, item)
        if (strcmp(print_text(item, "verdict"), "failure") == 0)
            cli_fail(0, "%s: %s; to do: %s", print_text(item, "item"), print_text(item, "found"),
                     print_text(item, "mend"));
    json_decref(report);
    return CLI_FAILED;
}

/* 1: go on looking; else the exit code. */
static int judge(const struct cli *cli, const char *name, enum follow_goal goal, const json_t *status)
{
    const char *state = print_text(status, "state");
    const json_t *error = json_object_get(status, "error");
    if (strcmp(state, "Prechecking") == 0 && json_is_object(error)) return say_findings(cli, name);
    if (strcmp(state, "Error") == 0) return cli_fail(CLI_FAILED, "channel %s: %s", name, print_text(error, "text"));
    if (strcmp(state, "Deleting") == 0) return cli_fail(CLI_FAILED, "channel %s is being deleted", name);
    if (strcmp(state, "Prechecking") == 0) return -1;
    if (goal == FOLLOW_CHECKED) return CLI_OK;
    if (strcmp(state, "Not Started") == 0 && !json_is_true(json_object_get(status, "is_started")))
        return cli_fail(CLI_FAILED, "channel %s was stopped", name);
    return strcmp(state, "Normal") == 0 ? CLI_OK : -1;
}

int follow_channel(const struct cli *cli, const char *name, enum follow_goal goal)
{
    struct progress p = {.is_terminal = isatty(STDERR_FILENO) == 1};
    for (;;) {
        json_t *status;
        char line[LINE_BYTES];
        int code = rest_call_channel(cli, "GET", name, "/status", NULL, &status);
        if (code != CLI_OK) return code;
        describe(&p, status, line);
        show(&p, line);
        code = judge(cli, name, goal, status);
        json_decref(status);
        if (code >= 0) {
            end_line(&p);
            return code;
        }
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
    }
}
