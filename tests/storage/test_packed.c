/* Goal: a log of packed batches is one like any other: served, taken up at its last whole transaction after a crash,
 * searched by time to the record, its indexes made anew; and what cannot be unpacked is a named error. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "formats/record_batch.h"
#include "storage/log_check.h"
#include "tests/storage/image.h"
#include "tests/suite.h"

enum { BATCHES = 200, RECORDS = 10, STEP_MS = 10, TIME = 1000000 };

static const enum compression codecs[] = {COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD};
static struct packer *packer;
static char said[4000];

static void say(void *context, enum log_check_says kind, const char *text)
{
    size_t size = strlen(said);
    (void)context, (void)kind;
    snprintf(said + size, sizeof said - size, "%s\n", text);
}

static struct log_check_result look(struct disk *d, bool repair)
{
    const struct log_check_options options = {.repair = repair, .say = say};
    struct log_check_result r = {0};
    struct err_msg msg = {.text = ""};
    said[0] = 0;
    enum err e = log_check_log(d, "data", "orders", &options, &r, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    return r;
}

/* Takes the log up; the producer goes on packing. */
static void open_log(struct rig *g, bool create)
{
    rig_power(g, 0);
    rig_open(g, create);
    g->producer.packer = packer;
    g->producer.step_ms = -STEP_MS;
}

/* A log of several segments; batch i has the times TIME + i * RECORDS * STEP_MS and on. */
static void make(struct rig *g, int codec)
{
    ck_assert_int_eq(packer_open(&packer, codecs[codec]), ERR_OK);
    rig_init(g, 5);
    g->seed |= PRODUCER_ALIKE;
    g->config.segment_bytes = 16384;
    open_log(g, true);
    for (int i = 0; i < BATCHES; i++) {
        g->producer.packer = i % 7 == 3 ? NULL : packer; /* the option changes now and then */
        rig_send(g, RECORDS, 400, true, TIME + i * RECORDS * STEP_MS);
    }
    rig_settle(g);
    ck_assert_uint_eq(log_high_watermark(g->log), BATCHES * RECORDS);
    ck_assert_uint_lt(log_size_bytes(g->log), BATCHES * RECORDS * 250);
}

static void end(struct rig *g)
{
    rig_stop(g);
    rig_end(g);
    packer_close(packer);
}

static enum err find_time(struct rig *g, int64_t ms, uint64_t *offset, int64_t *found_ms)
{
    enum err e;
    while ((e = log_reader_find_time(g->reader, g->log, ms, offset, found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g->reader);
    return e;
}

static void check_times(struct rig *g)
{
    for (uint64_t offset = 0; offset < BATCHES * RECORDS; offset += 13) {
        uint64_t found;
        int64_t found_ms, ms = TIME + (int64_t)offset * STEP_MS;
        enum err e;
        ck_assert_int_eq(find_time(g, ms - STEP_MS + 1, &found, &found_ms), ERR_OK);
        ck_assert_uint_eq(found, offset);
        ck_assert_int_eq(found_ms, ms);
        while ((e = log_reader_time_at(g->reader, g->log, offset, &found_ms)) == ERR_AGAIN)
            (void)log_reader_poll(g->reader);
        ck_assert_int_eq(e, ERR_OK);
        ck_assert_int_eq(found_ms, ms);
    }
}

START_TEST(a_packed_log_is_served_and_searched)
{
    struct rig g;
    make(&g, _i);
    rig_read_all(&g, 0, false);
    check_times(&g);
    end(&g);
}
END_TEST

START_TEST(a_packed_log_is_taken_up)
{
    struct rig g;
    make(&g, _i);
    for (int round = 0; round < 3; round++) {
        uint64_t whole = log_high_watermark(g.log);
        for (int i = 0; i < 3; i++) rig_send(&g, RECORDS, 400, false, TIME * 2); /* a transaction that never ends */
        rig_settle(&g);
        rig_abandon(&g);
        open_log(&g, false);
        char position[32];
        snprintf(position, sizeof position, "at-%llu", (unsigned long long)whole);
        ck_assert_uint_eq(g.resume.next_offset, whole);
        ck_assert_uint_eq(g.resume.position_bytes, strlen(position));
        ck_assert_mem_eq(g.resume.position, position, strlen(position));
        ck_assert_uint_gt(g.resume.gtid_set_offset, 0); /* that of the newest segment */
        rig_send(&g, RECORDS, 400, true, TIME * 3);
        rig_settle(&g);
        rig_read_all(&g, 0, false);
        check_times(&g);
    }
    end(&g);
}
END_TEST

static int unlink_index(void *disk, const char *name)
{
    char path[300];
    const char *dot = strrchr(name, '.');
    snprintf(path, sizeof path, IMAGE_FOLDER "/%s", name);
    bool is_index = dot != NULL && (strcmp(dot, ".index") == 0 || strcmp(dot, ".timeindex") == 0 ||
                                    strcmp(dot, ".pos") == 0);
    if (is_index) (void)disk_unlink(disk, path);
    return 0;
}

/* `_i` from 3 on: by log repair; else by the next start. */
START_TEST(indexes_are_made_anew)
{
    struct rig g;
    make(&g, _i % 3);
    rig_stop(&g);
    ck_assert_msg(look(g.disk, false).faults == 0, "%s", said);
    ck_assert_int_eq(disk_list(g.disk, IMAGE_FOLDER, unlink_index, g.disk), 0);
    if (_i >= 3) {
        ck_assert_uint_gt(look(g.disk, true).mended, 0);
        ck_assert_msg(look(g.disk, false).faults == 0, "%s", said);
    }
    open_log(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), BATCHES * RECORDS);
    check_times(&g);
    end(&g);
}
END_TEST

/* Its checksum holds, but its records are none: what an attacker would write. */
START_TEST(what_cannot_be_unpacked_is_named)
{
    struct rig g;
    uint8_t batch[8192];
    struct record_batch_view v;
    struct err_msg msg;
    char path[LOG_PATH_BYTES];
    uint64_t offset;
    int64_t found_ms;
    make(&g, _i);
    rig_stop(&g);
    segment_path(path, IMAGE_FOLDER, 0, SEGMENT_LOG);
    int file = disk_open(g.disk, path, DISK_WRITE);
    ck_assert_int_ge(file, 0);
    ck_assert_int_gt(disk_read(g.disk, file, batch, sizeof batch, 0), 0);
    ck_assert_int_eq(record_batch_view(batch, sizeof batch, &v), ERR_OK);
    ck_assert_int_eq(record_batch_codec(&v), codecs[_i]);
    memset(batch + RECORD_BATCH_HEADER_BYTES, 0xa5, v.records_bytes);
    uint32_t crc = crc32c(0, batch + RECORD_BATCH_AT_ATTRIBUTES, v.bytes - RECORD_BATCH_AT_ATTRIBUTES);
    for (int i = 0; i < 4; i++) batch[RECORD_BATCH_AT_CRC + i] = (uint8_t)(crc >> (24 - 8 * i));
    ck_assert_int_eq(disk_write(g.disk, file, batch, v.bytes, 0), (int64_t)v.bytes);
    ck_assert_int_eq(disk_sync(g.disk, file), 0);
    disk_close(g.disk, file);
    ck_assert_uint_ge(look(g.disk, false).faults, 1);
    ck_assert_msg(strstr(said, "cannot be unpacked") != NULL, "%s", said);
    open_log(&g, false); /* nobody looks there at the start */
    ck_assert_int_eq(find_time(&g, TIME + 3, &offset, &found_ms), ERR_CORRUPT);
    ck_assert_int_eq(find_time(&g, TIME + RECORDS * STEP_MS + 3, &offset, &found_ms), ERR_OK);
    rig_stop(&g);
    ck_assert_int_eq(disk_list(g.disk, IMAGE_FOLDER, unlink_index, g.disk), 0);
    ck_assert_int_eq(rig_try_power(&g, &msg), ERR_OK);
    ck_assert_int_eq(rig_try_open(&g, false, &msg), ERR_CORRUPT); /* it has to: the indexes are gone */
    ck_assert_msg(strstr(msg.text, "00000000000000000000.log") && strstr(msg.text, "cannot be unpacked"), "%s",
                  msg.text);
    end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    Suite *suite = suite_create("storage");
    TCase *c = tcase_create("packed batches");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, a_packed_log_is_served_and_searched, 0, 3);
    tcase_add_loop_test(c, a_packed_log_is_taken_up, 0, 3);
    tcase_add_loop_test(c, indexes_are_made_anew, 0, 6);
    tcase_add_loop_test(c, what_cannot_be_unpacked_is_named, 0, 3);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
