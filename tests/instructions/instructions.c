/* Goal: what the ways of a record cost, in instructions of our own code, is known and does not grow unnoticed.
 * Method: fixed inputs, simulated disk, network and time, one thread.  `gate` runs this under callgrind and compares;
 * alone it only checks that each case does its work. */
#include <check.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/instructions/cases.h"

START_TEST(capture)
{
    capture_cases();
}
END_TEST

START_TEST(server)
{
    server_cases();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("instructions");
    TCase *cases = tcase_create("cases");
    tcase_add_test(cases, capture);
    tcase_add_test(cases, server);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* one process to count */
    log_set_level(LOG_LEVEL_WARN);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
