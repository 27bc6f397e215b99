/* Goal: the kernel's port says clearly why it cannot open, listens on IPv4 and IPv6, shares a port among lcores without
 * joining a stranger's, sends without a copy what it may pin, and gives every message back whatever happens to the
 * connection. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dataplane/port_kernel.h"
#include "tests/dataplane/port_contract.h"
#include "tests/suite.h"

static struct err_msg msg;

static struct port *open_at(const char *host, uint32_t connections_max, const struct chunk_pool *pool, uint16_t *number)
{
    struct port *p;
    int fd;
    if (port_kernel_listen(host, 0, 1, &fd, number, &msg) != ERR_OK) return NULL;
    enum err e = port_kernel_open(&p, &fd, 1, connections_max, pool, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    return p;
}

START_TEST(refusals_say_what_to_do)
{
    int fd[4];
    uint16_t number, other;
    ck_assert_int_eq(port_kernel_listen("localhost", 0, 1, fd, &number, &msg), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(msg.text, "localhost"));
    ck_assert_int_eq(port_kernel_listen("127.0.0.1", 0, 3, fd, &number, &msg), ERR_OK);
    ck_assert_int_eq(port_kernel_listen("127.0.0.1", number, 1, &fd[3], &other, &msg), ERR_IO); /* plainly in use */
    char wanted[32];
    snprintf(wanted, sizeof wanted, "port %u", number);
    ck_assert_msg(strstr(msg.text, wanted) != NULL && strstr(msg.text, "in use") != NULL, "%s", msg.text);
    ck_assert_int_eq(port_kernel_listen("127.0.0.1", number, 2, &fd[2], &other, &msg), ERR_IO); /* not joined, either */
    for (int i = 0; i < 3; i++) close(fd[i]);
    ck_assert_int_eq(port_kernel_listen("127.0.0.1", number, 2, fd, &other, &msg), ERR_OK); /* free again at once */
    ck_assert_uint_eq(number, other);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

START_TEST(io_uring_forbidden)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct port *p;
    uint16_t number;
    int fd;
    ck_assert_int_eq(port_kernel_listen("127.0.0.1", 0, 1, &fd, &number, &msg), ERR_OK);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("no seccomp filter can be set here: the refusal of io_uring was not tested\n");
        close(fd);
        return;
    }
    ck_assert_int_eq(port_kernel_open(&p, &fd, 1, 16, NULL, &msg), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(msg.text, "kernel.io_uring_disabled") != NULL, "%s", msg.text);
    ck_assert_msg(strstr(msg.text, "seccomp") != NULL, "%s", msg.text);
}
END_TEST

enum { PART = 1 << 20, CLIENTS = 2 };

static int client_of(uint16_t number)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(number),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* Sends two parts, the second of which the port was told of, to each client, and returns how much went without a copy:
 * the clients begin to read when all have been sent to. */
static uint64_t parts_lent(struct port *p, uint16_t number, const uint8_t *first, const uint8_t *second)
{
    struct port_piece piece[CLIENTS][2];
    struct port_message message[CLIENTS];
    uint8_t *got = malloc(2 * PART);
    size_t have[CLIENTS] = {0};
    int fd[CLIENTS], sent = 0, released = 0;
    ck_assert_ptr_nonnull(got);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = client_of(number);
        piece[i][0] = (struct port_piece){first, PART, true};
        piece[i][1] = (struct port_piece){second, PART, true};
        message[i] = (struct port_message){.piece = piece[i], .piece_count = 2};
    }
    for (int turn = 0; turn < 10000 && (released < CLIENTS || have[0] + have[1] < 4 * PART); turn++) {
        struct port_event events[8];
        unsigned count = port_poll(p, events, 8);
        for (unsigned k = 0; k < count; k++) {
            if (events[k].kind == PORT_ACCEPTED) port_send(p, events[k].connection, &message[sent++]);
            released += events[k].kind == PORT_RELEASED;
        }
        for (int i = 0; i < CLIENTS && sent == CLIENTS; i++) {
            ssize_t n = recv(fd[i], got, 2 * PART - have[i], MSG_DONTWAIT);
            for (ssize_t k = 0; k < n; k++, have[i]++)
                ck_assert_uint_eq(got[k], have[i] < PART ? first[have[i]] : second[have[i] - PART]);
        }
        if (count == 0) port_wait(p, 1000000);
    }
    ck_assert_int_eq(released, CLIENTS);
    ck_assert_uint_eq(have[0] + have[1], 4 * PART);
    ck_assert_uint_eq(p->stats.zero_copy_bytes + p->stats.copied_bytes, 4 * PART);
    for (int i = 0; i < CLIENTS; i++) close(fd[i]);
    free(got);
    return p->stats.zero_copy_bytes;
}

/* `_i` == 1: the limit of locked memory leaves nothing beside the chunks. */
START_TEST(memory_that_is_not_registered_is_lent_too)
{
    const struct rlimit none = {0, 0};
    uint16_t number;
    uint8_t *bytes = mmap(NULL, 2 * PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(bytes != MAP_FAILED);
    for (size_t i = 0; i < 2 * PART; i++) bytes[i] = (uint8_t)(i * 31 ^ i >> 9);
    const struct chunk_pool pool = {bytes + PART, PART, 1};
    bool is_limited = prctl(PR_CAPBSET_READ, CAP_IPC_LOCK) != 1 || geteuid() != 0;
    if (_i == 1 && !is_limited) ck_assert_int_eq(setuid(65534), 0); /* root's memory is not limited */
    struct port *p = open_at("127.0.0.1", 4, &pool, &number);
    if (_i == 1) ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0); /* now: its rings count, too */
    uint64_t lent = parts_lent(p, number, bytes, bytes + PART), wanted = (_i == 0 ? 4 : 2) * (uint64_t)PART;
    if (is_limited && lent < wanted)
        printf("locked memory is limited: %llu of %llu bytes went without a copy\n", (unsigned long long)lent,
               (unsigned long long)wanted);
    else
        ck_assert_uint_eq(lent, wanted);
    if (_i == 1) ck_assert_uint_le(lent, wanted);
    port_fini(p);
    munmap(bytes, 2 * PART);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port kernel");
    TCase *t = tcase_create("port kernel");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, refusals_say_what_to_do);
    tcase_add_test(t, io_uring_forbidden);
    tcase_add_loop_test(t, memory_that_is_not_registered_is_lent_too, 0, 2);
    const struct port_under_test kernel = {"127.0.0.1", "::1", "127.0.0.1", "::1", open_at};
    port_contract_add(t, &kernel);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
