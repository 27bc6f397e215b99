/* Goal: a log that shows what is not on disk yet is searched by time, to the record, whatever its batches are like:
 * packed, larger than a chunk, larger than what a reader can take in; and across the end of what is on disk. */
#include <check.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

enum { BATCHES = 12, STEP_MS = 10 };

static const struct form {
    uint32_t records, value_bytes, index_interval_bytes;
    enum compression codec;
} forms[] = {
    {1, 100, 1024, COMPRESSION_NONE},
    {2, 900, 1 << 20, COMPRESSION_NONE}, /* no entries: a search begins at the segment's first batch */
    {10, 400, 1024, COMPRESSION_GZIP},
    {10, 400, 1 << 20, COMPRESSION_LZ4},
    {10, 400, 1024, COMPRESSION_ZSTD},
    {3, 5000, 1024, COMPRESSION_NONE}, /* a chunk has 16 KiB: now and then over two */
    {3, 5000, 1 << 20, COMPRESSION_ZSTD},
    {2, 26000, 1024, COMPRESSION_NONE}, /* over four */
};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* Times run on by STEP_MS from record to record, over the batches. */
static int64_t time_of(uint64_t offset) { return 1000000 + (int64_t)offset * STEP_MS; }

static void send(struct rig *g, const struct form *f)
{
    rig_send(g, f->records, f->value_bytes, true, time_of(g->producer.next_offset));
}

static void steps(struct rig *g)
{
    for (int i = 0; i < 200; i++) (void)storage_step(g->storage); /* no time passes: no flush falls due */
}

static enum err find(struct rig *g, int64_t ms, uint64_t *offset, int64_t *found_ms)
{
    enum err e;
    while ((e = log_reader_find_time(g->reader, g->log, ms, offset, found_ms)) == ERR_AGAIN)
        (void)log_reader_poll(g->reader);
    return e;
}

static enum err time_at(struct rig *g, uint64_t offset, int64_t *ms)
{
    enum err e;
    while ((e = log_reader_time_at(g->reader, g->log, offset, ms)) == ERR_AGAIN) (void)log_reader_poll(g->reader);
    return e;
}

/* The record at each time, and the time of each record. */
static void times_hold(struct rig *g)
{
    uint64_t found = 0, end = log_high_watermark(g->log);
    int64_t found_ms = 0, ms = 0;
    for (uint64_t offset = 0; offset < end; offset++) {
        ck_assert_int_eq(find(g, time_of(offset) - STEP_MS + 1, &found, &found_ms), ERR_OK);
        ck_assert_uint_eq(found, offset);
        ck_assert_int_eq(found_ms, time_of(offset));
        ck_assert_int_eq(time_at(g, offset, &ms), ERR_OK);
        ck_assert_int_eq(ms, time_of(offset));
    }
    ck_assert_int_eq(find(g, time_of(end - 1) + 1, &found, &found_ms), ERR_NOT_FOUND);
    ck_assert_int_eq(time_at(g, end, &ms), ERR_OUT_OF_RANGE);
}

static void begin(struct rig *g, uint32_t index_interval_bytes)
{
    rig_init(g, 9);
    g->seed |= PRODUCER_ALIKE;
    g->identity.shows_written = true;
    g->config.flush_interval_us = 1000000;
    g->config.index_interval_bytes = index_interval_bytes;
    g->config.segment_bytes = 8 << 20; /* a roll would wait for the disk */
    g->config.chunk_count = 200;
    g->config.tail_chunks_per_log = 100;
    rig_power(g, 0);
    rig_open(g, true);
    g->producer.step_ms = -STEP_MS;
}

static void flush(struct rig *g)
{
    disk_sim_hang_writes(g->disk, false);
    clock_simulated_advance(&g->clock, 2000000000);
    rig_settle(g);
    ck_assert_uint_eq(log_high_watermark(g->log), g->producer.next_offset);
}

START_TEST(what_is_only_in_the_tail_is_found_by_its_time)
{
    const struct form *f = &forms[_i];
    struct packer *packer = NULL;
    struct rig g;
    begin(&g, f->index_interval_bytes);
    if (f->codec != COMPRESSION_NONE) ck_assert_int_eq(packer_open(&packer, f->codec), ERR_OK);
    g.producer.packer = packer;
    struct counter *flushes = counters_add(g.counters, COUNTER_COUNT, "storage_flushes", "channel=orders");
    send(&g, f); /* the first one of a log is shown when it is durable */
    flush(&g);
    for (int phase = 0; phase < 3; phase++) {
        /* One batch is being flushed while the others come: then the segment knows their times and has it alone. */
        uint64_t before = counter_get(flushes);
        send(&g, f);
        disk_sim_hang_writes(g.disk, true);
        clock_simulated_advance(&g.clock, 2000000000);
        steps(&g);
        for (int i = 1; i < BATCHES; i++) send(&g, f);
        steps(&g);
        ck_assert_uint_eq(counter_get(flushes), before);
        ck_assert_uint_eq(log_high_watermark(g.log), g.producer.next_offset);
        times_hold(&g);
        disk_sim_hang_writes(g.disk, false);
        steps(&g);
        ck_assert_uint_eq(counter_get(flushes), before + 1);
        times_hold(&g);
        flush(&g);
        times_hold(&g);
    }
    rig_stop(&g);
    rig_end(&g);
    if (packer != NULL) packer_close(packer);
}
END_TEST

/* It is as one record, of its largest time; `_i`: also of more pieces than a slice has. */
START_TEST(a_batch_larger_than_a_readers_room_is_found_as_a_whole)
{
    const struct form small = forms[0];
    uint64_t found = 0;
    int64_t found_ms = 0, ms = 0;
    struct rig g;
    rig_init(&g, 9);
    g.config.chunk_bytes = _i == 0 ? 16384 : 8192;
    g.config.record_bytes_max = 20000; /* the batch is of a time when it was more */
    g.config.chunk_count = 500;
    g.config.tail_chunks_per_log = 240;
    g.config.segment_bytes = 8 << 20;
    g.config.flush_interval_us = 1000000;
    g.identity.shows_written = true;
    rig_power(&g, 0);
    rig_open(&g, true);
    g.producer.step_ms = -STEP_MS;
    send(&g, &small);
    flush(&g);
    rig_send(&g, 3, 600000, true, time_of(1));
    send(&g, &small);
    disk_sim_hang_writes(g.disk, true);
    steps(&g);
    for (int phase = 0; phase < 2; phase++) { /* in the tail; on disk */
        ck_assert_uint_eq(log_high_watermark(g.log), 5);
        ck_assert_int_eq(find(&g, time_of(0), &found, &found_ms), ERR_OK);
        ck_assert_uint_eq(found, 0);
        ck_assert_int_eq(find(&g, time_of(2), &found, &found_ms), ERR_OK);
        ck_assert_uint_eq(found, 1);
        ck_assert_int_eq(found_ms, time_of(3));
        ck_assert_int_eq(find(&g, time_of(4), &found, &found_ms), ERR_OK);
        ck_assert_uint_eq(found, 4);
        ck_assert_int_eq(found_ms, time_of(4));
        ck_assert_int_eq(time_at(&g, 2, &ms), ERR_OK);
        ck_assert_int_eq(ms, time_of(3));
        ck_assert_int_eq(time_at(&g, 4, &ms), ERR_OK);
        ck_assert_int_eq(ms, time_of(4));
        flush(&g);
    }
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("times in the tail");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, what_is_only_in_the_tail_is_found_by_its_time, 0, FORMS);
    tcase_add_loop_test(c, a_batch_larger_than_a_readers_room_is_found_as_a_whole, 0, 2);
    suite_add_tcase(s, c);
    return suite_run(s);
}
