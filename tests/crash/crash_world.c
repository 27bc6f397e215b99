/* tests/crash/crash_world.c -- see crash_world.h */
#include "tests/crash/crash_world.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    POWER_TRIES = 50, TURN_NS_MAX = 400000, READERS = 2, CHUNK_BYTES = 32768, RECORD_BYTES_MAX = 256 << 10,
    COUNTERS = 8192, CHANGES_BEFORE_CUT = 60,
};

static const struct listener_config listener_settings = {.name = "crash", .host = "127.0.0.1", .port = 9092};
static const struct dataplane_config dataplane_settings = {
    .listeners = &listener_settings, .listener_count = 1, .serve_thread_count = 1, .connections_max = 8,
    .request_bytes_max = 1 << 20, .fetch_bytes_max = 1 << 20, .send_pinned_bytes_max = 1 << 20,
    .offsets_retention_ms = 86400000, .groups_max = 10, .cluster_id = "simulated",
};

static struct storage_config storage_settings_of(struct random *r)
{
    return (struct storage_config){
        .data_folder = "data", .chunk_bytes = CHUNK_BYTES, .chunk_count = 64, .leases_per_log = 2,
        .tail_chunks_per_log = 8, .segment_bytes = (64u << 10) << random_below(r, 3), .index_interval_bytes = 1024,
        .flush_interval_us = random_below(r, 2) == 0 ? 0 : 500, .uring_depth = 16, .reader_count = READERS,
        .reader_cache_bytes = 1 << 20, .record_bytes_max = RECORD_BYTES_MAX, .core = -1,
    };
}

static struct capture_config capture_settings_of(const struct crash_world *w)
{
    return (struct capture_config){
        .channel = "channel", .host = "simulated", .port = 1, .user = "u", .password = "p", .server_id = 99,
        .include = crash_include, .ddl_instance = true, .format = "dts-avro", .start = CAPTURE_START_EARLIEST,
        .heartbeat_ms = 1000, .segment_bytes = w->storage_settings.segment_bytes, .batch_bytes_target = 14 << 10,
        .record_bytes_max = RECORD_BYTES_MAX, .packet_bytes_max = 1 << 20, .reconnect_pause_ms_min = 10,
        .reconnect_pause_ms_max = 200, .core = -1,
    };
}

static void storage_works(void *context)
{
    struct crash_world *w = context;
    (void)storage_step(w->storage);
    clock_simulated_advance(&w->clock, 1000);
}

/* Opens a log, or creates it the first time. */
static enum err log_open(struct crash_world *w, const char *name, struct log **log, struct log_feed **feed,
                         struct log_resume *resume, struct err_msg *msg)
{
    struct log_identity identity = {.is_internal = name[0] == '_'};
    identity.shows_written = w->shows_written && !identity.is_internal;
    snprintf(identity.name, sizeof identity.name, "%s", name);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "cluster-of-%.15s", name);
    enum err e = storage_log_open(w->storage, &identity, false, log, feed, resume, msg);
    if (e == ERR_NOT_FOUND) e = storage_log_open(w->storage, &identity, true, log, feed, resume, msg);
    return e;
}

static enum err capture_begin(struct crash_world *w, struct err_msg *msg)
{
    struct source_stream *stream;
    struct capture_config settings = capture_settings_of(w);
    settings.after_failure = w->after_failure;
    TRY(stream_sim_open(&stream, &w->source.stream));
    w->feed->producer_waiter = &w->producer_waiter;
    return capture_open_simulated(&w->capture, &settings, w->feed, &w->resume, &w->clock.clock, w->counters, stream,
                                  storage_works, w, msg);
}

static enum err dataplane_begin(struct crash_world *w, struct err_msg *msg)
{
    TRY(port_sim_open(&w->port, dataplane_settings.connections_max, &w->random));
    return dataplane_start_simulated(&w->dataplane, &dataplane_settings, w->storage, w->offsets_log, w->offsets_feed,
                                     &w->clock.clock, w->counters, w->port, w->seed, msg);
}

static void dataplane_end(struct crash_world *w)
{
    crash_consumer_hang_up(&w->consumer);
    if (w->dataplane != NULL) dataplane_stop(w->dataplane);
    w->dataplane = NULL;
    w->port = NULL;
}

static void forget_resume(struct log_resume *r)
{
    free(r->gtid_set);
    *r = (struct log_resume){0};
}

static void capture_end(struct crash_world *w)
{
    if (w->capture != NULL) capture_stop(w->capture);
    w->capture = NULL;
    forget_resume(&w->resume);
}

/* --- power --- */

static enum err try_power_on(struct crash_world *w, struct err_msg *msg)
{
    TRY(storage_start_simulated(&w->storage, &w->storage_settings, &w->clock.clock, w->counters, w->disk, msg));
    TRY(log_open(w, "__consumer_offsets", &w->offsets_log, &w->offsets_feed, &w->offsets_resume, msg));
    TRY(log_open(w, "channel", &w->log, &w->feed, &w->resume, msg));
    TRY(dataplane_begin(w, msg));
    return capture_begin(w, msg);
}

/* The power is gone: nothing of the process stays, the disk decides what it kept. */
static void power_off(struct crash_world *w)
{
    capture_end(w);
    dataplane_end(w);
    if (w->storage != NULL) storage_abandon_simulated(w->storage);
    counters_close(w->counters);
    forget_resume(&w->offsets_resume);
    w->storage = NULL;
    w->after_failure = w->disk_ails = false;
    disk_sim_power_cycle(w->disk);
}

static void power_on(struct crash_world *w)
{
    struct err_msg msg;
    for (int i = 0; i < POWER_TRIES; i++) {
        msg = (struct err_msg){0};
        ck_assert_int_eq(counters_open(&w->counters, NULL, COUNTERS, &msg), ERR_OK);
        bool is_cut_again = random_below(&w->random, 4) == 0;
        disk_sim_cut_after(w->disk, is_cut_again ? random_below(&w->random, CHANGES_BEFORE_CUT) : UINT64_MAX);
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

void crash_world_restart(struct crash_world *w)
{
    struct err_msg msg = {0};
    capture_end(w);
    dataplane_end(w);
    if (storage_log_detach(w->storage, w->log, &msg) != ERR_OK) msg.code = ERR_OK; /* its disk failed: a crash's work */
    if (storage_log_detach(w->storage, w->offsets_log, &msg) != ERR_OK) msg.code = ERR_OK;
    storage_log_close(w->storage, w->log);
    storage_log_close(w->storage, w->offsets_log);
    storage_stop(w->storage);
    w->after_failure = false;
    counters_close(w->counters);
    forget_resume(&w->offsets_resume);
    w->storage = NULL;
    w->restarts++;
    crash_world_heal_disk(w);
    if (disk_sim_is_dead(w->disk)) disk_sim_power_cycle(w->disk);
    power_on(w);
}

/* --- what control does when a log stops --- */

static enum err reattach(struct crash_world *w, struct err_msg *msg)
{
    capture_end(w);
    if (storage_log_detach(w->storage, w->log, msg) != ERR_OK) msg->code = ERR_OK; /* attaching recovers */
    TRY(storage_log_attach(w->storage, w->log, &w->feed, &w->resume, msg));
    return capture_begin(w, msg);
}

static enum err reattach_offsets(struct crash_world *w, struct err_msg *msg)
{
    dataplane_end(w);
    forget_resume(&w->offsets_resume);
    if (storage_log_detach(w->storage, w->offsets_log, msg) != ERR_OK) msg->code = ERR_OK;
    TRY(storage_log_attach(w->storage, w->offsets_log, &w->offsets_feed, &w->offsets_resume, msg));
    return dataplane_begin(w, msg);
}

/* Capture ends by itself to have the log cut, or because the log stopped writing.  Nothing else is an end here. */
static void look_after_logs(struct crash_world *w)
{
    struct capture_status status = {.state = CAPTURE_ENDED};
    struct err_msg msg = {0}, why = {0};
    if (w->disk_ails || disk_sim_is_dead(w->disk)) return;
    capture_status(w->capture, &status);
    if (status.state == CAPTURE_ENDED) {
        ck_assert_msg(status.wants_reattach || storage_log_error(w->log, &why) != ERR_OK,
                      "seed %llu: capture ended: %s", (unsigned long long)w->seed, status.error.text);
        w->after_failure = true;
        enum err e = reattach(w, &msg);
        ck_assert_msg(e == ERR_OK || disk_sim_is_dead(w->disk), "seed %llu: %s", (unsigned long long)w->seed,
                      msg.text);
        w->reattached++;
    }
    if (!disk_sim_is_dead(w->disk) && storage_log_error(w->offsets_log, &why) != ERR_OK) {
        enum err e = reattach_offsets(w, &msg);
        ck_assert_msg(e == ERR_OK || disk_sim_is_dead(w->disk), "seed %llu: %s", (unsigned long long)w->seed,
                      msg.text);
        w->reattached++;
    }
}

/* --- the history --- */

void crash_world_cut_power_soon(struct crash_world *w)
{
    disk_sim_cut_after(w->disk, random_below(&w->random, CHANGES_BEFORE_CUT));
}

void crash_world_ail_disk(struct crash_world *w)
{
    static const int errors[] = {ENOSPC, EIO};
    if (w->disk_ails) return;
    if (random_below(&w->random, 3) == 0) disk_sim_fail_syncs(w->disk, EIO);
    else disk_sim_fail_writes(w->disk, errors[random_below(&w->random, 2)]);
    w->disk_ails = true;
    w->ailments++;
}

void crash_world_heal_disk(struct crash_world *w)
{
    disk_sim_fail_syncs(w->disk, 0);
    disk_sim_fail_writes(w->disk, 0);
    w->disk_ails = false;
}

void crash_world_turn(struct crash_world *w, bool source_lives)
{
    switch (random_below(&w->random, 8)) {
    case 0:
        if (source_lives && random_below(&w->random, 6) == 0) crash_source_step(&w->source);
        break;
    case 1:
    case 2: (void)capture_step(w->capture); break;
    case 3:
    case 4: (void)storage_step(w->storage); break;
    case 5:
    case 6: (void)dataplane_step(w->dataplane); break;
    default: crash_consumer_step(&w->consumer, w->port);
    }
    look_after_logs(w);
    clock_simulated_advance(&w->clock, random_below(&w->random, TURN_NS_MAX));
    if (disk_sim_is_dead(w->disk)) {
        w->power_cuts++;
        power_off(w);
        power_on(w);
    }
}

void crash_world_init(struct crash_world *w, uint64_t seed)
{
    *w = (struct crash_world){.seed = seed};
    random_init(&w->random, seed);
    clock_simulated_init(&w->clock, 1700000000000);
    clock_simulated_advance(&w->clock, 1000000000);
    crash_source_init(&w->source, &w->clock.clock, seed ^ 1);
    w->shows_written = random_below(&w->random, 2) == 0;
    crash_consumer_init(&w->consumer, &w->source, w->shows_written, seed ^ 2);
    waiter_init_simulated(&w->producer_waiter);
    w->storage_settings = storage_settings_of(&w->random);
    if (w->shows_written && random_below(&w->random, 3) > 0) /* long between written and durable */
        w->storage_settings.flush_interval_us = 20000;
    ck_assert_int_eq(disk_sim_create(&w->disk, seed ^ 3), ERR_OK);
    if (random_below(&w->random, 4) == 0) disk_sim_shorten_writes(w->disk);
    power_on(w);
}

void crash_world_fini(struct crash_world *w)
{
    power_off(w);
    crash_consumer_fini(&w->consumer);
    crash_source_fini(&w->source);
    disk_destroy(w->disk);
}
