/* millraced: reads its configuration, starts all parts (control/topology.c) and runs the control loop in the main
 * thread. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "control/alert_measure.h"
#include "control/channel.h"
#include "control/reload.h"
#include "control/rest_server.h"
#include "control/service_notify.h"
#include "control/topology.h"
#include "control/version.h"

enum { TICK_MS = 200 };
enum { EXIT_USAGE = 2, EXIT_CONFIG = 3, EXIT_START = 4 };

static int print_usage(FILE *to)
{
    fprintf(to, "usage: millraced --config FILE     run with this configuration until SIGTERM or SIGINT;\n"
                "                                   SIGHUP reads it and the certificates again\n"
                "       millraced --config-help     print the manual of the configuration\n"
                "       millraced --version\n"
                "exit status: 0 stopped on request, 2 wrong usage, 3 wrong configuration, 4 could not start\n");
    return to == stdout ? 0 : EXIT_USAGE;
}

static void drain(int fd)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored; /* nothing there: woken by another */
}

/* Takes a signal; returns it when it ends us, else 0. */
static int take_signal(struct instance *in, struct rest_server *rest, const char *config_path, int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info) return 0;
    if (info.ssi_signo != SIGHUP) return (int)info.ssi_signo;
    service_notify_reloading();
    reload(in, config_path);
    rest_server_reload_certificate(rest);
    service_notify("READY=1");
    return 0;
}

/* Returns the signal that ended it. */
static int control_loop(struct instance *in, struct rest_server *rest, const char *config_path, int signal_fd)
{
    uint64_t tick_due_ns = 0, watchdog_ns = service_watchdog_ns(), watchdog_due_ns = 0;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns(in->clock);
        if (now_ns >= tick_due_ns) {
            for (uint32_t i = in->channel_count; i-- > 0;) channel_tick(in, in->channel[i], now_ns);
            channel_reap(in, false);
            topology_tick(in, now_ns);
            alert_measure(in, now_ns);
            tick_due_ns = clock_monotonic_ns(in->clock) + (uint64_t)TICK_MS * 1000000;
        }
        if (watchdog_ns != UINT64_MAX && now_ns >= watchdog_due_ns) {
            service_notify("WATCHDOG=1");
            watchdog_due_ns = now_ns + watchdog_ns;
        }
        int timeout_ms = rest_server_timeout_ms(rest);
        if (timeout_ms < 0 || timeout_ms > TICK_MS) timeout_ms = TICK_MS;
        struct pollfd fds[] = {{signal_fd, POLLIN, 0}, {in->wake_fd, POLLIN, 0}, {rest_server_fd(rest), POLLIN, 0}};
        if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR) {
            log_error("control", "poll: %s", strerror(errno));
            return SIGTERM;
        }
        int ended_by = fds[0].revents == 0 ? 0 : take_signal(in, rest, config_path, signal_fd);
        if (ended_by != 0) return ended_by;
        if (fds[1].revents != 0) {
            drain(in->wake_fd);
            tick_due_ns = 0;
        }
        rest_server_run(rest);
    }
}

/* Blocks the signals that end us, and SIGHUP, in all threads to come; the loop reads them from the descriptor. */
static int signals_init(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The REST API's tokens; what is configured stands in a file or in the environment, never in the configuration. */
static enum err open_tokens(struct instance *in, struct err_msg *msg)
{
    char line[256] = "";
    const char *path = in->config.rest_admin_token_file, *configured = getenv("MILLRACE_ADMIN_TOKEN");
    if (path[0] != '\0') {
        FILE *f = fopen(path, "re");
        bool got = f != NULL && fgets(line, sizeof line, f) != NULL;
        int why = errno;
        if (f != NULL) fclose(f);
        if (!got)
            return err_set(msg, ERR_INVALID, "rest_admin_token_file: %s: %s", path,
                           f == NULL ? strerror(why) : "it is empty");
        line[strcspn(line, "\r\n")] = '\0';
        configured = line;
    }
    enum err e = tokens_open(&in->tokens, in->config.data_folder, configured, msg);
    explicit_bzero(line, sizeof line);
    unsetenv("MILLRACE_ADMIN_TOKEN"); /* no child shall have it */
    return e;
}

static int run(const char *config_path)
{
    static struct instance in;
    struct err_msg msg = {.code = ERR_OK};
    struct rest_server *rest = NULL;
    if (config_load(config_path, &in.config, &msg) != ERR_OK) {
        fprintf(stderr, "millraced: %s\n", msg.text);
        return EXIT_CONFIG;
    }
    if (reload_log(&in.config, &msg) != ERR_OK) {
        fprintf(stderr, "millraced: log_levels: %s\n", msg.text);
        return EXIT_CONFIG;
    }
    in.clock = clock_real();
    int signal_fd = signals_init();
    enum err e = signal_fd < 0 ? err_set(&msg, ERR_IO, "no descriptor for signals: %s", strerror(errno)) : ERR_OK;
    if (e == ERR_OK) e = open_tokens(&in, &msg);
    if (e == ERR_OK) e = rest_server_start(&rest, &in, &msg);
    if (e == ERR_OK) e = topology_start(&in, &msg);
    if (e != ERR_OK) {
        log_error("control", "millraced cannot start: %s", msg.text[0] == '\0' ? err_text(e) : msg.text);
        rest_server_stop(rest);
        return EXIT_START;
    }
    log_info("control", "millraced %s: Kafka on %s port %u, REST on %s port %u, data in %s", MILLRACE_VERSION,
             in.config.listeners[0].address, (unsigned)dataplane_port(in.dataplane, 0), in.config.rest_address,
             (unsigned)rest_server_port(rest), in.config.data_folder);
    service_notify("READY=1");
    int ended_by = control_loop(&in, rest, config_path, signal_fd);
    service_notify("STOPPING=1");
    log_info("control", "%s: stopping", ended_by == SIGINT ? "SIGINT" : "SIGTERM");
    rest_server_stop(rest);
    topology_stop(&in);
    log_info("control", "stopped");
    close(signal_fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("millraced %s\n", MILLRACE_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--config-help") == 0) {
        config_print_manual(stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) return print_usage(stdout);
    if (argc != 3 || strcmp(argv[1], "--config") != 0) return print_usage(stderr);
    /* A client library of MySQL reads the system's authorities at each TLS connection (25 ms of CPU, 3 without), though
     * a source is checked by its own source.tls.ca or not at all.  libcurl does not look at this variable, and programs
     * that alerts run do not inherit it. */
    (void)setenv("SSL_CERT_FILE", "/dev/null", 0);
    return run(argv[2]);
}
