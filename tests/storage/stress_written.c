/* Goal: in a log that shows what is not durable yet, with all threads of the store running over few and small chunks,
 * no reader ever sees a byte that is not the log's, a transaction without its end, or a wrong record at a time: from
 * disk, from the tail, and while a disk that fails takes back what was shown, until it was sent again.
 *
 * The disk is made to fail by the limit of a file's size.
 *
 * usage: stress_written [SECONDS]   (a plain program: it also runs under ThreadSanitizer, tsan.sh) */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/random.h"
#include "storage/storage.h"
#include "tests/storage/held_slice.h"
#include "tests/storage/producer.h"

/* A transaction ends before each multiple of TRANSACTION, and the time of a batch's records is its first one's. */
enum { READERS = 3, SEED = 77, HELD = 4, TRANSACTION = 8, TIME = 1000, ROUND_MS = 40, ROUNDS_MIN = 4, TRIES = 100 };

static char folder[300];
static _Atomic bool stop;

struct reading {
    struct storage *storage;
    uint32_t  index;
    pthread_t thread;
    uint64_t  hot, cold, gone, waited, found, times; /* slices; reads out of range: for good, for now; searches */
};

struct writing {
    struct storage  *storage;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct producer  producer;
    struct waiter    waiter;
    struct random    random;
    uint64_t segment_bytes, taken_back;
};

/* A reader who comes and goes all the time, and takes with him what he is woken by. */
struct guest {
    struct storage *storage;
    pthread_t thread;
    uint64_t  visits, woken;
};

static void *guest_run(void *argument)
{
    struct guest *g = argument;
    for (; !atomic_load(&stop); g->visits++) {
        struct waiter *waiter = aligned_alloc(_Alignof(struct waiter), sizeof *waiter);
        struct log_reader *reader;
        struct err_msg msg = {.text = ""};
        enum err e = waiter == NULL ? ERR_NO_MEMORY : waiter_init(waiter);
        if (e == ERR_OK) e = log_reader_open(&reader, g->storage, READERS, waiter, &msg);
        INVARIANT(e == ERR_OK);
        waiter_announce(waiter);
        struct pollfd p = {.fd = waiter->eventfd, .events = POLLIN};
        if (g->visits % 8 == 0) g->woken += poll(&p, 1, 20) > 0; /* the others leave at once, while he is woken */
        log_reader_quiesce(reader);
        log_reader_close(reader);
        waiter_fini(waiter);
        free(waiter);
    }
    return NULL;
}

/* Reads end for a moment while a disk read is under way. */
static void wait_for_disk(struct log_reader *reader)
{
    struct pollfd p = {.fd = log_reader_fd(reader), .events = POLLIN};
    if (log_reader_poll(reader) > 0) return;
    (void)poll(&p, 1, 20);
    (void)log_reader_poll(reader);
}

/* The log's two ends before a look, and whether it waited for its source then. */
struct before {
    uint64_t start, end;
    bool     was_resending;
};

static struct before look(const struct log *l)
{
    struct before b = {.was_resending = log_is_resending(l)};
    b.start = log_start_offset(l);
    b.end = log_high_watermark(l);
    INVARIANT(b.end % TRANSACTION == 0);
    return b;
}

static bool may_be_taken_back(const struct before *b, const struct log *l)
{
    return b->was_resending || log_is_resending(l);
}

static void search(struct reading *r, struct log_reader *reader, struct log *l, uint64_t offset)
{
    const struct before b = look(l);
    uint64_t found = 0;
    int64_t found_ms = 0, ms = 0;
    enum err e = ERR_AGAIN;
    for (int i = 0; i < TRIES && e == ERR_AGAIN; i++) {
        e = log_reader_find_time(reader, l, (int64_t)(TIME + offset), &found, &found_ms);
        if (e == ERR_AGAIN) wait_for_disk(reader);
    }
    uint64_t start = log_start_offset(l), least = start > offset ? start : offset;
    INVARIANT(e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_AGAIN);
    INVARIANT(e != ERR_OK || (found_ms == (int64_t)(TIME + found) && found >= offset && found < least + TRANSACTION));
    INVARIANT(e != ERR_NOT_FOUND || offset + TRANSACTION > b.end || may_be_taken_back(&b, l));
    r->found += e == ERR_OK;
    e = ERR_AGAIN;
    for (int i = 0; i < TRIES && e == ERR_AGAIN; i++) {
        e = log_reader_time_at(reader, l, offset, &ms);
        if (e == ERR_AGAIN) wait_for_disk(reader);
    }
    uint64_t base = (uint64_t)(ms - TIME);
    INVARIANT(e == ERR_OK || e == ERR_OUT_OF_RANGE || e == ERR_AGAIN);
    INVARIANT(e != ERR_OK || (base <= offset && offset < base + TRANSACTION));
    INVARIANT(e != ERR_OUT_OF_RANGE || offset < log_start_offset(l) || offset >= b.end || may_be_taken_back(&b, l));
    r->times += e == ERR_OK;
}

/* As a Fetch does it: what is behind the watermark is waited for while it is sent again, else it is an error. */
static uint64_t read_on(struct reading *r, struct log_reader *reader, struct log *l, struct log_cursor *cursor,
                        struct held_slice *h, uint8_t *room)
{
    const struct before b = look(l);
    enum err e = held_read(reader, l, cursor, h);
    INVARIANT(e == ERR_OK || e == ERR_OUT_OF_RANGE || e == ERR_AGAIN);
    if (e == ERR_OUT_OF_RANGE) {
        bool is_gone = h->offset < log_start_offset(l);
        INVARIANT(is_gone || may_be_taken_back(&b, l));
        *(is_gone ? &r->gone : &r->waited) += 1;
        return is_gone ? log_start_offset(l) : h->offset;
    }
    if (e != ERR_OK || h->slice.bytes == 0) return h->offset;
    held_verify(h, SEED, room);
    *(h->slice.piece[0].is_chunk ? &r->hot : &r->cold) += 1;
    return h->slice.next_offset;
}

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
        if (h->slice.piece_count > 0) held_verify(h, SEED, room); /* also what was taken back meanwhile */
        held_release(reader, h);
        uint64_t back = random_below(&random, 4) == 0 ? end - start : (end - start + 15) / 16;
        if (back > 0 && random_below(&random, 4) == 0) search(r, reader, l, end - 1 - random_below(&random, back));
        if (random_below(&random, 16) == 0 && end > start) offset = start + random_below(&random, end - start);
        else if (random_below(&random, 4) == 0) offset = end > 20 ? end - random_below(&random, 20) : 0;
        h->offset = offset;
        h->slice.piece_count = h->slice.bytes = 0;
        offset = read_on(r, reader, l, &cursor, h, room);
        if (random_below(&random, 2) == 0) held_release(reader, h); /* else it is held for HELD turns */
        if (random_below(&random, 16) == 0) usleep(500);
    }
    for (int i = 0; i < HELD; i++) held_release(reader, &held[i]);
    log_reader_close(reader);
    free(room);
    return NULL;
}

/* Some records of the next transaction, the rest of it at most; false: the log has failed. */
static bool send(struct writing *w, bool is_heartbeat)
{
    struct producer *p = &w->producer;
    uint64_t left = TRANSACTION - p->next_offset % TRANSACTION;
    uint32_t records = 1 + (uint32_t)random_below(&w->random, 2 * TRANSACTION);
    uint32_t size = 30 + (uint32_t)random_below(&w->random, 2000);
    if (records > left || is_heartbeat) records = (uint32_t)left;
    p->is_heartbeat = is_heartbeat;
    while (!p->failed && !producer_send(p, records, size, records == left, (int64_t)(TIME + p->next_offset))) {
        usleep(100);
        producer_poll(p);
    }
    p->is_heartbeat = false;
    if (random_below(&w->random, 8) == 0) usleep(300);
    return !p->failed;
}

static void attached(struct writing *w)
{
    atomic_store(&w->feed->producer_waiter, &w->waiter);
    producer_init(&w->producer, w->feed, &w->resume, w->segment_bytes, SEED);
}

/* Between transactions; HEARTBEATs now and then, as capture sends them. */
static void produce(struct writing *w)
{
    uint64_t until_ns = clock_monotonic_ns(clock_real()) + ROUND_MS * 1000000ull;
    while (clock_monotonic_ns(clock_real()) < until_ns || w->producer.next_offset % TRANSACTION != 0) {
        bool is_heartbeat = w->producer.next_offset % TRANSACTION == 0 && random_below(&w->random, 50) == 0;
        bool went = send(w, is_heartbeat);
        INVARIANT(went);
    }
}

/* The disk fails under what is shown: it is taken back, and sent again. */
static void fail(struct writing *w)
{
    struct rlimit all, little;
    struct err_msg msg = {.text = ""};
    uint64_t shown, sent;
    while (log_high_watermark(w->log) < w->producer.next_offset) usleep(100); /* no HEARTBEAT holds back what follows */
    int rc = getrlimit(RLIMIT_FSIZE, &all);
    little = all;
    little.rlim_cur = LOG_BLOCK_BYTES;
    if (rc == 0) rc = setrlimit(RLIMIT_FSIZE, &little);
    INVARIANT(rc == 0);
    while (send(w, false)) {}
    rc = setrlimit(RLIMIT_FSIZE, &all);
    INVARIANT(rc == 0);
    sent = w->producer.next_offset;
    shown = log_high_watermark(w->log);
    producer_fini(&w->producer);
    log_feed_leave(w->feed);
    enum err e = storage_log_detach(w->storage, w->log, &msg);
    free(w->resume.gtid_set);
    if (e == ERR_OK) e = storage_log_attach(w->storage, w->log, &w->feed, &w->resume, &msg);
    if (e != ERR_OK) fprintf(stderr, "%s\n", msg.text);
    INVARIANT(e == ERR_OK);
    attached(w);
    if (w->resume.next_offset < shown) {
        w->taken_back++;
        INVARIANT(w->resume.is_resending && log_is_resending(w->log));
    }
    while (w->producer.next_offset < sent || w->producer.next_offset % TRANSACTION != 0) {
        bool went = send(w, false);
        INVARIANT(went);
    }
    bool went = send(w, true); /* that was all */
    INVARIANT(went);
    while (log_is_resending(w->log)) usleep(100);
    INVARIANT(log_high_watermark(w->log) >= shown);
}

int main(int argc, char **argv)
{
    static struct writing w;
    struct reading reading[READERS] = {{.index = 0}};
    struct counters *counters;
    struct err_msg msg = {.text = ""};
    struct log_identity identity = {.name = "stress", .shows_written = true};
    const char *base = getenv("TMPDIR");
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    signal(SIGXFSZ, SIG_IGN);
    (void)alarm((unsigned)(10 * seconds + 30)); /* whatever waits for ever */
    snprintf(folder, sizeof folder, "%s/millrace-stress-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return perror(folder), 1;
    const struct storage_config config = {.data_folder = folder,
                                          .chunk_bytes = 16 << 10,
                                          .chunk_count = 48,
                                          .leases_per_log = 4,
                                          .tail_chunks_per_log = 10,
                                          .segment_bytes = 256 << 10,
                                          .retention_bytes = 1 << 20,
                                          .flush_interval_us = 2000,
                                          .index_interval_bytes = 4096,
                                          .uring_depth = 16,
                                          .reader_count = READERS + 1,
                                          .reader_cache_bytes = 1 << 20,
                                          .reader_inflight_bytes_max = 1 << 20,
                                          .record_bytes_max = 100000,
                                          .core = -1};
    w.segment_bytes = config.segment_bytes;
    random_init(&w.random, 5);
    enum err e = counters_open(&counters, NULL, 2000, &msg);
    if (e == ERR_OK) e = storage_start(&w.storage, &config, clock_real(), counters, &msg);
    if (e == ERR_UNSUPPORTED) return printf("skipped: %s\n", msg.text), 77;
    if (e == ERR_OK) e = storage_log_open(w.storage, &identity, true, &w.log, &w.feed, &w.resume, &msg);
    if (e == ERR_OK) e = waiter_init(&w.waiter);
    if (e != ERR_OK) return fprintf(stderr, "%s\n", msg.text), 1;
    attached(&w);
    for (uint32_t i = 0; i < READERS; i++) {
        reading[i] = (struct reading){.storage = w.storage, .index = i};
        int rc = pthread_create(&reading[i].thread, NULL, reader_run, &reading[i]);
        INVARIANT(rc == 0);
    }
    struct guest guest = {.storage = w.storage};
    int rc = pthread_create(&guest.thread, NULL, guest_run, &guest);
    INVARIANT(rc == 0);
    uint64_t rounds = 0, until_ns = clock_monotonic_ns(clock_real()) + (uint64_t)(seconds * 1e9);
    for (; clock_monotonic_ns(clock_real()) < until_ns || rounds < ROUNDS_MIN; rounds++) {
        produce(&w);
        fail(&w);
    }
    atomic_store(&stop, true);
    pthread_join(guest.thread, NULL);
    uint64_t hot = 0, cold = 0, gone = 0, waited = 0, found = 0, times = 0;
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(reading[i].thread, NULL);
        hot += reading[i].hot;
        cold += reading[i].cold;
        gone += reading[i].gone;
        waited += reading[i].waited;
        found += reading[i].found;
        times += reading[i].times;
    }
    printf("%llu records; slices: %llu hot, %llu cold; %llu reads of what retention took, %llu of what was taken back; "
           "%llu times searched, %llu looked up; taken back %llu of %llu times; "
           "a guest came %llu times and was woken %llu times\n",
           (unsigned long long)w.producer.next_offset, (unsigned long long)hot, (unsigned long long)cold,
           (unsigned long long)gone, (unsigned long long)waited, (unsigned long long)found, (unsigned long long)times,
           (unsigned long long)w.taken_back, (unsigned long long)rounds, (unsigned long long)guest.visits,
           (unsigned long long)guest.woken);
    /* It met what it is for. */
    INVARIANT(hot > 0 && cold > 0 && found > 0 && times > 0 && w.taken_back > 0 && guest.woken > 0);
    producer_fini(&w.producer);
    log_feed_leave(w.feed);
    e = storage_log_detach(w.storage, w.log, &msg);
    INVARIANT(e == ERR_OK);
    storage_log_close(w.storage, w.log);
    e = storage_log_delete(w.storage, "stress", &msg);
    INVARIANT(e == ERR_OK);
    storage_stop(w.storage);
    waiter_fini(&w.waiter);
    counters_close(counters);
    free(w.resume.gtid_set);
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
