/* Goal: a source's URL is taken apart exactly, percent-encoding included, and every malformed one is refused without
 * its password in the message. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/source_url.h"
#include "tests/suite.h"

START_TEST(good_urls)
{
    static const struct {
        const char *url, *user, *password, *host;
        int port;
        bool has_password;
    } cases[] = {
        {"mysql://u:p@h:3307", "u", "p", "h", 3307, true},
        {"mysql://u@h", "u", "", "h", 3306, false},
        {"mysql://u:@h/", "u", "", "h", 3306, true},
        {"mysql://u:p%40%3a%2F%25@db.example:1/", "u", "p@:/%", "db.example", 1, true},
        {"mysql://a%20b:p@q@h:65535", "a b", "p@q", "h", 65535, true},
        {"mysql://u:p:q@[::1]:3306", "u", "p:q", "::1", 3306, true},
        {"mysql://u@%2Frun%2Fmysqld%2Fmysqld.sock", "u", "", "/run/mysqld/mysqld.sock", 3306, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source_url u;
        struct err_msg msg;
        ck_assert_msg(source_url_parse(cases[i].url, &u, &msg) == ERR_OK, "%s: %s", cases[i].url, msg.text);
        ck_assert_str_eq(u.user, cases[i].user);
        ck_assert_str_eq(u.password, cases[i].password);
        ck_assert_str_eq(u.host, cases[i].host);
        ck_assert_int_eq(u.port, cases[i].port);
        ck_assert_int_eq(u.has_password, cases[i].has_password);
    }
}
END_TEST

START_TEST(bad_urls)
{
    static const char *const urls[] = {
        "",
        "mysql:/",
        "http://u:sEcret@h",
        "mysql://h:3306",
        "mysql://@h",
        "mysql://:sEcret@h",
        "mysql://u:sEcret@",
        "mysql://u:sEcret@:3306",
        "mysql://u:sEcret@h:",
        "mysql://u:sEcret@h:0",
        "mysql://u:sEcret@h:65536",
        "mysql://u:sEcret@h:-1",
        "mysql://u:sEcret@h:1x",
        "mysql://u:sEcret@h/db",
        "mysql://u:sEcret@h?x",
        "mysql://u:sEcret%@h",
        "mysql://u:sEcret%4@h",
        "mysql://u:sEcret%zz@h",
        "mysql://u:sEcret%00@h",
        "mysql://u:sEcret@[::1",
        "mysql://u:sEcret@[::1]x",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct source_url u;
        struct err_msg msg;
        ck_assert_msg(source_url_parse(urls[i], &u, &msg) == ERR_INVALID, "accepted: %s", urls[i]);
        ck_assert_msg(strstr(msg.text, "sEcret") == NULL, "the message holds the password: %s", msg.text);
    }
    char longest[600] = "mysql://u:";
    memset(longest + 10, 'x', 300);
    strcpy(longest + 310, "@h");
    struct source_url u;
    struct err_msg msg;
    ck_assert_int_eq(source_url_parse(longest, &u, &msg), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_url");
    TCase *t = tcase_create("all");
    tcase_add_test(t, good_urls);
    tcase_add_test(t, bad_urls);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
