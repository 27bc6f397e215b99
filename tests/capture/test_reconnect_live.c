/* Goal: whatever breaks between a real source and us, the record stream is the one that nothing disturbed.
 * Method: random transactions (small ones, one of 250 KB now and then, XA, savepoints) while a proxy resets all
 * connections after random numbers of bytes, or while the source is stopped and killed and started again.  At the end
 * the log equals that of a second capture which reads the same binlogs in peace.
 * Run by `tests/servers run KIND --crash-safe -- test_reconnect_live CUTS RESTARTS [SEED]`; with MILLRACE_LONG 1,000
 * and 50, whatever is asked for. */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/random.h"
#include "tests/capture/cutting_proxy.h"
#include "tests/capture/live_source.h"
#include "tests/suite.h"
#include "tests/tree.h"

enum { MEAN_BYTES = 80 * 1000, LARGE_ROWS = 250, ROW_BYTES = 1000, WAIT_MS = 240000 };

static char folder[64];
static uint64_t cuts_wanted = 1000, restarts_wanted = 50, seed = 1;
static struct live_follow rough, calm;
static struct capture_config config;

/* A wall clock that stands: the records' time of handling is then the same in both runs. */
static uint64_t monotonic(const struct clock *c)
{
    (void)c;
    return clock_monotonic_ns(clock_real());
}
static uint64_t realtime(const struct clock *c)
{
    (void)c;
    return 1700000000000;
}
static const struct clock still = {monotonic, realtime};

static void setup(void)
{
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/millrace-reconnect-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (const char *const *run = (const char *const[]){"rough", "calm", NULL}; *run != NULL; run++) {
        snprintf(path, sizeof path, "%s/%s", folder, *run);
        ck_assert_int_eq(mkdir(path, 0755), 0);
        snprintf(path, sizeof path, "%s/%s/live", folder, *run);
        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
    MYSQL *admin = live_admin(0);
    live_sql(admin, "DROP DATABASE IF EXISTS shop");
    live_binlogs_anew(admin);
    live_sql(admin, "CREATE DATABASE shop");
    live_sql(admin, "CREATE TABLE shop.item (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(1200), n INT)");
    live_sql(admin, "CREATE TABLE shop.xa (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100))");
    mysql_close(admin);
    config = live_config();
    config.start = CAPTURE_START_EARLIEST;
    config.heartbeat_ms = 1000;
    config.reconnect_pause_ms_min = 1;
    config.reconnect_pause_ms_max = 5;
    live_open(&rough);
    live_open(&calm);
}

static void teardown(void)
{
    live_close(&rough);
    live_close(&calm);
    (void)tree_remove(folder);
}

/* --- the load --- */

struct load { /* one session's thread; the server may go away at any time */
    uint64_t seed;
    bool is_xa;
    _Atomic bool stop;
    _Atomic uint64_t transactions;
    pthread_t thread;
};

static MYSQL *session_open(void)
{
    MYSQL *mysql = mysql_init(NULL);
    unsigned timeout_s = 5;
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    if (mysql_real_connect(mysql, "127.0.0.1", "admin", live_fact("ADMIN_PASSWORD"), NULL,
                           (unsigned)atoi(live_fact("PORT")), NULL, 0) != NULL)
        return mysql;
    mysql_close(mysql);
    return NULL;
}

static bool run(MYSQL *mysql, const char *statement)
{
    if (mysql_query(mysql, statement) != 0) return false;
    MYSQL_RES *result = mysql_store_result(mysql);
    if (result != NULL) mysql_free_result(result);
    return true;
}

static bool large_transaction(MYSQL *mysql, struct random *r)
{
    char statement[512];
    bool good = run(mysql, "BEGIN");
    snprintf(statement, sizeof statement, "INSERT INTO shop.item (name, n) VALUES (REPEAT('%c', %d), %u)",
             'a' + (int)random_below(r, 26), ROW_BYTES, (unsigned)random_below(r, 1000));
    good = good && run(mysql, statement);
    for (int rows = 1; good && rows < LARGE_ROWS; rows *= 2)
        good = run(mysql, "INSERT INTO shop.item (name, n) "
                          "SELECT name, n + 1 FROM shop.item WHERE id >= LAST_INSERT_ID()");
    return good && run(mysql, "COMMIT");
}

static bool small_transaction(MYSQL *mysql, struct random *r)
{
    char statement[512];
    bool good = run(mysql, "BEGIN");
    for (uint64_t i = 1 + random_below(r, 5); good && i > 0; i--) {
        if (random_below(r, 6) == 0) good = run(mysql, "SAVEPOINT s");
        switch (random_below(r, 3)) {
        case 0:
            snprintf(statement, sizeof statement,
                     "UPDATE shop.item SET n = n + 1 ORDER BY id DESC LIMIT %u", (unsigned)random_below(r, 5));
            break;
        case 1:
            snprintf(statement, sizeof statement, "DELETE FROM shop.item ORDER BY id LIMIT %u",
                     (unsigned)random_below(r, 3));
            break;
        default:
            snprintf(statement, sizeof statement, "INSERT INTO shop.item (name, n) VALUES ('row-%u', %u)",
                     (unsigned)random_below(r, 100000), (unsigned)random_below(r, 100));
        }
        good = good && run(mysql, statement);
    }
    return good && run(mysql, random_below(r, 8) == 0 ? "ROLLBACK" : "COMMIT");
}

static bool xa_transaction(MYSQL *mysql, struct random *r)
{
    static const char *const words[] = {"XA START 'x'", "INSERT INTO shop.xa (name) VALUES ('prepared')",
                                        "XA END 'x'", "XA PREPARE 'x'"};
    for (size_t i = 0; i < 4; i++)
        if (!run(mysql, words[i])) return false;
    live_nap((unsigned)random_below(r, 30));
    return run(mysql, random_below(r, 3) == 0 ? "XA ROLLBACK 'x'" : "XA COMMIT 'x'");
}

static void *load_body(void *argument)
{
    struct load *l = argument;
    struct random r;
    MYSQL *mysql = NULL;
    random_init(&r, l->seed + 10 * seed);
    while (!atomic_load(&l->stop)) {
        if (mysql == NULL) {
            mysql = session_open();
            if (mysql == NULL) live_nap(20);
            if (mysql != NULL && l->is_xa) (void)run(mysql, "XA COMMIT 'x'"); /* that of before a restart, if any */
            continue;
        }
        bool good = l->is_xa ? xa_transaction(mysql, &r)
                             : random_below(&r, 20) == 0 ? large_transaction(mysql, &r) : small_transaction(mysql, &r);
        if (good) {
            atomic_fetch_add(&l->transactions, 1);
            live_nap((unsigned)random_below(&r, 8));
            continue;
        }
        mysql_close(mysql); /* what was open is rolled back */
        mysql = NULL;
    }
    if (mysql != NULL && l->is_xa) (void)run(mysql, "XA COMMIT 'x'");
    if (mysql != NULL) mysql_close(mysql);
    mysql_thread_end();
    return NULL;
}

static struct load loads[] = {{.seed = 1}, {.seed = 2}, {.seed = 3, .is_xa = true}};
enum { LOADS = sizeof loads / sizeof loads[0] };

static void loads_start(void)
{
    for (int i = 0; i < LOADS; i++) {
        atomic_store(&loads[i].stop, false);
        ck_assert_int_eq(pthread_create(&loads[i].thread, NULL, load_body, &loads[i]), 0);
    }
}

static void loads_stop(void)
{
    for (int i = 0; i < LOADS; i++) atomic_store(&loads[i].stop, true);
    for (int i = 0; i < LOADS; i++) pthread_join(loads[i].thread, NULL);
    MYSQL *admin = live_admin(0);
    live_sql(admin, "INSERT INTO shop.item (name, n) VALUES ('the-last-row', 1)");
    mysql_close(admin);
}

/* --- captures --- */

static void begin(struct live_follow *f, const char *run_name, uint16_t port)
{
    char path[128];
    struct err_msg msg = {0};
    snprintf(path, sizeof path, "%s/%s", folder, run_name);
    config.data_folder = path;
    config.port = port;
    enum err e = capture_start(&f->capture, &config, &f->storage.feed, &f->storage.resume, &still, f->counters, &msg);
    f->storage.resume.gtid_set = NULL; /* taken over */
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
}

static uint64_t reattaches;

/* What storage and control do; the log is cut where the source took back what was partly sent. */
static void look_after(struct live_follow *f, const char *run_name, uint16_t port)
{
    struct capture_status s;
    fake_storage_step(&f->storage);
    capture_status(f->capture, &s);
    if (s.state != CAPTURE_ENDED) return;
    ck_assert_msg(s.wants_reattach, "capture ended: %s", s.error.text);
    reattaches++;
    live_stop(f);
    config.after_failure = true;
    begin(f, run_name, port);
    config.after_failure = false;
}

static void wait_for_the_last(struct live_follow *f, const char *run_name, uint16_t port)
{
    static const char last[] = "the-last-row";
    uint64_t seen = f->storage.record_count;
    for (uint64_t until = live_now_ms() + WAIT_MS; live_now_ms() < until; live_nap(2)) {
        look_after(f, run_name, port);
        if (seen > f->storage.record_count) seen = f->storage.record_count;
        for (; seen < f->storage.record_count; seen++) {
            const struct fake_record *r = &f->storage.record[seen];
            if (memmem(r->value, r->value_bytes, last, sizeof last - 1) == NULL) continue;
            live_nap(50); /* its COMMIT */
            look_after(f, run_name, port);
            return;
        }
    }
    struct capture_status s;
    capture_status(f->capture, &s);
    ck_abort_msg("%s: the last row did not come: %s", run_name, s.error.text);
}

static void compare(uint16_t server_port)
{
    config.server_id++; /* the other one is still there */
    begin(&calm, "calm", server_port);
    wait_for_the_last(&calm, "calm", server_port);
    ck_assert_uint_gt(calm.storage.record_count, 100);
    fake_storage_assert_same_changes(&calm.storage, &rough.storage);
}

static uint64_t transactions(void)
{
    uint64_t count = 0;
    for (int i = 0; i < LOADS; i++) count += atomic_load(&loads[i].transactions);
    return count;
}

START_TEST(connections_are_cut)
{
    uint64_t wanted = cuts_wanted, began_ms = live_now_ms();
    uint16_t server_port = config.port;
    struct cutting_proxy *proxy = cutting_proxy_open(server_port, MEAN_BYTES, seed);
    begin(&rough, "rough", cutting_proxy_port(proxy));
    loads_start();
    while (cutting_proxy_cuts(proxy) < wanted) {
        look_after(&rough, "rough", cutting_proxy_port(proxy));
        live_nap(1);
        ck_assert_msg(live_now_ms() - began_ms < 600000, "%" PRIu64 " cuts only", cutting_proxy_cuts(proxy));
    }
    loads_stop();
    cutting_proxy_stop_cutting(proxy);
    wait_for_the_last(&rough, "rough", cutting_proxy_port(proxy));
    if (wanted >= 10) ck_assert_uint_gt(rough.storage.batches_of_part, 0); /* one need not hit */
    printf("%" PRIu64 " cuts, %" PRIu64 " transactions, %" PRIu64 " records, %" PRIu64 " parts of transactions, "
           "%" PRIu64 " reattaches, %" PRIu64 " ms\n",
           cutting_proxy_cuts(proxy), transactions(), rough.storage.record_count, rough.storage.batches_of_part,
           reattaches, live_now_ms() - began_ms);
    compare(server_port);
    cutting_proxy_close(proxy);
}
END_TEST

START_TEST(the_source_restarts)
{
    int restarts = (int)restarts_wanted;
    uint64_t began_ms = live_now_ms();
    uint16_t server_port = config.port;
    struct random r;
    random_init(&r, seed);
    begin(&rough, "rough", server_port);
    loads_start();
    for (int i = 0; i < restarts; i++) {
        for (uint64_t until = live_now_ms() + 300 + random_below(&r, 500); live_now_ms() < until; live_nap(1))
            look_after(&rough, "rough", server_port);
        ck_assert(live_servers("%s --folder '%s'", i % 3 == 1 ? "stop" : "kill", live_fact("FOLDER")));
        look_after(&rough, "rough", server_port);
        ck_assert(live_servers("start %s --folder '%s'", live_fact("KIND"), live_fact("FOLDER")));
    }
    loads_stop();
    wait_for_the_last(&rough, "rough", server_port);
    printf("%d restarts, %" PRIu64 " transactions, %" PRIu64 " records, %" PRIu64 " parts of transactions, %" PRIu64
           " reattaches, %" PRIu64 " ms\n",
           restarts, transactions(), rough.storage.record_count, rough.storage.batches_of_part, reattaches,
           live_now_ms() - began_ms);
    compare(server_port);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc >= 3 && getenv("MILLRACE_LONG") == NULL) {
        cuts_wanted = (uint64_t)atoi(argv[1]);
        restarts_wanted = (uint64_t)atoi(argv[2]);
        if (argc == 4) seed = (uint64_t)atoi(argv[3]);
    }
    if (live_fact("PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND -- this program");
        return 77;
    }
    TCase *cases = tcase_create("reconnect_live");
    tcase_set_timeout(cases, 700);
    tcase_add_checked_fixture(cases, setup, teardown);
    if (cuts_wanted > 0) tcase_add_test(cases, connections_are_cut);
    if (restarts_wanted > 0) tcase_add_test(cases, the_source_restarts);
    Suite *suite = suite_create("reconnect_live");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
