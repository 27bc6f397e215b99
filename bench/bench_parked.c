/* 10,000 idle connections, 2,000 of them in parked fetches: memory, idle CPU, and a new record's way to all of them.
 * The clients are another process on the same two cores.  Times are from the moment the record became visible until a
 * client has read its answer: "last" is the last of the 2,000, p50 and p99 are over all answers of all rounds.  For one
 * serving thread and for two, a JSON line each. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/open_files.h"
#include "dataplane/serve.h"
#include "storage/storage.h"
#include "tests/storage/producer.h"

enum { ROUNDS = 30, IDLE_S = 8, VALUE_BYTES = 200, SEGMENT_BYTES = 64 << 20, ANSWER_BYTES = 16 << 10, BURST = 256 };

static uint32_t connection_count = 10000, parked_count = 2000;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void all_of(ssize_t done, size_t size) { INVARIANT(done >= 0 && (size_t)done == size); }

static void read_whole(int fd, void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)out + done, size - done);
        if (n <= 0) exit(1); /* the other process has ended */
        done += (size_t)n;
    }
}

/* --- the clients' process --- */

enum order_kind { ORDER_CONNECT, ORDER_PARK, ORDER_AWAIT };
struct order { enum order_kind kind; uint16_t port; uint64_t offset; };

static size_t text_put(uint8_t *out, const char *text)
{
    uint16_t size = htons((uint16_t)strlen(text));
    memcpy(out, &size, 2);
    memcpy(out + 2, text, strlen(text));
    return 2 + strlen(text);
}

static size_t number_put(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return bytes;
}

static size_t request_put(uint8_t *out, uint16_t api, uint16_t version, const uint8_t *body, size_t body_bytes)
{
    size_t at = 4;
    at += number_put(out + at, api, 2);
    at += number_put(out + at, version, 2);
    at += number_put(out + at, 7, 4);
    at += text_put(out + at, "parked");
    memcpy(out + at, body, body_bytes);
    at += body_bytes;
    number_put(out, at - 4, 4);
    return at;
}

static size_t fetch_put(uint8_t *out, uint64_t offset) /* version 4 */
{
    uint8_t body[200];
    size_t at = 0;
    at += number_put(body + at, UINT32_MAX, 4); /* replica */
    at += number_put(body + at, 600000, 4);     /* max_wait_ms */
    at += number_put(body + at, 1, 4);          /* min_bytes */
    at += number_put(body + at, 1 << 20, 4);
    at += number_put(body + at, 0, 1);
    at += number_put(body + at, 1, 4);
    at += text_put(body + at, "events");
    at += number_put(body + at, 1, 4);
    at += number_put(body + at, 0, 4);
    at += number_put(body + at, offset, 8);
    at += number_put(body + at, 1 << 20, 4);
    return request_put(out, 1, 4, body, at);
}

static int *sockets;
static uint64_t *answered_ns;

static void connect_all(uint16_t port)
{
    uint8_t frame[64], answer[4096];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t size = request_put(frame, 18, 0, (const uint8_t *)"", 0);
    for (uint32_t i = 0; i < connection_count; i++) { /* each says one thing, as clients do */
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (sockets[i] < 0 || connect(sockets[i], (struct sockaddr *)&to, sizeof to) != 0) {
            fprintf(stderr, "connection %u: %s\n", i, strerror(errno));
            exit(1);
        }
        all_of(send(sockets[i], frame, size, 0), size);
        if (recv(sockets[i], answer, sizeof answer, 0) <= 0) exit(1);
    }
}

static void park_all(uint64_t offset)
{
    uint8_t frame[256];
    size_t size = fetch_put(frame, offset);
    for (uint32_t i = 0; i < parked_count; i++) all_of(send(sockets[i], frame, size, 0), size);
}

static void await_all(int epoll)
{
    static uint8_t bytes[ANSWER_BYTES];
    struct epoll_event event[BURST];
    for (uint32_t left = parked_count; left > 0;) {
        int count = epoll_wait(epoll, event, BURST, -1);
        for (int i = 0; i < count; i++) {
            uint32_t n = event[i].data.u32;
            ssize_t got = recv(sockets[n], bytes, sizeof bytes, MSG_DONTWAIT); /* an answer comes whole: one send */
            uint32_t size;
            if (got < 4) exit(1);
            memcpy(&size, bytes, 4);
            INVARIANT(ntohl(size) + 4 == (uint32_t)got && got > VALUE_BYTES);
            answered_ns[n] = now_ns();
            left--;
        }
    }
}

static void clients_run(int orders, int results)
{
    struct order o;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (;;) {
        read_whole(orders, &o, sizeof o);
        if (o.kind == ORDER_PARK) park_all(o.offset);
        if (o.kind == ORDER_AWAIT) await_all(epoll);
        if (o.kind == ORDER_CONNECT) {
            connect_all(o.port);
            for (uint32_t i = 0; i < parked_count; i++) {
                struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &e) != 0) exit(1);
            }
        }
        size_t size = parked_count * sizeof *answered_ns;
        for (size_t done = 0; done < size;) {
            ssize_t n = write(results, (char *)answered_ns + done, size - done);
            if (n <= 0) exit(1);
            done += (size_t)n;
        }
    }
}

/* --- the server's process --- */

struct topic {
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    waiter;
};

static struct counters *counters;
static struct storage *storage;
static struct topic offsets, events;
static int orders, results;

static void must(enum err e, const struct err_msg *msg)
{
    if (e == ERR_OK) return;
    fprintf(stderr, "%s\n", msg->text);
    exit(1);
}

static void topic_open(struct topic *t, const char *name, bool is_internal)
{
    struct err_msg msg = {.code = ERR_OK};
    snprintf(t->identity.name, sizeof t->identity.name, "%s", name);
    t->identity.is_internal = is_internal;
    must(storage_log_open(storage, &t->identity, true, &t->log, &t->feed, &t->resume, &msg), &msg);
    must(waiter_init(&t->waiter), &msg);
}

static void order(enum order_kind kind, uint16_t port, uint64_t offset)
{
    struct order o = {kind, port, offset};
    all_of(write(orders, &o, sizeof o), sizeof o);
}

static void order_done(void) { read_whole(results, answered_ns, parked_count * sizeof *answered_ns); }

static uint64_t number_in(const char *file, const char *word)
{
    char line[256];
    uint64_t value = 0;
    FILE *in = fopen(file, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, word);
        if (at != NULL) value = strtoull(at + strlen(word), NULL, 10);
    }
    if (in != NULL) fclose(in);
    return value;
}

static uint64_t resident_bytes(void) { return number_in("/proc/self/status", "VmRSS:") << 10; }
static uint64_t kernel_bytes(void)
{
    return (number_in("/proc/meminfo", "Slab:") << 10) + (number_in("/proc/net/sockstat", " mem ") << 12);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void parked_add(void *context, const struct counter_view *view)
{
    if (strcmp(view->name, "fetches_parked") == 0) *(uint64_t *)context += view->value;
}

static void parked_wait(void)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t parked = 0;
        counters_each(counters, parked_add, &parked);
        if (parked == parked_count) return;
        usleep(20000);
    }
    fprintf(stderr, "the fetches do not park\n");
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double ms(uint64_t ns) { return (double)ns / 1e6; }

static void rounds_run(int rounds, uint32_t threads, uint64_t resident, uint64_t kernel, double idle_share)
{
    struct producer producer;
    uint64_t *all = calloc((size_t)rounds * parked_count, sizeof *all), last[ROUNDS];
    INVARIANT(all != NULL);
    events.feed->producer_waiter = &events.waiter;
    producer_init(&producer, events.feed, &events.resume, SEGMENT_BYTES, 1);
    for (int r = 0; r < rounds; r++) {
        if (r > 0) {
            order(ORDER_PARK, 0, producer.next_offset);
            order_done();
            usleep(300000);
            parked_wait();
        }
        order(ORDER_AWAIT, 0, 0);
        usleep(20000);
        while (!producer_send(&producer, 1, VALUE_BYTES, true, 1700000000000)) {
            producer_poll(&producer);
            usleep(100);
        }
        order_done();
        uint64_t visible_ns = log_high_watermark_ns(events.log);
        for (uint32_t i = 0; i < parked_count; i++) all[(size_t)r * parked_count + i] = answered_ns[i] - visible_ns;
        qsort(all + (size_t)r * parked_count, parked_count, sizeof *all, by_value);
        last[r] = all[(size_t)(r + 1) * parked_count - 1];
    }
    size_t count = (size_t)rounds * parked_count;
    qsort(all, count, sizeof *all, by_value);
    qsort(last, (size_t)rounds, sizeof *last, by_value);
    printf("{\"bench\": \"parked\", \"connections\": %u, \"parked\": %u, \"serve_threads\": %u, "
           "\"resident_bytes_per_connection\": %llu, \"kernel_bytes_per_connection_both_ends\": %llu, "
           "\"idle_core_percent\": %.3f, \"rounds\": %d, \"first_ms\": %.2f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
           "\"last_ms\": %.2f, \"last_best_ms\": %.2f, \"last_worst_ms\": %.2f}\n",
           connection_count, parked_count, threads, (unsigned long long)(resident / connection_count),
           (unsigned long long)(kernel / connection_count), idle_share * 100, rounds, ms(all[0]), ms(all[count / 2]),
           ms(all[count / 100 * 99]), ms(last[rounds / 2]), ms(last[0]), ms(last[rounds - 1]));
    free(all);
    producer_fini(&producer);
}

static void server_run(uint32_t threads, bool is_quick)
{
    char folder[] = "/tmp/millrace-parked-XXXXXX", command[100];
    struct err_msg msg = {.code = ERR_OK};
    INVARIANT(mkdtemp(folder) != NULL);
    must(counters_open(&counters, NULL, 8192, &msg), &msg);
    struct storage_config disk = {
        .data_folder = folder, .chunk_bytes = 1 << 20, .chunk_count = 64, .leases_per_log = 2,
        .tail_chunks_per_log = 8, .segment_bytes = SEGMENT_BYTES, .index_interval_bytes = 4096, .uring_depth = 64,
        .reader_count = threads + 1, .reader_cache_bytes = 8 << 20, .record_bytes_max = 4 << 20, .core = -1};
    must(storage_start(&storage, &disk, clock_real(), counters, &msg), &msg);
    topic_open(&offsets, "__consumer_offsets", true);
    topic_open(&events, "events", false);
    struct listener_config listener = {.name = "bench", .host = "127.0.0.1", .request_timeout_ms = 60000,
                                       .idle_timeout_ms = 600000, .inflight_bytes_max = 16 << 20};
    struct dataplane_config config = {
        .listeners = &listener, .listener_count = 1, .serve_thread_count = threads,
        .connections_max = connection_count + 100, .request_bytes_max = 1 << 20, .fetch_bytes_max = 8 << 20,
        .send_pinned_bytes_max = 8 << 20, .offsets_retention_ms = 3600000, .groups_max = 64, .cluster_id = "bench"};
    struct dataplane *d;
    uint64_t resident = resident_bytes(); /* what is set aside for connections at the start counts, too */
    must(dataplane_start(&d, &config, storage, offsets.log, offsets.feed, clock_real(), counters, &msg), &msg);
    usleep(500000);
    uint64_t kernel = kernel_bytes();
    order(ORDER_CONNECT, dataplane_port(d, 0), 0);
    order_done();
    order(ORDER_PARK, 0, 0);
    order_done();
    parked_wait();
    resident = resident_bytes() - resident;
    kernel = kernel_bytes() - kernel;
    unsigned seconds = is_quick ? 2 : IDLE_S;
    double before = cpu_s();
    uint64_t begun_ns = now_ns();
    sleep(seconds);
    double idle_share = (cpu_s() - before) / ((double)(now_ns() - begun_ns) / 1e9);
    rounds_run(is_quick ? 3 : ROUNDS, threads, resident, kernel, idle_share);
    dataplane_stop(d);
    struct topic *const topics[] = {&events, &offsets};
    for (int i = 0; i < 2; i++) {
        must(storage_log_detach(storage, topics[i]->log, &msg), &msg);
        storage_log_close(storage, topics[i]->log);
    }
    storage_stop(storage);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s stays\n", folder);
}

/* One server and its clients, in two processes of their own. */
static bool run(uint32_t threads, bool is_quick)
{
    int order_pipe[2], result_pipe[2], status = 1;
    INVARIANT(pipe(order_pipe) == 0 && pipe(result_pipe) == 0);
    pid_t clients = fork();
    if (clients == 0) {
        close(order_pipe[1]);
        clients_run(order_pipe[0], result_pipe[1]);
    }
    pid_t server = fork();
    if (server == 0) {
        close(result_pipe[1]);
        close(order_pipe[0]);
        orders = order_pipe[1];
        results = result_pipe[0];
        server_run(threads, is_quick);
        fflush(stdout);
        _exit(0);
    }
    close(order_pipe[0]), close(order_pipe[1]), close(result_pipe[0]), close(result_pipe[1]);
    waitpid(server, &status, 0); /* its end of the pipe ends the clients */
    waitpid(clients, NULL, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    bool is_quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    uint64_t files = open_files_raise();
    if (files < connection_count + 200) {
        fprintf(stderr, "only %llu open files are allowed: fewer connections\n", (unsigned long long)files);
        connection_count = (uint32_t)files - 200;
        if (parked_count > connection_count / 5) parked_count = connection_count / 5;
    }
    sockets = calloc(connection_count, sizeof *sockets);
    answered_ns = calloc(parked_count, sizeof *answered_ns);
    INVARIANT(sockets != NULL && answered_ns != NULL);
    bool is_well = run(1, is_quick);
    return run(2, is_quick) && is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
