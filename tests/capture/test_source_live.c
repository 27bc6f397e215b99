/* Goal: every way to reach a source and to begin on it, against a real server: TLS in each mode, accounts of each kind,
 * a unix socket, a server that hangs, restarts and crashes, a stop at any of these; starts at a GTID set, a position, a
 * time; a history that is no longer ours.  Run by `tests/servers run KIND --tls --crash-safe -- test_source_live`. */
#include <arpa/inet.h>
#include <check.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "capture/precheck.h"
#include "tests/capture/live_source.h"
#include "tests/suite.h"

static struct live_follow follow;
static MYSQL *admin;

static void setup(void)
{
    admin = live_admin(0);
    live_open(&follow);
    live_sql(admin, "DROP DATABASE IF EXISTS shop");
    live_binlogs_anew(admin);
    live_sql(admin, "CREATE DATABASE shop");
    live_sql(admin, "CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100))");
}

static void teardown(void)
{
    live_close(&follow);
    mysql_close(admin);
}

static void insert(const char *name)
{
    live_sql(admin, "INSERT INTO shop.item (name) VALUES ('%s')", name);
}

/* The channel captures with this configuration. */
static void works(const struct capture_config *config, const char *name)
{
    live_start(&follow, config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    insert(name);
    live_wait(&follow, name, 1);
    live_stop(&follow);
}

static void fails(const struct capture_config *config, enum err code, const char *words)
{
    struct err_msg msg = {0};
    enum err e = capture_precheck(config, 10, NULL, &msg);
    ck_assert_msg(e == code, "%s, expected %s: %s", err_text(e), err_text(code), msg.text);
    ck_assert_msg(strstr(msg.text, words) != NULL, "'%s' is not in: %s", words, msg.text);
    ck_assert_ptr_null(strstr(msg.text, config->password));
}

/* --- the precheck: each item, as it is and as it must not be --- */

static struct precheck_report report;

static const struct precheck_item *item_of(const struct capture_config *config, const char *name)
{
    struct err_msg msg = {0};
    enum err e = capture_precheck(config, 10, &report, &msg);
    bool has_failure = false;
    for (uint32_t i = 0; i < report.count; i++) has_failure |= report.item[i].verdict == PRECHECK_FAILURE;
    ck_assert_msg((e != ERR_OK) == has_failure, "%s: %s", err_text(e), msg.text);
    for (uint32_t i = 0; i < report.count; i++) {
        if (strcmp(report.item[i].name, name) == 0) return &report.item[i];
    }
    ck_abort_msg("no item %s", name);
}

/* One item, with words that it found, and something to do unless it passed. */
static void says(const struct capture_config *config, const char *name, enum precheck_verdict verdict,
                 const char *words)
{
    const struct precheck_item *item = item_of(config, name);
    ck_assert_msg(item->verdict == verdict, "%s: %s: %s", name, precheck_verdict_name(item->verdict), item->found);
    ck_assert_msg(strstr(item->found, words) != NULL, "%s: '%s' is not in: %s", name, words, item->found);
    bool needs_mend = verdict == PRECHECK_WARNING || (verdict == PRECHECK_FAILURE && strcmp(name, "connection") != 0);
    ck_assert_msg(!needs_mend || item->mend[0] != '\0', "%s: nothing to do: %s", name, item->found);
}

START_TEST(precheck_settings)
{
    struct capture_config config = live_config();
    struct err_msg msg = {0};
    ck_assert_msg(capture_precheck(&config, 10, &report, &msg) == ERR_OK, "%s", msg.text);
    for (uint32_t i = 0; i < report.count; i++)
        ck_assert_msg(report.item[i].verdict == PRECHECK_PASS, "%s: %s", report.item[i].name, report.item[i].found);
    ck_assert_uint_eq(report.count, 14);

    live_sql(admin, "SET GLOBAL binlog_format=STATEMENT");
    says(&config, "binlog_format", PRECHECK_FAILURE, "STATEMENT");
    live_sql(admin, "SET GLOBAL binlog_format=ROW");
    live_sql(admin, "SET GLOBAL binlog_row_image=MINIMAL");
    says(&config, "binlog_row_image", PRECHECK_FAILURE, "MINIMAL");
    config.partial_images_none = true;
    says(&config, "binlog_row_image", PRECHECK_WARNING, "MINIMAL");
    config.partial_images_none = false;
    live_sql(admin, "SET GLOBAL binlog_row_image=FULL");
    live_sql(admin, "SET GLOBAL sync_binlog=100");
    says(&config, "sync_binlog", PRECHECK_WARNING, "100");
    live_sql(admin, "SET GLOBAL sync_binlog=1");

    bool has_seconds = live_ask(admin, "SHOW GLOBAL VARIABLES LIKE 'binlog_expire_logs_seconds'")[0] != '\0';
    char before[64];
    snprintf(before, sizeof before, "%s",
             live_ask(admin, has_seconds ? "SELECT @@GLOBAL.binlog_expire_logs_seconds"
                                         : "SELECT @@GLOBAL.expire_logs_days"));
    if (has_seconds) {
        live_sql(admin, "SET GLOBAL binlog_expire_logs_seconds=3600");
        says(&config, "retention", PRECHECK_WARNING, "1.0 hours");
        live_sql(admin, "SET GLOBAL binlog_expire_logs_seconds=%s", before);
    } else {
        live_sql(admin, "SET GLOBAL expire_logs_days=2");
        says(&config, "retention", PRECHECK_PASS, "48.0 hours");
        live_sql(admin, "SET GLOBAL expire_logs_days=%s", before);
    }

    config.server_id = (uint32_t)atoi(live_fact("SERVER_ID"));
    says(&config, "server_id", PRECHECK_FAILURE, "the source's own");
    config = live_config();
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    if (live_is_mariadb(admin)) { /* lists them for REPLICATION MASTER ADMIN only */
        says(&config, "server_id", PRECHECK_PASS, "may not be listed");
        live_sql(admin, "GRANT REPLICATION MASTER ADMIN ON *.* TO millrace");
    }
    says(&config, "server_id", PRECHECK_FAILURE, "is connected to the source");
    config.server_id++;
    says(&config, "server_id", PRECHECK_PASS, "nor that of a connected replica");
    if (live_is_mariadb(admin)) live_sql(admin, "REVOKE REPLICATION MASTER ADMIN ON *.* FROM millrace");
}
END_TEST

START_TEST(precheck_tables)
{
    struct capture_config config = live_config();
    static const char *const exact[] = {"shop.item", "shop.nothing", NULL};
    static const char *const wide[] = {"shop.*", "no*.*", NULL};
    config.include = exact;
    says(&config, "objects", PRECHECK_FAILURE, "shop.nothing");
    says(&config, "primary_keys", PRECHECK_SKIPPED, "");
    config.include = wide;
    says(&config, "objects", PRECHECK_WARNING, "no*.*");
    config = live_config();
    live_sql(admin, "CREATE TABLE shop.heap (a INT)");
    says(&config, "primary_keys", PRECHECK_WARNING, "1 selected tables have none, so consumers cannot tell equal");
    ck_assert_ptr_nonnull(strstr(item_of(&config, "primary_keys")->found, "shop.heap"));
    live_sql(admin, "DROP TABLE shop.heap");
    live_sql(admin, "CREATE TABLE shop.part (id INT PRIMARY KEY, item INT, FOREIGN KEY (item) "
                    "REFERENCES shop.item (id) ON DELETE CASCADE) ENGINE=InnoDB");
    if (live_is_version(admin, 90600))
        says(&config, "foreign_keys", PRECHECK_PASS, "cascades");
    else
        says(&config, "foreign_keys", PRECHECK_WARNING, "shop.part");
    live_sql(admin, "DROP TABLE shop.part");
}
END_TEST

/* A start in the past, behind which a table was altered, another one made. */
START_TEST(precheck_definitions_of_the_start)
{
    struct capture_config config = live_config();
    static const char *const include[] = {"shop.*", NULL};
    char schema[64];
    snprintf(schema, sizeof schema, "/tmp/millrace-precheck-schema-%ld.sql", (long)getpid());
    bool is_full = strcmp(live_ask(admin, "SELECT IFNULL((SELECT 'FULL' FROM DUAL WHERE '%s' = 'FULL'), '')",
                                   live_is_version(admin, 80000) ? live_ask(admin, "SELECT @@binlog_row_metadata")
                                                                 : ""), "FULL") == 0;
    config.include = include;
    says(&config, "definitions", PRECHECK_PASS, "now");
    if (is_full) live_sql(admin, "SET GLOBAL binlog_row_metadata=MINIMAL");
    live_sql(admin, "CREATE TABLE shop.older (id INT PRIMARY KEY)");
    live_binlogs_anew(admin);
    config.start = CAPTURE_START_EARLIEST;
    live_sql(admin, "CREATE TABLE shop.made (id INT PRIMARY KEY)");
    live_sql(admin, "ALTER TABLE shop.made ADD c INT");
    says(&config, "definitions", PRECHECK_PASS, "known from");
    live_sql(admin, "ALTER TABLE shop.older ADD c INT");
    says(&config, "definitions", PRECHECK_WARNING, "1 selected tables were changed");
    ck_assert_ptr_nonnull(strstr(item_of(&config, "definitions")->found, "shop.older"));
    FILE *f = fopen(schema, "w");
    fputs("CREATE TABLE shop.older (id int NOT NULL, PRIMARY KEY (id)) DEFAULT CHARSET=latin1;\n", f);
    fclose(f);
    config.schema_file = schema;
    says(&config, "definitions", PRECHECK_PASS, "known from");
    unlink(schema);
    if (is_full) {
        live_sql(admin, "SET GLOBAL binlog_row_metadata=FULL");
        config.schema_file = NULL;
        says(&config, "definitions", PRECHECK_PASS, "FULL");
    }
    live_sql(admin, "DROP TABLE shop.made, shop.older");
}
END_TEST

START_TEST(precheck_privileges)
{
    struct capture_config config = live_config();
    static const char *const grants[] = {"SELECT", "SELECT, REPLICATION CLIENT",
                                         "REPLICATION CLIENT, REPLICATION SLAVE"};
    live_sql(admin, "CREATE USER feeble IDENTIFIED BY 'x-secret'");
    config.user = "feeble";
    config.password = "x-secret";
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        live_sql(admin, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM feeble");
        live_sql(admin, "GRANT %s ON *.* TO feeble", grants[i]);
        if (i < 2)
            says(&config, "privileges", PRECHECK_FAILURE, "");
        else /* what one may not SELECT one does not see */
            says(&config, "objects", PRECHECK_WARNING, "none by shop.*");
    }
    live_sql(admin, "DROP USER feeble");
    says(&config, "connection", PRECHECK_FAILURE, "feeble");
    says(&config, "log_bin", PRECHECK_SKIPPED, "no connection");
    config = live_config();
    config.start = CAPTURE_START_POSITION;
    config.start_file = "binlog.999999";
    config.start_position = 4;
    says(&config, "start", PRECHECK_FAILURE, "binlog.999999");
}
END_TEST

/* --- ways in --- */

START_TEST(tls)
{
    static char ca[256], other[256], certificate[256], key[256];
    const char *folder = live_fact("FOLDER");
    snprintf(ca, sizeof ca, "%s/tls/ca.pem", folder);
    snprintf(other, sizeof other, "%s/tls/other-ca.pem", folder);
    snprintf(certificate, sizeof certificate, "%s/tls/client.pem", folder);
    snprintf(key, sizeof key, "%s/tls/client-key.pem", folder);
    struct capture_config config = live_config();
    if (access(ca, R_OK) != 0) {
        config.tls.mode = SOURCE_TLS_PREFERRED;
        works(&config, "preferred-without");
        config.tls.mode = SOURCE_TLS_REQUIRED;
        fails(&config, ERR_SOURCE_CONFIG, "TLS");
        return;
    }
    config.tls.mode = SOURCE_TLS_OFF;
    works(&config, "off");
    config.tls.mode = SOURCE_TLS_PREFERRED;
    works(&config, "preferred");
    config.tls.mode = SOURCE_TLS_REQUIRED;
    works(&config, "required");

    live_sql(admin, "CREATE USER encrypted IDENTIFIED BY 'x-secret' REQUIRE SSL");
    live_sql(admin, "CREATE USER certified IDENTIFIED BY 'x-secret' REQUIRE X509");
    live_sql(admin, "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO encrypted, certified");
    config.password = "x-secret";
    config.user = "encrypted";
    fails(&(struct capture_config){.host = config.host, .port = config.port, .user = "encrypted",
                                   .password = "x-secret", .include = config.include, .format = config.format,
                                   .server_id = config.server_id, .packet_bytes_max = config.packet_bytes_max},
          ERR_ACCESS_DENIED, "encrypted");
    works(&config, "tls-user");
    config.user = "certified";
    fails(&config, ERR_ACCESS_DENIED, "certified");
    config.tls.certificate = certificate;
    config.tls.key = key;
    works(&config, "certificate");
    live_sql(admin, "DROP USER encrypted, certified");

    config = live_config();
    config.tls = (struct source_tls){.mode = SOURCE_TLS_VERIFY_CA, .ca = ca};
    works(&config, "verified-ca"); /* by its address: the name is not looked at */
    config.tls.ca = other;
    fails(&config, ERR_SOURCE_CONFIG, "TLS");
    config.tls.mode = SOURCE_TLS_VERIFY_IDENTITY;
    fails(&config, ERR_SOURCE_CONFIG, "TLS");
    config.tls.ca = ca;
    fails(&config, ERR_SOURCE_CONFIG, "TLS"); /* the certificate is made out to localhost */
    config.host = "localhost";
    works(&config, "verified-name");
}
END_TEST

START_TEST(accounts)
{
    static const char *const plugins[] = {"mysql_native_password", "sha256_password", "caching_sha2_password"};
    struct capture_config config = live_config();
    unsigned worked = 0;
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++) {
        const char *known = live_ask(admin,
                                     "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME='%s' AND "
                                     "PLUGIN_STATUS='ACTIVE'",
                                     plugins[i]);
        if (strcmp(known, "1") != 0) continue;
        bool is_sha = strcmp(plugins[i], "sha256_password") == 0;
        if (is_sha && live_ask(admin, "SHOW STATUS LIKE 'Rsa_public_key'")[0] == '\0') continue;
        if (live_is_mariadb(admin))
            live_sql(admin, "CREATE USER visitor IDENTIFIED VIA %s USING PASSWORD('pass-%zu')", plugins[i], i);
        else if (live_is_version(admin, 50700))
            live_sql(admin, "CREATE USER visitor IDENTIFIED WITH %s BY 'pass-%zu'", plugins[i], i);
        else if (!is_sha)
            live_sql(admin, "CREATE USER visitor IDENTIFIED BY 'pass-%zu'", i);
        else
            continue;
        live_sql(admin, "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO visitor");
        live_sql(admin, "FLUSH PRIVILEGES"); /* forgets what caching_sha2_password had cached */
        char password[32];
        snprintf(password, sizeof password, "pass-%zu", i);
        config.user = "visitor";
        config.password = password;
        works(&config, plugins[i]); /* without TLS: by the server's RSA key */
        config.password = "wrong-word";
        fails(&config, ERR_ACCESS_DENIED, "visitor");
        live_sql(admin, "DROP USER visitor");
        printf("authenticated with %s\n", plugins[i]);
        worked++;
    }
    ck_assert_uint_ge(worked, 1);
}
END_TEST

START_TEST(unix_socket)
{
    struct capture_config config = live_config();
    config.host = live_fact("SOCKET");
    config.port = 0;
    works(&config, "by-socket");
}
END_TEST

/* --- hanging, stopping --- */

static uint64_t stop_ms(void)
{
    uint64_t before = live_now_ms();
    live_stop(&follow);
    return live_now_ms() - before;
}

/* A server that takes the connection and says nothing: the stop does not wait for it. */
START_TEST(stop_while_connecting)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 4) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    struct capture_config config = live_config();
    config.port = ntohs(address.sin_port);
    config.connect_timeout_s = 60;
    live_start(&follow, &config);
    live_nap(200);
    uint64_t ms = stop_ms();
    ck_assert_msg(ms < 30000, "the stop took %" PRIu64 " ms", ms);
    close(fd);
    live_nap(50); /* the thread that was left behind ends */
}
END_TEST

START_TEST(server_hangs)
{
    pid_t pid = (pid_t)atoi(live_fact("PID"));
    struct capture_config config = live_config();
    config.read_timeout_s = config.connect_timeout_s = 2;
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    insert("before-the-stall");
    live_wait(&follow, "before-the-stall", 1);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    uint64_t since = live_now_ms();
    struct err_msg why = live_wait_error(&follow, true);
    uint64_t ms = live_now_ms() - since;
    kill(pid, SIGCONT);
    ck_assert_msg(why.code == ERR_DISCONNECTED || why.code == ERR_CONNECT, "%s", why.text);
    ck_assert_msg(ms > 1000, "noticed after %" PRIu64 " ms: %s", ms, why.text);
    insert("after-the-stall");
    live_wait(&follow, "after-the-stall", 1);
    live_stop(&follow);
    config.read_timeout_s = config.connect_timeout_s = 60;
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    kill(pid, SIGSTOP);
    live_nap(100);
    ms = stop_ms();
    kill(pid, SIGCONT);
    ck_assert_msg(ms < 30000, "the stop took %" PRIu64 " ms", ms);
}
END_TEST

START_TEST(server_id_is_taken)
{
    if (!live_is_mariadb(admin) && !live_is_version(admin, 50700)) return; /* 5.6 ends the other without a word */
    struct capture_config config = live_config();
    struct live_follow second;
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    live_open(&second);
    live_start(&second, &config);
    struct capture_status first_says, second_says; /* which of the two is told depends on the server */
    uint64_t until = live_now_ms() + 120000;
    do {
        live_nap(10);
        fake_storage_step(&follow.storage);
        fake_storage_step(&second.storage);
        capture_status(follow.capture, &first_says);
        capture_status(second.capture, &second_says);
    } while (first_says.state != CAPTURE_ENDED && second_says.state != CAPTURE_ENDED && live_now_ms() < until);
    struct err_msg why = first_says.state == CAPTURE_ENDED ? first_says.error : second_says.error;
    ck_assert_msg(why.code == ERR_SOURCE_CONFIG && strstr(why.text, "4711") != NULL, "%s", why.text);
    live_close(&second);
}
END_TEST

/* Orderly, then by kill -9 in the middle of writing: nothing is missing and nothing comes twice. */
START_TEST(server_restarts)
{
    struct capture_config config = live_config();
    const char *folder = live_fact("FOLDER"), *kind = live_fact("KIND");
    char name[32];
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    for (int i = 0; i < 4; i++) {
        live_sql(admin, "BEGIN");
        for (int k = 0; k < 50; k++) {
            snprintf(name, sizeof name, "unit-%d-%d.", i, k);
            insert(name);
        }
        live_sql(admin, "COMMIT");
        live_sql(admin, "BEGIN");
        insert("never-committed");
        mysql_close(admin);
        ck_assert(live_servers("%s --folder '%s'", i % 2 == 0 ? "stop" : "kill", folder));
        ck_assert(live_servers("start %s --folder '%s'", kind, folder));
        admin = live_admin(0);
    }
    insert("the-last");
    live_wait(&follow, "the-last", 1);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "unit-%d-", i);
        ck_assert_uint_eq(live_count(&follow, name), 50);
    }
    ck_assert_uint_eq(live_count(&follow, "never-committed"), 0);
}
END_TEST

/* --- starts --- */

static const char *executed(void)
{
    static char set[1024];
    const char *sql = live_is_mariadb(admin) ? "SELECT @@GLOBAL.gtid_binlog_pos" : "SELECT @@GLOBAL.gtid_executed";
    snprintf(set, sizeof set, "%s", live_ask(admin, "%s", sql));
    return set;
}

static void place(char *file, size_t size, uint64_t *position)
{
    const char *sql = live_is_version(admin, 80200) ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
    ck_assert_int_eq(mysql_query(admin, sql), 0);
    MYSQL_RES *result = mysql_store_result(admin);
    MYSQL_ROW row = mysql_fetch_row(result);
    snprintf(file, size, "%s", row[0]);
    *position = strtoull(row[1], NULL, 10);
    mysql_free_result(result);
}

/* Captures from the start on, to the record "last"; then of a, b, c and d those in `wanted` came, once each. */
static void begins_with(const struct capture_config *config, const char *wanted)
{
    live_start(&follow, config);
    live_wait(&follow, "word-d", 1);
    for (char c = 'a'; c <= 'd'; c++) {
        char word[] = {'w', 'o', 'r', 'd', '-', c, 0};
        ck_assert_msg(live_count(&follow, word) == (strchr(wanted, c) != NULL), "%s came %" PRIu64 " times", word,
                      live_count(&follow, word));
    }
    live_close(&follow);
    live_open(&follow);
}

static void refuses(const struct capture_config *config, enum err code, const char *words)
{
    live_start(&follow, config);
    struct err_msg why = live_wait_error(&follow, false);
    ck_assert_msg(why.code == code && strstr(why.text, words) != NULL, "%s: %s", err_text(why.code), why.text);
    live_close(&follow);
    live_open(&follow);
}

START_TEST(starts)
{
    struct capture_config config = live_config();
    char set_a[1024], set_c[1024], file_b[256], file_now[256];
    uint64_t position_b, position_now;
    insert("word-a");
    snprintf(set_a, sizeof set_a, "%s", executed());
    live_sql(admin, "FLUSH BINARY LOGS");
    live_nap(1100);
    place(file_b, sizeof file_b, &position_b);
    uint32_t second_b = (uint32_t)atoll(live_ask(admin, "SELECT UNIX_TIMESTAMP()"));
    insert("word-b");
    live_nap(1100);
    live_sql(admin, "FLUSH BINARY LOGS");
    uint32_t second_c = (uint32_t)atoll(live_ask(admin, "SELECT UNIX_TIMESTAMP()"));
    insert("word-c");
    snprintf(set_c, sizeof set_c, "%s", executed());
    live_sql(admin, "FLUSH BINARY LOGS");
    live_nap(1100);
    insert("word-d");

    config.start = CAPTURE_START_EARLIEST;
    begins_with(&config, "abcd");
    config.start = CAPTURE_START_POSITION;
    config.start_file = file_b;
    config.start_position = position_b;
    begins_with(&config, "bcd");
    config.start_position = 4;
    begins_with(&config, "bcd");
    config.start_position = position_b + 3;
    refuses(&config, ERR_INVALID, "within an event");
    place(file_now, sizeof file_now, &position_now);
    config.start_file = file_now;
    config.start_position = position_now - 31; /* before the XID of word-d */
    refuses(&config, ERR_INVALID, "within a transaction");
    config.start_position = position_now + 1000000;
    refuses(&config, ERR_SOURCE_HISTORY, file_now);
    config.start_file = "binlog.999999";
    refuses(&config, ERR_SOURCE_HISTORY, "binlog.999999");

    config.start = CAPTURE_START_TIME;
    config.start_time_s = second_b;
    begins_with(&config, "bcd");
    config.start_time_s = second_c;
    begins_with(&config, "cd");
    config.start_time_s = 1000000000;
    refuses(&config, ERR_SOURCE_PURGED, "later than the start time 1000000000");
    config.start_time_s = (uint32_t)time(NULL) + 100000;
    live_start(&follow, &config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    insert("word-e");
    live_wait(&follow, "word-e", 1);
    ck_assert_uint_eq(live_count(&follow, "word-d"), 0);
    live_close(&follow);
    live_open(&follow);

    config.start = CAPTURE_START_GTID_SET;
    config.start_gtid_set = set_a;
    begins_with(&config, "bcd");
    config.start_gtid_set = set_c;
    begins_with(&config, "d");
    config.start_gtid_set = "no set";
    refuses(&config, ERR_INVALID, "no set");
    config.start_gtid_set = live_is_mariadb(admin) ? "0-1-99999" : "d2fa90eb-e5b1-11f1-bc1e-02fc00000001:7";
    refuses(&config, ERR_INVALID, live_is_mariadb(admin) ? "0-1-99999" : "d2fa90eb-e5b1-11f1-bc1e-02fc00000001:7");
    live_sql(admin, "PURGE BINARY LOGS TO '%s'", file_now);
    config.start_gtid_set = set_a;
    refuses(&config, ERR_SOURCE_PURGED, file_now);
    config.start = CAPTURE_START_POSITION;
    config.start_file = file_b;
    config.start_position = 4;
    refuses(&config, ERR_SOURCE_PURGED, file_b);
}
END_TEST

/* A set with a hole in the middle of a file: exactly the hole comes. */
START_TEST(starts_at_a_set_with_gaps)
{
    if (live_is_mariadb(admin)) return; /* a domain has no gaps */
    struct capture_config config = live_config();
    char set[1024], uuid[64];
    snprintf(uuid, sizeof uuid, "%s", live_ask(admin, "SELECT @@server_uuid"));
    insert("word-a"); /* the third: behind CREATE DATABASE and CREATE TABLE */
    insert("word-b");
    insert("word-c");
    insert("word-d");
    snprintf(set, sizeof set, "%s:1-3:5", uuid);
    config.start = CAPTURE_START_GTID_SET;
    config.start_gtid_set = set;
    begins_with(&config, "bd");
}
END_TEST

/* CREATE TABLE ... SELECT: the table and its rows are one transaction, and no channel begins within it. */
START_TEST(starts_at_a_create_select)
{
    enum { EVENTS_MAX = 16 };
    struct capture_config config = live_config();
    uint64_t start[EVENTS_MAX], after;
    uint32_t count = 0;
    char file[256], sql[400];
    if (!live_is_mariadb(admin) && !live_is_version(admin, 80021)) return; /* refused with GTIDs, or two transactions */
    insert("word-a");
    place(file, sizeof file, &start[0]);
    snprintf(sql, sizeof sql, "SHOW BINLOG EVENTS IN '%s' FROM %" PRIu64, file, start[0]);
    live_sql(admin, "CREATE TABLE shop.copied AS SELECT id, 'word-b' AS name FROM shop.item");
    place(file, sizeof file, &after);
    ck_assert_int_eq(mysql_query(admin, sql), 0);
    MYSQL_RES *result = mysql_store_result(admin);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL && count < EVENTS_MAX;)
        start[count++] = strtoull(row[1], NULL, 10);
    mysql_free_result(result);
    ck_assert_uint_ge(count, 5); /* GTID, CREATE, TABLE_MAP, rows, end */
    insert("word-d");
    config.start = CAPTURE_START_POSITION;
    config.start_file = file;
    for (uint32_t i = 1; i < count; i++) {
        config.start_position = start[i];
        refuses(&config, ERR_INVALID, "within a"); /* MariaDB does not send the event that annotates the rows */
    }
    config.start_position = start[0];
    begins_with(&config, "bd");
    config.start_position = after;
    begins_with(&config, "d");
}
END_TEST

/* The set has a transaction that this server commits only later, so its positions do not say yet what is logged: a
 * channel that stops there goes on without a loss and without a double. */
START_TEST(stops_within_a_set)
{
    if (live_is_mariadb(admin)) return;
    struct capture_config config = live_config();
    char set[1024];
    static const char other[] = "d2fa90eb-e5b1-11f1-bc1e-02fc00000001";
    snprintf(set, sizeof set, "%s,%s:1", executed(), other);
    insert("word-a");
    insert("word-b");
    live_sql(admin, "SET gtid_next='%s:1'", other); /* is in the binlog behind word-b, and counts as logged */
    insert("logged-before");
    live_sql(admin, "SET gtid_next='AUTOMATIC'");
    insert("word-c");
    config.start = CAPTURE_START_GTID_SET;
    config.start_gtid_set = set;
    live_start(&follow, &config);
    /* Stopped over and over, with whatever was logged by then. */
    for (unsigned i = 0; i < 12; i++) {
        live_nap(2 * i);
        fake_storage_step(&follow.storage);
        live_stop(&follow);
        live_start(&follow, &config);
    }
    insert("word-d");
    live_wait(&follow, "word-d", 1);
    for (char c = 'a'; c <= 'd'; c++) {
        char word[] = {'w', 'o', 'r', 'd', '-', c, 0};
        ck_assert_msg(live_count(&follow, word) == 1, "%s came %" PRIu64 " times", word, live_count(&follow, word));
    }
    ck_assert_uint_eq(live_count(&follow, "logged-before"), 0);
}
END_TEST

/* --- histories --- */

static void follows_one(const struct capture_config *config)
{
    live_start(&follow, config);
    live_wait_state(&follow, CAPTURE_AT_TAIL);
    insert("one");
    live_wait(&follow, "one", 1);
}

START_TEST(reset_while_away)
{
    struct capture_config config = live_config();
    follows_one(&config);
    live_stop(&follow);
    live_nap(1100); /* the new first file is of another second */
    live_binlogs_anew(admin);
    for (int i = 0; i < 20; i++) insert("after-the-reset");
    live_start(&follow, &config);
    struct err_msg why = live_wait_error(&follow, false);
    ck_assert_msg(why.code == ERR_SOURCE_HISTORY, "%s: %s", err_text(why.code), why.text);
    ck_assert_uint_eq(live_count(&follow, "after-the-reset"), 0);
}
END_TEST

/* While connected, the set is known: the words name what is gone. */
START_TEST(reset_while_connected)
{
    struct capture_config config = live_config();
    follows_one(&config);
    live_binlogs_anew(admin);
    insert("after-the-reset");
    MYSQL_RES *list = mysql_query(admin, "SHOW PROCESSLIST") == 0 ? mysql_store_result(admin) : NULL;
    for (MYSQL_ROW row; list != NULL && (row = mysql_fetch_row(list)) != NULL;) {
        char kill_sql[64];
        snprintf(kill_sql, sizeof kill_sql, "KILL %s", row[0]);
        if (row[1] != NULL && strcmp(row[1], "millrace") == 0) (void)mysql_query(admin, kill_sql);
    }
    mysql_free_result(list);
    struct err_msg why = live_wait_error(&follow, false);
    ck_assert_msg(why.code == ERR_SOURCE_HISTORY, "%s: %s", err_text(why.code), why.text);
    ck_assert_uint_eq(live_count(&follow, "after-the-reset"), 0);
}
END_TEST

START_TEST(purged_while_away)
{
    struct capture_config config = live_config();
    char file[256];
    uint64_t position;
    follows_one(&config);
    live_stop(&follow);
    insert("two");
    live_sql(admin, "FLUSH BINARY LOGS");
    place(file, sizeof file, &position);
    for (int i = 0; i < 100 && strcmp(live_ask(admin, "SHOW BINARY LOGS"), file) != 0; i++) {
        live_sql(admin, "PURGE BINARY LOGS TO '%s'", file); /* in vain while our former dump lingers */
        live_nap(50);
    }
    live_start(&follow, &config);
    struct err_msg why = live_wait_error(&follow, false);
    ck_assert_msg(why.code == ERR_SOURCE_PURGED && strstr(why.text, file) != NULL, "%s: %s", err_text(why.code),
                  why.text);
    ck_assert_uint_eq(live_count(&follow, "two"), 0);
}
END_TEST

int main(void)
{
    if (live_fact("PORT")[0] == '\0') {
        puts("skipped: run by tests/servers run KIND --tls --crash-safe -- this program");
        return 77;
    }
    TCase *cases = tcase_create("live");
    tcase_set_timeout(cases, 90);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, precheck_settings);
    tcase_add_test(cases, precheck_tables);
    tcase_add_test(cases, precheck_definitions_of_the_start);
    tcase_add_test(cases, precheck_privileges);
    tcase_add_test(cases, tls);
    tcase_add_test(cases, accounts);
    tcase_add_test(cases, unix_socket);
    tcase_add_test(cases, stop_while_connecting);
    tcase_add_test(cases, server_hangs);
    tcase_add_test(cases, server_id_is_taken);
    tcase_add_test(cases, starts);
    tcase_add_test(cases, starts_at_a_set_with_gaps);
    tcase_add_test(cases, starts_at_a_create_select);
    tcase_add_test(cases, stops_within_a_set);
    tcase_add_test(cases, reset_while_away);
    tcase_add_test(cases, reset_while_connected);
    tcase_add_test(cases, purged_while_away);
    tcase_add_test(cases, server_restarts);
    Suite *suite = suite_create("source_live");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
