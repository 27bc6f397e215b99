#include "tests/capture/capture_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tree.h"

enum { CHUNK_BYTES = 32 * 1024, CHUNKS = 24 };

static const char *columns[][STREAM_SIM_COLUMN_FIELDS] = {
    {"app", "kept", "id", "int(11)", NULL, "NO"},
    {"app", "kept", "text", "text", "utf8mb4_general_ci", "YES"},
    {"app", "other", "id", "int(11)", NULL, "NO"},
    {"app", "other", "text", "text", "utf8mb4_general_ci", "YES"},
};
static const char *keys[][STREAM_SIM_KEY_FIELDS] = {{"app", "kept", "PRIMARY", "id", "BTREE"},
                                                    {"app", "other", "PRIMARY", "id", "BTREE"}};
static const char *const include[] = {"app.kept", "app.other", NULL};

static uint64_t still_monotonic(const struct clock *c)
{
    return ((const struct still_clock *)(const void *)c)->now_ns;
}
static uint64_t still_realtime(const struct clock *c)
{
    (void)c;
    return 1700000000000;
}

static void storage_works(void *context)
{
    fake_storage_step(context);
}

void world_init(struct world *w, uint64_t seed)
{
    struct err_msg msg = {0};
    *w = (struct world){.clock = {{still_monotonic, still_realtime}, 1000000000}};
    stream_sim_source_init(&w->source, &w->clock.clock, seed);
    w->source.column = columns;
    w->source.column_count = sizeof columns / sizeof columns[0];
    w->source.key = keys;
    w->source.key_count = sizeof keys / sizeof keys[0];
    binlog_maker_init(&w->maker, &w->source);
    fake_storage_init(&w->storage, CHUNK_BYTES, CHUNKS, 3, true);
    ck_assert_int_eq(counters_open(&w->counters, NULL, 512, &msg), ERR_OK);
    w->config = (struct capture_config){.channel = "sim",
                                        .host = "nowhere",
                                        .port = 1,
                                        .user = "u",
                                        .password = "p",
                                        .server_id = 99,
                                        .include = include,
                                        .ddl_instance = true,
                                        .format = "dts-avro",
                                        .start = CAPTURE_START_EARLIEST,
                                        .heartbeat_ms = 1000000000,
                                        .segment_bytes = 200 * 1024,
                                        .batch_bytes_target = 14 * 1024,
                                        .record_bytes_max = 256 * 1024,
                                        .packet_bytes_max = 1 << 20,
                                        .reconnect_pause_ms_min = 10,
                                        .reconnect_pause_ms_max = 1000,
                                        .core = -1};
}

void world_fini(struct world *w)
{
    if (w->capture != NULL) capture_stop(w->capture);
    stream_sim_source_fini(&w->source);
    fake_storage_fini(&w->storage);
    counters_close(w->counters);
    if (w->folder[0] != '\0') (void)tree_remove(w->folder);
}

void world_keep(struct world *w)
{
    char path[sizeof w->folder + 8];
    snprintf(w->folder, sizeof w->folder, "%s/millrace-world-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(w->folder));
    snprintf(path, sizeof path, "%s/%s", w->folder, w->config.channel);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    w->config.data_folder = w->folder;
}

void world_capture(struct world *w)
{
    struct source_stream *stream;
    struct err_msg msg = {0};
    ck_assert_int_eq(stream_sim_open(&stream, &w->source), ERR_OK);
    ck_assert_msg(capture_open_simulated(&w->capture, &w->config, &w->storage.feed, &w->storage.resume, &w->clock.clock,
                                         w->counters, stream, storage_works, &w->storage, &msg) == ERR_OK,
                  "%s", msg.text);
}

bool world_run(struct world *w, unsigned steps_max, struct capture_status *status)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < steps_max && idle < 50; i++) {
        unsigned done = capture_step(w->capture) + fake_storage_step(&w->storage);
        idle = done == 0 ? idle + 1 : 0;
        w->clock.now_ns += 50000000;
        capture_status(w->capture, status);
        if (status->state == CAPTURE_ENDED) return false;
    }
    return true;
}

void world_leave(struct world *w)
{
    struct capture_status status;
    capture_status(w->capture, &status);
    w->config.after_failure = status.state == CAPTURE_ENDED;
    capture_stop(w->capture);
    w->capture = NULL;
    fake_storage_reattach(&w->storage);
}

void world_assert_same_changes(const struct world *calm, const struct world *rough)
{
    fake_storage_assert_same_changes(&calm->storage, &rough->storage);
}
