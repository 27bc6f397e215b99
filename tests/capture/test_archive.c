/* Goal: a folder of binlog files gives the records that their server's stream would have given, each once, whatever
 * state a copy of them is in; and where it cannot, the channel ends with words that name the file.
 * Method: a binlog made by hand is followed once from the simulated source, and then from files of it, which are cut,
 * grow, are replaced, damaged, and lack one another. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "capture/binlog_header.h"
#include "capture/precheck.h"
#include "tests/capture/capture_world.h"
#include "tests/capture/memory_peak.h"

enum { FILES = 3, TRANSACTIONS = 4 /* a file */, DEADLINE_MS = 20000, FORMAT_CREATED_AT = 4 + 19 + 2 + 50 };

static struct world calm, w;
static char folder[64], schema[160];

/* --- files --- */

static void path_of(char out[static 160], const char *name)
{
    snprintf(out, 160, "%s/%s", folder, name);
}

static void put_bytes(const char *name, const void *bytes, size_t size)
{
    char path[160];
    path_of(path, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* The first `size` bytes (0: all) of a file of the calm source, as it is on a disk. */
static void put_file(uint32_t index, size_t size)
{
    const struct stream_sim_file *f = &calm.source.file[index];
    put_bytes(f->name, f->bytes, size == 0 ? f->size : size);
}

static void put_files(void)
{
    for (uint32_t i = 0; i < calm.source.file_count; i++) put_file(i, 0);
}

static void remove_file(uint32_t index)
{
    char path[160];
    path_of(path, calm.source.file[index].name);
    ck_assert_int_eq(unlink(path), 0);
}

/* Changes a field of a file's FORMAT_DESCRIPTION, checksum included. */
static void patch_format(uint32_t index, size_t at, uint32_t value, unsigned bytes)
{
    uint8_t *b = calm.source.file[index].bytes;
    struct cursor in = cursor_of(b + BINLOG_FIRST_POSITION, BINLOG_HEADER_BYTES);
    struct binlog_header h;
    ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
    struct sink field = sink_of(b + at, bytes);
    sink_le(&field, value, bytes);
    size_t covered = h.event_size - BINLOG_CHECKSUM_BYTES;
    struct sink sum = sink_of(b + BINLOG_FIRST_POSITION + covered, 4);
    sink_le(&sum, crc32_zlib(0, b + BINLOG_FIRST_POSITION, covered), 4);
}

/* --- running --- */

static void transactions(uint32_t first_id, bool with_gtids)
{
    for (uint32_t i = 0; i < TRANSACTIONS; i++) {
        if (with_gtids) binlog_maker_gtid(&calm.maker);
        binlog_maker_query(&calm.maker, "app", "BEGIN");
        binlog_maker_table_map(&calm.maker, 1, "app", i % 2 == 0 ? "kept" : "other");
        binlog_maker_write(&calm.maker, 1, first_id + 10 * i, 3, 40);
        binlog_maker_xid(&calm.maker);
        calm.maker.now_s += 10;
    }
}

static void make_files(uint32_t count, bool with_gtids)
{
    world_init(&calm, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) binlog_maker_file(&calm.maker, true);
        transactions(1000 * i, with_gtids);
    }
}

static void setup(void)
{
    static const char text[] = "CREATE DATABASE app CHARACTER SET utf8mb4;"
                               "CREATE TABLE app.kept (id int NOT NULL, text text, PRIMARY KEY (id)) CHARSET=utf8mb4;"
                               "CREATE TABLE app.other (id int NOT NULL, text text, PRIMARY KEY (id)) CHARSET=utf8mb4;";
    log_set_level(LOG_LEVEL_COUNT);
    snprintf(folder, sizeof folder, "/tmp/millrace-archive-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path_of(schema, "schema.sql");
    put_bytes("schema.sql", text, strlen(text));
    make_files(FILES, true);
    world_init(&w, 1);
    w.config.files = folder;
    w.config.schema_file = schema;
    w.config.heartbeat_ms = 100;
}

static void teardown(void)
{
    char command[128];
    world_fini(&calm);
    world_fini(&w);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void storage_works(void *context)
{
    fake_storage_step(context);
}

static void open_capture(void)
{
    struct err_msg msg = {0};
    enum err e = capture_open_simulated(&w.capture, &w.config, &w.storage.feed, &w.storage.resume, &w.clock.clock,
                                        w.counters, NULL, storage_works, &w.storage, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ns(clock_real()) / 1000000;
}

/* Steps until `transactions` are read and nothing more is pending; false: capture ended. */
static bool run(uint64_t transactions, struct capture_status *s)
{
    for (uint64_t until = now_ms() + DEADLINE_MS;;) {
        capture_step(w.capture);
        fake_storage_step(&w.storage);
        w.clock.now_ns += 120000000;
        capture_status(w.capture, s);
        if (s->state == CAPTURE_ENDED) return false;
        if (s->state == CAPTURE_AT_TAIL && s->transactions >= transactions) return true;
        ck_assert_msg(now_ms() < until, "state %d after %" PRIu64 " transactions of %" PRIu64 ": %s", s->state,
                      s->transactions, transactions, s->error.text);
    }
}

/* More steps, in which nothing may come. */
static void stays(unsigned steps, uint64_t transactions)
{
    struct capture_status s;
    for (unsigned i = 0; i < steps; i++) {
        capture_step(w.capture);
        fake_storage_step(&w.storage);
        w.clock.now_ns += 120000000;
    }
    capture_status(w.capture, &s);
    ck_assert_msg(s.state != CAPTURE_ENDED, "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, transactions);
}

static void run_calm(void)
{
    struct capture_status s;
    world_capture(&calm);
    ck_assert_msg(world_run(&calm, 10000, &s), "%s", s.error.text);
}

static void ends_with(enum err code, const char *words, const char *more_words)
{
    struct capture_status s;
    open_capture();
    ck_assert_msg(!run(UINT64_MAX, &s), "it goes on");
    ck_assert_msg(s.error.code == code && strstr(s.error.text, words) != NULL &&
                      strstr(s.error.text, more_words) != NULL,
                  "error %d: %s", s.error.code, s.error.text);
}

/* --- tests --- */

START_TEST(whole_folder)
{
    struct capture_status s;
    run_calm();
    put_files();
    put_bytes("notes.txt", "x", 1);
    put_bytes("mysql-bin.000001.gz", "x", 1);
    open_capture();
    ck_assert_msg(run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, FILES * TRANSACTIONS);
    ck_assert_int_eq(s.delay_ms, 0);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* Stopped at any place and taken up again, as often as there are batches. */
START_TEST(taken_up_again)
{
    struct capture_status s;
    run_calm();
    put_files();
    w.config.batch_bytes_target = 1;
    for (unsigned i = 0; i < 40; i++) {
        open_capture();
        for (unsigned k = 0; k < 1 + i % 7; k++) {
            capture_step(w.capture);
            fake_storage_step(&w.storage);
            capture_status(w.capture, &s);
            if (s.state == CAPTURE_AT_TAIL) break;
        }
        world_leave(&w);
    }
    open_capture();
    ck_assert_msg(run(0, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

/* The last file is there up to any byte; then the rest comes, at its place or as another file with its name. */
START_TEST(copied_in_mid_write)
{
    struct capture_status s;
    char path[160], other[160];
    run_calm();
    const struct stream_sim_file *last = &calm.source.file[FILES - 1];
    for (unsigned i = 0; i < 12; i++) {
        size_t size = i < 5 ? i : 5 + random_below(&calm.source.random, last->size - 5);
        put_files();
        put_file(FILES - 1, size == 0 ? last->size : size);
        open_capture();
        ck_assert_msg(run((FILES - 1) * TRANSACTIONS, &s), "%zu of %zu bytes: %s", size, last->size, s.error.text);
        stays(1, s.transactions);
        if (i % 2 == 0) {
            path_of(path, last->name);
            path_of(other, "incoming");
            put_bytes("incoming", last->bytes, last->size);
            ck_assert_int_eq(rename(other, path), 0);
        } else {
            put_file(FILES - 1, 0);
        }
        ck_assert_msg(run(FILES * TRANSACTIONS, &s), "%zu bytes: %s", size, s.error.text);
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

START_TEST(further_file_comes)
{
    struct capture_status s;
    run_calm();
    put_files();
    remove_file(FILES - 1);
    open_capture();
    ck_assert_msg(run((FILES - 1) * TRANSACTIONS, &s), "%s", s.error.text);
    stays(3, (FILES - 1) * TRANSACTIONS);
    put_file(FILES - 1, 0);
    ck_assert_msg(run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
}
END_TEST

START_TEST(missing_file)
{
    put_files();
    remove_file(1);
    ends_with(ERR_SOURCE_PURGED, calm.source.file[1].name, "missing");
}
END_TEST

/* A copy that was taken while the server wrote, and a further file that was begun by ROTATE: never passed over. */
START_TEST(cut_before_a_further_file)
{
    put_files();
    const struct stream_sim_file *f = &calm.source.file[1];
    put_file(1, _i == 0 ? f->size - 200 : f->size - 48); /* within an event; before ROTATE, or about there */
    ends_with(ERR_SOURCE_HISTORY, f->name, "copy");
}
END_TEST

/* The server crashed in the middle of a transaction and came back with a new file: that transaction never happened.
 * 0: GTIDs say that all is there; 1: that something is not; 2: nothing says so, and the file is marked as in use; 3: it
 * was closed by the server that came back. */
START_TEST(crashed_server)
{
    struct capture_status s;
    world_fini(&calm);
    make_files(1, _i < 2);
    size_t whole = calm.source.file[0].size;
    if (_i == 2) patch_format(0, 4 + 17, BINLOG_FLAG_IN_USE, 2);
    binlog_maker_file(&calm.maker, false);
    patch_format(1, FORMAT_CREATED_AT, 1700000100, 4);
    transactions(1000, _i < 2);
    run_calm();
    put_files();
    put_file(0, _i == 1 ? whole - 300 : whole);
    if (_i == 1 || _i == 2) {
        ends_with(ERR_SOURCE_HISTORY, calm.source.file[0].name, "cut");
        return;
    }
    open_capture();
    ck_assert_msg(run(2 * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    world_assert_same_changes(&calm, &w);
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
    put_bytes("binlog.000001", cases[_i].bytes, cases[_i].size);
    ends_with(cases[_i].code, cases[_i].words, "binlog.000001");
}
END_TEST

START_TEST(damaged_and_odd_files)
{
    static const char *const words[] = {"checksum", "belongs", "relay log", "encrypted", "5.0"};
    const enum err codes[] = {ERR_CORRUPT, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_UNSUPPORTED, ERR_UNSUPPORTED};
    struct stream_sim_file *f = &calm.source.file[0];
    if (_i == 0) f->bytes[f->size / 2]++;
    if (_i == 2) patch_format(0, 4 + 17, 0x40, 2);
    if (_i == 1 || _i == 3) { /* a piece is cut from its middle; an event of MariaDB's encryption */
        struct world other;
        world_init(&other, 1);
        other.maker.jump_bytes = _i == 1 ? 40 : 0;
        binlog_maker_event(&other.maker, _i == 1 ? BINLOG_XID : BINLOG_MARIADB_START_ENCRYPTION, "0123456789", 10);
        put_bytes(f->name, other.source.file[0].bytes, other.source.file[0].size);
        world_fini(&other);
    }
    if (_i == 4) {
        memcpy(f->bytes + 4 + 19 + 2, "5.0.86-log\0", 11);
        patch_format(0, FORMAT_CREATED_AT, 0, 4);
    }
    if (_i != 1 && _i != 3) put_file(0, 0);
    struct capture_status s;
    open_capture();
    ck_assert(!run(UINT64_MAX, &s));
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
    put_files();
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
    open_capture();
    ck_assert_msg(run(expected[_i], &s), "%s", s.error.text);
    ck_assert_uint_eq(s.transactions, expected[_i]);
    if (_i != 4) return;
    binlog_maker_file(&calm.maker, true);
    transactions(9000, true);
    put_file(FILES - 1, 0);
    put_file(FILES, 0);
    ck_assert_msg(run(TRANSACTIONS, &s), "%s", s.error.text);
}
END_TEST

START_TEST(start_within_a_transaction)
{
    put_files();
    w.config.start = CAPTURE_START_POSITION;
    w.config.start_file = calm.source.file[1].name;
    w.config.start_position = calm.source.file[1].size - 100;
    ends_with(ERR_INVALID, "within", calm.source.file[1].name);
}
END_TEST

/* The place lies in the event in which the copy is cut: neither a check nor a start waits for the rest. */
START_TEST(start_behind_the_whole_events)
{
    put_files();
    remove_file(2);
    put_file(1, calm.source.file[1].size - 100);
    w.config.start = CAPTURE_START_POSITION;
    w.config.start_file = calm.source.file[1].name;
    w.config.start_position = calm.source.file[1].size - 101;
    struct capture_status s;
    open_capture();
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
    make_files(FILES, false);
    put_files();
    open_capture();
    ck_assert_msg(run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
    world_leave(&w);
    patch_format(FILES - 1, 4, 1699999999, 4);
    put_file(FILES - 1, 0);
    ends_with(ERR_SOURCE_HISTORY, calm.source.file[FILES - 1].name, "begun at another time");
}
END_TEST

/* The last file is of another server of the same history, which has more transactions by then (0), or fewer (1). */
START_TEST(files_of_two_servers)
{
    put_files();
    world_fini(&calm);
    world_init(&calm, 1);
    transactions(0, true);
    for (uint32_t i = 1; i < FILES; i++) {
        binlog_maker_file(&calm.maker, true);
        if (_i == 0) transactions(1000 * i, true);
        if (_i == 0 || i == FILES - 1) transactions(1000 * i + 500, true);
    }
    put_file(FILES - 1, 0);
    ends_with(ERR_SOURCE_HISTORY, calm.source.file[FILES - 1].name,
              _i == 0 ? "behind transactions that the file before it does not have"
                      : "before transactions that the file before it has");
}
END_TEST

START_TEST(unknown_definition)
{
    put_files();
    w.config.schema_file = NULL;
    ends_with(ERR_SCHEMA, "app.kept", "schema_file");
}
END_TEST

/* Two servers' files in one folder: refused, unless an index file says which. */
START_TEST(index_file)
{
    struct capture_status s;
    char line[128];
    put_files();
    put_bytes("other-bin.000007", "\xfe" "bin", 4);
    if (_i == 0) {
        ends_with(ERR_INVALID, "several names", "other-bin.000007");
        return;
    }
    snprintf(line, sizeof line, "./%s\n", calm.source.file[0].name);
    put_bytes("the.index", line, strlen(line));
    open_capture();
    ck_assert_msg(run(FILES * TRANSACTIONS, &s), "%s", s.error.text);
}
END_TEST

START_TEST(checked_before)
{
    static struct precheck_report report;
    struct err_msg msg = {0};
    unsigned skipped = 0;
    put_files();
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
    remove_file(1);
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
    make_files(1, true);
    binlog_maker_gtid(&calm.maker);
    binlog_maker_query(&calm.maker, "app", "BEGIN");
    binlog_maker_table_map(&calm.maker, 1, "app", "kept");
    binlog_maker_write(&calm.maker, 1, 100000, rows, TEXT_BYTES);
    binlog_maker_xid(&calm.maker);
    put_files();
    w.config.packet_bytes_max = 1u << 30;
    w.storage.keeps_records = false;
    uint64_t event_kib = calm.source.file[0].size >> 10;
    world_fini(&calm);
    world_init(&calm, 1);
    uint64_t before_kib = memory_peak_begin_kib();
    open_capture();
    ck_assert_msg(run(TRANSACTIONS + 1, &s), "%s", s.error.text);
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
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, whole_folder);
    tcase_add_test(cases, large_event);
    tcase_add_test(cases, taken_up_again);
    tcase_add_test(cases, copied_in_mid_write);
    tcase_add_test(cases, further_file_comes);
    tcase_add_test(cases, missing_file);
    tcase_add_loop_test(cases, cut_before_a_further_file, 0, 2);
    tcase_add_loop_test(cases, crashed_server, 0, 4);
    tcase_add_loop_test(cases, what_is_no_binlog, 0, 6);
    tcase_add_loop_test(cases, damaged_and_odd_files, 0, 5);
    tcase_add_loop_test(cases, starts, 0, 5);
    tcase_add_test(cases, start_within_a_transaction);
    tcase_add_test(cases, start_behind_the_whole_events);
    tcase_add_test(cases, other_history);
    tcase_add_loop_test(cases, files_of_two_servers, 0, 2);
    tcase_add_test(cases, unknown_definition);
    tcase_add_loop_test(cases, index_file, 0, 2);
    tcase_add_test(cases, checked_before);
    Suite *suite = suite_create("archive");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
