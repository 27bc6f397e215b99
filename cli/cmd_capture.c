/* millrace dataplane capture: what passes the device past the kernel, as a pcap file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rest_client.h"

#define CAPTURE_PATH "/v1/dataplane/capture"
enum { LOOK_NS = 200000000 };

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

static void put_limit(json_t *body, const char *key, uint64_t value)
{
    if (value != 0) json_object_set_new(body, key, json_integer((json_int_t)value));
}

/* Until it is over, or somebody has seen enough. */
static int wait_until_over(struct cli *cli)
{
    json_t *answer = NULL;
    bool is_over = false;
    int code = CLI_OK;
    while (code == CLI_OK && !is_over && !is_interrupted) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        code = rest_call(cli, "GET", CAPTURE_PATH, NULL, &answer);
        is_over = strcmp(print_text(answer, "state"), "running") != 0;
        json_decref(answer);
    }
    return code;
}

static int write_file(int fd, const char *path, const json_t *file)
{
    const char *at = json_string_value(file);
    size_t left = json_string_length(file);
    while (at != NULL && left > 0) {
        ssize_t written = write(fd, at, left);
        if (written < 0) return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
        at += written;
        left -= (size_t)written;
    }
    fprintf(stderr, "%s: %zu bytes\n", path, json_string_length(file));
    return CLI_OK;
}

int cli_dataplane_capture(struct cli *cli, int argc, char **argv)
{
    const char *path;
    uint64_t packets = 0, bytes = 0, frame_bytes = 0, seconds = 0;
    bool only_take = false;
    json_t *answer = NULL;
    const struct cli_option options[] = {{.name = "--packets", .number = &packets},
                                         {.name = "--bytes", .number = &bytes},
                                         {.name = "--frame-bytes", .number = &frame_bytes},
                                         {.name = "--seconds", .number = &seconds},
                                         {.name = "--take", .flag = &only_take}, {NULL}};
    if (!cli_options_parse(cli, argc, argv, options, &path)) return cli_usage(cli_dataplane_capture);
    /* First: what was captured must have a place.  Nobody else may read it: passwords may have passed. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code = CLI_OK;
    if (fd < 0) return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
    if (!only_take) {
        json_t *body = json_object();
        put_limit(body, "packets_max", packets);
        put_limit(body, "bytes_max", bytes);
        put_limit(body, "frame_bytes_max", frame_bytes);
        put_limit(body, "seconds_max", seconds);
        struct sigaction interrupt = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGTERM, &interrupt, NULL);
        code = rest_call(cli, "POST", CAPTURE_PATH, body, &answer);
        json_decref(answer);
        if (code == CLI_OK) code = wait_until_over(cli);
    }
    answer = NULL;
    if (code == CLI_OK) code = rest_call(cli, "DELETE", CAPTURE_PATH, NULL, &answer);
    if (code == CLI_OK) code = write_file(fd, path, answer);
    json_decref(answer);
    close(fd);
    return code;
}
