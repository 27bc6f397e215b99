/* What one core spends on following a binlog that lies in memory: from its events to finished batches in chunks.
 * usage: bench_follow [--quick] [ROWS [ROWS_PER_TRANSACTION [ROWS_PER_EVENT [TEXT_BYTES]]]] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "bench/drain.h"
#include "capture/capture_sim.h"
#include "tests/capture/binlog_maker.h"

static const char *columns[][STREAM_SIM_COLUMN_FIELDS] = {{"app", "kept", "id", "int(11)", NULL, "NO"},
                                                          {"app", "kept", "text", "text", "utf8mb4_general_ci", "YES"}};
static const char *keys[][STREAM_SIM_KEY_FIELDS] = {{"app", "kept", "PRIMARY", "id", "BTREE"}};
static const char *const include[] = {"app.*", NULL};

static void make_history(struct binlog_maker *m, uint64_t rows, uint32_t per_transaction, uint32_t per_event,
                         uint32_t text_bytes)
{
    for (uint64_t made = 0; made < rows; made += per_transaction) {
        binlog_maker_gtid(m);
        binlog_maker_query(m, "app", "BEGIN");
        binlog_maker_table_map(m, 100, "app", "kept");
        for (uint32_t i = 0; i < per_transaction; i += per_event)
            binlog_maker_write(m, 100, (uint32_t)made + i,
                               per_event < per_transaction - i ? per_event : per_transaction - i, text_bytes);
        binlog_maker_xid(m);
    }
}

struct shape {
    uint64_t rows;
    uint32_t per_transaction, per_event, text_bytes;
};

/* Follows one history of this shape and prints its figures. */
static int bench(const struct shape *shape)
{
    static struct drain drain;
    struct stream_sim_source source;
    struct binlog_maker maker;
    struct counters *counters;
    struct capture *capture;
    struct source_stream *stream;
    struct err_msg msg = {0};
    struct log_resume resume = {.last_timestamp_ms = -1};
    struct capture_config config = {.channel = "bench",
                                    .host = "memory",
                                    .port = 1,
                                    .user = "u",
                                    .server_id = 9,
                                    .include = include,
                                    .format = "dts-avro",
                                    .start = CAPTURE_START_EARLIEST,
                                    .heartbeat_ms = 1000,
                                    .segment_bytes = 64 << 20,
                                    .batch_bytes_target = 256 << 10,
                                    .record_bytes_max = 1 << 20,
                                    .packet_bytes_max = 16 << 20,
                                    .reconnect_pause_ms_min = 1,
                                    .reconnect_pause_ms_max = 1,
                                    .core = -1};

    drain_init(&drain);
    stream_sim_source_init(&source, clock_real(), 1);
    source.column = columns;
    source.column_count = 2;
    source.key = keys;
    source.key_count = 1;
    binlog_maker_init(&maker, &source);
    make_history(&maker, shape->rows, shape->per_transaction, shape->per_event, shape->text_bytes);
    INVARIANT(counters_open(&counters, NULL, 256, &msg) == ERR_OK && stream_sim_open(&stream, &source) == ERR_OK);
    if (capture_open_simulated(&capture, &config, &drain.feed, &resume, clock_real(), counters, stream, drain_work,
                               &drain, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        return 1;
    }
    struct capture_status status = {0};
    do { /* connects, reads ahead; then the stream */
        capture_step(capture);
        capture_status(capture, &status);
    } while (status.state == CAPTURE_CONNECTING);
    uint64_t since_ns = clock_monotonic_ns(clock_real()), cpu_since_ns = thread_cpu_ns(pthread_self());
    while (capture_step(capture) > 0) drain_work(&drain);
    drain_work(&drain);
    uint64_t taken_ns = clock_monotonic_ns(clock_real()) - since_ns,
             cpu_ns = thread_cpu_ns(pthread_self()) - cpu_since_ns;
    capture_status(capture, &status);
    uint64_t binlog_bytes = source.file[0].size;
    capture_stop(capture);
    printf("{\"bench\":\"follow\",\"rows\":%" PRIu64
           ",\"rows_per_transaction\":%u,\"rows_per_event\":%u,\"text_bytes\":%u,"
           "\"records\":%" PRIu64 ",\"batches\":%" PRIu64
           ",\"binlog_mb\":%.1f,\"log_mb\":%.1f,\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"rows_per_cpu_second\":%.0f,"
           "\"cpu_ns_per_row\":%.1f,\"error\":\"%s\"}\n",
           shape->rows, shape->per_transaction, shape->per_event, shape->text_bytes, drain.records, drain.batches,
           (double)binlog_bytes / 1e6, (double)drain.bytes / 1e6, (double)taken_ns / 1e9, (double)cpu_ns / 1e9,
           (double)shape->rows * 1e9 / (double)cpu_ns, (double)cpu_ns / (double)shape->rows, status.error.text);
    counters_close(counters);
    stream_sim_source_fini(&source);
    return status.error.code == ERR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    struct shape large = {quick ? 500000 : 2000000, 1000, 100, 40}, single = {quick ? 100000 : 500000, 1, 1, 40};
    log_set_level(LOG_LEVEL_WARN);
    if (argc > 1 && !quick) {
        struct shape asked = {strtoull(argv[1], NULL, 10), argc > 2 ? (uint32_t)atoi(argv[2]) : 1000,
                              argc > 3 ? (uint32_t)atoi(argv[3]) : 100, argc > 4 ? (uint32_t)atoi(argv[4]) : 40};
        if (asked.rows == 0 || asked.per_transaction == 0 || asked.per_event == 0) {
            fprintf(stderr,
                    "usage: bench_follow [--quick] [ROWS [ROWS_PER_TRANSACTION [ROWS_PER_EVENT [TEXT_BYTES]]]]\n");
            return 2;
        }
        return bench(&asked);
    }
    return bench(&large) | bench(&single);
}
