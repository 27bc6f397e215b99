/* Goal: log lines carry foreign words without breaking, as text and as JSON; levels of rooms; a flood is left out and
 * counted. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/suite.h"

static char got[1 << 20];

/* Runs `body` with stderr in a file, which is then in `got`. */
static void captured(void (*body)(void))
{
    char path[] = "/tmp/millrace-log-XXXXXX";
    int file = mkstemp(path), before = dup(STDERR_FILENO);
    ck_assert_int_ge(file, 0);
    unlink(path);
    dup2(file, STDERR_FILENO);
    body();
    dup2(before, STDERR_FILENO);
    ssize_t size = pread(file, got, sizeof got - 1, 0);
    ck_assert_int_ge(size, 0);
    got[size] = '\0';
    close(file);
    close(before);
}

static unsigned lines(void)
{
    unsigned count = 0;
    for (const char *c = got; (c = strchr(c, '\n')) != NULL; c++) count++;
    return count;
}

static void say_foreign(void)
{
    log_warn("capture", "source: %s", "a \"quoted\"\nline\\ \x1b[31m \xc3\xa9 \xff\xed\xa0\x80!");
}

START_TEST(foreign_words_stay_in_their_line)
{
    captured(say_foreign);
    ck_assert_uint_eq(lines(), 1);
    ck_assert_ptr_nonnull(strstr(got, "Z warn capture: source: a \"quoted\"?line\\ ?[31m \xc3\xa9 "));
    log_set_json(true);
    captured(say_foreign);
    log_set_json(false);
    ck_assert_uint_eq(lines(), 1);
    ck_assert_ptr_nonnull(strstr(got, "\"level\":\"warn\",\"room\":\"capture\",\"text\":\"source: a "
                                      "\\\"quoted\\\"?line\\\\ "
                                      "?[31m \xc3\xa9 \\ufffd\\ufffd\\ufffd\\ufffd!\"}\n"));
    ck_assert_int_eq(strncmp(got, "{\"time\":\"20", 11), 0);
}
END_TEST

static void say_by_level(void)
{
    log_debug("capture", "capture debug");
    log_info("kafka", "kafka info");
    log_error("kafka", "kafka error");
    log_info("storage", "storage info");
    log_debug("storage", "storage debug");
}

START_TEST(rooms_have_levels)
{
    struct err_msg msg = {.code = ERR_OK};
    ck_assert_int_eq(log_set_room_levels("capture=debug,kafka=error", &msg), ERR_OK);
    captured(say_by_level);
    ck_assert_uint_eq(lines(), 3);
    ck_assert(strstr(got, "capture debug") != NULL && strstr(got, "kafka error") != NULL &&
              strstr(got, "storage info") != NULL);
    static const char *const wrong[] = {"capture", "capture=", "=debug", "capture=loud", "capture=debug,,kafka=warn",
                                        "a_room_with_a_long_name=debug"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(log_set_room_levels(wrong[i], &msg), ERR_INVALID);
    captured(say_by_level);
    ck_assert_uint_eq(lines(), 3); /* as before */
    ck_assert_int_eq(log_set_room_levels("", &msg), ERR_OK);
    captured(say_by_level);
    ck_assert_uint_eq(lines(), 3);
    ck_assert_ptr_null(strstr(got, "debug"));
}
END_TEST

static void flood(void)
{
    for (int i = 0; i < 10 * LOG_BURST; i++) log_warn("kafka", "peer on port %d is wrong", i);
    log_warn("kafka", "another line");
}

START_TEST(a_flood_is_left_out_and_counted)
{
    captured(flood); /* may see one window's end: twice the burst, then */
    ck_assert_uint_ge(lines(), LOG_BURST);
    ck_assert_uint_le(lines(), 2 * LOG_BURST + 1);
    ck_assert_ptr_nonnull(strstr(got, "another line"));
    unsigned written = lines() - 1;
    sleep(LOG_BURST_S);
    captured(flood);
    char told[64];
    snprintf(told, sizeof told, "(%u lines like this were left out)", 10 * LOG_BURST - written);
    if (written == LOG_BURST) ck_assert_msg(strstr(got, told) != NULL, "%.300s", got);
    ck_assert_ptr_nonnull(strstr(got, "lines like this were left out)"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, foreign_words_stay_in_their_line);
    tcase_add_test(t, rooms_have_levels);
    tcase_add_test(t, a_flood_is_left_out_and_counted);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
