/* Goal: whatever the sizes of records and transactions, the log appender sends batches that keep the feed's contract
 * and invariants 1 and 2, and the records read back are exactly those of the committed transactions, in order. Method:
 * seeded transactions of random shapes (tiny, many, larger than the target, than a chunk, than all leases), discards
 * and flushes at random, into a storage side that checks every rule. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "capture/log_appender.h"
#include "tests/capture/fake_storage.h"
#include "tests/suite.h"

enum {
    CHUNK_BYTES = 16 * 1024,
    CHUNKS = 64,
    LEASES = 3,
    TARGET = 4 * 1024,
    RECORD_MAX = 200 * 1024,
    EXPECTED_MAX = 200000
};

static struct fake_storage storage;
static struct log_appender appender;
static struct counter count;
static struct histogram histogram;
static _Atomic bool stop;
static _Atomic int codec;  /* what batches are packed with */
static bool codec_changes; /* with each transaction, perhaps */
static struct random dice;
static uint32_t *expected; /* the seed of each record's bytes */
static uint64_t expected_count;
static uint64_t sets_wanted;

static void storage_works(void *context)
{
    (void)context;
    fake_storage_step(&storage);
}

static void appender_open(uint64_t segment_bytes)
{
    struct err_msg msg = {0};
    struct log_appender_config config = {.feed = &storage.feed,
                                         .resume = &storage.resume,
                                         .clock = clock_real(),
                                         .stop = &stop,
                                         .compression = &codec,
                                         .segment_bytes = segment_bytes,
                                         .batch_bytes_target = TARGET,
                                         .record_bytes_max = RECORD_MAX,
                                         .starved = storage_works,
                                         .stalls = &count,
                                         .stalled_us = &count,
                                         .read_to_encoded_us = &histogram};
    ck_assert_msg(log_appender_open(&appender, &config, &msg) == ERR_OK, "%s", msg.text);
}

static uint32_t bytes_of(uint32_t seed)
{
    struct random r;
    random_init(&r, seed);
    switch (random_below(&r, 50)) {
    case 0: return (uint32_t)random_below(&r, 2 * CHUNK_BYTES);
    case 1: return random_below(&r, 8) == 0 ? (uint32_t)random_below(&r, RECORD_MAX) : 5000;
    default: return 50 + (uint32_t)random_below(&r, 400);
    }
}

static void fill(uint32_t seed, uint8_t *out, uint32_t size)
{
    struct random r;
    random_init(&r, ~(uint64_t)seed);
    random_bytes(&r, out, size);
    if (seed % 4 != 0 && size > 20) memset(out + 20, (int)(seed >> 8), size - 20); /* some can be packed, some cannot */
}

static void record_add(uint32_t seed, bool ends)
{
    static const uint8_t set[] = "some-set";
    uint8_t position[] = {'p', (uint8_t)seed};
    uint32_t size = bytes_of(seed);
    struct record_header header[2];
    uint32_t header_count = 0;
    if (ends)
        header[header_count++] = (struct record_header){RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1,
                                                        position, sizeof position};
    bool wants_gtid_set;
    ck_assert_int_eq(log_appender_record_next(&appender, &wants_gtid_set), ERR_OK);
    if (wants_gtid_set) {
        header[header_count++] =
            (struct record_header){RECORD_HEADER_GTID_SET, sizeof RECORD_HEADER_GTID_SET - 1, set, sizeof set};
        sets_wanted++;
    }
    uint8_t *value;
    uint32_t bound = size + (uint32_t)random_below(&dice, 100); /* formats bound, then write less */
    int64_t timestamp_ms = 1700000000000 + (int64_t)random_below(&dice, 100000) - 50000;
    log_appender_read_at(&appender, 1 + random_below(&dice, 1000));
    ck_assert_int_eq(log_appender_reserve(&appender, timestamp_ms, bound, 128, &value), ERR_OK);
    fill(seed, value, size);
    ck_assert_int_eq(log_appender_commit(&appender, size, header, header_count), ERR_OK);
    ck_assert_uint_lt(expected_count, EXPECTED_MAX);
    expected[expected_count++] = seed;
}

static void transaction(void)
{
    static const int codecs[] = {COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD};
    uint64_t before = expected_count;
    if (codec_changes && random_below(&dice, 20) == 0) atomic_store(&codec, codecs[random_below(&dice, 4)]);
    uint32_t records = 1 + (uint32_t)random_below(&dice, random_below(&dice, 30) == 0 ? 300 : 6);
    for (uint32_t i = 1; i <= records; i++) {
        record_add((uint32_t)random_u64(&dice), i == records);
        if (i < records && random_below(&dice, 400) == 0) { /* it never happened */
            uint64_t had = log_appender_transaction_records(&appender);
            ck_assert_uint_eq(had, i);
            bool was_sent = log_appender_transaction_is_sent(&appender);
            ck_assert(log_appender_discard_transaction(&appender) == !was_sent);
            if (was_sent) continue;
            expected_count = before;
            return;
        }
    }
    ck_assert_int_eq(log_appender_transaction_end(&appender), ERR_OK);
    if (random_below(&dice, 10) == 0) ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    if (random_below(&dice, 3) == 0) fake_storage_step(&storage);
}

static void assert_log(void)
{
    ck_assert_uint_eq(storage.record_count, expected_count);
    uint8_t *bytes = malloc(RECORD_MAX + CHUNK_BYTES);
    for (uint64_t i = 0; i < expected_count; i++) {
        const struct fake_record *r = &storage.record[i];
        uint32_t size = bytes_of(expected[i]);
        ck_assert_uint_eq(r->offset, i);
        ck_assert_uint_eq(r->value_bytes, size);
        fill(expected[i], bytes, size);
        ck_assert_msg(memcmp(bytes, r->value, size) == 0, "record %lu differs", (unsigned long)i);
    }
    free(bytes);
}

/* Every third run packs nothing, one all, one now this and now that. */
static void codec_choose(int run)
{
    atomic_store(&codec, run % 3 == 1 ? COMPRESSION_LZ4 : COMPRESSION_NONE);
    codec_changes = run % 3 == 2;
}

static void setup(void)
{
    codec_choose(0);
    fake_storage_init(&storage, CHUNK_BYTES, CHUNKS, LEASES, true);
    expected = calloc(EXPECTED_MAX, sizeof *expected);
    expected_count = sets_wanted = 0;
}

static void teardown(void)
{
    log_appender_close(&appender);
    fake_storage_fini(&storage);
    free(expected);
}

START_TEST(random_transactions)
{
    random_init(&dice, (uint64_t)_i + 1);
    codec_choose(_i);
    appender_open(300 * 1024);
    for (int i = 0; i < 2000; i++) transaction();
    ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    fake_storage_step(&storage);
    assert_log();
    ck_assert_uint_gt(storage.segments, 2);
    ck_assert_uint_ge(sets_wanted, storage.segments);
    ck_assert_uint_gt(storage.batches_of_several, 0);
    ck_assert_uint_gt(storage.batches_of_part, 0);
    ck_assert_uint_gt(storage.batches_spanning, 0);
    ck_assert(storage.batches_packed == 0 ? _i % 3 == 0 : storage.batches_packed > 100);
}
END_TEST

/* A transaction that would fill several segments by itself: they roll in its middle, and each begins with the set. */
START_TEST(transaction_of_many_segments)
{
    enum { SEGMENT = 64 * 1024, LARGEST = RECORD_MAX + 4 * CHUNK_BYTES };
    random_init(&dice, (uint64_t)_i + 200);
    codec_choose(_i);
    appender_open(SEGMENT);
    for (int i = 0; i < 20; i++) {
        transaction();
        for (int n = 0; n < 2000; n++) record_add((uint32_t)random_u64(&dice), n == 1999);
        ck_assert_int_eq(log_appender_transaction_end(&appender), ERR_OK);
    }
    for (int n = 0; n < 1000; n++) record_add((uint32_t)random_u64(&dice), false); /* never ends */
    fake_storage_step(&storage);
    ck_assert_uint_gt(storage.rolls_in_transaction, 20);
    ck_assert_uint_le(storage.segment_bytes_most, 2 * SEGMENT + LARGEST);
    ck_assert_uint_eq(storage.gtid_sets, storage.segments);
    log_appender_close(&appender);
    fake_storage_reattach(&storage);
    expected_count = storage.record_count; /* without what never ended, and the segments that it alone filled */
    appender_open(SEGMENT);
    for (int i = 0; i < 20; i++) transaction();
    ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    fake_storage_step(&storage);
    assert_log();
}
END_TEST

/* The log is taken up again in the middle of a segment: at a block's edge or not. */
START_TEST(taken_up_again)
{
    random_init(&dice, (uint64_t)_i + 50);
    codec_choose(_i);
    for (int round = 0; round < 20; round++) {
        appender_open(1 << 20);
        for (uint64_t n = random_below(&dice, 20); n > 0; n--) transaction();
        if (random_below(&dice, 2) == 0) record_add(1, false); /* an unfinished one */
        uint64_t whole = storage.record_count;
        log_appender_close(&appender);
        fake_storage_reattach(&storage);
        (void)whole;
        expected_count = storage.record_count; /* what was not sent is lost, and would be read again */
    }
    appender_open(1 << 20);
    transaction();
    ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    fake_storage_step(&storage);
    assert_log();
}
END_TEST

START_TEST(records_above_the_limit_are_refused)
{
    uint8_t *value;
    random_init(&dice, 1);
    appender_open(1 << 20);
    ck_assert_int_eq(log_appender_reserve(&appender, 1, 100 * RECORD_MAX, 0, &value), ERR_TOO_LARGE);
    ck_assert_int_eq(log_appender_reserve(&appender, 1, RECORD_MAX + 1, 0, &value), ERR_OK); /* a bound may overshoot */
    ck_assert_int_eq(log_appender_commit(&appender, RECORD_MAX + 1, NULL, 0), ERR_TOO_LARGE);
    transaction();
    ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    fake_storage_step(&storage);
    assert_log();
}
END_TEST

START_TEST(failure_of_storage_is_told)
{
    appender_open(1 << 20);
    struct feed_failed *f = ring_spsc_claim(&storage.feed.to_producer, sizeof *f);
    *f = (struct feed_failed){FEED_FAILED, ERR_NO_SPACE};
    ring_spsc_commit(&storage.feed.to_producer);
    uint8_t *value;
    ck_assert_int_eq(log_appender_reserve(&appender, 1, 100, 0, &value), ERR_NO_SPACE);
    ck_assert_int_eq(log_appender_reserve(&appender, 1, 100, 0, &value), ERR_NO_SPACE);
    ck_assert_int_eq(log_appender_flush(&appender), ERR_NO_SPACE);
    ck_assert_int_eq(log_appender_poll(&appender), ERR_NO_SPACE);
}
END_TEST

static void stop_comes(void *context)
{
    (void)context;
    atomic_store(&stop, true);
}

/* A stop while the ring to storage is full: the batch that waits for room is given up, and giving it up is final. */
START_TEST(stopped_at_a_full_ring)
{
    random_init(&dice, 3);
    storage.leases_max = CHUNKS - 8;
    appender_open(1 << 30);
    record_add(2, true);
    ck_assert_int_eq(log_appender_transaction_end(&appender), ERR_OK);
    ck_assert_int_eq(log_appender_flush(&appender), ERR_OK);
    appender.config.starved = stop_comes;
    enum err e = ERR_OK;
    uint64_t sent = 0;
    for (int i = 0; e == ERR_OK && i < 10000; i++) {
        uint8_t *value;
        ck_assert_int_eq(log_appender_reserve(&appender, 1, 10, 128, &value), ERR_OK);
        memset(value, 'x', 10);
        struct record_header position = {RECORD_HEADER_POSITION, sizeof RECORD_HEADER_POSITION - 1, "p", 1};
        ck_assert_int_eq(log_appender_commit(&appender, 10, &position, 1), ERR_OK);
        ck_assert_int_eq(log_appender_transaction_end(&appender), ERR_OK);
        sent = appender.batches;
        e = log_appender_flush(&appender);
    }
    ck_assert_int_eq(e, ERR_STOPPED);
    fake_storage_step(&storage);
    ck_assert_int_eq(log_appender_flush(&appender), ERR_STOPPED); /* what capture does on its way out */
    fake_storage_step(&storage);
    ck_assert_uint_eq(storage.batches, sent);
    atomic_store(&stop, false);
}
END_TEST

START_TEST(waiting_ends_on_request)
{
    appender_open(1 << 20);
    appender.config.starved = NULL; /* nobody leases a chunk */
    atomic_store(&stop, true);
    uint8_t *value;
    ck_assert_int_eq(log_appender_reserve(&appender, 1, 100, 0, &value), ERR_STOPPED);
    atomic_store(&stop, false);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("log_appender");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, random_transactions, 0, 12);
    tcase_add_loop_test(cases, transaction_of_many_segments, 0, 3);
    tcase_add_loop_test(cases, taken_up_again, 0, 6);
    tcase_add_test(cases, records_above_the_limit_are_refused);
    tcase_add_test(cases, failure_of_storage_is_told);
    tcase_add_test(cases, waiting_ends_on_request);
    tcase_add_test(cases, stopped_at_a_full_ring);
    Suite *suite = suite_create("log_appender");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
