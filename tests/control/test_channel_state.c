/* Goal: the table of transitions, cell by cell.  The expected table is written out here a second time, as a person
 * reads the documentation: a change of one cell must be meant twice. */
#include <check.h>
#include <string.h>

#include "control/channel_state.h"
#include "tests/suite.h"

/* columns: start stop resume delete reconfigure | check passed, check failed, begin, streaming, caught up, failed,
 * deleted; '-': impossible */
static const char *const expected[CHANNEL_STATE_COUNT] = {
    [CHANNEL_STATE_NONE] = "------------",  [CHANNEL_PRECHECKING] = "C-PDPSP-----", [CHANNEL_STARTING] = "CSCDCSC-----",
    [CHANNEL_NOT_STARTED] = "C--DS--I--E-", [CHANNEL_INITIAL] = "-S-D----INE-",     [CHANNEL_NORMAL] = "-S-DN---NNE-",
    [CHANNEL_ERROR] = "-SEDE---INE-",       [CHANNEL_DELETING] = "---D------DR",    [CHANNEL_RELEASED] = "------------",
};

static enum channel_state state_of(char letter)
{
    switch (letter) {
    case 'P': return CHANNEL_PRECHECKING;
    case 'C': return CHANNEL_STARTING; /* checks before it starts */
    case 'S': return CHANNEL_NOT_STARTED;
    case 'I': return CHANNEL_INITIAL;
    case 'N': return CHANNEL_NORMAL;
    case 'E': return CHANNEL_ERROR;
    case 'D': return CHANNEL_DELETING;
    case 'R': return CHANNEL_RELEASED;
    default: return CHANNEL_STATE_NONE;
    }
}

START_TEST(every_cell)
{
    for (int s = 0; s < CHANNEL_STATE_COUNT; s++) {
        ck_assert_uint_eq(strlen(expected[s]), CHANNEL_EVENT_COUNT);
        for (int e = 0; e < CHANNEL_EVENT_COUNT; e++)
            ck_assert_msg(channel_state_next((enum channel_state)s, (enum channel_event)e) == state_of(expected[s][e]),
                          "state %s, event %d", channel_state_name((enum channel_state)s), e);
    }
    ck_assert_int_eq(channel_state_next(CHANNEL_STATE_COUNT, CHANNEL_ON_START), CHANNEL_STATE_NONE);
    ck_assert_int_eq(channel_state_next(CHANNEL_NORMAL, CHANNEL_EVENT_COUNT), CHANNEL_STATE_NONE);
}
END_TEST

START_TEST(names_are_those_users_know)
{
    ck_assert_str_eq(channel_state_name(CHANNEL_PRECHECKING), "Prechecking");
    ck_assert_str_eq(channel_state_name(CHANNEL_STARTING), "Prechecking");
    ck_assert_str_eq(channel_state_name(CHANNEL_NOT_STARTED), "Not Started");
    ck_assert_str_eq(channel_state_name(CHANNEL_INITIAL), "Performing Initial Change Tracking");
    ck_assert_str_eq(channel_state_name(CHANNEL_NORMAL), "Normal");
    ck_assert_str_eq(channel_state_name(CHANNEL_ERROR), "Error");
    ck_assert_str_eq(channel_state_name(CHANNEL_DELETING), "Deleting");
    for (int e = CHANNEL_ON_CHECK_PASSED; e < CHANNEL_EVENT_COUNT; e++)
        ck_assert_ptr_null(channel_event_word((enum channel_event)e));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel_state");
    TCase *t = tcase_create("all");
    tcase_add_test(t, every_cell);
    tcase_add_test(t, names_are_those_users_know);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
