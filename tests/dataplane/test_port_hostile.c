/* Goal: over a network that loses, doubles, delays, turns around and damages frames, and whose MTU changes, every byte
 * of the DPDK port's answers is right, no client waits longer than the retransmission timers explain, and nothing is
 * left in the end: no pin, segment, frame, mbuf or connection.
 *
 * The clients are the kernel's, behind a veth pair and a bad cable (tests/e2e/wire.c); both ends are in this process.
 *
 * usage: test_port_hostile WIRE      MILLRACE_SEED: the first; MILLRACE_SECONDS: in all, 20 (MILLRACE_LONG=1: 3600) */
#include <check.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/dataplane/port_rig.h"
#include "tests/dataplane/veth.h"
#include "tests/suite.h"

/* A connection's port comes again before what is left of its last one is gone: a reset may have been lost. */
enum { PORT_FIRST = 33000, PORT_LAST = 34023 };
enum { CLIENTS = 24, ROUND_S_MAX = 20, MTU_LOW = 900, MTU = 1500, MTU_EVERY_MS = 1500, MTU_LOW_MS = 300 };

static const struct fault {
    const char *name;
    unsigned lost, doubled, late, damaged, delay_ms, jitter_ms; /* as the wire takes them */
    bool changes_mtu;
} faults[] = {
    {.name = "loss of 0.1 %", .lost = 1},
    {.name = "loss of 1 %", .lost = 10},
    {.name = "loss of 5 %", .lost = 50},
    {.name = "another order, 10 %", .late = 100},
    {.name = "twice, 5 %", .doubled = 50},
    {.name = "damage, 1 %", .damaged = 10},
    {.name = "50 ms with jitter", .delay_ms = 40, .jitter_ms = 20},
    {.name = "the MTU changes", .changes_mtu = true},
    {.name = "all together", .lost = 10, .doubled = 20, .late = 50, .damaged = 5, .delay_ms = 20, .jitter_ms = 20,
     .changes_mtu = true},
};
enum { FAULTS = sizeof faults / sizeof *faults };

static const char *wire_program;

static pid_t wire_lay(const struct fault *f, uint64_t seed)
{
    char text[7][24];
    const uint64_t number[] = {seed, f->lost, f->doubled, f->late, f->damaged, f->delay_ms, f->jitter_ms};
    for (int i = 0; i < 7; i++) snprintf(text[i], sizeof text[i], "%lu", (unsigned long)number[i]);
    int words[2];
    ck_assert_int_eq(pipe(words), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        char word[16];
        close(words[1]);
        ck_assert_msg(read(words[0], word, sizeof word) > 0, "%s carries nothing", wire_program);
        close(words[0]);
        return pid;
    }
    dup2(words[1], STDOUT_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(wire_program, "wire", "wire0", "wire1", text[0], text[1], text[2], text[3], text[4], text[5], text[6],
          (char *)NULL);
    _exit(127);
}

static void wire_take_up(pid_t pid)
{
    int how;
    ck_assert_int_eq(waitpid(pid, &how, WNOHANG), 0); /* it worked all the time */
    kill(pid, SIGKILL);
    waitpid(pid, &how, 0);
}

/* The client's end takes and promises no larger packets from now on: those of older connections are lost. */
static void client_mtu(int mtu)
{
    struct ifreq request = {.ifr_name = "client", .ifr_mtu = mtu};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFMTU, &request), 0);
    close(fd);
}

static void round_run(struct rig *r, const struct fault *f, uint64_t seed, uint64_t for_ns)
{
    const struct clock *clock = clock_real();
    uint64_t begin_ns = clock_monotonic_ns(clock), bytes = r->bytes, stories = r->stories, again = r->retransmitted;
    pid_t wire = wire_lay(f, seed);
    bool is_low = false;
    r->longest_ns = r->longest_retransmitted = 0;
    while (clock_monotonic_ns(clock) - begin_ns < for_ns) {
        bool wants_low = (clock_monotonic_ns(clock) - begin_ns) / 1000000 % MTU_EVERY_MS < MTU_LOW_MS;
        if (f->changes_mtu && wants_low != is_low) {
            is_low = wants_low;
            client_mtu(is_low ? MTU_LOW : MTU);
        }
        rig_step(r);
    }
    if (is_low) client_mtu(MTU);
    wire_take_up(wire);
    printf("%-20s seed %lu: %lu stories, %lu KiB, %lu segments again, longest wait %lu ms with %lu of them\n", f->name,
           (unsigned long)seed, (unsigned long)(r->stories - stories), (unsigned long)(r->bytes - bytes) >> 10,
           (unsigned long)(r->retransmitted - again), (unsigned long)r->longest_ns / 1000000,
           (unsigned long)r->longest_retransmitted);
    fflush(stdout);
}

START_TEST(every_fault)
{
    static struct rig rig;
    const struct fault calm = {.name = "calm"};
    bool is_long = getenv("MILLRACE_LONG") != NULL;
    const char *seed_text = getenv("MILLRACE_SEED"), *seconds_text = getenv("MILLRACE_SECONDS");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    uint64_t seconds = seconds_text != NULL ? strtoull(seconds_text, NULL, 10) : is_long ? 3600 : 20;
    uint64_t for_ns = seconds * 1000000000 / FAULTS, most_ns = (uint64_t)ROUND_S_MAX * 1000000000;
    rig_open(&rig, seed, CLIENTS);
    for (; for_ns > 0; for_ns -= for_ns < most_ns ? for_ns : most_ns)
        for (unsigned i = 0; i < FAULTS; i++) round_run(&rig, &faults[i], seed++, for_ns < most_ns ? for_ns : most_ns);
    pid_t wire = wire_lay(&calm, seed);
    rig_close(&rig, is_long);
    wire_take_up(wire);
    ck_assert_uint_ge(rig.stories, CLIENTS);
    if (seconds >= 60) {
        ck_assert_uint_gt(rig.resets, 0);
        ck_assert_uint_gt(rig.retransmitted, 0);
    }
    printf("%lu stories, %lu MiB, all right; nothing is left\n", (unsigned long)rig.stories,
           (unsigned long)rig.bytes >> 20);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    wire_program = argv[1];
    if (!veth_enter_wired(MTU)) return 77;
    if (!veth_few_ports(PORT_FIRST, PORT_LAST)) {
        printf("skipped: the range of local ports cannot be set here\n");
        return 77;
    }
    Suite *suite = suite_create("port, hostile network");
    TCase *t = tcase_create("port, hostile network");
    tcase_set_timeout(t, 0); /* meson's holds */
    tcase_add_test(t, every_fault);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
