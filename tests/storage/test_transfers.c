/* Goal: transfers that end short, and reads that find every block of the cache pinned, cost time and nothing else: what
 * was written is there, whoever waits is told to try again, and nobody is told for ever. */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/internal.h"
#include "storage/reader_cache.h"
#include "tests/storage/rig.h"
#include "tests/suite.h"

START_TEST(the_rest_of_a_short_write_is_written)
{
    struct rig g;
    rig_start(&g, 21);
    disk_sim_shorten_writes(g.disk);
    rig_open(&g, true);
    for (int i = 0; i < 300; i++) rig_send(&g, 2, i % 17 == 5 ? 20000 : 900, i % 3 != 0, 1000 + i);
    rig_send(&g, 1, 10, true, 2000);
    rig_settle(&g);
    uint64_t end = g.producer.next_offset;
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    rig_abandon(&g);
    disk_sim_power_cycle(g.disk);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_uint_eq(log_high_watermark(g.log), end);
    rig_read_all(&g, 0, false);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

/* ---- the reader's cache ---- */

enum { BLOCKS = 3 };

static const char *const folder_name = "cached";

/* A segment of BLOCKS + 1 blocks. */
static void segment_make(struct disk *d, const char *folder)
{
    char path[LOG_PATH_BYTES];
    static uint8_t bytes[READER_BLOCK_BYTES];
    ck_assert_int_eq(disk_make_folder(d, folder), 0);
    segment_path(path, folder, 0, SEGMENT_LOG);
    int file = disk_open(d, path, DISK_WRITE | DISK_CREATE);
    ck_assert_int_ge(file, 0);
    for (uint32_t i = 0; i <= BLOCKS; i++) {
        memset(bytes, (int)i + 1, sizeof bytes);
        ck_assert_int_eq(disk_write(d, file, bytes, sizeof bytes, (uint64_t)i * sizeof bytes), (int64_t)sizeof bytes);
    }
    disk_close(d, file);
}

static enum err block_get(struct reader_cache *c, const char *folder, uint32_t index, uint32_t *block)
{
    struct cache_file *f;
    const uint8_t *bytes;
    uint32_t available;
    ck_assert_int_eq(cache_open(c, 1, folder, 0, SEGMENT_LOG, &f), ERR_OK);
    uint64_t limit = (BLOCKS + 1) * (uint64_t)READER_BLOCK_BYTES;
    enum err e = cache_get(c, f, (uint64_t)index * READER_BLOCK_BYTES, limit, &bytes, &available, block);
    if (e == ERR_OK) ck_assert_uint_eq(bytes[0], index + 1);
    return e;
}

static bool is_readable(const struct reader_cache *c, int timeout_ms)
{
    struct pollfd p = {.fd = disk_queue_fd(c->queue), .events = POLLIN};
    return p.fd >= 0 && poll(&p, 1, timeout_ms) > 0;
}

static uint32_t block_wait(struct reader_cache *c, const char *folder, uint32_t index)
{
    uint32_t block = UINT32_MAX;
    for (int i = 0; i < 1000 && block_get(c, folder, index, &block) == ERR_AGAIN; i++) {
        if (disk_queue_fd(c->queue) >= 0) ck_assert(is_readable(c, 5000));
        (void)cache_poll(c);
    }
    ck_assert_uint_lt(block, BLOCKS);
    return block;
}

static void every_block_is_pinned(struct disk *d, const char *folder)
{
    struct reader_cache c;
    struct err_msg msg;
    struct counters *counters;
    const struct cache_config config = {.bytes = BLOCKS * (uint64_t)READER_BLOCK_BYTES};
    uint32_t block[BLOCKS], other;
    segment_make(d, folder);
    ck_assert_int_eq(counters_open(&counters, NULL, 20, &msg), ERR_OK);
    ck_assert_msg(cache_init(&c, d, &config, counters, &msg) == ERR_OK, "%s", msg.text);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        block[i] = block_wait(&c, folder, i);
        cache_pin(&c, block[i]);
    }
    (void)cache_poll(&c);
    ck_assert_uint_eq(cache_poll(&c), 0);
    ck_assert(!is_readable(&c, 0)); /* or whoever sleeps on it never sleeps again */
    ck_assert_int_eq(block_get(&c, folder, BLOCKS, &other), ERR_AGAIN);
    ck_assert_uint_eq(cache_poll(&c), 0); /* nothing to wait for but a pin */
    cache_unpin(&c, block[1]);
    ck_assert_uint_gt(cache_poll(&c), 0);
    ck_assert_uint_eq(cache_poll(&c), 0);
    ck_assert(!is_readable(&c, 0));
    (void)block_wait(&c, folder, BLOCKS);
    (void)cache_poll(&c);
    ck_assert(!is_readable(&c, 0));
    cache_unpin(&c, block[0]);
    cache_unpin(&c, block[2]);
    ck_assert_uint_eq(cache_poll(&c), 0); /* nobody waits */
    cache_fini(&c);
    counters_close(counters);
}

START_TEST(a_pin_that_goes_is_told_to_who_waits_simulated)
{
    struct disk *d;
    ck_assert_int_eq(disk_sim_create(&d, 1), ERR_OK);
    every_block_is_pinned(d, folder_name);
    disk_destroy(d);
}
END_TEST

START_TEST(a_pin_that_goes_is_told_to_who_waits)
{
    struct disk *d;
    char folder[] = "/tmp/millrace-cache-XXXXXX", inner[64], path[LOG_PATH_BYTES];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/%s", folder, folder_name);
    ck_assert_int_eq(disk_uring_create(&d), ERR_OK);
    every_block_is_pinned(d, inner);
    segment_path(path, inner, 0, SEGMENT_LOG);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(inner), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    disk_destroy(d);
}
END_TEST

/* ---- chunks ---- */

START_TEST(chunks_that_only_pins_keep_are_told)
{
    struct rig g;
    enum { HELD = 40 };
    static struct log_slice held[HELD];
    struct log_cursor cursor = {{0}};
    rig_init(&g, 22);
    g.config.reader_count = 2;
    g.config.retired_bytes_max = (uint64_t)g.config.chunk_bytes * (_i == 0 ? g.config.chunk_count : 5);
    rig_power(&g, 0);
    rig_open(&g, true);
    int count = 0;
    ck_assert(!log_reader_is_pressed(g.reader));
    for (int i = 0; i < HELD && !log_reader_must_let_go(g.reader); i++) { /* pins the newest, again and again */
        for (int batch = 0; batch < 10; batch++) rig_send(&g, 2, 700, true, 1000);
        rig_settle(&g);
        ck_assert_int_eq(rig_read(&g, log_high_watermark(g.log) - 1, 1, true, &cursor, &held[count]), ERR_OK);
        ck_assert_uint_eq(held[count].piece[0].held_bytes, g.config.chunk_bytes);
        count++;
    }
    ck_assert(log_reader_must_let_go(g.reader) && log_reader_is_pressed(g.reader));
    ck_assert(log_reader_is_wanted(g.reader, &held[0].piece[0]));
    ck_assert(!log_reader_is_wanted(g.reader, &held[count - 1].piece[0])); /* in the tail still */
    atomic_store(&g.storage->seat[1].pinned_since_ns, 7);
    log_reader_pinned_since(g.reader, 8);
    ck_assert(!log_reader_must_let_go(g.reader)); /* the other reader's turn */
    log_reader_pinned_since(g.reader, 6);
    ck_assert(log_reader_must_let_go(g.reader));
    ck_assert_int_gt(count, _i == 0 ? (int)g.config.chunk_count / 2 : 5); /* half of all, whatever is set */
    while (count > 0) rig_release(&g, &held[--count]);
    clock_simulated_advance(&g.clock, 2000000000);
    rig_settle(&g);
    ck_assert(!log_reader_is_pressed(g.reader) && !log_reader_must_let_go(g.reader));
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("transfers and pins");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_rest_of_a_short_write_is_written);
    tcase_add_test(c, a_pin_that_goes_is_told_to_who_waits_simulated);
    tcase_add_test(c, a_pin_that_goes_is_told_to_who_waits);
    tcase_add_loop_test(c, chunks_that_only_pins_keep_are_told, 0, 2);
    suite_add_tcase(s, c);
    return suite_run(s);
}
