/* Goal: what real servers write beside plain transactions comes out right: XA transactions across restarts of ours and
 * a purge of the binlogs, compressed transactions, checksums switched in mid-stream, savepoints with tables of an
 * engine without transactions, LOAD DATA, CREATE TABLE ... SELECT, statements instead of rows.  Run by
 * `tests/servers run KIND -- test_events_live`. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/capture/live_source.h"
#include "tests/suite.h"
#include "tests/tree.h"

static MYSQL *admin, *session;
static struct live_follow follow;
static struct capture_config config;
static char folder[64];

static void setup(void)
{
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/millrace-events-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/live", folder);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    admin = live_admin(0);
    session = live_admin(0);
    live_sql(admin, "DROP DATABASE IF EXISTS shop");
    live_binlogs_anew(admin);
    live_sql(admin, "CREATE DATABASE shop");
    live_sql(admin, "CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100), price DECIMAL(8,2),"
                    " at DATETIME(3))");
    live_sql(admin, "CREATE TABLE shop.old (id INT PRIMARY KEY, name VARCHAR(100)) ENGINE=MyISAM");
    config = live_config();
    config.data_folder = folder;
    config.ddl_instance = false;
    live_open(&follow);
}

static void teardown(void)
{
    live_close(&follow);
    mysql_close(session);
    mysql_close(admin);
    (void)tree_remove(folder);
}

static void item(MYSQL *mysql, int id, const char *name)
{
    live_sql(mysql, "INSERT INTO shop.item VALUES (%d, '%s', 12.50, '2026-11-21 10:11:12.125')", id, name);
}

static void start(void)
{
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
}

static uint64_t counted(const char *name)
{
    return counter_get(counters_add(follow.counters, COUNTER_COUNT, name, "channel=live"));
}

/* MySQL to 5.6 writes XA transactions when they are committed only: the rows come all the same. */
static void xa_prepare(MYSQL *mysql, const char *xid, int id, const char *name)
{
    live_sql(mysql, "XA START %s", xid);
    item(mysql, id, name);
    live_sql(mysql, "UPDATE shop.item SET price = 13 WHERE id = %d", id);
    live_sql(mysql, "XA END %s", xid);
    live_sql(mysql, "XA PREPARE %s", xid);
}

START_TEST(xa_across_restarts_and_a_purge)
{
    start();
    xa_prepare(session, "'one','b',7", 1, "xa-first");
    item(admin, 2, "marker-1");
    live_wait(&follow, "marker-1", 1);
    ck_assert_uint_eq(live_count(&follow, "xa-first"), 0);
    live_stop(&follow);
    start(); /* reads the prepared one again, or not, as the log was durable */
    live_sql(admin, "FLUSH BINARY LOGS");
    item(admin, 3, "marker-2");
    live_wait(&follow, "marker-2", 1);
    live_stop(&follow);
    if (live_is_version(admin, 50700) || live_is_mariadb(admin)) { /* its changes are in no binlog any more */
        char newest[256];
        bool is_new = live_is_version(admin, 80200);
        const char *question = is_new ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
        snprintf(newest, sizeof newest, "%s", live_ask(admin, "%s", question));
        live_sql(admin, "PURGE BINARY LOGS TO '%s'", newest);
    }
    start();
    live_sql(session, "XA COMMIT 'one','b',7");
    live_wait(&follow, "xa-first", 2); /* an insert, an update */
    ck_assert_uint_eq(counted("capture_xa_unknown"), 0);

    xa_prepare(session, "'two'", 4, "xa-second");
    live_sql(session, "XA ROLLBACK 'two'");
    xa_prepare(session, "'two'", 4, "xa-third");
    live_sql(session, "XA COMMIT 'two'");
    live_sql(session, "XA START 'three'");
    item(session, 5, "xa-fourth");
    live_sql(session, "XA END 'three'");
    live_sql(session, "XA COMMIT 'three' ONE PHASE");
    live_sql(session, "XA START 'four'"); /* of nothing */
    live_sql(session, "XA END 'four'");
    live_sql(session, "XA PREPARE 'four'");
    live_sql(session, "XA COMMIT 'four'");
    item(admin, 6, "marker-3");
    live_wait(&follow, "marker-3", 1);
    ck_assert_uint_eq(live_count(&follow, "xa-second"), 0);
    ck_assert_uint_eq(live_count(&follow, "xa-third"), 2);
    ck_assert_uint_eq(live_count(&follow, "xa-fourth"), 1);
    ck_assert_uint_eq(counted("capture_xa_unknown"), 0);
}
END_TEST

/* A look ahead that meets a prepared transaction at a file's end must not take it for one that a crash left. */
START_TEST(xa_from_the_earliest)
{
    config.start = CAPTURE_START_EARLIEST;
    xa_prepare(session, "'one'", 1, "xa-early");
    live_sql(admin, "FLUSH BINARY LOGS");
    item(admin, 2, "marker-1");
    live_start(&follow, &config);
    live_wait(&follow, "marker-1", 1);
    live_sql(session, "XA COMMIT 'one'");
    item(admin, 3, "marker-2");
    live_wait(&follow, "marker-2", 1);
    ck_assert_uint_eq(live_count(&follow, "xa-early"), 2);
}
END_TEST

START_TEST(compressed_transactions)
{
    if (!live_is_version(admin, 80020)) return;
    live_sql(session, "SET SESSION binlog_transaction_compression=ON");
    live_sql(session, "CREATE TABLE shop.wide (id INT AUTO_INCREMENT PRIMARY KEY, text TEXT)");
    live_sql(session, "INSERT INTO shop.wide (text) VALUES (REPEAT('packed', 2000))");
    start();
    live_sql(session, "BEGIN");
    item(session, 1, "packed-item");
    live_sql(session, "UPDATE shop.item SET price = 14 WHERE id = 1");
    live_sql(session, "COMMIT");
    for (int i = 0; i < 9; i++) live_sql(session, "INSERT INTO shop.wide (text) SELECT text FROM shop.wide");
    xa_prepare(session, "'zip'", 3, "packed-xa");
    live_sql(session, "XA COMMIT 'zip'");
    live_sql(session, "ALTER TABLE shop.item ADD more VARCHAR(20)");
    live_sql(session, "INSERT INTO shop.item VALUES (2, 'packed-item', 1, NULL, 'behind')");
    live_wait(&follow, "behind", 1);
    ck_assert_uint_eq(live_count(&follow, "packed-item"), 3);
    ck_assert_uint_eq(live_count(&follow, "packedpacked"), 511);
    ck_assert_uint_eq(live_count(&follow, "packed-xa"), 2);
}
END_TEST

/* The server ends the file and says the other checksum at the head of the next, in the same dump. */
START_TEST(checksum_switched)
{
    start();
    const char *was = strdup(live_ask(admin, "SELECT @@GLOBAL.binlog_checksum"));
    for (int i = 0; i < 6; i++) {
        live_sql(admin, "SET GLOBAL binlog_checksum=%s", i % 2 == 0 ? "NONE" : "CRC32");
        item(admin, i, "checksummed");
    }
    live_wait(&follow, "checksummed", 6);
    uint64_t reconnects = counted("capture_reconnects");
    ck_assert_uint_eq(reconnects, 0);
    live_sql(admin, "SET GLOBAL binlog_checksum=%s", was);
}
END_TEST

START_TEST(savepoints)
{
    start();
    live_sql(session, "BEGIN");
    item(session, 1, "kept-a");
    live_sql(session, "SAVEPOINT a");
    item(session, 2, "gone-a");
    bool has_mixed = mysql_query(session, "INSERT INTO shop.old VALUES (1, 'without-transactions')") == 0;
    live_sql(session, "ROLLBACK TO SAVEPOINT a");
    item(session, 3, "kept-b");
    live_sql(session, "COMMIT");
    item(admin, 10, "marker-1");
    live_wait(&follow, "marker-1", 1);
    ck_assert_uint_eq(live_count(&follow, "kept-"), 2);
    ck_assert_uint_eq(live_count(&follow, "without-transactions"), has_mixed); /* MySQL with GTIDs refuses it */
    ck_assert_uint_eq(live_count(&follow, "gone-"), 0);

    if (!live_is_mariadb(admin)) return; /* the next is refused, too */
    live_sql(session, "BEGIN"); /* a temporary table keeps the log of what is undone */
    item(session, 4, "kept-c");
    live_sql(session, "SAVEPOINT b");
    live_sql(session, "CREATE TEMPORARY TABLE shop.scratch (id INT) ENGINE=MyISAM");
    item(session, 5, "gone-b");
    live_sql(session, "DROP TEMPORARY TABLE shop.scratch");
    live_sql(session, "ROLLBACK TO SAVEPOINT b");
    live_sql(session, "COMMIT");
    item(admin, 11, "marker-2");
    live_wait(&follow, "marker-2", 1);
    ck_assert_uint_eq(live_count(&follow, "kept-c"), 1);
    ck_assert_uint_eq(live_count(&follow, "gone-"), 0);
}
END_TEST

START_TEST(tables_made_from_others)
{
    bool may = live_is_mariadb(admin) || live_is_version(admin, 80021); /* before, GTIDs and this exclude each other */
    if (!may) return;
    item(admin, 1, "made-of-this");
    start();
    live_sql(session, "CREATE TABLE shop.made AS SELECT * FROM shop.item");
    live_sql(session, "INSERT INTO shop.made SELECT id + 1, name, price, at FROM shop.item");
    live_wait(&follow, "made-of-this", 2);
    ck_assert_uint_eq(live_count(&follow, "CREATE TABLE"), 1);
}
END_TEST

/* MariaDB writes an ALTER before it does it, and again when it is done or given up: only what was done counts. */
START_TEST(alter_in_two_phases)
{
    if (!live_is_mariadb(admin)) return;
    live_sql(admin, "SET GLOBAL binlog_alter_two_phase=ON");
    mysql_close(session);
    session = live_admin(0); /* it takes the setting with it */
    item(admin, 1, "twin");
    item(admin, 2, "twin");
    start();
    live_sql(session, "ALTER TABLE shop.item ADD colour VARCHAR(20) NOT NULL DEFAULT 'grey' AFTER id");
    ck_assert_int_ne(mysql_query(session, "ALTER TABLE shop.item ADD UNIQUE KEY (name)"), 0); /* two of the same */
    live_sql(session, "INSERT INTO shop.item VALUES (3, 'cerise', 'behind-both', 1, NULL)");
    live_wait(&follow, "behind-both", 1);
    ck_assert_uint_eq(live_count(&follow, "cerise"), 1);
    ck_assert_uint_eq(live_count(&follow, "ADD colour"), 1);
    ck_assert_uint_eq(live_count(&follow, "ADD UNIQUE"), 0);
    live_sql(admin, "SET GLOBAL binlog_alter_two_phase=OFF");
}
END_TEST

static void load_file(char path[static 128])
{
    snprintf(path, 128, "%s/rows.txt", folder);
    FILE *f = fopen(path, "w");
    fputs("71,loaded-a,1.00,2026-01-01 00:00:00\n72,loaded-b,2.00,2026-01-01 00:00:00\n", f);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static const char load[] = "LOAD DATA INFILE '%s' INTO TABLE shop.item FIELDS TERMINATED BY ','";

START_TEST(loaded_files)
{
    char path[128];
    load_file(path);
    start();
    live_sql(session, load, path);
    live_wait(&follow, "loaded-", 2);
}
END_TEST

START_TEST(statements_instead_of_rows)
{
    char path[128];
    load_file(path);
    config.statements_warn = true;
    start();
    live_sql(session, "SET SESSION binlog_format=STATEMENT");
    item(session, 1, "as-a-statement");
    live_sql(session, load, path);
    bool hides = live_is_mariadb(admin);
    if (hides) live_sql(session, "SET STATEMENT lock_wait_timeout=9 FOR UPDATE shop.item SET name = 'as-a-statement'");
    item(admin, 2, "marker-1");
    live_wait(&follow, "marker-1", 1);
    ck_assert_uint_eq(live_count(&follow, "as-a-statement") + live_count(&follow, "loaded-"), 0);
    ck_assert_uint_eq(counted("capture_statement_events"), 2u + hides);
    live_stop(&follow);
    config.statements_warn = false;
    start();
    live_sql(session, "DELETE FROM shop.item WHERE id = 71");
    struct err_msg why = live_wait_error(&follow, false);
    ck_assert_int_eq(why.code, ERR_SOURCE_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "DELETE FROM shop.item"));
}
END_TEST

/* Passwords stand in the text of such statements: no record of any channel shows them. */
START_TEST(accounts_stay_away)
{
    config.ddl_instance = true;
    start();
    live_sql(session, "USE shop");
    live_sql(session, "CREATE USER 'kim'@'%%' IDENTIFIED BY 'word-1'");
    live_sql(session, "/* why */ GRANT SELECT ON shop.* TO 'kim'@'%%'");
    if (live_is_mariadb(admin)) {
        live_sql(session, "SET STATEMENT max_statement_time = 9 FOR CREATE USER 'lee'@'%%' IDENTIFIED BY 'word-2'");
        live_sql(session, "SET STATEMENT lock_wait_timeout = 9 FOR DROP USER 'lee'@'%%'");
        live_sql(session, "SET STATEMENT lock_wait_timeout = 9 FOR ALTER TABLE item ADD shade INT");
    } else {
        live_sql(session, "ALTER TABLE item ADD shade INT");
    }
    live_sql(session, "DROP USER 'kim'@'%%'");
    live_sql(admin, "INSERT INTO shop.item (id, name, shade) VALUES (1, 'marker-1', 2)");
    live_wait(&follow, "marker-1", 1);
    ck_assert_uint_eq(live_count(&follow, "word-") + live_count(&follow, "kim") + live_count(&follow, "lee"), 0);
    ck_assert_uint_eq(live_count(&follow, "ADD shade"), 1);
    ck_assert_uint_eq(live_count(&follow, "shade"), 2); /* the statement, and the row by its new definition */
}
END_TEST

/* A statement is logged in its session's character set, whose bytes may look like quotes and backslashes. */
START_TEST(statements_of_any_character_set)
{
    static const struct {
        const char *charset, *name, *utf8;
    } cases[] = {
        {"latin1", "\xe4", "\xc3\xa4"},
        {"cp1251", "\xe4", "\xd0\xb4"},
        {"gbk", "\x81\x60", "\xe4\xb9\xa3"},
        {"gbk", "\x8a\x5c", "\xe5\xa5\xac"},
        {"sjis", "\x83\x60", "\xe3\x83\x81"},
        {"sjis", "\x83\x5c", "\xe3\x82\xbd"},
        {"utf8mb4", "\xe3\x82\xbd", "\xe3\x82\xbd"},
    };
    start();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char column[16], table[16], label[16], marker[16];
        const char *name = cases[i].name;
        snprintf(column, sizeof column, "c%u%s", i, cases[i].utf8);
        snprintf(table, sizeof table, "t%u%s", i, cases[i].utf8);
        snprintf(label, sizeof label, "l%u%s", i, cases[i].utf8);
        snprintf(marker, sizeof marker, "marker-%u", i);
        live_sql(session, "SET NAMES %s", cases[i].charset);
        live_sql(session, "CREATE TABLE shop.`t%u%s` (`c%u%s` ENUM('l%u%s') CHARACTER SET utf8, m CHAR(20))", i, name,
                 i, name, i, name);
        live_sql(session, "ALTER TABLE shop.`t%u%s` ADD id INT PRIMARY KEY FIRST", i, name);
        live_sql(session, "INSERT INTO shop.`t%u%s` VALUES (1, 1, '%s')", i, name, marker);
        live_wait(&follow, marker, 1);
        ck_assert_msg(live_count(&follow, table) == 3, "%s %u: the table", cases[i].charset, i);
        ck_assert_msg(live_count(&follow, column) == 2, "%s %u: the column", cases[i].charset, i);
        ck_assert_msg(live_count(&follow, label) == 2, "%s %u: the label", cases[i].charset, i);
    }
}
END_TEST

int main(void)
{
    if (live_fact("PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND -- this program");
        return 77;
    }
    TCase *cases = tcase_create("events_live");
    tcase_set_timeout(cases, 90);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, xa_across_restarts_and_a_purge);
    tcase_add_test(cases, xa_from_the_earliest);
    tcase_add_test(cases, compressed_transactions);
    tcase_add_test(cases, checksum_switched);
    tcase_add_test(cases, savepoints);
    tcase_add_test(cases, tables_made_from_others);
    tcase_add_test(cases, alter_in_two_phases);
    tcase_add_test(cases, loaded_files);
    tcase_add_test(cases, statements_instead_of_rows);
    tcase_add_test(cases, accounts_stay_away);
    tcase_add_test(cases, statements_of_any_character_set);
    Suite *suite = suite_create("events_live");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
