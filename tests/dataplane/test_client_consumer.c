/* Goal: clients of the new consumer protocol (KIP-848), Kafka's own and librdkafka, read a log in groups against the
 * whole server: one is killed and the one that stands by takes over at the commit, later members go on there, a pattern
 * subscribes, a static member comes back (tests/clients/java/src/ConsumerCheck.java, tests/clients/python).  Where the
 * clients are not to be had the test says so and skips.
 * usage: test_client_consumer FOLDER-OF-THE-CLIENTS */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dataplane/site.h"
#include "tests/suite.h"

#define JAVA_RELEASE "4.4.0"

enum { RECORDS = 500 };

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

START_TEST(clients_of_the_new_protocol_read_and_take_over)
{
    static struct site site;
    static struct site_topic orders;
    site_start(&site);
    orders.identity.leader_epoch = 3; /* clients know the topic by an id of that epoch */
    site_topic_open(&site, &orders, "orders");
    site_append(&orders, RECORDS, 100, 1700000000000);
    site_settle(&orders);
    bool passed = shell("site=$(%s/fetch confluent) && { timeout 200 %s/java_run " JAVA_RELEASE
                        " ConsumerCheck %s orders %d & "
                        "PYTHONPATH=${site#confluent }/site timeout 200 /usr/bin/python3 "
                        "%s/python/consumer_check.py %s orders %d; python=$?; wait $! && exit $python; }", clients,
                        clients, site.bootstrap, RECORDS, clients, site.bootstrap, RECORDS);
    ck_assert_msg(passed, "kafka-clients " JAVA_RELEASE " or confluent-kafka, see above");
    site_stop(&site);
}
END_TEST

int main(int argc, char **argv)
{
    clients = argc < 2 ? "" : argv[1];
    if (!shell("%s/java_run --ready && %s/fetch confluent", clients, clients)) return 77;
    Suite *suite = suite_create("client_consumer");
    TCase *t = tcase_create("client_consumer");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, clients_of_the_new_protocol_read_and_take_over);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
