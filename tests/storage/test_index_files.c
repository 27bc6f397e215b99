/* Goal: whatever became of an index file (gone, cut, garbage, out of order, zeros, too long, of another segment), the
 * opening makes it anew from the log, as good as it was; and a search by time gives what a walk over all records gives,
 * with times in any order, also where an index lies. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "storage/index.h"
#include "tests/storage/image.h"
#include "tests/suite.h"

static struct image image;

static void setup(void) { image_make(&image); }
static void teardown(void) { image_free(&image); }

/* Each fills `out` (twice the file's size) and returns its new size. */
typedef size_t damage(const struct image_file *f, size_t entry, uint8_t *out);

static size_t truncated(const struct image_file *f, size_t entry, uint8_t *out)
{
    memcpy(out, f->bytes, f->size);
    return f->size - entry;
}

static size_t truncated_within_an_entry(const struct image_file *f, size_t entry, uint8_t *out)
{
    memcpy(out, f->bytes, f->size);
    return f->size - entry / 2;
}

static size_t garbage(const struct image_file *f, size_t entry, uint8_t *out)
{
    struct random r;
    (void)entry;
    random_init(&r, 7);
    for (size_t i = 0; i < f->size; i++) out[i] = (uint8_t)random_below(&r, 256);
    return f->size;
}

static size_t in_the_wrong_order(const struct image_file *f, size_t entry, uint8_t *out)
{
    memcpy(out, f->bytes, f->size);
    memcpy(out, f->bytes + entry, entry);
    memcpy(out + entry, f->bytes, entry);
    return f->size;
}

static size_t zeros(const struct image_file *f, size_t entry, uint8_t *out)
{
    (void)entry;
    memset(out, 0, f->size);
    return f->size;
}

static size_t too_long(const struct image_file *f, size_t entry, uint8_t *out)
{
    memcpy(out, f->bytes, f->size);
    memset(out + f->size, 0xff, entry);
    return f->size + entry;
}

static size_t of_another_segment(const struct image_file *f, size_t entry, uint8_t *out)
{
    char path[200];
    (void)entry; /* the other sealed one; for the third, the first */
    uint64_t other = strstr(f->path, "00000000000000000000") != NULL ? image.base[1] : image.base[0];
    snprintf(path, sizeof path, "%s/%020llu%s", IMAGE_FOLDER, (unsigned long long)other, strrchr(f->path, '.'));
    const struct image_file *o = image_named(&image, path);
    memcpy(out, o->bytes, o->size < f->size ? o->size : f->size);
    return o->size < f->size ? o->size : f->size;
}

static void index_is_good(struct rig *g, int segment)
{
    struct index_seal seal;
    ck_assert(index_seal_read(g->disk, IMAGE_FOLDER, image.base[segment], &seal));
    ck_assert(index_seal_verify(g->disk, IMAGE_FOLDER, &seal));
    ck_assert_uint_eq(seal.next_offset, image.base[segment + 1]);
    ck_assert_uint_eq(seal.log_bytes, image.bytes[segment]);
    ck_assert_uint_gt(seal.print.offset_count, 0);
    if (segment >= IMAGE_POINT) return; /* its indexes go on at the recovery point, and have an entry more there */
    for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
        const struct image_file *f = image_find(&image, image.base[segment], which);
        uint8_t bytes[4000];
        int file = disk_open(g->disk, f->path, 0);
        ck_assert_int_eq(disk_read(g->disk, file, bytes, sizeof bytes, 0), (int64_t)f->size);
        ck_assert_mem_eq(bytes, f->bytes, f->size);
        disk_close(g->disk, file);
    }
}

static void works(struct disk *d)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    ck_assert_msg(image_open(&g, d, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
    for (int s = 0; s < IMAGE_SEGMENTS - 1; s++) index_is_good(&g, s);
    for (uint64_t offset = 0; offset < image.base[IMAGE_SEGMENTS]; offset++) {
        struct log_cursor cursor = {{0}};
        struct log_slice slice;
        ck_assert_int_eq(rig_read(&g, offset, 1, true, &cursor, &slice), ERR_OK);
        slice_check(&slice, offset, g.seed);
        rig_release(&g, &slice);
    }
    ck_assert_int_eq(image_search(&g, &image, image.base[IMAGE_SEGMENTS]), ERR_OK);
    image_off(&g);
}

static void each(damage *how)
{
    for (int s = 0; s < IMAGE_SEGMENTS - 1; s++) {
        for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
            const struct image_file *f = image_find(&image, image.base[s], which);
            uint8_t bytes[4000];
            size_t entry = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
            ck_assert_uint_ge(f->size, 2 * entry);
            struct disk *d = image_disk(&image);
            image_put(d, f->path, bytes, how(f, entry, bytes));
            works(d);
        }
    }
}

START_TEST(missing_indexes)
{
    for (int s = 0; s < IMAGE_SEGMENTS - 1; s++) {
        for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
            struct disk *d = image_disk(&image);
            ck_assert_int_eq(disk_unlink(d, image_find(&image, image.base[s], which)->path), 0);
            works(d);
        }
    }
}
END_TEST

START_TEST(truncated_indexes) { each(truncated); }
END_TEST
START_TEST(indexes_truncated_within_an_entry) { each(truncated_within_an_entry); }
END_TEST
START_TEST(garbage_for_indexes) { each(garbage); }
END_TEST
START_TEST(indexes_in_the_wrong_order) { each(in_the_wrong_order); }
END_TEST
START_TEST(zeros_for_indexes) { each(zeros); }
END_TEST
START_TEST(indexes_too_long) { each(too_long); }
END_TEST
START_TEST(indexes_of_another_segment) { each(of_another_segment); }
END_TEST

/* Index files that go bad under an open log: nobody makes them anew, and nobody is misled. */
START_TEST(an_index_that_lies_to_a_reader)
{
    static damage *const how[] = {garbage, in_the_wrong_order, zeros, of_another_segment, truncated};
    for (size_t h = 0; h < sizeof how / sizeof how[0]; h++) {
        for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_POSITIONS; which++) {
            struct rig g;
            struct err_msg msg;
            ck_assert_int_eq(image_open(&g, image_disk(&image), &msg), ERR_OK);
            for (int s = 0; s < IMAGE_SEGMENTS - 2; s++) {
                const struct image_file *f = image_find(&image, image.base[s], which);
                uint8_t bytes[4000];
                size_t entry = which == SEGMENT_TIME_INDEX ? TIME_INDEX_ENTRY_BYTES : INDEX_ENTRY_BYTES;
                image_put(g.disk, f->path, bytes, how[h](f, entry, bytes));
            }
            ck_assert_int_eq(image_read(&g), ERR_OK);
            for (uint64_t offset = image.base[IMAGE_SEGMENTS]; offset-- > 0;) {
                struct log_cursor cursor = {{0}};
                struct log_slice slice;
                ck_assert_int_eq(rig_read(&g, offset, 1, true, &cursor, &slice), ERR_OK);
                slice_check(&slice, offset, g.seed);
                rig_release(&g, &slice);
            }
            ck_assert_int_eq(image_search(&g, &image, image.base[IMAGE_SEGMENTS]), ERR_OK);
            image_off(&g);
        }
    }
}
END_TEST

/* ---- times in any order ---- */

enum { TIMES_MAX = 6000 };
static int64_t time_of[TIMES_MAX];

static void search_like_a_walk(struct rig *g, struct random *r, uint64_t count)
{
    for (int i = 0; i < 150; i++) {
        int64_t t = 900 + (int64_t)random_below(r, 1400), found_ms;
        uint64_t expected = log_start_offset(g->log), found;
        enum err e;
        while (expected < count && time_of[expected] < t) expected++;
        while ((e = log_reader_find_time(g->reader, g->log, t, &found, &found_ms)) == ERR_AGAIN)
            (void)log_reader_poll(g->reader);
        ck_assert_int_eq(e, expected == count ? ERR_NOT_FOUND : ERR_OK);
        if (e != ERR_OK) continue;
        ck_assert_uint_eq(found, expected);
        ck_assert_int_eq(found_ms, time_of[expected]);
    }
}

START_TEST(searches_by_time_are_those_of_a_walk)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct rig g;
        struct random r;
        random_init(&r, seed);
        rig_init(&g, seed);
        g.config.segment_bytes = 16384 + random_below(&r, 40000);
        g.config.index_interval_bytes = 64u << random_below(&r, 8);
        g.config.retention_bytes = random_below(&r, 2) == 0 ? 0 : 100000;
        rig_power(&g, 0);
        rig_open(&g, true);
        int64_t drift = (int64_t)random_below(&r, 3), noise = 1 + (int64_t)random_below(&r, 600);
        for (int i = 0; i < 500; i++) {
            int64_t t = 1000 + drift * i / 2 + (int64_t)random_below(&r, (uint64_t)noise);
            uint64_t first = g.producer.next_offset;
            rig_send(&g, 1 + (uint32_t)random_below(&r, 4), 40 + (uint32_t)random_below(&r, 700), true, t);
            for (uint64_t o = first; o < g.producer.next_offset; o++) time_of[o] = t;
            if (random_below(&r, 100) == 0) clock_simulated_advance(&g.clock, 1100000000);
        }
        rig_settle(&g);
        search_like_a_walk(&g, &r, g.producer.next_offset);
        if (seed % 2 == 0) rig_stop(&g);
        else rig_abandon(&g);
        rig_power(&g, 0);
        rig_open(&g, false);
        search_like_a_walk(&g, &r, log_high_watermark(g.log));
        rig_stop(&g);
        rig_end(&g);
    }
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("index files");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, missing_indexes);
    tcase_add_test(c, truncated_indexes);
    tcase_add_test(c, indexes_truncated_within_an_entry);
    tcase_add_test(c, garbage_for_indexes);
    tcase_add_test(c, indexes_in_the_wrong_order);
    tcase_add_test(c, zeros_for_indexes);
    tcase_add_test(c, indexes_too_long);
    tcase_add_test(c, indexes_of_another_segment);
    tcase_add_test(c, an_index_that_lies_to_a_reader);
    tcase_add_test(c, searches_by_time_are_those_of_a_walk);
    suite_add_tcase(s, c);
    return suite_run(s);
}
