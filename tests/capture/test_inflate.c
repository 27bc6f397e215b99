/* Goal: what MariaDB packs comes out byte for byte, through a small window and whole; whatever is cut, changed or lies
 * about its length is an error, and takes no memory that the packed bytes could not fill. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/random.h"
#include "capture/inflate.h"
#include "tests/suite.h"

enum { PLAIN_BYTES = 1 << 20, WINDOW_BYTES = 200 * 1000 };

static uint8_t plain[PLAIN_BYTES], packed[PLAIN_BYTES + 4096];

/* Bytes that pack to about a half: noise and runs. */
static void make_plain(void)
{
    struct random dice;
    random_init(&dice, 166);
    for (size_t i = 0; i < PLAIN_BYTES; i++)
        plain[i] = (uint8_t)(i / 64 % 2 == 0 ? random_u64(&dice) : (uint64_t)(i >> 8));
}

/* An event's part, as MariaDB writes it: `length` is what the head says. */
static size_t pack_event(size_t size, uint64_t length, unsigned length_bytes, uint8_t algorithm)
{
    packed[0] = (uint8_t)(0x80 | algorithm << 4 | length_bytes);
    for (unsigned i = 0; i < length_bytes; i++) packed[1 + i] = (uint8_t)(length >> (8 * (length_bytes - 1 - i)));
    uLongf room = sizeof packed - 8;
    ck_assert_int_eq(compress(packed + 1 + length_bytes, &room, plain, size), Z_OK);
    return 1 + length_bytes + room;
}

/* All bytes of a packed part, taken in steps of `step`. */
static enum err drain(struct inflater *s, const uint8_t *in, size_t size, size_t step, size_t *got)
{
    const uint8_t *at = in, *end = in;
    *got = 0;
    TRY(inflater_rows_begin(s, in, size));
    while (at < end || !inflater_rows_done(s)) {
        while ((size_t)(end - at) < step && !inflater_rows_done(s)) TRY(inflater_rows_more(s, &at, &end));
        size_t taken = (size_t)(end - at) < step ? (size_t)(end - at) : step;
        if (*got + taken > PLAIN_BYTES || memcmp(at, plain + *got, taken) != 0)
            ck_abort_msg("wrong bytes behind %zu", *got);
        at += taken;
        *got += taken;
    }
    return ERR_OK;
}

START_TEST(streams)
{
    struct inflater *s;
    size_t got;
    ck_assert(inflater_open(&s, WINDOW_BYTES) == ERR_OK);
    static const size_t sizes[] = {1, 100, 65536, 65537, PLAIN_BYTES}, steps[] = {1, 1000, 64 * 1024, 150 * 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = pack_event(sizes[i], sizes[i], 3, 0);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            ck_assert_int_eq(drain(s, packed, size, steps[k], &got), ERR_OK);
            ck_assert_uint_eq(got, sizes[i]);
        }
    }
    /* A row that is longer than the window. */
    size_t size = pack_event(PLAIN_BYTES, PLAIN_BYTES, 4, 0);
    ck_assert_int_eq(drain(s, packed, size, WINDOW_BYTES + 1, &got), ERR_TOO_LARGE);
    ck_assert_int_eq(drain(s, packed, size, WINDOW_BYTES, &got), ERR_OK);
    inflater_close(s);
}
END_TEST

static enum err event_whole(const uint8_t *in, size_t size, size_t size_max)
{
    uint8_t *out = NULL;
    size_t out_bytes = 0;
    uint8_t *exact = malloc(size + (size == 0)); /* so that the address sanitizer sees a byte too far */
    memcpy(exact, in, size);
    enum err e = inflate_event((const uint8_t *)"head", 4, exact, size, size_max, &out, &out_bytes);
    if (e == ERR_OK) {
        ck_assert(memcmp(out, "head", 4) == 0 && memcmp(out + 4, plain, out_bytes - 4) == 0);
        free(out);
    }
    free(exact);
    return e;
}

START_TEST(broken)
{
    struct inflater *s;
    size_t got, size = pack_event(3000, 3000, 2, 0);
    ck_assert(inflater_open(&s, WINDOW_BYTES) == ERR_OK);
    ck_assert_int_eq(event_whole(packed, size, 3000), ERR_OK);
    ck_assert_int_eq(event_whole(packed, size, 2999), ERR_TOO_LARGE);
    for (size_t cut = 0; cut < size; cut++) {
        ck_assert_msg(event_whole(packed, cut, PLAIN_BYTES) == ERR_CORRUPT, "cut at %zu", cut);
        uint8_t *exact = malloc(cut + (cut == 0));
        memcpy(exact, packed, cut);
        ck_assert_msg(drain(s, exact, cut, 100, &got) == ERR_CORRUPT, "cut at %zu", cut);
        free(exact);
    }
    packed[size - 1] ^= 1; /* zlib's own check sum */
    ck_assert_int_eq(event_whole(packed, size, PLAIN_BYTES), ERR_CORRUPT);
    ck_assert_int_eq(drain(s, packed, size, 100, &got), ERR_CORRUPT);
    static const struct {
        uint64_t length;
        unsigned length_bytes;
        uint8_t algorithm;
        enum err expected;
    } lies[] = {{2999, 2, 0, ERR_CORRUPT}, {3001, 2, 0, ERR_CORRUPT},         {0, 1, 0, ERR_CORRUPT},
                {3000, 0, 0, ERR_CORRUPT}, {UINT32_MAX, 4, 0, ERR_CORRUPT},   {3000, 2, 1, ERR_UNSUPPORTED},
                {3000, 4, 0, ERR_OK},      {(uint64_t)1 << 50, 7, 0, ERR_CORRUPT}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size = pack_event(3000, lies[i].length, lies[i].length_bytes, lies[i].algorithm);
        ck_assert_msg(event_whole(packed, size, SIZE_MAX) == lies[i].expected, "lie %zu", i);
        ck_assert_msg(drain(s, packed, size, 100, &got) == lies[i].expected, "lie %zu", i);
    }
    packed[0] &= 0x7f; /* not packed at all: no such event is written */
    ck_assert_int_eq(event_whole(packed, size, PLAIN_BYTES), ERR_CORRUPT);
    inflater_close(s);
}
END_TEST

/* A column's value, packed with zlib's frame (`raw` false) or without. */
static size_t pack_column(uint8_t *out, size_t room, size_t size, bool raw)
{
    z_stream z = {.next_in = plain, .avail_in = (unsigned)size, .next_out = out + 3, .avail_out = (unsigned)room - 3};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, raw ? -MAX_WBITS : MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    out[0] = (uint8_t)(0x80 | (raw ? 8 : 0) | 2);
    out[1] = (uint8_t)(size >> 8);
    out[2] = (uint8_t)size;
    return 3 + z.total_out;
}

START_TEST(columns)
{
    uint8_t in[8192] = {0}, room[4000];
    struct inflater *inflater;
    const uint8_t *value;
    size_t value_bytes;
    struct sink out = sink_of(room, sizeof room);
    ck_assert(inflater_open(&inflater, WINDOW_BYTES) == ERR_OK);
    ck_assert(inflater_column(inflater, &out, in, 0, 10, &value, &value_bytes) == ERR_OK && value_bytes == 0);
    memcpy(in, "\0text", 5);
    ck_assert(inflater_column(inflater, &out, in, 5, 4, &value, &value_bytes) == ERR_OK && value_bytes == 4);
    ck_assert(memcmp(value, "text", 4) == 0 && out.at == room);
    ck_assert_int_eq(inflater_column(inflater, &out, in, 5, 3, &value, &value_bytes), ERR_CORRUPT);
    for (int raw = 0; raw < 2; raw++) {
        size_t size = pack_column(in, sizeof in, 3000, raw == 1);
        out = sink_of(room, sizeof room);
        ck_assert_int_eq(inflater_column(inflater, &out, in, size, 3000, &value, &value_bytes), ERR_OK);
        ck_assert(value_bytes == 3000 && memcmp(value, plain, 3000) == 0 && out.at == room + 3000);
        ck_assert_int_eq(inflater_column(inflater, &out, in, size, 3000, &value, &value_bytes), ERR_NO_SPACE);
        out = sink_of(room, sizeof room);
        ck_assert_int_eq(inflater_column(inflater, &out, in, size, 2999, &value, &value_bytes), ERR_CORRUPT);
        for (size_t cut = 1; cut < size; cut++)
            ck_assert_int_eq(inflater_column(inflater, &out, in, cut, 3000, &value, &value_bytes), ERR_CORRUPT);
        in[0] = (uint8_t)((in[0] & 0x0f) | 0x70); /* another method */
        ck_assert_int_eq(inflater_column(inflater, &out, in, size, 3000, &value, &value_bytes), ERR_CORRUPT);
    }
    inflater_close(inflater);
}
END_TEST

int main(void)
{
    make_plain();
    Suite *suite = suite_create("inflate");
    TCase *tests = tcase_create("inflate");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, streams);
    tcase_add_test(tests, broken);
    tcase_add_test(tests, columns);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
