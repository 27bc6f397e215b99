/* Goal: Kafka's own consumer, in old and new releases, reads a log and works in groups against the whole server
 * (tests/clients/java/src).  Where the releases are not to be had the test says so and skips.
 * usage: test_client_java JAVA_RUN      tests/clients/java_run */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dataplane/site.h"
#include "tests/suite.h"

enum { RECORDS = 500 };

/* Those before 2.4 know neither poll(Duration) nor static members. */
static const struct { const char *release, *check; } clients[] = {
    {"0.10.0.1", "OldCheck"}, {"0.10.1.1", "OldCheck"}, {"0.10.2.2", "OldCheck"}, {"0.11.0.3", "OldCheck"},
    {"1.0.2", "OldCheck"}, {"2.7.2", "GroupCheck"}, {"3.9.2", "GroupCheck"}, {"3.9.2", "AdminCheck"},
};

static const char *java_run;

/* Runs a shell command; true: it ended with 0. */
static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool shell(const char *format, ...)
{
    char command[2000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

START_TEST(the_java_consumer_reads_and_works_in_groups)
{
    static struct site site;
    static struct site_topic orders;
    const char *release = clients[_i].release;
    site_start(&site);
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, RECORDS, 100, 1700000000000);
    site_settle(&orders);
    ck_assert_msg(shell("timeout 150 %s %s %s %s orders %d", java_run, release, clients[_i].check, site.bootstrap,
                        RECORDS), "kafka-clients %s", release);
    site_stop(&site);
}
END_TEST

int main(int argc, char **argv)
{
    int client_count = sizeof clients / sizeof *clients;
    java_run = argc < 2 ? "false" : argv[1];
    if (!shell("%s --ready", java_run)) return 77;
    Suite *suite = suite_create("client_java");
    TCase *t = tcase_create("client_java");
    tcase_set_timeout(t, 200);
    tcase_add_loop_test(t, the_java_consumer_reads_and_works_in_groups, 0, client_count);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
