/* Goal: a table is followed exactly when an include pattern takes it and no exclude pattern does; a malformed pattern
 * is refused with the reason and an example. */
#include <check.h>
#include <string.h>

#include "capture/filter.h"
#include "tests/suite.h"

static bool selects(const char *const *include, const char *const *exclude, bool ignore_case, const char *database,
                    const char *table)
{
    struct filter *f;
    struct err_msg msg;
    ck_assert_msg(filter_open(&f, include, exclude, ignore_case, &msg) == ERR_OK, "%s", msg.text);
    bool answer = filter_selects(f, database, strlen(database), table, strlen(table));
    filter_close(f);
    return answer;
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(patterns)
{
    static const struct {
        const char *pattern, *database, *table;
        bool expected;
    } list[] = {
        {"shop.orders", "shop", "orders", true},
        {"shop.orders", "shop", "orders2", false},
        {"shop.orders", "shop2", "orders", false},
        {"shop", "shop", "anything", true},
        {"shop.*", "shop", "anything", true},
        {"shop", "shopping", "t", false},
        {"*", "any", "t", true},
        {"*.*", "any", "t", true},
        {"*.log", "any", "log", true},
        {"*.log", "any", "logs", false},
        {"shop_*.order_*", "shop_1", "order_", true},
        {"shop_*.order_*", "shopX1", "order_1", false},
        {"a*b*c.t", "axbxbxc", "t", true},
        {"a*b*c.t", "axbxbx", "t", false},
        {"**.t", "x", "t", true},
        {"d._", "d", "_", true},
        {"d._", "d", "x", false},
        {"d.%", "d", "x", false},
        {"d.?", "d", "x", false}, /* only `*` is special */
        {"Shop.T", "shop", "t", false},
        {"`my.db`.`t``x`", "my.db", "t`x", true},
        {"`a*`.t", "ab", "t", false},
        {"`a*`.t", "a*", "t", true},
        {"d.`*`", "d", "x", false},
        {"\xe6\x97\xa5*.t", "\xe6\x97\xa5\xe6\x9c\xac", "t", true},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        ck_assert_msg(selects(LIST(list[i].pattern), NULL, false, list[i].database, list[i].table) == list[i].expected,
                      "%s on %s.%s", list[i].pattern, list[i].database, list[i].table);
    ck_assert(selects(LIST("Shop.T*"), NULL, true, "shop", "tab"));
    ck_assert(selects(LIST("a", "b.x"), NULL, false, "b", "x"));
}
END_TEST

START_TEST(exclude_wins)
{
    ck_assert(!selects(LIST("shop.*"), LIST("shop.secret"), false, "shop", "secret"));
    ck_assert(selects(LIST("shop.*"), LIST("shop.secret"), false, "shop", "secrets"));
    ck_assert(!selects(LIST("shop.secret"), LIST("*.secret"), false, "shop", "secret"));
    ck_assert(!selects(LIST("*"), LIST("tmp_*"), false, "tmp_1", "t"));
}
END_TEST

START_TEST(system_schemas)
{
    ck_assert(!selects(LIST("*"), NULL, false, "mysql", "user"));
    ck_assert(!selects(LIST("my*.*"), NULL, false, "mysql", "user"));
    ck_assert(!selects(LIST("*.*"), NULL, false, "performance_schema", "x"));
    ck_assert(!selects(LIST("*.*"), NULL, false, "INFORMATION_SCHEMA", "x"));
    ck_assert(!selects(LIST("*.*"), NULL, false, "sys", "x"));
    ck_assert(selects(LIST("mysql.user"), NULL, false, "mysql", "user"));
    ck_assert(selects(LIST("mysql"), NULL, false, "mysql", "user"));
    ck_assert(selects(LIST("*"), NULL, false, "mysql2", "user"));
}
END_TEST

START_TEST(databases)
{
    struct filter *f;
    struct err_msg msg;
    ck_assert(filter_open(&f, LIST("a.x", "b*.y", "mysql.user"), LIST("bad", "c.t"), false, &msg) == ERR_OK);
    ck_assert(filter_selects_database(f, "a", 1) && filter_selects_database(f, "bx", 2) &&
              filter_selects_database(f, "mysql", 5));
    ck_assert(!filter_selects_database(f, "bad", 3) && !filter_selects_database(f, "c", 1));
    filter_close(f);
}
END_TEST

START_TEST(malformed)
{
    static const char *const list[] = {"", ".", "a.", ".b", "a.b.c", "`a", "`a`b", "a`b.c", "``.t", "a.`b`.c", "a\n.b"};
    char long_name[FILTER_NAME_BYTES_MAX + 10];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct filter *f;
        struct err_msg msg = {0};
        ck_assert_msg(filter_check(list[i], &msg) == ERR_INVALID, "%s", list[i]);
        ck_assert_msg(strstr(msg.text, "shop.*") != NULL, "%s", msg.text);
        ck_assert(filter_open(&f, LIST("ok", list[i]), NULL, false, &msg) == ERR_INVALID);
        ck_assert(filter_open(&f, LIST("ok"), LIST(list[i]), false, &msg) == ERR_INVALID);
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    struct filter *f;
    struct err_msg msg;
    ck_assert(filter_check(long_name, &msg) == ERR_INVALID);
    ck_assert(filter_open(&f, (const char *const[]){NULL}, NULL, false, &msg) == ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tests = tcase_create("filter");
    tcase_add_test(tests, patterns);
    tcase_add_test(tests, exclude_wins);
    tcase_add_test(tests, system_schemas);
    tcase_add_test(tests, databases);
    tcase_add_test(tests, malformed);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
