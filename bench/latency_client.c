/* From the commit at the source to a consumer: commits one-row transactions at a steady rate and follows the topic.
 * usage: latency_client SOURCE_PORT USER PASSWORD ADDRESS PORT TOPIC OFFSET RUN PER_SECOND SECONDS WRITERS
 * Each row of shop.ticks carries "@@RUN:NUMBER:DUE_NS@@", which stands in a record's bytes as it is, be they Avro or
 * JSON; markers of other RUNs are passed over.  Latency is from when the transaction was due (whoever is late, the
 * source included, is late) to when the record's bytes were received.  Beside it stand how long the source itself took
 * until it had answered the commit, from the same moment, and how long after that answer the record came (0: before it;
 * a source sends a transaction on before it answers).  Ends well only when each row came exactly once.
 *
 * Every latency is kept, so that no percentile is rounded; `percentiles` are pairs of N and microseconds: one row in N
 * took as long or longer, for N of 1, 2^(1/4), 2^(2/4), ... and at last the number of rows, whose are the slowest's. */
#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "bench/wire.h"
#include "formats/record_batch.h"

enum { WRITERS_MAX = 64, ROOM_BYTES = 8 << 20, PATIENCE_S = 60, MARK_BYTES_MAX = 80 };

static struct {
    const char *user, *password, *topic, *run;
    unsigned source_port, writers;
    double   per_second, seconds;
    uint64_t begin_ns, count;
} as;
static uint64_t *seen_ns, *committed_ns; /* by row; seen_ns has one more: catch_up's */
static pthread_barrier_t ready;
static uint8_t *is_seen;
static uint64_t seen_count;

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }
static uint64_t due_ns(uint64_t n) { return as.begin_ns + (uint64_t)((double)n * 1e9 / as.per_second); }

static void must_sql(MYSQL *m, int failed)
{
    if (!failed) return;
    fprintf(stderr, "the source: %s\n", mysql_error(m));
    exit(1);
}

static MYSQL *source_connect(void)
{
    MYSQL *m = mysql_init(NULL);
    must_sql(m, mysql_real_connect(m, "127.0.0.1", as.user, as.password, "shop", as.source_port, NULL, 0) == NULL);
    return m;
}

/* Writer w commits the transactions w, w + writers, ... */
static void *writer_run(void *context)
{
    uint64_t w = (uint64_t)(uintptr_t)context;
    char text[200];
    MYSQL *m = source_connect();
    pthread_barrier_wait(&ready); /* all are connected */
    pthread_barrier_wait(&ready); /* the beginning is set */
    for (uint64_t n = w; n < as.count; n += as.writers) {
        uint64_t due = due_ns(n);
        struct timespec until = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        int size = snprintf(text, sizeof text, "INSERT INTO ticks (mark) VALUES ('@@%s:%" PRIu64 ":%" PRIu64 "@@')",
                            as.run, n, due);
        must_sql(m, mysql_real_query(m, text, (unsigned long)size));
        committed_ns[n] = now_ns() - due;
    }
    mysql_close(m);
    return NULL;
}

/* Counts the markers of whole batches. */
static void marks_take(const uint8_t *bytes, size_t size, uint64_t at_ns)
{
    char head[32];
    size_t head_bytes = (size_t)snprintf(head, sizeof head, "@@%s:", as.run);
    const uint8_t *at = bytes, *end = bytes + size;
    for (const uint8_t *mark; (mark = memmem(at, (size_t)(end - at), head, head_bytes)) != NULL; at = mark + 1) {
        uint64_t number, due;
        char text[MARK_BYTES_MAX + 1];
        size_t left = (size_t)(end - mark) - head_bytes;
        snprintf(text, sizeof text, "%.*s", (int)(left < MARK_BYTES_MAX ? left : MARK_BYTES_MAX),
                 (const char *)mark + head_bytes);
        if (sscanf(text, "%" SCNu64 ":%" SCNu64 "@@", &number, &due) != 2 || number > as.count || is_seen[number]++) {
            fprintf(stderr, "a row came twice or is not ours: %.60s\n", text);
            exit(1);
        }
        seen_ns[number] = at_ns > due ? at_ns - due : 0;
        seen_count++;
    }
}

/* The bytes of whole batches (Kafka cuts the last one, which then comes again), and the offset behind them. */
static size_t whole_batches(const uint8_t *records, size_t size, uint64_t *offset)
{
    size_t at = 0;
    while (at + RECORD_BATCH_HEADER_BYTES <= size) {
        size_t bytes = RECORD_BATCH_LENGTH_OVERHEAD + wire_read(records + at + RECORD_BATCH_AT_LENGTH, 4);
        if (bytes > size - at) break;
        *offset = wire_read(records + at, 8) + wire_read(records + at + 23, 4) + 1;
        at += bytes;
    }
    return at;
}

struct consumer {
    int      fd;
    uint64_t offset;
};

/* Follows the topic until so many rows have come; false: they do not. */
static bool follow(struct consumer *c, uint64_t rows)
{
    static uint8_t room[ROOM_BYTES];
    uint8_t request[WIRE_FETCH_BYTES_MAX];
    uint64_t until_ns = now_ns() + (uint64_t)((as.seconds + PATIENCE_S) * 1e9);
    while (seen_count < rows && now_ns() < until_ns) {
        wire_send(c->fd, request, wire_fetch(request, as.topic, c->offset));
        size_t held = 0, used = 0;
        uint32_t records = 0;
        while (used == 0 || held < used + records) {
            ssize_t got = recv(c->fd, room + held, sizeof room - held, 0);
            INVARIANT(got > 0);
            held += (size_t)got;
            if (used == 0) used = wire_fetched(room, held, as.topic, &records);
            INVARIANT(used + records <= sizeof room);
        }
        uint64_t at_ns = now_ns();
        marks_take(room + used, whole_batches(room + used, records, &c->offset), at_ns);
    }
    return seen_count == rows;
}

/* A row of its own, so that what the system has missed until now has come before anything is measured. */
static bool catch_up(struct consumer *c)
{
    char text[200];
    MYSQL *m = source_connect();
    snprintf(text, sizeof text, "INSERT INTO ticks (mark) VALUES ('@@%s:%" PRIu64 ":0@@')", as.run, as.count);
    must_sql(m, mysql_query(m, text));
    mysql_close(m);
    if (!follow(c, 1)) return false;
    seen_count = 0;
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of sorted latencies: what one in `one_in` reaches. */
static double us(const uint64_t *ns, double one_in)
{
    double below = (double)as.count * (1 - 1 / one_in);
    return (double)ns[below < (double)as.count ? (uint64_t)below : as.count - 1] / 1e3;
}

static void figures_print(void)
{
    uint64_t *after_ns = calloc(as.count, sizeof *after_ns);
    INVARIANT(after_ns != NULL);
    for (uint64_t n = 0; n < as.count; n++)
        if (seen_ns[n] > committed_ns[n]) after_ns[n] = seen_ns[n] - committed_ns[n];
    qsort(after_ns, as.count, sizeof *after_ns, by_value);
    qsort(seen_ns, as.count, sizeof *seen_ns, by_value);
    qsort(committed_ns, as.count, sizeof *committed_ns, by_value);
    printf("{\"rows\": %" PRIu64 ", \"p50_us\": %.0f, \"p90_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, "
           "\"max_us\": %.0f, \"commit_p50_us\": %.0f, \"commit_p99_us\": %.0f, \"after_p50_us\": %.0f, "
           "\"after_p99_us\": %.0f, \"percentiles\": [", as.count,
           us(seen_ns, 2), us(seen_ns, 10), us(seen_ns, 100), us(seen_ns, 1000), (double)seen_ns[as.count - 1] / 1e3,
           us(committed_ns, 2), us(committed_ns, 100), us(after_ns, 2), us(after_ns, 100));
    free(after_ns);
    for (double one_in = 1; one_in < (double)as.count; one_in *= 1.189207115)
        printf("[%.3f, %.1f], ", one_in, us(seen_ns, one_in));
    printf("[%" PRIu64 ", %.1f]]}\n", as.count, (double)seen_ns[as.count - 1] / 1e3);
}

int main(int argc, char **argv)
{
    pthread_t writer[WRITERS_MAX];
    if (argc != 12) return fprintf(stderr, "usage: see the head of bench/latency_client.c\n"), 2;
    as.source_port = (unsigned)atoi(argv[1]);
    as.user = argv[2], as.password = argv[3];
    as.topic = argv[6], as.run = argv[8];
    as.per_second = strtod(argv[9], NULL), as.seconds = strtod(argv[10], NULL);
    as.writers = (unsigned)atoi(argv[11]);
    as.count = (uint64_t)(as.per_second * as.seconds);
    is_seen = calloc(as.count + 1, 1);
    seen_ns = calloc(as.count + 1, sizeof *seen_ns);
    committed_ns = calloc(as.count + 1, sizeof *committed_ns);
    INVARIANT(as.count > 0 && as.writers <= WRITERS_MAX && is_seen != NULL && seen_ns != NULL && committed_ns != NULL &&
              mysql_library_init(0, NULL, NULL) == 0);
    pthread_barrier_init(&ready, NULL, as.writers + 1);
    for (uint64_t w = 0; w < as.writers; w++) {
        int rc = pthread_create(&writer[w], NULL, writer_run, (void *)(uintptr_t)w);
        INVARIANT(rc == 0);
    }
    pthread_barrier_wait(&ready);
    struct consumer consumer = {wire_connect(argv[4], (uint16_t)atoi(argv[5])), strtoull(argv[7], NULL, 10)};
    if (!catch_up(&consumer)) return fprintf(stderr, "nothing comes\n"), 1;
    as.begin_ns = now_ns() + 100000000;
    pthread_barrier_wait(&ready);
    bool is_well = follow(&consumer, as.count);
    for (uint64_t w = 0; w < as.writers; w++) pthread_join(writer[w], NULL);
    if (!is_well) return fprintf(stderr, "%" PRIu64 " of %" PRIu64 " rows came\n", seen_count, as.count), 1;
    figures_print();
    return 0;
}
