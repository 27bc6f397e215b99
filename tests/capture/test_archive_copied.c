/* Goal: whoever copies binlog files into a channel's folder, in whatever order and state, sees no error before he is
 * done; what the copy then lacks is one, and what a crash took from the server is none.
 * Method: as test_archive, with files that come in pieces. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/binlog_header.h"
#include "tests/capture/archive_folder.h"
#include "tests/suite.h"

/* The last file is there up to any byte; then the rest comes, at its place or as another file with its name. */
START_TEST(copied_in_mid_write)
{
    struct capture_status s;
    char path[160], other[160];
    folder_run_calm();
    const struct stream_sim_file *last = &calm.source.file[FILES - 1];
    for (unsigned i = 0; i < 12; i++) {
        size_t size = i < 5 ? i : 5 + random_below(&calm.source.random, last->size - 5);
        folder_put_files();
        folder_put_file(FILES - 1, size == 0 ? last->size : size);
        folder_open();
        ck_assert_msg(folder_run((FILES - 1) * TRANSACTIONS, &s), "%zu of %zu bytes: %s", size, last->size,
                      s.error.text);
        folder_stays(1, s.transactions);
        if (i % 2 == 0) {
            folder_path(path, last->name);
            folder_path(other, "incoming");
            folder_put_bytes("incoming", last->bytes, last->size);
            ck_assert_int_eq(rename(other, path), 0);
        } else {
            folder_put_file(FILES - 1, 0);
        }
        ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%zu bytes: %s", size, s.error.text);
        world_leave(&w);
        world_assert_same_changes(&calm, &w);
        world_fini(&w);
        world_init(&w, 1);
        w.config.files = folder;
        w.config.schema_file = schema;
        w.config.heartbeat_ms = 100;
    }
}
END_TEST

/* Files come in any order, in pieces, over others, while the channel is there already. */
START_TEST(copied_in_any_order)
{
    struct capture_status s;
    is_copying = true;
    folder_run_calm();
    folder_put_file(1, calm.source.file[1].size / 2);
    folder_open_busy();
    folder_stays(3, 0);
    folder_put_file(0, 100);
    folder_stays(2, 0);
    folder_put_file(0, 0);
    ck_assert_msg(folder_run(TRANSACTIONS, &s), "%s", s.error.text);
    folder_put_file(2, 0); /* the second is still a half */
    folder_stays(10, s.transactions);
    folder_put_file(1, 0);
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    folder_put_file(2, calm.source.file[2].size / 3); /* and once more over itself */
    folder_stays(2, FILES * TRANSACTIONS);
    folder_put_bytes(calm.source.file[2].name, "", 0);
    folder_stays(2, FILES * TRANSACTIONS);
    folder_remove_file(2);
    folder_stays(2, FILES * TRANSACTIONS);
    folder_put_file(2, 0);
    folder_stays(2, FILES * TRANSACTIONS);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* A file is missing behind the one being read: waited for while somebody copies, then an Error; at once where only
 * a server's other files are written. */
START_TEST(missing_later)
{
    struct capture_status s;
    folder_put_bytes("ibdata1", "", 0);
    if (_i == 2) w.config.heartbeat_ms = 1000; /* copying would be waited for longer than this test waits */
    folder_put_file(0, 0);
    folder_open();
    ck_assert_msg(folder_run(TRANSACTIONS, &s), "%s", s.error.text);
    folder_put_file(2, 0);
    is_copying = _i != 2;
    if (is_copying) folder_stays(3, TRANSACTIONS);
    if (_i != 1) {
        folder_quiet();
        folder_put_bytes("ibdata1", "x", 1);
        ck_assert(!folder_run(UINT64_MAX, &s));
        ck_assert_msg(s.error.code == ERR_SOURCE_PURGED && strstr(s.error.text, calm.source.file[1].name) != NULL, "%s",
                      s.error.text);
        return;
    }
    folder_put_file(1, 0);
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    folder_remove_file(0); /* nobody needs it any more */
    folder_put_bytes("binlog.000000", "", 0);
    folder_open();
    ck_assert_msg(folder_run(0, &s), "%s", s.error.text);
}
END_TEST

/* Another server's file comes under the name of the one being read. */
START_TEST(replaced_by_another)
{
    struct capture_status s;
    folder_put_files();
    folder_open();
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    folder_patch_format(FILES - 1, 4, 1699999999, 4);
    folder_put_file(FILES - 1, 0);
    folder_quiet();
    ck_assert(!folder_run(UINT64_MAX, &s));
    ck_assert_msg(s.error.code == ERR_SOURCE_HISTORY && strstr(s.error.text, "another time") != NULL, "%s",
                  s.error.text);
}
END_TEST

/* A damaged copy is replaced by another file with its name, while somebody copies. */
START_TEST(damaged_replaced)
{
    struct capture_status s;
    char path[160], other[160];
    struct stream_sim_file *f = &calm.source.file[FILES - 1];
    folder_run_calm();
    for (uint32_t i = 0; i < FILES - 1; i++) folder_put_file(i, 0);
    folder_open();
    ck_assert_msg(folder_run((FILES - 1) * TRANSACTIONS, &s), "%s", s.error.text);
    is_copying = true;
    size_t at = BINLOG_FIRST_POSITION + f->bytes[BINLOG_FIRST_POSITION + 9] + 13; /* where the next event ends */
    f->bytes[at] ^= 1;
    folder_put_file(FILES - 1, 0);
    f->bytes[at] ^= 1;
    folder_stays(4, s.transactions);
    folder_path(path, f->name);
    folder_path(other, "incoming");
    folder_put_bytes("incoming", f->bytes, f->size);
    ck_assert_int_eq(rename(other, path), 0);
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* A file that does not go on the one before it comes under the next name, while somebody copies: it is waited for, also
 * by a channel that is started anew (1), and none of its rows come. */
START_TEST(another_file_waits)
{
    struct capture_status s;
    world_fini(&calm);
    folder_make(FILES + 1, true);
    const size_t size = calm.source.file[FILES].size;
    uint8_t *bytes = malloc(size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, calm.source.file[FILES].bytes, size);
    world_fini(&calm);
    folder_make(FILES, true);
    folder_run_calm();
    for (uint32_t i = 0; i < FILES - 1; i++) folder_put_file(i, 0);
    folder_open();
    ck_assert_msg(folder_run((FILES - 1) * TRANSACTIONS, &s), "%s", s.error.text);
    is_copying = true;
    folder_put_bytes(calm.source.file[FILES - 1].name, bytes, size);
    free(bytes);
    folder_stays(6, s.transactions);
    if (_i == 1) {
        world_leave(&w);
        folder_open_busy();
        folder_stays(6, 0);
    }
    capture_status(w.capture, &s);
    ck_assert_msg(strstr(s.error.text, "behind transactions that the file before it does not have") != NULL, "%s",
                  s.error.text);
    folder_put_file(FILES - 1, 0);
    ck_assert_msg(folder_run(s.transactions + TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* A copy that was taken while the server wrote, and a further file that was begun by ROTATE: never passed over. */
START_TEST(cut_before_a_further_file)
{
    folder_put_files();
    const struct stream_sim_file *f = &calm.source.file[1];
    folder_put_file(1, _i == 0 ? f->size - 200 : f->size - 48); /* within an event; before ROTATE, or about there */
    folder_ends_with(ERR_SOURCE_HISTORY, f->name, "copy");
}
END_TEST

/* So much was copied of the middle file, and the server was started anew behind it: nothing, a part of its
 * FORMAT_DESCRIPTION, its head, behind which it has transactions without GTIDs while those before have some. */
START_TEST(cut_at_its_head)
{
    world_fini(&calm);
    folder_make(1, _i == 2);
    for (uint32_t i = 1; i < FILES; i++) {
        binlog_maker_file(&calm.maker, true);
        folder_transactions(1000 * i, false);
    }
    folder_patch_format(1, 4 + 17, BINLOG_FLAG_IN_USE, 2);
    folder_patch_format(2, FORMAT_CREATED_AT, 1700000100, 4);
    const struct stream_sim_file *f = &calm.source.file[1];
    size_t head = BINLOG_FIRST_POSITION;
    for (int i = 0; i < 2; i++) head += (size_t)f->bytes[head + 9] + 256u * f->bytes[head + 10];
    const size_t sizes[] = {0, 50, head};
    folder_put_files();
    folder_put_bytes(f->name, f->bytes, sizes[_i]);
    folder_ends_with(ERR_SOURCE_HISTORY, f->name, "cut");
}
END_TEST

/* The server crashed in the middle of a transaction and came back with a new file: that transaction never happened.
 * 0: GTIDs say that all is there; 1: that something is not; 2: nothing says so, and the file is marked as in use; 3: it
 * was closed by the server that came back. */
START_TEST(crashed_server)
{
    struct capture_status s;
    world_fini(&calm);
    folder_make(1, _i < 2);
    size_t whole = calm.source.file[0].size;
    if (_i == 2) folder_patch_format(0, 4 + 17, BINLOG_FLAG_IN_USE, 2);
    binlog_maker_file(&calm.maker, false);
    folder_patch_format(1, FORMAT_CREATED_AT, 1700000100, 4);
    folder_transactions(1000, _i < 2);
    folder_run_calm();
    folder_put_files();
    folder_put_file(0, _i == 1 ? whole - 300 : whole);
    if (_i == 1 || _i == 2) {
        folder_ends_with(ERR_SOURCE_HISTORY, calm.source.file[0].name, "cut");
        return;
    }
    folder_open();
    ck_assert_msg(folder_run(2 * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* Before MySQL 5.6 nobody mends a file that a crash has left: it ends anywhere, marked as in use.  (The maker writes
 * checksums, which among such servers only MariaDB's have.) */
START_TEST(crashed_old_server)
{
    static const size_t cut[] = {0, 60};
    struct capture_status s;
    world_fini(&calm);
    folder_make(1, false);
    calm.source.version = "5.5.68-MariaDB";
    binlog_maker_query(&calm.maker, "app", "BEGIN");
    binlog_maker_table_map(&calm.maker, 1, "app", "kept");
    binlog_maker_write(&calm.maker, 1, 500, 3, 40);
    binlog_maker_file(&calm.maker, false);
    folder_transactions(1000, false);
    for (uint32_t i = 0; i < 2; i++) {
        memset(calm.source.file[i].bytes + 4 + 19 + 2, 0, 50);
        memcpy(calm.source.file[i].bytes + 4 + 19 + 2, "5.5.68-MariaDB\0", 15);
        folder_patch_format(i, FORMAT_CREATED_AT, 1700000000 + 100 * i, 4);
    }
    folder_patch_format(0, 4 + 17, BINLOG_FLAG_IN_USE, 2);
    folder_run_calm();
    folder_put_files();
    folder_put_file(0, calm.source.file[0].size - cut[_i]);
    folder_open();
    ck_assert_msg(folder_run(2 * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("archive_copied");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, folder_setup, folder_teardown);
    tcase_add_test(cases, copied_in_mid_write);
    tcase_add_test(cases, copied_in_any_order);
    tcase_add_loop_test(cases, missing_later, 0, 3);
    tcase_add_test(cases, replaced_by_another);
    tcase_add_test(cases, damaged_replaced);
    tcase_add_loop_test(cases, another_file_waits, 0, 2);
    tcase_add_loop_test(cases, crashed_old_server, 0, 2);
    tcase_add_loop_test(cases, cut_before_a_further_file, 0, 2);
    tcase_add_loop_test(cases, cut_at_its_head, 0, 3);
    tcase_add_loop_test(cases, crashed_server, 0, 4);
    Suite *suite = suite_create("archive_copied");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
