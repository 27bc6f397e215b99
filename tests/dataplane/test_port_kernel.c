/* Goal: the kernel's port says clearly why it cannot open, listens on IPv4 and IPv6, shares a port among lcores without
 * joining a stranger's, and gives every message back whatever happens to the connection. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Sends 1 MiB that the port was not told of to a client of this process, and returns how many went without a copy. */
static uint64_t lent_of_unregistered(struct port *p, uint16_t number)
{
    enum { SIZE = 1 << 20 };
    uint8_t *bytes = malloc(SIZE), *got = malloc(SIZE);
    ck_assert(bytes != NULL && got != NULL);
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 31 ^ i >> 9);
    struct port_piece piece = {bytes, SIZE, true};
    struct port_message message = {.piece = &piece, .piece_count = 1};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(number),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    bool is_released = false;
    size_t have = 0;
    for (int i = 0; i < 10000 && (have < SIZE || !is_released); i++) {
        struct port_event events[8];
        unsigned count = port_poll(p, events, 8);
        for (unsigned k = 0; k < count; k++) {
            if (events[k].kind == PORT_ACCEPTED) port_send(p, events[k].connection, &message);
            is_released |= events[k].kind == PORT_RELEASED;
        }
        ssize_t n = recv(fd, got + have, SIZE - have, MSG_DONTWAIT);
        if (n > 0) have += (size_t)n;
        if (count == 0 && n <= 0) port_wait(p, 1000000);
    }
    ck_assert(is_released);
    ck_assert_uint_eq(have, SIZE);
    ck_assert_mem_eq(got, bytes, SIZE);
    ck_assert_uint_eq(p->stats.zero_copy_bytes + p->stats.copied_bytes, SIZE);
    close(fd);
    free(bytes);
    free(got);
    return p->stats.zero_copy_bytes;
}

START_TEST(memory_that_is_not_registered_is_lent_too)
{
    uint16_t number;
    struct port *p = open_at("127.0.0.1", 4, NULL, &number);
    if (lent_of_unregistered(p, number) == 0) {
        ck_assert_uint_ne(geteuid(), 0);
        printf("locked memory is limited here: only copies were tested\n");
    }
    port_fini(p);
}
END_TEST

START_TEST(memory_that_may_not_be_pinned_is_copied)
{
    const struct rlimit none = {0, 0};
    uint16_t number;
    if (geteuid() == 0) ck_assert_int_eq(setuid(65534), 0); /* root's memory is not limited */
    struct port *p = open_at("127.0.0.1", 4, NULL, &number); /* its rings count, too */
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    ck_assert_uint_eq(lent_of_unregistered(p, number), 0);
    port_fini(p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port kernel");
    TCase *t = tcase_create("port kernel");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, refusals_say_what_to_do);
    tcase_add_test(t, io_uring_forbidden);
    tcase_add_test(t, memory_that_is_not_registered_is_lent_too);
    tcase_add_test(t, memory_that_may_not_be_pinned_is_copied);
    const struct port_under_test kernel = {"127.0.0.1", "::1", "127.0.0.1", "::1", open_at};
    port_contract_add(t, &kernel);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
