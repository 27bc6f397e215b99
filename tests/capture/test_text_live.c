/* Goal: stored text of every character set the server has becomes the UTF-8 that the server itself makes of it.
 * Method: every sequence of one and two bytes (three where a set has them), and every character of Unicode's planes 0
 * and 2 that a set knows, go through the server's CONVERT and through text_to_utf8.  Run by tests/servers. */
#include <check.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/text_utf8.h"
#include "tests/suite.h"

enum { PAGE = 512, SEQUENCES_MIN = 100 };

static MYSQL *db;
static struct text_converter *converter;

static void execute(const char *sql)
{
    ck_assert_msg(mysql_query(db, sql) == 0, "%s: %.200s", mysql_error(db), sql);
}

static void setup(void)
{
    db = mysql_init(NULL);
    ck_assert_ptr_nonnull(
        mysql_real_connect(db, NULL, "admin", "admin-secret", NULL, 0, getenv("MILLRACE_SOURCE_SOCKET"), 0));
    execute("SET NAMES utf8mb4");
    execute("SET SESSION sql_mode = ''");
    ck_assert(text_converter_open(&converter) == ERR_OK);
}

static void teardown(void)
{
    text_converter_close(converter);
    mysql_close(db);
}

/* One table of byte sequences: one, two and, behind 0x8f, three bytes. */
static void make_sequences(void)
{
    static char sql[1 << 20];
    execute("SET sql_log_bin = 0");
    execute("CREATE DATABASE text_live");
    execute("CREATE TABLE text_live.sequence (b VARBINARY(4))");
    for (unsigned lead = 0; lead < 256; lead++) {
        FILE *out = fmemopen(sql, sizeof sql, "w");
        fprintf(out, "INSERT INTO text_live.sequence VALUES (x'%02x')", lead);
        for (unsigned b = 0x30; lead >= 0x80 && b < 256; b++) fprintf(out, ",(x'%02x%02x')", lead, b);
        for (unsigned b = 0xa1; lead >= 0xa1 && b < 255; b++) fprintf(out, ",(x'8f%02x%02x')", lead, b);
        fclose(out);
        execute(sql);
    }
}

/* Ours must equal the server's. */
static void compare(const struct text_charset *cs, const char *bytes, size_t size, const char *server,
                    size_t server_size)
{
    static uint8_t room[1 << 16];
    struct sink out = sink_of(room, sizeof room);
    ck_assert(text_to_utf8(converter, cs, (const uint8_t *)bytes, size, &out) == ERR_OK);
    size_t got = (size_t)(out.at - room);
    if (got == server_size && memcmp(room, server, got) == 0) return;
    size_t at = 0;
    while (at < got && at < server_size && room[at] == (uint8_t)server[at]) at++;
    ck_abort_msg("%s: %zu bytes from %02x%02x: at %zu ours is %.8s, the server's %.8s", cs->name, size,
                 (uint8_t)bytes[0], size > 1 ? (uint8_t)bytes[1] : 0, at, (const char *)room + at, server + at);
}

/* Sequences that the server takes for one character of the set. */
static size_t check_sequences(const struct text_charset *cs)
{
    char sql[256];
    size_t checked = 0;
    snprintf(sql, sizeof sql,
             "SELECT b, CONVERT(CONVERT(b USING %s) USING utf8mb4) FROM text_live.sequence WHERE "
             "CHAR_LENGTH(CONVERT(b USING %s)) = 1 AND LENGTH(CONVERT(b USING %s)) = LENGTH(b)",
             cs->name, cs->name, cs->name);
    execute(sql);
    MYSQL_RES *result = mysql_store_result(db);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        unsigned long *bytes = mysql_fetch_lengths(result);
        if (row[1] == NULL || bytes[1] == 0 || (row[1][0] == '?' && (bytes[0] > 1 || row[0][0] != '?')))
            continue; /* no character, or none that Unicode has */
        if ((uint8_t)row[1][0] == 0xed && (uint8_t)row[1][1] >= 0xa0)
            continue; /* half a pair, as the server makes it of ucs2, is no UTF-8 */
        compare(cs, row[0], bytes[0], row[1], bytes[1]);
        checked++;
    }
    mysql_free_result(result);
    return checked;
}

/* Pages of Unicode, to the set and back. */
static void check_pages(const struct text_charset *cs)
{
    static char sql[4 * PAGE * 3 + 256];
    for (uint32_t page = 0; page < 0x30000; page += PAGE) {
        if (page >= 0x10000 && page < 0x20000) continue;
        FILE *out = fmemopen(sql, sizeof sql, "w");
        fprintf(out, "SELECT CONVERT(@t USING %s), CONVERT(CONVERT(@t USING %s) USING utf8mb4) FROM (SELECT @t := "
                     "CONVERT(x'", cs->name, cs->name);
        for (uint32_t c = page; c < page + PAGE; c++) {
            uint8_t utf8[4];
            struct sink one = sink_of(utf8, sizeof utf8);
            if (c >= 0xd800 && c < 0xe000) continue;
            sink_utf8(&one, c);
            for (uint8_t *at = utf8; at < one.at; at++) fprintf(out, "%02x", *at);
        }
        fprintf(out, "' USING utf8mb4)) AS q");
        fclose(out);
        execute(sql);
        MYSQL_RES *result = mysql_store_result(db);
        MYSQL_ROW row = mysql_fetch_row(result);
        unsigned long *bytes = mysql_fetch_lengths(result);
        if (bytes[0] != 0) compare(cs, row[0], bytes[0], row[1], bytes[1]);
        mysql_free_result(result);
    }
}

START_TEST(as_the_server_converts)
{
    char name[64][64];
    size_t count = 0, converted = 0;
    make_sequences();
    execute("SET character_set_results = NULL"); /* bytes as they are */
    execute("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS ORDER BY 1");
    MYSQL_RES *result = mysql_store_result(db);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL && count < 64; count++)
        snprintf(name[count], sizeof name[0], "%s", row[0]);
    mysql_free_result(result);
    ck_assert_uint_ge(count, 38);
    for (size_t i = 0; i < count; i++) {
        const struct text_charset *cs = text_charset_find(name[i]);
        if (cs == NULL) {
            ck_assert_msg(strncmp(name[i], "utf8", 4) == 0 || strcmp(name[i], "binary") == 0,
                          "nothing converts from %s", name[i]);
            continue;
        }
        converted++;
        size_t checked = check_sequences(cs);
        bool is_wide = cs->kind >= TEXT_UCS2 && cs->kind <= TEXT_UTF32;
        ck_assert_msg(is_wide || checked >= SEQUENCES_MIN, "%s: only %zu sequences", cs->name, checked);
        check_pages(cs);
    }
    ck_assert_uint_ge(converted, 35);
}
END_TEST

int main(void)
{
    if (getenv("MILLRACE_SOURCE_SOCKET") == NULL) {
        printf("skipped: no source; run it with tests/servers run KIND -- test_text_live\n");
        return 77;
    }
    Suite *suite = suite_create("text_live");
    TCase *tests = tcase_create("text");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, as_the_server_converts);
    suite_add_tcase(suite, tests);
    int failed = suite_run(suite);
    mysql_library_end();
    return failed;
}
