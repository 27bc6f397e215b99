/* 50 groups that read different parts of the past beside fio with as much under way, both while a capture writes, in
 * turns; what they cost that capture's time to visible; 100 groups in the same past.
 *
 * usage: bench_cold_fanout [--quick]
 * The capture writes 100 MB/s, and then as fast as the disk takes it: there its time to visible is its own queue's.
 * The groups are read for by one thread over the log reader's door, as a serve lcore does: a Fetch's worth a time, in
 * the order of waiting.  O_DIRECT on both sides, so the page cache plays no part.  Ends with 1 when a block of the
 * same past was read more than once. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/store_rig.h"

enum {
    TURNS = 3, GROUPS = 50, SAME_GROUPS = 100, FETCH_BYTES = 1 << 20, BLOCK_BYTES = 512 << 10, CAP_BYTES = 4 << 20,
    CACHE_BYTES = 32 << 20, SEGMENT_MIB = 64, PAST_MIB = 2048, SAME_MIB = 256, BATCH_RECORDS = 400, FLUSH_US = 500,
    CAPTURE_MB_PER_S = 100,
};

static char folder[300];

static struct storage_config config_of(uint64_t past_mib)
{
    static char data[320];
    snprintf(data, sizeof data, "%s/data", folder);
    return (struct storage_config){.data_folder = data,
                                   .chunk_bytes = 1 << 20,
                                   .chunk_count = 192,
                                   .leases_per_log = 4,
                                   .tail_chunks_per_log = 32,
                                   .segment_bytes = (uint64_t)SEGMENT_MIB << 20,
                                   /* the past stays; the live log uses its segments again */
                                   .retention_bytes = (past_mib + 2 * SEGMENT_MIB) << 20,
                                   .flush_interval_us = FLUSH_US,
                                   .index_interval_bytes = 4096,
                                   .uring_depth = 128,
                                   .reader_count = 1,
                                   .reader_cache_bytes = CACHE_BYTES,
                                   .reader_inflight_bytes_max = CAP_BYTES,
                                   .record_bytes_max = 1 << 20,
                                   .core = -1};
}

static uint64_t now_ns(void) { return clock_monotonic_ns(clock_real()); }

/* ---- the capture ---- */

struct capture {
    struct sender *sender;
    const struct ready_batch *batch;
    uint64_t mb_per_s; /* 0: as fast as it goes */
    _Atomic bool stop;
    pthread_t thread;
};

static void *capture_run(void *argument)
{
    struct capture *c = argument;
    uint64_t start_ns = now_ns(), sent = 0;
    while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        sender_send(c->sender, c->batch);
        sent += c->batch->size;
        uint64_t due_ns = c->mb_per_s > 0 ? start_ns + sent * 1000 / c->mb_per_s : 0, at_ns = now_ns();
        if (due_ns > at_ns + 100000) usleep((useconds_t)((due_ns - at_ns) / 1000));
    }
    return NULL;
}

/* The quantile of what a histogram counted since a copy of it was taken. */
static double quantile_since_us(const struct histogram *h, const struct histogram *before, double quantile)
{
    uint64_t left = (uint64_t)((double)(atomic_load(&h->count) - atomic_load(&before->count)) * (1 - quantile));
    for (uint32_t i = HISTOGRAM_BUCKETS; i-- > 0;) {
        uint64_t here = atomic_load(&h->bucket[i]) - atomic_load(&before->bucket[i]);
        if (here > left) return (double)histogram_bucket_floor(i) / 1e3;
        left -= here;
    }
    return 0;
}

/* ---- the readers ---- */

struct group {
    uint64_t offset;
    struct log_cursor cursor;
};

struct fanout {
    struct log_reader *reader;
    struct log   *log;
    uint64_t      end; /* of the past */
    struct group  group[SAME_GROUPS];
    uint32_t      count, queue[SAME_GROUPS]; /* those to be read for, in the order of waiting */
    uint64_t      bytes;
};

/* One Fetch; false: it waits for the disk. */
static bool group_read(struct fanout *f, struct group *g)
{
    struct log_slice slice;
    enum err e = log_reader_read(f->reader, f->log, g->offset, FETCH_BYTES, true, &g->cursor, &slice);
    if (e == ERR_AGAIN) return false;
    INVARIANT(e == ERR_OK && slice.bytes > 0);
    f->bytes += slice.bytes;
    g->offset = slice.next_offset;
    for (uint32_t i = 0; i < slice.piece_count; i++) log_reader_release(f->reader, &slice.piece[i]);
    return true;
}

/* Reads for all groups until `until_ns`, each through all of the past and round again; or, when 0, until each is at its
 * end. */
static void fanout_run(struct fanout *f, uint64_t until_ns)
{
    struct pollfd p = {.fd = log_reader_fd(f->reader), .events = POLLIN};
    uint32_t left = f->count;
    for (uint32_t i = 0; i < left; i++) f->queue[i] = i;
    while (left > 0 && (until_ns == 0 || now_ns() < until_ns)) {
        uint32_t still = 0, moved = 0;
        log_reader_quiesce(f->reader);
        for (uint32_t i = 0; i < left; i++) {
            struct group *g = &f->group[f->queue[i]];
            moved += group_read(f, g);
            if (g->offset >= f->end && until_ns == 0) continue;
            if (g->offset >= f->end) g->offset = 0;
            f->queue[still++] = f->queue[i];
        }
        left = still;
        while (log_reader_poll(f->reader) == 0 && moved == 0 && left > 0) (void)poll(&p, 1, 100);
    }
}

static void fanout_set(struct fanout *f, uint32_t groups, uint64_t apart, uint64_t end)
{
    f->count = groups;
    f->end = end;
    f->bytes = 0;
    for (uint32_t i = 0; i < groups; i++) f->group[i] = (struct group){.offset = apart * i};
}

/* ---- fio ---- */

/* MB/s of reads of blocks at random places of the past's segments. */
static double fio_run(uint64_t past_bytes, double seconds)
{
    static char command[20000], text[200000];
    int at = snprintf(command, sizeof command,
                      "fio --name=past --rw=randread --bs=%d --ioengine=io_uring --iodepth=%d --direct=1 --time_based "
                      "--runtime=%.0fms --norandommap --output-format=json --file_service_type=random --filename='",
                      BLOCK_BYTES, CAP_BYTES / BLOCK_BYTES, seconds * 1000);
    char list[400];
    snprintf(list, sizeof list, "ls %s/data/bench-0/0/*.log", folder);
    FILE *names = popen(list, "re");
    uint64_t total = 0;
    for (char line[400]; names != NULL && fgets(line, sizeof line, names) != NULL && total < past_bytes;) {
        line[strcspn(line, "\n")] = 0;
        at += snprintf(command + at, sizeof command - (size_t)at, "%s%s", total > 0 ? ":" : "", line);
        total += (uint64_t)SEGMENT_MIB << 20;
    }
    if (names != NULL) (void)pclose(names);
    snprintf(command + at, sizeof command - (size_t)at, "'");
    FILE *fio = popen(command, "re");
    size_t size = fio == NULL ? 0 : fread(text, 1, sizeof text - 1, fio);
    int status = fio == NULL ? -1 : pclose(fio);
    text[size] = 0;
    const char *read = strstr(text, "\"read\" :"), *bw = read == NULL ? NULL : strstr(read, "\"bw_bytes\" :");
    double rate = bw == NULL ? 0 : strtod(bw + strlen("\"bw_bytes\" :"), NULL);
    if (status == 0 && rate > 0) return rate / 1e6;
    fprintf(stderr, "fio failed (apt-get install fio): %.400s\n", text);
    exit(1);
}

/* ---- the whole ---- */

enum what { ALONE, BESIDE_GROUPS, BESIDE_FIO };

static void turn_run(struct store_rig *r, struct fanout *f, const struct capture *as, enum what what, uint64_t past,
                     uint64_t past_bytes, double seconds)
{
    static const char *const names[] = {"capture alone", "groups", "fio"};
    static struct histogram before;
    struct sender *live = &r->sender[1];
    struct capture capture = {.sender = live, .batch = as->batch, .mb_per_s = as->mb_per_s};
    double read_mb_per_s = 0;
    int rc = pthread_create(&capture.thread, NULL, capture_run, &capture);
    INVARIANT(rc == 0);
    usleep(300000);
    memcpy(&before, live->durable_ns, sizeof before);
    uint64_t since_ns = now_ns(), offset = log_high_watermark(live->log);
    if (what == ALONE) usleep((useconds_t)(seconds * 1e6));
    if (what == BESIDE_GROUPS) {
        fanout_set(f, GROUPS, past / GROUPS, past);
        fanout_run(f, since_ns + (uint64_t)(seconds * 1e9));
    }
    if (what == BESIDE_FIO) read_mb_per_s = fio_run(past_bytes, seconds);
    double elapsed = (double)(now_ns() - since_ns) / 1e9;
    double p99_us = quantile_since_us(live->durable_ns, &before, 0.99);
    double batches = (double)(log_high_watermark(live->log) - offset) / as->batch->records;
    double capture_mb_per_s = batches * as->batch->size / elapsed / 1e6;
    if (what == BESIDE_GROUPS) read_mb_per_s = (double)f->bytes / elapsed / 1e6;
    atomic_store(&capture.stop, true);
    pthread_join(capture.thread, NULL);
    printf("{\"bench\":\"cold_fanout\",\"capture_wanted\":\"");
    if (as->mb_per_s > 0)
        printf("%llu MB/s", (unsigned long long)as->mb_per_s);
    else
        printf("all it can");
    printf("\",\"beside\":\"%s\",\"read_mb_per_s\":%.0f,\"capture_mb_per_s\":%.0f,\"visible_p99_us\":%.0f}\n",
           names[what], read_mb_per_s, capture_mb_per_s, p99_us);
    fflush(stdout);
}

static void turns(struct store_rig *r, struct fanout *f, const struct capture *as, uint64_t past, uint64_t past_bytes,
                  double seconds)
{
    for (int i = 0; i < TURNS; i++) {
        turn_run(r, f, as, ALONE, past, past_bytes, seconds);
        turn_run(r, f, as, BESIDE_GROUPS, past, past_bytes, seconds);
        turn_run(r, f, as, BESIDE_FIO, past, past_bytes, seconds);
    }
}

/* Returns whether each block was read once. */
static bool same_past(struct store_rig *r, struct fanout *f, uint64_t end, uint64_t bytes)
{
    struct counter *reads = counters_add(r->counters, COUNTER_COUNT, "storage_cold_reads", "reader=0");
    uint64_t before = counter_get(reads), since_ns = now_ns();
    fanout_set(f, SAME_GROUPS, 0, end);
    fanout_run(f, 0);
    double elapsed = (double)(now_ns() - since_ns) / 1e9;
    uint64_t blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES + bytes / ((uint64_t)SEGMENT_MIB << 20) + 1;
    uint64_t ahead = 8, made = counter_get(reads) - before; /* behind the end; an index */
    printf("{\"bench\":\"cold_fanout_same\",\"groups\":%d,\"blocks\":%llu,\"disk_reads\":%llu,"
           "\"served_mb_per_s\":%.0f,\"disk_mb_per_s\":%.0f}\n",
           SAME_GROUPS, (unsigned long long)blocks, (unsigned long long)made, (double)f->bytes / elapsed / 1e6,
           (double)bytes / elapsed / 1e6);
    return made <= blocks + ahead;
}

static void fill(struct sender *s, const struct ready_batch *batch, uint64_t bytes)
{
    for (uint64_t sent = 0; sent < bytes; sent += batch->size) sender_send(s, batch);
    sender_drain(s);
}

int main(int argc, char **argv)
{
    static struct store_rig r;
    static struct fanout f;
    struct ready_batch batch;
    struct err_msg msg;
    const char *base = getenv("TMPDIR");
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    uint64_t past_mib = quick ? 512 : PAST_MIB, past_bytes = past_mib << 20;
    snprintf(folder, sizeof folder, "%s/millrace-bench-XXXXXX", base == NULL ? "/var/tmp" : base);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    const struct storage_config config = config_of(past_mib);
    ready_batch_make(&batch, BATCH_RECORDS, STORE_VALUE_BYTES);
    store_rig_up(&r, &config, 2);
    fill(&r.sender[0], &batch, past_bytes);
    fill(&r.sender[1], &batch, config.retention_bytes + 4 * ((uint64_t)SEGMENT_MIB << 20));
    f.log = r.sender[0].log;
    enum err e = log_reader_open(&f.reader, r.storage, 0, NULL, &msg);
    INVARIANT(e == ERR_OK);
    /* What has left the hot tail. */
    uint64_t records = log_high_watermark(f.log), past = records - records * 64 / past_mib;
    static const uint64_t rates[] = {CAPTURE_MB_PER_S, 0};
    for (int i = 0; i < 2; i++) {
        const struct capture as = {.batch = &batch, .mb_per_s = rates[i]};
        turns(&r, &f, &as, past, past_bytes - ((uint64_t)SEGMENT_MIB << 20), quick ? 0.5 : 3);
    }
    uint64_t same_mib = quick ? 64 : SAME_MIB;
    log_reader_close(f.reader);
    e = log_reader_open(&f.reader, r.storage, 0, NULL, &msg); /* with an empty cache */
    INVARIANT(e == ERR_OK);
    bool is_well = same_past(&r, &f, records * same_mib / past_mib, same_mib << 20);
    log_reader_close(f.reader);
    store_rig_down(&r);
    free(batch.bytes);
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 && is_well ? 0 : 1;
}
