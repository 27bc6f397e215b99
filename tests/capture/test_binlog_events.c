/* Goal: event bodies, GTID sets, statements and transaction ends are read exactly; every shorter input is refused.
 * Then every recorded binlog (../shared/binlogs, when it is there) is followed as a source would send it, whole and
 * with bytes changed: it ends at the file's end or with a named error, never with a crash. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/random.h"
#include "capture/binlog_event.h"
#include "capture/capture_sim.h"
#include "capture/gtid_set.h"
#include "capture/statement.h"
#include "capture/stream_sim.h"
#include "capture/transaction.h"
#include "tests/capture/binlog_maker.h"
#include "tests/capture/fake_storage.h"
#include "tests/suite.h"

/* --- bodies --- */

START_TEST(header)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 16, 5, 0, 0, 0, 31, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0x20, 0};
    struct binlog_header h;
    for (size_t size = 0; size < sizeof bytes; size++) {
        struct cursor cut = cursor_of(bytes, size);
        ck_assert_int_eq(binlog_header_decode(&cut, &h), ERR_TRUNCATED);
    }
    struct cursor whole = cursor_of(bytes, sizeof bytes);
    ck_assert_int_eq(binlog_header_decode(&whole, &h), ERR_OK);
    ck_assert_uint_eq(h.timestamp_s, 0x04030201);
    ck_assert_uint_eq(h.type, BINLOG_XID);
    ck_assert_uint_eq(h.event_size, 31);
    ck_assert_uint_eq(h.next_position, 0x12345678);
    ck_assert_uint_eq(h.flags, BINLOG_FLAG_ARTIFICIAL);
    ck_assert_uint_eq(binlog_position_after(0xfffffff0u, 16), 0x100000010u); /* beyond 4 GiB */
    ck_assert_uint_eq(binlog_position_after(0x1fffffff0u, 16), 0x200000010u);
    ck_assert_uint_eq(binlog_position_after(100, 130), 130);
}
END_TEST

static struct stream_sim_source source;
static struct binlog_maker maker;

static void source_setup(void)
{
    stream_sim_source_init(&source, clock_real(), 1);
    binlog_maker_init(&maker, &source);
}
static void source_teardown(void)
{
    stream_sim_source_fini(&source);
}

/* The body of the newest event in the simulated source. */
static struct cursor newest_body(uint8_t type)
{
    const struct stream_sim_file *f = &source.file[source.file_count - 1];
    struct cursor at = cursor_of(f->bytes + BINLOG_FIRST_POSITION, f->size - BINLOG_FIRST_POSITION);
    struct cursor body = {0};
    while (cursor_left(&at) > 0) {
        struct binlog_header h;
        const uint8_t *event = at.at;
        struct cursor in = at;
        ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
        size_t size = h.event_size;
        ck_assert_int_eq(binlog_checksum_take(NULL, &h, event, &size), ERR_OK);
        if (h.type == type)
            body = cursor_of(in.at, h.event_size - BINLOG_HEADER_BYTES -
                                        (type == BINLOG_FORMAT_DESCRIPTION ? 0 : BINLOG_CHECKSUM_BYTES));
        cursor_take(&at, h.event_size);
    }
    ck_assert_ptr_nonnull(body.at);
    return body;
}

static struct cursor cut_to(struct cursor c, size_t size)
{
    c.end = c.at + size;
    return c;
}

START_TEST(format_description)
{
    struct cursor body = newest_body(BINLOG_FORMAT_DESCRIPTION);
    struct binlog_format f;
    ck_assert_int_eq(binlog_format_decode(body, &f), ERR_OK);
    ck_assert_str_eq(f.server_version, "5.7.29-log");
    ck_assert(!f.is_mariadb);
    ck_assert_uint_eq(f.checksum, BINLOG_CHECKSUM_CRC32);
    ck_assert_uint_eq(f.type_count, 38);
    ck_assert_uint_eq(binlog_post_header(&f, BINLOG_QUERY, 0), 13);
    ck_assert_uint_eq(binlog_post_header(&f, 200, 7), 7);
    for (size_t size = 0; size < 2 + 50 + 4 + 1 + 5; size++)
        ck_assert_int_ne(binlog_format_decode(cut_to(body, size), &f), ERR_OK);
}
END_TEST

START_TEST(query)
{
    struct binlog_format f;
    struct binlog_query q;
    ck_assert_int_eq(binlog_format_decode(newest_body(BINLOG_FORMAT_DESCRIPTION), &f), ERR_OK);
    binlog_maker_query(&maker, "shop", "CREATE TABLE x (a INT)");
    struct cursor body = newest_body(BINLOG_QUERY);
    ck_assert_int_eq(binlog_query_decode(body, &f, &q), ERR_OK);
    ck_assert_uint_eq(q.thread_id, 7);
    ck_assert(q.has_status);
    ck_assert_uint_eq(q.sql_mode, 0x40200000);
    ck_assert_uint_eq(q.client_charset, 45);
    ck_assert_uint_eq(q.text_bytes, 22);
    ck_assert_int_eq(memcmp(q.text, "CREATE TABLE x (a INT)", 22), 0);
    ck_assert_uint_eq(q.database_bytes, 4);
    for (size_t size = 0; size < 13 + 21 + 5; size++)
        ck_assert_int_eq(binlog_query_decode(cut_to(body, size), &f, &q), ERR_TRUNCATED);
}
END_TEST

START_TEST(gtid_events)
{
    struct binlog_gtid g;
    binlog_maker_gtid(&maker);
    struct cursor body = newest_body(BINLOG_GTID);
    ck_assert_int_eq(binlog_gtid_decode(body, &g), ERR_OK);
    ck_assert_uint_eq(g.number, 1);
    ck_assert_uint_eq(g.commit_us, 0);
    ck_assert_int_eq(memcmp(g.uuid, binlog_maker_uuid, 16), 0);
    for (size_t size = 0; size < 25; size++)
        ck_assert_int_eq(binlog_gtid_decode(cut_to(body, size), &g), ERR_TRUNCATED);
    maker.commit_us = 1700000000123456;
    binlog_maker_gtid(&maker);
    ck_assert_int_eq(binlog_gtid_decode(newest_body(BINLOG_GTID), &g), ERR_OK);
    ck_assert_uint_eq(g.commit_us, 1700000000123456);
    static const uint8_t mariadb[] = {9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 33};
    struct binlog_mariadb_gtid m;
    ck_assert_int_eq(binlog_mariadb_gtid_decode(cursor_of(mariadb, sizeof mariadb), &m), ERR_OK);
    ck_assert(m.number == 9 && m.domain == 3 && m.flags == (MARIADB_GTID_STANDALONE | MARIADB_GTID_DDL));
    for (size_t size = 0; size < sizeof mariadb; size++)
        ck_assert_int_eq(binlog_mariadb_gtid_decode(cursor_of(mariadb, size), &m), ERR_TRUNCATED);
}
END_TEST

START_TEST(checksum)
{
    binlog_maker_xid(&maker);
    const struct stream_sim_file *f = &source.file[0];
    size_t size = BINLOG_HEADER_BYTES + 8 + BINLOG_CHECKSUM_BYTES;
    uint8_t event[64];
    memcpy(event, f->bytes + f->size - size, size);
    struct binlog_format format = {.checksum = BINLOG_CHECKSUM_CRC32};
    for (size_t i = BINLOG_HEADER_BYTES; i < size; i++) {
        struct cursor in = cursor_of(event, size);
        struct binlog_header h;
        size_t kept = size;
        ck_assert_int_eq(binlog_header_decode(&in, &h), ERR_OK);
        event[i] ^= 0x10;
        ck_assert_int_eq(binlog_checksum_take(&format, &h, event, &kept), ERR_CORRUPT);
        event[i] ^= 0x10;
        ck_assert_int_eq(binlog_checksum_take(&format, &h, event, &kept), ERR_OK);
        ck_assert_uint_eq(kept, size - BINLOG_CHECKSUM_BYTES);
    }
}
END_TEST

/* --- GTID sets --- */

static const char *text_of(const struct gtid_set *s)
{
    static char text[1024];
    ck_assert_uint_lt(gtid_set_text(s, text, sizeof text), sizeof text);
    return text;
}

#define UUID_A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define UUID_B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

START_TEST(gtid_sets)
{
    static const struct {
        const char *text, *as;
    } cases[] = {
        {"", ""},
        {UUID_A ":1", UUID_A ":1"},
        {UUID_A ":1-3:2-5:7", UUID_A ":1-5:7"},
        {UUID_A ":7:6:5-5:1", UUID_A ":1:5-7"},
        {UUID_B ":9,\n" UUID_A ":1-2, " UUID_B ":10-12", UUID_A ":1-2," UUID_B ":9-12"},
        {"3E11FA47-71CA-11E1-9E33-C80AA9429562:5", UUID_A ":5"},
        {"0-1-5", "0-1-5"},
        {"1-2-7,0-1-5,0-3-9", "0-3-9,1-2-7"},
    };
    struct gtid_set s = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gtid_set_clear(&s);
        ck_assert_int_eq(gtid_set_parse(&s, cases[i].text, strlen(cases[i].text)), ERR_OK);
        ck_assert_str_eq(text_of(&s), cases[i].as);
    }
    static const char *const bad[] = {UUID_A, UUID_A ":", UUID_A ":0", UUID_A ":5-3", UUID_A ":a",
                                      "1-2",  "0-1-5;",   "x",         UUID_A ":1,,", "-1-2-3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gtid_set_clear(&s);
        ck_assert_msg(gtid_set_parse(&s, bad[i], strlen(bad[i])) == ERR_INVALID, "%s", bad[i]);
    }
    gtid_set_free(&s);
}
END_TEST

/* Against a plain bitmap. */
START_TEST(gtid_set_random)
{
    enum { NUMBERS = 200 };
    struct random r;
    struct gtid_set s = {0};
    bool in[NUMBERS + 2] = {false};
    random_init(&r, (uint64_t)_i + 1);
    for (int step = 0; step < 100; step++) {
        uint64_t first = 1 + random_below(&r, NUMBERS), last = first + random_below(&r, 6);
        if (last > NUMBERS) last = NUMBERS;
        ck_assert_int_eq(gtid_set_add(&s, binlog_maker_uuid, "", first, last), ERR_OK);
        for (uint64_t n = first; n <= last; n++) in[n] = true;
        uint32_t intervals = 0;
        for (uint64_t n = 1; n <= NUMBERS; n++) {
            ck_assert(gtid_set_contains(&s, binlog_maker_uuid, "", n) == in[n]);
            intervals += in[n] && !in[n - 1];
        }
        ck_assert_uint_eq(s.interval_count, intervals);
    }
    gtid_set_free(&s);
}
END_TEST

START_TEST(gtid_set_events)
{
    struct gtid_set s = {0};
    maker.gtid_number = 41;
    binlog_maker_file(&maker, true);
    struct cursor body = newest_body(BINLOG_PREVIOUS_GTIDS);
    ck_assert_int_eq(gtid_set_from_previous_gtids(&s, body), ERR_OK);
    ck_assert_str_eq(text_of(&s), UUID_A ":1-41");
    for (size_t size = 0; size < cursor_left(&body); size++)
        ck_assert_int_eq(gtid_set_from_previous_gtids(&s, cut_to(body, size)), ERR_TRUNCATED);
    static const uint8_t other[] = {2, 0, 0, 0, 0, 0, 0, 2};
    ck_assert_int_eq(gtid_set_from_previous_gtids(&s, cursor_of(other, sizeof other)), ERR_UNSUPPORTED);
    static const uint8_t list[] = {2, 0, 0, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0,
                                   0, 0, 7, 0,    0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0};
    ck_assert_int_eq(gtid_set_from_gtid_list(&s, cursor_of(list, sizeof list)), ERR_OK);
    ck_assert_str_eq(text_of(&s), "0-1-5,7-2-8");
    for (size_t size = 0; size < sizeof list; size++)
        ck_assert_int_eq(gtid_set_from_gtid_list(&s, cursor_of(list, size)), ERR_TRUNCATED);
    gtid_set_free(&s);
}
END_TEST

/* --- statements --- */

START_TEST(statements)
{
    static const struct {
        const char *text;
        enum statement_kind kind;
        enum statement_touches touches;
        const char *names;
    } cases[] = {
        {"BEGIN", STATEMENT_BEGIN, STATEMENT_TOUCHES_NOTHING, ""},
        {"commit", STATEMENT_COMMIT, STATEMENT_TOUCHES_NOTHING, ""},
        {"ROLLBACK", STATEMENT_ROLLBACK, STATEMENT_TOUCHES_NOTHING, ""},
        {"ROLLBACK TO `s`", STATEMENT_ROLLBACK_TO, STATEMENT_TOUCHES_NOTHING, ""},
        {"SAVEPOINT `s`", STATEMENT_SAVEPOINT, STATEMENT_TOUCHES_NOTHING, ""},
        {"XA START X'61',X'',1", STATEMENT_XA, STATEMENT_TOUCHES_NOTHING, ""},
        {"CREATE TABLE t (a INT)", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"/* hi */ create /*!40101 table */ if not exists `a``b`.`c.d` (x int)", STATEMENT_TABLE,
         STATEMENT_TOUCHES_TABLES, "a`b.c.d"},
        {"-- note\nALTER TABLE x.y ADD z INT", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "x.y"},
        {"ALTER TABLE y RENAME COLUMN a TO b", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.y"},
        {"ALTER TABLE y ADD q INT, RENAME TO e.z", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.y e.z"},
        {"ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE t", STATEMENT_TABLE, STATEMENT_TOUCHES_UNKNOWN, ""},
        {"DROP TABLE IF EXISTS `a`,`b`.`c` /* generated by server */", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES,
         "d.a b.c"},
        {"RENAME TABLE a TO b, c.d TO c.e", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.a d.b c.d c.e"},
        {"CREATE UNIQUE INDEX i USING BTREE ON t (a)", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"DROP INDEX i ON o.t", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "o.t"},
        {"DROP DATABASE IF EXISTS `o`", STATEMENT_TABLE, STATEMENT_TOUCHES_DATABASE, "o."},
        {"ALTER DATABASE CHARACTER SET utf8", STATEMENT_TABLE, STATEMENT_TOUCHES_DATABASE, "d."},
        {"CREATE OR REPLACE TABLE t (a INT)", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"CREATE SOMETHING new", STATEMENT_TABLE, STATEMENT_TOUCHES_UNKNOWN, ""},
        {"SET STATEMENT max_statement_time=1 FOR ALTER TABLE t ADD a INT", STATEMENT_TABLE, STATEMENT_TOUCHES_TABLES,
         "d.t"},
        {"SET STATEMENT a='x FOR y\\'', b=(SUBSTR('' FROM 1 FOR 2)), `FOR`=\"\" FOR CREATE USER u IDENTIFIED BY 'x'",
         STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"set statement a=1 for/* */insert into t values (1)", STATEMENT_CHANGE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"SET STATEMENT a='x FOR CREATE TABLE t (a INT)", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"CREATE TEMPORARY TABLE t (a INT)", STATEMENT_NEUTRAL, STATEMENT_TOUCHES_NOTHING, ""},
        {"TRUNCATE t", STATEMENT_TRUNCATE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"TRUNCATE TABLE o.t", STATEMENT_TRUNCATE, STATEMENT_TOUCHES_TABLES, "o.t"},
        {"CREATE DEFINER=`root`@`%` PROCEDURE p() BEGIN END", STATEMENT_OTHER_DDL, STATEMENT_TOUCHES_NOTHING, ""},
        {"CREATE ALGORITHM=UNDEFINED VIEW v AS SELECT 1", STATEMENT_OTHER_DDL, STATEMENT_TOUCHES_NOTHING, ""},
        {"DROP VIEW v", STATEMENT_OTHER_DDL, STATEMENT_TOUCHES_NOTHING, ""},
        {"CREATE USER u IDENTIFIED BY 'x'", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"alter user u identified by 'x'", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"CREATE OR REPLACE USER u", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"RENAME USER a TO b", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"GRANT ALL ON *.* TO u", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"/*x*/SET PASSWORD FOR u='y'", STATEMENT_ACCOUNT, STATEMENT_TOUCHES_NOTHING, ""},
        {"INSERT INTO a.b VALUES (1)", STATEMENT_CHANGE, STATEMENT_TOUCHES_TABLES, "a.b"},
        {"DELETE FROM `m`.`t`", STATEMENT_CHANGE, STATEMENT_TOUCHES_TABLES, "m.t"},
        {"UPDATE t SET a=1", STATEMENT_CHANGE, STATEMENT_TOUCHES_TABLES, "d.t"},
        {"UPDATE t JOIN u ON t.a=u.a SET t.a=1", STATEMENT_CHANGE, STATEMENT_TOUCHES_UNKNOWN, ""},
        {"# Dummy event replacing event type 160 that slave cannot handle.", STATEMENT_NEUTRAL,
         STATEMENT_TOUCHES_NOTHING, ""},
        {"FLUSH TABLES", STATEMENT_NEUTRAL, STATEMENT_TOUCHES_NOTHING, ""},
        {"", STATEMENT_NEUTRAL, STATEMENT_TOUCHES_NOTHING, ""},
    };
    static struct statement st;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char names[512] = "";
        statement_classify(&st, cases[i].text, strlen(cases[i].text), "d", 1);
        for (uint32_t k = 0; k < st.name_count; k++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s.%s", k > 0 ? " " : "",
                     st.name[k].database, st.name[k].table);
        ck_assert_msg(st.kind == cases[i].kind, "%s: kind %d", cases[i].text, st.kind);
        ck_assert_msg(st.touches == cases[i].touches, "%s: touches %d", cases[i].text, st.touches);
        ck_assert_str_eq(names, cases[i].names);
        for (size_t size = 0; size < strlen(cases[i].text); size++) { /* no length is read beyond its end */
            char *cut = malloc(size + 1);
            memcpy(cut, cases[i].text, size);
            statement_classify(&st, cut, size, "d", 1);
            free(cut);
        }
    }
    statement_classify(&st, "CREATE TABLE `t` (a INT) START TRANSACTION", 42, "d", 1);
    ck_assert(st.starts_transaction);
}
END_TEST

START_TEST(statement_text)
{
    char out[64];
    size_t size;
    const char *text = statement_text_utf8("caf\xe9", 4, out, &size);
    ck_assert_uint_eq(size, 5);
    ck_assert_int_eq(memcmp(text, "caf\xc3\xa9", 5), 0);
    const char *utf8 = "caf\xc3\xa9 \xf0\x9f\x98\x80";
    ck_assert_ptr_eq(statement_text_utf8(utf8, strlen(utf8), out, &size), utf8);
}
END_TEST

/* --- transactions --- */

START_TEST(transaction_ends)
{
    enum { G, GB, B, C, X, R, D, DB, K }; /* the inputs, in their order */
    static const struct {
        int input[8];
        int count;
        int action;
    } cases[] = {
        {{G, B, C, X}, 4, TRANSACTION_COMMITS}, /* MySQL with GTIDs */
        {{B, C, C, X}, 4, TRANSACTION_COMMITS}, /* and without */
        {{GB, C, X}, 3, TRANSACTION_COMMITS},   /* MariaDB */
        {{GB, B, C, X}, 4, TRANSACTION_COMMITS},
        {{G, D}, 2, TRANSACTION_IS_DDL},
        {{D}, 1, TRANSACTION_IS_DDL},
        {{G, B, C, R}, 4, TRANSACTION_UNDONE},
        {{G, B, C, K}, 4, TRANSACTION_LOST},
        {{G, K}, 2, TRANSACTION_LOST},
        {{K}, 1, TRANSACTION_GO_ON},
        {{G, DB, C, X}, 4, TRANSACTION_COMMITS}, /* CREATE TABLE ... SELECT, MySQL 8.0.21 */
        {{G, B, DB, C, X}, 5, TRANSACTION_COMMITS},
        {{GB, D, C, X}, 4, TRANSACTION_COMMITS}, /* and MariaDB's */
        {{GB, D}, 2, TRANSACTION_CHANGES},
        {{C}, 1, TRANSACTION_WRONG},
        {{G, C}, 2, TRANSACTION_WRONG},
        {{G, G}, 2, TRANSACTION_WRONG},
        {{G, B, C, G}, 4, TRANSACTION_WRONG},
        {{GB, C, GB}, 3, TRANSACTION_WRONG},
        {{G, X}, 2, TRANSACTION_COMMITS},
        {{X, G, B, C, X}, 5, TRANSACTION_COMMITS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct transaction t;
        transaction_init(&t);
        enum transaction_action action = TRANSACTION_WRONG;
        for (int k = 0; k < cases[i].count; k++) {
            action = transaction_step(&t, (enum transaction_input)cases[i].input[k]);
            if (k < cases[i].count - 1) ck_assert_msg(action != TRANSACTION_WRONG, "case %zu step %d", i, k);
        }
        ck_assert_msg((int)action == cases[i].action, "case %zu: %d", i, action);
        bool is_over = action == TRANSACTION_COMMITS || action == TRANSACTION_IS_DDL || action == TRANSACTION_UNDONE ||
                       action == TRANSACTION_LOST;
        if (is_over) ck_assert_int_eq(t.state, TRANSACTION_NONE);
    }
}
END_TEST

/* --- recorded files --- */

static void storage_works(void *context)
{
    fake_storage_step(context);
}

/* Follows one file as a channel would; returns how it ended. */
static enum err follow(const uint8_t *bytes, size_t size, const char *pattern, uint64_t *positions, struct err_msg *msg)
{
    static struct stream_sim_source s;
    struct fake_storage storage;
    struct counters *counters;
    struct capture *capture;
    struct source_stream *stream;
    struct capture_status status = {0};
    const char *const include[] = {pattern, NULL};
    struct capture_config config = {.channel = "file",
                                    .host = "nowhere",
                                    .port = 1,
                                    .user = "u",
                                    .server_id = 99,
                                    .include = include,
                                    .ddl_instance = true,
                                    .format = "dts-avro",
                                    .start = CAPTURE_START_EARLIEST,
                                    .heartbeat_ms = 1000000000,
                                    .segment_bytes = 1 << 20,
                                    .batch_bytes_target = 16384,
                                    .record_bytes_max = 1 << 20,
                                    .packet_bytes_max = 1 << 20,
                                    .reconnect_pause_ms_min = 1,
                                    .reconnect_pause_ms_max = 1,
                                    .core = -1};

    stream_sim_source_init(&s, clock_real(), 1);
    ck_assert_int_eq(stream_sim_file_begin(&s, "binlog.000001"), ERR_OK);
    if (size > 4) ck_assert_int_eq(stream_sim_append(&s, bytes + 4, size - 4), ERR_OK);
    fake_storage_init(&storage, 64 * 1024, 8, 3, true);
    ck_assert_int_eq(counters_open(&counters, NULL, 128, msg), ERR_OK);
    ck_assert_int_eq(stream_sim_open(&stream, &s), ERR_OK);
    ck_assert_int_eq(capture_open_simulated(&capture, &config, &storage.feed, &storage.resume, clock_real(), counters,
                                            stream, storage_works, &storage, msg),
                     ERR_OK);
    for (int i = 0; i < 5000 && status.state != CAPTURE_ENDED && status.error.code == ERR_OK; i++) {
        unsigned done = capture_step(capture);
        fake_storage_step(&storage);
        capture_status(capture, &status);
        if (done == 0) break;
    }
    *msg = status.error;
    *positions = status.position;
    capture_stop(capture);
    fake_storage_fini(&storage);
    counters_close(counters);
    stream_sim_source_fini(&s);
    return msg->code;
}

static uint8_t *file_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static unsigned files, files_whole;

static void follow_file(const char *path)
{
    enum { FILE_BYTES_MAX = 4 << 20, CHANGES = 6 };
    struct err_msg msg;
    uint64_t position;
    size_t size;
    uint8_t *bytes = file_read(path, &size);
    if (size > FILE_BYTES_MAX) size = FILE_BYTES_MAX; /* cut: it then ends in the middle of an event */
    if (size < 4 || memcmp(bytes, "\xfe" "bin", 4) != 0) {
        free(bytes);
        return; /* no binlog */
    }
    files++;
    enum err e = follow(bytes, size, "no_such.table", &position, &msg);
    ck_assert_msg(e == ERR_OK || msg.text[0] != '\0', "%s: error %d without words", path, e);
    files_whole += e == ERR_OK;
    e = follow(bytes, size, "*.*", &position, &msg);
    ck_assert_msg(e == ERR_OK || msg.text[0] != '\0', "%s: error %d without words", path, e);
    struct random r;
    random_init(&r, size);
    for (int i = 0; i < CHANGES && size > 200 && size < 200000; i++) {
        size_t at = 100 + random_below(&r, size - 100);
        uint8_t was = bytes[at];
        bytes[at] = (uint8_t)random_u64(&r);
        (void)follow(bytes, size, "no_such.table", &position, &msg);
        (void)follow(bytes, size, "*.*", &position, &msg);
        bytes[at] = was;
    }
    free(bytes);
}

static void follow_folder(const char *folder)
{
    DIR *d = opendir(folder);
    if (d == NULL) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[1024];
        struct stat st;
        if (e->d_name[0] == '.' || strcmp(e->d_name, "sql") == 0 || strcmp(e->d_name, "expected") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (stat(path, &st) != 0) continue;
        if (S_ISDIR(st.st_mode))
            follow_folder(path);
        else if (strstr(e->d_name, ".md") == NULL && strstr(e->d_name, ".json") == NULL &&
                 strstr(e->d_name, ".sql") == NULL && strstr(e->d_name, ".index") == NULL)
            follow_file(path);
    }
    closedir(d);
}

START_TEST(recorded_files)
{
    const char *shared = getenv("MILLRACE_SHARED");
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/binlogs", shared == NULL ? "" : shared);
    follow_folder(folder);
    /* The recorded files of MariaDB's own tests (Debian: mariadb-test-data), where they are installed or unpacked. */
    const char *more = getenv("MILLRACE_TEST_DATA");
    follow_folder(more == NULL ? "/usr/share/mysql/mysql-test/std_data" : more);
    if (files == 0)
        puts("no recorded binlogs beside this tree: that part is not run");
    else
        printf("%u recorded files, %u read to their end\n", files, files_whole);
}
END_TEST

int main(void)
{
    log_set_level(LOG_LEVEL_COUNT);
    TCase *cases = tcase_create("binlog_events");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, source_setup, source_teardown);
    tcase_add_test(cases, header);
    tcase_add_test(cases, format_description);
    tcase_add_test(cases, query);
    tcase_add_test(cases, gtid_events);
    tcase_add_test(cases, checksum);
    tcase_add_test(cases, gtid_sets);
    tcase_add_loop_test(cases, gtid_set_random, 0, 10);
    tcase_add_test(cases, gtid_set_events);
    tcase_add_test(cases, statements);
    tcase_add_test(cases, statement_text);
    tcase_add_test(cases, transaction_ends);
    tcase_add_test(cases, recorded_files);
    Suite *suite = suite_create("binlog_events");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
