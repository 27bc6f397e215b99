/* Appending from chunks to durable and visible, beside a bare io_uring writer with the same block size, depth and bytes
 * per sync, to the same file system, in turns A B A B.  A JSON line per turn and one with the ratio of the medians. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/invariant.h"
#include "formats/record_batch.h"
#include "storage/disk.h"
#include "storage/storage.h"

enum {
    TURNS = 6, CHUNK_BYTES = 1 << 20, BATCH_RECORDS = 400, VALUE_BYTES = 256, DEPTH = 64, WRITE_BYTES = 1 << 20,
    SEGMENT_MIB = 256, TURN_MIB = 1024, QUICK_MIB = 128, FLUSH_US = 1000,
};

static char folder[300];

struct sender {
    struct log_feed *feed;
    struct waiter   *waiter;
    int32_t  chunk;
    uint32_t position, lease[64], lease_count;
    uint64_t segment_position, next_offset;
};

static void leases_take(struct sender *s)
{
    uint32_t size;
    const struct feed_lease *m;
    while ((m = ring_spsc_next(&s->feed->to_producer, &size)) != NULL) {
        INVARIANT(m->kind == FEED_LEASE && s->lease_count < 64);
        s->lease[s->lease_count++] = m->chunk_index;
    }
    ring_spsc_release(&s->feed->to_producer);
}

static int32_t lease_next(struct sender *s)
{
    for (leases_take(s); s->lease_count == 0; leases_take(s)) {
        waiter_announce(s->waiter);
        leases_take(s);
        if (s->lease_count == 0) waiter_block(s->waiter, 100);
        waiter_cancel(s->waiter);
    }
    int32_t chunk = (int32_t)s->lease[0];
    memmove(s->lease, s->lease + 1, --s->lease_count * sizeof *s->lease);
    return chunk;
}

/* Sends a copy of the ready-made batch, patched. */
static void send(struct sender *s, const uint8_t *batch, uint32_t batch_bytes)
{
    const struct chunk_pool *pool = s->feed->pool;
    bool roll = s->segment_position >= (uint64_t)SEGMENT_MIB << 20;
    struct feed_batch *b;
    while ((b = ring_spsc_claim(&s->feed->to_storage, sizeof *b)) == NULL) usleep(100);
    if (s->chunk == CHUNK_NONE || roll) {
        s->chunk = lease_next(s);
        if (roll) s->position = 0;
        if (roll) s->segment_position = 0;
    } else if (s->position + batch_bytes > pool->chunk_bytes) {
        uint32_t block = s->position / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES, part = s->position - block;
        int32_t next = lease_next(s);
        memcpy(chunk_at(pool, (uint32_t)next), chunk_at(pool, (uint32_t)s->chunk) + block, part);
        s->chunk = next;
        s->position = part;
    }
    uint8_t *at = chunk_at(pool, (uint32_t)s->chunk) + s->position;
    memcpy(at, batch, batch_bytes);
    record_batch_patch(at, s->next_offset, 0);
    *b = (struct feed_batch){FEED_BATCH,
                             (roll ? FEED_ROLL : 0) | FEED_TRANSACTION_END,
                             (uint32_t)s->chunk,
                             s->position,
                             batch_bytes,
                             BATCH_RECORDS,
                             s->next_offset,
                             1000,
                             0,
                             clock_monotonic_ns(clock_real())};
    s->position += batch_bytes;
    s->segment_position += batch_bytes;
    s->next_offset += BATCH_RECORDS;
    ring_spsc_commit(&s->feed->to_storage);
    waiter_wake(s->feed->storage_waiter);
}

static uint32_t make_batch(uint8_t **out)
{
    struct record_batch_writer w;
    size_t room = RECORD_BATCH_HEADER_BYTES + BATCH_RECORDS * (VALUE_BYTES + RECORD_OVERHEAD_MAX + 64) + 64;
    *out = malloc(room);
    INVARIANT(*out != NULL);
    record_batch_begin(&w, *out, room, 0, 0);
    const struct record_header end = {RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1, "x", 1};
    for (int i = 0; i < BATCH_RECORDS; i++) {
        uint8_t *value = record_batch_record_begin(&w, 1000, VALUE_BYTES, 40);
        INVARIANT(value != NULL);
        memset(value, i, VALUE_BYTES);
        record_batch_record_end(&w, VALUE_BYTES, &end, i + 1 == BATCH_RECORDS ? 1 : 0);
    }
    return (uint32_t)record_batch_finish(&w);
}

static double turn_store(struct sender *s, struct log *log, const uint8_t *batch, uint32_t batch_bytes, uint64_t bytes)
{
    uint64_t since_ns = clock_monotonic_ns(clock_real());
    for (uint64_t sent = 0; sent < bytes; sent += batch_bytes) send(s, batch, batch_bytes);
    while (log_high_watermark(log) < s->next_offset) usleep(200);
    return (double)bytes / ((double)(clock_monotonic_ns(clock_real()) - since_ns) / 1e9) / 1e6;
}

static void bare_wait(struct disk_queue *q, unsigned *under_way, unsigned down_to)
{
    struct disk_done done[DEPTH];
    disk_queue_submit(q);
    while (*under_way > down_to) {
        unsigned count = disk_queue_poll(q, done, DEPTH);
        for (unsigned i = 0; i < count; i++) INVARIANT(done[i].result >= 0);
        *under_way -= count;
        struct pollfd p = {.fd = disk_queue_fd(q), .events = POLLIN};
        if (count == 0) (void)poll(&p, 1, 100);
    }
}

/* Writes preallocated files of a segment's size; a sync after every `sync_bytes`, when its writes have ended. */
static double turn_bare(struct disk *d, struct disk_queue *q, uint8_t *memory, uint64_t bytes, uint64_t sync_bytes)
{
    char path[400];
    unsigned under_way = 0;
    int file = -1;
    uint64_t unsynced = 0, segment = (uint64_t)SEGMENT_MIB << 20, since_ns = clock_monotonic_ns(clock_real());
    for (uint64_t at = 0; at < bytes; at += WRITE_BYTES) {
        if (at % segment == 0) {
            if (file >= 0) disk_close(d, file);
            snprintf(path, sizeof path, "%s/bare-%llu", folder, (unsigned long long)(at / segment));
            file = disk_open(d, path, DISK_WRITE | DISK_CREATE | DISK_DIRECT);
            int rc = disk_allocate(d, file, segment);
            INVARIANT(file >= 0 && rc == 0);
        }
        const struct disk_io write = {
            DISK_WRITE_AT, file, memory + at % (16 * WRITE_BYTES), WRITE_BYTES, at % segment, at, false};
        bool put = disk_queue_put(q, &write);
        INVARIANT(put);
        disk_queue_submit(q);
        under_way++;
        unsynced += WRITE_BYTES;
        if (unsynced < sync_bytes && (at + WRITE_BYTES) % segment != 0) continue;
        bare_wait(q, &under_way, 0);
        const struct disk_io sync = {.kind = DISK_SYNC, .file = file};
        put = disk_queue_put(q, &sync);
        INVARIANT(put);
        under_way++;
        bare_wait(q, &under_way, 0);
        unsynced = 0;
    }
    bare_wait(q, &under_way, 0);
    disk_close(d, file);
    double rate = (double)bytes / ((double)(clock_monotonic_ns(clock_real()) - since_ns) / 1e9) / 1e6;
    for (uint64_t i = 0; i * segment < bytes; i++) {
        snprintf(path, sizeof path, "%s/bare-%llu", folder, (unsigned long long)i);
        (void)disk_unlink(d, path);
    }
    return rate;
}

static int by_value(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

int main(int argc, char **argv)
{
    uint64_t bytes = (uint64_t)(argc > 1 && strcmp(argv[1], "--quick") == 0 ? QUICK_MIB : TURN_MIB) << 20,
             sync_bytes = 4 << 20;
    const char *base = getenv("TMPDIR");
    char command[400];
    struct counters *counters;
    struct storage *storage;
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter waiter;
    struct disk *disk;
    struct disk_queue *queue;
    struct err_msg msg;
    struct log_identity identity = {.name = "bench"};
    snprintf(folder, sizeof folder, "%s/millrace-bench-XXXXXX", base == NULL ? "/var/tmp" : base);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    const struct storage_config config = {.data_folder = folder,
                                          .chunk_bytes = CHUNK_BYTES,
                                          .chunk_count = 96,
                                          .leases_per_log = 16,
                                          .tail_chunks_per_log = 32,
                                          .segment_bytes = (uint64_t)SEGMENT_MIB << 20,
                                          .retention_bytes = 1ull << 30,
                                          .flush_interval_us = FLUSH_US,
                                          .index_interval_bytes = 4096,
                                          .uring_depth = DEPTH,
                                          .reader_count = 1,
                                          .reader_cache_bytes = 1 << 20,
                                          .record_bytes_max = 1 << 20,
                                          .core = -1};
    enum err e = counters_open(&counters, NULL, 2000, &msg);
    if (e == ERR_OK) e = storage_start(&storage, &config, clock_real(), counters, &msg);
    if (e == ERR_OK) e = storage_log_open(storage, &identity, true, &log, &feed, &resume, &msg);
    if (e == ERR_OK) e = disk_uring_create(&disk);
    uint8_t *memory = aligned_alloc(LOG_BLOCK_BYTES, 16 * WRITE_BYTES), *batch;
    const struct disk_region region = {memory, 16 * WRITE_BYTES, WRITE_BYTES};
    if (e == ERR_OK) e = disk_queue_open(disk, &queue, DEPTH, &region, true, &msg);
    if (e != ERR_OK) return fprintf(stderr, "%s\n", msg.text), 1;
    memset(memory, 'x', 16 * WRITE_BYTES);
    e = waiter_init(&waiter);
    INVARIANT(e == ERR_OK);
    feed->producer_waiter = &waiter;
    struct sender s = {.feed = feed, .waiter = &waiter, .chunk = CHUNK_NONE};
    uint32_t batch_bytes = make_batch(&batch);
    struct counter *flushes = counters_add(counters, COUNTER_COUNT, "storage_flushes", "channel=bench");
    struct histogram *durable = counters_add_histogram(counters, "storage_encoded_to_durable_ns", "channel=bench");
    double rate[2][TURNS / 2];
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t before = counter_get(flushes);
        if (turn % 2 == 0) {
            rate[0][turn / 2] = turn_store(&s, log, batch, batch_bytes, bytes);
            sync_bytes = bytes / (counter_get(flushes) - before);
        } else {
            rate[1][turn / 2] = turn_bare(disk, queue, memory, bytes, sync_bytes);
        }
        printf("{\"bench\":\"storage_turn\",\"who\":\"%s\",\"mib\":%llu,\"mib_per_sync\":%.1f,\"mb_per_s\":%.0f}\n",
               turn % 2 == 0 ? "millrace" : "bare", (unsigned long long)(bytes >> 20), (double)sync_bytes / 1048576.0,
               rate[turn % 2][turn / 2]);
        fflush(stdout);
    }
    for (int k = 0; k < 2; k++) qsort(rate[k], TURNS / 2, sizeof rate[k][0], by_value);
    printf("{\"bench\":\"storage\",\"batch_bytes\":%u,\"write_bytes\":%d,\"depth\":%d,\"flush_us\":%d,\"mb_per_s\":%."
           "0f,\"bare_mb_per_s\":%.0f,\"ratio\":%.2f,"
           "\"durable_p50_us\":%.0f,\"durable_p99_us\":%.0f}\n",
           batch_bytes, WRITE_BYTES, DEPTH, FLUSH_US, rate[0][TURNS / 4], rate[1][TURNS / 4],
           rate[0][TURNS / 4] / rate[1][TURNS / 4], (double)histogram_quantile(durable, 500000) / 1000.0,
           (double)histogram_quantile(durable, 990000) / 1000.0);
    disk_queue_close(queue);
    disk_destroy(disk);
    storage_stop(storage);
    waiter_fini(&waiter);
    counters_close(counters);
    free(resume.gtid_set);
    free(memory);
    free(batch);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
