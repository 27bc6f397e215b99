/* Goal: the capture thread against a real server: inserts, updates, deletes, several tables, filtered tables, DDL at
 * the tail, a dump connection that is killed, a log that is taken up again; and the precheck's words. Run by
 * `tests/servers run KIND -- test_capture_live`: the server's address comes in the environment. */
#include <check.h>
#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/precheck.h"
#include "formats/source_position.h"
#include "tests/capture/fake_storage.h"
#include "tests/suite.h"

enum { WAIT_MS = 120000, CHUNK_BYTES = 64 * 1024, CHUNKS = 32 };

static struct fake_storage storage;
static struct counters *counters;
static struct capture *capture;
static MYSQL *admin;
static const char *const include[] = {"shop.*", NULL};
static const char *const exclude[] = {"shop.hidden", NULL};

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? "" : value;
}

static struct capture_config config_of(void)
{
    return (struct capture_config){.channel = "live",
                                   .host = environment("MILLRACE_SOURCE_HOST"),
                                   .port = (uint16_t)atoi(environment("MILLRACE_SOURCE_PORT")),
                                   .user = "millrace",
                                   .password = environment("MILLRACE_SOURCE_PASSWORD"),
                                   .server_id = 4711,
                                   .include = include,
                                   .exclude = exclude,
                                   .ddl_instance = false,
                                   .format = "dts-avro",
                                   .start = CAPTURE_START_NOW,
                                   .heartbeat_ms = 500,
                                   .segment_bytes = 1 << 20,
                                   .batch_bytes_target = 16 * 1024,
                                   .record_bytes_max = 1 << 20,
                                   .packet_bytes_max = 64 << 20,
                                   .reconnect_pause_ms_min = 10,
                                   .reconnect_pause_ms_max = 100,
                                   .core = -1};
}

static void sql(const char *statement)
{
    ck_assert_msg(mysql_query(admin, statement) == 0, "%s: %s", statement, mysql_error(admin));
    MYSQL_RES *result = mysql_store_result(admin);
    if (result != NULL) mysql_free_result(result);
}

static void nap(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static bool value_has(const struct fake_record *r, const char *text)
{
    return memmem(r->value, r->value_bytes, text, strlen(text)) != NULL;
}

static uint64_t records_with(const char *text)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < storage.record_count; i++) count += value_has(&storage.record[i], text);
    return count;
}

/* Waits until `count` records hold `text`. */
static void wait_for(const char *text, uint64_t count)
{
    for (unsigned waited = 0; waited < WAIT_MS; waited += 5) {
        fake_storage_step(&storage);
        if (records_with(text) >= count) break;
        struct capture_status s;
        capture_status(capture, &s);
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
        nap(5);
    }
    ck_assert_msg(records_with(text) == count, "%" PRIu64 " records with %s, expected %" PRIu64, records_with(text),
                  text, count);
}

static struct capture_status wait_for_state(enum capture_state state)
{
    struct capture_status s = {0};
    for (unsigned waited = 0; waited < WAIT_MS; waited += 5) {
        fake_storage_step(&storage);
        capture_status(capture, &s);
        if (s.state == state) return s;
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
        nap(5);
    }
    ck_abort_msg("state %d, expected %d: %s", s.state, state, s.error.text);
}

static void start(const struct capture_config *config)
{
    struct err_msg msg = {0};
    ck_assert_msg(capture_start(&capture, config, &storage.feed, &storage.resume, clock_real(), counters, &msg) ==
                      ERR_OK,
                  "%s", msg.text);
    storage.resume.gtid_set = NULL; /* taken over */
}

static bool is_mysql_8(void)
{
    return strstr(mysql_get_server_info(admin), "MariaDB") == NULL && mysql_get_server_version(admin) >= 80000;
}

static void binlogs_begin_anew(void)
{
    sql(is_mysql_8() ? "RESET BINARY LOGS AND GTIDS" : "RESET MASTER");
}

static void setup(void)
{
    admin = mysql_init(NULL);
    ck_assert_ptr_nonnull(mysql_real_connect(
        admin, environment("MILLRACE_SOURCE_HOST"), "admin", environment("MILLRACE_SOURCE_ADMIN_PASSWORD"), NULL,
        (unsigned)atoi(environment("MILLRACE_SOURCE_PORT")), NULL, CLIENT_MULTI_STATEMENTS));
    struct err_msg msg = {0};
    ck_assert_int_eq(counters_open(&counters, NULL, 512, &msg), ERR_OK);
    fake_storage_init(&storage, CHUNK_BYTES, CHUNKS, 4, false);
    sql("DROP DATABASE IF EXISTS shop");
    binlogs_begin_anew();
    sql("CREATE DATABASE shop");
    sql("CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100), price DECIMAL(8,2))");
    sql("CREATE TABLE shop.stock (item_id INT PRIMARY KEY, amount INT NOT NULL)");
    sql("CREATE TABLE shop.hidden (id INT PRIMARY KEY, secret VARCHAR(100))");
}

static void teardown(void)
{
    if (capture != NULL) capture_stop(capture);
    capture = NULL;
    fake_storage_fini(&storage);
    counters_close(counters);
    mysql_close(admin);
}

START_TEST(changes)
{
    struct capture_config config = config_of();
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    sql("INSERT INTO shop.item VALUES (1, 'anvil-one', 9.50), (2, 'anvil-two', 10.25)");
    wait_for("anvil-", 2);
    sql("UPDATE shop.item SET price = price + 1 WHERE id = 1");
    wait_for("anvil-one", 2);
    sql("DELETE FROM shop.item WHERE id = 1");
    wait_for("anvil-one", 3);
    sql("INSERT INTO shop.hidden VALUES (1, 'hush-hush')");
    sql("BEGIN");
    sql("INSERT INTO shop.item VALUES (3, 'bellows', 1)");
    sql("INSERT INTO shop.stock VALUES (3, 12)");
    sql("INSERT INTO shop.hidden VALUES (2, 'hush-hush')");
    sql("COMMIT");
    sql("INSERT INTO shop.item VALUES (4, 'chain', 1)");
    wait_for("chain", 1);
    ck_assert_uint_eq(records_with("bellows"), 1);
    ck_assert_uint_eq(records_with("shop.stock"), 1);
    ck_assert_uint_eq(records_with("hush-hush"), 0);

    uint64_t heartbeats = storage.record_count;
    nap(1600); /* three heartbeats of the source */
    fake_storage_step(&storage);
    ck_assert_uint_ge(storage.record_count, heartbeats + 2);

    struct capture_status s;
    capture_status(capture, &s);
    ck_assert_int_eq(s.state, CAPTURE_AT_TAIL);
    ck_assert_uint_eq(s.transactions, 5);
    ck_assert_uint_eq(s.row_changes, 7);
    ck_assert_int_eq(capture_delay_ms(capture, s.records), 0);
}
END_TEST

START_TEST(definition_changes_at_the_tail)
{
    struct capture_config config = config_of();
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    sql("INSERT INTO shop.item VALUES (1, 'first', 1)");
    wait_for("first", 1);
    sql("ALTER TABLE shop.item ADD COLUMN colour VARCHAR(20) NOT NULL DEFAULT 'grey' AFTER id");
    sql("INSERT INTO shop.item VALUES (2, 'cerise', 'second', 1)");
    wait_for("cerise", 1);
    ck_assert_uint_eq(records_with("ADD COLUMN colour"), 1);
    sql("ALTER TABLE shop.hidden ADD COLUMN more INT");
    sql("CREATE TABLE shop.fresh (id INT PRIMARY KEY, word VARCHAR(20))");
    sql("INSERT INTO shop.fresh VALUES (1, 'brand-new')");
    wait_for("brand-new", 1);
    ck_assert_uint_eq(records_with("ADD COLUMN more"), 0);
    if (strstr(mysql_get_server_info(admin), "MariaDB") != NULL) { /* MySQL 5.7 with GTIDs refuses it */
        sql("CREATE TABLE shop.made AS SELECT * FROM shop.fresh");
        wait_for("brand-new", 2);
    }
    sql("RENAME TABLE shop.fresh TO shop.stale");
    sql("INSERT INTO shop.stale VALUES (2, 'renamed-word')");
    wait_for("renamed-word", 1);
    ck_assert_uint_eq(records_with("shop.stale"), 2); /* the statement and the row */
    sql("CREATE USER secretive IDENTIFIED BY 'swordfish'");
    sql("DROP USER secretive");
    sql("DROP TABLE shop.stale");
    wait_for("DROP TABLE", 1);
    ck_assert_uint_eq(records_with("swordfish"), 0);
}
END_TEST

/* Kills every dump connection, again and again, while changes are made; then the log is taken up by a second capture.
 */
START_TEST(connections_break)
{
    struct capture_config config = config_of();
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    char statement[256];
    for (int i = 0; i < 60; i++) {
        snprintf(statement, sizeof statement, "INSERT INTO shop.item VALUES (%d, 'gear-%d', %d), (%d, 'gear-%d', %d)",
                 2 * i, 2 * i, i, 2 * i + 1, 2 * i + 1, i);
        sql(statement);
        if (i % 10 == 9) {
            MYSQL_RES *list = mysql_query(admin, "SHOW PROCESSLIST") == 0 ? mysql_store_result(admin) : NULL;
            ck_assert_ptr_nonnull(list);
            for (MYSQL_ROW row; (row = mysql_fetch_row(list)) != NULL;) {
                if (row[4] == NULL || strcmp(row[4], "Binlog Dump") != 0) continue;
                snprintf(statement, sizeof statement, "KILL %s", row[0]);
                (void)mysql_query(admin, statement);
            }
            mysql_free_result(list);
        }
        fake_storage_step(&storage);
    }
    wait_for("gear-", 120);
    capture_stop(capture);
    capture = NULL;
    fake_storage_reattach(&storage);
    sql("INSERT INTO shop.item VALUES (1000, 'gear-late', 1)");
    start(&config);
    wait_for("gear-", 121);
    for (uint64_t i = 0, wanted = 0; i < storage.record_count; i++) {
        if (!value_has(&storage.record[i], "gear-") || wanted == 120) continue;
        snprintf(statement, sizeof statement, "gear-%d", (int)wanted++);
        ck_assert_msg(value_has(&storage.record[i], statement), "%s is not where it belongs", statement);
    }
}
END_TEST

/* What was changed before capture began: `earliest` follows it from the first binlog on, DDL included. */
START_TEST(earliest)
{
    struct capture_config config = config_of();
    config.start = CAPTURE_START_EARLIEST;
    sql("INSERT INTO shop.item VALUES (1, 'old-one', 1)");
    sql("FLUSH BINARY LOGS");
    sql("INSERT INTO shop.item VALUES (2, 'old-two', 1)");
    start(&config);
    wait_for("old-two", 1);
    ck_assert_uint_eq(records_with("old-one"), 1);
    ck_assert_uint_ge(records_with("CREATE TABLE shop.item"), 1);
}
END_TEST

static char folder[64];

/* A place for what must outlive a restart. */
static void folder_make(struct capture_config *config)
{
    char command[160];
    snprintf(folder, sizeof folder, "/tmp/millrace-live-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command, "mkdir %s/live", folder);
    ck_assert_int_eq(system(command), 0);
    config->data_folder = folder;
}

static void folder_remove(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void stop(void)
{
    capture_stop(capture);
    capture = NULL;
    fake_storage_reattach(&storage);
}

static void make_history(void)
{
    sql("INSERT INTO shop.item VALUES (1, 'before', 1)");
    sql("ALTER TABLE shop.item CHANGE name title VARCHAR(100)");
    sql("INSERT INTO shop.item VALUES (2, 'behind', 1)");
    sql("CREATE TABLE shop._item_new LIKE shop.item");
    sql("ALTER TABLE shop._item_new ADD colour VARCHAR(20) AFTER id");
    sql("INSERT INTO shop._item_new (id, title, price) SELECT id, title, price FROM shop.item");
    sql("RENAME TABLE shop.item TO shop._item_old, shop._item_new TO shop.item");
    sql("INSERT INTO shop.item VALUES (3, 'mauve', 'swapped', 1)");
    sql("DROP TABLE shop._item_old");
    sql("ALTER TABLE shop.item DROP COLUMN title");
    sql("INSERT INTO shop.item VALUES (4, 'ochre', 1)");
}

/* Capture is down while tables are altered, swapped as by an online schema change, and altered again: each row gets the
 * names of its own position. */
START_TEST(lagging_behind_definitions)
{
    struct capture_config config = config_of();
    folder_make(&config);
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    stop();
    make_history();
    start(&config);
    wait_for("ochre", 1);
    ck_assert_uint_eq(records_with("before"), 2); /* in the shadow table as well */
    ck_assert_uint_eq(records_with("behind"), 2);
    for (uint64_t i = 0; i < storage.record_count; i++) {
        const struct fake_record *r = &storage.record[i];
        if (value_has(r, "before") && value_has(r, "shop.item")) ck_assert(value_has(r, "\x08name"));
        if (value_has(r, "behind")) ck_assert(value_has(r, "title") && !value_has(r, "\x08name"));
        if (value_has(r, "mauve")) ck_assert(value_has(r, "title") && value_has(r, "colour"));
        if (value_has(r, "ochre")) ck_assert(!value_has(r, "title") && value_has(r, "colour"));
    }
    stop();
    folder_remove();
}
END_TEST

/* The same without what the first run knew: the source's definitions of now are true only behind the last change, and
 * the row before it is not guessed.  With the user's word for it, all is well. */
START_TEST(lagging_without_memory)
{
    struct capture_config config = config_of();
    if (is_mysql_8()) sql("SET GLOBAL binlog_row_metadata=MINIMAL"); /* else the rows would name themselves */
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    stop();
    make_history();
    start(&config);
    struct capture_status s;
    for (unsigned waited = 0; waited < WAIT_MS; waited += 5) {
        fake_storage_step(&storage);
        capture_status(capture, &s);
        if (s.state == CAPTURE_ENDED) break;
        nap(5);
    }
    ck_assert_int_eq(s.state, CAPTURE_ENDED);
    ck_assert_int_eq(s.error.code, ERR_SCHEMA);
    ck_assert_ptr_nonnull(strstr(s.error.text, "shop.item"));
    ck_assert_ptr_nonnull(strstr(s.error.text, "schema_file"));
    fake_storage_step(&storage);
    ck_assert_uint_eq(records_with("before"), 0);
    stop();

    char path[] = "/tmp/millrace-schema-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("-- as it was; before\nUSE shop;\nCREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(100) COMMENT ';',\n"
          " price DECIMAL(8,2));\n",
          file);
    fclose(file);
    config.schema_file = path;
    start(&config);
    wait_for("ochre", 1);
    ck_assert_uint_eq(records_with("before"), 2);
    unlink(path);
    if (is_mysql_8()) sql("SET GLOBAL binlog_row_metadata=FULL");
}
END_TEST

/* Which ids of "TEXT-id;" stand in the log: each once, in order, without a gap. */
static void ids_of(const char *text, long *first, long *last)
{
    size_t size = strlen(text);
    *first = *last = -1;
    for (uint64_t i = 0; i < storage.record_count; i++) {
        const struct fake_record *r = &storage.record[i];
        const uint8_t *at = memmem(r->value, r->value_bytes, text, size);
        if (at == NULL) continue;
        long id = strtol((const char *)at + size, NULL, 10);
        ck_assert_msg(*last == -1 || id == *last + 1, "%s%ld stands behind %s%ld", text, id, text, *last);
        if (*first == -1) *first = id;
        *last = id;
    }
}

/* Objects come and go under load, each transaction is seen with the old ones or the new ones, and a kill right behind
 * the change takes nothing back and repeats nothing. */
START_TEST(objects_change_under_load)
{
    static const char *const few[] = {"shop.item", NULL}, *const more[] = {"shop.item", "shop.note", NULL},
                             *const wrong[] = {"shop.`item", NULL};
    struct capture_config config = config_of();
    struct err_msg msg = {0};
    char statement[160];
    long first, last;
    folder_make(&config);
    config.include = few;
    sql("CREATE TABLE shop.note (id INT PRIMARY KEY, text VARCHAR(40))");
    start(&config);
    wait_for_state(CAPTURE_AT_TAIL);
    ck_assert_int_eq(capture_select(capture, wrong, NULL, &msg), ERR_INVALID);
    for (int i = 0; i < 400; i++) {
        sql("BEGIN");
        snprintf(statement, sizeof statement, "INSERT INTO shop.note VALUES (%d, 'note-%d;')", i, i);
        sql(statement);
        snprintf(statement, sizeof statement, "INSERT INTO shop.item VALUES (%d, 'item-%d;', 1)", i, i);
        sql(statement);
        sql("COMMIT");
        fake_storage_step(&storage);
        const char *const *wanted = i == 100 ? more : i == 250 ? few : NULL;
        snprintf(statement, sizeof statement, "item-%d;", i);
        if (wanted != NULL) wait_for(statement, 1); /* the border is one of what capture reads */
        if (wanted != NULL) ck_assert_msg(capture_select(capture, wanted, NULL, &msg) == ERR_OK, "%s", msg.text);
        if (i != 103 && i != 180 && i != 251) continue;
        stop();
        config.include = i < 250 ? more : few;
        start(&config);
    }
    sql("INSERT INTO shop.item VALUES (1000, 'the-end', 1)");
    wait_for("the-end", 1);
    ids_of("item-", &first, &last);
    ck_assert(first == 0 && last == 399);
    ids_of("note-", &first, &last);
    ck_assert_msg(first > 100 && first <= 150 && last >= 250 && last <= 300, "notes from %ld to %ld", first, last);
    stop();
    folder_remove();
}
END_TEST

static enum err precheck(const struct capture_config *config, struct err_msg *msg)
{
    *msg = (struct err_msg){0};
    return capture_precheck(config, 5, NULL, msg);
}

START_TEST(prechecks)
{
    struct err_msg msg;
    struct capture_config config = config_of();
    ck_assert_msg(precheck(&config, &msg) == ERR_OK, "%s", msg.text);
    config.password = "wrong";
    ck_assert_int_eq(precheck(&config, &msg), ERR_ACCESS_DENIED);
    ck_assert_ptr_nonnull(strstr(msg.text, "check user and password"));
    config = config_of();
    config.port = 1;
    ck_assert_int_eq(precheck(&config, &msg), ERR_CONNECT);
    config = config_of();
    config.server_id = (uint32_t)atoi(environment("MILLRACE_SOURCE_SERVER_ID"));
    ck_assert_int_eq(precheck(&config, &msg), ERR_SOURCE_CONFIG);
    config = config_of();
    sql("SET GLOBAL binlog_format=STATEMENT");
    ck_assert_int_eq(precheck(&config, &msg), ERR_SOURCE_CONFIG);
    ck_assert_ptr_nonnull(strstr(msg.text, "binlog_format=ROW"));
    sql("SET GLOBAL binlog_format=ROW");
    sql("CREATE USER feeble IDENTIFIED BY 'x'");
    sql("GRANT SELECT ON *.* TO feeble");
    config.user = "feeble";
    config.password = "x";
    ck_assert_int_eq(precheck(&config, &msg), ERR_ACCESS_DENIED);
    ck_assert_ptr_nonnull(strstr(msg.text, "GRANT"));
    sql("DROP USER feeble");
}
END_TEST

int main(void)
{
    if (environment("MILLRACE_SOURCE_PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND -- this program");
        return 77;
    }
    TCase *cases = tcase_create("live");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, changes);
    tcase_add_test(cases, definition_changes_at_the_tail);
    tcase_add_test(cases, connections_break);
    tcase_add_test(cases, earliest);
    tcase_add_test(cases, lagging_behind_definitions);
    tcase_add_test(cases, lagging_without_memory);
    tcase_add_test(cases, objects_change_under_load);
    tcase_add_test(cases, prechecks);
    Suite *suite = suite_create("capture_live");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
