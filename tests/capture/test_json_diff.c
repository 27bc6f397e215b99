/* Goal: changes of a JSON document, applied to its binary form, print what the server would hold; what does not fit is
 * refused; whatever is cut or malformed is an error.  Method: documents as text, encoded here in MySQL's binary form;
 * changes and results as text.  (test_rows_live has MySQL make the changes.) */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/json_binary.h"
#include "capture/json_diff.h"
#include "tests/suite.h"

/* ---- MySQL's binary JSON, small containers only ---- */

static size_t encode(json_t *j, uint8_t *type, uint8_t *out);

static int by_length(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    size_t xs = strlen(x), ys = strlen(y);
    return xs != ys ? (xs > ys) - (xs < ys) : memcmp(x, y, xs);
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static size_t encode_container(json_t *j, uint8_t *type, uint8_t *out)
{
    bool is_object = json_is_object(j);
    const char *key[64], *k;
    json_t *v;
    size_t count = 0;
    if (is_object) {
        json_object_foreach(j, k, v) key[count++] = k;
        qsort(key, count, sizeof *key, by_length);
    } else {
        count = json_array_size(j);
    }
    size_t values_at = 4 + (is_object ? 4 * count : 0), at = values_at + 3 * count;
    *type = is_object ? 0 : 2;
    for (size_t i = 0; is_object && i < count; i++) {
        put16(out + 4 + 4 * i, at);
        put16(out + 4 + 4 * i + 2, strlen(key[i]));
        memcpy(out + at, key[i], strlen(key[i]));
        at += strlen(key[i]);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t value[4096], value_type;
        v = is_object ? json_object_get(j, key[i]) : json_array_get(j, i);
        size_t size = encode(v, &value_type, value);
        uint8_t *entry = out + values_at + 3 * i;
        entry[0] = value_type;
        if (value_type == 4 || value_type == 5) {
            put16(entry + 1, 0);
            memcpy(entry + 1, value, size);
            continue;
        }
        put16(entry + 1, at);
        memcpy(out + at, value, size);
        at += size;
    }
    put16(out, count);
    put16(out + 2, at);
    return at;
}

static size_t encode(json_t *j, uint8_t *type, uint8_t *out)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
    case JSON_ARRAY: return encode_container(j, type, out);
    case JSON_STRING:
        ck_assert_uint_lt(json_string_length(j), 128);
        *type = 12;
        out[0] = (uint8_t)json_string_length(j);
        memcpy(out + 1, json_string_value(j), json_string_length(j));
        return 1 + json_string_length(j);
    case JSON_INTEGER:
        *type = 5;
        put16(out, (size_t)json_integer_value(j));
        return 2;
    default: *type = 4; out[0] = json_is_null(j) ? 0 : json_is_true(j) ? 1 : 2; return 1;
    }
}

/* A document with its type in front. */
static size_t document(const char *text, uint8_t *out)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_msg(j != NULL, "the test's own JSON is wrong: %s", text);
    size_t size = 1 + encode(j, out, out + 1);
    json_decref(j);
    return size;
}

/* ---- changes ---- */

struct change {
    int operation; /* 0 replace, 1 insert, 2 remove */
    const char *path, *value;
};

static size_t put_changes(const struct change *c, size_t count, uint8_t *out)
{
    size_t at = 0;
    for (size_t i = 0; i < count && c[i].path != NULL; i++) {
        out[at++] = (uint8_t)c[i].operation;
        out[at++] = (uint8_t)strlen(c[i].path);
        memcpy(out + at, c[i].path, strlen(c[i].path));
        at += strlen(c[i].path);
        if (c[i].value == NULL) continue;
        uint8_t value[4096];
        size_t size = document(c[i].value, value);
        ck_assert_uint_lt(size, 251);
        out[at++] = (uint8_t)size;
        memcpy(out + at, value, size);
        at += size;
    }
    return at;
}

/* All three in memory of exactly their size. */
static enum err apply(const uint8_t *before, size_t before_bytes, const uint8_t *diffs, size_t diffs_bytes, size_t room,
                      char *text)
{
    uint8_t *b = malloc(before_bytes + 1), *d = malloc(diffs_bytes + 1), *r = malloc(room + 8);
    struct sink sink = sink_of(r + 3, room); /* whatever the alignment */
    const uint8_t *out;
    size_t out_bytes;
    memcpy(b + 1, before, before_bytes);
    memcpy(d + 1, diffs, diffs_bytes);
    enum err e = json_diff_print(&sink, b + 1, before_bytes, d + 1, diffs_bytes, true, &out, &out_bytes);
    if (e == ERR_OK) {
        ck_assert_uint_lt(out_bytes, 4096);
        memcpy(text, out, out_bytes);
        text[out_bytes] = 0;
    }
    free(b);
    free(d);
    free(r);
    return e;
}

struct diff_case {
    const char *before, *after; /* NULL after: refused */
    struct change change[4];
};

static const struct diff_case cases[] = {
    {"{\"a\":1}", "{\"a\": 1}", {{0, NULL, NULL}}},
    {"{\"a\":1}", "{\"a\": 2}", {{0, "$.a", "2"}}},
    {"{\"a\":1,\"bb\":2}",
     "{\"a\": 1, \"b\": 9}",
     {{2, "$.bb", NULL}, {1, "$.b", "9"}, {2, "$.a", NULL}, {1, "$.a", "1"}}},
    {"{\"bb\":2,\"a\":1}", "{\"a\": 1, \"c\": 0, \"bb\": 2, \"aaa\": \"x\"}", {{1, "$.aaa", "\"x\""}, {1, "$.c", "0"}}},
    {"{\"a\":{\"b\":[1,{\"c\":null}]}}",
     "{\"a\": {\"b\": [1, {\"c\": [true, \"n\"]}, 3]}}",
     {{0, "$.a.b[1].c", "[true,\"n\"]"}, {1, "$.a.b[2]", "3"}}},
    {"[1,2,3]", "[0, 1, 2, 3, 4]", {{1, "$[0]", "0"}, {1, "$[99]", "4"}}},
    {"[1,2,3]", "[2, 30]", {{2, "$[0]", NULL}, {0, "$[last]", "30"}}},
    {"[1,2,3]", "[10, 2, 3]", {{0, "$[last-2]", "10"}}},
    {"[]", "[[1], 2]", {{1, "$[0]", "2"}, {1, "$[0]", "[]"}, {1, "$[0][0]", "1"}}},
    {"{\"x y\":1,\"q\\\"\\\\\":2,\"\xc3\xa9\":3}",
     "{\"\xc3\xa9\": 6, \"q\\\"\\\\\": 5, \"x y\": 4}",
     {{0, "$.\"x y\"", "4"}, {0, "$.\"q\\\"\\\\\"", "5"}, {0, "$.\xc3\xa9", "6"}}},
    {"{}",
     "{\"\": 1, \"\\n\": 3, \"\xc3\xa9\xf0\x9f\x98\x80\": 2}",
     {{1, "$.\"\"", "1"}, {1, "$.\"\\u00e9\\ud83d\\ude00\"", "2"}, {1, "$.\"\\n\"", "3"}}},
    {"{\"a\":1}", NULL, {{0, "$", "2"}}},      /* the whole document is never a change */
    {"{\"a\":1}", NULL, {{0, "$.b", "2"}}},    /* nothing there */
    {"{\"a\":1}", NULL, {{1, "$.a", "2"}}},    /* something there */
    {"{\"a\":1}", NULL, {{2, "$.b", NULL}}},
    {"{\"a\":1}", NULL, {{1, "$[0]", "2"}}},   /* no array */
    {"[1]", NULL, {{1, "$.a", "2"}}},          /* no object */
    {"[1]", NULL, {{0, "$[1]", "2"}}},
    {"[1]", NULL, {{2, "$[last-1]", NULL}}},
    {"{\"a\":1}", NULL, {{1, "$.a.b", "2"}}},  /* a scalar has no inside */
    {"1", NULL, {{1, "$.a", "2"}}},
    {"[1]", NULL, {{0, "[0]", "2"}}},
    {"[1]", NULL, {{0, "$[0", "2"}}},
    {"[1]", NULL, {{0, "$[]", "2"}}},
    {"[1]", NULL, {{0, "$[99999999999999999999]", "2"}}},
    {"[1]", NULL, {{0, "$[*]", "2"}}},
    {"{\"a\":1}", NULL, {{0, "$.", "2"}}},
    {"{\"a\":1}", NULL, {{0, "$.\"a", "2"}}},
    {"{\"a\":1}", NULL, {{0, "$.\"a\\", "2"}}},
    {"{\"a\":1}", NULL, {{0, "$.\"\\q\"", "2"}}},
    {"{\"a\":1}", NULL, {{0, "$a", "2"}}},
    {"{\"a\":1}", NULL, {{3, "$.a", "2"}}},
};

START_TEST(changes)
{
    const struct diff_case *c = &cases[_i];
    uint8_t before[4096], diffs[4096];
    char text[4096] = "";
    size_t before_bytes = document(c->before, before), diffs_bytes = put_changes(c->change, 4, diffs);

    enum err e = apply(before, before_bytes, diffs, diffs_bytes, 16384, text);
    ck_assert_msg(e == (c->after == NULL ? ERR_CORRUPT : ERR_OK), "%s: %s", c->before, err_text(e));
    if (c->after == NULL) return;
    ck_assert_str_eq(text, c->after);
    size_t enough = 0;
    while (apply(before, before_bytes, diffs, diffs_bytes, enough, text) == ERR_NO_SPACE) enough++;
    ck_assert_str_eq(text, c->after);
    ck_assert_uint_ge(enough, strlen(c->after));
    for (size_t cut = 1; cut < diffs_bytes; cut++) { /* a border between changes is fine, all else is not */
        e = apply(before, before_bytes, diffs, cut, 16384, text);
        bool at_border = false;
        for (size_t i = 1; i < 4; i++) at_border |= put_changes(c->change, i, diffs + 2048) == cut;
        ck_assert_msg(e == (at_border ? ERR_OK : ERR_CORRUPT), "%s cut at %zu: %s", c->before, cut, err_text(e));
    }
}
END_TEST

/* A document before that is broken, in every byte. */
START_TEST(broken_before)
{
    uint8_t before[4096], diffs[4096];
    char text[4096];
    const struct change c[] = {{0, "$.a.b[1].c", "[true]"}, {1, "$.a.b[2]", "3"}};
    size_t diffs_bytes = put_changes(c, 2, diffs);
    size_t before_bytes = document("{\"a\":{\"b\":[1,{\"c\":null}],\"d\":\"text\"}}", before);
    for (size_t i = 0; i < before_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            before[i] ^= (uint8_t)(1 << bit);
            enum err e = apply(before, before_bytes, diffs, diffs_bytes, 1024, text);
            ck_assert(e == ERR_OK || e == ERR_CORRUPT || e == ERR_NO_SPACE);
            before[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t size = 0; size < before_bytes; size++)
        ck_assert_int_ne(apply(before, size, diffs, diffs_bytes, 1024, text), ERR_OK);
}
END_TEST

/* MySQL's depth of 100 holds for what changes make, too. */
START_TEST(depth)
{
    uint8_t before[4096], diffs[16384];
    char text[4096], path[256] = "$";
    size_t before_bytes = document("[]", before), at = 0;
    for (int level = 1; level <= 80; level++) {
        strcat(path, "[0]");
        diffs[at++] = 1;
        diffs[at++] = (uint8_t)strlen(path);
        memcpy(diffs + at, path, strlen(path));
        at += strlen(path);
        diffs[at++] = 5;
        memcpy(diffs + at, "\2\0\0\4\0", 5); /* [] */
        at += 5;
    }
    ck_assert_int_eq(apply(before, before_bytes, diffs, at, 1 << 20, text), ERR_OK);
    ck_assert_uint_eq(strlen(text), 2 * 81);
    uint8_t deep[8192]; /* 30 more inside */
    char inner[64] = ""; /* an array of arrays */
    for (int i = 0; i < 30; i++) strcat(inner, "[");
    for (int i = 0; i < 30; i++) strcat(inner, "]");
    size_t inner_bytes = document(inner, deep);
    ck_assert_uint_lt(inner_bytes, 251);
    strcat(path, "[0]");
    diffs[at++] = 1;
    diffs[at++] = (uint8_t)strlen(path);
    memcpy(diffs + at, path, strlen(path));
    at += strlen(path);
    diffs[at++] = (uint8_t)inner_bytes;
    memcpy(diffs + at, deep, inner_bytes);
    at += inner_bytes;
    ck_assert_int_eq(apply(before, before_bytes, diffs, at, 1 << 20, text), ERR_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_diff");
    TCase *tests = tcase_create("json_diff");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, changes, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, broken_before);
    tcase_add_test(tests, depth);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
