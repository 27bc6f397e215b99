/* Goal: readers of the past cost the disk as little as can be, share what they may have under way, and are never shown
 * bytes of a file that retention has taken from under them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "storage/reader.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

enum { GROUPS_MAX = 100, OTHER_SEED = 12345 };

static uint64_t counter_of(struct rig *g, const char *name)
{
    return counter_get(counters_add(g->counters, COUNTER_COUNT, name, "reader=0"));
}

/* A log of one segment, all of it but the end only on disk. */
static void past_make(struct rig *g, uint64_t bytes)
{
    g->config.segment_bytes = 8 << 20;
    g->config.flush_interval_us = 1000000; /* few: a sync of the simulated disk copies the whole file */
    rig_power(g, 0);
    rig_open(g, true);
    for (uint64_t sent = 0; sent < bytes; sent += 4 * 800) rig_send(g, 4, 900, true, 1000);
    clock_simulated_advance(&g->clock, 2000000000u);
    rig_settle(g);
    ck_assert_uint_eq(log_high_watermark(g->log), g->producer.next_offset);
}

/* ---- groups ---- */

struct group {
    uint64_t offset, end;
    uint32_t bytes_max; /* of a read */
    struct log_cursor cursor;
    uint32_t reads; /* that gave something */
    bool     is_trusted; /* not every byte is looked at: takes long */
};

/* One read; false: the group waits for the disk. */
static bool group_read(struct rig *g, struct group *group)
{
    struct log_slice slice;
    enum err e = log_reader_read(g->reader, g->log, group->offset, group->bytes_max, true, &group->cursor, &slice);
    if (e == ERR_AGAIN) return false;
    ck_assert_msg(e == ERR_OK, "reading at %llu: %s", (unsigned long long)group->offset, err_text(e));
    if (!group->is_trusted) slice_check(&slice, group->offset, g->seed);
    group->offset = slice.next_offset;
    group->reads++;
    rig_release(g, &slice);
    return true;
}

/* Each group reads to its end; who waits asks again in the order of waiting. `spread_max`: the most by which the first
 * may be ahead of the last. */
static void groups_run(struct rig *g, struct group *group, uint32_t count, uint32_t spread_max)
{
    uint32_t queue[GROUPS_MAX], waiting = count;
    for (uint32_t i = 0; i < count; i++) queue[i] = i;
    for (int turns = 0; waiting > 0; turns++) {
        uint32_t still = 0, least = UINT32_MAX, most = 0;
        ck_assert_int_lt(turns, 100000);
        for (uint32_t i = 0; i < waiting; i++) {
            struct group *at = &group[queue[i]];
            while (at->offset < at->end && group_read(g, at)) {}
            if (at->offset < at->end) queue[still++] = queue[i];
            ck_assert_uint_le(g->reader->cache.reading, g->reader->cache.reading_max);
        }
        waiting = still;
        for (uint32_t i = 0; i < waiting; i++) {
            if (group[queue[i]].reads < least) least = group[queue[i]].reads;
            if (group[queue[i]].reads > most) most = group[queue[i]].reads;
        }
        if (waiting > 0) ck_assert_uint_le(most - least, spread_max);
        while (waiting > 0 && log_reader_poll(g->reader) == 0) {}
    }
}

START_TEST(a_hundred_groups_on_the_same_past_cost_one_read)
{
    static struct group group[GROUPS_MAX];
    struct rig g;
    rig_init(&g, 31);
    past_make(&g, 4 << 20);
    struct tail_place oldest;
    ck_assert(tail_get(&g.log->tail, tail_first(&g.log->tail), &oldest));
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        group[i] = (struct group){.end = oldest.first_offset, .bytes_max = 30000, .is_trusted = i > 1};
    groups_run(&g, group, GROUPS_MAX, UINT32_MAX);
    uint64_t blocks = (oldest.file_position + READER_BLOCK_BYTES - 1) / READER_BLOCK_BYTES;
    uint64_t all = (log_size_bytes(g.log) + READER_BLOCK_BYTES - 1) / READER_BLOCK_BYTES;
    ck_assert_uint_gt(blocks, g.reader->cache.block_count); /* they do not all fit: each was let go in between */
    ck_assert_uint_ge(counter_of(&g, "storage_cold_reads"), blocks);
    ck_assert_uint_le(counter_of(&g, "storage_cold_reads"), all); /* the last ones ahead of everybody's end */
    ck_assert_uint_le(all, blocks + 1);
    ck_assert_uint_ge(counter_of(&g, "storage_cold_hits"), blocks);
    ck_assert_uint_le(counter_of(&g, "storage_cold_read_bytes"), all * READER_BLOCK_BYTES);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(the_cap_holds_and_nobody_is_passed_over)
{
    enum { GROUPS = 12, CAP_BLOCKS = 2 };
    static struct group group[GROUPS];
    struct rig g;
    rig_init(&g, 32);
    g.config.reader_cache_bytes = 8 << 20;
    g.config.reader_inflight_bytes_max = CAP_BLOCKS * READER_BLOCK_BYTES;
    past_make(&g, 7 << 20);
    ck_assert_uint_eq(g.reader->cache.reading_max, CAP_BLOCKS);
    memset(group, 0, sizeof group);
    uint64_t part = log_high_watermark(g.log) / (GROUPS + 2);
    for (uint32_t i = 0; i < GROUPS; i++)
        group[i] = (struct group){.offset = part * i, .end = part * (i + 1), .bytes_max = 30000};
    groups_run(&g, group, GROUPS, 2 * READER_BLOCK_BYTES / 20000);
    ck_assert_uint_gt(counter_of(&g, "storage_cold_cap_waits"), 0);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(a_sequential_consumer_finds_what_it_wants)
{
    struct rig g;
    struct group group = {.bytes_max = 2 << 20};
    rig_init(&g, 33);
    g.config.reader_cache_bytes = 8 << 20;
    past_make(&g, 6 << 20);
    for (group.end = log_high_watermark(g.log); group.offset < group.end;) {
        (void)group_read(&g, &group);
        for (int i = 0; i < 8; i++) (void)log_reader_poll(g.reader); /* the disk is faster than the consumer */
    }
    ck_assert_uint_le(group.reads, 7); /* of 12 or 13 blocks: most reads are whole; without reading ahead none is */
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* What peers take their time with leaves half of the cache to whoever reads on. */
START_TEST(half_of_the_blocks_are_not_lent)
{
    enum { BLOCKS = 12 };
    struct log_slice held[BLOCKS], again;
    struct rig g;
    rig_init(&g, 34);
    g.config.reader_cache_bytes = BLOCKS * READER_BLOCK_BYTES;
    past_make(&g, 7 << 20);
    ck_assert_uint_eq(g.reader->cache.block_count, BLOCKS);
    uint64_t part = log_high_watermark(g.log) / (BLOCKS + 1); /* more than a block each */
    uint32_t pinned = 0;
    while (pinned == 0 || log_reader_may_lend(g.reader, &held[0].piece[0])) {
        struct log_cursor none = {{0}};
        ck_assert_uint_lt(pinned, BLOCKS);
        ck_assert_int_eq(rig_read(&g, part * pinned, 1, true, &none, &held[pinned]), ERR_OK);
        ck_assert_uint_eq(held[pinned].piece_count, 1);
        ck_assert_int_eq(rig_read(&g, part * pinned, 1, true, &none, &again), ERR_OK); /* the same block, no more */
        ck_assert_uint_eq(again.piece[0].pin, held[pinned].piece[0].pin);
        rig_release(&g, &again);
        pinned++;
    }
    ck_assert_uint_eq(pinned, BLOCKS / 2 + 1);
    rig_release(&g, &held[--pinned]);
    ck_assert(log_reader_may_lend(g.reader, &held[0].piece[0]));
    while (pinned > 0) rig_release(&g, &held[--pinned]);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* Who asks for a batch at each of these offsets, and again whenever something was told, gets none and falls asleep. */
static void all_wait(struct rig *g, const uint64_t *offset, int count)
{
    struct log_slice slice;
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < count; i++) {
            struct log_cursor none = {{0}};
            enum err e = log_reader_read(g->reader, g->log, offset[i], 1, true, &none, &slice);
            ck_assert_msg(e == ERR_AGAIN, "turn %d, offset %d: %s", turn, i, err_text(e));
        }
        while (g->reader->cache.reading > 0) (void)log_reader_poll(g->reader);
    }
    ck_assert_uint_eq(log_reader_poll(g->reader), 0);
}

/* Who wants a batch of nearly the whole cache sleeps until pins go, and those who hold them are told. */
START_TEST(a_large_batch_waits_for_room)
{
    enum { HELD = 6, LARGE = 3900000 };
    struct log_slice held[HELD], slice;
    struct log_cursor none = {{0}};
    struct rig g;
    rig_init(&g, 35);
    g.config.chunk_bytes = 1 << 20;
    g.config.tail_chunks_per_log = 6;
    g.config.record_bytes_max = 4 << 20;
    past_make(&g, 5 << 20);
    uint64_t small_end = log_high_watermark(g.log);
    for (int i = 0; i < 3; i++) rig_send(&g, 1, LARGE, true, 2000); /* two of them push the first out of the tail */
    rig_settle(&g);
    uint32_t blocks = g.reader->cache.block_count;
    ck_assert_uint_le(blocks - HELD, LARGE / READER_BLOCK_BYTES); /* and a part of one more */
    for (uint32_t i = 0; i < HELD; i++)
        ck_assert_int_eq(rig_read(&g, small_end * i / (HELD + 1), 1, true, &none, &held[i]), ERR_OK);
    ck_assert_uint_eq(g.reader->cache.pinned_count, HELD);
    const uint64_t wanted[] = {small_end, small_end - small_end / (HELD + 1) / 2}; /* the other one is small */
    all_wait(&g, wanted, 1);
    ck_assert_uint_lt(counter_of(&g, "storage_cold_reads"), 2 * HELD); /* its head, but not again and again */
    int64_t found_ms;
    uint64_t found;
    for (int turn = 0; turn < 20; turn++) { /* nor does a search by time read what it cannot have */
        ck_assert_int_eq(log_reader_find_time(g.reader, g.log, 2000, &found, &found_ms), ERR_AGAIN);
        while (g.reader->cache.reading > 0) (void)log_reader_poll(g.reader);
    }
    ck_assert_uint_lt(counter_of(&g, "storage_cold_reads"), 2 * HELD); /* of the segment's headers: each once */
    ck_assert(log_reader_is_wanted(g.reader, &held[0].piece[0]) && log_reader_must_let_go(g.reader));
    ck_assert(!log_reader_may_lend(g.reader, &held[0].piece[0]));
    /* Others do not take the room that comes meanwhile; what is pinned anyway they may have. */
    struct log_slice same;
    rig_release(&g, &held[0]);
    all_wait(&g, wanted, 2);
    ck_assert_int_eq(rig_read(&g, small_end / (HELD + 1), 1, true, &none, &same), ERR_OK);
    rig_release(&g, &same);
    for (uint32_t i = 1; i < HELD; i++) rig_release(&g, &held[i]);
    ck_assert_uint_gt(log_reader_poll(g.reader), 0);
    ck_assert_int_eq(rig_read(&g, small_end, 1, true, &none, &slice), ERR_OK);
    ck_assert(!slice.piece[0].is_chunk);
    slice_check(&slice, small_end, g.seed);
    ck_assert_int_eq(rig_read(&g, small_end, 1, true, &none, &same), ERR_OK); /* what is pinned need not come */
    rig_release(&g, &same);
    /* It takes its time: the others wait no longer than until it is clear that nobody wants the room any more. */
    const uint64_t next = small_end + 1;
    all_wait(&g, &next, 1); /* for the next large one; then this reader goes away */
    ck_assert_uint_gt(g.reader->cache.room_wanted, blocks - HELD);
    rig_release(&g, &slice);
    for (uint32_t i = 0; i < HELD; i++) /* more than what is left beside it */
        ck_assert_int_eq(rig_read(&g, small_end * i / (HELD + 1), 1, true, &none, &held[i]), ERR_OK);
    ck_assert_uint_eq(g.reader->cache.room_wanted, 0);
    for (uint32_t i = 0; i < HELD; i++) rig_release(&g, &held[i]);
    rig_stop(&g);
    g.config.record_bytes_max = 1 << 20; /* now; and the cache is smaller */
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_int_eq(rig_read(&g, small_end, 1, true, &none, &slice), ERR_TOO_LARGE);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- retention under a reader ---- */

/* Steps the reader until a read of a segment's log file is under way. */
static void read_begin(struct rig *g, uint64_t offset, struct log_cursor *cursor)
{
    struct log_slice slice;
    for (int turns = 0; turns < 1000; turns++) {
        ck_assert_int_eq(log_reader_read(g->reader, g->log, offset, 30000, true, cursor, &slice), ERR_AGAIN);
        for (int i = 0; i < READER_FILES_MAX; i++) {
            const struct cache_file *f = &g->reader->cache.file[i];
            if (f->file >= 0 && f->which == SEGMENT_LOG && f->reading > 0) return;
        }
        (void)log_reader_poll(g->reader);
    }
    ck_abort_msg("no read begins");
}

/* Writes other records at the same offsets and places, as a file that is used again may come to hold them. */
static void segment_overwrite(struct rig *g, int file)
{
    const struct log_resume from_zero = {.leader_epoch = 0};
    struct producer other;
    producer_init(&other, g->feed, &from_zero, g->config.segment_bytes, OTHER_SEED);
    for (int i = 0; i < 40; i++) {
        size_t size = producer_make(&other, 2, 500, true, 5000);
        ck_assert_int_eq(disk_write(g->disk, file, other.batch, size, other.segment_position), (int64_t)size);
        other.segment_position += size;
        other.next_offset += 2;
    }
    producer_fini(&other);
}

static void retention_run(struct rig *g)
{
    uint64_t start = log_start_offset(g->log);
    clock_simulated_advance(&g->clock, 70000000000u);
    for (int i = 0; i < 5 && log_start_offset(g->log) == start; i++) { /* a checkpoint comes first */
        rig_send(g, 2, 500, true, 1000);
        clock_simulated_advance(&g->clock, 2000000000u);
        rig_settle(g);
    }
    ck_assert_uint_gt(log_start_offset(g->log), start);
}

/* Several segments that retention may take, and the oldest one's file, open for writing. */
static int aged_make(struct rig *g, uint64_t seed)
{
    rig_init(g, seed);
    g->config.retention_ms = 60000;
    rig_power(g, 0);
    rig_open(g, true);
    for (int i = 0; i < 600; i++) rig_send(g, 2, 500, true, 1000 + i);
    rig_settle(g);
    int file = disk_open(g->disk, "data/orders/0/00000000000000000000.log", DISK_WRITE);
    ck_assert_int_ge(file, 0);
    return file;
}

START_TEST(a_file_that_is_used_again_is_not_shown)
{
    struct rig g;
    struct log_slice slice;
    struct log_cursor cursor = {{0}};
    int file = aged_make(&g, 34);
    if (_i == 1) { /* with a cursor, whose search is behind it; the blocks go, as other readers' do */
        ck_assert_int_eq(rig_read(&g, 0, 3000, true, &cursor, &slice), ERR_OK);
        rig_release(&g, &slice);
        for (uint32_t i = 0; i < g.reader->cache.block_count; i++) g.reader->cache.block[i].state = BLOCK_FREE;
    }
    uint64_t offset = _i == 1 ? slice.next_offset : 4;
    read_begin(&g, offset, &cursor);
    retention_run(&g);
    segment_overwrite(&g, file);
    enum err e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        while (log_reader_poll(g.reader) == 0) {}
        e = log_reader_read(g.reader, g.log, offset, 30000, true, &cursor, &slice);
    }
    ck_assert_int_eq(e, ERR_OUT_OF_RANGE);
    ck_assert_uint_eq(slice.piece_count, 0);
    for (uint32_t i = 0; i < g.reader->cache.block_count; i++) ck_assert_uint_eq(g.reader->cache.block[i].pins, 0);
    rig_read_all(&g, log_start_offset(g.log), false);
    disk_close(g.disk, file);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

START_TEST(a_search_by_time_goes_on_in_what_is_left)
{
    struct rig g;
    uint64_t offset = 0;
    int64_t found_ms = 0;
    int file = aged_make(&g, 36);
    while (g.reader->memo_next == 0) { /* until it knows where to read on */
        ck_assert_int_eq(log_reader_find_time(g.reader, g.log, 1001, &offset, &found_ms), ERR_AGAIN);
        if (g.reader->memo_next == 0) (void)log_reader_poll(g.reader);
    }
    retention_run(&g);
    segment_overwrite(&g, file);
    enum err e = ERR_AGAIN;
    for (int i = 0; e == ERR_AGAIN && i < 1000; i++) {
        while (log_reader_poll(g.reader) == 0 && g.reader->cache.reading > 0) {}
        e = log_reader_find_time(g.reader, g.log, 1001, &offset, &found_ms);
    }
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_uint_ge(offset, log_start_offset(g.log));
    ck_assert_uint_le(offset, log_start_offset(g.log) + 1);
    disk_close(g.disk, file);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

static unsigned open_files(const struct rig *g)
{
    unsigned count = 0;
    for (int i = 0; i < READER_FILES_MAX; i++) count += g->reader->cache.file[i].file >= 0;
    return count;
}

START_TEST(removed_files_are_let_go)
{
    struct rig g;
    struct err_msg msg;
    int file = aged_make(&g, 37);
    rig_read_all(&g, 0, false);
    unsigned before = open_files(&g);
    log_reader_tidy(g.reader);
    ck_assert_uint_eq(open_files(&g), before);
    retention_run(&g);
    log_reader_tidy(g.reader);
    ck_assert_uint_lt(open_files(&g), before);
    rig_read_all(&g, log_start_offset(g.log), false);
    log_reader_rest(g.reader);
    ck_assert_int_eq(storage_log_detach(g.storage, g.log, &msg), ERR_OK);
    storage_log_close(g.storage, g.log);
    ck_assert_int_eq(storage_log_delete(g.storage, "orders", &msg), ERR_OK);
    log_reader_quiesce(g.reader);
    log_reader_tidy(g.reader);
    ck_assert_uint_eq(open_files(&g), 0);
    disk_close(g.disk, file);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("readers of the past");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_hundred_groups_on_the_same_past_cost_one_read);
    tcase_add_test(c, the_cap_holds_and_nobody_is_passed_over);
    tcase_add_test(c, a_sequential_consumer_finds_what_it_wants);
    tcase_add_test(c, half_of_the_blocks_are_not_lent);
    tcase_add_test(c, a_large_batch_waits_for_room);
    tcase_add_loop_test(c, a_file_that_is_used_again_is_not_shown, 0, 2);
    tcase_add_test(c, a_search_by_time_goes_on_in_what_is_left);
    tcase_add_test(c, removed_files_are_let_go);
    suite_add_tcase(s, c);
    return suite_run(s);
}
