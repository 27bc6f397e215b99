/* Goal: a logged source position reads back as it was, its bytes are fixed (old logs must be readable), and whatever is
 * cut, too long, of a later version or not text is refused without touching the result. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "formats/source_position.h"
#include "tests/suite.h"

static const struct source_position example = {
    .file = "mysql-bin.000123", .position = 0x0000000123456789, .format_description_s = 1700000000,
    .server_uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562", .gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"};

START_TEST(the_bytes_are_fixed)
{
    uint8_t bytes[SOURCE_POSITION_BYTES_MAX];
    static const char want[] = "\x01\x00\x10mysql-bin.000123\x89\x67\x45\x23\x01\x00\x00\x00\x00\xf1\x53\x65"
                               "\x24" "3e11fa47-71ca-11e1-9e33-c80aa9429562"
                               "\x27" "3e11fa47-71ca-11e1-9e33-c80aa9429562:23";
    ck_assert_uint_eq(source_position_encode(&example, bytes), sizeof want - 1);
    ck_assert_mem_eq(bytes, want, sizeof want - 1);
}
END_TEST

static void expect_same(const struct source_position *a, const struct source_position *b)
{
    ck_assert_str_eq(a->file, b->file);
    ck_assert_str_eq(a->server_uuid, b->server_uuid);
    ck_assert_str_eq(a->gtid, b->gtid);
    ck_assert_uint_eq(a->position, b->position);
    ck_assert_uint_eq(a->format_description_s, b->format_description_s);
}

static void random_text(struct random *random, char *out, size_t room, size_t size)
{
    ck_assert(size < room);
    for (size_t i = 0; i < size; i++) out[i] = (char)(1 + random_below(random, 255));
    out[size] = 0;
}

START_TEST(round_trips_and_refuses_every_cut)
{
    struct random random;
    random_init(&random, 11);
    for (unsigned round = 0; round < 500; round++) {
        struct source_position p = {0}, back;
        uint8_t bytes[SOURCE_POSITION_BYTES_MAX];
        bool is_longest = round == 0;
        random_text(&random, p.file, sizeof p.file,
                    is_longest ? sizeof p.file - 1 : random_below(&random, sizeof p.file));
        random_text(&random, p.server_uuid, sizeof p.server_uuid,
                    is_longest ? sizeof p.server_uuid - 1 : random_below(&random, 65));
        random_text(&random, p.gtid, sizeof p.gtid,
                    is_longest ? sizeof p.gtid - 1 : random_below(&random, sizeof p.gtid));
        p.position = random_u64(&random);
        p.format_description_s = (uint32_t)random_u64(&random);
        size_t size = source_position_encode(&p, bytes);
        ck_assert_uint_le(size, SOURCE_POSITION_BYTES_MAX);
        ck_assert_int_eq(source_position_decode(bytes, size, &back), ERR_OK);
        expect_same(&p, &back);
        for (size_t cut = 0; cut < size; cut++) {
            struct source_position untouched = example;
            uint8_t *copy = malloc(cut + 1);
            ck_assert_ptr_nonnull(copy);
            memcpy(copy, bytes, cut);
            ck_assert_int_eq(source_position_decode(copy, cut, &untouched), ERR_TRUNCATED);
            expect_same(&untouched, &example);
            free(copy);
        }
    }
}
END_TEST

START_TEST(refuses_what_it_does_not_know)
{
    uint8_t bytes[SOURCE_POSITION_BYTES_MAX + 1];
    struct source_position p = example;
    size_t size = source_position_encode(&example, bytes);
    bytes[size] = 0;
    ck_assert_int_eq(source_position_decode(bytes, size + 1, &p), ERR_CORRUPT); /* something follows */
    bytes[0] = 2;
    ck_assert_int_eq(source_position_decode(bytes, size, &p), ERR_NEWER_FORMAT);
    bytes[0] = 0;
    ck_assert_int_eq(source_position_decode(bytes, size, &p), ERR_CORRUPT);
    bytes[0] = 1;
    bytes[1] = 1;
    ck_assert_int_eq(source_position_decode(bytes, size, &p), ERR_NEWER_FORMAT);
    bytes[1] = 0;
    bytes[5] = 0; /* a NUL inside the file name */
    ck_assert_int_eq(source_position_decode(bytes, size, &p), ERR_CORRUPT);
    size = source_position_encode(&example, bytes);
    bytes[3 + 16 + 12] = 65; /* a uuid longer than its room */
    memset(bytes + 3 + 16 + 13, 'a', 70);
    ck_assert_int_eq(source_position_decode(bytes, size, &p), ERR_CORRUPT);
    expect_same(&p, &example);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("source_position");
    TCase *t = tcase_create("source_position");
    tcase_add_test(t, the_bytes_are_fixed);
    tcase_add_test(t, round_trips_and_refuses_every_cut);
    tcase_add_test(t, refuses_what_it_does_not_know);
    suite_add_tcase(s, t);
    return suite_run(s);
}
