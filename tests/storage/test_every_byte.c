/* Goal: a small log cut at every byte, and with a bit flipped at every byte, of every one of its files: behind the
 * recovery point the result is a prefix of whole transactions, below it a named error; never other records, never a
 * wrong answer to a search by time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "tests/storage/image.h"
#include "tests/suite.h"

enum { STEP = IS_SANITIZED ? 11 : 1 };

static struct image image;
static struct random bits;

static void setup(void)
{
    random_init(&bits, 8);
    image_make(&image);
}

static void teardown(void) { image_free(&image); }

static struct disk *cut_disk(const struct image_file *f, size_t size)
{
    struct disk *d = image_disk(&image);
    image_put(d, f->path, f->bytes, size);
    return d;
}

static struct disk *flipped_disk(const struct image_file *f, size_t at)
{
    struct disk *d = image_disk(&image);
    uint8_t bit = (uint8_t)(1u << random_below(&bits, 8));
    f->bytes[at] ^= bit;
    image_put(d, f->path, f->bytes, f->size);
    f->bytes[at] ^= bit;
    return d;
}

/* It opens and holds the records below `end`, and no other. */
static void holds(struct disk *d, uint64_t end, const char *what, size_t at)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    enum err e = image_open(&g, d, &msg);
    ck_assert_msg(e == ERR_OK, "%s at %zu: %s", what, at, msg.text);
    uint64_t found = log_high_watermark(g.log);
    ck_assert_msg(found == end, "%s at %zu: ends at %llu instead of %llu", what, at, (unsigned long long)found,
                  (unsigned long long)end);
    ck_assert_msg(image_read(&g) == ERR_OK, "%s at %zu: cannot be read", what, at);
    ck_assert_msg(image_search(&g, &image, end) == ERR_OK, "%s at %zu: cannot be searched", what, at);
    image_off(&g);
}

/* It is refused, or reading says where it is damaged; no record is lost or another. */
static void refused_or_found(struct disk *d, const char *what, size_t at)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    enum err e = image_open(&g, d, &msg);
    if (e == ERR_OK) {
        ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
        e = image_read(&g);
    }
    ck_assert_msg(e == ERR_CORRUPT, "%s at %zu: %s", what, at, err_text(e));
    image_off(&g);
}

START_TEST(logs_cut_at_every_byte)
{
    uint64_t all = image.base[IMAGE_SEGMENTS];
    for (uint64_t s = 0; s < IMAGE_SEGMENTS; s++) {
        const struct image_file *f = image_find(&image, image.base[s], SEGMENT_LOG);
        for (size_t at = 0; at <= image.bytes[s]; at += STEP) {
            if (s < IMAGE_POINT && at == f->size) continue; /* whole */
            if (s < IMAGE_POINT || (s == IMAGE_POINT && at < image.point_position))
                image_refused(cut_disk(f, at), ERR_CORRUPT, strrchr(f->path, '/') + 1);
            else
                holds(cut_disk(f, at), at == image.bytes[s] ? all : image_whole_before(&image, s, at), f->path, at);
        }
    }
}
END_TEST

START_TEST(logs_with_a_bit_flipped_at_every_byte)
{
    for (uint64_t s = 0; s < IMAGE_SEGMENTS; s++) {
        const struct image_file *f = image_find(&image, image.base[s], SEGMENT_LOG);
        for (size_t at = 0; at < image.bytes[s]; at += STEP) {
            if (s < IMAGE_POINT || (s == IMAGE_POINT && at < image.point_position))
                refused_or_found(flipped_disk(f, at), f->path, at);
            else
                holds(flipped_disk(f, at), image_whole_before(&image, s, at), f->path, at);
        }
    }
}
END_TEST

START_TEST(indexes_cut_and_flipped_at_every_byte_change_nothing)
{
    for (uint64_t s = 0; s < IMAGE_SEGMENTS; s++) {
        for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
            if (s == IMAGE_SEGMENTS - 1) continue; /* behind the point: made anew in any case */
            const struct image_file *f = image_find(&image, image.base[s], which);
            for (size_t at = 0; at < f->size; at += STEP) {
                holds(cut_disk(f, at), image.base[IMAGE_SEGMENTS], f->path, at);
                holds(flipped_disk(f, at), image.base[IMAGE_SEGMENTS], f->path, at);
            }
        }
    }
}
END_TEST

START_TEST(small_files_cut_and_flipped_at_every_byte_are_named)
{
    static const char *const path[] = {IMAGE_FOLDER "/checkpoint", "data/orders/channel.meta", "data/format"};
    for (int i = 0; i < 3; i++) {
        const struct image_file *f = image_named(&image, path[i]);
        for (size_t at = 0; at + 1 < f->size; at += STEP) { /* but for the last line's end */
            image_refused(cut_disk(f, at), ERR_CORRUPT, strrchr(path[i], '/') + 1);
            uint8_t upper = (uint8_t)(f->bytes[at] ^ 0x20); /* a digit of the checksum in capitals is the same digit */
            if (upper >= 'A' && upper <= 'F' && at > f->size - 10) continue;
            image_refused(flipped_disk(f, at), ERR_CORRUPT, strrchr(path[i], '/') + 1);
        }
    }
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("every byte");
    tcase_set_timeout(c, 120);
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_add_test(c, logs_cut_at_every_byte);
    tcase_add_test(c, logs_with_a_bit_flipped_at_every_byte);
    tcase_add_test(c, indexes_cut_and_flipped_at_every_byte_change_nothing);
    tcase_add_test(c, small_files_cut_and_flipped_at_every_byte_are_named);
    suite_add_tcase(s, c);
    return suite_run(s);
}
