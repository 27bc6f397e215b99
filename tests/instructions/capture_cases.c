#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/change_rows.h"
#include "bench/drain.h"
#include "bench/row_tables.h"
#include "capture/capture_sim.h"
#include "capture/row_decode.h"
#include "capture/table_cache.h"
#include "formats/record_batch.h"
#include "tests/capture/binlog_maker.h"
#include "tests/instructions/cases.h"

enum { ROWS_EVENT_BYTES = 1 << 16, MAPS = 2000, ENCODED_ROWS = 2000, BATCH_BYTES = 256 << 10, BULK_ROWS = 3000,
       SINGLE_ROWS = 1000 };

/* --- decode: all rows of one event --- */

struct decoding {
    struct told told;
    struct filter *filter;
    struct table_cache *cache;
    struct row_arena arena;
    uint8_t map[ROW_TABLE_MAP_BYTES], body[ROWS_EVENT_BYTES];
    size_t map_bytes, body_bytes, rows, decoded;
};

static void decode_begin(struct decoding *d, const struct row_table *t)
{
    static const char *const include[] = {"d.t", NULL};
    struct table_entry *entry;
    struct err_msg msg;
    d->map_bytes = row_table_map(d->map, sizeof d->map, t);
    d->body_bytes = row_table_rows(d->body, sizeof d->body, t, &d->rows);
    d->decoded = 0;
    row_table_tell(&d->told, t);
    ck_assert_int_eq(filter_open(&d->filter, include, NULL, false, &msg), ERR_OK);
    ck_assert_int_eq(table_cache_open(&d->cache, &d->told.definitions, d->filter), ERR_OK);
    ck_assert_int_eq(row_arena_init(&d->arena, 65536, 1 << 20), ERR_OK);
    ck_assert_int_eq(table_cache_map(d->cache, d->map, d->map_bytes, &entry, &msg), ERR_OK);
}

static void decode_end(struct decoding *d)
{
    ck_assert_uint_gt(d->rows, 300);
    ck_assert_uint_eq(d->decoded, d->rows);
    row_arena_fini(&d->arena);
    table_cache_close(d->cache);
    filter_close(d->filter);
    told_close(&d->told);
}

static void decode(struct decoding *d)
{
    static struct change_value after[ROW_TABLE_COLUMNS_MAX];
    struct rows_event event;
    struct row_reader reader;
    struct table_entry *entry;
    struct err_msg msg;
    enum err e = table_cache_rows(d->cache, ROWS_WRITE_V2, d->body, d->body_bytes, &event, &entry, &msg);
    if (e == ERR_OK) e = row_reader_init(&reader, &event, &entry->decoder, &d->arena, &msg);
    for (; e == ERR_OK && row_reader_more(&reader); d->decoded++) e = row_reader_next(&reader, NULL, after, &msg);
    if (e != ERR_OK) ck_abort_msg("%s", msg.text);
}

static void map_again(struct decoding *d)
{
    struct table_entry *entry;
    struct err_msg msg;
    for (int i = 0; i < MAPS; i++)
        if (table_cache_map(d->cache, d->map, d->map_bytes, &entry, &msg) != ERR_OK) ck_abort_msg("%s", msg.text);
}

static void decode_cases(void)
{
    static struct decoding d;
    decode_begin(&d, &row_table_narrow);
    COUNTED("decode_narrow", decode(&d));
    COUNTED("table_map_seen", map_again(&d));
    decode_end(&d);
    decode_begin(&d, &row_table_mixed);
    COUNTED("decode_mixed", decode(&d));
    decode_end(&d);
    decode_begin(&d, &row_table_json);
    COUNTED("decode_json", decode(&d));
    decode_end(&d);
}

/* --- encode: rows into finished batches --- */

struct encoding {
    const struct record_format *format;
    struct change_rows rows;
    uint64_t batched_bytes;
    uint8_t batch[BATCH_BYTES];
};

static void encode(struct encoding *x)
{
    struct record_batch_writer w;
    const struct change_event *e = &x->rows.event;
    record_batch_begin(&w, x->batch, sizeof x->batch, 0, 0);
    for (uint64_t i = 0; i < ENCODED_ROWS; i++) {
        change_rows_next(&x->rows, i);
        int64_t timestamp_ms = e->timestamp_s * INT64_C(1000);
        uint8_t *at = record_batch_record_begin(&w, timestamp_ms, x->format->size_max(e), 0);
        if (at == NULL) {
            x->batched_bytes += record_batch_finish(&w);
            record_batch_begin(&w, x->batch, sizeof x->batch, i, 0);
            at = record_batch_record_begin(&w, timestamp_ms, x->format->size_max(e), 0);
        }
        record_batch_record_end(&w, x->format->encode(e, i, at), NULL, 0);
    }
    x->batched_bytes += record_batch_finish(&w);
}

static void encode_end(struct encoding *x)
{
    ck_assert_uint_gt(x->batched_bytes, 100 * ENCODED_ROWS);
    x->batched_bytes = 0;
    x->format->table_release(&x->rows.table);
}

static void encode_cases(void)
{
    static struct encoding x;
    x.format = record_format_find("dts-avro");
    change_rows_narrow(&x.rows, x.format, CHANGE_INSERT);
    COUNTED("encode_narrow", encode(&x));
    encode_end(&x);
    change_rows_mixed(&x.rows, x.format, CHANGE_INSERT);
    COUNTED("encode_mixed", encode(&x));
    encode_end(&x);
    change_rows_mixed(&x.rows, x.format, CHANGE_UPDATE);
    COUNTED("encode_mixed_update", encode(&x));
    encode_end(&x);
}

/* --- follow: from a source's events to finished batches in chunks --- */

struct following {
    struct clock_simulated clock;
    struct stream_sim_source source;
    struct binlog_maker maker;
    struct counters *counters;
    struct capture *capture;
    struct drain drain;
};

static void make_history(struct binlog_maker *m, uint32_t rows, uint32_t per_transaction)
{
    for (uint32_t made = 0; made < rows; made += per_transaction) {
        binlog_maker_gtid(m);
        binlog_maker_query(m, "app", "BEGIN");
        binlog_maker_table_map(m, 100, "app", "kept");
        binlog_maker_write(m, 100, made, per_transaction, 40);
        binlog_maker_xid(m);
    }
}

static void follow_begin(struct following *f, uint32_t rows, uint32_t per_transaction)
{
    static const char *columns[][STREAM_SIM_COLUMN_FIELDS] = {
        {"app", "kept", "id", "int(11)", NULL, "NO"}, {"app", "kept", "text", "text", "utf8mb4_general_ci", "YES"}};
    static const char *keys[][STREAM_SIM_KEY_FIELDS] = {{"app", "kept", "PRIMARY", "id", "BTREE"}};
    static const char *const include[] = {"app.*", NULL};
    static const struct log_resume resume = {.last_timestamp_ms = -1};
    static const struct capture_config config = {
        .channel = "counted", .host = "memory", .port = 1, .user = "u", .server_id = 9, .include = include,
        .format = "dts-avro", .start = CAPTURE_START_EARLIEST, .heartbeat_ms = 1000, .segment_bytes = 64 << 20,
        .batch_bytes_target = 256 << 10, .record_bytes_max = 1 << 20, .packet_bytes_max = 16 << 20,
        .reconnect_pause_ms_min = 1, .reconnect_pause_ms_max = 1, .core = -1};
    struct source_stream *stream;
    struct err_msg msg = {0};
    struct capture_status status = {0};
    memset(f, 0, sizeof *f);
    clock_simulated_init(&f->clock, 1784032496000);
    drain_init(&f->drain);
    stream_sim_source_init(&f->source, &f->clock.clock, 1);
    f->source.column = columns;
    f->source.column_count = 2;
    f->source.key = keys;
    f->source.key_count = 1;
    binlog_maker_init(&f->maker, &f->source);
    make_history(&f->maker, rows, per_transaction);
    ck_assert_int_eq(counters_open(&f->counters, NULL, 256, &msg), ERR_OK);
    ck_assert_int_eq(stream_sim_open(&stream, &f->source), ERR_OK);
    enum err e = capture_open_simulated(&f->capture, &config, &f->drain.feed, &resume, &f->clock.clock, f->counters,
                                        stream, drain_work, &f->drain, &msg);
    ck_assert_msg(e == ERR_OK, "%s", msg.text);
    do { /* connects, reads ahead; then the stream */
        capture_step(f->capture);
        capture_status(f->capture, &status);
    } while (status.state == CAPTURE_CONNECTING);
}

static void follow(struct following *f)
{
    while (capture_step(f->capture) > 0) drain_work(&f->drain);
    drain_work(&f->drain);
}

static void follow_end(struct following *f, uint32_t rows, uint32_t per_transaction)
{
    ck_assert_uint_ge(f->drain.records, rows + 2 * rows / per_transaction);
    capture_stop(f->capture);
    counters_close(f->counters);
    stream_sim_source_fini(&f->source);
    free(f->drain.pool.bytes);
}

void capture_cases(void)
{
    static struct following f;
    decode_cases();
    encode_cases();
    follow_begin(&f, BULK_ROWS, 100);
    COUNTED("follow_bulk", follow(&f));
    follow_end(&f, BULK_ROWS, 100);
    follow_begin(&f, SINGLE_ROWS, 1);
    COUNTED("follow_single", follow(&f));
    follow_end(&f, SINGLE_ROWS, 1);
}
