/* Goal: Kafka's own consumer, in old and new releases, reads a log and works in groups against the whole server
 * (tests/clients/java/src).  Maven fetches the releases; without it, or without a JDK or a registry
 * that answers, the test says so and skips.
 * usage: test_client_java FOLDER-OF-THE-JAVA-SOURCES */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dataplane/site.h"

enum { RECORDS = 500 };

/* Those before 2.4 know neither poll(Duration) nor static members. */
static const struct { const char *release, *check; } clients[] = {
    {"0.10.0.1", "OldCheck"}, {"0.10.1.1", "OldCheck"}, {"0.10.2.2", "OldCheck"}, {"0.11.0.3", "OldCheck"},
    {"1.0.2", "OldCheck"}, {"2.7.2", "GroupCheck"}, {"3.6.1", "GroupCheck"}, {"3.6.1", "AdminCheck"},
};

static char folder[] = "/tmp/millrace-java-XXXXXX";

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

/* Fetches one release and compiles against it; false: it said why. */
static bool prepare(const char *sources, const char *release, const char *check)
{
    return shell("cd %s && mkdir -p %s && cp -r %s/. . && "
                 "timeout 240 mvn -q -B -Dkafka.version=%s dependency:build-classpath "
                 "-Dmdep.outputFile=%s/classpath && "
                 "javac -cp \"$(cat %s/classpath)\" -d %s src/%s.java",
                 folder, release, sources, release, release, release, release, check);
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
    ck_assert_msg(shell("cd %s && timeout 150 java -cp \"%s:$(cat %s/classpath)\" %s %s orders %d", folder,
                        release, release, clients[_i].check, site.bootstrap, RECORDS), "kafka-clients %s", release);
    site_stop(&site);
}
END_TEST

int main(int argc, char **argv)
{
    int client_count = sizeof clients / sizeof *clients;
    if (argc < 2 || !shell("command -v mvn >/dev/null && command -v javac >/dev/null")) {
        printf("skipped: needs mvn and javac (Debian: maven, default-jdk-headless)\n");
        return 77;
    }
    if (mkdtemp(folder) == NULL) return EXIT_FAILURE;
    for (int i = 0; i < client_count; i++) {
        if (prepare(argv[1], clients[i].release, clients[i].check)) continue;
        printf("skipped: kafka-clients %s cannot be fetched or compiled, see above\n", clients[i].release);
        shell("rm -rf %s", folder);
        return 77;
    }
    Suite *suite = suite_create("client_java");
    TCase *t = tcase_create("client_java");
    tcase_set_timeout(t, 200);
    tcase_add_loop_test(t, the_java_consumer_reads_and_works_in_groups, 0, client_count);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    shell("rm -rf %s", folder);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
