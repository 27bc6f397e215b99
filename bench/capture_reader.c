/* bench/capture_reader.c -- capture as it is, from a real source's socket to finished batches in chunks, which are
 * thrown away: what is compared with null_client, on one thread as well.
 * usage: capture_reader HOST PORT USER PASSWORD OBJECTS ROWS     reads the whole binlog, which holds ROWS row changes
 * Prints one JSON line. `seconds` is from the dump's request to the last row; `prepare_seconds` what is before it:
 * definitions, and reading ahead. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/thread.h"
#include "bench/drain.h"
#include "capture/capture_sim.h"

static double since_s(uint64_t begun_ns)
{
    return (double)(clock_monotonic_ns(clock_real()) - begun_ns) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: capture_reader HOST PORT USER PASSWORD OBJECTS ROWS\n");
        return 2;
    }
    static struct drain drain;
    struct counters *counters;
    struct capture *capture;
    struct err_msg msg = {0};
    struct log_resume resume = {.last_timestamp_ms = -1};
    const char *const include[] = {argv[5], NULL};
    uint64_t rows = strtoull(argv[6], NULL, 10), begun_ns = clock_monotonic_ns(clock_real());
    struct capture_config config = {.channel = "bench",
                                    .host = argv[1],
                                    .port = (uint16_t)atoi(argv[2]),
                                    .user = argv[3],
                                    .password = argv[4],
                                    .server_id = 4000000002u,
                                    .include = include,
                                    .format = "dts-avro",
                                    .start = CAPTURE_START_EARLIEST,
                                    .heartbeat_ms = 1000,
                                    .segment_bytes = 128 << 20,
                                    .batch_bytes_target = 256 << 10,
                                    .record_bytes_max = 4 << 20,
                                    .packet_bytes_max = 1 << 30,
                                    .reconnect_pause_ms_min = 1,
                                    .reconnect_pause_ms_max = 1,
                                    .core = -1};

    log_set_level(LOG_LEVEL_WARN);
    drain_init(&drain);
    INVARIANT(counters_open(&counters, NULL, 256, &msg) == ERR_OK);
    if (capture_open_simulated(&capture, &config, &drain.feed, &resume, clock_real(), counters, NULL, drain_work,
                               &drain, &msg) != ERR_OK) {
        fprintf(stderr, "capture_reader: %s\n", msg.text);
        return 1;
    }
    struct capture_status status = {0};
    while (status.state == CAPTURE_CONNECTING && status.error.code == ERR_OK) {
        capture_step(capture);
        capture_status(capture, &status);
    }
    double prepare_s = since_s(begun_ns);
    uint64_t streaming_ns = clock_monotonic_ns(clock_real()), cpu_ns = thread_cpu_ns(pthread_self());
    do {
        capture_step(capture);
        drain_work(&drain);
        capture_status(capture, &status);
    } while (status.row_changes < rows && status.error.code == ERR_OK);
    double seconds = since_s(streaming_ns), cpu_s = (double)(thread_cpu_ns(pthread_self()) - cpu_ns) / 1e9;
    capture_stop(capture);
    if (status.error.code != ERR_OK) {
        fprintf(stderr, "capture_reader: %s\n", status.error.text);
        return 1;
    }
    printf("{\"client\":\"capture\",\"row_changes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"log_bytes\":%" PRIu64
           ",\"prepare_seconds\":%.4f,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n",
           status.row_changes, drain.records, drain.bytes, prepare_s, seconds, cpu_s);
    counters_close(counters);
    return 0;
}
