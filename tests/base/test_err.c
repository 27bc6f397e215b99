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

START_TEST(a_sentence_that_is_too_long_loses_the_end_of_its_cause)
{
    static const char what[] = "start the source";
    struct err_msg m;
    char words[3 * sizeof m.text];
    size_t room = sizeof m.text - 1 - strlen("; ") - strlen(what);
    for (size_t size = room - 8; size < sizeof words; size += size < room + 8 ? 1 : 97) {
        memset(words, 'x', sizeof words);
        words[size] = '\0';
        ck_assert_int_eq(err_set(&m, ERR_CONNECT, "%s; start the source", words), ERR_CONNECT);
        ck_assert_str_eq(err_what_to_do(&m), what);
        ck_assert_int_eq(err_cause_bytes(&m), (int)(size < room ? size : room));
        ck_assert_int_eq(m.text[room - 1] == '.', size > room);
        ck_assert_int_eq(err_set(&m, ERR_CONNECT, "%s", words), ERR_CONNECT);
        ck_assert_uint_eq(strlen(m.text), size < sizeof m.text ? size : sizeof m.text - 1);
        ck_assert_str_eq(err_what_to_do(&m), err_mend(ERR_CONNECT));
    }
    /* nor is a character cut in two: \xe4\xb8\xad is one */
    for (size_t head = 0; head < 3; head++) {
        memset(words, 'x', head);
        for (size_t i = head; i + 3 < sizeof words; i += 3) memcpy(words + i, "\xe4\xb8\xad", 4);
        ck_assert_int_eq(err_set(&m, ERR_IO, "%s; mend it", words), ERR_IO);
        const char *end = m.text + err_cause_bytes(&m) - strlen("...");
        ck_assert_msg(strncmp(end - 3, "\xe4\xb8\xad...; mend it", 3 + 3 + 9) == 0, "%s", m.text);
    }
}
END_TEST

START_TEST(an_error_within_another_says_nothing_twice)
{
    struct err_msg in, m;
    ck_assert_int_eq(err_set(&in, ERR_SCHEMA, "column `%s` is odd; set %s", "a; b", "x=FULL"), ERR_SCHEMA);
    ck_assert_int_eq(err_within(&m, ERR_CORRUPT, &in, "row %d", 7), ERR_CORRUPT);
    expect(&m, "row 7: column `a; b` is odd", "set x=FULL");
    ck_assert_str_eq(m.text, "row 7: column `a; b` is odd; set x=FULL");
    ck_assert_int_eq(err_within(&m, ERR_CORRUPT, &in, "row %d; look at it", 7), ERR_CORRUPT);
    expect(&m, "row 7: column `a; b` is odd", "look at it");
    ck_assert_int_eq(err_within(&m, ERR_IO, &m, "outside"), ERR_IO); /* in place */
    expect(&m, "outside: row 7: column `a; b` is odd", "look at it");
    ck_assert_int_eq(err_set(&in, ERR_IO, "it broke"), ERR_IO);
    ck_assert_int_eq(err_within(&m, ERR_IO, &in, "file %s", "f"), ERR_IO);
    expect(&m, "file f: it broke", err_mend(ERR_IO));
    ck_assert_int_eq(err_within(NULL, ERR_IO, &in, "nobody reads it"), ERR_IO);
    for (int again = 0; again < 2; again++) {
        err_complete(&in);
        expect(&in, "it broke", err_mend(ERR_IO));
        ck_assert_uint_eq(strlen(in.text), strlen("it broke; ") + strlen(err_mend(ERR_IO)));
    }
    in = (struct err_msg){.code = ERR_CONNECT};
    err_complete(&in);
    expect(&in, err_text(ERR_CONNECT), err_mend(ERR_CONNECT));
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
    tcase_add_test(c, a_sentence_that_is_too_long_loses_the_end_of_its_cause);
    tcase_add_test(c, an_error_within_another_says_nothing_twice);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
