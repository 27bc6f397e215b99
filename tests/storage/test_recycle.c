/* Goal: the file of a removed segment is written again, and nobody is ever shown what it held: not a recovery after a
 * loss of power whose tail is followed by old, valid batches, not a reader that was inside the old segment. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "formats/record_batch.h"
#include "storage/log_files.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

static uint64_t recycled(struct rig *g)
{
    return counter_get(counters_add(g->counters, COUNTER_COUNT, "storage_segments_recycled", "channel=orders"));
}

static void start(struct rig *g, uint64_t seed)
{
    rig_init(g, seed);
    g->config.retention_bytes = 300000;
    rig_power(g, 0);
    rig_open(g, true);
}

/* Batches of one size, so that an old one ends exactly where a new one does. */
static void send_segments(struct rig *g, uint64_t segments)
{
    for (uint64_t i = 0; i < segments * 32; i++) {
        rig_send(g, 1, 4000, true, 1000);
        if (i % 8 == 0) clock_simulated_advance(&g->clock, 1100000000);
    }
    rig_settle(g);
}

START_TEST(the_files_of_removed_segments_are_written_again)
{
    struct rig g;
    start(&g, 1);
    send_segments(&g, 20);
    ck_assert_uint_ge(recycled(&g), 8);
    ck_assert_uint_gt(log_start_offset(g.log), 0);
    rig_read_all(&g, log_start_offset(g.log), false);
    rig_stop(&g);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, log_start_offset(g.log), false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

static int newest(void *context, const char *name)
{
    uint64_t base, *found = context;
    enum segment_file which;
    if (segment_name_parse(name, &base, &which) && which == SEGMENT_LOG && base > *found) *found = base;
    return 0;
}

/* Is there a batch in the newest segment's file whose offset lies before the segment? */
static bool holds_old_batches(struct rig *g)
{
    static uint8_t bytes[400000];
    char path[300];
    uint64_t base = 0;
    ck_assert_int_eq(disk_list(g->disk, "data/orders/0", newest, &base), 0);
    segment_path(path, "data/orders/0", base, SEGMENT_LOG);
    int file = disk_open(g->disk, path, 0);
    ck_assert_int_ge(file, 0);
    int64_t size = disk_read(g->disk, file, bytes, sizeof bytes, 0);
    disk_close(g->disk, file);
    for (int64_t at = 0; at + RECORD_BATCH_HEADER_BYTES < size; at++) {
        struct record_batch_view view;
        if (record_batch_view(bytes + at, (size_t)(size - at), &view) == ERR_OK && view.base_offset < base &&
            record_batch_crc_holds(bytes + at, &view))
            return true;
    }
    return false;
}

START_TEST(a_recovery_takes_nothing_that_a_file_held_before)
{
    unsigned met = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig g;
        struct random random;
        random_init(&random, seed);
        start(&g, seed);
        send_segments(&g, 6);
        uint64_t before = recycled(&g);
        while (recycled(&g) == before) rig_send(&g, 1, 4000, true, 1000); /* a recycled one is the active */
        for (uint64_t i = random_below(&random, 24); i > 0; i--) rig_send(&g, 1, 4000, true, 1000);
        if (random_below(&random, 2) == 0) rig_settle(&g);
        for (uint64_t i = random_below(&random, 6); i > 0; i--) (void)storage_step(g.storage);
        uint64_t visible = log_high_watermark(g.log), start_offset = log_start_offset(g.log);
        uint64_t sent = g.producer.next_offset;
        rig_abandon(&g);
        disk_sim_power_cycle(g.disk);
        met += holds_old_batches(&g);
        rig_power(&g, 0);
        rig_open(&g, false);
        uint64_t end = log_high_watermark(g.log);
        ck_assert_msg(visible <= end && end <= sent, "visible %llu, sent %llu, found %llu", (unsigned long long)visible,
                      (unsigned long long)sent, (unsigned long long)end);
        ck_assert_uint_ge(log_start_offset(g.log), start_offset);
        ck_assert_uint_eq(rig_read_all(&g, log_start_offset(g.log), false), end - log_start_offset(g.log));
        send_segments(&g, 1);
        rig_read_all(&g, log_start_offset(g.log), false);
        rig_stop(&g);
        rig_end(&g);
    }
    ck_assert_uint_gt(met, 5); /* the case was there */
}
END_TEST

/* The worst that a recycled file can hold: a whole old batch exactly where the next one is expected. */
START_TEST(an_old_batch_right_behind_the_end_is_none)
{
    struct rig g;
    static uint8_t old[4096];
    struct record_batch_view view;
    char path[300];
    rig_start(&g, 5);
    rig_open(&g, true);
    for (int i = 0; i < 20; i++) rig_send(&g, 2, 300, true, 1000);
    rig_settle(&g);
    uint64_t end = g.producer.next_offset, position = g.producer.segment_position;
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    segment_path(path, "data/orders/0", 0, SEGMENT_LOG);
    int file = disk_open(g.disk, path, DISK_WRITE);
    ck_assert_int_eq(disk_read(g.disk, file, old, sizeof old, 0), sizeof old);
    ck_assert_int_eq(record_batch_view(old, sizeof old, &view), ERR_OK);
    ck_assert_int_eq(disk_write(g.disk, file, old, view.bytes, position), view.bytes);
    disk_close(g.disk, file);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    ck_assert_uint_eq(g.resume.segment_position, position);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(a_reader_of_a_removed_segment_is_told_so)
{
    struct rig g;
    struct log_cursor cursor = {{0}}, fresh = {{0}};
    struct log_slice held, slice;
    start(&g, 3);
    send_segments(&g, 1);
    /* Push the first segment out of the tail, but not out of the log. */
    send_segments(&g, 1);
    ck_assert_uint_eq(log_start_offset(g.log), 0);
    int64_t found;
    uint64_t offset;
    enum err e;
    ck_assert_int_eq(log_reader_find_time(g.reader, g.log, 1, &offset, &found), ERR_AGAIN); /* its place is kept */
    ck_assert_int_eq(rig_read(&g, 0, 9000, true, &cursor, &held), ERR_OK);
    ck_assert(!held.piece[0].is_chunk);
    uint64_t next = held.next_offset;
    send_segments(&g, 20);
    ck_assert_uint_ge(recycled(&g), 8);
    ck_assert_uint_gt(log_start_offset(g.log), next);
    slice_check(&held, 0, g.seed); /* pinned bytes stay */
    rig_release(&g, &held);
    ck_assert_int_eq(rig_read(&g, next, 9000, true, &cursor, &slice), ERR_OUT_OF_RANGE);
    ck_assert_int_eq(rig_read(&g, 0, 9000, true, &fresh, &slice), ERR_OUT_OF_RANGE);
    while ((e = log_reader_find_time(g.reader, g.log, 1, &offset, &found)) == ERR_AGAIN)
        (void)log_reader_poll(g.reader);
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_uint_eq(offset, log_start_offset(g.log));
    rig_read_all(&g, log_start_offset(g.log), false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- with threads ---- */

static void send_mib(struct producer *p, unsigned mib)
{
    for (uint64_t sent = 0; sent < (uint64_t)mib << 20;) {
        if (producer_send(p, 16, 8000, true, 1000)) sent += 16 * 8000;
        else usleep(200);
        ck_assert(!p->failed);
    }
}

START_TEST(no_file_is_written_again_while_a_reader_may_hold_it)
{
    char folder[] = "/tmp/millrace-recycle-XXXXXX", data[100], command[120];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(data, sizeof data, "%s/data", folder);
    const struct storage_config config = {.data_folder = data, .chunk_bytes = 1 << 17, .chunk_count = 64,
        .leases_per_log = 4, .tail_chunks_per_log = 8, .segment_bytes = 1 << 20, .retention_bytes = 4 << 20,
        .index_interval_bytes = 4096, .uring_depth = 64, .reader_count = 1, .reader_cache_bytes = 1 << 20,
        .record_bytes_max = 1 << 20, .core = -1};
    struct counters *counters;
    struct storage *storage;
    struct log_identity identity = {.name = "orders"};
    struct log *log;
    struct log_feed *feed;
    struct log_resume resume;
    struct log_reader *reader;
    struct producer producer;
    struct err_msg msg = {.text = ""};
    ck_assert_int_eq(counters_open(&counters, NULL, 2000, &msg), ERR_OK);
    enum err e = storage_start(&storage, &config, clock_real(), counters, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    e = storage_log_open(storage, &identity, true, &log, &feed, &resume, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(log_reader_open(&reader, storage, 0, NULL, &msg), ERR_OK);
    producer_init(&producer, feed, &resume, config.segment_bytes, 7);
    struct counter *count = counters_add(counters, COUNTER_COUNT, "storage_segments_recycled", "channel=orders");
    send_mib(&producer, 24);
    ck_assert_uint_gt(log_start_offset(log), 0);
    ck_assert_uint_eq(counter_get(count), 0); /* the reader has not passed since */
    for (int i = 0; i < 24; i++) {
        send_mib(&producer, 1);
        log_reader_quiesce(reader);
    }
    ck_assert_uint_gt(counter_get(count), 0);
    log_reader_close(reader);
    producer_fini(&producer);
    storage_stop(storage);
    free(resume.gtid_set);
    counters_close(counters);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("recycled segments");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_files_of_removed_segments_are_written_again);
    tcase_add_test(c, a_recovery_takes_nothing_that_a_file_held_before);
    tcase_add_test(c, an_old_batch_right_behind_the_end_is_none);
    tcase_add_test(c, a_reader_of_a_removed_segment_is_told_so);
    tcase_add_test(c, no_file_is_written_again_while_a_reader_may_hold_it);
    suite_add_tcase(s, c);
    return suite_run(s);
}
