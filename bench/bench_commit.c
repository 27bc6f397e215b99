/* A consumer's commit: from FEED_APPEND to FEED_DURABLE, beside a bare 4 KiB O_DIRECT write + fdatasync.
 * One committer, an idle store, both on the same file system, in turns A B A B; a JSON line with the quantiles of both.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/invariant.h"
#include "formats/record_batch.h"
#include "storage/storage.h"

enum { ROUNDS = 4, COMMITS_PER_ROUND = 1500, QUICK_COMMITS = 200, COMMIT_VALUE_BYTES = 90, FILE_BYTES = 64 << 20 };

static char folder[300];
static uint64_t sample[2][ROUNDS * COMMITS_PER_ROUND];
static unsigned sample_count[2];

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile_us(int which, double q)
{
    unsigned index = (unsigned)(q * (sample_count[which] - 1));
    return (double)sample[which][index] / 1000.0;
}

static void commit(struct log_feed *feed, struct waiter *waiter, uint64_t token)
{
    uint8_t batch[400], value[COMMIT_VALUE_BYTES] = {0};
    struct record_batch_writer w;
    uint32_t size;
    const struct feed_durable *d;
    record_batch_begin(&w, batch, sizeof batch, 0, 0);
    enum err e = record_batch_add(&w, 1000, "a group and a topic and a partition", 35, value, sizeof value);
    INVARIANT(e == ERR_OK);
    uint32_t batch_bytes = (uint32_t)record_batch_finish(&w);
    struct feed_append *a = ring_spsc_claim(&feed->to_storage, (uint32_t)sizeof *a + batch_bytes);
    INVARIANT(a != NULL);
    *a = (struct feed_append){FEED_APPEND, batch_bytes, token};
    memcpy(a + 1, batch, batch_bytes);
    ring_spsc_commit(&feed->to_storage);
    waiter_wake(feed->storage_waiter);
    while ((d = ring_spsc_next(&feed->to_producer, &size)) == NULL) {
        waiter_announce(waiter);
        if ((d = ring_spsc_next(&feed->to_producer, &size)) == NULL) waiter_block(waiter, 1000);
        waiter_cancel(waiter);
        if (d != NULL) break;
    }
    INVARIANT(d->kind == FEED_DURABLE && d->error == ERR_OK && d->token == token);
    ring_spsc_release(&feed->to_producer);
}

static int bare_open(void)
{
    char path[400];
    snprintf(path, sizeof path, "%s/bare", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
    if (fd < 0) fd = open(path, O_RDWR | O_CREAT, 0600);
    INVARIANT(fd >= 0);
    int rc = posix_fallocate(fd, 0, FILE_BYTES);
    INVARIANT(rc == 0 && fsync(fd) == 0);
    return fd;
}

static void bare_write(int fd, void *block, off_t position)
{
    ssize_t put = pwrite(fd, block, LOG_BLOCK_BYTES, position);
    INVARIANT(put == LOG_BLOCK_BYTES);
    int rc = fdatasync(fd);
    INVARIANT(rc == 0);
}

int main(int argc, char **argv)
{
    const struct clock *clock = clock_real();
    unsigned commits = argc > 1 && strcmp(argv[1], "--quick") == 0 ? QUICK_COMMITS : COMMITS_PER_ROUND;
    const char *base = getenv("TMPDIR");
    char command[400];
    struct counters *counters;
    struct storage *storage;
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter waiter;
    struct err_msg msg;
    struct log_identity identity = {.name = "__consumer_offsets", .is_internal = true};
    snprintf(folder, sizeof folder, "%s/millrace-bench-XXXXXX", base == NULL ? "/var/tmp" : base);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    const struct storage_config config = {.data_folder = folder,
                                          .chunk_bytes = 1 << 20,
                                          .chunk_count = 16,
                                          .leases_per_log = 2,
                                          .tail_chunks_per_log = 4,
                                          .segment_bytes = FILE_BYTES,
                                          .flush_interval_us = 500,
                                          .index_interval_bytes = 4096,
                                          .uring_depth = 64,
                                          .reader_count = 1,
                                          .reader_cache_bytes = 1 << 20,
                                          .record_bytes_max = 1 << 20,
                                          .core = -1};
    enum err e = counters_open(&counters, NULL, 2000, &msg);
    if (e == ERR_OK) e = storage_start(&storage, &config, clock, counters, &msg);
    if (e == ERR_OK) e = storage_log_open(storage, &identity, true, &log, &feed, &resume, &msg);
    if (e != ERR_OK) return fprintf(stderr, "%s\n", msg.text), 1;
    e = waiter_init(&waiter);
    INVARIANT(e == ERR_OK);
    feed->producer_waiter = &waiter;
    int fd = bare_open();
    void *block = aligned_alloc(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    INVARIANT(block != NULL);
    memset(block, 'x', LOG_BLOCK_BYTES);
    off_t position = 0;
    for (uint64_t i = 0; i < 50; i++) commit(feed, &waiter, i); /* warm */
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < commits; i++) {
            uint64_t since_ns = clock_monotonic_ns(clock);
            if (round % 2 == 0) commit(feed, &waiter, i);
            else bare_write(fd, block, position += LOG_BLOCK_BYTES);
            sample[round % 2][sample_count[round % 2]++] = clock_monotonic_ns(clock) - since_ns;
        }
    }
    for (int k = 0; k < 2; k++) qsort(sample[k], sample_count[k], sizeof sample[k][0], by_value);
    printf("{\"bench\":\"commit\",\"commits\":%u,\"value_bytes\":%d,\"commit_p50_us\":%.0f,\"commit_p99_us\":%.0f,"
           "\"bare_p50_us\":%.0f,"
           "\"bare_p99_us\":%.0f,\"p99_ratio\":%.2f}\n",
           sample_count[0], COMMIT_VALUE_BYTES, quantile_us(0, 0.5), quantile_us(0, 0.99), quantile_us(1, 0.5),
           quantile_us(1, 0.99), quantile_us(0, 0.99) / quantile_us(1, 0.99));
    close(fd);
    free(block);
    free(resume.gtid_set);
    storage_stop(storage);
    waiter_fini(&waiter);
    counters_close(counters);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
