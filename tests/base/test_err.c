/* Goal: no error without a word of what to do: each kind has one, docs/errors.md (the argument) lists it, and a
 * sentence that knows better says it behind the last "; " of its format. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/suite.h"

static char page[64 << 10];

START_TEST(every_kind_says_what_to_do_and_is_on_the_page)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        char row[400];
        ck_assert_msg(strlen(err_text((enum err)e)) >= 2 && strlen(err_mend((enum err)e)) >= 7, "kind %d", e);
        if (e == ERR_OK || e == ERR_STOPPED) continue; /* no channel shows them */
        snprintf(row, sizeof row, "\n| %s | %s |\n", err_text((enum err)e), err_mend((enum err)e));
        ck_assert_msg(strstr(page, row) != NULL, "docs/errors.md lacks this line:%s", row);
    }
    ck_assert(*err_mend(ERR_COUNT) != '\0' && *err_text(ERR_COUNT) != '\0');
}
END_TEST

static void expect(const struct err_msg *m, const char *cause, const char *what_to_do)
{
    char said[sizeof m->text];
    snprintf(said, sizeof said, "%.*s", err_cause_bytes(m), m->text);
    ck_assert_str_eq(said, cause);
    ck_assert_str_eq(err_what_to_do(m), what_to_do);
}

START_TEST(a_sentence_is_cut_where_its_format_says)
{
    struct err_msg m = {.code = ERR_OK};
    ck_assert_int_eq(err_set(&m, ERR_IO, "cannot read %s:%d", "a", 3), ERR_IO);
    expect(&m, "cannot read a:3", err_mend(ERR_IO));
    /* the source's own words have such a sign, too; and more than one may stand in a format */
    ck_assert_int_eq(err_set(&m, ERR_SOURCE_CONFIG, "it says %s; or so; set %s", "no; never; ", "log_bin"),
                     ERR_SOURCE_CONFIG);
    expect(&m, "it says no; never; ; or so", "set log_bin");
    ck_assert_str_eq(m.text, "it says no; never; ; or so; set log_bin");
    ck_assert_int_eq(err_set(&m, ERR_INVALID, "%s", "wrong; do not"), ERR_INVALID);
    expect(&m, "wrong; do not", err_mend(ERR_INVALID));
    ck_assert_int_eq(err_set(NULL, ERR_IO, "nobody; reads it"), ERR_IO);
}
END_TEST

START_TEST(a_sentence_that_is_cut_off_still_says_what_to_do)
{
    struct err_msg m;
    char words[sizeof m.text];
    for (size_t size = sizeof words - 40; size < sizeof words; size++) {
        memset(words, 'x', sizeof words);
        words[size] = '\0';
        ck_assert_int_eq(err_set(&m, ERR_CONNECT, "%s; start the source", words), ERR_CONNECT);
        bool fits = size + strlen("; start the source") < sizeof m.text;
        ck_assert_str_eq(err_what_to_do(&m), fits ? "start the source" : err_mend(ERR_CONNECT));
        ck_assert_int_eq(err_cause_bytes(&m), fits ? (int)size : (int)strlen(m.text));
    }
}
END_TEST

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (f == NULL) {
        perror(argc == 2 ? argv[1] : "usage: test_err docs/errors.md");
        return EXIT_FAILURE;
    }
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    Suite *suite = suite_create("errors");
    TCase *c = tcase_create("errors");
    tcase_add_test(c, every_kind_says_what_to_do_and_is_on_the_page);
    tcase_add_test(c, a_sentence_is_cut_where_its_format_says);
    tcase_add_test(c, a_sentence_that_is_cut_off_still_says_what_to_do);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
