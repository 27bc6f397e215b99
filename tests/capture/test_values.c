/* Goal: DECIMAL and JSON print exactly as the server prints them.  Method: DECIMAL against an encoder that works on
 * digit strings, for every precision and scale; JSON against texts that MySQL 5.7.29 and 9.7 printed for these
 * documents; both cut and mutated in exact memory. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sink.h"
#include "capture/decimal.h"
#include "capture/json_binary.h"
#include "tests/suite.h"

/* ---- DECIMAL ---- */

/* The bytes of a decimal whose digits are given as text: `whole` digits, then `scale` digits, with leading zeros. */
static size_t encode_decimal(uint8_t *out, const char *digits, unsigned whole, unsigned scale, bool is_negative)
{
    static const unsigned bytes_of[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    size_t size = 0;
    for (unsigned at = 0; at < whole + scale;) {
        unsigned n = at < whole ? ((whole - at) % 9 == 0 ? 9 : (whole - at) % 9)
                                : (whole + scale - at > 9 ? 9 : whole + scale - at);
        char group[10] = {0};
        memcpy(group, digits + at, n);
        unsigned long value = strtoul(group, NULL, 10);
        for (unsigned i = 0; i < bytes_of[n]; i++) out[size + i] = (uint8_t)(value >> (8 * (bytes_of[n] - 1 - i)));
        size += bytes_of[n];
        at += n;
    }
    out[0] ^= 0x80;
    for (size_t i = 0; is_negative && i < size; i++) out[i] = (uint8_t)~out[i];
    return size;
}

static void expect_decimal(const char *digits, unsigned whole, unsigned scale, bool is_negative)
{
    uint8_t encoded[40] = {0};
    char want[100], have[DECIMAL_PRINT_MAX];
    size_t size = encode_decimal(encoded, digits, whole, scale, is_negative);
    unsigned zeros = 0;
    while (zeros < whole && digits[zeros] == '0') zeros++;
    snprintf(want, sizeof want, "%s%.*s%s%s%.*s", is_negative ? "-" : "", (int)(whole - zeros), digits + zeros,
             zeros == whole ? "0" : "", scale == 0 ? "" : ".", (int)scale, digits + whole);
    ck_assert_uint_eq(decimal_size(whole + scale, scale), size);
    uint8_t *exact = malloc(size);
    memcpy(exact, encoded, size);
    unsigned printed = decimal_print(have, exact, whole + scale, scale);
    ck_assert_msg(printed == strlen(want) && memcmp(have, want, printed) == 0, "decimal(%u,%u): %.*s, expected %s",
                  whole + scale, scale, (int)printed, have, want);
    free(exact);
}

START_TEST(decimals)
{
    struct random random;
    random_init(&random, 65);
    for (unsigned precision = 1; precision <= DECIMAL_PRECISION_MAX; precision++) {
        for (unsigned scale = 0; scale <= precision && scale <= DECIMAL_SCALE_MAX; scale++) {
            char digits[70] = {0};
            for (unsigned round = 0; round < 12; round++) {
                for (unsigned i = 0; i < precision; i++)
                    digits[i] =
                        (char)(round == 0   ? '9'
                               : round == 1 ? '0'
                               : round == 2 ? (i == precision - 1 ? '1' : '0')
                               : round == 3 ? (i == 0 ? '1' : '0')
                                            : '0' + random_below(&random, random_below(&random, 2) == 0 ? 2 : 10));
                expect_decimal(digits, precision - scale, scale, false);
                if (round != 1 && strspn(digits, "0") != precision)
                    expect_decimal(digits, precision - scale, scale, true);
            }
        }
    }
}
END_TEST

START_TEST(decimal_garbage)
{
    struct random random;
    random_init(&random, 66);
    for (int i = 0; i < 20000; i++) {
        unsigned precision = 1 + (unsigned)random_below(&random, 65),
                 scale = (unsigned)random_below(&random, precision + 1);
        if (scale > DECIMAL_SCALE_MAX) scale = DECIMAL_SCALE_MAX;
        size_t size = decimal_size(precision, scale);
        uint8_t *exact = malloc(size);
        char text[DECIMAL_PRINT_MAX];
        random_bytes(&random, exact, size);
        unsigned printed = decimal_print(text, exact, precision, scale);
        ck_assert_uint_le(printed, precision + 3);
        free(exact);
    }
}
END_TEST

/* ---- JSON ---- */

static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t n = 0;
    for (; hex[0] != 0; hex += hex[0] == ' ' ? 1 : 2) {
        unsigned byte;
        if (hex[0] == ' ') continue;
        ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
        out[n++] = (uint8_t)byte;
    }
    return n;
}

static enum err print(const uint8_t *bytes, size_t size, bool keeps_point, char *text, size_t room)
{
    uint8_t *exact = malloc(size + (size == 0));
    memcpy(exact, bytes, size);
    struct sink out = sink_of(text, room - 1);
    enum err e = json_binary_print(&out, exact, size, keeps_point);
    *out.at = 0;
    free(exact);
    return e;
}

START_TEST(json_documents)
{
    static const struct {
        const char *hex, *text;
    } list[] = {
        {"", "null"},
        {"04 00", "null"},
        {"04 01", "true"},
        {"04 02", "false"},
        {"04 03", NULL},
        {"05 0080", "-32768"},
        {"06 ffff", "65535"},
        {"07 00000080", "-2147483648"},
        {"08 ffffffff", "4294967295"},
        {"09 0000000000000080", "-9223372036854775808"},
        {"0a ffffffffffffffff", "18446744073709551615"},
        {"0c 00", "\"\""},
        {"0c 03 616263", "\"abc\""},
        {"0c 04 616263", NULL},
        {"0c 0a 22 5c 08 0c 0a 0d 09 1f 7f 2f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7f/\""},
        {"00 0000 0400", "{}"},
        {"02 0000 0400", "[]"},
        {"03 00000000 08000000", "[]"},
        {"01 00000000 08000000", "{}"},
        {"02 0300 0d00 050100 040100 06ffff", "[1, true, 65535]"},
        {"03 01000000 0d000000 07ffffffff", "[-1]"},
        {"00 0100 1200 0b00 0100 0c 0c00 61 05 68656c6c6f", "{\"a\": \"hello\"}"},
        {"01 01000000 1a000000 13000000 0100 0c 14000000 61 05 68656c6c6f", "{\"a\": \"hello\"}"},
        {"02 0100 0b00 02 0700 0000 0400", "[[]]"},
        {"02 0200 0a00 050100", NULL},                             /* two entries, room for one */
        {"02 0100 ff00 050100", NULL},                             /* larger than the value */
        {"00 0100 1200 f000 0100 0c 0c00 61 05 68656c6c6f", NULL}, /* key outside */
        {"00 0100 1200 0b00 0100 0c f000 61 05 68656c6c6f", NULL}, /* value outside */
        {"0d 00", NULL},
        {"0f f6 07 0e04 810dfb38 d2", NULL},
        {"0f f6 09 0e04 810dfb38d204d2", "1234567890.1234"},
        {"0f fd 03 616263", "\"base64:type253:YWJj\""},
        {"0f fd 02 6162", "\"base64:type253:YWI=\""},
        {"0f fd 01 61", "\"base64:type253:YQ==\""},
        {"0f fd 00", "\"base64:type253:\""},
        {"0f 0f", NULL},
        {"05 00", NULL},
        {"0b 000000000000f07f", NULL}, /* infinity */
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        uint8_t bytes[256];
        char text[1024];
        size_t size = from_hex(bytes, list[i].hex);
        enum err e = print(bytes, size, false, text, sizeof text);
        if (list[i].text == NULL) {
            ck_assert_msg(e == ERR_CORRUPT, "%s: %s", list[i].hex, e == ERR_OK ? text : err_text(e));
        } else {
            ck_assert_msg(e == ERR_OK && strcmp(text, list[i].text) == 0, "%s: %s %s, expected %s", list[i].hex,
                          err_text(e), text, list[i].text);
            for (size_t cut = 1; cut < size; cut++)
                ck_assert_int_eq(print(bytes, cut, false, text, sizeof text), ERR_CORRUPT);
            for (size_t room = 1; room < strlen(list[i].text) + 1; room++)
                ck_assert_int_eq(print(bytes, size, false, text, room), ERR_NO_SPACE);
        }
    }
}
END_TEST

/* One character that matters, at every place of strings of every length that is read differently. */
START_TEST(json_strings)
{
    static const struct {
        char character;
        const char *text;
    } list[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"},   {0, "\\u0000"}, {0x1f, "\\u001f"},
                {' ', " "},     {'!', "!"},     {'#', "#"},       {'[', "["},     {']', "]"},
                {0x7f, "\x7f"}, {'\x80', "\x80"}, {'\xa2', "\xa2"}, {'\xdc', "\xdc"}, {'\xff', "\xff"}};
    for (size_t size = 1; size <= 40; size++) {
        for (size_t at = 0; at < size; at++) {
            for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
                uint8_t bytes[64] = {0x0c, (uint8_t)size};
                char text[64], want[128];
                memset(bytes + 2, 'a', size);
                bytes[2 + at] = (uint8_t)list[i].character;
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                         list[i].text, (int)(size - at - 1), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
                ck_assert_int_eq(print(bytes, 2 + size, true, text, sizeof text), ERR_OK);
                ck_assert_str_eq(text, want);
                ck_assert_int_eq(print(bytes, 2 + size, true, text, strlen(want)), ERR_NO_SPACE);
            }
        }
    }
}
END_TEST

/* 57 bytes fill a line of the server's encoder: a line break follows only when more does. */
START_TEST(json_base64_lines)
{
    uint8_t bytes[80] = {15, 0xfd};
    char text[256];
    for (unsigned n = 57; n <= 58; n++) {
        bytes[2] = (uint8_t)n;
        memset(bytes + 3, 'y', n);
        ck_assert_int_eq(print(bytes, 3 + n, false, text, sizeof text), ERR_OK);
        ck_assert_int_eq(strstr(text, "\n") != NULL, n == 58);
    }
    ck_assert_str_eq(text + strlen(text) - 6, "\neQ==\"");
}
END_TEST

static uint64_t pack(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second,
                     unsigned microsecond)
{
    uint64_t date = (uint64_t)(year * 13 + month) << 5 | day, time = (uint64_t)hour << 12 | minute << 6 | second;
    return (date << 17 | time) << 24 | microsecond;
}

START_TEST(json_temporals)
{
    struct {
        uint8_t type;
        uint64_t packed;
        const char *text;
    } list[] = {
        {10, pack(2020, 1, 2, 0, 0, 0, 0), "\"2020-01-02\""},
        {12, pack(2020, 1, 2, 3, 4, 5, 678901), "\"2020-01-02 03:04:05.678901\""},
        {7, pack(9999, 12, 31, 23, 59, 59, 0), "\"9999-12-31 23:59:59.000000\""},
        {11, 0 - pack(0, 0, 0, 12, 13, 14, 567000), "\"-12:13:14.567000\""},
        {11, pack(0, 0, 0, 838, 59, 59, 0), "\"838:59:59.000000\""},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        uint8_t bytes[11] = {15, list[i].type, 8};
        char text[64];
        for (int k = 0; k < 8; k++) bytes[3 + k] = (uint8_t)(list[i].packed >> (8 * k));
        ck_assert_int_eq(print(bytes, sizeof bytes, false, text, sizeof text), ERR_OK);
        ck_assert_str_eq(text, list[i].text);
    }
}
END_TEST

/* The digits of a number's text, without zeros at both ends. */
static void significant(char *out, const char *text)
{
    size_t size = 0;
    for (; *text != 0 && *text != 'e'; text++)
        if (*text != '.' && (*text != '0' || size != 0)) out[size++] = *text;
    while (size != 0 && out[size - 1] == '0') size--;
    out[size] = 0;
}

START_TEST(json_doubles)
{
    static const struct {
        double value;
        const char *text57;
    } list[] = {
        {1, "1"},
        {1.5, "1.5"},
        {1e15, "1e15"},
        {1e14, "100000000000000"},
        {123456789012345678e0, "1.2345678901234568e17"},
        {1e16, "1e16"},
        {1e-5, "0.00001"},
        {1e-15, "0.000000000000001"},
        {1e-14, "0.00000000000001"},
        {1e-16, "1e-16"},
        {1.5e-15, "0.0000000000000015"},
        {12345678901234567e3, "1.2345678901234567e19"},
        {5.684341886080802e-14, "0.00000000000005684341886080802"},
        {0.1, "0.1"},
        {100, "100"},
        {1e22, "1e22"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {4.9e-324, "5e-324"},
        {-0.0, "-0"},
        {-1, "-1"},
        {1234567890123456.5, "1234567890123456.5"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        uint8_t bytes[9] = {11};
        char text[64], with_point[64];
        memcpy(bytes + 1, &list[i].value, 8);
        ck_assert_int_eq(print(bytes, 9, false, text, sizeof text), ERR_OK);
        ck_assert_str_eq(text, list[i].text57);
        ck_assert_int_eq(print(bytes, 9, true, text, sizeof text), ERR_OK);
        snprintf(with_point, sizeof with_point, "%s%s", list[i].text57,
                 strpbrk(list[i].text57, ".e") == NULL ? ".0" : "");
        ck_assert_str_eq(text, with_point);
    }
    struct random random;
    random_init(&random, 5);
    /* Decimals of few digits come out as they went in. */
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[9] = {11};
        char text[64], want[64], have[64];
        unsigned digits = 1 + (unsigned)random_below(&random, 15), places = (unsigned)random_below(&random, 26);
        uint64_t number = 1 + random_below(&random, 9);
        while (--digits != 0) number = number * 10 + random_below(&random, 10);
        snprintf(text, sizeof text, "%" PRIu64 "e-%u", number, places);
        double value = strtod(text, NULL);
        memcpy(bytes + 1, &value, 8);
        ck_assert_int_eq(print(bytes, 9, false, text, sizeof text), ERR_OK);
        ck_assert_msg(strtod(text, NULL) == value, "%.17g: %s", value, text);
        snprintf(want, sizeof want, "%" PRIu64, number);
        significant(want, want);
        significant(have, text);
        ck_assert_msg(strcmp(have, want) == 0, "%" PRIu64 "e-%u: %s", number, places, text);
    }
    /* Whatever is printed reads back. */
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[9] = {11};
        char text[64];
        double value;
        random_bytes(&random, bytes + 1, 8);
        if (print(bytes, 9, false, text, sizeof text) != ERR_OK) continue;
        memcpy(&value, bytes + 1, 8);
        ck_assert_msg(strtod(text, NULL) == value, "%.17g: %s", value, text);
    }
}
END_TEST

START_TEST(json_depth_and_mutations)
{
    /* Arrays in arrays: 100 deep is MySQL's limit. */
    for (unsigned depth = 99; depth <= 101; depth++) {
        uint8_t bytes[1024];
        char text[512];
        size_t size = 0;
        bytes[size++] = 2;
        for (unsigned i = 0; i < depth; i++) {
            size_t left = 7 * (depth - i) - (i + 1 == depth ? 3 : 3);
            bool last = i + 1 == depth;
            size_t here = last ? 4 : left;
            uint8_t container[7] = {last ? 0 : 1, 0, (uint8_t)here, (uint8_t)(here >> 8), 2, 7, 0};
            memcpy(bytes + size, container, last ? 4 : 7);
            size += last ? 4 : 7;
        }
        ck_assert_int_eq(print(bytes, size, false, text, sizeof text), depth <= 100 ? ERR_OK : ERR_CORRUPT);
    }
    struct random random;
    random_init(&random, 9);
    uint8_t document[256];
    size_t size = from_hex(
        document, "00 0200 4f00 1200 0100 1300 0100 00 1400 02 2600 61 62"
                  "0100 1200 0b00 0100 0c 0c00 61 05 68656c6c6f"
                  "0300 2900 0f 0d00 0b 1a00 0a 2100 f6 09 0e04 810dfb38d204d2 00 9a9999999999b93f ffffffffffffffff");
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[256];
        char text[300];
        memcpy(bytes, document, size);
        for (uint64_t n = 1 + random_below(&random, 4); n != 0; n--)
            bytes[random_below(&random, size)] = (uint8_t)random_u64(&random);
        enum err e = print(bytes, size, false, text, sizeof text);
        ck_assert(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NO_SPACE);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("values");
    TCase *tests = tcase_create("values");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, decimals);
    tcase_add_test(tests, decimal_garbage);
    tcase_add_test(tests, json_documents);
    tcase_add_test(tests, json_strings);
    tcase_add_test(tests, json_base64_lines);
    tcase_add_test(tests, json_temporals);
    tcase_add_test(tests, json_doubles);
    tcase_add_test(tests, json_depth_and_mutations);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
