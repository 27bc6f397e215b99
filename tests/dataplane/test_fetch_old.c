/* Goal: a consumer of any age reads what is packed, and records of any size.  It gets batches as they are stored if it
 * can take them, else unpacked, or as messages; a message that is too large to be copied goes from where it lies, one
 * that must be unpacked by the lcore's one large buffer, for which others wait and which nobody keeps. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "dataplane/kafka/fetch_old.h"
#include "formats/record_batch.h"
#include "tests/dataplane/sim_server.h"
#include "tests/suite.h"

enum { LARGE = 20 << 20, BATCHES = 6, RECORDS = 10, VALUE_BYTES = 300, TIME = 1000 };

static const struct serve_config config = {.large_bytes = 24 << 20};
static const enum compression codecs[] = {COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD};

static struct sim_server *s;
static struct log *log_;
static struct port_sim_peer *peer;
static struct packer *packer;

static void begin(uint32_t log_bytes_max, enum compression codec, struct serve_config c)
{
    s = sim_start(1, log_bytes_max, c, 0);
    peer = port_sim_connect(s->lcore->port);
    log_ = memory_log_new(s->storage, "orders");
    if (codec != COMPRESSION_NONE) ck_assert_int_eq(packer_open(&packer, codec), ERR_OK);
    log_->packer = packer;
    sim_settle(s);
}

static void end(void)
{
    port_sim_hang_up(peer);
    sim_settle(s);
    ck_assert_uint_eq(s->lcore->arena.used_bytes, 0);
    sim_stop(s); /* looks for pins */
    packer_close(packer);
    packer = NULL;
}

static void check_value(const uint8_t *value, size_t size, uint64_t offset, size_t expected)
{
    char text[24];
    size_t begin_bytes = (size_t)snprintf(text, sizeof text, "%llu ", (unsigned long long)offset);
    ck_assert_uint_eq(size, expected);
    ck_assert_mem_eq(value, text, begin_bytes);
    size_t same = begin_bytes;
    while (same < size && value[same] == 'v') same++;
    ck_assert_uint_eq(same, size);
}

/* The messages from `offset` on; returns the offset behind them. */
static uint64_t check_messages(const struct kafka_records *records, int16_t version, uint64_t offset,
                               size_t value_bytes)
{
    struct cursor c = cursor_of(records->bytes, (size_t)records->size);
    for (; cursor_left(&c) > 0; offset++) {
        ck_assert_uint_eq(cursor_be(&c, 8), offset);
        size_t size = cursor_be(&c, 4);
        const uint8_t *message = cursor_take(&c, size);
        ck_assert_ptr_nonnull(message);
        struct cursor m = cursor_of(message, size);
        ck_assert_uint_eq(cursor_be(&m, 4), crc32(0, message + 4, (unsigned)size - 4));
        ck_assert_uint_eq(cursor_be(&m, 1), version < 2 ? 0 : 1);
        ck_assert_uint_eq(cursor_be(&m, 1), 0);
        if (version >= 2) ck_assert_uint_eq(cursor_be(&m, 8), TIME);
        ck_assert_uint_eq(cursor_be(&m, 4), UINT32_MAX);
        size_t value = cursor_be(&m, 4);
        ck_assert_uint_eq(value, cursor_left(&m));
        check_value(m.at, value, offset, value_bytes);
    }
    return offset;
}

/* The batches that begin at or before `offset`, packed with this codec. */
static uint64_t check_batches(const struct kafka_records *records, uint64_t offset, size_t value_bytes,
                              enum compression codec)
{
    struct unpacker *u;
    size_t room = LARGE + 4096, size;
    uint8_t *plain = malloc(room);
    ck_assert_int_eq(unpacker_open(&u), ERR_OK);
    for (size_t at = 0; at < (size_t)records->size;) {
        struct record_batch_view batch;
        struct record_view record;
        ck_assert_int_eq(record_batch_view(records->bytes + at, (size_t)records->size - at, &batch), ERR_OK);
        ck_assert(record_batch_crc_holds(records->bytes + at, &batch));
        ck_assert_int_eq(record_batch_codec(&batch), codec);
        ck_assert_uint_le(batch.base_offset, offset);
        uint64_t next = batch.base_offset;
        size_t bytes = batch.bytes;
        if (codec != COMPRESSION_NONE) {
            ck_assert_int_eq(record_batch_unpack(u, records->bytes + at, &batch, plain, room, &size), ERR_OK);
            ck_assert_int_eq(record_batch_view(plain, size, &batch), ERR_OK);
        }
        struct cursor c = cursor_of(batch.records, batch.records_bytes);
        while (cursor_left(&c) > 0) {
            ck_assert_int_eq(record_next(&c, &batch, &record), ERR_OK);
            ck_assert_uint_eq(record.offset, next++);
            check_value(record.value, record.value_bytes, record.offset, value_bytes);
        }
        ck_assert_uint_eq(next, batch.last_offset + 1);
        offset = next;
        at += bytes;
    }
    unpacker_close(u);
    free(plain);
    return offset;
}

/* Asks and must get; returns what came. */
static const struct fetch_response_partition *ask(int16_t version, uint64_t offset, int32_t bound)
{
    static struct fetch_response out;
    struct simple_fetch f;
    simple_fetch_init(&f, "orders", (int64_t)offset, 500, 1);
    f.partition.partition_max_bytes = bound;
    sim_ask(s, peer, KAFKA_API_FETCH, version, &f.request, &out);
    ck_assert_int_eq(out.response_count, 1);
    return &out.responses[0].partitions[0];
}

START_TEST(every_version_reads_every_codec)
{
    enum compression codec = codecs[_i];
    begin(1 << 20, codec, config);
    log_->piece_bytes_max = 37;
    for (int i = 0; i < BATCHES; i++) {
        log_->packer = i == 2 ? NULL : packer; /* the option was changed for a while */
        memory_log_append(s->storage, log_, RECORDS, VALUE_BYTES, TIME);
    }
    for (int16_t version = 0; version <= 12; version++) {
        bool as_stored = version > FETCH_OLD_VERSION_MAX && (codec != COMPRESSION_ZSTD || version >= FETCH_ZSTD_SINCE);
        for (int32_t bound = 0; bound < 8000; bound += 701) {
            uint64_t offset = 33; /* behind the batch that is not packed */
            while (offset < BATCHES * RECORDS) {
                const struct fetch_response_partition *p = ask(version, offset, bound);
                ck_assert_int_eq(p->error_code, KAFKA_NONE);
                ck_assert_int_gt(p->records.size, 0);
                uint64_t next = version <= FETCH_OLD_VERSION_MAX
                                    ? check_messages(&p->records, version, offset, VALUE_BYTES)
                                    : check_batches(&p->records, offset, VALUE_BYTES,
                                                    as_stored ? codec : COMPRESSION_NONE);
                ck_assert_uint_gt(next, offset);
                bool is_first = version <= FETCH_OLD_VERSION_MAX ? next == offset + 1 : next <= offset / 10 * 10 + 10;
                ck_assert(is_first || p->records.size <= bound);
                offset = next;
            }
        }
        if (version > FETCH_OLD_VERSION_MAX) continue;
        const struct fetch_response_partition *p = ask(version, 5, 100000); /* packed ones and others in one answer */
        ck_assert_uint_eq(check_messages(&p->records, version, 5, VALUE_BYTES), BATCHES * RECORDS);
    }
    end();
}
END_TEST

START_TEST(a_large_message_goes_from_where_it_lies)
{
    begin(LARGE + (1 << 20), COMPRESSION_NONE, (struct serve_config){0});
    log_->piece_bytes_max = 1 << 20;
    memory_log_append(s->storage, log_, 3, 100, TIME);
    memory_log_append(s->storage, log_, 1, LARGE, TIME);
    memory_log_append(s->storage, log_, 3, 100, TIME);
    for (int16_t version = 0; version <= FETCH_OLD_VERSION_MAX; version++) {
        const struct fetch_response_partition *p = ask(version, 1, 1000);
        ck_assert_uint_eq(check_messages(&p->records, version, 1, 100), 3);
        struct simple_fetch f;
        struct fetch_response out;
        simple_fetch_init(&f, "orders", 3, 500, 1);
        port_sim_window(peer, 0);
        sim_send(s, peer, KAFKA_API_FETCH, version, &f.request);
        sim_settle(s);
        ck_assert_int_ge(atomic_load(&s->storage->pins), LARGE >> 20);
        ck_assert_uint_lt(s->lcore->arena.used_bytes, 64 << 10);
        port_sim_window(peer, SIZE_MAX);
        sim_settle(s);
        ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, version, &out));
        p = &out.responses[0].partitions[0];
        ck_assert_uint_eq(check_messages(&p->records, version, 3, LARGE), 4);
        ck_assert_int_eq(atomic_load(&s->storage->pins), 0);
        p = ask(version, 4, 1000);
        ck_assert_uint_eq(check_messages(&p->records, version, 4, 100), 7);
    }
    end();
}
END_TEST

/* `_i`: the version of the Fetch. */
START_TEST(a_large_packed_record_goes_by_the_large_buffer)
{
    int16_t version = (int16_t)_i;
    begin(LARGE + (1 << 20), COMPRESSION_ZSTD, config);
    struct port_sim_peer *other = port_sim_connect(s->lcore->port);
    struct simple_fetch f;
    struct fetch_response out;
    log_->piece_bytes_max = 999;
    memory_log_append(s->storage, log_, 1, LARGE, TIME);
    ck_assert_uint_lt(log_->used_bytes, LARGE / 100);
    for (int i = 0; i < 2; i++) {
        simple_fetch_init(&f, "orders", 0, 500, 1);
        port_sim_window(peer, 0);
        sim_send(s, peer, KAFKA_API_FETCH, version, &f.request);
        sim_settle(s);
        ck_assert(s->lcore->arena.large_is_used);
        sim_send(s, other, KAFKA_API_FETCH, version, &f.request);
        sim_settle(s);
        ck_assert(!sim_receive(s, other, KAFKA_API_FETCH, version, &out)); /* it waits, as long as it said, */
        sim_advance_ms(s, 600);
        ck_assert(sim_receive(s, other, KAFKA_API_FETCH, version, &out)); /* and may ask again */
        ck_assert_int_eq(out.responses[0].partitions[0].error_code, KAFKA_NONE);
        ck_assert_int_eq(out.responses[0].partitions[0].records.size, 0);
        ck_assert_int_eq(out.responses[0].partitions[0].high_watermark, 1);
        if (i == 0) { /* the first takes its answer */
            port_sim_window(peer, SIZE_MAX);
            sim_settle(s);
            ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, version, &out));
            const struct kafka_records *records = &out.responses[0].partitions[0].records;
            ck_assert_uint_eq(version < 4 ? check_messages(records, version, 0, LARGE)
                                          : check_batches(records, 0, LARGE, COMPRESSION_NONE), 1);
            ck_assert(!s->lcore->arena.large_is_used);
            continue;
        }
        for (int ms = 0; ms < LARGE_HELD_MS + 2000; ms += 600) { /* it stands still, and the other goes on asking */
            sim_send(s, other, KAFKA_API_FETCH, version, &f.request);
            sim_advance_ms(s, 600);
            if (!sim_receive(s, other, KAFKA_API_FETCH, version, &out)) continue;
            if (out.responses[0].partitions[0].records.size > 0) break;
            ck_assert(!port_sim_is_closed(peer) || ms > LARGE_HELD_MS - 2000);
        }
        ck_assert(port_sim_is_closed(peer));
        const struct kafka_records *records = &out.responses[0].partitions[0].records;
        ck_assert_uint_eq(version < 4 ? check_messages(records, version, 0, LARGE)
                                      : check_batches(records, 0, LARGE, COMPRESSION_NONE), 1);
    }
    port_sim_hang_up(other);
    end();
}
END_TEST

/* Nobody else wants it: who holds it may take its time. */
START_TEST(a_slow_consumer_keeps_its_large_answer)
{
    begin(LARGE + (1 << 20), COMPRESSION_ZSTD, config);
    struct simple_fetch f;
    struct fetch_response out;
    memory_log_append(s->storage, log_, 1, LARGE, TIME);
    simple_fetch_init(&f, "orders", 0, 500, 1);
    port_sim_window(peer, 0);
    sim_send(s, peer, KAFKA_API_FETCH, 2, &f.request);
    for (int i = 0; i < 4; i++) sim_advance_ms(s, LARGE_HELD_MS);
    ck_assert(!port_sim_is_closed(peer));
    port_sim_window(peer, SIZE_MAX);
    sim_settle(s);
    ck_assert(sim_receive(s, peer, KAFKA_API_FETCH, 2, &out));
    ck_assert_uint_eq(check_messages(&out.responses[0].partitions[0].records, 2, 0, LARGE), 1);
    end();
}
END_TEST

START_TEST(what_cannot_be_unpacked_is_an_error)
{
    begin(LARGE + (1 << 20), COMPRESSION_ZSTD, (struct serve_config){.large_bytes = 1 << 20});
    memory_log_append(s->storage, log_, RECORDS, VALUE_BYTES, TIME);
    memory_log_append(s->storage, log_, 1, LARGE, TIME); /* larger than the large buffer */
    log_->bytes[RECORD_BATCH_HEADER_BYTES + 12] ^= 0xff;
    log_->bytes[RECORD_BATCH_HEADER_BYTES + 30] ^= 0xff;
    ck_assert_int_eq(ask(2, 0, 1000)->error_code, KAFKA_UNKNOWN_SERVER_ERROR); /* all that this client takes */
    ck_assert_int_eq(ask(4, 0, 1000)->error_code, KAFKA_CORRUPT_MESSAGE);
    ck_assert_int_eq(ask(12, 0, 1000)->error_code, KAFKA_NONE); /* is not looked into */
    ck_assert_int_eq(ask(2, RECORDS, 1000)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    ck_assert_int_eq(ask(4, RECORDS, 1000)->error_code, KAFKA_UNKNOWN_SERVER_ERROR);
    ck_assert_int_eq(ask(12, RECORDS, 1000)->error_code, KAFKA_NONE);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fetch_old");
    TCase *c = tcase_create("fetch_old");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, every_version_reads_every_codec, 0, 3);
    tcase_add_test(c, a_large_message_goes_from_where_it_lies);
    tcase_add_loop_test(c, a_large_packed_record_goes_by_the_large_buffer, 2, 5);
    tcase_add_test(c, a_slow_consumer_keeps_its_large_answer);
    tcase_add_test(c, what_cannot_be_unpacked_is_an_error);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
