/* Goal: batches are Kafka's, byte for byte (the known one was made by another program from the protocol guide); what
 * was written is read back whatever the widths guessed; no batch that is cut, changed or invented leads the reader
 * astray; the writer never leaves its room. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sink.h"
#include "formats/record_batch.h"
#include "tests/suite.h"

enum { ROOM = 1 << 22 };

static uint8_t room[ROOM], other[ROOM];

static const char known[] =
    "0000000102030405000000cb00000007020503100900000000000300000000000003e80000000005265fe8ffffffffffffffffffffffff"
    "ffff0000000416000000010a68656c6c6f0026001302010004026b02760e6e6f7468696e670112000a04066b65790100dc010080f0b252"
    "0601c801787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787800";

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

static void add_value(struct record_batch_writer *w, int64_t timestamp_ms, const void *value, size_t size,
                      const struct record_header *headers, uint32_t header_count)
{
    uint8_t *at = record_batch_record_begin(w, timestamp_ms, size, record_headers_bytes(headers, header_count));
    ck_assert_ptr_nonnull(at);
    memcpy(at, value, size);
    record_batch_record_end(w, size, headers, header_count);
}

static struct record_batch_view view_of(const uint8_t *bytes, size_t size)
{
    struct record_batch_view v;
    ck_assert_int_eq(record_batch_view(bytes, size, &v), ERR_OK);
    ck_assert_uint_eq(v.bytes, size);
    ck_assert(record_batch_crc_holds(bytes, &v));
    return v;
}

START_TEST(writes_the_known_batch)
{
    static uint8_t want[1024];
    size_t want_bytes = from_hex(known, want);
    char long_value[100];
    struct record_header headers[] = {{"k", 1, "v", 1}, {"nothing", 7, NULL, 0}};
    struct record_batch_writer w;
    memset(long_value, 'x', sizeof long_value);
    record_batch_begin(&w, room, 4096, 0x0102030405, 7);
    add_value(&w, 1000, "hello", 5, NULL, 0);
    add_value(&w, 990, "", 0, headers, 2);
    ck_assert_int_eq(record_batch_add(&w, 1005, "key", 3, NULL, 0), ERR_OK);
    add_value(&w, 1000 + 86400000, long_value, sizeof long_value, NULL, 0);
    ck_assert_uint_eq(record_batch_finish(&w), want_bytes);
    ck_assert_mem_eq(room, want, want_bytes);
}
END_TEST

START_TEST(reads_the_known_batch)
{
    static uint8_t bytes[1024];
    size_t size = from_hex(known, bytes);
    struct record_batch_view v = view_of(bytes, size);
    ck_assert_uint_eq(v.base_offset, 0x0102030405);
    ck_assert_uint_eq(v.last_offset, 0x0102030408);
    ck_assert_uint_eq(v.leader_epoch, 7);
    ck_assert_uint_eq(v.record_count, 4);
    ck_assert_int_eq(v.base_timestamp_ms, 1000);
    ck_assert_int_eq(v.max_timestamp_ms, 86401000);
    ck_assert_uint_eq(v.attributes, 0);

    struct cursor c = cursor_of(v.records, v.records_bytes);
    struct record_view r;
    struct record_header h;
    ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
    ck_assert_mem_eq(r.value, "hello", 5);
    ck_assert_ptr_null(r.key);
    ck_assert_int_eq(record_header_next(&r, &h), ERR_NOT_FOUND);
    ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
    ck_assert_uint_eq(r.offset, 0x0102030406);
    ck_assert_int_eq(r.timestamp_ms, 990);
    ck_assert(r.value != NULL && r.value_bytes == 0);
    ck_assert_uint_eq(r.header_count, 2);
    ck_assert(record_header_find(&r, "nothing", &h) && h.value == NULL);
    ck_assert(record_header_find(&r, "k", &h) && h.value_bytes == 1 && memcmp(h.value, "v", 1) == 0);
    ck_assert(!record_header_find(&r, "", &h) && !record_header_find(&r, "kk", &h));
    ck_assert_int_eq(record_header_next(&r, &h), ERR_OK);
    ck_assert_int_eq(record_header_next(&r, &h), ERR_OK);
    ck_assert_int_eq(record_header_next(&r, &h), ERR_NOT_FOUND);
    ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
    ck_assert(r.key_bytes == 3 && memcmp(r.key, "key", 3) == 0 && r.value == NULL);
    ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
    ck_assert_uint_eq(r.value_bytes, 100);
    ck_assert_uint_eq(cursor_left(&c), 0);
}
END_TEST

/* Every pair of neighbours around the places where a length prefix grows, with and without a header, so that each guess
 * is wrong by one in both directions, and right. */
START_TEST(prefixes_are_minimal_after_every_guess)
{
    static const size_t sizes[] = {0,  1,    53,   54,   55,   56,   57,      63,      64,
                                   65, 8179, 8180, 8185, 8191, 8192, 1048565, 1048575, 1048576};
    static uint8_t value[1 << 20];
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)(i * 7);
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            for (uint32_t header_count = 0; header_count < 2; header_count++) {
                struct record_header header = {"pos", 3, value, 9};
                struct record_batch_writer w;
                record_batch_begin(&w, room, sizeof room, 5, 0);
                add_value(&w, 77, value, sizes[a], NULL, 0);
                uint8_t *second = w.at;
                add_value(&w, 78, value, sizes[b], &header, header_count);

                size_t headers_bytes = header_count == 0 ? 1 : 1 + 1 + 3 + 1 + 9;
                size_t length = 1 + 1 + 1 + 1 + uvarint_size(sizes[b] * 2) + sizes[b] + headers_bytes;
                ck_assert_uint_eq((size_t)(w.at - second), uvarint_size(length * 2) + length);

                struct record_batch_view v = view_of(room, record_batch_finish(&w));
                struct cursor c = cursor_of(v.records, v.records_bytes);
                struct record_view r;
                struct record_header h;
                ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
                ck_assert(r.value_bytes == sizes[a] && memcmp(r.value, value, sizes[a]) == 0);
                ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
                ck_assert(r.value_bytes == sizes[b] && memcmp(r.value, value, sizes[b]) == 0);
                ck_assert_int_eq(record_header_find(&r, "pos", &h), header_count);
                ck_assert(header_count == 0 || memcmp(h.value, value, 9) == 0);
                ck_assert_uint_eq(cursor_left(&c), 0);
            }
        }
    }
}
END_TEST

/* A random record, the same for the same seed. */
struct model {
    int64_t timestamp_ms;
    uint8_t key[32], value[600], header_value[300];
    int32_t key_bytes, value_bytes; /* -1: null */
    struct record_header header[3];
    uint32_t header_count;
};

static void model_make(struct model *m, uint64_t seed)
{
    static const char *const names[] = {RECORD_HEADER_POSITION, RECORD_HEADER_GTID_SET, ""};
    struct random random;
    random_init(&random, seed);
    m->timestamp_ms = (int64_t)random_below(&random, UINT64_C(1) << (1 + random_below(&random, 63))) - 500;
    bool is_keyed = random_below(&random, 4) == 0;
    m->key_bytes = is_keyed ? (int32_t)random_below(&random, sizeof m->key + 1) : -1;
    m->value_bytes = (int32_t)random_below(&random, random_below(&random, 2) == 0 ? sizeof m->value + 1 : 100);
    if (is_keyed && random_below(&random, 3) == 0) m->value_bytes = -1;
    random_bytes(&random, m->key, sizeof m->key);
    random_bytes(&random, m->value, sizeof m->value);
    random_bytes(&random, m->header_value, sizeof m->header_value);
    m->header_count = is_keyed ? 0 : (uint32_t)random_below(&random, 4);
    for (uint32_t i = 0; i < m->header_count; i++) {
        m->header[i] = (struct record_header){names[i], (uint32_t)strlen(names[i]), m->header_value,
                                              (uint32_t)random_below(&random, sizeof m->header_value)};
    }
}

static bool model_add(struct record_batch_writer *w, const struct model *m)
{
    if (m->key_bytes >= 0 || m->value_bytes < 0)
        return record_batch_add(w, m->timestamp_ms, m->key_bytes < 0 ? NULL : m->key, m->key_bytes,
                                m->value_bytes < 0 ? NULL : m->value, m->value_bytes) == ERR_OK;
    size_t headers_max = 0;
    for (uint32_t i = 0; i < m->header_count; i++) headers_max += m->header[i].key_bytes + m->header[i].value_bytes;
    uint8_t *at = record_batch_record_begin(w, m->timestamp_ms, (size_t)m->value_bytes, headers_max);
    if (at == NULL) return false;
    memcpy(at, m->value, (size_t)m->value_bytes);
    record_batch_record_end(w, (size_t)m->value_bytes, m->header, m->header_count);
    return true;
}

static void model_expect(const struct model *m, struct record_view *r, uint64_t offset)
{
    struct record_header h;
    ck_assert_uint_eq(r->offset, offset);
    ck_assert_int_eq(r->timestamp_ms, m->timestamp_ms);
    ck_assert_int_eq(r->key == NULL ? -1 : (int32_t)r->key_bytes, m->key_bytes);
    ck_assert_int_eq(r->value == NULL ? -1 : (int32_t)r->value_bytes, m->value_bytes);
    ck_assert(m->key_bytes <= 0 || memcmp(r->key, m->key, r->key_bytes) == 0);
    ck_assert(m->value_bytes <= 0 || memcmp(r->value, m->value, r->value_bytes) == 0);
    ck_assert_uint_eq(r->header_count, m->header_count);
    for (uint32_t i = 0; i < m->header_count; i++) {
        ck_assert_int_eq(record_header_next(r, &h), ERR_OK);
        ck_assert(h.key_bytes == m->header[i].key_bytes && memcmp(h.key, m->header[i].key, h.key_bytes) == 0);
        ck_assert(h.value_bytes == m->header[i].value_bytes && memcmp(h.value, m->header[i].value, h.value_bytes) == 0);
    }
    ck_assert_int_eq(record_header_next(r, &h), ERR_NOT_FOUND);
}

/* The records of models [from, to), as one batch at `bytes`. */
static void expect_models(const uint8_t *bytes, size_t size, uint64_t base_offset, uint64_t from, uint64_t to)
{
    static struct model m;
    struct record_batch_view v = view_of(bytes, size);
    struct cursor c = cursor_of(v.records, v.records_bytes);
    struct record_view r;
    int64_t max_ms = INT64_MIN;
    ck_assert_uint_eq(v.base_offset, base_offset);
    ck_assert_uint_eq(v.record_count, to - from);
    for (uint64_t i = from; i < to; i++) {
        model_make(&m, i);
        ck_assert_int_eq(record_next(&c, &v, &r), ERR_OK);
        model_expect(&m, &r, base_offset + i - from);
        if (m.timestamp_ms > max_ms) max_ms = m.timestamp_ms;
    }
    ck_assert_uint_eq(cursor_left(&c), 0);
    ck_assert_int_eq(v.max_timestamp_ms, max_ms);
}

START_TEST(random_batches_round_trip)
{
    static struct model m;
    for (uint64_t from = 0; from < 4000;) {
        struct record_batch_writer w;
        uint64_t to = from, count = 1 + from % 211;
        record_batch_begin(&w, room, sizeof room, from * 3, 1);
        for (; to < from + count; to++) {
            model_make(&m, to);
            ck_assert(model_add(&w, &m));
        }
        expect_models(room, record_batch_finish(&w), from * 3, from, to);
        from = to;
    }
}
END_TEST

/* A cut takes back exactly what came after the mark; the batch goes on as if it had never been. */
START_TEST(cuts_back_to_a_mark)
{
    static struct model m;
    for (uint64_t keep = 0; keep < 40; keep++) {
        struct record_batch_writer w;
        record_batch_begin(&w, room, sizeof room, 100, 1);
        for (uint64_t i = 0; i < keep; i++) {
            model_make(&m, i);
            ck_assert(model_add(&w, &m));
        }
        struct record_batch_mark mark = record_batch_mark(&w);
        for (uint64_t i = 0; i < 50; i++) {
            model_make(&m, 9000 + keep + i);
            m.timestamp_ms += INT64_C(1) << 40;
            ck_assert(model_add(&w, &m));
        }
        ck_assert_ptr_nonnull(record_batch_record_begin(&w, 5, 10, 0)); /* a record begun is forgotten, too */
        record_batch_cut(&w, mark);
        for (uint64_t i = keep; i < keep + 5; i++) {
            model_make(&m, i);
            ck_assert(model_add(&w, &m));
        }
        expect_models(room, record_batch_finish(&w), 100, 0, keep + 5);
    }
}
END_TEST

/* Records of a batch's end move to a batch of their own, as when a transaction outgrows the batch it began in. */
START_TEST(records_move_to_another_batch)
{
    static struct model m;
    enum { ALL = 60 };
    for (uint64_t stay = 1; stay < ALL; stay++) {
        struct record_batch_writer w, to;
        record_batch_begin(&w, room, sizeof room, 1000, 1);
        struct record_batch_mark mark = record_batch_mark(&w);
        for (uint64_t i = 0; i < ALL; i++) {
            if (i == stay) mark = record_batch_mark(&w);
            model_make(&m, i);
            ck_assert(model_add(&w, &m));
        }
        size_t moved_bytes = (size_t)(w.at - mark.at);
        record_batch_begin(&to, other, sizeof other, 1000 + stay, 1);
        ck_assert_int_eq(record_batch_append_records(&to, mark.at, moved_bytes, w.base_offset, w.base_timestamp_ms),
                         ERR_OK);
        expect_models(other, record_batch_finish(&to), 1000 + stay, stay, ALL);

        /* One byte less room, an offset that does not join, half a record: nothing is appended. */
        record_batch_begin(&to, other, record_batch_bytes(&to) - 1, 1000 + stay, 1);
        ck_assert_int_eq(record_batch_append_records(&to, mark.at, moved_bytes, w.base_offset, w.base_timestamp_ms),
                         ERR_NO_SPACE);
        ck_assert(to.record_count == 0 && record_batch_bytes(&to) == RECORD_BATCH_HEADER_BYTES);
        record_batch_begin(&to, other, sizeof other, 1000 + stay + 1, 1);
        ck_assert_int_eq(record_batch_append_records(&to, mark.at, moved_bytes, w.base_offset, w.base_timestamp_ms),
                         ERR_CORRUPT);
        record_batch_begin(&to, other, sizeof other, 1000 + stay, 1);
        ck_assert_int_eq(record_batch_append_records(&to, mark.at, moved_bytes - 1, w.base_offset, w.base_timestamp_ms),
                         ERR_CORRUPT);
        ck_assert(to.record_count == 0 && record_batch_bytes(&to) == RECORD_BATCH_HEADER_BYTES);

        record_batch_cut(&w, mark);
        expect_models(room, record_batch_finish(&w), 1000, 0, stay);
    }
}
END_TEST

/* In every room from too small to ample, what does not fit is refused and the byte behind the room stays. */
START_TEST(the_writer_stays_in_its_room)
{
    static struct model m;
    for (size_t size = RECORD_BATCH_HEADER_BYTES; size < 1500; size++) {
        struct record_batch_writer w;
        memset(room + size, 0xc5, 64);
        record_batch_begin(&w, room, size, 0, 0);
        uint64_t count = 0;
        for (;; count++) {
            model_make(&m, size + count);
            if (!model_add(&w, &m)) break;
        }
        ck_assert_uint_le(record_batch_bytes(&w), size);
        if (count > 0) expect_models(room, record_batch_finish(&w), 0, size, size + count);
        for (int i = 0; i < 64; i++) ck_assert_uint_eq(room[size + (size_t)i], 0xc5);
    }
}
END_TEST

START_TEST(patching_changes_offset_and_epoch_alone)
{
    static uint8_t bytes[1024];
    size_t size = from_hex(known, bytes);
    struct record_batch_view before = view_of(bytes, size);
    record_batch_patch(bytes, 42, 9);
    struct record_batch_view v = view_of(bytes, size);
    ck_assert(v.base_offset == 42 && v.last_offset == 45 && v.leader_epoch == 9 && v.crc == before.crc);
}
END_TEST

/* The bytes in memory of exactly their size, so that the address sanitizer sees a read behind them. */
static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    return copy;
}

START_TEST(every_cut_is_truncated)
{
    static uint8_t bytes[1024];
    size_t size = from_hex(known, bytes);
    struct record_batch_view v;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = copy_of(bytes, cut);
        ck_assert_int_eq(record_batch_view(copy, cut, &v), ERR_TRUNCATED);
        ck_assert_uint_eq(v.bytes, cut < RECORD_BATCH_HEADER_BYTES ? 0 : size);
        free(copy);
    }
}
END_TEST

/* What a reader does with bytes it does not trust; returns the number of whole records. */
static uint32_t walk(const uint8_t *bytes, size_t size)
{
    struct record_batch_view v;
    struct record_view r;
    struct record_header h;
    uint32_t count = 0;
    if (record_batch_view(bytes, size, &v) != ERR_OK || (v.attributes & 7) != 0) return 0;
    struct cursor c = cursor_of(v.records, v.records_bytes);
    while (cursor_left(&c) > 0 && record_next(&c, &v, &r) == ERR_OK) {
        ck_assert(r.offset >= v.base_offset && r.offset <= v.last_offset);
        count++;
        record_header_find(&r, "no such key", &h);
    }
    return count;
}

START_TEST(every_changed_bit_is_noticed)
{
    static uint8_t bytes[1024];
    size_t size = from_hex(known, bytes);
    for (size_t bit = 0; bit < size * 8; bit++) {
        if (bit / 8 < 8 || (bit / 8 >= RECORD_BATCH_AT_EPOCH && bit / 8 < RECORD_BATCH_AT_MAGIC))
            continue; /* may be patched */
        struct record_batch_view v;
        uint8_t *copy = copy_of(bytes, size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum err e = record_batch_view(copy, size, &v);
        ck_assert(e != ERR_OK || !record_batch_crc_holds(copy, &v));
        walk(copy, size);
        free(copy);
    }
}
END_TEST

START_TEST(contradictions_are_corrupt)
{
    static const struct {
        size_t at;
        unsigned size;
        uint64_t value;
    } wrong[] = {
        {8, 4, 48}, {8, 4, 0},  {8, 4, UINT32_MAX}, {8, 4, 0x7fffffff},  {16, 1, 1},
        {16, 1, 3}, {21, 2, 5}, {0, 8, UINT64_MAX}, {0, 8, INT64_MAX},   {23, 4, UINT32_MAX},
        {23, 4, 2}, {57, 4, 0}, {57, 4, 5},         {57, 4, UINT32_MAX},
    };
    static uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t size = from_hex(known, bytes);
        struct record_batch_view v;
        struct sink s = sink_of(bytes + wrong[i].at, wrong[i].size);
        sink_be(&s, wrong[i].value, wrong[i].size);
        ck_assert_int_eq(record_batch_view(bytes, size, &v), ERR_CORRUPT);
    }
}
END_TEST

/* A record whose length says one byte more or less than its fields take, the rest of the batch in its place. */
START_TEST(a_record_fills_its_length)
{
    static const uint8_t whole[] = {7 << 1, 0, 0, 0, 1, 2, 'v', 0};
    struct record_batch_view v = {.base_offset = 5, .last_offset = 5, .record_count = 1};
    for (size_t length = 0; length < 10; length++) {
        uint8_t bytes[16] = {0};
        struct record_view r;
        memcpy(bytes, whole, sizeof whole);
        bytes[0] = (uint8_t)(length << 1);
        struct cursor c = cursor_of(bytes, 1 + length);
        ck_assert_int_eq(record_next(&c, &v, &r), length == 7 ? ERR_OK : ERR_CORRUPT);
    }
}
END_TEST

/* Random damage to the records of random batches: never a read outside, never an offset that is not the batch's. */
START_TEST(damaged_records_are_refused)
{
    static struct model m;
    struct random random;
    random_init(&random, 3);
    for (unsigned round = 0; round < 3000; round++) {
        struct record_batch_writer w;
        record_batch_begin(&w, room, sizeof room, 0, 0);
        for (uint64_t i = 0; i < 5; i++) {
            model_make(&m, round + i);
            ck_assert(model_add(&w, &m));
        }
        size_t size = record_batch_finish(&w);
        uint8_t *copy = copy_of(room, size);
        for (unsigned damage = 0; damage < 3; damage++) {
            size_t at = RECORD_BATCH_HEADER_BYTES + random_below(&random, size - RECORD_BATCH_HEADER_BYTES);
            copy[at] = (uint8_t)random_u64(&random);
        }
        walk(copy, size);
        random_bytes(&random, copy + RECORD_BATCH_HEADER_BYTES, size - RECORD_BATCH_HEADER_BYTES);
        walk(copy, size);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record_batch");
    TCase *t = tcase_create("record_batch");
    tcase_add_test(t, writes_the_known_batch);
    tcase_add_test(t, reads_the_known_batch);
    tcase_add_test(t, prefixes_are_minimal_after_every_guess);
    tcase_add_test(t, random_batches_round_trip);
    tcase_add_test(t, cuts_back_to_a_mark);
    tcase_add_test(t, records_move_to_another_batch);
    tcase_add_test(t, the_writer_stays_in_its_room);
    tcase_add_test(t, patching_changes_offset_and_epoch_alone);
    tcase_add_test(t, every_cut_is_truncated);
    tcase_add_test(t, every_changed_bit_is_noticed);
    tcase_add_test(t, contradictions_are_corrupt);
    tcase_add_test(t, a_record_fills_its_length);
    tcase_add_test(t, damaged_records_are_refused);
    tcase_set_timeout(t, 20);
    suite_add_tcase(s, t);
    return suite_run(s);
}
