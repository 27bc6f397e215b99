/* The data plane's speed: Fetch of 1 KB records from the hot tail, past the kernel and through it, beside bare senders.
 * One serve thread on core 0; clients that only count on core 1, another process.  Past the kernel: virtio_user at the
 * clients' end, vhost at the server's, which copies each frame once, as a network card would without the processor.
 * What is compared runs in turns. */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/invariant.h"
#include "bench/dataplane_rig.h"
#include "bench/open_files.h"
#include "bench/store_rig.h"
#include "dataplane/serve.h"

enum {
    RECORD_BYTES = 1024, BATCH_RECORDS = 128, SEGMENT_BYTES = 256 << 20, START_S = 20, WARM_MS = 300,
};

static struct rig *rig;

/* --- of all processes --- */

uint64_t rig_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void rig_pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* a machine of one core: they share it */
}

void rig_moment_add(struct rig_moments *m, uint64_t offset)
{
    if (m->count < RIG_MOMENTS_MAX) m->at[m->count++] = (struct rig_moment){offset, rig_now_ns()};
}

/* CPU time of a process's serve threads; of its only thread, where there are none. */
static uint64_t cpu_ns(int pid)
{
    char path[320], text[64];
    uint64_t serve = 0, all = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *d; tasks != NULL && (d = readdir(tasks)) != NULL;) {
        unsigned long long ns = 0;
        if (d->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, d->d_name);
        FILE *in = fopen(path, "re");
        if (in == NULL) continue;
        if (fscanf(in, "%llu", &ns) == 1) all += ns;
        fclose(in);
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", pid, d->d_name);
        in = fopen(path, "re");
        if (in != NULL && fgets(text, sizeof text, in) != NULL && strncmp(text, "serve", 5) == 0) serve += ns;
        if (in != NULL) fclose(in);
    }
    if (tasks != NULL) closedir(tasks);
    return serve > 0 ? serve : all;
}

bool rig_measure(struct rig *r, uint64_t bytes)
{
    static uint64_t warm_ns, begun_ns, server_ns, client_ns, begun_bytes, calls;
    if (warm_ns != 0 && calls++ % 16 != 0) return false;
    uint64_t now = rig_now_ns();
    if (warm_ns == 0) warm_ns = now + WARM_MS * UINT64_C(1000000);
    if (begun_ns == 0 && now >= warm_ns) {
        begun_ns = now;
        begun_bytes = bytes;
        server_ns = cpu_ns(atomic_load(&r->server_pid));
        client_ns = cpu_ns(getpid());
        r->received.count = 0;
    }
    if (begun_ns == 0 || (double)(now - begun_ns) / 1e9 < r->test.seconds) return false;
    r->seconds = (double)(now - begun_ns) / 1e9;
    r->bytes = bytes - begun_bytes;
    r->server_cpu_s = (double)(cpu_ns(atomic_load(&r->server_pid)) - server_ns) / 1e9;
    r->client_cpu_s = (double)(cpu_ns(getpid()) - client_ns) / 1e9;
    return true;
}

/* --- the server --- */

static void must(enum err e, const struct err_msg *msg)
{
    if (e == ERR_OK) return;
    fprintf(stderr, "%s\n", msg->text);
    exit(1);
}

/* A batch each millisecond, and when it could be seen. */
static void tail_feed(struct rig *r, struct sender *s, const struct ready_batch *batch)
{
    uint64_t shown = log_high_watermark(s->log), next_ns = rig_now_ns();
    while (atomic_load(&r->is_over) == 0) {
        uint64_t now = log_high_watermark(s->log);
        if (now != shown && r->visible.count < RIG_MOMENTS_MAX) {
            r->visible.at[r->visible.count++] = (struct rig_moment){now, log_high_watermark_ns(s->log)};
            shown = now;
        }
        if (rig_now_ns() >= next_ns) {
            sender_send(s, batch);
            next_ns += 1000000;
        }
        usleep(50);
    }
}

static struct dataplane *serve_start(const struct rig_case *test, struct store_rig *store, struct log *offsets,
                                     struct log_feed *offsets_feed)
{
    static const int cores[] = {RIG_SERVER_CORE};
    struct err_msg msg = {.text = ""};
    char device[200];
    struct dataplane *d;
    bool is_past = test->kind == RIG_DPDK;
    snprintf(device, sizeof device, "net_vhost0,iface=%s%s", test->socket, test->super_bytes > 0 ? ",tso=1" : "");
    struct listener_config listener = {.name = "bench", .host = is_past ? RIG_SERVER4 : "127.0.0.1", .port = RIG_PORT,
                                       .is_past_kernel = is_past, .inflight_bytes_max = 64 << 20};
    struct dataplane_config config = {
        .listeners = &listener, .listener_count = 1, .serve_thread_count = 1, .serve_cores = cores,
        .dpdk = {.device = device, .address = RIG_SERVER4 "/24", .mtu = (uint16_t)test->mtu},
        .connections_max = RIG_CONSUMERS_MAX + test->parked + 8, .request_bytes_max = 1 << 20,
        .fetch_bytes_max = 8 << 20, .send_pinned_bytes_max = 64 << 20, .offsets_retention_ms = 3600000,
        .groups_max = 64, .cluster_id = "bench"};
    must(dataplane_start(&d, &config, store->storage, offsets, offsets_feed, clock_real(), store->counters, &msg),
         &msg);
    return d;
}

static void server_run(struct rig *r)
{
    static struct store_rig store;
    char folder[] = "/tmp/millrace-dataplane-XXXXXX", command[100];
    struct err_msg msg = {.text = ""};
    struct log_identity identity = {.name = "__consumer_offsets", .is_internal = true};
    struct log *offsets;
    struct log_feed *offsets_feed;
    struct log_resume resume;
    struct waiter waiter;
    struct ready_batch batch;
    INVARIANT(mkdtemp(folder) != NULL);
    uint32_t chunks = RIG_DATA_BYTES / RIG_CHUNK_BYTES;
    struct storage_config disk = {
        .data_folder = folder, .chunk_bytes = RIG_CHUNK_BYTES, .chunk_count = chunks * 2 + 32, .leases_per_log = 4,
        .tail_chunks_per_log = chunks + 16, .segment_bytes = SEGMENT_BYTES, .index_interval_bytes = 4096,
        .uring_depth = 64, .reader_count = 2, .reader_cache_bytes = 8 << 20, .record_bytes_max = 4 << 20,
        .flush_interval_us = 500, .core = -1};
    store_rig_up(&store, &disk, 1);
    must(storage_log_open(store.storage, &identity, true, &offsets, &offsets_feed, &resume, &msg), &msg);
    must(waiter_init(&waiter), &msg);
    struct sender *s = &store.sender[0];
    uint32_t records = r->test.records_per_s == 0 ? BATCH_RECORDS : (r->test.records_per_s + 999) / 1000;
    ready_batch_make(&batch, records, RECORD_BYTES);
    r->log = (struct fetch_log){.end = UINT64_MAX, .batch_bytes = batch.size, .batch_records = records};
    if (r->test.records_per_s == 0) {
        for (uint32_t size = 0; size + batch.size <= RIG_DATA_BYTES; size += batch.size) sender_send(s, &batch);
        sender_drain(s);
        r->log.end = s->next_offset;
    }
    struct dataplane *d = serve_start(&r->test, &store, offsets, offsets_feed);
    atomic_store(&r->is_ready, 1);
    if (r->test.records_per_s > 0) tail_feed(r, s, &batch);
    while (atomic_load(&r->is_over) == 0) usleep(10000);
    dataplane_stop(d);
    struct log *const logs[] = {s->log, offsets};
    for (int i = 0; i < 2; i++) {
        must(storage_log_detach(store.storage, logs[i], &msg), &msg);
        storage_log_close(store.storage, logs[i]);
    }
    store_rig_down(&store);
    waiter_fini(&waiter);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s stays\n", folder);
}

/* --- a case: two processes --- */

static pid_t process_start(void (*run)(struct rig *r), int core)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (core >= 0) rig_pin(core);
    run(rig);
    fflush(NULL);
    _exit(0);
}

static bool has_ended(pid_t pid) { return waitpid(pid, NULL, WNOHANG) != 0; }

/* Returns GB/s; ends the program when a process fails. */
static double case_run(const struct rig_case *test)
{
    static void (*const servers[])(struct rig *) = {server_run, bare_lwip_run, server_run, bare_zc_run};
    bool is_past = test->kind == RIG_DPDK || test->kind == RIG_BARE_LWIP, is_bare = test->kind % 2 == 1;
    char folder[] = "/tmp/millrace-vhost-XXXXXX";
    memset(rig, 0, sizeof *rig);
    rig->test = *test;
    INVARIANT(mkdtemp(folder) != NULL);
    snprintf(rig->test.socket, sizeof rig->test.socket, "%s/socket", folder);
    pid_t server = process_start(servers[test->kind], is_bare ? RIG_SERVER_CORE : -1);
    atomic_store(&rig->server_pid, (int)server);
    bool has_failed = false;
    for (int i = 0; atomic_load(&rig->is_ready) == 0 && !has_failed; i++) {
        has_failed = i == START_S * 1000 || has_ended(server);
        usleep(1000);
    }
    int status = 1;
    if (!has_failed) {
        pid_t client = process_start(is_past ? client_wire_run : client_socket_run, RIG_CLIENT_CORE);
        for (int i = 0; waitpid(client, &status, WNOHANG) == 0; i++) {
            if (i == (START_S + (int)test->seconds) * 100) kill(client, SIGKILL);
            usleep(10000);
        }
        atomic_store(&rig->is_over, 1);
        waitpid(server, NULL, 0);
    }
    unlink(rig->test.socket);
    rmdir(folder);
    if (has_failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0) exit(1);
    return (double)rig->bytes / rig->seconds / 1e9;
}

/* --- what is compared --- */

static double cpu_s_per_gb(void) { return rig->bytes == 0 ? 0 : rig->server_cpu_s / ((double)rig->bytes / 1e9); }

static void rate_print(const char *frames, const struct rig_case *test)
{
    static const char *const paths[] = {"DPDK", "DPDK", "kernel", "kernel"};
    static const char *const systems[] = {"millrace", "bare lwIP", "millrace", "bare SEND_ZC"};
    double rate = case_run(test);
    printf("{\"bench\": \"dataplane\", \"path\": \"%s\", \"frames\": \"%s\", \"consumers\": %u, \"system\": \"%s\", "
           "\"gb_per_s\": %.3f, \"server_cpu_s_per_gb\": %.4f, \"server_busy\": %.2f, \"client_busy\": %.2f}\n",
           paths[test->kind], frames, test->consumers, systems[test->kind], rate, cpu_s_per_gb(),
           rig->server_cpu_s / rig->seconds, rig->client_cpu_s / rig->seconds);
    fflush(stdout);
}

/* What serves Kafka, and what only sends. */
static void pair_run(const char *frames, struct rig_case served)
{
    struct rig_case bare = served;
    bare.kind = served.kind == RIG_DPDK ? RIG_BARE_LWIP : RIG_BARE_ZC;
    rate_print(frames, &served);
    rate_print(frames, &bare);
}

/* More and more consumers of one tail; then many connections that say nothing beside some consumers. */
static void growth_run(const char *path, struct rig_case test)
{
    static const uint32_t consumers[] = {1, 10, 100, 1000};
    for (int i = 0; i < 4; i++) {
        test.consumers = consumers[i];
        double rate = case_run(&test);
        printf("{\"bench\": \"dataplane_consumers\", \"path\": \"%s\", \"consumers\": %u, \"gb_per_s\": %.3f, "
               "\"server_cpu_s_per_gb\": %.4f}\n", path, test.consumers, rate, cpu_s_per_gb());
        fflush(stdout);
    }
    test.consumers = 100;
    test.parked = RIG_PARKED_MAX;
    double rate = case_run(&test);
    printf("{\"bench\": \"dataplane_parked\", \"path\": \"%s\", \"consumers\": %u, \"parked\": %u, "
           "\"gb_per_s\": %.3f, \"server_cpu_s_per_gb\": %.4f}\n", path, test.consumers, test.parked, rate,
           cpu_s_per_gb());
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* From the moment when a record could be seen to the moment when it was there, of each record. */
static void latency_run(const char *path, struct rig_case test)
{
    (void)case_run(&test);
    struct rig_moments *seen = &rig->visible, *came = &rig->received;
    double *us = malloc(((size_t)test.records_per_s * (size_t)(test.seconds + 2) + 2) * sizeof *us);
    INVARIANT(us != NULL);
    uint32_t at = 0;
    int count = 0;
    for (uint32_t i = 1; i < came->count; i++)
        for (uint64_t o = came->at[i - 1].offset; o < came->at[i].offset; o++) {
            while (at < seen->count && seen->at[at].offset <= o) at++;
            if (at == seen->count || count >= (int)(test.records_per_s * test.seconds)) break;
            double waited = ((double)came->at[i].ns - (double)seen->at[at].ns) / 1e3;
            us[count++] = waited < 0 ? 0 : waited; /* it was on its way before the time was read */
        }
    if (count == 0) {
        fprintf(stderr, "no record came in time\n");
        exit(1);
    }
    qsort(us, (size_t)count, sizeof *us, by_value);
    printf("{\"bench\": \"dataplane_latency\", \"path\": \"%s\", \"records_per_s\": %u, \"records\": %d, "
           "\"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f}\n", path, test.records_per_s, count,
           us[count / 2], us[(int)(count * 0.99)], us[(int)(count * 0.999)]);
    fflush(stdout);
    free(us);
}

/* One case by itself, for a profiler to look at. */
static int alone_run(char **argument)
{
    static const char *const kinds[] = {"dpdk", "lwip", "kernel", "zc"};
    struct rig_case test = {.kind = RIG_DPDK, .mtu = (uint32_t)atoi(argument[1]),
                            .consumers = (uint32_t)atoi(argument[2]), .seconds = atof(argument[3])};
    test.super_bytes = argument[4] != NULL ? (uint32_t)atoi(argument[4]) : 0;
    test.parked = argument[4] != NULL && argument[5] != NULL ? (uint32_t)atoi(argument[5]) : 0;
    INVARIANT(test.consumers <= RIG_CONSUMERS_MAX && test.parked <= RIG_PARKED_MAX);
    while (test.kind < RIG_BARE_ZC && strcmp(kinds[test.kind], argument[0]) != 0) test.kind++;
    double rate = case_run(&test);
    printf("%s, MTU %u, %u consumers: %.2f GB/s, %.3f s of the server's CPU a GB; busy: server %.2f, clients %.2f\n",
           kinds[test.kind], test.mtu, test.consumers, rate, cpu_s_per_gb(), rig->server_cpu_s / rig->seconds,
           rig->client_cpu_s / rig->seconds);
    return 0;
}

/* usage: bench_dataplane [--quick] | dpdk|lwip|kernel|zc MTU CONSUMERS SECONDS [SUPER_SEGMENT_BYTES [PARKED]] */
int main(int argc, char **argv)
{
    rig = mmap(NULL, sizeof *rig, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    INVARIANT(rig != MAP_FAILED);
    open_files_raise();
    if (argc >= 5) return alone_run(argv + 1);
    double seconds = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 0.5 : 2;
    struct rig_case kernel = {.kind = RIG_KERNEL, .consumers = 16, .seconds = seconds};
    struct rig_case past = {.kind = RIG_DPDK, .mtu = 1500, .consumers = 16, .seconds = seconds};
    struct rig_case jumbo = past, super = past;
    jumbo.mtu = 9000;
    super.super_bytes = RIG_SUPER_BYTES;
    pair_run("loopback", kernel);
    pair_run("MTU 1500", past);
    pair_run("MTU 9000", jumbo);
    pair_run("super-segments", super);
    growth_run("kernel", kernel);
    growth_run("DPDK", past);
    growth_run("DPDK, super-segments", super);
    static const uint32_t rates[] = {1000, 100000};
    for (int i = 0; i < 2; i++) {
        kernel.consumers = past.consumers = 1;
        kernel.records_per_s = past.records_per_s = rates[i];
        kernel.seconds = past.seconds = seconds * 2;
        latency_run("kernel", kernel);
        latency_run("DPDK", past);
    }
    return 0;
}
