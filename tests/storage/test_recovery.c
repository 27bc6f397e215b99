/* Goal: a log cut at any byte, or with a bit flipped at any byte, gives a prefix of whole transactions when the damage
 * is behind the recovery point, and a named error when it is in what was durable before; missing indexes are made anew;
 * files that are missing, foreign or of a newer format are named. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "storage/log_files.h"
#include "storage/log_scan.h"
#include "storage/recovery.h"
#include "tests/storage/rig.h"

enum { FILES_MAX = 40, ENDS_MAX = 400 };
#define FOLDER "data/orders/0"

/* All files of a data folder, as they lay there when the process ended. */
static struct kept {
    char     path[200];
    uint8_t *bytes;
    size_t   size;
} kept[FILES_MAX];
static int kept_count;

/* Where each transaction of the active segment ends. */
static uint64_t end_offset[ENDS_MAX], end_position[ENDS_MAX], full_offset, point_position, point_offset, active_base,
    active_bytes;
static int end_count;

static int keep(void *context, const char *name)
{
    struct disk *d = context;
    struct disk_stat st;
    struct kept *k = &kept[kept_count++];
    ck_assert_int_lt(kept_count, FILES_MAX);
    snprintf(k->path, sizeof k->path, FOLDER "/%s", name);
    ck_assert_int_eq(disk_stat(d, k->path, &st), 0);
    k->size = st.bytes;
    k->bytes = malloc(k->size + 1);
    int file = disk_open(d, k->path, 0);
    ck_assert_int_eq(disk_read(d, file, k->bytes, k->size, 0), (int64_t)k->size);
    disk_close(d, file);
    return 0;
}

static struct kept *kept_find(uint64_t base, enum segment_file which)
{
    char path[LOG_PATH_BYTES];
    segment_path(path, FOLDER, base, which);
    for (int i = 0; i < kept_count; i++)
        if (strcmp(kept[i].path, path) == 0) return &kept[i];
    return NULL;
}

static void put(struct disk *d, const char *path, const void *bytes, size_t size)
{
    int file = disk_open(d, path, DISK_WRITE | DISK_CREATE);
    ck_assert_int_ge(file, 0);
    if (size > 0) ck_assert_int_eq(disk_write(d, file, bytes, size, 0), (int64_t)size);
    ck_assert_int_eq(disk_truncate(d, file, size), 0);
    disk_close(d, file);
}

/* A disk with those files. */
static struct disk *restored(void)
{
    struct disk *d;
    const struct log_identity id = {.name = "orders", .cluster_id = "cluster-of-orders"};
    struct err_msg msg;
    ck_assert_int_eq(disk_sim_create(&d, 1), ERR_OK);
    ck_assert_int_eq(disk_make_folder(d, "data"), 0);
    ck_assert_int_eq(disk_make_folder(d, "data/orders"), 0);
    ck_assert_int_eq(disk_make_folder(d, FOLDER), 0);
    ck_assert_int_eq(meta_write(d, "data/orders", &id, &msg), ERR_OK);
    for (int i = 0; i < kept_count; i++) put(d, kept[i].path, kept[i].bytes, kept[i].size);
    return d;
}

/* Writes a log of two segments, with the recovery point inside the second, and keeps its files. */
static void setup(void)
{
    struct rig g;
    struct random r;
    random_init(&r, 3);
    kept_count = end_count = 0;
    rig_init(&g, 9);
    g.config.segment_bytes = 16384;
    rig_power(&g, 0);
    rig_open(&g, true);
    for (int i = 0; i < 60; i++) {
        if (i == 12) g.producer.roll_next = true;
        bool ends = i % 4 != 2 || i == 11 || i == 30;
        rig_send(&g, 1 + (uint32_t)random_below(&r, 3), 40, ends, 1000 + i);
        if (i >= 12 && ends) {
            end_offset[end_count] = g.producer.next_offset;
            end_position[end_count++] = g.producer.segment_position;
            active_base = end_count == 1 ? 0 : active_base;
        }
        rig_settle(&g);
        if (i == 11) active_base = g.producer.next_offset;
        if (i == 30) { /* a checkpoint, by age */
            clock_simulated_advance(&g.clock, 100000000000u);
            rig_settle(&g);
            point_offset = g.producer.next_offset;
            point_position = g.producer.segment_position;
        }
    }
    full_offset = end_offset[end_count - 1];
    active_bytes = g.producer.segment_position;
    struct err_msg msg;
    struct log_checkpoint c;
    ck_assert_msg(checkpoint_read(g.disk, FOLDER, &c, &msg) == ERR_OK, "%s", msg.text);
    active_base = c.segment_base_offset;
    ck_assert_uint_eq(c.recovery_position, point_position);
    ck_assert_uint_eq(c.recovery_offset, point_offset);
    ck_assert_uint_gt(active_base, 0);
    rig_abandon(&g);
    ck_assert_int_eq(disk_list(g.disk, FOLDER, keep, g.disk), 0);
    rig_end(&g);
}

static void teardown(void)
{
    for (int i = 0; i < kept_count; i++) free(kept[i].bytes);
}

static enum err recover(struct disk *d, struct recovered *out, struct err_msg *msg)
{
    struct index_set set;
    const struct recovery_input in = {d, FOLDER, false, 0, 256, false};
    ck_assert_int_eq(index_set_init(&set, 1000), ERR_OK);
    enum err e = log_recover(&in, &set, out, msg);
    index_set_fini(&set);
    return e;
}

/* The last transaction end at or before a position of the active segment. */
static uint64_t whole_before(uint64_t position)
{
    uint64_t offset = point_offset;
    for (int i = 0; i < end_count && end_position[i] <= position; i++)
        if (end_offset[i] > offset) offset = end_offset[i];
    return offset;
}

START_TEST(a_cut_anywhere_gives_whole_transactions_or_a_named_error)
{
    struct kept *log = kept_find(active_base, SEGMENT_LOG);
    ck_assert_ptr_nonnull(log);
    for (uint64_t cut = 0; cut <= active_bytes + 10; cut++) {
        struct disk *d = restored();
        struct recovered r;
        struct err_msg msg = {.text = ""};
        put(d, log->path, log->bytes, cut);
        enum err e = recover(d, &r, &msg);
        if (cut < point_position) {
            ck_assert_int_eq(e, ERR_CORRUPT);
            ck_assert_ptr_nonnull(strstr(msg.text, strrchr(log->path, '/')));
        } else {
            ck_assert_msg(e == ERR_OK, "cut at %llu: %s", (unsigned long long)cut, msg.text);
            ck_assert_uint_eq(r.resume.next_offset, whole_before(cut));
            recovered_fini(&r);
        }
        disk_destroy(d);
    }
}
END_TEST

START_TEST(a_flipped_bit_behind_the_point_cuts_there)
{
    struct kept *log = kept_find(active_base, SEGMENT_LOG);
    struct random random;
    random_init(&random, 8);
    for (uint64_t at = point_position; at < active_bytes + 100; at++) {
        struct disk *d = restored();
        struct recovered r;
        struct err_msg msg = {.text = ""};
        uint8_t bit = (uint8_t)(1u << random_below(&random, 8));
        log->bytes[at] ^= bit;
        put(d, log->path, log->bytes, log->size);
        log->bytes[at] ^= bit;
        enum err e = recover(d, &r, &msg);
        ck_assert_msg(e == ERR_OK, "bit at %llu: %s", (unsigned long long)at, msg.text);
        uint64_t expected = at >= active_bytes ? full_offset : whole_before(at);
        ck_assert_msg(r.resume.next_offset == expected, "bit at %llu: %llu instead of %llu", (unsigned long long)at,
                      (unsigned long long)r.resume.next_offset, (unsigned long long)expected);
        recovered_fini(&r);
        disk_destroy(d);
    }
}
END_TEST

/* Reads everything; the error met, or ERR_OK. */
static enum err read_through(struct rig *g)
{
    struct log_cursor cursor = {{0}};
    struct log_slice slice;
    uint64_t offset = log_start_offset(g->log);
    while (offset < log_high_watermark(g->log)) {
        enum err e = rig_read(g, offset, 3000, true, &cursor, &slice);
        if (e != ERR_OK) return e;
        slice_check(&slice, offset, g->seed);
        offset = slice.next_offset;
        rig_release(g, &slice);
    }
    return ERR_OK;
}

START_TEST(a_flipped_bit_in_durable_data_is_named_never_cut)
{
    struct random random;
    random_init(&random, 18);
    for (int which = 0; which < 2; which++) {
        struct kept *log = kept_find(which == 0 ? 0 : active_base, SEGMENT_LOG);
        uint64_t size = which == 0 ? log->size : point_position;
        for (uint64_t at = 0; at < size; at += 1 + (uint64_t)which) {
            struct rig g;
            struct err_msg msg = {.text = ""};
            uint8_t bit = (uint8_t)(1u << random_below(&random, 8));
            rig_init(&g, 4);
            disk_destroy(g.disk);
            g.disk = restored();
            g.config.segment_bytes = 16384;
            log->bytes[at] ^= bit;
            put(g.disk, log->path, log->bytes, log->size);
            log->bytes[at] ^= bit;
            ck_assert_int_eq(rig_try_power(&g, &msg), ERR_OK);
            enum err e = rig_try_open(&g, false, &msg);
            if (e == ERR_OK) {
                ck_assert_uint_eq(log_high_watermark(g.log), full_offset);
                e = read_through(&g);
            }
            ck_assert_msg(e == ERR_CORRUPT, "bit at %llu of %s: %s", (unsigned long long)at, log->path, err_text(e));
            rig_abandon(&g);
            rig_end(&g);
        }
    }
}
END_TEST

START_TEST(lost_or_damaged_indexes_are_made_anew)
{
    for (int which = SEGMENT_INDEX; which < SEGMENT_FILE_COUNT; which++) {
        for (int how = 0; how < 3; how++) {
            struct rig g;
            rig_init(&g, 4);
            disk_destroy(g.disk);
            g.disk = restored();
            g.config.segment_bytes = 16384;
            for (int segment = 0; segment < 2; segment++) {
                struct kept *k = kept_find(segment == 0 ? 0 : active_base, (enum segment_file)which);
                ck_assert_ptr_nonnull(k);
                if (how == 0) ck_assert_int_eq(disk_unlink(g.disk, k->path), 0);
                if (how == 1) put(g.disk, k->path, k->bytes, k->size / 2 + 1);
                if (how == 2)
                    put(g.disk, k->path,
                        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                        "\xff",
                        24);
            }
            rig_power(&g, 0);
            rig_open(&g, false);
            ck_assert_uint_eq(log_high_watermark(g.log), full_offset);
            for (uint64_t offset = 0; offset < full_offset; offset += 3) {
                struct log_cursor cursor = {{0}};
                struct log_slice slice;
                ck_assert_int_eq(rig_read(&g, offset, 1, true, &cursor, &slice), ERR_OK);
                slice_check(&slice, offset, g.seed);
                rig_release(&g, &slice);
            }
            ck_assert_int_eq(read_through(&g), ERR_OK);
            rig_stop(&g);
            rig_end(&g);
        }
    }
}
END_TEST

static void open_fails(struct disk *d, enum err expected, const char *word)
{
    struct rig g;
    struct err_msg msg = {.text = ""};
    rig_init(&g, 4);
    disk_destroy(g.disk);
    g.disk = d;
    g.config.segment_bytes = 16384;
    enum err e = rig_try_power(&g, &msg);
    bool is_up = e == ERR_OK;
    if (is_up) e = rig_try_open(&g, false, &msg);
    ck_assert_msg(e == expected, "%s: %s", err_text(e), msg.text);
    ck_assert_msg(strstr(msg.text, word) != NULL, "\"%s\" does not name %s", msg.text, word);
    if (is_up) rig_abandon(&g);
    else counters_close(g.counters);
    rig_end(&g);
}

START_TEST(missing_foreign_and_newer_files_are_named)
{
    struct disk *d = restored();
    ck_assert_int_eq(disk_unlink(d, kept_find(active_base, SEGMENT_LOG)->path), 0);
    open_fails(d, ERR_CORRUPT, "missing");
    d = restored();
    ck_assert_int_eq(disk_unlink(d, kept_find(0, SEGMENT_LOG)->path), 0);
    open_fails(d, ERR_CORRUPT, "missing");
    d = restored();
    put(d, FOLDER "/checkpoint", "millrace-checkpoint 1\nnonsense\ncrc32c 00000000\n", 46);
    open_fails(d, ERR_CORRUPT, "checkpoint");
    d = restored();
    const struct log_identity other = {.name = "payments"};
    struct err_msg msg;
    ck_assert_int_eq(meta_write(d, "data/orders", &other, &msg), ERR_OK);
    open_fails(d, ERR_CORRUPT, "payments");
    d = restored();
    put(d, "data/format", "millrace-data 9\ncrc32c 71dd1dc3\n", 32);
    open_fails(d, ERR_CORRUPT, "format"); /* the checksum of this line is another */
    d = restored();
    put(d, "data/orders/channel.meta", "", 0);
    open_fails(d, ERR_CORRUPT, "channel.meta");
}
END_TEST

START_TEST(without_a_checkpoint_the_whole_log_is_verified)
{
    struct disk *d = restored();
    struct recovered r;
    struct err_msg msg = {.text = ""};
    ck_assert_int_eq(disk_unlink(d, FOLDER "/checkpoint"), 0);
    ck_assert_msg(recover(d, &r, &msg) == ERR_OK, "%s", msg.text);
    ck_assert_uint_eq(r.resume.next_offset, full_offset);
    ck_assert_uint_eq(r.segment_count, 2);
    ck_assert_uint_eq(r.resume.gtid_set_offset, active_base);
    recovered_fini(&r);
    disk_destroy(d);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT); /* errors are what is tested */
    Suite *s = suite_create("storage");
    TCase *c = tcase_create("recovery");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_cut_anywhere_gives_whole_transactions_or_a_named_error);
    tcase_add_test(c, a_flipped_bit_behind_the_point_cuts_there);
    tcase_add_test(c, a_flipped_bit_in_durable_data_is_named_never_cut);
    tcase_add_test(c, lost_or_damaged_indexes_are_made_anew);
    tcase_add_test(c, missing_foreign_and_newer_files_are_named);
    tcase_add_test(c, without_a_checkpoint_the_whole_log_is_verified);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
