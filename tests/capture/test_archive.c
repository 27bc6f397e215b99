/* Goal: a folder of binlog files gives the records that their server's stream would have given, each once, whatever
 * state a copy of them is in; and where it cannot, the channel ends with words that name the file.
 * Method: a binlog made by hand is followed once from the simulated source, and then from files of it, which are cut,
 * grow, are replaced, damaged, and lack one another. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "capture/binlog_header.h"
#include "capture/precheck.h"
#include "tests/capture/archive_folder.h"
#include "tests/capture/memory_peak.h"
#include "tests/suite.h"

START_TEST(whole_folder)
{
    struct capture_status s;
    folder_run_calm();
    folder_put_files();
    folder_put_bytes("notes.txt", "x", 1);
    folder_put_bytes("mysql-bin.000001.gz", "x", 1);
    folder_open();
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, FILES * TRANSACTIONS);
    ck_assert_int_eq(capture_delay_ms(w.capture, UINT64_MAX), 0);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* Stopped at any place and taken up again, as often as there are batches. */
START_TEST(taken_up_again)
{
    struct capture_status s;
    folder_run_calm();
    folder_put_files();
    w.config.batch_bytes_target = 1;
    for (unsigned i = 0; i < 40; i++) {
        folder_open();
        for (unsigned k = 0; k < 1 + i % 7; k++) {
            capture_step(w.capture);
            fake_storage_step(&w.storage);
            capture_status(w.capture, &s);
            if (s.state == CAPTURE_AT_TAIL) break;
        }
        world_leave(&w);
    }
    folder_open();
    ck_assert_msg(folder_run(0, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

START_TEST(further_file_comes)
{
    struct capture_status s;
    folder_run_calm();
    folder_put_files();
    folder_remove_file(FILES - 1);
    folder_open();
    ck_assert_msg(folder_run((FILES - 1) * TRANSACTIONS, &s), "%s", s.error.text);
    folder_stays(3, (FILES - 1) * TRANSACTIONS);
    folder_put_file(FILES - 1, 0);
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

START_TEST(missing_file)
{
    folder_put_files();
    folder_remove_file(1);
    folder_ends_with(ERR_SOURCE_PURGED, calm.source.file[1].name, "missing");
}
END_TEST

/* Beyond 4 GiB the events' own places have lost their upper half.  The file has holes, which nobody reads. */
START_TEST(beyond_4_gib)
{
    enum { FILLERS = 4 };
    struct capture_status s;
    struct source_position place = {.format_description_s = 1700000000};
    char path[160];
    world_fini(&calm);
    folder_make(1, false);
    struct stream_sim_file *f = &calm.source.file[0];
    size_t at = f->size; /* of the third transaction: the file has them one like the other */
    uint8_t *bytes = malloc(f->size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, f->bytes, f->size);
    for (uint32_t i = 0, n = 0; i < f->size; n++) {
        struct cursor in = cursor_of(bytes + (i == 0 ? BINLOG_FIRST_POSITION : i), BINLOG_HEADER_BYTES);
        struct binlog_header h;
        ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
        if (i == 0) {
            i = BINLOG_FIRST_POSITION;
            place.format_description_s = h.timestamp_s;
        }
        if (n == 2 + 2 * 4) at = i; /* FORMAT_DESCRIPTION, PREVIOUS_GTIDS, four events a transaction */
        i += h.event_size;
    }
    uint64_t start = (UINT64_C(1) << 32) - 100, shift = start - at, filler = shift / FILLERS;
    folder_put_bytes(f->name, bytes, at);
    folder_path(path, f->name);
    FILE *out = fopen(path, "r+");
    ck_assert_ptr_nonnull(out);
    uint64_t to = at;
    for (int i = 0; i < FILLERS; i++) {
        uint64_t size = i + 1 < FILLERS ? filler : start - to;
        uint8_t header[BINLOG_HEADER_BYTES] = {0};
        struct sink h = sink_of(header, sizeof header);
        sink_le(&h, 1700000000, 4);
        sink_le(&h, BINLOG_IGNORABLE, 1);
        sink_le(&h, 1, 4);
        sink_le(&h, size, 4);
        sink_le(&h, to + size, 4);
        sink_le(&h, BINLOG_FLAG_IGNORABLE, 2);
        ck_assert(fseeko(out, (off_t)to, SEEK_SET) == 0 && fwrite(header, 1, sizeof header, out) == sizeof header);
        to += size;
    }
    for (size_t i = at; i < f->size;) {
        struct cursor in = cursor_of(bytes + i, BINLOG_HEADER_BYTES);
        struct binlog_header h;
        ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
        struct sink next = sink_of(bytes + i + 13, 4);
        sink_le(&next, h.next_position + shift, 4);
        struct sink sum = sink_of(bytes + i + h.event_size - 4, 4);
        sink_le(&sum, crc32_zlib(0, bytes + i, h.event_size - 4), 4);
        i += h.event_size;
    }
    ck_assert(fseeko(out, (off_t)start, SEEK_SET) == 0 && fwrite(bytes + at, 1, f->size - at, out) == f->size - at);
    fclose(out);
    free(bytes);
    snprintf(place.file, sizeof place.file, "%s", f->name);
    place.position = start;
    w.storage.resume.position_bytes = (uint32_t)source_position_encode(&place, w.storage.resume.position);
    w.config.packet_bytes_max = UINT64_C(2) << 30;
    for (int i = 0; i < 2; i++) { /* taken up before 4 GiB, and behind */
        folder_open();
        ck_assert_msg(folder_run(i == 0 ? 2 : 0, &s), "%s", s.error.text);
        ck_assert_uint_eq(s.transactions, i == 0 ? 2 : 0);
        ck_assert_uint_eq(s.position, f->size + shift);
        world_leave(&w);
    }
}
END_TEST

START_TEST(what_is_no_binlog)
{
    static const struct {
        uint8_t bytes[24];
        size_t size;
        enum err code;
        const char *words;
    } cases[] = {
        {"\xfd" "bin", 24, ERR_UNSUPPORTED, "encrypted"},
        {"\x1f\x8b\x08\x00", 24, ERR_UNSUPPORTED, "no binlog file"},
        {"\xfe" "bin\0\0\0\0\1\1\0\0\0\x4b\0\0\0\x4f", 24, ERR_UNSUPPORTED, "FORMAT_DESCRIPTION"},
        {"\xfe" "bin\0\0\0\0\x0f\1\0\0\0\3\0\0\0", 24, ERR_CORRUPT, "damaged"},
        {"\xfe" "bin", 4, ERR_NOT_FOUND, "empty"},
        {"", 0, ERR_NOT_FOUND, "empty"},
    };
    folder_put_bytes("binlog.000001", cases[_i].bytes, cases[_i].size);
    folder_ends_with(cases[_i].code, cases[_i].words, "binlog.000001");
}
END_TEST

START_TEST(damaged_and_odd_files)
{
    static const char *const words[] = {"checksum", "belongs", "relay log", "encrypted", "5.0"};
    const enum err codes[] = {ERR_CORRUPT, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_UNSUPPORTED, ERR_UNSUPPORTED};
    struct stream_sim_file *f = &calm.source.file[0];
    if (_i == 0) f->bytes[f->size / 2]++;
    if (_i == 2) folder_patch_format(0, 4 + 17, 0x40, 2);
    if (_i == 1 || _i == 3) { /* a piece is cut from its middle; an event of MariaDB's encryption */
        struct world other;
        world_init(&other, 1);
        other.maker.jump_bytes = _i == 1 ? 40 : 0;
        binlog_maker_event(&other.maker, _i == 1 ? BINLOG_XID : BINLOG_MARIADB_START_ENCRYPTION, "0123456789", 10);
        folder_put_bytes(f->name, other.source.file[0].bytes, other.source.file[0].size);
        world_fini(&other);
    }
    if (_i == 4) {
        memcpy(f->bytes + 4 + 19 + 2, "5.0.86-log\0", 11);
        folder_patch_format(0, FORMAT_CREATED_AT, 0, 4);
    }
    if (_i != 1 && _i != 3) folder_put_file(0, 0);
    struct capture_status s;
    folder_open();
    ck_assert(!folder_run(UINT64_MAX, &s));
    ck_assert_msg(s.error.code == codes[_i] && strstr(s.error.text, words[_i]) != NULL, "error %d: %s", s.error.code,
                  s.error.text);
}
END_TEST

START_TEST(starts)
{
    struct capture_status s;
    static const char uuid[] = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    char set[80];
    const uint64_t expected[] = {FILES * TRANSACTIONS, (FILES - 1) * TRANSACTIONS, FILES * TRANSACTIONS - 6,
                                 FILES * TRANSACTIONS - 2, 0};
    folder_put_files();
    snprintf(set, sizeof set, "%s:1-6", uuid);
    switch (_i) {
    case 0: w.config.start = CAPTURE_START_EARLIEST; break;
    case 1:
        w.config.start = CAPTURE_START_POSITION;
        w.config.start_file = calm.source.file[1].name;
        w.config.start_position = 4;
        break;
    case 2: w.config.start = CAPTURE_START_GTID_SET; w.config.start_gtid_set = set; break;
    case 3: w.config.start = CAPTURE_START_TIME; w.config.start_time_s = 1700000000 + 20; break;
    case 4: w.config.start = CAPTURE_START_NOW; break;
    }
    folder_open();
    ck_assert_msg(folder_run(expected[_i], &s), "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, expected[_i]);
    if (_i != 4) return;
    binlog_maker_file(&calm.maker, true);
    folder_transactions(9000, true);
    folder_put_file(FILES - 1, 0);
    folder_put_file(FILES, 0);
    ck_assert_msg(folder_run(TRANSACTIONS, &s), "%s", s.error.text);
}
END_TEST

START_TEST(start_within_a_transaction)
{
    folder_put_files();
    w.config.start = CAPTURE_START_POSITION;
    w.config.start_file = calm.source.file[1].name;
    w.config.start_position = calm.source.file[1].size - 100;
    folder_ends_with(ERR_INVALID, "within", calm.source.file[1].name);
}
END_TEST

/* The place lies in the event in which the copy is cut: neither a check nor a start waits for the rest. */
START_TEST(start_behind_the_whole_events)
{
    folder_put_files();
    folder_remove_file(2);
    folder_put_file(1, calm.source.file[1].size - 100);
    w.config.start = CAPTURE_START_POSITION;
    w.config.start_file = calm.source.file[1].name;
    w.config.start_position = calm.source.file[1].size - 101;
    struct capture_status s;
    folder_open();
    for (int i = 0; i < 20; i++) capture_step(w.capture);
    capture_status(w.capture, &s);
    ck_assert_msg(s.error.code == ERR_CONNECT && strstr(s.error.text, "copy it once more") != NULL, "%d: %s",
                  s.error.code, s.error.text);
}
END_TEST

/* The folder holds another server's files under the same names, and no GTIDs tell that they have the same
 * transactions. */
START_TEST(other_history)
{
    struct capture_status s;
    world_fini(&calm);
    folder_make(FILES, false);
    folder_put_files();
    folder_open();
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    folder_patch_format(FILES - 1, 4, 1699999999, 4);
    folder_put_file(FILES - 1, 0);
    folder_ends_with(ERR_SOURCE_HISTORY, calm.source.file[FILES - 1].name, "begun at another time");
}
END_TEST

/* The last file is of another server of the same history, which has more transactions by then (0), or fewer (1). */
START_TEST(files_of_two_servers)
{
    folder_put_files();
    world_fini(&calm);
    world_init(&calm, 1);
    folder_transactions(0, true);
    for (uint32_t i = 1; i < FILES; i++) {
        binlog_maker_file(&calm.maker, true);
        if (_i == 0) folder_transactions(1000 * i, true);
        if (_i == 0 || i == FILES - 1) folder_transactions(1000 * i + 500, true);
    }
    folder_put_file(FILES - 1, 0);
    folder_ends_with(ERR_SOURCE_HISTORY, calm.source.file[FILES - 1].name,
              _i == 0 ? "behind transactions that the file before it does not have"
                      : "before transactions that the file before it has");
}
END_TEST

/* A row of `table`, which has a BIGINT more in the binlog than in its definition. */
static void row_with_more(const char *table, bool is_nullable)
{
    uint8_t map[64], row[] = {1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 7, 0, 9, 0, 0, 0, 1, 0, 'x', 1, 0, 0, 0, 0, 0, 0, 0};
    struct sink out = sink_of(map, sizeof map);
    sink_le(&out, 1, 6);
    sink_le(&out, 1, 2);
    sink_le(&out, 3, 1);
    sink_bytes(&out, "app", 4);
    sink_le(&out, strlen(table), 1);
    sink_bytes(&out, table, strlen(table) + 1);
    sink_bytes(&out, is_nullable ? "\3\3\374\10\1\2\6" : "\3\3\374\10\1\2\2", 7);
    binlog_maker_gtid(&calm.maker);
    binlog_maker_query(&calm.maker, "app", "BEGIN");
    binlog_maker_event(&calm.maker, BINLOG_TABLE_MAP, map, (size_t)(out.at - map));
    binlog_maker_event(&calm.maker, BINLOG_WRITE_ROWS, row, sizeof row);
    binlog_maker_xid(&calm.maker);
}

/* ApsaraDB RDS hides a BIGINT NOT NULL behind the columns of tables without a primary key (0); other columns that are
 * not known are an error (1: one that may be NULL; 2: of a table with a key). */
START_TEST(hidden_row_id)
{
    static const char text[] = "CREATE DATABASE app CHARACTER SET utf8mb4;"
                               "CREATE TABLE app.kept (id int NOT NULL, text text) CHARSET=utf8mb4;"
                               "CREATE TABLE app.other (id int NOT NULL, text text, PRIMARY KEY (id)) CHARSET=utf8mb4;";
    struct capture_status s;
    folder_put_bytes("schema.sql", text, strlen(text));
    row_with_more(_i == 2 ? "other" : "kept", _i == 1);
    folder_put_files();
    if (_i > 0) {
        folder_ends_with(ERR_SCHEMA, _i == 2 ? "app.other" : "app.kept", "columns");
        return;
    }
    folder_open();
    ck_assert_msg(folder_run(FILES * TRANSACTIONS + 1, &s), "%s", s.error.text);
    ck_assert_uint_eq(s.row_changes, 3 * FILES * TRANSACTIONS + 1);
}
END_TEST

START_TEST(unknown_definition)
{
    folder_put_files();
    w.config.schema_file = NULL;
    folder_ends_with(ERR_SCHEMA, "app.kept", "schema_file");
}
END_TEST

/* Two servers' files in one folder: refused, unless an index file says which. */
START_TEST(index_file)
{
    struct capture_status s;
    char line[128];
    folder_put_files();
    folder_put_bytes("other-bin.000007", "\xfe" "bin", 4);
    if (_i == 0) {
        folder_ends_with(ERR_INVALID, "several names", "other-bin.000007");
        return;
    }
    snprintf(line, sizeof line, "./%s\n", calm.source.file[0].name);
    folder_put_bytes("the.index", line, strlen(line));
    folder_open();
    ck_assert_msg(folder_run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
}
END_TEST

START_TEST(checked_before)
{
    static struct precheck_report report;
    struct err_msg msg = {0};
    unsigned skipped = 0;
    folder_put_files();
    ck_assert_msg(capture_precheck(&w.config, 1, &report, &msg) == ERR_OK, "%s", msg.text);
    for (uint32_t i = 0; i < report.count; i++) {
        const struct precheck_item *item = &report.item[i];
        skipped += item->verdict == PRECHECK_SKIPPED;
        if (item->verdict == PRECHECK_SKIPPED) ck_assert_ptr_nonnull(strstr(item->found, "not"));
        if (strcmp(item->name, "start") == 0) ck_assert_ptr_nonnull(strstr(item->found, calm.source.file[0].name));
        if (strcmp(item->name, "definitions") == 0) ck_assert_ptr_nonnull(strstr(item->found, "2 of"));
    }
    ck_assert_uint_eq(report.count, 14);
    ck_assert_uint_eq(skipped, 9);
    folder_remove_file(1);
    ck_assert_int_eq(capture_precheck(&w.config, 1, &report, &msg), ERR_OK); /* the channel would wait */
    folder_quiet();
    ck_assert_int_eq(capture_precheck(&w.config, 1, &report, &msg), ERR_SOURCE_PURGED);
    ck_assert_ptr_nonnull(strstr(msg.text, calm.source.file[1].name));
}
END_TEST

/* One event of 50 MB (MILLRACE_LONG: 500): memory for it once, and little beside. */
START_TEST(large_event)
{
    enum { TEXT_BYTES = 50000, BESIDE_KIB = 32 << 10 };
    uint32_t rows = getenv("MILLRACE_LONG") != NULL ? 10000 : 1000;
    struct capture_status s;
    world_fini(&calm);
    folder_make(1, true);
    binlog_maker_gtid(&calm.maker);
    binlog_maker_query(&calm.maker, "app", "BEGIN");
    binlog_maker_table_map(&calm.maker, 1, "app", "kept");
    binlog_maker_write(&calm.maker, 1, 100000, rows, TEXT_BYTES);
    binlog_maker_xid(&calm.maker);
    folder_put_files();
    w.config.packet_bytes_max = 1u << 30;
    w.storage.keeps_records = false;
    uint64_t event_kib = calm.source.file[0].size >> 10;
    world_fini(&calm);
    world_init(&calm, 1);
    uint64_t before_kib = memory_peak_begin_kib();
    folder_open();
    ck_assert_msg(folder_run(TRANSACTIONS + 1, &s), "%s", s.error.text);
    ck_assert_uint_eq(s.row_changes, 3 * TRANSACTIONS + rows);
    uint64_t grown_kib = memory_peak_kib(before_kib);
    printf("an event of %" PRIu64 " KiB in a file: %" PRIu64 " KiB of memory\n", event_kib, grown_kib);
    if (MEMORY_PEAK_IS_TRUE) ck_assert_uint_lt(grown_kib, event_kib + BESIDE_KIB);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("archive");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, folder_setup, folder_teardown);
    tcase_add_test(cases, whole_folder);
    tcase_add_test(cases, large_event);
    tcase_add_test(cases, taken_up_again);
    tcase_add_test(cases, further_file_comes);
    tcase_add_test(cases, missing_file);
    tcase_add_test(cases, beyond_4_gib);
    tcase_add_loop_test(cases, what_is_no_binlog, 0, 6);
    tcase_add_loop_test(cases, damaged_and_odd_files, 0, 5);
    tcase_add_loop_test(cases, starts, 0, 5);
    tcase_add_test(cases, start_within_a_transaction);
    tcase_add_test(cases, start_behind_the_whole_events);
    tcase_add_test(cases, other_history);
    tcase_add_loop_test(cases, files_of_two_servers, 0, 2);
    tcase_add_loop_test(cases, hidden_row_id, 0, 3);
    tcase_add_test(cases, unknown_definition);
    tcase_add_loop_test(cases, index_file, 0, 2);
    tcase_add_test(cases, checked_before);
    Suite *suite = suite_create("archive");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
