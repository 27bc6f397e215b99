/* Goal: with all threads of the store running over few and small chunks and small segments, so that each is used again
 * many times a second, no reader ever sees a byte change of what it pins, nor a byte that is not the log's.
 *
 * usage: stress_lifetime [SECONDS]   (a plain program: it also runs under ThreadSanitizer, tsan.sh) */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/random.h"
#include "storage/storage.h"
#include "tests/storage/held_slice.h"
#include "tests/storage/producer.h"

enum { READERS = 3, SEED = 99, HELD = 5 };

static char folder[300];
static _Atomic bool stop;

struct reading {
    struct storage *storage;
    uint32_t  index;
    pthread_t thread;
    uint64_t  hot, cold, gone, held; /* slices; reads out of range; slices looked at again later */
};

static void *reader_run(void *argument)
{
    struct reading *r = argument;
    struct log_reader *reader;
    struct log_cursor cursor = {{0}};
    struct held_slice held[HELD] = {{.offset = 0}};
    struct random random;
    struct err_msg msg;
    uint8_t *room = malloc(HELD_ROOM_BYTES);
    uint64_t offset = 0;
    enum err e = log_reader_open(&reader, r->storage, r->index, NULL, &msg);
    INVARIANT(e == ERR_OK && room != NULL);
    random_init(&random, r->index + 1);
    for (uint32_t turn = 0; !atomic_load(&stop); turn++) {
        struct held_slice *h = &held[turn % HELD];
        log_reader_quiesce(reader);
        struct log *l = log_at(r->storage, 0);
        uint64_t start = log_start_offset(l), end = log_high_watermark(l);
        if (h->slice.piece_count > 0) {
            held_verify(h, SEED, room);
            held_release(reader, h);
            r->held++;
        }
        if (random_below(&random, 8) == 0) offset = start + random_below(&random, end - start + 1);
        else if (random_below(&random, 3) == 0) offset = end > 20 ? end - random_below(&random, 20) : 0;
        h->offset = offset;
        e = held_read(reader, l, &cursor, h);
        if (e == ERR_OUT_OF_RANGE) {
            r->gone++;
            offset = log_start_offset(l);
        }
        INVARIANT(e == ERR_OK || e == ERR_OUT_OF_RANGE || e == ERR_AGAIN);
        if (e != ERR_OK || h->slice.bytes == 0) {
            h->slice.piece_count = 0;
            continue;
        }
        held_verify(h, SEED, room);
        offset = h->slice.next_offset;
        *(h->slice.piece[0].is_chunk ? &r->hot : &r->cold) += 1;
        if (random_below(&random, 2) == 0) held_release(reader, h); /* else it is held for HELD turns */
        if (random_below(&random, 16) == 0) usleep(500);
    }
    for (int i = 0; i < HELD; i++) held_release(reader, &held[i]);
    log_reader_close(reader);
    free(room);
    return NULL;
}

static void produce(struct log_feed *feed, const struct log_resume *resume, uint64_t segment_bytes, double seconds)
{
    struct producer p;
    struct random random;
    uint64_t until_ns = clock_monotonic_ns(clock_real()) + (uint64_t)(seconds * 1e9);
    random_init(&random, 7);
    producer_init(&p, feed, resume, segment_bytes, SEED);
    while (clock_monotonic_ns(clock_real()) < until_ns) {
        uint32_t records = 1 + (uint32_t)random_below(&random, 4), size = 100 + (uint32_t)random_below(&random, 3000);
        bool is_large = random_below(&random, 50) == 0; /* goes through chunks */
        if (is_large) records = 1, size = 40000;
        while (!producer_send(&p, records, size, true, 1000)) {
            INVARIANT(!p.failed);
            usleep(100);
            producer_poll(&p);
        }
    }
    producer_fini(&p);
    log_feed_leave(feed);
}

int main(int argc, char **argv)
{
    struct reading reading[READERS] = {{.index = 0}};
    struct counters *counters;
    struct storage *storage;
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter waiter;
    struct err_msg msg = {.text = ""};
    struct log_identity identity = {.name = "stress"};
    const char *base = getenv("TMPDIR");
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    log_set_level(LOG_LEVEL_ERROR);
    (void)alarm((unsigned)(10 * seconds + 20)); /* whatever waits for ever */
    snprintf(folder, sizeof folder, "%s/millrace-stress-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    const struct storage_config config = {.data_folder = folder,
                                          .chunk_bytes = 16 << 10,
                                          .chunk_count = 34,
                                          .leases_per_log = 6, /* enough for a large batch */
                                          .tail_chunks_per_log = 5,
                                          .segment_bytes = 256 << 10,
                                          .retention_bytes = 1 << 20,
                                          .index_interval_bytes = 4096,
                                          .uring_depth = 16,
                                          .reader_count = READERS,
                                          .reader_cache_bytes = 1 << 20,
                                          .reader_inflight_bytes_max = 1 << 20,
                                          .record_bytes_max = 100000,
                                          .core = -1};
    enum err e = counters_open(&counters, NULL, 2000, &msg);
    if (e == ERR_OK) e = storage_start(&storage, &config, clock_real(), counters, &msg);
    if (e == ERR_UNSUPPORTED) return printf("skipped: %s\n", msg.text), 77;
    if (e == ERR_OK) e = storage_log_open(storage, &identity, true, &log, &feed, &resume, &msg);
    if (e == ERR_OK) e = waiter_init(&waiter);
    if (e != ERR_OK) return fprintf(stderr, "%s\n", msg.text), 1;
    feed->producer_waiter = &waiter;
    for (uint32_t i = 0; i < READERS; i++) {
        reading[i] = (struct reading){.storage = storage, .index = i};
        int rc = pthread_create(&reading[i].thread, NULL, reader_run, &reading[i]);
        INVARIANT(rc == 0);
    }
    produce(feed, &resume, config.segment_bytes, seconds);
    atomic_store(&stop, true);
    uint64_t hot = 0, cold = 0, gone = 0, held = 0;
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(reading[i].thread, NULL);
        hot += reading[i].hot;
        cold += reading[i].cold;
        gone += reading[i].gone;
        held += reading[i].held;
    }
    uint64_t retired = counter_get(counters_add(counters, COUNTER_COUNT, "storage_chunks_retired", ""));
    uint64_t recycled =
        counter_get(counters_add(counters, COUNTER_COUNT, "storage_segments_recycled", "channel=stress"));
    printf("slices: %llu hot, %llu cold, %llu looked at again; %llu reads out of range; %llu chunks retired, "
           "%llu segments recycled\n", (unsigned long long)hot, (unsigned long long)cold, (unsigned long long)held,
           (unsigned long long)gone, (unsigned long long)retired, (unsigned long long)recycled);
    INVARIANT(hot > 0 && cold > 0 && held > 0 && gone > 0 && retired > 0 && recycled > 0); /* it met what it is for */
    e = storage_log_detach(storage, log, &msg);
    INVARIANT(e == ERR_OK);
    storage_log_close(storage, log);
    e = storage_log_delete(storage, "stress", &msg);
    INVARIANT(e == ERR_OK);
    storage_stop(storage);
    waiter_fini(&waiter);
    counters_close(counters);
    free(resume.gtid_set);
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
