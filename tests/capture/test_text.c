/* Goal: text that is cut, odd or no text at all becomes '?' where a character is missing and never reads or writes a
 * byte too far; good text comes out whole in any room that is large enough.  (What each character becomes is asked of
 * real servers: test_text_live.) */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "capture/text_utf8.h"
#include "tests/suite.h"

struct text_case {
    const char *charset, *bytes, *text; /* bytes in hex */
};

static const struct text_case cases[] = {
    {"latin1", "41e980", "A\xc3\xa9\xe2\x82\xac"},
    {"cp1251", "989fff", "?\xd1\x9f\xd1\x8f"},
    {"ascii", "417f80", "A\x7f?"},
    {"swe7", "415b7b7e7f80", "A\xc3\x84\xc3\xa4\xc3\xbc??"},
    {"tis620", "a0a1", "\xef\xbf\xbd\xe0\xb8\x81"},
    {"ucs2", "0041d83d65e5", "A?\xe6\x97\xa5"},
    {"ucs2", "004100", "A?"},
    {"utf16", "d83dde000041", "\xf0\x9f\x98\x80" "A"},
    {"utf16", "d83d0041", "?A"},
    {"utf16", "de00d83d", "??"},
    {"utf16le", "3dd800de4100", "\xf0\x9f\x98\x80" "A"},
    {"utf32", "0001f60000110000000000410000d800", "\xf0\x9f\x98\x80?A?"},
    {"utf32", "0000004100", "A?"},
    {"gbk", "41c4e342", "A\xe4\xbd\xa0" "B"},
    {"gbk", "41c4", "A?"},
    {"gbk", "41ffff42", "A?B"},
    {"gb18030", "8136a53081308130", "\xe2\x80\x8e\xc2\x80"},
    {"gb18030", "a6d9823590378136a5", "\xee\x9e\x8d\xe9\xbe\xb4?"},
    {"big5", "a145a4a4a15a", "\xe2\x80\xa2\xe4\xb8\xad\xef\xbf\xbd"},
    {"sjis", "5c7e815fb193fa", "\\~\\\xef\xbd\xb1\xe6\x97\xa5"},
    {"cp932", "5c8740", "\\\xe2\x91\xa0"},
    {"ujis", "a1c08fa2b78eb1c6fc8f", "\\~\xef\xbd\xb1\xe6\x97\xa5?"},
    {"eucjpms", "ada1", "\xe2\x91\xa0"},
    {"euckr", "b0a18141", "\xea\xb0\x80\xea\xb0\x82"},
};

static struct text_converter *converter;

static void setup(void)
{
    ck_assert(text_converter_open(&converter) == ERR_OK);
}

static void teardown(void)
{
    text_converter_close(converter);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return size;
}

/* In memory of exactly its size, into a room of exactly `room`. */
static enum err convert(const char *charset, const uint8_t *in, size_t size, size_t room, uint8_t *out,
                        size_t *out_size)
{
    const struct text_charset *cs = text_charset_find(charset);
    ck_assert_ptr_nonnull(cs);
    uint8_t *exact = malloc(size + (size == 0)), *to = malloc(room + (room == 0));
    memcpy(exact, in, size);
    struct sink sink = sink_of(to, room);
    enum err e = text_to_utf8(converter, cs, exact, size, &sink);
    *out_size = (size_t)(sink.at - to);
    memcpy(out, to, *out_size);
    free(exact);
    free(to);
    return e;
}

START_TEST(texts)
{
    const struct text_case *c = &cases[_i];
    uint8_t in[64], out[256];
    size_t size = from_hex(c->bytes, in), got, enough = strlen(c->text);
    ck_assert_int_eq(convert(c->charset, in, size, enough, out, &got), ERR_OK);
    ck_assert_msg(got == enough && memcmp(out, c->text, got) == 0, "%s %s: %.*s", c->charset, c->bytes, (int)got,
                  (const char *)out);
    for (size_t room = 0; room < enough; room++)
        ck_assert_int_eq(convert(c->charset, in, size, room, out, &got), ERR_NO_SPACE);
}
END_TEST

START_TEST(noise)
{
    struct random dice;
    random_init(&dice, 8);
    for (int round = 0; round < 200000; round++) {
        uint8_t in[24], out[256];
        size_t size = random_below(&dice, sizeof in), got;
        for (size_t i = 0; i < size; i++) in[i] = (uint8_t)random_u64(&dice);
        const char *charset = cases[random_below(&dice, sizeof cases / sizeof *cases)].charset;
        enum err e = convert(charset, in, size, random_below(&dice, 100), out, &got);
        if (e != ERR_OK && e != ERR_NO_SPACE) ck_abort_msg("%s: %s", charset, err_text(e));
    }
}
END_TEST

START_TEST(utf8_needs_nothing)
{
    static const char *const name[] = {"utf8mb4", "utf8mb3", "utf8", "binary"};
    for (size_t i = 0; i < 4; i++) ck_assert_ptr_null(text_charset_find(name[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, texts, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, noise);
    tcase_add_test(tests, utf8_needs_nothing);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
