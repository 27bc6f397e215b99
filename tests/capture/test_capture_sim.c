/* Goal: whatever breaks between the source and us, the log is the same.
 * Method: one seeded, single-threaded run over a simulated binlog with transactions of all sizes, filtered ones, DDL,
 * crashes of the source and file changes; connections break at random, the log is taken up again at random; each time
 * the records must equal those of a run that nothing disturbed. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "capture/binlog_header.h"
#include "capture/capture_sim.h"
#include "capture/stream_sim.h"
#include "formats/source_position.h"
#include "tests/capture/binlog_maker.h"
#include "tests/capture/fake_storage.h"

enum { CHUNK_BYTES = 32 * 1024, CHUNKS = 24, TRANSACTIONS = 300 };

static const char *columns[][STREAM_SIM_COLUMN_FIELDS] = {
    {"app", "kept", "id", "int(11)", NULL, NULL},
    {"app", "kept", "text", "text", "utf8mb4", "65535"},
    {"app", "other", "id", "int(11)", NULL, NULL},
    {"app", "other", "text", "text", "utf8mb4", "65535"},
};
static const char *keys[][STREAM_SIM_KEY_FIELDS] = {{"app", "kept", "PRIMARY", "id", "BTREE"},
                                                    {"app", "other", "PRIMARY", "id", "BTREE"}};
static const char *const include[] = {"app.kept", "app.other", NULL};

/* Time that moves only between steps, and a wall clock that stands: records of two runs can be compared byte by byte.
 */
struct still_clock {
    struct clock clock;
    uint64_t now_ns;
};
static uint64_t still_monotonic(const struct clock *c)
{
    return ((const struct still_clock *)(const void *)c)->now_ns;
}
static uint64_t still_realtime(const struct clock *c)
{
    (void)c;
    return 1700000000000;
}

struct world {
    struct still_clock clock;
    struct stream_sim_source source;
    struct binlog_maker maker;
    struct fake_storage storage;
    struct counters *counters;
    struct capture_config config;
    struct capture *capture;
};

static void storage_works(void *context)
{
    fake_storage_step(context);
}

static void world_init(struct world *w, uint64_t seed)
{
    struct err_msg msg = {0};
    *w = (struct world){.clock = {{still_monotonic, still_realtime}, 1000000000}};
    stream_sim_source_init(&w->source, &w->clock.clock, seed);
    w->source.column = columns;
    w->source.column_count = sizeof columns / sizeof columns[0];
    w->source.key = keys;
    w->source.key_count = sizeof keys / sizeof keys[0];
    binlog_maker_init(&w->maker, &w->source);
    fake_storage_init(&w->storage, CHUNK_BYTES, CHUNKS, 3, true);
    ck_assert_int_eq(counters_open(&w->counters, NULL, 512, &msg), ERR_OK);
    w->config = (struct capture_config){.channel = "sim",
                                        .host = "nowhere",
                                        .port = 1,
                                        .user = "u",
                                        .password = "p",
                                        .server_id = 99,
                                        .include = include,
                                        .ddl_instance = true,
                                        .format = "dts-avro",
                                        .start = CAPTURE_START_EARLIEST,
                                        .heartbeat_ms = 1000000000,
                                        .segment_bytes = 200 * 1024,
                                        .batch_bytes_target = 14 * 1024,
                                        .record_bytes_max = 256 * 1024,
                                        .packet_bytes_max = 1 << 20,
                                        .reconnect_pause_ms_min = 10,
                                        .reconnect_pause_ms_max = 1000,
                                        .core = -1};
}

static void world_fini(struct world *w)
{
    if (w->capture != NULL) capture_stop(w->capture);
    stream_sim_source_fini(&w->source);
    fake_storage_fini(&w->storage);
    counters_close(w->counters);
}

static void capture_open(struct world *w)
{
    struct source_stream *stream;
    struct err_msg msg = {0};
    ck_assert_int_eq(stream_sim_open(&stream, &w->source), ERR_OK);
    ck_assert_msg(capture_open_simulated(&w->capture, &w->config, &w->storage.feed, &w->storage.resume, &w->clock.clock,
                                         w->counters, stream, storage_works, &w->storage, &msg) == ERR_OK,
                  "%s", msg.text);
}

/* Steps until nothing is left to do; false: capture ended (its status says why). */
static bool run(struct world *w, unsigned steps_max, struct capture_status *status)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < steps_max && idle < 50; i++) {
        unsigned done = capture_step(w->capture) + fake_storage_step(&w->storage);
        idle = done == 0 ? idle + 1 : 0;
        w->clock.now_ns += 50000000;
        capture_status(w->capture, status);
        if (status->state == CAPTURE_ENDED) return false;
    }
    return true;
}

static void capture_close(struct world *w)
{
    capture_stop(w->capture);
    w->capture = NULL;
    fake_storage_reattach(&w->storage);
}

/* --- what happens on the source --- */

static void transaction(struct binlog_maker *m, struct random *r, bool finished)
{
    static const char *const table[] = {"kept", "other", "filtered"};
    uint32_t statements = 1 + (uint32_t)random_below(r, 4);
    bool is_large = finished && random_below(r, 40) == 0;
    binlog_maker_gtid(m);
    binlog_maker_query(m, "app", "BEGIN");
    bool only_filtered = random_below(r, 4) == 0;
    for (uint32_t i = 0; i < statements; i++) {
        uint32_t which = only_filtered ? 2 : (uint32_t)random_below(r, 3);
        uint32_t rows = 1 + (uint32_t)random_below(r, 5), text = (uint32_t)random_below(r, 200);
        if (is_large) rows = 200 + (uint32_t)random_below(r, 200), text = 500;
        if (finished && random_below(r, 60) == 0) rows = 1, text = 50000; /* larger than a chunk */
        binlog_maker_table_map(m, 100 + which, "app", table[which]);
        binlog_maker_write(m, 100 + which, (uint32_t)random_below(r, 1000000), rows, text);
    }
    if (finished) binlog_maker_xid(m);
    m->now_s += random_below(r, 3) == 0;
}

static void history(struct binlog_maker *m, uint64_t seed)
{
    struct random r;
    random_init(&r, seed);
    for (int i = 0; i < TRANSACTIONS; i++) {
        transaction(m, &r, true);
        switch (random_below(&r, 30)) {
        case 0: binlog_maker_file(m, true); break;
        case 1: /* the source crashes in the middle of a transaction, and its GTID is used again */
            transaction(m, &r, false);
            m->gtid_number--;
            binlog_maker_file(m, false);
            break;
        case 2:
            binlog_maker_gtid(m);
            binlog_maker_query(m, "app", "CREATE VIEW app.v AS SELECT 1");
            break;
        case 3:
            binlog_maker_gtid(m);
            binlog_maker_query(m, "app", "CREATE USER x IDENTIFIED BY 'swordfish'");
            break;
        default: break;
        }
    }
}

static void assert_same(const struct fake_storage *a, const struct fake_storage *b)
{
    uint64_t count = a->record_count < b->record_count ? a->record_count : b->record_count;
    for (uint64_t i = 0; i < count; i++) {
        const struct fake_record *x = &a->record[i], *y = &b->record[i];
        ck_assert_msg(x->value_bytes == y->value_bytes && memcmp(x->value, y->value, x->value_bytes) == 0,
                      "record %lu differs", (unsigned long)i);
        ck_assert_int_eq(x->timestamp_ms, y->timestamp_ms);
        ck_assert_msg((x->position == NULL) == (y->position == NULL), "record %lu ends a transaction in one run only",
                      (unsigned long)i);
    }
    ck_assert_uint_eq(a->record_count, b->record_count);
    ck_assert_uint_eq(a->transaction_ends > 0, 1);
}

START_TEST(broken_connections_change_nothing)
{
    uint64_t seed = (uint64_t)_i + 1;
    struct world calm, rough;
    struct capture_status status;
    world_init(&calm, seed);
    history(&calm.maker, seed);
    capture_open(&calm);
    ck_assert_msg(run(&calm, 100000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(calm.storage.record_count, 1000);
    ck_assert_uint_gt(calm.storage.segments, 2);
    ck_assert_uint_eq(calm.storage.gtid_sets, calm.storage.segments);
    for (uint64_t i = 0; i < calm.storage.record_count; i++)
        ck_assert_ptr_null(memmem(calm.storage.record[i].value, calm.storage.record[i].value_bytes, "swordfish", 9));

    world_init(&rough, seed);
    history(&rough.maker, seed);
    rough.source.breaks_per_million = 4000;
    capture_open(&rough);
    ck_assert_msg(run(&rough, 200000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(rough.source.breaks, 3);
    assert_same(&calm.storage, &rough.storage);
    ck_assert_uint_eq(rough.storage.batches_spanning > 0, calm.storage.batches_spanning > 0);
    world_fini(&calm);
    world_fini(&rough);
}
END_TEST

/* HEARTBEATs are due all the time and connections break in the middle of transactions that are logged in part: a
 * HEARTBEAT still stands between transactions, and the time of records does not run backward. */
START_TEST(heartbeats_stand_between_transactions)
{
    uint64_t seed = (uint64_t)_i + 1, heartbeats = 0;
    struct world w;
    struct capture_status status;
    world_init(&w, seed);
    w.config.heartbeat_ms = 100;
    w.maker.now_s += 1000; /* the file is older than what stands in it */
    history(&w.maker, seed);
    w.source.breaks_per_million = 60000;
    capture_open(&w);
    ck_assert_msg(run(&w, 20000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(w.source.breaks, 3);
    ck_assert_uint_gt(w.storage.batches_of_part, 0);
    const struct fake_record *end = NULL;
    for (uint64_t i = 0; i < w.storage.record_count; i++) {
        const struct fake_record *r = &w.storage.record[i];
        if (i > 0)
            ck_assert_msg(r->timestamp_ms >= r[-1].timestamp_ms, "time runs backward at record %lu", (unsigned long)i);
        if (r->position == NULL) continue;
        bool moves = end == NULL || r->position_bytes != end->position_bytes ||
                     memcmp(r->position, end->position, r->position_bytes) != 0;
        ck_assert_msg(moves || r == end + 1, "HEARTBEAT %lu stands in a transaction", (unsigned long)i);
        heartbeats += !moves;
        end = r;
    }
    ck_assert_uint_gt(heartbeats, 3);
    world_fini(&w);
}
END_TEST

/* A source whose clock tells 0. */
START_TEST(events_without_a_time)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 4);
    world_init(&w, 7);
    w.maker.now_s = 0;
    binlog_maker_file(&w.maker, true);
    for (int i = 0; i < 5; i++) {
        transaction(&w.maker, &r, true);
        w.maker.now_s = 0;
    }
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_gt(w.storage.record_count, 5);
    for (uint64_t i = 0; i < w.storage.record_count; i++) ck_assert_int_ge(w.storage.record[i].timestamp_ms, 1000);
    world_fini(&w);
}
END_TEST

/* The set on a segment's first record is that before its transaction, a statement's too; the very first record has it.
 * A statement's own tag tells the set with the statement. */
START_TEST(segments_begin_with_the_set_before)
{
    static const char *const expected[] = {"1-3", "1-3", "1-4", "1-5"}; /* HEARTBEAT, GTIDs 4, 5, 6 */
    static const char *const tag[] = {NULL, ":1-4", ":1-5", ":1-6"};
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    for (int i = 0; i < 6; i++) {
        if (i == 3) binlog_maker_file(&w.maker, true);
        binlog_maker_gtid(&w.maker);
        binlog_maker_query(&w.maker, "app", "CREATE VIEW app.v AS SELECT 1");
    }
    w.source.purged = 1;
    w.config.segment_bytes = 1;
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 4);
    for (uint64_t i = 0; i < 4; i++) {
        const char *set = w.storage.record[i].gtid_set;
        ck_assert_msg(set != NULL && strchr(set, ':') != NULL && strcmp(strchr(set, ':') + 1, expected[i]) == 0,
                      "record %lu: %s", (unsigned long)i, set);
        const struct fake_record *k = &w.storage.record[i];
        if (tag[i] != NULL) ck_assert_ptr_nonnull(memmem(k->value, k->value_bytes, tag[i], strlen(tag[i])));
    }
    world_fini(&w);
}
END_TEST

/* CREATE TABLE ... SELECT of nothing: a BEGIN all the same, as there is a COMMIT. */
START_TEST(statement_in_a_transaction)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_query(&w.maker, "app", "CREATE TABLE filtered (id INT)");
    binlog_maker_xid(&w.maker);
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(w.storage.record_count, 4); /* HEARTBEAT, BEGIN, the statement, COMMIT */
    const struct fake_record *r = w.storage.record;
    ck_assert(memmem(r[2].value, r[2].value_bytes, "CREATE TABLE", 12) != NULL);
    ck_assert(r[1].position == NULL && r[2].position == NULL && r[3].position != NULL);
    world_fini(&w);
}
END_TEST

/* A statement is in the binlog before the dictionary shows what it did: definitions are read when it is done. */
START_TEST(dictionary_behind_the_binlog)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    w.source.columns_hidden = 1;
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "ALTER TABLE other ADD text TEXT");
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "other");
    binlog_maker_write(&w.maker, 1, 1, 3, 10);
    binlog_maker_xid(&w.maker);
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    ck_assert_uint_eq(status.row_changes, 3);
    world_fini(&w);
}
END_TEST

/* The process dies at any step: what the log holds is cut to whole transactions, and capture goes on there. */
START_TEST(taken_up_again_anywhere)
{
    uint64_t seed = (uint64_t)_i + 100;
    struct world calm, rough;
    struct capture_status status;
    struct random r;
    random_init(&r, seed);
    world_init(&calm, seed);
    history(&calm.maker, seed);
    calm.config.heartbeat_ms = rough.config.heartbeat_ms = 1000000000;
    capture_open(&calm);
    ck_assert_msg(run(&calm, 100000, &status), "ended: %s", status.error.text);

    world_init(&rough, seed);
    history(&rough.maker, seed);
    rough.source.breaks_per_million = 1000;
    for (int i = 0; i < 12; i++) {
        capture_open(&rough);
        ck_assert_msg(run(&rough, 1 + (unsigned)random_below(&r, 6), &status) || status.wants_reattach, "ended: %s",
                      status.error.text);
        capture_close(&rough);
    }
    capture_open(&rough);
    ck_assert_msg(run(&rough, 100000, &status), "ended: %s", status.error.text);
    /* Each start writes a HEARTBEAT; without them and the record ids that they shift, the values are the same. */
    uint64_t k = 0;
    for (uint64_t i = 0; i < rough.storage.record_count; i++) {
        const struct fake_record *y = &rough.storage.record[i], *x;
        while (k < calm.storage.record_count && calm.storage.record[k].value_bytes < 120 &&
               calm.storage.record[k].position != NULL &&
               memmem(calm.storage.record[k].value, calm.storage.record[k].value_bytes, "GTID", 4) == NULL)
            k++;
        if (y->value_bytes < 120 && y->position != NULL && memmem(y->value, y->value_bytes, "GTID", 4) == NULL)
            continue;
        ck_assert_uint_lt(k, calm.storage.record_count);
        x = &calm.storage.record[k++];
        ck_assert_uint_ge(x->value_bytes + 2, y->value_bytes);
        ck_assert_uint_le(x->value_bytes, y->value_bytes + 2);
        size_t tail = x->value_bytes < y->value_bytes ? x->value_bytes - 12 : y->value_bytes - 12;
        ck_assert_msg(memcmp(x->value + x->value_bytes - tail, y->value + y->value_bytes - tail, tail) == 0,
                      "record %lu differs", (unsigned long)i);
    }
    ck_assert_uint_eq(k, calm.storage.record_count);
    world_fini(&calm);
    world_fini(&rough);
}
END_TEST

/* A transaction is sent in part, then the source turns out never to have committed it: the log is cut once, and capture
 * passes what is dead the next time, although it begins before it. */
START_TEST(lost_transaction_asks_for_reattach)
{
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 1, "app", "kept");
    for (uint32_t i = 0; i < 20; i++) binlog_maker_write(&w.maker, 1, 1000 * i, 100, 100);
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    binlog_maker_file(&w.maker, false);
    ck_assert(!run(&w, 1000, &status));
    ck_assert(status.wants_reattach);
    ck_assert_uint_gt(w.storage.batches_of_part, 0);
    capture_close(&w);
    ck_assert_uint_eq(w.storage.record_count, 1); /* the HEARTBEAT of the start */
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended again: %s", status.error.text);
    ck_assert_uint_eq(status.transactions, 0);
    world_fini(&w);
}
END_TEST

static struct capture_status end_of(struct world *w)
{
    struct capture_status status;
    capture_open(w);
    ck_assert_msg(!run(w, 1000, &status), "capture did not end: state %d, %s, uuid %s", status.state, status.error.text,
                  status.server_uuid);
    capture_close(w);
    return status;
}

/* Gives a file's FORMAT_DESCRIPTION another time. */
static void format_time_add(struct stream_sim_file *f, int by)
{
    uint8_t *event = f->bytes + BINLOG_FIRST_POSITION;
    struct cursor at = cursor_of(event, f->size - BINLOG_FIRST_POSITION);
    struct binlog_header h;
    ck_assert_int_eq(binlog_header_decode(&at, &h), ERR_OK);
    struct sink out = sink_of(event, h.event_size);
    sink_le(&out, h.timestamp_s + (uint32_t)by, 4);
    out.at = event + h.event_size - BINLOG_CHECKSUM_BYTES;
    sink_le(&out, crc32_zlib(0, event, h.event_size - BINLOG_CHECKSUM_BYTES), BINLOG_CHECKSUM_BYTES);
}

/* Resumes behind one transaction, with the source changed in between. */
START_TEST(other_history_is_refused)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 1);
    world_init(&w, 7);
    binlog_maker_file(&w.maker, true);
    for (int i = 0; i < 5; i++) transaction(&w.maker, &r, true); /* not all of them are filtered */
    capture_open(&w);
    ck_assert_msg(run(&w, 1000, &status), "ended: %s", status.error.text);
    capture_close(&w);

    w.source.server_uuid = "00000000-71ca-11e1-9e33-c80aa9429562";
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_HISTORY);
    w.source.server_uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    format_time_add(&w.source.file[1], 1);
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_HISTORY);
    format_time_add(&w.source.file[1], -1);
    size_t size = w.source.file[1].size;
    w.source.file[1].size = size / 2;
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_HISTORY);
    w.source.file[1].size = size;
    binlog_maker_file(&w.maker, true);
    w.source.purged = 2;
    ck_assert_int_eq(end_of(&w).error.code, ERR_SOURCE_PURGED);
    world_fini(&w);
}
END_TEST

START_TEST(heartbeats_move_the_position)
{
    struct world w;
    struct capture_status status;
    struct random r;
    random_init(&r, 3);
    world_init(&w, 7);
    w.config.heartbeat_ms = 1000;
    w.source.heartbeat_ms = 1000;
    transaction(&w.maker, &r, true);
    capture_open(&w);
    for (int i = 0; i < 100; i++) (void)run(&w, 1, &status);
    uint64_t before = w.storage.record_count;
    binlog_maker_gtid(&w.maker);
    binlog_maker_query(&w.maker, "app", "BEGIN");
    binlog_maker_table_map(&w.maker, 9, "app", "filtered");
    binlog_maker_write(&w.maker, 9, 1, 3, 10);
    binlog_maker_xid(&w.maker);
    for (int i = 0; i < 100; i++) (void)run(&w, 1, &status);
    ck_assert_uint_ge(w.storage.record_count, before + 3);
    struct source_position p;
    const struct fake_record *last = &w.storage.record[w.storage.record_count - 1];
    ck_assert_int_eq(source_position_decode(last->position, last->position_bytes, &p), ERR_OK);
    ck_assert_uint_eq(p.position, w.source.file[0].size);
    ck_assert_int_eq(status.state, CAPTURE_AT_TAIL);
    world_fini(&w);
}
END_TEST

/* What is not supported ends the channel with words, and never with a wrong record. */
START_TEST(unsupported_events_end_the_channel)
{
    static const struct {
        uint8_t type;
        const char *query, *words;
        enum err code;
    } cases[] = {
        {40, NULL, "binlog_transaction_compression", ERR_UNSUPPORTED},
        {39, NULL, "binlog_row_value_options", ERR_UNSUPPORTED},
        {38, NULL, "XA", ERR_UNSUPPORTED},
        {42, NULL, "tags", ERR_UNSUPPORTED},
        {20, NULL, "5.1.22", ERR_UNSUPPORTED},
        {26, NULL, "INCIDENT", ERR_SOURCE_CONFIG},
        {99, NULL, "type 99", ERR_UNSUPPORTED},
        {0, "XA START 'a'", "XA", ERR_UNSUPPORTED},
        {0, "INSERT INTO kept VALUES (1,2)", "binlog_format=ROW", ERR_SOURCE_CONFIG},
        {0, "ROLLBACK TO s", NULL, ERR_OK},
        {0, "INSERT INTO filtered VALUES (1)", NULL, ERR_OK},
    };
    struct world w;
    struct capture_status status;
    world_init(&w, 7);
    if (cases[_i].query != NULL)
        binlog_maker_query(&w.maker, "app", cases[_i].query);
    else
        binlog_maker_event(&w.maker, cases[_i].type, "0123456789012345678901234567890123456789", 40);
    capture_open(&w);
    bool goes_on = run(&w, 1000, &status);
    ck_assert_msg(goes_on == (cases[_i].code == ERR_OK), "case %d: %s", _i, status.error.text);
    ck_assert_int_eq(status.error.code, cases[_i].code);
    if (cases[_i].words != NULL)
        ck_assert_msg(strstr(status.error.text, cases[_i].words) != NULL, "%s", status.error.text);
    world_fini(&w);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sim");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, broken_connections_change_nothing, 0, 12);
    tcase_add_loop_test(cases, heartbeats_stand_between_transactions, 0, 6);
    tcase_add_test(cases, events_without_a_time);
    tcase_add_test(cases, dictionary_behind_the_binlog);
    tcase_add_test(cases, segments_begin_with_the_set_before);
    tcase_add_test(cases, statement_in_a_transaction);
    tcase_add_loop_test(cases, taken_up_again_anywhere, 0, 6);
    tcase_add_test(cases, lost_transaction_asks_for_reattach);
    tcase_add_test(cases, other_history_is_refused);
    tcase_add_test(cases, heartbeats_move_the_position);
    tcase_add_loop_test(cases, unsupported_events_end_the_channel, 0, 11);
    Suite *suite = suite_create("capture_sim");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
