/* Goal: over io_uring and a real disk, with all threads running: a producer at full speed, a reader at the tail and
 * readers of the past that jump about compare every byte; the log survives kill -9 of its process; a second process is
 * refused; an idle store does not use the CPU. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/random.h"
#include "base/thread.h"
#include "formats/record_batch.h"
#include "storage/storage.h"
#include "tests/storage/producer.h"
#include "tests/suite.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STREAM_BYTES = 40 << 20 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { STREAM_BYTES = 40 << 20 };
#else
enum { STREAM_BYTES = 200 << 20 };
#endif
#else
enum { STREAM_BYTES = 200 << 20 };
#endif

enum { READERS = 3, SEED = 4711 };

static char folder[] = "/tmp/millrace-storage-XXXXXX";

static struct storage_config config_of(const char *data)
{
    return (struct storage_config){.data_folder = data,
                                   .chunk_bytes = 1 << 20,
                                   .chunk_count = 32,
                                   .leases_per_log = 3,
                                   .tail_chunks_per_log = 12,
                                   .segment_bytes = 32 << 20,
                                   .flush_interval_us = 500,
                                   .index_interval_bytes = 4096,
                                   .uring_depth = 64,
                                   .reader_count = READERS,
                                   .reader_cache_bytes = 8 << 20,
                                   .record_bytes_max = 4 << 20,
                                   .core = -1};
}

struct store {
    struct counters *counters;
    struct storage  *storage;
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    producer_waiter;
};

static void store_up(struct store *s, const struct storage_config *config, const char *name, bool create)
{
    struct err_msg msg = {.text = ""};
    memset(s, 0, sizeof *s);
    snprintf(s->identity.name, sizeof s->identity.name, "%s", name);
    s->identity.is_internal = strcmp(name, "__consumer_offsets") == 0;
    ck_assert_int_eq(counters_open(&s->counters, NULL, 2000, &msg), ERR_OK);
    ck_assert_msg(storage_start(&s->storage, config, clock_real(), s->counters, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_msg(storage_log_open(s->storage, &s->identity, create, &s->log, &s->feed, &s->resume, &msg) == ERR_OK,
                  "%s", msg.text);
    ck_assert_int_eq(waiter_init(&s->producer_waiter), ERR_OK);
    s->feed->producer_waiter = &s->producer_waiter;
}

static void store_down(struct store *s)
{
    storage_stop(s->storage);
    free(s->resume.gtid_set);
    waiter_fini(&s->producer_waiter);
    counters_close(s->counters);
}

static void send_or_wait(struct store *s, struct producer *p, uint32_t records, uint32_t value_bytes, bool ends,
                         int64_t timestamp_ms)
{
    while (!producer_send(p, records, value_bytes, ends, timestamp_ms)) {
        ck_assert_msg(!p->failed, "the store failed: %s", err_text(p->error));
        waiter_announce(&s->producer_waiter);
        producer_poll(p);
        if (p->lease_count == 0) waiter_block(&s->producer_waiter, 50);
        waiter_cancel(&s->producer_waiter);
    }
}

/* ---- readers ---- */

struct reading {
    struct store   *store;
    uint32_t        index;
    _Atomic bool   *writing;
    _Atomic uint64_t records, hot_bytes, cold_bytes;
    pthread_t       thread;
};

static void wait_for_disk(struct log_reader *r)
{
    struct pollfd p = {.fd = log_reader_fd(r), .events = POLLIN};
    ck_assert_int_ge(p.fd, 0);
    (void)poll(&p, 1, 1000);
    (void)log_reader_poll(r);
}

/* Copies the slice's bytes and checks each record against what the producer must have written. */
static void check_slice(struct reading *x, const struct log_slice *slice, uint64_t offset, uint8_t *room)
{
    size_t size = 0;
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        memcpy(room + size, slice->piece[i].bytes, slice->piece[i].size);
        size += slice->piece[i].size;
        atomic_fetch_add(slice->piece[i].is_chunk ? &x->hot_bytes : &x->cold_bytes, slice->piece[i].size);
    }
    ck_assert_uint_eq(size, slice->bytes);
    uint64_t expected = UINT64_MAX;
    for (size_t done = 0; done < size;) {
        struct record_batch_view view;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(room + done, size - done, &view), ERR_OK);
        ck_assert(record_batch_crc_holds(room + done, &view));
        ck_assert(expected == UINT64_MAX ? view.base_offset <= offset && offset <= view.last_offset
                                         : view.base_offset == expected);
        struct cursor records = cursor_of(view.records, view.records_bytes);
        expected = view.base_offset;
        while (cursor_left(&records) > 0) {
            ck_assert_int_eq(record_next(&records, &view, &record), ERR_OK);
            ck_assert_uint_eq(record.offset, expected++);
            ck_assert(record_value_holds(SEED, record.offset, record.value, record.value_bytes));
            atomic_fetch_add(&x->records, 1);
        }
        done += view.bytes;
    }
    ck_assert_uint_eq(expected, slice->next_offset);
}

static void *reader_body(void *argument)
{
    struct reading *x = argument;
    struct store *s = x->store;
    struct log_reader *r;
    struct waiter waiter;
    struct err_msg msg;
    struct random random;
    static _Thread_local struct log_slice slice;
    struct log_cursor cursor = {{0}};
    uint8_t *room = malloc(8 << 20);
    random_init(&random, x->index);
    ck_assert_int_eq(waiter_init(&waiter), ERR_OK);
    ck_assert_msg(log_reader_open(&r, s->storage, x->index, &waiter, &msg) == ERR_OK, "%s", msg.text);
    uint64_t offset = 0;
    for (;;) {
        bool writing = atomic_load(x->writing);
        log_reader_quiesce(r);
        struct log *l = log_find(s->storage, s->identity.name, strlen(s->identity.name));
        ck_assert_ptr_nonnull(l);
        uint64_t end = log_high_watermark(l);
        if (offset == end) {
            if (!writing && log_high_watermark(l) == end) break;
            waiter_announce(&waiter);
            uint32_t slot;
            while (log_reader_hint(r, &slot) != LOG_HINT_NONE) {}
            if (log_high_watermark(l) == offset && atomic_load(x->writing)) waiter_block(&waiter, 100);
            waiter_cancel(&waiter);
            continue;
        }
        if (x->index == 2 && writing && random_below(&random, 4) == 0)
            offset = random_below(&random, end); /* jumps about */
        enum err e = log_reader_read(r, l, offset, (uint32_t)random_below(&random, 2 << 20), true, &cursor, &slice);
        if (e == ERR_AGAIN) {
            wait_for_disk(r);
            continue;
        }
        ck_assert_msg(e == ERR_OK, "reader %u at %llu: %s", x->index, (unsigned long long)offset, err_text(e));
        check_slice(x, &slice, offset, room);
        for (uint32_t i = 0; i < slice.piece_count; i++) log_reader_release(r, &slice.piece[i]);
        offset = slice.next_offset;
    }
    log_reader_close(r);
    waiter_fini(&waiter);
    free(room);
    return NULL;
}

START_TEST(readers_of_tail_and_past_see_every_byte)
{
    char data[100];
    snprintf(data, sizeof data, "%s/stream", folder);
    struct storage_config config = config_of(data);
    struct store s;
    struct producer p;
    struct random random;
    struct reading reading[READERS];
    _Atomic bool writing = true;
    store_up(&s, &config, "orders", true);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    random_init(&random, 5);
    for (uint32_t i = 0; i < READERS; i++) {
        memset(&reading[i], 0, sizeof reading[i]);
        reading[i].store = &s;
        reading[i].index = i;
        reading[i].writing = &writing;
        ck_assert_int_eq(thread_start(&reading[i].thread, "reader", -1, reader_body, &reading[i]), ERR_OK);
    }
    uint64_t sent = 0;
    while (sent < STREAM_BYTES) {
        uint32_t records = 1 + (uint32_t)random_below(&random, 300), value = 20 + (uint32_t)random_below(&random, 400);
        if (random_below(&random, 200) == 0) {
            records = 1;
            value = 3 << 20; /* spans chunks */
        }
        send_or_wait(&s, &p, records, value, random_below(&random, 4) != 0, 1000);
        sent += (uint64_t)records * value;
    }
    send_or_wait(&s, &p, 1, 10, true, 1000);
    while (log_high_watermark(s.log) < p.next_offset) usleep(1000);
    atomic_store(&writing, false);
    uint64_t hot = 0, cold = 0;
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(reading[i].thread, NULL);
        hot += reading[i].hot_bytes;
        cold += reading[i].cold_bytes;
        if (i < 2) ck_assert_uint_ge(reading[i].records, p.next_offset);
    }
    printf("%llu MiB written, %llu MiB read from chunks, %llu MiB from segments\n", (unsigned long long)sent >> 20,
           (unsigned long long)hot >> 20, (unsigned long long)cold >> 20);
    ck_assert_uint_gt(hot, 0);
    ck_assert_uint_gt(cold, 0);
    producer_fini(&p);
    store_down(&s);

    store_up(&s, &config, "orders", false); /* after a clean stop all is there */
    ck_assert_uint_eq(s.resume.next_offset, p.next_offset);
    store_down(&s);
}
END_TEST

/* ---- kill -9 ---- */

static void writer_child(const char *data, _Atomic uint64_t *seen, uint64_t seed)
{
    struct storage_config config = config_of(data);
    struct store s;
    struct producer p;
    struct random random;
    config.segment_bytes = 2 << 20;
    store_up(&s, &config, "orders", false);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    random_init(&random, seed);
    for (;;) {
        send_or_wait(&s, &p, 1 + (uint32_t)random_below(&random, 50), 200, random_below(&random, 4) != 0, 1000);
        atomic_store(seen, log_high_watermark(s.log)); /* what a consumer could have seen */
    }
}

START_TEST(what_was_visible_survives_kill_9)
{
    char data[100];
    snprintf(data, sizeof data, "%s/killed", folder);
    struct storage_config config = config_of(data);
    config.segment_bytes = 2 << 20;
    _Atomic uint64_t *seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(seen, MAP_FAILED);
    struct store s;
    store_up(&s, &config, "orders", true);
    store_down(&s);
    for (int round = 0; round < 8; round++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) writer_child(data, seen, (uint64_t)round);
        usleep(30000u + 17000u * (unsigned)round);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);

        store_up(&s, &config, "orders", false);
        uint64_t visible = atomic_load(seen);
        ck_assert_uint_ge(s.resume.next_offset, visible);
        _Atomic bool writing = false;
        struct reading reading = {.store = &s, .index = 1, .writing = &writing};
        ck_assert_int_eq(thread_start(&reading.thread, "reader", -1, reader_body, &reading), ERR_OK);
        pthread_join(reading.thread, NULL);
        ck_assert_uint_eq(reading.records, s.resume.next_offset);
        store_down(&s);
    }
    munmap(seen, 4096);
}
END_TEST

START_TEST(a_second_process_is_refused)
{
    char data[100];
    snprintf(data, sizeof data, "%s/locked", folder);
    struct storage_config config = config_of(data);
    struct store s;
    store_up(&s, &config, "orders", true);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct storage *second;
        struct err_msg msg;
        enum err e = storage_start(&second, &config, clock_real(), s.counters, &msg);
        _exit(e == ERR_LOCKED && strstr(msg.text, data) != NULL ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    store_down(&s);
}
END_TEST

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

START_TEST(an_idle_store_sleeps)
{
    char data[100];
    snprintf(data, sizeof data, "%s/idle", folder);
    struct storage_config config = config_of(data);
    struct store s;
    store_up(&s, &config, "orders", true);
    usleep(200000);
    uint64_t before = cpu_us();
    sleep(2);
    uint64_t used = cpu_us() - before;
    printf("idle: %llu us of CPU in 2 s\n", (unsigned long long)used);
    ck_assert_uint_lt(used, 20000);
    store_down(&s);
}
END_TEST

static bool put_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool put = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return put;
}

/* A small tmpfs; an ordinary user gets one in a name space of his own. */
static bool mount_small(const char *where)
{
    char users[60], groups[60];
    if (mount("none", where, "tmpfs", 0, "size=40m") == 0) return true;
    snprintf(users, sizeof users, "0 %u 1", (unsigned)getuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !put_text("/proc/self/setgroups", "deny") ||
        !put_text("/proc/self/uid_map", users) || !put_text("/proc/self/gid_map", groups))
        return false;
    return mount("none", where, "tmpfs", 0, "size=40m") == 0;
}

/* A disk that another test may fill at the same time: the lock that both take; -1: there is none. */
static int take_small_disk(char *where, size_t room)
{
    char lock[400];
    const char *given = getenv("MILLRACE_SMALL_DISK");
    if (given == NULL || *given == 0 || access(given, W_OK) != 0) return -1;
    snprintf(where, room, "%s", given);
    snprintf(lock, sizeof lock, "%s/lock", given);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Fills the file system at `where` but for 20 MiB and writes until that is full; it goes on when there is space. */
static void fills_and_goes_on(const char *where)
{
    char data[400], filler[400], command[420];
    struct statvfs fs;
    snprintf(data, sizeof data, "%s/storage", where);
    snprintf(filler, sizeof filler, "%s/filler", where);
    struct storage_config config = config_of(data);
    struct store s;
    struct producer p;
    struct err_msg msg = {.text = ""};
    config.segment_bytes = 4 << 20;
    store_up(&s, &config, "orders", true);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    int fd = open(filler, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(statvfs(where, &fs), 0);
    ck_assert_uint_gt((uint64_t)fs.f_bavail * fs.f_frsize, 21u << 20);
    ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)((uint64_t)fs.f_bavail * fs.f_frsize - (20u << 20))), 0);
    close(fd);
    for (int i = 0; !p.failed && i < 100000; i++) {
        if (!producer_send(&p, 100, 500, true, 1000)) usleep(1000);
        producer_poll(&p);
    }
    ck_assert(p.failed);
    ck_assert_int_eq(p.error, ERR_NO_SPACE);
    ck_assert_int_eq(storage_log_error(s.log, &msg), ERR_NO_SPACE);
    ck_assert_msg(strstr(err_what_to_do(&msg), "free some space") != NULL, "%s", msg.text);
    uint64_t visible = log_high_watermark(s.log);
    ck_assert_uint_gt(visible, 0);
    ck_assert_int_eq(unlink(filler), 0);
    ck_assert_msg(storage_log_detach(s.storage, s.log, &msg) == ERR_OK, "%s", msg.text);
    free(s.resume.gtid_set);
    ck_assert_msg(storage_log_attach(s.storage, s.log, &s.feed, &s.resume, &msg) == ERR_OK, "%s", msg.text);
    s.feed->producer_waiter = &s.producer_waiter;
    ck_assert_uint_ge(s.resume.next_offset, visible);
    producer_fini(&p);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    for (int i = 0; i < 50; i++) send_or_wait(&s, &p, 100, 500, true, 1000);
    while (log_high_watermark(s.log) < p.next_offset) usleep(1000);
    _Atomic bool writing = false;
    struct reading reading = {.store = &s, .index = 1, .writing = &writing};
    ck_assert_int_eq(thread_start(&reading.thread, "reader", -1, reader_body, &reading), ERR_OK);
    pthread_join(reading.thread, NULL);
    ck_assert_uint_eq(reading.records, p.next_offset); /* the log is whole */
    producer_fini(&p);
    store_down(&s);
    snprintf(command, sizeof command, "rm -rf '%s'", data);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_full_file_system_stops_the_log_and_attach_goes_on)
{
    char where[300];
    int lock = take_small_disk(where, sizeof where);
    if (lock >= 0) { /* O_DIRECT, on a disk of its own */
        fills_and_goes_on(where);
        close(lock);
        return;
    }
    snprintf(where, sizeof where, "%s/small", folder);
    ck_assert_int_eq(mkdir(where, 0755), 0);
    if (!mount_small(where)) {
        printf("a full file system: tested over the simulated disk only, no small one can be mounted here\n");
        return;
    }
    fills_and_goes_on(where);
    ck_assert_int_eq(umount(where), 0);
}
END_TEST

/* ---- a file system that turns read-only ---- */

/* Asks the root side of ./check for something to happen to the small disk, and waits for it. */
static void disk_order(const char *what)
{
    char asked[300], done[300];
    const char *orders = getenv("MILLRACE_FAILING_DISK_ORDERS");
    snprintf(asked, sizeof asked, "%s/%s", orders, what);
    snprintf(done, sizeof done, "%s/%s.done", orders, what);
    (void)unlink(done);
    int fd = open(asked, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    for (int i = 0; access(done, F_OK) != 0; i++) {
        ck_assert_msg(i < 300, "nobody does '%s' to the small disk", what);
        usleep(100000);
    }
}

START_TEST(a_file_system_that_turns_read_only)
{
    const char *disk = getenv("MILLRACE_FAILING_DISK");
    char data[300];
    struct store s;
    struct producer p;
    struct err_msg msg = {.text = ""};
    if (disk == NULL || *disk == '\0') {
        printf("a read-only file system: needs ./check as root, which has a small one that can be made so\n");
        return;
    }
    disk_order("mend");
    snprintf(data, sizeof data, "rm -rf '%s/data'", disk);
    ck_assert_int_eq(system(data), 0);
    snprintf(data, sizeof data, "%s/data", disk);
    struct storage_config config = config_of(data);
    config.segment_bytes = 4 << 20;
    store_up(&s, &config, "orders", true);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    for (int i = 0; i < 40; i++) send_or_wait(&s, &p, 100, 500, true, 1000);
    while (log_high_watermark(s.log) < p.next_offset) usleep(1000);
    disk_order("break"); /* an error of the file system, mounted with errors=remount-ro: files are open for writing */
    for (int i = 0; !p.failed && i < 100000; i++) {
        if (!producer_send(&p, 100, 500, true, 1000)) usleep(1000);
        producer_poll(&p);
    }
    ck_assert(p.failed);
    ck_assert_int_ne(storage_log_error(s.log, &msg), ERR_OK);
    ck_assert_msg(strstr(msg.text, "orders") != NULL || strstr(msg.text, "ead-only") != NULL, "%s", msg.text);
    uint64_t visible = log_high_watermark(s.log); /* and stays readable */
    _Atomic bool writing = false;
    struct reading reading = {.store = &s, .index = 1, .writing = &writing};
    ck_assert_int_eq(thread_start(&reading.thread, "reader", -1, reader_body, &reading), ERR_OK);
    pthread_join(reading.thread, NULL);
    ck_assert_uint_ge(reading.records, visible);
    ck_assert_int_ne(storage_log_detach(s.storage, s.log, &msg), ERR_OK); /* cannot be ended cleanly */
    printf("read-only: %s\n", msg.text);
    producer_fini(&p);
    store_down(&s);

    disk_order("mend");
    store_up(&s, &config, "orders", false);
    ck_assert_uint_ge(s.resume.next_offset, visible);
    producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
    for (int i = 0; i < 20; i++) send_or_wait(&s, &p, 100, 500, true, 1000);
    while (log_high_watermark(s.log) < p.next_offset) usleep(1000);
    producer_fini(&p);
    store_down(&s);
}
END_TEST

/* Twelve logs with records: opened at once, every second one without a producer; one is gone and one damaged, which is
 * their error alone.  All others go on where they ended, and end cleanly together. */
enum { MANY = 12, GONE = 5, DAMAGED = 8 };

static uint64_t size_of_segment(const char *data, int i)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "%s/many%d/0/%020d.log", data, i, 0);
    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

START_TEST(many_logs_open_and_end_at_once)
{
    char data[200], command[500];
    snprintf(data, sizeof data, "%s/many", folder);
    struct storage_config config = config_of(data);
    config.chunk_count = 80; /* each with a producer holds some */
    struct store s;
    uint64_t end[MANY], size[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[20];
        struct producer p;
        snprintf(name, sizeof name, "many%d", i);
        store_up(&s, &config, name, true);
        producer_init(&p, s.feed, &s.resume, config.segment_bytes, SEED);
        for (int n = 0; n <= i; n++) send_or_wait(&s, &p, 10, 100, true, 1000);
        while (log_high_watermark(s.log) < p.next_offset) usleep(1000);
        end[i] = p.next_offset;
        producer_fini(&p);
        store_down(&s);
        size[i] = size_of_segment(data, i);
        ck_assert_uint_gt(size[i], 0);
        ck_assert_uint_lt(size[i], 1 << 20);
    }
    snprintf(command, sizeof command, "rm -r %s/many%d && printf x >>%s/many%d/0/%020d.log", data, GONE, data, DAMAGED,
             0);
    ck_assert_int_eq(system(command), 0);

    for (int turn = 0; turn < 2; turn++) { /* the second: after the end of the first */
        struct log_opening list[MANY];
        struct log_identity identity[MANY];
        struct log *log[MANY] = {NULL};
        struct log_feed *feed[MANY];
        struct log_resume resume[MANY];
        struct counters *counters;
        struct waiter waiter;
        struct err_msg msg;
        memset(list, 0, sizeof list);
        memset(identity, 0, sizeof identity);
        ck_assert_int_eq(counters_open(&counters, NULL, 2000, &msg), ERR_OK);
        ck_assert_int_eq(storage_start(&s.storage, &config, clock_real(), counters, &msg), ERR_OK);
        ck_assert_int_eq(waiter_init(&waiter), ERR_OK);
        for (int i = 0; i < MANY; i++) {
            snprintf(identity[i].name, sizeof identity[i].name, "many%d", i);
            list[i] = (struct log_opening){.identity = &identity[i], .is_detached = i % 2 == 1, .log = &log[i],
                                           .feed = &feed[i], .resume = &resume[i]};
        }
        storage_logs_open(s.storage, list, MANY);
        struct log *twice = NULL;
        ck_assert_int_eq(storage_log_open(s.storage, &identity[0], turn == 0, &twice, &feed[0], &resume[0], &msg),
                         ERR_EXISTS);
        ck_assert_msg(strstr(msg.text, "is open already") != NULL, "%s", msg.text);
        for (int i = 0; i < MANY; i++) {
            bool is_bad = i == GONE || i == DAMAGED;
            ck_assert_int_eq(list[i].error, i == GONE ? ERR_NOT_FOUND : is_bad ? ERR_CORRUPT : ERR_OK);
            struct log *found = log_find(s.storage, identity[i].name, strlen(identity[i].name));
            ck_assert_ptr_eq(found, is_bad ? NULL : log[i]);
            ck_assert_msg((strstr(list[i].msg.text, identity[i].name) != NULL) == is_bad, "%s", list[i].msg.text);
            if (is_bad) continue;
            for (int k = 0; k < i; k++)
                ck_assert(k == GONE || k == DAMAGED || log_slot(log[k]) != log_slot(log[i]));
            ck_assert_uint_eq(log_high_watermark(log[i]), end[i]);
            if (list[i].is_detached) { /* nothing is reserved for it, and it can get a producer later */
                ck_assert_uint_eq(size_of_segment(data, i), size[i]);
                ck_assert_msg(storage_log_attach(s.storage, log[i], &feed[i], &resume[i], &msg) == ERR_OK, "%s",
                              msg.text);
            }
            ck_assert_uint_gt(size_of_segment(data, i), size[i]);
            ck_assert_uint_eq(resume[i].next_offset, end[i]);
            struct store one = {.storage = s.storage, .log = log[i], .feed = feed[i]};
            struct producer p;
            ck_assert_int_eq(waiter_init(&one.producer_waiter), ERR_OK);
            feed[i]->producer_waiter = &one.producer_waiter;
            producer_init(&p, feed[i], &resume[i], config.segment_bytes, SEED);
            send_or_wait(&one, &p, 10, 100, true, 1000);
            while (log_high_watermark(log[i]) < p.next_offset) usleep(1000);
            end[i] = p.next_offset;
            producer_fini(&p);
            feed[i]->producer_waiter = &waiter; /* stays until the end */
            waiter_fini(&one.producer_waiter);
            free(resume[i].gtid_set);
        }
        storage_stop(s.storage);
        waiter_fini(&waiter);
        counters_close(counters);
        for (int i = 0; i < MANY; i++) {
            if (i == GONE || i == DAMAGED) continue;
            uint64_t now = size_of_segment(data, i);
            ck_assert_uint_gt(now, size[i]); /* with the new batch, and without what was reserved */
            ck_assert_uint_lt(now, 1 << 20);
            size[i] = now;
        }
    }
}
END_TEST

static int remove_folder(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return EXIT_FAILURE;
    }
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("log on a disk");
    tcase_set_timeout(c, 100);
    tcase_add_test(c, readers_of_tail_and_past_see_every_byte);
    tcase_add_test(c, what_was_visible_survives_kill_9);
    tcase_add_test(c, a_second_process_is_refused);
    tcase_add_test(c, many_logs_open_and_end_at_once);
    tcase_add_test(c, an_idle_store_sleeps);
    tcase_add_test(c, a_full_file_system_stops_the_log_and_attach_goes_on);
    tcase_add_test(c, a_file_system_that_turns_read_only);
    suite_add_tcase(s, c);
    int failed = suite_run(s);
    if (failed == EXIT_SUCCESS && remove_folder() != 0) fprintf(stderr, "left behind: %s\n", folder);
    return failed;
}
