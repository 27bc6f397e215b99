/* Appending from chunks to durable and visible beside fio with the same block size, depth and bytes per sync on the
 * same file system, in turns; the time to durable at 1k, 10k and 100k records a second; 50 channels on one thread.
 *
 * usage: bench_storage [--quick] [--mib N] [turns|latency|channels]
 * Both sides write blocks that were written before: millrace in recycled segments, fio in one file.  20 GB in all, at
 * most half of what the file system of TMPDIR (/var/tmp) has free; N: so many MiB of turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/store_rig.h"

enum {
    TURNS = 5, CHUNK_BYTES = 1 << 20, BATCH_RECORDS = 400, DEPTH = 16, SEGMENT_MIB = 128, RETENTION_MIB = 512,
    FLUSH_US = 1000, SELDOM_US = 10000, CHANNELS = 50, TICK_US = 1000,
};

static char folder[300];

static struct storage_config config_of(uint32_t flush_us)
{
    static char data[320];
    snprintf(data, sizeof data, "%s/data", folder);
    return (struct storage_config){.data_folder = data,
                                   .chunk_bytes = CHUNK_BYTES,
                                   .chunk_count = 96,
                                   .leases_per_log = 2 * DEPTH,
                                   .tail_chunks_per_log = 2 * DEPTH,
                                   .segment_bytes = (uint64_t)SEGMENT_MIB << 20,
                                   .retention_bytes = (uint64_t)RETENTION_MIB << 20,
                                   .flush_interval_us = flush_us,
                                   .index_interval_bytes = 4096,
                                   .uring_depth = DEPTH,
                                   .record_bytes_max = 1 << 20,
                                   .core = -1};
}

static void data_remove(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s/data'", folder);
    if (system(command) != 0) fprintf(stderr, "left behind: %s/data\n", folder);
    sync(); /* what the removal costs (a journal, discards) is not the next part's */
    sleep(1);
}

static int by_value(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

/* ---- beside fio ---- */

/* MB/s of one sequential pass; writes_per_sync 0: none. */
static double turn_fio(uint64_t bytes, uint64_t writes_per_sync)
{
    char command[900];
    snprintf(command, sizeof command,
             "fio --name=bare --filename='%s/fio' --size=%llu --rw=write --bs=%d --ioengine=io_uring --iodepth=%d "
             "--direct=1 --fixedbufs=1 --registerfiles=1 --overwrite=1 --fdatasync=%llu --output-format=json",
             folder, (unsigned long long)bytes, CHUNK_BYTES, DEPTH, (unsigned long long)writes_per_sync);
    static char text[200000];
    FILE *fio = popen(command, "re");
    size_t size = fio == NULL ? 0 : fread(text, 1, sizeof text - 1, fio);
    int status = fio == NULL ? -1 : pclose(fio);
    text[size] = 0;
    const char *write = strstr(text, "\"write\" :"), *at = write == NULL ? NULL : strstr(write, "\"bw_bytes\" :");
    double rate = at == NULL ? 0 : strtod(at + strlen("\"bw_bytes\" :"), NULL);
    if (status == 0 && rate > 0) return rate / 1e6;
    fprintf(stderr, "fio failed (apt-get install fio): %.400s\n", text);
    exit(1);
}

static double turn_store(struct sender *s, const struct ready_batch *batch, uint64_t bytes)
{
    uint64_t since_ns = clock_monotonic_ns(clock_real());
    for (uint64_t sent = 0; sent < bytes; sent += batch->size) sender_send(s, batch);
    sender_drain(s);
    return (double)bytes / ((double)(clock_monotonic_ns(clock_real()) - since_ns) / 1e9) / 1e6;
}

static void turns(uint64_t bytes, uint32_t flush_us)
{
    struct store_rig r;
    struct ready_batch batch;
    const struct storage_config config = config_of(flush_us);
    ready_batch_make(&batch, BATCH_RECORDS, STORE_VALUE_BYTES);
    store_rig_up(&r, &config, 1);
    struct sender *s = &r.sender[0];
    /* Untimed: until retention has a file to recycle for each roll, and fio's file is laid out. */
    (void)turn_store(s, &batch, (uint64_t)(RETENTION_MIB + 4 * SEGMENT_MIB) << 20);
    (void)turn_fio(bytes, 0);
    for (int i = 0; i < TURNS; i++) {
        uint64_t before = counter_get(s->flushes);
        double rate = turn_store(s, &batch, bytes);
        uint64_t writes_per_sync = bytes / CHUNK_BYTES / (counter_get(s->flushes) - before);
        double fio_rate = turn_fio(bytes, flush_us == SELDOM_US ? 0 : writes_per_sync);
        printf("{\"bench\":\"storage\",\"flush_us\":%u,\"mib\":%llu,\"write_bytes\":%d,\"depth\":%d,"
               "\"writes_per_sync\":%llu,\"recycled_segments\":%llu,\"mb_per_s\":%.0f,\"fio_mb_per_s\":%.0f,"
               "\"ratio\":%.2f}\n",
               flush_us, (unsigned long long)(bytes >> 20), CHUNK_BYTES, DEPTH, (unsigned long long)writes_per_sync,
               (unsigned long long)counter_get(s->recycled), rate, fio_rate, rate / fio_rate);
        fflush(stdout);
    }
    store_rig_down(&r);
    free(batch.bytes);
    data_remove();
}

/* ---- to durable ---- */

/* Every millisecond a batch, as capture sends what came meanwhile. */
static void latency(uint32_t records_per_s, uint32_t flush_us, double seconds)
{
    struct store_rig r;
    struct ready_batch batch;
    const struct storage_config config = config_of(flush_us);
    ready_batch_make(&batch, records_per_s / 1000, STORE_VALUE_BYTES);
    store_rig_up(&r, &config, 1);
    struct sender *s = &r.sender[0];
    uint64_t start_ns = clock_monotonic_ns(clock_real()), tick = 0;
    double cpu = thread_cpu_s("(storage)");
    while ((double)tick * TICK_US / 1e6 < seconds) {
        uint64_t due_ns = start_ns + ++tick * TICK_US * 1000u, now_ns = clock_monotonic_ns(clock_real());
        if (now_ns < due_ns) usleep((useconds_t)((due_ns - now_ns) / 1000));
        sender_send(s, &batch);
    }
    sender_drain(s);
    cpu = thread_cpu_s("(storage)") - cpu;
    printf("{\"bench\":\"storage_durable\",\"records_per_s\":%u,\"flush_us\":%u,\"p50_us\":%.0f,\"p99_us\":%.0f,"
           "\"p999_us\":%.0f,\"flushes_per_s\":%.0f,\"storage_thread_cpu\":%.2f}\n",
           records_per_s, flush_us, (double)histogram_quantile(s->durable_ns, 500000) / 1e3,
           (double)histogram_quantile(s->durable_ns, 990000) / 1e3,
           (double)histogram_quantile(s->durable_ns, 999000) / 1e3, (double)counter_get(s->flushes) / seconds,
           cpu / seconds);
    fflush(stdout);
    store_rig_down(&r);
    free(batch.bytes);
    data_remove();
}

/* ---- many channels ---- */

/* Every channel sends a batch of `batch_records` every `period_us`. */
static void channels(uint32_t batch_records, uint32_t period_us, double seconds)
{
    struct store_rig r;
    struct ready_batch batch;
    struct storage_config config = config_of(FLUSH_US);
    config.chunk_bytes = 256 << 10;
    config.chunk_count = 600;
    config.leases_per_log = 3;
    config.tail_chunks_per_log = 8;
    config.segment_bytes = 16 << 20;
    config.uring_depth = 128;
    ready_batch_make(&batch, batch_records, STORE_VALUE_BYTES);
    store_rig_up(&r, &config, CHANNELS);
    uint64_t start_ns = clock_monotonic_ns(clock_real()), tick = 0, sent = 0;
    double cpu = thread_cpu_s("(storage)"), workers = thread_cpu_s("(iou-wrk-");
    uint64_t step_ns = (uint64_t)period_us * 1000 / CHANNELS;
    while ((double)(tick * step_ns) / 1e9 < seconds) {
        uint64_t due_ns = start_ns + ++tick * step_ns, now_ns = clock_monotonic_ns(clock_real());
        if (now_ns + 100000 < due_ns) usleep((useconds_t)((due_ns - now_ns) / 1000));
        sender_send(&r.sender[tick % CHANNELS], &batch);
        sent += batch.size;
    }
    for (uint32_t i = 0; i < CHANNELS; i++) sender_drain(&r.sender[i]);
    double elapsed = (double)(clock_monotonic_ns(clock_real()) - start_ns) / 1e9;
    cpu = thread_cpu_s("(storage)") - cpu;
    workers = thread_cpu_s("(iou-wrk-") - workers;
    double p50[CHANNELS], p99[CHANNELS], p999[CHANNELS];
    uint64_t flushes = 0;
    for (uint32_t i = 0; i < CHANNELS; i++) {
        p50[i] = (double)histogram_quantile(r.sender[i].durable_ns, 500000) / 1e3;
        p99[i] = (double)histogram_quantile(r.sender[i].durable_ns, 990000) / 1e3;
        p999[i] = (double)histogram_quantile(r.sender[i].durable_ns, 999000) / 1e3;
        flushes += counter_get(r.sender[i].flushes);
    }
    qsort(p50, CHANNELS, sizeof p50[0], by_value);
    qsort(p99, CHANNELS, sizeof p99[0], by_value);
    qsort(p999, CHANNELS, sizeof p999[0], by_value);
    printf("{\"bench\":\"storage_channels\",\"channels\":%d,\"wanted_per_s\":%.0f,\"flush_us\":%d,"
           "\"batches_per_s\":%.0f,\"records_per_s\":%.0f,\"mb_per_s\":%.1f,"
           "\"p50_us\":%.0f,\"p99_us\":%.0f,\"p99_us_worst_channel\":%.0f,\"p999_us\":%.0f,\"flushes_per_s\":%.0f,"
           "\"storage_thread_cpu\":%.2f,\"sync_workers_cpu\":%.2f}\n",
           CHANNELS, (double)CHANNELS * batch_records * 1e6 / period_us, FLUSH_US, (double)tick / elapsed,
           (double)tick * batch_records / elapsed,
           (double)sent / elapsed / 1e6, p50[CHANNELS / 2],
           p99[CHANNELS / 2], p99[CHANNELS - 1], p999[CHANNELS / 2], (double)flushes / elapsed, cpu / elapsed,
           workers / elapsed);
    fflush(stdout);
    store_rig_down(&r);
    free(batch.bytes);
    data_remove();
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR"), *part = "";
    bool quick = false;
    uint64_t mib = 20000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) quick = true;
        else if (strcmp(argv[i], "--mib") == 0 && i + 1 < argc) mib = strtoull(argv[++i], NULL, 10);
        else part = argv[i];
    }
    snprintf(folder, sizeof folder, "%s/millrace-bench-XXXXXX", base == NULL ? "/var/tmp" : base);
    struct statvfs fs;
    if (mkdtemp(folder) == NULL || statvfs(folder, &fs) != 0) return perror(folder), 1;
    if (quick) mib = 1280;
    uint64_t bytes = (mib << 20) / (4 * TURNS) / CHUNK_BYTES * CHUNK_BYTES;
    uint64_t most = (uint64_t)fs.f_bavail * fs.f_frsize / 2, data = (uint64_t)(RETENTION_MIB + 5 * SEGMENT_MIB) << 20;
    if (bytes + data > most) bytes = most > data ? (most - data) / CHUNK_BYTES * CHUNK_BYTES : CHUNK_BYTES;
    double seconds = quick ? 0.5 : 4;
    if (*part == 0 || strcmp(part, "turns") == 0) {
        turns(bytes, SELDOM_US);
        turns(bytes, FLUSH_US);
    }
    if (*part == 0 || strcmp(part, "latency") == 0) {
        static const uint32_t rates[] = {1000, 10000, 100000};
        for (int i = 0; i < 6; i++) latency(rates[i / 2], i % 2 == 0 ? 0 : FLUSH_US, seconds);
    }
    if (*part == 0 || strcmp(part, "channels") == 0) {
        channels(10, 10000, seconds);
        channels(10, 1000, seconds); /* more than is flushed: what bounds it shows */
    }
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
