/* The serving half of millraced for bench/fanout.py: storage, serve threads and coordinator, with a door in capture's
 * place by which ready batches come.
 * usage: fanout_server FOLDER written|durable TAIL_MIB
 * Prints {"kafka": PORT, "feed": PORT}, serves topic "bench" and ends when its standard input does.  At the feed's
 * port: frames {u32 size, u32 records} and a batch; size 0: answered with the high watermark (u64) when all that was
 * sent is visible.  Numbers are the machine's. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/open_files.h"
#include "bench/store_rig.h"
#include "dataplane/serve.h"

enum { CHUNK_BYTES = 4 << 20, OTHER_CHUNKS = 40, BATCH_BYTES_MAX = 2 << 20, CONNECTIONS_MAX = 12000,
       OTHER_FILES = 500 };

struct door {
    int listening;
    struct sender *sender;
};

static bool read_whole(int fd, void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)out + done, size - done);
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

static void *door_run(void *context)
{
    static uint8_t bytes[BATCH_BYTES_MAX];
    struct door *d = context;
    for (int fd; (fd = accept(d->listening, NULL, NULL)) >= 0; close(fd)) {
        for (uint32_t head[2]; read_whole(fd, head, sizeof head);) {
            struct ready_batch batch = {bytes, head[0], head[1]};
            if (batch.size > sizeof bytes || !read_whole(fd, bytes, batch.size)) break;
            if (batch.size > 0) {
                sender_send(d->sender, &batch);
                continue;
            }
            sender_drain(d->sender);
            uint64_t end = log_high_watermark(d->sender->log);
            if (write(fd, &end, sizeof end) != sizeof end) break;
        }
    }
    return NULL;
}

static uint16_t listen_somewhere(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    INVARIANT(*fd >= 0 && bind(*fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(*fd, 4) == 0 &&
              getsockname(*fd, (struct sockaddr *)&at, &size) == 0);
    return ntohs(at.sin_port);
}

/* CONNECTIONS_MAX, or as many as this process may have files. */
static uint32_t connections_max(void)
{
    uint64_t files = open_files_raise();
    INVARIANT(files > 2 * OTHER_FILES);
    uint64_t most = files - OTHER_FILES;
    return most < CONNECTIONS_MAX ? (uint32_t)most : CONNECTIONS_MAX;
}

int main(int argc, char **argv)
{
    static struct store_rig r;
    struct err_msg msg;
    if (argc != 4) return fprintf(stderr, "usage: fanout_server FOLDER written|durable TAIL_MIB\n"), 2;
    uint32_t tail = (uint32_t)atoi(argv[3]) / (CHUNK_BYTES >> 20);
    struct storage_config store = {
        .data_folder = argv[1], .chunk_bytes = CHUNK_BYTES, .chunk_count = tail + OTHER_CHUNKS, .leases_per_log = 4,
        .tail_chunks_per_log = tail, .segment_bytes = 64 << 20, .flush_interval_us = 500,
        .index_interval_bytes = 4096, .uring_depth = 64, .reader_count = 2, .reader_cache_bytes = 64 << 20,
        .retired_bytes_max = 64 << 20, .record_bytes_max = BATCH_BYTES_MAX, .core = -1};
    store_rig_up(&r, &store, 0);
    struct log_identity offsets = {.name = "__consumer_offsets", .is_internal = true};
    struct log_identity bench = {.name = "bench", .shows_written = strcmp(argv[2], "written") == 0};
    struct sender *offsets_sender = store_rig_add(&r, &offsets, store.segment_bytes);
    offsets_sender->feed->producer_waiter = NULL; /* the coordinator's */
    struct door door = {.sender = store_rig_add(&r, &bench, store.segment_bytes)};
    struct listener_config listener = {.name = "bench", .host = "127.0.0.1", .request_timeout_ms = 60000,
                                       .idle_timeout_ms = 600000, .inflight_bytes_max = 16 << 20};
    struct dataplane_config config = {
        .listeners = &listener, .listener_count = 1, .serve_thread_count = 1, .connections_max = connections_max(),
        .request_bytes_max = 1 << 20, .fetch_bytes_max = 8 << 20, .send_pinned_bytes_max = 64 << 20,
        .offsets_retention_ms = 3600000, .groups_max = 1024, .cluster_id = "bench"};
    struct dataplane *d;
    if (dataplane_start(&d, &config, r.storage, offsets_sender->log, offsets_sender->feed, clock_real(), r.counters,
                        &msg) != ERR_OK)
        return fprintf(stderr, "%s\n", msg.text), 1;
    pthread_t thread;
    uint16_t port = listen_somewhere(&door.listening);
    int rc = pthread_create(&thread, NULL, door_run, &door);
    INVARIANT(rc == 0);
    printf("{\"kafka\": %u, \"feed\": %u}\n", dataplane_port(d, 0), port);
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {}
    shutdown(door.listening, SHUT_RDWR); /* whoever feeds has hung up before */
    pthread_join(thread, NULL);
    dataplane_stop(d);
    for (uint32_t i = 0; i < r.log_count; i++) {
        if (storage_log_detach(r.storage, r.sender[i].log, &msg) != ERR_OK) fprintf(stderr, "%s\n", msg.text);
        storage_log_close(r.storage, r.sender[i].log);
    }
    store_rig_down(&r);
    return 0;
}
