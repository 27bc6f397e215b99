/* tests/instructions/cases.h -- the work whose instructions `gate` counts. */
#ifndef TESTS_INSTRUCTIONS_CASES_H
#define TESTS_INSTRUCTIONS_CASES_H

#include <valgrind/callgrind.h>

/* Does `work` with callgrind looking, which then writes what it saw under `name`.  Everything that the work needs is
 * made before, and looked at afterwards. */
#define COUNTED(name, work)                                                                                            \
    do {                                                                                                               \
        CALLGRIND_START_INSTRUMENTATION;                                                                               \
        work;                                                                                                          \
        CALLGRIND_STOP_INSTRUMENTATION;                                                                                \
        CALLGRIND_DUMP_STATS_AT(name);                                                                                 \
    } while (0)

void capture_cases(void); /* decode, encode, follow */
void server_cases(void);  /* append, fetch, groups */

#endif
