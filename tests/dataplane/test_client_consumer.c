/* Goal: clients of the new consumer protocol (KIP-848), Kafka's own and librdkafka, read a log in groups against the
 * whole server: one is killed and the one that stands by takes over at the commit, later members go on there, a pattern
 * subscribes, a static member comes back (tests/clients/java/src/ConsumerCheck.java, tests/clients/python).  Maven and
 * pip fetch the clients; without them, or without a registry that answers, the test says so and skips.
 * usage: test_client_consumer FOLDER-OF-THE-CLIENTS */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dataplane/site.h"

#define JAVA_RELEASE   "4.4.0"
#define PYTHON_RELEASE "2.12.0"

enum { RECORDS = 500 };

static char folder[] = "/tmp/millrace-consumer-XXXXXX";
static const char *clients;

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

static bool prepare(void)
{
    return shell("cd %s && cp -r %s/java/. . && timeout 240 mvn -q -B -Dkafka.version=" JAVA_RELEASE
                 " dependency:build-classpath -Dmdep.outputFile=classpath && "
                 "javac -cp \"$(cat classpath)\" -d . src/ConsumerCheck.java && "
                 "timeout 240 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore "
                 "--only-binary=:all: --target site confluent-kafka==" PYTHON_RELEASE, folder, clients);
}

START_TEST(clients_of_the_new_protocol_read_and_take_over)
{
    static struct site site;
    static struct site_topic orders;
    site_start(&site);
    orders.identity.leader_epoch = 3; /* clients know the topic by an id of that epoch */
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, RECORDS, 100, 1700000000000);
    site_settle(&orders);
    bool passed = shell("cd %s && { timeout 200 java -cp \".:$(cat classpath)\" ConsumerCheck %s orders %d & "
                        "PYTHONPATH=site timeout 200 python3 %s/python/consumer_check.py %s orders %d; python=$?; "
                        "wait $! && exit $python; }", folder, site.bootstrap, RECORDS, clients, site.bootstrap,
                        RECORDS);
    ck_assert_msg(passed, "kafka-clients " JAVA_RELEASE " or confluent-kafka " PYTHON_RELEASE ", see above");
    site_stop(&site);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc < 2 || !shell("command -v mvn >/dev/null && command -v javac >/dev/null && "
                           "python3 -m pip --version >/dev/null 2>&1")) {
        printf("skipped: needs mvn, javac and pip (Debian: maven, default-jdk-headless, python3-pip)\n");
        return 77;
    }
    clients = argv[1];
    if (mkdtemp(folder) == NULL) return EXIT_FAILURE;
    if (!prepare()) {
        printf("skipped: kafka-clients " JAVA_RELEASE " or confluent-kafka " PYTHON_RELEASE
               " cannot be fetched or compiled, see above\n");
        shell("rm -rf %s", folder);
        return 77;
    }
    Suite *suite = suite_create("client_consumer");
    TCase *t = tcase_create("client_consumer");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, clients_of_the_new_protocol_read_and_take_over);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    shell("rm -rf %s", folder);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
