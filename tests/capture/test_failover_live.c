/* Goal: two real servers, one the other's replica by GTIDs, and a capture that knows both.  The one it reads is killed
 * under load, comes back, and then the other is killed: the rows come in order, once each, as an undisturbed capture of
 * the survivor has them.  A definition changes on the way.
 * Run by `tests/servers run KIND --crash-safe --set log_slave_updates=ON -- test_failover_live [ROWS]`. */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/capture/live_source.h"

enum { ROWS_BEHIND = 200, ROWS_A_TRANSACTION = 8, WAIT_S = 240 };

static uint64_t rows_of_load = 2400;

static struct live_follow follow;
static MYSQL *first; /* the server of the facts; the second is its replica */
static char folder[64];
static unsigned second_port;

static void second_start(void)
{
    char command[256], line[2048];
    ck_assert(live_servers("start %s --folder '%s' --crash-safe --set log_slave_updates=ON --set relay_log_recovery=ON",
                           live_fact("KIND"), folder));
    snprintf(command, sizeof command, "'%s' facts --folder '%s'", getenv("MILLRACE_SERVERS"), folder);
    FILE *facts = popen(command, "re");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, facts));
    pclose(facts);
    const char *port = strstr(line, "\"port\": ");
    ck_assert_ptr_nonnull(port);
    second_port = (unsigned)atoi(port + 8);
}

static void replicate(MYSQL *replica)
{
    const char *port = live_fact("PORT"), *password = live_fact("ADMIN_PASSWORD");
    if (live_is_mariadb(replica))
        live_sql(replica, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER='admin', "
                          "MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", port, password);
    else if (live_is_version(replica, 80400))
        live_sql(replica, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%s, SOURCE_USER='admin', "
                          "SOURCE_PASSWORD='%s', SOURCE_CONNECT_RETRY=1, SOURCE_AUTO_POSITION=1, "
                          "GET_SOURCE_PUBLIC_KEY=1", port, password);
    else
        live_sql(replica, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER='admin', "
                          "MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_AUTO_POSITION=1", port, password);
    live_sql(replica, live_is_version(replica, 80400) ? "START REPLICA" : "START SLAVE");
}

static void rows_insert(MYSQL *mysql, int from, int until)
{
    for (int i = from; i < until;) {
        live_sql(mysql, "BEGIN");
        for (int k = 0; k < 1 + i % ROWS_A_TRANSACTION && i < until; k++, i++)
            live_sql(mysql, "INSERT INTO shop.item (id, name) VALUES (%d, 'gear-%06d')", i, i);
        live_sql(mysql, "COMMIT");
    }
}

/* Keeps the first server busy; its binlog rolls, and a definition changes. */
static void *load(void *ignored)
{
    (void)ignored;
    mysql_thread_init();
    MYSQL *mysql = live_admin(0);
    rows_insert(mysql, 0, rows_of_load / 2);
    live_sql(mysql, "ALTER TABLE shop.item ADD COLUMN size INT NOT NULL DEFAULT 7 AFTER id");
    live_sql(mysql, "FLUSH BINARY LOGS");
    rows_insert(mysql, rows_of_load / 2, rows_of_load);
    mysql_close(mysql);
    mysql_thread_end();
    return NULL;
}

/* Records hold gear-000000, gear-000001, ... in this order, once each, and there are `count`. */
static void check_order(const struct live_follow *f, int count)
{
    int next = 0;
    for (uint64_t i = 0; i < f->storage.record_count; i++) {
        const struct fake_record *r = &f->storage.record[i];
        const char *at = memmem(r->value, r->value_bytes, "gear-", 5);
        if (at == NULL) continue;
        char number[7] = {0};
        memcpy(number, at + 5, 6);
        ck_assert_msg(atoi(number) == next, "record %" PRIu64 " has gear-%s, expected %06d", i, number, next);
        next++;
    }
    ck_assert_int_eq(next, count);
}

static void wait_rows(MYSQL *mysql, int count)
{
    for (uint64_t until = live_now_ms() + WAIT_S * 1000 + 10 * rows_of_load; live_now_ms() < until; live_nap(50)) {
        if (atoi(live_ask(mysql, "SELECT COUNT(*) FROM shop.item")) >= count) return;
    }
    ck_abort_msg("the replica has %s rows of %d", live_ask(mysql, "SELECT COUNT(*) FROM shop.item"), count);
}

static void wait_gears(uint64_t count)
{
    for (uint64_t until = live_now_ms() + WAIT_S * 1000 + 10 * rows_of_load; live_now_ms() < until; live_nap(5)) {
        struct capture_status s;
        fake_storage_step(&follow.storage);
        if (live_count(&follow, "gear-") >= count) return;
        capture_status(follow.capture, &s);
        ck_assert_msg(s.state != CAPTURE_ENDED, "capture ended: %s", s.error.text);
    }
    ck_abort_msg("%" PRIu64 " rows of %" PRIu64, live_count(&follow, "gear-"), count);
}

static unsigned binlog_number(MYSQL *mysql)
{
    return (unsigned)atoi(strrchr(live_ask(mysql, "SHOW MASTER STATUS"), '.') + 1);
}

/* MariaDB has no server uuid: two servers whose binlogs have the same name and began in the same second must be told
 * apart all the same. */
static void binlogs_look_alike(MYSQL *a, MYSQL *b)
{
    while (binlog_number(a) < binlog_number(b)) live_sql(a, "FLUSH BINARY LOGS");
    while (binlog_number(b) < binlog_number(a)) live_sql(b, "FLUSH BINARY LOGS");
    live_nap((unsigned)(1000 - clock_realtime_ms(clock_real()) % 1000) + 50);
    live_sql(a, "FLUSH BINARY LOGS");
    live_sql(b, "FLUSH BINARY LOGS");
}

static void check_server(const struct live_follow *f, char before[static 65], bool is_same)
{
    struct capture_status s;
    capture_status(f->capture, &s);
    ck_assert_msg((strcmp(s.server_uuid, before) == 0) == is_same, "was at server '%s', is at '%s'", before,
                  s.server_uuid);
    snprintf(before, 65, "%s", s.server_uuid);
}

START_TEST(fail_over_under_load)
{
    char server[65] = "";
    struct capture_config config = live_config();
    struct source_host standby = {live_fact("HOST"), (uint16_t)atoi(live_fact("PORT"))};
    pthread_t writer;
    first = live_admin(0);
    live_binlogs_anew(first);
    snprintf(folder, sizeof folder, "/tmp/millrace-second-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    second_start();
    MYSQL *second = live_admin(second_port);
    replicate(second);
    live_sql(first, "CREATE DATABASE shop");
    live_sql(first, "CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100)) ENGINE=InnoDB");
    for (int i = 0; i < 200 && live_ask(second, "SHOW DATABASES LIKE 'shop'")[0] == '\0'; i++) live_nap(50);
    for (int i = 0; i < 200 && live_ask(second, "SHOW TABLES FROM shop")[0] == '\0'; i++) live_nap(50);
    live_sql(second, "FLUSH BINARY LOGS"); /* its files have other numbers */

    config.port = (uint16_t)second_port;
    config.standby = &standby;
    config.standby_count = 1;
    config.connect_timeout_s = 5;
    live_open(&follow);
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    mysql_close(second);
    check_server(&follow, server, false);
    ck_assert_int_eq(pthread_create(&writer, NULL, load, NULL), 0);
    wait_gears(rows_of_load / 8);
    ck_assert(live_servers("kill --folder '%s'", folder)); /* the load goes on: the first server takes over */
    wait_gears(rows_of_load / 4 * 3);
    pthread_join(writer, NULL);
    wait_gears(rows_of_load);
    check_order(&follow, rows_of_load);
    check_server(&follow, server, false);

    second_start();
    second = live_admin(second_port);
    wait_rows(second, rows_of_load);
    if (live_is_mariadb(first)) binlogs_look_alike(first, second);
    mysql_close(first);
    ck_assert(live_servers("kill --folder '%s'", live_fact("FOLDER")));
    live_sql(second, live_is_version(second, 80400) ? "STOP REPLICA" : "STOP SLAVE");
    rows_insert(second, rows_of_load, rows_of_load + ROWS_BEHIND);
    wait_gears(rows_of_load + ROWS_BEHIND);
    check_order(&follow, rows_of_load + ROWS_BEHIND);
    check_server(&follow, server, false);
    live_close(&follow);

    struct live_follow undisturbed;
    config.standby_count = 0;
    config.start = CAPTURE_START_EARLIEST;
    live_open(&undisturbed);
    live_start(&undisturbed, &config);
    live_wait(&undisturbed, "gear-", rows_of_load + ROWS_BEHIND);
    check_order(&undisturbed, rows_of_load + ROWS_BEHIND);
    live_close(&undisturbed);
    mysql_close(second);
}
END_TEST

/* Runs also after a failure: in this process, where the case ran in a child. */
static void second_remove(void)
{
    if (folder[0] == '\0') return;
    (void)live_servers("kill --folder '%s'", folder);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    (void)!system(command);
    folder[0] = '\0';
}

int main(int argc, char **argv)
{
    if (argc == 2) rows_of_load = strtoull(argv[1], NULL, 10);
    if (live_fact("PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND --crash-safe --set log_slave_updates=ON -- this program");
        return 77;
    }
    TCase *cases = tcase_create("live");
    tcase_set_timeout(cases, 170 + (double)rows_of_load / 100);
    tcase_add_checked_fixture(cases, NULL, second_remove);
    tcase_add_test(cases, fail_over_under_load);
    Suite *suite = suite_create("failover_live");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    second_remove();
    return failed != 0;
}
