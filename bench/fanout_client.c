/* Counting consumers for bench/fanout.py: groups, each a connection that fetches one topic, and the writer before them.
 * usage: fanout_client fill millrace|kafka FEED TOPIC RECORD_BYTES BATCH_BYTES MIB
 *        fanout_client start PORT PID TOPIC RECORD_BYTES BATCH_BYTES GROUPS END SECONDS
 *        fanout_client once PORT PID TOPIC RECORD_BYTES BATCH_BYTES GROUPS END
 *        fanout_client tail PORT PID TOPIC RECORD_BYTES BATCH_BYTES GROUPS END SECONDS millrace|kafka FEED
 *                           PER_SECOND [IDLE]
 * `fill` prints {"end": OFFSET, "value_bytes": N, "crc_sum": N}, sums of all values' sizes and CRC-32C.  `start`:
 * every group reads from 0 to END, again and again, and counts after a while; `once`: one time, and all of it
 * counts; `tail`: every group waits at the end, and batches come at a steady rate, from when one was due to when a
 * group has it.  Every batch's CRC is checked, and that offsets follow each other; in `tail` that every group got
 * all.  IDLE more connections have asked for ApiVersions and say nothing then.  PID is the server's: its CPU
 * seconds are counted over the same time.  Fetch is version 11, without sessions, as librdkafka asks. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/invariant.h"
#include "bench/fanout_feed.h"
#include "bench/open_files.h"
#include "bench/wire.h"
#include "formats/record_batch.h"

enum { WARM_UP_MS = 500, DRAIN_S = 30, ONCE_S_MAX = 300, EVENTS = 64 };

struct group {
    int      fd;
    uint8_t *room;  /* what has come and is not yet looked at */
    size_t   held;
    uint32_t records_left; /* of the answer: bytes */
    uint64_t next;         /* offset */
    bool     is_in_records;
};

static struct group *groups;
static uint32_t group_count;
static size_t room_bytes;
static const char *topic;
static uint64_t end_offset, received_bytes, received_records, fetches;
static uint32_t ended_count; /* groups, in `once` */
static bool is_tail, is_once;
static struct feed feed;
static struct histogram latency_ns;

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

static double server_cpu_s(const char *pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *in = fopen(path, "re");
    size_t size = in == NULL ? 0 : fread(text, 1, sizeof text - 1, in);
    text[size] = 0;
    const char *at = strrchr(text, ')');
    if (at == NULL || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fprintf(stderr, "no process %s\n", pid), exit(1);
    fclose(in);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void fetch(struct group *g)
{
    uint8_t request[WIRE_FETCH_BYTES_MAX];
    wire_send(g->fd, request, wire_fetch(request, topic, g->next));
    fetches++;
}

static void batch_take(struct group *g, const uint8_t *bytes, const struct record_batch_view *view, uint64_t at_ns)
{
    if (view->base_offset != g->next || !record_batch_crc_holds(bytes, view)) {
        fprintf(stderr, "expected offset %llu, got a batch at %llu, CRC %s\n", (unsigned long long)g->next,
                (unsigned long long)view->base_offset, record_batch_crc_holds(bytes, view) ? "right" : "wrong");
        exit(1);
    }
    if (is_tail) {
        uint64_t due_ns = feed_stamp(&feed, bytes);
        histogram_record(&latency_ns, at_ns > due_ns ? at_ns - due_ns : 0);
    }
    g->next = view->last_offset + 1;
    received_bytes += view->bytes;
    received_records += view->record_count;
}

/* Looks at `bytes` of an answer's records; returns how many were used. */
static size_t records_take(struct group *g, const uint8_t *bytes, size_t size, uint64_t at_ns)
{
    struct record_batch_view view;
    if (size > g->records_left) size = g->records_left;
    enum err e = size < 12 ? ERR_TRUNCATED : record_batch_view(bytes, size, &view);
    if (e == ERR_TRUNCATED && size < g->records_left) return 0;
    INVARIANT(e == ERR_OK || e == ERR_TRUNCATED); /* Kafka cuts the last batch */
    if (e == ERR_OK) batch_take(g, bytes, &view, at_ns);
    if (e == ERR_OK) size = view.bytes;
    g->records_left -= (uint32_t)size;
    return size;
}

static size_t head_take(struct group *g, const uint8_t *bytes, size_t size)
{
    size_t used = wire_fetched(bytes, size, topic, &g->records_left);
    g->is_in_records = used > 0;
    return used;
}

static void answer_end(struct group *g)
{
    bool is_over = !is_tail && g->next >= end_offset;
    g->is_in_records = false;
    if (is_over && is_once) {
        ended_count++;
        return;
    }
    if (is_over) g->next = 0;
    fetch(g);
}

static void receive(struct group *g)
{
    ssize_t got = recv(g->fd, g->room + g->held, room_bytes - g->held, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fprintf(stderr, "the server hung up: %s\n", got == 0 ? "closed" : strerror(errno)), exit(1);
    g->held += (size_t)got;
    uint64_t at_ns = now_ns();
    size_t at = 0;
    for (size_t used; (used = g->is_in_records ? records_take(g, g->room + at, g->held - at, at_ns)
                                               : head_take(g, g->room + at, g->held - at)) > 0;) {
        at += used;
        if (g->is_in_records && g->records_left == 0) answer_end(g);
    }
    g->held -= at;
    memmove(g->room, g->room + at, g->held);
}

/* --- the writer's thread --- */

struct writer {
    pthread_t thread;
    double    batches_per_s;
    uint64_t  end_ns, sent;
};

static void *writer_run(void *context)
{
    struct writer *w = context;
    uint64_t begun_ns = now_ns();
    for (uint64_t due_ns = begun_ns; due_ns < w->end_ns; w->sent++) {
        struct timespec until = {(time_t)(due_ns / 1000000000), (long)(due_ns % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        feed_send(&feed, due_ns); /* also when it is late: whoever waits does so from when it was due */
        due_ns = begun_ns + (uint64_t)((double)(w->sent + 1) * 1e9 / w->batches_per_s);
    }
    feed_drain(&feed);
    return NULL;
}

/* --- the whole --- */

static void groups_open(uint16_t port, int epoll)
{
    groups = calloc(group_count, sizeof *groups);
    INVARIANT(groups != NULL);
    for (uint32_t i = 0; i < group_count; i++) {
        struct group *g = &groups[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = g};
        *g = (struct group){.fd = wire_connect("127.0.0.1", port), .room = malloc(room_bytes),
                            .next = is_tail ? end_offset : 0};
        INVARIANT(g->room != NULL && epoll_ctl(epoll, EPOLL_CTL_ADD, g->fd, &event) == 0);
        fetch(g);
    }
}

/* They end with a reset, so that their ports can be taken again at once. */
static void idle_open(uint16_t port, uint32_t count)
{
    static const struct linger reset = {1, 0};
    uint8_t request[64], answer[4096];
    size_t size = 4;
    size += wire_number(request + size, 18, 2); /* ApiVersions, version 0 */
    size += wire_number(request + size, 0, 2);
    size += wire_number(request + size, 1, 4);
    size += wire_text(request + size, "idle");
    wire_number(request, size - 4, 4);
    for (uint32_t i = 0; i < count; i++) {
        int fd = wire_connect("127.0.0.1", port);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        wire_send(fd, request, size);
        wire_receive(fd, answer, 4);
        INVARIANT(wire_read(answer, 4) <= sizeof answer);
        wire_receive(fd, answer, wire_read(answer, 4));
    }
}

static void receive_some(int epoll)
{
    struct epoll_event event[EVENTS];
    int count = epoll_wait(epoll, event, EVENTS, 20);
    for (int i = 0; i < count; i++) receive(event[i].data.ptr);
}

static void receive_until(int epoll, uint64_t until_ns)
{
    while (now_ns() < until_ns) receive_some(epoll);
}

/* In `tail`: whether every group has got everything. */
static bool drained(int epoll)
{
    uint64_t until_ns = now_ns() + DRAIN_S * UINT64_C(1000000000);
    for (uint32_t behind = group_count; behind > 0 && now_ns() < until_ns;) {
        receive_until(epoll, now_ns() + 10000000);
        behind = 0;
        for (uint32_t i = 0; i < group_count; i++) behind += groups[i].next < feed.next_offset;
        if (behind == 0) return true;
    }
    fprintf(stderr, "not every group has got every record within %d s\n", DRAIN_S);
    return false;
}

static double own_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct usage {
    uint64_t at_ns, bytes, records, answers;
    double server_cpu_s, client_cpu_s;
};

static struct usage usage_now(const char *pid)
{
    return (struct usage){now_ns(), received_bytes, received_records, fetches, server_cpu_s(pid), own_cpu_s()};
}

static void usage_print(const struct usage *from, const struct usage *to)
{
    double gb = (double)(to->bytes - from->bytes) / 1e9, taken_s = (double)(to->at_ns - from->at_ns) / 1e9;
    double cpu_s = to->server_cpu_s - from->server_cpu_s;
    printf("\"mb_per_s\": %.1f, \"records_per_s\": %.0f, \"fetches_per_s\": %.0f, \"server_cpu_s\": %.2f, "
           "\"server_cpu_s_per_gb\": %.3f, \"gb_per_server_cpu_s\": %.3f, \"client_cpu_s_per_gb\": %.3f",
           gb * 1000 / taken_s, (double)(to->records - from->records) / taken_s,
           (double)(to->answers - from->answers) / taken_s, cpu_s, cpu_s / gb, cpu_s > 0 ? gb / cpu_s : 0,
           (to->client_cpu_s - from->client_cpu_s) / gb);
}

static int measure(uint16_t port, const char *pid, double seconds, struct writer *writer)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct usage begin = usage_now(pid);
    groups_open(port, epoll);
    if (!is_once) {
        receive_until(epoll, now_ns() + WARM_UP_MS * UINT64_C(1000000));
        begin = usage_now(pid);
    }
    uint64_t end_ns = begin.at_ns + (uint64_t)(seconds * 1e9);
    if (is_tail) {
        writer->end_ns = end_ns;
        int rc = pthread_create(&writer->thread, NULL, writer_run, writer);
        INVARIANT(rc == 0);
    }
    uint64_t deadline_ns = begin.at_ns + ONCE_S_MAX * UINT64_C(1000000000);
    while (is_once && ended_count < group_count && now_ns() < deadline_ns) receive_some(epoll);
    if (is_once && ended_count < group_count) {
        fprintf(stderr, "not every group has read everything within %d s\n", ONCE_S_MAX);
        return 1;
    }
    if (!is_once) receive_until(epoll, end_ns);
    struct usage end = usage_now(pid);
    if (is_tail) {
        pthread_join(writer->thread, NULL);
        if (!drained(epoll)) return 1;
    }
    printf("{");
    usage_print(&begin, &end);
    if (is_tail)
        printf(", \"batches_per_s\": %.1f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"end\": %llu",
               (double)writer->sent / seconds, (double)histogram_quantile(&latency_ns, 500000) / 1e3,
               (double)histogram_quantile(&latency_ns, 990000) / 1e3,
               (double)histogram_quantile(&latency_ns, 999000) / 1e3, (unsigned long long)feed.next_offset);
    printf("}\n");
    return 0;
}

static int fill(int argc, char **argv)
{
    if (argc != 8) return 2;
    topic = argv[4];
    feed_open(&feed, (uint16_t)atoi(argv[3]), strcmp(argv[2], "kafka") == 0, topic, (uint32_t)atoi(argv[5]),
              (uint32_t)atoi(argv[6]));
    uint64_t bytes = strtoull(argv[7], NULL, 10) << 20;
    for (uint64_t n = 0; n * feed.batch_bytes < bytes || n == 0; n++) feed_send(&feed, n);
    feed_drain(&feed);
    printf("{\"end\": %llu, \"value_bytes\": %llu, \"crc_sum\": %llu}\n", (unsigned long long)feed.next_offset,
           (unsigned long long)feed.value_bytes, (unsigned long long)feed.crc_sum);
    return 0;
}

int main(int argc, char **argv)
{
    struct writer writer = {.sent = 0};
    if (argc > 1 && strcmp(argv[1], "fill") == 0) return fill(argc, argv);
    is_tail = (argc == 13 || argc == 14) && strcmp(argv[1], "tail") == 0;
    is_once = argc == 9 && strcmp(argv[1], "once") == 0;
    if (!is_tail && !is_once && (argc != 10 || strcmp(argv[1], "start") != 0)) {
        fprintf(stderr, "usage: see the head of bench/fanout_client.c\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[2]);
    topic = argv[4];
    feed_open(&feed, is_tail ? (uint16_t)atoi(argv[11]) : 0, is_tail && strcmp(argv[10], "kafka") == 0, topic,
              (uint32_t)atoi(argv[5]), (uint32_t)atoi(argv[6]));
    room_bytes = 2 * (size_t)feed.batch_bytes < 256 << 10 ? 256 << 10 : 2 * (size_t)feed.batch_bytes;
    group_count = (uint32_t)atoi(argv[7]);
    end_offset = strtoull(argv[8], NULL, 10);
    if (is_tail) writer.batches_per_s = strtod(argv[12], NULL);
    open_files_raise();
    if (argc == 14) idle_open(port, (uint32_t)atoi(argv[13]));
    return measure(port, argv[3], is_once ? 0 : strtod(argv[9], NULL), &writer);
}
