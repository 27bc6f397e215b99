/* Goal: the whole way, from the source's binlog to a consumer's answer, keeps its promises through anything that can
 * happen to it: power cuts at any write (also during recovery), lost connections on both sides, crashes of the source.
 * Method: one thread, one seed.  A simulated source, the real capture, the real storage over a simulated disk, the
 * real serve loop and coordinator over a simulated port, and a consumer that checks every byte, stepped in random order
 * on a simulated clock.  The consumer outlives the server: what it has seen must never change.
 *
 * MILLRACE_SEED=N runs that one history; MILLRACE_LONG=1 runs many. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/capture_sim.h"
#include "dataplane/serve_sim.h"
#include "storage/disk_sim.h"
#include "storage/storage.h"
#include "tests/e2e/seams_consumer.h"
#include "tests/e2e/seams_source.h"

enum {
    HISTORIES = 8, HISTORIES_LONG = 400, TURNS = 25000, SETTLE_TURNS = 2000000, POWER_TRIES = 50,
    TURN_NS_MAX = 400000, READERS = 2, CHUNK_BYTES = 32768, SEGMENT_BYTES = 256 << 10, RECORD_BYTES_MAX = 256 << 10,
};

struct world {
    uint64_t seed;
    struct random random;
    struct clock_simulated clock;
    struct seams_source   source;
    struct seams_consumer consumer;
    struct disk *disk;
    /* What the power takes: */
    struct counters *counters;
    struct storage  *storage;
    struct log      *log, *offsets_log;
    struct log_feed *feed, *offsets_feed;
    struct log_resume resume, offsets_resume;
    struct waiter    producer_waiter;
    struct capture  *capture;
    struct port     *port;
    struct dataplane *dataplane;
    uint64_t power_cuts, cuts_in_recovery, reattached;
};

static const struct storage_config storage_settings = {
    .data_folder = "data", .chunk_bytes = CHUNK_BYTES, .chunk_count = 64, .leases_per_log = 2,
    .tail_chunks_per_log = 8, .segment_bytes = SEGMENT_BYTES, .index_interval_bytes = 1024, .uring_depth = 16,
    .reader_count = READERS, .reader_cache_bytes = 1 << 20, .record_bytes_max = RECORD_BYTES_MAX, .core = -1,
};
static const struct capture_config capture_settings = {
    .channel = "channel", .host = "simulated", .port = 1, .user = "u", .password = "p", .server_id = 99,
    .include = seams_include, .ddl_instance = true, .format = "dts-avro", .start = CAPTURE_START_EARLIEST,
    .heartbeat_ms = 1000, .segment_bytes = SEGMENT_BYTES, .batch_bytes_target = 14 << 10,
    .record_bytes_max = RECORD_BYTES_MAX, .packet_bytes_max = 1 << 20, .reconnect_pause_ms_min = 10,
    .reconnect_pause_ms_max = 200, .core = -1,
};
static const struct dataplane_config dataplane_settings = {
    .listen_host = "127.0.0.1", .listen_port = 9092, .serve_thread_count = 1, .connections_max = 8,
    .request_bytes_max = 1 << 20, .fetch_bytes_max = 1 << 20, .send_pinned_bytes_max = 1 << 20,
    .offsets_retention_ms = 86400000, .groups_max = 10, .cluster_id = "simulated",
};

static void storage_works(void *context)
{
    struct world *w = context;
    (void)storage_step(w->storage);
    clock_simulated_advance(&w->clock, 1000);
}

/* Opens a log, or creates it the first time. */
static enum err log_open(struct world *w, const char *name, struct log **log, struct log_feed **feed,
                         struct log_resume *resume, struct err_msg *msg)
{
    struct log_identity identity = {.is_internal = name[0] == '_'};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "cluster-of-%.15s", name);
    enum err e = storage_log_open(w->storage, &identity, false, log, feed, resume, msg);
    if (e == ERR_NOT_FOUND) e = storage_log_open(w->storage, &identity, true, log, feed, resume, msg);
    return e;
}

static enum err capture_begin(struct world *w, struct err_msg *msg)
{
    struct source_stream *stream;
    TRY(stream_sim_open(&stream, &w->source.stream));
    w->feed->producer_waiter = &w->producer_waiter;
    return capture_open_simulated(&w->capture, &capture_settings, w->feed, &w->resume, &w->clock.clock, w->counters,
                                  stream, storage_works, w, msg);
}

static enum err try_power_on(struct world *w, struct err_msg *msg)
{
    const struct clock *clock = &w->clock.clock;
    TRY(storage_start_simulated(&w->storage, &storage_settings, clock, w->counters, w->disk, msg));
    TRY(log_open(w, "__consumer_offsets", &w->offsets_log, &w->offsets_feed, &w->offsets_resume, msg));
    TRY(log_open(w, "channel", &w->log, &w->feed, &w->resume, msg));
    TRY(port_sim_open(&w->port, dataplane_settings.connections_max, &w->random));
    TRY(dataplane_start_simulated(&w->dataplane, &dataplane_settings, w->storage, w->offsets_log, w->offsets_feed,
                                  clock, w->counters, w->port, w->seed, msg));
    return capture_begin(w, msg);
}

static void forget_resume(struct log_resume *r)
{
    free(r->gtid_set);
    *r = (struct log_resume){0};
}

/* The power is gone: nothing of the process stays, the disk decides what it kept. */
static void power_off(struct world *w)
{
    seams_consumer_hang_up(&w->consumer);
    if (w->capture != NULL) capture_stop(w->capture);
    if (w->dataplane != NULL) dataplane_stop(w->dataplane);
    if (w->storage != NULL) storage_abandon_simulated(w->storage);
    counters_close(w->counters);
    forget_resume(&w->resume);
    forget_resume(&w->offsets_resume);
    w->capture = NULL;
    w->dataplane = NULL;
    w->storage = NULL;
    w->port = NULL;
    disk_sim_power_cycle(w->disk);
}

static void power_on(struct world *w)
{
    struct err_msg msg;
    for (int i = 0; i < POWER_TRIES; i++) {
        msg = (struct err_msg){0};
        ck_assert_int_eq(counters_open(&w->counters, NULL, 8192, &msg), ERR_OK);
        bool is_cut_again = random_below(&w->random, 4) == 0;
        disk_sim_cut_after(w->disk, is_cut_again ? random_below(&w->random, 60) : UINT64_MAX);
        enum err e = try_power_on(w, &msg);
        if (e == ERR_OK && !disk_sim_is_dead(w->disk)) {
            disk_sim_cut_after(w->disk, UINT64_MAX);
            return;
        }
        ck_assert_msg(disk_sim_is_dead(w->disk), "seed %llu: cannot start again: %s", (unsigned long long)w->seed,
                      msg.text);
        w->cuts_in_recovery++;
        power_off(w);
    }
    ck_abort_msg("the power never stays");
}

/* Capture ends by itself only to have the log cut (as control does it), or because the disk is gone. */
static void look_after_capture(struct world *w)
{
    struct capture_status status;
    struct err_msg msg = {0};
    capture_status(w->capture, &status);
    if (status.state != CAPTURE_ENDED || disk_sim_is_dead(w->disk)) return;
    ck_assert_msg(status.wants_reattach, "seed %llu: capture ended: %s", (unsigned long long)w->seed,
                  status.error.text);
    capture_stop(w->capture);
    w->capture = NULL;
    forget_resume(&w->resume);
    enum err e = storage_log_detach(w->storage, w->log, &msg);
    if (e == ERR_OK) e = storage_log_attach(w->storage, w->log, &w->feed, &w->resume, &msg);
    if (e == ERR_OK) e = capture_begin(w, &msg);
    ck_assert_msg(e == ERR_OK || disk_sim_is_dead(w->disk), "seed %llu: %s", (unsigned long long)w->seed, msg.text);
    w->reattached++;
}

static void turn(struct world *w, bool source_lives)
{
    switch (random_below(&w->random, 8)) {
    case 0:
        if (source_lives && random_below(&w->random, 6) == 0) seams_source_step(&w->source);
        break;
    case 1:
    case 2: (void)capture_step(w->capture); break;
    case 3:
    case 4: (void)storage_step(w->storage); break;
    case 5:
    case 6: (void)dataplane_step(w->dataplane); break;
    default: seams_consumer_step(&w->consumer, w->port);
    }
    look_after_capture(w);
    clock_simulated_advance(&w->clock, random_below(&w->random, TURN_NS_MAX));
    if (disk_sim_is_dead(w->disk)) {
        w->power_cuts++;
        power_off(w);
        power_on(w);
    }
}

static void live(uint64_t seed)
{
    static struct world w;
    w = (struct world){.seed = seed};
    random_init(&w.random, seed);
    clock_simulated_init(&w.clock, 1700000000000);
    clock_simulated_advance(&w.clock, 1000000000);
    seams_source_init(&w.source, &w.clock.clock, seed ^ 1);
    seams_consumer_init(&w.consumer, &w.source, seed ^ 2);
    waiter_init_simulated(&w.producer_waiter);
    ck_assert_int_eq(disk_sim_create(&w.disk, seed ^ 3), ERR_OK);
    power_on(&w);
    for (unsigned i = 0; i < TURNS; i++) {
        if (random_below(&w.random, 4000) == 0) disk_sim_cut_after(w.disk, random_below(&w.random, 60));
        turn(&w, true);
    }
    disk_sim_cut_after(w.disk, UINT64_MAX);
    w.source.stream.breaks_per_million = 0;
    if (w.source.is_crashing) seams_source_step(&w.source);
    for (unsigned i = 0; i < SETTLE_TURNS && !seams_consumer_has_all(&w.consumer); i++) turn(&w, false);
    ck_assert_msg(seams_consumer_has_all(&w.consumer),
                  "seed %llu: %llu of %llu rows, %llu of %llu DDL statements came", (unsigned long long)seed,
                  (unsigned long long)w.consumer.row_count, (unsigned long long)w.source.row_count,
                  (unsigned long long)w.consumer.ddl_count, (unsigned long long)w.source.ddl_count);
    printf("seed %llu: %llu rows, %llu records, %llu power cuts, %llu in recovery, %llu source breaks, "
           "%llu reattached, %llu connections, %llu records again, %llu commits found\n", (unsigned long long)seed,
           (unsigned long long)w.consumer.row_count, (unsigned long long)w.consumer.next_offset,
           (unsigned long long)w.power_cuts, (unsigned long long)w.cuts_in_recovery,
           (unsigned long long)w.source.stream.breaks, (unsigned long long)w.reattached,
           (unsigned long long)w.consumer.connections, (unsigned long long)w.consumer.read_again,
           (unsigned long long)w.consumer.commits_found);
    power_off(&w);
    seams_consumer_fini(&w.consumer);
    seams_source_fini(&w.source);
    disk_destroy(w.disk);
}

START_TEST(the_consumer_sees_what_the_source_did) { live((uint64_t)_i); }
END_TEST

int main(void)
{
    const char *seed = getenv("MILLRACE_SEED"), *is_long = getenv("MILLRACE_LONG");
    int first = seed != NULL ? atoi(seed) : 1;
    int count = seed != NULL ? 1 : is_long != NULL ? HISTORIES_LONG : HISTORIES;
    log_set_level(LOG_LEVEL_COUNT); /* broken connections are the purpose here */
    Suite *s = suite_create("seams");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, the_consumer_sees_what_the_source_did, first, first + count);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
