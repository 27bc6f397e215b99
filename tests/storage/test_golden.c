/* Goal: what an earlier millrace left on disk is opened and served by this one, record for record.
 *
 * tests/storage/golden has a data folder for each format version, as a killed process left it, and beside it the
 * records that must come out of it.  `test_golden make FOLDER` makes one with today's code; see golden/README. */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "base/sink.h"
#include "formats/record_batch.h"
#include "storage/disk.h"
#include "storage/log_check.h"
#include "storage/log_files.h"
#include "storage/storage.h"
#include "tests/storage/producer.h"
#include "tests/suite.h"

enum { SEED = 20, FILE_BYTES_MAX = 1 << 20 };

static const char *golden; /* the folder of all versions */
static char scratch[] = "/tmp/millrace-golden-XXXXXX";

struct store {
    struct counters *counters;
    struct storage  *storage;
    struct log_identity identity;
    struct log      *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct waiter    waiter;
};

static struct storage_config config_of(const char *data)
{
    return (struct storage_config){.data_folder = data,
                                   .chunk_bytes = 8192,
                                   .chunk_count = 64,
                                   .leases_per_log = 2,
                                   .tail_chunks_per_log = 8,
                                   .segment_bytes = 8192,
                                   .index_interval_bytes = 100,
                                   .uring_depth = 16,
                                   .reader_count = 1,
                                   .reader_cache_bytes = 1 << 20,
                                   .record_bytes_max = 100000,
                                   .core = -1};
}

static void store_up(struct store *s, const char *data)
{
    struct err_msg msg = {.text = ""};
    const struct storage_config config = config_of(data);
    memset(s, 0, sizeof *s);
    ck_assert_int_eq(counters_open(&s->counters, NULL, 2000, &msg), ERR_OK);
    ck_assert_msg(storage_start(&s->storage, &config, clock_real(), s->counters, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(waiter_init(&s->waiter), ERR_OK);
}

static void store_log(struct store *s, const char *name, bool create)
{
    struct err_msg msg = {.text = ""};
    s->identity = (struct log_identity){.topic_id = {1, 2, 3}, .is_internal = strcmp(name, "__consumer_offsets") == 0};
    snprintf(s->identity.name, sizeof s->identity.name, "%s", name);
    snprintf(s->identity.cluster_id, sizeof s->identity.cluster_id, "golden-cluster-%.6s", name);
    enum err e = storage_log_open(s->storage, &s->identity, create, &s->log, &s->feed, &s->resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    s->feed->producer_waiter = &s->waiter;
    free(s->resume.gtid_set);
}

static void store_down(struct store *s)
{
    storage_stop(s->storage);
    waiter_fini(&s->waiter);
    counters_close(s->counters);
}

static void wait_for(struct log *l, uint64_t offset)
{
    for (int i = 0; log_high_watermark(l) < offset; i++) {
        ck_assert_int_lt(i, 10000);
        usleep(1000);
    }
}

/* ---- reading ---- */

static size_t hex(char *out, const uint8_t *bytes, size_t size)
{
    if (bytes == NULL) return (size_t)sprintf(out, "null");
    for (size_t i = 0; i < size; i++) sprintf(out + 2 * i, "%02x", bytes[i]);
    return 2 * size;
}

/* LOG OFFSET TIME KEY VALUE {HEADER=VALUE}, bytes in hex. */
static void put_record(FILE *to, const char *log, const struct record_view *record)
{
    static char text[20000];
    struct record_view rest = *record;
    struct record_header h;
    size_t size = (size_t)sprintf(text, "%s %" PRIu64 " %" PRId64 " ", log, record->offset, record->timestamp_ms);
    size += hex(text + size, record->key, record->key_bytes);
    text[size++] = ' ';
    size += hex(text + size, record->value, record->value_bytes);
    for (uint32_t i = 0; i < record->header_count; i++) {
        ck_assert_int_eq(record_header_next(&rest, &h), ERR_OK);
        size += (size_t)sprintf(text + size, " %.*s=", (int)h.key_bytes, h.key);
        size += hex(text + size, h.value, h.value_bytes);
    }
    fprintf(to, "%.*s\n", (int)size, text);
}

static void put_slice(FILE *to, const char *log, const struct log_slice *slice)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    size_t size = 0;
    for (uint32_t i = 0; i < slice->piece_count; i++) {
        memcpy(bytes + size, slice->piece[i].bytes, slice->piece[i].size);
        size += slice->piece[i].size;
    }
    for (size_t at = 0; at < size;) {
        struct record_batch_view batch;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(bytes + at, size - at, &batch), ERR_OK);
        struct cursor records = cursor_of(batch.records, batch.records_bytes);
        while (cursor_left(&records) > 0) {
            ck_assert_int_eq(record_next(&records, &batch, &record), ERR_OK);
            put_record(to, log, &record);
        }
        at += batch.bytes;
    }
}

/* All records that a consumer gets, and the first one at or behind each time by a search. */
static void put_log(FILE *to, struct store *s)
{
    struct log_reader *r;
    struct err_msg msg;
    struct log_cursor cursor = {{0}};
    static struct log_slice slice;
    const char *name = s->identity.name;
    enum err e;
    ck_assert_int_eq(log_reader_open(&r, s->storage, 0, NULL, &msg), ERR_OK);
    for (uint64_t offset = log_start_offset(s->log); offset < log_high_watermark(s->log); offset = slice.next_offset) {
        while ((e = log_reader_read(r, s->log, offset, 2000, true, &cursor, &slice)) == ERR_AGAIN)
            (void)log_reader_poll(r);
        ck_assert_msg(e == ERR_OK, "%s at %" PRIu64 ": %s", name, offset, err_text(e));
        put_slice(to, name, &slice);
        for (uint32_t i = 0; i < slice.piece_count; i++) log_reader_release(r, &slice.piece[i]);
    }
    for (int64_t t = 1000; t < 1050; t += 5) {
        uint64_t offset = 0;
        int64_t found_ms = -1;
        while ((e = log_reader_find_time(r, s->log, t, &offset, &found_ms)) == ERR_AGAIN) (void)log_reader_poll(r);
        ck_assert(e == ERR_OK || e == ERR_NOT_FOUND);
        fprintf(to, "%s time %" PRId64 ": %" PRId64 "\n", name, t, e == ERR_OK ? (int64_t)offset : -1);
    }
    log_reader_close(r);
}

/* ---- the check ---- */

static void say(void *context, enum log_check_says kind, const char *text)
{
    (void)context;
    if (kind == LOG_CHECK_FAULT) printf("%s\n", text);
}

static size_t load(const char *path, char *out)
{
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "no %s", path);
    size_t size = fread(out, 1, FILE_BYTES_MAX - 1, f);
    fclose(f);
    out[size] = 0;
    return size;
}

static void check_version(const char *version)
{
    char command[900], data[200], found[200], expected[600];
    static char is[FILE_BYTES_MAX], should_be[FILE_BYTES_MAX];
    snprintf(data, sizeof data, "%s/%s", scratch, version);
    snprintf(found, sizeof found, "%s/%s.found", scratch, version);
    snprintf(expected, sizeof expected, "%s/%s.expected", golden, version);
    snprintf(command, sizeof command, "cp -r '%s/%s' '%s' && chmod -R u+w '%s'", golden, version, data, data);
    ck_assert_int_eq(system(command), 0);

    struct log_check_result r;
    struct err_msg msg = {.text = ""};
    const struct log_check_options options = {.say = say};
    ck_assert_msg(log_check_path(data, &options, &r, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_uint_eq(r.faults, 0);
    ck_assert_uint_eq(r.logs, 2);
    ck_assert_uint_ge(r.segments, 4);

    struct store s;
    FILE *to = fopen(found, "w");
    ck_assert_ptr_nonnull(to);
    store_up(&s, data);
    store_log(&s, "orders", false);
    put_log(to, &s);
    store_log(&s, "__consumer_offsets", false);
    put_log(to, &s);
    fclose(to);
    ck_assert_int_eq(log_check_path(data, &options, &r, &msg), ERR_LOCKED); /* while it is in use */
    store_down(&s);
    ck_assert_uint_gt(load(expected, should_be), 1000);
    (void)load(found, is);
    ck_assert_msg(strcmp(is, should_be) == 0, "%s: what is read differs from %s; see %s", version, expected, found);

    ck_assert_int_eq(log_check_path(data, &options, &r, &msg), ERR_OK); /* ended cleanly */
    ck_assert_uint_eq(r.faults, 0);
    char path[300];
    snprintf(path, sizeof path, "%s/orders", data);
    ck_assert_int_eq(log_check_path(path, &options, &r, &msg), ERR_OK);
    ck_assert_uint_eq(r.logs, 1);
}

START_TEST(every_version_is_served)
{
    DIR *d = opendir(golden);
    struct dirent *entry;
    int versions = 0;
    ck_assert_ptr_nonnull(d);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != 'v' || strchr(entry->d_name, '.') != NULL) continue;
        check_version(entry->d_name);
        versions++;
    }
    closedir(d);
    ck_assert_int_eq(versions, LOG_FORMAT_VERSION);
}
END_TEST

START_TEST(a_newer_version_is_refused)
{
    char command[900], data[200], path[300];
    struct err_msg msg = {.text = ""};
    struct storage *storage;
    struct counters *counters;
    struct log_check_result r;
    const struct log_check_options options = {.say = say};
    snprintf(data, sizeof data, "%s/newer", scratch);
    snprintf(path, sizeof path, "%s/format", data);
    snprintf(command, sizeof command, "cp -r '%s/v%d' '%s' && chmod -R u+w '%s'", golden, LOG_FORMAT_VERSION, data,
             data);
    ck_assert_int_eq(system(command), 0);
    FILE *f = fopen(path, "w"); /* "millrace-data 9", and the CRC-32C of that line */
    ck_assert_ptr_nonnull(f);
    fprintf(f, "millrace-data 9\ncrc32c %08x\n", crc32c(0, "millrace-data 9\n", 16));
    fclose(f);
    const struct storage_config config = config_of(data);
    ck_assert_int_eq(counters_open(&counters, NULL, 2000, &msg), ERR_OK);
    ck_assert_int_eq(storage_start(&storage, &config, clock_real(), counters, &msg), ERR_NEWER_FORMAT);
    ck_assert_msg(strstr(msg.text, "format was written by a newer millrace") != NULL, "%s", msg.text);
    ck_assert_int_eq(log_check_path(data, &options, &r, &msg), ERR_NEWER_FORMAT);
    counters_close(counters);
}
END_TEST

/* ---- making one ---- */

static void send(struct store *s, struct producer *p, uint32_t records, bool ends, int64_t timestamp_ms)
{
    while (!producer_send(p, records, 30, ends, timestamp_ms)) usleep(1000);
    if (ends) wait_for(s->log, p->next_offset);
}

static void make_orders(struct store *s)
{
    struct producer p;
    store_log(s, "orders", true);
    producer_init(&p, s->feed, &s->resume, 8192, SEED);
    for (int segment = 0; segment < 3; segment++) {
        p.roll_next = segment > 0;
        for (int i = 0; i < 6; i++) send(s, &p, 1 + (uint32_t)(i % 2), i != 2, 1000 + segment * 12 + i * 7 % 15);
    }
    usleep(300000); /* the last seal's checkpoint */
    send(s, &p, 1, true, 1040);
    send(s, &p, 2, false, 1041); /* never ended: not served */
    producer_fini(&p);
}

/* An offset commit as Kafka writes it: OffsetCommitKey version 1, OffsetCommitValue version 3. */
static void commit(struct store *s, uint64_t token, const char *group, uint64_t offset)
{
    uint8_t batch[600], key[100], value[100];
    struct record_batch_writer w;
    struct sink k = sink_of(key, sizeof key), v = sink_of(value, sizeof value);
    sink_be(&k, 1, 2);
    sink_be(&k, strlen(group), 2);
    sink_bytes(&k, group, strlen(group));
    sink_be(&k, 6, 2);
    sink_bytes(&k, "orders", 6);
    sink_be(&k, 0, 4);
    sink_be(&v, 3, 2);
    sink_be(&v, offset, 8);
    sink_be(&v, UINT32_MAX, 4);
    sink_be(&v, 0, 2);
    sink_be(&v, 1000 + token, 8);
    record_batch_begin(&w, batch, sizeof batch, 0, 0);
    enum err e =
        record_batch_add(&w, 1000 + (int64_t)token, key, (int32_t)(k.at - key), value, (int32_t)(v.at - value));
    ck_assert_int_eq(e, ERR_OK);
    size_t size = record_batch_finish(&w);
    struct feed_append *a = ring_spsc_claim(&s->feed->to_storage, (uint32_t)(sizeof *a + size));
    ck_assert_ptr_nonnull(a);
    *a = (struct feed_append){FEED_APPEND, (uint32_t)size, token};
    memcpy(a + 1, batch, size);
    ring_spsc_commit(&s->feed->to_storage);
    waiter_wake(s->feed->storage_waiter);
    wait_for(s->log, token + 1);
}

static const char *made, *large;

/* A log of a few thousand batches in six segments, times out of order, ended cleanly: for Kafka's own tools. */
/* With batches of all codecs, and plain ones. */
START_TEST(make_large)
{
    struct store s;
    struct producer p;
    struct packer *packer[4] = {NULL};
    ck_assert_int_eq(packer_open(&packer[1], COMPRESSION_GZIP), ERR_OK);
    ck_assert_int_eq(packer_open(&packer[2], COMPRESSION_LZ4), ERR_OK);
    ck_assert_int_eq(packer_open(&packer[3], COMPRESSION_ZSTD), ERR_OK);
    store_up(&s, large);
    store_log(&s, "orders", true);
    producer_init(&p, s.feed, &s.resume, 8192, SEED | PRODUCER_ALIKE);
    for (int i = 0; i < 3000; i++) {
        p.roll_next = i % 500 == 499;
        p.packer = packer[i % 4];
        while (!producer_send(&p, 1 + (uint32_t)i % 5, 90, i % 5 != 3, 1000 + i * 3 - i * 7919 % 400)) usleep(100);
    }
    send(&s, &p, 1, true, 20000);
    producer_fini(&p);
    store_down(&s);
    for (int i = 0; i < 4; i++) packer_close(packer[i]);
}
END_TEST

START_TEST(make)
{
    const char *data = made;
    struct store s;
    char command[600];
    store_up(&s, data);
    make_orders(&s);
    store_log(&s, "__consumer_offsets", true);
    for (uint64_t i = 0; i < 8; i++) commit(&s, i, i % 3 == 0 ? "billing" : "search", i);
    usleep(300000);
    snprintf(command, sizeof command,
             "rm -rf '%s.copy'; cp -r '%s' '%s.copy' && rm -f '%s.copy'/lock '%s.copy'/*/0/*.prepared", data, data,
             data, data, data);
    ck_assert_int_eq(system(command), 0); /* while the process runs: as a kill leaves it */
    store_down(&s);
    snprintf(command, sizeof command, "rm -rf '%s' && mv '%s.copy' '%s'", data, data, data);
    ck_assert_int_eq(system(command), 0);

    snprintf(command, sizeof command, "cp -r '%s' '%s.copy'", data, data);
    ck_assert_int_eq(system(command), 0);
    char copy[300], expected[300];
    snprintf(copy, sizeof copy, "%s.copy", data);
    snprintf(expected, sizeof expected, "%s.expected", data);
    FILE *to = fopen(expected, "w");
    ck_assert_ptr_nonnull(to);
    store_up(&s, copy);
    store_log(&s, "orders", false);
    put_log(to, &s);
    store_log(&s, "__consumer_offsets", false);
    put_log(to, &s);
    fclose(to);
    store_down(&s);
    snprintf(command, sizeof command, "rm -rf '%s'", copy);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0) made = argv[2];
    else if (argc == 3 && strcmp(argv[1], "make-large") == 0) large = argv[2];
    else if (argc == 2) golden = argv[1];
    if ((golden == NULL && made == NULL && large == NULL) || mkdtemp(scratch) == NULL) {
        fprintf(stderr, "usage: test_golden FOLDER | test_golden make FOLDER/vN | test_golden make-large FOLDER\n");
        return EXIT_FAILURE;
    }
    log_set_level(LOG_LEVEL_COUNT);
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("golden data folders");
    tcase_set_timeout(c, 60);
    if (made != NULL) {
        tcase_add_test(c, make);
    } else if (large != NULL) {
        tcase_add_test(c, make_large);
    } else {
        tcase_add_test(c, every_version_is_served);
        tcase_add_test(c, a_newer_version_is_refused);
    }
    suite_add_tcase(s, c);
    int failed = suite_run(s);
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return failed == EXIT_SUCCESS && system(command) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
