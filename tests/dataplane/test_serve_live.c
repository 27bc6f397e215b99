/* Goal: a serve lcore on the kernel's TCP survives what clients do.  Malformed frames, resets and stopped readers
 * cost their own connection only; many idle connections cost little; a parked fetch wakes at once and costs nothing
 * meanwhile. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "base/thread.h"
#include "tests/dataplane/kafka_client.h"
#include "tests/dataplane/live_server.h"
#include "tests/suite.h"

static uint8_t arena_bytes[1 << 20] __attribute__((aligned(16)));
static struct kafka_arena arena = {arena_bytes, sizeof arena_bytes, 0};

static size_t versions_request(uint8_t *out, size_t max, int32_t correlation_id)
{
    struct api_versions_request body = {kafka_string_of("test"), kafka_string_of("1")};
    return request_make(KAFKA_API_API_VERSIONS, 3, correlation_id, &body, out, max);
}

/* Reads a whole response; returns its size, 0: closed. */
static size_t response_receive(int fd, uint8_t *out, size_t max, int timeout_ms)
{
    if (!read_all(fd, out, 4, timeout_ms)) return 0;
    struct cursor c = cursor_of(out, 4);
    size_t size = (size_t)cursor_be(&c, 4);
    ck_assert_uint_le(size + 4, max);
    return read_all(fd, out + 4, size, timeout_ms) ? size + 4 : 0;
}

static void expect_served(int fd)
{
    uint8_t bytes[4096];
    struct api_versions_response out;
    ck_assert(send_all(fd, bytes, versions_request(bytes, sizeof bytes, 77)));
    size_t size = response_receive(fd, bytes, sizeof bytes, 60000);
    ck_assert_uint_gt(size, 0);
    response_read(KAFKA_API_API_VERSIONS, 3, 77, bytes, size, &arena, &out);
    ck_assert_int_eq(out.error_code, 0);
    ck_assert_int_gt(out.api_key_count, 15);
}

/* Fetches from `offset` and checks the records' bytes against the log; returns the next offset. */
static uint64_t fetch_and_compare(int fd, const struct log *l, uint64_t offset, uint8_t *buffer, size_t max)
{
    struct simple_fetch f;
    struct fetch_response out;
    uint8_t request[512];
    simple_fetch_init(&f, l->identity.name, (int64_t)offset, 1000, 1);
    f.partition.partition_max_bytes = 8 << 20;
    ck_assert(send_all(fd, request, request_make(KAFKA_API_FETCH, 11, 5, &f.request, request, sizeof request)));
    size_t size = response_receive(fd, buffer, max, 60000);
    ck_assert_uint_gt(size, 0);
    response_read(KAFKA_API_FETCH, 11, 5, buffer, size, &arena, &out);
    ck_assert_int_eq(out.response_count, 1);
    const struct fetch_response_partition *p = out.responses[0].partitions;
    ck_assert_int_eq(p->error_code, 0);
    uint32_t i = 0;
    while (l->batch[i].next_offset <= offset) i++;
    ck_assert_mem_eq(p->records.bytes, l->bytes + l->batch[i].position, (size_t)p->records.size);
    uint32_t end = l->batch[i].position + (uint32_t)p->records.size;
    while (i < l->batch_count && l->batch[i].position + l->batch[i].bytes <= end) i++;
    return l->batch[i - 1].next_offset;
}

START_TEST(big_transfers_arrive_whole)
{
    struct live_server *s = live_start(1, 64 << 20, (struct serve_config){0});
    struct log *l = memory_log_new(s->storage, "orders");
    size_t max = 16 << 20;
    uint8_t *buffer = malloc(max);
    for (int i = 0; i < 40; i++)
        memory_log_append(s->storage, l, 3, i % 5 == 0 ? 100 : 300000 + (uint32_t)i * 1001, 1000 + i);
    static const uint32_t piece_bytes[] = {UINT32_MAX, 70001, 20011};
    for (size_t i = 0; i < sizeof piece_bytes / sizeof *piece_bytes; i++) {
        l->piece_bytes_max = piece_bytes[i];
        int fd = live_connect(s);
        for (uint64_t at = 0; at < atomic_load(&l->high_watermark);) at = fetch_and_compare(fd, l, at, buffer, max);
        close(fd);
    }
    free(buffer);
    uint64_t zero_copy = 0, copied = 0;
    for (int i = 0; i < 600 && zero_copy + copied <= 3ull * l->used_bytes; i++) {
        usleep(100000); /* the counters are brought up to date once a second */
        zero_copy = live_counter(s, "sent_zero_copy_bytes", "lcore=0,port=kernel");
        copied = live_counter(s, "sent_copied_bytes", "lcore=0,port=kernel");
    }
    if (zero_copy == 0) printf("no zero-copy sends here (locked memory is limited): only copies were tested\n");
    ck_assert_uint_gt(zero_copy + copied, 3ull * l->used_bytes);
    live_stop(s);
}
END_TEST

START_TEST(a_parked_fetch_wakes_at_once)
{
    struct live_server *s = live_start(1, 16 << 20, (struct serve_config){0});
    struct log *l = memory_log_new(s->storage, "orders");
    uint8_t *buffer = malloc(1 << 20);
    struct simple_fetch f;
    struct fetch_response out;
    int fd = live_connect(s);
    int woken = 0;
    for (int i = 0; i < 20; i++) {
        simple_fetch_init(&f, "orders", i, 10000, 1);
        ck_assert(send_all(fd, buffer, request_make(KAFKA_API_FETCH, 11, i, &f.request, buffer, 512)));
        usleep(20000);
        uint64_t then = clock_monotonic_ns(clock_real());
        memory_log_append(s->storage, l, 1, 50, 1000);
        size_t size = response_receive(fd, buffer, 1 << 20, 60000);
        uint64_t took = clock_monotonic_ns(clock_real()) - then;
        ck_assert_uint_gt(size, 0);
        response_read(KAFKA_API_FETCH, 11, i, buffer, size, &arena, &out);
        ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, i + 1);
        ck_assert_int_gt(out.responses[0].partitions[0].records.size, 61);
        woken += took < 1000000000; /* far below max_wait */
    }
    ck_assert_int_gt(woken, 15); /* a busy machine has its hiccups */
    uint64_t then = clock_monotonic_ns(clock_real());
    simple_fetch_init(&f, "orders", 20, 300, 1); /* nothing comes: an empty answer when the time is over */
    ck_assert(send_all(fd, buffer, request_make(KAFKA_API_FETCH, 11, 99, &f.request, buffer, 512)));
    size_t size = response_receive(fd, buffer, 1 << 20, 60000);
    response_read(KAFKA_API_FETCH, 11, 99, buffer, size, &arena, &out);
    ck_assert_uint_ge(clock_monotonic_ns(clock_real()) - then, 299000000);
    ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
    ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 20);
    close(fd);
    free(buffer);
    live_stop(s);
}
END_TEST

START_TEST(ten_parked_consumers_cost_nothing)
{
    struct live_server *s = live_start(1, 1 << 20, (struct serve_config){0});
    memory_log_new(s->storage, "orders");
    int fd[10];
    uint8_t bytes[512];
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", 0, 30000, 1);
    for (int i = 0; i < 10; i++) {
        fd[i] = live_connect(s);
        ck_assert(send_all(fd[i], bytes, request_make(KAFKA_API_FETCH, 11, i, &f.request, bytes, sizeof bytes)));
    }
    usleep(200000);
    uint64_t before = thread_cpu_ns(s->thread);
    usleep(2000000);
    uint64_t used = thread_cpu_ns(s->thread) - before;
    printf("ten parked fetches: %.3f %% of a core\n", (double)used / 2e7);
    ck_assert_uint_lt(used, 20000000); /* 1 % */
    for (int i = 0; i < 10; i++) close(fd[i]);
    live_stop(s);
}
END_TEST

START_TEST(malformed_frames_cost_only_their_connection)
{
    static const struct { const char *what; uint8_t bytes[24]; size_t size; bool is_open; } cases[] = {
        {"length 0", {0, 0, 0, 0}, 4, false},
        {"negative length", {0xff, 0xff, 0xff, 0xff}, 4, false},
        {"2 GB", {0x7f, 0xff, 0xff, 0xff, 0, 1}, 6, false},
        {"1 byte too large", {0, 0x10, 0, 1, 0}, 5, false},
        {"shorter than a header", {0, 0, 0, 3, 0, 1, 0}, 7, false},
        {"client id past the end", {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff}, 14, false},
        {"unknown api key", {0, 0, 0, 10, 0x3f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff}, 14, false},
        {"negative api key", {0, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}, 14, false},
        {"Fetch of version 99", {0, 0, 0, 10, 0, 1, 0, 99, 0, 0, 0, 1, 0xff, 0xff}, 14, false},
        {"2^31-1 topics", {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff}, 18, false},
        {"half a frame", {0, 0, 0, 40, 0, 18, 0, 0}, 8, true},
        {"half a length", {0, 0}, 2, true},
    };
    struct live_server *s = live_start(1, 1 << 20, (struct serve_config){0});
    int good = live_connect(s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = live_connect(s);
        ck_assert(send_all(fd, cases[i].bytes, cases[i].size));
        if (!cases[i].is_open) ck_assert_msg(wait_closed(fd, 60000), "%s: still open", cases[i].what);
        expect_served(good);
        close(fd);
    }
    close(good);
    live_stop(s);
}
END_TEST

START_TEST(random_bytes_and_resets_do_no_harm)
{
    struct live_server *s = live_start(1, 4 << 20, (struct serve_config){0});
    struct log *l = memory_log_new(s->storage, "orders");
    for (int i = 0; i < 20; i++) memory_log_append(s->storage, l, 2, 60000, 1000 + i);
    struct random random;
    uint8_t bytes[2048];
    random_init(&random, 20);
    int good = live_connect(s);
    for (int round = 0; round < 300; round++) {
        int fd = live_connect(s);
        size_t size = 1 + random_below(&random, 600);
        random_bytes(&random, bytes, size);
        if (round % 3 != 0) { /* a plausible frame around the noise, or a good request with noise in it */
            struct simple_fetch f;
            simple_fetch_init(&f, "orders", 0, 100, 1);
            size = request_make(KAFKA_API_FETCH, (int16_t)(4 + round % 9), round, &f.request, bytes, sizeof bytes);
            if (round % 3 == 1) bytes[8 + random_below(&random, size - 8)] ^= (uint8_t)(1 + random_below(&random, 255));
        }
        send_all(fd, bytes, size);
        if (round % 2 == 0) usleep((useconds_t)random_below(&random, 2000));
        if (round % 4 == 0) { /* a reset, perhaps in the middle of an answer */
            struct linger reset = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        close(fd);
        if (round % 20 == 0) expect_served(good);
    }
    close(good);
    live_stop(s); /* asserts that no buffer and no pin is left */
}
END_TEST

START_TEST(a_client_that_stops_reading_is_bounded_and_alone)
{
    struct live_server *s = live_start(1, 64 << 20, (struct serve_config){.send_pinned_bytes_max = 4 << 20});
    struct log *l = memory_log_new(s->storage, "orders");
    for (int i = 0; i < 60; i++) memory_log_append(s->storage, l, 1, 1000000, 1000);
    int fd = live_connect(s), good = live_connect(s), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    uint8_t request[512];
    struct simple_fetch f;
    size_t asked = 0;
    simple_fetch_init(&f, "orders", 0, 100, 1);
    f.partition.partition_max_bytes = 8 << 20;
    size_t size = request_make(KAFKA_API_FETCH, 11, 1, &f.request, request, sizeof request);
    while (asked < 200000) { /* until the server reads no more of it, too */
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 300) <= 0) break;
        if (send(fd, request, size, MSG_DONTWAIT | MSG_NOSIGNAL) <= 0) break;
        asked++;
    }
    ck_assert_uint_lt(asked, 200000);
    int64_t pins = atomic_load(&s->storage->pins);
    ck_assert_int_le(pins, 16); /* whole batches of 1 MB within 4 MiB, and the notifications of those before */
    uint8_t *buffer = malloc(16 << 20);
    for (int i = 0; i < 5; i++) {
        expect_served(good);
        fetch_and_compare(good, l, 7, buffer, 16 << 20);
    }
    ck_assert_uint_lt(live_counter(s, "serve_buffer_bytes", "lcore=0"), 4 << 20);
    free(buffer);
    close(fd);
    for (int i = 0; i < 6000 && atomic_load(&s->storage->pins) != 0; i++) usleep(10000);
    ck_assert_int_eq(atomic_load(&s->storage->pins), 0); /* the end of the connection gave them back */
    close(good);
    live_stop(s);
}
END_TEST

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_int_eq(fscanf(f, "%lu %lu", &pages, &resident), 2);
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

START_TEST(two_thousand_idle_connections_are_bounded)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &files);
    int wanted = files.rlim_cur >= 4200 ? 2000 : (int)(files.rlim_cur - 100) / 2;
    if (wanted < 2000) printf("only %d connections: the limit of open files is low\n", wanted);
    struct live_server *s = live_start(1, 1 << 20, (struct serve_config){.connections_max = (uint32_t)wanted});
    int *fd = calloc((size_t)wanted + 1, sizeof *fd);
    uint64_t before = resident_bytes();
    for (int i = 0; i < wanted; i++) {
        fd[i] = live_connect(s);
        ck_assert(send_all(fd[i], "\0\0\1\0half a frame", 15)); /* each holds a little of our memory */
    }
    fd[wanted] = live_connect(s);
    ck_assert(wait_closed(fd[wanted], 60000)); /* one more than the limit */
    usleep(300000);
    uint64_t grown = resident_bytes() - before;
    printf("%d connections with a begun request: %.1f KiB each\n", wanted, (double)grown / 1024 / wanted);
    ck_assert_uint_lt(grown, (uint64_t)wanted * 16384);
    uint64_t cpu = thread_cpu_ns(s->thread);
    usleep(1000000);
    ck_assert_uint_lt(thread_cpu_ns(s->thread) - cpu, 20000000);
    close(fd[0]);
    int late = live_connect(s); /* a slot is free again, soon */
    for (int i = 0; i < 600 && wait_closed(late, 100); i++) {
        close(late);
        late = live_connect(s);
    }
    expect_served(late);
    close(late);
    for (int i = 1; i <= wanted; i++) close(fd[i]);
    free(fd);
    live_stop(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve live");
    TCase *t = tcase_create("live");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, big_transfers_arrive_whole);
    tcase_add_test(t, a_parked_fetch_wakes_at_once);
    tcase_add_test(t, ten_parked_consumers_cost_nothing);
    tcase_add_test(t, malformed_frames_cost_only_their_connection);
    tcase_add_test(t, random_bytes_and_resets_do_no_harm);
    tcase_add_test(t, a_client_that_stops_reading_is_bounded_and_alone);
    tcase_add_test(t, two_thousand_idle_connections_are_bounded);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
