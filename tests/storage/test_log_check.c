/* Goal: `log check` finds a bit flipped at any byte, a cut at any byte and any missing file, and nothing in a log that
 * is whole; `log repair` makes the log open again: without --cut all records are there as before; with it the whole
 * transactions before the damage are, the rest lies aside byte for byte, and consumers can tell (leader epoch, cluster
 * id).  An interruption of the repair at any write leaves what the next repair ends. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "storage/log_check.h"
#include "tests/storage/image.h"
#include "tests/suite.h"

static struct image image;
static struct random bits;
static char said[20000];

static void setup(void)
{
    random_init(&bits, 8);
    image_make(&image);
}

static void teardown(void) { image_free(&image); }

static void say(void *context, enum log_check_says kind, const char *text)
{
    size_t size = strlen(said);
    (void)context;
    snprintf(said + size, sizeof said - size, "%s: %s\n", kind == LOG_CHECK_FAULT ? "fault" : "note", text);
}

static struct log_check_result look(struct disk *d, bool repair, bool cut)
{
    const struct log_check_options options = {.repair = repair, .cut = cut, .say = say};
    struct log_check_result r = {0};
    struct err_msg msg = {.text = ""};
    said[0] = 0;
    enum err e = log_check_log(d, "data", "orders", &options, &r, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    return r;
}

static const struct image_file *log_of(int segment) { return image_find(&image, image.base[segment], SEGMENT_LOG); }

START_TEST(a_log_without_a_fault)
{
    struct rig g;
    struct err_msg msg;
    struct disk *d = image_disk(&image);
    struct log_check_result r = look(d, false, false);
    ck_assert_msg(r.faults == 0, "%s", said);
    ck_assert_uint_eq(r.segments, IMAGE_SEGMENTS);
    ck_assert_uint_ge(r.records, image.base[IMAGE_SEGMENTS]);
    ck_assert_ptr_nonnull(strstr(said, "the next start cuts there")); /* the room reserved behind */
    r = look(d, true, true); /* a repair of what is whole does nothing */
    ck_assert_uint_eq(r.mended, 0);
    ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
    rig_stop(&g);
    r = look(g.disk, false, false); /* ended cleanly: not even a note */
    ck_assert_str_eq(said, "");
    ck_assert_uint_eq(r.records, image.base[IMAGE_SEGMENTS]);
    rig_end(&g);
}
END_TEST

static bool is_below_point(int segment, size_t at)
{
    return segment < IMAGE_POINT || (segment == IMAGE_POINT && at < image.point_position);
}

START_TEST(every_flipped_bit_and_cut_below_the_point_is_found)
{
    for (int s = 0; s <= IMAGE_POINT; s++) {
        const struct image_file *f = log_of(s);
        for (size_t at = 0; at < f->size && is_below_point(s, at); at += 3) {
            char word[300];
            struct disk *d = image_disk(&image);
            uint8_t bit = (uint8_t)(1u << random_below(&bits, 8));
            f->bytes[at] ^= bit;
            image_put(d, f->path, f->bytes, f->size);
            f->bytes[at] ^= bit;
            struct log_check_result r = look(d, false, false);
            snprintf(word, sizeof word, "%s is damaged at byte ", f->path);
            ck_assert_msg(r.faults > 0 && strstr(said, word) != NULL, "bit at %zu: %s", at, said);
            disk_destroy(d);
            d = image_disk(&image);
            image_put(d, f->path, f->bytes, at);
            r = look(d, false, false);
            ck_assert_msg(r.faults > 0, "cut at %zu: %s", at, said);
            disk_destroy(d);
        }
    }
}
END_TEST

START_TEST(every_flipped_bit_in_an_index_is_found_and_mended)
{
    for (int s = 0; s < IMAGE_POINT; s++) {
        for (enum segment_file which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
            const struct image_file *f = image_find(&image, image.base[s], which);
            for (size_t at = 0; at < f->size; at++) {
                struct rig g;
                struct err_msg msg;
                struct disk *d = image_disk(&image);
                f->bytes[at] ^= 4;
                image_put(d, f->path, f->bytes, f->size);
                f->bytes[at] ^= 4;
                struct log_check_result r = look(d, false, false);
                ck_assert_msg(r.faults == 1, "%s at %zu: %s", f->path, at, said);
                r = look(d, true, false);
                ck_assert_msg(r.faults == 0 && r.mended == 1, "%s at %zu: %s", f->path, at, said);
                ck_assert_uint_eq(look(d, false, false).faults, 0);
                if (at % 16 != 0) {
                    disk_destroy(d);
                    continue;
                }
                ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
                ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
                ck_assert_int_eq(image_read(&g), ERR_OK);
                ck_assert_int_eq(image_search(&g, &image, image.base[IMAGE_SEGMENTS]), ERR_OK);
                image_off(&g);
            }
        }
    }
}
END_TEST

START_TEST(a_lost_checkpoint_is_made_anew)
{
    struct rig g;
    struct err_msg msg;
    struct disk *d = image_disk(&image);
    ck_assert_int_eq(disk_unlink(d, IMAGE_FOLDER "/checkpoint"), 0);
    ck_assert_uint_eq(look(d, false, false).faults, 1);
    struct log_check_result r = look(d, true, false);
    ck_assert_msg(r.faults == 0 && r.mended == 1, "%s", said);
    ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
    ck_assert_uint_eq(g.resume.gtid_set_offset, image.base[IMAGE_SEGMENTS - 1]);
    ck_assert_int_eq(image_read(&g), ERR_OK);
    ck_assert_uint_eq(log_identity(g.log)->leader_epoch, 0);
    image_off(&g);
}
END_TEST

/* Where the log must be cut for damage at a place: behind the last whole transaction before it. */
static uint64_t whole_before(uint64_t segment, uint64_t position)
{
    uint64_t offset = 0;
    for (int i = 0; i < image.end_count; i++)
        if (image.end[i].segment < segment || (image.end[i].segment == segment && image.end[i].position <= position))
            offset = image.end[i].offset;
    return offset;
}

static uint64_t segment_of(uint64_t offset)
{
    uint64_t s = IMAGE_SEGMENTS - 1;
    while (s > 0 && image.base[s] >= offset) s--;
    return s;
}

static uint64_t position_of(uint64_t offset)
{
    for (int i = 0; i < image.end_count; i++)
        if (image.end[i].offset == offset) return image.end[i].position;
    return 0;
}

/* Opens a file of what was cut at `end`: each repair that began to cut there has a folder of its own. */
static int open_aside(struct disk *d, uint64_t end, const char *name)
{
    char path[200];
    int file = -1, length = snprintf(path, sizeof path, "data/orders/cut-%020llu", (unsigned long long)end);
    snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
    file = disk_open(d, path, 0);
    for (int again = 2; file < 0 && again < 4; again++) {
        snprintf(path + length, sizeof path - (size_t)length, ".%d/%s", again, name);
        file = disk_open(d, path, 0);
    }
    return file;
}

/* Is the rest of the log, as it was cut, in the folder of what was cut? */
static void rest_lies_aside(struct disk *d, uint64_t end, const struct image_file *damaged, size_t at)
{
    char name[100];
    static uint8_t bytes[20000];
    uint64_t s = segment_of(end), position = position_of(end);
    snprintf(name, sizeof name, "%020llu.log.from-%llu", (unsigned long long)image.base[s],
             (unsigned long long)position);
    for (bool is_first = true; s < IMAGE_SEGMENTS; s++, position = 0, is_first = false) {
        const struct image_file *f = log_of((int)s);
        if (position == f->size) continue;
        if (!is_first) snprintf(name, sizeof name, "%020llu.log", (unsigned long long)image.base[s]);
        int file = open_aside(d, end, name);
        ck_assert_msg(file >= 0, "no %s", name);
        int64_t size = disk_read(d, file, bytes, sizeof bytes, 0);
        disk_close(d, file);
        ck_assert_int_eq(size, (int64_t)(f->size - position));
        if (f == damaged) bytes[at - position] ^= 4;
        ck_assert_mem_eq(bytes, f->bytes + position, (size_t)size);
    }
}

static struct disk *damaged_disk(const struct image_file *f, size_t at)
{
    struct disk *d = image_disk(&image);
    f->bytes[at] ^= 4;
    image_put(d, f->path, f->bytes, f->size);
    f->bytes[at] ^= 4;
    return d;
}

START_TEST(a_cut_keeps_what_is_whole_and_what_is_cut)
{
    for (int s = 0; s <= IMAGE_POINT; s++) {
        for (size_t at = 70; at < log_of(s)->size && is_below_point(s, at); at += 61) {
            struct rig g;
            struct err_msg msg = {.text = ""};
            char word[100];
            uint64_t end = whole_before((uint64_t)s, at);
            struct disk *d = damaged_disk(log_of(s), at);
            ck_assert_uint_gt(look(d, true, false).faults, 0); /* not without --cut */
            snprintf(word, sizeof word, "offsets %llu to ", (unsigned long long)end);
            ck_assert_msg(strstr(said, word) != NULL && strstr(said, "would be lost") != NULL, "%s", said);
            struct log_check_result r = look(d, true, true);
            ck_assert_msg(r.faults == 0 && r.mended > 0, "%d at %zu: %s", s, at, said);
            ck_assert_msg(strstr(said, word) != NULL && strstr(said, "are lost") != NULL, "%s", said);
            rest_lies_aside(d, end, log_of(s), at);
            ck_assert_uint_eq(look(d, false, false).faults, 0);
            ck_assert_msg(image_open(&g, d, &msg) == ERR_OK, "%d at %zu: %s", s, at, msg.text);
            ck_assert_uint_eq(log_high_watermark(g.log), end);
            ck_assert_uint_eq(g.resume.next_offset, end);
            ck_assert_int_eq(image_read(&g), ERR_OK);
            ck_assert_uint_eq(log_identity(g.log)->leader_epoch, 1);
            ck_assert_uint_eq(log_identity(g.log)->epoch_start[0], end);
            ck_assert_str_ne(log_identity(g.log)->cluster_id, "cluster-of-orders");
            ck_assert_uint_eq(strlen(log_identity(g.log)->cluster_id), 22);
            rig_send(&g, 3, 30, true, 1000); /* and it goes on */
            rig_settle(&g);
            ck_assert_uint_eq(log_high_watermark(g.log), end + 3);
            ck_assert_int_eq(image_read(&g), ERR_OK);
            image_off(&g);
        }
    }
}
END_TEST

START_TEST(what_an_earlier_cut_kept_stays)
{
    char folder[100], kept[200], found[8];
    size_t at = log_of(1)->size / 2;
    uint64_t end = whole_before(1, at);
    struct disk *d = damaged_disk(log_of(1), at);
    snprintf(folder, sizeof folder, "data/orders/cut-%020llu", (unsigned long long)end);
    snprintf(kept, sizeof kept, "%s/%020llu.log.from-%llu", folder, (unsigned long long)image.base[segment_of(end)],
             (unsigned long long)position_of(end));
    ck_assert_int_eq(disk_make_folder(d, folder), 0);
    image_put(d, kept, "earlier", 7);
    ck_assert_msg(look(d, true, true).faults == 0, "%s", said);
    int file = disk_open(d, kept, 0);
    ck_assert_int_eq(disk_read(d, file, found, sizeof found, 0), 7);
    ck_assert_mem_eq(found, "earlier", 7);
    disk_close(d, file);
    strcat(folder, ".2");
    ck_assert_msg(strstr(said, folder) != NULL, "%s", said);
    disk_destroy(d);
}
END_TEST

START_TEST(missing_segments_can_be_cut_away)
{
    struct rig g;
    struct err_msg msg;
    struct disk *d = image_disk(&image); /* in the middle: what is behind goes */
    ck_assert_int_eq(disk_unlink(d, log_of(1)->path), 0);
    ck_assert_uint_gt(look(d, false, false).faults, 0);
    ck_assert_msg(look(d, true, true).faults == 0, "%s", said);
    ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[1]);
    ck_assert_int_eq(image_read(&g), ERR_OK);
    image_off(&g);

    d = image_disk(&image); /* at the start: the log begins later, at a transaction */
    ck_assert_int_eq(disk_unlink(d, log_of(0)->path), 0);
    ck_assert_uint_gt(look(d, false, false).faults, 0);
    ck_assert_msg(look(d, true, true).faults == 0, "%s", said);
    ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
    uint64_t start = log_start_offset(g.log);
    ck_assert_uint_gt(start, image.base[1]);
    int i = 0;
    while (i < image.end_count && image.end[i].offset != start) i++;
    ck_assert_int_lt(i, image.end_count);
    ck_assert_int_eq(image_read(&g), ERR_OK);
    image_off(&g);
}
END_TEST

START_TEST(a_copy_is_named_and_left_alone)
{
    char path[LOG_PATH_BYTES];
    struct disk_stat st;
    struct disk *d = image_disk(&image);
    segment_path(path, IMAGE_FOLDER, image.base[1] + 3, SEGMENT_LOG);
    image_put(d, path, log_of(0)->bytes, log_of(0)->size);
    struct log_check_result r = look(d, true, true);
    ck_assert_uint_eq(r.faults, 1);
    ck_assert_msg(strstr(said, path) != NULL && strstr(said, "move it away") != NULL, "%s", said);
    ck_assert_int_eq(disk_stat(d, path, &st), 0);
    disk_destroy(d);
}
END_TEST

/* The power went between the new log start and the removal of a segment, whose file is written to again: the next
 * start removes it, and neither a look nor a repair makes anything of it. */
START_TEST(a_segment_that_retention_left_behind_is_no_fault)
{
    struct rig g;
    struct err_msg msg;
    struct log_checkpoint c;
    struct disk *d = image_disk(&image);
    ck_assert_int_eq(checkpoint_read(d, IMAGE_FOLDER, &c, &msg), ERR_OK);
    c.start_offset = image.base[1];
    ck_assert_int_eq(checkpoint_write(d, IMAGE_FOLDER, &c, &msg), ERR_OK);
    image_put(d, log_of(0)->path, log_of(2)->bytes, log_of(2)->size - 100);
    struct log_check_result r = look(d, true, true);
    ck_assert_msg(r.faults == 0 && strstr(said, "before the log's start") != NULL, "%s", said);
    ck_assert_int_eq(image_open(&g, d, &msg), ERR_OK);
    ck_assert_uint_eq(log_start_offset(g.log), image.base[1]);
    ck_assert_uint_eq(log_high_watermark(g.log), image.base[IMAGE_SEGMENTS]);
    image_off(&g);
}
END_TEST

START_TEST(a_repair_interrupted_at_any_write_is_ended_by_the_next)
{
    const struct image_file *f = log_of(1);
    size_t at = f->size / 2;
    uint64_t end = whole_before(1, at);
    for (uint64_t cut = 0;; cut++) {
        struct disk *d = damaged_disk(f, at);
        const struct log_check_options options = {.repair = true, .cut = true};
        struct log_check_result r = {0};
        struct err_msg msg = {.text = ""};
        for (int i = 0; i < image.file_count; i++) {
            int file = disk_open(d, image.file[i].path, 0);
            ck_assert_int_eq(disk_sync(d, file), 0);
            disk_close(d, file);
        }
        ck_assert_int_eq(disk_sync_folder(d, "data"), 0);
        disk_sim_cut_after(d, cut);
        enum err e = log_check_log(d, "data", "orders", &options, &r, &msg);
        bool is_done = !disk_sim_is_dead(d);
        if (is_done) ck_assert_int_eq(e, ERR_OK);
        disk_sim_power_cycle(d);
        disk_sim_cut_after(d, UINT64_MAX);
        r = look(d, true, true);
        ck_assert_msg(r.faults == 0, "cut at %llu: %s", (unsigned long long)cut, said);
        rest_lies_aside(d, end, f, at);
        struct rig g;
        ck_assert_msg(image_open(&g, d, &msg) == ERR_OK, "cut at %llu: %s", (unsigned long long)cut, msg.text);
        ck_assert_uint_eq(log_high_watermark(g.log), end);
        ck_assert_int_eq(image_read(&g), ERR_OK);
        ck_assert_uint_gt(log_identity(g.log)->leader_epoch, 0);
        image_off(&g);
        if (is_done) break;
    }
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("log check and repair");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_log_without_a_fault);
    tcase_add_test(c, every_flipped_bit_and_cut_below_the_point_is_found);
    tcase_add_test(c, every_flipped_bit_in_an_index_is_found_and_mended);
    tcase_add_test(c, a_lost_checkpoint_is_made_anew);
    tcase_add_test(c, a_cut_keeps_what_is_whole_and_what_is_cut);
    tcase_add_test(c, what_an_earlier_cut_kept_stays);
    tcase_add_test(c, missing_segments_can_be_cut_away);
    tcase_add_test(c, a_copy_is_named_and_left_alone);
    tcase_add_test(c, a_segment_that_retention_left_behind_is_no_fault);
    tcase_add_test(c, a_repair_interrupted_at_any_write_is_ended_by_the_next);
    suite_add_tcase(s, c);
    return suite_run(s);
}
