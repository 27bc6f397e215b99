/* The kernel, its clock, and how much it lets one process have. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor/inside.h"

enum {
    KERNEL_MAJOR_MIN = 6, /* zero-copy send of io_uring */
    CAP_IPC_LOCK = 14,
    FILES_BESIDE = 256,      /* logs, rings, the REST API */
    FILES_PER_CHANNEL = 16,
    DRIFT_PPM_MAX = 200,     /* the kernel disciplines up to 500 */
    ERROR_US_MAX = 1000000,
};

static void check_kernel(struct doctor *d)
{
    char release[64];
    if (!file_line(d, release, sizeof release, "/proc/sys/kernel/osrelease")) {
        found(d, "kernel", DOCTOR_UNSEEN, "/proc/sys/kernel/osrelease cannot be read");
        return;
    }
    bool is_new = strtol(release, NULL, 10) >= KERNEL_MAJOR_MIN;
    found(d, "kernel", is_new ? DOCTOR_GOOD : DOCTOR_WRONG, "Linux %s%s", release,
          is_new ? "" : ": io_uring's zero-copy send came with 6.0");
    if (!is_new) mended(d, "a newer kernel: apt-get install linux-image-amd64 (Debian 12), then restart");
}

static void check_uring(struct doctor *d)
{
    int64_t disabled = file_number(d, 0, "/proc/sys/kernel/io_uring_disabled"); /* not there: 6.5 or older, allowed */
    int why = d->calls == NULL ? 0 : d->calls->uring();
    if (disabled == 2) {
        found(d, "io_uring", DOCTOR_WRONG, "kernel.io_uring_disabled is 2: nobody may use io_uring");
        mended(d, "sysctl -w kernel.io_uring_disabled=0, and the same line in /etc/sysctl.d/90-millrace.conf");
    } else if (why != 0) {
        found(d, "io_uring", DOCTOR_WRONG, "the kernel gives no io_uring: %s", strerror(why));
        mended(d, "%s", disabled == 1 ? "sysctl -w kernel.io_uring_disabled=0, or kernel.io_uring_group to millraced's "
                                        "group" :
                                        "in a container: a seccomp profile that allows io_uring_setup, io_uring_enter "
                                        "and io_uring_register");
    } else if (disabled == 1) {
        found(d, "io_uring", DOCTOR_ADVICE, "kernel.io_uring_disabled is 1: only root and one group may use io_uring");
        mended(d, "sysctl -w kernel.io_uring_group=$(id -g millrace), if that is not its group already");
    } else {
        found(d, "io_uring", d->calls == NULL ? DOCTOR_UNSEEN : DOCTOR_GOOD, "io_uring is %s",
              d->calls == NULL ? "not forbidden; not tried" : "to be had");
    }
}

static void check_clock_source(struct doctor *d)
{
    static const char folder[] = "/sys/devices/system/clocksource/clocksource0";
    static const char *const fast[] = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"};
    char current[64], available[256];
    if (!file_line(d, current, sizeof current, "%s/current_clocksource", folder)) {
        found(d, "clock source", DOCTOR_UNSEEN, "%s/current_clocksource cannot be read", folder);
        return;
    }
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++) {
        if (strcmp(current, fast[i]) != 0) continue;
        found(d, "clock source", DOCTOR_GOOD, "%s, read without a system call", current);
        return;
    }
    (void)file_line(d, available, sizeof available, "%s/available_clocksource", folder);
    found(d, "clock source", DOCTOR_ADVICE, "%s: each look at the time is a system call or slow, and a serving thread "
          "takes many a turn", current);
    if (strstr(available, "tsc") != NULL) mended(d, "echo tsc > %s/current_clocksource", folder);
    else mended(d, "the kernel command line tsc=reliable, if the processor's counter is steady (grep -c nonstop_tsc "
                "/proc/cpuinfo), then restart");
}

struct makestep { bool is_always; };

static bool take_makestep(void *context, const char *line)
{
    struct makestep *m = context;
    double over;
    long limit;
    line += strspn(line, " \t");
    if (strncmp(line, "makestep", strlen("makestep")) != 0) return true;
    m->is_always = sscanf(line, "makestep %lf %ld", &over, &limit) == 2 && limit < 0;
    return true;
}

/* Retention, ages and alerts go by the wall clock. */
static void check_clock_steps(struct doctor *d)
{
    struct makestep m = {false};
    file_lines(d, "/etc/chrony/chrony.conf", take_makestep, &m);
    if (!m.is_always) return;
    found(d, "clock steps", DOCTOR_ADVICE, "chrony may set the clock by a step at any time: ages and retention jump "
          "with it");
    mended(d, "makestep 1 3 in /etc/chrony/chrony.conf, then systemctl restart chrony");
}

static void check_clock(struct doctor *d)
{
    struct timex now = {.modes = 0};
    static const char *const keepers[][2] = {{"/run/chrony/chronyd.pid", "chrony"},
                                             {"/run/systemd/timesync/synchronized", "systemd-timesyncd"},
                                             {"/run/ntpd.pid", "ntpd"}};
    const char *keeper = NULL;
    for (size_t i = 0; i < sizeof keepers / sizeof *keepers; i++)
        if (keeper == NULL && file_exists(d, "%s", keepers[i][0])) keeper = keepers[i][1];
    check_clock_source(d);
    bool is_told = d->calls != NULL && d->calls->clock(&now) >= 0;
    double drift_ppm = (double)now.freq / 65536; /* adjtimex(2) scales it so */
    if (is_told && (now.status & STA_UNSYNC) != 0) {
        found(d, "clock", DOCTOR_ADVICE, "nothing holds the clock to the right time%s%s", keeper == NULL ? "" : ": not "
              "yet set by ", keeper == NULL ? "" : keeper);
        mended(d, "%s", keeper == NULL ? "apt-get install chrony" : "chronyc tracking, or timedatectl timesync-status, "
                                                                    "says why");
    } else if (is_told && now.maxerror > ERROR_US_MAX) {
        found(d, "clock", DOCTOR_ADVICE, "the clock may be %ld ms off", now.maxerror / 1000);
        mended(d, "nearer time servers in /etc/chrony/chrony.conf, then systemctl restart chrony");
    } else if (is_told && (drift_ppm > DRIFT_PPM_MAX || drift_ppm < -DRIFT_PPM_MAX)) {
        found(d, "clock", DOCTOR_ADVICE, "the clock drifts by %.0f millionths, above %d: its oscillator or the host is "
              "amiss", drift_ppm, DRIFT_PPM_MAX);
        mended(d, "chronyc tracking; in a virtual machine ask the host for its clock: refclock PHC /dev/ptp0 in "
               "/etc/chrony/chrony.conf (modprobe ptp_kvm)");
    } else if (!is_told && keeper == NULL) {
        found(d, "clock", DOCTOR_UNSEEN, "no chrony, systemd-timesyncd or ntpd shows itself in /run");
    } else {
        found(d, "clock", DOCTOR_GOOD, "held to the right time%s%s", keeper == NULL ? "" : " by ",
              keeper == NULL ? "" : keeper);
    }
    check_clock_steps(d);
}

static void check_memory(struct doctor *d)
{
    char text[64];
    int64_t wanted = d->config->memory_max_bytes >> 10, total_kib, free_kib;
    if (!file_value(d, text, sizeof text, "/proc/meminfo", "MemTotal:")) {
        found(d, "memory", DOCTOR_UNSEEN, "/proc/meminfo cannot be read");
        return;
    }
    total_kib = strtoll(text, NULL, 10);
    free_kib = file_value(d, text, sizeof text, "/proc/meminfo", "MemAvailable:") ? strtoll(text, NULL, 10) : total_kib;
    if (wanted > total_kib) {
        found(d, "memory", DOCTOR_WRONG, "memory_max_bytes allows %" PRId64 " MiB, this machine has %" PRId64,
              wanted >> 10, total_kib >> 10);
        mended(d, "memory_max_bytes: %" PRId64 ", and a chunk_count that fits in it", total_kib / 4 * 3 << 10);
    } else if (wanted > free_kib) {
        found(d, "memory", DOCTOR_ADVICE, "memory_max_bytes allows %" PRId64 " MiB, %" PRId64 " of %" PRId64 " are "
              "free now", wanted >> 10, free_kib >> 10, total_kib >> 10);
        mended(d, "end what else takes memory (ps aux --sort=-rss | head), or lower memory_max_bytes and chunk_count");
    } else {
        found(d, "memory", DOCTOR_GOOD, "%" PRId64 " MiB free, %" PRId64 " allowed to millraced", free_kib >> 10,
              wanted >> 10);
    }
}

/* A row of /proc/self/limits: the soft limit; -1: unlimited, -2: not there. */
static int64_t limit_of(const struct doctor *d, const char *name)
{
    char text[128], *end;
    if (!file_value(d, text, sizeof text, "/proc/self/limits", name)) return -2;
    long long value = strtoll(text, &end, 10);
    return end == text ? -1 : value;
}

static void check_limits(struct doctor *d)
{
    const struct config *c = d->config;
    int64_t locked = limit_of(d, "Max locked memory"), files = limit_of(d, "Max open files");
    int64_t chunks = c->chunk_bytes * c->chunk_count;
    int64_t wanted = c->connections_max * c->serve_thread_count + c->channels_max * FILES_PER_CHANNEL + FILES_BESIDE;
    if (locked == -2) {
        found(d, "locked memory", DOCTOR_UNSEEN, "/proc/self/limits cannot be read");
    } else if (locked >= 0 && locked < chunks && !has_capability(d, CAP_IPC_LOCK)) {
        found(d, "locked memory", DOCTOR_ADVICE, "the limit of whoever runs this is %" PRId64 " KiB, the chunks have %"
              PRId64 " MiB: they cannot be registered, and records go out by copies", locked >> 10, chunks >> 20);
        mended(d, "LimitMEMLOCK=infinity in millraced's systemd unit; in a shell, as root: ulimit -l unlimited");
    } else {
        found(d, "locked memory", DOCTOR_GOOD, "enough for the chunks, %" PRId64 " MiB", chunks >> 20);
    }
    if (files == -2) {
        found(d, "open files", DOCTOR_UNSEEN, "/proc/self/limits cannot be read");
    } else if (files >= 0 && files < wanted) {
        found(d, "open files", DOCTOR_ADVICE, "the limit of whoever runs this is %" PRId64 "; connections_max and "
              "channels_max may want %" PRId64, files, wanted);
        mended(d, "LimitNOFILE=%" PRId64 " in millraced's systemd unit; in a shell: ulimit -n %" PRId64, wanted,
               wanted);
    } else {
        found(d, "open files", DOCTOR_GOOD, "enough for the %" PRId64 " that may be wanted", wanted);
    }
}

void check_machine(struct doctor *d)
{
    check_kernel(d);
    check_uring(d);
    check_clock(d);
    check_memory(d);
    check_limits(d);
}
