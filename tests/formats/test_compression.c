/* Goal: a batch that was packed unpacks to the batch it was, with every codec and every size; what packing would not
 * make smaller stays as it was; packing takes no memory but at the start; and whatever stands in a packed batch is an
 * error, within the room that was given. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/compression.h"
#include "formats/record_batch.h"
#include "tests/suite.h"

enum { ROOM = 8 << 20, BASE = 1000, TIME = 1700000000 };

static const enum compression codecs[] = {COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD};
enum { CODECS = 3 };

/* The memory that is asked for, where the sanitizer does not ask for it in our place. */
static unsigned long allocations;
#if !IS_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size) { allocations++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { allocations++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { allocations++; return __libc_realloc(old, size); }
#endif

static uint8_t plain[ROOM], packed[ROOM], unpacked[ROOM], room[ROOM], value[ROOM];
static struct packer *packer[CODECS];
static struct unpacker *unpacker;

static void open_all(void)
{
    for (int i = 0; i < CODECS; i++) ck_assert_int_eq(packer_open(&packer[i], codecs[i]), ERR_OK);
    ck_assert_int_eq(unpacker_open(&unpacker), ERR_OK);
}

static void close_all(void)
{
    for (int i = 0; i < CODECS; i++) packer_close(packer[i]);
    unpacker_close(unpacker);
}

/* Rows as they are: alike, with numbers; or noise. */
static void value_fill(size_t size, bool is_noise)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        uint8_t letter = (uint8_t)"a row of a table "[i % 17];
        value[i] = (uint8_t)(is_noise ? state >> 24 : i % 37 == 0 ? state >> 28 : letter);
    }
}

static size_t batch_make(uint8_t *at, int records, size_t value_bytes, struct packer *p)
{
    struct record_batch_writer w;
    record_batch_begin(&w, at, ROOM, BASE, 3);
    for (int i = 0; i < records; i++) {
        struct record_header h = {RECORD_HEADER_POSITION, (uint32_t)strlen(RECORD_HEADER_POSITION), "place", 5};
        uint8_t *to = record_batch_record_begin(&w, TIME + i, value_bytes, 64);
        if (to == NULL) abort(); /* an assertion takes memory */
        memcpy(to, value + (size_t)i * value_bytes, value_bytes);
        record_batch_record_end(&w, value_bytes, &h, i + 1 == records ? 1 : 0);
    }
    return p == NULL ? record_batch_finish(&w) : record_batch_finish_packed(&w, p, room, sizeof room);
}

static enum err unpack(size_t packed_bytes, size_t room_bytes, size_t *bytes)
{
    struct record_batch_view v;
    ck_assert_int_eq(record_batch_view(packed, packed_bytes, &v), ERR_OK);
    return record_batch_unpack(unpacker, packed, &v, unpacked, room_bytes, bytes);
}

/* The CRC is the only thing that a batch of the same records may be checked by at once: all other bytes are equal. */
static void check_round(int codec, int records, size_t value_bytes)
{
    struct record_batch_view v;
    size_t plain_bytes = batch_make(plain, records, value_bytes, NULL), bytes = 0;
    size_t packed_bytes = batch_make(packed, records, value_bytes, packer[codec]);
    ck_assert_uint_lt(packed_bytes, plain_bytes);
    ck_assert_int_eq(record_batch_view(packed, packed_bytes, &v), ERR_OK);
    ck_assert_int_eq(record_batch_codec(&v), codecs[codec]);
    ck_assert(record_batch_crc_holds(packed, &v));
    ck_assert_uint_eq(v.record_count, (uint32_t)records);
    ck_assert_uint_eq(v.last_offset, (uint64_t)(BASE + records - 1));
    ck_assert_int_eq(v.max_timestamp_ms, TIME + records - 1);
    ck_assert_int_eq(unpack(packed_bytes, plain_bytes, &bytes), ERR_OK); /* exactly this much room will do */
    ck_assert_uint_eq(bytes, plain_bytes);
    ck_assert_mem_eq(unpacked, plain, plain_bytes);
    ck_assert_int_eq(unpack(packed_bytes, plain_bytes - 1, &bytes), ERR_TOO_LARGE);
    ck_assert_int_eq(unpack(packed_bytes, RECORD_BATCH_HEADER_BYTES, &bytes), ERR_TOO_LARGE);
    ck_assert_int_eq(unpack(packed_bytes, 10, &bytes), ERR_TOO_LARGE);
}

START_TEST(what_is_packed_unpacks)
{
    open_all();
    value_fill(ROOM, false);
    for (int c = 0; c < CODECS; c++) {
        check_round(c, 1, 500);
        check_round(c, 3, 200);
        check_round(c, 1000, 300);
        check_round(c, 20, 70000);      /* values across LZ4's blocks */
        check_round(c, 1, 7 << 20);
        check_round(c, 2, 64 << 10);
    }
    close_all();
}
END_TEST

START_TEST(what_packing_does_not_make_smaller_stays)
{
    open_all();
    value_fill(ROOM, true);
    static const int records[] = {1, 1, 40, 1};
    static const size_t bytes[] = {1, 200, 3000, 5 << 20};
    for (int c = 0; c < CODECS; c++)
        for (int i = 0; i < 4; i++) {
            size_t plain_bytes = batch_make(plain, records[i], bytes[i], NULL);
            ck_assert_uint_eq(batch_make(packed, records[i], bytes[i], packer[c]), plain_bytes);
            ck_assert_mem_eq(packed, plain, plain_bytes);
        }
    close_all();
}
END_TEST

START_TEST(packing_takes_no_memory_but_at_the_start)
{
    if (IS_SANITIZED) {
        puts("skipped: the sanitizer counts allocations itself");
        return;
    }
    open_all();
    value_fill(ROOM, false);
    size_t bytes;
    for (int c = 0; c < CODECS; c++) { /* what unpacking keeps, it takes at the first batch */
        size_t packed_bytes = batch_make(packed, 1, 1 << 20, packer[c]);
        ck_assert_int_eq(unpack(packed_bytes, ROOM, &bytes), ERR_OK);
    }
    unsigned long before = allocations;
    bool all_hold = true;
    for (int c = 0; c < CODECS; c++)
        for (int i = 0; i < 400; i++) { /* long rows of small batches make zstd's own memory shrink, a large one grow */
            size_t packed_bytes = batch_make(packed, 1, i % 200 == 199 ? 4 << 20 : 300, packer[c]);
            struct record_batch_view v;
            all_hold = all_hold && record_batch_view(packed, packed_bytes, &v) == ERR_OK &&
                       record_batch_unpack(unpacker, packed, &v, unpacked, ROOM, &bytes) == ERR_OK;
        }
    unsigned long taken = allocations - before;
    ck_assert(all_hold);
    ck_assert_uint_eq(taken, 0);
    ck_assert_uint_gt(before, 0);
    close_all();
}
END_TEST

/* Cut at every length, each bit changed, a byte behind. */
START_TEST(damage_is_an_error)
{
    open_all();
    value_fill(ROOM, false);
    for (int c = 0; c < CODECS; c++) {
        size_t size = packer_pack(packer[c], value, 3000, packed, sizeof packed), bytes;
        ck_assert_uint_gt(size, 0);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *exact = malloc(cut + 1); /* the sanitizer sees a byte too many */
            memcpy(exact, packed, cut);
            ck_assert_int_eq(unpacker_unpack(unpacker, codecs[c], exact, cut, unpacked, 4000, &bytes), ERR_CORRUPT);
            free(exact);
        }
        for (size_t i = 0; i < size; i++)
            for (int bit = 0; bit < 8; bit++) {
                packed[i] ^= (uint8_t)(1 << bit);
                enum err e = unpacker_unpack(unpacker, codecs[c], packed, size, unpacked, 3000, &bytes);
                ck_assert(e == ERR_CORRUPT || e == ERR_TOO_LARGE || (e == ERR_OK && bytes <= 3000));
                packed[i] ^= (uint8_t)(1 << bit);
            }
        packed[size] = 'x';
        ck_assert_int_eq(unpacker_unpack(unpacker, codecs[c], packed, size + 1, unpacked, 4000, &bytes), ERR_CORRUPT);
        /* and the contexts are good for the next one */
        ck_assert_int_eq(unpacker_unpack(unpacker, codecs[c], packed, size, unpacked, 3000, &bytes), ERR_OK);
        ck_assert_uint_eq(bytes, 3000);
        ck_assert_mem_eq(unpacked, value, 3000);
    }
    close_all();
}
END_TEST

START_TEST(a_bomb_fills_its_room_and_no_more)
{
    enum { SMALL = 100000 };
    open_all();
    memset(value, 0, sizeof value);
    for (int c = 0; c < CODECS; c++) {
        size_t size = packer_pack(packer[c], value, ROOM, packed, sizeof packed), bytes;
        ck_assert_uint_gt(size, 0);
        ck_assert_uint_lt(size, ROOM / 100);
        memset(unpacked, 0xee, sizeof unpacked);
        ck_assert_int_eq(unpacker_unpack(unpacker, codecs[c], packed, size, unpacked, SMALL, &bytes), ERR_TOO_LARGE);
        size_t untouched = 0;
        for (size_t i = SMALL; i < ROOM; i++) untouched += unpacked[i] == 0xee;
        ck_assert_uint_eq(untouched, ROOM - SMALL);
    }
    uint8_t some[] = {1, 2, 3};
    size_t bytes;
    ck_assert_int_eq(unpacker_unpack(unpacker, COMPRESSION_SNAPPY, some, 3, unpacked, ROOM, &bytes), ERR_UNSUPPORTED);
    ck_assert_int_eq(unpacker_unpack(unpacker, COMPRESSION_NONE, some, 3, unpacked, ROOM, &bytes), ERR_UNSUPPORTED);
    close_all();
}
END_TEST

START_TEST(names)
{
    enum compression c;
    ck_assert(compression_find("none", &c) && c == COMPRESSION_NONE);
    for (int i = 0; i < CODECS; i++) {
        ck_assert(compression_find(compression_name(codecs[i]), &c));
        ck_assert_int_eq(c, codecs[i]);
    }
    ck_assert(!compression_find("snappy", &c));
    ck_assert(!compression_find("", &c));
    ck_assert(!compression_find("GZIP", &c));
    ck_assert_uint_gt(packer_memory_bytes(), 256 << 10);
    ck_assert_uint_gt(unpacker_memory_bytes(), 8 << 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compression");
    TCase *c = tcase_create("compression");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, what_is_packed_unpacks);
    tcase_add_test(c, what_packing_does_not_make_smaller_stays);
    tcase_add_test(c, packing_takes_no_memory_but_at_the_start);
    tcase_add_test(c, damage_is_an_error);
    tcase_add_test(c, a_bomb_fills_its_room_and_no_more);
    tcase_add_test(c, names);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
