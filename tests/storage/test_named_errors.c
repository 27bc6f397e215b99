/* Goal: whatever is wrong with a log's files, opening it says which file, at which byte, and what to do; nothing is cut
 * and no file is removed.  One test a fault. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "tests/storage/image.h"
#include "tests/suite.h"

static struct image image;

static void setup(void) { image_make(&image); }
static void teardown(void) { image_free(&image); }

static const char *name_of(const struct image_file *f) { return strrchr(f->path, '/') + 1; }

static struct image_file *log_of(int segment) { return image_find(&image, image.base[segment], SEGMENT_LOG); }

static void without(const char *path, const char *word)
{
    struct disk *d = image_disk(&image);
    ck_assert_int_eq(disk_unlink(d, path), 0);
    image_refused(d, ERR_CORRUPT, word);
}

START_TEST(a_missing_segment)
{
    char gap[60];
    snprintf(gap, sizeof gap, "offset %llu is missing", (unsigned long long)image.base[0]);
    without(log_of(0)->path, gap);
    snprintf(gap, sizeof gap, "offsets %llu to %llu are missing", (unsigned long long)image.base[1],
             (unsigned long long)image.base[2] - 1);
    without(log_of(1)->path, gap);
    without(log_of(IMAGE_POINT)->path, name_of(log_of(IMAGE_POINT)));
}
END_TEST

START_TEST(a_missing_small_file)
{
    without(IMAGE_FOLDER "/checkpoint", "checkpoint is missing");
    without("data/orders/channel.meta", "channel.meta is missing");
    without("data/format", "data/format is missing");
}
END_TEST

START_TEST(no_segment_at_all)
{
    struct disk *d = image_disk(&image);
    for (int i = 0; i < IMAGE_SEGMENTS; i++) ck_assert_int_eq(disk_unlink(d, log_of(i)->path), 0);
    image_refused(d, ERR_CORRUPT, "holds no segment");
}
END_TEST

START_TEST(a_truncated_sealed_segment)
{
    char word[80];
    struct disk *d = image_disk(&image);
    image_put(d, log_of(0)->path, log_of(0)->bytes, log_of(0)->size - 1);
    snprintf(word, sizeof word, "%s has %zu bytes, but was sealed with %zu", name_of(log_of(0)), log_of(0)->size - 1,
             log_of(0)->size);
    image_refused(d, ERR_CORRUPT, word);

    d = image_disk(&image); /* and where the seal is lost as well */
    image_put(d, log_of(0)->path, log_of(0)->bytes, log_of(0)->size - 1);
    ck_assert_int_eq(disk_unlink(d, image_find(&image, 0, SEGMENT_POSITIONS)->path), 0);
    image_refused(d, ERR_CORRUPT, name_of(log_of(0)));
}
END_TEST

START_TEST(a_segment_truncated_below_the_recovery_point)
{
    char word[80];
    struct disk *d = image_disk(&image);
    image_put(d, log_of(IMAGE_POINT)->path, log_of(IMAGE_POINT)->bytes, image.point_position - 1);
    snprintf(word, sizeof word, "%s ends at byte %llu, but %llu", name_of(log_of(IMAGE_POINT)),
             (unsigned long long)image.point_position - 1, (unsigned long long)image.point_position);
    image_refused(d, ERR_CORRUPT, word);
}
END_TEST

/* Copies a segment, its indexes too when `whole`, to the name of another offset. */
static void copied(int segment, uint64_t to, bool whole, const char *word)
{
    struct disk *d = image_disk(&image);
    char path[LOG_PATH_BYTES];
    for (enum segment_file which = SEGMENT_LOG; which < (whole ? SEGMENT_FILE_COUNT : SEGMENT_INDEX); which++) {
        const struct image_file *f = image_find(&image, image.base[segment], which);
        segment_path(path, IMAGE_FOLDER, to, which);
        image_put(d, path, f->bytes, f->size);
    }
    segment_path(path, IMAGE_FOLDER, to, SEGMENT_LOG);
    image_refused(d, ERR_CORRUPT, word == NULL ? strrchr(path, '/') + 1 : word);
}

START_TEST(a_copy_under_another_name)
{
    for (int whole = 0; whole < 2; whole++) {
        copied(0, image.base[0] + 2, whole, NULL);                /* among the sealed */
        copied(0, image.base[IMAGE_POINT] + 1, whole, NULL);      /* within the one with the point */
        copied(1, image.base[IMAGE_SEGMENTS] + 50, whole, NULL);  /* behind the end */
        copied(1, image.base[IMAGE_SEGMENTS], whole, NULL);
    }
}
END_TEST

START_TEST(a_segment_in_anothers_place)
{
    struct disk *d = image_disk(&image);
    image_put(d, log_of(1)->path, log_of(0)->bytes, log_of(0)->size);
    image_refused(d, ERR_CORRUPT, name_of(log_of(1)));

    d = image_disk(&image);
    image_put(d, log_of(IMAGE_POINT)->path, log_of(0)->bytes, log_of(0)->size);
    image_refused(d, ERR_CORRUPT, name_of(log_of(IMAGE_POINT)));
}
END_TEST

START_TEST(a_log_of_another_channel)
{
    struct disk *d = image_disk(&image);
    const struct log_identity other = {.name = "payments", .cluster_id = "c"};
    struct err_msg msg;
    ck_assert_int_eq(meta_write(d, "data/orders", &other, &msg), ERR_OK);
    image_refused(d, ERR_CORRUPT, "belongs to the log of payments");
}
END_TEST

START_TEST(a_checkpoint_of_another_moment)
{
    struct disk *d = image_disk(&image);
    struct log_checkpoint c;
    struct err_msg msg;
    ck_assert_int_eq(checkpoint_read(d, IMAGE_FOLDER, &c, &msg), ERR_OK);
    c.end_position = 0;
    ck_assert_int_eq(checkpoint_write(d, IMAGE_FOLDER, &c, &msg), ERR_OK);
    image_refused(d, ERR_CORRUPT, "damaged at byte 0 (not the batch that the checkpoint names)");
}
END_TEST

/* The file with 9 for its version, and a checksum that holds. */
static void newer(const char *path)
{
    struct disk *d = image_disk(&image);
    const struct image_file *f = image_named(&image, path);
    char text[2000], word[300];
    memcpy(text, f->bytes, f->size);
    text[f->size] = 0;
    char *line = strchr(text, '\n'), *crc = strstr(text, "\ncrc32c ");
    ck_assert(line != NULL && crc != NULL && line[-1] == '1' && line[-2] == ' ');
    line[-1] = '9';
    size_t size = (size_t)(crc + 1 - text);
    size += (size_t)snprintf(crc + 1, 30, "crc32c %08x\n", crc32c(0, text, size));
    image_put(d, path, text, size);
    snprintf(word, sizeof word, "%s was written by a newer millrace (format 9, this one knows %d); start that one",
             path, LOG_FORMAT_VERSION);
    image_refused(d, ERR_NEWER_FORMAT, word);
}

START_TEST(a_newer_data_folder) { newer("data/format"); }
END_TEST
START_TEST(a_newer_channel) { newer("data/orders/channel.meta"); }
END_TEST
START_TEST(a_newer_checkpoint) { newer(IMAGE_FOLDER "/checkpoint"); }
END_TEST

/* After a clean stop nothing may be there that was not. */
START_TEST(files_put_into_a_log_that_was_ended_cleanly)
{
    struct rig g;
    struct err_msg msg;
    struct disk_stat st;
    char active[LOG_PATH_BYTES], more[LOG_PATH_BYTES];
    uint8_t copy[3000];
    ck_assert_int_eq(image_open(&g, image_disk(&image), &msg), ERR_OK);
    rig_stop(&g); /* the mark */
    struct log_checkpoint c;
    ck_assert_int_eq(checkpoint_read(g.disk, IMAGE_FOLDER, &c, &msg), ERR_OK);
    ck_assert(c.is_clean);
    segment_path(active, IMAGE_FOLDER, c.segment_base_offset, SEGMENT_LOG);
    ck_assert_int_eq(disk_stat(g.disk, active, &st), 0);
    ck_assert_uint_eq(st.bytes, c.recovery_position);
    int file = disk_open(g.disk, active, DISK_WRITE);
    ck_assert_int_eq(disk_write(g.disk, file, "more", 4, st.bytes), 4);
    disk_close(g.disk, file);
    ck_assert_int_eq(rig_try_power(&g, &msg), ERR_OK);
    ck_assert_int_eq(rig_try_open(&g, false, &msg), ERR_CORRUPT);
    ck_assert_msg(strstr(msg.text, "was ended cleanly at byte") != NULL, "%s", msg.text);
    rig_abandon(&g);

    file = disk_open(g.disk, active, DISK_WRITE);
    ck_assert_int_eq(disk_truncate(g.disk, file, st.bytes), 0);
    ck_assert_int_eq(disk_read(g.disk, file, copy, st.bytes, 0), (int64_t)st.bytes);
    disk_close(g.disk, file);
    segment_path(more, IMAGE_FOLDER, c.recovery_offset, SEGMENT_LOG);
    image_put(g.disk, more, "", 0);
    ck_assert_int_eq(rig_try_power(&g, &msg), ERR_OK);
    ck_assert_int_eq(rig_try_open(&g, false, &msg), ERR_CORRUPT);
    ck_assert_msg(strstr(msg.text, strrchr(more, '/') + 1) != NULL, "%s", msg.text);
    rig_abandon(&g);

    ck_assert_int_eq(disk_unlink(g.disk, more), 0);
    rig_power(&g, 0);
    rig_open(&g, false);
    ck_assert_int_eq(image_read(&g), ERR_OK);
    rig_stop(&g);
    rig_end(&g);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("named errors");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_missing_segment);
    tcase_add_test(c, a_missing_small_file);
    tcase_add_test(c, no_segment_at_all);
    tcase_add_test(c, a_truncated_sealed_segment);
    tcase_add_test(c, a_segment_truncated_below_the_recovery_point);
    tcase_add_test(c, a_copy_under_another_name);
    tcase_add_test(c, a_segment_in_anothers_place);
    tcase_add_test(c, a_log_of_another_channel);
    tcase_add_test(c, a_checkpoint_of_another_moment);
    tcase_add_test(c, a_newer_data_folder);
    tcase_add_test(c, a_newer_channel);
    tcase_add_test(c, a_newer_checkpoint);
    tcase_add_test(c, files_put_into_a_log_that_was_ended_cleanly);
    suite_add_tcase(s, c);
    return suite_run(s);
}
