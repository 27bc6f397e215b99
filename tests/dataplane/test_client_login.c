/* Goal: Kafka's own consumer logs in by each mechanism, an old release with tokens in raw frames (0.10.2) and a new one
 * (3.9); is told that its password is wrong; and logs in anew by itself before its session is over (KIP-368), so that
 * its connection stays, while the old one's is closed and comes back.  Where the releases are not to be had the test
 * says so and skips.
 * usage: test_client_login JAVA_RUN      tests/clients/java_run */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dataplane/site.h"
#include "tests/suite.h"

enum { RECORDS = 30, SESSION_MS = 3000, READ_S = 9 };
static const char *const releases[] = {"0.10.2.2", "3.9.2"};
enum { RELEASES = sizeof releases / sizeof *releases };

static const char *java_run;
static struct site site;
static struct site_topic orders;

/* The last line of a shell command's output. */
static const char *shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *shell(const char *format, ...)
{
    static char line[4096];
    char command[2000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    FILE *from = popen(command, "re");
    line[0] = '\0';
    while (fgets(line, sizeof line, from) != NULL) {}
    if (pclose(from) != 0) return "failed";
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static const char *check_login(const char *release, const char *mechanism, const char *password, int limit_s,
                               int seconds)
{
    return shell("timeout 80 %s %s LoginCheck %s %s ann-g '%s' orders %d %d 2>&1", java_run, release, site.bootstrap,
                 mechanism, password, limit_s, seconds);
}

static void setup(void)
{
    static const uint8_t salt_key[DIRECTORY_KEY_BYTES] = {1};
    struct account ann = {.name = "ann", .group_id = "g", .channel = "orders", .credential = 1};
    site.session_lifetime_ms = SESSION_MS;
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, RECORDS, 40, 1700000000000);
    site_settle(&orders);
    ck_assert_int_eq(account_set_password(&ann, "password-1", 10), ERR_OK);
    ck_assert_int_eq(dataplane_set_accounts(site.dataplane, &ann, 1, salt_key), ERR_OK);
}

static void teardown(void)
{
    site_stop(&site);
    site_topic_close(&orders);
}

static uint64_t counted(const char *name, const char *label)
{
    return counter_get(counters_add(site.counters, COUNTER_COUNT, name, label));
}

START_TEST(each_release_logs_in_by_each_mechanism)
{
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const char *release = releases[_i];
    bool is_old = strcmp(release, "0.10.2.2") == 0;
    for (int m = 0; m < 3; m++) {
        const char *said = check_login(release, mechanisms[m], "password-1", 50, 1);
        ck_assert_msg(strcmp(said, "read 30") == 0, "%s by %s: %s", release, mechanisms[m], said);
    }
    const char *said = check_login(release, mechanisms[_i], "password-2", 10, 1);
    const char *expected = is_old ? "nothing" : "refused SaslAuthenticationException";
    ck_assert_msg(strcmp(said, expected) == 0, "%s by %s: %s", release, mechanisms[_i], said);
}
END_TEST

START_TEST(a_session_that_is_over_is_renewed_or_closed)
{
    bool renews = strcmp(releases[_i], "3.9.2") == 0;
    const char *said = check_login(releases[_i], "PLAIN", "password-1", 50, READ_S);
    ck_assert_msg(strcmp(said, "read 30") == 0, "%s: %s", releases[_i], said);
    uint64_t over = counted("connections_closed", "lcore=0,cause=SESSION_OVER") +
                    counted("connections_closed", "lcore=1,cause=SESSION_OVER");
    ck_assert_uint_ge(counted("logins", "mechanism=PLAIN"), READ_S * 1000 / SESSION_MS);
    ck_assert_uint_eq(counted("logins_failed", "mechanism=PLAIN"), 0);
    if (renews) ck_assert_uint_eq(over, 0);
    else ck_assert_uint_gt(over, 0);
}
END_TEST

int main(int argc, char **argv)
{
    java_run = argc < 2 ? "false" : argv[1];
    const char *said = shell("%s --ready", java_run);
    if (*said != '\0') {
        printf("%s\n", said);
        return 77;
    }
    Suite *suite = suite_create("client_login");
    TCase *t = tcase_create("client_login");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 150);
    tcase_add_loop_test(t, each_release_logs_in_by_each_mechanism, 0, RELEASES);
    tcase_add_loop_test(t, a_session_that_is_over_is_renewed_or_closed, 0, RELEASES);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
