/* Goal: over the simulated disk, what a producer sends becomes visible in order and whole, is read back byte for byte
 * from the tail and from segments, and goes on after a clean stop, a detach, a roll and a deletion. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/random.h"
#include "formats/record_batch.h"
#include "storage/disk_sim.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

START_TEST(a_new_log_is_empty_and_a_written_one_reads_back)
{
    struct rig g;
    rig_start(&g, 1);
    rig_open(&g, true);
    ck_assert_uint_eq(log_high_watermark(g.log), 0);
    ck_assert_uint_eq(g.resume.position_bytes, 0);
    for (int i = 0; i < 90; i++) rig_send(&g, 1 + i % 5, 300, true, 1000 + i);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, 0, true);
    rig_stop(&g);
    rig_power(&g, 2);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    ck_assert_uint_gt(g.resume.position_bytes, 0);
    rig_read_all(&g, 0, false);
    for (int i = 0; i < 50; i++) rig_send(&g, 3, 500, true, 5000 + i);
    rig_settle(&g);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(only_a_reader_that_watches_is_woken)
{
    struct rig g;
    uint32_t slot;
    rig_start(&g, 2);
    rig_open(&g, true);
    for (int i = 0; i < 4; i++) {
        bool watches = i % 2 == 0;
        while (log_reader_hint(g.reader, &slot) != LOG_HINT_NONE) {}
        log_reader_watch(g.reader, watches);
        waiter_announce(&g.reader_waiter);
        rig_send(&g, 1, 300, true, 1000 + i);
        rig_settle(&g);
        ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
        ck_assert_uint_eq(atomic_load(&g.reader_waiter.sleeping), watches ? 0 : 1);
        ck_assert_int_eq(log_reader_hint(g.reader, &slot), LOG_HINT_LOG);
        ck_assert_uint_eq(slot, log_slot(g.log));
    }
    waiter_cancel(&g.reader_waiter);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(segments_roll_and_large_batches_span_chunks)
{
    struct rig g;
    rig_start(&g, 3);
    rig_open(&g, true);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, i % 37 == 5 ? 30000 : 700, i % 3 != 0, 1000 + i);
    rig_send(&g, 1, 10, true, 2000);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_power(&g, 4);
    rig_open(&g, false);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- errors ---- */

/* Sends until the store refuses or `count` batches are sent. */
static void send_until_failed(struct rig *g, int count)
{
    for (int i = 0; i < count && !g->producer.failed; i++) {
        for (int tries = 0; tries < 100 && !g->producer.failed; tries++) {
            if (producer_send(&g->producer, 2, 500, true, 3000)) break;
            (void)storage_step(g->storage);
            clock_simulated_advance(&g->clock, 1000);
            producer_poll(&g->producer);
        }
    }
    rig_settle(g);
    producer_poll(&g->producer);
}

static void reattach(struct rig *g)
{
    struct err_msg msg = {.text = ""};
    uint64_t visible = log_high_watermark(g->log);
    ck_assert_msg(storage_log_detach(g->storage, g->log, &msg) == ERR_OK, "%s", msg.text);
    rig_read_all(g, log_start_offset(g->log), false);
    free(g->resume.gtid_set);
    ck_assert_msg(storage_log_attach(g->storage, g->log, &g->feed, &g->resume, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_uint_ge(g->resume.next_offset, visible);
    ck_assert_int_eq(storage_log_error(g->log, NULL), ERR_OK);
    g->feed->producer_waiter = &g->producer_waiter;
    producer_fini(&g->producer);
    producer_init(&g->producer, g->feed, &g->resume, g->config.segment_bytes, g->seed);
}

static void fails_and_goes_on(int kind)
{
    struct rig g;
    struct err_msg msg;
    rig_start(&g, 5);
    rig_open(&g, true);
    for (int i = 0; i < 40; i++) rig_send(&g, 2, 300, true, 1000);
    rig_settle(&g);
    uint64_t visible = log_high_watermark(g.log);
    if (kind == 0) disk_sim_fail_writes(g.disk, EIO);
    if (kind == 1) disk_sim_fail_syncs(g.disk, EIO);
    if (kind == 2) disk_sim_limit_space(g.disk, g.config.segment_bytes + 20000);
    send_until_failed(&g, 1000);
    ck_assert(g.producer.failed);
    enum err e = storage_log_error(g.log, &msg);
    ck_assert_int_eq(e, kind == 2 ? ERR_NO_SPACE : ERR_IO);
    ck_assert_msg(strstr(err_what_to_do(&msg), kind == 2 ? "free some space" : "dmesg") != NULL, "%s", msg.text);
    ck_assert_uint_ge(log_high_watermark(g.log), visible);
    rig_read_all(&g, 0, false); /* what is visible stays readable */
    disk_sim_fail_writes(g.disk, 0);
    disk_sim_fail_syncs(g.disk, 0);
    disk_sim_limit_space(g.disk, UINT64_MAX);
    reattach(&g);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, 300, true, 1000);
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}

START_TEST(a_failed_write_stops_the_log_and_attach_goes_on) { fails_and_goes_on(0); }
END_TEST
START_TEST(a_failed_sync_stops_the_log_and_attach_goes_on) { fails_and_goes_on(1); }
END_TEST
START_TEST(a_full_disk_stops_the_log_and_attach_goes_on) { fails_and_goes_on(2); }
END_TEST

START_TEST(detach_cuts_an_open_transaction)
{
    struct rig g;
    rig_start(&g, 6);
    rig_open(&g, true);
    for (int i = 0; i < 20; i++) rig_send(&g, 2, 300, true, 1000);
    uint64_t whole = g.producer.next_offset;
    for (int i = 0; i < 300; i++) rig_send(&g, 2, 900, false, 1000); /* over several segments */
    rig_settle(&g);
    ck_assert_uint_eq(log_high_watermark(g.log), whole);
    reattach(&g);
    ck_assert_uint_eq(g.resume.next_offset, whole);
    ck_assert_uint_eq(g.resume.segment_base_offset, 0);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, 900, true, 1000);
    rig_settle(&g);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- retention and deletion ---- */

START_TEST(old_segments_go_but_never_the_active_one)
{
    struct rig g;
    rig_init(&g, 7);
    g.config.retention_ms = 60000;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 600; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    ck_assert_uint_eq(log_start_offset(g.log), 0);
    uint64_t bytes = log_size_bytes(g.log);
    clock_simulated_advance(&g.clock, 50000000000u);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    ck_assert_uint_eq(log_start_offset(g.log), 0);
    clock_simulated_advance(&g.clock, 20000000000u);
    rig_settle(&g);
    uint64_t start = log_start_offset(g.log);
    ck_assert_uint_gt(start, 0);
    ck_assert_uint_lt(start, 1200);
    struct log_slice slice;
    struct log_cursor cursor = {{0}};
    ck_assert_int_eq(rig_read(&g, start - 1, 1000, true, &cursor, &slice), ERR_OUT_OF_RANGE);
    rig_read_all(&g, start, false);
    clock_simulated_advance(&g.clock, 200000000000u);
    rig_settle(&g);
    rig_settle(&g);
    ck_assert_uint_gt(log_start_offset(g.log), start);
    ck_assert_uint_lt(log_start_offset(g.log), log_high_watermark(g.log));
    ck_assert_uint_lt(log_size_bytes(g.log), bytes);
    start = log_start_offset(g.log);
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_start_offset(g.log), start);
    rig_read_all(&g, start, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(retention_by_bytes_begins_at_a_transaction)
{
    struct rig g;
    rig_init(&g, 8);
    g.config.retention_bytes = 300000;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 900; i++) {
        g.producer.roll_next = i % 150 == 0 && i > 0;
        rig_send(&g, 2, 600, i % 150 == 149, 1000); /* a transaction spans more than a segment */
        if (i % 100 == 0) clock_simulated_advance(&g.clock, 2000000000u);
    }
    rig_settle(&g);
    clock_simulated_advance(&g.clock, 2000000000u);
    rig_settle(&g);
    uint64_t start = log_start_offset(g.log);
    ck_assert_uint_gt(start, 0);
    ck_assert_uint_eq(start % 300, 0); /* a transaction has 300 records */
    rig_read_all(&g, start, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(a_deleted_log_is_gone_and_its_name_is_free)
{
    struct rig g;
    struct err_msg msg;
    struct disk_stat st;
    rig_start(&g, 9);
    rig_open(&g, true);
    for (int i = 0; i < 50; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_OK);
    storage_log_close(g.storage, g.log);
    ck_assert_int_eq(disk_make_folder(g.disk, "data/orders~deleted"), 0); /* left by one of before */
    ck_assert_msg(storage_log_delete(g.storage, "orders", &msg) == ERR_OK, "%s", msg.text);
    ck_assert_int_eq(storage_log_delete(g.storage, "orders", &msg), ERR_OK); /* nothing is left to do */
    ck_assert_int_eq(storage_log_delete(g.storage, "..", &msg), ERR_INVALID);
    ck_assert_ptr_null(log_find(g.storage, "orders", 6));
    ck_assert_int_lt(disk_stat(g.disk, "data/orders", &st), 0);
    free(g.resume.gtid_set);
    g.resume.gtid_set = NULL;
    ck_assert_int_eq(rig_try_open(&g, false, &msg), ERR_NOT_FOUND);
    rig_open(&g, true);
    ck_assert_uint_eq(log_high_watermark(g.log), 0);
    rig_stop(&g);
    /* One that was interrupted is ended at the next start. */
    ck_assert_int_eq(disk_rename(g.disk, "data/orders", "data/orders~deleted"), 0);
    rig_power(&g, 0);
    ck_assert_int_lt(disk_stat(g.disk, "data/orders~deleted", &st), 0);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* The folder's sync fails: another attempt ends it, and so it does when the power went before that one. */
START_TEST(a_deletion_that_failed_is_ended_by_another)
{
    bool power_goes = _i % 2 == 1;
    struct rig g;
    struct err_msg msg;
    struct disk_stat st;
    rig_start(&g, 1000 + (uint64_t)_i);
    rig_open(&g, true);
    for (int i = 0; i < 50; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_OK);
    storage_log_close(g.storage, g.log);
    g.log = NULL;
    disk_sim_fail_syncs(g.disk, EIO);
    ck_assert_int_eq(storage_log_delete(g.storage, "orders", &msg), ERR_IO);
    ck_assert_msg(strstr(msg.text, "cannot remove data/orders") != NULL, "%s", msg.text);
    ck_assert_int_eq(storage_log_delete(g.storage, "orders", &msg), ERR_IO);
    disk_sim_fail_syncs(g.disk, 0);
    if (power_goes) {
        rig_abandon(&g);
        disk_sim_power_cycle(g.disk);
        rig_power(&g, 0);
    }
    ck_assert_msg(storage_log_delete(g.storage, "orders", &msg) == ERR_OK, "%s", msg.text);
    ck_assert_int_lt(disk_stat(g.disk, "data/orders", &st), 0);
    ck_assert_int_lt(disk_stat(g.disk, "data/orders~deleted", &st), 0);
    ck_assert_int_eq(rig_try_open(&g, false, &msg), ERR_NOT_FOUND);
    rig_open(&g, true);
    ck_assert_uint_eq(log_high_watermark(g.log), 0);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- appends ---- */

START_TEST(appends_are_patched_durable_and_answered_in_order)
{
    struct rig g;
    rig_init(&g, 10);
    snprintf(g.identity.name, sizeof g.identity.name, "__consumer_offsets");
    g.identity.is_internal = true;
    g.identity.leader_epoch = 4;
    rig_power(&g, 0);
    rig_open(&g, true);
    uint64_t sent = 0, answered = 0, expected_offset = 0;
    for (int turn = 0; turn < 4000 && answered < 1500; turn++) {
        for (int i = 0; i < 3 && sent < 1500; i++) {
            uint8_t batch[600];
            struct record_batch_writer w;
            uint32_t records = 1 + (uint32_t)(sent % 3);
            record_batch_begin(&w, batch, sizeof batch, 0, 0);
            for (uint32_t k = 0; k < records; k++)
                ck_assert_int_eq(record_batch_add(&w, 1000, "group", 5, batch, 60), ERR_OK);
            uint32_t size = (uint32_t)record_batch_finish(&w);
            struct feed_append *a = ring_spsc_claim(&g.feed->to_storage, (uint32_t)sizeof *a + size);
            if (a == NULL) break;
            *a = (struct feed_append){FEED_APPEND, size, sent++};
            memcpy(a + 1, batch, size);
            ring_spsc_commit(&g.feed->to_storage);
        }
        (void)storage_step(g.storage);
        uint32_t size;
        const struct feed_durable *d;
        while ((d = ring_spsc_next(&g.feed->to_producer, &size)) != NULL) {
            ck_assert_uint_eq(d->kind, FEED_DURABLE);
            ck_assert_uint_eq(d->error, ERR_OK);
            ck_assert_uint_eq(d->token, answered);
            ck_assert_uint_eq(d->base_offset, expected_offset);
            expected_offset += 1 + answered++ % 3;
            ck_assert_uint_ge(log_high_watermark(g.log), expected_offset); /* durable, then answered */
        }
        ring_spsc_release(&g.feed->to_producer);
    }
    ck_assert_uint_eq(answered, 1500);
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(g.resume.next_offset, expected_offset);
    ck_assert_uint_eq(log_identity(g.log)->leader_epoch, 4);
    struct log_slice slice;
    struct log_cursor cursor = {{0}};
    for (uint64_t at = 0; at < expected_offset; at = slice.next_offset) {
        ck_assert_int_eq(rig_read(&g, at, 5000, true, &cursor, &slice), ERR_OK);
        struct record_batch_view view;
        ck_assert_int_eq(record_batch_view(slice.piece[0].bytes, slice.piece[0].size, &view), ERR_OK);
        ck_assert_uint_eq(view.leader_epoch, 4);
        ck_assert_uint_eq(view.base_offset, at);
        rig_release(&g, &slice);
    }
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- chunks ---- */

START_TEST(pinned_chunks_keep_their_bytes_and_starve_nobody)
{
    struct rig g;
    static struct log_slice slice[6];
    struct log_cursor cursor = {{0}};
    rig_start(&g, 11);
    rig_open(&g, true);
    for (int i = 0; i < 100; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    uint64_t offset[6], at = 0;
    for (int i = 0; i < 6; i++) {
        offset[i] = at;
        ck_assert_int_eq(rig_read(&g, at, 12000, true, &cursor, &slice[i]), ERR_OK);
        ck_assert(slice[i].piece[0].is_chunk);
        at = slice[i].next_offset;
    }
    for (int i = 0; i < 2000; i++) rig_send(&g, 2, 500, true, 1000); /* the tail turns over many times */
    rig_settle(&g);
    for (int i = 0; i < 6; i++) {
        slice_check(&slice[i], offset[i], g.seed);
        rig_release(&g, &slice[i]);
    }
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(without_a_free_chunk_the_producer_waits_and_goes_on)
{
    struct rig g;
    static struct log_slice slice;
    struct log_cursor cursor = {{0}};
    rig_init(&g, 12);
    g.config.record_bytes_max = 16384;
    g.config.chunk_count = 8;
    g.config.tail_chunks_per_log = 8;
    rig_power(&g, 0);
    rig_open(&g, true);
    struct log_slice held[40];
    int count = 0;
    bool stalled = false;
    for (int i = 0; i < 3000 && !stalled; i++) { /* pins everything */
        stalled = true;
        for (int tries = 0; tries < 60 && stalled; tries++) {
            stalled = !producer_send(&g.producer, 2, 700, true, 1000);
            (void)storage_step(g.storage);
            clock_simulated_advance(&g.clock, 1000);
        }
        uint64_t end = log_high_watermark(g.log), next = cursor.opaque[1];
        if (count < 40 && next < end && rig_read(&g, next, 16000, true, &cursor, &slice) == ERR_OK &&
            slice.piece_count > 0) {
            if (slice.piece[0].is_chunk && i % 10 == 0) held[count++] = slice;
            else rig_release(&g, &slice);
        }
    }
    ck_assert(stalled);
    while (count > 0) rig_release(&g, &held[--count]);
    for (int i = 0; i < 100; i++) rig_send(&g, 2, 500, true, 1000);
    rig_settle(&g);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- indexes and time ---- */

static uint64_t be(const uint8_t *at, int size)
{
    uint64_t value = 0;
    while (size-- > 0) value = value << 8 | *at++;
    return value;
}

/* Reads the files of every segment with nothing of ours but this. */
static int check_segment(void *context, const char *name)
{
    struct rig *g = context;
    char path[300];
    static uint8_t log[400000], index[40000];
    if (strstr(name, ".log") == NULL) return 0;
    uint64_t base = strtoull(name, NULL, 10);
    snprintf(path, sizeof path, "data/orders/0/%s", name);
    int file = disk_open(g->disk, path, 0);
    int64_t size = disk_read(g->disk, file, log, sizeof log, 0);
    disk_close(g->disk, file);
    uint64_t last[2000], position[2000], count = 0, offset = base;
    int64_t newest[2000], max = -1;
    for (int64_t at = 0; at < size;
         at += (int64_t)be(log + at + 8, 4) + 12) { /* exact length: nothing behind the last batch */
        ck_assert_uint_eq(be(log + at, 8), offset);
        position[count] = (uint64_t)at;
        last[count] = offset + be(log + at + 23, 4);
        offset = last[count] + 1;
        if ((int64_t)be(log + at + 35, 8) > max) max = (int64_t)be(log + at + 35, 8);
        newest[count++] = (int64_t)be(log + at + 35, 8);
    }
    for (int kind = 0; kind < 3; kind++) {
        static const char *const suffix[] = {"index", "timeindex", "pos"};
        int entry = kind == 1 ? 12 : 8;
        snprintf(path + strlen("data/orders/0/") + 20, 20, ".%s", suffix[kind]);
        file = disk_open(g->disk, path, 0);
        ck_assert_int_ge(file, 0);
        int64_t bytes = disk_read(g->disk, file, index, sizeof index, 0);
        disk_close(g->disk, file);
        if (kind == 2 && bytes >= 72 && memcmp(index + bytes - 72, "mill\xff\xff\xff\xff", 8) == 0) bytes -= 72;
        ck_assert_int_eq(bytes % entry, 0);
        if (size > 0 && kind > 0) ck_assert_int_gt(bytes, 0);
        int64_t before = -1;
        for (int64_t at = 0; at < bytes; at += entry) {
            uint64_t relative = be(index + at + (kind == 1 ? 8 : 0), 4), i = 0;
            while (i < count && last[i] != base + relative) i++;
            ck_assert_msg(i < count, "an entry points to no batch's last offset");
            if (kind == 1) {
                ck_assert_int_eq((int64_t)be(index + at, 8), newest[i]);
                for (uint64_t k = 0; k < i; k++) ck_assert_int_lt(newest[k], newest[i]);
                ck_assert_int_gt((int64_t)be(index + at, 8), before);
                before = (int64_t)be(index + at, 8);
            } else {
                ck_assert_uint_eq(be(index + at + 4, 4), position[i]);
                ck_assert_int_gt((int64_t)relative, before);
                before = (int64_t)relative;
            }
        }
        if (kind == 1 && size > 0) ck_assert_int_eq(before, max);
        if (kind == 2 && size > 0) ck_assert_uint_eq((uint64_t)before + base, last[count - 1]);
    }
    return 0;
}

START_TEST(files_are_kafkas_and_times_are_found)
{
    struct rig g;
    struct random random;
    enum { BATCHES = 900 };
    static int64_t time_of[BATCHES * 2];
    random_init(&random, 5);
    rig_start(&g, 13);
    rig_open(&g, true);
    for (int i = 0; i < BATCHES; i++) {
        int64_t t = 1000 + i * 3 - (int64_t)random_below(&random, 200);
        if (i == 300) t = 3000; /* one from the future */
        g.producer.step_ms = i % 3;
        time_of[g.producer.next_offset] = t;
        time_of[g.producer.next_offset + 1] = t - g.producer.step_ms;
        rig_send(&g, 2, 400, true, t);
    }
    rig_settle(&g);
    for (int round = 0; round < 2; round++) {
        for (int64_t t = 700; t < 4000; t += 7) {
            uint64_t expected = 0, offset = 0;
            int64_t found = 0;
            while (expected < g.producer.next_offset && time_of[expected] < t) expected++;
            enum err e;
            while ((e = log_reader_find_time(g.reader, g.log, t, &offset, &found)) == ERR_AGAIN)
                (void)log_reader_poll(g.reader);
            if (expected == g.producer.next_offset) {
                ck_assert_int_eq(e, ERR_NOT_FOUND);
            } else {
                ck_assert_int_eq(e, ERR_OK);
                ck_assert_uint_eq(offset, expected);
                ck_assert_int_eq(found, time_of[expected]);
            }
        }
        for (uint64_t at = 0; at < g.producer.next_offset; at++) {
            int64_t found = 0;
            enum err e;
            while ((e = log_reader_time_at(g.reader, g.log, at, &found)) == ERR_AGAIN) (void)log_reader_poll(g.reader);
            ck_assert_int_eq(e, ERR_OK);
            ck_assert_int_eq(found, time_of[at]);
        }
        int64_t none;
        ck_assert_int_eq(log_reader_time_at(g.reader, g.log, g.producer.next_offset, &none), ERR_OUT_OF_RANGE);
        rig_stop(&g);
        ck_assert_int_eq(disk_list(g.disk, "data/orders/0", check_segment, &g), 0);
        rig_power(&g, 0);
        rig_open(&g, false);
    }
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(a_slice_keeps_to_its_limits)
{
    struct rig g;
    struct log_slice slice;
    rig_start(&g, 14);
    rig_open(&g, true);
    for (int i = 0; i < 400; i++) rig_send(&g, 3, 500, true, 1000);
    rig_settle(&g);
    uint64_t end = log_high_watermark(g.log);
    for (uint64_t offset = 0; offset < end; offset += 97) {
        struct log_cursor cursor = {{0}};
        ck_assert_int_eq(rig_read(&g, offset, 100, false, &cursor, &slice), ERR_OK);
        ck_assert_uint_eq(slice.bytes, 0);
        ck_assert_uint_eq(slice.next_offset, offset);
        ck_assert_int_eq(rig_read(&g, offset, 100, true, &cursor, &slice), ERR_OK);
        ck_assert_uint_eq(slice.next_offset, offset / 3 * 3 + 3);
        rig_release(&g, &slice);
        ck_assert_int_eq(rig_read(&g, offset, 7000, true, &cursor, &slice), ERR_OK);
        ck_assert_uint_le(slice.bytes, 7000);
        slice_check(&slice, offset, g.seed);
        rig_release(&g, &slice);
    }
    struct log_cursor cursor = {{0}};
    ck_assert_int_eq(rig_read(&g, end, 100, true, &cursor, &slice), ERR_OK);
    ck_assert_uint_eq(slice.bytes, 0);
    ck_assert_int_eq(rig_read(&g, end + 1, 100, true, &cursor, &slice), ERR_OUT_OF_RANGE);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("log over a simulated disk");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_new_log_is_empty_and_a_written_one_reads_back);
    tcase_add_test(c, only_a_reader_that_watches_is_woken);
    tcase_add_test(c, segments_roll_and_large_batches_span_chunks);
    tcase_add_test(c, a_failed_write_stops_the_log_and_attach_goes_on);
    tcase_add_test(c, a_failed_sync_stops_the_log_and_attach_goes_on);
    tcase_add_test(c, a_full_disk_stops_the_log_and_attach_goes_on);
    tcase_add_test(c, detach_cuts_an_open_transaction);
    tcase_add_test(c, old_segments_go_but_never_the_active_one);
    tcase_add_test(c, retention_by_bytes_begins_at_a_transaction);
    tcase_add_test(c, a_deleted_log_is_gone_and_its_name_is_free);
    tcase_add_loop_test(c, a_deletion_that_failed_is_ended_by_another, 0, 20);
    tcase_add_test(c, appends_are_patched_durable_and_answered_in_order);
    tcase_add_test(c, pinned_chunks_keep_their_bytes_and_starve_nobody);
    tcase_add_test(c, without_a_free_chunk_the_producer_waits_and_goes_on);
    tcase_add_test(c, files_are_kafkas_and_times_are_found);
    tcase_add_test(c, a_slice_keeps_to_its_limits);
    suite_add_tcase(s, c);
    return suite_run(s);
}
